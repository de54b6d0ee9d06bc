//! Traces as OTLP JSON (opentelemetry-proto, `ExportTraceServiceRequest`).

use std::collections::{BTreeMap, HashMap};
use std::io::Write;

use serde_json::{Map, Value, json};

use super::export_events::{ExportError, Exported};
use super::task_block::evidence;
use crate::model::Digest;
use crate::stitch::TaskIndex;
use crate::store::{Col, EventView, Store, cores, read_events, side_by_side};

/// Events of tasks that one worker looks at at once, unless one task has more.
const AT_ONCE: usize = 1 << 14;

/// OTLP: a task is a trace, an event a span below the event that it hangs on; a source is a resource. Tasks come in the
/// order of their first events: those of one time lie together in the store, mostly.
pub(super) fn otlp(
    store: &Store,
    index: &TaskIndex,
    task: Option<usize>,
    out: &mut dyn Write,
) -> Result<Exported, ExportError> {
    let mut tasks: Vec<usize> = task.map_or_else(|| (0..index.len()).collect(), |task| vec![task]);
    tasks.sort_by_cached_key(|task| index.begin(*task).unwrap_or(i64::MAX));
    let mut done = Exported::default();
    let blocks = blocks(&tasks, |task| index.size(task));
    for blocks in blocks.chunks(cores()) {
        for (text, of_block) in side_by_side(blocks, |tasks| requests(store, index, tasks))? {
            out.write_all(&text)?;
            done.add(of_block);
        }
    }
    index.check()?;
    Ok(done)
}

/// Tasks that follow each other, of so many events together or one alone.
fn blocks(tasks: &[usize], size: impl Fn(usize) -> usize) -> Vec<&[usize]> {
    let mut blocks = Vec::new();
    let (mut start, mut events) = (0, 0);
    for (at, task) in tasks.iter().enumerate() {
        let more = size(*task);
        if at > start && events + more > AT_ONCE {
            blocks.push(&tasks[start..at]);
            (start, events) = (at, 0);
        }
        events += more;
    }
    if start < tasks.len() {
        blocks.push(&tasks[start..]);
    }
    blocks
}

/// The requests of some tasks, a line each.
fn requests(
    store: &Store,
    index: &TaskIndex,
    tasks: &[usize],
) -> Result<(Vec<u8>, Exported), ExportError> {
    let members: Vec<Vec<u32>> = tasks.iter().map(|task| index.members(*task)).collect();
    let places = members.iter().flatten().map(|event| index.place(*event));
    let set = read_events(store, &places.collect::<Vec<_>>())?;
    let mut events = set.iter();
    let (mut text, mut done) = (Vec::new(), Exported::default());
    for (task, members) in tasks.iter().zip(&members) {
        let of_task: Vec<(u32, EventView<'_>)> =
            members.iter().copied().zip(events.by_ref()).collect();
        let ids: HashMap<u32, Digest> = of_task
            .iter()
            .map(|(number, event)| (*number, event.id()))
            .collect();
        let id = index.id(*task);
        let mut by_source: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for (number, event) in &of_task {
            let Some(time) = index.time(*number) else {
                done.without_time += 1;
                continue;
            };
            done.events += 1;
            let parent = index.link(*number).and_then(|link| ids.get(&link.cause));
            let span = span(store, event, time, &id, parent);
            let source = event.text(Col::Source).unwrap_or("unknown");
            by_source.entry(source).or_default().push(span);
        }
        if by_source.is_empty() {
            continue;
        }
        let resources: Vec<Value> = by_source
            .into_iter()
            .map(|(source, spans)| {
                json!({
                    "resource": {"attributes": [text_attribute("service.name", source)]},
                    "scopeSpans": [{"scope": {"name": "trail", "version": env!("CARGO_PKG_VERSION")}, "spans": spans}],
                })
            })
            .collect();
        writeln!(text, "{}", json!({ "resourceSpans": resources }))?;
    }
    Ok((text, done))
}

fn text_attribute(name: &str, value: &str) -> Value {
    json!({"key": name, "value": {"stringValue": value}})
}

fn span(
    store: &Store,
    event: &EventView<'_>,
    time: i64,
    task: &Digest,
    parent: Option<&Digest>,
) -> Value {
    let text = |column| event.text(column).filter(|text: &&str| !text.is_empty());
    let named = [
        ("trail.kind", text(Col::Kind)),
        ("gen_ai.provider.name", text(Col::Provider)),
        ("gen_ai.request.model", text(Col::ModelRequested)),
        ("gen_ai.response.model", text(Col::ModelServed)),
        ("gen_ai.agent.id", text(Col::Agent)),
        ("gen_ai.conversation.id", text(Col::Conversation)),
        ("gen_ai.tool.name", text(Col::Tool)),
        ("enduser.id", text(Col::OnBehalfOf).or(text(Col::Actor))),
        ("trail.actor", text(Col::Actor)),
        ("trail.object_type", text(Col::ObjectType)),
        ("trail.object", text(Col::Object)),
        ("trail.outcome", text(Col::Outcome)),
        ("trail.policy_id", text(Col::PolicyId)),
        ("trail.policy_version", text(Col::PolicyVersion)),
    ];
    let mut attributes: Vec<Value> = named
        .into_iter()
        .filter_map(|(name, value)| Some(text_attribute(name, value?)))
        .collect();
    for (name, tokens) in [
        ("gen_ai.usage.input_tokens", event.tokens_in()),
        ("gen_ai.usage.output_tokens", event.tokens_out()),
    ] {
        // 64-bit numbers are text in the JSON form of protobuf.
        let value =
            tokens.map(|tokens| json!({"key": name, "value": {"intValue": tokens.to_string()}}));
        attributes.extend(value);
    }
    attributes.push(text_attribute("trail.event", &event.id().to_string()));
    attributes.push(text_attribute("trail.evidence", &evidence(store, event)));
    let nanoseconds = |us: i64| (i128::from(us.max(0)) * 1000).to_string();
    let failed = matches!(text(Col::Outcome), Some("error" | "denied"));
    let mut status = Map::new();
    status.insert("code".into(), if failed { 2 } else { 0 }.into());
    status.extend(text(Col::Error).map(|error| ("message".to_owned(), error.into())));
    let kind = text(Col::Kind).unwrap_or("event");
    let name = text(Col::Action).filter(|action| *action != kind);
    json!({
        "traceId": task.short(32),
        "spanId": event.id().short(16),
        "parentSpanId": parent.map(|id| id.short(16)).unwrap_or_default(),
        "name": name.map_or_else(|| kind.to_owned(), |action| format!("{kind} {action}")),
        "kind": 1,
        "startTimeUnixNano": nanoseconds(time),
        "endTimeUnixNano": nanoseconds(event.end().unwrap_or(time).max(time)),
        "attributes": attributes,
        "status": status,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_hold_each_task_once_and_few_events_each() {
        let sizes = [1, AT_ONCE - 1, 1, 3 * AT_ONCE, 5, 0, AT_ONCE - 5, 0, 1];
        let tasks: Vec<usize> = (0..sizes.len()).collect();
        let blocks = blocks(&tasks, |task| sizes[task]);
        let wanted: [&[usize]; 5] = [&[0, 1], &[2], &[3], &[4, 5, 6, 7], &[8]];
        assert_eq!(blocks, wanted);
        assert!(super::blocks(&[], |_| 1).is_empty());
    }
}
