//! Going through a task again, and questions in SQL.

use serde_json::Value;

use crate::Case;

/// Id of the largest task of the demo case about invoice 4711.
fn task(case: &Case) -> String {
    let shown = case.json(&["timeline", "--invoice", "4711", "--format", "json"]);
    let tasks = shown["tasks"].as_array().unwrap();
    let largest = tasks
        .iter()
        .max_by_key(|task| task["lines"].as_array().unwrap().len());
    largest.unwrap()["id"].as_str().unwrap()[..12].to_owned()
}

#[test]
fn each_step_has_its_state_context_and_approvals() {
    let case = Case::demo();
    let task = task(&case);
    let replay = case.json(&["replay", "--task", &task, "--format", "json"]);
    let steps = replay["steps"].as_array().unwrap();
    let of = |kind: &str, source: &str| {
        let found = steps
            .iter()
            .find(|step| step["kind"] == kind && step["source"] == source);
        found.unwrap_or_else(|| panic!("{kind} of {source}"))
    };
    // The change in SAP, and the object before and after it.
    let write = of("write", "sap");
    assert_eq!(write["before"]["RBKP-RMWWR"], "1350.00");
    assert_eq!(write["after"]["RBKP-RMWWR"], "1250.00");
    assert_eq!(write["approvals"].as_array().unwrap().len(), 1);
    assert_eq!(of("request", "openai")["approvals"], serde_json::json!([]));
    assert_eq!(write["policy_in_force"], "PAY-7 2026-02");
    // The second call of the model saw what the tool had given back to it, not what came later.
    let calls: Vec<&Value> = steps
        .iter()
        .filter(|step| step["kind"] == "inference" && step["source"] == "openai")
        .collect();
    let saw = |call: &Value| call["context"].to_string();
    assert!(!saw(calls[0]).contains("1350.00"));
    assert!(saw(calls[1]).contains("1350.00") && !saw(calls[1]).contains("1250.0,"));
    assert!(saw(calls[1]).contains("Please correct invoice 4711"));
    // One record tells of both: the result is the step before, though their times are the same.
    let at = |step: &Value| step["step"].as_u64().unwrap();
    let given = of("tool_result", "openai");
    assert_eq!(given["time"], calls[1]["time"]);
    assert_eq!(at(given) + 1, at(calls[1]));
    assert_eq!(given["tool"], "read_invoice");
    let last = calls.last().unwrap();
    assert!(
        last["said"]
            .to_string()
            .contains("is corrected to 1250.00 EUR"),
        "{last}"
    );
    // A look at texts is written down.
    assert!(case.output(&["access"]).contains("replay"));

    let text = case.output(&["replay", "--task", &task, "--diff"]);
    assert!(
        text.contains("RBKP-RMWWR: 1350.00 → 1250.00") && !text.contains("saw"),
        "{text}"
    );
    assert!(text.contains("would have stopped no step"), "{text}");
    let head = case.json(&[
        "replay", "--task", &task, "--until", "3", "--format", "json",
    ]);
    assert_eq!(head["steps"].as_array().unwrap().len(), 3);
    let time = write["time"].as_str().unwrap();
    let before = case.json(&[
        "replay", "--task", &task, "--until", time, "--format", "json",
    ]);
    let before = before["steps"].as_array().unwrap();
    assert_eq!(before.len() as u64 + 1, write["step"].as_u64().unwrap());

    // Forward, forward, back, to a step, and out.
    let output = case
        .trail()
        .args(["replay", "--task", &task, "--interactive", "--diff"])
        .write_stdin("n\n\np\n7\n99\nq\n")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let seen: Vec<&str> = text
        .lines()
        .filter_map(|line| {
            line.split_once('/')
                .filter(|(head, _)| head.parse::<u32>().is_ok())
        })
        .map(|(head, _)| head)
        .collect();
    assert_eq!(seen, ["1", "2", "3", "2", "7", "7"], "{text}");
}

#[test]
fn another_policy_says_what_it_would_have_stopped() {
    let case = Case::demo();
    let rule = case.write(
        "policy/none.yml",
        "title: Agents change no invoices\nid: own-001\nlevel: critical\nlogsource: {product: trail}\ndetection:\n  selection:\n    kind: write\n    source: sap\n  condition: selection\n",
    );
    let rule = rule.to_str().unwrap();
    let task = task(&case);
    let replay = case.json(&[
        "replay", "--task", &task, "--policy", rule, "--format", "json",
    ]);
    let stopped: Vec<&Value> = replay["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|step| step["decision"] != "allow")
        .collect();
    assert_eq!(stopped.len(), 1, "{stopped:?}");
    assert_eq!(
        (
            stopped[0]["source"].as_str(),
            stopped[0]["decision"].as_str()
        ),
        (Some("sap"), Some("deny"))
    );
    let text = case.output(&["replay", "--task", &task, "--policy", rule, "--diff"]);
    assert!(text.contains("own-001 Agents change no invoices"), "{text}");
}

#[test]
fn sql_reads_the_tables_and_changes_nothing() {
    let case = Case::demo();
    let rows = |query: &str| case.json(&["sql", query, "--format", "json"]);
    let events = rows("select count(*) as n from events")[0]["n"].as_u64();
    assert_eq!(events, Some(5630));
    // Tasks are made for those who ask for them.
    let tasks = case.path("store/tasks/tasks.parquet");
    assert!(!tasks.exists());
    assert_eq!(
        rows("select count(*) as n from tasks")[0]["n"].as_u64(),
        events
    );
    assert!(tasks.exists());
    let approvals = rows(
        "select e.actor, count(*) as n from events e join tasks t on e.event_id = t.event where e.kind = 'approval' group by e.actor order by n desc",
    );
    let sum: u64 = approvals
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["n"].as_u64().unwrap())
        .sum();
    let found = case.json(&["search", "--kind", "approval", "--format", "json"]);
    assert_eq!(Some(sum), found["events"].as_u64());
    let one =
        rows("select event_id, time, amount from events where amount = 1250 order by time limit 1");
    assert_eq!(one[0]["amount"], "1250.0000");
    assert_eq!(one[0]["event_id"].as_str().map(str::len), Some(64));
    assert!(
        one[0]["time"]
            .as_str()
            .unwrap()
            .starts_with("2026-03-02T07:12:0"),
        "{one}"
    );
    // Texts are a look.
    assert!(case.output(&["access"]).ends_with("0 looks\n"));
    rows("select count(*) as n from contents");
    assert!(case.output(&["access"]).contains("1 look\n"));
    // What a statement makes is gone with it.
    for statement in [
        "drop table events",
        "truncate table events",
        "create table x as select * from events limit 1",
    ] {
        let _ = case.trail().args(["sql", statement]).output().unwrap();
    }
    assert_eq!(
        rows("select count(*) as n from events")[0]["n"].as_u64(),
        events
    );
    assert!(
        case.json(&["verify", "--integrity", "--format", "json"])["damages"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    let wrong = case
        .trail()
        .args(["sql", "select nothing from nowhere"])
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("nowhere"));
    let csv = case.output(&[
        "sql",
        "select '=1+1' as f, kind from events limit 1",
        "--format",
        "csv",
    ]);
    assert!(csv.lines().nth(1).unwrap().starts_with("'=1+1"), "{csv}");
    assert!(case.output(&["sql"]).contains("trace_id"));
    // Groups come in one order, whatever order the engine finds them in.
    for query in [
        "select source, kind, actor, count(*) as n from events group by source, kind, actor",
        "select kind, count(*) as n from events group by kind order by n desc limit 3",
        "select distinct e.actor, t.task from events e join tasks t on e.event_id = t.event",
    ] {
        let answer = || case.output(&["sql", query, "--format", "csv"]);
        let first = answer();
        assert!((0..3).all(|_| answer() == first), "{query}");
    }
    // More columns than a terminal has room for stand below each other.
    let wide = case.output(&[
        "sql",
        "select * from events where kind = 'approval' limit 2",
    ]);
    let kinds = wide
        .lines()
        .filter(|line| line.split_whitespace().collect::<Vec<_>>() == ["kind", "approval"]);
    assert_eq!(kinds.count(), 2, "{wide}");
    assert!(
        wide.starts_with("row 1\n") && wide.ends_with("2 rows\n"),
        "{wide}"
    );
}
