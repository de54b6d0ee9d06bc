//! The form of a rule file.

use serde::Deserialize;
use serde_json::Value;

use super::record::Given;
use super::rules::{Level, Template};

#[derive(Deserialize)]
pub(super) struct RuleFile {
    pub title: String,
    pub id: String,
    /// By which correlations may refer to it, beside its id.
    pub name: Option<String>,
    #[serde(default)]
    pub description: String,
    pub level: Option<Level>,
    #[serde(default)]
    pub tags: Vec<String>,
    /// Kinds of events without which the rule cannot be judged.
    #[serde(default)]
    pub needs: Vec<String>,
    #[serde(default)]
    pub logsource: LogSource,
    pub task: Option<TaskPart>,
    pub detection: Option<Value>,
    pub correlation: Option<CorrelationPart>,
    #[serde(default)]
    pub examples: ExamplesPart,
}

/// What a Sigma rule says of the logs that it is for.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct LogSource {
    /// Product, e.g. `aws`.
    pub product: Option<String>,
    /// Service, e.g. `cloudtrail`.
    pub service: Option<String>,
    /// Category.
    pub category: Option<String>,
}

impl LogSource {
    /// Formats whose records a public rule for that source is written for, by their own names; `None`
    /// for a rule over the normalised fields.
    pub(super) fn formats(&self) -> Option<Vec<&str>> {
        let service = self.service.as_deref().unwrap_or_default();
        let formats = match self.product.as_deref()? {
            "trail" => return None,
            "aws" => vec!["cloudtrail"],
            "azure" => match service {
                "signinlogs" => vec!["entra_signin"],
                "auditlogs" => vec!["entra_audit"],
                "activitylogs" => vec!["azure_activity"],
                _ => vec!["entra_audit", "entra_signin", "azure_activity"],
            },
            "gcp" | "google_workspace" => vec!["gcp_audit"],
            "m365" => vec!["m365_unified_audit"],
            "okta" | "onelogin" | "github" | "windows" | "linux" | "macos" => Vec::new(),
            own => vec![own],
        };
        Some(formats)
    }

    /// `aws/cloudtrail`.
    pub(super) fn name(&self) -> String {
        let parts = [&self.product, &self.service, &self.category];
        let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        parts.join("/")
    }
}

/// What of a correlation concerns the rules it builds on.
#[derive(Deserialize)]
pub(super) struct CorrelationPart {
    #[serde(default)]
    pub rules: Vec<String>,
    /// Whether these rules give findings of their own too.
    #[serde(default)]
    pub generate: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExamplesPart {
    #[serde(default, rename = "match")]
    pub matching: Vec<Value>,
    #[serde(default)]
    pub no_match: Vec<Value>,
}

/// A task that a rule must find broken, or must not.
#[derive(Clone, Debug)]
pub struct Example {
    /// Whether the rule must match.
    pub matches: bool,
    /// The events, in order.
    pub events: Vec<Given>,
}

impl ExamplesPart {
    pub(super) fn read(&self) -> Result<Vec<Example>, String> {
        let of = |list: &[Value], matches: bool| -> Result<Vec<Example>, String> {
            list.iter()
                .map(|example| {
                    // One event stands for a task of one.
                    let events = example
                        .as_array()
                        .cloned()
                        .unwrap_or_else(|| vec![example.clone()]);
                    let events = events.iter().map(Given::new).collect::<Result<_, _>>()?;
                    Ok(Example { matches, events })
                })
                .collect()
        };
        let mut all = of(&self.matching, true)?;
        all.extend(of(&self.no_match, false)?);
        Ok(all)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TaskPart {
    pub kind: Template,
    pub when: Option<serde_json::Value>,
    pub what: serde_json::Value,
    pub after: Option<serde_json::Value>,
    pub with: Option<serde_json::Value>,
    pub unless_before: Option<serde_json::Value>,
    pub unless_between: Option<serde_json::Value>,
    #[serde(default)]
    pub conditions: Vec<String>,
    /// `90s`, `30m`, `24h`, `2d`: how near the two events must be.
    pub within: Option<String>,
    /// For `at_most`: how many.
    pub times: Option<usize>,
    /// For `at_most`: counted by the value of that field.
    pub per: Option<String>,
}

/// Microseconds of `90s`, `30m`, `24h`, `2d`.
pub(super) fn duration(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is no time; write 90s, 30m, 24h or 2d");
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit.trim() {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: i64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(seconds * 1_000_000).ok_or_else(wrong)
}
