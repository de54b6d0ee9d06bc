//! OpenTelemetry log records in OTLP JSON: events of agents that run on a desk, of models, and of anything else.
//!
//! - Document: OTLP specification (JSON encoding); GenAI semantic conventions (events); Claude Code, Monitoring; Gemini
//!   CLI, Observability; Codex, Telemetry.
//! - Detection: `resourceLogs`, or a record with `timeUnixNano` and `body` or `attributes` a line.
//! - Time: `timeUnixNano`, else `observedTimeUnixNano`; nanoseconds since 1970.
//! - Ids: trace, span, session or conversation, prompt, tool call.
//! - Events: what a person asked (`user_prompt`), a call of a model (`api_request`, `api_response`), what was allowed and
//!   by whom (`tool_decision`), what a tool gave back (`tool_result`), errors. By the names that Claude Code, Gemini CLI
//!   and Codex give them; of a record without such a name the severity says whether it is an exception.
//! - Not mapped: scopes and dropped counts (kept in the raw record).
//!
//! A call of a model whose span is exported as well (the record names it) is not told twice: the record is of kind
//! `other`, with its messages.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::otlp::{
    Attribute, Resource, kind_of, name_contents, nanos, take_attribute, tools_of, value_text,
};
use crate::model::{ActorType, ContentPart, Event, KeyKind, Kind, Outcome};
use crate::normalise::chat::messages;
use crate::normalise::json::Text;
use crate::normalise::names::{add_arguments, add_mentions};
use crate::normalise::{
    Detection, Elements, Format, MapError, Record, Sample, injection_signs, personal_kinds,
};

/// OTLP JSON, logs.
pub struct OtlpLogs;

/// Longest body that is kept as an attribute; the rest is in the raw record.
const LONGEST: usize = 1024;
/// The least severity number of an error.
const ERROR: u8 = 17;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Export<'a> {
    #[serde(borrow, default, alias = "resource_logs")]
    resource_logs: Option<Vec<ResourceLogs<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceLogs<'a> {
    #[serde(borrow)]
    resource: Option<Resource<'a>>,
    #[serde(borrow, default, alias = "scope_logs")]
    scope_logs: Vec<ScopeLogs<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScopeLogs<'a> {
    #[serde(borrow, default, alias = "log_records")]
    log_records: Vec<LogRecord<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogRecord<'a> {
    #[serde(borrow)]
    time_unix_nano: Option<Text<'a>>,
    #[serde(borrow)]
    observed_time_unix_nano: Option<Text<'a>>,
    #[serde(borrow)]
    severity_number: Option<Text<'a>>,
    #[serde(borrow)]
    severity_text: Option<Text<'a>>,
    #[serde(borrow)]
    event_name: Option<Text<'a>>,
    body: Option<&'a RawValue>,
    #[serde(borrow, default)]
    attributes: Vec<Attribute<'a>>,
    #[serde(borrow)]
    trace_id: Option<Text<'a>>,
    #[serde(borrow)]
    span_id: Option<Text<'a>>,
    #[serde(borrow)]
    resource: Option<Resource<'a>>,
}

impl Format for OtlpLogs {
    fn name(&self) -> &'static str {
        "otlp_logs"
    }

    fn title(&self) -> &'static str {
        "OpenTelemetry logs and events (OTLP JSON)"
    }

    fn family(&self) -> &'static str {
        "otel"
    }

    fn detect(&self, sample: &Sample<'_>) -> Option<Detection> {
        let share = sample.percent(|value| {
            let has = |name: &str| value.get(name).is_some();
            has("resourceLogs")
                || (has("timeUnixNano") || has("observedTimeUnixNano"))
                    && (has("body") || has("attributes"))
                    && !has("startTimeUnixNano")
        });
        Detection::of(
            if share > 0 { 55 + share * 2 / 5 } else { 0 },
            format!("{share} % of the records have resourceLogs or are log records"),
        )
    }

    fn map<'r>(&self, record: &Record<'r>, out: &mut Vec<Event<'r>>) -> Result<(), MapError> {
        let export: Export<'r> = record.json()?;
        let Some(resources) = export.resource_logs else {
            let mut log: LogRecord<'r> = record.json()?;
            let resource = log.resource.take();
            return map_log(&resource, log, out);
        };
        let mut elements = Elements::default();
        for group in resources {
            for log in group
                .scope_logs
                .into_iter()
                .flat_map(|scope| scope.log_records)
            {
                elements.take(out, |out| map_log(&group.resource, log, out));
            }
        }
        elements.done("an export without log records", out)
    }
}

/// What is known of an event by the names of its attributes alone.
#[derive(Default)]
struct Told<'a> {
    user: Option<(u8, Cow<'a, str>)>,
    decision: Option<Cow<'a, str>>,
    source: Option<Cow<'a, str>>,
    success: Option<bool>,
    kind: Option<Cow<'a, str>>,
    status: Option<u16>,
}

fn map_log<'r>(
    resource: &Option<Resource<'r>>,
    log: LogRecord<'r>,
    out: &mut Vec<Event<'r>>,
) -> Result<(), MapError> {
    let mut event = Event::new(Kind::Other);
    event.time = match nanos(&log.time_unix_nano)? {
        None => nanos(&log.observed_time_unix_nano)?,
        time => time,
    };
    if let Some(trace) = log.trace_id.and_then(Text::some) {
        event.key(KeyKind::Trace, trace.clone());
        event.trace = Some(trace);
    }
    event.span = log.span_id.and_then(Text::some);
    if let Some(resource) = resource {
        resource.add_to(&mut event);
    }
    let body = log.body.map(value_text).unwrap_or_default();
    let mut name = log.event_name.and_then(Text::some);
    let mut told = Told::default();
    let mut operation = None;
    for attribute in &log.attributes {
        let value = attribute.text();
        if value.is_empty() {
            continue;
        }
        if matches!(&*attribute.key, "event.name" | "event_name") {
            name = name.or(Some(value));
        } else if let Some(value) = take_agents(&mut event, &mut told, &attribute.key, value) {
            take_attribute(&mut event, &mut operation, &attribute.key, value);
        }
    }
    // Claude Code's records have their name as body as well.
    let name = name.or_else(|| is_name(&body).then(|| body.clone()));
    if let Some((_, user)) = told.user.take() {
        event.key(KeyKind::User, user.clone());
        event.actor.on_behalf_of = Some(user);
    }
    event.action = name.clone();
    let severity = log.severity_number.and_then(Text::some);
    let severity = severity.and_then(|number| number.parse::<u8>().ok());
    let short = name.as_deref().map(short_name).unwrap_or_default();
    match short {
        "gen_ai.client.inference.operation.details" | "gen_ai.choice" => {
            event.kind = Kind::Inference;
            if short == "gen_ai.choice" {
                event.contents.push((ContentPart::Output, body));
            }
            let (given, calls) = tools_of(&event);
            // Its span tells of the call.
            if event.span.is_some() {
                event.kind = Kind::Other;
            }
            event.actor.kind = Some(ActorType::Agent);
            messages::push(event, given, calls, out);
            return Ok(());
        }
        "gen_ai.user.message" | "gen_ai.system.message" | "gen_ai.tool.message" => {
            take_message(&mut event, short, &body);
        }
        _ if set_kind(&mut event, &mut told, short) => {}
        _ => {
            event.kind = kind_of(operation.as_deref(), &event);
            if event.kind == Kind::Other && severity.is_some_and(|number| number >= ERROR) {
                event.kind = Kind::Exception;
                event.outcome = Some(Outcome::Error);
                event.error = event.error.take().or_else(|| Some(shortened(&body)));
            }
            name_contents(&mut event);
            add_mentions(&mut event, &body);
            if event.action.is_none() && !body.is_empty() {
                event.action = Some(shortened(body.lines().next().unwrap_or_default()));
            }
        }
    }
    if !body.is_empty() && event.action.as_deref() != Some(&*body) {
        event.attr("log.body", shortened(&body));
    }
    event.attr_opt("log.severity", log.severity_text.and_then(Text::some));
    out.push(event);
    Ok(())
}

fn shortened<'a>(text: &str) -> Cow<'a, str> {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Cow::Owned(text[..end].to_owned())
}

/// Whether a text is the name of an event: words that are parted by dots.
fn is_name(text: &str) -> bool {
    text.len() < 80
        && text.contains('.')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'.' | b'_' | b'-'))
}

/// The name without the agent's own before it.
fn short_name(name: &str) -> &str {
    if name.starts_with("gen_ai.") {
        return name;
    }
    name.rsplit('.').next().unwrap_or(name)
}

/// Takes an attribute that desk agents write under names of their own; gives back any other.
fn take_agents<'a>(
    event: &mut Event<'a>,
    told: &mut Told<'a>,
    key: &str,
    value: Cow<'a, str>,
) -> Option<Cow<'a, str>> {
    // The best name of a person counts.
    let rank = match key {
        "user.email" => 3,
        "user.account_uuid" | "user.account_id" => 2,
        "user.id" | "enduser.id" => 1,
        _ => 0,
    };
    if rank > 0 {
        if told.user.as_ref().is_none_or(|(have, _)| *have < rank) {
            told.user = Some((rank, value));
        }
        return None;
    }
    match key {
        "tool_name" | "function_name" => event.tool = Some(value),
        "tool_use_id" | "call_id" => event.key(KeyKind::ToolCall, value),
        "tool_parameters" | "tool_input" | "function_args" | "arguments" => {
            add_arguments(event, &value);
            event.contents.push((ContentPart::Arguments, value));
        }
        "output" | "tool_output" => {
            event.attr("personal_data", personal_kinds(&value));
            event.attr("injection_signs", injection_signs(&value));
            event.contents.push((ContentPart::Result, value));
        }
        "prompt" | "request_text" => {
            add_mentions(event, &value);
            event.attr("personal_data", personal_kinds(&value));
            event.contents.push((ContentPart::Prompt, value));
        }
        "response_text" => event.contents.push((ContentPart::Output, value)),
        "model" => event.model_requested = Some(value),
        "conversation.id" => {
            event.key(KeyKind::Conversation, value.clone());
            event.conversation = Some(value);
        }
        // All that one prompt set going.
        "prompt.id" | "prompt_id" => event.key(KeyKind::WorkflowRun, value),
        "input_tokens" | "input_token_count" => event.tokens_in = value.parse().ok(),
        "output_tokens" | "output_token_count" => event.tokens_out = value.parse().ok(),
        "cost_usd" => event.attr("cost_usd", value),
        "decision" => told.decision = Some(value),
        "source" | "decision_source" => told.source = Some(value),
        "success" => told.success = Some(value == "true"),
        "event.kind" => told.kind = Some(value),
        "error" | "error.message" | "error_message" => event.error = Some(value),
        "status_code" => {
            told.status = value.parse().ok();
            event.attr("http.response.status_code", value);
        }
        _ => return Some(value),
    }
    None
}

/// What an event of a desk agent is, by its short name; false if the name is none of theirs.
fn set_kind<'a>(event: &mut Event<'a>, told: &mut Told<'a>, short: &str) -> bool {
    let by_success = match told.success {
        Some(true) => Some(Outcome::Ok),
        Some(false) => Some(Outcome::Error),
        None => event.error.is_some().then_some(Outcome::Error),
    };
    // Gemini CLI tells of a request and of its response, Codex of each piece: one of them is the call.
    let is_call = match short {
        "api_response" => true,
        "api_request" => event.tokens_in.is_some() || event.tokens_out.is_some(),
        "sse_event" => told.kind.as_deref() == Some("response.completed"),
        _ => false,
    };
    match short {
        "user_prompt" => {
            event.kind = Kind::Request;
            event.actor.kind = Some(ActorType::Human);
            event.actor.id = event.actor.on_behalf_of.take();
            return true;
        }
        _ if is_call => {
            event.kind = Kind::Inference;
            event.outcome = by_success.or(Some(Outcome::Ok));
        }
        "api_request" | "sse_event" => event.outcome = by_success,
        "api_error" => {
            event.kind = Kind::Exception;
            event.outcome = Some(Outcome::Error);
            if let (None, Some(status)) = (&event.error, told.status) {
                event.error = Some(Cow::Owned(format!("HTTP {status}")));
            }
        }
        "tool_result" => {
            event.kind = Kind::ToolResult;
            event.outcome = by_success;
        }
        "tool_call" => {
            event.kind = Kind::ToolCall;
            event.outcome = match told.decision.as_deref() {
                Some("reject") => Some(Outcome::Denied),
                _ => by_success,
            };
        }
        "tool_decision" => decide(event, told),
        _ => return false,
    }
    event.attr_opt("decision", told.decision.take());
    event.attr_opt("decision.source", told.source.take());
    if event.actor.kind != Some(ActorType::Human) {
        event.actor.kind = Some(ActorType::Agent);
        event.agent = event.agent.take().or_else(|| event.actor.id.clone());
    }
    true
}

/// A tool was allowed or not: by a person, or by a setting or hook.
fn decide(event: &mut Event<'_>, told: &Told<'_>) {
    let allowed = told.decision.as_deref().is_some_and(|decision| {
        let lower = decision.to_ascii_lowercase();
        lower.starts_with("accept") || lower.starts_with("approve") || lower.starts_with("allow")
    });
    let source = told.source.as_deref().unwrap_or_default();
    let by_person = source.to_ascii_lowercase().starts_with("user");
    event.outcome = Some(if allowed {
        Outcome::Ok
    } else {
        Outcome::Denied
    });
    event.kind = match (by_person, allowed) {
        (true, true) => Kind::Approval,
        (true, false) => Kind::Rejection,
        (false, _) => Kind::PolicyDecision,
    };
    if by_person {
        event.actor.kind = Some(ActorType::Human);
        event.actor.id = event.actor.on_behalf_of.take();
    } else {
        event.policy_id = Some(Cow::Owned(match source {
            "" => "permissions".to_owned(),
            source => format!("permissions ({source})"),
        }));
    }
}

/// One message of a conversation, as older conventions write each into a record of its own.
fn take_message(event: &mut Event<'_>, name: &str, body: &str) {
    let value = serde_json::from_str::<Value>(body).unwrap_or(Value::Null);
    let text = match value.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(other) if !other.is_null() => other.to_string(),
        _ => body.to_owned(),
    };
    let part = match name {
        "gen_ai.user.message" => {
            event.kind = Kind::Request;
            event.actor.kind = Some(ActorType::Human);
            event.actor.id = event.actor.on_behalf_of.take();
            add_mentions(event, &text);
            event.attr("personal_data", personal_kinds(&text));
            ContentPart::Prompt
        }
        "gen_ai.system.message" => {
            event.kind = Kind::Instruction;
            ContentPart::Instruction
        }
        _ => {
            event.kind = Kind::ToolResult;
            let id = value.get("id").and_then(Value::as_str);
            event.key_opt(KeyKind::ToolCall, id.map(str::to_owned));
            event.attr("personal_data", personal_kinds(&text));
            event.attr("injection_signs", injection_signs(&text));
            ContentPart::Result
        }
    };
    event.contents.push((part, Cow::Owned(text)));
}
