//! From keys to tasks: equal strong keys join events, unless their value is a hub; where ids stop,
//! weighed evidence does.
//!
//! The result is derived: `tasks/` and `links/` can be thrown away and are made again to the same
//! bytes, whatever the order of ingest.

mod closure;
mod column;
mod derived;
mod facts;
mod groups;
mod hubs;
mod index;
mod keys;
mod looked;
mod make;
mod merge;
mod segments;
mod sights;
mod statements;
mod tables;
mod texts;
mod touched;
mod weigh;

pub use derived::{check_derived, derived_tables, remake_derived};
pub use facts::dumps;
pub use index::{Link, TaskIndex, TaskSet};
pub use statements::{EVIDENCE, IDS, Sighted, StrongKey, notation, sights, strong_keys};
pub use weigh::{Candidate, Cause, Clock, Weighing};

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use index::Before;
use make::Remake;
use weigh::{Kept, Settings};

use crate::config::Config;
use crate::model::{Digest, KeyKind};
use crate::store::{Custody, Store, StoreError};

/// How records are joined: raised with each change of it, so that nothing made in another way is taken for current.
const METHOD: u32 = 19;

/// Cells whose events are as many rows as a file of tasks has at most.
const CELLS_A_FILE: usize = 8;

/// Cells whose events are as many as are looked at to weigh cells at once.
const CELLS_AT_ONCE: usize = 8;

/// Cells whose events are as many as a segment of the index has at most, as far as parts of the store are not larger.
const CELLS_A_SEGMENT: usize = 6;

/// Cells whose events are as many as keys, or ids, are held at once.
const CELLS_HELD: usize = 32;

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
    let state = state_digest(store, config);
    if let Some(index) = load(store, state) {
        return Ok(index);
    }
    let _lock = store.lock()?;
    if let Some(index) = load(store, state) {
        return Ok(index);
    }
    Ok(make(store, config, state, before)?.0)
}

/// The tasks as they were made before; `None` if the store or the settings have changed since.
#[must_use]
pub fn current(store: &Store, config: &Config) -> Option<TaskIndex> {
    load(store, state_digest(store, config))
}

fn load(store: &Store, state: Digest) -> Option<TaskIndex> {
    let index = TaskIndex::load(store, state)?;
    (!derived::is_unfinished(store)).then_some(index)
}

/// How long each step took.
pub type Steps = Vec<(&'static str, Duration)>;

/// How stitching went.
#[derive(Clone, Debug)]
pub struct Run {
    /// How long each step took.
    pub steps: Steps,
    /// Cells of time that evidence was weighed in.
    pub cells: usize,
    /// Those of them that were weighed now; nothing has touched the others.
    pub weighed: usize,
    /// How often parts of the store were gone through for that, each time for some of the cells.
    pub sweeps: usize,
    /// Events of the parts of the store that were read.
    pub read: usize,
}

/// Makes the tasks new, and says how it went. Where nothing has changed since they were made, all of it is made
/// from the records again; else what nothing has touched is taken as it was.
///
/// # Errors
/// The store cannot be read, or the derived tables cannot be written.
pub fn stitch(store: &Store, config: &Config) -> Result<(TaskIndex, Run), StoreError> {
    let state = state_digest(store, config);
    let _lock = store.lock()?;
    let nothing = |_: &Store| (Kept::default(), None);
    match load(store, state) {
        Some(_) => make(store, config, state, nothing),
        None => make(store, config, state, before),
    }
}

/// What was weighed and made before, if it is as it was written.
fn before(store: &Store) -> (Kept, Option<Before>) {
    if derived::is_unfinished(store) || !derived::is_as_listed(store, derived::CELLS) {
        return (Kept::default(), None);
    }
    let kept = Kept::read(&store.layout().root.join(derived::CELLS));
    (kept, Before::read(store))
}

fn make(
    store: &Store,
    config: &Config,
    state: Digest,
    before: impl FnOnce(&Store) -> (Kept, Option<Before>),
) -> Result<(TaskIndex, Run), StoreError> {
    let mut clock = StepClock::default();
    let (kept, before) = before(store);
    if before.is_some() {
        clock.done("reading what was made before");
    }
    let remake = Remake {
        store,
        state,
        made_by: method_and_settings(config),
        limits: limits(config),
        settings: Settings {
            threshold: config.stitch.threshold,
            cell: config.stitch.cell.get(),
            rows: config.stitch.cell.get().saturating_mul(CELLS_A_FILE),
            at_once: config.stitch.cell.get().saturating_mul(CELLS_AT_ONCE),
            segment: config.stitch.cell.get().saturating_mul(CELLS_A_SEGMENT),
            held: config.stitch.cell.get().saturating_mul(CELLS_HELD),
        },
        kept: &kept,
    };
    let listed = derived::listed(store);
    let mut closed = remake.close(before, &mut clock)?;
    let written = tables::write(store, &mut closed, &listed, remake.settings.held)?;
    derived::write_list(store, &written.files, &written.known)?;
    clock.done("writing tasks and links");
    let run = Run {
        steps: clock.steps,
        cells: closed.cells.len(),
        weighed: closed.weighed,
        sweeps: closed.sweeps,
        read: closed.read,
    };
    Ok((closed.index, run))
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

/// What the derived tables depend on, beside the records.
fn method_and_settings(config: &Config) -> String {
    let (threshold, cell) = (config.stitch.threshold, config.stitch.cell);
    let mut text = format!("trail tasks {METHOD} {threshold} {cell}");
    for (kind, limit) in limits(config) {
        text.push_str(&format!(" {kind}={limit}"));
    }
    text
}

/// What a batch says of itself: the digest of those of its tables.
fn batch_digest(batch: &Custody) -> Digest {
    let tables = batch.tables.iter();
    let all: Vec<&str> = tables.map(|table| table.sha256.as_str()).collect();
    Digest::of(all.join("\0").as_bytes())
}

/// What the derived tables depend on.
fn state_digest(store: &Store, config: &Config) -> Digest {
    let mut text = method_and_settings(config);
    for batch in store.batches() {
        text.push('\0');
        text.push_str(&batch.batch);
        text.push_str(&batch_digest(batch).to_string());
    }
    Digest::of(text.as_bytes())
}
