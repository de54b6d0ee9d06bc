//! Bodies of the vendors whose forms are less often met: Google Gemini and Vertex AI
//! (`generateContent`), Ollama (`/api/chat`, `/api/generate`), Cohere (v1 and v2), and AWS Bedrock's
//! own forms (Converse, Nova, Titan, Llama, Mistral text). Names come in snake and in camel case.

mod asks;

pub use asks::ask;

use std::borrow::Cow;

use serde_json::Value;

use super::{Answer, Retrieval, ToolCall, sse_data};

/// Which of these forms a body is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    /// Google Gemini API and Vertex AI.
    Gemini,
    /// Ollama.
    Ollama,
    /// Cohere.
    Cohere,
    /// AWS Bedrock: Converse and the providers that have no form of their own elsewhere.
    Bedrock,
}

/// The JSON values of a body: one, the lines or events of a stream, or the elements of a list.
fn pieces(text: &str) -> Vec<Value> {
    let text = text.trim_start();
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        return match value {
            Value::Array(list) => list,
            value => vec![value],
        };
    }
    let parse = |text: &str| serde_json::from_str(text).ok();
    if text.starts_with("data:") || text.starts_with("event:") {
        return sse_data(text).filter_map(parse).collect();
    }
    text.lines().filter_map(parse).collect()
}

/// The first of these members that is there; a dot goes one deeper.
fn at<'v>(value: &'v Value, names: &[&str]) -> Option<&'v Value> {
    names.iter().find_map(|name| {
        name.split('.')
            .try_fold(value, |value, step| match step.parse::<usize>() {
                Ok(number) => value.get(number),
                Err(_) => value.get(step),
            })
            .filter(|value| !value.is_null())
    })
}

fn text(value: &Value, names: &[&str]) -> Option<String> {
    let found = match at(value, names)? {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    (!found.is_empty()).then_some(found)
}

fn list<'v>(value: &'v Value, names: &[&str]) -> &'v [Value] {
    at(value, names)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn owned(value: Option<String>) -> Option<Cow<'static, str>> {
    value.map(Cow::Owned)
}

/// The form of an answer.
#[must_use]
pub fn of_response(body: &str) -> Option<Vendor> {
    let pieces = pieces(body);
    let first = pieces.first()?;
    let has = |names: &[&str]| at(first, names).is_some();
    if has(&[
        "candidates",
        "promptFeedback",
        "usageMetadata",
        "usage_metadata",
    ]) {
        Some(Vendor::Gemini)
    } else if has(&["done"]) && has(&["model"]) && has(&["message", "response"]) {
        Some(Vendor::Ollama)
    } else if has(&[
        "generations.0.text",
        "generation_id",
        "meta.billed_units",
        "usage.billed_units",
    ]) {
        Some(Vendor::Cohere)
    } else if has(&[
        "output.message",
        "results.0.outputText",
        "outputText",
        "generation",
        "outputs.0.text",
        "messageStart",
        "contentBlockDelta",
    ]) {
        Some(Vendor::Bedrock)
    } else {
        None
    }
}

/// The form of a request.
#[must_use]
pub fn of_request(body: &str, url: &str) -> Option<Vendor> {
    if url.contains("/api/chat") || url.contains("/api/generate") {
        return Some(Vendor::Ollama);
    }
    let value: Value = serde_json::from_str(body).ok()?;
    let has = |names: &[&str]| at(&value, names).is_some();
    if has(&["contents.0.parts"]) {
        Some(Vendor::Gemini)
    } else if url.contains("cohere.") && !url.contains("/embed") {
        Some(Vendor::Cohere)
    } else if has(&["inputText", "inferenceConfig", "messages.0.content.0.text"])
        && !has(&["model"])
        || url.contains("bedrock-runtime") && has(&["prompt"])
    {
        Some(Vendor::Bedrock)
    } else {
        None
    }
}

/// Model named in a request's address: `/models/NAME:method`, `/model/NAME/method`.
#[must_use]
pub fn model_of_url(url: &str) -> Option<String> {
    let (_, rest) = url
        .split_once("/models/")
        .or_else(|| url.split_once("/model/"))?;
    let name = rest.split(['/', '?', '#']).next()?;
    let name = crate::normalise::http::decode(name);
    let name = match name.rsplit_once(':') {
        // A method stands behind the colon; a version of a Bedrock model is a number.
        Some((name, method)) if method.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            name.to_owned()
        }
        _ => name,
    };
    (!name.is_empty()).then_some(name)
}

/// Reads an answer, whole or streamed; nothing is an error: what is there is taken.
#[must_use]
pub fn answer(vendor: Vendor, body: &str) -> Answer<'static> {
    let mut answer = Answer::default();
    for piece in pieces(body) {
        match vendor {
            Vendor::Gemini => gemini_piece(&piece, &mut answer),
            Vendor::Ollama => ollama_piece(&piece, &mut answer),
            Vendor::Cohere => cohere_piece(&piece, &mut answer),
            Vendor::Bedrock => bedrock_piece(&piece, &mut answer),
        }
        if let Some(error) = text(&piece, &["error.message", "error"]) {
            answer.error.get_or_insert(error);
        }
    }
    answer
}

fn take(place: &mut Option<Cow<'static, str>>, found: Option<String>) {
    if let Some(found) = found {
        *place = Some(Cow::Owned(found));
    }
}

fn number(value: &Value, names: &[&str]) -> Option<i64> {
    at(value, names).and_then(Value::as_i64)
}

fn tokens(answer: &mut Answer<'static>, value: &Value, into: &[&str], out: &[&str]) {
    answer.tokens_in = number(value, into).or(answer.tokens_in);
    answer.tokens_out = number(value, out).or(answer.tokens_out);
}

fn gemini_piece(piece: &Value, answer: &mut Answer<'static>) {
    take(&mut answer.id, text(piece, &["responseId", "response_id"]));
    take(
        &mut answer.model,
        text(piece, &["modelVersion", "model_version"]),
    );
    tokens(
        answer,
        piece,
        &[
            "usageMetadata.promptTokenCount",
            "usage_metadata.prompt_token_count",
        ],
        &[
            "usageMetadata.candidatesTokenCount",
            "usage_metadata.candidates_token_count",
        ],
    );
    if let Some(reason) = text(
        piece,
        &["promptFeedback.blockReason", "prompt_feedback.block_reason"],
    ) {
        answer.filtered = true;
        take(&mut answer.finish, Some(reason));
    }
    for candidate in list(piece, &["candidates"]) {
        if let Some(finish) = text(candidate, &["finishReason", "finish_reason"]) {
            const STOPPED: &[&str] = &[
                "SAFETY",
                "PROHIBITED_CONTENT",
                "BLOCKLIST",
                "SPII",
                "RECITATION",
                "IMAGE_SAFETY",
            ];
            answer.filtered |= STOPPED.contains(&&*finish);
            take(&mut answer.finish, Some(finish));
        }
        for part in list(candidate, &["content.parts"]) {
            let thought = at(part, &["thought"]) == Some(&Value::Bool(true));
            if let Some(found) = text(part, &["text"]) {
                let place = if thought {
                    &mut answer.reasoning
                } else {
                    &mut answer.text
                };
                place.push_str(&found);
            }
            if let Some(call) = at(part, &["functionCall", "function_call"]) {
                answer.calls.push(ToolCall {
                    id: owned(text(call, &["id"])),
                    name: owned(text(call, &["name"])),
                    arguments: owned(text(call, &["args"])).unwrap_or_default(),
                    ..ToolCall::default()
                });
            }
        }
        let chunks = [
            "groundingMetadata.groundingChunks",
            "grounding_metadata.grounding_chunks",
        ];
        let sources: Vec<Cow<'static, str>> = list(candidate, &chunks)
            .iter()
            .filter_map(|chunk| {
                let places = ["retrievedContext.uri", "retrieved_context.uri", "web.uri"];
                owned(text(chunk, &places))
            })
            .collect();
        found(answer, sources);
    }
}

fn ollama_piece(piece: &Value, answer: &mut Answer<'static>) {
    take(&mut answer.model, text(piece, &["model"]));
    take(&mut answer.finish, text(piece, &["done_reason"]));
    tokens(answer, piece, &["prompt_eval_count"], &["eval_count"]);
    if let Some(found) = text(piece, &["message.content", "response"]) {
        answer.text.push_str(&found);
    }
    if let Some(found) = text(piece, &["message.thinking", "thinking"]) {
        answer.reasoning.push_str(&found);
    }
    calls(list(piece, &["message.tool_calls"]), answer);
    // A whole answer of an older server names no reason.
    if at(piece, &["done"]) == Some(&Value::Bool(true)) && answer.finish.is_none() {
        answer.finish = Some(Cow::Borrowed("stop"));
    }
}

/// Knowledge that the vendor fetched, where there was any.
fn found(answer: &mut Answer<'static>, sources: Vec<Cow<'static, str>>) {
    if !sources.is_empty() {
        answer.retrievals.push(Retrieval {
            id: None,
            sources,
            query: None,
        });
    }
}

fn calls(calls: &[Value], answer: &mut Answer<'static>) {
    for call in calls {
        answer.calls.push(ToolCall {
            id: owned(text(call, &["id"])),
            name: owned(text(call, &["function.name", "name"])),
            arguments: owned(text(call, &["function.arguments", "parameters"])).unwrap_or_default(),
            ..ToolCall::default()
        });
    }
}

fn cohere_piece(piece: &Value, answer: &mut Answer<'static>) {
    take(
        &mut answer.id,
        text(piece, &["id", "generation_id", "response_id"]),
    );
    take(
        &mut answer.finish,
        text(piece, &["finish_reason", "generations.0.finish_reason"]),
    );
    tokens(
        answer,
        piece,
        &[
            "meta.billed_units.input_tokens",
            "usage.billed_units.input_tokens",
        ],
        &[
            "meta.billed_units.output_tokens",
            "usage.billed_units.output_tokens",
        ],
    );
    for generation in list(piece, &["generations", "message.content"]) {
        if let Some(found) = text(generation, &["text"]) {
            answer.text.push_str(&found);
        }
    }
    if let Some(found) = text(piece, &["text"]) {
        answer.text.push_str(&found);
    }
    calls(list(piece, &["message.tool_calls", "tool_calls"]), answer);
    let sources: Vec<Cow<'static, str>> = list(piece, &["documents"])
        .iter()
        .filter_map(|document| owned(text(document, &["url", "id", "title"])))
        .collect();
    found(answer, sources);
}

fn bedrock_piece(piece: &Value, answer: &mut Answer<'static>) {
    let finish = [
        "stopReason",
        "messageStop.stopReason",
        "stop_reason",
        "completionReason",
        "results.0.completionReason",
        "outputs.0.stop_reason",
    ];
    if let Some(finish) = text(piece, &finish) {
        answer.filtered |= finish == "guardrail_intervened" || finish == "content_filtered";
        take(&mut answer.finish, Some(finish));
    }
    let action = text(piece, &["amazon-bedrock-guardrailAction"]);
    answer.filtered |= action.as_deref() == Some("INTERVENED");
    tokens(
        answer,
        piece,
        &[
            "usage.inputTokens",
            "metadata.usage.inputTokens",
            "inputTextTokenCount",
            "prompt_token_count",
        ],
        &[
            "usage.outputTokens",
            "metadata.usage.outputTokens",
            "results.0.tokenCount",
            "generation_token_count",
        ],
    );
    for part in list(piece, &["output.message.content"]) {
        if let Some(found) = text(part, &["text"]) {
            answer.text.push_str(&found);
        }
        if let Some(found) = text(part, &["reasoningContent.reasoningText.text"]) {
            answer.reasoning.push_str(&found);
        }
        if let Some(call) = at(part, &["toolUse"]) {
            answer.calls.push(ToolCall {
                id: owned(text(call, &["toolUseId"])),
                name: owned(text(call, &["name"])),
                arguments: owned(text(call, &["input"])).unwrap_or_default(),
                ..ToolCall::default()
            });
        }
    }
    let plain = [
        "results.0.outputText",
        "outputText",
        "generation",
        "outputs.0.text",
        "contentBlockDelta.delta.text",
    ];
    if let Some(found) = text(piece, &plain) {
        answer.text.push_str(&found);
    }
    if let Some(start) = at(piece, &["contentBlockStart.start.toolUse"]) {
        answer.calls.push(ToolCall {
            id: owned(text(start, &["toolUseId"])),
            name: owned(text(start, &["name"])),
            ..ToolCall::default()
        });
    }
    if let Some(more) = text(piece, &["contentBlockDelta.delta.toolUse.input"])
        && let Some(call) = answer.calls.last_mut()
    {
        call.arguments.to_mut().push_str(&more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gemini() {
        let body = r#"{"candidates":[{"content":{"parts":[{"text":"Hm","thought":true},{"text":"Yes"},
            {"functionCall":{"name":"f","args":{"invoice":"4711"}}}]},"finishReason":"STOP",
            "groundingMetadata":{"groundingChunks":[{"retrievedContext":{"uri":"kb://1"}}]}}],
            "modelVersion":"gemini-x","responseId":"r1","usageMetadata":{"promptTokenCount":3}}"#;
        assert_eq!(of_response(body), Some(Vendor::Gemini));
        let answer = answer(Vendor::Gemini, body);
        assert_eq!((&*answer.text, &*answer.reasoning), ("Yes", "Hm"));
        assert_eq!(answer.calls[0].arguments, r#"{"invoice":"4711"}"#);
        assert_eq!(answer.retrievals[0].sources, ["kb://1"]);
        assert_eq!(answer.tokens_in, Some(3));
        let url = "https://x/v1beta/models/gemini-2.5-flash:generateContent";
        assert_eq!(model_of_url(url).as_deref(), Some("gemini-2.5-flash"));
        let url = "https://x/model/amazon.nova-lite-v1%3A0/converse";
        assert_eq!(model_of_url(url).as_deref(), Some("amazon.nova-lite-v1:0"));
    }

    #[test]
    fn a_stream_of_ollama() {
        let body = "{\"model\":\"m\",\"message\":{\"content\":\"He\"},\"done\":false}\n\
            {\"model\":\"m\",\"message\":{\"content\":\"y\"},\"done\":true,\"eval_count\":2}";
        assert_eq!(of_response(body), Some(Vendor::Ollama));
        let answer = answer(Vendor::Ollama, body);
        assert_eq!((&*answer.text, answer.tokens_out), ("Hey", Some(2)));
    }

    #[test]
    fn a_guardrail_of_bedrock() {
        let body = r#"{"output":{"message":{"content":[{"text":"no"}]}},"stopReason":"guardrail_intervened"}"#;
        assert!(answer(Vendor::Bedrock, body).filtered);
        let ask = ask(
            Vendor::Bedrock,
            r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}],
                "guardrailConfig":{"guardrailIdentifier":"g1","guardrailVersion":"2"}}"#,
        )
        .unwrap();
        assert_eq!(ask.prompts, ["hi"]);
        assert_eq!(ask.metadata[1].1, "2");
    }
}
