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
use super::task_traits::{TaskTraits, all_traits, tasks_with};
use crate::check::Verdict;
use crate::stitch::{TaskIndex, TaskSet};
use crate::store::{Store, StoreError};

/// Which tasks belong to a side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Side {
    /// Tasks that begin from the first moment on and before the second, microseconds UTC.
    Period(Option<i64>, Option<i64>),
    /// Tasks with an event whose field has that value.
    Field(String, String),
}

/// Which tasks a side has.
enum Members<'s> {
    Period(Option<i64>, Option<i64>),
    Tasks(&'s TaskSet),
}

impl Members<'_> {
    fn have(&self, task: &TaskTraits<'_>) -> bool {
        match self {
            Self::Period(from, to) => task.span.is_some_and(|(first, _)| {
                from.is_none_or(|from| first >= from) && to.is_none_or(|to| first < to)
            }),
            Self::Tasks(tasks) => tasks.contains(task.task),
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

const SIZES: [&str; 4] = [
    "seconds a task",
    "events a task",
    "tokens in a task",
    "tokens out a task",
];
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
    let all = all_traits(store, index)?;
    let mut names = all.names.clone();
    let mut findings: BTreeMap<usize, BTreeSet<u32>> = BTreeMap::new();
    let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
    for finding in &verdict.findings {
        let name = format!("finding {} {}", finding.rule, finding.title);
        let next = u32::try_from(names.len()).unwrap_or(u32::MAX);
        let number = *numbers.entry(name).or_insert_with_key(|name| {
            names.push(name.clone());
            next
        });
        for task in index.by_prefix(&finding.task) {
            findings.entry(task).or_default().insert(number);
        }
    }
    let set_of = |side: &Side| match side {
        Side::Period(..) => Ok(None),
        Side::Field(name, value) => tasks_with(store, index, name, value).map(Some),
    };
    let sets = [set_of(before)?, set_of(after)?];
    let members = |side: &Side, at: usize| match (side, &sets[at]) {
        (Side::Period(from, to), _) => Members::Period(*from, *to),
        (Side::Field(..), Some(tasks)) => Members::Tasks(tasks),
        // A side of a field has its set.
        (Side::Field(..), None) => Members::Period(None, None),
    };
    let members = [members(before, 0), members(after, 1)];
    let mut sides: [SideOf; 2] = Default::default();
    let mut tallies: Vec<[Tally; 2]> = vec![Default::default(); names.len()];
    let mut both = 0;
    all.each(|task| {
        let at = match [members[0].have(&task), members[1].have(&task)] {
            [true, true] => {
                both += 1;
                return;
            }
            [true, false] => 0,
            [false, true] => 1,
            [false, false] => return,
        };
        sides[at].add(&task);
        for (number, times) in task.traits.iter().zip(task.times) {
            tallies[*number as usize][at].add(*times, task.task);
        }
        for number in findings.get(&task.task).into_iter().flatten() {
            tallies[*number as usize][at].add(1, task.task);
        }
    });
    let id = |task: usize| index.id(task).to_string();
    let found = held_beside(&names, &tallies, &sides, both, &id);
    index.check()?;
    Ok(found)
}

/// The tasks of a side.
#[derive(Default)]
struct SideOf {
    tasks: usize,
    /// Seconds, events, tokens of each, and the task.
    sizes: [Vec<(f64, usize)>; 4],
}

impl SideOf {
    fn add(&mut self, task: &TaskTraits<'_>) {
        self.tasks += 1;
        let seconds = task.span.map(|(first, last)| (last - first) as f64 / 1e6);
        let tokens = task.tokens.map(|tokens| tokens.map(|count| count as f64));
        let sizes = [seconds, Some(f64::from(task.events)), tokens[0], tokens[1]];
        for (all, size) in self.sizes.iter_mut().zip(sizes) {
            all.extend(size.map(|size| (size, task.task)));
        }
    }
}

/// Tasks of a side in which something occurs.
#[derive(Clone, Default)]
struct Tally {
    tasks: usize,
    /// Those in which it occurs most often.
    most: Vec<(u32, usize)>,
}

impl Tally {
    /// Tasks come in the order of their ids.
    fn add(&mut self, times: u32, task: usize) {
        self.tasks += 1;
        let at = self.most.partition_point(|other| other.0 >= times);
        if at < EXAMPLES {
            self.most.insert(at, (times, task));
            self.most.truncate(EXAMPLES);
        }
    }
}

fn held_beside(
    names: &[String],
    tallies: &[[Tally; 2]],
    sides: &[SideOf; 2],
    both: usize,
    id: &dyn Fn(usize) -> String,
) -> Comparison {
    let [before, after] = sides;
    let mut differences = Vec::new();
    let (mut new, mut gone) = (Vec::new(), Vec::new());
    for (name, [of_before, of_after]) in names.iter().zip(tallies) {
        let (had, has) = (of_before.tasks, of_after.tasks);
        if had + has == 0 {
            continue;
        }
        if had == 0 && before.tasks > 0 {
            new.push(format!("{name}, in {has} tasks"));
        }
        if has == 0 && after.tasks > 0 {
            gone.push(format!("{name}, in {had} tasks"));
        }
        let Some((difference, p)) = shares([had, has], [before.tasks, after.tasks]) else {
            continue;
        };
        let (a, b) = (ratio(had, before.tasks), ratio(has, after.tasks));
        let more = if b >= a { of_after } else { of_before };
        differences.push(Difference {
            what: format!("tasks with {name}"),
            before: a,
            after: b,
            difference,
            p,
            clear: false,
            examples: more.most.iter().map(|(_, task)| id(*task)).collect(),
        });
    }
    new.sort();
    gone.sort();
    for (at, name) in SIZES.iter().enumerate() {
        let values = |side: &SideOf| -> Vec<f64> {
            let sizes = side.sizes[at].iter();
            sizes.map(|(size, _)| *size).collect()
        };
        let (a, b) = (values(before), values(after));
        let Some((difference, p)) = means(&a, &b) else {
            continue;
        };
        let (mean_a, mean_b) = (mean(&a), mean(&b));
        let more = if mean_b >= mean_a { after } else { before };
        let mut examples: Vec<(f64, usize)> = more.sizes[at].clone();
        let largest = |x: &(f64, usize), y: &(f64, usize)| y.0.total_cmp(&x.0).then(x.1.cmp(&y.1));
        if examples.len() > EXAMPLES {
            examples.select_nth_unstable_by(EXAMPLES - 1, largest);
            examples.truncate(EXAMPLES);
        }
        examples.sort_by(largest);
        differences.push(Difference {
            what: (*name).to_owned(),
            before: mean_a,
            after: mean_b,
            difference,
            p,
            clear: false,
            examples: examples.iter().map(|(_, task)| id(*task)).collect(),
        });
    }
    correct(&mut differences);
    Comparison {
        tasks: [before.tasks, after.tasks],
        both,
        differences,
        new,
        gone,
    }
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
