//! Destroying what the store knows of a person, and texts past their time.
//!
//! Neither touches events, links or the log: who did what to which object stays, with pseudonyms, and
//! every proof still holds. Both are refused where a legal hold says so.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use jiff::{Span, Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use super::wrap::replaced;
use crate::check::forget_verdict;
use crate::model::time::format_utc;
use crate::model::{KeyKind, Kind, normalise_key};
use crate::protect::{AccessError, Right, Role};
use crate::seal::{ContentDigest, reader_of, salt_key};
use crate::store::{
    Col, Erasure, Store, StoreError, find_key, forget_figures, forget_words, rewrite_contents,
    scan_part_columns,
};

/// A section `[[retain]]` of trail.toml: how long texts are kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retain {
    /// Only records of this source [default: of all].
    #[serde(default)]
    pub source: Option<String>,
    /// Only records whose events are all of this kind [default: of any].
    #[serde(default)]
    pub kind: Option<Kind>,
    /// Days after the last event of the record.
    pub days: u32,
}

/// A section `[[hold]]` of trail.toml: what must not be destroyed, whatever else says so.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// Why, for those who are refused.
    pub reason: String,
    /// A key, as `invoice=4711`; without one, everything is held.
    #[serde(default)]
    pub key: Option<String>,
    /// Day until which it holds, as 2027-01-31 [default: until it is taken out].
    #[serde(default)]
    pub until: Option<jiff::civil::Date>,
}

/// Why nothing was destroyed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum EraseError {
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Who asks may not.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Access(#[from] AccessError),
    /// The store was never protected.
    #[error(
        "this store is not protected: its tables name people in clear, so there is no key to destroy"
    )]
    #[diagnostic(help(
        "ingest the dumps into a protected store (`trail access protect`), and delete this one"
    ))]
    Clear,
    /// Nothing is known of that person.
    #[error("no pseudonym of this store stands for that value")]
    #[diagnostic(help("give an e-mail address, user name, number or name as it was logged"))]
    Unknown,
    /// A hold covers it.
    #[error("a legal hold covers {records} of the records: {reason}")]
    #[diagnostic(help(
        "holds stand in trail.toml of the store, as [[hold]]; nothing was destroyed"
    ))]
    Held {
        /// Records that are held.
        records: usize,
        /// Why.
        reason: String,
    },
    /// A hold that says nothing.
    #[error("the hold on `{key}` names no key; write kind=value, such as invoice=4711")]
    BadHold {
        /// As given.
        key: String,
    },
}

type Place = (usize, i32, i64);

/// Records that a hold covers (`None` stands for all), and its reason.
type Held = (Option<HashSet<Place>>, String);

/// Records that are held, with the reason; `None` stands for all.
fn held(store: &Store, holds: &[Hold], now_us: i64) -> Result<Vec<Held>, EraseError> {
    let today = format_utc(now_us);
    let today = today.get(..10).unwrap_or_default();
    let mut found = Vec::new();
    for hold in holds {
        if hold
            .until
            .is_some_and(|until| today > until.to_string().as_str())
        {
            continue;
        }
        let Some(key) = &hold.key else {
            found.push((None, hold.reason.clone()));
            continue;
        };
        let parsed = key
            .split_once('=')
            .and_then(|(kind, value)| Some((KeyKind::from_name(kind)?, value)))
            .and_then(|(kind, value)| Some((kind, normalise_key(kind, value)?)));
        let Some((kind, value)) = parsed else {
            return Err(EraseError::BadHold { key: key.clone() });
        };
        let places: Vec<_> = find_key(store, kind, &value)?
            .into_iter()
            .map(|hit| hit.place)
            .collect();
        let set = crate::store::read_events(store, &places)?;
        let records = set
            .iter()
            .map(|event| (event.place().batch, event.file(), event.ordinal()))
            .collect();
        found.push((Some(records), hold.reason.clone()));
    }
    Ok(found)
}

/// What an erasure destroyed, or would.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Erased {
    /// Pseudonyms that stood for the person, in all spellings.
    pub pseudonyms: Vec<String>,
    /// Batches that knew them.
    pub batches: Vec<String>,
}

/// Destroys what the pseudonyms of a person stand for. From then on nobody can tell who they are, also not
/// with every key of the store.
///
/// # Errors
/// The store is not protected, who asks may not, a hold covers a record of the person, or nothing is
/// known of them.
pub fn erase(
    store: &Store,
    roles: &BTreeMap<String, Role>,
    holds: &[Hold],
    person: &str,
    reason: &str,
    now_us: i64,
    dry_run: bool,
) -> Result<Erased, EraseError> {
    let access = store.access();
    if !access.is_protected() {
        return Err(EraseError::Clear);
    }
    access.need(Right::LookUp)?;
    access.need(Right::Reveal)?;
    let people = access.pseudonyms_of(person);
    let mut erased = Erased::default();
    for custody in store.batches() {
        let (_, rows) = access.vault_of(&custody.batch)?;
        let of_person = rows
            .into_iter()
            .map(|(name, _)| name)
            .filter(|name| people.iter().any(|one| name.starts_with(one.as_str())));
        let names: Vec<String> = of_person.collect();
        if !names.is_empty() {
            erased.batches.push(custody.batch.clone());
            erased.pseudonyms.extend(names);
        }
    }
    if erased.pseudonyms.is_empty() {
        return Err(EraseError::Unknown);
    }
    erased.pseudonyms.sort();
    erased.pseudonyms.dedup();
    let records = records_naming(store, &people)?;
    for (places, why) in held(store, holds, now_us)? {
        let count = match &places {
            None => records.len(),
            Some(places) => records.intersection(places).count(),
        };
        if count > 0 {
            return Err(EraseError::Held {
                records: count,
                reason: why,
            });
        }
    }
    if dry_run {
        return Ok(erased);
    }
    let _lock = store.lock()?;
    let mut files = BTreeMap::new();
    for batch in &erased.batches {
        for path in access.destroy(roles, batch, &people)? {
            let (name, file) = replaced(store, &path)?;
            files.insert(name, file);
        }
    }
    // First said, then done: an act that is cut off is found as such and can be repeated.
    Erasure {
        act: "erase".to_owned(),
        pseudonyms: erased.pseudonyms.clone(),
        records: records.len() as u64,
        files,
        ..act(reason, now_us)
    }
    .record(store)?;
    for batch in &erased.batches {
        access.remove_old(batch)?;
    }
    Ok(erased)
}

pub(super) fn act(reason: &str, now_us: i64) -> Erasure {
    Erasure {
        time: format_utc(now_us),
        operator: crate::ingest::operator(),
        host: crate::ingest::host(),
        reason: reason.to_owned(),
        ..Erasure::default()
    }
}

/// Records whose events name a person by a key.
fn records_naming(store: &Store, people: &HashSet<String>) -> Result<HashSet<Place>, StoreError> {
    let mut records = HashSet::new();
    for name in people {
        for kind in [KeyKind::User, KeyKind::Customer, KeyKind::Address] {
            let hits = find_key(store, kind, name)?;
            let places: Vec<_> = hits.into_iter().map(|hit| hit.place).collect();
            let set = crate::store::read_event_columns(store, &places, Some(&[]))?;
            records.extend(
                set.iter()
                    .map(|event| (event.place().batch, event.file(), event.ordinal())),
            );
        }
    }
    Ok(records)
}

/// Texts past their time.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Expired {
    /// Records whose texts are past their time.
    pub records: usize,
    /// Records that would be, were they not held.
    pub held: usize,
    /// Records past their time, by the rule (from 1).
    pub by_rule: BTreeMap<usize, usize>,
}

/// Destroys the texts of records that are past their time, but for the commitment to each.
///
/// # Errors
/// The store cannot be read or written, or its texts are protected from who asks.
pub fn retain(
    store: &Store,
    rules: &[Retain],
    holds: &[Hold],
    now_us: i64,
    dry_run: bool,
) -> Result<Expired, EraseError> {
    if store.access().is_protected() {
        store.access().need(Right::Contents)?;
        store.access().need(Right::Reveal)?;
        store.load_vault()?;
    }
    let holds = held(store, holds, now_us)?;
    let mut expired = Expired::default();
    let mut files = BTreeMap::new();
    let _lock = if dry_run { None } else { Some(store.lock()?) };
    let mut written: Vec<(PathBuf, PathBuf)> = Vec::new();
    for (batch, custody) in store.batches().iter().enumerate() {
        let mut gone: HashSet<(i32, i64)> = HashSet::new();
        for ((file, ordinal), rule) in past_time(store, batch, rules, now_us)? {
            let place = (batch, file, ordinal);
            let is_held = holds
                .iter()
                .any(|(places, _)| places.as_ref().is_none_or(|places| places.contains(&place)));
            if is_held {
                expired.held += 1;
            } else {
                gone.insert((file, ordinal));
                *expired.by_rule.entry(rule + 1).or_default() += 1;
            }
        }
        if gone.is_empty() {
            continue;
        }
        let key = salt_key(store, &custody.batch)?;
        for path in store.parts("contents", custody) {
            let aside = path.with_file_name(format!("_{}", name_of(&path)));
            let removed =
                rewrite_contents(store, &path, &aside, dry_run, |file, ordinal, bytes| {
                    gone.contains(&(file, ordinal)).then(|| {
                        let (original, _) = store.access().original(bytes);
                        let reader = reader_of(custody, file);
                        let record = crate::model::RecordHasher::new(reader, &original).record();
                        ContentDigest::of(&key, file, ordinal, &record).digest
                    })
                })?;
            expired.records += removed;
            if removed > 0 && !dry_run {
                let (_, file) = replaced(store, &aside)?;
                let below = path.strip_prefix(&store.layout().root).unwrap_or(&path);
                files.insert(below.display().to_string(), file);
                written.push((aside, path));
            }
        }
    }
    if !written.is_empty() {
        Erasure {
            act: "retain".to_owned(),
            records: expired.records as u64,
            files,
            ..act("past the time that trail.toml says", now_us)
        }
        .record(store)?;
        for (_, path) in &written {
            // The index of words would still say what stood in them.
            let folder = path
                .parent()
                .and_then(Path::file_name)
                .and_then(|name| name.to_str());
            if let Some(batch) = folder.and_then(|name| name.strip_prefix("batch=")) {
                forget_words(store, batch)?;
            }
        }
        // So would what was found in them.
        forget_verdict(store)?;
        forget_figures(store)?;
        for (aside, path) in written {
            std::fs::rename(&aside, &path).map_err(StoreError::io("moving", &path))?;
        }
    }
    Ok(expired)
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// Records of a batch that are past the time of a rule, with the first such rule.
fn past_time(
    store: &Store,
    batch: usize,
    rules: &[Retain],
    now_us: i64,
) -> Result<HashMap<(i32, i64), usize>, StoreError> {
    #[derive(Default)]
    struct Of {
        last: Option<i64>,
        kinds: BTreeSet<String>,
        source: String,
    }
    let Some(custody) = store.batches().get(batch) else {
        return Ok(HashMap::new());
    };
    let mut records: HashMap<(i32, i64), Of> = HashMap::new();
    for path in store.parts("events", custody) {
        let columns = ["time", "kind", "source"];
        scan_part_columns::<StoreError>(store, &path, batch, &columns, |table| {
            for row in 0..table.len() {
                let event = table.view(row);
                let of = records.entry((event.file(), event.ordinal())).or_default();
                of.last = of.last.max(event.time());
                let text = |column| event.text(column).unwrap_or_default();
                of.kinds.insert(text(Col::Kind).to_owned());
                if of.source.is_empty() {
                    of.source = text(Col::Source).to_owned();
                }
            }
            Ok(())
        })?;
    }
    let ends: Vec<i64> = rules
        .iter()
        .map(|rule| days_before(now_us, rule.days))
        .collect();
    let rule_of = |of: &Of| {
        let last = of.last?;
        rules.iter().zip(&ends).position(|(rule, end)| {
            let source = rule.source.as_ref();
            let kind = rule.kind;
            last < *end
                && source.is_none_or(|source| *source == of.source)
                && kind.is_none_or(|kind| of.kinds.iter().all(|one| one == kind.as_str()))
        })
    };
    Ok(records
        .iter()
        .filter_map(|(place, of)| Some((*place, rule_of(of)?)))
        .collect())
}

fn days_before(now_us: i64, days: u32) -> i64 {
    let span: Span = (i64::from(days) * 24).hours();
    Timestamp::from_microsecond(now_us)
        .ok()
        .and_then(|now| now.checked_sub(span).ok())
        .map_or(i64::MIN, Timestamp::as_microsecond)
}
