//! A batch is all or nothing; nothing is added twice; two ingests both land.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

use crate::{Case, chat};

/// Numbers that do not compress.
pub fn noise(n: u32) -> u64 {
    u64::from(n)
        .wrapping_add(1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(n % 63)
}

fn lines(numbers: std::ops::Range<u32>) -> String {
    numbers.map(|number| chat(number) + "\n").collect()
}

fn events(case: &Case) -> usize {
    case.output(&["timeline", "--format", "csv", "--limit", "1000000"])
        .lines()
        .count()
        - 1
}

#[test]
fn the_same_dump_twice_adds_nothing() {
    let case = Case::new();
    let path = case.write("a.jsonl", lines(0..50));
    case.ingest(&[], &[&path], 0);
    let before = events(&case);
    let again = case.ingest(&[], &[&path], 0);
    assert_eq!(
        (&again["batch"], &again["files"][0]["known"]),
        (&serde_json::Value::Null, &50.into())
    );
    let copy = case.write("copy.jsonl", lines(0..50) + "\n");
    assert_eq!(case.ingest(&[], &[&copy], 0)["files"][0]["events"], 0);
    assert_eq!(events(&case), before);
}

#[test]
fn overlapping_exports_add_the_new_part_only() {
    let case = Case::new();
    let first = case.write("a.jsonl", lines(0..60));
    let second = case.write("b.jsonl", lines(40..100));
    case.ingest(&[], &[&first], 0);
    let report = case.ingest(&[], &[&second], 0);
    assert_eq!(
        (&report["files"][0]["records"], &report["files"][0]["known"]),
        (&60.into(), &20.into())
    );
    assert_eq!(events(&case), 200);
}

#[test]
fn the_same_line_twice_in_one_dump_is_two_events() {
    let case = Case::new();
    let path = case.write("a.jsonl", format!("{}\n{}\n", chat(0), chat(0)));
    assert_eq!(case.ingest(&[], &[&path], 0)["files"][0]["events"], 4);
}

/// Starts a command and sends it SIGKILL a while later; says whether it was done before.
fn kill_after(case: &Case, args: &[&str], delay: u64) -> bool {
    let mut child = Command::new(env!("CARGO_BIN_EXE_trail"))
        .args(args)
        .env("TRAIL_STORE", case.path("store"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(delay));
    child.kill().unwrap();
    child.wait().unwrap().success()
}

#[test]
fn killed_while_tasks_and_indexes_are_made_nothing_is_damaged() {
    let case = Case::new();
    let log = case.write("log.jsonl", lines(0..600));
    case.ingest(&[], &[&log], 0);
    let mut killed = 0;
    for delay in [5, 30, 60, 90, 120, 160, 200, 260, 340, 500] {
        for folder in ["tasks", "links", "search", "figures", "verdict"] {
            let _ = std::fs::remove_dir_all(case.path("store").join(folder));
        }
        killed += u32::from(!kill_after(&case, &["prepare"], delay));
        let found = case
            .trail()
            .args(["verify", "--integrity"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&found.stdout).into_owned();
        assert_eq!(found.status.code(), Some(0), "after {delay} ms: {said}");
    }
    assert!(killed > 0);
    let found = case.output(&["search", "ok", "--format", "json"]);
    case.output(&["prepare"]);
    case.output(&["verify", "--integrity", "--derived"]);
    assert_eq!(case.output(&["search", "ok", "--format", "json"]), found);
}

#[test]
fn what_was_not_written_to_its_end_is_not_used_and_made_anew() {
    let case = Case::new();
    let log = case.write("log.jsonl", lines(0..20));
    case.ingest(&[], &[&log], 0);
    case.output(&["prepare"]);
    let before = case.output(&["timeline", "--format", "csv"]);
    let lists = ["tasks", "search", "verdict"]
        .map(|folder| case.path("store").join(folder).join("_files.json"));
    let listed = lists.each_ref().map(|list| std::fs::read(list).unwrap());
    // Whoever was killed has begun, has put one file into its place, and was at the next one.
    for list in &lists {
        std::fs::write(list, "unfinished\n").unwrap();
    }
    let tasks = case.path("store").join("tasks");
    std::fs::write(tasks.join("tasks.parquet"), "half").unwrap();
    std::fs::write(tasks.join("_aB3xYz"), "half").unwrap();
    let said = case.output(&["verify", "--integrity"]);
    assert!(said.contains("tasks/_files.json"), "{said}");
    assert_eq!(case.output(&["timeline", "--format", "csv"]), before);
    case.output(&["prepare"]);
    assert!(!tasks.join("_aB3xYz").exists());
    case.output(&["verify", "--integrity", "--derived"]);
    assert_eq!(
        lists.each_ref().map(|list| std::fs::read(list).unwrap()),
        listed
    );
}

#[test]
fn killed_at_any_moment_the_store_is_as_before() {
    let case = Case::new();
    let first = case.write("first.jsonl", lines(0..10));
    case.ingest(&[], &[&first], 0);
    let before = case.output(&["timeline", "--format", "csv"]);
    let text: String = (100..8_100u32)
        .map(|n| chat(n).replace("ok", &format!("{:x}", noise(n))) + "\n")
        .collect();
    let big = case.write("big.jsonl", text);
    let mut killed = 0;
    for delay in [0, 20, 100, 400, 900] {
        if kill_after(&case, &["ingest", big.to_str().unwrap()], delay) {
            break;
        }
        killed += 1;
        let now = case.output(&["timeline", "--format", "csv"]);
        if now != before {
            // The commit was done when the signal came.
            assert_eq!(events(&case), 20 + 16_000);
            return;
        }
    }
    assert!(killed > 0);
    case.ingest(&[], &[&big], 0);
    assert_eq!(events(&case), 20 + 16_000);
    assert_eq!(
        std::fs::read_dir(case.path("store/_staging"))
            .unwrap()
            .count(),
        0,
        "leftovers are removed"
    );
}

#[test]
fn two_ingests_at_once_both_land() {
    let case = Case::new();
    let paths = [
        case.write("a.jsonl", lines(0..1500)),
        case.write("b.jsonl", lines(1000..2500)),
    ];
    let children: Vec<_> = paths
        .iter()
        .map(|path| {
            Command::new(env!("CARGO_BIN_EXE_trail"))
                .args(["ingest", "--quiet", path.to_str().unwrap()])
                .env("TRAIL_STORE", case.path("store"))
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(events(&case), 5000);
}

#[test]
fn change_documents_join_whichever_file_comes_first() {
    let header = "MANDANT;OBJECTCLAS;OBJECTID;CHANGENR;USERNAME;UDATE;UTIME;TCODE;CHANGE_IND\n100;BELEG;100DE0000000047112026;0000123456;AGENT_RFC;20260302;080031;FB02;U\n";
    let position = "MANDANT;OBJECTCLAS;OBJECTID;CHANGENR;TABNAME;TABKEY;FNAME;CHNGIND;VALUE_NEW;VALUE_OLD\n100;BELEG;100DE0000000047112026;0000123456;BSEG;1;ZLSPR;U; ;A\n";
    let mut timelines = Vec::new();
    for order in [["h", "p"], ["p", "h"]] {
        let case = Case::new();
        for name in order {
            let text = if name == "h" { header } else { position };
            let path = case.write(&format!("{name}.csv"), text);
            case.ingest(&["--tz", "sap=Europe/Berlin"], &[&path], 0);
        }
        let timeline = case.json(&["timeline", "--invoice", "4711", "--format", "json"]);
        let line = &timeline["tasks"][0]["lines"][0];
        assert_eq!(
            (&line["actor"], &line["time"]),
            (&"AGENT_RFC".into(), &"2026-03-02T07:00:31Z".into())
        );
        assert_eq!(line["changes"][0]["before"], "A");
        timelines.push((timeline["tasks"][0]["id"].clone(), line["events"].clone()));
    }
    assert_eq!(timelines[0].0, timelines[1].0);
}

#[test]
fn the_number_of_workers_does_not_change_the_tables() {
    let text = lines(0..4000);
    let mut digests = Vec::new();
    for jobs in ["1", "4"] {
        let case = Case::new();
        let path = case.write("a.jsonl", &text);
        case.trail()
            .current_dir(case.folder.path())
            .args(["ingest", "--jobs", jobs, "a.jsonl"])
            .assert()
            .success();
        assert!(path.exists());
        let mut tables = Vec::new();
        for entry in std::fs::read_dir(case.path("store/custody")).unwrap() {
            let manifest: serde_json::Value =
                serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
            tables.push(manifest["tables"].clone());
        }
        digests.push(tables);
    }
    assert_eq!(digests[0], digests[1]);
}

fn read_part(path: &Path) -> RecordBatch {
    let file = std::fs::File::open(path).unwrap();
    let mut read = ParquetRecordBatchReader::try_new(file, 1 << 10).unwrap();
    read.next().unwrap().unwrap()
}

fn write_part(path: &Path, table: &RecordBatch) {
    let out = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(out, table.schema(), None).unwrap();
    writer.write(table).unwrap();
    writer.close().unwrap();
}

#[test]
fn a_part_with_other_columns_is_named_whatever_is_asked() {
    let case = Case::new();
    let log = case.write("log.jsonl", lines(0..20));
    case.ingest(&[], &[&log], 0);
    case.trail().arg("stitch").assert().success();
    let store = trail::store::Store::open(&case.path("store")).unwrap();
    let asks: [&[&str]; 8] = [
        &["timeline", "--invoice", "5003"],
        &["timeline", "--since", "2000-01-01"],
        &["search", "hello"],
        &["stats"],
        &["verify"],
        &["report"],
        &["sql", "SELECT COUNT(*) FROM events"],
        &["verify", "--integrity"],
    ];
    for table in ["events", "keys", "contents"] {
        let part = store.parts(table, &store.batches()[0]).remove(0);
        let good = std::fs::read(&part).unwrap();
        let read = read_part(&part);
        let mut fields = read.schema().fields().to_vec();
        let mut columns = read.columns().to_vec();
        fields[0] = Field::new(fields[0].name(), DataType::Int64, false).into();
        columns[0] = Arc::new(Int64Array::from(vec![7; read.num_rows()]));
        let other = RecordBatch::try_new(Schema::new(fields).into(), columns).unwrap();
        let without = read.project(&[1, 2, 3, 4]).unwrap();
        for bad in [other, without] {
            write_part(&part, &bad);
            let mut named = 0;
            for ask in asks {
                let run = case.trail().args(ask).output().unwrap();
                let said = String::from_utf8_lossy(&run.stderr).into_owned();
                assert!(
                    matches!(run.status.code(), Some(0..=2)),
                    "{table} {ask:?}: {said}"
                );
                assert!(!said.contains("panicked"), "{table} {ask:?}: {said}");
                named += usize::from(said.contains("column 1 should be"));
            }
            assert!(named > 0, "{table}");
        }
        std::fs::write(&part, good).unwrap();
    }
}

#[test]
fn a_part_with_fewer_events_than_its_manifest_says_is_named() {
    let case = Case::new();
    let log = case.write("log.jsonl", lines(0..20));
    case.ingest(&[], &[&log], 0);
    let store = trail::store::Store::open(&case.path("store")).unwrap();
    let part = store.parts("events", &store.batches()[0]).remove(0);
    let events = read_part(&part);
    let fewer = events.slice(0, events.num_rows() - 1);
    write_part(&part, &fewer);
    let run = case.trail().arg("stitch").assert().failure();
    let said = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
    let wanted = format!("not {} as its manifest says", events.num_rows());
    assert!(said.contains("part-") && said.contains(&wanted), "{said}");
}
