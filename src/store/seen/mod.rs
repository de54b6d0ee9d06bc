//! Which records the store has already, so that overlapping exports add nothing twice.
//!
//! Each batch keeps the first 128 bits of the digests of its records with the number of times each
//! occurred, sorted, in `events/batch=<id>/_seen.idx`. A Bloom filter in front answers most
//! questions without a look at the file; memory is a few bits a record whatever the size. While a batch is made its
//! own records are looked up in the same way: what memory shall not hold goes to such files without a name, which
//! are gone with the process.

mod index;

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use index::{Entry, Merge};

use super::StoreError;

pub use index::SeenIndex;

/// Records in memory, of the dump that is read and of those before it each: a table of 2^21 places, 70 MB.
const MOST: usize = 7 << 18;

/// The answer to: is this record new?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// New; this many earlier occurrences stand in the same dump.
    New(u32),
    /// The store, or another dump of this ingest, has it.
    Known,
}

/// Digests are random already.
#[derive(Clone, Copy, Default)]
struct Identity(u64);

impl std::hash::Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut head = [0; 8];
        let n = bytes.len().min(8);
        head[..n].copy_from_slice(&bytes[..n]);
        self.0 = u64::from_ne_bytes(head);
    }
}

type Counts = HashMap<u128, u32, std::hash::BuildHasherDefault<Identity>>;

/// Records counted once or several times, in memory and in files.
#[derive(Default)]
struct Counted {
    memory: Counts,
    runs: Vec<SeenIndex>,
}

impl Counted {
    /// What has grown past memory goes to a file.
    fn spill(&mut self, folder: &Path) -> Result<(), StoreError> {
        let sorted = sorted(std::mem::take(&mut self.memory));
        self.runs.push(run_of(folder, &[], &sorted, u32::max)?);
        Ok(())
    }
}

/// Records of this ingest and of the batches before it.
pub struct SeenRecords {
    earlier: Vec<SeenIndex>,
    /// Where files may lie.
    folder: PathBuf,
    /// Records in memory of each of the two.
    most: usize,
    /// Largest number of occurrences in any one dump of this ingest: the largest of what its parts say.
    ingest: Counted,
    /// Occurrences in the dump that is being read: the sum of what its parts say.
    dump: Counted,
}

impl SeenRecords {
    /// Starts with the indexes of earlier batches; what does not fit into memory goes to files in `folder`.
    #[must_use]
    pub fn new(earlier: Vec<SeenIndex>, folder: &Path) -> Self {
        Self {
            earlier,
            folder: folder.to_owned(),
            most: MOST,
            ingest: Counted::default(),
            dump: Counted::default(),
        }
    }

    /// Asks and remembers.
    ///
    /// # Errors
    /// An index cannot be read, or what memory cannot hold not be written.
    pub fn take(&mut self, digest: u128) -> Result<Seen, StoreError> {
        if self.dump.memory.len() >= self.most {
            self.dump.spill(&self.folder)?;
        }
        let count = self.dump.memory.entry(digest).or_insert(0);
        *count = count.saturating_add(1);
        let mut occurrence = *count;
        for run in &self.dump.runs {
            occurrence = occurrence.saturating_add(run.count(digest)?);
        }
        let known_here = self.ingest.memory.get(&digest).copied().unwrap_or(0);
        if occurrence <= known_here {
            return Ok(Seen::Known);
        }
        for index in self.ingest.runs.iter().chain(&self.earlier) {
            if occurrence <= index.count(digest)? {
                return Ok(Seen::Known);
            }
        }
        Ok(Seen::New(occurrence - 1))
    }

    /// The dump ends: its records are now known to the ones behind it.
    ///
    /// # Errors
    /// What memory cannot hold cannot be written.
    pub fn end_dump(&mut self) -> Result<(), StoreError> {
        let Counted { memory, runs } = std::mem::take(&mut self.dump);
        if !runs.is_empty() {
            let run = run_of(&self.folder, &runs, &sorted(memory), u32::saturating_add)?;
            self.ingest.runs.push(run);
            return Ok(());
        }
        if self.ingest.memory.len() + memory.len() > self.most && !self.ingest.memory.is_empty() {
            self.ingest.spill(&self.folder)?;
        }
        if self.ingest.memory.is_empty() {
            self.ingest.memory = memory;
            return Ok(());
        }
        for (digest, count) in memory {
            let most = self.ingest.memory.entry(digest).or_insert(0);
            *most = count.max(*most);
        }
        Ok(())
    }

    /// Writes the index of all records of this ingest.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(mut self, path: &Path) -> Result<SeenIndex, StoreError> {
        self.end_dump()?;
        let Counted { memory, runs } = self.ingest;
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
            .map_err(StoreError::io("creating", path))?;
        let index = merged(file, path, &runs, &sorted(memory), u32::max)?;
        index.sync()?;
        Ok(index)
    }
}

fn sorted(counts: Counts) -> Vec<Entry> {
    let mut entries: Vec<Entry> = counts.into_iter().collect();
    entries.sort_unstable();
    entries
}

/// A file without a name, of what other files and a list say.
fn run_of(
    folder: &Path,
    runs: &[SeenIndex],
    list: &[Entry],
    both: fn(u32, u32) -> u32,
) -> Result<SeenIndex, StoreError> {
    let file = tempfile::tempfile_in(folder).map_err(StoreError::io("writing to", folder))?;
    merged(file, folder, runs, list, both)
}

fn merged(
    file: File,
    path: &Path,
    runs: &[SeenIndex],
    list: &[Entry],
    both: fn(u32, u32) -> u32,
) -> Result<SeenIndex, StoreError> {
    // How many there are stands in front: what is in several is counted by merging twice.
    let mut entries = list.len() as u64;
    if !runs.is_empty() {
        entries = 0;
        for entry in Merge::of(runs, list, both)? {
            entry.map_err(StoreError::io("reading", path))?;
            entries += 1;
        }
    }
    SeenIndex::write(file, path, entries, Merge::of(runs, list, both)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn repetitions_and_overlaps() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("_seen.idx");
        let mut seen = SeenRecords::new(Vec::new(), folder.path());
        assert_eq!(seen.take(7).unwrap(), Seen::New(0));
        assert_eq!(seen.take(7).unwrap(), Seen::New(1));
        seen.end_dump().unwrap();
        // A second dump of the same ingest repeats it once, then once more than known.
        assert_eq!(seen.take(7).unwrap(), Seen::Known);
        assert_eq!(seen.take(7).unwrap(), Seen::Known);
        assert_eq!(seen.take(7).unwrap(), Seen::New(2));
        let index = seen.write(&path).unwrap();
        let mut later = SeenRecords::new(vec![SeenIndex::open(&path).unwrap()], folder.path());
        for _ in 0..3 {
            assert_eq!(later.take(7).unwrap(), Seen::Known);
        }
        assert_eq!(later.take(7).unwrap(), Seen::New(3));
        assert_eq!(later.take(8).unwrap(), Seen::New(0));
        let other = later.write(&folder.path().join("other")).unwrap();
        assert!(index.overlaps(&other).unwrap());
        let mut third = SeenRecords::new(Vec::new(), folder.path());
        third.take(9).unwrap();
        let third = third.write(&folder.path().join("third")).unwrap();
        assert!(!index.overlaps(&third).unwrap());
    }

    proptest! {
        /// However little fits into memory, the answers and the index are the same.
        #[test]
        fn memory_decides_nothing(
            dumps in prop::collection::vec(prop::collection::vec(0u128..40, 0..60), 1..5),
            most in 1usize..20,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let run = |most: usize, name: &str| {
                let mut seen = SeenRecords { most, ..SeenRecords::new(Vec::new(), folder.path()) };
                let mut answers = Vec::new();
                for dump in &dumps {
                    for digest in dump {
                        // Digests are spread over all their bits.
                        let digest = digest.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
                        answers.push(seen.take(digest).unwrap());
                    }
                    seen.end_dump().unwrap();
                }
                let path = folder.path().join(name);
                seen.write(&path).unwrap();
                (answers, std::fs::read(path).unwrap())
            };
            prop_assert_eq!(run(most, "spilled"), run(MOST, "in memory"));
            // What was written on the way is gone.
            prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        }
    }
}
