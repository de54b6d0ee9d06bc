//! Cases that somebody has allowed, and findings that were known before.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::judge::{Finding, Verdict};
use super::rules::Level;

/// An exception from a rule, as a file of the policy says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// Its name.
    #[serde(rename = "exception")]
    pub id: String,
    /// The rule.
    pub rule: String,
    /// Where it holds: all that is given must fit.
    #[serde(default)]
    pub scope: Scope,
    /// Why.
    pub reason: String,
    /// Who granted it.
    pub granted_by: String,
    /// The last day on which it holds, `YYYY-MM-DD`.
    pub until: String,
    /// Its file.
    #[serde(default)]
    pub path: String,
}

/// Where an exception holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scope {
    /// Beginning of a task id.
    pub task: Option<String>,
    /// A text in the finding: an object, an actor.
    pub contains: Option<String>,
}

impl Exception {
    pub(super) fn read(path: &str, value: &Value) -> Result<Self, String> {
        let mut exception: Self = serde_json::from_value(value.clone())
            .map_err(|error| format!("an exception: {error}"))?;
        if exception.until.parse::<jiff::civil::Date>().is_err() {
            return Err(format!(
                "the exception {} ends on `{}`, which is no day; write YYYY-MM-DD",
                exception.id, exception.until
            ));
        }
        path.clone_into(&mut exception.path);
        Ok(exception)
    }

    fn covers(&self, finding: &Finding) -> bool {
        self.rule == finding.rule
            && self
                .scope
                .task
                .as_ref()
                .is_none_or(|task| finding.task.starts_with(task.as_str()))
            && self.scope.contains.as_ref().is_none_or(|text| {
                finding.message.contains(text.as_str())
                    || finding
                        .evidence
                        .iter()
                        .any(|proof| proof.what.contains(text.as_str()))
            })
    }
}

/// Takes what is allowed out of the findings; an exception that has run out is a finding itself.
/// `day` is the day that counts, `YYYY-MM-DD`.
pub fn apply_exceptions(verdict: &mut Verdict, exceptions: &[Exception], day: &str) {
    for exception in exceptions {
        let expired = exception.until.as_str() < day;
        let covered = verdict
            .findings
            .iter()
            .filter(|finding| exception.covers(finding))
            .count();
        if expired {
            verdict.findings.push(Finding {
                rule: "exception-expired".to_owned(),
                title: "An exception has run out".to_owned(),
                level: Level::Medium,
                message: format!(
                    "{} from {} ended on {}; granted by {}: {} ({covered} findings would fall under it)",
                    exception.id,
                    exception.rule,
                    exception.until,
                    exception.granted_by,
                    exception.reason
                ),
                task: String::new(),
                time: None,
                tags: Vec::new(),
                policy_then: Vec::new(),
                evidence: Vec::new(),
            });
            continue;
        }
        let (allowed, left) = std::mem::take(&mut verdict.findings)
            .into_iter()
            .partition(|finding| exception.covers(finding));
        verdict.findings = left;
        let allowed: Vec<Finding> = allowed;
        verdict
            .excepted
            .extend(allowed.into_iter().map(|finding| Excepted {
                exception: exception.clone(),
                finding,
            }));
    }
}

/// A finding that an exception allows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Excepted {
    /// The exception.
    pub exception: Exception,
    /// The finding.
    pub finding: Finding,
}

/// The findings of an earlier verdict (the JSON output of `trail verify`), by rule and events.
///
/// # Errors
/// The text is no such output.
pub fn known_findings(text: &str) -> Result<BTreeSet<(String, Vec<String>)>, String> {
    #[derive(Deserialize)]
    struct Earlier {
        findings: Vec<EarlierFinding>,
    }
    #[derive(Deserialize)]
    struct EarlierFinding {
        rule: String,
        evidence: Vec<EarlierProof>,
    }
    #[derive(Deserialize)]
    struct EarlierProof {
        event: String,
    }
    let earlier: Earlier = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let key = |finding: EarlierFinding| {
        let events = finding.evidence.into_iter().map(|proof| proof.event);
        (finding.rule, sorted(events))
    };
    Ok(earlier.findings.into_iter().map(key).collect())
}

/// Takes the findings that were known out of a verdict, and gives their number.
pub fn leave_out_known(verdict: &mut Verdict, known: &BTreeSet<(String, Vec<String>)>) -> usize {
    let before = verdict.findings.len();
    verdict.findings.retain(|finding| {
        let events = finding.evidence.iter().map(|proof| proof.event.clone());
        !known.contains(&(finding.rule.clone(), sorted(events)))
    });
    before - verdict.findings.len()
}

fn sorted(events: impl Iterator<Item = String>) -> Vec<String> {
    let mut events: Vec<String> = events.collect();
    events.sort_unstable();
    events
}
