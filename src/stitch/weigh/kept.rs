//! What was told of cells before. A cell is known again by the digest of all that is looked at in it; what has not
//! changed is not weighed again.

use std::fs;
use std::io::Write;
use std::ops::Range;
use std::path::Path;

use foldhash::{HashMap, HashMapExt};

use super::told::Told;
use crate::model::Digest;
use crate::store::StoreError;

/// What is told of a cell, packed: JSON under zstd.
pub(in crate::stitch) struct KeptCell {
    cell: Digest,
    packed: Vec<u8>,
}

impl KeptCell {
    pub(super) fn pack(cell: Digest, told: &Told) -> Result<Self, StoreError> {
        let failed = |reason: String| StoreError::Damaged {
            path: "tasks".into(),
            reason,
        };
        let text = serde_json::to_vec(told).map_err(|error| failed(error.to_string()))?;
        let packed = zstd::encode_all(&text[..], 1).map_err(|error| failed(error.to_string()))?;
        Ok(Self { cell, packed })
    }

    /// `None` if it cannot be read: it is weighed again then.
    pub(super) fn unpack(&self) -> Option<Told> {
        let reader = zstd::Decoder::new(&self.packed[..]).ok()?;
        serde_json::from_reader(std::io::BufReader::new(reader)).ok()
    }

    /// Writes it: digest, length and what was packed.
    ///
    /// # Errors
    /// It cannot be written.
    pub(in crate::stitch) fn put(&self, out: &mut impl Write) -> std::io::Result<()> {
        out.write_all(&self.cell.0)?;
        out.write_all(&(self.packed.len() as u64).to_le_bytes())?;
        out.write_all(&self.packed)
    }
}

/// What was kept of all cells.
#[derive(Default)]
pub(in crate::stitch) struct Kept {
    bytes: Vec<u8>,
    cells: HashMap<Digest, Range<usize>>,
}

impl Kept {
    /// As far as a file can be read.
    pub(in crate::stitch) fn read(path: &Path) -> Self {
        let mut kept = Self {
            bytes: fs::read(path).unwrap_or_default(),
            cells: HashMap::new(),
        };
        let mut at = 0;
        while let Some((digest, rest)) = kept.bytes[at..].split_first_chunk::<32>() {
            let Some((len, rest)) = rest.split_first_chunk::<8>() else {
                break;
            };
            let start = kept.bytes.len() - rest.len();
            let len = usize::try_from(u64::from_le_bytes(*len)).unwrap_or(usize::MAX);
            let Some(end) = start
                .checked_add(len)
                .filter(|end| *end <= kept.bytes.len())
            else {
                break;
            };
            kept.cells.insert(Digest(*digest), start..end);
            at = end;
        }
        kept
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    pub(super) fn get(&self, cell: Digest) -> Option<KeptCell> {
        let packed = self.bytes.get(self.cells.get(&cell)?.clone())?.to_vec();
        Some(KeptCell { cell, packed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_again_and_a_torn_file_as_far_as_it_goes() {
        let told = Told {
            actions: Vec::new(),
            clocks: Vec::new(),
        };
        let digests = [Digest::of(b"one"), Digest::of(b"two")];
        let mut file = Vec::new();
        for digest in digests {
            KeptCell::pack(digest, &told)
                .unwrap()
                .put(&mut file)
                .unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cells");
        fs::write(&path, &file).unwrap();
        let kept = Kept::read(&path);
        for digest in digests {
            assert!(
                kept.get(digest)
                    .unwrap()
                    .unpack()
                    .unwrap()
                    .actions
                    .is_empty()
            );
        }
        assert!(kept.get(Digest::of(b"three")).is_none());
        fs::write(&path, &file[..file.len() - 1]).unwrap();
        let kept = Kept::read(&path);
        assert!(kept.get(digests[0]).is_some() && kept.get(digests[1]).is_none());
        // Bytes that are no zstd are weighed again.
        file[42] ^= 0xff;
        fs::write(&path, &file).unwrap();
        assert!(
            Kept::read(&path)
                .get(digests[0])
                .unwrap()
                .unpack()
                .is_none()
        );
        assert!(
            Kept::read(&folder.path().join("none"))
                .get(digests[0])
                .is_none()
        );
    }
}
