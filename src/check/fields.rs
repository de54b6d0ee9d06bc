//! What a selection asks for: fields that exist, values that occur.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::model::Kind;

/// Names of the fields that a detection asks for; says whether it looks for words anywhere.
pub(super) fn fields_of(detection: &Value, keywords: &mut bool) -> BTreeSet<String> {
    pub(super) fn walk(value: &Value, fields: &mut BTreeSet<String>, keywords: &mut bool) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let mut parts = key.split('|');
                    fields.extend(parts.next().map(str::to_owned));
                    // The value of a field reference is a field.
                    if parts.any(|modifier| modifier == "fieldref") {
                        let names = value
                            .as_array()
                            .cloned()
                            .unwrap_or_else(|| vec![value.clone()]);
                        fields.extend(names.iter().filter_map(Value::as_str).map(str::to_owned));
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
    let mut fields = BTreeSet::new();
    for (name, selection) in detection.as_object().into_iter().flatten() {
        if name != "condition" && name != "timeframe" {
            walk(selection, &mut fields, keywords);
        }
    }
    fields
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
