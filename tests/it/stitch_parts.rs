//! Stitching batch by batch: only what a batch touches is weighed again, and the result is that of all at once.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::json;
use trail::config::{Config, DateOrders, KeyPatterns, Zones};
use trail::ingest::{IngestRequest, Silent, ingest};
use trail::normalise::formats::Formats;
use trail::read::Limits;
use trail::stitch::{Run, TaskIndex, remake_derived, stitch, tasks};
use trail::store::Store;
use trail::tell::export_causes;

use crate::Case;

/// 2026-03-02, midnight UTC, in seconds.
const MONDAY: u64 = 1_772_409_600;

/// Numbers that look random, the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

fn stamp(seconds: u64) -> String {
    let time = jiff::Timestamp::from_second(seconds.cast_signed()).unwrap();
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The exports of so many days, four files a day: conversations that look up an order and change it, the gateway's
/// requests and the changes in SAP, each by a clock of its own; some changes are nobody's, and the last conversation of a
/// day goes on after midnight. If asked for, some ids recur until they reach too much to join anything, and some
/// conversations begin alike.
fn exports(folder: &Path, days: u64, seed: u64, recurring: bool) -> Vec<PathBuf> {
    let mut numbers = Numbers(seed);
    let mut files = Vec::new();
    let mut open: Option<serde_json::Value> = None;
    for day in 0..days {
        let (mut chat, mut gateway) = (String::new(), String::new());
        let mut headers =
            "MANDANT;OBJECTCLAS;OBJECTID;CHANGENR;USERNAME;UDATE;UTIME;TCODE;CHANGE_IND\n"
                .to_owned();
        let mut rows =
            "MANDANT;OBJECTCLAS;OBJECTID;CHANGENR;TABNAME;TABKEY;FNAME;CHNGIND;VALUE_NEW;VALUE_OLD\n"
                .to_owned();
        let conversations = 12 + numbers.below(12);
        for n in 0..conversations {
            let number = day * 1000 + n;
            let at = MONDAY + day * 86_400 + n * 86_400 / conversations + numbers.below(600);
            let order = 4_500_000 + numbers.below(300);
            let street = format!("{} Birch Lane", 100 + numbers.below(80));
            let call = |name: &str, arguments: serde_json::Value| {
                json!({"id": format!("call_{name}_{number:06}"), "type": "function",
                       "function": {"name": name, "arguments": arguments.to_string()}})
            };
            let messages = match open.take() {
                Some(before) if n == 0 => before,
                _ => json!([{"role": "user", "content": format!("I moved, number {number}")}]),
            };
            let answer = json!({"role": "assistant", "content": null, "tool_calls": [
                call("get_order", json!({"order": format!("W{order}")})),
                call("change_address", json!({"order": format!("W{order}"), "street": street})),
                {"id": format!("call_list_orders_{}", numbers.below(4)), "type": "function",
                 "function": {"name": "list_orders", "arguments": "{}"}}]});
            let record = json!({"created_at": stamp(at),
                "request": {"model": "m", "messages": messages,
                            "metadata": {"conversation_id": format!("chat-{:08}", number - number % (1 + numbers.below(2)))}},
                "response": {"id": format!("chatcmpl-{number:010}"), "object": "chat.completion", "created": at,
                    "model": "m-1", "choices": [{"message": answer, "finish_reason": "tool_calls"}]}});
            chat.push_str(&format!("{record}\n"));
            if recurring && numbers.below(4) == 0 {
                let at = at + 40 + numbers.below(4000);
                let hello = [
                    format!("Hello {}", numbers.below(6)),
                    "How can I help?".to_owned(),
                ];
                let mut said = vec![json!({"role": "user", "content": hello[0]})];
                if numbers.below(2) == 0 {
                    said.push(json!({"role": "assistant", "content": hello[1]}));
                    said.push(json!({"role": "user", "content": format!("Thanks {number}")}));
                }
                let record = json!({"created_at": stamp(at), "request": {"model": "m", "messages": said},
                    "response": {"id": format!("chatcmpl-hello-{number:06}"), "object": "chat.completion",
                        "created": at, "model": "m-1",
                        "choices": [{"message": {"role": "assistant", "content": hello[1]}, "finish_reason": "stop"}]}});
                chat.push_str(&format!("{record}\n"));
            }
            if n + 1 == conversations {
                let mut all = messages.as_array().unwrap().clone();
                all.push(answer);
                for name in ["get_order", "change_address"] {
                    let id = format!("call_{name}_{number:06}");
                    all.push(json!({"role": "tool", "tool_call_id": id, "content": "done"}));
                }
                open = Some(all.into());
            }
            let started = (at + 31) * 1000 + numbers.below(40);
            let mut headers_of = json!({"host": "gw"});
            if recurring && numbers.below(3) == 0 {
                headers_of["traceparent"] = format!("00-{:032x}-{:016x}-01", number + 1, 7).into();
                headers_of["x-request-id"] = format!("request-{:08}", numbers.below(3)).into();
            }
            let request = json!({"started_at": started, "client_ip": "10.0.0.1",
                "request": {"method": "GET", "uri": format!("/orders/W{order}"), "size": 300, "headers": headers_of},
                "response": {"status": 200, "size": 400 + numbers.below(90), "headers": {}},
                "latencies": {"request": 20, "kong": 1, "proxy": 19}, "service": {"name": "s"}});
            gateway.push_str(&format!("{request}\n"));
            let by_clerk = numbers.below(4) == 0;
            let mut change = |number: u64, at: u64, user: &str, order: u64| {
                let time = stamp(at).replace(['-', ':', 'T', 'Z'], "");
                headers.push_str(&format!(
                    "100;VERKBELEG;{order:010};{number:010};{user};{};{};;U\n",
                    &time[..8],
                    &time[8..]
                ));
                rows.push_str(&format!(
                    "100;VERKBELEG;{order:010};{number:010};ADRC;100{order:010};STREET;U;{street};Old\n"
                ));
            };
            change(2 * number + 1, at + 6, "AGENT_RFC", order);
            if by_clerk {
                let order = 4_500_000 + numbers.below(300);
                change(2 * number + 2, at + numbers.below(900), "CLERK", order);
            }
        }
        for (name, text) in [
            ("chat.jsonl", chat),
            ("kong.jsonl", gateway),
            ("cdhdr.csv", headers),
            ("cdpos.csv", rows),
        ] {
            let path = folder.join(format!("{day}-{name}"));
            fs::write(&path, text).unwrap();
            files.push(path);
        }
    }
    files
}

fn config() -> Config {
    let mut config = Config::default();
    config.stitch.cell = 120.try_into().unwrap();
    config
}

fn take_in(store: &Path, files: &[PathBuf]) {
    let request = IngestRequest {
        paths: files.to_vec(),
        store: store.to_owned(),
        source: None,
        format: None,
        formats: Formats::default(),
        lenient: false,
        dates: DateOrders::default(),
        keys: KeyPatterns::default(),
        zones: Zones::new(&Config::default(), &["UTC".to_owned()]).unwrap(),
        limits: Limits::default(),
        signer: None,
        roles: std::collections::BTreeMap::new(),
        identity: None,
        source_keys: Vec::new(),
        workers: 2,
    };
    ingest(&request, &Silent).unwrap();
}

/// The tables of tasks and links, byte for byte: each file with its name.
fn tables(root: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = ["tasks", "links"].map(|folder| fs::read_dir(root.join(folder)).unwrap());
    let paths = entries
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path());
    let tables = paths.filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "parquet")
    });
    let name = |path: &Path| path.file_name().unwrap().display().to_string();
    let mut tables: Vec<(String, Vec<u8>)> = tables
        .map(|path| (name(&path), fs::read(&path).unwrap()))
        .collect();
    tables.sort();
    tables
}

/// What stitching has made.
fn made(store: &Store, index: &TaskIndex) -> (Vec<(String, Vec<u8>)>, String, String) {
    (
        tables(&store.layout().root),
        export_causes(store, index).unwrap(),
        format!("{:?}", index.clocks()),
    )
}

/// The files of segments of the index, and when each was written.
fn segments_of(store: &Path) -> Vec<(String, std::time::SystemTime)> {
    let entries = fs::read_dir(store.join("tasks")).unwrap();
    let files = entries.map(|entry| entry.unwrap());
    let named = files.map(|file| (file.file_name().into_string().unwrap(), file));
    let segments =
        named.filter(|(name, _)| name.starts_with("_tasks-") || name.starts_with("_times-"));
    let mut segments: Vec<_> = segments
        .map(|(name, file)| (name, file.metadata().unwrap().modified().unwrap()))
        .collect();
    segments.sort();
    segments
}

/// Stitches a store as it is.
fn run(store: &Path) -> Run {
    stitch(&Store::open(store).unwrap(), &config()).unwrap().1
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn batch_by_batch_in_any_order_gives_what_all_at_once_gives(
        seed in any::<u64>(),
        order in Just((0..40usize).collect::<Vec<_>>()).prop_shuffle(),
        // After which files a batch ends, and after which of these it is stitched.
        ends in prop::collection::vec((prop::bool::weighted(0.3), prop::bool::weighted(0.7)), 40),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let files = exports(folder.path(), 10, seed, true);
        let once = folder.path().join("once");
        take_in(&once, &files);
        let store = Store::open(&once).unwrap();
        let index = tasks(&store, &config()).unwrap();
        let at_once = made(&store, &index);
        let linked = index.links_by_kind();
        prop_assert!(linked.iter().any(|(kind, count)| kind.as_str() == "value" && *count > 0));

        let parts = folder.path().join("parts");
        let mut batch = Vec::new();
        for (at, (file, (ends, stitched))) in order.iter().zip(&ends).enumerate() {
            batch.push(files[*file].clone());
            if *ends || at + 1 == order.len() {
                take_in(&parts, &batch);
                batch.clear();
                if *stitched {
                    let store = Store::open(&parts).unwrap();
                    stitch(&store, &config()).unwrap();
                    // The same bytes as from the records alone, the index too.
                    prop_assert_eq!(remake_derived(&store, &config()).unwrap(), []);
                }
            }
        }
        let store = Store::open(&parts).unwrap();
        let index = tasks(&store, &config()).unwrap();
        let batch_by_batch = made(&store, &index);
        prop_assert_eq!(&batch_by_batch.1, &at_once.1);
        prop_assert_eq!(&batch_by_batch.2, &at_once.2);
        prop_assert!(at_once.0.len() > 2, "one file a table");
        prop_assert!(batch_by_batch.0 == at_once.0, "tasks or links differ");
    }
}

#[test]
fn only_what_a_batch_touches_is_weighed_again() {
    let folder = tempfile::tempdir().unwrap();
    let all = exports(folder.path(), 8, 7, false);
    let store = folder.path().join("store");
    let (first, last) = all.split_at(7 * 4);
    first.chunks(4).for_each(|day| take_in(&store, day));
    let before = run(&store);
    assert!(before.cells > 6, "{before:?}");
    assert_eq!(before.weighed, before.cells);
    assert!(before.sweeps > 1, "{before:?}");
    let written = |store: &Path| -> Vec<(String, std::time::SystemTime)> {
        let names = tables(store).into_iter().map(|(name, _)| name);
        let time = |name: &str| {
            let folder = name.split(['-', '.']).next().unwrap();
            fs::metadata(store.join(folder).join(name))
                .unwrap()
                .modified()
                .unwrap()
        };
        names.map(|name| (name.clone(), time(&name))).collect()
    };
    let files = written(&store);
    let segments = segments_of(&store);
    assert!(segments.len() >= 4, "{segments:?}");
    take_in(&store, last);
    let after = run(&store);
    assert!(after.cells > before.cells, "{after:?}");
    // Of the days before, the tables are not written again; those of the last day are.
    let same = written(&store)
        .iter()
        .filter(|file| files.contains(file))
        .count();
    assert!((1..files.len()).contains(&same), "{files:?}");
    // Nor is the index: of its segments only the last ones are others.
    let now = segments_of(&store);
    let same = segments.iter().filter(|file| now.contains(file)).count();
    assert!(
        (2..segments.len()).contains(&same),
        "{same} of {segments:?}"
    );
    let new = after.cells - before.cells;
    // What is near the day, and what learns from it, is touched as well.
    assert!(
        (1..=new + 3).contains(&after.weighed),
        "{before:?} {after:?}"
    );
    let events = |path: &Path| {
        let store = Store::open(path).unwrap();
        tasks(&store, &config()).unwrap().events()
    };
    // Nor is what happened days before read.
    assert!(after.read < events(&store), "{after:?}");
    assert_eq!(after.sweeps, 1);
    // In one batch all lies in one part, which is gone through once: it says the same.
    let once = folder.path().join("once");
    take_in(&once, &all);
    assert_eq!(run(&once).sweeps, 1);
    assert!(tables(&once) == tables(&store), "tasks or links differ");
    // Nothing has changed: all is made from the records again.
    let again = run(&store);
    assert_eq!((again.weighed, again.read), (after.cells, events(&store)));
}

#[test]
fn what_was_made_before_and_is_not_as_it_was_written_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let files = exports(folder.path(), 8, 3, false);
    let (first, last) = files.split_at(7 * 4);
    let mut results = Vec::new();
    // Of a segment that is used the tasks are looked at, of all of them the times.
    for damaged in [
        "",
        "_cells.bin",
        "_index.bin",
        "_times-00000",
        "_tasks-last",
    ] {
        let path = folder.path().join(format!("store{damaged}"));
        first.chunks(4).for_each(|day| take_in(&path, day));
        let before = run(&path);
        if !damaged.is_empty() {
            let file = file_of(&path, damaged);
            let mut bytes = fs::read(&file).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(&file, bytes).unwrap();
        }
        take_in(&path, last);
        let after = run(&path);
        let store = Store::open(&path).unwrap();
        let index = tasks(&store, &config()).unwrap();
        let is_all = (after.weighed == after.cells, after.read == index.events());
        let wanted = match damaged {
            "_cells.bin" => (true, true),
            "" => (false, false),
            _ => (false, true),
        };
        assert_eq!(is_all, wanted, "{damaged}: {before:?} {after:?}");
        results.push(made(&store, &index));
    }
    assert!(results.iter().all(|result| *result == results[0]));
}

/// The first file of tasks in the order of names that begins so; of segments the last one, if asked for.
fn file_of(store: &Path, name: &str) -> PathBuf {
    let entries = fs::read_dir(store.join("tasks")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let beginning = name.trim_end_matches("last");
    let is_one = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with(beginning)
    };
    let mut found: Vec<PathBuf> = paths.into_iter().filter(is_one).collect();
    match name.ends_with("last") {
        true => found.pop().unwrap(),
        false => found.swap_remove(0),
    }
}

#[test]
fn one_core_gives_what_many_give() {
    let Ok(taskset) = which("taskset") else {
        eprintln!("taskset is not here: nothing was held against one core");
        return;
    };
    let mut results = Vec::new();
    for one in [false, true] {
        let case = Case::new();
        let files = exports(case.folder.path(), 4, 11, false);
        let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
        case.ingest(&["--tz", "UTC"], &files, 0);
        case.write("store/trail.toml", "[stitch]\ncell = 120\n");
        let trail = env!("CARGO_BIN_EXE_trail");
        let mut command = if one {
            let mut command = std::process::Command::new(&taskset);
            command.args(["-c", "0"]).arg(trail);
            command
        } else {
            std::process::Command::new(trail)
        };
        let store = case.path("store");
        command.arg("--store").arg(&store);
        command.args(["stitch", "--format", "json"]);
        let run = assert_cmd::Command::from_std(command).assert().success();
        let output = run.get_output();
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(
            said["cells"].as_u64() > Some(3) && said["cells_weighed"] == said["cells"],
            "{said}"
        );
        results.push((tables(&store), said["clocks"].clone()));
    }
    assert!(results[0] == results[1]);
}

/// Where a program is.
fn which(name: &str) -> Result<PathBuf, ()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).map(|folder| folder.join(name));
    places.find(|place| place.is_file()).ok_or(())
}
