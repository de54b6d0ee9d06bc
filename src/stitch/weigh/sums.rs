//! Clocks add up: how far two are apart follows from how far both are from others, and what contradicts that is no clock.

use std::cmp::Ordering;

use super::gaps::LOOSE;
use super::*;

/// Without those that contradict what more of them show: a few records that agree by chance, or what has waited.
///
/// Clocks are set to each other in groups, those first between which most is shown.
pub(super) fn sound(shown: &BTreeMap<(u32, u32), Offset>) -> BTreeMap<(u32, u32), Offset> {
    // What two clocks show of each other counts once.
    let mut edges: BTreeMap<(u32, u32), Edge> = BTreeMap::new();
    for ((from, to), offset) in shown.iter().filter(|((from, to), _)| from != to) {
        let pair = (*from.min(to), *from.max(to));
        let edge = Edge {
            us: if from < to { offset.us } else { -offset.us },
            weight: weight(offset),
        };
        let known = edges.entry(pair).or_insert(edge);
        if edge.weight > known.weight {
            *known = edge;
        }
    }
    let clocks: BTreeSet<u32> = edges.keys().flat_map(|(from, to)| [*from, *to]).collect();
    // The group of each clock, and where it stands in it.
    let mut places: BTreeMap<u32, (u32, f64)> = BTreeMap::new();
    places.extend(clocks.into_iter().map(|clock| (clock, (clock, 0.0))));
    loop {
        let mut between: BTreeMap<(u32, u32), Vec<Edge>> = BTreeMap::new();
        for ((from, to), edge) in &edges {
            let ((group, start), (other, end)) = (places[from], places[to]);
            let us = start + edge.us - end;
            let (pair, us) = match group.cmp(&other) {
                Ordering::Less => ((group, other), us),
                Ordering::Equal => continue,
                Ordering::Greater => ((other, group), -us),
            };
            between.entry(pair).or_default().push(Edge { us, ..*edge });
        }
        let agreed = between
            .into_iter()
            .map(|(pair, edges)| (pair, agreed(edges)));
        // Of those of one weight the first.
        let most = agreed.rev().max_by_key(|(_, edge)| edge.weight);
        let Some(((group, other), edge)) = most else {
            break;
        };
        for (of, at) in places.values_mut().filter(|(of, _)| *of == other) {
            (*of, *at) = (group, *at + edge.us);
        }
    }
    let fits = |((from, to), offset): &(&(u32, u32), &Offset)| {
        let place = |clock: &u32| places.get(clock).map_or(0.0, |place| place.1);
        from == to || (place(from) + offset.us - place(to)).abs() <= LOOSE
    };
    let sound = shown.iter().filter(fits);
    sound.map(|(pair, offset)| (*pair, *offset)).collect()
}

/// How far two clocks, or groups of them, are apart (microseconds), and how much shows it.
#[derive(Clone, Copy)]
struct Edge {
    us: f64,
    weight: i64,
}

/// What an offset counts: the more, the more pairs show it, and the closer they lie. Whole numbers add up to the same in any
/// order.
fn weight(offset: &Offset) -> i64 {
    #[allow(clippy::cast_precision_loss)] // Counts.
    let pairs = offset.pairs as f64;
    milli(pairs * (LOOSE / offset.spread()).ln().max(0.0)).max(1)
}

/// Where most of what is shown between two groups agrees, and its weight; the heaviest of it tells where that is.
fn agreed(mut edges: Vec<Edge>) -> Edge {
    edges.sort_by(|a, b| a.us.total_cmp(&b.us));
    let mut best = Edge { us: 0.0, weight: 0 };
    for (at, first) in edges.iter().enumerate() {
        let near = edges[at..]
            .iter()
            .take_while(|edge| edge.us - first.us <= LOOSE);
        let weight = near.clone().map(|edge| edge.weight).sum();
        if weight > best.weight {
            let heaviest = near.max_by_key(|edge| edge.weight);
            best = Edge {
                us: heaviest.map_or(first.us, |edge| edge.us),
                weight,
            };
        }
    }
    best
}

/// How far clocks are apart over all others, on the way that blurs it least: Floyd and Warshall's shortest paths.
pub(super) fn sums(known: &BTreeMap<(u32, u32), Offset>) -> BTreeMap<(u32, u32), Offset> {
    let clocks: BTreeSet<u32> = known.keys().flat_map(|(from, to)| [*from, *to]).collect();
    let mut sums: BTreeMap<(u32, u32), Offset> = BTreeMap::new();
    let shorter = |sums: &mut BTreeMap<(u32, u32), Offset>, pair: (u32, u32), offset: Offset| {
        let before = sums.get(&pair);
        if before.is_none_or(|before| offset.spread() < before.spread()) {
            sums.insert(pair, Offset { pairs: 0, ..offset });
        }
    };
    for ((from, to), offset) in known.iter().filter(|((from, to), _)| from != to) {
        shorter(&mut sums, (*from, *to), *offset);
        let back = Offset {
            us: -offset.us,
            ..*offset
        };
        shorter(&mut sums, (*to, *from), back);
    }
    for over in &clocks {
        for from in clocks.iter().filter(|from| *from != over) {
            let Some(first) = sums.get(&(*from, *over)).copied() else {
                continue;
            };
            for to in clocks.iter().filter(|to| *to != over && *to != from) {
                let Some(second) = sums.get(&(*over, *to)).copied() else {
                    continue;
                };
                let sum = Offset {
                    us: first.us + second.us,
                    before: first.before + second.before,
                    after: first.after + second.after,
                    pairs: 0,
                };
                shorter(&mut sums, (*from, *to), sum);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: f64 = 1e6;

    fn shown(all: &[((u32, u32), f64, f64, usize)]) -> BTreeMap<(u32, u32), Offset> {
        let offset = |(pair, seconds, spread, pairs): &((u32, u32), f64, f64, usize)| {
            let offset = Offset {
                us: seconds * SECOND,
                before: spread * SECOND,
                after: spread * SECOND,
                pairs: *pairs,
            };
            (*pair, offset)
        };
        all.iter().map(offset).collect()
    }

    #[test]
    fn what_contradicts_what_more_records_show_is_no_clock() {
        let all = shown(&[
            ((1, 2), 10.0, 0.1, 20),
            ((2, 3), 5.0, 0.1, 20),
            ((1, 3), 15.4, 0.3, 12),
            // Some that agree by chance, and some that have waited.
            ((4, 3), 90.0, 0.6, 6),
            ((1, 4), 7.0, 0.3, 9),
            ((3, 4), -8.2, 5.0, 30),
            ((2, 2), 60.0, 0.1, 5),
        ]);
        let sound = sound(&all);
        let dropped: Vec<&(u32, u32)> = all
            .keys()
            .filter(|pair| !sound.contains_key(pair))
            .collect();
        assert_eq!(dropped, [&(4, 3)]);
    }

    #[test]
    fn several_that_agree_count_together() {
        let tied = [
            ((1, 2), 0.0, 0.1, 40),
            ((2, 3), 0.0, 0.1, 40),
            ((3, 4), 0.0, 0.1, 40),
            // The clearest one of the fifth clock, and what three others show of it.
            ((1, 5), 50.0, 0.3, 11),
            ((2, 5), 20.0, 0.3, 6),
            ((5, 3), -20.6, 0.3, 5),
            ((4, 5), 19.1, 0.8, 8),
        ];
        let sound = sound(&shown(&tied));
        assert!(!sound.contains_key(&(1, 5)) && sound.len() == 6);
        // What two clocks show both ways is shown once.
        let twice = [
            ((1, 5), 50.0, 0.3, 6),
            ((5, 1), -50.0, 0.3, 6),
            ((1, 2), 0.0, 0.1, 40),
            ((2, 5), 20.0, 0.3, 9),
        ];
        let sound = super::sound(&shown(&twice));
        assert!(sound.contains_key(&(2, 5)) && sound.len() == 2);
        assert!(super::sound(&BTreeMap::new()).is_empty());
    }

    #[test]
    fn clocks_add_up_on_the_way_that_blurs_them_least() {
        let all = shown(&[
            ((1, 2), 10.0, 0.1, 20),
            ((3, 2), -5.0, 0.2, 20),
            ((1, 3), 17.0, 4.0, 12),
            ((3, 4), 1.0, 0.1, 9),
        ]);
        let sums = sums(&all);
        let of = |from, to| {
            let sum: &Offset = &sums[&(from, to)];
            assert_eq!(sum.pairs, 0);
            (
                (sum.us / SECOND * 10.0).round(),
                (sum.spread() / SECOND * 10.0).round(),
            )
        };
        assert_eq!(of(1, 3), (150.0, 3.0));
        assert_eq!(of(3, 1), (-150.0, 3.0));
        assert_eq!(of(1, 4), (160.0, 4.0));
        assert!(!sums.contains_key(&(1, 1)) && sums.len() == 12);
    }
}
