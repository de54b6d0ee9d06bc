//! What was done in other systems, with the values that speak for its cause.

use std::sync::{Mutex, OnceLock};

use super::cells::Deed;
use super::lens::Pair;
use super::*;

/// Steps of one fragment that are looked at.
const MOST_STEPS: usize = 24;
/// Something done in another system: a change with its rows, one request, one approval.
#[derive(Default)]
pub(super) struct Action {
    /// Its place among the actions.
    pub(super) number: usize,
    pub(super) events: Vec<u32>,
    pub(super) root: u32,
    /// In a task already; only its cause within the task is looked for.
    pub(super) settled: bool,
    /// Its cause is decided in this cell.
    pub(super) own: bool,
    pub(super) time: i64,
    /// The odds, in bits, of one call among all that could be its cause by their time.
    pub(super) prior: f64,
    pub(super) format: u32,
    pub(super) route: u32,
    pub(super) actor: u32,
    /// Who did it, as far as it is told: the user, or else the address it came from.
    pub(super) who: (bool, u32),
    pub(super) tokens: Values,
    /// The bytes that it wrote, where it is one of them: requests on their way count the same, calls of models none.
    pub(super) body: Option<u32>,
    /// Whether one of them says something that a call of a model could have.
    pub(super) telling: bool,
    /// Those of them that are names in the route of the request that it is.
    pub(super) words: Vec<u32>,
    /// Whether one does that is more than the name of its route, as far as a request on its way could have it.
    pub(super) telling_beside_route: bool,
    /// The value that names its object.
    pub(super) object: Option<u32>,
    /// A request that a gateway or server logged.
    pub(super) is_request: bool,
    /// The run of a tool, without what asked for it.
    pub(super) is_tool: bool,
    /// Calls that an id of the call itself joins to it.
    pub(super) named: Vec<usize>,
    /// The requests or runs of tools that an id joins to one fragment, one by one, where there are several:
    /// all of them are of one task.
    pub(super) steps: Vec<Action>,
    /// Bytes of its answer.
    pub(super) size: Option<i64>,
    /// The system it was done in, by number.
    pub(super) service: u32,
    /// Calls that share a value with it, in their order.
    pub(super) by_value: OnceLock<Vec<usize>>,
    /// What is known of it and the calls that it was held against.
    pub(super) pairs: Mutex<Vec<Pair>>,
}

impl Action {
    /// Whether it has a value that such a call usually has as well.
    pub(super) fn tells(&self, call: &Call) -> bool {
        match call.is_relayed() {
            true => self.telling_beside_route,
            false => self.telling,
        }
    }

    /// Does something to it and to each of its steps.
    pub(super) fn each(&mut self, mut act: impl FnMut(&mut Self)) {
        act(self);
        self.steps.iter_mut().for_each(act);
    }
}

/// The requests or runs of tools of a fragment, each with what was recorded behind it; none if there is but
/// one.
fn steps(facts: &Facts<'_>, events: &[u32]) -> Vec<Vec<u32>> {
    let mut steps: Vec<Vec<u32>> = Vec::new();
    for event in events {
        let begins = facts.is_request(*event as usize) || facts.kind(*event) == Kind::ToolCall;
        match steps.last_mut() {
            Some(step) if !begins => step.push(*event),
            _ if begins => steps.push(vec![*event]),
            _ => return Vec::new(),
        }
    }
    if steps.len() < 2 { Vec::new() } else { steps }
}

/// Everything done in other systems that is looked at, in the order of time and ids.
pub(super) fn actions(
    ground: &Ground<'_>,
    deeds: &[Deed],
    task: &mut impl FnMut(u32) -> u32,
    values: &Renumbered,
) -> Vec<Action> {
    let facts = ground.facts;
    let mut action_of = |number: usize, own: bool, time: i64, events: Vec<u32>| {
        let first = events[0];
        let actor = events
            .iter()
            .map(|event| facts.actors[*event as usize])
            .find(|actor| *actor != 0)
            .unwrap_or(0);
        let mut addresses = events.iter().map(|event| ground.address(*event));
        let who = match actor {
            0 => (false, addresses.find(|of| *of != 0).unwrap_or(0)),
            actor => (true, actor),
        };
        Action {
            number,
            who,
            root: task(first),
            settled: ground.in_task(first),
            own,
            time,
            format: facts.formats[first as usize],
            route: facts.routes[first as usize],
            actor,
            tokens: events
                .iter()
                .flat_map(|event| ground.tokens.get(*event))
                .filter_map(|token| values.find(*token))
                .collect(),
            is_request: facts.is_request(first as usize),
            is_tool: facts.kind(first) == Kind::ToolCall,
            events,
            ..Action::default()
        }
    };
    let all = deeds.iter().enumerate().map(|(number, deed)| {
        let steps = match ground.in_task(deed.events[0]) {
            true => Vec::new(),
            false => steps(facts, &deed.events),
        };
        let mut action = action_of(number, deed.own, deed.time, deed.events.clone());
        for step in steps.into_iter().take(MOST_STEPS) {
            if let Some(time) = facts.time(step[0]) {
                action.steps.push(action_of(number, deed.own, time, step));
            }
        }
        action
    });
    all.collect()
}
