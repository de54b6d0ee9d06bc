//! What all records of model calls share, whoever logged them: an ask and an answer become events.
//!
//! A request carries the whole conversation so far. Only what stands behind the model's last answer
//! is new; the rest was in the request before it and gives no events again.

pub mod anthropic;
mod conversation;
mod emit;
pub mod messages;
pub mod openai;
pub mod responses;
mod stream;
pub mod vendors;

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::Record;
use super::json::Text;
use crate::model::time::Time;
use crate::model::{Digest, Event};

pub use conversation::{Conversation, Prefix};
pub use emit::emit;
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
