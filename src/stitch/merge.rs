//! What was made before and what was found now, put together.
//!
//! Numbers of values and of what was weighed follow the order of the events, so that the index says the same in the same bytes, however
//! many batches it was made in.

use std::convert::Infallible;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use foldhash::{HashMap, HashMapExt};

use super::closure::{Components, Fresh};
use super::facts::{Order, least_ids};
use super::index::{Among, LinkOf, Links, Parts, Places, json};
use super::weigh::{Cause, OfCell};
use crate::model::{Digest, KeyKind, Kind};
use crate::store::{Store, StoreError, side_by_side};

/// Tasks that a core takes at once.
const AT_ONCE: usize = 1 << 12;
/// No number.
const NONE: u32 = u32::MAX;

/// What was found in the parts that were looked at; events have their numbers there.
pub(super) struct Found<'f> {
    pub among: &'f Among,
    pub store: &'f Store,
    /// Their numbers.
    pub places: &'f Places,
    pub order: &'f Order,
    pub fresh: &'f Fresh<'f>,
    /// What ids join.
    pub components: Components,
    /// Why.
    pub links: Links,
    /// What was told of the cells that were looked at.
    pub cells: &'f [OfCell],
}

/// New tasks: members of one after the other, and the id of each with where its members begin and end, in the order of the ids.
struct Tasks {
    events: Vec<u32>,
    ids: Vec<(Digest, (u32, u32))>,
}

/// Puts what was found to what was made before, which `of` is: of events that nothing has touched, all stays. Times are all there
/// already; hubs, clocks and what it was made from are not looked at. Gives the times, in order, at which tasks begin, or began, of which
/// not all is as it was. `None` if what belongs to a task is not among what was looked at: then what was found cannot be right.
pub(super) fn merge(of: &mut Parts, found: Found<'_>) -> Result<Option<Vec<i64>>, StoreError> {
    let old = of.fragments.len();
    let mut merge = Merge::new(of, found);
    merge.take_ids();
    merge.take_evidence()?;
    let Some(begins) = merge.regroup(old)? else {
        return Ok(None);
    };
    let links = of.links.iter_mut().filter(|link| link.is_set());
    of.values = of.values.by_use(links.map(|link| &mut link.value));
    let weighed = of.weighing_of.iter_mut().filter(|number| **number != NONE);
    of.weighings = of.weighings.by_use(weighed);
    Ok(Some(begins))
}

struct Merge<'m> {
    of: &'m mut Parts,
    among: &'m Among,
    store: &'m Store,
    places: &'m Places,
    order: &'m Order,
    components: Components,
    links: Links,
    cells: &'m [OfCell],
    /// By event that was looked at: whether its ids were joined, and whether it was decided what caused it.
    is_fresh: Vec<bool>,
    is_own: Vec<bool>,
    /// The causes that evidence gave before to what is decided anew.
    was: HashMap<u32, u32>,
    /// The tasks from before that are not as they were.
    changed: Vec<bool>,
}

impl<'m> Merge<'m> {
    fn new(of: &'m mut Parts, found: Found<'m>) -> Self {
        let looked_at = found.order.len();
        let mut is_own = vec![false; looked_at];
        for event in found.cells.iter().flat_map(|cell| &cell.own) {
            is_own[*event as usize] = true;
        }
        Self {
            changed: vec![false; of.task_ids.len()],
            of,
            among: found.among,
            store: found.store,
            places: found.places,
            order: found.order,
            components: found.components,
            links: found.links,
            cells: found.cells,
            is_fresh: match found.fresh.events {
                Some(fresh) => fresh.to_vec(),
                None => vec![true; looked_at],
            },
            is_own,
            was: HashMap::new(),
        }
    }

    /// An event's task from before is not as it was.
    fn change(&mut self, event: u32) {
        // New ones are in none yet.
        if let Some(task) = self.of.task_of.get(event as usize) {
            self.changed[*task as usize] = true;
        }
    }

    /// Takes over what ids join. What evidence said of events that were weighed again, or are joined otherwise, goes.
    fn take_ids(&mut self) {
        let (links, texts) = std::mem::take(&mut self.links).into_parts();
        let first_text = u32::try_from(self.of.values.len()).unwrap_or(NONE);
        self.of.values.append(texts);
        let among = self.among;
        if self.of.fragments.is_empty() && among.is_all() {
            // Nothing was there before: no second list of all links is made.
            self.of.fragments = (0u32..)
                .zip(&links)
                .map(|(event, _)| self.components.find(event))
                .collect();
            self.of.weighing_of = vec![NONE; links.len()];
            self.of.links = links;
            return;
        }
        let all = self.of.times.len();
        self.of.fragments.resize(all, NONE);
        self.of.links.resize(all, LinkOf::NOT_SET);
        self.of.weighing_of.resize(all, NONE);
        for (there, here) in among.ranges() {
            for (of_all, event) in there.zip(here) {
                let (at, here) = (of_all as usize, event as usize);
                if self.is_fresh[here] {
                    self.of.fragments[at] = among.all(self.components.find(event));
                    self.of.links[at] = links[here].moved(|cause| among.all(cause), first_text);
                    self.change(of_all);
                } else if self.is_own[here] && self.of.links[at].is_by_evidence() {
                    self.was.insert(of_all, self.of.links[at].cause);
                    self.of.links[at] = LinkOf::NOT_SET;
                }
                if self.is_fresh[here] || self.is_own[here] {
                    self.of.weighing_of[at] = NONE;
                }
            }
        }
        let stays = |cause: &Cause| {
            let here = among.here(cause.effect);
            here.is_none_or(|here| !self.is_fresh[here as usize] && !self.is_own[here as usize])
        };
        self.of.causes.retain(stays);
    }

    /// Takes over what was told of cells. The first event of a fragment has no link by an id, and gets the one by evidence, as do others that
    /// no id ties to an earlier one.
    fn take_evidence(&mut self) -> Result<(), StoreError> {
        let among = self.among;
        let cells = self.cells;
        for cause in cells.iter().flat_map(|cell| &cell.found.causes) {
            self.of.causes.push(Cause {
                cause: among.all(cause.cause),
                effect: among.all(cause.effect),
                // As it is kept: what is told does not depend on whether it was read again.
                probability: (cause.probability * 1e6).round() / 1e6,
            });
        }
        for placed in cells.iter().flat_map(|cell| &cell.found.placed) {
            let events: Vec<u32> = placed
                .events
                .iter()
                .map(|event| among.all(*event))
                .collect();
            if let Some(link) = &placed.joined {
                let cause = among.all(link.cause);
                let value = self.of.values.push(link.why.as_bytes());
                for event in &events {
                    let known = &mut self.of.links[*event as usize];
                    if known.is_set() {
                        continue;
                    }
                    *known = LinkOf::new(cause, (KeyKind::Value, value), link.probability);
                    if self.was.remove(event) != Some(cause) {
                        self.change(*event);
                        self.change(cause);
                    }
                }
            }
            if let Some(weighing) = &placed.weighing {
                let mut weighing = weighing.clone();
                for candidate in weighing.candidates() {
                    candidate.event = among.all(candidate.event);
                }
                let number = self.of.weighings.push(&json(&weighing)?);
                for event in &events {
                    self.of.weighing_of[*event as usize] = number;
                }
            }
        }
        self.of.causes.sort_by_key(|cause| cause.effect);
        // What is left was joined before, and is not now.
        for event in std::mem::take(&mut self.was).into_keys() {
            self.change(event);
        }
        Ok(())
    }

    /// Makes tasks of the new events and of those whose tasks have changed. Gives the times, in order, at which these begin, or began,
    /// and those of which anything is told otherwise.
    fn regroup(mut self, old: usize) -> Result<Option<Vec<i64>>, StoreError> {
        let new =
            u32::try_from(old).unwrap_or(NONE)..u32::try_from(self.of.times.len()).unwrap_or(NONE);
        let among = self.among;
        let no_more = || (0..self.changed.len()).filter(|task| self.changed[*task]);
        let mut begins: Vec<i64> = no_more().map(|task| self.of.begins[task]).collect();
        let members = no_more().flat_map(|task| &self.of.members[bounds(&self.of.starts, task)]);
        let events = members.copied().chain(new.clone());
        let events: Option<Vec<u32>> = events.map(|event| among.here(event)).collect();
        let Some(mut events) = events else {
            return Ok(None);
        };
        // Of one order, whatever they were before.
        events.sort_unstable();
        for event in &events {
            let link = self.of.links[among.all(*event) as usize];
            if link.is_by_evidence() {
                let Some(cause) = among.here(link.cause) else {
                    return Ok(None);
                };
                self.components.union(cause, *event);
            }
        }
        let tasks = self.tasks_of(events)?;
        let new_tasks = put(self.of, &self.changed, tasks);
        let own = (0u32..).zip(&self.is_own).filter(|(_, is_own)| **is_own);
        let own = own.map(|(event, _)| self.of.task_of[among.all(event) as usize]);
        let mut told = vec![false; self.of.task_ids.len()];
        for task in new_tasks.into_iter().chain(own) {
            told[task as usize] = true;
        }
        let told = self.of.begins.iter().zip(told).filter(|(_, told)| *told);
        begins.extend(told.map(|(begin, _)| *begin));
        begins.sort_unstable();
        begins.dedup();
        let kinds = &mut self.of.kinds;
        kinds.resize(Kind::ALL.len() + 1, 0);
        for event in new.filter_map(|event| among.here(event)) {
            kinds[self.order.kind(event) as usize] += 1;
        }
        let untimed = self.of.times.iter().filter(|time| **time == i64::MAX);
        kinds[Kind::ALL.len()] = untimed.count() as u64;
        Ok(Some(begins))
    }
    /// The tasks of some events that hold all of theirs: members in their order, by their numbers among all.
    fn tasks_of(&mut self, events: Vec<u32>) -> Result<Tasks, StoreError> {
        let (order, among) = (self.order, self.among);
        let mut components = std::mem::replace(&mut self.components, Components::apart(0));
        let Grouped { mut events, ends } = grouped(&mut components, order.len(), events);
        drop(components);
        let mut rest = &mut events[..];
        let mut blocks: Vec<Mutex<Vec<&mut [u32]>>> = Vec::new();
        let mut start = 0;
        for ends in ends.chunks(AT_ONCE) {
            let groups = ends.iter().map(|end| {
                let (group, behind) = std::mem::take(&mut rest).split_at_mut(end - start);
                (rest, start) = (behind, *end);
                group
            });
            blocks.push(Mutex::new(groups.collect()));
        }
        let Ok(_) = side_by_side(&blocks, |block| {
            let mut groups = block.lock().unwrap_or_else(PoisonError::into_inner);
            for members in groups.iter_mut() {
                members.sort_unstable_by(|a, b| order.compare(*a, *b));
            }
            Ok::<(), Infallible>(())
        });
        drop(blocks);
        let mut group_of = vec![NONE; order.len()];
        for (group, members) in (0u32..).zip(ranges(&ends)) {
            for event in &events[members] {
                group_of[*event as usize] = group;
            }
        }
        let least = least_ids(self.store, self.places, &group_of, ends.len())?;
        drop(group_of);
        let ids = least.iter().map(|id| Digest::of(&id.0));
        let place = |at: usize| u32::try_from(at).unwrap_or(NONE);
        let places = ranges(&ends).map(|range| (place(range.start), place(range.end)));
        let mut ids: Vec<(Digest, (u32, u32))> = ids.zip(places).collect();
        ids.sort_unstable_by_key(|task| task.0);
        for event in &mut events {
            *event = among.all(*event);
        }
        Ok(Tasks { events, ids })
    }
}

fn bounds(starts: &[u32], task: usize) -> Range<usize> {
    starts[task] as usize..starts[task + 1] as usize
}

/// Events that lie together with those of the same group.
struct Grouped {
    events: Vec<u32>,
    /// Where each group ends.
    ends: Vec<usize>,
}

/// The ranges of lists that lie one after the other, by their ends.
fn ranges(ends: &[usize]) -> impl Iterator<Item = Range<usize>> {
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(ends).map(|(start, end)| start..*end)
}

/// Groups some of so many events by their components: those of one come together at the place of its root.
fn grouped(components: &mut Components, all: usize, events: Vec<u32>) -> Grouped {
    let roots: Vec<u32> = events.iter().map(|event| components.find(*event)).collect();
    let mut ends = vec![0u32; all];
    for root in &roots {
        ends[*root as usize] += 1;
    }
    let mut end = 0;
    let mut group_ends: Vec<usize> = Vec::new();
    for size in &mut ends {
        let start = end;
        end += *size;
        if *size > 0 {
            group_ends.push(end as usize);
        }
        *size = start;
    }
    let mut grouped = vec![0u32; roots.len()];
    for (event, root) in events.into_iter().zip(&roots) {
        let next = &mut ends[*root as usize];
        grouped[*next as usize] = event;
        *next += 1;
    }
    Grouped {
        events: grouped,
        ends: group_ends,
    }
}

/// Puts new tasks in the place of those that are no more, and gives their numbers.
fn put(of: &mut Parts, changed: &[bool], new: Tasks) -> Vec<u32> {
    let stay = (0..changed.len()).filter(|task| !changed[*task]);
    let mut stay = stay.peekable();
    let count = new.ids.len() + stay.clone().count();
    let mut task_ids = Vec::with_capacity(count);
    let (mut begins, mut firsts) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let mut starts = Vec::with_capacity(count + 1);
    starts.push(0u32);
    let mut members: Vec<u32> = Vec::with_capacity(of.times.len());
    let mut numbers = vec![NONE; changed.len()];
    let mut task_of = vec![NONE; of.times.len()];
    let Tasks { events, ids } = new;
    let mut new_tasks = Vec::with_capacity(ids.len());
    let mut new = ids.into_iter().peekable();
    while new.peek().is_some() || stay.peek().is_some() {
        let number = u32::try_from(task_ids.len()).unwrap_or(NONE);
        let id = new.peek().map(|task| task.0);
        if let Some(task) = stay.next_if(|task| id.is_none_or(|id| of.task_ids[*task] < id)) {
            numbers[task] = number;
            task_ids.push(of.task_ids[task]);
            begins.push(of.begins[task]);
            firsts.push(of.firsts[task]);
            members.extend_from_slice(&of.members[bounds(&of.starts, task)]);
        } else if let Some((id, (start, end))) = new.next() {
            let events = &events[start as usize..end as usize];
            new_tasks.push(number);
            let times = events.iter().map(|event| of.times[*event as usize]);
            task_ids.push(id);
            begins.push(times.min().unwrap_or(i64::MAX));
            firsts.push(events.iter().copied().min().unwrap_or(NONE));
            for event in events {
                task_of[*event as usize] = number;
            }
            members.extend_from_slice(events);
        }
        starts.push(u32::try_from(members.len()).unwrap_or(NONE));
    }
    for (new, old) in task_of.iter_mut().zip(&of.task_of) {
        if *new == NONE {
            *new = numbers[*old as usize];
        }
    }
    of.task_ids = task_ids;
    of.begins = begins;
    of.firsts = firsts;
    of.starts = starts;
    of.members = members;
    of.task_of = task_of;
    new_tasks
}
