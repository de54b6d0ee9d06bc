//! Schemas of the tables. Times are microseconds since 1970-01-01 UTC.

use std::sync::{Arc, LazyLock};

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use crate::model::Amount;

/// Rows of an events part: it is sorted in memory before it is written.
pub(crate) const PART_ROWS: usize = 128 << 10;

pub(super) fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

pub(super) fn amount() -> DataType {
    DataType::Decimal128(24, i8::try_from(Amount::SCALE).unwrap_or(4))
}

pub(super) fn change_fields() -> Fields {
    Fields::from(vec![
        Field::new("field", DataType::Utf8, false),
        Field::new("before", DataType::Utf8, true),
        Field::new("after", DataType::Utf8, true),
    ])
}

pub(super) fn map_entries() -> Arc<Field> {
    Arc::new(Field::new(
        "entries",
        DataType::Struct(Fields::from(vec![
            Field::new("keys", DataType::Utf8, false),
            Field::new("values", DataType::Utf8, true),
        ])),
        false,
    ))
}

/// Names of the events columns that hold one text each, in the order of the table.
pub(super) const TEXT_COLUMNS: &[&str] = &[
    "time_origin",
    "time_precision",
    "source",
    "format",
    "kind",
    "actor_type",
    "actor",
    "on_behalf_of",
    "action",
    "object_type",
    "object",
    "outcome",
    "error",
    "currency",
    "provider",
    "model_requested",
    "model_served",
    "configuration",
    "policy_id",
    "policy_version",
    "knowledge_source",
    "agent",
    "conversation",
    "trace_id",
    "span_id",
    "parent_span_id",
    "tool",
    "notes",
];

static EVENTS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = vec![
        Field::new("event_id", DataType::FixedSizeBinary(32), false),
        Field::new("row", DataType::Int64, false),
        Field::new("time", timestamp(), true),
        Field::new("end_time", timestamp(), true),
        Field::new("file", DataType::Int32, false),
        Field::new("ordinal", DataType::Int64, false),
        Field::new("offset", DataType::Int64, false),
        Field::new("length", DataType::Int64, false),
        Field::new("part", DataType::Int32, false),
        Field::new("tokens_in", DataType::Int64, true),
        Field::new("tokens_out", DataType::Int64, true),
        Field::new("amount", amount(), true),
    ];
    fields.extend(
        TEXT_COLUMNS
            .iter()
            .map(|name| Field::new(*name, DataType::Utf8, true)),
    );
    fields.push(Field::new(
        "changes",
        DataType::List(Arc::new(Field::new(
            "item",
            DataType::Struct(change_fields()),
            true,
        ))),
        true,
    ));
    fields.push(Field::new(
        "attributes",
        DataType::Map(map_entries(), false),
        true,
    ));
    Arc::new(Schema::new(fields))
});

/// One row an event. `row` is its place in the batch (a part's number times 2^20 plus the place in
/// the part); `file` counts the files of the batch's custody manifest; `ordinal`, `offset` and
/// `length` say where the record lies in it; `part` counts the events of one record.
#[must_use]
pub fn events_schema() -> SchemaRef {
    Arc::clone(&EVENTS)
}

/// Names of the columns of the events table.
#[must_use]
pub fn event_columns() -> Vec<String> {
    EVENTS
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect()
}

/// One row a key of an event, sorted by kind and value: `(kind, value, original, row, time)`.
/// `original` is the spelling in the record where it differs from `value`.
#[must_use]
pub fn keys_schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        Arc::new(Schema::new(vec![
            Field::new("kind", DataType::Utf8, false),
            Field::new("value", DataType::Utf8, false),
            Field::new("original", DataType::Utf8, true),
            Field::new("row", DataType::Int64, false),
            Field::new("time", timestamp(), true),
        ]))
    });
    Arc::clone(&SCHEMA)
}

/// One row a text: the raw record (`content` = raw, byte for byte) and what was taken out of it
/// (UTF-8), by file, record and event part.
#[must_use]
pub fn contents_schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        Arc::new(Schema::new(vec![
            Field::new("file", DataType::Int32, false),
            Field::new("ordinal", DataType::Int64, false),
            Field::new("part", DataType::Int32, false),
            Field::new("content", DataType::Utf8, false),
            // A view, so that texts go to the encoder from where they lie in the dump.
            Field::new("value", DataType::BinaryView, false),
        ]))
    });
    Arc::clone(&SCHEMA)
}

/// One row a place that no reader understood.
#[must_use]
pub fn rejects_schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        Arc::new(Schema::new(vec![
            Field::new("file", DataType::Int32, false),
            Field::new("ordinal", DataType::Int64, false),
            Field::new("offset", DataType::Int64, false),
            Field::new("length", DataType::Int64, false),
            Field::new("reason", DataType::Utf8, false),
            Field::new("bytes", DataType::Binary, false),
        ]))
    });
    Arc::clone(&SCHEMA)
}

fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        // Level 1 writes twice as fast as level 3 for a tenth more bytes.
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::None)
        .set_created_by(concat!("trail ", env!("CARGO_PKG_VERSION")).to_owned())
}

/// How the events table is written: small pages, because few rows of it are read at a time.
pub(super) fn events_properties() -> WriterProperties {
    let mut builder = properties()
        // A question reads single pages of many columns: making a context of zstd for each costs it more
        // than Snappy's larger pages do.
        .set_compression(Compression::SNAPPY)
        // Pages are what is skipped; each group would only make the footer longer that every reading parses.
        .set_max_row_group_row_count(Some(PART_ROWS))
        .set_data_page_row_count_limit(2048)
        .set_write_batch_size(512)
        // Reading a few rows reads a whole dictionary first: columns of many values go without.
        .set_dictionary_page_size_limit(16 << 10);
    // They say which columns are empty too, which then need not be read.
    for name in TEXT_COLUMNS
        .iter()
        .chain(&["time", "end_time", "tokens_in", "tokens_out", "amount"])
        // Which records a part is of, so that those of a few are found.
        .chain(&["file", "ordinal"])
    {
        builder = builder
            .set_column_statistics_enabled(ColumnPath::from(*name), EnabledStatistics::Chunk);
    }
    for name in [
        "event_id", "row", "offset", "length", "end_time", "time", "ordinal",
    ] {
        builder = builder.set_column_dictionary_enabled(ColumnPath::from(name), false);
    }
    builder.build()
}

pub(super) fn keys_properties() -> WriterProperties {
    properties()
        .set_max_row_group_row_count(Some(32 << 10))
        .set_data_page_row_count_limit(2048)
        .set_write_batch_size(512)
        .set_column_statistics_enabled(ColumnPath::from("kind"), EnabledStatistics::Page)
        .set_column_statistics_enabled(ColumnPath::from("value"), EnabledStatistics::Page)
        // Sorted values share their beginnings with their neighbours.
        .set_column_dictionary_enabled(ColumnPath::from("value"), false)
        .set_column_encoding(ColumnPath::from("value"), Encoding::DELTA_BYTE_ARRAY)
        // Events of one key lie near each other: their differences are short, and leave little to compress.
        .set_column_dictionary_enabled(ColumnPath::from("row"), false)
        .set_column_encoding(ColumnPath::from("row"), Encoding::DELTA_BINARY_PACKED)
        .set_column_dictionary_enabled(ColumnPath::from("time"), false)
        .set_column_encoding(ColumnPath::from("time"), Encoding::DELTA_BINARY_PACKED)
        .build()
}

pub(super) fn contents_properties() -> WriterProperties {
    properties()
        .set_column_statistics_enabled(ColumnPath::from("file"), EnabledStatistics::Chunk)
        .set_column_statistics_enabled(ColumnPath::from("ordinal"), EnabledStatistics::Chunk)
        .set_column_dictionary_enabled(ColumnPath::from("value"), false)
        .set_column_dictionary_enabled(ColumnPath::from("ordinal"), false)
        .set_data_page_size_limit(256 << 10)
        .set_write_batch_size(64)
        .build()
}

pub(super) fn rejects_properties() -> WriterProperties {
    properties().build()
}
