//! Object-centric event logs: OCEL 2.0 in JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use serde_json::{Value, json};

use super::export_events::{ExportError, Exported, in_pieces, placed};
use super::task_block::evidence;
use crate::model::time::format_utc;
use crate::stitch::TaskIndex;
use crate::store::{Col, EventView, Store};

/// Objects of a log: type and id, and what was changed in them when.
type Objects = BTreeMap<(String, String), Vec<Value>>;

/// A piece of a log: its events as text, each behind a comma, and what they name.
#[derive(Default)]
struct Piece {
    text: Vec<u8>,
    objects: Objects,
    /// Names of the attributes of each type of event.
    types: BTreeMap<String, BTreeSet<&'static str>>,
    done: Exported,
}

/// OCEL 2.0 (JSON): tasks, business objects, people and agents are objects; events are named after their
/// kind and what was done. Events without a time are left out, the standard has none.
pub(super) fn ocel(
    store: &Store,
    index: &TaskIndex,
    task: Option<usize>,
    out: &mut dyn Write,
) -> Result<Exported, ExportError> {
    let mut all = Piece::default();
    write!(out, "{{\"events\":[")?;
    let take = |piece: Piece| {
        let text = match all.done.events {
            0 => piece.text.get(1..).unwrap_or_default(),
            _ => &piece.text,
        };
        out.write_all(text)?;
        for (object, changes) in piece.objects {
            all.objects.entry(object).or_default().extend(changes);
        }
        for (name, attributes) in piece.types {
            all.types.entry(name).or_default().extend(attributes);
        }
        all.done.add(piece.done);
        Ok(())
    };
    let add = |piece: &mut Piece, event: EventView<'_>| piece.add(store, index, event);
    in_pieces(store, index, task, Piece::default, add, take)?;
    let mut object_types: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    write!(out, "\n],\"objects\":[")?;
    for (at, ((kind, id), changes)) in all.objects.iter().enumerate() {
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
    let event_types: Vec<Value> = all
        .types
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
    Ok(all.done)
}

impl Piece {
    fn add(&mut self, store: &Store, index: &TaskIndex, event: EventView<'_>) -> io::Result<()> {
        let (event, time, task) = placed(index, event);
        let Some(time) = time else {
            self.done.without_time += 1;
            return Ok(());
        };
        self.done.events += 1;
        let text = |column| event.text(column).filter(|text: &&str| !text.is_empty());
        let kind = text(Col::Kind).unwrap_or("event");
        let mut related: Vec<(String, String, &str)> = Vec::new();
        related.extend(task.map(|task| ("task".to_owned(), task, "part of")));
        for (column, kind, how) in [
            (Col::Actor, "actor", "by"),
            (Col::OnBehalfOf, "actor", "on behalf of"),
            (Col::Agent, "agent", "agent"),
        ] {
            related.extend(text(column).map(|id| (kind.to_owned(), id.to_owned(), how)));
        }
        if let Some(object) = text(Col::Object) {
            let kind = text(Col::ObjectType).unwrap_or("object").to_owned();
            let changed = self
                .objects
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
            self.objects.entry((kind, id)).or_default();
        }
        // A type stands for many events: an action that names its object is an attribute only.
        let general = |action: &&str| {
            *action != kind && !action.contains(|c: char| c == '/' || c.is_ascii_digit())
        };
        let name = match text(Col::Action).filter(general) {
            Some(action) => format!("{kind}: {action}"),
            None => kind.to_owned(),
        };
        let owned = |column| text(column).map(str::to_owned);
        let values = [
            ("source", owned(Col::Source)),
            ("action", owned(Col::Action)),
            ("outcome", owned(Col::Outcome)),
            (
                "model",
                owned(Col::ModelServed).or_else(|| owned(Col::ModelRequested)),
            ),
            ("policy", owned(Col::PolicyId)),
            ("policy_version", owned(Col::PolicyVersion)),
            ("amount", event.amount().map(|amount| amount.to_string())),
            ("evidence", Some(evidence(store, &event))),
        ];
        let known = self.types.entry(name.clone()).or_default();
        let attributes: Vec<Value> = values
            .into_iter()
            .filter_map(|(name, value)| {
                let value = value?;
                known.insert(name);
                Some(json!({"name": name, "value": value}))
            })
            .collect();
        let event = json!({
            "id": event.id().to_string(),
            "type": name,
            "time": format_utc(time),
            "attributes": attributes,
            "relationships": relationships,
        });
        write!(self.text, ",\n{event}")
    }
}

/// Ids are unique over all types in OCEL.
fn object_id(kind: &str, id: &str) -> String {
    format!("{kind}:{id}")
}
