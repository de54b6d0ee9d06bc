//! How the records of a store were joined to tasks.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::safe::{cut, terminal};
use crate::model::Kind;
use crate::stitch::{Clock, Hub, TaskIndex};
use crate::store::{Col, EventRef, Store, StoreError, read_events};

/// How stitching went.
#[derive(Clone, Debug, Serialize)]
pub struct Stitching {
    /// Events of the store.
    pub events: usize,
    /// Tasks of two and more events.
    pub tasks: usize,
    /// Events that stand alone.
    pub alone: usize,
    /// Events joined by each kind of key; `value` stands for weighed evidence.
    pub joined: BTreeMap<String, usize>,
    /// Clocks of the kinds of record, as far as evidence was weighed between them.
    pub clocks: Vec<Clock>,
    /// Values that join nothing.
    pub hubs: Vec<Hub>,
    /// Changes in a task of which no model's part is on record, by source and user.
    pub unlinked_writes: BTreeMap<String, usize>,
    /// Seconds that each step took; of this run.
    pub seconds: Vec<(String, f64)>,
}

/// Events read together.
const AT_ONCE: usize = 20_000;

/// Puts together how stitching went.
///
/// # Errors
/// The store cannot be read.
pub fn stitching(
    store: &Store,
    index: &TaskIndex,
    steps: Vec<(&'static str, Duration)>,
) -> Result<Stitching, StoreError> {
    let mut found = Stitching {
        events: index.events(),
        tasks: 0,
        alone: 0,
        joined: index
            .links_by_kind()
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(kind, count)| (kind.to_string(), count))
            .collect(),
        clocks: index.clocks(),
        hubs: index.hubs().to_vec(),
        unlinked_writes: BTreeMap::new(),
        seconds: steps
            .into_iter()
            .map(|(step, time)| (step.to_owned(), (time.as_secs_f64() * 1e3).round() / 1e3))
            .collect(),
    };
    let mut waiting: Vec<u32> = Vec::new();
    for task in 0..index.len() {
        match index.size(task) {
            1 => found.alone += 1,
            _ => found.tasks += 1,
        }
        waiting.extend(index.members(task));
        if waiting.len() >= AT_ONCE || task + 1 == index.len() {
            count_unlinked(store, index, &waiting, &mut found.unlinked_writes)?;
            waiting.clear();
        }
    }
    index.check()?;
    Ok(found)
}

/// Counts the changes of tasks without a model's part. `events` are those of whole tasks.
fn count_unlinked(
    store: &Store,
    index: &TaskIndex,
    events: &[u32],
    counts: &mut BTreeMap<String, usize>,
) -> Result<(), StoreError> {
    let places: Vec<EventRef> = events.iter().map(|event| index.place(*event)).collect();
    let set = read_events(store, &places)?;
    let kind = |at: usize| set.get(at).text(Col::Kind).and_then(Kind::from_name);
    let mut start = 0;
    while start < events.len() {
        let size = index
            .task_at(places[start])
            .map_or(1, |task| index.size(task))
            .max(1);
        let task = start..(start + size).min(events.len());
        start += size;
        let by_model = task.clone().any(|at| {
            matches!(
                kind(at),
                Some(Kind::Inference | Kind::Instruction | Kind::ToolCall)
            )
        });
        if by_model {
            continue;
        }
        // The rows of a change document name no user; its header does.
        let user = task.clone().find_map(|at| set.get(at).text(Col::Actor));
        for at in task.filter(|at| kind(*at) == Some(Kind::Write)) {
            let event = set.get(at);
            let name = format!(
                "{}  {}",
                event.text(Col::Source).unwrap_or("?"),
                event.text(Col::Actor).or(user).unwrap_or("(no user)")
            );
            *counts.entry(name).or_default() += 1;
        }
    }
    Ok(())
}

/// Lines of a list shown at most.
const SHOWN: usize = 20;

/// As text for people.
#[must_use]
pub fn stitching_text(found: &Stitching, columns: usize) -> String {
    let mut out = format!(
        "{} events: {} tasks of two and more, {} events alone\n",
        found.events, found.tasks, found.alone
    );
    out.push_str("\nJoined by\n");
    for (kind, count) in &found.joined {
        let name = match kind.as_str() {
            "value" => "weighed evidence",
            other => other,
        };
        out.push_str(&format!("  {name:<20} {count:>10} events\n"));
    }
    if !found.clocks.is_empty() {
        out.push_str("\nClocks (usual time from a call to what it causes; ± its spread)\n");
        let (measured, derived): (Vec<&Clock>, Vec<&Clock>) =
            found.clocks.iter().partition(|clock| clock.pairs > 0);
        let width = |of: fn(&Clock) -> &str| {
            let widths = measured.iter().map(|clock| of(clock).len());
            widths.max().unwrap_or(0)
        };
        let (from, to) = (width(|clock| &clock.from), width(|clock| &clock.to));
        // A format's offset to itself is its delay, and says nothing of clocks.
        for clock in measured.iter().filter(|clock| clock.from != clock.to) {
            let line = format!(
                "  {:from$} → {:to$} {:>+8.2} s ± {:.2}  {} pairs",
                clock.from, clock.to, clock.offset, clock.spread, clock.pairs
            );
            out.push_str(&cut(&terminal(&line), columns));
            out.push('\n');
        }
        if !derived.is_empty() {
            out.push_str(&format!(
                "  and {} that follow from these (--format json)\n",
                derived.len()
            ));
        }
    }
    list(
        &mut out,
        "\nHubs: values that reach too many tasks to join any\n",
        found.hubs.iter().map(|hub| {
            format!(
                "  {}={}: {} tasks, {} events",
                hub.kind, hub.value, hub.reach, hub.events
            )
        }),
        columns,
    );
    list(
        &mut out,
        "\nWrites that no agent step stands behind\n",
        found
            .unlinked_writes
            .iter()
            .map(|(who, count)| format!("  {count:>8}  {who}")),
        columns,
    );
    out.push_str("\nTime\n");
    for (step, seconds) in &found.seconds {
        out.push_str(&format!("  {step:<28} {seconds:>8.3} s\n"));
    }
    out
}

fn list(out: &mut String, title: &str, lines: impl Iterator<Item = String>, columns: usize) {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        return;
    }
    out.push_str(title);
    for line in lines.iter().take(SHOWN) {
        out.push_str(&cut(&terminal(line), columns));
        out.push('\n');
    }
    if lines.len() > SHOWN {
        out.push_str(&format!(
            "  and {} more (--format json)\n",
            lines.len() - SHOWN
        ));
    }
}
