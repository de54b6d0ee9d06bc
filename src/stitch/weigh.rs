//! Weighed evidence, where ids stop at the boundary of a system.
//!
//! Fellegi and Sunter's model (1969): each agreement between a tool call and something done in
//! another system has a weight in bits, log2 of how much more often it is seen where the one caused
//! the other than by chance. Rare values weigh by their frequency; the time between the two by a
//! distribution around the clocks' offset, which is estimated from the pairs themselves (the mode of
//! the differences where a rare value agrees); the pairing of tool and route, and the share of a
//! user's work that has a cause, from the pairs that ids join. Nothing is tuned to a log.
//!
//! An action has one cause. A call is taken for it if that is likely, measured against all other calls
//! that could be it and against none; else the action stays alone, and is reported as unlinked.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

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
/// A cause of fewer bits takes no part in the odds.
const FAINT: f64 = -10.0;
/// Bits against a second deed of one kind by one call: it was tried again, or the record of another
/// call is missing.
const REPEAT: f64 = 3.0;
/// Bits by which a cause must be ahead of the best one in another task.
const MARGIN: f64 = 2.0;
/// Rounds in which what is sure makes room for the rest; each takes at least one call.
const MOST_ROUNDS: usize = 20;
/// Rounds of expectation and maximisation; the figures hardly move after the third.
const ROUNDS: usize = 8;
/// Mean time of those effects that wait for something (microseconds).
const WAIT: f64 = 30e6;
/// The share of what waits that is done after the model was asked again.
const LATE: f64 = 0.1;
/// How far clocks are apart of which nothing is known (microseconds).
const UNKNOWN: f64 = 6e6;
/// Bits against a call that names another object of the kind that the action was done to.
const OTHER_OBJECT: f64 = 6.0;
/// Bits from which on a value that agrees tells something.
const TELLING: f64 = 3.0;
/// Most bits against a call of which nothing agrees.
const MOST_AGAINST: f64 = 6.0;
/// The task of a request that is in none.
const NONE: u32 = u32::MAX;
/// Calls at the time of an action beyond which the time alone tells nothing.
const CROWD: usize = 100;

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
    /// What was weighed for each action of another system, by its events.
    pub weighings: Vec<(Vec<u32>, Weighing)>,
    /// Offsets between the clocks of two formats, by their numbers.
    pub clocks: Vec<Clock>,
}

/// How far the clock of one kind of record is ahead of another's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clock {
    /// Format of the calls.
    pub from: String,
    /// Format of what they caused.
    pub to: String,
    /// Offset in seconds, the usual delay included.
    pub offset: f64,
    /// How far the differences lie around it, in seconds.
    pub spread: f64,
    /// Pairs it rests on; 0 where it follows from two other pairs of clocks.
    pub pairs: usize,
}

/// What speaks for a cause of an action, and for the next best one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Weighing {
    /// Whether the best one was taken.
    pub taken: bool,
    /// The likeliest.
    pub best: Candidate,
    /// The likeliest in another task.
    pub runner_up: Option<Candidate>,
}

/// What speaks for one cause, in bits: log2 of how much more often it is seen with the cause than by
/// chance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Number of the event that is the possible cause.
    pub event: u32,
    /// Values that agree, and what each gives.
    pub values: Vec<(String, f64)>,
    /// All values together, the odds of their absence included.
    pub content: f64,
    /// That such a call causes such an action.
    pub route: f64,
    /// That it names another object.
    pub object: f64,
    /// The time between, under the clocks' offset.
    pub time: f64,
    /// The user's share of work that has a cause.
    pub actor: f64,
    /// The odds before anything is known.
    pub prior: f64,
    /// The sum.
    pub bits: f64,
    /// Likelihood among all that could be the cause, and none.
    pub probability: f64,
    /// Seconds from the possible cause to the action, as recorded.
    pub gap: f64,
    /// Seconds that are usual between the two kinds of record.
    pub offset: f64,
}

/// A tool call, or a request on its way: what can be the cause of something elsewhere.
struct Call {
    /// Its place among the calls.
    number: usize,
    event: u32,
    /// Its task; `NONE` for a request that is in none yet.
    root: u32,
    /// Asked for by a model, not a request on its way.
    by_model: bool,
    /// A call of a model: the cause of the spans in which its tools ran.
    thinks: bool,
    time: i64,
    /// When its task's model was asked next: what the call did was done by then, unless something waits.
    until: i64,
    format: u32,
    tool: u32,
    tokens: BTreeSet<u32>,
}

/// Something done in another system: a change with its rows, one request, one approval.
struct Action {
    /// Its place among the actions.
    number: usize,
    events: Vec<u32>,
    root: u32,
    /// In a task already; only its cause within the task is looked for.
    settled: bool,
    time: i64,
    format: u32,
    route: u32,
    actor: u32,
    tokens: BTreeSet<u32>,
    /// The value that names its object.
    object: Option<u32>,
    /// The run of a tool, without what asked for it.
    is_tool: bool,
    /// Calls that an id of the call itself joins to it.
    named: Vec<usize>,
}

/// Clock offset between a kind of call record and a kind of action record.
#[derive(Clone, Copy)]
struct Offset {
    us: f64,
    /// How far the differences lie around it: before it what clocks and rounding do, after it what
    /// waits as well.
    before: f64,
    after: f64,
    /// How many pairs it rests on; 0 if on other offsets.
    pairs: usize,
}

impl Offset {
    fn spread(self) -> f64 {
        self.before.max(self.after)
    }
}

struct Model<'f> {
    facts: &'f Facts,
    calls: Vec<Call>,
    actions: Vec<Action>,
    names: Vec<String>,
    /// Tasks with a model's part.
    roots: usize,
    /// Events that a system has put on record as one change.
    documented: Vec<bool>,
    /// Tool calls and the requests on their way that carry their ids.
    relayed: Vec<(usize, usize)>,
    /// Calls and requests that are one deed, each with the others.
    same_deed: HashMap<usize, Vec<usize>>,
    /// How often which tool causes which class of action, and how often anything does.
    classes: HashMap<(u32, bool), f64>,
    class_counts: HashMap<bool, f64>,
    calls_of_token: HashMap<u32, Vec<usize>>,
    roots_of_token: HashMap<u32, BTreeSet<u32>>,
    calls_of_root: HashMap<u32, Vec<usize>>,
    by_time: Vec<usize>,
    call_formats: BTreeSet<u32>,
    offsets: HashMap<(u32, u32), Offset>,
    routes: HashMap<(u32, u32), f64>,
    /// The likelihoods that all that was learned from: a pair does not speak for itself.
    lessons: HashMap<(usize, usize), f64>,
    /// Of those pairs, the ones in which the action has values, and those of them that share one.
    agreeing: HashMap<(u32, u32), (f64, f64)>,
    /// The same by formats of call and action: pairs in which the action has values, and those of
    /// them that share one.
    formats_agreeing: HashMap<(u32, u32), (f64, f64)>,
    tool_counts: HashMap<u32, f64>,
    route_counts: HashMap<u32, f64>,
    /// Values that name objects, by route.
    objects_of_route: HashMap<u32, BTreeSet<u32>>,
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
    model.complete_offsets();
    // Expectation: the causes under what is known. Maximisation: what they say of clocks, routes and
    // users.
    for _ in 0..ROUNDS {
        let chosen = model.assign(threshold);
        let pairs = model.expected(&chosen);
        model.learn_routes(&pairs);
        model.learn_offsets(&pairs);
        model.complete_offsets();
        model.learn_actors(&chosen);
        model.place_requests(&chosen);
    }
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
                let in_task = agent[roots[*event as usize] as usize];
                let by_model =
                    in_task && matches!(facts.kind(*event), Kind::ToolCall | Kind::Inference);
                let timed = facts.times[*event as usize].is_some();
                timed && (by_model || facts.is_request(*event as usize))
            })
            .collect();
        if calls.is_empty() {
            return Ok(None);
        }
        let (names, tokens) = read_tokens(store, places, n)?;
        let calls: Vec<Call> = calls
            .into_iter()
            .enumerate()
            .map(|(number, event)| Call {
                number,
                event,
                by_model: facts.kind(event) == Kind::ToolCall,
                thinks: facts.kind(event) == Kind::Inference,
                root: if agent[roots[event as usize] as usize] {
                    roots[event as usize]
                } else {
                    NONE
                },
                time: match facts.kind(event) {
                    // Its tools run when it has answered.
                    Kind::Inference => facts.ends[event as usize],
                    _ => None,
                }
                .or(facts.times[event as usize])
                .unwrap_or(0),
                until: i64::MAX,
                format: facts.formats[event as usize],
                tool: if facts.kind(event) == Kind::ToolCall {
                    facts.tools[event as usize]
                } else {
                    // Routes and tools are numbered alike: they never share a number.
                    facts.routes[event as usize]
                },
                tokens: tokens[event as usize].iter().copied().collect(),
            })
            .collect();
        let by_name: HashMap<&str, u32> = (0u32..)
            .zip(&names)
            .map(|(number, name)| (name.as_str(), number))
            .collect();
        let object_of = |event: u32| {
            let number = facts.objects[event as usize].checked_sub(1)?;
            let name = facts.object_names.get(number as usize)?;
            by_name.get(name.as_str()).copied()
        };
        let (mut actions, documented) = actions(store, places, facts, &roots, &agent, &tokens)?;
        for action in &mut actions {
            action.object = action.events.iter().find_map(|event| object_of(*event));
        }
        let mut model = Self {
            facts,
            calls_of_token: HashMap::new(),
            roots_of_token: HashMap::new(),
            calls_of_root: HashMap::new(),
            by_time: (0..calls.len()).collect(),
            call_formats: calls.iter().map(|call| call.format).collect(),
            calls,
            actions,
            names,
            roots: 0,
            documented,
            relayed: Vec::new(),
            same_deed: HashMap::new(),
            classes: HashMap::new(),
            class_counts: HashMap::new(),
            offsets: HashMap::new(),
            routes: HashMap::new(),
            lessons: HashMap::new(),
            agreeing: HashMap::new(),
            formats_agreeing: HashMap::new(),
            tool_counts: HashMap::new(),
            route_counts: HashMap::new(),
            objects_of_route: HashMap::new(),
            actors: HashMap::new(),
        };
        for (at, call) in model.calls.iter().enumerate() {
            if call.root != NONE {
                model.calls_of_root.entry(call.root).or_default().push(at);
            }
            for token in &call.tokens {
                model.calls_of_token.entry(*token).or_default().push(at);
            }
        }
        model.bound_calls();
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
        for action in &model.actions {
            if let Some(object) = action.object {
                let known = model.objects_of_route.entry(action.route).or_default();
                known.insert(object);
            }
        }
        model.roots = model.calls_of_root.len();
        let times: Vec<i64> = model.calls.iter().map(|call| call.time).collect();
        model.by_time.sort_by_key(|at| times[*at]);
        model.name_calls(store, places)?;
        for (call, request) in model.relayed_pairs() {
            model.same_deed.entry(call).or_default().push(request);
            model.same_deed.entry(request).or_default().push(call);
        }
        Ok(Some(model))
    }

    /// By when each call was done: the model was asked again, by records of the same format.
    fn bound_calls(&mut self) {
        let mut asked: HashMap<(u32, u32), Vec<i64>> = HashMap::new();
        for call in self
            .calls
            .iter()
            .filter(|call| call.thinks && call.root != NONE)
        {
            let start = self.facts.times[call.event as usize].unwrap_or(i64::MAX);
            asked
                .entry((call.root, call.format))
                .or_default()
                .push(start);
        }
        for times in asked.values_mut() {
            times.sort_unstable();
        }
        for call in &mut self.calls {
            if let Some(times) = asked.get(&(call.root, call.format)) {
                let next = times.partition_point(|time| *time <= call.time);
                call.until = times.get(next).copied().unwrap_or(i64::MAX);
            }
        }
    }

    /// Actions that carry the id of a tool call.
    fn name_calls(&mut self, store: &Store, places: &Places) -> Result<(), StoreError> {
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
        let keys = Keys::read(store, places, KeyKind::ToolCall)?;
        for (_, group) in keys.groups() {
            let calls: Vec<usize> = group
                .iter()
                .filter_map(|row| call_of.get(&row.2).copied())
                .collect();
            for request in group.iter().filter_map(|row| request_of.get(&row.2)) {
                if self.calls[*request].root != NONE {
                    self.relayed
                        .extend(calls.iter().map(|call| (*call, *request)));
                }
            }
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
                // What many calls pass pairs nothing; looking at each would take the square of them.
                if calls.len() > FREQUENT {
                    continue;
                }
                let roots: BTreeSet<u32> = calls.iter().map(|at| self.calls[*at].root).collect();
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

    /// Requests whose cause is known can be the cause of what a system behind them did.
    fn place_requests(&mut self, chosen: &[Option<Choice>]) {
        let mut root_of: HashMap<u32, u32> = HashMap::new();
        for (action, choice) in self.actions.iter().zip(chosen) {
            if action.settled {
                continue;
            }
            let root = choice.map_or(NONE, |choice| self.calls[choice.call].root);
            root_of.extend(action.events.iter().map(|event| (*event, root)));
        }
        for call in &mut self.calls {
            if let Some(root) = root_of.get(&call.event) {
                call.root = *root;
            }
        }
    }

    /// Offsets of pairs with too little in common, over two others: clocks add up.
    fn complete_offsets(&mut self) {
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

    /// Which call probably caused which action, with the likelihood.
    fn expected(&self, chosen: &[Option<Choice>]) -> Vec<(usize, usize, f64)> {
        let mut pairs = Vec::new();
        for (number, (action, choice)) in self.actions.iter().zip(chosen).enumerate() {
            let root = match choice {
                Some(choice) => {
                    pairs.push((choice.call, number, 1.0));
                    if self.calls[choice.call].by_model {
                        continue;
                    }
                    self.calls[choice.call].root
                }
                None if action.settled => action.root,
                None => continue,
            };
            let within = self.shares_within(action, root);
            pairs.extend(within.into_iter().map(|(share, at)| (at, number, share)));
        }
        pairs
    }

    /// Times from a model's answer to the tool that runs next in its task, by format.
    fn runs(&self) -> BTreeMap<(u32, u32), Vec<i64>> {
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
    fn relayed_pairs(&self) -> Vec<(usize, usize)> {
        const RARE: usize = 3;
        let mut pairs: BTreeSet<(usize, usize)> = self.relayed.iter().copied().collect();
        for (request, call) in self.calls.iter().enumerate() {
            if call.by_model || call.thinks || call.root == NONE {
                continue;
            }
            for token in &call.tokens {
                let others = self
                    .calls_of_token
                    .get(token)
                    .map_or(&[][..], Vec::as_slice);
                if others.len() > FREQUENT {
                    continue;
                }
                let same =
                    |at: &&usize| self.calls[**at].by_model && self.calls[**at].root == call.root;
                let same: Vec<usize> = others.iter().filter(same).copied().collect();
                if same.len() <= RARE {
                    pairs.extend(same.into_iter().map(|at| (at, request)));
                }
            }
        }
        pairs.into_iter().collect()
    }

    /// How often a call of which tool causes an action on which route.
    fn learn_routes(&mut self, pairs: &[(usize, usize, f64)]) {
        self.routes.clear();
        self.agreeing.clear();
        self.formats_agreeing.clear();
        self.lessons.clear();
        self.tool_counts.clear();
        self.route_counts.clear();
        self.classes.clear();
        self.class_counts.clear();
        for call in &self.calls {
            *self.tool_counts.entry(call.tool).or_default() += 1.0;
        }
        for (at, number, share) in pairs {
            let (tool, route) = (self.calls[*at].tool, self.actions[*number].route);
            let class = self.is_change(&self.actions[*number]);
            *self.lessons.entry((*at, *number)).or_default() += share;
            *self.routes.entry((tool, route)).or_default() += share;
            let (call, action) = (&self.calls[*at], &self.actions[*number]);
            if self.has_values(action) {
                let agrees = self.agrees(call, action);
                let formats = (call.format, action.format);
                let counts = self.formats_agreeing.entry(formats).or_default();
                counts.0 += share;
                let known = self.agreeing.entry((tool, route)).or_default();
                known.0 += share;
                if agrees {
                    counts.1 += share;
                    known.1 += share;
                }
            }
            *self.route_counts.entry(route).or_default() += share;
            *self.classes.entry((tool, class)).or_default() += share;
            *self.class_counts.entry(class).or_default() += share;
        }
        for (at, request) in &self.relayed {
            let (tool, route) = (self.calls[*at].tool, self.calls[*request].tool);
            *self.routes.entry((tool, route)).or_default() += 1.0;
            *self.route_counts.entry(route).or_default() += 1.0;
        }
    }

    /// The offsets again, from the likely pairs.
    fn learn_offsets(&mut self, pairs: &[(usize, usize, f64)]) {
        const LEAST: usize = 8;
        let mut gaps: BTreeMap<(u32, u32), Vec<i64>> = BTreeMap::new();
        for (at, number, share) in pairs {
            let (call, action) = (&self.calls[*at], &self.actions[*number]);
            let gap = action.time - call.time;
            // Pairs that the time alone has made would confirm whatever offset made them.
            let known = action.named.contains(at) || self.content_weight(call, action) > 6.0;
            if *share > 0.8 && known && gap.abs() <= WINDOW {
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

    /// The share of each user's actions that have a cause.
    fn learn_actors(&mut self, chosen: &[Option<Choice>]) {
        let mut counts: BTreeMap<(u32, u32), (f64, f64)> = BTreeMap::new();
        let mut all: BTreeMap<u32, (f64, f64, f64)> = BTreeMap::new();
        for (action, choice) in self.actions.iter().zip(chosen) {
            let caused = f64::from(u8::from(action.settled || choice.is_some()));
            let entry = counts.entry((action.format, action.actor)).or_default();
            (entry.0, entry.1) = (entry.0 + caused, entry.1 + 1.0 - caused);
            let sums = all.entry(action.format).or_default();
            (sums.0, sums.1) = (sums.0 + caused, sums.1 + 1.0 - caused);
        }
        for (format, _) in counts.keys() {
            all.entry(*format).or_default().2 += 0.5;
        }
        self.actors = counts
            .into_iter()
            .map(|(actor, (caused, alone))| {
                let (all_caused, all_alone, prior) = all.get(&actor.0).copied().unwrap_or_default();
                // How much more often this user is seen in work that a call caused.
                let ratio =
                    (caused + 0.5) / (all_caused + prior) * (all_alone + prior) / (alone + 0.5);
                (actor, ratio.log2().clamp(-5.0, 5.0))
            })
            .collect();
    }

    /// Weight of a call as the cause of an action, in bits.
    fn weight(&self, call: &Call, action: &Action) -> f64 {
        self.content_weight(call, action)
            + self.route_weight(call, action)
            + self.object_weight(call, action)
            + self.time_weight(call, action)
    }

    /// Whether the call passes a value that the action has, and that says something.
    fn agrees(&self, call: &Call, action: &Action) -> bool {
        let telling = |token: &&u32| self.call_bits(**token) >= TELLING;
        let mut shared = action.tokens.intersection(&call.tokens);
        shared.any(|token| telling(&token))
    }

    /// Bits against a call that passes nothing of the action, where such calls usually do.
    fn disagreement(&self, call: &Call, action: &Action) -> f64 {
        if !self.has_values(action) || self.agrees(call, action) {
            return 0.0;
        }
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

    /// Whether the action has a value that could agree with that of a call.
    fn has_values(&self, action: &Action) -> bool {
        action
            .tokens
            .iter()
            .any(|token| self.call_bits(*token) >= TELLING)
    }

    /// Bits of the values that agree, and of none that do.
    fn content_weight(&self, call: &Call, action: &Action) -> f64 {
        self.agreement(call, action) + self.disagreement(call, action)
    }

    fn agreement(&self, call: &Call, action: &Action) -> f64 {
        let mut values: Vec<f64> = Vec::new();
        for token in &action.tokens {
            if call.tokens.contains(token) {
                values.push(self.call_bits(*token));
            } else if let Some(roots) = self.roots_of_token.get(token)
                && roots.contains(&call.root)
            {
                // Known in the conversation, not passed in the call.
                values.push(rarity(self.roots, roots.len()) * 0.7);
            }
        }
        // Values of one record depend on each other: the rarest counts fully, the next ones less.
        values.sort_by(|a, b| b.total_cmp(a));
        let content: f64 = values
            .iter()
            .zip([1.0, 0.6, 0.4, 0.3, 0.25, 0.2, 0.2, 0.2, 0.2, 0.2])
            .map(|(bits, share)| bits * share)
            .sum();
        content.min(32.0)
    }

    /// Bits of a value that the call passes: how rare it is among calls.
    fn call_bits(&self, token: u32) -> f64 {
        let found = self.calls_of_token.get(&token).map_or(1, Vec::len);
        rarity(self.calls.len(), found)
    }

    fn is_change(&self, action: &Action) -> bool {
        action
            .events
            .iter()
            .any(|event| self.facts.is_change(*event as usize))
    }

    /// How much more often a call of that tool causes such an action than any call does; on a route
    /// that is hardly known, a change of any kind.
    fn route_weight(&self, call: &Call, action: &Action) -> f64 {
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
    fn lesson(&self, call: &Call, action: &Action) -> f64 {
        let pair = (call.number, action.number);
        self.lessons.get(&pair).copied().unwrap_or(0.0)
    }

    /// Bits against a call that names an object of that kind, and not this one.
    fn object_weight(&self, call: &Call, action: &Action) -> f64 {
        let Some(object) = action.object.filter(|object| !call.tokens.contains(object)) else {
            return 0.0;
        };
        let others = self.objects_of_route.get(&action.route);
        let names_other = call
            .tokens
            .iter()
            .any(|token| *token != object && others.is_some_and(|others| others.contains(token)));
        if names_other { -OTHER_OBJECT } else { 0.0 }
    }

    fn time_weight(&self, call: &Call, action: &Action) -> f64 {
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

    fn candidates(&self, action: &Action) -> BTreeSet<usize> {
        let mut found = self.any_candidates(action);
        let format = action.format;
        found.retain(|at| {
            let call = &self.calls[*at];
            call.root != NONE
                && call.thinks == action.is_tool
                && (call.by_model || call.thinks || call.format != format)
        });
        found
    }

    fn any_candidates(&self, action: &Action) -> BTreeSet<usize> {
        if action.settled {
            let calls = self.calls_of_root.get(&action.root);
            let calls = calls.into_iter().flatten().copied();
            return calls.filter(|at| self.calls[*at].by_model).collect();
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
        for format in &self.call_formats {
            let Some(offset) = self.offsets.get(&(*format, action.format)) else {
                continue;
            };
            #[allow(clippy::cast_possible_truncation)] // Minutes in microseconds.
            let (center, reach) = (
                action.time - offset.us as i64,
                (offset.spread() * 6.0) as i64 + 1_000_000,
            );
            let start = self
                .by_time
                .partition_point(|at| self.calls[*at].time < center - reach);
            let near: Vec<usize> = self.by_time[start..]
                .iter()
                .copied()
                .take_while(|at| self.calls[*at].time <= center + reach)
                .filter(|at| self.calls[*at].format == *format)
                .take(CROWD + 1)
                .collect();
            // In a crowd the time alone tells nobody apart, and looking at each takes long.
            if near.len() <= CROWD {
                found.extend(near);
            }
        }
        found
    }

    /// One cause for each action, the surest first.
    ///
    /// The likelihood of a cause is its share among all that could have been it, and none. What is
    /// sure takes its call away from what is not, which may then be sure too: so it goes in rounds.
    fn assign(&self, threshold: f64) -> Vec<Option<Choice>> {
        let least = (threshold / (1.0 - threshold)).log2();
        let weights: Vec<Vec<(usize, f64)>> = self
            .actions
            .iter()
            .map(|action| {
                if action.settled {
                    return Vec::new();
                }
                self.weights(action)
            })
            .collect();
        let mut chosen: Vec<Option<Choice>> = vec![None; self.actions.len()];
        // An id joins the actions of a fragment: they are in one task, that of the surest.
        let mut task_of: HashMap<u32, u32> = HashMap::new();
        let mut taken: BTreeSet<(usize, u32, u32)> = BTreeSet::new();
        for action in self.actions.iter().filter(|action| action.settled) {
            if let Some((at, _)) = self.cause_within(action) {
                self.take(&mut taken, at, action);
            }
        }
        for _ in 0..MOST_ROUNDS {
            let mut sure: Vec<(i64, usize, usize, f64)> = Vec::new();
            for (number, action) in self.actions.iter().enumerate() {
                if chosen[number].is_none()
                    && let Some((at, weight, probability, ahead)) =
                        self.likeliest(action, &weights[number], &taken)
                    && weight >= least
                    && ahead >= MARGIN
                {
                    sure.push((milli(weight), number, at, probability));
                }
            }
            // Whole numbers and ids as tie breakers: the order of the input decides nothing.
            sure.sort_by(|a, b| {
                b.0.cmp(&a.0)
                    .then_with(|| self.action_id(a.1).cmp(&self.action_id(b.1)))
                    .then_with(|| self.call_id(a.2).cmp(&self.call_id(b.2)))
            });
            let before = chosen.iter().flatten().count();
            let held = taken.clone();
            for (weight, number, at, probability) in sure {
                let action = &self.actions[number];
                let root = self.calls[at].root;
                let elsewhere = task_of.get(&action.root).is_some_and(|task| *task != root);
                // Taken in this round: what that leaves is weighed in the next.
                let slot = (at, action.format, slot_of(action));
                if elsewhere || (taken.contains(&slot) && !held.contains(&slot)) {
                    continue;
                }
                task_of.insert(action.root, root);
                self.take(&mut taken, at, action);
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
        }
        chosen
    }

    /// All that could be the cause of an action, with their weights.
    fn weights(&self, action: &Action) -> Vec<(usize, f64)> {
        let odds = self.prior(action) + self.actor_weight(action);
        self.candidates(action)
            .into_iter()
            .map(|at| (at, self.weight(&self.calls[at], action) + odds))
            .filter(|(_, weight)| *weight > FAINT)
            .collect()
    }

    /// As many as could have been the cause by time alone are the odds against one.
    fn prior(&self, action: &Action) -> f64 {
        let within = self.calls_near(action.time);
        #[allow(clippy::cast_precision_loss)]
        let odds = within.max(2) as f64;
        -odds.log2()
    }

    fn actor_weight(&self, action: &Action) -> f64 {
        let actor = self.actors.get(&(action.format, action.actor));
        actor.copied().unwrap_or(0.0)
    }

    /// What was weighed for an action.
    fn weighing(&self, action: &Action, choice: Option<Choice>) -> Option<Weighing> {
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

    fn candidate(&self, at: usize, action: &Action, probability: f64) -> Candidate {
        let call = &self.calls[at];
        let shared = action
            .tokens
            .iter()
            .filter(|token| call.tokens.contains(token));
        let mut values: Vec<(String, f64)> = shared
            .map(|token| (self.names[*token as usize].clone(), self.call_bits(*token)))
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
            time: rounded(self.time_weight(call, action)),
            actor: rounded(actor),
            prior: rounded(prior),
            bits: rounded(self.weight(call, action) + prior + actor),
            probability: (probability * 1e4).floor() / 1e4,
            gap: (gap * 1e3).round() / 1e3,
            offset: offset.map_or(0.0, |offset| (offset.us / 1e3).round() / 1e3),
        }
    }

    /// The likeliest cause among the calls that are still free, with its weight and the likelihood
    /// that the action belongs to its task.
    fn likeliest(
        &self,
        action: &Action,
        weights: &[(usize, f64)],
        taken: &BTreeSet<(usize, u32, u32)>,
    ) -> Option<(usize, f64, f64, f64)> {
        let slot = slot_of(action);
        let mut best: BTreeMap<u32, (f64, usize)> = BTreeMap::new();
        // What a call has done already may yet be wrong: it stays a rival.
        let mut rivals: BTreeMap<u32, f64> = BTreeMap::new();
        for (at, weight) in weights {
            let root = self.calls[*at].root;
            let rival = rivals.entry(root).or_insert(f64::MIN);
            *rival = rival.max(*weight);
            let again = taken.contains(&(*at, action.format, slot));
            let weight = if again { weight - REPEAT } else { *weight };
            let entry = best.entry(root).or_insert((weight, *at));
            let ahead = weight
                .total_cmp(&entry.0)
                .then_with(|| self.call_id(entry.1).cmp(&self.call_id(*at)));
            if ahead.is_gt() {
                *entry = (weight, *at);
            }
        }
        let (weight, at) = best.values().copied().max_by(|a, b| {
            a.0.total_cmp(&b.0)
                .then_with(|| self.call_id(b.1).cmp(&self.call_id(a.1)))
        })?;
        // None of them weighs nothing.
        let all: f64 = best
            .values()
            .map(|(other, _)| (other - weight).exp2())
            .sum();
        let root = self.calls[at].root;
        let rival = rivals
            .iter()
            .filter(|(other, _)| **other != root)
            .map(|(_, weight)| *weight)
            .fold(f64::MIN, f64::max);
        Some((at, weight, 1.0 / (all + (-weight).exp2()), weight - rival))
    }

    /// A call and the requests that carried it have done that now.
    fn take(&self, taken: &mut BTreeSet<(usize, u32, u32)>, at: usize, action: &Action) {
        let slot = |at: usize| (at, action.format, slot_of(action));
        taken.insert(slot(at));
        for same in self.same_deed.get(&at).into_iter().flatten() {
            taken.insert(slot(*same));
        }
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
        let mut outcome = Outcome {
            clocks: self.clocks(),
            ..Outcome::default()
        };
        for (action, choice) in self.actions.iter().zip(chosen) {
            if !action.settled
                && let Some(weighing) = self.weighing(action, *choice)
            {
                outcome.weighings.push((action.events.clone(), weighing));
            }
            let (call, probability) = if action.settled {
                match self.cause_within(action) {
                    Some(found) => found,
                    None => continue,
                }
            } else {
                let Some(choice) = choice else { continue };
                let probability = choice.probability;
                outcome.joined.push(Weighed {
                    cause: self.calls[choice.call].event,
                    effects: action.events.clone(),
                    probability,
                    why: self.why(&self.calls[choice.call], action, choice.bits),
                });
                if self.calls[choice.call].by_model {
                    (choice.call, probability)
                } else {
                    // A request on its way: behind it is one of its task's calls.
                    let root = self.calls[choice.call].root;
                    match self.cause_in(action, root) {
                        Some((call, share)) => (call, share * probability),
                        None => continue,
                    }
                }
            };
            for event in &action.events {
                let at = *event as usize;
                let by_model = self.calls[call].by_model;
                if by_model && self.facts.is_change(at) && self.documented[at] {
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

    /// The likelihood of each call of the action's own task to be its cause; what is missing to one
    /// is that of none.
    fn shares_within(&self, action: &Action, root: u32) -> Vec<(f64, usize)> {
        if !action.named.is_empty() {
            #[allow(clippy::cast_precision_loss)] // A handful.
            let share = 0.99 / action.named.len() as f64;
            return action.named.iter().map(|at| (share, *at)).collect();
        }
        let calls = self.calls_of_root.get(&root);
        let weights: Vec<(f64, usize)> = calls
            .into_iter()
            .flatten()
            .filter(|at| self.calls[**at].by_model)
            .map(|at| (self.weight(&self.calls[*at], action), *at))
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

    /// The cause among the calls of the action's own task, if one stands out.
    fn cause_within(&self, action: &Action) -> Option<(usize, f64)> {
        self.cause_in(action, action.root)
    }

    fn cause_in(&self, action: &Action, root: u32) -> Option<(usize, f64)> {
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
        (probability >= 0.5).then_some((at, probability))
    }

    fn clocks(&self) -> Vec<Clock> {
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

    fn why(&self, call: &Call, action: &Action, bits: f64) -> String {
        let mut shared: Vec<(i64, &str)> = action
            .tokens
            .iter()
            .filter(|token| call.tokens.contains(token))
            .map(|token| {
                (
                    -milli(self.call_bits(*token)),
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

/// What a call can do once: one thing to one object.
fn slot_of(action: &Action) -> u32 {
    action.object.unwrap_or(u32::MAX - action.route)
}

#[derive(Clone, Copy)]
struct Choice {
    call: usize,
    bits: f64,
    probability: f64,
}

/// Bits of an agreement that `found` of `all` have.
fn rarity(all: usize, found: usize) -> f64 {
    #[allow(clippy::cast_precision_loss)] // Counts.
    let ratio = all.max(1) as f64 / found.max(1) as f64;
    ratio.log2().clamp(0.0, MOST_BITS)
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
    Some(middle(near))
}

/// Median of differences, and how far they spread around it.
fn middle(mut near: Vec<i64>) -> Offset {
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
) -> Result<(Vec<Action>, Vec<bool>), StoreError> {
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
            number: 0,
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
            object: None,
            is_tool: facts.kind(events[0]) == Kind::ToolCall,
            named: Vec::new(),
            events,
        });
    }
    out.sort_by_key(|action| facts.ids[action.events[0] as usize]);
    for (number, action) in out.iter_mut().enumerate() {
        action.number = number;
    }
    let documented = saved.into_iter().map(|saved| saved != 0).collect();
    Ok((out, documented))
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
