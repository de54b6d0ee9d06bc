//! Segments of the index that are not as they were, written anew.

use std::ops::Range;

use foldhash::HashSet;

use super::index::{Among, Before, Described, InUse, NewSegment, Segment};
use super::merge::{NONE, NewTasks, Told, moved, moved_links};
use super::weigh::Cause;
use crate::model::Digest;
use crate::store::{Store, StoreError};

/// What is known of the events that were looked at, and of tasks.
pub(super) struct Renewed<'r> {
    pub before: Option<&'r Before>,
    pub among: &'r Among,
    pub store: &'r Store,
    pub told: Told,
    /// Times of all events.
    pub times: &'r [i64],
    /// First events of the tasks from before that are no more.
    pub changed: HashSet<u32>,
    pub tasks: NewTasks,
}

/// Texts that are in use in a segment.
struct Texts<'t> {
    values: InUse<'t>,
    weighings: InUse<'t>,
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
        let mut texts = Texts {
            values: InUse::of(&self.told.values),
            weighings: InUse::of(&self.told.weighings),
        };
        let mut described = Vec::with_capacity(segments.len());
        for (number, events) in segments.iter().enumerate() {
            let before = self.before.and_then(|of| of.index.segments().get(number));
            let known = before.map(|before| &before.described);
            if let (Some(known), false) = (known, self.told.segments.contains_key(&number)) {
                described.push(known.clone());
                continue;
            }
            let new = self.segment(number, events, before, &mut texts);
            described.push(new.write(&self.store.layout().root, number, known)?);
        }
        Ok(described)
    }

    fn segment(
        &self,
        number: usize,
        events: &Range<u32>,
        before: Option<&Segment>,
        texts: &mut Texts<'_>,
    ) -> NewSegment {
        let place = |event: u32| (event - events.start) as usize;
        let first_texts = self.told.segments.get(&number).copied();
        let (value, weighing) = first_texts.unwrap_or_default();
        let mut new = NewSegment::of(self.times[place_of(events)].to_vec());
        let from_before = |new: &mut NewSegment, some: Range<u32>| {
            let Some(before) = before else { return };
            let known = before.told(place(some.start)..place(some.end));
            new.task_of.extend(known.task_of);
            new.fragments.extend(known.fragments);
            new.links.extend(moved_links(known.links, value));
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
            new.fragments.extend(&self.told.fragments[here.clone()]);
            new.links.extend(&self.told.links[here.clone()]);
            new.weighing_of.extend(&self.told.weighing_of[here]);
            next = there.end;
        }
        from_before(&mut new, next..events.end);
        let links = new.links.iter_mut().filter(|link| link.is_set());
        new.values = texts.values.take(links.map(|link| &mut link.value));
        let weighed = new.weighing_of.iter_mut().filter(|at| **at != NONE);
        new.weighings = texts.weighings.take(weighed);
        new.causes = self.causes(events).to_vec();
        for (id, task) in self.tasks_in(events, before) {
            let (first, begin) = match (task, before) {
                (Task::Old(task), Some(before)) => {
                    new.members.extend(before.members(task));
                    (before.first(task), before.begin(task))
                }
                (Task::Old(_), None) => continue,
                (Task::New(task), _) => {
                    new.members.extend(self.tasks.members(task));
                    (self.tasks.firsts[task], self.tasks.begins[task])
                }
            };
            new.task_of[place(first)] = u32::try_from(new.ids.len()).unwrap_or(NONE);
            new.ids.push(id);
            new.firsts.push(first);
            new.begins.push(begin);
            let end = u32::try_from(new.members.len()).unwrap_or(NONE);
            new.starts.push(end);
        }
        new
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
            let stay = of_before.filter(|(_, (_, first))| !self.changed.contains(*first));
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
