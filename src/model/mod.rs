//! Plain data that passes between the stages: events, keys, times and ids.
//!
//! Nothing in here reads a file, prints or knows a vendor.

mod digest;
pub(crate) mod event;
mod key;
mod money;
pub mod time;

pub use digest::{Digest, EventId, RecordHasher};
pub use event::{Actor, ActorType, Change, ContentPart, Event, Kind, Object, Outcome};
pub use key::{
    KeyKind, PSEUDONYM, body_size, business_number, evidence_value, is_body_size, is_pseudonym,
    normalise_key, salesforce_id18, same_user,
};
pub use money::Amount;
