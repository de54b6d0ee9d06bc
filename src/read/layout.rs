//! The layout of a dump, found by looking into it.

use super::csv::{Header, QuoteState, is_ruler, parse_row};
use super::encoding::to_utf8;
use super::json::{find_list, value_end};

/// How records lie in a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One JSON value a line.
    JsonLines,
    /// A JSON array, or a list inside an envelope object; elements begin at the offset.
    JsonList {
        /// Offset behind the `[`.
        start: usize,
        /// Name of the member that holds the list.
        envelope: Option<String>,
    },
    /// JSON values one after the other, each over any number of lines.
    JsonValues,
    /// Delimited text with a header row.
    Delimited {
        /// The header.
        header: Header,
        /// Offset of the first data row.
        start: usize,
    },
    /// Rows of the W3C extended log format; lines that begin with `#` say which fields follow, and may come
    /// again with others.
    Directed {
        /// The fields of the first rows.
        header: Header,
    },
    /// Lines of text.
    Text,
    /// Text whose records go over lines: one begins at each line that fits the pattern.
    Blocks {
        /// Regular expression of a record's first line.
        start: String,
        /// Regular expression of lines that fit it and belong to the record before them.
        goes_on: Option<String>,
    },
    /// Lines that a container runtime kept: it cuts long ones, and the parts are one record.
    Parts(Runtime),
    /// Nothing but blanks.
    Empty,
}

/// How a container runtime keeps what a container wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// Kubernetes' CRI logging format: time, stream, `P` for a part or `F` for the last of a line.
    Cri,
    /// Docker's `json-file` driver: a part has no line break at its end.
    Docker,
}

impl Runtime {
    /// The stream that a line is of, and whether it goes on in the next; `None` for any other line.
    pub(super) fn part(self, line: &[u8]) -> Option<(&[u8], bool)> {
        match self {
            Self::Cri => {
                let mut words = line.splitn(4, |byte| *byte == b' ');
                let time = words.next()?;
                let (stream, mark) = (words.next()?, words.next()?);
                let is_line = time.first().is_some_and(u8::is_ascii_digit)
                    && time.contains(&b'T')
                    && matches!(stream, b"stdout" | b"stderr");
                match mark {
                    b"F" if is_line => Some((stream, false)),
                    b"P" if is_line => Some((stream, true)),
                    _ => None,
                }
            }
            Self::Docker => {
                let text = line.strip_prefix(br#"{"log":"#)?.trim_ascii_start();
                // Behind the text, in which quotes are escaped.
                let stream = memchr::memmem::rfind(text, br#""stream":"#)?;
                let (text, stream) = text.split_at(stream);
                let text = text.trim_ascii_end().strip_suffix(b",")?;
                let text = text.trim_ascii_end().strip_suffix(b"\"")?;
                let stream = stream.splitn(5, |byte| *byte == b'"').nth(3)?;
                Some((stream, !text.ends_with(br"\n")))
            }
        }
    }
}

impl Layout {
    /// Name for people and custody.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::JsonLines => "JSON lines".to_owned(),
            Self::JsonList {
                envelope: Some(name),
                ..
            } => format!("JSON list in `{name}`"),
            Self::JsonList { envelope: None, .. } => "JSON array".to_owned(),
            Self::JsonValues => "JSON values".to_owned(),
            Self::Delimited { header, .. } => {
                let delimiter = match header.delimiter {
                    b'\t' => "tab".to_owned(),
                    other => format!("`{}`", other as char),
                };
                format!("{} columns delimited by {delimiter}", header.names.len())
            }
            Self::Directed { header } => {
                format!("W3C extended log, {} fields", header.names.len())
            }
            Self::Text => "lines of text".to_owned(),
            Self::Blocks { .. } => "records over lines of text".to_owned(),
            Self::Parts(Runtime::Cri) => "lines of containers (CRI)".to_owned(),
            Self::Parts(Runtime::Docker) => "lines of containers (Docker)".to_owned(),
            Self::Empty => "empty".to_owned(),
        }
    }

    /// Offset of the first record.
    #[must_use]
    pub fn start(&self) -> usize {
        match self {
            Self::JsonList { start, .. } | Self::Delimited { start, .. } => *start,
            _ => 0,
        }
    }
}

/// Finds the layout from the first bytes of a dump (UTF-8, byte order mark cut). `complete` says
/// that `head` is the whole dump.
#[must_use]
pub fn sniff(head: &[u8], complete: bool) -> Layout {
    let Some(first) = head.iter().position(|b| !b.is_ascii_whitespace()) else {
        return if complete {
            Layout::Empty
        } else {
            Layout::Text
        };
    };
    if let Some(runtime) = runtime_of(&head[first..]) {
        return Layout::Parts(runtime);
    }
    match head[first] {
        b'[' if looks_like_json_array(&head[first..]) => Layout::JsonList {
            start: first + 1,
            envelope: None,
        },
        b'#' if let Some(header) = first_fields(head) => Layout::Directed { header },
        b'{' => sniff_object(head, first, complete),
        _ => sniff_delimited(head, complete).unwrap_or(Layout::Text),
    }
}

/// The runtime that kept these lines. Fluent Bit keeps lines as Docker does, none of them with a line break.
fn runtime_of(head: &[u8]) -> Option<Runtime> {
    const LINES: usize = 20;
    [Runtime::Cri, Runtime::Docker].into_iter().find(|runtime| {
        runtime
            .part(head.split(|byte| *byte == b'\n').next().unwrap_or_default())
            .is_some()
            && match runtime {
                Runtime::Cri => true,
                Runtime::Docker => head
                    .split(|byte| *byte == b'\n')
                    .take(LINES)
                    .filter_map(|line| runtime.part(line))
                    .any(|(_, goes_on)| !goes_on),
            }
    })
}

/// What a line of directives of the W3C extended log format (working draft WD-logfile-960323) says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Directive {
    /// The fields of the rows behind it.
    Fields(Header),
    /// Date and time at which it was written; rows without a date are of that day.
    Date(String),
    /// Anything else.
    Other,
}

/// Reads a line of directives, `None` for a row.
#[must_use]
pub fn directive(line: &[u8]) -> Option<Directive> {
    let line = line.strip_prefix(b"#")?;
    let (text, _) = to_utf8(line);
    Some(match text.split_once(':') {
        Some(("Fields", names)) => {
            let names = names.split_whitespace().map(str::to_owned).collect();
            Directive::Fields(Header::new(names, b' '))
        }
        Some(("Date", date)) => {
            let day = date.split_whitespace().next().unwrap_or_default();
            Directive::Date(day.to_owned())
        }
        _ => Directive::Other,
    })
}

fn first_fields(head: &[u8]) -> Option<Header> {
    let lines = head.split(|byte| *byte == b'\n');
    for line in lines.take_while(|line| line.starts_with(b"#")) {
        if let Some(Directive::Fields(header)) = directive(line) {
            return Some(header);
        }
    }
    None
}

/// `[2022-07-20T…]` at the start of a text log line is no array.
fn looks_like_json_array(bytes: &[u8]) -> bool {
    bytes[1..]
        .iter()
        .find(|b| !b.is_ascii_whitespace())
        .is_none_or(|b| matches!(b, b'{' | b'[' | b'"' | b']'))
}

fn sniff_object(head: &[u8], first: usize, complete: bool) -> Layout {
    let line_end = memchr::memchr(b'\n', &head[first..]).map(|at| first + at);
    let end = value_end(head, first);
    let one_line = match (end, line_end) {
        (Some(end), Some(line_end)) => end <= line_end,
        (Some(_), None) | (None, None) => true,
        // A first line that is cut short is still a line if the next one begins a value.
        (None, Some(line_end)) => next_byte(head, line_end) == Some(b'{'),
    };
    let alone = end.is_none_or(|end| next_byte(head, end).is_none()) && (complete || end.is_none());
    if (alone || !one_line)
        && let Some((name, start)) = find_list(head, first)
    {
        return Layout::JsonList {
            start,
            envelope: Some(name.to_owned()),
        };
    }
    // Some exports write no line break between two objects.
    let followed = end.is_some_and(|end| {
        head[end..].trim_ascii_start().starts_with(b"{") && !is_last_of_line(head, end)
    });
    if one_line && !followed {
        Layout::JsonLines
    } else {
        Layout::JsonValues
    }
}

fn is_last_of_line(bytes: &[u8], at: usize) -> bool {
    let rest = bytes[at..]
        .iter()
        .find(|b| !matches!(b, b' ' | b'\t' | b'\r'));
    rest.is_none_or(|b| *b == b'\n')
}

fn next_byte(bytes: &[u8], from: usize) -> Option<u8> {
    bytes[from..]
        .iter()
        .find(|b| !b.is_ascii_whitespace())
        .copied()
}

/// The delimiter that stands equally often, and at least once, in most of the first 20 records.
fn sniff_delimited(head: &[u8], complete: bool) -> Option<Layout> {
    let rulers = rulers_end(head);
    if rulers > 0 {
        let layout = sniff_delimited(&head[rulers..], complete)?;
        return Some(match layout {
            Layout::Delimited { header, start } if header.delimiter == b'|' => Layout::Delimited {
                header,
                start: start + rulers,
            },
            _ => return None,
        });
    }
    const CANDIDATES: [u8; 4] = [b',', b';', b'\t', b'|'];
    let mut best: Option<(usize, usize, u8)> = None;
    for delimiter in CANDIDATES {
        let counts = count_delimiters(head, delimiter, complete);
        let Some(&expected) = counts.first() else {
            continue;
        };
        let same = counts.iter().filter(|count| **count == expected).count();
        // Bad rows are the reader's business; a header and a majority decide.
        if expected > 0
            && same * 2 > counts.len()
            && best.is_none_or(|b| (same, expected) > (b.0, b.1))
        {
            best = Some((same, expected, delimiter));
        }
    }
    let (_, _, delimiter) = best?;
    let end = record_end(head, delimiter)?;
    let (line, _) = to_utf8(&head[..end]);
    let row = parse_row(line.trim_end(), delimiter).ok()?;
    let names: Vec<String> = (0..row.len())
        .map(|i| row.get(i).unwrap_or_default().trim().to_owned())
        .collect();
    if names.first().is_some_and(|name| is_date(name)) {
        // Data where the header should be: the columns get numbers for names.
        let names = (1..=names.len())
            .map(|number| format!("COLUMN_{number}"))
            .collect();
        return Some(Layout::Delimited {
            header: Header::new(names, delimiter),
            start: 0,
        });
    }
    let start = (end + 1).min(head.len());
    Some(Layout::Delimited {
        header: Header::new(names, delimiter),
        start,
    })
}

/// Lines of titles that a printed list may begin with.
const TITLES: usize = 12;

/// Where the rulers end that a printed list begins with; titles without bars may stand before them.
fn rulers_end(head: &[u8]) -> usize {
    let (mut at, mut end, mut lines) = (0, 0, 0);
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        lines += 1;
        let blank = line.iter().all(u8::is_ascii_whitespace);
        if is_ruler(line) {
            end = at;
        } else if line.contains(&b'|') || lines > TITLES || end > 0 && !blank {
            break;
        }
    }
    end
}

/// `31.12.2025`, `2025-12-31`, `12/31/2025`, perhaps with a time behind it.
fn is_date(text: &str) -> bool {
    let date = text.split([' ', 'T']).next().unwrap_or_default();
    (8..=10).contains(&date.len())
        && date
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'/'))
        && date.bytes().filter(|b| !b.is_ascii_digit()).count() == 2
}

fn record_end(head: &[u8], delimiter: u8) -> Option<usize> {
    let mut quotes = QuoteState::new(delimiter);
    for (at, byte) in head.iter().enumerate() {
        if *byte == b'\n' && !quotes.in_quotes() {
            return Some(at);
        }
        quotes.take(*byte);
    }
    Some(head.len())
}

fn count_delimiters(head: &[u8], delimiter: u8, complete: bool) -> Vec<usize> {
    let mut quotes = QuoteState::new(delimiter);
    let (mut counts, mut count, mut seen) = (Vec::new(), 0, false);
    let mut line_start = 0;
    for (at, byte) in head.iter().enumerate() {
        if !quotes.in_quotes() {
            if *byte == b'\n' {
                let ruler = delimiter == b'|' && is_ruler(&head[line_start..at]);
                if seen && !ruler {
                    counts.push(count);
                }
                line_start = at + 1;
                (count, seen) = (0, false);
                if counts.len() == 20 {
                    return counts;
                }
            } else if *byte == delimiter {
                count += 1;
                seen = true;
            } else if !byte.is_ascii_whitespace() {
                seen = true;
            }
        }
        quotes.take(*byte);
    }
    if delimiter == b'\t' && complete && quotes.in_quotes() && head.contains(&b'"') {
        // A quote that is never closed is none: tab exports of list viewers quote nothing.
        let plain: Vec<u8> = head
            .iter()
            .map(|byte| if *byte == b'"' { b'\'' } else { *byte })
            .collect();
        return count_delimiters(&plain, delimiter, complete);
    }
    if complete && seen {
        counts.push(count);
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(text: &str) -> String {
        sniff(text.as_bytes(), true).describe()
    }

    #[test]
    fn layouts() {
        assert_eq!(layout("{\"a\":1}\n{\"a\":2}\n"), "JSON lines");
        assert_eq!(layout("{\"a\":1}"), "JSON lines");
        assert_eq!(layout("{\n \"a\":1\n}\n{\n \"a\":2}"), "JSON values");
        assert_eq!(layout("[{\"a\":1}]"), "JSON array");
        assert_eq!(layout("{\"value\":[{\"a\":1}]}"), "JSON list in `value`");
        assert_eq!(
            layout("{\"value\":[{\"a\":1}]}\n{\"value\":[{\"a\":1}]}"),
            "JSON lines"
        );
        assert_eq!(layout("a;b;c\n1;2;3\n"), "3 columns delimited by `;`");
        assert_eq!(layout("a\tb\n1\t2"), "2 columns delimited by tab");
        assert_eq!(
            layout("\"a\",\"b\"\n\"x,\ny\",\"2\"\n"),
            "2 columns delimited by `,`"
        );
        assert_eq!(
            layout("[2022-07-20T09:52:24.955Z] \"GET /x\" 200"),
            "lines of text"
        );
        assert_eq!(layout(" \n"), "empty");
        assert_eq!(
            layout("--------\n|A |B |\n--------\n|1 |2 |\n--------\n"),
            "4 columns delimited by `|`"
        );
        assert_eq!(layout("--------\nnothing\n"), "lines of text");
    }

    #[test]
    fn a_cut_first_line_is_still_a_line() {
        assert_eq!(layout("{\"a\":\"x\n{\"a\":2}\n"), "JSON lines");
    }
}
