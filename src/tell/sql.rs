//! Questions in SQL over the tables of a store, by Polars. They read only: nothing that a query makes is
//! kept. Of each table the columns that the query names are read into memory; the library's own scan of
//! Parquet files would link an HTTP client.

use std::fs::File;
use std::path::PathBuf;

use polars::prelude::{
    AnyValue, DataFrame, DataType, IntoLazy, LazyFrame, PolarsError, PolarsResult, TimeUnit, col,
    lit,
};
use polars::sql::SQLContext;
use polars_io::SerReader;
use polars_io::parquet::read::ParquetReader;
use serde_json::{Map, Value};

use super::safe::csv_cell;
use crate::model::time::format_utc;
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

/// The answer.
pub struct Answered {
    frame: DataFrame,
    /// Whether it was made from records or texts.
    pub reads_contents: bool,
}

/// Asks.
///
/// # Errors
/// It is no query, names what is not there, or a table cannot be read.
pub fn sql(store: &Store, query: &str) -> PolarsResult<Answered> {
    let mut context = SQLContext::new();
    let mut reads_contents = false;
    let words = Words::of(query);
    for (name, _) in TABLES {
        let is_text = matches!(name, "contents" | "rejects");
        if is_text && store.access().is_protected() {
            continue;
        }
        let paths: Vec<PathBuf> = match name {
            "tasks" | "links" => {
                let path = store
                    .layout()
                    .root
                    .join(name)
                    .join(format!("{name}.parquet"));
                if path.is_file() {
                    vec![path]
                } else {
                    Vec::new()
                }
            }
            _ => {
                let batches = store.batches().iter();
                batches.flat_map(|batch| store.parts(name, batch)).collect()
            }
        };
        if !words.names(name) {
            continue;
        }
        if paths.is_empty() {
            if let Some(none) = without_rows(name)? {
                context.register(name, none.lazy());
            }
            continue;
        }
        reads_contents |= is_text;
        context.register(name, table(store, name, &paths, &words)?);
    }
    let frame = context.execute(query)?.collect()?;
    Ok(Answered {
        frame,
        reads_contents,
    })
}

/// Words of a query: tables and columns that it names are among them.
struct Words {
    words: Vec<String>,
    /// It asks for all columns of something.
    all: bool,
}

impl Words {
    fn of(query: &str) -> Self {
        let lower = query.to_lowercase();
        let cut = lower.split(|c: char| !c.is_alphanumeric() && c != '_');
        // `count(*)` reads no column.
        let dense: String = lower.chars().filter(|c| !c.is_whitespace()).collect();
        Self {
            words: cut.map(str::to_owned).collect(),
            all: dense.replace("count(*)", "").contains('*'),
        }
    }

    fn names(&self, name: &str) -> bool {
        self.words
            .iter()
            .any(|word| word.eq_ignore_ascii_case(name))
    }
}

/// A table that has no file yet: a store in which nothing was left out has no rejects, and says so by no rows.
/// Derived tables always have their files.
fn without_rows(name: &str) -> PolarsResult<Option<DataFrame>> {
    let schema = match name {
        "events" => crate::store::events_schema(),
        "keys" => crate::store::keys_schema(),
        "contents" => crate::store::contents_schema(),
        "rejects" => crate::store::rejects_schema(),
        _ => return Ok(None),
    };
    let failed =
        |error: parquet::errors::ParquetError| PolarsError::ComputeError(error.to_string().into());
    let mut bytes = Vec::new();
    let writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, schema, None);
    writer.and_then(|writer| writer.close()).map_err(failed)?;
    let frame = ParquetReader::new(std::io::Cursor::new(bytes)).finish()?;
    let frame = frame.lazy().with_columns([lit("").alias("batch")]);
    frame.collect().map(Some)
}

fn table(store: &Store, name: &str, paths: &[PathBuf], words: &Words) -> PolarsResult<LazyFrame> {
    let hidden = match name {
        "events" => store.access().hidden(),
        _ => &[],
    };
    let mut whole: Option<DataFrame> = None;
    for path in paths {
        let open = || File::open(path).map_err(PolarsError::from);
        let schema = ParquetReader::new(open()?).schema()?;
        let all = schema.iter_names().map(ToString::to_string);
        let shown: Vec<String> = all.filter(|column| !hidden.contains(column)).collect();
        let mut wanted: Vec<String> = shown
            .iter()
            .filter(|column| words.all || words.names(column))
            .cloned()
            .collect();
        if wanted.is_empty() {
            // Rows are counted by any column.
            wanted.extend(shown.into_iter().take(1));
        }
        let frame = ParquetReader::new(open()?)
            .with_columns(Some(wanted))
            .finish()?;
        let folder = path
            .parent()
            .and_then(|folder| folder.file_name()?.to_str());
        let batch = folder.and_then(|folder| folder.strip_prefix("batch="));
        let frame = match batch {
            Some(batch) => frame
                .lazy()
                .with_columns([lit(batch).alias("batch")])
                .collect()?,
            None => frame,
        };
        whole = Some(match whole {
            Some(mut whole) => {
                whole.vstack_mut(&frame)?;
                whole
            }
            None => frame,
        });
    }
    let frame = whole.unwrap_or_default();
    let binary: Vec<_> = frame
        .columns()
        .iter()
        .filter(|column| *column.dtype() == DataType::Binary)
        .map(|column| column.name().clone())
        // Texts are bytes that are mostly UTF-8; ids are not.
        .filter(|column| !matches!(column.as_str(), "value" | "bytes"))
        .map(|column| col(column).binary().hex_encode())
        .collect();
    let frame = frame.lazy();
    Ok(if binary.is_empty() {
        frame
    } else {
        frame.with_columns(binary)
    })
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
