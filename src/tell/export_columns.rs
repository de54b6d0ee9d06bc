//! Events as columns: Parquet, and Arrow IPC files.

use std::io::Write;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_ipc::writer::FileWriter;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;

use super::ExportError;
use crate::stitch::TaskIndex;
use crate::store::{EventTable, Store, StoreError, events_schema, read_events, scan_part};

/// Where columns go.
enum To<'o> {
    Parquet(Box<ArrowWriter<&'o mut (dyn Write + Send)>>),
    Ipc(Box<FileWriter<&'o mut (dyn Write + Send)>>),
}

/// Writes events in the schema of the events table, with the id of their task behind it, as a Parquet or
/// Arrow IPC file. Gives the number of events.
///
/// # Errors
/// The store cannot be read, or the output not be written.
pub fn export_columns(
    store: &Store,
    index: &TaskIndex,
    task: Option<usize>,
    parquet: bool,
    out: &mut (dyn Write + Send),
) -> Result<usize, ExportError> {
    let failed = |error: &dyn std::fmt::Display| std::io::Error::other(error.to_string());
    let schema = schema();
    let mut to = if parquet {
        let writer = ArrowWriter::try_new(out, Arc::clone(&schema), None);
        To::Parquet(Box::new(writer.map_err(|error| failed(&error))?))
    } else {
        let writer = FileWriter::try_new(out, &schema);
        To::Ipc(Box::new(writer.map_err(|error| failed(&error))?))
    };
    let mut count = 0;
    let mut write = |table: &EventTable| -> Result<(), ExportError> {
        let batch = with_tasks(table, index, &schema)?;
        count += batch.num_rows();
        match &mut to {
            To::Parquet(writer) => writer.write(&batch).map_err(|error| failed(&error))?,
            To::Ipc(writer) => writer.write(&batch).map_err(|error| failed(&error))?,
        }
        Ok(())
    };
    match task {
        Some(task) => {
            for table in read_events(store, &index.places(task))?.tables() {
                write(table)?;
            }
        }
        None => {
            for (batch, custody) in store.batches().iter().enumerate() {
                for path in store.parts("events", custody) {
                    scan_part::<ExportError>(store, &path, batch, &mut write)?;
                }
            }
        }
    }
    index.check()?;
    match to {
        To::Parquet(writer) => {
            writer.close().map_err(|error| failed(&error))?;
        }
        To::Ipc(mut writer) => writer.finish().map_err(|error| failed(&error))?,
    }
    Ok(count)
}

fn schema() -> SchemaRef {
    let mut fields: Vec<Arc<Field>> = events_schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("task", DataType::Utf8, true)));
    Arc::new(Schema::new(fields))
}

fn with_tasks(
    table: &EventTable,
    index: &TaskIndex,
    schema: &SchemaRef,
) -> Result<RecordBatch, StoreError> {
    let task = |row: usize| index.task_at(table.view(row).place());
    let tasks: StringArray = (0..table.len())
        .map(|row| task(row).map(|task| index.id(task).to_string()))
        .collect();
    debug_assert_eq!(tasks.len(), table.len());
    let mut columns: Vec<ArrayRef> = table.columns().to_vec();
    columns.push(Arc::new(tasks));
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}
