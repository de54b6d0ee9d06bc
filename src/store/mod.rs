//! The store: Arrow batches to Parquet, atomically, and back.
//!
//! ```text
//! store/
//!   trail.toml                      settings
//!   custody/<batch>.json            what came in; a batch exists once its manifest does
//!   events/batch=<id>/*.parquet     sorted by time within a file
//!   keys/batch=<id>/*.parquet       sorted by kind and value within a file
//!   contents/batch=<id>/*.parquet   raw records and texts
//!   rejects/batch=<id>/*.parquet    what no reader understood
//!   tasks/, links/                  derived, see `stitch`
//!   log/                            Merkle log, see `seal`
//!   gate/, access/                  journals; keys and what pseudonyms stand for, see `protect`
//! ```
//! Names that begin with `_` or `.` are unfinished or internal and ignored by other engines.

mod batch;
mod chain;
mod coded;
mod contents;
mod custody;
pub mod derived;
mod durable;
mod encrypt;
mod erasures;
mod events;
mod figures;
mod files;
mod filter;
mod integrity;
mod key_scan;
mod keys;
mod part;
mod read;
mod rows;
mod scan;
mod seen;
mod tables;
mod words;

pub use batch::{BatchWriter, Commit, Sealer};
pub use chain::{Chain, ChainHead};
pub use coded::{Coded, may_have, scan_coded};
pub use contents::{
    ContentRow, TextFooters, content_groups, count_records_before, read_contents,
    read_original_contents, read_rejects, scan_content_group, scan_stored_texts,
};
pub use custody::{Columns, Custody, CustodyFile, LeafCounts, TableFile};
pub(crate) use durable::{hash_file, write_atomically, write_in_pieces};
pub use encrypt::rewrite_contents;
pub(crate) use encrypt::salt_of;
pub use erasures::{ERASURE_LABEL, ERASURES, Erasure, Erasures, Replaced};
pub use events::{EventsBuilder, Origin, Sizes};
pub use figures::{
    Unusable, check_figures, forget_figures, keep_figures, other_figures, read_figures,
};
pub use files::{Layout as StoreLayout, Store};
pub(crate) use files::{cores, side_by_side};
pub use integrity::{Damage, check_files, check_sizes};
pub(crate) use key_scan::{Between, FirstOf, each_between, firsts};
pub use key_scan::{KeyHit, KeyScan, each_with, find_first, find_key};
pub use keys::KeyRows;
pub(crate) use part::PART_BITS;
pub use part::{ChunkTables, Contents, ContentsBuilder, Part, RejectRow};
pub use read::{ChangeView, Col, EventRef, EventSet, EventSlice, EventTable, EventView};
pub use rows::{Extent, Record, read_event_columns, read_events, rows_of};
pub use scan::{scan_columns, scan_part, scan_part_columns};
pub use seen::{Seen, SeenIndex, SeenRecords};
pub(crate) use tables::PART_ROWS;
pub use tables::{contents_schema, event_columns, events_schema, keys_schema, rejects_schema};
#[cfg(test)]
pub(crate) use words::words_folded;
pub use words::{
    Fragments, TextPlace, Wanted, WordShape, check_words, fold, forget as forget_words,
    has_no_words, is_word_byte, make_words, remake_words, texts_with, words_of,
};

use std::path::PathBuf;

/// Why the store could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("{action} {path}: {error}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// A Parquet file could not be read or written.
    #[error("{path}: {error}")]
    Parquet {
        /// Which file.
        path: PathBuf,
        /// What the library said.
        error: parquet::errors::ParquetError,
    },
    /// A table has not the columns it should have, or a manifest is damaged.
    #[error("{path}: {reason}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// There is no store where one was expected.
    #[error("no store at {path}")]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Who asks may not see this.
    #[error("{reason}: it is protected (--identity FILE and --as ROLE say who you are)")]
    Protected {
        /// Who may not see what.
        reason: String,
    },
    /// Arrow refused to build a batch.
    #[error("building a table: {0}")]
    Arrow(#[from] arrow_schema::ArrowError),
}

impl StoreError {
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |error| Self::Io {
            action,
            path,
            error,
        }
    }

    pub(crate) fn parquet(
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(parquet::errors::ParquetError) -> Self {
        let path = path.into();
        move |error| Self::Parquet { path, error }
    }
}
