//! Calls beside each other: those of one task, in their order, and what else tells of a call, the request that carried it or
//! the run of its tool.

use super::*;

impl Model<'_> {
    /// The calls of each task, as far as they are placed.
    pub(super) fn group_calls(&mut self) {
        self.calls_of_root.clear();
        for (at, call) in self.calls.iter().enumerate() {
            if call.root != NONE {
                self.calls_of_root.entry(call.root).or_default().push(at);
            }
        }
    }

    /// Calls and what else tells of them: the requests that carried them, and the run of the tool beside what asked for it.
    pub(super) fn pair_deeds(&mut self) {
        self.same_deed.clear();
        let mut pairs = self.relayed_pairs();
        pairs.extend(self.told_twice());
        for (one, other) in pairs {
            self.same_deed.entry(one).or_default().push(other);
            self.same_deed.entry(other).or_default().push(one);
        }
    }

    /// Tool calls and requests of one task that an id or a rare value pairs.
    pub(super) fn relayed_pairs(&self) -> Vec<(usize, usize)> {
        const RARE: usize = 3;
        let mut pairs = self.relayed.clone();
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
        pairs.sort_unstable();
        pairs.dedup();
        pairs
    }

    /// Calls of one tool in one task that two systems have recorded, with a value that tells something.
    fn told_twice(&self) -> Vec<(usize, usize)> {
        let mut pairs: Vec<(usize, usize)> = Vec::new();
        for (at, call) in self.calls.iter().enumerate() {
            if !call.by_model || call.root == NONE {
                continue;
            }
            for token in call.tokens.iter() {
                let calls = self.calls_of_token.get(token);
                if calls.len() > FREQUENT || self.call_bits(token) < TELLING {
                    continue;
                }
                let others = calls.iter().map(|other| *other as usize);
                let same = others.filter(|other| {
                    let other = &self.calls[*other];
                    (other.root, other.tool) == (call.root, call.tool)
                        && other.by_model
                        && other.format != call.format
                });
                pairs.extend(same.filter(|other| *other > at).map(|other| (at, other)));
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        pairs
    }

    /// By when each call was done: the model was asked again, by records of the same format. Where a format does not say
    /// when models had answered, that is the best that is known of when they did: a long answer takes longer than any tool.
    pub(super) fn bound_calls(&mut self) {
        let mut asked: HashMap<(u32, u32), Vec<i64>> = HashMap::new();
        let mut ended: BTreeSet<u32> = BTreeSet::new();
        for call in self.calls.iter().filter(|call| call.thinks) {
            if self.facts.end(call.event).is_some() {
                ended.insert(call.format);
            }
            if call.root != NONE {
                let start = self.facts.order.time_or_last(call.event);
                asked
                    .entry((call.root, call.format))
                    .or_default()
                    .push(start);
            }
        }
        for times in asked.values_mut() {
            times.sort_unstable();
        }
        for call in &mut self.calls {
            if let Some(times) = asked.get(&(call.root, call.format)) {
                let next = times.partition_point(|time| *time <= call.time);
                call.until = times.get(next).copied().unwrap_or(i64::MAX);
                if call.until != i64::MAX && !ended.contains(&call.format) {
                    call.time = call.until;
                }
            }
        }
    }

    /// Actions that carry the id of a tool call.
    pub(super) fn name_calls(&mut self) {
        let mut action_of: HashMap<u32, usize> = HashMap::new();
        for (at, action) in self.actions.iter().enumerate() {
            action_of.extend(action.events.iter().map(|event| (*event, at)));
        }
        let by_event = |by_model: bool| -> HashMap<u32, usize> {
            (0..self.calls.len())
                .filter(|at| self.calls[*at].by_model == by_model && !self.calls[*at].thinks)
                .map(|at| (self.calls[at].event, at))
                .collect()
        };
        let (call_of, request_of) = (by_event(true), by_event(false));
        let open_action = |call: &Call| {
            let action = action_of.get(&call.event)?;
            (!self.actions[*action].settled).then_some(u32::try_from(*action).ok()?)
        };
        self.action_of_call = self.calls.iter().map(open_action).collect();
        let ids = |call: &Call| self.ground.told.ids_of_event.get(call.event).iter();
        let by_model = self.calls.iter().filter(|call| call.by_model);
        let ids: BTreeSet<u32> = by_model.flat_map(ids).copied().collect();
        for id in ids {
            let events = self.ground.told.events_of_id.get(id);
            let calls = events.iter().filter_map(|event| call_of.get(event));
            let calls: Vec<usize> = calls.copied().collect();
            for request in events.iter().filter_map(|event| request_of.get(event)) {
                if self.calls[*request].root != NONE {
                    self.relayed
                        .extend(calls.iter().map(|call| (*call, *request)));
                }
            }
            for action in events.iter().filter_map(|event| action_of.get(event)) {
                self.actions[*action].named.extend(&calls);
            }
        }
    }
}
