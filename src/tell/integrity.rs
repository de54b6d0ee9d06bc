//! What the check of a store's files and log found, for people.

use super::safe::terminal;
use crate::seal::SealVerdict;

/// One line each damage and note, and what was checked.
#[must_use]
pub fn integrity_text(verdict: &SealVerdict, files: usize) -> String {
    let mut lines: Vec<String> = verdict
        .damages
        .iter()
        .map(|damage| format!("{} {}", damage.file, damage.reason))
        .collect();
    lines.extend(verdict.notes.iter().map(|note| format!("note: {note}")));
    if !verdict.signed_by.is_empty() {
        lines.push(format!("signed by {}", verdict.signed_by.join(", ")));
    }
    lines.extend(
        verdict
            .stamps
            .iter()
            .map(|stamp| format!("time stamp: {stamp}")),
    );
    if verdict.pins > 0 {
        lines.push(format!("grown from {} pinned checkpoints", verdict.pins));
    }
    if verdict.withheld > 0 {
        lines.push(format!(
            "note: of {} records the commitment was held against the log, not the text: it is protected from you, or was destroyed on purpose",
            verdict.withheld
        ));
    }
    lines.push(format!(
        "{files} files and {} records checked against {} leaves of the log, {} damaged",
        verdict.records,
        verdict.size,
        verdict.damages.len()
    ));
    lines.iter().map(|line| terminal(line) + "\n").collect()
}
