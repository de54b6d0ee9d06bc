//! The derived tables, for any engine.

use std::fs;
use std::sync::{Arc, LazyLock};

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{
    ArrayRef, FixedSizeBinaryArray, Float64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow_buffer::Buffer;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::derived::CELLS;
use super::index::{LinkOf, Places, TaskIndex};
use super::make::Closed;
use crate::model::{Digest, KeyKind};
use crate::store::{Store, StoreError, scan_columns, side_by_side, write_in_pieces};

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
/// row for each event that a key joins to an earlier one), what is told of each cell, and the index.
pub(super) fn write(store: &Store, closed: &Closed) -> Result<(), StoreError> {
    let index = &closed.index;
    let ids = &ids(store)?;
    let root = &store.layout().root;
    for folder in ["tasks", "links"] {
        let path = root.join(folder);
        fs::create_dir_all(&path).map_err(StoreError::io("creating", path))?;
    }
    // There are more links than anything else: the rest is written beside them.
    let tasks_and_index = || {
        save(store, "tasks/tasks.parquet", &TASKS, |write| {
            tasks(index, ids, write)
        })?;
        let path = root.join(CELLS);
        write_in_pieces(&path, |out| {
            let mut cells = closed.cells.iter();
            cells
                .try_for_each(|cell| cell.put(out))
                .map_err(StoreError::io("writing", &path))
        })?;
        index.save(store)
    };
    std::thread::scope(|scope| {
        let others = scope.spawn(tasks_and_index);
        let links = save(store, "links/links.parquet", &LINKS, |write| {
            links(index, ids, write)
        });
        let others = match others.join() {
            Ok(others) => others,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        others.and(links)
    })
}

/// Bytes of the dictionary of a column.
const DICTIONARY: usize = 16 << 20;
/// Rows that are made together.
const ROWS: usize = 1 << 16;

/// Ids of all events, by their numbers.
fn ids(store: &Store) -> Result<Vec<Digest>, StoreError> {
    let places = Places::new(store);
    let files = places.files(store, "events");
    let parts = side_by_side(&files, |(_, path)| {
        let mut ids: Vec<Digest> = Vec::new();
        scan_columns::<StoreError>(path, Some(&["event_id"]), |table| {
            let column = table.column(0).as_fixed_size_binary();
            let id = |bytes: Option<&[u8]>| bytes.and_then(|bytes| bytes.try_into().ok());
            ids.extend(
                column
                    .iter()
                    .map(|bytes| Digest(id(bytes).unwrap_or([0; 32]))),
            );
            Ok(())
        })?;
        Ok::<_, StoreError>(ids)
    })?;
    Ok(parts.into_iter().flatten().collect())
}

type Write<'w> = &'w mut dyn FnMut(Vec<ArrayRef>) -> Result<(), StoreError>;

fn tasks(index: &TaskIndex, ids: &[Digest], write: Write<'_>) -> Result<(), StoreError> {
    for piece in index.in_order(ROWS) {
        let time = piece.members().map(|member| index.time(member));
        let time = TimestampMicrosecondArray::from_iter(time).with_timezone("UTC");
        write(vec![
            digests(piece.tasks().map(|task| index.id(task))),
            digests(piece.members().map(|member| ids[member as usize])),
            Arc::new(time),
        ])?;
    }
    Ok(())
}

fn links(index: &TaskIndex, ids: &[Digest], write: Write<'_>) -> Result<(), StoreError> {
    for piece in index.in_order(ROWS) {
        // Events lie anywhere: what is looked up for many of them at once is waited for once.
        let links: Vec<(u32, LinkOf)> = piece
            .members()
            .map(|member| (member, index.link_of(member)))
            .filter(|(_, link)| link.is_set())
            .collect();
        let of = |event: u32| ids[event as usize];
        let rules = links.iter().map(|(_, link)| match link.kind() {
            Some(KeyKind::Value) => "weighed",
            _ => "strong_key",
        });
        let kinds = links
            .iter()
            .map(|(_, link)| link.kind().map_or("", KeyKind::as_str));
        let mut values = StringBuilder::new();
        let (mut last, mut value) = (None, String::new());
        for (_, link) in &links {
            // Those that one value joins follow each other.
            if last.replace(link.value) != Some(link.value) {
                value = index.value(*link).unwrap_or_default();
            }
            values.append_value(&value);
        }
        let probabilities = links.iter().map(|(_, link)| link.probability());
        write(vec![
            digests(links.iter().map(|(_, link)| of(link.cause))),
            digests(links.iter().map(|(effect, _)| of(*effect))),
            Arc::new(StringArray::from_iter_values(rules)),
            Arc::new(StringArray::from_iter_values(kinds)),
            Arc::new(values.finish()),
            Arc::new(Float64Array::from_iter_values(probabilities)),
        ])?;
    }
    Ok(())
}

fn digests(all: impl Iterator<Item = Digest>) -> ArrayRef {
    let all: Vec<[u8; 32]> = all.map(|digest| digest.0).collect();
    let bytes = Buffer::from_vec(all.into_flattened());
    Arc::new(FixedSizeBinaryArray::new(32, bytes, None))
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
    // values, are of several events each, and fill more than the usual megabyte. The least and the greatest of many ids leave
    // none out.
    let mut properties = WriterProperties::builder();
    for id in ["event", "effect", "cause"] {
        let column = ColumnPath::from(id);
        properties = properties
            .set_column_statistics_enabled(column.clone(), EnabledStatistics::None)
            .set_column_dictionary_enabled(column, id == "cause");
    }
    let properties = properties
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
