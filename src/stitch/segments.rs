//! Segments of the index that are not as they were, written anew.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use foldhash::{HashMap, HashMapExt, HashSet};

use super::index::{Among, Before, Described, InUse, NewSegment, Segment, Texts, json};
use super::looked::{Told, moved};
use super::merge::{NONE, NewTasks};
use super::weigh::{Cause, Weighing};
use crate::model::Digest;
use crate::store::{Store, StoreError, side_by_side};

/// What is known of the events that were looked at, and of tasks.
pub(super) struct Renewed<'r> {
    pub before: Option<&'r Before>,
    pub among: &'r Among,
    pub store: &'r Store,
    pub told: Told,
    /// The first events of fragments, if nothing was told of them before.
    pub roots: Vec<u32>,
    /// What was weighed now, numbered behind what was before; candidates have their numbers here.
    pub weighings: Vec<&'r Weighing>,
    /// Times of all events.
    pub times: &'r [i64],
    /// First events of the tasks from before that are no more.
    pub changed: HashSet<u32>,
    pub tasks: NewTasks,
}

/// A task of a segment.
#[derive(Clone, Copy)]
enum Task {
    /// Its place in the segment from before.
    Old(usize),
    /// Its place among the new ones.
    New(usize),
}

impl Renewed<'_> {
    /// Writes the segments of which anything was looked at, or is new, and gives all of them.
    ///
    /// # Errors
    /// One cannot be written.
    pub(super) fn write(&self, segments: &[Range<u32>]) -> Result<Vec<Described>, StoreError> {
        // One for each core: it has room for all reasons.
        let in_use: Mutex<Vec<InUse<'_>>> = Mutex::default();
        let in_use = || in_use.lock().unwrap_or_else(PoisonError::into_inner);
        let numbered: Vec<(usize, &Range<u32>)> = segments.iter().enumerate().collect();
        side_by_side(&numbered, |(number, events)| {
            let before = self.before.and_then(|of| of.index.segments().get(*number));
            let known = before.map(|before| &before.described);
            if let (Some(known), false) = (known, self.told.segments.contains_key(number)) {
                return Ok(known.clone());
            }
            let free = in_use().pop();
            let mut own = free.unwrap_or_else(|| InUse::of(&self.told.reasons));
            let new = self.segment(*number, events, before, &mut own)?;
            in_use().push(own);
            new.write(&self.store.layout().root, *number, known)
        })
    }

    fn segment(
        &self,
        number: usize,
        events: &Range<u32>,
        before: Option<&Segment>,
        in_use: &mut InUse<'_>,
    ) -> Result<NewSegment, StoreError> {
        let place = |event: u32| (event - events.start) as usize;
        let first_texts = self.told.segments.get(&number).copied();
        let (reason, weighing) = first_texts.unwrap_or_default();
        let mut new = NewSegment::of(self.times[place_of(events)].to_vec());
        let from_before = |new: &mut NewSegment, some: Range<u32>| {
            let Some(before) = before else { return };
            let known = before.told(place(some.start)..place(some.end));
            new.task_of.extend(known.task_of);
            new.fragments.extend(known.fragments);
            new.links.extend(moved(known.links, reason));
            new.weighing_of.extend(moved(known.weighing_of, weighing));
        };
        let mut next = events.start;
        let looked_at = self.among.ranges();
        for (there, here) in looked_at.filter(|(there, _)| events.contains(&there.start)) {
            if there.is_empty() {
                continue;
            }
            from_before(&mut new, next..there.start);
            let here = place_of(&here);
            new.task_of.extend(&self.told.firsts[here.clone()]);
            new.fragments.extend(&self.fragments()[here.clone()]);
            new.links.extend(&self.told.links[here.clone()]);
            let first = new.weighing_of.len();
            new.weighing_of.resize(first + here.len(), NONE);
            for (event, number) in self.weighed(&here) {
                new.weighing_of[first + *event as usize - here.start] = *number;
            }
            next = there.end;
        }
        from_before(&mut new, next..events.end);
        new.reasons = in_use.take(&mut new.links);
        new.weighings = self.weighings(&mut new.weighing_of)?;
        new.causes = self.causes(events).to_vec();
        for (id, task) in self.tasks_in(events, before) {
            let (first, begin, kinds) = match (task, before) {
                (Task::Old(task), Some(before)) => {
                    new.members.extend(before.members(task));
                    (before.first(task), before.begin(task), before.kinds(task))
                }
                (Task::Old(_), None) => continue,
                (Task::New(task), _) => {
                    new.members.extend(self.tasks.members(task));
                    let NewTasks {
                        firsts,
                        begins,
                        kinds,
                        ..
                    } = &self.tasks;
                    (firsts[task], begins[task], kinds[task])
                }
            };
            new.task_of[place(first)] = u32::try_from(new.ids.len()).unwrap_or(NONE);
            new.ids.push(id);
            new.firsts.push(first);
            new.begins.push(begin);
            new.kinds.push(kinds);
            let end = u32::try_from(new.members.len()).unwrap_or(NONE);
            new.starts.push(end);
        }
        Ok(new)
    }

    fn fragments(&self) -> &[u32] {
        match self.before {
            Some(_) => &self.told.fragments,
            None => &self.roots,
        }
    }

    /// Those of some events for which something was weighed, and the number of that.
    fn weighed(&self, events: &Range<usize>) -> &[(u32, u32)] {
        let all = &self.told.weighed;
        let from = |event: usize| all.partition_point(|(of, _)| (*of as usize) < event);
        &all[from(events.start)..from(events.end)]
    }

    /// What was weighed, as JSON, of those numbers, which are replaced: in the order in which they are used first.
    fn weighings(&self, used: &mut [u32]) -> Result<Texts, StoreError> {
        let mut numbers: HashMap<u32, u32> = HashMap::new();
        let mut taken = Texts::default();
        for number in used.iter_mut().filter(|number| **number != NONE) {
            if let Some(known) = numbers.get(number) {
                *number = *known;
                continue;
            }
            let new = match (*number as usize).checked_sub(self.told.weighings.len()) {
                None => taken.push(self.told.weighings.get(*number)),
                Some(at) => {
                    let mut weighing = self.weighings[at].clone();
                    for candidate in weighing.candidates() {
                        candidate.event = self.among.all(candidate.event);
                    }
                    taken.push(&json(&weighing)?)
                }
            };
            numbers.insert(*number, new);
            *number = new;
        }
        Ok(taken)
    }

    /// What caused one of some events.
    fn causes(&self, events: &Range<u32>) -> &[Cause] {
        let all = &self.told.causes;
        let from = |event: u32| all.partition_point(|cause| cause.effect < event);
        &all[from(events.start)..from(events.end)]
    }

    /// The tasks whose first events are among some, in the order of their ids.
    fn tasks_in(&self, events: &Range<u32>, before: Option<&Segment>) -> Vec<(Digest, Task)> {
        let mut tasks: Vec<(Digest, Task)> = Vec::new();
        if let Some(before) = before {
            let of_before = before.ids().iter().zip(before.firsts()).enumerate();
            // A list that somebody wrote for files of theirs says nothing of what is in them.
            let stay = of_before
                .filter(|(_, (_, first))| events.contains(first) && !self.changed.contains(*first));
            tasks.extend(stay.map(|(task, (id, _))| (*id, Task::Old(task))));
        }
        let new = self.tasks.with_first(events);
        tasks.extend(new.map(|task| (self.tasks.ids[task], Task::New(task))));
        tasks.sort_unstable_by_key(|task| task.0);
        tasks
    }
}

fn place_of(events: &Range<u32>) -> Range<usize> {
    events.start as usize..events.end as usize
}
