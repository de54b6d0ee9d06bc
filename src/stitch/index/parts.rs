//! What an index is made of.

use std::collections::BTreeMap;
use std::sync::Arc;

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
    pub times: Arc<Vec<i64>>,
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
            times: Arc::default(),
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

impl Parts {
    /// Whether all numbers are of something that is there. A list that somebody wrote for files of theirs says nothing of that.
    pub(super) fn is_sound(&self) -> bool {
        let (events, tasks) = (self.times.len(), self.task_ids.len());
        let below = |most: usize| move |number: &u32| (*number as usize) < most;
        let is_link = |link: &LinkOf| {
            !link.is_set() || below(events)(&link.cause) && below(self.values.len())(&link.value)
        };
        let is_weighing = |number: &u32| *number == u32::MAX || below(self.weighings.len())(number);
        let is_cause = |cause: &Cause| [cause.cause, cause.effect].iter().all(below(events));
        self.task_of.iter().all(below(tasks))
            && self.members.iter().all(below(events))
            && self.fragments.iter().all(below(events))
            && self.links.iter().all(is_link)
            && self.weighing_of.iter().all(is_weighing)
            && self.causes.iter().all(is_cause)
            && self.starts.is_sorted()
            && self.starts.first() == Some(&0)
            && self.starts.last().map(|end| *end as usize) == Some(events)
            && [&self.values, &self.weighings]
                .iter()
                .all(|of| of.is_sound())
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

    /// Adds texts, behind those that are there.
    pub(in crate::stitch) fn append(&mut self, more: Self) {
        if self.ends.is_empty() {
            *self = more;
            return;
        }
        let before = self.text.len() as u64;
        self.text.extend_from_slice(&more.text);
        self.ends.extend(more.ends.iter().map(|end| before + end));
    }

    /// Whether each text ends behind the one before, and the last one where all end.
    fn is_sound(&self) -> bool {
        self.ends.is_sorted() && self.ends.last().copied().unwrap_or(0) == self.text.len() as u64
    }

    pub(in crate::stitch) fn get(&self, number: u32) -> &[u8] {
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

    #[test]
    fn numbers_of_nothing_are_noticed() {
        let sound = || {
            let mut parts = Parts::none(Places::nothing());
            parts.times = Arc::new(vec![5, 7]);
            parts.task_ids = vec![Digest([0; 32])];
            (parts.task_of, parts.members) = (vec![0, 0], vec![0, 1]);
            (parts.starts, parts.fragments) = (vec![0, 2], vec![0, 0]);
            let value = parts.values.push(b"4711");
            let link = LinkOf::new(0, (crate::model::KeyKind::Invoice, value), 1.0);
            parts.links = vec![LinkOf::NOT_SET, link];
            parts.weighing_of = vec![u32::MAX; 2];
            parts
        };
        assert!(sound().is_sound());
        type Break = fn(&mut Parts);
        let breaks: [Break; 8] = [
            |parts| parts.task_of[1] = 1,
            |parts| parts.members[0] = 2,
            |parts| parts.fragments[0] = u32::MAX,
            |parts| parts.links[1].cause = 2,
            |parts| parts.links[1].value = 1,
            |parts| parts.weighing_of[0] = 0,
            |parts| parts.starts = vec![0, 3],
            |parts| parts.values.ends[0] = 5,
        ];
        for (at, broken) in breaks.into_iter().enumerate() {
            let mut parts = sound();
            broken(&mut parts);
            assert!(!parts.is_sound(), "{at}");
        }
    }
}
