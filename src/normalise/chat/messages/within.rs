//! Tools in messages as vendors and LangChain write them, wherever in a text they stand.

use serde_json::Value;

use super::{AskedTool, GivenResult, name};

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
/// Anthropic's `tool_use`, `function_call` items of Responses, `tool_call` parts.
#[must_use]
pub fn calls_within(json: &str) -> Vec<AskedTool> {
    let may_have = |name: &str| memchr::memmem::find(json.as_bytes(), name.as_bytes()).is_some();
    if json.len() > LONGEST || !(may_have("tool") || may_have("function_call")) {
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
            if matches!(kind, Some("tool_use" | "tool_call" | "function_call")) {
                take_call(value, calls);
                return;
            }
            for (name, member) in members {
                match (name.as_str(), member) {
                    ("tool_calls", Value::Array(items)) => {
                        items.iter().for_each(|item| take_call(item, calls));
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
    let Some(name) = inner.get("name").and_then(Value::as_str) else {
        return;
    };
    let id = first(value, &["call_id", "id"]).and_then(Value::as_str);
    let arguments = first(inner, &["arguments", "args", "input"]);
    let call = AskedTool {
        id: id.filter(|id| !id.is_empty()).map(str::to_owned),
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

/// The results that a request gives the model anew, in messages as vendors and LangChain write them.
#[must_use]
pub fn results_within(json: &str) -> Vec<GivenResult> {
    if json.len() > LONGEST || memchr::memmem::find(json.as_bytes(), b"tool").is_none() {
        return Vec::new();
    }
    let Ok(value) = serde_json::from_str::<Value>(json) else {
        return Vec::new();
    };
    let list = value.get("messages").unwrap_or(&value);
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
        .collect();
    let inner = |message: &'_ Value| -> Value {
        message
            .get("kwargs")
            .filter(|inner| inner.is_object())
            .unwrap_or(message)
            .clone()
    };
    let role = |message: &Value| {
        let role = first(message, &["role", "type"]).and_then(Value::as_str);
        role.map(str::to_owned).unwrap_or_default()
    };
    let messages: Vec<Value> = messages.into_iter().map(inner).collect();
    let is_answer = |message: &Value| matches!(role(message).as_str(), "assistant" | "ai");
    let new = messages
        .iter()
        .rposition(is_answer)
        .map_or(0, |last| last + 1);
    let mut results = Vec::new();
    for message in &messages[new..] {
        let content = message.get("content");
        if role(message) == "tool" {
            let text = |name: &str| Some(message.get(name)?.as_str()?.to_owned());
            results.push(GivenResult {
                id: text("tool_call_id"),
                tool: text("name"),
                text: content.map(text_in).unwrap_or_default(),
            });
            continue;
        }
        for part in content.and_then(Value::as_array).into_iter().flatten() {
            if part.get("type").and_then(Value::as_str) == Some("tool_result") {
                let id = part.get("tool_use_id").and_then(Value::as_str);
                results.push(GivenResult {
                    id: id.map(str::to_owned),
                    tool: None,
                    text: part.get("content").map(text_in).unwrap_or_default(),
                });
            }
        }
    }
    match new.checked_sub(1).map(|last| &messages[last]) {
        Some(answer) => name(results, &asked_within(answer)),
        None => results,
    }
}

/// The tools that an answer asks for, as vendors and LangChain write it.
fn asked_within(answer: &Value) -> Vec<AskedTool> {
    let list = |name: &str| answer.get(name).and_then(Value::as_array);
    let blocks = list("content").into_iter().flatten();
    let blocks = blocks.filter(|block| block.get("type") == Some(&Value::from("tool_use")));
    let calls = list("tool_calls").into_iter().flatten().chain(blocks);
    let asked = calls.filter_map(|call| {
        let name = first(call, &["name"]).or_else(|| call.get("function")?.get("name"))?;
        Some(AskedTool {
            id: Some(call.get("id")?.as_str()?.to_owned()),
            name: name.as_str()?.to_owned(),
            arguments: String::new(),
        })
    });
    asked.collect()
}
