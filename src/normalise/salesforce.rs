//! What the Salesforce formats share: which object types and id prefixes are which business key.

use crate::model::{KeyKind, salesforce_id18};

/// The business key that a record of that type is, from its type or its id's three-character
/// prefix (Salesforce: "Standard field record ID prefix decoder").
#[must_use]
pub(super) fn key_kind(object: &str, id: &str) -> Option<KeyKind> {
    let of_type = match object {
        "Case" => Some(KeyKind::Case),
        "Account" => Some(KeyKind::Account),
        "Contact" => Some(KeyKind::Customer),
        "Order" => Some(KeyKind::Order),
        "Invoice" => Some(KeyKind::Invoice),
        "User" => Some(KeyKind::User),
        custom if custom.ends_with("__c") => {
            super::names::kind_of_name(custom.trim_end_matches("__c"))
        }
        _ => None,
    };
    of_type.or_else(|| {
        salesforce_id18(id)?;
        match id.get(..3)? {
            "500" => Some(KeyKind::Case),
            "001" => Some(KeyKind::Account),
            "003" => Some(KeyKind::Customer),
            "801" => Some(KeyKind::Order),
            "005" => Some(KeyKind::User),
            "3tt" => Some(KeyKind::Invoice),
            _ => None,
        }
    })
}
