//! Keys of a store, wrapped for those who have the rights.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::access::{check_columns, vault_folder};
use super::keys::{recipient, wrap};
use super::vault::newest;
use super::{Access, AccessError, DataKey, Right, Role, VaultRow};
use crate::store::StoreError;

/// File of the wrapped key of pseudonyms, below the store.
pub const LOOK_UP: &str = "access/look-up.age";

pub(super) fn look_up_file(root: &Path) -> PathBuf {
    root.join(LOOK_UP)
}

pub(super) fn contents_file(root: &Path, batch: &str) -> PathBuf {
    root.join("access")
        .join("keys")
        .join(format!("{batch}.age"))
}

/// Whether people stand as pseudonyms in the store at that folder.
#[must_use]
pub fn is_protected(root: &Path) -> bool {
    // Without the key of its pseudonyms it is damaged, and takes no records in clear.
    look_up_file(root).is_file() || root.join("access").join("vault").is_dir()
}

/// Those who have a right, by any of their roles.
pub(super) fn people(
    roles: &BTreeMap<String, Role>,
    right: Right,
) -> Result<Vec<age::x25519::Recipient>, AccessError> {
    let names: BTreeSet<&String> = roles
        .values()
        .filter(|role| role.may.contains(&right))
        .flat_map(|role| &role.recipients)
        .collect();
    if names.is_empty() {
        return Err(AccessError::Nobody { right });
    }
    Ok(names
        .into_iter()
        .map(|name| recipient(name))
        .collect::<Result<_, _>>()?)
}

/// Makes the key of pseudonyms of a store that has no records yet: from now on it is protected. Gives the
/// file of the wrapped key.
///
/// # Errors
/// Roles are not usable, a right is nobody's, the store has records, or it cannot be written.
pub fn set_up(
    root: &Path,
    roles: &BTreeMap<String, Role>,
    has_records: bool,
) -> Result<PathBuf, AccessError> {
    if has_records {
        return Err(AccessError::HasRecords);
    }
    check_columns(roles)?;
    for right in [Right::Contents, Right::Reveal] {
        people(roles, right)?;
    }
    let wrapped = wrap(&crate::seal::random32(), &people(roles, Right::LookUp)?)?;
    let path = look_up_file(root);
    write(&path, &wrapped)?;
    Ok(path)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(StoreError::io("creating", folder))?;
    }
    crate::store::write_atomically(path, bytes)
}

/// Keys of a new batch.
pub struct BatchKeys {
    /// Encrypts its texts.
    pub contents: DataKey,
    /// Encrypts what its pseudonyms stand for.
    pub vault: DataKey,
    wrapped: [Vec<u8>; 2],
}

impl BatchKeys {
    /// New keys, wrapped for those who have the rights.
    ///
    /// # Errors
    /// A right is nobody's.
    pub fn new(roles: &BTreeMap<String, Role>) -> Result<Self, AccessError> {
        let (contents, vault) = (crate::seal::random32(), crate::seal::random32());
        let wrapped = [
            wrap(&contents, &people(roles, Right::Contents)?)?,
            wrap(&vault, &people(roles, Right::Reveal)?)?,
        ];
        Ok(Self {
            contents,
            vault,
            wrapped,
        })
    }

    /// Puts the wrapped keys and the vault where they belong, before the batch is visible. Gives the files:
    /// the vault, its key, and the key of the texts.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn store(
        &self,
        root: &Path,
        batch: &str,
        rows: &[VaultRow],
    ) -> Result<[PathBuf; 3], StoreError> {
        let folder = vault_folder(root, batch);
        // What a crashed commit of the same batch left behind is not visible, so it may go.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).map_err(StoreError::io("creating", &folder))?;
        let vault = folder.join("0.parquet");
        super::write_vault(&vault, rows, &self.vault)?;
        let (vault_key, contents_key) = (folder.join("0.age"), contents_file(root, batch));
        write(&vault_key, &self.wrapped[1])?;
        write(&contents_key, &self.wrapped[0])?;
        Ok([vault, vault_key, contents_key])
    }
}

impl Access {
    /// The wrapped keys of the store, wrapped again for those who have the rights now, by their files.
    /// Nothing is written. Needs somebody who has all rights.
    ///
    /// # Errors
    /// A right is missing or nobody's, or a file cannot be read.
    pub fn wrapped_again(
        &self,
        roles: &BTreeMap<String, Role>,
        batches: &[String],
    ) -> Result<Vec<(PathBuf, Vec<u8>)>, AccessError> {
        for right in Right::ALL {
            self.need(*right)?;
        }
        let root = self.root();
        let mut files = vec![(look_up_file(root), Right::LookUp)];
        for batch in batches {
            files.push((contents_file(root, batch), Right::Contents));
            if let Some((_, _, key)) = newest(&vault_folder(root, batch)) {
                files.push((key, Right::Reveal));
            }
        }
        let again = files.into_iter().map(|(path, right)| {
            let wrapped = std::fs::read(&path).map_err(StoreError::io("reading", &path))?;
            let key = self
                .unwrap(&wrapped)
                .ok_or_else(|| AccessError::NotAllowed {
                    who: self.who(),
                    right,
                })?;
            Ok((path, wrap(&key, &people(roles, right)?)?))
        });
        again.collect()
    }
}
