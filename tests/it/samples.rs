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
    // Formats that are not read yet are left out by name, hence 1.
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
