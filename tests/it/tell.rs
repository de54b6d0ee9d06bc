//! Search, figures and exports.

use std::collections::BTreeSet;
use std::process::Command;

use arrow_array::Array as _;

use serde_json::Value;

use crate::{Case, project};

#[test]
fn words_phrases_and_fields_are_found_together() {
    let case = Case::demo();
    let found = |arguments: &[&str]| {
        let mut all = vec!["search", "--format", "json"];
        all.extend(arguments);
        let output = case.trail().args(&all).output().unwrap();
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let events = found["events"].as_u64().unwrap();
        assert_eq!(output.status.code(), Some(i32::from(events == 0)));
        (events, found)
    };
    let (all, _) = found(&["--kind", "approval"]);
    let (by_human, counted) = found(&[
        "--kind",
        "approval",
        "--where",
        "actor=0055j*",
        "--by",
        "actor",
    ]);
    assert!(by_human > 0 && by_human < all, "{by_human} of {all}");
    let counts = counted["counts"].as_array().unwrap();
    let sum: u64 = counts.iter().map(|pair| pair[1].as_u64().unwrap()).sum();
    assert_eq!(sum, by_human);

    let (events, hits) = found(&["PAYMENT-limits"]);
    assert_eq!(events, 2);
    let context = &hits["hits"][0]["context"];
    assert_eq!(context[1], "payment-limits");
    assert!(
        context[0].as_str().unwrap().ends_with("guardrail "),
        "{context}"
    );
    assert_eq!(found(&["payment-limits", "no such word"]).0, 0);
    assert_eq!(found(&["--regex", r"payment-l\w+s"]).0, events);
    let first = hits["hits"][0]["time"].as_str().unwrap();
    assert_eq!(found(&["payment-limits", "--until", first]).0, 0);
    assert_eq!(found(&["payment-limits", "--since", first]).0, events);
    assert_eq!(found(&["payment-limits", "--source", "sap"]).0, 0);

    let wrong = case
        .trail()
        .args(["search", "--regex", "("])
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert_eq!(
        case.trail().arg("search").output().unwrap().status.code(),
        Some(2)
    );
}

#[test]
fn what_is_found_never_reaches_the_terminal_raw() {
    let case = Case::new();
    let record = serde_json::json!({
        "created_at": "2026-03-02T07:00:00Z",
        "request": {"model": "m", "messages": [{"role": "user", "content": "needle \u{1b}[31mred \u{202e}"}]},
        "response": {"id": "chatcmpl-0000000001", "object": "chat.completion", "created": 1, "model": "=cmd()",
                     "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}]},
    });
    let dump = case.write("a.jsonl", record.to_string());
    case.ingest(&[], &[&dump], 0);
    for arguments in [
        vec!["search", "needle"],
        vec!["search", "needle", "--format", "csv"],
        vec!["stats"],
        vec!["export", "events", "--format", "csv"],
        vec!["export", "events", "--format", "timesketch"],
    ] {
        let text = case.output(&arguments);
        assert!(
            !text.contains('\u{1b}') && !text.contains('\u{202e}'),
            "{arguments:?}"
        );
        assert!(!text.contains(",=cmd"), "{text}");
    }
    let found = case.output(&["search", "needle"]);
    assert!(found.contains("[needle] \\x1b[31mred"), "{found}");
}

#[test]
fn figures_add_up() {
    let case = Case::demo();
    let stats = case.json(&["stats", "--format", "json"]);
    let sources = stats["sources"].as_object().unwrap();
    let sum = |name: &str| -> u64 { sources.values().map(|of| of[name].as_u64().unwrap()).sum() };
    assert_eq!(sum("events"), stats["events"].as_u64().unwrap());
    assert_eq!(stats["records"], 4181);
    let days: u64 = stats["days"]
        .as_object()
        .unwrap()
        .values()
        .map(|n| n.as_u64().unwrap())
        .sum();
    assert_eq!(days + sum("without_time"), sum("events"));
    for of in sources.values() {
        let kinds: u64 = of["kinds"]
            .as_object()
            .unwrap()
            .values()
            .map(|n| n.as_u64().unwrap())
            .sum();
        assert_eq!(kinds, of["events"].as_u64().unwrap());
    }
}

/// An export, written to a file.
fn export(case: &Case, form: &str) -> std::path::PathBuf {
    let path = case.path(&format!("export.{form}"));
    case.output(&[
        "export",
        "events",
        "--format",
        form,
        "--output",
        path.to_str().unwrap(),
    ]);
    path
}

#[test]
fn every_event_is_in_every_export() {
    let case = Case::demo();
    let events = 5630;
    let lines = |form: &str| std::fs::read_to_string(export(&case, form)).unwrap();
    let csv = lines("csv");
    assert_eq!(csv.lines().count(), events + 1);
    assert!(
        csv.starts_with("time,end_time,event,task,"),
        "{}",
        &csv[..80]
    );
    let sketch = lines("timesketch");
    assert!(sketch.starts_with("message,datetime,timestamp_desc,"));
    assert_eq!(sketch.lines().count(), events + 1);
    for line in lines("timesketch-jsonl").lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        for name in ["message", "datetime", "timestamp_desc"] {
            assert!(!event[name].as_str().unwrap().is_empty());
        }
    }
    assert_eq!(lines("jsonl").lines().count(), events);

    let mut spans = BTreeSet::new();
    let (mut parents, mut begins) = (Vec::new(), Vec::new());
    for line in lines("otlp").lines() {
        let request: Value = serde_json::from_str(line).unwrap();
        let mut begin = u64::MAX;
        for resource in request["resourceSpans"].as_array().unwrap() {
            for span in resource["scopeSpans"][0]["spans"].as_array().unwrap() {
                let get = |name: &str| span[name].as_str().unwrap().to_owned();
                assert_eq!((get("traceId").len(), get("spanId").len()), (32, 16));
                let (start, end) = (get("startTimeUnixNano"), get("endTimeUnixNano"));
                let start: u64 = start.parse().unwrap();
                assert!(start <= end.parse::<u64>().unwrap());
                begin = begin.min(start);
                spans.insert((get("traceId"), get("spanId")));
                parents.push((get("traceId"), get("parentSpanId")));
            }
        }
        begins.push(begin);
    }
    assert!(begins.is_sorted());
    assert_eq!(spans.len(), events);
    let roots = parents
        .iter()
        .filter(|(_, parent)| parent.is_empty())
        .count();
    assert!(
        parents
            .iter()
            .all(|pair| pair.1.is_empty() || spans.contains(pair))
    );
    let tasks = case.json(&["stats", "--format", "json"])["tasks"]
        .as_u64()
        .unwrap();
    assert!(
        roots as u64 >= tasks && roots < events / 4,
        "{roots} roots of {tasks} tasks"
    );
}

#[test]
fn the_object_centric_log_is_one() {
    let case = Case::demo();
    let path = export(&case, "ocel");
    let log: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let list = |name: &str| log[name].as_array().unwrap();
    let names = |of: &str| -> BTreeSet<&str> {
        list(of)
            .iter()
            .map(|entry| entry["name"].as_str().unwrap())
            .collect()
    };
    let (event_types, object_types) = (names("eventTypes"), names("objectTypes"));
    assert!(event_types.len() < 60, "{event_types:?}");
    let objects: BTreeSet<&str> = list("objects")
        .iter()
        .map(|o| o["id"].as_str().unwrap())
        .collect();
    assert_eq!(objects.len(), list("objects").len());
    assert!(
        list("objects")
            .iter()
            .all(|o| object_types.contains(o["type"].as_str().unwrap()))
    );
    for event in list("events") {
        assert!(event_types.contains(event["type"].as_str().unwrap()));
        for relation in event["relationships"].as_array().unwrap() {
            assert!(objects.contains(relation["objectId"].as_str().unwrap()));
        }
    }
    // PM4Py reads it, where it is there.
    let script = "import sys, pm4py; log = pm4py.read_ocel2_json(sys.argv[1]); print(len(log.events), len(log.objects))";
    match Command::new("python3")
        .args(["-c", script])
        .arg(&path)
        .output()
    {
        Ok(output) if output.status.success() => {
            let said = String::from_utf8_lossy(&output.stdout);
            let wanted = format!("{} {}", list("events").len(), objects.len());
            assert_eq!(said.trim().lines().last().unwrap(), wanted);
        }
        _ => eprintln!("skipped: no PM4Py to read the log with"),
    }
}

#[test]
fn a_report_by_framework_claims_only_what_the_evidence_shows() {
    let case = Case::demo();
    for name in [
        "eu-ai-act",
        "gdpr",
        "sox",
        "soc2",
        "iso42001",
        "iso27001",
        "dora",
        "hipaa",
    ] {
        let report = case.output(&["report", "--framework", name]);
        assert_eq!(report, case.output(&["report", "--framework", name]));
        assert!(report.contains("It is no statement of compliance"));
        assert!(!report.to_lowercase().contains("compliant"), "{report}");
        assert!(report.contains("no log can show"));
    }
    let report = case.output(&["report", "--framework", "eu-ai-act"]);
    let row = report
        .lines()
        .find(|line| line.starts_with("| Art. 14 "))
        .unwrap();
    assert!(row.contains("| contradicted | 4 |"), "{row}");
    // A figure is what its command counts.
    let said = report
        .lines()
        .find(|line| line.contains("approvals and"))
        .unwrap();
    let counted = case.json(&[
        "search",
        "--kind",
        "approval",
        "--kind",
        "rejection",
        "--format",
        "json",
    ]);
    let numbers: Vec<u64> = said
        .split(' ')
        .filter_map(|word| word.parse().ok())
        .collect();
    assert_eq!(
        numbers.iter().sum::<u64>(),
        counted["events"].as_u64().unwrap(),
        "{said}"
    );
    // What was not ingested is said to be that.
    let other = Case::new();
    other.ingest(
        &[],
        &[&project("fixtures/formats/cloudtrail/input.json")],
        0,
    );
    let report = other.output(&["report", "--framework", "eu-ai-act"]);
    assert!(
        report.contains("not shown; it would take: the log of approvals"),
        "{report}"
    );
    let unknown = other
        .trail()
        .args(["report", "--framework", "nist"])
        .output()
        .unwrap();
    assert_eq!(unknown.status.code(), Some(2));
}

#[test]
fn a_clear_difference_is_told_from_chance() {
    let case = Case::new();
    // The second week another model serves, answers are longer, and a tool is new.
    let record = |number: u32| {
        let late = number >= 60;
        let (day, model) = if late { (10, "m-2") } else { (3, "m-1") };
        let tool = if late && number.is_multiple_of(2) {
            "refund_payment"
        } else {
            "read_invoice"
        };
        serde_json::json!({
            "created_at": format!("2026-03-{day:02}T07:{:02}:00Z", number % 60),
            "request": {"model": model, "messages": [{"role": "user", "content": format!("case {number}")}]},
            "response": {"id": format!("chatcmpl-{number:010}"), "object": "chat.completion", "created": 1, "model": model,
                "usage": {"prompt_tokens": 100 + number % 7, "completion_tokens": if late { 90 } else { 30 } + number % 5, "total_tokens": 1},
                "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": null, "tool_calls": [
                    {"id": format!("call_{number:08}"), "type": "function", "function": {"name": tool, "arguments": "{}"}}]}}]},
        })
        .to_string()
    };
    let lines: Vec<String> = (0..120).map(record).collect();
    let dump = case.write("chat.jsonl", lines.join("\n"));
    case.ingest(&[], &[&dump], 0);
    let by_period = [
        "compare",
        "--before",
        "..2026-03-08",
        "--after",
        "2026-03-08..",
        "--format",
        "json",
    ];
    let by_model = [
        "compare",
        "--before",
        "model_served=m-1",
        "--after",
        "model_served=m-2",
        "--format",
        "json",
    ];
    let found = case.json(&by_period);
    assert_eq!(found["tasks"], serde_json::json!([60, 60]));
    assert_eq!(found["differences"], case.json(&by_model)["differences"]);
    let clear: Vec<&str> = found["differences"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|d| d["clear"] == true)
        .map(|d| d["what"].as_str().unwrap())
        .collect();
    for what in [
        "tasks with model m-2",
        "tasks with tool refund_payment",
        "tokens out a task",
    ] {
        assert!(clear.contains(&what), "{what}: {clear:?}");
    }
    assert!(!clear.contains(&"tokens in a task"), "{clear:?}");
    let new = found["new"].as_array().unwrap();
    assert!(
        new.iter()
            .any(|what| what == "tool refund_payment, in 30 tasks"),
        "{new:?}"
    );
    // The same side twice differs in nothing.
    let same = case.json(&[
        "compare",
        "--before",
        "..2026-03-03T07:30:00Z",
        "--after",
        "2026-03-03T07:30:00Z..2026-03-04",
        "--format",
        "json",
    ]);
    let differs = same["differences"]
        .as_array()
        .unwrap()
        .iter()
        .any(|d| d["clear"] == true);
    assert!(!differs, "{same}");
    let wrong = case
        .trail()
        .args(["compare", "--before", "x", "--after", "y"])
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn events_go_out_as_columns_and_as_a_database() {
    let case = Case::demo();
    let export = |form: &str, name: &str| {
        let path = case.path(name);
        let output = case
            .trail()
            .args(["export", "events", "--format", form, "--output"])
            .arg(&path)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{form}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        path
    };
    // Columns: as many events as there are, with their tasks.
    let parquet = std::fs::File::open(export("parquet", "events.parquet")).unwrap();
    let reader =
        parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(parquet, 1024).unwrap();
    let arrow = std::fs::File::open(export("arrow", "events.arrow")).unwrap();
    let ipc = arrow_ipc::reader::FileReader::try_new(arrow, None).unwrap();
    let mut counts = [0, 0];
    let mut with_task = 0;
    for batch in reader.map(Result::unwrap) {
        counts[0] += batch.num_rows();
        let tasks = batch.column_by_name("task").unwrap();
        with_task += tasks.len() - tasks.null_count();
    }
    counts[1] = ipc.map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(counts, [5630, 5630]);
    assert_eq!(with_task, 5630);
    // Both need a place.
    let none = case
        .trail()
        .args(["export", "events", "--format", "parquet"])
        .output()
        .unwrap();
    assert_eq!(none.status.code(), Some(2));

    // OCEL 2.0 as SQLite says what the JSON says.
    let json = export("ocel", "log.json");
    let json: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    let sqlite = export("ocel-sqlite", "log.sqlite");
    let database = rusqlite::Connection::open(&sqlite).unwrap();
    let count = |table: &str| -> usize {
        let query = format!("SELECT count(*) FROM {table}");
        let count: i64 = database.query_row(&query, [], |row| row.get(0)).unwrap();
        usize::try_from(count).unwrap()
    };
    let list = |name: &str| json[name].as_array().unwrap();
    assert_eq!(count("event"), list("events").len());
    assert_eq!(count("object"), list("objects").len());
    assert_eq!(count("event_map_type"), list("eventTypes").len());
    let relations: usize = list("events")
        .iter()
        .map(|event| event["relationships"].as_array().unwrap().len())
        .sum();
    assert_eq!(count("event_object"), relations);
    let script = "import sys, pm4py; log = pm4py.read_ocel2_sqlite(sys.argv[1]); print(len(log.events), len(log.objects))";
    match Command::new("python3")
        .args(["-c", script])
        .arg(&sqlite)
        .output()
    {
        Ok(output) if output.status.success() => {
            let said = String::from_utf8_lossy(&output.stdout);
            let wanted = format!("{} {}", list("events").len(), list("objects").len());
            assert_eq!(said.trim().lines().last().unwrap(), wanted);
        }
        Ok(output) => {
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(error.contains("ModuleNotFoundError"), "{error}");
            eprintln!("skipped: no PM4Py to read the database with");
        }
        Err(_) => eprintln!("skipped: no python3"),
    }
}

#[test]
fn a_case_and_a_page_for_those_who_decide() {
    let case = Case::demo();
    let charts = case.path("out/charts");
    let report = case.path("out/case.md");
    std::fs::create_dir_all(case.path("out")).unwrap();
    let write = |arguments: &[&str]| {
        let output = case
            .trail()
            .arg("report")
            .args(arguments)
            .arg("--charts")
            .arg(&charts)
            .arg("--output")
            .arg(&report)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        std::fs::read_to_string(&report).unwrap()
    };
    let text = write(&["--invoice", "4711"]);
    assert!(text.starts_with("# Case report: invoice=4711"), "{text}");
    assert!(text.contains("RBKP-RMWWR: 1350.00 → 1250.00"), "{text}");
    assert!(text.contains("an AI agent took part (gpt-4o"), "{text}");
    assert!(
        text.contains("![Events by second and source](charts/activity.svg)"),
        "{text}"
    );
    assert!(text.contains("it is no legal judgement"));
    let svg = std::fs::read_to_string(charts.join("activity.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("sap"));
    assert_eq!(write(&["--invoice", "4711"]), text);

    let page = write(&["--executive"]);
    let findings = case
        .trail()
        .args(["verify", "--format", "json"])
        .output()
        .unwrap();
    let findings: Value = serde_json::from_slice(&findings.stdout).unwrap();
    let levels: Vec<&str> = findings["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["level"].as_str().unwrap())
        .collect();
    let critical = levels.iter().filter(|level| **level == "critical").count();
    assert!(
        page.contains(&format!("| findings | {critical} critical, ")),
        "{page}"
    );
    assert!(
        page.contains("trail-053") && page.contains("charts/findings.svg"),
        "{page}"
    );

    // A template of one's own; what logs say is escaped in it too.
    let own = case.write(
        "own.md",
        "{{ asked }} of {{ tasks[0].head.people | join(\",\") }}|{{ \"a*b<i>\" }}\n",
    );
    let own = own.to_str().unwrap();
    let text = case.output(&["report", "--invoice", "4711", "--template", own]);
    assert!(
        text.starts_with("invoice=4711 of ") && text.contains("a\\*b&lt;i&gt;"),
        "{text}"
    );
    let bad = case.write("bad.md", "{% for x in %}");
    let output = case
        .trail()
        .args(["report", "--executive", "--template", bad.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    // Nothing that a log says can be called Markdown.
    for way in ["safe", "escape", "e"] {
        let bad = case.write("way.md", format!("{{{{ \"a*b\" | {way} }}}}"));
        let mut trail = case.trail();
        let run = trail.args(["report", "--executive", "--template", bad.to_str().unwrap()]);
        assert_eq!(run.output().unwrap().status.code(), Some(2), "{way}");
    }
}

#[test]
fn numbers_that_are_missing_from_a_log_are_told() {
    let case = Case::new();
    let line = |session: &str, number: u32| {
        format!(
            "2026-03-02 08:00:{number:02}.000 UTC,\"app\",\"erp\",4711,\"192.0.2.7:5000\",{session},{number},\"SELECT\",2026-03-02 08:00:00 UTC,3/12,991,LOG,00000,\"statement: select {number}\",,,,,,\"\",,,\"agent\",\"client backend\",,0\n"
        )
    };
    let of = |session: &str, numbers: &[u32]| -> String {
        numbers
            .iter()
            .map(|number| line(session, *number))
            .collect()
    };
    let first = case.write(
        "a.csv",
        &(of("65e2.1", &[3, 4, 7, 9]) + &of("65e2.2", &[1, 2, 3])),
    );
    case.ingest(&[], &[&first], 0);
    let missing = |text: &serde_json::Value| text["missing_numbers"].clone();
    let stats = case.json(&["stats", "--format", "json"]);
    let told = serde_json::json!([
        {"source": "postgresql", "session": "65e2.1", "from": 5, "to": 6},
        {"source": "postgresql", "session": "65e2.1", "from": 8, "to": 8},
    ]);
    assert_eq!(missing(&stats), told);
    let text = case.output(&["stats"]);
    assert!(
        text.contains(" postgresql  session 65e2.1: 5 to 6\n")
            && text.contains(" postgresql  session 65e2.1: 8\n"),
        "{text}"
    );
    let report = case.output(&["report"]);
    assert!(
        report.contains("| postgresql | 65e2.1 | 5 | 6 |"),
        "{report}"
    );

    // Another export has them.
    let second = case.write("b.csv", of("65e2.1", &[4, 5, 6, 8]));
    case.ingest(&[], &[&second], 0);
    assert!(missing(&case.json(&["stats", "--format", "json"])).is_null());
    assert!(!case.output(&["report"]).contains("Numbers missing"));
}

#[test]
fn every_report_has_a_template_that_a_team_may_replace() {
    let case = Case::demo();
    for of in [
        &["--invoice", "4711"][..],
        &["--executive"],
        &["--framework", "sox"],
        &[],
    ] {
        let shipped = [&["report"][..], of].concat();
        let printed = case.output(&[&shipped[..], &["--print-template"]].concat());
        let own = case.write("shipped.md", &printed);
        let own = [&shipped[..], &["--template", own.to_str().unwrap()]].concat();
        assert_eq!(case.output(&own), case.output(&shipped), "{of:?}");
        let short = case.write(
            "short.md",
            "{{ version }} {{ \"a`b|c\" | code }}{% for of in requirements %} {{ of.ref }}={{ of.state }}{% endfor %}{% for row in coverage %} {{ row[1] }}{% endfor %}",
        );
        let short = [&shipped[..], &["--template", short.to_str().unwrap()]].concat();
        let text = case.output(&short);
        assert!(
            text.starts_with(&format!("{} `a'b\\|c`", env!("CARGO_PKG_VERSION"))),
            "{text}"
        );
        match of {
            ["--framework", _] => assert!(text.contains("=contradicted"), "{text}"),
            [] => assert!(text.contains(" inference"), "{text}"),
            _ => {}
        }
    }
    // Charts lie beside the report on a whole store too.
    let charts = case.path("pictures");
    let text = case.output(&["report", "--charts", charts.to_str().unwrap()]);
    assert!(text.contains("/findings.svg)") && charts.join("activity.svg").exists());
    let mut trail = case.trail();
    let run = trail.args(["report", "--framework", "sox", "--charts", "x"]);
    assert_eq!(run.output().unwrap().status.code(), Some(2));
}

#[test]
fn a_head_has_no_line_for_what_nobody_knows() {
    let case = Case::new();
    let line = r#"192.0.2.7 - - [02/Mar/2026:07:00:00 +0000] "GET /orders/4711 HTTP/1.1" 200 512 "-" "curl/8""#;
    case.write("dumps/access.log", format!("{line}\n"));
    case.ingest(&[], &[&case.path("dumps")], 0);
    let text = case.output(&["timeline"]);
    assert!(text.contains("  systems   web"), "{text}");
    assert!(!text.contains("  actors"), "{text}");
    assert!(text.lines().all(|line| line == line.trim_end()), "{text}");
}
