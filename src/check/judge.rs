//! Holds a store against a policy.

use serde::Serialize;

use super::rules::{Level, Logic, Policy, Rule, Selection, TaskRule, Template};
use super::sigma::StoredEvent;
use crate::stitch::TaskIndex;
use crate::store::{
    Col, EventRef, EventSlice, EventView, Store, StoreError, read_events, scan_part,
};

/// What a store looks like under a policy.
#[derive(Clone, Debug, Serialize)]
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
    /// Rules that were judged.
    pub rules_judged: usize,
    /// Tasks looked at.
    pub tasks: usize,
    /// Events looked at.
    pub events: usize,
}

/// A rule that was broken.
#[derive(Clone, Debug, Serialize)]
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
    /// The events behind it.
    pub evidence: Vec<Proof>,
}

/// Where the record behind an event lies.
#[derive(Clone, Debug, Serialize)]
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
#[derive(Clone, Debug, Serialize)]
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
    let masks = select(store, index, policy)?;
    let mut verdict = Verdict {
        policy: policy.name.clone(),
        policy_version: policy.version.clone(),
        policy_digest: policy.digest.to_string(),
        findings: Vec::new(),
        not_evaluable: Vec::new(),
        rules_judged: 0,
        tasks: index.len(),
        events: index.events(),
    };
    let mut judged: Vec<&Rule> = Vec::new();
    for rule in &policy.rules {
        let missing = missing_kinds(rule, index);
        if missing.is_empty() {
            judged.push(rule);
        } else {
            verdict.not_evaluable.push(Unjudged {
                rule: rule.id.clone(),
                title: rule.title.clone(),
                missing: format!("no event of kind {} was logged", missing.join(", ")),
            });
        }
    }
    verdict.rules_judged = judged.len();
    let mut waiting: Vec<(usize, Vec<&Rule>)> = Vec::new();
    let mut size = 0;
    for task in 0..index.len() {
        let members = index.members(task);
        let present = members
            .iter()
            .fold(0u128, |all, event| all | masks[*event as usize]);
        let relevant: Vec<&Rule> = judged
            .iter()
            .copied()
            .filter(|rule| may_break(rule, present))
            .collect();
        if !relevant.is_empty() {
            size += members.len();
            waiting.push((task, relevant));
        }
        // Tasks are read together: opening the tables once a task would cost more than reading.
        if size >= READ_AT_ONCE || task + 1 == index.len() {
            let known = |event: u32, _: EventView<'_>| masks[event as usize];
            judge_tasks(store, index, &known, &waiting, &mut verdict.findings)?;
            waiting.clear();
            size = 0;
        }
    }
    index.check()?;
    verdict.findings.sort_by(|a, b| {
        (b.level, &a.rule, &a.time, &a.task).cmp(&(a.level, &b.rule, &b.time, &b.task))
    });
    Ok(verdict)
}

/// Events read together: each reading goes through all part files, so few large ones are best; an
/// event takes about 1 KB while it is held.
const READ_AT_ONCE: usize = 200_000;

fn judge_tasks(
    store: &Store,
    index: &TaskIndex,
    mask_of: &dyn Fn(u32, EventView<'_>) -> u128,
    tasks: &[(usize, Vec<&Rule>)],
    findings: &mut Vec<Finding>,
) -> Result<(), StoreError> {
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
        let masks: Vec<u128> = members
            .iter()
            .zip(set.iter())
            .map(|(event, view)| mask_of(*event, view))
            .collect();
        let task = Judged {
            task: *task,
            members: &members,
            set,
            masks: &masks,
        };
        findings.extend(judge_task(store, index, rules, &task));
    }
    Ok(())
}

/// A task whose events were read and classified.
struct Judged<'t> {
    task: usize,
    members: &'t [u32],
    set: EventSlice<'t>,
    masks: &'t [u128],
}

fn judge_task(
    store: &Store,
    index: &TaskIndex,
    rules: &[&Rule],
    task: &Judged<'_>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in rules {
        // One finding a rule and task, however many systems logged the same deed.
        let mut breaches = broken(rule, task.set, task.masks, index, task.members).into_iter();
        let Some((mut message, mut events)) = breaches.next() else {
            continue;
        };
        let more: Vec<Vec<usize>> = breaches.map(|(_, events)| events).collect();
        if !more.is_empty() {
            message.push_str(&format!(" (and {} more such events)", more.len()));
            events.extend(more.into_iter().flatten());
            let mut known = std::collections::HashSet::new();
            events.retain(|event| known.insert(*event));
        }
        let time = index
            .time(task.members[events[0]])
            .map(crate::model::time::format_utc);
        findings.push(Finding {
            rule: rule.id.clone(),
            title: rule.title.clone(),
            level: rule.level,
            message,
            task: index.id(task.task).to_string(),
            time,
            tags: rule.tags.clone(),
            evidence: events
                .iter()
                .map(|at| proof(store, &task.set.get(*at)))
                .collect(),
        });
    }
    findings
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
    let rules: Vec<&Rule> = policy
        .rules
        .iter()
        .filter(|rule| missing_kinds(rule, index).is_empty())
        .collect();
    let masks: Vec<u128> = set.iter().map(|event| mask(policy, event)).collect();
    let judged = Judged {
        task,
        members: &index.members(task),
        set,
        masks: &masks,
    };
    judge_task(store, index, &rules, &judged)
}

/// Kinds that a rule needs and the store has no event of.
fn missing_kinds(rule: &Rule, index: &TaskIndex) -> Vec<&'static str> {
    let missing = rule
        .needs
        .iter()
        .filter(|kind| index.kind_count(**kind) == 0);
    missing.map(|kind| kind.as_str()).collect()
}

/// Which selections an event fits.
fn mask(policy: &Policy, event: EventView<'_>) -> u128 {
    policy
        .engine
        .evaluate(&StoredEvent(event))
        .iter()
        .fold(0, |mask, hit| {
            let number = hit
                .header
                .rule_id
                .as_deref()
                .and_then(|id| id.parse::<u32>().ok());
            mask | number.map_or(0, |number| 1 << number)
        })
}

/// Which selections each event of the store fits.
fn select(store: &Store, index: &TaskIndex, policy: &Policy) -> Result<Vec<u128>, StoreError> {
    let mut masks = Vec::with_capacity(index.events());
    for (batch, custody) in store.batches().iter().enumerate() {
        for path in store.parts("events", custody) {
            scan_part::<StoreError>(&path, batch, |table| {
                masks.extend((0..table.len()).map(|row| mask(policy, table.view(row))));
                Ok(())
            })?;
        }
    }
    Ok(masks)
}

fn fits(mask: u128, selection: Selection) -> bool {
    mask & (1 << selection) != 0
}

/// Whether a task with these selections present can break the rule at all.
fn may_break(rule: &Rule, present: u128) -> bool {
    match &rule.logic {
        Logic::Event(selection) => fits(present, *selection),
        Logic::Task(task) => match task.template {
            Template::Absence => fits(present, task.what),
            Template::Precedence | Template::Response => {
                task.when.is_some_and(|when| fits(present, when))
            }
        },
    }
}

/// Each breach as a sentence and the places of its events in the task; the main one first.
fn broken(
    rule: &Rule,
    set: EventSlice<'_>,
    masks: &[u128],
    index: &TaskIndex,
    members: &[u32],
) -> Vec<(String, Vec<usize>)> {
    match &rule.logic {
        Logic::Event(selection) => (0..masks.len())
            .filter(|at| fits(masks[*at], *selection))
            .map(|at| (describe(&set.get(at)), vec![at]))
            .collect(),
        Logic::Task(task) if task.template == Template::Absence => absence(task, set, masks),
        Logic::Task(task) => {
            let Some(when) = task.when else {
                return Vec::new();
            };
            let mut found = Vec::new();
            for at in (0..masks.len()).filter(|at| fits(masks[*at], when)) {
                let candidates = match task.template {
                    Template::Precedence => 0..at,
                    _ => at + 1..masks.len(),
                };
                let met = candidates.clone().any(|other| {
                    fits(masks[other], task.what) && conditions(task, &set.get(other), &set.get(at))
                });
                // Events of the same moment are not known to be in the wrong order.
                let same_moment = task.template == Template::Response
                    && (0..at).any(|other| {
                        index.time(members[other]) == index.time(members[at])
                            && fits(masks[other], task.what)
                            && conditions(task, &set.get(other), &set.get(at))
                    });
                if !met && !same_moment {
                    let side = if task.template == Template::Precedence {
                        "before"
                    } else {
                        "after"
                    };
                    found.push((
                        format!(
                            "{}; nothing {side} it answers to it",
                            describe(&set.get(at))
                        ),
                        vec![at],
                    ));
                }
            }
            collapse(found, set)
        }
    }
}

/// Rows of one save are one breach.
fn collapse(found: Vec<(String, Vec<usize>)>, set: EventSlice<'_>) -> Vec<(String, Vec<usize>)> {
    let mut out: Vec<(String, Vec<usize>)> = Vec::new();
    for (message, events) in found {
        let event = set.get(events[0]);
        let same = out.last_mut().filter(|(_, before)| {
            let last = set.get(before[0]);
            event.text(Col::Kind) == Some("write")
                && last.text(Col::Kind) == Some("write")
                && last.text(Col::Object) == event.text(Col::Object)
                && last.text(Col::Source) == event.text(Col::Source)
                && (last.time() == event.time() || event.time().is_none() || last.time().is_none())
        });
        match same {
            Some((_, before)) => before.extend(events),
            None => out.push((message, events)),
        }
    }
    out
}

fn absence(task: &TaskRule, set: EventSlice<'_>, masks: &[u128]) -> Vec<(String, Vec<usize>)> {
    let mut found = Vec::new();
    for at in (0..masks.len()).filter(|at| fits(masks[*at], task.what)) {
        let what = set.get(at);
        let partner = match (task.after, task.with) {
            (Some(after), _) => (0..at).find(|other| {
                let excused_before = task
                    .unless_before
                    .is_some_and(|unless| (0..*other).any(|earlier| fits(masks[earlier], unless)));
                let excused_between = task.unless_between.is_some_and(|unless| {
                    (*other + 1..at).any(|between| fits(masks[between], unless))
                });
                fits(masks[*other], after)
                    && !excused_before
                    && !excused_between
                    && conditions(task, &what, &set.get(*other))
            }),
            (None, Some(with)) => (0..masks.len()).find(|other| {
                *other != at
                    && fits(masks[*other], with)
                    && conditions(task, &what, &set.get(*other))
            }),
            (None, None) => {
                found.push((describe(&what), vec![at]));
                continue;
            }
        };
        if let Some(other) = partner {
            let word = if task.after.is_some() {
                "after"
            } else {
                "together with"
            };
            found.push((
                format!("{} {word} {}", describe(&what), describe(&set.get(other))),
                vec![at, other],
            ));
        }
    }
    collapse(found, set)
}

fn conditions(task: &TaskRule, what: &EventView<'_>, other: &EventView<'_>) -> bool {
    task.conditions
        .iter()
        .all(|condition| condition.holds(what, other))
}

/// An event in a few words.
fn describe(event: &EventView<'_>) -> String {
    let mut words = vec![event.text(Col::Kind).unwrap_or("event").replace('_', " ")];
    words.extend(event.text(Col::Action).map(|action| format!("“{action}”")));
    words.extend(event.text(Col::Object).map(|object| format!("on {object}")));
    words.extend(event.amount().map(|amount| format!("of {amount}")));
    words.extend(event.text(Col::Actor).map(|actor| format!("by {actor}")));
    words.extend(
        event
            .attribute("personal_data")
            .map(|kinds| format!("with {kinds}")),
    );
    words.join(" ")
}

fn proof(store: &Store, event: &EventView<'_>) -> Proof {
    let batch = store.batches().get(event.place().batch);
    let file = batch.and_then(|batch| batch.files.get(usize::try_from(event.file()).ok()?));
    Proof {
        event: event.id().to_string(),
        what: describe(event),
        file: file.map_or_else(|| "?".to_owned(), crate::store::CustodyFile::display_path),
        sha256: file.map(|file| file.sha256.clone()).unwrap_or_default(),
        record: event.ordinal(),
        offset: event.offset(),
        length: event.length(),
    }
}
