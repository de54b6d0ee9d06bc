//! The seal: a Merkle log over all records, rejects, manifests and journals of a store, and its signed
//! checkpoints. docs/evidence.md says what it protects against and what it does not.

mod check;
mod check_proof;
mod commit;
mod key;
mod leaf;
mod log;
mod proof;
mod recompute;
mod timestamp;
mod tree;

pub use check::{Depth, Pin, SealVerdict, check_seal};
pub use check_proof::{Shown, ShownRecord, check_proof};
pub use commit::{LogSealer, checkpoint, unsealed};
pub use key::{KeyError, Signatures, make_key, random32, read_signer, read_verifiers, signatures};
pub(crate) use leaf::hmac_sha256;
pub use leaf::{ContentDigest, SaltKey, reject_leaf};
pub use log::{Appender, Entry, JOURNALS, Log};
pub use proof::{Proof, ProofError, RecordPlace, prove_consistency, prove_records};
pub use recompute::{
    BatchLeaves, LeafOf, REMOVED, batch_leaves, chunk_leaves, reader_of, salt_key,
};
pub use timestamp::{TimeStamp, check_time_stamp};
