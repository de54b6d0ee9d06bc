//! Envoy and Istio access logs in JSON.
//!
//! - Vendor document: Envoy, "Access logging: format dictionaries".
//! - Detection: `start_time` with `response_code`, and `path` or `x_request_id`. The keys are the
//!   operator's choice; these are the ones of Envoy's and Istio's own examples.
//! - Time: `start_time`, ISO 8601 in UTC; end from `duration` in ms.
//! - Ids: `x_request_id`, `traceparent`, `x_tool_call_id`, objects in the path.
//! - Not mapped: upstream details (kept as attributes).
//!
//! The same request appears once a hop; `-` and null both mean that there is no value.

use std::borrow::Cow;

use crate::model::{ActorType, Event, KeyKind, Outcome};
use crate::normalise::flat::Flat;
use crate::normalise::http::{add_traceparent, add_uri, kind_of_method, outcome_of_status};
use crate::normalise::{Detection, Format, MapError, Record, Sample};

/// Envoy JSON access log.
pub struct EnvoyJson;

impl Format for EnvoyJson {
    fn name(&self) -> &'static str {
        "envoy_json"
    }

    fn title(&self) -> &'static str {
        "Envoy / Istio access log (JSON)"
    }

    fn family(&self) -> &'static str {
        "envoy"
    }

    fn detect(&self, sample: &Sample<'_>) -> Option<Detection> {
        let share = sample.percent(|value| {
            let has = |name: &str| value.get(name).is_some();
            has("start_time")
                && has("response_code")
                && (has("path") || has("x_request_id") || has("request_id") || has("upstream_host"))
        });
        Detection::of(
            if share > 0 { 55 + share * 2 / 5 } else { 0 },
            format!("{share} % of the records have start_time, response_code and a path"),
        )
    }

    fn map<'r>(&self, record: &Record<'r>, out: &mut Vec<Event<'r>>) -> Result<(), MapError> {
        let fields = Flat::of(record)?;
        let get = |names: &[&str]| fields.get(names).filter(|value| value != "-");
        let method = get(&["METHOD", "REQUEST_METHOD"]).unwrap_or_default();
        let path = get(&["PATH", "REQUEST_PATH"]).unwrap_or_default();
        let mut event = Event::new(kind_of_method(&method));
        let start = get(&["START_TIME"]).ok_or_else(|| MapError::other("no `start_time`"))?;
        let time = record.utc(&start)?;
        event.time = Some(time);
        let took = get(&["DURATION"]).and_then(|ms| ms.parse::<i64>().ok());
        event.end_us = took.map(|ms| time.us + ms.max(0) * 1000);
        let plain = path.split('?').next().unwrap_or(&path);
        // Neither is there where what came in could not be read as HTTP.
        if !(method.is_empty() && plain.is_empty()) {
            event.action = Some(Cow::Owned(format!("{method} {plain}")));
        }
        add_uri(&mut event, &path);
        if let Some(header) = get(&["TRACEPARENT"]) {
            add_traceparent(&mut event, &header);
        }
        event.key_opt(KeyKind::Request, get(&["X_REQUEST_ID", "REQUEST_ID"]));
        event.key_opt(KeyKind::ToolCall, get(&["X_TOOL_CALL_ID"]));
        if let Some(conversation) = get(&["X_CONVERSATION_ID"]) {
            event.key(KeyKind::Conversation, conversation.clone());
            event.conversation = Some(conversation);
        }
        let address = get(&["X_FORWARDED_FOR", "DOWNSTREAM_REMOTE_ADDRESS"]);
        // The port changes with every connection.
        let host = address.map(|address| match address.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => {
                Cow::Owned(host.trim_matches(['[', ']']).to_owned())
            }
            _ => address,
        });
        event.key_opt(KeyKind::Address, host.clone());
        event.attr_opt("client.address", host);
        if let Some(user) = get(&["X_USER_ID", "USER"]) {
            event.actor.id = Some(user);
        }
        event.actor.kind = Some(ActorType::Unknown);
        let status = get(&["RESPONSE_CODE"]).and_then(|code| code.parse::<u16>().ok());
        event.outcome = status.map(outcome_of_status);
        let flags = get(&["RESPONSE_FLAGS"]);
        if flags.as_deref().is_some_and(|flags| flags.contains("UAEX")) {
            // Denied by the external authorisation service.
            event.outcome = Some(Outcome::Denied);
        }
        if let Some(status) = status {
            event.attr("http.response.status_code", status.to_string());
            if status >= 400 || status == 0 {
                event.error = Some(match &flags {
                    Some(flags) => Cow::Owned(format!("HTTP {status} ({flags})")),
                    None => Cow::Owned(format!("HTTP {status}")),
                });
            }
        }
        event.attr_opt("envoy.response_flags", flags);
        event.attr_opt("http.request.size", get(&["BYTES_RECEIVED"]));
        event.attr_opt("http.response.size", get(&["BYTES_SENT"]));
        event.attr_opt("server.address", get(&["AUTHORITY"]));
        event.attr_opt("user_agent.original", get(&["USER_AGENT"]));
        event.attr_opt("tls.client.server_name", get(&["REQUESTED_SERVER_NAME"]));
        event.attr_opt(
            "envoy.response_code_details",
            get(&["RESPONSE_CODE_DETAILS"]),
        );
        event.attr_opt("envoy.upstream_host", get(&["UPSTREAM_HOST"]));
        out.push(event);
        Ok(())
    }
}
