//! What all records of model calls share, whoever logged them: an ask and an answer become events.
//!
//! A request carries the whole conversation so far. Only what stands behind the model's last answer
//! is new; the rest was in the request before it and gives no events again.

pub mod anthropic;
mod conversation;
pub mod messages;
pub mod openai;
pub mod responses;
mod stream;
pub mod vendors;

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::Record;
use super::json::Text;
use super::names::{add_arguments, add_mentions};
use super::{injection_signs, personal_kinds};
use crate::model::time::Time;
use crate::model::{ActorType, ContentPart, Digest, Event, KeyKind, Kind, Outcome};

pub use conversation::{Conversation, Prefix};
pub(super) use stream::sse_data;

/// What a model was asked.
#[derive(Debug, Default)]
pub struct Ask<'a> {
    /// `gen_ai.request.model`.
    pub model: Option<Cow<'a, str>>,
    /// System prompts, only where the conversation begins.
    pub instructions: Vec<Cow<'a, str>>,
    /// New texts of the asking side.
    pub prompts: Vec<Cow<'a, str>>,
    /// New results of tools.
    pub results: Vec<ToolResult<'a>>,
    /// Answers of a person to the model's request to use a tool.
    pub decisions: Vec<Decision<'a>>,
    /// Digest over model parameters, tools offered and system prompt.
    pub configuration: Option<String>,
    /// Names of model parameters and their values.
    pub parameters: Vec<(&'static str, Cow<'a, str>)>,
    /// Number of tools offered.
    pub tools: usize,
    /// The end user, as the application names him.
    pub user: Option<Cow<'a, str>>,
    /// Trace id the application put into the metadata.
    pub trace: Option<Cow<'a, str>>,
    /// Conversation or session id.
    pub conversation: Option<Cow<'a, str>>,
    /// The answer that this ask continues.
    pub previous: Option<Cow<'a, str>>,
    /// Remaining metadata.
    pub metadata: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Digests of the conversation up to the model's last answers: more than one, because the
    /// request between can be lost.
    pub continues: Vec<String>,
    /// The conversation so far, for the digest that the next request will repeat.
    pub so_far: Option<Prefix>,
}

/// Result of a tool, as it was given back to the model.
#[derive(Debug)]
pub struct ToolResult<'a> {
    /// Id of the call.
    pub call: Option<Cow<'a, str>>,
    /// `gen_ai.tool.name`, where the request repeats the call or names the tool.
    pub tool: Option<Cow<'a, str>>,
    /// The result.
    pub text: Cow<'a, str>,
    /// Whether the tool said it failed.
    pub error: bool,
}

impl<'a> Ask<'a> {
    /// Takes the parameters that are set, and the digest of all that makes up the configuration.
    fn configure(
        &mut self,
        system: &str,
        tools: &str,
        parameters: impl IntoIterator<Item = (&'static str, Option<Text<'a>>)>,
    ) {
        for (name, value) in parameters {
            self.parameters
                .extend(value.and_then(Text::some).map(|value| (name, value)));
        }
        let model = self.model.as_deref().unwrap_or_default();
        let parameters = self.parameters.iter().map(|(_, value)| &**value);
        let parts = [model, system, tools].into_iter().chain(parameters);
        self.configuration = Some(configuration_digest(parts));
    }
}

/// A call that an earlier answer asked for, as a request repeats it.
struct Repeated<'a> {
    id: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
}

impl<'a> ToolResult<'a> {
    /// Names the tools of results by the calls that the request repeats.
    fn name(results: &mut [Self], calls: &[Repeated<'a>]) {
        for result in results.iter_mut().filter(|result| result.tool.is_none()) {
            let is_call = |call: &&Repeated<'_>| call.id.is_some() && call.id == result.call;
            result.tool = calls
                .iter()
                .find(is_call)
                .and_then(|call| call.name.clone());
        }
    }
}

/// A person's answer to a request for approval.
#[derive(Debug)]
pub struct Decision<'a> {
    /// Id of the request.
    pub request: Option<Cow<'a, str>>,
    /// Yes or no.
    pub approved: bool,
    /// The reason given.
    pub reason: Option<Cow<'a, str>>,
}

/// A tool that the model asks for.
#[derive(Debug, Default)]
pub struct ToolCall<'a> {
    /// `call_…`, `toolu_…`.
    pub id: Option<Cow<'a, str>>,
    /// `gen_ai.tool.name`.
    pub name: Option<Cow<'a, str>>,
    /// Arguments, usually a JSON object.
    pub arguments: Cow<'a, str>,
    /// Result, where the vendor ran the tool itself.
    pub result: Option<Cow<'a, str>>,
    /// The call waits for a person's approval.
    pub asks_approval: bool,
}

impl ToolCall<'_> {
    /// What tells it from the others of an answer that a later request repeats: its id, or the tool's name where the
    /// vendor gives none.
    #[must_use]
    pub fn mark(&self) -> &str {
        let mark = self.id.as_deref().or(self.name.as_deref());
        mark.unwrap_or_default()
    }
}

/// Knowledge that the vendor fetched for the model.
#[derive(Debug)]
pub struct Retrieval<'a> {
    /// Id of the search.
    pub id: Option<Cow<'a, str>>,
    /// Files or pages found.
    pub sources: Vec<Cow<'a, str>>,
    /// What was searched for.
    pub query: Option<Cow<'a, str>>,
}

/// What the model answered.
#[derive(Debug, Default)]
pub struct Answer<'a> {
    /// `gen_ai.response.id`.
    pub id: Option<Cow<'a, str>>,
    /// `gen_ai.response.model`.
    pub model: Option<Cow<'a, str>>,
    /// When the vendor made it (seconds since 1970), where it says so.
    pub created: Option<i64>,
    /// `gen_ai.response.finish_reasons`.
    pub finish: Option<Cow<'a, str>>,
    /// The text.
    pub text: String,
    /// Reasoning, where it was logged.
    pub reasoning: String,
    /// The model's refusal.
    pub refusal: Option<Cow<'a, str>>,
    /// Tools asked for.
    pub calls: Vec<ToolCall<'a>>,
    /// Knowledge fetched.
    pub retrievals: Vec<Retrieval<'a>>,
    /// Tokens in.
    pub tokens_in: Option<i64>,
    /// Tokens out.
    pub tokens_out: Option<i64>,
    /// Error code and message.
    pub error: Option<String>,
    /// The vendor's filter stopped the prompt or the answer.
    pub filtered: bool,
    /// More of the answer's own fields.
    pub extra: Vec<(&'static str, Cow<'a, str>)>,
}

/// What stands around ask and answer.
#[derive(Debug)]
pub struct Call<'a> {
    /// The record's own format.
    pub format: &'static str,
    /// `gen_ai.provider.name`.
    pub provider: Cow<'a, str>,
    /// When the call began.
    pub time: Option<Time>,
    /// Duration in microseconds, where logged.
    pub duration_us: Option<i64>,
    /// HTTP status.
    pub status: Option<u16>,
    /// Keys from headers and wrapper, shared by all events.
    pub template: Event<'a>,
}

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
pub(super) fn add_metadata<'a>(event: &mut Event<'a>, name: &str, value: Cow<'a, str>) {
    match name.to_ascii_lowercase().as_str() {
        "agent" | "agent_id" | "agent_name" => event.agent = Some(value),
        "policy_id" | "policy" => event.policy_id = Some(value),
        "policy_version" => event.policy_version = Some(value),
        "user_id" | "user" => event.key(KeyKind::User, value),
        "workflow_run_id" | "run_id" => event.key(KeyKind::WorkflowRun, value),
        _ => {
            super::names::add_named(event, name, value.clone());
            event.attr(Cow::Owned(format!("metadata.{name}")), value);
        }
    }
}

/// A raw JSON value as text: strings unescaped, anything else as it stands.
pub(super) fn text_of<'a>(raw: &'a RawValue) -> Cow<'a, str> {
    let json = raw.get();
    let quoted = json
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    if let Some(inner) = quoted.filter(|inner| memchr::memchr(b'\\', inner.as_bytes()).is_none()) {
        // It was read once already, so that a text without escapes is what stands there.
        Cow::Borrowed(inner)
    } else if json.starts_with('"') {
        serde_json::from_str::<Text<'a>>(json)
            .map(|text| text.0)
            .unwrap_or_default()
    } else if json == "null" {
        Cow::Borrowed("")
    } else {
        Cow::Borrowed(json)
    }
}

/// A member that is an object, or an object inside a string, as the object's text.
pub(super) fn object_text<'r>(record: &Record<'r>, raw: &'r RawValue) -> &'r str {
    let json = raw.get();
    if !json.starts_with('"') {
        return json;
    }
    match text_of(raw) {
        Cow::Borrowed(text) => text,
        Cow::Owned(text) => record.keep(text),
    }
}

/// Digest over model parameters, tools and system prompt: equal digest, equal configuration.
pub(super) fn configuration_digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    Digest::of_parts(parts).short(16)
}

#[cfg(test)]
mod tests {
    use super::vendors::Vendor;
    use super::*;

    /// Id and tool of each result that a request gives.
    fn given(ask: &Ask<'_>) -> Vec<(String, String)> {
        let text = |text: &Option<Cow<'_, str>>| text.as_deref().unwrap_or("-").to_owned();
        let results = ask.results.iter();
        results
            .map(|result| (text(&result.call), text(&result.tool)))
            .collect()
    }

    #[test]
    fn results_have_the_tools_of_the_calls_that_the_request_repeats() {
        let both = [("c1", "read"), ("c2", "write")].map(|(id, of)| (id.to_owned(), of.to_owned()));
        let chat = r#"{"messages": [
            {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "older", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "1"},
            {"role": "assistant", "tool_calls": [
                {"id": "c1", "function": {"name": "read", "arguments": "{}"}},
                {"id": "c2", "function": {"name": "write", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "2"},
            {"role": "tool", "tool_call_id": "c2", "content": "3"}]}"#;
        assert_eq!(given(&openai::ask(chat).unwrap()), both);
        let messages = r#"{"messages": [
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "c1", "name": "read", "input": {}},
                {"type": "tool_use", "id": "c2", "name": "write", "input": {}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "2"},
                {"type": "tool_result", "tool_use_id": "c2", "content": "3"}]}]}"#;
        assert_eq!(given(&anthropic::ask(messages).unwrap()), both);
        let responses = r#"{"input": [
            {"type": "function_call", "call_id": "c1", "name": "read", "arguments": "{}"},
            {"type": "function_call", "call_id": "c2", "name": "write", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "2"},
            {"type": "function_call_output", "call_id": "c2", "output": "3"}]}"#;
        assert_eq!(given(&responses::ask(responses).unwrap()), both);
        let converse = r#"{"messages": [
            {"role": "assistant", "content": [
                {"toolUse": {"toolUseId": "c1", "name": "read", "input": {}}},
                {"toolUse": {"toolUseId": "c2", "name": "write", "input": {}}}]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "c1", "content": [{"text": "2"}]}},
                {"toolResult": {"toolUseId": "c2", "content": [{"text": "3"}]}}]}]}"#;
        assert_eq!(
            given(&vendors::ask(Vendor::Bedrock, converse).unwrap()),
            both
        );
    }

    #[test]
    fn results_of_calls_that_are_not_repeated_have_no_tool_unless_they_name_it() {
        let chat = r#"{"messages": [
            {"role": "tool", "tool_call_id": "c1", "content": "1"},
            {"role": "function", "name": "read", "content": "2"}]}"#;
        let owned = |text: &str| text.to_owned();
        assert_eq!(
            given(&openai::ask(chat).unwrap()),
            [(owned("c1"), owned("-")), (owned("-"), owned("read"))]
        );
        let gemini = r#"{"contents": [{"role": "user", "parts": [
            {"functionResponse": {"name": "read", "response": {"total": 1}}}]}]}"#;
        let ask = vendors::ask(Vendor::Gemini, gemini).unwrap();
        assert_eq!(given(&ask), [(owned("-"), owned("read"))]);
    }
}
