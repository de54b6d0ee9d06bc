//! Named fields of a record that comes as a row or as a flat JSON object.

use std::borrow::Cow;

use super::json::Pairs;
use super::{MapError, Record};

/// The fields of one record.
pub(super) enum Flat<'r> {
    Row(Record<'r>),
    Object(Pairs<'r>),
}

impl<'r> Flat<'r> {
    /// Reads the record.
    ///
    /// # Errors
    /// It is neither a row nor a JSON object.
    pub(super) fn of(record: &Record<'r>) -> Result<Self, MapError> {
        if record.row.is_some() {
            return Ok(Self::Row(*record));
        }
        Ok(Self::Object(record.json()?))
    }

    /// The first of these fields (upper-case names) that is there and not empty. In an object, case,
    /// underscores inside and a trailing `_` do not count.
    pub(super) fn get(&self, names: &[&str]) -> Option<Cow<'r, str>> {
        match self {
            Self::Row(record) => names
                .iter()
                .find_map(|name| record.field(name))
                .map(Cow::Borrowed),
            Self::Object(pairs) => names.iter().find_map(|name| {
                pairs
                    .0
                    .iter()
                    .find(|(have, _)| same(have, name))
                    .and_then(|(_, value)| {
                        let trimmed = match value {
                            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
                            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
                        };
                        (!trimmed.is_empty()).then_some(trimmed)
                    })
            }),
        }
    }
}

fn same(have: &str, want: &str) -> bool {
    let plain = |text: &'_ str| {
        text.bytes()
            .filter(|b| *b != b'_')
            .map(|b| b.to_ascii_uppercase())
            .collect::<Vec<u8>>()
    };
    have.len() >= want.len().saturating_sub(4)
        && have.len() <= want.len() + 4
        && (have.eq_ignore_ascii_case(want) || plain(have) == plain(want))
}
