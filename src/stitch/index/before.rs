//! What was made of a store when it had fewer batches.

use std::ops::Range;
use std::sync::OnceLock;

use super::super::derived;
use super::{Overall, Segment, TaskIndex};
use crate::store::derived::Listed;
use crate::store::{Store, side_by_side};

/// What was made before. Of its files none is used that is not as the list of derived files says: the head and all times are
/// looked at when it is read, the rest of a segment before it is used.
pub(in crate::stitch) struct Before {
    pub index: TaskIndex,
    pub overall: Overall,
    /// Times of all events, until somebody takes them; `i64::MAX` for none.
    pub times: Vec<i64>,
    listed: Vec<Listed>,
    /// By segment: whether its tasks are as they were written.
    is_sound: Vec<OnceLock<bool>>,
}

impl Before {
    /// `None` if there is nothing, or it is not as it was written.
    pub(in crate::stitch) fn read(store: &Store) -> Option<Self> {
        let listed = derived::listed(store);
        let mut index = TaskIndex::load_any(store)?;
        let of_times = index.segments.iter().map(|segment| {
            let times = &segment.described.times;
            times.as_str()
        });
        let files: Vec<&str> = of_times.chain([derived::INDEX]).collect();
        let are_sound = side_by_side(&files, |file| {
            Ok::<_, std::convert::Infallible>(derived::is_as_it_was(store, &listed, file))
        });
        let Ok(are_sound) = are_sound;
        let overall = index.overall()?;
        let times = index.segments.iter().map(Segment::times);
        let times = times.collect::<Vec<_>>().concat();
        index.check().ok()?;
        index.forget();
        are_sound.iter().all(|is_sound| *is_sound).then(|| Self {
            is_sound: index.segments.iter().map(|_| OnceLock::new()).collect(),
            index,
            overall,
            times,
            listed,
        })
    }

    /// Whether its segments are those that there are now, or beginnings of them.
    pub(in crate::stitch) fn has_beginnings_of(&self, segments: &[Range<u32>]) -> bool {
        let before = self.index.segments.iter().map(|segment| &segment.events);
        let mut pairs = before.zip(segments).peekable();
        let mut is_one = self.index.segments.len() <= segments.len();
        while let Some((before, now)) = pairs.next() {
            is_one &= before.start == now.start
                && (before.end == now.end || pairs.peek().is_none() && before.end < now.end);
        }
        is_one
    }

    /// Number of its events.
    pub(in crate::stitch) fn events(&self) -> usize {
        self.index.events()
    }

    /// A segment, if it is as it was written.
    pub(in crate::stitch) fn segment(&self, store: &Store, number: usize) -> Option<&Segment> {
        let segment = self.index.segments.get(number)?;
        let is_sound = *self
            .is_sound
            .get(number)?
            .get_or_init(|| derived::is_as_it_was(store, &self.listed, &segment.described.tasks));
        is_sound.then_some(segment)
    }

    /// The segment that an event is in, by number, if it is as it was written.
    pub(in crate::stitch) fn segment_of(&self, store: &Store, event: u32) -> Option<usize> {
        let number = self.index.segment_of(event);
        self.segment(store, number).map(|_| number)
    }
}
