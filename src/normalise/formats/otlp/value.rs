//! Values of attributes and bodies: typed as OTLP writes them, or plain JSON, as CloudWatch keeps spans and log records.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::normalise::chat::text_of;
use crate::normalise::json::Text;

/// Named values: a list as OTLP has it, or an object with a member for each.
#[derive(Default)]
pub(in crate::normalise::formats) struct Attributes<'a>(
    pub(in crate::normalise::formats) Vec<Attribute<'a>>,
);

impl<'de: 'a, 'a> Deserialize<'de> for Attributes<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Named;

        impl<'de> Visitor<'de> for Named {
            type Value = Attributes<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of attributes, or an object")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Attributes::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut attributes = Vec::with_capacity(list.size_hint().unwrap_or(8));
                while let Some(attribute) = list.next_element()? {
                    attributes.push(attribute);
                }
                Ok(Attributes(attributes))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
                let mut attributes = Vec::with_capacity(members.size_hint().unwrap_or(8));
                while let Some((key, value)) = members.next_entry::<Text<'de>, &'de RawValue>()? {
                    attributes.push(Attribute {
                        key,
                        value: Some(value),
                    });
                }
                Ok(Attributes(attributes))
            }
        }

        from.deserialize_any(Named)
    }
}

/// A named value.
#[derive(Deserialize)]
pub(in crate::normalise::formats) struct Attribute<'a> {
    #[serde(borrow)]
    pub(in crate::normalise::formats) key: Text<'a>,
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
    #[serde(borrow)]
    bytes_value: Option<Text<'a>>,
    kvlist_value: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ArrayValue<'a> {
    #[serde(borrow, default)]
    values: Vec<&'a RawValue>,
}

impl<'a> Attribute<'a> {
    pub(in crate::normalise::formats) fn text(&self) -> Cow<'a, str> {
        self.value.map(value_text).unwrap_or_default()
    }
}

/// A value as text: what has parts as plain JSON, a list of plain values with commas.
pub(in crate::normalise::formats) fn value_text<'a>(raw: &'a RawValue) -> Cow<'a, str> {
    match raw.get().as_bytes().first() {
        Some(b'{') => {}
        Some(b'[') => return list_text(raw),
        _ => return text_of(raw),
    }
    let Ok(value) = serde_json::from_str::<AnyValue<'a>>(raw.get()) else {
        return Cow::Borrowed(raw.get());
    };
    let scalar = value
        .string_value
        .or(value.int_value)
        .or(value.double_value)
        .or(value.bool_value)
        .or(value.bytes_value);
    let has_parts = |raw: &&RawValue| {
        raw.get().contains("\"kvlistValue\"") || raw.get().contains("\"arrayValue\"")
    };
    match (scalar, value.array_value, value.kvlist_value) {
        (Some(text), ..) => text.0,
        (None, Some(array), _) if array.values.iter().any(has_parts) => {
            let values = array.values.iter().map(|raw| plain(raw));
            Cow::Owned(Value::Array(values.collect()).to_string())
        }
        (None, Some(array), _) => joined(array.values),
        (None, None, Some(_)) => Cow::Owned(plain(raw).to_string()),
        // Of no type: plain JSON, unless there is nothing in it.
        (None, None, None) if raw.get()[1..].trim_start().starts_with('}') => Cow::Borrowed(""),
        (None, None, None) => Cow::Borrowed(raw.get()),
    }
}

fn joined<'a>(values: Vec<&'a RawValue>) -> Cow<'a, str> {
    let texts: Vec<Cow<'_, str>> = values.into_iter().map(value_text).collect();
    Cow::Owned(texts.join(","))
}

/// A plain list.
fn list_text<'a>(raw: &'a RawValue) -> Cow<'a, str> {
    let has_parts = |raw: &&RawValue| raw.get().starts_with(['{', '[']);
    match serde_json::from_str::<Vec<&'a RawValue>>(raw.get()) {
        Ok(values) if !values.iter().any(has_parts) => joined(values),
        _ => Cow::Borrowed(raw.get()),
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
