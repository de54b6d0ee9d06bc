//! The timeline as a page, and the archive for people without the tool.

use std::io::{Cursor, Read};
use std::path::Path;
use std::process::Command;

use crate::Case;

/// The page after its script has run, if there is a browser.
fn in_browser(page: &Path) -> Option<String> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let output = names.iter().find_map(|name| {
        Command::new(name)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
            .arg(format!("file://{}", page.display()))
            .output()
            .ok()
    });
    if output.is_none() {
        eprintln!("skipped: no Chromium to open the page in");
    }
    Some(String::from_utf8_lossy(&output?.stdout).into_owned())
}

#[test]
fn a_timeline_is_one_page_that_needs_nothing_else() {
    let case = Case::demo();
    let path = case.path("page.html");
    case.output(&[
        "timeline",
        "--invoice",
        "4711",
        "--format",
        "html",
        "--output",
        path.to_str().unwrap(),
    ]);
    let page = std::fs::read_to_string(&path).unwrap();
    assert!(page.contains("default-src 'none'"));
    for outside in ["http://", "https://", " src=", "<link", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    let rows = page.matches("<tr id=").count();
    assert!(rows > 20, "{rows}");
    // Every row can be reached from its mark in the lanes, and every line from cause to effect is said.
    assert_eq!(page.matches("<a href=\"#e").count(), rows);
    assert!(page.matches("class=\"arc").count() > 10);
    if let Some(seen) = in_browser(&path) {
        // The policy of the page lets its own script run: it has counted the rows.
        assert!(
            seen.contains(&format!("{rows} of {rows} events")),
            "{}",
            &seen[..500]
        );
    }
}

#[test]
fn what_a_log_says_stays_text_in_a_page() {
    let case = Case::new();
    let evil = "</title><script>document.title='owned'</script><img src=x onerror=alert(1)>";
    let record = serde_json::json!({
        "created_at": "2026-03-02T07:00:00Z",
        "request": {"model": evil, "user": evil, "messages": [{"role": "user", "content": "invoice 4711"}]},
        "response": {"id": "chatcmpl-0000000001", "object": "chat.completion", "created": 1, "model": evil,
                     "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}]},
    });
    let dump = case.write("<script>x.jsonl", record.to_string());
    case.ingest(&[], &[&dump], 0);
    let path = case.path("page.html");
    case.output(&[
        "timeline",
        "--invoice",
        "4711",
        "--format",
        "html",
        "--output",
        path.to_str().unwrap(),
    ]);
    let page = std::fs::read_to_string(&path).unwrap();
    assert_eq!(page.matches("<script>").count(), 1);
    assert!(!page.contains("<img") && page.contains("&lt;img"), "{page}");
    if let Some(seen) = in_browser(&path) {
        assert!(!seen.contains("<title>owned"));
    }
}

#[test]
fn a_bundle_holds_together_without_the_store() {
    let case = Case::demo();
    let timeline = case.json(&["timeline", "--invoice", "4711", "--format", "json"]);
    let tasks = timeline["tasks"].as_array().unwrap();
    let task = tasks.iter().find(|task| task["by_agent"] == true).unwrap();
    let id = task["id"].as_str().unwrap();
    let path = case.path("b.zip");
    let out = ["bundle", "--task", id, "--output", path.to_str().unwrap()];
    case.output(&out);
    let first = std::fs::read(&path).unwrap();
    case.output(&out);
    assert!(
        first == std::fs::read(&path).unwrap(),
        "the same store gives the same bytes"
    );
    let mut archive = zip::ZipArchive::new(Cursor::new(first)).unwrap();
    let mut sums = String::new();
    archive
        .by_name("SHA256SUMS")
        .unwrap()
        .read_to_string(&mut sums)
        .unwrap();
    let names: Vec<String> = archive
        .file_names()
        .map(|name| name.unwrap().into_owned())
        .collect();
    assert_eq!(sums.lines().count() + 1, names.len());
    for line in sums.lines() {
        let (sum, name) = line.split_once("  ").unwrap();
        let mut bytes = Vec::new();
        archive
            .by_name(name)
            .unwrap()
            .read_to_end(&mut bytes)
            .unwrap();
        assert_eq!(trail::model::Digest::of(&bytes).to_string(), sum, "{name}");
        if name == "proof.json" {
            let proof = case.write("proof.json", &bytes);
            let checked = case
                .trail()
                .args(["prove", "--check"])
                .arg(proof)
                .output()
                .unwrap();
            // It holds; the store has no key.
            assert_eq!(checked.status.code(), Some(1));
        }
    }
    for part in [
        "report.md",
        "timeline.html",
        "timeline.csv",
        "checkpoint",
        "README.txt",
        "check_proof.py",
    ] {
        assert!(names.iter().any(|name| name == part), "{part}");
    }
    let records = names
        .iter()
        .filter(|name| name.starts_with("records/"))
        .count();
    assert!(records >= 10, "{names:?}");
}
