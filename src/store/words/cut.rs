//! The words of a text.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use twox_hash::XxHash64;

/// The hash is one already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Something by the hash of a word.
pub(super) type ByHash<T> = HashMap<u64, T, BuildHasherDefault<AsItIs>>;

/// Whether a byte belongs to a word: letters and digits, and whatever is not ASCII.
#[must_use]
pub fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// A word in the form in which it is looked up: in lower case, a number without leading zeros.
fn hash_word(word: &[u8], buffer: &mut Vec<u8>) -> u64 {
    let zeros = word.iter().take_while(|byte| **byte == b'0').count();
    let word = if zeros == word.len() {
        &word[zeros - 1..]
    } else {
        &word[zeros..]
    };
    if word.is_ascii() {
        buffer.clear();
        buffer.extend(word.iter().map(u8::to_ascii_lowercase));
        return XxHash64::oneshot(0, buffer);
    }
    XxHash64::oneshot(0, String::from_utf8_lossy(word).to_lowercase().as_bytes())
}

/// The hashes of the words of a question; it has no escapes.
#[must_use]
pub fn words_of(text: &str) -> Vec<u64> {
    let mut buffer = Vec::new();
    let words = text.as_bytes().split(|byte| !is_word_byte(*byte));
    words
        .filter(|word| !word.is_empty())
        .map(|word| hash_word(word, &mut buffer))
        .collect()
}

/// Visits the words of a text, each as the longest run of bytes that belong to a word, with its hash. What
/// JSON escapes a line break with is taken for a break and for a letter, for the text may be either: where
/// a word begins behind it, its hash is visited as well, with nothing beside it.
pub(super) fn each_word(text: &[u8], buffer: &mut Vec<u8>, mut visit: impl FnMut(u64, &[u8])) {
    let mut at = 0;
    while at < text.len() {
        let escaped = match text[at] {
            b'\\' => match text.get(at + 1) {
                Some(b'n' | b'r' | b't' | b'b' | b'f') => 2,
                Some(b'u') => 6,
                _ => {
                    at += 1;
                    continue;
                }
            },
            byte if is_word_byte(byte) => 0,
            _ => {
                at += 1;
                continue;
            }
        };
        let start = at + usize::from(escaped > 0);
        let length = text[start..]
            .iter()
            .take_while(|byte| is_word_byte(**byte))
            .count();
        let end = start + length;
        visit(hash_word(&text[start..end], buffer), &text[start..end]);
        if escaped > 0 && at + escaped < end {
            visit(hash_word(&text[at + escaped..end], buffer), &[]);
        }
        at = end;
    }
}

/// Adds a word in the form in which the middle of one is looked for ([`fold`]).
pub(super) fn push_folded(word: &[u8], out: &mut Vec<u8>) {
    if word.is_ascii() {
        out.extend(word.iter().map(u8::to_ascii_lowercase));
        return;
    }
    let word = String::from_utf8_lossy(word);
    let mut bytes = [0; 4];
    for letter in word.chars() {
        match fold(letter) {
            Some(letter) => out.push(letter),
            None => out.extend_from_slice(letter.encode_utf8(&mut bytes).as_bytes()),
        }
    }
}

/// The words of a text as they are kept, one a line.
#[cfg(test)]
pub(crate) fn words_folded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    each_word(text, &mut Vec::new(), |_, word| {
        if !word.is_empty() {
            push_folded(word, &mut out);
            out.push(b'\n');
        }
    });
    out
}

/// The letter or digit of ASCII that stands for a character where case does not count, if there is one: beside
/// capitals, the two characters that Unicode folds to a letter of ASCII (CaseFolding.txt).
#[must_use]
pub fn fold(letter: char) -> Option<u8> {
    match letter {
        '\u{17f}' => Some(b's'),
        '\u{212a}' => Some(b'k'),
        letter if letter.is_ascii_alphanumeric() => u8::try_from(letter.to_ascii_lowercase()).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::filters;
    use super::*;

    #[test]
    fn every_word_of_a_question_is_a_word_of_the_text() {
        let text = r#"{"a":"Pay INV-0004711\nnow, Müller","p":"C:\new","u":"x\u00e9y","z":"000"}"#;
        let mut known: ByHash<()> = ByHash::default();
        each_word(text.as_bytes(), &mut Vec::new(), |hash, _| {
            known.insert(hash, ());
        });
        for question in [
            "pay", "4711", "0004711", "inv 4711", "NOW", "MÜLLER", "new", "C:\\new", "y", "0", "00",
        ] {
            let asked = words_of(question);
            assert!(
                !asked.is_empty() && asked.iter().all(|hash| known.contains_key(hash)),
                "{question}"
            );
        }
        for question in ["711", "47110", "mull", "payments"] {
            assert!(
                !words_of(question)
                    .iter()
                    .all(|hash| known.contains_key(hash)),
                "{question}"
            );
        }
        filters::tests::holds_all(known.into_keys().collect());
    }

    #[test]
    fn words_are_folded_as_a_search_without_case_does() {
        let folded = |word: &str| {
            let mut out = Vec::new();
            push_folded(word.as_bytes(), &mut out);
            out
        };
        assert_eq!(folded("InV0004711"), b"inv0004711");
        assert_eq!(folded("\u{212a}i\u{17f}\u{17f}"), b"kiss");
        assert_eq!(folded("Müller"), "müller".as_bytes());
    }
}
