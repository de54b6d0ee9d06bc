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

mod actions;
mod assign;
mod cells;
mod clocks;
mod deeds;
mod evidence;
mod gaps;
mod ground;
mod habits;
mod kept;
mod learn;
mod lens;
mod likeness;
mod lists;
mod sizes;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use foldhash::{HashMap, HashMapExt};

use actions::{Action, actions};
use cells::{Cell, cells};
use ground::Ground;
use habits::Habits;
use lens::Lens;
use likeness::Likeness;
use lists::{Lists, Renumbered};
use told::{Exact, OfCell, Outcome, Told, ToldOf};

pub(super) use kept::{Kept, KeptCell};
pub use told::{Candidate, Cause, Clock, Weighing};

use super::closure::Components;
use super::facts::Facts;
use super::index::Places;
use super::keys::Keys;
use crate::model::{Digest, KeyKind, Kind, evidence_value};
use crate::store::{Store, StoreError, side_by_side};

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
/// The same for what a system says was changed: a second attempt that follows a change is rare, somebody else who
/// changes the same object is not.
const CHANGED_AGAIN: f64 = 7.0;
/// The share of a sum of bits that holds: what agrees depends on each other, more than a sum knows.
const DEPENDENT: f64 = 0.8;
/// Bits by which a cause must be ahead of the best one in another task.
const MARGIN: f64 = 2.0;
/// The share of the likeliest call of an action's own task from which on it is told as the cause, with that likelihood.
const LEAST_SHARE: f64 = 0.4;
/// Rounds in which what is sure makes room for the rest; each takes at least one call.
const MOST_ROUNDS: usize = 20;
/// Most rounds of expectation and maximisation; the figures hardly move after the third.
const ROUNDS: usize = 8;
/// Rounds end when only one in so many choices is of another task than in one of the two rounds before.
const SAME: usize = 500;
/// Actions inside of tasks that routes, clocks and users are learned from.
const MOST_LESSONS: usize = 20_000;
/// Mean time of those effects that wait for something (microseconds).
const WAIT: f64 = 30e6;
/// The share of what waits that is done after the model was asked again.
const LATE: f64 = 0.1;
/// The share of what calls cause at any time until the model is asked again.
const UNSAID: f64 = 0.3;
/// The share of requests on their way from system to system that wait, beside that of what calls cause.
const RELAYED: f64 = 0.05;
/// What a clock that counts in seconds is off by, at most (microseconds).
const ROUNDED: f64 = 5e5;
/// How far from the usual time what is tried again is, at least (microseconds).
const AROUND: f64 = 1e6;
/// How far clocks are apart of which nothing is known, at least (microseconds).
const UNKNOWN: f64 = 6e6;
/// Bits against a call that names another object of the kind that the action was done to.
const OTHER_OBJECT: f64 = 8.0;
/// Bits from which on a value that agrees tells something.
const TELLING: f64 = 3.0;
/// Most bits of the words that two requests have in common because they have one route.
const SAME_ROUTE: f64 = 2.0;
/// Most bits against a call of which nothing agrees.
const MOST_AGAINST: f64 = 6.0;
/// Systems that a request passes through at most.
const MOST_STAGES: usize = 16;
/// The task of a request that is in none.
const NONE: u32 = u32::MAX;
/// The share of steps whose cause is not logged.
const UNLOGGED: f64 = 0.1;
/// Calls at the time of an action beyond which the time alone tells nothing.
const CROWD: usize = 100;

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
    /// When the model was asked for it, where its log does not say when it answered; else the same.
    since: i64,
    /// When its task's model was asked next: what the call did was done by then, unless something waits.
    until: i64,
    format: u32,
    tool: u32,
    tokens: Values,
    /// Nothing of what it passed is on record: that no value agrees says nothing then.
    silent: bool,
    /// Bytes of what it gave back.
    result: Option<i64>,
    /// The system that a request was for, by number.
    service: u32,
}

impl Call {
    /// Whether it is a request on its way.
    fn is_relayed(&self) -> bool {
        !self.by_model && !self.thinks
    }
}

/// Numbers of values, sorted.
#[derive(Default)]
struct Values(Vec<u32>);

impl Values {
    fn contains(&self, value: u32) -> bool {
        self.0.binary_search(&value).is_ok()
    }

    fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<u32> for Values {
    fn from_iter<I: IntoIterator<Item = u32>>(values: I) -> Self {
        let mut values: Vec<u32> = values.into_iter().collect();
        values.sort_unstable();
        values.dedup();
        Self(values)
    }
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
    /// That of two clocks of which nothing is known but how far others are apart.
    const fn unknown(drift: f64) -> Self {
        Self {
            us: 0.0,
            before: drift,
            after: drift,
            pairs: 0,
        }
    }

    fn spread(self) -> f64 {
        self.before.max(self.after)
    }

    /// Differences of time that fit without having waited, from the least to the most.
    fn around(self) -> (f64, f64) {
        let (before, after) = (self.before * 3.0 + ROUNDED, self.after * 3.0 + ROUNDED);
        (self.us - before, self.us + after)
    }

    /// Whether a difference of time fits, that of an effect which waited included.
    fn allows(self, gap: i64) -> bool {
        #[allow(clippy::cast_precision_loss)] // Microseconds of minutes.
        let off = gap as f64 - self.us;
        off > -self.before * 3.0 - ROUNDED && off < self.after * 3.0 + WAIT
    }
}

/// What is known of a cell.
struct Model<'f> {
    ground: &'f Ground<'f>,
    facts: &'f Facts,
    /// Cells that are not done yet, this one included: while there are fewer than cores, the actions of each are looked
    /// at side by side.
    left: &'f AtomicUsize,
    calls: Vec<Call>,
    actions: Vec<Action>,
    values: Renumbered,
    /// Tasks with a model's part.
    roots: usize,
    /// Tool calls and the requests on their way that carry their ids.
    relayed: Vec<(usize, usize)>,
    /// Actions that calls are part of, of requests and runs of tools that are to be placed.
    action_of_call: Vec<Option<u32>>,
    /// Calls and requests that are one deed, each with the others.
    same_deed: HashMap<usize, Vec<usize>>,
    /// How often which tool causes which class of action, and how often anything does.
    classes: HashMap<(u32, bool), f64>,
    class_counts: HashMap<bool, f64>,
    /// Calls that pass each value, and tasks in which it is known; by number of the value.
    calls_of_token: Lists,
    roots_of_token: Lists,
    /// Bits that a value gives which a call passes.
    bits_of_token: Vec<f64>,
    calls_of_root: HashMap<u32, Vec<usize>>,
    by_time: Vec<usize>,
    /// Time and place of the calls of each format, those of models apart, in their order.
    by_format: BTreeMap<(u32, bool), Vec<(i64, usize)>>,
    call_formats: BTreeSet<u32>,
    offsets: HashMap<(u32, u32), Offset>,
    /// How far clocks are apart, as far as it is known (microseconds).
    drift: f64,
    /// Differences of time that rare values make, of clocks too little is known of to see where they pile up.
    few: BTreeMap<(u32, u32), Vec<i64>>,
    routes: HashMap<(u32, u32), f64>,
    likeness: Likeness,
    habits: Habits,
    /// By action, the calls that were learned from as its cause, and how likely: a pair does not speak for itself.
    lessons: Vec<Vec<(usize, f64)>>,
    /// Of those pairs, the ones in which the action has values, and those of them that share one.
    agreeing: HashMap<(u32, u32), (f64, f64)>,
    /// The same by formats of call and action: pairs in which the action has values, and those of
    /// them that share one.
    formats_agreeing: HashMap<(u32, u32), (f64, f64)>,
    tool_counts: HashMap<u32, f64>,
    route_counts: HashMap<u32, f64>,
    /// Values that name objects, by route.
    objects_of_route: HashMap<u32, BTreeSet<u32>>,
    /// Actions of each user that have a cause, and those that have none, and the same of all of a format.
    actors: HashMap<(u32, u32), (f64, f64)>,
    actors_of_format: HashMap<u32, (f64, f64)>,
    /// Which actions had one.
    caused: Vec<bool>,
    /// By format of the call and service: what an answer has more than the result.
    wrappings: HashMap<(u32, u32), sizes::Wrapping>,
    /// By format of the call and route: answers that have it, and all.
    wrapped_routes: HashMap<(u32, u32), (f64, f64)>,
    /// Calls by the bytes of what they gave back.
    calls_of_result: HashMap<i64, Vec<usize>>,
    /// Calls of which that is known.
    results: usize,
}

/// How causes are weighed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// How likely a cause must be.
    pub threshold: f64,
    /// Events of one cell, at most.
    pub cell: usize,
}

/// Finds causes across fragments, and within tasks. What `kept` tells of a cell that has not changed is taken as it is.
pub(super) fn weigh(
    store: &Store,
    places: &Places,
    facts: &Facts,
    components: &mut Components,
    settings: Settings,
    kept: &Kept,
) -> Result<Outcome, StoreError> {
    let Some(ground) = Ground::read(store, places, facts, components)? else {
        return Ok(Outcome::default());
    };
    let cells = cells(facts.times.iter().flatten().copied(), settings.cell);
    let left = AtomicUsize::new(cells.len());
    let batches = batch_digests(store);
    let of_each = side_by_side(&cells, |bounds| {
        let cell = Cell::of(&ground, *bounds);
        let digest = cell.digest(&ground, places, &batches, *bounds, settings.threshold);
        let known = kept.get(digest).and_then(|kept| {
            let (found, clocks) = kept.unpack()?.found(&ground, &cell)?;
            Some((found, clocks, kept))
        });
        let weighed = known.is_none();
        let (found, clocks, kept) = match known {
            Some(known) => known,
            None => {
                let told = Model::build(&ground, &cell, &left).told(settings.threshold);
                let kept = KeptCell::pack(digest, &told)?;
                let (found, clocks) = told.found(&ground, &cell).unwrap_or_default();
                (found, clocks, kept)
            }
        };
        left.fetch_sub(1, Ordering::Relaxed);
        Ok::<_, StoreError>(OfCell {
            found,
            clocks,
            kept,
            weighed,
        })
    })?;
    Ok(Outcome::of(facts, of_each))
}

/// What each batch of the store says of itself: digests of its tables.
fn batch_digests(store: &Store) -> Vec<Digest> {
    let of_batch = store.batches().iter().map(|batch| {
        let tables = batch.tables.iter();
        let all: Vec<&str> = tables.map(|table| table.sha256.as_str()).collect();
        Digest::of(all.join("\0").as_bytes())
    });
    of_batch.collect()
}

impl<'f> Model<'f> {
    /// What is told of a cell.
    fn told(mut self, threshold: f64) -> Told {
        self.estimate_offsets();
        self.estimate_by_rhythm();
        self.complete_offsets();
        self.learn_sizes(&[]);
        // Expectation: the causes under what is known. Maximisation: what they say of clocks, routes and
        // users.
        let mut before: [Vec<Option<u32>>; 2] = Default::default();
        let mut round = 0;
        loop {
            let (chosen, weights) = self.assign(threshold);
            let tasks: Vec<Option<u32>> = chosen
                .iter()
                .map(|choice| choice.map(|choice| self.calls[choice.call].root))
                .collect();
            // What is learned from all but the same choices hardly changes them, and what goes to and fro between two tasks
            // goes on so.
            let same = |before: &Vec<Option<u32>>| {
                let others = tasks.iter().zip(before).filter(|(a, b)| a != b).count();
                before.len() == tasks.len() && others * SAME <= tasks.len()
            };
            if round == ROUNDS || before.iter().any(same) {
                return self.outcome(&chosen, &weights);
            }
            before.rotate_right(1);
            before[0] = tasks;
            let pairs = self.expected(&chosen);
            self.learn_routes(&pairs);
            self.learn_offsets(&pairs);
            self.complete_offsets();
            self.learn_actors(&chosen);
            self.learn_habits(&chosen);
            self.learn_sizes(&chosen);
            self.place_requests(&chosen);
            // What is placed later than at first hardly tells of deeds that are not known.
            if round == 0 {
                self.pair_deeds();
            }
            round += 1;
        }
    }

    fn build(ground: &'f Ground<'f>, cell: &Cell, left: &'f AtomicUsize) -> Self {
        let facts = ground.facts;
        // Numbers of this cell for values and tasks, in the order in which they come.
        let mut values = Renumbered::default();
        let mut tasks: HashMap<u32, u32> = HashMap::new();
        let mut task = |event: u32| {
            let next = u32::try_from(tasks.len()).unwrap_or(u32::MAX);
            *tasks.entry(ground.roots[event as usize]).or_insert(next)
        };
        let calls: Vec<Call> = cell
            .calls
            .iter()
            .copied()
            .enumerate()
            .map(|(number, (time, event))| {
                let passed = ground.tokens.get(event);
                Call {
                    number,
                    event,
                    by_model: facts.kind(event) == Kind::ToolCall,
                    thinks: facts.kind(event) == Kind::Inference,
                    root: if ground.in_task(event) {
                        task(event)
                    } else {
                        NONE
                    },
                    time,
                    since: time,
                    until: i64::MAX,
                    format: facts.formats[event as usize],
                    tool: if facts.kind(event) == Kind::ToolCall {
                        facts.tools[event as usize]
                    } else {
                        // Routes and tools are numbered alike: they never share a number.
                        facts.routes[event as usize]
                    },
                    silent: {
                        let tool = facts.name(facts.tools[event as usize]);
                        let name = evidence_value(tool).and_then(|name| ground.names.find(&name));
                        passed.iter().all(|token| name == Some(*token))
                    },
                    tokens: passed.iter().map(|token| values.number(*token)).collect(),
                    result: None,
                    service: 0,
                }
            })
            .collect();
        let mut actions = actions(ground, &cell.deeds, &mut task, &mut values);
        let object_of = |event: u32| {
            let number = facts.objects[event as usize].checked_sub(1)?;
            let name = facts.object_names.get(number as usize)?;
            values.find(ground.names.find(name)?)
        };
        for action in &mut actions {
            action.each(|one| {
                one.object = one.events.iter().find_map(|event| object_of(*event));
            });
        }
        let roots_of_token: Vec<(u32, u32)> = cell
            .known
            .iter()
            .flat_map(|event| {
                let root = task(*event);
                let tokens = ground.tokens.get(*event).iter();
                tokens
                    .filter_map(|token| values.find(*token))
                    .map(move |token| (token, root))
            })
            .collect();
        let mut model = Self {
            ground,
            facts,
            left,
            calls_of_token: Lists::default(),
            roots_of_token: Lists::of(values.len(), || roots_of_token.iter().copied()),
            bits_of_token: Vec::new(),
            calls_of_root: HashMap::new(),
            by_time: (0..calls.len()).collect(),
            by_format: BTreeMap::new(),
            call_formats: calls.iter().map(|call| call.format).collect(),
            calls,
            actions,
            values,
            roots: 0,
            relayed: Vec::new(),
            action_of_call: Vec::new(),
            same_deed: HashMap::new(),
            classes: HashMap::new(),
            class_counts: HashMap::new(),
            offsets: HashMap::new(),
            drift: UNKNOWN,
            few: BTreeMap::new(),
            routes: HashMap::new(),
            likeness: Likeness::default(),
            habits: Habits::default(),
            lessons: Vec::new(),
            agreeing: HashMap::new(),
            formats_agreeing: HashMap::new(),
            tool_counts: HashMap::new(),
            route_counts: HashMap::new(),
            objects_of_route: HashMap::new(),
            actors: HashMap::new(),
            actors_of_format: HashMap::new(),
            caused: Vec::new(),
            wrappings: HashMap::new(),
            wrapped_routes: HashMap::new(),
            calls_of_result: HashMap::new(),
            results: 0,
        };
        model.prepare();
        model
    }

    /// Works out what does not change between rounds.
    fn prepare(&mut self) {
        self.group_calls();
        let calls = &self.calls;
        self.calls_of_token = Lists::of(self.values.len(), || {
            (0u32..).zip(calls).flat_map(|(at, call)| {
                let tokens = call.tokens.iter();
                tokens.map(move |token| (token, at))
            })
        });
        let all = self.calls.len();
        self.bits_of_token = self
            .calls_of_token
            .iter()
            .map(|calls| evidence::rarity(all, calls.len()))
            .collect();
        let bits_of_token = &self.bits_of_token;
        let mut words_of_route: HashMap<u32, Vec<u32>> = HashMap::new();
        for action in &mut self.actions {
            action.each(|one| {
                let tells = |token: &u32| bits_of_token[*token as usize] >= TELLING;
                one.telling = one.tokens.iter().any(|token| tells(&token));
                if one.is_request {
                    let words = words_of_route.entry(one.route).or_insert_with(|| {
                        let words = self.ground.words_of_route(one.route).into_iter();
                        words.filter_map(|word| self.values.find(word)).collect()
                    });
                    one.words = words.clone();
                }
                let mut beside = one.tokens.iter().filter(|token| !one.words.contains(token));
                one.telling_beside_route = beside.any(|token| tells(&token));
            });
        }
        self.bound_calls();
        for action in &self.actions {
            if let Some(object) = action.object {
                let known = self.objects_of_route.entry(action.route).or_default();
                known.insert(object);
            }
        }
        self.roots = self.calls_of_root.len();
        let times: Vec<i64> = self.calls.iter().map(|call| call.time).collect();
        self.by_time.sort_by_key(|at| times[*at]);
        for at in &self.by_time {
            let Call { format, thinks, .. } = self.calls[*at];
            let of_format = self.by_format.entry((format, thinks)).or_default();
            of_format.push((times[*at], *at));
        }
        self.habits = Habits::new(self.ground, &self.actions);
        self.likeness = Likeness::new(self.facts, &self.calls, &self.actions);
        self.name_calls();
        self.take_sizes();
        self.pair_deeds();
    }
}

#[derive(Clone, Copy)]
struct Choice {
    call: usize,
    bits: f64,
    probability: f64,
}

/// What a sum of bits makes of even odds.
fn odds(bits: f64) -> f64 {
    (bits * DEPENDENT).exp2()
}

fn milli(bits: f64) -> i64 {
    #[allow(clippy::cast_possible_truncation)] // Weights are far below.
    let whole = (bits * 1000.0).round() as i64;
    whole
}
