//! Change documents of which a half is missing: a header says that something was changed, its positions say
//! what.

use std::collections::{HashMap, HashSet};

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use serde::Serialize;

use crate::store::{Store, StoreError, scan_columns};

/// Change documents whose other half no dump has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
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

/// Counts; nothing where no dump has change documents.
///
/// # Errors
/// The store cannot be read.
pub fn halves(store: &Store) -> Result<Option<Halves>, StoreError> {
    // For each change document, whether a header and whether a position was seen.
    let mut seen: HashMap<String, (bool, bool)> = HashMap::new();
    let mut any = false;
    for batch in store.batches() {
        let concerned = batch
            .files
            .iter()
            .any(|file| file.format == HEADER || file.format == POSITION);
        if !concerned {
            continue;
        }
        any = true;
        let mut headers: HashSet<i64> = HashSet::new();
        for path in store.parts("events", batch) {
            scan_columns::<StoreError>(&path, Some(&["row", "format"]), |table| {
                let rows = table.column(0).as_primitive::<Int64Type>();
                let formats = table.column(1).as_string::<i32>();
                let of_header = (0..table.num_rows())
                    .filter(|row| !formats.is_null(*row) && formats.value(*row) == HEADER);
                headers.extend(of_header.map(|row| rows.value(row)));
                Ok(())
            })?;
        }
        for path in store.parts("keys", batch) {
            scan_columns::<StoreError>(&path, Some(&["value", "row"]), |table| {
                let values = table.column(0).as_string::<i32>();
                let rows = table.column(1).as_primitive::<Int64Type>();
                for row in 0..table.num_rows() {
                    let value = values.value(row);
                    if !value.starts_with(KEY) {
                        continue;
                    }
                    let halves = match seen.get_mut(value) {
                        Some(halves) => halves,
                        None => seen.entry(value.to_owned()).or_default(),
                    };
                    if headers.contains(&rows.value(row)) {
                        halves.0 = true;
                    } else {
                        halves.1 = true;
                    }
                }
                Ok(())
            })?;
        }
    }
    let count = |wanted: (bool, bool)| seen.values().filter(|half| **half == wanted).count() as u64;
    Ok(any.then(|| Halves {
        headers_without_positions: count((true, false)),
        positions_without_header: count((false, true)),
    }))
}
