//! Which row groups of the contents tables hold a word: a search opens those only.
//!
//! Of each row group of texts the distinct words stand in a split block Bloom filter (as in [`super::filter`]),
//! which is cut into slices by the words' hashes: a question reads one slice a word, of all row groups at
//! once. The files are derived: made by the first search of a batch, and made again where they are missing or
//! do not fit the texts. They are encrypted as the texts are.
//!
//! ```text
//! search/batch=<id>/words-<n>.parquet    one row group a slice; a row is a row group of texts:
//!                                        part, size (bytes of that part), group, filter
//! search/_files.json                     their sizes and SHA-256
//! ```

use std::collections::HashSet;
use std::fs::{self, File};
use std::hash::{BuildHasherDefault, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{ArrayRef, Int32Array, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use twox_hash::XxHash64;

use super::batch::encrypted;
use super::derived::{self, Damage};
use super::filter;
use super::read::open_texts;
use super::{Custody, Store, StoreError, content_groups, scan_stored_texts, side_by_side};

/// Folder of the filters, below the store's.
const FOLDER: &str = "search";
const LIST: &str = "search/_files.json";
/// Slices of a filter.
const SLICES: u64 = 64;
/// Row groups of texts whose filters are made, and held, at once.
const GROUPS_A_FILE: usize = 1024;

/// The hash is one already.
#[derive(Clone, Copy, Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Whether a byte belongs to a word: letters and digits, and whatever is not ASCII.
#[must_use]
pub fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// A word in the form in which it is looked up: in lower case, a number without leading zeros.
fn hash_word(word: &[u8], buffer: &mut Vec<u8>) -> u64 {
    let zeros = word.iter().take_while(|byte| **byte == b'0').count();
    let word = if zeros == word.len() {
        &word[zeros - 1..]
    } else {
        &word[zeros..]
    };
    if word.is_ascii() {
        buffer.clear();
        buffer.extend(word.iter().map(u8::to_ascii_lowercase));
        return XxHash64::oneshot(0, buffer);
    }
    XxHash64::oneshot(0, String::from_utf8_lossy(word).to_lowercase().as_bytes())
}

/// The hashes of the words of a question; it has no escapes.
#[must_use]
pub fn words_of(text: &str) -> Vec<u64> {
    let mut buffer = Vec::new();
    let words = text.as_bytes().split(|byte| !is_word_byte(*byte));
    words
        .filter(|word| !word.is_empty())
        .map(|word| hash_word(word, &mut buffer))
        .collect()
}

/// Adds the words of a text. What JSON escapes a line break with is taken for a break and for a letter, for
/// the text may be either.
fn add_words(
    text: &[u8],
    words: &mut HashSet<u64, BuildHasherDefault<AsItIs>>,
    buffer: &mut Vec<u8>,
) {
    let mut at = 0;
    while at < text.len() {
        let escaped = match text[at] {
            b'\\' => match text.get(at + 1) {
                Some(b'n' | b'r' | b't' | b'b' | b'f') => 2,
                Some(b'u') => 6,
                _ => {
                    at += 1;
                    continue;
                }
            },
            byte if is_word_byte(byte) => 0,
            _ => {
                at += 1;
                continue;
            }
        };
        let start = at + usize::from(escaped > 0);
        let length = text[start..]
            .iter()
            .take_while(|byte| is_word_byte(**byte))
            .count();
        let end = start + length;
        words.insert(hash_word(&text[start..end], buffer));
        if escaped > 0 && at + escaped < end {
            words.insert(hash_word(&text[at + escaped..end], buffer));
        }
        at = end;
    }
}

fn slice_of(hash: u64) -> u64 {
    // The upper bits choose the block.
    (hash >> 32) % SLICES
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("part", DataType::Int32, false),
        Field::new("size", DataType::Int64, false),
        Field::new("group", DataType::Int32, false),
        Field::new("filter", DataType::Binary, false),
    ]))
}

/// A row group of a contents file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    part: usize,
    size: u64,
    group: usize,
}

fn groups_of(store: &Store, parts: &[PathBuf]) -> Result<Vec<Group>, StoreError> {
    let mut all = Vec::new();
    for (part, path) in parts.iter().enumerate() {
        let size = path
            .metadata()
            .map_err(StoreError::io("opening", path))?
            .len();
        let groups = 0..content_groups(store, path)?;
        all.extend(groups.map(|group| Group { part, size, group }));
    }
    Ok(all)
}

fn folder_of(store: &Store, batch: &str) -> PathBuf {
    let root = &store.layout().root;
    root.join(FOLDER).join(format!("batch={batch}"))
}

/// Row groups of the texts of a batch in which all words may stand; all of them, where there is no word. The
/// filters are made where they are missing; where that cannot be, nothing is known of any row group.
///
/// # Errors
/// The texts cannot be read.
pub fn groups_with(
    store: &Store,
    custody: &Custody,
    words: &[u64],
) -> Result<Vec<(PathBuf, usize)>, StoreError> {
    let parts = store.parts("contents", custody);
    let groups = groups_of(store, &parts)?;
    let mut wanted: Option<Vec<Group>> = None;
    if !words.is_empty() {
        wanted = look_up(store, custody, &groups, words).ok().flatten();
        if wanted.is_none() && make(store, custody, &parts, &groups).is_ok() {
            wanted = look_up(store, custody, &groups, words).ok().flatten();
        }
    }
    let wanted = wanted.unwrap_or(groups);
    Ok(wanted
        .into_iter()
        .map(|group| (parts[group.part].clone(), group.group))
        .collect())
}

/// Whether a search of a batch has to make its filters first.
#[must_use]
pub fn has_no_words(store: &Store, custody: &Custody) -> bool {
    !folder_of(store, &custody.batch).is_dir()
}

/// Makes the filters of all batches that have none.
///
/// # Errors
/// Texts cannot be read, or the filters not be written.
pub fn make_words(store: &Store) -> Result<(), StoreError> {
    for custody in store.batches() {
        if has_no_words(store, custody) {
            let parts = store.parts("contents", custody);
            make(store, custody, &parts, &groups_of(store, &parts)?)?;
        }
    }
    Ok(())
}

/// The row groups in which all words may stand, `None` if the filters do not fit the texts.
fn look_up(
    store: &Store,
    custody: &Custody,
    groups: &[Group],
    words: &[u64],
) -> Result<Option<Vec<Group>>, StoreError> {
    let mut found: Vec<Group> = groups.to_vec();
    for hash in words {
        let mut known = Vec::new();
        let mut fitting = Vec::new();
        for path in files_of(store, &custody.batch) {
            read_slice(store, &path, slice_of(*hash), |group, bytes| {
                if filter::has(bytes, *hash) {
                    fitting.push(group.clone());
                }
                known.push(group);
            })?;
        }
        if known != *groups {
            return Ok(None);
        }
        found.retain(|group| fitting.binary_search(group).is_ok());
    }
    Ok(Some(found))
}

fn files_of(store: &Store, batch: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder_of(store, batch)).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "parquet"));
    paths.sort();
    paths
}

fn read_slice(
    store: &Store,
    path: &Path,
    slice: u64,
    mut visit: impl FnMut(Group, &[u8]),
) -> Result<(), StoreError> {
    let (file, metadata) = open_texts(store, path)?;
    let slice = usize::try_from(slice).unwrap_or(usize::MAX);
    if slice >= metadata.metadata().num_row_groups() {
        return Ok(());
    }
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
        .with_row_groups(vec![slice])
        .build()
        .map_err(StoreError::parquet(path))?;
    for table in reader {
        let table = table?;
        let parts = table.column(0).as_primitive::<Int32Type>();
        let sizes = table.column(1).as_primitive::<Int64Type>();
        let groups = table.column(2).as_primitive::<Int32Type>();
        let filters = table.column(3).as_binary::<i32>();
        for row in 0..table.num_rows() {
            let group = Group {
                part: usize::try_from(parts.value(row)).unwrap_or(usize::MAX),
                size: sizes.value(row).unsigned_abs(),
                group: usize::try_from(groups.value(row)).unwrap_or(usize::MAX),
            };
            visit(group, filters.value(row));
        }
    }
    Ok(())
}

/// The slices of the filter of a row group.
fn filter_of(store: &Store, path: &Path, group: usize) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut words = HashSet::with_capacity_and_hasher(1 << 16, BuildHasherDefault::default());
    let mut buffer = Vec::new();
    scan_stored_texts(store, path, group, |_, _, _, _, text| {
        add_words(text, &mut words, &mut buffer);
    })?;
    let mut slices: Vec<Vec<u64>> = vec![Vec::new(); usize::try_from(SLICES).unwrap_or(64)];
    for hash in words {
        slices[usize::try_from(slice_of(hash)).unwrap_or(0)].push(hash);
    }
    Ok(slices.into_iter().map(filter::of_hashes).collect())
}

/// Makes the filters of a batch.
fn make(
    store: &Store,
    custody: &Custody,
    parts: &[PathBuf],
    groups: &[Group],
) -> Result<(), StoreError> {
    let folder = folder_of(store, &custody.batch);
    let key = store.access().contents_key(&custody.batch)?;
    forget(store, &custody.batch)?;
    fs::create_dir_all(&folder).map_err(StoreError::io("creating", &folder))?;
    for (number, groups) in groups.chunks(GROUPS_A_FILE).enumerate() {
        let filters = side_by_side(groups, |group| {
            filter_of(store, &parts[group.part], group.group)
        })?;
        let properties = WriterProperties::builder()
            // Bits of hashes have no pattern.
            .set_compression(Compression::UNCOMPRESSED)
            .set_statistics_enabled(EnabledStatistics::None)
            .set_dictionary_enabled(false)
            .build();
        let path = folder.join(format!("words-{number:05}.parquet"));
        let aside = path.with_extension("new");
        let file = File::create(&aside).map_err(StoreError::io("creating", &aside))?;
        let mut writer = ArrowWriter::try_new(file, schema(), Some(encrypted(properties, key)?))
            .map_err(StoreError::parquet(&aside))?;
        for slice in 0..usize::try_from(SLICES).unwrap_or(64) {
            let mut bytes = BinaryBuilder::new();
            for filter in &filters {
                bytes.append_value(&filter[slice]);
            }
            let number = |value: usize| i32::try_from(value).unwrap_or(i32::MAX);
            let columns: Vec<ArrayRef> = vec![
                Arc::new(
                    groups
                        .iter()
                        .map(|group| Some(number(group.part)))
                        .collect::<Int32Array>(),
                ),
                Arc::new(
                    groups
                        .iter()
                        .map(|group| i64::try_from(group.size).ok())
                        .collect::<Int64Array>(),
                ),
                Arc::new(
                    groups
                        .iter()
                        .map(|group| Some(number(group.group)))
                        .collect::<Int32Array>(),
                ),
                Arc::new(bytes.finish()),
            ];
            let table = RecordBatch::try_new(schema(), columns)?;
            writer
                .write(&table)
                .and_then(|()| writer.flush())
                .map_err(StoreError::parquet(&aside))?;
        }
        writer.close().map_err(StoreError::parquet(&aside))?;
        fs::rename(&aside, &path).map_err(StoreError::io("moving", &path))?;
    }
    write_list(store)
}

/// Removes the filters of a batch, whose texts are about to be others.
///
/// # Errors
/// They cannot be removed.
pub fn forget(store: &Store, batch: &str) -> Result<(), StoreError> {
    let folder = folder_of(store, batch);
    if !folder.is_dir() {
        return Ok(());
    }
    fs::remove_dir_all(&folder).map_err(StoreError::io("removing", &folder))?;
    write_list(store)
}

fn names(store: &Store) -> Vec<String> {
    let root = &store.layout().root;
    let files = walkdir::WalkDir::new(root.join(FOLDER)).sort_by_file_name();
    let files = files
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_type().is_file());
    let names = files.filter_map(|entry| {
        let below = entry.path().strip_prefix(root).ok()?;
        Some(below.display().to_string())
    });
    names.filter(|name| name != LIST).collect()
}

fn write_list(store: &Store) -> Result<(), StoreError> {
    derived::write_list(&store.layout().root, LIST, &names(store))
}

/// What makes them anew.
const AGAIN: &str = "`trail search` makes it anew";

/// Holds the filters, if there are any, against their list.
#[must_use]
pub fn check_words(store: &Store) -> Vec<Damage> {
    derived::check(&store.layout().root, LIST, &names(store), AGAIN)
}

/// Makes the filters that are there anew and names those that were not what the texts give.
///
/// # Errors
/// The store cannot be read or written.
pub fn remake_words(store: &Store) -> Result<Vec<Damage>, StoreError> {
    let mut damages = Vec::new();
    for custody in store.batches() {
        if has_no_words(store, custody) {
            continue;
        }
        let rows = |store: &Store| -> Result<Vec<(u64, Group, Vec<u8>)>, StoreError> {
            let mut rows = Vec::new();
            for path in files_of(store, &custody.batch) {
                for slice in 0..SLICES {
                    read_slice(store, &path, slice, |group, bytes| {
                        rows.push((slice, group, bytes.to_vec()));
                    })?;
                }
            }
            Ok(rows)
        };
        let before = rows(store).unwrap_or_default();
        let parts = store.parts("contents", custody);
        let groups = groups_of(store, &parts)?;
        make(store, custody, &parts, &groups)?;
        if before != rows(store)? {
            damages.push(Damage {
                file: format!("{FOLDER}/batch={}", custody.batch),
                batch: custody.batch.clone(),
                reason: "was not what the texts give; it was made anew".to_owned(),
            });
        }
    }
    Ok(damages)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> HashSet<u64, BuildHasherDefault<AsItIs>> {
        let mut words = HashSet::default();
        add_words(text.as_bytes(), &mut words, &mut Vec::new());
        words
    }

    #[test]
    fn every_word_of_a_question_is_a_word_of_the_text() {
        let text = r#"{"a":"Pay INV-0004711\nnow, Müller","p":"C:\new","u":"x\u00e9y","z":"000"}"#;
        let known = words(text);
        for question in [
            "pay", "4711", "0004711", "inv 4711", "NOW", "MÜLLER", "new", "C:\\new", "y", "0", "00",
        ] {
            let asked = words_of(question);
            assert!(
                !asked.is_empty() && asked.iter().all(|hash| known.contains(hash)),
                "{question}"
            );
        }
        for question in ["711", "47110", "mull", "payments"] {
            assert!(
                !words_of(question).iter().all(|hash| known.contains(hash)),
                "{question}"
            );
        }
        let all: Vec<u64> = known.into_iter().collect();
        let slices = filter::of_hashes(all.clone());
        assert!(all.iter().all(|hash| filter::has(&slices, *hash)));
        assert_eq!(slices.len() % filter::BLOCK, 0);
    }
}
