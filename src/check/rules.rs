//! Rule files: Sigma rules, and the same form with a `task:` part.

mod compile;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rsigma_eval::Engine;
use serde::Deserialize;
use serde_json::Value;

use self::compile::Waiting;
use super::conditions::Condition;
use super::exceptions::Exception;
use super::fields::{Asked, add, fields_of, known_field, odd_values};
use super::files::{Head, read_folder, shipped, with_line, without_examples};
use super::form::{Example, RuleFile, TaskPart, duration};
use crate::model::{Digest, Kind};
use crate::store::side_by_side;

/// How grave a finding is (Sigma's levels).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For information.
    Informational,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

impl Level {
    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// Why a policy cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum PolicyError {
    /// A file cannot be read.
    #[error("cannot read {path}: {error}")]
    Io {
        /// Which file.
        path: String,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// A rule is not valid.
    #[error("{path}: {reason}")]
    #[diagnostic(help("a rule has title, id, level and either `detection` (Sigma) or `task`"))]
    Rule {
        /// Which file.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Template {
    Existence,
    Absence,
    AtMost,
    NotCoExistence,
    Precedence,
    Response,
    ChainPrecedence,
    ChainResponse,
}

/// Number of a selection.
pub(super) type Selection = u16;

pub(super) enum Logic {
    /// A Sigma rule over the normalised fields: that selection is its whole detection.
    Event(Selection),
    /// A Sigma rule over the records of some formats by their own names.
    Raw(RawRule),
    /// A Sigma correlation.
    Correlation,
    Task(TaskRule),
}

pub(super) struct RawRule {
    /// Its place in the raw engine.
    pub selection: Selection,
    pub formats: Vec<String>,
    /// The log source, as the rule names it.
    pub source: String,
}

pub(super) struct TaskRule {
    pub template: Template,
    pub when: Option<Selection>,
    pub what: Selection,
    pub after: Option<Selection>,
    pub with: Option<Selection>,
    pub unless_before: Option<Selection>,
    pub unless_between: Option<Selection>,
    pub conditions: Vec<Condition>,
    /// Microseconds.
    pub within: Option<i64>,
    pub times: usize,
    pub per: Option<String>,
}

/// One rule.
pub struct Rule {
    /// Title.
    pub title: String,
    /// Id.
    pub id: String,
    /// What it is for.
    pub description: String,
    /// Level.
    pub level: Level,
    /// Controls it serves.
    pub tags: Vec<String>,
    /// Its file.
    pub path: String,
    /// Tasks that it must find broken, and such that it must not.
    pub examples: Vec<Example>,
    pub(crate) needs: Vec<Kind>,
    pub(super) logic: Logic,
}

impl Rule {
    /// What it looks at: `event`, `task`, `record` or `correlation`.
    #[must_use]
    pub fn scope(&self) -> &'static str {
        match self.logic {
            Logic::Event(_) => "event",
            Logic::Raw(_) => "record",
            Logic::Correlation => "correlation",
            Logic::Task(_) => "task",
        }
    }
}

/// Rules with a name, a version and a digest.
pub struct Policy {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// SHA-256 over all files.
    pub digest: Digest,
    /// The day from which on the version is in force, `YYYY-MM-DD`.
    pub valid_from: Option<String>,
    /// The rules, by id.
    pub rules: Vec<Rule>,
    /// Cases that somebody has allowed.
    pub exceptions: Vec<Exception>,
    pub(super) engine: Engine,
    pub(super) selections: Selection,
    /// Fields that selections ask for, and what of their values.
    pub(super) fields: BTreeMap<String, Asked>,
    /// Whether some selection looks for words anywhere.
    pub(super) keywords: bool,
    /// Public rules, by the format whose records they look at.
    pub(super) raw_engines: BTreeMap<String, Engine>,
    pub(super) raw_selections: Selection,
    /// Correlations and the Sigma rules they build on.
    pub(super) correlated: Option<rsigma_parser::SigmaCollection>,
    /// Rules that only serve correlations (Sigma: `generate` is not set).
    pub(super) silent: BTreeSet<String>,
    /// Rules that correlations build on, silent or not.
    pub(super) bases: BTreeSet<String>,
    ids_by_name: BTreeMap<String, String>,
    /// Selections that are still to be compiled.
    waiting: Vec<Waiting>,
    /// Selections over normalised fields, by the JSON of their detection.
    known: BTreeMap<String, Selection>,
    /// Values of Sigma's placeholders (`%name%` with the modifier `expand`).
    placeholders: BTreeMap<String, Vec<String>>,
}

/// What a policy is compiled for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For<'k> {
    /// Deciding on an event of that kind, which would be the last of its task.
    Deciding(&'k str),
    /// Judging single tasks: neither examples nor correlations, which look over all of a store.
    Judging,
    /// All that a policy can do.
    Everything,
}

impl Policy {
    /// The shipped rules.
    ///
    /// # Errors
    /// Never for the files as shipped; a test holds that.
    pub fn baseline() -> Result<Self, PolicyError> {
        Self::from_files(shipped())
    }

    /// All `.yml` and `.yaml` files below a folder (or one file), with the `policy.toml` beside them.
    ///
    /// # Errors
    /// A file cannot be read, or a rule is not valid.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        Self::from_files(read_folder(path)?)
    }

    /// The files of a folder, or the shipped ones: name and text.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn files(path: Option<&Path>) -> Result<Vec<(String, String)>, PolicyError> {
        match path {
            Some(path) => read_folder(path),
            None => Ok(shipped()),
        }
    }

    /// The rules of a folder, or the shipped ones, without their examples and correlations: nobody who
    /// waits for the verdict on one task needs them.
    ///
    /// # Errors
    /// As [`Policy::load`].
    pub fn load_to_judge(path: Option<&Path>) -> Result<Self, PolicyError> {
        Self::compile(&Self::files(path)?, For::Judging)
    }

    /// The rules that an event of that kind can break, or help to break, by coming now: all that a decision
    /// on it needs. What a rule that is left out looks for was not compiled, so it was not checked either.
    ///
    /// # Errors
    /// As [`Policy::load`].
    pub fn load_to_decide(path: Option<&Path>, kind: &str) -> Result<Self, PolicyError> {
        Self::compile(&Self::files(path)?, For::Deciding(kind))
    }

    /// The version of a policy that was in force on a day. Versions are folders below `path`, each with
    /// a `policy.toml` that says `valid_from = "YYYY-MM-DD"`; a folder that is one version itself is
    /// taken if it was in force.
    ///
    /// # Errors
    /// As [`Policy::load`], or no version was in force on that day.
    pub fn load_as_of(path: &Path, day: &str) -> Result<Self, PolicyError> {
        let mut versions: Vec<(String, std::path::PathBuf)> = Vec::new();
        for entry in walkdir::WalkDir::new(path).max_depth(2).sort_by_file_name() {
            let Ok(entry) = entry else { continue };
            if entry.file_name() != "policy.toml" {
                continue;
            }
            let shown = entry.path().display().to_string();
            let text = std::fs::read_to_string(entry.path()).map_err(|error| PolicyError::Io {
                path: shown.clone(),
                error,
            })?;
            let head = Head::read(&shown, &text)?;
            let from = head.valid_from.unwrap_or_default();
            let folder = entry.path().parent().unwrap_or(path).to_owned();
            versions.push((from, folder));
        }
        versions.sort();
        let known: Vec<&str> = versions.iter().map(|(from, _)| from.as_str()).collect();
        let in_force = versions.iter().rev().find(|(from, _)| from.as_str() <= day);
        match in_force {
            Some((_, folder)) => Self::load(folder),
            None => Err(PolicyError::Rule {
                path: path.display().to_string(),
                reason: format!(
                    "no version was in force on {day}; versions begin on: {}",
                    known.join(", ")
                ),
            }),
        }
    }

    /// The columns of the events table by which this policy judges tasks.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        super::select::columns_to_judge(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_needs_few_rules_and_finds_the_same() {
        use super::super::{Record, breaches_at_end};
        let all = Policy::load_to_judge(None).unwrap();
        let mut compared = 0;
        for rule in &Policy::baseline().unwrap().rules {
            for example in &rule.examples {
                let records: Vec<&dyn Record> = example
                    .events
                    .iter()
                    .map(|event| event as &dyn Record)
                    .collect();
                let Some(last) = example.events.last() else {
                    continue;
                };
                let kind = Record::field(last, "kind").unwrap_or_default().into_owned();
                let few = Policy::load_to_decide(None, &kind).unwrap();
                assert!(few.rules.len() < all.rules.len());
                assert_eq!(few.digest, all.digest);
                let said = |policy| -> Vec<(String, String)> {
                    let found = breaches_at_end(policy, &records).into_iter();
                    found
                        .map(|(rule, message)| (rule.id.clone(), message))
                        .collect()
                };
                assert_eq!(said(&few), said(&all), "{} {kind}", rule.id);
                compared += 1;
            }
        }
        assert!(compared > 100, "{compared}");
    }

    #[test]
    fn the_baseline_compiles() {
        let policy = Policy::baseline().unwrap();
        assert!(policy.rules.len() >= 50);
        let without = policy.rules.iter().find(|rule| {
            let of = |matches| {
                rule.examples
                    .iter()
                    .any(|example| example.matches == matches)
            };
            rule.scope() != "correlation" && !(of(true) && of(false))
        });
        assert!(without.is_none(), "{} has no examples", without.unwrap().id);
        assert_eq!(
            (policy.name.as_str(), policy.version.as_str()),
            ("baseline", "1.1.0")
        );
    }

    #[test]
    fn the_baseline_is_the_whole_folder() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/baseline");
        let files = std::fs::read_dir(folder).unwrap().count();
        assert_eq!(files, shipped().len());
    }

    #[test]
    fn examples_can_be_left_out_and_nothing_else() {
        let text = "id: a\nexamples:\n  match:\n    - {kind: write}\n- odd\nlevel: low\n---\nexamples: {}\ntask: {}\n";
        assert_eq!(without_examples(text), "id: a\nlevel: low\n---\ntask: {}\n");
        let (whole, lean) = (
            Policy::baseline().unwrap(),
            Policy::load_to_judge(None).unwrap(),
        );
        assert_eq!(whole.digest, lean.digest);
        assert_eq!(whole.rules.len(), lean.rules.len());
        assert_eq!(whole.selections, lean.selections);
    }

    #[test]
    fn placeholders() {
        let load = |head: &str| {
            let rule = "title: a\nid: b\nlogsource: {product: trail}\ndetection:\n  s: {actor|expand: ['%admins%', other]}\n  condition: s\nexamples:\n  match: [{actor: eva}, {actor: other}]\n  no_match: [{actor: tom}]\n";
            let files = [("policy.toml", head), ("a.yml", rule)];
            let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
            Policy::from_files(files.to_vec())
        };
        let head = "name = 'x'\nversion = '1'\n";
        let policy = load(&format!("{head}[placeholders]\nadmins = ['eva', 'udo']\n")).unwrap();
        assert!(crate::check::test_examples(&policy).is_empty());
        assert!(load(head).err().unwrap().to_string().contains("%admins%"));
    }

    #[test]
    fn wrong_rules_are_named() {
        let load = |text: &str| {
            Policy::from_files(vec![("x.yml".to_owned(), text.to_owned())])
                .err()
                .map(|e| e.to_string())
        };
        assert!(
            load("title: a\nid: b\n")
                .unwrap()
                .contains("one of `detection`")
        );
        assert!(load("title: a\nid: b\ntask: {kind: sometimes, what: {kind: write}}\n").is_some());
        assert!(
            load("title: a\nid: b\nneeds: [aproval]\ntask: {kind: absence, what: {kind: write}}\n")
                .unwrap()
                .contains("aproval")
        );
    }
}
