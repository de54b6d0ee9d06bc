//! Union-find over equal strong keys.

use std::collections::BTreeMap;
use std::convert::Infallible;

use foldhash::{HashMap, HashMapExt};

use super::facts::Order;
use super::hubs::{Apart, REACHING, Reached, scope_id};
use super::index::{Among, Links, Places};
use super::keys::Keys;
use super::{Hub, STRONG};
use crate::model::{KeyKind, Kind};
use crate::store::{Store, StoreError, side_by_side};

/// Groups of keys that a core takes at once.
const AT_ONCE: usize = 1 << 12;

/// Events up to which the keys of one kind are read while those of another are joined.
const AHEAD: usize = 4 << 20;

/// Which events belong together.
pub(super) struct Components {
    parent: Vec<u32>,
}

impl Components {
    /// Each event by itself.
    pub(super) fn apart(events: usize) -> Self {
        Self {
            parent: (0..u32::try_from(events).unwrap_or(u32::MAX)).collect(),
        }
    }

    /// Takes over the fragments of events that are not fresh.
    pub(super) fn seed(&mut self, fragments: &[u32], among: &Among, fresh: &Fresh<'_>) {
        let Some(is_fresh) = fresh.events else {
            return;
        };
        const NONE: u32 = u32::MAX;
        let mut firsts = vec![NONE; fragments.len()];
        for (there, here) in among.ranges() {
            for (of_all, event) in there.zip(here) {
                if is_fresh[event as usize] {
                    continue;
                }
                let first = &mut firsts[fragments[of_all as usize] as usize];
                match *first {
                    NONE => *first = event,
                    first => self.parent[event as usize] = first,
                }
            }
        }
    }

    /// Those of some of the events.
    pub(super) fn some(&mut self, among: &Among) -> Self {
        const NONE: u32 = u32::MAX;
        let mut firsts = vec![NONE; self.parent.len()];
        let mut parent = Vec::new();
        for (there, here) in among.ranges() {
            for (of_all, event) in there.zip(here) {
                let first = &mut firsts[self.find(of_all) as usize];
                if *first == NONE {
                    *first = event;
                }
                parent.push(*first);
            }
        }
        Self { parent }
    }

    pub(super) fn find(&mut self, mut event: u32) -> u32 {
        while self.parent[event as usize] != event {
            let up = self.parent[self.parent[event as usize] as usize];
            self.parent[event as usize] = up;
            event = up;
        }
        event
    }

    pub(super) fn union(&mut self, a: u32, b: u32) -> bool {
        let (a, b) = (self.find(a), self.find(b));
        self.parent[a.max(b) as usize] = a.min(b);
        a != b
    }
}

/// The events whose ids are joined.
pub(super) struct Fresh<'f> {
    /// All that have a number, or those whose place is true: all that ids join to each other are among them.
    pub events: Option<&'f [bool]>,
    /// The number of the first event that was not there before.
    pub new: u32,
}

/// Joins everything that equal strong keys join. What is found to join nothing is added to `apart`.
pub(super) fn close(
    store: &Store,
    places: &Places,
    order: &Order,
    fresh: &Fresh<'_>,
    limits: &BTreeMap<KeyKind, usize>,
    components: &mut Components,
    apart: &mut Apart,
) -> Result<Links, StoreError> {
    let read = |kind: KeyKind| Keys::read(store, places, kind, fresh.events);
    // Kinds that tell how far a value reaches are read first.
    let reaching = REACHING.map(|kind| Ok((kind, read(kind)?)));
    let mut reaching: Vec<(KeyKind, Keys)> =
        reaching.into_iter().collect::<Result<_, StoreError>>()?;
    let mut scopes = Scopes {
        of_event: vec![[0; REACHING.len()]; places.len()],
        ids: Default::default(),
    };
    for (of, (_, keys)) in reaching.iter().enumerate() {
        for (number, (value, group)) in (1u32..).zip(keys.groups()) {
            scopes.ids[of].push(scope_id(value));
            for event in group {
                scopes.of_event[*event as usize][of] = number;
            }
        }
    }
    let mut links = Links::none(places.len());
    let join = |kind: KeyKind, keys: &Keys| {
        let limit = limits.get(&kind).copied().unwrap_or(usize::MAX);
        let mut groups: Vec<u32> = Vec::new();
        for (number, (value, group)) in (0u32..).zip(keys.groups()) {
            if let Some((hub, reached)) = apart.hub_mut(kind, value) {
                // What is new reaches further.
                let new = group.iter().copied().filter(|event| *event >= fresh.new);
                hub.events += new.clone().count();
                scopes.reach(new, reached);
                hub.reach = reached.most();
            } else if group.len() > 1 && !apart.is_beginning(kind, value) {
                groups.push(number);
            }
        }
        let blocks: Vec<&[u32]> = groups.chunks(AT_ONCE).collect();
        let judge = |block: &&[u32]| {
            let judged = block.iter().map(|number| {
                let (_, group) = keys.group(*number);
                judge(kind, group, order, &scopes.of_event, limit)
            });
            Ok::<Vec<Judged>, Infallible>(judged.collect())
        };
        let Ok(judged) = side_by_side(&blocks, judge);
        // In the order of time: events that are near each other lie near each other, mostly.
        let mut joins: Vec<(i64, u32, u32)> = Vec::with_capacity(groups.len());
        for (number, judged) in groups.iter().zip(judged.into_iter().flatten()) {
            let (value, group) = keys.group(*number);
            match judged {
                Judged::Joins(anchor) => joins.push((order.time_or_last(anchor), anchor, *number)),
                Judged::Hub(reach) => {
                    let mut reached = Reached::default();
                    scopes.reach(group.iter().copied(), &mut reached);
                    let hub = Hub {
                        kind,
                        value: value.to_owned(),
                        reach,
                        events: group.len(),
                    };
                    apart.add_hub(hub, reached);
                }
                Judged::Apart => apart.add_beginning(value),
            }
        }
        joins.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| order.compare(a.1, b.1)));
        for (_, anchor, number) in joins {
            let (value, group) = keys.group(number);
            let mut number = None;
            for event in group.iter().copied() {
                if event != anchor && components.union(anchor, event) && !links.is_set(event) {
                    let number = *number.get_or_insert_with(|| links.add_value(value.to_owned()));
                    links.set(event, anchor, (kind, number), 1.0);
                }
            }
        }
    };
    let read = |kind: KeyKind| match reaching.iter().position(|known| known.0 == kind) {
        Some(at) => Ok(reaching.swap_remove(at).1),
        None => read(kind),
    };
    Keys::one_by_one(&STRONG, places.len() <= AHEAD, read, join)?;
    Ok(links)
}

/// The traces and conversations that events are of.
struct Scopes {
    /// By number; 0 for none.
    of_event: Vec<[u32; REACHING.len()]>,
    /// What stands for each, from 1.
    ids: [Vec<u64>; REACHING.len()],
}

impl Scopes {
    /// Adds those of some events.
    fn reach(&self, events: impl Iterator<Item = u32>, reached: &mut Reached) {
        for event in events {
            for (of, number) in self.of_event[event as usize].iter().enumerate() {
                if let Some(at) = number.checked_sub(1) {
                    reached.add(of, self.ids[of][at as usize]);
                }
            }
        }
    }
}

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
    group: &[u32],
    order: &Order,
    scopes: &[[u32; REACHING.len()]],
    limit: usize,
) -> Judged {
    // An answer that two conversations share tells them apart no more; one that was logged
    // twice was given at one time.
    if kind == KeyKind::Prefix {
        let answers = group
            .iter()
            .filter(|event| order.kind(**event) == Kind::Inference);
        let mut times = answers.map(|event| order.time_or_last(*event));
        let first = times.next();
        if times.any(|time| Some(time) != first) {
            return Judged::Apart;
        }
    }
    // A trace reaches itself; other traces on its events count.
    let reach = (0..REACHING.len())
        .map(|of| distinct(group.iter().map(|event| scopes[*event as usize][of])))
        .max()
        .unwrap_or(0);
    if reach > limit {
        return Judged::Hub(reach);
    }
    let time = |event: &u32| order.time_or_last(*event);
    let least = group.iter().map(time).min();
    let earliest = group.iter().filter(|event| Some(time(event)) == least);
    let anchor = earliest.copied().min_by(|a, b| order.compare(*a, *b));
    anchor.map_or(Judged::Apart, Judged::Joins)
}

/// Positions of a change document have no time: they take the one of the header, whichever file
/// came first. `None` where a hub is among the numbers of documents of which not all events are looked at: it says nothing
/// of those then.
pub(super) fn borrow_times(
    store: &Store,
    places: &Places,
    order: &mut Order,
    fresh: &Fresh<'_>,
    apart: &Apart,
) -> Result<Option<()>, StoreError> {
    let kind = KeyKind::Transaction;
    let keys = Keys::read(store, places, kind, fresh.events)?;
    let mut borrowed: HashMap<u32, i64> = HashMap::new();
    for (value, group) in keys.groups() {
        let without = group.iter().any(|event| order.time(*event).is_none());
        if without && fresh.events.is_some() && apart.is_hub(kind, value) {
            return Ok(None);
        }
        let known = group.iter().filter_map(|event| order.time(*event)).min();
        let Some(known) = known else { continue };
        for event in group {
            if order.time(*event).is_none() {
                let time = borrowed.entry(*event).or_insert(known);
                *time = known.min(*time);
            }
        }
    }
    for (event, time) in borrowed {
        order.set_time(event, time);
    }
    Ok(Some(()))
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
