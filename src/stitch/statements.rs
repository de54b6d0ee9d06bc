//! The joining by ids as SQL, for engines that run it where a store is too large for one machine.
//!
//! Each statement reads the tables of the store (`events`, `keys`, `links`), a table of settings
//! ([`strong_keys`]) and the results of those before it, by their names. They keep to plain joins, aggregates
//! and window functions. Here union-find over columns does the same in one pass; a test holds both equal.

use super::{STRONG, is_counter, limits};
use crate::config::Config;
use crate::model::KeyKind;

/// Statements in the order in which they run, by the name of what they give. The last is run with its own
/// result as `labels` until that stays the same; it begins with each event's own id.
pub const STATEMENTS: [(&str, &str); 7] = [
    ("times", include_str!("sql/times.sql")),
    ("scopes", include_str!("sql/scopes.sql")),
    ("strong_keys", include_str!("sql/strong_keys.sql")),
    ("groups", include_str!("sql/groups.sql")),
    ("hubs", include_str!("sql/hubs.sql")),
    ("joins", include_str!("sql/joins.sql")),
    ("labels", include_str!("sql/labels.sql")),
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
