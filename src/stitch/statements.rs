//! The method as SQL, for engines that run it where a store is too large for one machine: the joining by ids, and what the
//! values of records say of which call may have caused which deed.
//!
//! Each statement reads the tables of the store (`events`, `keys`, `links`), tables that are given to it
//! ([`strong_keys`], [`notation`], [`sights`], [`dumps`](super::dumps)) and the results of those before it, by their names. They keep to plain
//! joins, aggregates and window functions. Here own code over columns does the same in less time; a test holds both equal.

use super::weigh::{Bounds, cells};
use super::{STRONG, TaskIndex, is_counter, limits};
use crate::config::Config;
use crate::model::{KeyKind, evidence_value};

/// The joining by ids: statements in the order in which they run, by the name of what they give. The last is run with its own
/// result as `labels` until that stays the same; it begins with each event's own id. `links` is empty as long as no
/// evidence was weighed; with links that were found sure, the same statements give the tasks.
pub const IDS: [(&str, &str); 7] = [
    ("times", include_str!("sql/ids/times.sql")),
    ("scopes", include_str!("sql/ids/scopes.sql")),
    ("strong_keys", include_str!("sql/ids/strong_keys.sql")),
    ("groups", include_str!("sql/ids/groups.sql")),
    ("hubs", include_str!("sql/ids/hubs.sql")),
    ("joins", include_str!("sql/ids/joins.sql")),
    ("labels", include_str!("sql/ids/labels.sql")),
];

/// What values say of calls and deeds, where ids stop: statements in the order in which they run, after those of
/// [`IDS`], with the `times` and `labels` that those gave by ids alone.
pub const EVIDENCE: [(&str, &str); 12] = [
    ("evidence", include_str!("sql/evidence/evidence.sql")),
    ("records", include_str!("sql/evidence/records.sql")),
    ("calls", include_str!("sql/evidence/calls.sql")),
    ("deeds", include_str!("sql/evidence/deeds.sql")),
    ("seen", include_str!("sql/evidence/seen.sql")),
    ("bounded", include_str!("sql/evidence/bounded.sql")),
    ("rarity", include_str!("sql/evidence/rarity.sql")),
    ("known", include_str!("sql/evidence/known.sql")),
    ("steps", include_str!("sql/evidence/steps.sql")),
    ("pairs", include_str!("sql/evidence/pairs.sql")),
    ("agreements", include_str!("sql/evidence/agreements.sql")),
    ("contents", include_str!("sql/evidence/contents.sql")),
];

/// A row of the table `strong`: a kind of id that joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StrongKey {
    /// Its kind.
    pub kind: KeyKind,
    /// Bytes that a value has at least.
    pub least_bytes: usize,
    /// Traces or conversations that a value may reach.
    pub hub_limit: usize,
}

/// The table `strong` under those settings.
#[must_use]
pub fn strong_keys(config: &Config) -> Vec<StrongKey> {
    let limits = limits(config);
    let row = |kind: KeyKind| StrongKey {
        kind,
        least_bytes: if is_counter(kind) { super::COUNTER } else { 0 },
        hub_limit: limits.get(&kind).copied().unwrap_or(usize::MAX),
    };
    STRONG.into_iter().map(row).collect()
}

/// The table `notations`: a value of a key as evidence, in one form for all notations of it; `None` if it says nothing.
#[must_use]
pub fn notation(value: &str) -> Option<String> {
    let id = value.rsplit_once('/').map_or(value, |(_, id)| id);
    evidence_value(id)
}

/// A row of the table `sights`: a day, and a cell of time that sees some of it. Times are in microseconds since the
/// epoch (UTC), first and last one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighted {
    /// Days since the epoch.
    pub day: i64,
    /// Number of the cell.
    pub cell: usize,
    /// What was done then is decided in it.
    pub own: (i64, i64),
    /// Calls of that time are looked at.
    pub seen: (i64, i64),
}

/// The table `sights` of tasks that were made with those settings: no further than there are events.
#[must_use]
pub fn sights(index: &TaskIndex, config: &Config) -> Vec<Sighted> {
    let events = u32::try_from(index.events()).unwrap_or(u32::MAX);
    let times = || (0..events).filter_map(|event| index.time(event));
    let Some((first, last)) = times().min().zip(times().max()) else {
        return Vec::new();
    };
    let within = |(from, until): (i64, i64)| (from.max(first), until.min(last));
    let cells = cells(times(), config.stitch.cell.get());
    let days = |(cell, bounds): (usize, &Bounds)| {
        let (own, seen) = (within(bounds.own), within(bounds.seen));
        let days = seen.0.div_euclid(DAY)..=seen.1.div_euclid(DAY);
        days.map(move |day| Sighted {
            day,
            cell,
            own,
            seen,
        })
    };
    cells.iter().enumerate().flat_map(days).collect()
}

/// A day (microseconds).
const DAY: i64 = 86_400_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_one_in_all_its_notations() {
        let one = |value: &str| notation(value).unwrap();
        assert_eq!(one("A_Invoice/0000004711"), "4711");
        assert_eq!(one("INV-4711"), "4711");
        assert_eq!(notation("orders/true"), None);
    }
}
