//! Which cells of time are looked at together, and which files are written together.
//!
//! A cell sees what lies in its time, and the fragments of that, whole: the parts of the store that these are in are read for it. Parts
//! follow each other in time, mostly, as cells do: so a sweep over some of them reads little twice, and memory is that of a sweep
//! and not of the store.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::closure::Components;
use super::index::Places;
use super::weigh::Bounds;

/// Cells that are weighed with what some parts hold, or files that are written with it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sweep {
    /// Their numbers.
    pub over: Vec<usize>,
    /// By part, whether it is read.
    pub parts: Vec<bool>,
}

/// How often what sweeps need together is read, at most, before fewer sweeps are made.
const MOST_READ: usize = 3;

/// Makes sweeps over cells, whose numbers are `wanted`, of parts with not more than `most` events, as far as that is enough for one
/// cell. `times` are those of the events, in order of their numbers. Where sweeps would read all of it over and over, they are longer.
pub(super) fn sweeps(
    places: &Places,
    times: &[i64],
    components: &mut Components,
    (cells, wanted): (&[Bounds], &[usize]),
    most: usize,
) -> Vec<Sweep> {
    if wanted.is_empty() {
        return Vec::new();
    }
    let all = vec![true; places.parts().len()];
    if places.len() <= most || wanted.len() <= 1 {
        return vec![Sweep {
            over: wanted.to_vec(),
            parts: all,
        }];
    }
    let windows: Vec<(i64, i64)> = wanted.iter().map(|cell| cells[*cell].seen).collect();
    let needed = needed(places, times, components, &windows);
    sweeps_over(places, &needed, wanted, most)
}

/// Makes sweeps over what needs some parts each, and whose numbers are `wanted`. As [`sweeps`].
pub(super) fn sweeps_over(
    places: &Places,
    needed: &[Vec<usize>],
    wanted: &[usize],
    most: usize,
) -> Vec<Sweep> {
    let sizes: Vec<usize> = places
        .parts()
        .iter()
        .map(|part| part.events.len())
        .collect();
    let size = |parts: &[bool]| -> usize {
        let sizes = sizes.iter().zip(parts).filter(|(_, read)| **read);
        sizes.map(|(size, _)| size).sum()
    };
    let mut once = vec![false; sizes.len()];
    for part in needed.iter().flatten() {
        once[*part] = true;
    }
    let bound = size(&once).saturating_mul(MOST_READ);
    let mut most = most;
    loop {
        let sweeps = sweeps_of(needed, &sizes, wanted, most);
        let read: usize = sweeps.iter().map(|sweep| size(&sweep.parts)).sum();
        if read <= bound || sweeps.len() <= 1 {
            return sweeps;
        }
        most = most.saturating_mul(2);
    }
}

/// Sweeps over what needs parts of so many events at most, each over one or more.
fn sweeps_of(needed: &[Vec<usize>], sizes: &[usize], wanted: &[usize], most: usize) -> Vec<Sweep> {
    let mut sweeps: Vec<Sweep> = Vec::new();
    let mut read = 0;
    for (number, needed) in wanted.iter().zip(needed) {
        if let Some(sweep) = sweeps.last_mut() {
            let more = needed.iter().filter(|part| !sweep.parts[**part]);
            let more: usize = more.map(|part| sizes[*part]).sum();
            if read + more <= most {
                read += more;
                needed.iter().for_each(|part| sweep.parts[*part] = true);
                sweep.over.push(*number);
                continue;
            }
        }
        let mut parts = vec![false; sizes.len()];
        needed.iter().for_each(|part| parts[*part] = true);
        read = needed.iter().map(|part| sizes[*part]).sum();
        sweeps.push(Sweep {
            over: vec![*number],
            parts,
        });
    }
    sweeps
}

/// The parts that are needed for each window of time: those with what is seen in it, and with the rest of the fragments of that.
fn needed(
    places: &Places,
    times: &[i64],
    components: &mut Components,
    windows: &[(i64, i64)],
) -> Vec<Vec<usize>> {
    const NONE: (u32, u32) = (u32::MAX, 0);
    let seen_by = SeenBy::new(windows);
    // The first and the last window that sees anything of a fragment: those between mostly do.
    let mut of_fragment = vec![NONE; times.len()];
    let mut last = seen_by.at(0);
    for (event, time) in (0u32..).zip(times) {
        if !last.0.contains(time) {
            last = seen_by.at(*time);
        }
        if let Some((first, end)) = last.1 {
            let of = &mut of_fragment[components.find(event) as usize];
            *of = (of.0.min(first), of.1.max(end));
        }
    }
    let mut needed: Vec<Vec<usize>> = vec![Vec::new(); windows.len()];
    for (part, numbered) in places.parts().iter().enumerate() {
        // How many more fragments of the part are seen from a window on.
        let mut changes = vec![0i64; windows.len() + 1];
        for event in numbered.events.clone() {
            let (first, end) = of_fragment[components.find(event) as usize];
            if first <= end {
                changes[first as usize] += 1;
                changes[end as usize + 1] -= 1;
            }
        }
        let mut seen = 0;
        for (change, needed) in changes.iter().zip(&mut needed) {
            seen += change;
            if seen > 0 {
                needed.push(part);
            }
        }
    }
    needed
}

/// First and last of the windows that see a time, by spans of it.
struct SeenBy {
    /// First time of each span, and the windows.
    spans: Vec<(i64, Option<(u32, u32)>)>,
}

impl SeenBy {
    fn new(windows: &[(i64, i64)]) -> Self {
        // At which times which windows begin, and which have ended.
        let mut edges: BTreeMap<i64, [Vec<u32>; 2]> =
            BTreeMap::from([(i64::MIN, Default::default())]);
        for (number, (from, to)) in (0u32..).zip(windows) {
            edges.entry(*from).or_default()[0].push(number);
            if let Some(after) = to.checked_add(1) {
                edges.entry(after).or_default()[1].push(number);
            }
        }
        let mut open: BTreeSet<u32> = BTreeSet::new();
        let spans = edges.into_iter().map(|(time, [begin, ended])| {
            open.extend(begin);
            ended.iter().for_each(|number| {
                open.remove(number);
            });
            (time, open.first().copied().zip(open.last().copied()))
        });
        Self {
            spans: spans.collect(),
        }
    }

    /// The span around a time, and the windows that see it.
    fn at(&self, time: i64) -> (RangeInclusive<i64>, Option<(u32, u32)>) {
        let next = self.spans.partition_point(|span| span.0 <= time);
        let (start, windows) = self.spans[next - 1];
        let end = self.spans.get(next).map_or(i64::MAX, |span| span.0 - 1);
        (start..=end, windows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sees_a_time_is_told_by_spans() {
        let seen_by = SeenBy::new(&[(0, 10), (5, 20), (40, i64::MAX)]);
        for (time, windows) in [
            (i64::MIN, None),
            (-1, None),
            (0, Some((0, 0))),
            (5, Some((0, 1))),
            (10, Some((0, 1))),
            (11, Some((1, 1))),
            (20, Some((1, 1))),
            (21, None),
            (i64::MAX, Some((2, 2))),
        ] {
            let (span, found) = seen_by.at(time);
            assert_eq!(found, windows, "{time}");
            assert!(span.contains(&time));
        }
        let none = SeenBy::new(&[]);
        assert_eq!(none.at(7), (i64::MIN..=i64::MAX, None));
    }

    #[test]
    fn runs_of_cells_read_as_many_events_as_they_may() {
        let needed = [vec![0], vec![0, 1], vec![1, 2], vec![2, 3], vec![3]];
        let sizes = [10, 10, 10, 30];
        let cells = |most| -> Vec<Vec<usize>> {
            let sweeps = sweeps_of(&needed, &sizes, &[4, 5, 6, 7, 8], most);
            sweeps.into_iter().map(|sweep| sweep.over).collect()
        };
        assert_eq!(cells(20), [vec![4, 5], vec![6], vec![7], vec![8]]);
        assert_eq!(cells(30), [vec![4, 5, 6], vec![7], vec![8]]);
        assert_eq!(cells(60), [vec![4, 5, 6, 7, 8]]);
        let sweep = &sweeps_of(&needed, &sizes, &[4, 5, 6, 7, 8], 30)[1];
        assert_eq!(sweep.parts, [false, false, true, true]);
    }
}
