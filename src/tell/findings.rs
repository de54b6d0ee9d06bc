//! Findings as tables, Markdown, JUnit, SARIF and GitHub annotations.

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

/// For a step summary or a report.
#[must_use]
pub fn findings_markdown(verdict: &Verdict) -> String {
    let mut out = format!("{}\n", markdown(&summary(verdict)));
    if !verdict.findings.is_empty() {
        out.push_str("\n| level | rule | what happened | task | evidence |\n| --- | --- | --- | --- | --- |\n");
    }
    for finding in &verdict.findings {
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
    out
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
