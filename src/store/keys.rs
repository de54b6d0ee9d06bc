//! The look-up index: keys of events, sorted, and scanned again in order.

use std::cmp::Ordering;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};

use super::StoreError;
use super::tables::keys_schema;
use crate::model::{Event, KeyKind, normalise_key};

/// Keys of the events of one part, in memory.
#[derive(Default)]
pub struct KeyRows {
    kinds: Vec<KeyKind>,
    /// Normalised value and original spelling (empty if equal) of all rows, one after the other.
    text: String,
    /// End of value and end of original in `text`.
    ends: Vec<(usize, usize)>,
    /// Index of the event among those of the part.
    events: Vec<u32>,
}

impl KeyRows {
    /// Adds the keys of an event, normalised and each once.
    pub fn push(&mut self, event_index: u32, event: &Event<'_>) {
        let first = self.kinds.len();
        for (kind, original) in &event.keys {
            let Some(value) = normalise_key(*kind, original) else {
                continue;
            };
            let known = (first..self.kinds.len())
                .any(|row| self.kinds[row] == *kind && self.value(row) == value);
            if known {
                continue;
            }
            self.kinds.push(*kind);
            self.text.push_str(&value);
            let value_end = self.text.len();
            if value != original.trim() {
                self.text.push_str(original.trim());
            }
            self.ends.push((value_end, self.text.len()));
            self.events.push(event_index);
        }
    }

    /// Number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// Bytes held, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.len() + self.kinds.len() * 24
    }

    fn value(&self, row: usize) -> &str {
        let start = if row == 0 { 0 } else { self.ends[row - 1].1 };
        &self.text[start..self.ends[row].0]
    }

    fn original(&self, row: usize) -> Option<&str> {
        let (start, end) = self.ends[row];
        (start < end).then(|| &self.text[start..end])
    }

    /// Appends another chunk's keys, whose events come behind `offset` earlier ones.
    pub fn append(&mut self, other: &Self, offset: u32) {
        let base = self.text.len();
        self.kinds.extend_from_slice(&other.kinds);
        self.text.push_str(&other.text);
        self.ends
            .extend(other.ends.iter().map(|(a, b)| (a + base, b + base)));
        self.events
            .extend(other.events.iter().map(|event| event + offset));
    }

    /// The sorted table. `place` gives the row in the batch and `time` the time of each event.
    ///
    /// # Errors
    /// Columns of different length (never).
    pub fn table(&self, place: &[i64], time: &[Option<i64>]) -> Result<RecordBatch, StoreError> {
        // Most comparisons end within the first eight bytes: keep them beside the index.
        let mut order: Vec<(&'static str, u64, u32)> = (0..self.len())
            .map(|row| {
                let mut head = [0u8; 8];
                let value = self.value(row).as_bytes();
                let n = value.len().min(8);
                head[..n].copy_from_slice(&value[..n]);
                (
                    self.kinds[row].as_str(),
                    u64::from_be_bytes(head),
                    u32::try_from(row).unwrap_or(u32::MAX),
                )
            })
            .collect();
        order.sort_unstable_by(|a, b| {
            a.0.cmp(b.0).then(a.1.cmp(&b.1)).then_with(|| {
                let (a, b) = (a.2 as usize, b.2 as usize);
                self.value(a).cmp(self.value(b)).then_with(|| {
                    place[self.events[a] as usize].cmp(&place[self.events[b] as usize])
                })
            })
        });
        let mut kinds = StringBuilder::with_capacity(order.len(), order.len() * 8);
        let mut values = StringBuilder::with_capacity(order.len(), self.text.len());
        let mut originals = StringBuilder::new();
        let mut rows = Int64Builder::with_capacity(order.len());
        let mut times =
            TimestampMicrosecondBuilder::with_capacity(order.len()).with_timezone("UTC");
        for (kind, _, row) in order {
            let row = row as usize;
            let event = self.events[row] as usize;
            kinds.append_value(kind);
            values.append_value(self.value(row));
            originals.append_option(self.original(row));
            rows.append_value(place[event]);
            times.append_option(time[event]);
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(kinds.finish()),
            Arc::new(values.finish()),
            Arc::new(originals.finish()),
            Arc::new(rows.finish()),
            Arc::new(times.finish()),
        ];
        Ok(RecordBatch::try_new(keys_schema(), columns)?)
    }
}

/// One key as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHit {
    /// Row of the event in its batch.
    pub row: i64,
    /// Normalised value.
    pub value: String,
    /// Spelling in the record, where it differs.
    pub original: Option<String>,
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
        let file = File::open(path).map_err(StoreError::io("opening", path))?;
        let options = ArrowReaderOptions::new();
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
        self.batches(groups, &[0, 1, 3], |batch| {
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

    /// All events with that key.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn look_up(&self, kind: &str, value: &str) -> Result<Vec<KeyHit>, StoreError> {
        let groups = self.groups(kind, Some(value));
        let mut hits = Vec::new();
        if groups.is_empty() {
            return Ok(hits);
        }
        self.batches(groups, &[0, 1, 2, 3], |batch| {
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
                hits.push(KeyHit {
                    row: rows.value(i),
                    value: value.to_owned(),
                    original: (!originals.is_null(i)).then(|| originals.value(i).to_owned()),
                });
            }
        })?;
        Ok(hits)
    }

    fn batches(
        &self,
        groups: Vec<usize>,
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
        let reader = builder
            .with_row_groups(groups)
            .with_projection(mask)
            .with_batch_size(32 << 10)
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
