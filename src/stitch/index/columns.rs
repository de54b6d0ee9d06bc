//! What an index of tasks consists of, and its file.

use std::io::{self, Write};
use std::sync::Arc;

use super::super::Hub;
use super::super::column::{Column, Fixed, Source};
use super::super::hubs::Reached;
use super::super::weigh::Cause;
use super::parts::Texts;
use super::{LinkOf, Parts, Places};
use crate::model::Digest;
use crate::store::StoreError;

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
            times: Column::Held(Arc::unwrap_or_clone(parts.times)),
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
            times: Arc::new(self.times.taken()),
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
        let millionths = (self.probability * 1e6).round() as u32;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_was_read_is_written_as_it_was() {
        for millionths in (0..=1_000_000u32).step_by(7) {
            let mut bytes = vec![0; 8];
            bytes.extend(millionths.to_le_bytes());
            let mut again = Vec::new();
            Cause::get(&bytes).put(&mut again);
            assert_eq!(again, bytes);
        }
    }
}
