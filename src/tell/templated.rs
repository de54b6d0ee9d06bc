//! Reports made from templates: on a store, a case, a framework, and one page for those who decide. A team may give its own
//! template; whatever a log says is escaped for Markdown in it too.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::Environment;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::chart::stacked_bars;
use super::figures::{Figure, figures};
use super::findings::{broken_rules, findings_summary, listed};
use super::safe::{count, markdown, terminal};
use super::timeline::Timeline;
use crate::check::{Finding, Verdict};
use crate::model::Kind;
use crate::model::time::format_utc;
use crate::seal::SealVerdict;
use crate::stitch::{TaskIndex, TaskSet};
use crate::store::{Col, CustodyFile, Store, StoreError, scan_part_columns, side_by_side};

/// The template of a case report.
pub const CASE: &str = include_str!("../../templates/case.md");
/// The template of the page for those who decide.
pub const EXECUTIVE: &str = include_str!("../../templates/executive.md");

/// The template of the report on a whole store.
pub const REPORT: &str = include_str!("../../templates/report.md");
/// The template of the report on a framework.
pub const FRAMEWORK: &str = include_str!("../../templates/framework.md");

/// A chart: name of its file, and its SVG.
pub struct Chart {
    /// Title.
    pub title: String,
    /// Name of the file.
    pub file: &'static str,
    /// The picture.
    pub svg: String,
}

/// What a report is made of.
pub struct Material<'m> {
    /// The store.
    pub store: &'m Store,
    /// Its tasks.
    pub index: &'m TaskIndex,
    /// What policy says of them.
    pub verdict: &'m Verdict,
    /// State of the evidence.
    pub seal: &'m SealVerdict,
    /// Path under which the charts will lie, before their names; `None` if there are none.
    pub charts: Option<&'m str>,
}

/// Renders a template. Everything that is put in is escaped for Markdown; `code` makes a code span of it
/// instead, `count` a number with its noun, and `findings_table()` tells how often which rule
/// was broken, with the first findings of each.
///
/// # Errors
/// The template is not valid, or uses what is not there.
pub fn render(
    template: &str,
    values: &Value,
    verdict: &Verdict,
) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    // What macros and the filters below made is Markdown already; nothing else may call itself so.
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::Custom("markdown"));
    for filter in ["safe", "escape", "e"] {
        environment.remove_filter(filter);
    }
    environment.set_formatter(|out, _, value| {
        let text = if value.is_none() || value.is_undefined() {
            String::new()
        } else if value.is_safe() {
            value.to_string()
        } else {
            markdown(&value.to_string())
        };
        out.write_str(&text).map_err(minijinja::Error::from)
    });
    environment.set_keep_trailing_newline(true);
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Chainable);
    environment.add_filter("count", |number: u64, one: String| count(number, &one));
    environment.add_filter("code", |text: String| {
        let text = terminal(&text).replace('`', "'").replace('|', "\\|");
        minijinja::Value::from_safe_string(format!("`{text}`"))
    });
    let findings = match template.contains("findings_table") {
        true => findings_summary(verdict),
        false => String::new(),
    };
    environment.add_function("findings_table", move || {
        minijinja::Value::from_safe_string(findings.clone())
    });
    environment.add_template("report", template)?;
    environment.get_template("report")?.render(values)
}

fn file_row(file: &CustodyFile) -> Value {
    let proof = file.proof.as_ref();
    json!({
        "path": file.display_path(),
        "sha256": file.sha256,
        "source": file.source,
        "proof": proof.map_or_else(
            || "none".to_owned(),
            |proof| format!("{}: {}", proof.held.as_str(), proof.detail),
        ),
    })
}

pub(super) fn common(material: &Material<'_>, charts: &[Chart], findings: &[&Finding]) -> Value {
    let base = material.charts.unwrap_or_default();
    let pictures: Vec<Value> = charts
        .iter()
        .map(|chart| json!({"title": chart.title, "file": format!("{base}{}", chart.file)}))
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "policy": format!("{} {}", material.verdict.policy, material.verdict.policy_version),
        "findings": findings,
        "not_evaluable": material.verdict.not_evaluable,
        "seal": material.seal,
        "charts": pictures,
    })
}

/// Values for the report on a case, and its charts.
///
/// # Errors
/// A value cannot be put into JSON (never).
pub fn case_values(
    material: &Material<'_>,
    shown: &Timeline,
) -> Result<(Value, Vec<Chart>), serde_json::Error> {
    let tasks: BTreeSet<&str> = shown.tasks.iter().map(|task| task.id.as_str()).collect();
    let findings: Vec<&Finding> = material
        .verdict
        .findings
        .iter()
        .filter(|finding| tasks.contains(finding.task.as_str()))
        .collect();
    let evidence: BTreeSet<&str> = shown
        .tasks
        .iter()
        .flat_map(|task| &task.lines)
        .flat_map(|line| &line.evidence)
        .filter_map(|place| place.split(", record ").next())
        .collect();
    let files: Vec<Value> = material
        .store
        .batches()
        .iter()
        .flat_map(|batch| &batch.files)
        .filter(|file| evidence.contains(file.display_path().as_str()))
        .map(file_row)
        .collect();
    let mut bars: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    let mut blocks = Vec::new();
    for task in &shown.tasks {
        let times: Vec<&str> = task
            .lines
            .iter()
            .filter_map(|line| line.time.as_deref())
            .collect();
        for line in &task.lines {
            if let Some(second) = line.time.as_deref().and_then(|time| time.get(..19)) {
                let of = bars.entry(second.replace('T', " ")).or_default();
                *of.entry(line.source.clone()).or_default() += 1;
            }
        }
        let mut block = serde_json::to_value(task)?;
        block["first"] = times.iter().min().map_or("no time", |time| *time).into();
        block["last"] = times.iter().max().map_or("no time", |time| *time).into();
        block["events"] = task
            .lines
            .iter()
            .map(|line| line.events.len())
            .sum::<usize>()
            .into();
        block["writes"] = task
            .lines
            .iter()
            .filter(|line| line.kind == "write")
            .count()
            .into();
        block["id"] = task.id.get(..12).unwrap_or(&task.id).into();
        blocks.push(block);
    }
    let bars: Vec<_> = bars
        .into_iter()
        .map(|(time, of)| (time[11..].to_owned(), of))
        .collect();
    let charts = if material.charts.is_some() {
        vec![Chart {
            title: "Events by second and source".to_owned(),
            file: "activity.svg",
            svg: stacked_bars("Events by second and source (UTC)", &bars),
        }]
    } else {
        Vec::new()
    };
    let asked: Vec<&str> = shown
        .matched
        .iter()
        .map(|matched| matched.asked.as_str())
        .collect();
    let mut values = common(material, &charts, &findings);
    values["asked"] = asked.join(", ").into();
    values["tasks"] = blocks.into();
    values["files"] = files.into();
    values["left_out"] = shown.left_out.into();
    Ok((values, charts))
}

/// Events by hour and source, and the tasks in which a model takes part.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Hours {
    /// By hours since 1970, UTC.
    hours: BTreeMap<i64, BTreeMap<String, u64>>,
    agent_tasks: u64,
}

/// Microseconds of an hour.
const HOUR: i64 = 3_600_000_000;

impl Hours {
    /// Those of a store.
    pub(super) fn of(store: &Store, index: &TaskIndex) -> Result<Self, StoreError> {
        figures(store, index, Figure::Hours)
    }

    /// As a chart.
    pub(super) fn chart(self) -> Chart {
        let bars: Vec<_> = self
            .hours
            .into_iter()
            .map(|(hour, of)| {
                let time = format_utc(hour * HOUR);
                let label = time.get(5..13).unwrap_or_default().replace('T', " ");
                (format!("{label}h"), of)
            })
            .collect();
        Chart {
            title: "Events by hour and source".to_owned(),
            file: "activity.svg",
            svg: stacked_bars("Events by hour and source (UTC)", &bars),
        }
    }
}

/// Counts.
pub(super) fn counted(store: &Store, index: &TaskIndex) -> Result<Hours, StoreError> {
    let by_agent = TaskSet::new(index);
    let columns = ["time", "source", "kind"];
    let counted = side_by_side(&store.all_parts("events"), |(batch, path)| {
        let mut hours: BTreeMap<(i64, String), u64> = BTreeMap::new();
        // Events of one hour and source follow each other.
        let mut last: Option<((i64, String), u64)> = None;
        scan_part_columns::<StoreError>(store, path, *batch, &columns, |table| {
            for event in (0..table.len()).map(|row| table.view(row)) {
                if matches!(event.text(Col::Kind), Some("inference" | "tool_call"))
                    && let Some(task) = index.task_at(event.place())
                {
                    by_agent.insert(task);
                }
                let Some(time) = event.time() else { continue };
                let hour = time.div_euclid(HOUR);
                let source = event.text(Col::Source).unwrap_or_default();
                match &mut last {
                    Some(((at, of), count)) if *at == hour && of == source => *count += 1,
                    _ => {
                        if let Some((key, count)) = last.replace(((hour, source.to_owned()), 1)) {
                            *hours.entry(key).or_default() += count;
                        }
                    }
                }
            }
            Ok(())
        })?;
        if let Some((key, count)) = last {
            *hours.entry(key).or_default() += count;
        }
        Ok::<_, StoreError>(hours)
    })?;
    let mut all = Hours::default();
    for ((hour, source), events) in counted.into_iter().flatten() {
        let of = all.hours.entry(hour).or_default();
        *of.entry(source).or_default() += events;
    }
    all.agent_tasks = by_agent.len() as u64;
    index.check()?;
    Ok(all)
}

/// The chart of findings by rule.
pub(super) fn by_rule(verdict: &Verdict) -> Chart {
    let bars: Vec<_> = broken_rules(verdict)
        .into_iter()
        .map(|rule| {
            let of = BTreeMap::from([(rule.first.level.as_str().to_owned(), rule.findings)]);
            (rule.first.rule.clone(), of)
        })
        .collect();
    Chart {
        title: "Findings by rule".to_owned(),
        file: "findings.svg",
        svg: stacked_bars("Findings by rule and level", &bars),
    }
}

/// Values for the page for those who decide, and its charts.
///
/// # Errors
/// The store cannot be read.
pub fn executive_values(material: &Material<'_>) -> Result<(Value, Vec<Chart>), StoreError> {
    let Material {
        store,
        index,
        verdict,
        ..
    } = material;
    let hours = Hours::of(store, index)?;
    let agent_tasks = hours.agent_tasks;
    let files = || store.batches().iter().flat_map(|batch| &batch.files);
    let mut levels: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
    for finding in &verdict.findings {
        let level = levels
            .entry(finding.level.as_str())
            .or_insert((finding.level as usize, 0));
        level.1 += 1;
    }
    let mut by_level: Vec<_> = levels.iter().collect();
    by_level.sort_by_key(|(_, (grade, _))| std::cmp::Reverse(*grade));
    let kind = |kind: Kind| index.kind_count(kind);
    let mut unknown: Vec<String> = Vec::new();
    for rule in &verdict.not_evaluable {
        unknown.push(format!(
            "{} {} could not be judged: {}",
            rule.rule, rule.title, rule.missing
        ));
    }
    if verdict.rejects > 0 {
        unknown.push(format!(
            "{} places of the dumps could not be read",
            verdict.rejects
        ));
    }
    let damaged = material.seal.damages.len();
    if damaged > 0 {
        unknown.push(format!(
            "places of the store that are not as they were written: {damaged}; what rests on them is not shown (trail verify --integrity)"
        ));
    }
    let unproven = files().filter(|file| file.proof.is_none()).count();
    if unproven > 0 {
        unknown.push(format!(
            "{unproven} of {} dumps carry no proof of their source: that they are as it wrote them rests on who handed them over",
            files().count()
        ));
    }
    let charts = match material.charts {
        Some(_) => vec![hours.chart(), self::by_rule(verdict)],
        None => Vec::new(),
    };
    let mut values = common(material, &charts, &listed(verdict));
    let sources: BTreeSet<&str> = files().map(|file| file.source.as_str()).collect();
    let none = || "no time".to_owned();
    values["first"] = files()
        .filter_map(|file| file.first_time.clone())
        .min()
        .unwrap_or_else(none)
        .into();
    values["last"] = files()
        .filter_map(|file| file.last_time.clone())
        .max()
        .unwrap_or_else(none)
        .into();
    values["sources"] = json!(sources);
    values["files"] = files().map(file_row).collect();
    values["counts"] = json!({
        "tasks": index.len(), "agent_tasks": agent_tasks, "writes": kind(Kind::Write), "approvals": kind(Kind::Approval),
        "rejections": kind(Kind::Rejection), "inferences": kind(Kind::Inference), "exceptions": kind(Kind::Exception),
        "rejects": verdict.rejects,
    });
    values["levels"] = by_level
        .iter()
        .map(|(level, (_, count))| json!({"level": level, "count": count}))
        .collect();
    values["by_rule"] = broken_rules(verdict)
        .iter()
        .map(|rule| {
            let first = rule.first;
            json!({"rule": first.rule, "title": first.title, "level": first.level, "count": rule.findings,
                "tasks": rule.tasks, "first": first.time, "example": first.message})
        })
        .collect();
    values["unknown"] = json!(unknown);
    Ok((values, charts))
}
