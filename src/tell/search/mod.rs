//! Words, phrases and regular expressions in what was logged, with conditions on fields.
//!
//! What texts must hold to have a match saves reading all but a few of them ([`crate::store::texts_with`]): whole
//! words, or the parts of words that are in every match of a regular expression. An expression that has none, such
//! as `[0-9]{5}`, is looked for in every text.

mod fields;
mod pattern;
mod shape;
mod text;
mod texts;
mod walk;

use std::ops::Range;
use std::path::PathBuf;

use serde::Serialize;

use self::fields::{Fitting, find_events, find_in_columns, is_by_columns};
use self::pattern::Pattern;
pub use self::text::{search_csv, search_text};
pub use self::texts::Told;
use self::texts::{Place, Texts};
pub use self::walk::SearchSteps;
use self::walk::walk;
use super::task_block::evidence;
use crate::model::Kind;
use crate::model::time::format_utc;
use crate::stitch::TaskIndex;
use crate::store::{Col, EventRef, EventView, Store, StoreError, read_events, side_by_side};

/// What is searched for; all of it must hold.
#[derive(Clone, Debug, Default)]
pub struct SearchRequest {
    /// Words and phrases; all in one text. They are whole words; a `*` at the beginning or end stands for the
    /// rest of one. Case does not count, nor do zeros before a number.
    pub words: Vec<String>,
    /// A regular expression (crate `regex`).
    pub regex: Option<String>,
    /// Fields and their values: equal, or beginning with what stands before a `*`; case does not count.
    pub fields: Vec<(String, String)>,
    /// Kinds.
    pub kinds: Vec<Kind>,
    /// Sources.
    pub sources: Vec<String>,
    /// From then on, microseconds UTC.
    pub since: Option<i64>,
    /// Before then.
    pub until: Option<i64>,
    /// Hits that are shown, the earliest first.
    pub limit: usize,
    /// Field to count by.
    pub by: Option<String>,
    /// Count all that fit, however long that takes.
    pub exact: bool,
    /// How far it looks at once.
    pub steps: SearchSteps,
}

/// Why nothing could be searched.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The regular expression is none.
    #[error("{0}")]
    Regex(#[from] regex::Error),
    /// Nothing was asked.
    #[error("give words, --regex, --where, --kind or --source")]
    Nothing,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// Events that fit, shown or not.
    pub events: usize,
    /// Whether there may be more of them: counting stops at ten thousand where many texts would have to be read.
    pub more: bool,
    /// The earliest of them.
    pub hits: Vec<Hit>,
    /// Number of events by the value of a field, the most first.
    pub counts: Vec<(String, usize)>,
}

/// An event that fits.
#[derive(Clone, Debug, Serialize)]
pub struct Hit {
    /// Event id.
    pub event: String,
    /// Its task, if tasks were made since the last ingest.
    pub task: Option<String>,
    /// UTC, RFC 3339.
    pub time: Option<String>,
    /// Source.
    pub source: String,
    /// Kind.
    pub kind: String,
    /// Actor.
    pub actor: Option<String>,
    /// Action.
    pub action: Option<String>,
    /// Tool that was called, or gave a result.
    pub tool: Option<String>,
    /// Object.
    pub object: Option<String>,
    /// Which text it was found in (`raw`, `prompt`, …), if texts were searched.
    pub text: Option<String>,
    /// What stands before the match, the match, and what stands behind it.
    pub context: Option<[String; 3]>,
    /// Dump, record and bytes.
    pub evidence: String,
}

/// Characters of context on either side.
const CONTEXT: usize = 48;

/// A match in a text of a record.
struct Match {
    part: i32,
    text: String,
    context: [String; 3],
}

impl Match {
    fn of(part: i32, name: &str, bytes: &[u8], range: Range<usize>) -> Self {
        Self {
            part,
            text: name.to_owned(),
            context: context(bytes, range),
        }
    }
}

/// Searches. `told` hears how many bytes of texts were read, and how many there are to read at most.
///
/// # Errors
/// The store cannot be read, the regular expression is none, or nothing was asked.
pub fn search(
    store: &Store,
    index: Option<&TaskIndex>,
    request: &SearchRequest,
    told: &Told<'_>,
) -> Result<Found, SearchError> {
    let patterns = patterns(request)?;
    if patterns.is_empty() {
        return search_fields(store, index, request);
    }
    let texts = Texts::of(store, &patterns, told)?;
    let found = walk(&texts, request)?;
    let set = read_events(store, &found.first)?;
    let record = |event: &EventView<'_>| (event.place().batch, (event.file(), event.ordinal()));
    let mut matches = found.shown;
    let records = set.iter().map(|event| record(&event));
    let mut records: Vec<Place> = records.filter(|of| !matches.contains_key(of)).collect();
    records.sort_unstable();
    records.dedup();
    for (record, found) in texts.find(&records, Match::of)? {
        matches.entry(record).or_default().push(found);
    }
    let hit = |event: EventView<'_>| {
        let of_record = matches.get(&record(&event));
        hit(store, index, &event, best(of_record, event.part()))
    };
    Ok(Found {
        events: found.events,
        more: found.more,
        hits: set.iter().map(hit).collect(),
        counts: most_first(found.counts),
    })
}

/// Searches by conditions on fields alone.
fn search_fields(
    store: &Store,
    index: Option<&TaskIndex>,
    request: &SearchRequest,
) -> Result<Found, SearchError> {
    let asks_fields = !request.fields.is_empty()
        || !request.kinds.is_empty()
        || !request.sources.is_empty()
        || request.since.is_some()
        || request.until.is_some();
    if !asks_fields {
        return Err(SearchError::Nothing);
    }
    let Fitting {
        events: mut fitting,
        counts,
    } = fitting(store, request)?;
    let events = fitting.len();
    let first = |(time, place): &(Option<i64>, EventRef)| (time.is_none(), *time, *place);
    if events > request.limit {
        fitting.select_nth_unstable_by_key(request.limit, first);
        fitting.truncate(request.limit);
    }
    fitting.sort_unstable_by_key(first);
    let shown: Vec<EventRef> = fitting.iter().map(|(_, place)| *place).collect();
    let set = read_events(store, &shown)?;
    Ok(Found {
        events,
        more: false,
        hits: set
            .iter()
            .map(|event| hit(store, index, &event, None))
            .collect(),
        counts: most_first(counts),
    })
}

/// All events on which the conditions on fields hold, in the order of the store.
fn fitting(store: &Store, request: &SearchRequest) -> Result<Fitting, StoreError> {
    let mut all = Fitting::default();
    let by_columns = is_by_columns(store, request);
    for (batch, custody) in store.batches().iter().enumerate() {
        let parts: Vec<(i64, PathBuf)> = (0..).zip(store.parts("events", custody)).collect();
        let events = side_by_side(&parts, |(part, path)| match by_columns {
            true => find_in_columns(path, batch, *part, request),
            false => find_events(store, path, batch, request),
        })?;
        events.into_iter().for_each(|events| all.add(events));
    }
    Ok(all)
}

/// The events of those kinds (of any, if none is given) and sources, in the order of the store.
pub(super) fn events_that(
    store: &Store,
    kinds: &[Kind],
    sources: &[String],
) -> Result<Vec<EventRef>, StoreError> {
    let request = SearchRequest {
        kinds: kinds.to_vec(),
        sources: sources.to_vec(),
        ..SearchRequest::default()
    };
    let events = fitting(store, &request)?.events;
    Ok(events.into_iter().map(|(_, event)| event).collect())
}

fn most_first(counts: impl IntoIterator<Item = (String, usize)>) -> Vec<(String, usize)> {
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts
}

fn patterns(request: &SearchRequest) -> Result<Vec<Pattern>, regex::Error> {
    let words = request
        .words
        .iter()
        .filter(|word| !word.trim_matches('*').is_empty());
    let mut patterns: Vec<Pattern> = words
        .map(|word| Pattern::of_words(word))
        .collect::<Result<_, _>>()?;
    if let Some(regex) = &request.regex {
        patterns.push(Pattern::of_regex(regex)?);
    }
    Ok(patterns)
}

fn context(bytes: &[u8], range: Range<usize>) -> [String; 3] {
    let before = &bytes[range.start.saturating_sub(CONTEXT * 2)..range.start];
    let after = &bytes[range.end..bytes.len().min(range.end + CONTEXT * 2)];
    let before = String::from_utf8_lossy(before).into_owned();
    let skip = before.chars().count().saturating_sub(CONTEXT);
    [
        before.chars().skip(skip).collect(),
        String::from_utf8_lossy(&bytes[range])
            .chars()
            .take(200)
            .collect(),
        String::from_utf8_lossy(after)
            .chars()
            .take(CONTEXT)
            .collect(),
    ]
}

/// The match that speaks of an event: in a text of its own, else in the record.
fn best(matches: Option<&Vec<Match>>, part: i32) -> Option<&Match> {
    let matches = matches?;
    let own = matches
        .iter()
        .find(|found| found.part == part && found.text != "raw");
    own.or_else(|| matches.first())
}

fn hit(
    store: &Store,
    index: Option<&TaskIndex>,
    event: &EventView<'_>,
    found: Option<&Match>,
) -> Hit {
    let text = |column| event.text(column).map(str::to_owned);
    let task = index.and_then(|index| Some(index.id(index.task_at(event.place())?)));
    Hit {
        event: event.id().to_string(),
        task: task.map(|task| task.to_string()),
        time: event.time().map(format_utc),
        source: text(Col::Source).unwrap_or_default(),
        kind: text(Col::Kind).unwrap_or_default(),
        actor: text(Col::Actor),
        action: text(Col::Action),
        tool: text(Col::Tool),
        object: text(Col::Object),
        text: found.map(|found| found.text.clone()),
        context: found.map(|found| found.context.clone()),
        evidence: evidence(store, event),
    }
}
