//! From keys to tasks: equal strong keys join events, unless their value is a hub; where ids stop,
//! weighed evidence does.
//!
//! The result is derived: `tasks/` and `links/` can be thrown away and are made again to the same
//! bytes, whatever the order of ingest.

mod closure;
mod column;
mod derived;
mod index;
mod statements;
mod tables;
mod weigh;

pub use derived::{check_derived, remake_derived};
pub use index::{Link, TaskIndex, TaskSet};
pub use statements::{STATEMENTS, StrongKey, strong_keys};
pub use weigh::{Candidate, Cause, Clock, Weighing};

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::model::{Digest, KeyKind};
use crate::store::{Store, StoreError};

/// Key kinds that join, strongest first.
const STRONG: [KeyKind; 8] = [
    KeyKind::Trace,
    KeyKind::WorkflowRun,
    KeyKind::Conversation,
    KeyKind::Response,
    KeyKind::ToolCall,
    KeyKind::Request,
    KeyKind::Transaction,
    KeyKind::Prefix,
];

/// Bytes from which on an id of these kinds is one: short ones ("call_1") are counters.
const COUNTER: usize = 8;

/// Whether short values of a kind are counters.
fn is_counter(kind: KeyKind) -> bool {
    matches!(
        kind,
        KeyKind::ToolCall | KeyKind::Request | KeyKind::Response
    )
}

/// How many other traces or conversations a value may reach before it is a hub.
fn default_limit(kind: KeyKind) -> usize {
    match kind {
        KeyKind::Trace => 50,
        KeyKind::WorkflowRun | KeyKind::Conversation => 200,
        KeyKind::Request | KeyKind::Transaction => 10,
        // Traces may change with every request of a conversation.
        KeyKind::Prefix => 50,
        _ => 3,
    }
}

/// A value that reaches too much to join anything.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Hub {
    /// Its kind.
    pub kind: KeyKind,
    /// The value.
    pub value: String,
    /// Traces or conversations it reaches.
    pub reach: usize,
    /// Events that carry it.
    pub events: usize,
}

/// The tasks of a store, made new if the store or the settings have changed.
///
/// # Errors
/// The store cannot be read, or the derived tables cannot be written.
pub fn tasks(store: &Store, config: &Config) -> Result<TaskIndex, StoreError> {
    let limits = limits(config);
    let state = state_digest(store, &limits, config.stitch.threshold);
    if let Some(index) = TaskIndex::load(store, state) {
        return Ok(index);
    }
    let _lock = store.lock()?;
    if let Some(index) = TaskIndex::load(store, state) {
        return Ok(index);
    }
    Ok(make(store, &limits, config.stitch.threshold, state)?.0)
}

/// The tasks as they were made before; `None` if the store or the settings have changed since.
#[must_use]
pub fn current(store: &Store, config: &Config) -> Option<TaskIndex> {
    let state = state_digest(store, &limits(config), config.stitch.threshold);
    TaskIndex::load(store, state)
}

/// How long each step took.
pub type Steps = Vec<(&'static str, Duration)>;

/// Makes the tasks new, whether or not anything has changed, and says how long each step took.
///
/// # Errors
/// The store cannot be read, or the derived tables cannot be written.
pub fn stitch(store: &Store, config: &Config) -> Result<(TaskIndex, Steps), StoreError> {
    let limits = limits(config);
    let state = state_digest(store, &limits, config.stitch.threshold);
    let _lock = store.lock()?;
    make(store, &limits, config.stitch.threshold, state)
}

fn make(
    store: &Store,
    limits: &BTreeMap<KeyKind, usize>,
    threshold: f64,
    state: Digest,
) -> Result<(TaskIndex, Steps), StoreError> {
    let mut clock = StepClock::default();
    let (index, ids) = closure::close(store, limits, threshold, state, &mut clock)?;
    tables::write(store, &index, &ids)?;
    derived::write_list(store)?;
    clock.done("writing tasks and links");
    Ok((index, clock.steps))
}

/// Takes the time of one step after the other.
struct StepClock {
    since: Instant,
    steps: Steps,
}

impl Default for StepClock {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            steps: Vec::new(),
        }
    }
}

impl StepClock {
    fn done(&mut self, step: &'static str) {
        let now = Instant::now();
        self.steps.push((step, now - self.since));
        self.since = now;
    }
}

fn limits(config: &Config) -> BTreeMap<KeyKind, usize> {
    STRONG
        .into_iter()
        .map(|kind| {
            let limit = config.hubs.get(kind.as_str()).copied();
            (kind, limit.unwrap_or_else(|| default_limit(kind)))
        })
        .collect()
}

/// What the derived tables depend on.
fn state_digest(store: &Store, limits: &BTreeMap<KeyKind, usize>, threshold: f64) -> Digest {
    let mut text = format!("trail tasks 6 {threshold}");
    for batch in store.batches() {
        text.push('\0');
        text.push_str(&batch.batch);
        for table in &batch.tables {
            text.push_str(&table.sha256);
        }
    }
    for (kind, limit) in limits {
        text.push_str(&format!("\0{kind}={limit}"));
    }
    Digest::of(text.as_bytes())
}
