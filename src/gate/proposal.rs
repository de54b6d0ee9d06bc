//! What a caller wants to do, in the protocols that agents speak.

use serde_json::{Map, Value, json};

use super::GateConfig;
use crate::check::Given;
use crate::model::{Digest, Event, KeyKind, Kind, normalise_key};
use crate::normalise::{add_arguments, injection_signs, personal_kinds};

/// Whose protocol a question is in; the answer is in the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// An event in trail's own form.
    Event,
    /// A PreToolUse hook of Claude Code.
    ClaudeCode,
    /// MCP, `tools/call`.
    Mcp,
    /// A tool call of OpenAI (Chat Completions or Responses).
    OpenAi,
    /// A `tool_use` block of Anthropic.
    Anthropic,
}

impl Protocol {
    /// The name in the log of decisions.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::ClaudeCode => "claude_code",
            Self::Mcp => "mcp",
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
        }
    }
}

/// An action that is asked about.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// Whose form it came in.
    pub protocol: Protocol,
    /// The question as it came.
    pub question: Value,
    /// Tool or action.
    pub tool: String,
    /// Its arguments.
    pub arguments: Value,
    /// Id of the tool call.
    pub call: Option<String>,
    /// Strong keys by which its task is found, in their normal form.
    pub keys: Vec<(KeyKind, String)>,
    /// As rules see it.
    pub event: Given,
    /// What the action is, whoever asks when: tool, arguments and session.
    pub digest: Digest,
}

/// What came in on standard input.
#[derive(Clone, Debug)]
pub enum Question {
    /// May this be done?
    Action(Box<Proposal>),
    /// Somebody has answered an earlier question.
    Approval(Approval),
}

/// A person's answer to a decision `ask`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Id of the decision.
    pub decision: String,
    /// Who.
    pub by: String,
    /// Whether it may be done.
    pub granted: bool,
    /// What they said.
    pub comment: String,
}

fn text(value: &Value, path: &[&str]) -> Option<String> {
    let found = path.iter().try_fold(value, |value, name| value.get(name))?;
    found.as_str().map(str::to_owned)
}

impl Question {
    /// Reads a question.
    ///
    /// # Errors
    /// It is in none of the forms.
    pub fn read(value: Value, config: &GateConfig) -> Result<Self, String> {
        if let Some(approval) = value.get("approval") {
            let needed = |name: &str| {
                text(approval, &[name]).ok_or_else(|| format!("an approval needs a `{name}`"))
            };
            return Ok(Self::Approval(Approval {
                decision: needed("decision")?,
                by: needed("by")?,
                granted: approval
                    .get("granted")
                    .and_then(Value::as_bool)
                    .ok_or("an approval needs `granted`: true or false")?,
                comment: text(approval, &["comment"]).unwrap_or_default(),
            }));
        }
        let (protocol, tool, arguments, call) = Self::call_of(&value)?;
        let proposal = Proposal::new(protocol, value, tool, arguments, call, config)?;
        Ok(Self::Action(Box::new(proposal)))
    }

    fn call_of(value: &Value) -> Result<(Protocol, String, Value, Option<String>), String> {
        let get = |path: &[&str]| text(value, path);
        if get(&["hook_event_name"]).as_deref() == Some("PreToolUse") {
            let tool = get(&["tool_name"]).ok_or("a PreToolUse hook needs `tool_name`")?;
            let input = value.get("tool_input").cloned().unwrap_or_default();
            return Ok((Protocol::ClaudeCode, tool, input, get(&["tool_use_id"])));
        }
        if get(&["method"]).as_deref() == Some("tools/call") {
            let tool = get(&["params", "name"]).ok_or("tools/call needs `params.name`")?;
            let arguments = value
                .pointer("/params/arguments")
                .cloned()
                .unwrap_or_default();
            let call = get(&["params", "_meta", "tool_call_id"]);
            return Ok((Protocol::Mcp, tool, arguments, call));
        }
        if get(&["type"]).as_deref() == Some("tool_use") {
            let tool = get(&["name"]).ok_or("a tool_use block needs `name`")?;
            let input = value.get("input").cloned().unwrap_or_default();
            return Ok((Protocol::Anthropic, tool, input, get(&["id"])));
        }
        let openai = match get(&["type"]).as_deref() {
            Some("function") => value
                .get("function")
                .map(|function| (function, get(&["id"]))),
            Some("function_call") => Some((value, get(&["call_id"]))),
            _ => None,
        };
        if let Some((function, call)) = openai {
            let tool = text(function, &["name"]).ok_or("a tool call needs a function name")?;
            let arguments = text(function, &["arguments"]).unwrap_or_default();
            let arguments = serde_json::from_str(&arguments)
                .map_err(|error| format!("the arguments are no JSON: {error}"))?;
            return Ok((Protocol::OpenAi, tool, arguments, call));
        }
        if value.get("kind").is_some() {
            let action = get(&["tool"])
                .or_else(|| get(&["action"]))
                .unwrap_or_default();
            let call = get(&["tool_call.id"]);
            return Ok((Protocol::Event, action, Value::Null, call));
        }
        Err("this is no event (with `kind`), no PreToolUse hook, no MCP tools/call, no OpenAI or Anthropic tool call, and no approval".to_owned())
    }
}

/// Words by which a tool's name says that it only looks.
const LOOKS: [&str; 16] = [
    "get", "list", "read", "search", "find", "fetch", "query", "describe", "show", "view", "check",
    "lookup", "inspect", "think", "glob", "grep",
];
/// Words by which a tool's name says that it tells somebody something.
const TELLS: [&str; 5] = ["send", "mail", "email", "notify", "message"];

/// What a tool does, by its name: what is not known to be harmless is a write.
fn kind_of(tool: &str, config: &GateConfig) -> Kind {
    if let Some(kind) = config.tools.get(tool) {
        return *kind;
    }
    let mut words = Vec::new();
    for part in tool.split(|c: char| !c.is_ascii_alphanumeric()) {
        // WebFetch: words begin with capitals.
        let mut word = String::new();
        for c in part.chars() {
            if c.is_ascii_uppercase() && word.ends_with(|last: char| last.is_ascii_lowercase()) {
                words.push(std::mem::take(&mut word).to_ascii_lowercase());
            }
            word.push(c);
        }
        words.push(word.to_ascii_lowercase());
    }
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let first_looks = words.iter().find(|word| !word.is_empty() && *word != "mcp");
    if first_looks.is_some_and(|word| LOOKS.contains(&word.as_str())) {
        Kind::Read
    } else if has(&TELLS) {
        Kind::Message
    } else if has(&LOOKS) && !has(&["write", "update", "delete", "create", "set", "run", "bash"]) {
        Kind::Read
    } else {
        Kind::Write
    }
}

/// Kinds of key that name what is acted upon, the most telling first.
const OBJECTS: [KeyKind; 7] = [
    KeyKind::Invoice,
    KeyKind::Order,
    KeyKind::Case,
    KeyKind::Document,
    KeyKind::Object,
    KeyKind::Account,
    KeyKind::Customer,
];

impl Proposal {
    fn new(
        protocol: Protocol,
        question: Value,
        tool: String,
        arguments: Value,
        call: Option<String>,
        config: &GateConfig,
    ) -> Result<Self, String> {
        let session = ["session_id", "conversation_id", "conversation"]
            .into_iter()
            .find_map(|name| {
                text(&question, &[name]).or_else(|| text(&question, &["params", "_meta", name]))
            });
        let trace = ["trace_id", "trace"]
            .into_iter()
            .find_map(|name| {
                text(&question, &[name]).or_else(|| text(&question, &["params", "_meta", name]))
            })
            .or_else(|| {
                let parent = text(&question, &["params", "_meta", "traceparent"])?;
                parent.split('-').nth(1).map(str::to_owned)
            });
        let keys = [
            (KeyKind::Conversation, &session),
            (KeyKind::Trace, &trace),
            (KeyKind::ToolCall, &call),
        ]
        .into_iter()
        .filter_map(|(kind, value)| {
            let value = value.as_deref()?;
            Some((kind, normalise_key(kind, value)?.into_owned()))
        })
        .collect();
        let event = if protocol == Protocol::Event {
            question.clone()
        } else {
            described(&tool, &arguments, call.as_deref(), &question, config)
        };
        let identity = json!([tool, arguments, session]).to_string();
        let identity = match protocol {
            Protocol::Event => question.to_string(),
            _ => identity,
        };
        Ok(Self {
            protocol,
            tool,
            arguments,
            call,
            keys,
            event: Given::new(&event)?,
            digest: Digest::of(identity.as_bytes()),
            question,
        })
    }
}

/// The event that the action will be.
fn described(
    tool: &str,
    arguments: &Value,
    call: Option<&str>,
    question: &Value,
    config: &GateConfig,
) -> Value {
    let arguments = arguments.to_string();
    let kind = kind_of(tool, config);
    let mut event = Event::new(kind);
    add_arguments(&mut event, &arguments);
    let mut fields = Map::new();
    let mut set = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            fields.insert(name.to_owned(), value.into());
        }
    };
    set("kind", Some(kind.to_string()));
    set("action", Some(tool.to_owned()));
    set("tool", Some(tool.to_owned()));
    set("outcome", Some("ok".to_owned()));
    set("actor_type", Some("agent".to_owned()));
    set(
        "actor",
        text(question, &["actor"]).or_else(|| config.actor.clone()),
    );
    set("on_behalf_of", text(question, &["on_behalf_of"]));
    set("tool_call.id", call.map(str::to_owned));
    let object = OBJECTS
        .iter()
        .find_map(|kind| event.keys.iter().find(|(have, _)| have == kind));
    set("object", object.map(|(_, value)| value.to_string()));
    set("amount", event.amount.map(|amount| amount.to_string()));
    set("currency", event.currency.map(std::borrow::Cow::into_owned));
    set("personal_data", Some(personal_kinds(&arguments)));
    set("injection_signs", Some(injection_signs(&arguments)));
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(value: Value) -> Proposal {
        match Question::read(value, &GateConfig::default()).unwrap() {
            Question::Action(proposal) => *proposal,
            Question::Approval(approval) => panic!("{approval:?}"),
        }
    }

    #[test]
    fn all_forms_of_one_call() {
        use crate::check::Record;
        let arguments = json!({"invoice_id": "4711", "amount": "900.00", "currency": "EUR"});
        let forms = [
            (
                Protocol::ClaudeCode,
                json!({"hook_event_name": "PreToolUse", "session_id": "s1", "tool_name": "update_invoice", "tool_input": arguments}),
            ),
            (
                Protocol::Mcp,
                json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "update_invoice", "arguments": arguments}}),
            ),
            (
                Protocol::OpenAi,
                json!({"id": "call_123456", "type": "function", "function": {"name": "update_invoice", "arguments": arguments.to_string()}}),
            ),
            (
                Protocol::OpenAi,
                json!({"call_id": "call_123456", "type": "function_call", "name": "update_invoice", "arguments": arguments.to_string()}),
            ),
            (
                Protocol::Anthropic,
                json!({"type": "tool_use", "id": "toolu_123456", "name": "update_invoice", "input": arguments}),
            ),
        ];
        for (protocol, form) in forms {
            let proposal = action(form);
            assert_eq!(proposal.protocol, protocol);
            assert_eq!(proposal.event.field("kind").unwrap(), "write");
            assert_eq!(proposal.event.field("object").unwrap(), "4711");
            assert_eq!(proposal.event.amount().unwrap().to_string(), "900.00");
        }
        assert!(Question::read(json!({"hello": 1}), &GateConfig::default()).is_err());
        assert!(
            Question::read(
                json!({"approval": {"decision": "d"}}),
                &GateConfig::default()
            )
            .is_err()
        );
    }

    #[test]
    fn kinds_by_name() {
        let config = GateConfig::default();
        for (tool, kind) in [
            ("get_invoice", Kind::Read),
            ("WebFetch", Kind::Read),
            ("mcp__crm__search_contacts", Kind::Read),
            ("send_mail", Kind::Message),
            ("Bash", Kind::Write),
            ("update_and_get", Kind::Write),
            ("frobnicate", Kind::Write),
        ] {
            assert_eq!(kind_of(tool, &config), kind, "{tool}");
        }
    }
}
