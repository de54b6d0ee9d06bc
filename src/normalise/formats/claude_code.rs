//! Claude Code transcripts: JSONL, a file a session.
//!
//! - Vendor document: none; the shape is known from transcripts (format catalogue, AI side).
//! - Detection: lines with `type`, `sessionId` and `uuid` or `timestamp`.
//! - Time: `timestamp`, RFC 3339.
//! - Ids: session, message id, request id, tool-use ids; `uuid` and `parentUuid` form a tree.
//! - Not mapped: `file-history-snapshot` and other housekeeping lines, kept as kind `other`.
//!
//! One answer of the model may stand on several lines with the same message id; each repeats the
//! usage, so tokens are taken from the line that closes it (`stop_reason`), or else from the last.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::ContentPart;
use crate::model::{ActorType, Event, KeyKind, Kind, Outcome};
use crate::normalise::chat::{Answer, Ask, anthropic};
use crate::normalise::json::Text;
use crate::normalise::names::{add_arguments, add_mentions};
use crate::normalise::{Detection, Format, Gathered, MapError, Record, Sample, personal_kinds};

/// Claude Code transcripts.
pub struct ClaudeCode;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    subtype: Option<Text<'a>>,
    #[serde(borrow)]
    uuid: Option<Text<'a>>,
    #[serde(borrow)]
    parent_uuid: Option<Text<'a>>,
    #[serde(borrow)]
    session_id: Option<Text<'a>>,
    #[serde(borrow)]
    timestamp: Option<Text<'a>>,
    #[serde(borrow)]
    cwd: Option<Text<'a>>,
    #[serde(borrow)]
    version: Option<Text<'a>>,
    #[serde(borrow)]
    git_branch: Option<Text<'a>>,
    #[serde(borrow)]
    request_id: Option<Text<'a>>,
    #[serde(borrow)]
    permission_mode: Option<Text<'a>>,
    #[serde(borrow)]
    agent_id: Option<Text<'a>>,
    #[serde(default)]
    is_meta: Option<bool>,
    #[serde(default)]
    is_sidechain: Option<bool>,
    #[serde(default)]
    is_compact_summary: Option<bool>,
    message: Option<&'a RawValue>,
    tool_use_result: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

impl Format for ClaudeCode {
    fn name(&self) -> &'static str {
        "claude_code"
    }

    fn title(&self) -> &'static str {
        "Claude Code transcripts"
    }

    fn family(&self) -> &'static str {
        "claude_code"
    }

    fn detect(&self, sample: &Sample<'_>) -> Option<Detection> {
        let share = sample.percent(|value| {
            value.get("type").is_some()
                && value.get("sessionId").is_some()
                && (value.get("uuid").is_some() || value.get("timestamp").is_some())
        });
        let any = sample.values.iter().any(|value| {
            matches!(
                value.get("type").and_then(|kind| kind.as_str()),
                Some("user" | "assistant")
            )
        });
        Detection::of(
            if any && share >= 30 { 95 } else { 0 },
            format!(
                "{share} % of the lines have type and sessionId, some are user or assistant turns"
            ),
        )
    }

    /// One answer may stand on several lines, each with its usage: that of the line that closes it counts, or
    /// where none says so that of the last one.
    fn gather(&self, texts: &mut dyn Iterator<Item = &str>) -> Gathered {
        #[derive(Deserialize)]
        struct Part<'a> {
            #[serde(borrow)]
            uuid: Option<Text<'a>>,
            #[serde(borrow)]
            message: Option<PartMessage<'a>>,
        }
        #[derive(Deserialize)]
        struct PartMessage<'a> {
            #[serde(borrow)]
            id: Option<Text<'a>>,
            #[serde(borrow)]
            stop_reason: Option<Text<'a>>,
        }
        let mut counts: HashMap<String, (bool, String)> = HashMap::new();
        for text in texts.filter(|text| text.contains("\"usage\"")) {
            let Ok(part) = serde_json::from_str::<Part<'_>>(text) else {
                continue;
            };
            let id = part.message.as_ref().and_then(|message| message.id.clone());
            if let (Some(uuid), Some(message), Some(id)) = (part.uuid, part.message, id) {
                let closes = message.stop_reason.and_then(Text::some).is_some();
                let known = counts.get(&*id).is_some_and(|(closed, _)| *closed);
                if closes || !known {
                    counts.insert(id.0.into_owned(), (closes, uuid.0.into_owned()));
                }
            }
        }
        counts
            .into_iter()
            .map(|(id, (_, uuid))| (id, uuid))
            .collect()
    }

    fn map<'r>(&self, record: &Record<'r>, out: &mut Vec<Event<'r>>) -> Result<(), MapError> {
        let line: Line<'r> = record.json()?;
        let template = template(record, &line)?;
        let json_error = |error: serde_json::Error| MapError::Json(error.to_string());
        match (line.kind.as_deref(), line.message) {
            (Some("user"), Some(message)) => {
                let message: Message<'r> =
                    serde_json::from_str(message.get()).map_err(json_error)?;
                let mut ask = Ask::default();
                if let Some(content) = message.content {
                    anthropic::take_user_content(&mut ask, content).map_err(json_error)?;
                }
                user_events(&line, &template, ask, out);
            }
            (Some("assistant"), Some(message)) => {
                let mut answer = anthropic::answer(message.get()).map_err(json_error)?;
                let counts = answer.id.as_deref().and_then(|id| record.gathered(id));
                if counts.is_some_and(|uuid| line.uuid.as_deref() != Some(uuid)) {
                    (answer.tokens_in, answer.tokens_out) = (None, None);
                }
                assistant_events(&template, answer, out);
            }
            (kind, _) => {
                let mut event = template;
                let action = line
                    .subtype
                    .as_deref()
                    .or(kind)
                    .unwrap_or("line")
                    .to_owned();
                if kind == Some("permission-mode") {
                    event.kind = Kind::Configuration;
                }
                event.action = Some(Cow::Owned(action));
                out.push(event);
            }
        }
        Ok(())
    }
}

fn template<'r>(record: &Record<'r>, line: &Line<'r>) -> Result<Event<'r>, MapError> {
    let text = |value: &Option<Text<'r>>| value.clone().and_then(Text::some);
    let mut event = Event::new(Kind::Other);
    if let Some(timestamp) = text(&line.timestamp) {
        event.time = Some(record.utc(&timestamp)?);
    }
    event.conversation = text(&line.session_id);
    event.key_opt(KeyKind::Conversation, text(&line.session_id));
    event.key_opt(KeyKind::Request, text(&line.request_id));
    event.agent = text(&line.agent_id).or(Some(Cow::Borrowed("claude-code")));
    event.span = text(&line.uuid);
    event.parent_span = text(&line.parent_uuid);
    event.attr_opt("process.working_directory", text(&line.cwd));
    event.attr_opt("service.version", text(&line.version));
    event.attr_opt("vcs.ref.head.name", text(&line.git_branch));
    if let Some(mode) = text(&line.permission_mode) {
        event.attr("permission_mode", mode);
    }
    if line.is_sidechain == Some(true) {
        event.attr("sidechain", "true");
    }
    Ok(event)
}

fn user_events<'r>(line: &Line<'r>, template: &Event<'r>, ask: Ask<'r>, out: &mut Vec<Event<'r>>) {
    let by_tool = line.is_meta == Some(true) || line.is_compact_summary == Some(true);
    for text in ask.prompts {
        let mut event = template.clone();
        event.kind = if by_tool {
            Kind::Instruction
        } else {
            Kind::Request
        };
        event.actor.kind = Some(if by_tool {
            ActorType::Service
        } else {
            ActorType::Human
        });
        event.action = Some(Cow::Borrowed("prompt"));
        add_mentions(&mut event, &text);
        event.attr("personal_data", personal_kinds(&text));
        let part = if by_tool {
            ContentPart::Instruction
        } else {
            ContentPart::Prompt
        };
        event.contents.push((part, text));
        out.push(event);
    }
    for result in ask.results {
        let mut event = template.clone();
        event.kind = Kind::ToolResult;
        event.actor.kind = Some(ActorType::Service);
        event.action = Some(Cow::Borrowed("tool_result"));
        event.outcome = Some(if result.error {
            Outcome::Error
        } else {
            Outcome::Ok
        });
        event.key_opt(KeyKind::ToolCall, result.call);
        event.attr("personal_data", personal_kinds(&result.text));
        event.contents.push((ContentPart::Result, result.text));
        if let Some(done) = line.tool_use_result {
            #[derive(Deserialize)]
            #[serde(rename_all = "camelCase")]
            struct Done<'a> {
                #[serde(borrow)]
                file_path: Option<Text<'a>>,
                #[serde(borrow)]
                interrupted: Option<Text<'a>>,
            }
            if let Ok(done) = serde_json::from_str::<Done<'r>>(done.get()) {
                if let Some(path) = done.file_path.and_then(Text::some) {
                    event.object.kind = Some(Cow::Borrowed("file"));
                    event.object.id = Some(path);
                }
                event.attr_opt("interrupted", done.interrupted.and_then(Text::some));
            }
        }
        out.push(event);
    }
}

fn assistant_events<'r>(template: &Event<'r>, answer: Answer<'r>, out: &mut Vec<Event<'r>>) {
    let mut base = template.clone();
    base.actor.kind = Some(ActorType::Agent);
    base.actor.id = base.agent.clone();
    base.provider = Some(Cow::Borrowed("anthropic"));
    base.model_served = answer.model.clone();
    base.key_opt(KeyKind::Response, answer.id.clone());
    let mut event = base.clone();
    event.kind = Kind::Inference;
    event.action = Some(Cow::Borrowed("chat"));
    event.outcome = Some(if answer.refusal.is_some() {
        Outcome::Denied
    } else {
        Outcome::Ok
    });
    (event.tokens_in, event.tokens_out) = (answer.tokens_in, answer.tokens_out);
    event.attr_opt("gen_ai.response.finish_reasons", answer.finish);
    if !answer.text.is_empty() {
        event
            .contents
            .push((ContentPart::Output, Cow::Owned(answer.text)));
    }
    if !answer.reasoning.is_empty() {
        event
            .contents
            .push((ContentPart::Reasoning, Cow::Owned(answer.reasoning)));
    }
    out.push(event);
    for call in answer.calls {
        let mut event = base.clone();
        event.kind = Kind::ToolCall;
        event.action = call.name.clone();
        event.tool = call.name;
        event.key_opt(KeyKind::ToolCall, call.id);
        add_arguments(&mut event, &call.arguments);
        event
            .contents
            .push((ContentPart::Arguments, call.arguments));
        out.push(event);
    }
}
