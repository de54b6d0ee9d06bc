//! What the SAP formats share: change document ids, dates, verbs.

use std::borrow::Cow;

use super::{MapError, Record};
use crate::model::time::Time;
use crate::model::{ActorType, Event, KeyKind};

/// A date and a time of day in the server's zone. Initial values (`00000000`) are no time.
///
/// # Errors
/// A date or time of day that does not exist.
pub(super) fn time(
    record: &Record<'_>,
    date: &str,
    time_of_day: Option<&str>,
) -> Result<Option<Time>, MapError> {
    if date.bytes().all(|b| matches!(b, b'0' | b'.' | b'/' | b'-')) {
        return Ok(None);
    }
    let time_of_day = time_of_day.unwrap_or("000000");
    // Spreadsheets cut leading zeros: `80031` is 08:00:31.
    let padded = if time_of_day.bytes().all(|b| b.is_ascii_digit()) {
        format!("{time_of_day:0>6}")
    } else {
        time_of_day.to_owned()
    };
    record.local(&format!("{date} {padded}")).map(Some)
}

/// What CHANGE_IND and CHNGIND mean (U, I, D; E and J with single fields documented).
pub(super) fn verb(indicator: &str) -> &'static str {
    match indicator {
        "I" | "J" => "create",
        "D" | "E" => "delete",
        _ => "update",
    }
}

/// Technical users by the names that are usual for them; anybody else may be a person.
pub(super) fn actor_type(user: &str) -> ActorType {
    let upper = user.to_ascii_uppercase();
    let technical = [
        "RFC", "BATCH", "SYSTEM", "SVC", "WF-", "SAP_WFRT", "DDIC", "JOB",
    ];
    if upper.contains("AGENT") {
        ActorType::Agent
    } else if technical.iter().any(|mark| upper.contains(mark)) {
        ActorType::Service
    } else {
        ActorType::Human
    }
}

/// Sets object, business keys and the key that joins header and positions.
pub(super) fn take_change_document<'r>(event: &mut Event<'r>, record: &Record<'r>) {
    let class = record.field("OBJECTCLAS").unwrap_or_default();
    // Cut by width, so blanks inside (a short company code) must stay.
    let object = record.raw_field("OBJECTID").unwrap_or_default().trim_end();
    let client = record.field("MANDANT").unwrap_or_default();
    let number = record.field("CHANGENR").unwrap_or_default();
    event.key(
        KeyKind::Transaction,
        format!("sap-change:{client}:{class}:{}:{number}", object.trim()),
    );
    event.object.kind = Some(Cow::Borrowed(class));
    event.object.id = Some(Cow::Borrowed(object.trim()));
    event.attr("sap.change_number", number);
    match class {
        "BELEG" if object.len() >= 21 && object.is_ascii() => {
            let (company, document, year) = (&object[3..7], &object[7..17], &object[17..21]);
            event.key(KeyKind::Invoice, document);
            event.key(KeyKind::Document, document);
            event.object.id = Some(Cow::Owned(format!("{}/{document}/{year}", company.trim())));
            event.attr("sap.company_code", company.trim());
            event.attr("sap.fiscal_year", year);
        }
        "INCOMINGINVOICE" if object.len() >= 14 && object.is_ascii() => {
            event.key(KeyKind::Invoice, &object[..10]);
            event.attr("sap.fiscal_year", &object[10..14]);
        }
        "VERKBELEG" | "EINKBELEG" => event.key(KeyKind::Order, object),
        "DEBI" | "KRED" => event.key(KeyKind::Customer, object),
        _ => event.key(KeyKind::Object, format!("{class}/{}", object.trim())),
    }
}
