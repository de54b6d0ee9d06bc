//! Tables of a store as queries in SQL read them: of a table only the columns that a query needs, and of these only
//! the row groups in which there may be a row that it asks for.
//!
//! The library's own scan of Parquet files would link an HTTP client. What a query asks of a table is read
//! from its optimised plan ([`super::sql_asked`]); Polars judges every row again, so that this saves reading and decides
//! nothing.

use std::any::Any;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use polars::prelude::{
    AnonymousScan, AnonymousScanArgs, AnyValue, Column, DataFrame, DataType, Expr, IntoColumn,
    IntoLazy, LazyFrame, LiteralValue, NewChunkedArray, PlSmallStr, PolarsError, PolarsResult,
    Scalar, ScanArgsAnonymous, Schema, SchemaRef, StringChunked, TimeUnit, col,
};
use polars::sql::SQLContext;
use polars_io::SerReader;
use polars_io::parquet::read::{FileMetadata, ParallelStrategy, ParquetReader};

use super::sql_asked::{Asked, First, asked_of, leaves, may_hold};
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

/// Texts are bytes that are mostly UTF-8, and are shown as such; ids are not, and are shown as hexadecimal digits.
fn is_id(name: &str, kind: &DataType) -> bool {
    *kind == DataType::Binary && !matches!(name, "value" | "bytes")
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

/// Rows that are read together, at least: reading costs something for itself.
const RUN: usize = 128 << 10;

/// A file of a table.
struct Opened {
    path: PathBuf,
    file: File,
    footer: Arc<FileMetadata>,
    /// Rows of the row groups in which there may be one that is asked for.
    groups: Vec<Range<usize>>,
}

impl Opened {
    fn new(path: &Path, asked: Option<&Expr>) -> PolarsResult<Self> {
        let file = File::open(path)?;
        let footer = ParquetReader::new(file.try_clone()?)
            .get_metadata()?
            .clone();
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())
            .map_err(|error| PolarsError::ComputeError(error.to_string().into()))?;
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
    fn runs(&self) -> impl Iterator<Item = &[Range<usize>]> {
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
    fn rows(
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
    fn read(&self, names: &[PlSmallStr], rows: Range<usize>) -> PolarsResult<DataFrame> {
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
        let times = numbers().map(|n| (n % 11 != 0).then_some(n * 3_600_000_000));
        let times = TimestampMicrosecondArray::from_iter(times);
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
    fn condition(files: &TableFiles, query: &str) -> Option<(Expr, usize)> {
        let mut plan = SQLContext::new();
        let table = planned("t", files).unwrap();
        plan.register("t", table);
        let plan = plan.execute(query).unwrap().to_alp_optimized().unwrap();
        let asked = asked_of(&plan).remove("t")?.condition?;
        let groups = files.paths.iter().map(|path| {
            let file = File::open(path).unwrap();
            let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).unwrap();
            let groups = metadata.metadata().row_groups().iter();
            groups.filter(|group| may_hold(group, &asked)).count()
        });
        let groups = groups.sum();
        Some((asked, groups))
    }

    /// A query is answered as from a table of which everything was read.
    fn is_that_of_the_whole(files: &TableFiles, query: &str) {
        let mut context = SQLContext::new();
        let table = files.read_asked(Asked::default()).unwrap().lazy();
        context.register("t", table);
        let whole = context.execute(query).unwrap().collect().unwrap();
        let answered = answer(vec![("t", files.clone())], query).unwrap();
        assert!(
            answered.equals_missing(&whole),
            "{query}: {answered} {whole}"
        );
    }

    #[test]
    fn an_answer_is_that_of_the_whole_table() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        for (query, groups) in [
            ("select * from t where n = 42", 1),
            ("select * from t where 42 = n", 1),
            ("select n from t where n in (4, 5, 97) order by n", 3),
            (
                "select n from t where kind in ('kind00', 'none') order by n",
                2,
            ),
            ("select n from t where n in (4, null) order by n", GROUPS),
            ("select n from t where n not in (4, 5) order by n", GROUPS),
            ("select n from t where n in (4.0, 97.0) order by n", GROUPS),
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
            let (condition, may_have) = condition(&files, query).expect(query);
            assert!(may_have <= groups, "{query}: {may_have} by {condition}");
            is_that_of_the_whole(&files, query);
        }
    }

    #[test]
    fn the_first_rows_are_those_of_the_whole_table() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        for (query, bounded) in [
            ("select * from t order by n limit 3", true),
            ("select * from t order by n desc limit 3", true),
            ("select kind, n from t order by time desc, n limit 2", true),
            ("select * from t order by n limit 3 offset 4", true),
            ("select * from t order by time limit 3", true),
            ("select n from t order by time desc, n limit 80", true),
            (
                "select n from t order by time nulls first, n limit 11",
                true,
            ),
            (
                "select n from t where kind > 'kind05' order by n limit 3",
                true,
            ),
            ("select n from t order by n limit 200", true),
            (
                "select * from t where n in (3, 44, 99) order by n limit 2",
                true,
            ),
            (
                "select n from t where n in (select max(n) from t) order by n limit 2",
                false,
            ),
            ("select * from t order by kind, n limit 3", true),
            (
                "select a.n from t a join t b on a.n = b.n order by a.n limit 3",
                false,
            ),
            ("select -n as m from t order by m limit 3", false),
        ] {
            let plan = {
                let mut plan = SQLContext::new();
                let table = planned("t", &files).unwrap();
                plan.register("t", table);
                plan.execute(query).unwrap().to_alp_optimized().unwrap()
            };
            let asked = asked_of(&plan).remove("t").unwrap();
            assert_eq!(
                asked.first.is_some(),
                bounded,
                "{query}: {}",
                plan.describe()
            );
            if let Some(first) = &asked.first
                && first.by != "kind"
                && first.rows < 100
            {
                let bound = files
                    .bound_of(asked.condition.as_ref(), first)
                    .unwrap()
                    .unwrap();
                let groups = files.paths.iter().map(|path| {
                    let file = File::open(path).unwrap();
                    let metadata =
                        ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).unwrap();
                    let groups = metadata.metadata().row_groups().iter();
                    groups.filter(|group| may_hold(group, &bound)).count()
                });
                assert!(groups.sum::<usize>() < GROUPS, "{query}: {bound}");
            }
            is_that_of_the_whole(&files, query);
        }
    }

    #[test]
    fn texts_that_are_bytes_are_asked_as_texts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part-00000.parquet");
        let texts: [&[u8]; 3] = [b"pay 4711", b"pay \xff 4712", b"no"];
        let texts: ArrayRef = Arc::new(arrow_array::BinaryArray::from_iter_values(texts));
        let all = RecordBatch::try_from_iter([("value", texts)]).unwrap();
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), all.schema(), None);
        let writer = writer.as_mut().unwrap();
        writer.write(&all).unwrap();
        writer.finish().unwrap();
        let reader = ParquetReader::new(File::open(&path).unwrap());
        let schema = reader.finish().unwrap().schema().as_ref().clone();
        let files = TableFiles::new(vec![path], &schema, &[], false);
        for (query, rows) in [
            ("select value from t where value like 'pay%'", 2),
            ("select value from t where value like '%4712'", 1),
            ("select value from t where value = 'no'", 1),
        ] {
            let answered = answer(vec![("t", files.clone())], query).unwrap();
            assert_eq!(answered.height(), rows, "{query}");
        }
    }

    /// Counting rows reads no column, and what is not selective reads row groups together.
    #[test]
    fn rows_are_counted_without_their_values() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        let mut plan = SQLContext::new();
        plan.register("t", planned("t", &files).unwrap());
        let plan = plan.execute("select count(*) from t").unwrap();
        let asked = asked_of(&plan.to_alp_optimized().unwrap())
            .remove("t")
            .unwrap();
        assert_eq!(asked.columns.unwrap(), [PlSmallStr::from(BATCH)].into());
        let opened = Opened::new(&files.paths[0], None).unwrap();
        assert_eq!(opened.runs().count(), 1);
        let some = col("n").lt(polars::prelude::lit(12i64));
        let opened = Opened::new(&files.paths[0], Some(&some)).unwrap();
        assert_eq!(opened.groups, [0..5, 5..10, 10..15]);
    }

    #[test]
    fn a_table_of_which_all_is_asked_is_read_in_whole() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        for (query, rows) in [
            ("select * from t", 100),
            ("select * from t limit 7", 7),
            ("select n from (select n, kind, batch from t)", 100),
            ("select count(*) from t", 1),
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
