//! How far the clocks of two kinds of record are apart: the mode of the differences that rare values make,
//! then the median of likely pairs, and sums over other clocks where a pair has too little in common.

use super::*;

impl Model<'_> {
    /// The offset of each pair of record kinds: where the differences pile up.
    pub(super) fn estimate_offsets(&mut self) {
        const RARE: usize = 3;
        let mut samples: BTreeMap<(u32, u32), Vec<i64>> = BTreeMap::new();
        for action in &self.actions {
            let mut partners: BTreeSet<usize> = action.named.iter().copied().collect();

            for token in action.tokens.iter() {
                let calls = self.calls_of_token.get(token);
                // What many calls pass pairs nothing; looking at each would take the square of them.
                if calls.len() > FREQUENT {
                    continue;
                }
                let calls = calls.iter().map(|at| *at as usize);
                let roots: BTreeSet<u32> = calls.clone().map(|at| self.calls[at].root).collect();
                if roots.len() <= RARE {
                    partners.extend(calls);
                }
            }
            for at in partners {
                let gap = action.time - self.calls[at].time;
                let own = action.events.contains(&self.calls[at].event);
                if gap.abs() <= WINDOW && !own {
                    let pair = (self.calls[at].format, action.format);
                    samples.entry(pair).or_default().push(gap);
                }
            }
        }
        for (call, request) in self.relayed_pairs() {
            let (call, request) = (&self.calls[call], &self.calls[request]);
            let gap = request.time - call.time;
            if gap.abs() <= WINDOW {
                let pair = (call.format, request.format);
                samples.entry(pair).or_default().push(gap);
            }
        }
        for gaps in self.runs() {
            samples.entry(gaps.0).or_default().extend(gaps.1);
        }
        for (pair, gaps) in samples {
            if let Some(offset) = mode(gaps) {
                self.offsets.entry(pair).or_insert(offset);
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
        let calls: BTreeSet<u32> = self.calls.iter().map(|call| call.format).collect();
        let mut actions: BTreeSet<u32> = self.actions.iter().map(|action| action.format).collect();
        actions.extend(&calls);
        for call in &calls {
            for action in &actions {
                if known.contains_key(&(*call, *action)) {
                    continue;
                }
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
                if let Some(offset) = best {
                    self.offsets.insert((*call, *action), offset);
                }
            }
        }
    }

    /// Times from a model's answer to the tool that runs next in its task, by format.
    pub(super) fn runs(&self) -> BTreeMap<(u32, u32), Vec<i64>> {
        let mut runs: BTreeMap<(u32, u32), Vec<i64>> = BTreeMap::new();
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
                        .push(gap);
                }
            }
        }
        runs
    }

    /// Tool calls and requests of one task that an id or a rare value pairs.
    pub(super) fn relayed_pairs(&self) -> Vec<(usize, usize)> {
        const RARE: usize = 3;
        let mut pairs: BTreeSet<(usize, usize)> = self.relayed.iter().copied().collect();
        for (request, call) in self.calls.iter().enumerate() {
            if call.by_model || call.thinks || call.root == NONE {
                continue;
            }
            for token in call.tokens.iter() {
                let others = self.calls_of_token.get(token);
                if others.len() > FREQUENT {
                    continue;
                }
                let same =
                    |at: &usize| self.calls[*at].by_model && self.calls[*at].root == call.root;
                let others = others.iter().map(|at| *at as usize);
                let same: Vec<usize> = others.filter(same).collect();
                if same.len() <= RARE {
                    pairs.extend(same.into_iter().map(|at| (at, request)));
                }
            }
        }
        pairs.into_iter().collect()
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
        let mut clocks: Vec<Clock> = self
            .offsets
            .iter()
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

/// Where differences of time pile up: the densest two seconds, if there are enough of them to stand
/// out from what chance gives.
pub(super) fn mode(mut gaps: Vec<i64>) -> Option<Offset> {
    const BIN: i64 = 2_000_000;
    const LEAST: usize = 5;
    gaps.sort_unstable();
    let mut best = (0usize, 0usize);
    let mut start = 0;
    for end in 0..gaps.len() {
        while gaps[end] - gaps[start] > BIN {
            start += 1;
        }
        if end + 1 - start > best.1 - best.0 {
            best = (start, end + 1);
        }
    }
    let peak = best.1 - best.0;
    #[allow(clippy::cast_precision_loss)]
    let background = gaps.len() as f64 * BIN as f64 / (2.0 * WINDOW as f64);
    #[allow(clippy::cast_precision_loss)]
    if peak < LEAST || (peak as f64) < 3.0 * background {
        return None;
    }
    let center = gaps[(best.0 + best.1) / 2];
    let near: Vec<i64> = gaps
        .into_iter()
        .filter(|gap| (gap - center).abs() <= 3 * BIN / 2)
        .collect();
    Some(middle(near))
}

/// Median of differences, and how far they spread around it.
pub(super) fn middle(mut near: Vec<i64>) -> Offset {
    near.sort_unstable();
    let median = near[near.len() / 2];
    // The mean distance on a side is the scale of an exponential; the furthest tenth is left out.
    let scale = |mut distances: Vec<i64>| -> f64 {
        distances.sort_unstable();
        distances.truncate((distances.len() * 9).div_ceil(10));
        #[allow(clippy::cast_precision_loss)]
        let mean = distances.iter().sum::<i64>() as f64 / distances.len().max(1) as f64;
        mean.clamp(3e5, 5e6)
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
    fn the_mode_of_gaps() {
        let mut gaps: Vec<i64> = (0..40).map(|i| 5_200_000 + i * 10_000).collect();
        gaps.extend((0..60).map(|i| i * 13_000_000 - 400_000_000));
        let offset = mode(gaps).unwrap();
        assert!((offset.us - 5.4e6).abs() < 3e5, "{}", offset.us);
        assert!(mode((0..100).map(|i| i * 9_000_000 - 450_000_000).collect()).is_none());
        assert!(mode(vec![1, 2, 3]).is_none());
    }
}
