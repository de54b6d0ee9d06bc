//! Rule files: Sigma rules, and the same form with a `task:` part.

use std::path::Path;

use rsigma_eval::Engine;
use serde::Deserialize;

use super::conditions::Condition;
use crate::model::{Digest, Kind};

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

#[derive(Deserialize)]
struct RuleFile {
    title: String,
    id: String,
    #[serde(default)]
    description: String,
    level: Option<Level>,
    #[serde(default)]
    tags: Vec<String>,
    /// Kinds of events without which the rule cannot be judged.
    #[serde(default)]
    needs: Vec<String>,
    task: Option<TaskPart>,
    detection: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskPart {
    kind: Template,
    when: Option<serde_json::Value>,
    what: serde_json::Value,
    after: Option<serde_json::Value>,
    with: Option<serde_json::Value>,
    unless_before: Option<serde_json::Value>,
    unless_between: Option<serde_json::Value>,
    #[serde(default)]
    conditions: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Template {
    Precedence,
    Response,
    Absence,
}

/// Number of a selection: a bit in the mask of each event.
pub(super) type Selection = u32;

pub(super) enum Logic {
    /// A Sigma rule: that selection is its whole detection.
    Event(Selection),
    Task(TaskRule),
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
    pub(super) needs: Vec<Kind>,
    pub(super) logic: Logic,
}

/// Rules with a name, a version and a digest.
pub struct Policy {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// SHA-256 over all files.
    pub digest: Digest,
    /// The rules, by id.
    pub rules: Vec<Rule>,
    pub(super) engine: Engine,
    pub(super) selections: u32,
}

/// The shipped baseline.
const BASELINE: &[(&str, &str)] = &[
    (
        "policy.toml",
        include_str!("../../policies/baseline/policy.toml"),
    ),
    (
        "amount-over-limit.yml",
        include_str!("../../policies/baseline/amount-over-limit.yml"),
    ),
    (
        "approval-after-the-fact.yml",
        include_str!("../../policies/baseline/approval-after-the-fact.yml"),
    ),
    (
        "approval-below-amount.yml",
        include_str!("../../policies/baseline/approval-below-amount.yml"),
    ),
    (
        "audit-configuration-changed.yml",
        include_str!("../../policies/baseline/audit-configuration-changed.yml"),
    ),
    (
        "guardrail-ignored.yml",
        include_str!("../../policies/baseline/guardrail-ignored.yml"),
    ),
    (
        "personal-data-in-prompt.yml",
        include_str!("../../policies/baseline/personal-data-in-prompt.yml"),
    ),
    (
        "policy-version-missing.yml",
        include_str!("../../policies/baseline/policy-version-missing.yml"),
    ),
    (
        "self-approval.yml",
        include_str!("../../policies/baseline/self-approval.yml"),
    ),
    (
        "tool-call-without-result.yml",
        include_str!("../../policies/baseline/tool-call-without-result.yml"),
    ),
    (
        "unknown-model-version.yml",
        include_str!("../../policies/baseline/unknown-model-version.yml"),
    ),
    (
        "write-after-rejection.yml",
        include_str!("../../policies/baseline/write-after-rejection.yml"),
    ),
    (
        "write-without-agent-step.yml",
        include_str!("../../policies/baseline/write-without-agent-step.yml"),
    ),
    (
        "write-without-approval.yml",
        include_str!("../../policies/baseline/write-without-approval.yml"),
    ),
];

/// Selections are bits of a mask.
const MOST_SELECTIONS: u32 = 128;

impl Policy {
    /// The shipped rules.
    ///
    /// # Errors
    /// Never for the files as shipped; a test holds that.
    pub fn baseline() -> Result<Self, PolicyError> {
        let files = BASELINE
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        Self::from_files(files.collect())
    }

    /// All `.yml` and `.yaml` files below a folder (or one file), with the `policy.toml` beside them.
    ///
    /// # Errors
    /// A file cannot be read, or a rule is not valid.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let io = |path: &Path| {
            let path = path.display().to_string();
            move |error| PolicyError::Io { path, error }
        };
        let mut files = Vec::new();
        for entry in walkdir::WalkDir::new(path).sort_by_file_name() {
            let entry = entry.map_err(|error| {
                let error = error
                    .into_io_error()
                    .unwrap_or_else(|| std::io::Error::other("a loop of links"));
                PolicyError::Io {
                    path: path.display().to_string(),
                    error,
                }
            })?;
            let name = entry.path().display().to_string();
            let wanted =
                name.ends_with(".yml") || name.ends_with(".yaml") || name.ends_with("policy.toml");
            if entry.file_type().is_file() && wanted {
                files.push((
                    name,
                    std::fs::read_to_string(entry.path()).map_err(io(entry.path()))?,
                ));
            }
        }
        Self::from_files(files)
    }

    fn from_files(files: Vec<(String, String)>) -> Result<Self, PolicyError> {
        #[derive(Deserialize)]
        struct Head {
            name: String,
            version: String,
        }
        let mut identity = Vec::new();
        let mut policy = Self {
            name: "unnamed".to_owned(),
            version: "0".to_owned(),
            digest: Digest([0; 32]),
            rules: Vec::new(),
            engine: Engine::new(),
            selections: 0,
        };
        for (path, text) in &files {
            identity.extend_from_slice(text.as_bytes());
            identity.push(0);
            if path.ends_with("policy.toml") {
                let head: Head = toml::from_str(text).map_err(|error| PolicyError::Rule {
                    path: path.clone(),
                    reason: error.to_string(),
                })?;
                (policy.name, policy.version) = (head.name, head.version);
            } else {
                policy.add(path, text)?;
            }
        }
        policy.digest = Digest::of(&identity);
        policy.rules.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(policy)
    }

    fn add(&mut self, path: &str, text: &str) -> Result<(), PolicyError> {
        let wrong = |reason: String| PolicyError::Rule {
            path: path.to_owned(),
            reason,
        };
        let file: RuleFile =
            yaml_serde::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if self.rules.iter().any(|rule| rule.id == file.id) {
            return Err(wrong(format!("the id {} is used twice", file.id)));
        }
        let needs = file
            .needs
            .iter()
            .map(|name| {
                Kind::from_name(name).ok_or_else(|| wrong(format!("`{name}` is no kind of event")))
            })
            .collect::<Result<_, _>>()?;
        let logic = match (file.task, file.detection) {
            (Some(task), None) => {
                let mut optional = |selection: Option<serde_json::Value>| {
                    selection
                        .map(|selection| self.select(&selection))
                        .transpose()
                        .map_err(wrong)
                };
                let rule = TaskRule {
                    template: task.kind,
                    when: optional(task.when)?,
                    after: optional(task.after)?,
                    with: optional(task.with)?,
                    unless_before: optional(task.unless_before)?,
                    unless_between: optional(task.unless_between)?,
                    what: self.select(&task.what).map_err(wrong)?,
                    conditions: task
                        .conditions
                        .iter()
                        .map(|text| Condition::parse(text).map_err(wrong))
                        .collect::<Result<_, _>>()?,
                };
                if rule.template != Template::Absence && rule.when.is_none() {
                    return Err(wrong("precedence and response need a `when`".to_owned()));
                }
                Logic::Task(rule)
            }
            (None, Some(detection)) => Logic::Event(self.detect(detection).map_err(wrong)?),
            _ => return Err(wrong("a rule has either `detection` or `task`".to_owned())),
        };
        self.rules.push(Rule {
            title: file.title,
            id: file.id,
            description: file.description,
            level: file.level.unwrap_or(Level::Medium),
            tags: file.tags,
            needs,
            logic,
        });
        Ok(())
    }

    /// Compiles one selection.
    fn select(&mut self, selection: &serde_json::Value) -> Result<Selection, String> {
        self.detect(serde_json::json!({ "selection": selection, "condition": "selection" }))
    }

    /// Compiles a Sigma detection under a number of its own.
    fn detect(&mut self, detection: serde_json::Value) -> Result<Selection, String> {
        let number = self.selections;
        if number >= MOST_SELECTIONS {
            return Err(format!(
                "a policy may have {MOST_SELECTIONS} selections at most"
            ));
        }
        let rule = serde_json::json!({
            "title": format!("selection {number}"),
            "id": number.to_string(),
            "logsource": { "product": "trail" },
            "detection": detection,
        });
        // JSON is YAML.
        let parsed = rsigma_parser::parse_sigma_yaml(&rule.to_string())
            .map_err(|error| error.to_string())?;
        if let Some(error) = parsed.errors.first() {
            return Err(error.clone());
        }
        self.engine
            .add_collection(&parsed)
            .map_err(|error| error.to_string())?;
        self.selections += 1;
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_baseline_compiles() {
        let policy = Policy::baseline().unwrap();
        assert!(policy.rules.len() >= 12);
        assert_eq!(
            (policy.name.as_str(), policy.version.as_str()),
            ("baseline", "1.0.0")
        );
    }

    #[test]
    fn the_baseline_is_the_whole_folder() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/baseline");
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), BASELINE.len());
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
                .contains("either `detection` or `task`")
        );
        assert!(load("title: a\nid: b\ntask: {kind: sometimes, what: {kind: write}}\n").is_some());
        assert!(
            load("title: a\nid: b\nneeds: [aproval]\ntask: {kind: absence, what: {kind: write}}\n")
                .unwrap()
                .contains("aproval")
        );
    }
}
