//! Tables for other programs: which record is in which task, and what caused what.

use std::collections::BTreeMap;

use crate::stitch::TaskIndex;
use crate::store::{CustodyFile, EventRef, Store, StoreError, read_events};
use crate::tell::safe::csv_cell;

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

/// `file,record,task`: one row a record, with the task of its first event.
///
/// # Errors
/// The store cannot be read.
pub fn export_tasks(store: &Store, index: &TaskIndex) -> Result<String, StoreError> {
    let mut rows: BTreeMap<Record, String> = BTreeMap::new();
    for start in (0..index.len()).step_by(AT_ONCE) {
        let tasks = start..index.len().min(start + AT_ONCE);
        let places: Vec<EventRef> = tasks
            .clone()
            .flat_map(|task| index.members(task))
            .map(|event| index.place(event))
            .collect();
        let mut records = records_of(store, &places)?.into_iter();
        for task in tasks {
            let id = index.id(task).to_string();
            for record in records.by_ref().take(index.size(task)) {
                rows.entry(record).or_insert_with(|| id.clone());
            }
        }
    }
    let mut out = "file,record,task\n".to_owned();
    for ((file, record), task) in rows {
        out.push_str(&csv_row([file.as_str(), &record.to_string(), &task]));
    }
    Ok(out)
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
