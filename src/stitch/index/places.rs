//! Numbers of events.

use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::store::{Custody, EventRef, PART_BITS, Store, StoreError};

/// Numbers the events of a store, or those of some of its parts: batches in the order in which they came, parts in theirs. So
/// a new batch leaves the numbers of those before it as they are.
#[derive(Debug)]
pub(in crate::stitch) struct Places {
    /// Number of the first event of each part, by batch; [`NOT_HERE`] for a part that is not numbered.
    bases: Vec<Vec<u32>>,
    /// The parts, in the order of their numbers.
    parts: Vec<Numbered>,
    len: usize,
}

/// A part whose events have numbers.
#[derive(Clone, Debug)]
pub(in crate::stitch) struct Numbered {
    /// Number of its batch in the store.
    pub batch: usize,
    /// Its number in the batch.
    pub part: usize,
    /// Numbers of its events.
    pub events: Range<u32>,
}

impl Numbered {
    /// Whether the place of one of its events is true.
    pub(in crate::stitch) fn has_any(&self, wanted: &[bool]) -> bool {
        wanted[self.events.start as usize..self.events.end as usize].contains(&true)
    }

    /// Checks that as many events were read of its file as the manifest of the batch says.
    ///
    /// # Errors
    /// There are more, or fewer.
    pub(in crate::stitch) fn check(&self, path: &Path, read: usize) -> Result<(), StoreError> {
        if read == self.events.len() {
            return Ok(());
        }
        Err(StoreError::Damaged {
            path: path.to_owned(),
            reason: format!(
                "{read} events, not {} as its manifest says",
                self.events.len()
            ),
        })
    }
}

const NOT_HERE: u32 = u32::MAX;

/// Numbers of the batches of a store, in the order in which they came.
pub(in crate::stitch) fn as_they_came(store: &Store) -> Vec<usize> {
    let batches = store.batches();
    let mut order: Vec<usize> = (0..batches.len()).collect();
    let came = |batch: &Custody| (batch.ingested_at.clone(), batch.batch.clone());
    order.sort_by_cached_key(|at| came(&batches[*at]));
    order
}

impl Places {
    /// All events.
    pub(in crate::stitch) fn new(store: &Store) -> Self {
        let (mut bases, mut parts, mut at) = (Vec::new(), Vec::new(), 0u32);
        bases.resize(store.batches().len(), Vec::new());
        for batch in as_they_came(store) {
            let tables = store.batches()[batch].tables.iter();
            let tables = tables.filter(|table| table.path.starts_with("events/"));
            for (part, table) in tables.enumerate() {
                let end = at.saturating_add(u32::try_from(table.rows).unwrap_or(u32::MAX));
                bases[batch].push(at);
                parts.push(Numbered {
                    batch,
                    part,
                    events: at..end,
                });
                at = end;
            }
        }
        let len = at as usize;
        Self { bases, parts, len }
    }

    /// Events of parts that follow each other, as many parts as have not more than `most` events: what is told of them is written
    /// together. A further batch adds to the last ones, and leaves those before as they are.
    pub(in crate::stitch) fn segments(&self, most: usize) -> Vec<Range<u32>> {
        let mut segments: Vec<Range<u32>> = Vec::new();
        for part in &self.parts {
            match segments.last_mut() {
                Some(last) if (part.events.end - last.start) as usize <= most => {
                    last.end = part.events.end;
                }
                _ => segments.push(part.events.clone()),
            }
        }
        segments
    }

    /// The same of some parts alone: those whose place in [`Places::parts`] is true.
    pub(in crate::stitch) fn some(&self, wanted: &[bool]) -> Self {
        let mut some = Self {
            bases: self.bases.clone(),
            parts: Vec::new(),
            len: 0,
        };
        let mut at = 0;
        for (part, wanted) in self.parts.iter().zip(wanted) {
            let base = &mut some.bases[part.batch][part.part];
            if !wanted {
                *base = NOT_HERE;
                continue;
            }
            *base = at;
            let end = at + (part.events.end - part.events.start);
            some.parts.push(Numbered {
                events: at..end,
                ..*part
            });
            at = end;
        }
        some.len = at as usize;
        some
    }

    pub(in crate::stitch) fn len(&self) -> usize {
        self.len
    }

    /// The parts, in the order of their numbers.
    pub(in crate::stitch) fn parts(&self) -> &[Numbered] {
        &self.parts
    }

    /// The parts, each with its file of a table.
    pub(in crate::stitch) fn files(&self, store: &Store, table: &str) -> Vec<(Numbered, PathBuf)> {
        let mut of_batch: (usize, Vec<PathBuf>) = (usize::MAX, Vec::new());
        let mut files = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            if of_batch.0 != part.batch {
                let custody = &store.batches()[part.batch];
                of_batch = (part.batch, store.parts(table, custody));
            }
            let path = of_batch.1.get(part.part);
            files.extend(path.map(|path| (part.clone(), path.clone())));
        }
        files
    }

    /// The same, of parts with an event whose place is true alone; of all, where nothing is said of places.
    pub(in crate::stitch) fn files_with(
        &self,
        store: &Store,
        table: &str,
        wanted: Option<&[bool]>,
    ) -> Vec<(Numbered, PathBuf)> {
        let mut files = self.files(store, table);
        if let Some(wanted) = wanted {
            files.retain(|(part, _)| part.has_any(wanted));
        }
        files
    }

    pub(in crate::stitch) fn number(&self, batch: usize, row: i64) -> Option<u32> {
        let part = usize::try_from(row >> PART_BITS).ok()?;
        let base = *self.bases.get(batch)?.get(part)?;
        let place = u32::try_from(row & ((1 << PART_BITS) - 1)).ok()?;
        (base != NOT_HERE).then(|| base + place)
    }

    /// The batch that an event is in.
    pub(in crate::stitch) fn batch(&self, event: u32) -> usize {
        self.place(event).batch
    }

    /// The place of an event's part among the parts.
    pub(in crate::stitch) fn part_of(&self, event: u32) -> usize {
        let next = self
            .parts
            .partition_point(|part| part.events.start <= event);
        next.saturating_sub(1)
    }

    pub(in crate::stitch) fn place(&self, event: u32) -> EventRef {
        let Some(part) = self.parts.get(self.part_of(event)) else {
            return EventRef { batch: 0, row: 0 };
        };
        let first = i64::try_from(part.part).unwrap_or(0) << PART_BITS;
        EventRef {
            batch: part.batch,
            row: first + i64::from(event - part.events.start),
        }
    }
}

/// Numbers of the events of some parts (here), and of all: both ways.
pub(in crate::stitch) struct Among {
    /// The numbers of each part among all, and the first one of it here.
    parts: Vec<(Range<u32>, u32)>,
    /// All parts are here.
    is_all: bool,
}

impl Among {
    pub(in crate::stitch) fn new(some: &Places, all: &Places) -> Self {
        let parts = some.parts.iter().map(|part| {
            let there = all.bases[part.batch][part.part];
            let len = part.events.end - part.events.start;
            (there..there + len, part.events.start)
        });
        Self {
            parts: parts.collect(),
            is_all: some.len == all.len,
        }
    }

    /// Whether all parts are here.
    pub(in crate::stitch) fn is_all(&self) -> bool {
        self.is_all
    }

    /// The number among all.
    pub(in crate::stitch) fn all(&self, here: u32) -> u32 {
        if self.is_all {
            return here;
        }
        let at = self.parts.partition_point(|part| part.1 <= here);
        let (there, first) = &self.parts[at.saturating_sub(1)];
        there.start + (here - first)
    }

    /// The number here, if it is of one of the parts.
    pub(in crate::stitch) fn here(&self, of_all: u32) -> Option<u32> {
        if self.is_all {
            return Some(of_all);
        }
        let at = self.parts.partition_point(|part| part.0.start <= of_all);
        let (there, first) = self.parts.get(at.checked_sub(1)?)?;
        there
            .contains(&of_all)
            .then(|| first + (of_all - there.start))
    }

    /// The number here of the first event whose number among all is not less.
    pub(in crate::stitch) fn first_from(&self, of_all: u32) -> u32 {
        let mut first = 0;
        for (there, here) in self.ranges() {
            if of_all <= there.start {
                return here.start;
            }
            first = here.start + (of_all.min(there.end) - there.start);
        }
        first
    }

    /// What is known of all events, of those here.
    pub(in crate::stitch) fn of_all<T: Copy>(&self, all: &[T], other: T) -> Vec<T> {
        let parts = self.ranges().flat_map(|(there, _)| there);
        let known = |event: u32| all.get(event as usize).copied().unwrap_or(other);
        parts.map(known).collect()
    }

    /// The parts: numbers among all, and here.
    pub(in crate::stitch) fn ranges(&self) -> impl Iterator<Item = (Range<u32>, Range<u32>)> {
        let parts = self.parts.iter();
        parts.map(|(there, first)| (there.clone(), *first..first + (there.end - there.start)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_parts(sizes: &[u32]) -> Places {
        let mut at = 0;
        let parts = sizes.iter().enumerate().map(|(part, size)| {
            let events = at..at + size;
            at += size;
            Numbered {
                batch: 0,
                part,
                events,
            }
        });
        let parts: Vec<Numbered> = parts.collect();
        Places {
            bases: vec![parts.iter().map(|part| part.events.start).collect()],
            parts,
            len: at as usize,
        }
    }

    #[test]
    fn a_further_part_leaves_all_segments_but_the_last_as_they_are() {
        let sizes = [40, 30, 40, 0, 200, 0, 5, 90, 6, 1];
        let mut before: Vec<Range<u32>> = Vec::new();
        for count in 0..=sizes.len() {
            let places = of_parts(&sizes[..count]);
            let segments = places.segments(100);
            let covered: usize = segments.iter().map(ExactSizeIterator::len).sum();
            assert_eq!(covered, places.len());
            let same = before.len().saturating_sub(1);
            assert_eq!(segments[..same], before[..same]);
            before = segments;
        }
        assert_eq!(before, [0..70, 70..110, 110..310, 310..405, 405..412]);
        assert_eq!(of_parts(&[]).segments(100), []);
    }
}
