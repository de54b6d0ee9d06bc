//! Who may see what.

use serde::Deserialize;

use crate::model::event::named_enum;

named_enum! {
    /// What a role may do with what is protected.
    Right {
        /// Find people by a value that one knows.
        LookUp = "look-up",
        /// Read records and texts, with pseudonyms in the place of people.
        Contents = "contents",
        /// See what pseudonyms stand for.
        Reveal = "reveal",
    }
}

/// A section `[roles.NAME]` of trail.toml.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Role {
    /// Public keys (`age1…`) of those who have the role.
    pub recipients: Vec<String>,
    /// What they may do.
    pub may: Vec<Right>,
    /// Columns of events that they are not shown.
    pub hide: Vec<String>,
}
