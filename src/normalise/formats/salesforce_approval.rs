//! Salesforce approval steps (`ProcessInstanceStep`, `ProcessInstanceHistory`) as CSV or JSON.
//!
//! - Vendor document: Salesforce object reference, "ProcessInstanceStep".
//! - Detection: ProcessInstanceId, StepStatus and ActorId.
//! - Time: `CreatedDate`, ISO 8601 in UTC.
//! - Ids: the process instance (a transaction), the target object, a correlation id if there is one.
//! - Not mapped: step node ids (kept in the raw record).

use std::borrow::Cow;

use crate::model::{ActorType, Amount, Event, KeyKind, Kind, Outcome};
use crate::normalise::flat::Flat;
use crate::normalise::names::add_mentions;
use crate::normalise::{Detection, Format, MapError, Record, Sample, salesforce};

/// Salesforce approval steps.
pub struct Approval;

impl Format for Approval {
    fn name(&self) -> &'static str {
        "salesforce_approval"
    }

    fn title(&self) -> &'static str {
        "Salesforce approval steps"
    }

    fn family(&self) -> &'static str {
        "salesforce"
    }

    fn detect(&self, sample: &Sample<'_>) -> Option<Detection> {
        if let Some(header) = sample.header() {
            let sure = header.has_all(&["PROCESSINSTANCEID", "STEPSTATUS", "ACTORID"]);
            return Detection::of(
                if sure { 95 } else { 0 },
                "columns PROCESSINSTANCEID, STEPSTATUS and ACTORID",
            );
        }
        let share = sample.percent(|value| {
            ["ProcessInstanceId", "StepStatus", "ActorId"]
                .iter()
                .all(|name| value.get(*name).is_some())
        });
        Detection::of(
            if share > 0 { 55 + share * 2 / 5 } else { 0 },
            format!("{share} % of the records have ProcessInstanceId, StepStatus and ActorId"),
        )
    }

    fn map<'r>(&self, record: &Record<'r>, out: &mut Vec<Event<'r>>) -> Result<(), MapError> {
        let fields = Flat::of(record)?;
        let get = |names: &[&str]| fields.get(names);
        let status = get(&["STEPSTATUS"]).unwrap_or_default();
        let (kind, outcome) = match &*status {
            "Approved" => (Kind::Approval, Outcome::Ok),
            "Rejected" => (Kind::Rejection, Outcome::Denied),
            _ => (Kind::Other, Outcome::Unknown),
        };
        let mut event = Event::new(kind);
        event.outcome = Some(outcome);
        event.action = Some(Cow::Owned(format!(
            "approval step {}",
            status.to_lowercase()
        )));
        let time = get(&["CREATEDDATE"]).ok_or_else(|| MapError::other("no CreatedDate"))?;
        event.time = Some(record.utc(&time)?);
        let actor = get(&["ACTORID"]);
        let original = get(&["ORIGINALACTORID"]);
        // Queues and groups (prefix 00G) are nobody in particular.
        let is_group = actor.as_deref().is_some_and(|id| id.starts_with("00G"));
        event.actor.kind = Some(if is_group {
            ActorType::Unknown
        } else {
            ActorType::Human
        });
        event.key_opt(KeyKind::User, actor.clone());
        if original != actor {
            event.actor.on_behalf_of = original;
        }
        event.actor.id = get(&["ACTOR.USERNAME", "ACTORNAME"]).or(actor);
        event.key_opt(
            KeyKind::Transaction,
            get(&["PROCESSINSTANCEID"]).map(|id| format!("sf-approval:{id}")),
        );
        if let Some(target) = get(&["TARGETOBJECTID"]) {
            match salesforce::key_kind("", &target) {
                Some(kind) => event.key(kind, target.clone()),
                None => event.key(kind_of_target(&target), target.clone()),
            }
            event.object.id = Some(target);
        }
        event.object.kind = get(&["TARGETOBJECTTYPE", "TARGETOBJECT.TYPE"]);
        if let Some(correlation) = get(&["CORRELATIONID"]) {
            if correlation.len() == 32 {
                event.trace = Some(correlation.clone());
                event.key(KeyKind::Trace, correlation);
            } else {
                event.key(KeyKind::Request, correlation);
            }
        }
        event.amount = get(&["AMOUNT"]).and_then(|amount| Amount::parse(&amount));
        event.currency = get(&["CURRENCYISOCODE", "CURRENCY"]);
        if let Some(comment) = get(&["COMMENTS"]) {
            add_mentions(&mut event, &comment);
            event.attr("comment", comment);
        }
        event.attr_opt("salesforce.process_instance", get(&["PROCESSINSTANCEID"]));
        event.attr_opt("approval.limit", get(&["APPROVALLIMIT", "LIMIT"]));
        out.push(event);
        Ok(())
    }
}

/// A target that is no Salesforce id is a number of another system; its prefix may name the kind.
fn kind_of_target(target: &str) -> KeyKind {
    let upper = target.to_ascii_uppercase();
    if upper.starts_with("INV") || upper.starts_with("RG") {
        KeyKind::Invoice
    } else if upper.starts_with("SO") || upper.starts_with("PO") {
        KeyKind::Order
    } else {
        KeyKind::Document
    }
}
