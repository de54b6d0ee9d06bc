//! What a search found, for people.

use comfy_table::{Table, presets};

use super::{Found, Hit};
use crate::tell::safe::{count, csv_cell, cut, terminal};
use crate::tell::task_block::deed;

/// A hit takes two lines: what the event is, and where the words stand.
#[must_use]
pub fn search_text(found: &Found, by: Option<&str>, columns: usize, colour: bool) -> String {
    let mut out = String::new();
    if let Some(by) = by {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header([by, "events"]);
        for (value, count) in &found.counts {
            table.add_row([
                cut(&terminal(value), columns.saturating_sub(12)),
                count.to_string(),
            ]);
        }
        out.push_str(&format!("{table}\n"));
        out.push_str(&format!("{}\n", count(found.events as u64, "event")));
        return out;
    }
    for hit in &found.hits {
        out.push_str(&cut(&terminal(&head(hit)), columns));
        out.push('\n');
        if let Some([before, middle, after]) = &hit.context {
            let safe = [before, middle, after].map(|text| terminal(text));
            // The match stays in the middle, whatever the width.
            let room = columns.saturating_sub(6);
            let middle = cut(&safe[1], room / 2);
            let side = room.saturating_sub(middle.chars().count()) / 2;
            let skip = safe[0].chars().count().saturating_sub(side);
            let before: String = safe[0].chars().skip(skip).collect();
            let after: String = safe[2].chars().take(side).collect();
            let (on, off) = if colour {
                ("\u{1b}[1;33m", "\u{1b}[0m")
            } else {
                ("[", "]")
            };
            out.push_str(&format!("    {before}{on}{middle}{off}{after}\n"));
        }
    }
    let events = count(found.events as u64, "event");
    let hidden = found.events - found.hits.len();
    out.push_str(&match (hidden, found.more) {
        (_, true) => format!(
            "{events} or more, the earliest {} shown (--limit; --exact counts all)\n",
            found.hits.len()
        ),
        (0, false) => format!("{events}\n"),
        (hidden, false) => format!("{events}, {hidden} more not shown (--limit)\n"),
    });
    if let Some(task) = found.hits.iter().find_map(|hit| hit.task.as_deref()) {
        out.push_str(&format!(
            "next: trail timeline --task {}\n",
            &task[..task.len().min(12)]
        ));
    }
    out
}

fn head(hit: &Hit) -> String {
    let id = &hit.event[..hit.event.len().min(10)];
    let mut words = vec![
        hit.time.clone().unwrap_or_else(|| "(no time)".to_owned()),
        id.to_owned(),
        hit.source.clone(),
        hit.kind.replace('_', " "),
    ];
    let deed = deed(&hit.kind, hit.action.as_deref(), hit.tool.as_deref());
    words.extend(Some(deed).filter(|deed| !deed.is_empty()));
    words.extend(hit.object.clone());
    words.extend(hit.actor.as_ref().map(|actor| format!("by {actor}")));
    words.extend(hit.text.as_ref().map(|text| format!("({text})")));
    words.join("  ")
}

/// One row a hit, or a count.
#[must_use]
pub fn search_csv(found: &Found, by: Option<&str>) -> String {
    let row = |cells: &[&str]| {
        let cells: Vec<String> = cells.iter().map(|cell| csv_cell(cell)).collect();
        cells.join(",") + "\n"
    };
    if let Some(by) = by {
        let mut out = row(&[by, "events"]);
        for (value, count) in &found.counts {
            out.push_str(&row(&[value, &count.to_string()]));
        }
        return out;
    }
    let mut out = row(&[
        "time", "event", "task", "source", "kind", "actor", "action", "object", "text", "match",
        "evidence",
    ]);
    for hit in &found.hits {
        let get = |text: &Option<String>| text.clone().unwrap_or_default();
        let context = hit
            .context
            .as_ref()
            .map(|parts| parts.concat())
            .unwrap_or_default();
        out.push_str(&row(&[
            &get(&hit.time),
            &hit.event,
            &get(&hit.task),
            &hit.source,
            &hit.kind,
            &get(&hit.actor),
            &get(&hit.action),
            &get(&hit.object),
            &get(&hit.text),
            &context,
            &hit.evidence,
        ]));
    }
    out
}
