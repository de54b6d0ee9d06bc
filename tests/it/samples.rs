//! The public sample logs beside the project, where they are there.

use std::path::Path;

use crate::Case;

#[test]
fn public_samples() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/samples");
    if !samples.is_dir() {
        println!("no sample logs at {}: nothing checked", samples.display());
        return;
    }
    let case = Case::new();
    // The two SOURCES.md are no logs and are left out by name, hence 1.
    let report = case.ingest(&[], &[&samples], 1);
    let file = |name: &str| {
        report["files"]
            .as_array()
            .unwrap()
            .iter()
            .find(|file| file["path"].as_str().unwrap().ends_with(name))
            .unwrap_or_else(|| panic!("{name}"))
            .clone()
    };
    for (name, format, records, first) in [
        ("kong_filelog.jsonl", "kong", 1, "2024-09-19T22:10:39.538Z"),
        (
            "o365_ual.jsonl",
            "m365_unified_audit",
            4,
            "2022-05-07T12:55:53Z",
        ),
        (
            "elf_apexcallout.csv",
            "salesforce_event_log",
            2,
            "2024-03-11T16:00:00Z",
        ),
        (
            "elastic_test-login-eventlogfile.log",
            "salesforce_event_log",
            1,
            "2022-09-13T05:22:43.429Z",
        ),
        (
            "activity_audit_update_resource_soapapi.json",
            "salesforce_event_log",
            1,
            "2023-03-20T14:59:59.965Z",
        ),
        ("http_exchanges_openai.jsonl", "openai_chat", 129, ""),
        (
            "http_exchanges_openai_responses.jsonl",
            "openai_responses",
            8,
            "",
        ),
        (
            "http_exchanges_anthropic.jsonl",
            "anthropic_messages",
            13,
            "",
        ),
        (
            "emm_azure_ad__authorization_add_permission.json",
            "m365_unified_audit",
            1,
            "2024-05-01T21:31:15Z",
        ),
    ] {
        let file = file(name);
        assert_eq!(
            (&file["format"], &file["records"], &file["rejects"]),
            (&format.into(), &records.into(), &0.into()),
            "{name}"
        );
        if !first.is_empty() {
            assert_eq!(file["first_time"], first, "{name}");
        }
    }
    // First record of each, as the samples' own index states it.
    let timeline = |key: &str| case.json(&["timeline", "--key", key, "--format", "json"]);
    let line = |key: &str| timeline(key)["tasks"][0]["lines"][0].clone();
    assert_eq!(
        line("request=2f6946328ffc4946b8c9120704a4a155")["action"],
        "GET /example-route"
    );
    assert_eq!(
        line("request=4lGJ1R0ZSWVXwFl1cJIRH-")["actor"],
        "user@elastic.co"
    );
    assert_eq!(
        line("request=YYZ:abcdef123456")["object"],
        "https://test.local.test"
    );
    let first = line("response=chatcmpl-943uCLXJ85N1BFjlodTrOrxwwdmpj");
    assert_eq!(
        (&first["time"], &first["kind"]),
        (&"2024-03-18T09:49:12Z".into(), &"request".into())
    );
}

/// Cells of the tables in a SOURCES.md, by column name.
fn index(path: &Path) -> Vec<std::collections::HashMap<String, String>> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut names: Vec<String> = Vec::new();
    let mut rows = Vec::new();
    for line in text.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<String> = line
            .trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect();
        if names.is_empty() {
            names = cells;
        } else if !cells[0].starts_with("---") {
            rows.push(names.iter().cloned().zip(cells).collect());
        }
    }
    rows
}

#[test]
fn every_sample_has_the_facts_of_its_index() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/samples");
    if !samples.is_dir() {
        println!("no sample logs at {}: nothing checked", samples.display());
        return;
    }
    let mut checked = 0;
    for row in index(&samples.join("business/SOURCES.md")) {
        let name = row["file"].as_str();
        let case = Case::new();
        let path = samples.join("business").join(name);
        let report = case.ingest(&[], &[&path], 0);
        let file = &report["files"][0];
        assert_eq!(file["rejects"], 0, "{name}");
        let mut events: u64 = row["events"].parse().unwrap();
        if row["container"] == "text" {
            // The index counts lines; one that begins with blanks or explains an error belongs to the one before.
            let text = std::fs::read_to_string(&path).unwrap();
            let continued = text.lines().filter(|line| {
                line.starts_with([' ', '\t'])
                    || name.contains("postgresql")
                        && ["STATEMENT:", "DETAIL:", "HINT:"]
                            .iter()
                            .any(|mark| line.contains(mark))
            });
            events -= continued.count() as u64;
        }
        assert_eq!(file["events"], events, "{name}");
        let shown = case.json(&["timeline", "--limit", "2000", "--format", "json"]);
        let everything = serde_json::to_string(&shown).unwrap();
        let stated = row["first time"].replace(".000Z", "Z");
        let word = stated
            .split([' ', ',', ';'])
            .find(|word| word.starts_with("20"));
        if let Some(time) = word {
            let time = time.trim_end_matches('Z');
            assert!(everything.contains(time), "{name}: no event at {time}");
        }
        for column in ["user", "request id"] {
            let stated = row[column].as_str();
            let exact = !stated.is_empty() && !stated.contains([' ', '{', ',', ';']);
            if !exact || stated == "-" || stated == "none" {
                continue;
            }
            // As an actor, or as any key of an event.
            let kinds = ["user", "request", "transaction", "object", "session"];
            let found = everything.contains(stated)
                || kinds.iter().any(|kind| {
                    let key = format!("{kind}={stated}");
                    let shown = case
                        .trail()
                        .args(["timeline", "--key", &key])
                        .output()
                        .unwrap();
                    shown.status.code() == Some(0)
                });
            assert!(found, "{name}: {column} {stated} is nowhere");
            checked += 1;
        }
    }
    assert!(checked > 60, "only {checked} facts were checked");
}
