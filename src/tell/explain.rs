//! Why an event is in its task: the links up to the first event, and what was weighed for each.

use std::collections::BTreeSet;
use std::path::PathBuf;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::safe::{cut, terminal};
use super::task_block::{evidence, likelihood};
use crate::model::KeyKind;
use crate::model::time::format_utc;
use crate::stitch::{Candidate, TaskIndex};
use crate::store::{
    Col, EventRef, EventView, Store, StoreError, read_events, scan_columns, side_by_side,
};

/// Why there is no explanation.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No event has that id or place.
    #[error("no event `{0}`: give the beginning of an event id, or FILE:RECORD")]
    None(String),
    /// Several events have ids that begin so.
    #[error("`{name}` is the beginning of {count} event ids")]
    Several {
        /// As given.
        name: String,
        /// How many.
        count: usize,
    },
}

/// An event in a few words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Event id.
    pub id: String,
    /// UTC, RFC 3339.
    pub time: Option<String>,
    /// Source.
    pub source: String,
    /// Kind.
    pub kind: String,
    /// What was done to what.
    pub what: String,
    /// Dump, record and bytes.
    pub evidence: String,
}

/// One link, from an event to the earlier one that it hangs on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// The event.
    pub event: Summary,
    /// What it hangs on; `None` for the first of its task.
    pub cause: Option<Summary>,
    /// `strong_key`, `weighed` or `first`.
    pub rule: &'static str,
    /// Kind of the shared key.
    pub key_kind: Option<String>,
    /// Its value, or what agrees in short.
    pub value: Option<String>,
    /// How sure, 0 to 1.
    pub probability: f64,
    /// What was weighed.
    pub weighed: Option<Weighed>,
}

/// What was weighed for an event, with the events spelled out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Weighed {
    /// Whether it was taken.
    pub taken: bool,
    /// The likeliest cause.
    pub best: (Summary, Candidate),
    /// The likeliest in another task.
    pub runner_up: Option<(Summary, Candidate)>,
}

/// Why an event is in its task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// Its task.
    pub task: String,
    /// Events of the task.
    pub events: usize,
    /// From the event to the first one of its task.
    pub steps: Vec<Step>,
}

/// Links that are followed at most; a chain in a real task has a handful.
const LONGEST: usize = 100;

/// The events with that id, its beginning, or `FILE:RECORD` (the end of a dump's path, and the number
/// of a record in it).
///
/// # Errors
/// The store cannot be read.
pub fn find_events(store: &Store, name: &str) -> Result<Vec<EventRef>, StoreError> {
    let record = name
        .rsplit_once(':')
        .and_then(|(file, record)| Some((file, record.parse::<i64>().ok()?)));
    let prefix = name.trim().to_ascii_lowercase();
    let is_id = (4..=64).contains(&prefix.len()) && prefix.bytes().all(|b| b.is_ascii_hexdigit());
    if record.is_none() && !is_id {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for (batch, custody) in store.batches().iter().enumerate() {
        let files: BTreeSet<i32> = (0i32..)
            .zip(&custody.files)
            .filter(|(_, file)| {
                record.is_some_and(|(name, _)| {
                    let path = file.display_path();
                    path == name || path.ends_with(&format!("/{name}"))
                })
            })
            .map(|(at, _)| at)
            .collect();
        if record.is_some() && files.is_empty() {
            continue;
        }
        let in_part = |path: &PathBuf| {
            let mut found: Vec<EventRef> = Vec::new();
            let mut look = |table: RecordBatch| {
                let rows = table.column(usize::from(record.is_none()));
                let rows = rows.as_primitive::<Int64Type>();
                let hits: Vec<usize> = match record {
                    Some((_, wanted)) => {
                        let places = table.column(1).as_primitive::<Int32Type>().values();
                        let ordinals = table.column(2).as_primitive::<Int64Type>().values();
                        let hit =
                            |row: &usize| ordinals[*row] == wanted && files.contains(&places[*row]);
                        (0..table.num_rows()).filter(hit).collect()
                    }
                    None => {
                        let ids = table.column(0).as_fixed_size_binary();
                        let hit = |row: &usize| starts_with(ids.value(*row), &prefix);
                        (0..table.num_rows()).filter(hit).collect()
                    }
                };
                found.extend(hits.into_iter().map(|row| EventRef {
                    batch,
                    row: rows.value(row),
                }));
                Ok::<_, StoreError>(())
            };
            let columns: &[&str] = match record {
                Some(_) => &["row", "file", "ordinal"],
                None => &["event_id", "row"],
            };
            scan_columns(path, Some(columns), &mut look)?;
            Ok::<_, StoreError>(found)
        };
        let parts = side_by_side(&store.parts("events", custody), in_part)?;
        found.extend(parts.into_iter().flatten());
    }
    Ok(found)
}

fn starts_with(id: &[u8], prefix: &str) -> bool {
    let digit = |at: usize| {
        let byte = id.get(at / 2).copied().unwrap_or(0);
        let nibble = if at.is_multiple_of(2) {
            byte >> 4
        } else {
            byte & 15
        };
        char::from_digit(u32::from(nibble), 16)
    };
    prefix
        .chars()
        .enumerate()
        .all(|(at, c)| digit(at) == Some(c))
}

/// Why an event is where it is.
///
/// # Errors
/// The store cannot be read, or no event or several have that name.
pub fn explain(store: &Store, index: &TaskIndex, name: &str) -> Result<Explanation, ExplainError> {
    let mut found = find_events(store, name)?;
    // All events of one record: the one that the others hang on.
    if name.contains(':') {
        found.sort_unstable();
        found.truncate(1);
    }
    let place = match found.as_slice() {
        [] => return Err(ExplainError::None(name.to_owned())),
        [one] => *one,
        several => {
            return Err(ExplainError::Several {
                name: name.to_owned(),
                count: several.len(),
            });
        }
    };
    let missing = || ExplainError::None(name.to_owned());
    let task = index.task_at(place).ok_or_else(missing)?;
    let mut steps: Vec<Step> = Vec::new();
    let mut event = index.number(place).ok_or_else(missing)?;
    let mut seen = BTreeSet::new();
    while steps.len() < LONGEST && seen.insert(event) {
        let step = step(store, index, event)?;
        let next = index.link(event).map(|link| link.cause);
        steps.push(step);
        match next {
            Some(cause) => event = cause,
            None => break,
        }
    }
    index.check()?;
    Ok(Explanation {
        task: index.id(task).to_string(),
        events: index.size(task),
        steps,
    })
}

fn step(store: &Store, index: &TaskIndex, event: u32) -> Result<Step, StoreError> {
    let link = index.link(event);
    let weighing = index.weighing(event);
    let mut numbers = vec![event];
    numbers.extend(link.as_ref().map(|link| link.cause));
    if let Some(weighing) = &weighing {
        numbers.push(weighing.best.event);
        numbers.extend(weighing.runner_up.as_ref().map(|other| other.event));
    }
    let places: Vec<EventRef> = numbers.iter().map(|number| index.place(*number)).collect();
    let set = read_events(store, &places)?;
    let mut summaries = set
        .iter()
        .zip(&numbers)
        .map(|(view, number)| summary(store, index, &view, *number));
    let mut next = || summaries.next();
    let own = next().ok_or_else(|| StoreError::Damaged {
        path: store.layout().root.clone(),
        reason: "an event is missing".into(),
    })?;
    let cause = link.as_ref().and_then(|_| next());
    let weighed = weighing.and_then(|weighing| {
        Some(Weighed {
            taken: weighing.taken,
            best: (next()?, weighing.best),
            runner_up: weighing
                .runner_up
                .and_then(|candidate| Some((next()?, candidate))),
        })
    });
    Ok(Step {
        event: own,
        cause,
        rule: match &link {
            Some(link) if link.kind == KeyKind::Value => "weighed",
            Some(_) => "strong_key",
            None => "first",
        },
        key_kind: link.as_ref().map(|link| link.kind.to_string()),
        probability: link.as_ref().map_or(1.0, |link| link.probability),
        value: link.map(|link| link.value),
        weighed,
    })
}

fn summary(store: &Store, index: &TaskIndex, event: &EventView<'_>, number: u32) -> Summary {
    let words = [Col::Action, Col::Tool, Col::ObjectType, Col::Object];
    let mut what: Vec<&str> = words
        .into_iter()
        .filter_map(|column| event.text(column))
        .collect();
    what.dedup();
    Summary {
        id: event.id().to_string(),
        time: index.time(number).map(format_utc),
        source: event.text(Col::Source).unwrap_or_default().to_owned(),
        kind: event.text(Col::Kind).unwrap_or_default().to_owned(),
        what: what.join(" "),
        evidence: evidence(store, event),
    }
}

/// As text for people.
#[must_use]
pub fn explanation_text(explanation: &Explanation, columns: usize) -> String {
    let mut out = format!(
        "Task {} of {} events\n",
        &explanation.task[..12],
        explanation.events
    );
    for (number, step) in explanation.steps.iter().enumerate() {
        out.push_str(&format!(
            "\n{}. {}\n",
            number + 1,
            line(&step.event, columns)
        ));
        out.push_str(&format!("   {}\n", terminal(&step.event.evidence)));
        let value = terminal(step.value.as_deref().unwrap_or_default());
        match (&step.cause, step.rule) {
            (Some(cause), "weighed") => out.push_str(&format!(
                "   joined by evidence, {} sure, to\n   {}\n",
                likelihood(step.probability),
                line(cause, columns)
            )),
            (Some(cause), _) => {
                let kind = step.key_kind.as_deref().unwrap_or("key");
                out.push_str(&format!(
                    "   joined by the same {kind}, {}, to\n   {}\n",
                    cut(&value, columns.saturating_sub(28 + kind.len())),
                    line(cause, columns)
                ));
            }
            (None, _) if step.weighed.as_ref().is_some_and(|weighed| !weighed.taken) => {
                out.push_str("   joined to nothing: no cause is sure enough\n");
            }
            (None, _) => out.push_str("   the first of its task\n"),
        }
        if let Some(weighed) = &step.weighed {
            out.push_str(&table(weighed, columns));
        }
    }
    out
}

fn line(event: &Summary, columns: usize) -> String {
    let text = format!(
        "{}  {}  {}: {}  ({})",
        event.time.as_deref().unwrap_or("(no time)"),
        event.source,
        event.kind.replace('_', " "),
        event.what,
        &event.id[..12]
    );
    cut(&terminal(&text), columns.saturating_sub(4))
}

fn table(weighed: &Weighed, columns: usize) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let head = if weighed.taken { "taken" } else { "best" };
    table.set_header(["what agrees, in bits", head, "runner-up"]);
    let (best, other) = (
        &weighed.best.1,
        weighed.runner_up.as_ref().map(|(_, candidate)| candidate),
    );
    let mut row = |name: String, of: &dyn Fn(&Candidate) -> String| {
        table.add_row([name, of(best), other.map_or_else(String::new, of)]);
    };
    let mut names: Vec<&str> = Vec::new();
    for candidate in [Some(best), other].into_iter().flatten() {
        for (name, _) in candidate.values.iter().take(6) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
    }
    let width = columns.saturating_sub(52).clamp(20, 60);
    for name in names {
        let shown = cut(&terminal(name), width);
        row(format!("  value {shown}"), &|candidate| {
            let found = candidate.values.iter().find(|(have, _)| have == name);
            found.map_or_else(
                || "–".to_owned(),
                |(_, bits)| format!("({})", signed(*bits)),
            )
        });
    }
    let bits = |bits: f64| signed(bits);
    row("values together".to_owned(), &|c| bits(c.content));
    row("values that do not agree".to_owned(), &|c| {
        bits(c.differing)
    });
    row("such a call for such a deed".to_owned(), &|c| bits(c.route));
    row("names another object, tool".to_owned(), &|c| bits(c.object));
    row("bytes of the answer".to_owned(), &|c| bits(c.size));
    row("time".to_owned(), &|c| bits(c.time));
    row("  seconds between (usual)".to_owned(), &|c| {
        format!("({}) ({})", signed(c.gap), signed(c.offset))
    });
    row("address, user as in its task".to_owned(), &|c| {
        bits(c.habits)
    });
    row("user's and such work has causes".to_owned(), &|c| {
        bits(c.actor)
    });
    row("odds before".to_owned(), &|c| bits(c.prior));
    row("sum".to_owned(), &|c| bits(c.bits));
    row("likelihood".to_owned(), &|c| likelihood(c.probability));
    for column in 1..3 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut out = String::new();
    for line in table.to_string().lines() {
        out.push_str(&format!("   {}\n", line.trim_end()));
    }
    if let Some((event, _)) = &weighed.runner_up {
        out.push_str(&format!("   runner-up: {}\n", line(event, columns)));
    }
    out
}

/// A number to a tenth with its sign; nothing is more than nothing.
fn signed(number: f64) -> String {
    format!("{:+.1}", (number * 10.0).round() / 10.0 + 0.0)
}
