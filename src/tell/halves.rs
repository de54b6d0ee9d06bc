//! Change documents of which a half is missing: a header says that something was changed, its positions say
//! what.

use std::collections::HashSet;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use serde::{Deserialize, Serialize};

use crate::model::{Digest, KeyKind};
use crate::store::{Coded, KeyScan, Store, StoreError, scan_coded, side_by_side};

/// Change documents whose other half no dump has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halves {
    /// Headers without positions: that something was changed, not what.
    pub headers_without_positions: u64,
    /// Positions without header: what was changed, not when nor by whom.
    pub positions_without_header: u64,
}

const HEADER: &str = "sap_cdhdr";
const POSITION: &str = "sap_cdpos";
/// How the key begins that header and positions share.
const KEY: &str = "sap-change:";

const HAS_HEADER: u8 = 1;
const HAS_POSITIONS: u8 = 2;

/// Counts; nothing where no dump has change documents.
///
/// # Errors
/// The store cannot be read.
pub fn halves(store: &Store) -> Result<Option<Halves>, StoreError> {
    let mut any = false;
    // Change documents, and which half a part of the store has of each.
    let mut seen: Vec<(u128, u8)> = Vec::new();
    for batch in store.batches() {
        let concerned = batch
            .files
            .iter()
            .any(|file| file.format == HEADER || file.format == POSITION);
        if !concerned {
            continue;
        }
        any = true;
        let headers = side_by_side(&store.parts("events", batch), |path| headers_of(path))?;
        let headers: HashSet<i64> = headers.into_iter().flatten().collect();
        let parts = side_by_side(&store.parts("keys", batch), |path| {
            documents_of(path, &headers)
        })?;
        seen.extend(parts.into_iter().flatten());
    }
    seen.sort_unstable();
    let count = |wanted: u8| {
        let documents = seen.chunk_by(|a, b| a.0 == b.0);
        let halves = documents.map(|of| of.iter().fold(0, |halves, (_, half)| halves | half));
        halves.filter(|halves| *halves == wanted).count() as u64
    };
    Ok(any.then(|| Halves {
        headers_without_positions: count(HAS_HEADER),
        positions_without_header: count(HAS_POSITIONS),
    }))
}

/// Rows of a part file of events that are headers.
fn headers_of(path: &Path) -> Result<Vec<i64>, StoreError> {
    let mut headers = Vec::new();
    scan_coded::<StoreError>(path, &["row", "format"], |table| {
        let rows = table.column(0).as_primitive::<Int64Type>();
        let formats = Coded::of(&table, 1);
        let header = (0..formats.values()).find(|code| formats.value(*code) == HEADER);
        if header.is_some() {
            let of_header = (0..table.num_rows()).filter(|row| formats.code(*row) == header);
            headers.extend(of_header.map(|row| rows.value(row)));
        }
        Ok(())
    })?;
    Ok(headers)
}

/// The change documents of a part file of keys, and which half of each is in it. Documents stand as the
/// beginnings of their keys' digests: there are millions.
fn documents_of(path: &Path, headers: &HashSet<i64>) -> Result<Vec<(u128, u8)>, StoreError> {
    let mut documents: Vec<(u128, u8)> = Vec::new();
    let mut last = String::new();
    let keys = KeyScan::open(path)?;
    keys.each(KeyKind::Transaction.as_str(), &mut |value, row| {
        if !value.starts_with(KEY) {
            return;
        }
        let half = if headers.contains(&row) {
            HAS_HEADER
        } else {
            HAS_POSITIONS
        };
        // Keys are in the order of their values.
        match documents.last_mut() {
            Some((_, halves)) if last == value => *halves |= half,
            _ => {
                last.clear();
                last.push_str(value);
                documents.push((Digest::of(value.as_bytes()).prefix128(), half));
            }
        }
    })?;
    Ok(documents)
}
