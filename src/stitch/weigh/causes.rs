//! The cause of an action: what was chosen for it, or the likeliest call of its own task; and what is told of it.

use super::assign::Weights;
use super::*;

impl Model<'_> {
    /// What is told of the actions that are decided in this cell.
    pub(super) fn outcome(&self, chosen: &[Option<Choice>], weights: &[Weights]) -> Told {
        let actions = self.of_each(|action| {
            let weights = weights.get(action.number).map_or(&[][..], Vec::as_slice);
            let told = action.own.then(|| self.told_of(action, chosen, weights));
            told.filter(|told| !told.is_empty())
        });
        Told {
            actions: actions.into_iter().flatten().collect(),
            clocks: self.clocks(),
        }
    }

    fn told_of(
        &self,
        action: &Action,
        chosen: &[Option<Choice>],
        weights: &[(usize, f64)],
    ) -> ToldOf {
        let choice = chosen.get(action.number).copied().flatten();
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let (mut joined, mut weighing) = (None, None);
        let cause = if action.settled {
            self.cause_within(action)
        } else {
            weighing = self.weighing(action, choice, weights.to_vec());
            choice.and_then(|choice| {
                let call = &self.calls[choice.call];
                let why = self.why(call, action, choice.bits);
                joined = Some((place(choice.call), Exact::of(choice.probability), why));
                if call.by_model {
                    return Some((choice.call, choice.probability));
                }
                // A request on its way: behind it is one of its task's calls.
                let (call, share) = self.cause_behind(action, choice.call, chosen)?;
                Some((call, share * choice.probability))
            })
        };
        let cause = cause.filter(|(call, _)| self.calls[*call].by_model);
        ToldOf {
            action: place(action.number),
            joined,
            cause: cause.map(|(call, probability)| (place(call), Exact::of(probability))),
            weighing,
        }
    }

    /// The likelihood of each call of the action's own task to be its cause; what is missing to one
    /// is that of none.
    pub(super) fn shares_within(&self, action: &Action, root: u32) -> Vec<(f64, usize)> {
        if !action.named.is_empty() {
            #[allow(clippy::cast_precision_loss)] // A handful.
            let share = 0.99 / action.named.len() as f64;
            return action.named.iter().map(|at| (share, *at)).collect();
        }
        let calls = self.calls_of_root.get(&root);
        let mut lens = Lens::new(self, action);
        let weights: Vec<(f64, usize)> = calls
            .into_iter()
            .flatten()
            .filter(|at| self.calls[**at].by_model)
            .map(|at| (lens.weight(&self.calls[*at]), *at))
            .collect();
        let most = weights
            .iter()
            .map(|(weight, _)| *weight)
            .fold(0.0, f64::max);
        let sum: f64 = weights
            .iter()
            .map(|(weight, _)| (weight - most).exp2())
            .sum();
        let all = sum + (-most).exp2();
        weights
            .into_iter()
            .map(|(weight, at)| ((weight - most).exp2() / all, at))
            .collect()
    }

    /// The call of a model behind a request that an action has for its cause: what the request itself was found to have, or
    /// that of its task which fits the action, whichever is the more likely.
    fn cause_behind(
        &self,
        action: &Action,
        request: usize,
        chosen: &[Option<Choice>],
    ) -> Option<(usize, f64)> {
        let fits = self.cause_in(action, self.calls[request].root);
        let (mut at, mut share) = (request, 1.0);
        for _ in 0..MOST_STAGES {
            let stage = self.action_of_call[at].map(|stage| stage as usize);
            let next = stage.and_then(|stage| chosen.get(stage).copied().flatten());
            let Some(next) = next else { break };
            (at, share) = (next.call, share * next.probability);
            if self.calls[at].by_model {
                return match fits {
                    Some(fits) if fits.1 > share => Some(fits),
                    _ => Some((at, share)),
                };
            }
        }
        fits
    }

    /// The cause among the calls of the action's own task, if one stands out.
    pub(super) fn cause_within(&self, action: &Action) -> Option<(usize, f64)> {
        self.cause_in(action, action.root)
    }

    pub(super) fn cause_in(&self, action: &Action, root: u32) -> Option<(usize, f64)> {
        let mut shares = self.shares_within(action, root);
        shares.sort_by(|a, b| {
            b.0.total_cmp(&a.0)
                .then_with(|| self.call_id(a.1).cmp(&self.call_id(b.1)))
        });
        let (best, at) = *shares.first()?;
        // The same call is often logged twice: by the model and by what ran it.
        let same = |other: usize| {
            self.calls[other].tool == self.calls[at].tool
                && self.calls[other].format != self.calls[at].format
        };
        let twice = shares.iter().skip(1).find(|(_, other)| same(*other));
        let named = !action.named.is_empty();
        let probability = match (named, twice) {
            (true, _) => 0.99,
            (false, Some((share, _))) => best + share,
            (false, None) => best,
        };
        (probability >= LEAST_SHARE).then_some((at, probability))
    }
}
