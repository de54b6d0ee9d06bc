//! The threads of an ingest and what passes between them.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded, never, select, unbounded};

use super::recognise::{Recognised, recognise, settle, why_not};
use super::work::{Directives, NewRecord, Stream, Work, Worked, work};
use super::{IngestError, IngestRequest, Progress};
use crate::model::RecordHasher;
use crate::model::time::format_utc;
use crate::normalise::formats::GENERIC;
use crate::normalise::{Format, Verdict, ZoneRule};
use crate::read::{Chunk, Dump, Layout, Member, ReadError, Records, Span, Visit, visit_members};
use crate::store::{
    BatchWriter, Columns, CustodyFile, PART_ROWS, Part, RejectRow, Seen, SeenRecords, Sizes, Store,
    StoreError, hash_file,
};

/// What a run gave, before it is committed.
pub(super) struct Outcome {
    pub files: Vec<CustodyFile>,
    pub unreadable: Vec<ReadError>,
    /// Its records.
    pub seen: SeenRecords,
}

/// A part is written when its keys take that much memory, however few its events are.
const PART_KEY_BYTES: usize = 64 << 20;

enum Message {
    Worked(u64, Result<Worked, StoreError>),
    /// The reader is done; that many chunks were sent.
    End(u64),
}

/// What the collecting thread knows of a file.
#[derive(Clone, Copy, Default)]
struct Collected {
    events: u64,
    rejects: u64,
    first_us: Option<i64>,
    last_us: Option<i64>,
}

/// Reads all dumps into the batch.
pub(super) fn run(
    request: &IngestRequest,
    store: &Store,
    writer: &mut BatchWriter,
    dumps: &[Dump],
    progress: &dyn Progress,
) -> Result<Outcome, IngestError> {
    let factory = writer.contents_factory();
    let folder = writer.folder().to_owned();
    let aside = folder.clone();
    let rejected = AtomicU64::new(0);
    let workers = request.workers.max(1);
    std::thread::scope(|scope| {
        let (jobs, job_queue) = bounded::<(u64, Work)>(workers);
        let (flushes, flush_queue) = unbounded::<(u32, Part)>();
        let (results, result_queue) = bounded::<Message>(workers * 2);
        let mut handles = Vec::new();
        let salt = writer.salt();
        let names = store.access().names().filter(|_| writer.is_protected());
        for _ in 0..workers {
            let (job_queue, flush_queue, results) =
                (job_queue.clone(), flush_queue.clone(), results.clone());
            let (factory, folder) = (Arc::clone(&factory), folder.clone());
            handles.push(scope.spawn(move || {
                let mut sizes = Sizes::default();
                worker(job_queue, flush_queue, &results, &folder, |job| {
                    work(job, &factory, &salt, names, &mut sizes)
                })
            }));
        }
        drop((job_queue, flush_queue));
        let rejected_ref = &rejected;
        let collector = scope.spawn(move || collect(&result_queue, flushes, writer, rejected_ref));
        let mut reader = Reader {
            request,
            store,
            seen: SeenRecords::new(store.seen()?, &aside),
            files: Vec::new(),
            unreadable: Vec::new(),
            jobs,
            sent: 0,
            progress,
            base: 0,
            rejected: &rejected,
            failure: None,
        };
        for dump in dumps {
            reader.dump(dump);
            if reader.failure.is_some() {
                break;
            }
        }
        let _ = results.send(Message::End(reader.sent));
        let Reader {
            jobs,
            files,
            unreadable,
            seen,
            failure,
            ..
        } = reader;
        drop((jobs, results));
        let mut first_error = failure;
        let collected = match join(collector)? {
            Ok(collected) => collected,
            Err(error) => {
                first_error.get_or_insert(error);
                Vec::new()
            }
        };
        for handle in handles {
            if let Err(error) = join(handle)? {
                first_error.get_or_insert(error);
            }
        }
        if let Some(error) = first_error {
            return Err(error.into());
        }
        Ok(Outcome {
            files: merge(files, &collected),
            unreadable,
            seen,
        })
    })
}

fn join<T>(handle: std::thread::ScopedJoinHandle<'_, T>) -> Result<T, IngestError> {
    handle.join().map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        IngestError::Worker(text.unwrap_or_else(|| "no reason given".to_owned()))
    })
}

fn merge(mut files: Vec<CustodyFile>, collected: &[Collected]) -> Vec<CustodyFile> {
    for (file, found) in files.iter_mut().zip(collected) {
        file.events = found.events;
        file.rejects += found.rejects;
        file.first_time = found.first_us.map(format_utc);
        file.last_time = found.last_us.map(format_utc);
    }
    files
}

/// Maps chunks, and writes parts first where there are any.
fn worker(
    mut jobs: Receiver<(u64, Work)>,
    mut flushes: Receiver<(u32, Part)>,
    results: &Sender<Message>,
    folder: &Path,
    mut map: impl FnMut(Work) -> Result<Worked, StoreError>,
) -> Result<(), StoreError> {
    let (mut more_jobs, mut more_flushes) = (true, true);
    let mut failed = Ok(());
    while more_jobs || more_flushes {
        let waiting = flushes.try_recv().ok();
        let flush = match waiting {
            Some(flush) => Some(flush),
            None => select! {
                recv(flushes) -> flush => match flush {
                    Ok(flush) => Some(flush),
                    Err(_) => {
                        more_flushes = false;
                        flushes = never();
                        None
                    }
                },
                recv(jobs) -> job => match job {
                    Ok((number, job)) => {
                        // A result nobody waits for any more is no loss: the run has failed.
                        let _ = results.send(Message::Worked(number, map(job)));
                        None
                    }
                    Err(_) => {
                        more_jobs = false;
                        jobs = never();
                        None
                    }
                },
            },
        };
        if let Some((number, part)) = flush
            && failed.is_ok()
        {
            failed = part.write(folder, number).map(|_| ());
        }
    }
    failed
}

/// Puts the results into the order of the dumps and hands out parts to be written.
fn collect(
    results: &Receiver<Message>,
    flushes: Sender<(u32, Part)>,
    writer: &mut BatchWriter,
    rejected: &AtomicU64,
) -> Result<Vec<Collected>, StoreError> {
    let mut waiting: BTreeMap<u64, Worked> = BTreeMap::new();
    let (mut next, mut end) = (0u64, None);
    let mut files: Vec<Collected> = Vec::new();
    let mut part = Part::default();
    let mut number = 0;
    let mut failed = None;
    while end != Some(next) {
        let Ok(message) = results.recv() else { break };
        match message {
            Message::End(sent) => end = Some(sent),
            Message::Worked(at, Ok(worked)) => {
                waiting.insert(at, worked);
            }
            Message::Worked(_, Err(error)) => {
                failed.get_or_insert(error);
                next += 1;
            }
        }
        if failed.is_some() {
            // Keep receiving, so that nobody blocks; count what still comes.
            next += waiting.len() as u64;
            waiting.clear();
            continue;
        }
        while let Some(worked) = waiting.remove(&next) {
            next += 1;
            let file = usize::try_from(worked.file).unwrap_or(0);
            if files.len() <= file {
                files.resize(file + 1, Collected::default());
            }
            let entry = &mut files[file];
            entry.events += worked.tables.events.num_rows() as u64;
            entry.rejects += worked.tables.rejects.len() as u64;
            entry.first_us = [entry.first_us, worked.first_us]
                .into_iter()
                .flatten()
                .min();
            entry.last_us = [entry.last_us, worked.last_us].into_iter().flatten().max();
            rejected.fetch_add(worked.tables.rejects.len() as u64, Ordering::Relaxed);
            let stored = writer
                .append_contents(worked.tables.contents)
                .and_then(|()| writer.append_protected(worked.vault, &worked.digests))
                .and_then(|()| writer.append_leaves(&worked.leaves, &worked.reject_leaves))
                .and_then(|()| writer.append_rejects(worked.tables.rejects));
            if let Err(error) = stored {
                failed = Some(error);
                break;
            }
            if worked.tables.events.num_rows() > 0 {
                part.push(worked.tables.events, worked.tables.keys);
            }
            if part.rows() >= PART_ROWS || part.key_bytes() >= PART_KEY_BYTES {
                let _ = flushes.send((number, std::mem::take(&mut part)));
                number += 1;
            }
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    if part.rows() > 0 {
        let _ = flushes.send((number, part));
    }
    Ok(files)
}

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
struct Reader<'r> {
    request: &'r IngestRequest,
    store: &'r Store,
    seen: SeenRecords,
    files: Vec<CustodyFile>,
    unreadable: Vec<ReadError>,
    jobs: Sender<(u64, Work)>,
    sent: u64,
    progress: &'r dyn Progress,
    /// Bytes on disk of the dumps before this one.
    base: u64,
    rejected: &'r AtomicU64,
    failure: Option<StoreError>,
}

impl Reader<'_> {
    fn dump(&mut self, dump: &Dump) {
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
            layout: settle(format, found.layout),
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
            layout: found.layout.describe(),
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
