//! Union-find over equal strong keys.

use std::collections::BTreeMap;

use foldhash::{HashMap, HashMapExt};

use super::facts::Facts;
use super::index::{Links, Parts, Places, TaskIndex};
use super::keys::Keys;
use super::weigh::{Kept, KeptCell, Settings, weigh};
use super::{Hub, STRONG, StepClock};
use crate::model::{Digest, KeyKind, Kind};
use crate::store::{Store, StoreError};

pub(super) struct Components {
    parent: Vec<u32>,
}

impl Components {
    pub(super) fn find(&mut self, mut event: u32) -> u32 {
        while self.parent[event as usize] != event {
            let up = self.parent[self.parent[event as usize] as usize];
            self.parent[event as usize] = up;
            event = up;
        }
        event
    }

    fn union(&mut self, a: u32, b: u32) -> bool {
        let (a, b) = (self.find(a), self.find(b));
        self.parent[a.max(b) as usize] = a.min(b);
        a != b
    }
}

/// The tasks, and what else is written with them.
pub(super) struct Closed {
    pub index: TaskIndex,
    /// Ids of all events.
    pub ids: Vec<Digest>,
    /// What is told of each cell.
    pub cells: Vec<KeptCell>,
    /// Cells that were weighed now.
    pub weighed: usize,
}

/// Joins everything that equal strong keys join, and what evidence does.
pub(super) fn close(
    store: &Store,
    limits: &BTreeMap<KeyKind, usize>,
    settings: Settings,
    state: Digest,
    kept: &Kept,
    clock: &mut StepClock,
) -> Result<Closed, StoreError> {
    let places = Places::new(store);
    let mut facts = Facts::read(store, &places)?;
    let n = u32::try_from(places.len()).map_err(|_| StoreError::Damaged {
        path: store.layout().root.clone(),
        reason: "more than four billion events".to_owned(),
    })?;
    borrow_times(store, &places, &mut facts)?;
    clock.done("reading events");
    // Kinds that tell how far a value reaches are read first.
    let reaching = [KeyKind::Trace, KeyKind::Conversation]
        .map(|kind| Ok((kind, Keys::read(store, &places, kind)?)));
    let reaching: Vec<(KeyKind, Keys)> = reaching.into_iter().collect::<Result<_, StoreError>>()?;
    let scopes: Vec<Vec<u32>> = reaching
        .iter()
        .map(|(_, keys)| scope(keys, n as usize))
        .collect();
    let mut components = Components {
        parent: (0..n).collect(),
    };
    let mut links = Links::none(n as usize);
    let mut hubs = Vec::new();
    let join = |kind: KeyKind, keys: &Keys| {
        let limit = limits.get(&kind).copied().unwrap_or(usize::MAX);
        for (value, group) in keys.groups() {
            if group.len() < 2 {
                continue;
            }
            // An answer that two conversations share tells them apart no more; one that was logged
            // twice was given at one time.
            if kind == KeyKind::Prefix {
                let answers = group
                    .iter()
                    .filter(|row| facts.kind(row.1) == Kind::Inference);
                let mut times = answers.map(|row| facts.times[row.1 as usize]);
                let first = times.next();
                if times.any(|time| Some(time) != first) {
                    continue;
                }
            }
            let reach = scopes
                .iter()
                .map(|scope| distinct(scope, group))
                .max()
                .unwrap_or(0);
            // A trace reaches itself; other traces on its events count.
            if reach > limit {
                hubs.push(Hub {
                    kind,
                    value: value.to_owned(),
                    reach,
                    events: group.len(),
                });
                continue;
            }
            let anchor = group
                .iter()
                .map(|row| row.1)
                .min_by(|a, b| facts.compare(*a, *b));
            let Some(anchor) = anchor else { continue };
            let mut number = None;
            for row in group {
                if row.1 != anchor && components.union(anchor, row.1) && !links.is_set(row.1) {
                    let number = *number.get_or_insert_with(|| {
                        links.values.push(value.to_owned());
                        u32::try_from(links.values.len() - 1).unwrap_or(u32::MAX)
                    });
                    links.set(row.1, anchor, kind, number);
                }
            }
        }
    };
    let mut reaching = reaching;
    let read = |kind: KeyKind| match reaching.iter().position(|known| known.0 == kind) {
        Some(at) => Ok(reaching.swap_remove(at).1),
        None => Keys::read(store, &places, kind),
    };
    Keys::one_by_one(&STRONG, read, join)?;
    clock.done("joining by ids");
    let weighed = weigh(store, &places, &facts, &mut components, settings, kept)?;
    let (mut causes, mut weighings) = (Vec::new(), Vec::new());
    for told in weighed.actions {
        if let Some(link) = told.joined {
            let value = u32::try_from(links.values.len()).unwrap_or(u32::MAX);
            links.values.push(link.why);
            for effect in &told.events {
                if components.union(link.cause, *effect) || !links.is_set(*effect) {
                    links.set(*effect, link.cause, KeyKind::Value, value);
                    links.probability[*effect as usize] = per_mille(link.probability);
                }
            }
        }
        causes.extend(told.causes);
        weighings.extend(told.weighing.map(|weighing| (told.events, weighing)));
    }
    clock.done("weighing evidence");
    let mut roots: Vec<(u32, u32)> = (0..n)
        .map(|event| (components.find(event), event))
        .collect();
    roots.sort_unstable();
    let mut tasks: Vec<(Digest, Vec<u32>)> = roots
        .chunk_by(|a, b| a.0 == b.0)
        .map(|group| {
            let mut members: Vec<u32> = group.iter().map(|(_, event)| *event).collect();
            members.sort_by_cached_key(|event| facts.order(*event));
            let least = members.iter().map(|event| facts.ids[*event as usize]).min();
            let id = Digest::of(&least.map_or([0; 32], |id| id.0));
            (id, members)
        })
        .collect();
    tasks.sort_by_key(|task| task.0);
    hubs.sort_by(|a, b| (a.kind, &a.value).cmp(&(b.kind, &b.value)));
    let mut starts = vec![0u32];
    let mut task_ids = Vec::with_capacity(tasks.len());
    let mut members = Vec::with_capacity(n as usize);
    for (id, events) in tasks {
        task_ids.push(id);
        members.extend(events);
        starts.push(u32::try_from(members.len()).unwrap_or(u32::MAX));
    }
    let index = TaskIndex::new(Parts {
        state,
        places,
        times: facts
            .times
            .iter()
            .map(|time| time.unwrap_or(i64::MAX))
            .collect(),
        task_ids,
        starts,
        members,
        links,
        hubs,
        kinds: facts.kinds,
        causes,
        clocks: weighed.clocks,
        weighings,
    })?;
    Ok(Closed {
        index,
        ids: facts.ids,
        cells: weighed.cells,
        weighed: weighed.weighed,
    })
}

fn per_mille(probability: f64) -> u32 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Between 0 and 1000.
    let whole = (probability.clamp(0.0, 1.0) * 1000.0) as u32;
    whole
}

/// Positions of a change document have no time: they take the one of the header, whichever file
/// came first.
fn borrow_times(store: &Store, places: &Places, facts: &mut Facts) -> Result<(), StoreError> {
    let keys = Keys::read(store, places, KeyKind::Transaction)?;
    let mut borrowed: HashMap<u32, i64> = HashMap::new();
    for (_, group) in keys.groups() {
        let known = group
            .iter()
            .filter_map(|row| facts.times[row.1 as usize])
            .min();
        let Some(known) = known else { continue };
        for row in group {
            if facts.times[row.1 as usize].is_none() {
                let time = borrowed.entry(row.1).or_insert(known);
                *time = known.min(*time);
            }
        }
    }
    for (event, time) in borrowed {
        facts.times[event as usize] = Some(time);
    }
    Ok(())
}

/// For each event, the number of its value; 0 for none.
fn scope(keys: &Keys, events: usize) -> Vec<u32> {
    let mut scope = vec![0; events];
    for (number, (_, group)) in (1u32..).zip(keys.groups()) {
        for row in group {
            scope[row.1 as usize] = number;
        }
    }
    scope
}

/// How many traces or conversations keys reach.
fn distinct(scope: &[u32], group: &[(u32, u32)]) -> usize {
    let values = || {
        let values = group.iter().map(|row| scope[row.1 as usize]);
        values.filter(|value| *value != 0)
    };
    // Mostly it is one.
    let Some(first) = values().next() else {
        return 0;
    };
    if values().all(|value| value == first) {
        return 1;
    }
    let mut values: Vec<u32> = values().collect();
    values.sort_unstable();
    values.dedup();
    values.len()
}
