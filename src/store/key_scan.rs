//! The look-up index, read: the events that have a key, and all keys of a file in their order.

use std::cmp::Ordering;
use std::fs::File;
use std::ops::Range;
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
    if values.is_empty() {
        return Ok(());
    }
    if values.len() <= SINGLES {
        let scan = KeyScan::with_pages(path)?;
        for value in values {
            let found = scan.look_up(kind.as_str(), value)?;
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

/// The least value of some rows of a kind that follow each other, or less, and how many these are.
pub(crate) type FirstOf = (Vec<u8>, usize);

/// A stretch of values: from one on, up to another one that is not in it; `None` for no bound.
pub(crate) type Between<'b> = (Option<&'b [u8]>, Option<&'b [u8]>);

/// The values that pages of one kind begin with in a keys file, which tell where its keys lie without reading them.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn firsts(path: &Path, kind: KeyKind) -> Result<Vec<FirstOf>, StoreError> {
    let scan = KeyScan::with_pages(path)?;
    let groups = scan.groups(kind.as_str(), None).into_iter();
    Ok(groups
        .filter_map(|group| scan.firsts(group, kind.as_str()))
        .flatten()
        .collect())
}

/// Calls `visit(value, row)` for the keys of that kind of one keys file whose values lie in a stretch, in their order.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn each_between(
    path: &Path,
    kind: KeyKind,
    between: Between<'_>,
    visit: &mut dyn FnMut(&str, i64),
) -> Result<(), StoreError> {
    let scan = match between {
        (None, None) => KeyScan::open(path)?,
        _ => KeyScan::with_pages(path)?,
    };
    scan.each_between(kind.as_str(), between, visit)
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
        self.each_between(kind, (None, None), visit)
    }

    /// The same, of those whose values lie in a stretch.
    fn each_between(
        &self,
        kind: &str,
        (from, to): Between<'_>,
        visit: &mut dyn FnMut(&str, i64),
    ) -> Result<(), StoreError> {
        let groups = self.groups(kind, None);
        let is_all = from.is_none() && to.is_none();
        let pages = (!is_all).then(|| self.pages(&groups, kind, (from, to)));
        self.batches(groups, (pages.flatten(), MANY), &[0, 1, 3], |batch| {
            let (kinds, values) = (
                batch.column(0).as_string::<i32>(),
                batch.column(1).as_string::<i32>(),
            );
            let rows = batch.column(2).as_primitive::<Int64Type>();
            let range = range_of(kinds, kind);
            let below = |bound: &[u8]| {
                let is_before = |i| values.value(range.start + i).as_bytes() < bound;
                range.start + partition(range.len(), is_before)
            };
            let start = from.map_or(range.start, below);
            let end = to.map_or(range.end, below);
            for i in start..end {
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
        let only = Some(value.as_bytes());
        let pages = self.pages(&groups, kind, (only, only));
        self.batches(groups, (pages, FEW), &[0, 1, 2, 3], |batch| {
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

    /// The rows of those groups whose pages may hold keys of that kind, from one value to another one; `None` if the file does not
    /// say.
    fn pages(&self, groups: &[usize], kind: &str, (from, to): Between<'_>) -> Option<RowSelection> {
        let kind = Some(kind.as_bytes());
        let mut selectors = Vec::new();
        for group in groups {
            let within = |column: usize, between: Between<'_>| {
                let selectors =
                    self.pages_of(*group, column, |page| match page.may_hold(between) {
                        true => RowSelector::select(page.rows.len()),
                        false => RowSelector::skip(page.rows.len()),
                    });
                Some(RowSelection::from(selectors?))
            };
            // A value's pages are in order within one kind only; a page with another kind's values
            // too has wider bounds, which is on the safe side.
            let both = within(0, (kind, kind))?.intersection(&within(1, (from, to))?);
            selectors.extend(Vec::<RowSelector>::from(both));
        }
        Some(RowSelection::from(selectors))
    }

    /// What pages of values begin with in a group of rows, as far as they are of that kind; `None` if the file does not say.
    fn firsts(&self, group: usize, kind: &str) -> Option<Vec<FirstOf>> {
        let kind = Some(kind.as_bytes());
        let of_kind = self.pages_of(group, 0, |page| {
            page.may_hold((kind, kind)).then_some(page.rows)
        });
        let mut of_kind = of_kind?.into_iter().flatten();
        let first = of_kind.next()?;
        let end = of_kind.last().map_or(first.end, |rows| rows.end);
        let values = self.pages_of(group, 1, |page| {
            let rows = page
                .rows
                .end
                .min(end)
                .saturating_sub(page.rows.start.max(first.start));
            (rows > 0).then(|| (page.least.unwrap_or_default().to_vec(), rows))
        });
        Some(values?.into_iter().flatten().collect())
    }

    /// What is asked of each page of a column in a group of rows; `None` if the file does not say.
    fn pages_of<T>(
        &self,
        group: usize,
        column: usize,
        ask: impl Fn(Page<'_>) -> T,
    ) -> Option<Vec<T>> {
        let metadata = self.metadata.metadata();
        let rows = usize::try_from(metadata.row_group(group).num_rows()).ok()?;
        let index = metadata.page_index_for_row_group(group);
        let locations = index.offset_index(column)?.page_locations();
        let ColumnIndexMetaData::BYTE_ARRAY(bounds) = index.column_index(column)? else {
            return None;
        };
        let first = |page: usize| {
            locations.get(page).map_or(Some(rows), |location| {
                usize::try_from(location.first_row_index).ok()
            })
        };
        let page = |page: usize| {
            let rows = first(page)?..first(page + 1)?;
            (rows.start <= rows.end).then(|| {
                ask(Page {
                    rows,
                    least: bounds.min_value(page),
                    most: bounds.max_value(page),
                })
            })
        };
        (0..locations.len()).map(page).collect()
    }

    fn batches(
        &self,
        groups: Vec<usize>,
        (selection, rows): (Option<RowSelection>, usize),
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
        let builder = builder.with_batch_size(rows);
        let reader = match selection {
            Some(selection) => builder.with_row_selection(selection),
            None => builder,
        }
        .build()
        .map_err(StoreError::parquet(&self.path))?;
        for batch in reader {
            visit(&batch?);
        }
        Ok(())
    }
}

/// Rows that are read together: buffers of all columns are made for so many, so that it is few where little is read.
const FEW: usize = 2048;
const MANY: usize = 32 << 10;

/// A page of a column: its rows in the group, and bounds of its values.
struct Page<'p> {
    rows: Range<usize>,
    least: Option<&'p [u8]>,
    most: Option<&'p [u8]>,
}

impl Page<'_> {
    /// Whether something from one value to another one, both of them included, may be in it. Its bounds may be cut.
    fn may_hold(&self, (from, to): Between<'_>) -> bool {
        let cut = |wanted: &[u8], bound: &[u8]| wanted[..wanted.len().min(bound.len())].cmp(bound);
        let ends_before = |from| {
            self.most
                .is_some_and(|most| cut(from, most) == Ordering::Greater)
        };
        let begins_behind = |to| {
            self.least
                .is_some_and(|least| cut(to, least) == Ordering::Less)
        };
        !from.is_some_and(ends_before) && !to.is_some_and(begins_behind)
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
