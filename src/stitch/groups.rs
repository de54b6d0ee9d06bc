//! Groups of events: fragments, and what evidence joins of these.

use std::ops::Range;

use foldhash::HashMap;

use super::merge::NONE;

/// Events that lie together with those of the same group.
pub(super) struct Grouped {
    pub events: Vec<u32>,
    /// Where each group ends.
    pub ends: Vec<usize>,
    /// The group of each event; [`NONE`] for none.
    pub group_of: Vec<u32>,
}

/// The ranges of lists that lie one after the other, by their ends.
pub(super) fn ranges(ends: &[usize]) -> impl Iterator<Item = Range<usize>> {
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(ends).map(|(start, end)| start..*end)
}

/// Fragments that evidence joins, by their first events.
#[derive(Default)]
pub(super) struct Joined(HashMap<u32, u32>);

impl Joined {
    /// The first of all events of the fragments that are joined to one.
    fn find(&mut self, mut fragment: u32) -> u32 {
        while let Some(up) = self.0.get(&fragment).copied() {
            // Half of the way is enough for the next one.
            match self.0.get(&up).copied() {
                Some(further) => {
                    self.0.insert(fragment, further);
                    fragment = further;
                }
                None => return up,
            }
        }
        fragment
    }

    pub(super) fn union(&mut self, a: u32, b: u32) {
        let (a, b) = (self.find(a), self.find(b));
        if a != b {
            self.0.insert(a.max(b), a.min(b));
        }
    }
}

/// Groups events for which that is true by their fragments and what joins these: those of one come together, in their order, at the
/// place of the first one.
pub(super) fn grouped(roots: &[u32], joined: &mut Joined, is_one: &[bool]) -> Grouped {
    let events = || (0u32..).zip(is_one).filter(|(_, is_one)| **is_one);
    // The group of each first event, then that of each.
    let mut group_of = vec![NONE; is_one.len()];
    let mut sizes: Vec<u32> = Vec::new();
    for (event, _) in events() {
        let root = joined.find(roots[event as usize]) as usize;
        if group_of[root] == NONE {
            group_of[root] = u32::try_from(sizes.len()).unwrap_or(NONE);
            sizes.push(0);
        }
        let group = group_of[root];
        group_of[event as usize] = group;
        sizes[group as usize] += 1;
    }
    let mut end = 0;
    let mut ends: Vec<usize> = Vec::with_capacity(sizes.len());
    for size in &mut sizes {
        let start = end;
        end += *size;
        ends.push(end as usize);
        *size = start;
    }
    let mut next = sizes;
    let mut grouped = vec![0u32; end as usize];
    for (event, _) in events() {
        let next = &mut next[group_of[event as usize] as usize];
        grouped[*next as usize] = event;
        *next += 1;
    }
    Grouped {
        events: grouped,
        ends,
        group_of,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_that_evidence_joins_are_one_group_at_its_first_event() {
        // Events 0 and 3, 1, 2 and 5, 4 are fragments.
        let roots = [0, 1, 2, 0, 4, 2];
        let mut joined = Joined::default();
        joined.union(4, 2);
        joined.union(2, 1);
        joined.union(4, 1);
        assert_eq!((joined.find(4), joined.find(2), joined.find(0)), (1, 1, 0));
        let all = grouped(&roots, &mut joined, &[true; 6]);
        assert_eq!(all.events, [0, 3, 1, 2, 4, 5]);
        assert_eq!(all.ends, [2, 6]);
        assert_eq!(all.group_of, [0, 1, 1, 0, 1, 1]);
        let some = grouped(
            &roots,
            &mut joined,
            &[true, false, false, true, false, false],
        );
        assert_eq!((some.events, some.ends), (vec![0, 3], vec![2]));
        assert_eq!(some.group_of, [0, NONE, NONE, 0, NONE, NONE]);
    }

    #[test]
    fn what_is_joined_in_a_long_row_is_found_at_its_beginning() {
        let mut joined = Joined::default();
        for fragment in (0..100).rev() {
            joined.union(fragment, fragment + 1);
        }
        assert!((0..=100).all(|fragment| joined.find(fragment) == 0));
    }
}
