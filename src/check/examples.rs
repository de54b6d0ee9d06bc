//! Rules on trial: their examples, and why one matches a task or does not.

use super::judge::one_finding;
use super::record::{AsLogged, Given, Record};
use super::rules::{Logic, Policy, Rule};
use super::select::selections_of;
use super::task::{Seen, broken, describe, reasons};

/// An example that a rule does not judge as it should.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The rule.
    pub rule: String,
    /// Its file.
    pub path: String,
    /// Which example of its list, from 1.
    pub number: usize,
    /// Whether it must match.
    pub must_match: bool,
    /// What happened.
    pub message: String,
}

/// Holds all rules against their examples; gives those that went wrong.
#[must_use]
pub fn test_examples(policy: &Policy) -> Vec<Failure> {
    let mut failures = Vec::new();
    for rule in &policy.rules {
        let mut numbers = [0usize; 2];
        for example in &rule.examples {
            let number = &mut numbers[usize::from(example.matches)];
            *number += 1;
            let found = judge_given(policy, rule, &example.events);
            if found.is_some() != example.matches {
                let message = found.map_or_else(
                    || "the rule does not match".to_owned(),
                    |message| format!("the rule matches: {message}"),
                );
                failures.push(Failure {
                    rule: rule.id.clone(),
                    path: rule.path.clone(),
                    number: *number,
                    must_match: example.matches,
                    message,
                });
            }
        }
    }
    failures
}

/// The breach of a rule in a task that consists of these events.
fn judge_given(policy: &Policy, rule: &Rule, events: &[Given]) -> Option<String> {
    if let Logic::Raw(raw) = &rule.logic {
        return events.iter().find_map(|event| {
            let json = event.json();
            let logged = AsLogged {
                json: rsigma_eval::JsonEvent::borrow(&json),
            };
            let wanted = raw.selection.to_string();
            let mut engines = raw
                .formats
                .iter()
                .filter_map(|format| policy.raw_engines.get(format));
            let hit = engines.any(|engine| {
                let hits = engine.evaluate(&logged);
                hits.iter()
                    .any(|hit| hit.header.rule_id.as_deref() == Some(&wanted))
            });
            hit.then(|| "the record matches".to_owned())
        });
    }
    let records: Vec<&dyn Record> = events.iter().map(|event| event as &dyn Record).collect();
    let fits: Vec<_> = records
        .iter()
        .map(|record| selections_of(policy, *record))
        .collect();
    let seen = seen(&records, &fits);
    one_finding(broken(rule, &seen)).map(|(message, _)| message)
}

fn seen<'e>(
    records: &'e [&'e dyn Record],
    fits: &'e [Vec<super::rules::Selection>],
) -> Vec<Seen<'e>> {
    let event = |(record, fits): (&'e &'e dyn Record, &'e Vec<_>)| Seen {
        record: *record,
        fits,
        time: record.time(),
    };
    records.iter().zip(fits).map(event).collect()
}

/// The rules that the last of these events breaks, or helps to break, with what they say. Rules that
/// wait for something later are left out.
#[must_use]
pub fn breaches_at_end<'p>(policy: &'p Policy, records: &[&dyn Record]) -> Vec<(&'p Rule, String)> {
    let fits: Vec<_> = records
        .iter()
        .map(|record| selections_of(policy, *record))
        .collect();
    let seen = seen(records, &fits);
    let Some(end) = seen.len().checked_sub(1) else {
        return Vec::new();
    };
    policy
        .rules
        .iter()
        .filter(|rule| !policy.silent.contains(&rule.id) && !waits(rule))
        .filter_map(|rule| {
            let concerned = broken(rule, &seen).into_iter();
            let mut concerned = concerned.filter(|(_, events)| events.contains(&end));
            concerned.next().map(|(message, _)| (rule, message))
        })
        .collect()
}

/// Whether what comes later can still keep the rule.
fn waits(rule: &Rule) -> bool {
    use super::rules::Template;
    match &rule.logic {
        Logic::Task(task) => matches!(
            task.template,
            Template::Response | Template::ChainResponse | Template::Existence
        ),
        _ => false,
    }
}

/// Why a rule matches a task or does not.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Explained {
    /// The rule.
    pub rule: String,
    /// Its title.
    pub title: String,
    /// The breach, if there is one.
    pub breach: Option<String>,
    /// The events of the task in their order.
    pub events: Vec<String>,
    /// Which event fits which part of the rule, and which condition holds between which.
    pub reasons: Vec<String>,
}

/// Explains a rule on the events of a task, in their order.
#[must_use]
pub fn explain_rule(policy: &Policy, rule: &Rule, records: &[&dyn Record]) -> Explained {
    let fits: Vec<_> = records
        .iter()
        .map(|record| selections_of(policy, *record))
        .collect();
    let seen = seen(records, &fits);
    let mut lines = reasons(rule, &seen);
    if let Logic::Event(selection) = &rule.logic {
        let fitting = (0..seen.len()).filter(|at| seen[*at].fits.contains(selection));
        lines.extend(fitting.map(|at| {
            format!(
                "detection: event {} fits: {}",
                at + 1,
                describe(seen[at].record)
            )
        }));
        if lines.is_empty() {
            lines.push("detection: no event of the task fits".to_owned());
        }
    }
    if let Logic::Raw(raw) = &rule.logic {
        lines.push(format!(
            "the rule looks at records of {} by their own names; `trail verify` runs it",
            raw.source
        ));
    }
    Explained {
        rule: rule.id.clone(),
        title: rule.title.clone(),
        breach: one_finding(broken(rule, &seen)).map(|(message, _)| message),
        events: records.iter().map(|record| describe(*record)).collect(),
        reasons: lines,
    }
}
