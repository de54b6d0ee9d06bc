//! Cells of time. What is weighed together lies within a quarter of an hour, and clocks, routes and users are
//! learned from what is near: so a large store is weighed cell by cell, each by itself. What a new batch has not touched is not
//! weighed again, cells are weighed side by side, and memory is that of a cell.
//!
//! Cells are the halves of halves of all time: where they lie follows from how many events there are and
//! when, and not from the order of ingest.

use super::ground::Ground;
use super::*;
use crate::stitch::METHOD;

/// Events are counted by spans of 2^30 microseconds (18 minutes) ...
const SPAN_BITS: u32 = 30;
/// ... and no cell is shorter than 2^3 of them: what is looked at around a cell is weighed twice.
const LEAST_BITS: u32 = 3;
/// How far from a cell what is done there may take causes away from what is done in it (microseconds).
const RIVALS: i64 = WINDOW / 3;
/// Calls of one task before the cell that are looked at for what was done late.
const MOST_GUESTS: usize = 64;

/// A part of all time, from the first microsecond to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::stitch) struct Bounds {
    /// What was done then is decided here ...
    pub(in crate::stitch) own: (i64, i64),
    /// ... looking at all that was asked for then, and what it may have caused.
    pub(in crate::stitch) seen: (i64, i64),
    /// Other things that were done then may have had the same causes, and teach as well.
    pub(super) rivals: (i64, i64),
}

/// The cells that have something in them, in their order. One of more than `most` events is halved; of half as many
/// there is enough to learn from.
pub(in crate::stitch) fn cells(times: impl Iterator<Item = i64>, most: usize) -> Vec<Bounds> {
    let spans = counted(times.map(|time| (time, 1)));
    let own = halved(&spans, most);
    if own == [ALL] {
        return vec![Bounds {
            own: ALL,
            seen: ALL,
            rivals: ALL,
        }];
    }
    own.into_iter()
        .map(|own| seen_from(own, &spans, most / 2))
        .collect()
}

/// From the first microsecond to the last.
const ALL: (i64, i64) = (i64::MIN, i64::MAX);

/// Halves of halves of all time that hold not more than `most` of what is counted at those times, as far as they are not too
/// short for that: those that have something in them, in their order.
pub(in crate::stitch) fn halves(
    times: impl Iterator<Item = (i64, usize)>,
    most: usize,
) -> Vec<(i64, i64)> {
    halved(&counted(times), most)
}

fn counted(times: impl Iterator<Item = (i64, usize)>) -> Vec<(i64, usize)> {
    let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
    let (mut last, mut run) = (0, 0);
    for (time, count) in times {
        let span = time >> SPAN_BITS;
        if span != last {
            *counts.entry(last).or_default() += run;
            (last, run) = (span, 0);
        }
        run += count;
    }
    *counts.entry(last).or_default() += run;
    counts.retain(|_, count| *count > 0);
    counts.into_iter().collect()
}

fn halved(spans: &[(i64, usize)], most: usize) -> Vec<(i64, i64)> {
    if spans.iter().map(|span| span.1).sum::<usize>() <= most {
        return vec![ALL];
    }
    let mut own = Vec::new();
    halve(spans, i64::BITS - SPAN_BITS, most, &mut own);
    own
}

/// Halves the spans until each part has few enough events.
fn halve(spans: &[(i64, usize)], bits: u32, most: usize, out: &mut Vec<(i64, i64)>) {
    // By shifts in two steps: one of all bits is none.
    let half_of = |span: i64| (span >> (bits - 1)) & 1;
    let Some((first, _)) = spans.first() else {
        return;
    };
    let count: usize = spans.iter().map(|span| span.1).sum();
    if count > most && bits > LEAST_BITS {
        let middle = spans.partition_point(|(span, _)| half_of(*span) == half_of(*first));
        let (one, other) = spans.split_at(middle);
        halve(one, bits - 1, most, out);
        return halve(other, bits - 1, most, out);
    }
    let start = (i128::from(*first) >> bits) << (bits + SPAN_BITS);
    let end = start + (1i128 << (bits + SPAN_BITS)) - 1;
    let whole =
        |time: i128| i64::try_from(time).unwrap_or(if time < 0 { i64::MIN } else { i64::MAX });
    out.push((whole(start), whole(end)));
}

/// What is looked at for a cell: a window around it, and more where that is too little to learn from.
fn seen_from(own: (i64, i64), spans: &[(i64, usize)], least: usize) -> Bounds {
    let from = spans.partition_point(|span| span.0 < own.0 >> SPAN_BITS);
    let to = spans.partition_point(|span| span.0 <= own.1 >> SPAN_BITS);
    let (mut first, mut end) = (from, to);
    let mut count: usize = spans[from..to].iter().map(|span| span.1).sum();
    while count < least {
        let before = first
            .checked_sub(1)
            .map(|at| (own.0 >> SPAN_BITS) - spans[at].0);
        let after = spans.get(end).map(|span| span.0 - (own.1 >> SPAN_BITS));
        match (before, after) {
            (None, None) => break,
            (Some(before), after) if after.is_none_or(|after| before <= after) => {
                first -= 1;
                count += spans[first].1;
            }
            _ => {
                count += spans[end].1;
                end += 1;
            }
        }
    }
    let around = |by: i64| {
        let (mut from_time, mut to_time) = (own.0.saturating_sub(by), own.1.saturating_add(by));
        if first < from {
            from_time = from_time.min(spans[first].0 << SPAN_BITS);
        }
        if end > to {
            to_time = to_time.max(((spans[end - 1].0 + 1) << SPAN_BITS) - 1);
        }
        (from_time, to_time)
    };
    Bounds {
        own,
        seen: around(WINDOW),
        rivals: around(RIVALS),
    }
}

/// What is looked at for a cell, in the order of time and ids.
pub(super) struct Cell {
    pub(super) calls: Vec<(i64, u32)>,
    pub(super) deeds: Vec<Deed>,
    pub(super) known: Vec<u32>,
}

/// Something done elsewhere.
pub(super) struct Deed {
    pub(super) events: Vec<u32>,
    pub(super) time: i64,
    /// Decided here.
    pub(super) own: bool,
}

/// The part of what is in the order of time that lies within bounds.
fn within(all: &[(i64, u32)], bounds: (i64, i64)) -> &[(i64, u32)] {
    let from = all.partition_point(|one| one.0 < bounds.0);
    let to = all.partition_point(|one| one.0 <= bounds.1);
    &all[from..to.max(from)]
}

impl Cell {
    pub(super) fn of(ground: &Ground<'_>, bounds: Bounds) -> Self {
        let facts = ground.facts;
        let deeds: Vec<Deed> = within(&ground.deeds, bounds.rivals)
            .iter()
            .map(|(time, number)| {
                let mut events = ground.events_of_deed.get(*number).to_vec();
                events.sort_by(|a, b| facts.order.compare(*a, *b));
                let (time, own) = (*time, (bounds.own.0..=bounds.own.1).contains(time));
                Deed { events, time, own }
            })
            .collect();
        let mut guests: Vec<usize> = Vec::new();
        for deed in deeds.iter().filter(|deed| deed.own) {
            let event = deed.events[0];
            if bounds.seen.0 > i64::MIN && ground.in_task(event) {
                guests.extend(ground.calls_before(event, bounds.seen.0, MOST_GUESTS));
            }
        }
        // By time and id, as the others, which are all later.
        guests.sort_unstable();
        guests.dedup();
        let mut calls: Vec<(i64, u32)> = guests.iter().map(|at| ground.calls[*at]).collect();
        calls.extend_from_slice(within(&ground.calls, bounds.seen));
        let known = within(&ground.known, bounds.seen).iter();
        Self {
            calls,
            deeds,
            known: known.map(|(_, event)| *event).collect(),
        }
    }

    /// Events of everything that is decided here.
    pub(super) fn own(&self) -> Vec<u32> {
        let own = self.deeds.iter().filter(|deed| deed.own);
        own.flat_map(|deed| deed.events.iter().copied()).collect()
    }

    /// Calls `visit` with each event that is looked at.
    pub(super) fn each_event(&self, mut visit: impl FnMut(u32)) {
        self.calls.iter().for_each(|(_, event)| visit(*event));
        let deeds = self.deeds.iter().flat_map(|deed| &deed.events);
        deeds.chain(&self.known).for_each(|event| visit(*event));
    }

    /// Digest of all that a model takes of the cell: what is weighed follows from nothing else. What a record says is named
    /// by the batches that the records are in, and the record by its id.
    pub(super) fn digest(
        &self,
        ground: &Ground<'_>,
        places: &Places,
        batches: &[Digest],
        bounds: Bounds,
        threshold: f64,
    ) -> Digest {
        let facts = ground.facts;
        let mut bytes = Vec::new();
        bytes.extend(METHOD.to_le_bytes());
        bytes.extend(threshold.to_le_bytes());
        for (from, to) in [bounds.own, bounds.seen, bounds.rivals] {
            bytes.extend(from.to_le_bytes());
            bytes.extend(to.to_le_bytes());
        }
        let (mut from, mut formats) = (BTreeSet::new(), BTreeSet::new());
        let mut last = None;
        let mut tasks: HashMap<u32, u32> = HashMap::new();
        let mut add = |bytes: &mut Vec<u8>, event: u32| {
            let at = event as usize;
            // Records of one batch and format follow each other, mostly.
            let of = (places.batch(event), facts.formats[at]);
            if last.replace(of) != Some(of) {
                from.insert(of.0);
                formats.insert(of.1);
            }
            // Fragments in the order in which they come: how they are numbered elsewhere says nothing.
            let next = u32::try_from(tasks.len()).unwrap_or(u32::MAX);
            let task = *tasks.entry(ground.roots[at]).or_insert(next);
            bytes.extend(facts.id(event).0);
            bytes.extend(task.to_le_bytes());
            bytes.extend([
                u8::from(ground.in_task(event)),
                u8::from(ground.documented[at]),
            ]);
            // A change takes the time of its header, which may be in another batch.
            let time = facts.time(event);
            bytes.push(u8::from(time.is_some()));
            bytes.extend(time.unwrap_or(0).to_le_bytes());
        };
        for number in [self.calls.len(), self.deeds.len(), self.known.len()] {
            bytes.extend((number as u64).to_le_bytes());
        }
        for (_, event) in &self.calls {
            add(&mut bytes, *event);
            let result = ground.told.results.get(event);
            bytes.push(u8::from(result.is_some()));
            bytes.extend(result.copied().unwrap_or(0).to_le_bytes());
        }
        for deed in &self.deeds {
            bytes.extend((deed.events.len() as u64).to_le_bytes());
            bytes.push(u8::from(deed.own));
            deed.events.iter().for_each(|event| add(&mut bytes, *event));
        }
        self.known.iter().for_each(|event| add(&mut bytes, *event));
        for format in formats {
            let source = facts.source_of.get(&format).copied().unwrap_or(0);
            for name in [facts.name(format), facts.name(source)] {
                bytes.extend((name.len() as u64).to_le_bytes());
                bytes.extend(name.as_bytes());
            }
        }
        // Digests in their order: batches are numbered as they come.
        let from: BTreeSet<Digest> = from
            .iter()
            .filter_map(|batch| batches.get(*batch).copied())
            .collect();
        from.iter().for_each(|batch| bytes.extend(batch.0));
        Digest::of(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;
    const MOST: usize = 1 << 16;

    fn cells(times: impl Iterator<Item = i64>) -> Vec<Bounds> {
        super::cells(times, MOST)
    }

    #[test]
    fn few_events_are_one_cell_of_all_time() {
        let all = (i64::MIN, i64::MAX);
        let bounds = Bounds {
            own: all,
            seen: all,
            rivals: all,
        };
        assert_eq!(cells((0..1000).map(|n| n * HOUR)), [bounds]);
        assert_eq!(cells(std::iter::empty()), [bounds]);
    }

    #[test]
    fn cells_hold_all_events_once_and_few_each() {
        // Ten days, one of them busy, and some events long before the epoch.
        let mut times: Vec<i64> = (0..400_000)
            .map(|n| 400_000 * HOUR + n * HOUR / 5000)
            .collect();
        times.extend((0..90_000).map(|n| 400_000 * HOUR + n * HOUR / 400));
        times.extend((0..40).map(|n| -500_000 * HOUR + n));
        let cells = cells(times.iter().copied());
        assert!(cells.len() > 4, "{cells:?}");
        assert!(cells.is_sorted_by(|a, b| a.own.1 < b.own.0));
        for time in &times {
            let own = |cell: &&Bounds| (cell.own.0..=cell.own.1).contains(time);
            assert_eq!(cells.iter().filter(own).count(), 1);
        }
        for cell in &cells {
            let count = |(from, to)| {
                times
                    .iter()
                    .filter(|time| (from..=to).contains(*time))
                    .count()
            };
            assert!(count(cell.own) <= MOST, "{cell:?}");
            assert!(count(cell.seen) >= MOST / 2, "{cell:?}");
            assert!(cell.seen.0 <= cell.own.0.saturating_sub(WINDOW));
            assert!(cell.seen.1 >= cell.own.1.saturating_add(WINDOW));
        }
    }

    #[test]
    fn cells_do_not_depend_on_the_order_and_far_events_do_not_move_them() {
        let times: Vec<i64> = (0..300_000)
            .map(|n| 400_000 * HOUR + n * HOUR / 1000)
            .collect();
        let some = cells(times.iter().copied());
        assert_eq!(some, cells(times.iter().rev().copied()));
        let more = times
            .iter()
            .copied()
            .chain((0..500).map(|n| 900_000 * HOUR + n));
        let more = cells(more);
        assert_eq!(more.len(), some.len() + 1);
        // The last one of before may look for something to learn from.
        assert_eq!(more[..some.len() - 1], some[..some.len() - 1]);
    }

    #[test]
    fn more_than_enough_at_one_time_is_one_cell() {
        let cells = cells((0..300_000).map(|n| 7 * HOUR + n));
        assert_eq!(cells.len(), 1);
        assert!(cells[0].own.0 > i64::MIN);
    }
}
