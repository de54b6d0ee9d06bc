//! What an index of tasks consists of, and its files.
//!
//! ```text
//! tasks/_index.bin                 head: what all of it was made from, and the names of the other files
//! tasks/_times-<n>-<hash>.bin      of a segment: when its events were, when its tasks begin, and how many events each has, of what kinds
//! tasks/_tasks-<n>-<hash>.bin      of the same: which task each event is in and why, and the tasks
//! ```
//!
//! Columns follow each other, of fixed width. The head begins with the lengths of its own, and tells those of the others. The files of a
//! segment are named by what is in them: another one never has the name, so that whoever has read the head finds what it speaks of, or
//! nothing.

use std::io::{self, Write};
use std::sync::Arc;

use twox_hash::XxHash64;

use super::super::column::{Column, Fixed, Source};
use super::super::weigh::Cause;
use super::Reason;
use crate::model::Digest;
use crate::store::StoreError;

macro_rules! columns {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $column:ident: $value:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) struct $name {
            $($(#[$of])* pub $column: Column<$value>,)+
        }

        impl $name {
            /// Opens the columns of a file, which have these lengths and begin at a place of it; `None` if they do not fill it.
            pub(super) fn open(source: &Arc<Source>, mut at: u64, lens: &[u64]) -> Option<Self> {
                let mut lens = lens.iter();
                let columns = Self {
                    $($column: next(source, &mut at, *lens.next()?)?,)+
                };
                (at == source.size().ok()? && lens.next().is_none()).then_some(columns)
            }

            /// Their lengths.
            pub(super) fn lens(&self) -> Vec<u64> {
                vec![$(self.$column.len() as u64),+]
            }

            /// Writes them one after the other.
            pub(super) fn put(&self, out: &mut impl Write) -> io::Result<()> {
                $(self.$column.put(out)?;)+
                Ok(())
            }

            /// Lets go of what was read of the file.
            pub(super) fn forget(&mut self) {
                $(self.$column.forget();)+
            }
        }
    };
}

impl Head {
    /// Number of its columns.
    const LENS: usize = 8;

    /// Reads the lengths of its columns, which its file begins with, and opens them.
    pub(super) fn read(source: &Arc<Source>) -> Option<Self> {
        let mut lens = [0; 8 * Self::LENS];
        if source.size().ok()? < lens.len() as u64 || !source.read(0, &mut lens) {
            return None;
        }
        let of = lens.chunks_exact(8).map(u64::get).collect::<Vec<_>>();
        Self::open(source, lens.len() as u64, &of)
    }

    /// Writes it as it is read.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        for len in self.lens() {
            out.write_all(&len.to_le_bytes())?;
        }
        self.put(out)
    }
}

/// The column of a file that begins there, which is then behind it.
fn next<T: Fixed>(source: &Arc<Source>, at: &mut u64, len: u64) -> Option<Column<T>> {
    let column = Column::stored(source, *at, usize::try_from(len).ok()?);
    *at = at.checked_add(len.checked_mul(T::WIDTH as u64)?)?;
    Some(column)
}

columns! {
    /// What is known of the whole store.
    Head {
        /// Digest of what it was made from.
        state: Digest,
        /// Number of events by kind, and of those without a time.
        kinds: u64,
        /// As JSON.
        hubs: u8,
        /// What each hub reaches, as [`Reached::put`](super::super::hubs::Reached::put) writes it.
        reached: u64,
        /// Beginnings that conversations share and that join none of them, see [`apart_id`](super::super::hubs::apart_id); in order.
        apart: u128,
        /// As JSON.
        clocks: u8,
        /// What all of it was made from, as JSON: [`Made`](super::Made).
        made: u8,
        /// The segments, as JSON: [`Described`](super::Described).
        segments: u8,
    }
}

columns! {
    /// When the events of a segment were, and its tasks begin, and of what kinds the events of each are.
    When {
        /// `i64::MAX` for none.
        times: i64,
        /// Time of the earliest event of each task; `i64::MAX` if none has one.
        begins: i64,
        /// Where each task's members begin, and behind the last one.
        starts: u32,
        /// The kinds of the events of each task: a bit each, in the order of [`Kind::ALL`](crate::model::Kind::ALL).
        kinds: u32,
    }
}

columns! {
    /// The tasks of a segment, in the order of their ids, and what is told of its events.
    Tasks {
        /// Of the first event of a task of the segment the place of that; of any other event the first one of its task.
        task_of: u32,
        ids: Digest,
        /// Least number of an event of each task.
        firsts: u32,
        members: u32,
        /// The reason for which each event is linked; `u32::MAX` for none.
        links: u32,
        reasons: Reason,
        /// What ids alone join: the least number of an event of each event's fragment.
        fragments: u32,
        /// End of the value of each reason in the text.
        value_ends: u64,
        value_text: u8,
        /// In the order of the effects.
        causes: Cause,
        /// What was weighed for an event; `u32::MAX` for nothing.
        weighing_of: u32,
        /// End of each weighing in the text, which is JSON.
        weighing_ends: u64,
        weighing_text: u8,
    }
}

/// Bytes that are counted by their hash alone.
pub(super) struct Hashed(pub XxHash64);

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        std::hash::Hasher::write(&mut self.0, bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
