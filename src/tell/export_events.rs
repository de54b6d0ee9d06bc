//! Events for other programs: tables, Timesketch, OCEL 2.0 and OTLP.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use serde::Serializer as _;
use serde_json::{Map, Value, json};

use super::safe::csv_cell;
use super::task_block::evidence;
use crate::model::Digest;
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
fn placed<'v>(
    index: &TaskIndex,
    event: EventView<'v>,
) -> (EventView<'v>, Option<i64>, Option<String>) {
    let number = index.number(event.place());
    let time = number.and_then(|number| index.time(number));
    let task = number.and_then(|number| index.task_of(number));
    let time = time.or(event.time());
    (event, time, task.map(|task| index.id(task).to_string()))
}

/// Calls `visit` with each event, its time in its task, and its task.
fn each(
    store: &Store,
    index: &TaskIndex,
    task: Option<usize>,
    mut visit: impl FnMut(&EventView<'_>, Option<i64>, &str) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let mut one = |event: EventView<'_>| {
        let (event, time, task) = placed(index, event);
        visit(&event, time, task.as_deref().unwrap_or_default())
    };
    match task {
        Some(task) => {
            for event in read_events(store, &index.places(task))?.iter() {
                one(event)?;
            }
        }
        None => tables(store, |table| {
            (0..table.len()).try_for_each(|row| one(table.view(row)))
        })?,
    }
    index.check()?;
    Ok(())
}

/// Calls `visit` with all events, a few thousand at a time.
fn tables(
    store: &Store,
    mut visit: impl FnMut(&EventTable) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    for (batch, custody) in store.batches().iter().enumerate() {
        for path in store.parts("events", custody) {
            scan_part(store, &path, batch, &mut visit)?;
        }
    }
    Ok(())
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

/// Rows that one worker writes at once.
const ROWS_AT_ONCE: usize = 1024;

fn rows(
    store: &Store,
    index: &TaskIndex,
    task: Option<usize>,
    form: EventForm,
    out: &mut dyn Write,
) -> Result<Exported, ExportError> {
    let mut done = Exported::default();
    let empty = || Rows {
        store,
        index,
        form,
        head: String::new(),
        text: Vec::new(),
        done: Exported::default(),
    };
    let mut has_head = false;
    let mut write = |rows: Rows<'_>| {
        if !has_head && !rows.head.is_empty() {
            out.write_all(rows.head.as_bytes())?;
            has_head = true;
        }
        done.events += rows.done.events;
        done.without_time += rows.done.without_time;
        out.write_all(&rows.text)
    };
    if let Some(task) = task {
        let mut rows = empty();
        let events = read_events(store, &index.places(task))?;
        events.iter().try_for_each(|event| rows.add(event))?;
        write(rows)?;
    } else {
        tables(store, |table| {
            let starts: Vec<usize> = (0..table.len()).step_by(ROWS_AT_ONCE).collect();
            let texts = side_by_side(&starts, |start| {
                let mut rows = empty();
                let end = table.len().min(start + ROWS_AT_ONCE);
                (*start..end).try_for_each(|row| rows.add(table.view(row)))?;
                Ok::<_, ExportError>(rows)
            })?;
            texts.into_iter().try_for_each(&mut write)?;
            Ok(())
        })?;
    }
    index.check()?;
    Ok(done)
}

/// Objects of an OCEL log: type and id, and what was changed in them when.
type Objects = BTreeMap<(String, String), Vec<Value>>;

/// OCEL 2.0 (JSON): tasks, business objects, people and agents are objects; events are named after their
/// kind and what was done. Events without a time are left out, the standard has none.
fn ocel(
    store: &Store,
    index: &TaskIndex,
    task: Option<usize>,
    out: &mut dyn Write,
) -> Result<Exported, ExportError> {
    let mut done = Exported::default();
    let mut objects = Objects::new();
    let mut types: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
    write!(out, "{{\"events\":[")?;
    each(store, index, task, |event, time, task| {
        let Some(time) = time else {
            done.without_time += 1;
            return Ok(());
        };
        let text = |column| event.text(column).filter(|text: &&str| !text.is_empty());
        let kind = text(Col::Kind).unwrap_or("event");
        let mut related: Vec<(String, String, &str)> = Vec::new();
        if !task.is_empty() {
            related.push(("task".into(), task.to_owned(), "part of"));
        }
        for (column, kind, how) in [
            (Col::Actor, "actor", "by"),
            (Col::OnBehalfOf, "actor", "on behalf of"),
            (Col::Agent, "agent", "agent"),
        ] {
            related.extend(text(column).map(|id| (kind.to_owned(), id.to_owned(), how)));
        }
        if let Some(object) = text(Col::Object) {
            let kind = text(Col::ObjectType).unwrap_or("object").to_owned();
            let changed = objects
                .entry((kind.clone(), object.to_owned()))
                .or_default();
            for change in event.changes() {
                changed.push(json!({"name": change.field, "time": format_utc(time), "value": change.after.unwrap_or_default()}));
            }
            related.push((kind, object.to_owned(), "object"));
        }
        let mut relationships: Vec<Value> = Vec::new();
        for (kind, id, how) in related {
            relationships.push(json!({"objectId": object_id(&kind, &id), "qualifier": how}));
            objects.entry((kind, id)).or_default();
        }
        // A type stands for many events: an action that names its object is an attribute only.
        let general = |action: &&str| {
            *action != kind && !action.contains(|c: char| c == '/' || c.is_ascii_digit())
        };
        let name = match text(Col::Action).filter(general) {
            Some(action) => format!("{kind}: {action}"),
            None => kind.to_owned(),
        };
        let values = [
            ("source", text(Col::Source).map(str::to_owned)),
            ("action", text(Col::Action).map(str::to_owned)),
            ("outcome", text(Col::Outcome).map(str::to_owned)),
            (
                "model",
                text(Col::ModelServed)
                    .or(text(Col::ModelRequested))
                    .map(str::to_owned),
            ),
            ("policy", text(Col::PolicyId).map(str::to_owned)),
            (
                "policy_version",
                text(Col::PolicyVersion).map(str::to_owned),
            ),
            ("amount", event.amount().map(|amount| amount.to_string())),
            ("evidence", Some(evidence(store, event))),
        ];
        let known = types.entry(name.clone()).or_default();
        let attributes: Vec<Value> = values
            .into_iter()
            .filter_map(|(name, value)| {
                let value = value?;
                known.insert(name);
                Some(json!({"name": name, "value": value}))
            })
            .collect();
        let comma = if done.events == 0 { "" } else { "," };
        done.events += 1;
        let event = json!({
            "id": event.id().to_string(),
            "type": name,
            "time": format_utc(time),
            "attributes": attributes,
            "relationships": relationships,
        });
        write!(out, "{comma}\n{event}")?;
        Ok(())
    })?;
    let mut object_types: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    write!(out, "\n],\"objects\":[")?;
    for (at, ((kind, id), changes)) in objects.iter().enumerate() {
        let names = changes
            .iter()
            .filter_map(|c| c["name"].as_str().map(str::to_owned));
        object_types.entry(kind).or_default().extend(names);
        let comma = if at == 0 { "" } else { "," };
        let object = json!({"id": object_id(kind, id), "type": kind, "attributes": changes, "relationships": []});
        write!(out, "{comma}\n{object}")?;
    }
    let attributes = |names: Vec<&str>| -> Vec<Value> {
        let all = names.into_iter();
        all.map(|name| json!({"name": name, "type": "string"}))
            .collect()
    };
    let event_types: Vec<Value> = types
        .iter()
        .map(|(name, names)| json!({"name": name, "attributes": attributes(names.iter().copied().collect())}))
        .collect();
    let object_types: Vec<Value> = object_types
        .iter()
        .map(|(name, names)| {
            let names = names.iter().map(String::as_str).collect();
            json!({"name": name, "attributes": attributes(names)})
        })
        .collect();
    let rest = json!({"eventTypes": event_types, "objectTypes": object_types}).to_string();
    writeln!(out, "\n],{}", rest.strip_prefix('{').unwrap_or_default())?;
    Ok(done)
}

/// Ids are unique over all types in OCEL.
fn object_id(kind: &str, id: &str) -> String {
    format!("{kind}:{id}")
}

/// OTLP: a task is a trace, an event a span below the event that it hangs on; a source is a resource.
fn otlp(
    store: &Store,
    index: &TaskIndex,
    task: Option<usize>,
    out: &mut dyn Write,
) -> Result<Exported, ExportError> {
    let mut done = Exported::default();
    let tasks = task.map_or(0..index.len(), |task| task..task + 1);
    for task in tasks {
        let members = index.members(task);
        let set = read_events(store, &index.places(task))?;
        let ids: BTreeMap<u32, Digest> = members
            .iter()
            .zip(set.iter())
            .map(|(number, event)| (*number, event.id()))
            .collect();
        let mut by_source: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for (number, event) in members.iter().zip(set.iter()) {
            let Some(time) = index.time(*number) else {
                done.without_time += 1;
                continue;
            };
            done.events += 1;
            let parent = index.link(*number).and_then(|link| ids.get(&link.cause));
            let span = span(store, &event, time, &index.id(task), parent);
            let source = event.text(Col::Source).unwrap_or("unknown");
            by_source.entry(source).or_default().push(span);
        }
        if by_source.is_empty() {
            continue;
        }
        let resources: Vec<Value> = by_source
            .into_iter()
            .map(|(source, spans)| {
                json!({
                    "resource": {"attributes": [text_attribute("service.name", source)]},
                    "scopeSpans": [{"scope": {"name": "trail", "version": env!("CARGO_PKG_VERSION")}, "spans": spans}],
                })
            })
            .collect();
        writeln!(out, "{}", json!({ "resourceSpans": resources }))?;
    }
    index.check()?;
    Ok(done)
}

fn text_attribute(name: &str, value: &str) -> Value {
    json!({"key": name, "value": {"stringValue": value}})
}

fn span(
    store: &Store,
    event: &EventView<'_>,
    time: i64,
    task: &Digest,
    parent: Option<&Digest>,
) -> Value {
    let text = |column| event.text(column).filter(|text: &&str| !text.is_empty());
    let named = [
        ("trail.kind", text(Col::Kind)),
        ("gen_ai.provider.name", text(Col::Provider)),
        ("gen_ai.request.model", text(Col::ModelRequested)),
        ("gen_ai.response.model", text(Col::ModelServed)),
        ("gen_ai.agent.id", text(Col::Agent)),
        ("gen_ai.conversation.id", text(Col::Conversation)),
        ("gen_ai.tool.name", text(Col::Tool)),
        ("enduser.id", text(Col::OnBehalfOf).or(text(Col::Actor))),
        ("trail.actor", text(Col::Actor)),
        ("trail.object_type", text(Col::ObjectType)),
        ("trail.object", text(Col::Object)),
        ("trail.outcome", text(Col::Outcome)),
        ("trail.policy_id", text(Col::PolicyId)),
        ("trail.policy_version", text(Col::PolicyVersion)),
    ];
    let mut attributes: Vec<Value> = named
        .into_iter()
        .filter_map(|(name, value)| Some(text_attribute(name, value?)))
        .collect();
    for (name, tokens) in [
        ("gen_ai.usage.input_tokens", event.tokens_in()),
        ("gen_ai.usage.output_tokens", event.tokens_out()),
    ] {
        // 64-bit numbers are text in the JSON form of protobuf.
        let value =
            tokens.map(|tokens| json!({"key": name, "value": {"intValue": tokens.to_string()}}));
        attributes.extend(value);
    }
    attributes.push(text_attribute("trail.event", &event.id().to_string()));
    attributes.push(text_attribute("trail.evidence", &evidence(store, event)));
    let nanoseconds = |us: i64| (i128::from(us.max(0)) * 1000).to_string();
    let failed = matches!(text(Col::Outcome), Some("error" | "denied"));
    let mut status = Map::new();
    status.insert("code".into(), if failed { 2 } else { 0 }.into());
    status.extend(text(Col::Error).map(|error| ("message".to_owned(), error.into())));
    let kind = text(Col::Kind).unwrap_or("event");
    let name = text(Col::Action).filter(|action| *action != kind);
    json!({
        "traceId": task.short(32),
        "spanId": event.id().short(16),
        "parentSpanId": parent.map(|id| id.short(16)).unwrap_or_default(),
        "name": name.map_or_else(|| kind.to_owned(), |action| format!("{kind} {action}")),
        "kind": 1,
        "startTimeUnixNano": nanoseconds(time),
        "endTimeUnixNano": nanoseconds(event.end().unwrap_or(time).max(time)),
        "attributes": attributes,
        "status": status,
    })
}
