//! How far the clocks of two kinds of record are apart: the mode of the differences that rare values make,
//! then the median of likely pairs; sums over other clocks where a pair has too little in common, or where what waits blurs
//! it; and the clock of another kind of record of the same system where nothing else is known.

use super::*;

/// When effects were, and how far behind their causes (microseconds).
type Sample = Vec<(i64, i64)>;

impl Model<'_> {
    /// The offset of each pair of record kinds: where the differences pile up.
    pub(super) fn estimate_offsets(&mut self) {
        const RARE: usize = 3;
        const OF_ONE_TASK: usize = 16;
        let mut samples: BTreeMap<(u32, u32), Sample> = BTreeMap::new();
        // The steps of a fragment have each their own time.
        let steps = self
            .actions
            .iter()
            .flat_map(|action| match &action.steps[..] {
                [] => std::slice::from_ref(action),
                steps => steps,
            });
        for action in steps {
            let mut partners: BTreeSet<usize> = action.named.iter().copied().collect();
            for token in action.tokens.iter() {
                let calls = self.calls_of_token.get(token);
                // What many calls pass pairs nothing; looking at each would take the square of them.
                if calls.len() > FREQUENT {
                    continue;
                }
                let calls = calls.iter().map(|at| *at as usize);
                let mut roots: Vec<u32> = calls.clone().map(|at| self.calls[at].root).collect();
                roots.sort_unstable();
                // Requests that are in no task yet may be of one each, or several of one.
                let placed = roots.partition_point(|root| *root != NONE);
                let alone = (roots.len() - placed).div_ceil(OF_ONE_TASK);
                roots.truncate(placed);
                roots.dedup();
                if roots.len() + alone <= RARE {
                    partners.extend(calls);
                }
            }
            for at in partners {
                let gap = action.time - self.calls[at].time;
                let own = action.events.contains(&self.calls[at].event);
                if gap.abs() <= WINDOW && !own {
                    let pair = (self.calls[at].format, action.format);
                    samples.entry(pair).or_default().push((action.time, gap));
                }
            }
        }
        for (call, request) in self.relayed_pairs() {
            let (call, request) = (&self.calls[call], &self.calls[request]);
            let gap = request.time - call.time;
            if gap.abs() <= WINDOW {
                let pair = (call.format, request.format);
                samples.entry(pair).or_default().push((request.time, gap));
            }
        }
        for (pair, gaps) in self.runs() {
            samples.entry(pair).or_default().extend(gaps);
        }
        // What one record shows of two clocks, it shows both ways.
        let back = |(time, gap): &(i64, i64)| (time - gap, -gap);
        let back: Vec<((u32, u32), Sample)> = samples
            .iter()
            .filter(|((from, to), _)| from != to && self.call_formats.contains(to))
            .map(|((from, to), gaps)| ((*to, *from), gaps.iter().map(back).collect()))
            .collect();
        for (pair, gaps) in back {
            samples.entry(pair).or_default().extend(gaps);
        }
        // Values that agree between the same two records show their clocks once.
        for (pair, mut gaps) in samples {
            gaps.sort_unstable();
            gaps.dedup();
            let gaps: Vec<i64> = gaps.into_iter().map(|(_, gap)| gap).collect();
            if let Some(offset) = mode(gaps.clone()) {
                self.offsets.entry(pair).or_insert(offset);
            } else {
                self.few.insert(pair, gaps);
            }
        }
    }

    /// Offsets of gateways and the systems behind them where no value tells of them, as of records that are only just
    /// made: most changes are as far behind a request that writes as the others are.
    pub(super) fn estimate_by_rhythm(&mut self) {
        /// Further apart than that are no two clocks (microseconds).
        const REACH: i64 = 180_000_000;
        /// More changes than that tell no more.
        const ENOUGH: usize = 512;
        let mut asked: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
        for call in &self.calls {
            if call.is_relayed() && self.facts.kind(call.event) == Kind::Write {
                asked.entry(call.format).or_default().push(call.time);
            }
        }
        asked.values_mut().for_each(|times| times.sort_unstable());
        let mut changed: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
        for action in self.actions.iter().filter(|action| self.is_change(action)) {
            changed.entry(action.format).or_default().push(action.time);
        }
        for (to, changes) in &changed {
            let stride = changes.len().div_ceil(ENOUGH).max(1);
            let changes: Vec<i64> = changes.iter().copied().step_by(stride).collect();
            for (from, asked) in &asked {
                if from == to || self.offsets.contains_key(&(*from, *to)) {
                    continue;
                }
                let near = |time: &i64| {
                    let first = asked.partition_point(|asked| *asked < time - REACH);
                    let end = asked.partition_point(|asked| *asked <= time + REACH);
                    let time = *time;
                    asked[first..end].iter().map(move |asked| (time - asked, time))
                };
                let gaps: Vec<(i64, i64)> = changes.iter().flat_map(near).collect();
                let least = changes.len().min(asked.len()) / 2;
                if let Some(offset) = rhythm(gaps, least, REACH) {
                    self.offsets.insert((*from, *to), offset);
                }
            }
        }
    }

    /// Offsets of pairs with too little in common, over two others: clocks add up.
    pub(super) fn complete_offsets(&mut self) {
        let known: BTreeMap<(u32, u32), Offset> = self
            .offsets
            .iter()
            .map(|(pair, offset)| (*pair, *offset))
            .collect();
        self.drift = drift(&known);
        let calls: BTreeSet<u32> = self.calls.iter().map(|call| call.format).collect();
        let mut actions: BTreeSet<u32> = self.actions.iter().map(|action| action.format).collect();
        actions.extend(&calls);
        for call in &calls {
            for action in &actions {
                let direct = known.get(&(*call, *action));
                let mut best: Option<Offset> = None;
                for other in &actions {
                    for third in &calls {
                        let path = [(*call, *other), (*third, *other), (*third, *action)];
                        let [Some(a), Some(b), Some(c)] = path.map(|pair| known.get(&pair)) else {
                            continue;
                        };
                        let sum = Offset {
                            us: a.us - b.us + c.us,
                            before: a.before + b.before + c.before,
                            after: a.after + b.after + c.after,
                            pairs: 0,
                        };
                        if best.is_none_or(|best| sum.spread() < best.spread()) {
                            best = Some(sum);
                        }
                    }
                }
                // Effects that waited blur a clock that others show clearly.
                let clearer = |sum: &Offset| {
                    direct.is_none_or(|direct| {
                        sum.spread() * 2.0 < direct.spread()
                            && (sum.us - direct.us).abs() < direct.spread()
                    })
                };
                if let Some(offset) = best.filter(clearer) {
                    self.offsets.insert((*call, *action), offset);
                }
            }
        }
        self.pool_offsets(&calls, &actions);
        self.borrow_offsets(&calls, &actions);
    }

    /// Offsets of kinds of record that have too little in common with each kind of call, from what all of them show together:
    /// differences of time to several clocks are those to one, as far as these are known to each other.
    fn pool_offsets(&mut self, calls: &BTreeSet<u32>, actions: &BTreeSet<u32>) {
        let mut pooled: Vec<((u32, u32), Offset)> = Vec::new();
        for action in actions {
            let known = |call: &&u32| self.offsets.contains_key(&(**call, *action));
            if calls.iter().any(|call| known(&call)) {
                continue;
            }
            let gaps = |call: &u32| self.few.get(&(*call, *action)).map_or(&[][..], Vec::as_slice);
            let most = calls.iter().max_by_key(|call| (gaps(call).len(), std::cmp::Reverse(**call)));
            let Some(most) = most.filter(|most| !gaps(most).is_empty()) else {
                continue;
            };
            let apart = |call: &u32| match call == most {
                true => Some(Offset { us: 0.0, before: 0.0, after: 0.0, pairs: 0 }),
                false => self.offsets.get(&(*most, *call)).copied(),
            };
            #[allow(clippy::cast_possible_truncation)] // Minutes in microseconds.
            let all = calls.iter().filter_map(|call| Some((gaps(call), apart(call)?.us as i64)));
            let all: Vec<i64> = all
                .flat_map(|(gaps, apart)| gaps.iter().map(move |gap| gap + apart))
                .collect();
            let Some(offset) = mode(all) else { continue };
            for call in calls {
                pooled.extend(apart(call).map(|apart| {
                    let sum = Offset {
                        us: offset.us - apart.us,
                        before: offset.before + apart.before,
                        after: offset.after + apart.after,
                        pairs: 0,
                    };
                    ((*call, *action), sum)
                }));
            }
        }
        self.offsets.extend(pooled);
    }

    /// Offsets of kinds of record that nothing is known of, from another of the same system, which mostly has one clock:
    /// the one that most rare values agree with, if any do.
    fn borrow_offsets(&mut self, calls: &BTreeSet<u32>, actions: &BTreeSet<u32>) {
        /// What differences of time by chance are spread over (microseconds).
        const REACH: f64 = 360e6;
        let mut borrowed: Vec<((u32, u32), Offset)> = Vec::new();
        for action in actions {
            let source = self.facts.source_of.get(action);
            let same =
                |other: &&u32| *other != action && self.facts.source_of.get(*other) == source;
            let others: Vec<u32> = actions.iter().filter(same).copied().collect();
            let offset = |call: u32, other: u32| self.offsets.get(&(call, other)).copied();
            let shown = |other: &u32| -> usize {
                let gaps = calls.iter().filter_map(|call| {
                    let gaps = self.few.get(&(*call, *action))?;
                    Some((offset(*call, *other)?, gaps))
                });
                gaps.map(|(offset, gaps)| gaps.iter().filter(|gap| offset.allows(**gap)).count())
                    .sum()
            };
            let likely = others.iter().map(|other| (shown(other), *other));
            let likely = likely.max_by_key(|(found, other)| (*found, std::cmp::Reverse(*other)));
            // As many as by chance show that it is another system's clock.
            let shows = |other: u32| {
                let (mut found, mut by_chance) = (0.0, 0.0);
                for call in calls {
                    if let (Some(gaps), Some(offset)) =
                        (self.few.get(&(*call, *action)), offset(*call, other))
                    {
                        let (from, to) = offset.around();
                        #[allow(clippy::cast_precision_loss)] // Microseconds of minutes, and counts.
                        let fits = |gap: &&i64| (from..to).contains(&(**gap as f64));
                        #[allow(clippy::cast_precision_loss)]
                        let (fit, all) =
                            (gaps.iter().filter(fits).count() as f64, gaps.len() as f64);
                        found += fit;
                        by_chance += all * (to - from) / REACH;
                    }
                }
                found > 2.0 * by_chance
            };
            let Some((_, likely)) = likely.filter(|(found, likely)| *found > 0 && shows(*likely))
            else {
                continue;
            };
            for call in calls {
                if self.offsets.contains_key(&(*call, *action)) {
                    continue;
                }
                let wider = offset(*call, likely).map(|known| Offset {
                    before: known.before + ROUNDED,
                    after: known.after + ROUNDED,
                    pairs: 0,
                    ..known
                });
                borrowed.extend(wider.map(|wider| ((*call, *action), wider)));
            }
        }
        self.offsets.extend(borrowed);
    }

    /// When tools ran, and the time from the answer of a model to the tool that ran next in its task, by format.
    pub(super) fn runs(&self) -> BTreeMap<(u32, u32), Vec<(i64, i64)>> {
        let mut runs: BTreeMap<(u32, u32), Vec<(i64, i64)>> = BTreeMap::new();
        for calls in self.calls_of_root.values() {
            for at in calls {
                let tool = &self.calls[*at];
                let before = calls.iter().map(|at| &self.calls[*at]).filter(|call| {
                    call.thinks
                        && call.format == tool.format
                        && (tool.time - call.time).abs() < WINDOW
                });
                let nearest = before
                    .map(|call| tool.time - call.time)
                    .min_by_key(|gap| (gap.abs(), *gap));
                if let Some(gap) = nearest.filter(|_| tool.by_model) {
                    runs.entry((tool.format, tool.format))
                        .or_default()
                        .push((tool.time, gap));
                }
            }
        }
        runs
    }

    /// The offsets again, from the likely pairs.
    pub(super) fn learn_offsets(&mut self, pairs: &[(usize, usize, f64)]) {
        const LEAST: usize = 8;
        let mut gaps: BTreeMap<(u32, u32), Vec<i64>> = BTreeMap::new();
        for (at, number, share) in pairs {
            let (call, action) = (&self.calls[*at], &self.actions[*number]);
            let gap = action.time - call.time;
            // Pairs that the time alone has made would confirm whatever offset made them.
            let known = || action.named.contains(at) || Lens::new(self, action).content(call) > 6.0;
            if *share > 0.8 && gap.abs() <= WINDOW && known() {
                gaps.entry((call.format, action.format))
                    .or_default()
                    .push(gap);
            }
        }
        for (pair, gaps) in gaps {
            if gaps.len() >= LEAST {
                self.offsets.insert(pair, middle(gaps));
            }
        }
    }

    pub(super) fn clocks(&self) -> Vec<Clock> {
        // One of the two directions is enough for people: one that pairs show, from what models have asked for if both
        // do, else the one that more pairs show.
        let by_models: BTreeSet<u32> = self
            .calls
            .iter()
            .filter(|call| call.by_model || call.thinks)
            .map(|call| call.format)
            .collect();
        let rank = |from: &u32, to: &u32, pairs: usize| {
            let asks = by_models.contains(from) && !by_models.contains(to);
            (pairs > 0, asks, pairs, *to)
        };
        let told = |((from, to), offset): &(&(u32, u32), &Offset)| {
            let back = self.offsets.get(&(*to, *from)).filter(|_| from != to);
            back.is_none_or(|back| rank(from, to, offset.pairs) > rank(to, from, back.pairs))
        };
        let mut clocks: Vec<Clock> = self
            .offsets
            .iter()
            .filter(told)
            .map(|((from, to), offset)| Clock {
                from: self.facts.name(*from).to_owned(),
                to: self.facts.name(*to).to_owned(),
                offset: (offset.us / 1e4).round() / 1e2,
                spread: (offset.spread() / 1e4).round() / 1e2,
                pairs: offset.pairs,
            })
            .collect();
        clocks.sort_by(|a, b| (&a.from, &a.to).cmp(&(&b.from, &b.to)));
        clocks
    }
}

/// How far the clocks that are known are apart, in the mean: the scale of a Laplace distribution (microseconds).
fn drift(known: &BTreeMap<(u32, u32), Offset>) -> f64 {
    let apart = known.iter().filter(|((from, to), _)| from != to);
    let apart: Vec<f64> = apart.map(|(_, offset)| offset.us.abs()).collect();
    #[allow(clippy::cast_precision_loss)] // Pairs of kinds of record.
    let mean = apart.iter().sum::<f64>() / apart.len().max(1) as f64;
    mean.max(UNKNOWN)
}

/// Where differences of time pile up: the window that holds most more of them than chance gives, if that stands out. Clocks
/// that count in milliseconds pile up within a tenth of a second, those that count in seconds within two.
pub(super) fn mode(mut gaps: Vec<i64>) -> Option<Offset> {
    const WIDTHS: [i64; 3] = [100_000, 500_000, 2_000_000];
    const LEAST: usize = 5;
    gaps.sort_unstable();
    #[allow(clippy::cast_precision_loss)] // Counts, and microseconds of minutes.
    let by_chance = |width: i64| gaps.len() as f64 * width as f64 / (2.0 * WINDOW as f64);
    let mut best: Option<(f64, i64, i64)> = None;
    for width in WIDTHS {
        let (from, to) = densest(&gaps, width);
        let chance = by_chance(width);
        #[allow(clippy::cast_precision_loss)]
        let found = (to - from) as f64;
        if to - from < LEAST || found < 3.0 * chance {
            continue;
        }
        // Kulldorff's scan statistic, for Poisson counts.
        let stands_out = found * (found / chance).ln() - (found - chance);
        if best.is_none_or(|best| stands_out > best.0) {
            best = Some((stands_out, width, gaps[(from + to) / 2]));
        }
    }
    let (_, width, center) = best?;
    let near = |gap: &i64| (gap - center).abs() <= 3 * width / 2;
    Some(middle(gaps.into_iter().filter(near).collect()))
}

/// Where differences of time pile up, each with the time of the change: in a window that at least so many different
/// changes, behind as many different requests, lie in, and far more than chance would give.
fn rhythm(mut gaps: Vec<(i64, i64)>, least: usize, reach: i64) -> Option<Offset> {
    const WIDTHS: [i64; 3] = [200_000, 1_000_000, 2_000_000];
    const LEAST: usize = 5;
    /// How many such windows chance may give, in all of the differences that are looked at.
    const BY_CHANCE: f64 = 1e-3;
    gaps.sort_unstable();
    let times: Vec<i64> = gaps.iter().map(|(gap, _)| *gap).collect();
    for width in WIDTHS {
        let (from, to) = densest(&times, width);
        let distinct = |of: &dyn Fn(&(i64, i64)) -> i64| {
            let distinct: BTreeSet<i64> = gaps[from..to].iter().map(of).collect();
            distinct.len()
        };
        let found = distinct(&|(_, time)| *time).min(distinct(&|(gap, time)| time - gap));
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
        // Chernoff's bound for Poisson counts.
        let nats = found * (found / chance).ln() - (found - chance);
        if found > chance && windows * (-nats).exp() < BY_CHANCE {
            return Some(middle(times[from..to].to_vec()));
        }
    }
    None
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

/// Median of differences, and how far they spread around it.
pub(super) fn middle(mut near: Vec<i64>) -> Offset {
    /// What no clock is more exact than, and what is no clock any more (microseconds).
    const EXACT: f64 = 5e4;
    const LOOSE: f64 = 5e6;
    near.sort_unstable();
    let median = near[near.len() / 2];
    // The mean distance on a side is the scale of an exponential; the furthest tenth is left out.
    let scale = |mut distances: Vec<i64>| -> f64 {
        distances.sort_unstable();
        distances.truncate((distances.len() * 9).div_ceil(10));
        #[allow(clippy::cast_precision_loss)] // Seconds in microseconds.
        let mean = distances.iter().sum::<i64>() as f64 / distances.len().max(1) as f64;
        mean.clamp(EXACT, LOOSE)
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

    #[test]
    fn clocks_that_are_exact_pile_up_in_a_narrower_window_than_what_is_common_by_chance() {
        // Nine by chance within two seconds, and six within fifty milliseconds.
        let mut gaps: Vec<i64> = (0..9).map(|i| -138_900_000 + i * 210_000).collect();
        gaps.extend((0..6).map(|i| -135_080_000 + i * 9_000));
        gaps.extend((0..20).map(|i| i * 9_700_000 - 90_000_000));
        let offset = mode(gaps).unwrap();
        assert!((offset.us + 135.06e6).abs() < 5e4, "{}", offset.us);
        assert!(offset.spread() < 1e5, "{}", offset.spread());
        // Clocks that count in seconds differ by the same whole seconds each time.
        let offset = mode(vec![2_000_000; 12]).unwrap();
        assert!((offset.us - 2e6).abs() < 1.0 && offset.pairs == 12);
    }

    #[test]
    fn the_mode_of_gaps() {
        let mut gaps: Vec<i64> = (0..40).map(|i| 5_200_000 + i * 10_000).collect();
        gaps.extend((0..60).map(|i| i * 13_000_000 - 400_000_000));
        let offset = mode(gaps).unwrap();
        assert!((offset.us - 5.4e6).abs() < 3e5, "{}", offset.us);
        assert!(mode((0..100).map(|i| i * 9_000_000 - 450_000_000).collect()).is_none());
        assert!(mode(vec![1, 2, 3]).is_none());
    }
}
