//! Holds a store against a policy.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::correlate::correlate;
use super::exceptions::Excepted;
use super::rules::{Level, Logic, Policy, Rule};
use super::select::{Hits, raw_hits, select, selections_of};
use super::task::{Breach, Seen, broken, describe, may_break, surely_kept};
use crate::stitch::TaskIndex;
use crate::store::{
    Col, CustodyFile, EventRef, EventSlice, EventView, Store, StoreError, cores, read_events,
    side_by_side,
};

/// What a store looks like under a policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Verdict {
    /// Policy's name.
    pub policy: String,
    /// Its version.
    pub policy_version: String,
    /// SHA-256 of its files.
    pub policy_digest: String,
    /// What was found, gravest first.
    pub findings: Vec<Finding>,
    /// Rules that could not be judged.
    pub not_evaluable: Vec<Unjudged>,
    /// Findings that an exception of the policy allows.
    pub excepted: Vec<Excepted>,
    /// Findings that the baseline file knew already, left out of the list.
    pub known: usize,
    /// Rules that were judged.
    pub rules_judged: usize,
    /// Events without a time; rules on order and time say little of them.
    pub events_without_time: usize,
    /// Places of the dumps that no reader understood.
    pub rejects: u64,
    /// Tasks looked at.
    pub tasks: usize,
    /// Events looked at.
    pub events: usize,
}

/// A rule that was broken.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// Rule's id.
    pub rule: String,
    /// Rule's title.
    pub title: String,
    /// Level.
    pub level: Level,
    /// What happened, in a sentence.
    pub message: String,
    /// The task.
    pub task: String,
    /// Time of the first event, UTC.
    pub time: Option<String>,
    /// Controls the rule serves.
    pub tags: Vec<String>,
    /// Policies that the logs of the task say were in force then.
    pub policy_then: Vec<String>,
    /// The events behind it.
    pub evidence: Vec<Proof>,
}

/// Where the record behind an event lies.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Proof {
    /// Event id.
    pub event: String,
    /// What it was.
    pub what: String,
    /// Dump (and member of an archive).
    pub file: String,
    /// SHA-256 of the dump.
    pub sha256: String,
    /// Record in it, from 1.
    pub record: i64,
    /// First byte.
    pub offset: i64,
    /// Number of bytes.
    pub length: i64,
}

/// A rule whose data was never logged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Unjudged {
    /// Rule's id.
    pub rule: String,
    /// Title.
    pub title: String,
    /// What is missing.
    pub missing: String,
}

/// Judges.
///
/// # Errors
/// The store cannot be read.
pub fn judge(store: &Store, index: &TaskIndex, policy: &Policy) -> Result<Verdict, StoreError> {
    let hits = select(store, policy)?;
    let (raw, unjudged) = raw_hits(store, policy)?;
    let (mut verdict, judged) = verdict_without_findings(store, index, policy, |rule, at| {
        let Logic::Raw(raw) = &rule.logic else {
            return None;
        };
        let unread = unjudged.contains(&at);
        unread.then(|| format!("no log of {} was read", raw.source))
    });
    verdict.findings.extend(broken_proofs(store));
    let judge_all = |groups: &[Vec<(usize, Vec<&Rule>)>]| -> Result<Vec<Finding>, StoreError> {
        let found = side_by_side(groups, |tasks| judge_tasks(store, index, &hits, tasks))?;
        Ok(found.into_iter().flatten().collect())
    };
    let mut full: Vec<Vec<(usize, Vec<&Rule>)>> = Vec::new();
    let mut waiting: Vec<(usize, Vec<&Rule>)> = Vec::new();
    let mut size = 0;
    for task in index.by_place() {
        let members = index.members(task);
        let mut present: Vec<_> = members.iter().flat_map(|event| hits.of(*event)).collect();
        present.sort_unstable();
        present.dedup();
        let occurs = |selection| present.binary_search(&&selection).is_ok();
        let relevant: Vec<&Rule> = judged
            .iter()
            .copied()
            .filter(|rule| may_break(rule, &occurs))
            .collect();
        let relevant: Vec<&Rule> = if relevant.is_empty() {
            relevant
        } else {
            let known: Vec<_> = members
                .iter()
                .map(|event| (hits.of(*event), index.time(*event)))
                .collect();
            let open = relevant.into_iter();
            open.filter(|rule| !surely_kept(rule, &known)).collect()
        };
        if !relevant.is_empty() {
            size += members.len();
            waiting.push((task, relevant));
        }
        // Tasks are read together: opening the tables once a task would cost more than reading.
        if size >= READ_AT_ONCE {
            full.push(std::mem::take(&mut waiting));
            size = 0;
        }
        if full.len() >= cores() {
            verdict.findings.extend(judge_all(&full)?);
            full.clear();
        }
    }
    full.push(waiting);
    verdict.findings.extend(judge_all(&full)?);
    correlate(store, index, policy, &hits, &raw, &mut verdict.findings)?;
    let raw: Vec<(&Rule, EventRef)> = raw
        .iter()
        .map(|hit| (&policy.rules[hit.rule], hit.place))
        .filter(|(rule, _)| !policy.silent.contains(&rule.id))
        .collect();
    single_findings(store, index, &raw, &mut verdict.findings)?;
    index.check()?;
    sort_findings(&mut verdict.findings);
    Ok(verdict)
}

/// Judges some tasks only. Rules over events of many tasks, and over records as they were logged, need all of
/// them: they are named as not evaluable here.
///
/// # Errors
/// The store cannot be read.
pub fn judge_some(
    store: &Store,
    index: &TaskIndex,
    policy: &Policy,
    tasks: &[usize],
) -> Result<Verdict, StoreError> {
    let (mut verdict, _) = verdict_without_findings(store, index, policy, |rule, _| {
        matches!(rule.logic, Logic::Raw(_)).then(|| OF_ALL.to_owned())
    });
    let correlations = policy.correlated.iter().flat_map(|of| &of.correlations);
    for rule in correlations {
        verdict.not_evaluable.push(Unjudged {
            rule: rule.id.clone().unwrap_or_default(),
            title: rule.title.clone(),
            missing: OF_ALL.to_owned(),
        });
    }
    verdict.findings.extend(broken_proofs(store));
    for task in tasks {
        let set = read_events(store, &index.places(*task))?;
        let found = judge_read(store, index, policy, *task, set.slice(0, set.len()));
        verdict.findings.extend(found);
    }
    index.check()?;
    sort_findings(&mut verdict.findings);
    Ok(verdict)
}

/// Why a rule is not judged where some tasks are.
const OF_ALL: &str = "it is judged over the whole store: `trail verify`";

/// A verdict with what is known before anything is judged, and the rules that can be.
fn verdict_without_findings<'p>(
    store: &Store,
    index: &TaskIndex,
    policy: &'p Policy,
    unread: impl Fn(&Rule, usize) -> Option<String>,
) -> (Verdict, Vec<&'p Rule>) {
    let hidden = store.access().hidden();
    let mut verdict = Verdict {
        policy: policy.name.clone(),
        policy_version: policy.version.clone(),
        policy_digest: policy.digest.to_string(),
        findings: Vec::new(),
        not_evaluable: Vec::new(),
        excepted: Vec::new(),
        known: 0,
        rules_judged: 0,
        events_without_time: index.untimed(),
        rejects: store
            .batches()
            .iter()
            .flat_map(|batch| &batch.files)
            .map(|file| file.rejects)
            .sum(),
        tasks: index.len(),
        events: index.events(),
    };
    let mut judged: Vec<&Rule> = Vec::new();
    for (at, rule) in policy.rules.iter().enumerate() {
        if policy.silent.contains(&rule.id) {
            continue;
        }
        let missing = missing_kinds(rule, index);
        let missing = match &rule.logic {
            _ if !hidden.is_empty() => Some(format!(
                "the role that asks is not shown {}",
                hidden.join(", ")
            )),
            Logic::Raw(_) if !store.access().reads_contents() => {
                Some("records are protected from who asks".to_owned())
            }
            _ if unread(rule, at).is_some() => unread(rule, at),
            _ if !missing.is_empty() => Some(format!(
                "no event of kind {} was logged",
                missing.join(", ")
            )),
            _ => None,
        };
        match missing {
            None => judged.push(rule),
            Some(missing) => verdict.not_evaluable.push(Unjudged {
                rule: rule.id.clone(),
                title: rule.title.clone(),
                missing,
            }),
        }
    }
    verdict.rules_judged = judged.len();
    (verdict, judged)
}

/// The gravest first.
pub fn sort_findings(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        (b.level, &a.rule, &a.time, &a.task).cmp(&(a.level, &b.rule, &b.time, &b.task))
    });
}

/// Events read together: each reading goes through all part files, so few large ones are best; an
/// event takes about 1 KB while it is held.
pub(super) const READ_AT_ONCE: usize = 100_000;

fn judge_tasks(
    store: &Store,
    index: &TaskIndex,
    hits: &Hits,
    tasks: &[(usize, Vec<&Rule>)],
) -> Result<Vec<Finding>, StoreError> {
    let mut findings = Vec::new();
    let places: Vec<EventRef> = tasks
        .iter()
        .flat_map(|(task, _)| index.members(*task))
        .map(|event| index.place(event))
        .collect();
    let whole = read_events(store, &places)?;
    let mut start = 0;
    for (task, rules) in tasks {
        let members = index.members(*task);
        let set = whole.slice(start, members.len());
        start += members.len();
        let views: Vec<EventView<'_>> = set.iter().collect();
        let seen: Vec<Seen<'_>> = members
            .iter()
            .zip(&views)
            .map(|(event, view)| Seen {
                record: view,
                fits: hits.of(*event),
                time: index.time(*event),
            })
            .collect();
        findings.extend(judge_task(store, index, rules, *task, &seen, &views));
    }
    Ok(findings)
}

fn judge_task(
    store: &Store,
    index: &TaskIndex,
    rules: &[&Rule],
    task: usize,
    seen: &[Seen<'_>],
    views: &[EventView<'_>],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in rules {
        let Some((message, events)) = one_finding(broken(rule, seen)) else {
            continue;
        };
        findings.push(Finding {
            rule: rule.id.clone(),
            title: rule.title.clone(),
            level: rule.level,
            message,
            task: index.id(task).to_string(),
            time: seen[events[0]].time.map(crate::model::time::format_utc),
            tags: rule.tags.clone(),
            policy_then: policies(views.iter()),
            evidence: events.iter().map(|at| proof(store, &views[*at])).collect(),
        });
    }
    findings
}

/// One finding a rule and task, however many systems logged the same deed.
pub(super) fn one_finding(breaches: Vec<Breach>) -> Option<Breach> {
    let mut breaches = breaches.into_iter();
    let (mut message, mut events) = breaches.next()?;
    let more: Vec<Vec<usize>> = breaches.map(|(_, events)| events).collect();
    if !more.is_empty() {
        message.push_str(&format!(" (and {} more such events)", more.len()));
        events.extend(more.into_iter().flatten());
        let mut known = std::collections::HashSet::new();
        events.retain(|event| known.insert(*event));
    }
    Some((message, events))
}

/// Policies that events name, with their versions.
pub(super) fn policies<'v, 't: 'v>(events: impl Iterator<Item = &'v EventView<'t>>) -> Vec<String> {
    let mut names = BTreeSet::new();
    for event in events {
        let parts = [event.text(Col::PolicyId), event.text(Col::PolicyVersion)];
        let name: Vec<&str> = parts.into_iter().flatten().collect();
        if !name.is_empty() {
            names.insert(name.join(" "));
        }
    }
    names.into_iter().collect()
}

/// Findings that rest on one event each; those of one rule and task are one.
fn single_findings(
    store: &Store,
    index: &TaskIndex,
    hits: &[(&Rule, EventRef)],
    findings: &mut Vec<Finding>,
) -> Result<(), StoreError> {
    let places: Vec<EventRef> = hits.iter().map(|(_, place)| *place).collect();
    let set = read_events(store, &places)?;
    let mut by_task: BTreeMap<(&str, usize), Vec<usize>> = BTreeMap::new();
    for (at, (rule, place)) in hits.iter().enumerate() {
        if let Some(task) = index.task_at(*place) {
            by_task.entry((&rule.id, task)).or_default().push(at);
        }
    }
    for ((_, task), places) in by_task {
        let rule = hits[places[0]].0;
        let views: Vec<EventView<'_>> = places.iter().map(|at| set.get(*at)).collect();
        let first = views[0];
        let more = match views.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more such events)"),
        };
        findings.push(Finding {
            rule: rule.id.clone(),
            title: rule.title.clone(),
            level: rule.level,
            message: describe(&first) + &more,
            task: index.id(task).to_string(),
            time: first.time().map(crate::model::time::format_utc),
            tags: rule.tags.clone(),
            policy_then: policies(views.iter()),
            evidence: views.iter().map(|view| proof(store, view)).collect(),
        });
    }
    Ok(())
}

/// Id of the finding that the proof that a dump carries does not hold.
pub const BROKEN_PROOF: &str = "trail-source-proof";

/// Dumps whose own proof does not hold. No rule says so: whatever is concluded from them may be wrong.
fn broken_proofs(store: &Store) -> Vec<Finding> {
    let files = store.batches().iter().flat_map(|batch| &batch.files);
    let broken = files.filter_map(|file| Some((file, file.proof.as_ref()?)));
    broken
        .filter(|(_, proof)| proof.held == crate::attest::Held::Broken)
        .map(|(file, proof)| Finding {
            rule: BROKEN_PROOF.to_owned(),
            title: "The source's own proof does not hold".to_owned(),
            level: Level::Critical,
            message: format!("{} ({}): {}", file.display_path(), proof.by, proof.detail),
            task: String::new(),
            time: file.first_time.clone(),
            tags: Vec::new(),
            policy_then: Vec::new(),
            evidence: vec![Proof {
                event: String::new(),
                what: "the file as a whole".to_owned(),
                file: file.display_path(),
                sha256: file.sha256.clone(),
                record: 0,
                offset: 0,
                length: i64::try_from(file.size).unwrap_or(i64::MAX),
            }],
        })
        .collect()
}

/// Judges a task whose events, all of them in their order, were read already.
#[must_use]
pub fn judge_read(
    store: &Store,
    index: &TaskIndex,
    policy: &Policy,
    task: usize,
    set: EventSlice<'_>,
) -> Vec<Finding> {
    if !store.access().hidden().is_empty() {
        // On half of what was logged nothing can be judged.
        return Vec::new();
    }
    let rules: Vec<&Rule> = policy
        .rules
        .iter()
        .filter(|rule| missing_kinds(rule, index).is_empty())
        .filter(|rule| !policy.silent.contains(&rule.id))
        .collect();
    let members = index.members(task);
    let views: Vec<EventView<'_>> = set.iter().collect();
    let fits: Vec<_> = views
        .iter()
        .map(|view| selections_of(policy, view))
        .collect();
    let seen: Vec<Seen<'_>> = (0..views.len())
        .map(|at| Seen {
            record: &views[at],
            fits: &fits[at],
            time: index.time(members[at]),
        })
        .collect();
    judge_task(store, index, &rules, task, &seen, &views)
}

/// Kinds that a rule needs and the store has no event of.
fn missing_kinds(rule: &Rule, index: &TaskIndex) -> Vec<&'static str> {
    let missing = rule
        .needs
        .iter()
        .filter(|kind| index.kind_count(**kind) == 0);
    missing.map(|kind| kind.as_str()).collect()
}

pub(super) fn proof(store: &Store, event: &EventView<'_>) -> Proof {
    let batch = store.batches().get(event.place().batch);
    let file = batch.and_then(|batch| batch.files.get(usize::try_from(event.file()).ok()?));
    Proof {
        event: event.id().to_string(),
        what: describe(event),
        file: file.map_or_else(|| "?".to_owned(), CustodyFile::display_path),
        sha256: file.map(|file| file.sha256.clone()).unwrap_or_default(),
        record: event.ordinal(),
        offset: event.offset(),
        length: event.length(),
    }
}
