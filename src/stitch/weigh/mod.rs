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
mod build;
mod calls;
mod causes;
mod cells;
mod clocks;
mod deeds;
mod evidence;
mod fit;
mod gaps;
mod ground;
mod habits;
mod kept;
mod learn;
mod lens;
mod likeness;
mod lists;
mod sizes;
mod sums;
mod told;
mod tools;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use foldhash::{HashMap, HashMapExt};

use actions::Action;
use calls::{Call, Values};
use cells::Cell;
use fit::Fits;
use gaps::{Offset, Sample};
use ground::Ground;
use habits::Habits;
use lens::Lens;
use likeness::Likeness;
use lists::{Lists, Renumbered};
use told::{Exact, Told, ToldOf};
use tools::Asked;

pub(super) use cells::{Bounds, cells, halves};
pub(super) use kept::{Kept, KeptCell};
pub use told::{Candidate, Cause, Clock, Weighing};
pub(super) use told::{OfCell, over_cells};

use super::batch_digest;
use super::closure::Components;
use super::facts::Facts;
use super::hubs::Apart;
use super::index::Places;
use super::keys::{Keys, Read};
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
/// Odds, in bits, that a request or the run of a tool has a cause on record, before any is known.
const CARRIED: f64 = 4.0;
/// The same of a change or an approval.
const DONE: f64 = 2.0;
/// Records that these odds count for beside those that are found.
const PRESUMED: f64 = 5.0;
/// Most bits against a cause because others of its kind have none.
const MOST_ODDS: f64 = 3.0;
/// Calls at the time of an action beyond which the time alone tells nothing.
const CROWD: usize = 100;

/// What is known of a cell.
struct Model<'f> {
    ground: &'f Ground<'f>,
    facts: &'f Facts<'f>,
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
    /// Times of actions, in their order.
    times: Vec<i64>,
    /// Time and place of the calls of each format, those of models apart, in their order.
    by_format: BTreeMap<(u32, bool), Vec<(i64, usize)>>,
    call_formats: BTreeSet<u32>,
    /// How far clocks are apart as pairs of records show it, and as it follows for all.
    shown: BTreeMap<(u32, u32), Offset>,
    offsets: HashMap<(u32, u32), Offset>,
    /// How far clocks are apart, as far as it is known (microseconds).
    drift: f64,
    /// Differences of time that rare values make, of clocks too little is known of to see where they pile up.
    few: BTreeMap<(u32, u32), Sample>,
    routes: HashMap<(u32, u32), f64>,
    likeness: Likeness,
    asked: Asked,
    habits: Habits,
    /// By action, the calls that were learned from as its cause, and how likely: a pair does not speak for itself.
    lessons: Vec<Vec<(usize, f64)>>,
    /// Of those pairs, the ones in which the action has values, and those of them that share one.
    agreeing: HashMap<(u32, u32), (f64, f64)>,
    /// The same by formats of call and action: pairs in which the action has values, and those of
    /// them that share one.
    formats_agreeing: HashMap<(u32, u32), (f64, f64)>,
    /// Of the pairs that share a value, how many of their values they share.
    fits: Fits,
    tool_counts: HashMap<u32, f64>,
    route_counts: HashMap<u32, f64>,
    /// Values that name objects, by route.
    objects_of_route: HashMap<u32, BTreeSet<u32>>,
    /// Actions of each user, or address, that have a cause, and those that have none; the same of all of a format, and of
    /// those of a format that no id ties to a task.
    actors: HashMap<(u32, (bool, u32)), (f64, f64)>,
    actors_of_format: HashMap<u32, (f64, f64)>,
    open_of_format: HashMap<u32, (f64, f64)>,
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
    /// Events that are looked at for cells at once, where that is enough for one.
    pub at_once: usize,
    /// Events of a segment of the index, at most, as far as parts of the store are not larger.
    pub segment: usize,
    /// Keys of one kind, or ids of events, that are held at once, about, where they are read in pieces.
    pub held: usize,
    /// Rows of one file of tasks, at most, as far as a day is not longer.
    pub rows: usize,
}

/// The events that are looked at, and how ids join them.
pub(super) struct Sight<'s> {
    pub store: &'s Store,
    pub places: &'s Places,
    pub facts: &'s Facts<'s>,
    /// Values that join nothing.
    pub apart: &'s Apart,
}

/// Finds causes across fragments, and within tasks, in some of the cells: those whose number is given. All is looked at that
/// they see. What `kept` tells of a cell that has not changed is taken as it is.
pub(super) fn weigh(
    sight: &Sight<'_>,
    components: &mut Components,
    settings: Settings,
    kept: &Kept,
    (cells, wanted): (&[Bounds], &[usize]),
) -> Result<Vec<OfCell>, StoreError> {
    let mut ground = Ground::read(sight, components)?;
    let places = sight.places;
    let batches: Vec<Digest> = sight.store.batches().iter().map(batch_digest).collect();
    let digest = |ground: &Ground<'_>, cell: &Cell, bounds: Bounds| {
        cell.digest(ground, places, &batches, bounds, settings.threshold)
    };
    let known = side_by_side(wanted, |place| {
        if kept.is_empty() {
            return Ok(None);
        }
        let cell = Cell::of(&ground, cells[*place]);
        let known = kept.get(digest(&ground, &cell, cells[*place]));
        Ok::<_, StoreError>(known.and_then(|kept| {
            Some(OfCell {
                place: *place,
                own: cell.own(),
                found: kept.unpack()?.found(&ground, &cell)?,
                kept,
                weighed: false,
            })
        }))
    })?;
    let others = wanted.iter().zip(&known);
    let others = others.filter(|(_, known)| known.is_none());
    let others: Vec<usize> = others.map(|(place, _)| *place).collect();
    if !others.is_empty() && !ground.calls.is_empty() {
        // Where most cells are known, few values are asked for.
        let some = others.len() < cells.len();
        let wanted = some.then(|| {
            let mut wanted = vec![false; sight.places.len()];
            for at in &others {
                let cell = Cell::of(&ground, cells[*at]);
                cell.each_event(|event| wanted[event as usize] = true);
            }
            wanted
        });
        ground.read_values(sight.store, places, wanted.as_deref())?;
    }
    let left = AtomicUsize::new(others.len());
    let weighed = side_by_side(&others, |place| {
        let cell = Cell::of(&ground, cells[*place]);
        let told = match cell.calls.is_empty() {
            // Nothing can be a cause.
            true => Told::default(),
            false => Model::build(&ground, &cell, &left).told(settings.threshold),
        };
        let kept = KeptCell::pack(digest(&ground, &cell, cells[*place]), &told)?;
        left.fetch_sub(1, Ordering::Relaxed);
        Ok::<_, StoreError>(OfCell {
            place: *place,
            own: cell.own(),
            found: told.found(&ground, &cell).unwrap_or_default(),
            kept,
            weighed: true,
        })
    })?;
    let mut of_each: Vec<OfCell> = known.into_iter().flatten().chain(weighed).collect();
    of_each.sort_by_key(|cell| cell.place);
    Ok(of_each)
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
