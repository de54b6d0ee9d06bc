//! The shipped case: what is planted is found, and nothing else.

use std::collections::BTreeMap;

use crate::{Case, project};

fn case() -> Case {
    let case = Case::new();
    let dumps = project("fixtures/invoice-4711");
    case.ingest(&["--tz", "sap=Europe/Berlin"], &[&dumps], 0);
    case
}

#[test]
fn planted_violations_and_nothing_else() {
    let case = case();
    let verdict = case.json(&["verify", "--format", "json"]);
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for finding in verdict["findings"].as_array().unwrap() {
        *found
            .entry(finding["rule"].as_str().unwrap().to_owned())
            .or_default() += 1;
        let proof = &finding["evidence"][0];
        assert!(proof["length"].as_i64().unwrap() > 0 && proof["record"].as_i64().unwrap() > 0);
    }
    let expected = [
        ("trail-001", 2), // 5017 without approval, 5041 approved only afterwards
        ("trail-002", 1),
        ("trail-003", 1),
        ("trail-004", 1),
        ("trail-005", 1),
        ("trail-008", 1),
        ("trail-009", 2), // a guardrail and a content filter
        ("trail-010", 1),
        ("trail-011", 1),
        ("trail-012", 1),
        ("trail-013", 1),
    ];
    let expected: BTreeMap<String, usize> = expected
        .iter()
        .map(|(rule, n)| ((*rule).to_owned(), *n))
        .collect();
    assert_eq!(found, expected);
    let unjudged = verdict["not_evaluable"].as_array().unwrap();
    assert_eq!(unjudged.len(), 1, "{unjudged:?}");
    assert_eq!(unjudged[0]["rule"], "trail-053"); // No log-on in the case.
}

#[test]
fn the_chain_of_invoice_4711() {
    let case = case();
    for spelling in ["4711", "0000004711", "INV-4711"] {
        let timeline = case.json(&["timeline", "--invoice", spelling, "--format", "json"]);
        let tasks = timeline["tasks"].as_array().unwrap();
        let agent: Vec<_> = tasks
            .iter()
            .filter(|task| task["by_agent"] == true && task["lines"].as_array().unwrap().len() > 3)
            .collect();
        assert_eq!(agent.len(), 1, "{spelling}");
        let head = &agent[0]["head"];
        let sources: Vec<&str> = head["sources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s.as_str().unwrap())
            .collect();
        assert_eq!(
            sources,
            [
                "kong",
                "microsoft365",
                "openai",
                "otel",
                "salesforce",
                "sap"
            ]
        );
        assert_eq!(
            (&head["approvals"], &head["missing"]),
            (&1.into(), &serde_json::json!([]))
        );
        // The work of people on the same invoice is shown beside it and not pulled in.
        assert!(tasks.len() >= 4);
        let documents = timeline["matched"][0]["documents"].as_array().unwrap();
        assert_eq!(documents.len(), 2, "one number, two documents");
    }
}

#[test]
fn forms_of_the_verdict() {
    let case = case();
    case.trail()
        .args(["verify", "--fail-on", "critical"])
        .assert()
        .code(1);
    let sarif = case.json(&["verify", "--format", "sarif"]);
    assert_eq!(sarif["runs"][0]["results"].as_array().unwrap().len(), 13);
    let junit = case.output(&["verify", "--format", "junit"]);
    assert!(junit.contains("failures=\"13\""), "{junit}");
    assert_eq!(
        case.output(&["verify", "--format", "github"])
            .lines()
            .filter(|line| line.starts_with("::error") || line.starts_with("::warning"))
            .count(),
        13
    );
    assert!(
        case.output(&["verify", "--format", "markdown"])
            .contains("| critical | trail-003")
    );
}

#[test]
fn the_same_store_gives_the_same_report() {
    let case = case();
    let report = case.output(&["report"]);
    assert_eq!(report, case.output(&["report"]));
    for part in [
        "## Sources and custody",
        "## Coverage",
        "## Findings",
        "## Method",
        "## Limits",
        "payment-policy.pdf",
    ] {
        assert!(report.contains(part), "{part}");
    }
    assert!(!report.to_lowercase().contains("compliant"));
}

#[test]
fn the_demo_runs() {
    let case = Case::new();
    let output = case
        .trail()
        .env_remove("TRAIL_STORE")
        .arg("demo")
        .assert()
        .success()
        .get_output()
        .clone();
    let text = String::from_utf8(output.stdout).unwrap();
    for step in [
        "$ trail ingest",
        "$ trail timeline --invoice 4711",
        "$ trail verify",
        "$ trail report",
        "13 findings",
    ] {
        assert!(text.contains(step), "{step}");
    }
}

#[test]
fn a_clean_store_exits_0_and_strict_says_what_is_missing() {
    let case = Case::new();
    let path = project("fixtures/formats/envoy_json/input.jsonl");
    case.ingest(&[], &[&path], 0);
    case.trail().arg("verify").assert().code(0);
    let output = case
        .trail()
        .args(["verify", "--strict"])
        .assert()
        .code(2)
        .get_output()
        .clone();
    assert!(String::from_utf8_lossy(&output.stdout).contains("not evaluable: trail-001"));
}

#[test]
fn derived_tables_are_made_again_to_the_same_bytes() {
    let case = case();
    let files = [
        "tasks/tasks.parquet",
        "tasks/_index.bin",
        "links/links.parquet",
    ];
    case.output(&["verify"]);
    let read = || files.map(|file| std::fs::read(case.path("store").join(file)).unwrap());
    let before = read();
    std::fs::remove_dir_all(case.path("store/tasks")).unwrap();
    std::fs::remove_dir_all(case.path("store/links")).unwrap();
    case.output(&["verify"]);
    assert_eq!(before, read());
}

/// `trail verify` holds the index against its list; a question does not, and still builds no answer on what cannot be.
#[test]
fn an_index_that_names_events_that_are_not_there_is_noticed() {
    let case = case();
    case.output(&["verify"]);
    let folder = case.path("store/tasks");
    let head = std::fs::read(folder.join("_index.bin")).unwrap();
    let text = String::from_utf8_lossy(&head);
    let segments = &text[text.find(r#"[{"times""#).unwrap()..];
    let segments: serde_json::Value = serde_json::from_str(segments).unwrap();
    let file = case
        .path("store")
        .join(segments[0]["tasks"].as_str().unwrap());
    // Behind the tasks of events, and the ids and first events of tasks.
    let lens: Vec<u64> = serde_json::from_value(segments[0]["lens"][1].clone()).unwrap();
    let start = usize::try_from(4 * lens[0] + 32 * lens[1] + 4 * lens[2]).unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    for member in bytes[start..][..4 * usize::try_from(lens[3]).unwrap()].chunks_exact_mut(4) {
        member[3] = 0xff;
    }
    std::fs::write(&file, bytes).unwrap();
    for question in [&["timeline"][..], &["export", "events", "--format", "otlp"]] {
        let assert = case.trail().args(question).assert().failure();
        let said = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(
            said.contains("a task has events that are not in the store"),
            "{question:?}: {said}"
        );
    }
    case.output(&["stitch"]);
    case.output(&["timeline"]);
}
