use std::fs::File;
use std::path::Path;

use arrow_array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray};
use arrow_array::{FixedSizeBinaryArray, TimestampMicrosecondArray};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::properties::WriterProperties;

use polars_io::SerReader;
use polars_io::parquet::read::ParquetReader;

use super::*;
use crate::tell::sql_asked::may_hold;

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
            let mut writer = ArrowWriter::try_new(file, all.schema(), Some(properties)).unwrap();
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
                let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).unwrap();
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

#[test]
fn a_damaged_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    let path = &files.paths[1];
    let file = File::options().write(true).open(path).unwrap();
    file.set_len(200).unwrap();
    let failed = answer(vec![("t", files.clone())], "select max(n) as n from t");
    let reason = failed.unwrap_err().to_string();
    assert!(reason.contains(&path.display().to_string()), "{reason}");
}
