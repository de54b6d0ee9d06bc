//! Columns of texts as numbers of their values, for what counts them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, RecordBatch};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageReader as _};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::file::statistics::Statistics;

use super::StoreError;
use super::scan::{open, scan_opened};

/// As [`super::scan_columns`], but text columns of which the file holds dictionaries come as such ([`Coded`]): what
/// counts their values looks at each value once, not at each row's text.
///
/// # Errors
/// The file cannot be read, or `visit` fails.
pub fn scan_coded<E: From<StoreError>>(
    path: &Path,
    columns: &[&str],
    visit: impl FnMut(RecordBatch) -> Result<(), E>,
) -> Result<(), E> {
    let (file, metadata) = open(path, false)?;
    // A column of many values outgrows its dictionary; making one of its rows would cost more than it saves.
    let has_dictionary = |at: usize| {
        metadata.metadata().row_groups().iter().all(|group| {
            let chunk = group.column(at);
            let nulls = chunk.statistics().and_then(Statistics::null_count_opt);
            // Of a column without any value the library makes a dictionary row by row.
            nulls.is_some_and(|nulls| i64::try_from(nulls) != Ok(chunk.num_values()))
                && is_dictionary(chunk)
        })
    };
    let leaves = metadata.parquet_schema().columns();
    let coded = |field: &Arc<Field>| {
        let leaf = leaves
            .iter()
            .position(|leaf| leaf.path().parts() == [field.name().as_str()]);
        match field.data_type() {
            DataType::Utf8 if leaf.is_some_and(has_dictionary) => {
                let of = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
                Arc::new(Field::new(field.name(), of, field.is_nullable()))
            }
            _ => Arc::clone(field),
        }
    };
    let fields: Vec<Arc<Field>> = metadata.schema().fields().iter().map(coded).collect();
    let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(fields)));
    let metadata = ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options)
        .map_err(StoreError::parquet(path))?;
    scan_opened(path, (file, metadata), Some(columns), visit)
}

/// Whether all pages of a column are of numbers of a dictionary.
fn is_dictionary(chunk: &ColumnChunkMetaData) -> bool {
    let pages = chunk.page_encoding_stats_mask();
    pages.is_some_and(|pages| pages.is_only(Encoding::RLE_DICTIONARY))
}

/// Whether a part of events may have a value of a column; of the attributes, one of that name. Nothing but the footer
/// and the dictionary of the names is read.
///
/// # Errors
/// The file cannot be read.
pub fn may_have(path: &Path, column: &str, attribute: &str) -> Result<bool, StoreError> {
    let (file, metadata) = open(path, false)?;
    let names = ["attributes", "entries", "keys"];
    let is_attribute = column == names[0];
    let wanted: &[&str] = if is_attribute { &names } else { &[column] };
    let leaves = metadata.parquet_schema().columns();
    let Some(leaf) = leaves.iter().position(|leaf| leaf.path().parts() == wanted) else {
        return Ok(true);
    };
    let file = Arc::new(file);
    for group in metadata.metadata().row_groups() {
        let chunk = group.column(leaf);
        let rows = usize::try_from(group.num_rows()).unwrap_or(0);
        let may = match is_attribute {
            true if is_dictionary(chunk) => {
                let mut pages = SerializedPageReader::new(Arc::clone(&file), chunk, rows, None)
                    .map_err(StoreError::parquet(path))?;
                match pages.get_next_page().map_err(StoreError::parquet(path))? {
                    Some(Page::DictionaryPage { buf, .. }) => {
                        texts_of(&buf).any(|text| text == attribute.as_bytes())
                    }
                    _ => true,
                }
            }
            true => true,
            false => {
                let nulls = chunk.statistics().and_then(Statistics::null_count_opt);
                nulls.is_none_or(|nulls| usize::try_from(nulls) != Ok(rows))
            }
        };
        if may {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Texts in Parquet's plain encoding: the length of each, in four bytes, and its bytes.
fn texts_of(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        bytes = rest;
        Some(text)
    })
}

/// A text column as numbers of its values.
pub struct Coded<'b> {
    codes: Cow<'b, [i32]>,
    nulls: Option<&'b NullBuffer>,
    values: Vec<&'b str>,
}

impl<'b> Coded<'b> {
    /// The column at that place of what [`scan_coded`] gives.
    ///
    /// # Panics
    /// It is no column of texts.
    #[must_use]
    pub fn of(batch: &'b RecordBatch, column: usize) -> Self {
        let array = batch.column(column);
        if let Some(array) = array.as_dictionary_opt::<Int32Type>() {
            return Self {
                codes: Cow::Borrowed(array.keys().values()),
                nulls: array.keys().nulls(),
                values: array.values().as_string::<i32>().iter().flatten().collect(),
            };
        }
        let array = array.as_string::<i32>();
        let mut numbers: HashMap<&str, i32> = HashMap::new();
        let mut values: Vec<&str> = Vec::new();
        let codes = array.iter().map(|value| {
            let Some(value) = value else { return -1 };
            *numbers.entry(value).or_insert_with(|| {
                values.push(value);
                i32::try_from(values.len() - 1).unwrap_or(i32::MAX)
            })
        });
        Self {
            codes: Cow::Owned(codes.collect()),
            nulls: array.nulls(),
            values,
        }
    }

    /// Number of values; numbers of values are below it.
    #[must_use]
    pub fn values(&self) -> usize {
        self.values.len()
    }

    /// The value of that number.
    #[must_use]
    pub fn value(&self, code: usize) -> &'b str {
        self.values[code]
    }

    /// Number of the value in a row.
    #[must_use]
    pub fn code(&self, row: usize) -> Option<usize> {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return None;
        }
        usize::try_from(self.codes[row]).ok()
    }
}
