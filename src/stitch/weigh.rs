//! Weighed evidence, where ids stop at the boundary of a system.
//!
//! Fellegi and Sunter's model (1969): each agreement between a tool call and something done in
//! another system has a weight in bits, log2 of how much more often it is seen where the one caused
//! the other than by chance. Rare values weigh by their frequency; the time between the two by a
//! distribution around the clocks' offset, which is estimated from the pairs themselves (the mode of
//! the differences where a rare value agrees); the pairing of tool and route, and the share of a
//! user's work that has a cause, from the pairs that ids join. Nothing is tuned to a log.
//!
//! An action has one cause. It is taken for one if that is likely (`THRESHOLD`) and no other task
//! comes near (`MARGIN`); else it stays alone, and is reported as unlinked.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::closure::{Components, Facts, Keys};
use super::index::Places;
use crate::model::{KeyKind, Kind, evidence_value};
use crate::store::{Store, StoreError};

/// Kinds of keys whose values are evidence.
const EVIDENCE: [KeyKind; 9] = [
    KeyKind::Value,
    KeyKind::Invoice,
    KeyKind::Order,
    KeyKind::Customer,
    KeyKind::Case,
    KeyKind::Account,
    KeyKind::Document,
    KeyKind::Object,
    KeyKind::User,
];

/// Furthest that a cause can be from its effect, clocks' offsets included (microseconds).
const WINDOW: i64 = 15 * 60 * 1_000_000;
/// A value in more fragments than that makes no candidates.
const FREQUENT: usize = 200;
/// Most bits that one value gives.
const MOST_BITS: f64 = 14.0;
/// Bits by which a cause must be ahead of the best one in another task.
const MARGIN: f64 = 2.0;
/// Calls looked at for one action.
const CANDIDATES: usize = 400;

/// A link by evidence.
#[derive(Clone, Debug)]
pub(super) struct Weighed {
    /// The tool call.
    pub cause: u32,
    /// The events of the action, first one first.
    pub effects: Vec<u32>,
    /// How sure.
    pub probability: f64,
    /// The values that agreed, rarest first, and the time between.
    pub why: String,
}

/// That a tool call caused a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cause {
    /// Number of the tool call's event.
    pub cause: u32,
    /// Number of the change's event.
    pub effect: u32,
    /// How sure, 0 to 1.
    pub probability: f64,
}

/// What weighing gives.
#[derive(Default)]
pub(super) struct Outcome {
    pub joined: Vec<Weighed>,
    pub causes: Vec<Cause>,
}

struct Call {
    event: u32,
    root: u32,
    time: i64,
    format: u32,
    tool: u32,
    tokens: BTreeSet<u32>,
}

/// Something done in another system: a change with its rows, one request, one approval.
struct Action {
    events: Vec<u32>,
    root: u32,
    /// In a task already; only its cause within the task is looked for.
    settled: bool,
    time: i64,
    format: u32,
    route: u32,
    actor: u32,
    tokens: BTreeSet<u32>,
    /// Calls that an id of the call itself joins to it.
    named: Vec<usize>,
}

/// Clock offset between a kind of call record and a kind of action record.
#[derive(Clone, Copy)]
struct Offset {
    us: f64,
    spread: f64,
}

struct Model<'f> {
    facts: &'f Facts,
    calls: Vec<Call>,
    actions: Vec<Action>,
    names: Vec<String>,
    bits: Vec<f64>,
    calls_of_token: HashMap<u32, Vec<usize>>,
    roots_of_token: HashMap<u32, BTreeSet<u32>>,
    calls_of_root: HashMap<u32, Vec<usize>>,
    by_time: Vec<usize>,
    offsets: HashMap<(u32, u32), Offset>,
    routes: HashMap<(u32, u32), f64>,
    tool_counts: HashMap<u32, f64>,
    route_counts: HashMap<u32, f64>,
    paired: f64,
    actors: HashMap<(u32, u32), f64>,
}

/// Finds causes across fragments, and within tasks.
pub(super) fn weigh(
    store: &Store,
    places: &Places,
    facts: &Facts,
    components: &mut Components,
    threshold: f64,
) -> Result<Outcome, StoreError> {
    let Some(mut model) = Model::build(store, places, facts, components)? else {
        return Ok(Outcome::default());
    };
    model.estimate_offsets();
    model.learn_routes();
    let first = model.assign(threshold);
    model.learn_actors(&first);
    let chosen = model.assign(threshold);
    Ok(model.outcome(&chosen))
}

impl<'f> Model<'f> {
    fn build(
        store: &Store,
        places: &Places,
        facts: &'f Facts,
        components: &mut Components,
    ) -> Result<Option<Self>, StoreError> {
        let n = u32::try_from(facts.times.len()).unwrap_or(u32::MAX);
        let roots: Vec<u32> = (0..n).map(|event| components.find(event)).collect();
        let mut agent = vec![false; n as usize];
        for event in 0..n {
            let by_model = matches!(
                facts.kind(event),
                Kind::Inference | Kind::Instruction | Kind::Request
            );
            agent[roots[event as usize] as usize] |= by_model;
        }
        let calls: Vec<u32> = (0..n)
            .filter(|event| {
                facts.kind(*event) == Kind::ToolCall
                    && agent[roots[*event as usize] as usize]
                    && facts.times[*event as usize].is_some()
            })
            .collect();
        if calls.is_empty() {
            return Ok(None);
        }
        let (names, tokens) = read_tokens(store, places, n)?;
        let mut spread: Vec<BTreeSet<u32>> = vec![BTreeSet::new(); names.len()];
        for (event, tokens) in tokens.iter().enumerate() {
            for token in tokens {
                let fragments = &mut spread[*token as usize];
                if fragments.len() <= FREQUENT {
                    fragments.insert(roots[event]);
                }
            }
        }
        #[allow(clippy::cast_precision_loss)] // Counts of fragments.
        let bits = {
            let fragments = roots.iter().collect::<BTreeSet<_>>().len() as f64;
            let of = |found: &BTreeSet<u32>| (fragments / found.len().max(1) as f64).log2();
            spread
                .iter()
                .map(|found| of(found).clamp(0.0, MOST_BITS))
                .collect()
        };
        let calls: Vec<Call> = calls
            .into_iter()
            .map(|event| Call {
                event,
                root: roots[event as usize],
                time: facts.times[event as usize].unwrap_or(0),
                format: facts.formats[event as usize],
                tool: facts.tools[event as usize],
                tokens: tokens[event as usize].iter().copied().collect(),
            })
            .collect();
        let actions = actions(store, places, facts, &roots, &agent, &tokens)?;
        let mut model = Self {
            facts,
            calls_of_token: HashMap::new(),
            roots_of_token: HashMap::new(),
            calls_of_root: HashMap::new(),
            by_time: (0..calls.len()).collect(),
            calls,
            actions,
            names,
            bits,
            offsets: HashMap::new(),
            routes: HashMap::new(),
            tool_counts: HashMap::new(),
            route_counts: HashMap::new(),
            paired: 0.0,
            actors: HashMap::new(),
        };
        for (at, call) in model.calls.iter().enumerate() {
            model.calls_of_root.entry(call.root).or_default().push(at);
            for token in &call.tokens {
                model.calls_of_token.entry(*token).or_default().push(at);
            }
        }
        for (event, tokens) in tokens.iter().enumerate() {
            if agent[roots[event] as usize] && !facts.is_change(event) {
                for token in tokens {
                    let known = model.roots_of_token.entry(*token).or_default();
                    if known.len() <= FREQUENT {
                        known.insert(roots[event]);
                    }
                }
            }
        }
        let times: Vec<i64> = model.calls.iter().map(|call| call.time).collect();
        model.by_time.sort_by_key(|at| times[*at]);
        model.name_calls(store, places)?;
        Ok(Some(model))
    }

    /// Actions that carry the id of a tool call.
    fn name_calls(&mut self, store: &Store, places: &Places) -> Result<(), StoreError> {
        let mut action_of: HashMap<u32, usize> = HashMap::new();
        for (at, action) in self.actions.iter().enumerate() {
            action_of.extend(action.events.iter().map(|event| (*event, at)));
        }
        let call_of: HashMap<u32, usize> = (0..self.calls.len())
            .map(|at| (self.calls[at].event, at))
            .collect();
        let keys = Keys::read(store, places, KeyKind::ToolCall)?;
        for (_, group) in keys.groups() {
            let calls: Vec<usize> = group
                .iter()
                .filter_map(|row| call_of.get(&row.2).copied())
                .collect();
            for action in group.iter().filter_map(|row| action_of.get(&row.2)) {
                self.actions[*action].named.extend(&calls);
            }
        }
        Ok(())
    }

    /// The offset of each pair of record kinds: where the differences pile up.
    fn estimate_offsets(&mut self) {
        const RARE: usize = 3;
        let mut samples: BTreeMap<(u32, u32), Vec<i64>> = BTreeMap::new();
        for action in &self.actions {
            let mut partners: BTreeSet<usize> = action.named.iter().copied().collect();
            for token in &action.tokens {
                let calls = self
                    .calls_of_token
                    .get(token)
                    .map_or(&[][..], Vec::as_slice);
                let roots: BTreeSet<u32> = calls.iter().map(|at| self.calls[*at].root).collect();
                if roots.len() <= RARE {
                    partners.extend(calls);
                }
            }
            for at in partners {
                let gap = action.time - self.calls[at].time;
                if gap.abs() <= WINDOW {
                    let pair = (self.calls[at].format, action.format);
                    samples.entry(pair).or_default().push(gap);
                }
            }
        }
        for (pair, gaps) in samples {
            if let Some(offset) = mode(gaps) {
                self.offsets.insert(pair, offset);
            }
        }
    }

    /// How often which tool goes with which route, from the pairs that an id of the call joins.
    fn learn_routes(&mut self) {
        for action in &self.actions {
            for at in &action.named {
                let tool = self.calls[*at].tool;
                *self.routes.entry((tool, action.route)).or_default() += 1.0;
                *self.tool_counts.entry(tool).or_default() += 1.0;
                *self.route_counts.entry(action.route).or_default() += 1.0;
                self.paired += 1.0;
            }
        }
    }

    /// The share of each user's actions that have a cause.
    fn learn_actors(&mut self, chosen: &[Option<Choice>]) {
        let mut counts: BTreeMap<(u32, u32), (f64, f64)> = BTreeMap::new();
        for (action, choice) in self.actions.iter().zip(chosen) {
            let entry = counts.entry((action.format, action.actor)).or_default();
            entry.0 += f64::from(u8::from(action.settled || choice.is_some()));
            entry.1 += 1.0;
        }
        self.actors = counts
            .into_iter()
            .map(|(actor, (caused, all))| {
                let share = (caused + 1.0) / (all + 2.0);
                (actor, (share / (1.0 - share)).log2().clamp(-4.0, 3.0))
            })
            .collect();
    }

    /// Weight of a call as the cause of an action, in bits.
    fn weight(&self, call: &Call, action: &Action) -> f64 {
        let mut values: Vec<f64> = Vec::new();
        for token in &action.tokens {
            let bits = self.bits[*token as usize];
            if call.tokens.contains(token) {
                values.push(bits);
            } else if self
                .roots_of_token
                .get(token)
                .is_some_and(|roots| roots.contains(&call.root))
            {
                // Known in the conversation, not passed in the call.
                values.push(bits * 0.5);
            }
        }
        // Values of one record depend on each other: the rarest counts fully, the next ones less.
        values.sort_by(|a, b| b.total_cmp(a));
        let content: f64 = values
            .iter()
            .zip([1.0, 0.5, 0.25, 0.125])
            .map(|(bits, share)| bits * share)
            .sum();
        content.min(24.0)
            + self.route_weight(call.tool, action.route)
            + self.time_weight(call, action)
    }

    fn route_weight(&self, tool: u32, route: u32) -> f64 {
        let get = |map: &HashMap<u32, f64>, key| map.get(&key).copied().unwrap_or(0.0);
        let (tools, routes) = (get(&self.tool_counts, tool), get(&self.route_counts, route));
        if tools < 2.0 || routes < 2.0 {
            return 0.0;
        }
        let both = self.routes.get(&(tool, route)).copied().unwrap_or(0.0);
        let expected = tools * routes / self.paired;
        ((both + 0.1) / (expected + 0.1)).log2().clamp(-5.0, 5.0)
    }

    fn time_weight(&self, call: &Call, action: &Action) -> f64 {
        #[allow(clippy::cast_precision_loss)] // Microseconds of minutes.
        let gap = (action.time - call.time) as f64;
        #[allow(clippy::cast_precision_loss)]
        let window = WINDOW as f64 * 2.0;
        let Some(offset) = self.offsets.get(&(call.format, action.format)) else {
            return if gap.abs() * 2.0 <= window {
                0.0
            } else {
                -20.0
            };
        };
        let off = gap - offset.us;
        let density = 0.95 * (-off.abs() / offset.spread).exp() / (2.0 * offset.spread);
        let weight = ((density + 0.05 / window) * window).log2();
        // What comes before its cause is none, beyond what the clocks leave open.
        if off < -4.0 * offset.spread - 1e6 {
            weight - 4.0
        } else {
            weight
        }
    }

    fn candidates(&self, action: &Action) -> BTreeSet<usize> {
        if action.settled {
            let calls = self.calls_of_root.get(&action.root);
            return calls.into_iter().flatten().copied().collect();
        }
        let mut found = BTreeSet::new();
        for token in &action.tokens {
            let calls = self
                .calls_of_token
                .get(token)
                .map_or(&[][..], Vec::as_slice);
            if calls.len() <= FREQUENT {
                let near = |at: &&usize| (action.time - self.calls[**at].time).abs() <= WINDOW;
                found.extend(calls.iter().filter(near));
            }
        }
        // Around the time at which its cause must have been, whoever it was.
        let formats: BTreeSet<u32> = self.calls.iter().map(|call| call.format).collect();
        for format in formats {
            let Some(offset) = self.offsets.get(&(format, action.format)) else {
                continue;
            };
            #[allow(clippy::cast_possible_truncation)] // Minutes in microseconds.
            let (center, reach) = (
                action.time - offset.us as i64,
                (offset.spread * 6.0) as i64 + 1_000_000,
            );
            let start = self
                .by_time
                .partition_point(|at| self.calls[*at].time < center - reach);
            let near = self.by_time[start..]
                .iter()
                .take_while(|at| self.calls[**at].time <= center + reach)
                .filter(|at| self.calls[**at].format == format);
            found.extend(near.take(CANDIDATES));
        }
        found
    }

    /// One cause for each action, the surest first.
    fn assign(&self, threshold: f64) -> Vec<Option<Choice>> {
        let least = (threshold / (1.0 - threshold)).log2();
        let mut scored: Vec<(i64, usize, usize)> = Vec::new();
        let mut rivals: Vec<Vec<(u32, f64)>> = Vec::with_capacity(self.actions.len());
        for (number, action) in self.actions.iter().enumerate() {
            let mut best: BTreeMap<u32, f64> = BTreeMap::new();
            if !action.settled {
                let found = self.candidates(action);
                // As many as could have been the cause by time alone are the odds against one.
                let within = self.calls_near(action.time);
                #[allow(clippy::cast_precision_loss)]
                let prior = -(within.max(2) as f64).log2();
                let actor = self
                    .actors
                    .get(&(action.format, action.actor))
                    .copied()
                    .unwrap_or(0.0);
                for at in found {
                    let call = &self.calls[at];
                    let weight = self.weight(call, action) + prior + actor;
                    let entry = best.entry(call.root).or_insert(f64::MIN);
                    *entry = entry.max(weight);
                    if weight >= least {
                        scored.push((milli(weight), number, at));
                    }
                }
            }
            rivals.push(best.into_iter().collect());
        }
        // Whole numbers and ids as tie breakers: the order of the input decides nothing.
        scored.sort_by(|a, b| {
            b.0.cmp(&a.0)
                .then_with(|| self.action_id(a.1).cmp(&self.action_id(b.1)))
                .then_with(|| self.call_id(a.2).cmp(&self.call_id(b.2)))
        });
        let mut chosen: Vec<Option<Choice>> = vec![None; self.actions.len()];
        let mut taken: BTreeSet<(usize, u32, u32)> = BTreeSet::new();
        for (weight, number, at) in scored {
            let action = &self.actions[number];
            if chosen[number].is_some() {
                continue;
            }
            #[allow(clippy::cast_precision_loss)]
            let bits = weight as f64 / 1000.0;
            let root = self.calls[at].root;
            let rival = rivals[number]
                .iter()
                .filter(|(other, _)| *other != root)
                .map(|(_, weight)| *weight)
                .fold(f64::MIN, f64::max);
            let slot = (at, action.format, action.route);
            if bits - rival < MARGIN || !taken.insert(slot) {
                continue;
            }
            chosen[number] = Some(Choice { call: at, bits });
        }
        chosen
    }

    fn calls_near(&self, time: i64) -> usize {
        let from = self
            .by_time
            .partition_point(|at| self.calls[*at].time < time - WINDOW);
        let to = self
            .by_time
            .partition_point(|at| self.calls[*at].time <= time + WINDOW);
        to - from
    }

    fn action_id(&self, number: usize) -> crate::model::Digest {
        self.facts.ids[self.actions[number].events[0] as usize]
    }

    fn call_id(&self, at: usize) -> crate::model::Digest {
        self.facts.ids[self.calls[at].event as usize]
    }

    fn outcome(&self, chosen: &[Option<Choice>]) -> Outcome {
        let mut outcome = Outcome::default();
        for (action, choice) in self.actions.iter().zip(chosen) {
            let (call, probability) = if action.settled {
                match self.cause_within(action) {
                    Some(found) => found,
                    None => continue,
                }
            } else {
                let Some(choice) = choice else { continue };
                let probability = 1.0 / (1.0 + (-choice.bits).exp2());
                outcome.joined.push(Weighed {
                    cause: self.calls[choice.call].event,
                    effects: action.events.clone(),
                    probability,
                    why: self.why(&self.calls[choice.call], action, choice.bits),
                });
                (choice.call, probability)
            };
            for event in &action.events {
                if self.facts.is_change(*event as usize) {
                    outcome.causes.push(Cause {
                        cause: self.calls[call].event,
                        effect: *event,
                        probability,
                    });
                }
            }
        }
        outcome
    }

    /// The cause among the calls of the action's own task: one of them it was, if an agent did it.
    fn cause_within(&self, action: &Action) -> Option<(usize, f64)> {
        if let Some(at) = action.named.first() {
            return Some((*at, 0.99));
        }
        let mut weights: Vec<(f64, usize)> = self
            .candidates(action)
            .into_iter()
            .map(|at| (self.weight(&self.calls[at], action), at))
            .collect();
        weights.sort_by(|a, b| {
            b.0.total_cmp(&a.0)
                .then_with(|| self.call_id(a.1).cmp(&self.call_id(b.1)))
        });
        let (best, at) = *weights.first()?;
        // The same call is often logged twice: by the model and by what ran it.
        let same = |other: usize| {
            self.calls[other].tool == self.calls[at].tool
                && self.calls[other].format != self.calls[at].format
        };
        let others: f64 = weights
            .iter()
            .skip(1)
            .filter(|(_, other)| !same(*other))
            .map(|(weight, _)| (weight - best).exp2())
            .sum();
        let none = (-best).exp2().min(1e6);
        let probability = 1.0 / (1.0 + others + none);
        (probability >= 0.5).then_some((at, probability))
    }

    fn why(&self, call: &Call, action: &Action, bits: f64) -> String {
        let mut shared: Vec<(i64, &str)> = action
            .tokens
            .iter()
            .filter(|token| call.tokens.contains(token))
            .map(|token| {
                (
                    -milli(self.bits[*token as usize]),
                    self.names[*token as usize].as_str(),
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

#[derive(Clone, Copy)]
struct Choice {
    call: usize,
    bits: f64,
}

fn milli(bits: f64) -> i64 {
    #[allow(clippy::cast_possible_truncation)] // Weights are far below.
    let whole = (bits * 1000.0).round() as i64;
    whole
}

/// Where differences of time pile up: the densest two seconds, if there are enough of them to stand
/// out from what chance gives.
fn mode(mut gaps: Vec<i64>) -> Option<Offset> {
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
    let median = near[near.len() / 2];
    let mut distances: Vec<i64> = near.iter().map(|gap| (gap - median).abs()).collect();
    distances.sort_unstable();
    #[allow(clippy::cast_precision_loss)]
    Some(Offset {
        us: median as f64,
        spread: (distances[distances.len() / 2] as f64 * 1.5).clamp(3e5, 3e6),
    })
}

type Tokens = Vec<Vec<u32>>;

/// Values of all events, interned.
fn read_tokens(
    store: &Store,
    places: &Places,
    n: u32,
) -> Result<(Vec<String>, Tokens), StoreError> {
    let mut names: Vec<String> = Vec::new();
    let mut known: HashMap<String, u32> = HashMap::new();
    let mut tokens: Tokens = vec![Vec::new(); n as usize];
    for kind in EVIDENCE {
        let keys = Keys::read(store, places, kind)?;
        for (value, group) in keys.groups() {
            let value = value.rsplit_once('/').map_or(value, |(_, id)| id);
            let Some(value) = evidence_value(value) else {
                continue;
            };
            let token = *known.entry(value).or_insert_with_key(|value| {
                names.push(value.clone());
                u32::try_from(names.len() - 1).unwrap_or(u32::MAX)
            });
            for row in group {
                let tokens = &mut tokens[row.2 as usize];
                if !tokens.contains(&token) {
                    tokens.push(token);
                }
            }
        }
    }
    Ok((names, tokens))
}

/// Everything done in other systems: each fragment without a model's part as one, and the changes
/// inside tasks one by one.
fn actions(
    store: &Store,
    places: &Places,
    facts: &Facts,
    roots: &[u32],
    agent: &[bool],
    tokens: &Tokens,
) -> Result<Vec<Action>, StoreError> {
    let mut groups: BTreeMap<(u32, u32), Vec<u32>> = BTreeMap::new();
    let mut saved = vec![0u32; roots.len()];
    let keys = Keys::read(store, places, KeyKind::Transaction)?;
    for (number, (_, group)) in (1u32..).zip(keys.groups()) {
        for row in group {
            saved[row.2 as usize] = number;
        }
    }
    for event in 0..roots.len() {
        let root = roots[event];
        let number = u32::try_from(event).unwrap_or(u32::MAX);
        let settled = agent[root as usize];
        if settled && !facts.is_change(event) {
            continue;
        }
        let group = match (settled, saved[event]) {
            (false, _) => 0,
            (true, 0) => u32::MAX - number,
            (true, saved) => saved,
        };
        groups.entry((root, group)).or_default().push(number);
    }
    let mut out = Vec::new();
    for ((root, _), mut events) in groups {
        events.sort_by_key(|event| facts.order(*event));
        let first = events[0] as usize;
        let Some(time) = facts.times[first] else {
            continue;
        };
        let actor = events
            .iter()
            .map(|event| facts.actors[*event as usize])
            .find(|actor| *actor != 0)
            .unwrap_or(0);
        out.push(Action {
            root,
            settled: agent[root as usize],
            time,
            format: facts.formats[first],
            route: facts.routes[first],
            actor,
            tokens: events
                .iter()
                .flat_map(|event| tokens[*event as usize].iter().copied())
                .collect(),
            named: Vec::new(),
            events,
        });
    }
    out.sort_by_key(|action| facts.ids[action.events[0] as usize]);
    Ok(out)
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
