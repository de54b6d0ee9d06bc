//! What a worker does: map the records of one chunk and encode the result.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_buffer::Buffer;
use jiff::tz::TimeZone;
use parquet::arrow::arrow_writer::ArrowRowGroupWriterFactory;
use typed_arena::Arena;

use super::wrapper::{self, Inner, Wrapper};
use crate::config::KeyPattern;
use crate::model::time::{DateOrder, TimeOrigin};
use crate::model::{ContentPart, Event, KeyKind, Kind, RecordHasher, body_size};
use crate::normalise::names::{add_changed, add_learned};
use crate::normalise::{Elements, Format, Gathered, MapError, Record};
use crate::protect::{Protector, Pseudonyms, VaultRow};
use crate::read::{Directive, Header, Row, Span, directive, parse_row, to_utf8, value_end};
use crate::seal::{self, ContentDigest, SaltKey};
use crate::store::{
    ChunkTables, ContentsBuilder, EventsBuilder, KeyRows, Origin, RejectRow, Sizes, StoreError,
};

/// What is the same for all chunks of one stream.
#[derive(Clone)]
pub(super) struct Stream {
    pub file: i32,
    /// None for a stream that has no records, only rejects.
    pub format: Option<&'static dyn Format>,
    pub source: String,
    pub zone: TimeZone,
    pub dates: Option<DateOrder>,
    /// How ids are written in its texts.
    pub keys: Vec<KeyPattern>,
    pub header: Option<Header>,
    /// Of the W3C extended log format, in which lines of directives are among the records.
    pub directives: Option<Directives>,
    /// What its records stand in, outermost first.
    pub wrappers: Vec<Wrapper>,
}

/// What the lines of directives said last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directives {
    /// The fields of the rows.
    pub fields: Header,
    /// The day it was written.
    pub day: Option<String>,
}

impl Directives {
    /// What holds behind a line, if it changes anything.
    pub(super) fn behind(&self, line: &[u8]) -> Option<Self> {
        let mut next = self.clone();
        match directive(line)? {
            Directive::Fields(fields) => next.fields = fields,
            Directive::Date(day) => next.day = Some(day),
            Directive::Other => {}
        }
        (next != *self).then_some(next)
    }

    /// The header of the rows: the day is their last column, where they have none of their own.
    pub(super) fn header(&self) -> Header {
        match &self.day {
            Some(_) if self.fields.position("DATE").is_none() => {
                let mut names = self.fields.names.clone();
                names.push("date".to_owned());
                Header::new(names, self.fields.delimiter)
            }
            _ => self.fields.clone(),
        }
    }

    /// A row with all columns of the header.
    pub(super) fn row<'r>(&self, text: &'r str) -> Cow<'r, str> {
        match &self.day {
            Some(day) if self.fields.position("DATE").is_none() => {
                Cow::Owned(format!("{text} {day}"))
            }
            _ => Cow::Borrowed(text),
        }
    }
}

impl Stream {
    fn whole_row<'r>(&self, text: &'r str) -> Cow<'r, str> {
        match &self.directives {
            Some(directives) => directives.row(text),
            None => Cow::Borrowed(text),
        }
    }
}

/// A record that is new to the store.
pub(super) struct NewRecord {
    pub span: Span,
    pub hasher: RecordHasher,
    pub repetition: u32,
}

/// A chunk with its new records.
pub(super) struct Work {
    pub stream: Arc<Stream>,
    pub bytes: Vec<u8>,
    pub offset: u64,
    pub records: Vec<NewRecord>,
    /// What the reader could not read.
    pub rejects: Vec<RejectRow>,
}

/// What became of a chunk.
pub(super) struct Worked {
    pub file: i32,
    pub tables: ChunkTables,
    pub first_us: Option<i64>,
    pub last_us: Option<i64>,
    /// Whether a time had no zone, so that one was taken for it.
    pub zoneless: bool,
    /// Hashes of the leaves of its records.
    pub leaves: Vec<[u8; 32]>,
    /// Hashes of the leaves of what could not be read.
    pub reject_leaves: Vec<[u8; 32]>,
    /// Commitments to its records, of a protected store.
    pub digests: Vec<ContentDigest>,
    /// What pseudonyms stand for.
    pub vault: Vec<VaultRow>,
}

/// Maps and encodes. `sizes` are those of the chunk before.
pub(super) fn work(
    work: Work,
    factory: &ArrowRowGroupWriterFactory,
    salt: &SaltKey,
    names: Option<&Pseudonyms>,
    sizes: &mut Sizes,
) -> Result<Worked, StoreError> {
    let stream = &*work.stream;
    let chunk_bytes = Buffer::from_vec(work.bytes);
    let mut chunk = Mapped {
        events: EventsBuilder::like(sizes),
        keys: KeyRows::default(),
        contents: ContentsBuilder::new(chunk_bytes.clone(), work.records.len() * 4),
        rejects: work.rejects,
        times: None,
        zoneless: false,
        digests: Vec::with_capacity(work.records.len()),
        salt,
        protector: names.map(Protector::new),
        gathered: Gathered::default(),
    };
    // Nearly every dump is UTF-8: that is asked once of the chunk, not of each record.
    let whole = std::str::from_utf8(&chunk_bytes).ok();
    let text_of = |span: &Span| match whole {
        Some(whole) => whole.get(span.start..span.end),
        None => std::str::from_utf8(&chunk_bytes[span.start..span.end]).ok(),
    };
    if let Some(format) = stream.format {
        let mut texts = work.records.iter().filter_map(|new| text_of(&new.span));
        chunk.gathered = if stream.wrappers.is_empty() {
            format.gather(&mut texts)
        } else {
            let opened = texts.filter_map(|text| wrapper::open(&stream.wrappers, text));
            let opened: Vec<Inner<'_>> = opened.flatten().collect();
            format.gather(&mut opened.iter().map(|inner| &*inner.text))
        };
    }
    let with_format = stream.format.iter().flat_map(|format| {
        let format = *format;
        work.records.iter().map(move |record| (format, record))
    });
    for (format, record) in with_format {
        let arena = Arena::new();
        let bytes = &chunk_bytes[record.span.start..record.span.end];
        let ordinal = i64::try_from(record.span.ordinal).unwrap_or(i64::MAX);
        let offset = i64::try_from(work.offset).unwrap_or(i64::MAX) + record.span.start as i64;
        let origin = Origin {
            file: stream.file,
            ordinal,
            offset,
            length: bytes.len() as i64,
            source: &stream.source,
            format: format.name(),
        };
        let (text, windows_1252) = match text_of(&record.span) {
            Some(text) => (Cow::Borrowed(text), false),
            None => to_utf8(bytes),
        };
        let read = Read {
            bytes,
            text: &text,
            windows_1252,
        };
        chunk.take(format, record, &read, stream, &origin, &arena)?;
    }
    let (first_us, last_us) = chunk
        .times
        .map_or((None, None), |(first, last)| (Some(first), Some(last)));
    let events = chunk.events.finish(sizes)?;
    let leaves = seal::chunk_leaves(&chunk.digests, &events)?;
    let reject_leaves = chunk
        .rejects
        .iter()
        .map(|row| seal::reject_leaf(salt, row).0)
        .collect();
    let contents = chunk.contents.finish();
    let is_protected = names.is_some();
    let tables = ChunkTables {
        events,
        keys: chunk.keys,
        contents: if is_protected {
            contents
        } else {
            contents.encode(factory, 0)?
        },
        rejects: chunk.rejects,
    };
    Ok(Worked {
        file: stream.file,
        tables,
        first_us,
        last_us,
        zoneless: chunk.zoneless,
        leaves,
        reject_leaves,
        digests: if is_protected {
            chunk.digests
        } else {
            Vec::new()
        },
        vault: chunk
            .protector
            .map(Protector::into_vault)
            .unwrap_or_default(),
    })
}

/// A record as it was read.
#[derive(Clone, Copy)]
struct Read<'r> {
    bytes: &'r [u8],
    text: &'r str,
    windows_1252: bool,
}

struct Mapped<'s> {
    salt: &'s SaltKey,
    /// Commitments to the records.
    digests: Vec<ContentDigest>,
    events: EventsBuilder,
    keys: KeyRows,
    contents: ContentsBuilder,
    rejects: Vec<RejectRow>,
    times: Option<(i64, i64)>,
    zoneless: bool,
    /// What its records say together.
    gathered: Gathered,
    /// Of a protected store.
    protector: Option<Protector<'s>>,
}

impl Mapped<'_> {
    fn take(
        &mut self,
        format: &'static dyn Format,
        record: &NewRecord,
        read: &Read<'_>,
        stream: &Stream,
        origin: &Origin<'_>,
        arena: &Arena<String>,
    ) -> Result<(), StoreError> {
        let Read {
            bytes,
            text,
            windows_1252,
        } = *read;
        // An event is large, and most records have a few.
        let mut mapped: Vec<Event<'_>> = Vec::with_capacity(6);
        let is_directive = stream.directives.is_some() && text.starts_with('#');
        let row = match &stream.header {
            // It says what the rows behind it are, and is kept with them.
            Some(_) if is_directive => None,
            Some(header) => match check_row(&stream.whole_row(text), header) {
                Ok(row) => Some((header, row)),
                Err(error) => {
                    self.reject(bytes, origin, error.to_string());
                    return Ok(());
                }
            },
            None => None,
        };
        let view = Record {
            text,
            row: row.as_ref().map(|(header, row)| (*header, row)),
            zone: &stream.zone,
            dates: stream.dates,
            gathered: Some(&self.gathered),
            arena,
        };
        let inner = match stream.wrappers.is_empty() {
            true => Vec::new(),
            false => wrapper::open(&stream.wrappers, text).unwrap_or_default(),
        };
        let read = match is_directive {
            true => Ok(()),
            false if stream.wrappers.is_empty() => map_mended(format, &view, &mut mapped),
            false => map_inner(format, &view, &inner, &mut mapped),
        };
        let left_out = match read {
            Ok(()) => None,
            Err(error @ MapError::Elements { .. }) => Some(error.to_string()),
            Err(error) => {
                self.reject(bytes, origin, error.to_string());
                return Ok(());
            }
        };
        if let Some((header, row)) = view.row
            && stream.wrappers.is_empty()
        {
            destroyed_numbers(text, header, row, &mut mapped);
        }
        for event in &mut mapped {
            if windows_1252 {
                event
                    .notes
                    .push("the record is no UTF-8; read as Windows-1252".into());
            }
            evidence(event);
            add_patterns(event, &stream.keys);
        }
        let stored = match &mut self.protector {
            Some(protector) => Cow::Owned(protector.record(
                bytes,
                row.as_ref().map(|(header, row)| (*header, row)),
                &mut mapped,
            )),
            None => Cow::Borrowed(bytes),
        };
        self.contents
            .push(origin.file, origin.ordinal, 0, ContentPart::Raw, &stored)?;
        self.digests.push(ContentDigest::of(
            self.salt,
            origin.file,
            origin.ordinal,
            &record.hasher.record(),
        ));
        for (part, event) in (0i32..).zip(mapped) {
            let id = record
                .hasher
                .event_id(part.unsigned_abs(), record.repetition);
            self.keys.push(&event);
            if let Some(time) = event.time {
                let (first, last) = self.times.get_or_insert((time.us, time.us));
                *first = time.us.min(*first);
                *last = time.us.max(*last);
                self.zoneless |= matches!(
                    time.origin,
                    TimeOrigin::AssumedZone | TimeOrigin::Ambiguous | TimeOrigin::Gap
                );
            }
            for (content, value) in &event.contents {
                if !value.is_empty() {
                    self.contents.push(
                        origin.file,
                        origin.ordinal,
                        part,
                        *content,
                        value.as_bytes(),
                    )?;
                }
            }
            self.events.push(id, part, &event, origin)?;
        }
        if let Some(reason) = left_out {
            self.reject(bytes, origin, reason);
        }
        Ok(())
    }

    fn reject(&mut self, bytes: &[u8], origin: &Origin<'_>, reason: String) {
        self.rejects.push(RejectRow {
            file: origin.file,
            ordinal: origin.ordinal,
            offset: origin.offset,
            length: origin.length,
            reason,
            bytes: bytes[..bytes.len().min(64 << 10)].to_vec(),
        });
    }
}

/// Maps a record; one that is no valid JSON is mended first, if that can be done.
fn map_mended<'r>(
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
fn map_inner<'r>(
    format: &dyn Format,
    view: &Record<'r>,
    inner: &[Inner<'_>],
    mapped: &mut Vec<Event<'r>>,
) -> Result<(), MapError> {
    let mut elements = Elements::default();
    for inner in inner {
        let before = mapped.len();
        elements.take(mapped, |mapped| {
            let record = Record {
                text: view.keep(inner.text.trim().to_owned()),
                row: None,
                ..*view
            };
            map_mended(format, &record, mapped)
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
fn destroyed_numbers(text: &str, header: &Header, row: &Row, events: &mut [Event<'_>]) {
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

/// Values by which a step can be told to be the cause or effect of another.
fn evidence(event: &mut Event<'_>) {
    add_changed(event);
    add_sizes(event);
    let said: Vec<String> = event
        .attributes
        .iter()
        .filter(|(name, _)| name.contains("comment") || name.contains("reason"))
        .map(|(_, text)| text.to_string())
        .collect();
    said.iter().for_each(|text| add_learned(event, text));
    if event.kind == Kind::ToolCall
        && let Some(tool) = event.tool.clone().filter(|tool| tool.len() >= 8)
    {
        event.key(KeyKind::Value, tool);
    }
    if matches!(event.kind, Kind::ToolResult | Kind::ToolCall) {
        let results: Vec<String> = event
            .contents
            .iter()
            .filter(|(part, _)| *part == ContentPart::Result)
            .map(|(_, text)| text.to_string())
            .collect();
        for text in results {
            add_learned(event, &text);
        }
    }
}

/// Ids that are written as the user's patterns say, wherever a text of the event has them.
fn add_patterns(event: &mut Event<'_>, patterns: &[KeyPattern]) {
    const MOST: usize = 32;
    if patterns.is_empty() {
        return;
    }
    let fields = [&event.action, &event.object.id, &event.error];
    let fields = fields.into_iter().flatten();
    let attributes = event.attributes.iter().map(|(_, value)| value);
    let changes = event.changes.iter();
    let changes = changes.flat_map(|change| [&change.before, &change.after].into_iter().flatten());
    let contents = event.contents.iter().map(|(_, text)| text);
    let texts = fields.chain(attributes).chain(changes).chain(contents);
    let mut found: Vec<(KeyKind, String)> = Vec::new();
    for text in texts {
        for KeyPattern { kind, pattern } in patterns {
            let hits = pattern.captures_iter(text).take(MOST);
            let ids = hits.filter_map(|hit| hit.get(1).or_else(|| hit.get(0)));
            found.extend(ids.map(|id| (*kind, id.as_str().to_owned())));
        }
    }
    found.sort_unstable();
    found.dedup();
    for (kind, id) in found {
        event.key(kind, id);
    }
}

/// Bytes of a body below which many are as long.
const LEAST_BODY: u64 = 16;

/// The bytes of an answer: what a gateway sent is, but for its own wrapping, what the model was given. And those of what a
/// request writes: systems that it passes count the same.
fn add_sizes(event: &mut Event<'_>) {
    let attribute = |wanted: &str| {
        let mut attributes = event.attributes.iter();
        let found = attributes.find(|(name, _)| name == wanted);
        found.map(|(_, size)| size.to_string())
    };
    let sent = attribute("http.response.size");
    // Reads write nothing, and are most of all.
    let is_write = event.kind == Kind::Write;
    let written = is_write.then(|| attribute("http.request.size")).flatten();
    let written = written.filter(|size| {
        let bytes = size.parse::<u64>();
        bytes.is_ok_and(|bytes| bytes >= LEAST_BODY)
    });
    let given = event
        .contents
        .iter()
        .find(|(part, _)| *part == ContentPart::Result && event.kind == Kind::ToolResult)
        .map(|(_, text)| text.len().to_string());
    event.key_opt(KeyKind::Size, sent.or(given));
    event.key_opt(KeyKind::Value, written.map(|bytes| body_size(&bytes)));
}

/// Cuts a row and holds it against the header.
fn check_row(text: &str, header: &Header) -> Result<crate::read::Row, MapError> {
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
