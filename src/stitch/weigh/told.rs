//! What weighing tells: links, causes, clocks, and what spoke for and against them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cells::Cell;
use super::ground::Ground;
use super::kept::KeptCell;

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

/// What is found in a cell.
#[derive(Default)]
pub(in crate::stitch) struct Found {
    /// What was in no task.
    pub placed: Vec<Placed>,
    /// Changes that a system has put on record, and what caused them.
    pub causes: Vec<Cause>,
}

/// An action that no id ties to a task.
pub(in crate::stitch) struct Placed {
    /// Its events, first one first.
    pub events: Vec<u32>,
    /// The link to its cause, if one was found.
    pub joined: Option<Weighed>,
    /// What was weighed.
    pub weighing: Option<Box<Weighing>>,
}

/// What is told of a cell, by the places of calls and actions in it: it holds for the same cell of another time too,
/// whatever the events are numbered there.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Told {
    pub actions: Vec<ToldOf>,
    pub clocks: Vec<Clock>,
}

/// What is told of one action of a cell.
#[derive(Serialize, Deserialize)]
pub(super) struct ToldOf {
    /// Place of the action.
    pub action: u32,
    /// Place of its cause, how sure, and why.
    pub joined: Option<(u32, Exact, String)>,
    /// The call of a model behind it.
    pub cause: Option<(u32, Exact)>,
    /// With places for events.
    pub weighing: Option<Weighing>,
}

/// A number that is kept to its last bit.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Exact(u64);

impl Exact {
    pub(super) fn of(number: f64) -> Self {
        Self(number.to_bits())
    }

    fn number(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl Told {
    /// What is told, of the events of a cell; `None` if it is not of that cell.
    pub(super) fn found(self, ground: &Ground<'_>, cell: &Cell) -> Option<Found> {
        let mut found = Found::default();
        for told in self.actions {
            told.add(&mut found, ground, cell)?;
        }
        Some(found)
    }
}

impl ToldOf {
    /// Nothing was weighed, or found.
    pub(super) fn is_empty(&self) -> bool {
        self.joined.is_none() && self.cause.is_none() && self.weighing.is_none()
    }

    fn add(self, found: &mut Found, ground: &Ground<'_>, cell: &Cell) -> Option<()> {
        let call = |place: u32| cell.calls.get(place as usize).map(|call| call.1);
        let events = &cell.deeds.get(self.action as usize)?.events;
        let joined = match self.joined {
            Some((cause, probability, why)) => Some(Weighed {
                cause: call(cause)?,
                probability: probability.number(),
                why,
            }),
            None => None,
        };
        if let Some((cause, probability)) = self.cause {
            let cause = call(cause)?;
            let is_documented = |event: &&u32| {
                let at = **event as usize;
                ground.facts.is_change(at) && ground.documented[at]
            };
            let effects = events.iter().filter(is_documented);
            found.causes.extend(effects.map(|effect| Cause {
                cause,
                effect: *effect,
                probability: probability.number(),
            }));
        }
        let mut weighing = self.weighing;
        if let Some(weighing) = &mut weighing {
            for candidate in weighing.candidates() {
                candidate.event = call(candidate.event)?;
            }
        }
        if joined.is_some() || weighing.is_some() {
            found.placed.push(Placed {
                events: events.clone(),
                joined,
                weighing: weighing.map(Box::new),
            });
        }
        Some(())
    }
}

/// What is found in a cell.
pub(in crate::stitch) struct OfCell {
    /// Place of the cell among all of them.
    pub place: usize,
    /// Events of everything that is decided in it.
    pub own: Vec<u32>,
    pub found: Found,
    pub kept: KeptCell,
    /// Not as it was kept.
    pub weighed: bool,
}

impl OfCell {
    /// The same, where events are numbered otherwise.
    pub fn renumber(&mut self, number: impl Fn(u32) -> u32) {
        let renumber = |event: &mut u32| *event = number(*event);
        self.own.iter_mut().for_each(renumber);
        for cause in &mut self.found.causes {
            renumber(&mut cause.cause);
            renumber(&mut cause.effect);
        }
        for placed in &mut self.found.placed {
            placed.events.iter_mut().for_each(renumber);
            if let Some(joined) = &mut placed.joined {
                renumber(&mut joined.cause);
            }
            if let Some(weighing) = &mut placed.weighing {
                let candidates = weighing.candidates();
                candidates.for_each(|candidate| renumber(&mut candidate.event));
            }
        }
    }
}

impl Weighing {
    /// All that were weighed.
    pub(in crate::stitch) fn candidates(&mut self) -> impl Iterator<Item = &mut Candidate> {
        std::iter::once(&mut self.best).chain(&mut self.runner_up)
    }
}

/// Clocks over all cells.
pub(in crate::stitch) fn over_cells(cells: impl Iterator<Item = Vec<Clock>>) -> Vec<Clock> {
    let mut clocks: BTreeMap<(String, String), Vec<Clock>> = BTreeMap::new();
    for clock in cells.flatten() {
        let pair = (clock.from.clone(), clock.to.clone());
        clocks.entry(pair).or_default().push(clock);
    }
    let clocks: Vec<Clock> = clocks.into_values().filter_map(over_all).collect();
    // One cell may show a pair of clocks the other way about.
    let outdone = |clock: &&Clock| {
        let back = |other: &&Clock| other.from == clock.to && other.to == clock.from;
        let rank = |clock: &Clock| (clock.pairs, clock.to.clone());
        let back = clocks.iter().find(back).filter(|back| back.from != back.to);
        back.is_some_and(|back| rank(back) > rank(clock))
    };
    let told = clocks.iter().filter(|clock| !outdone(clock));
    told.cloned().collect()
}

/// One clock of those of all cells: what is usual, and how far nine in ten pairs lie around that at most, by what their
/// cells tell.
fn over_all(mut clocks: Vec<Clock>) -> Option<Clock> {
    let pairs: usize = clocks.iter().map(|clock| clock.pairs).sum();
    // What rests on no pairs counts where nothing else does.
    let weight = |clock: &Clock| if pairs == 0 { 1 } else { clock.pairs };
    let all: usize = clocks.iter().map(weight).sum();
    let share = |clocks: &[Clock], tenths: usize| {
        let mut before = 0;
        let reaches = |clock: &&Clock| {
            before += weight(clock);
            before * 10 >= all * tenths
        };
        clocks.iter().find(reaches).cloned()
    };
    clocks.sort_by(|a, b| a.offset.total_cmp(&b.offset).then(a.pairs.cmp(&b.pairs)));
    let middle = share(&clocks, 5)?;
    let reach = |clock: &Clock| (clock.offset - middle.offset).abs() + clock.spread;
    clocks.sort_by(|a, b| reach(a).total_cmp(&reach(b)).then(a.pairs.cmp(&b.pairs)));
    let spread = reach(&share(&clocks, 9)?);
    Some(Clock {
        spread: (spread * 100.0).round() / 100.0,
        pairs,
        ..middle
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
    /// All values that agree together.
    pub content: f64,
    /// Against it: that none agrees, or fewer than is usual.
    pub differing: f64,
    /// That such a call causes such an action.
    pub route: f64,
    /// That it names another object, or that its task asked for other tools than the one that ran.
    pub object: f64,
    /// That the bytes of its result are those of the action's answer, or not.
    #[serde(default)]
    pub size: f64,
    /// The time between, under the clocks' offset.
    pub time: f64,
    /// That it comes from the address, and was done as the user, of what else is in the task.
    #[serde(default)]
    pub habits: f64,
    /// The odds that work of its kind has a cause on record, and that the user's has.
    pub actor: f64,
    /// That it is one of all calls that could be it by their time.
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
