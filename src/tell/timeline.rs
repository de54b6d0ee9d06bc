//! The chain of what happened, task by task.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use super::conditions::is_within;
use super::search::events_that;
use super::task_block::{TaskBlock, block, is_asked};
use crate::check::{Policy, PolicyError, judge_read};
use crate::model::{KeyKind, Kind, normalise_key};
use crate::stitch::TaskIndex;
use crate::store::{EventRef, EventSlice, Store, StoreError, find_key, read_events, side_by_side};

/// What a timeline is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// Tasks with an event that has this key.
    Key(KeyKind, String),
    /// Tasks whose id begins with that.
    Task(String),
}

/// A question for a timeline; all selectors must hold.
#[derive(Clone, Debug, Default)]
pub struct TimelineRequest {
    /// Which tasks.
    pub selectors: Vec<Selector>,
    /// Events from then on (microseconds UTC).
    pub since: Option<i64>,
    /// Events before then.
    pub until: Option<i64>,
    /// Events of these sources only.
    pub sources: Vec<String>,
    /// Events of these kinds only.
    pub kinds: Vec<Kind>,
    /// At most that many events, earliest tasks first.
    pub limit: Option<usize>,
}

/// Why there is no timeline.
#[derive(Debug, thiserror::Error)]
pub enum TimelineError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A value that identifies nothing.
    #[error("`{value}` identifies no {kind}")]
    NoKey {
        /// Key kind.
        kind: KeyKind,
        /// As given.
        value: String,
    },
    /// The rules that tasks are held against cannot be read.
    #[error(transparent)]
    Policy(Arc<PolicyError>),
}

/// What a selector found.
#[derive(Clone, Debug, Serialize)]
pub struct Matched {
    /// As asked, e.g. `invoice=INV-4711`.
    pub asked: String,
    /// In its normal form.
    pub normalised: String,
    /// Spellings found in the records.
    pub spellings: Vec<String>,
    /// Events that carry it.
    pub events: usize,
    /// Company codes and fiscal years it occurs in, where the records say so: one number can stand
    /// for several documents. Of the events shown.
    pub documents: BTreeSet<String>,
}

/// A timeline.
#[derive(Clone, Debug, Serialize)]
pub struct Timeline {
    /// What was matched.
    pub matched: Vec<Matched>,
    /// Tasks, earliest first.
    pub tasks: Vec<TaskBlock>,
    /// Events that are asked for and were left out because of the limit.
    pub left_out: usize,
}

/// Most tasks that are judged while a timeline is made; `trail verify` judges all.
const JUDGED: usize = 50;
/// Events read together.
const READ_AT_ONCE: usize = 20_000;
/// Events of a kind or a source that one core counts at once.
const COUNTED_AT_ONCE: usize = 65_536;
/// So many tasks are looked through for events of a kind or a source; of more it is found out first which have one,
const FEW_TASKS: usize = 100;
/// unless one event in so many is such a one.
const OFTEN: usize = 50;

/// Answers.
///
/// # Errors
/// The store cannot be read, or a selector's value identifies nothing.
pub fn timeline(
    store: &Store,
    index: &TaskIndex,
    policy: &Policy,
    request: &TimelineRequest,
) -> Result<Timeline, TimelineError> {
    timeline_before(store, index, &|| Ok(policy), request)
}

/// As [`timeline`], with rules that are asked for when the first task is held against them: until then they may be
/// compiled on another core.
///
/// # Errors
/// As [`timeline`], and where the rules cannot be read.
pub fn timeline_before<'p>(
    store: &Store,
    index: &TaskIndex,
    policy: &dyn Fn() -> Result<&'p Policy, Arc<PolicyError>>,
    request: &TimelineRequest,
) -> Result<Timeline, TimelineError> {
    let mut matched = Vec::new();
    let mut hits: Vec<Places> = Vec::new();
    // In order.
    let mut chosen: Option<Vec<usize>> = None;
    for selector in &request.selectors {
        let tasks = match selector {
            Selector::Task(prefix) => {
                let tasks = index.by_prefix(prefix);
                matched.push(Matched {
                    asked: format!("task={prefix}"),
                    normalised: prefix.clone(),
                    spellings: Vec::new(),
                    events: tasks.iter().map(|task| index.size(*task)).sum(),
                    documents: BTreeSet::new(),
                });
                hits.push(Places::default());
                tasks
            }
            Selector::Key(kind, value) => {
                let (tasks, places, found) = tasks_with(store, index, *kind, value)?;
                matched.push(found);
                hits.push(places);
                tasks
            }
        };
        chosen = Some(match chosen {
            Some(mut have) => {
                have.retain(|task| tasks.binary_search(task).is_ok());
                have
            }
            None => tasks,
        });
    }
    let mut tasks: Vec<usize> = match chosen {
        Some(tasks) => tasks,
        None if request.since.is_some() || request.until.is_some() => {
            index.tasks_between(request.since, request.until)
        }
        None => (0..index.len()).collect(),
    };
    if !request.kinds.is_empty() {
        let is_asked = |task: usize, kind: &Kind| index.has_kind(task, *kind);
        tasks.retain(|task| request.kinds.iter().any(|kind| is_asked(*task, kind)));
    }
    let is_filtered = !request.kinds.is_empty() || !request.sources.is_empty();
    let mut fitting: Option<Vec<EventRef>> = None;
    if is_filtered && tasks.len() > FEW_TASKS {
        let fitting = fitting.insert(events_that(store, &request.kinds, &request.sources)?);
        // Of what many tasks have, the first are found soon.
        if fitting.len() * OFTEN < index.events() {
            let mut having = vec![false; index.len()];
            let found = fitting.iter().filter_map(|event| index.task_at(*event));
            found.for_each(|task| having[task] = true);
            tasks.retain(|task| having[*task]);
        }
    }
    // Many systems write whole seconds: in the order of the file, where the time is the same.
    tasks.sort_by_cached_key(|task| {
        let begin = index.begin(*task).unwrap_or(i64::MAX);
        (begin, index.first(*task))
    });
    let mut blocks: Vec<TaskBlock> = Vec::new();
    let judged = tasks.len() <= JUDGED;
    let (mut shown, mut left_out, mut at) = (0, 0, 0);
    let limit = request.limit.unwrap_or(usize::MAX);
    // Enough, if every event is shown; more, if they turn out not to be.
    let mut step = READ_AT_ONCE.min(limit);
    while at < tasks.len() && shown < limit {
        // Tasks are read together: opening the tables once a task would cost more than reading.
        let mut group: Vec<(usize, Vec<u32>)> = Vec::new();
        let mut size = 0;
        while at < tasks.len() && size < step {
            let events = events_of(index, request, tasks[at]);
            size += events.len();
            group.push((tasks[at], events));
            at += 1;
        }
        step = READ_AT_ONCE.min(step * 4);
        let places: Vec<EventRef> = group
            .iter()
            .flat_map(|(_, events)| events)
            .map(|event| index.place(*event))
            .collect();
        let set = read_events(store, &places)?;
        let mut start = 0;
        for (task, events) in &group {
            let slice = set.slice(start, events.len());
            start += events.len();
            if shown >= limit {
                left_out += slice
                    .iter()
                    .filter(|event| is_asked(event, request))
                    .count();
                continue;
            }
            for (found, places) in matched.iter_mut().zip(&hits) {
                found.documents.extend(documents(found, places, slice));
            }
            let mut block = block(store, index, *task, events, slice, request);
            if block.lines.is_empty() {
                continue;
            }
            if judged {
                let policy = policy().map_err(TimelineError::Policy)?;
                block.findings = findings(store, index, policy, *task, slice)?;
            }
            shown += block.lines.len();
            blocks.push(block);
        }
    }
    let left = &tasks[at..];
    left_out += match (is_filtered, &fitting) {
        (false, _) => events_in(index, request, left),
        (true, Some(fitting)) => fitting_in(index, request, left, fitting)?,
        (true, None) => asked_in(store, index, request, left)?,
    };
    index.check()?;
    Ok(Timeline {
        matched,
        tasks: blocks,
        left_out,
    })
}

/// Events of a task within the time that is asked for.
fn events_of(index: &TaskIndex, request: &TimelineRequest, task: usize) -> Vec<u32> {
    let members = index.members(task).into_iter();
    members
        .filter(|event| is_within(index.time(*event), request.since, request.until))
        .collect()
}

/// How many events of tasks are within the time that is asked for.
fn events_in(index: &TaskIndex, request: &TimelineRequest, tasks: &[usize]) -> usize {
    let is_whole = request.since.is_none() && request.until.is_none();
    let all_timed = request.until.is_none() && index.untimed() == 0;
    let begins_in_time = |task: usize| {
        let begin = index.begin(task);
        all_timed && begin.is_some() && begin >= request.since
    };
    let of_each = tasks
        .iter()
        .map(|task| match is_whole || begins_in_time(*task) {
            true => index.size(*task),
            false => events_of(index, request, *task).len(),
        });
    of_each.sum()
}

/// How many of the events of a kind or a source are of those tasks.
fn fitting_in(
    index: &TaskIndex,
    request: &TimelineRequest,
    tasks: &[usize],
    fitting: &[EventRef],
) -> Result<usize, StoreError> {
    let mut asked = vec![false; index.len()];
    for task in tasks {
        asked[*task] = true;
    }
    let is_whole = request.since.is_none() && request.until.is_none();
    let is_left = |event: u32| {
        (is_whole || is_within(index.time(event), request.since, request.until))
            && index.task_of(event).is_some_and(|task| asked[task])
    };
    // Of what is frequent there are millions.
    let pieces: Vec<&[EventRef]> = fitting.chunks(COUNTED_AT_ONCE).collect();
    let of_each = side_by_side(&pieces, |piece| {
        let events = piece.iter().filter_map(|event| index.number(*event));
        Ok::<_, StoreError>(events.filter(|event| is_left(*event)).count())
    })?;
    Ok(of_each.into_iter().sum())
}

/// How many events of few tasks are of a kind or a source: they are looked at.
fn asked_in(
    store: &Store,
    index: &TaskIndex,
    request: &TimelineRequest,
    tasks: &[usize],
) -> Result<usize, StoreError> {
    let mut places: Vec<EventRef> = Vec::new();
    let mut count = 0;
    let mut tasks = tasks.iter().peekable();
    while let Some(task) = tasks.next() {
        let events = events_of(index, request, *task).into_iter();
        places.extend(events.map(|event| index.place(event)));
        if places.len() >= READ_AT_ONCE || tasks.peek().is_none() {
            let set = read_events(store, &places)?;
            let events = set.slice(0, set.len());
            count += events
                .iter()
                .filter(|event| is_asked(event, request))
                .count();
            places.clear();
        }
    }
    Ok(count)
}

fn tasks_with(
    store: &Store,
    index: &TaskIndex,
    kind: KeyKind,
    value: &str,
) -> Result<(Vec<usize>, Places, Matched), TimelineError> {
    let normalised = normalise_key(kind, value).ok_or_else(|| TimelineError::NoKey {
        kind,
        value: value.to_owned(),
    })?;
    let hits = find_key(store, kind, &normalised)?;
    let places: Vec<EventRef> = hits.iter().map(|hit| hit.place).collect();
    let mut spellings: BTreeSet<String> = BTreeSet::new();
    for hit in &hits {
        let spelling = hit.original.as_deref().unwrap_or(&normalised);
        if !spellings.contains(spelling) {
            spellings.insert(spelling.to_owned());
        }
    }
    let mut tasks: Vec<usize> = places
        .iter()
        .filter_map(|place| index.task_at(*place))
        .collect();
    tasks.sort_unstable();
    tasks.dedup();
    let places = Places::of(places);
    let found = Matched {
        asked: format!("{kind}={value}"),
        normalised: normalised.into_owned(),
        spellings: spellings.into_iter().collect(),
        events: places.0.len(),
        documents: BTreeSet::new(),
    };
    Ok((tasks, places, found))
}

/// Places of events, in order.
#[derive(Default)]
struct Places(Vec<EventRef>);

impl Places {
    fn of(mut places: Vec<EventRef>) -> Self {
        places.sort_unstable();
        places.dedup();
        Self(places)
    }

    fn has(&self, place: EventRef) -> bool {
        self.0.binary_search(&place).is_ok()
    }
}

/// Which documents the events that were found speak of: one document number can exist once a company
/// code and fiscal year.
fn documents(found: &Matched, places: &Places, set: EventSlice<'_>) -> BTreeSet<String> {
    set.iter()
        .filter(|event| places.has(event.place()))
        .filter_map(|event| {
            let company = event.attribute("sap.company_code")?;
            let year = event.attribute("sap.fiscal_year")?;
            Some(format!("{company}/{}/{year}", found.normalised))
        })
        .collect()
}

/// The rules that a task breaks, in a few words each.
fn findings(
    store: &Store,
    index: &TaskIndex,
    policy: &Policy,
    task: usize,
    shown: EventSlice<'_>,
) -> Result<Vec<String>, StoreError> {
    let found = if shown.len() == index.size(task) {
        judge_read(store, index, policy, task, shown)
    } else {
        let members = index.members(task);
        let places: Vec<EventRef> = members.iter().map(|event| index.place(*event)).collect();
        let set = read_events(store, &places)?;
        judge_read(store, index, policy, task, set.slice(0, set.len()))
    };
    Ok(found
        .iter()
        .map(|f| format!("{} {} ({})", f.rule, f.title, f.level.as_str()))
        .collect())
}
