//! What weighing tells: links, causes, clocks, and what spoke for and against them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::closure::Facts;

/// A link by evidence.
#[derive(Clone, Debug)]
pub(in crate::stitch) struct Weighed {
    /// The tool call.
    pub cause: u32,
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

/// What is told of one action.
#[derive(Default)]
pub(in crate::stitch) struct ToldOf {
    /// Its events, first one first.
    pub events: Vec<u32>,
    /// The link to its cause, if one was found.
    pub joined: Option<Weighed>,
    /// Changes in it that a system has put on record.
    pub causes: Vec<Cause>,
    /// What was weighed, if it was in no task.
    pub weighing: Option<Weighing>,
}

/// What is told of a cell.
pub(super) struct Told {
    pub actions: Vec<ToldOf>,
    pub clocks: Vec<Clock>,
}

/// What weighing gives.
#[derive(Default)]
pub(in crate::stitch) struct Outcome {
    /// In the order of the ids of the first events.
    pub actions: Vec<ToldOf>,
    /// Offsets between the clocks of two formats.
    pub clocks: Vec<Clock>,
}

impl Outcome {
    pub(super) fn of(facts: &Facts, cells: Vec<Told>) -> Self {
        let mut outcome = Self::default();
        let mut clocks: BTreeMap<(String, String), Vec<Clock>> = BTreeMap::new();
        for told in cells {
            outcome.actions.extend(told.actions);
            for clock in told.clocks {
                let pair = (clock.from.clone(), clock.to.clone());
                clocks.entry(pair).or_default().push(clock);
            }
        }
        let first = |told: &ToldOf| told.events.first().map(|event| facts.ids[*event as usize]);
        outcome.actions.sort_by_cached_key(first);
        let clocks: Vec<Clock> = clocks.into_values().filter_map(over_all).collect();
        // One cell may show a pair of clocks the other way about.
        let outdone = |clock: &&Clock| {
            let back = |other: &&Clock| other.from == clock.to && other.to == clock.from;
            let rank = |clock: &Clock| (clock.pairs, clock.to.clone());
            let back = clocks.iter().find(back).filter(|back| back.from != back.to);
            back.is_some_and(|back| rank(back) > rank(clock))
        };
        let told = clocks.iter().filter(|clock| !outdone(clock));
        outcome.clocks = told.cloned().collect();
        outcome
    }
}

/// One clock of those of all cells: what is usual, and how far it lies around that, from one time to another too.
fn over_all(mut clocks: Vec<Clock>) -> Option<Clock> {
    clocks.sort_by(|a, b| a.offset.total_cmp(&b.offset).then(a.pairs.cmp(&b.pairs)));
    let pairs: usize = clocks.iter().map(|clock| clock.pairs).sum();
    // What rests on no pairs counts where nothing else does.
    let weight = |clock: &Clock| if pairs == 0 { 1 } else { clock.pairs };
    let half = clocks.iter().map(weight).sum::<usize>().div_ceil(2);
    let mut before = 0;
    let middle = clocks.iter().find(|clock| {
        before += weight(clock);
        before >= half
    })?;
    let counted = clocks.iter().filter(|clock| weight(clock) > 0);
    let furthest = counted
        .map(|clock| (clock.offset - middle.offset).abs() + clock.spread)
        .fold(0.0, f64::max);
    Some(Clock {
        spread: (furthest * 100.0).round() / 100.0,
        pairs,
        ..middle.clone()
    })
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
    /// That the bytes of its result are those of the action's answer, or not.
    #[serde(default)]
    pub size: f64,
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
