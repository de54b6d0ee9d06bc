//! Tables of a store as Polars scans them. Of a table only the columns that a query names are read, and of
//! these only the row groups in which there may be a row that it asks for.
//!
//! The library's own scan of Parquet files would link an HTTP client. What a query asks of a table is read
//! from its optimised plan; Polars judges every row again, so that this saves reading and decides nothing.

use std::any::Any;
use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::ConvertedType;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;
use polars::prelude::{
    AnonymousScan, AnonymousScanArgs, AnyValue, Column, DataFrame, DataType, Expr, IntoLazy,
    LazyFrame, LiteralValue, Operator, PlSmallStr, PolarsError, PolarsResult, Scalar, Schema,
    SchemaRef, TimeUnit, col,
};
use polars::sql::SQLContext;
use polars_io::SerReader;
use polars_io::parquet::read::{ParallelStrategy, ParquetReader};
use polars_plan::dsl::FileScanIR;
use polars_plan::plans::{
    ArenaLpIter, DynLiteralValue, IR, IRPlan, MintermIter, is_elementwise_rec, node_to_expr,
};

use crate::store::side_by_side;

/// The column that says which batch a row is of.
const BATCH: &str = "batch";

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
            .map(|(name, kind)| match is_id(name, kind) {
                true => (name.clone(), DataType::String),
                false => (name.clone(), kind.clone()),
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

/// Texts are bytes that are mostly UTF-8; ids are not, and are shown as hexadecimal digits.
fn is_id(name: &str, kind: &DataType) -> bool {
    *kind == DataType::Binary && !matches!(name, "value" | "bytes")
}

/// What a scan is for.
#[derive(Clone)]
enum Purpose {
    /// To see what a query asks of the table; nothing is read.
    Plan,
    /// To read rows for which that holds, or all.
    Read(Option<Expr>),
}

/// A table in a query.
struct TableScan {
    name: &'static str,
    files: TableFiles,
    purpose: Purpose,
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
        plan.register(name, scan(name, files.clone(), Purpose::Plan)?);
    }
    let mut asked = asked_of(&plan.execute(query)?.to_alp_optimized()?);
    let mut context = SQLContext::new();
    for (name, files) in tables {
        let purpose = Purpose::Read(asked.remove(name));
        context.register(name, scan(name, files, purpose)?);
    }
    context.execute(query)?.collect()
}

fn scan(name: &'static str, files: TableFiles, purpose: Purpose) -> PolarsResult<LazyFrame> {
    let args = polars::prelude::ScanArgsAnonymous {
        schema: Some(Arc::clone(&files.schema)),
        name,
        ..Default::default()
    };
    let scan = TableScan {
        name,
        files,
        purpose,
    };
    LazyFrame::anonymous_scan(Arc::new(scan), args)
}

/// What an optimised plan asks of each table: a row for which it does not hold is in no scan of that table. A
/// table that some scan reads in whole is not named.
fn asked_of(plan: &IRPlan) -> HashMap<&'static str, Expr> {
    let mut asked: HashMap<&'static str, Option<Expr>> = HashMap::new();
    for (_, node) in plan.lp_arena.iter(plan.lp_top) {
        let IR::Scan {
            predicate,
            scan_type,
            unified_scan_args,
            ..
        } = node
        else {
            continue;
        };
        let FileScanIR::Anonymous { function, .. } = &**scan_type else {
            continue;
        };
        let Some(table) = function.as_any().downcast_ref::<TableScan>() else {
            continue;
        };
        // The first rows of a table are not the first of some of its rows.
        let whole = unified_scan_args.pre_slice.is_some();
        let predicate = predicate.as_ref().filter(|_| !whole).and_then(|predicate| {
            // What looks at other rows as well would say something else of a part of them.
            let alone = MintermIter::new(predicate.node(), &plan.expr_arena)
                .filter(|node| is_elementwise_rec(*node, &plan.expr_arena));
            alone
                .map(|node| node_to_expr(node, &plan.expr_arena))
                .filter(is_plain)
                .map(with_values)
                .reduce(Expr::and)
        });
        asked
            .entry(table.name)
            .and_modify(|all| {
                *all = all
                    .take()
                    .zip(predicate.clone())
                    .map(|(all, one)| all.or(one));
            })
            .or_insert(predicate);
    }
    asked
        .into_iter()
        .filter_map(|(name, asked)| Some((name, asked?)))
        .collect()
}

/// Whether a condition is one of the query: a plan also has conditions that only its run can judge.
fn is_plain(condition: &Expr) -> bool {
    condition.into_iter().all(|part| {
        matches!(
            part,
            Expr::Column(_)
                | Expr::Literal(_)
                | Expr::BinaryExpr { .. }
                | Expr::Cast { .. }
                | Expr::Ternary { .. }
                | Expr::Function { .. }
        )
    })
}

/// A condition with the values of what stands beside its columns: a date in a query is still a text to be read.
fn with_values(condition: Expr) -> Expr {
    match condition {
        Expr::BinaryExpr { left, op, right } => Expr::BinaryExpr {
            left: Arc::new(with_values(Arc::unwrap_or_clone(left))),
            op,
            right: Arc::new(with_values(Arc::unwrap_or_clone(right))),
        },
        Expr::Function { .. } | Expr::Cast { .. } if leaves(&condition).is_empty() => {
            value_of(&condition).unwrap_or(condition)
        }
        condition => condition,
    }
}

/// The value of what has no column, if it has one.
fn value_of(constant: &Expr) -> Option<Expr> {
    let frame = DataFrame::empty_with_height(1).lazy();
    let frame = frame.select([constant.clone().alias("value")]).collect();
    let frame = frame.ok()?;
    let column = frame.columns().first()?;
    let value = column.get(0).ok()?.into_static();
    let scalar = Scalar::new(column.dtype().clone(), value);
    (column.len() == 1).then_some(Expr::Literal(LiteralValue::Scalar(scalar)))
}

impl AnonymousScan for TableScan {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn allows_projection_pushdown(&self) -> bool {
        true
    }

    /// Rows are judged by Polars itself: a scan is not told of every condition that is left to it.
    fn allows_predicate_pushdown(&self) -> bool {
        matches!(self.purpose, Purpose::Plan)
    }

    fn scan(&self, args: AnonymousScanArgs) -> PolarsResult<DataFrame> {
        let Purpose::Read(asked) = &self.purpose else {
            let reason = format!("{} is read before the query is planned", self.name);
            return Err(PolarsError::ComputeError(reason.into()));
        };
        let names: Vec<PlSmallStr> = match &args.with_columns {
            Some(names) => names.to_vec(),
            None => self.files.schema.iter_names().cloned().collect(),
        };
        let mut whole = DataFrame::empty_with_schema(&self.files.schema).select(&names)?;
        let mut add = |part: &DataFrame| whole.vstack_mut(part).map(|_| ());
        if let Some(rows) = args.n_rows {
            let mut left = rows;
            for path in &self.files.paths {
                if left == 0 {
                    break;
                }
                let part = self.rows(path, &names, None, left)?;
                left -= part.height();
                add(&part)?;
            }
        } else {
            let parts = side_by_side(&self.files.paths, |path| {
                self.rows(path, &names, asked.as_ref(), usize::MAX)
            })?;
            parts.iter().try_for_each(add)?;
        }
        Ok(whole)
    }
}

impl TableScan {
    /// Rows of a file: for which `asked` holds, or the first ones.
    fn rows(
        &self,
        path: &Path,
        names: &[PlSmallStr],
        asked: Option<&Expr>,
        most: usize,
    ) -> PolarsResult<DataFrame> {
        let file = File::open(path)?;
        let footer = ParquetReader::new(file.try_clone()?)
            .get_metadata()?
            .clone();
        let opened = || -> PolarsResult<ParquetReader<File>> {
            let mut reader = ParquetReader::new(file.try_clone()?);
            reader.set_metadata(footer.clone());
            Ok(reader)
        };
        let Some(asked) = asked else {
            return read(path, opened()?, names, 0..most);
        };
        let options = ArrowReaderOptions::new();
        let metadata = ArrowReaderMetadata::load(&file, options)
            .map_err(|error| PolarsError::ComputeError(error.to_string().into()))?;
        let first: Vec<PlSmallStr> = leaves(asked);
        let rest: Vec<PlSmallStr> = names
            .iter()
            .filter(|name| !first.contains(name))
            .cloned()
            .collect();
        let mut whole = DataFrame::empty_with_schema(&self.files.schema).select(names)?;
        let mut start = 0;
        for group in metadata.metadata().row_groups() {
            let rows = start..start + usize::try_from(group.num_rows()).unwrap_or(0);
            start = rows.end;
            if !may_hold(group, asked) {
                continue;
            }
            let part = read(path, opened()?, &first, rows.clone())?;
            let holds = part.clone().lazy().select([asked.clone().alias("holds")]);
            let holds = holds.collect()?;
            let holds = holds.column("holds")?.bool()?;
            if !holds.any() {
                continue;
            }
            // The columns of the condition come first, because mostly no row is left to read others for.
            let rest = read(path, opened()?, &rest, rows)?;
            let part = part.hstack(rest.columns())?.select(names)?;
            whole.vstack_mut(&part.filter(holds)?)?;
        }
        Ok(whole)
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
            _ => read.column(name)?.clone(),
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

fn batch_of(path: &Path) -> Option<&str> {
    path.parent()?.file_name()?.to_str()?.strip_prefix("batch=")
}

/// Columns of a condition.
fn leaves(condition: &Expr) -> Vec<PlSmallStr> {
    let mut names: Vec<PlSmallStr> = Vec::new();
    for part in condition {
        if let Expr::Column(name) = part
            && !names.contains(name)
        {
            names.push(name.clone());
        }
    }
    names
}

/// Whether a row group may have a row for which a condition holds, by the least and greatest values of its
/// columns.
fn may_hold(group: &RowGroupMetaData, condition: &Expr) -> bool {
    let Expr::BinaryExpr { left, op, right } = condition else {
        return true;
    };
    let turned = match op {
        Operator::And | Operator::LogicalAnd => {
            return may_hold(group, left) && may_hold(group, right);
        }
        Operator::Or | Operator::LogicalOr => {
            return may_hold(group, left) || may_hold(group, right);
        }
        Operator::Lt => Operator::Gt,
        Operator::LtEq => Operator::GtEq,
        Operator::Gt => Operator::Lt,
        Operator::GtEq => Operator::LtEq,
        other => *other,
    };
    match (&**left, &**right) {
        (Expr::Column(name), Expr::Literal(value)) => may_compare(group, name, *op, value),
        (Expr::Literal(value), Expr::Column(name)) => may_compare(group, name, turned, value),
        _ => true,
    }
}

fn may_compare(group: &RowGroupMetaData, name: &str, op: Operator, value: &LiteralValue) -> bool {
    let mut columns = group.columns().iter();
    let Some(column) = columns.find(|column| column.column_path().string() == name) else {
        return true;
    };
    // Decimals are stored as integers of another unit.
    let is_plain = matches!(
        column.column_descr().converted_type(),
        ConvertedType::NONE | ConvertedType::UTF8 | ConvertedType::TIMESTAMP_MICROS
    );
    if !is_plain {
        return true;
    }
    match column.statistics() {
        Some(Statistics::ByteArray(bounds)) => text(value).is_none_or(|text| {
            let (min, max) = (bounds.min_bytes_opt(), bounds.max_bytes_opt());
            within(op, text.as_bytes(), min, max)
        }),
        Some(Statistics::Int64(bounds)) => integer(value)
            .is_none_or(|value| within(op, &value, bounds.min_opt(), bounds.max_opt())),
        Some(Statistics::Int32(bounds)) => integer(value).is_none_or(|value| {
            let (min, max) = (bounds.min_opt(), bounds.max_opt());
            let (min, max) = (
                min.map(|min| i64::from(*min)),
                max.map(|max| i64::from(*max)),
            );
            within(op, &value, min.as_ref(), max.as_ref())
        }),
        _ => true,
    }
}

/// Whether some value between two bounds may be in that relation to another; a missing bound is none.
fn within<T: PartialOrd + ?Sized>(
    op: Operator,
    value: &T,
    min: Option<&T>,
    max: Option<&T>,
) -> bool {
    let above_min =
        |strictly: bool| min.is_none_or(|min| if strictly { min < value } else { min <= value });
    let below_max =
        |strictly: bool| max.is_none_or(|max| if strictly { max > value } else { max >= value });
    match op {
        Operator::Eq => above_min(false) && below_max(false),
        Operator::Lt => above_min(true),
        Operator::LtEq => above_min(false),
        Operator::Gt => below_max(true),
        Operator::GtEq => below_max(false),
        _ => true,
    }
}

fn text(value: &LiteralValue) -> Option<&str> {
    match value {
        LiteralValue::Scalar(scalar) => scalar.value().get_str(),
        LiteralValue::Dyn(DynLiteralValue::Str(text)) => Some(text),
        _ => None,
    }
}

/// A whole number, or a time as the tables have it, in microseconds.
fn integer(value: &LiteralValue) -> Option<i64> {
    match value {
        LiteralValue::Dyn(DynLiteralValue::Int(number)) => i64::try_from(*number).ok(),
        LiteralValue::Scalar(scalar) => match scalar.value() {
            AnyValue::Datetime(time, unit, _) | AnyValue::DatetimeOwned(time, unit, _) => {
                match unit {
                    TimeUnit::Microseconds => Some(*time),
                    TimeUnit::Milliseconds => time.checked_mul(1000),
                    // Rounding would move a bound.
                    TimeUnit::Nanoseconds => None,
                }
            }
            value if value.is_integer() => value.try_extract::<i64>().ok(),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray};
    use arrow_array::{FixedSizeBinaryArray, TimestampMicrosecondArray};
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::WriterProperties;

    use super::*;

    const GROUPS: usize = 20;

    /// A table of a hundred rows, in two files of ten row groups each.
    fn files(folder: &Path) -> TableFiles {
        let numbers = || 0..100i64;
        let kinds = numbers().map(|n| (n % 7 != 0).then(|| format!("kind{:02}", n / 10)));
        let ids = numbers().map(|n| [u8::try_from(n).unwrap(); 4]);
        let times =
            TimestampMicrosecondArray::from_iter_values(numbers().map(|n| n * 3_600_000_000));
        let amounts = Decimal128Array::from_iter_values(numbers().map(|n| i128::from(n) * 10_000));
        let columns: Vec<(&str, ArrayRef)> = vec![
            (
                "id",
                Arc::new(FixedSizeBinaryArray::try_from_iter(ids).unwrap()),
            ),
            ("kind", Arc::new(kinds.collect::<StringArray>())),
            ("n", Arc::new(Int64Array::from_iter_values(numbers()))),
            ("time", Arc::new(times.with_timezone("UTC"))),
            (
                "amount",
                Arc::new(amounts.with_precision_and_scale(18, 4).unwrap()),
            ),
        ];
        let all = RecordBatch::try_from_iter_with_nullable(
            columns
                .into_iter()
                .map(|(name, column)| (name, column, true)),
        )
        .unwrap();
        let paths: Vec<PathBuf> = (0..2)
            .map(|part| {
                let folder = folder.join(format!("batch=b{part}"));
                std::fs::create_dir_all(&folder).unwrap();
                let path = folder.join("part-00000.parquet");
                let properties = WriterProperties::builder()
                    .set_max_row_group_row_count(Some(5))
                    .build();
                let file = File::create(&path).unwrap();
                let mut writer =
                    ArrowWriter::try_new(file, all.schema(), Some(properties)).unwrap();
                writer.write(&all.slice(part * 50, 50)).unwrap();
                writer.close().unwrap();
                path
            })
            .collect();
        let reader = ParquetReader::new(File::open(&paths[0]).unwrap());
        let schema = reader.finish().unwrap().schema().as_ref().clone();
        TableFiles::new(paths, &schema, &[], true)
    }

    /// What is asked of the table, and how many row groups may have it.
    fn asked(files: &TableFiles, query: &str) -> Option<(Expr, usize)> {
        let mut plan = SQLContext::new();
        let table = scan("t", files.clone(), Purpose::Plan).unwrap();
        plan.register("t", table);
        let plan = plan.execute(query).unwrap().to_alp_optimized().unwrap();
        let asked = asked_of(&plan).remove("t")?;
        let groups = files.paths.iter().map(|path| {
            let file = File::open(path).unwrap();
            let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).unwrap();
            let groups = metadata.metadata().row_groups().iter();
            groups.filter(|group| may_hold(group, &asked)).count()
        });
        let groups = groups.sum();
        Some((asked, groups))
    }

    #[test]
    fn an_answer_is_that_of_the_whole_table() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        for (query, groups) in [
            ("select * from t where n = 42", 1),
            ("select * from t where 42 = n", 1),
            ("select n from t where n > 93 order by n", 2),
            ("select n from t where 93 > n and n >= 90 order by n", 1),
            (
                "select n from t where n < 3 or kind = 'kind09' order by n",
                3,
            ),
            ("select n from t where kind <= 'kind00' order by n", 2),
            ("select n from t where kind = 'kind0' order by n", 0),
            ("select n from t where time >= '1970-01-05' order by n", 1),
            ("select n, id from t where id = '2a2a2a2a'", GROUPS),
            ("select n, amount from t where amount = 42", GROUPS),
            ("select n from t where amount > 97.5 order by n", GROUPS),
            (
                "select n from t where kind is null and n < 20 order by n",
                4,
            ),
            ("select n from t where not (n > 3) order by n", 1),
            (
                "select n from t where kind like 'kind04%' order by n",
                GROUPS,
            ),
            (
                "select n, batch from t where batch = 'b1' order by n",
                GROUPS,
            ),
            ("select count(*) as c from t where n >= 95", 1),
            (
                "select kind, count(*) as c from t where n >= 90 group by kind order by kind",
                2,
            ),
            (
                "select a.n from t a join t b on a.n = b.n where a.n < 6 and b.n > 4",
                3,
            ),
            (
                "select n from (select n from t where n < 5 union all select n from t where n > 94) order by n",
                2,
            ),
            (
                "with w as (select * from t where n < 50) select n from w where n > 47 order by n",
                1,
            ),
        ] {
            let (condition, may_have) = asked(&files, query).expect(query);
            assert!(may_have <= groups, "{query}: {may_have} by {condition}");
            let table = scan("t", files.clone(), Purpose::Read(None)).unwrap();
            let mut context = SQLContext::new();
            context.register("t", table);
            let whole = context.execute(query).unwrap().collect().unwrap();
            let answered = answer(vec![("t", files.clone())], query).unwrap();
            assert!(
                answered.equals_missing(&whole),
                "{query}: {answered} {whole}"
            );
        }
    }

    #[test]
    fn a_table_of_which_all_is_asked_is_read_in_whole() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        for (query, rows) in [
            ("select * from t", 100),
            ("select * from t limit 7", 7),
            ("select * from t limit 0", 0),
            ("select n from t order by n desc limit 3", 3),
            ("select n from t where n in (3, 44, 99)", 3),
            ("select * from (select * from t limit 60) where n > 49", 10),
            (
                "select a.n from t a join t b on a.n = b.n + 1 where a.n > 90",
                9,
            ),
            ("select n, sum(n) over (partition by kind) as s from t", 100),
        ] {
            let answered = answer(vec![("t", files.clone())], query).unwrap();
            assert_eq!(answered.height(), rows, "{query}");
        }
        let whole = "select count(*) as c from t a join t b on a.n = b.n where a.n = 4";
        let answered = answer(vec![("t", files.clone())], whole).unwrap();
        assert_eq!(answered.height(), 1);
        assert_eq!(
            answered.columns()[0]
                .get(0)
                .unwrap()
                .try_extract::<u32>()
                .unwrap(),
            1
        );
    }
}
