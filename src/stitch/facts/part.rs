//! What stitching needs to know of the events of one part of the store.

use std::ops::Range;
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;

use super::order::digest;
use super::{Clocks, Order, text};
use crate::model::{Digest, Kind, evidence_value};
use crate::stitch::texts::Texts;
use crate::store::{StoreError, scan_columns};

/// The number of the text of the row before, which is mostly that of the next one: from 1, 0 for none.
#[derive(Default)]
struct Recent(String, u32);

impl Recent {
    fn number(&mut self, text: &str, names: &mut Texts) -> u32 {
        if self.0 != text {
            self.1 = match text {
                "" => 0,
                _ => names.number(text).saturating_add(1),
            };
            self.0.clear();
            self.0.push_str(text);
        }
        self.1
    }
}

/// Columns of the events of a part, in their order. Names are numbered for this part alone.
pub(super) struct Part {
    pub(super) ids: Vec<Digest>,
    /// `i64::MAX` for none.
    pub(super) ends: Vec<i64>,
    pub(super) changes: Vec<bool>,
    pub(super) requests: Vec<bool>,
    /// By [`Part::names`].
    pub(super) formats: Vec<u32>,
    pub(super) tools: Vec<u32>,
    pub(super) routes: Vec<u32>,
    pub(super) actors: Vec<u32>,
    /// By [`Part::object_names`].
    pub(super) objects: Vec<u32>,
    pub(super) names: Texts,
    pub(super) object_names: Texts,
}

const COLUMNS: [&str; 8] = [
    "event_id",
    "end_time",
    "format",
    "actor",
    "action",
    "object_type",
    "object",
    "tool",
];

/// Names of the rows before.
#[derive(Default)]
struct Before {
    format: Recent,
    tool: Recent,
    actor: Recent,
    route: Recent,
    object: Recent,
}

impl Part {
    /// Reads a part whose events have those numbers.
    pub(super) fn read(
        path: &Path,
        clocks: &Clocks,
        order: &Order,
        events: Range<u32>,
    ) -> Result<Self, StoreError> {
        let mut part = Self::for_events(events.len());
        let mut before = Before::default();
        let last = u32::try_from(order.len()).unwrap_or(u32::MAX);
        scan_columns::<StoreError>(path, Some(&COLUMNS), |table| {
            let read = u32::try_from(part.formats.len()).unwrap_or(u32::MAX);
            let rest = (events.start + read)..last;
            part.add(&table, clocks, order, rest, &mut before);
            Ok(())
        })?;
        Ok(part)
    }

    /// With room for so many events: columns that grow take twice what they need.
    fn for_events(events: usize) -> Self {
        let numbers = || Vec::with_capacity(events);
        Self {
            ids: Vec::with_capacity(events),
            ends: Vec::with_capacity(events),
            changes: Vec::with_capacity(events),
            requests: Vec::with_capacity(events),
            formats: numbers(),
            tools: numbers(),
            routes: numbers(),
            actors: numbers(),
            objects: numbers(),
            names: Texts::default(),
            object_names: Texts::default(),
        }
    }

    /// Adds rows that are of those events.
    fn add(
        &mut self,
        table: &RecordBatch,
        clocks: &Clocks,
        order: &Order,
        events: Range<u32>,
        before: &mut Before,
    ) {
        let ids = table.column(0).as_fixed_size_binary();
        let ends = table.column(1).as_primitive::<TimestampMicrosecondType>();
        let texts = |column: usize| table.column(column).as_string::<i32>();
        let (formats, actors, actions) = (texts(2), texts(3), texts(4));
        let (objects, object_ids, tools) = (texts(5), texts(6), texts(7));
        self.ends
            .extend(ends.iter().map(|end| end.unwrap_or(i64::MAX)));
        let mut route = String::new();
        let mut of_clock = String::new();
        for (row, event) in (0..table.num_rows()).zip(events) {
            self.ids.push(digest(ids.value(row)));
            let format = text(formats, row);
            let name = match clocks.of(event as usize) {
                "" => format,
                clock => {
                    of_clock.clear();
                    of_clock.extend([format, " ", clock]);
                    &of_clock
                }
            };
            let names = &mut self.names;
            self.formats.push(before.format.number(name, names));
            self.tools.push(before.tool.number(text(tools, row), names));
            self.actors
                .push(before.actor.number(text(actors, row), names));
            let object = evidence_value(named_object(text(object_ids, row))).unwrap_or_default();
            let object = before.object.number(&object, &mut self.object_names);
            self.objects.push(object);
            let action = text(actions, row);
            let by_http = is_request(action);
            let is_write = order.kind(event) == Kind::Write;
            self.changes.push(is_write && !by_http);
            self.requests.push(by_http);
            // A table is what kind of thing was changed, not which.
            let of_kind = match text(objects, row) {
                "table" | "database" => text(object_ids, row),
                kind => kind,
            };
            write_route(&mut route, format, action, of_kind);
            self.routes.push(before.route.number(&route, names));
        }
    }
}

/// Writes an action without what is particular to one object, behind its format: `PATCH /invoices/4711` as
/// `kong PATCH /invoices/* invoice`.
fn write_route(out: &mut String, format: &str, action: &str, object: &str) {
    const MOST: usize = 200;
    let end = action
        .char_indices()
        .nth(MOST)
        .map_or(action.len(), |(at, _)| at);
    out.clear();
    out.push_str(format);
    out.push(' ');
    for (at, part) in action[..end].split('/').enumerate() {
        if at > 0 {
            out.push('/');
        }
        let is_particular = part.bytes().any(|b| b.is_ascii_digit()) && !part.starts_with('v');
        out.push_str(if is_particular { "*" } else { part });
    }
    out.push(' ');
    out.push_str(object);
}

/// Whether an action is a request over HTTP: `GET /invoices`.
fn is_request(action: &str) -> bool {
    const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "MERGE"];
    let method = action.split_once(' ').map(|(method, _)| method);
    method.is_some_and(|method| METHODS.contains(&method))
}

/// The part of an object's name that tells it apart: behind the last slash, the one word with a digit of a description
/// (`Sales Order 4711`).
fn named_object(object: &str) -> &str {
    let name = object.rsplit('/').next().unwrap_or_default();
    let has_digit = |word: &&str| word.bytes().any(|byte| byte.is_ascii_digit());
    let mut words = name.split_whitespace().filter(has_digit);
    match (words.next(), words.next()) {
        (Some(word), None) => word,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_an_action_without_what_is_particular() {
        let mut out = "before".to_owned();
        for (action, object, wanted) in [
            (
                "PATCH /invoices/4711",
                "invoice",
                "kong PATCH /invoices/* invoice",
            ),
            (
                "GET /v2/orders/W-9/lines",
                "",
                "kong GET /v2/orders/*/lines ",
            ),
            ("change", "ORDER", "kong change ORDER"),
            ("", "", "kong  "),
        ] {
            write_route(&mut out, "kong", action, object);
            assert_eq!(out, wanted);
        }
        write_route(&mut out, "f", &"ä".repeat(300), "o");
        assert_eq!(out.chars().filter(|c| *c == 'ä').count(), 200);
    }

    #[test]
    fn an_object_is_told_by_its_number() {
        for (object, wanted) in [
            ("4711", "4711"),
            ("A_Order/4711", "4711"),
            ("Sales Order SO-4711", "SO-4711"),
            ("Invoice 4711 line 2", "Invoice 4711 line 2"),
            ("Terms of payment", "Terms of payment"),
            ("", ""),
        ] {
            assert_eq!(named_object(object), wanted);
        }
    }

    #[test]
    fn requests_over_http_are_told_by_their_methods() {
        assert!(is_request("GET /invoices"));
        assert!(!is_request("GET") && !is_request("GETTING /invoices") && !is_request("update"));
    }
}
