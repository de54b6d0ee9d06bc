//! The leaves of a batch, made again from its tables.

use std::path::PathBuf;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use tlog_tiles::Hash;

use super::leaf::{self, ContentDigest, RowDigest, SaltKey};
use crate::model::RecordHasher;
use crate::store::{
    Custody, Store, StoreError, content_groups, cores, read_rejects, scan_columns,
    scan_content_group, side_by_side,
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchLeaves {
    /// Records.
    pub records: u64,
    /// Rejects.
    pub rejects: u64,
    /// Rows of the events table whose record is not in the contents table.
    pub rows_without_record: u64,
}

/// The secret from which the salts of a batch are made.
///
/// # Errors
/// It cannot be read.
pub fn salt_key(store: &Store, batch: &str) -> Result<SaltKey, StoreError> {
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
    let key = salt_key(store, &custody.batch)?;
    let mut rows = RowStream::new(store, custody);
    for path in store.parts("contents", custody) {
        let groups: Vec<usize> = (0..content_groups(&path)?).collect();
        for groups in groups.chunks(cores() * 4) {
            let found = side_by_side(groups, |group| {
                let mut digests = Vec::new();
                scan_content_group(&path, *group, |file, ordinal, bytes| {
                    let record = RecordHasher::new(reader_of(custody, file), bytes).record();
                    digests.push(ContentDigest::of(&key, file, ordinal, &record));
                })?;
                Ok::<_, StoreError>(digests)
            })?;
            for contents in found {
                let Some(last) = contents.last() else {
                    continue;
                };
                rows.read_to((last.file, last.ordinal))?;
                let mut waiting = rows.waiting.drain(..).peekable();
                let mut failed = Ok(());
                leaf::join(&contents, &mut waiting, |file, ordinal, hash| {
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
            }
        }
    }
    rows.read_to((i32::MAX, i64::MAX))?;
    counts.rows_without_record += rows.waiting.len() as u64;
    for reject in read_rejects(store, batch)? {
        counts.rejects += 1;
        visit(
            LeafOf::Reject(reject.file, reject.ordinal),
            leaf::reject_leaf(&key, &reject),
        )?;
    }
    Ok(counts)
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
/// As [`leaf::row_digests`].
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
        scan_columns::<StoreError>(&path, None, |table| {
            let (Some(files), Some(ordinals), Some(parts)) = (
                table.column_by_name("file"),
                table.column_by_name("ordinal"),
                table.column_by_name("part"),
            ) else {
                return Ok(());
            };
            let files = files.as_primitive::<Int32Type>();
            let ordinals = ordinals.as_primitive::<Int64Type>();
            let parts = parts.as_primitive::<Int32Type>();
            for row in 0..table.num_rows() {
                if files.value(row) == file && ordinals.value(row) == ordinal {
                    let mut bytes = Vec::new();
                    leaf::Rows::new(&table)?.write(row, &mut bytes);
                    found.push((parts.value(row), bytes));
                }
            }
            Ok(())
        })?;
        if !found.is_empty() {
            break;
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, bytes)| bytes).collect())
}
