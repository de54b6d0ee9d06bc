//! Events as the Sigma engine sees them: columns and attributes by name.

use std::borrow::Cow;

use rsigma_eval::{Event, EventValue};

use super::conditions::field_text;
use crate::store::{Col, EventView};

/// An event of the store.
pub(super) struct StoredEvent<'t>(pub EventView<'t>);

impl Event for StoredEvent<'_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        if path == "amount" {
            // Rules compare amounts with numbers of their own; the exact value stays in the table.
            let amount = self.0.amount()?;
            return amount.to_string().parse().ok().map(EventValue::Float);
        }
        if let Some(column) = Col::from_name(path) {
            return self
                .0
                .text(column)
                .map(|text| EventValue::Str(Cow::Borrowed(text)));
        }
        field_text(&self.0, path).map(|text| EventValue::Str(Cow::Owned(text)))
    }

    fn any_string_value(&self, pred: &dyn Fn(&str) -> bool) -> bool {
        Col::ALL
            .iter()
            .filter_map(|column| self.0.text(*column))
            .any(pred)
            || self.0.attributes().any(|(_, value)| pred(value))
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        let columns = Col::ALL.iter().filter_map(|column| self.0.text(*column));
        columns
            .chain(self.0.attributes().map(|(_, value)| value))
            .map(Cow::Borrowed)
            .collect()
    }

    fn to_json(&self) -> serde_json::Value {
        let columns = Col::ALL
            .iter()
            .filter_map(|column| Some((column.name(), self.0.text(*column)?)));
        columns
            .chain(self.0.attributes())
            .map(|(name, value)| (name.to_owned(), serde_json::Value::from(value)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}
