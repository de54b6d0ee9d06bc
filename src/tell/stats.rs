//! What a store holds, in figures.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, RecordBatch};
use comfy_table::{CellAlignment, Table, presets};
use serde::{Deserialize, Serialize};

use super::figures::{Figure, figures};
use super::gaps::{Gap, gaps};
use super::halves::{Halves, halves};
use super::safe::{count, cut, terminal};
use super::sequences::{Missing, missing_numbers};
use crate::model::time::format_utc;
use crate::stitch::{Clock, TaskIndex};
use crate::store::{Coded, Store, StoreError, read_rejects, scan_coded, side_by_side};

/// A source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceStats {
    /// Events.
    pub events: u64,
    /// Events without a time of their own.
    pub without_time: u64,
    /// Earliest and latest time, UTC.
    pub first: Option<String>,
    /// Latest.
    pub last: Option<String>,
    /// Events by kind.
    pub kinds: BTreeMap<String, u64>,
    #[serde(skip)]
    span: Option<(i64, i64)>,
}

/// Figures of a store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stats {
    /// Batches.
    pub batches: usize,
    /// Dumps and members of archives.
    pub files: usize,
    /// Bytes of the dumps.
    pub bytes: u64,
    /// Records that the store holds.
    pub records: u64,
    /// Events.
    pub events: usize,
    /// Tasks, also those of one event.
    pub tasks: usize,
    /// Sources.
    pub sources: BTreeMap<String, SourceStats>,
    /// Events by day, UTC.
    pub days: BTreeMap<String, u64>,
    /// Clocks between kinds of record, as far as evidence was weighed between them.
    pub clocks: Vec<Clock>,
    /// Times without events, the longest of each source first.
    pub gaps: Vec<Gap>,
    /// Numbers missing from logs that count their records within a session.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_numbers: Vec<Missing>,
    /// Change documents of which a half is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_documents: Option<Halves>,
    /// Places that no reader understood, by reason.
    pub rejects: BTreeMap<String, u64>,
}

#[derive(Default)]
struct Counted {
    sources: BTreeMap<String, SourceStats>,
    days: BTreeMap<i64, u64>,
}

const DAY: i64 = 86_400_000_000;

impl Counted {
    /// Adds rows of time, source and kind.
    fn add(&mut self, table: &RecordBatch) {
        let times = table.column(0).as_primitive::<TimestampMicrosecondType>();
        let (sources, kinds) = (Coded::of(table, 1), Coded::of(table, 2));
        // One more of each for what has none.
        let width = kinds.values() + 1;
        let mut counts = vec![0u64; (sources.values() + 1) * width];
        let mut spans: Vec<Option<(i64, i64)>> = vec![None; sources.values() + 1];
        let mut untimed = vec![0u64; spans.len()];
        let mut last = (i64::MIN, 0u64);
        for row in 0..table.num_rows() {
            let source = sources.code(row).unwrap_or(sources.values());
            let kind = kinds.code(row).unwrap_or(kinds.values());
            counts[source * width + kind] += 1;
            if times.is_null(row) {
                untimed[source] += 1;
                continue;
            }
            let time = times.value(row);
            let span = spans[source].get_or_insert((time, time));
            *span = (span.0.min(time), span.1.max(time));
            let day = time.div_euclid(DAY);
            if day != last.0 {
                self.count_day(last);
                last = (day, 0);
            }
            last.1 += 1;
        }
        self.count_day(last);
        for (source, counts) in counts.chunks_exact(width).enumerate() {
            let events: u64 = counts.iter().sum();
            if events == 0 {
                continue;
            }
            let name = match source {
                none if none == sources.values() => "?",
                source => sources.value(source),
            };
            let of = self.sources.entry(name.to_owned()).or_default();
            of.events += events;
            of.without_time += untimed[source];
            of.widen(spans[source]);
            for (kind, events) in counts.iter().enumerate().filter(|(_, events)| **events > 0) {
                let name = match kind {
                    none if none == kinds.values() => "?",
                    kind => kinds.value(kind),
                };
                *of.kinds.entry(name.to_owned()).or_default() += events;
            }
        }
    }

    fn count_day(&mut self, (day, events): (i64, u64)) {
        if events > 0 {
            *self.days.entry(day).or_default() += events;
        }
    }
}

impl SourceStats {
    fn widen(&mut self, span: Option<(i64, i64)>) {
        let spans = [self.span, span].into_iter().flatten();
        self.span = spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    }
}

/// The figures of a store.
///
/// # Errors
/// The store cannot be read.
pub fn stats(store: &Store, index: &TaskIndex) -> Result<Stats, StoreError> {
    figures(store, index, Figure::Stats)
}

/// Counts.
pub(super) fn counted(store: &Store, index: &TaskIndex) -> Result<Stats, StoreError> {
    let counted = side_by_side(&store.all_parts("events"), |(_, path)| {
        let mut counted = Counted::default();
        scan_coded::<StoreError>(path, &["time", "source", "kind"], |table| {
            counted.add(&table);
            Ok(())
        })?;
        Ok::<_, StoreError>(counted)
    })?;
    let mut sources: BTreeMap<String, SourceStats> = BTreeMap::new();
    let mut days: BTreeMap<i64, u64> = BTreeMap::new();
    for part in counted {
        for (day, events) in part.days {
            *days.entry(day).or_default() += events;
        }
        for (name, of) in part.sources {
            let all = sources.entry(name).or_default();
            all.events += of.events;
            all.without_time += of.without_time;
            for (kind, events) in of.kinds {
                *all.kinds.entry(kind).or_default() += events;
            }
            all.widen(of.span);
        }
    }
    for of in sources.values_mut() {
        of.first = of.span.map(|span| format_utc(span.0));
        of.last = of.span.map(|span| format_utc(span.1));
    }
    let mut rejects: BTreeMap<String, u64> = BTreeMap::new();
    for batch in 0..store.batches().len() {
        let count = store.batches()[batch].leaves.rejects;
        if !store.access().reads_contents() {
            // What could not be read may hold anything, and its reason may quote it.
            if count > 0 {
                *rejects
                    .entry("protected from who asks".to_owned())
                    .or_default() += count;
            }
            continue;
        }
        for reject in read_rejects(store, batch)? {
            *rejects.entry(reject.reason).or_default() += 1;
        }
    }
    let files = || store.batches().iter().flat_map(|batch| &batch.files);
    Ok(Stats {
        batches: store.batches().len(),
        files: files().count(),
        bytes: files()
            .filter(|file| file.member.is_none())
            .map(|file| file.size)
            .sum(),
        records: files()
            .map(|file| file.records - file.known.min(file.records))
            .sum(),
        events: index.events(),
        tasks: index.len(),
        sources,
        days: days
            .into_iter()
            .map(|(day, events)| (format_utc(day * DAY).chars().take(10).collect(), events))
            .collect(),
        clocks: index.clocks(),
        gaps: gaps(store)?,
        missing_numbers: missing_numbers(store)?,
        change_documents: halves(store)?,
        rejects,
    })
}

/// Days that are shown one by one; more become weeks of a bar each.
const MOST_DAYS: usize = 31;

/// Missing numbers that are shown.
const MOST_MISSING: usize = 20;

/// For people.
#[must_use]
pub fn stats_text(stats: &Stats, columns: usize) -> String {
    let mut out = format!(
        "{} in {}, of {} in {} of {} ({} bytes)\n\n",
        count(stats.events as u64, "event"),
        count(stats.tasks as u64, "task"),
        count(stats.records, "record"),
        count(stats.files as u64, "file"),
        count(stats.batches as u64, "batch"),
        stats.bytes
    );
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["source", "events", "first", "last", "kinds"]);
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for (name, of) in &stats.sources {
        let mut kinds: Vec<(&String, &u64)> = of.kinds.iter().collect();
        kinds.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
        let kinds: Vec<String> = kinds
            .iter()
            .map(|(kind, events)| format!("{} {events}", kind.replace('_', " ")))
            .collect();
        let day = |time: &Option<String>| {
            time.clone()
                .unwrap_or_default()
                .chars()
                .take(16)
                .collect::<String>()
        };
        table.add_row([
            cut(&terminal(name), 24),
            of.events.to_string(),
            day(&of.first),
            day(&of.last),
            cut(&kinds.join(", "), columns.saturating_sub(78).max(20)),
        ]);
    }
    out.push_str(&format!("{table}\n"));
    let step = stats.days.len().div_ceil(MOST_DAYS).max(1);
    let days: Vec<(&String, &u64)> = stats.days.iter().collect();
    let groups: Vec<(&String, u64)> = days
        .chunks(step)
        .map(|group| (group[0].0, group.iter().map(|(_, events)| **events).sum()))
        .collect();
    let most = groups
        .iter()
        .map(|(_, events)| *events)
        .max()
        .unwrap_or(1)
        .max(1);
    let room = u64::try_from(columns.saturating_sub(26).min(60)).unwrap_or(60);
    out.push('\n');
    for (day, events) in groups {
        let bar = usize::try_from((events * room).div_ceil(most)).unwrap_or(0);
        out.push_str(&format!(" {day} {events:>10} {}\n", "█".repeat(bar)));
    }
    if !stats.gaps.is_empty() {
        out.push_str("\ntimes without events\n");
    }
    for gap in stats.gaps.iter().take(20) {
        let line = format!(
            " {}  {} to {}",
            gap.source,
            format_utc(gap.from),
            format_utc(gap.to)
        );
        out.push_str(&cut(&terminal(&line), columns));
        out.push('\n');
    }
    if !stats.missing_numbers.is_empty() {
        out.push_str("\nnumbers missing from logs that count their records\n");
    }
    for missing in stats.missing_numbers.iter().take(MOST_MISSING) {
        let line = format!(" {}  {}", missing.source, missing.text());
        out.push_str(&cut(&terminal(&line), columns));
        out.push('\n');
    }
    let more = stats.missing_numbers.len().saturating_sub(MOST_MISSING);
    if more > 0 {
        out.push_str(&format!(" and {more} more (--format json)\n"));
    }
    let halves = stats.change_documents.unwrap_or_default();
    if halves != Halves::default() {
        out.push_str("\nchange documents of which a half is missing\n");
        for (documents, what) in [
            (
                halves.headers_without_positions,
                "headers without positions: what was changed is not known",
            ),
            (
                halves.positions_without_header,
                "positions without header: when and by whom is not known",
            ),
        ] {
            if documents > 0 {
                out.push_str(&cut(&format!(" {documents:>8}  {what}"), columns));
                out.push('\n');
            }
        }
    }
    if !stats.rejects.is_empty() {
        out.push_str("\nnot read\n");
    }
    for (reason, places) in &stats.rejects {
        out.push_str(&cut(&terminal(&format!(" {places:>8}  {reason}")), columns));
        out.push('\n');
    }
    out
}
