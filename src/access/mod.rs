//! Who has looked at what was logged, and who has taken it out: a journal of the store, sealed with the
//! next batch as the gate's are.

mod erase;
mod wrap;

pub use erase::{EraseError, Erased, Expired, Hold, Retain, erase, retain};
pub use wrap::{protect, rewrap};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::time::format_utc;
use crate::store::{Chain, Store, StoreError};

/// Field of each line that says what it is.
const LABEL: &str = "trail_access";

/// A look at texts, or an export.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// When, UTC.
    pub time: String,
    /// Who, as the operating system says.
    pub operator: String,
    /// On which machine.
    pub host: String,
    /// The command.
    #[serde(rename = "trail_access")]
    pub command: String,
    /// What was looked for or taken.
    pub what: String,
    /// How much was seen: events or records.
    pub seen: u64,
    /// Why, as they said.
    pub reason: String,
}

fn journal(store: &Store) -> Chain {
    let path = store.layout().root.join("access").join("log.jsonl");
    Chain::new(path, LABEL)
}

/// Writes down a look, on disk when this returns. Nothing is shown before.
///
/// # Errors
/// The journal cannot be written: nothing may be shown then.
pub fn record(
    store: &Store,
    command: &str,
    what: String,
    seen: u64,
    reason: &str,
    now_us: i64,
) -> Result<(), StoreError> {
    let look = Look {
        time: format_utc(now_us),
        operator: crate::ingest::operator(),
        host: crate::ingest::host(),
        command: command.to_owned(),
        what,
        seen,
        reason: reason.to_owned(),
    };
    let entry: Map<String, Value> = match serde_json::to_value(&look) {
        Ok(Value::Object(entry)) => entry,
        _ => Map::new(),
    };
    journal(store).append(&entry)
}

/// All looks, the earliest first.
///
/// # Errors
/// The journal cannot be read, or a line of it is damaged.
pub fn looks(store: &Store) -> Result<Vec<Look>, StoreError> {
    let all: Vec<Value> = journal(store).entries()?;
    // A line that a crash has cut says nothing of a look.
    Ok(all
        .into_iter()
        .filter_map(|entry| serde_json::from_value(entry).ok())
        .collect())
}
