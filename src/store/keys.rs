//! The look-up index: keys of events, sorted.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;

use super::tables::keys_schema;
use super::{StoreError, filter};
use crate::model::{Event, KeyKind, normalise_key};

/// Keys of the events of one part, in memory.
///
/// The events of one record share most of their keys, so a key is kept once (an entry) as long as
/// it is used by events that follow each other.
#[derive(Default)]
pub struct KeyRows {
    entries: Vec<Entry>,
    /// Normalised value and original spelling (empty if equal) of all entries, one after the other.
    text: String,
    /// Entries of all events, event after event.
    rows: Vec<u32>,
    /// End of an event's entries in `rows`.
    row_ends: Vec<u32>,
}

/// A key, as one thing: sorting looks at keys from all over the part.
#[derive(Clone, Copy)]
struct Entry {
    /// Where in the text its value begins.
    start: usize,
    value: u32,
    original: u32,
    kind: KeyKind,
}

/// How many entries back an equal one is looked for.
const REUSE: usize = 16;
/// Bytes of a value beside its kind in the first thing compared.
const HEAD: usize = 15;

fn index(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

impl KeyRows {
    /// Adds the keys of the next event, normalised and each once.
    pub fn push(&mut self, event: &Event<'_>) {
        let first = self.rows.len();
        for (kind, original) in &event.keys {
            let original = original.trim();
            let recent = self.entries.len().saturating_sub(REUSE)..self.entries.len();
            let known = recent
                .rev()
                .find(|entry| self.kind(*entry) == *kind && self.spelling(*entry) == original);
            let Some(entry) = known.or_else(|| self.enter(*kind, original)) else {
                continue;
            };
            let doubled = self.rows[first..].iter().any(|row| {
                let row = *row as usize;
                row == entry || self.kind(row) == *kind && self.value(row) == self.value(entry)
            });
            if !doubled {
                self.rows.push(index(entry));
            }
        }
        self.row_ends.push(index(self.rows.len()));
    }

    fn enter(&mut self, kind: KeyKind, original: &str) -> Option<usize> {
        let value = normalise_key(kind, original)?;
        let original = if value == original { "" } else { original };
        self.entries.push(Entry {
            start: self.text.len(),
            value: index(value.len()),
            original: index(original.len()),
            kind,
        });
        self.text.push_str(&value);
        self.text.push_str(original);
        Some(self.entries.len() - 1)
    }

    /// Number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes held, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.len()
            + self.entries.len() * size_of::<Entry>()
            + self.rows.len() * 4
            + self.row_ends.len() * 4
    }

    fn kind(&self, entry: usize) -> KeyKind {
        self.entries[entry].kind
    }

    fn value(&self, entry: usize) -> &str {
        let Entry { start, value, .. } = self.entries[entry];
        &self.text[start..start + value as usize]
    }

    fn original(&self, entry: usize) -> Option<&str> {
        let entry = self.entries[entry];
        let start = entry.start + entry.value as usize;
        (entry.original > 0).then(|| &self.text[start..start + entry.original as usize])
    }

    fn spelling(&self, entry: usize) -> &str {
        self.original(entry).unwrap_or_else(|| self.value(entry))
    }

    /// The keys of events that follow each other.
    #[must_use]
    pub fn joined(parts: Vec<Self>) -> Self {
        let sum = |of: fn(&Self) -> usize| parts.iter().map(of).sum();
        let mut joined = Self {
            entries: Vec::with_capacity(sum(|part| part.entries.len())),
            text: String::with_capacity(sum(|part| part.text.len())),
            rows: Vec::with_capacity(sum(|part| part.rows.len())),
            row_ends: Vec::with_capacity(sum(|part| part.row_ends.len())),
        };
        for part in parts {
            joined.append(&part);
        }
        joined
    }

    fn append(&mut self, other: &Self) {
        let (base, entries, rows) = (self.text.len(), self.entries.len(), self.rows.len());
        self.text.push_str(&other.text);
        let moved = other.entries.iter().map(|entry| Entry {
            start: entry.start + base,
            ..*entry
        });
        self.entries.extend(moved);
        self.rows
            .extend(other.rows.iter().map(|entry| entry + index(entries)));
        self.row_ends
            .extend(other.row_ends.iter().map(|end| end + index(rows)));
    }

    /// Place of each entry's kind and value among the distinct ones, and how many of these there are.
    fn ranks(&self) -> (Vec<u32>, usize) {
        let mut by_name: Vec<KeyKind> = KeyKind::ALL.to_vec();
        by_name.sort_unstable_by_key(|kind| kind.as_str());
        let mut kind_rank = [0u8; KeyKind::ALL.len()];
        for (rank, kind) in (0u8..).zip(by_name) {
            kind_rank[kind as usize] = rank;
        }
        // Most comparisons end within the head: it stands beside the entry.
        let mut order: Vec<(u128, u32)> = (0..self.entries.len())
            .map(|entry| {
                let mut head = [0u8; HEAD + 1];
                head[0] = kind_rank[self.kind(entry) as usize];
                let value = self.value(entry).as_bytes();
                let n = value.len().min(HEAD);
                head[1..=n].copy_from_slice(&value[..n]);
                (u128::from_be_bytes(head), index(entry))
            })
            .collect();
        let values = |a: u32, b: u32| self.value(a as usize).cmp(self.value(b as usize));
        order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| values(a.1, b.1)));
        let mut ranks = vec![0; order.len()];
        let mut rank = 0;
        for at in 0..order.len() {
            let entry = order[at];
            if let Some(before) = at.checked_sub(1).map(|before| order[before])
                && (before.0 != entry.0 || values(before.1, entry.1) != Ordering::Equal)
            {
                rank += 1;
            }
            ranks[entry.1 as usize] = rank;
        }
        let distinct = if order.is_empty() {
            0
        } else {
            rank as usize + 1
        };
        (ranks, distinct)
    }

    /// The sorted table, and the filter of its keys. `order` names the events in the order of their
    /// rows, which begin at `base`; `time` is the time of each event.
    ///
    /// # Errors
    /// Columns of different length (never).
    pub fn table(
        &self,
        order: &[u32],
        base: i64,
        time: &[Option<i64>],
    ) -> Result<(RecordBatch, Vec<u8>), StoreError> {
        let (ranks, distinct) = self.ranks();
        // Counting sort by rank; the events come in the order of their rows, which it keeps.
        let mut next = vec![0u32; distinct + 1];
        for entry in &self.rows {
            next[ranks[*entry as usize] as usize + 1] += 1;
        }
        for rank in 0..distinct {
            next[rank + 1] += next[rank];
        }
        let mut sorted = vec![(0u32, 0u32); self.rows.len()];
        for (place, event) in (0u32..).zip(order) {
            let event = *event as usize;
            let start = event
                .checked_sub(1)
                .map_or(0, |before| self.row_ends[before]);
            for entry in &self.rows[start as usize..self.row_ends[event] as usize] {
                let slot = &mut next[ranks[*entry as usize] as usize];
                sorted[*slot as usize] = (*entry, place);
                *slot += 1;
            }
        }
        // Each rank has moved on to where its rows end.
        let groups = || groups(&sorted, &next[..distinct]);
        let (mut kind_bytes, mut value_bytes) = (0, 0);
        let firsts = groups().map(|group| {
            let first = group[0].0 as usize;
            kind_bytes += self.kind(first).as_str().len() * group.len();
            value_bytes += self.value(first).len() * group.len();
            first
        });
        let filter = filter::build(firsts.map(|entry| (self.kind(entry), self.value(entry))));
        // Rows of one key follow each other: it is looked up once for all of them.
        let mut kinds = Repeated::with_capacity(sorted.len(), kind_bytes);
        let mut values = Repeated::with_capacity(sorted.len(), value_bytes);
        let mut originals = StringBuilder::new();
        for group in groups() {
            let key = group[0].0 as usize;
            kinds.push(self.kind(key).as_str(), group.len());
            values.push(self.value(key), group.len());
            for of_entry in group.chunk_by(|a, b| a.0 == b.0) {
                match self.original(of_entry[0].0 as usize) {
                    None => originals.append_nulls(of_entry.len()),
                    Some(original) => of_entry
                        .iter()
                        .for_each(|_| originals.append_value(original)),
                }
            }
        }
        let rows = sorted.iter().map(|(_, place)| base + i64::from(*place));
        let times = order.iter().map(|event| time[*event as usize]);
        let times: Vec<Option<i64>> = times.collect();
        let times = sorted.iter().map(|(_, place)| times[*place as usize]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(kinds.finish()?),
            Arc::new(values.finish()?),
            Arc::new(originals.finish()),
            Arc::new(Int64Array::from_iter_values(rows)),
            Arc::new(TimestampMicrosecondArray::from_iter(times).with_timezone("UTC")),
        ];
        Ok((RecordBatch::try_new(keys_schema(), columns)?, filter))
    }
}

/// The rows of each key. One that an event had twice may have none, and is left out.
fn groups<'s>(sorted: &'s [(u32, u32)], ends: &'s [u32]) -> impl Iterator<Item = &'s [(u32, u32)]> {
    let mut start = 0;
    let group = move |end: &u32| {
        let group = start..*end as usize;
        start = group.end;
        &sorted[group]
    };
    ends.iter().map(group).filter(|group| !group.is_empty())
}

/// A column of texts that recur.
struct Repeated {
    offsets: Vec<i32>,
    bytes: Vec<u8>,
}

impl Repeated {
    /// Room for so many texts of that many bytes together.
    fn with_capacity(texts: usize, bytes: usize) -> Self {
        let mut offsets = Vec::with_capacity(texts + 1);
        offsets.push(0);
        Self {
            offsets,
            bytes: Vec::with_capacity(bytes),
        }
    }

    fn push(&mut self, text: &str, times: usize) {
        for _ in 0..times {
            self.bytes.extend_from_slice(text.as_bytes());
            // Past what a column can hold it stays there, which `finish` refuses.
            self.offsets
                .push(i32::try_from(self.bytes.len()).unwrap_or(i32::MAX));
        }
    }

    /// # Errors
    /// More than 2 GiB.
    fn finish(self) -> Result<StringArray, StoreError> {
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        let bytes = Buffer::from_vec(self.bytes);
        if bytes.len() > i32::MAX as usize {
            let error = ArrowError::OffsetOverflowError(bytes.len());
            return Err(error.into());
        }
        Ok(StringArray::try_new(offsets, bytes, None)?)
    }
}
