//! Tasks in a form that questions can use at once.

use std::path::PathBuf;

use super::Hub;
use crate::model::{Digest, KeyKind, Kind};
use crate::store::{EventRef, PART_BITS, Store, StoreError, write_atomically};

/// Why an event belongs to its task: an earlier event has the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The other event's number.
    pub cause: u32,
    /// Kind of the shared key.
    pub kind: KeyKind,
    /// Its value.
    pub value: String,
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

/// The tasks of a store.
#[derive(Debug)]
pub struct TaskIndex {
    state: Digest,
    places: Places,
    pub(super) ids: Vec<Digest>,
    times: Vec<Option<i64>>,
    task_of: Vec<u32>,
    pub(super) tasks: Vec<(Digest, Vec<u32>)>,
    links: Vec<Option<Link>>,
    hubs: Vec<Hub>,
    kinds: Vec<u64>,
}

impl TaskIndex {
    #[allow(clippy::too_many_arguments)] // The parts of the index, each once.
    pub(super) fn new(
        state: Digest,
        places: Places,
        ids: Vec<Digest>,
        times: Vec<Option<i64>>,
        tasks: Vec<(Digest, Vec<u32>)>,
        links: Vec<Option<Link>>,
        hubs: Vec<Hub>,
        kinds: Vec<u64>,
    ) -> Self {
        let mut task_of = vec![0; ids.len()];
        for (number, (_, members)) in (0u32..).zip(&tasks) {
            for event in members {
                task_of[*event as usize] = number;
            }
        }
        Self {
            state,
            places,
            ids,
            times,
            task_of,
            tasks,
            links,
            hubs,
            kinds,
        }
    }

    /// Number of events of a kind in the whole store.
    #[must_use]
    pub fn kind_count(&self, kind: Kind) -> u64 {
        self.kinds.get(kind as usize).copied().unwrap_or(0)
    }

    /// Number of tasks, events that stand alone included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether there is no event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Number of events.
    #[must_use]
    pub fn events(&self) -> usize {
        self.ids.len()
    }

    /// Id of a task.
    #[must_use]
    pub fn id(&self, task: usize) -> Digest {
        self.tasks[task].0
    }

    /// Events of a task, in order.
    #[must_use]
    pub fn members(&self, task: usize) -> &[u32] {
        &self.tasks[task].1
    }

    /// Tasks whose id begins with that text.
    #[must_use]
    pub fn by_prefix(&self, prefix: &str) -> Vec<usize> {
        let prefix = prefix.trim().to_ascii_lowercase();
        let head = |task: &(Digest, Vec<u32>)| task.0.short(prefix.len());
        let start = self.tasks.partition_point(|task| head(task) < prefix);
        (start..self.tasks.len())
            .take_while(|task| head(&self.tasks[*task]) == prefix)
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
        self.times[event as usize]
    }

    /// Why an event is in its task; `None` for the first one.
    #[must_use]
    pub fn link(&self, event: u32) -> Option<&Link> {
        self.links[event as usize].as_ref()
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
        let mut ids = Vec::with_capacity(n);
        for _ in 0..n {
            ids.push(Digest(input.take(32)?.try_into().ok()?));
        }
        let mut times = Vec::with_capacity(n);
        for _ in 0..n {
            let time = i64::from_le_bytes(input.take(8)?.try_into().ok()?);
            times.push((time != i64::MAX).then_some(time));
        }
        let task_count = input.count()?;
        let mut tasks = Vec::with_capacity(task_count.min(n));
        for _ in 0..task_count {
            let id = Digest(input.take(32)?.try_into().ok()?);
            let count = input.count()?;
            let members = (0..count)
                .map(|_| input.number().filter(|event| (*event as usize) < n))
                .collect::<Option<_>>()?;
            tasks.push((id, members));
        }
        let mut links = Vec::with_capacity(n);
        for _ in 0..n {
            let cause = input.number()?;
            links.push(if cause == u32::MAX {
                None
            } else {
                let kind = *KeyKind::ALL.get(input.number()? as usize)?;
                Some(Link {
                    cause,
                    kind,
                    value: input.text()?,
                })
            });
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
        let mut kinds = Vec::new();
        for _ in Kind::ALL {
            kinds.push(u64::from(input.number()?));
        }
        Some(Self::new(
            state, places, ids, times, tasks, links, hubs, kinds,
        ))
    }

    pub(super) fn save(&self, store: &Store) -> Result<(), StoreError> {
        let mut out = Vec::new();
        let number = |out: &mut Vec<u8>, n: usize| {
            out.extend_from_slice(&u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes());
        };
        let text = |out: &mut Vec<u8>, text: &str| {
            number(out, text.len());
            out.extend_from_slice(text.as_bytes());
        };
        out.extend_from_slice(&self.state.0);
        number(&mut out, self.ids.len());
        for id in &self.ids {
            out.extend_from_slice(&id.0);
        }
        for time in &self.times {
            out.extend_from_slice(&time.unwrap_or(i64::MAX).to_le_bytes());
        }
        number(&mut out, self.tasks.len());
        for (id, members) in &self.tasks {
            out.extend_from_slice(&id.0);
            number(&mut out, members.len());
            for event in members {
                number(&mut out, *event as usize);
            }
        }
        for link in &self.links {
            match link {
                None => out.extend_from_slice(&u32::MAX.to_le_bytes()),
                Some(link) => {
                    number(&mut out, link.cause as usize);
                    number(&mut out, link.kind as usize);
                    text(&mut out, &link.value);
                }
            }
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

    fn count(&mut self) -> Option<usize> {
        self.number().map(|number| number as usize)
    }

    fn text(&mut self) -> Option<String> {
        let length = self.count()?;
        String::from_utf8(self.take(length)?.to_vec()).ok()
    }
}
