//! Two groups of tasks held beside each other: what is more, less, new or gone, and how sure that is.
//!
//! Shares of tasks are compared by the two-proportion z-test, with the interval of Newcombe (1998, method
//! 10) on their difference; sizes (time, tokens, events) by Welch's t-test on the means, with its
//! interval. All tests of one comparison are corrected together by Benjamini and Hochberg (1995): of the
//! differences that are called clear, one in twenty is expected to be chance.

use std::collections::{BTreeMap, BTreeSet};

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::safe::{cut, terminal};
use crate::check::{Record, Verdict};
use crate::stitch::TaskIndex;
use crate::store::{Col, EventRef, EventView, Store, StoreError, read_event_columns, side_by_side};

/// Which tasks belong to a side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Side {
    /// Tasks that begin from the first moment on and before the second, microseconds UTC.
    Period(Option<i64>, Option<i64>),
    /// Tasks with an event whose field has that value.
    Field(String, String),
}

impl Side {
    fn has(&self, first: Option<i64>, events: &[EventView<'_>]) -> bool {
        match self {
            Self::Period(from, to) => first.is_some_and(|time| {
                from.is_none_or(|from| time >= from) && to.is_none_or(|to| time < to)
            }),
            Self::Field(name, value) => events
                .iter()
                .any(|event| event.field(name).is_some_and(|have| have == *value)),
        }
    }
}

/// One difference that was looked for.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// What: `tasks with an approval` (a share), `seconds a task` (a mean).
    pub what: String,
    /// On the side before: a share, or a mean.
    pub before: f64,
    /// After.
    pub after: f64,
    /// Difference, after less before, and its interval at 95 %.
    pub difference: [f64; 3],
    /// Probability of such a difference by chance, corrected for the number of comparisons.
    pub p: f64,
    /// Whether it is below 5 %.
    pub clear: bool,
    /// Tasks of the side that has more of it, the most telling first.
    pub examples: Vec<String>,
}

/// What a comparison found.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Tasks before and after.
    pub tasks: [usize; 2],
    /// Tasks that belong to both sides, and were left out.
    pub both: usize,
    /// All differences that were looked for, the clearest first.
    pub differences: Vec<Difference>,
    /// What only occurs after: `tool refund_payment`.
    pub new: Vec<String>,
    /// What only occurs before.
    pub gone: Vec<String>,
}

/// What a task looks like.
struct Seen {
    id: String,
    /// What occurs in it, and how often.
    traits: BTreeMap<String, u32>,
    /// Seconds, events, tokens.
    sizes: [Option<f64>; 4],
}

const SIZES: [&str; 4] = [
    "seconds a task",
    "events a task",
    "tokens in a task",
    "tokens out a task",
];
/// Events read together.
const AT_ONCE: usize = 50_000;
/// Tasks named for a difference.
const EXAMPLES: usize = 3;

/// Compares. Only tasks in which a model or agent takes part count.
///
/// # Errors
/// The store cannot be read.
pub fn compare(
    store: &Store,
    index: &TaskIndex,
    verdict: &Verdict,
    before: &Side,
    after: &Side,
) -> Result<Comparison, StoreError> {
    let mut findings: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for finding in &verdict.findings {
        let of_task = findings.entry(&finding.task).or_default();
        of_task.insert(format!("finding {} {}", finding.rule, finding.title));
    }
    let mut columns = vec![
        "time",
        "end_time",
        "kind",
        "tool",
        "outcome",
        "actor_type",
        "object_type",
        "source",
        "model_served",
        "model_requested",
        "tokens_in",
        "tokens_out",
    ];
    for side in [before, after] {
        if let Side::Field(name, _) = side {
            columns.push(crate::check::column_of(name));
        }
    }
    let order = index.by_place();
    let mut chunks: Vec<&[usize]> = Vec::new();
    let (mut start, mut size) = (0, 0);
    for (at, task) in order.iter().enumerate() {
        size += index.size(*task);
        if size >= AT_ONCE || at + 1 == order.len() {
            chunks.push(&order[start..=at]);
            (start, size) = (at + 1, 0);
        }
    }
    let look = |tasks: &&[usize]| -> Result<_, StoreError> {
        let mut sides: [Vec<Seen>; 2] = [Vec::new(), Vec::new()];
        let mut both = 0;
        let places: Vec<EventRef> = tasks
            .iter()
            .flat_map(|task| index.members(*task))
            .map(|event| index.place(event))
            .collect();
        let set = read_event_columns(store, &places, Some(&columns))?;
        let mut start = 0;
        for task in *tasks {
            let members = index.members(*task);
            let events: Vec<EventView<'_>> = set.slice(start, members.len()).iter().collect();
            start += members.len();
            if !by_agent(&events) {
                continue;
            }
            let times = members.iter().filter_map(|event| index.time(*event));
            let first = times.clone().min();
            let span = first.zip(times.max());
            let at = match (before.has(first, &events), after.has(first, &events)) {
                (true, true) => {
                    both += 1;
                    continue;
                }
                (true, false) => 0,
                (false, true) => 1,
                (false, false) => continue,
            };
            let id = index.id(*task).to_string();
            let of_rules = findings.get(id.as_str());
            sides[at].push(seen(id.clone(), &events, span, of_rules));
        }
        Ok((sides, both))
    };
    let mut sides: [Vec<Seen>; 2] = [Vec::new(), Vec::new()];
    let mut both = 0;
    for ([a, b], of_both) in side_by_side(&chunks, look)? {
        sides[0].extend(a);
        sides[1].extend(b);
        both += of_both;
    }
    index.check()?;
    Ok(held_beside(&sides, both))
}

fn by_agent(events: &[EventView<'_>]) -> bool {
    events.iter().any(|event| {
        matches!(
            event.text(Col::Kind),
            Some("inference" | "tool_call" | "instruction")
        ) || event.text(Col::ActorType) == Some("agent")
    })
}

fn seen(
    id: String,
    events: &[EventView<'_>],
    span: Option<(i64, i64)>,
    findings: Option<&BTreeSet<String>>,
) -> Seen {
    let mut traits: BTreeMap<String, u32> = BTreeMap::new();
    let mut tokens = [None, None];
    for event in events {
        let text = |column| event.text(column).filter(|text: &&str| !text.is_empty());
        let kind = text(Col::Kind).unwrap_or("event");
        let mut has = |what: String| *traits.entry(what).or_default() += 1;
        match kind {
            "approval" | "rejection" | "exception" | "message" | "retrieval" | "configuration" => {
                has(kind.to_owned());
            }
            "write" | "read" => {
                let object = text(Col::ObjectType).or(text(Col::Source)).unwrap_or("?");
                has(format!("{kind} of {object}"));
            }
            "tool_call" => has(format!("tool {}", text(Col::Tool).unwrap_or("?"))),
            _ => {}
        }
        match text(Col::Outcome) {
            Some("error") => has("error".to_owned()),
            Some("denied") => has("refusal".to_owned()),
            _ => {}
        }
        let model = text(Col::ModelServed).or(text(Col::ModelRequested));
        if let Some(model) = model.filter(|_| kind == "inference") {
            has(format!("model {model}"));
        }
        for (sum, count) in tokens
            .iter_mut()
            .zip([event.tokens_in(), event.tokens_out()])
        {
            if let Some(count) = count {
                *sum = Some(sum.unwrap_or(0.0) + count as f64);
            }
        }
    }
    for finding in findings.into_iter().flatten() {
        traits.insert(finding.clone(), 1);
    }
    let seconds = span.map(|(first, last)| (last - first) as f64 / 1e6);
    Seen {
        id,
        traits,
        sizes: [seconds, Some(events.len() as f64), tokens[0], tokens[1]],
    }
}

/// Tasks of a side in which something occurs.
#[derive(Default)]
struct Tally<'s> {
    tasks: usize,
    /// Those in which it occurs most often.
    most: Vec<(u32, &'s str)>,
}

impl<'s> Tally<'s> {
    fn add(&mut self, times: u32, id: &'s str) {
        self.tasks += 1;
        let before = |other: &(u32, &str)| other.0 > times || other.0 == times && other.1 < id;
        let at = self.most.partition_point(before);
        if at < EXAMPLES {
            self.most.insert(at, (times, id));
            self.most.truncate(EXAMPLES);
        }
    }
}

fn held_beside(sides: &[Vec<Seen>; 2], both: usize) -> Comparison {
    let [before, after] = sides;
    let mut tallies: BTreeMap<&str, [Tally<'_>; 2]> = BTreeMap::new();
    for (side, tasks) in sides.iter().enumerate() {
        for task in tasks {
            for (name, times) in &task.traits {
                tallies.entry(name).or_default()[side].add(*times, &task.id);
            }
        }
    }
    let mut differences = Vec::new();
    let (mut new, mut gone) = (Vec::new(), Vec::new());
    for (name, [of_before, of_after]) in &tallies {
        let (had, has) = (of_before.tasks, of_after.tasks);
        if had == 0 && !before.is_empty() {
            new.push(format!("{name}, in {has} tasks"));
        }
        if has == 0 && !after.is_empty() {
            gone.push(format!("{name}, in {had} tasks"));
        }
        let Some((difference, p)) = shares([had, has], [before.len(), after.len()]) else {
            continue;
        };
        let (a, b) = (ratio(had, before.len()), ratio(has, after.len()));
        let more = if b >= a { of_after } else { of_before };
        differences.push(Difference {
            what: format!("tasks with {name}"),
            before: a,
            after: b,
            difference,
            p,
            clear: false,
            examples: named(&more.most),
        });
    }
    for (at, name) in SIZES.iter().enumerate() {
        let values =
            |side: &[Seen]| -> Vec<f64> { side.iter().filter_map(|task| task.sizes[at]).collect() };
        let (a, b) = (values(before), values(after));
        let Some((difference, p)) = means(&a, &b) else {
            continue;
        };
        let (mean_a, mean_b) = (mean(&a), mean(&b));
        let more = if mean_b >= mean_a { after } else { before };
        let mut examples: Vec<(f64, &str)> = more
            .iter()
            .filter_map(|task| Some((task.sizes[at]?, task.id.as_str())))
            .collect();
        examples.sort_by(|x, y| y.0.total_cmp(&x.0).then(x.1.cmp(y.1)));
        differences.push(Difference {
            what: (*name).to_owned(),
            before: mean_a,
            after: mean_b,
            difference,
            p,
            clear: false,
            examples: named(&examples),
        });
    }
    correct(&mut differences);
    Comparison {
        tasks: [before.len(), after.len()],
        both,
        differences,
        new,
        gone,
    }
}

fn named<T>(examples: &[(T, &str)]) -> Vec<String> {
    examples
        .iter()
        .take(EXAMPLES)
        .map(|(_, id)| (*id).to_owned())
        .collect()
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Difference of two shares with its interval, and the probability of it by chance.
fn shares(counts: [usize; 2], totals: [usize; 2]) -> Option<([f64; 3], f64)> {
    if totals.contains(&0) {
        return None;
    }
    let normal = Normal::new(0.0, 1.0).ok()?;
    let z = normal.inverse_cdf(0.975);
    // Wilson's interval of one share.
    let wilson = |at: usize| {
        let (x, n) = (counts[at] as f64, totals[at] as f64);
        let p = x / n;
        let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
        let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        (p, (middle - half).max(0.0), (middle + half).min(1.0))
    };
    let ((p1, l1, u1), (p2, l2, u2)) = (wilson(0), wilson(1));
    let difference = p2 - p1;
    let low = difference - ((p2 - l2).powi(2) + (u1 - p1).powi(2)).sqrt();
    let high = difference + ((u2 - p2).powi(2) + (p1 - l1).powi(2)).sqrt();
    let (n1, n2) = (totals[0] as f64, totals[1] as f64);
    let pooled = (counts[0] + counts[1]) as f64 / (n1 + n2);
    let error = (pooled * (1.0 - pooled) * (1.0 / n1 + 1.0 / n2)).sqrt();
    let p = if error == 0.0 {
        1.0
    } else {
        2.0 * (1.0 - normal.cdf((difference / error).abs()))
    };
    Some(([difference, low, high], p))
}

/// Difference of two means with its interval, and the probability of it by chance.
fn means(a: &[f64], b: &[f64]) -> Option<([f64; 3], f64)> {
    if a.len() < 2 || b.len() < 2 {
        return None;
    }
    let (mean_a, mean_b) = (mean(a), mean(b));
    // Variance of the mean.
    let spread = |values: &[f64], mean: f64| {
        let n = values.len() as f64;
        values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0) / n
    };
    let (va, vb) = (spread(a, mean_a), spread(b, mean_b));
    let difference = mean_b - mean_a;
    let error = (va + vb).sqrt();
    if error == 0.0 {
        let p = if difference == 0.0 { 1.0 } else { 0.0 };
        return Some(([difference; 3], p));
    }
    let (na, nb) = (a.len() as f64, b.len() as f64);
    let freedom = (va + vb).powi(2) / (va * va / (na - 1.0) + vb * vb / (nb - 1.0));
    let t = StudentsT::new(0.0, 1.0, freedom).ok()?;
    let half = t.inverse_cdf(0.975) * error;
    let p = 2.0 * (1.0 - t.cdf((difference / error).abs()));
    Some(([difference, difference - half, difference + half], p))
}

/// Corrects for the number of comparisons, and sorts.
fn correct(differences: &mut [Difference]) {
    differences.sort_by(|a, b| a.p.total_cmp(&b.p).then_with(|| a.what.cmp(&b.what)));
    let count = differences.len() as f64;
    let mut least = 1.0f64;
    for at in (0..differences.len()).rev() {
        least = least.min(differences[at].p * count / (at as f64 + 1.0));
        differences[at].p = least;
        differences[at].clear = least < 0.05;
    }
}

/// For people.
#[must_use]
pub fn comparison_text(found: &Comparison, columns: usize, all: bool) -> String {
    let mut out = format!("{} tasks before, {} after", found.tasks[0], found.tasks[1]);
    if found.both > 0 {
        out.push_str(&format!("; {} are of both and were left out", found.both));
    }
    out.push_str("\n\n");
    let number = |value: f64| {
        if value.abs() >= 100.0 {
            format!("{value:.0}")
        } else {
            format!("{value:.2}")
        }
    };
    let shown: Vec<&Difference> = found
        .differences
        .iter()
        .filter(|d| all || d.clear)
        .collect();
    if shown.is_empty() {
        out.push_str(&format!(
            "no clear difference among {} that were looked for\n",
            found.differences.len()
        ));
    } else {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["what", "before", "after", "difference (95 %)", "p", "see"]);
        for at in 1..5 {
            if let Some(column) = table.column_mut(at) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for difference in shown {
            let [middle, low, high] = difference.difference;
            let see = difference
                .examples
                .first()
                .map(|id| id.chars().take(12).collect::<String>());
            table.add_row([
                cut(
                    &terminal(&difference.what),
                    columns.saturating_sub(72).max(24),
                ),
                number(difference.before),
                number(difference.after),
                format!("{} ({} to {})", number(middle), number(low), number(high)),
                if difference.p < 0.001 {
                    "<0.001".to_owned()
                } else {
                    format!("{:.3}", difference.p)
                },
                see.unwrap_or_default(),
            ]);
        }
        out.push_str(&format!("{table}\n"));
        let rest = found
            .differences
            .iter()
            .filter(|difference| !difference.clear)
            .count();
        if !all && rest > 0 {
            out.push_str(&format!("{rest} more may be chance (--all shows them)\n"));
        }
    }
    for (name, list) in [("only after", &found.new), ("only before", &found.gone)] {
        if !list.is_empty() {
            out.push_str(&format!("\n{name}\n"));
        }
        for what in list {
            out.push_str(&format!(
                " {}\n",
                cut(&terminal(what), columns.saturating_sub(1))
            ));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_the_literature() {
        // Newcombe 1998, example (a): 56/70 and 48/80, interval of method 10 for p1 - p2.
        let ([difference, low, high], _) = shares([48, 56], [80, 70]).unwrap();
        let near = |a: f64, b: f64| (a - b).abs() < 5e-5;
        assert!(
            near(difference, 0.2) && near(low, 0.0524) && near(high, 0.3339),
            "{low} {high}"
        );
        assert!(shares([0, 0], [0, 5]).is_none());
    }

    #[test]
    fn means_are_those_of_welch() {
        let a = [
            27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7,
            21.4,
        ];
        let b = [
            27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 30.5,
            24.4,
        ];
        let ([difference, ..], p) = means(&a, &b).unwrap();
        assert!((difference - 2.833_333).abs() < 1e-5, "{difference}");
        assert!((0.005..0.01).contains(&p), "{p}");
    }

    #[test]
    fn many_comparisons_are_corrected_together() {
        let one = |p: f64| Difference {
            what: String::new(),
            before: 0.0,
            after: 0.0,
            difference: [0.0; 3],
            p,
            clear: false,
            examples: Vec::new(),
        };
        let mut all = vec![one(0.04), one(0.01), one(0.03), one(0.9)];
        correct(&mut all);
        let p: Vec<f64> = all.iter().map(|d| (d.p * 1e4).round() / 1e4).collect();
        assert_eq!(p, [0.04, 0.0533, 0.0533, 0.9]);
        assert!(all[0].clear && !all[1].clear);
    }
}
