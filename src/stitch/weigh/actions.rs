//! What was done in other systems, with the values that speak for its cause.

use std::sync::{Mutex, OnceLock};

use super::lens::Pair;
use super::lists::{Lists, Texts};
use super::*;
use crate::model::evidence_value;

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

/// Steps of one fragment that are looked at.
const MOST_STEPS: usize = 24;
/// Something done in another system: a change with its rows, one request, one approval.
pub(super) struct Action {
    /// Its place among the actions.
    pub(super) number: usize,
    pub(super) events: Vec<u32>,
    pub(super) root: u32,
    /// In a task already; only its cause within the task is looked for.
    pub(super) settled: bool,
    pub(super) time: i64,
    pub(super) format: u32,
    pub(super) route: u32,
    pub(super) actor: u32,
    pub(super) tokens: Values,
    /// Whether one of them says something.
    pub(super) telling: bool,
    /// The value that names its object.
    pub(super) object: Option<u32>,
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
    /// Does something to it and to each of its steps.
    pub(super) fn each(&mut self, mut act: impl FnMut(&mut Self)) {
        act(self);
        self.steps.iter_mut().for_each(act);
    }
}

/// Values of all events, by their numbers.
pub(super) fn read_tokens(
    store: &Store,
    places: &Places,
    n: u32,
) -> Result<(Texts, Lists), StoreError> {
    let mut names = Texts::new();
    let mut pairs: Vec<(u32, u32)> = Vec::new();
    for kind in EVIDENCE {
        let keys = Keys::read(store, places, kind)?;
        for (value, group) in keys.groups() {
            let value = value.rsplit_once('/').map_or(value, |(_, id)| id);
            if let Some(value) = evidence_value(value) {
                let token = names.number(&value);
                pairs.extend(group.iter().map(|row| (row.1, token)));
            }
        }
    }
    let tokens = Lists::of(n as usize, || pairs.iter().copied());
    Ok((names, tokens))
}

/// The requests or runs of tools of a fragment, each with what was recorded behind it; none if there is but
/// one.
fn steps(facts: &Facts, events: &[u32]) -> Vec<Vec<u32>> {
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

/// Everything done in other systems: each fragment without a model's part as one, and the changes
/// inside tasks one by one.
pub(super) fn actions(
    store: &Store,
    places: &Places,
    facts: &Facts,
    roots: &[u32],
    agent: &[bool],
    tokens: &Lists,
) -> Result<(Vec<Action>, Vec<bool>), StoreError> {
    let mut groups: BTreeMap<(u32, u32), Vec<u32>> = BTreeMap::new();
    let mut saved = vec![0u32; roots.len()];
    let keys = Keys::read(store, places, KeyKind::Transaction)?;
    for (number, (_, group)) in (1u32..).zip(keys.groups()) {
        for row in group {
            saved[row.1 as usize] = number;
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
    let action_of = |root: u32, events: Vec<u32>| {
        let first = *events.first()? as usize;
        let time = facts.times[first]?;
        let actor = events
            .iter()
            .map(|event| facts.actors[*event as usize])
            .find(|actor| *actor != 0)
            .unwrap_or(0);
        Some(Action {
            number: 0,
            root,
            settled: agent[root as usize],
            time,
            format: facts.formats[first],
            route: facts.routes[first],
            actor,
            tokens: events
                .iter()
                .flat_map(|event| tokens.get(*event).iter().copied())
                .collect(),
            object: None,
            is_tool: facts.kind(events[0]) == Kind::ToolCall,
            telling: false,
            named: Vec::new(),
            steps: Vec::new(),
            size: None,
            service: 0,
            by_value: OnceLock::new(),
            pairs: Mutex::default(),
            events,
        })
    };
    let mut out = Vec::new();
    for ((root, _), mut events) in groups {
        events.sort_by_key(|event| facts.order(*event));
        let steps = if agent[root as usize] {
            Vec::new()
        } else {
            steps(facts, &events)
        };
        let Some(mut action) = action_of(root, events) else {
            continue;
        };
        let steps = steps.into_iter().take(MOST_STEPS);
        action.steps = steps.filter_map(|step| action_of(root, step)).collect();
        out.push(action);
    }
    out.sort_by_key(|action| facts.ids[action.events[0] as usize]);
    for (number, action) in out.iter_mut().enumerate() {
        action.number = number;
        action
            .steps
            .iter_mut()
            .for_each(|step| step.number = number);
    }
    let documented = saved.into_iter().map(|saved| saved != 0).collect();
    Ok((out, documented))
}
