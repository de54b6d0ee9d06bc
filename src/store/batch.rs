//! Writing a batch: aside, synced, then visible by one rename of its manifest.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, Int32Builder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowRowGroupWriterFactory, ArrowWriterOptions};
use parquet::file::writer::SerializedFileWriter;

use super::durable::sync_folder;
use super::encrypt::{decryption, encrypted, salt_of};
use super::files::{TABLES, side_by_side};
use super::part::{part_name, write_table};
use super::tables::{contents_properties, contents_schema, rejects_properties, rejects_schema};
use super::{
    Contents, Custody, LeafCounts, RejectRow, SeenRecords, Store, StoreError, TableFile, hash_file,
    write_atomically,
};
use crate::protect::{BatchKeys, DataKey, VaultRow};
use crate::seal::ContentDigest;

/// Puts a batch into the log of the store while it is committed.
pub trait Sealer {
    /// Adds the leaves of a batch's records and rejects, from two files of hashes. Nothing counts yet.
    ///
    /// # Errors
    /// The log cannot be written.
    fn add_records(&mut self, store: &Store, leaves: [&Path; 2]) -> Result<(), StoreError>;

    /// Ends the batch with the leaf of its manifest. Nothing counts yet.
    ///
    /// # Errors
    /// The log cannot be written.
    fn add_manifest(
        &mut self,
        store: &Store,
        batch: &str,
        manifest: &[u8],
    ) -> Result<(), StoreError>;

    /// Makes them count, once the batch is visible.
    ///
    /// # Errors
    /// The log cannot be written.
    fn publish(&mut self) -> Result<(), StoreError>;
}

/// Hashes of leaves, kept aside until the batch is committed.
struct LeafFile {
    path: PathBuf,
    writer: io::BufWriter<File>,
    count: u64,
}

impl LeafFile {
    fn new(path: PathBuf) -> Result<Self, StoreError> {
        let file = File::create(&path).map_err(StoreError::io("creating", &path))?;
        Ok(Self {
            path,
            writer: io::BufWriter::with_capacity(1 << 18, file),
            count: 0,
        })
    }

    fn append(&mut self, leaves: &[[u8; 32]]) -> Result<(), StoreError> {
        self.count += leaves.len() as u64;
        self.writer
            .write_all(leaves.as_flattened())
            .map_err(StoreError::io("writing", &self.path))
    }
}

/// A batch that is being built in `_staging/`.
pub struct BatchWriter {
    folder: PathBuf,
    /// Held while the batch is built: tells a live staging folder from one left by a crash.
    _lock: File,
    contents: Option<SerializedFileWriter<File>>,
    contents_path: PathBuf,
    factory: Arc<ArrowRowGroupWriterFactory>,
    rejects: Vec<RejectRow>,
    reject_parts: u32,
    record_leaves: LeafFile,
    reject_leaves: LeafFile,
    salt: [u8; 32],
    /// Of a protected store.
    protection: Option<Protection>,
    /// Row groups of contents so far.
    groups: usize,
}

/// What a batch of a protected store has besides.
struct Protection {
    keys: BatchKeys,
    /// What its pseudonyms stand for.
    vault: HashSet<VaultRow>,
    /// Commitments to its records, for those who cannot read them.
    digests: LeafFile,
}

/// How a commit ended.
#[derive(Debug)]
pub enum Commit {
    /// The batch is in the store.
    Done(Box<Custody>),
    /// Another ingest has added some of the same records meanwhile: read again.
    Overlap,
}

/// Rejects kept in memory before they are written.
const REJECTS: usize = 4096;

impl BatchWriter {
    /// Starts a batch; leftovers of crashed ingests are removed. With keys its texts are encrypted.
    ///
    /// # Errors
    /// The store's folder cannot be written.
    pub fn new(store: &Store, keys: Option<BatchKeys>) -> Result<Self, StoreError> {
        let staging = store.layout().staging();
        fs::create_dir_all(&staging).map_err(StoreError::io("creating", &staging))?;
        // A folder gets its lock before this one is given back: one without a lock is nobody's.
        let making = store.lock_staging()?;
        remove_leftovers(&staging);
        let folder = tempfile::Builder::new()
            .prefix("batch-")
            .tempdir_in(&staging)
            .map_err(StoreError::io("creating", &staging))?
            .keep();
        let lock_path = folder.join("lock");
        let lock = File::create(&lock_path).map_err(StoreError::io("creating", &lock_path))?;
        lock.lock().map_err(StoreError::io("locking", &lock_path))?;
        drop(making);
        for table in TABLES {
            let path = folder.join(table);
            fs::create_dir(&path).map_err(StoreError::io("creating", &path))?;
        }
        let contents_path = folder.join("contents").join(part_name(0));
        let file =
            File::create(&contents_path).map_err(StoreError::io("creating", &contents_path))?;
        // Without the Arrow schema: readers that know no views see plain byte arrays.
        let key = keys.as_ref().map(|keys| keys.contents);
        let options = ArrowWriterOptions::new()
            .with_properties(encrypted(contents_properties(), key)?)
            .with_skip_arrow_metadata(true);
        let (writer, factory) = ArrowWriter::try_new_with_options(file, contents_schema(), options)
            .and_then(ArrowWriter::into_serialized_writer)
            .map_err(StoreError::parquet(&contents_path))?;
        // The secret from which the salts of the batch's records are made.
        let salt = match &keys {
            Some(keys) => salt_of(&keys.contents),
            None => {
                let salt = crate::seal::random32();
                let path = folder.join("contents").join("_salt");
                fs::write(&path, salt).map_err(StoreError::io("writing", &path))?;
                salt
            }
        };
        let digests = folder.join("contents").join("_digests");
        let protection = match keys {
            Some(keys) => Some(Protection {
                keys,
                vault: HashSet::new(),
                digests: LeafFile::new(digests)?,
            }),
            None => None,
        };
        Ok(Self {
            protection,
            groups: 0,
            record_leaves: LeafFile::new(folder.join("record_leaves"))?,
            reject_leaves: LeafFile::new(folder.join("reject_leaves"))?,
            salt,
            folder,
            _lock: lock,
            contents: Some(writer),
            contents_path,
            factory: Arc::new(factory),
            rejects: Vec::new(),
            reject_parts: 0,
        })
    }

    /// Where part files are written.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Encoders for the contents table.
    #[must_use]
    pub fn contents_factory(&self) -> Arc<ArrowRowGroupWriterFactory> {
        Arc::clone(&self.factory)
    }

    /// The secret from which the salts of the batch's records are made.
    #[must_use]
    pub fn salt(&self) -> [u8; 32] {
        self.salt
    }

    /// Appends hashes of leaves: of records, and of rejects.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn append_leaves(
        &mut self,
        records: &[[u8; 32]],
        rejects: &[[u8; 32]],
    ) -> Result<(), StoreError> {
        self.record_leaves.append(records)?;
        self.reject_leaves.append(rejects)
    }

    /// Whether its texts are encrypted.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        self.protection.is_some()
    }

    /// Adds what pseudonyms of its records stand for, and commitments to the records.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn append_protected(
        &mut self,
        rows: Vec<VaultRow>,
        digests: &[ContentDigest],
    ) -> Result<(), StoreError> {
        let Some(protection) = &mut self.protection else {
            return Ok(());
        };
        protection.vault.extend(rows);
        let file = &mut protection.digests;
        for digest in digests {
            file.writer
                .write_all(&digest.to_bytes())
                .map_err(StoreError::io("writing", &file.path))?;
        }
        Ok(())
    }

    /// Appends a row group.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn append_contents(&mut self, contents: Contents) -> Result<(), StoreError> {
        let Some(writer) = self.contents.as_mut().filter(|_| contents.rows > 0) else {
            return Ok(());
        };
        let path = &self.contents_path;
        let contents = contents.encode(&self.factory, self.groups)?;
        self.groups += 1;
        let mut group = writer.next_row_group().map_err(StoreError::parquet(path))?;
        for chunk in contents.into_chunks() {
            chunk
                .append_to_row_group(&mut group)
                .map_err(StoreError::parquet(path))?;
        }
        group.close().map_err(StoreError::parquet(path))?;
        Ok(())
    }

    /// Adds what could not be read.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn append_rejects(&mut self, rejects: Vec<RejectRow>) -> Result<(), StoreError> {
        self.rejects.extend(rejects);
        if self.rejects.len() >= REJECTS {
            self.write_rejects()
        } else {
            Ok(())
        }
    }

    fn write_rejects(&mut self) -> Result<(), StoreError> {
        let rows = std::mem::take(&mut self.rejects);
        if rows.is_empty() {
            return Ok(());
        }
        let (mut file, mut ordinal, mut offset, mut length) = (
            Int32Builder::new(),
            Int64Builder::new(),
            Int64Builder::new(),
            Int64Builder::new(),
        );
        let (mut reason, mut bytes) = (StringBuilder::new(), BinaryBuilder::new());
        for row in rows {
            file.append_value(row.file);
            ordinal.append_value(row.ordinal);
            offset.append_value(row.offset);
            length.append_value(row.length);
            reason.append_value(row.reason);
            bytes.append_value(row.bytes);
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(file.finish()),
            Arc::new(ordinal.finish()),
            Arc::new(offset.finish()),
            Arc::new(length.finish()),
            Arc::new(reason.finish()),
            Arc::new(bytes.finish()),
        ];
        let table = RecordBatch::try_new(rejects_schema(), columns)?;
        let path = self
            .folder
            .join("rejects")
            .join(part_name(self.reject_parts));
        self.reject_parts += 1;
        let key = self.protection.as_ref().map(|own| own.keys.contents);
        write_table(&path, &table, encrypted(rejects_properties(), key)?)
    }

    /// Makes the batch visible, or finds that another ingest was faster with some of its records.
    ///
    /// `seen` are the records of the batch.
    ///
    /// # Errors
    /// The store cannot be written; nothing of the batch is then visible.
    pub fn commit(
        mut self,
        store: &Store,
        mut custody: Custody,
        seen: SeenRecords,
        sealer: &mut dyn Sealer,
    ) -> Result<Commit, StoreError> {
        if let Some(writer) = self.contents.take() {
            let file = writer
                .into_inner()
                .map_err(StoreError::parquet(&self.contents_path))?;
            file.sync_all()
                .map_err(StoreError::io("syncing", &self.contents_path))?;
        }
        self.write_rejects()?;
        let seen = seen.write(&self.folder.join("events").join("_seen.idx"))?;
        if let Some(protection) = &mut self.protection {
            let file = &mut protection.digests;
            file.writer
                .flush()
                .map_err(StoreError::io("writing", &file.path))?;
            // Whoever cannot read them still holds them against the log.
            let from = &mut self.reject_leaves;
            from.writer
                .flush()
                .map_err(StoreError::io("writing", &from.path))?;
            let to = self.folder.join("rejects").join("_leaves");
            if from.count > 0 {
                fs::copy(&from.path, &to).map_err(StoreError::io("writing", &to))?;
            }
        }
        let _lock = store.lock()?;
        let now = Store::open(&store.layout().root)?;
        for batch in now.batches() {
            let is_new = !store
                .batches()
                .iter()
                .any(|known| known.batch == batch.batch);
            if is_new && now.seen_of(&batch.batch)?.overlaps(&seen)? {
                self.discard();
                return Ok(Commit::Overlap);
            }
        }
        custody.batch = free_id(&now, &custody.batch);
        custody.leaves = LeafCounts {
            records: self.record_leaves.count,
            rejects: self.reject_leaves.count,
        };
        for leaves in [&mut self.record_leaves, &mut self.reject_leaves] {
            leaves
                .writer
                .flush()
                .map_err(StoreError::io("writing", &leaves.path))?;
        }
        let protection = self.protection.take();
        let key = protection.as_ref().map(|own| own.keys.contents);
        let (folder, batch) = (&self.folder, custody.batch.clone());
        let leaves: [&Path; 2] = [&self.record_leaves.path, &self.reject_leaves.path];
        // The manifest names all files, so its leaf is the last: until then both go on side by side.
        let listed = std::thread::scope(|scope| {
            let listed = scope.spawn(|| list_files(folder, &batch, key));
            let sealed = sealer.add_records(&now, leaves);
            let listed = listed
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            sealed.and(listed)
        });
        (custody.tables, custody.others) = listed?;
        if let Some(protection) = protection {
            let rows: Vec<VaultRow> = protection.vault.into_iter().collect();
            let root = &store.layout().root;
            let files = protection.keys.store(root, &custody.batch, &rows)?;
            for (path, rows) in files.iter().zip([rows.len(), 0, 0]) {
                let (size, sha256) = hash_file(path)?;
                let below = path.strip_prefix(root).unwrap_or(path);
                custody.others.push(TableFile {
                    path: below.display().to_string(),
                    rows: rows as u64,
                    size,
                    sha256: sha256.to_string(),
                });
            }
        }
        let text = manifest_text(&custody)?;
        sealer.add_manifest(&now, &custody.batch, &text)?;
        for table in TABLES {
            let from = self.folder.join(table);
            let to = store.layout().table(table, &custody.batch);
            if fs::read_dir(&from).is_ok_and(|mut entries| entries.next().is_none()) {
                continue;
            }
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent).map_err(StoreError::io("creating", parent))?;
            }
            // What a crashed commit of the same batch left behind is not visible, so it may go.
            if to.exists() {
                fs::remove_dir_all(&to).map_err(StoreError::io("removing", &to))?;
            }
            fs::rename(&from, &to).map_err(StoreError::io("moving", &to))?;
            sync_folder(&to)?;
            to.parent().map_or(Ok(()), sync_folder)?;
        }
        let name = format!("{}.json", custody.batch);
        write_atomically(&store.layout().custody().join(name), &text)?;
        sealer.publish()?;
        self.discard();
        Ok(Commit::Done(Box::new(custody)))
    }

    /// Removes the staging folder.
    pub fn discard(&mut self) {
        self.contents = None;
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn remove_leftovers(staging: &Path) {
    for entry in fs::read_dir(staging).into_iter().flatten().flatten() {
        let lock = File::options().write(true).open(entry.path().join("lock"));
        // A folder without a lock file was being made when its ingest died.
        let abandoned = lock.map_or(true, |lock| lock.try_lock().is_ok());
        if abandoned {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn free_id(store: &Store, wanted: &str) -> String {
    let taken = |id: &str| store.batches().iter().any(|batch| batch.batch == id);
    let mut id = wanted.to_owned();
    let mut n = 2;
    while taken(&id) {
        id = format!("{wanted}-{n}");
        n += 1;
    }
    id
}

/// The tables of a batch, and its other files.
fn list_files(
    folder: &Path,
    batch: &str,
    key: Option<DataKey>,
) -> Result<(Vec<TableFile>, Vec<TableFile>), StoreError> {
    let mut files: Vec<(&str, String)> = Vec::new();
    for table in TABLES {
        let below = folder.join(table);
        let mut names: Vec<String> = fs::read_dir(&below)
            .map_err(StoreError::io("listing", &below))?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        files.extend(names.into_iter().map(|name| (table, name)));
    }
    let listed = side_by_side(&files, |(table, name)| {
        let path = folder.join(table).join(name);
        let (size, sha256) = hash_file(&path)?;
        let is_table = name.ends_with(".parquet");
        let rows = if is_table {
            let file = File::open(&path).map_err(StoreError::io("opening", &path))?;
            let is_encrypted = matches!(*table, "contents" | "rejects");
            let key = key.filter(|_| is_encrypted);
            parquet::file::metadata::ParquetMetaDataReader::new()
                .with_decryption_properties(key.map(decryption).transpose()?)
                .parse_and_finish(&file)
                .map_err(StoreError::parquet(&path))?
                .file_metadata()
                .num_rows()
        } else {
            0
        };
        let file = TableFile {
            path: format!("{table}/batch={batch}/{name}"),
            rows: u64::try_from(rows).unwrap_or(0),
            size,
            sha256: sha256.to_string(),
        };
        Ok::<_, StoreError>((is_table, file))
    })?;
    let (tables, others): (Vec<_>, Vec<_>) =
        listed.into_iter().partition(|(is_table, _)| *is_table);
    let files = |list: Vec<(bool, TableFile)>| list.into_iter().map(|(_, file)| file).collect();
    Ok((files(tables), files(others)))
}

fn manifest_text(custody: &Custody) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec_pretty(custody).map_err(|error| StoreError::Damaged {
        path: custody.batch.clone().into(),
        reason: error.to_string(),
    })
}
