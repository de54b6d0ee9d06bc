//! Tools in messages as vendors and LangChain write them, wherever in a text they stand.

use serde_json::Value;

use super::{AskedTool, GivenResult, call_id, name};

/// Depth to which messages are looked for.
const DEEPEST: usize = 16;
/// Longest text that is looked through.
const LONGEST: usize = 8 << 20;

fn text_in(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn first<'v>(value: &'v Value, names: &[&str]) -> Option<&'v Value> {
    names.iter().find_map(|name| value.get(name))
}

/// The tools that an answer asks for, wherever in it they stand: OpenAI's and LangChain's `tool_calls`,
/// Anthropic's `tool_use`, `function_call` items of Responses, `tool_call` parts, Gemini's `functionCall`, Vercel's
/// `tool-call`, `toolUse` of Amazon's Converse.
#[must_use]
pub fn calls_within(json: &str) -> Vec<AskedTool> {
    let may_have = |name: &str| memchr::memmem::find(json.as_bytes(), name.as_bytes()).is_some();
    if json.len() > LONGEST || !(may_have("tool") || may_have("function")) {
        return Vec::new();
    }
    let mut calls = Vec::new();
    if let Ok(value) = serde_json::from_str::<Value>(json) {
        walk_calls(&value, 0, &mut calls);
    }
    calls
}

fn walk_calls(value: &Value, depth: usize, calls: &mut Vec<AskedTool>) {
    if depth > DEEPEST {
        return;
    }
    match value {
        Value::Array(items) => items
            .iter()
            .for_each(|item| walk_calls(item, depth + 1, calls)),
        Value::Object(members) => {
            let kind = value.get("type").and_then(Value::as_str);
            let of_vercel = value.get("toolName").is_some()
                && (value.get("args").is_some() || value.get("input").is_some());
            if matches!(kind, Some("tool_use" | "tool_call" | "function_call")) || of_vercel {
                take_call(value, calls);
                return;
            }
            for (name, member) in members {
                match (name.as_str(), member) {
                    ("tool_calls", Value::Array(items)) => {
                        items.iter().for_each(|item| take_call(item, calls));
                    }
                    ("functionCall" | "function_call" | "toolUse", Value::Object(_)) => {
                        take_call(member, calls);
                    }
                    _ => walk_calls(member, depth + 1, calls),
                }
            }
        }
        _ => {}
    }
}

fn take_call(value: &Value, calls: &mut Vec<AskedTool>) {
    let inner = value
        .get("function")
        .filter(|inner| inner.is_object())
        .unwrap_or(value);
    let Some(name) = first(inner, &["name", "toolName"]).and_then(Value::as_str) else {
        return;
    };
    let id = first(value, &["call_id", "toolCallId", "toolUseId", "id"]).and_then(call_id);
    let arguments = first(inner, &["arguments", "args", "input"]);
    let call = AskedTool {
        id,
        name: name.to_owned(),
        arguments: arguments.map(text_in).unwrap_or_default(),
    };
    // LangChain writes a call twice: as its own, and as the vendor wrote it.
    let twice = calls.iter().any(|other| match (&other.id, &call.id) {
        (Some(other), Some(id)) => other == id,
        _ => *other == call,
    });
    if !twice {
        calls.push(call);
    }
}

/// The results that a request gives the model anew, in messages as vendors and LangChain write them, items of
/// Responses, contents of Gemini, parts of OpenTelemetry and of Amazon's Converse.
#[must_use]
pub fn results_within(json: &str) -> Vec<GivenResult> {
    let may_have = |name: &[u8]| memchr::memmem::find(json.as_bytes(), name).is_some();
    if json.len() > LONGEST || !(may_have(b"tool") || may_have(b"unction")) {
        return Vec::new();
    }
    let Ok(value) = serde_json::from_str::<Value>(json) else {
        return Vec::new();
    };
    let list = first(&value, &["messages", "contents", "input"]).unwrap_or(&value);
    let Value::Array(messages) = list else {
        return Vec::new();
    };
    // LangSmith puts the messages of each prompt into a list of their own.
    let messages: Vec<&Value> = messages
        .iter()
        .flat_map(|message| match message {
            Value::Array(inner) => inner.iter().collect(),
            other => vec![other],
        })
        .map(|message| {
            let inner = message.get("kwargs").filter(|inner| inner.is_object());
            inner.unwrap_or(message)
        })
        .collect();
    let new = messages
        .iter()
        .rposition(|message| is_answer(message))
        .map_or(0, |last| last + 1);
    let mut results = Vec::new();
    for message in &messages[new..] {
        take_results(message, &mut results);
    }
    // In Responses each call is an item of its own.
    let answer = messages[..new].iter().rev();
    let answer = answer.take_while(|message| is_answer(message));
    let asked: Vec<AskedTool> = answer.flat_map(|answer| calls_of(answer)).collect();
    name(results, &asked)
}

fn role(message: &Value) -> &str {
    first(message, &["role", "type"])
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn is_answer(message: &Value) -> bool {
    matches!(
        role(message),
        "assistant" | "ai" | "AIMessageChunk" | "model" | "function_call" | "reasoning"
    )
}

fn calls_of(answer: &Value) -> Vec<AskedTool> {
    let mut calls = Vec::new();
    walk_calls(answer, 0, &mut calls);
    calls
}

/// The results in a message: it is one, or has some among its parts.
fn take_results(message: &Value, results: &mut Vec<GivenResult>) {
    let id_of = |value: &Value, names: &[&str]| first(value, names).and_then(call_id);
    let name_of = |value: &Value| Some(value.get("name")?.as_str()?.to_owned());
    let text_of =
        |value: &Value, names: &[&str]| first(value, names).map(text_in).unwrap_or_default();
    if role(message) == "function_call_output" {
        results.push(GivenResult {
            id: id_of(message, &["call_id"]),
            tool: None,
            text: text_of(message, &["output"]),
        });
        return;
    }
    let before = results.len();
    let list = |name: &str| message.get(name).and_then(Value::as_array);
    let parts = list("content").into_iter().chain(list("parts")).flatten();
    for part in parts {
        match part.get("type").and_then(Value::as_str) {
            Some("tool_result") => results.push(GivenResult {
                id: id_of(part, &["tool_use_id"]),
                tool: None,
                text: text_of(part, &["content"]),
            }),
            Some("tool-result") => results.push(GivenResult {
                id: id_of(part, &["toolCallId"]),
                tool: part
                    .get("toolName")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
                text: text_of(part, &["output", "result"]),
            }),
            Some("tool_call_response") => results.push(GivenResult {
                id: id_of(part, &["id"]),
                tool: name_of(part),
                text: text_of(part, &["response", "result"]),
            }),
            _ => {
                if let Some(given) = first(part, &["functionResponse", "function_response"]) {
                    results.push(GivenResult {
                        id: id_of(given, &["id"]),
                        tool: name_of(given),
                        text: text_of(given, &["response"]),
                    });
                } else if let Some(given) = part.get("toolResult") {
                    results.push(GivenResult {
                        id: id_of(given, &["toolUseId"]),
                        tool: None,
                        text: text_of(given, &["content"]),
                    });
                }
            }
        }
    }
    // Langfuse's handler for LangChain puts what tools there are among the messages, under the same role.
    let is_definition = message.pointer("/content/function/name").is_some();
    if results.len() == before && matches!(role(message), "tool" | "function") && !is_definition {
        results.push(GivenResult {
            id: id_of(message, &["tool_call_id"]),
            tool: name_of(message),
            text: text_of(message, &["content"]),
        });
    }
}
