//! Numbers of events.

use crate::store::{EventRef, PART_BITS, Store};

/// Numbers all events of a store: batches in the order of their ids, parts in theirs.
#[derive(Debug)]
pub(in crate::stitch) struct Places {
    /// Number of the first event of each part, by batch, and the number behind the last one.
    bases: Vec<Vec<u32>>,
    /// First number, batch and part, for the way back.
    flat: Vec<(u32, usize, i64)>,
    len: usize,
}

impl Places {
    pub(in crate::stitch) fn new(store: &Store) -> Self {
        let (mut bases, mut flat, mut at) = (Vec::new(), Vec::new(), 0u32);
        for (batch, custody) in store.batches().iter().enumerate() {
            let mut of_batch = Vec::new();
            let tables = custody
                .tables
                .iter()
                .filter(|table| table.path.starts_with("events/"));
            for (part, table) in (0i64..).zip(tables) {
                of_batch.push(at);
                flat.push((at, batch, part));
                at = at.saturating_add(u32::try_from(table.rows).unwrap_or(u32::MAX));
            }
            bases.push(of_batch);
        }
        Self {
            bases,
            flat,
            len: at as usize,
        }
    }

    pub(in crate::stitch) fn len(&self) -> usize {
        self.len
    }

    pub(in crate::stitch) fn number(&self, batch: usize, row: i64) -> Option<u32> {
        let base = self
            .bases
            .get(batch)?
            .get(usize::try_from(row >> PART_BITS).ok()?)?;
        Some(base + u32::try_from(row & ((1 << PART_BITS) - 1)).ok()?)
    }

    /// The batch that an event is in.
    pub(in crate::stitch) fn batch(&self, event: u32) -> usize {
        self.place(event).batch
    }

    pub(in crate::stitch) fn place(&self, event: u32) -> EventRef {
        let at = self
            .flat
            .partition_point(|(first, ..)| *first <= event)
            .saturating_sub(1);
        let (first, batch, part) = self.flat.get(at).copied().unwrap_or_default();
        EventRef {
            batch,
            row: (part << PART_BITS) + i64::from(event - first),
        }
    }
}
