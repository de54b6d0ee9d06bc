//! Integration tests: one binary, because each one links the whole engine.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

mod access;
mod attest;
mod bad_input;
mod browse;
mod commands;
mod demo_case;
mod evidence_sql;
mod examples;
mod formats;
mod gate;
mod hostile;
mod integrity;
mod mapping;
mod page;
mod policy;
mod replay;
mod samples;
mod seal;
mod search;
mod stitch;
mod stitch_parts;
mod stitch_sql;
mod store;
mod tell;
mod traps;
mod wrapped;

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use tempfile::TempDir;

/// A temporary folder with a store to be.
struct Case {
    folder: TempDir,
}

impl Case {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// With the demo case in its store.
    fn demo() -> Self {
        let case = Self::new();
        case.ingest(
            &["--tz", "sap=Europe/Berlin"],
            &[&project("fixtures/invoice-4711")],
            0,
        );
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn trail(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trail"));
        command
            .env("TRAIL_STORE", self.path("store"))
            .env("COLUMNS", "160")
            .env_remove("RUST_BACKTRACE");
        command
    }

    /// Ingests and gives the JSON summary.
    fn ingest(&self, arguments: &[&str], paths: &[&Path], code: i32) -> serde_json::Value {
        let output = self
            .trail()
            .args(["ingest", "--format", "json"])
            .args(arguments)
            .args(paths)
            .assert()
            .code(code)
            .get_output()
            .clone();
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn output(&self, arguments: &[&str]) -> String {
        let output = self.trail().args(arguments).output().unwrap();
        assert_ne!(
            output.status.code(),
            Some(2),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.output(arguments)).unwrap()
    }

    fn rejects(&self) -> String {
        self.output(&["rejects"])
    }
}

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A small chat record; each number gives another one.
fn chat(number: u32) -> String {
    serde_json::json!({
        "created_at": format!("2026-03-02T07:{:02}:{:02}Z", number / 60 % 60, number % 60),
        "request": {"model": "m", "messages": [{"role": "user", "content": format!("invoice {}", 5000 + number)}]},
        "response": {"id": format!("chatcmpl-{number:010}"), "object": "chat.completion", "created": 1, "model": "m-1",
                     "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}]},
    })
    .to_string()
}
