//! Conditions on fields. Those on columns of texts are looked at once a value and not once a row.

use std::collections::BTreeMap;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, RecordBatch};

use super::SearchRequest;
use crate::check::{Record, column_of};
use crate::store::{
    Coded, Col, EventRef, EventView, PART_BITS, Store, StoreError, may_have, scan_coded,
    scan_part_columns,
};
use crate::tell::conditions::{is_of_source, is_within};

/// The events that fit, with their times, and numbers of them by the value that is counted by.
#[derive(Default)]
pub(super) struct Fitting {
    pub events: Vec<(Option<i64>, EventRef)>,
    pub counts: BTreeMap<String, usize>,
}

impl Fitting {
    /// What stands for an event without the value that is counted by.
    pub const NONE: &'static str = "–";

    pub(super) fn count(&mut self, value: &str, events: usize) {
        match self.counts.get_mut(value) {
            Some(count) => *count += events,
            None => {
                self.counts.insert(value.to_owned(), events);
            }
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.events.extend(other.events);
        for (value, events) in other.counts {
            *self.counts.entry(value).or_default() += events;
        }
    }
}

/// Whether a request asks nothing but the time and columns of texts as they are stored.
pub(super) fn is_by_columns(store: &Store, request: &SearchRequest) -> bool {
    let fields = request.fields.iter().map(|(name, _)| name);
    let mut columns = fields.chain(&request.by);
    !store.access().is_protected() && columns.all(|name| Col::from_name(name).is_some())
}

/// A condition on the value of a column.
type Condition<'r> = (&'r str, Box<dyn Fn(&str) -> bool + 'r>);

fn conditions(request: &SearchRequest) -> Vec<Condition<'_>> {
    let mut all: Vec<Condition<'_>> = Vec::new();
    if !request.kinds.is_empty() {
        let kinds = &request.kinds;
        let one = move |value: &str| kinds.iter().any(|kind| kind.as_str() == value);
        all.push((Col::Kind.name(), Box::new(one)));
    }
    if !request.sources.is_empty() {
        let sources = &request.sources;
        let one = move |value: &str| sources.iter().any(|want| is_of_source(value, want));
        all.push((Col::Source.name(), Box::new(one)));
    }
    for (name, want) in &request.fields {
        all.push((name, Box::new(move |value| equal(value, want))));
    }
    all
}

fn place(table: &RecordBatch, column: &str) -> usize {
    table.schema().index_of(column).unwrap_or(0)
}

/// The events of a part that fit. Columns of conditions are read first: most parts have no event that fits.
pub(super) fn find_in_columns(
    path: &Path,
    batch: usize,
    part: i64,
    request: &SearchRequest,
) -> Result<Fitting, StoreError> {
    let conditions = conditions(request);
    let mut names: Vec<&str> = conditions.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    // Rows that fit, by the tables in which the part is read.
    let mut fitting: Option<Vec<bool>> = None;
    if !names.is_empty() {
        let mut rows: Vec<bool> = Vec::new();
        scan_coded::<StoreError>(path, &names, |table| {
            let start = rows.len();
            rows.resize(start + table.num_rows(), true);
            for (name, holds) in &conditions {
                let values = Coded::of(&table, place(&table, name));
                let fit: Vec<bool> = (0..values.values())
                    .map(|code| holds(values.value(code)))
                    .collect();
                for (row, fits) in rows[start..].iter_mut().enumerate() {
                    *fits &= values.code(row).is_some_and(|code| fit[code]);
                }
            }
            Ok(())
        })?;
        if !rows.contains(&true) {
            return Ok(Fitting::default());
        }
        fitting = Some(rows);
    }
    let mut found = Fitting::default();
    let mut row = 0usize;
    let columns: Vec<&str> = ["time"].into_iter().chain(request.by.as_deref()).collect();
    scan_coded::<StoreError>(path, &columns, |table| {
        let times = table.column(place(&table, "time"));
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let by = request.by.as_deref();
        let by = by.map(|name| Coded::of(&table, place(&table, name)));
        // The last one is for events without a value.
        let mut counts = vec![0usize; by.as_ref().map_or(0, Coded::values) + 1];
        let none = counts.len() - 1;
        for at in 0..table.num_rows() {
            let number = row + at;
            if fitting.as_ref().is_some_and(|rows| !rows[number]) {
                continue;
            }
            let time = times.is_valid(at).then(|| times.value(at));
            if !is_within(time, request.since, request.until) {
                continue;
            }
            let row = (part << PART_BITS) + i64::try_from(number).unwrap_or(0);
            found.events.push((time, EventRef { batch, row }));
            if let Some(by) = &by {
                counts[by.code(at).unwrap_or(none)] += 1;
            }
        }
        if let Some(by) = &by {
            for (code, events) in counts.into_iter().enumerate().filter(|(_, n)| *n > 0) {
                let value = if code == none {
                    Fitting::NONE
                } else {
                    by.value(code)
                };
                found.count(value, events);
            }
        }
        row += table.num_rows();
        Ok(())
    })?;
    Ok(found)
}

/// The events of a part that fit, looked at one by one.
pub(super) fn find_events(
    store: &Store,
    path: &Path,
    batch: usize,
    request: &SearchRequest,
) -> Result<Fitting, StoreError> {
    let mut names = vec!["time", "kind", "source"];
    for field in request
        .fields
        .iter()
        .map(|(name, _)| name)
        .chain(&request.by)
    {
        names.push(column_of(field));
    }
    let mut found = Fitting::default();
    // Most parts have no value of a field that few formats have.
    for (name, _) in &request.fields {
        if !may_have(path, column_of(name), name)? {
            return Ok(found);
        }
    }
    scan_part_columns::<StoreError>(store, path, batch, &names, |table| {
        for row in 0..table.len() {
            let event = table.view(row);
            if fits(&event, request) {
                found.events.push((event.time(), event.place()));
                if let Some(field) = &request.by {
                    let value = event.field(field);
                    found.count(value.as_deref().unwrap_or(Fitting::NONE), 1);
                }
            }
        }
        Ok(())
    })?;
    Ok(found)
}

fn fits(event: &EventView<'_>, request: &SearchRequest) -> bool {
    let text = |column| event.text(column).unwrap_or_default();
    is_within(event.time(), request.since, request.until)
        && (request.kinds.is_empty()
            || request
                .kinds
                .iter()
                .any(|kind| kind.as_str() == text(Col::Kind)))
        && (request.sources.is_empty()
            || request
                .sources
                .iter()
                .any(|want| is_of_source(text(Col::Source), want)))
        && request
            .fields
            .iter()
            .all(|(name, want)| event.field(name).is_some_and(|have| equal(&have, want)))
}

/// Whether a value is the wanted one, or begins as it does where it ends in `*`; case does not count.
fn equal(have: &str, want: &str) -> bool {
    let (have, want) = (have.to_lowercase(), want.to_lowercase());
    match want.strip_suffix('*') {
        Some(beginning) => have.starts_with(beginning),
        None => have == want,
    }
}
