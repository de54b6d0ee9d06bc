//! Numbers that are missing from logs which count their records: what carries them was left out of the
//! export, or taken out.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::model::KeyKind;
use crate::store::{Col, Custody, KeyScan, Store, StoreError, scan_part_columns};

/// Formats whose records are counted within a session, and the attribute that holds the number.
///
/// PostgreSQL documentation, Error reporting and logging: `session_line_num` counts the lines of a session.
/// Oracle Database Reference, `UNIFIED_AUDIT_TRAIL` and the audit files: `ENTRY_ID`, `ENTRYID` count the
/// entries of a session.
const COUNTED: [(&str, &str); 4] = [
    ("postgresql_csvlog", "db.line"),
    ("postgresql_jsonlog", "db.line"),
    ("oracle_unified_audit", "oracle.entry"),
    ("oracle_aud", "oracle.entry"),
];

/// Numbers that no record of a session has, though a lower and a higher one are there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Source.
    pub source: String,
    /// Session, in its normal form.
    pub session: String,
    /// First missing number.
    pub from: u64,
    /// Last missing number.
    pub to: u64,
}

impl Missing {
    /// `session 65e2f0a1.1267: 3 to 7`.
    #[must_use]
    pub fn text(&self) -> String {
        let Self {
            session, from, to, ..
        } = self;
        match from == to {
            true => format!("session {session}: {from}"),
            false => format!("session {session}: {from} to {to}"),
        }
    }
}

/// All missing numbers, by source, session and number. What a session logged before its first and behind its
/// last number here is not told: an export begins and ends somewhere.
///
/// # Errors
/// The store cannot be read.
pub fn missing_numbers(store: &Store) -> Result<Vec<Missing>, StoreError> {
    let mut numbers: BTreeMap<(String, String), Vec<u64>> = BTreeMap::new();
    for (at, batch) in store.batches().iter().enumerate() {
        let counted = |format: &str| COUNTED.iter().any(|(counted, _)| *counted == format);
        if !batch.files.iter().any(|file| counted(&file.format)) {
            continue;
        }
        let of_rows = numbers_of(store, at, batch)?;
        for path in store.parts("keys", batch) {
            let keys = KeyScan::open(&path)?;
            keys.each(KeyKind::Session.as_str(), &mut |session, row| {
                if let Some((source, number)) = of_rows.get(&row) {
                    let of = (source.clone(), session.to_owned());
                    numbers.entry(of).or_default().push(*number);
                }
            })?;
        }
    }
    let mut missing = Vec::new();
    for ((source, session), mut numbers) in numbers {
        numbers.sort_unstable();
        numbers.dedup();
        let gaps = numbers.windows(2).filter(|pair| pair[1] - pair[0] > 1);
        missing.extend(gaps.map(|pair| Missing {
            source: source.clone(),
            session: session.clone(),
            from: pair[0] + 1,
            to: pair[1] - 1,
        }));
    }
    Ok(missing)
}

/// Source and number of the rows of a batch that have one.
fn numbers_of(
    store: &Store,
    at: usize,
    batch: &Custody,
) -> Result<HashMap<i64, (String, u64)>, StoreError> {
    let mut numbers = HashMap::new();
    let columns = ["source", "format", "attributes"];
    for path in store.parts("events", batch) {
        scan_part_columns::<StoreError>(store, &path, at, &columns, |table| {
            for event in (0..table.len()).map(|row| table.view(row)) {
                let format = event.text(Col::Format);
                let counted = COUNTED.iter().find(|(name, _)| Some(*name) == format);
                let number = counted.and_then(|(_, attribute)| event.attribute(attribute));
                if let Some(number) = number.and_then(|number| number.parse().ok()) {
                    let source = event.text(Col::Source).unwrap_or("?").to_owned();
                    numbers.insert(event.place().row, (source, number));
                }
            }
            Ok(())
        })?;
    }
    Ok(numbers)
}
