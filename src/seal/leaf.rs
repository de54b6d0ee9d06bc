//! What a leaf of the log commits to. All numbers are little-endian; `H` is SHA-256; texts are UTF-8.
//!
//! ```text
//! row     = for each column of the events table but `row` that has a value, in the table's order:
//!             u8 length of the name ‖ name ‖ u32 length of the value ‖ value
//!           numbers and times are decimal digits; changes are (field, before, after) each, attributes
//!           (name, value), each text as u8 present ‖ u32 length ‖ bytes
//! salt    = HMAC-SHA256(key of the batch, u32 file ‖ u64 record), first 16 bytes
//! content = H(salt ‖ H(reader ‖ 0x00 ‖ the record, byte for byte)); the reader of a dump stands in the
//!           manifest
//! record  = "trail/record/v1\n" ‖ u32 file ‖ u64 record ‖ content ‖ u32 events ‖ H(row) of each event
//! reject  = "trail/reject/v1\n" ‖ u32 file ‖ u64 record ‖ u64 offset ‖ u64 length ‖ H(reason)
//!           ‖ H(salt ‖ H(bytes))
//! batch   = "trail/batch/v1\n" ‖ the custody manifest, byte for byte
//! journal = "trail/journal/v1\n" ‖ the line of log/entries.jsonl that says how far journals have come
//! ```
//! The tree hashes a leaf as RFC 6962 (section 2.1) does: `H(0x00 ‖ leaf)`.

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ListArray, MapArray, RecordBatch, StringArray};
use arrow_schema::DataType;
use sha2::{Digest as _, Sha256};
use tlog_tiles::{Hash, record_hash};

use crate::model::Digest;
use crate::store::{RejectRow, StoreError};

/// Secret of a batch from which the salts of its records are made.
pub type SaltKey = [u8; 32];

/// Salt of a record.
#[must_use]
pub fn salt(key: &SaltKey, file: i32, ordinal: i64) -> [u8; 16] {
    let mut message = [0; 12];
    message[..4].copy_from_slice(&file.to_le_bytes());
    message[4..].copy_from_slice(&ordinal.to_le_bytes());
    let mut salt = [0; 16];
    salt.copy_from_slice(&hmac_sha256(key, &message)[..16]);
    salt
}

/// HMAC (RFC 2104) with SHA-256, for keys of 32 bytes.
pub(crate) fn hmac_sha256(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block.iter_mut().zip(key).for_each(|(pad, key)| *pad ^= key);
        block
    };
    let inner = Sha256::new_with_prefix(pad(0x36))
        .chain_update(message)
        .finalize();
    Sha256::new_with_prefix(pad(0x5c))
        .chain_update(inner)
        .finalize()
        .into()
}

/// Commitment to a record, by its digest.
#[must_use]
pub fn content(salt: &[u8; 16], record: &Digest) -> [u8; 32] {
    Sha256::new_with_prefix(salt)
        .chain_update(record.0)
        .finalize()
        .into()
}

/// The leaf of a record, with the digests of its events' rows.
#[must_use]
pub fn record(file: i32, ordinal: i64, content: &[u8; 32], rows: &[[u8; 32]]) -> Vec<u8> {
    let mut leaf = Vec::with_capacity(64 + 32 * rows.len());
    leaf.extend_from_slice(b"trail/record/v1\n");
    leaf.extend_from_slice(&file.to_le_bytes());
    leaf.extend_from_slice(&ordinal.to_le_bytes());
    leaf.extend_from_slice(content);
    let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    leaf.extend_from_slice(&count.to_le_bytes());
    rows.iter().for_each(|row| leaf.extend_from_slice(row));
    leaf
}

/// The leaf of a place that no reader understood.
#[must_use]
pub fn reject(key: &SaltKey, row: &RejectRow) -> Vec<u8> {
    let mut leaf = Vec::with_capacity(128);
    leaf.extend_from_slice(b"trail/reject/v1\n");
    leaf.extend_from_slice(&row.file.to_le_bytes());
    for number in [row.ordinal, row.offset, row.length] {
        leaf.extend_from_slice(&number.to_le_bytes());
    }
    leaf.extend_from_slice(&Sha256::digest(&row.reason));
    let salt = salt(key, row.file, row.ordinal);
    leaf.extend_from_slice(&content(&salt, &Digest::of(&row.bytes)));
    leaf
}

/// The leaf of a batch: its manifest.
#[must_use]
pub fn batch(manifest: &[u8]) -> Vec<u8> {
    [b"trail/batch/v1\n", manifest].concat()
}

/// The leaf of journals: the line of the log's entries that says how far they have come.
#[must_use]
pub fn journal(line: &[u8]) -> Vec<u8> {
    [b"trail/journal/v1\n", line].concat()
}

enum Column<'t> {
    Small(&'t arrow_array::Int32Array),
    Number(&'t arrow_array::Int64Array),
    Time(&'t arrow_array::TimestampMicrosecondArray),
    Amount(&'t arrow_array::Decimal128Array),
    Text(&'t StringArray),
    Id(&'t arrow_array::FixedSizeBinaryArray),
    Changes(&'t ListArray),
    Attributes(&'t MapArray),
}

/// Columns of an events table, ready to be written in the form that leaves commit to.
pub struct Rows<'t> {
    columns: Vec<(&'t str, Column<'t>)>,
    len: usize,
}

impl<'t> Rows<'t> {
    /// The rows of a table in the schema of events.
    ///
    /// # Errors
    /// A column of a type that the events table has not.
    pub fn new(table: &'t RecordBatch) -> Result<Self, StoreError> {
        let schema = table.schema_ref();
        let mut columns = Vec::with_capacity(schema.fields().len());
        for (field, array) in schema.fields().iter().zip(table.columns()) {
            if field.name() == "row" || array.null_count() == array.len() && !array.is_empty() {
                continue;
            }
            let column = match field.data_type() {
                DataType::Int32 => Column::Small(array.as_primitive::<Int32Type>()),
                DataType::Int64 => Column::Number(array.as_primitive::<Int64Type>()),
                DataType::Timestamp(..) => {
                    Column::Time(array.as_primitive::<TimestampMicrosecondType>())
                }
                DataType::Decimal128(..) => Column::Amount(array.as_primitive::<Decimal128Type>()),
                DataType::Utf8 => Column::Text(array.as_string()),
                DataType::FixedSizeBinary(_) => Column::Id(array.as_fixed_size_binary()),
                DataType::List(_) => Column::Changes(array.as_list()),
                DataType::Map(..) => Column::Attributes(array.as_map()),
                other => {
                    return Err(StoreError::Damaged {
                        path: "events".into(),
                        reason: format!("column {} has the type {other}", field.name()),
                    });
                }
            };
            columns.push((field.name().as_str(), column));
        }
        Ok(Self {
            columns,
            len: table.num_rows(),
        })
    }

    /// Number of rows.
    fn len(&self) -> usize {
        self.len
    }

    /// Writes a row in the form that leaves commit to.
    pub fn write(&self, row: usize, out: &mut Vec<u8>) {
        for (name, column) in &self.columns {
            match column {
                Column::Small(array) if array.is_valid(row) => {
                    number(out, name, i128::from(array.value(row)));
                }
                Column::Number(array) if array.is_valid(row) => {
                    number(out, name, i128::from(array.value(row)));
                }
                Column::Time(array) if array.is_valid(row) => {
                    number(out, name, i128::from(array.value(row)));
                }
                Column::Amount(array) if array.is_valid(row) => number(out, name, array.value(row)),
                Column::Text(array) if array.is_valid(row) => {
                    value(out, name, array.value(row).as_bytes());
                }
                Column::Id(array) if array.is_valid(row) => value(out, name, array.value(row)),
                Column::Changes(array) if array.is_valid(row) => {
                    let (from, to) = range(array.value_offsets(), row);
                    let fields = array.values().as_struct();
                    nested(out, name, from, to, fields.columns());
                }
                Column::Attributes(array) if array.is_valid(row) => {
                    let (from, to) = range(array.value_offsets(), row);
                    nested(out, name, from, to, array.entries().columns());
                }
                _ => {}
            }
        }
    }
}

fn range(offsets: &[i32], row: usize) -> (usize, usize) {
    let at = |row: usize| usize::try_from(offsets[row]).unwrap_or(0);
    (at(row), at(row + 1))
}

fn length(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

fn name_of(out: &mut Vec<u8>, name: &str) {
    out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(name.as_bytes());
}

fn value(out: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    name_of(out, name);
    length(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn number(out: &mut Vec<u8>, name: &str, number: i128) {
    let mut digits = itoa::Buffer::new();
    let written = match i64::try_from(number) {
        Ok(small) => digits.format(small),
        Err(_) => digits.format(number),
    };
    value(out, name, written.as_bytes());
}

fn nested(
    out: &mut Vec<u8>,
    name: &str,
    from: usize,
    to: usize,
    columns: &[arrow_array::ArrayRef],
) {
    name_of(out, name);
    let start = out.len();
    length(out, 0);
    for row in from..to {
        for column in columns {
            let column: &StringArray = column.as_string();
            if column.is_null(row) {
                out.push(0);
                continue;
            }
            out.push(1);
            length(out, column.value(row).len());
            out.extend_from_slice(column.value(row).as_bytes());
        }
    }
    let written = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&written.to_le_bytes());
}

/// The digests of all rows of an events table, each with the place of its record: file, record, event
/// of the record.
///
/// # Errors
/// As [`Rows::new`].
pub fn row_digests(table: &RecordBatch) -> Result<Vec<RowDigest>, StoreError> {
    let rows = Rows::new(table)?;
    let number = |name: &str| table.column_by_name(name);
    let (Some(file), Some(ordinal), Some(part)) =
        (number("file"), number("ordinal"), number("part"))
    else {
        return Err(StoreError::Damaged {
            path: "events".into(),
            reason: "the table does not say where its records lie".to_owned(),
        });
    };
    let file = file.as_primitive::<Int32Type>();
    let ordinal = ordinal.as_primitive::<Int64Type>();
    let part = part.as_primitive::<Int32Type>();
    let mut bytes = Vec::with_capacity(1024);
    Ok((0..rows.len())
        .map(|row| {
            bytes.clear();
            rows.write(row, &mut bytes);
            RowDigest {
                file: file.value(row),
                ordinal: ordinal.value(row),
                part: part.value(row),
                digest: Sha256::digest(&bytes).into(),
            }
        })
        .collect())
}

/// Digest of an event's row, and where its record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowDigest {
    /// File in the batch's manifest.
    pub file: i32,
    /// Record in the file.
    pub ordinal: i64,
    /// Event of the record.
    pub part: i32,
    /// SHA-256 of the row.
    pub digest: [u8; 32],
}

/// Commitment to a record's bytes, and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentDigest {
    /// File in the batch's manifest.
    pub file: i32,
    /// Record in the file.
    pub ordinal: i64,
    /// SHA-256 of salt and bytes.
    pub digest: [u8; 32],
}

impl ContentDigest {
    /// Length of [`ContentDigest::to_bytes`].
    pub const BYTES: usize = 44;

    /// `u32 file ‖ u64 record ‖ digest`, little-endian.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&self.file.to_le_bytes());
        bytes[4..12].copy_from_slice(&self.ordinal.to_le_bytes());
        bytes[12..].copy_from_slice(&self.digest);
        bytes
    }

    /// What [`ContentDigest::to_bytes`] made.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let (mut file, mut ordinal, mut digest) = ([0; 4], [0; 8], [0; 32]);
        file.copy_from_slice(&bytes[..4]);
        ordinal.copy_from_slice(&bytes[4..12]);
        digest.copy_from_slice(&bytes[12..]);
        Self {
            file: i32::from_le_bytes(file),
            ordinal: i64::from_le_bytes(ordinal),
            digest,
        }
    }

    /// Commits to a record, by its digest.
    #[must_use]
    pub fn of(key: &SaltKey, file: i32, ordinal: i64, record: &Digest) -> Self {
        Self {
            file,
            ordinal,
            digest: content(&salt(key, file, ordinal), record),
        }
    }
}

/// Hash in the tree of a place that no reader understood.
#[must_use]
pub fn reject_leaf(key: &SaltKey, row: &RejectRow) -> Hash {
    record_hash(&reject(key, row))
}

/// Puts the rows of events to their records, both in the order of the dumps, and calls `leaf` with each
/// record's place and hash in the tree. Rows without a record, and rows after the last record, are left
/// in `rows`.
pub fn join(
    contents: &[ContentDigest],
    rows: &mut std::iter::Peekable<impl Iterator<Item = RowDigest>>,
    mut leaf: impl FnMut(i32, i64, Hash),
) {
    let mut of_record: Vec<[u8; 32]> = Vec::new();
    for content in contents {
        let place = (content.file, content.ordinal);
        of_record.clear();
        while let Some(row) = rows.next_if(|row| (row.file, row.ordinal) == place) {
            of_record.push(row.digest);
        }
        let bytes = record(content.file, content.ordinal, &content.digest, &of_record);
        leaf(content.file, content.ordinal, record_hash(&bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_is_that_of_rfc_4231() {
        // Test case 1, whose key of 20 bytes is filled up with zeros, as HMAC does.
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        let found = crate::model::Digest(hmac_sha256(&key, b"Hi There"));
        assert_eq!(
            found.to_string(),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
    }
}
