//! Goes through events in the order of their times and looks into the texts of each. Where what is looked for
//! stands nearly everywhere, the earliest are found, and enough are counted, without reading all texts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};

use super::fields::{Fitting, find_events, find_in_columns, is_by_columns};
use super::texts::{Found, Place, Texts};
use super::{Match, SearchRequest};
use crate::check::{Record as _, column_of};
use crate::store::{
    EventRef, Extent, PART_BITS, Record, StoreError, scan_columns, scan_part_columns, side_by_side,
};

/// Events whose texts are looked into at once: what is known of them is held in memory.
const LARGEST_WINDOW: usize = 512 << 10;
/// How far a search looks before it shows what it has.
#[derive(Clone, Copy, Debug)]
pub struct SearchSteps {
    /// Bytes of texts that are read in any case, so that all events are counted where there are not more.
    pub at_once: u64,
    /// Events whose texts are looked into first where there are more, the earliest ones; then four times as many.
    pub window: usize,
    /// As many events are counted then.
    pub counted: usize,
}

impl Default for SearchSteps {
    /// Reading so much takes a fraction of a second. Search engines count ten thousand too.
    fn default() -> Self {
        Self {
            at_once: 256 << 20,
            window: 4096,
            counted: 10_000,
        }
    }
}

/// After so many windows it is known how many events have a match: of 86,016.
const SURE: u32 = 3;
/// More texts with a match are not held in memory.
const MOST_MATCHES: usize = 4 << 20;
/// Parts of events that are read ahead together.
const PARTS_AT_ONCE: usize = 4;
/// The time of an event that has none: it stands last.
const NEVER: i64 = i64::MAX;

/// An event that fits but for its texts.
struct Candidate {
    time: i64,
    event: EventRef,
    record: Record,
    part: i32,
    /// Number of the value that is counted by.
    by: usize,
}

impl Candidate {
    fn record(&self) -> Place {
        (self.event.batch, self.record)
    }
}

/// A part of events.
struct EventPart {
    batch: usize,
    number: i64,
    path: PathBuf,
    /// No event of it is earlier.
    since: i64,
    /// Its first and its last record.
    records: [Record; 2],
}

/// What was found.
#[derive(Default)]
pub(super) struct Walked {
    /// Events that fit.
    pub events: usize,
    /// Whether there may be more.
    pub more: bool,
    /// The earliest of them.
    pub first: Vec<EventRef>,
    /// What is shown of their records, if it is known already.
    pub shown: HashMap<Place, Vec<Match>>,
    /// Numbers of them by the value that is counted by.
    pub counts: BTreeMap<String, usize>,
}

/// Values that are counted by, numbered.
#[derive(Default)]
struct Values {
    numbers: HashMap<String, usize>,
    counts: Vec<usize>,
}

impl Values {
    fn number(&mut self, value: String) -> usize {
        let next = self.counts.len();
        let number = *self.numbers.entry(value).or_insert(next);
        if number == next {
            self.counts.push(0);
        }
        number
    }
}

/// Finds the events whose texts have a match, and on which the conditions hold.
pub(super) fn walk(texts: &Texts<'_>, request: &SearchRequest) -> Result<Walked, StoreError> {
    let mut walk = Walk::new(texts, request)?;
    let steps = request.steps;
    let enough = match request.exact || request.by.is_some() {
        true => usize::MAX,
        false => request.limit.max(steps.counted),
    };
    let mut window = steps.window;
    let mut texts_first = texts.bytes() <= steps.at_once;
    for round in 1.. {
        if texts_first && let Some(found) = texts.find_all(MOST_MATCHES)? {
            walk.judge_rest(found)?;
            break;
        }
        if !walk.judge_next(window)? {
            break;
        }
        if walk.found.events >= enough {
            walk.found.more = !walk.waiting.is_empty() || !walk.parts.is_empty();
            if walk.found.more {
                walk.found.events = enough;
            }
            break;
        }
        // What hardly any of them has is not looked for event by event: that takes twice as long.
        texts_first = round == SURE && walk.is_rare(enough);
        window = window.saturating_mul(4).min(LARGEST_WINDOW);
    }
    Ok(walk.finish())
}

struct Walk<'a> {
    texts: &'a Texts<'a>,
    request: &'a SearchRequest,
    /// Parts that were not read; the last one is the next.
    parts: Vec<EventPart>,
    /// Events that were read and not looked at, in the order of their times.
    waiting: Vec<Candidate>,
    /// Number of those that were looked at,
    looked: usize,
    /// and of all that are in these parts.
    events: usize,
    found: Walked,
    values: Values,
}

impl<'a> Walk<'a> {
    fn new(texts: &'a Texts<'a>, request: &'a SearchRequest) -> Result<Self, StoreError> {
        let (mut parts, events) = parts_of(texts, request)?;
        parts.reverse();
        Ok(Self {
            texts,
            request,
            parts,
            waiting: Vec::new(),
            looked: 0,
            events,
            found: Walked::default(),
            values: Values::default(),
        })
    }

    /// Reads the events of parts, of which some are kept.
    fn read(
        &mut self,
        parts: &[EventPart],
        keep: impl Fn(&Candidate) -> bool + Sync,
    ) -> Result<(), StoreError> {
        let read = side_by_side(parts, |part| {
            let (mut events, values) = candidates(self.texts, part, self.request)?;
            events.retain(&keep);
            events.shrink_to_fit();
            Ok::<_, StoreError>((events, values))
        })?;
        for (events, values) in read {
            let numbers: Vec<usize> = values.into_iter().map(|v| self.values.number(v)).collect();
            self.waiting
                .extend(events.into_iter().map(|event| Candidate {
                    by: numbers.get(event.by).copied().unwrap_or(0),
                    ..event
                }));
        }
        self.waiting.sort_by_key(|event| (event.time, event.event));
        Ok(())
    }

    /// Looks into the texts of the next events; whether there were any.
    fn judge_next(&mut self, window: usize) -> Result<bool, StoreError> {
        let ready = loop {
            // Those before the first event of what was not read are next.
            let ready = match self.parts.last() {
                None => self.waiting.len(),
                Some(next) => self
                    .waiting
                    .partition_point(|event| event.time < next.since),
            };
            if self.parts.is_empty() || ready >= window {
                break ready.min(window);
            }
            let ahead = self.parts.len().saturating_sub(PARTS_AT_ONCE);
            let ahead = self.parts.split_off(ahead);
            self.read(&ahead, |_| true)?;
        };
        if ready == 0 {
            return Ok(false);
        }
        let rest = self.waiting.split_off(ready);
        let events = std::mem::replace(&mut self.waiting, rest);
        let mut records: Vec<Place> = events.iter().map(Candidate::record).collect();
        records.sort_unstable();
        records.dedup();
        let found = self.texts.find(&records, |part, name, _, _| Found {
            part,
            is_record: name == "raw",
            shown: None,
        })?;
        self.judge(&events, &found);
        Ok(true)
    }

    /// Whether nearly half of all events would have to be looked at, one after the other, to find enough, and all that
    /// have a match are not many.
    fn is_rare(&self, enough: usize) -> bool {
        let rate = self.found.events as f64 / self.looked.max(1) as f64;
        let all = self.events as f64;
        rate * all < MOST_MATCHES as f64 / 4.0 && enough as f64 > rate * all * 0.4
    }

    /// Judges all events that were not looked at by all texts that have a match.
    fn judge_rest(&mut self, found: Vec<(Place, Found)>) -> Result<(), StoreError> {
        let behind = |of: Place| found.partition_point(|(record, _)| *record < of);
        let has = |of: &Place| {
            found
                .get(behind(*of))
                .is_some_and(|(record, _)| record == of)
        };
        self.waiting.retain(|event| has(&event.record()));
        let mut parts = std::mem::take(&mut self.parts);
        parts.retain(|part| {
            let [first, last] = part.records.map(|record| (part.batch, record));
            found
                .get(behind(first))
                .is_some_and(|(record, _)| *record <= last)
        });
        self.read(&parts, |event| has(&event.record()))?;
        let events = std::mem::take(&mut self.waiting);
        self.judge(&events, &found);
        // What is shown was kept, if it is not much.
        let shown: HashSet<EventRef> = self.found.first.iter().copied().collect();
        let shown: HashSet<Place> = events
            .iter()
            .filter(|event| shown.contains(&event.event))
            .map(Candidate::record)
            .collect();
        let lost = found.iter().filter(|(_, found)| found.shown.is_none());
        let lost: HashSet<Place> = lost.map(|(record, _)| *record).collect();
        for (record, text) in found {
            if shown.contains(&record) && !lost.contains(&record) {
                let of_record = self.found.shown.entry(record).or_default();
                of_record.extend(text.shown.map(|shown| *shown));
            }
        }
        Ok(())
    }

    /// Counts the events of which texts have a match, in the order of their times.
    fn judge(&mut self, events: &[Candidate], found: &[(Place, Found)]) {
        self.looked += events.len();
        for event in events {
            let of = event.record();
            let from = found.partition_point(|(record, _)| *record < of);
            let of_record = found[from..].iter().take_while(|(record, _)| *record == of);
            if is_meant(of_record.map(|(_, found)| found), event.part) {
                self.found.events += 1;
                if self.found.first.len() < self.request.limit {
                    self.found.first.push(event.event);
                }
                if let Some(count) = self.values.counts.get_mut(event.by) {
                    *count += 1;
                }
            }
        }
    }

    fn finish(self) -> Walked {
        let mut found = self.found;
        for (value, number) in self.values.numbers {
            let events = self.values.counts[number];
            if events > 0 {
                found.counts.insert(value, events);
            }
        }
        found
    }
}

/// Parts that may have events that fit, in the order of their first times, and how many events they have.
fn parts_of(
    texts: &Texts<'_>,
    request: &SearchRequest,
) -> Result<(Vec<EventPart>, usize), StoreError> {
    let (mut parts, mut events) = (Vec::new(), 0);
    for (batch, custody) in texts.store.batches().iter().enumerate() {
        if texts.is_empty(batch) {
            continue;
        }
        let paths: Vec<(i64, PathBuf)> = (0..).zip(texts.store.parts("events", custody)).collect();
        let extents = side_by_side(&paths, |(_, path)| Extent::of(path))?;
        for ((number, path), extent) in paths.into_iter().zip(extents) {
            let [first, last] = extent.times.unwrap_or([NEVER, NEVER]);
            // An event without a time is of no period.
            let in_period = request
                .since
                .is_none_or(|since| last >= since && last != NEVER)
                && request.until.is_none_or(|until| first < until);
            if in_period && texts.may_hold(batch, extent.records) {
                events += extent.events;
                parts.push(EventPart {
                    batch,
                    number,
                    path,
                    since: first,
                    records: extent.records,
                });
            }
        }
    }
    parts.sort_by_key(|part| (part.since, part.batch, part.number));
    Ok((parts, events))
}

/// Events of a part that fit but for their texts, and the values that are counted by.
fn candidates(
    texts: &Texts<'_>,
    part: &EventPart,
    request: &SearchRequest,
) -> Result<(Vec<Candidate>, Vec<String>), StoreError> {
    let (store, path, batch) = (texts.store, &part.path, part.batch);
    let Fitting { events, .. } = match is_by_columns(store, request) {
        true => find_in_columns(path, batch, part.number, request)?,
        false => find_events(store, path, batch, request)?,
    };
    let mut candidates = Vec::with_capacity(events.len());
    let mut events = events.into_iter().peekable();
    let mut start = part.number << PART_BITS;
    scan_columns::<StoreError>(path, Some(&["file", "ordinal", "part"]), |table| {
        let files = table.column(0).as_primitive::<Int32Type>();
        let ordinals = table.column(1).as_primitive::<Int64Type>();
        let of_record = table.column(2).as_primitive::<Int32Type>();
        let end = start + i64::try_from(table.num_rows()).unwrap_or(0);
        while let Some((time, event)) = events.next_if(|(_, event)| event.row < end) {
            let row = usize::try_from(event.row - start).unwrap_or(0);
            let record = (files.value(row), ordinals.value(row));
            if texts.may_hold(batch, [record, record]) {
                candidates.push(Candidate {
                    time: time.unwrap_or(NEVER),
                    event,
                    record,
                    part: of_record.value(row),
                    by: 0,
                });
            }
        }
        start = end;
        Ok(())
    })?;
    let Some(by) = request.by.as_deref().filter(|_| !candidates.is_empty()) else {
        return Ok((candidates, Vec::new()));
    };
    let mut values = Values::default();
    let mut at = candidates.iter_mut().peekable();
    scan_part_columns::<StoreError>(store, path, batch, &[column_of(by)], |table| {
        for row in 0..table.len() {
            let view = table.view(row);
            if let Some(candidate) = at.next_if(|candidate| candidate.event == view.place()) {
                let value = view.field(by);
                candidate.by = values.number(value.as_deref().unwrap_or(Fitting::NONE).to_owned());
            }
        }
        Ok(())
    })?;
    let mut of_part = vec![String::new(); values.counts.len()];
    for (value, number) in values.numbers {
        of_part[number] = value;
    }
    Ok((candidates, of_part))
}

/// Whether an event of a record is meant by the texts of the record that have a match: one of an event means that
/// event, the record alone all of its events.
fn is_meant<'f>(found: impl Iterator<Item = &'f Found>, part: i32) -> bool {
    let (mut any, mut any_own) = (false, false);
    for text in found {
        if !text.is_record && text.part == part {
            return true;
        }
        any = true;
        any_own |= !text.is_record;
    }
    any && !any_own
}
