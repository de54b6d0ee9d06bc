//! Words in texts, and the index that says where they may stand.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Value, json};
use trail::store::derived::write_list;

use crate::{Case, project};

fn chat(number: u32, text: &str) -> String {
    json!({
        "created_at": format!("2026-03-02T07:00:{number:02}Z"),
        "request": {"model": "m", "messages": [{"role": "user", "content": text}]},
        "response": {"id": format!("chatcmpl-{number:010}"), "object": "chat.completion", "created": 1, "model": "m-1",
                     "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}]},
    })
    .to_string()
}

fn said(texts: &[&str]) -> Case {
    let case = Case::new();
    let lines: Vec<String> = (0..).zip(texts).map(|(at, text)| chat(at, text)).collect();
    let dump = case.write("chat.jsonl", lines.join("\n"));
    case.ingest(&[], &[&dump], 0);
    case
}

/// Places of what was said in which a search finds something.
fn places(case: &Case, words: &[&str]) -> Vec<usize> {
    let mut arguments = vec!["search", "--format", "json", "--limit", "100000"];
    arguments.extend(words);
    let output = case.trail().args(&arguments).output().unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let records: BTreeSet<usize> = found["hits"]
        .as_array()
        .unwrap()
        .iter()
        .map(record)
        .collect();
    records.into_iter().map(|record| record - 1).collect()
}

fn record(hit: &Value) -> usize {
    let evidence = hit["evidence"].as_str().unwrap();
    let behind = evidence.split(", record ").nth(1).unwrap();
    behind.split(',').next().unwrap().parse().unwrap()
}

fn words_files(case: &Case) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(case.path("store/search")).unwrap();
    let folders = folders
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir());
    let files = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Files of the index, and a search that uses each.
const USED: [(&str, &str); 2] = [
    ("stretches-00000.parquet", "*eedl*"),
    ("words-00000.parquet", "needle"),
];

fn index_file(case: &Case, name: &str) -> PathBuf {
    let mut files = words_files(case).into_iter();
    files.find(|path| path.ends_with(name)).unwrap()
}

#[test]
fn a_word_is_a_whole_one() {
    let case = said(&[
        "pay invoice 4711",
        "pay invoice 0000004711 now",
        "pay invoice 47110",
        "pay INV-4711\nand more",
        "prepay invoice_14711",
        "MÜLLER pays\n4711",
    ]);
    // The first search makes the index, the second one uses it.
    for _ in 0..2 {
        assert_eq!(places(&case, &["4711"]), [0, 1, 3, 5]);
        assert_eq!(places(&case, &["0004711"]), [0, 1, 3, 5]);
        assert_eq!(places(&case, &["4711*"]), [0, 1, 2, 3, 5]);
        assert_eq!(places(&case, &["*4711"]), [0, 1, 3, 4, 5]);
        assert_eq!(places(&case, &["*471*"]), [0, 1, 2, 3, 4, 5]);
        assert_eq!(places(&case, &["invoice 4711"]), [0, 1]);
        assert_eq!(places(&case, &["INVOICE", "4711"]), [0, 1]);
        assert_eq!(places(&case, &["müller"]), [5]);
        assert_eq!(places(&case, &["more"]), [3]);
        assert_eq!(places(&case, &["pay"]), [0, 1, 2, 3]);
        assert_eq!(places(&case, &["inv-4711"]), [3]);
        assert_eq!(places(&case, &["471"]), Vec::<usize>::new());
    }
    assert_eq!(words_files(&case).len(), 2);
    // Who finds nothing is told how parts of words are found.
    let none = case.trail().args(["search", "471"]).output().unwrap();
    assert!(String::from_utf8_lossy(&none.stderr).contains("'*471*'"));
}

#[test]
fn the_index_finds_what_reading_everything_finds() {
    let dump = project("fixtures/invoice-4711/openai_chat.jsonl");
    let lines: Vec<String> = std::fs::read_to_string(&dump)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    let case = Case::new();
    case.ingest(&[], &[&dump], 0);
    let word = regex::Regex::new("[0-9A-Za-z]{3,}").unwrap();
    let mut words: BTreeSet<String> = BTreeSet::new();
    for line in lines.iter().step_by(lines.len() / 25) {
        words.extend(
            word.find_iter(line)
                .step_by(5)
                .map(|found| found.as_str().to_lowercase()),
        );
    }
    assert!(words.len() > 40, "{words:?}");
    for (at, word) in words.into_iter().enumerate() {
        // Zeros before a number do not count.
        let number = word.trim_start_matches('0');
        let (zeros, plain) = match number.starts_with(|c: char| c.is_ascii_digit()) {
            true => ("0*", number),
            false => ("", word.as_str()),
        };
        let whole = regex::Regex::new(&format!(
            r"(?i)(?:^|[^0-9a-z]|\\[nrtbf]|\\u[0-9a-f]{{4}}){zeros}{plain}(?:[^0-9a-z]|$)"
        ))
        .unwrap();
        let expected = lines
            .iter()
            .enumerate()
            .filter(|(_, line)| whole.is_match(line));
        let expected: Vec<usize> = expected.map(|(at, _)| at).collect();
        let found = places(&case, &[&word]);
        assert_eq!(found, expected, "{word}");
        let part = &word[..word.len() - 1].trim_start_matches('0');
        let expected = lines
            .iter()
            .enumerate()
            .filter(|(_, line)| line.to_lowercase().contains(part));
        let expected: Vec<usize> = expected.map(|(at, _)| at).collect();
        if part.len() > 2 && at % 4 == 0 {
            assert_eq!(places(&case, &[&format!("*{part}*")]), expected, "{part}");
            let regex = format!("(?i)nothing|{part}.?");
            assert_eq!(places(&case, &["--regex", &regex]), expected, "{regex}");
        }
        // A word, and one that begins so.
        let shape = word.replace(|c: char| c.is_ascii_digit(), "[0-9]");
        for regex in [
            format!(r"(?i)\b{shape}\b"),
            format!(r#"(?i)[ -/":]{shape}"#),
        ] {
            let read = regex::Regex::new(&regex).unwrap();
            let expected = lines
                .iter()
                .enumerate()
                .filter(|(_, line)| read.is_match(line));
            let expected: Vec<usize> = expected.map(|(at, _)| at).collect();
            if at % 4 == 1 {
                assert!(places(&case, &["--regex", &regex]) == expected, "{regex}");
            }
        }
    }
}

#[test]
fn damage_of_the_index_is_found_and_it_is_made_again() {
    let case = said(&["one needle", "two"]);
    let integrity = |more: &[&str]| {
        let arguments = [&["verify", "--integrity", "--format", "json"], more].concat();
        let output = case.trail().args(&arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), text)
    };
    assert_eq!(places(&case, &["needle"]), [0]);
    assert_eq!(integrity(&["--derived"]).0, Some(0));
    for (name, word) in USED {
        let path = index_file(&case, name);
        let whole = std::fs::read(&path).unwrap();
        for at in [10, whole.len() / 2, whole.len() - 20] {
            let mut bytes = whole.clone();
            bytes[at] ^= 8;
            std::fs::write(&path, bytes).unwrap();
            let (code, text) = integrity(&[]);
            assert!(code == Some(2) && text.contains(name), "{text}");
        }
        let more = name.replace("00000", "00001");
        std::fs::write(path.with_file_name(&more), &whole).unwrap();
        std::fs::write(&path, &whole).unwrap();
        let (code, text) = integrity(&[]);
        assert!(code == Some(2) && text.contains(&more), "{text}");
        std::fs::remove_file(path.with_file_name(&more)).unwrap();
        assert_eq!(integrity(&[]).0, Some(0));
        // An index that hides something, with a list that vouches for it: of other texts of the same form.
        let other = said(&["one noodle", "two"]);
        assert_eq!(places(&other, &["noodle"]), [0]);
        std::fs::write(&path, std::fs::read(index_file(&other, name)).unwrap()).unwrap();
        let root = case.path("store");
        let files = words_files(&case).into_iter();
        let files: Vec<String> = files
            .map(|path| path.strip_prefix(&root).unwrap().display().to_string())
            .collect();
        write_list(&root, "search/_files.json", &files, &[]).unwrap();
        assert_eq!(integrity(&[]).0, Some(0), "{name}");
        assert_eq!(places(&case, &[word]), Vec::<usize>::new());
        let (code, text) = integrity(&["--derived"]);
        assert!(
            code == Some(2) && text.contains("was not what the texts give"),
            "{text}"
        );
        assert_eq!(places(&case, &[word]), [0]);
    }
    // Lost, it is made again.
    std::fs::remove_dir_all(case.path("store/search")).unwrap();
    assert_eq!(integrity(&[]).0, Some(0));
    assert_eq!(places(&case, &["needle"]), [0]);
    assert_eq!(words_files(&case).len(), 2);
}

#[test]
fn the_index_goes_with_its_texts() {
    let case = said(&["one needle", "two"]);
    assert_eq!(places(&case, &["needle"]), [0]);
    case.write("store/trail.toml", "[[retain]]\ndays = 1\n");
    case.output(&["report"]);
    assert!(case.path("store/verdict/verdict.jsonl.zst").is_file());
    assert!(case.path("store/figures/stats.json").is_file());
    let done = case.output(&["retain", "--reason", "test"]);
    assert!(!done.is_empty());
    // What was found in the texts goes too.
    assert!(!case.path("store/verdict/verdict.jsonl.zst").exists());
    assert!(!case.path("store/figures").exists());
    assert!(!case.path("store/search").is_dir() || words_files(&case).is_empty());
    assert_eq!(places(&case, &["needle"]), Vec::<usize>::new());
}

/// What conditions on columns find is what SQL over the same table finds.
#[test]
fn conditions_on_columns_count_as_sql_does() {
    let case = Case::demo();
    let counted = |arguments: &[&str]| {
        let found = case.json(&[arguments, &["--format", "json"]].concat());
        let counts: std::collections::BTreeMap<String, u64> = found["counts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                (
                    row[0].as_str().unwrap().to_owned(),
                    row[1].as_u64().unwrap(),
                )
            })
            .collect();
        let sum: u64 = counts.values().sum();
        assert_eq!(found["events"].as_u64().unwrap(), sum);
        counts
    };
    let by_sql = |condition: &str, by: &str| {
        let query = format!(
            "SELECT COALESCE({by}, '–') AS value, COUNT(*) AS events FROM events WHERE {condition} GROUP BY {by}"
        );
        let rows = case.json(&["sql", &query, "--format", "json"]);
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| {
            (
                row["value"].as_str().unwrap().to_owned(),
                row["events"].as_u64().unwrap(),
            )
        })
        .collect::<std::collections::BTreeMap<String, u64>>()
    };
    for (arguments, condition, by) in [
        (&["--kind", "write"][..], "kind = 'write'", "source"),
        (
            &["--kind", "write", "--kind", "approval"],
            "kind IN ('write', 'approval')",
            "actor",
        ),
        (
            &["--where", "outcome=nothing"],
            "outcome = 'nothing'",
            "actor",
        ),
        (
            &["--where", "actor_type=AGENT", "--kind", "read"],
            "actor_type = 'agent' AND kind = 'read'",
            "outcome",
        ),
        (&["--where", "tool=*"], "tool IS NOT NULL", "tool"),
    ] {
        let output = case
            .trail()
            .args([&["search"], arguments, &["--by", by, "--format", "json"]].concat())
            .output()
            .unwrap();
        if output.status.code() == Some(1) {
            assert!(by_sql(condition, by).is_empty());
            continue;
        }
        assert_eq!(
            counted(&[&["search"], arguments, &["--by", by]].concat()),
            by_sql(condition, by),
            "{condition}"
        );
    }
    // Amounts are numbers, and attributes have no columns of their own.
    assert_eq!(
        counted(&["search", "--where", "amount=*", "--by", "kind"]),
        by_sql("amount IS NOT NULL", "kind")
    );
    let by_code = counted(&["search", "--kind", "write", "--by", "sap.company_code"]);
    assert!(by_code.len() > 1, "{by_code:?}");
    for (code, events) in by_code.iter().filter(|(code, _)| *code != "–") {
        let field = format!("sap.company_code={code}");
        let of_code = [
            "search", "--kind", "write", "--where", &field, "--by", "kind",
        ];
        assert_eq!(counted(&of_code).values().sum::<u64>(), *events);
    }
    let none = ["search", "--where", "sap.company_cod=1000"];
    assert_eq!(
        case.trail().args(none).output().unwrap().status.code(),
        Some(1)
    );
    // What a moment divides is together what there is.
    let of_kind = ["search", "--kind", "inference", "--by", "model_served"];
    let all = counted(&of_kind);
    let late = counted(&[&of_kind[..], &["--since", "2026-03-04"]].concat());
    let early = counted(&[&of_kind[..], &["--until", "2026-03-04"]].concat());
    for (value, events) in all {
        let of = |counts: &std::collections::BTreeMap<String, u64>| {
            counts.get(&value).copied().unwrap_or(0)
        };
        assert_eq!(events, of(&late) + of(&early), "{value}");
    }
}

/// Where not all texts are read, the earliest hits are those of reading all, and counts are exact when asked for.
#[test]
fn the_earliest_are_found_without_reading_all() {
    use trail::tell::{Found, SearchRequest, SearchSteps, search};
    let case = Case::demo();
    let store = trail::store::Store::open(&case.path("store")).unwrap();
    let found =
        |request: &SearchRequest| -> Found { search(&store, None, request, &|_, _| ()).unwrap() };
    let words = |word: &str| SearchRequest {
        words: vec![word.to_owned()],
        ..SearchRequest::default()
    };
    let day = 86_400_000_000;
    // 2026-03-02 at 10:00 UTC.
    let ten = 20_514 * day + day / 24 * 10;
    let requests = [
        words("invoice"),
        words("*4*"),
        words("invoice-agent"),
        SearchRequest {
            regex: Some("[0-9]{3}".to_owned()),
            since: Some(ten),
            until: Some(ten + day / 24),
            ..SearchRequest::default()
        },
        SearchRequest {
            fields: vec![("actor_type".to_owned(), "AGENT".to_owned())],
            ..words("invoice")
        },
        SearchRequest {
            kinds: vec![trail::model::Kind::Write],
            sources: vec!["sap".to_owned()],
            ..words("*4*")
        },
    ];
    let mut stopped = 0;
    for request in requests {
        let all = found(&SearchRequest {
            limit: 1_000_000,
            ..request.clone()
        });
        assert!(!all.more && all.hits.len() == all.events);
        assert!(all.events > 0, "{request:?}");
        // Without their `Z`, whole seconds stand before parts of them.
        let time = |time: &Option<String>| time.as_ref().map(|time| time.replace('Z', ""));
        let times = all.hits.iter();
        let times: Vec<(bool, Option<String>)> = times
            .map(|hit| (hit.time.is_none(), time(&hit.time)))
            .collect();
        assert!(times.is_sorted());
        for (window, counted, limit) in [(1, 1, 1), (7, 30, 10), (500, 20, 40)] {
            let steps = SearchSteps {
                at_once: 0,
                window,
                counted,
            };
            let some = found(&SearchRequest {
                limit,
                steps,
                ..request.clone()
            });
            let shown = all.hits.len().min(limit);
            assert_eq!(
                serde_json::to_value(&some.hits).unwrap(),
                serde_json::to_value(&all.hits[..shown]).unwrap()
            );
            match some.more {
                true => assert_eq!(some.events, counted.max(limit)),
                false => assert_eq!(some.events, all.events),
            }
            stopped += usize::from(some.more);
            let exact = found(&SearchRequest {
                limit,
                steps,
                exact: true,
                ..request.clone()
            });
            assert!(!exact.more && exact.events == all.events && exact.hits.len() == shown);
        }
        let by = found(&SearchRequest {
            by: Some("source".to_owned()),
            ..request.clone()
        });
        for (value, events) in &by.counts {
            let hits = all.hits.iter().filter(|hit| hit.source == *value);
            assert_eq!(hits.count(), *events, "{value}");
        }
        assert_eq!(by.events, all.events);
    }
    assert!(stopped > 8, "{stopped}");
}

/// Of a kind or a source that few tasks have, a timeline finds the tasks that have it.
#[test]
fn a_timeline_finds_the_few_tasks_with_a_kind() {
    let case = Case::demo();
    let all = case.json(&["timeline", "--limit", "100000", "--format", "json"]);
    // Of fewer they are read one by one.
    assert!(all["tasks"].as_array().unwrap().len() > 100);
    let kinds = ["exception", "approval", "retrieval", "write"];
    for (kind, limit) in kinds
        .iter()
        .flat_map(|kind| [(kind, "1"), (kind, "100000")])
    {
        let tasks = |timeline: &Value| -> Vec<Value> {
            let tasks = timeline["tasks"].as_array().unwrap().iter();
            tasks.map(|task| task["id"].clone()).collect()
        };
        let some = case.json(&[
            "timeline", "--kind", kind, "--limit", limit, "--format", "json",
        ]);
        let has = |task: &&Value| {
            let lines = task["lines"].as_array().unwrap();
            lines.iter().any(|line| line["kind"] == **kind)
        };
        let expected = all["tasks"].as_array().unwrap().iter().filter(has);
        let expected: Vec<Value> = expected.map(|task| task["id"].clone()).collect();
        let found = tasks(&some);
        assert_eq!(found, expected[..found.len()], "{kind}");
        assert!(limit == "1" || found.len() == expected.len(), "{kind}");
    }
}

/// Events of a timeline, and how many more it has left out.
fn shown_and_left(case: &Case, asked: &[&str], limit: &str) -> (usize, usize) {
    let arguments = [&["timeline", "--format", "json", "--limit", limit], asked].concat();
    let found = case.json(&arguments);
    let tasks = found["tasks"].as_array().unwrap().iter();
    let lines = tasks.flat_map(|task| task["lines"].as_array().unwrap());
    let events = lines.map(|line| line["evidence"].as_array().unwrap().len());
    let left = found["left_out"].as_u64().unwrap();
    (events.sum(), usize::try_from(left).unwrap())
}

#[test]
fn a_limit_leaves_out_what_was_asked_for() {
    let case = Case::demo();
    for asked in [
        &["--kind", "write"][..],
        &["--source", "kong"],
        &["--kind", "approval", "--since", "2026-03-02T07:30"],
        // So few tasks that they are read.
        &["--user", "schmidt", "--kind", "write"],
        &["--user", "schmidt"],
    ] {
        let (all, none) = shown_and_left(&case, asked, "100000");
        assert_eq!(none, 0, "{asked:?}");
        for limit in ["1", "12"] {
            let (shown, left) = shown_and_left(&case, asked, limit);
            assert!(
                left > 0 && shown + left == all,
                "{asked:?} {limit}: {shown} + {left}, {all}"
            );
        }
    }
}
