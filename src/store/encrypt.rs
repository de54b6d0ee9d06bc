//! Tables of texts that are encrypted, and texts that are taken out of them.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::encryption::decrypt::FileDecryptionProperties;
use parquet::encryption::encrypt::FileEncryptionProperties;
use parquet::file::properties::WriterProperties;

use super::tables::{contents_properties, contents_schema};
use super::{Store, StoreError};
use crate::protect::DataKey;

/// Properties with which a table is written encrypted, if there is a key.
pub(super) fn encrypted(
    properties: WriterProperties,
    key: Option<DataKey>,
) -> Result<WriterProperties, StoreError> {
    let Some(key) = key else {
        return Ok(properties);
    };
    let encryption = FileEncryptionProperties::builder(key.to_vec())
        .build()
        .map_err(StoreError::parquet("contents"))?;
    let builder = properties.into_builder();
    Ok(builder.with_file_encryption_properties(encryption).build())
}

/// Properties with which it is read again.
pub(super) fn decryption(key: DataKey) -> Result<Arc<FileDecryptionProperties>, StoreError> {
    FileDecryptionProperties::builder(key.to_vec())
        .build()
        .map_err(StoreError::parquet("contents"))
}

/// Writes a contents file anew beside it, without the texts of records for which `removed` gives the
/// commitment that stays in the place of them. It is asked with file, record and the raw bytes as stored.
/// Gives the number of records removed; nothing is left there if that is none, or in a dry run.
///
/// # Errors
/// A file cannot be read or written.
pub fn rewrite_contents(
    store: &Store,
    path: &Path,
    aside: &Path,
    dry_run: bool,
    mut removed: impl FnMut(i32, i64, &[u8]) -> Option<[u8; 32]>,
) -> Result<usize, StoreError> {
    use crate::model::ContentPart;
    let folder = path.parent().and_then(Path::file_name);
    let batch = folder.and_then(|name| name.to_str()?.strip_prefix("batch="));
    let key = store.access().contents_key(batch.unwrap_or_default())?;
    let groups = super::content_groups(store, path)?;
    let mut count = 0;
    // Which records go is known from their raw bytes, the first of their rows.
    let mut gone: Option<(i32, i64)> = None;
    let file = File::create(aside).map_err(StoreError::io("creating", aside))?;
    let options = ArrowWriterOptions::new()
        .with_properties(encrypted(contents_properties(), key)?)
        .with_skip_arrow_metadata(true);
    let (mut writer, factory) = ArrowWriter::try_new_with_options(file, contents_schema(), options)
        .and_then(ArrowWriter::into_serialized_writer)
        .map_err(StoreError::parquet(aside))?;
    for group in 0..groups {
        let mut rows =
            super::ContentsBuilder::new(arrow_buffer::Buffer::from_vec(Vec::<u8>::new()), 1024);
        let mut failed = Ok(());
        super::scan_stored_texts(store, path, group, |file, ordinal, part, content, bytes| {
            if content == ContentPart::Raw.as_str()
                && let Some(digest) = removed(file, ordinal, bytes)
            {
                count += 1;
                gone = Some((file, ordinal));
                let added = rows.push_named(file, ordinal, 0, crate::seal::REMOVED, &digest);
                failed = std::mem::replace(&mut failed, Ok(())).and(added);
            } else if gone != Some((file, ordinal)) {
                let added = rows.push_named(file, ordinal, part, content, bytes);
                failed = std::mem::replace(&mut failed, Ok(())).and(added);
            }
        })?;
        failed?;
        let mut to = writer
            .next_row_group()
            .map_err(StoreError::parquet(aside))?;
        for chunk in rows.finish().encode(&factory, group)?.into_chunks() {
            chunk
                .append_to_row_group(&mut to)
                .map_err(StoreError::parquet(aside))?;
        }
        to.close().map_err(StoreError::parquet(aside))?;
    }
    let file = writer.into_inner().map_err(StoreError::parquet(aside))?;
    file.sync_all().map_err(StoreError::io("syncing", aside))?;
    if count == 0 || dry_run {
        fs::remove_file(aside).map_err(StoreError::io("removing", aside))?;
    }
    Ok(count)
}

/// The secret from which salts of a protected batch are made: who can read its records can make them.
pub(crate) fn salt_of(contents: &DataKey) -> [u8; 32] {
    crate::seal::hmac_sha256(contents, b"trail/salt/v1")
}
