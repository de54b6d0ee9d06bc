//! Salesforce field history (`OpportunityFieldHistory`, `CaseHistory`, `<Custom>__History`).
//!
//! - Vendor document: Salesforce object reference, "`<Object>History`".
//! - Detection: columns or members Field, OldValue, NewValue, CreatedById and CreatedDate.
//! - Time: `CreatedDate`, ISO 8601 in UTC, seconds.
//! - Ids: the parent record; rows of one save share record, user and second (a transaction key).
//! - Not mapped: `IsDeleted`.
//!
//! One row a changed field. Long and encrypted fields have neither value: the change is kept and
//! noted as masked.

use std::borrow::Cow;

use crate::model::{ActorType, Amount, Change, Event, KeyKind, Kind, Outcome, salesforce_id18};
use crate::normalise::flat::Flat;
use crate::normalise::json::Pairs;
use crate::normalise::names::{is_amount_name, kind_of_name, looks_like_id};
use crate::normalise::{Detection, Format, MapError, Record, Sample, salesforce};

/// Salesforce field history.
pub struct FieldHistory;

const COLUMNS: [&str; 5] = [
    "FIELD",
    "OLDVALUE",
    "NEWVALUE",
    "CREATEDBYID",
    "CREATEDDATE",
];

impl Format for FieldHistory {
    fn name(&self) -> &'static str {
        "salesforce_field_history"
    }

    fn title(&self) -> &'static str {
        "Salesforce field history"
    }

    fn family(&self) -> &'static str {
        "salesforce"
    }

    fn detect(&self, sample: &Sample<'_>) -> Option<Detection> {
        if let Some(header) = sample.header() {
            let sure = header.has_all(&COLUMNS);
            return Detection::of(
                if sure { 95 } else { 0 },
                "columns FIELD, OLDVALUE, NEWVALUE, CREATEDBYID, CREATEDDATE",
            );
        }
        let share = sample.percent(|value| {
            ["Field", "OldValue", "NewValue", "CreatedDate"]
                .iter()
                .all(|name| value.get(*name).is_some())
        });
        Detection::of(
            if share > 0 { 55 + share * 2 / 5 } else { 0 },
            format!("{share} % of the records have Field, OldValue, NewValue and CreatedDate"),
        )
    }

    fn map<'r>(&self, record: &Record<'r>, out: &mut Vec<Event<'r>>) -> Result<(), MapError> {
        let fields = Flat::of(record)?;
        let get = |names: &[&str]| fields.get(names);
        let mut event = Event::new(Kind::Write);
        let time = get(&["CREATEDDATE"]).ok_or_else(|| MapError::other("no CreatedDate"))?;
        let time = record.utc(&time)?;
        event.time = Some(time);
        let field = get(&["FIELD"]).ok_or_else(|| MapError::other("no Field"))?;
        let (object, id) = parent(record, &fields);
        let user = get(&["CREATEDBYID"]);
        event.key_opt(KeyKind::User, user.clone());
        event.actor.id = get(&["CREATEDBY.USERNAME", "CREATEDBY.NAME"]).or(user.clone());
        event.actor.kind = Some(ActorType::Unknown);
        if let Some(id) = &id {
            let object_name = object.as_deref().unwrap_or("Record");
            match salesforce::key_kind(object_name, id) {
                Some(kind) => event.key(kind, id.clone()),
                None => event.key(KeyKind::Object, format!("{object_name}/{id}")),
            }
            let id18 = salesforce_id18(id).unwrap_or(Cow::Borrowed(id));
            let seconds = time.us.div_euclid(1_000_000);
            let user = user.as_deref().unwrap_or_default();
            event.key(
                KeyKind::Transaction,
                format!("sf-history:{id18}:{user}:{seconds}"),
            );
        }
        event.object.kind = object;
        event.object.id = id;
        let (before, after) = (get(&["OLDVALUE"]), get(&["NEWVALUE"]));
        take_field_keys(&mut event, &field, after.as_deref());
        event.action = Some(Cow::Borrowed(if field == "created" {
            "create"
        } else {
            "update"
        }));
        event.outcome = Some(Outcome::Ok);
        if before.is_none() && after.is_none() && field != "created" {
            event.notes.push(Cow::Borrowed(
                "the log does not carry the values of this field",
            ));
        }
        if field != "created" {
            event.changes.push(Change {
                field,
                before,
                after,
            });
        }
        event.attr_opt("salesforce.history_id", get(&["ID"]));
        event.attr_opt("salesforce.data_type", get(&["DATATYPE"]));
        out.push(event);
        Ok(())
    }
}

/// Ids and amounts that a field carries as its new value.
fn take_field_keys<'r>(event: &mut Event<'r>, field: &str, after: Option<&str>) {
    let Some(after) = after else { return };
    let name = field.trim_end_matches("__c");
    if name.to_ascii_lowercase().contains("trace") && after.len() == 32 {
        event.trace = Some(Cow::Owned(after.to_owned()));
        event.key(KeyKind::Trace, after.to_owned());
    } else if is_amount_name(name) {
        event.amount = Amount::parse(after);
    } else if let Some(kind) = kind_of_name(name)
        && looks_like_id(after)
    {
        event.key(kind, after.to_owned());
    }
}

/// The parent's type and id: the column that ends in `Id` and is neither the row's nor the user's.
fn parent<'r>(
    record: &Record<'r>,
    fields: &Flat<'r>,
) -> (Option<Cow<'r, str>>, Option<Cow<'r, str>>) {
    let names: Vec<String> = match record.row {
        Some((header, _)) => header.names.clone(),
        None => record.json::<Pairs<'r>>().map_or_else(
            |_| Vec::new(),
            |pairs| pairs.0.iter().map(|(name, _)| name.to_string()).collect(),
        ),
    };
    for name in names {
        let upper = name.to_ascii_uppercase();
        if upper == "ID" || upper == "CREATEDBYID" || !upper.ends_with("ID") {
            continue;
        }
        let id = fields.get(&[&upper]);
        let kind = &upper[..upper.len() - 2];
        let object = match (kind, id.as_deref().and_then(|id| id.get(..3))) {
            ("CASE", _) => "Case".to_owned(),
            ("ACCOUNT", _) => "Account".to_owned(),
            ("CONTACT", _) => "Contact".to_owned(),
            ("OPPORTUNITY", _) => "Opportunity".to_owned(),
            ("ORDER", _) => "Order".to_owned(),
            ("PARENT", Some(prefix)) => format!("{prefix} record"),
            _ => name[..name.len() - 2].to_owned(),
        };
        return (Some(Cow::Owned(object)), id);
    }
    (None, None)
}
