//! OpenTelemetry traces in OTLP JSON, with GenAI and MCP spans.
//!
//! - Document: OTLP specification (JSON encoding), GenAI and MCP semantic conventions; older
//!   attribute names, OpenInference and OpenLLMetry are read as well.
//! - Detection: `resourceSpans`, or a span with `traceId`, `spanId` and `startTimeUnixNano` a line.
//! - Time: `startTimeUnixNano`, `endTimeUnixNano`; nanoseconds since 1970.
//! - Ids: trace, span, parent span, conversation, response, tool call.
//! - Messages (`gen_ai.input.messages`, `gen_ai.output.messages`, and the attributes in which OpenLLMetry and
//!   OpenInference spread them): the tools that an answer asks for are tool calls, results that a request gives
//!   anew are tool results. Where the tool's own span is exported too, the id of the call joins the two.
//! - Not mapped: links and dropped counts (kept in the raw record).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::time::Time;
use crate::model::{ActorType, ContentPart, Event, KeyKind, Kind, Outcome};
use crate::normalise::chat::messages;
use crate::normalise::chat::text_of;
use crate::normalise::http::{kind_of_method, outcome_of_status};
use crate::normalise::json::Text;
use crate::normalise::names::{add_arguments, add_mentions, add_named};
use crate::normalise::{Detection, Format, MapError, Record, Sample, personal_kinds};

/// OTLP JSON.
pub struct OtlpJson;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Export<'a> {
    #[serde(borrow, default, alias = "resource_spans")]
    resource_spans: Option<Vec<ResourceSpans<'a>>>,
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
struct Resource<'a> {
    #[serde(borrow, default)]
    attributes: Vec<Attribute<'a>>,
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
    attributes: Vec<Attribute<'a>>,
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
    attributes: Vec<Attribute<'a>>,
}

#[derive(Deserialize)]
struct Status<'a> {
    #[serde(borrow)]
    code: Option<Text<'a>>,
    #[serde(borrow)]
    message: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Attribute<'a> {
    #[serde(borrow)]
    key: Text<'a>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyValue<'a> {
    #[serde(borrow)]
    string_value: Option<Text<'a>>,
    #[serde(borrow)]
    int_value: Option<Text<'a>>,
    #[serde(borrow)]
    double_value: Option<Text<'a>>,
    #[serde(borrow)]
    bool_value: Option<Text<'a>>,
    #[serde(borrow)]
    array_value: Option<ArrayValue<'a>>,
    kvlist_value: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ArrayValue<'a> {
    #[serde(borrow, default)]
    values: Vec<&'a RawValue>,
}

impl<'a> Attribute<'a> {
    fn text(&self) -> Cow<'a, str> {
        self.value.map(value_text).unwrap_or_default()
    }
}

fn value_text<'a>(raw: &'a RawValue) -> Cow<'a, str> {
    if !raw.get().starts_with('{') {
        return text_of(raw);
    }
    let Ok(value) = serde_json::from_str::<AnyValue<'a>>(raw.get()) else {
        return Cow::Borrowed("");
    };
    let scalar = value
        .string_value
        .or(value.int_value)
        .or(value.double_value)
        .or(value.bool_value);
    match (scalar, value.array_value, value.kvlist_value) {
        (Some(text), ..) => text.0,
        (None, Some(array), _) => {
            let texts: Vec<Cow<'_, str>> = array.values.into_iter().map(value_text).collect();
            Cow::Owned(texts.join(","))
        }
        (None, None, Some(raw)) => Cow::Borrowed(raw.get()),
        (None, None, None) => Cow::Borrowed(""),
    }
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
        let share = sample.percent(|value| {
            value.get("resourceSpans").is_some()
                || (value.get("traceId").is_some() && value.get("startTimeUnixNano").is_some())
        });
        Detection::of(
            if share > 0 { 55 + share * 2 / 5 } else { 0 },
            format!("{share} % of the records have resourceSpans or are spans"),
        )
    }

    fn map<'r>(&self, record: &Record<'r>, out: &mut Vec<Event<'r>>) -> Result<(), MapError> {
        let export: Export<'r> = record.json()?;
        let Some(resources) = export.resource_spans else {
            let mut span: Span<'r> = record.json()?;
            let resource = span.resource.take();
            return map_span(record, &resource, span, out);
        };
        let before = out.len();
        for group in resources {
            for span in group.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                map_span(record, &group.resource, span, out)?;
            }
        }
        if out.len() == before {
            return Err(MapError::other("an export without spans"));
        }
        Ok(())
    }
}

fn nanos(text: &Option<Text<'_>>) -> Result<Option<Time>, MapError> {
    match text
        .as_deref()
        .filter(|text| !text.is_empty() && *text != "0")
    {
        Some(text) => {
            let nanos: i64 = text
                .parse()
                .map_err(|_| MapError::other(format!("`{text}` is no time in nanoseconds")))?;
            Ok(Some(Time::from_epoch(nanos)?))
        }
        None => Ok(None),
    }
}

fn map_span<'r>(
    record: &Record<'r>,
    resource: &Option<Resource<'r>>,
    span: Span<'r>,
    out: &mut Vec<Event<'r>>,
) -> Result<(), MapError> {
    let _ = record;
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
    for attribute in resource.iter().flat_map(|resource| &resource.attributes) {
        match &*attribute.key {
            "service.name" => {
                event.key(KeyKind::Clock, attribute.text());
                event.actor.id = Some(attribute.text());
                event.actor.kind = Some(ActorType::Service);
            }
            "host.ip" => event.key(KeyKind::Address, attribute.text()),
            _ => event.attr(attribute.key.0.clone(), attribute.text()),
        }
    }
    let mut operation = None;
    for attribute in &span.attributes {
        take_attribute(&mut event, &mut operation, &attribute.key, attribute.text());
    }
    for span_event in &span.events {
        take_span_event(&mut event, span_event);
    }
    event.kind = kind_of(operation.as_deref(), &event);
    if matches!(event.kind, Kind::Inference | Kind::ToolCall | Kind::Request) {
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
    let text_of = |part| {
        let found = event.contents.iter().find(|(have, _)| *have == part);
        found.map_or("", |(_, text)| &**text)
    };
    let (given, calls) = match event.kind {
        Kind::Inference => {
            let spread = event.attributes.iter();
            let spread = messages::spread_calls(spread.map(|(name, value)| (&**name, &**value)));
            let mut calls = messages::calls(text_of(ContentPart::Output));
            calls.extend(spread);
            (messages::results(text_of(ContentPart::Prompt)), calls)
        }
        _ => (Vec::new(), Vec::new()),
    };
    messages::push(event, given, calls, out);
    Ok(())
}

fn kind_of(operation: Option<&str>, event: &Event<'_>) -> Kind {
    match operation.map(str::to_ascii_lowercase).as_deref() {
        Some(
            "chat" | "text_completion" | "generate_content" | "embeddings" | "llm" | "completion",
        ) => Kind::Inference,
        Some("execute_tool" | "tool" | "tools/call") => Kind::ToolCall,
        Some("retriever" | "retrieval" | "reranker" | "resources/read") => Kind::Retrieval,
        Some("guardrail" | "evaluator") => Kind::PolicyDecision,
        Some("invoke_agent" | "invoke_workflow" | "agent" | "workflow") => Kind::Request,
        Some("create_agent") => Kind::Configuration,
        Some(method @ ("get" | "post" | "put" | "patch" | "delete" | "head")) => {
            kind_of_method(method)
        }
        _ if event.tool.is_some() => Kind::ToolCall,
        _ if event.model_requested.is_some() => Kind::Inference,
        _ => Kind::Other,
    }
}

/// Takes one attribute: newest names first, older ones and the two other conventions beside them.
fn take_attribute<'a>(
    event: &mut Event<'a>,
    operation: &mut Option<Cow<'a, str>>,
    key: &str,
    value: Cow<'a, str>,
) {
    if value.is_empty() {
        return;
    }
    match key {
        "gen_ai.operation.name"
        | "openinference.span.kind"
        | "traceloop.span.kind"
        | "mcp.method.name" => *operation = Some(value),
        "http.request.method" | "http.method" if operation.is_none() => *operation = Some(value),
        "gen_ai.provider.name" | "gen_ai.system" | "llm.provider" => event.provider = Some(value),
        "gen_ai.request.model" | "llm.model_name" => event.model_requested = Some(value),
        "gen_ai.response.model" => event.model_served = Some(value),
        "gen_ai.response.id" => event.key(KeyKind::Response, value),
        "gen_ai.conversation.id" | "session.id" | "mcp.session.id" => {
            event.key(KeyKind::Conversation, value.clone());
            event.conversation = Some(value);
        }
        "gen_ai.usage.input_tokens" | "gen_ai.usage.prompt_tokens" | "llm.token_count.prompt" => {
            event.tokens_in = value.parse().ok();
        }
        "gen_ai.usage.output_tokens"
        | "gen_ai.usage.completion_tokens"
        | "llm.token_count.completion" => event.tokens_out = value.parse().ok(),
        "gen_ai.agent.name" | "gen_ai.agent.id" => event.agent = Some(value),
        "gen_ai.tool.name" | "tool.name" => event.tool = Some(value),
        "gen_ai.tool.call.id" => event.key(KeyKind::ToolCall, value),
        "gen_ai.tool.call.arguments" | "input.value" | "traceloop.entity.input" => {
            add_arguments(event, &value);
            event.contents.push((ContentPart::Arguments, value));
        }
        "gen_ai.tool.call.result" | "output.value" | "traceloop.entity.output" => {
            event.contents.push((ContentPart::Result, value));
        }
        "gen_ai.input.messages" => {
            let kinds = personal_kinds(&value);
            event.attr("personal_data", kinds);
            event.contents.push((ContentPart::Prompt, value));
        }
        "gen_ai.output.messages" => event.contents.push((ContentPart::Output, value)),
        "gen_ai.system_instructions" => event.contents.push((ContentPart::Instruction, value)),
        "gen_ai.data_source.id" => event.knowledge_source = Some(value),
        "error.type" => event.error = Some(value),
        "enduser.id" | "user.id" => {
            event.key(KeyKind::User, value.clone());
            event.actor.on_behalf_of = Some(value);
        }
        "http.response.status_code" | "http.status_code" => {
            event.outcome = value.parse().ok().map(outcome_of_status);
            event.attr("http.response.status_code", value);
        }
        "policy.id" | "gen_ai.guardrail.id" => event.policy_id = Some(value),
        "policy.version" | "gen_ai.guardrail.version" => event.policy_version = Some(value),
        "workflow.run_id" | "temporalRunID" => event.key(KeyKind::WorkflowRun, value),
        _ if key.starts_with("gen_ai.prompt.") && key.ends_with(".content") => {
            add_mentions(event, &value);
            event.contents.push((ContentPart::Prompt, value));
        }
        _ if key.starts_with("gen_ai.completion.") && key.ends_with(".content") => {
            event.contents.push((ContentPart::Output, value));
        }
        _ if key.starts_with("llm.input_messages.") && key.ends_with(".content") => {
            event.contents.push((ContentPart::Prompt, value));
        }
        _ if key.starts_with("retrieval.documents.") && key.ends_with(".document.id") => {
            let sources = match event.knowledge_source.take() {
                Some(have) => Cow::Owned(format!("{have}, {value}")),
                None => value,
            };
            event.knowledge_source = Some(sources);
        }
        _ => {
            if key.starts_with("traceloop.association.properties.") || key.starts_with("app.") {
                let name = key.rsplit('.').next().unwrap_or(key);
                add_named(event, name, value.clone());
            }
            event.attr(Cow::Owned(key.to_owned()), value);
        }
    }
}

/// Messages that older conventions put into span events.
fn take_span_event<'a>(event: &mut Event<'a>, span_event: &SpanEvent<'a>) {
    let part = match span_event.name.as_deref() {
        Some("gen_ai.user.message") => ContentPart::Prompt,
        Some("gen_ai.system.message") => ContentPart::Instruction,
        Some("gen_ai.choice" | "gen_ai.assistant.message") => ContentPart::Output,
        Some("gen_ai.tool.message") => ContentPart::Result,
        Some("exception") => {
            for attribute in &span_event.attributes {
                if &*attribute.key == "exception.message" {
                    event.error = Some(attribute.text());
                }
            }
            return;
        }
        _ => return,
    };
    for attribute in &span_event.attributes {
        if matches!(
            &*attribute.key,
            "content" | "gen_ai.event.content" | "message"
        ) {
            event.contents.push((part, attribute.text()));
        }
    }
}
