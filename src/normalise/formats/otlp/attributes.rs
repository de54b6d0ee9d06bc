//! Attributes of spans and log records, in the names of all conventions: OpenTelemetry's for generative AI, OpenInference,
//! OpenLLMetry, Vercel's AI SDK (`ai.*`) and Google's Agent Development Kit (`gcp.vertex.agent.*`).

use std::borrow::Cow;

use crate::model::{ContentPart, Event, KeyKind, Kind, Outcome};
use crate::normalise::chat::messages;
use crate::normalise::http::{kind_of_method, outcome_of_status};
use crate::normalise::names::{add_arguments, add_mentions, add_named};
use crate::normalise::personal_kinds;

/// What kind of step an operation is, by the names of all conventions.
pub(in crate::normalise::formats) fn kind_of(operation: Option<&str>, event: &Event<'_>) -> Kind {
    match operation.map(str::to_ascii_lowercase).as_deref() {
        Some(
            "chat" | "text_completion" | "generate_content" | "embeddings" | "llm" | "completion",
        ) => Kind::Inference,
        Some("execute_tool" | "tool" | "tools/call" | "ai.toolcall") => Kind::ToolCall,
        Some("retriever" | "retrieval" | "reranker" | "resources/read") => Kind::Retrieval,
        Some("guardrail" | "evaluator") => Kind::PolicyDecision,
        Some("invoke_agent" | "invoke_workflow" | "agent" | "workflow") => Kind::Request,
        Some("create_agent") => Kind::Configuration,
        // Vercel's SDK: one span for each call of a model inside of one for what was asked.
        Some(call) if call.starts_with("ai.") && call.contains(".do") => Kind::Inference,
        Some(asked) if asked.starts_with("ai.") => Kind::Request,
        // A gateway's span of a tool is one of HTTP as well.
        _ if event.tool.is_some() => Kind::ToolCall,
        Some(method @ ("get" | "post" | "put" | "patch" | "delete" | "head")) => {
            kind_of_method(method)
        }
        _ if event.model_requested.is_some() => Kind::Inference,
        _ => Kind::Other,
    }
}

/// Takes one attribute: newest names first, older ones and the two other conventions beside them.
pub(in crate::normalise::formats) fn take_attribute<'a>(
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
        | "mcp.method.name"
        | "ai.operationId" => *operation = Some(value),
        "http.request.method" | "http.method" if operation.is_none() => *operation = Some(value),
        "gen_ai.provider.name" | "gen_ai.system" | "llm.provider" => event.provider = Some(value),
        "gen_ai.request.model" | "llm.model_name" => event.model_requested = Some(value),
        "ai.model.id" => event.model_requested = event.model_requested.take().or(Some(value)),
        "ai.model.provider" => event.provider = event.provider.take().or(Some(value)),
        "gen_ai.response.model" | "ai.response.model" => event.model_served = Some(value),
        "gen_ai.response.id" | "ai.response.id" => event.key(KeyKind::Response, value),
        "gcp.vertex.agent.invocation_id" => event.key(KeyKind::WorkflowRun, value),
        "gen_ai.conversation.id"
        | "session.id"
        | "mcp.session.id"
        | "gcp.vertex.agent.session_id"
        | "ai.telemetry.metadata.sessionId" => {
            event.key(KeyKind::Conversation, value.clone());
            event.conversation = Some(value);
        }
        "gen_ai.usage.input_tokens"
        | "gen_ai.usage.prompt_tokens"
        | "llm.token_count.prompt"
        | "ai.usage.inputTokens"
        | "ai.usage.promptTokens" => event.tokens_in = value.parse().ok(),
        "gen_ai.usage.output_tokens"
        | "gen_ai.usage.completion_tokens"
        | "llm.token_count.completion"
        | "ai.usage.outputTokens"
        | "ai.usage.completionTokens" => event.tokens_out = value.parse().ok(),
        "gen_ai.agent.name" | "gen_ai.agent.id" => event.agent = Some(value),
        "gen_ai.tool.name" | "tool.name" | "ai.toolCall.name" => event.tool = Some(value),
        "gen_ai.tool.call.id" | "ai.toolCall.id" => {
            event.key_opt(KeyKind::ToolCall, messages::call_id_of(&value));
        }
        // What is not to be captured is written as an empty object.
        "gcp.vertex.agent.llm_request"
        | "gcp.vertex.agent.llm_response"
        | "gcp.vertex.agent.tool_call_args"
        | "gcp.vertex.agent.tool_response"
            if value == "{}" => {}
        "gen_ai.tool.call.arguments"
        | "input.value"
        | "traceloop.entity.input"
        | "ai.toolCall.args"
        | "ai.toolCall.input"
        | "gcp.vertex.agent.tool_call_args" => {
            add_arguments(event, &value);
            event.contents.push((ContentPart::Arguments, value));
        }
        "gen_ai.tool.call.result"
        | "output.value"
        | "traceloop.entity.output"
        | "ai.toolCall.result"
        | "ai.toolCall.output"
        | "gcp.vertex.agent.tool_response" => {
            event.contents.push((ContentPart::Result, value));
        }
        "gen_ai.input.messages"
        | "ai.prompt.messages"
        | "ai.prompt"
        | "gcp.vertex.agent.llm_request" => {
            let kinds = personal_kinds(&value);
            event.attr("personal_data", kinds);
            event.contents.push((ContentPart::Prompt, value));
        }
        "gen_ai.output.messages"
        | "ai.response.text"
        | "ai.response.toolCalls"
        | "ai.response.object"
        | "gcp.vertex.agent.llm_response" => event.contents.push((ContentPart::Output, value)),
        "gen_ai.system_instructions" | "system_prompt" => {
            event.contents.push((ContentPart::Instruction, value))
        }
        "gen_ai.data_source.id" => event.knowledge_source = Some(value),
        "error.type" => event.error = Some(value),
        "enduser.id" | "user.id" | "ai.telemetry.metadata.userId" => {
            event.key(KeyKind::User, value.clone());
            event.actor.on_behalf_of = Some(value);
        }
        "http.response.status_code" | "http.status_code" => {
            event.outcome = value.parse().ok().map(outcome_of_status);
            event.attr("http.response.status_code", value);
        }
        "gen_ai.tool.status" => {
            event.outcome = match &*value {
                "success" => Some(Outcome::Ok),
                "error" => Some(Outcome::Error),
                _ => event.outcome,
            };
        }
        "aws.request.id" => event.key(KeyKind::Request, value),
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
