//! From a record to events, as a mapping says.

use std::borrow::Cow;

use serde_json::Value as Json;

use super::language::{Unit, Zone};
use super::path::{Scope, text_of};
use super::{Bodies, Requests, Rules, Times};
use crate::model::time::Time;
use crate::model::{ActorType, Amount, Change, ContentPart, Event, KeyKind, Kind, Outcome};
use crate::normalise::chat::messages;
use crate::normalise::formats::exchange::{Exchange, exchange, whole_body};
use crate::normalise::http::{
    add_body, add_headers, add_traceparent, add_uri, kind_of_method, outcome_of_status, path_of,
};
use crate::normalise::names::{add_arguments, add_mentions};
use crate::normalise::{Elements, MapError, Pairs, Record, personal_kinds, sap, sql};

/// Most events one record may give: more than the longest history of a workflow (Temporal ends one at 51,200).
const MOST: usize = 100_000;

pub(super) fn events<'r>(
    (name, any_case): (&'static str, bool),
    rules: &Rules,
    record: &Record<'r>,
    root: &Json,
    out: &mut Vec<Event<'r>>,
) -> Result<(), MapError> {
    let whole = Scope {
        root,
        element: root,
        key: "",
        any_case,
    };
    let mut elements: Vec<(Json, String)> = Vec::new();
    let mut add = |value: Cow<'_, Json>, key: &str| {
        if elements.len() < MOST {
            elements.push((value.into_owned(), key.to_owned()));
        }
    };
    if let Some(each) = &rules.each {
        each.each(whole, &mut add);
    }
    for path in &rules.within {
        path.each(whole, &mut add);
    }
    // A record without elements is an event all the same: nothing is lost.
    if elements.is_empty() || rules.each.is_none() {
        event(name, rules, record, whole, out)?;
    }
    if elements.is_empty() {
        return Ok(());
    }
    let mut read = Elements::default();
    for (element, key) in &elements {
        let scope = Scope {
            element,
            key,
            ..whole
        };
        read.take(out, |out| event(name, rules, record, scope, out));
    }
    read.done("a record without elements", out)
}

fn event<'r>(
    name: &'static str,
    rules: &Rules,
    record: &Record<'r>,
    scope: Scope<'_>,
    out: &mut Vec<Event<'r>>,
) -> Result<(), MapError> {
    let mut event = Event::new(Kind::Other);
    if let Some(times) = &rules.time {
        time(times, record, scope, &mut event)?;
    }
    if let Some(http) = &rules.http {
        request(http, scope, &mut event);
    }
    if let Some(rules) = &rules.sql
        && let Some(statement) = rules.statement.get(scope)
    {
        let beside = |value: &Option<super::Value>| value.as_ref()?.get(scope);
        let (parameters, save) = (beside(&rules.parameters), beside(&rules.save));
        sql::add_statement(&mut event, &statement, parameters.as_deref(), save);
    }
    let mut as_stored = false;
    for (column, value) in &rules.event {
        if let Some(value) = value.get(scope) {
            as_stored |= *column == "amount_stored" && sap::has_two_decimals(&value);
            set(&mut event, column, value);
        }
    }
    if as_stored {
        sap::as_displayed(&mut event);
    }
    for rows in &rules.changes {
        let mut add = |scope: Scope<'_>| {
            let Some(field) = rows.field.get(scope) else {
                return;
            };
            let side = |value: &Option<super::Value>| {
                value
                    .as_ref()
                    .and_then(|value| value.get(scope))
                    .map(Cow::Owned)
            };
            event.changes.push(Change {
                field: Cow::Owned(field),
                before: side(&rows.before),
                after: side(&rows.after),
            });
        };
        match &rows.each {
            Some(each) => each.each(scope, &mut |element, key| {
                add(Scope {
                    element: &element,
                    key,
                    ..scope
                });
            }),
            None => add(scope),
        }
    }
    for (kind, value) in &rules.keys {
        for value in value.all(scope) {
            event.key(*kind, value);
        }
    }
    for (attribute, value) in &rules.attributes {
        if let Some(value) = value.get(scope) {
            event.attr(attribute.clone(), value);
        }
    }
    for condition in &rules.when {
        let holds = match &condition.matches {
            Some(regex) => condition
                .value
                .all(scope)
                .iter()
                .any(|text| regex.is_match(text)),
            None => condition.value.get(scope).is_some(),
        };
        if holds {
            for (column, value) in &condition.set {
                if let Some(value) = value.get(scope) {
                    set(&mut event, column, value);
                }
            }
        }
    }
    contents(rules, scope, &mut event);
    match &rules.call {
        Some(call) => model_call(name, call, record, scope, event, out),
        None => {
            let text_of = |part| {
                let found = event.contents.iter().find(|(have, _)| *have == part);
                found.map_or("", |(_, text)| &**text)
            };
            let (given, asked) = match event.kind {
                Kind::Inference => (
                    messages::results_within(text_of(ContentPart::Prompt)),
                    messages::calls_within(text_of(ContentPart::Output)),
                ),
                _ => (Vec::new(), Vec::new()),
            };
            messages::push(event, given, asked, out);
            Ok(())
        }
    }
}

fn contents(rules: &Rules, scope: Scope<'_>, event: &mut Event<'_>) {
    for (name, value) in &rules.contents {
        // Writers of traces have one pair of fields for all steps: of a tool they are what it was called with and what it gave back.
        let part = match (ContentPart::from_name(name), event.kind) {
            (Some(ContentPart::Prompt), Kind::ToolCall) => ContentPart::Arguments,
            (Some(ContentPart::Output), Kind::ToolCall) => ContentPart::Result,
            (Some(part), _) => part,
            (None, _) => continue,
        };
        for text in value.all(scope) {
            match part {
                ContentPart::Arguments => add_arguments(event, &text),
                ContentPart::Prompt => add_mentions(event, &text),
                _ => {}
            }
            if matches!(part, ContentPart::Prompt | ContentPart::Result) {
                event.attr("personal_data", personal_kinds(&text));
            }
            event.contents.push((part, Cow::Owned(text)));
        }
    }
}

fn time(
    times: &Times,
    record: &Record<'_>,
    scope: Scope<'_>,
    event: &mut Event<'_>,
) -> Result<(), MapError> {
    let Some(text) = times.value.get(scope) else {
        if times.optional {
            return Ok(());
        }
        let mut paths = Vec::new();
        times.value.paths(&mut paths);
        return Err(MapError::other(format!(
            "no time in {}",
            paths.join(" or ")
        )));
    };
    let start = moment(times, record, &text)?;
    event.time = Some(start);
    let end = times.end.as_ref().and_then(|end| end.get(scope));
    event.end_us = match end {
        Some(end) => Some(moment(times, record, &end)?.us),
        None => times
            .duration
            .as_ref()
            .and_then(|duration| duration.get(scope))
            .and_then(|text| micros(&text, times.unit))
            .map(|took| start.us.saturating_add(took)),
    };
    Ok(())
}

/// A duration in microseconds; negative ones (which occur) count as none.
fn micros(text: &str, unit: Unit) -> Option<i64> {
    let number: f64 = text
        .trim_end_matches(|c: char| c.is_alphabetic())
        .trim()
        .parse()
        .ok()?;
    let factor = match unit {
        Unit::Ns => 0.001,
        Unit::Us => 1.0,
        Unit::Ms => 1e3,
        Unit::S => 1e6,
    };
    let took = number * factor;
    #[allow(clippy::cast_possible_truncation)] // Checked to be far below.
    (0.0..1e16).contains(&took).then_some(took as i64)
}

fn moment(times: &Times, record: &Record<'_>, text: &str) -> Result<Time, MapError> {
    let read = |text: &str| match times.zone {
        Zone::Utc => record.utc(text),
        Zone::Local => record.local(text),
    };
    let Some(format) = &times.format else {
        return read(text);
    };
    let wrong = |error: jiff::Error| {
        MapError::other(format!(
            "`{text}` is no time of the form `{format}` ({error})"
        ))
    };
    let parsed = jiff::fmt::strtime::parse(format, text).map_err(wrong)?;
    match parsed.offset() {
        Some(_) => read(&parsed.to_timestamp().map_err(wrong)?.to_string()),
        None => read(&parsed.to_datetime().map_err(wrong)?.to_string()),
    }
}

fn request<'a>(http: &Requests, scope: Scope<'_>, event: &mut Event<'a>) {
    let get = |value: &Option<super::Value>| value.as_ref().and_then(|value| value.get(scope));
    let (method, uri) = (get(&http.method), get(&http.uri));
    if let Some(method) = &method {
        event.kind = kind_of_method(method);
    }
    if let Some(uri) = uri {
        let plain = path_of(&uri).split('?').next().unwrap_or_default();
        event.action = Some(Cow::Owned(match &method {
            Some(method) => format!("{method} {plain}"),
            None => plain.to_owned(),
        }));
        add_uri(event, &uri);
    }
    if let Some(status) = get(&http.status).and_then(|status| status.parse::<u16>().ok()) {
        event.outcome = Some(outcome_of_status(status));
        event.attr("http.response.status_code", status.to_string());
        if status >= 400 {
            event.error = Some(Cow::Owned(format!("HTTP {status}")));
        }
    }
    if let Some(path) = &http.headers {
        path.each(scope, &mut |headers, _| {
            let members = headers.as_object().into_iter().flatten();
            let pairs = members.filter_map(|(name, value)| {
                let value = match value {
                    Json::Array(list) => list.first().and_then(text_of),
                    other => text_of(other),
                };
                Some((Cow::Owned(name.clone()), Cow::Owned(value?)))
            });
            add_headers(event, &Pairs(pairs.collect()));
        });
    }
    if let Some(header) = get(&http.traceparent) {
        add_traceparent(event, &Cow::Owned(header));
    }
    if let Some(body) = get(&http.body) {
        add_body(event, &body);
    }
}

fn set(event: &mut Event<'_>, column: &str, value: String) {
    let number = |text: &str| text.parse::<i64>().ok();
    let text = Some(Cow::Owned(value));
    let value = text.as_deref().unwrap_or_default();
    match column {
        "kind" => event.kind = Kind::from_name(value).unwrap_or(Kind::Other),
        "outcome" => event.outcome = Outcome::from_name(value).or(event.outcome),
        "actor_type" => event.actor.kind = ActorType::from_name(value).or(event.actor.kind),
        "amount" | "amount_stored" => event.amount = Amount::parse(value).or(event.amount),
        "tokens_in" => event.tokens_in = number(value),
        "tokens_out" => event.tokens_out = number(value),
        "note" => event.notes.extend(text),
        "action" => event.action = text,
        "actor" => event.actor.id = text,
        "on_behalf_of" => event.actor.on_behalf_of = text,
        "object_type" => event.object.kind = text,
        "object" => event.object.id = text,
        "error" => event.error = text,
        "currency" => event.currency = text,
        "provider" => event.provider = text,
        "model_requested" => event.model_requested = text,
        "model_served" => event.model_served = text,
        "configuration" => event.configuration = text,
        "policy_id" => event.policy_id = text,
        "policy_version" => event.policy_version = text,
        "knowledge_source" => event.knowledge_source = text,
        "agent" => event.agent = text,
        "conversation" => {
            event.key_opt(KeyKind::Conversation, text.clone());
            event.conversation = text;
        }
        "trace" => {
            event.key_opt(KeyKind::Trace, text.clone());
            event.trace = text;
        }
        "span" => event.span = text,
        "parent_span" => event.parent_span = text,
        "tool" => event.tool = text,
        _ => {}
    }
}

/// Reads the bodies of a model call; without any that is known, the event stays as it is.
fn model_call<'r>(
    format: &'static str,
    call: &Bodies,
    record: &Record<'r>,
    scope: Scope<'_>,
    event: Event<'r>,
    out: &mut Vec<Event<'r>>,
) -> Result<(), MapError> {
    let mut event = event;
    let mut body = |path: &Option<super::Path>| -> &'r str {
        let text = path.as_ref().and_then(|path| path.text_in(scope));
        let text = text.map_or("", |text| record.keep(text));
        whole_body(record, text, &mut event)
    };
    let (asked, answered) = (body(&call.request), body(&call.response));
    let get = |value: &Option<super::Value>| value.as_ref().and_then(|value| value.get(scope));
    let (time, end) = (event.time, event.end_us);
    let call = Exchange {
        format: Some(format),
        url: get(&call.url).unwrap_or_default(),
        time,
        duration_us: time.zip(end).map(|(start, end)| end - start.us),
        status: get(&call.status).and_then(|status| status.parse().ok()),
        error: event.error.as_deref().map(str::to_owned),
        asked,
        answered,
        template: event,
    };
    if let Some(unread) = exchange(call, out)? {
        out.push(unread.template);
    }
    Ok(())
}
