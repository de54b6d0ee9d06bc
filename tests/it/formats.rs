//! Each format's fixture gives the events of its snapshot.

use std::path::Path;

use crate::{Case, project};

/// Everything an investigator would see of a dump, without ids and paths.
fn events(dump: &Path) -> String {
    let case = Case::new();
    let output = case
        .trail()
        .args(["ingest", "--format", "json", "--tz", "sap=Europe/Berlin"])
        .arg(dump)
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let file = &report["files"][0];
    let mut out = format!(
        "format {} records {} events {} rejects {}\n",
        file["format"], file["records"], file["events"], file["rejects"]
    );
    let timeline = case.json(&["timeline", "--format", "json"]);
    for task in timeline["tasks"].as_array().unwrap() {
        out.push_str("task\n");
        for line in task["lines"].as_array().unwrap() {
            let mut shown = String::new();
            for (name, value) in line.as_object().unwrap() {
                let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
                if !empty && !matches!(name.as_str(), "events" | "evidence" | "source") {
                    shown.push_str(&format!(" {name}={value}"));
                }
            }
            out.push_str(&format!("  {}\n", shown.trim()));
        }
    }
    let rejects = case.rejects();
    for line in rejects.lines().filter(|line| line.contains(": record ")) {
        out.push_str(&format!(
            "reject {}\n",
            line.split_once(": record ").unwrap().1
        ));
    }
    out
}

#[test]
fn fixtures() {
    let mut folders: Vec<_> = std::fs::read_dir(project("fixtures/formats"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    assert!(folders.len() >= 15);
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for folder in folders {
        let mut dumps: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            // A snapshot that does not hold lies beside it as `.snap.new`.
            .filter(|path| !path.to_string_lossy().contains(".snap"))
            .collect();
        dumps.sort();
        settings.set_snapshot_path(&folder);
        for dump in dumps {
            let name = dump.file_stem().unwrap().to_string_lossy().into_owned();
            settings.bind(|| insta::assert_snapshot!(name, events(&dump)));
        }
    }
}
