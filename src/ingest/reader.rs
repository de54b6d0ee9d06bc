//! The thread of an ingest that opens dumps, finds out what they are and cuts them into work.

use std::io::Read;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::Sender;

use super::recognise::{Recognised, recognise, settle, why_not};
use super::work::{Directives, NewRecord, Stream, Work};
use super::{IngestRequest, Progress};
use crate::model::RecordHasher;
use crate::normalise::formats::GENERIC;
use crate::normalise::{Format, Verdict, ZoneRule};
use crate::read::{Chunk, Dump, Layout, Member, ReadError, Records, Span, Visit, visit_members};
use crate::store::{
    Columns, CustodyFile, RejectRow, Seen, SeenRecords, Store, StoreError, hash_file,
};

/// Parts a chunk where a line of directives changes what the rows behind it are.
fn parted(stream: &mut Arc<Stream>, chunk: Chunk) -> Vec<(Arc<Stream>, Chunk)> {
    let mut parts: Vec<(Arc<Stream>, Vec<Span>)> = vec![(Arc::clone(stream), Vec::new())];
    for span in &chunk.spans {
        let line = &chunk.bytes[span.start..span.end];
        let next = stream.directives.as_ref().and_then(|now| now.behind(line));
        if let Some((_, spans)) = parts.last_mut() {
            spans.push(*span);
        }
        if let Some(directives) = next {
            *stream = Arc::new(Stream {
                header: Some(directives.header()),
                directives: Some(directives),
                ..(**stream).clone()
            });
            parts.push((Arc::clone(stream), Vec::new()));
        }
    }
    let mut problems = chunk.problems;
    let parts = parts.into_iter().filter(|(_, spans)| !spans.is_empty());
    let mut out: Vec<(Arc<Stream>, Chunk)> = Vec::new();
    for (stream, spans) in parts {
        let (start, end) = (spans[0].start, spans[spans.len() - 1].end);
        let shifted = spans.into_iter().map(|span| Span {
            start: span.start - start,
            end: span.end - start,
            ..span
        });
        let part = Chunk {
            bytes: chunk.bytes[start..end].to_vec(),
            offset: chunk.offset + start as u64,
            spans: shifted.collect(),
            problems: std::mem::take(&mut problems),
        };
        out.push((stream, part));
    }
    if !problems.is_empty() {
        let part = Chunk {
            problems,
            ..Chunk::default()
        };
        out.push((Arc::clone(stream), part));
    }
    out
}

/// The reading side: opens dumps, finds out what they are, cuts them into work.
pub(super) struct Reader<'r> {
    pub(super) request: &'r IngestRequest,
    pub(super) store: &'r Store,
    pub(super) seen: SeenRecords,
    pub(super) files: Vec<CustodyFile>,
    pub(super) unreadable: Vec<ReadError>,
    pub(super) jobs: Sender<(u64, Work)>,
    pub(super) sent: u64,
    pub(super) progress: &'r dyn Progress,
    /// Bytes on disk of the dumps before this one.
    pub(super) base: u64,
    pub(super) rejected: &'r AtomicU64,
    pub(super) failure: Option<StoreError>,
}

impl Reader<'_> {
    pub(super) fn dump(&mut self, dump: &Dump) {
        let path = dump.path.display().to_string();
        self.progress.dump(&path);
        if let Some(known) = self.known(dump) {
            self.base += known.size;
            self.files.push(known);
            return;
        }
        let first = self.files.len();
        let limits = self.request.limits;
        let result = visit_members(dump, limits, &mut |visit| match visit {
            Visit::Member(member) => self.member(&path, member),
            Visit::Refused { name, reason } => self.refused(&path, name, &reason, &[]),
        });
        match result {
            Ok((size, digest)) => {
                for file in &mut self.files[first..] {
                    file.size = size;
                    file.sha256 = digest.to_string();
                }
                self.base += size;
            }
            Err(error) => {
                self.files.truncate(first);
                self.unreadable.push(error);
            }
        }
    }

    /// A dump that the store has already, byte for byte, needs no second reading.
    fn known(&self, dump: &Dump) -> Option<CustodyFile> {
        let size = dump.path.metadata().ok()?.len();
        let earlier = self.store.batches().iter().flat_map(|batch| &batch.files);
        let mut same_size = earlier
            .filter(|file| file.size == size && file.problem.is_none())
            .peekable();
        same_size.peek()?;
        let (_, digest) = hash_file(&dump.path).ok()?;
        let digest = digest.to_string();
        let wanted = self.request.format.map(Format::name);
        let known = same_size.find(|file| {
            file.sha256 == digest
                && file.member.is_none()
                && wanted.is_none_or(|name| name == file.format)
        })?;
        let mut file = known.clone();
        file.path = dump.path.display().to_string();
        file.known = file.records;
        (file.events, file.rejects) = (0, 0);
        Some(file)
    }

    fn refused(&mut self, path: &str, member: Option<String>, reason: &str, head: &[u8]) {
        let file = i32::try_from(self.files.len()).unwrap_or(i32::MAX);
        self.files.push(CustodyFile {
            path: path.to_owned(),
            member,
            problem: Some(reason.to_owned()),
            ..CustodyFile::default()
        });
        self.send_rejects(vec![RejectRow {
            file,
            ordinal: 0,
            offset: 0,
            length: head.len() as i64,
            reason: reason.to_owned(),
            bytes: head[..head.len().min(64 << 10)].to_vec(),
        }]);
    }

    /// Sends rejects that belong to no chunk.
    fn send_rejects(&mut self, rejects: Vec<RejectRow>) {
        let Some(file) = rejects.first().map(|reject| reject.file) else {
            return;
        };
        self.send(Work {
            stream: Arc::new(Stream {
                file,
                format: None,
                source: String::new(),
                zone: jiff::tz::TimeZone::UTC,
                dates: None,
                keys: Vec::new(),
                header: None,
                directives: None,
                wrappers: Vec::new(),
            }),
            bytes: Vec::new(),
            offset: 0,
            records: Vec::new(),
            rejects,
        });
    }

    fn send(&mut self, work: Work) {
        if self.jobs.send((self.sent, work)).is_ok() {
            self.sent += 1;
        }
    }

    fn member(&mut self, path: &str, mut member: Member<'_>) {
        let limits = self.request.limits;
        let name = member.name.take();
        let (found, encoding) = match recognise(member.reader, limits, &self.request.formats) {
            Ok(found) => found,
            Err(error) => {
                return self.refused(path, name, &format!("cannot be read: {error}"), &[]);
            }
        };
        let fits = |format: &dyn Format| match &found.verdict {
            Verdict::Found(found, _) => found.name() == format.name(),
            Verdict::Tie(_) | Verdict::Unknown => false,
        };
        let is_wrapped = self.request.format.is_none_or(fits);
        let (format, detection) = match (self.request.format, &found.verdict) {
            (Some(format), _) => (format, "forced by --input-format".to_owned()),
            (None, Verdict::Found(format, detection)) => (
                *format,
                format!("{} % sure: {}", detection.sure, detection.why),
            ),
            (None, Verdict::Unknown) if self.request.lenient && found.layout != Layout::Empty => {
                (GENERIC, "no format recognised; read leniently".to_owned())
            }
            (None, _) => {
                let reason = why_not(&found);
                return self.refused(path, name, &reason, &found.head);
            }
        };
        let source = self
            .request
            .source
            .clone()
            .unwrap_or_else(|| format.family().to_owned());
        let (zone, zone_name, given) = self.request.zones.of(&source, format.family());
        let (zone_name, zone_origin) = match (format.zone_rule(), given) {
            (ZoneRule::Utc, _) => ("UTC".to_owned(), "documented"),
            (ZoneRule::Local, true) => (zone_name, "given"),
            (ZoneRule::Local, false) => (zone_name, "default"),
        };
        let found = Recognised {
            wrappers: match is_wrapped {
                true => found.wrappers,
                false => Vec::new(),
            },
            ..found
        };
        let found = Recognised {
            layout: settle(format, found.layout, &found.wrappers),
            ..found
        };
        let given = self.request.dates.of(&source, format.family());
        let dates = given.copied().or(found.dates);
        let index = self.files.len();
        self.files.push(CustodyFile {
            path: path.to_owned(),
            member: name,
            format: format.name().to_owned(),
            reader: format.reader().to_owned(),
            source: source.clone(),
            layout: found.described(),
            columns: match &found.layout {
                Layout::Delimited { header, .. } => Some(Columns {
                    names: header.names.clone(),
                    delimiter: char::from(header.delimiter),
                }),
                _ => None,
            },
            encoding: encoding.as_str().to_owned(),
            zone: zone_name,
            zone_origin: zone_origin.to_owned(),
            date_order: dates.map(|dates| dates.as_str().to_owned()),
            detection,
            ..CustodyFile::default()
        });
        let header = match &found.layout {
            Layout::Delimited { header, .. } | Layout::Directed { header } => Some(header.clone()),
            _ => None,
        };
        let directives = match &found.layout {
            Layout::Directed { header } => Some(Directives {
                fields: header.clone(),
                day: None,
            }),
            _ => None,
        };
        let stream = Arc::new(Stream {
            file: i32::try_from(index).unwrap_or(i32::MAX),
            format: Some(format),
            keys: self.request.keys.of(&source, format.family()),
            source,
            zone,
            dates,
            header,
            directives,
            wrappers: found.wrappers.clone(),
        });
        self.records(index, &stream, found, member);
        if let Err(error) = self.seen.end_dump() {
            self.failure.get_or_insert(error);
        }
    }

    fn records(
        &mut self,
        index: usize,
        stream: &Arc<Stream>,
        found: Recognised,
        member: Member<'_>,
    ) {
        let Recognised {
            head,
            bom,
            encoding,
            layout,
            ..
        } = found;
        let mut stream = Arc::clone(stream);
        let consumed = Rc::clone(&member.consumed);
        let rest = encoding.decode(&mut *member.reader as &mut dyn Read);
        let mut records = Records::new(rest, head, &layout, self.request.limits).after(bom);
        loop {
            match records.next_chunk() {
                Ok(Some(chunk)) if stream.directives.is_some() => {
                    for (part_stream, part) in parted(&mut stream, chunk) {
                        self.chunk(index, &part_stream, part);
                    }
                }
                Ok(Some(chunk)) => {
                    self.chunk(index, &stream, chunk);
                    self.progress.at(
                        self.base + consumed.get(),
                        self.rejected.load(Ordering::Relaxed),
                    );
                    if self.failure.is_some() {
                        return;
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    let reason =
                        format!("reading stopped early: {error}; the records before are kept");
                    self.files[index].problem = Some(reason.clone());
                    self.send_rejects(vec![RejectRow {
                        file: stream.file,
                        ordinal: i64::try_from(self.files[index].records).unwrap_or(0) + 1,
                        offset: 0,
                        length: 0,
                        reason,
                        bytes: Vec::new(),
                    }]);
                }
            }
        }
    }

    fn chunk(&mut self, index: usize, stream: &Arc<Stream>, chunk: Chunk) {
        let mut new = Vec::with_capacity(chunk.spans.len());
        let file = &mut self.files[index];
        file.records += (chunk.spans.len() + chunk.problems.len()) as u64;
        for span in chunk.spans {
            let reader = stream.format.map_or("", Format::reader);
            let hasher = RecordHasher::new(reader, &chunk.bytes[span.start..span.end]);
            match self.seen.take(hasher.record().prefix128()) {
                Ok(Seen::New(1..)) if stream.format.is_some_and(|format| format.has_own_ids()) => {
                    file.known += 1;
                }
                Ok(Seen::New(repetition)) => new.push(NewRecord {
                    span,
                    hasher,
                    repetition,
                }),
                Ok(Seen::Known) => file.known += 1,
                Err(error) => {
                    self.failure = Some(error);
                    return;
                }
            }
        }
        let rejects = chunk
            .problems
            .into_iter()
            .map(|problem| RejectRow {
                file: stream.file,
                ordinal: i64::try_from(problem.ordinal).unwrap_or(i64::MAX),
                offset: i64::try_from(problem.offset).unwrap_or(i64::MAX),
                length: i64::try_from(problem.length).unwrap_or(i64::MAX),
                reason: problem.reason,
                bytes: problem.bytes,
            })
            .collect::<Vec<_>>();
        if new.is_empty() && rejects.is_empty() {
            return;
        }
        self.send(Work {
            stream: Arc::clone(stream),
            bytes: chunk.bytes,
            offset: chunk.offset,
            records: new,
            rejects,
        });
    }
}
