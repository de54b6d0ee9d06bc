//! What stitching needs to know of each event, as columns.

use std::collections::BTreeSet;
use std::sync::mpsc::sync_channel;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch, StringArray};
use foldhash::{HashMap, HashMapExt};

use super::index::Places;
use super::keys::Keys;
use crate::model::{Digest, KeyKind, Kind, evidence_value};
use crate::store::{CustodyFile, Store, StoreError, scan_columns};

/// What stitching needs to know of each event.
pub(super) struct Facts {
    pub ids: Vec<Digest>,
    pub times: Vec<Option<i64>>,
    pub ends: Vec<Option<i64>>,
    /// Causal rank of the kind, digest of the dump, ordinal and part: the order of equal times.
    ranks: Vec<u8>,
    dumps: Vec<u32>,
    ordinals: Vec<i64>,
    parts: Vec<i32>,
    /// Events by kind.
    pub kinds: Vec<u64>,
    /// Kind of each event.
    kind_of: Vec<Kind>,
    /// Format, tool, route and actor of each event, by number; 0 for none.
    pub formats: Vec<u32>,
    pub tools: Vec<u32>,
    pub routes: Vec<u32>,
    pub actors: Vec<u32>,
    /// Object acted upon, in its form as evidence; `object_names` has the texts, from 1.
    pub objects: Vec<u32>,
    pub object_names: Vec<String>,
    /// Source of the records of each format.
    pub source_of: HashMap<u32, u32>,
    changes: Vec<bool>,
    requests: Vec<bool>,
    /// Names of formats, tools, routes and actors, from 1.
    names: Vec<String>,
}

/// Numbers for texts that recur.
#[derive(Default)]
struct Names(HashMap<String, u32>);

impl Names {
    fn number(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return 0;
        }
        if let Some(number) = self.0.get(name) {
            return *number;
        }
        let number = u32::try_from(self.0.len() + 1).unwrap_or(u32::MAX);
        self.0.insert(name.to_owned(), number);
        number
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

/// A dump, or what was in one, by its digest.
fn dump_name(file: &CustodyFile) -> String {
    let member = file.member.as_deref().unwrap_or_default();
    format!("{}!{member}", file.sha256)
}

/// A text; empty for none.
fn text(column: &StringArray, row: usize) -> &str {
    match column.is_null(row) {
        true => "",
        false => column.value(row),
    }
}

/// Reads what stitching needs to know of all events, in their order, with the number of the batch; the next table is read
/// while one is visited.
fn each_table(store: &Store, mut visit: impl FnMut(usize, &RecordBatch)) -> Result<(), StoreError> {
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
    const AHEAD: usize = 4;
    std::thread::scope(|scope| {
        let (send, receive) = sync_channel(AHEAD);
        let reader = scope.spawn(move || {
            for (number, batch) in store.batches().iter().enumerate() {
                for path in store.parts("events", batch) {
                    scan_columns::<StoreError>(&path, Some(&COLUMNS), |table| {
                        // The other end only hangs up when it has failed itself.
                        let _ = send.send((number, table));
                        Ok(())
                    })?;
                }
            }
            Ok(())
        });
        for (batch, table) in receive {
            visit(batch, &table);
        }
        match reader.join() {
            Ok(read) => read,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

impl Facts {
    pub(super) fn read(store: &Store, places: &Places) -> Result<Self, StoreError> {
        // Sorted, so that a dump's number does not depend on the order of ingest.
        let mut dump_names: Vec<String> = store
            .batches()
            .iter()
            .flat_map(|batch| &batch.files)
            .map(dump_name)
            .collect();
        dump_names.sort_unstable();
        dump_names.dedup();
        let n = places.len();
        let mut facts = Self {
            ids: Vec::with_capacity(n),
            times: Vec::with_capacity(n),
            ends: Vec::with_capacity(n),
            ranks: Vec::with_capacity(n),
            dumps: Vec::with_capacity(n),
            ordinals: Vec::with_capacity(n),
            parts: Vec::with_capacity(n),
            kinds: vec![0; Kind::ALL.len()],
            kind_of: Vec::with_capacity(n),
            formats: Vec::with_capacity(n),
            tools: Vec::with_capacity(n),
            routes: Vec::with_capacity(n),
            actors: Vec::with_capacity(n),
            objects: Vec::with_capacity(n),
            object_names: Vec::new(),
            source_of: HashMap::new(),
            changes: Vec::with_capacity(n),
            requests: Vec::with_capacity(n),
            names: Vec::new(),
        };
        let mut names = Names::default();
        // The clock of each event, from 1, where its record says that it is one of several.
        let clocks = Keys::read(store, places, KeyKind::Clock)?;
        let mut clock_of = vec![0u32; if clocks.is_empty() { 0 } else { n }];
        let mut clock_names: Vec<&str> = Vec::new();
        for (clock, group) in clocks.groups() {
            clock_names.push(clock);
            let number = u32::try_from(clock_names.len()).unwrap_or(u32::MAX);
            group
                .iter()
                .for_each(|row| clock_of[row.1 as usize] = number);
        }
        let mut objects_by_name = Names::default();
        let mut sources_of = BTreeSet::new();
        let mut last = (0, 0);
        let mut route = String::new();
        let dumps: Vec<Vec<u32>> = store
            .batches()
            .iter()
            .map(|batch| {
                let number = |file| {
                    let at = dump_names.binary_search(&dump_name(file));
                    u32::try_from(at.unwrap_or(usize::MAX)).unwrap_or(u32::MAX)
                };
                batch.files.iter().map(number).collect()
            })
            .collect();
        each_table(store, |batch, table| {
            let ids = table.column(0).as_fixed_size_binary();
            let times = table.column(1).as_primitive::<TimestampMicrosecondType>();
            let ends = table.column(2).as_primitive::<TimestampMicrosecondType>();
            let files = table.column(3).as_primitive::<Int32Type>();
            let ordinals = table.column(4).as_primitive::<Int64Type>();
            let parts = table.column(5).as_primitive::<Int32Type>();
            let texts = |column: usize| table.column(column).as_string::<i32>();
            let (sources, formats, kinds, actors) = (texts(6), texts(7), texts(8), texts(9));
            let (actions, objects, object_ids, tools) =
                (texts(10), texts(11), texts(12), texts(13));
            for row in 0..table.num_rows() {
                let mut id = [0; 32];
                id.copy_from_slice(ids.value(row));
                facts.ids.push(Digest(id));
                facts
                    .times
                    .push((!times.is_null(row)).then(|| times.value(row)));
                facts
                    .ends
                    .push((!ends.is_null(row)).then(|| ends.value(row)));
                let file = usize::try_from(files.value(row)).unwrap_or(usize::MAX);
                let dump = dumps[batch].get(file).copied();
                facts.dumps.push(dump.unwrap_or(u32::MAX));
                facts.ordinals.push(ordinals.value(row));
                facts.parts.push(parts.value(row));
                let kind = Kind::from_name(kinds.value(row)).unwrap_or(Kind::Other);
                facts.ranks.push(kind.causal_rank());
                facts.kinds[kind as usize] += 1;
                facts.kind_of.push(kind);
                let (format, actor) = (text(formats, row), text(actors, row));
                // An export of telemetry is of many services, each with a clock of its own.
                let clock = clock_of.get(facts.formats.len()).copied().unwrap_or(0);
                let clock = match (clock as usize).checked_sub(1) {
                    Some(clock) => names.number(&format!("{format} {}", clock_names[clock])),
                    None => names.number(format),
                };
                facts.formats.push(clock);
                let source = names.number(text(sources, row));
                if last != (clock, source) {
                    last = (clock, source);
                    sources_of.insert(last);
                }
                facts.tools.push(names.number(text(tools, row)));
                facts.actors.push(names.number(actor));
                let object = text(object_ids, row);
                let object = evidence_value(named_object(object)).unwrap_or_default();
                let number = objects_by_name.number(&object);
                facts.objects.push(number);
                if number as usize > facts.object_names.len() {
                    facts.object_names.push(object);
                }
                let action = text(actions, row);
                let by_http = is_request(action);
                facts.changes.push(kind == Kind::Write && !by_http);
                facts.requests.push(by_http);
                // A table is what kind of thing was changed, not which.
                let of_kind = match text(objects, row) {
                    "table" | "database" => text(object_ids, row),
                    kind => kind,
                };
                write_route(&mut route, format, action, of_kind);
                facts.routes.push(names.number(&route));
            }
        })?;
        facts.number_names(names, &sources_of);
        Ok(facts)
    }

    /// Numbers the names anew, in their order, so that no number depends on the order of ingest.
    fn number_names(&mut self, names: Names, sources: &BTreeSet<(u32, u32)>) {
        let mut sorted: Vec<(String, u32)> = names.0.into_iter().collect();
        sorted.sort_unstable();
        let mut new = vec![0; sorted.len() + 1];
        for (number, (_, old)) in (1u32..).zip(&sorted) {
            new[*old as usize] = number;
        }
        for column in [
            &mut self.formats,
            &mut self.tools,
            &mut self.routes,
            &mut self.actors,
        ] {
            column
                .iter_mut()
                .for_each(|number| *number = new[*number as usize]);
        }
        for (format, source) in sources {
            // Where a format is of several sources, the first of them stands for it.
            let source = new[*source as usize];
            let known = self
                .source_of
                .entry(new[*format as usize])
                .or_insert(source);
            *known = source.min(*known);
        }
        self.names = sorted.into_iter().map(|(name, _)| name).collect();
    }

    /// Name of a format, tool, route or actor.
    pub fn name(&self, number: u32) -> &str {
        let at = (number as usize).checked_sub(1);
        at.and_then(|at| self.names.get(at))
            .map_or("", String::as_str)
    }

    /// Kind of an event.
    pub fn kind(&self, event: u32) -> Kind {
        self.kind_of[event as usize]
    }

    /// Whether a system says that it was changed, and not only that it was asked to.
    pub fn is_change(&self, event: usize) -> bool {
        self.changes[event]
    }

    /// The system that a request was for, as far as a route tells: format and the first two parts of the path.
    pub fn service(&self, route: u32) -> String {
        let name = self.name(route);
        let mut words = name.split(' ');
        let format = words.next().unwrap_or_default();
        let path = words.find(|word| word.contains('/'));
        let parts = path
            .unwrap_or_default()
            .split('/')
            .filter(|part| !part.is_empty());
        let parts: Vec<&str> = parts.take(2).collect();
        format!("{format} {}", parts.join("/"))
    }

    /// Whether it is a request that a gateway or server logged.
    pub fn is_request(&self, event: usize) -> bool {
        self.requests[event]
    }

    /// Events in the order of [`Facts::order`]. Mostly their times decide, and nothing else is looked at.
    pub fn compare(&self, a: u32, b: u32) -> std::cmp::Ordering {
        let time = |event: u32| self.times[event as usize].unwrap_or(i64::MAX);
        time(a)
            .cmp(&time(b))
            .then_with(|| self.order(a).cmp(&self.order(b)))
    }

    /// A total order that does not depend on places in the store. Events without time come last.
    pub fn order(&self, event: u32) -> (i64, u8, u32, i64, i32, Digest) {
        let at = event as usize;
        (
            self.times[at].unwrap_or(i64::MAX),
            self.ranks[at],
            self.dumps[at],
            self.ordinals[at],
            self.parts[at],
            self.ids[at],
        )
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
