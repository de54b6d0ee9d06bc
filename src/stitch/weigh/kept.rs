//! What was told of cells before. A cell is known again by the digest of all that is looked at in it; what has not
//! changed is not weighed again.

use std::fs;
use std::io::Write;
use std::ops::Range;
use std::path::Path;

use foldhash::HashMap;

use super::told::{Clock, Told};
use crate::model::Digest;
use crate::store::StoreError;

/// What is told of a cell: its clocks as JSON, actions as JSON under zstd.
pub(in crate::stitch) struct KeptCell {
    cell: Digest,
    clocks: Vec<u8>,
    actions: Vec<u8>,
}

impl KeptCell {
    pub(super) fn pack(cell: Digest, told: &Told) -> Result<Self, StoreError> {
        let failed = |reason: String| StoreError::Damaged {
            path: "tasks".into(),
            reason,
        };
        let json = |error: serde_json::Error| failed(error.to_string());
        let clocks = serde_json::to_vec(&told.clocks).map_err(json)?;
        let actions = serde_json::to_vec(&told.actions).map_err(json)?;
        let actions = zstd::encode_all(&actions[..], 1);
        Ok(Self {
            cell,
            clocks,
            actions: actions.map_err(|error| failed(error.to_string()))?,
        })
    }

    /// `None` if it cannot be read: it is weighed again then.
    pub(super) fn unpack(&self) -> Option<Told> {
        let reader = zstd::Decoder::new(&self.actions[..]).ok()?;
        Some(Told {
            actions: serde_json::from_reader(std::io::BufReader::new(reader)).ok()?,
            clocks: self.clocks()?,
        })
    }

    /// Its clocks alone; `None` if they cannot be read.
    pub(in crate::stitch) fn clocks(&self) -> Option<Vec<Clock>> {
        serde_json::from_slice(&self.clocks).ok()
    }

    /// Writes it: digest, two lengths, clocks and actions.
    ///
    /// # Errors
    /// It cannot be written.
    pub(in crate::stitch) fn put(&self, out: &mut impl Write) -> std::io::Result<()> {
        out.write_all(&self.cell.0)?;
        for bytes in [&self.clocks, &self.actions] {
            out.write_all(&(bytes.len() as u64).to_le_bytes())?;
        }
        out.write_all(&self.clocks)?;
        out.write_all(&self.actions)
    }
}

/// What was kept of all cells.
#[derive(Default)]
pub(in crate::stitch) struct Kept {
    bytes: Vec<u8>,
    /// Digest, clocks and actions of each, in the order of the cells.
    cells: Vec<(Digest, [Range<usize>; 2])>,
    numbers: HashMap<Digest, usize>,
}

impl Kept {
    /// As far as a file can be read.
    pub(in crate::stitch) fn read(path: &Path) -> Self {
        let mut kept = Self {
            bytes: fs::read(path).unwrap_or_default(),
            ..Self::default()
        };
        let mut at = 0;
        while let Some((digest, parts)) = kept.next(at) {
            at = parts[1].end;
            kept.numbers.insert(digest, kept.cells.len());
            kept.cells.push((digest, parts));
        }
        kept
    }

    fn next(&self, at: usize) -> Option<(Digest, [Range<usize>; 2])> {
        let (digest, rest) = self.bytes.get(at..)?.split_first_chunk::<32>()?;
        let (clocks, rest) = rest.split_first_chunk::<8>()?;
        let (actions, rest) = rest.split_first_chunk::<8>()?;
        let start = self.bytes.len() - rest.len();
        let after = |start: usize, len: &[u8; 8]| {
            let len = usize::try_from(u64::from_le_bytes(*len)).ok()?;
            let end = start.checked_add(len)?;
            (end <= self.bytes.len()).then_some(start..end)
        };
        let clocks = after(start, clocks)?;
        let actions = after(clocks.end, actions)?;
        Some((Digest(*digest), [clocks, actions]))
    }

    pub(in crate::stitch) fn len(&self) -> usize {
        self.cells.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// What was kept of the cell of that number.
    pub(in crate::stitch) fn at(&self, number: usize) -> Option<KeptCell> {
        let (cell, parts) = self.cells.get(number)?;
        let [clocks, actions] = parts
            .clone()
            .map(|part| self.bytes.get(part).map(<[u8]>::to_vec));
        Some(KeptCell {
            cell: *cell,
            clocks: clocks?,
            actions: actions?,
        })
    }

    pub(super) fn get(&self, cell: Digest) -> Option<KeptCell> {
        self.at(*self.numbers.get(&cell)?)
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
        // Bytes that are no zstd are weighed again: they follow a digest, two lengths and the clocks.
        file[32 + 16 + "[]".len() + 2] ^= 0xff;
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
