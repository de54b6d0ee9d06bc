//! What somebody may see of an opened store.

mod shown;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use age::x25519::Identity;

use super::keys::{read_identities, unwrap, wrap};
use super::pseudonym::{kind_of, pseudonyms_in, without_spelling};
use super::record::kind_of_key;
use super::vault::{newest, read_vault};
use super::wrapping::{contents_file, is_protected, look_up_file, people};
use super::{DataKey, KeyFileError, Pseudonyms, Right, Role, Vault, VaultRow};
use crate::model::KeyKind;
use crate::normalise::Personal;
use crate::store::StoreError;

/// Why protection cannot be set up or used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum AccessError {
    /// A key is not usable.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Key(#[from] KeyFileError),
    /// A role that trail.toml does not have.
    #[error("there is no role `{role}`; roles are: {roles}")]
    #[diagnostic(help("roles stand in trail.toml of the store, as [roles.NAME]"))]
    NoRole {
        /// As given.
        role: String,
        /// All there are.
        roles: String,
    },
    /// The key is not of somebody who has the role.
    #[error("the key in {path} is of none who has the role `{role}`")]
    #[diagnostic(help("the recipients of the role stand in trail.toml of the store"))]
    NotInRole {
        /// Key file.
        path: String,
        /// The role.
        role: String,
    },
    /// A role is asked for where nothing is protected.
    #[error(
        "this store is not protected: what it holds lies in clear on the disk, and no role hides it"
    )]
    #[diagnostic(help(
        "name roles in trail.toml of a new store, run `trail access protect`, and ingest the dumps into it"
    ))]
    Clear,
    /// The role may not do that.
    #[error("{who} may not do this: it needs the right to {right}")]
    #[diagnostic(help(
        "--identity FILE and --as ROLE say who you are; rights stand in trail.toml"
    ))]
    NotAllowed {
        /// Role, or that there is none.
        who: String,
        /// What is needed.
        right: Right,
    },
    /// No role has a right that has to have somebody.
    #[error("no role with recipients may {right}")]
    #[diagnostic(help(
        "what nobody can read is lost: give every right to a role in trail.toml, e.g. [roles.officer] recipients = [\"age1…\"], may = [\"look-up\", \"contents\", \"reveal\"]"
    ))]
    Nobody {
        /// The right.
        right: Right,
    },
    /// A column that events have not.
    #[error("role `{role}` hides `{column}`, which is no column of events that may be empty")]
    #[diagnostic(help("`trail sql` lists the columns of events"))]
    Column {
        /// The role.
        role: String,
        /// As given.
        column: String,
    },
    /// The store has batches in clear already.
    #[error("this store has records already, in clear: protection begins with an empty store")]
    #[diagnostic(help("make a new store, and ingest the dumps into it"))]
    HasRecords,
    /// A file cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Folder of the vault of a batch.
pub(super) fn vault_folder(root: &Path, batch: &str) -> PathBuf {
    root.join("access").join("vault").join(batch)
}

pub(super) fn check_columns(roles: &BTreeMap<String, Role>) -> Result<(), AccessError> {
    let schema = crate::store::events_schema();
    for (name, role) in roles {
        for column in &role.hide {
            let known = schema.field_with_name(column);
            if !known.is_ok_and(|field| field.is_nullable()) {
                return Err(AccessError::Column {
                    role: name.clone(),
                    column: column.clone(),
                });
            }
        }
    }
    Ok(())
}

/// What somebody may see of a store. Without a key, what lies in clear.
#[derive(Default)]
pub struct Access {
    root: PathBuf,
    protected: bool,
    role: Option<String>,
    rights: BTreeSet<Right>,
    identities: Vec<Identity>,
    names: Option<Pseudonyms>,
    contents: Mutex<HashMap<String, DataKey>>,
    vault: OnceLock<Vault>,
    /// Kinds of values that are shown in the place of their pseudonyms.
    revealed: BTreeSet<Personal>,
    /// Columns that are not shown.
    hidden: Vec<String>,
}

impl Access {
    /// What lies in clear of the store at that folder.
    #[must_use]
    pub fn without_key(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            protected: is_protected(root),
            ..Self::default()
        }
    }

    /// What the holder of a key may see in a role; without a name, in the role that the key is of (in
    /// that of the most rights, if it is of several).
    ///
    /// # Errors
    /// There is no such role or key, or the key is not of the role.
    pub fn with_key(
        root: &Path,
        roles: &BTreeMap<String, Role>,
        role: Option<&str>,
        identity: Option<&Path>,
    ) -> Result<Self, AccessError> {
        let mut access = Self::without_key(root);
        check_columns(roles)?;
        if role.is_none() && identity.is_none() {
            return Ok(access);
        }
        if !access.protected {
            return match role {
                Some(_) => Err(AccessError::Clear),
                // A key that opens nothing does no harm: the environment may name one.
                None => Ok(access),
            };
        }
        if let Some(name) = role
            && !roles.contains_key(name)
        {
            let roles: Vec<&str> = roles.keys().map(String::as_str).collect();
            return Err(AccessError::NoRole {
                role: name.to_owned(),
                roles: roles.join(", "),
            });
        }
        let identities = identity
            .map(read_identities)
            .transpose()?
            .unwrap_or_default();
        let own: Vec<String> = identities
            .iter()
            .map(|key| key.to_public().to_string())
            .collect();
        let has = |role: &Role| role.recipients.iter().any(|name| own.contains(name));
        let found = match role {
            // Without a key a role only takes away.
            Some(name) if identity.is_none() || roles.get(name).is_some_and(has) => {
                roles.get_key_value(name)
            }
            Some(_) => None,
            None => roles
                .iter()
                .filter(|(_, role)| has(role))
                .max_by_key(|(name, role)| (role.may.len(), std::cmp::Reverse(*name))),
        };
        let Some((name, role)) = found else {
            return Err(AccessError::NotInRole {
                path: identity
                    .map(|path| path.display().to_string())
                    .unwrap_or_default(),
                role: role.unwrap_or("any").to_owned(),
            });
        };
        access.role = Some(name.clone());
        access.hidden.clone_from(&role.hide);
        if identity.is_some() {
            access.rights = role.may.iter().copied().collect();
            access.identities = identities;
        }
        if access.rights.contains(&Right::LookUp) {
            let path = look_up_file(root);
            let wrapped = std::fs::read(&path).map_err(StoreError::io("reading", &path))?;
            access.names = unwrap(&wrapped, &access.identities).map(Pseudonyms::new);
        }
        Ok(access)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Unwraps a key with those of this person.
    pub(super) fn unwrap(&self, wrapped: &[u8]) -> Option<DataKey> {
        unwrap(wrapped, &self.identities)
    }

    /// Whether people stand as pseudonyms in this store.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        self.protected
    }

    /// Who this is, for people.
    #[must_use]
    pub fn who(&self) -> String {
        match &self.role {
            Some(role) => format!("the role `{role}`"),
            None => "who has no key of this store".to_owned(),
        }
    }

    /// The role, if there is one.
    #[must_use]
    pub fn role(&self) -> Option<&str> {
        self.role.as_deref()
    }

    /// Columns that this role is not shown.
    #[must_use]
    pub fn hidden(&self) -> &[String] {
        &self.hidden
    }

    /// Asks for a right.
    ///
    /// # Errors
    /// The role has it not.
    pub fn need(&self, right: Right) -> Result<(), AccessError> {
        if self.rights.contains(&right) {
            return Ok(());
        }
        Err(AccessError::NotAllowed {
            who: self.who(),
            right,
        })
    }

    /// From now on shows what pseudonyms of these kinds stand for.
    ///
    /// # Errors
    /// The role may not reveal.
    pub fn reveal(&mut self, kinds: &[Personal]) -> Result<(), AccessError> {
        self.need(Right::Reveal)?;
        self.revealed.extend(kinds);
        Ok(())
    }

    /// The pseudonyms of this store, for who may look up.
    #[must_use]
    pub fn names(&self) -> Option<&Pseudonyms> {
        self.names.as_ref()
    }

    /// What a key is stored as.
    #[must_use]
    pub fn key<'v>(&self, kind: KeyKind, value: &'v str) -> Cow<'v, str> {
        match (&self.names, kind_of_key(kind)) {
            (Some(names), Some(personal)) if !crate::model::is_pseudonym(value) => {
                Cow::Owned(names.of_all_spellings(personal, value.trim()).0)
            }
            _ => Cow::Borrowed(value),
        }
    }

    /// Whether texts of the store can be read.
    #[must_use]
    pub fn reads_contents(&self) -> bool {
        !self.protected || self.rights.contains(&Right::Contents)
    }

    /// The key of a batch's texts; `None` where they lie in clear.
    ///
    /// # Errors
    /// They are protected, and not from this role.
    pub fn contents_key(&self, batch: &str) -> Result<Option<DataKey>, StoreError> {
        if !self.protected {
            return Ok(None);
        }
        let refused = |what: &str| StoreError::Protected {
            reason: format!("{} {what}", self.who()),
        };
        if !self.rights.contains(&Right::Contents) {
            return Err(refused("may not read records and texts"));
        }
        if let Some(key) = self.cache().get(batch) {
            return Ok(Some(*key));
        }
        let path = contents_file(&self.root, batch);
        let wrapped = std::fs::read(&path).map_err(StoreError::io("reading", &path))?;
        let key = unwrap(&wrapped, &self.identities)
            .ok_or_else(|| refused("had no key yet when this batch was made"))?;
        self.cache().insert(batch.to_owned(), key);
        Ok(Some(key))
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, HashMap<String, DataKey>> {
        self.contents
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What the pseudonyms of a batch stand for, as it is now, with the number of the file.
    ///
    /// # Errors
    /// The role may not reveal, or the file cannot be read.
    pub fn vault_of(&self, batch: &str) -> Result<(u32, Vec<VaultRow>), StoreError> {
        let refused = || StoreError::Protected {
            reason: format!("{} may not see what pseudonyms stand for", self.who()),
        };
        if !self.rights.contains(&Right::Reveal) {
            return Err(refused());
        }
        let folder = vault_folder(&self.root, batch);
        let Some((number, table, key)) = newest(&folder) else {
            return Err(StoreError::Damaged {
                path: folder,
                reason: "what the pseudonyms of the batch stand for is missing".to_owned(),
            });
        };
        let wrapped = std::fs::read(&key).map_err(StoreError::io("reading", &key))?;
        let key = unwrap(&wrapped, &self.identities).ok_or_else(refused)?;
        Ok((number, read_vault(&table, &key)?))
    }

    /// What all pseudonyms stand for; read once.
    ///
    /// # Errors
    /// As [`Access::vault_of`].
    pub fn vault(&self, batches: &[String]) -> Result<&Vault, StoreError> {
        if let Some(vault) = self.vault.get() {
            return Ok(vault);
        }
        let mut vault = Vault::new();
        for batch in batches {
            vault.extend(self.vault_of(batch)?.1);
        }
        Ok(self.vault.get_or_init(|| vault))
    }

    /// Whether pseudonyms are to be replaced by what they stand for in what is shown.
    #[must_use]
    pub fn reveals(&self) -> bool {
        !self.revealed.is_empty()
    }

    /// Whether records are shown as they were logged.
    #[must_use]
    pub fn shows_originals(&self) -> bool {
        !self.protected || self.revealed.len() == Personal::ALL.len()
    }

    /// A text as it is shown: pseudonyms of revealed kinds replaced. [`Access::vault`] has to have been
    /// called.
    #[must_use]
    pub fn shown<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        self.restored(text, |kind| self.revealed.contains(&kind)).0
    }

    /// A text as it was logged, and the pseudonyms that nothing is known of any more.
    #[must_use]
    pub fn original<'t>(&self, text: &'t [u8]) -> (Cow<'t, [u8]>, Vec<String>) {
        self.restored(text, |_| true)
    }

    fn restored<'t>(
        &self,
        text: &'t [u8],
        wanted: impl Fn(Personal) -> bool,
    ) -> (Cow<'t, [u8]>, Vec<String>) {
        let mut unknown = Vec::new();
        let Some(vault) = self.vault.get() else {
            return (Cow::Borrowed(text), unknown);
        };
        let mut out: Vec<u8> = Vec::new();
        let mut at = 0;
        for place in pseudonyms_in(text) {
            let Ok(name) = std::str::from_utf8(&text[place.clone()]) else {
                continue;
            };
            if !kind_of(name).is_some_and(&wanted) {
                continue;
            }
            let Some(value) = vault.get(name) else {
                unknown.push(name.to_owned());
                continue;
            };
            out.extend_from_slice(&text[at..place.start]);
            out.extend_from_slice(value);
            at = place.end;
        }
        if at == 0 {
            return (Cow::Borrowed(text), unknown);
        }
        out.extend_from_slice(&text[at..]);
        (Cow::Owned(out), unknown)
    }

    fn shown_text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.shown(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    /// Writes the vault of a batch anew, without what the pseudonyms of some people stand for in all their
    /// spellings, and under a new key. Gives the new file and its wrapped key; the old ones are there until
    /// [`Access::remove_old`].
    ///
    /// # Errors
    /// The role may not reveal, or a file cannot be written.
    pub fn destroy(
        &self,
        roles: &BTreeMap<String, Role>,
        batch: &str,
        people_of: &HashSet<String>,
    ) -> Result<[PathBuf; 2], AccessError> {
        let (number, rows) = self.vault_of(batch)?;
        let others = |row: &VaultRow| !people_of.contains(without_spelling(&row.0));
        let kept: Vec<VaultRow> = rows.into_iter().filter(others).collect();
        let key = crate::seal::random32();
        let wrapped = wrap(&key, &people(roles, Right::Reveal)?)?;
        let folder = vault_folder(&self.root, batch);
        let next = number + 1;
        let vault = folder.join(format!("{next}.parquet"));
        super::write_vault(&vault, &kept, &key)?;
        let wrapped_key = folder.join(format!("{next}.age"));
        crate::store::write_atomically(&wrapped_key, &wrapped)?;
        Ok([vault, wrapped_key])
    }

    /// Removes the vaults of a batch, and their keys, that a newer one has taken the place of.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn remove_old(&self, batch: &str) -> Result<(), StoreError> {
        let folder = vault_folder(&self.root, batch);
        let Some((newest, ..)) = newest(&folder) else {
            return Ok(());
        };
        let entries = std::fs::read_dir(&folder).map_err(StoreError::io("listing", &folder))?;
        for entry in entries {
            let path = entry.map_err(StoreError::io("listing", &folder))?.path();
            let number = path
                .file_stem()
                .and_then(|name| name.to_str()?.parse::<u32>().ok());
            if number.is_some_and(|number| number < newest) {
                std::fs::remove_file(&path).map_err(StoreError::io("removing", &path))?;
            }
        }
        Ok(())
    }

    /// Pseudonyms of a person in all kinds that people have, without their spellings.
    #[must_use]
    pub fn pseudonyms_of(&self, person: &str) -> HashSet<String> {
        let kinds = Personal::ALL
            .iter()
            .filter(|kind| !matches!(kind, Personal::Text | Personal::Value | Personal::Literal));
        let names = self.names.iter().flat_map(|names| {
            kinds
                .clone()
                .map(move |kind| names.of_all_spellings(*kind, person.trim()).0)
        });
        names.collect()
    }
}
