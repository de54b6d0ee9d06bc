//! Events for other programs: tables and Timesketch; OCEL 2.0 and OTLP beside it.

use std::io::{self, Write};

use serde::Serializer as _;
use serde_json::{Map, Value, json};

use super::export_ocel::ocel;
use super::export_otlp::otlp;
use super::safe::csv_cell;
use super::task_block::evidence;
use crate::model::time::format_utc;
use crate::stitch::TaskIndex;
use crate::store::{
    Col, EventTable, EventView, Store, StoreError, read_events, scan_part, side_by_side,
};

/// Forms of an export of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventForm {
    /// RFC 4180, safe for spreadsheets.
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// CSV as Timesketch imports it (`message`, `datetime`, `timestamp_desc` and more).
    TimesketchCsv,
    /// The same, one JSON object a line.
    TimesketchJsonl,
    /// Object-centric event log, OCEL 2.0 in JSON.
    Ocel,
    /// Traces as OTLP JSON: one `ExportTraceServiceRequest` a line and task.
    Otlp,
}

/// Why an export failed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The output cannot be written.
    #[error("writing the export: {0}")]
    Io(#[from] io::Error),
}

/// What was exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Events written.
    pub events: usize,
    /// Events left out, because the form needs a time and they have none.
    pub without_time: usize,
}

impl Exported {
    pub(super) fn add(&mut self, more: Self) {
        self.events += more.events;
        self.without_time += more.without_time;
    }
}

/// Writes the events of a store, or of one task.
///
/// # Errors
/// The store cannot be read, or the output not be written.
pub fn export_events(
    store: &Store,
    index: &TaskIndex,
    task: Option<usize>,
    form: EventForm,
    out: &mut dyn Write,
) -> Result<Exported, ExportError> {
    match form {
        EventForm::Ocel => ocel(store, index, task, out),
        EventForm::Otlp => otlp(store, index, task, out),
        _ => rows(store, index, task, form, out),
    }
}

/// An event, its time in its task, and its task.
pub(super) fn placed<'v>(
    index: &TaskIndex,
    event: EventView<'v>,
) -> (EventView<'v>, Option<i64>, Option<String>) {
    let number = index.number(event.place());
    let time = number.and_then(|number| index.time(number));
    let task = number.and_then(|number| index.task_of(number));
    let time = time.or(event.time());
    (event, time, task.map(|task| index.id(task).to_string()))
}

/// Events that one worker looks at at once.
const AT_ONCE: usize = 1024;

/// Makes pieces of an export of the events of a store, or of one task, on all cores: `add` an event to the piece that
/// `empty` began, and `take` the pieces in their order.
pub(super) fn in_pieces<P: Send>(
    store: &Store,
    index: &TaskIndex,
    task: Option<usize>,
    empty: impl Fn() -> P + Sync,
    add: impl Fn(&mut P, EventView<'_>) -> io::Result<()> + Sync,
    mut take: impl FnMut(P) -> io::Result<()>,
) -> Result<(), ExportError> {
    if let Some(task) = task {
        let mut piece = empty();
        let events = read_events(store, &index.places(task))?;
        events.iter().try_for_each(|event| add(&mut piece, event))?;
        take(piece)?;
        return Ok(index.check()?);
    }
    let mut of_table = |table: &EventTable| {
        let starts: Vec<usize> = (0..table.len()).step_by(AT_ONCE).collect();
        let pieces = side_by_side(&starts, |start| {
            let mut piece = empty();
            let end = table.len().min(start + AT_ONCE);
            (*start..end).try_for_each(|row| add(&mut piece, table.view(row)))?;
            Ok::<_, ExportError>(piece)
        })?;
        pieces.into_iter().try_for_each(&mut take)?;
        Ok::<_, ExportError>(())
    };
    for (batch, custody) in store.batches().iter().enumerate() {
        for path in store.parts("events", custody) {
            scan_part(store, &path, batch, &mut of_table)?;
        }
    }
    Ok(index.check()?)
}

/// What an event says, by the names of its columns, in their order.
fn fields(
    store: &Store,
    event: &EventView<'_>,
    time: Option<i64>,
    task: &str,
) -> Vec<(&'static str, Value)> {
    let amount = event.amount().map(|amount| amount.to_string());
    let changes: Vec<Value> = event
        .changes()
        .iter()
        .map(|c| json!({"field": c.field, "before": c.before, "after": c.after}))
        .collect();
    let attributes: Map<String, Value> = event
        .attributes()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let mut fields: Vec<(&'static str, Value)> = vec![
        ("time", time.map(format_utc).into()),
        ("end_time", event.end().map(format_utc).into()),
        ("event", event.id().to_string().into()),
        ("task", task.into()),
    ];
    let texts = Col::ALL
        .iter()
        .map(|column| (column.name(), event.text(*column).into()));
    fields.extend(texts);
    fields.extend([
        ("amount", amount.into()),
        ("tokens_in", event.tokens_in().into()),
        ("tokens_out", event.tokens_out().into()),
        ("changes", changes.into()),
        ("attributes", attributes.into()),
        ("evidence", evidence(store, event).into()),
    ]);
    fields
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => csv_cell(text),
        Value::Array(list) if list.is_empty() => String::new(),
        Value::Object(map) if map.is_empty() => String::new(),
        other => csv_cell(&other.to_string()),
    }
}

/// An event in a sentence, for tools that show one.
fn message(event: &EventView<'_>) -> String {
    let text = |column| event.text(column);
    let mut words = vec![text(Col::Kind).unwrap_or("event").replace('_', " ")];
    words.extend(text(Col::Action).map(str::to_owned));
    words.extend(text(Col::Object).map(|object| format!("on {object}")));
    words.extend(text(Col::Actor).map(|actor| format!("by {actor}")));
    words.extend(text(Col::Outcome).map(|outcome| format!("({outcome})")));
    words.join(" ")
}

/// Rows of a table, as text.
struct Rows<'s> {
    store: &'s Store,
    index: &'s TaskIndex,
    form: EventForm,
    /// Names of the columns, once there is a row.
    head: String,
    text: Vec<u8>,
    done: Exported,
}

impl Rows<'_> {
    fn add(&mut self, event: EventView<'_>) -> io::Result<()> {
        let (event, time, task) = placed(self.index, event);
        let task = task.as_deref().unwrap_or_default();
        let mut fields = fields(self.store, &event, time, task);
        if matches!(
            self.form,
            EventForm::TimesketchCsv | EventForm::TimesketchJsonl
        ) {
            let Some(time) = time else {
                self.done.without_time += 1;
                return Ok(());
            };
            let what = format!("{} logged", event.text(Col::Kind).unwrap_or("event"));
            fields.splice(
                0..1,
                [
                    ("message", message(&event).into()),
                    ("datetime", format_utc(time).into()),
                    ("timestamp_desc", what.into()),
                ],
            );
        }
        self.done.events += 1;
        if matches!(self.form, EventForm::Csv | EventForm::TimesketchCsv) {
            if self.head.is_empty() {
                let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
                self.head = names.join(",") + "\n";
            }
            for (at, (_, value)) in fields.iter().enumerate() {
                if at > 0 {
                    self.text.push(b',');
                }
                self.text.extend(cell(value).into_bytes());
            }
        } else {
            // As objects of JSON are written elsewhere.
            fields.sort_unstable_by_key(|(name, _)| *name);
            let mut json = serde_json::Serializer::new(&mut self.text);
            json.collect_map(fields.iter().map(|(name, value)| (name, value)))?;
        }
        self.text.push(b'\n');
        Ok(())
    }
}

fn rows(
    store: &Store,
    index: &TaskIndex,
    task: Option<usize>,
    form: EventForm,
    out: &mut dyn Write,
) -> Result<Exported, ExportError> {
    let mut done = Exported::default();
    let mut has_head = false;
    let empty = || Rows {
        store,
        index,
        form,
        head: String::new(),
        text: Vec::new(),
        done: Exported::default(),
    };
    let take = |rows: Rows<'_>| {
        if !has_head && !rows.head.is_empty() {
            out.write_all(rows.head.as_bytes())?;
            has_head = true;
        }
        done.add(rows.done);
        out.write_all(&rows.text)
    };
    in_pieces(store, index, task, empty, Rows::add, take)?;
    Ok(done)
}
