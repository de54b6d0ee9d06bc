//! Any JSON, table or key=value log, when nobody knows its format and `--lenient` asks for it.
//!
//! - Vendor document: none.
//! - Detection: never; it is taken for what no other format takes.
//! - Time: the first member that goes by a usual name and is a time; of a line, its beginning.
//! - Ids: members that go by the usual names.
//! - Not mapped: everything else is an attribute, up to a limit; the event is of kind `other`.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::model::{ContentPart, Event, KeyKind, Kind};
use crate::normalise::http::add_traceparent;
use crate::normalise::names::{add_mentions, add_named};
use crate::normalise::{Detection, Format, MapError, Record, Sample, ZoneRule};

/// Reads what no other format reads.
pub struct Generic;

/// Most members that are kept beside the raw record.
const MOST: usize = 64;
/// Longest value that is kept as an attribute.
const LONGEST: usize = 1024;

const TIMES: &[&str] = &[
    "@timestamp",
    "timestamp",
    "time",
    "ts",
    "eventtime",
    "datetime",
    "date",
    "createdat",
    "created",
    "starttime",
    "startedat",
    "logtime",
    "when",
    "zeit",
    "zeitpunkt",
];

static PAIR: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"([A-Za-z_][\w.@-]*)=("(?:[^"\\]|\\.)*"|[^\s,;]+)"#)
        .unwrap_or_else(|error| unreachable!("constant pattern: {error}"))
});

static LEADING_TIME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^\[?(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?(?:Z|UTC|[+-]\d{2}:?\d{2}))?)",
    )
    .unwrap_or_else(|error| unreachable!("constant pattern: {error}"))
});

impl Format for Generic {
    fn name(&self) -> &'static str {
        "generic"
    }

    fn title(&self) -> &'static str {
        "Any JSON, table or key=value log (--lenient)"
    }

    fn family(&self) -> &'static str {
        "unknown"
    }

    fn zone_rule(&self) -> ZoneRule {
        ZoneRule::Local
    }

    fn detect(&self, _: &Sample<'_>) -> Option<Detection> {
        None
    }

    fn map<'r>(&self, record: &Record<'r>, out: &mut Vec<Event<'r>>) -> Result<(), MapError> {
        let mut event = Event::new(Kind::Other);
        event.notes.push(Cow::Borrowed(
            "read leniently: its format is not known, so nothing is known of what its fields mean",
        ));
        if let Some((header, row)) = record.row {
            for (at, name) in header.names.iter().enumerate() {
                take(record, &mut event, name, row.get(at).unwrap_or_default());
            }
        } else if record.text.starts_with(['{', '[']) {
            let value: Value = record.json()?;
            flatten(record, &mut event, "", &value, 0);
        } else {
            line(record, &mut event);
        }
        out.push(event);
        Ok(())
    }
}

fn flatten(record: &Record<'_>, event: &mut Event<'_>, name: &str, value: &Value, depth: u8) {
    match value {
        Value::Object(members) if depth < 4 => {
            for (member, value) in members {
                let name = match name {
                    "" => member.clone(),
                    _ => format!("{name}.{member}"),
                };
                flatten(record, event, &name, value, depth + 1);
            }
        }
        Value::Null => {}
        Value::String(text) => take(record, event, name, text),
        other => take(record, event, name, &other.to_string()),
    }
}

fn line(record: &Record<'_>, event: &mut Event<'_>) {
    if let Some(time) = LEADING_TIME
        .captures(record.text)
        .and_then(|found| found.get(1))
    {
        event.time = record.local(time.as_str()).ok();
    }
    for found in PAIR.captures_iter(record.text).take(MOST) {
        let (Some(name), Some(value)) = (found.get(1), found.get(2)) else {
            continue;
        };
        take(
            record,
            event,
            name.as_str(),
            value.as_str().trim_matches('"'),
        );
    }
    add_mentions(event, record.text);
    event
        .contents
        .push((ContentPart::Output, Cow::Owned(record.text.to_owned())));
}

/// Puts one named value where it belongs.
fn take(record: &Record<'_>, event: &mut Event<'_>, name: &str, value: &str) {
    let value = value.trim();
    if value.is_empty() || value == "-" || value.eq_ignore_ascii_case("null") {
        return;
    }
    let last = name.rsplit('.').next().unwrap_or(name);
    let plain: String = last
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == '@')
        .flat_map(char::to_lowercase)
        .collect();
    let owned = || Cow::Owned(value.to_owned());
    match plain.as_str() {
        name if TIMES.contains(&name) && event.time.is_none() => {
            event.time = record.local(value).ok();
        }
        "traceparent" => add_traceparent(event, &owned()),
        "traceid" | "trace" => {
            event.key(KeyKind::Trace, value.to_owned());
            event.trace.get_or_insert_with(owned);
        }
        "requestid" | "xrequestid" | "correlationid" | "reqid" => {
            event.key(KeyKind::Request, value.to_owned());
        }
        "conversationid" | "threadid" => {
            event.key(KeyKind::Conversation, value.to_owned());
            event.conversation.get_or_insert_with(owned);
        }
        "sessionid" | "session" => event.key(KeyKind::Session, value.to_owned()),
        "toolcallid" | "callid" => event.key(KeyKind::ToolCall, value.to_owned()),
        "runid" | "workflowrunid" => event.key(KeyKind::WorkflowRun, value.to_owned()),
        "user" | "username" | "userid" | "actor" | "benutzer" | "principal" | "email" => {
            event.key(KeyKind::User, value.to_owned());
            event.actor.id.get_or_insert_with(owned);
        }
        "ip" | "clientip" | "remoteaddr" | "sourceip" => {
            event.key(KeyKind::Address, value.to_owned());
        }
        "action" | "event" | "operation" | "eventname" | "aktion" | "message" | "msg" => {
            event.action.get_or_insert_with(owned);
        }
        "error" | "errormessage" => {
            event.error.get_or_insert_with(owned);
        }
        _ => {
            add_named(event, last, owned());
        }
    }
    if event.attributes.len() < MOST && value.len() <= LONGEST {
        event.attr(name.to_owned(), value.to_owned());
    } else if value.len() > LONGEST {
        event.contents.push((ContentPart::Output, owned()));
    }
}
