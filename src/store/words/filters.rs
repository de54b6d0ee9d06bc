//! Filters of the words of each row group of texts, by slices of the words' hashes.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{ArrayRef, Int32Array, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::Group;
use crate::protect::DataKey;
use crate::store::encrypt::encrypted;
use crate::store::filter;
use crate::store::scan::{has_columns, open_texts};
use crate::store::{Store, StoreError};

/// Slices of a filter.
pub(super) const SLICES: u64 = 64;

fn slice_of(hash: u64) -> u64 {
    // The upper bits choose the block.
    (hash >> 32) % SLICES
}

/// The slices of the filter of those words.
pub(super) fn of_words(words: impl Iterator<Item = u64>) -> Vec<Vec<u8>> {
    let mut slices: Vec<Vec<u64>> = vec![Vec::new(); usize::try_from(SLICES).unwrap_or(64)];
    for hash in words {
        slices[usize::try_from(slice_of(hash)).unwrap_or(0)].push(hash);
    }
    slices.into_iter().map(filter::of_hashes).collect()
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("part", DataType::Int32, false),
        Field::new("size", DataType::Int64, false),
        Field::new("group", DataType::Int32, false),
        Field::new("filter", DataType::Binary, false),
    ]))
}

/// Columns that say which row groups the rows are of.
pub(super) fn group_columns<'g>(groups: impl Iterator<Item = &'g Group> + Clone) -> [ArrayRef; 3] {
    let number = |value: usize| i32::try_from(value).unwrap_or(i32::MAX);
    let parts: Int32Array = groups
        .clone()
        .map(|group| Some(number(group.part)))
        .collect();
    let sizes: Int64Array = groups
        .clone()
        .map(|group| i64::try_from(group.size).ok())
        .collect();
    let numbers: Int32Array = groups.map(|group| Some(number(group.group))).collect();
    [Arc::new(parts), Arc::new(sizes), Arc::new(numbers)]
}

/// The row group that a row is of.
pub(super) fn group_at(table: &RecordBatch, row: usize) -> Group {
    let number = |column: usize| {
        let column = table.column(column).as_primitive::<Int32Type>();
        usize::try_from(column.value(row)).unwrap_or(usize::MAX)
    };
    let sizes = table.column(1).as_primitive::<Int64Type>();
    Group {
        part: number(0),
        size: sizes.value(row).unsigned_abs(),
        group: number(2),
    }
}

/// Writes the filters of some row groups.
pub(super) fn write(
    path: &Path,
    key: Option<DataKey>,
    groups: &[Group],
    filters: &[Vec<Vec<u8>>],
) -> Result<(), StoreError> {
    let properties = WriterProperties::builder()
        // Bits of hashes have no pattern.
        .set_compression(Compression::UNCOMPRESSED)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_dictionary_enabled(false)
        .build();
    let file = File::create(path).map_err(StoreError::io("creating", path))?;
    let mut writer = ArrowWriter::try_new(file, schema(), Some(encrypted(properties, key)?))
        .map_err(StoreError::parquet(path))?;
    for slice in 0..usize::try_from(SLICES).unwrap_or(64) {
        let mut bytes = BinaryBuilder::new();
        for filter in filters {
            bytes.append_value(&filter[slice]);
        }
        let mut columns = group_columns(groups.iter()).to_vec();
        columns.push(Arc::new(bytes.finish()));
        let table = RecordBatch::try_new(schema(), columns)?;
        writer
            .write(&table)
            .and_then(|()| writer.flush())
            .map_err(StoreError::parquet(path))?;
    }
    writer.close().map_err(StoreError::parquet(path))?;
    Ok(())
}

/// Calls `visit` with each row group that a file knows and whether it may hold the word.
pub(super) fn look_up(
    store: &Store,
    path: &Path,
    word: u64,
    mut visit: impl FnMut(Group, bool),
) -> Result<(), StoreError> {
    read_slice(store, path, slice_of(word), |group, bytes| {
        visit(group, filter::has(bytes, word));
    })
}

/// Calls `visit` with a slice of the filter of each row group that a file knows.
pub(super) fn read_slice(
    store: &Store,
    path: &Path,
    slice: u64,
    mut visit: impl FnMut(Group, &[u8]),
) -> Result<(), StoreError> {
    let (file, metadata) = open_texts(store, path, false)?;
    has_columns(path, &metadata, &schema())?;
    let slice = usize::try_from(slice).unwrap_or(usize::MAX);
    if slice >= metadata.metadata().num_row_groups() {
        return Ok(());
    }
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
        .with_row_groups(vec![slice])
        .build()
        .map_err(StoreError::parquet(path))?;
    for table in reader {
        let table = table?;
        let filters = table.column(3).as_binary::<i32>();
        for row in 0..table.num_rows() {
            visit(group_at(&table, row), filters.value(row));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A filter of words holds each of them.
    pub fn holds_all(words: Vec<u64>) {
        let slices = of_words(words.iter().copied());
        for word in words {
            let slice = &slices[usize::try_from(slice_of(word)).unwrap()];
            assert!(filter::has(slice, word));
            assert_eq!(slice.len() % filter::BLOCK, 0);
        }
    }
}
