//! What was changed in a store is found and named.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{Case, chat};

fn stored() -> Case {
    let case = Case::new();
    let log: Vec<String> = (0..40).map(chat).collect();
    let path = case.write("chat.jsonl", log.join("\n"));
    case.ingest(&[], &[&path], 0);
    case
}

fn files(case: &Case, ending: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = ["events", "keys", "contents"]
        .iter()
        .flat_map(|table| std::fs::read_dir(case.path("store").join(table)).unwrap())
        .flat_map(|batch| std::fs::read_dir(batch.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect();
    found.sort();
    found
}

/// The damages that are found, and the exit code.
fn integrity(case: &Case) -> (Option<i32>, Value) {
    let output = case
        .trail()
        .args(["verify", "--integrity", "--format", "json"])
        .output()
        .unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code(), found["damages"].clone())
}

fn named(damages: &Value, file: &Path) -> bool {
    let name = file.file_name().unwrap().to_str().unwrap();
    let all = damages.as_array().unwrap();
    all.iter()
        .any(|damage| damage["file"].as_str().unwrap().ends_with(name))
}

#[test]
fn a_sound_store_is_sound() {
    let case = stored();
    let (code, damages) = integrity(&case);
    assert_eq!((code, damages.as_array().unwrap().len()), (Some(0), 0));
}

#[test]
fn every_flipped_bit_is_found_in_its_file() {
    let case = stored();
    let mut tried = 0;
    for file in [files(&case, ".parquet"), files(&case, ".filter")].concat() {
        let bytes = std::fs::read(&file).unwrap();
        // Twelve places over the whole file, the last byte among them.
        for step in 0..12 {
            let at = (bytes.len() - 1) * step / 11;
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (step % 8);
            std::fs::write(&file, changed).unwrap();
            let (code, damages) = integrity(&case);
            assert_eq!(code, Some(2), "{} byte {at}", file.display());
            assert!(named(&damages, &file), "{}: {damages}", file.display());
            tried += 1;
        }
        std::fs::write(&file, bytes).unwrap();
    }
    assert_eq!(tried, 48);
    assert_eq!(integrity(&case).0, Some(0));
}

#[test]
fn cut_removed_and_added_files_are_found() {
    let case = stored();
    let file = files(&case, ".parquet").remove(0);
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    assert!(named(&integrity(&case).1, &file));
    std::fs::remove_file(&file).unwrap();
    assert!(named(&integrity(&case).1, &file));
    // A damaged store is not judged.
    let verify = case.trail().arg("verify").output().unwrap();
    assert_eq!(verify.status.code(), Some(2));
    std::fs::write(&file, &bytes).unwrap();
    let added = file.with_file_name("part-00099.parquet");
    std::fs::write(&added, &bytes).unwrap();
    let (code, damages) = integrity(&case);
    assert_eq!(code, Some(2));
    assert_eq!(damages[0]["reason"], "no manifest names it");
}
