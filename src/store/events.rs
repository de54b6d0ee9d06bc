//! Builds events tables from mapped events.

use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder, Decimal128Builder, FixedSizeBinaryBuilder, Int32Builder, Int64Builder,
    ListBuilder, MapBuilder, MapFieldNames, StringBuilder, StructBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field};

use super::StoreError;
use super::tables::{TEXT_COLUMNS, amount, change_fields, events_schema};
use crate::model::{Event, EventId, KeyKind};

/// What the reader knows of the record an event came from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// File in the batch's custody manifest.
    pub file: i32,
    /// Record in that file, from 1.
    pub ordinal: i64,
    /// First byte.
    pub offset: i64,
    /// Number of bytes.
    pub length: i64,
    /// Source's name.
    pub source: &'a str,
    /// Format's name.
    pub format: &'a str,
}

/// A text column. Most cells are empty, so empty ones are counted and added together.
struct TextColumn {
    builder: StringBuilder,
    empty: usize,
}

impl TextColumn {
    fn push(&mut self, text: Option<&str>) {
        match text.filter(|text| !text.is_empty()) {
            Some(text) => {
                self.flush();
                self.builder.append_value(text);
            }
            None => self.empty += 1,
        }
    }

    /// Number of values and their bytes; nothing for a column that nobody uses.
    fn size(&self) -> (usize, usize) {
        match self.builder.len() {
            0 => (0, 0),
            items => (items + self.empty, self.builder.values_slice().len()),
        }
    }

    fn flush(&mut self) {
        if self.empty > 0 {
            self.builder.append_nulls(std::mem::take(&mut self.empty));
        }
    }

    fn finish(&mut self) -> StringArray {
        self.flush();
        self.builder.finish()
    }
}

/// How large the columns of an events table became: the next one of the same stream will be like it.
#[derive(Clone, Debug, Default)]
pub struct Sizes {
    rows: usize,
    texts: Vec<(usize, usize)>,
    names: usize,
    values: usize,
    attributes: usize,
}

/// Column builders for the events table.
pub struct EventsBuilder {
    id: FixedSizeBinaryBuilder,
    row: Int64Builder,
    time: TimestampMicrosecondBuilder,
    end: TimestampMicrosecondBuilder,
    file: Int32Builder,
    ordinal: Int64Builder,
    offset: Int64Builder,
    length: Int64Builder,
    part: Int32Builder,
    tokens_in: Int64Builder,
    tokens_out: Int64Builder,
    amount: Decimal128Builder,
    texts: Vec<TextColumn>,
    changes: ListBuilder<StructBuilder>,
    attributes: MapBuilder<StringBuilder, StringBuilder>,
    rows: usize,
}

impl EventsBuilder {
    /// A builder for a table that is expected to be like another one.
    #[must_use]
    pub fn like(sizes: &Sizes) -> Self {
        let change = StructBuilder::from_fields(change_fields(), 0);
        let names = MapFieldNames {
            entry: "entries".to_owned(),
            key: "keys".to_owned(),
            value: "values".to_owned(),
        };
        let Sizes {
            rows, attributes, ..
        } = *sizes;
        let number = || Int64Builder::with_capacity(rows);
        let small = || Int32Builder::with_capacity(rows);
        let time = || TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC");
        let texts = (0..TEXT_COLUMNS.len()).map(|column| {
            let (items, bytes) = sizes.texts.get(column).copied().unwrap_or_default();
            TextColumn {
                builder: StringBuilder::with_capacity(items, bytes),
                empty: 0,
            }
        });
        Self {
            id: FixedSizeBinaryBuilder::with_capacity(rows, 32),
            row: number(),
            time: time(),
            end: time(),
            file: small(),
            ordinal: number(),
            offset: number(),
            length: number(),
            part: small(),
            tokens_in: number(),
            tokens_out: number(),
            amount: Decimal128Builder::with_capacity(rows).with_data_type(amount()),
            texts: texts.collect(),
            changes: ListBuilder::new(change).with_field(Field::new(
                "item",
                DataType::Struct(change_fields()),
                true,
            )),
            attributes: MapBuilder::with_capacity(
                Some(names),
                StringBuilder::with_capacity(attributes, sizes.names),
                StringBuilder::with_capacity(attributes, sizes.values),
                rows,
            ),
            rows: 0,
        }
    }

    /// Number of events so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Adds an event; `part` counts the events of its record.
    ///
    /// # Errors
    /// Arrow refuses a value (never for values of these types).
    pub fn push(
        &mut self,
        id: EventId,
        part: i32,
        event: &Event<'_>,
        origin: &Origin<'_>,
    ) -> Result<(), StoreError> {
        self.rows += 1;
        self.id.append_value(id.0)?;
        self.row.append_value(0);
        self.time.append_option(event.time.map(|time| time.us));
        self.end.append_option(event.end_us);
        self.file.append_value(origin.file);
        self.ordinal.append_value(origin.ordinal);
        self.offset.append_value(origin.offset);
        self.length.append_value(origin.length);
        self.part.append_value(part);
        self.tokens_in.append_option(event.tokens_in);
        self.tokens_out.append_option(event.tokens_out);
        self.amount
            .append_option(event.amount.map(|amount| amount.0));
        let notes = (!event.notes.is_empty()).then(|| event.notes.join("; "));
        // In the order of TEXT_COLUMNS.
        let texts: [Option<&str>; 28] = [
            event.time.map(|time| time.origin.as_str()),
            event.time.map(|time| time.precision.as_str()),
            Some(origin.source),
            Some(event.format.unwrap_or(origin.format)),
            Some(event.kind.as_str()),
            event.actor.kind.map(|kind| kind.as_str()),
            event.actor.id.as_deref(),
            event.actor.on_behalf_of.as_deref(),
            event.action.as_deref(),
            event.object.kind.as_deref(),
            event.object.id.as_deref(),
            event.outcome.map(|outcome| outcome.as_str()),
            event.error.as_deref(),
            event.currency.as_deref(),
            event.provider.as_deref(),
            event.model_requested.as_deref(),
            event.model_served.as_deref(),
            event.configuration.as_deref(),
            event.policy_id.as_deref(),
            event.policy_version.as_deref(),
            event.knowledge_source.as_deref(),
            event.agent.as_deref(),
            event.conversation.as_deref(),
            event.trace.as_deref(),
            event.span.as_deref(),
            event.parent_span.as_deref(),
            event.tool.as_deref(),
            notes.as_deref(),
        ];
        for (column, text) in self.texts.iter_mut().zip(texts) {
            column.push(text);
        }
        self.push_changes(event);
        for (name, value) in &event.attributes {
            self.attributes.keys().append_value(name);
            self.attributes.values().append_value(value);
        }
        // Rules compare calls with their results: the id is an attribute as well as a key.
        let call = event
            .keys
            .iter()
            .find(|(kind, _)| *kind == KeyKind::ToolCall);
        if let Some((_, id)) = call {
            self.attributes.keys().append_value("tool_call.id");
            self.attributes.values().append_value(id);
        }
        self.attributes
            .append(call.is_some() || !event.attributes.is_empty())?;
        Ok(())
    }

    fn push_changes(&mut self, event: &Event<'_>) {
        for change in &event.changes {
            let row = self.changes.values();
            let values = [
                Some(&*change.field),
                change.before.as_deref(),
                change.after.as_deref(),
            ];
            for (index, value) in values.into_iter().enumerate() {
                if let Some(column) = row.field_builder::<StringBuilder>(index) {
                    column.append_option(value);
                }
            }
            row.append(true);
        }
        self.changes.append(!event.changes.is_empty());
    }

    /// The table; `row` is still to be set. What it took is put into `sizes`.
    ///
    /// # Errors
    /// Columns of different length (never).
    pub fn finish(mut self, sizes: &mut Sizes) -> Result<RecordBatch, StoreError> {
        let (names, values) = self.attributes.entries();
        *sizes = Sizes {
            rows: self.rows,
            texts: self.texts.iter().map(TextColumn::size).collect(),
            attributes: names.len(),
            names: names.values_slice().len(),
            values: values.values_slice().len(),
        };
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.id.finish()),
            Arc::new(self.row.finish()),
            Arc::new(self.time.finish()),
            Arc::new(self.end.finish()),
            Arc::new(self.file.finish()),
            Arc::new(self.ordinal.finish()),
            Arc::new(self.offset.finish()),
            Arc::new(self.length.finish()),
            Arc::new(self.part.finish()),
            Arc::new(self.tokens_in.finish()),
            Arc::new(self.tokens_out.finish()),
            Arc::new(self.amount.finish()),
        ];
        for column in &mut self.texts {
            columns.push(Arc::new(column.finish()));
        }
        columns.push(Arc::new(self.changes.finish()));
        columns.push(Arc::new(self.attributes.finish()));
        Ok(RecordBatch::try_new(events_schema(), columns)?)
    }
}
