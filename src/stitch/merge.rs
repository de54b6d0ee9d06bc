//! What was made before and what was found now, put together.
//!
//! Numbers of values and of what was weighed follow the order of the events, so that the index says the same in the same bytes, however
//! many batches it was made in.

use std::convert::Infallible;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use foldhash::{HashMap, HashMapExt, HashSet};

use super::closure::{Components, Fresh};
use super::facts::{Order, least_ids};
use super::groups::{Grouped, Joined, grouped, ranges};
use super::index::{Among, Before, Described, Links, NO_REASON, Places, Reason, bit};
use super::looked::{Told, moved};
use super::segments::Renewed;
use super::weigh::{Cause, OfCell, Weighing};
use crate::model::{Digest, KeyKind, Kind};
use crate::store::{Store, StoreError, side_by_side};

/// Tasks that a core takes at once.
const AT_ONCE: usize = 1 << 12;
/// No number.
pub(super) const NONE: u32 = u32::MAX;

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

/// What is found to be new of the whole store.
pub(super) struct Merged {
    pub segments: Vec<Described>,
    /// Events by kind, and those without a time.
    pub kinds: Vec<u64>,
    /// The times, in order, at which tasks begin, or began, of which not all is as it was.
    pub changed: Vec<i64>,
}

/// New tasks: members of one after the other, and of each where these end, the first of them, its time, their kinds, and its id. In the
/// order of their first events; all numbers are those among all.
pub(super) struct NewTasks {
    pub events: Vec<u32>,
    pub ends: Vec<usize>,
    pub firsts: Vec<u32>,
    pub begins: Vec<i64>,
    pub kinds: Vec<u32>,
    pub ids: Vec<Digest>,
}

impl NewTasks {
    /// Members of one.
    pub(super) fn members(&self, task: usize) -> &[u32] {
        let start = task.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.events[start..self.ends[task]]
    }

    /// Those whose first events are among some.
    pub(super) fn with_first(&self, events: &Range<u32>) -> Range<usize> {
        let from = |event: u32| self.firsts.partition_point(|first| *first < event);
        from(events.start)..from(events.end)
    }
}

/// Puts what was found to what was made before: of events that nothing has touched, all stays. Times are those of all events. What is
/// told of events lies in segments, and those that have some of them that were looked at are written. `None` if what belongs to a task is
/// not among what was looked at: then what was found cannot be right.
pub(super) fn merge(
    before: Option<&Before>,
    told: Told,
    found: Found<'_>,
    times: &[i64],
    segments: &[Range<u32>],
) -> Result<Option<Merged>, StoreError> {
    let mut merge = Merge::new(before, told, found);
    merge.take_ids();
    merge.take_evidence();
    let Some((tasks, changed)) = merge.regroup(times)? else {
        return Ok(None);
    };
    let kinds = merge.kinds(times);
    let renewed = Renewed {
        before,
        among: merge.among,
        store: merge.store,
        told: merge.told,
        roots: merge.roots,
        weighings: merge.weighings,
        times,
        changed: merge.changed,
        tasks,
    };
    Ok(Some(Merged {
        segments: renewed.write(segments)?,
        kinds,
        changed,
    }))
}

struct Merge<'m> {
    before: Option<&'m Before>,
    among: &'m Among,
    store: &'m Store,
    places: &'m Places,
    order: &'m Order,
    /// By event: the first one that ids alone join it to.
    roots: Vec<u32>,
    links: Links,
    cells: &'m [OfCell],
    told: Told,
    /// What was weighed now; it is numbered behind what was before.
    weighings: Vec<&'m Weighing>,
    /// The first event that was not there before.
    new: u32,
    /// By event that was looked at: whether its ids were joined, and whether it was decided what caused it.
    is_fresh: Vec<bool>,
    is_own: Vec<bool>,
    /// The causes that evidence gave before to what is decided anew.
    was: HashMap<u32, u32>,
    /// The tasks from before that are not as they were, by their first events.
    changed: HashSet<u32>,
}

impl<'m> Merge<'m> {
    fn new(before: Option<&'m Before>, told: Told, found: Found<'m>) -> Self {
        let looked_at = found.order.len();
        let mut is_own = vec![false; looked_at];
        for event in found.cells.iter().flat_map(|cell| &cell.own) {
            is_own[*event as usize] = true;
        }
        Self {
            before,
            among: found.among,
            store: found.store,
            places: found.places,
            order: found.order,
            roots: found.components.into_roots(),
            links: found.links,
            cells: found.cells,
            told,
            weighings: Vec::new(),
            new: found.fresh.new,
            is_fresh: match found.fresh.events {
                Some(fresh) => fresh.to_vec(),
                None => vec![true; looked_at],
            },
            is_own,
            was: HashMap::new(),
            changed: HashSet::default(),
        }
    }

    /// An event's task from before is not as it was.
    fn change(&mut self, event: u32) {
        // New ones are in none yet.
        if event < self.new {
            self.changed.insert(self.told.firsts[event as usize]);
        }
    }

    /// Takes over what ids join. What evidence said of events that were weighed again, or are joined otherwise, goes.
    fn take_ids(&mut self) {
        let among = self.among;
        let (links, mut reasons) = std::mem::take(&mut self.links).into_parts();
        reasons.renumber(|cause| among.all(cause));
        let first = self.told.reasons.append(reasons);
        if self.before.is_none() {
            // No second list of all links is made, nor of fragments.
            self.told.links = links;
            return;
        }
        for (event, link) in (0u32..).zip(moved(links, first)) {
            let at = event as usize;
            if self.is_fresh[at] {
                self.told.fragments[at] = among.all(self.roots[at]);
                self.told.links[at] = link;
                self.change(event);
            } else if self.is_own[at]
                && let Some(reason) = self.reason(event).filter(|reason| reason.is_evidence())
            {
                self.was.insert(event, reason.cause);
                self.told.links[at] = NO_REASON;
            }
        }
        let (is_fresh, is_own) = (&self.is_fresh, &self.is_own);
        let is_new = |event: u32| is_fresh[event as usize] || is_own[event as usize];
        self.told.weighed.retain(|(event, _)| !is_new(*event));
        let stays = |cause: &Cause| {
            let here = among.here(cause.effect);
            here.is_none_or(|here| !is_new(here))
        };
        self.told.causes.retain(stays);
    }

    /// Takes over what was told of cells. The first event of a fragment has no link by an id, and gets the one by evidence, as do others that
    /// no id ties to an earlier one.
    fn take_evidence(&mut self) {
        let among = self.among;
        let cells = self.cells;
        for cause in cells.iter().flat_map(|cell| &cell.found.causes) {
            self.told.causes.push(Cause {
                cause: among.all(cause.cause),
                effect: among.all(cause.effect),
                // As it is kept: what is told does not depend on whether it was read again.
                probability: (cause.probability * 1e6).round() / 1e6,
            });
        }
        for placed in cells.iter().flat_map(|cell| &cell.found.placed) {
            if let Some(link) = &placed.joined {
                let cause = among.all(link.cause);
                let reason = Reason::new(cause, KeyKind::Value, link.probability);
                let reason = self.told.reasons.push(reason, link.why.as_bytes());
                for event in &placed.events {
                    let known = &mut self.told.links[*event as usize];
                    if *known != NO_REASON {
                        continue;
                    }
                    *known = reason;
                    if self.was.remove(event) != Some(cause) {
                        self.change(*event);
                        self.change(link.cause);
                    }
                }
            }
            if let Some(weighing) = placed.weighing.as_deref() {
                let number = self.told.weighings.len() + self.weighings.len();
                let number = u32::try_from(number).unwrap_or(NONE);
                self.weighings.push(weighing);
                let events = placed.events.iter();
                self.told
                    .weighed
                    .extend(events.map(|event| (*event, number)));
            }
        }
        // Of two that tell of one event, the later one.
        self.told.weighed.sort_by_key(|(event, _)| *event);
        self.told.weighed.dedup_by(|later, earlier| {
            let is_same = later.0 == earlier.0;
            if is_same {
                *earlier = *later;
            }
            is_same
        });
        self.told.causes.sort_by_key(|cause| cause.effect);
        // What is left was joined before, and is not now.
        for event in std::mem::take(&mut self.was).into_keys() {
            self.change(event);
        }
    }

    /// Why an event is linked.
    fn reason(&self, event: u32) -> Option<Reason> {
        self.told.reasons.get(self.told.links[event as usize])
    }

    /// Makes tasks of the new events and of those whose tasks have changed. Gives the times, in order, at which these begin, or began,
    /// and those of which anything is told otherwise.
    fn regroup(&mut self, times: &[i64]) -> Result<Option<(NewTasks, Vec<i64>)>, StoreError> {
        let among = self.among;
        let looked_at = u32::try_from(self.order.len()).unwrap_or(NONE);
        // How many events of each task from before were looked at.
        let mut sizes: HashMap<u32, usize> = HashMap::new();
        let mut is_regrouped = vec![true; self.order.len()];
        for (event, is_regrouped) in (0..self.new).zip(&mut is_regrouped) {
            let first = self.told.firsts[event as usize];
            *is_regrouped = self.changed.contains(&first);
            if *is_regrouped {
                *sizes.entry(first).or_default() += 1;
            }
        }
        let before = self.before;
        let begin_before = |first: u32| -> Option<i64> {
            let index = &before?.index;
            Some(index.begin(index.task_of(first)?).unwrap_or(i64::MAX))
        };
        let mut begins: Vec<i64> = Vec::new();
        for first in &self.changed {
            let size = before.and_then(|before| {
                let task = before.index.task_of(*first)?;
                Some(before.index.size(task))
            });
            let (Some(begin), true) = (begin_before(*first), size == sizes.get(first).copied())
            else {
                return Ok(None);
            };
            begins.push(begin);
        }
        let mut joined = Joined::default();
        for event in (0..looked_at).filter(|event| is_regrouped[*event as usize]) {
            if let Some(reason) = self.reason(event).filter(|reason| reason.is_evidence()) {
                let Some(cause) = among.here(reason.cause) else {
                    return Ok(None);
                };
                joined.union(self.roots[cause as usize], self.roots[event as usize]);
            }
        }
        let tasks = self.tasks_of(&mut joined, &is_regrouped, times)?;
        begins.extend(&tasks.begins);
        for (event, _) in (0u32..).zip(&self.is_own).filter(|(_, is_own)| **is_own) {
            let first = self.told.firsts[event as usize];
            match tasks.firsts.binary_search(&first) {
                Ok(_) => {}
                Err(_) => begins.extend(begin_before(first)),
            }
        }
        begins.sort_unstable();
        begins.dedup();
        Ok(Some((tasks, begins)))
    }

    /// The tasks of some events that hold all of theirs: members in their order. What is told of the first events of tasks is then of
    /// these.
    fn tasks_of(
        &mut self,
        joined: &mut Joined,
        is_one: &[bool],
        times: &[i64],
    ) -> Result<NewTasks, StoreError> {
        let (order, among) = (self.order, self.among);
        let Grouped {
            mut events,
            ends,
            mut group_of,
        } = grouped(&self.roots, joined, is_one);
        let firsts = ranges(&ends).map(|members| among.all(events[members.start]));
        let firsts: Vec<u32> = firsts.collect();
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
        let least = least_ids(self.store, self.places, &group_of, ends.len())?;
        let ids = least.iter().map(|id| Digest::of(&id.0)).collect();
        // The first event of a task takes the place of its number.
        for group in &mut group_of {
            *group = firsts.get(*group as usize).copied().unwrap_or(NONE);
        }
        if self.told.firsts.is_empty() {
            self.told.firsts = group_of;
        } else {
            let firsts = self.told.firsts.iter_mut().zip(group_of);
            firsts
                .filter(|(_, new)| *new != NONE)
                .for_each(|(first, new)| *first = new);
        }
        let kinds = ranges(&ends).map(|members| {
            let kinds = events[members].iter().map(|event| order.kind(*event));
            kinds.fold(0, |kinds, kind| kinds | bit(kind))
        });
        let kinds: Vec<u32> = kinds.collect();
        for event in &mut events {
            *event = among.all(*event);
        }
        let begins = ranges(&ends).map(|members| {
            let times = events[members].iter().map(|event| times[*event as usize]);
            times.min().unwrap_or(i64::MAX)
        });
        Ok(NewTasks {
            begins: begins.collect(),
            kinds,
            events,
            ends,
            firsts,
            ids,
        })
    }

    /// Events by kind, and those without a time.
    fn kinds(&self, times: &[i64]) -> Vec<u64> {
        let before = self.before.map(|before| before.overall.kinds.clone());
        let mut kinds = before.unwrap_or_default();
        kinds.resize(Kind::ALL.len() + 1, 0);
        let looked_at = u32::try_from(self.order.len()).unwrap_or(NONE);
        for event in self.new..looked_at {
            kinds[self.order.kind(event) as usize] += 1;
        }
        let untimed = times.iter().filter(|time| **time == i64::MAX);
        kinds[Kind::ALL.len()] = untimed.count() as u64;
        kinds
    }
}
