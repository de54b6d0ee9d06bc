//! OpenTelemetry traces in OTLP JSON, with GenAI and MCP spans.
//!
//! - Document: OTLP specification (JSON encoding), GenAI and MCP semantic conventions; older
//!   attribute names, OpenInference, OpenLLMetry, Vercel's AI SDK (`ai.*`), Google's Agent Development Kit
//!   (`gcp.vertex.agent.*`), Claude Code (`claude_code.*`) and Amazon Bedrock AgentCore (`aws.agentcore.*`) are read as
//!   well. Attributes may be an object, as in CloudWatch's log group `aws/spans`.
//! - Detection: `resourceSpans`, or a span with `traceId`, `spanId` and `startTimeUnixNano` a line.
//! - Time: `startTimeUnixNano`, `endTimeUnixNano`; nanoseconds since 1970.
//! - Ids: trace, span, parent span, conversation, response, tool call.
//! - Messages (`gen_ai.input.messages`, `gen_ai.output.messages`, and the attributes in which OpenLLMetry and
//!   OpenInference spread them): the tools that an answer asks for are tool calls, results that a request gives
//!   anew are tool results. Where the tool's own span is exported too, the id of the call joins the two.
//! - Policies: what AgentCore's policy engine decided, by which policies; a decision that is only logged (`LOG_ONLY`) is
//!   told, but denied nothing.
//! - Not mapped: links and dropped counts (kept in the raw record).

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::otlp::{
    Attributes, Resource, Told, finish_agentcore, kind_of, name_contents, nanos, take_attribute,
    tools_of,
};
use super::otlp_logs;
use crate::model::{ActorType, ContentPart, Event, KeyKind, Kind, Outcome};
use crate::normalise::Elements;
use crate::normalise::chat::messages;
use crate::normalise::json::Text;
use crate::normalise::names::add_arguments;
use crate::normalise::{Detection, Format, MapError, Record, Sample};

/// OTLP JSON.
pub struct OtlpJson;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Export<'a> {
    #[serde(borrow, default, alias = "resource_spans")]
    resource_spans: Option<Vec<ResourceSpans<'a>>>,
    // What tells spans from log records.
    #[serde(alias = "resource_logs")]
    resource_logs: Option<IgnoredAny>,
    start_time_unix_nano: Option<IgnoredAny>,
    name: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'a> {
    #[serde(borrow)]
    resource: Option<Resource<'a>>,
    #[serde(
        borrow,
        default,
        alias = "scope_spans",
        alias = "instrumentationLibrarySpans"
    )]
    scope_spans: Vec<ScopeSpans<'a>>,
}

#[derive(Deserialize)]
struct ScopeSpans<'a> {
    #[serde(borrow, default)]
    spans: Vec<Span<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Span<'a> {
    #[serde(borrow)]
    trace_id: Option<Text<'a>>,
    #[serde(borrow)]
    span_id: Option<Text<'a>>,
    #[serde(borrow)]
    parent_span_id: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    start_time_unix_nano: Option<Text<'a>>,
    #[serde(borrow)]
    end_time_unix_nano: Option<Text<'a>>,
    #[serde(borrow, default)]
    attributes: Attributes<'a>,
    #[serde(borrow, default)]
    events: Vec<SpanEvent<'a>>,
    #[serde(borrow)]
    status: Option<Status<'a>>,
    #[serde(borrow)]
    resource: Option<Resource<'a>>,
}

#[derive(Deserialize)]
struct SpanEvent<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow, default)]
    attributes: Attributes<'a>,
}

#[derive(Deserialize)]
struct Status<'a> {
    #[serde(borrow)]
    code: Option<Text<'a>>,
    #[serde(borrow)]
    message: Option<Text<'a>>,
}

impl Format for OtlpJson {
    fn name(&self) -> &'static str {
        "otlp_json"
    }

    fn title(&self) -> &'static str {
        "OpenTelemetry traces (OTLP JSON)"
    }

    fn family(&self) -> &'static str {
        "otel"
    }

    fn detect(&self, sample: &Sample<'_>) -> Option<Detection> {
        // A collector or CloudWatch may keep spans and log records in one file.
        let share = match sample.percent(is_span) {
            0 => 0,
            _ => sample.percent(|value| is_span(value) || otlp_logs::is_log(value)),
        };
        Detection::of(
            if share > 0 { 55 + share * 2 / 5 } else { 0 },
            format!("{share} % of the records have resourceSpans or are spans"),
        )
    }

    fn map<'r>(&self, record: &Record<'r>, out: &mut Vec<Event<'r>>) -> Result<(), MapError> {
        let export: Export<'r> = record.json()?;
        let has_span = export.resource_spans.is_some()
            || export.start_time_unix_nano.is_some()
            || export.name.is_some();
        let has_logs = export.resource_logs.is_some();
        if has_span {
            map_export(export, record, out)?;
        }
        if has_logs || !has_span {
            otlp_logs::map_logs(record, out)?;
        }
        Ok(())
    }
}

fn is_span(value: &Value) -> bool {
    value.get("resourceSpans").is_some()
        || (value.get("traceId").is_some() && value.get("startTimeUnixNano").is_some())
}

/// Maps spans: an export, or one that stands alone.
pub(super) fn map_spans<'r>(record: &Record<'r>, out: &mut Vec<Event<'r>>) -> Result<(), MapError> {
    map_export(record.json()?, record, out)
}

fn map_export<'r>(
    export: Export<'r>,
    record: &Record<'r>,
    out: &mut Vec<Event<'r>>,
) -> Result<(), MapError> {
    let Some(resources) = export.resource_spans else {
        let mut span: Span<'r> = record.json()?;
        let resource = span.resource.take();
        return map_span(&resource, span, out);
    };
    let mut elements = Elements::default();
    for group in resources {
        for span in group.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            elements.take(out, |out| map_span(&group.resource, span, out));
        }
    }
    elements.done("an export without spans", out)
}
fn map_span<'r>(
    resource: &Option<Resource<'r>>,
    span: Span<'r>,
    out: &mut Vec<Event<'r>>,
) -> Result<(), MapError> {
    let mut event = Event::new(Kind::Other);
    event.time = nanos(&span.start_time_unix_nano)?;
    event.end_us = nanos(&span.end_time_unix_nano)?.map(|time| time.us);
    event.action = span.name.clone().and_then(Text::some);
    if let Some(trace) = span.trace_id.and_then(Text::some) {
        event.key(KeyKind::Trace, trace.clone());
        event.trace = Some(trace);
    }
    event.span = span.span_id.and_then(Text::some);
    event.parent_span = span.parent_span_id.and_then(Text::some);
    if let Some(resource) = resource {
        resource.add_to(&mut event);
    }
    let mut operation = None;
    // Claude Code writes the attributes of its events into spans as well.
    let is_desks = event.action.as_deref();
    let is_desks = is_desks.is_some_and(|name| name.starts_with("claude_code."));
    let mut told = is_desks.then(Told::default);
    for attribute in &span.attributes.0 {
        let (key, value) = (&*attribute.key, attribute.text());
        let left = match &mut told {
            Some(told) if !value.is_empty() => told.take(&mut event, key, value),
            _ => Some(value),
        };
        if let Some(value) = left {
            take_attribute(&mut event, &mut operation, key, value);
        }
    }
    let own = event.contents.len();
    for span_event in &span.events {
        take_span_event(&mut event, span_event);
    }
    event.kind = kind_of(operation.as_deref(), &event);
    if event.kind == Kind::ToolCall {
        name_tools(&mut event, own);
    }
    if let Some(told) = told {
        let name = event.action.clone().unwrap_or_default();
        told.finish(&mut event, &name);
    }
    finish_agentcore(&mut event);
    name_contents(&mut event);
    if matches!(event.kind, Kind::Inference | Kind::ToolCall | Kind::Request)
        && event.actor.kind != Some(ActorType::Human)
    {
        event.actor.kind = Some(ActorType::Agent);
        if let Some(agent) = &event.agent {
            event.actor.id = Some(agent.clone());
        }
    }
    if let Some(status) = span.status {
        match status.code.as_deref() {
            Some("2" | "STATUS_CODE_ERROR") => {
                event.outcome = Some(Outcome::Error);
                event.error = status.message.and_then(Text::some).or(event.error.take());
            }
            Some("1" | "STATUS_CODE_OK") => event.outcome = Some(Outcome::Ok),
            _ => {}
        }
    }
    if event.outcome.is_none() && event.error.is_some() {
        event.outcome = Some(Outcome::Error);
    }
    let (given, calls) = tools_of(&event);
    messages::push(event, given, calls, out);
    Ok(())
}

/// In a tool's own span, which Strands writes, the tool's message is what it was called with, and the choice what it
/// gave back.
fn name_tools(event: &mut Event<'_>, own: usize) {
    for at in own..event.contents.len() {
        let (part, text) = &mut event.contents[at];
        match *part {
            ContentPart::Result => {
                *part = ContentPart::Arguments;
                let arguments = text.clone();
                add_arguments(event, &arguments);
            }
            ContentPart::Output => *part = ContentPart::Result,
            _ => {}
        }
    }
}

/// Messages that older conventions put into span events, and those of the newest that are not to be on the span.
fn take_span_event<'a>(event: &mut Event<'a>, span_event: &SpanEvent<'a>) {
    if span_event.name.as_deref() == Some("gen_ai.client.inference.operation.details") {
        for attribute in &span_event.attributes.0 {
            take_attribute(event, &mut None, &attribute.key, attribute.text());
        }
        return;
    }
    let part = match span_event.name.as_deref() {
        Some("gen_ai.user.message") => ContentPart::Prompt,
        Some("gen_ai.system.message") => ContentPart::Instruction,
        Some("gen_ai.choice" | "gen_ai.assistant.message") => ContentPart::Output,
        Some("gen_ai.tool.message") => ContentPart::Result,
        Some("exception") => {
            for attribute in &span_event.attributes.0 {
                if &*attribute.key == "exception.message" {
                    event.error = Some(attribute.text());
                }
            }
            return;
        }
        _ => return,
    };
    for attribute in &span_event.attributes.0 {
        if matches!(
            &*attribute.key,
            "content" | "gen_ai.event.content" | "message"
        ) {
            event.contents.push((part, attribute.text()));
        }
    }
}
