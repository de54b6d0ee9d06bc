//! OpenAI Chat Completions bodies (vendor document: API reference, "Chat"), also spoken by many
//! others: Azure OpenAI, Groq, Mistral, vLLM, LiteLLM.

mod asks;

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

pub use asks::{ask, take_metadata};

use super::{Answer, ToolCall, sse_data, text_of};
use crate::normalise::json::Text;

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    object: Option<Text<'a>>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    model: Option<Text<'a>>,
    created: Option<f64>,
    #[serde(borrow, default)]
    choices: Option<Vec<Choice<'a>>>,
    usage: Option<Usage>,
    #[serde(borrow)]
    system_fingerprint: Option<Text<'a>>,
    #[serde(borrow)]
    service_tier: Option<Text<'a>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    message: Option<Reply<'a>>,
    #[serde(borrow)]
    delta: Option<Reply<'a>>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    finish_reason: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    role: Option<Text<'a>>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<Text<'a>>,
    #[serde(borrow)]
    reasoning_content: Option<Text<'a>>,
    #[serde(borrow, default)]
    tool_calls: Option<Vec<Call<'a>>>,
}

#[derive(Deserialize)]
struct Call<'a> {
    index: Option<usize>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    arguments: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: Option<i64>,
    completion_tokens: Option<i64>,
}

#[derive(Deserialize)]
struct ErrorBody<'a> {
    #[serde(borrow)]
    code: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    message: Option<Text<'a>>,
}

/// Content is a string or a list of parts with `text`.
pub(super) fn message_text(raw: &RawValue) -> Cow<'_, str> {
    #[derive(Deserialize)]
    struct Part<'a> {
        #[serde(borrow)]
        text: Option<Text<'a>>,
        #[serde(borrow, rename = "type")]
        kind: Option<Text<'a>>,
    }
    if raw.get().starts_with('[')
        && let Ok(parts) = serde_json::from_str::<Vec<Part<'_>>>(raw.get())
    {
        let texts: Vec<Cow<'_, str>> = parts
            .into_iter()
            .map(|part| match (part.text, part.kind) {
                (Some(text), _) => text.0,
                (None, Some(kind)) => Cow::Owned(format!("[{}]", kind.0)),
                (None, None) => Cow::Borrowed("[part]"),
            })
            .collect();
        return Cow::Owned(texts.join("\n"));
    }
    text_of(raw)
}

/// Reads a response body, whole or streamed.
///
/// # Errors
/// The text is no chat response.
pub fn answer(text: &str) -> serde_json::Result<Answer<'_>> {
    if !text.trim_start().starts_with('{') {
        return streamed(text);
    }
    Ok(whole(serde_json::from_str(text)?))
}

/// Reads a response body that says itself that it is a chat completion; `None` for any other.
#[must_use]
pub fn declared_answer(text: &str) -> Option<Answer<'_>> {
    // Vendors write the type among the first fields; where not, nothing but time is lost.
    let head = &text.as_bytes()[..text.len().min(128)];
    memchr::memmem::find(head, b"\"chat.completion\"")?;
    let response: Response<'_> = serde_json::from_str(text).ok()?;
    let declared = response.object.as_deref() == Some("chat.completion");
    (declared && response.choices.is_some()).then(|| whole(response))
}

fn whole(response: Response<'_>) -> Answer<'_> {
    let mut answer = Answer {
        error: response
            .error
            .map(error_text)
            .filter(|text| !text.is_empty()),
        ..Answer::default()
    };
    answer.filtered = answer.error.as_deref().is_some_and(is_filter_error);
    take_head(&mut answer, &response);
    for choice in response.choices.into_iter().flatten() {
        take_choice(&mut answer, choice);
    }
    answer
}

fn take_head<'a>(answer: &mut Answer<'a>, response: &Response<'a>) {
    let text = |value: &Option<Text<'a>>| value.clone().and_then(Text::some);
    answer.id = text(&response.id).or(answer.id.take());
    answer.model = text(&response.model).or(answer.model.take());
    #[allow(clippy::cast_possible_truncation)] // Seconds since 1970 fit.
    let created = response
        .created
        .map(|seconds| seconds as i64)
        .filter(|created| *created > 0);
    answer.created = created.or(answer.created);
    if let Some(usage) = &response.usage {
        answer.tokens_in = usage.prompt_tokens.or(answer.tokens_in);
        answer.tokens_out = usage.completion_tokens.or(answer.tokens_out);
    }
    for (name, value) in [
        (
            "gen_ai.openai.response.system_fingerprint",
            text(&response.system_fingerprint),
        ),
        (
            "gen_ai.openai.response.service_tier",
            text(&response.service_tier),
        ),
    ] {
        if let Some(value) = value
            && !answer.extra.iter().any(|(have, _)| *have == name)
        {
            answer.extra.push((name, value));
        }
    }
}

fn take_choice<'a>(answer: &mut Answer<'a>, choice: Choice<'a>) {
    if let Some(finish) = choice.finish_reason.and_then(Text::some) {
        answer.filtered |= finish == "content_filter";
        answer.finish = Some(finish);
    }
    if let Some(text) = choice.text {
        answer.text.push_str(&text);
    }
    let Some(reply) = choice.message.or(choice.delta) else {
        return;
    };
    if let Some(content) = reply.content {
        answer.text.push_str(&message_text(content));
    }
    if let Some(reasoning) = reply.reasoning_content {
        answer.reasoning.push_str(&reasoning);
    }
    answer.refusal = reply.refusal.and_then(Text::some).or(answer.refusal.take());
    for call in reply.tool_calls.into_iter().flatten() {
        let id = call.id.and_then(Text::some);
        let (name, arguments) = match call.function {
            Some(function) => (function.name.and_then(Text::some), function.arguments),
            None => (None, None),
        };
        let arguments = arguments.map(|text| text.0).unwrap_or_default();
        // Later pieces of a streamed call carry its index and no id.
        match call
            .index
            .filter(|_| id.is_none())
            .and_then(|index| answer.calls.get_mut(index))
        {
            Some(earlier) => earlier.arguments.to_mut().push_str(&arguments),
            None => answer.calls.push(ToolCall {
                id,
                name,
                arguments,
                ..ToolCall::default()
            }),
        }
    }
}

/// Joins the chunks of a streamed answer.
fn streamed(text: &str) -> serde_json::Result<Answer<'_>> {
    let mut answer = Answer::default();
    for data in sse_data(text) {
        let chunk: Response<'_> = serde_json::from_str(data)?;
        take_head(&mut answer, &chunk);
        if let Some(error) = chunk.error {
            answer.error = Some(error_text(error));
        }
        for choice in chunk.choices.into_iter().flatten() {
            take_choice(&mut answer, choice);
        }
    }
    Ok(answer)
}

/// Code and message of an error body; a plain text stays as it is.
pub(super) fn error_text(raw: &RawValue) -> String {
    match serde_json::from_str::<ErrorBody<'_>>(raw.get()) {
        Ok(body) => {
            let code = body
                .code
                .and_then(Text::some)
                .or(body.kind.and_then(Text::some));
            let message = body.message.and_then(Text::some).unwrap_or_default();
            match code {
                Some(code) => format!("{code}: {message}"),
                None => message.into_owned(),
            }
        }
        Err(_) => text_of(raw).into_owned(),
    }
}

fn is_filter_error(text: &str) -> bool {
    text.starts_with("content_filter")
        || text.contains("ResponsibleAIPolicyViolation")
        || text.starts_with("content_policy_violation")
}

#[derive(Deserialize)]
struct Pieces<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow, default)]
    choices: Vec<PieceChoice<'a>>,
}

#[derive(Deserialize)]
struct PieceChoice<'a> {
    #[serde(default)]
    index: usize,
    #[serde(borrow)]
    delta: Option<PieceDelta<'a>>,
}

#[derive(Deserialize)]
struct PieceDelta<'a> {
    #[serde(borrow)]
    tool_calls: Option<Vec<Piece<'a>>>,
}

#[derive(Deserialize)]
struct Piece<'a> {
    #[serde(default)]
    index: usize,
    #[serde(borrow)]
    function: Option<PieceFunction<'a>>,
}

#[derive(Deserialize)]
struct PieceFunction<'a> {
    #[serde(borrow)]
    arguments: Option<Text<'a>>,
}

/// Pieces of tool calls in a chunk: the name of the call (response, choice, index), and its part of the
/// arguments.
fn pieces(json: &str) -> Vec<(String, String)> {
    let Ok(chunk) = serde_json::from_str::<Pieces<'_>>(json) else {
        return Vec::new();
    };
    let id = chunk.id.map(|id| id.0).unwrap_or_default();
    let mut found = Vec::new();
    for choice in chunk.choices {
        let calls = choice.delta.and_then(|delta| delta.tool_calls);
        for call in calls.into_iter().flatten() {
            let arguments = call.function.and_then(|function| function.arguments);
            let arguments = arguments
                .map(|text| text.0.into_owned())
                .unwrap_or_default();
            found.push((format!("{id}/{}/{}", choice.index, call.index), arguments));
        }
    }
    found
}

/// Names of the tool calls of which a chunk has pieces, in its order.
#[must_use]
pub fn calls_of_chunk(json: &str) -> Vec<String> {
    pieces(json).into_iter().map(|(name, _)| name).collect()
}

/// Joins the arguments of tool calls that come in pieces, one chunk a record.
pub fn gather_chunks<'t>(texts: impl Iterator<Item = &'t str>) -> HashMap<String, String> {
    let mut joined: HashMap<String, String> = HashMap::new();
    let chunk = memchr::memmem::Finder::new(b"\"chat.completion.chunk\"");
    for text in texts.filter(|text| chunk.find(text.as_bytes()).is_some()) {
        for (name, arguments) in pieces(text) {
            joined.entry(name).or_default().push_str(&arguments);
        }
    }
    joined
}

/// One streamed chunk that was logged as a record of its own: role of the first piece, and answer.
///
/// # Errors
/// The text is no chunk.
pub fn chunk(json: &str) -> serde_json::Result<(bool, Answer<'_>)> {
    let response: Response<'_> = serde_json::from_str(json)?;
    let mut answer = Answer::default();
    take_head(&mut answer, &response);
    let mut first = false;
    for choice in response.choices.into_iter().flatten() {
        first |= choice
            .delta
            .as_ref()
            .is_some_and(|delta| delta.role.is_some());
        take_choice(&mut answer, choice);
    }
    Ok((first, answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_new_tail_counts() {
        let ask = ask(r#"{"model":"m","messages":[
            {"role":"system","content":"be kind"},{"role":"user","content":"one"},
            {"role":"assistant","content":null,"tool_calls":[{"id":"call_1"}]},
            {"role":"tool","tool_call_id":"call_1","content":"42"},
            {"role":"user","content":[{"type":"text","text":"two"},{"type":"image_url"}]}]}"#)
        .unwrap();
        assert!(ask.instructions.is_empty());
        assert_eq!(ask.prompts, ["two\n[image_url]"]);
        assert_eq!(ask.results[0].call.as_deref(), Some("call_1"));
    }

    #[test]
    fn streamed_answers_are_joined() {
        let text = "data: {\"id\":\"chatcmpl-1\",\"model\":\"m-1\",\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"He\"}}]}\n\n\
            data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"delta\":{\"content\":\"y\",\"tool_calls\":[{\"index\":0,\"id\":\"call_a\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\"\"}}]}}]}\n\n\
            data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\":1}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\n\
            data: [DONE]\n\n";
        let answer = answer(text).unwrap();
        assert_eq!(
            (answer.id.as_deref(), &*answer.text),
            (Some("chatcmpl-1"), "Hey")
        );
        assert_eq!(answer.calls[0].arguments, "{\"x\":1}");
        assert_eq!(answer.finish.as_deref(), Some("tool_calls"));
    }

    #[test]
    fn a_filtered_prompt_is_seen() {
        let answer = answer(r#"{"error":{"code":"content_filter","message":"no"}}"#).unwrap();
        assert!(answer.filtered);
        assert_eq!(answer.error.as_deref(), Some("content_filter: no"));
    }
}
