//! What a rule can ask of an event, wherever the event comes from: the store, a rule's example, or an
//! action that is only proposed.

use std::borrow::Cow;

use rsigma_eval::{Event, EventValue};
use serde_json::{Map, Value};

use crate::model::Amount;
use crate::model::time::{Time, Zoneless};
use crate::store::{Col, EventView};

/// An event as rules see it.
pub trait Record {
    /// A column or an attribute by name.
    fn field(&self, name: &str) -> Option<Cow<'_, str>>;
    /// All texts of the event, for rules that look for a word anywhere.
    fn strings(&self) -> Vec<Cow<'_, str>>;
    /// Microseconds UTC.
    fn time(&self) -> Option<i64>;
    /// Amount of money.
    fn amount(&self) -> Option<Amount>;
}

impl Record for EventView<'_> {
    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        if let Some(column) = Col::from_name(name) {
            return self.text(column).map(Cow::Borrowed);
        }
        match name {
            "amount" => Record::amount(self).map(|amount| amount.to_string().into()),
            "tokens_in" => self.tokens_in().map(|tokens| tokens.to_string().into()),
            "tokens_out" => self.tokens_out().map(|tokens| tokens.to_string().into()),
            "time" => EventView::time(self).map(|us| crate::model::time::format_utc(us).into()),
            "hour" => EventView::time(self).map(|us| hour(us).to_string().into()),
            "weekday" => EventView::time(self).map(|us| weekday(us).into()),
            "changed_fields" => {
                let changes = self.changes();
                let names: Vec<&str> = changes.iter().map(|change| change.field).collect();
                (!names.is_empty()).then(|| names.join(",").into())
            }
            name => self.attribute(name).map(Cow::Borrowed),
        }
    }

    fn strings(&self) -> Vec<Cow<'_, str>> {
        let columns = Col::ALL.iter().filter_map(|column| self.text(*column));
        columns
            .chain(self.attributes().map(|(_, value)| value))
            .map(Cow::Borrowed)
            .collect()
    }

    fn time(&self) -> Option<i64> {
        EventView::time(self)
    }

    fn amount(&self) -> Option<Amount> {
        EventView::amount(self)
    }
}

const HOUR: i64 = 3_600_000_000;

/// Hour of the day, UTC.
fn hour(us: i64) -> i64 {
    us.div_euclid(HOUR).rem_euclid(24)
}

/// Day of the week, UTC; 1 January 1970 was a Thursday.
fn weekday(us: i64) -> &'static str {
    const DAYS: [&str; 7] = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"];
    let day = us.div_euclid(24 * HOUR).rem_euclid(7);
    DAYS[usize::try_from(day).unwrap_or(0)]
}

/// An event in the form of JSON or YAML: columns and attributes by name, beside each other.
#[derive(Clone, Debug, Default)]
pub struct Given(Map<String, Value>);

impl Given {
    /// Takes an object; `attributes` in it are its fields too.
    ///
    /// # Errors
    /// It is no object, or its time or amount is none.
    pub fn new(value: &Value) -> Result<Self, String> {
        let mut fields = value
            .as_object()
            .cloned()
            .ok_or_else(|| format!("an event is an object of fields, not {value}"))?;
        if let Some(Value::Object(attributes)) = fields.remove("attributes") {
            fields.extend(attributes);
        }
        let given = Self(fields);
        if let Some(text) = given.0.get("time") {
            let text = text.as_str().unwrap_or_default();
            Time::parse(text, Zoneless::Utc).map_err(|error| error.to_string())?;
        }
        if let Some(amount) = given.0.get("amount")
            && Record::amount(&given).is_none()
        {
            return Err(format!("{amount} is no amount"));
        }
        Ok(given)
    }
}

impl Given {
    /// The event at that time, unless it says one itself.
    #[must_use]
    pub fn at(&self, us: i64) -> Self {
        let mut given = self.clone();
        let time = crate::model::time::format_utc(us);
        given.0.entry("time").or_insert_with(|| time.into());
        given
    }

    /// The fields as they were given.
    #[must_use]
    pub fn json(&self) -> Value {
        Value::Object(self.0.clone())
    }
}

fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Null => None,
        other => Some(Cow::Owned(other.to_string())),
    }
}

impl Record for Given {
    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        match name {
            "hour" => Record::time(self).map(|us| hour(us).to_string().into()),
            "weekday" => Record::time(self).map(|us| weekday(us).into()),
            name => self.0.get(name).and_then(text),
        }
    }

    fn strings(&self) -> Vec<Cow<'_, str>> {
        self.0.values().filter_map(text).collect()
    }

    fn time(&self) -> Option<i64> {
        let text = self.0.get("time")?.as_str()?;
        Time::parse(text, Zoneless::Utc).ok().map(|time| time.us)
    }

    fn amount(&self) -> Option<Amount> {
        Amount::parse(&text(self.0.get("amount")?)?)
    }
}

/// A record as the Sigma engine sees it.
pub(super) struct AsSigma<'r>(pub &'r dyn Record);

impl Event for AsSigma<'_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        if path == "amount" {
            // Rules compare amounts with numbers of their own; the exact value stays in the table.
            let amount = self.0.amount()?;
            return amount.to_string().parse().ok().map(EventValue::Float);
        }
        self.0.field(path).map(EventValue::Str)
    }

    fn any_string_value(&self, pred: &dyn Fn(&str) -> bool) -> bool {
        self.0.strings().iter().any(|text| pred(text))
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        self.0.strings()
    }

    fn to_json(&self) -> Value {
        Value::Array(self.0.strings().into_iter().map(Into::into).collect())
    }
}

/// The record of a source as it was logged, by its own names; the event's columns stand behind them.
pub(super) struct AsLogged<'r> {
    pub json: rsigma_eval::JsonEvent<'r>,
}

/// Names that public rules use for fields that the cloud's own export calls otherwise.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("gcp.audit.method_name", "protoPayload.methodName"),
    ("gcp.audit.service_name", "protoPayload.serviceName"),
    ("data.protoPayload.", "protoPayload."),
    ("eventService", "protoPayload.serviceName"),
    ("properties.message", "operationName"),
    ("ActivityDisplayName", "activityDisplayName"),
    ("OperationName", "operationName"),
    ("LoggedByService", "loggedByService"),
    ("Category", "category"),
];

impl Event for AsLogged<'_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        self.json.get_field(path).or_else(|| {
            OTHER_NAMES.iter().find_map(|(rule, export)| {
                let rest = path.strip_prefix(rule)?;
                let whole = rest.is_empty() || rule.ends_with('.');
                whole
                    .then(|| self.json.get_field(&format!("{export}{rest}")))
                    .flatten()
            })
        })
    }

    fn any_string_value(&self, pred: &dyn Fn(&str) -> bool) -> bool {
        self.json.any_string_value(pred)
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        self.json.all_string_values()
    }

    fn to_json(&self) -> Value {
        self.json.to_json()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_and_days() {
        let at = |text| {
            Given::new(
                &serde_json::json!({"time": text, "kind": "write", "attributes": {"a.b": 3}}),
            )
            .unwrap()
        };
        let event = at("2026-03-02T07:30:00Z");
        assert_eq!(event.field("hour").unwrap(), "7");
        assert_eq!(event.field("weekday").unwrap(), "mon");
        assert_eq!(event.field("a.b").unwrap(), "3");
        assert!(Given::new(&serde_json::json!({"time": "yesterday"})).is_err());
        assert!(Given::new(&serde_json::json!({"amount": "many"})).is_err());
        assert!(Given::new(&serde_json::json!("write")).is_err());
    }

    #[test]
    fn records_answer_to_the_names_of_public_rules() {
        let record = serde_json::json!({"protoPayload": {"methodName": "m.delete"}, "operationName": "Add user"});
        let logged = AsLogged {
            json: rsigma_eval::JsonEvent::borrow(&record),
        };
        let text = |name: &str| {
            logged
                .get_field(name)
                .and_then(|v| v.as_str().map(|s| s.into_owned()))
        };
        assert_eq!(text("gcp.audit.method_name").as_deref(), Some("m.delete"));
        assert_eq!(
            text("data.protoPayload.methodName").as_deref(),
            Some("m.delete")
        );
        assert_eq!(text("properties.message").as_deref(), Some("Add user"));
        assert_eq!(text("eventName"), None);
    }
}
