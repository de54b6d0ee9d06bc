//! OpenAI Responses bodies (vendor document: API reference, "Responses").

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::openai::{error_text, message_text, take_metadata};
use super::{
    Answer, Ask, Conversation, Decision, Repeated, Retrieval, ToolCall, ToolResult, sse_data,
    text_of,
};
use crate::normalise::json::{Pairs, Text};

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Option<Text<'a>>,
    #[serde(borrow)]
    instructions: Option<Text<'a>>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    temperature: Option<Text<'a>>,
    #[serde(borrow)]
    previous_response_id: Option<Text<'a>>,
    #[serde(borrow)]
    conversation: Option<&'a RawValue>,
    #[serde(borrow, default)]
    metadata: Option<Pairs<'a>>,
    #[serde(borrow)]
    user: Option<Text<'a>>,
    #[serde(borrow)]
    safety_identifier: Option<Text<'a>>,
}

/// An item of `input` or `output`.
#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    role: Option<Text<'a>>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    call_id: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    arguments: Option<Text<'a>>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    #[serde(borrow)]
    summary: Option<&'a RawValue>,
    #[serde(borrow, default)]
    queries: Option<Vec<Text<'a>>>,
    #[serde(borrow, default)]
    results: Option<Vec<Hit<'a>>>,
    #[serde(borrow)]
    server_label: Option<Text<'a>>,
    #[serde(borrow)]
    approval_request_id: Option<Text<'a>>,
    approve: Option<bool>,
    #[serde(borrow)]
    reason: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Hit<'a> {
    #[serde(borrow)]
    file_id: Option<Text<'a>>,
    #[serde(borrow)]
    filename: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    model: Option<Text<'a>>,
    created_at: Option<f64>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    #[serde(borrow, default)]
    output: Option<Vec<Item<'a>>>,
    usage: Option<Usage>,
    #[serde(borrow)]
    incomplete_details: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Usage {
    input_tokens: Option<i64>,
    output_tokens: Option<i64>,
}

/// Reads a request body.
///
/// # Errors
/// The text is no such request.
pub fn ask(json: &str) -> serde_json::Result<Ask<'_>> {
    let request: Request<'_> = serde_json::from_str(json)?;
    let mut ask = Ask {
        model: request.model.and_then(Text::some),
        previous: request.previous_response_id.and_then(Text::some),
        user: request
            .safety_identifier
            .or(request.user)
            .and_then(Text::some),
        ..Ask::default()
    };
    let instructions = request.instructions.and_then(Text::some);
    if ask.previous.is_none() {
        ask.instructions.extend(instructions.clone());
    }
    if let Some(input) = request.input {
        take_input(&mut ask, input)?;
    }
    if let Some(conversation) = request.conversation {
        let text = match serde_json::from_str::<Item<'_>>(conversation.get()) {
            Ok(object) => object.id.and_then(Text::some),
            Err(_) => Some(text_of(conversation)).filter(|text| !text.is_empty()),
        };
        ask.conversation = text;
    }
    let tools = request.tools.map_or("", RawValue::get);
    ask.tools = tools.matches("\"type\":\"function\"").count()
        + tools.matches("\"type\": \"function\"").count();
    let system = instructions.as_deref().unwrap_or_default();
    let parameters = [("gen_ai.request.temperature", request.temperature)];
    ask.configure(system, tools, parameters);
    if let Some(metadata) = request.metadata {
        take_metadata(&mut ask, metadata);
    }
    Ok(ask)
}

fn take_input<'a>(ask: &mut Ask<'a>, input: &'a RawValue) -> serde_json::Result<()> {
    if !input.get().starts_with('[') {
        ask.prompts.push(text_of(input));
        if ask.previous.is_none() {
            let mut conversation = Conversation::with_answers(0);
            conversation.message(&["", "user", input.get(), "", "", ""]);
            conversation.done(ask);
        }
        return Ok(());
    }
    let items: Vec<Item<'a>> = serde_json::from_str(input.get())?;
    let is_answer = |item: &Item<'_>| {
        item.role.as_deref() == Some("assistant")
            || matches!(
                item.kind.as_deref(),
                Some("function_call" | "reasoning" | "mcp_call")
            )
    };
    let last_answer = items.iter().rposition(is_answer);
    let is_call = |item: &&Item<'_>| item.kind.as_deref() == Some("function_call");
    let calls: Vec<_> = items
        .iter()
        .filter(is_call)
        .map(|call| Repeated {
            id: call.call_id.clone().and_then(Text::some),
            name: call.name.clone().and_then(Text::some),
        })
        .collect();
    if ask.previous.is_none() {
        remember(ask, &items, is_answer);
    }
    for (at, item) in items.into_iter().enumerate() {
        let is_new = last_answer.is_none_or(|last| at > last);
        match (item.kind.as_deref(), item.role.as_deref()) {
            (Some("function_call_output"), _) if is_new => ask.results.push(ToolResult {
                call: item.call_id.and_then(Text::some),
                tool: None,
                text: item.output.map(message_text).unwrap_or_default(),
                error: false,
            }),
            (Some("mcp_approval_response"), _) => ask.decisions.push(Decision {
                request: item.approval_request_id.and_then(Text::some),
                approved: item.approve.unwrap_or(false),
                reason: item.reason.and_then(Text::some),
            }),
            (_, Some("system" | "developer")) if last_answer.is_none() => {
                ask.instructions.extend(item.content.map(message_text));
            }
            (_, Some("user")) if is_new => ask.prompts.extend(item.content.map(message_text)),
            _ => {}
        }
    }
    ToolResult::name(&mut ask.results, &calls);
    Ok(())
}

/// Takes what the next request will repeat, and what this one repeats of earlier answers: the items that stand together.
fn remember(ask: &mut Ask<'_>, items: &[Item<'_>], is_answer: impl Fn(&Item<'_>) -> bool) {
    let groups = || items.chunk_by(|a, b| is_answer(a) == is_answer(b));
    let answers = groups().filter(|group| is_answer(&group[0])).count();
    let mut conversation = Conversation::with_answers(answers);
    for group in groups() {
        if is_answer(&group[0]) {
            conversation.answer(|| said(group));
        }
        for item in group {
            // An item with a role is a message, whether it says so or not.
            let kind = item.kind.as_deref().filter(|kind| *kind != "message");
            conversation.message(&[
                kind.unwrap_or_default(),
                item.role.as_deref().unwrap_or_default(),
                item.content.map_or("", RawValue::get),
                item.call_id.as_deref().unwrap_or_default(),
                item.arguments.as_deref().unwrap_or_default(),
                item.output.map_or("", RawValue::get),
            ]);
        }
    }
    conversation.done(ask);
}

/// Text of an answer that a request repeats, and the marks of its calls.
fn said(items: &[Item<'_>]) -> (String, Vec<String>) {
    let messages = items.iter().filter(|item| item.role.is_some());
    let texts = messages.filter_map(|item| item.content).map(message_text);
    let mark = |item: &'_ Item<'_>| {
        let ids = [&item.call_id, &item.id, &item.name].into_iter().flatten();
        let mut ids = ids.map(|id| &*id.0).filter(|id| !id.is_empty());
        ids.next().unwrap_or_default().to_owned()
    };
    let calls = items
        .iter()
        .filter(|item| matches!(item.kind.as_deref(), Some("function_call" | "mcp_call")));
    (texts.collect(), calls.map(mark).collect())
}

/// Reads a response body, whole or streamed.
///
/// # Errors
/// The text is no such response.
pub fn answer(text: &str) -> serde_json::Result<Answer<'_>> {
    if text.trim_start().starts_with('{') {
        return Ok(take_response(serde_json::from_str(text)?));
    }
    #[derive(Deserialize)]
    struct StreamEvent<'a> {
        #[serde(borrow)]
        response: Option<&'a RawValue>,
    }
    // The closing event of a stream carries the whole response.
    let mut last = None;
    for data in sse_data(text) {
        let event: StreamEvent<'_> = serde_json::from_str(data)?;
        last = event.response.or(last);
    }
    match last {
        Some(response) => Ok(take_response(serde_json::from_str(response.get())?)),
        None => Ok(Answer::default()),
    }
}

fn take_response(response: Response<'_>) -> Answer<'_> {
    #[allow(clippy::cast_possible_truncation)] // Seconds since 1970 fit.
    let created = response
        .created_at
        .map(|seconds| seconds as i64)
        .filter(|created| *created > 0);
    let mut answer = Answer {
        id: response.id.and_then(Text::some),
        model: response.model.and_then(Text::some),
        created,
        finish: response.status.and_then(Text::some),
        error: response
            .error
            .map(error_text)
            .filter(|text| !text.is_empty()),
        ..Answer::default()
    };
    if let Some(usage) = response.usage {
        answer.tokens_in = usage.input_tokens;
        answer.tokens_out = usage.output_tokens;
    }
    if let Some(details) = response.incomplete_details {
        answer.filtered = details.get().contains("content_filter");
    }
    for item in response.output.into_iter().flatten() {
        take_item(&mut answer, item);
    }
    answer
}

fn take_item<'a>(answer: &mut Answer<'a>, item: Item<'a>) {
    let id = item.id.and_then(Text::some);
    let name = item.name.and_then(Text::some);
    let arguments = item.arguments.map(|text| text.0).unwrap_or_default();
    match item.kind.as_deref() {
        Some("message") => answer
            .text
            .push_str(&item.content.map(message_text).unwrap_or_default()),
        Some("reasoning") => {
            answer
                .reasoning
                .push_str(&item.summary.map(message_text).unwrap_or_default());
        }
        Some("function_call") => answer.calls.push(ToolCall {
            id: item.call_id.and_then(Text::some).or(id),
            name,
            arguments,
            ..ToolCall::default()
        }),
        Some("mcp_call" | "mcp_approval_request") => {
            let server = item.server_label.and_then(Text::some);
            let name = match (server, name) {
                (Some(server), Some(name)) => Some(Cow::Owned(format!("{server}/{name}"))),
                (_, name) => name,
            };
            answer.calls.push(ToolCall {
                id,
                name,
                arguments,
                result: item
                    .output
                    .map(message_text)
                    .filter(|text| !text.is_empty()),
                asks_approval: item.kind.as_deref() == Some("mcp_approval_request"),
            });
        }
        Some("file_search_call" | "web_search_call") => {
            let hits = item.results.into_iter().flatten();
            let sources = hits
                .filter_map(|hit| hit.filename.or(hit.file_id))
                .filter_map(Text::some);
            let queries: Vec<Cow<'a, str>> = item
                .queries
                .into_iter()
                .flatten()
                .filter_map(Text::some)
                .collect();
            answer.retrievals.push(Retrieval {
                id,
                sources: sources.collect(),
                query: (!queries.is_empty()).then(|| Cow::Owned(queries.join("; "))),
            });
        }
        _ => {}
    }
}

/// The response that a response goes on from.
#[must_use]
pub fn previous_of(answer: &str) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Echo<'a> {
        #[serde(borrow)]
        previous_response_id: Option<Text<'a>>,
    }
    let echo: Echo<'_> = serde_json::from_str(answer).ok()?;
    echo.previous_response_id.and_then(Text::some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_items() {
        let answer = answer(r#"{"id":"resp_1","object":"response","created_at":1767225599,"status":"completed",
            "model":"m","output":[
            {"type":"file_search_call","id":"fs_1","queries":["refund"],"results":[{"file_id":"f1","filename":"policy.pdf"}]},
            {"type":"function_call","id":"fc_1","call_id":"call_1","name":"f","arguments":"{}"},
            {"type":"mcp_approval_request","id":"mcpr_1","server_label":"sap","name":"post","arguments":"{}"},
            {"type":"message","role":"assistant","content":[{"type":"output_text","text":"done"}]}]}"#)
        .unwrap();
        assert_eq!(answer.text, "done");
        assert_eq!(answer.retrievals[0].sources, ["policy.pdf"]);
        assert_eq!(answer.calls[0].id.as_deref(), Some("call_1"));
        assert!(answer.calls[1].asks_approval);
    }

    #[test]
    fn approvals_of_people() {
        let ask = ask(
            r#"{"previous_response_id":"resp_1","input":[{"type":"mcp_approval_response",
            "approval_request_id":"mcpr_1","approve":true}]}"#,
        )
        .unwrap();
        assert!(ask.decisions[0].approved);
        assert_eq!(ask.previous.as_deref(), Some("resp_1"));
    }
}
