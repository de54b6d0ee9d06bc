//! Union-find over equal strong keys.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::mpsc::sync_channel;

use foldhash::{HashMap, HashMapExt};

use super::facts::Order;
use super::hubs::{Apart, REACHING, Reached, scope_id};
use super::index::{Among, Links, Places, Reason, Texts};
use super::keys::{Keys, Read, start};
use super::{Hub, STRONG};
use crate::model::{KeyKind, Kind};
use crate::store::{Store, StoreError, side_by_side};

/// Groups of keys that a core takes at once.
const AT_ONCE: usize = 1 << 12;

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

    /// Takes over the fragments of events that are not fresh: of each event the number that its fragment had among all.
    pub(super) fn seed(&mut self, fragments: &[u32], is_fresh: &[bool]) {
        let mut firsts: HashMap<u32, u32> = HashMap::new();
        let of_events = (0u32..).zip(fragments).zip(is_fresh);
        for ((event, fragment), _) in of_events.filter(|(_, is_fresh)| !**is_fresh) {
            self.parent[event as usize] = *firsts.entry(*fragment).or_insert(event);
        }
    }

    /// The least number of an event of each one's component.
    pub(super) fn into_roots(mut self) -> Vec<u32> {
        for event in 0..self.parent.len() {
            // Of lesser numbers each is its root already.
            self.parent[event] = self.parent[self.parent[event] as usize];
        }
        self.parent
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

/// What ids are joined of.
pub(super) struct Ids<'i> {
    pub store: &'i Store,
    pub places: &'i Places,
    pub order: &'i Order,
    pub fresh: &'i Fresh<'i>,
    /// How much a value of each kind may reach.
    pub limits: &'i BTreeMap<KeyKind, usize>,
    /// Keys that are held at once, about.
    pub held: usize,
}

impl Ids<'_> {
    /// Joins everything that equal strong keys join. What is found to join nothing is added to `apart`.
    ///
    /// # Errors
    /// A part of the store cannot be read.
    pub(super) fn close(
        &self,
        components: &mut Components,
        apart: &mut Apart,
    ) -> Result<Links, StoreError> {
        let mut links = Links::none(self.places.len());
        let read = Read {
            store: self.store,
            places: self.places,
            wanted: self.fresh.events,
        };
        // Kinds that tell how far a value reaches are read first.
        let mut scopes = Scopes::none(self.places.len());
        if self.places.len() > self.held {
            for (of, kind) in REACHING.into_iter().enumerate() {
                read.in_stretches(kind, self.held, |keys| {
                    scopes.add(of, keys);
                    Ok(())
                })?;
            }
            for kind in STRONG {
                let mut joins = Joins::default();
                read.in_stretches(kind, self.held, |keys| {
                    self.judge((kind, keys), &scopes, components, apart, &mut joins);
                    Ok(())
                })?;
                joins.join(kind, self.order, components, &mut links);
            }
            return Ok(links);
        }
        // Of few events all keys are held, and those of a kind are read while those of another are joined.
        let reaching = REACHING.map(|kind| Ok((kind, read.all(kind)?)));
        let mut reaching: Vec<(KeyKind, Keys)> =
            reaching.into_iter().collect::<Result<_, StoreError>>()?;
        for (of, (_, keys)) in reaching.iter().enumerate() {
            scopes.add(of, keys);
        }
        std::thread::scope(|scope| {
            let (send, receive) = sync_channel(0);
            scope.spawn(move || {
                for kind in STRONG {
                    let keys = match reaching.iter().position(|known| known.0 == kind) {
                        Some(at) => Ok(reaching.swap_remove(at).1),
                        None => read.all(kind),
                    };
                    if send.send((kind, keys)).is_err() {
                        break;
                    }
                }
            });
            for (kind, keys) in receive {
                let mut joins = Joins::default();
                self.judge((kind, &keys?), &scopes, components, apart, &mut joins);
                joins.join(kind, self.order, components, &mut links);
            }
            Ok(links)
        })
    }

    /// Judges what values do to the events that have them.
    fn judge(
        &self,
        (kind, keys): (KeyKind, &Keys),
        scopes: &Scopes,
        components: &mut Components,
        apart: &mut Apart,
        joins: &mut Joins,
    ) {
        let limit = self.limits.get(&kind).copied().unwrap_or(usize::MAX);
        let mut groups: Vec<u32> = Vec::new();
        for (number, (value, group)) in (0u32..).zip(keys.groups()) {
            if let Some((hub, reached)) = apart.hub_mut(kind, value) {
                // What is new reaches further.
                let new = group.iter().copied();
                let new = new.filter(|event| *event >= self.fresh.new);
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
                judge(kind, group, self.order, &scopes.of_event, limit)
            });
            Ok::<Vec<Judged>, Infallible>(judged.collect())
        };
        let Ok(judged) = side_by_side(&blocks, judge);
        for (number, judged) in groups.iter().zip(judged.into_iter().flatten()) {
            let (value, group) = keys.group(*number);
            match judged {
                Judged::Joins(anchor) => {
                    // What keys of a stronger kind have joined already is not joined again.
                    let together = components.find(anchor);
                    if group
                        .iter()
                        .any(|event| components.find(*event) != together)
                    {
                        joins.add(value, group, anchor);
                    }
                }
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
    }
}

/// What values of one kind join.
#[derive(Default)]
struct Joins {
    values: Texts,
    /// The earliest event of each.
    anchors: Vec<u32>,
    /// End of the events of each.
    ends: Vec<usize>,
    events: Vec<u32>,
}

impl Joins {
    fn add(&mut self, value: &str, group: &[u32], anchor: u32) {
        self.values.push(value.as_bytes());
        self.anchors.push(anchor);
        self.events.extend_from_slice(group);
        self.ends.push(self.events.len());
    }

    /// Joins events, and says why.
    fn join(&self, kind: KeyKind, order: &Order, components: &mut Components, links: &mut Links) {
        // In the order of time: events that are near each other lie near each other, mostly.
        let anchor = |number: &u32| self.anchors[*number as usize];
        let mut numbers: Vec<u32> = (0u32..).zip(&self.anchors).map(|(at, _)| at).collect();
        numbers.sort_by(|a, b| order.compare(anchor(a), anchor(b)));
        for number in numbers {
            let anchor = anchor(&number);
            let at = number as usize;
            let mut reason = None;
            for event in &self.events[start(&self.ends, at)..self.ends[at]] {
                let event = *event;
                if event != anchor && components.union(anchor, event) && !links.is_set(event) {
                    let reason = reason.get_or_insert_with(|| {
                        links.add(Reason::new(anchor, kind, 1.0), self.values.get(number))
                    });
                    links.set(event, *reason);
                }
            }
        }
    }
}

/// The traces and conversations that events are of.
struct Scopes {
    /// By number; 0 for none.
    of_event: Vec<[u32; REACHING.len()]>,
    /// What stands for each, from 1.
    ids: [Vec<u64>; REACHING.len()],
}

impl Scopes {
    fn none(events: usize) -> Self {
        Self {
            of_event: vec![[0; REACHING.len()]; events],
            ids: Default::default(),
        }
    }

    /// Adds traces or conversations, in the order of their values.
    fn add(&mut self, of: usize, keys: &Keys) {
        for (value, group) in keys.groups() {
            self.ids[of].push(scope_id(value));
            let number = u32::try_from(self.ids[of].len()).unwrap_or(u32::MAX);
            for event in group {
                self.of_event[*event as usize][of] = number;
            }
        }
    }

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
/// came first. False, and no time is taken, where a hub is among the numbers of documents of which not all events are looked at: it says nothing
/// of those then.
pub(super) fn borrow_times(
    read: &Read<'_>,
    held: usize,
    order: &mut Order,
    apart: &Apart,
) -> Result<bool, StoreError> {
    let kind = KeyKind::Transaction;
    let mut borrowed: HashMap<u32, i64> = HashMap::new();
    let mut is_known = true;
    read.in_stretches(kind, held, |keys| {
        for (value, group) in keys.groups() {
            let without = group.iter().any(|event| order.time(*event).is_none());
            if without && read.wanted.is_some() && apart.is_hub(kind, value) {
                is_known = false;
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
        Ok(())
    })?;
    if is_known {
        order.set_some_times(borrowed);
    }
    Ok(is_known)
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
