//! Formats of a user's own.

use crate::Case;

const LOG: &str = "Zeitpunkt;Benutzer;Aktion;Rechnung;Betrag\n\
    02.03.2026 09:00:01;AGENT_7;Ändern;4711;1.250,00\n\
    02.03.2026 09:05:01;MEIER;Freigabe;4711;1.250,00\n";

const MAPPING: &str = r#"
name = "pricing"
title = "Pricing tool"
family = "pricing"
container = "table"
[detect]
all = ["Zeitpunkt", "Rechnung"]
[time]
value = "Zeitpunkt"
zone = "local"
[event]
kind = { path = "Aktion", map = { "Ändern" = "write", "Freigabe" = "approval" }, default = "other" }
actor = "Benutzer"
amount = "Betrag"
[[keys]]
kind = "invoice"
value = "Rechnung"
"#;

#[test]
fn a_mapping_file_is_a_format() {
    let case = Case::new();
    let log = case.write("audit.csv", LOG);
    case.ingest(&[], &[&log], 1);
    let mapping = case.write("pricing.toml", MAPPING);
    let mapping = mapping.to_str().unwrap();
    let report = case.ingest(&["--mapping", mapping, "--tz", "Europe/Berlin"], &[&log], 0);
    assert_eq!(report["files"][0]["format"], "pricing");
    assert_eq!(report["files"][0]["first_time"], "2026-03-02T08:00:01Z");
    let shown = case.output(&["timeline", "--invoice", "4711", "--format", "csv"]);
    assert!(
        shown.contains("approval") && shown.contains("MEIER"),
        "{shown}"
    );
}

#[test]
fn mappings_of_the_store_are_used_without_asking() {
    let case = Case::new();
    let log = case.write("audit.csv", LOG);
    let other = case.write("chat.jsonl", crate::chat(1));
    case.ingest(&[], &[&other], 0);
    case.write("store/pricing.toml", MAPPING);
    case.write("store/trail.toml", "mappings = [\"pricing.toml\"]\n");
    let report = case.ingest(&[], &[&log], 0);
    assert_eq!(report["files"][0]["format"], "pricing");
}

#[test]
fn a_draft_is_a_usable_mapping() {
    let case = Case::new();
    let log = case.write("audit.csv", LOG);
    let log = log.to_str().unwrap();
    let drafted = case.output(&["sources", "new", "--name", "pricing", log]);
    assert!(drafted.contains("value = \"Zeitpunkt\""), "{drafted}");
    let mapping = case.write("drafted.toml", &drafted);
    let shown = case.output(&["sources", "test", mapping.to_str().unwrap(), log]);
    assert!(shown.contains("recognised: 90 % sure"), "{shown}");
    assert!(shown.contains("key             invoice=4711"), "{shown}");
}

#[test]
fn what_is_wrong_with_a_mapping_is_shown_where_it_stands() {
    let case = Case::new();
    let log = case.write("audit.csv", LOG);
    for (from, to, want) in [
        ("\"write\"", "\"wrote\"", "`wrote` is no kind"),
        ("actor =", "aktor =", "no `aktor`"),
        (
            "kind = \"invoice\"",
            "kind = \"bill\"",
            "no such kind of key",
        ),
        (
            "name = \"pricing\"",
            "name = \"kong\"",
            "a format `kong` already",
        ),
    ] {
        let mapping = case.write("bad.toml", MAPPING.replace(from, to));
        let output = case
            .trail()
            .args(["ingest", "--mapping"])
            .args([&mapping, &log])
            .assert()
            .code(2)
            .get_output()
            .clone();
        let text = String::from_utf8_lossy(&output.stderr).replace('\n', " ");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(want), "{text}");
        assert!(!case.path("store/custody").exists());
    }
}

#[test]
fn ids_in_a_form_of_ones_own_are_found_in_texts() {
    const PATTERNS: &str = "[[keys]]\nkind = \"invoice\"\npattern = '\\bBILL/(\\d{4})\\b'\n\
        [[keys]]\nkind = \"case\"\npattern = 'FALL-\\d+'\nsource = \"kong\"\n";
    let case = Case::new();
    let chat = crate::chat(1).replacen("\"content\":\"", "\"content\":\"BILL/4713 of FALL-77: ", 2);
    assert!(chat.contains("BILL/4713"), "{chat}");
    let log = case.write("chat.jsonl", chat);
    case.write("store/trail.toml", PATTERNS);
    case.ingest(&[], &[&log], 0);
    let shown = case.output(&["timeline", "--invoice", "4713", "--format", "csv"]);
    assert!(shown.contains("request"), "{shown}");
    // Of another source.
    case.trail()
        .args(["timeline", "--case", "FALL-77"])
        .assert()
        .code(1);
    case.write("store/trail.toml", PATTERNS.replace("'FALL-", "'(FALL-"));
    let output = case
        .trail()
        .arg("stats")
        .assert()
        .code(2)
        .get_output()
        .clone();
    let text = String::from_utf8_lossy(&output.stderr).replace('\n', " ");
    assert!(text.contains("of [[keys]] cannot be used"), "{text}");
}

#[test]
fn lenient_takes_what_nobody_knows_and_says_so() {
    let case = Case::new();
    let json = case.write(
        "a.jsonl",
        "{\"when\":\"2026-03-02T08:00:01Z\",\"who\":{\"user\":\"eve\"},\"invoice_id\":\"4711\",\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\"}\n",
    );
    let pairs = case.write(
        "b.log",
        "2026-03-02T08:00:02Z level=info user=eve msg=\"changed invoice 4711\"\n",
    );
    case.ingest(&[], &[&json, &pairs], 1);
    let report = case.ingest(&["--lenient"], &[&json, &pairs], 0);
    assert_eq!(report["files"][0]["format"], "generic");
    let shown = case.json(&["timeline", "--invoice", "4711", "--format", "json"]);
    assert_eq!(shown["tasks"].as_array().unwrap().len(), 2);
    let first = &shown["tasks"][0]["lines"][0];
    assert_eq!(
        (&first["kind"], &first["actor"]),
        (&"other".into(), &"eve".into())
    );
    assert!(first["notes"].as_str().unwrap().contains("leniently"));
}
