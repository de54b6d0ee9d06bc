//! Delimited text: RFC 4180 with any delimiter.

use std::cell::RefCell;
use std::collections::HashMap;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

/// The header row of a delimited file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Names as written, trimmed; a byte order mark is gone.
    pub names: Vec<String>,
    /// Delimiter between fields.
    pub delimiter: u8,
    /// First column of each name, in upper case and without a trailing `_`.
    index: HashMap<String, usize>,
}

impl Header {
    /// A header of these names.
    #[must_use]
    pub fn new(names: Vec<String>, delimiter: u8) -> Self {
        let mut index = HashMap::new();
        for (at, name) in names.iter().enumerate() {
            index
                .entry(name.trim_end_matches('_').to_ascii_uppercase())
                .or_insert(at);
        }
        Self {
            names,
            delimiter,
            index,
        }
    }

    /// Position of the first column of that name, which is given in upper case; the case of the
    /// header, blanks around it and a trailing `_` do not count.
    #[must_use]
    pub fn position(&self, upper_name: &str) -> Option<usize> {
        self.index.get(upper_name).copied()
    }

    /// Whether all of these columns are there.
    #[must_use]
    pub fn has_all(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.position(name).is_some())
    }
}

/// The fields of one row, in one buffer.
#[derive(Clone, Debug, Default)]
pub struct Row {
    text: String,
    ends: Vec<usize>,
}

impl Row {
    /// Number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn trimmed(&self) -> Self {
        let mut trimmed = Self::default();
        for field in (0..self.len()).filter_map(|index| self.get(index)) {
            trimmed.text.push_str(field.trim());
            trimmed.ends.push(trimmed.text.len());
        }
        trimmed
    }

    /// A field by position.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)?;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        self.text.get(start..end)
    }
}

/// Splits one record into its fields; quotes are resolved.
///
/// # Errors
/// A quote that is opened and not closed.
pub fn parse_row(record: &str, delimiter: u8) -> Result<Row, String> {
    let input = record.as_bytes();
    // Most rows have no quotes: between delimiters stand their fields.
    let is_plain = memchr::memchr3(b'"', b'\r', b'\n', input).is_none();
    if is_plain && delimiter.is_ascii() && !record.is_empty() && !record.starts_with('\u{feff}') {
        return Ok(shown(parse_plain(record, delimiter), delimiter));
    }
    parse_quoted(record, delimiter)
}

thread_local! {
    /// The parser that this thread used last, and its delimiter. To make one takes longer than to read a row, and a copy
    /// of one does not work.
    static READER: RefCell<Option<(u8, Reader)>> = const { RefCell::new(None) };
}

fn parse_quoted(record: &str, delimiter: u8) -> Result<Row, String> {
    READER.with_borrow_mut(|kept| {
        let mut reader = match kept.take().filter(|(of, _)| *of == delimiter) {
            Some((_, reader)) => reader,
            None => ReaderBuilder::new().delimiter(delimiter).build(),
        };
        reader.reset();
        let row = parse_with(&mut reader, record, delimiter);
        *kept = Some((delimiter, reader));
        row
    })
}

fn parse_with(reader: &mut Reader, record: &str, delimiter: u8) -> Result<Row, String> {
    let input = record.as_bytes();
    let mut out = vec![0u8; input.len() + 1];
    let mut ends = vec![0usize; 16];
    let (mut read, mut written, mut fields) = (0, 0, 0);
    loop {
        let (result, r, w, f) =
            reader.read_record(&input[read..], &mut out[written..], &mut ends[fields..]);
        read += r;
        written += w;
        fields += f;
        match result {
            ReadRecordResult::OutputEndsFull => ends.resize(ends.len() * 2, 0),
            ReadRecordResult::OutputFull => out.resize(out.len() * 2 + 16, 0),
            ReadRecordResult::InputEmpty if read >= input.len() => {
                // Feeding an empty input ends the record.
                let (result, _, w, f) =
                    reader.read_record(&[], &mut out[written..], &mut ends[fields..]);
                written += w;
                fields += f;
                if matches!(result, ReadRecordResult::OutputEndsFull) {
                    ends.resize(ends.len() * 2, 0);
                    continue;
                }
                break;
            }
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::Record | ReadRecordResult::End => break,
        }
    }
    if has_open_quote(input, delimiter) {
        // Tab exports of list viewers quote nothing.
        if delimiter == b'\t' {
            return Ok(parse_plain(record, delimiter));
        }
        return Err("a quote is opened and not closed".to_owned());
    }
    out.truncate(written);
    ends.truncate(fields);
    let text =
        String::from_utf8(out).map_err(|_| "a field is cut inside a character".to_owned())?;
    Ok(shown(Row { text, ends }, delimiter))
}

/// Lists between bars are padded to the width of their columns.
fn shown(row: Row, delimiter: u8) -> Row {
    match delimiter {
        b'|' => row.trimmed(),
        _ => row,
    }
}

/// Splits a record in which quotes mean nothing.
fn parse_plain(record: &str, delimiter: u8) -> Row {
    let mut row = Row::default();
    for field in record.split(char::from(delimiter)) {
        row.text.push_str(field);
        row.ends.push(row.text.len());
    }
    row
}

/// Whether a line is a ruler of a printed list: dashes, with or without bars.
pub(super) fn is_ruler(line: &[u8]) -> bool {
    let dashes = line.iter().filter(|byte| **byte == b'-').count();
    dashes >= 3
        && line
            .iter()
            .all(|byte| matches!(byte, b'-' | b'|' | b'+') || byte.is_ascii_whitespace())
}

/// Whether a quoted field of the record is left open.
fn has_open_quote(record: &[u8], delimiter: u8) -> bool {
    let mut state = QuoteState::new(delimiter);
    record.iter().for_each(|byte| state.take(*byte));
    state.in_quotes()
}

/// Whether every closing quote stands at the end of its field.
pub(super) fn quotes_end_fields(record: &[u8], delimiter: u8) -> bool {
    let mut state = QuoteState::new(delimiter);
    for byte in record {
        let closed = state.pending && *byte != b'"';
        if closed && *byte != delimiter && !matches!(byte, b'\r' | b'\n') {
            return false;
        }
        state.take(*byte);
    }
    true
}

/// Follows quoting: a quote opens at the start of a field only, so that a stray one inside a value
/// does not swallow the rows behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct QuoteState {
    delimiter: u8,
    quoted: bool,
    field_start: bool,
    /// The last byte was a quote inside a quoted field: it closes, or the next one doubles it.
    pending: bool,
}

impl QuoteState {
    pub(super) fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            quoted: false,
            field_start: true,
            pending: false,
        }
    }

    pub(super) fn take(&mut self, byte: u8) {
        if self.quoted && !self.pending {
            self.pending = byte == b'"';
            return;
        }
        if self.pending {
            self.pending = false;
            if byte == b'"' {
                return;
            }
            self.quoted = false;
        }
        if byte == b'"' && self.field_start {
            self.quoted = true;
            self.field_start = false;
            return;
        }
        self.field_start = byte == self.delimiter || byte == b'\n';
    }

    pub(super) fn in_quotes(&self) -> bool {
        self.quoted && !self.pending
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_has_no_quotes_is_cut_as_the_parser_does(
            record in "[a-zé,;|\\t \u{feff}]{0,24}",
            delimiter in prop::sample::select(b",;|\t".to_vec()),
        ) {
            let cells = |row: Row| -> Vec<String> {
                (0..row.len()).filter_map(|at| row.get(at)).map(str::to_owned).collect()
            };
            let (one, other) = (parse_row(&record, delimiter), parse_quoted(&record, delimiter));
            prop_assert_eq!(one.map(cells), other.map(cells));
        }
    }

    fn fields(record: &str, delimiter: u8) -> Vec<String> {
        let row = parse_row(record, delimiter).unwrap();
        (0..row.len())
            .map(|i| row.get(i).unwrap().to_owned())
            .collect()
    }

    #[test]
    fn quoting() {
        assert_eq!(fields("a,\"b,\"\"c\"\"\",", b','), ["a", "b,\"c\"", ""]);
        assert_eq!(fields("\"x\ny\";2", b';'), ["x\ny", "2"]);
        assert_eq!(fields("a,,", b','), ["a", "", ""]);
        let wide = vec!["v"; 60].join(",");
        assert_eq!(fields(&wide, b',').len(), 60);
        assert!(parse_row("a,\"b", b',').is_err());
        assert_eq!(
            fields("| 100|0000004711 |", b'|'),
            ["", "100", "0000004711", ""]
        );
        assert!(is_ruler(b"----------") && is_ruler(b"|---|-----|") && !is_ruler(b"|- |a|"));
    }

    #[test]
    fn names_ignore_case_and_trailing_underscore() {
        let header = Header::new(vec!["type_".into(), "Event_Type".into()], b',');
        assert_eq!(header.position("TYPE"), Some(0));
        assert!(header.has_all(&["EVENT_TYPE", "TYPE"]));
    }
}
