//! Habits of the command line.

use clap::CommandFactory;

use crate::{Case, project};

#[test]
fn completions_and_man_pages_are_current() {
    let folder = tempfile::tempdir().unwrap();
    trail::cli::write_completions_and_man(folder.path()).unwrap();
    let mut count = 0;
    for below in ["completions", "man"] {
        for entry in std::fs::read_dir(folder.path().join(below)).unwrap() {
            let path = entry.unwrap().path();
            let committed = project(below).join(path.file_name().unwrap());
            let wanted = std::fs::read_to_string(&path).unwrap();
            let have = std::fs::read_to_string(&committed).unwrap_or_default();
            assert!(
                have == wanted,
                "{} is not current: run `cargo run --example generate`",
                committed.display()
            );
            count += 1;
        }
    }
    assert!(count >= 10);
}

#[test]
fn the_page_of_formats_is_current() {
    let have = std::fs::read_to_string(project("docs/formats.md")).unwrap_or_default();
    assert!(
        have == trail::normalise::formats::page(),
        "docs/formats.md is not current: run `cargo run --example generate`"
    );
}

#[test]
fn every_command_has_two_examples_that_parse() {
    let command = trail::cli::Cli::command();
    for sub in command.get_subcommands() {
        let help = sub
            .get_after_long_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        let examples: Vec<&str> = help
            .lines()
            .filter_map(|line| line.trim().strip_prefix("trail "))
            .collect();
        assert!(examples.len() >= 2, "{}", sub.get_name());
        for example in examples {
            let words =
                std::iter::once("trail".to_owned()).chain(crate::examples::words_of(example));
            assert!(
                trail::cli::Cli::command()
                    .try_get_matches_from(words)
                    .is_ok(),
                "{example}"
            );
        }
    }
}

#[test]
fn sources_lists_every_format() {
    let case = Case::new();
    let list = case.json(&["sources", "--format", "json"]);
    assert!(list.as_array().unwrap().len() >= 15);
}

#[test]
fn explain_says_why_and_ingests_nothing() {
    let case = Case::new();
    let path = project("fixtures/formats/kong/input.jsonl");
    let output = case.output(&["ingest", "--explain", path.to_str().unwrap()]);
    assert!(
        output.contains("kong: ") && output.contains("latencies"),
        "{output}"
    );
    assert!(!case.path("store").exists());
}

#[test]
fn narrow_and_wide() {
    let case = Case::new();
    case.ingest(&[], &[&project("fixtures/formats/kong/input.jsonl")], 0);
    for columns in [80usize, 200] {
        let output = case
            .trail()
            .env("COLUMNS", columns.to_string())
            .args(["timeline", "-v"])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        for line in text.lines() {
            assert!(line.chars().count() <= columns, "{columns}: {line}");
        }
        assert!(text.contains("/erp/invoices/4711"));
    }
}

#[test]
fn nothing_that_could_call_the_network_is_linked() {
    // Cargo.lock also names what is only ever an option of a dependency.
    let output = std::process::Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
        ])
        .current_dir(project(""))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tree = String::from_utf8(output.stdout).unwrap();
    let linked: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(linked.contains(&"polars") && linked.contains(&"parquet"));
    for name in ["reqwest", "hyper", "rustls", "openssl", "ureq", "curl"] {
        assert!(!linked.contains(&name), "{name}");
    }
}

#[test]
fn an_ingest_tells_a_file_a_line_on_a_narrow_terminal() {
    let case = Case::new();
    let long = "a/very/long/way/to/a/file/with_a_name_that_goes_on_and_on";
    let call = "{\"id\":\"c1\",\"object\":\"chat.completion\",\"created\":1772434802,\"model\":\"m\",\"choices\":[]}\n";
    let good = case.write(&format!("{long}.jsonl"), call);
    let unknown = case.write("notes.txt", "nothing that a reader knows\n");
    let mut trail = case.trail();
    let run = trail
        .env("COLUMNS", "80")
        .arg("ingest")
        .arg(&good)
        .arg(&unknown);
    let output = run.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).collect();
    assert_eq!(rows.len(), 3, "{text}");
    assert!(rows.iter().all(|row| row.chars().count() <= 80), "{text}");
    assert!(
        text.contains("goes_on_and_on.jsonl") || text.contains("on_and_on.jsonl"),
        "{text}"
    );
    assert!(
        text.contains("notes.txt: no format recognised"),
        "what is to be said stands below: {text}"
    );
}
