//! Names in the place of people.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::Regex;

use super::DataKey;
use crate::model::{KeyKind, PSEUDONYM, normalise_key};
use crate::normalise::Personal;
use crate::seal::hmac_sha256;

static PSEUDONYMS: LazyLock<Regex> = LazyLock::new(|| {
    let kinds: Vec<&str> = Personal::ALL.iter().map(|kind| kind.as_str()).collect();
    let text = format!(
        "{PSEUDONYM}(?:{})-[a-z2-7]{{16}}(?:-[a-z2-7]{{8}})?",
        kinds.join("|")
    );
    Regex::new(&text).unwrap_or_else(|error| unreachable!("constant pattern: {error}"))
});

static EMAIL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)^[a-z0-9._%+-]{1,64}@[a-z0-9.-]{1,190}\.[a-z]{2,24}$")
        .unwrap_or_else(|error| unreachable!("constant pattern: {error}"))
});

/// Makes pseudonyms with the key of a store.
#[derive(Clone)]
pub struct Pseudonyms {
    key: DataKey,
}

impl Pseudonyms {
    /// With that key.
    #[must_use]
    pub fn new(key: DataKey) -> Self {
        Self { key }
    }

    /// What stands for a value; the spelling counts.
    #[must_use]
    pub fn of(&self, kind: Personal, value: &str) -> String {
        let (kind, normal) = normal(kind, value);
        let mut name = self.of_normal(kind, &normal);
        if normal != value {
            let spelling = format!("{kind}\0{normal}\0{value}");
            name.push('-');
            name.push_str(&base32(&hmac_sha256(&self.key, spelling.as_bytes())[..5]));
        }
        name
    }

    /// What stands for all spellings of a value, and the normal form of it.
    #[must_use]
    pub fn of_all_spellings<'v>(&self, kind: Personal, value: &'v str) -> (String, Cow<'v, str>) {
        let (kind, normal) = normal(kind, value);
        (self.of_normal(kind, &normal), normal)
    }

    fn of_normal(&self, kind: Personal, normal: &str) -> String {
        let message = format!("{kind}\0{normal}");
        let digest = hmac_sha256(&self.key, message.as_bytes());
        format!("{PSEUDONYM}{kind}-{}", base32(&digest[..10]))
    }
}

/// The form in which spellings of one value are equal. A person who is named by an e-mail address is
/// that address.
fn normal(kind: Personal, value: &str) -> (Personal, Cow<'_, str>) {
    let kind = if EMAIL.is_match(value.as_bytes()) {
        Personal::Email
    } else {
        kind
    };
    let key = |key: KeyKind| normalise_key(key, value).unwrap_or(Cow::Borrowed(value));
    let normal = match kind {
        Personal::Email => Cow::Owned(value.to_lowercase()),
        Personal::Person => key(KeyKind::User),
        Personal::Address => key(KeyKind::Address),
        Personal::Customer => key(KeyKind::Customer),
        Personal::Iban | Personal::Card | Personal::Phone | Personal::NationalId => {
            let signs = value.chars().filter(|c| c.is_ascii_alphanumeric());
            Cow::Owned(signs.map(|c| c.to_ascii_uppercase()).collect())
        }
        Personal::Name => {
            let words: Vec<&str> = value.split_whitespace().collect();
            Cow::Owned(words.join(" ").to_lowercase())
        }
        Personal::Text | Personal::Value | Personal::Literal => Cow::Borrowed(value),
    };
    (kind, normal)
}

/// RFC 4648 (section 6) in lower case, without padding.
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut out = String::with_capacity(bytes.len() * 8 / 5);
    for five in bytes.chunks_exact(5) {
        let bits = five
            .iter()
            .fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
        for at in (0..8).rev() {
            out.push(char::from(ALPHABET[(bits >> (at * 5) & 31) as usize]));
        }
    }
    out
}

/// The pseudonyms in a text.
pub(super) fn pseudonyms_in(text: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    // Most texts have none: a search for the beginning is much cheaper than the pattern.
    let any = memchr::memmem::find(text, PSEUDONYM.as_bytes()).is_some();
    let found = any.then(|| PSEUDONYMS.find_iter(text));
    found.into_iter().flatten().map(|hit| hit.range())
}

/// The kind that a pseudonym names.
pub(super) fn kind_of(pseudonym: &str) -> Option<Personal> {
    let rest = pseudonym.strip_prefix(PSEUDONYM)?;
    Personal::from_name(rest.split('-').next()?)
}

/// A pseudonym without what its spelling adds.
pub(super) fn without_spelling(pseudonym: &str) -> &str {
    let end = pseudonym
        .match_indices('-')
        .nth(2)
        .map_or(pseudonym.len(), |(at, _)| at);
    &pseudonym[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_begin_alike() {
        let names = Pseudonyms::new([1; 32]);
        let plain = names.of(Personal::Person, "a.meier@example.org");
        let loud = names.of(Personal::Email, "A.Meier@Example.org");
        assert!(plain.starts_with("pii-email-"));
        assert_eq!(without_spelling(&loud), plain);
        assert_ne!(loud, plain);
        assert_ne!(
            plain,
            Pseudonyms::new([2; 32]).of(Personal::Email, "a.meier@example.org")
        );
        let text = format!("from <{plain}> to \"{loud}\"");
        let found: Vec<&str> = pseudonyms_in(text.as_bytes()).map(|at| &text[at]).collect();
        assert_eq!(found, [plain.as_str(), loud.as_str()]);
        assert_eq!(kind_of(&loud), Some(Personal::Email));
        assert_eq!(
            names.of_all_spellings(Personal::Customer, "0000004711").0,
            names.of(Personal::Customer, "4711")
        );
    }

    #[test]
    fn base32_is_that_of_rfc_4648() {
        assert_eq!(base32(b"fooba"), "mzxw6ytb");
    }
}
