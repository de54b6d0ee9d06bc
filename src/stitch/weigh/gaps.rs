//! What differences of time between two kinds of record show of their clocks: where they pile up, and how far they spread
//! around it.

use super::*;

/// How far apart differences of time lie that show no clock any more (microseconds).
pub(super) const LOOSE: f64 = 5e6;

/// Clock offset between a kind of call record and a kind of action record.
#[derive(Clone, Copy)]
pub(super) struct Offset {
    pub(super) us: f64,
    /// How far the differences lie around it: before it what clocks and rounding do, after it what
    /// waits as well.
    pub(super) before: f64,
    pub(super) after: f64,
    /// How many pairs it rests on; 0 if on other offsets.
    pub(super) pairs: usize,
}

impl Offset {
    /// That of two clocks of which nothing is known but how far others are apart.
    pub(super) const fn unknown(drift: f64) -> Self {
        Self {
            us: 0.0,
            before: drift,
            after: drift,
            pairs: 0,
        }
    }

    pub(super) fn spread(self) -> f64 {
        self.before.max(self.after)
    }

    /// Whether it shows more clearly what another one shows: effects that waited blur a clock.
    pub(super) fn is_clearer_than(&self, other: &Self) -> bool {
        self.spread() * 2.0 < other.spread() && (self.us - other.us).abs() < other.spread()
    }

    /// Differences of time that fit without having waited, from the least to the most.
    pub(super) fn around(self) -> (f64, f64) {
        let (before, after) = (self.before * 3.0 + ROUNDED, self.after * 3.0 + ROUNDED);
        (self.us - before, self.us + after)
    }

    /// Whether a difference of time fits, that of an effect which waited included.
    pub(super) fn allows(self, gap: i64) -> bool {
        #[allow(clippy::cast_precision_loss)] // Microseconds of minutes.
        let off = gap as f64 - self.us;
        off > -self.before * 3.0 - ROUNDED && off < self.after * 3.0 + WAIT
    }
}

/// How far the clocks that are known are apart, in the mean: the scale of a Laplace distribution (microseconds).
pub(super) fn drift(known: &BTreeMap<(u32, u32), Offset>) -> f64 {
    let apart = known.iter().filter(|((from, to), _)| from != to);
    let apart: Vec<f64> = apart.map(|(_, offset)| offset.us.abs()).collect();
    #[allow(clippy::cast_precision_loss)] // Pairs of kinds of record.
    let mean = apart.iter().sum::<f64>() / apart.len().max(1) as f64;
    mean.max(UNKNOWN)
}

/// When effects were, and how far behind what may be their causes (microseconds).
pub(super) type Sample = Vec<(i64, i64)>;

/// Where differences of time pile up: the window that holds most more of them than chance gives, if that stands out. Clocks
/// that count in milliseconds pile up within a tenth of a second, those that count in seconds within two. What many effects
/// of one cause show, or many causes of one effect, counts once.
pub(super) fn mode(mut sample: Sample) -> Option<Offset> {
    const WIDTHS: [i64; 3] = [100_000, 500_000, 2_000_000];
    const LEAST: usize = 5;
    /// How far around a window others show how many are there by chance (microseconds).
    const AROUND: i64 = 60_000_000;
    /// How many such windows chance may give, in all of the differences.
    const BY_CHANCE: f64 = 0.05;
    let gaps = in_order(&mut sample);
    let step = step(&gaps);
    #[allow(clippy::cast_precision_loss)] // Counts, and microseconds of minutes.
    let share = |found: usize, width: i64, of: i64| found as f64 * width as f64 / of as f64;
    let mut best: Option<(f64, i64, i64)> = None;
    for width in WIDTHS {
        let (from, to) = densest(&gaps, width);
        let found = distinct(&sample[from..to]);
        if found < LEAST {
            continue;
        }
        let center = gaps[usize::midpoint(from, to)];
        // What waited lies behind a clock's window: the side with fewer shows what is there by chance.
        let between = |from: i64, to: i64| {
            let end = gaps.partition_point(|gap| *gap < to);
            end - gaps.partition_point(|gap| *gap < from)
        };
        let wide = width.max(step);
        let before = between(center - AROUND, center - width);
        let after = between(center + width + 1, center + AROUND + 1);
        let near = share(before.min(after), wide, AROUND - width);
        let chance = share(gaps.len(), wide, 2 * WINDOW).max(near);
        #[allow(clippy::cast_precision_loss)]
        let (found, windows) = (found as f64, 2.0 * WINDOW as f64 / wide as f64);
        let stands_out = nats(found, chance);
        if found < 3.0 * chance || windows * (-stands_out).exp() > BY_CHANCE {
            continue;
        }
        if best.is_none_or(|best| stands_out > best.0) {
            best = Some((stands_out, width, center));
        }
    }
    let (_, width, center) = best?;
    let near = |gap: &i64| (gap - center).abs() <= 3 * width / 2;
    Some(middle(gaps.into_iter().filter(near).collect()))
}

/// Where differences of time pile up, each with the time of the change: in a window that at least so many different
/// changes, behind as many different requests, lie in, and far more than chance would give.
pub(super) fn rhythm(mut sample: Sample, least: usize, reach: i64) -> Option<Offset> {
    const WIDTHS: [i64; 3] = [200_000, 1_000_000, 2_000_000];
    const LEAST: usize = 5;
    /// How many such windows chance may give, in all of the differences that are looked at.
    const BY_CHANCE: f64 = 1e-3;
    let gaps = in_order(&mut sample);
    for width in WIDTHS {
        let (from, to) = densest(&gaps, width);
        let found = distinct(&sample[from..to]);
        if found < least.max(LEAST) {
            continue;
        }
        #[allow(clippy::cast_precision_loss)] // Counts, and microseconds of minutes.
        let (windows, found, all) = (
            2.0 * reach as f64 / width as f64,
            found as f64,
            gaps.len() as f64,
        );
        let chance = all / windows;
        if found > chance && windows * (-nats(found, chance)).exp() < BY_CHANCE {
            return Some(middle(gaps[from..to].to_vec()));
        }
    }
    None
}

/// Sorts by the differences, and gives these.
fn in_order(sample: &mut Sample) -> Vec<i64> {
    sample.sort_unstable_by_key(|(time, gap)| (*gap, *time));
    sample.iter().map(|(_, gap)| *gap).collect()
}

/// How many different causes and effects there are, whichever are fewer.
fn distinct(window: &[(i64, i64)]) -> usize {
    let causes: BTreeSet<i64> = window.iter().map(|(time, gap)| time - gap).collect();
    let effects: BTreeSet<i64> = window.iter().map(|(time, _)| *time).collect();
    causes.len().min(effects.len())
}

/// How far a count stands out from what chance gives: Kulldorff's scan statistic for Poisson counts, and the exponent of
/// Chernoff's bound.
fn nats(found: f64, chance: f64) -> f64 {
    found * (found / chance).ln() - (found - chance)
}

/// First and last place of the most differences that lie within a width.
fn densest(gaps: &[i64], width: i64) -> (usize, usize) {
    let (mut best, mut start) = ((0, 0), 0);
    for end in 0..gaps.len() {
        while gaps[end] - gaps[start] > width {
            start += 1;
        }
        if end + 1 - start > best.1 - best.0 {
            best = (start, end + 1);
        }
    }
    best
}

/// What differences are counted in: two clocks of whole seconds differ by whole seconds (microseconds).
fn step(gaps: &[i64]) -> i64 {
    const SECOND: i64 = 1_000_000;
    match gaps.iter().all(|gap| gap % SECOND == 0) {
        true => SECOND,
        false => 1,
    }
}

/// Median of differences, and how far they spread around it.
pub(super) fn middle(mut near: Vec<i64>) -> Offset {
    /// What no clock is more exact than (microseconds).
    const EXACT: f64 = 5e4;
    near.sort_unstable();
    let median = near[near.len() / 2];
    // Two times that are cut to whole seconds differ by a third of one more or less, in the mean.
    #[allow(clippy::cast_precision_loss)] // A second in microseconds.
    let exact = EXACT.max(step(&near) as f64 / 3.0);
    // The mean distance on a side is the scale of an exponential; the furthest tenth is left out.
    let scale = |mut distances: Vec<i64>| -> f64 {
        distances.sort_unstable();
        distances.truncate((distances.len() * 9).div_ceil(10));
        #[allow(clippy::cast_precision_loss)] // Seconds in microseconds.
        let mean = distances.iter().sum::<i64>() as f64 / distances.len().max(1) as f64;
        mean.clamp(exact, LOOSE)
    };
    let before = near
        .iter()
        .filter(|gap| **gap <= median)
        .map(|gap| median - gap);
    let after = near
        .iter()
        .filter(|gap| **gap >= median)
        .map(|gap| gap - median);
    #[allow(clippy::cast_precision_loss)]
    Offset {
        us: median as f64,
        before: scale(before.collect()),
        after: scale(after.collect()),
        pairs: near.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Differences of as many causes and effects.
    fn each(gaps: impl IntoIterator<Item = i64>) -> Sample {
        let times = (0i64..).map(|at| at * 7_000_000_000);
        times.zip(gaps).collect()
    }

    #[test]
    fn clocks_that_are_exact_pile_up_in_a_narrower_window_than_what_is_common_by_chance() {
        // Nine by chance within two seconds, and six within fifty milliseconds.
        let mut gaps: Vec<i64> = (0..9).map(|i| -138_900_000 + i * 210_000).collect();
        gaps.extend((0..6).map(|i| -135_080_000 + i * 9_000));
        gaps.extend((0..30).map(|i| i * 9_700_000 - 190_000_000));
        let offset = mode(each(gaps)).unwrap();
        assert!((offset.us + 135.06e6).abs() < 5e4, "{}", offset.us);
        assert!(offset.spread() < 1e5, "{}", offset.spread());
        // Clocks that count in seconds differ by the same whole seconds each time.
        let offset = mode(each([2_000_000; 12])).unwrap();
        assert!((offset.us - 2e6).abs() < 1.0 && offset.pairs == 12);
    }

    #[test]
    fn many_effects_of_one_cause_show_no_clock_and_whole_seconds_are_not_exact() {
        // Twelve effects within half a second behind one cause, and one cause of each of twelve behind one effect.
        let burst: Sample = (0..12)
            .map(|at| (at * 30_000, at * 30_000 + 7_000_000))
            .collect();
        assert!(mode(burst).is_none());
        let burst: Sample = (0..12).map(|at| (0, at * 30_000 + 7_000_000)).collect();
        assert!(mode(burst).is_none());
        // A few more than what is there by chance all around.
        let crowd = (-450..450).map(|at| at * 130_000);
        let more = (0..4).map(|at| at * 20_000);
        assert!(mode(each(crowd.chain(more))).is_none());
        let offset = mode(each([2_000_000; 12])).unwrap();
        assert!(offset.spread() > 3e5, "{}", offset.spread());
    }

    #[test]
    fn requests_and_changes_in_one_rhythm() {
        const SECOND: i64 = 1_000_000;
        // Changes at odd times, each 41 s before the request that a gateway of another clock has logged, and all others
        // within three minutes.
        let changes: Vec<i64> = [3, 17, 40, 77, 90, 131, 155, 170]
            .map(|at| at * SECOND)
            .to_vec();
        let asked: Vec<i64> = changes.iter().map(|at| at + 41 * SECOND).collect();
        let gaps = |asked: &[i64]| -> Sample {
            let of = |change: &i64| {
                let change = *change;
                asked
                    .iter()
                    .map(move |asked| (change, change - asked))
                    .collect::<Vec<_>>()
            };
            changes.iter().flat_map(of).collect()
        };
        let offset = rhythm(gaps(&asked), 4, 180 * SECOND).unwrap();
        assert!((offset.us + 41e6).abs() < 1e5, "{}", offset.us);
        // Others that have nothing to do with them.
        let others = [9, 31, 52, 58, 99, 120, 141, 177].map(|at| at * SECOND);
        assert!(rhythm(gaps(&others), 4, 180 * SECOND).is_none());
        // One request that many changes follow is no rhythm.
        let burst: Sample = (0..20)
            .map(|n| (5 * SECOND + n, n))
            .map(|(gap, n)| (gap + n % 2, gap))
            .collect();
        assert!(rhythm(burst, 1, 180 * SECOND).is_none());
        assert!(rhythm(Vec::new(), 0, 180 * SECOND).is_none());
    }

    #[test]
    fn clocks_of_which_nothing_is_known_are_as_far_apart_as_the_others() {
        let offset = |us| Offset {
            us,
            before: 1e5,
            after: 1e5,
            pairs: 9,
        };
        let known = |all: &[((u32, u32), f64)]| {
            all.iter()
                .map(|(pair, us)| (*pair, offset(*us)))
                .collect::<BTreeMap<_, _>>()
        };
        assert!((drift(&known(&[])) - UNKNOWN).abs() < 1.0);
        assert!((drift(&known(&[((1, 2), 1e5), ((2, 1), -1e5)])) - UNKNOWN).abs() < 1.0);
        let far = known(&[
            ((1, 2), 40e6),
            ((2, 1), -40e6),
            ((1, 3), 10e6),
            ((2, 2), 0.0),
        ]);
        assert!((drift(&far) - 30e6).abs() < 1.0);
    }

    #[test]
    fn the_mode_of_gaps() {
        let mut gaps: Vec<i64> = (0..40).map(|i| 5_200_000 + i * 10_000).collect();
        gaps.extend((0..60).map(|i| i * 13_000_000 - 400_000_000));
        let offset = mode(each(gaps)).unwrap();
        assert!((offset.us - 5.4e6).abs() < 3e5, "{}", offset.us);
        assert!(mode(each((0..100).map(|i| i * 9_000_000 - 450_000_000))).is_none());
        assert!(mode(each([1, 2, 3])).is_none());
    }
}
