//! The custody manifest of a batch: what came in, from where, read how, by whom.

use serde::{Deserialize, Serialize};

/// One ingest. The batch exists once this manifest lies in `custody/`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Custody {
    /// Batch id: the first 16 hexadecimal digits of a SHA-256 over the dumps it came from.
    pub batch: String,
    /// Version of the tool.
    pub tool_version: String,
    /// Who ran it, as the operating system says.
    pub operator: String,
    /// On which machine.
    pub host: String,
    /// When it was committed, UTC.
    pub ingested_at: String,
    /// The dumps.
    pub files: Vec<CustodyFile>,
    /// The tables that hold what they said.
    pub tables: Vec<TableFile>,
    /// Other files of the batch: indexes, filters, salts.
    pub others: Vec<TableFile>,
    /// How many leaves of the log are the batch's, beside that of this manifest.
    pub leaves: LeafCounts,
}

/// Leaves of a batch in the log of the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeafCounts {
    /// Records, in the order of the dumps.
    pub records: u64,
    /// Places that no reader understood, behind the records.
    pub rejects: u64,
}

/// One dump, or one member of an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustodyFile {
    /// Path as given on the command line.
    pub path: String,
    /// Path inside the archive, if it is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub member: Option<String>,
    /// SHA-256 of the file as it lies on disk (of the archive, for a member).
    pub sha256: String,
    /// Size of the file on disk in bytes.
    pub size: u64,
    /// Format it was read in, empty if none was recognised.
    pub format: String,
    /// Reader of that format: event ids and leaves of the log are made with its name.
    #[serde(default)]
    pub reader: String,
    /// Source it was attributed to.
    pub source: String,
    /// How its records lie.
    pub layout: String,
    /// Names of its columns and what stands between them, of a file of rows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub columns: Option<Columns>,
    /// Character encoding.
    pub encoding: String,
    /// Zone that times without one were read in.
    pub zone: String,
    /// Whether that zone was given (`given`), is the format's own (`documented`), a guess (`default`) or a guess that no
    /// time of the file needed (`unused`).
    pub zone_origin: String,
    /// Whether the day (`dmy`) or the month (`mdy`) was taken to come first in dates with slashes, where the
    /// user or the file's own dates said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_order: Option<String>,
    /// How sure detection was (percent) and why.
    pub detection: String,
    /// Records found.
    pub records: u64,
    /// Events made of them.
    pub events: u64,
    /// Records that the store had already.
    pub known: u64,
    /// Places that could not be read or mapped.
    pub rejects: u64,
    /// Earliest time of its events, UTC.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first_time: Option<String>,
    /// Latest time of its events, UTC.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_time: Option<String>,
    /// What the source itself, or a file beside it, proves of it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub proof: Option<crate::attest::SourceProof>,
    /// What went wrong with the file as a whole.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub problem: Option<String>,
}

impl CustodyFile {
    /// Path and, for a member of an archive, the path in it.
    #[must_use]
    pub fn display_path(&self) -> String {
        match &self.member {
            Some(member) => format!("{}!{member}", self.path),
            None => self.path.clone(),
        }
    }
}

/// How the rows of a file are cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    /// Names, in their order.
    pub names: Vec<String>,
    /// What stands between values.
    pub delimiter: char,
}

/// One file of the batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFile {
    /// Path below the store.
    pub path: String,
    /// Rows in it, of a table.
    pub rows: u64,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the file.
    pub sha256: String,
}
