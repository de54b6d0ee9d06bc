//! One cause for one action, the surest first.

use foldhash::{HashSet, HashSetExt};

use super::*;
use crate::store::cores;

/// Calls that could be the cause of an action, with their weights in bits.
pub(super) type Weights = Vec<(usize, f64)>;

/// What calls have done: the call, and a slot of a kind of record.
type Taken = HashSet<(usize, u32, u32)>;

/// What speaks for the calls of one task as the cause of an action, in bits.
pub(super) struct OfTask {
    pub(super) root: u32,
    /// Each call, with its weight as it is and as it was before others had taken it.
    deeds: Vec<(usize, f64, f64)>,
    /// All of them together, as it is and as it was.
    pub(super) left: f64,
    before: f64,
}

impl OfTask {
    /// Any of the calls may have been the cause; what two of them tell of one deed counts once.
    fn sum_up(&mut self, is_same: impl Fn(usize, usize) -> bool) {
        let mut counted: Vec<(usize, f64, f64)> = Vec::with_capacity(self.deeds.len());
        for (at, left, before) in &self.deeds {
            match counted.iter_mut().find(|deed| is_same(*at, deed.0)) {
                Some((_, most, most_before)) => {
                    *most = most.max(*left);
                    *most_before = most_before.max(*before);
                }
                None => counted.push((*at, *left, *before)),
            }
        }
        self.left = counted.iter().map(|deed| deed.1.exp2()).sum::<f64>().log2();
        self.before = counted.iter().map(|deed| deed.2.exp2()).sum::<f64>().log2();
    }
}

impl Model<'_> {
    /// Calls that may be the cause of an action, in their order.
    pub(super) fn candidates(&self, action: &Action) -> Vec<usize> {
        self.candidates_of(action, |at| self.can_cause(at, action))
    }

    /// Calls that share a value, a size or the time with an action, in their order.
    pub(super) fn any_candidates(&self, action: &Action) -> Vec<usize> {
        self.candidates_of(action, |_| true)
    }

    /// Those of them that are able to.
    fn candidates_of(&self, action: &Action, is_able: impl Fn(usize) -> bool) -> Vec<usize> {
        if action.settled {
            let calls = self.calls_of_root.get(&action.root);
            let calls = calls.into_iter().flatten().copied();
            let calls = calls.filter(|at| self.calls[*at].by_model);
            return calls.filter(|at| is_able(*at)).collect();
        }
        let of_values = action.by_value.get_or_init(|| self.calls_of_values(action));
        let of_size = self.calls_of_size(action);
        let found = of_values.iter().chain(&of_size).copied();
        let mut found: Vec<usize> = found.filter(|at| is_able(*at)).collect();
        // Around the time at which its cause must have been, whoever it was.
        for ((format, thinks), calls) in &self.by_format {
            if *thinks != action.is_tool {
                continue;
            }
            let Some(offset) = self.offsets.get(&(*format, action.format)) else {
                continue;
            };
            #[allow(clippy::cast_possible_truncation)] // Minutes in microseconds.
            let (center, reach) = (
                action.time - offset.us as i64,
                (offset.spread() * 6.0) as i64 + 1_000_000,
            );
            let start = calls.partition_point(|call| call.0 < center - reach);
            let some = &calls[start..calls.len().min(start + CROWD + 1)];
            let near = some.partition_point(|call| call.0 <= center + reach);
            // In a crowd the time alone tells nobody apart, and looking at each takes long.
            if near <= CROWD {
                let near = calls[start..start + near].iter().map(|call| call.1);
                found.extend(near.filter(|at| is_able(*at)));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Calls that share a value with an action, in their order.
    fn calls_of_values(&self, action: &Action) -> Vec<usize> {
        let mut found = Vec::new();
        for token in action.tokens.iter() {
            let calls = self.calls_of_token.get(token);
            if calls.len() <= FREQUENT {
                let near = |at: &usize| self.is_near(*at, action);
                found.extend(calls.iter().map(|at| *at as usize).filter(near));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// One cause for each action, the surest first.
    ///
    /// The likelihood of a cause is its share among all that could have been it, and none. What is
    /// sure takes its call away from what is not, which may then be sure too: so it goes in rounds.
    pub(super) fn assign(&self, threshold: f64) -> (Vec<Option<Choice>>, Vec<Weights>) {
        let least = (threshold / (1.0 - threshold)).log2() / DEPENDENT;
        let mut weights: Vec<Weights> = self.of_each(|action| {
            if action.settled {
                return Vec::new();
            }
            self.weights(action)
        });
        self.orient(&mut weights);
        let mut chosen: Vec<Option<Choice>> = vec![None; self.actions.len()];
        // An id joins the actions of a fragment: they are in one task, that of the surest.
        let mut task_of: HashMap<u32, u32> = HashMap::new();
        let mut taken = Taken::new();
        // What is settled in a task that nothing is weighed for takes nothing away.
        let asked: BTreeSet<u32> = weights
            .iter()
            .flatten()
            .map(|(at, _)| self.calls[*at].root)
            .collect();
        let settled = self.of_each(|action| {
            let counts = action.settled && asked.contains(&action.root);
            counts.then(|| self.cause_within(action)).flatten()
        });
        for (action, cause) in self.actions.iter().zip(settled) {
            if let Some((at, _)) = cause {
                self.take(&mut taken, at, action);
            }
        }
        // What has too few bits of all its causes can only lose some.
        let may_be_sure = |weights: &Weights| {
            let all: f64 = weights.iter().map(|(_, weight)| weight.exp2()).sum();
            all.log2() >= least
        };
        let mut open: Vec<usize> = (0..self.actions.len())
            .filter(|number| may_be_sure(&weights[*number]))
            .collect();
        for _ in 0..MOST_ROUNDS {
            open.retain(|number| chosen[*number].is_none());
            let asked = self.of_some(&open, |number| {
                let action = &self.actions[number];
                self.likeliest(action, &weights[number], &taken, &chosen)
            });
            let mut sure: Vec<(i64, usize, usize, f64)> = Vec::new();
            for (number, likeliest) in open.iter().zip(asked) {
                if let Some((at, weight, probability, ahead)) = likeliest
                    && weight >= least
                    && ahead >= MARGIN
                {
                    sure.push((milli(weight), *number, at, probability));
                }
            }
            // Whole numbers and ids as tie breakers: the order of the input decides nothing.
            sure.sort_by(|a, b| {
                b.0.cmp(&a.0)
                    .then_with(|| self.action_id(a.1).cmp(&self.action_id(b.1)))
                    .then_with(|| self.call_id(a.2).cmp(&self.call_id(b.2)))
            });
            let before = chosen.iter().flatten().count();
            let mut now = Taken::new();
            for (weight, number, at, probability) in sure {
                let action = &self.actions[number];
                let root = self.calls[at].root;
                // Chosen in this round the other way about.
                if self.leads_to(at, number, &chosen) {
                    continue;
                }
                let elsewhere = task_of.get(&action.root).is_some_and(|task| *task != root);
                // Taken in this round: what that leaves is weighed in the next.
                let slot = (at, action.format, slot_of(action));
                if elsewhere || (now.contains(&slot) && !taken.contains(&slot)) {
                    continue;
                }
                task_of.insert(action.root, root);
                self.take(&mut now, at, action);
                #[allow(clippy::cast_precision_loss)]
                let bits = weight as f64 / 1000.0;
                chosen[number] = Some(Choice {
                    call: at,
                    bits,
                    probability,
                });
            }
            if chosen.iter().flatten().count() == before {
                break;
            }
            taken.extend(now);
        }
        (chosen, weights)
    }

    /// Two systems on the way of one request may each look like the cause of the other: the one of which more is known that is
    /// no request on its way comes first. Otherwise each would take from the other what joins both to a task.
    fn orient(&self, weights: &mut [Weights]) {
        let grounded = |weights: &Weights| {
            let grounded = weights
                .iter()
                .filter(|(at, _)| self.action_of_call[*at].is_none());
            grounded.map(|(_, weight)| milli(*weight)).max()
        };
        let known: Vec<Option<i64>> = weights.iter().map(grounded).collect();
        let mut pairs: Vec<(usize, usize, usize)> = Vec::new();
        for (number, weights) in weights.iter().enumerate() {
            for (at, _) in weights {
                let stage = self.action_of_call[*at].map(|stage| stage as usize);
                if let Some(stage) = stage.filter(|stage| *stage != number) {
                    pairs.push((number, stage, *at));
                }
            }
        }
        pairs.sort_unstable();
        let mutual = |pair: &&(usize, usize, usize)| {
            let back = (pair.1, pair.0, 0);
            let next = pairs.get(pairs.partition_point(|other| *other < back));
            next.is_some_and(|next| (next.0, next.1) == (back.0, back.1))
        };
        let rank = |number: usize| (known[number], self.action_id(number));
        let first = |pair: &&(usize, usize, usize)| rank(pair.0) > rank(pair.1);
        let mut drop: Vec<(usize, usize)> = pairs
            .iter()
            .filter(mutual)
            .filter(first)
            .map(|pair| (pair.0, pair.2))
            .collect();
        drop.sort_unstable();
        for (number, weights) in weights.iter_mut().enumerate() {
            let is_kept = |of: &(usize, f64)| drop.binary_search(&(number, of.0)).is_err();
            weights.retain(is_kept);
        }
    }

    /// What `ask` gives for each action, in their order. Where cores have no cell of their own they look at actions of this
    /// one.
    pub(super) fn of_each<T: Send>(&self, ask: impl Fn(&Action) -> T + Sync) -> Vec<T> {
        let all: Vec<usize> = (0..self.actions.len()).collect();
        self.of_some(&all, |number| ask(&self.actions[number]))
    }

    /// The same for some of the actions.
    fn of_some<T: Send>(&self, numbers: &[usize], ask: impl Fn(usize) -> T + Sync) -> Vec<T> {
        const PIECE: usize = 64;
        if self.left.load(Ordering::Relaxed) >= cores() {
            return numbers.iter().map(|number| ask(*number)).collect();
        }
        let pieces: Vec<&[usize]> = numbers.chunks(PIECE).collect();
        let asked = side_by_side(&pieces, |piece| {
            let found = piece.iter().map(|number| ask(*number));
            Ok::<_, std::convert::Infallible>(found.collect::<Vec<T>>())
        });
        match asked {
            Ok(found) => found.into_iter().flatten().collect(),
            Err(never) => match never {},
        }
    }

    /// All that could be the cause of an action, by their tasks, with their weights.
    pub(super) fn weights(&self, action: &Action) -> Weights {
        let mut weights = self.weights_by_call(action);
        // Where no cause takes part in the odds, the best one is told all the same.
        let most = weights.iter().map(|(_, weight)| *weight);
        let least = most.fold(f64::MIN, f64::max).min(FAINT);
        weights.retain(|(_, weight)| *weight >= least);
        weights.sort_unstable_by_key(|(at, _)| (self.calls[*at].root, *at));
        weights
    }

    fn weights_by_call(&self, action: &Action) -> Weights {
        let odds = action.prior + self.actor_weight(action);
        if action.steps.is_empty() {
            let mut lens = Lens::new(self, action);
            return self
                .candidates(action)
                .into_iter()
                .map(|at| (at, lens.weight(&self.calls[at]) + odds))
                .collect();
        }
        // The steps of a fragment are of one task: what speaks for a task speaks from all of them.
        let mut of_root: BTreeMap<u32, (BTreeSet<usize>, f64)> = BTreeMap::new();
        for step in &action.steps {
            for at in self.candidates(step) {
                of_root.entry(self.calls[at].root).or_default();
            }
        }
        let mut lenses: Vec<Lens<'_, '_>> = action
            .steps
            .iter()
            .map(|step| Lens::new(self, step))
            .collect();
        for (root, (calls, bits)) in &mut of_root {
            let all = self.calls_of_root.get(root).map_or(&[][..], Vec::as_slice);
            for (number, step) in action.steps.iter().enumerate() {
                let able = |at: &usize| self.can_cause(*at, step) && self.is_near(*at, step);
                let able: Vec<usize> = all.iter().copied().filter(able).collect();
                if number == 0 {
                    calls.extend(&able);
                    continue;
                }
                let sum: f64 = able
                    .iter()
                    .map(|at| lenses[number].further_weight(&self.calls[*at]).exp2())
                    .sum();
                #[allow(clippy::cast_precision_loss)] // Calls of one task.
                let mean = sum / able.len().max(1) as f64 * self.active_share(&able);
                *bits += (UNLOGGED + (1.0 - UNLOGGED) * mean).log2();
            }
        }
        let first = &mut lenses[0];
        of_root
            .into_values()
            .flat_map(|(calls, bits)| calls.into_iter().map(move |at| (at, bits)))
            .map(|(at, bits)| (at, first.weight(&self.calls[at]) + bits + odds))
            .collect()
    }

    /// The time in which calls were made, and what they caused was waited for, as a share of the window that the time of one
    /// is weighed against. Steps of one fragment are near each other: that a further one is while a task goes on, too, says
    /// nothing of its own.
    fn active_share(&self, calls: &[usize]) -> f64 {
        let times = || calls.iter().map(|at| self.calls[*at].time);
        let span = times().max().zip(times().min());
        evidence::share_of_window(span.map_or(0, |(last, first)| last - first))
    }

    /// Whether a call is of a kind that can cause such an action.
    fn can_cause(&self, at: usize, action: &Action) -> bool {
        let call = &self.calls[at];
        call.root != NONE
            && call.thinks == action.is_tool
            && (call.by_model || call.thinks || call.format != action.format)
    }

    fn is_near(&self, at: usize, action: &Action) -> bool {
        (action.time - self.calls[at].time).abs() <= WINDOW
    }

    /// The likeliest cause among the calls that are still free, with its weight and the likelihood
    /// that the action belongs to its task.
    pub(super) fn likeliest(
        &self,
        action: &Action,
        weights: &[(usize, f64)],
        taken: &Taken,
        chosen: &[Option<Choice>],
    ) -> Option<(usize, f64, f64, f64)> {
        let slot = slot_of(action);
        let repeat = if self.is_change(action) {
            CHANGED_AGAIN
        } else {
            REPEAT
        };
        // What a call has done already may yet be wrong, it stays a rival.
        let deeds = weights.iter().filter_map(|(at, weight)| {
            if self.leads_to(*at, action.number, chosen) {
                return None;
            }
            let again = taken.contains(&(*at, action.format, slot));
            let left = if again { weight - repeat } else { *weight };
            Some((*at, left, *weight))
        });
        let tasks = self.by_task(deeds);
        let most = tasks.iter().max_by(|a, b| {
            let ids = || self.call_id(self.best(b)).cmp(&self.call_id(self.best(a)));
            a.left.total_cmp(&b.left).then_with(ids)
        })?;
        // None of them weighs nothing.
        let all: f64 = tasks.iter().map(|of| odds(of.left - most.left)).sum();
        let rivals = tasks.iter().filter(|of| of.root != most.root);
        let rival = rivals.map(|of| of.before).fold(f64::MIN, f64::max);
        let probability = 1.0 / (all + odds(-most.left));
        Some((self.best(most), most.left, probability, most.left - rival))
    }

    /// What speaks for each task: calls that could be the cause, in the order of their tasks, with their weights.
    pub(super) fn by_task(&self, deeds: impl Iterator<Item = (usize, f64, f64)>) -> Vec<OfTask> {
        let mut tasks: Vec<OfTask> = Vec::new();
        for deed in deeds {
            let root = self.calls[deed.0].root;
            match tasks.last_mut().filter(|of| of.root == root) {
                Some(of) => of.deeds.push(deed),
                None => tasks.push(OfTask {
                    root,
                    deeds: vec![deed],
                    left: deed.1,
                    before: deed.2,
                }),
            }
        }
        let is_same = |at: usize, other: usize| {
            let same = self.same_deed.get(&at);
            same.is_some_and(|same| same.contains(&other))
        };
        let several = tasks.iter_mut().filter(|of| of.deeds.len() > 1);
        several.for_each(|of| of.sum_up(is_same));
        tasks
    }

    /// The likeliest call of a task.
    fn best(&self, of: &OfTask) -> usize {
        let likeliest = of.deeds.iter().max_by(|a, b| {
            let ids = || self.call_id(b.0).cmp(&self.call_id(a.0));
            a.1.total_cmp(&b.1).then_with(ids)
        });
        likeliest.map_or(usize::MAX, |deed| deed.0)
    }

    /// Whether a call is itself an effect of an action, as far as causes are chosen: two systems on the way of one
    /// request may each look like the cause of the other.
    fn leads_to(&self, mut at: usize, action: usize, chosen: &[Option<Choice>]) -> bool {
        for _ in 0..MOST_STAGES {
            let Some(stage) = self.action_of_call[at] else {
                return false;
            };
            match chosen.get(stage as usize).copied().flatten() {
                _ if stage as usize == action => return true,
                Some(choice) => at = choice.call,
                None => return false,
            }
        }
        // No request passes through so many systems.
        true
    }

    /// A call and the requests that carried it have done that now.
    pub(super) fn take(&self, taken: &mut Taken, at: usize, action: &Action) {
        let slot = |at: usize| (at, action.format, slot_of(action));
        taken.insert(slot(at));
        for same in self.same_deed.get(&at).into_iter().flatten() {
            taken.insert(slot(*same));
        }
    }

    pub(super) fn calls_near(&self, time: i64) -> usize {
        let from = self
            .by_time
            .partition_point(|at| self.calls[*at].time < time - WINDOW);
        let to = self
            .by_time
            .partition_point(|at| self.calls[*at].time <= time + WINDOW);
        to - from
    }

    pub(super) fn action_id(&self, number: usize) -> crate::model::Digest {
        self.facts.id(self.actions[number].events[0])
    }

    pub(super) fn call_id(&self, at: usize) -> crate::model::Digest {
        self.facts.id(self.calls[at].event)
    }
}

/// What a call can do once: one thing to one object.
pub(super) fn slot_of(action: &Action) -> u32 {
    action.object.unwrap_or(u32::MAX - action.route)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_a_task_speak_together_and_what_is_told_twice_speaks_once() {
        let of = |deeds: &[(usize, f64, f64)]| {
            let mut of = OfTask {
                root: 0,
                deeds: deeds.to_vec(),
                left: 0.0,
                before: 0.0,
            };
            of.sum_up(|at, other| at + other == 7);
            (of.left, of.before)
        };
        // Two that are as likely are a bit more than one; the one that is taken already speaks less now.
        assert_eq!(of(&[(1, 4.0, 4.0), (2, 4.0, 4.0)]), (5.0, 5.0));
        let (left, before) = of(&[(1, 4.0, 4.0), (2, 1.0, 4.0)]);
        assert!(left > 4.0 && left < 4.2 && before == 5.0);
        // A call and the request that carried it.
        assert_eq!(of(&[(3, 4.0, 4.0), (4, 4.0, 4.0)]), (4.0, 4.0));
        assert_eq!(of(&[(3, 1.0, 1.0), (4, 4.0, 6.0)]), (4.0, 6.0));
    }
}
