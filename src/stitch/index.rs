//! Tasks in a form that questions can use at once.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::Hub;
use super::column::{Column, Fixed, Source};
use super::weigh::{Cause, Clock, Weighing};
use crate::model::{Digest, KeyKind, Kind};
use crate::store::{EventRef, PART_BITS, Store, StoreError, write_in_pieces};

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

/// Numbers all events of a store: batches in the order of their ids, parts in theirs.
#[derive(Debug)]
pub(super) struct Places {
    /// Number of the first event of each part, by batch, and the number behind the last one.
    bases: Vec<Vec<u32>>,
    /// First number, batch and part, for the way back.
    flat: Vec<(u32, usize, i64)>,
    len: usize,
}

impl Places {
    pub(super) fn new(store: &Store) -> Self {
        let (mut bases, mut flat, mut at) = (Vec::new(), Vec::new(), 0u32);
        for (batch, custody) in store.batches().iter().enumerate() {
            let mut of_batch = Vec::new();
            let tables = custody
                .tables
                .iter()
                .filter(|table| table.path.starts_with("events/"));
            for (part, table) in (0i64..).zip(tables) {
                of_batch.push(at);
                flat.push((at, batch, part));
                at = at.saturating_add(u32::try_from(table.rows).unwrap_or(u32::MAX));
            }
            bases.push(of_batch);
        }
        Self {
            bases,
            flat,
            len: at as usize,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn number(&self, batch: usize, row: i64) -> Option<u32> {
        let base = self
            .bases
            .get(batch)?
            .get(usize::try_from(row >> PART_BITS).ok()?)?;
        Some(base + u32::try_from(row & ((1 << PART_BITS) - 1)).ok()?)
    }

    /// The batch that an event is in.
    pub(super) fn batch(&self, event: u32) -> usize {
        self.place(event).batch
    }

    pub(super) fn place(&self, event: u32) -> EventRef {
        let at = self
            .flat
            .partition_point(|(first, ..)| *first <= event)
            .saturating_sub(1);
        let (first, batch, part) = self.flat.get(at).copied().unwrap_or_default();
        EventRef {
            batch,
            row: (part << PART_BITS) + i64::from(event - first),
        }
    }
}

/// Links of all events, as columns: an event's link names its value by number, because the events
/// of one group share it.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// `u32::MAX` for none.
    pub cause: Vec<u32>,
    pub kind: Vec<u32>,
    pub value: Vec<u32>,
    /// In thousandths.
    pub probability: Vec<u32>,
    pub values: Vec<String>,
}

impl Links {
    pub(super) fn none(events: usize) -> Self {
        Self {
            cause: vec![u32::MAX; events],
            kind: vec![0; events],
            value: vec![0; events],
            probability: vec![1000; events],
            values: Vec::new(),
        }
    }

    pub(super) fn is_set(&self, event: u32) -> bool {
        self.cause[event as usize] != u32::MAX
    }

    pub(super) fn set(&mut self, event: u32, cause: u32, kind: KeyKind, value: u32) {
        let at = event as usize;
        self.cause[at] = cause;
        self.kind[at] = kind as u32;
        self.value[at] = value;
    }
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

/// What the index consists of.
#[derive(Debug)]
struct Columns {
    /// `i64::MAX` for none.
    times: Column<i64>,
    task_of: Column<u32>,
    task_ids: Column<Digest>,
    /// Where each task's members begin, and behind the last one.
    starts: Column<u32>,
    members: Column<u32>,
    cause: Column<u32>,
    kind: Column<u32>,
    value: Column<u32>,
    probability: Column<u32>,
    /// End of each value in the text.
    value_ends: Column<u64>,
    value_text: Column<u8>,
    /// Number of events by kind, and of those without a time.
    kinds: Column<u64>,
    causes: Column<Cause>,
    /// As JSON.
    hubs: Column<u8>,
    /// As JSON.
    clocks: Column<u8>,
    /// What was weighed for an event; `u32::MAX` for nothing.
    weighing_of: Column<u32>,
    /// End of each weighing in the text, which is JSON.
    weighing_ends: Column<u64>,
    weighing_text: Column<u8>,
}

/// Writes a column.
type Put<'c, W> = &'c dyn Fn(&mut W) -> io::Result<()>;

/// Number of columns.
const COLUMNS: usize = 18;

impl Columns {
    /// Writes the lengths of all columns and then the columns, in the order of [`Columns::stored`].
    fn put(&self, out: &mut impl Write) -> io::Result<()> {
        let mut lens: Vec<u64> = Vec::new();
        self.each::<io::Sink>(&mut |len, _| {
            lens.push(len as u64);
            Ok(())
        })?;
        let bytes: Vec<u8> = lens.iter().flat_map(|len| len.to_le_bytes()).collect();
        out.write_all(&bytes)?;
        self.each(&mut |_, column| column(&mut *out))
    }

    /// Each column: how many values it has, and how it is written.
    fn each<W: Write>(
        &self,
        visit: &mut dyn FnMut(usize, Put<'_, W>) -> io::Result<()>,
    ) -> io::Result<()> {
        macro_rules! columns {
            ($($column:ident),+) => {$(
                visit(self.$column.len(), &|out| self.$column.put(out))?;
            )+};
        }
        columns!(
            times,
            task_of,
            task_ids,
            starts,
            members,
            cause,
            kind,
            value,
            probability,
            value_ends,
            value_text,
            kinds,
            causes,
            hubs,
            clocks,
            weighing_of,
            weighing_ends,
            weighing_text
        );
        Ok(())
    }

    /// The columns of a file; `None` if they do not fill it.
    fn stored(source: &Arc<Source>, mut at: u64, lens: &[u64]) -> Option<Self> {
        fn next<'l, T: Fixed>(
            source: &Arc<Source>,
            at: &mut u64,
            lens: &mut impl Iterator<Item = &'l u64>,
        ) -> Option<Column<T>> {
            let len = *lens.next()?;
            let column = Column::stored(source, *at, usize::try_from(len).ok()?);
            *at = at.checked_add(len.checked_mul(T::WIDTH as u64)?)?;
            Some(column)
        }
        let (at, lens) = (&mut at, &mut lens.iter());
        let columns = Self {
            times: next(source, at, lens)?,
            task_of: next(source, at, lens)?,
            task_ids: next(source, at, lens)?,
            starts: next(source, at, lens)?,
            members: next(source, at, lens)?,
            cause: next(source, at, lens)?,
            kind: next(source, at, lens)?,
            value: next(source, at, lens)?,
            probability: next(source, at, lens)?,
            value_ends: next(source, at, lens)?,
            value_text: next(source, at, lens)?,
            kinds: next(source, at, lens)?,
            causes: next(source, at, lens)?,
            hubs: next(source, at, lens)?,
            clocks: next(source, at, lens)?,
            weighing_of: next(source, at, lens)?,
            weighing_ends: next(source, at, lens)?,
            weighing_text: next(source, at, lens)?,
        };
        (*at == source.size().ok()?).then_some(columns)
    }
}

impl Fixed for Cause {
    const WIDTH: usize = 12;
    const NONE: Self = Self {
        cause: u32::MAX,
        effect: u32::MAX,
        probability: 0.0,
    };

    fn put(self, out: &mut Vec<u8>) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Millionths.
        let millionths = (self.probability * 1e6) as u32;
        for number in [self.cause, self.effect, millionths] {
            number.put(out);
        }
    }

    fn get(bytes: &[u8]) -> Self {
        let number = |at: usize| bytes.get(at..at + 4).map_or(u32::MAX, u32::get);
        Self {
            cause: number(0),
            effect: number(4),
            probability: f64::from(number(8)) / 1e6,
        }
    }
}

/// What an index is made of.
pub(super) struct Parts {
    pub state: Digest,
    pub places: Places,
    pub times: Vec<i64>,
    pub task_ids: Vec<Digest>,
    pub starts: Vec<u32>,
    pub members: Vec<u32>,
    pub links: Links,
    pub hubs: Vec<Hub>,
    pub kinds: Vec<u64>,
    pub causes: Vec<Cause>,
    pub clocks: Vec<Clock>,
    pub weighings: Vec<(Vec<u32>, Weighing)>,
}

/// Texts one after the other, and the end of each.
#[derive(Default)]
struct Texts {
    ends: Vec<u64>,
    text: Vec<u8>,
}

impl Texts {
    fn push(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
        self.ends.push(self.text.len() as u64);
    }
}

/// One text of a column of texts.
fn text_at(ends: &Column<u64>, text: &Column<u8>, at: usize) -> Option<Vec<u8>> {
    let end = |at: usize| usize::try_from(ends.get(at)).ok();
    let start = at.checked_sub(1).map_or(Some(0), end)?;
    Some(text.range(start, end(at)?))
}

fn json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| StoreError::Damaged {
        path: "tasks".into(),
        reason: error.to_string(),
    })
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
        let mut task_of = vec![0; parts.times.len()];
        for (task, range) in (0u32..).zip(parts.starts.windows(2)) {
            for event in &parts.members[range[0] as usize..range[1] as usize] {
                task_of[*event as usize] = task;
            }
        }
        let mut kinds = parts.kinds;
        kinds.push(parts.times.iter().filter(|time| **time == i64::MAX).count() as u64);
        let mut values = Texts::default();
        for value in &parts.links.values {
            values.push(value.as_bytes());
        }
        let mut weighings = Texts::default();
        let mut weighing_of = vec![u32::MAX; parts.times.len()];
        for (number, (events, weighing)) in (0u32..).zip(&parts.weighings) {
            weighings.push(&json(weighing)?);
            for event in events {
                weighing_of[*event as usize] = number;
            }
        }
        Ok(Self {
            state: parts.state,
            places: parts.places,
            columns: Columns {
                times: Column::Held(parts.times),
                task_of: Column::Held(task_of),
                task_ids: Column::Held(parts.task_ids),
                starts: Column::Held(parts.starts),
                members: Column::Held(parts.members),
                cause: Column::Held(parts.links.cause),
                kind: Column::Held(parts.links.kind),
                value: Column::Held(parts.links.value),
                probability: Column::Held(parts.links.probability),
                value_ends: Column::Held(values.ends),
                value_text: Column::Held(values.text),
                kinds: Column::Held(kinds),
                causes: Column::Held(parts.causes),
                hubs: Column::Held(json(&parts.hubs)?),
                clocks: Column::Held(json(&parts.clocks)?),
                weighing_of: Column::Held(weighing_of),
                weighing_ends: Column::Held(weighings.ends),
                weighing_text: Column::Held(weighings.text),
            },
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
        let at = event as usize;
        let columns = &self.columns;
        let cause = columns.cause.get(at);
        if cause == u32::MAX {
            return None;
        }
        let value = columns.value.get(at) as usize;
        let text = text_at(&columns.value_ends, &columns.value_text, value)?;
        Some(Link {
            cause,
            kind: *KeyKind::ALL.get(columns.kind.get(at) as usize)?,
            value: String::from_utf8(text).ok()?,
            probability: f64::from(columns.probability.get(at)) / 1000.0,
        })
    }

    /// Number of events that a key of each kind joined to their task; `value` stands for evidence.
    #[must_use]
    pub fn links_by_kind(&self) -> Vec<(KeyKind, usize)> {
        let mut counts = vec![0; KeyKind::ALL.len()];
        let causes = self.columns.cause.whole();
        for (cause, kind) in causes.iter().zip(self.columns.kind.whole()) {
            if *cause != u32::MAX
                && let Some(count) = counts.get_mut(*kind as usize)
            {
                *count += 1;
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
        let mut head = [0; 32 + 8 * COLUMNS];
        if source.size().ok()? < head.len() as u64 || !source.read(0, &mut head) {
            return None;
        }
        let (of, lens) = head.split_at(32);
        if of != state.0 {
            return None;
        }
        let lens: Vec<u64> = lens.chunks_exact(8).map(u64::get).collect();
        let columns = Columns::stored(&source, head.len() as u64, &lens)?;
        let places = Places::new(store);
        let n = columns.times.len();
        let by_event = [
            &columns.task_of,
            &columns.members,
            &columns.cause,
            &columns.kind,
            &columns.value,
            &columns.probability,
            &columns.weighing_of,
        ];
        let sound = n == places.len()
            && by_event.iter().all(|column| column.len() == n)
            && columns.starts.len() == columns.task_ids.len() + 1;
        sound.then(|| Self {
            state,
            places,
            columns,
            source: Some(source),
            hubs: OnceLock::new(),
        })
    }

    pub(super) fn save(&self, store: &Store) -> Result<(), StoreError> {
        let path = Self::path(store);
        write_in_pieces(&path, |out| {
            out.write_all(&self.state.0)
                .and_then(|()| self.columns.put(out))
                .map_err(StoreError::io("writing", &path))
        })
    }
}
