//! What a chat request asks.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::{Ask, Conversation, Repeated, ToolResult};
use super::{Call, message_text};
use crate::normalise::json::{Pairs, Text};

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Option<Text<'a>>,
    #[serde(borrow, default)]
    messages: Vec<Message<'a>>,
    #[serde(borrow)]
    prompt: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    temperature: Option<Text<'a>>,
    #[serde(borrow)]
    top_p: Option<Text<'a>>,
    #[serde(borrow)]
    seed: Option<Text<'a>>,
    #[serde(borrow, default)]
    metadata: Option<Pairs<'a>>,
    #[serde(borrow)]
    user: Option<Text<'a>>,
    #[serde(borrow)]
    safety_identifier: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Option<Text<'a>>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    tool_call_id: Option<Text<'a>>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
}

/// Reads a request body.
///
/// # Errors
/// The text is not a chat request.
pub fn ask(json: &str) -> serde_json::Result<Ask<'_>> {
    let request: Request<'_> = serde_json::from_str(json)?;
    let mut ask = Ask {
        model: request.model.and_then(Text::some),
        ..Ask::default()
    };
    let last_answer = request
        .messages
        .iter()
        .rposition(|message| role(message) == "assistant");
    let mut system = String::new();
    let is_answer = |message: &&Message<'_>| role(message) == "assistant";
    let answers = request.messages.iter().filter(is_answer).count();
    let mut conversation = Conversation::with_answers(answers);
    for (at, message) in request.messages.iter().enumerate() {
        if is_answer(&message) {
            conversation.answer(|| said(message));
        }
        let digest = conversation.message(&[
            role(message),
            message.content.map_or("", RawValue::get),
            message.tool_calls.map_or("", RawValue::get),
            message.tool_call_id.as_deref().unwrap_or_default(),
        ]);
        let is_new = last_answer.is_none_or(|last| at > last);
        let text = || message.content.map(message_text).unwrap_or_default();
        match role(message) {
            "system" | "developer" => {
                system.push_str(&digest.short(32));
                if last_answer.is_none() {
                    ask.instructions.push(text());
                }
            }
            "user" if is_new => ask.prompts.push(text()),
            "tool" | "function" if is_new => ask.results.push(ToolResult {
                call: message.tool_call_id.clone().and_then(Text::some),
                tool: message.name.clone().and_then(Text::some),
                text: text(),
                error: false,
            }),
            _ => {}
        }
    }
    conversation.done(&mut ask);
    if let (Some(answer), false) = (last_answer, ask.results.is_empty()) {
        ToolResult::name(&mut ask.results, &asked(&request.messages[answer]));
    }
    if request.messages.is_empty()
        && let Some(prompt) = request.prompt
    {
        ask.prompts.push(message_text(prompt));
    }
    let tools = request.tools.map_or("", RawValue::get);
    ask.tools = tools.matches("\"parameters\"").count();
    let parameters = [
        ("gen_ai.request.temperature", request.temperature),
        ("gen_ai.request.top_p", request.top_p),
        ("gen_ai.request.seed", request.seed),
    ];
    ask.configure(&system, tools, parameters);
    ask.user = request
        .safety_identifier
        .or(request.user)
        .and_then(Text::some);
    if let Some(metadata) = request.metadata {
        take_metadata(&mut ask, metadata);
    }
    Ok(ask)
}

/// The calls of an answer that a request repeats.
fn repeated<'a>(answer: &Message<'a>) -> Vec<Call<'a>> {
    let calls = answer.tool_calls;
    calls
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default()
}

/// The same with the names of the tools that they asked for.
fn asked<'a>(answer: &Message<'a>) -> Vec<Repeated<'a>> {
    let calls = repeated(answer).into_iter();
    calls
        .map(|call| Repeated {
            id: call.id.and_then(Text::some),
            name: call.function.and_then(|of| of.name).and_then(Text::some),
        })
        .collect()
}

/// Text of an answer that a request repeats, and the marks of its calls.
fn said(answer: &Message<'_>) -> (String, Vec<String>) {
    let text = answer.content.map(message_text).unwrap_or_default();
    let calls = repeated(answer);
    let mark = |call: &'_ Call<'_>| -> String {
        let name = call.function.as_ref().and_then(|of| of.name.as_deref());
        let mark = call.id.as_deref().filter(|id| !id.is_empty()).or(name);
        mark.unwrap_or_default().to_owned()
    };
    (text.into_owned(), calls.iter().map(mark).collect())
}

/// Sorts metadata into ids with a place of their own and the rest.
pub fn take_metadata<'a>(ask: &mut Ask<'a>, metadata: Pairs<'a>) {
    for (name, value) in metadata.0 {
        if value.is_empty() {
            continue;
        }
        match &*name {
            "trace_id" => ask.trace = Some(value),
            "conversation_id" | "session_id" | "thread_id" => ask.conversation = Some(value),
            "user_id" if ask.user.is_none() => ask.user = Some(value),
            _ => ask.metadata.push((name, value)),
        }
    }
}

fn role<'m>(message: &'m Message<'_>) -> &'m str {
    message.role.as_deref().unwrap_or_default()
}
