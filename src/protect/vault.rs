//! What the pseudonyms of a batch stand for: an encrypted table of its own, so that it can be made anew
//! without a value.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::{Compression, ZstdLevel};
use parquet::encryption::decrypt::FileDecryptionProperties;
use parquet::encryption::encrypt::FileEncryptionProperties;
use parquet::file::properties::WriterProperties;

use super::{DataKey, VaultRow};
use crate::store::StoreError;

/// What pseudonyms stand for.
pub type Vault = HashMap<String, Vec<u8>>;

/// Writes a vault, sorted by pseudonym.
///
/// # Errors
/// The file cannot be written.
pub fn write_vault(path: &Path, rows: &[VaultRow], key: &DataKey) -> Result<(), StoreError> {
    let (mut names, mut values) = (StringBuilder::new(), BinaryBuilder::new());
    let mut sorted: Vec<&VaultRow> = rows.iter().collect();
    sorted.sort();
    for (name, value) in sorted {
        names.append_value(name);
        values.append_value(value);
    }
    let schema = Arc::new(Schema::new(vec![
        Field::new("pseudonym", DataType::Utf8, false),
        Field::new("value", DataType::Binary, false),
    ]));
    let columns: Vec<ArrayRef> = vec![Arc::new(names.finish()), Arc::new(values.finish())];
    let table = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    let at = |error| StoreError::Parquet {
        path: path.to_owned(),
        error,
    };
    let encryption = FileEncryptionProperties::builder(key.to_vec())
        .build()
        .map_err(at)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .with_file_encryption_properties(encryption)
        .build();
    let file = File::create(path).map_err(StoreError::io("creating", path))?;
    let mut writer = ArrowWriter::try_new(file, schema, Some(properties)).map_err(at)?;
    writer.write(&table).map_err(at)?;
    let file = writer.into_inner().map_err(at)?;
    file.sync_all().map_err(StoreError::io("syncing", path))
}

/// Reads a vault.
///
/// # Errors
/// The file cannot be read, or not with that key.
pub(super) fn read_vault(path: &Path, key: &DataKey) -> Result<Vec<VaultRow>, StoreError> {
    let at = |error| StoreError::Parquet {
        path: path.to_owned(),
        error,
    };
    let file = File::open(path).map_err(StoreError::io("opening", path))?;
    let decryption = FileDecryptionProperties::builder(key.to_vec())
        .build()
        .map_err(at)?;
    let options = ArrowReaderOptions::new().with_file_decryption_properties(decryption);
    let metadata = ArrowReaderMetadata::load(&file, options).map_err(at)?;
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
        .build()
        .map_err(at)?;
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch?;
        let names = batch.column(0).as_string::<i32>();
        let values = batch.column(1).as_binary::<i32>();
        rows.extend(
            (0..batch.num_rows())
                .map(|row| (names.value(row).to_owned(), values.value(row).to_vec())),
        );
    }
    Ok(rows)
}

/// The newest vault of a batch and its wrapped key: an erasure writes both anew before it removes the
/// old ones.
pub(super) fn newest(folder: &Path) -> Option<(u32, PathBuf, PathBuf)> {
    let entries = std::fs::read_dir(folder).ok()?;
    let numbers = entries.filter_map(|entry| {
        let path = entry.ok()?.path();
        let is_key = path.extension().is_some_and(|end| end == "age");
        let number = path.file_stem()?.to_str()?.parse::<u32>().ok()?;
        (is_key && path.with_extension("parquet").is_file()).then_some(number)
    });
    let newest = numbers.max()?;
    let file = |end: &str| folder.join(format!("{newest}.{end}"));
    Some((newest, file("parquet"), file("age")))
}
