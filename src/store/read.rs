//! Reading events back, as columns.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch, StringArray, new_null_array};
use arrow_schema::{Field, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
    RowSelector,
};
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;

use super::files::side_by_side;
use super::part::PART_BITS;
use super::tables::{TEXT_COLUMNS, event_columns, events_schema};
use super::{Store, StoreError};
use crate::model::{Amount, Digest, EventId};

macro_rules! text_columns {
    ($($variant:ident),+ $(,)?) => {
        /// A text column of the events table, in the table's order.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)] // Named as the columns are.
        pub enum Col { $($variant),+ }

        impl Col {
            /// All text columns.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
        }
    };
}

text_columns!(
    TimeOrigin,
    TimePrecision,
    Source,
    Format,
    Kind,
    ActorType,
    Actor,
    OnBehalfOf,
    Action,
    ObjectType,
    Object,
    Outcome,
    Error,
    Currency,
    Provider,
    ModelRequested,
    ModelServed,
    Configuration,
    PolicyId,
    PolicyVersion,
    KnowledgeSource,
    Agent,
    Conversation,
    TraceId,
    SpanId,
    ParentSpanId,
    Tool,
    Notes,
);

impl Col {
    /// The column's name in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        TEXT_COLUMNS[self as usize]
    }

    /// The column of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        /// Columns by the length of their names: rules ask by name, once a field and event.
        static BY_LENGTH: LazyLock<Vec<Vec<Col>>> = LazyLock::new(|| {
            let longest = TEXT_COLUMNS.iter().map(|name| name.len()).max();
            let mut all = vec![Vec::new(); longest.unwrap_or(0) + 1];
            for column in Col::ALL {
                all[column.name().len()].push(*column);
            }
            all
        });
        let same_length = BY_LENGTH.get(name.len())?;
        let mut same_length = same_length.iter().copied();
        same_length.find(|column| column.name() == name)
    }
}

/// Place of an event: batch in the order of the store, row in the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventRef {
    /// Index among [`Store::batches`].
    pub batch: usize,
    /// Row in the batch.
    pub row: i64,
}

/// Some rows of the events table.
pub struct EventTable {
    batch: usize,
    table: RecordBatch,
}

/// First text column in the schema.
const TEXTS_AT: usize = 12;

impl EventTable {
    /// Number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.num_rows()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.num_rows() == 0
    }

    /// Its columns, in the schema of events.
    #[must_use]
    pub fn columns(&self) -> &[arrow_array::ArrayRef] {
        self.table.columns()
    }

    /// One event.
    #[must_use]
    pub fn view(&self, index: usize) -> EventView<'_> {
        EventView { table: self, index }
    }

    fn texts(&self, column: Col) -> &StringArray {
        self.table.column(TEXTS_AT + column as usize).as_string()
    }
}

/// One event of a table.
#[derive(Clone, Copy)]
pub struct EventView<'t> {
    table: &'t EventTable,
    index: usize,
}

/// Change of one field, as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeView<'t> {
    /// Field.
    pub field: &'t str,
    /// Value before.
    pub before: Option<&'t str>,
    /// Value after.
    pub after: Option<&'t str>,
}

impl<'t> EventView<'t> {
    fn number(&self, column: usize) -> Option<i64> {
        let column = self.table.table.column(column).as_primitive::<Int64Type>();
        (!column.is_null(self.index)).then(|| column.value(self.index))
    }

    fn moment(&self, column: usize) -> Option<i64> {
        let column = self
            .table
            .table
            .column(column)
            .as_primitive::<TimestampMicrosecondType>();
        (!column.is_null(self.index)).then(|| column.value(self.index))
    }

    fn small(&self, column: usize) -> i32 {
        self.table
            .table
            .column(column)
            .as_primitive::<Int32Type>()
            .value(self.index)
    }

    /// Event id.
    #[must_use]
    pub fn id(&self) -> EventId {
        let mut id = [0; 32];
        let value = self
            .table
            .table
            .column(0)
            .as_fixed_size_binary()
            .value(self.index);
        id.copy_from_slice(value);
        Digest(id)
    }

    /// Place in the store.
    #[must_use]
    pub fn place(&self) -> EventRef {
        EventRef {
            batch: self.table.batch,
            row: self.number(1).unwrap_or(0),
        }
    }

    /// Recorded time in microseconds UTC.
    #[must_use]
    pub fn time(&self) -> Option<i64> {
        self.moment(2)
    }

    /// Recorded end in microseconds UTC.
    #[must_use]
    pub fn end(&self) -> Option<i64> {
        self.moment(3)
    }

    /// File in the batch's custody manifest.
    #[must_use]
    pub fn file(&self) -> i32 {
        self.small(4)
    }

    /// Record in the file.
    #[must_use]
    pub fn ordinal(&self) -> i64 {
        self.number(5).unwrap_or(0)
    }

    /// First byte of the record.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.number(6).unwrap_or(0)
    }

    /// Length of the record in bytes.
    #[must_use]
    pub fn length(&self) -> i64 {
        self.number(7).unwrap_or(0)
    }

    /// Event among those of its record.
    #[must_use]
    pub fn part(&self) -> i32 {
        self.small(8)
    }

    /// Tokens in.
    #[must_use]
    pub fn tokens_in(&self) -> Option<i64> {
        self.number(9)
    }

    /// Tokens out.
    #[must_use]
    pub fn tokens_out(&self) -> Option<i64> {
        self.number(10)
    }

    /// Amount of money.
    #[must_use]
    pub fn amount(&self) -> Option<Amount> {
        let column = self.table.table.column(11).as_primitive::<Decimal128Type>();
        (!column.is_null(self.index)).then(|| Amount(column.value(self.index)))
    }

    /// A text column.
    #[must_use]
    pub fn text(&self, column: Col) -> Option<&'t str> {
        let column = self.table.texts(column);
        (!column.is_null(self.index)).then(|| column.value(self.index))
    }

    /// Changed fields.
    #[must_use]
    pub fn changes(&self) -> Vec<ChangeView<'t>> {
        let list = self
            .table
            .table
            .column(TEXTS_AT + TEXT_COLUMNS.len())
            .as_list::<i32>();
        if list.is_null(self.index) {
            return Vec::new();
        }
        let offsets = list.value_offsets();
        let range = offsets[self.index] as usize..offsets[self.index + 1] as usize;
        let rows = list.values().as_struct();
        let column = |at: usize| rows.column(at).as_string::<i32>();
        let get = |array: &'t StringArray, at: usize| (!array.is_null(at)).then(|| array.value(at));
        range
            .map(|at| ChangeView {
                field: get(column(0), at).unwrap_or_default(),
                before: get(column(1), at),
                after: get(column(2), at),
            })
            .collect()
    }

    /// Attributes, name and value.
    pub fn attributes(&self) -> impl Iterator<Item = (&'t str, &'t str)> + use<'t> {
        let map = self
            .table
            .table
            .column(TEXTS_AT + TEXT_COLUMNS.len() + 1)
            .as_map();
        let offsets = map.value_offsets();
        let range = if map.is_null(self.index) {
            0..0
        } else {
            offsets[self.index] as usize..offsets[self.index + 1] as usize
        };
        let (keys, values) = (
            map.keys().as_string::<i32>(),
            map.values().as_string::<i32>(),
        );
        range.map(move |at| {
            (
                keys.value(at),
                if values.is_null(at) {
                    ""
                } else {
                    values.value(at)
                },
            )
        })
    }

    /// One attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&'t str> {
        self.attributes()
            .find(|(have, _)| *have == name)
            .map(|(_, value)| value)
    }
}

/// Events in the order in which they were asked for.
#[derive(Default)]
pub struct EventSet {
    tables: Vec<EventTable>,
    order: Vec<(usize, usize)>,
}

impl EventSet {
    /// Number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// One event.
    #[must_use]
    pub fn get(&self, index: usize) -> EventView<'_> {
        let (table, row) = self.order[index];
        self.tables[table].view(row)
    }

    /// All events.
    pub fn iter(&self) -> impl Iterator<Item = EventView<'_>> {
        (0..self.len()).map(|index| self.get(index))
    }
}

/// Consecutive events of a set.
#[derive(Clone, Copy)]
pub struct EventSlice<'s> {
    set: &'s EventSet,
    start: usize,
    len: usize,
}

impl EventSet {
    /// The tables that were read, each with some of the events.
    #[must_use]
    pub fn tables(&self) -> &[EventTable] {
        &self.tables
    }

    /// `len` events from `start` on.
    #[must_use]
    pub fn slice(&self, start: usize, len: usize) -> EventSlice<'_> {
        EventSlice {
            set: self,
            start,
            len: len.min(self.len().saturating_sub(start)),
        }
    }
}

impl<'s> EventSlice<'s> {
    /// Number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One event.
    #[must_use]
    pub fn get(&self, index: usize) -> EventView<'s> {
        self.set.get(self.start + index)
    }

    /// All events.
    pub fn iter(&self) -> impl Iterator<Item = EventView<'s>> + use<'s> {
        let slice = *self;
        (0..slice.len).map(move |index| slice.get(index))
    }
}

/// Opens a table of texts, which is encrypted in a protected store.
pub(super) fn open_texts(
    store: &Store,
    path: &Path,
) -> Result<(File, ArrowReaderMetadata), StoreError> {
    let folder = path.parent().and_then(Path::file_name);
    let batch = folder.and_then(|name| name.to_str()?.strip_prefix("batch="));
    let key = store.access().contents_key(batch.unwrap_or_default())?;
    let Some(key) = key else {
        return open(path, false);
    };
    let file = File::open(path).map_err(StoreError::io("opening", path))?;
    let options = ArrowReaderOptions::new()
        .with_offset_index_policy(PageIndexPolicy::Skip)
        .with_file_decryption_properties(super::batch::decryption(key)?);
    let metadata = ArrowReaderMetadata::load(&file, options).map_err(StoreError::parquet(path))?;
    Ok((file, metadata))
}

pub(super) fn open(
    path: &Path,
    page_index: bool,
) -> Result<(File, ArrowReaderMetadata), StoreError> {
    let file = File::open(path).map_err(StoreError::io("opening", path))?;
    let policy = if page_index {
        PageIndexPolicy::Optional
    } else {
        PageIndexPolicy::Skip
    };
    let options = ArrowReaderOptions::new().with_offset_index_policy(policy);
    let metadata = ArrowReaderMetadata::load(&file, options).map_err(StoreError::parquet(path))?;
    Ok((file, metadata))
}

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

/// A table with all columns, of which some were read; the others are empty.
fn widen(
    schema: &SchemaRef,
    read: &[usize],
    batch: &RecordBatch,
) -> Result<RecordBatch, StoreError> {
    let mut read = read.iter().zip(batch.columns()).peekable();
    let columns = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(column, field)| {
            let here = read.next_if(|(read, _)| **read == column);
            here.map_or_else(
                || new_null_array(field.data_type(), batch.num_rows()),
                |(_, array)| Arc::clone(array),
            )
        })
        .collect();
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

/// Whether a column was asked for, or says where an event lies.
fn is_wanted(field: &Field, columns: Option<&[&str]>) -> bool {
    let asked = |columns: &[&str]| columns.contains(&field.name().as_str());
    !field.is_nullable() || columns.is_none_or(asked)
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

/// More records are looked for in every part.
const FEW_RECORDS: usize = 4096;

/// Whether a part file of events may have events of one of those records (file and ordinal).
///
/// # Errors
/// The file cannot be read.
pub fn may_have_records(path: &Path, records: &BTreeSet<(i32, i64)>) -> Result<bool, StoreError> {
    if records.len() > FEW_RECORDS {
        return Ok(true);
    }
    let (_, metadata) = open(path, false)?;
    let names = events_schema();
    let place = |name: &str| names.index_of(name).ok();
    let (Some(file), Some(ordinal)) = (place("file"), place("ordinal")) else {
        return Ok(true);
    };
    let groups = metadata.metadata().row_groups();
    let mut groups = groups.iter();
    Ok(groups.any(|group| may_hold_records(group, [file, ordinal], records)))
}

/// Whether a row group may hold rows of one of those records; its columns of files and ordinals are at those
/// places.
pub(super) fn may_hold_records(
    group: &RowGroupMetaData,
    [file, ordinal]: [usize; 2],
    records: &BTreeSet<(i32, i64)>,
) -> bool {
    let bounds = |column: usize| match group.column(column).statistics() {
        Some(Statistics::Int32(of)) => Some((i64::from(*of.min_opt()?), i64::from(*of.max_opt()?))),
        Some(Statistics::Int64(of)) => Some((*of.min_opt()?, *of.max_opt()?)),
        _ => None,
    };
    // Older stores do not say.
    let (Some(files), Some(ordinals)) = (bounds(file), bounds(ordinal)) else {
        return true;
    };
    records.iter().any(|(file, ordinal)| {
        (files.0..=files.1).contains(&i64::from(*file))
            && (ordinals.0..=ordinals.1).contains(ordinal)
    })
}

/// The rows of a part file of events that are of one record, all columns of them.
///
/// # Errors
/// The file cannot be read.
pub fn rows_of(path: &Path, file: i32, ordinal: i64) -> Result<Vec<RecordBatch>, StoreError> {
    let mut found = Vec::new();
    if !may_have_records(path, &BTreeSet::from([(file, ordinal)]))? {
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

/// Calls `visit` with all events of a part file, a few thousand at a time.
///
/// # Errors
/// The file cannot be read, or `visit` fails.
pub fn scan_part<E: From<StoreError>>(
    store: &Store,
    path: &Path,
    batch: usize,
    mut visit: impl FnMut(&EventTable) -> Result<(), E>,
) -> Result<(), E> {
    scan_columns(path, None, |table| {
        let table = store.access().events(table)?;
        visit(&EventTable { batch, table })
    })
}

/// Calls `visit` with all events of a part file, of which only the named columns are read (beside those
/// that say where an event lies); the others are empty.
///
/// # Errors
/// The file cannot be read, or `visit` fails.
pub fn scan_part_columns<E: From<StoreError>>(
    store: &Store,
    path: &Path,
    batch: usize,
    names: &[&str],
    mut visit: impl FnMut(&EventTable) -> Result<(), E>,
) -> Result<(), E> {
    let schema = events_schema();
    let read: Vec<usize> = schema
        .fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| is_wanted(field, Some(names)))
        .map(|(at, _)| at)
        .collect();
    let read_names: Vec<&str> = read
        .iter()
        .map(|at| schema.field(*at).name().as_str())
        .collect();
    scan_columns(path, Some(&read_names), |table| {
        let table = store.access().events(widen(&schema, &read, &table)?)?;
        visit(&EventTable { batch, table })
    })
}

/// Calls `visit` with some columns (by name) of all rows of a file.
///
/// # Errors
/// The file cannot be read, or `visit` fails.
pub fn scan_columns<E: From<StoreError>>(
    path: &Path,
    columns: Option<&[&str]>,
    visit: impl FnMut(RecordBatch) -> Result<(), E>,
) -> Result<(), E> {
    scan_opened(path, open(path, false)?, columns, visit)
}

/// As [`scan_columns`], of a file that is open.
pub(super) fn scan_opened<E: From<StoreError>>(
    path: &Path,
    (file, metadata): (File, ArrowReaderMetadata),
    columns: Option<&[&str]>,
    mut visit: impl FnMut(RecordBatch) -> Result<(), E>,
) -> Result<(), E> {
    let mut builder =
        ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata).with_batch_size(8192);
    if let Some(columns) = columns {
        let names = event_columns();
        let schema_names: Vec<String> = builder
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let names = if schema_names.is_empty() {
            names
        } else {
            schema_names
        };
        let roots = columns
            .iter()
            .filter_map(|name| names.iter().position(|have| have == name));
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        builder = builder.with_projection(mask);
    }
    let reader = builder.build().map_err(StoreError::parquet(path))?;
    for batch in reader {
        visit(batch.map_err(StoreError::from)?)?;
    }
    Ok(())
}
