//! Finding out what a stream of records is, from its first bytes.

use std::io::{self, Read};
use std::path::PathBuf;

use super::wrapper::{Wrapper, look_inside};
use crate::model::time::{DateOrder, Dates};
use crate::normalise::formats::Formats;
use crate::normalise::{Detection, Format, Sample, Verdict, detect, technical_header};
use crate::read::{
    Encoding, Layout, Limits, ReadError, Records, Visit, discover, parse_row, sniff, to_utf8,
    value_end, visit_members,
};

/// Sizes of the head that is looked at; the next one is tried when the first record is not whole.
const HEADS: [usize; 3] = [256 << 10, 4 << 20, 64 << 20];
/// Records in a sample.
const SAMPLE: usize = 60;

/// A stream of records that was looked into.
pub(super) struct Recognised {
    /// Bytes already read (UTF-8, byte order mark cut).
    pub head: Vec<u8>,
    /// Bytes of the byte order mark.
    pub bom: usize,
    pub encoding: Encoding,
    pub layout: Layout,
    /// What its records stand in, outermost first.
    pub wrappers: Vec<Wrapper>,
    pub verdict: Verdict,
    /// Why the head could not be read to its end.
    pub error: Option<String>,
    /// Whether the day or the month comes first in dates with slashes, where the rows of a table settle it.
    pub dates: Option<DateOrder>,
    /// All formats that answered.
    pub answers: Vec<(&'static dyn Format, Detection)>,
}

impl Recognised {
    /// Name of the layout for people and custody.
    pub fn described(&self) -> String {
        let mut text = self.layout.describe();
        for wrapper in &self.wrappers {
            text.push_str(", records ");
            text.push_str(&wrapper.describe());
        }
        text
    }
}

/// Reads the head of a stream and asks the formats.
pub(super) fn recognise(
    reader: &mut dyn Read,
    limits: Limits,
    formats: &Formats,
) -> io::Result<(Recognised, Encoding)> {
    let mut first = [0; 4];
    let mut filled = 0;
    while filled < first.len() {
        match reader.read(&mut first[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    let encoding = Encoding::sniff(&first[..filled]);
    let bom = match encoding {
        Encoding::Utf8 { bom } => bom,
        Encoding::Utf16Le | Encoding::Utf16Be => 0,
    };
    let skipped = &first[bom.min(filled)..filled];
    let mut head = Vec::new();
    let mut source = io::Cursor::new(skipped.to_vec()).chain(reader);
    let mut found = None;
    let mut dates = Dates::None;
    let mut failure = None;
    for size in HEADS {
        let want = size.saturating_sub(head.len()) as u64;
        // Read errors within the head come again when records are read: what is there is looked at.
        let complete = match encoding
            .decode(&mut source)
            .take(want)
            .read_to_end(&mut head)
        {
            Ok(read) => (read as u64) < want,
            Err(error) if !head.is_empty() => {
                failure = Some(error.to_string());
                true
            }
            Err(error) => return Err(error),
        };
        let mut layout = sniff(&head, complete);
        if let Layout::Delimited { header, .. } = &mut layout
            && let Some(technical) = technical_header(header)
        {
            *header = technical;
        }
        let texts = sample(&head, complete, &layout, limits);
        let plain = Sample::new(&layout, texts);
        let mut asked = detect(formats, &plain);
        let texts = plain.texts;
        let mut wrappers = Vec::new();
        // Commas in every line of a log do not make a table of it.
        if matches!(asked.0, Verdict::Unknown) && matches!(layout, Layout::Delimited { .. }) {
            let texts = sample(&head, complete, &Layout::Text, limits);
            let as_text = detect(formats, &Sample::new(&Layout::Text, texts));
            if !matches!(as_text.0, Verdict::Unknown) {
                (layout, asked) = (Layout::Text, as_text);
            }
        }
        let may_wrap = match &asked.0 {
            Verdict::Unknown => true,
            Verdict::Found(format, _) => format.wraps(),
            Verdict::Tie(_) => false,
        };
        if may_wrap && let Some(inside) = look_inside(formats, &layout, &texts) {
            (wrappers, asked) = inside;
        }
        if matches!(asked.0, Verdict::Unknown) && matches!(layout, Layout::Delimited { .. }) {
            let texts = sample(&head, complete, &Layout::Text, limits);
            if let Some(inside) = look_inside(formats, &Layout::Text, &texts) {
                layout = Layout::Text;
                (wrappers, asked) = inside;
            }
        }
        dates = dates_of(&head, &layout, limits);
        let mut known = !matches!(asked.0, Verdict::Unknown) && dates != Dates::Unclear;
        if let Verdict::Found(format, _) = &asked.0
            && format.is_whole()
            && wrappers.is_empty()
            && matches!(
                layout,
                Layout::JsonList {
                    envelope: Some(_),
                    ..
                }
            )
        {
            // An object that is cut, or longer than any head, is read element by element: the rest would be lost with it.
            known = false;
            if complete && is_closed(&head) {
                layout = Layout::JsonValues;
            }
        }
        let settled = complete || known;
        found = Some((layout, wrappers, asked));
        if settled {
            break;
        }
    }
    let (layout, wrappers, (verdict, answers)) = found.unwrap_or_else(|| {
        let layout = Layout::Empty;
        let asked = detect(formats, &Sample::new(&layout, Vec::new()));
        (Layout::Empty, Vec::new(), asked)
    });
    Ok((
        Recognised {
            head,
            bom,
            encoding,
            layout,
            wrappers,
            verdict,
            error: failure,
            dates: match dates {
                Dates::In(order) => Some(order),
                _ => None,
            },
            answers,
        },
        encoding,
    ))
}

/// Whether the object that these bytes begin with has an end.
fn is_closed(bytes: &[u8]) -> bool {
    let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace());
    start.is_some_and(|start| value_end(bytes, start).is_some())
}

/// What the rows of a table say of the order of its dates.
fn dates_of(head: &[u8], layout: &Layout, limits: Limits) -> Dates {
    let Layout::Delimited { header, .. } = layout else {
        return Dates::None;
    };
    let limits = Limits {
        chunk: head.len().max(1),
        ..limits
    };
    let mut records = Records::new(io::empty(), head.to_vec(), layout, limits);
    let mut dates: Vec<String> = Vec::new();
    while let Ok(Some(chunk)) = records.next_chunk() {
        for span in &chunk.spans {
            let bytes = &chunk.bytes[span.start..span.end];
            if !bytes.contains(&b'/') {
                continue;
            }
            let (text, _) = to_utf8(bytes);
            let Ok(row) = parse_row(&text, header.delimiter) else {
                continue;
            };
            let fields = (0..row.len()).filter_map(|at| row.get(at));
            // One that says something is enough of each kind.
            for field in fields.filter(|field| (6..=24).contains(&field.trim().len())) {
                let alone = DateOrder::of(std::iter::once(field));
                let known = dates
                    .iter()
                    .any(|kept| DateOrder::of(std::iter::once(kept.as_str())) == alone);
                if alone != Dates::None && !known {
                    dates.push(field.to_owned());
                }
            }
        }
    }
    DateOrder::of(dates.iter().map(String::as_str))
}

pub(super) fn sample(head: &[u8], complete: bool, layout: &Layout, limits: Limits) -> Vec<String> {
    let limits = Limits {
        chunk: head.len().max(1),
        ..limits
    };
    let mut records = Records::new(io::empty(), head.to_vec(), layout, limits);
    let mut texts = Vec::new();
    while let Ok(Some(chunk)) = records.next_chunk() {
        for span in &chunk.spans {
            texts.push(to_utf8(&chunk.bytes[span.start..span.end]).0.into_owned());
        }
        if texts.len() > SAMPLE {
            break;
        }
    }
    // The last record may be cut by the end of the head.
    if !complete && texts.len() > 1 {
        texts.pop();
    }
    texts.truncate(SAMPLE);
    texts
}

/// The layout in which a format reads what was found; what is wrapped stays as it is.
pub(super) fn settle(format: &dyn Format, found: Layout, wrappers: &[Wrapper]) -> Layout {
    match found {
        found if !wrappers.is_empty() => found,
        Layout::Text | Layout::Delimited { .. } | Layout::Directed { .. } | Layout::Parts(_)
            if format.is_text() =>
        {
            match format.record_start() {
                Some(start) => Layout::Blocks {
                    start: start.to_owned(),
                    goes_on: format.record_goes_on().map(str::to_owned),
                },
                None => Layout::Text,
            }
        }
        Layout::Parts(_) => Layout::JsonLines,
        found => found,
    }
}

/// Why a stream was taken for what it was.
#[derive(Debug)]
pub struct Explanation {
    /// Path, and path inside an archive.
    pub path: String,
    /// Container and encoding.
    pub layout: String,
    /// The format taken, `None` with the reason in `why`.
    pub format: Option<&'static str>,
    /// In words.
    pub why: String,
    /// Everything that answered: format, percent, reason.
    pub answers: Vec<(&'static str, u8, String)>,
}

/// Looks into dumps without ingesting them.
#[must_use]
pub fn explain(
    paths: &[PathBuf],
    limits: Limits,
    formats: &Formats,
) -> (Vec<Explanation>, Vec<ReadError>) {
    let (dumps, mut errors) = discover(paths);
    let mut out = Vec::new();
    for dump in dumps {
        let path = dump.path.display().to_string();
        let result = visit_members(&dump, limits, &mut |visit| match visit {
            Visit::Member(member) => {
                let path = member
                    .name
                    .map_or_else(|| path.clone(), |name| format!("{path}!{name}"));
                out.push(match recognise(member.reader, limits, formats) {
                    Ok((found, _)) => explanation(path, &found),
                    Err(error) => refused(path, error.to_string()),
                });
            }
            Visit::Refused { name, reason } => {
                let path = name.map_or_else(|| path.clone(), |name| format!("{path}!{name}"));
                out.push(refused(path, reason));
            }
        });
        errors.extend(result.err());
    }
    (out, errors)
}

fn refused(path: String, why: String) -> Explanation {
    Explanation {
        path,
        layout: String::new(),
        format: None,
        why,
        answers: Vec::new(),
    }
}

fn explanation(path: String, found: &Recognised) -> Explanation {
    let (format, why) = match &found.verdict {
        Verdict::Found(format, detection) => (
            Some(format.name()),
            format!("{} % sure: {}", detection.sure, detection.why),
        ),
        Verdict::Tie(_) | Verdict::Unknown => (None, why_not(found)),
    };
    Explanation {
        path,
        layout: format!("{}, {}", found.described(), found.encoding.as_str()),
        format,
        why,
        answers: found
            .answers
            .iter()
            .map(|(format, detection)| (format.name(), detection.sure, detection.why.clone()))
            .collect(),
    }
}

/// Why no format was taken.
pub(super) fn why_not(found: &Recognised) -> String {
    if let (Some(error), Verdict::Unknown) = (&found.error, &found.verdict) {
        return format!("cannot be read: {error}");
    }
    match &found.verdict {
        _ if found.layout == Layout::Empty => "the file is empty".to_owned(),
        Verdict::Tie(two) => {
            let names: Vec<&str> = two.iter().map(|(format, _)| format.name()).collect();
            format!(
                "two formats fit equally well: {}; choose one with --input-format",
                names.join(" and ")
            )
        }
        Verdict::Unknown => {
            format!(
                "no format recognised ({}); `trail sources` lists the known ones",
                found.layout.describe()
            )
        }
        Verdict::Found(..) => String::new(),
    }
}
