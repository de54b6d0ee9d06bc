//! The derived tables, for any engine.

use std::fs;
use std::sync::{Arc, LazyLock};

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{
    ArrayRef, FixedSizeBinaryArray, Float64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow_buffer::Buffer;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::derived::CELLS;
use super::index::{Among, Places, Reason, Segment, TaskIndex};
use super::make::Closed;
use super::sights::sweeps_over;
use super::weigh::halves;
use crate::model::{Digest, KeyKind};
use crate::store::derived::Listed;
use crate::store::{Store, StoreError, scan_columns, side_by_side, write_in_pieces};

static TASKS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("task", DataType::FixedSizeBinary(32), false),
        Field::new("event", DataType::FixedSizeBinary(32), false),
        Field::new("time", time, true),
    ]))
});

static LINKS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("cause", DataType::FixedSizeBinary(32), false),
        Field::new("effect", DataType::FixedSizeBinary(32), false),
        Field::new("rule", DataType::Utf8, false),
        Field::new("key_kind", DataType::Utf8, false),
        Field::new("key_value", DataType::Utf8, false),
        Field::new("probability", DataType::Float64, false),
    ]))
});

/// The tasks that begin in a stretch of time: they are one file of each table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    from: i64,
    to: i64,
}

/// Stretches of not more than so many rows, as far as they are not shorter than some hours.
pub(super) fn stretches(index: &TaskIndex, rows: usize) -> Vec<Stretch> {
    let tasks = index.segments().iter().flat_map(Segment::sizes);
    let stretches = halves(tasks, rows).into_iter();
    stretches.map(|(from, to)| Stretch { from, to }).collect()
}

impl Stretch {
    /// Whether one of those times, which are in order, lies in it.
    pub(super) fn has_any(&self, times: &[i64]) -> bool {
        let next = times.partition_point(|time| *time < self.from);
        times.get(next).is_some_and(|time| *time <= self.to)
    }

    /// Its file of a table, below the store's folder: all of them have one name, others name when they begin.
    fn file(&self, table: &str) -> String {
        let start = jiff::Timestamp::from_microsecond(self.from);
        match (start, self.from, self.to) {
            (_, i64::MIN, i64::MAX) => format!("{table}/{table}.parquet"),
            (Ok(start), ..) => format!(
                "{table}/{table}-{}.parquet",
                start.strftime("%Y%m%dT%H%M%SZ")
            ),
            (Err(_), _, i64::MAX) => format!("{table}/{table}-untimed.parquet"),
            (Err(_), from, _) => format!("{table}/{table}-{from}.parquet"),
        }
    }
}

/// The derived files: all of them, and what is known of those that are as they were.
pub(super) struct Written {
    pub files: Vec<String>,
    pub known: Vec<Listed>,
}

/// What is written beside each other.
enum Job {
    IndexAndCells,
    /// One file: its name, and the events in it with their tasks.
    Tasks(String, Arc<Vec<(u32, u32)>>),
    Links(String, Arc<Vec<(u32, u32)>>),
}

/// Writes the tables `tasks` (task, event, time it is ordered by) and `links` (one row for each event that a key or evidence joins to
/// another one), as far as they are not as `listed`, what is told of each cell, and the index. Ids of so many events are held at once, as
/// far as that is enough for one file.
///
/// # Errors
/// A file cannot be written, or the ids of events not be read.
pub(super) fn write(
    store: &Store,
    closed: &mut Closed,
    listed: &[Listed],
    held: usize,
) -> Result<Written, StoreError> {
    let root = &store.layout().root;
    for folder in ["tasks", "links"] {
        let path = root.join(folder);
        fs::create_dir_all(&path).map_err(StoreError::io("creating", path))?;
    }
    let mut written = Written {
        files: vec![CELLS.to_owned()],
        known: Vec::new(),
    };
    for file in closed.index.files() {
        // A file that was written before has its name by what is in it.
        let known = closed.stay.contains(&file);
        let known = listed.iter().filter(|listed| known && listed.path == file);
        written.known.extend(known.cloned());
        written.files.push(file);
    }
    let known = |stretch: &Stretch| {
        let known = ["tasks", "links"].map(|table| {
            let name = stretch.file(table);
            let size = fs::metadata(root.join(&name)).map(|of| of.len()).ok();
            let listed = listed.iter().find(|listed| listed.path == name);
            listed.filter(|listed| Some(listed.size) == size).cloned()
        });
        let [Some(tasks), Some(links)] = known else {
            return None;
        };
        Some([tasks, links])
    };
    let mut is_new: Vec<bool> = Vec::new();
    for (stretch, is_as_it_was) in &closed.stretches {
        written
            .files
            .extend(["tasks", "links"].map(|table| stretch.file(table)));
        let known = is_as_it_was.then(|| known(stretch)).flatten();
        is_new.push(known.is_none());
        written.known.extend(known.into_iter().flatten());
    }
    let places = Places::new(store);
    let new: Vec<usize> = (0..is_new.len()).filter(|at| is_new[*at]).collect();
    let needed = New(closed).needed(&new, &places);
    let sweeps = sweeps_over(&places, &needed, &new, held);
    let mut first = Some(Job::IndexAndCells);
    for sweep in &sweeps {
        closed.index.forget();
        let closed = &*closed;
        let tables = Tables {
            index: &closed.index,
            ids: Ids::read(store, &places, &sweep.parts)?,
        };
        let mut jobs: Vec<Job> = first.take().into_iter().collect();
        for (stretch, rows) in sweep.over.iter().zip(New(closed).rows(&sweep.over)) {
            let (stretch, _) = closed.stretches[*stretch];
            let rows = Arc::new(rows);
            jobs.push(Job::Links(stretch.file("links"), Arc::clone(&rows)));
            jobs.push(Job::Tasks(stretch.file("tasks"), rows));
        }
        side_by_side(&jobs, |job| match job {
            Job::IndexAndCells => write_index(store, closed),
            Job::Tasks(name, of) => save(store, name, &TASKS, |write| tables.tasks(of, write)),
            Job::Links(name, of) => save(store, name, &LINKS, |write| tables.links(of, write)),
        })?;
    }
    if first.is_some() {
        write_index(store, closed)?;
    }
    Ok(written)
}

/// Writes what is told of each cell, and the index.
fn write_index(store: &Store, closed: &Closed) -> Result<(), StoreError> {
    let path = store.layout().root.join(CELLS);
    write_in_pieces(&path, |out| {
        let mut cells = closed.cells.iter();
        cells
            .try_for_each(|cell| cell.put(out))
            .map_err(StoreError::io("writing", &path))
    })?;
    closed.index.save(store)
}

/// Tasks by the stretches that they begin in.
struct New<'n>(&'n Closed);

impl New<'_> {
    /// The tasks that begin in some of them, each behind the place of its stretch among those.
    fn tasks(&self, some: &[usize]) -> impl Iterator<Item = (usize, usize)> {
        let of = &self.0.stretches;
        let bounds: Vec<(i64, i64)> = some
            .iter()
            .map(|at| (of[*at].0.from, of[*at].0.to))
            .collect();
        let begins = self.0.index.segments().iter().flat_map(Segment::sizes);
        begins.enumerate().filter_map(move |(task, (begin, _))| {
            let at = bounds.partition_point(|(_, to)| *to < begin);
            bounds
                .get(at)
                .is_some_and(|(from, _)| *from <= begin)
                .then_some((at, task))
        })
    }

    /// The parts that have members of the tasks of each.
    fn needed(&self, some: &[usize], places: &Places) -> Vec<Vec<usize>> {
        let parts = places.parts();
        let mut needed = vec![vec![false; parts.len()]; some.len()];
        let mut last = 0;
        for (at, task) in self.tasks(some) {
            for event in self.0.index.members(task) {
                // That of the member before, mostly.
                if !parts[last].events.contains(&event) {
                    last = places.part_of(event);
                }
                needed[at][last] = true;
            }
        }
        let numbers = |needed: Vec<bool>| (0..needed.len()).filter(|at| needed[*at]).collect();
        needed.into_iter().map(numbers).collect()
    }

    /// The events of some of them, each behind its task; tasks in the order of their ids.
    fn rows(&self, some: &[usize]) -> Vec<Vec<(u32, u32)>> {
        let index = &self.0.index;
        let mut tasks = vec![Vec::new(); some.len()];
        for (at, task) in self.tasks(some) {
            tasks[at].push((index.id(task), task));
        }
        let rows = tasks.into_iter().map(|mut tasks| {
            tasks.sort_unstable();
            let rows = tasks.into_iter().flat_map(|(_, task)| {
                let number = u32::try_from(task).unwrap_or(u32::MAX);
                let members = index.members(task).into_iter();
                members.map(move |event| (number, event))
            });
            rows.collect()
        });
        rows.collect()
    }
}

/// Ids of the events of some parts.
struct Ids {
    among: Among,
    ids: Vec<Digest>,
}

impl Ids {
    fn read(store: &Store, places: &Places, wanted: &[bool]) -> Result<Self, StoreError> {
        let some = places.some(wanted);
        let parts = side_by_side(&some.files(store, "events"), |(part, path)| {
            let mut ids: Vec<Digest> = Vec::with_capacity(part.events.len());
            scan_columns::<StoreError>(path, Some(&["event_id"]), |table| {
                let column = table.column(0).as_fixed_size_binary();
                let id = |bytes: Option<&[u8]>| bytes.and_then(|bytes| bytes.try_into().ok());
                ids.extend(
                    column
                        .iter()
                        .map(|bytes| Digest(id(bytes).unwrap_or([0; 32]))),
                );
                Ok(())
            })?;
            part.check(path, ids.len())?;
            Ok::<_, StoreError>(ids)
        })?;
        let mut ids = Vec::with_capacity(some.len());
        parts.into_iter().for_each(|part| ids.extend(part));
        Ok(Self {
            among: Among::new(&some, places),
            ids,
        })
    }

    fn of(&self, event: u32) -> Digest {
        let at = self.among.here(event).map(|at| at as usize);
        let id = at.and_then(|at| self.ids.get(at));
        // What causes something is in its task, and so in its file.
        id.copied().unwrap_or(Digest([0; 32]))
    }
}

/// Bytes of the dictionary of a column.
const DICTIONARY: usize = 16 << 20;
/// Rows that are made together.
const ROWS: usize = 1 << 16;

type Write<'w> = &'w mut dyn FnMut(Vec<ArrayRef>) -> Result<(), StoreError>;

/// What files are made from; the rows of one are events, each behind its task.
struct Tables<'t> {
    index: &'t TaskIndex,
    ids: Ids,
}

impl Tables<'_> {
    fn tasks(&self, rows: &[(u32, u32)], write: Write<'_>) -> Result<(), StoreError> {
        for rows in rows.chunks(ROWS) {
            let time = rows.iter().map(|(_, member)| self.index.time(*member));
            let time = TimestampMicrosecondArray::from_iter(time).with_timezone("UTC");
            write(vec![
                digests(rows.iter().map(|(task, _)| self.index.id(*task as usize))),
                digests(rows.iter().map(|(_, member)| self.ids.of(*member))),
                Arc::new(time),
            ])?;
        }
        Ok(())
    }

    fn links(&self, rows: &[(u32, u32)], write: Write<'_>) -> Result<(), StoreError> {
        for rows in rows.chunks(ROWS) {
            // Events lie anywhere: what is looked up for many of them at once is waited for once.
            let links: Vec<(u32, (usize, u32), Reason)> = rows
                .iter()
                .filter_map(|(_, member)| {
                    let (number, reason) = self.index.reason(*member)?;
                    Some((*member, number, reason))
                })
                .collect();
            let of = |event: u32| self.ids.of(event);
            let rules = links.iter().map(|(.., reason)| match reason.kind() {
                Some(KeyKind::Value) => "weighed",
                _ => "strong_key",
            });
            let kinds = links
                .iter()
                .map(|(.., reason)| reason.kind().map_or("", KeyKind::as_str));
            let mut values = StringBuilder::new();
            let (mut last, mut value) = (None, String::new());
            for (_, number, _) in &links {
                // Those that one value joins follow each other.
                if last.replace(*number) != Some(*number) {
                    value = self.index.value(*number).unwrap_or_default();
                }
                values.append_value(&value);
            }
            let probabilities = links.iter().map(|(.., reason)| reason.probability());
            write(vec![
                digests(links.iter().map(|(.., reason)| of(reason.cause))),
                digests(links.iter().map(|(effect, ..)| of(*effect))),
                Arc::new(StringArray::from_iter_values(rules)),
                Arc::new(StringArray::from_iter_values(kinds)),
                Arc::new(values.finish()),
                Arc::new(Float64Array::from_iter_values(probabilities)),
            ])?;
        }
        Ok(())
    }
}

fn digests(all: impl Iterator<Item = Digest>) -> ArrayRef {
    let all: Vec<[u8; 32]> = all.map(|digest| digest.0).collect();
    let bytes = Buffer::from_vec(all.into_flattened());
    Arc::new(FixedSizeBinaryArray::new(32, bytes, None))
}

/// Writes a table whose rows come in pieces.
fn save(
    store: &Store,
    name: &str,
    schema: &SchemaRef,
    rows: impl FnOnce(Write<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let path = store.layout().root.join(name);
    let failed = || StoreError::parquet(&path);
    // Ids of events are all different: a dictionary of them would be given up after it was made. Those of tasks and causes, and
    // values, are of several events each, and fill more than the usual megabyte. The least and the greatest of many ids leave
    // none out.
    let mut properties = WriterProperties::builder();
    for id in ["event", "effect", "cause"] {
        let column = ColumnPath::from(id);
        properties = properties
            .set_column_statistics_enabled(column.clone(), EnabledStatistics::None)
            .set_column_dictionary_enabled(column, id == "cause");
    }
    let properties = properties
        .set_dictionary_page_size_limit(DICTIONARY)
        .set_max_row_group_row_count(Some(1 << 20))
        .build();
    write_in_pieces(&path, |out| {
        let writer = ArrowWriter::try_new(out, Arc::clone(schema), Some(properties));
        let mut writer = writer.map_err(failed())?;
        rows(&mut |columns| {
            let table = RecordBatch::try_new(Arc::clone(schema), columns)?;
            writer.write(&table).map_err(failed())
        })?;
        writer.close().map_err(failed())?;
        Ok(())
    })
}
