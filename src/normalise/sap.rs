//! What the SAP formats share: change document ids, dates, verbs.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

use serde::Deserialize;

use super::{MapError, Record};
use crate::model::time::Time;
use crate::model::{ActorType, Amount, Event, KeyKind};
use crate::read::Header;

#[derive(Deserialize)]
struct Labels {
    table: Vec<LabelledTable>,
}

#[derive(Deserialize)]
struct LabelledTable {
    needs: Vec<String>,
    #[serde(flatten)]
    languages: BTreeMap<String, toml::Value>,
}

static LABELS: LazyLock<Vec<LabelledTable>> = LazyLock::new(|| {
    let labels: Result<Labels, _> = toml::from_str(include_str!("sap_labels.toml"));
    // A test reads the file as well.
    labels.map(|labels| labels.table).unwrap_or_default()
});

/// The header with technical names in the place of labels of the logon language, where those are the labels
/// of an SAP table.
#[must_use]
pub fn technical_header(header: &Header) -> Option<Header> {
    for table in LABELS.iter() {
        let languages = table.languages.values().filter_map(toml::Value::as_table);
        for labels in languages {
            let mut taken = HashSet::new();
            let names = header.names.iter().map(|label| {
                let name = labels
                    .iter()
                    .find(|(known, _)| known.eq_ignore_ascii_case(label))
                    .and_then(|(_, name)| name.as_str());
                match name {
                    Some(name) if taken.insert(name) => name.to_owned(),
                    _ => label.clone(),
                }
            });
            let names: Vec<String> = names.collect();
            if table.needs.iter().all(|need| taken.contains(need.as_str())) {
                return Some(Header::new(names, header.delimiter));
            }
        }
    }
    None
}

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

/// Amounts in tables have two decimals, whatever the currency has (table TCURX lists those with other
/// numbers): 10.00 of a JPY column are 1,000 yen. Where decimals are written that the currency does not have,
/// the amount is as it is stored, and is brought into what people see; an export that displays amounts writes
/// none.
pub(super) fn as_displayed(event: &mut Event<'_>) {
    const WITHOUT_DECIMALS: &[&str] = &[
        "JPY", "KRW", "VND", "CLP", "ISK", "PYG", "UGX", "XAF", "XOF", "XPF", "KMF", "GNF", "RWF",
        "DJF", "BIF", "VUV",
    ];
    let Some(currency) = event.currency.as_deref() else {
        return;
    };
    if let Some(amount) = event.amount
        && WITHOUT_DECIMALS.contains(&currency)
    {
        let note =
            format!("{currency} has no decimals: the table stores {amount} for 100 times as much");
        event.amount = Some(Amount(amount.0.saturating_mul(100)));
        event.notes.push(Cow::Owned(note));
    }
}

/// Whether an amount is written with two decimals.
pub(super) fn has_two_decimals(amount: &str) -> bool {
    let amount = amount.trim().trim_end_matches('-');
    matches!(amount.bytes().rev().nth(2), Some(b'.' | b','))
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
        // A spreadsheet cuts the zero of client `010`.
        format!("sap-change:{client:0>3}:{class}:{}:{number}", object.trim()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_a_table_are_its_names() {
        assert!(LABELS.len() >= 4);
        let header = |names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned());
            technical_header(&Header::new(names.collect(), b';'))
        };
        let found = header(&[
            "Buchungskreis",
            "Belegnummer",
            "Belegnummer",
            "Geschäftsjahr",
            "Z",
        ]);
        let names = found.unwrap().names;
        assert_eq!(names, ["BUKRS", "BELNR", "Belegnummer", "GJAHR", "Z"]);
        assert!(header(&["Date", "User", "Time", "Document Number"]).is_none());
    }
}
