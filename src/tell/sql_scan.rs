//! Tables of a store as queries in SQL read them: of a table only the columns that a query needs, and of these only
//! the row groups in which there may be a row that it asks for.
//!
//! The library's own scan of Parquet files would link an HTTP client. What a query asks of a table is read
//! from its optimised plan ([`super::sql_asked`]); Polars judges every row again, so that this saves reading and decides
//! nothing.

use std::any::Any;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use polars::prelude::{
    AnonymousScan, AnonymousScanArgs, AnyValue, Column, DataFrame, DataType, Expr, IntoLazy,
    LazyFrame, LiteralValue, PlSmallStr, PolarsError, PolarsResult, Scalar, ScanArgsAnonymous,
    Schema, SchemaRef, TimeUnit, col,
};
use polars::sql::SQLContext;

use super::sql_asked::{Asked, First, asked_of};
use super::sql_file::{BATCH, Opened};
use super::sql_order::settled;
use crate::store::side_by_side;

/// Files of a table, all with the same columns.
#[derive(Clone)]
pub(super) struct TableFiles {
    pub paths: Vec<PathBuf>,
    /// Columns that are shown, their types as they are shown.
    pub schema: SchemaRef,
}

impl TableFiles {
    /// The columns of a file (`columns`) but the hidden ones, and of a table in batches, the batch.
    pub(super) fn new(
        paths: Vec<PathBuf>,
        columns: &Schema,
        hidden: &[String],
        has_batch: bool,
    ) -> Self {
        let shown = columns
            .iter()
            .filter(|(name, _)| !hidden.iter().any(|column| column == name.as_str()));
        let mut schema: Schema = shown
            .map(|(name, kind)| match kind {
                DataType::Binary => (name.clone(), DataType::String),
                _ => (name.clone(), kind.clone()),
            })
            .collect();
        if has_batch {
            schema.insert(BATCH.into(), DataType::String);
        }
        Self {
            paths,
            schema: Arc::new(schema),
        }
    }
}

/// A table of a query that is planned, which says what is asked of it; nothing is read.
pub(super) struct PlannedTable(pub &'static str);

impl AnonymousScan for PlannedTable {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn allows_projection_pushdown(&self) -> bool {
        true
    }

    fn allows_predicate_pushdown(&self) -> bool {
        true
    }

    fn scan(&self, _: AnonymousScanArgs) -> PolarsResult<DataFrame> {
        let reason = format!("{} is read before the query is planned", self.0);
        Err(PolarsError::ComputeError(reason.into()))
    }
}

fn planned(name: &'static str, files: &TableFiles) -> PolarsResult<LazyFrame> {
    // Who counts rows asks for the first column: it is one that costs nothing, or little.
    let mut columns: Vec<(PlSmallStr, DataType)> = files
        .schema
        .iter()
        .map(|(name, kind)| (name.clone(), kind.clone()))
        .collect();
    columns.sort_by_key(|(name, kind)| (name != BATCH, !kind.is_primitive_numeric()));
    let args = ScanArgsAnonymous {
        schema: Some(Arc::new(columns.into_iter().collect())),
        name,
        ..Default::default()
    };
    LazyFrame::anonymous_scan(Arc::new(PlannedTable(name)), args)
}

/// Answers a query over tables.
///
/// # Errors
/// It is no query, names what is not there, or a table cannot be read.
pub(super) fn answer(
    tables: Vec<(&'static str, TableFiles)>,
    query: &str,
) -> PolarsResult<DataFrame> {
    let mut plan = SQLContext::new();
    for (name, files) in &tables {
        plan.register(name, planned(name, files)?);
    }
    let query = &settled(&mut plan, query)?;
    let mut asked = asked_of(&plan.execute(query)?.to_alp_optimized()?);
    // Tables are read before the query runs: a scan within it would wait for threads that wait for scans.
    let mut context = SQLContext::new();
    for (name, files) in tables {
        let frame = match asked.remove(name) {
            Some(asked) => files.read_asked(asked)?,
            None => DataFrame::empty_with_schema(&files.schema),
        };
        context.register(name, frame.lazy());
    }
    context.execute(query)?.collect()
}

impl TableFiles {
    /// What a query asks of the table. Columns that it does not ask for are there, without values.
    fn read_asked(&self, asked: Asked) -> PolarsResult<DataFrame> {
        let Asked {
            condition,
            first,
            columns,
            rows,
        } = asked;
        let is_asked = |name: &&PlSmallStr| columns.as_ref().is_none_or(|of| of.contains(*name));
        let names: Vec<PlSmallStr> = self.schema.iter_names().filter(is_asked).cloned().collect();
        let bound = match first {
            Some(first) => self.bound_of(condition.as_ref(), &first)?,
            None => None,
        };
        let condition = condition.into_iter().chain(bound).reduce(Expr::and);
        let read = self.read(&names, condition.as_ref(), rows)?;
        let height = read.height();
        let all = self.schema.iter().map(|(name, kind)| {
            let column = read.column(name).cloned();
            column.unwrap_or_else(|_| Column::full_null(name.clone(), height, kind))
        });
        DataFrame::new(height, all.collect())
    }

    /// Columns of the rows for which a condition holds, or of the first rows.
    fn read(
        &self,
        names: &[PlSmallStr],
        condition: Option<&Expr>,
        most: Option<usize>,
    ) -> PolarsResult<DataFrame> {
        let mut whole = DataFrame::empty_with_schema(&self.schema).select(names)?;
        if let Some(rows) = most {
            for path in &self.paths {
                let left = rows - whole.height();
                if left == 0 {
                    break;
                }
                let file = Opened::new(path, None)?;
                whole.vstack_mut(&file.read(names, 0..left)?)?;
            }
            return Ok(whole);
        }
        let opened = side_by_side(&self.paths, |path| Opened::new(path, condition))?;
        let runs: Vec<(&Opened, &[Range<usize>])> = opened
            .iter()
            .flat_map(|file| file.runs().map(move |run| (file, run)))
            .collect();
        let parts = side_by_side(&runs, |(file, groups)| match condition {
            Some(condition) => file.rows(whole.clone(), condition, groups),
            None => {
                let (first, last) = (groups.first(), groups.last());
                let start = first.map_or(0, |group| group.start);
                file.read(names, start..last.map_or(0, |group| group.end))
            }
        })?;
        for part in &parts {
            whole.vstack_mut(part)?;
        }
        Ok(whole)
    }

    /// What holds for the rows that come first, by the values of the first column of their order alone: all other
    /// columns then need not be read of the rest. Only for whole numbers and times.
    fn bound_of(&self, condition: Option<&Expr>, first: &First) -> PolarsResult<Option<Expr>> {
        let kind = match self.schema.get(&first.by) {
            Some(kind @ (DataType::Int64 | DataType::Datetime(TimeUnit::Microseconds, _))) => kind,
            _ => return Ok(None),
        };
        let by = col(first.by.clone());
        let values = self.read(std::slice::from_ref(&first.by), condition, None)?;
        let values = values.columns()[0].cast(&DataType::Int64)?;
        let mut values: Vec<i64> = values.i64()?.iter().flatten().collect();
        let Some(last) = first
            .rows
            .checked_sub(1)
            .filter(|last| *last < values.len())
        else {
            return Ok(None);
        };
        let (_, bound, _) = values.select_nth_unstable_by(last, |a, b| match first.descending {
            true => b.cmp(a),
            false => a.cmp(b),
        });
        let value = match kind {
            DataType::Datetime(unit, zone) => {
                AnyValue::DatetimeOwned(*bound, *unit, zone.clone().map(Arc::new))
            }
            _ => AnyValue::Int64(*bound),
        };
        let value = Scalar::new(kind.clone(), value);
        let value = Expr::Literal(LiteralValue::Scalar(value));
        let is_first = match first.descending {
            true => by.clone().gt_eq(value),
            false => by.clone().lt_eq(value),
        };
        Ok(Some(match first.nulls_last {
            true => is_first,
            false => is_first.or(by.is_null()),
        }))
    }
}

#[cfg(test)]
mod tests;
