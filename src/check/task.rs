//! What task rules mean: the templates of Declare over the events of one task.

use super::conditions::Condition;
use super::record::Record;
use super::rules::{Logic, Rule, Selection, TaskRule, Template};

/// An event of a task under judgement.
#[derive(Clone, Copy)]
pub(super) struct Seen<'e> {
    pub record: &'e dyn Record,
    /// The selections it fits, sorted.
    pub fits: &'e [Selection],
    /// The time it is ordered by.
    pub time: Option<i64>,
}

impl Seen<'_> {
    fn fits(&self, selection: Selection) -> bool {
        self.fits.contains(&selection)
    }

    fn text(&self, name: &str) -> Option<String> {
        self.record.field(name).map(Into::into)
    }
}

/// A breach: a sentence, and the places of its events in the task, the main one first.
pub(super) type Breach = (String, Vec<usize>);

/// Whether a task in which these selections occur can break the rule at all.
pub(super) fn may_break(rule: &Rule, occurs: &dyn Fn(Selection) -> bool) -> bool {
    match &rule.logic {
        Logic::Event(selection) => occurs(*selection),
        Logic::Raw(_) | Logic::Correlation => false,
        Logic::Task(task) => match task.template {
            Template::Absence | Template::NotCoExistence | Template::AtMost => {
                let partner = task.after.or(task.with);
                occurs(task.what) && partner.is_none_or(occurs)
            }
            _ => task.when.is_some_and(occurs),
        },
    }
}

/// An event of which only selections and time are known.
struct Unread;

impl Record for Unread {
    fn field(&self, _: &str) -> Option<std::borrow::Cow<'_, str>> {
        None
    }

    fn strings(&self) -> Vec<std::borrow::Cow<'_, str>> {
        Vec::new()
    }

    fn time(&self) -> Option<i64> {
        None
    }

    fn amount(&self) -> Option<crate::model::Amount> {
        None
    }
}

/// Whether the rule is certainly kept in a task, by what is known without reading its events: the
/// selections that each fits, and its time.
pub(super) fn surely_kept(rule: &Rule, events: &[(&[Selection], Option<i64>)]) -> bool {
    let Logic::Task(task) = &rule.logic else {
        return false;
    };
    if !task.conditions.is_empty() || task.per.is_some() {
        return false;
    }
    let seen: Vec<Seen<'_>> = events
        .iter()
        .map(|(fits, time)| Seen {
            record: &Unread,
            fits,
            time: *time,
        })
        .collect();
    broken(rule, &seen).is_empty()
}

/// All breaches of a rule in a task.
pub(super) fn broken(rule: &Rule, events: &[Seen<'_>]) -> Vec<Breach> {
    let task = match &rule.logic {
        Logic::Event(selection) => {
            return (0..events.len())
                .filter(|at| events[*at].fits(*selection))
                .map(|at| (describe(events[at].record), vec![at]))
                .collect();
        }
        Logic::Raw(_) | Logic::Correlation => return Vec::new(),
        Logic::Task(task) => task,
    };
    let found = match task.template {
        Template::Absence | Template::NotCoExistence => absence(task, events),
        Template::AtMost => at_most(task, events),
        Template::Existence => existence(task, events),
        Template::Precedence
        | Template::Response
        | Template::ChainPrecedence
        | Template::ChainResponse => answers(task, events),
    };
    collapse(found, events)
}

/// Precedence and response: each event that fits `when` has its answer before or behind it.
fn answers(task: &TaskRule, events: &[Seen<'_>]) -> Vec<Breach> {
    let Some(when) = task.when else {
        return Vec::new();
    };
    let before = matches!(
        task.template,
        Template::Precedence | Template::ChainPrecedence
    );
    let mut found = Vec::new();
    for at in (0..events.len()).filter(|at| events[*at].fits(when)) {
        let candidates = match task.template {
            Template::Precedence => 0..at,
            Template::ChainPrecedence => at.saturating_sub(1)..at,
            Template::ChainResponse => at + 1..(at + 2).min(events.len()),
            _ => at + 1..events.len(),
        };
        let answers = |other: usize| {
            events[other].fits(task.what)
                && near(task, &events[other], &events[at])
                && conditions(task, &events[other], &events[at])
        };
        let met = candidates.clone().any(answers);
        // Events of the same moment are not known to be in the wrong order.
        let same_moment = task.template == Template::Response
            && (0..at).any(|other| events[other].time == events[at].time && answers(other));
        if !met && !same_moment {
            let side = if before { "before" } else { "after" };
            let within = task.within.map(|us| format!(" within {}", duration(us)));
            found.push((
                format!(
                    "{}; nothing {side} it answers to it{}",
                    describe(events[at].record),
                    within.unwrap_or_default()
                ),
                vec![at],
            ));
        }
    }
    found
}

/// A task in which `when` occurs has an event that fits `what`.
fn existence(task: &TaskRule, events: &[Seen<'_>]) -> Vec<Breach> {
    let first = task
        .when
        .and_then(|when| (0..events.len()).find(|at| events[*at].fits(when)));
    let Some(first) = first else {
        return Vec::new();
    };
    let met = (0..events.len()).any(|at| {
        events[at].fits(task.what)
            && near(task, &events[at], &events[first])
            && conditions(task, &events[at], &events[first])
    });
    if met {
        return Vec::new();
    }
    let message = format!(
        "{}; nothing in its task answers to it",
        describe(events[first].record)
    );
    vec![(message, vec![first])]
}

/// At most so many events that fit `what`, by the value of a field, within a time.
fn at_most(task: &TaskRule, events: &[Seen<'_>]) -> Vec<Breach> {
    let mut groups: std::collections::BTreeMap<Option<String>, Vec<usize>> = Default::default();
    for at in (0..events.len()).filter(|at| events[*at].fits(task.what)) {
        let group = task.per.as_deref().map(|field| events[at].text(field));
        // Without a value there is no group to count in.
        if let Some(None) = group {
            continue;
        }
        groups.entry(group.flatten()).or_default().push(at);
    }
    let mut found = Vec::new();
    for (group, places) in groups {
        let enough = task.times + 1;
        let window = places.windows(enough).find(|window| {
            let (first, last) = (window[0], window[enough - 1]);
            near(task, &events[last], &events[first])
        });
        if let Some(window) = window {
            let per = match (&task.per, group) {
                (Some(field), Some(value)) => format!(" with {field} {value}"),
                _ => String::new(),
            };
            let within = task.within.map(|us| format!(" within {}", duration(us)));
            found.push((
                format!(
                    "{} events{per}{}, at most {} allowed: {}",
                    places.len(),
                    within.unwrap_or_default(),
                    task.times,
                    describe(events[window[enough - 1]].record)
                ),
                window.iter().rev().copied().collect(),
            ));
        }
    }
    found
}

fn absence(task: &TaskRule, events: &[Seen<'_>]) -> Vec<Breach> {
    let mut found = Vec::new();
    for at in (0..events.len()).filter(|at| events[*at].fits(task.what)) {
        let what = &events[at];
        let fits_pair = |other: usize| {
            near(task, what, &events[other]) && conditions(task, what, &events[other])
        };
        let partner = match (task.after, task.with) {
            (Some(after), _) => (0..at).find(|other| {
                let excused_before = task
                    .unless_before
                    .is_some_and(|unless| (0..*other).any(|earlier| events[earlier].fits(unless)));
                let excused_between = task.unless_between.is_some_and(|unless| {
                    (*other + 1..at).any(|between| events[between].fits(unless))
                });
                events[*other].fits(after)
                    && !excused_before
                    && !excused_between
                    && fits_pair(*other)
            }),
            (None, Some(with)) => (0..events.len())
                .find(|other| *other != at && events[*other].fits(with) && fits_pair(*other)),
            (None, None) => {
                found.push((describe(what.record), vec![at]));
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
                format!(
                    "{} {word} {}",
                    describe(what.record),
                    describe(events[other].record)
                ),
                vec![at, other],
            ));
        }
    }
    found
}

/// Rows of one save are one breach.
fn collapse(found: Vec<Breach>, events: &[Seen<'_>]) -> Vec<Breach> {
    let mut out: Vec<Breach> = Vec::new();
    for (message, places) in found {
        let event = &events[places[0]];
        let same = out.last_mut().filter(|(_, before)| {
            let last = &events[before[0]];
            let both = |name: &str| (last.text(name), event.text(name));
            let is_write = |kind: &Option<String>| kind.as_deref() == Some("write");
            let (kinds, objects, sources) = (both("kind"), both("object"), both("source"));
            let times = (last.record.time(), event.record.time());
            is_write(&kinds.0)
                && is_write(&kinds.1)
                && objects.0 == objects.1
                && sources.0 == sources.1
                && (times.0 == times.1 || times.0.is_none() || times.1.is_none())
        });
        match same {
            Some((_, before)) => before.extend(places),
            None => out.push((message, places)),
        }
    }
    out
}

fn conditions(task: &TaskRule, what: &Seen<'_>, other: &Seen<'_>) -> bool {
    let holds = |condition: &Condition| condition.holds(what.record, other.record);
    task.conditions.iter().all(holds)
}

/// Whether two events are as near in time as the rule wants; never if a time is not known.
fn near(task: &TaskRule, a: &Seen<'_>, b: &Seen<'_>) -> bool {
    let Some(within) = task.within else {
        return true;
    };
    match (a.time, b.time) {
        (Some(a), Some(b)) => (a - b).abs() <= within,
        _ => false,
    }
}

/// `90 s`, `30 min`, `24 h`, `2 d`.
fn duration(us: i64) -> String {
    let seconds = us / 1_000_000;
    for (unit, size) in [("d", 86_400), ("h", 3600), ("min", 60)] {
        if seconds >= size && seconds % size == 0 {
            return format!("{} {unit}", seconds / size);
        }
    }
    format!("{seconds} s")
}

/// An event in a few words.
pub(super) fn describe(event: &dyn Record) -> String {
    let text = |name: &str| event.field(name);
    let kind = text("kind").unwrap_or_else(|| "event".into());
    let mut words = vec![kind.replace('_', " ")];
    words.extend(text("action").map(|action| format!("“{action}”")));
    words.extend(text("object").map(|object| format!("on {object}")));
    words.extend(event.amount().map(|amount| format!("of {amount}")));
    words.extend(text("actor").map(|actor| format!("by {actor}")));
    let personal = text("personal_data");
    words.extend(personal.map(|kinds| format!("with {kinds}")));
    words.join(" ")
}

/// Why a rule is broken in a task or is not, event by event.
pub(super) fn reasons(rule: &Rule, events: &[Seen<'_>]) -> Vec<String> {
    let Logic::Task(task) = &rule.logic else {
        return Vec::new();
    };
    let mut out = Vec::new();
    let parts = [
        ("when", task.when),
        ("what", Some(task.what)),
        ("after", task.after),
        ("with", task.with),
        ("unless_before", task.unless_before),
        ("unless_between", task.unless_between),
    ];
    for (name, selection) in parts {
        let Some(selection) = selection else { continue };
        let fitting: Vec<usize> = (0..events.len())
            .filter(|at| events[*at].fits(selection))
            .collect();
        if fitting.is_empty() {
            out.push(format!("{name}: no event of the task fits"));
        }
        for at in fitting.iter().take(MOST_REASONS) {
            out.push(format!(
                "{name}: event {} fits: {}",
                at + 1,
                describe(events[*at].record)
            ));
        }
        if fitting.len() > MOST_REASONS {
            out.push(format!("{name}: and {} more", fitting.len() - MOST_REASONS));
        }
    }
    let other = task.when.or(task.after).or(task.with);
    let mut pairs = 0;
    for at in 0..events.len() {
        if !events[at].fits(task.what) {
            continue;
        }
        for with in 0..events.len() {
            if with == at || !other.is_some_and(|other| events[with].fits(other)) {
                continue;
            }
            pairs += 1;
            if pairs > MOST_REASONS {
                continue;
            }
            for condition in &task.conditions {
                let holds = condition.holds(events[at].record, events[with].record);
                let values = condition.values(events[at].record, events[with].record);
                let values = values.map(|value| value.unwrap_or_else(|| "not logged".to_owned()));
                let verdict = if holds { "holds" } else { "does not hold" };
                out.push(format!(
                    "events {} and {}: {} {verdict} ({})",
                    at + 1,
                    with + 1,
                    condition.text(),
                    values.join(", ")
                ));
            }
            if task.within.is_some() {
                let verdict = if near(task, &events[at], &events[with]) {
                    "is near enough to"
                } else {
                    "is not near enough to"
                };
                out.push(format!(
                    "event {} {verdict} event {} in time",
                    at + 1,
                    with + 1
                ));
            }
        }
    }
    out
}

/// Lines of one kind that an explanation lists.
const MOST_REASONS: usize = 12;
