//! What a store shows of something that a requirement may ask for: the evidence, counted, or what would have to be ingested.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::figures::{Figure as Kept, figures};
use super::stats::Stats;
use crate::check::{Record, Verdict};
use crate::model::time::format_utc;
use crate::seal::SealVerdict;
use crate::stitch::TaskIndex;
use crate::store::{Col, Store, StoreError, scan_part_columns, side_by_side};

/// A figure that a store gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Figure {
    Approvals,
    Clocks,
    Configuration,
    Coverage,
    Custody,
    Denied,
    Errors,
    Findings,
    Gaps,
    Logins,
    Messages,
    Models,
    Personal,
    Policies,
    Reads,
    Rejects,
    Retrieval,
    Seal,
    Tasks,
    Writes,
}

/// What is known of a store.
pub struct Facts<'f> {
    /// Its figures.
    pub stats: &'f Stats,
    /// What its policy says.
    pub verdict: &'f Verdict,
    /// What its log says.
    pub seal: &'f SealVerdict,
    /// Values of columns and how many events have them.
    pub values: Values,
}

/// Values of some columns, and how many events have them.
#[derive(Default, Serialize, Deserialize)]
pub struct Values {
    models: BTreeMap<String, u64>,
    policies: BTreeMap<String, u64>,
    knowledge: BTreeMap<String, u64>,
    outcomes: BTreeMap<String, u64>,
    writers: BTreeMap<String, u64>,
    personal: BTreeMap<String, u64>,
}

impl Values {
    /// Those of a store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn of(store: &Store, index: &TaskIndex) -> Result<Self, StoreError> {
        figures(store, index, Kept::Values)
    }
}

/// Counts.
pub(super) fn counted(store: &Store) -> Result<Values, StoreError> {
    let parts = store.all_parts("events");
    let columns = [
        "model_served",
        "model_requested",
        "policy_id",
        "policy_version",
        "knowledge_source",
        "outcome",
        "kind",
        "actor_type",
        "attributes",
    ];
    let counted = side_by_side(&parts, |(batch, path)| {
        let mut values = Values::default();
        scan_part_columns::<StoreError>(store, path, *batch, &columns, |table| {
            for row in 0..table.len() {
                let event = table.view(row);
                let text = |column| event.text(column);
                let kind = text(Col::Kind).unwrap_or_default();
                add(
                    &mut values.models,
                    text(Col::ModelServed).or(text(Col::ModelRequested)),
                );
                let policy = [text(Col::PolicyId), text(Col::PolicyVersion)];
                let policy: Vec<&str> = policy.into_iter().flatten().collect();
                add(
                    &mut values.policies,
                    (!policy.is_empty()).then(|| policy.join(" ")).as_deref(),
                );
                add(&mut values.knowledge, text(Col::KnowledgeSource));
                add(&mut values.outcomes, text(Col::Outcome));
                if kind == "write" {
                    add(
                        &mut values.writers,
                        Some(text(Col::ActorType).unwrap_or("unknown")),
                    );
                }
                if event.field("personal_data").is_some() {
                    add(&mut values.personal, Some(kind));
                }
            }
            Ok(())
        })?;
        Ok::<_, StoreError>(values)
    })?;
    let mut all = Values::default();
    for part in counted {
        for (into, from) in [
            (&mut all.models, part.models),
            (&mut all.policies, part.policies),
            (&mut all.knowledge, part.knowledge),
            (&mut all.outcomes, part.outcomes),
            (&mut all.writers, part.writers),
            (&mut all.personal, part.personal),
        ] {
            for (value, events) in from {
                *into.entry(value).or_default() += events;
            }
        }
    }
    Ok(all)
}

fn add(counts: &mut BTreeMap<String, u64>, value: Option<&str>) {
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return;
    };
    match counts.get_mut(value) {
        Some(count) => *count += 1,
        None => {
            counts.insert(value.to_owned(), 1);
        }
    }
}

/// A line of evidence, and the command that lists what is behind it.
#[derive(Serialize)]
pub(super) struct Evidence {
    text: String,
    command: &'static str,
}

fn list(counts: &BTreeMap<String, u64>) -> String {
    let mut sorted: Vec<(&String, &u64)> = counts.iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    let shown: Vec<String> = sorted
        .iter()
        .take(8)
        .map(|(value, events)| format!("{value} ({events})"))
        .collect();
    match sorted.len().saturating_sub(8) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

impl Facts<'_> {
    fn kind(&self, kind: &str) -> u64 {
        let sources = self.stats.sources.values();
        sources.filter_map(|of| of.kinds.get(kind)).sum()
    }

    fn by_source(&self, kind: &str) -> String {
        let sources = self.stats.sources.iter();
        let counts = sources.filter_map(|(name, of)| Some((name.clone(), *of.kinds.get(kind)?)));
        list(&counts.collect())
    }

    /// The evidence for a figure, or what would have to be ingested for it.
    pub(super) fn evidence(&self, figure: Figure) -> Result<Evidence, &'static str> {
        let (stats, values) = (self.stats, &self.values);
        let shown = |text: String, command| Ok(Evidence { text, command });
        let counted = |counts: &BTreeMap<String, u64>, what: &str, command, missing| {
            if counts.is_empty() {
                Err(missing)
            } else {
                Ok(Evidence {
                    text: format!("{what}: {}", list(counts)),
                    command,
                })
            }
        };
        let of_kind = |kind: &str, what: &str, command, missing| match self.kind(kind) {
            0 => Err(missing),
            events => Ok(Evidence {
                text: format!("{events} {what}: {}", self.by_source(kind)),
                command,
            }),
        };
        match figure {
            Figure::Coverage => {
                let ends = stats.sources.values();
                let first = ends.clone().filter_map(|of| of.first.as_ref()).min();
                let last = ends.filter_map(|of| of.last.as_ref()).max();
                let (Some(first), Some(last)) = (first, last) else {
                    return Err("any log with times");
                };
                let text = format!(
                    "{} events of {} sources from {first} to {last}, on {} days",
                    stats.events,
                    stats.sources.len(),
                    stats.days.len()
                );
                shown(text, "trail stats")
            }
            Figure::Gaps => match stats.gaps.first() {
                None => shown(
                    "no source with a steady rhythm has a time without events".to_owned(),
                    "trail stats",
                ),
                Some(gap) => shown(
                    format!(
                        "{} times without events; {} from {} to {}",
                        stats.gaps.len(),
                        gap.source,
                        format_utc(gap.from),
                        format_utc(gap.to)
                    ),
                    "trail stats",
                ),
            },
            Figure::Rejects => {
                let places: u64 = stats.rejects.values().sum();
                shown(
                    format!(
                        "{places} places of the dumps could not be read; they are kept and named"
                    ),
                    "trail rejects",
                )
            }
            Figure::Tasks => shown(
                format!("{} tasks, each with its events in order", stats.tasks),
                "trail timeline --task ID",
            ),
            Figure::Custody => shown(
                format!("{} dumps with SHA-256, time and operator", stats.files),
                "trail report",
            ),
            Figure::Clocks => match stats.clocks.len() {
                0 => Err("sources that log the same steps, so that their clocks can be compared"),
                pairs => shown(
                    format!(
                        "offsets of {pairs} pairs of logs are estimated, with their uncertainty"
                    ),
                    "trail stitch",
                ),
            },
            Figure::Seal => {
                let seal = self.seal;
                if !seal.damages.is_empty() {
                    return Err(
                        "a store that is as it was sealed (see `trail verify --integrity`)",
                    );
                }
                let signed = match seal.signed_by.as_slice() {
                    [] => "not signed by a key that is known here".to_owned(),
                    names => format!("signed by {}", names.join(", ")),
                };
                shown(
                    format!("{} leaves in a Merkle log, {signed}", seal.size),
                    "trail verify --integrity",
                )
            }
            Figure::Findings => shown(
                format!(
                    "{} findings by {} rules of policy {} {}; {} rules could not be judged",
                    self.verdict.findings.len(),
                    self.verdict.rules_judged,
                    self.verdict.policy,
                    self.verdict.policy_version,
                    self.verdict.not_evaluable.len()
                ),
                "trail verify",
            ),
            Figure::Approvals => {
                let (yes, no) = (self.kind("approval"), self.kind("rejection"));
                if yes + no == 0 {
                    return Err("the log of approvals (workflow, approval history, gate)");
                }
                shown(
                    format!("{yes} approvals and {no} rejections"),
                    "trail search --kind approval --kind rejection --by actor",
                )
            }
            Figure::Writes => counted(
                &values.writers,
                "changes by",
                "trail search --kind write --by actor_type",
                "change logs of the business systems",
            ),
            Figure::Models => counted(
                &values.models,
                "models",
                "trail search --kind inference --by model_served",
                "logs of model calls",
            ),
            Figure::Policies => counted(
                &values.policies,
                "policies in force",
                "trail search --kind policy_decision --by policy_version",
                "logs that name the policy in force (guardrail, gateway, gate)",
            ),
            Figure::Retrieval => counted(
                &values.knowledge,
                "knowledge sources",
                "trail search --kind retrieval --by knowledge_source",
                "logs of retrieval with their sources",
            ),
            Figure::Personal => counted(
                &values.personal,
                "events with signs of personal data",
                "trail search --where 'personal_data=*' --by kind",
                "logs with texts (prompts, arguments, answers); in those that are there no sign of personal data was found",
            ),
            Figure::Errors => {
                let failed = values.outcomes.get("error").copied().unwrap_or(0);
                let exceptions = self.kind("exception");
                if values.outcomes.is_empty() {
                    return Err("logs that say how a step ended");
                }
                shown(
                    format!("{failed} events that failed, {exceptions} exceptions"),
                    "trail search --where outcome=error --by source",
                )
            }
            Figure::Denied => {
                if values.outcomes.is_empty() {
                    return Err("logs that say how a step ended");
                }
                let denied = values.outcomes.get("denied").copied().unwrap_or(0);
                shown(
                    format!("{denied} steps that a control refused"),
                    "trail search --where outcome=denied --by source",
                )
            }
            Figure::Configuration => of_kind(
                "configuration",
                "changes of settings, rights, models or prompts",
                "trail search --kind configuration --by source",
                "administration logs (settings, permissions, models, prompts)",
            ),
            Figure::Logins => of_kind(
                "login",
                "log-ons",
                "trail search --kind login --by source",
                "log-on and access logs",
            ),
            Figure::Reads => of_kind(
                "read",
                "reads",
                "trail search --kind read --by source",
                "access logs of the business systems",
            ),
            Figure::Messages => of_kind(
                "message",
                "messages sent to people",
                "trail search --kind message --by source",
                "logs of mail and chat",
            ),
        }
    }
}
