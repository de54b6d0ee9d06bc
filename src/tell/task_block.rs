//! A task of a timeline: its head, and a line for each step.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::conditions::is_of_source;
use super::timeline::TimelineRequest;
use crate::model::KeyKind;
use crate::model::time::format_utc;
use crate::stitch::TaskIndex;
use crate::store::{Col, EventSlice, EventView, Store};

/// One task.
#[derive(Clone, Debug, Serialize)]
pub struct TaskBlock {
    /// Task id.
    pub id: String,
    /// Whether an agent or model takes part in it.
    pub by_agent: bool,
    /// What is in it.
    pub head: Head,
    /// Rules that it breaks, where few enough tasks are shown to judge them at once.
    pub findings: Vec<String>,
    /// Its events in order.
    pub lines: Vec<Line>,
}

/// What a task consists of.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Head {
    /// Sources.
    pub sources: BTreeSet<String>,
    /// Actors and those they acted for.
    pub people: BTreeSet<String>,
    /// Models served (or requested).
    pub models: BTreeSet<String>,
    /// Policies with versions.
    pub policies: BTreeSet<String>,
    /// Knowledge sources.
    pub knowledge: BTreeSet<String>,
    /// Number of approvals, and of rejections.
    pub approvals: usize,
    /// Rejections.
    pub rejections: usize,
    /// Parts of the chain that no event shows.
    pub missing: Vec<&'static str>,
}

/// One event, or the rows of one change that the system logged apart.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Event ids.
    pub events: Vec<String>,
    /// UTC, RFC 3339; `None` where no record has a time.
    pub time: Option<String>,
    /// How the time came to be in UTC.
    pub time_origin: Option<String>,
    /// Source.
    pub source: String,
    /// Format.
    pub format: String,
    /// Kind.
    pub kind: String,
    /// Actor.
    pub actor: Option<String>,
    /// Actor's type.
    pub actor_type: Option<String>,
    /// On whose behalf.
    pub on_behalf_of: Option<String>,
    /// What was done.
    pub action: Option<String>,
    /// Tool that was called, or gave a result.
    pub tool: Option<String>,
    /// Object's type and id.
    pub object: Option<String>,
    /// Changed fields.
    pub changes: Vec<ChangeLine>,
    /// How it ended.
    pub outcome: Option<String>,
    /// Error.
    pub error: Option<String>,
    /// Amount with currency.
    pub amount: Option<String>,
    /// Model served, else requested.
    pub model: Option<String>,
    /// Policy and version.
    pub policy: Option<String>,
    /// Knowledge source.
    pub knowledge: Option<String>,
    /// Configuration digest.
    pub configuration: Option<String>,
    /// Why the event is in this task.
    pub link: String,
    /// Id of the earlier event that it hangs on, if that is shown too.
    pub cause: Option<String>,
    /// Notes on how the record was read.
    pub notes: Option<String>,
    /// Dump, record and bytes behind the event.
    pub evidence: Vec<String>,
}

impl Line {
    /// What was done, with the tool, as far as that is not the kind of step over again.
    pub(super) fn deed(&self) -> String {
        deed(&self.kind, self.action.as_deref(), self.tool.as_deref())
    }
}

/// An action, and the tool where the action does not name it; empty where both say no more than the kind.
pub(super) fn deed(kind: &str, action: Option<&str>, tool: Option<&str>) -> String {
    let action = action.filter(|action| *action != kind);
    let named = |tool: &&str| action.is_none_or(|action| !action.contains(tool));
    let words: Vec<&str> = action.into_iter().chain(tool.filter(named)).collect();
    words.join(" ")
}

/// One changed field.
#[derive(Clone, Debug, Serialize)]
pub struct ChangeLine {
    /// Field.
    pub field: String,
    /// Before.
    pub before: Option<String>,
    /// After.
    pub after: Option<String>,
}

/// How many lines back the other rows of a change are looked for.
const LOOK_BACK: usize = 8;

pub(super) fn block(
    store: &Store,
    index: &TaskIndex,
    task: usize,
    events: &[u32],
    set: EventSlice<'_>,
    request: &TimelineRequest,
) -> TaskBlock {
    let head = head(set);
    let by_agent = set.iter().any(|event| {
        matches!(
            event.text(Col::Kind),
            Some("inference" | "tool_call" | "instruction")
        ) || event.text(Col::ActorType) == Some("agent")
    });
    let mut lines: Vec<Line> = Vec::new();
    let places: HashMap<u32, usize> = events.iter().copied().zip(0..).collect();
    let cause_of = |number: u32| {
        let cause = places.get(&index.link(number)?.cause)?;
        Some(set.get(*cause).id().to_string())
    };
    for (event, number) in set.iter().zip(events) {
        if !is_asked(&event, request) {
            continue;
        }
        let mut line = line(store, index, &event, *number);
        line.cause = cause_of(*number);
        // Rows of one save may be parted by what another system logged in the same second.
        match lines
            .iter_mut()
            .rev()
            .take(LOOK_BACK)
            .find(|earlier| same_change(earlier, &line))
        {
            Some(earlier) => merge(earlier, line),
            None => lines.push(line),
        }
    }
    TaskBlock {
        id: index.id(task).to_string(),
        by_agent,
        head,
        findings: Vec::new(),
        lines,
    }
}

/// Whether an event is of a kind and a source that are asked for.
pub(super) fn is_asked(event: &EventView<'_>, request: &TimelineRequest) -> bool {
    let source = event.text(Col::Source).unwrap_or_default();
    let kind = event.text(Col::Kind).unwrap_or_default();
    let mut sources = request.sources.iter();
    let source_ok = request.sources.is_empty() || sources.any(|want| is_of_source(source, want));
    let mut kinds = request.kinds.iter();
    source_ok && (request.kinds.is_empty() || kinds.any(|want| want.as_str() == kind))
}

/// Rows of one save: same source, object and time, by the same actor as far as the rows say.
fn same_change(a: &Line, b: &Line) -> bool {
    let chunk = |line: &Line| line.action.as_deref() == Some("chat.completion.chunk");
    (a.kind == "write"
        && b.kind == "write"
        && a.object.is_some()
        && !b.evidence.is_empty()
        && a.source == b.source
        && a.object == b.object
        && a.time == b.time
        && (a.actor == b.actor || b.actor.is_none() || a.actor.is_none())
        && (!a.changes.is_empty() || !b.changes.is_empty() || a.format != b.format))
        || (chunk(a) && chunk(b) && a.source == b.source)
}

fn merge(last: &mut Line, next: Line) {
    last.events.extend(next.events);
    let elsewhere = |cause: &String| !last.events.contains(cause);
    last.cause = last.cause.take().or(next.cause).filter(elsewhere);
    last.evidence.extend(next.evidence);
    last.changes.extend(next.changes);
    last.actor = last.actor.take().or(next.actor);
    last.actor_type = last
        .actor_type
        .take()
        .filter(|kind| kind != "unknown")
        .or(next.actor_type);
    last.amount = last.amount.take().or(next.amount);
    if last.action.as_deref() == Some("update") && next.action.is_some() {
        last.action = next.action;
    }
}

fn head(set: EventSlice<'_>) -> Head {
    let mut head = Head::default();
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for event in set.iter() {
        *kinds
            .entry(event.text(Col::Kind).unwrap_or_default())
            .or_default() += 1;
        head.sources
            .extend(event.text(Col::Source).map(str::to_owned));
        for column in [Col::Actor, Col::OnBehalfOf] {
            head.people.extend(event.text(column).map(str::to_owned));
        }
        let model = event
            .text(Col::ModelServed)
            .or(event.text(Col::ModelRequested));
        head.models.extend(model.map(str::to_owned));
        head.policies.extend(policy(&event));
        head.knowledge
            .extend(event.text(Col::KnowledgeSource).map(str::to_owned));
    }
    let count = |kind: &str| kinds.get(kind).copied().unwrap_or(0);
    head.approvals = count("approval");
    head.rejections = count("rejection");
    let chain: [(&'static str, &[&str]); 7] = [
        ("request", &["request"]),
        ("instruction", &["instruction"]),
        ("model call", &["inference"]),
        ("tool call", &["tool_call"]),
        ("data read", &["read", "retrieval"]),
        ("write-back", &["write"]),
        ("approval", &["approval", "rejection"]),
    ];
    head.missing = chain
        .iter()
        .filter(|(_, of)| of.iter().all(|kind| count(kind) == 0))
        .map(|(name, _)| *name)
        .collect();
    head
}

fn policy(event: &EventView<'_>) -> Option<String> {
    match (event.text(Col::PolicyId), event.text(Col::PolicyVersion)) {
        (Some(id), Some(version)) => Some(format!("{id} {version}")),
        (Some(only), None) | (None, Some(only)) => Some(only.to_owned()),
        (None, None) => None,
    }
}

/// A likelihood in percent. Evidence is never certain, whatever it rounds to.
pub(super) fn likelihood(probability: f64) -> String {
    if probability > 0.99 {
        "over 99 %".to_owned()
    } else {
        format!("{:.0} %", probability * 100.0)
    }
}

/// Where the record behind an event lies.
pub(crate) fn evidence(store: &Store, event: &EventView<'_>) -> String {
    let batch = store.batches().get(event.place().batch);
    let file = batch.and_then(|batch| batch.files.get(usize::try_from(event.file()).ok()?));
    let path = file.map_or_else(|| "?".to_owned(), crate::store::CustodyFile::display_path);
    let end = event.offset() + event.length();
    format!(
        "{path}, record {}, bytes {}–{end}",
        event.ordinal(),
        event.offset()
    )
}

fn line(store: &Store, index: &TaskIndex, event: &EventView<'_>, number: u32) -> Line {
    let text = |column| event.text(column).map(str::to_owned);
    let object = match (event.text(Col::ObjectType), event.text(Col::Object)) {
        (Some(kind), Some(id)) => Some(format!("{kind} {id}")),
        (Some(only), None) | (None, Some(only)) => Some(only.to_owned()),
        (None, None) => None,
    };
    let amount = event
        .amount()
        .map(|amount| match event.text(Col::Currency) {
            Some(currency) => format!("{amount} {currency}"),
            None => amount.to_string(),
        });
    let link = match index.link(number) {
        Some(link) if link.kind == KeyKind::Value => {
            format!(
                "evidence, {} sure: {}",
                likelihood(link.probability),
                link.value
            )
        }
        Some(link) => format!("{}={}", link.kind, link.value),
        None => "first of its task".to_owned(),
    };
    let time = index.time(number);
    let borrowed = event.time().is_none() && time.is_some();
    Line {
        events: vec![event.id().to_string()],
        time: time.map(format_utc),
        time_origin: if borrowed {
            Some("change_header".to_owned())
        } else {
            text(Col::TimeOrigin)
        },
        source: text(Col::Source).unwrap_or_default(),
        format: text(Col::Format).unwrap_or_default(),
        kind: text(Col::Kind).unwrap_or_default(),
        actor: text(Col::Actor),
        actor_type: text(Col::ActorType),
        on_behalf_of: text(Col::OnBehalfOf),
        action: text(Col::Action),
        tool: text(Col::Tool),
        object,
        changes: event
            .changes()
            .iter()
            .map(|change| ChangeLine {
                field: change.field.to_owned(),
                before: change.before.map(str::to_owned),
                after: change.after.map(str::to_owned),
            })
            .collect(),
        outcome: text(Col::Outcome),
        error: text(Col::Error),
        amount,
        model: text(Col::ModelServed).or(text(Col::ModelRequested)),
        policy: policy(event),
        knowledge: text(Col::KnowledgeSource),
        configuration: text(Col::Configuration),
        link,
        cause: None,
        notes: text(Col::Notes),
        evidence: vec![evidence(store, event)],
    }
}
