//! What new batches touch of what was made before.
//!
//! A new record touches the fragments that an id ties it to: their ids are joined anew. What has changed touches the cells of
//! time that see it: they are weighed anew. What such a cell sees is looked at, and what belongs to it: the tasks of all that, whole. All else
//! is taken as it was. Where that cannot be told, or is most of the store, everything is made anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt, HashSet};

use super::STRONG;
use super::closure::borrow_times;
use super::facts::Order;
use super::hubs::Apart;
use super::index::{Among, Before, Numbered, Places};
use super::keys::Read;
use super::weigh::{Bounds, Kept, cells};
use crate::model::KeyKind;
use crate::store::{Store, StoreError, each_with, side_by_side};

/// What there is to do. By event of the whole store: `fresh`, `times`; by part of it: `parts`.
pub(super) struct Touched {
    /// The parts that are looked at.
    pub parts: Vec<bool>,
    /// Events whose ids are joined: new ones, and those of fragments that these are tied to.
    pub fresh: Vec<bool>,
    /// Times of all events; `i64::MAX` for none.
    pub times: Arc<Vec<i64>>,
    /// All cells of time.
    pub cells: Vec<Bounds>,
    /// For each cell that nothing has touched, its number among those before.
    pub known: Vec<Option<usize>>,
}

impl Touched {
    /// All of a store.
    pub(super) fn all(places: &Places, times: Arc<Vec<i64>>, most: usize) -> Self {
        let cells = cells(times.iter().copied().filter(is_time), most);
        Self {
            parts: vec![true; places.parts().len()],
            fresh: Vec::new(),
            times,
            known: vec![None; cells.len()],
            cells,
        }
    }
}

fn is_time(time: &i64) -> bool {
    *time != i64::MAX
}

/// What there was before, and what there is now.
pub(super) struct Known<'k> {
    pub store: &'k Store,
    pub places: &'k Places,
    pub before: &'k Before,
    pub apart: &'k Apart,
    pub kept: &'k Kept,
    /// Events of one cell, at most.
    pub cell: usize,
    /// Keys that are held at once, about.
    pub held: usize,
}

/// Times as they are, and when something has changed, in order.
struct Times {
    all: Vec<i64>,
    changed: Vec<i64>,
}

impl Known<'_> {
    /// Finds what batches touch that came after those from before, whose events were at those times; `None` if all is to be made anew.
    pub(super) fn touched(&self, times: Vec<i64>) -> Result<Option<Touched>, StoreError> {
        let cells_of = |times: &[i64]| cells(times.iter().copied().filter(is_time), self.cell);
        let old_cells = cells_of(&times);
        // What was told of them may have been taken away.
        if old_cells.len() != self.kept.len() {
            return Ok(None);
        }
        let tied = self.tied()?;
        let Some(fresh) = tied.and_then(|tied| self.fresh(&tied)) else {
            return Ok(None);
        };
        let Some(times) = self.times(times, &fresh)? else {
            return Ok(None);
        };
        let cells = cells_of(&times.all);
        let mut numbers: HashMap<Bounds, usize> = HashMap::with_capacity(old_cells.len());
        numbers.extend(
            old_cells
                .into_iter()
                .enumerate()
                .map(|(at, bounds)| (bounds, at)),
        );
        let is_touched = |(from, to): (i64, i64)| {
            let next = times.changed.partition_point(|time| *time < from);
            times.changed.get(next).is_some_and(|time| *time <= to)
        };
        let known: Vec<Option<usize>> = cells
            .iter()
            .map(|bounds| {
                let number = numbers.get(bounds).copied();
                number.filter(|_| !is_touched(bounds.seen))
            })
            .collect();
        let windows = cells
            .iter()
            .zip(&known)
            .filter(|(_, known)| known.is_none());
        let windows = united(windows.map(|(bounds, _)| bounds.seen).collect());
        let Some(parts) = self.seen(&times.all, &fresh, &windows) else {
            return Ok(None);
        };
        // Where all is read, nothing has to be put together.
        Ok(parts.contains(&false).then_some(Touched {
            parts,
            fresh,
            times: Arc::new(times.all),
            cells,
            known,
        }))
    }

    /// The parts with events for which something holds.
    fn parts_with(&self, holds: &[bool]) -> Vec<bool> {
        let parts = self.places.parts().iter();
        parts.map(|part| part.has_any(holds)).collect()
    }

    /// The new events, and those of some fragments. `None` if what was told of them before is not as it was written.
    fn fresh(&self, tied: &HashSet<u32>) -> Option<Vec<bool>> {
        let index = &self.before.index;
        let mut fresh = vec![false; self.places.len()];
        fresh[self.before.events()..].fill(true);
        // What ids join is in one task.
        for fragment in tied {
            for event in index.members(self.task_of(*fragment)?) {
                self.before.segment_of(self.store, event)?;
                if index.fragment(event) == Some(*fragment) {
                    *fresh.get_mut(event as usize)? = true;
                }
            }
        }
        Some(fresh)
    }

    /// The task that an event was in.
    fn task_of(&self, event: u32) -> Option<usize> {
        let (before, store) = (self.before, self.store);
        before.segment_of(store, event)?;
        let task = before.index.task_of(event)?;
        before.segment_of(store, before.index.first(task))?;
        Some(task)
    }

    /// The parts with what cells see, and with the rest of the tasks of that. `None` if what was told of it before is not as it was
    /// written.
    fn seen(&self, times: &[i64], fresh: &[bool], windows: &[(i64, i64)]) -> Option<Vec<bool>> {
        let index = &self.before.index;
        let mut tasks = vec![false; index.len()];
        // Times of what is not fresh are as they were.
        for (event, time) in (0u32..).zip(&times[..self.before.events()]) {
            if fresh[event as usize] || lies_in(windows, *time) {
                tasks[self.task_of(event)?] = true;
            }
        }
        let mut parts = self.parts_with(fresh);
        for task in (0..tasks.len()).filter(|task| tasks[*task]) {
            for event in index.members(task) {
                *parts.get_mut(self.places.part_of(event))? = true;
            }
        }
        Some(parts)
    }

    /// The times of all events: those of what is new, and of what takes its time from that, are read. `None` if it cannot be
    /// told what else they change.
    fn times(&self, before: Vec<i64>, fresh: &[bool]) -> Result<Option<Times>, StoreError> {
        let some = self.places.some(&self.parts_with(fresh));
        let among = Among::new(&some, self.places);
        let mut order = Order::read(self.store, &some)?;
        if !is_of_known_sources(&order.sources, &self.before.overall.made.sources) {
            return Ok(None);
        }
        let fresh = among.of_all(fresh, false);
        let read = Read {
            store: self.store,
            places: &some,
            wanted: Some(&fresh),
        };
        if !borrow_times(&read, self.held, &mut order, self.apart)? {
            return Ok(None);
        }
        let old = self.before.events();
        let mut times = Times {
            all: before,
            changed: Vec::new(),
        };
        times.all.resize(self.places.len(), i64::MAX);
        for (there, here) in among.ranges() {
            for (of_all, event) in there.zip(here) {
                if fresh[event as usize] {
                    let time = &mut times.all[of_all as usize];
                    if (of_all as usize) < old {
                        times.changed.push(*time);
                    }
                    *time = order.time_or_last(event);
                    times.changed.push(*time);
                }
            }
        }
        times.changed.sort_unstable();
        times.changed.dedup();
        Ok(Some(times))
    }

    /// The fragments that ids of new events are tied to, by their numbers; `None` if more has changed than that.
    fn tied(&self) -> Result<Option<HashSet<u32>>, StoreError> {
        let (places, before) = (self.places, self.before);
        let first = u32::try_from(before.events()).unwrap_or(u32::MAX);
        let is_new = |part: &Numbered| part.events.start >= first;
        let new_parts: Vec<bool> = places.parts().iter().map(is_new).collect();
        let new = places.some(&new_parts);
        let mut files = places.files(self.store, "keys");
        files.retain(|(part, _)| !is_new(part));
        let mut tied: HashSet<u32> = HashSet::default();
        let read = Read::of_all(self.store, &new);
        for kind in STRONG {
            let mut is_known = true;
            read.in_stretches(kind, self.held, |keys| {
                let mut values: Vec<&str> = Vec::new();
                for (value, _) in keys.groups() {
                    if self.apart.is_hub(kind, value) {
                        // A new answer may tell that conversations begin alike with that, and a new document give times.
                        is_known &= !matches!(kind, KeyKind::Prefix | KeyKind::Transaction);
                    } else if !self.apart.is_beginning(kind, value) {
                        values.push(value);
                    }
                }
                let found = side_by_side(&files, |(part, path)| {
                    let mut events: Vec<u32> = Vec::new();
                    each_with(path, kind, &values, &mut |row| {
                        events.extend(places.number(part.batch, row));
                    })?;
                    Ok::<_, StoreError>(events)
                })?;
                for event in found.into_iter().flatten() {
                    let is_sound = before.segment_of(self.store, event).is_some();
                    let fragment = before.index.fragment(event).filter(|_| is_sound);
                    is_known &= fragment.is_some();
                    tied.extend(fragment);
                }
                Ok(())
            })?;
            if !is_known {
                return Ok(None);
            }
        }
        Ok(Some(tied))
    }
}

/// Whether no format is of a source that would have stood for it before. What stands for a format is part of each cell.
fn is_of_known_sources(
    sources: &BTreeMap<String, String>,
    known: &BTreeMap<String, String>,
) -> bool {
    sources.iter().all(|(format, source)| {
        let known = known.get(format);
        known.is_none_or(|known| source >= known)
    })
}

/// Spans of time without those that overlap.
fn united(mut spans: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    spans.sort_unstable();
    let mut united: Vec<(i64, i64)> = Vec::new();
    for (from, to) in spans {
        match united.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => united.push((from, to)),
        }
    }
    united
}

/// Whether one of the spans has that time.
fn lies_in(spans: &[(i64, i64)], time: i64) -> bool {
    let at = spans.partition_point(|span| span.1 < time);
    spans.get(at).is_some_and(|span| span.0 <= time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_overlap_are_one() {
        let spans = united(vec![(7, 9), (0, 3), (2, 5), (20, i64::MAX), (9, 10)]);
        assert_eq!(spans, [(0, 5), (7, 10), (20, i64::MAX)]);
        let within: Vec<i64> = (-1..=12).filter(|time| lies_in(&spans, *time)).collect();
        assert_eq!(within, [0, 1, 2, 3, 4, 5, 7, 8, 9, 10]);
        assert!(lies_in(&spans, i64::MAX) && !lies_in(&[], 0));
    }
}
