//! What stitching needs to know of each event, as columns.

mod order;
mod part;
mod ties;

use arrow_array::{Array, StringArray};
use foldhash::HashMap;

pub use self::order::dumps;
pub(super) use self::order::{Order, least_ids};
use self::part::Part;
use super::index::Places;
use super::keys::Read;
use crate::model::{Digest, KeyKind, Kind};
use crate::store::{Store, StoreError, side_by_side};

/// What weighing needs to know of each event.
pub(super) struct Facts<'o> {
    /// Times and kinds.
    pub order: &'o Order,
    ids: Vec<Digest>,
    /// `i64::MAX` for none.
    ends: Vec<i64>,
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

/// The clocks of events, where records say that they are of one of several: an export of telemetry is of many services.
struct Clocks {
    /// By event, from 1; empty if no record says so.
    of_event: Vec<u32>,
    names: Vec<String>,
}

impl Clocks {
    fn read(store: &Store, places: &Places) -> Result<Self, StoreError> {
        let read = Read::of_all(store, places);
        let keys = read.all(KeyKind::Clock)?;
        let mut clocks = Self {
            of_event: vec![0; if keys.is_empty() { 0 } else { places.len() }],
            names: Vec::new(),
        };
        for (clock, group) in keys.groups() {
            clocks.names.push(clock.to_owned());
            let number = u32::try_from(clocks.names.len()).unwrap_or(u32::MAX);
            for event in group {
                clocks.of_event[*event as usize] = number;
            }
        }
        Ok(clocks)
    }

    /// The clock of an event; empty for that of its format.
    fn of(&self, event: usize) -> &str {
        let number = self.of_event.get(event).copied().unwrap_or(0);
        let at = (number as usize).checked_sub(1);
        at.and_then(|at| self.names.get(at))
            .map_or("", String::as_str)
    }

    /// A format, told apart by clocks.
    fn format(format: &str, clock: &str) -> String {
        match clock {
            "" => format.to_owned(),
            clock => format!("{format} {clock}"),
        }
    }
}

/// A text; empty for none.
fn text(column: &StringArray, row: usize) -> &str {
    match column.is_null(row) {
        true => "",
        false => column.value(row),
    }
}

/// One column of all parts, which are without it then.
fn joined<P, T>(parts: &mut [P], column: impl Fn(&mut P) -> &mut Vec<T>) -> Vec<T> {
    let len = parts.iter_mut().map(|part| column(part).len()).sum();
    let mut all = Vec::with_capacity(len);
    for part in parts {
        all.append(column(part));
        *column(part) = Vec::new();
    }
    all
}

impl<'o> Facts<'o> {
    /// Reads what there is to know of the events that have a number, whose order is known.
    ///
    /// # Errors
    /// A part cannot be read.
    pub(super) fn read(
        store: &Store,
        places: &Places,
        order: &'o Order,
    ) -> Result<Self, StoreError> {
        let clocks = Clocks::read(store, places)?;
        let of_each = places.files(store, "events");
        let parts = side_by_side(&of_each, |(part, path)| {
            let read = Part::read(path, &clocks, order, part.events.clone())?;
            part.check(path, read.formats.len())?;
            Ok::<_, StoreError>(read)
        })?;
        Ok(Self::of(parts, order))
    }

    fn of(mut parts: Vec<Part>, order: &'o Order) -> Self {
        // In their order, so that no number depends on the order of ingest.
        let mut names: Vec<&str> = parts.iter().flat_map(|part| part.names.iter()).collect();
        names.extend(order.sources.values().map(String::as_str));
        names.sort_unstable();
        names.dedup();
        let known = |name: &str| {
            let at = names.binary_search(&name).ok()?;
            u32::try_from(at + 1).ok()
        };
        let numbers: Vec<Vec<u32>> = parts
            .iter()
            .map(|part| {
                let of_part = part.names.iter();
                let of_part = of_part.map(|name| known(name).unwrap_or(u32::MAX));
                std::iter::once(0).chain(of_part).collect()
            })
            .collect();
        let sources = order.sources.iter();
        let source_of: HashMap<u32, u32> = sources
            .filter_map(|(format, source)| Some((known(format)?, known(source)?)))
            .collect();
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let mut object_names: Vec<String> = Vec::new();
        for part in &mut parts {
            // What two parts name stands there twice: nothing asks whether two numbers are one.
            let before = u32::try_from(object_names.len()).unwrap_or(u32::MAX);
            let of_part = std::mem::take(&mut part.object_names);
            object_names.extend(of_part.iter().map(str::to_owned));
            let numbers = part.objects.iter_mut().filter(|number| **number > 0);
            numbers.for_each(|number| *number = number.saturating_add(before));
        }
        for (part, numbers) in parts.iter_mut().zip(&numbers) {
            for column in [
                &mut part.formats,
                &mut part.tools,
                &mut part.routes,
                &mut part.actors,
            ] {
                let all = column.iter_mut();
                all.for_each(|number| *number = numbers[*number as usize]);
            }
        }
        let of = &mut parts;
        Self {
            order,
            ids: joined(of, |part| &mut part.ids),
            ends: joined(of, |part| &mut part.ends),
            formats: joined(of, |part| &mut part.formats),
            tools: joined(of, |part| &mut part.tools),
            routes: joined(of, |part| &mut part.routes),
            actors: joined(of, |part| &mut part.actors),
            objects: joined(of, |part| &mut part.objects),
            changes: joined(of, |part| &mut part.changes),
            requests: joined(of, |part| &mut part.requests),
            object_names,
            source_of,
            names,
        }
    }

    /// Name of a format, tool, route or actor.
    pub fn name(&self, number: u32) -> &str {
        let at = (number as usize).checked_sub(1);
        at.and_then(|at| self.names.get(at))
            .map_or("", String::as_str)
    }

    /// Kind of an event.
    pub fn kind(&self, event: u32) -> Kind {
        self.order.kind(event)
    }

    /// Id of an event.
    pub fn id(&self, event: u32) -> Digest {
        self.ids[event as usize]
    }

    /// When an event began.
    pub fn time(&self, event: u32) -> Option<i64> {
        self.order.time(event)
    }

    /// When it ended.
    pub fn end(&self, event: u32) -> Option<i64> {
        Some(self.ends[event as usize]).filter(|time| *time != i64::MAX)
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
}
