//! Columns of numbers that lie in memory, or in a file that is read where it is needed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::model::Digest;
use crate::store::StoreError;

/// A value of fixed width, little-endian.
pub(super) trait Fixed: Copy {
    /// Bytes of one value.
    const WIDTH: usize;
    /// What stands for a value that cannot be read: no answer is built on it, see [`Source::check`].
    const NONE: Self;

    fn put(self, out: &mut Vec<u8>);
    fn get(bytes: &[u8]) -> Self;
}

macro_rules! fixed_number {
    ($($number:ty),+) => {$(
        impl Fixed for $number {
            const WIDTH: usize = size_of::<$number>();
            const NONE: Self = <$number>::MAX;

            fn put(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn get(bytes: &[u8]) -> Self {
                Self::from_le_bytes(bytes.try_into().unwrap_or([0xff; size_of::<$number>()]))
            }
        }
    )+};
}

fixed_number!(u8, u32, u64, u128, i64);

impl Fixed for Digest {
    const WIDTH: usize = 32;
    const NONE: Self = Digest([0xff; 32]);

    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn get(bytes: &[u8]) -> Self {
        bytes.try_into().map_or(Self::NONE, Digest)
    }
}

/// An open file that columns are read from.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    file: Mutex<File>,
    failed: OnceLock<io::Error>,
}

impl Source {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            file: Mutex::new(File::open(path)?),
            failed: OnceLock::new(),
        })
    }

    pub(super) fn size(&self) -> io::Result<u64> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(file.metadata()?.len())
    }

    /// Bytes from a place on. A failure is kept for [`Source::check`].
    pub(super) fn read(&self, at: u64, bytes: &mut [u8]) -> bool {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let read = file
            .seek(SeekFrom::Start(at))
            .and_then(|_| file.read_exact(bytes));
        match read {
            Ok(()) => true,
            Err(error) => {
                // The first failure is the one to tell of.
                let _ = self.failed.set(error);
                false
            }
        }
    }

    /// Whether all reads until now went well.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match self.failed.get() {
            None => Ok(()),
            Some(error) => Err(StoreError::Io {
                action: "reading",
                path: self.path.clone(),
                error: io::Error::new(error.kind(), error.to_string()),
            }),
        }
    }
}

/// One seek costs about as much as that many values in a row.
const SEEK: usize = 2000;
/// Single reads after which a whole column is read, at least and at most.
const FEWEST: usize = 16;
const MOST: usize = 2000;
/// Values that are written together.
const AT_ONCE: usize = 1 << 14;

/// A column.
#[derive(Debug)]
pub(super) enum Column<T> {
    /// In memory.
    Held(Vec<T>),
    /// In a file.
    Stored {
        source: Arc<Source>,
        at: u64,
        len: usize,
        singles: AtomicUsize,
        whole: OnceLock<Vec<T>>,
    },
}

impl<T: Fixed> Column<T> {
    pub(super) fn stored(source: &Arc<Source>, at: u64, len: usize) -> Self {
        Self::Stored {
            source: Arc::clone(source),
            at,
            len,
            singles: AtomicUsize::new(0),
            whole: OnceLock::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Held(values) => values.len(),
            Self::Stored { len, .. } => *len,
        }
    }

    /// Single reads that cost less than reading all of it.
    fn singles(&self) -> usize {
        (self.len() / SEEK).clamp(FEWEST, MOST)
    }

    /// One value; [`Fixed::NONE`] behind the end.
    pub(super) fn get(&self, index: usize) -> T {
        match self {
            Self::Held(values) => values.get(index).copied().unwrap_or(T::NONE),
            Self::Stored { singles, .. } => {
                if singles.load(Ordering::Relaxed) > self.singles() {
                    return self.whole().get(index).copied().unwrap_or(T::NONE);
                }
                singles.fetch_add(1, Ordering::Relaxed);
                let found = self.read(index, 1);
                found.first().copied().unwrap_or(T::NONE)
            }
        }
    }

    /// The values of a range, as far as it lies in the column.
    pub(super) fn range(&self, start: usize, end: usize) -> Vec<T> {
        let end = end.min(self.len());
        let start = start.min(end);
        match self {
            Self::Held(values) => values[start..end].to_vec(),
            Self::Stored { singles, whole, .. } => {
                if let Some(values) = whole.get() {
                    return values[start..end].to_vec();
                }
                if singles.fetch_add(1, Ordering::Relaxed) > self.singles() {
                    return self.whole()[start..end].to_vec();
                }
                self.read(start, end - start)
            }
        }
    }

    /// All values.
    pub(super) fn whole(&self) -> &[T] {
        match self {
            Self::Held(values) => values,
            Self::Stored { len, whole, .. } => whole.get_or_init(|| self.read(0, *len)),
        }
    }

    /// Lets go of what was read of a file.
    pub(super) fn forget(&mut self) {
        if let Self::Stored { singles, whole, .. } = self {
            *singles = AtomicUsize::new(0);
            *whole = OnceLock::new();
        }
    }

    fn read(&self, start: usize, count: usize) -> Vec<T> {
        let Self::Stored {
            source, at, len, ..
        } = self
        else {
            return Vec::new();
        };
        let count = count.min(len.saturating_sub(start));
        let mut values = Vec::with_capacity(count);
        // In pieces that stay in the processor's cache between being read and being decoded.
        let mut bytes = vec![0; count.min(AT_ONCE) * T::WIDTH];
        while values.len() < count {
            let piece = &mut bytes[..(count - values.len()).min(AT_ONCE) * T::WIDTH];
            if !source.read(at + ((start + values.len()) * T::WIDTH) as u64, piece) {
                return vec![T::NONE; count];
            }
            values.extend(piece.chunks_exact(T::WIDTH).map(T::get));
        }
        values
    }

    pub(super) fn put(&self, out: &mut impl Write) -> io::Result<()> {
        let mut bytes = Vec::new();
        for values in self.whole().chunks(AT_ONCE) {
            bytes.clear();
            values.iter().for_each(|value| value.put(&mut bytes));
            out.write_all(&bytes)?;
        }
        Ok(())
    }

    /// First index whose value does not satisfy a condition that holds for a beginning only.
    pub(super) fn partition_point(&self, mut holds: impl FnMut(T) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if holds(self.get(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_column_answers_as_the_held_one() {
        let values: Vec<u32> = (0..5000).map(|n| n * 3).collect();
        let held = Column::Held(values);
        let mut bytes = vec![7; 5];
        held.put(&mut bytes).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("column");
        std::fs::write(&path, &bytes).unwrap();
        let source = Arc::new(Source::open(&path).unwrap());
        let stored: Column<u32> = Column::stored(&source, 5, 5000);
        assert_eq!(stored.range(10, 13), [30, 33, 36]);
        assert_eq!(stored.range(4998, 9000), [14_994, 14_997]);
        assert_eq!(stored.partition_point(|value| value < 3000), 1000);
        for index in 0..5001 {
            assert_eq!(stored.get(index), held.get(index));
        }
        assert_eq!(stored.whole(), held.whole());
        source.check().unwrap();
    }

    #[test]
    fn a_file_that_became_shorter_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("column");
        std::fs::write(&path, [1, 0, 0, 0]).unwrap();
        let source = Arc::new(Source::open(&path).unwrap());
        let stored: Column<u32> = Column::stored(&source, 0, 2);
        assert_eq!(stored.get(0), 1);
        source.check().unwrap();
        assert_eq!(stored.get(1), u32::MAX);
        assert!(source.check().is_err());
    }
}
