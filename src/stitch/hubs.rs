//! Values that join nothing: hubs, and where conversations begin alike.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::HashMap;
use twox_hash::XxHash64;

use super::Hub;
use crate::model::{Digest, KeyKind};

/// Kinds that tell how far a value reaches.
pub(super) const REACHING: [KeyKind; 2] = [KeyKind::Trace, KeyKind::Conversation];

/// The traces, and the conversations, that a value reaches, by the hashes of their ids: so that what a later batch adds can be
/// counted without those that were there before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reached([BTreeSet<u64>; REACHING.len()]);

/// The hash of the id of a trace or conversation.
pub(super) fn scope_id(value: &str) -> u64 {
    XxHash64::oneshot(0, value.as_bytes())
}

/// What stands for a beginning that conversations share: the first half of its SHA-256.
pub(super) fn apart_id(value: &str) -> u128 {
    let digest = Digest::of(value.as_bytes()).0;
    u128::from_be_bytes(digest.first_chunk().copied().unwrap_or_default())
}

impl Reached {
    /// Adds the trace or conversation of an event.
    pub(super) fn add(&mut self, of: usize, scope: u64) {
        self.0[of].insert(scope);
    }

    /// How many traces or conversations, whichever are more.
    pub(super) fn most(&self) -> usize {
        self.0.iter().map(BTreeSet::len).max().unwrap_or(0)
    }

    /// For each kind how many, and which.
    pub(super) fn put(&self) -> impl Iterator<Item = u64> + '_ {
        let of_kind = |scopes: &BTreeSet<u64>| (scopes.len() as u64, scopes.clone());
        self.0
            .iter()
            .map(of_kind)
            .flat_map(|(len, scopes)| std::iter::once(len).chain(scopes))
    }

    /// What was put.
    pub(super) fn take(numbers: &mut impl Iterator<Item = u64>) -> Option<Self> {
        let mut reached = Self::default();
        for scopes in &mut reached.0 {
            for _ in 0..numbers.next()? {
                scopes.insert(numbers.next()?);
            }
        }
        Some(reached)
    }
}

/// Values that are known to join nothing, from before and from now.
#[derive(Default)]
pub(super) struct Apart {
    hubs: Vec<(Hub, Reached)>,
    numbers: BTreeMap<KeyKind, HashMap<String, usize>>,
    /// See [`apart_id`].
    beginnings: BTreeSet<u128>,
}

impl Apart {
    pub(super) fn new(hubs: Vec<(Hub, Reached)>, beginnings: Vec<u128>) -> Self {
        let mut apart = Self {
            hubs: Vec::with_capacity(hubs.len()),
            numbers: BTreeMap::new(),
            beginnings: beginnings.into_iter().collect(),
        };
        for (hub, reached) in hubs {
            apart.add_hub(hub, reached);
        }
        apart
    }

    pub(super) fn add_hub(&mut self, hub: Hub, reached: Reached) {
        let of_kind = self.numbers.entry(hub.kind).or_default();
        of_kind.insert(hub.value.clone(), self.hubs.len());
        self.hubs.push((hub, reached));
    }

    /// Whether a value is a hub.
    pub(super) fn is_hub(&self, kind: KeyKind, value: &str) -> bool {
        self.hub(kind, value).is_some()
    }

    fn hub(&self, kind: KeyKind, value: &str) -> Option<usize> {
        self.numbers.get(&kind)?.get(value).copied()
    }

    /// A hub, and what it reaches.
    pub(super) fn hub_mut(&mut self, kind: KeyKind, value: &str) -> Option<&mut (Hub, Reached)> {
        let at = self.hub(kind, value)?;
        self.hubs.get_mut(at)
    }

    pub(super) fn add_beginning(&mut self, value: &str) {
        self.beginnings.insert(apart_id(value));
    }

    /// Whether conversations begin with that, and it joins none of them.
    pub(super) fn is_beginning(&self, kind: KeyKind, value: &str) -> bool {
        kind == KeyKind::Prefix
            && !self.beginnings.is_empty()
            && self.beginnings.contains(&apart_id(value))
    }

    /// The hubs by kind and value, and the beginnings, both in their order.
    pub(super) fn into_sorted(self) -> (Vec<(Hub, Reached)>, Vec<u128>) {
        let mut hubs = self.hubs;
        hubs.sort_by(|(a, _), (b, _)| (a.kind, &a.value).cmp(&(b.kind, &b.value)));
        (hubs, self.beginnings.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reached_is_found_again() {
        let (mut one, mut other) = (Reached::default(), Reached::default());
        for n in 0..5 {
            one.add(1, scope_id(&format!("chat-{}", n % 3)));
        }
        other.add(0, scope_id("trace"));
        let put: Vec<u64> = one.put().chain(other.put()).collect();
        let mut put = put.into_iter();
        for (known, most) in [(&one, 3), (&other, 1)] {
            let taken = Reached::take(&mut put).unwrap();
            assert_eq!((&taken, taken.most()), (known, most));
        }
        assert_eq!(Reached::take(&mut put), None);
    }
}
