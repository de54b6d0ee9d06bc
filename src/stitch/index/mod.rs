//! Tasks in a form that questions can use at once.

mod before;
mod blocks;
mod columns;
mod links;
mod parts;
mod places;
mod segments;
mod set;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

pub(super) use self::before::Before;
use self::blocks::Blocks;
use self::columns::Head;
pub(super) use self::columns::json;
pub(super) use self::links::{InUse, Links, NO_REASON, Reason, Reasons};
pub(super) use self::parts::{Made, Texts};
pub(super) use self::places::{Among, Numbered, Places, as_they_came};
pub(super) use self::segments::{Described, NewSegment, Segment};
pub use self::set::TaskSet;
use super::Hub;
use super::column::{Column, Source};
use super::derived::INDEX;
use super::hubs::Reached;
use super::weigh::{Cause, Clock, Weighing};
use crate::model::{Digest, KeyKind, Kind};
use crate::store::{EventRef, Store, StoreError, write_in_pieces};

/// Why an event belongs to its task: an earlier event has the same key, or evidence says that it is
/// its cause.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// The other event's number.
    pub cause: u32,
    /// Kind of the shared key; `value` for evidence.
    pub kind: KeyKind,
    /// Its value, or what agrees.
    pub value: String,
    /// How sure, 0 to 1; 1 for a key.
    pub probability: f64,
}

/// The tasks of a store.
///
/// An index lies in files, of which a question reads what it needs: a task's events cost some dozens of reads, whatever the
/// number of events in the store.
#[derive(Debug)]
pub struct TaskIndex {
    places: Places,
    head: Head,
    /// The file of the head, if it was read of one.
    source: Option<Arc<Source>>,
    segments: Vec<Segment>,
    /// Whether it was seen to name events that there are not.
    is_damaged: AtomicBool,
    /// Where events are found, and tasks.
    of_events: Blocks,
    of_tasks: Blocks,
    hubs: OnceLock<Vec<Hub>>,
    causes: OnceLock<Vec<Cause>>,
}

/// What is known of a whole store.
pub(super) struct Overall {
    /// Digest of what it was made from.
    pub state: Digest,
    /// Number of events by kind, and of those without a time.
    pub kinds: Vec<u64>,
    pub hubs: Vec<(Hub, Reached)>,
    /// Beginnings that conversations share and that join none of them.
    pub apart: Vec<u128>,
    pub clocks: Vec<Clock>,
    pub made: Made,
}

/// What stands for a kind among those of a task.
pub(super) fn bit(kind: Kind) -> u32 {
    1 << kind as u32
}

// There is a bit for each.
const _: () = assert!(Kind::ALL.len() <= 32);

impl TaskIndex {
    /// An index whose segments were written.
    pub(super) fn new(
        store: &Store,
        overall: Overall,
        segments: Vec<Described>,
    ) -> Result<Self, StoreError> {
        let reached = overall.hubs.iter().flat_map(|(_, reached)| reached.put());
        let reached = reached.collect();
        let hubs: Vec<Hub> = overall.hubs.into_iter().map(|(hub, _)| hub).collect();
        let head = Head {
            state: Column::Held(vec![overall.state]),
            kinds: Column::Held(overall.kinds),
            hubs: Column::Held(json(&hubs)?),
            reached: Column::Held(reached),
            apart: Column::Held(overall.apart),
            clocks: Column::Held(json(&overall.clocks)?),
            made: Column::Held(json(&overall.made)?),
            segments: Column::Held(json(&segments)?),
        };
        let index = Self::of(store, head, None, Places::new(store));
        index.ok_or_else(|| StoreError::Damaged {
            path: store.layout().root.join("tasks"),
            reason: "what was written of the tasks cannot be read again".to_owned(),
        })
    }

    /// Opens the segments that a head speaks of.
    fn of(store: &Store, head: Head, source: Option<Arc<Source>>, places: Places) -> Option<Self> {
        let described: Vec<Described> = serde_json::from_slice(head.segments.whole()).ok()?;
        let (mut event, mut task) = (0u32, 0usize);
        let mut segments = Vec::with_capacity(described.len());
        for described in described {
            let root = &store.layout().root;
            let segment = Segment::open(root, described, event, task)?;
            event = segment.events.end;
            task += segment.count();
            segments.push(segment);
        }
        let ends_of_events = segments.iter().map(|segment| segment.events.end as usize);
        let ends_of_tasks = segments.iter().map(Segment::last_task);
        Some(Self {
            is_damaged: AtomicBool::new(false),
            of_events: Blocks::new(ends_of_events),
            of_tasks: Blocks::new(ends_of_tasks),
            places,
            head,
            source,
            segments,
            hubs: OnceLock::new(),
            causes: OnceLock::new(),
        })
    }

    /// Its segments, in the order of their events.
    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Lets go of what was read of files.
    pub(super) fn forget(&mut self) {
        self.head.forget();
        self.segments.iter_mut().for_each(Segment::forget);
    }

    /// The number of the segment of an event.
    pub(super) fn segment_of(&self, event: u32) -> usize {
        self.of_events.find(event as usize)
    }

    /// The segment of an event, and the event's place in it.
    fn at(&self, event: u32) -> Option<(&Segment, usize)> {
        let segment = self.segments.get(self.segment_of(event))?;
        Some((segment, (event - segment.events.start) as usize))
    }

    /// The segment of a task, and the task's place in it.
    fn task(&self, task: usize) -> Option<(&Segment, usize)> {
        let segment = self.segments.get(self.of_tasks.find(task))?;
        Some((segment, task - segment.first_task))
    }

    /// What caused what, as far as the evidence shows.
    #[must_use]
    pub fn causes(&self) -> &[Cause] {
        self.causes.get_or_init(|| {
            let causes = self.segments.iter().map(Segment::causes);
            causes.collect::<Vec<_>>().concat()
        })
    }

    /// Number of events of a kind in the whole store.
    #[must_use]
    pub fn kind_count(&self, kind: Kind) -> u64 {
        let kinds = self.head.kinds.whole();
        kinds.get(kind as usize).copied().unwrap_or(0)
    }

    /// Number of tasks, events that stand alone included.
    #[must_use]
    pub fn len(&self) -> usize {
        let last = self.segments.last();
        last.map_or(0, Segment::last_task)
    }

    /// Whether there is no event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of events.
    #[must_use]
    pub fn events(&self) -> usize {
        let last = self.segments.last();
        last.map_or(0, |last| last.events.end as usize)
    }

    /// Digest of what the tasks were made from: the records, and the settings.
    #[must_use]
    pub fn state(&self) -> Digest {
        self.head.state.get(0)
    }

    /// Id of a task.
    #[must_use]
    pub fn id(&self, task: usize) -> Digest {
        let none = Digest([0xff; 32]);
        self.task(task)
            .map_or(none, |(segment, at)| segment.tasks.ids.get(at))
    }

    /// Events of a task, in order.
    #[must_use]
    pub fn members(&self, task: usize) -> Vec<u32> {
        let found = self.task(task);
        let mut members = found.map_or_else(Vec::new, |(segment, at)| segment.members(at));
        let is_one = |event: &u32| (*event as usize) < self.events();
        if !members.iter().all(is_one) {
            self.is_damaged.store(true, Ordering::Relaxed);
            members.retain(is_one);
        }
        members
    }

    /// Where the events of a task lie, in order.
    #[must_use]
    pub fn places(&self, task: usize) -> Vec<EventRef> {
        let members = self.members(task).into_iter();
        members.map(|event| self.place(event)).collect()
    }

    /// All tasks, so that those whose events lie near each other follow each other: what goes through many of
    /// them reads each part of the store once.
    #[must_use]
    pub fn by_place(&self) -> Vec<usize> {
        let tasks = self.segments.iter().flat_map(|segment| {
            (0..segment.count()).map(|task| {
                let (start, _) = segment.bounds(task);
                segment.tasks.members.range(start, start + 1)
            })
        });
        let mut order: Vec<(u32, u32)> = tasks
            .zip(0u32..)
            .map(|(first, task)| (first.first().copied().unwrap_or(u32::MAX), task))
            .collect();
        order.sort_unstable();
        order.into_iter().map(|(_, task)| task as usize).collect()
    }

    /// Time of the earliest event of a task, if one has a time, microseconds UTC.
    #[must_use]
    pub fn begin(&self, task: usize) -> Option<i64> {
        let (segment, at) = self.task(task)?;
        Some(segment.when.begins.get(at)).filter(|time| *time != i64::MAX)
    }

    /// The event of a task that comes first in the store.
    #[must_use]
    pub fn first(&self, task: usize) -> u32 {
        self.task(task)
            .map_or(u32::MAX, |(segment, at)| segment.tasks.firsts.get(at))
    }

    /// Whether an event of a task is of that kind.
    #[must_use]
    pub fn has_kind(&self, task: usize, kind: Kind) -> bool {
        self.task(task)
            .is_some_and(|(segment, at)| segment.kinds(at) & bit(kind) != 0)
    }

    /// Number of events of a task.
    #[must_use]
    pub fn size(&self, task: usize) -> usize {
        let bounds = self.task(task).map(|(segment, at)| segment.bounds(at));
        bounds.map_or(0, |(start, end)| end - start)
    }

    /// Tasks whose id begins with that text.
    #[must_use]
    pub fn by_prefix(&self, prefix: &str) -> Vec<usize> {
        let prefix = prefix.trim().to_ascii_lowercase();
        let head = |id: Digest| id.short(prefix.len());
        let mut found = Vec::new();
        for segment in &self.segments {
            let ids = &segment.tasks.ids;
            let start = ids.partition_point(|id| head(id) < prefix);
            let tasks = (start..segment.count()).take_while(|task| head(ids.get(*task)) == prefix);
            found.extend(tasks.map(|task| segment.first_task + task));
        }
        found
    }

    /// The tasks with an event from the first moment on and before the second, microseconds UTC.
    #[must_use]
    pub fn tasks_between(&self, since: Option<i64>, until: Option<i64>) -> Vec<usize> {
        let within = |time: i64| {
            time != i64::MAX
                && since.is_none_or(|since| time >= since)
                && until.is_none_or(|until| time < until)
        };
        let mut tasks: Vec<usize> = Vec::new();
        for segment in &self.segments {
            let Some((first, last)) = segment.described.span else {
                continue;
            };
            if since.is_some_and(|since| last < since) || until.is_some_and(|until| first >= until)
            {
                continue;
            }
            let events = segment.events.clone().zip(segment.times());
            let events = events.filter(|(_, time)| within(**time));
            tasks.extend(events.filter_map(|(event, _)| self.task_of(event)));
        }
        tasks.sort_unstable();
        tasks.dedup();
        tasks
    }

    /// The task of an event at that place.
    #[must_use]
    pub fn task_at(&self, place: EventRef) -> Option<usize> {
        self.task_of(self.number(place)?)
    }

    /// The task of an event.
    #[must_use]
    pub fn task_of(&self, event: u32) -> Option<usize> {
        let (segment, at) = self.at(event)?;
        let told = segment.tasks.task_of.get(at);
        // Of the first event of a task the place of that, and of no other event anything that is one with it first.
        if segment.tasks.firsts.get(told as usize) == event {
            return Some(segment.first_task + told as usize);
        }
        let (segment, at) = self.at(told)?;
        let task = segment.tasks.task_of.get(at) as usize;
        (segment.tasks.firsts.get(task) == told).then_some(segment.first_task + task)
    }

    /// The least number of an event that ids alone join an event to.
    pub(super) fn fragment(&self, event: u32) -> Option<u32> {
        let (segment, at) = self.at(event)?;
        Some(segment.tasks.fragments.get(at))
    }

    /// Number of the event at that place.
    #[must_use]
    pub fn number(&self, place: EventRef) -> Option<u32> {
        self.places.number(place.batch, place.row)
    }

    /// Where an event lies.
    #[must_use]
    pub fn place(&self, event: u32) -> EventRef {
        self.places.place(event)
    }

    /// The time an event is ordered by: recorded, or taken from the header of its change document.
    #[must_use]
    pub fn time(&self, event: u32) -> Option<i64> {
        let (segment, at) = self.at(event)?;
        Some(segment.when.times.get(at)).filter(|time| *time != i64::MAX)
    }

    /// Number of events that have no time, not even that of their change document.
    #[must_use]
    pub fn untimed(&self) -> usize {
        let counts = self.head.kinds.whole();
        counts
            .get(Kind::ALL.len())
            .map_or(0, |events| usize::try_from(*events).unwrap_or(0))
    }

    /// Why an event is in its task; `None` for the first one.
    #[must_use]
    pub fn link(&self, event: u32) -> Option<Link> {
        let (number, reason) = self.reason(event)?;
        Some(Link {
            cause: reason.cause,
            kind: reason.kind()?,
            value: self.value(number)?,
            probability: reason.probability(),
        })
    }

    /// The same, with the number of the segment and that of the reason: events that have both have one value.
    pub(super) fn reason(&self, event: u32) -> Option<((usize, u32), Reason)> {
        let number = self.segment_of(event);
        let segment = self.segments.get(number)?;
        let (at, reason) = segment.reason((event - segment.events.start) as usize)?;
        Some(((number, at), reason))
    }

    /// The value of a reason, by its segment and its number.
    pub(super) fn value(&self, (segment, number): (usize, u32)) -> Option<String> {
        String::from_utf8(self.segments.get(segment)?.value(number)?).ok()
    }

    /// Number of events that a key of each kind joined to their task; `value` stands for evidence.
    #[must_use]
    pub fn links_by_kind(&self) -> Vec<(KeyKind, usize)> {
        let count = |at: usize| {
            let segments = self.segments.iter();
            let counts = segments.filter_map(|segment| segment.described.links.get(at));
            usize::try_from(counts.sum::<u64>()).unwrap_or(usize::MAX)
        };
        let kinds = KeyKind::ALL.iter().copied().enumerate();
        kinds.map(|(at, kind)| (kind, count(at))).collect()
    }

    /// Number of events that evidence joined to their task, and no id.
    #[must_use]
    pub fn weighed(&self) -> usize {
        self.links_by_kind()
            .into_iter()
            .find(|(kind, _)| *kind == KeyKind::Value)
            .map_or(0, |(_, count)| count)
    }

    /// Values that joined nothing because they reach too much.
    #[must_use]
    pub fn hubs(&self) -> &[Hub] {
        self.hubs
            .get_or_init(|| serde_json::from_slice(self.head.hubs.whole()).unwrap_or_default())
    }

    /// How far the clocks of the formats are apart, as far as evidence is weighed between them.
    #[must_use]
    pub fn clocks(&self) -> Vec<Clock> {
        serde_json::from_slice(self.head.clocks.whole()).unwrap_or_default()
    }

    /// What was weighed for an event that no id ties to an agent's task; `None` if nothing was.
    #[must_use]
    pub fn weighing(&self, event: u32) -> Option<Weighing> {
        let (segment, at) = self.at(event)?;
        serde_json::from_slice(&segment.weighing(at)?).ok()
    }

    /// Whether all that was asked of the index could be read. To be asked before an answer is given.
    ///
    /// # Errors
    /// One of its files could not be read somewhere, or names events that there are not.
    pub fn check(&self) -> Result<(), StoreError> {
        if self.is_damaged.load(Ordering::Relaxed) {
            return Err(StoreError::Damaged {
                path: "tasks".into(),
                reason: "a task has events that are not in the store; `trail stitch` makes the tasks anew"
                    .to_owned(),
            });
        }
        let of_segments = self.segments.iter().flat_map(|segment| &segment.sources);
        let mut sources = self.source.iter().chain(of_segments);
        sources.try_for_each(|source| source.check())
    }

    /// Its files, below the store's folder: that of the head, and those of each segment.
    pub(super) fn files(&self) -> Vec<String> {
        let of_segments = self.segments.iter().flat_map(|segment| {
            let Described { times, tasks, .. } = &segment.described;
            [times.clone(), tasks.clone()]
        });
        std::iter::once(INDEX.to_owned())
            .chain(of_segments)
            .collect()
    }

    fn path(store: &Store) -> PathBuf {
        store.layout().root.join(INDEX)
    }

    /// Opens the index if it is that of the store as it is now. Anything wrong with it means that it
    /// is made again.
    pub(super) fn load(store: &Store, state: Digest) -> Option<Self> {
        let source = Arc::new(Source::open(&Self::path(store)).ok()?);
        let head = Head::read(&source)?;
        if head.state.get(0) != state {
            return None;
        }
        let index = Self::of(store, head, Some(source), Places::new(store))?;
        (index.events() == index.places.len()).then_some(index)
    }

    /// Opens the index that was made of the store when it had fewer batches, or none.
    fn load_any(store: &Store) -> Option<Self> {
        let source = Arc::new(Source::open(&Self::path(store)).ok()?);
        let head = Head::read(&source)?;
        Self::of(store, head, Some(source), Places::new(store))
    }

    /// What is known of the whole store; `None` if it cannot be read.
    pub(super) fn overall(&self) -> Option<Overall> {
        let mut reached = self.head.reached.whole().iter().copied();
        let hubs = self.hubs().iter().cloned();
        let hubs = hubs
            .map(|hub| Some((hub, Reached::take(&mut reached)?)))
            .collect::<Option<_>>()?;
        Some(Overall {
            state: self.state(),
            kinds: self.head.kinds.whole().to_vec(),
            hubs,
            apart: self.head.apart.whole().to_vec(),
            clocks: self.clocks(),
            made: serde_json::from_slice(self.head.made.whole()).ok()?,
        })
    }

    /// Writes the head: the segments are there already.
    pub(super) fn save(&self, store: &Store) -> Result<(), StoreError> {
        let path = Self::path(store);
        write_in_pieces(&path, |out| {
            let written = self.head.write(out);
            written.map_err(StoreError::io("writing", &path))
        })
    }
}
