//! The order of events of one time: by where their records lie, which does not depend on places in the store.
//!
//! The events of a part of the store lie in the order of their times, and those of one time and dump as their records do: so it is enough
//! to say in which order the dumps are, and the parts with events of one dump. Where that is not so, places are said for each event.

use std::cmp::Ordering;
use std::ops::Range;

use foldhash::HashMap;

use crate::stitch::index::Among;

/// Where the record of an event lies in its dump: its ordinal, and the part of it.
pub(super) type Place = (i64, i32);

/// An event, where its record lies, and the first eight bytes of its id.
pub(super) type Placed = (u32, (Place, u64));

/// The events of one part of the store that are of one dump. Those without a time are apart: they may take that of others.
#[derive(Clone, Copy)]
struct Series {
    /// Number of the dump.
    dump: u32,
    /// Least and greatest place.
    least: Place,
    most: Place,
    /// The last one that was added.
    last: (i64, Place),
    /// Whether its events lie in the order of times and places.
    is_in_order: bool,
}

/// The series of one part, and which of them each event is of.
#[derive(Default)]
pub(super) struct OfPart {
    series: Vec<Series>,
    numbers: HashMap<(u32, bool), u32>,
    /// By event; empty as long as there is one series.
    of_event: Vec<u32>,
    events: usize,
}

impl OfPart {
    /// Adds the next event: its dump, and its time and place.
    pub fn add(&mut self, dump: u32, (time, place): (Option<i64>, Place)) {
        let last = (time.unwrap_or(i64::MAX), place);
        let next = u32::try_from(self.series.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry((dump, time.is_none())).or_insert(next);
        match self.series.get_mut(number as usize) {
            Some(series) => {
                series.least = series.least.min(place);
                series.most = series.most.max(place);
                series.is_in_order &= series.last < last;
                series.last = last;
            }
            None => self.series.push(Series {
                dump,
                least: place,
                most: place,
                last,
                is_in_order: true,
            }),
        }
        if number > 0 && self.of_event.is_empty() {
            self.of_event.resize(self.events, 0);
        }
        if self.series.len() > 1 {
            self.of_event.push(number);
        }
        self.events += 1;
    }
}

/// What decides between events of one time.
#[derive(Default)]
pub(super) struct Ties {
    /// First event of each part, in order.
    starts: Vec<u32>,
    ranks: Vec<Ranks>,
    /// Of the events of series that are not in order, or of one dump and lie across each other (which two readings of it may give), in
    /// order: their places, and the first eight bytes of their ids.
    across: Vec<Placed>,
}

/// The ranks of the series that the events of a part are of. Series that lie across each other have the same.
#[derive(Clone)]
enum Ranks {
    One(u32),
    Each(Vec<u32>),
}

/// By part: whether more has to be said of an event of it, by the place of that in the part.
pub(super) type Across = Vec<Vec<bool>>;

impl Ties {
    /// Of all parts, each with the number of its first event. Gives the events of whose places more has to be said, if there are any.
    pub fn of(parts: Vec<(u32, OfPart)>) -> (Self, Option<Across>) {
        let mut order: Vec<(usize, usize)> = Vec::new();
        for (at, (_, part)) in parts.iter().enumerate() {
            order.extend((0..part.series.len()).map(|number| (at, number)));
        }
        let series = |(part, number): (usize, usize)| &parts[part].1.series[number];
        order.sort_by_key(|at| (series(*at).dump, series(*at).least, series(*at).most));
        let each = || parts.iter().map(|(_, part)| vec![0u32; part.series.len()]);
        let mut ranks: Vec<Vec<u32>> = each().collect();
        let mut is_across: Vec<Vec<bool>> = each().map(|of| vec![false; of.len()]).collect();
        // Dump and greatest place of those with the rank before, and one of them.
        let mut before: Option<(u32, Place, (usize, usize))> = None;
        let mut rank = 0;
        for at in order {
            let of = series(at);
            is_across[at.0][at.1] |= !of.is_in_order;
            match &mut before {
                Some((dump, most, one)) if *dump == of.dump && of.least <= *most => {
                    *most = of.most.max(*most);
                    is_across[one.0][one.1] = true;
                    is_across[at.0][at.1] = true;
                }
                _ => {
                    rank += 1;
                    before = Some((of.dump, of.most, at));
                }
            }
            ranks[at.0][at.1] = rank;
        }
        let has_any = is_across.iter().flatten().any(|is| *is);
        let across = has_any.then(|| {
            let parts = parts.iter().zip(&is_across);
            let of_each = parts.map(|((_, part), is_across)| match &part.of_event[..] {
                [] => vec![is_across.contains(&true); part.events],
                of_event => of_event.iter().map(|at| is_across[*at as usize]).collect(),
            });
            of_each.collect()
        });
        let mut ties = Self::default();
        for ((start, part), ranks) in parts.into_iter().zip(ranks) {
            ties.starts.push(start);
            let mut of_event = part.of_event;
            ties.ranks.push(match of_event.is_empty() {
                true => Ranks::One(ranks.first().copied().unwrap_or(0)),
                false => {
                    for number in &mut of_event {
                        *number = ranks[*number as usize];
                    }
                    Ranks::Each(of_event)
                }
            });
        }
        (ties, across)
    }

    /// Says where those events lie of which more has to be said, in order, each with the first eight bytes of its id.
    pub fn set_across(&mut self, across: Vec<Placed>) {
        self.across = across;
    }

    /// The same of some of the parts.
    pub fn some(&self, among: &Among) -> Self {
        let mut some = Self::default();
        for (there, here) in among.ranges() {
            let Some(part) = self.part(there.start).filter(|_| !there.is_empty()) else {
                continue;
            };
            some.starts.push(here.start);
            some.ranks.push(self.ranks[part].clone());
            let across = self.across_in(&there).iter();
            let moved = across.map(|(event, of)| (event - there.start + here.start, *of));
            some.across.extend(moved);
        }
        some
    }

    fn across_in(&self, events: &Range<u32>) -> &[Placed] {
        let first = |event: u32| self.across.partition_point(|of| of.0 < event);
        &self.across[first(events.start)..first(events.end)]
    }

    /// Events of one time, in their order.
    pub fn compare(&self, a: u32, b: u32) -> Ordering {
        let by_place = || match (self.place(a), self.place(b)) {
            (Some(of_a), Some(of_b)) => of_a.cmp(&of_b),
            _ => a.cmp(&b),
        };
        self.rank(a).cmp(&self.rank(b)).then_with(by_place)
    }

    fn place(&self, event: u32) -> Option<(Place, u64)> {
        let at = self.across.binary_search_by_key(&event, |of| of.0);
        at.ok().map(|at| self.across[at].1)
    }

    fn rank(&self, event: u32) -> u32 {
        match self
            .part(event)
            .map(|part| (&self.ranks[part], self.starts[part]))
        {
            Some((Ranks::One(rank), _)) => *rank,
            Some((Ranks::Each(ranks), start)) => ranks[(event - start) as usize],
            None => 0,
        }
    }

    /// The part that an event is in: of those that begin with it, the one that is not empty.
    fn part(&self, event: u32) -> Option<usize> {
        let next = self.starts.partition_point(|start| *start <= event);
        next.checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Time, dump, place and head of each event of a part.
    type Records = [(Option<i64>, u32, Place, u64)];

    fn ties(parts: &[&Records]) -> Ties {
        let mut of_parts = Vec::new();
        let mut start = 0;
        for records in parts {
            let mut part = OfPart::default();
            for (time, dump, place, _) in *records {
                part.add(*dump, (*time, *place));
            }
            of_parts.push((start, part));
            start += u32::try_from(records.len()).unwrap();
        }
        let (mut ties, across) = Ties::of(of_parts);
        let across = across.unwrap_or_default().into_iter().flatten();
        let records = parts.iter().flat_map(|part| part.iter());
        let across = (0u32..).zip(records.zip(across));
        let across = across.filter(|(_, (_, is_across))| *is_across);
        ties.set_across(
            across
                .map(|(event, ((_, _, place, head), _))| (event, (*place, *head)))
                .collect(),
        );
        ties
    }

    /// Compares all that are of one time, or may become so.
    fn assert_in_order(parts: &[&Records]) {
        let ties = ties(parts);
        let records: Vec<_> = parts.iter().flat_map(|part| part.iter()).collect();
        for (a, of_a) in (0u32..).zip(&records) {
            for (b, of_b) in (0u32..).zip(&records) {
                if of_a.0 == of_b.0 || of_a.0.is_none() || of_b.0.is_none() {
                    let wanted = (of_a.1, of_a.2, of_a.3).cmp(&(of_b.1, of_b.2, of_b.3));
                    assert_eq!(ties.compare(a, b), wanted, "{of_a:?} {of_b:?}");
                }
            }
        }
    }

    #[test]
    fn events_of_one_time_are_in_the_order_of_dumps_and_records() {
        let parts: [&Records; 4] = [
            &[
                (Some(5), 7, (9, 0), 1),
                (Some(6), 2, (0, 0), 2),
                (Some(6), 7, (0, 0), 3),
                (Some(6), 7, (0, 1), 4),
                (Some(6), 7, (3, 0), 5),
                (Some(8), 2, (3, 0), 6),
            ],
            &[],
            // A dump goes on in a later part of the store.
            &[(Some(6), 7, (10, 0), 7), (Some(6), 7, (11, 0), 8)],
            &[(None, 4, (0, 0), 9), (None, 4, (1, 0), 10)],
        ];
        assert_in_order(&parts);
        assert!(ties(&parts).across.is_empty());
    }

    #[test]
    fn readings_of_one_dump_that_lie_across_each_other_are_told_apart_by_each_record() {
        let parts: [&Records; 3] = [
            &[(Some(5), 1, (0, 0), 5), (Some(5), 1, (9, 0), 5)],
            &[(Some(5), 1, (20, 0), 5), (Some(5), 0, (3, 0), 5)],
            &[
                (Some(5), 1, (1, 0), 5),
                (Some(5), 1, (9, 0), 4),
                (Some(5), 1, (30, 0), 5),
            ],
        ];
        assert_in_order(&parts);
        let across: Vec<u32> = ties(&parts).across.iter().map(|of| of.0).collect();
        assert_eq!(across, [0, 1, 2, 4, 5, 6]);
    }

    #[test]
    fn what_has_no_time_may_take_any() {
        let parts: [&Records; 1] = [&[
            (Some(5), 1, (4, 0), 5),
            (Some(5), 1, (9, 0), 5),
            (None, 1, (5, 0), 5),
            (None, 3, (0, 0), 5),
        ]];
        assert_in_order(&parts);
        let across: Vec<u32> = ties(&parts).across.iter().map(|of| of.0).collect();
        assert_eq!(across, [0, 1, 2]);
    }

    #[test]
    fn parts_that_are_not_in_order_are() {
        let parts: [&Records; 2] = [
            &[(Some(5), 1, (4, 0), 5), (Some(5), 1, (2, 0), 5)],
            &[(Some(5), 1, (7, 0), 5), (Some(5), 1, (8, 0), 5)],
        ];
        assert_in_order(&parts);
        let across: Vec<u32> = ties(&parts).across.iter().map(|of| of.0).collect();
        assert_eq!(across, [0, 1]);
    }
}
