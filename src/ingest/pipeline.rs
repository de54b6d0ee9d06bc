//! The threads of an ingest and what passes between them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded, never, select, unbounded};

use super::reader::Reader;
use super::work::{Work, Worked, work};
use super::{IngestError, IngestRequest, Progress};
use crate::model::time::format_utc;
use crate::read::{Dump, ReadError};
use crate::store::{
    BatchWriter, CustodyFile, PART_ROWS, Part, SeenRecords, Sizes, Store, StoreError,
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
    /// Whether a time had no zone.
    zoneless: bool,
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
        if file.zone_origin == "default" && !found.zoneless {
            file.zone_origin = "unused".to_owned();
        }
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
            entry.zoneless |= worked.zoneless;
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
