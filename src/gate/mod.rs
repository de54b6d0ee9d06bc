//! Policy before the deed: may this action run?
//!
//! The same rules as [`crate::check`] judge the task so far, with the proposed action behind it. The
//! decision is on disk before it is told. Rules that wait for something later (`response`) are left
//! out: there is no later yet.

mod journal;
mod proposal;

pub use journal::{Answered, Journal};
pub use proposal::{Approval, Proposal, Protocol, Question};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::check::{Given, Level, Policy, Record, breaches_at_end};
use crate::config::Config;
use crate::model::Kind;
use crate::normalise::Personal;
use crate::store::{
    EventRef, EventView, Store, StoreError, find_first, find_key, read_event_columns,
};

/// The section `[gate]` of trail.toml.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateConfig {
    /// From this level on, a breach denies.
    pub deny: Level,
    /// From this level on, a breach asks a person.
    pub ask: Level,
    /// What is answered if the gate itself fails: `deny` or `allow`.
    pub on_error: Answer,
    /// Who the agent is, where the caller does not say.
    pub actor: Option<String>,
    /// What tools do: `write`, `read`, `message`, …
    pub tools: BTreeMap<String, Kind>,
    /// Folder or file of rules, relative to the store [default: the shipped baseline].
    pub policy: Option<std::path::PathBuf>,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self {
            deny: Level::Critical,
            ask: Level::Medium,
            on_error: Answer::Deny,
            actor: None,
            tools: BTreeMap::new(),
            policy: None,
        }
    }
}

/// What the gate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// It may run.
    Allow,
    /// It must not.
    Deny,
    /// A person has to say.
    Ask,
}

impl Answer {
    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Ask => "ask",
        }
    }
}

/// A decision with its reasons.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// Its id, to answer to.
    pub id: String,
    /// What was decided.
    pub decision: Answer,
    /// The rules that decided it, the gravest first.
    pub rules: Vec<Broken>,
    /// In a sentence.
    pub reason: String,
    /// The task so far, if the store knows it.
    pub task: Option<String>,
    /// Events of the task so far.
    pub events: usize,
    /// Name, version and digest of the policy.
    pub policy: [String; 3],
}

/// A rule that the action would break.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// Rule's id.
    pub rule: String,
    /// Its title.
    pub title: String,
    /// Its level.
    pub level: Level,
    /// What it found.
    pub message: String,
}

/// An action's task so far.
pub struct SoFar {
    /// The task's id, where the index of tasks is current.
    task: Option<String>,
    places: Vec<EventRef>,
}

/// Puts pseudonyms in the place of people in an action, as they stand in a protected store: rules compare
/// who asks with who did, and nobody is named in the journal.
///
/// # Errors
/// Who asks cannot make pseudonyms.
pub fn protect(
    access: &crate::protect::Access,
    proposal: &mut Proposal,
) -> Result<(), crate::protect::AccessError> {
    if !access.is_protected() {
        return Ok(());
    }
    access.need(crate::protect::Right::LookUp)?;
    let Some(names) = access.names() else {
        return Ok(());
    };
    let mut protector = crate::protect::Protector::new(names);
    let service = proposal
        .event
        .field("actor_type")
        .is_some_and(|kind| matches!(&*kind, "agent" | "service"));
    let is_customer = proposal
        .event
        .field("object_type")
        .and_then(|kind| crate::normalise::names::kind_of_name(&kind))
        == Some(crate::model::KeyKind::Customer);
    let mut event = proposal.event.json();
    if let Value::Object(fields) = &mut event {
        for (name, value) in fields {
            let whole = match name.as_str() {
                "actor" if !service => Some(Personal::Person),
                "on_behalf_of" => Some(Personal::Person),
                "object" if is_customer => Some(Personal::Customer),
                _ => None,
            };
            match (value, whole) {
                (Value::String(text), Some(kind)) => *text = names.of(kind, text),
                (other, _) => *other = protected_json(&mut protector, other),
            }
        }
    }
    if let Ok(event) = Given::new(&event) {
        proposal.event = event;
    }
    proposal.arguments = protected_json(&mut protector, &proposal.arguments);
    for (kind, value) in &mut proposal.keys {
        *value = access.key(*kind, value).into_owned();
    }
    Ok(())
}

fn protected_json(protector: &mut crate::protect::Protector<'_>, value: &Value) -> Value {
    let text = value.to_string();
    match protector.text(&text) {
        std::borrow::Cow::Borrowed(_) => value.clone(),
        // A number that became a pseudonym is no JSON any more: the whole is a text then.
        std::borrow::Cow::Owned(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
    }
}

/// A person's answer, as it stands in the journal of a protected store.
///
/// # Errors
/// Who asks cannot make pseudonyms.
pub fn protect_approval(
    access: &crate::protect::Access,
    approval: &mut Approval,
) -> Result<(), crate::protect::AccessError> {
    if !access.is_protected() {
        return Ok(());
    }
    access.need(crate::protect::Right::LookUp)?;
    if let Some(names) = access.names() {
        approval.by = names.of(Personal::Person, &approval.by);
        approval.comment = names.of(Personal::Text, &approval.comment);
    }
    Ok(())
}

/// Finds the events of an action's task so far.
///
/// # Errors
/// The store cannot be read.
pub fn so_far(store: &Store, config: &Config, proposal: &Proposal) -> Result<SoFar, StoreError> {
    let (task, places) = task_so_far(store, config, proposal)?;
    Ok(SoFar { task, places })
}

/// Decides on an action, and puts the decision on disk.
///
/// # Errors
/// The journal cannot be read or written; nothing was decided then.
pub fn decide(
    store: &Store,
    config: &Config,
    policy: &Policy,
    proposal: &Proposal,
    so_far: &SoFar,
    now_us: i64,
) -> Result<Decision, StoreError> {
    let journal = Journal::of(store);
    let answers = journal.answers_to(&proposal.digest)?;
    let task = so_far.task.clone();
    let set = read_event_columns(store, &so_far.places, Some(&policy.columns()))?;
    let views: Vec<EventView<'_>> = set.iter().collect();
    let approvals = approvals_of(&answers, proposal);
    let mut records: Vec<&dyn Record> = views.iter().map(|view| view as &dyn Record).collect();
    records.extend(approvals.events.iter().map(|event| event as &dyn Record));
    let proposed = proposal.event.at(now_us);
    records.push(&proposed);
    let mut rules: Vec<Broken> = breaches_at_end(policy, &records)
        .into_iter()
        .map(|(rule, message)| Broken {
            rule: rule.id.clone(),
            title: rule.title.clone(),
            level: rule.level,
            message,
        })
        .collect();
    rules.sort_by(|a, b| (b.level, &a.rule).cmp(&(a.level, &b.rule)));
    let worst = rules.first().map(|rule| rule.level);
    let (decision, reason) = match (worst, approvals.verdict) {
        (_, Some((false, by))) => (Answer::Deny, format!("{by} refused this action")),
        (Some(level), _) if level >= config.gate.deny => (Answer::Deny, because(&rules)),
        (Some(level), Some((true, by))) if level >= config.gate.ask => (
            Answer::Allow,
            format!("{by} agreed to this action, although: {}", because(&rules)),
        ),
        (Some(level), _) if level >= config.gate.ask => (Answer::Ask, because(&rules)),
        (Some(_), _) => (Answer::Allow, format!("noted: {}", because(&rules))),
        (None, _) => (Answer::Allow, "no rule speaks against it".to_owned()),
    };
    let decision = Decision {
        id: Journal::new_id(proposal, now_us),
        decision,
        rules,
        reason,
        task,
        events: views.len(),
        policy: [
            policy.name.clone(),
            policy.version.clone(),
            policy.digest.to_string(),
        ],
    };
    journal.append_decision(&decision, proposal, now_us)?;
    Ok(decision)
}

/// Puts a person's answer on disk.
///
/// # Errors
/// There is no such decision, or the journal cannot be read or written.
pub fn approve(store: &Store, approval: &Approval, now_us: i64) -> Result<(), StoreError> {
    Journal::of(store).append_approval(approval, now_us)
}

fn because(rules: &[Broken]) -> String {
    let shown: Vec<String> = rules
        .iter()
        .take(3)
        .map(|rule| format!("{} {} ({})", rule.rule, rule.title, rule.message))
        .collect();
    shown.join("; ")
}

/// The events of the action's task: by the index of tasks where it is current, else those that share a
/// key with the action. The gate never stitches: that takes too long.
fn task_so_far(
    store: &Store,
    config: &Config,
    proposal: &Proposal,
) -> Result<(Option<String>, Vec<EventRef>), StoreError> {
    let index = crate::stitch::current(store, config);
    for (kind, value) in &proposal.keys {
        let Some(first) = find_first(store, *kind, value)? else {
            continue;
        };
        if let Some(index) = &index
            && let Some(task) = index.task_at(first)
        {
            let places = index.places(task);
            index.check()?;
            return Ok((Some(index.id(task).to_string()), places));
        }
        let hits = find_key(store, *kind, value)?;
        let mut places: Vec<EventRef> = hits.into_iter().map(|hit| hit.place).collect();
        places.sort_unstable();
        return Ok((None, places));
    }
    Ok((None, Vec::new()))
}

/// What people have said of an action.
struct Approvals {
    events: Vec<Given>,
    /// The last word, and whose.
    verdict: Option<(bool, String)>,
}

fn approvals_of(answers: &[Answered], proposal: &Proposal) -> Approvals {
    let mut found = Approvals {
        events: Vec::new(),
        verdict: None,
    };
    for answer in answers {
        let field = |name: &str| proposal.event.field(name).map(std::borrow::Cow::into_owned);
        let event = json!({
            "kind": if answer.granted { "approval" } else { "rejection" },
            "outcome": if answer.granted { "ok" } else { "denied" },
            "actor": answer.by,
            "actor_type": "human",
            "object": field("object"),
            "amount": field("amount"),
            "time": answer.time,
        });
        if let Ok(event) = Given::new(&event) {
            found.events.push(event);
        }
        found.verdict = Some((answer.granted, answer.by.clone()));
    }
    found
}

/// The answer in the caller's protocol.
#[must_use]
pub fn answer(proposal: &Proposal, decision: &Decision) -> Value {
    let plain = json!({
        "decision": decision.decision,
        "id": decision.id,
        "reason": decision.reason,
        "rules": decision.rules,
        "task": decision.task,
        "policy": {"name": decision.policy[0], "version": decision.policy[1], "digest": decision.policy[2]},
    });
    let refused = || {
        let word = match decision.decision {
            Answer::Ask => "A person has to agree first",
            _ => "Denied by policy",
        };
        format!("{word} (decision {}): {}", decision.id, decision.reason)
    };
    let allowed = decision.decision == Answer::Allow;
    match proposal.protocol {
        Protocol::Event => plain,
        Protocol::ClaudeCode => json!({
            "hookSpecificOutput": {
                "hookEventName": "PreToolUse",
                "permissionDecision": decision.decision,
                "permissionDecisionReason": format!("trail, decision {}: {}", decision.id, decision.reason),
            }
        }),
        // A proxy passes the request on as it is, or gives the result to the client.
        Protocol::Mcp if allowed => proposal.question.clone(),
        Protocol::Mcp => json!({
            "jsonrpc": "2.0",
            "id": proposal.question.get("id"),
            "result": {
                "content": [{"type": "text", "text": refused()}],
                "isError": true,
                "_meta": {"trail": plain},
            }
        }),
        Protocol::OpenAi if allowed => plain,
        Protocol::OpenAi => with_message(
            plain,
            json!({"role": "tool", "tool_call_id": proposal.call, "content": refused()}),
        ),
        Protocol::Anthropic if allowed => plain,
        Protocol::Anthropic => with_message(
            plain,
            json!({"type": "tool_result", "tool_use_id": proposal.call, "is_error": true, "content": refused()}),
        ),
    }
}

fn with_message(mut plain: Value, message: Value) -> Value {
    if let Some(fields) = plain.as_object_mut() {
        fields.insert("message".to_owned(), message);
    }
    plain
}
