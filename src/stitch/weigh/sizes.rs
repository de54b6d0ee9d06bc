//! The bytes of an answer: a gateway counts what it sends, and the model's log has what it was given. For a
//! service that passes its answers on as they are, the two differ by the same wrapping each time, which is
//! where the differences pile up. Of a service that writes them anew nothing piles up, and nothing is learned.

use super::*;

/// Actions that have to show a difference before it is taken for a wrapping.
const LEAST: usize = 4;
/// How many times as often as the next best it has to be seen.
const AHEAD: usize = 2;
/// Least share of the answers that have to show it.
const SHARE: f64 = 0.2;
/// The share of answers like the service's that is expected of a route nothing is known of.
const UNSEEN: f64 = 0.5;
/// Most bits against a call whose result has another size.
const MOST_AGAINST: f64 = 6.0;

/// By how much answers of a service are longer than what the model was given of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wrapping {
    bytes: i64,
    /// Answers that have it, and all.
    having: f64,
    all: f64,
}

/// A wrapping, and what is known of it on one route: answers that have it, and all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wrapped {
    wrapping: Wrapping,
    of_route: (f64, f64),
}

impl Model<'_> {
    /// Takes the sizes of results and answers.
    pub(super) fn take_sizes(&mut self) {
        let (facts, ground) = (self.facts, self.ground);
        let mut services: HashMap<String, u32> = HashMap::new();
        let mut number = |route: u32| {
            let next = u32::try_from(services.len()).unwrap_or(u32::MAX);
            *services.entry(facts.service(route)).or_insert(next)
        };
        for call in &mut self.calls {
            if call.by_model {
                call.result = ground.told.results.get(&call.event).copied();
            } else if !call.thinks {
                call.result = ground.told.sizes.get(&call.event).copied();
                call.service = number(call.tool);
            }
        }
        for (at, call) in self.calls.iter().enumerate() {
            if let Some(size) = call.result {
                self.calls_of_result.entry(size).or_default().push(at);
                self.results += 1;
            }
        }
        for action in &mut self.actions {
            action.each(|one| {
                let mut events = one.events.iter();
                let request = events.find(|event| facts.is_request(**event as usize));
                let Some(event) = request else { return };
                one.size = ground.told.sizes.get(event).copied();
                one.service = number(facts.routes[*event as usize]);
            });
        }
    }

    /// Where the differences between answers and results pile up, by format of the call and service.
    pub(super) fn learn_sizes(&mut self, chosen: &[Option<Choice>]) {
        let mut piles: BTreeMap<(u32, u32), (usize, HashMap<i64, usize>)> = BTreeMap::new();
        // A sample of the actions shows where it is: they are in the order of their ids, which is by chance.
        let sized = self.actions.iter().filter(|one| one.size.is_some()).count();
        let stride = sized.div_ceil(MOST_LESSONS).max(1);
        let seen = self.of_each(|action| {
            let mut seen: Vec<(u32, i64)> = Vec::new();
            if let Some(size) = action.size.filter(|_| action.number % stride == 0) {
                let calls = self.any_candidates(action).into_iter();
                let calls = calls.map(|at| &self.calls[at]);
                let others = calls.filter(|call| !action.events.contains(&call.event));
                seen.extend(others.filter_map(|call| Some((call.format, size - call.result?))));
            }
            seen.sort_unstable();
            seen.dedup();
            seen
        });
        for (action, seen) in self.actions.iter().zip(seen) {
            for of_format in seen.chunk_by(|a, b| a.0 == b.0) {
                let pair = (of_format[0].0, action.service);
                let pile = piles.entry(pair).or_default();
                pile.0 += 1;
                for (_, bytes) in of_format {
                    *pile.1.entry(*bytes).or_default() += 1;
                }
            }
        }
        self.wrappings.clear();
        for (pair, (all, pile)) in piles {
            let mut best: Vec<(usize, i64)> = pile
                .into_iter()
                .map(|(bytes, found)| (found, bytes))
                .collect();
            best.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
            let Some((found, bytes)) = best.first().copied() else {
                continue;
            };
            let next = best.get(1).map_or(0, |(found, _)| *found);
            #[allow(clippy::cast_precision_loss)] // Counts.
            let (having, all) = (found as f64, all as f64);
            if found >= LEAST && found >= AHEAD * next && having >= SHARE * all {
                self.wrappings.insert(pair, Wrapping { bytes, having, all });
            }
        }
        // What was chosen knows better how many of the answers have it: reads do, writes mostly do not.
        let chosen = self
            .actions
            .iter()
            .zip(chosen)
            .filter_map(|(action, choice)| {
                let call = &self.calls[(*choice)?.call];
                let more = action.size? - call.result?;
                Some((call.format, action.service, action.route, more))
            });
        // Requests that an id joins to their calls are known best.
        let relayed = self.relayed.iter().filter_map(|(call, request)| {
            let (call, request) = (&self.calls[*call], &self.calls[*request]);
            let more = request.result? - call.result?;
            Some((call.format, request.service, request.tool, more))
        });
        let mut of_service: BTreeMap<(u32, u32), (f64, f64)> = BTreeMap::new();
        let mut of_route: HashMap<(u32, u32), (f64, f64)> = HashMap::new();
        for (format, service, route, more) in chosen.chain(relayed) {
            let Some(wrapping) = self.wrappings.get(&(format, service)) else {
                continue;
            };
            let agrees = f64::from(u8::from(more == wrapping.bytes));
            for counts in [
                of_service.entry((format, service)).or_default(),
                of_route.entry((format, route)).or_default(),
            ] {
                *counts = (counts.0 + agrees, counts.1 + 1.0);
            }
        }
        self.wrapped_routes = of_route;
        for (pair, (having, all)) in of_service {
            if let Some(wrapping) = self.wrappings.get_mut(&pair) {
                (wrapping.having, wrapping.all) = (having, all);
            }
        }
    }

    /// Calls whose result has the size that an action's answer is wrapped around.
    pub(super) fn calls_of_size(&self, action: &Action) -> Vec<usize> {
        let Some(size) = action.size else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for format in &self.call_formats {
            let Some(wrapping) = self.wrappings.get(&(*format, action.service)) else {
                continue;
            };
            let calls = self.calls_of_result.get(&(size - wrapping.bytes));
            let calls = calls.filter(|calls| calls.len() <= FREQUENT);
            let near = |at: &&usize| {
                let call = &self.calls[**at];
                call.format == *format && (action.time - call.time).abs() <= WINDOW
            };
            found.extend(calls.into_iter().flatten().filter(near).copied());
        }
        found
    }

    /// How answers like an action's are wrapped, as far as a format of calls shows.
    pub(super) fn wrapped(&self, format: u32, action: &Action) -> Option<Wrapped> {
        let wrapping = *self.wrappings.get(&(format, action.service))?;
        let of_route = self.wrapped_routes.get(&(format, action.route));
        Some(Wrapped {
            wrapping,
            of_route: of_route.copied().unwrap_or_default(),
        })
    }

    /// Bits for a call whose result has the size of the action's answer, by how rare that size is; bits
    /// against it if it has another one, by how seldom that is.
    pub(super) fn size_weight(
        &self,
        call: &Call,
        action: &Action,
        wrapped: &Wrapped,
        own: f64,
    ) -> f64 {
        let (Some(size), Some(result)) = (action.size, call.result) else {
            return 0.0;
        };
        let Wrapped { wrapping, of_route } = wrapped;
        // Laplace's rule for the service, and its share for a route of which little is known, without what
        // the pair itself has taught.
        let agrees = size - result == wrapping.bytes;
        let without = |(having, all): (f64, f64)| {
            let having = (having - if agrees { own } else { 0.0 }).max(0.0);
            (having, (all - own).max(having))
        };
        let (having, all) = without((wrapping.having, wrapping.all));
        let usual = (having + 1.0) / (all + 2.0);
        let (having, all) = without(*of_route);
        if agrees {
            let share = (having + 2.0 * usual) / (all + 2.0);
            let alike = self.calls_of_result.get(&result).map_or(1, Vec::len);
            (evidence::rarity(self.results, alike) + share.log2()).max(0.0)
        } else {
            // Answers that agree are chosen by it, others of the service are not: a route has to show by itself that it passes
            // its answers on as they are.
            let unseen = usual.min(UNSEEN);
            let share = (having + 2.0 * unseen) / (all + 2.0);
            (1.0 - share).log2().clamp(-MOST_AGAINST, 0.0)
        }
    }
}
