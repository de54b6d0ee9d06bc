//! Which records the store has already, so that overlapping exports add nothing twice.
//!
//! Each batch keeps the first 128 bits of the digests of its records with the number of times each
//! occurred, sorted, in `events/batch=<id>/_seen.idx`. A Bloom filter in front answers most
//! questions without a look at the file; memory is a few bits a record whatever the size.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::StoreError;

const MAGIC: &[u8; 8] = b"trailsn1";
const ENTRY: usize = 20;
/// Bits of the filter a record: about one false answer in a hundred.
const BITS: u64 = 10;
const HASHES: u64 = 7;

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
        let mut head = [0; 16];
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
        let start = 16 + words * 8;
        if entries > length || start + entries * ENTRY as u64 != length {
            return Err(damaged());
        }
        let mut bytes = vec![0; usize::try_from(words * 8).map_err(|_| damaged())?];
        file.read_exact_at(&mut bytes, 16).map_err(|_| damaged())?;
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
        let (mut low, mut high) = (0, self.entries);
        while low < high {
            let middle = low.midpoint(high);
            let (found, count) = self.entry(middle)?;
            match found.cmp(&digest) {
                std::cmp::Ordering::Equal => return Ok(count),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(0)
    }

    fn entry(&self, index: u64) -> Result<(u128, u32), StoreError> {
        let mut bytes = [0; ENTRY];
        self.file
            .read_exact_at(&mut bytes, self.start + index * ENTRY as u64)
            .map_err(StoreError::io("reading", &self.path))?;
        Ok(decode(&bytes))
    }

    /// Whether any of these digests (sorted) is in the index.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn overlaps(&self, sorted: &[(u128, u32)]) -> Result<bool, StoreError> {
        for (digest, _) in sorted {
            if self.count(*digest)? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes an index of these entries, which are sorted.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(path: &Path, sorted: &[(u128, u32)]) -> Result<(), StoreError> {
        let write = || -> std::io::Result<()> {
            let mut out = BufWriter::new(File::create(path)?);
            let entries = sorted.len() as u64;
            out.write_all(MAGIC)?;
            out.write_all(&entries.to_be_bytes())?;
            let words = filter_words(entries);
            let mut filter = vec![0u64; usize::try_from(words).unwrap_or(usize::MAX)];
            for (digest, _) in sorted {
                for bit in filter_bits(*digest, words) {
                    filter[(bit / 64) as usize] |= 1 << (bit % 64);
                }
            }
            for word in filter {
                out.write_all(&word.to_be_bytes())?;
            }
            for (digest, count) in sorted {
                out.write_all(&digest.to_be_bytes())?;
                out.write_all(&count.to_be_bytes())?;
            }
            out.into_inner()
                .map_err(std::io::IntoInnerError::into_error)?
                .sync_all()
        };
        write().map_err(StoreError::io("writing", path))
    }
}

fn decode(bytes: &[u8; ENTRY]) -> (u128, u32) {
    let (mut digest, mut count) = ([0; 16], [0; 4]);
    digest.copy_from_slice(&bytes[..16]);
    count.copy_from_slice(&bytes[16..]);
    (u128::from_be_bytes(digest), u32::from_be_bytes(count))
}

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

/// Records of this ingest and of the batches before it.
#[derive(Default)]
pub struct SeenRecords {
    earlier: Vec<SeenIndex>,
    /// Largest number of occurrences in any one dump of this ingest.
    ingest: Counts,
    /// Occurrences in the dump that is being read, where they differ from one at most.
    dump: Counts,
}

impl SeenRecords {
    /// Starts with the indexes of earlier batches.
    #[must_use]
    pub fn new(earlier: Vec<SeenIndex>) -> Self {
        Self {
            earlier,
            ..Self::default()
        }
    }

    /// Asks and remembers.
    ///
    /// # Errors
    /// An index cannot be read.
    pub fn take(&mut self, digest: u128) -> Result<Seen, StoreError> {
        let count = self.dump.entry(digest).or_insert(0);
        *count += 1;
        let occurrence = *count;
        let known_here = self.ingest.get(&digest).copied().unwrap_or(0);
        if occurrence <= known_here {
            return Ok(Seen::Known);
        }
        for index in &self.earlier {
            if occurrence <= index.count(digest)? {
                return Ok(Seen::Known);
            }
        }
        Ok(Seen::New(occurrence - 1))
    }

    /// The dump ends: its records are now known to the ones behind it.
    pub fn end_dump(&mut self) {
        if self.ingest.is_empty() {
            std::mem::swap(&mut self.ingest, &mut self.dump);
            return;
        }
        for (digest, count) in self.dump.drain() {
            let most = self.ingest.entry(digest).or_insert(0);
            *most = count.max(*most);
        }
        if self.dump.capacity() > 1 << 20 {
            self.dump = Counts::default();
        }
    }

    /// All records of this ingest, sorted.
    #[must_use]
    pub fn into_sorted(mut self) -> Vec<(u128, u32)> {
        self.end_dump();
        let mut entries: Vec<(u128, u32)> = self.ingest.into_iter().collect();
        entries.sort_unstable();
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_and_overlaps() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("_seen.idx");
        let mut seen = SeenRecords::default();
        assert_eq!(seen.take(7).unwrap(), Seen::New(0));
        assert_eq!(seen.take(7).unwrap(), Seen::New(1));
        seen.end_dump();
        // A second dump of the same ingest repeats it once, then once more than known.
        assert_eq!(seen.take(7).unwrap(), Seen::Known);
        assert_eq!(seen.take(7).unwrap(), Seen::Known);
        assert_eq!(seen.take(7).unwrap(), Seen::New(2));
        SeenIndex::write(&path, &seen.into_sorted()).unwrap();
        let mut later = SeenRecords::new(vec![SeenIndex::open(&path).unwrap()]);
        for _ in 0..3 {
            assert_eq!(later.take(7).unwrap(), Seen::Known);
        }
        assert_eq!(later.take(7).unwrap(), Seen::New(3));
        assert_eq!(later.take(8).unwrap(), Seen::New(0));
    }

    #[test]
    fn many_entries() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("_seen.idx");
        let spread = |i: u128| i.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let mut entries: Vec<(u128, u32)> = (1..5000).map(|i| (spread(i), i as u32)).collect();
        entries.sort_unstable();
        SeenIndex::write(&path, &entries).unwrap();
        let index = SeenIndex::open(&path).unwrap();
        for i in 1..5000 {
            assert_eq!(index.count(spread(i)).unwrap(), i as u32);
        }
        assert_eq!(index.count(spread(6000)).unwrap(), 0);
        std::fs::write(&path, b"short").unwrap();
        assert!(SeenIndex::open(&path).is_err());
    }
}
