//! Tables of events as somebody may see them.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, MapBuilder, MapFieldNames, StringBuilder, StructBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, MapArray, RecordBatch, StringArray, new_null_array};
use arrow_schema::{DataType, Field};

use super::Access;
use crate::store::StoreError;

impl Access {
    /// Events as they are shown: without hidden columns, with revealed values.
    ///
    /// # Errors
    /// Columns of different length (never).
    pub fn events(&self, table: RecordBatch) -> Result<RecordBatch, StoreError> {
        if self.hidden.is_empty() && self.revealed.is_empty() {
            return Ok(table);
        }
        let schema = table.schema();
        let columns: Vec<ArrayRef> = schema
            .fields()
            .iter()
            .zip(table.columns())
            .map(|(field, column)| {
                if self.hidden.contains(field.name()) {
                    new_null_array(field.data_type(), column.len())
                } else if self.revealed.is_empty() || column.null_count() == column.len() {
                    Arc::clone(column)
                } else {
                    self.column(field, column)
                }
            })
            .collect();
        Ok(RecordBatch::try_new(schema, columns)?)
    }

    fn column(&self, field: &Field, column: &ArrayRef) -> ArrayRef {
        let show = |text: Option<&str>| text.map(|text| self.shown_text(text).into_owned());
        match field.data_type() {
            DataType::Utf8 => {
                let texts: StringArray = column.as_string::<i32>().iter().map(show).collect();
                Arc::new(texts)
            }
            DataType::List(item) => Arc::new(self.changes(column.as_list(), item)),
            DataType::Map(..) => Arc::new(self.attributes(column.as_map())),
            _ => Arc::clone(column),
        }
    }

    fn changes(&self, column: &ListArray, item: &Arc<Field>) -> ListArray {
        let fields = match item.data_type() {
            DataType::Struct(fields) => fields.clone(),
            _ => return column.clone(),
        };
        let names = fields.len();
        let mut builder =
            ListBuilder::new(StructBuilder::from_fields(fields, 0)).with_field(Arc::clone(item));
        for row in 0..column.len() {
            if column.is_null(row) {
                builder.append(false);
                continue;
            }
            let value = column.value(row);
            let value = value.as_struct();
            for at in 0..value.len() {
                for field in 0..names {
                    let texts = value.column(field).as_string::<i32>();
                    let text = texts.is_valid(at).then(|| self.shown_text(texts.value(at)));
                    if let Some(to) = builder.values().field_builder::<StringBuilder>(field) {
                        to.append_option(text);
                    }
                }
                builder.values().append(true);
            }
            builder.append(true);
        }
        builder.finish()
    }

    fn attributes(&self, column: &MapArray) -> MapArray {
        let names = MapFieldNames {
            entry: "entries".to_owned(),
            key: "keys".to_owned(),
            value: "values".to_owned(),
        };
        let mut builder = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
        for row in 0..column.len() {
            if column.is_valid(row) {
                let entries = column.value(row);
                let keys = entries.column(0).as_string::<i32>();
                let values = entries.column(1).as_string::<i32>();
                for at in 0..entries.len() {
                    builder.keys().append_value(keys.value(at));
                    let text = values
                        .is_valid(at)
                        .then(|| self.shown_text(values.value(at)));
                    builder.values().append_option(text);
                }
            }
            // Lengths of keys and values are equal, so this does not fail.
            let _ = builder.append(column.is_valid(row));
        }
        builder.finish()
    }
}
