//! Tasks in a form that questions can use at once.

mod columns;
mod links;
mod parts;
mod places;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

pub(super) use self::columns::json;
use self::columns::{Columns, text_at};
pub(super) use self::links::{LinkOf, Links};
pub(super) use self::parts::{Made, Parts, Texts};
pub(super) use self::places::{Among, Numbered, Places, as_they_came};
use super::Hub;
use super::column::Source;
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
/// An index that was made before lies in a file, of which a question reads what it needs: a task's
/// events cost some dozens of reads, whatever the number of events in the store.
#[derive(Debug)]
pub struct TaskIndex {
    state: Digest,
    places: Places,
    columns: Columns,
    source: Option<Arc<Source>>,
    hubs: OnceLock<Vec<Hub>>,
}

/// Some of the tasks of a store; threads that read it side by side add to it together.
pub struct TaskSet(Vec<AtomicBool>);

impl TaskSet {
    /// None of the tasks of that store.
    #[must_use]
    pub fn new(index: &TaskIndex) -> Self {
        Self((0..index.len()).map(|_| AtomicBool::default()).collect())
    }

    /// Adds a task of the store.
    pub fn insert(&self, task: usize) {
        if let Some(of) = self.0.get(task) {
            of.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it has that task.
    #[must_use]
    pub fn contains(&self, task: usize) -> bool {
        let of = self.0.get(task);
        of.is_some_and(|of| of.load(Ordering::Relaxed))
    }

    /// Number of its tasks.
    #[must_use]
    pub fn len(&self) -> usize {
        (0..self.0.len())
            .filter(|task| self.contains(*task))
            .count()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl TaskIndex {
    pub(super) fn new(parts: Parts) -> Result<Self, StoreError> {
        let (state, places, columns) = Columns::of(parts)?;
        Ok(Self {
            state,
            places,
            columns,
            source: None,
            hubs: OnceLock::new(),
        })
    }

    /// What caused what, as far as the evidence shows.
    #[must_use]
    pub fn causes(&self) -> &[Cause] {
        self.columns.causes.whole()
    }

    /// Number of events of a kind in the whole store.
    #[must_use]
    pub fn kind_count(&self, kind: Kind) -> u64 {
        let kinds = self.columns.kinds.whole();
        kinds.get(kind as usize).copied().unwrap_or(0)
    }

    /// Number of tasks, events that stand alone included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.task_ids.len()
    }

    /// Whether there is no event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of events.
    #[must_use]
    pub fn events(&self) -> usize {
        self.columns.times.len()
    }

    /// Digest of what the tasks were made from: the records, and the settings.
    #[must_use]
    pub fn state(&self) -> Digest {
        self.state
    }

    /// Id of a task.
    #[must_use]
    pub fn id(&self, task: usize) -> Digest {
        self.columns.task_ids.get(task)
    }

    /// Events of a task, in order.
    #[must_use]
    pub fn members(&self, task: usize) -> Vec<u32> {
        let (start, end) = self.bounds(task);
        self.columns.members.range(start, end)
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
        let mut order: Vec<(u32, u32)> = (0..self.len())
            .map(|task| {
                let (start, _) = self.bounds(task);
                let first = self
                    .columns
                    .members
                    .range(start, start + 1)
                    .first()
                    .copied();
                (
                    first.unwrap_or(u32::MAX),
                    u32::try_from(task).unwrap_or(u32::MAX),
                )
            })
            .collect();
        order.sort_unstable();
        order.into_iter().map(|(_, task)| task as usize).collect()
    }

    /// Time of the earliest event of a task, if one has a time, microseconds UTC.
    #[must_use]
    pub fn begin(&self, task: usize) -> Option<i64> {
        Some(self.columns.begins.get(task)).filter(|time| *time != i64::MAX)
    }

    /// The event of a task that comes first in the store.
    #[must_use]
    pub fn first(&self, task: usize) -> u32 {
        self.columns.firsts.get(task)
    }

    /// Number of events of a task.
    #[must_use]
    pub fn size(&self, task: usize) -> usize {
        let (start, end) = self.bounds(task);
        end - start
    }

    fn bounds(&self, task: usize) -> (usize, usize) {
        let start = self.columns.starts.get(task);
        let end = self.columns.starts.get(task + 1);
        (start as usize, end.max(start) as usize)
    }

    /// Tasks whose id begins with that text.
    #[must_use]
    pub fn by_prefix(&self, prefix: &str) -> Vec<usize> {
        let prefix = prefix.trim().to_ascii_lowercase();
        let head = |id: Digest| id.short(prefix.len());
        let ids = &self.columns.task_ids;
        let start = ids.partition_point(|id| head(id) < prefix);
        (start..self.len())
            .take_while(|task| head(ids.get(*task)) == prefix)
            .collect()
    }

    /// The tasks with an event from the first moment on and before the second, microseconds UTC.
    #[must_use]
    pub fn tasks_between(&self, since: Option<i64>, until: Option<i64>) -> Vec<usize> {
        let times = self.columns.times.whole();
        let within = |time: i64| {
            time != i64::MAX
                && since.is_none_or(|since| time >= since)
                && until.is_none_or(|until| time < until)
        };
        let events = (0u32..).zip(times).filter(|(_, time)| within(**time));
        let mut tasks: Vec<usize> = events
            .filter_map(|(event, _)| self.task_of(event))
            .collect();
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
        let task = self.columns.task_of.get(event as usize) as usize;
        (task < self.len()).then_some(task)
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
        Some(self.columns.times.get(event as usize)).filter(|time| *time != i64::MAX)
    }

    /// Number of events that have no time, not even that of their change document.
    #[must_use]
    pub fn untimed(&self) -> usize {
        let counts = self.columns.kinds.whole();
        counts
            .get(Kind::ALL.len())
            .map_or(0, |events| usize::try_from(*events).unwrap_or(0))
    }

    /// Why an event is in its task; `None` for the first one.
    #[must_use]
    pub fn link(&self, event: u32) -> Option<Link> {
        let link = self.link_of(event);
        link.is_set().then_some(())?;
        Some(Link {
            cause: link.cause,
            kind: link.kind()?,
            value: self.value(link)?,
            probability: link.probability(),
        })
    }

    pub(super) fn link_of(&self, event: u32) -> LinkOf {
        self.columns.links.get(event as usize)
    }

    /// The value that a link rests on, or what agrees.
    pub(super) fn value(&self, link: LinkOf) -> Option<String> {
        let (ends, text) = (&self.columns.value_ends, &self.columns.value_text);
        String::from_utf8(text_at(ends, text, link.value as usize)?).ok()
    }

    /// Number of events that a key of each kind joined to their task; `value` stands for evidence.
    #[must_use]
    pub fn links_by_kind(&self) -> Vec<(KeyKind, usize)> {
        let mut counts = vec![0; KeyKind::ALL.len()];
        for link in self.columns.links.whole() {
            if let (true, Some(kind)) = (link.is_set(), link.kind()) {
                counts[kind as usize] += 1;
            }
        }
        KeyKind::ALL.iter().copied().zip(counts).collect()
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
            .get_or_init(|| serde_json::from_slice(self.columns.hubs.whole()).unwrap_or_default())
    }

    /// How far the clocks of the formats are apart, as far as evidence is weighed between them.
    #[must_use]
    pub fn clocks(&self) -> Vec<Clock> {
        serde_json::from_slice(self.columns.clocks.whole()).unwrap_or_default()
    }

    /// What was weighed for an event that no id ties to an agent's task; `None` if nothing was.
    #[must_use]
    pub fn weighing(&self, event: u32) -> Option<Weighing> {
        let at = self.columns.weighing_of.get(event as usize);
        let (ends, text) = (&self.columns.weighing_ends, &self.columns.weighing_text);
        let text = (at != u32::MAX).then(|| text_at(ends, text, at as usize))??;
        serde_json::from_slice(&text).ok()
    }

    /// Whether all that was asked of the index could be read. To be asked before an answer is given.
    ///
    /// # Errors
    /// Its file could not be read somewhere.
    pub fn check(&self) -> Result<(), StoreError> {
        self.source.as_ref().map_or(Ok(()), |source| source.check())
    }

    fn path(store: &Store) -> PathBuf {
        store.layout().root.join("tasks").join("_index.bin")
    }

    /// Opens the index if it is that of the store as it is now. Anything wrong with it means that it
    /// is made again.
    pub(super) fn load(store: &Store, state: Digest) -> Option<Self> {
        let source = Arc::new(Source::open(&Self::path(store)).ok()?);
        let columns = Columns::open(&source, state)?;
        let places = Places::new(store);
        let sound = columns.times.len() == places.len();
        sound.then(|| Self {
            state,
            places,
            columns,
            source: Some(source),
            hubs: OnceLock::new(),
        })
    }

    /// What was made of the store when it had fewer batches, or none, in memory.
    pub(super) fn before(store: &Store) -> Option<Parts> {
        let source = Arc::new(Source::open(&Self::path(store)).ok()?);
        let (state, columns) = Columns::open_any(&source)?;
        let parts = columns.into_parts(state, Places::new(store))?;
        source.check().ok()?;
        parts.is_sound().then_some(parts)
    }

    pub(super) fn save(&self, store: &Store) -> Result<(), StoreError> {
        let path = Self::path(store);
        write_in_pieces(&path, |out| {
            self.columns
                .put(self.state, out)
                .map_err(StoreError::io("writing", &path))
        })
    }
}
