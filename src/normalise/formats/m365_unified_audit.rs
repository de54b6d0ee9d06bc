//! Microsoft 365 unified audit log: CSV with the column AuditData, or JSON.
//!
//! - Vendor document: Microsoft Learn, "Office 365 Management Activity API schema"; "Detailed
//!   properties in the audit log".
//! - Detection: the column AuditData, or CreationTime with Operation and Workload or RecordType.
//! - Time: `CreationTime`, written without zone and documented as UTC.
//! - Ids: `Id`, correlation and session ids of `AppAccessContext`, thread of a Copilot interaction.
//! - Not mapped: extended properties that repeat the request (kept in the raw record).
//!
//! AuditData is authoritative; the other columns are copies, and CreationDate may be local text.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::{ActorType, Change, Event, KeyKind, Kind, Outcome};
use crate::normalise::json::{Pairs, Text};
use crate::normalise::{Detection, Format, MapError, Record, Sample};

/// Microsoft 365 unified audit log.
pub struct UnifiedAudit;

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
    #[serde(borrow)]
    item_type: Option<Text<'a>>,
    #[serde(borrow)]
    source_file_name: Option<Text<'a>>,
    #[serde(borrow)]
    app_id: Option<Text<'a>>,
    #[serde(borrow)]
    client_app_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    app_access_context: Option<Pairs<'a>>,
    #[serde(borrow, default)]
    modified_properties: Option<Vec<Modified<'a>>>,
    #[serde(borrow, default)]
    parameters: Option<Vec<Parameter<'a>>>,
    #[serde(borrow)]
    mailbox_owner_upn: Option<Text<'a>>,
    #[serde(borrow)]
    copilot_event_data: Option<Copilot<'a>>,
    #[serde(borrow)]
    error_number: Option<Text<'a>>,
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

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Copilot<'a> {
    #[serde(borrow)]
    app_host: Option<Text<'a>>,
    #[serde(borrow)]
    thread_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    accessed_resources: Vec<Resource<'a>>,
    #[serde(default)]
    messages: Vec<CopilotMessage>,
    #[serde(borrow, default)]
    model_transparency_details: Vec<Transparency<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Resource<'a> {
    #[serde(borrow, rename = "ID")]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    sensitivity_label_id: Option<Text<'a>>,
    #[serde(borrow)]
    site_url: Option<Text<'a>>,
    #[serde(rename = "XPIADetected", default)]
    xpia_detected: Option<bool>,
}

#[derive(Deserialize)]
struct CopilotMessage {
    #[serde(rename = "JailbreakDetected", default)]
    jailbreak_detected: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Transparency<'a> {
    #[serde(borrow)]
    model_name: Option<Text<'a>>,
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
        event.actor.on_behalf_of =
            get(&data.mailbox_owner_upn).filter(|owner| Some(owner) != user.as_ref());
        event.object.kind = get(&data.item_type).or_else(|| get(&data.workload));
        event.object.id = get(&data.object_id)
            .or_else(|| get(&data.source_file_name))
            .or(get(&data.id));
        if let Some(object) = get(&data.object_id) {
            crate::normalise::names::add_mentions(&mut event, &object);
        }
        event.outcome = Some(outcome(get(&data.result_status).as_deref(), &operation));
        event.error = get(&data.error_number).filter(|number| number != "0");
        event.attr_opt("m365.id", get(&data.id));
        event.attr_opt("m365.workload", get(&data.workload));
        event.attr_opt("m365.record_type", data.record_type.map(RawValue::get));
        event.attr_opt(
            "m365.app_id",
            get(&data.app_id).or(get(&data.client_app_id)),
        );
        if let Some(address) = get(&data.client_ip) {
            event.key(KeyKind::Address, address.clone());
            event.attr("client.address", address);
        }
        if let Some(context) = &data.app_access_context {
            if let Some(correlation) = context.get("CorrelationId") {
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
            event.key_opt(KeyKind::Session, context.get("AADSessionId"));
        }
        for modified in data.modified_properties.into_iter().flatten() {
            event.changes.push(Change {
                field: modified.name.map(|name| name.0).unwrap_or_default(),
                before: modified.old_value.and_then(Text::some).map(inner_value),
                after: modified.new_value.and_then(Text::some).map(inner_value),
            });
        }
        for parameter in data.parameters.into_iter().flatten() {
            if let (Some(name), Some(value)) = (parameter.name, parameter.value) {
                if matches!(&*name, "To" | "Recipients" | "Subject") {
                    crate::normalise::names::add_mentions(&mut event, &value);
                }
                event.attr(Cow::Owned(format!("parameter.{}", name.0)), value.0);
            }
        }
        let copilot = data.copilot_event_data;
        event.action = Some(operation);
        match copilot {
            Some(copilot) => copilot_events(event, copilot, out),
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

fn copilot_events<'r>(mut event: Event<'r>, copilot: Copilot<'r>, out: &mut Vec<Event<'r>>) {
    if let Some(thread) = copilot.thread_id.and_then(Text::some) {
        event.key(KeyKind::Conversation, thread.clone());
        event.conversation = Some(thread);
    }
    event.agent = copilot
        .app_host
        .and_then(Text::some)
        .or(Some(Cow::Borrowed("Copilot")));
    event.provider = Some(Cow::Borrowed("microsoft"));
    event.model_served = copilot
        .model_transparency_details
        .into_iter()
        .find_map(|detail| detail.model_name)
        .and_then(Text::some);
    let jailbreak = copilot
        .messages
        .iter()
        .any(|message| message.jailbreak_detected == Some(true));
    let injected = copilot
        .accessed_resources
        .iter()
        .any(|resource| resource.xpia_detected == Some(true));
    let template = Event {
        changes: Vec::new(),
        ..event.clone()
    };
    out.push(event);
    for resource in copilot.accessed_resources {
        let mut retrieval = template.clone();
        retrieval.kind = Kind::Retrieval;
        retrieval.action = Some(Cow::Borrowed("accessed resource"));
        retrieval.attr_opt("url.full", resource.site_url.and_then(Text::some));
        retrieval.knowledge_source = resource
            .name
            .and_then(Text::some)
            .or(resource.id.and_then(Text::some));
        retrieval.attr_opt(
            "sensitivity_label",
            resource.sensitivity_label_id.and_then(Text::some),
        );
        out.push(retrieval);
    }
    if jailbreak || injected {
        let mut decision = template;
        decision.kind = Kind::PolicyDecision;
        decision.action = Some(Cow::Borrowed(match (jailbreak, injected) {
            (true, true) => "jailbreak and XPIA detected",
            (true, false) => "jailbreak detected",
            (false, _) => "XPIA detected",
        }));
        decision.actor.kind = Some(ActorType::Service);
        decision.policy_id = Some(Cow::Borrowed("microsoft prompt shield"));
        decision.outcome = Some(Outcome::Denied);
        out.push(decision);
    }
}

/// UserType: 0 regular, 2 admin, 3 data centre admin, 4 system, 5 application, 6 service principal.
fn actor_type(user_type: Option<u8>, user: Option<&str>) -> ActorType {
    match (user_type, user) {
        (_, Some(user)) if user.starts_with("ServicePrincipal_") => ActorType::Service,
        (Some(0 | 2), Some(user)) if user.contains('@') => ActorType::Human,
        (Some(3..=6), _) => ActorType::Service,
        _ => ActorType::Unknown,
    }
}

fn kind_of(operation: &str) -> Kind {
    let lower = operation.to_ascii_lowercase();
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| lower.starts_with(prefix));
    if lower.contains("logged") || lower.contains("login") || lower.contains("signedin") {
        Kind::Login
    } else if lower == "copilotinteraction" || lower.contains("aiappinteraction") {
        Kind::Inference
    } else if starts(&["send", "messagesent", "messagecreated"]) {
        Kind::Message
    } else if starts(&["approve"]) {
        Kind::Approval
    } else if starts(&["reject", "deny"]) {
        Kind::Rejection
    } else if starts(&[
        "set-",
        "new-",
        "add-",
        "remove-",
        "enable-",
        "disable-",
        "install-",
        "update-",
        "add ",
        "remove ",
        "update ",
        "delete ",
        "set ",
        "consent",
        "create ",
        "add owner",
        "disable",
        "enable",
    ]) {
        Kind::Configuration
    } else if lower.contains("accessed")
        || lower.contains("preview")
        || lower.contains("download")
        || lower.contains("viewed")
        || lower.contains("search")
        || lower.contains("export")
        || starts(&["get-"])
    {
        Kind::Read
    } else if lower.contains("modified")
        || lower.contains("delete")
        || lower.contains("upload")
        || lower.contains("created")
        || lower.contains("renamed")
        || lower.contains("moved")
        || lower.contains("update")
        || lower.contains("added")
        || lower.contains("removed")
    {
        Kind::Write
    } else {
        Kind::Other
    }
}

fn outcome(status: Option<&str>, operation: &str) -> Outcome {
    match status.map(str::to_ascii_lowercase).as_deref() {
        Some("true" | "succeeded" | "success" | "ok") => Outcome::Ok,
        Some("failed" | "false" | "failure") => Outcome::Error,
        Some("partiallysucceeded") => Outcome::Unknown,
        _ if operation == "UserLoginFailed" => Outcome::Denied,
        _ => Outcome::Unknown,
    }
}
