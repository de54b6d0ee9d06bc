//! Files that are there in whole or not at all, and their digests.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::StoreError;
use crate::model::Digest;

/// Size and SHA-256 of a file.
pub(crate) fn hash_file(path: &Path) -> Result<(u64, Digest), StoreError> {
    struct Hasher(Sha256);
    impl Write for Hasher {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut file = File::open(path).map_err(StoreError::io("opening", path))?;
    let mut hasher = Hasher(Sha256::new());
    let size = io::copy(
        &mut file,
        &mut io::BufWriter::with_capacity(1 << 20, &mut hasher),
    )
    .map_err(StoreError::io("reading", path))?;
    Ok((size, Digest(hasher.0.finalize().into())))
}

/// Writes a file aside, syncs it, and renames it into place.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    write_in_pieces(path, |out| {
        out.write_all(bytes)
            .map_err(StoreError::io("writing", path))
    })
}

/// Writes a file aside, piece by piece, and moves it into its place when it is whole.
pub(crate) fn write_in_pieces(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&File>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let aside = tempfile::Builder::new()
        .prefix("_")
        .tempfile_in(folder)
        .map_err(StoreError::io("creating", path))?;
    let mut out = BufWriter::with_capacity(1 << 20, aside.as_file());
    write(&mut out)?;
    out.flush().map_err(StoreError::io("writing", path))?;
    drop(out);
    aside
        .as_file()
        .sync_all()
        .map_err(StoreError::io("syncing", path))?;
    aside.persist(path).map_err(|error| StoreError::Io {
        action: "moving",
        path: path.to_owned(),
        error: error.error,
    })?;
    sync_folder(folder)
}

pub(super) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder)
        .and_then(|file| file.sync_all())
        .map_err(StoreError::io("syncing", folder))
}
