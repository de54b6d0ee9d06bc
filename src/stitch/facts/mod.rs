//! What stitching needs to know of each event, as columns.

mod part;

use std::collections::BTreeMap;

use foldhash::{HashMap, HashMapExt};

use self::part::{Beside, Part};
use super::index::Places;
use super::keys::Keys;
use crate::model::{Digest, KeyKind, Kind};
use crate::store::{CustodyFile, Store, StoreError, side_by_side};

/// What stitching needs to know of each event.
pub(super) struct Facts {
    pub ids: Vec<Digest>,
    pub times: Vec<Option<i64>>,
    pub ends: Vec<Option<i64>>,
    /// Digest of the dump, ordinal and part: the order of equal times, behind the causal rank of the kind.
    dumps: Vec<u32>,
    ordinals: Vec<i64>,
    parts: Vec<i32>,
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

/// A dump, or what was in one, by its digest.
fn dump_name(file: &CustodyFile) -> String {
    let member = file.member.as_deref().unwrap_or_default();
    format!("{}!{member}", file.sha256)
}

/// One column of all parts, which are without it then.
fn joined<T>(parts: &mut [Part], column: impl Fn(&mut Part) -> &mut Vec<T>) -> Vec<T> {
    let len = parts.iter_mut().map(|part| column(part).len()).sum();
    let mut all = Vec::with_capacity(len);
    for part in parts {
        all.append(column(part));
        *column(part) = Vec::new();
    }
    all
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
        let clocks = Keys::read(store, places, KeyKind::Clock, None)?;
        let mut clock_of = vec![0u32; if clocks.is_empty() { 0 } else { places.len() }];
        let mut clock_names: Vec<String> = Vec::new();
        for (clock, group) in clocks.groups() {
            clock_names.push(clock.to_owned());
            let number = u32::try_from(clock_names.len()).unwrap_or(u32::MAX);
            group
                .iter()
                .for_each(|row| clock_of[row.1 as usize] = number);
        }
        let of_each = places.files(store, "events");
        let parts = side_by_side(&of_each, |(part, path)| {
            let first = part.events.start as usize;
            let beside = Beside {
                dumps: &dumps[part.batch],
                clocks: clock_of.get(first..).unwrap_or_default(),
                clock_names: &clock_names,
            };
            let read = Part::read(path, &beside)?;
            part.check(path, read.ids.len())?;
            Ok::<_, StoreError>(read)
        })?;
        Ok(Self::of(parts))
    }

    fn of(mut parts: Vec<Part>) -> Self {
        // In their order, so that no number depends on the order of ingest.
        let mut names: Vec<&str> = parts.iter().flat_map(|part| part.names.iter()).collect();
        names.sort_unstable();
        names.dedup();
        let number = |name: &str| {
            let at = names.binary_search(&name).unwrap_or(usize::MAX);
            u32::try_from(at.saturating_add(1)).unwrap_or(u32::MAX)
        };
        let numbers: Vec<Vec<u32>> = parts
            .iter()
            .map(|part| {
                let of_part = part.names.iter().map(number);
                std::iter::once(0).chain(of_part).collect()
            })
            .collect();
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let mut source_of: HashMap<u32, u32> = HashMap::new();
        for (part, numbers) in parts.iter().zip(&numbers) {
            for (format, source) in &part.sources {
                // Where a format is of several sources, the first of them stands for it.
                let source = numbers[*source as usize];
                let known = source_of.entry(numbers[*format as usize]).or_insert(source);
                *known = source.min(*known);
            }
        }
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
        let kind_of = joined(&mut parts, |part| &mut part.kinds);
        let of = &mut parts;
        Self {
            ids: joined(of, |part| &mut part.ids),
            times: joined(of, |part| &mut part.times),
            ends: joined(of, |part| &mut part.ends),
            dumps: joined(of, |part| &mut part.dumps),
            ordinals: joined(of, |part| &mut part.ordinals),
            parts: joined(of, |part| &mut part.parts),
            kind_of,
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

    /// The source that stands for each format.
    pub fn sources(&self) -> BTreeMap<String, String> {
        let names = self.source_of.iter();
        let names = names.map(|(format, source)| (self.name(*format), self.name(*source)));
        names
            .map(|(format, source)| (format.to_owned(), source.to_owned()))
            .collect()
    }

    /// Takes over which source stands for a format, where that is known of more events than these.
    pub fn take_sources(&mut self, known: &BTreeMap<String, String>) {
        let mut of_format = std::mem::take(&mut self.source_of);
        for (format, source) in &mut of_format {
            let known = known.get(self.name(*format));
            if let Some(known) = known.filter(|known| *known != self.name(*source)) {
                let at = self.names.iter().position(|name| name == known);
                let at = at.unwrap_or_else(|| {
                    self.names.push(known.clone());
                    self.names.len() - 1
                });
                *source = u32::try_from(at + 1).unwrap_or(u32::MAX);
            }
        }
        self.source_of = of_format;
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
            self.kind_of[at].causal_rank(),
            self.dumps[at],
            self.ordinals[at],
            self.parts[at],
            self.ids[at],
        )
    }
}
