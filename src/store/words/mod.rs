//! Which texts of the contents tables may hold what a search asks for: it reads those only.
//!
//! Of each row group of texts the distinct words stand in a split block Bloom filter (as in [`super::filter`]),
//! which is cut into slices by the words' hashes: a question for whole words reads one slice a word, of all
//! row groups at once. For the middle of a word and regular expressions the words themselves are kept, of
//! stretches of the texts. The files are derived: made by the first search of a batch, and made again where they
//! are missing or do not fit the texts. They are encrypted as the texts are.
//!
//! ```text
//! search/batch=<id>/words-<n>.parquet      one row group a slice; a row is a row group of texts:
//!                                          part, size (bytes of that part), group, filter
//! search/batch=<id>/stretches-<n>.parquet  a row is a stretch of a row group of texts: part, size, group, first
//!                                          row, rows, words (in lower case, one a line)
//! search/_files.json                       their sizes and SHA-256
//! ```

mod cut;
mod filters;
mod shape;
mod stretches;

use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

#[cfg(test)]
pub(crate) use cut::words_folded;
pub use cut::{fold, is_word_byte, words_of};
pub use shape::WordShape;
pub use stretches::Fragments;

use self::filters::SLICES;
use self::stretches::{Collector, Finder, Stretch, StretchWriter};
use sha2::{Digest as _, Sha256};

use super::derived::{self, Damage};
use super::{Custody, Store, StoreError, content_groups, scan_stored_texts, side_by_side};

/// Folder of the files, below the store's.
const FOLDER: &str = "search";
const LIST: &str = "search/_files.json";
/// Row groups of texts whose filters are made, and held, at once.
const GROUPS_A_FILE: usize = 1024;
/// Row groups of texts whose words are made, and held, at once.
const GROUPS_A_PIECE: usize = 32;

/// Pieces of the words of which is told whether to look at all of them pays.
const SAMPLE: usize = 4;

/// A row group of a contents file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Group {
    part: usize,
    size: u64,
    group: usize,
}

/// Where texts are that a search has to read.
#[derive(Clone, Debug)]
pub struct TextPlace {
    /// File of the contents table.
    pub path: PathBuf,
    /// Row group.
    pub group: usize,
    /// Rows of the row group, in order; all if not given.
    pub rows: Option<Vec<Range<usize>>>,
}

impl TextPlace {
    /// All texts of a row group.
    #[must_use]
    pub(super) fn all_of(path: &Path, group: usize) -> Self {
        Self {
            path: path.to_owned(),
            group,
            rows: None,
        }
    }
}

/// What texts must hold to have a match.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Hashes of whole words ([`words_of`]).
    pub words: Vec<u64>,
    /// Parts of words.
    pub fragments: Fragments,
    /// Shapes of words.
    pub shapes: Vec<WordShape>,
}

impl Wanted {
    /// Whether the words themselves have to be looked at.
    fn is_within_words(&self) -> bool {
        !self.fragments.is_empty() || !self.shapes.is_empty()
    }
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

/// Texts of a batch in which all that is wanted may stand; all of them, where nothing is known. What says so is
/// made where it is missing; where that cannot be, every text may have a match.
///
/// # Errors
/// The texts cannot be read.
pub fn texts_with(
    store: &Store,
    custody: &Custody,
    wanted: &Wanted,
) -> Result<Vec<TextPlace>, StoreError> {
    let parts = store.parts("contents", custody);
    let groups = groups_of(store, &parts)?;
    let mut found: Option<Rows> = None;
    if !wanted.words.is_empty() || wanted.is_within_words() {
        found = look_up(store, custody, &groups, wanted).ok().flatten();
        if found.is_none() || is_unfinished(store) {
            let make = || -> Result<Option<Rows>, StoreError> {
                let _lock = start(store)?;
                // Somebody else may have made it meanwhile.
                if let Ok(Some(found)) = look_up(store, custody, &groups, wanted) {
                    return Ok(Some(found));
                }
                make(store, custody, &parts, &groups)?;
                look_up(store, custody, &groups, wanted)
            };
            found = make().ok().flatten().or(found);
        }
    }
    let found = found.unwrap_or_else(|| groups.into_iter().map(|group| (group, None)).collect());
    let place = |(group, rows): (Group, Option<Vec<Range<usize>>>)| TextPlace {
        path: parts[group.part].clone(),
        group: group.group,
        rows,
    };
    Ok(found.into_iter().map(place).collect())
}

/// Row groups, and rows of them if not all.
type Rows = Vec<(Group, Option<Vec<Range<usize>>>)>;

/// Whether a search of a batch has to make first what says where words are.
#[must_use]
pub fn has_no_words(store: &Store, custody: &Custody) -> bool {
    let files = |beginning| files_of(store, &custody.batch, beginning).len();
    is_unfinished(store)
        || !folder_of(store, &custody.batch).is_dir()
        || files(FILTERS) != files(STRETCHES)
}

fn is_unfinished(store: &Store) -> bool {
    derived::is_unfinished(&store.layout().root, LIST)
}

/// Takes the store's lock to make files. What is unfinished then is of somebody who was killed: it is removed.
fn start(store: &Store) -> Result<fs::File, StoreError> {
    let lock = store.lock()?;
    if is_unfinished(store) {
        let folder = store.layout().root.join(FOLDER);
        fs::remove_dir_all(&folder).map_err(StoreError::io("removing", folder))?;
    }
    Ok(lock)
}

/// Makes what a search needs of all batches that have it not.
///
/// # Errors
/// Texts cannot be read, or the files not be written.
pub fn make_words(store: &Store) -> Result<(), StoreError> {
    if !store
        .batches()
        .iter()
        .any(|batch| has_no_words(store, batch))
    {
        return Ok(());
    }
    let _lock = start(store)?;
    for custody in store.batches() {
        if has_no_words(store, custody) {
            let parts = store.parts("contents", custody);
            make(store, custody, &parts, &groups_of(store, &parts)?)?;
        }
    }
    Ok(())
}

/// The texts in which all that is wanted may stand, `None` if what is known does not fit the texts.
fn look_up(
    store: &Store,
    custody: &Custody,
    groups: &[Group],
    wanted: &Wanted,
) -> Result<Option<Rows>, StoreError> {
    let mut found: Vec<Group> = groups.to_vec();
    for word in &wanted.words {
        let mut known = Vec::new();
        let mut fitting = Vec::new();
        for path in files_of(store, &custody.batch, FILTERS) {
            filters::look_up(store, &path, *word, |group, may_hold| {
                if may_hold {
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
    if !wanted.is_within_words() {
        return Ok(Some(found.into_iter().map(|group| (group, None)).collect()));
    }
    let pieces = pieces_of(store, custody)?;
    let of_pieces = |pieces: &[(PathBuf, usize)]| {
        side_by_side(pieces, |(path, piece)| {
            let mut finder = Finder::new(wanted);
            let mut stretches: Vec<(Group, Option<Range<usize>>)> = Vec::new();
            stretches::read(store, path, *piece, |group, rows, words| {
                stretches.push((group, finder.fits(words).then_some(rows)));
            })?;
            Ok::<_, StoreError>(stretches)
        })
    };
    if pieces.len() > 2 * SAMPLE {
        let sample = pieces.iter().step_by(pieces.len() / SAMPLE);
        let sample = of_pieces(&sample.cloned().collect::<Vec<_>>())?.concat();
        let fitting = sample.iter().filter(|(_, rows)| rows.is_some()).count();
        // What stands nearly everywhere is not worth the reading of all words.
        if fitting * 2 > sample.len() {
            return Ok(Some(found.into_iter().map(|group| (group, None)).collect()));
        }
    }
    let stretches = of_pieces(&pieces)?;
    // How many stretches a row group has, and the rows of those that fit.
    let mut rows: HashMap<Group, (usize, Vec<Range<usize>>)> = HashMap::new();
    for (group, fitting) in stretches.into_iter().flatten() {
        let of_group = rows.entry(group).or_default();
        of_group.0 += 1;
        of_group.1.extend(fitting);
    }
    if rows.len() != groups.len() || groups.iter().any(|group| !rows.contains_key(group)) {
        return Ok(None);
    }
    let found = found.into_iter().filter_map(|group| {
        let (stretches, rows) = rows.remove(&group).filter(|(_, rows)| !rows.is_empty())?;
        // Stretches end within pages: where half of them fit, nearly all pages are read.
        Some((group, (rows.len() * 2 <= stretches).then_some(rows)))
    });
    Ok(Some(found.collect()))
}

/// Beginnings of the names of the files.
const FILTERS: &str = "words-";
const STRETCHES: &str = "stretches-";

fn files_of(store: &Store, batch: &str, beginning: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder_of(store, batch)).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    let is_one = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str());
        let rest = name.and_then(|name| name.strip_prefix(beginning));
        rest.is_some_and(|rest| rest.ends_with(".parquet"))
    };
    paths.retain(|path| is_one(path));
    paths.sort();
    paths
}

fn pieces_of(store: &Store, custody: &Custody) -> Result<Vec<(PathBuf, usize)>, StoreError> {
    let mut all = Vec::new();
    for path in files_of(store, &custody.batch, STRETCHES) {
        let pieces = 0..stretches::pieces(store, &path)?;
        all.extend(pieces.map(|piece| (path.clone(), piece)));
    }
    Ok(all)
}

/// The filter of the words of a row group, and the words of its stretches.
fn words_in(
    store: &Store,
    path: &Path,
    group: usize,
) -> Result<(Vec<Vec<u8>>, Vec<Stretch>), StoreError> {
    let mut collector = Collector::default();
    scan_stored_texts(store, path, group, |_, _, _, _, text| collector.add(text))?;
    let (words, stretches) = collector.finish();
    Ok((filters::of_words(words), stretches))
}

/// Makes the files of a batch.
fn make(
    store: &Store,
    custody: &Custody,
    parts: &[PathBuf],
    groups: &[Group],
) -> Result<(), StoreError> {
    let folder = folder_of(store, &custody.batch);
    let key = store.access().contents_key(&custody.batch)?;
    forget(store, &custody.batch)?;
    derived::begin(&store.layout().root, LIST)?;
    fs::create_dir_all(&folder).map_err(StoreError::io("creating", &folder))?;
    for (number, groups) in groups.chunks(GROUPS_A_FILE).enumerate() {
        let path = |beginning: &str| folder.join(format!("{beginning}{number:05}.new"));
        let (words, stretches) = (path(FILTERS), path(STRETCHES));
        let mut filters = Vec::new();
        let mut writer = StretchWriter::create(&stretches, key)?;
        for groups in groups.chunks(GROUPS_A_PIECE) {
            let made = side_by_side(groups, |group| {
                words_in(store, &parts[group.part], group.group)
            })?;
            let (of_words, of_stretches): (Vec<_>, Vec<_>) = made.into_iter().unzip();
            filters.extend(of_words);
            writer.write(groups, &of_stretches)?;
        }
        writer.close()?;
        filters::write(&words, key, groups, &filters)?;
        for aside in [stretches, words] {
            let path = aside.with_extension("parquet");
            fs::rename(&aside, &path).map_err(StoreError::io("moving", &path))?;
        }
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
    derived::begin(&store.layout().root, LIST)?;
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
    derived::write_list(&store.layout().root, LIST, &names(store), &[])
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
    let _lock = start(store)?;
    let mut damages = Vec::new();
    for custody in store.batches() {
        if has_no_words(store, custody) {
            continue;
        }
        let rows = |store: &Store| -> Result<Vec<(Group, u64, Vec<u8>)>, StoreError> {
            let mut rows = Vec::new();
            for path in files_of(store, &custody.batch, FILTERS) {
                for slice in 0..SLICES {
                    filters::read_slice(store, &path, slice, |group, bytes| {
                        rows.push((group, slice, Sha256::digest(bytes).to_vec()));
                    })?;
                }
            }
            for (path, piece) in pieces_of(store, custody)? {
                stretches::read(store, &path, piece, |group, place, words| {
                    rows.push((group, place.start as u64, Sha256::digest(words).to_vec()));
                })?;
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
