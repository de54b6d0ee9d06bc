//! How far the clocks of two kinds of record are apart: the mode of the differences that rare values make,
//! then the median of likely pairs; sums over other clocks where a pair has too little in common, or where what waits blurs
//! it; and the clock of another kind of record of the same system where nothing else is known.

use super::gaps::{Sample, drift, middle, mode, rhythm};
use super::sums::{sound, sums};
use super::*;

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
            if let Some(offset) = mode(gaps.clone()) {
                self.shown.insert(pair, offset);
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
        /// Where more requests than that are near each change, some are at any distance.
        const CROWDED: usize = 512;
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
                if from == to || self.shown.contains_key(&(*from, *to)) {
                    continue;
                }
                let near = |time: i64| {
                    let first = asked.partition_point(|asked| *asked < time - REACH);
                    let end = asked.partition_point(|asked| *asked <= time + REACH);
                    &asked[first..end]
                };
                let found: usize = changes.iter().map(|time| near(*time).len()).sum();
                if found > CROWDED * changes.len() {
                    continue;
                }
                let gaps = changes.iter().flat_map(|time| {
                    let asked = near(*time).iter();
                    asked.map(move |asked| (*time, time - asked))
                });
                let gaps: Sample = gaps.collect();
                let least = changes.len().min(asked.len()) / 2;
                if let Some(offset) = rhythm(gaps, least, REACH) {
                    self.shown.insert((*from, *to), offset);
                }
            }
        }
    }

    /// Offsets of pairs with too little in common, over others: clocks add up. Only what pairs show is added; what was worked
    /// out from it before is worked out again.
    pub(super) fn complete_offsets(&mut self) {
        let shown = sound(&self.shown);
        self.drift = drift(&shown);
        let calls: BTreeSet<u32> = self.calls.iter().map(|call| call.format).collect();
        let mut actions: BTreeSet<u32> = self.actions.iter().map(|action| action.format).collect();
        actions.extend(&calls);
        let sums = sums(&shown);
        self.offsets = shown
            .iter()
            .map(|(pair, offset)| (*pair, *offset))
            .collect();
        for call in &calls {
            for action in actions.iter().filter(|action| *action != call) {
                let direct = shown.get(&(*call, *action));
                let clearer =
                    |sum: &&Offset| direct.is_none_or(|direct| sum.is_clearer_than(direct));
                if let Some(offset) = sums.get(&(*call, *action)).filter(clearer) {
                    self.offsets.insert((*call, *action), *offset);
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
            let gaps = |call: &u32| {
                self.few
                    .get(&(*call, *action))
                    .map_or(&[][..], Vec::as_slice)
            };
            let most = calls
                .iter()
                .max_by_key(|call| (gaps(call).len(), std::cmp::Reverse(**call)));
            let Some(most) = most.filter(|most| !gaps(most).is_empty()) else {
                continue;
            };
            let apart = |call: &u32| match call == most {
                true => Some(Offset {
                    us: 0.0,
                    before: 0.0,
                    after: 0.0,
                    pairs: 0,
                }),
                false => self.offsets.get(&(*most, *call)).copied(),
            };
            #[allow(clippy::cast_possible_truncation)] // Minutes in microseconds.
            let all = calls
                .iter()
                .filter_map(|call| Some((gaps(call), apart(call)?.us as i64)));
            let all: Sample = all
                .flat_map(|(gaps, apart)| gaps.iter().map(move |(time, gap)| (*time, gap + apart)))
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
                gaps.map(|(offset, gaps)| {
                    gaps.iter().filter(|(_, gap)| offset.allows(*gap)).count()
                })
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
                        #[allow(clippy::cast_precision_loss)]
                        // Microseconds of minutes, and counts.
                        let fits = |(_, gap): &&(i64, i64)| (from..to).contains(&(*gap as f64));
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
            if gaps.len() < LEAST {
                continue;
            }
            let learned = middle(gaps);
            let known = self.shown.get(&pair);
            if known.is_none_or(|known| !known.is_clearer_than(&learned)) {
                self.shown.insert(pair, learned);
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
