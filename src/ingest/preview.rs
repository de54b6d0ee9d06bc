//! What a format makes of a file, record by record, without a store.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use typed_arena::Arena;

use super::recognise::{recognise, settle};
use super::work::Directives;
use super::wrapper;
use crate::model::Event;
use crate::normalise::formats::Formats;
use crate::normalise::{Format, Record, Sample};
use crate::read::{
    Header, Layout, Limits, ReadError, Records, Visit, discover, parse_row, to_utf8, visit_members,
};

/// One record of a preview.
pub struct Preview<'p, 'r> {
    /// Place in the file, from 1.
    pub ordinal: u64,
    /// Its text.
    pub text: &'p str,
    /// Its events, or why there are none.
    pub events: Result<&'p [Event<'r>], String>,
}

/// Reads a file in a format and shows what comes of each record, up to `most` of them.
///
/// # Errors
/// The file cannot be read.
pub fn preview(
    path: PathBuf,
    format: &'static dyn Format,
    zone: &TimeZone,
    limits: Limits,
    most: usize,
    visit: &mut dyn FnMut(Preview<'_, '_>),
) -> Result<(), ReadError> {
    let (dumps, errors) = discover(&[path]);
    if let Some(error) = errors.into_iter().next() {
        return Err(error);
    }
    let formats = Formats::default();
    let mut shown = 0;
    for dump in dumps {
        visit_members(&dump, limits, &mut |visited| {
            let Visit::Member(member) = visited else {
                return;
            };
            let Ok((found, encoding)) = recognise(member.reader, limits, &formats) else {
                return;
            };
            let layout = settle(format, found.layout, &found.wrappers);
            let mut header = match &layout {
                Layout::Delimited { header, .. } | Layout::Directed { header } => {
                    Some(header.clone())
                }
                _ => None,
            };
            let mut directives = match &layout {
                Layout::Directed { header } => Some(Directives {
                    fields: header.clone(),
                    day: None,
                }),
                _ => None,
            };
            let rest = encoding.decode(member.reader);
            let mut records = Records::new(rest, found.head, &layout, limits);
            while let Ok(Some(chunk)) = records.next_chunk() {
                for span in &chunk.spans {
                    if shown == most {
                        return;
                    }
                    shown += 1;
                    let bytes = &chunk.bytes[span.start..span.end];
                    if let Some(now) = &directives
                        && bytes.starts_with(b"#")
                    {
                        if let Some(next) = now.behind(bytes) {
                            (header, directives) = (Some(next.header()), Some(next));
                        }
                        continue;
                    }
                    let (text, _) = to_utf8(bytes);
                    let text = match &directives {
                        Some(now) => now.row(&text).into_owned(),
                        None => text.into_owned(),
                    };
                    for inner in wrapper::open(&found.wrappers, &text).into_iter().flatten() {
                        one(span.ordinal, inner.text.trim(), None, format, zone, visit);
                    }
                    if found.wrappers.is_empty() {
                        one(span.ordinal, &text, header.as_ref(), format, zone, visit);
                    }
                }
            }
        })?;
    }
    Ok(())
}

fn one(
    ordinal: u64,
    text: &str,
    header: Option<&Header>,
    format: &'static dyn Format,
    zone: &TimeZone,
    visit: &mut dyn FnMut(Preview<'_, '_>),
) {
    let arena = Arena::new();
    let row = header.map(|header| parse_row(text, header.delimiter).map(|row| (header, row)));
    let mut events = Vec::new();
    let result = match &row {
        Some(Err(reason)) => Err(reason.clone()),
        row => {
            let record = Record {
                text,
                row: match row {
                    Some(Ok((header, row))) => Some((header, row)),
                    _ => None,
                },
                zone,
                dates: None,
                gathered: None,
                arena: &arena,
            };
            format
                .map(&record, &mut events)
                .map_err(|error| error.to_string())
        }
    };
    visit(Preview {
        ordinal,
        text,
        events: result.map(|()| events.as_slice()),
    });
}

/// The first records of a file as they would be shown to the formats.
///
/// # Errors
/// The file cannot be read.
pub fn head_of(
    path: PathBuf,
    limits: Limits,
    look: &mut dyn FnMut(&Sample<'_>),
) -> Result<(), ReadError> {
    let (dumps, errors) = discover(&[path]);
    if let Some(error) = errors.into_iter().next() {
        return Err(error);
    }
    for dump in dumps.into_iter().take(1) {
        let mut first = true;
        visit_members(&dump, limits, &mut |visited| {
            let Visit::Member(member) = visited else {
                return;
            };
            if !std::mem::take(&mut first) {
                return;
            }
            if let Ok((found, _)) = recognise(member.reader, limits, &Formats::default()) {
                let texts = super::recognise::sample(&found.head, true, &found.layout, limits);
                look(&Sample::new(&found.layout, texts));
            }
        })?;
    }
    Ok(())
}
