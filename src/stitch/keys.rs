//! Keys of one kind, grouped by their values.

use std::cmp::Ordering;
use std::convert::Infallible;
use std::path::PathBuf;

use super::index::{Numbered, Places};
use super::{COUNTER, is_counter};
use crate::model::KeyKind;
use crate::store::{
    Between, FirstOf, Store, StoreError, cores, each_between, firsts, side_by_side,
};

/// All keys of one kind, or a stretch of them, grouped by value.
#[derive(Default)]
pub(super) struct Keys {
    parts: Vec<Part>,
    groups: Groups,
}

/// Values, and the events that have each.
#[derive(Default)]
struct Groups {
    /// Part and place in it of each value, in the order of the values.
    values: Vec<(u32, u32)>,
    /// End of the events of each.
    ends: Vec<usize>,
    events: Vec<u32>,
}

/// The keys of one part of the store, in the order of their values.
#[derive(Default)]
struct Part {
    text: String,
    /// End of each value in the text.
    ends: Vec<usize>,
    /// End of the events that have it.
    event_ends: Vec<usize>,
    events: Vec<u32>,
}

/// Values from which on a stretch of them is worth a core.
const LEAST: usize = 1 << 12;

/// The first eight bytes of a text: they tell most texts apart, and which comes first.
pub(super) fn head(text: &[u8]) -> u64 {
    let mut head = [0; 8];
    let len = text.len().min(8);
    head[..len].copy_from_slice(&text[..len]);
    u64::from_be_bytes(head)
}

fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Values in their order, and their events: those whose head is not less than `from`, and less than `to`.
fn merged(
    parts: &[Part],
    head: &impl Fn(&str) -> u64,
    from: Option<u64>,
    to: Option<u64>,
) -> Groups {
    let mut order: Vec<(u64, u32, u32)> = Vec::new();
    let mut events = 0;
    for (of, part) in parts.iter().enumerate() {
        let place = |bound: u64| part.partition_point(|value| head(value) < bound);
        let start = from.map_or(0, place);
        let end = to.map_or(part.ends.len(), place).max(start);
        if start < end {
            events += part.event_ends[end - 1] - self::start(&part.event_ends, start);
            let all = start..end;
            order.extend(all.map(|at| (head(part.value(at)), number(of), number(at))));
        }
    }
    let value = |part: u32, at: u32| parts[part as usize].value(at as usize);
    let by_value = |a: &(u64, u32, u32), b: &(u64, u32, u32)| {
        let whole = || value(a.1, a.2).cmp(value(b.1, b.2));
        a.0.cmp(&b.0).then_with(whole)
    };
    // Each part is in order already: runs are merged, stably.
    order.sort_by(by_value);
    let mut groups = Groups {
        events: Vec::with_capacity(events),
        ..Groups::default()
    };
    for runs in order.chunk_by(|a, b| by_value(a, b) == Ordering::Equal) {
        groups.values.push((runs[0].1, runs[0].2));
        for run in runs {
            let events = parts[run.1 as usize].events(run.2 as usize);
            groups.events.extend_from_slice(events);
        }
        groups.ends.push(groups.events.len());
    }
    groups
}

/// The end of the list before, which is where a list begins.
pub(super) fn start(ends: &[usize], at: usize) -> usize {
    at.checked_sub(1).map_or(0, |before| ends[before])
}

impl Part {
    fn value(&self, at: usize) -> &str {
        &self.text[start(&self.ends, at)..self.ends[at]]
    }

    fn events(&self, at: usize) -> &[u32] {
        &self.events[start(&self.event_ends, at)..self.event_ends[at]]
    }

    /// The first value for which a condition does not hold that holds for a beginning only.
    fn partition_point(&self, holds: impl Fn(&str) -> bool) -> usize {
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = low.midpoint(high);
            match holds(self.value(middle)) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }

    fn push(&mut self, value: &str, event: u32) {
        let known = self.ends.len();
        if known == 0 || self.value(known - 1) != value {
            self.text.push_str(value);
            self.ends.push(self.text.len());
            self.event_ends.push(self.events.len());
        }
        self.events.push(event);
        if let Some(end) = self.event_ends.last_mut() {
            *end = self.events.len();
        }
    }
}

/// Where keys are read from.
#[derive(Clone, Copy)]
pub(super) struct Read<'r> {
    pub store: &'r Store,
    pub places: &'r Places,
    /// The events whose keys are read: those whose place is true, if not all that have a number. A part with none of them is not
    /// opened.
    pub wanted: Option<&'r [bool]>,
}

impl<'r> Read<'r> {
    /// Of all events that have a number.
    pub(super) fn of_all(store: &'r Store, places: &'r Places) -> Self {
        Self {
            store,
            places,
            wanted: None,
        }
    }

    /// All keys of a kind.
    ///
    /// # Errors
    /// A part cannot be read.
    pub(super) fn all(&self, kind: KeyKind) -> Result<Keys, StoreError> {
        let files = self.places.files_with(self.store, "keys", self.wanted);
        self.between(&files, kind, (None, None))
    }

    /// The keys of a kind in stretches of their values, each of about so many keys at most: memory is that of one of them.
    ///
    /// # Errors
    /// A part cannot be read, and what `visit` gives.
    pub(super) fn in_stretches(
        &self,
        kind: KeyKind,
        most: usize,
        mut visit: impl FnMut(&Keys) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        if self.places.len() <= most {
            return visit(&self.all(kind)?);
        }
        let files = self.places.files_with(self.store, "keys", self.wanted);
        let firsts = side_by_side(&files, |(_, path)| firsts(path, kind))?;
        let bounds = bounds(firsts.into_iter().flatten().collect(), most);
        for at in 0..=bounds.len() {
            let from = at.checked_sub(1).map(|before| &bounds[before][..]);
            let to = bounds.get(at).map(|bound| &bound[..]);
            visit(&self.between(&files, kind, (from, to))?)?;
        }
        Ok(())
    }

    fn between(
        &self,
        files: &[(Numbered, PathBuf)],
        kind: KeyKind,
        between: Between<'_>,
    ) -> Result<Keys, StoreError> {
        let parts = side_by_side(files, |(of, path)| {
            let mut part = Part::default();
            each_between(path, kind, between, &mut |value, row| {
                if is_counter(kind) && value.len() < COUNTER {
                    return;
                }
                let event = self.places.number(of.batch, row);
                let is_wanted =
                    |event: &u32| self.wanted.is_none_or(|wanted| wanted[*event as usize]);
                if let Some(event) = event.filter(is_wanted) {
                    part.push(value, event);
                }
            })?;
            Ok::<_, StoreError>(part)
        })?;
        Ok(Keys::of(parts))
    }
}

/// Values between stretches of about so many keys, by what pages begin with and how many keys are in each.
fn bounds(mut firsts: Vec<FirstOf>, most: usize) -> Vec<Vec<u8>> {
    firsts.sort_unstable();
    let mut bounds: Vec<Vec<u8>> = Vec::new();
    let mut read = 0;
    for (first, keys) in firsts {
        if read + keys > most && read > 0 && bounds.last() != Some(&first) {
            bounds.push(first);
            read = 0;
        }
        read += keys;
    }
    bounds
}

impl Keys {
    fn of(mut parts: Vec<Part>) -> Self {
        // What all values begin with tells none apart.
        let mut ends = parts.iter().filter(|part| !part.ends.is_empty());
        let ends: Vec<&[u8]> = ends
            .by_ref()
            .flat_map(|part| [part.value(0), part.value(part.ends.len() - 1)])
            .map(str::as_bytes)
            .collect();
        let (least, most) = (ends.iter().min(), ends.iter().max());
        let common = match (least, most) {
            (Some(least), Some(most)) => {
                least.iter().zip(*most).take_while(|(a, b)| a == b).count()
            }
            _ => 0,
        };
        // Eight bytes of each value behind that decide nearly always.
        let head = |value: &str| head(value.as_bytes().get(common..).unwrap_or_default());
        // Each core takes a stretch of the values, which lies in order in each part.
        let longest = parts.iter().max_by_key(|part| part.ends.len());
        let bounds: Vec<u64> = longest.map_or_else(Vec::new, |part| {
            let stretches = cores().min(part.ends.len() / LEAST).max(1);
            let bounds =
                (1..stretches).map(|at| head(part.value(part.ends.len() * at / stretches)));
            bounds.collect()
        });
        let stretches: Vec<(Option<u64>, Option<u64>)> = (0..=bounds.len())
            .map(|at| {
                let from = at.checked_sub(1).map(|before| bounds[before]);
                (from, bounds.get(at).copied())
            })
            .collect();
        let Ok(merged) = side_by_side(&stretches, |(from, to)| {
            Ok::<_, Infallible>(merged(&parts, &head, *from, *to))
        });
        for part in &mut parts {
            (part.events, part.event_ends) = (Vec::new(), Vec::new());
        }
        let mut merged = merged.into_iter();
        let mut groups = merged.next().unwrap_or_default();
        for more in merged {
            let before = groups.events.len();
            groups.values.extend(more.values);
            let ends = more.ends.into_iter().map(|end| before + end);
            groups.ends.extend(ends);
            groups.events.extend(more.events);
        }
        Self { parts, groups }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.groups.values.is_empty()
    }

    /// The values, in their order, and the events that have each.
    pub(super) fn groups(&self) -> impl Iterator<Item = (&str, &[u32])> {
        (0..number(self.groups.values.len())).map(|at| self.group(at))
    }

    /// One of them, by its number in the order of the values.
    pub(super) fn group(&self, at: u32) -> (&str, &[u32]) {
        let at = at as usize;
        let (part, place) = self.groups.values[at];
        let events = start(&self.groups.ends, at)..self.groups.ends[at];
        let value = self.parts[part as usize].value(place as usize);
        (value, &self.groups.events[events])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(parts: &[&[(&str, u32)]]) -> Vec<(String, Vec<u32>)> {
        let part = |keys: &&[(&str, u32)]| {
            let mut part = Part::default();
            keys.iter()
                .for_each(|(value, event)| part.push(value, *event));
            part
        };
        let keys = Keys::of(parts.iter().map(part).collect());
        keys.groups()
            .map(|(value, group)| (value.to_owned(), group.to_vec()))
            .collect()
    }

    #[test]
    fn keys_of_all_parts_are_grouped_in_the_order_of_their_values() {
        let found = groups(&[
            &[("call_a", 3), ("call_a", 4), ("call_c00000000001", 1)],
            &[],
            &[
                ("call_a", 9),
                ("call_b", 2),
                ("call_c00000000000", 8),
                ("call_c00000000001", 7),
            ],
            &[("call_", 5)],
        ]);
        let wanted = [
            ("call_", vec![5]),
            ("call_a", vec![3, 4, 9]),
            ("call_b", vec![2]),
            ("call_c00000000000", vec![8]),
            ("call_c00000000001", vec![1, 7]),
        ];
        assert_eq!(
            found,
            wanted.map(|(value, events)| (value.to_owned(), events))
        );
        assert!(groups(&[&[], &[]]).is_empty());
        assert_eq!(groups(&[&[("", 1), ("\0", 2)]]).len(), 2);
    }

    #[test]
    fn stretches_hold_as_many_keys_as_they_may() {
        let firsts = |of: &[(&str, usize)]| -> Vec<FirstOf> {
            let of = of.iter();
            of.map(|(first, keys)| (first.as_bytes().to_vec(), *keys))
                .collect()
        };
        let pages = firsts(&[("a", 3), ("k", 2), ("b", 2), ("b", 2), ("c", 1), ("", 1)]);
        let between = |most| {
            let bounds = bounds(pages.clone(), most).into_iter();
            let bounds = bounds.map(|bound| String::from_utf8(bound).unwrap());
            bounds.collect::<Vec<String>>()
        };
        assert_eq!(between(100), [""; 0]);
        assert_eq!(between(5), ["b", "k"]);
        // What one value begins is not parted.
        assert_eq!(between(1), ["a", "b", "c", "k"]);
        assert!(bounds(Vec::new(), 1).is_empty());
    }

    #[test]
    fn stretches_of_values_side_by_side_give_what_one_gives() {
        // Values of many parts, some with a beginning of eight bytes in common, more than a core takes alone.
        let value = |n: u32| format!("id-{}{:x}", "0".repeat(n as usize % 17), n % 5000);
        let mut parts: Vec<Vec<(String, u32)>> = (0..3)
            .map(|part| (0..20_000).map(|n| (value(n * (part + 3)), n)).collect())
            .collect();
        let mut wanted: std::collections::BTreeMap<String, Vec<u32>> = Default::default();
        for part in &mut parts {
            part.sort();
            for (value, event) in part.iter() {
                wanted.entry(value.clone()).or_default().push(*event);
            }
        }
        assert!(wanted.len() > 2 * LEAST);
        let parts: Vec<Vec<(&str, u32)>> = parts
            .iter()
            .map(|part| part.iter().map(|(v, e)| (v.as_str(), *e)).collect())
            .collect();
        let parts: Vec<&[(&str, u32)]> = parts.iter().map(Vec::as_slice).collect();
        assert!(groups(&parts).into_iter().eq(wanted));
    }
}
