//! Many texts in one piece of memory.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use foldhash::{HashMap, HashMapExt};

/// Texts, numbered as they come.
#[derive(Default)]
pub(super) struct Texts {
    ends: Vec<usize>,
    text: String,
    /// Numbers by the hashes of texts; where two texts have one, the second stands at the next.
    numbers: HashMap<u64, u32>,
}

impl Texts {
    pub(super) fn new() -> Self {
        Self {
            numbers: HashMap::new(),
            ..Self::default()
        }
    }

    /// The number of a text; a new one, where it is new.
    pub(super) fn number(&mut self, text: &str) -> u32 {
        let next = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        let mut hash = hash_of(text);
        while let Some(known) = self.numbers.get(&hash) {
            if self.get(*known) == text {
                return *known;
            }
            hash = hash.wrapping_add(1);
        }
        self.numbers.insert(hash, next);
        self.text.push_str(text);
        self.ends.push(self.text.len());
        next
    }

    /// The number of a text that is known.
    pub(super) fn find(&self, text: &str) -> Option<u32> {
        let mut hash = hash_of(text);
        loop {
            let known = self.numbers.get(&hash)?;
            if self.get(*known) == text {
                return Some(*known);
            }
            hash = hash.wrapping_add(1);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0u32..)
            .take(self.ends.len())
            .map(|number| self.get(number))
    }

    pub(super) fn get(&self, number: u32) -> &str {
        let at = number as usize;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[at]]
    }
}

fn hash_of(text: &str) -> u64 {
    FixedState::default().hash_one(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_numbers_in_their_order() {
        let mut texts = Texts::new();
        let numbers = ["a", "", "bc", "a", "bc", ""].map(|text| texts.number(text));
        assert_eq!(numbers, [0, 1, 2, 0, 2, 1]);
        assert_eq!((texts.get(0), texts.get(1), texts.get(2)), ("a", "", "bc"));
        assert_eq!(
            (texts.find("bc"), texts.find("b"), texts.ends.len()),
            (Some(2), None, 3)
        );
        // A text whose hash is taken stands at the next one.
        let taken = hash_of("other");
        texts.numbers.insert(taken, 2);
        assert_eq!(texts.number("other"), 3);
        assert_eq!(texts.find("other"), Some(3));
        assert_eq!(texts.get(3), "other");
    }
}
