//! What was destroyed or written anew on purpose: a journal that says when, by whom and why, and what the
//! files were after it. The log of the store seals it like the others, so that a gap that nobody wrote down is a
//! damage.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Chain, Store, StoreError};

/// File of the journal, below the store.
pub const ERASURES: &str = "access/erasures.jsonl";
/// Field of each line that says what it is.
pub const ERASURE_LABEL: &str = "trail_erasure";

/// An act of destruction, or on the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// `erase` (a person), `retain` (texts past their time), `protect` (the store, from now on) or `rewrap`
    /// (its keys, for others).
    #[serde(rename = "trail_erasure")]
    pub act: String,
    /// When, UTC.
    pub time: String,
    /// Who, as the operating system says.
    pub operator: String,
    /// On which machine.
    pub host: String,
    /// Why.
    pub reason: String,
    /// Pseudonyms of which nothing is known any more.
    #[serde(default)]
    pub pseudonyms: Vec<String>,
    /// Records whose texts are gone.
    #[serde(default)]
    pub records: u64,
    /// Files that were written anew, below the store.
    #[serde(default)]
    pub files: BTreeMap<String, Replaced>,
}

/// A file as it was after an act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the file.
    pub sha256: String,
}

fn journal(store: &Store) -> Chain {
    Chain::new(store.layout().root.join(ERASURES), ERASURE_LABEL)
}

impl Erasure {
    /// Writes the act down; on disk when this returns.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn record(&self, store: &Store) -> Result<(), StoreError> {
        let entry: Map<String, Value> = match serde_json::to_value(self) {
            Ok(Value::Object(entry)) => entry,
            _ => Map::new(),
        };
        journal(store).append(&entry)
    }
}

/// All acts of a store together.
#[derive(Clone, Debug, Default)]
pub struct Erasures {
    /// Every act, the earliest first.
    pub acts: Vec<Erasure>,
    /// Pseudonyms of which nothing is known any more.
    pub pseudonyms: HashSet<String>,
    /// Files that were written anew, as they were after the last act.
    pub files: BTreeMap<String, Replaced>,
}

impl Erasures {
    /// What has taken the place of a file, and under which name: a vault gets a number of its own each
    /// time, the highest of which counts.
    #[must_use]
    pub fn newest(&self, path: &str) -> Option<(&String, &Replaced)> {
        if let Some((folder, end)) = path
            .strip_prefix("access/vault/")
            .and_then(|rest| rest.split_once("/0."))
        {
            let number = |name: &str| {
                let rest = name.strip_prefix("access/vault/")?;
                let rest = rest.strip_prefix(folder)?.strip_prefix('/')?;
                let number = rest.strip_suffix(end)?.strip_suffix('.')?;
                number.parse::<u32>().ok()
            };
            let all = self.files.iter();
            return all
                .filter_map(|(name, file)| Some((number(name)?, (name, file))))
                .max_by_key(|(number, _)| *number)
                .map(|(_, found)| found);
        }
        self.files.get_key_value(path)
    }

    /// Reads the journal of a store.
    ///
    /// # Errors
    /// It cannot be read, or a line of it is damaged.
    pub fn of(store: &Store) -> Result<Self, StoreError> {
        let mut all = Self::default();
        for entry in journal(store).entries::<Value>()? {
            // A line that a crash has cut says nothing of an act.
            if let Ok(act) = serde_json::from_value::<Erasure>(entry) {
                all.pseudonyms.extend(act.pseudonyms.iter().cloned());
                all.files.extend(act.files.clone());
                all.acts.push(act);
            }
        }
        Ok(all)
    }
}
