//! What a worker does: map the records of one chunk and encode the result.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_buffer::Buffer;
use jiff::tz::TimeZone;
use parquet::arrow::arrow_writer::ArrowRowGroupWriterFactory;
use typed_arena::Arena;

use super::evidence::{add_patterns, evidence};
use super::mapped::{check_row, destroyed_numbers, map_inner, map_mended};
use super::wrapper::{self, Inner, Wrapper};
use crate::config::KeyPattern;
use crate::model::time::{DateOrder, TimeOrigin};
use crate::model::{ContentPart, Event, RecordHasher};
use crate::normalise::{Format, Gathered, MapError, Record};
use crate::protect::{Protector, Pseudonyms, VaultRow};
use crate::read::{Directive, Header, Span, directive, to_utf8};
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
            // Nothing is opened for a format that does not ask.
            let arena = Arena::new();
            let opened = texts.filter_map(|text| wrapper::open(&stream.wrappers, text));
            let mut opened = opened
                .flatten()
                .map(|inner: Inner<'_>| arena.alloc(inner.text.into_owned()).as_str());
            format.gather(&mut opened)
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
        let inner = match stream.wrappers.is_empty() {
            true => Vec::new(),
            false => wrapper::open(&stream.wrappers, text).unwrap_or_default(),
        };
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
