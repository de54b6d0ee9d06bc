//! Opening the tables of a store, and going through them.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{RecordBatch, new_null_array};
use arrow_schema::{DataType, Field, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::PageIndexPolicy;

use super::read::EventTable;
use super::tables::{contents_schema, events_schema, keys_schema, rejects_schema};
use super::{Store, StoreError};

/// Reads what a file says of itself.
///
/// # Errors
/// It cannot be read, or is a table of a batch and has not the columns of that table.
pub(super) fn load(
    path: &Path,
    file: &File,
    options: ArrowReaderOptions,
) -> Result<ArrowReaderMetadata, StoreError> {
    let metadata = ArrowReaderMetadata::load(file, options).map_err(StoreError::parquet(path))?;
    let table = path.ancestors().nth(2).and_then(Path::file_name);
    let schema = match table.and_then(|name| name.to_str()) {
        Some("events") => events_schema(),
        Some("keys") => keys_schema(),
        Some("contents") => contents_schema(),
        Some("rejects") => rejects_schema(),
        _ => return Ok(metadata),
    };
    has_columns(path, &metadata, &schema)?;
    Ok(metadata)
}

/// The type that a column has in a file.
fn stored(field: &Field) -> DataType {
    match field.data_type() {
        DataType::BinaryView => DataType::Binary,
        other => other.clone(),
    }
}

/// That a file has the columns it should have: readers take each by its place and type.
pub(super) fn has_columns(
    path: &Path,
    metadata: &ArrowReaderMetadata,
    schema: &SchemaRef,
) -> Result<(), StoreError> {
    let have = metadata.schema().fields();
    let wanted = schema.fields();
    let is_same = |(have, wanted): &(&Arc<Field>, &Arc<Field>)| {
        have.name() == wanted.name() && *have.data_type() == stored(wanted)
    };
    let same = have.iter().zip(wanted).take_while(is_same).count();
    if same == have.len() && same == wanted.len() {
        return Ok(());
    }
    let name = |field: Option<&Arc<Field>>| match field {
        Some(field) => format!("\"{}\" of type {}", field.name(), stored(field)),
        None => "nothing".to_owned(),
    };
    Err(StoreError::Damaged {
        path: path.to_owned(),
        reason: format!(
            "column {} should be {} and is {}: the file was not written by this version of trail",
            same + 1,
            name(wanted.get(same)),
            name(have.get(same)),
        ),
    })
}

fn index_policy(page_index: bool) -> PageIndexPolicy {
    match page_index {
        true => PageIndexPolicy::Optional,
        false => PageIndexPolicy::Skip,
    }
}

/// Opens a table of texts, which is encrypted in a protected store.
pub(super) fn open_texts(
    store: &Store,
    path: &Path,
    page_index: bool,
) -> Result<(File, ArrowReaderMetadata), StoreError> {
    let folder = path.parent().and_then(Path::file_name);
    let batch = folder.and_then(|name| name.to_str()?.strip_prefix("batch="));
    let key = store.access().contents_key(batch.unwrap_or_default())?;
    let Some(key) = key else {
        return open(path, page_index);
    };
    let file = File::open(path).map_err(StoreError::io("opening", path))?;
    let options = ArrowReaderOptions::new()
        .with_offset_index_policy(index_policy(page_index))
        .with_file_decryption_properties(super::encrypt::decryption(key)?);
    let metadata = load(path, &file, options)?;
    Ok((file, metadata))
}

pub(super) fn open(
    path: &Path,
    page_index: bool,
) -> Result<(File, ArrowReaderMetadata), StoreError> {
    let file = File::open(path).map_err(StoreError::io("opening", path))?;
    let options = ArrowReaderOptions::new().with_offset_index_policy(index_policy(page_index));
    let metadata = load(path, &file, options)?;
    Ok((file, metadata))
}

/// A table with all columns, of which some were read; the others are empty.
pub(super) fn widen(
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
pub(super) fn is_wanted(field: &Field, columns: Option<&[&str]>) -> bool {
    let asked = |columns: &[&str]| columns.contains(&field.name().as_str());
    !field.is_nullable() || columns.is_none_or(asked)
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
        let have = builder.schema().fields();
        let roots = columns
            .iter()
            .filter_map(|name| have.iter().position(|field| field.name() == name));
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        builder = builder.with_projection(mask);
    }
    let reader = builder.build().map_err(StoreError::parquet(path))?;
    for batch in reader {
        visit(batch.map_err(StoreError::from)?)?;
    }
    Ok(())
}
