//! Many short lists of numbers in one piece of memory, and numbers of values.

use foldhash::HashMap;

use crate::stitch::keys::head;
use crate::stitch::texts::Texts;

/// Lists of numbers, by number.
#[derive(Default)]
pub(super) struct Lists {
    /// End of each list.
    ends: Vec<usize>,
    items: Vec<u32>,
}

impl Lists {
    /// Lists of what belongs to each number below `len`: sorted, each once. `pairs` gives all of them, twice.
    pub(super) fn of<I: Iterator<Item = (u32, u32)>>(len: usize, pairs: impl Fn() -> I) -> Self {
        let mut next = vec![0usize; len + 1];
        for (list, _) in pairs() {
            next[list as usize + 1] += 1;
        }
        for list in 0..len {
            next[list + 1] += next[list];
        }
        let mut items = vec![0; next[len]];
        for (list, item) in pairs() {
            let place = &mut next[list as usize];
            items[*place] = item;
            *place += 1;
        }
        // Where each list began the one before it has ended: what recurs is taken out from the front on.
        let (mut start, mut kept) = (0, 0);
        let mut ends = next;
        ends.truncate(len);
        for end in &mut ends {
            items[start..*end].sort_unstable();
            let first = kept;
            for at in start..*end {
                if kept == first || items[kept - 1] != items[at] {
                    items[kept] = items[at];
                    kept += 1;
                }
            }
            start = *end;
            *end = kept;
        }
        items.truncate(kept);
        items.shrink_to_fit();
        Self { ends, items }
    }

    /// One of the lists; empty where there is none.
    pub(super) fn get(&self, list: u32) -> &[u32] {
        let list = list as usize;
        let Some(end) = self.ends.get(list) else {
            return &[];
        };
        let start = list.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.items[start..*end]
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u32]> {
        (0u32..).take(self.ends.len()).map(|list| self.get(list))
    }
}

/// Numbers of some of the values, counted anew in the order of their texts: how they are numbered elsewhere decides nothing.
#[derive(Default)]
pub(super) struct Renumbered {
    numbers: HashMap<u32, u32>,
    values: Vec<u32>,
}

impl Renumbered {
    pub(super) fn of(names: &Texts, values: impl Iterator<Item = u32>) -> Self {
        let mut known = vec![false; names.len()];
        let is_new = |value: &u32| !std::mem::replace(&mut known[*value as usize], true);
        let mut values: Vec<(u64, u32)> = values
            .filter(is_new)
            .map(|value| (head(names.get(value).as_bytes()), value))
            .collect();
        values.sort_unstable_by(|a, b| {
            let whole = || names.get(a.1).cmp(names.get(b.1));
            a.0.cmp(&b.0).then_with(whole)
        });
        let values: Vec<u32> = values.into_iter().map(|(_, value)| value).collect();
        let numbers = values.iter().copied().zip(0u32..).collect();
        Self { numbers, values }
    }

    /// The new number of a value that is known.
    pub(super) fn find(&self, value: u32) -> Option<u32> {
        self.numbers.get(&value).copied()
    }

    /// The value of a new number.
    pub(super) fn value(&self, number: u32) -> Option<u32> {
        self.values.get(number as usize).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_and_have_each_item_once() {
        let pairs = [(2, 7), (0, 5), (2, 3), (2, 7), (0, 5), (4, 1), (2, 9)];
        let lists = Lists::of(6, || pairs.into_iter());
        let all: Vec<&[u32]> = lists.iter().collect();
        assert_eq!(all, [&[5][..], &[], &[3, 7, 9], &[], &[1], &[]]);
        assert_eq!(lists.get(2), [3, 7, 9]);
        assert!(lists.get(6).is_empty());
        assert!(Lists::of(0, std::iter::empty).get(0).is_empty());
    }

    #[test]
    fn values_are_counted_anew() {
        let mut names = Texts::new();
        let [c, a, d, b] = ["c", "a", "d", "b"].map(|text| names.number(text));
        let values = Renumbered::of(&names, [c, b, c, a].into_iter());
        let numbers = [a, b, c, d].map(|value| values.find(value));
        assert_eq!(numbers, [Some(0), Some(1), Some(2), None]);
        assert_eq!((values.value(1), values.value(3)), (Some(b), None));
        assert_eq!(values.len(), 3);
    }
}
