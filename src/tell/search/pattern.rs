//! What a search looks for in texts, and what a text must hold to have a match.

use std::ops::Range;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

use super::shape::shapes;
use crate::store::{Fragments, WordShape, fold, is_word_byte, words_of};

/// What is looked for in a text.
pub(super) struct Pattern {
    regex: Regex,
    /// Whether a word begins, and one ends, where the match does.
    whole: [bool; 2],
    /// Words that a text with a match has.
    pub words: Vec<u64>,
    /// Parts of words that a text with a match has.
    pub fragments: Fragments,
    /// Shapes of words that a text with a match has.
    pub shapes: Vec<WordShape>,
}

impl Pattern {
    /// Of a word or a phrase. A `*` at its beginning or end stands for the rest of a word.
    ///
    /// # Errors
    /// It is too long.
    pub(super) fn of_words(text: &str) -> Result<Self, regex::Error> {
        let open = [text.starts_with('*'), text.ends_with('*')];
        let plain = text.trim_matches('*');
        // A phrase goes over line breaks, and over what JSON makes of them.
        let parts: Vec<String> = plain
            .split_whitespace()
            .map(|part| match part.trim_start_matches('0') {
                // Zeros before a number do not count.
                rest if rest.starts_with(|c: char| c.is_ascii_digit()) => {
                    format!("0*{}", regex::escape(rest))
                }
                _ => regex::escape(part),
            })
            .collect();
        let source = parts.join(r"(?:\s|\\[nrt])+");
        let regex = RegexBuilder::new(&source)
            .case_insensitive(true)
            .unicode(!plain.is_ascii())
            .build()?;
        let ends = [plain.bytes().next(), plain.bytes().next_back()];
        let at_word = ends.map(|byte| byte.is_some_and(is_word_byte));
        let mut words = words_of(plain);
        let mut has_parts = false;
        // What a `*` goes on is no whole word.
        if open[1] && at_word[1] {
            words.pop();
            has_parts = true;
        }
        if open[0] && at_word[0] {
            has_parts = true;
            if !words.is_empty() {
                words.remove(0);
            }
        }
        let begun = match open == [false, true] && at_word[0] {
            true => beginning_of_word(plain),
            false => None,
        };
        Ok(Self {
            regex,
            whole: [at_word[0] && !open[0], at_word[1] && !open[1]],
            words,
            fragments: match has_parts {
                true => fragments(&source),
                false => Fragments::new(),
            },
            shapes: begun.into_iter().collect(),
        })
    }

    /// Of a regular expression.
    ///
    /// # Errors
    /// It is none, or too large.
    pub(super) fn of_regex(source: &str) -> Result<Self, regex::Error> {
        Ok(Self {
            regex: RegexBuilder::new(source).size_limit(10 << 20).build()?,
            whole: [false; 2],
            words: Vec::new(),
            fragments: fragments(source),
            shapes: shapes(source),
        })
    }

    pub(super) fn find(&self, text: &[u8]) -> Option<Range<usize>> {
        let mut at = 0;
        while let Some(found) = self.regex.find_at(text, at) {
            let begins = !self.whole[0] || begins_word(text, found.start());
            let ends = !self.whole[1] || text.get(found.end()).is_none_or(|b| !is_word_byte(*b));
            if begins && ends {
                return Some(found.range());
            }
            at = found.start() + 1;
        }
        None
    }
}

/// The shape of a word that begins as a text does.
fn beginning_of_word(plain: &str) -> Option<WordShape> {
    let word = plain.bytes().take_while(u8::is_ascii_alphanumeric);
    let word: Vec<u8> = word.map(|byte| byte.to_ascii_lowercase()).collect();
    let zeros = word.iter().take_while(|byte| **byte == b'0').count();
    let rest = String::from_utf8(word[zeros..].to_vec()).ok()?;
    // Before the word the letters of an escape of JSON may stand, and zeros before a number.
    (rest.len() >= SHORTEST)
        .then(|| WordShape::new(&format!("^(?:[nrtbf]|u.{{4}})?0*{rest}")))
        .flatten()
}

/// Whether no word goes on at a place of a text: before it stands none, an escape of JSON, or the zeros of a
/// number.
fn begins_word(text: &[u8], start: usize) -> bool {
    let zeros = match text.get(start) {
        Some(byte) if byte.is_ascii_digit() => text[..start]
            .iter()
            .rev()
            .take_while(|byte| **byte == b'0')
            .count(),
        _ => 0,
    };
    let before = &text[..start - zeros];
    match before {
        [] => true,
        [.., b'\\', b'n' | b'r' | b't' | b'b' | b'f'] => true,
        [.., b'\\', b'u', _, _, _, _] => true,
        [.., byte] => !is_word_byte(*byte),
    }
}

/// Shorter ones are in every text.
pub(super) const SHORTEST: usize = 3;
/// More alternatives are not looked for one by one.
const MOST_ALTERNATIVES: usize = 16;

/// Parts of words that every match of a regular expression has. They are letters and digits of ASCII, which
/// are cut from a match wherever anything else may stand in it; case does not count.
fn fragments(source: &str) -> Fragments {
    let parser = ParserBuilder::new().utf8(false).build().parse(source);
    let mut needed = Needed::default();
    if let Ok(hir) = parser {
        needed.add(&hir);
        needed.end_run();
    }
    needed.lines
}

#[derive(Default)]
struct Needed {
    /// Letters and digits that follow each other.
    run: Vec<u8>,
    lines: Fragments,
}

impl Needed {
    fn end_run(&mut self) {
        let run = std::mem::take(&mut self.run);
        if run.len() >= SHORTEST {
            self.lines.push(vec![run]);
        }
    }

    fn add_letter(&mut self, letter: Option<u8>) {
        match letter {
            Some(letter) => self.run.push(letter),
            None => self.end_run(),
        }
    }

    fn add(&mut self, hir: &Hir) {
        match hir.kind() {
            // They have no length.
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
                Ok(text) => text
                    .chars()
                    .for_each(|letter| self.add_letter(fold(letter))),
                Err(_) => self.end_run(),
            },
            HirKind::Class(class) => self.add_letter(one_letter(class)),
            HirKind::Capture(capture) => self.add(&capture.sub),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.add(part)),
            HirKind::Repetition(repetition) => {
                self.end_run();
                if repetition.min > 0 {
                    self.add(&repetition.sub);
                    self.end_run();
                }
            }
            HirKind::Alternation(parts) => {
                self.end_run();
                let longest = parts.iter().map(|part| {
                    let mut needed = Self::default();
                    needed.add(part);
                    needed.end_run();
                    // A line of one is needed in any case; of the others, one or another.
                    let sure = needed.lines.into_iter().filter(|line| line.len() == 1);
                    sure.flatten().max_by_key(Vec::len)
                });
                let line: Option<Vec<Vec<u8>>> = longest.collect();
                if let Some(line) = line.filter(|line| line.len() <= MOST_ALTERNATIVES) {
                    self.lines.push(line);
                }
            }
        }
    }
}

/// The letter or digit that all characters of a class fold to.
fn one_letter(class: &Class) -> Option<u8> {
    let mut letters: Vec<char> = Vec::new();
    match class {
        Class::Unicode(class) => {
            for range in class.ranges() {
                // The largest class of one letter has a capital, a small one and a relative of them.
                letters.extend((range.start()..=range.end()).take(4));
            }
        }
        Class::Bytes(class) => {
            for range in class.ranges() {
                letters.extend((range.start()..=range.end()).take(4).map(char::from));
            }
        }
    }
    let first = fold(*letters.first()?)?;
    let same = letters.iter().all(|letter| fold(*letter) == Some(first));
    same.then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &str) -> String {
        let lines = fragments(source).into_iter().map(|line| {
            let parts = line
                .into_iter()
                .map(|part| String::from_utf8(part).unwrap());
            parts.collect::<Vec<_>>().join("|")
        });
        lines.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_match_has_the_fragments_of_its_expression() {
        for (source, expected) in [
            ("INV-40000", "inv 40000"),
            (r"\bpay(ment)?\b", "pay"),
            (r"DE\d{2}5001", "5001"),
            ("(?i)kiss me", "kiss"),
            ("(?:abc|defg)hij", "abc|defg hij"),
            ("(?:abc|.)hij", "hij"),
            ("(?:abc)+d", "abc"),
            ("(?:abc)*d", ""),
            ("Müller", "ller"),
            ("[ab]cde[fF]g", "cdefg"),
            ("a.c", ""),
            ("[0-9]{5}", ""),
            ("^x{3}abc$", "abc"),
        ] {
            assert_eq!(of(source), expected, "{source}");
        }
    }

    #[test]
    fn whole_words_need_no_fragments() {
        let pattern = Pattern::of_words("pay invoice 4711").unwrap();
        assert_eq!((pattern.words.len(), pattern.fragments.len()), (3, 0));
        let pattern = Pattern::of_words("*voice 0004711*").unwrap();
        assert!(pattern.words.is_empty());
        assert_eq!(
            pattern.fragments,
            [vec![b"voice".to_vec()], vec![b"4711".to_vec()]]
        );
    }

    proptest::proptest! {
        /// What is found has what is needed: the words of the text, as they are kept, have each line.
        #[test]
        fn no_match_is_without_its_fragments(
            source in "[aA]?(b|bcd|Bce)(xyz){0,2}(?i:kos|k)[ -]?(abc|[0-9]abd)+",
            around in "[ -~]{0,8}",
        ) {
            let Ok(pattern) = Pattern::of_regex(&source) else { return Ok(()) };
            for text in [format!("{around}{source}{around}"), format!("{around}bcdxyzkosabc")] {
                if pattern.find(text.as_bytes()).is_some() {
                    let folded = |letter| fold(letter).map_or(letter, char::from);
                    let text: String = text.chars().map(folded).collect();
                    for line in &pattern.fragments {
                        let has = |part: &Vec<u8>| text.contains(std::str::from_utf8(part).unwrap());
                        proptest::prop_assert!(line.iter().any(has), "{} {}", source, text);
                    }
                }
            }
        }
    }
}
