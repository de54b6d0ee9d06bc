//! The shapes that words of a match have: of `\b4[0-9]{15}\b`, a word of sixteen digits, the first of them a 4.
//!
//! A regular expression is cut wherever it may match what parts words. Each piece becomes an expression over the
//! words of a text as the index of words has them: in lower case, one a line. It may let pass more than the
//! whole expression does, never less.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, ClassUnicode, Hir, HirKind, Look};

use super::pattern::SHORTEST;
use crate::store::{WordShape, fold};

/// A character that is not of ASCII, as the index has it.
const OTHER: &str = r"[\x80-\xff]{2,4}";

/// Expressions of which each is found among the words of a text in which a regular expression is.
pub(super) fn shapes(source: &str) -> Vec<WordShape> {
    let parser = ParserBuilder::new().utf8(false).build().parse(source);
    let mut walk = Walk::default();
    if let Ok(hir) = parser {
        walk.add(&hir);
        walk.end(Edge::Open);
    }
    let shapes = walk.shapes.iter();
    shapes
        .filter_map(|shape| WordShape::new(&shape.source))
        .collect()
}

/// What is known of the characters of a piece, the least sure one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sure {
    /// Neither of the two.
    No,
    /// They are `\w`, as Unicode has it.
    Word,
    /// They are letters and digits of ASCII.
    Ascii,
}

/// What stands beside a shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Edge {
    /// The word may go on.
    #[default]
    Open,
    /// A boundary of a word, beside which characters are as sure as that.
    Boundary(Sure),
    /// What is in no word.
    Break,
}

impl Edge {
    /// An expression for it, beside a character of which so much is known. `line` is the end of a word.
    fn source(self, beside: Sure, line: &str) -> String {
        match self {
            Self::Break => line.to_owned(),
            // Whatever is not of ASCII counts as part of a word in the index; two of these characters are
            // folded to letters.
            Self::Boundary(least) if beside >= least => format!(r"(?:{line}|[\x80-\xffsk])"),
            Self::Boundary(_) | Self::Open => String::new(),
        }
    }
}

/// A part of an expression that matches within a word.
#[derive(Clone, Debug)]
struct Part {
    source: String,
    /// Fewest characters.
    least: usize,
    sure: Sure,
    /// Whether it is nothing but letters that follow each other.
    is_plain: bool,
}

/// What a part of an expression is to words.
enum Piece {
    Within(Part),
    /// It matches one or more characters of which none is in a word.
    Break,
    /// It may match either, or it has no length.
    Unknown,
}

#[derive(Clone, Debug)]
struct Shape {
    source: String,
    least: usize,
}

#[derive(Default)]
struct Walk {
    left: Edge,
    run: Vec<Part>,
    shapes: Vec<Shape>,
}

impl Walk {
    /// Ends a shape, and begins the next one.
    fn end(&mut self, edge: Edge) {
        let run = std::mem::take(&mut self.run);
        let left = std::mem::replace(&mut self.left, edge);
        let sure = |part: Option<&Part>| {
            let part = part.filter(|part| part.least > 0);
            part.map_or(Sure::No, |part| part.sure)
        };
        let before = left.source(sure(run.first()), "^");
        let after = edge.source(sure(run.last()), "$");
        let least = run.iter().map(|part| part.least).sum();
        // Letters alone are looked for as they are.
        let says_more =
            !before.is_empty() || !after.is_empty() || run.iter().any(|part| !part.is_plain);
        if least >= SHORTEST && says_more {
            let body: String = run.iter().map(|part| part.source.as_str()).collect();
            let source = format!("{before}{body}{after}");
            self.shapes.push(Shape { source, least });
        }
    }

    fn add(&mut self, hir: &Hir) {
        if let HirKind::Literal(literal) = hir.kind() {
            match std::str::from_utf8(&literal.0) {
                Ok(text) => text.chars().for_each(|letter| match of_letter(letter) {
                    Some(part) => self.run.push(part),
                    None => self.end(Edge::Break),
                }),
                Err(_) => self.end(Edge::Open),
            }
            return;
        }
        match piece(hir) {
            Piece::Within(part) => return self.run.push(part),
            Piece::Break => return self.end(Edge::Break),
            Piece::Unknown => {}
        }
        match hir.kind() {
            HirKind::Look(look) => self.look(*look),
            HirKind::Capture(capture) => self.add(&capture.sub),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.add(part)),
            HirKind::Repetition(repetition) => {
                self.end(Edge::Open);
                if repetition.min > 0 {
                    self.add(&repetition.sub);
                    self.end(Edge::Open);
                }
            }
            HirKind::Alternation(parts) => {
                self.end(Edge::Open);
                let longest = parts.iter().map(|part| {
                    let mut walk = Self::default();
                    walk.add(part);
                    walk.end(Edge::Open);
                    walk.shapes.into_iter().max_by_key(|shape| shape.least)
                });
                if let Some(shapes) = longest.collect::<Option<Vec<Shape>>>() {
                    let least = shapes.iter().map(|shape| shape.least).min();
                    let sources: Vec<String> =
                        shapes.into_iter().map(|shape| shape.source).collect();
                    self.shapes.push(Shape {
                        source: format!("(?:{})", sources.join("|")),
                        least: least.unwrap_or(0),
                    });
                }
            }
            HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) => self.end(Edge::Open),
        }
    }

    fn look(&mut self, look: Look) {
        match look {
            Look::Start | Look::StartLF | Look::End | Look::EndLF => self.end(Edge::Break),
            Look::WordAscii | Look::WordUnicode => {
                let least = match look {
                    Look::WordAscii => Sure::Ascii,
                    _ => Sure::Word,
                };
                // Beside a break it says nothing more.
                if !self.run.is_empty() || self.left == Edge::Open {
                    self.end(Edge::Boundary(least));
                }
            }
            // The others have no length: without them more is let pass.
            _ => {}
        }
    }
}

/// A letter as the index has it; `None` if it is in no word.
fn of_letter(letter: char) -> Option<Part> {
    let (source, sure) = match fold(letter) {
        Some(folded) if letter.is_ascii() => (char::from(folded).to_string(), Sure::Ascii),
        Some(folded) => (char::from(folded).to_string(), Sure::Word),
        None if letter.is_ascii() => return None,
        // Words that differ in the case of such a letter are kept once.
        None => (OTHER.to_owned(), Sure::No),
    };
    Some(Part {
        source,
        least: 1,
        sure,
        is_plain: sure > Sure::No,
    })
}

fn piece(hir: &Hir) -> Piece {
    match hir.kind() {
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) => joined(text.chars().map(|letter| match of_letter(letter) {
                Some(part) => Piece::Within(part),
                None => Piece::Break,
            })),
            Err(_) => Piece::Unknown,
        },
        HirKind::Class(class) => of_class(class),
        HirKind::Capture(capture) => piece(&capture.sub),
        HirKind::Concat(parts) => joined(parts.iter().map(piece)),
        HirKind::Repetition(repetition) => match piece(&repetition.sub) {
            Piece::Within(part) => {
                let most = repetition.max.map(|most| most.to_string());
                let (least, most) = (repetition.min, most.unwrap_or_default());
                Piece::Within(Part {
                    source: format!("(?:{}){{{least},{most}}}", part.source),
                    least: part.least.saturating_mul(least as usize),
                    is_plain: false,
                    ..part
                })
            }
            Piece::Break if repetition.min > 0 => Piece::Break,
            Piece::Break | Piece::Unknown => Piece::Unknown,
        },
        HirKind::Alternation(parts) => {
            let mut all: Option<Part> = None;
            let mut breaks = 0;
            for part in parts {
                match (piece(part), &mut all) {
                    (Piece::Within(part), None) => all = Some(part),
                    (Piece::Within(part), Some(all)) => {
                        all.source.push('|');
                        all.source.push_str(&part.source);
                        all.least = all.least.min(part.least);
                        all.sure = all.sure.min(part.sure);
                    }
                    (Piece::Break, _) => breaks += 1,
                    (Piece::Unknown, _) => return Piece::Unknown,
                }
            }
            match all {
                Some(all) if breaks == 0 => Piece::Within(Part {
                    source: format!("(?:{})", all.source),
                    is_plain: false,
                    ..all
                }),
                None if breaks > 0 => Piece::Break,
                _ => Piece::Unknown,
            }
        }
        HirKind::Empty | HirKind::Look(_) => Piece::Unknown,
    }
}

/// What parts that follow each other are together.
fn joined(pieces: impl Iterator<Item = Piece>) -> Piece {
    let mut all: Option<Part> = None;
    let mut breaks = 0;
    for piece in pieces {
        match (piece, &mut all) {
            (Piece::Within(part), None) => all = Some(part),
            (Piece::Within(part), Some(all)) => {
                all.source.push_str(&part.source);
                all.least = all.least.saturating_add(part.least);
                all.sure = all.sure.min(part.sure);
                all.is_plain &= part.is_plain;
            }
            (Piece::Break, _) => breaks += 1,
            (Piece::Unknown, _) => return Piece::Unknown,
        }
    }
    match all {
        Some(all) if breaks == 0 => Piece::Within(all),
        None if breaks > 0 => Piece::Break,
        _ => Piece::Unknown,
    }
}

fn of_class(class: &Class) -> Piece {
    let (ascii, others) = match class {
        Class::Unicode(class) => {
            let mut others = class.clone();
            let is_ascii = regex_syntax::hir::ClassUnicodeRange::new('\0', '\x7f');
            others.difference(&ClassUnicode::new([is_ascii]));
            let ranges = class.ranges().iter();
            let ascii: Vec<u8> = ranges
                .flat_map(|range| range.start()..=range.end().min('\x7f'))
                .filter_map(|letter| u8::try_from(letter).ok())
                .collect();
            (ascii, others)
        }
        Class::Bytes(class) => {
            let ranges = class.ranges().iter();
            if ranges.clone().any(|range| range.end() > 0x7f) {
                return Piece::Unknown;
            }
            let ascii = ranges.flat_map(|range| range.start()..=range.end());
            (ascii.collect(), ClassUnicode::empty())
        }
    };
    let in_words = ascii.iter().filter(|byte| byte.is_ascii_alphanumeric());
    let in_words = in_words.count();
    match (in_words == ascii.len(), in_words > 0) {
        (false, false) if others.ranges().is_empty() => return Piece::Break,
        (true, _) if in_words > 0 || !others.ranges().is_empty() => {}
        _ => return Piece::Unknown,
    }
    let mut letters: Vec<u8> = ascii.iter().map(u8::to_ascii_lowercase).collect();
    let mut is_other = false;
    for range in others.ranges() {
        // The characters that are folded to letters of ASCII are among them one by one, or in a range of many.
        let folded = ['\u{17f}', '\u{212a}']
            .into_iter()
            .filter(|letter| (range.start()..=range.end()).contains(letter));
        letters.extend(folded.clone().filter_map(fold));
        is_other |= (range.start()..=range.end()).nth(folded.count()).is_some();
    }
    letters.sort_unstable();
    letters.dedup();
    let sure = match others.ranges().is_empty() {
        true => Sure::Ascii,
        false if is_word(&others) => Sure::Word,
        false => Sure::No,
    };
    let letters = String::from_utf8_lossy(&letters).into_owned();
    let source = match (letters.is_empty(), is_other) {
        (false, true) => format!("(?:[{letters}]|{OTHER})"),
        (false, false) => format!("[{letters}]"),
        (true, _) => OTHER.to_owned(),
    };
    Piece::Within(Part {
        is_plain: letters.len() == 1 && !is_other,
        source,
        least: 1,
        sure,
    })
}

/// Whether all of a class is `\w`.
fn is_word(class: &ClassUnicode) -> bool {
    let word = regex_syntax::parse(r"\w");
    let Ok(HirKind::Class(Class::Unicode(word))) = word.map(Hir::into_kind) else {
        return false;
    };
    let mut rest = class.clone();
    rest.difference(&word);
    rest.ranges().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::words_folded;

    fn of(source: &str) -> String {
        let shapes = shapes(source);
        let shapes: Vec<&str> = shapes.iter().map(WordShape::source).collect();
        shapes
            .join(" ")
            .replace(r"(?:^|[\x80-\xffsk])", "<")
            .replace(r"(?:$|[\x80-\xffsk])", ">")
    }

    #[test]
    fn an_expression_is_cut_where_words_may_end() {
        for (source, expected) in [
            ("INV-40000", "inv$ ^40000"),
            (r"(?-u)INV-94\d00", "inv$ ^94[0123456789]00"),
            (r"(?-u:\b4[0-9]{15}\b)", "<4(?:[0123456789]){15,15}>"),
            (r"\b4[0-9]{3}", "<4(?:[0123456789]){3,3}"),
            (r"\b[0-9a-f]{8}-", "<(?:[0123456789abcdef]){8,8}$"),
            // A word may go on before and behind what need not be there.
            ("abc[ -]?def", ""),
            ("abc[ -]+def", "abc$ ^def"),
            ("abc[^d]+def", ""),
            (r"abc\w*def", ""),
            ("abcd", ""),
            ("^abcd", "^abcd"),
            ("(abc|[de]{4})f{2}", "(?:abc|(?:[de]){4,4})(?:f){2,2}"),
            ("(-abc-|[de]{4}-)ff", "(?:^abc$|(?:[de]){4,4}$)"),
            ("(-abc-|.)ff", ""),
            // What is no letter ends no word where a boundary stands beside it.
            (r"[a\u{2014}]bcd", r"(?:[a]|[\x80-\xff]{2,4})bcd"),
            (r"bcd[a\u{2014}]\b", r"bcd(?:[a]|[\x80-\xff]{2,4})"),
            (r"bcdé\b", r"bcd[\x80-\xff]{2,4}"),
            (r"(?i)kiss\b", "[k][i][s][s]>"),
            (r"(?-u)abc[\x80-\xff]def", ""),
        ] {
            assert_eq!(of(source), expected, "{source}");
        }
        // Digits are those of all scripts.
        assert_eq!(
            of(r"\b\d{4}\b"),
            r"<(?:(?:[0123456789]|[\x80-\xff]{2,4})){4,4}>"
        );
    }

    proptest::proptest! {
        /// Words of what is found have each shape.
        #[test]
        fn no_match_is_without_its_shapes(
            pieces in proptest::collection::vec(0..PIECES.len(), 1..6),
            around in proptest::collection::vec(0..AROUND.len(), 2),
            texts in proptest::collection::vec(0..TEXTS.len(), 1..7),
        ) {
            let source: String = pieces.iter().map(|at| PIECES[*at]).collect();
            let source = format!("{}{source}{}", AROUND[around[0]], AROUND[around[1]]);
            let Ok(regex) = regex::bytes::Regex::new(&source) else { return Ok(()) };
            let text: Vec<u8> = texts.iter().flat_map(|at| TEXTS[*at]).copied().collect();
            if regex.is_match(&text) {
                let words = words_folded(&text);
                for shape in shapes(&source) {
                    proptest::prop_assert!(
                        shape.is_in(&words),
                        "{source} {} {}", shape.source(), String::from_utf8_lossy(&text)
                    );
                }
            }
        }
    }

    const AROUND: [&str; 8] = ["", "", r"\b", r"(?-u:\b)", "^", "$", "-", "(?i)"];
    const PIECES: [&str; 19] = [
        "[ab1]{10}",
        "a",
        "[ab]",
        "b{2}",
        r"\d",
        r"(?-u:\d)",
        "(ab|a|1)",
        "-",
        "[- ]+",
        "-?",
        "(?:a-b|ba)",
        r"\b",
        "é",
        r"(?i:s)",
        "(?i:K)",
        r"[a\u{2014}]",
        r"\w",
        "(?:ab)*",
        r"(?-u:\b)",
    ];
    const TEXTS: [&[u8]; 17] = [
        b"ab1ab1ab1a",
        b"a",
        b"b",
        b"bb",
        b"1",
        b"-",
        b" ",
        b"aba",
        "é".as_bytes(),
        "ſ".as_bytes(),
        "\u{212a}".as_bytes(),
        "—".as_bytes(),
        b"\n",
        "٣".as_bytes(),
        b"S",
        b"\xc5",
        b"_",
    ];
}
