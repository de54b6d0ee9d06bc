//! How the records of a store were joined to tasks.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use super::safe::{cut, cut_front, terminal};
use crate::model::Kind;
use crate::stitch::{Clock, Hub, Run, TaskIndex, TaskSet};
use crate::store::{Col, PART_BITS, Store, StoreError, scan_part_columns, side_by_side};

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
    /// Cells of time that evidence was weighed in.
    pub cells: usize,
    /// Those of them that were weighed in this run; nothing has touched the others.
    pub cells_weighed: usize,
    /// How often parts of the store were gone through for that, each time for some of the cells.
    pub sweeps: usize,
    /// Events of the parts of the store that were read in this run; what nothing has touched was taken as it was.
    pub events_read: usize,
    /// Seconds that each step took; of this run.
    pub seconds: Vec<(String, f64)>,
}

/// Puts together how stitching went.
///
/// # Errors
/// The store cannot be read.
pub fn stitching(store: &Store, index: &TaskIndex, run: Run) -> Result<Stitching, StoreError> {
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
        cells: run.cells,
        cells_weighed: run.weighed,
        sweeps: run.sweeps,
        events_read: run.read,
        seconds: run
            .steps
            .into_iter()
            .map(|(step, time)| (step.to_owned(), (time.as_secs_f64() * 1e3).round() / 1e3))
            .collect(),
    };
    for task in 0..index.len() {
        match index.size(task) {
            1 => found.alone += 1,
            _ => found.tasks += 1,
        }
    }
    found.unlinked_writes = unlinked_writes(store, index)?;
    index.check()?;
    Ok(found)
}

/// A change in a task without a model's part.
struct Write {
    task: usize,
    source: String,
    actor: Option<String>,
}

/// Counts the changes of tasks without a model's part, by source and user.
fn unlinked_writes(
    store: &Store,
    index: &TaskIndex,
) -> Result<BTreeMap<String, usize>, StoreError> {
    let is_by_model = |task: usize| {
        let kinds = [Kind::Inference, Kind::Instruction, Kind::ToolCall];
        kinds.iter().any(|kind| index.has_kind(task, *kind))
    };
    let wanted = TaskSet::new(index);
    // Where their events lie: batch, and part of it.
    let mut places: HashSet<(usize, i64)> = HashSet::new();
    for task in (0..index.len()).filter(|task| index.has_kind(*task, Kind::Write)) {
        if !is_by_model(task) {
            wanted.insert(task);
            let events = index.places(task).into_iter();
            places.extend(events.map(|event| (event.batch, event.row >> PART_BITS)));
        }
    }
    let mut parts = store.all_parts("events");
    let (mut last, mut next) = (usize::MAX, 0);
    parts.retain(|(batch, _)| {
        next = if last == *batch { next + 1 } else { 0 };
        last = *batch;
        places.contains(&(*batch, next))
    });
    let columns = ["kind", "source", "actor"];
    let found = side_by_side(&parts, |(batch, path)| {
        let mut users: HashMap<usize, (u32, String)> = HashMap::new();
        let mut changes: Vec<Write> = Vec::new();
        scan_part_columns::<StoreError>(store, path, *batch, &columns, |table| {
            for event in (0..table.len()).map(|row| table.view(row)) {
                let Some(number) = index.number(event.place()) else {
                    continue;
                };
                let Some(task) = index.task_of(number).filter(|task| wanted.contains(*task)) else {
                    continue;
                };
                let actor = event.text(Col::Actor);
                if let Some(actor) = actor {
                    first(&mut users, task, number, actor);
                }
                if event.text(Col::Kind) == Some(Kind::Write.as_str()) {
                    changes.push(Write {
                        task,
                        source: event.text(Col::Source).unwrap_or("?").to_owned(),
                        actor: actor.map(str::to_owned),
                    });
                }
            }
            Ok(())
        })?;
        Ok::<_, StoreError>((users, changes))
    })?;
    // The rows of a change document name no user; its header does.
    let mut users: HashMap<usize, (u32, String)> = HashMap::new();
    for (task, (number, user)) in found.iter().flat_map(|(users, _)| users) {
        first(&mut users, *task, *number, user);
    }
    let mut counts = BTreeMap::new();
    for write in found.iter().flat_map(|(_, changes)| changes) {
        let user = users.get(&write.task).map(|(_, user)| user);
        let user = write.actor.as_ref().or(user);
        let user = user.map_or("(no user)", String::as_str);
        *counts
            .entry(format!("{}  {user}", write.source))
            .or_default() += 1;
    }
    Ok(counts)
}

/// Keeps the user of the first event of a task that names one.
fn first(users: &mut HashMap<usize, (u32, String)>, task: usize, number: u32, user: &str) {
    match users.get(&task) {
        Some((have, _)) if *have <= number => {}
        _ => {
            users.insert(task, (number, user.to_owned()));
        }
    }
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
    // A format's offset to itself is its delay, and says nothing of clocks.
    let clocks = found.clocks.iter().filter(|clock| clock.from != clock.to);
    let (measured, derived): (Vec<&Clock>, Vec<&Clock>) = clocks.partition(|clock| clock.pairs > 0);
    if !measured.is_empty() {
        out.push_str("\nClocks (usual time from a call to what it causes; ± its spread)\n");
        let width = |of: fn(&Clock) -> &str| {
            let widths = measured.iter().map(|clock| of(clock).len());
            widths.max().unwrap_or(0)
        };
        // What stands around the names: arrow, offset, spread and pairs.
        const BESIDE: usize = 39;
        let room = columns.saturating_sub(BESIDE).max(24);
        let (from, to) = (width(|clock| &clock.from), width(|clock| &clock.to));
        let from = from.min(room.saturating_sub(to).max(room / 2));
        let to = to.min(room - from);
        for clock in &measured {
            let line = format!(
                "  {:from$} → {:to$} {:>+8.2} s ± {:.2}  {} pairs",
                cut_front(&terminal(&clock.from), from),
                cut_front(&terminal(&clock.to), to),
                clock.offset,
                clock.spread,
                clock.pairs
            );
            out.push_str(&cut(&line, columns));
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
    if found.cells > 1 {
        let now = match found.cells_weighed == found.cells {
            true => "all of them now".to_owned(),
            false => format!("{} now; the others are as they were", found.cells_weighed),
        };
        out.push_str(&format!(
            "\nEvidence weighed in {} cells of time, {now}\n",
            found.cells
        ));
    }
    if found.events_read < found.events {
        out.push_str(&format!(
            "\n{} of {} events read; what no new record touches is as it was\n",
            found.events_read, found.events
        ));
    }
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
