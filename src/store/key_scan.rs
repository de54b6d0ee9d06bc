//! The look-up index, read: the events that have a key, and all keys of a file in their order.

use std::cmp::Ordering;
use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, RecordBatch, StringArray};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
    RowSelector,
};
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::page_index::column_index::ColumnIndexMetaData;

use super::files::side_by_side;
use super::scan::load;
use super::{EventRef, Store, StoreError, filter};
use crate::model::KeyKind;

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

/// Values that are looked up one by one; of more of them all keys of their kind are read.
const SINGLES: usize = 16;

/// Calls `visit(row)` for the events of one keys file with one of those keys (in their form in the store, and in order).
///
/// # Errors
/// The file cannot be read.
pub fn each_with(
    path: &Path,
    kind: KeyKind,
    values: &[&str],
    visit: &mut dyn FnMut(i64),
) -> Result<(), StoreError> {
    let filter = filter::read(path, kind);
    let may_be_there = |value: &str| {
        let filter = filter.as_ref();
        filter.is_none_or(|filter| filter::has(filter, filter::hash(kind, value)))
    };
    let values = values.iter().copied().filter(|value| may_be_there(value));
    let values: Vec<&str> = values.collect();
    if values.len() <= SINGLES {
        for value in values {
            let found = KeyScan::with_pages(path)?.look_up(kind.as_str(), value)?;
            found.iter().for_each(|(row, _)| visit(*row));
        }
        return Ok(());
    }
    // Both are in the order of the values.
    let mut next = values.into_iter().peekable();
    KeyScan::open(path)?.each(kind.as_str(), &mut |value, row| {
        while next.next_if(|wanted| *wanted < value).is_some() {}
        if next.peek() == Some(&value) {
            visit(row);
        }
    })
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
        let metadata = load(path, &file, options)?;
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
