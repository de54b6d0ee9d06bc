//! What weighing tells: links, causes, clocks, and what spoke for and against them.

use serde::{Deserialize, Serialize};

/// A link by evidence.
#[derive(Clone, Debug)]
pub(in crate::stitch) struct Weighed {
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
pub(in crate::stitch) struct Outcome {
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
