//! Tasks in a form that questions can use at once.

use std::path::PathBuf;

use super::Hub;
use super::weigh::Cause;
use crate::model::{Digest, KeyKind, Kind};
use crate::store::{EventRef, PART_BITS, Store, StoreError, write_atomically};

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
#[derive(Debug)]
pub struct TaskIndex {
    state: Digest,
    places: Places,
    /// `i64::MAX` for none.
    times: Vec<i64>,
    task_of: Vec<u32>,
    task_ids: Vec<Digest>,
    /// Where each task's members begin, and behind the last one.
    starts: Vec<u32>,
    members: Vec<u32>,
    links: Links,
    hubs: Vec<Hub>,
    kinds: Vec<u64>,
    causes: Vec<Cause>,
}

/// What the index is made of.
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
}

impl TaskIndex {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts {
            state,
            places,
            times,
            task_ids,
            starts,
            members,
            links,
            hubs,
            kinds,
            causes,
        } = parts;
        let mut task_of = vec![0; times.len()];
        for (task, range) in (0u32..).zip(starts.windows(2)) {
            for event in &members[range[0] as usize..range[1] as usize] {
                task_of[*event as usize] = task;
            }
        }
        Self {
            state,
            places,
            times,
            task_of,
            task_ids,
            starts,
            members,
            links,
            hubs,
            kinds,
            causes,
        }
    }

    /// What caused what, as far as the evidence shows.
    #[must_use]
    pub fn causes(&self) -> &[Cause] {
        &self.causes
    }

    /// Number of events of a kind in the whole store.
    #[must_use]
    pub fn kind_count(&self, kind: Kind) -> u64 {
        self.kinds.get(kind as usize).copied().unwrap_or(0)
    }

    /// Number of tasks, events that stand alone included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.task_ids.len()
    }

    /// Whether there is no event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.task_ids.is_empty()
    }

    /// Number of events.
    #[must_use]
    pub fn events(&self) -> usize {
        self.times.len()
    }

    /// Id of a task.
    #[must_use]
    pub fn id(&self, task: usize) -> Digest {
        self.task_ids[task]
    }

    /// Events of a task, in order.
    #[must_use]
    pub fn members(&self, task: usize) -> &[u32] {
        &self.members[self.starts[task] as usize..self.starts[task + 1] as usize]
    }

    /// Tasks whose id begins with that text.
    #[must_use]
    pub fn by_prefix(&self, prefix: &str) -> Vec<usize> {
        let prefix = prefix.trim().to_ascii_lowercase();
        let head = |id: &Digest| id.short(prefix.len());
        let start = self.task_ids.partition_point(|id| head(id) < prefix);
        (start..self.len())
            .take_while(|task| head(&self.task_ids[*task]) == prefix)
            .collect()
    }

    /// The task of an event at that place.
    #[must_use]
    pub fn task_at(&self, place: EventRef) -> Option<usize> {
        let event = self.places.number(place.batch, place.row)?;
        self.task_of.get(event as usize).map(|task| *task as usize)
    }

    /// Where an event lies.
    #[must_use]
    pub fn place(&self, event: u32) -> EventRef {
        self.places.place(event)
    }

    /// The time an event is ordered by: recorded, or taken from the header of its change document.
    #[must_use]
    pub fn time(&self, event: u32) -> Option<i64> {
        Some(self.times[event as usize]).filter(|time| *time != i64::MAX)
    }

    /// Why an event is in its task; `None` for the first one.
    #[must_use]
    pub fn link(&self, event: u32) -> Option<Link> {
        if !self.links.is_set(event) {
            return None;
        }
        let at = event as usize;
        Some(Link {
            cause: self.links.cause[at],
            kind: *KeyKind::ALL.get(self.links.kind[at] as usize)?,
            value: self
                .links
                .values
                .get(self.links.value[at] as usize)?
                .clone(),
            probability: f64::from(self.links.probability[at]) / 1000.0,
        })
    }

    /// Number of events that evidence joined to their task, and no id.
    #[must_use]
    pub fn weighed(&self) -> usize {
        let by_evidence = |event: u32| {
            self.links.is_set(event) && self.links.kind[event as usize] == KeyKind::Value as u32
        };
        (0u32..)
            .take(self.events())
            .filter(|event| by_evidence(*event))
            .count()
    }

    /// Values that joined nothing because they reach too much.
    #[must_use]
    pub fn hubs(&self) -> &[Hub] {
        &self.hubs
    }

    fn path(store: &Store) -> PathBuf {
        store.layout().root.join("tasks").join("_index.bin")
    }

    /// Reads the index if it is that of the store as it is now. Anything wrong with it means that it
    /// is made again.
    pub(super) fn load(store: &Store, state: Digest) -> Option<Self> {
        let bytes = std::fs::read(Self::path(store)).ok()?;
        let mut input = Input { bytes: &bytes };
        if input.take(32)? != state.0 {
            return None;
        }
        let places = Places::new(store);
        let n = input.count()?;
        if n != places.len() {
            return None;
        }
        let times = input
            .take(n.checked_mul(8)?)?
            .chunks_exact(8)
            .map(|chunk| i64::from_le_bytes(chunk.try_into().unwrap_or_default()))
            .collect();
        let tasks = input.count()?;
        let task_ids = input
            .take(tasks.checked_mul(32)?)?
            .chunks_exact(32)
            .map(|chunk| Digest(chunk.try_into().unwrap_or([0; 32])))
            .collect();
        let starts = input.numbers(tasks + 1)?;
        let members = input.numbers(n)?;
        let sound = starts.first() == Some(&0)
            && starts.last().is_some_and(|last| *last as usize == n)
            && starts.is_sorted()
            && members.iter().all(|event| (*event as usize) < n);
        if !sound {
            return None;
        }
        let mut links = Links {
            cause: input.numbers(n)?,
            kind: input.numbers(n)?,
            value: input.numbers(n)?,
            probability: input.numbers(n)?,
            values: Vec::new(),
        };
        for _ in 0..input.count()? {
            links.values.push(input.text()?);
        }
        let mut hubs = Vec::new();
        for _ in 0..input.count()? {
            let kind = *KeyKind::ALL.get(input.number()? as usize)?;
            let value = input.text()?;
            hubs.push(Hub {
                kind,
                value,
                reach: input.count()?,
                events: input.count()?,
            });
        }
        let kinds = input
            .numbers(Kind::ALL.len())?
            .into_iter()
            .map(u64::from)
            .collect();
        let mut causes = Vec::new();
        for _ in 0..input.count()? {
            causes.push(Cause {
                cause: input.number()?,
                effect: input.number()?,
                probability: f64::from(input.number()?) / 1e6,
            });
        }
        Some(Self::new(Parts {
            state,
            places,
            times,
            task_ids,
            starts,
            members,
            links,
            hubs,
            kinds,
            causes,
        }))
    }

    pub(super) fn save(&self, store: &Store) -> Result<(), StoreError> {
        let mut out = Vec::new();
        let number = |out: &mut Vec<u8>, n: usize| {
            out.extend_from_slice(&u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes());
        };
        let numbers = |out: &mut Vec<u8>, list: &[u32]| {
            for n in list {
                out.extend_from_slice(&n.to_le_bytes());
            }
        };
        let text = |out: &mut Vec<u8>, text: &str| {
            number(out, text.len());
            out.extend_from_slice(text.as_bytes());
        };
        out.extend_from_slice(&self.state.0);
        number(&mut out, self.times.len());
        for time in &self.times {
            out.extend_from_slice(&time.to_le_bytes());
        }
        number(&mut out, self.task_ids.len());
        for id in &self.task_ids {
            out.extend_from_slice(&id.0);
        }
        for list in [
            &self.starts,
            &self.members,
            &self.links.cause,
            &self.links.kind,
            &self.links.value,
            &self.links.probability,
        ] {
            numbers(&mut out, list);
        }
        number(&mut out, self.links.values.len());
        for value in &self.links.values {
            text(&mut out, value);
        }
        number(&mut out, self.hubs.len());
        for hub in &self.hubs {
            number(&mut out, hub.kind as usize);
            text(&mut out, &hub.value);
            number(&mut out, hub.reach);
            number(&mut out, hub.events);
        }
        for kind in Kind::ALL {
            let count = usize::try_from(self.kind_count(*kind)).unwrap_or(usize::MAX);
            number(&mut out, count);
        }
        number(&mut out, self.causes.len());
        for cause in &self.causes {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Millionths.
            let millionths = (cause.probability * 1e6) as u32;
            numbers(&mut out, &[cause.cause, cause.effect, millionths]);
        }
        write_atomically(&Self::path(store), &out)
    }
}

/// Reads little-endian numbers and texts from the front.
struct Input<'b> {
    bytes: &'b [u8],
}

impl<'b> Input<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (head, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(head)
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn numbers(&mut self, count: usize) -> Option<Vec<u32>> {
        let bytes = self.take(count.checked_mul(4)?)?;
        let number = |chunk: &[u8]| u32::from_le_bytes(chunk.try_into().unwrap_or_default());
        Some(bytes.chunks_exact(4).map(number).collect())
    }

    fn count(&mut self) -> Option<usize> {
        self.number().map(|number| number as usize)
    }

    fn text(&mut self) -> Option<String> {
        let length = self.count()?;
        String::from_utf8(self.take(length)?.to_vec()).ok()
    }
}
