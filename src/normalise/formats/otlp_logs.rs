//! OpenTelemetry log records in OTLP JSON: events of agents that run on a desk, of models, and of anything else.
//!
//! - Document: OTLP specification (JSON encoding); GenAI semantic conventions (events); Claude Code, Monitoring; Gemini
//!   CLI, Observability; Codex, Telemetry; Amazon Bedrock AgentCore, Observability.
//! - Detection: `resourceLogs`, or a record with `timeUnixNano` and `body` or `attributes` a line.
//! - Time: `timeUnixNano`, else `observedTimeUnixNano`; nanoseconds since 1970.
//! - Ids: trace, span, session or conversation, prompt, tool call.
//! - Events: what a person asked (`user_prompt`), a call of a model (`api_request`, `api_response`), what was allowed and
//!   by whom (`tool_decision`), what a tool gave back (`tool_result`), errors. By the names that Claude Code, Gemini CLI
//!   and Codex give them. A hook that blocked is a decision, a changed permission mode a configuration. Of AgentCore what
//!   a runtime was asked and answered, the messages of its steps, and what its gateway logs. Of a record without such a
//!   name the severity says whether it is an exception.
//! - Not mapped: scopes and dropped counts (kept in the raw record).
//!
//! A call of a model whose span is exported as well (the record names it) is not told twice: the record is of kind
//! `other`, with its messages.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use super::otlp::{
    Attributes, Resource, Told, add_bodies, kind_of, name_contents, nanos, take_attribute,
    tools_of, value_text,
};
use super::otlp_json;
use crate::model::{ActorType, ContentPart, Event, KeyKind, Kind, Outcome};
use crate::normalise::chat::messages;
use crate::normalise::json::Text;
use crate::normalise::names::add_mentions;
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
    // What only spans have.
    #[serde(alias = "resource_spans")]
    resource_spans: Option<IgnoredAny>,
    start_time_unix_nano: Option<IgnoredAny>,
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
    attributes: Attributes<'a>,
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
        let share = sample.percent(is_log);
        Detection::of(
            if share > 0 { 55 + share * 2 / 5 } else { 0 },
            format!("{share} % of the records have resourceLogs or are log records"),
        )
    }

    fn map<'r>(&self, record: &Record<'r>, out: &mut Vec<Event<'r>>) -> Result<(), MapError> {
        let export: Export<'r> = record.json()?;
        // A file of log records may hold a few spans.
        if export.resource_spans.is_some() || export.start_time_unix_nano.is_some() {
            return otlp_json::map_spans(record, out);
        }
        map_export(export, record, out)
    }
}

/// Whether a record is a log record, or an export of some.
pub(super) fn is_log(value: &Value) -> bool {
    let has = |name: &str| value.get(name).is_some();
    has("resourceLogs") && !has("resourceSpans")
        || (has("timeUnixNano") || has("observedTimeUnixNano"))
            && (has("body") || has("attributes"))
            && !has("startTimeUnixNano")
}

/// Maps log records: an export, or one that stands alone.
pub(super) fn map_logs<'r>(record: &Record<'r>, out: &mut Vec<Event<'r>>) -> Result<(), MapError> {
    map_export(record.json()?, record, out)
}

fn map_export<'r>(
    export: Export<'r>,
    record: &Record<'r>,
    out: &mut Vec<Event<'r>>,
) -> Result<(), MapError> {
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
    for attribute in &log.attributes.0 {
        let value = attribute.text();
        if value.is_empty() {
            continue;
        }
        if matches!(&*attribute.key, "event.name" | "event_name") {
            name = name.or(Some(value));
        } else if let Some(value) = told.take(&mut event, &attribute.key, value) {
            take_attribute(&mut event, &mut operation, &attribute.key, value);
        }
    }
    // Claude Code's records have their name as body as well.
    let name = name.or_else(|| is_name(&body).then(|| body.clone()));
    event.action = name.clone();
    let severity = log.severity_number.and_then(Text::some);
    let severity = severity.and_then(|number| number.parse::<u8>().ok());
    let known = told.finish(&mut event, name.as_deref().unwrap_or_default());
    match name.as_deref().unwrap_or_default() {
        _ if known => {}
        "gen_ai.client.inference.operation.details" | "gen_ai.choice" => {
            event.kind = Kind::Inference;
            if name.as_deref() == Some("gen_ai.choice") {
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
        message @ ("gen_ai.user.message" | "gen_ai.system.message" | "gen_ai.tool.message") => {
            take_message(&mut event, message, &body);
        }
        _ if log.body.is_some_and(|raw| add_bodies(&mut event, raw)) => {
            let (given, calls) = tools_of(&event);
            if event.kind == Kind::Inference && event.span.is_some() {
                event.kind = Kind::Other;
            }
            event.attr_opt("log.severity", log.severity_text.and_then(Text::some));
            messages::push(event, given, calls, out);
            return Ok(());
        }
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
