//! The derived tables, for any engine.

use std::fs;
use std::sync::{Arc, LazyLock};

use arrow_array::builder::{
    FixedSizeBinaryBuilder, Float64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;

use super::index::TaskIndex;
use crate::model::{Digest, KeyKind};
use crate::store::{Store, StoreError, write_atomically};

static TASKS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("task", DataType::FixedSizeBinary(32), false),
        Field::new("event", DataType::FixedSizeBinary(32), false),
        Field::new("time", time, true),
    ]))
});

static LINKS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("cause", DataType::FixedSizeBinary(32), false),
        Field::new("effect", DataType::FixedSizeBinary(32), false),
        Field::new("rule", DataType::Utf8, false),
        Field::new("key_kind", DataType::Utf8, false),
        Field::new("key_value", DataType::Utf8, false),
        Field::new("probability", DataType::Float64, false),
    ]))
});

/// Writes `tasks/tasks.parquet` (task, event, time it is ordered by) and `links/links.parquet` (one
/// row for each event that a key joins to an earlier one), then the index that makes them valid.
pub(super) fn write(store: &Store, index: &TaskIndex, ids: &[Digest]) -> Result<(), StoreError> {
    let root = &store.layout().root;
    for folder in ["tasks", "links"] {
        let path = root.join(folder);
        fs::create_dir_all(&path).map_err(StoreError::io("creating", path))?;
    }
    let mut task = FixedSizeBinaryBuilder::new(32);
    let mut event = FixedSizeBinaryBuilder::new(32);
    let mut time = TimestampMicrosecondBuilder::new().with_timezone("UTC");
    for number in 0..index.len() {
        for member in index.members(number) {
            task.append_value(index.id(number).0)?;
            event.append_value(ids[member as usize].0)?;
            time.append_option(index.time(member));
        }
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(task.finish()),
        Arc::new(event.finish()),
        Arc::new(time.finish()),
    ];
    save(
        store,
        "tasks/tasks.parquet",
        RecordBatch::try_new(Arc::clone(&TASKS), columns)?,
    )?;
    save(store, "links/links.parquet", links(index, ids)?)?;
    index.save(store)
}

fn links(index: &TaskIndex, ids: &[Digest]) -> Result<RecordBatch, StoreError> {
    let (mut cause, mut effect) = (
        FixedSizeBinaryBuilder::new(32),
        FixedSizeBinaryBuilder::new(32),
    );
    let (mut rule, mut kind, mut value) = (
        StringBuilder::new(),
        StringBuilder::new(),
        StringBuilder::new(),
    );
    let mut probability = Float64Builder::new();
    for task in 0..index.len() {
        for member in index.members(task) {
            let Some(link) = index.link(member) else {
                continue;
            };
            cause.append_value(ids[link.cause as usize].0)?;
            effect.append_value(ids[member as usize].0)?;
            rule.append_value(if link.kind == KeyKind::Value {
                "weighed"
            } else {
                "strong_key"
            });
            kind.append_value(link.kind.as_str());
            value.append_value(&link.value);
            probability.append_value(link.probability);
        }
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(cause.finish()),
        Arc::new(effect.finish()),
        Arc::new(rule.finish()),
        Arc::new(kind.finish()),
        Arc::new(value.finish()),
        Arc::new(probability.finish()),
    ];
    Ok(RecordBatch::try_new(Arc::clone(&LINKS), columns)?)
}

fn save(store: &Store, name: &str, table: RecordBatch) -> Result<(), StoreError> {
    let path = store.layout().root.join(name);
    let mut writer = ArrowWriter::try_new(Vec::new(), table.schema(), None)
        .map_err(StoreError::parquet(&path))?;
    writer.write(&table).map_err(StoreError::parquet(&path))?;
    let bytes = writer.into_inner().map_err(StoreError::parquet(&path))?;
    write_atomically(&path, &bytes)
}
