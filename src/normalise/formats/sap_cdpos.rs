//! SAP change document positions (table CDPOS): what was changed, field by field.
//!
//! - Vendor document: SAP data dictionary, table CDPOS.
//! - Detection: columns OBJECTCLAS, CHANGENR, TABNAME and FNAME.
//! - Time: **none**; it stands in the header (CDHDR) of the same change number and is taken from
//!   there when tasks are made, whichever file comes first.
//! - Ids: as in CDHDR; `TABKEY` is cut by the table's widths.
//! - Not mapped: TEXT_CASE, UNIT_OLD, UNIT_NEW.
//!
//! `VALUE_NEW` stands before `VALUE_OLD`. Texts are cut by SAP at 254 characters.

use std::borrow::Cow;

use crate::model::{ActorType, Amount, Change, Event, KeyKind, Kind, Outcome};
use crate::normalise::names::{is_amount_name, kind_of_name, looks_like_id};
use crate::normalise::{Detection, Format, MapError, Record, Sample, ZoneRule, sap};

/// SAP CDPOS.
pub struct Cdpos;

/// What the key of a table's row is made of, by width; blanks inside belong to it. Source: data dictionary,
/// key fields of the tables.
fn table_key<'k>(table: &str, key: &'k str) -> Vec<(KeyKind, &'k str)> {
    use KeyKind::{Customer, Document, Invoice, Order};
    // Behind the client (three characters): how many characters stand before the number, and its kinds.
    let (before, kinds): (usize, &[KeyKind]) = match table {
        "EKKO" | "EKPO" | "EKET" | "VBAK" | "VBAP" | "VBEP" => (0, &[Order]),
        "RBKP" | "RSEG" => (0, &[Invoice]),
        "BKPF" | "BSEG" => (4, &[Invoice, Document]),
        "LFA1" | "LFB1" | "LFBK" | "KNA1" | "KNB1" | "KNBK" => (0, &[Customer]),
        _ => return Vec::new(),
    };
    let number = key.get(3 + before..13 + before).map(str::trim);
    let number = number.filter(|number| !number.is_empty());
    number
        .into_iter()
        .flat_map(|number| kinds.iter().map(move |kind| (*kind, number)))
        .collect()
}

impl Format for Cdpos {
    fn name(&self) -> &'static str {
        "sap_cdpos"
    }

    fn title(&self) -> &'static str {
        "SAP change document positions (CDPOS)"
    }

    fn family(&self) -> &'static str {
        "sap"
    }

    fn zone_rule(&self) -> ZoneRule {
        ZoneRule::Local
    }

    fn detect(&self, sample: &Sample<'_>) -> Option<Detection> {
        let header = sample.header()?;
        let sure = header.has_all(&["OBJECTCLAS", "CHANGENR", "TABNAME", "FNAME"]);
        Detection::of(
            if sure { 95 } else { 0 },
            "columns OBJECTCLAS, CHANGENR, TABNAME and FNAME",
        )
    }

    fn map<'r>(&self, record: &Record<'r>, out: &mut Vec<Event<'r>>) -> Result<(), MapError> {
        let mut event = Event::new(Kind::Write);
        event.actor.kind = Some(ActorType::Unknown);
        event.outcome = Some(Outcome::Ok);
        event.action = Some(Cow::Borrowed(sap::verb(
            record.field("CHNGIND").unwrap_or("U"),
        )));
        sap::take_change_document(&mut event, record);
        let field = record.field("FNAME").unwrap_or_default();
        let table = record.field("TABNAME").unwrap_or_default();
        let value = |name| {
            record
                .field(name)
                .map(|value| value.strip_prefix("V:").unwrap_or(value))
        };
        let (before, after) = (value("VALUE_OLD"), value("VALUE_NEW"));
        if field == "KEY" {
            event.attr("sap.whole_row", "true");
        } else {
            event.changes.push(Change {
                field: Cow::Owned(format!("{table}-{field}")),
                before: before.map(Cow::Borrowed),
                after: after.map(Cow::Borrowed),
            });
        }
        if let Some(after) = after {
            if is_amount_name(field) {
                event.amount = Amount::parse(after);
                event.currency = record.field("CUKY_NEW").map(Cow::Borrowed);
                if sap::has_two_decimals(after) {
                    sap::as_displayed(&mut event);
                }
            } else if field.contains("TRACE") && after.len() == 32 {
                event.trace = Some(Cow::Borrowed(after));
                event.key(KeyKind::Trace, after);
            } else if let Some(kind) = kind_of_name(field)
                && looks_like_id(after)
            {
                event.key(kind, after);
            }
        }
        if let Some(key) = record.raw_field("TABKEY") {
            for (kind, value) in table_key(table, key) {
                event.key(kind, value);
            }
        }
        event.attr("sap.table", table);
        event.attr_opt("sap.table_key", record.raw_field("TABKEY"));
        event.attr_opt("sap.client", record.field("MANDANT"));
        out.push(event);
        Ok(())
    }
}
