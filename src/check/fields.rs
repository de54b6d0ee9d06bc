//! What a selection asks for: fields that exist, values that occur.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::Kind;

/// What of a field's value a policy tells apart. Events in which no field differs in it fit the same
/// selections.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Asked {
    /// Whether there is one.
    Presence,
    /// On which side of each of these bounds a number lies.
    Bounds(Vec<f64>),
    /// The value itself.
    Value,
}

impl Asked {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Value, _) | (_, Self::Value) => Self::Value,
            (Self::Presence, other) | (other, Self::Presence) => other,
            (Self::Bounds(mut all), Self::Bounds(more)) => {
                all.extend(more);
                all.sort_by(f64::total_cmp);
                all.dedup();
                Self::Bounds(all)
            }
        }
    }

    /// How a detection asks by a key's modifiers and value.
    fn of(field: &str, modifiers: &[&str], value: &Value) -> Self {
        let values = match value {
            Value::Array(list) => list.as_slice(),
            one => std::slice::from_ref(one),
        };
        let any = |value: &Value| value.is_null() || value.as_str() == Some("*");
        match modifiers {
            [] if values.iter().all(any) => Self::Presence,
            ["exists"] => Self::Presence,
            // Of a text, what a bound makes of it is the engine's matter.
            ["gt" | "gte" | "lt" | "lte"] if field == "amount" => {
                let bounds: Option<Vec<f64>> = values.iter().map(Value::as_f64).collect();
                bounds.map_or(Self::Value, |bounds| {
                    Self::Presence.and(Self::Bounds(bounds))
                })
            }
            _ => Self::Value,
        }
    }

    /// Writes what is told apart of a value, so that no other value of any field reads the same: values
    /// come from logs, and whoever writes them must not choose what they are taken for.
    pub(super) fn write(&self, value: Option<&str>, key: &mut Vec<u8>) {
        const ABSENT: u8 = 0;
        const EMPTY: u8 = 1;
        const PRESENT: u8 = 2;
        const NUMBER: u8 = 3;
        let Some(value) = value else {
            key.push(ABSENT);
            return;
        };
        match self {
            Self::Presence if value.is_empty() => key.push(EMPTY),
            Self::Presence => key.push(PRESENT),
            Self::Bounds(bounds) if value.parse::<f64>().is_ok() => {
                let number: f64 = value.parse().unwrap_or_default();
                let below = bounds.iter().filter(|bound| **bound < number).count();
                let at = bounds.iter().filter(|bound| **bound == number).count();
                key.push(NUMBER);
                key.extend_from_slice(&below.to_le_bytes());
                key.extend_from_slice(&at.to_le_bytes());
            }
            Self::Bounds(_) | Self::Value => {
                key.push(PRESENT);
                key.extend_from_slice(&value.len().to_le_bytes());
                key.extend_from_slice(value.as_bytes());
            }
        }
    }
}

/// The fields that a detection asks for, and how; says whether it looks for words anywhere.
pub(super) fn fields_of(detection: &Value, keywords: &mut bool) -> BTreeMap<String, Asked> {
    fn walk(value: &Value, fields: &mut BTreeMap<String, Asked>, keywords: &mut bool) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let mut parts = key.split('|');
                    let field = parts.next().unwrap_or_default();
                    let modifiers: Vec<&str> = parts.collect();
                    add(fields, field, Asked::of(field, &modifiers, value));
                    // The value of a field reference is a field.
                    if modifiers.contains(&"fieldref") {
                        let names = value
                            .as_array()
                            .cloned()
                            .unwrap_or_else(|| vec![value.clone()]);
                        for name in names.iter().filter_map(Value::as_str) {
                            add(fields, name, Asked::Value);
                        }
                    }
                }
            }
            Value::Array(list) => {
                for value in list {
                    walk(value, fields, keywords);
                }
            }
            _ => *keywords = true,
        }
    }
    let mut fields = BTreeMap::new();
    for (name, selection) in detection.as_object().into_iter().flatten() {
        if name != "condition" && name != "timeframe" {
            walk(selection, &mut fields, keywords);
        }
    }
    fields
}

/// Adds a field, or another way in which it is asked for.
pub(super) fn add(fields: &mut BTreeMap<String, Asked>, field: &str, asked: Asked) {
    let both = match fields.remove(field) {
        Some(known) => known.and(asked),
        None => asked,
    };
    fields.insert(field.to_owned(), both);
}

/// Fields beside the text columns.
pub(super) const OTHER_FIELDS: [&str; 7] = [
    "amount",
    "tokens_in",
    "tokens_out",
    "time",
    "hour",
    "weekday",
    "changed_fields",
];

/// A field is a column or an attribute; a name that is nearly a column's is a slip.
pub(super) fn known_field(name: &str) -> Result<(), String> {
    let texts = crate::store::Col::ALL.iter().map(|column| column.name());
    let mut columns = texts.chain(OTHER_FIELDS);
    if columns.clone().any(|column| column == name) {
        return Ok(());
    }
    let near = columns
        .by_ref()
        .filter(|column| column.len() > 3)
        .find(|column| strsim::damerau_levenshtein(column, name) <= 1);
    match near {
        Some(column) => Err(format!("unknown field `{name}`; did you mean `{column}`?")),
        None => Ok(()),
    }
}

/// Refuses values that a closed list does not have, and bounds that leave nothing.
pub(super) fn odd_values(selection: &Value) -> Result<(), String> {
    use crate::model::{ActorType, Outcome};
    let Value::Object(map) = selection else {
        for inner in selection.as_array().into_iter().flatten() {
            odd_values(inner)?;
        }
        return Ok(());
    };
    let bound = |suffix: &str| {
        map.iter()
            .filter_map(|(key, value)| Some((key.strip_suffix(suffix)?, value.as_f64()?)))
            .collect::<Vec<_>>()
    };
    for (field, least) in [bound("|gte"), bound("|gt")].concat() {
        let most = [bound("|lte"), bound("|lt")].concat();
        if most
            .iter()
            .any(|(other, most)| *other == field && *most < least)
        {
            return Err(format!(
                "`{field}` can never be at least {least} and below that"
            ));
        }
    }
    for (key, value) in map {
        let names: Vec<&str> = match value {
            Value::String(text) => vec![text],
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
            inner @ Value::Object(_) => {
                odd_values(inner)?;
                continue;
            }
            _ => continue,
        };
        for name in names.into_iter().filter(|name| !name.contains(['*', '?'])) {
            let known = match key.as_str() {
                "kind" => Kind::from_name(name).is_some(),
                "actor_type" => ActorType::from_name(name).is_some(),
                "outcome" => Outcome::from_name(name).is_some(),
                _ => true,
            };
            if !known {
                return Err(format!(
                    "`{key}` is never `{name}`: the condition is never true"
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asked(detection: &Value) -> BTreeMap<String, Asked> {
        let mut keywords = false;
        let fields = fields_of(detection, &mut keywords);
        assert!(!keywords);
        fields
    }

    #[test]
    fn what_of_a_value_is_asked_for() {
        let fields = asked(&json!({
            "a": {"object": "*", "tool": null, "amount|gte": 500, "actor|contains": "x", "error|exists": true},
            "b": [{"amount|lt": 10}, {"tool": "*"}, {"on_behalf_of|fieldref": "agent"}],
            "condition": "a and b",
        }));
        assert_eq!(fields["object"], Asked::Presence);
        assert_eq!(fields["tool"], Asked::Presence);
        assert_eq!(fields["error"], Asked::Presence);
        assert_eq!(fields["amount"], Asked::Bounds(vec![10.0, 500.0]));
        for field in ["actor", "on_behalf_of", "agent"] {
            assert_eq!(fields[field], Asked::Value, "{field}");
        }
        let both =
            asked(&json!({"a": {"amount|gte": 5}, "b": {"amount": 7}, "condition": "a or b"}));
        assert_eq!(both["amount"], Asked::Value);
        let tokens = asked(&json!({"a": {"tokens_in|gt": 5}, "condition": "a"}));
        assert_eq!(tokens["tokens_in"], Asked::Value);
    }

    #[test]
    fn keys_differ_where_answers_may() {
        let key = |asked: &Asked, values: &[Option<&str>]| {
            let mut key = Vec::new();
            for value in values {
                asked.write(*value, &mut key);
            }
            key
        };
        let bounds = Asked::Bounds(vec![10.0, 500.0]);
        let classes = [
            None,
            Some("9.99"),
            Some("10"),
            Some("10.01"),
            Some("500.00"),
            Some("501"),
            Some("x"),
        ];
        for (at, one) in classes.iter().enumerate() {
            for other in &classes[at + 1..] {
                assert_ne!(
                    key(&bounds, &[*one]),
                    key(&bounds, &[*other]),
                    "{one:?} {other:?}"
                );
            }
        }
        assert_eq!(key(&bounds, &[Some("11")]), key(&bounds, &[Some("499.99")]));
        let there = &Asked::Presence;
        assert_eq!(key(there, &[Some("a")]), key(there, &[Some("b")]));
        assert_ne!(key(there, &[Some("")]), key(there, &[Some("b")]));
        // A value that looks like the end of one and the beginning of another.
        let value = &Asked::Value;
        assert_ne!(
            key(value, &[Some("a\u{2}\u{1}"), Some("b")]),
            key(value, &[Some("a"), Some("\u{2}\u{1}b")])
        );
    }
}
