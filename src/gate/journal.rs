//! The gate's decisions and people's answers, one JSON line each, in `gate/decisions.jsonl` of the
//! store. Lines are only ever added, and are on disk before the caller hears of them. `trail ingest`
//! reads the file as any other log (format `trail_gate`).

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Approval, Decision, Proposal};
use crate::model::Digest;
use crate::model::time::format_utc;
use crate::store::{Store, StoreError};

/// The journal of a store.
pub struct Journal {
    path: PathBuf,
}

/// One line, as far as the gate needs it.
#[derive(Clone, Debug, Deserialize)]
pub struct Entry {
    /// `decision` or `approval`.
    #[serde(rename = "trail_gate")]
    pub kind: String,
    /// Its id.
    pub id: String,
    /// UTC.
    pub time: String,
    /// Digest of the action that was decided on.
    pub action: Option<String>,
    /// The decision that an approval answers.
    pub decision_id: Option<String>,
    /// Whether it was granted.
    pub granted: Option<bool>,
    /// By whom.
    pub by: Option<String>,
}

impl Journal {
    /// The journal of that store.
    #[must_use]
    pub fn of(store: &Store) -> Self {
        Self {
            path: store.layout().root.join("gate").join("decisions.jsonl"),
        }
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All entries. A last line without an end was cut by a crash and was never answered.
    ///
    /// # Errors
    /// The file cannot be read, or a line of it is damaged.
    pub fn read(&self) -> Result<Vec<Entry>, StoreError> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(StoreError::io("reading", &self.path)(error)),
        };
        let whole = text
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let mut entries = Vec::new();
        for (number, line) in (1..).zip(text[..whole].split(|byte| *byte == b'\n')) {
            if line.is_empty() {
                continue;
            }
            let entry = serde_json::from_slice(line).map_err(|error| StoreError::Damaged {
                path: self.path.clone(),
                reason: format!("line {number} is damaged: {error}"),
            })?;
            entries.push(entry);
        }
        Ok(entries)
    }

    /// An id that no earlier decision has.
    pub(super) fn next_id(&self, earlier: &[Entry], proposal: &Proposal, now_us: i64) -> String {
        let identity = format!("{} {now_us} {}", proposal.digest, earlier.len());
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
        self.append(&json!({
            "trail_gate": "decision",
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
        }))
    }

    pub(super) fn append_approval(
        &self,
        approval: &Approval,
        now_us: i64,
    ) -> Result<(), StoreError> {
        let identity = format!("{} {} {now_us}", approval.decision, approval.by);
        self.append(&json!({
            "trail_gate": "approval",
            "id": Digest::of(identity.as_bytes()).short(12),
            "time": format_utc(now_us),
            "decision_id": approval.decision,
            "granted": approval.granted,
            "by": approval.by,
            "comment": approval.comment,
        }))
    }

    fn append(&self, entry: &Value) -> Result<(), StoreError> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(StoreError::io("creating", folder))?;
        let mut file = File::options()
            .create(true)
            .append(true)
            .read(true)
            .open(&self.path)
            .map_err(StoreError::io("opening", &self.path))?;
        file.lock().map_err(StoreError::io("locking", &self.path))?;
        let mut line = Vec::new();
        let cut = take_cut(&mut file).map_err(StoreError::io("mending", &self.path))?;
        if let Some(cut) = cut {
            let id = Digest::of(&cut).short(12);
            let time = entry.get("time").cloned().unwrap_or_default();
            let text = String::from_utf8_lossy(&cut).into_owned();
            let kept = json!({"trail_gate": "cut", "id": id, "time": time, "text": text});
            line.extend_from_slice(kept.to_string().as_bytes());
            line.push(b'\n');
        }
        line.extend_from_slice(entry.to_string().as_bytes());
        line.push(b'\n');
        file.write_all(&line)
            .map_err(StoreError::io("writing", &self.path))?;
        file.sync_all()
            .map_err(StoreError::io("syncing", &self.path))
    }
}

/// Takes a last line that a crash has cut off the end; nobody was answered by it. It goes on as an entry
/// of its own.
fn take_cut(file: &mut File) -> std::io::Result<Option<Vec<u8>>> {
    use std::io::{Read, Seek, SeekFrom};
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    let whole = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    if whole == bytes.len() {
        return Ok(None);
    }
    file.set_len(whole as u64)?;
    Ok(Some(bytes.split_off(whole)))
}
