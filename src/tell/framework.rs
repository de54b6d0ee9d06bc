//! What a store shows for and against the requirements of a regulation or standard.
//!
//! A requirement is *shown* (there is evidence, with its count and a command that lists it),
//! *contradicted* (a finding stands against it) or *not shown* (what would show it was not ingested);
//! what no log can show is said beside each. Nothing here claims compliance.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use super::shown::{Evidence, Facts, Figure};
use crate::check::Finding;

const FRAMEWORKS: &str = include_str!("../../policies/frameworks.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct All {
    framework: Vec<Framework>,
}

/// A regulation or standard.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Framework {
    /// Short name.
    pub id: String,
    /// Its name and number.
    pub name: String,
    requirement: Vec<Requirement>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Requirement {
    r#ref: String,
    asks: String,
    evidence: Vec<Figure>,
    #[serde(default)]
    tags: Vec<String>,
    limit: String,
}

/// The frameworks that are known.
///
/// # Errors
/// The file is not valid (never for the one that is built in; a test holds that).
pub fn frameworks() -> Result<Vec<Framework>, String> {
    let all: All = toml::from_str(FRAMEWORKS).map_err(|error| error.to_string())?;
    Ok(all.framework)
}

/// Values for the report on a framework.
#[must_use]
pub fn framework_values(framework: &Framework, facts: &Facts<'_>) -> Value {
    let requirements: Vec<Value> = framework
        .requirement
        .iter()
        .map(|requirement| {
            let judged = judge(requirement, facts);
            let mut rules: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
            for finding in &judged.against {
                let tasks = rules.entry((&finding.rule, &finding.title)).or_default();
                tasks.insert(&finding.task);
            }
            let against: Vec<Value> = rules
                .into_iter()
                .map(|((rule, title), tasks)| {
                    let some = tasks.iter().take(EXAMPLES);
                    let examples: Vec<&str> = some.map(|id| id.get(..12).unwrap_or(id)).collect();
                    json!({"rule": rule, "title": title, "tasks": tasks.len(), "examples": examples})
                })
                .collect();
            json!({
                "ref": requirement.r#ref,
                "asks": requirement.asks,
                "state": judged.state(),
                "shown": judged.shown,
                "missing": judged.missing,
                "findings": judged.against.len(),
                "against": against,
                "limit": requirement.limit,
            })
        })
        .collect();
    json!({
        "name": framework.name,
        "version": env!("CARGO_PKG_VERSION"),
        "requirements": requirements,
    })
}

/// Tasks named for a rule that is broken.
const EXAMPLES: usize = 3;

struct Judged<'r> {
    shown: Vec<Evidence>,
    missing: Vec<&'static str>,
    against: Vec<&'r Finding>,
}

impl Judged<'_> {
    fn state(&self) -> &'static str {
        match (self.against.is_empty(), self.shown.is_empty()) {
            (false, _) => "contradicted",
            (true, false) if self.missing.is_empty() => "shown",
            (true, false) => "shown in part",
            (true, true) => "not shown",
        }
    }
}

fn judge<'r>(requirement: &Requirement, facts: &Facts<'r>) -> Judged<'r> {
    let mut judged = Judged {
        shown: Vec::new(),
        missing: Vec::new(),
        against: Vec::new(),
    };
    for figure in &requirement.evidence {
        match facts.evidence(*figure) {
            Ok(evidence) => judged.shown.push(evidence),
            Err(missing) => judged.missing.push(missing),
        }
    }
    let tagged = |finding: &&Finding| {
        finding
            .tags
            .iter()
            .any(|tag| requirement.tags.contains(tag))
    };
    let findings = facts.verdict.findings.iter();
    judged.against = findings.filter(tagged).collect();
    judged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Policy;

    #[test]
    fn every_tag_of_a_requirement_is_one_of_a_shipped_rule() {
        let policy = Policy::baseline().unwrap();
        let known: BTreeSet<&String> = policy.rules.iter().flat_map(|rule| &rule.tags).collect();
        let all = frameworks().unwrap();
        assert_eq!(all.len(), 8);
        for framework in &all {
            assert!(framework.requirement.len() >= 3, "{}", framework.id);
            for requirement in &framework.requirement {
                for tag in &requirement.tags {
                    assert!(known.contains(tag), "{tag} of {}", requirement.r#ref);
                }
            }
        }
    }
}
