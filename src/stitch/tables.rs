//! The derived tables, for any engine.

use std::fs;
use std::sync::{Arc, LazyLock};

use arrow_array::builder::ArrayBuilder;
use arrow_array::builder::{
    FixedSizeBinaryBuilder, Float64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use super::closure::Closed;
use super::derived::CELLS;
use super::index::TaskIndex;
use crate::model::{Digest, KeyKind};
use crate::store::{Store, StoreError, write_in_pieces};

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
/// row for each event that a key joins to an earlier one), what is told of each cell, then the index that makes
/// them valid.
pub(super) fn write(store: &Store, closed: &Closed) -> Result<(), StoreError> {
    let (index, ids) = (&closed.index, &closed.ids);
    let root = &store.layout().root;
    for folder in ["tasks", "links"] {
        let path = root.join(folder);
        fs::create_dir_all(&path).map_err(StoreError::io("creating", path))?;
    }
    let tasks = || {
        save(store, "tasks/tasks.parquet", &TASKS, |write| {
            tasks(index, ids, write)
        })
    };
    let links = || {
        save(store, "links/links.parquet", &LINKS, |write| {
            links(index, ids, write)
        })
    };
    let (tasks, links) = std::thread::scope(|scope| {
        let tasks = scope.spawn(tasks);
        let links = links();
        (tasks.join(), links)
    });
    match tasks {
        Ok(tasks) => tasks?,
        Err(panic) => std::panic::resume_unwind(panic),
    }
    links?;
    let path = root.join(CELLS);
    write_in_pieces(&path, |out| {
        let mut cells = closed.cells.iter();
        cells
            .try_for_each(|cell| cell.put(out))
            .map_err(StoreError::io("writing", &path))
    })?;
    index.save(store)
}

/// Bytes of the dictionary of a column.
const DICTIONARY: usize = 16 << 20;
/// Rows that are made together.
const ROWS: usize = 1 << 16;

type Write<'w> = &'w mut dyn FnMut(Vec<ArrayRef>) -> Result<(), StoreError>;

fn tasks(index: &TaskIndex, ids: &[Digest], write: Write<'_>) -> Result<(), StoreError> {
    let new = || {
        (
            FixedSizeBinaryBuilder::with_capacity(ROWS, 32),
            FixedSizeBinaryBuilder::with_capacity(ROWS, 32),
            TimestampMicrosecondBuilder::new().with_timezone("UTC"),
        )
    };
    let (mut task, mut event, mut time) = new();
    let all = (0..index.len()).flat_map(|task| {
        let members = index.members(task).into_iter();
        members.map(move |member| (task, member))
    });
    let mut all = all.peekable();
    while let Some((number, member)) = all.next() {
        task.append_value(index.id(number).0)?;
        event.append_value(ids[member as usize].0)?;
        time.append_option(index.time(member));
        if task.len() == ROWS || all.peek().is_none() {
            write(vec![
                Arc::new(task.finish()),
                Arc::new(event.finish()),
                Arc::new(time.finish()),
            ])?;
            (task, event, time) = new();
        }
    }
    Ok(())
}

fn links(index: &TaskIndex, ids: &[Digest], write: Write<'_>) -> Result<(), StoreError> {
    let new = || {
        (
            [(); 2].map(|()| FixedSizeBinaryBuilder::with_capacity(ROWS, 32)),
            [(); 3].map(|()| StringBuilder::new()),
            Float64Builder::new(),
        )
    };
    let ([mut cause, mut effect], [mut rule, mut kind, mut value], mut probability) = new();
    let all = (0..index.len()).flat_map(|task| index.members(task));
    let mut all = all
        .filter_map(|member| Some((member, index.link(member)?)))
        .peekable();
    while let Some((member, link)) = all.next() {
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
        if cause.len() == ROWS || all.peek().is_none() {
            write(vec![
                Arc::new(cause.finish()),
                Arc::new(effect.finish()),
                Arc::new(rule.finish()),
                Arc::new(kind.finish()),
                Arc::new(value.finish()),
                Arc::new(probability.finish()),
            ])?;
            ([cause, effect], [rule, kind, value], probability) = new();
        }
    }
    Ok(())
}

/// Writes a table whose rows come in pieces.
fn save(
    store: &Store,
    name: &str,
    schema: &SchemaRef,
    rows: impl FnOnce(Write<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let path = store.layout().root.join(name);
    let failed = || StoreError::parquet(&path);
    // Ids of events are all different: a dictionary of them would be given up after it was made. Those of tasks and causes, and
    // values, are of several events each, and fill more than the usual megabyte.
    let properties = ["event", "effect"]
        .into_iter()
        .fold(WriterProperties::builder(), |properties, id| {
            properties.set_column_dictionary_enabled(ColumnPath::from(id), false)
        })
        .set_dictionary_page_size_limit(DICTIONARY)
        .set_max_row_group_row_count(Some(1 << 20))
        .build();
    write_in_pieces(&path, |out| {
        let writer = ArrowWriter::try_new(out, Arc::clone(schema), Some(properties));
        let mut writer = writer.map_err(failed())?;
        rows(&mut |columns| {
            let table = RecordBatch::try_new(Arc::clone(schema), columns)?;
            writer.write(&table).map_err(failed())
        })?;
        writer.close().map_err(failed())?;
        Ok(())
    })
}
