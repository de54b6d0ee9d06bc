//! What tasks consist of, as columns: the material of comparisons.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::builder::{Int64Builder, ListBuilder, UInt32Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt32Type};
use arrow_array::{Array, RecordBatch};
use arrow_ipc::reader::FileReader;
use arrow_ipc::writer::FileWriter;
use arrow_schema::{DataType, Field, Schema};

use super::figures::{Figure, bytes_of};
use crate::check::{Record, column_of};
use crate::stitch::{TaskIndex, TaskSet};
use crate::store::{
    Coded, Col, EventRef, EventView, Store, StoreError, read_event_columns, scan_coded,
    scan_part_columns, side_by_side,
};

/// Columns of events that traits come from.
const COLUMNS: [&str; 12] = [
    "time",
    "end_time",
    "kind",
    "tool",
    "outcome",
    "actor_type",
    "object_type",
    "source",
    "model_served",
    "model_requested",
    "tokens_in",
    "tokens_out",
];
/// Events read together.
const AT_ONCE: usize = 50_000;
/// Tasks in one table of the file.
const ROWS: usize = 1 << 16;

/// What a task looks like.
#[derive(Clone, Copy)]
pub(super) struct TaskTraits<'t> {
    /// Its number.
    pub task: usize,
    /// Time of its first and of its last event, microseconds UTC.
    pub span: Option<(i64, i64)>,
    /// Events.
    pub events: u32,
    /// Tokens in and out, of the events that name them.
    pub tokens: [Option<i64>; 2],
    /// Numbers of what occurs in it, and how often.
    pub traits: &'t [u32],
    pub times: &'t [u32],
}

/// The tasks of a store in which a model or agent takes part.
pub(super) struct AllTraits {
    /// Names of traits, by number: `tool refund_payment`.
    pub names: Vec<String>,
    tables: Vec<RecordBatch>,
}

fn schema(names: &[String]) -> Schema {
    let list = || DataType::List(Arc::new(Field::new("item", DataType::UInt32, true)));
    let fields = vec![
        Field::new("task", DataType::UInt32, false),
        Field::new("first", DataType::Int64, true),
        Field::new("last", DataType::Int64, true),
        Field::new("events", DataType::UInt32, false),
        Field::new("tokens_in", DataType::Int64, true),
        Field::new("tokens_out", DataType::Int64, true),
        Field::new("traits", list(), false),
        Field::new("times", list(), false),
    ];
    let names = serde_json::to_string(names).unwrap_or_default();
    Schema::new_with_metadata(fields, HashMap::from([("traits".to_owned(), names)]))
}

/// The traits of all tasks.
///
/// # Errors
/// The store cannot be read.
pub(super) fn all_traits(store: &Store, index: &TaskIndex) -> Result<AllTraits, StoreError> {
    let bytes = bytes_of(store, index, Figure::Tasks)?;
    let reader = FileReader::try_new(Cursor::new(bytes), None)?;
    let names = reader.schema().metadata().get("traits").cloned();
    let names = serde_json::from_str(&names.unwrap_or_default());
    let damaged = |error: serde_json::Error| StoreError::Damaged {
        path: store.layout().root.clone(),
        reason: format!("the traits of tasks: {error}"),
    };
    Ok(AllTraits {
        names: names.map_err(damaged)?,
        tables: reader.collect::<Result<_, _>>()?,
    })
}

impl AllTraits {
    /// Goes through the tasks, in the order of their numbers.
    pub(super) fn each<'t>(&'t self, mut visit: impl FnMut(TaskTraits<'t>)) {
        for table in &self.tables {
            let whole = |at: usize| table.column(at).as_primitive::<UInt32Type>().values();
            let number = |at: usize| table.column(at).as_primitive::<Int64Type>();
            let (tasks, events) = (whole(0), whole(3));
            let (first, last) = (number(1), number(2));
            let tokens = [number(4), number(5)];
            let lists = [6, 7].map(|at| table.column(at).as_list::<i32>());
            let values = lists.map(|list| list.values().as_primitive::<UInt32Type>().values());
            for row in 0..table.num_rows() {
                let some =
                    |array: &arrow_array::Int64Array| array.is_valid(row).then(|| array.value(row));
                let part = |at: usize| {
                    let ends = lists[at].value_offsets();
                    let end = |row: usize| usize::try_from(ends[row]).unwrap_or(0);
                    &values[at][end(row)..end(row + 1)]
                };
                visit(TaskTraits {
                    task: tasks[row] as usize,
                    span: some(first).zip(some(last)),
                    events: events[row],
                    tokens: tokens.map(some),
                    traits: part(0),
                    times: part(1),
                });
            }
        }
    }
}

/// A task as it was read.
struct Seen {
    task: usize,
    traits: BTreeMap<String, u32>,
    span: Option<(i64, i64)>,
    events: usize,
    tokens: [Option<i64>; 2],
}

/// The traits of all tasks as they are kept: an Arrow IPC file.
pub(super) fn counted(store: &Store, index: &TaskIndex) -> Result<Vec<u8>, StoreError> {
    let order = index.by_place();
    let mut chunks: Vec<&[usize]> = Vec::new();
    let (mut start, mut size) = (0, 0);
    for (at, task) in order.iter().enumerate() {
        size += index.size(*task);
        if size >= AT_ONCE || at + 1 == order.len() {
            chunks.push(&order[start..=at]);
            (start, size) = (at + 1, 0);
        }
    }
    let look = |tasks: &&[usize]| -> Result<_, StoreError> {
        let places: Vec<EventRef> = tasks
            .iter()
            .flat_map(|task| index.members(*task))
            .map(|event| index.place(event))
            .collect();
        let set = read_event_columns(store, &places, Some(&COLUMNS))?;
        let mut start = 0;
        let mut all: Vec<Seen> = Vec::new();
        for task in *tasks {
            let members = index.members(*task);
            let events: Vec<EventView<'_>> = set.slice(start, members.len()).iter().collect();
            start += members.len();
            if !by_agent(&events) {
                continue;
            }
            let times = members.iter().filter_map(|event| index.time(*event));
            let span = times.clone().min().zip(times.max());
            all.push(seen(*task, &events, span));
        }
        Ok(all)
    };
    let mut all: Vec<Seen> = side_by_side(&chunks, look)?.into_iter().flatten().collect();
    index.check()?;
    all.sort_unstable_by_key(|seen| seen.task);
    written(&all)
}

fn written(all: &[Seen]) -> Result<Vec<u8>, StoreError> {
    let names: BTreeSet<&String> = all.iter().flat_map(|seen| seen.traits.keys()).collect();
    let numbers: HashMap<&String, u32> = names.iter().copied().zip(0..).collect();
    let names: Vec<String> = names.into_iter().cloned().collect();
    let schema = Arc::new(schema(&names));
    let mut file = FileWriter::try_new(Vec::new(), &schema)?;
    for rows in all.chunks(ROWS) {
        let (mut tasks, mut events) = (UInt32Builder::new(), UInt32Builder::new());
        let mut numbers_of: [Int64Builder; 4] = std::array::from_fn(|_| Int64Builder::new());
        let (mut traits, mut times) = (
            ListBuilder::new(UInt32Builder::new()),
            ListBuilder::new(UInt32Builder::new()),
        );
        for seen in rows {
            tasks.append_value(u32::try_from(seen.task).unwrap_or(u32::MAX));
            events.append_value(u32::try_from(seen.events).unwrap_or(u32::MAX));
            let ends = [seen.span.map(|span| span.0), seen.span.map(|span| span.1)];
            for (column, value) in numbers_of
                .iter_mut()
                .zip(ends.into_iter().chain(seen.tokens))
            {
                column.append_option(value);
            }
            for (name, count) in &seen.traits {
                traits.values().append_value(numbers[name]);
                times.values().append_value(*count);
            }
            traits.append(true);
            times.append(true);
        }
        let [first, last, tokens_in, tokens_out] = numbers_of
            .each_mut()
            .map(|column| Arc::new(column.finish()));
        file.write(&RecordBatch::try_new(
            Arc::clone(&schema),
            vec![
                Arc::new(tasks.finish()),
                first,
                last,
                Arc::new(events.finish()),
                tokens_in,
                tokens_out,
                Arc::new(traits.finish()),
                Arc::new(times.finish()),
            ],
        )?)?;
    }
    Ok(file.into_inner()?)
}

fn by_agent(events: &[EventView<'_>]) -> bool {
    events.iter().any(|event| {
        matches!(
            event.text(Col::Kind),
            Some("inference" | "tool_call" | "instruction")
        ) || event.text(Col::ActorType) == Some("agent")
    })
}

fn seen(task: usize, events: &[EventView<'_>], span: Option<(i64, i64)>) -> Seen {
    let mut traits: BTreeMap<String, u32> = BTreeMap::new();
    let mut tokens: [Option<i64>; 2] = [None, None];
    for event in events {
        let text = |column| event.text(column).filter(|text: &&str| !text.is_empty());
        let kind = text(Col::Kind).unwrap_or("event");
        let mut has = |what: String| *traits.entry(what).or_default() += 1;
        match kind {
            "approval" | "rejection" | "exception" | "message" | "retrieval" | "configuration" => {
                has(kind.to_owned());
            }
            "write" | "read" => {
                let object = text(Col::ObjectType).or(text(Col::Source)).unwrap_or("?");
                has(format!("{kind} of {object}"));
            }
            "tool_call" => has(format!("tool {}", text(Col::Tool).unwrap_or("?"))),
            _ => {}
        }
        match text(Col::Outcome) {
            Some("error") => has("error".to_owned()),
            Some("denied") => has("refusal".to_owned()),
            _ => {}
        }
        let model = text(Col::ModelServed).or(text(Col::ModelRequested));
        if let Some(model) = model.filter(|_| kind == "inference") {
            has(format!("model {model}"));
        }
        for (sum, count) in tokens
            .iter_mut()
            .zip([event.tokens_in(), event.tokens_out()])
        {
            if let Some(count) = count {
                *sum = Some(sum.unwrap_or(0).saturating_add(count));
            }
        }
    }
    Seen {
        task,
        traits,
        span,
        events: events.len(),
        tokens,
    }
}

/// The tasks with an event whose field has that value.
///
/// # Errors
/// The store cannot be read.
pub(super) fn tasks_with(
    store: &Store,
    index: &TaskIndex,
    name: &str,
    value: &str,
) -> Result<TaskSet, StoreError> {
    let found = TaskSet::new(index);
    let column = column_of(name);
    let add = |place: EventRef| {
        if let Some(task) = index.task_at(place) {
            found.insert(task);
        }
    };
    // What is shown of a protected value is decided row by row.
    let as_stored = Col::from_name(name).is_some() && !store.access().is_protected();
    let look = |(batch, path): &(usize, PathBuf)| {
        let batch = *batch;
        if as_stored {
            return scan_coded(path, &["row", column], |table| {
                let rows = table.column(0).as_primitive::<Int64Type>().values();
                let values = Coded::of(&table, 1);
                let wanted = (0..values.values()).find(|code| values.value(*code) == value);
                if wanted.is_some() {
                    for (at, row) in rows.iter().enumerate() {
                        if values.code(at) == wanted {
                            add(EventRef { batch, row: *row });
                        }
                    }
                }
                Ok::<_, StoreError>(())
            });
        }
        scan_part_columns::<StoreError>(store, path, batch, &[column], |table| {
            for event in (0..table.len()).map(|row| table.view(row)) {
                if event.field(name).is_some_and(|have| have == *value) {
                    add(event.place());
                }
            }
            Ok(())
        })
    };
    side_by_side(&store.all_parts("events"), look)?;
    index.check()?;
    Ok(found)
}
