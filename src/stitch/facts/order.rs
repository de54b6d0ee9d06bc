//! When events were, and what decides their order: all that joining by ids and making tasks need to know of them.

use std::collections::BTreeMap;
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, TimestampMicrosecondType};

use super::{Clocks, joined, text};
use crate::model::{Digest, Kind};
use crate::stitch::index::{Among, Places};
use crate::stitch::keys::head;
use crate::store::{CustodyFile, Store, StoreError, scan_columns, side_by_side};

/// No time.
const NONE: i64 = i64::MAX;

/// Times and kinds of events, and where their records lie.
#[derive(Default)]
pub(in crate::stitch) struct Order {
    /// The first eight bytes of the id of each: they tell events apart that nothing else does.
    heads: Vec<u64>,
    /// Microseconds since 1970-01-01 UTC; [`NONE`] for none.
    times: Vec<i64>,
    kinds: Vec<Kind>,
    /// Number of the dump, ordinal and part: the order of equal times, behind the causal rank of the kind.
    dumps: Vec<u32>,
    ordinals: Vec<i64>,
    parts: Vec<i32>,
    /// The source that stands for each format: of several, the first one by name.
    pub sources: BTreeMap<String, String>,
}

const COLUMNS: [&str; 8] = [
    "event_id", "time", "file", "ordinal", "part", "source", "format", "kind",
];

/// A dump, or what was in one, by its digest.
fn dump_name(file: &CustodyFile) -> String {
    let member = file.member.as_deref().unwrap_or_default();
    format!("{}!{member}", file.sha256)
}

/// The number of each file of each batch; sorted, so that a dump's number does not depend on the order of ingest.
fn dumps(store: &Store) -> Vec<Vec<u32>> {
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
            let first = part.events.start as usize;
            let read = Self::of_part(path, &dumps[part.batch], &clocks, first)?;
            part.check(path, read.len())?;
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
        Ok(Self {
            heads: joined(of, |part| &mut part.heads),
            times: joined(of, |part| &mut part.times),
            kinds: joined(of, |part| &mut part.kinds),
            dumps: joined(of, |part| &mut part.dumps),
            ordinals: joined(of, |part| &mut part.ordinals),
            parts: joined(of, |part| &mut part.parts),
            sources,
        })
    }

    fn of_part(
        path: &Path,
        dumps: &[u32],
        clocks: &Clocks,
        first: usize,
    ) -> Result<Self, StoreError> {
        let mut part = Self::default();
        scan_columns::<StoreError>(path, Some(&COLUMNS), |table| {
            part.add(&table, dumps, clocks, first);
            Ok(())
        })?;
        Ok(part)
    }

    fn add(&mut self, table: &RecordBatch, dumps: &[u32], clocks: &Clocks, first: usize) {
        let first = first + self.len();
        let ids = table.column(0).as_fixed_size_binary();
        let times = table.column(1).as_primitive::<TimestampMicrosecondType>();
        let files = table.column(2).as_primitive::<Int32Type>();
        let texts = |column: usize| table.column(column).as_string::<i32>();
        let (sources, formats, kinds) = (texts(5), texts(6), texts(7));
        self.times
            .extend(times.iter().map(|time| time.unwrap_or(NONE)));
        self.ordinals
            .extend_from_slice(table.column(3).as_primitive::<Int64Type>().values());
        self.parts
            .extend_from_slice(table.column(4).as_primitive::<Int32Type>().values());
        let mut last = None;
        for row in 0..table.num_rows() {
            self.heads.push(head(ids.value(row)));
            let file = usize::try_from(files.value(row)).unwrap_or(usize::MAX);
            self.dumps
                .push(dumps.get(file).copied().unwrap_or(u32::MAX));
            let kind = Kind::from_name(kinds.value(row)).unwrap_or(Kind::Other);
            self.kinds.push(kind);
            // That of the row before, mostly.
            let of = (
                text(formats, row),
                clocks.of(first + row),
                text(sources, row),
            );
            if last.replace(of) != Some(of) {
                let format = Clocks::format(of.0, of.1);
                add_source(&mut self.sources, format, of.2.to_owned());
            }
        }
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
            heads: of(&self.heads, among),
            times: of(&self.times, among),
            kinds: of(&self.kinds, among),
            dumps: of(&self.dumps, among),
            ordinals: of(&self.ordinals, among),
            parts: of(&self.parts, among),
            sources: self.sources.clone(),
        }
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Those of some events whose ids may be the least: mostly one.
    pub fn least<'e>(&'e self, events: &'e [u32]) -> impl Iterator<Item = u32> + 'e {
        let head = |event: &u32| self.heads[*event as usize];
        let least = events.iter().map(head).min();
        let events = events.iter().copied();
        events.filter(move |event| Some(head(event)) == least)
    }

    /// Kind of an event.
    pub fn kind(&self, event: u32) -> Kind {
        self.kinds[event as usize]
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
    pub fn times(&self) -> &[i64] {
        &self.times
    }

    /// Says when events were: all, or one of them.
    pub fn set_times(&mut self, times: Vec<i64>) {
        self.times = times;
    }

    pub fn set_time(&mut self, event: u32, time: i64) {
        self.times[event as usize] = time;
    }

    /// Events in their order. Mostly their times decide, and nothing else is looked at.
    pub fn compare(&self, a: u32, b: u32) -> std::cmp::Ordering {
        let time = |event: u32| self.times[event as usize];
        time(a)
            .cmp(&time(b))
            .then_with(|| self.place(a).cmp(&self.place(b)))
    }

    /// The order of events of one time, which does not depend on places in the store.
    fn place(&self, event: u32) -> (u8, u32, i64, i32, u64) {
        let at = event as usize;
        (
            self.kinds[at].causal_rank(),
            self.dumps[at],
            self.ordinals[at],
            self.parts[at],
            self.heads[at],
        )
    }
}

/// Reads the ids of events whose place is true, with their numbers and in the order of these.
///
/// # Errors
/// A part cannot be read.
pub(in crate::stitch) fn read_ids(
    store: &Store,
    places: &Places,
    wanted: &[bool],
) -> Result<Vec<(u32, Digest)>, StoreError> {
    let files = places.files_with(store, "events", Some(wanted));
    let of_parts = side_by_side(&files, |(part, path)| {
        let mut events = part.events.clone();
        let mut found: Vec<(u32, Digest)> = Vec::new();
        scan_columns::<StoreError>(path, Some(&["event_id"]), |table| {
            let ids = table.column(0).as_fixed_size_binary();
            for (row, event) in (0..table.num_rows()).zip(events.by_ref()) {
                if wanted[event as usize] {
                    found.push((event, digest(ids.value(row))));
                }
            }
            Ok(())
        })?;
        Ok::<_, StoreError>(found)
    })?;
    Ok(of_parts.into_iter().flatten().collect())
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
