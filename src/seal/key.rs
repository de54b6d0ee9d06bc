//! Keys that sign checkpoints (Ed25519), in the text forms of Go's `note` and C2SP signed-note.

use std::fs;
use std::io::Write;
use std::path::Path;

use rand_core::{OsRng, RngCore};
use signed_note::{Note, StandardSigner, StandardVerifier, Verifier, VerifierList, generate_key};

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("{action} {path}: {error}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Which file.
        path: String,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// The file holds something else.
    #[error("{path} holds no {what}: {reason}")]
    #[diagnostic(help(
        "`trail seal key FILE` makes a key in FILE and its public half in FILE.pub"
    ))]
    Form {
        /// Which file.
        path: String,
        /// What it should hold.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A name that signed notes do not allow.
    #[error("`{0}` is no name for a key")]
    #[diagnostic(help("a name has no spaces and no plus, such as audit.example.com/trail"))]
    Name(String),
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> KeyError {
    let path = path.display().to_string();
    move |error| KeyError::Io {
        action,
        path,
        error,
    }
}

/// Makes a key: the secret half in a new file that only its owner can read, the public one beside it
/// (`.pub`). Gives the public half.
///
/// # Errors
/// The name is not allowed, a file exists already or cannot be written.
pub fn make_key(path: &Path, name: &str) -> Result<String, KeyError> {
    if !signed_note::is_key_name_valid(name) {
        return Err(KeyError::Name(name.to_owned()));
    }
    let (secret, public) = generate_key(&mut OsRng, name);
    let mut options = fs::File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(io("creating", path))?;
    file.write_all(format!("{secret}\n").as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(io("writing", path))?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".pub");
    let beside = Path::new(&beside);
    fs::write(beside, format!("{public}\n")).map_err(io("writing", beside))?;
    Ok(public)
}

/// Reads the secret half of a key.
///
/// # Errors
/// The file cannot be read, or holds none.
pub fn read_signer(path: &Path) -> Result<StandardSigner, KeyError> {
    let text = fs::read_to_string(path).map_err(io("reading", path))?;
    StandardSigner::new(text.trim()).map_err(|error| KeyError::Form {
        path: path.display().to_string(),
        what: "secret key",
        reason: error.to_string(),
    })
}

/// Reads public keys: one a line, or one itself as text.
///
/// # Errors
/// It is neither a file nor a key.
pub fn read_verifiers(given: &str) -> Result<Vec<StandardVerifier>, KeyError> {
    if let Ok(key) = StandardVerifier::new(given.trim()) {
        return Ok(vec![key]);
    }
    let path = Path::new(given);
    let text = fs::read_to_string(path).map_err(io("reading", path))?;
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            StandardVerifier::new(line).map_err(|error| KeyError::Form {
                path: given.to_owned(),
                what: "public key",
                reason: error.to_string(),
            })
        })
        .collect()
}

/// Who has signed a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signatures {
    /// Names of keys that are known and whose signature holds.
    pub good: Vec<String>,
    /// Names of keys that are not known here.
    pub unknown: Vec<String>,
}

/// Checks the signatures of a checkpoint.
///
/// # Errors
/// It is no signed note, or a signature by a known key does not hold: why.
pub fn signatures(checkpoint: &[u8], keys: &[StandardVerifier]) -> Result<Signatures, String> {
    if checkpoint.ends_with(b"\n\n") {
        // Nobody has signed it.
        return Ok(Signatures::default());
    }
    let note = Note::from_bytes(checkpoint).map_err(|error| error.to_string())?;
    let known = keys
        .iter()
        .map(|key| Box::new(key.clone()) as Box<dyn Verifier>)
        .collect();
    match note.verify(&VerifierList::new(known)) {
        Ok((good, unknown)) => Ok(Signatures {
            good: names(&good),
            unknown: names(&unknown),
        }),
        Err(signed_note::NoteError::UnverifiedNote) => Ok(Signatures {
            good: Vec::new(),
            unknown: key_names(checkpoint),
        }),
        Err(error) => Err(error.to_string()),
    }
}

fn names(signatures: &[signed_note::Signature]) -> Vec<String> {
    let mut names: Vec<String> = signatures.iter().map(|s| s.name().to_owned()).collect();
    names.sort();
    names.dedup();
    names
}

/// Names in the signature lines of a note.
fn key_names(note: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(note);
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("\u{2014} "));
    lines
        .filter_map(|line| Some(line.split(' ').next()?.to_owned()))
        .collect()
}

/// Random bytes of the operating system.
#[must_use]
pub fn random32() -> [u8; 32] {
    let mut bytes = [0; 32];
    OsRng.fill_bytes(&mut bytes);
    bytes
}
