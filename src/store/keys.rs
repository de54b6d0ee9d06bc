//! The look-up index: keys of events, sorted, and scanned again in order.

use std::cmp::Ordering;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{
    Array, ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
    RowSelector,
};
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::page_index::column_index::ColumnIndexMetaData;

use super::files::side_by_side;
use super::tables::keys_schema;
use super::{EventRef, Store, StoreError, filter};
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

/// One key as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHit {
    /// The event that has it.
    pub place: EventRef,
    /// Spelling in the record, where it differs from the normalised value.
    pub original: Option<String>,
}

/// One event of a store with that key (in its normal form).
///
/// # Errors
/// A keys file cannot be read.
pub fn find_first(
    store: &Store,
    kind: KeyKind,
    value: &str,
) -> Result<Option<EventRef>, StoreError> {
    let value = &*store.access().key(kind, value);
    for (batch, path) in parts_with(store, kind, value) {
        let found = KeyScan::with_pages(&path)?.look_up(kind.as_str(), value)?;
        if let Some((row, _)) = found.first() {
            return Ok(Some(EventRef { batch, row: *row }));
        }
    }
    Ok(None)
}

/// The keys files that may hold a key, with the batches they are of.
fn parts_with(store: &Store, kind: KeyKind, value: &str) -> Vec<(usize, PathBuf)> {
    let parts = store.all_parts("keys").into_iter();
    parts
        .filter(|(_, path)| filter::may_hold(path, kind, value))
        .collect()
}

/// All events of a store with that key (in its normal form), in the order of the store.
///
/// # Errors
/// A keys file cannot be read.
pub fn find_key(store: &Store, kind: KeyKind, value: &str) -> Result<Vec<KeyHit>, StoreError> {
    let value = &*store.access().key(kind, value);
    let parts = parts_with(store, kind, value);
    let hits = side_by_side::<_, _, StoreError>(&parts, |(batch, path)| {
        let found = KeyScan::with_pages(path)?.look_up(kind.as_str(), value)?;
        let hit = |(row, original)| KeyHit {
            place: EventRef { batch: *batch, row },
            original,
        };
        Ok(found.into_iter().map(hit).collect::<Vec<_>>())
    })?;
    let mut all = Vec::with_capacity(hits.iter().map(Vec::len).sum());
    hits.into_iter().for_each(|hits| all.extend(hits));
    Ok(all)
}

/// Reads one keys file in order, or looks a value up in it.
pub struct KeyScan {
    path: PathBuf,
    file: File,
    metadata: ArrowReaderMetadata,
}

impl KeyScan {
    /// Opens a keys file.
    ///
    /// # Errors
    /// The file cannot be read or is no Parquet file.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::with(path, ArrowReaderOptions::new())
    }

    /// Opens a keys file to look values up: where its pages lie is read too.
    fn with_pages(path: &Path) -> Result<Self, StoreError> {
        let options = ArrowReaderOptions::new()
            .with_offset_index_policy(PageIndexPolicy::Optional)
            .with_column_index_policy(PageIndexPolicy::Optional);
        Self::with(path, options)
    }

    fn with(path: &Path, options: ArrowReaderOptions) -> Result<Self, StoreError> {
        let file = File::open(path).map_err(StoreError::io("opening", path))?;
        let metadata =
            ArrowReaderMetadata::load(&file, options).map_err(StoreError::parquet(path))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            metadata,
        })
    }

    /// Row groups that may hold keys of that kind (and value).
    fn groups(&self, kind: &str, value: Option<&str>) -> Vec<usize> {
        let may_hold = |group: usize, column: usize, wanted: &str| {
            let statistics = self
                .metadata
                .metadata()
                .row_group(group)
                .column(column)
                .statistics();
            statistics.is_none_or(|statistics| {
                let least = statistics.min_bytes_opt().unwrap_or_default();
                let most = statistics.max_bytes_opt();
                let prefix =
                    |bytes: &[u8]| wanted.as_bytes()[..wanted.len().min(bytes.len())].cmp(bytes);
                prefix(least) != Ordering::Less
                    && most.is_none_or(|most| prefix(most) != Ordering::Greater)
            })
        };
        (0..self.metadata.metadata().num_row_groups())
            .filter(|group| may_hold(*group, 0, kind))
            .filter(|group| {
                // The value's bounds are of use only where the group holds one kind.
                let statistics = self
                    .metadata
                    .metadata()
                    .row_group(*group)
                    .column(0)
                    .statistics();
                let one_kind = statistics.is_some_and(|s| s.min_bytes_opt() == s.max_bytes_opt());
                value.is_none_or(|value| !one_kind || may_hold(*group, 1, value))
            })
            .collect()
    }

    /// Calls `visit(value, row)` for all keys of that kind, in order of the values.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn each(&self, kind: &str, visit: &mut dyn FnMut(&str, i64)) -> Result<(), StoreError> {
        let groups = self.groups(kind, None);
        self.batches(groups, None, &[0, 1, 3], |batch| {
            let (kinds, values) = (
                batch.column(0).as_string::<i32>(),
                batch.column(1).as_string::<i32>(),
            );
            let rows = batch.column(2).as_primitive::<Int64Type>();
            for i in range_of(kinds, kind) {
                visit(values.value(i), rows.value(i));
            }
        })
    }

    /// Row and original spelling of all events with that key.
    fn look_up(&self, kind: &str, value: &str) -> Result<Vec<(i64, Option<String>)>, StoreError> {
        let groups = self.groups(kind, Some(value));
        let mut hits = Vec::new();
        if groups.is_empty() {
            return Ok(hits);
        }
        let pages = self.pages(&groups, kind, value);
        self.batches(groups, pages, &[0, 1, 2, 3], |batch| {
            let column = |index: usize| batch.column(index).as_string::<i32>();
            let (kinds, values, originals) = (column(0), column(1), column(2));
            let rows = batch.column(3).as_primitive::<Int64Type>();
            let range = range_of(kinds, kind);
            let start =
                range.start + partition(range.len(), |i| values.value(range.start + i) < value);
            for i in start..range.end {
                if values.value(i) != value {
                    break;
                }
                let original = (!originals.is_null(i)).then(|| originals.value(i).to_owned());
                hits.push((rows.value(i), original));
            }
        })?;
        Ok(hits)
    }

    /// The rows of those groups whose pages may hold that key; `None` if the file does not say.
    fn pages(&self, groups: &[usize], kind: &str, value: &str) -> Option<RowSelection> {
        let metadata = self.metadata.metadata();
        let mut selectors = Vec::new();
        for group in groups {
            let rows = usize::try_from(metadata.row_group(*group).num_rows()).ok()?;
            let index = metadata.page_index_for_row_group(*group);
            let first = |column: usize, page: usize| {
                let locations = index.offset_index(column)?.page_locations();
                locations.get(page).map_or(Some(rows), |location| {
                    usize::try_from(location.first_row_index).ok()
                })
            };
            let within = |column: usize, wanted: &str| {
                let ColumnIndexMetaData::BYTE_ARRAY(bounds) = index.column_index(column)? else {
                    return None;
                };
                let pages = index.offset_index(column)?.page_locations().len();
                let may = |page: usize| {
                    let cut = |bound: &[u8]| {
                        wanted.as_bytes()[..wanted.len().min(bound.len())].cmp(bound)
                    };
                    bounds
                        .min_value(page)
                        .is_none_or(|min| cut(min) != Ordering::Less)
                        && bounds
                            .max_value(page)
                            .is_none_or(|max| cut(max) != Ordering::Greater)
                };
                let selected: Option<Vec<RowSelector>> = (0..pages)
                    .map(|page| {
                        let count = first(column, page + 1)?.checked_sub(first(column, page)?)?;
                        Some(if may(page) {
                            RowSelector::select(count)
                        } else {
                            RowSelector::skip(count)
                        })
                    })
                    .collect();
                Some(RowSelection::from(selected?))
            };
            // A value's pages are in order within one kind only; a page with another kind's values
            // too has wider bounds, which is on the safe side.
            let both = within(0, kind)?.intersection(&within(1, value)?);
            selectors.extend(Vec::<RowSelector>::from(both));
        }
        Some(RowSelection::from(selectors))
    }

    fn batches(
        &self,
        groups: Vec<usize>,
        selection: Option<RowSelection>,
        columns: &[usize],
        mut visit: impl FnMut(&RecordBatch),
    ) -> Result<(), StoreError> {
        let file = self
            .file
            .try_clone()
            .map_err(StoreError::io("opening", &self.path))?;
        let builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        let mask = ProjectionMask::roots(builder.parquet_schema(), columns.iter().copied());
        let builder = builder.with_row_groups(groups).with_projection(mask);
        // Buffers of all columns are made for a whole batch: small where little is read.
        let reader = match selection {
            Some(selection) => builder.with_row_selection(selection).with_batch_size(2048),
            None => builder.with_batch_size(32 << 10),
        }
        .build()
        .map_err(StoreError::parquet(&self.path))?;
        for batch in reader {
            visit(&batch?);
        }
        Ok(())
    }
}

fn partition(len: usize, is_before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low.midpoint(high);
        if is_before(middle) {
            low = middle + 1
        } else {
            high = middle
        }
    }
    low
}

/// The rows of one kind in a sorted column.
fn range_of(kinds: &StringArray, kind: &str) -> std::ops::Range<usize> {
    let start = partition(kinds.len(), |i| kinds.value(i) < kind);
    let end = start + partition(kinds.len() - start, |i| kinds.value(start + i) <= kind);
    start..end
}
