//! The gate's decisions (`gate/decisions.jsonl` of the store) and people's answers
//! (`gate/approvals.jsonl`): journals whose lines are on disk before the caller hears of them. `trail
//! ingest` reads them as any other log (format `trail_gate`).
//!
//! A decision looks for what people have said of the same action before. Answers of people are few, so
//! they lie in a file of their own that is read whole; decisions may be millions.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Approval, Decision, Proposal};
use crate::model::Digest;
use crate::model::time::format_utc;
use crate::store::{Chain, Store, StoreError};

/// The gate's journals of a store.
pub struct Journal {
    decisions: Chain,
    approvals: Chain,
}

/// What a person said of an action.
#[derive(Clone, Debug, Deserialize)]
pub struct Answered {
    /// UTC.
    pub time: String,
    /// Digest of the action.
    pub action: String,
    /// Whether it may be done.
    pub granted: bool,
    /// Who said so.
    pub by: String,
}

/// Field of each line that says what it is.
const LABEL: &str = "trail_gate";

impl Journal {
    /// The journals of that store.
    #[must_use]
    pub fn of(store: &Store) -> Self {
        let folder = store.layout().root.join("gate");
        Self {
            decisions: Chain::new(folder.join("decisions.jsonl"), LABEL),
            approvals: Chain::new(folder.join("approvals.jsonl"), LABEL),
        }
    }

    /// What people have said of that action, in the order in which they did.
    ///
    /// # Errors
    /// The journal cannot be read, or a line of it is damaged.
    pub fn answers_to(&self, action: &Digest) -> Result<Vec<Answered>, StoreError> {
        let action = action.to_string();
        let all = self.approvals.entries::<Value>()?;
        let whole = all
            .into_iter()
            .filter_map(|entry| serde_json::from_value::<Answered>(entry).ok());
        Ok(whole.filter(|entry| entry.action == action).collect())
    }

    /// Digest of the action that was decided on.
    fn action_of(&self, decision: &str) -> Result<String, StoreError> {
        #[derive(Deserialize)]
        struct Line {
            #[serde(rename = "trail_gate")]
            kind: String,
            id: String,
            action: Option<String>,
        }
        let mut found = None;
        let finder = memchr::memmem::Finder::new(decision);
        self.decisions.lines(|_, line| {
            if finder.find(line).is_some()
                && let Ok(entry) = serde_json::from_slice::<Line>(line)
                && entry.kind == "decision"
                && entry.id == decision
            {
                found = entry.action;
            }
            Ok(())
        })?;
        found.ok_or_else(|| StoreError::Damaged {
            path: self.decisions.path().to_owned(),
            reason: format!("there is no decision `{decision}`"),
        })
    }

    /// An id for a decision.
    pub(super) fn new_id(proposal: &Proposal, now_us: i64) -> String {
        let identity = format!("{} {now_us} {}", proposal.digest, std::process::id());
        Digest::of(identity.as_bytes()).short(12)
    }

    pub(super) fn append_decision(
        &self,
        decision: &Decision,
        proposal: &Proposal,
        now_us: i64,
    ) -> Result<(), StoreError> {
        let keys: Vec<Value> = proposal
            .keys
            .iter()
            .map(|(kind, value)| json!({"kind": kind, "value": value}))
            .collect();
        self.decisions.append(&object(json!({
            LABEL: "decision",
            "id": decision.id,
            "time": format_utc(now_us),
            "decision": decision.decision,
            "reason": decision.reason,
            "rules": decision.rules,
            "protocol": proposal.protocol.as_str(),
            "tool": proposal.tool,
            "tool_call_id": proposal.call,
            "arguments": proposal.arguments,
            "event": proposal.event.json(),
            "keys": keys,
            "action": proposal.digest.to_string(),
            "task": decision.task,
            "policy": {"name": decision.policy[0], "version": decision.policy[1], "digest": decision.policy[2]},
        })))
    }

    pub(super) fn append_approval(
        &self,
        approval: &Approval,
        now_us: i64,
    ) -> Result<(), StoreError> {
        let action = self.action_of(&approval.decision)?;
        let identity = format!("{} {} {now_us}", approval.decision, approval.by);
        self.approvals.append(&object(json!({
            LABEL: "approval",
            "id": Digest::of(identity.as_bytes()).short(12),
            "time": format_utc(now_us),
            "decision_id": approval.decision,
            "action": action,
            "granted": approval.granted,
            "by": approval.by,
            "comment": approval.comment,
        })))
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
