//! From the text of a record to its events: what is wrapped is opened, what is nearly JSON mended, and what a
//! spreadsheet has destroyed is said.

use std::borrow::Cow;

use super::wrapper::Inner;
use crate::model::Event;
use crate::normalise::{Elements, Format, MapError, Record};
use crate::read::{Header, Row, parse_row, value_end};

/// Maps a record; one that is no valid JSON is mended first, if that can be done.
pub(super) fn map_mended<'r>(
    format: &dyn Format,
    view: &Record<'r>,
    mapped: &mut Vec<Event<'r>>,
) -> Result<(), MapError> {
    let before = mapped.len();
    let read = format.map(view, mapped);
    if let Err(MapError::Json(_)) = &read
        && let Some(parts) = second_reading(view.text)
    {
        mapped.truncate(before);
        let read = parts.into_iter().try_for_each(|part| {
            let text = view.keep(part);
            format.map(&Record { text, ..*view }, mapped)
        });
        for event in &mut mapped[before..] {
            event.notes.push(
                "the record is no valid JSON as it stands; escapes or breaks between objects were mended"
                    .into(),
            );
        }
        return read;
    }
    read
}

/// Maps the records in a record. Events that have no time of their own have that of what they stood in.
pub(super) fn map_inner<'r>(
    format: &dyn Format,
    view: &Record<'r>,
    inner: &'r [Inner<'_>],
    mapped: &mut Vec<Event<'r>>,
) -> Result<(), MapError> {
    let mut elements = Elements::default();
    for inner in inner {
        let before = mapped.len();
        elements.take(mapped, |mapped| {
            let record = Record {
                text: inner.text.trim(),
                row: None,
                ..*view
            };
            map_mended(format, &record, mapped).map_err(|error| match error {
                MapError::Json(text) => {
                    MapError::Json(format!("{text}, counted in what was unwrapped"))
                }
                other => other,
            })
        });
        for event in &mut mapped[before..] {
            event.time = event.time.or_else(|| inner.kept_at());
        }
    }
    elements.done("there is no record where those around it have one", mapped)
}

/// JSON that is nearly such: `\x22` where the writer escaped for something else (nginx without
/// `escape=json`), and several objects with nothing between them.
fn second_reading(text: &str) -> Option<Vec<String>> {
    let mended = text.contains("\\x").then(|| text.replace("\\x", "\\u00"));
    let whole = mended.as_deref().unwrap_or(text);
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(end) = value_end(whole.as_bytes(), at) {
        parts.push(whole.get(at..end)?.trim().to_owned());
        at = end;
        if whole[at..].trim().is_empty() {
            break;
        }
    }
    let is_new = mended.is_some() || parts.len() > 1;
    (is_new && at == whole.trim_end().len()).then_some(parts)
}

/// Numbers of documents that a spreadsheet has turned into `1.5E+09`: said, and no id is made of the rest.
pub(super) fn destroyed_numbers(text: &str, header: &Header, row: &Row, events: &mut [Event<'_>]) {
    if !text.contains("E+") {
        return;
    }
    let is_destroyed = |value: &str| {
        let value = value.trim();
        let Some((number, power)) = value.split_once("E+") else {
            return false;
        };
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let (whole, fraction) = number.split_once(['.', ',']).unwrap_or((number, "0"));
        whole.len() == 1 && digits(whole) && digits(fraction) && power.len() == 2 && digits(power)
    };
    let columns: Vec<&str> = header
        .names
        .iter()
        .enumerate()
        .filter(|(at, _)| row.get(*at).is_some_and(is_destroyed))
        .map(|(_, name)| name.as_str())
        .collect();
    if columns.is_empty() {
        return;
    }
    for event in events {
        event
            .keys
            .retain(|(_, value)| !is_destroyed(&value.to_ascii_uppercase()));
        event.notes.push(Cow::Owned(format!(
            "a spreadsheet has destroyed {}: which number stood there is lost",
            columns.join(", ")
        )));
    }
}

/// Cuts a row and holds it against the header.
pub(super) fn check_row(text: &str, header: &Header) -> Result<crate::read::Row, MapError> {
    let row = parse_row(text, header.delimiter).map_err(MapError::Other)?;
    if row.len() != header.names.len() {
        return Err(MapError::Fields {
            found: row.len(),
            expected: header.names.len(),
        });
    }
    let repeated = header
        .names
        .iter()
        .enumerate()
        .all(|(at, name)| row.get(at).is_some_and(|v| v.trim() == name));
    if repeated {
        return Err(MapError::other("the header row, repeated among the data"));
    }
    Ok(row)
}
