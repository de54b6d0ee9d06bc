//! Reading events back, as columns.

use std::sync::LazyLock;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch, StringArray};

use super::tables::TEXT_COLUMNS;
use crate::model::{Amount, Digest, EventId};

macro_rules! text_columns {
    ($($variant:ident),+ $(,)?) => {
        /// A text column of the events table, in the table's order.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)] // Named as the columns are.
        pub enum Col { $($variant),+ }

        impl Col {
            /// All text columns.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
        }
    };
}

text_columns!(
    TimeOrigin,
    TimePrecision,
    Source,
    Format,
    Kind,
    ActorType,
    Actor,
    OnBehalfOf,
    Action,
    ObjectType,
    Object,
    Outcome,
    Error,
    Currency,
    Provider,
    ModelRequested,
    ModelServed,
    Configuration,
    PolicyId,
    PolicyVersion,
    KnowledgeSource,
    Agent,
    Conversation,
    TraceId,
    SpanId,
    ParentSpanId,
    Tool,
    Notes,
);

impl Col {
    /// The column's name in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        TEXT_COLUMNS[self as usize]
    }

    /// The column of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        /// Columns by the length of their names: rules ask by name, once a field and event.
        static BY_LENGTH: LazyLock<Vec<Vec<Col>>> = LazyLock::new(|| {
            let longest = TEXT_COLUMNS.iter().map(|name| name.len()).max();
            let mut all = vec![Vec::new(); longest.unwrap_or(0) + 1];
            for column in Col::ALL {
                all[column.name().len()].push(*column);
            }
            all
        });
        let same_length = BY_LENGTH.get(name.len())?;
        let mut same_length = same_length.iter().copied();
        same_length.find(|column| column.name() == name)
    }
}

/// Place of an event: batch in the order of the store, row in the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventRef {
    /// Index among [`Store::batches`].
    pub batch: usize,
    /// Row in the batch.
    pub row: i64,
}

/// Some rows of the events table.
pub struct EventTable {
    pub(super) batch: usize,
    pub(super) table: RecordBatch,
}

/// First text column in the schema.
const TEXTS_AT: usize = 12;

impl EventTable {
    /// Number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.num_rows()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.num_rows() == 0
    }

    /// Its columns, in the schema of events.
    #[must_use]
    pub fn columns(&self) -> &[arrow_array::ArrayRef] {
        self.table.columns()
    }

    /// One event.
    #[must_use]
    pub fn view(&self, index: usize) -> EventView<'_> {
        EventView { table: self, index }
    }

    fn texts(&self, column: Col) -> &StringArray {
        self.table.column(TEXTS_AT + column as usize).as_string()
    }
}

/// One event of a table.
#[derive(Clone, Copy)]
pub struct EventView<'t> {
    table: &'t EventTable,
    index: usize,
}

/// Change of one field, as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeView<'t> {
    /// Field.
    pub field: &'t str,
    /// Value before.
    pub before: Option<&'t str>,
    /// Value after.
    pub after: Option<&'t str>,
}

impl<'t> EventView<'t> {
    fn number(&self, column: usize) -> Option<i64> {
        let column = self.table.table.column(column).as_primitive::<Int64Type>();
        (!column.is_null(self.index)).then(|| column.value(self.index))
    }

    fn moment(&self, column: usize) -> Option<i64> {
        let column = self
            .table
            .table
            .column(column)
            .as_primitive::<TimestampMicrosecondType>();
        (!column.is_null(self.index)).then(|| column.value(self.index))
    }

    fn small(&self, column: usize) -> i32 {
        self.table
            .table
            .column(column)
            .as_primitive::<Int32Type>()
            .value(self.index)
    }

    /// Event id.
    #[must_use]
    pub fn id(&self) -> EventId {
        let mut id = [0; 32];
        let value = self
            .table
            .table
            .column(0)
            .as_fixed_size_binary()
            .value(self.index);
        id.copy_from_slice(value);
        Digest(id)
    }

    /// Place in the store.
    #[must_use]
    pub fn place(&self) -> EventRef {
        EventRef {
            batch: self.table.batch,
            row: self.number(1).unwrap_or(0),
        }
    }

    /// Recorded time in microseconds UTC.
    #[must_use]
    pub fn time(&self) -> Option<i64> {
        self.moment(2)
    }

    /// Recorded end in microseconds UTC.
    #[must_use]
    pub fn end(&self) -> Option<i64> {
        self.moment(3)
    }

    /// File in the batch's custody manifest.
    #[must_use]
    pub fn file(&self) -> i32 {
        self.small(4)
    }

    /// Record in the file.
    #[must_use]
    pub fn ordinal(&self) -> i64 {
        self.number(5).unwrap_or(0)
    }

    /// First byte of the record.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.number(6).unwrap_or(0)
    }

    /// Length of the record in bytes.
    #[must_use]
    pub fn length(&self) -> i64 {
        self.number(7).unwrap_or(0)
    }

    /// Event among those of its record.
    #[must_use]
    pub fn part(&self) -> i32 {
        self.small(8)
    }

    /// Tokens in.
    #[must_use]
    pub fn tokens_in(&self) -> Option<i64> {
        self.number(9)
    }

    /// Tokens out.
    #[must_use]
    pub fn tokens_out(&self) -> Option<i64> {
        self.number(10)
    }

    /// Amount of money.
    #[must_use]
    pub fn amount(&self) -> Option<Amount> {
        let column = self.table.table.column(11).as_primitive::<Decimal128Type>();
        (!column.is_null(self.index)).then(|| Amount(column.value(self.index)))
    }

    /// A text column.
    #[must_use]
    pub fn text(&self, column: Col) -> Option<&'t str> {
        let column = self.table.texts(column);
        (!column.is_null(self.index)).then(|| column.value(self.index))
    }

    /// Changed fields.
    #[must_use]
    pub fn changes(&self) -> Vec<ChangeView<'t>> {
        let list = self
            .table
            .table
            .column(TEXTS_AT + TEXT_COLUMNS.len())
            .as_list::<i32>();
        if list.is_null(self.index) {
            return Vec::new();
        }
        let offsets = list.value_offsets();
        let range = offsets[self.index] as usize..offsets[self.index + 1] as usize;
        let rows = list.values().as_struct();
        let column = |at: usize| rows.column(at).as_string::<i32>();
        let get = |array: &'t StringArray, at: usize| (!array.is_null(at)).then(|| array.value(at));
        range
            .map(|at| ChangeView {
                field: get(column(0), at).unwrap_or_default(),
                before: get(column(1), at),
                after: get(column(2), at),
            })
            .collect()
    }

    /// Attributes, name and value.
    pub fn attributes(&self) -> impl Iterator<Item = (&'t str, &'t str)> + use<'t> {
        let map = self
            .table
            .table
            .column(TEXTS_AT + TEXT_COLUMNS.len() + 1)
            .as_map();
        let offsets = map.value_offsets();
        let range = if map.is_null(self.index) {
            0..0
        } else {
            offsets[self.index] as usize..offsets[self.index + 1] as usize
        };
        let (keys, values) = (
            map.keys().as_string::<i32>(),
            map.values().as_string::<i32>(),
        );
        range.map(move |at| {
            (
                keys.value(at),
                if values.is_null(at) {
                    ""
                } else {
                    values.value(at)
                },
            )
        })
    }

    /// One attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&'t str> {
        self.attributes()
            .find(|(have, _)| *have == name)
            .map(|(_, value)| value)
    }
}

/// Events in the order in which they were asked for.
#[derive(Default)]
pub struct EventSet {
    pub(super) tables: Vec<EventTable>,
    pub(super) order: Vec<(usize, usize)>,
}

impl EventSet {
    /// Number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// One event.
    #[must_use]
    pub fn get(&self, index: usize) -> EventView<'_> {
        let (table, row) = self.order[index];
        self.tables[table].view(row)
    }

    /// All events.
    pub fn iter(&self) -> impl Iterator<Item = EventView<'_>> {
        (0..self.len()).map(|index| self.get(index))
    }
}

/// Consecutive events of a set.
#[derive(Clone, Copy)]
pub struct EventSlice<'s> {
    set: &'s EventSet,
    start: usize,
    len: usize,
}

impl EventSet {
    /// The tables that were read, each with some of the events.
    #[must_use]
    pub fn tables(&self) -> &[EventTable] {
        &self.tables
    }

    /// `len` events from `start` on.
    #[must_use]
    pub fn slice(&self, start: usize, len: usize) -> EventSlice<'_> {
        EventSlice {
            set: self,
            start,
            len: len.min(self.len().saturating_sub(start)),
        }
    }
}

impl<'s> EventSlice<'s> {
    /// Number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One event.
    #[must_use]
    pub fn get(&self, index: usize) -> EventView<'s> {
        self.set.get(self.start + index)
    }

    /// All events.
    pub fn iter(&self) -> impl Iterator<Item = EventView<'s>> + use<'s> {
        let slice = *self;
        (0..slice.len).map(move |index| slice.get(index))
    }
}
