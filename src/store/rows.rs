//! Reading some rows of the tables: those of a question, and those of a record.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;

use super::files::side_by_side;
use super::part::PART_BITS;
use super::read::{EventRef, EventSet, EventTable};
use super::scan::{is_wanted, open, scan_columns, widen};
use super::tables::events_schema;
use super::{Store, StoreError};

/// Reads single events by their places; the order of `places` is kept.
///
/// # Errors
/// A part file is missing or damaged, or has not that row.
pub fn read_events(store: &Store, places: &[EventRef]) -> Result<EventSet, StoreError> {
    read_event_columns(store, places, None)
}

/// As [`read_events`], with only the named columns beside those that say where an event lies; the
/// others are empty.
///
/// # Errors
/// As [`read_events`].
pub fn read_event_columns(
    store: &Store,
    places: &[EventRef],
    columns: Option<&[&str]>,
) -> Result<EventSet, StoreError> {
    let mut wanted: Vec<(EventRef, usize)> = places.iter().copied().zip(0..).collect();
    wanted.sort_unstable();
    let mut set = EventSet {
        tables: Vec::new(),
        order: vec![(usize::MAX, 0); places.len()],
    };
    let part_of = |place: &EventRef| (place.batch, place.row >> PART_BITS);
    let groups: Vec<&[(EventRef, usize)]> = wanted
        .chunk_by(|a, b| part_of(&a.0) == part_of(&b.0))
        .collect();
    let tables = side_by_side(&groups, |group| read_group(store, group, columns))?;
    for (group, tables) in groups.into_iter().zip(tables) {
        let first_table = set.tables.len();
        set.tables.extend(tables);
        let mut found: Vec<(i64, (usize, usize))> = Vec::new();
        for (at, table) in set.tables.iter().enumerate().skip(first_table) {
            let column = table.table.column(1).as_primitive::<Int64Type>();
            found.extend((0..table.len()).map(|i| (column.value(i), (at, i))));
        }
        for (place, index) in group {
            let hit = found.binary_search_by_key(&place.row, |entry| entry.0);
            let hit = hit.map_err(|_| missing(store.layout().root.clone()))?;
            set.order[*index] = found[hit].1;
        }
    }
    Ok(set)
}

fn missing(path: PathBuf) -> StoreError {
    StoreError::Damaged {
        path,
        reason: "an event is missing".into(),
    }
}

/// The events of one part, in the order of their rows.
fn read_group(
    store: &Store,
    group: &[(EventRef, usize)],
    columns: Option<&[&str]>,
) -> Result<Vec<EventTable>, StoreError> {
    let Some((EventRef { batch, row }, _)) = group.first().copied() else {
        return Ok(Vec::new());
    };
    let part = row >> PART_BITS;
    let path = store
        .batches()
        .get(batch)
        .and_then(|custody| {
            let parts = store.parts("events", custody);
            parts.get(usize::try_from(part).ok()?).cloned()
        })
        .ok_or_else(|| missing(store.layout().root.clone()))?;
    let base = part << PART_BITS;
    let mut rows: Vec<usize> = group
        .iter()
        .map(|(place, _)| usize::try_from(place.row - base).unwrap_or(0))
        .collect();
    rows.dedup();
    let mut tables = Vec::new();
    read_rows(&path, &rows, columns, |table| tables.push(table))?;
    let access = store.access();
    let shown = tables.into_iter().map(|table| access.events(table));
    let table =
        |table: Result<RecordBatch, StoreError>| table.map(|table| EventTable { batch, table });
    shown.map(table).collect()
}

/// Reads those rows (sorted) of a Parquet file.
fn read_rows(
    path: &Path,
    rows: &[usize],
    columns: Option<&[&str]>,
    mut visit: impl FnMut(RecordBatch),
) -> Result<(), StoreError> {
    let (file, metadata) = open(path, true)?;
    let mut groups = Vec::new();
    let mut selectors: Vec<RowSelector> = Vec::new();
    let (mut start, mut at) = (0usize, 0usize);
    for (index, group) in metadata.metadata().row_groups().iter().enumerate() {
        let end = start + usize::try_from(group.num_rows()).unwrap_or(0);
        if rows.get(at).is_some_and(|row| *row < end) {
            groups.push(index);
            let mut cursor = start;
            while let Some(row) = rows.get(at).filter(|row| **row < end) {
                if *row > cursor {
                    selectors.push(RowSelector::skip(row - cursor));
                }
                selectors.push(RowSelector::select(1));
                cursor = row + 1;
                at += 1;
            }
            if end > cursor {
                selectors.push(RowSelector::skip(end - cursor));
            }
        }
        start = end;
    }
    let filled: Vec<usize> = metadata
        .schema()
        .fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| is_wanted(field, columns))
        .map(|(column, _)| column)
        .filter(|column| !is_empty(&metadata, &groups, *column))
        .collect();
    let schema = Arc::clone(metadata.schema());
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
    let mask = ProjectionMask::roots(builder.parquet_schema(), filled.iter().copied());
    let reader = builder
        .with_row_groups(groups)
        .with_projection(mask)
        .with_row_selection(RowSelection::from(selectors))
        // Buffers of all columns are made for a whole batch.
        .with_batch_size(rows.len().clamp(1, 8192))
        .build()
        .map_err(StoreError::parquet(path))?;
    for batch in reader {
        visit(widen(&schema, &filled, &batch?)?);
    }
    Ok(())
}

/// Whether a column has no value in those row groups, as far as the file says so.
fn is_empty(metadata: &ArrowReaderMetadata, groups: &[usize], column: usize) -> bool {
    let parquet = metadata.metadata();
    let mut leaves = (0..parquet.file_metadata().schema_descr().num_columns()).filter(|leaf| {
        parquet
            .file_metadata()
            .schema_descr()
            .get_column_root_idx(*leaf)
            == column
    });
    let (Some(leaf), None) = (leaves.next(), leaves.next()) else {
        return false;
    };
    groups.iter().all(|group| {
        let group = parquet.row_group(*group);
        let nulls = group
            .column(leaf)
            .statistics()
            .and_then(|s| s.null_count_opt());
        nulls.is_some_and(|nulls| i64::try_from(nulls) == Ok(group.num_rows()))
    })
}

/// A record of a batch: its file in the batch's manifest, and its ordinal there.
pub type Record = (i32, i64);

/// What records and times a part file of events is of.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// The first and the last record.
    pub records: [Record; 2],
    /// The first and the last time, microseconds UTC; `None` if no event has one.
    pub times: Option<[i64; 2]>,
    /// Number of events.
    pub events: usize,
}

impl Extent {
    /// Of a part file, as its footer says; everything, where it does not.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn of(path: &Path) -> Result<Self, StoreError> {
        let (_, metadata) = open(path, false)?;
        let names = events_schema();
        let place = |name: &str| names.index_of(name).map_err(StoreError::from);
        let (file, ordinal, time) = (place("file")?, place("ordinal")?, place("time")?);
        let mut records: Option<[Record; 2]> = None;
        let mut times: Option<[i64; 2]> = None;
        let mut events = 0;
        for group in metadata.metadata().row_groups() {
            events += usize::try_from(group.num_rows()).unwrap_or(0);
            let [first, last] = record_bounds(group, [file, ordinal]);
            let have = records.get_or_insert([first, last]);
            *have = [first.min(have[0]), last.max(have[1])];
            let nulls = group.column(time).statistics();
            let nulls = nulls.and_then(Statistics::null_count_opt);
            if nulls.is_some_and(|nulls| i64::try_from(nulls) == Ok(group.num_rows())) {
                continue;
            }
            let [first, last] = bounds(group, time).unwrap_or([i64::MIN, i64::MAX]);
            let have = times.get_or_insert([first, last]);
            *have = [first.min(have[0]), last.max(have[1])];
        }
        Ok(Self {
            records: records.unwrap_or([(0, 0), (0, 0)]),
            times,
            events,
        })
    }
}

/// The least and the greatest value of a column of whole numbers, if the file says so.
fn bounds(group: &RowGroupMetaData, column: usize) -> Option<[i64; 2]> {
    match group.column(column).statistics() {
        Some(Statistics::Int32(of)) => Some([i64::from(*of.min_opt()?), i64::from(*of.max_opt()?)]),
        Some(Statistics::Int64(of)) => Some([*of.min_opt()?, *of.max_opt()?]),
        _ => None,
    }
}

/// The first and the last record that a row group may hold; its columns of files and ordinals are at those places.
pub(super) fn record_bounds(
    group: &RowGroupMetaData,
    [files, ordinals]: [usize; 2],
) -> [Record; 2] {
    let file = |at: i64| i32::try_from(at).unwrap_or(0);
    match (bounds(group, files), bounds(group, ordinals)) {
        (Some(files), Some(ordinals)) if files[0] == files[1] => {
            ordinals.map(|ordinal| (file(files[0]), ordinal))
        }
        (Some(files), _) => [(file(files[0]), i64::MIN), (file(files[1]), i64::MAX)],
        _ => [(i32::MIN, i64::MIN), (i32::MAX, i64::MAX)],
    }
}

/// Whether a row group may hold rows of one of those records; its columns of files and ordinals are at those
/// places.
pub(super) fn may_hold_records(
    group: &RowGroupMetaData,
    [file, ordinal]: [usize; 2],
    records: &BTreeSet<(i32, i64)>,
) -> bool {
    // Older stores do not say.
    let (Some(files), Some(ordinals)) = (bounds(group, file), bounds(group, ordinal)) else {
        return true;
    };
    records.iter().any(|(file, ordinal)| {
        (files[0]..=files[1]).contains(&i64::from(*file))
            && (ordinals[0]..=ordinals[1]).contains(ordinal)
    })
}

/// The rows of a part file of events that are of one record, all columns of them.
///
/// # Errors
/// The file cannot be read.
pub fn rows_of(path: &Path, file: i32, ordinal: i64) -> Result<Vec<RecordBatch>, StoreError> {
    let mut found = Vec::new();
    let [first, last] = Extent::of(path)?.records;
    if !(first..=last).contains(&(file, ordinal)) {
        return Ok(found);
    }
    let (mut rows, mut start) = (Vec::new(), 0);
    scan_columns::<StoreError>(path, Some(&["file", "ordinal"]), |table| {
        let files = table.column(0).as_primitive::<Int32Type>().values();
        let ordinals = table.column(1).as_primitive::<Int64Type>().values();
        let of_record = |row: &usize| ordinals[*row] == ordinal && files[*row] == file;
        rows.extend(
            (0..table.num_rows())
                .filter(of_record)
                .map(|row| start + row),
        );
        start += table.num_rows();
        Ok(())
    })?;
    if !rows.is_empty() {
        read_rows(path, &rows, None, |table| found.push(table))?;
    }
    Ok(found)
}
