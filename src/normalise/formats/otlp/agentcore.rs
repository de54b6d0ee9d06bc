//! What Amazon Bedrock AgentCore tells: decisions of its policy engine, tools called through its gateway, and the
//! messages that it keeps in log records beside the spans.
//!
//! Document: Amazon Bedrock AgentCore Developer Guide, Observability (gateway, policy and runtime data), Understanding
//! input spans. Spans are in the log group `aws/spans`, log records in that of the runtime or gateway.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::value::value_text;
use crate::model::{ActorType, ContentPart, Event, KeyKind, Kind, Outcome};
use crate::normalise::json::Text;
use crate::normalise::names::{add_arguments, add_mentions};
use crate::normalise::{injection_signs, personal_kinds};

/// The body of a log record.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    input: Option<Messages<'a>>,
    #[serde(borrow)]
    output: Option<Messages<'a>>,
    #[serde(borrow)]
    request_payload: Option<&'a RawValue>,
    #[serde(borrow)]
    response_payload: Option<&'a RawValue>,
    #[serde(borrow)]
    log: Option<Text<'a>>,
    #[serde(borrow, rename = "isError")]
    is_error: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Messages<'a> {
    #[serde(borrow)]
    messages: Option<&'a RawValue>,
}

/// What a runtime was asked.
#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    prompt: Option<&'a RawValue>,
    #[serde(borrow)]
    actor_id: Option<Text<'a>>,
}

/// Takes the body of a log record; false if it is none of AgentCore's.
pub(in crate::normalise::formats) fn add_bodies<'a>(
    event: &mut Event<'a>,
    raw: &'a RawValue,
) -> bool {
    // Bodies of typed values are other writers'.
    let Ok(body) = serde_json::from_str::<Body<'a>>(raw.get()) else {
        return false;
    };
    let list = |messages: &Option<Messages<'a>>| {
        let raw = messages.as_ref()?.messages?;
        plain_messages(raw)
    };
    match (list(&body.input), list(&body.output)) {
        (None, None) => {}
        (input, output) => {
            add_messages(event, input.unwrap_or_default(), output.unwrap_or_default());
            return true;
        }
    }
    if let Some(payload) = body.request_payload {
        add_payloads(event, payload, body.response_payload);
        return true;
    }
    if let (Some(log), Some(is_error)) = (body.log, body.is_error) {
        if &*is_error == "true" {
            event.kind = Kind::Exception;
            event.outcome = Some(Outcome::Error);
            event.error = log.clone().some();
        }
        add_mentions(event, &log);
        event.action = log.some();
        return true;
    }
    false
}

/// Messages as vendors have them: AgentCore's hold the content, often JSON in a text, in a member of the content.
fn plain_messages(raw: &RawValue) -> Option<Vec<Value>> {
    let mut messages: Vec<Value> = serde_json::from_str(raw.get()).ok()?;
    for message in &mut messages {
        let Some(content) = message.get_mut("content") else {
            continue;
        };
        let mut take = |name: &str| content.get_mut(name).map(Value::take);
        let Some(inner) = take("content").or_else(|| take("message")) else {
            continue;
        };
        let id = content.get_mut("id").map(Value::take);
        *content = match inner {
            Value::String(text) if text.starts_with(['[', '{']) => {
                serde_json::from_str(&text).unwrap_or(Value::String(text))
            }
            other => other,
        };
        if let (Some(id), Some(members)) = (id, message.as_object_mut()) {
            members.insert("tool_call_id".to_owned(), id);
        }
    }
    Some(messages)
}

/// What a step was given and gave back. Its span says what kind of step it is.
fn add_messages(event: &mut Event<'_>, input: Vec<Value>, output: Vec<Value>) {
    // What a tool was called with has its role, and is no result of one.
    let own = match &input[..] {
        [only] if only.get("role").and_then(Value::as_str) == Some("tool") => {
            let content = only.get("content").unwrap_or(&Value::Null);
            let is_result = content.pointer("/0/toolResult").is_some();
            (!is_result).then(|| (content.to_string(), only.get("tool_call_id").cloned()))
        }
        _ => None,
    };
    if let Some((arguments, id)) = own {
        let id = id.as_ref().and_then(Value::as_str).map(str::to_owned);
        event.key_opt(KeyKind::ToolCall, id);
        add_arguments(event, &arguments);
        event
            .contents
            .push((ContentPart::Arguments, Cow::Owned(arguments)));
        if let Some(content) = output.first().and_then(|message| message.get("content")) {
            let result = match content {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            event.attr("personal_data", personal_kinds(&result));
            event.attr("injection_signs", injection_signs(&result));
            event
                .contents
                .push((ContentPart::Result, Cow::Owned(result)));
        }
        return;
    }
    event.kind = Kind::Inference;
    for (part, messages) in [(ContentPart::Prompt, input), (ContentPart::Output, output)] {
        if messages.is_empty() {
            continue;
        }
        let text = Value::Array(messages).to_string();
        if part == ContentPart::Prompt {
            event.attr("personal_data", personal_kinds(&text));
        }
        event.contents.push((part, Cow::Owned(text)));
    }
}

/// An agent's runtime was asked, and answered.
fn add_payloads<'a>(event: &mut Event<'a>, asked: &'a RawValue, answered: Option<&'a RawValue>) {
    event.kind = Kind::Request;
    event.action = event
        .action
        .take()
        .or(Some(Cow::Borrowed("InvokeAgentRuntime")));
    let payload = serde_json::from_str::<Payload<'a>>(asked.get()).ok();
    let (prompt, actor) = match payload {
        Some(payload) => (payload.prompt.unwrap_or(asked), payload.actor_id),
        None => (asked, None),
    };
    let prompt = value_text(prompt);
    add_mentions(event, &prompt);
    event.attr("personal_data", personal_kinds(&prompt));
    if !prompt.is_empty() {
        event.contents.push((ContentPart::Prompt, prompt));
    }
    // A runtime that was told no actor writes this.
    let actor = actor.and_then(Text::some).filter(|id| id != "DEFAULT");
    if let Some(actor) = actor {
        event.key(KeyKind::User, actor.clone());
        event.agent = event.agent.take().or_else(|| event.actor.id.take());
        event.actor.id = Some(actor);
        event.actor.kind = Some(ActorType::Unknown);
    }
    let answer = answered.map(value_text).unwrap_or_default();
    if !answer.is_empty() {
        event.contents.push((ContentPart::Output, answer));
    }
}

/// Completes a span by what the gateway and its policy engine say in attributes.
pub(in crate::normalise::formats) fn finish(event: &mut Event<'_>) {
    const DECISION: &str = "aws.agentcore.policy.authorization_decision";
    let Some(name) = event.action.as_deref() else {
        return;
    };
    let is_policy = name.starts_with("AgentCore.Policy.");
    let is_tool = name.starts_with("AgentCore.Gateway.InvokeTool");
    let attribute = |name: &str| {
        let found = event.attributes.iter().find(|(have, _)| have == name);
        found.map(|(_, value)| value.clone())
    };
    if name == "POST /invocations"
        && attribute("cloud.platform").as_deref() == Some("aws_bedrock_agentcore")
    {
        event.kind = Kind::Request;
        return;
    }
    if !(is_policy || is_tool) {
        return;
    }
    let decision = attribute(DECISION);
    // What is only logged keeps nobody from anything.
    let enforced = attribute("aws.agentcore.gateway.policy.mode").as_deref() != Some("LOG_ONLY");
    let denied = decision.as_deref() == Some("DENY") && enforced;
    if denied {
        event.outcome = Some(Outcome::Denied);
    }
    if is_tool {
        event.kind = Kind::ToolCall;
        return;
    }
    let reason = attribute("aws.agentcore.policy.authorization_reason");
    let determining = attribute("aws.agentcore.policy.determining_policies");
    let engine = attribute("aws.agentcore.gateway.policy.arn");
    event.kind = Kind::PolicyDecision;
    event.actor.kind = Some(ActorType::Service);
    event.policy_id = determining.or(engine);
    if denied {
        event.error = event.error.take().or(reason);
    }
}
