//! Messages as OpenTelemetry's GenAI spans carry them (`gen_ai.input.messages`, `gen_ai.output.messages`; semantic
//! conventions for generative AI, JSON schemas of input and output messages): parts typed `text`, `tool_call`,
//! `tool_call_response`, `reasoning`. Writers that hand on the vendor's messages (`tool_calls`, `tool_call_id`) are
//! read as well, and the two conventions that spread calls over attributes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::text_of;
use crate::normalise::json::Text;

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Option<Text<'a>>,
    #[serde(borrow, default)]
    parts: Option<Vec<Part<'a>>>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_call_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    tool_calls: Option<Vec<Part<'a>>>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
    // `response` in the convention, `result` in its first version.
    #[serde(borrow, alias = "result")]
    response: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

/// A tool that the model asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct AskedTool {
    /// Id of the call.
    pub id: Option<String>,
    /// `gen_ai.tool.name`.
    pub name: String,
    /// Arguments, usually a JSON object.
    pub arguments: String,
}

/// What a tool gave back, as it was given to the model.
#[derive(Debug, PartialEq, Eq)]
pub struct GivenResult {
    /// Id of the call.
    pub id: Option<String>,
    /// The result.
    pub text: String,
}

fn owned(text: Option<Text<'_>>) -> Option<String> {
    text.and_then(Text::some).map(Cow::into_owned)
}

fn read(json: &str) -> Vec<Message<'_>> {
    let json = json.trim();
    if json.starts_with('[') {
        serde_json::from_str(json).unwrap_or_default()
    } else {
        Vec::new()
    }
}

/// The tools that the messages of an answer ask for.
#[must_use]
pub fn calls(json: &str) -> Vec<AskedTool> {
    if !json.contains("\"tool_call") {
        return Vec::new();
    }
    let mut calls = Vec::new();
    for message in read(json) {
        let parts = message.parts.into_iter().flatten();
        let parts = parts.filter(|part| part.kind.as_deref() == Some("tool_call"));
        for part in parts.chain(message.tool_calls.into_iter().flatten()) {
            let (name, arguments) = match part.function {
                Some(function) => (function.name, function.arguments),
                None => (part.name, part.arguments),
            };
            if let Some(name) = owned(name) {
                calls.push(AskedTool {
                    id: owned(part.id),
                    name,
                    arguments: arguments.map(text_of).unwrap_or_default().into_owned(),
                });
            }
        }
    }
    calls
}

/// The results that a request gives the model anew: those behind its last answer.
#[must_use]
pub fn results(json: &str) -> Vec<GivenResult> {
    if !json.contains("\"tool") {
        return Vec::new();
    }
    let messages = read(json);
    let is_answer = |message: &Message<'_>| message.role.as_deref() == Some("assistant");
    let new = messages
        .iter()
        .rposition(is_answer)
        .map_or(0, |last| last + 1);
    let mut results = Vec::new();
    for message in messages.into_iter().skip(new) {
        let is_tool = message.role.as_deref() == Some("tool");
        let before = results.len();
        for part in message.parts.into_iter().flatten() {
            if part.kind.as_deref() == Some("tool_call_response") {
                results.push(GivenResult {
                    id: owned(part.id),
                    text: part.response.map(text_of).unwrap_or_default().into_owned(),
                });
            }
        }
        if is_tool && results.len() == before {
            results.push(GivenResult {
                id: owned(message.tool_call_id),
                text: message
                    .content
                    .map(text_of)
                    .unwrap_or_default()
                    .into_owned(),
            });
        }
    }
    results
}

/// The tools of an answer whose calls are spread over attributes: `gen_ai.completion.0.tool_calls.0.name`
/// (OpenLLMetry), `llm.output_messages.0.message.tool_calls.0.tool_call.function.name` (OpenInference).
pub fn spread_calls<'t>(attributes: impl Iterator<Item = (&'t str, &'t str)>) -> Vec<AskedTool> {
    const CALLS: &str = ".tool_calls.";
    let mut found: BTreeMap<(&str, usize), [Option<&str>; 3]> = BTreeMap::new();
    for (name, value) in attributes {
        if !(name.starts_with("gen_ai.completion.") || name.starts_with("llm.output_messages.")) {
            continue;
        }
        let Some((message, call)) = name.split_once(CALLS) else {
            continue;
        };
        let Some((number, field)) = call.split_once('.') else {
            continue;
        };
        let field = field.strip_prefix("tool_call.").unwrap_or(field);
        let place = match field.strip_prefix("function.").unwrap_or(field) {
            "id" => 0,
            "name" => 1,
            "arguments" => 2,
            _ => continue,
        };
        if let Ok(number) = number.parse() {
            found.entry((message, number)).or_default()[place] = Some(value);
        }
    }
    found
        .into_values()
        .filter_map(|[id, name, arguments]| {
            Some(AskedTool {
                id: id.map(str::to_owned),
                name: name?.to_owned(),
                arguments: arguments.unwrap_or_default().to_owned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_both_forms() {
        let parts = r#"[{"role":"assistant","parts":[{"type":"text","content":"let me see"},
            {"type":"tool_call","id":"call_1","name":"get_invoice","arguments":{"id":"4711"}}]}]"#;
        let vendor = r#"[{"role":"assistant","tool_calls":[{"id":"call_1","type":"function",
            "function":{"name":"get_invoice","arguments":"{\"id\":\"4711\"}"}}]}]"#;
        for json in [parts, vendor] {
            let found = calls(json);
            assert_eq!(found.len(), 1, "{json}");
            assert_eq!(found[0].name, "get_invoice");
            assert_eq!(found[0].id.as_deref(), Some("call_1"));
            assert_eq!(found[0].arguments, r#"{"id":"4711"}"#);
        }
        assert!(calls("what is a \"tool_call\"?").is_empty());
        assert!(calls(r#"[{"role":"assistant","parts":[{"type":"text"}]}]"#).is_empty());
    }

    #[test]
    fn only_new_results_count() {
        let json = r#"[{"role":"tool","tool_call_id":"call_0","content":"old"},
            {"role":"assistant","parts":[{"type":"tool_call","id":"call_1","name":"f"}]},
            {"role":"tool","parts":[{"type":"tool_call_response","id":"call_1","response":{"n":1}}]},
            {"role":"tool","tool_call_id":"call_2","content":"plain"}]"#;
        let found = results(json);
        let texts: Vec<&str> = found.iter().map(|result| result.text.as_str()).collect();
        assert_eq!(texts, [r#"{"n":1}"#, "plain"]);
        assert_eq!(found[1].id.as_deref(), Some("call_2"));
    }

    #[test]
    fn calls_spread_over_attributes() {
        let attributes = [
            ("gen_ai.completion.0.tool_calls.0.name", "f"),
            ("gen_ai.completion.0.tool_calls.0.arguments", "{}"),
            ("gen_ai.completion.0.tool_calls.0.id", "call_9"),
            (
                "llm.output_messages.0.message.tool_calls.1.tool_call.function.name",
                "g",
            ),
            ("gen_ai.prompt.0.tool_calls.0.name", "asked before"),
        ];
        let found = spread_calls(attributes.into_iter());
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].name.as_str(), found[0].id.as_deref()),
            ("f", Some("call_9"))
        );
        assert_eq!(found[1].name, "g");
    }
}
