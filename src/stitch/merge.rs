//! What was made before and what was found now, put together.
//!
//! Numbers of values and of what was weighed follow the order of the events, so that the index says the same in the same bytes, however
//! many batches it was made in.

use std::convert::Infallible;
use std::ops::Range;

use foldhash::{HashMap, HashMapExt};

use super::closure::{Components, Fresh};
use super::facts::Facts;
use super::index::{Among, LinkOf, Links, Parts, json};
use super::weigh::{Cause, OfCell};
use crate::model::{Digest, KeyKind, Kind};
use crate::store::{StoreError, side_by_side};

/// Tasks that a core takes at once.
const AT_ONCE: usize = 1 << 12;
/// No number.
const NONE: u32 = u32::MAX;

/// What was found in the parts that were looked at; events have their numbers there.
pub(super) struct Found<'f> {
    pub among: &'f Among,
    pub facts: &'f Facts,
    pub fresh: &'f Fresh<'f>,
    /// What ids join.
    pub components: Components,
    /// Why.
    pub links: Links,
    /// What was told of the cells that were looked at.
    pub cells: &'f [OfCell],
}

/// An id and members of each task, in the order of the ids.
type Tasks = Vec<(Digest, Box<[u32]>)>;

/// Puts what was found to what was made before, which `of` is: of events that nothing has touched, all stays. Times are all there
/// already; hubs, clocks and what it was made from are not looked at. `None` if what belongs to a task is not among what was
/// looked at: then what was found cannot be right.
pub(super) fn merge(of: &mut Parts, mut found: Found<'_>) -> Result<Option<()>, StoreError> {
    let (old, all) = (of.fragments.len(), of.times.len());
    let mut is_fresh = vec![true; found.facts.ids.len()];
    if let Some(fresh) = found.fresh.events {
        is_fresh.copy_from_slice(fresh);
    }
    of.fragments.resize(all, NONE);
    of.links.resize(all, LinkOf::NOT_SET);
    of.weighing_of.resize(all, NONE);
    let (of_links, texts) = found.links.into_parts();
    let first_text = u32::try_from(of.values.len()).unwrap_or(NONE);
    for text in &texts {
        of.values.push(text.as_bytes());
    }
    drop(texts);
    // Events that were in no cell that was looked at, and are not new, stay as they are: the link by evidence of the others goes.
    let mut was: HashMap<u32, u32> = HashMap::new();
    let own = found.cells.iter().flat_map(|cell| cell.own.iter().copied());
    let mut is_own = vec![false; is_fresh.len()];
    own.for_each(|event| is_own[event as usize] = true);
    for (there, here) in found.among.ranges() {
        for (of_all, event) in there.zip(here) {
            let (at, here) = (of_all as usize, event as usize);
            if is_fresh[here] {
                of.fragments[at] = found.among.all(found.components.find(event));
                let link = of_links[here];
                of.links[at] = link.moved(|cause| found.among.all(cause), first_text);
            } else if is_own[here] && of.links[at].is_by_evidence() {
                was.insert(of_all, of.links[at].cause);
                of.links[at] = LinkOf::NOT_SET;
            }
            if is_fresh[here] || is_own[here] {
                of.weighing_of[at] = NONE;
            }
        }
    }
    drop(of_links);
    let stays = |cause: &Cause| {
        let here = found.among.here(cause.effect);
        here.is_none_or(|here| !is_fresh[here as usize] && !is_own[here as usize])
    };
    of.causes.retain(stays);
    // Tasks that are not as they were.
    let mut changed = vec![false; of.task_ids.len()];
    let mut change = |event: u32| {
        if (event as usize) < old {
            changed[of.task_of[event as usize] as usize] = true;
        }
    };
    for told in found.cells.iter().flat_map(|cell| &cell.found) {
        let events: Vec<u32> = told
            .events
            .iter()
            .map(|event| found.among.all(*event))
            .collect();
        if let Some(link) = &told.joined {
            let cause = found.among.all(link.cause);
            let value = of.values.push(link.why.as_bytes());
            for event in &events {
                let known = &mut of.links[*event as usize];
                if known.is_set() {
                    continue;
                }
                *known = LinkOf::new(cause, (KeyKind::Value, value), link.probability);
                if was.remove(event) != Some(cause) {
                    change(*event);
                    change(cause);
                }
            }
        }
        of.causes.extend(told.causes.iter().map(|one| Cause {
            cause: found.among.all(one.cause),
            effect: found.among.all(one.effect),
            ..*one
        }));
        if let Some(weighing) = &told.weighing {
            let mut weighing = weighing.clone();
            weighing.best.event = found.among.all(weighing.best.event);
            if let Some(other) = &mut weighing.runner_up {
                other.event = found.among.all(other.event);
            }
            let number = of.weighings.push(&json(&weighing)?);
            for event in &events {
                of.weighing_of[*event as usize] = number;
            }
        }
    }
    of.causes.sort_by_key(|cause| cause.effect);
    // What is left was joined before, and is not now.
    was.into_keys().for_each(&mut change);
    for (there, here) in found.among.ranges() {
        let fresh = there
            .zip(here)
            .filter(|(_, event)| is_fresh[*event as usize]);
        fresh.for_each(|(of_all, _)| change(of_all));
    }
    let new = u32::try_from(old).unwrap_or(NONE)..u32::try_from(all).unwrap_or(NONE);
    let tasks = (0..changed.len()).filter(|task| changed[*task]);
    let members = tasks
        .flat_map(|task| &of.members[bounds(&of.starts, task)])
        .copied();
    let events = members
        .chain(new.clone())
        .map(|event| found.among.here(event));
    let Some(mut events) = events.collect::<Option<Vec<u32>>>() else {
        return Ok(None);
    };
    // Of one order, whatever they were before.
    events.sort_unstable();
    for event in &events {
        let link = of.links[found.among.all(*event) as usize];
        if link.is_by_evidence() {
            let Some(cause) = found.among.here(link.cause) else {
                return Ok(None);
            };
            found.components.union(cause, *event);
        }
    }
    let tasks = tasks_of(found.facts, &mut found.components, &events, found.among);
    put(of, &changed, tasks);
    let kinds = new.clone().filter_map(|event| found.among.here(event));
    of.kinds.resize(Kind::ALL.len() + 1, 0);
    kinds.for_each(|event| of.kinds[found.facts.kind(event) as usize] += 1);
    of.kinds[Kind::ALL.len()] = of.times.iter().filter(|time| **time == i64::MAX).count() as u64;
    let links = of.links.iter_mut().filter(|link| link.is_set());
    of.values = of.values.by_use(links.map(|link| &mut link.value));
    let weighed = of.weighing_of.iter_mut().filter(|number| **number != NONE);
    of.weighings = of.weighings.by_use(weighed);
    Ok(Some(()))
}

fn bounds(starts: &[u32], task: usize) -> Range<usize> {
    starts[task] as usize..starts[task + 1] as usize
}

/// The tasks of some events that hold all of theirs: members in their order, by their numbers among all.
fn tasks_of(facts: &Facts, components: &mut Components, events: &[u32], among: &Among) -> Tasks {
    // Members of a component come together at the place of its root.
    let roots: Vec<u32> = events.iter().map(|event| components.find(*event)).collect();
    let mut ends = vec![0u32; facts.ids.len()];
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
    for (event, root) in events.iter().zip(&roots) {
        let next = &mut ends[*root as usize];
        grouped[*next as usize] = *event;
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
            members
                .iter_mut()
                .for_each(|event| *event = among.all(*event));
            (id, members.into_boxed_slice())
        });
        Ok::<Tasks, Infallible>(of_each.collect())
    });
    let mut sorted: Tasks = sorted.into_iter().flatten().collect();
    sorted.sort_unstable_by_key(|task| task.0);
    sorted
}

/// Puts new tasks in the place of those that are no more.
fn put(of: &mut Parts, changed: &[bool], new: Tasks) {
    let stay = (0..changed.len()).filter(|task| !changed[*task]);
    let mut stay = stay.peekable();
    let count = new.len() + stay.clone().count();
    let mut task_ids = Vec::with_capacity(count);
    let (mut begins, mut firsts) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let mut starts = Vec::with_capacity(count + 1);
    starts.push(0u32);
    let mut members: Vec<u32> = Vec::with_capacity(of.times.len());
    let mut numbers = vec![NONE; changed.len()];
    let mut task_of = vec![NONE; of.times.len()];
    let mut new = new.into_iter().peekable();
    while new.peek().is_some() || stay.peek().is_some() {
        let number = u32::try_from(task_ids.len()).unwrap_or(NONE);
        let id = new.peek().map(|task| task.0);
        if let Some(task) = stay.next_if(|task| id.is_none_or(|id| of.task_ids[*task] < id)) {
            numbers[task] = number;
            task_ids.push(of.task_ids[task]);
            begins.push(of.begins[task]);
            firsts.push(of.firsts[task]);
            members.extend_from_slice(&of.members[bounds(&of.starts, task)]);
        } else if let Some((id, events)) = new.next() {
            let times = events.iter().map(|event| of.times[*event as usize]);
            task_ids.push(id);
            begins.push(times.min().unwrap_or(i64::MAX));
            firsts.push(events.iter().copied().min().unwrap_or(NONE));
            for event in &events {
                task_of[*event as usize] = number;
            }
            members.extend_from_slice(&events);
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
}
