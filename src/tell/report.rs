//! The Markdown report: what is in the store, what is not, and what was found. It claims no
//! compliance; every figure comes from the tables it names.

use std::collections::BTreeMap;
use std::fs::File;

use polars::prelude::{DataFrame, IntoLazy, PolarsResult, col, len};
use polars_io::SerReader;
use polars_io::parquet::read::ParquetReader;

use super::outputs::findings_markdown;
use super::safe::markdown;
use crate::check::Verdict;
use crate::model::time::format_utc;
use crate::stitch::TaskIndex;
use crate::store::{Store, StoreError, read_rejects};

/// Counts of events by the values of some text columns, added up part by part, so that memory stays
/// flat whatever the store's size.
fn counts(store: &Store, columns: &[&str]) -> Result<BTreeMap<Vec<String>, u64>, StoreError> {
    let mut counts = BTreeMap::new();
    for batch in store.batches() {
        for path in store.parts("events", batch) {
            let file = File::open(&path).map_err(StoreError::io("opening", &path))?;
            let damaged = |reason: String| StoreError::Damaged {
                path: path.clone(),
                reason,
            };
            let frame = group(file, columns).map_err(|error| damaged(error.to_string()))?;
            add(&mut counts, &frame, columns).map_err(|error| damaged(error.to_string()))?;
        }
    }
    Ok(counts)
}

fn group(file: File, columns: &[&str]) -> PolarsResult<DataFrame> {
    let names = columns.iter().map(|name| (*name).to_owned()).collect();
    let frame = ParquetReader::new(file)
        .with_columns(Some(names))
        .finish()?;
    let keys: Vec<_> = columns.iter().map(|name| col(*name)).collect();
    frame
        .lazy()
        .group_by(keys)
        .agg([len().alias("events")])
        .collect()
}

fn add(
    counts: &mut BTreeMap<Vec<String>, u64>,
    frame: &DataFrame,
    columns: &[&str],
) -> PolarsResult<()> {
    let events = frame.column("events")?.u32()?;
    let texts = columns
        .iter()
        .map(|name| frame.column(name)?.str())
        .collect::<PolarsResult<Vec<_>>>()?;
    for row in 0..frame.height() {
        let key = texts
            .iter()
            .map(|text| text.get(row).unwrap_or_default().to_owned())
            .collect();
        *counts.entry(key).or_insert(0) += u64::from(events.get(row).unwrap_or(0));
    }
    Ok(())
}

/// Writes the report. The same store and policy give the same bytes.
///
/// # Errors
/// The store cannot be read.
pub fn report(store: &Store, index: &TaskIndex, verdict: &Verdict) -> Result<String, StoreError> {
    let mut out = String::from("# Report on the activity of AI agents\n");
    scope(&mut out, store, index);
    custody(&mut out, store);
    coverage(&mut out, store)?;
    time_gaps(&mut out, store)?;
    out.push_str("\n## Findings\n\nCommand: `trail verify`.\n\n");
    out.push_str(&findings_markdown(verdict));
    tasks(&mut out, store, index)?;
    versions(&mut out, store)?;
    method(&mut out, index, verdict);
    Ok(out)
}

fn table(out: &mut String, header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    out.push_str(&format!(
        "| {} |\n|{}\n",
        header.join(" | "),
        " --- |".repeat(header.len())
    ));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| markdown(cell)).collect();
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
}

fn scope(out: &mut String, store: &Store, index: &TaskIndex) {
    let files = || store.batches().iter().flat_map(|batch| &batch.files);
    let first = files().filter_map(|file| file.first_time.as_ref()).min();
    let last = files().filter_map(|file| file.last_time.as_ref()).max();
    let none = "none".to_owned();
    out.push_str("\n## Scope\n\n");
    out.push_str(&format!(
        "- {} dumps in {} batches, {} events, {} tasks of more than one event\n- earliest event {}, latest event {} (UTC)\n",
        files().count(),
        store.batches().len(),
        index.events(),
        (0..index.len()).filter(|task| index.size(*task) > 1).count(),
        first.unwrap_or(&none),
        last.unwrap_or(&none),
    ));
}

fn custody(out: &mut String, store: &Store) {
    out.push_str("\n## Sources and custody\n\nEvery dump as it was received. Check one with `sha256sum`.\n\n");
    let mut rows: Vec<Vec<String>> = store
        .batches()
        .iter()
        .flat_map(|batch| batch.files.iter().map(move |file| (batch, file)))
        .map(|(batch, file)| {
            vec![
                file.display_path(),
                file.sha256.clone(),
                file.size.to_string(),
                file.source.clone(),
                file.format.clone(),
                format!("{} ({})", file.zone, file.zone_origin),
                file.records.to_string(),
                file.events.to_string(),
                file.rejects.to_string(),
                file.first_time.clone().unwrap_or_default(),
                file.last_time.clone().unwrap_or_default(),
                batch.operator.clone(),
            ]
        })
        .collect();
    rows.sort();
    let header = [
        "dump", "SHA-256", "bytes", "source", "format", "zone", "records", "events", "rejects",
        "first", "last", "operator",
    ];
    table(out, &header, rows);
    source_proofs(out, store);
}

/// What sources themselves prove of their logs.
fn source_proofs(out: &mut String, store: &Store) {
    let files = || store.batches().iter().flat_map(|batch| &batch.files);
    out.push_str("\n### Proofs of the sources themselves\n\n");
    let proven = files().filter(|file| file.proof.is_some()).count();
    if proven == 0 {
        out.push_str("None of the dumps carries a signature or hash chain of its source: that they are as the source wrote them rests on who handed them over.\n");
        return;
    }
    let rows = files().filter_map(|file| {
        let proof = file.proof.as_ref()?;
        let held = proof.held.as_str().to_owned();
        Some(vec![
            file.display_path(),
            held,
            proof.by.clone(),
            proof.detail.clone(),
        ])
    });
    let mut rows: Vec<Vec<String>> = rows.collect();
    rows.sort();
    table(out, &["dump", "proof", "by", "detail"], rows);
    out.push_str(&format!(
        "\n{} of {} dumps carry no such proof.\n",
        files().count() - proven,
        files().count()
    ));
}

fn coverage(out: &mut String, store: &Store) -> Result<(), StoreError> {
    out.push_str("\n## Coverage\n\nWhat was logged, by source and kind of event.\n\n");
    let by_kind = counts(store, &["source", "kind"])?;
    table(
        out,
        &["source", "kind", "events"],
        by_kind.iter().map(|(key, n)| {
            let mut row = key.clone();
            row.push(n.to_string());
            row
        }),
    );
    let missing: Vec<&str> = crate::model::Kind::ALL
        .iter()
        .map(|kind| kind.as_str())
        .filter(|kind| !by_kind.keys().any(|key| key[1] == *kind))
        .collect();
    if !missing.is_empty() {
        out.push_str(&format!(
            "\nKinds of events that no source logged: {}.\n",
            missing.join(", ")
        ));
    }
    let mut rejects = Vec::new();
    for (batch, custody) in store.batches().iter().enumerate() {
        if !store.access().reads_contents() {
            for _ in 0..custody.leaves.rejects {
                let protected = "protected from who asks".to_owned();
                rejects.push(vec![String::new(), String::new(), String::new(), protected]);
            }
            continue;
        }
        for reject in read_rejects(store, batch)? {
            let file = usize::try_from(reject.file)
                .ok()
                .and_then(|at| custody.files.get(at));
            let path = file
                .map(crate::store::CustodyFile::display_path)
                .unwrap_or_default();
            rejects.push(vec![
                path,
                reject.ordinal.to_string(),
                reject.offset.to_string(),
                reject.reason,
            ]);
        }
    }
    rejects.sort();
    if rejects.is_empty() {
        out.push_str("\nNothing was left out: every record of every dump was read.\n");
    } else {
        out.push_str(&format!(
            "\nLeft out: {} places that could not be read.\n\n",
            rejects.len()
        ));
        let more = rejects.len().saturating_sub(50);
        table(
            out,
            &["dump", "record", "byte", "reason"],
            rejects.into_iter().take(50),
        );
        if more > 0 {
            out.push_str(&format!("\n{more} more: `trail rejects`.\n"));
        }
    }
    let guessed: Vec<String> = store
        .batches()
        .iter()
        .flat_map(|batch| &batch.files)
        .filter(|file| file.zone_origin == "default")
        .map(crate::store::CustodyFile::display_path)
        .collect();
    if !guessed.is_empty() {
        out.push_str(&format!(
            "\nTimes without a zone were taken for UTC, because none was given, in: {}.\n",
            markdown(&guessed.join(", "))
        ));
    }
    Ok(())
}

/// Gaps listed for one source.
const MOST_GAPS: usize = 3;

fn time_gaps(out: &mut String, store: &Store) -> Result<(), StoreError> {
    out.push_str("\n### Times without events\n\n");
    let gaps = super::gaps(store)?;
    if gaps.is_empty() {
        out.push_str(
            "No source of fifty and more events pauses ten times longer than it usually does.\n",
        );
        return Ok(());
    }
    out.push_str("A source logged nothing for ten times longer than 99 of 100 of its intervals: it was quiet, or its log is not whole.\n\n");
    let mut rows = Vec::new();
    for group in gaps.chunk_by(|a, b| a.source == b.source) {
        rows.extend(group.iter().take(MOST_GAPS).map(|gap| {
            let seconds = |us: i64| format!("{} s", us / 1_000_000);
            vec![
                gap.source.clone(),
                format_utc(gap.from),
                format_utc(gap.to),
                seconds(gap.to - gap.from),
                seconds(gap.usual),
                group.len().to_string(),
            ]
        }));
    }
    let header = [
        "source",
        "last event before",
        "first event behind",
        "length",
        "usually below",
        "gaps of the source",
    ];
    table(out, &header, rows);
    Ok(())
}

fn tasks(out: &mut String, store: &Store, index: &TaskIndex) -> Result<(), StoreError> {
    let by_outcome = counts(store, &["kind", "outcome"])?;
    let sum = |kind: &str| {
        by_outcome
            .iter()
            .filter(|(key, _)| key[0] == kind)
            .map(|(_, n)| n)
            .sum::<u64>()
    };
    let large = (0..index.len())
        .filter(|task| index.size(*task) > 1)
        .count();
    out.push_str("\n## Tasks and approvals\n\n");
    out.push_str(&format!(
        "- tasks of more than one event: {large}; events that stand alone: {}\n- approvals: {}, rejections: {}\n- writes: {}, of them failed or denied: {}\n",
        index.len() - large,
        sum("approval"),
        sum("rejection"),
        sum("write"),
        by_outcome
            .iter()
            .filter(|(key, _)| key[0] == "write" && matches!(key[1].as_str(), "error" | "denied"))
            .map(|(_, n)| n)
            .sum::<u64>(),
    ));
    Ok(())
}

fn versions(out: &mut String, store: &Store) -> Result<(), StoreError> {
    out.push_str("\n## Models, policies and configurations seen\n");
    for (title, columns) in [
        (
            "Models",
            &["provider", "model_requested", "model_served"][..],
        ),
        ("Policies", &["policy_id", "policy_version"][..]),
        ("Configurations", &["configuration", "model_requested"][..]),
        ("Knowledge sources", &["knowledge_source"][..]),
    ] {
        let found = counts(store, columns)?;
        let rows: Vec<Vec<String>> = found
            .into_iter()
            .filter(|(key, _)| {
                key.iter()
                    .skip(usize::from(columns.len() == 3))
                    .any(|text| !text.is_empty())
            })
            .filter(|(key, _)| columns[0] != "configuration" || !key[0].is_empty())
            .map(|(mut key, n)| {
                key.push(n.to_string());
                key
            })
            .collect();
        out.push_str(&format!("\n### {title}\n\n"));
        if rows.is_empty() {
            out.push_str("None logged.\n");
        } else {
            let header: Vec<&str> = columns.iter().copied().chain(["events"]).collect();
            table(out, &header, rows);
        }
    }
    Ok(())
}

fn method(out: &mut String, index: &TaskIndex, verdict: &Verdict) {
    out.push_str("\n## Method\n\n");
    out.push_str(&format!(
        "- Tool: trail {}. Policy: {} {}, SHA-256 {}.\n- Records become events by the reader of their format; each event names dump, record and bytes.\n- Events are joined into tasks by equal technical ids ({} values reach too much to join anything and were left out as hubs), and {} events by weighed evidence: values, route, time and user make it likely that a call of the task caused them, and no other task comes near. Each such link says what agrees (`trail timeline -v`).\n- Order follows the recorded times in UTC; positions of a change document take the time of its header.\n",
        env!("CARGO_PKG_VERSION"),
        markdown(&verdict.policy),
        markdown(&verdict.policy_version),
        verdict.policy_digest,
        index.hubs().len(),
        index.weighed()
    ));
    for hub in index.hubs().iter().take(20) {
        let text = format!("{}={} reaches {}", hub.kind, hub.value, hub.reach);
        out.push_str(&format!("  - {}\n", markdown(&text)));
    }
    out.push_str("\n## Limits\n\n");
    out.push_str(
        "- A log shows what was logged. What no source logged is not shown to have been absent.\n",
    );
    out.push_str("- A model's words are no proof of a deed; the record of the target system is.\n");
    out.push_str("- Clocks of different systems may differ; their offsets are estimated to weigh evidence, times are neither altered nor put in another order by it.\n");
    out.push_str("- A link by evidence is likely, not certain. Records that neither an id nor enough evidence joins stand alone here.\n");
    out.push_str("- This report is evidence for and against. It states no compliance with any rule or law.\n");
}
