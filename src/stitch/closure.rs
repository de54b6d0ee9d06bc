//! Union-find over equal strong keys.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, TimestampMicrosecondType};

use super::index::{Links, Parts, Places, TaskIndex};
use super::keys::Keys;
use super::weigh::{Kept, KeptCell, Settings, weigh};
use super::{Hub, STRONG, StepClock};
use crate::model::{Digest, KeyKind, Kind, evidence_value};
use crate::store::{Store, StoreError, scan_columns};

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
    kinds: Vec<u64>,
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

/// An action without what is particular to one object: `PATCH /invoices/4711` as `PATCH /invoices/*`.
fn route(action: &str, object: &str) -> String {
    let head: String = action.chars().take(200).collect();
    let plain: Vec<&str> = head
        .split('/')
        .map(|part| {
            if part.bytes().any(|b| b.is_ascii_digit()) && !part.starts_with('v') {
                "*"
            } else {
                part
            }
        })
        .collect();
    format!("{} {object}", plain.join("/"))
}

/// Whether an action is a request over HTTP: `GET /invoices`.
fn is_request(action: &str) -> bool {
    const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "MERGE"];
    let method = action.split_once(' ').map(|(method, _)| method);
    method.is_some_and(|method| METHODS.contains(&method))
}

impl Facts {
    fn read(store: &Store, places: &Places) -> Result<Self, StoreError> {
        // Sorted, so that a dump's number does not depend on the order of ingest.
        let mut dump_names: Vec<String> = store
            .batches()
            .iter()
            .flat_map(|batch| &batch.files)
            .map(|file| {
                format!(
                    "{}!{}",
                    file.sha256,
                    file.member.as_deref().unwrap_or_default()
                )
            })
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
        let mut objects_by_name = Names::default();
        let mut sources_of = BTreeSet::new();
        let mut last = (0, 0);
        for batch in store.batches() {
            let dumps: Vec<u32> = batch
                .files
                .iter()
                .map(|file| {
                    let name = format!(
                        "{}!{}",
                        file.sha256,
                        file.member.as_deref().unwrap_or_default()
                    );
                    let at = dump_names.binary_search(&name).unwrap_or(usize::MAX);
                    u32::try_from(at).unwrap_or(u32::MAX)
                })
                .collect();
            for path in store.parts("events", batch) {
                let columns = [
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
                scan_columns::<StoreError>(&path, Some(&columns), |table| {
                    let ids = table.column(0).as_fixed_size_binary();
                    let times = table.column(1).as_primitive::<TimestampMicrosecondType>();
                    let ends = table.column(2).as_primitive::<TimestampMicrosecondType>();
                    let files = table.column(3).as_primitive::<Int32Type>();
                    let ordinals = table.column(4).as_primitive::<Int64Type>();
                    let parts = table.column(5).as_primitive::<Int32Type>();
                    let texts = |column: usize| table.column(column).as_string::<i32>();
                    let (sources, formats, kinds, actors) =
                        (texts(6), texts(7), texts(8), texts(9));
                    let (actions, objects, tools) = (texts(10), texts(11), texts(13));
                    let object_ids = texts(12);
                    let text = |column: &'_ arrow_array::StringArray, row: usize| -> String {
                        if column.is_null(row) {
                            String::new()
                        } else {
                            column.value(row).to_owned()
                        }
                    };
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
                        facts
                            .dumps
                            .push(dumps.get(file).copied().unwrap_or(u32::MAX));
                        facts.ordinals.push(ordinals.value(row));
                        facts.parts.push(parts.value(row));
                        let kind = Kind::from_name(kinds.value(row)).unwrap_or(Kind::Other);
                        facts.ranks.push(kind.causal_rank());
                        facts.kinds[kind as usize] += 1;
                        facts.kind_of.push(kind);
                        let format = text(formats, row);
                        // An export of telemetry is of many services, each with a clock of its own.
                        let clock = match format.as_str() {
                            "otlp_json" => format!("{format} {}", text(actors, row)),
                            _ => format.clone(),
                        };
                        let clock = names.number(&clock);
                        facts.formats.push(clock);
                        let source = names.number(&text(sources, row));
                        if last != (clock, source) {
                            last = (clock, source);
                            sources_of.insert(last);
                        }
                        facts.tools.push(names.number(&text(tools, row)));
                        facts.actors.push(names.number(&text(actors, row)));
                        let object = text(object_ids, row);
                        let object = object.rsplit('/').next().unwrap_or_default();
                        let object = evidence_value(object).unwrap_or_default();
                        let number = objects_by_name.number(&object);
                        facts.objects.push(number);
                        if number as usize > facts.object_names.len() {
                            facts.object_names.push(object);
                        }
                        let action = text(actions, row);
                        let by_http = is_request(&action);
                        facts.changes.push(kind == Kind::Write && !by_http);
                        facts.requests.push(by_http);
                        let route = format!("{format} {}", route(&action, &text(objects, row)));
                        facts.routes.push(names.number(&route));
                    }
                    Ok(())
                })?;
            }
        }
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

pub(super) struct Components {
    parent: Vec<u32>,
}

impl Components {
    pub(super) fn find(&mut self, mut event: u32) -> u32 {
        while self.parent[event as usize] != event {
            let up = self.parent[self.parent[event as usize] as usize];
            self.parent[event as usize] = up;
            event = up;
        }
        event
    }

    fn union(&mut self, a: u32, b: u32) -> bool {
        let (a, b) = (self.find(a), self.find(b));
        self.parent[a.max(b) as usize] = a.min(b);
        a != b
    }
}

/// The tasks, and what else is written with them.
pub(super) struct Closed {
    pub index: TaskIndex,
    /// Ids of all events.
    pub ids: Vec<Digest>,
    /// What is told of each cell.
    pub cells: Vec<KeptCell>,
    /// Cells that were weighed now.
    pub weighed: usize,
}

/// Joins everything that equal strong keys join, and what evidence does.
pub(super) fn close(
    store: &Store,
    limits: &BTreeMap<KeyKind, usize>,
    settings: Settings,
    state: Digest,
    kept: &Kept,
    clock: &mut StepClock,
) -> Result<Closed, StoreError> {
    let places = Places::new(store);
    let mut facts = Facts::read(store, &places)?;
    let n = u32::try_from(places.len()).map_err(|_| StoreError::Damaged {
        path: store.layout().root.clone(),
        reason: "more than four billion events".to_owned(),
    })?;
    borrow_times(store, &places, &mut facts)?;
    clock.done("reading events");
    // Kinds that tell how far a value reaches are read first.
    let reaching = [KeyKind::Trace, KeyKind::Conversation]
        .map(|kind| Ok((kind, Keys::read(store, &places, kind)?)));
    let reaching: Vec<(KeyKind, Keys)> = reaching.into_iter().collect::<Result<_, StoreError>>()?;
    let scopes: Vec<Vec<u32>> = reaching
        .iter()
        .map(|(_, keys)| scope(keys, n as usize))
        .collect();
    let mut components = Components {
        parent: (0..n).collect(),
    };
    let mut links = Links::none(n as usize);
    let mut hubs = Vec::new();
    let join = |kind: KeyKind, keys: &Keys| {
        let limit = limits.get(&kind).copied().unwrap_or(usize::MAX);
        for (value, group) in keys.groups() {
            if group.len() < 2 {
                continue;
            }
            // An answer that two conversations share tells them apart no more; one that was logged
            // twice was given at one time.
            if kind == KeyKind::Prefix {
                let answers = group
                    .iter()
                    .filter(|row| facts.kind(row.1) == Kind::Inference);
                let mut times = answers.map(|row| facts.times[row.1 as usize]);
                let first = times.next();
                if times.any(|time| Some(time) != first) {
                    continue;
                }
            }
            let reach = scopes
                .iter()
                .map(|scope| distinct(scope, group))
                .max()
                .unwrap_or(0);
            // A trace reaches itself; other traces on its events count.
            if reach > limit {
                hubs.push(Hub {
                    kind,
                    value: value.to_owned(),
                    reach,
                    events: group.len(),
                });
                continue;
            }
            let anchor = group
                .iter()
                .map(|row| row.1)
                .min_by(|a, b| facts.compare(*a, *b));
            let Some(anchor) = anchor else { continue };
            let mut number = None;
            for row in group {
                if row.1 != anchor && components.union(anchor, row.1) && !links.is_set(row.1) {
                    let number = *number.get_or_insert_with(|| {
                        links.values.push(value.to_owned());
                        u32::try_from(links.values.len() - 1).unwrap_or(u32::MAX)
                    });
                    links.set(row.1, anchor, kind, number);
                }
            }
        }
    };
    let mut reaching = reaching;
    let read = |kind: KeyKind| match reaching.iter().position(|known| known.0 == kind) {
        Some(at) => Ok(reaching.swap_remove(at).1),
        None => Keys::read(store, &places, kind),
    };
    Keys::one_by_one(&STRONG, read, join)?;
    clock.done("joining by ids");
    let weighed = weigh(store, &places, &facts, &mut components, settings, kept)?;
    let (mut causes, mut weighings) = (Vec::new(), Vec::new());
    for told in weighed.actions {
        if let Some(link) = told.joined {
            let value = u32::try_from(links.values.len()).unwrap_or(u32::MAX);
            links.values.push(link.why);
            for effect in &told.events {
                if components.union(link.cause, *effect) || !links.is_set(*effect) {
                    links.set(*effect, link.cause, KeyKind::Value, value);
                    links.probability[*effect as usize] = per_mille(link.probability);
                }
            }
        }
        causes.extend(told.causes);
        weighings.extend(told.weighing.map(|weighing| (told.events, weighing)));
    }
    clock.done("weighing evidence");
    let mut roots: Vec<(u32, u32)> = (0..n)
        .map(|event| (components.find(event), event))
        .collect();
    roots.sort_unstable();
    let mut tasks: Vec<(Digest, Vec<u32>)> = roots
        .chunk_by(|a, b| a.0 == b.0)
        .map(|group| {
            let mut members: Vec<u32> = group.iter().map(|(_, event)| *event).collect();
            members.sort_by_cached_key(|event| facts.order(*event));
            let least = members.iter().map(|event| facts.ids[*event as usize]).min();
            let id = Digest::of(&least.map_or([0; 32], |id| id.0));
            (id, members)
        })
        .collect();
    tasks.sort_by_key(|task| task.0);
    hubs.sort_by(|a, b| (a.kind, &a.value).cmp(&(b.kind, &b.value)));
    let mut starts = vec![0u32];
    let mut task_ids = Vec::with_capacity(tasks.len());
    let mut members = Vec::with_capacity(n as usize);
    for (id, events) in tasks {
        task_ids.push(id);
        members.extend(events);
        starts.push(u32::try_from(members.len()).unwrap_or(u32::MAX));
    }
    let index = TaskIndex::new(Parts {
        state,
        places,
        times: facts
            .times
            .iter()
            .map(|time| time.unwrap_or(i64::MAX))
            .collect(),
        task_ids,
        starts,
        members,
        links,
        hubs,
        kinds: facts.kinds,
        causes,
        clocks: weighed.clocks,
        weighings,
    })?;
    Ok(Closed {
        index,
        ids: facts.ids,
        cells: weighed.cells,
        weighed: weighed.weighed,
    })
}

fn per_mille(probability: f64) -> u32 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Between 0 and 1000.
    let whole = (probability.clamp(0.0, 1.0) * 1000.0) as u32;
    whole
}

/// Positions of a change document have no time: they take the one of the header, whichever file
/// came first.
fn borrow_times(store: &Store, places: &Places, facts: &mut Facts) -> Result<(), StoreError> {
    let keys = Keys::read(store, places, KeyKind::Transaction)?;
    let mut borrowed: HashMap<u32, i64> = HashMap::new();
    for (_, group) in keys.groups() {
        let known = group
            .iter()
            .filter_map(|row| facts.times[row.1 as usize])
            .min();
        let Some(known) = known else { continue };
        for row in group {
            if facts.times[row.1 as usize].is_none() {
                let time = borrowed.entry(row.1).or_insert(known);
                *time = known.min(*time);
            }
        }
    }
    for (event, time) in borrowed {
        facts.times[event as usize] = Some(time);
    }
    Ok(())
}

/// For each event, the number of its value; 0 for none.
fn scope(keys: &Keys, events: usize) -> Vec<u32> {
    let mut scope = vec![0; events];
    for (number, (_, group)) in (1u32..).zip(keys.groups()) {
        for row in group {
            scope[row.1 as usize] = number;
        }
    }
    scope
}

/// How many traces or conversations keys reach.
fn distinct(scope: &[u32], group: &[(u32, u32)]) -> usize {
    let values = || {
        let values = group.iter().map(|row| scope[row.1 as usize]);
        values.filter(|value| *value != 0)
    };
    // Mostly it is one.
    let Some(first) = values().next() else {
        return 0;
    };
    if values().all(|value| value == first) {
        return 1;
    }
    let mut values: Vec<u32> = values().collect();
    values.sort_unstable();
    values.dedup();
    values.len()
}
