//! Sigma correlations: how often, how many, and in which order the events come that other rules match.

use super::judge::{Finding, READ_AT_ONCE, policies, proof};
use super::record::{AsLogged, AsSigma};
use super::rules::{Logic, Policy};
use super::select::{Hits, RawHit, as_json};
use super::task::describe;
use crate::stitch::TaskIndex;
use crate::store::{EventRef, Store, StoreError, read_contents, read_events};

/// Time and number of an event that a rule matches, and file and number of its record if the rule looks
/// at that.
type Matching = (i64, u32, Option<(i32, i64)>);

/// Runs the correlations over the events that the rules they build on match, in order of time.
pub(super) fn correlate(
    store: &Store,
    index: &TaskIndex,
    policy: &Policy,
    hits: &Hits,
    raw: &[RawHit],
    findings: &mut Vec<Finding>,
) -> Result<(), StoreError> {
    let Some(collection) = &policy.correlated else {
        return Ok(());
    };
    let damaged = |error: rsigma_eval::EvalError| StoreError::Damaged {
        path: policy.name.clone().into(),
        reason: error.to_string(),
    };
    let mut engine = rsigma_eval::CorrelationEngine::new(rsigma_eval::CorrelationConfig::default());
    engine.add_collection(collection).map_err(damaged)?;
    // Events that a rule over normalised fields matches, and records that a public rule matches.
    let mut matching: Vec<Matching> = raw
        .iter()
        .filter(|hit| policy.bases.contains(&policy.rules[hit.rule].id))
        .filter_map(|hit| {
            let event = index.number(hit.place)?;
            Some((index.time(event)?, event, Some(hit.record)))
        })
        .collect();
    let bases: Vec<_> = policy
        .rules
        .iter()
        .filter(|rule| policy.bases.contains(&rule.id))
        .filter_map(|rule| match rule.logic {
            Logic::Event(selection) => Some(selection),
            _ => None,
        })
        .collect();
    matching.extend((0u32..).take(index.events()).filter_map(|event| {
        let fits = hits.of(event).iter().any(|fit| bases.contains(fit));
        Some((fits.then(|| index.time(event))??, event, None))
    }));
    matching.sort_unstable();
    matching.dedup();
    for group in matching.chunks(READ_AT_ONCE) {
        let places: Vec<EventRef> = group
            .iter()
            .map(|(_, event, _)| index.place(*event))
            .collect();
        let set = read_events(store, &places)?;
        for (view, (time, event, record)) in set.iter().zip(group) {
            let seconds = time.div_euclid(1_000_000);
            let results = match record {
                None => engine.process_event_at(&AsSigma(&view), seconds),
                Some((file, ordinal)) => {
                    let batch = view.place().batch;
                    let json = raw_record(store, batch, *file, *ordinal)?;
                    let json = rsigma_eval::JsonEvent::borrow(&json);
                    engine.process_event_at(&AsLogged { json }, seconds)
                }
            };
            for result in results {
                let rsigma_eval::ResultBody::Correlation(body) = &result.body else {
                    continue;
                };
                let id = result.header.rule_id.as_deref();
                let Some(rule) = policy
                    .rules
                    .iter()
                    .find(|rule| Some(rule.id.as_str()) == id)
                else {
                    continue;
                };
                let by: Vec<String> = body
                    .group_key
                    .iter()
                    .map(|(field, value)| format!("{field} {value}"))
                    .collect();
                let task = index
                    .task_at(index.place(*event))
                    .map(|task| index.id(task).to_string());
                findings.push(Finding {
                    rule: rule.id.clone(),
                    title: rule.title.clone(),
                    level: rule.level,
                    message: format!(
                        "{} within {} s for {}; the last: {}",
                        body.aggregated_value,
                        body.timespan_secs,
                        by.join(", "),
                        describe(&view)
                    ),
                    task: task.unwrap_or_default(),
                    time: Some(crate::model::time::format_utc(*time)),
                    tags: rule.tags.clone(),
                    policy_then: policies(std::iter::once(&view)),
                    evidence: vec![proof(store, &view)],
                });
            }
        }
    }
    Ok(())
}

/// A record as it was logged.
fn raw_record(
    store: &Store,
    batch: usize,
    file: i32,
    ordinal: i64,
) -> Result<serde_json::Value, StoreError> {
    let contents = read_contents(store, batch, file, ordinal)?;
    let raw = contents.iter().find(|row| row.content == "raw");
    let files = store.batches().get(batch).map(|custody| &custody.files);
    let file = files.and_then(|files| files.get(usize::try_from(file).ok()?));
    Ok(raw
        .and_then(|row| as_json(file, &row.value))
        .unwrap_or_default())
}
