//! When events were, and what decides their order: all that joining by ids and making tasks need to know of them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};

use super::ties::{self, Across, Placed, Ties};
use super::{Clocks, joined, text};
use crate::model::{Digest, Kind};
use crate::stitch::index::{Among, Numbered, Places};
use crate::stitch::keys::head;
use crate::store::{CustodyFile, Store, StoreError, scan_columns, side_by_side};

/// No time.
const NONE: i64 = i64::MAX;

/// Times and kinds of events, and what decides between those of one time.
#[derive(Default)]
pub(in crate::stitch) struct Order {
    /// Microseconds since 1970-01-01 UTC; [`NONE`] for none.
    times: Arc<Vec<i64>>,
    steps: Vec<Step>,
    /// Dump, ordinal and part decide between equal times, behind the causal rank of the kind.
    ties: Ties,
    /// The source that stands for each format: of several, the first one by name.
    pub sources: BTreeMap<String, String>,
}

/// What is read of a part.
#[derive(Default)]
struct OfPart {
    times: Vec<i64>,
    steps: Vec<Step>,
    ties: ties::OfPart,
    sources: BTreeMap<String, String>,
    /// What the record that was read last says was given to a model, as far as no answer of it has come: by their places here.
    given: Given,
}

/// Dump, ordinal and time of a record, and the places of those of its events that a model was given with it.
#[derive(Default)]
struct Given {
    of: (u32, i64, i64),
    events: Vec<usize>,
}

/// What kind of step an event is, and whether the same record tells behind it, at the same time, of the model's answer: results of
/// tools and approvals that a model was given come before what it made of them.
#[derive(Clone, Copy)]
struct Step(u8);

impl Step {
    /// Set where the model was given it.
    const GIVEN: u8 = 0x80;

    fn of(kind: Kind) -> Self {
        Self(kind as u8)
    }

    fn kind(self) -> Kind {
        let at = usize::from(self.0 & !Self::GIVEN);
        Kind::ALL.get(at).copied().unwrap_or(Kind::Other)
    }

    fn is_given(self) -> bool {
        self.0 & Self::GIVEN != 0
    }

    /// Place in a causal chain.
    fn rank(self) -> u8 {
        match self.is_given() {
            true => Kind::Inference.causal_rank(),
            false => self.kind().causal_rank(),
        }
    }
}

const COLUMNS: [&str; 7] = [
    "time", "file", "ordinal", "part", "source", "format", "kind",
];

/// A dump, or what was in one, by its digest.
fn dump_name(file: &CustodyFile) -> String {
    let member = file.member.as_deref().unwrap_or_default();
    format!("{}!{member}", file.sha256)
}

/// The number of each file of each batch, in the order of the store; sorted, so that a dump's number does not depend on the order
/// of ingest. Records of one time are in the order of their dumps.
#[must_use]
pub fn dumps(store: &Store) -> Vec<Vec<u32>> {
    let files = store.batches().iter().flat_map(|batch| &batch.files);
    let mut names: Vec<String> = files.map(dump_name).collect();
    names.sort_unstable();
    names.dedup();
    let number = |file: &CustodyFile| {
        let at = names.binary_search(&dump_name(file));
        u32::try_from(at.unwrap_or(usize::MAX)).unwrap_or(u32::MAX)
    };
    let of_batch = |files: &[CustodyFile]| files.iter().map(number).collect();
    let batches = store.batches().iter();
    batches.map(|batch| of_batch(&batch.files)).collect()
}

impl Order {
    /// Reads it of the events that have a number.
    ///
    /// # Errors
    /// A part cannot be read, or has not the events that its manifest says.
    pub fn read(store: &Store, places: &Places) -> Result<Self, StoreError> {
        let dumps = dumps(store);
        let clocks = Clocks::read(store, places)?;
        let files = places.files(store, "events");
        let mut parts = side_by_side(&files, |(part, path)| {
            let read = Self::of_part(path, &dumps[part.batch], &clocks, part.events.clone())?;
            part.check(path, read.times.len())?;
            Ok::<_, StoreError>(read)
        })?;
        let mut sources: BTreeMap<String, String> = BTreeMap::new();
        for (format, source) in parts
            .iter_mut()
            .flat_map(|part| std::mem::take(&mut part.sources))
        {
            add_source(&mut sources, format, source);
        }
        let of = &mut parts;
        let times = joined(of, |part| &mut part.times);
        let steps = joined(of, |part| &mut part.steps);
        let of_parts = files.iter().zip(of.iter_mut());
        let of_parts =
            of_parts.map(|((part, _), of)| (part.events.start, std::mem::take(&mut of.ties)));
        let (mut ties, across) = Ties::of(of_parts.collect());
        if let Some(across) = across {
            ties.set_across(read_places(&files, across)?);
        }
        Ok(Self {
            times: Arc::new(times),
            steps,
            ties,
            sources,
        })
    }

    fn of_part(
        path: &Path,
        dumps: &[u32],
        clocks: &Clocks,
        mut events: Range<u32>,
    ) -> Result<OfPart, StoreError> {
        let mut part = OfPart {
            times: Vec::with_capacity(events.len()),
            steps: Vec::with_capacity(events.len()),
            ..OfPart::default()
        };
        scan_columns::<StoreError>(path, Some(&COLUMNS), |table| {
            part.add(&table, dumps, clocks, &mut events);
            Ok(())
        })?;
        Ok(part)
    }

    /// The same of some of the events.
    pub fn some(&self, among: &Among) -> Self {
        fn of<T: Copy>(all: &[T], among: &Among) -> Vec<T> {
            let parts = among.ranges();
            let parts: Vec<&[T]> = parts
                .map(|(there, _)| &all[there.start as usize..there.end as usize])
                .collect();
            parts.concat()
        }
        Self {
            times: Arc::new(of(&self.times, among)),
            steps: of(&self.steps, among),
            ties: self.ties.some(among),
            sources: self.sources.clone(),
        }
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Kind of an event.
    pub fn kind(&self, event: u32) -> Kind {
        self.steps[event as usize].kind()
    }

    /// Time of an event.
    pub fn time(&self, event: u32) -> Option<i64> {
        Some(self.time_or_last(event)).filter(|time| *time != NONE)
    }

    /// The same; `i64::MAX` for none, which is later than all.
    pub fn time_or_last(&self, event: u32) -> i64 {
        self.times[event as usize]
    }

    /// All of them, with `i64::MAX` for none.
    pub fn times(&self) -> &Arc<Vec<i64>> {
        &self.times
    }

    /// Says when events were.
    pub fn set_times(&mut self, times: Vec<i64>) {
        self.times = Arc::new(times);
    }

    /// Says when some of them were.
    pub fn set_some_times(&mut self, some: impl IntoIterator<Item = (u32, i64)>) {
        let times = Arc::make_mut(&mut self.times);
        for (event, time) in some {
            times[event as usize] = time;
        }
    }

    /// Events in their order. Mostly their times decide, and nothing else is looked at; else what a model was given with its
    /// request comes with its answer, just before that, and the causal rank of kinds decides.
    pub fn compare(&self, a: u32, b: u32) -> std::cmp::Ordering {
        let time = |event: u32| self.times[event as usize];
        let rank = |event: u32| self.steps[event as usize].rank();
        time(a)
            .cmp(&time(b))
            .then_with(|| rank(a).cmp(&rank(b)))
            .then_with(|| self.ties.compare(a, b))
    }
}

impl OfPart {
    /// Adds an event of a record, which is known by its dump, its ordinal and the event's time.
    fn add_step(&mut self, kind: Kind, of: (u32, i64, i64)) {
        let given = &mut self.given;
        if given.of != of {
            given.of = of;
            given.events.clear();
        }
        match kind {
            Kind::ToolResult | Kind::Approval | Kind::Rejection => {
                given.events.push(self.steps.len());
            }
            Kind::Inference => {
                for event in given.events.drain(..) {
                    self.steps[event].0 |= Step::GIVEN;
                }
            }
            _ => {}
        }
        self.steps.push(Step::of(kind));
    }

    fn add(
        &mut self,
        table: &RecordBatch,
        dumps: &[u32],
        clocks: &Clocks,
        events: &mut impl Iterator<Item = u32>,
    ) {
        let times = table.column(0).as_primitive::<TimestampMicrosecondType>();
        let files = table.column(1).as_primitive::<Int32Type>();
        let ordinals = table.column(2).as_primitive::<Int64Type>();
        let parts = table.column(3).as_primitive::<Int32Type>();
        let texts = |column: usize| table.column(column).as_string::<i32>();
        let (sources, formats, kinds) = (texts(4), texts(5), texts(6));
        self.times
            .extend(times.iter().map(|time| time.unwrap_or(NONE)));
        let mut last = None;
        for (row, event) in (0..table.num_rows()).zip(events) {
            let file = usize::try_from(files.value(row)).unwrap_or(usize::MAX);
            let dump = dumps.get(file).copied().unwrap_or(u32::MAX);
            let place = (ordinals.value(row), parts.value(row));
            let time = (!times.is_null(row)).then(|| times.value(row));
            self.ties.add(dump, (time, place));
            let kind = Kind::from_name(kinds.value(row)).unwrap_or(Kind::Other);
            self.add_step(kind, (dump, place.0, time.unwrap_or(NONE)));
            // That of the row before, mostly.
            let of = (
                text(formats, row),
                clocks.of(event as usize),
                text(sources, row),
            );
            if last.replace(of) != Some(of) {
                let format = Clocks::format(of.0, of.1);
                add_source(&mut self.sources, format, of.2.to_owned());
            }
        }
    }
}

/// Reads where the records of some events lie, and the first eight bytes of their ids.
fn read_places(files: &[(Numbered, PathBuf)], across: Across) -> Result<Vec<Placed>, StoreError> {
    let mut wanted: Vec<(&(Numbered, PathBuf), Vec<bool>)> = files.iter().zip(across).collect();
    wanted.retain(|(_, across)| across.contains(&true));
    let of_parts = side_by_side(&wanted, |((part, path), across)| {
        let mut found = Vec::new();
        let mut events = part.events.clone().zip(across);
        scan_columns::<StoreError>(path, Some(&["event_id", "ordinal", "part"]), |table| {
            let ids = table.column(0).as_fixed_size_binary();
            let ordinals = table.column(1).as_primitive::<Int64Type>();
            let parts = table.column(2).as_primitive::<Int32Type>();
            for (row, (event, is_wanted)) in (0..table.num_rows()).zip(events.by_ref()) {
                if *is_wanted {
                    let place = (ordinals.value(row), parts.value(row));
                    found.push((event, (place, head(ids.value(row)))));
                }
            }
            Ok(())
        })?;
        Ok::<_, StoreError>(found)
    })?;
    Ok(of_parts.into_iter().flatten().collect())
}

/// The least id of the events of each of so many groups. `group_of` has the group of each event, `u32::MAX` for none.
///
/// # Errors
/// A part cannot be read.
pub(in crate::stitch) fn least_ids(
    store: &Store,
    places: &Places,
    group_of: &[u32],
    groups: usize,
) -> Result<Vec<Digest>, StoreError> {
    let mut files = places.files(store, "events");
    files.retain(|(part, _)| {
        let events = part.events.start as usize..part.events.end as usize;
        group_of[events].iter().any(|group| *group != u32::MAX)
    });
    let least = Mutex::new(vec![Digest([u8::MAX; 32]); groups]);
    side_by_side(&files, |(part, path)| {
        let mut events = part.events.clone();
        scan_columns::<StoreError>(path, Some(&["event_id"]), |table| {
            let ids = table.column(0).as_fixed_size_binary();
            let mut least = least.lock().unwrap_or_else(PoisonError::into_inner);
            for (row, event) in (0..table.num_rows()).zip(events.by_ref()) {
                if let Some(least) = least.get_mut(group_of[event as usize] as usize) {
                    *least = digest(ids.value(row)).min(*least);
                }
            }
            Ok(())
        })
    })?;
    Ok(least.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// An id as it is stored; zeros, if it is none.
pub(super) fn digest(id: &[u8]) -> Digest {
    Digest(<[u8; 32]>::try_from(id).unwrap_or_default())
}

/// Where a format is of several sources, the first of them stands for it.
fn add_source(sources: &mut BTreeMap<String, String>, format: String, source: String) {
    let known = sources.entry(format).or_insert_with(|| source.clone());
    if source < *known {
        *known = source;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_model_was_given_comes_before_its_answer_at_the_same_time() {
        let mut part = OfPart::default();
        let record = (1, 7, 100);
        for (kind, of) in [
            (Kind::ToolResult, record),
            (Kind::Approval, record),
            (Kind::Inference, record),
            // Behind the answer, at the same time: run by the vendor.
            (Kind::ToolResult, record),
            // Of another record, dump or time.
            (Kind::ToolResult, (1, 8, 100)),
            (Kind::Inference, (1, 9, 100)),
            (Kind::Rejection, (1, 9, 100)),
            (Kind::Inference, (2, 9, 100)),
            (Kind::ToolResult, (2, 9, 100)),
            (Kind::Inference, (2, 9, 101)),
        ] {
            part.add_step(kind, of);
        }
        let given = part.steps.iter().map(|step| step.is_given());
        let given: Vec<usize> = given
            .enumerate()
            .filter_map(|(at, is_given)| is_given.then_some(at))
            .collect();
        assert_eq!(given, [0, 1]);
        for kind in Kind::ALL {
            assert_eq!(Step::of(*kind).kind(), *kind);
        }
        let rank = Kind::Inference.causal_rank();
        assert!(part.steps[..3].iter().all(|step| step.rank() == rank));
        assert!(part.steps[3].rank() > rank);
    }
}
