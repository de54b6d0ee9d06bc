//! Timelines as tables, CSV and Markdown.

use comfy_table::{ContentArrangement, Table, presets};

use super::safe::{csv_cell, cut, markdown, terminal};
use super::task_block::{Line, TaskBlock};
use super::timeline::Timeline;
use crate::model::time::{Time, Zoneless, format_in};
use jiff::tz::TimeZone;

fn show_time(time: Option<&str>, zone: &TimeZone) -> String {
    match time.and_then(|text| Time::parse(text, Zoneless::Utc).ok()) {
        Some(time) => format_in(time.us, zone),
        None => "(no time)".to_owned(),
    }
}

/// Columns that every wide form of a timeline has.
pub(super) fn cells(line: &Line, zone: &TimeZone) -> [String; 7] {
    [
        show_time(line.time.as_deref(), zone),
        line.source.clone(),
        who(line),
        what(line),
        object(line),
        outcome(line),
        context(line),
    ]
}

/// Who did it, and for whom.
fn who(line: &Line) -> String {
    let actor = line
        .actor
        .as_deref()
        .or(line.actor_type.as_deref())
        .unwrap_or("?");
    match &line.on_behalf_of {
        Some(person) if line.actor.as_deref() != Some(person) => format!("{actor} for {person}"),
        _ => actor.to_owned(),
    }
}

fn changes(line: &Line) -> String {
    let shown: Vec<String> = line
        .changes
        .iter()
        .take(4)
        .map(|change| {
            let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "–".to_owned());
            format!(
                "{}: {} → {}",
                change.field,
                value(&change.before),
                value(&change.after)
            )
        })
        .collect();
    let more = line.changes.len().saturating_sub(4);
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    shown.join("; ") + &rest
}

fn what(line: &Line) -> String {
    let mut words = vec![line.kind.replace('_', " ")];
    words.extend(Some(line.deed()).filter(|deed| !deed.is_empty()));
    words.join(": ")
}

fn object(line: &Line) -> String {
    let mut words: Vec<String> = line.object.clone().into_iter().collect();
    words.extend(line.amount.clone());
    words.extend(Some(changes(line)).filter(|text| !text.is_empty()));
    words.extend(line.knowledge.clone());
    words.join(" · ")
}

fn outcome(line: &Line) -> String {
    let outcome = line.outcome.as_deref().unwrap_or("");
    match &line.error {
        Some(error) => format!("{outcome} ({error})"),
        None => outcome.to_owned(),
    }
}

fn context(line: &Line) -> String {
    [&line.model, &line.policy]
        .into_iter()
        .flatten()
        .cloned()
        .collect::<Vec<_>>()
        .join(" · ")
}

pub(super) fn head_lines(block: &TaskBlock) -> Vec<String> {
    let head = &block.head;
    let list = |set: &std::collections::BTreeSet<String>| {
        let shown: Vec<&str> = set.iter().take(6).map(String::as_str).collect();
        let more = set.len().saturating_sub(6);
        if more > 0 {
            format!("{} and {more} more", shown.join(", "))
        } else {
            shown.join(", ")
        }
    };
    let title = if block.by_agent {
        "Task"
    } else {
        "No agent step: event"
    };
    let mut lines = vec![format!("{title} {}", &block.id[..12])];
    for (name, set) in [
        ("systems", &head.sources),
        ("actors", &head.people),
        ("models", &head.models),
        ("policies", &head.policies),
        ("knowledge", &head.knowledge),
    ] {
        if !set.is_empty() {
            lines.push(format!("  {name:<9} {}", list(set)));
        }
    }
    if block.by_agent {
        let mut oversight = format!("  approvals {}", head.approvals);
        if head.rejections > 0 {
            oversight.push_str(&format!(", rejections {}", head.rejections));
        }
        lines.push(oversight);
        for finding in &block.findings {
            lines.push(format!("  finding   {finding}"));
        }
        if !head.missing.is_empty() {
            lines.push(format!("  not logged: {}", head.missing.join(", ")));
        }
    }
    lines
}

pub(super) fn matched_lines(timeline: &Timeline) -> Vec<String> {
    let mut lines = Vec::new();
    for found in &timeline.matched {
        let spellings = if found.spellings.is_empty() {
            String::new()
        } else {
            format!(", written as {}", found.spellings.join(", "))
        };
        lines.push(format!(
            "{} matched {} events{spellings}",
            found.asked, found.events
        ));
        if found.documents.len() > 1 {
            lines.push(format!(
                "  several documents have this number: {}",
                Vec::from_iter(found.documents.iter().map(String::as_str)).join(", ")
            ));
        }
    }
    lines
}

/// For a terminal of that many columns (or a pipe). `verbose` adds why each event is in its task, and
/// the record behind it.
#[must_use]
pub fn timeline_table(
    timeline: &Timeline,
    zone: &TimeZone,
    columns: usize,
    verbose: bool,
) -> String {
    let mut out = String::new();
    for line in matched_lines(timeline) {
        out.push_str(&terminal(&line));
        out.push('\n');
    }
    for block in &timeline.tasks {
        out.push('\n');
        for line in head_lines(block) {
            out.push_str(&cut(&terminal(&line), columns));
            out.push('\n');
        }
        if columns < 120 {
            narrow_lines(&mut out, block, zone, columns, verbose);
        } else {
            wide_table(&mut out, block, zone, columns, verbose);
        }
    }
    if timeline.tasks.is_empty() {
        out.push_str("no event matches\n");
    }
    if timeline.left_out > 0 {
        out.push_str(&format!(
            "\n{} more events were left out by --limit\n",
            timeline.left_out
        ));
    }
    out
}

/// One table a task.
fn wide_table(out: &mut String, block: &TaskBlock, zone: &TimeZone, columns: usize, verbose: bool) {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(columns).unwrap_or(u16::MAX));
    table.set_header([
        "time",
        "source",
        "actor",
        "what",
        "object",
        "outcome",
        "model · policy",
    ]);
    for line in &block.lines {
        let cells = cells(line, zone);
        table.add_row(cells.iter().map(|cell| cut(&terminal(cell), 120)));
        if verbose {
            let cells = [
                String::new(),
                "└".to_owned(),
                line.link.clone(),
                proof(line),
            ];
            table.add_row(cells.iter().map(|cell| terminal(cell)));
        }
    }
    for row in table.lines() {
        out.push_str(row.trim_end());
        out.push('\n');
    }
}

/// Two short lines an event: at 80 columns, seven of a table would be too narrow to read.
fn narrow_lines(
    out: &mut String,
    block: &TaskBlock,
    zone: &TimeZone,
    columns: usize,
    verbose: bool,
) {
    let mut day = String::new();
    for line in &block.lines {
        let time = show_time(line.time.as_deref(), zone);
        let (date, clock) = time.split_once('T').unwrap_or(("", &time));
        if date != day && !date.is_empty() {
            date.clone_into(&mut day);
            out.push_str(&format!("{day}\n"));
        }
        let first = format!(
            "  {clock:<14} {:<12} {} — {}",
            line.source,
            what(line),
            who(line)
        );
        out.push_str(&format!("{}\n", cut(&terminal(&first), columns)));
        let mut rest = vec![object(line), outcome(line), context(line)];
        rest.retain(|text| !text.is_empty() && text != "ok");
        if verbose {
            rest.push(line.link.clone());
            rest.push(proof(line));
        }
        for text in rest {
            let indented = format!("{:29} {}", "", terminal(&text));
            out.push_str(&format!("{}\n", cut(&indented, columns)));
        }
    }
}

/// The record behind a line.
fn proof(line: &Line) -> String {
    let first = line.evidence.first().cloned().unwrap_or_default();
    match line.evidence.len() {
        0 | 1 => first,
        n => format!("{first} and {} more", n - 1),
    }
}

/// One row an event; safe to open in a spreadsheet.
#[must_use]
pub fn timeline_csv(timeline: &Timeline) -> String {
    let mut out = String::from(
        "task,time,time_origin,source,kind,actor,actor_type,on_behalf_of,action,object,changes,amount,outcome,error,model,policy,link,evidence,event\n",
    );
    for block in &timeline.tasks {
        for line in &block.lines {
            let text = |value: &Option<String>| value.clone().unwrap_or_default();
            let cells = [
                block.id.clone(),
                text(&line.time),
                text(&line.time_origin),
                line.source.clone(),
                line.kind.clone(),
                text(&line.actor),
                text(&line.actor_type),
                text(&line.on_behalf_of),
                text(&line.action),
                text(&line.object),
                changes(line),
                text(&line.amount),
                text(&line.outcome),
                text(&line.error),
                text(&line.model),
                text(&line.policy),
                line.link.clone(),
                line.evidence.join(" | "),
                line.events.join(" "),
            ];
            out.push_str(
                &cells
                    .iter()
                    .map(|cell| csv_cell(cell))
                    .collect::<Vec<_>>()
                    .join(","),
            );
            out.push('\n');
        }
    }
    out
}

/// For a report.
#[must_use]
pub fn timeline_markdown(timeline: &Timeline, zone: &TimeZone) -> String {
    let mut out = String::new();
    for line in matched_lines(timeline) {
        out.push_str(&format!("{}\n", markdown(&line)));
    }
    for block in &timeline.tasks {
        let mut lines = head_lines(block).into_iter();
        out.push_str(&format!(
            "\n### {}\n\n",
            markdown(&lines.next().unwrap_or_default())
        ));
        for line in lines {
            out.push_str(&format!("- {}\n", markdown(line.trim())));
        }
        out.push_str("\n| time | source | actor | what | object | outcome | model and policy | why in this task |\n");
        out.push_str("| --- | --- | --- | --- | --- | --- | --- | --- |\n");
        for line in &block.lines {
            let mut cells = cells(line, zone).to_vec();
            cells.push(line.link.clone());
            let cells: Vec<String> = cells.iter().map(|cell| markdown(cell)).collect();
            out.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
    }
    out
}
