//! What the requests of these vendors ask.

use std::borrow::Cow;

use serde_json::Value;

use super::super::{Ask, Conversation, Repeated, ToolResult, configuration_digest, openai};
use super::{Vendor, at, list, owned, text};

/// Reads a request body.
///
/// # Errors
/// The text is no JSON object.
pub fn ask<'a>(vendor: Vendor, body: &'a str) -> serde_json::Result<Ask<'a>> {
    let value: Value = serde_json::from_str(body)?;
    let mut ask = match vendor {
        Vendor::Gemini => gemini_ask(&value),
        Vendor::Bedrock => bedrock_ask(&value),
        Vendor::Ollama | Vendor::Cohere => {
            let mut ask = openai::ask(body)?;
            ask.instructions
                .extend(owned(text(&value, &["system", "preamble"])));
            ask.prompts.extend(owned(text(&value, &["message"])));
            return Ok(ask);
        }
    };
    let system: Vec<&str> = ask.instructions.iter().map(AsRef::as_ref).collect();
    let tools = at(&value, &["tools", "toolConfig"]).map(Value::to_string);
    let parameters: Vec<&str> = ask.parameters.iter().map(|(_, value)| &**value).collect();
    ask.configuration = Some(configuration_digest(
        [&*system.join("\n"), tools.as_deref().unwrap_or_default()]
            .into_iter()
            .chain(parameters),
    ));
    Ok(ask)
}

fn parameters(value: &Value, places: &[&str]) -> Vec<(&'static str, Cow<'static, str>)> {
    let mut out = Vec::new();
    for (name, members) in [
        ("gen_ai.request.temperature", ["temperature", "temperature"]),
        ("gen_ai.request.top_p", ["topP", "top_p"]),
        ("gen_ai.request.seed", ["seed", "seed"]),
    ] {
        let found = places
            .iter()
            .filter_map(|place| at(value, &[*place]))
            .chain([value])
            .find_map(|config| text(config, &members));
        out.extend(found.map(|found| (name, Cow::Owned(found))));
    }
    out
}

/// Takes what the next request will repeat, and what this one repeats of earlier answers: their texts, and the marks of
/// the tools that they asked for.
fn remember(
    ask: &mut Ask<'static>,
    messages: &[Value],
    answers: &str,
    said: impl Fn(&Value) -> (String, Vec<String>),
) {
    let role = |message: &Value| text(message, &["role"]).unwrap_or_default();
    let answers_given = messages.iter().filter(|message| role(message) == answers);
    let mut conversation = Conversation::with_answers(answers_given.count());
    for message in messages {
        let role = role(message);
        if role == answers {
            conversation.answer(|| said(message));
        }
        conversation.message(&[&role, &message.to_string()]);
    }
    conversation.done(ask);
}

fn gemini_ask(value: &Value) -> Ask<'static> {
    // A name of Google's resources ends with the model's: `publishers/google/models/gemini-2.5-pro`.
    let model = text(value, &["model"]);
    let model = model.map(|name| match name.rsplit_once("models/") {
        Some((_, name)) => name.to_owned(),
        None => name,
    });
    let mut ask = Ask {
        model: owned(model),
        ..Ask::default()
    };
    let contents = list(value, &["contents"]);
    let role = |content: &Value| text(content, &["role"]).unwrap_or_default();
    let last = contents
        .iter()
        .rposition(|content| role(content) == "model");
    if last.is_none() {
        let places = ["systemInstruction.parts", "system_instruction.parts"];
        for part in list(value, &places) {
            ask.instructions.extend(owned(text(part, &["text"])));
        }
    }
    for content in &contents[last.map_or(0, |last| last + 1)..] {
        for part in list(content, &["parts"]) {
            if let Some(prompt) = text(part, &["text"]) {
                ask.prompts.push(Cow::Owned(prompt));
            } else if let Some(result) = at(part, &["functionResponse", "function_response"]) {
                ask.results.push(ToolResult {
                    call: owned(text(result, &["id"])),
                    tool: owned(text(result, &["name"])),
                    text: owned(text(result, &["response"])).unwrap_or_default(),
                    error: at(result, &["response.error"]).is_some(),
                });
            }
        }
    }
    remember(&mut ask, contents, "model", |content| {
        let (mut said, mut marks) = (String::new(), Vec::new());
        for part in list(content, &["parts"]) {
            if at(part, &["thought"]) != Some(&Value::Bool(true)) {
                said.push_str(&text(part, &["text"]).unwrap_or_default());
            }
            if let Some(call) = at(part, &["functionCall", "function_call"]) {
                marks.push(text(call, &["id", "name"]).unwrap_or_default());
            }
        }
        (said, marks)
    });
    ask.tools = list(value, &["tools"])
        .iter()
        .map(|tool| list(tool, &["functionDeclarations", "function_declarations"]).len())
        .sum();
    ask.parameters = parameters(value, &["generationConfig", "generation_config"]);
    ask
}

fn bedrock_ask(value: &Value) -> Ask<'static> {
    let mut ask = Ask::default();
    let messages = list(value, &["messages"]);
    let role = |message: &Value| text(message, &["role"]).unwrap_or_default();
    let last = messages
        .iter()
        .rposition(|message| role(message) == "assistant");
    if last.is_none() {
        for part in list(value, &["system"]) {
            ask.instructions.extend(owned(text(part, &["text"])));
        }
    }
    for message in &messages[last.map_or(0, |last| last + 1)..] {
        for part in list(message, &["content"]) {
            if let Some(prompt) = text(part, &["text"]) {
                ask.prompts.push(Cow::Owned(prompt));
            } else if let Some(result) = at(part, &["toolResult"]) {
                let texts: Vec<String> = list(result, &["content"])
                    .iter()
                    .filter_map(|content| text(content, &["text", "json"]))
                    .collect();
                ask.results.push(ToolResult {
                    call: owned(text(result, &["toolUseId"])),
                    tool: None,
                    text: Cow::Owned(texts.join("\n")),
                    error: text(result, &["status"]).as_deref() == Some("error"),
                });
            }
        }
    }
    if let Some(answer) = last {
        let parts = list(&messages[answer], &["content"]).iter();
        let calls = parts.filter_map(|part| at(part, &["toolUse"]));
        let calls = calls.map(|call| Repeated {
            id: owned(text(call, &["toolUseId"])),
            name: owned(text(call, &["name"])),
        });
        ToolResult::name(&mut ask.results, &calls.collect::<Vec<_>>());
    }
    remember(&mut ask, messages, "assistant", |message| {
        let parts = list(message, &["content"]);
        let said = parts.iter().filter_map(|part| text(part, &["text"]));
        let calls = parts.iter().filter_map(|part| at(part, &["toolUse"]));
        let mark = |call| text(call, &["toolUseId", "name"]).unwrap_or_default();
        (said.collect(), calls.map(mark).collect())
    });
    ask.prompts
        .extend(owned(text(value, &["inputText", "prompt"])));
    ask.tools = list(value, &["toolConfig.tools"]).len();
    ask.parameters = parameters(value, &["inferenceConfig", "textGenerationConfig"]);
    for (name, place) in [
        ("policy_id", "guardrailConfig.guardrailIdentifier"),
        ("policy_version", "guardrailConfig.guardrailVersion"),
    ] {
        if let Some(found) = text(value, &[place]) {
            ask.metadata.push((Cow::Borrowed(name), Cow::Owned(found)));
        }
    }
    ask
}
