//! Words, phrases and regular expressions in what was logged, with conditions on fields.
//!
//! What texts must hold to have a match saves reading all but a few of them ([`crate::store::texts_with`]): whole
//! words, or the parts of words that are in every match of a regular expression. An expression that has none, such
//! as `[0-9]{5}`, is looked for in every text.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::search_fields::{Fitting, find_in_columns, is_by_columns};
use super::search_pattern::Pattern;
use crate::check::Record;
use crate::model::Kind;
use crate::model::time::format_utc;
use crate::stitch::TaskIndex;
use crate::store::{
    Col, Custody, EventRef, EventView, Store, StoreError, TextFooters, Wanted, may_have_records,
    read_events, scan_part_columns, side_by_side, texts_with,
};
use crate::tell::task_block::evidence;

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

type Matches = HashMap<(i32, i64), Vec<Match>>;

/// Searches.
///
/// # Errors
/// The store cannot be read, the regular expression is none, or nothing was asked.
pub fn search(
    store: &Store,
    index: Option<&TaskIndex>,
    request: &SearchRequest,
) -> Result<Found, SearchError> {
    let patterns = patterns(request)?;
    let by_text = !patterns.is_empty();
    let asks_fields = !request.fields.is_empty()
        || !request.kinds.is_empty()
        || !request.sources.is_empty()
        || request.since.is_some()
        || request.until.is_some();
    if !by_text && !asks_fields {
        return Err(SearchError::Nothing);
    }
    let mut all = Fitting::default();
    let mut matches: Vec<Matches> = Vec::new();
    let by_columns = !by_text && is_by_columns(store, request);
    for (batch, custody) in store.batches().iter().enumerate() {
        let found = if by_text {
            find_texts(store, custody, &patterns)?
        } else {
            Matches::new()
        };
        if !by_text || !found.is_empty() {
            let parts = store.parts("events", custody);
            let parts: Vec<(i64, PathBuf)> = (0..).zip(parts).collect();
            let events = side_by_side(&parts, |(part, path)| match by_columns {
                true => find_in_columns(path, batch, *part, request),
                false => find_events(store, path, batch, by_text.then_some(&found), request),
            })?;
            events.into_iter().for_each(|events| all.add(events));
        }
        matches.push(found);
    }
    let Fitting {
        events: mut fitting,
        counts,
    } = all;
    let events = fitting.len();
    let first = |(time, place): &(Option<i64>, EventRef)| (time.is_none(), *time, *place);
    if events > request.limit {
        fitting.select_nth_unstable_by_key(request.limit, first);
        fitting.truncate(request.limit);
    }
    fitting.sort_unstable_by_key(first);
    let shown: Vec<EventRef> = fitting.iter().map(|(_, place)| *place).collect();
    let set = read_events(store, &shown)?;
    let hits = set
        .iter()
        .map(|event| {
            let of_record = matches
                .get(event.place().batch)
                .and_then(|found| found.get(&(event.file(), event.ordinal())));
            hit(store, index, &event, best(of_record, event.part()))
        })
        .collect();
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(Found {
        events,
        hits,
        counts,
    })
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

/// The texts in which all patterns are found, by their records.
fn find_texts(
    store: &Store,
    custody: &Custody,
    patterns: &[Pattern],
) -> Result<Matches, StoreError> {
    // What is revealed stands in no text as it is stored.
    let mut wanted = Wanted::default();
    if !store.access().reveals() {
        for pattern in patterns {
            wanted.words.extend(&pattern.words);
            wanted.fragments.extend(pattern.fragments.iter().cloned());
        }
    }
    let places = texts_with(store, custody, &wanted)?;
    let footers = TextFooters::of(store, &places)?;
    let found = side_by_side(&places, |place| {
        let mut found: Vec<((i32, i64), Match)> = Vec::new();
        footers.scan(store, place, |file, ordinal, part, name, bytes| {
            let Some(first) = patterns.first().and_then(|pattern| pattern.find(bytes)) else {
                return;
            };
            if patterns[1..]
                .iter()
                .all(|pattern| pattern.find(bytes).is_some())
            {
                let context = context(bytes, first);
                let text = name.to_owned();
                found.push((
                    (file, ordinal),
                    Match {
                        part,
                        text,
                        context,
                    },
                ));
            }
        })?;
        Ok::<_, StoreError>(found)
    })?;
    let mut all = Matches::new();
    for (record, found) in found.into_iter().flatten() {
        all.entry(record).or_default().push(found);
    }
    Ok(all)
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

/// Whether an event of a record is meant by a match: one in a text of an event means that event, one in
/// the record alone all of its events.
fn is_meant(matches: &[Match], part: i32) -> bool {
    let mut own = matches
        .iter()
        .filter(|found| found.text != "raw")
        .peekable();
    own.peek().is_none() || own.any(|found| found.part == part)
}

fn find_events(
    store: &Store,
    path: &Path,
    batch: usize,
    texts: Option<&Matches>,
    request: &SearchRequest,
) -> Result<Fitting, StoreError> {
    let mut names = vec!["time", "kind", "source"];
    for field in request
        .fields
        .iter()
        .map(|(name, _)| name)
        .chain(&request.by)
    {
        names.push(crate::check::column_of(field));
    }
    let mut found = Fitting::default();
    if let Some(texts) = texts
        && !may_have_records(path, &texts.keys().copied().collect())?
    {
        return Ok(found);
    }
    scan_part_columns::<StoreError>(store, path, batch, &names, |table| {
        for row in 0..table.len() {
            let event = table.view(row);
            if let Some(texts) = texts {
                let Some(of_record) = texts.get(&(event.file(), event.ordinal())) else {
                    continue;
                };
                if !is_meant(of_record, event.part()) {
                    continue;
                }
            }
            if fits(&event, request) {
                found.events.push((event.time(), event.place()));
                if let Some(field) = &request.by {
                    let value = event.field(field);
                    found.count(value.as_deref().unwrap_or(Fitting::NONE), 1);
                }
            }
        }
        Ok(())
    })?;
    Ok(found)
}

fn fits(event: &EventView<'_>, request: &SearchRequest) -> bool {
    let time = event.time();
    let text = |column| event.text(column).unwrap_or_default();
    request
        .since
        .is_none_or(|since| time.is_some_and(|time| time >= since))
        && request
            .until
            .is_none_or(|until| time.is_some_and(|time| time < until))
        && (request.kinds.is_empty()
            || request
                .kinds
                .iter()
                .any(|kind| kind.as_str() == text(Col::Kind)))
        && (request.sources.is_empty()
            || request
                .sources
                .iter()
                .any(|want| is_of_source(text(Col::Source), want)))
        && request
            .fields
            .iter()
            .all(|(name, want)| event.field(name).is_some_and(|have| equal(&have, want)))
}

/// Whether a source is the named one, or of the named family.
pub(super) fn is_of_source(source: &str, want: &str) -> bool {
    let rest = source.strip_prefix(want);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// Whether a value is the wanted one, or begins as it does where it ends in `*`; case does not count.
pub(super) fn equal(have: &str, want: &str) -> bool {
    let (have, want) = (have.to_lowercase(), want.to_lowercase());
    match want.strip_suffix('*') {
        Some(beginning) => have.starts_with(beginning),
        None => have == want,
    }
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
        object: text(Col::Object),
        text: found.map(|found| found.text.clone()),
        context: found.map(|found| found.context.clone()),
        evidence: evidence(store, event),
    }
}
