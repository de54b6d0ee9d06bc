//! The bits that speak for a cause, and how they are told.

use super::*;

impl Model<'_> {
    /// Weight of a call as the cause of an action, in bits.
    pub(super) fn weight(&self, call: &Call, action: &Action) -> f64 {
        self.content_weight(call, action)
            + self.route_weight(call, action)
            + self.object_weight(call, action)
            + self.size_weight(call, action)
            + self.time_weight(call, action)
    }

    /// Whether the call passes a value that the action has, and that says something.
    pub(super) fn agrees(&self, call: &Call, action: &Action) -> bool {
        let shared = |token: &u32| call.tokens.contains(*token);
        let mut shared = action.tokens.iter().filter(shared);
        shared.any(|token| self.call_bits(token) >= TELLING)
    }

    /// Bits against a call that passes nothing of the action, where such calls usually do.
    fn disagreement(&self, call: &Call, action: &Action) -> f64 {
        let own = self.lesson(call, action);
        let counts = |counts: Option<&(f64, f64)>| {
            let (all, agreeing) = counts.copied().unwrap_or_default();
            ((all - own).max(0.0), agreeing)
        };
        // Laplace's rule for the formats, and their share for a route of which little is known.
        let (all, agreeing) = counts(self.formats_agreeing.get(&(call.format, action.format)));
        let usual = ((all - agreeing).max(0.0) + 1.0) / (all + 2.0);
        let (all, agreeing) = counts(self.agreeing.get(&(call.tool, action.route)));
        let without = ((all - agreeing).max(0.0) + usual * 2.0) / (all + 2.0);
        without.log2().clamp(-MOST_AGAINST, 0.0)
    }

    /// Bits of the values that agree, and of none that do.
    pub(super) fn content_weight(&self, call: &Call, action: &Action) -> f64 {
        let mut values: Vec<f64> = Vec::new();
        let mut passes_telling = false;
        for token in action.tokens.iter() {
            if call.tokens.contains(token) {
                let bits = self.call_bits(token);
                passes_telling |= bits >= TELLING;
                values.push(bits);
            } else if let Some(roots) = self.roots_of_token.get(token as usize)
                && roots.contains(&call.root)
            {
                // Known in the conversation, not passed in the call.
                values.push(rarity(self.roots, roots.len()) * 0.7);
            }
        }
        // Values of one record depend on each other: the rarest counts fully, the next ones less.
        values.sort_by(|a, b| b.total_cmp(a));
        let shares = [1.0, 0.6, 0.4, 0.3, 0.25].into_iter();
        let shares = shares.chain(std::iter::repeat(0.2));
        let content = values.iter().zip(shares).map(|(bits, share)| bits * share);
        let against = if action.telling && !passes_telling {
            self.disagreement(call, action)
        } else {
            0.0
        };
        content.sum::<f64>() + against
    }

    /// Bits of a value that the call passes: how rare it is among calls.
    pub(super) fn call_bits(&self, token: u32) -> f64 {
        let known = self.bits_of_token.get(token as usize);
        known.copied().unwrap_or(MOST_BITS)
    }

    pub(super) fn is_change(&self, action: &Action) -> bool {
        action
            .events
            .iter()
            .any(|event| self.facts.is_change(*event as usize))
    }

    /// How much more often a call of that tool causes such an action than any call does; on a route
    /// that is hardly known, a change of any kind.
    pub(super) fn route_weight(&self, call: &Call, action: &Action) -> f64 {
        let (tool, route) = (call.tool, action.route);
        let own = self.lesson(call, action);
        let tools = self.tool_counts.get(&tool).copied().unwrap_or(0.0);
        let routes = self.route_counts.get(&route).copied().unwrap_or(0.0) - own;
        let class = self.is_change(action);
        let (both, all) = if routes >= 2.0 {
            (self.routes.get(&(tool, route)), routes)
        } else {
            let all = self.class_counts.get(&class).copied().unwrap_or(0.0) - own;
            (self.classes.get(&(tool, class)), all)
        };
        if all < 2.0 {
            return 0.0;
        }
        let both = (both.copied().unwrap_or(0.0) - own).max(0.0);
        #[allow(clippy::cast_precision_loss)]
        let base = all / self.calls.len() as f64;
        ((both + base) / (tools + 1.0) / base)
            .log2()
            .clamp(-6.0, 6.0)
    }

    /// What was learned from the pair itself.
    pub(super) fn lesson(&self, call: &Call, action: &Action) -> f64 {
        let pair = (call.number, action.number);
        self.lessons.get(&pair).copied().unwrap_or(0.0)
    }

    /// Bits against a call that names an object of that kind, and not this one.
    pub(super) fn object_weight(&self, call: &Call, action: &Action) -> f64 {
        let Some(object) = action
            .object
            .filter(|object| !call.tokens.contains(*object))
        else {
            return 0.0;
        };
        let others = self.objects_of_route.get(&action.route);
        let names_other = call
            .tokens
            .iter()
            .any(|token| token != object && others.is_some_and(|others| others.contains(&token)));
        if names_other { -OTHER_OBJECT } else { 0.0 }
    }

    pub(super) fn time_weight(&self, call: &Call, action: &Action) -> f64 {
        #[allow(clippy::cast_precision_loss)] // Microseconds of minutes.
        let gap = (action.time - call.time) as f64;
        #[allow(clippy::cast_precision_loss)]
        let window = WINDOW as f64 * 2.0;
        let offset = self
            .offsets
            .get(&(call.format, action.format))
            .copied()
            .unwrap_or(Offset {
                us: 0.0,
                before: UNKNOWN,
                after: UNKNOWN,
                pairs: 0,
            });
        let off = gap - offset.us;
        let side = if off < 0.0 {
            offset.before
        } else {
            offset.after
        };
        let peak = (-off.abs() / side).exp() / (offset.before + offset.after);
        // Some wait: for an approval, a queue, a retry.
        let tail = if off > 0.0 {
            (-off / WAIT).exp() / WAIT
        } else {
            0.0
        };
        // What is done after the model has gone on is rare: something that was not waited for.
        #[allow(clippy::cast_precision_loss)]
        let late = off > call.until.saturating_sub(call.time) as f64 + 2.0 * offset.after;
        let tail = if late { tail * LATE } else { tail };
        let density = 0.75 * peak + 0.2 * tail;
        let weight = ((density + 0.05 / window) * window).log2();
        // What comes before its cause is none, beyond what the clocks leave open.
        if off < -4.0 * offset.before - 1e6 {
            weight - 4.0
        } else {
            weight
        }
    }

    /// As many as could have been the cause by time alone are the odds against one.
    pub(super) fn prior(&self, action: &Action) -> f64 {
        let within = self.calls_near(action.time);
        #[allow(clippy::cast_precision_loss)]
        let odds = within.max(2) as f64;
        -odds.log2()
    }

    /// How much more often the user is seen in work that a call caused. The action itself does not count:
    /// what was taken for caused once would speak for itself.
    pub(super) fn actor_weight(&self, action: &Action) -> f64 {
        let counts = self.actors.get(&(action.format, action.actor));
        let sums = self.actors_of_format.get(&action.format);
        let (Some((caused, alone)), Some((all_caused, all_alone))) = (counts, sums) else {
            return 0.0;
        };
        let own = f64::from(u8::from(self.caused.get(action.number) == Some(&true)));
        let share = (caused - own + 0.5) / (all_caused - own);
        let ratio = share / ((alone - 1.0 + own + 0.5) / (all_alone - 1.0 + own));
        ratio.log2().clamp(-5.0, 5.0)
    }

    /// What was weighed for an action.
    pub(super) fn weighing(&self, action: &Action, choice: Option<Choice>) -> Option<Weighing> {
        let mut weights = self.weights(action);
        weights.sort_by(|a, b| {
            b.1.total_cmp(&a.1)
                .then_with(|| self.call_id(a.0).cmp(&self.call_id(b.0)))
        });
        let most = weights.first()?.1;
        let mut best_of: BTreeMap<u32, f64> = BTreeMap::new();
        for (at, weight) in &weights {
            best_of.entry(self.calls[*at].root).or_insert(*weight);
        }
        let all: f64 = best_of
            .values()
            .map(|weight| (weight - most).exp2())
            .sum::<f64>()
            + (-most).exp2();
        let best = match choice {
            Some(choice) => (choice.call, choice.bits),
            None => weights[0],
        };
        let root = self.calls[best.0].root;
        let other = weights.iter().find(|(at, _)| self.calls[*at].root != root);
        let share = |weight: f64| (weight - most).exp2() / all;
        let probability = choice.map_or_else(|| share(best.1), |choice| choice.probability);
        Some(Weighing {
            taken: choice.is_some(),
            best: self.candidate(best.0, action, probability),
            runner_up: other.map(|(at, weight)| self.candidate(*at, action, share(*weight))),
        })
    }

    pub(super) fn candidate(&self, at: usize, action: &Action, probability: f64) -> Candidate {
        let call = &self.calls[at];
        let shared = action
            .tokens
            .iter()
            .filter(|token| call.tokens.contains(*token));
        let mut values: Vec<(String, f64)> = shared
            .map(|token| (self.names[token as usize].clone(), self.call_bits(token)))
            .collect();
        values.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let (prior, actor) = (self.prior(action), self.actor_weight(action));
        #[allow(clippy::cast_precision_loss)] // Microseconds of minutes.
        let gap = (action.time - call.time) as f64 / 1e6;
        let offset = self.offsets.get(&(call.format, action.format));
        let rounded = |bits: f64| (bits * 100.0).round() / 100.0;
        Candidate {
            event: call.event,
            values: values
                .into_iter()
                .map(|(name, bits)| (name, rounded(bits)))
                .collect(),
            content: rounded(self.content_weight(call, action)),
            route: rounded(self.route_weight(call, action)),
            object: rounded(self.object_weight(call, action)),
            size: rounded(self.size_weight(call, action)),
            time: rounded(self.time_weight(call, action)),
            actor: rounded(actor),
            prior: rounded(prior),
            bits: rounded(self.weight(call, action) + prior + actor),
            probability: (probability * 1e4).floor() / 1e4,
            gap: (gap * 1e3).round() / 1e3,
            offset: offset.map_or(0.0, |offset| (offset.us / 1e3).round() / 1e3),
        }
    }

    pub(super) fn why(&self, call: &Call, action: &Action, bits: f64) -> String {
        let mut shared: Vec<(i64, &str)> = action
            .tokens
            .iter()
            .filter(|token| call.tokens.contains(*token))
            .map(|token| {
                (
                    -milli(self.call_bits(token)),
                    self.names[token as usize].as_str(),
                )
            })
            .collect();
        shared.sort_unstable();
        let values: Vec<&str> = shared.iter().take(3).map(|(_, name)| *name).collect();
        #[allow(clippy::cast_precision_loss)]
        let gap = (action.time - call.time) as f64 / 1e6;
        let offset = self
            .offsets
            .get(&(call.format, action.format))
            .map_or(0.0, |offset| offset.us / 1e6);
        let agreed = if values.is_empty() {
            "time and route".to_owned()
        } else {
            values.join(", ")
        };
        format!("{agreed}; {gap:.1} s after (clocks {offset:.1} s apart); {bits:.1} bits")
    }
}

/// Bits of an agreement that `found` of `all` have.
pub(super) fn rarity(all: usize, found: usize) -> f64 {
    #[allow(clippy::cast_precision_loss)] // Counts.
    let ratio = all.max(1) as f64 / found.max(1) as f64;
    ratio.log2().clamp(0.0, MOST_BITS)
}
