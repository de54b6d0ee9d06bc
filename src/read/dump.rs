//! Finding dumps, and walking into compressed files and archives within limits.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use sha2::{Digest as _, Sha256};

use super::{Limits, ReadError};
use crate::model::Digest;

/// A file that was named on the command line or found in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dump {
    /// Path as given, or below the folder as given.
    pub path: PathBuf,
}

/// One stream of records: a plain file, or a member of an archive.
pub struct Member<'a> {
    /// Path inside the archive, `None` for a file that is no archive.
    pub name: Option<String>,
    /// The decompressed bytes.
    pub reader: &'a mut dyn Read,
    /// Bytes of the dump on disk consumed so far, for progress.
    pub consumed: Rc<Cell<u64>>,
}

/// What the walker found: either a member to read or a place that cannot be read.
pub enum Visit<'a> {
    /// A stream of records.
    Member(Member<'a>),
    /// A member that is left out, with the reason.
    Refused {
        /// Path inside the archive.
        name: Option<String>,
        /// Why.
        reason: String,
    },
}

/// Lists all files below the given paths, in the order of their paths. Hidden files and folders
/// are listed too: nothing is left out silently.
///
/// Files that cannot be listed come as errors beside the ones that can.
#[must_use]
pub fn discover(paths: &[PathBuf]) -> (Vec<Dump>, Vec<ReadError>) {
    let (mut dumps, mut errors) = (Vec::new(), Vec::new());
    for path in paths {
        for entry in walkdir::WalkDir::new(path)
            .follow_links(false)
            .sort_by_file_name()
        {
            match entry {
                Ok(entry) if entry.file_type().is_file() => {
                    dumps.push(Dump {
                        path: entry.into_path(),
                    });
                }
                // A link given by name is followed; links found in a folder are not.
                Ok(entry) if entry.depth() == 0 && entry.path().is_file() => {
                    dumps.push(Dump {
                        path: entry.into_path(),
                    });
                }
                Ok(_) => {}
                Err(error) => {
                    let path = error.path().unwrap_or(path).to_path_buf();
                    let error = error
                        .into_io_error()
                        .unwrap_or_else(|| io::Error::other("a loop of links"));
                    errors.push(ReadError::Io { path, error });
                }
            }
        }
    }
    dumps.dedup();
    (dumps, errors)
}

/// Counts and hashes what passes through.
struct Hashing<R> {
    inner: R,
    state: Sha256,
    consumed: Rc<Cell<u64>>,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.state.update(&buffer[..read]);
        self.consumed.set(self.consumed.get() + read as u64);
        Ok(read)
    }
}

/// Stops a stream that decompresses to too much.
struct Guarded<'a> {
    inner: Box<dyn Read + 'a>,
    /// Compressed bytes so far, 0 where it is not known.
    consumed: Rc<Cell<u64>>,
    start: u64,
    produced: u64,
    total: Rc<Cell<u64>>,
    limits: Limits,
}

impl Read for Guarded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.produced += read as u64;
        self.total.set(self.total.get() + read as u64);
        let compressed = (self.consumed.get() - self.start).max(1);
        if self.produced > 16 << 20 && self.produced / compressed > self.limits.max_ratio {
            return Err(io::Error::other(format!(
                "decompresses to more than {} times its size (a decompression bomb?)",
                self.limits.max_ratio
            )));
        }
        if self.total.get() > self.limits.max_total {
            return Err(io::Error::other(format!(
                "the archive decompresses to more than {} bytes",
                self.limits.max_total
            )));
        }
        Ok(read)
    }
}

/// A walk through one dump.
struct Walk<'v> {
    limits: Limits,
    consumed: Rc<Cell<u64>>,
    total: Rc<Cell<u64>>,
    visit: &'v mut dyn FnMut(Visit<'_>),
}

/// Opens a dump, calls `visit` for each stream of records in it, and gives size and SHA-256 of the
/// dump as it lies on disk.
///
/// # Errors
/// The file cannot be opened or read. Faults inside an archive go to `visit`.
pub fn visit_members(
    dump: &Dump,
    limits: Limits,
    visit: &mut dyn FnMut(Visit<'_>),
) -> Result<(u64, Digest), ReadError> {
    let io_error = |error| ReadError::Io {
        path: dump.path.clone(),
        error,
    };
    let mut file = File::open(&dump.path).map_err(io_error)?;
    let consumed = Rc::new(Cell::new(0));
    let mut walk = Walk {
        limits,
        consumed: Rc::clone(&consumed),
        total: Rc::default(),
        visit,
    };
    let mut magic = [0; 4];
    let read = read_up_to(&mut file, &mut magic).map_err(io_error)?;
    file.rewind().map_err(io_error)?;
    let mut hashing = Hashing {
        inner: &file,
        state: Sha256::new(),
        consumed,
    };
    if magic[..read] == *b"PK\x03\x04" {
        // The directory of a zip stands at its end: hash first, then read.
        io::copy(&mut hashing, &mut io::sink()).map_err(io_error)?;
        walk.zip(&file, None, 0);
    } else {
        walk.stream(&mut hashing, None, 0);
        io::copy(&mut hashing, &mut io::sink()).map_err(io_error)?;
    }
    Ok((
        hashing.consumed.get(),
        Digest(hashing.state.finalize().into()),
    ))
}

fn read_up_to(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

impl Walk<'_> {
    fn refuse(&mut self, name: Option<&str>, reason: impl Into<String>) {
        (self.visit)(Visit::Refused {
            name: name.map(str::to_owned),
            reason: reason.into(),
        });
    }

    /// A stream of unknown kind: decompress, walk or hand out.
    fn stream(&mut self, reader: &mut dyn Read, name: Option<&str>, depth: u8) {
        let mut head = vec![0; 512];
        let read = match read_up_to(reader, &mut head) {
            Ok(read) => read,
            Err(error) => return self.refuse(name, error.to_string()),
        };
        head.truncate(read);
        let is_tar = head.get(257..262) == Some(b"ustar");
        let is_gzip = head.starts_with(&[0x1f, 0x8b]);
        let is_zstd = head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
        let is_zip = head.starts_with(b"PK\x03\x04");
        let mut whole = io::Cursor::new(head).chain(reader);
        if (is_tar || is_gzip || is_zstd || is_zip) && depth >= self.limits.max_depth {
            let reason = format!("archives are nested deeper than {}", self.limits.max_depth);
            return self.refuse(name, reason);
        }
        if is_tar {
            self.tar(&mut whole, name, depth);
        } else if is_gzip {
            let decoder = Box::new(flate2::read::MultiGzDecoder::new(whole));
            let mut guarded = self.guard(decoder);
            self.stream(&mut guarded, name, depth + 1);
        } else if is_zstd {
            match zstd::Decoder::new(whole) {
                Ok(mut decoder) => {
                    // A frame may ask for a window of gigabytes; 128 MiB is zstd's own default limit.
                    let _ = decoder.window_log_max(27);
                    let mut guarded = self.guard(Box::new(decoder));
                    self.stream(&mut guarded, name, depth + 1);
                }
                Err(error) => self.refuse(name, error.to_string()),
            }
        } else if is_zip {
            self.spooled_zip(&mut whole, name, depth);
        } else {
            let consumed = Rc::clone(&self.consumed);
            let member = Member {
                name: name.map(str::to_owned),
                reader: &mut whole,
                consumed,
            };
            (self.visit)(Visit::Member(member));
        }
    }

    fn guard<'a>(&self, inner: Box<dyn Read + 'a>) -> Guarded<'a> {
        Guarded {
            inner,
            consumed: Rc::clone(&self.consumed),
            start: 0,
            produced: 0,
            total: Rc::clone(&self.total),
            limits: self.limits,
        }
    }

    fn tar(&mut self, reader: &mut dyn Read, name: Option<&str>, depth: u8) {
        let mut archive = tar::Archive::new(reader);
        let entries = match archive.entries() {
            Ok(entries) => entries,
            Err(error) => return self.refuse(name, error.to_string()),
        };
        for entry in entries {
            let mut entry = match entry {
                Ok(entry) => entry,
                Err(error) => return self.refuse(name, format!("damaged tar: {error}")),
            };
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let full = join(name, &path);
            if leaves(&path) {
                self.refuse(Some(&full), "its path leaves the archive; not read");
            } else {
                self.stream(&mut entry, Some(&full), depth + 1);
            }
        }
    }

    /// A zip inside another archive: zip needs random access, so it is spooled to a file that has
    /// no name.
    fn spooled_zip(&mut self, reader: &mut dyn Read, name: Option<&str>, depth: u8) {
        const SPOOL_LIMIT: u64 = 4 << 30;
        let mut spool = match tempfile::tempfile() {
            Ok(spool) => spool,
            Err(error) => return self.refuse(name, error.to_string()),
        };
        let copied = io::copy(&mut reader.take(SPOOL_LIMIT), &mut spool)
            .and_then(|copied| spool.flush().map(|()| copied));
        match copied {
            Ok(copied) if copied < SPOOL_LIMIT => self.zip(&spool, name, depth),
            Ok(_) => self.refuse(name, "a zip inside an archive is larger than 4 GiB"),
            Err(error) => self.refuse(name, error.to_string()),
        }
    }

    fn zip(&mut self, file: &File, name: Option<&str>, depth: u8) {
        let mut archive = match zip::ZipArchive::new(file) {
            Ok(archive) => archive,
            Err(error) => return self.refuse(name, format!("damaged zip: {error}")),
        };
        for index in 0..archive.len() {
            let entry = match archive.by_index(index) {
                Ok(entry) => entry,
                Err(error) => {
                    self.refuse(name, format!("member {index} of the zip: {error}"));
                    continue;
                }
            };
            if !entry.is_file() {
                continue;
            }
            let path = String::from_utf8_lossy(entry.name_raw()).into_owned();
            let full = join(name, &path);
            if leaves(&path) {
                self.refuse(Some(&full), "its path leaves the archive; not read");
                continue;
            }
            let compressed = entry.compressed_size();
            let mut guarded = self.guard(Box::new(entry));
            guarded.consumed = Rc::new(Cell::new(compressed));
            self.stream(&mut guarded, Some(&full), depth + 1);
        }
    }
}

fn join(outer: Option<&str>, inner: &str) -> String {
    match outer {
        Some(outer) => format!("{outer}!{inner}"),
        None => inner.to_owned(),
    }
}

/// Whether a path of an archive points outside of it.
fn leaves(path: &str) -> bool {
    path.contains('\\') && path.split('\\').any(|part| part == "..")
        || path
            .get(1..3)
            .is_some_and(|rest| rest == ":\\" || rest == ":/")
        || Path::new(path)
            .components()
            .any(|part| !matches!(part, Component::Normal(_) | Component::CurDir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_leave() {
        for path in ["../x", "a/../../x", "/etc/passwd", "C:\\x", "..\\x"] {
            assert!(leaves(path), "{path}");
        }
        assert!(!leaves("./a/b.jsonl"));
    }
}
