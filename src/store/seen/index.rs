//! A sorted file of record digests, with a filter in front.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::super::StoreError;

const MAGIC: &[u8; 8] = b"trailsn1";
/// Bytes before the filter.
const HEAD: u64 = 16;
const ENTRY: usize = 20;
/// Bits of the filter a record: about one false answer in a hundred.
const BITS: u64 = 10;
const HASHES: u64 = 7;

/// A record's digest, and how often it occurs.
pub(super) type Entry = (u128, u32);

/// A sorted file of record digests and counts.
///
/// Layout, big-endian: `trailsn1`, number of entries (u64), the filter (10 bits an entry, rounded up
/// to 8 bytes), the entries (digest u128, count u32).
pub struct SeenIndex {
    path: PathBuf,
    file: File,
    entries: u64,
    filter: Vec<u64>,
    start: u64,
}

fn filter_words(entries: u64) -> u64 {
    (entries * BITS).div_ceil(64).max(1)
}

fn filter_bits(digest: u128, words: u64) -> impl Iterator<Item = u64> {
    // Both halves of a SHA-256 are random already (Kirsch and Mitzenmacher's double hashing).
    let (a, b) = ((digest >> 64) as u64, digest as u64 | 1);
    (0..HASHES).map(move |i| a.wrapping_add(i.wrapping_mul(b)) % (words * 64))
}

impl SeenIndex {
    /// Opens an index.
    ///
    /// # Errors
    /// The file cannot be read or is none.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let damaged = || StoreError::Damaged {
            path: path.to_owned(),
            reason: "no index of records".into(),
        };
        let file = File::open(path).map_err(StoreError::io("opening", path))?;
        let mut head = [0; HEAD as usize];
        file.read_exact_at(&mut head, 0).map_err(|_| damaged())?;
        if &head[..8] != MAGIC {
            return Err(damaged());
        }
        let mut number = [0; 8];
        number.copy_from_slice(&head[8..]);
        let entries = u64::from_be_bytes(number);
        let length = file
            .metadata()
            .map_err(StoreError::io("reading", path))?
            .len();
        let words = filter_words(entries.min(length));
        let start = HEAD + words * 8;
        if entries > length || start + entries * ENTRY as u64 != length {
            return Err(damaged());
        }
        let mut bytes = vec![0; usize::try_from(words * 8).map_err(|_| damaged())?];
        file.read_exact_at(&mut bytes, HEAD)
            .map_err(|_| damaged())?;
        let filter = bytes
            .chunks_exact(8)
            .map(|chunk| u64::from_be_bytes(chunk.try_into().unwrap_or_default()))
            .collect();
        Ok(Self {
            path: path.to_owned(),
            file,
            entries,
            filter,
            start,
        })
    }

    /// How many occurrences of that record are known.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn count(&self, digest: u128) -> Result<u32, StoreError> {
        let words = self.filter.len() as u64;
        let hit = |bit: u64| self.filter[(bit / 64) as usize] & (1 << (bit % 64)) != 0;
        if self.entries == 0 || !filter_bits(digest, words).all(hit) {
            return Ok(0);
        }
        // Digests are spread evenly: where one must be is known nearly. Each second step halves, whatever they are.
        let (mut low, mut high) = (0, self.entries);
        let (mut least, mut most) = (0, u128::MAX);
        let mut guess = true;
        while low < high {
            let middle = match guess {
                true => between(low, high, (digest, least, most)),
                false => low.midpoint(high),
            };
            guess = !guess;
            let (found, count) = self.entry(middle)?;
            match found.cmp(&digest) {
                std::cmp::Ordering::Equal => return Ok(count),
                std::cmp::Ordering::Less => (low, least) = (middle + 1, found),
                std::cmp::Ordering::Greater => (high, most) = (middle, found),
            }
        }
        Ok(0)
    }

    fn entry(&self, index: u64) -> Result<Entry, StoreError> {
        let mut bytes = [0; ENTRY];
        self.file
            .read_exact_at(&mut bytes, self.start + index * ENTRY as u64)
            .map_err(StoreError::io("reading", &self.path))?;
        Ok(decode(&bytes))
    }

    /// All entries, in their order. The file is read through the handle of the index, by one reader at a time.
    fn entries(&self) -> Result<impl Iterator<Item = io::Result<Entry>> + '_, StoreError> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(self.start))
            .map_err(StoreError::io("reading", &self.path))?;
        let mut reader = BufReader::with_capacity(64 << 10, file);
        Ok((0..self.entries).map(move |_| {
            let mut bytes = [0; ENTRY];
            reader.read_exact(&mut bytes)?;
            Ok(decode(&bytes))
        }))
    }

    /// Whether any record of another index is in this one.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn overlaps(&self, other: &Self) -> Result<bool, StoreError> {
        for entry in other.entries()? {
            let (digest, _) = entry.map_err(StoreError::io("reading", &other.path))?;
            if self.count(digest)? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes an index of so many entries, which come in their order, to an empty file.
    ///
    /// # Errors
    /// The file cannot be written, or where they come from not be read.
    pub(super) fn write(
        file: File,
        path: &Path,
        entries: u64,
        sorted: impl Iterator<Item = io::Result<Entry>>,
    ) -> Result<Self, StoreError> {
        let words = filter_words(entries);
        let start = HEAD + words * 8;
        let mut filter = vec![0u64; usize::try_from(words).unwrap_or(usize::MAX)];
        let write = || -> io::Result<()> {
            let mut out = BufWriter::new(&file);
            out.seek(SeekFrom::Start(start))?;
            for entry in sorted {
                let (digest, count) = entry?;
                for bit in filter_bits(digest, words) {
                    filter[(bit / 64) as usize] |= 1 << (bit % 64);
                }
                out.write_all(&digest.to_be_bytes())?;
                out.write_all(&count.to_be_bytes())?;
            }
            out.seek(SeekFrom::Start(0))?;
            out.write_all(MAGIC)?;
            out.write_all(&entries.to_be_bytes())?;
            for word in &filter {
                out.write_all(&word.to_be_bytes())?;
            }
            out.flush()
        };
        write().map_err(StoreError::io("writing", path))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            entries,
            filter,
            start,
        })
    }

    /// Waits until all of it is on the disk.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.file
            .sync_all()
            .map_err(StoreError::io("syncing", &self.path))
    }
}

/// Where between two places a digest must be, if those between are spread evenly.
fn between(low: u64, high: u64, (digest, least, most): (u128, u128, u128)) -> u64 {
    // The upper halves tell it well enough, and their product with a number of entries fits.
    let upper = |digest: u128| digest >> 64;
    let span = (upper(most) - upper(least)).max(1);
    let share = (upper(digest).saturating_sub(upper(least))) * u128::from(high - low) / span;
    low + u64::try_from(share).unwrap_or(u64::MAX).min(high - low - 1)
}

fn decode(bytes: &[u8; ENTRY]) -> Entry {
    let (mut digest, mut count) = ([0; 16], [0; 4]);
    digest.copy_from_slice(&bytes[..16]);
    count.copy_from_slice(&bytes[16..]);
    (u128::from_be_bytes(digest), u32::from_be_bytes(count))
}

/// Entries of indexes and of a sorted list, in one order; those of one record are made one.
pub(super) struct Merge<'m> {
    sources: Vec<Box<dyn Iterator<Item = io::Result<Entry>> + 'm>>,
    heads: BinaryHeap<Reverse<(u128, usize, u32)>>,
    both: fn(u32, u32) -> u32,
    failed: Option<io::Error>,
}

impl<'m> Merge<'m> {
    /// `both` says what counts of one record in two sources are together.
    ///
    /// # Errors
    /// An index cannot be read.
    pub(super) fn of(
        runs: &'m [SeenIndex],
        sorted: &'m [Entry],
        both: fn(u32, u32) -> u32,
    ) -> Result<Self, StoreError> {
        let mut sources: Vec<Box<dyn Iterator<Item = io::Result<Entry>> + 'm>> = Vec::new();
        for run in runs {
            sources.push(Box::new(run.entries()?));
        }
        sources.push(Box::new(sorted.iter().copied().map(Ok)));
        let mut merge = Self {
            heads: BinaryHeap::with_capacity(sources.len()),
            sources,
            both,
            failed: None,
        };
        for source in 0..merge.sources.len() {
            merge.advance(source);
        }
        Ok(merge)
    }

    fn advance(&mut self, source: usize) {
        match self.sources[source].next() {
            Some(Ok((digest, count))) => self.heads.push(Reverse((digest, source, count))),
            Some(Err(error)) => self.failed = Some(error),
            None => {}
        }
    }
}

impl Iterator for Merge<'_> {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            self.heads.clear();
            return Some(Err(error));
        }
        let Reverse((digest, source, mut count)) = self.heads.pop()?;
        self.advance(source);
        while let Some(Reverse((next, source, more))) = self.heads.peek().copied()
            && next == digest
        {
            self.heads.pop();
            count = (self.both)(count, more);
            self.advance(source);
        }
        Some(Ok((digest, count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, entries: &[Entry]) -> SeenIndex {
        let sorted = entries.iter().copied().map(Ok);
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
            .unwrap();
        SeenIndex::write(file, path, entries.len() as u64, sorted).unwrap()
    }

    #[test]
    fn many_entries() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("_seen.idx");
        let spread = |i: u128| i.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let mut entries: Vec<Entry> = (1..5000).map(|i| (spread(i), i as u32)).collect();
        entries.sort_unstable();
        write(&path, &entries);
        let index = SeenIndex::open(&path).unwrap();
        for i in 1..5000 {
            assert_eq!(index.count(spread(i)).unwrap(), i as u32);
        }
        for i in 6000..7000 {
            assert_eq!(index.count(spread(i)).unwrap(), 0);
        }
        std::fs::write(&path, b"short").unwrap();
        assert!(SeenIndex::open(&path).is_err());
    }

    #[test]
    fn digests_that_are_not_spread_are_found_too() {
        let folder = tempfile::tempdir().unwrap();
        let near: Vec<Entry> = (0..1000).map(|i| (i, 1)).collect();
        let ends: Vec<Entry> = vec![(0, 3), (u128::MAX - 1, 4), (u128::MAX, 5)];
        for (name, entries) in [("near", near), ("ends", ends), ("none", Vec::new())] {
            let index = write(&folder.path().join(name), &entries);
            for (digest, count) in &entries {
                assert_eq!(index.count(*digest).unwrap(), *count, "{name}");
            }
            assert_eq!(index.count(1 << 90).unwrap(), 0);
        }
    }

    #[test]
    fn what_is_merged_is_in_order_and_each_once() {
        let folder = tempfile::tempdir().unwrap();
        let runs = [
            write(&folder.path().join("a"), &[(1, 1), (5, 2), (9, 1)]),
            write(&folder.path().join("b"), &[]),
            write(&folder.path().join("c"), &[(5, 3), (7, 1)]),
        ];
        let list = [(0, 1), (5, 1), (9, 4)];
        for _ in 0..2 {
            let merged = Merge::of(&runs, &list, u32::wrapping_add).unwrap();
            let merged: Vec<Entry> = merged.map(Result::unwrap).collect();
            assert_eq!(merged, [(0, 1), (1, 1), (5, 6), (7, 1), (9, 5)]);
        }
        let most = Merge::of(&runs, &list, Ord::max).unwrap();
        assert_eq!(most.map(Result::unwrap).nth(2), Some((5, 3)));
    }
}
