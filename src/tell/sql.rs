//! Questions in SQL over the tables of a store, by Polars. They read only: nothing that a query makes is
//! kept.

use std::fs::File;
use std::io::Cursor;
use std::path::PathBuf;

use parquet::arrow::ArrowWriter;
use polars::prelude::{AnyValue, DataFrame, PolarsError, PolarsResult, Schema, TimeUnit};
use polars_io::SerReader;
use polars_io::mmap::MmapBytesReader;
use polars_io::parquet::read::ParquetReader;
use serde_json::{Map, Value};

use super::safe::csv_cell;
use super::sql_file::of_file;
use super::sql_scan::{TableFiles, answer};
use crate::model::time::format_utc;
use crate::stitch::derived_tables;
use crate::store::Store;

/// Tables of a query, and what is in them.
pub const TABLES: [(&str, &str); 6] = [
    (
        "events",
        "one row an event (docs/architecture.md); event_id as hexadecimal digits, batch beside it",
    ),
    (
        "keys",
        "kind, value, original, row, time: what events can be found by",
    ),
    ("tasks", "one row an event that is in a task"),
    (
        "links",
        "one row a link: what joins an event to an earlier one, and how sure",
    ),
    ("contents", "records and texts; not of a protected store"),
    (
        "rejects",
        "what could not be read; not of a protected store",
    ),
];

/// Those of them that stitching makes.
const DERIVED: [&str; 2] = ["tasks", "links"];

/// The answer.
pub struct Answered {
    frame: DataFrame,
    /// Whether it was made from records or texts.
    pub reads_contents: bool,
}

/// Whether a query may name one of the tables that stitching makes.
#[must_use]
pub fn names_derived(query: &str) -> bool {
    let words = Words::of(query);
    DERIVED.iter().any(|name| words.names(name))
}

/// Asks. What it names of the tables that stitching makes has to be there.
///
/// # Errors
/// It is no query, names what is not there, or a table cannot be read.
pub fn sql(store: &Store, query: &str) -> PolarsResult<Answered> {
    let words = Words::of(query);
    let mut tables = Vec::new();
    for (name, _) in TABLES {
        let is_text = matches!(name, "contents" | "rejects");
        if words.names(name) && !(is_text && store.access().is_protected()) {
            tables.extend(files_of(store, name)?.map(|files| (name, files)));
        }
    }
    let mut read = tables.iter().filter(|(_, files)| !files.paths.is_empty());
    let reads_contents = read.any(|(name, _)| matches!(*name, "contents" | "rejects"));
    Ok(Answered {
        frame: answer(tables, query)?,
        reads_contents,
    })
}

/// Words of a query: tables that it names are among them.
struct Words(Vec<String>);

impl Words {
    fn of(query: &str) -> Self {
        let lower = query.to_lowercase();
        let cut = lower.split(|c: char| !c.is_alphanumeric() && c != '_');
        Self(cut.map(str::to_owned).collect())
    }

    fn names(&self, name: &str) -> bool {
        self.0.iter().any(|word| word == name)
    }
}

/// The files of a table and its columns, `None` where there is no such table. A table may have no file: a store in
/// which nothing was left out has no rejects, and says so by no rows.
fn files_of(store: &Store, name: &str) -> PolarsResult<Option<TableFiles>> {
    let is_derived = DERIVED.contains(&name);
    let paths: Vec<PathBuf> = match is_derived {
        true => derived_tables(store, name),
        false => {
            let batches = store.batches().iter();
            batches.flat_map(|batch| store.parts(name, batch)).collect()
        }
    };
    let columns = match paths.first() {
        Some(path) => {
            let file = File::open(path).map_err(|error| of_file(path, &error))?;
            columns(ParquetReader::new(file)).map_err(|error| of_file(path, &error))?
        }
        None => {
            let schema = match name {
                "events" => crate::store::events_schema(),
                "keys" => crate::store::keys_schema(),
                "contents" => crate::store::contents_schema(),
                "rejects" => crate::store::rejects_schema(),
                // Derived tables always have their files.
                _ => return Ok(None),
            };
            let failed = |error: parquet::errors::ParquetError| {
                PolarsError::ComputeError(error.to_string().into())
            };
            let mut bytes = Vec::new();
            let writer = ArrowWriter::try_new(&mut bytes, schema, None);
            writer.and_then(ArrowWriter::close).map_err(failed)?;
            columns(ParquetReader::new(Cursor::new(bytes)))?
        }
    };
    let hidden = match name {
        "events" => store.access().hidden(),
        _ => &[],
    };
    Ok(Some(TableFiles::new(paths, &columns, hidden, !is_derived)))
}

fn columns<R: MmapBytesReader>(reader: ParquetReader<R>) -> PolarsResult<Schema> {
    let frame = reader.with_slice(Some((0, 0))).finish()?;
    Ok((**frame.schema()).clone())
}

impl Answered {
    /// Names of the columns.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        let names = self.frame.get_column_names();
        names.into_iter().map(ToString::to_string).collect()
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.frame.height()
    }

    fn cell(&self, row: usize, column: usize) -> Value {
        let column = &self.frame.columns()[column];
        column.get(row).map_or(Value::Null, |value| json(&value))
    }

    /// A row as texts.
    #[must_use]
    pub fn texts(&self, row: usize) -> Vec<String> {
        (0..self.frame.width())
            .map(|column| match self.cell(row, column) {
                Value::Null => String::new(),
                Value::String(text) => text,
                other => other.to_string(),
            })
            .collect()
    }

    /// A row as an object.
    #[must_use]
    pub fn object(&self, row: usize) -> Value {
        let names = self.columns().into_iter().enumerate();
        let members: Map<String, Value> =
            names.map(|(at, name)| (name, self.cell(row, at))).collect();
        Value::Object(members)
    }

    /// All rows as CSV, in which no cell is a formula.
    #[must_use]
    pub fn csv(&self) -> String {
        let line = |cells: Vec<String>| {
            let cells: Vec<String> = cells.iter().map(|cell| csv_cell(cell)).collect();
            cells.join(",") + "\r\n"
        };
        let mut out = line(self.columns());
        for row in 0..self.rows() {
            out.push_str(&line(self.texts(row)));
        }
        out
    }
}

fn json(value: &AnyValue<'_>) -> Value {
    match value {
        AnyValue::Null => Value::Null,
        AnyValue::Boolean(value) => (*value).into(),
        AnyValue::String(text) => (*text).into(),
        AnyValue::StringOwned(text) => text.as_str().into(),
        AnyValue::Binary(bytes) => String::from_utf8_lossy(bytes).into(),
        AnyValue::BinaryOwned(bytes) => String::from_utf8_lossy(bytes).into(),
        AnyValue::Datetime(time, unit, _) => moment(*time, *unit),
        AnyValue::DatetimeOwned(time, unit, _) => moment(*time, *unit),
        AnyValue::List(series) => {
            let items = series.iter();
            Value::Array(items.map(|item| json(&item)).collect())
        }
        AnyValue::StructOwned(row) => {
            let fields = row.1.iter().zip(&row.0);
            let members: Map<String, Value> = fields
                .map(|(field, value)| (field.name().to_string(), json(value)))
                .collect();
            Value::Object(members)
        }
        AnyValue::Struct(..) => {
            let owned = value.clone().into_static();
            match owned {
                AnyValue::StructOwned(_) => json(&owned),
                _ => Value::Null,
            }
        }
        other => {
            let number = other
                .try_extract::<i64>()
                .ok()
                .filter(|_| other.is_integer());
            number.map_or_else(
                || match other.try_extract::<f64>() {
                    Ok(number) if other.is_float() => number.into(),
                    _ => other.to_string().into(),
                },
                Into::into,
            )
        }
    }
}

/// Times of the tables are in microseconds UTC.
fn moment(time: i64, unit: TimeUnit) -> Value {
    let us = match unit {
        TimeUnit::Nanoseconds => time / 1000,
        TimeUnit::Microseconds => time,
        TimeUnit::Milliseconds => time * 1000,
    };
    format_utc(us).into()
}

/// What went wrong, for people: only the first line, for the library adds the query's syntax tree.
#[must_use]
pub fn reason(error: &PolarsError) -> String {
    error
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}
