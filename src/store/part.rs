//! Tables of one chunk of records, and their way into part files.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{BinaryViewBuilder, Int32Builder, Int64Builder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow_buffer::Buffer;
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::file::properties::WriterProperties;

use super::tables::{contents_schema, events_properties, events_schema, keys_properties};
use super::{KeyRows, StoreError, filter};
use crate::model::ContentPart;

/// Number of bits of a row that count within a part.
pub(crate) const PART_BITS: u32 = 20;

/// What one worker made of one chunk.
pub struct ChunkTables {
    /// Events in the order of their records.
    pub events: RecordBatch,
    /// Their keys.
    pub keys: KeyRows,
    /// Their contents, encoded.
    pub contents: Contents,
    /// What could not be mapped.
    pub rejects: Vec<RejectRow>,
}

/// A place that could not be read or mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectRow {
    /// File in the custody manifest.
    pub file: i32,
    /// Record, from 1; 0 for the file as a whole.
    pub ordinal: i64,
    /// First byte.
    pub offset: i64,
    /// Number of bytes.
    pub length: i64,
    /// Why.
    pub reason: String,
    /// The bytes, at most 64 KiB of them.
    pub bytes: Vec<u8>,
}

/// Rows of the contents table of one chunk before they are encoded.
///
/// A text that lies in the chunk as it stands is not copied: the encoder reads it from there.
pub struct ContentsBuilder {
    chunk: Buffer,
    block: u32,
    file: Int32Builder,
    ordinal: Int64Builder,
    part: Int32Builder,
    content: StringBuilder,
    value: BinaryViewBuilder,
    rows: usize,
}

impl ContentsBuilder {
    /// An empty builder for the texts of that chunk of a dump.
    #[must_use]
    pub fn new(chunk: Buffer, rows: usize) -> Self {
        let mut value = BinaryViewBuilder::with_capacity(rows);
        Self {
            block: value.append_block(chunk.clone()),
            chunk,
            file: Int32Builder::with_capacity(rows),
            ordinal: Int64Builder::with_capacity(rows),
            part: Int32Builder::with_capacity(rows),
            content: StringBuilder::with_capacity(rows, rows * 8),
            value,
            rows: 0,
        }
    }

    /// Adds a text.
    ///
    /// # Errors
    /// Arrow refuses the value (more than 4 GiB).
    pub fn push(
        &mut self,
        file: i32,
        ordinal: i64,
        part: i32,
        content: ContentPart,
        value: &[u8],
    ) -> Result<(), StoreError> {
        self.push_named(file, ordinal, part, content.as_str(), value)
    }

    /// As [`ContentsBuilder::push`], by the name of what it is.
    ///
    /// # Errors
    /// As [`ContentsBuilder::push`].
    pub(super) fn push_named(
        &mut self,
        file: i32,
        ordinal: i64,
        part: i32,
        content: &str,
        value: &[u8],
    ) -> Result<(), StoreError> {
        self.file.append_value(file);
        self.ordinal.append_value(ordinal);
        self.part.append_value(part);
        self.content.append_value(content);
        self.rows += 1;
        // Where the text lies in the chunk; an address below it wraps and is past its end too.
        let start = (value.as_ptr() as usize).wrapping_sub(self.chunk.as_ptr() as usize);
        let end = start.checked_add(value.len());
        if end.is_some_and(|end| end <= self.chunk.len())
            && let (Ok(start), Ok(length)) = (u32::try_from(start), u32::try_from(value.len()))
        {
            self.value.try_append_view(self.block, start, length)?;
        } else {
            self.value.try_append_value(value)?;
        }
        Ok(())
    }

    /// The rows as they are, to be encoded where they are written: an encrypted row group has to know
    /// which one of its file it is.
    #[must_use]
    pub fn finish(mut self) -> Contents {
        Contents {
            rows: self.rows,
            form: Form::Columns([
                Arc::new(self.file.finish()),
                Arc::new(self.ordinal.finish()),
                Arc::new(self.part.finish()),
                Arc::new(self.content.finish()),
                Arc::new(self.value.finish()),
            ]),
        }
    }
}

/// A row group of the contents table.
pub struct Contents {
    /// Number of rows.
    pub rows: usize,
    form: Form,
}

enum Form {
    Columns([ArrayRef; 5]),
    Encoded(Vec<ArrowColumnChunk>),
}

impl Contents {
    /// Encodes and compresses the rows, as the row group of that number.
    ///
    /// # Errors
    /// The library refuses (never for these types).
    pub fn encode(
        self,
        factory: &ArrowRowGroupWriterFactory,
        group: usize,
    ) -> Result<Self, StoreError> {
        let at = |error| StoreError::Parquet {
            path: "contents".into(),
            error,
        };
        let columns = match self.form {
            Form::Columns(columns) if self.rows > 0 => columns,
            _ => return Ok(self),
        };
        let mut writers = factory.create_column_writers(group).map_err(at)?;
        let schema = contents_schema();
        for ((field, column), writer) in schema.fields().iter().zip(&columns).zip(&mut writers) {
            for leaf in compute_leaves(field, column).map_err(at)? {
                writer.write(&leaf).map_err(at)?;
            }
        }
        let chunks = writers
            .into_iter()
            .map(|writer| writer.close())
            .collect::<Result<_, _>>()
            .map_err(at)?;
        Ok(Self {
            form: Form::Encoded(chunks),
            rows: self.rows,
        })
    }

    /// The encoded columns.
    pub(super) fn into_chunks(self) -> Vec<ArrowColumnChunk> {
        match self.form {
            Form::Encoded(chunks) => chunks,
            Form::Columns(_) => Vec::new(),
        }
    }
}

/// Events and keys of consecutive chunks that become one part file each.
#[derive(Default)]
pub struct Part {
    events: Vec<RecordBatch>,
    keys: Vec<KeyRows>,
    key_bytes: usize,
    rows: usize,
}

impl Part {
    /// Adds a chunk's events and keys.
    pub fn push(&mut self, events: RecordBatch, keys: KeyRows) {
        self.key_bytes += keys.bytes();
        self.keys.push(keys);
        self.rows += events.num_rows();
        self.events.push(events);
    }

    /// Number of events.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of its keys, roughly.
    #[must_use]
    pub fn key_bytes(&self) -> usize {
        self.key_bytes
    }

    /// Sorts by time (records without time last, in the order of the dump) and writes
    /// `events/part-N.parquet` and `keys/part-N.parquet` below `folder`. Gives the number of keys.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn write(self, folder: &Path, number: u32) -> Result<usize, StoreError> {
        let whole = concat_batches(&events_schema(), &self.events)?;
        drop(self.events);
        let time = whole.column(2).as_primitive::<TimestampMicrosecondType>();
        let file = whole.column(4).as_primitive::<Int32Type>();
        let ordinal = whole.column(5).as_primitive::<Int64Type>();
        let mut order: Vec<(i64, i32, i64, u32)> = (0..whole.num_rows())
            .map(|row| {
                let time = if time.is_null(row) {
                    i64::MAX
                } else {
                    time.value(row)
                };
                (
                    time,
                    file.value(row),
                    ordinal.value(row),
                    u32::try_from(row).unwrap_or(u32::MAX),
                )
            })
            .collect();
        // A log is mostly in order already. The last member keeps the parts of one record in theirs.
        let in_order = order.is_sorted();
        if !in_order {
            order.sort_unstable();
        }
        let order: Vec<u32> = order.into_iter().map(|(.., from)| from).collect();
        let base = i64::from(number) << PART_BITS;
        let times: Vec<Option<i64>> = time.iter().collect();
        let keys = self.keys;
        // The last part of a run is written when the other cores have nothing left to do.
        std::thread::scope(|scope| {
            let keys = scope.spawn(|| write_keys(keys, &order, base, &times, folder, number));
            let events = write_events(whole, in_order, &order, base, folder, number);
            let keys = keys
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            events.and(keys)
        })
    }
}

fn write_keys(
    keys: Vec<KeyRows>,
    order: &[u32],
    base: i64,
    times: &[Option<i64>],
    folder: &Path,
    number: u32,
) -> Result<usize, StoreError> {
    let (keys, filter) = KeyRows::joined(keys).table(order, base, times)?;
    let path = folder.join("keys").join(part_name(number));
    write_table(&path, &keys, keys_properties())?;
    let path = filter::path_of(&path);
    std::fs::write(&path, filter).map_err(StoreError::io("writing", path))?;
    Ok(keys.num_rows())
}

fn write_events(
    whole: RecordBatch,
    in_order: bool,
    order: &[u32],
    base: i64,
    folder: &Path,
    number: u32,
) -> Result<(), StoreError> {
    let sorted = if in_order {
        whole
    } else {
        take_record_batch(&whole, &UInt32Array::from(order.to_vec()))?
    };
    let rows = Int64Array::from_iter_values((0..sorted.num_rows() as i64).map(|row| base + row));
    let mut columns = sorted.columns().to_vec();
    columns[1] = Arc::new(rows);
    let sorted = RecordBatch::try_new(events_schema(), columns)?;
    write_table(
        &folder.join("events").join(part_name(number)),
        &sorted,
        events_properties(),
    )
}

pub(super) fn part_name(number: u32) -> String {
    format!("part-{number:05}.parquet")
}

/// Writes one table to a file and syncs it.
pub(super) fn write_table(
    path: &Path,
    table: &RecordBatch,
    properties: WriterProperties,
) -> Result<(), StoreError> {
    let file = File::create(path).map_err(StoreError::io("creating", path))?;
    let mut writer = ArrowWriter::try_new(file, table.schema(), Some(properties))
        .map_err(StoreError::parquet(path))?;
    writer.write(table).map_err(StoreError::parquet(path))?;
    let file = writer.into_inner().map_err(StoreError::parquet(path))?;
    file.sync_all().map_err(StoreError::io("syncing", path))
}
