//! What an index of tasks consists of, and its file.

use std::io::{self, Write};
use std::sync::Arc;

use super::super::Hub;
use super::super::column::{Column, Fixed, Source};
use super::super::weigh::{Cause, Clock, Weighing};
use super::Places;
use crate::model::{Digest, KeyKind};
use crate::store::StoreError;

/// Links of all events: an event's link names its value by number, because the events of one group share it.
#[derive(Debug, Default)]
pub(in crate::stitch) struct Links {
    of: Vec<LinkOf>,
    values: Vec<String>,
}

/// The link of one event. What is asked for together lies together: events are linked in no order of theirs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::stitch) struct LinkOf {
    /// `u32::MAX` for none.
    pub cause: u32,
    /// Number of the value.
    pub value: u32,
    kind: u16,
    thousandths: u16,
}

impl LinkOf {
    pub(in crate::stitch) fn is_set(self) -> bool {
        self.cause != u32::MAX
    }

    pub(in crate::stitch) fn kind(self) -> Option<KeyKind> {
        KeyKind::ALL.get(usize::from(self.kind)).copied()
    }

    /// How sure, 0 to 1.
    pub(in crate::stitch) fn probability(self) -> f64 {
        f64::from(self.thousandths) / 1000.0
    }
}

impl Links {
    pub(in crate::stitch) fn none(events: usize) -> Self {
        Self {
            of: vec![LinkOf::NONE; events],
            values: Vec::new(),
        }
    }

    pub(in crate::stitch) fn is_set(&self, event: u32) -> bool {
        self.of[event as usize].is_set()
    }

    /// The number of a new value.
    pub(in crate::stitch) fn add_value(&mut self, value: String) -> u32 {
        self.values.push(value);
        u32::try_from(self.values.len() - 1).unwrap_or(u32::MAX)
    }

    /// Links an event to its cause. How sure that is, is between 0 and 1.
    pub(in crate::stitch) fn set(
        &mut self,
        event: u32,
        cause: u32,
        (kind, value): (KeyKind, u32),
        probability: f64,
    ) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Between 0 and 1000.
        let thousandths = (probability.clamp(0.0, 1.0) * 1000.0) as u16;
        self.of[event as usize] = LinkOf {
            cause,
            value,
            kind: kind as u16,
            thousandths,
        };
    }
}

impl Fixed for LinkOf {
    const WIDTH: usize = 12;
    const NONE: Self = Self {
        cause: u32::MAX,
        value: 0,
        kind: 0,
        thousandths: 0,
    };

    fn put(self, out: &mut Vec<u8>) {
        for number in [self.cause, self.value] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.kind, self.thousandths] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    fn get(bytes: &[u8]) -> Self {
        let Ok(bytes) = <[u8; Self::WIDTH]>::try_from(bytes) else {
            return Self::NONE;
        };
        let [a, b, c, d, e, f, g, h, i, j, k, l] = bytes;
        Self {
            cause: u32::from_le_bytes([a, b, c, d]),
            value: u32::from_le_bytes([e, f, g, h]),
            kind: u16::from_le_bytes([i, j]),
            thousandths: u16::from_le_bytes([k, l]),
        }
    }
}

/// What the index consists of.
#[derive(Debug)]
pub(super) struct Columns {
    /// `i64::MAX` for none.
    pub times: Column<i64>,
    pub task_of: Column<u32>,
    pub task_ids: Column<Digest>,
    /// Time of the earliest event of each task; `i64::MAX` if none has one.
    pub begins: Column<i64>,
    /// Least number of an event of each task.
    pub firsts: Column<u32>,
    /// Where each task's members begin, and behind the last one.
    pub starts: Column<u32>,
    pub members: Column<u32>,
    pub links: Column<LinkOf>,
    /// End of each value in the text.
    pub value_ends: Column<u64>,
    pub value_text: Column<u8>,
    /// Number of events by kind, and of those without a time.
    pub kinds: Column<u64>,
    pub causes: Column<Cause>,
    /// As JSON.
    pub hubs: Column<u8>,
    /// As JSON.
    pub clocks: Column<u8>,
    /// What was weighed for an event; `u32::MAX` for nothing.
    pub weighing_of: Column<u32>,
    /// End of each weighing in the text, which is JSON.
    pub weighing_ends: Column<u64>,
    pub weighing_text: Column<u8>,
}

/// Writes a column.
type Put<'c, W> = &'c dyn Fn(&mut W) -> io::Result<()>;

/// Number of columns.
const COLUMNS: usize = 17;

impl Columns {
    /// The columns of an index, where to find its events, and what it was made from.
    pub(super) fn of(parts: Parts) -> Result<(Digest, Places, Self), StoreError> {
        let mut task_of = vec![0; parts.times.len()];
        let tasks = parts.starts.len().saturating_sub(1);
        let (mut begins, mut firsts) = (Vec::with_capacity(tasks), Vec::with_capacity(tasks));
        for (task, range) in (0u32..).zip(parts.starts.windows(2)) {
            let (mut begin, mut first) = (i64::MAX, u32::MAX);
            for event in &parts.members[range[0] as usize..range[1] as usize] {
                task_of[*event as usize] = task;
                begin = begin.min(parts.times[*event as usize]);
                first = first.min(*event);
            }
            begins.push(begin);
            firsts.push(first);
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
        let columns = Self {
            times: Column::Held(parts.times),
            task_of: Column::Held(task_of),
            task_ids: Column::Held(parts.task_ids),
            begins: Column::Held(begins),
            firsts: Column::Held(firsts),
            starts: Column::Held(parts.starts),
            members: Column::Held(parts.members),
            links: Column::Held(parts.links.of),
            value_ends: Column::Held(values.ends),
            value_text: Column::Held(values.text),
            kinds: Column::Held(kinds),
            causes: Column::Held(parts.causes),
            hubs: Column::Held(json(&parts.hubs)?),
            clocks: Column::Held(json(&parts.clocks)?),
            weighing_of: Column::Held(weighing_of),
            weighing_ends: Column::Held(weighings.ends),
            weighing_text: Column::Held(weighings.text),
        };
        Ok((parts.state, parts.places, columns))
    }

    /// Opens the columns of a file, if it was made from that state.
    pub(super) fn open(source: &Arc<Source>, state: Digest) -> Option<Self> {
        let mut head = [0; 32 + 8 * COLUMNS];
        if source.size().ok()? < head.len() as u64 || !source.read(0, &mut head) {
            return None;
        }
        let (of, lens) = head.split_at(32);
        if of != state.0 {
            return None;
        }
        let lens: Vec<u64> = lens.chunks_exact(8).map(u64::get).collect();
        let columns = Self::stored(source, head.len() as u64, &lens)?;
        let n = columns.times.len();
        let by_event = [&columns.task_of, &columns.members, &columns.weighing_of];
        let tasks = columns.task_ids.len();
        let sound = by_event.iter().all(|column| column.len() == n)
            && columns.links.len() == n
            && [columns.begins.len(), columns.firsts.len()] == [tasks; 2]
            && columns.starts.len() == tasks + 1;
        sound.then_some(columns)
    }

    /// Writes what they were made from, the lengths of all columns, and then the columns, in the order of
    /// [`Columns::stored`].
    pub(super) fn put(&self, state: Digest, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&state.0)?;
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
            begins,
            firsts,
            starts,
            members,
            links,
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
            begins: next(source, at, lens)?,
            firsts: next(source, at, lens)?,
            starts: next(source, at, lens)?,
            members: next(source, at, lens)?,
            links: next(source, at, lens)?,
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
pub(in crate::stitch) struct Parts {
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
pub(super) fn text_at(ends: &Column<u64>, text: &Column<u8>, at: usize) -> Option<Vec<u8>> {
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
