//! Protection of people in a store: values that say who somebody is stand as pseudonyms in every table,
//! and what they stand for lies encrypted beside them.
//!
//! ```text
//! access/look-up.age                   key of the pseudonyms, for roles that may look up
//! access/keys/<batch>.age              key of a batch's texts, for roles that may read contents
//! access/vault/<batch>/<n>.parquet     what its pseudonyms stand for, encrypted
//! access/vault/<batch>/<n>.age         the key of that, for roles that may reveal
//! access/erasures.jsonl                what was destroyed or wrapped anew, when, and why
//! ```
//! Keys are wrapped by [age](https://age-encryption.org/v1); tables are encrypted as the Parquet format
//! itself describes (modular encryption, AES-GCM), so that other tools read them too. A pseudonym is
//! `pii-<kind>-<HMAC-SHA256 of kind and normal form, 80 bits>`, and where the spelling is not the
//! normal form, `-<40 bits more>` of the spelling: equal people have equal beginnings.

mod access;
mod keys;
mod pseudonym;
mod record;
mod role;
mod vault;
mod wrapping;

pub use access::{Access, AccessError};
pub use keys::{DataKey, KeyFileError, new_identity};
pub use pseudonym::Pseudonyms;
pub use record::{Protector, VaultRow};
pub use role::{Right, Role};
pub use vault::{Vault, write_vault};
pub use wrapping::{BatchKeys, LOOK_UP, is_protected, set_up};
