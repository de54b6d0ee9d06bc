//! Damaged logs of every format: nothing panics, nothing is lost.
//!
//! A few hundred cases run with the tests. `TRAIL_HOSTILE_SECONDS=600 cargo test --release --test it
//! hostile` runs for that long.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use trail::ingest::{explain, preview};
use trail::normalise::formats::Formats;
use trail::read::Limits;

use crate::project;

/// How a log is damaged.
#[derive(Clone, Debug)]
enum Damage {
    Cut(f64),
    Replace(f64, u8),
    Insert(f64, Vec<u8>),
    Double(f64, f64),
    Remove(f64, f64),
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = 0.0..1.0f64;
    prop_oneof![
        place.clone().prop_map(Damage::Cut),
        (place.clone(), any::<u8>()).prop_map(|(at, byte)| Damage::Replace(at, byte)),
        (
            place.clone(),
            prop_oneof![
                Just(b"\"".to_vec()),
                Just(b"\n".to_vec()),
                Just(b"\0".to_vec()),
                Just(b"}]".to_vec()),
                Just("\u{1b}[31m\u{202e}".as_bytes().to_vec()),
                Just(b"99999999999999999999999".to_vec()),
                Just(b"-1e999".to_vec()),
                Just(b"[[[[[[[[[[[[[[[[".to_vec()),
                Just(b"\\ud800".to_vec()),
                proptest::collection::vec(any::<u8>(), 0..40),
            ]
        )
            .prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (place.clone(), place.clone()).prop_map(|(a, b)| Damage::Double(a, b)),
        (place.clone(), place).prop_map(|(a, b)| Damage::Remove(a, b)),
    ]
}

fn apply(bytes: &mut Vec<u8>, damage: &Damage) {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss
    )]
    let place = |share: f64, len: usize| ((len as f64) * share) as usize;
    let range = |a: f64, b: f64, len: usize| {
        let (a, b) = (place(a, len), place(b, len));
        a.min(b)..a.max(b)
    };
    match damage {
        Damage::Cut(at) => bytes.truncate(place(*at, bytes.len())),
        Damage::Replace(at, byte) => {
            let at = place(*at, bytes.len());
            if let Some(place) = bytes.get_mut(at) {
                *place = *byte;
            }
        }
        Damage::Insert(at, more) => {
            let at = place(*at, bytes.len());
            bytes.splice(at..at, more.iter().copied());
        }
        Damage::Double(a, b) => {
            let part = bytes[range(*a, *b, bytes.len())].to_vec();
            let at = place(*a, bytes.len());
            bytes.splice(at..at, part);
        }
        Damage::Remove(a, b) => {
            bytes.drain(range(*a, *b, bytes.len()));
        }
    }
}

/// A log in one of the containers that are read; as it is for most numbers.
fn packed(log: &[u8], container: usize) -> Vec<u8> {
    use std::io::Write;
    match container {
        0 => {
            let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            to.write_all(log).unwrap();
            to.finish().unwrap()
        }
        1 => zstd::encode_all(log, 1).unwrap(),
        2 => {
            let mut to = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
            let options = zip::write::SimpleFileOptions::default();
            for name in ["a/log", "b"] {
                to.start_file(name, options).unwrap();
                to.write_all(log).unwrap();
            }
            to.finish().unwrap().into_inner()
        }
        3 => {
            let mut to = tar::Builder::new(Vec::new());
            let mut header = tar::Header::new_gnu();
            header.set_size(log.len() as u64);
            header.set_mode(0o600);
            to.append_data(&mut header, "folder/log", log).unwrap();
            to.into_inner().unwrap()
        }
        _ => log.to_vec(),
    }
}

#[test]
fn damaged_logs_of_every_format() {
    let mut logs = Vec::new();
    for folder in std::fs::read_dir(project("fixtures/formats")).unwrap() {
        for entry in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension != "snap")
            {
                logs.push(std::fs::read(path).unwrap());
            }
        }
    }
    let seconds = std::env::var("TRAIL_HOSTILE_SECONDS")
        .ok()
        .and_then(|seconds| seconds.parse().ok());
    let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let formats = Formats::default();
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    let cases = || proptest::collection::vec(damage(), 1..4);
    let mut total = 0u64;
    loop {
        let mut runner = if until.is_some() {
            TestRunner::new(Config {
                failure_persistence: None,
                cases: 1000,
                ..Config::default()
            })
        } else {
            // The same cases each time: a failure in CI is one here too.
            TestRunner::new_with_rng(
                Config {
                    failure_persistence: None,
                    cases: 400,
                    ..Config::default()
                },
                proptest::test_runner::TestRng::deterministic_rng(
                    proptest::test_runner::RngAlgorithm::ChaCha,
                ),
            )
        };
        let outcome = runner.run(
            &(0..logs.len(), 0..8usize, cases()),
            |(log, container, damages)| {
                let mut bytes = packed(&logs[log], container);
                damages.iter().for_each(|damage| apply(&mut bytes, damage));
                std::fs::write(&path, &bytes).unwrap();
                let (found, _) = explain(std::slice::from_ref(&path), Limits::default(), &formats);
                let name = found.first().and_then(|found| found.format);
                if let Some(format) = name.and_then(|name| formats.by_name(name)) {
                    let mut seen = 0;
                    let read = preview(
                        path.clone(),
                        format,
                        &zone,
                        Limits::default(),
                        usize::MAX,
                        &mut |record| {
                            seen += 1;
                            // What is not understood has a reason.
                            if let Err(reason) = record.events {
                                assert!(!reason.is_empty());
                            }
                        },
                    );
                    prop_assert!(read.is_ok());
                    prop_assert!(seen <= bytes.len());
                }
                Ok(())
            },
        );
        if let Err(error) = outcome {
            panic!("{error}");
        }
        total += 1000;
        match until {
            Some(until) if Instant::now() < until => {}
            Some(_) => {
                println!("{total} cases");
                return;
            }
            None => return,
        }
    }
}
