//! The events of one model call.

use std::borrow::Cow;

use super::{Answer, Ask, Call, ToolCall};
use crate::model::time::Time;
use crate::model::{ActorType, ContentPart, Digest, Event, KeyKind, Kind, Outcome};
use crate::normalise::names::{add_arguments, add_mentions, add_named};
use crate::normalise::{injection_signs, personal_kinds};

/// Makes the events of one model call, in causal order.
pub fn emit<'a>(call: &Call<'a>, ask: Ask<'a>, answer: Answer<'a>, out: &mut Vec<Event<'a>>) {
    let began = call.time.or_else(|| {
        answer
            .created
            .and_then(|created| Time::from_epoch(created).ok())
    });
    let ended = began.map(|time| time.us + call.duration_us.unwrap_or(0).max(0));
    let response = answer.id.clone();
    let base = |kind, time_us: Option<i64>| {
        let mut event = call.template.clone();
        // The ids of the call and what its arguments say follow.
        event.keys.reserve(8);
        // What was asked and what was answered belong together, with or without other ids.
        event.key_opt(KeyKind::Response, response.clone());
        event.kind = kind;
        event.format = Some(call.format);
        event.time = began.map(|time| Time {
            us: time_us.unwrap_or(time.us),
            ..time
        });
        event.provider = Some(call.provider.clone());
        if let Some(trace) = &ask.trace {
            event.trace.get_or_insert_with(|| trace.clone());
            event.key(KeyKind::Trace, trace.clone());
        }
        if let Some(conversation) = &ask.conversation {
            event
                .conversation
                .get_or_insert_with(|| conversation.clone());
            event.key(KeyKind::Conversation, conversation.clone());
        }
        event.key_opt(KeyKind::Response, ask.previous.clone());
        event
    };
    for text in ask.instructions {
        let mut event = base(Kind::Instruction, None);
        event.action = Some(Cow::Borrowed("system_prompt"));
        event.actor.kind = Some(ActorType::Agent);
        event.attr("instruction.sha256", Digest::of(text.as_bytes()).short(16));
        event.contents.push((ContentPart::Instruction, text));
        out.push(event);
    }
    for text in ask.prompts {
        let mut event = base(Kind::Request, None);
        for digest in &ask.continues {
            event.key(KeyKind::Prefix, digest.clone());
        }
        event.action = Some(Cow::Borrowed("prompt"));
        if let Some(user) = &ask.user {
            event.actor.id = Some(user.clone());
            event.key(KeyKind::User, user.clone());
            event.key(KeyKind::Customer, user.clone());
        }
        event.actor.kind = Some(ActorType::Human);
        event.model_requested = ask.model.clone();
        add_mentions(&mut event, &text);
        event.attr("personal_data", personal_kinds(&text));
        event.attr("injection_signs", injection_signs(&text));
        event.contents.push((ContentPart::Prompt, text));
        out.push(event);
    }
    for result in ask.results {
        let mut event = base(Kind::ToolResult, None);
        for digest in &ask.continues {
            event.key(KeyKind::Prefix, digest.clone());
        }
        event.action = Some(Cow::Borrowed("tool_result"));
        event.tool = result.tool;
        event.actor.kind = Some(ActorType::Service);
        event.outcome = Some(if result.error {
            Outcome::Error
        } else {
            Outcome::Ok
        });
        event.key_opt(KeyKind::ToolCall, result.call);
        event.attr("personal_data", personal_kinds(&result.text));
        event.attr("injection_signs", injection_signs(&result.text));
        event.contents.push((ContentPart::Result, result.text));
        out.push(event);
    }
    for decision in ask.decisions {
        let kind = if decision.approved {
            Kind::Approval
        } else {
            Kind::Rejection
        };
        let mut event = base(kind, None);
        event.action = Some(Cow::Borrowed("tool_approval"));
        event.actor.kind = Some(ActorType::Human);
        event.actor.id = ask.user.clone();
        event.outcome = Some(if decision.approved {
            Outcome::Ok
        } else {
            Outcome::Denied
        });
        event.key_opt(KeyKind::ToolCall, decision.request);
        event.attr_opt("reason", decision.reason);
        out.push(event);
    }
    let status_failed = call.status.is_some_and(|status| status >= 400);
    let mut inference = base(Kind::Inference, None);
    inference.end_us = ended.filter(|_| call.duration_us.is_some());
    inference.action = Some(Cow::Borrowed("chat"));
    inference.actor.kind = Some(ActorType::Agent);
    inference.actor.on_behalf_of = ask.user.clone();
    inference.model_requested = ask.model.clone();
    inference.model_served = answer.model.clone();
    inference.configuration = ask.configuration.map(Cow::Owned);
    inference.tokens_in = answer.tokens_in;
    inference.tokens_out = answer.tokens_out;
    inference.key_opt(KeyKind::Response, answer.id.clone());
    if let Some(so_far) = &ask.so_far
        && (!answer.text.is_empty() || !answer.calls.is_empty())
    {
        let calls = answer.calls.iter().map(ToolCall::mark);
        inference.key(KeyKind::Prefix, so_far.with_answer(&answer.text, calls));
    }
    inference.error = answer.error.clone().map(Cow::Owned);
    inference.outcome = Some(match (status_failed || answer.error.is_some(), &answer) {
        (_, answer) if answer.filtered || answer.refusal.is_some() => Outcome::Denied,
        (true, _) => Outcome::Error,
        (false, answer) if answer.id.is_some() || answer.finish.is_some() => Outcome::Ok,
        _ => Outcome::Unknown,
    });
    if let Some(status) = call.status {
        inference.attr("http.response.status_code", status.to_string());
    }
    inference.attr_opt("gen_ai.response.finish_reasons", answer.finish.clone());
    if ask.tools > 0 {
        inference.attr("tools_offered", ask.tools.to_string());
    }
    for (name, value) in ask.parameters {
        inference.attr(name, value);
    }
    for (name, value) in &answer.extra {
        inference.attr(*name, value.clone());
    }
    for (name, value) in ask.metadata {
        add_metadata(&mut inference, &name, value);
    }
    if !answer.text.is_empty() {
        inference.attr("personal_data", personal_kinds(&answer.text));
        inference
            .contents
            .push((ContentPart::Output, Cow::Owned(answer.text)));
    }
    if let Some(refusal) = &answer.refusal {
        inference
            .contents
            .push((ContentPart::Output, refusal.clone()));
        inference.attr("refusal", "true");
    }
    if !answer.reasoning.is_empty() {
        inference
            .contents
            .push((ContentPart::Reasoning, Cow::Owned(answer.reasoning)));
    }
    out.push(inference);
    for retrieval in answer.retrievals {
        let mut event = base(Kind::Retrieval, ended);
        event.action = Some(Cow::Borrowed("search"));
        event.actor.kind = Some(ActorType::Service);
        event.outcome = Some(Outcome::Ok);
        event.knowledge_source =
            (!retrieval.sources.is_empty()).then(|| Cow::Owned(retrieval.sources.join(", ")));
        event.key_opt(KeyKind::ToolCall, retrieval.id);
        event.key_opt(KeyKind::Response, answer.id.clone());
        if let Some(query) = retrieval.query {
            event.contents.push((ContentPart::Arguments, query));
        }
        out.push(event);
    }
    if answer.filtered {
        let mut event = base(Kind::PolicyDecision, ended);
        event.action = Some(Cow::Borrowed("content_filter"));
        event.actor.kind = Some(ActorType::Service);
        event.outcome = Some(Outcome::Denied);
        event.policy_id = Some(Cow::Owned(format!("{} content filter", call.provider)));
        event.error = answer.error.map(Cow::Owned);
        event.key_opt(KeyKind::Response, answer.id.clone());
        out.push(event);
    }
    for tool in answer.calls {
        let mut event = base(Kind::ToolCall, ended);
        event.action = tool.name.clone().or(Some(Cow::Borrowed("tool_call")));
        event.tool.clone_from(&tool.name);
        event.actor.kind = Some(ActorType::Agent);
        event.actor.on_behalf_of = ask.user.clone();
        event.model_served = answer.model.clone();
        event.key_opt(KeyKind::Response, answer.id.clone());
        event.key_opt(KeyKind::ToolCall, tool.id.clone());
        if tool.asks_approval {
            event.attr("approval", "requested");
        }
        add_arguments(&mut event, &tool.arguments);
        event.attr("personal_data", personal_kinds(&tool.arguments));
        if !tool.arguments.is_empty() {
            event
                .contents
                .push((ContentPart::Arguments, tool.arguments));
        }
        out.push(event);
        if let Some(result) = tool.result {
            let mut event = base(Kind::ToolResult, ended);
            event.action = Some(Cow::Borrowed("tool_result"));
            event.tool = tool.name;
            event.actor.kind = Some(ActorType::Service);
            event.outcome = Some(Outcome::Ok);
            event.key_opt(KeyKind::Response, answer.id.clone());
            event.key_opt(KeyKind::ToolCall, tool.id);
            event.contents.push((ContentPart::Result, result));
            out.push(event);
        }
    }
}

/// Metadata that applications put beside a call: ids become keys, the rest attributes.
fn add_metadata<'a>(event: &mut Event<'a>, name: &str, value: Cow<'a, str>) {
    match name.to_ascii_lowercase().as_str() {
        "agent" | "agent_id" | "agent_name" => event.agent = Some(value),
        "policy_id" | "policy" => event.policy_id = Some(value),
        "policy_version" => event.policy_version = Some(value),
        "user_id" | "user" => event.key(KeyKind::User, value),
        "workflow_run_id" | "run_id" => event.key(KeyKind::WorkflowRun, value),
        _ => {
            add_named(event, name, value.clone());
            event.attr(Cow::Owned(format!("metadata.{name}")), value);
        }
    }
}
