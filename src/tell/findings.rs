//! Findings as tables, Markdown, JUnit, SARIF and GitHub annotations.

use std::collections::{BTreeMap, HashSet};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::json;

use super::safe::{cut, markdown, terminal};
use crate::check::{Excepted, Finding, Level, Verdict};

fn summary(verdict: &Verdict) -> String {
    let mut text = format!(
        "{} findings by policy {} {} ({} rules judged, {} not evaluable) in {} tasks, {} events",
        verdict.findings.len(),
        verdict.policy,
        verdict.policy_version,
        verdict.rules_judged,
        verdict.not_evaluable.len(),
        verdict.tasks,
        verdict.events
    );
    for (count, what) in [
        (verdict.excepted.len() as u64, "allowed by exceptions"),
        (verdict.known as u64, "known before"),
        (verdict.events_without_time as u64, "events without a time"),
        (verdict.rejects, "places of the dumps not read"),
    ] {
        if count > 0 {
            text.push_str(&format!("; {count} {what}"));
        }
    }
    text
}

/// Lines of not more columns, broken between words.
fn filled(text: &str, columns: usize) -> String {
    let (mut out, mut used) = (String::new(), 0);
    for word in text.split(' ') {
        let width = word.chars().count();
        if used > 0 && used + 1 + width > columns {
            out.push('\n');
            used = 0;
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += width;
    }
    out
}

fn place(finding: &Finding) -> String {
    finding.evidence.first().map_or_else(String::new, |proof| {
        format!(
            "{}, record {}, bytes {}–{}",
            proof.file,
            proof.record,
            proof.offset,
            proof.offset + proof.length
        )
    })
}

/// For a terminal.
#[must_use]
pub fn findings_table(verdict: &Verdict, columns: usize) -> String {
    let mut out = String::new();
    for finding in &verdict.findings {
        let head = format!(
            "{:<8} {}  {}",
            finding.level.as_str(),
            finding.rule,
            finding.title
        );
        out.push_str(&format!("{}\n", cut(&terminal(&head), columns)));
        for line in [finding.message.clone(), place_in_time(finding)] {
            out.push_str(&format!(
                "         {}\n",
                cut(&terminal(&line), columns.saturating_sub(9))
            ));
        }
        for proof in finding.evidence.iter().take(3) {
            let end = proof.offset + proof.length;
            let line = format!(
                "{}, record {}, bytes {}–{end}",
                proof.file, proof.record, proof.offset
            );
            out.push_str(&format!(
                "         {}\n",
                cut(&terminal(&line), columns.saturating_sub(9))
            ));
        }
    }
    for excepted in &verdict.excepted {
        let line = format!("allowed: {}", allowance(excepted));
        out.push_str(&format!("{}\n", cut(&terminal(&line), columns)));
    }
    for rule in &verdict.not_evaluable {
        let line = format!(
            "not evaluable: {} {} ({})",
            rule.rule, rule.title, rule.missing
        );
        out.push_str(&format!("{}\n", cut(&terminal(&line), columns)));
    }
    out.push_str(&filled(&summary(verdict), columns));
    out.push('\n');
    out
}

/// What an exception allows, and who allowed it.
fn allowance(excepted: &Excepted) -> String {
    let exception = &excepted.exception;
    format!(
        "{} {} by {} until {}, granted by {}: {}",
        excepted.finding.rule,
        excepted.finding.message,
        exception.id,
        exception.until,
        exception.granted_by,
        exception.reason
    )
}

/// The beginning of a task id; empty for a finding that belongs to no task.
fn short(task: &str) -> &str {
    task.get(..12).unwrap_or(task)
}

fn place_in_time(finding: &Finding) -> String {
    let time = finding.time.as_deref().unwrap_or("(no time)");
    let policy = match finding.policy_then.as_slice() {
        [] => String::new(),
        names => format!(", policy then {}", names.join(", ")),
    };
    match finding.task.as_str() {
        "" => "no task".to_owned(),
        task => format!("task {} at {time}{policy}", short(task)),
    }
}

/// All findings, as Markdown.
#[must_use]
pub fn findings_markdown(verdict: &Verdict) -> String {
    let all: Vec<&Finding> = verdict.findings.iter().collect();
    let mut out = format!("{}\n", markdown(&summary(verdict)));
    rows(&mut out, &all);
    rest(&mut out, verdict);
    out
}

/// Findings of each rule that a report lists at most.
const LISTED: usize = 100;

/// A rule that was broken.
pub(super) struct BrokenRule<'v> {
    /// What was found first; of a rule all is of one level.
    pub first: &'v Finding,
    /// How often it was broken.
    pub findings: u64,
    /// In how many tasks.
    pub tasks: u64,
}

/// The rules that were broken, the gravest first.
pub(super) fn broken_rules(verdict: &Verdict) -> Vec<BrokenRule<'_>> {
    let mut rules: BTreeMap<&str, (BrokenRule<'_>, HashSet<&str>)> = BTreeMap::new();
    for finding in &verdict.findings {
        let of_rule = || {
            let rule = BrokenRule {
                first: finding,
                findings: 0,
                tasks: 0,
            };
            (rule, HashSet::new())
        };
        let (rule, tasks) = rules.entry(&finding.rule).or_insert_with(of_rule);
        rule.findings += 1;
        if !finding.task.is_empty() && tasks.insert(&finding.task) {
            rule.tasks += 1;
        }
    }
    let mut rules: Vec<_> = rules.into_values().map(|(rule, _)| rule).collect();
    let place = |rule: &BrokenRule<'_>| (rule.first.level, rule.findings);
    rules.sort_by(|a, b| {
        let by_grade = place(b).cmp(&place(a));
        by_grade.then_with(|| a.first.rule.cmp(&b.first.rule))
    });
    rules
}

/// What a report lists: the first findings of each rule.
pub(super) fn listed(verdict: &Verdict) -> Vec<&Finding> {
    let mut of_rule: BTreeMap<&str, usize> = BTreeMap::new();
    let mut listed: Vec<&Finding> = Vec::new();
    for finding in &verdict.findings {
        let count = of_rule.entry(&finding.rule).or_default();
        *count += 1;
        if *count <= LISTED {
            listed.push(finding);
        }
    }
    listed
}

/// For a report or a step summary, which people read: the rules that were broken, how often, and the first findings of each.
#[must_use]
pub fn findings_summary(verdict: &Verdict) -> String {
    let mut out = format!("{}\n", markdown(&summary(verdict)));
    let rules = broken_rules(verdict);
    if !rules.is_empty() {
        out.push_str("\n| level | rule | findings | tasks |\n| --- | --- | --- | --- |\n");
    }
    for rule in &rules {
        let name = format!("{} {}", rule.first.rule, rule.first.title);
        let level = rule.first.level.as_str();
        let (name, counts) = (markdown(&name), (rule.findings, rule.tasks));
        out.push_str(&format!(
            "| {level} | {name} | {} | {} |\n",
            counts.0, counts.1
        ));
    }
    rows(&mut out, &listed(verdict));
    for rule in rules.iter().filter(|rule| rule.findings > LISTED as u64) {
        out.push_str(&format!(
            "\nThe first {LISTED} of {} findings by {}; all: `trail verify --format json`.\n",
            rule.findings,
            markdown(&rule.first.rule)
        ));
    }
    rest(&mut out, verdict);
    out
}

/// Findings as rows of a table.
fn rows(out: &mut String, findings: &[&Finding]) {
    if !findings.is_empty() {
        out.push_str("\n| level | rule | what happened | task | evidence |\n| --- | --- | --- | --- | --- |\n");
    }
    for finding in findings {
        let cells = [
            finding.level.as_str().to_owned(),
            format!("{} {}", finding.rule, finding.title),
            finding.message.clone(),
            short(&finding.task).to_owned(),
            place(finding),
        ];
        let cells: Vec<String> = cells.iter().map(|cell| markdown(cell)).collect();
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
}

/// What was allowed, and what could not be judged.
fn rest(out: &mut String, verdict: &Verdict) {
    for excepted in &verdict.excepted {
        let line = format!("Allowed: {}", allowance(excepted));
        out.push_str(&format!("\n- {}", markdown(&line)));
    }
    for rule in &verdict.not_evaluable {
        let line = format!(
            "Not evaluable: {} {} ({})",
            rule.rule, rule.title, rule.missing
        );
        out.push_str(&format!("\n- {}", markdown(&line)));
    }
    out.push('\n');
}

/// GitHub workflow commands; their own separators are escaped in what the log says.
#[must_use]
pub fn findings_github(verdict: &Verdict) -> String {
    let data = |text: &str| terminal(text).replace('%', "%25").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let mut out = String::new();
    for finding in &verdict.findings {
        let command = if finding.level >= Level::High {
            "error"
        } else {
            "warning"
        };
        out.push_str(&format!(
            "::{command} title={}::{} (task {}; {})\n",
            property(&format!("{} {}", finding.rule, finding.title)),
            data(&finding.message),
            short(&finding.task),
            data(&place(finding))
        ));
    }
    for rule in &verdict.not_evaluable {
        let text = format!(
            "{} {} not evaluable: {}",
            rule.rule, rule.title, rule.missing
        );
        out.push_str(&format!("::notice ::{}\n", data(&text)));
    }
    out
}

/// JUnit XML: one test case a finding, one skipped case a rule that could not be judged.
///
/// # Errors
/// The XML writer refuses (never for text).
pub fn findings_junit(verdict: &Verdict) -> Result<String, String> {
    let mut suite = TestSuite::new(format!("{} {}", verdict.policy, verdict.policy_version));
    for finding in &verdict.findings {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_type(finding.level.as_str());
        status.set_message(terminal(&finding.message));
        status.set_description(terminal(&place(finding)));
        let name = format!("{} in task {}", finding.title, short(&finding.task));
        let mut case = TestCase::new(terminal(&name), status);
        case.set_classname(finding.rule.clone());
        suite.add_test_case(case);
    }
    for rule in &verdict.not_evaluable {
        let mut status = TestCaseStatus::skipped();
        status.set_message(format!("not evaluable: {}", rule.missing));
        let mut case = TestCase::new(rule.title.clone(), status);
        case.set_classname(rule.rule.clone());
        suite.add_test_case(case);
    }
    let mut report = Report::new("trail verify");
    report.add_test_suite(suite);
    report.to_string().map_err(|error| error.to_string())
}

/// SARIF 2.1.0 (OASIS).
#[must_use]
pub fn findings_sarif(verdict: &Verdict) -> serde_json::Value {
    let mut rules: Vec<(&str, &str)> = verdict
        .findings
        .iter()
        .map(|finding| (finding.rule.as_str(), finding.title.as_str()))
        .collect();
    rules.sort_unstable();
    rules.dedup();
    let results: Vec<serde_json::Value> = verdict
        .findings
        .iter()
        .map(|finding| {
            let locations: Vec<serde_json::Value> = finding
                .evidence
                .iter()
                .map(|proof| {
                    json!({ "physicalLocation": {
                        "artifactLocation": { "uri": uri(&proof.file) },
                        "region": { "byteOffset": proof.offset, "byteLength": proof.length },
                    }})
                })
                .collect();
            json!({
                "ruleId": finding.rule,
                "level": if finding.level >= Level::High { "error" } else if finding.level == Level::Medium { "warning" } else { "note" },
                "message": { "text": terminal(&finding.message) },
                "locations": locations,
                "partialFingerprints": { "task/v1": format!("{}/{}", finding.rule, finding.task) },
                "properties": { "task": finding.task, "level": finding.level.as_str() },
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "trail",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(|(id, title)| json!({
                    "id": id, "shortDescription": { "text": title },
                })).collect::<Vec<_>>(),
            }},
            "results": results,
            "properties": { "policy": verdict.policy, "policyVersion": verdict.policy_version, "policySha256": verdict.policy_digest },
        }],
    })
}

/// A path as a URI reference (RFC 3986): everything but unreserved characters and `/` is escaped.
fn uri(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(byte as char)
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_counts_all_findings_and_lists_the_first_of_each_rule() {
        let finding = |rule: &str, level: Level, number: usize| Finding {
            rule: rule.to_owned(),
            title: "A | title".to_owned(),
            level,
            message: format!("message {number}"),
            // Two findings a task, and some that belong to none.
            task: match number % 10 {
                0 => String::new(),
                _ => format!("task {}", number / 2),
            },
            time: None,
            tags: Vec::new(),
            policy_then: Vec::new(),
            evidence: Vec::new(),
        };
        let high = (0..2).map(|n| finding("one", Level::High, n));
        let low = (0..250).map(|n| finding("many", Level::Low, n));
        let verdict = Verdict {
            policy: "p".to_owned(),
            policy_version: "1".to_owned(),
            policy_digest: String::new(),
            findings: high.chain(low).collect(),
            not_evaluable: Vec::new(),
            excepted: Vec::new(),
            known: 0,
            rules_judged: 2,
            events_without_time: 0,
            rejects: 0,
            tasks: 250,
            events: 900,
        };
        let text = findings_summary(&verdict);
        assert!(
            text.contains(
                "| high | one A \\| title | 2 | 1 |\n| low | many A \\| title | 250 | 125 |\n"
            ),
            "{text}"
        );
        assert_eq!(text.matches("message").count(), 2 + LISTED);
        assert!(text.contains("| message 99 |") && !text.contains("| message 100 |"));
        assert!(text.contains("The first 100 of 250 findings by many; all: `trail verify"));
        assert_eq!(findings_markdown(&verdict).matches("message").count(), 252);
    }
}
