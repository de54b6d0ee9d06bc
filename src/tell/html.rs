//! A timeline as one page that needs nothing else: no network, no other file, and under a content
//! security policy that lets nothing else in. It can be read without its script, by keyboard, and
//! printed.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use jiff::tz::TimeZone;
use minijinja::{AutoEscape, Environment};
use serde::Serialize;

use super::outputs::{cells, head_lines, matched_lines};
use super::safe::terminal;
use super::task_block::{Line, TaskBlock};
use super::timeline::Timeline;
use crate::model::Digest;
use crate::model::time::{Time, Zoneless, format_in};

const PAGE: &str = include_str!("../../templates/timeline.html");
const STYLE: &str = include_str!("../../templates/timeline.css");
const SCRIPT: &str = include_str!("../../templates/timeline.js");

#[derive(Serialize)]
struct Page<'p> {
    style: &'p str,
    style_hash: String,
    script: &'p str,
    script_hash: String,
    version: &'p str,
    zone: String,
    matched: Vec<Asked>,
    tasks: Vec<Task>,
    events: usize,
    left_out: String,
    sources: BTreeSet<String>,
    kinds: BTreeSet<String>,
    bars: Vec<Bar>,
    from: String,
    to: String,
}

#[derive(Serialize)]
struct Asked {
    asked: String,
    text: String,
}

#[derive(Serialize)]
struct Bar {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
    title: String,
}

#[derive(Serialize)]
struct Task {
    title: String,
    head: Vec<Named>,
    findings: Vec<String>,
    lanes: Lanes,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Named {
    name: String,
    text: String,
}

#[derive(Serialize)]
struct Row {
    id: String,
    class: &'static str,
    time: String,
    source: String,
    kind: String,
    who: String,
    what: String,
    object: String,
    outcome: String,
    context: String,
    link: String,
    evidence: Vec<String>,
    events: Vec<String>,
    changes: Vec<String>,
    notes: Option<String>,
}

#[derive(Serialize, Default)]
struct Lanes {
    width: usize,
    height: usize,
    rows: Vec<Lane>,
    dots: Vec<Dot>,
    arcs: Vec<Arc>,
    gaps: Vec<Gap>,
}

#[derive(Serialize)]
struct Lane {
    name: String,
    y: usize,
}

#[derive(Serialize)]
struct Dot {
    id: String,
    class: &'static str,
    x: usize,
    y: usize,
    title: String,
}

#[derive(Serialize)]
struct Arc {
    class: &'static str,
    path: String,
    title: String,
}

#[derive(Serialize)]
struct Gap {
    x: usize,
    text: String,
}

/// The page.
///
/// # Errors
/// The template is not valid (never for the one that is built in; a test holds that).
pub fn timeline_html(timeline: &Timeline, zone: &TimeZone) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_template("timeline", PAGE)?;
    let lines = || timeline.tasks.iter().flat_map(|task| &task.lines);
    let (bars, span) = histogram(&lines().filter_map(moment).collect::<Vec<i64>>(), zone);
    let (from, to) = span.unwrap_or_default();
    let hash = |text: &str| {
        let digest = Digest::of(text.as_bytes());
        format!(
            "sha256-{}",
            base64::engine::general_purpose::STANDARD.encode(digest.0)
        )
    };
    let asked = timeline.matched.iter().zip(matched_lines(timeline));
    let page = Page {
        style: STYLE,
        style_hash: hash(STYLE),
        script: SCRIPT,
        script_hash: hash(SCRIPT),
        version: env!("CARGO_PKG_VERSION"),
        zone: zone.iana_name().unwrap_or("UTC").to_owned(),
        matched: asked
            .map(|(matched, text)| Asked {
                asked: terminal(&matched.asked),
                text: terminal(&text),
            })
            .collect(),
        events: lines().map(|line| line.events.len()).sum(),
        left_out: match timeline.left_out {
            0 => String::new(),
            more => format!("{more} more events were left out (--limit). "),
        },
        sources: lines().map(|line| terminal(&line.source)).collect(),
        kinds: lines().map(|line| line.kind.clone()).collect(),
        tasks: (1..)
            .zip(&timeline.tasks)
            .map(|(number, block)| task(number, block, zone))
            .collect(),
        bars,
        from,
        to,
    };
    environment.get_template("timeline")?.render(page)
}

fn moment(line: &Line) -> Option<i64> {
    let time = Time::parse(line.time.as_deref()?, Zoneless::Utc).ok()?;
    Some(time.us)
}

const BARS: i64 = 100;

/// Bars of the number of events over time, and the times at both ends.
fn histogram(times: &[i64], zone: &TimeZone) -> (Vec<Bar>, Option<(String, String)>) {
    let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) else {
        return (Vec::new(), None);
    };
    let step = ((last - first) / BARS + 1).max(1);
    let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
    for time in times {
        *counts.entry((time - first) / step).or_default() += 1;
    }
    let most = counts.values().max().copied().unwrap_or(1);
    let bars = counts
        .iter()
        .map(|(at, count)| {
            let height = (count * 50).div_ceil(most);
            let begin = format_in(first + at * step, zone);
            Bar {
                x: usize::try_from(*at).unwrap_or(0) * 10,
                y: 52 - height,
                width: 9,
                height,
                title: format!("{count} events from {begin}"),
            }
        })
        .collect();
    let ends = (format_in(*first, zone), format_in(*last, zone));
    (bars, Some(ends))
}

fn class(line: &Line) -> &'static str {
    let failed = matches!(line.outcome.as_deref(), Some("error" | "denied"));
    match line.kind.as_str() {
        "approval" if !failed => "good",
        "rejection" | "exception" => "bad",
        _ if failed => "bad",
        "write" | "message" => "write",
        "inference" | "instruction" | "tool_call" | "tool_result" | "retrieval" => "model",
        _ => "other",
    }
}

fn task(number: usize, block: &TaskBlock, zone: &TimeZone) -> Task {
    let mut head = head_lines(block).into_iter();
    let title = terminal(&head.next().unwrap_or_default());
    let head = head
        .map(|line| {
            let line = terminal(line.trim());
            match line.split_once(": ").or_else(|| line.split_once(' ')) {
                Some((name, text)) => Named {
                    name: name.to_owned(),
                    text: text.trim().to_owned(),
                },
                None => Named {
                    name: line,
                    text: String::new(),
                },
            }
        })
        // Set off from the rest, in a list of their own.
        .filter(|row: &Named| !row.name.starts_with("finding"))
        .collect();
    let rows: Vec<Row> = block
        .lines
        .iter()
        .enumerate()
        .map(|(at, line)| row(number, at, line, zone))
        .collect();
    Task {
        title,
        head,
        findings: block.findings.iter().map(|text| terminal(text)).collect(),
        lanes: lanes(&rows, block),
        rows,
    }
}

fn row(task: usize, at: usize, line: &Line, zone: &TimeZone) -> Row {
    let [time, source, who, what, object, outcome, context] =
        cells(line, zone).map(|cell| terminal(&cell));
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "–".to_owned());
    Row {
        id: format!("e{task}-{at}"),
        class: class(line),
        time,
        source,
        kind: line.kind.clone(),
        who,
        what,
        object,
        outcome,
        context,
        link: terminal(&line.link),
        evidence: line.evidence.iter().map(|text| terminal(text)).collect(),
        events: line.events.clone(),
        changes: line
            .changes
            .iter()
            .map(|change| {
                let (before, after) = (value(&change.before), value(&change.after));
                terminal(&format!("{}: {before} → {after}", change.field))
            })
            .collect(),
        notes: line.notes.as_deref().map(terminal),
    }
}

/// Width of a step, height of a lane, and where they begin.
const STEP: usize = 26;
const LANE: usize = 34;
const LEFT: usize = 140;
const TOP: usize = 40;
/// A pause is marked where it is that many times as long as the task's mean one.
const PAUSE: i64 = 5;

/// Events in their order from left to right, a lane each system.
fn lanes(rows: &[Row], block: &TaskBlock) -> Lanes {
    let mut names: Vec<&str> = Vec::new();
    for row in rows {
        if !names.contains(&row.source.as_str()) {
            names.push(&row.source);
        }
    }
    let y_of = |source: &str| {
        let lane = names.iter().position(|name| *name == source);
        TOP + lane.unwrap_or(0) * LANE
    };
    let place: BTreeMap<&str, usize> = block
        .lines
        .iter()
        .enumerate()
        .flat_map(|(at, line)| line.events.iter().map(move |id| (id.as_str(), at)))
        .collect();
    let x_of = |at: usize| LEFT + at * STEP;
    let mut lanes = Lanes {
        width: LEFT + rows.len().max(12) * STEP,
        height: TOP + names.len() * LANE,
        ..Lanes::default()
    };
    for (at, (row, line)) in rows.iter().zip(&block.lines).enumerate() {
        let (x, y) = (x_of(at), y_of(&row.source));
        lanes.dots.push(Dot {
            id: row.id.clone(),
            class: row.class,
            x,
            y,
            title: format!("{} {} {} {}", row.time, row.source, row.what, row.object),
        });
        let cause = line.cause.as_deref().and_then(|id| place.get(id).copied());
        if let Some(cause) = cause.filter(|cause| *cause != at) {
            let (from_x, from_y) = (x_of(cause), y_of(&rows[cause].source));
            let middle = from_y
                .min(y)
                .saturating_sub(if from_y == y { 16 } else { 0 });
            let evidence = line.link.starts_with("evidence");
            lanes.arcs.push(Arc {
                class: if evidence { " evidence" } else { "" },
                path: format!(
                    "M{from_x} {from_y}C{} {middle} {} {middle} {x} {y}",
                    (from_x * 2 + x) / 3,
                    (from_x + x * 2) / 3
                ),
                title: row.link.clone(),
            });
        }
    }
    let times: Vec<Option<i64>> = block.lines.iter().map(moment).collect();
    let known: Vec<i64> = times.iter().flatten().copied().collect();
    if let (Some(first), Some(last)) = (known.first(), known.last())
        && known.len() > 2
    {
        let mean = (last - first) / (known.len() as i64 - 1);
        for (at, pair) in times.windows(2).enumerate() {
            if let [Some(before), Some(after)] = pair
                && after - before > (mean * PAUSE).max(60_000_000)
            {
                lanes.gaps.push(Gap {
                    x: x_of(at) + STEP / 2,
                    text: length(after - before),
                });
            }
        }
    }
    lanes.rows = names
        .iter()
        .enumerate()
        .map(|(lane, name)| Lane {
            name: super::safe::cut(name, 17),
            y: TOP + lane * LANE,
        })
        .collect();
    lanes
}

/// A length of time in its largest unit.
fn length(us: i64) -> String {
    let minutes = us / 60_000_000;
    match minutes {
        0..120 => format!("{minutes} min"),
        120..2880 => format!("{} h", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    }
}
