//! What traces and logs in OTLP JSON have in common: attributes with typed values, and resources.

mod attributes;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

pub(super) use attributes::{kind_of, take_attribute};

use crate::model::time::Time;
use crate::model::{ActorType, ContentPart, Event, KeyKind, Kind};
use crate::normalise::MapError;
use crate::normalise::chat::messages::{self, AskedTool, GivenResult};
use crate::normalise::chat::text_of;
use crate::normalise::json::Text;

/// What sent the spans or log records.
#[derive(Deserialize)]
pub(super) struct Resource<'a> {
    #[serde(borrow, default)]
    attributes: Vec<Attribute<'a>>,
}

impl<'a> Resource<'a> {
    /// Adds to an event what is known of its sender: the service, which keeps the clock too, and its host.
    pub(super) fn add_to(&self, event: &mut Event<'a>) {
        for attribute in &self.attributes {
            match &*attribute.key {
                "service.name" => {
                    event.key(KeyKind::Clock, attribute.text());
                    event.actor.id = Some(attribute.text());
                    event.actor.kind = Some(ActorType::Service);
                }
                "host.ip" => event.key(KeyKind::Address, attribute.text()),
                _ => event.attr(attribute.key.0.clone(), attribute.text()),
            }
        }
    }
}

/// A named value.
#[derive(Deserialize)]
pub(super) struct Attribute<'a> {
    #[serde(borrow)]
    pub(super) key: Text<'a>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyValue<'a> {
    #[serde(borrow)]
    string_value: Option<Text<'a>>,
    #[serde(borrow)]
    int_value: Option<Text<'a>>,
    #[serde(borrow)]
    double_value: Option<Text<'a>>,
    #[serde(borrow)]
    bool_value: Option<Text<'a>>,
    #[serde(borrow)]
    array_value: Option<ArrayValue<'a>>,
    kvlist_value: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ArrayValue<'a> {
    #[serde(borrow, default)]
    values: Vec<&'a RawValue>,
}

impl<'a> Attribute<'a> {
    pub(super) fn text(&self) -> Cow<'a, str> {
        self.value.map(value_text).unwrap_or_default()
    }
}

/// A value as text: what has parts as plain JSON, a list of plain values with commas.
pub(super) fn value_text<'a>(raw: &'a RawValue) -> Cow<'a, str> {
    if !raw.get().starts_with('{') {
        return text_of(raw);
    }
    let Ok(value) = serde_json::from_str::<AnyValue<'a>>(raw.get()) else {
        return Cow::Borrowed("");
    };
    let scalar = value
        .string_value
        .or(value.int_value)
        .or(value.double_value)
        .or(value.bool_value);
    let has_parts = |raw: &&RawValue| {
        raw.get().contains("\"kvlistValue\"") || raw.get().contains("\"arrayValue\"")
    };
    match (scalar, value.array_value, value.kvlist_value) {
        (Some(text), ..) => text.0,
        (None, Some(array), _) if array.values.iter().any(has_parts) => {
            let values = array.values.iter().map(|raw| plain(raw));
            Cow::Owned(Value::Array(values.collect()).to_string())
        }
        (None, Some(array), _) => {
            let texts: Vec<Cow<'_, str>> = array.values.into_iter().map(value_text).collect();
            Cow::Owned(texts.join(","))
        }
        (None, None, Some(_)) => Cow::Owned(plain(raw).to_string()),
        (None, None, None) => Cow::Borrowed(""),
    }
}

/// A typed value as plain JSON.
fn plain(raw: &RawValue) -> Value {
    serde_json::from_str::<Value>(raw.get()).map_or(Value::Null, |value| untyped(value, 0))
}

fn untyped(value: Value, depth: u8) -> Value {
    const DEEPEST: u8 = 32;
    let Value::Object(mut members) = value else {
        return value;
    };
    if depth > DEEPEST {
        return Value::Null;
    }
    let list = |value: Option<Value>| match value {
        Some(Value::Object(mut inner)) => match inner.remove("values") {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    if let Some(items) = members.remove("arrayValue") {
        let items = list(Some(items)).into_iter();
        return Value::Array(items.map(|item| untyped(item, depth + 1)).collect());
    }
    if let Some(pairs) = members.remove("kvlistValue") {
        let pairs = list(Some(pairs)).into_iter().filter_map(|pair| {
            let Value::Object(mut pair) = pair else {
                return None;
            };
            let key = pair.remove("key")?.as_str()?.to_owned();
            let value = pair.remove("value").unwrap_or(Value::Null);
            Some((key, untyped(value, depth + 1)))
        });
        return Value::Object(pairs.collect());
    }
    if let Some(number) = members.get("intValue").and_then(Value::as_str) {
        return number.parse::<i64>().map_or(Value::Null, Value::from);
    }
    let scalars = [
        "stringValue",
        "boolValue",
        "doubleValue",
        "intValue",
        "bytesValue",
    ];
    let scalar = scalars.iter().find_map(|name| members.remove(*name));
    scalar.unwrap_or(Value::Null)
}

/// A time in nanoseconds since 1970; zero is none.
pub(super) fn nanos(text: &Option<Text<'_>>) -> Result<Option<Time>, MapError> {
    match text
        .as_deref()
        .filter(|text| !text.is_empty() && *text != "0")
    {
        Some(text) => {
            let nanos: i64 = text
                .parse()
                .map_err(|_| MapError::other(format!("`{text}` is no time in nanoseconds")))?;
            Ok(Some(Time::from_epoch(nanos)?))
        }
        None => Ok(None),
    }
}

/// What a call of a model was given and asks for, in whatever form its messages are.
pub(super) fn tools_of(event: &Event<'_>) -> (Vec<GivenResult>, Vec<AskedTool>) {
    if event.kind != Kind::Inference {
        return (Vec::new(), Vec::new());
    }
    let texts = |part| {
        let of_part = event.contents.iter().filter(move |(have, _)| *have == part);
        of_part.map(|(_, text)| &**text)
    };
    let spread = event.attributes.iter();
    let mut calls: Vec<AskedTool> = texts(ContentPart::Output)
        .flat_map(messages::calls)
        .collect();
    calls.extend(messages::spread_calls(
        spread.map(|(name, value)| (&**name, &**value)),
    ));
    if calls.is_empty() {
        calls = texts(ContentPart::Output)
            .flat_map(messages::calls_within)
            .collect();
    }
    let mut results: Vec<GivenResult> = texts(ContentPart::Prompt)
        .flat_map(messages::results)
        .collect();
    if results.is_empty() {
        results = texts(ContentPart::Prompt)
            .flat_map(messages::results_within)
            .collect();
    }
    (results, calls)
}

/// `input.value` and `output.value` are what a step was called with and gave back; of a call of a model they are what it
/// was asked and answered, unless that is told message by message as well.
pub(super) fn name_contents(event: &mut Event<'_>) {
    if event.kind != Kind::Inference {
        return;
    }
    for (as_tool, as_model) in [
        (ContentPart::Arguments, ContentPart::Prompt),
        (ContentPart::Result, ContentPart::Output),
    ] {
        let told = event.contents.iter().any(|(part, _)| *part == as_model);
        if told {
            event.contents.retain(|(part, _)| *part != as_tool);
        }
        for (part, _) in &mut event.contents {
            if *part == as_tool {
                *part = as_model;
            }
        }
    }
}
