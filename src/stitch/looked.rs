//! What was told before of the events that are looked at.

use std::ops::Range;

use foldhash::HashMap;

use super::index::{Among, Before, NO_REASON, Reasons, Segment, Texts};
use super::merge::NONE;
use super::weigh::Cause;
use crate::store::Store;

/// What is told of the events that are looked at, in their order: causes and first events by their numbers among all.
#[derive(Default)]
pub(super) struct Told {
    /// The first event of each event's task.
    pub firsts: Vec<u32>,
    /// The first event that ids alone join each to.
    pub fragments: Vec<u32>,
    /// The number of the reason for which each is linked.
    pub links: Vec<u32>,
    pub reasons: Reasons,
    /// Events for which something was weighed, in order, and the number of that.
    pub weighed: Vec<(u32, u32)>,
    pub weighings: Texts,
    /// Of whole segments, whatever of them is looked at.
    pub causes: Vec<Cause>,
    /// Segments from before, and the numbers here of the first of their reasons and of what was weighed.
    pub segments: HashMap<usize, (u32, u32)>,
}

impl Told {
    /// What was told before; `segments` are those that there are now. `None` if that is not as it was written.
    pub(super) fn before(
        before: &Before,
        store: &Store,
        among: &Among,
        segments: &[Range<u32>],
    ) -> Option<Self> {
        let mut told = Self::default();
        // New events are added to the last one.
        let of_before = before.index.segments().iter().zip(segments).enumerate();
        for (number, _) in of_before.filter(|(_, (before, now))| before.events != **now) {
            told.segment(before, store, number)?;
        }
        for (there, here) in among.ranges().filter(|(there, _)| !there.is_empty()) {
            if there.start as usize >= before.events() {
                told.resize(here.end as usize);
                continue;
            }
            let number = before.segment_of(store, there.start)?;
            let (segment, (reason, weighing)) = told.segment(before, store, number)?;
            let place = |event: u32| (event - segment.events.start) as usize;
            let known = segment.told(place(there.start)..place(there.end));
            let firsts = segment.firsts();
            let first = |(event, task): (u32, u32)| match firsts.get(task as usize) {
                Some(first) if *first == event => event,
                _ => task,
            };
            told.firsts.extend(there.zip(known.task_of).map(first));
            told.fragments.extend(known.fragments);
            told.links.extend(moved(known.links, reason));
            let weighed = here.zip(moved(known.weighing_of, weighing));
            told.weighed
                .extend(weighed.filter(|(_, number)| *number != NONE));
        }
        Some(told)
    }

    /// A segment from before, with the numbers here of the first of its reasons and of what was weighed.
    fn segment<'b>(
        &mut self,
        before: &'b Before,
        store: &Store,
        number: usize,
    ) -> Option<(&'b Segment, (u32, u32))> {
        let segment = before.segment(store, number)?;
        let firsts = match self.segments.get(&number) {
            Some(known) => *known,
            None => {
                let (reasons, weighings) = segment.texts()?;
                self.causes.extend_from_slice(segment.causes());
                let firsts = (
                    self.reasons.append(reasons),
                    self.weighings.append(weighings),
                );
                self.segments.insert(number, firsts);
                firsts
            }
        };
        Some((segment, firsts))
    }

    /// Nothing is told of further events.
    fn resize(&mut self, events: usize) {
        self.firsts.resize(events, NONE);
        self.fragments.resize(events, NONE);
        self.links.resize(events, NO_REASON);
    }
}

/// Numbers that are counted from there, as far as they are numbers of anything.
pub(super) fn moved(numbers: Vec<u32>, first: u32) -> impl Iterator<Item = u32> {
    let numbers = numbers.into_iter();
    numbers.map(move |number| match number {
        NONE => NONE,
        number => number + first,
    })
}
