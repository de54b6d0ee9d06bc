//! An expression over the words of a stretch.

use std::ops::Range;

use memchr::{memchr, memrchr};
use regex_automata::hybrid::dfa::{Cache, Config, DFA};
use regex_automata::nfa::thompson;
use regex_automata::util::{prefilter::Prefilter, syntax};
use regex_automata::{Input, MatchError, MatchKind};

use super::stretches::END;

/// An expression that is larger than that says too little for what it costs.
const MOST_BYTES: usize = 1 << 20;
/// Room for what is made of it while it is looked for.
const CACHE_BYTES: usize = 4 << 20;
/// Of what is at least so long, few words are.
const LONG: usize = 10;

/// An expression that is found among the words of a text, each of which is a line in the form that
/// [`super::fold`] gives. It is over bytes, and knows nothing of case.
///
/// It runs as a deterministic automaton only: where that grows too large, words are taken to have it. Engines that
/// always know take longer than it takes to read the texts.
#[derive(Clone, Debug)]
pub struct WordShape {
    source: String,
    /// Bytes of its shortest match.
    least: usize,
    automaton: DFA,
}

impl WordShape {
    /// Of its source; `None` if it is none or too large.
    #[must_use]
    pub fn new(source: &str) -> Option<Self> {
        let syntax = syntax::Config::new()
            .unicode(false)
            .utf8(false)
            .multi_line(true);
        let parsed = syntax::parse_with(source, &syntax).ok()?;
        let nfa = thompson::Config::new()
            .utf8(false)
            .nfa_size_limit(Some(MOST_BYTES));
        let nfa = thompson::Compiler::new()
            .configure(nfa)
            .build_from_hir(&parsed)
            .ok()?;
        // Where every match begins with one of a few bytes or strings, they are skipped to.
        let beginning = Prefilter::from_hir_prefix(MatchKind::All, &parsed);
        let config = Config::new()
            .prefilter(beginning.filter(Prefilter::is_fast))
            .cache_capacity(CACHE_BYTES)
            .minimum_cache_clear_count(Some(2))
            .minimum_bytes_per_state(Some(10));
        let automaton = DFA::builder().configure(config).build_from_nfa(nfa);
        Some(Self {
            source: source.to_owned(),
            least: parsed.properties().minimum_len().unwrap_or(0),
            automaton: automaton.ok()?,
        })
    }

    /// The expression.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What a search among words needs; it is of use for the next one.
    pub(super) fn cache(&self) -> Cache {
        self.automaton.create_cache()
    }

    /// Whether it may be found among words.
    pub(super) fn may_fit(&self, cache: &mut Cache, words: &[u8]) -> bool {
        if self.least < LONG {
            return self.may_be_in(cache, words, 0..words.len());
        }
        // No match is longer than a word: those that are too short are passed over, several at once.
        let mut start = 0;
        while let Some(shortest) = words.get(start..start + self.least) {
            if let Some(end) = memrchr(END, shortest) {
                start += end + 1;
                continue;
            }
            let rest = memchr(END, &words[start..]);
            let end = rest.map_or(words.len(), |length| start + length);
            if self.may_be_in(cache, words, start..end) {
                return true;
            }
            start = end + 1;
        }
        false
    }

    fn may_be_in(&self, cache: &mut Cache, words: &[u8], at: Range<usize>) -> bool {
        let input = Input::new(words).span(at).earliest(true);
        let found: Result<_, MatchError> = self.automaton.try_search_fwd(cache, &input);
        found.map_or(true, |found| found.is_some())
    }

    /// Whether it is found among words.
    #[cfg(test)]
    pub(crate) fn is_in(&self, words: &[u8]) -> bool {
        self.may_fit(&mut self.cache(), words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shorter_words_are_passed_over_and_no_other() {
        let shape = WordShape::new("^[0-9]{12}$").unwrap();
        for (words, found) in [
            ("123456789012\n", true),
            ("123456789012", true),
            ("a\nbc\n123456789012\nd\n", true),
            ("12345678901\n123456789012\n", true),
            ("1234567890123\n123456789012\n", true),
            ("1234567890123\n", false),
            ("12345678901\n1\n", false),
            ("123456\n789012\n", false),
            ("", false),
        ] {
            assert_eq!(shape.is_in(words.as_bytes()), found, "{words:?}");
        }
    }

    /// Which of its last letters was an `a` makes a hundred thousand states of this expression, for which there is no
    /// room: words are then taken to have it.
    #[test]
    fn what_grows_too_large_may_always_fit() {
        let shape = WordShape::new("a[ab]{17}c").unwrap();
        let mut state = 1u32;
        let mut letter = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if state >> 31 == 0 { b'a' } else { b'b' }
        };
        let mut words: Vec<u8> = (0..1_000_000).map(|_| letter()).collect();
        let mut cache = shape.cache();
        let input = Input::new(&words);
        assert!(shape.automaton.try_search_fwd(&mut cache, &input).is_err());
        assert!(shape.is_in(&words));
        words.extend(b"\nabababababababababc\n");
        assert!(shape.is_in(&words));
        // A few words take no room.
        assert!(!shape.is_in(b"abababababababababd\n"));
    }
}
