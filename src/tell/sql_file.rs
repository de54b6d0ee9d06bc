//! A file of a table, of which a query in SQL reads some columns of some rows.

use std::fmt::Display;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use polars::prelude::{
    Column, DataFrame, DataType, Expr, IntoColumn, IntoLazy, NewChunkedArray, PlSmallStr,
    PolarsError, PolarsResult, Scalar, StringChunked, col,
};
use polars_io::SerReader;
use polars_io::parquet::read::{FileMetadata, ParallelStrategy, ParquetReader};

use super::sql_asked::{leaves, may_hold};

/// The column that says which batch a row is of.
pub(super) const BATCH: &str = "batch";

/// Texts are bytes that are mostly UTF-8, and are shown as such; ids are not, and are shown as hexadecimal digits.
fn is_id(name: &str, kind: &DataType) -> bool {
    *kind == DataType::Binary && !matches!(name, "value" | "bytes")
}

/// What is wrong with a file, with its name.
pub(super) fn of_file(path: &Path, error: &dyn Display) -> PolarsError {
    PolarsError::ComputeError(format!("{}: {error}", path.display()).into())
}

/// Rows that are read together, at least: reading costs something for itself.
const RUN: usize = 128 << 10;

/// A file of a table.
pub(super) struct Opened {
    path: PathBuf,
    file: File,
    footer: Arc<FileMetadata>,
    /// Rows of the row groups in which there may be one that is asked for.
    pub(super) groups: Vec<Range<usize>>,
}

impl Opened {
    pub(super) fn new(path: &Path, asked: Option<&Expr>) -> PolarsResult<Self> {
        let named = |error: &dyn Display| of_file(path, error);
        let file = File::open(path).map_err(|error| named(&error))?;
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())
            .map_err(|error| named(&error))?;
        let footer = ParquetReader::new(file.try_clone()?)
            .get_metadata()
            .map_err(|error| named(&error))?
            .clone();
        let mut groups = Vec::new();
        let mut start = 0;
        for group in metadata.metadata().row_groups() {
            let rows = start..start + usize::try_from(group.num_rows()).unwrap_or(0);
            start = rows.end;
            if asked.is_none_or(|asked| may_hold(group, asked)) {
                groups.push(rows);
            }
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            footer,
            groups,
        })
    }

    /// Row groups that follow each other, enough to be read together.
    pub(super) fn runs(&self) -> impl Iterator<Item = &[Range<usize>]> {
        let mut rest = self.groups.as_slice();
        std::iter::from_fn(move || {
            let first = rest.first()?;
            let mut end = first.end;
            let mut run = 1;
            for group in &rest[1..] {
                if group.start != end || end - first.start >= RUN {
                    break;
                }
                end = group.end;
                run += 1;
            }
            let (run, others) = rest.split_at(run);
            rest = others;
            Some(run)
        })
    }

    /// Rows of row groups that follow each other for which `asked` holds, behind those of a table that has none.
    pub(super) fn rows(
        &self,
        mut whole: DataFrame,
        asked: &Expr,
        groups: &[Range<usize>],
    ) -> PolarsResult<DataFrame> {
        let names: Vec<PlSmallStr> = whole.schema().iter_names().cloned().collect();
        let first: Vec<PlSmallStr> = leaves(asked);
        let rest = names.iter().filter(|name| !first.contains(name));
        let rest: Vec<PlSmallStr> = rest.cloned().collect();
        let start = groups.first().map_or(0, |group| group.start);
        let end = groups.last().map_or(0, |group| group.end);
        let run = self.read(&first, start..end)?;
        let holds = run.clone().lazy().select([asked.clone().alias("holds")]);
        let holds = holds.collect()?;
        let holds = holds.column("holds")?.bool()?;
        // The columns of the condition come first, because mostly no row is left to read others for.
        for group in groups {
            let at = i64::try_from(group.start - start).unwrap_or(0);
            let holds = holds.slice(at, group.len());
            if !holds.any() {
                continue;
            }
            let part = run.slice(at, group.len());
            let rest = self.read(&rest, group.clone())?;
            let part = part
                .hstack(rest.columns())?
                .select(names.clone())?
                .filter(&holds)?;
            whole.vstack_mut(&part)?;
        }
        Ok(whole)
    }

    /// Columns of some rows.
    pub(super) fn read(&self, names: &[PlSmallStr], rows: Range<usize>) -> PolarsResult<DataFrame> {
        let mut reader = ParquetReader::new(self.file.try_clone()?);
        reader.set_metadata(self.footer.clone());
        read(&self.path, reader, names, rows)
    }
}

/// Columns of some rows of a file.
fn read(
    path: &Path,
    mut reader: ParquetReader<File>,
    names: &[PlSmallStr],
    rows: Range<usize>,
) -> PolarsResult<DataFrame> {
    let height = reader.num_rows()?.min(rows.end).saturating_sub(rows.start);
    let stored = names.iter().filter(|name| *name != BATCH);
    let stored: Vec<String> = stored.map(ToString::to_string).collect();
    let read = match stored.is_empty() {
        true => DataFrame::empty_with_height(height),
        false => reader
            .with_columns(Some(stored))
            .with_slice(Some((rows.start, rows.len())))
            .read_parallel(ParallelStrategy::None)
            .finish()?,
    };
    let mut columns = Vec::new();
    for name in names {
        columns.push(match name.as_str() {
            BATCH => {
                let batch = batch_of(path).unwrap_or_default();
                Column::new_scalar(name.clone(), Scalar::from(PlSmallStr::from(batch)), height)
            }
            _ => text_of(read.column(name)?)?,
        });
    }
    let ids = columns
        .iter()
        .filter(|column| is_id(column.name(), column.dtype()));
    let ids: Vec<Expr> = ids
        .map(|column| col(column.name().clone()).binary().hex_encode())
        .collect();
    let frame = DataFrame::new(height, columns)?;
    match ids.is_empty() {
        true => Ok(frame),
        false => frame.lazy().with_columns(ids).collect(),
    }
}

/// A column of texts that are bytes as a column of texts; any other as it is.
fn text_of(column: &Column) -> PolarsResult<Column> {
    if *column.dtype() != DataType::Binary || is_id(column.name(), column.dtype()) {
        return Ok(column.clone());
    }
    let texts = column.binary()?.iter();
    let texts = texts.map(|bytes| bytes.map(String::from_utf8_lossy));
    let texts = StringChunked::from_iter_options(column.name().clone(), texts);
    Ok(texts.into_column())
}

fn batch_of(path: &Path) -> Option<&str> {
    path.parent()?.file_name()?.to_str()?.strip_prefix("batch=")
}
