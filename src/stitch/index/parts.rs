//! What an index is made of.

use std::collections::BTreeMap;

use super::super::Hub;
use super::super::hubs::Reached;
use super::super::weigh::{Cause, Clock};
use super::{LinkOf, Places};
use crate::model::Digest;

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
    pub sources: BTreeMap<String, String>,
}

/// Texts one after the other, and the end of each.
#[derive(Debug, Default)]
pub(in crate::stitch) struct Texts {
    pub(super) ends: Vec<u64>,
    pub(super) text: Vec<u8>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_numbered_by_their_use() {
        let mut texts = Texts::default();
        for text in ["never", "late", "", "early"] {
            texts.push(text.as_bytes());
        }
        let mut used = [3, 1, 3, 2, 1];
        let texts = texts.by_use(used.iter_mut());
        assert_eq!((used, texts.len()), ([0, 1, 0, 2, 1], 3));
        let all: Vec<&[u8]> = (0..3).map(|number| texts.get(number)).collect();
        assert_eq!(all, [&b"early"[..], b"late", b""]);
    }
}
