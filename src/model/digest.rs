//! SHA-256 digests and the event id.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// A SHA-256 digest (FIPS 180-4), shown as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

/// The id of an event, see [`RecordHasher::event_id`].
pub type EventId = Digest;

impl Digest {
    /// Digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Digest of texts, each followed by a zero byte.
    #[must_use]
    pub fn of_parts<T: AsRef<str>>(parts: impl IntoIterator<Item = T>) -> Self {
        let mut state = Sha256::new();
        for part in parts {
            state.update(part.as_ref().as_bytes());
            state.update([0]);
        }
        Self(state.finalize().into())
    }

    /// The first 16 bytes: enough to tell records apart (128 bits), half the memory.
    #[must_use]
    pub fn prefix128(&self) -> u128 {
        let mut half = [0; 16];
        half.copy_from_slice(&self.0[..16]);
        u128::from_be_bytes(half)
    }

    /// The first `digits` hexadecimal digits, for people.
    #[must_use]
    pub fn short(&self, digits: usize) -> String {
        let mut text = self.to_string();
        text.truncate(digits);
        text
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0u8; 64];
        for (i, byte) in self.0.iter().enumerate() {
            text[2 * i] = HEX[usize::from(byte >> 4)];
            text[2 * i + 1] = HEX[usize::from(byte & 15)];
        }
        f.pad(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = String;

    /// # Errors
    /// Anything but 64 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not a SHA-256 digest of 64 hexadecimal digits");
        let bytes = text.as_bytes();
        if bytes.len() != 64 {
            return Err(bad());
        }
        let mut out = [0u8; 32];
        for (i, pair) in bytes.chunks_exact(2).enumerate() {
            let nibble = |b: u8| (b as char).to_digit(16);
            let (Some(hi), Some(lo)) = (nibble(pair[0]), nibble(pair[1])) else {
                return Err(bad());
            };
            out[i] = u8::try_from(hi * 16 + lo).map_err(|_| bad())?;
        }
        Ok(Self(out))
    }
}

/// The hash state after a record's reader name and bytes.
///
/// The bytes are hashed once; the id of each event of the record, and of each repetition of the
/// record within its dump, continues from that state.
#[derive(Clone)]
pub struct RecordHasher(Sha256);

impl RecordHasher {
    /// `SHA-256(reader ‖ 0x00 ‖ record …`.
    #[must_use]
    pub fn new(reader: &str, record: &[u8]) -> Self {
        let mut state = Sha256::new();
        state.update(reader.as_bytes());
        state.update([0]);
        state.update(record);
        Self(state)
    }

    /// Digest of the record itself, which decides whether two exports carry the same record.
    #[must_use]
    pub fn record(&self) -> Digest {
        Digest(self.0.clone().finalize().into())
    }

    /// The event id: `SHA-256(reader ‖ 0x00 ‖ record ‖ 0x00 ‖ part ‖ repetition)`, both numbers as
    /// 32-bit big-endian. `part` counts the events of one record, `repetition` the earlier
    /// occurrences of the same bytes in the same dump.
    #[must_use]
    pub fn event_id(&self, part: u32, repetition: u32) -> EventId {
        let mut state = self.0.clone();
        state.update([0]);
        state.update(part.to_be_bytes());
        state.update(repetition.to_be_bytes());
        Digest(state.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trip() {
        let digest = Digest::of(b"abc");
        assert_eq!(
            digest.to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        assert!("ba78".parse::<Digest>().is_err());
    }

    #[test]
    fn parts_and_repetitions_differ() {
        let record = RecordHasher::new("kong", b"{}");
        let ids = [
            record.event_id(0, 0),
            record.event_id(1, 0),
            record.event_id(0, 1),
        ];
        assert!(ids[0] != ids[1] && ids[0] != ids[2] && ids[1] != ids[2]);
    }
}
