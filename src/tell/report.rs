//! The Markdown report: what is in the store, what is not, and what was found. It claims no
//! compliance; every figure comes from the tables it names.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::figures::{Figure, figures};
use super::findings::listed;
use super::gaps::Gap;
use super::stats::{Stats, stats};
use super::templated::{Chart, Hours, Material, by_rule, common};
use crate::model::time::format_utc;
use crate::stitch::TaskIndex;
use crate::store::{
    Coded, CustodyFile, Store, StoreError, event_columns, read_rejects, scan_coded, side_by_side,
};

/// Numbers of events by values.
type Counts = HashMap<Vec<String>, u64>;

/// Counts of events by the values of some text columns.
fn counts(store: &Store, columns: &[&str]) -> Result<Counts, StoreError> {
    let found = side_by_side(&store.all_parts("events"), |(_, path)| {
        counts_of(path, columns)
    })?;
    let mut all = Counts::new();
    for (key, events) in found.into_iter().flatten() {
        *all.entry(key).or_insert(0) += events;
    }
    Ok(all)
}

/// What a report counts in the whole store.
#[derive(Serialize, Deserialize)]
pub(super) struct Counted {
    /// Tasks of more than one event.
    large: usize,
    /// Events that evidence joined.
    weighed: usize,
    by_kind: Vec<(Vec<String>, u64)>,
    by_outcome: Vec<(Vec<String>, u64)>,
    /// Models, policies, configurations and knowledge sources.
    seen: Vec<Value>,
}

/// Counts it.
pub(super) fn counted(store: &Store, index: &TaskIndex) -> Result<Counted, StoreError> {
    let sorted = |columns: &[&str]| -> Result<Vec<_>, StoreError> {
        let mut all: Vec<_> = counts(store, columns)?.into_iter().collect();
        all.sort_unstable();
        Ok(all)
    };
    let tasks = 0..index.len();
    Ok(Counted {
        weighed: index.weighed(),
        large: tasks.filter(|task| index.size(*task) > 1).count(),
        by_kind: sorted(&["source", "kind"])?,
        by_outcome: sorted(&["kind", "outcome"])?,
        seen: seen(store)?,
    })
}

/// Combinations of values that are counted in a table of all of them.
const MOST_COMBINATIONS: usize = 1 << 16;

/// Those of a part file. Rows are counted by the numbers of their values; an absent one counts as empty.
fn counts_of(path: &Path, columns: &[&str]) -> Result<Counts, StoreError> {
    // Columns come in the order of the table.
    let table_order = event_columns();
    let mut ordered = columns.to_vec();
    ordered.sort_by_key(|name| table_order.iter().position(|column| column == name));
    let place = |name: &&str| ordered.iter().position(|column| column == name);
    let places: Vec<usize> = columns.iter().filter_map(place).collect();
    let mut all = Counts::new();
    scan_coded::<StoreError>(path, &ordered, |table| {
        let columns: Vec<Coded<'_>> = places.iter().map(|at| Coded::of(&table, *at)).collect();
        // A combination of values is one number: that of the first column, and so on; the last number of
        // each column stands for none.
        let widths: Vec<usize> = columns.iter().map(|column| column.values() + 1).collect();
        let combination = |row: usize| {
            let columns = columns.iter().zip(&widths);
            columns.fold(0, |number, (column, width)| {
                number * width + column.code(row).unwrap_or(width - 1)
            })
        };
        let mut counted: BTreeMap<usize, u64> = BTreeMap::new();
        if widths.iter().product::<usize>() <= MOST_COMBINATIONS {
            let mut dense = vec![0u64; widths.iter().product()];
            (0..table.num_rows()).for_each(|row| dense[combination(row)] += 1);
            counted.extend(
                dense
                    .into_iter()
                    .enumerate()
                    .filter(|(_, events)| *events > 0),
            );
        } else {
            for row in 0..table.num_rows() {
                *counted.entry(combination(row)).or_default() += 1;
            }
        }
        for (mut number, events) in counted {
            let mut key: Vec<String> = Vec::with_capacity(columns.len());
            for (column, width) in columns.iter().zip(&widths).rev() {
                let code = number % width;
                number /= width;
                let none = code == width - 1;
                key.push(if none { "" } else { column.value(code) }.to_owned());
            }
            key.reverse();
            *all.entry(key).or_insert(0) += events;
        }
        Ok(())
    })?;
    Ok(all)
}

/// Values for the report on a whole store, and its charts.
///
/// # Errors
/// The store cannot be read.
pub fn report_values(material: &Material<'_>) -> Result<(Value, Vec<Chart>), StoreError> {
    let Material {
        store,
        index,
        verdict,
        ..
    } = material;
    let charts = match material.charts {
        Some(_) => vec![Hours::of(store, index)?.chart(), by_rule(verdict)],
        None => Vec::new(),
    };
    let mut values = common(material, &charts, &listed(verdict));
    let files = || store.batches().iter().flat_map(|batch| &batch.files);
    let kept: Counted = figures(store, index, Figure::Counts)?;
    let large = kept.large;
    values["scope"] = json!({
        "dumps": files().count(),
        "batches": store.batches().len(),
        "events": index.events(),
        "tasks": large,
        "first": files().filter_map(|file| file.first_time.as_ref()).min(),
        "last": files().filter_map(|file| file.last_time.as_ref()).max(),
    });
    values["custody"] = json!(custody(store));
    values["proofs"] = json!(source_proofs(store));
    let by_kind = Counts::from_iter(kept.by_kind);
    values["coverage"] = json!(rows(&by_kind, usize::MAX));
    let never: Vec<&str> = crate::model::Kind::ALL
        .iter()
        .map(|kind| kind.as_str())
        .filter(|kind| {
            !by_kind
                .keys()
                .any(|key| key.get(1).is_some_and(|have| have == kind))
        })
        .collect();
    values["never_logged"] = json!(never);
    let mut rejects = rejects(store)?;
    values["left_out"] = rejects.len().into();
    rejects.truncate(MOST_REJECTS);
    values["rejects"] = json!(rejects);
    let guessed: Vec<String> = files()
        .filter(|file| file.zone_origin == "default")
        .map(CustodyFile::display_path)
        .collect();
    values["zone_guessed"] = json!(guessed);
    let Stats {
        gaps,
        missing_numbers: missing,
        ..
    } = stats(store, index)?;
    values["gaps"] = json!(time_gaps(&gaps));
    values["numbers_missing"] = missing.len().into();
    let listed = missing.iter().take(MOST_REJECTS);
    values["missing_numbers"] = listed
        .map(|missing| json!([missing.source, missing.session, missing.from, missing.to]))
        .collect();
    let by_outcome = kept.by_outcome;
    let sum = |wanted: &dyn Fn(&str, &str) -> bool| -> u64 {
        let all = by_outcome.iter();
        all.filter(|(key, _)| matches!(key.as_slice(), [kind, outcome] if wanted(kind, outcome)))
            .map(|(_, events)| events)
            .sum()
    };
    values["counts"] = json!({
        "alone": index.len() - large,
        "approvals": sum(&|kind, _| kind == "approval"),
        "rejections": sum(&|kind, _| kind == "rejection"),
        "writes": sum(&|kind, _| kind == "write"),
        "writes_failed": sum(&|kind, outcome| kind == "write" && matches!(outcome, "error" | "denied")),
        "hubs": index.hubs().len(),
        "weighed": kept.weighed,
    });
    values["seen"] = json!(kept.seen);
    values["policy_digest"] = verdict.policy_digest.as_str().into();
    values["hubs"] = json!(index.hubs().iter().take(MOST_HUBS).collect::<Vec<_>>());
    Ok((values, charts))
}

/// Rejects listed.
const MOST_REJECTS: usize = 50;
/// Hubs listed.
const MOST_HUBS: usize = 20;

/// Models, policies, configurations and knowledge sources listed.
const MOST_SEEN: usize = 50;

/// The most frequent values as rows in their order, the count behind them.
fn rows(counts: &Counts, most: usize) -> Vec<Vec<String>> {
    let mut all: Vec<(&Vec<String>, &u64)> = counts.iter().collect();
    if all.len() > most {
        all.select_nth_unstable_by(most, |a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
        all.truncate(most);
    }
    all.sort_unstable();
    let rows = all.into_iter().map(|(key, events)| {
        let mut row = key.clone();
        row.push(events.to_string());
        row
    });
    rows.collect()
}

fn custody(store: &Store) -> Vec<Vec<String>> {
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
    rows
}

/// What sources themselves prove of their logs.
fn source_proofs(store: &Store) -> Vec<Vec<String>> {
    let files = store.batches().iter().flat_map(|batch| &batch.files);
    let rows = files.filter_map(|file| {
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
    rows
}

/// Places that no reader understood: dump, record, byte, reason.
fn rejects(store: &Store) -> Result<Vec<Vec<String>>, StoreError> {
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
            let path = file.map(CustodyFile::display_path).unwrap_or_default();
            rejects.push(vec![
                path,
                reject.ordinal.to_string(),
                reject.offset.to_string(),
                reject.reason,
            ]);
        }
    }
    rejects.sort();
    Ok(rejects)
}

/// Gaps listed for one source.
const MOST_GAPS: usize = 3;

fn time_gaps(gaps: &[Gap]) -> Vec<Vec<String>> {
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
    rows
}

/// Models, policies, configurations and knowledge sources.
fn seen(store: &Store) -> Result<Vec<Value>, StoreError> {
    let mut all = Vec::new();
    for (title, columns) in [
        (
            "Models",
            &["provider", "model_requested", "model_served"][..],
        ),
        ("Policies", &["policy_id", "policy_version"][..]),
        ("Configurations", &["configuration", "model_requested"][..]),
        ("Knowledge sources", &["knowledge_source"][..]),
    ] {
        let mut found = counts(store, columns)?;
        // A provider alone is no model; a model without a configuration is none.
        found.retain(|key, _| match columns[0] {
            "provider" => key[1..].iter().any(|text| !text.is_empty()),
            "configuration" => !key[0].is_empty(),
            _ => key.iter().any(|text| !text.is_empty()),
        });
        let header: Vec<&str> = columns.iter().copied().chain(["events"]).collect();
        all.push(json!({
            "title": title,
            "header": header,
            "rows": rows(&found, MOST_SEEN),
            "more": found.len().saturating_sub(MOST_SEEN),
            "columns": columns.join(", "),
        }));
    }
    Ok(all)
}
