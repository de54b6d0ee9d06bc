//! Salesforce EventLogFile: hourly and daily CSV of any event type, or the same as JSON.
//!
//! - Vendor document: Salesforce object reference, "EventLogFile" and its supported event types.
//! - Detection: `EVENT_TYPE` with `TIMESTAMP` or `TIMESTAMP_DERIVED`.
//! - Time: `TIMESTAMP_DERIVED` (ISO 8601), else `TIMESTAMP` (`YYYYMMDDhhmmss.SSS`); both UTC.
//! - Ids: `REQUEST_ID` (a caller's trace id when it is 32 hexadecimal digits), session and log-in
//!   keys, record ids in the URI.
//! - Not mapped: run times and database counters (kept in the raw record).

use std::borrow::Cow;

use crate::model::{ActorType, Event, KeyKind, Kind, Outcome, salesforce_id18};
use crate::normalise::flat::Flat;
use crate::normalise::http::{add_uri, outcome_of_status, without_secrets};
use crate::normalise::{Detection, Format, MapError, Record, Sample};

/// Salesforce EventLogFile.
pub struct EventLog;

impl Format for EventLog {
    fn name(&self) -> &'static str {
        "salesforce_event_log"
    }

    fn title(&self) -> &'static str {
        "Salesforce EventLogFile"
    }

    fn family(&self) -> &'static str {
        "salesforce"
    }

    fn detect(&self, sample: &Sample<'_>) -> Option<Detection> {
        if let Some(header) = sample.header() {
            let sure = header.position("EVENT_TYPE").is_some()
                && (header.position("TIMESTAMP_DERIVED").is_some()
                    || header.position("TIMESTAMP").is_some());
            return Detection::of(
                if sure { 95 } else { 0 },
                "columns EVENT_TYPE and TIMESTAMP",
            );
        }
        let share = sample.percent(|value| {
            let has = |name: &str| {
                value
                    .as_object()
                    .is_some_and(|object| object.keys().any(|key| key.eq_ignore_ascii_case(name)))
            };
            has("EVENT_TYPE") && (has("TIMESTAMP") || has("TIMESTAMP_DERIVED"))
        });
        Detection::of(
            if share > 0 { 55 + share * 2 / 5 } else { 0 },
            format!("{share} % of the records have EVENT_TYPE and TIMESTAMP"),
        )
    }

    fn map<'r>(&self, record: &Record<'r>, out: &mut Vec<Event<'r>>) -> Result<(), MapError> {
        let fields = Flat::of(record)?;
        let get = |names: &[&str]| fields.get(names);
        let event_type = get(&["EVENT_TYPE"]).ok_or_else(|| MapError::other("no EVENT_TYPE"))?;
        let time = get(&["TIMESTAMP_DERIVED", "TIMESTAMP"])
            .ok_or_else(|| MapError::other("neither TIMESTAMP_DERIVED nor TIMESTAMP"))?;
        let method = get(&["METHOD", "METHOD_NAME", "OPERATION_TYPE"]).unwrap_or_default();
        let mut event = Event::new(kind_of(&event_type, &method));
        event.time = Some(record.utc(&time)?);
        if let (Some(derived), Some(plain)) = (get(&["TIMESTAMP_DERIVED"]), get(&["TIMESTAMP"]))
            && let (Ok(a), Ok(b)) = (record.utc(&derived), record.utc(&plain))
            && (a.us - b.us).abs() > 1_000_000
        {
            event.notes.push(Cow::Borrowed(
                "TIMESTAMP and TIMESTAMP_DERIVED differ by more than 1 s",
            ));
        }
        let names = if event_type == "ApexCallout" {
            ["URL", "URI"]
        } else {
            ["URI", "URL"]
        };
        let uri = get(&names).map(unquote).unwrap_or_default();
        event.action = Some(match (method.is_empty(), uri.starts_with('/')) {
            (false, true) => {
                let path = uri.split('?').next().unwrap_or(&uri);
                Cow::Owned(format!("{event_type} {method} {path}"))
            }
            (false, false) => Cow::Owned(format!("{event_type} {method}")),
            (true, _) => event_type.clone(),
        });
        add_uri(&mut event, &uri);
        if let Some(entity) = get(&["ENTITY_NAME", "ENTITY_TYPE"]) {
            event.object.kind = Some(entity);
        }
        if event.object.id.is_none() {
            event.object.id = match get(&[
                "URI_ID_DERIVED",
                "REPORT_ID",
                "DOCUMENT_ID",
                "ENTITY_ID",
                "JOB_ID",
            ]) {
                Some(id) => Some(id),
                None if event_type == "ApexCallout" && !uri.is_empty() => Some(uri.clone()),
                None => None,
            };
        }
        take_actor(&mut event, &fields, &event_type);
        take_request(&mut event, &fields);
        event.outcome = outcome(&fields);
        event.error = get(&["EXCEPTION_MESSAGE"])
            .or_else(|| get(&["LOGIN_STATUS"]).filter(|status| status != "LOGIN_NO_ERROR"));
        if event_type == "ApexCallout" && !uri.is_empty() {
            event.attr("url.full", without_secrets(&uri).into_owned());
        }
        event.attr("salesforce.event_type", event_type);
        event.attr_opt("salesforce.organization_id", get(&["ORGANIZATION_ID"]));
        event.attr_opt("http.response.status_code", get(&["STATUS_CODE"]));
        event.attr_opt("http.request.size", get(&["REQUEST_SIZE"]));
        event.attr_opt("http.response.size", get(&["RESPONSE_SIZE"]));
        event.attr_opt("rows", get(&["ROWS_PROCESSED", "ROW_COUNT"]));
        event.attr_opt("user_agent.original", get(&["USER_AGENT", "BROWSER_TYPE"]));
        event.attr_opt("salesforce.query", get(&["QUERY"]));
        out.push(event);
        Ok(())
    }
}

/// The 18-character form, in which other exports have the same user.
fn id18(id: Cow<'_, str>) -> Cow<'_, str> {
    let long = salesforce_id18(&id).map(Cow::into_owned);
    long.map_or(id, Cow::Owned)
}

/// Some values carry a second pair of quotes.
fn unquote(value: Cow<'_, str>) -> Cow<'_, str> {
    match value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    {
        Some(inner) => Cow::Owned(inner.to_owned()),
        None => value,
    }
}

fn kind_of(event_type: &str, method: &str) -> Kind {
    let by_method = |method: &str| match method.to_ascii_lowercase().as_str() {
        "get" | "head" | "query" | "queryall" | "querymore" | "retrieve" | "search"
        | "describesobject" => Kind::Read,
        "post" | "put" | "patch" | "delete" | "create" | "update" | "upsert" | "insert"
        | "undelete" | "merge" => Kind::Write,
        _ => Kind::Read,
    };
    match event_type {
        "Login" | "Logout" | "LoginAs" | "LoginEvent" | "LogoutEvent" => Kind::Login,
        "RestApi" | "ApexRestApi" | "API" | "ApexSoap" | "BulkApi" | "BulkApi2" => {
            by_method(method)
        }
        "ApexCallout" => Kind::Message,
        "ApexExecution" | "ApexTrigger" | "FlowExecution" => Kind::Other,
        "ApexUnexpectedException" => Kind::Exception,
        _ => Kind::Read,
    }
}

fn take_actor<'r>(event: &mut Event<'r>, fields: &Flat<'r>, event_type: &str) {
    let get = |names: &[&str]| fields.get(names);
    let derived = get(&["USER_ID_DERIVED"]);
    let plain = get(&["USER_ID"]);
    if let (Some(derived), Some(plain)) = (&derived, &plain)
        && let Some(expected) = salesforce_id18(plain)
        && plain.len() == 15
        && *derived != expected
    {
        // Masked or made-up ids must not cost the record.
        event.notes.push(Cow::Borrowed(
            "USER_ID and USER_ID_DERIVED do not fit each other",
        ));
    }
    let id = derived.or(plain).map(id18);
    let name = get(&["USER_NAME", "USER_EMAIL"]);
    event.key_opt(KeyKind::User, id.clone());
    event.key_opt(KeyKind::User, name.clone());
    event.actor.id = name.or(id);
    let is_app = get(&["CONNECTED_APP_ID", "CLIENT_ID", "CLIENT_NAME"]).is_some()
        || get(&["USER_AGENT", "BROWSER_TYPE"]).is_some_and(|agent| {
            [
                "python", "curl", "java/", "node", "go-http", "okhttp", "axios",
            ]
            .iter()
            .any(|tool| agent.to_ascii_lowercase().contains(tool))
        });
    let user_type = get(&["USER_TYPE"]);
    event.actor.kind = Some(match user_type.as_deref() {
        Some("AutomatedProcess" | "CloudIntegrationUser") => ActorType::Service,
        _ if is_app => ActorType::Service,
        Some(_) => ActorType::Human,
        None => ActorType::Unknown,
    });
    if event_type == "LoginAs" {
        // The delegated user really acted, in the name of the other one.
        if let Some(real) = get(&["DELEGATED_USER_ID"]).map(id18) {
            event.key(KeyKind::User, real.clone());
            event.actor.on_behalf_of = event.actor.id.replace(real);
        }
    }
}

fn take_request<'r>(event: &mut Event<'r>, fields: &Flat<'r>) {
    let get = |names: &[&str]| fields.get(names);
    if let Some(request) = get(&["REQUEST_ID"]) {
        if request.len() == 32 && request.bytes().all(|b| b.is_ascii_hexdigit()) {
            event.trace = Some(request.clone());
            event.key(KeyKind::Trace, request);
        } else {
            event.key(KeyKind::Request, request);
        }
    }
    event.key_opt(KeyKind::Session, get(&["SESSION_KEY"]));
    event.key_opt(KeyKind::Session, get(&["LOGIN_KEY"]));
    if let Some(address) = get(&["SOURCE_IP", "CLIENT_IP"]) {
        event.attr("client.address", address.clone());
        event.key(KeyKind::Address, address);
    }
}

fn outcome(fields: &Flat<'_>) -> Option<Outcome> {
    if let Some(status) = fields.get(&["LOGIN_STATUS"]) {
        return Some(if status == "LOGIN_NO_ERROR" {
            Outcome::Ok
        } else {
            Outcome::Denied
        });
    }
    if let Some(status) = fields
        .get(&["STATUS_CODE"])
        .and_then(|code| code.parse::<u16>().ok())
    {
        return Some(outcome_of_status(status));
    }
    match fields
        .get(&["REQUEST_STATUS", "SUCCESS"])?
        .to_ascii_lowercase()
        .as_str()
    {
        "s" | "success" | "1" | "true" => Some(Outcome::Ok),
        "f" | "failure" | "0" | "false" => Some(Outcome::Error),
        "a" | "n" | "r" => Some(Outcome::Denied),
        _ => Some(Outcome::Unknown),
    }
}
