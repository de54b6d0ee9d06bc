//! Microsoft 365 unified audit log: CSV with the column AuditData, or JSON.
//!
//! - Vendor document: Microsoft Learn, "Office 365 Management Activity API schema"; "Detailed
//!   properties in the audit log"; "Copilot schema"; "Activity logs for Dataverse".
//! - Detection: the column AuditData, or CreationTime with Operation and Workload or RecordType.
//! - Time: `CreationTime`, written without zone and documented as UTC.
//! - Ids: `Id`, request, correlation and session ids (also of `AppAccessContext`), Internet message
//!   ids of mail, threads of Teams, thread of a Copilot interaction, records of Dataverse.
//! - Object: `ObjectId` or what the workload has instead of it: subject of a mail, team or message,
//!   record of Dataverse, what a data loss prevention rule matched, what an alert is about.
//! - Not mapped: extended properties that repeat the request (kept in the raw record).
//!
//! AuditData is authoritative; the other columns are copies, and CreationDate may be local text.
//! What is nested has more than one form (`Parameters` is a list or a command line): a form that is
//! not known leaves the field out, never the record.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use self::copilot::Copilot;
use self::details::nested;
use self::operations::{actor_type, kind_of, outcome};
use crate::model::{Change, Event, KeyKind};
use crate::normalise::json::{Pairs, Text};
use crate::normalise::{Detection, Format, MapError, Record, Sample};

mod copilot;
mod details;
mod operations;

/// Microsoft 365 unified audit log.
pub struct UnifiedAudit;

/// Members of all workloads; what has more than one form is read where it is needed.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AuditData<'a> {
    #[serde(borrow)]
    creation_time: Option<Text<'a>>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    operation: Option<Text<'a>>,
    record_type: Option<&'a RawValue>,
    #[serde(borrow)]
    result_status: Option<Text<'a>>,
    user_type: Option<&'a RawValue>,
    #[serde(borrow)]
    workload: Option<Text<'a>>,
    #[serde(borrow)]
    object_id: Option<Text<'a>>,
    #[serde(borrow)]
    user_id: Option<Text<'a>>,
    #[serde(borrow, rename = "ClientIP")]
    client_ip: Option<Text<'a>>,
    #[serde(borrow, rename = "ClientIPAddress")]
    client_ip_address: Option<Text<'a>>,
    #[serde(borrow)]
    actor_ip_address: Option<Text<'a>>,
    #[serde(borrow)]
    user_agent: Option<Text<'a>>,
    #[serde(borrow)]
    client_info_string: Option<Text<'a>>,
    #[serde(borrow)]
    item_type: Option<Text<'a>>,
    #[serde(borrow)]
    source_file_name: Option<Text<'a>>,
    #[serde(borrow)]
    app_id: Option<Text<'a>>,
    #[serde(borrow)]
    client_app_id: Option<Text<'a>>,
    #[serde(borrow)]
    application_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    app_access_context: Option<Pairs<'a>>,
    #[serde(borrow, alias = "CorrelationID")]
    correlation_id: Option<Text<'a>>,
    #[serde(borrow)]
    request_id: Option<Text<'a>>,
    #[serde(borrow)]
    session_id: Option<Text<'a>>,
    #[serde(borrow)]
    mailbox_owner_upn: Option<Text<'a>>,
    #[serde(borrow)]
    send_as_user_smtp: Option<Text<'a>>,
    #[serde(borrow)]
    send_on_behalf_of_user_smtp: Option<Text<'a>>,
    #[serde(borrow)]
    error_number: Option<Text<'a>>,
    #[serde(borrow)]
    agent_name: Option<Text<'a>>,
    #[serde(borrow)]
    agent_id: Option<Text<'a>>,
    #[serde(borrow)]
    agent_version: Option<Text<'a>>,
    modified_properties: Option<&'a RawValue>,
    parameters: Option<&'a RawValue>,
    copilot_event_data: Option<&'a RawValue>,
    item: Option<&'a RawValue>,
    affected_items: Option<&'a RawValue>,
    folders: Option<&'a RawValue>,
    folder: Option<&'a RawValue>,
    dest_folder: Option<&'a RawValue>,
    policy_details: Option<&'a RawValue>,
    share_point_meta_data: Option<&'a RawValue>,
    exchange_meta_data: Option<&'a RawValue>,
    incident_id: Option<&'a RawValue>,
    alert_id: Option<&'a RawValue>,
    alert_entity_id: Option<&'a RawValue>,
    entity_type: Option<&'a RawValue>,
    policy_id: Option<&'a RawValue>,
    name: Option<&'a RawValue>,
    severity: Option<&'a RawValue>,
    team_name: Option<&'a RawValue>,
    channel_name: Option<&'a RawValue>,
    chat_thread_id: Option<&'a RawValue>,
    message_id: Option<&'a RawValue>,
    add_on_name: Option<&'a RawValue>,
    members: Option<&'a RawValue>,
    target_user_or_group_name: Option<&'a RawValue>,
    entity_name: Option<&'a RawValue>,
    entity_id: Option<&'a RawValue>,
    message: Option<&'a RawValue>,
    fields: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Modified<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    old_value: Option<Text<'a>>,
    #[serde(borrow)]
    new_value: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    value: Option<Text<'a>>,
}

impl Format for UnifiedAudit {
    fn name(&self) -> &'static str {
        "m365_unified_audit"
    }

    fn title(&self) -> &'static str {
        "Microsoft 365 unified audit log"
    }

    fn family(&self) -> &'static str {
        "microsoft365"
    }

    fn has_own_ids(&self) -> bool {
        true
    }

    fn detect(&self, sample: &Sample<'_>) -> Option<Detection> {
        if let Some(header) = sample.header() {
            let sure = header.position("AUDITDATA").is_some();
            return Detection::of(if sure { 95 } else { 0 }, "column AuditData");
        }
        let share = sample.percent(|value| {
            let has = |name: &str| value.get(name).is_some();
            has("CreationTime") && has("Operation") && (has("Workload") || has("RecordType"))
        });
        Detection::of(
            if share > 0 { 55 + share * 2 / 5 } else { 0 },
            format!("{share} % of the records have CreationTime, Operation and Workload"),
        )
    }

    fn map<'r>(&self, record: &Record<'r>, out: &mut Vec<Event<'r>>) -> Result<(), MapError> {
        let text = match record.row {
            Some(_) => record
                .field("AUDITDATA")
                .ok_or_else(|| MapError::other("AuditData is empty"))?,
            None => record.text,
        };
        let data: AuditData<'r> = serde_json::from_str(text)
            .map_err(|error| MapError::Json(format!("AuditData: {error}")))?;
        let get = |value: &Option<Text<'r>>| value.clone().and_then(Text::some);
        let operation =
            get(&data.operation).ok_or_else(|| MapError::other("no Operation in the record"))?;
        let mut event = Event::new(kind_of(&operation));
        let time = get(&data.creation_time).ok_or_else(|| MapError::other("no CreationTime"))?;
        event.time = Some(record.utc(&time)?);
        let user = get(&data.user_id);
        let user_type = data
            .user_type
            .and_then(|raw| raw.get().trim_matches('"').parse::<u8>().ok());
        event.key_opt(KeyKind::User, user.clone());
        event.actor.kind = Some(actor_type(user_type, user.as_deref()));
        event.actor.id = user.clone();
        event.actor.on_behalf_of = get(&data.send_as_user_smtp)
            .or_else(|| get(&data.send_on_behalf_of_user_smtp))
            .or_else(|| get(&data.mailbox_owner_upn))
            .filter(|owner| Some(owner) != user.as_ref());
        event.object.kind = get(&data.item_type).or_else(|| get(&data.workload));
        event.object.id = get(&data.object_id).or_else(|| get(&data.source_file_name));
        if let Some(object) = get(&data.object_id) {
            crate::normalise::names::add_mentions(&mut event, &object);
        }
        event.outcome = Some(outcome(get(&data.result_status).as_deref(), &operation));
        event.error = get(&data.error_number).filter(|number| number != "0");
        event.key_opt(KeyKind::Transaction, get(&data.id));
        event.attr_opt("m365.id", get(&data.id));
        event.attr_opt("m365.workload", get(&data.workload));
        event.attr_opt("m365.record_type", data.record_type.map(RawValue::get));
        event.attr_opt(
            "m365.app_id",
            get(&data.app_id)
                .or_else(|| get(&data.client_app_id))
                .or_else(|| get(&data.application_id)),
        );
        event.attr_opt(
            "user_agent.original",
            get(&data.user_agent).or_else(|| get(&data.client_info_string)),
        );
        event.agent = get(&data.agent_name).or_else(|| get(&data.agent_id));
        event.attr_opt("gen_ai.agent.version", get(&data.agent_version));
        let address = get(&data.client_ip)
            .or_else(|| get(&data.client_ip_address))
            .or_else(|| get(&data.actor_ip_address));
        if let Some(address) = address {
            event.key(KeyKind::Address, address.clone());
            event.attr("client.address", address);
        }
        add_requests(&mut event, &data);
        add_changes(&mut event, &data);
        event.action = Some(operation);
        details::add(&mut event, &data);
        match nested::<Copilot<'r>>(data.copilot_event_data) {
            Some(copilot) => copilot::events(event, copilot, out),
            None => out.push(event),
        }
        Ok(())
    }
}

/// Values of modified properties are JSON text in text (`["x"]`).
fn inner_value(value: Cow<'_, str>) -> Cow<'_, str> {
    if value.starts_with('[')
        && let Ok(list) = serde_json::from_str::<Vec<Text<'_>>>(&value)
    {
        return Cow::Owned(
            list.iter()
                .map(|text| text.0.as_ref())
                .collect::<Vec<_>>()
                .join(", "),
        );
    }
    value
}

/// Ids of requests and sessions.
fn add_requests<'r>(event: &mut Event<'r>, data: &AuditData<'r>) {
    let get = |value: &Option<Text<'r>>| value.clone().and_then(Text::some);
    let context = data.app_access_context.as_ref();
    let in_context = |name: &str| context.and_then(|context| context.get(name));
    let correlation = in_context("CorrelationId").or_else(|| get(&data.correlation_id));
    if let Some(correlation) = correlation {
        // A caller that passes its trace on does so without dashes; Microsoft's own are UUIDs.
        let is_trace =
            correlation.len() == 32 && correlation.bytes().all(|b| b.is_ascii_hexdigit());
        event.key(
            if is_trace {
                KeyKind::Trace
            } else {
                KeyKind::Request
            },
            correlation,
        );
    }
    event.key_opt(KeyKind::Request, get(&data.request_id));
    event.key_opt(
        KeyKind::Session,
        in_context("AADSessionId").or_else(|| get(&data.session_id)),
    );
}

/// What was set: properties with their values (Exchange's mailboxes tell only which), parameters of a
/// command as a list or as they were typed.
fn add_changes<'r>(event: &mut Event<'r>, data: &AuditData<'r>) {
    if let Some(properties) = nested::<Vec<Modified<'r>>>(data.modified_properties) {
        for modified in properties {
            event.changes.push(Change {
                field: modified.name.map(|name| name.0).unwrap_or_default(),
                before: modified.old_value.and_then(Text::some).map(inner_value),
                after: modified.new_value.and_then(Text::some).map(inner_value),
            });
        }
    } else if let Some(names) = nested::<Vec<Text<'r>>>(data.modified_properties) {
        event.changes.extend(
            names
                .into_iter()
                .filter_map(Text::some)
                .map(|field| Change {
                    field,
                    before: None,
                    after: None,
                }),
        );
    }
    match nested::<Vec<Parameter<'r>>>(data.parameters) {
        Some(parameters) => {
            for parameter in parameters {
                if let (Some(name), Some(value)) = (parameter.name, parameter.value) {
                    if matches!(&*name, "To" | "Recipients" | "Subject") {
                        crate::normalise::names::add_mentions(event, &value);
                    }
                    event.attr(Cow::Owned(format!("parameter.{}", name.0)), value.0);
                }
            }
        }
        None => event.attr_opt(
            "parameters",
            nested::<Text<'r>>(data.parameters).and_then(Text::some),
        ),
    }
}
