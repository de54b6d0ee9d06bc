//! The bits that speak for a cause, and how they are told.

use super::*;

impl Model<'_> {
    /// Bits against a call that passes nothing of the action, where such calls usually do.
    pub(super) fn disagreement(&self, call: &Call, action: &Action, own: f64) -> f64 {
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

    /// Bits of a value that the call passes: how rare it is among calls.
    pub(super) fn call_bits(&self, token: u32) -> f64 {
        let known = self.bits_of_token.get(token as usize);
        known.copied().unwrap_or(MOST_BITS)
    }

    fn name_of(&self, token: u32) -> &str {
        let value = self.values.value(token);
        value.map_or("", |value| self.ground.names.get(value))
    }

    /// Whether a system says that it was changed.
    pub(super) fn is_change(&self, action: &Action) -> bool {
        let mut events = action.events.iter();
        events.any(|event| self.facts.is_change(*event as usize))
    }

    /// Whether something was written, or asked to be.
    pub(super) fn is_write(&self, action: &Action) -> bool {
        let mut events = action.events.iter();
        events.any(|event| self.facts.kind(*event) == Kind::Write)
    }

    /// How much more often a call of that tool causes such an action than any call does; on a route
    /// that is hardly known, a write of any kind or a read, and what the tool is called.
    pub(super) fn route_weight(&self, call: &Call, action: &Action, class: bool, own: f64) -> f64 {
        let (tool, route) = (call.tool, action.route);
        let tools = self.tool_counts.get(&tool).copied().unwrap_or(0.0);
        let routes = self.route_counts.get(&route).copied().unwrap_or(0.0) - own;
        let (both, all) = if routes >= 2.0 {
            (self.routes.get(&(tool, route)), routes)
        } else {
            let all = self.class_counts.get(&class).copied().unwrap_or(0.0) - own;
            (self.classes.get(&(tool, class)), all)
        };
        let alike = self.likeness.ratio(call, action, own);
        if all < 2.0 {
            return alike.log2().clamp(-6.0, 6.0);
        }
        let both = (both.copied().unwrap_or(0.0) - own).max(0.0);
        #[allow(clippy::cast_precision_loss)]
        let base = all / self.calls.len() as f64;
        ((both + base * alike) / (tools + 1.0) / base)
            .log2()
            .clamp(-6.0, 6.0)
    }

    /// As many calls as could have been the cause of something by their time alone are the odds against one. Where a log
    /// is short, or silent for long, they are all of the time in which anything was done.
    pub(super) fn prior(&self, time: i64) -> f64 {
        #[allow(clippy::cast_precision_loss)]
        let calls = self.calls_near(time).max(2) as f64;
        let from = self.times.partition_point(|at| *at < time - WINDOW);
        let to = self.times.partition_point(|at| *at <= time + WINDOW);
        let span = match self.times.get(from..to) {
            Some([first, .., last]) => last - first,
            _ => 0,
        };
        share_of_window(span).log2() - calls.log2()
    }

    /// The odds that such work has a cause on record: of all work of its kind that no id ties to a task, and how much
    /// more often the user, or the address where none is told, is seen in work that a call caused. The action itself
    /// does not count: what was taken for caused once would speak for itself.
    pub(super) fn actor_weight(&self, action: &Action) -> f64 {
        // Requests and runs of tools are how agents do things; changes and approvals are made by people, too.
        let presumed = match action.is_request || action.is_tool {
            true => CARRIED,
            false => DONE,
        };
        let counts = self.actors.get(&(action.format, action.who));
        let sums = self.actors_of_format.get(&action.format);
        let (Some((caused, alone)), Some((all_caused, all_alone))) = (counts, sums) else {
            return presumed;
        };
        let own = f64::from(u8::from(self.caused.get(action.number) == Some(&true)));
        let open = self.open_of_format.get(&action.format);
        let (open_caused, open_alone) = open.copied().unwrap_or_default();
        let usual = odds_learned(
            presumed,
            open_caused - own,
            (open_alone - 1.0 + own).max(0.0),
        );
        let share = (caused - own + 0.5) / (all_caused - own);
        let ratio = share / ((alone - 1.0 + own + 0.5) / (all_alone - 1.0 + own));
        ratio.log2().clamp(-5.0, 5.0) + usual
    }

    /// What was weighed for an action.
    pub(super) fn weighing(
        &self,
        action: &Action,
        choice: Option<Choice>,
        mut weights: Vec<(usize, f64)>,
    ) -> Option<Weighing> {
        weights.sort_by(|a, b| {
            b.1.total_cmp(&a.1)
                .then_with(|| self.call_id(a.0).cmp(&self.call_id(b.0)))
        });
        weights.first()?;
        let mut by_root = weights.clone();
        by_root.sort_by_key(|(at, _)| self.calls[*at].root);
        let tasks = self.by_task(by_root.into_iter().map(|(at, weight)| (at, weight, weight)));
        let most = tasks.iter().map(|of| of.left).fold(f64::MIN, f64::max);
        let all: f64 = tasks.iter().map(|of| odds(of.left - most)).sum::<f64>() + odds(-most);
        let best = match choice {
            Some(choice) => (choice.call, choice.bits),
            None => weights[0],
        };
        let root = self.calls[best.0].root;
        let other = weights.iter().find(|(at, _)| self.calls[*at].root != root);
        let share = |at: usize| {
            let of = tasks.iter().find(|of| of.root == self.calls[at].root);
            of.map_or(0.0, |of| odds(of.left - most) / all)
        };
        let probability = choice.map_or_else(|| share(best.0), |choice| choice.probability);
        Some(Weighing {
            taken: choice.is_some(),
            best: self.candidate(best.0, action, probability),
            runner_up: other.map(|(at, _)| self.candidate(*at, action, share(*at))),
        })
    }

    /// With the place of the call for its event.
    fn candidate(&self, at: usize, action: &Action, probability: f64) -> Candidate {
        let call = &self.calls[at];
        let shared = action
            .tokens
            .iter()
            .filter(|token| call.tokens.contains(*token));
        let mut values: Vec<(String, f64)> = shared
            .map(|token| (self.name_of(token).to_owned(), self.call_bits(token)))
            .collect();
        values.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let (prior, actor) = (action.prior, self.actor_weight(action));
        let (gap, offset) = self.seconds_between(call, action);
        let rounded = |bits: f64| (bits * 100.0).round() / 100.0;
        let mut lens = Lens::new(self, action);
        let parts = lens.parts(call).map(rounded);
        let [content, differing, route, object, size, time, habits] = parts;
        Candidate {
            event: u32::try_from(at).unwrap_or(u32::MAX),
            values: values
                .into_iter()
                .map(|(name, bits)| (name, rounded(bits)))
                .collect(),
            content,
            differing,
            route,
            object,
            size,
            time,
            habits,
            actor: rounded(actor),
            prior: rounded(prior),
            bits: rounded(lens.weight(call) + prior + actor),
            probability: (probability * 1e4).floor() / 1e4,
            gap: (gap * 1e3).round() / 1e3,
            offset: (offset * 1e3).round() / 1e3,
        }
    }

    /// Seconds from a call, as it is recorded, to an action, and what is usual.
    fn seconds_between(&self, call: &Call, action: &Action) -> (f64, f64) {
        // A call of a log that does not say when models answered is weighed by a later time than it is shown with.
        let recorded = self.facts.time(call.event);
        let later = match call.by_model {
            true => call.time - recorded.unwrap_or(call.time),
            false => 0,
        };
        let offset = self.offsets.get(&(call.format, action.format));
        #[allow(clippy::cast_precision_loss)] // Microseconds of minutes.
        let seconds = |us: i64| us as f64 / 1e6;
        (
            seconds(action.time - call.time + later),
            offset.map_or(0.0, |offset| offset.us / 1e6) + seconds(later),
        )
    }

    pub(super) fn why(&self, call: &Call, action: &Action, bits: f64) -> String {
        let mut shared: Vec<(i64, &str)> = action
            .tokens
            .iter()
            .filter(|token| call.tokens.contains(*token))
            .map(|token| (-milli(self.call_bits(token)), self.name_of(token)))
            .collect();
        shared.sort_unstable();
        let values: Vec<&str> = shared.iter().take(3).map(|(_, name)| *name).collect();
        let (gap, offset) = self.seconds_between(call, action);
        let agreed = if values.is_empty() {
            "time and route".to_owned()
        } else {
            values.join(", ")
        };
        format!("{agreed}; {gap:.1} s after (clocks {offset:.1} s apart); {bits:.1} bits")
    }
}

/// A time, and what is waited for behind it, as a share of the window that the time between two records is weighed
/// against.
pub(super) fn share_of_window(span: i64) -> f64 {
    #[allow(clippy::cast_precision_loss)] // Microseconds of minutes.
    let share = (span as f64 + WAIT) / (2.0 * WINDOW as f64);
    share.min(1.0)
}

/// Odds of work that has a cause, in bits, by what was found and what was presumed of a few.
fn odds_learned(presumed: f64, caused: f64, alone: f64) -> f64 {
    let share = presumed.exp2() / (1.0 + presumed.exp2());
    let ratio = (caused + PRESUMED * share) / (alone + PRESUMED * (1.0 - share));
    ratio.log2().clamp(-MOST_ODDS, presumed)
}

/// Bits of an agreement that `found` of `all` have.
pub(super) fn rarity(all: usize, found: usize) -> f64 {
    #[allow(clippy::cast_precision_loss)] // Counts.
    let ratio = all.max(1) as f64 / found.max(1) as f64;
    ratio.log2().clamp(0.0, MOST_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odds_are_those_presumed_until_something_is_found() {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        near(odds_learned(2.0, 0.0, 0.0), 2.0);
        // Never more than was presumed, however many are found.
        near(odds_learned(2.0, 1000.0, 0.0), 2.0);
        // A few without a cause say little, many much.
        let few = odds_learned(2.0, 0.0, 3.0);
        assert!((0.0..0.1).contains(&few), "{few}");
        near(odds_learned(2.0, 0.0, 100.0), -MOST_ODDS);
        let half = odds_learned(4.0, 50.0, 50.0);
        assert!((0.0..0.2).contains(&half), "{half}");
    }

    #[test]
    fn a_short_time_is_a_small_share_of_the_window() {
        assert_eq!(share_of_window(2 * WINDOW), 1.0);
        assert_eq!(share_of_window(i64::MAX), 1.0);
        let minute = share_of_window(60_000_000);
        assert!((minute - 0.05).abs() < 1e-9, "{minute}");
    }
}
