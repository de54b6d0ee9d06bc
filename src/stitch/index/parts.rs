//! What an index is made of.

use std::collections::BTreeMap;

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
    /// Texts by their ends; `None` if not each ends behind the one before, and the last one where all end.
    pub(super) fn new(ends: Vec<u64>, text: Vec<u8>) -> Option<Self> {
        let is_sound = ends.is_sorted() && ends.last().copied().unwrap_or(0) == text.len() as u64;
        is_sound.then_some(Self { ends, text })
    }

    pub(in crate::stitch) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Adds a text and gives its number.
    pub(in crate::stitch) fn push(&mut self, text: &[u8]) -> u32 {
        self.text.extend_from_slice(text);
        self.ends.push(self.text.len() as u64);
        u32::try_from(self.ends.len() - 1).unwrap_or(u32::MAX)
    }

    /// Adds texts, behind those that are there, and gives the number of the first one of them.
    pub(in crate::stitch) fn append(&mut self, more: Self) -> u32 {
        let first = u32::try_from(self.len()).unwrap_or(u32::MAX);
        if self.ends.is_empty() {
            *self = more;
            return first;
        }
        let before = self.text.len() as u64;
        self.text.extend_from_slice(&more.text);
        self.ends.extend(more.ends.iter().map(|end| before + end));
        first
    }

    pub(in crate::stitch) fn get(&self, number: u32) -> &[u8] {
        let at = number as usize;
        let place = |end: u64| usize::try_from(end).unwrap_or(usize::MAX);
        let start = at
            .checked_sub(1)
            .map_or(0, |before| place(self.ends[before]));
        &self.text[start..place(self.ends[at])]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_do_not_follow_each_other_are_none() {
        let texts = |ends: &[u64], text: &[u8]| Texts::new(ends.to_vec(), text.to_vec()).is_some();
        assert!(texts(&[], b"") && texts(&[2, 2, 5], b"hello"));
        assert!(!texts(&[], b"a") && !texts(&[3, 2], b"ab") && !texts(&[2], b"a"));
    }
}
