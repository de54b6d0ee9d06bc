//! Text encodings: UTF-8, UTF-16 with a byte order mark, and Windows-1252 as the last resort.

use std::borrow::Cow;
use std::io::{self, Read};

use encoding_rs::{Decoder, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// How the bytes of a dump are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, without or with a byte order mark (of that many bytes).
    Utf8 {
        /// 0 or 3.
        bom: usize,
    },
    /// UTF-16, little end first. Byte ranges then count in the UTF-8 form.
    Utf16Le,
    /// UTF-16, big end first. Byte ranges then count in the UTF-8 form.
    Utf16Be,
}

impl Encoding {
    /// From the first bytes of a dump. UTF-16 without a mark is recognised by its zero bytes.
    #[must_use]
    pub fn sniff(head: &[u8]) -> Self {
        match head {
            [0xef, 0xbb, 0xbf, ..] => Self::Utf8 { bom: 3 },
            [0xff, 0xfe, ..] => Self::Utf16Le,
            [0xfe, 0xff, ..] => Self::Utf16Be,
            [a, 0, b, 0, ..] if a.is_ascii_graphic() && *b != 0 => Self::Utf16Le,
            [0, a, 0, b, ..] if a.is_ascii_graphic() && *b != 0 => Self::Utf16Be,
            _ => Self::Utf8 { bom: 0 },
        }
    }

    /// Name for custody.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Utf8 { .. } => "utf-8",
            Self::Utf16Le => "utf-16le",
            Self::Utf16Be => "utf-16be",
        }
    }

    /// A reader that gives UTF-8.
    pub(crate) fn decode<R: Read>(self, inner: R) -> Decoded<R> {
        let decoder = match self {
            Self::Utf8 { .. } => None,
            Self::Utf16Le => Some(UTF_16LE.new_decoder_with_bom_removal()),
            Self::Utf16Be => Some(UTF_16BE.new_decoder_with_bom_removal()),
        };
        Decoded {
            inner,
            decoder,
            raw: Vec::new(),
            out: Vec::new(),
            at: 0,
            done: false,
        }
    }
}

/// Passes bytes through, or transcodes UTF-16 to UTF-8.
pub(crate) struct Decoded<R> {
    inner: R,
    decoder: Option<Decoder>,
    raw: Vec<u8>,
    out: Vec<u8>,
    at: usize,
    done: bool,
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let Some(decoder) = &mut self.decoder else {
            return self.inner.read(target);
        };
        while self.at == self.out.len() && !self.done {
            self.raw.resize(64 << 10, 0);
            let read = self.inner.read(&mut self.raw)?;
            self.done = read == 0;
            self.out
                .resize(decoder.max_utf8_buffer_length(read).unwrap_or(256 << 10), 0);
            let (_, _, written, _) =
                decoder.decode_to_utf8(&self.raw[..read], &mut self.out, self.done);
            self.out.truncate(written);
            self.at = 0;
        }
        let count = target.len().min(self.out.len() - self.at);
        target[..count].copy_from_slice(&self.out[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// The record as UTF-8. Bytes that are no UTF-8 are read as Windows-1252; the flag says so.
#[must_use]
pub fn to_utf8(record: &[u8]) -> (Cow<'_, str>, bool) {
    match std::str::from_utf8(record) {
        Ok(text) => (Cow::Borrowed(text), false),
        Err(_) => (WINDOWS_1252.decode_without_bom_handling(record).0, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf16_is_transcoded() {
        for (encoding, bytes) in [
            (Encoding::Utf16Le, &b"\xff\xfea\0\xe4\0"[..]),
            (Encoding::Utf16Be, &b"\xfe\xff\0a\0\xe4"[..]),
        ] {
            assert_eq!(Encoding::sniff(bytes), encoding);
            let mut text = String::new();
            encoding.decode(bytes).read_to_string(&mut text).unwrap();
            assert_eq!(text, "aä");
        }
    }

    #[test]
    fn latin1_is_flagged() {
        assert_eq!(to_utf8(b"M\xfcller"), (Cow::Borrowed("Müller"), true));
        assert_eq!(
            to_utf8("Müller".as_bytes()),
            (Cow::Borrowed("Müller"), false)
        );
    }
}
