//! What agents that run on a desk tell of themselves, in attributes of their own names: Claude Code, Gemini CLI, Codex.
//!
//! Document: Claude Code, Monitoring; Gemini CLI, Observability; Codex, Telemetry.

use std::borrow::Cow;

use serde::Deserialize;

use crate::model::{ActorType, Change, ContentPart, Event, KeyKind, Kind, Outcome};
use crate::normalise::json::Text;
use crate::normalise::names::{add_arguments, add_mentions};
use crate::normalise::{injection_signs, personal_kinds};

/// What is known of an event by the names of its attributes alone.
#[derive(Default)]
pub(in crate::normalise::formats) struct Told<'a> {
    user: Option<(u8, Cow<'a, str>)>,
    decision: Option<Cow<'a, str>>,
    source: Option<Cow<'a, str>>,
    success: Option<bool>,
    kind: Option<Cow<'a, str>>,
    status: Option<u16>,
    hook: Option<Cow<'a, str>>,
    blocking: u32,
    from_mode: Option<Cow<'a, str>>,
    to_mode: Option<Cow<'a, str>>,
    trigger: Option<Cow<'a, str>>,
    connection: Option<Cow<'a, str>>,
}

/// The tool of an MCP server, which stands among the parameters of Claude Code's `mcp_tool`.
#[derive(Deserialize)]
struct McpTool<'a> {
    #[serde(borrow)]
    mcp_server_name: Text<'a>,
    #[serde(borrow)]
    mcp_tool_name: Text<'a>,
}

impl<'a> Told<'a> {
    /// Takes an attribute that these agents write; gives back any other.
    pub(in crate::normalise::formats) fn take(
        &mut self,
        event: &mut Event<'a>,
        key: &str,
        value: Cow<'a, str>,
    ) -> Option<Cow<'a, str>> {
        // The best name of a person counts.
        let rank = match key {
            "user.email" => 3,
            "user.account_uuid" | "user.account_id" => 2,
            "user.id" | "enduser.id" => 1,
            _ => 0,
        };
        if rank > 0 {
            if self.user.as_ref().is_none_or(|(have, _)| *have < rank) {
                self.user = Some((rank, value));
            }
            return None;
        }
        match key {
            "tool_name" | "function_name" => event.tool = event.tool.take().or(Some(value)),
            "tool_use_id" | "call_id" => event.key(KeyKind::ToolCall, value),
            "tool_parameters" | "tool_input" | "function_args" | "arguments" | "full_command" => {
                if let Ok(tool) = serde_json::from_str::<McpTool<'_>>(&value) {
                    // As the model names it.
                    let (server, tool) = (&*tool.mcp_server_name, &*tool.mcp_tool_name);
                    event.tool = Some(Cow::Owned(format!("mcp__{server}__{tool}")));
                }
                add_arguments(event, &value);
                event.contents.push((ContentPart::Arguments, value));
            }
            "output" | "tool_output" => {
                event.attr("personal_data", personal_kinds(&value));
                event.attr("injection_signs", injection_signs(&value));
                event.contents.push((ContentPart::Result, value));
            }
            "prompt" | "user_prompt" | "request_text" => {
                add_mentions(event, &value);
                event.attr("personal_data", personal_kinds(&value));
                event.contents.push((ContentPart::Prompt, value));
            }
            "response_text" => event.contents.push((ContentPart::Output, value)),
            "model" => event.model_requested = Some(value),
            "conversation.id" => {
                event.key(KeyKind::Conversation, value.clone());
                event.conversation = Some(value);
            }
            // All that one prompt set going.
            "prompt.id" | "prompt_id" => event.key(KeyKind::WorkflowRun, value),
            // The vendor's id of the call, in transcripts too.
            "request_id" => event.key(KeyKind::Request, value),
            "input_tokens" | "input_token_count" => event.tokens_in = value.parse().ok(),
            "output_tokens" | "output_token_count" => event.tokens_out = value.parse().ok(),
            "cost_usd" => event.attr("cost_usd", value),
            "decision" => self.decision = Some(value),
            "source" | "decision_source" => self.source = Some(value),
            "success" => self.success = Some(value == "true"),
            "event.kind" => self.kind = Some(value),
            "error" | "error.message" | "error_message" => event.error = Some(value),
            "status_code" => {
                self.status = value.parse().ok();
                event.attr("http.response.status_code", value);
            }
            "hook_name" => self.hook = Some(value),
            "num_blocking" => {
                self.blocking = value.parse().unwrap_or(0);
                return Some(value);
            }
            "from_mode" => self.from_mode = Some(value),
            "to_mode" => self.to_mode = Some(value),
            "trigger" => self.trigger = Some(value),
            "status" => self.connection = Some(value),
            _ => return Some(value),
        }
        None
    }

    /// Completes an event by its name; false if the name is none of theirs.
    pub(in crate::normalise::formats) fn finish(
        mut self,
        event: &mut Event<'a>,
        name: &str,
    ) -> bool {
        if let Some((_, user)) = self.user.take() {
            event.key(KeyKind::User, user.clone());
            event.actor.on_behalf_of = Some(user);
        }
        let known = self.set_kind(event, short_name(name));
        event.attr_opt("decision", self.decision);
        event.attr_opt("decision.source", self.source);
        event.attr_opt("hook", self.hook);
        event.attr_opt("trigger", self.trigger);
        event.attr_opt("status", self.connection);
        let modes = [("from_mode", self.from_mode), ("to_mode", self.to_mode)];
        for (name, mode) in modes {
            event.attr_opt(name, mode);
        }
        known
    }

    fn set_kind(&mut self, event: &mut Event<'a>, short: &str) -> bool {
        let by_success = match self.success {
            Some(true) => Some(Outcome::Ok),
            Some(false) => Some(Outcome::Error),
            None => event.error.is_some().then_some(Outcome::Error),
        };
        // Gemini CLI tells of a request and of its response, Codex of each piece: one of them is the call.
        let is_call = match short {
            "api_response" | "llm_request" => true,
            "api_request" => event.tokens_in.is_some() || event.tokens_out.is_some(),
            "sse_event" => self.kind.as_deref() == Some("response.completed"),
            _ => false,
        };
        match short {
            "user_prompt" | "interaction" => {
                event.kind = Kind::Request;
                by_person(event);
                return true;
            }
            "permission_mode_changed" => {
                self.change_mode(event);
                return true;
            }
            _ if is_call => {
                event.kind = Kind::Inference;
                event.outcome = by_success.or(Some(Outcome::Ok));
            }
            "api_request" | "sse_event" => event.outcome = by_success,
            "api_error" => {
                event.kind = Kind::Exception;
                event.outcome = Some(Outcome::Error);
                if let (None, Some(status)) = (&event.error, self.status) {
                    event.error = Some(Cow::Owned(format!("HTTP {status}")));
                }
            }
            "tool_result" | "execution" => {
                event.kind = Kind::ToolResult;
                event.outcome = by_success;
            }
            "tool_call" | "tool" => {
                event.kind = Kind::ToolCall;
                event.outcome = match self.decision.as_deref() {
                    Some("reject") => Some(Outcome::Denied),
                    _ => by_success,
                };
            }
            "tool_decision" | "blocked_on_user" => self.decide(event),
            // A hook that lets all pass may have decided nothing at all.
            "hook_execution_complete" | "hook" if self.blocking > 0 => {
                event.kind = Kind::PolicyDecision;
                event.outcome = Some(Outcome::Denied);
                let hook = self.hook.take();
                event.policy_id = hook.map(|hook| Cow::Owned(format!("hook ({hook})")));
            }
            "mcp_server_connection" if self.connection.as_deref() == Some("failed") => {
                event.kind = Kind::Exception;
                event.outcome = Some(Outcome::Error);
            }
            _ => return false,
        }
        if event.actor.kind != Some(ActorType::Human) {
            event.actor.kind = Some(ActorType::Agent);
            event.agent = event.agent.take().or_else(|| event.actor.id.clone());
        }
        true
    }

    /// A tool was allowed or not: by a person, or by a setting or hook.
    fn decide(&self, event: &mut Event<'a>) {
        let allowed = self.decision.as_deref().is_some_and(|decision| {
            let lower = decision.to_ascii_lowercase();
            lower.starts_with("accept")
                || lower.starts_with("approve")
                || lower.starts_with("allow")
        });
        let source = self.source.as_deref().unwrap_or_default();
        let is_persons = source.to_ascii_lowercase().starts_with("user");
        event.outcome = Some(if allowed {
            Outcome::Ok
        } else {
            Outcome::Denied
        });
        event.kind = match (is_persons, allowed) {
            (true, true) => Kind::Approval,
            (true, false) => Kind::Rejection,
            (false, _) => Kind::PolicyDecision,
        };
        if is_persons {
            by_person(event);
        } else {
            event.policy_id = Some(Cow::Owned(match source {
                "" => "permissions".to_owned(),
                source => format!("permissions ({source})"),
            }));
        }
    }

    /// What the agent may do unasked was changed: by the person at the keys, else by the agent or its settings.
    fn change_mode(&mut self, event: &mut Event<'a>) {
        event.kind = Kind::Configuration;
        event.outcome = Some(Outcome::Ok);
        event.changes.push(Change {
            field: Cow::Borrowed("permission_mode"),
            before: self.from_mode.take(),
            after: self.to_mode.take(),
        });
        if self.trigger.as_deref() == Some("shift_tab") {
            by_person(event);
        } else {
            event.actor.kind = Some(ActorType::Agent);
        }
    }
}

/// The user did it, not the agent for the user.
fn by_person(event: &mut Event<'_>) {
    event.actor.kind = Some(ActorType::Human);
    event.actor.id = event.actor.on_behalf_of.take();
}

/// The name without the agent's own before it.
fn short_name(name: &str) -> &str {
    if name.starts_with("gen_ai.") {
        return name;
    }
    name.rsplit('.').next().unwrap_or(name)
}
