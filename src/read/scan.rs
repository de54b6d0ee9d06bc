//! Record boundaries in a buffer that grows.

use memchr::{memchr, memchr2};
use regex::Regex;

use super::csv::{QuoteState, is_ruler, parse_row, quotes_end_fields};
use super::encoding::to_utf8;
use super::json::Walker;
use super::layout::{Layout, Runtime};

/// What a scanner found from one position on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A record; scanning goes on at `next`.
    Record {
        start: usize,
        end: usize,
        next: usize,
    },
    /// Nothing here (blank line, separator); scanning goes on at `next`. `counts` says whether it
    /// counts as a record of its own (a blank line of a line format).
    Blank { next: usize, counts: bool },
    /// Bytes that belong to no record.
    Stray {
        start: usize,
        end: usize,
        next: usize,
        reason: &'static str,
    },
    /// The record is not complete in the buffer.
    More,
    /// The list is closed: the rest of the dump holds no records.
    End,
}

/// Finds record boundaries for one layout.
#[derive(Clone, Debug)]
pub(super) enum Scanner {
    Lines,
    /// A record begins at a line that fits; without a pattern, at every line.
    Blocks {
        start: Option<Regex>,
        goes_on: Option<Regex>,
    },
    Delimited {
        delimiter: u8,
        columns: usize,
    },
    Json {
        in_list: bool,
    },
    Parts(Runtime),
}

impl Scanner {
    pub(super) fn new(layout: &Layout) -> Self {
        match layout {
            Layout::JsonLines | Layout::Text | Layout::Directed { .. } | Layout::Empty => {
                Self::Lines
            }
            Layout::Blocks { start, goes_on } => Self::Blocks {
                start: Regex::new(start).ok(),
                goes_on: goes_on
                    .as_deref()
                    .and_then(|goes_on| Regex::new(goes_on).ok()),
            },
            Layout::Delimited { header, .. } => Self::Delimited {
                delimiter: header.delimiter,
                columns: header.names.len(),
            },
            Layout::JsonList { .. } => Self::Json { in_list: true },
            Layout::JsonValues => Self::Json { in_list: false },
            Layout::Parts(runtime) => Self::Parts(*runtime),
        }
    }

    /// Looks at `bytes[from..]`; `eof` says that no more bytes will come.
    pub(super) fn next(&self, bytes: &[u8], from: usize, eof: bool) -> Found {
        match self {
            Self::Lines => next_line(bytes, from, eof),
            Self::Blocks { start: None, .. } => next_line(bytes, from, eof),
            Self::Blocks {
                start: Some(start),
                goes_on,
            } => {
                let begins = |line: &str| {
                    start.is_match(line)
                        && !goes_on
                            .as_ref()
                            .is_some_and(|goes_on| goes_on.is_match(line))
                };
                next_block(bytes, from, eof, &begins)
            }
            Self::Delimited { delimiter, columns } => {
                next_row(bytes, from, eof, *delimiter, *columns)
            }
            Self::Json { in_list } => next_value(bytes, from, eof, *in_list),
            Self::Parts(runtime) => next_parts(bytes, from, eof, *runtime),
        }
    }

    /// In the middle of a record that is too large: the offset at which the next one may begin.
    pub(super) fn resync(&self, bytes: &[u8]) -> Option<usize> {
        let newline = memchr(b'\n', bytes)?;
        match self {
            Self::Lines | Self::Blocks { .. } | Self::Delimited { .. } | Self::Parts(_) => {
                Some(newline + 1)
            }
            Self::Json { .. } => resync_json(bytes, 0),
        }
    }
}

fn trim_cr(bytes: &[u8], start: usize, end: usize) -> usize {
    if end > start && bytes[end - 1] == b'\r' {
        end - 1
    } else {
        end
    }
}

fn next_line(bytes: &[u8], from: usize, eof: bool) -> Found {
    let (end, next) = match memchr(b'\n', &bytes[from..]) {
        Some(at) => (from + at, from + at + 1),
        None if eof && from < bytes.len() => (bytes.len(), bytes.len()),
        None => return Found::More,
    };
    let end = trim_cr(bytes, from, end);
    if bytes[from..end].iter().all(u8::is_ascii_whitespace) {
        return Found::Blank { next, counts: true };
    }
    Found::Record {
        start: from,
        end,
        next,
    }
}

/// A line and those behind it that begin no record of their own.
fn next_block(bytes: &[u8], from: usize, eof: bool, begins: &dyn Fn(&str) -> bool) -> Found {
    let first = next_line(bytes, from, eof);
    let Found::Record {
        mut end, mut next, ..
    } = first
    else {
        return first;
    };
    loop {
        match next_line(bytes, next, eof) {
            // The next line decides whether the record is whole.
            Found::More if !eof => return Found::More,
            Found::Record {
                start: at,
                end: line_end,
                next: behind,
            } => {
                let line = String::from_utf8_lossy(&bytes[at..line_end]);
                if begins(&line) {
                    break;
                }
                (end, next) = (line_end, behind);
            }
            Found::Blank { next: behind, .. } => next = behind,
            _ => break,
        }
    }
    Found::Record {
        start: from,
        end,
        next,
    }
}

/// A line and those behind it that a container runtime has cut off from it.
fn next_parts(bytes: &[u8], from: usize, eof: bool, runtime: Runtime) -> Found {
    let first = next_line(bytes, from, eof);
    let Found::Record {
        start,
        mut end,
        mut next,
    } = first
    else {
        return first;
    };
    let mut part = runtime.part(&bytes[start..end]);
    while let Some((stream, true)) = part {
        match next_line(bytes, next, eof) {
            Found::More if !eof => return Found::More,
            Found::Record {
                start: at,
                end: line_end,
                next: behind,
            } => {
                part = runtime.part(&bytes[at..line_end]);
                // Another stream has come between.
                if part.is_none_or(|(of, _)| of != stream) {
                    break;
                }
                (end, next) = (line_end, behind);
            }
            _ => break,
        }
    }
    Found::Record { start, end, next }
}

fn next_row(bytes: &[u8], from: usize, eof: bool, delimiter: u8, columns: usize) -> Found {
    let mut quotes = QuoteState::new(delimiter);
    let mut at = from;
    let mut first_line: Option<usize> = None;
    let (end, next) = loop {
        // Only quotes, delimiters before quotes and line ends matter: jump between line ends and
        // quotes, and feed the byte before a quote, which tells whether a field begins there.
        let Some(step) = memchr2(b'"', b'\n', &bytes[at..]) else {
            if !eof {
                return Found::More;
            }
            if from == bytes.len() {
                return Found::More;
            }
            if quotes.in_quotes() {
                // The quote was never closed: give the line alone, so that the rest is read.
                let end = first_line.unwrap_or(bytes.len());
                break (end, (end + 1).min(bytes.len()));
            }
            break (bytes.len(), bytes.len());
        };
        let hit = at + step;
        if step > 0 {
            quotes.take(bytes[hit - 1]);
        }
        if bytes[hit] == b'\n' {
            if !quotes.in_quotes() {
                break (hit, hit + 1);
            }
            first_line.get_or_insert(hit);
        }
        quotes.take(bytes[hit]);
        at = hit + 1;
    };
    let end = trim_cr(bytes, from, end);
    let line = &bytes[from..end];
    if line.iter().all(u8::is_ascii_whitespace) || delimiter == b'|' && is_ruler(line) {
        return Found::Blank {
            next,
            counts: false,
        };
    }
    if let Some(line_end) = first_line.filter(|line_end| *line_end < end) {
        let (text, _) = to_utf8(&bytes[from..end]);
        let fits = quotes_end_fields(&bytes[from..end], delimiter)
            && parse_row(&text, delimiter).is_ok_and(|row| row.len() == columns);
        if !fits {
            // A stray quote has swallowed rows: the first line stands alone.
            return Found::Record {
                start: from,
                end: trim_cr(bytes, from, line_end),
                next: line_end + 1,
            };
        }
    }
    Found::Record {
        start: from,
        end,
        next,
    }
}

fn next_value(bytes: &[u8], from: usize, eof: bool, in_list: bool) -> Found {
    let Some(step) = bytes[from..]
        .iter()
        .position(|b| !b.is_ascii_whitespace() && *b != b',')
    else {
        return if eof || from == bytes.len() {
            Found::More
        } else {
            Found::Blank {
                next: bytes.len(),
                counts: false,
            }
        };
    };
    let start = from + step;
    match bytes[start] {
        b'{' | b'[' => {}
        b']' if in_list => return Found::End,
        _ => {
            let next = bytes[start..]
                .iter()
                .position(|b| matches!(b, b'{' | b'\n'))
                .map_or(bytes.len(), |at| start + at.max(1));
            return Found::Stray {
                start,
                end: next,
                next,
                reason: "no JSON object begins here",
            };
        }
    }
    let mut walker = Walker::default();
    if let Some(at) = bytes[start..].iter().position(|byte| walker.take(*byte)) {
        return Found::Record {
            start,
            end: start + at + 1,
            next: start + at + 1,
        };
    }
    if !eof {
        return Found::More;
    }
    // Cut or broken: name it, and go on where a line begins with a new object.
    let next = resync_json(bytes, start + 1).unwrap_or(bytes.len());
    Found::Stray {
        start,
        end: next,
        next,
        reason: "the JSON object is not closed",
    }
}

/// The next line that begins with `{`, perhaps after blanks and a comma.
fn resync_json(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += memchr(b'\n', &bytes[at..])? + 1;
        let first = bytes[at..]
            .iter()
            .position(|b| !b.is_ascii_whitespace() && *b != b',')?;
        if bytes[at + first] == b'{' {
            return Some(at + first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(scanner: &Scanner, text: &str) -> Vec<String> {
        let bytes = text.as_bytes();
        let (mut at, mut out) = (0, Vec::new());
        loop {
            match scanner.next(bytes, at, true) {
                Found::Record { start, end, next } => {
                    out.push(text[start..end].to_owned());
                    at = next;
                }
                Found::Blank { next, .. } => at = next,
                Found::Stray {
                    start, end, next, ..
                } => {
                    out.push(format!("!{}", &text[start..end]));
                    at = next;
                }
                Found::More | Found::End => return out,
            }
        }
    }

    #[test]
    fn rows_with_line_breaks_and_stray_quotes() {
        let scanner = Scanner::Delimited {
            delimiter: b',',
            columns: 2,
        };
        assert_eq!(all(&scanner, "a,\"b\nc\"\nd,e\n"), ["a,\"b\nc\"", "d,e"]);
        // The unclosed quote costs its own line only.
        assert_eq!(
            all(&scanner, "a,\"b\nc,d\ne,\"f\"\ng,h\n"),
            ["a,\"b", "c,d", "e,\"f\"", "g,h"]
        );
        assert_eq!(all(&scanner, "a,5\" pipe\nc,d"), ["a,5\" pipe", "c,d"]);
    }

    #[test]
    fn broken_objects_do_not_take_the_rest() {
        let scanner = Scanner::Json { in_list: true };
        assert_eq!(
            all(&scanner, "{\"a\":1},\n{\"b\":\"x},\n{\"c\":3}\n]"),
            ["{\"a\":1}", "!{\"b\":\"x},\n", "{\"c\":3}"]
        );
    }
}
