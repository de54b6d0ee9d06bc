//! Segments of an index: what is told of the events of parts that follow each other, and of the tasks whose first events are
//! among them.
//!
//! Numbers of events never change, and a new batch comes behind the others: so a segment that nothing has touched stays as it is, in
//! its files, and is not read.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash64;

use super::super::column::{Column, Source};
use super::super::weigh::Cause;
use super::columns::{Hashed, Tasks, When, text_at};
use super::links::{NO_REASON, Reason, Reasons};
use super::parts::Texts;
use crate::model::{Digest, KeyKind};
use crate::store::{StoreError, write_in_pieces};

/// What the head of an index says of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::stitch) struct Described {
    /// Its files, below the store's folder.
    pub times: String,
    pub tasks: String,
    /// How many events it has, and tasks.
    pub events: u32,
    pub count: u32,
    /// How many values the columns of each file have.
    pub lens: [Vec<u64>; 2],
    /// First and last time of an event, microseconds UTC, if one has a time.
    pub span: Option<(i64, i64)>,
    /// Links by kind of key, in the order of [`KeyKind::ALL`].
    pub links: Vec<u64>,
}

/// A segment, in its files.
#[derive(Debug)]
pub(in crate::stitch) struct Segment {
    pub described: Described,
    /// Numbers of its events.
    pub events: Range<u32>,
    /// Number of its first task.
    pub first_task: usize,
    pub(super) when: When,
    pub(super) tasks: Tasks,
    pub(super) sources: [Arc<Source>; 2],
}

impl Segment {
    /// Opens a segment whose events and tasks are numbered from there; `None` if its files are not there, or are of other lengths than
    /// they should be.
    pub(super) fn open(
        root: &Path,
        described: Described,
        first_event: u32,
        first_task: usize,
    ) -> Option<Self> {
        let [times, of] = [&described.times, &described.tasks].map(|name| {
            let source = Source::open(&root.join(name)).ok()?;
            Some(Arc::new(source))
        });
        let sources = [times?, of?];
        let [of_times, of_tasks] = &described.lens;
        let when = When::open(&sources[0], 0, of_times)?;
        let tasks = Tasks::open(&sources[1], 0, of_tasks)?;
        let (events, count) = (described.events as usize, described.count as usize);
        let by_event = [
            &tasks.task_of,
            &tasks.links,
            &tasks.fragments,
            &tasks.weighing_of,
        ];
        let is_sound = by_event.iter().all(|column| column.len() == events)
            && when.times.len() == events
            && [when.begins.len(), when.kinds.len()] == [count; 2]
            && [tasks.ids.len(), tasks.firsts.len()] == [count; 2]
            && when.starts.len() == count + 1
            && described.links.len() == KeyKind::ALL.len();
        is_sound.then_some(Self {
            events: first_event..first_event.checked_add(described.events)?,
            first_task,
            described,
            when,
            tasks,
            sources,
        })
    }

    /// Number of its tasks.
    pub(in crate::stitch) fn count(&self) -> usize {
        self.described.count as usize
    }

    /// The number behind that of its last task.
    pub(in crate::stitch) fn last_task(&self) -> usize {
        self.first_task + self.count()
    }

    /// Where the members of one of its tasks begin and end.
    pub(in crate::stitch) fn bounds(&self, task: usize) -> (usize, usize) {
        let start = self.when.starts.get(task);
        let end = self.when.starts.get(task + 1);
        (start as usize, end.max(start) as usize)
    }

    /// Lets go of what was read of its files.
    pub(super) fn forget(&mut self) {
        self.when.forget();
        self.tasks.forget();
    }

    /// When its events were.
    pub(in crate::stitch) fn times(&self) -> &[i64] {
        self.when.times.whole()
    }

    /// When its tasks begin, and how many events each has.
    pub(in crate::stitch) fn sizes(&self) -> impl Iterator<Item = (i64, usize)> {
        let starts = self.when.starts.whole();
        let begins = self.when.begins.whole().iter().copied();
        let sizes = starts
            .windows(2)
            .map(|of| of[1].saturating_sub(of[0]) as usize);
        begins.zip(sizes)
    }

    /// What is told of some of its events, by their places in it.
    pub(in crate::stitch) fn told(&self, events: Range<usize>) -> ToldBefore {
        let Range { start, end } = events;
        ToldBefore {
            task_of: self.tasks.task_of.range(start, end),
            links: self.tasks.links.range(start, end),
            fragments: self.tasks.fragments.range(start, end),
            weighing_of: self.tasks.weighing_of.range(start, end),
        }
    }

    /// The reasons of its links, and what was weighed; `None` if numbers of them that are told of events are of none.
    pub(in crate::stitch) fn texts(&self) -> Option<(Reasons, Texts)> {
        let all = |column: &Column<u64>| column.range(0, column.len());
        let text = |column: &Column<u8>| column.range(0, column.len());
        let values = Texts::new(all(&self.tasks.value_ends), text(&self.tasks.value_text))?;
        let weighings = Texts::new(
            all(&self.tasks.weighing_ends),
            text(&self.tasks.weighing_text),
        )?;
        let of = self.tasks.reasons.range(0, self.tasks.reasons.len());
        let mut links = self.tasks.links.whole().iter();
        let mut weighed = self.tasks.weighing_of.whole().iter();
        let is_sound = of.len() == values.len()
            && links.all(|link| *link == NO_REASON || (*link as usize) < of.len())
            && weighed.all(|at| *at == u32::MAX || (*at as usize) < weighings.len());
        is_sound.then_some((Reasons { of, values }, weighings))
    }

    pub(in crate::stitch) fn causes(&self) -> &[Cause] {
        self.tasks.causes.whole()
    }

    /// Ids of its tasks, in order.
    pub(in crate::stitch) fn ids(&self) -> &[Digest] {
        self.tasks.ids.whole()
    }

    /// The first event of each of its tasks.
    pub(in crate::stitch) fn firsts(&self) -> &[u32] {
        self.tasks.firsts.whole()
    }

    /// The first event of one of its tasks.
    pub(in crate::stitch) fn first(&self, task: usize) -> u32 {
        self.tasks.firsts.get(task)
    }

    /// Time of the earliest event of one of its tasks; `i64::MAX` if none has one.
    pub(in crate::stitch) fn begin(&self, task: usize) -> i64 {
        self.when.begins.get(task)
    }

    /// The kinds of the events of one of its tasks, a bit each.
    pub(in crate::stitch) fn kinds(&self, task: usize) -> u32 {
        self.when.kinds.get(task)
    }

    /// Members of one of its tasks, in order.
    pub(in crate::stitch) fn members(&self, task: usize) -> Vec<u32> {
        let (start, end) = self.bounds(task);
        self.tasks.members.range(start, end)
    }

    /// Why the event at that place in it is linked, by number, if it is.
    pub(super) fn reason(&self, at: usize) -> Option<(u32, Reason)> {
        let number = self.tasks.links.get(at);
        let reason = (number != NO_REASON).then(|| self.tasks.reasons.get(number as usize))?;
        Some((number, reason))
    }

    /// The value of a reason.
    pub(super) fn value(&self, number: u32) -> Option<Vec<u8>> {
        let (ends, text) = (&self.tasks.value_ends, &self.tasks.value_text);
        text_at(ends, text, number as usize)
    }

    /// What was weighed for the event at that place in it, as JSON.
    pub(super) fn weighing(&self, at: usize) -> Option<Vec<u8>> {
        let number = self.tasks.weighing_of.get(at);
        let (ends, text) = (&self.tasks.weighing_ends, &self.tasks.weighing_text);
        (number != u32::MAX).then(|| text_at(ends, text, number as usize))?
    }
}

/// What is told of some events of a segment, with its numbers.
pub(in crate::stitch) struct ToldBefore {
    pub task_of: Vec<u32>,
    pub links: Vec<u32>,
    pub fragments: Vec<u32>,
    pub weighing_of: Vec<u32>,
}

/// A segment that was made.
pub(in crate::stitch) struct NewSegment {
    pub times: Vec<i64>,
    pub begins: Vec<i64>,
    pub starts: Vec<u32>,
    pub kinds: Vec<u32>,
    pub task_of: Vec<u32>,
    pub ids: Vec<Digest>,
    pub firsts: Vec<u32>,
    pub members: Vec<u32>,
    /// By number, from 0, `u32::MAX` for none.
    pub links: Vec<u32>,
    pub fragments: Vec<u32>,
    pub reasons: Reasons,
    pub causes: Vec<Cause>,
    pub weighing_of: Vec<u32>,
    pub weighings: Texts,
}

impl NewSegment {
    /// Of events at those times, of which nothing is told yet, without tasks.
    pub(in crate::stitch) fn of(times: Vec<i64>) -> Self {
        let events = times.len();
        Self {
            begins: Vec::new(),
            starts: vec![0],
            kinds: Vec::new(),
            task_of: Vec::with_capacity(events),
            ids: Vec::new(),
            firsts: Vec::new(),
            members: Vec::new(),
            links: Vec::with_capacity(events),
            fragments: Vec::with_capacity(events),
            reasons: Reasons::default(),
            causes: Vec::new(),
            weighing_of: Vec::with_capacity(events),
            weighings: Texts::default(),
            times,
        }
    }

    /// Writes its files below a store's folder, those apart that are as one from before has them.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(in crate::stitch) fn write(
        self,
        root: &Path,
        number: usize,
        before: Option<&Described>,
    ) -> Result<Described, StoreError> {
        let (events, count) = (self.times.len(), self.ids.len());
        let times = || self.times.iter().filter(|time| **time != i64::MAX);
        let span = times().min().copied().zip(times().max().copied());
        let mut links = vec![0; KeyKind::ALL.len()];
        for link in &self.links {
            if let Some(kind) = self.reasons.get(*link).and_then(Reason::kind) {
                links[kind as usize] += 1;
            }
        }
        let when = When {
            times: Column::Held(self.times),
            begins: Column::Held(self.begins),
            starts: Column::Held(self.starts),
            kinds: Column::Held(self.kinds),
        };
        let (Reasons { of, values }, weighings) = (self.reasons, self.weighings);
        let tasks = Tasks {
            task_of: Column::Held(self.task_of),
            ids: Column::Held(self.ids),
            firsts: Column::Held(self.firsts),
            members: Column::Held(self.members),
            links: Column::Held(self.links),
            reasons: Column::Held(of),
            fragments: Column::Held(self.fragments),
            value_ends: Column::Held(values.ends),
            value_text: Column::Held(values.text),
            causes: Column::Held(self.causes),
            weighing_of: Column::Held(self.weighing_of),
            weighing_ends: Column::Held(weighings.ends),
            weighing_text: Column::Held(weighings.text),
        };
        let failed = |name: &str| StoreError::io("writing", root.join(name));
        let save = |of: &str, put: &dyn Fn(&mut dyn std::io::Write) -> std::io::Result<()>| {
            let mut hashed = Hashed(XxHash64::default());
            put(&mut hashed).map_err(failed(of))?;
            let hash = std::hash::Hasher::finish(&hashed.0);
            let name = format!("tasks/_{of}-{number:05}-{hash:016x}.bin");
            if before.is_none_or(|before| ![&before.times, &before.tasks].contains(&&name)) {
                let folder = root.join("tasks");
                fs::create_dir_all(&folder).map_err(StoreError::io("creating", folder))?;
                write_in_pieces(&root.join(&name), |out| put(out).map_err(failed(&name)))?;
            }
            Ok::<_, StoreError>(name)
        };
        let number_of = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(Described {
            times: save("times", &|mut out| when.put(&mut out))?,
            tasks: save("tasks", &|mut out| tasks.put(&mut out))?,
            events: number_of(events),
            count: number_of(count),
            lens: [when.lens(), tasks.lens()],
            span,
            links,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three events, numbered from ten: the first and the last are one task, which goes on behind the segment.
    fn new() -> NewSegment {
        let mut new = NewSegment::of(vec![500, i64::MAX, 700]);
        new.task_of = vec![1, 0, 10];
        new.ids = vec![Digest([1; 32]), Digest([2; 32])];
        (new.firsts, new.begins) = (vec![11, 10], vec![i64::MAX, 500]);
        new.kinds = vec![0, 3];
        (new.starts, new.members) = (vec![0, 1, 4], vec![11, 10, 12, 77]);
        new.fragments = vec![10, 11, 12];
        let reason = Reason::new(10, KeyKind::Invoice, 1.0);
        let link = new.reasons.push(reason, b"4711");
        new.links = vec![NO_REASON, NO_REASON, link];
        let weighing = new.weighings.push(b"{}");
        new.weighing_of = vec![u32::MAX, weighing, u32::MAX];
        new
    }

    #[test]
    fn a_segment_says_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let described = new().write(root, 3, None).unwrap();
        assert_eq!((described.events, described.count), (3, 2));
        assert_eq!(described.span, Some((500, 700)));
        assert_eq!(described.links[KeyKind::Invoice as usize], 1);
        let segment = Segment::open(root, described.clone(), 10, 5).unwrap();
        assert_eq!(segment.events, 10..13);
        assert_eq!(segment.members(1), [10, 12, 77]);
        assert_eq!(
            segment.sizes().collect::<Vec<_>>(),
            [(i64::MAX, 1), (500, 3)]
        );
        assert_eq!(segment.value(0).as_deref(), Some(&b"4711"[..]));
        assert_eq!(segment.weighing(1).as_deref(), Some(&b"{}"[..]));
        assert_eq!(segment.weighing(0), None);
        let (reasons, weighings) = segment.texts().unwrap();
        assert_eq!((reasons.len(), weighings.len()), (1, 1));
        assert_eq!(
            segment.reason(2).map(|(at, of)| (at, of.cause)),
            Some((0, 10))
        );
        assert_eq!(segment.reason(0), None);
        // The same again is the same file, and not written again.
        let time = |name: &str| fs::metadata(root.join(name)).unwrap().modified().unwrap();
        let before = time(&described.tasks);
        assert_eq!(new().write(root, 3, Some(&described)).unwrap(), described);
        assert_eq!(time(&described.tasks), before);
        let mut other = new();
        other.times[0] = 501;
        let other = other.write(root, 3, Some(&described)).unwrap();
        assert!(other.times != described.times && other.tasks == described.tasks);
    }

    #[test]
    fn numbers_of_nothing_are_noticed() {
        type Break = fn(&mut NewSegment);
        let folder = tempfile::tempdir().unwrap();
        let open = |change: Break| {
            let mut new = new();
            change(&mut new);
            let described = new.write(folder.path(), 0, None).unwrap();
            Segment::open(folder.path(), described, 0, 0)
        };
        let texts = |change: Break| open(change).unwrap().texts().is_some();
        assert!(texts(|_| {}));
        assert!(!texts(|new| new.weighing_of[0] = 1));
        assert!(!texts(|new| new.links[0] = 1));
        assert!(!texts(|new| new.reasons.values.ends[0] = 5));
        assert!(!texts(|new| new.reasons.of.clear()));
        assert!(open(|new| new.fragments.truncate(2)).is_none());
        assert!(open(|new| new.starts.truncate(2)).is_none());
        assert!(open(|new| new.begins.clear()).is_none());
    }
}
