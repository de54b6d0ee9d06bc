//! A task step by step: what was done to which object, what the model saw and answered, who had agreed,
//! and what a policy says of each step at its moment.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::safe::{cut, terminal};
use super::task_block::{ChangeLine, Line};
use super::timeline::{Selector, TimelineError, TimelineRequest, timeline};
use crate::check::{Level, Policy, Record, breaches_at_end};
use crate::config::Config;
use crate::gate::Answer;
use crate::stitch::TaskIndex;
use crate::store::{EventView, Store, StoreError, read_contents, read_events};

/// A task, replayed.
#[derive(Clone, Debug, Serialize)]
pub struct Replay {
    /// Task id.
    pub task: String,
    /// Name and version of the policy that each step was judged by.
    pub policy: String,
    /// Why nothing could be judged, if so.
    pub not_judged: Option<String>,
    /// Why texts are missing, if so.
    pub no_texts: Option<String>,
    /// Texts that were read.
    pub texts: usize,
    /// The steps, in their order.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// From 1.
    pub step: usize,
    /// As the timeline shows it.
    #[serde(flatten)]
    pub line: Line,
    /// State of the object that the step touches, before it: last known value of each field.
    pub before: BTreeMap<String, String>,
    /// State after it.
    pub after: BTreeMap<String, String>,
    /// What the model saw: texts of the task up to here, the earliest first. Only of model calls.
    pub context: Vec<Text>,
    /// What it answered, or what was asked and given back.
    pub said: Vec<Text>,
    /// Policy that the logs say was in force last.
    pub policy_in_force: Option<String>,
    /// Who had agreed or refused by then.
    pub approvals: Vec<String>,
    /// Rules that the task broke with this step.
    pub broken: Vec<Breach>,
    /// What the gate would have said of it under that policy.
    pub decision: Answer,
}

/// A rule that a step breaks.
#[derive(Clone, Debug, Serialize)]
pub struct Breach {
    /// Rule's id.
    pub rule: String,
    /// Title.
    pub title: String,
    /// Level.
    pub level: Level,
    /// What happened.
    pub message: String,
}

/// A text of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Text {
    /// `instruction`, `prompt`, `output`, `reasoning`, `arguments` or `result`.
    pub kind: String,
    /// The step it is of.
    pub step: usize,
    /// The text, at most 64 KiB of it.
    pub text: String,
}

/// Last known value of each field of an object.
type State = BTreeMap<String, String>;

/// Longest text that is kept.
const LONGEST: usize = 64 << 10;

/// Replays a task.
///
/// # Errors
/// The store cannot be read.
pub fn replay(
    store: &Store,
    index: &TaskIndex,
    config: &Config,
    policy: &Policy,
    task: usize,
) -> Result<Replay, TimelineError> {
    let id = index.id(task).to_string();
    let request = TimelineRequest {
        selectors: vec![Selector::Task(id.clone())],
        ..TimelineRequest::default()
    };
    let shown = timeline(store, index, policy, &request)?;
    let places = index.places(task);
    index.check()?;
    let set = read_events(store, &places)?;
    let views: Vec<EventView<'_>> = set.iter().collect();
    let by_id: HashMap<String, usize> = (0..)
        .zip(&views)
        .map(|(at, view)| (view.id().to_string(), at))
        .collect();
    let hidden = store.access().hidden();
    let mut replay = Replay {
        task: id,
        policy: format!("{} {}", policy.name, policy.version),
        not_judged: (!hidden.is_empty())
            .then(|| format!("the role that asks is not shown {}", hidden.join(", "))),
        no_texts: None,
        texts: 0,
        steps: Vec::new(),
    };
    let mut past = Past::default();
    let lines = shown.tasks.into_iter().flat_map(|block| block.lines);
    for (step, line) in (1..).zip(lines) {
        let own: Vec<usize> = line
            .events
            .iter()
            .filter_map(|id| by_id.get(id).copied())
            .collect();
        let (texts, given) = Past::texts_of(store, &views, &own, step, &mut replay)?;
        let (before, after) = past.states(&line);
        past.take(&line);
        let mut broken = Vec::new();
        for at in own {
            past.records.push(at);
            if replay.not_judged.is_none() {
                let records: Vec<&dyn Record> = past
                    .records
                    .iter()
                    .map(|at| &views[*at] as &dyn Record)
                    .collect();
                broken.extend(breaches(policy, index, &records));
            }
        }
        broken.sort_by(|a: &Breach, b| (b.level, &a.rule).cmp(&(a.level, &b.rule)));
        broken.dedup_by(|a, b| a.rule == b.rule);
        let decision = match broken.first().map(|breach| breach.level) {
            Some(level) if level >= config.gate.deny => Answer::Deny,
            Some(level) if level >= config.gate.ask => Answer::Ask,
            _ => Answer::Allow,
        };
        let is_call = line.kind == "inference";
        let context = if is_call {
            past.context(given)
        } else {
            Vec::new()
        };
        replay.texts += texts.len();
        past.said.extend(texts.iter().cloned());
        let said = texts
            .into_iter()
            .filter(|text| {
                !is_call || matches!(text.kind.as_str(), "output" | "reasoning" | "arguments")
            })
            .collect();
        replay.steps.push(Step {
            step,
            before,
            after,
            context,
            said,
            policy_in_force: past.policy.clone(),
            approvals: past.approvals.clone(),
            broken,
            decision,
            line,
        });
    }
    Ok(replay)
}

/// Rules that the last of these events breaks, of those whose events were logged at all.
fn breaches(policy: &Policy, index: &TaskIndex, records: &[&dyn Record]) -> Vec<Breach> {
    breaches_at_end(policy, records)
        .into_iter()
        .filter(|(rule, _)| rule.needs.iter().all(|kind| index.kind_count(*kind) > 0))
        .map(|(rule, message)| Breach {
            rule: rule.id.clone(),
            title: rule.title.clone(),
            level: rule.level,
            message,
        })
        .collect()
}

/// What has come before.
#[derive(Default)]
struct Past {
    /// Events so far.
    records: Vec<usize>,
    /// Last known value of each field of each object.
    objects: HashMap<String, BTreeMap<String, String>>,
    approvals: Vec<String>,
    policy: Option<String>,
    said: Vec<Text>,
}

impl Past {
    /// State of the object of a step before and after it.
    fn states(&mut self, line: &Line) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
        let Some(object) = &line.object else {
            return (BTreeMap::new(), BTreeMap::new());
        };
        let state = self.objects.entry(object.clone()).or_default();
        // The log says what was there, also where nothing was known of it so far.
        for change in &line.changes {
            if let Some(before) = &change.before {
                state.insert(change.field.clone(), before.clone());
            }
        }
        let before = state.clone();
        for change in &line.changes {
            match &change.after {
                Some(after) => {
                    state.insert(change.field.clone(), after.clone());
                }
                None => {
                    state.remove(&change.field);
                }
            }
        }
        (before, state.clone())
    }

    fn take(&mut self, line: &Line) {
        if let Some(policy) = &line.policy {
            self.policy = Some(policy.clone());
        }
        let verdict = match line.kind.as_str() {
            "approval" => "agreed",
            "rejection" => "refused",
            _ => return,
        };
        self.approvals.push(format!(
            "{} {verdict}{}",
            line.actor.as_deref().unwrap_or("somebody"),
            line.time
                .as_deref()
                .map(|time| format!(" at {time}"))
                .unwrap_or_default()
        ));
    }

    /// What a model saw at a step: what the task had said until then, and what the call itself holds.
    fn context(&self, given: Vec<Text>) -> Vec<Text> {
        let mut context: Vec<Text> = Vec::new();
        for text in self.said.iter().cloned().chain(given) {
            // A conversation is repeated with every call.
            if !context.iter().any(|known| known.text == text.text) {
                context.push(text);
            }
        }
        context
    }

    /// Texts of a step's own events, and those that its record gives a model: a call repeats what it was
    /// asked and what tools gave back.
    fn texts_of(
        store: &Store,
        views: &[EventView<'_>],
        own: &[usize],
        step: usize,
        replay: &mut Replay,
    ) -> Result<(Vec<Text>, Vec<Text>), StoreError> {
        let (mut texts, mut given) = (Vec::new(), Vec::new());
        for at in own {
            let view = &views[*at];
            let rows = match read_contents(store, view.place().batch, view.file(), view.ordinal()) {
                Ok(rows) => rows,
                Err(StoreError::Protected { reason }) => {
                    replay.no_texts = Some(reason);
                    return Ok((Vec::new(), Vec::new()));
                }
                Err(error) => return Err(error),
            };
            for row in rows {
                if row.content == crate::seal::REMOVED {
                    replay.no_texts = Some("some were destroyed past their time".to_owned());
                } else if row.content != "raw" {
                    let is_own = row.part == view.part();
                    let end = row.value.len().min(LONGEST);
                    let text = Text {
                        kind: row.content,
                        step,
                        text: String::from_utf8_lossy(&row.value[..end]).into_owned(),
                    };
                    if matches!(text.kind.as_str(), "instruction" | "prompt" | "result") {
                        given.push(text.clone());
                    }
                    if is_own {
                        texts.push(text);
                    }
                }
            }
        }
        Ok((texts, given))
    }
}

/// A step for people.
#[must_use]
pub fn step_text(replay: &Replay, at: usize, columns: usize, diff: bool) -> String {
    let Some(step) = replay.steps.get(at) else {
        return String::new();
    };
    let line = &step.line;
    let mut out = Vec::new();
    let deed = line.deed();
    let what = [
        deed.as_str(),
        line.object.as_deref().unwrap_or_default(),
        line.amount.as_deref().unwrap_or_default(),
    ];
    let what: Vec<&str> = what.into_iter().filter(|text| !text.is_empty()).collect();
    out.push(format!(
        "{}/{}  {}  {}  {}: {}",
        step.step,
        replay.steps.len(),
        line.time.as_deref().unwrap_or("no time"),
        line.source,
        line.kind.replace('_', " "),
        what.join(" · ")
    ));
    let mut field = |name: &str, text: &str| {
        let room = columns.saturating_sub(14);
        out.push(format!("  {name:<10}  {}", cut(&terminal(text), room)));
    };
    let people = [
        line.actor.clone(),
        line.on_behalf_of.as_ref().map(|name| format!("for {name}")),
        line.outcome.clone(),
        line.error.clone(),
    ];
    let people: Vec<String> = people.into_iter().flatten().collect();
    if !people.is_empty() {
        field("who", &people.join(", "));
    }
    for change in &line.changes {
        field("changed", &change_text(change));
    }
    if !diff {
        for (name, value) in &step.after {
            let is_new = line.changes.iter().any(|change| change.field == *name);
            if !is_new {
                field("state", &format!("{name}: {value}"));
            }
        }
        for text in &step.context {
            field(
                "saw",
                &format!(
                    "{} (step {}): {}",
                    text.kind,
                    text.step,
                    one_line(&text.text)
                ),
            );
        }
        for text in &step.said {
            field("said", &format!("{}: {}", text.kind, one_line(&text.text)));
        }
        if let Some(model) = &line.model {
            field("model", model);
        }
        if let Some(policy) = &step.policy_in_force {
            field("in force", policy);
        }
        for approval in &step.approvals {
            field("approval", approval);
        }
        field("why here", &line.link);
    }
    for breach in &step.broken {
        field(
            step.decision.as_str(),
            &format!(
                "{} {} ({}): {}",
                breach.rule,
                breach.title,
                breach.level.as_str(),
                breach.message
            ),
        );
    }
    out.iter().map(|line| terminal(line) + "\n").collect()
}

fn change_text(change: &ChangeLine) -> String {
    let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "–".to_owned());
    format!(
        "{}: {} → {}",
        change.field,
        side(&change.before),
        side(&change.after)
    )
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What the whole says: objects as they were first and last, and what the policy would have stopped.
#[must_use]
pub fn replay_summary(replay: &Replay, until: usize) -> String {
    let mut out = String::from("\n");
    let mut objects: BTreeMap<&str, (State, State)> = BTreeMap::new();
    let steps = &replay.steps[..until.min(replay.steps.len())];
    for step in steps {
        let Some(object) = step
            .line
            .object
            .as_deref()
            .filter(|_| !step.line.changes.is_empty())
        else {
            continue;
        };
        let entry = objects
            .entry(object)
            .or_insert_with(|| (step.before.clone(), BTreeMap::new()));
        for change in &step.line.changes {
            if let Some(before) = &change.before {
                entry
                    .0
                    .entry(change.field.clone())
                    .or_insert_with(|| before.clone());
            }
        }
        entry.1.clone_from(&step.after);
    }
    for (object, (before, after)) in &objects {
        out.push_str(&format!("{}\n", terminal(object)));
        let names: std::collections::BTreeSet<&String> =
            before.keys().chain(after.keys()).collect();
        for name in names {
            let (old, new) = (before.get(name), after.get(name));
            if old != new {
                let side =
                    |value: Option<&String>| value.cloned().unwrap_or_else(|| "–".to_owned());
                out.push_str(&terminal(&format!(
                    "  {name}: {} → {}",
                    side(old),
                    side(new)
                )));
                out.push('\n');
            }
        }
    }
    let stopped: Vec<String> = steps
        .iter()
        .filter(|step| step.decision != Answer::Allow)
        .map(|step| format!("step {} ({})", step.step, step.decision.as_str()))
        .collect();
    out.push_str(&match (&replay.not_judged, stopped.is_empty()) {
        (Some(reason), _) => format!("not judged: {reason}\n"),
        (None, true) => format!(
            "policy {} would have stopped no step\n",
            terminal(&replay.policy)
        ),
        (None, false) => format!(
            "policy {} would have stopped {}\n",
            terminal(&replay.policy),
            stopped.join(", ")
        ),
    });
    if let Some(reason) = &replay.no_texts {
        out.push_str(&format!("texts are missing: {}\n", terminal(reason)));
    }
    out
}
