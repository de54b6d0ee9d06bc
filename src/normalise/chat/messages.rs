//! Messages as OpenTelemetry's GenAI spans carry them (`gen_ai.input.messages`, `gen_ai.output.messages`; semantic
//! conventions for generative AI, JSON schemas of input and output messages): parts typed `text`, `tool_call`,
//! `tool_call_response`, `reasoning`. Writers that hand on the vendor's messages (`tool_calls`, `tool_call_id`) are
//! read as well, and the two conventions that spread calls over attributes.

mod within;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

pub use within::{calls_within, results_within};

use super::text_of;
use crate::model::{ActorType, ContentPart, Event, KeyKind, Kind};
use crate::normalise::json::Text;
use crate::normalise::names::add_arguments;
use crate::normalise::{injection_signs, personal_kinds};

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
    id: Option<Value>,
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
    /// `gen_ai.tool.name`, where the messages repeat the call or name the tool.
    pub tool: Option<String>,
    /// The result.
    pub text: String,
}

fn owned(text: Option<Text<'_>>) -> Option<String> {
    text.and_then(Text::some).map(Cow::into_owned)
}

/// The id of a call that is written as text.
#[must_use]
pub fn call_id_of(text: &str) -> Option<String> {
    call_id(&Value::from(text))
}

/// The id of a call. Microsoft's agent framework writes a run and the call in it as a list, or as text of one.
fn call_id(id: &Value) -> Option<String> {
    match id {
        Value::String(text) if text.starts_with("[\"") => {
            let list = serde_json::from_str::<Vec<String>>(text).ok();
            Some(
                list.and_then(|mut list| list.pop())
                    .unwrap_or_else(|| text.clone()),
            )
        }
        Value::String(text) => (!text.is_empty()).then(|| text.clone()),
        Value::Array(list) => list.last().and_then(call_id),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
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
    read(json).into_iter().flat_map(asked).collect()
}

/// The tools that one message asks for.
fn asked(message: Message<'_>) -> Vec<AskedTool> {
    let parts = message.parts.into_iter().flatten();
    let parts = parts.filter(|part| part.kind.as_deref() == Some("tool_call"));
    let calls = parts.chain(message.tool_calls.into_iter().flatten());
    let asked = calls.filter_map(|part| {
        let (name, arguments) = match part.function {
            Some(function) => (function.name, function.arguments),
            None => (part.name, part.arguments),
        };
        Some(AskedTool {
            id: part.id.as_ref().and_then(call_id),
            name: owned(name)?,
            arguments: arguments.map(text_of).unwrap_or_default().into_owned(),
        })
    });
    asked.collect()
}

/// Names the tools of results by the calls of the answer before.
fn name(mut results: Vec<GivenResult>, calls: &[AskedTool]) -> Vec<GivenResult> {
    for result in results.iter_mut().filter(|result| result.tool.is_none()) {
        let is_call = |call: &&AskedTool| call.id.is_some() && call.id == result.id;
        result.tool = calls.iter().find(is_call).map(|call| call.name.clone());
    }
    results
}

/// The results that a request gives the model anew: those behind its last answer.
#[must_use]
pub fn results(json: &str) -> Vec<GivenResult> {
    if !json.contains("\"tool") {
        return Vec::new();
    }
    let mut messages = read(json);
    let is_answer = |message: &Message<'_>| message.role.as_deref() == Some("assistant");
    let new = messages
        .iter()
        .rposition(is_answer)
        .map_or(0, |last| last + 1);
    let answer = messages.drain(..new).next_back();
    let mut results = Vec::new();
    for message in messages {
        let is_tool = message.role.as_deref() == Some("tool");
        let before = results.len();
        for part in message.parts.into_iter().flatten() {
            if part.kind.as_deref() == Some("tool_call_response") {
                results.push(GivenResult {
                    id: part.id.as_ref().and_then(call_id),
                    tool: owned(part.name),
                    text: part.response.map(text_of).unwrap_or_default().into_owned(),
                });
            }
        }
        if is_tool && results.len() == before {
            results.push(GivenResult {
                id: owned(message.tool_call_id),
                tool: None,
                text: message
                    .content
                    .map(text_of)
                    .unwrap_or_default()
                    .into_owned(),
            });
        }
    }
    match (results.is_empty(), answer) {
        (false, Some(answer)) => name(results, &asked(answer)),
        _ => results,
    }
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

/// Adds an event of a model call with what its messages say: results that it was given before it, tools that
/// it asks for behind it, at the time of its answer.
pub fn push<'r>(
    event: Event<'r>,
    given: Vec<GivenResult>,
    asked: Vec<AskedTool>,
    out: &mut Vec<Event<'r>>,
) {
    let results = given.into_iter().map(|result| {
        let mut given = of_same_call(&event, Kind::ToolResult);
        given.action = Some(Cow::Borrowed("tool_result"));
        given.tool = result.tool.map(Cow::Owned);
        given.actor.kind = Some(ActorType::Service);
        given.key_opt(KeyKind::ToolCall, result.id);
        given.attr("personal_data", personal_kinds(&result.text));
        given.attr("injection_signs", injection_signs(&result.text));
        if !result.text.is_empty() {
            given
                .contents
                .push((ContentPart::Result, Cow::Owned(result.text)));
        }
        given
    });
    let results: Vec<Event<'r>> = results.collect();
    let calls = asked.into_iter().map(|call| {
        let mut asked = of_same_call(&event, Kind::ToolCall);
        // Its tools run when the model has answered.
        if let (Some(time), Some(end)) = (&mut asked.time, event.end_us) {
            time.us = end;
        }
        asked.action = Some(Cow::Owned(call.name.clone()));
        asked.tool = Some(Cow::Owned(call.name));
        asked.key_opt(KeyKind::ToolCall, call.id);
        add_arguments(&mut asked, &call.arguments);
        asked.attr("personal_data", personal_kinds(&call.arguments));
        if !call.arguments.is_empty() {
            asked
                .contents
                .push((ContentPart::Arguments, Cow::Owned(call.arguments)));
        }
        asked
    });
    let calls: Vec<Event<'r>> = calls.collect();
    out.extend(results);
    out.push(event);
    out.extend(calls);
}

/// An event of what a model call says beside it: with the ids of the call, and its actor.
fn of_same_call<'r>(call: &Event<'r>, kind: Kind) -> Event<'r> {
    let mut event = Event::new(kind);
    event.time = call.time;
    event.actor.id.clone_from(&call.actor.id);
    event.actor.kind = Some(ActorType::Agent);
    event
        .actor
        .on_behalf_of
        .clone_from(&call.actor.on_behalf_of);
    event.agent.clone_from(&call.agent);
    event.provider.clone_from(&call.provider);
    event.conversation.clone_from(&call.conversation);
    event.trace.clone_from(&call.trace);
    event.span.clone_from(&call.span);
    event.parent_span.clone_from(&call.parent_span);
    let shared = |kind: KeyKind| {
        matches!(
            kind,
            KeyKind::Trace
                | KeyKind::Conversation
                | KeyKind::Response
                | KeyKind::WorkflowRun
                | KeyKind::User
                | KeyKind::Clock
        )
    };
    let keys = call.keys.iter().filter(|(kind, _)| shared(*kind));
    event.keys.extend(keys.cloned());
    event
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
    fn calls_of_other_writers_are_found_where_they_stand() {
        for json in [
            // LangChain, dumped by LangSmith.
            r#"{"generations":[[{"message":{"kwargs":{"tool_calls":[{"name":"f","args":{"a":1},"id":"call_1",
                "type":"tool_call"}],"additional_kwargs":{"tool_calls":[{"id":"call_1","type":"function",
                "function":{"name":"f","arguments":"{\"a\":1}"}}]}}}}]]}"#,
            // Anthropic.
            r#"{"content":[{"type":"text","text":"so"},{"type":"tool_use","id":"call_1","name":"f","input":{"a":1}}]}"#,
            // OpenAI Responses.
            r#"[{"type":"function_call","call_id":"call_1","id":"fc_1","name":"f","arguments":"{\"a\":1}"}]"#,
        ] {
            let found = calls_within(json);
            assert_eq!(found.len(), 1, "{json}");
            assert_eq!(found[0].id.as_deref(), Some("call_1"));
            assert_eq!(found[0].arguments, r#"{"a":1}"#);
        }
        assert!(calls_within(r#"{"text":"use the tool"}"#).is_empty());
        assert!(calls_within("no JSON, but a tool").is_empty());
    }

    #[test]
    fn results_of_other_writers_are_found() {
        let smith = r#"{"messages":[[{"kwargs":{"type":"human","content":"go"}},
            {"kwargs":{"type":"ai","content":""}},
            {"kwargs":{"type":"tool","content":"42","tool_call_id":"call_1"}}]]}"#;
        let anthropic = r#"[{"role":"assistant","content":"x"},{"role":"user","content":[
            {"type":"tool_result","tool_use_id":"call_1","content":"42"}]}]"#;
        for json in [smith, anthropic] {
            let found = results_within(json);
            assert_eq!(found.len(), 1, "{json}");
            assert_eq!(
                (found[0].id.as_deref(), found[0].text.as_str()),
                (Some("call_1"), "42")
            );
        }
    }

    #[test]
    fn results_of_gemini_responses_and_open_telemetry_are_found_and_named() {
        let gemini = r#"{"model":"gemini","contents":[{"role":"user","parts":[{"text":"hi"}]},
            {"role":"model","parts":[{"function_call":{"name":"f","args":{"a":1}}}]},
            {"role":"user","parts":[{"function_response":{"name":"f","response":"42"}}]}]}"#;
        let responses = r#"[{"role":"user","content":"go"},{"type":"function_call","call_id":"call_0","name":"g","arguments":"{}"},
            {"type":"function_call","call_id":"call_1","name":"f","arguments":"{}"},
            {"type":"function_call_output","call_id":"call_1","output":"42"}]"#;
        let parts = r#"[{"role":"assistant","parts":[{"type":"tool_call","id":["run_1","call_1"],"name":"f"}]},
            {"role":"user","parts":[{"type":"tool_call_response","id":["run_1","call_1"],"result":"42"}]}]"#;
        for json in [gemini, responses, parts] {
            let found = results_within(json);
            assert_eq!(found.len(), 1, "{json}");
            assert_eq!(
                (found[0].tool.as_deref(), found[0].text.as_str()),
                (Some("f"), "42")
            );
            if json != gemini {
                assert_eq!(found[0].id.as_deref(), Some("call_1"));
            }
        }
        let answer = r#"{"content":{"role":"model","parts":[{"function_call":{"name":"f","args":{"a":1}}}]}}"#;
        let found = calls_within(answer);
        assert_eq!(found[0].arguments, r#"{"a":1}"#);
    }

    #[test]
    fn what_tools_there_are_is_no_result_of_one() {
        let json = r#"[{"role":"user","content":"go"},{"role":"tool","content":{"type":"function","function":
            {"name":"f","description":"does it","parameters":{}}}},{"role":"tool","content":"42","tool_call_id":"call_1"}]"#;
        let found = results_within(json);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].text, "42");
    }

    #[test]
    fn the_call_in_a_run_is_the_one_that_counts() {
        let json = r#"[{"role":"assistant","parts":[{"type":"tool_call","id":"[\"run_1\", \"call_1\"]","name":"f"}]}]"#;
        assert_eq!(calls(json)[0].id.as_deref(), Some("call_1"));
        assert_eq!(calls_within(json)[0].id.as_deref(), Some("call_1"));
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
