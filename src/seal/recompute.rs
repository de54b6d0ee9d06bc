//! The leaves of a batch, made again from its tables.

use std::collections::{BTreeSet, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use tlog_tiles::Hash;

use super::leaf::{self, ContentDigest, RowDigest, SaltKey};
use crate::model::RecordHasher;
use crate::store::{
    Custody, Store, StoreError, content_groups, cores, read_rejects, rows_of, scan_columns,
    scan_stored_texts, side_by_side,
};

/// What a leaf is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafOf {
    /// A record: file in the manifest, record in the file.
    Record(i32, i64),
    /// A place that no reader understood, by the same.
    Reject(i32, i64),
}

/// How many leaves a batch has of each kind, and rows that belong to no record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchLeaves {
    /// Records.
    pub records: u64,
    /// Rejects.
    pub rejects: u64,
    /// Rows of the events table whose record is not in the contents table.
    pub rows_without_record: u64,
    /// Records whose texts could not be read as they were logged: they are protected from who asks, or
    /// were destroyed. Their leaves were made from the commitments to them that lie beside them.
    pub withheld: u64,
    /// Pseudonyms of which nothing is known.
    pub unknown: BTreeSet<String>,
}

/// The secret from which the salts of a batch are made.
///
/// # Errors
/// It cannot be read.
pub fn salt_key(store: &Store, batch: &str) -> Result<SaltKey, StoreError> {
    if let Some(key) = store.access().contents_key(batch)? {
        return Ok(crate::store::salt_of(&key));
    }
    let path = store.layout().table("contents", batch).join("_salt");
    let bytes = std::fs::read(&path).map_err(StoreError::io("reading", &path))?;
    bytes.try_into().map_err(|_| StoreError::Damaged {
        path,
        reason: "the secret of the batch's salts has not 32 bytes".to_owned(),
    })
}

/// The reader of a file of a batch.
#[must_use]
pub fn reader_of(custody: &Custody, file: i32) -> &str {
    let file = usize::try_from(file).ok();
    let file = file.and_then(|file| custody.files.get(file));
    file.map_or("", |file| file.reader.as_str())
}

/// Calls `visit` with each leaf of a batch in its order, but for the manifest.
///
/// # Errors
/// A table cannot be read, or `visit` fails.
pub fn batch_leaves(
    store: &Store,
    batch: usize,
    mut visit: impl FnMut(LeafOf, Hash) -> Result<(), StoreError>,
) -> Result<BatchLeaves, StoreError> {
    let mut counts = BatchLeaves::default();
    let Some(custody) = store.batches().get(batch) else {
        return Ok(counts);
    };
    let is_open = store.access().reads_contents() && store.load_vault()?;
    let mut rows = RowStream::new(store, custody);
    if !is_open {
        // Protected from who asks: the commitments are taken as they lie there.
        let path = store
            .layout()
            .table("contents", &custody.batch)
            .join("_digests");
        each_stored(&path, |contents: Vec<ContentDigest>| {
            counts.withheld += contents.len() as u64;
            join_rows(&mut rows, &contents, &mut counts, &mut visit)
        })?;
        rows.end(&mut counts)?;
        return stored_rejects(store, custody, counts, visit);
    }
    let key = salt_key(store, &custody.batch)?;
    let kept: OnceLock<Kept> = OnceLock::new();
    for path in store.parts("contents", custody) {
        let groups: Vec<usize> = (0..content_groups(store, &path)?).collect();
        for groups in groups.chunks(cores() * 4) {
            let found = side_by_side(groups, |group| {
                let mut part = Contents::default();
                scan_stored_texts(store, &path, *group, |file, ordinal, _, content, bytes| {
                    match content {
                        "raw" => {
                            let (original, unknown) = store.access().original(bytes);
                            let digest = (!unknown.is_empty())
                                .then(|| kept.get_or_init(|| kept_digests(store, custody)))
                                .and_then(|kept| kept.get(&(file, ordinal)));
                            if let Some(kept) = digest {
                                part.unknown.extend(unknown);
                                part.withheld += 1;
                                part.digests.push(*kept);
                            } else {
                                let record =
                                    RecordHasher::new(reader_of(custody, file), &original).record();
                                part.digests
                                    .push(ContentDigest::of(&key, file, ordinal, &record));
                            }
                        }
                        REMOVED => {
                            part.withheld += 1;
                            part.digests.push(ContentDigest {
                                file,
                                ordinal,
                                digest: bytes.try_into().unwrap_or_default(),
                            });
                        }
                        _ => {}
                    }
                })?;
                Ok::<_, StoreError>(part)
            })?;
            for part in found {
                counts.withheld += part.withheld;
                counts.unknown.extend(part.unknown);
                join_rows(&mut rows, &part.digests, &mut counts, &mut visit)?;
            }
        }
    }
    rows.end(&mut counts)?;
    for reject in read_rejects(store, batch)? {
        counts.rejects += 1;
        visit(
            LeafOf::Reject(reject.file, reject.ordinal),
            leaf::reject_leaf(&key, &reject),
        )?;
    }
    Ok(counts)
}

/// What is in a row of the contents table in the place of a record that was destroyed: the commitment to
/// it.
pub const REMOVED: &str = "removed";

/// Commitments to the records of a row group.
#[derive(Default)]
struct Contents {
    digests: Vec<ContentDigest>,
    withheld: u64,
    unknown: BTreeSet<String>,
}

type Kept = HashMap<(i32, i64), ContentDigest>;

/// The commitments that lie beside the records of a protected batch; none if they cannot be read, which
/// is a damage that is named by the file.
fn kept_digests(store: &Store, custody: &Custody) -> Kept {
    let mut kept = HashMap::new();
    let path = store
        .layout()
        .table("contents", &custody.batch)
        .join("_digests");
    let read = each_stored(&path, |contents| {
        kept.extend(
            contents
                .into_iter()
                .map(|one| ((one.file, one.ordinal), one)),
        );
        Ok(())
    });
    if read.is_err() {
        kept.clear();
    }
    kept
}

/// Calls `visit` with the commitments in a file, some thousand at a time.
fn each_stored(
    path: &Path,
    mut visit: impl FnMut(Vec<ContentDigest>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let file = std::fs::File::open(path).map_err(StoreError::io("opening", path))?;
    let mut reader = std::io::BufReader::with_capacity(1 << 20, file);
    let mut waiting = Vec::new();
    let mut bytes = [0; ContentDigest::BYTES];
    loop {
        match reader.read_exact(&mut bytes) {
            Ok(()) => waiting.push(ContentDigest::from_bytes(&bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(StoreError::io("reading", path)(error)),
        }
        if waiting.len() == 16 << 10 {
            visit(std::mem::take(&mut waiting))?;
        }
    }
    visit(waiting)
}

/// The commitment to a record that lies beside a protected batch, and how many stand before it.
///
/// # Errors
/// The file cannot be read.
pub fn stored_digest(
    store: &Store,
    custody: &Custody,
    file: i32,
    ordinal: i64,
) -> Result<Option<(u64, [u8; 32])>, StoreError> {
    let path = store
        .layout()
        .table("contents", &custody.batch)
        .join("_digests");
    let (mut before, mut found) = (0, None);
    each_stored(&path, |contents| {
        let at = contents
            .iter()
            .position(|one| (one.file, one.ordinal) == (file, ordinal));
        match at {
            Some(at) => found = Some((before + at as u64, contents[at].digest)),
            None => before += contents.len() as u64,
        }
        Ok(())
    })?;
    Ok(found)
}

/// The leaves of the rejects of a protected batch, as they lie beside them.
fn stored_rejects(
    store: &Store,
    custody: &Custody,
    mut counts: BatchLeaves,
    mut visit: impl FnMut(LeafOf, Hash) -> Result<(), StoreError>,
) -> Result<BatchLeaves, StoreError> {
    let path = store
        .layout()
        .table("rejects", &custody.batch)
        .join("_leaves");
    if !path.is_file() {
        return Ok(counts);
    }
    let bytes = std::fs::read(&path).map_err(StoreError::io("reading", &path))?;
    for hash in bytes.as_chunks::<32>().0 {
        counts.rejects += 1;
        let number = i64::try_from(counts.rejects).unwrap_or(i64::MAX);
        visit(LeafOf::Reject(-1, number), Hash(*hash))?;
    }
    Ok(counts)
}

/// Puts the rows of events to records that follow each other, and visits their leaves.
fn join_rows(
    rows: &mut RowStream,
    contents: &[ContentDigest],
    counts: &mut BatchLeaves,
    visit: &mut impl FnMut(LeafOf, Hash) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let Some(last) = contents.last() else {
        return Ok(());
    };
    rows.read_to((last.file, last.ordinal))?;
    let mut waiting = rows.waiting.drain(..).peekable();
    let mut failed = Ok(());
    leaf::join(contents, &mut waiting, |file, ordinal, hash| {
        counts.records += 1;
        if failed.is_ok() {
            failed = visit(LeafOf::Record(file, ordinal), hash);
        }
    });
    let rest: Vec<RowDigest> = waiting.collect();
    rows.waiting = rest;
    failed?;
    // Rows before the last record that found none.
    let before = rows
        .waiting
        .partition_point(|row| (row.file, row.ordinal) <= (last.file, last.ordinal));
    counts.rows_without_record += before as u64;
    rows.waiting.drain(..before);
    Ok(())
}

/// Digests of the rows of a batch's events, in the order of the dumps: parts are, rows within a part are
/// sorted back.
struct RowStream {
    parts: std::vec::IntoIter<PathBuf>,
    waiting: Vec<RowDigest>,
}

impl RowStream {
    fn new(store: &Store, custody: &Custody) -> Self {
        Self {
            parts: store.parts("events", custody).into_iter(),
            waiting: Vec::new(),
        }
    }

    /// Counts the rows that are left: they are of no record.
    fn end(&mut self, counts: &mut BatchLeaves) -> Result<(), StoreError> {
        self.read_to((i32::MAX, i64::MAX))?;
        counts.rows_without_record += self.waiting.len() as u64;
        Ok(())
    }

    /// Reads parts until a row behind that record is there.
    fn read_to(&mut self, record: (i32, i64)) -> Result<(), StoreError> {
        while self
            .waiting
            .last()
            .is_none_or(|row| (row.file, row.ordinal) <= record)
        {
            let paths: Vec<PathBuf> = self.parts.by_ref().take(cores()).collect();
            if paths.is_empty() {
                break;
            }
            let found = side_by_side(&paths, |path| {
                let mut digests = Vec::new();
                scan_columns::<StoreError>(path, None, |table| {
                    digests.extend(leaf::row_digests(&table)?);
                    Ok(())
                })?;
                digests.sort_unstable();
                Ok::<_, StoreError>(digests)
            })?;
            self.waiting.extend(found.into_iter().flatten());
        }
        Ok(())
    }
}

/// The leaves of a chunk's records: `contents` in the order of the dump, the chunk's events as they were
/// made.
///
/// # Errors
/// As `leaf::row_digests`.
pub fn chunk_leaves(
    contents: &[ContentDigest],
    events: &arrow_array::RecordBatch,
) -> Result<Vec<[u8; 32]>, StoreError> {
    let mut leaves = Vec::with_capacity(contents.len());
    let mut rows = leaf::row_digests(events)?.into_iter().peekable();
    leaf::join(contents, &mut rows, |_, _, hash| leaves.push(hash.0));
    Ok(leaves)
}

/// The canonical row of one event, and those of all events of its record, in their order.
///
/// # Errors
/// The table cannot be read.
pub fn rows_of_record(
    store: &Store,
    custody: &Custody,
    file: i32,
    ordinal: i64,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut found: Vec<(i32, Vec<u8>)> = Vec::new();
    for path in store.parts("events", custody) {
        for table in rows_of(&path, file, ordinal)? {
            let Some(parts) = table.column_by_name("part") else {
                continue;
            };
            let parts = parts.as_primitive::<Int32Type>();
            let rows = leaf::Rows::new(&table)?;
            for row in 0..table.num_rows() {
                let mut bytes = Vec::new();
                rows.write(row, &mut bytes);
                found.push((parts.value(row), bytes));
            }
        }
        if !found.is_empty() {
            break;
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, bytes)| bytes).collect())
}
