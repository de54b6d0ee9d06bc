//! What an event says that others may say too: values, sizes, ids in the user's own patterns.

use crate::config::KeyPattern;
use crate::model::{ContentPart, Event, KeyKind, Kind, body_size};
use crate::normalise::names::{add_changed, add_learned};

/// Values by which a step can be told to be the cause or effect of another.
pub(super) fn evidence(event: &mut Event<'_>) {
    add_changed(event);
    add_sizes(event);
    let said: Vec<String> = event
        .attributes
        .iter()
        .filter(|(name, _)| name.contains("comment") || name.contains("reason"))
        .map(|(_, text)| text.to_string())
        .collect();
    said.iter().for_each(|text| add_learned(event, text));
    if event.kind == Kind::ToolCall
        && let Some(tool) = event.tool.clone().filter(|tool| tool.len() >= 8)
    {
        event.key(KeyKind::Value, tool);
    }
    if matches!(event.kind, Kind::ToolResult | Kind::ToolCall) {
        let results: Vec<String> = event
            .contents
            .iter()
            .filter(|(part, _)| *part == ContentPart::Result)
            .map(|(_, text)| text.to_string())
            .collect();
        for text in results {
            add_learned(event, &text);
        }
    }
}

/// Ids that are written as the user's patterns say, wherever a text of the event has them.
pub(super) fn add_patterns(event: &mut Event<'_>, patterns: &[KeyPattern]) {
    const MOST: usize = 32;
    if patterns.is_empty() {
        return;
    }
    let fields = [&event.action, &event.object.id, &event.error];
    let fields = fields.into_iter().flatten();
    let attributes = event.attributes.iter().map(|(_, value)| value);
    let changes = event.changes.iter();
    let changes = changes.flat_map(|change| [&change.before, &change.after].into_iter().flatten());
    let contents = event.contents.iter().map(|(_, text)| text);
    let texts = fields.chain(attributes).chain(changes).chain(contents);
    let mut found: Vec<(KeyKind, String)> = Vec::new();
    for text in texts {
        for KeyPattern { kind, pattern } in patterns {
            let hits = pattern.captures_iter(text).take(MOST);
            let ids = hits.filter_map(|hit| hit.get(1).or_else(|| hit.get(0)));
            found.extend(ids.map(|id| (*kind, id.as_str().to_owned())));
        }
    }
    found.sort_unstable();
    found.dedup();
    for (kind, id) in found {
        event.key(kind, id);
    }
}

/// Bytes of a body below which many are as long.
const LEAST_BODY: u64 = 16;

/// The bytes of an answer: what a gateway sent is, but for its own wrapping, what the model was given. And those of what a
/// request writes: systems that it passes count the same.
fn add_sizes(event: &mut Event<'_>) {
    let attribute = |wanted: &str| {
        let mut attributes = event.attributes.iter();
        let found = attributes.find(|(name, _)| name == wanted);
        found.map(|(_, size)| size.to_string())
    };
    let sent = attribute("http.response.size");
    // Reads write nothing, and are most of all.
    let is_write = event.kind == Kind::Write;
    let written = is_write.then(|| attribute("http.request.size")).flatten();
    let written = written.filter(|size| {
        let bytes = size.parse::<u64>();
        bytes.is_ok_and(|bytes| bytes >= LEAST_BODY)
    });
    let given = event
        .contents
        .iter()
        .find(|(part, _)| *part == ContentPart::Result && event.kind == Kind::ToolResult)
        .map(|(_, text)| text.len().to_string());
    event.key_opt(KeyKind::Size, sent.or(given));
    event.key_opt(KeyKind::Value, written.map(|bytes| body_size(&bytes)));
}
