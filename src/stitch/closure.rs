//! Union-find over equal strong keys.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Range;

use foldhash::{HashMap, HashMapExt};

use super::facts::Facts;
use super::index::{Links, Parts, Places, TaskIndex};
use super::keys::Keys;
use super::weigh::{Kept, KeptCell, Settings, weigh};
use super::{Hub, STRONG, StepClock};
use crate::model::{Digest, KeyKind, Kind};
use crate::store::{Store, StoreError, side_by_side};

/// Kinds that tell how far a value reaches.
const REACHING: [KeyKind; 2] = [KeyKind::Trace, KeyKind::Conversation];
/// Groups of keys, or tasks, that a core takes at once.
const AT_ONCE: usize = 1 << 12;

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
    let reaching = REACHING.map(|kind| Ok((kind, Keys::read(store, &places, kind)?)));
    let reaching: Vec<(KeyKind, Keys)> = reaching.into_iter().collect::<Result<_, StoreError>>()?;
    let mut scopes = vec![[0; REACHING.len()]; n as usize];
    for (at, (_, keys)) in reaching.iter().enumerate() {
        for (number, (_, group)) in (1u32..).zip(keys.groups()) {
            for row in group {
                scopes[row.1 as usize][at] = number;
            }
        }
    }
    let mut components = Components {
        parent: (0..n).collect(),
    };
    let mut links = Links::none(n as usize);
    let mut hubs = Vec::new();
    let join = |kind: KeyKind, keys: &Keys| {
        let limit = limits.get(&kind).copied().unwrap_or(usize::MAX);
        let groups: Vec<Group<'_>> = keys.groups().filter(|group| group.1.len() > 1).collect();
        let blocks: Vec<&[Group<'_>]> = groups.chunks(AT_ONCE).collect();
        let judge = |block: &&[Group<'_>]| {
            let judged = block
                .iter()
                .map(|group| judge(kind, group.1, &facts, &scopes, limit));
            Ok::<Vec<Judged>, Infallible>(judged.collect())
        };
        let Ok(judged) = side_by_side(&blocks, judge);
        // In the order of time: events that are near each other lie near each other, mostly.
        let mut joins: Vec<(i64, u32, Group<'_>)> = Vec::with_capacity(groups.len());
        for (group, judged) in groups.into_iter().zip(judged.into_iter().flatten()) {
            match judged {
                Judged::Joins(anchor) => {
                    let time = facts.times[anchor as usize].unwrap_or(i64::MAX);
                    joins.push((time, anchor, group));
                }
                Judged::Hub(reach) => hubs.push(Hub {
                    kind,
                    value: group.0.to_owned(),
                    reach,
                    events: group.1.len(),
                }),
                Judged::Apart => {}
            }
        }
        joins.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| facts.compare(a.1, b.1)));
        for (_, anchor, (value, group)) in joins {
            let mut number = None;
            for row in group {
                if row.1 != anchor && components.union(anchor, row.1) && !links.is_set(row.1) {
                    let number = *number.get_or_insert_with(|| links.add_value(value.to_owned()));
                    links.set(row.1, anchor, (kind, number), 1.0);
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
    for told in weighed.actions.into_iter().flatten() {
        if let Some(link) = told.joined {
            let value = links.add_value(link.why);
            for effect in &told.events {
                if components.union(link.cause, *effect) || !links.is_set(*effect) {
                    let why = (KeyKind::Value, value);
                    links.set(*effect, link.cause, why, link.probability);
                }
            }
        }
        causes.extend(told.causes);
        weighings.extend(told.weighing.map(|weighing| (told.events, weighing)));
    }
    clock.done("weighing evidence");
    let (task_ids, starts, members) = tasks(&facts, &mut components);
    hubs.sort_by(|a, b| (a.kind, &a.value).cmp(&(b.kind, &b.value)));
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

/// A value, and the keys that have it; the event is the second of a key.
type Group<'k> = (&'k str, &'k [(u32, u32)]);

/// What a value does to the events that have it.
enum Judged {
    /// It joins them; the earliest of them.
    Joins(u32),
    /// It reaches so many traces or conversations, more than its kind may.
    Hub(usize),
    /// It is where two conversations begin alike.
    Apart,
}

fn judge(
    kind: KeyKind,
    group: &[(u32, u32)],
    facts: &Facts,
    scopes: &[[u32; REACHING.len()]],
    limit: usize,
) -> Judged {
    // An answer that two conversations share tells them apart no more; one that was logged
    // twice was given at one time.
    if kind == KeyKind::Prefix {
        let answers = group
            .iter()
            .filter(|row| facts.kind(row.1) == Kind::Inference);
        let mut times = answers.map(|row| facts.times[row.1 as usize]);
        let first = times.next();
        if times.any(|time| Some(time) != first) {
            return Judged::Apart;
        }
    }
    // A trace reaches itself; other traces on its events count.
    let reach = (0..REACHING.len())
        .map(|of| distinct(group.iter().map(|row| scopes[row.1 as usize][of])))
        .max()
        .unwrap_or(0);
    if reach > limit {
        return Judged::Hub(reach);
    }
    let time = |row: &(u32, u32)| facts.times[row.1 as usize].unwrap_or(i64::MAX);
    let least = group.iter().map(time).min();
    let earliest = group.iter().filter(|row| Some(time(row)) == least);
    let anchor = earliest
        .map(|row| row.1)
        .min_by(|a, b| facts.compare(*a, *b));
    anchor.map_or(Judged::Apart, Judged::Joins)
}

/// Ids of the tasks, in their order, where the members of each begin, and all members: those of a task in their order.
fn tasks(facts: &Facts, components: &mut Components) -> (Vec<Digest>, Vec<u32>, Vec<u32>) {
    let n = u32::try_from(facts.ids.len()).unwrap_or(u32::MAX);
    let roots: Vec<u32> = (0..n).map(|event| components.find(event)).collect();
    // Members of a component come together at the place of its root.
    let mut ends = vec![0u32; roots.len()];
    for root in &roots {
        ends[*root as usize] += 1;
    }
    let mut end = 0;
    let mut found: Vec<Range<usize>> = Vec::new();
    for size in &mut ends {
        let start = end;
        end += *size;
        if *size > 0 {
            found.push(start as usize..end as usize);
        }
        *size = start;
    }
    let mut grouped = vec![0u32; roots.len()];
    for (event, root) in (0u32..).zip(&roots) {
        let next = &mut ends[*root as usize];
        grouped[*next as usize] = event;
        *next += 1;
    }
    drop((roots, ends));
    let blocks: Vec<&[Range<usize>]> = found.chunks(AT_ONCE).collect();
    let Ok(sorted) = side_by_side(&blocks, |block| {
        let of_each = block.iter().map(|range| {
            let mut members = grouped[range.clone()].to_vec();
            members.sort_unstable_by(|a, b| facts.compare(*a, *b));
            let least = members.iter().map(|event| facts.ids[*event as usize]).min();
            let id = Digest::of(&least.map_or([0; 32], |id| id.0));
            (id, members.into_boxed_slice())
        });
        Ok::<Vec<_>, Infallible>(of_each.collect())
    });
    drop(grouped);
    let mut sorted: Vec<(Digest, Box<[u32]>)> = sorted.into_iter().flatten().collect();
    sorted.sort_unstable_by_key(|task| task.0);
    let (mut ids, mut starts) = (Vec::with_capacity(sorted.len()), vec![0u32]);
    let mut members = Vec::with_capacity(n as usize);
    for (id, events) in sorted {
        ids.push(id);
        members.extend_from_slice(&events);
        starts.push(u32::try_from(members.len()).unwrap_or(u32::MAX));
    }
    (ids, starts, members)
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

/// How many traces or conversations keys reach: the numbers of theirs, 0 for none.
fn distinct(scopes: impl Iterator<Item = u32> + Clone) -> usize {
    let values = || scopes.clone().filter(|value| *value != 0);
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
