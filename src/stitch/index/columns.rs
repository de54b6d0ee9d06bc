//! What an index of tasks consists of, and its file.

use std::io::{self, Write};
use std::sync::Arc;

use super::super::Hub;
use super::super::column::{Column, Fixed, Source};
use super::super::hubs::Reached;
use super::super::weigh::{Cause, Clock};
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
    /// No link.
    pub(in crate::stitch) const NOT_SET: Self = Self {
        cause: u32::MAX,
        value: 0,
        kind: 0,
        thousandths: 0,
    };

    /// A link to a cause: kind and number of the value, how sure between 0 and 1.
    pub(in crate::stitch) fn new(cause: u32, (kind, value): (KeyKind, u32), sure: f64) -> Self {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Between 0 and 1000.
        let thousandths = (sure.clamp(0.0, 1.0) * 1000.0) as u16;
        Self {
            cause,
            value,
            kind: kind as u16,
            thousandths,
        }
    }

    /// The same, where the events are numbered otherwise and there are other values before.
    pub(in crate::stitch) fn moved(self, number: impl Fn(u32) -> u32, values: u32) -> Self {
        match self.is_set() {
            true => Self {
                cause: number(self.cause),
                value: self.value + values,
                ..self
            },
            false => Self::NOT_SET,
        }
    }

    /// Whether evidence says so, and no id.
    pub(in crate::stitch) fn is_by_evidence(self) -> bool {
        self.is_set() && self.kind() == Some(KeyKind::Value)
    }

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
            of: vec![LinkOf::NOT_SET; events],
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
        self.of[event as usize] = LinkOf::new(cause, (kind, value), probability);
    }

    /// The link of each event, and the values.
    pub(in crate::stitch) fn into_parts(self) -> (Vec<LinkOf>, Vec<String>) {
        (self.of, self.values)
    }
}

impl Fixed for LinkOf {
    const WIDTH: usize = 12;
    const NONE: Self = Self::NOT_SET;

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
    /// What ids alone join: the least number of an event of each event's fragment.
    pub fragments: Column<u32>,
    /// End of each value in the text.
    pub value_ends: Column<u64>,
    pub value_text: Column<u8>,
    /// Number of events by kind, and of those without a time.
    pub kinds: Column<u64>,
    /// In the order of the effects.
    pub causes: Column<Cause>,
    /// As JSON.
    pub hubs: Column<u8>,
    /// What each hub reaches, as [`Reached::put`] writes it.
    pub reached: Column<u64>,
    /// Beginnings that conversations share and that join none of them, see [`apart_id`](super::super::hubs::apart_id); in order.
    pub apart: Column<u128>,
    /// As JSON.
    pub clocks: Column<u8>,
    /// What all of it was made from, as JSON: [`Made`].
    pub made: Column<u8>,
    /// What was weighed for an event; `u32::MAX` for nothing.
    pub weighing_of: Column<u32>,
    /// End of each weighing in the text, which is JSON.
    pub weighing_ends: Column<u64>,
    pub weighing_text: Column<u8>,
}

/// Writes a column.
type Put<'c, W> = &'c dyn Fn(&mut W) -> io::Result<()>;

/// Number of columns.
const COLUMNS: usize = 21;

impl Columns {
    /// The columns of an index, where to find its events, and what it was made from.
    pub(super) fn of(parts: Parts) -> Result<(Digest, Places, Self), StoreError> {
        let reached = parts.hubs.iter().flat_map(|(_, reached)| reached.put());
        let reached = reached.collect();
        let hubs: Vec<Hub> = parts.hubs.into_iter().map(|(hub, _)| hub).collect();
        let columns = Self {
            times: Column::Held(parts.times),
            task_of: Column::Held(parts.task_of),
            task_ids: Column::Held(parts.task_ids),
            begins: Column::Held(parts.begins),
            firsts: Column::Held(parts.firsts),
            starts: Column::Held(parts.starts),
            members: Column::Held(parts.members),
            links: Column::Held(parts.links),
            fragments: Column::Held(parts.fragments),
            value_ends: Column::Held(parts.values.ends),
            value_text: Column::Held(parts.values.text),
            kinds: Column::Held(parts.kinds),
            causes: Column::Held(parts.causes),
            hubs: Column::Held(json(&hubs)?),
            reached: Column::Held(reached),
            apart: Column::Held(parts.apart),
            clocks: Column::Held(json(&parts.clocks)?),
            made: Column::Held(json(&parts.made)?),
            weighing_of: Column::Held(parts.weighing_of),
            weighing_ends: Column::Held(parts.weighings.ends),
            weighing_text: Column::Held(parts.weighings.text),
        };
        Ok((parts.state, parts.places, columns))
    }

    /// What was made of a store as it was then: all columns, in memory, as the parts of an index. `None` if they cannot be read.
    pub(super) fn into_parts(self, state: Digest, places: Places) -> Option<Parts> {
        let mut reached = self.reached.taken().into_iter();
        let hubs: Vec<Hub> = serde_json::from_slice(self.hubs.whole()).ok()?;
        let hubs = hubs
            .into_iter()
            .map(|hub| Some((hub, Reached::take(&mut reached)?)))
            .collect::<Option<_>>()?;
        Some(Parts {
            state,
            places,
            times: self.times.taken(),
            task_of: self.task_of.taken(),
            task_ids: self.task_ids.taken(),
            begins: self.begins.taken(),
            firsts: self.firsts.taken(),
            starts: self.starts.taken(),
            members: self.members.taken(),
            links: self.links.taken(),
            fragments: self.fragments.taken(),
            values: Texts {
                ends: self.value_ends.taken(),
                text: self.value_text.taken(),
            },
            kinds: self.kinds.taken(),
            causes: self.causes.taken(),
            hubs,
            apart: self.apart.taken(),
            clocks: serde_json::from_slice(self.clocks.whole()).ok()?,
            made: serde_json::from_slice(self.made.whole()).ok()?,
            weighing_of: self.weighing_of.taken(),
            weighings: Texts {
                ends: self.weighing_ends.taken(),
                text: self.weighing_text.taken(),
            },
        })
    }

    /// Opens the columns of a file, whatever it was made from: that, and the columns.
    pub(super) fn open_any(source: &Arc<Source>) -> Option<(Digest, Self)> {
        let mut head = [0; 32 + 8 * COLUMNS];
        if source.size().ok()? < head.len() as u64 || !source.read(0, &mut head) {
            return None;
        }
        let (of, lens) = head.split_at(32);
        let lens: Vec<u64> = lens.chunks_exact(8).map(u64::get).collect();
        let columns = Self::stored(source, head.len() as u64, &lens)?;
        let n = columns.times.len();
        let by_event = [
            &columns.task_of,
            &columns.members,
            &columns.fragments,
            &columns.weighing_of,
        ];
        let tasks = columns.task_ids.len();
        let sound = by_event.iter().all(|column| column.len() == n)
            && columns.links.len() == n
            && [columns.begins.len(), columns.firsts.len()] == [tasks; 2]
            && columns.starts.len() == tasks + 1;
        sound.then_some((Digest::get(of), columns))
    }

    /// Opens the columns of a file, if it was made from that state.
    pub(super) fn open(source: &Arc<Source>, state: Digest) -> Option<Self> {
        let (of, columns) = Self::open_any(source)?;
        (of == state).then_some(columns)
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
            fragments,
            value_ends,
            value_text,
            kinds,
            causes,
            hubs,
            reached,
            apart,
            clocks,
            made,
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
            fragments: next(source, at, lens)?,
            value_ends: next(source, at, lens)?,
            value_text: next(source, at, lens)?,
            kinds: next(source, at, lens)?,
            causes: next(source, at, lens)?,
            hubs: next(source, at, lens)?,
            reached: next(source, at, lens)?,
            apart: next(source, at, lens)?,
            clocks: next(source, at, lens)?,
            made: next(source, at, lens)?,
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

/// What an index is made of. By event: `times` (`i64::MAX` for none), `task_of`, `links`, `fragments`, `weighing_of`; by task:
/// `task_ids`, `begins`, `firsts`, `starts`.
pub(in crate::stitch) struct Parts {
    pub state: Digest,
    pub places: Places,
    pub times: Vec<i64>,
    pub task_of: Vec<u32>,
    pub task_ids: Vec<Digest>,
    pub begins: Vec<i64>,
    pub firsts: Vec<u32>,
    pub starts: Vec<u32>,
    pub members: Vec<u32>,
    pub links: Vec<LinkOf>,
    pub fragments: Vec<u32>,
    pub values: Texts,
    pub kinds: Vec<u64>,
    pub causes: Vec<Cause>,
    pub hubs: Vec<(Hub, Reached)>,
    pub apart: Vec<u128>,
    pub clocks: Vec<Clock>,
    pub made: Made,
    pub weighing_of: Vec<u32>,
    pub weighings: Texts,
}

impl Parts {
    /// Of no event.
    pub(in crate::stitch) fn none(places: Places) -> Self {
        Self {
            state: Digest([0; 32]),
            places,
            times: Vec::new(),
            task_of: Vec::new(),
            task_ids: Vec::new(),
            begins: Vec::new(),
            firsts: Vec::new(),
            starts: vec![0],
            members: Vec::new(),
            links: Vec::new(),
            fragments: Vec::new(),
            values: Texts::default(),
            kinds: Vec::new(),
            causes: Vec::new(),
            hubs: Vec::new(),
            apart: Vec::new(),
            clocks: Vec::new(),
            made: Made::default(),
            weighing_of: Vec::new(),
            weighings: Texts::default(),
        }
    }
}

/// What tasks were made from: a later batch is added to them if nothing else of it has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(in crate::stitch) struct Made {
    /// Method and settings.
    pub settings: String,
    /// The batches in the order in which they came: id, and digest of what is in them.
    pub batches: Vec<(String, String)>,
    /// The source that stands for each format.
    pub sources: std::collections::BTreeMap<String, String>,
}

/// Texts one after the other, and the end of each.
#[derive(Debug, Default)]
pub(in crate::stitch) struct Texts {
    ends: Vec<u64>,
    text: Vec<u8>,
}

impl Texts {
    pub(in crate::stitch) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Adds a text and gives its number.
    pub(in crate::stitch) fn push(&mut self, text: &[u8]) -> u32 {
        self.text.extend_from_slice(text);
        self.ends.push(self.text.len() as u64);
        u32::try_from(self.ends.len() - 1).unwrap_or(u32::MAX)
    }

    fn get(&self, number: u32) -> &[u8] {
        let at = number as usize;
        let place = |end: u64| usize::try_from(end).unwrap_or(usize::MAX);
        let start = at
            .checked_sub(1)
            .map_or(0, |before| place(self.ends[before]));
        &self.text[start..place(self.ends[at])]
    }

    /// Numbers the texts anew in the order in which they are used first: what is not used goes, and how often the texts were
    /// added to decides nothing.
    pub(in crate::stitch) fn by_use<'u>(&self, used: impl Iterator<Item = &'u mut u32>) -> Self {
        let mut numbers = vec![u32::MAX; self.len()];
        let mut texts = Self::default();
        for number in used {
            let new = &mut numbers[*number as usize];
            if *new == u32::MAX {
                *new = texts.push(self.get(*number));
            }
            *number = *new;
        }
        texts
    }
}

/// One text of a column of texts.
pub(super) fn text_at(ends: &Column<u64>, text: &Column<u8>, at: usize) -> Option<Vec<u8>> {
    let end = |at: usize| usize::try_from(ends.get(at)).ok();
    let start = at.checked_sub(1).map_or(Some(0), end)?;
    Some(text.range(start, end(at)?))
}

pub(in crate::stitch) fn json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| StoreError::Damaged {
        path: "tasks".into(),
        reason: error.to_string(),
    })
}
