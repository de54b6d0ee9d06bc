//! From dumps to records: containers, encodings and record boundaries.
//!
//! This stage knows nothing of vendors. It walks folders and archives within limits, takes the
//! SHA-256 of a dump from the same bytes that are parsed, and hands out records with their byte
//! ranges.

mod csv;
mod dump;
mod encoding;
mod json;
mod layout;
mod scan;
mod stream;

pub use csv::{Header, Row, parse_row};
pub use dump::{Dump, Member, Visit, discover, visit_members};
pub use encoding::{Encoding, to_utf8};
pub use json::{find_list, value_end};
pub use layout::{Directive, Layout, Runtime, directive, sniff};
pub use stream::{Chunk, Problem, Records, Span};

use std::path::PathBuf;

/// Bounds on what a dump may make the reader do.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest record in bytes; longer ones are named in rejects and skipped.
    pub max_record: usize,
    /// Largest ratio of decompressed to compressed bytes of an archive member over 16 MiB.
    pub max_ratio: u64,
    /// Deepest nesting of archives.
    pub max_depth: u8,
    /// Most bytes that one archive may decompress to.
    pub max_total: u64,
    /// Raw bytes that one chunk of work holds.
    pub chunk: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_record: 64 << 20,
            max_ratio: 200,
            max_depth: 3,
            max_total: 1 << 40,
            chunk: 4 << 20,
        }
    }
}

/// Why a dump, or a part of it, could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system refused.
    #[error("cannot read {path}: {error}")]
    Io {
        /// The dump.
        path: PathBuf,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// An archive breaks a limit or is damaged.
    #[error("{member}: {reason}")]
    Archive {
        /// The archive and the member in it.
        member: String,
        /// What is wrong with it.
        reason: String,
    },
}
