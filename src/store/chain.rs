//! Journals: one JSON object a line, only ever added to, each line with the SHA-256 of the one before and,
//! as its last member, of itself. A line that is changed, taken out or put in breaks the chain from there
//! on, and the last line, on which none follows yet, does not fit its own digest; a cut end is found where
//! the log of the store has sealed a longer one.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::StoreError;
use crate::model::Digest;

/// What the first line says of the one before it.
const NONE_BEFORE: Digest = Digest([0; 32]);
/// Field of a line that holds the SHA-256 of the line before, without its line break.
const PREVIOUS: &str = "previous";
/// How the last member of a line begins, which holds the SHA-256 of the line as it is without it.
const OWN: &str = ",\"line_sha256\":\"";
/// How it ends.
const OWN_END: &str = "\"}";
/// Bytes read at a time when the last line is looked for.
const BLOCK: u64 = 64 << 10;

/// A journal.
pub struct Chain {
    path: PathBuf,
    /// Field of every line that says what it is.
    label: &'static str,
}

/// How far a journal has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHead {
    /// Lines.
    pub lines: u64,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256 of the last line, of zeros if there is none.
    pub last: String,
}

impl Chain {
    /// The journal in that file, whose lines say in `label` what they are.
    #[must_use]
    pub fn new(path: PathBuf, label: &'static str) -> Self {
        Self { path, label }
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a line, on disk when this returns. A last line that a crash has cut is kept as an entry of
    /// its own before it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn append(&self, entry: &Map<String, Value>) -> Result<(), StoreError> {
        let path = &self.path;
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(StoreError::io("creating", folder))?;
        let mut file = File::options()
            .create(true)
            .append(true)
            .read(true)
            .open(path)
            .map_err(StoreError::io("opening", path))?;
        file.lock().map_err(StoreError::io("locking", path))?;
        let (last, cut) = take_end(&mut file).map_err(StoreError::io("mending", path))?;
        let mut previous = last.map_or(NONE_BEFORE, |line| Digest::of(&line));
        let mut text = Vec::new();
        let mut add = |entry: &Map<String, Value>| {
            let mut entry = entry.clone();
            entry.insert(PREVIOUS.to_owned(), previous.to_string().into());
            let mut line = Value::Object(entry).to_string();
            let own = Digest::of(line.as_bytes());
            line.truncate(line.len() - 1);
            line += &format!("{OWN}{own}{OWN_END}");
            previous = Digest::of(line.as_bytes());
            text.extend_from_slice(line.as_bytes());
            text.push(b'\n');
        };
        if let Some(cut) = cut {
            let mut kept = Map::new();
            kept.insert(self.label.to_owned(), "cut".into());
            kept.insert("id".to_owned(), Digest::of(&cut).short(12).into());
            let time = entry.get("time").cloned().unwrap_or_default();
            kept.insert("time".to_owned(), time);
            kept.insert("text".to_owned(), json!(String::from_utf8_lossy(&cut)));
            add(&kept);
        }
        add(entry);
        file.write_all(&text)
            .map_err(StoreError::io("writing", path))?;
        // The size is metadata that the data cannot be read without: it is synced with them.
        file.sync_data().map_err(StoreError::io("syncing", path))
    }

    /// Calls `visit` with each whole line, from 1. A last line without an end was cut by a crash.
    ///
    /// # Errors
    /// The file cannot be read, or `visit` fails.
    pub fn lines(
        &self,
        mut visit: impl FnMut(u64, &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(StoreError::io("opening", &self.path)(error)),
        };
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            reader
                .read_until(b'\n', &mut line)
                .map_err(StoreError::io("reading", &self.path))?;
            if line.pop() != Some(b'\n') {
                break;
            }
            visit(number, &line)?;
        }
        Ok(())
    }

    /// All entries.
    ///
    /// # Errors
    /// The file cannot be read, or a line of it is damaged.
    pub fn entries<T: DeserializeOwned>(&self) -> Result<Vec<T>, StoreError> {
        let mut entries = Vec::new();
        self.lines(|number, line| {
            entries.push(self.entry(number, line)?);
            Ok(())
        })?;
        Ok(entries)
    }

    fn entry<T: DeserializeOwned>(&self, number: u64, line: &[u8]) -> Result<T, StoreError> {
        serde_json::from_slice(line).map_err(|error| StoreError::Damaged {
            path: self.path.clone(),
            reason: format!("line {number} is damaged: {error}"),
        })
    }

    /// Follows the chain. Gives the head at its end, and what was found at the end of line `at` on the
    /// way.
    ///
    /// # Errors
    /// The file cannot be read, its last line has no end, or the chain is broken: which line, and why.
    pub fn check(&self, at: u64) -> Result<(ChainHead, Option<ChainHead>), StoreError> {
        #[derive(Deserialize)]
        struct Line {
            previous: String,
        }
        let mut head = ChainHead {
            lines: 0,
            bytes: 0,
            last: NONE_BEFORE.to_string(),
        };
        let mut passed = (at == 0).then(|| head.clone());
        self.lines(|number, line| {
            let entry: Line = self.entry(number, line)?;
            if !fits(line) {
                return Err(StoreError::Damaged {
                    path: self.path.clone(),
                    reason: format!("line {number} was changed: it does not fit its own SHA-256"),
                });
            }
            if entry.previous != head.last {
                let before = number - 1;
                return Err(StoreError::Damaged {
                    path: self.path.clone(),
                    reason: format!(
                        "line {number} does not follow on line {before}: one of them was changed, or a line was taken out or put in"
                    ),
                });
            }
            head.lines = number;
            head.bytes += line.len() as u64 + 1;
            head.last = Digest::of(line).to_string();
            if number == at {
                passed = Some(head.clone());
            }
            Ok(())
        })?;
        let size = fs::metadata(&self.path).map_or(0, |file| file.len());
        if size > head.bytes {
            let (cut, line) = (size - head.bytes, head.lines + 1);
            return Err(StoreError::Damaged {
                path: self.path.clone(),
                reason: format!(
                    "line {line} ({cut} bytes) has no end: a crash has cut it, or its line break was changed. The next entry keeps it as a cut one"
                ),
            });
        }
        Ok((head, passed))
    }
}

/// Whether a line is as it was written: its last member is the SHA-256 of the rest.
fn fits(line: &[u8]) -> bool {
    const HEX: usize = 64;
    let Some(begin) = line.len().checked_sub(OWN.len() + HEX + OWN_END.len()) else {
        return false;
    };
    let (rest, own) = line.split_at(begin);
    let whole = [rest, b"}"].concat();
    own == format!("{OWN}{}{OWN_END}", Digest::of(&whole)).as_bytes()
}

/// The last whole line of a journal, and what stands behind it.
type End = (Option<Vec<u8>>, Option<Vec<u8>>);

/// The last whole line, and what stands behind it, which is taken off the file: a crash has cut it, and
/// nobody was told of it.
fn take_end(file: &mut File) -> std::io::Result<End> {
    let size = file.metadata()?.len();
    let mut tail: Vec<u8> = Vec::new();
    let mut start = size;
    let ends = |tail: &[u8]| -> Vec<usize> {
        let breaks = tail.iter().enumerate().rev();
        breaks
            .filter(|(_, byte)| **byte == b'\n')
            .map(|(at, _)| at)
            .take(2)
            .collect()
    };
    while start > 0 && ends(&tail).len() < 2 {
        let from = start.saturating_sub(BLOCK.max(size - start));
        let mut block = vec![0; usize::try_from(start - from).unwrap_or(0)];
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(&mut block)?;
        block.extend_from_slice(&tail);
        (tail, start) = (block, from);
    }
    let found = ends(&tail);
    let Some(end) = found.first().copied() else {
        // Not one whole line.
        file.set_len(0)?;
        return Ok((None, (!tail.is_empty()).then_some(tail)));
    };
    let begin = found.get(1).map_or(0, |before| before + 1);
    let last = tail[begin..end].to_vec();
    let cut = tail.split_off(end + 1);
    if !cut.is_empty() {
        file.set_len(size - cut.len() as u64)?;
    }
    Ok((Some(last), (!cut.is_empty()).then_some(cut)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> Map<String, Value> {
        let mut entry = Map::new();
        entry.insert("t".into(), "x".into());
        entry.insert("text".into(), text.into());
        entry
    }

    #[test]
    fn a_chain_holds_and_shows_where_it_was_broken() {
        let folder = tempfile::tempdir().unwrap();
        let chain = Chain::new(folder.path().join("sub/j.jsonl"), "t");
        let long = "y".repeat(200_000);
        for text in ["a", &long, "b", "c"] {
            chain.append(&entry(text)).unwrap();
        }
        let (head, passed) = chain.check(2).unwrap();
        assert_eq!((head.lines, passed.unwrap().lines), (4, 2));
        let text = fs::read_to_string(chain.path()).unwrap();
        for (from, to, line) in [("\"b\"", "\"B\"", 3), ("\"c\"", "\"C\"", 4)] {
            fs::write(chain.path(), text.replace(from, to)).unwrap();
            let error = chain.check(0).unwrap_err().to_string();
            assert!(error.contains(&format!("line {line} ")), "{error}");
        }
        // A changed line whose own digest was made anew: the one after it tells.
        let second: Vec<&str> = text.lines().collect();
        let begin = second[2].rfind(OWN).unwrap();
        let changed = second[2][..begin].replace("\"b\"", "\"B\"");
        let own = Digest::of(format!("{changed}}}").as_bytes());
        let changed = format!("{changed}{OWN}{own}{OWN_END}");
        fs::write(chain.path(), text.replace(second[2], &changed)).unwrap();
        let error = chain.check(0).unwrap_err().to_string();
        assert!(error.contains("line 4 does not follow"), "{error}");
        let without: Vec<&str> = text
            .lines()
            .filter(|line| !line.contains("\"a\""))
            .collect();
        fs::write(chain.path(), without.join("\n") + "\n").unwrap();
        assert!(chain.check(0).is_err());
    }

    #[test]
    fn a_cut_end_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let chain = Chain::new(folder.path().join("j.jsonl"), "t");
        fs::write(chain.path(), "{\"t\":").unwrap();
        chain.append(&entry("a")).unwrap();
        let mut file = File::options().append(true).open(chain.path()).unwrap();
        file.write_all(b"{\"t\":\"cut he").unwrap();
        chain.append(&entry("b")).unwrap();
        let entries: Vec<Value> = chain.entries().unwrap();
        let kinds: Vec<&str> = entries.iter().map(|e| e["t"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["cut", "x", "cut", "x"]);
        assert_eq!(entries[2]["text"], "{\"t\":\"cut he");
        assert_eq!(chain.check(0).unwrap().0.lines, 4);
    }

    #[test]
    fn every_changed_bit_of_a_journal_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let chain = Chain::new(folder.path().join("j.jsonl"), "t");
        for text in ["a", "ünd", "c"] {
            chain.append(&entry(text)).unwrap();
        }
        let bytes = fs::read(chain.path()).unwrap();
        for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            fs::write(chain.path(), &changed).unwrap();
            assert!(chain.check(0).is_err(), "byte {at}, bit {bit}");
        }
        fs::write(chain.path(), &bytes).unwrap();
        assert_eq!(chain.check(3).unwrap().0.bytes, bytes.len() as u64);
    }
}
