//! Keys of data, wrapped for people by age.

use std::io::{Read, Write};
use std::path::Path;
use std::str::FromStr;

use age::secrecy::ExposeSecret;
use age::x25519::{Identity, Recipient};

/// Key of AES-256 or of HMAC-SHA256.
pub type DataKey = [u8; 32];

/// Why a key file is not usable.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("cannot read the key file {path}: {error}")]
    Io {
        /// Which file.
        path: String,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// It holds no secret key.
    #[error("{path} holds no secret key of age (a line `AGE-SECRET-KEY-1…`)")]
    #[diagnostic(help(
        "`trail access key --output FILE` makes one; age-keygen's are the same, without a passphrase"
    ))]
    NoKey {
        /// Which file.
        path: String,
    },
    /// A public key that is none.
    #[error("`{text}` is no public key of age: {reason}")]
    #[diagnostic(help(
        "they begin with `age1`; `trail access key` prints it beside the secret one"
    ))]
    Recipient {
        /// As given.
        text: String,
        /// What is wrong.
        reason: String,
    },
    /// Encryption failed.
    #[error("a key cannot be wrapped: {0}")]
    Wrap(String),
}

/// A new secret key: the text of its file, and its public key.
#[must_use]
pub fn new_identity() -> (String, String) {
    let identity = Identity::generate();
    let public = identity.to_public().to_string();
    let secret = identity.to_string();
    let text = format!("# public key: {public}\n{}\n", secret.expose_secret());
    (text, public)
}

/// The secret keys of a file, one a line; lines that begin with `#` are comments.
///
/// # Errors
/// The file cannot be read, or holds none.
pub fn read_identities(path: &Path) -> Result<Vec<Identity>, KeyFileError> {
    let text = std::fs::read_to_string(path).map_err(|error| KeyFileError::Io {
        path: path.display().to_string(),
        error,
    })?;
    let lines = text.lines().map(str::trim);
    let keys: Vec<Identity> = lines
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Identity::from_str(line).ok())
        .collect();
    if keys.is_empty() {
        return Err(KeyFileError::NoKey {
            path: path.display().to_string(),
        });
    }
    Ok(keys)
}

/// A public key.
///
/// # Errors
/// It is none.
pub fn recipient(text: &str) -> Result<Recipient, KeyFileError> {
    Recipient::from_str(text.trim()).map_err(|reason| KeyFileError::Recipient {
        text: text.to_owned(),
        reason: reason.to_owned(),
    })
}

/// Wraps a key for all of these people.
///
/// # Errors
/// There is nobody to wrap it for.
pub fn wrap(key: &DataKey, recipients: &[Recipient]) -> Result<Vec<u8>, KeyFileError> {
    let failed = |error: &dyn std::fmt::Display| KeyFileError::Wrap(error.to_string());
    let people = recipients.iter().map(|one| one as &dyn age::Recipient);
    let encryptor = age::Encryptor::with_recipients(people).map_err(|error| failed(&error))?;
    let mut wrapped = Vec::new();
    let mut writer = encryptor
        .wrap_output(&mut wrapped)
        .map_err(|error| failed(&error))?;
    writer.write_all(key).map_err(|error| failed(&error))?;
    writer.finish().map_err(|error| failed(&error))?;
    Ok(wrapped)
}

/// Unwraps a key; `None` if it was not wrapped for any of these.
pub(super) fn unwrap(wrapped: &[u8], identities: &[Identity]) -> Option<DataKey> {
    let decryptor = age::Decryptor::new(wrapped).ok()?;
    let people = identities.iter().map(|one| one as &dyn age::Identity);
    let mut key = Vec::new();
    // A data key has 32 bytes; what is longer is none.
    let reader = decryptor.decrypt(people).ok()?;
    reader.take(64).read_to_end(&mut key).ok()?;
    key.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_unwrapped_by_those_it_was_wrapped_for() {
        let (one, other) = (Identity::generate(), Identity::generate());
        let wrapped = wrap(&[7; 32], &[one.to_public()]).unwrap();
        assert_eq!(unwrap(&wrapped, &[one]), Some([7; 32]));
        assert_eq!(unwrap(&wrapped, &[other]), None);
        assert!(wrap(&[7; 32], &[]).is_err());
    }
}
