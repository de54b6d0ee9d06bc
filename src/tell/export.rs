//! Tables for other programs: which record is in which task, and what caused what.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};

use super::export_events::ExportError;
use super::safe::csv_cell;
use crate::stitch::TaskIndex;
use crate::store::{
    CustodyFile, EventRef, Extent, PART_BITS, Store, StoreError, read_events, scan_columns,
    side_by_side,
};

fn csv_row<const N: usize>(cells: [&str; N]) -> String {
    cells.map(csv_cell).join(",") + "\n"
}

/// Events read together.
const AT_ONCE: usize = 200_000;

/// File, and record in it.
type Record = (String, i64);

/// File and record of each event, in the order asked for.
fn records_of(store: &Store, places: &[EventRef]) -> Result<Vec<Record>, StoreError> {
    let mut out = Vec::with_capacity(places.len());
    for places in places.chunks(AT_ONCE) {
        for event in read_events(store, places)?.iter() {
            let batch = store.batches().get(event.place().batch);
            let file = batch.and_then(|batch| batch.files.get(usize::try_from(event.file()).ok()?));
            let name = file.map_or_else(|| "?".to_owned(), CustodyFile::display_path);
            out.push((name, event.ordinal()));
        }
    }
    Ok(out)
}

/// Writes `file,record,task`: one row a record, with the task of its first event, by the names of files and the
/// numbers of records.
///
/// # Errors
/// The store cannot be read, or the table not be written.
pub fn export_tasks(
    store: &Store,
    index: &TaskIndex,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    // Of the files of one name, which may be of several batches, the parts with events of them.
    let mut files: BTreeMap<String, Vec<(usize, i32)>> = BTreeMap::new();
    let mut parts: Vec<(usize, i64, PathBuf, Extent)> = Vec::new();
    for (batch, custody) in store.batches().iter().enumerate() {
        for (file, of_batch) in (0..).zip(&custody.files) {
            let same_name = files.entry(of_batch.display_path()).or_default();
            same_name.push((batch, file));
        }
        for (number, path) in (0..).zip(store.parts("events", custody)) {
            let extent = Extent::of(&path)?;
            parts.push((batch, number, path, extent));
        }
    }
    out.write_all(b"file,record,task\n")?;
    for (name, files) in files {
        let of_files = |(batch, _, _, extent): &&(usize, i64, PathBuf, Extent)| {
            let [first, last] = extent.records.map(|(file, _)| file);
            let mut files = files.iter();
            files.any(|(of, file)| of == batch && (first..=last).contains(file))
        };
        let parts: Vec<_> = parts.iter().filter(of_files).collect();
        let read = side_by_side(&parts, |(batch, number, path, _)| {
            let mut records: Vec<(i64, i32, u32)> = Vec::new();
            let mut row = *number << PART_BITS;
            scan_columns::<StoreError>(path, Some(&["file", "ordinal", "part"]), |table| {
                let of_file = table.column(0).as_primitive::<Int32Type>();
                let ordinals = table.column(1).as_primitive::<Int64Type>();
                let of_record = table.column(2).as_primitive::<Int32Type>();
                for at in 0..table.num_rows() {
                    let place = EventRef { batch: *batch, row };
                    row += 1;
                    if files.contains(&(*batch, of_file.value(at)))
                        && let Some(task) = index.task_at(place)
                    {
                        let task = u32::try_from(task).unwrap_or(u32::MAX);
                        records.push((ordinals.value(at), of_record.value(at), task));
                    }
                }
                Ok(())
            })?;
            Ok::<_, StoreError>(records)
        })?;
        let mut records: Vec<(i64, i32, u32)> = read.into_iter().flatten().collect();
        records.sort_unstable();
        records.dedup_by_key(|(record, ..)| *record);
        let name = csv_cell(&name);
        for (record, _, task) in records {
            writeln!(out, "{name},{record},{}", index.id(task as usize))?;
        }
    }
    index.check()?;
    Ok(())
}

/// `cause_file,cause_record,effect_file,effect_record,probability`: for each change that a tool call
/// caused, as far as the evidence shows.
///
/// # Errors
/// The store cannot be read.
pub fn export_causes(store: &Store, index: &TaskIndex) -> Result<String, StoreError> {
    let causes = index.causes();
    let places: Vec<EventRef> = causes
        .iter()
        .flat_map(|cause| [index.place(cause.cause), index.place(cause.effect)])
        .collect();
    let records = records_of(store, &places)?;
    let mut rows: BTreeMap<(&Record, &Record), f64> = BTreeMap::new();
    for (cause, pair) in causes.iter().zip(records.chunks_exact(2)) {
        let row = rows.entry((&pair[1], &pair[0])).or_insert(0.0);
        *row = row.max(cause.probability);
    }
    let mut out = "cause_file,cause_record,effect_file,effect_record,probability\n".to_owned();
    for ((effect, cause), probability) in rows {
        out.push_str(&csv_row([
            cause.0.as_str(),
            &cause.1.to_string(),
            &effect.0,
            &effect.1.to_string(),
            &format!("{probability:.4}"),
        ]));
    }
    Ok(out)
}
