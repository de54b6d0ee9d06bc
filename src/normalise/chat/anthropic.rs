//! Anthropic Messages bodies (vendor document: API reference, "Messages").

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::openai::{error_text, message_text};
use super::{Answer, Ask, Conversation, Repeated, ToolCall, ToolResult, sse_data};
use crate::normalise::json::{Pairs, Text};

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Option<Text<'a>>,
    #[serde(borrow)]
    system: Option<&'a RawValue>,
    #[serde(borrow, default)]
    messages: Vec<Message<'a>>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    temperature: Option<Text<'a>>,
    #[serde(borrow)]
    max_tokens: Option<Text<'a>>,
    #[serde(borrow, default)]
    metadata: Option<Pairs<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Option<Text<'a>>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    model: Option<Text<'a>>,
    #[serde(borrow, default)]
    content: Option<Vec<Block<'a>>>,
    #[serde(borrow)]
    stop_reason: Option<Text<'a>>,
    usage: Option<Usage>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// A content block of any type.
#[derive(Deserialize)]
pub struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    thinking: Option<Text<'a>>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_use_id: Option<Text<'a>>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(default)]
    is_error: Option<bool>,
}

#[derive(Deserialize)]
struct Usage {
    input_tokens: Option<i64>,
    output_tokens: Option<i64>,
    cache_read_input_tokens: Option<i64>,
    cache_creation_input_tokens: Option<i64>,
}

/// Reads a request body.
///
/// # Errors
/// The text is not a messages request.
pub fn ask(json: &str) -> serde_json::Result<Ask<'_>> {
    let request: Request<'_> = serde_json::from_str(json)?;
    let mut ask = Ask {
        model: request.model.and_then(Text::some),
        ..Ask::default()
    };
    let is_answer = |message: &Message<'_>| message.role.as_deref() == Some("assistant");
    let last_answer = request.messages.iter().rposition(is_answer);
    let system = request.system.map(message_text).unwrap_or_default();
    if last_answer.is_none() && !system.is_empty() {
        ask.instructions.push(system.clone());
    }
    let answers = request.messages.iter().filter(|message| is_answer(message));
    let mut conversation = Conversation::with_answers(answers.count());
    for message in &request.messages {
        let content = message.content.map_or("", RawValue::get);
        if is_answer(message) {
            conversation.answer(|| said(content));
        }
        conversation.message(&[message.role.as_deref().unwrap_or_default(), content]);
    }
    conversation.done(&mut ask);
    for message in &request.messages[last_answer.map_or(0, |at| at + 1)..] {
        if let Some(content) = message.content {
            take_user_content(&mut ask, content)?;
        }
    }
    if let (Some(answer), false) = (last_answer, ask.results.is_empty()) {
        let content = request.messages[answer].content.map_or("", RawValue::get);
        let blocks: Vec<Block<'_>> = serde_json::from_str(content).unwrap_or_default();
        let calls = blocks.into_iter().map(|block| Repeated {
            id: block.id.and_then(Text::some),
            name: block.name.and_then(Text::some),
        });
        ToolResult::name(&mut ask.results, &calls.collect::<Vec<_>>());
    }
    let tools = request.tools.map_or("", RawValue::get);
    ask.tools = tools.matches("\"input_schema\"").count();
    let parameters = [
        ("gen_ai.request.temperature", request.temperature),
        ("gen_ai.request.max_tokens", request.max_tokens),
    ];
    ask.configure(&system, tools, parameters);
    if let Some(metadata) = request.metadata {
        super::openai::take_metadata(&mut ask, metadata);
    }
    Ok(ask)
}

/// Text of an answer that a request repeats, and the marks of its calls.
fn said(content: &str) -> (String, Vec<String>) {
    let blocks: Vec<Block<'_>> = serde_json::from_str(content).unwrap_or_default();
    let text: String = if blocks.is_empty() {
        serde_json::from_str::<Text<'_>>(content)
            .map(|text| text.0.into_owned())
            .unwrap_or_default()
    } else {
        let texts = blocks
            .iter()
            .filter(|block| block.kind.as_deref() == Some("text"));
        texts.filter_map(|block| block.text.as_deref()).collect()
    };
    let ids = blocks.iter().filter_map(|block| block.id.as_deref());
    (text, ids.map(str::to_owned).collect())
}

/// Adds what a user message says: text, and results of tools.
///
/// # Errors
/// The content is neither text nor blocks.
pub fn take_user_content<'a>(ask: &mut Ask<'a>, content: &'a RawValue) -> serde_json::Result<()> {
    if !content.get().starts_with('[') {
        ask.prompts.push(message_text(content));
        return Ok(());
    }
    let blocks: Vec<Block<'a>> = serde_json::from_str(content.get())?;
    for block in blocks {
        match block.kind.as_deref() {
            Some("tool_result") => ask.results.push(ToolResult {
                call: block.tool_use_id.and_then(Text::some),
                tool: None,
                text: block.content.map(message_text).unwrap_or_default(),
                error: block.is_error.unwrap_or(false),
            }),
            Some("text") => ask.prompts.extend(block.text.and_then(Text::some)),
            Some(other) => ask.prompts.push(Cow::Owned(format!("[{other}]"))),
            None => {}
        }
    }
    Ok(())
}

/// Reads a response body, whole or streamed.
///
/// # Errors
/// The text is no messages response.
pub fn answer(text: &str) -> serde_json::Result<Answer<'_>> {
    if !text.trim_start().starts_with('{') {
        return streamed(text);
    }
    let response: Response<'_> = serde_json::from_str(text)?;
    let mut answer = Answer::default();
    take_response(&mut answer, response);
    Ok(answer)
}

fn take_response<'a>(answer: &mut Answer<'a>, response: Response<'a>) {
    answer.id = response.id.and_then(Text::some).or(answer.id.take());
    answer.model = response.model.and_then(Text::some).or(answer.model.take());
    answer.finish = response
        .stop_reason
        .and_then(Text::some)
        .or(answer.finish.take());
    if answer.finish.as_deref() == Some("refusal") {
        answer
            .refusal
            .get_or_insert(Cow::Borrowed("(the model refused)"));
    }
    answer.error = response.error.map(error_text).or(answer.error.take());
    if let Some(usage) = response.usage {
        // Cached tokens are counted apart by the vendor; together they are what went in.
        let cached = usage.cache_read_input_tokens.unwrap_or(0)
            + usage.cache_creation_input_tokens.unwrap_or(0);
        answer.tokens_in = usage
            .input_tokens
            .map(|tokens| tokens + cached)
            .or(answer.tokens_in);
        answer.tokens_out = usage.output_tokens.or(answer.tokens_out);
    }
    for block in response.content.into_iter().flatten() {
        take_block(answer, block);
    }
}

/// Adds one block of an answer.
pub fn take_block<'a>(answer: &mut Answer<'a>, block: Block<'a>) {
    match block.kind.as_deref() {
        Some("text") => answer
            .text
            .push_str(block.text.as_deref().unwrap_or_default()),
        Some("thinking") => answer
            .reasoning
            .push_str(block.thinking.as_deref().unwrap_or_default()),
        Some("redacted_thinking") => answer.reasoning.push_str("[redacted by the vendor]"),
        Some("tool_use" | "server_tool_use" | "mcp_tool_use") => answer.calls.push(ToolCall {
            id: block.id.and_then(Text::some),
            name: block.name.and_then(Text::some),
            arguments: block
                .input
                .map_or(Cow::Borrowed(""), |input| Cow::Borrowed(input.get())),
            ..ToolCall::default()
        }),
        Some("web_search_tool_result" | "mcp_tool_result") => {
            let id = block.tool_use_id.and_then(Text::some);
            if let Some(call) = answer.calls.iter_mut().find(|call| call.id == id) {
                call.result = block.content.map(message_text);
            }
        }
        _ => {}
    }
}

#[derive(Deserialize)]
struct StreamEvent<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    message: Option<Response<'a>>,
    #[serde(borrow)]
    content_block: Option<Block<'a>>,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    usage: Option<Usage>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    thinking: Option<Text<'a>>,
    #[serde(borrow)]
    partial_json: Option<Text<'a>>,
    #[serde(borrow)]
    stop_reason: Option<Text<'a>>,
}

/// Joins the events of a streamed answer (`message_start`, `content_block_delta`, …).
fn streamed(text: &str) -> serde_json::Result<Answer<'_>> {
    let mut answer = Answer::default();
    for data in sse_data(text) {
        let event: StreamEvent<'_> = serde_json::from_str(data)?;
        if let Some(message) = event.message {
            take_response(&mut answer, message);
        }
        if let Some(block) = event.content_block {
            take_block(&mut answer, block);
            if let Some(call) = answer.calls.last_mut()
                && call.arguments == "{}"
            {
                call.arguments = Cow::Borrowed("");
            }
        }
        if let Some(delta) = event.delta {
            answer
                .text
                .push_str(delta.text.as_deref().unwrap_or_default());
            answer
                .reasoning
                .push_str(delta.thinking.as_deref().unwrap_or_default());
            if let (Some(piece), Some(call)) = (delta.partial_json, answer.calls.last_mut()) {
                call.arguments.to_mut().push_str(&piece);
            }
            answer.finish = delta
                .stop_reason
                .and_then(Text::some)
                .or(answer.finish.take());
        }
        if event.kind.as_deref() == Some("message_delta")
            && let Some(usage) = event.usage
        {
            answer.tokens_out = usage.output_tokens.or(answer.tokens_out);
        }
        if let Some(error) = event.error {
            answer.error = Some(error_text(error));
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks() {
        let answer = answer(
            r#"{"id":"msg_1","model":"c","stop_reason":"tool_use","content":[
            {"type":"thinking","thinking":"hm"},{"type":"text","text":"ok"},
            {"type":"tool_use","id":"toolu_1","name":"f","input":{"a":1}}],
            "usage":{"input_tokens":3,"cache_read_input_tokens":4,"output_tokens":5}}"#,
        )
        .unwrap();
        assert_eq!((&*answer.text, &*answer.reasoning), ("ok", "hm"));
        assert_eq!((answer.tokens_in, answer.tokens_out), (Some(7), Some(5)));
        assert_eq!(answer.calls[0].arguments, "{\"a\":1}");
    }

    #[test]
    fn results_of_tools() {
        let ask = ask(
            r#"{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[]},
            {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","is_error":true,
            "content":[{"type":"text","text":"boom"}]}]}]}"#,
        )
        .unwrap();
        assert!(ask.prompts.is_empty() && ask.results[0].error);
        assert_eq!(ask.results[0].text, "boom");
    }

    #[test]
    fn streamed_tool_input() {
        let text = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_9\",\"model\":\"c\",\"content\":[],\"usage\":{\"input_tokens\":1}}}\n\n\
            data: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_9\",\"name\":\"f\",\"input\":{}}}\n\n\
            data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\":\"}}\n\n\
            data: {\"type\":\"content_block_delta\",\"delta\":{\"partial_json\":\"2}\"}}\n\n\
            data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":8}}\n\n";
        let answer = answer(text).unwrap();
        assert_eq!(answer.calls[0].arguments, "{\"a\":2}");
        assert_eq!(answer.tokens_out, Some(8));
    }
}
