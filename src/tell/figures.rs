//! Figures of a whole store, kept beside it: of records that do not change they need not be counted again.
//! `trail verify` holds each file against what it says of itself, and with `--derived` against the records.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::Digest;
use crate::stitch::TaskIndex;
use crate::store::{
    Damage, Store, StoreError, check_figures, check_sizes, keep_figures, other_figures,
    read_figures,
};

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    /// `trail stats`.
    Stats,
    /// Numbers of events by the values of some columns.
    Counts,
    /// Numbers of events by hour and source.
    Hours,
    /// Numbers of events that requirements ask for.
    Values,
    /// What tasks consist of, for comparisons.
    Tasks,
}

impl Figure {
    const ALL: [Self; 5] = [
        Self::Stats,
        Self::Counts,
        Self::Hours,
        Self::Values,
        Self::Tasks,
    ];

    /// Name of its file.
    fn file(self) -> &'static str {
        match self {
            Self::Stats => "stats.json",
            Self::Counts => "counts.json",
            Self::Hours => "hours.json",
            Self::Values => "values.json",
            Self::Tasks => "tasks.arrow",
        }
    }

    /// The figures of a store as they are kept.
    fn bytes(self, store: &Store, index: &TaskIndex) -> Result<Vec<u8>, StoreError> {
        match self {
            Self::Stats => json(&super::stats::counted(store, index)?),
            Self::Counts => json(&super::report::counted(store, index)?),
            Self::Hours => json(&super::templated::counted(store, index)?),
            Self::Values => json(&super::shown::counted(store)?),
            Self::Tasks => super::task_traits::counted(store, index),
        }
    }
}

fn json<T: Serialize>(figures: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(figures).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> StoreError {
    StoreError::Damaged {
        path: "figures".into(),
        reason: error.to_string(),
    }
}

/// What figures depend on: records, settings of the stitching, and this program.
fn made_of(index: &TaskIndex) -> String {
    let text = format!(
        "trail figures 2 {}\0{}",
        env!("CARGO_PKG_VERSION"),
        index.state()
    );
    Digest::of(text.as_bytes()).to_string()
}

/// Figures of a store as bytes: those that were kept, else made anew and kept. Of a protected store none are
/// kept: what they say depends on who asks. Of one whose files were cut since they are made of what is left, or say what is damaged.
///
/// # Errors
/// The store cannot be read.
pub(super) fn bytes_of(
    store: &Store,
    index: &TaskIndex,
    figure: Figure,
) -> Result<Vec<u8>, StoreError> {
    if store.access().is_protected() || !check_sizes(store)?.is_empty() {
        return figure.bytes(store, index);
    }
    let of = made_of(index);
    if let Ok(kept) = read_figures(store, figure.file(), Some(&of)) {
        return Ok(kept);
    }
    let bytes = figure.bytes(store, index)?;
    keep_figures(store, figure.file(), &of, &bytes);
    Ok(bytes)
}

/// Figures of a store.
///
/// # Errors
/// The store cannot be read.
pub(super) fn figures<T: DeserializeOwned>(
    store: &Store,
    index: &TaskIndex,
    figure: Figure,
) -> Result<T, StoreError> {
    let bytes = bytes_of(store, index, figure)?;
    serde_json::from_slice(&bytes).map_err(|error| unreadable(&error))
}

/// Makes all figures that are not kept yet, so that no question has to wait for them.
///
/// # Errors
/// The store cannot be read.
pub fn make_figures(store: &Store, index: &TaskIndex) -> Result<(), StoreError> {
    for figure in Figure::ALL {
        bytes_of(store, index, figure)?;
    }
    Ok(())
}

/// Holds the kept figures against what they say of themselves.
#[must_use]
pub fn check_kept_figures(store: &Store) -> Vec<Damage> {
    check_figures(store, &Figure::ALL.map(Figure::file))
}

/// Makes the kept figures of these records anew, and names those that were not what the records give.
///
/// # Errors
/// The store cannot be read.
pub fn remake_figures(store: &Store, index: &TaskIndex) -> Result<Vec<Damage>, StoreError> {
    let of = made_of(index);
    let mut damages = Vec::new();
    for figure in Figure::ALL {
        let Ok(kept) = read_figures(store, figure.file(), Some(&of)) else {
            continue;
        };
        let bytes = figure.bytes(store, index)?;
        if bytes != kept {
            keep_figures(store, figure.file(), &of, &bytes);
            damages.push(other_figures(figure.file()));
        }
    }
    Ok(damages)
}
