//! What stitching needs to know of the events of one part of the store.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch, StringArray};

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
#[derive(Default)]
pub(super) struct Part {
    pub(super) ids: Vec<Digest>,
    pub(super) times: Vec<Option<i64>>,
    pub(super) ends: Vec<Option<i64>>,
    pub(super) dumps: Vec<u32>,
    pub(super) ordinals: Vec<i64>,
    pub(super) parts: Vec<i32>,
    pub(super) kinds: Vec<Kind>,
    pub(super) changes: Vec<bool>,
    pub(super) requests: Vec<bool>,
    /// By [`Part::names`].
    pub(super) formats: Vec<u32>,
    pub(super) tools: Vec<u32>,
    pub(super) routes: Vec<u32>,
    pub(super) actors: Vec<u32>,
    /// By [`Part::object_names`].
    pub(super) objects: Vec<u32>,
    /// Formats with the sources of their records.
    pub(super) sources: Vec<(u32, u32)>,
    pub(super) names: Texts,
    pub(super) object_names: Texts,
}

/// What is known of the store beside a part.
pub(super) struct Beside<'s> {
    /// Numbers of the dumps of the part's batch.
    pub(super) dumps: &'s [u32],
    /// The clock of each event of the part, from 1, where its record says that it is one of several; empty if none does.
    pub(super) clocks: &'s [u32],
    /// Names of the clocks.
    pub(super) clock_names: &'s [String],
}

/// A text; empty for none.
fn text(column: &StringArray, row: usize) -> &str {
    match column.is_null(row) {
        true => "",
        false => column.value(row),
    }
}

const COLUMNS: [&str; 14] = [
    "event_id",
    "time",
    "end_time",
    "file",
    "ordinal",
    "part",
    "source",
    "format",
    "kind",
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
    source: Recent,
    tool: Recent,
    actor: Recent,
    route: Recent,
    object: Recent,
}

impl Part {
    pub(super) fn read(path: &Path, beside: &Beside<'_>) -> Result<Self, StoreError> {
        let mut part = Self::default();
        let mut before = Before::default();
        scan_columns::<StoreError>(path, Some(&COLUMNS), |table| {
            part.add(&table, beside, &mut before);
            Ok(())
        })?;
        Ok(part)
    }

    fn add(&mut self, table: &RecordBatch, beside: &Beside<'_>, before: &mut Before) {
        let ids = table.column(0).as_fixed_size_binary();
        let times = table.column(1).as_primitive::<TimestampMicrosecondType>();
        let ends = table.column(2).as_primitive::<TimestampMicrosecondType>();
        let files = table.column(3).as_primitive::<Int32Type>();
        let ordinals = table.column(4).as_primitive::<Int64Type>();
        let parts = table.column(5).as_primitive::<Int32Type>();
        let texts = |column: usize| table.column(column).as_string::<i32>();
        let (sources, formats, kinds, actors) = (texts(6), texts(7), texts(8), texts(9));
        let (actions, objects, object_ids, tools) = (texts(10), texts(11), texts(12), texts(13));
        let first = self.ids.len();
        self.times.extend(times);
        self.ends.extend(ends);
        self.ordinals.extend_from_slice(ordinals.values());
        self.parts.extend_from_slice(parts.values());
        let mut route = String::new();
        let mut of_clock = String::new();
        for row in 0..table.num_rows() {
            let mut id = [0; 32];
            id.copy_from_slice(ids.value(row));
            self.ids.push(Digest(id));
            let file = usize::try_from(files.value(row)).unwrap_or(usize::MAX);
            let dump = beside.dumps.get(file).copied();
            self.dumps.push(dump.unwrap_or(u32::MAX));
            let kind = Kind::from_name(kinds.value(row)).unwrap_or(Kind::Other);
            self.kinds.push(kind);
            let format = text(formats, row);
            // An export of telemetry is of many services, each with a clock of its own.
            let clock = beside.clocks.get(first + row).copied().unwrap_or(0);
            let clock = (clock as usize).checked_sub(1);
            let name = match clock.and_then(|clock| beside.clock_names.get(clock)) {
                Some(clock) => {
                    of_clock.clear();
                    of_clock.extend([format, " ", clock]);
                    &of_clock
                }
                None => format,
            };
            let names = &mut self.names;
            let clock = before.format.number(name, names);
            let source = before.source.number(text(sources, row), names);
            if self.sources.last() != Some(&(clock, source)) {
                self.sources.push((clock, source));
            }
            self.formats.push(clock);
            self.tools.push(before.tool.number(text(tools, row), names));
            self.actors
                .push(before.actor.number(text(actors, row), names));
            let object = evidence_value(named_object(text(object_ids, row))).unwrap_or_default();
            let object = before.object.number(&object, &mut self.object_names);
            self.objects.push(object);
            let action = text(actions, row);
            let by_http = is_request(action);
            self.changes.push(kind == Kind::Write && !by_http);
            self.requests.push(by_http);
            // A table is what kind of thing was changed, not which.
            let of_kind = match text(objects, row) {
                "table" | "database" => text(object_ids, row),
                kind => kind,
            };
            write_route(&mut route, format, action, of_kind);
            self.routes.push(before.route.number(&route, names));
        }
        self.sources.sort_unstable();
        self.sources.dedup();
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
