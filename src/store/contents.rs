//! Reading contents and rejects back.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::file::metadata::RowGroupMetaData;

use super::rows::{Record, may_hold_records, record_bounds};
use super::scan::{open_texts, scan_opened};
use super::{RejectRow, Store, StoreError, TextPlace, side_by_side};

/// Places of columns of the contents table.
const FILE: usize = 0;
const ORDINAL: usize = 1;
const VALUE: usize = 4;

/// One row of the contents table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentRow {
    /// Event of the record.
    pub part: i32,
    /// What it is (`raw`, `prompt`, …).
    pub content: String,
    /// The bytes.
    pub value: Vec<u8>,
}

/// All contents of one record, as they are shown to who asks.
///
/// # Errors
/// The contents table cannot be read.
pub fn read_contents(
    store: &Store,
    batch: usize,
    file: i32,
    ordinal: i64,
) -> Result<Vec<ContentRow>, StoreError> {
    contents_of(store, batch, (file, ordinal), |text| {
        store.access().shown(text).into_owned()
    })
}

/// All contents of one record, as they were logged. [`Store::load_vault`] has to have said that this may
/// be, else pseudonyms are left in them.
///
/// # Errors
/// The contents table cannot be read.
pub fn read_original_contents(
    store: &Store,
    batch: usize,
    file: i32,
    ordinal: i64,
) -> Result<Vec<ContentRow>, StoreError> {
    contents_of(store, batch, (file, ordinal), |text| {
        store.access().original(text).0.into_owned()
    })
}

fn contents_of(
    store: &Store,
    batch: usize,
    (file, ordinal): (i32, i64),
    shown: impl Fn(&[u8]) -> Vec<u8>,
) -> Result<Vec<ContentRow>, StoreError> {
    let mut rows = Vec::new();
    let Some(custody) = store.batches().get(batch) else {
        return Ok(rows);
    };
    for path in store.parts("contents", custody) {
        let (handle, metadata) = open_texts(store, &path, false)?;
        let covers = |group: usize, column: usize, wanted: i64| {
            use parquet::file::statistics::Statistics;
            match metadata
                .metadata()
                .row_group(group)
                .column(column)
                .statistics()
            {
                Some(Statistics::Int32(bounds)) => {
                    bounds.min_opt().is_none_or(|min| i64::from(*min) <= wanted)
                        && bounds.max_opt().is_none_or(|max| i64::from(*max) >= wanted)
                }
                Some(Statistics::Int64(bounds)) => {
                    bounds.min_opt().is_none_or(|min| *min <= wanted)
                        && bounds.max_opt().is_none_or(|max| *max >= wanted)
                }
                _ => true,
            }
        };
        let groups: Vec<usize> = (0..metadata.metadata().num_row_groups())
            .filter(|group| covers(*group, 0, i64::from(file)) && covers(*group, 1, ordinal))
            .collect();
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(handle, metadata)
            .with_row_groups(groups)
            .with_batch_size(1024)
            .build()
            .map_err(StoreError::parquet(&path))?;
        for batch in reader {
            let batch = batch?;
            let files = batch.column(0).as_primitive::<Int32Type>();
            let ordinals = batch.column(1).as_primitive::<Int64Type>();
            for i in 0..batch.num_rows() {
                if files.value(i) == file && ordinals.value(i) == ordinal {
                    rows.push(ContentRow {
                        part: batch.column(2).as_primitive::<Int32Type>().value(i),
                        content: batch.column(3).as_string::<i32>().value(i).to_owned(),
                        value: shown(batch.column(4).as_binary::<i32>().value(i)),
                    });
                }
            }
        }
    }
    Ok(rows)
}

/// All rejects of a batch.
///
/// # Errors
/// The rejects table cannot be read.
pub fn read_rejects(store: &Store, batch: usize) -> Result<Vec<RejectRow>, StoreError> {
    let mut rows = Vec::new();
    let Some(custody) = store.batches().get(batch) else {
        return Ok(rows);
    };
    for path in store.parts("rejects", custody) {
        scan_opened::<StoreError>(&path, open_texts(store, &path, false)?, None, |table| {
            let number = |column: usize, row: usize| {
                table.column(column).as_primitive::<Int64Type>().value(row)
            };
            for row in 0..table.num_rows() {
                rows.push(RejectRow {
                    file: table.column(0).as_primitive::<Int32Type>().value(row),
                    ordinal: number(1, row),
                    offset: number(2, row),
                    length: number(3, row),
                    reason: table.column(4).as_string::<i32>().value(row).to_owned(),
                    bytes: table.column(5).as_binary::<i32>().value(row).to_owned(),
                });
            }
            Ok(())
        })?;
    }
    Ok(rows)
}

/// Number of row groups of a contents file.
///
/// # Errors
/// The file cannot be read.
pub fn content_groups(store: &Store, path: &Path) -> Result<usize, StoreError> {
    Ok(open_texts(store, path, false)?
        .1
        .metadata()
        .num_row_groups())
}

/// Calls `visit` with file, ordinal and bytes of each raw record of a row group of a contents file, in
/// their order.
///
/// # Errors
/// The file cannot be read.
pub fn scan_content_group(
    store: &Store,
    path: &Path,
    group: usize,
    mut visit: impl FnMut(i32, i64, &[u8]),
) -> Result<(), StoreError> {
    let access = store.access();
    scan_stored_texts(store, path, group, |file, ordinal, _, content, bytes| {
        if content == "raw" {
            visit(file, ordinal, &access.shown(bytes));
        }
    })
}

/// Footers of contents files: whoever reads many places of a few files parses each of them once.
pub struct TextFooters(HashMap<PathBuf, Footer>);

struct Footer {
    /// Where pages lie it says if rows of row groups are to be read.
    whole: ArrowReaderMetadata,
    /// The same, saying so in any case.
    paged: OnceLock<ArrowReaderMetadata>,
}

impl TextFooters {
    /// Of the files of those places.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn of(store: &Store, places: &[TextPlace]) -> Result<Self, StoreError> {
        let mut files: Vec<(&Path, bool)> = places
            .iter()
            .map(|place| (place.path.as_path(), place.rows.is_some()))
            .collect();
        files.sort_unstable();
        // Behind each other stand the files that are read in whole and, of the same name, by rows.
        files.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            earlier.1 |= same && later.1;
            same
        });
        let footers = side_by_side(&files, |(path, page_index)| {
            let whole = open_texts(store, path, *page_index)?.1;
            let paged = OnceLock::new();
            if *page_index {
                paged.get_or_init(|| whole.clone());
            }
            Ok::<_, StoreError>((path.to_path_buf(), Footer { whole, paged }))
        })?;
        Ok(Self(footers.into_iter().collect()))
    }

    fn footer(&self, place: &TextPlace) -> Result<&Footer, StoreError> {
        self.0.get(&place.path).ok_or_else(|| StoreError::Damaged {
            path: place.path.clone(),
            reason: "its footer was not read".into(),
        })
    }

    fn group(&self, place: &TextPlace) -> Result<&RowGroupMetaData, StoreError> {
        let groups = self.footer(place)?.whole.metadata().row_groups();
        groups.get(place.group).ok_or_else(|| StoreError::Damaged {
            path: place.path.clone(),
            reason: "a row group is missing".into(),
        })
    }

    /// The first and the last record whose texts a place may have.
    ///
    /// # Errors
    /// The place is of no file that these footers are of.
    pub fn records(&self, place: &TextPlace) -> Result<[Record; 2], StoreError> {
        Ok(record_bounds(self.group(place)?, [FILE, ORDINAL]))
    }

    /// About how many bytes of texts a place has, before they were compressed.
    #[must_use]
    pub fn bytes(&self, place: &TextPlace) -> u64 {
        let Ok(group) = self.group(place) else {
            return 0;
        };
        let bytes = u64::try_from(group.column(VALUE).uncompressed_size()).unwrap_or(0);
        let all = u64::try_from(group.num_rows()).unwrap_or(0).max(1);
        let rows = place.rows.as_ref().map_or(all, |rows| {
            rows.iter().map(|rows| rows.len() as u64).sum::<u64>()
        });
        (u128::from(bytes) * u128::from(rows) / u128::from(all)) as u64
    }

    /// Calls `visit` with record, event of the record, name and bytes of each text of a place, in their order, as they
    /// are shown to who asks.
    ///
    /// # Errors
    /// The file cannot be read, or is of no place that these footers are of.
    pub fn scan(
        &self,
        store: &Store,
        place: &TextPlace,
        visit: impl FnMut(Record, i32, &str, &[u8]),
    ) -> Result<(), StoreError> {
        scan_shown(store, place, &self.footer(place)?.whole, visit)
    }

    /// As [`TextFooters::scan`], but of pages without a text of those records (in order) nothing is read where that
    /// leaves out much. Texts of other records may be among what is visited.
    ///
    /// # Errors
    /// As [`TextFooters::scan`].
    pub fn scan_records(
        &self,
        store: &Store,
        place: &TextPlace,
        records: &[Record],
        visit: impl FnMut(Record, i32, &str, &[u8]),
    ) -> Result<(), StoreError> {
        let rows = usize::try_from(self.group(place)?.num_rows()).unwrap_or(0);
        if records.len().saturating_mul(SPARSE) > rows {
            return self.scan(store, place, visit);
        }
        let Footer { whole, paged } = self.footer(place)?;
        let paged = match paged.get() {
            Some(paged) => paged,
            None => {
                let read = open_texts(store, &place.path, true)?.1;
                paged.get_or_init(|| read)
            }
        };
        let rows = Some(rows_of_records(place, whole, records)?);
        let place = TextPlace {
            rows,
            ..place.clone()
        };
        scan_shown(store, &place, paged, visit)
    }
}

/// Calls `visit` with the texts of a place as they are shown to who asks.
fn scan_shown(
    store: &Store,
    place: &TextPlace,
    footer: &ArrowReaderMetadata,
    mut visit: impl FnMut(Record, i32, &str, &[u8]),
) -> Result<(), StoreError> {
    let access = store.access();
    scan_place(place, footer, |file, ordinal, part, content, bytes| {
        visit((file, ordinal), part, content, &access.shown(bytes));
    })
}

/// Where fewer than one in so many rows is asked for, pages are left out.
const SPARSE: usize = 32;
/// Rows that lie nearer to each other are read as one stretch.
const GAP: usize = 64;

/// The rows of a place in which texts of those records stand, few others among them.
fn rows_of_records(
    place: &TextPlace,
    footer: &ArrowReaderMetadata,
    records: &[Record],
) -> Result<Vec<Range<usize>>, StoreError> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    scan_rows(place, footer, &[FILE, ORDINAL], None, |batch| {
        let files = batch.column(0).as_primitive::<Int32Type>();
        let ordinals = batch.column(1).as_primitive::<Int64Type>();
        for at in 0..batch.num_rows() {
            let record = (files.value(at), ordinals.value(at));
            if records.binary_search(&record).is_ok() {
                let row = start + at;
                match found.last_mut().filter(|last| row <= last.end + GAP) {
                    Some(last) => last.end = row + 1,
                    None => found.push(row..row + 1),
                }
            }
        }
        start += batch.num_rows();
    })?;
    let Some(rows) = &place.rows else {
        return Ok(found);
    };
    // What both lists have.
    let (mut both, mut at) = (Vec::new(), 0);
    for rows in rows {
        while found.get(at).is_some_and(|have| have.end <= rows.start) {
            at += 1;
        }
        for have in found[at..].iter().take_while(|have| have.start < rows.end) {
            both.push(have.start.max(rows.start)..have.end.min(rows.end));
        }
    }
    Ok(both)
}

/// Calls `visit` with file, ordinal, event of the record, name and bytes of each text of a row group, in their
/// order, as they are stored: with pseudonyms, whatever is revealed.
///
/// # Errors
/// The file cannot be read.
pub fn scan_stored_texts(
    store: &Store,
    path: &Path,
    group: usize,
    visit: impl FnMut(i32, i64, i32, &str, &[u8]),
) -> Result<(), StoreError> {
    let (_, footer) = open_texts(store, path, false)?;
    scan_place(&TextPlace::all_of(path, group), &footer, visit)
}

fn scan_place(
    place: &TextPlace,
    footer: &ArrowReaderMetadata,
    mut visit: impl FnMut(i32, i64, i32, &str, &[u8]),
) -> Result<(), StoreError> {
    let rows = place.rows.as_deref();
    scan_rows(place, footer, &[0, 1, 2, 3, VALUE], rows, |batch| {
        let files = batch.column(0).as_primitive::<Int32Type>();
        let ordinals = batch.column(1).as_primitive::<Int64Type>();
        let parts = batch.column(2).as_primitive::<Int32Type>();
        let contents = batch.column(3).as_string::<i32>();
        let values = batch.column(4).as_binary::<i32>();
        for row in 0..batch.num_rows() {
            visit(
                files.value(row),
                ordinals.value(row),
                parts.value(row),
                contents.value(row),
                values.value(row),
            );
        }
    })
}

/// Calls `visit` with some columns of the rows of a row group, or of all of them.
fn scan_rows(
    place: &TextPlace,
    footer: &ArrowReaderMetadata,
    columns: &[usize],
    rows: Option<&[Range<usize>]>,
    mut visit: impl FnMut(&RecordBatch),
) -> Result<(), StoreError> {
    let path = &place.path;
    let file = File::open(path).map_err(StoreError::io("opening", path))?;
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, footer.clone());
    let mask = ProjectionMask::roots(reader.parquet_schema(), columns.iter().copied());
    // Few texts, which may be long, are held at once.
    let texts = columns.contains(&VALUE);
    let mut reader = reader
        .with_projection(mask)
        .with_row_groups(vec![place.group])
        .with_batch_size(if texts { 256 } else { 8192 });
    if let Some(rows) = rows {
        // Pages without any of these rows are not even decompressed.
        let groups = footer.metadata().row_groups();
        let all = groups.get(place.group).map_or(0, |group| group.num_rows());
        let all = usize::try_from(all).unwrap_or(0);
        let rows = rows.iter();
        let rows = rows.map(|rows| rows.start.min(all)..rows.end.min(all));
        reader = reader.with_row_selection(RowSelection::from_consecutive_ranges(rows, all));
    }
    let reader = reader.build().map_err(StoreError::parquet(path))?;
    for batch in reader {
        visit(&batch?);
    }
    Ok(())
}

/// A record (file and ordinal), and how many stand before it.
pub type Counted = ((i32, i64), u64);

/// Places among the raw records of a contents file: how many it has, and how many stand before each of some
/// (file and ordinal). Only the columns that say so are read, and of most row groups just one.
///
/// # Errors
/// The file cannot be read.
pub fn count_records_before(
    store: &Store,
    path: &Path,
    records: &BTreeSet<(i32, i64)>,
) -> Result<(u64, Vec<Counted>), StoreError> {
    let (handle, metadata) = open_texts(store, path, false)?;
    let (mut before, mut found) = (0, Vec::new());
    for group in 0..metadata.metadata().num_row_groups() {
        let may_hold = may_hold_records(metadata.metadata().row_group(group), [0, 1], records);
        let columns: &[usize] = if may_hold { &[0, 1, 3] } else { &[3] };
        let handle = handle
            .try_clone()
            .map_err(StoreError::io("reading", path))?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(handle, metadata.clone());
        let mask = ProjectionMask::roots(builder.parquet_schema(), columns.iter().copied());
        let reader = builder
            .with_projection(mask)
            .with_row_groups(vec![group])
            .with_batch_size(8192)
            .build()
            .map_err(StoreError::parquet(path))?;
        for batch in reader {
            let batch = batch?;
            let contents = batch.column(batch.num_columns() - 1).as_string::<i32>();
            let is_record =
                |row: &usize| matches!(contents.value(*row), "raw" | crate::seal::REMOVED);
            let rows = (0..batch.num_rows()).filter(is_record);
            if !may_hold {
                before += rows.count() as u64;
                continue;
            }
            let files = batch.column(0).as_primitive::<Int32Type>();
            let ordinals = batch.column(1).as_primitive::<Int64Type>();
            for row in rows {
                let record = (files.value(row), ordinals.value(row));
                if records.contains(&record) {
                    found.push((record, before));
                }
                before += 1;
            }
        }
    }
    Ok((before, found))
}
