//! The log of a store: what is changed in a store is found, and what is proven can be checked elsewhere.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::{Case, chat, project};

/// A store of two batches, sealed with a key that lies outside of it.
struct Sealed {
    case: Case,
    public: String,
}

fn sealed() -> Sealed {
    let case = Case::new();
    case.output(&[
        "seal",
        "key",
        &text(&case.path("trail.key")),
        "--name",
        "test/log",
    ]);
    let sealed = Sealed {
        public: text(&case.path("trail.key.pub")),
        case,
    };
    sealed.case.write(
        "store/trail.toml",
        "[seal]\nkey = \"../trail.key\"\npublic_key = \"../trail.key.pub\"\n",
    );
    sealed.ingest("a.jsonl", 0..300, false);
    sealed.ingest("b.jsonl", 300..520, true);
    sealed
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

impl Sealed {
    fn ingest(&self, name: &str, numbers: std::ops::Range<u32>, broken: bool) {
        let mut lines: Vec<String> = numbers.map(chat).collect();
        if broken {
            lines.insert(7, "{\"created_at\": \"2026-".to_owned());
        }
        let path = self.case.write(name, lines.join("\n"));
        self.case.ingest(&[], &[&path], i32::from(broken));
    }

    fn store(&self, path: &str) -> PathBuf {
        self.case.path("store").join(path)
    }

    /// What the check of the store finds; it has to exit 2 if that is anything.
    fn damages(&self, arguments: &[&str]) -> Vec<(String, String)> {
        let output = self
            .case
            .trail()
            .args(["verify", "--integrity", "--format", "json"])
            .args(arguments)
            .output()
            .unwrap();
        let found: Value = match serde_json::from_slice(&output.stdout) {
            Ok(found) => found,
            // The store cannot be opened at all: that is said on standard error.
            Err(_) => {
                assert_eq!(output.status.code(), Some(2));
                let said = String::from_utf8_lossy(&output.stderr).replace("\n  │ ", "");
                return vec![(said.clone(), said)];
            }
        };
        let damages: Vec<(String, String)> = found["damages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|damage| {
                let get = |name: &str| damage[name].as_str().unwrap().to_owned();
                (get("file"), get("reason"))
            })
            .collect();
        let code = if damages.is_empty() { 0 } else { 2 };
        assert_eq!(output.status.code(), Some(code), "{damages:?}");
        damages
    }

    fn batches(&self) -> Vec<String> {
        let entries = std::fs::read_to_string(self.store("log/entries.jsonl")).unwrap();
        entries
            .lines()
            .filter_map(|line| {
                let entry: Value = serde_json::from_str(line).unwrap();
                entry["batch"].as_str().map(str::to_owned)
            })
            .collect()
    }
}

/// Every file below a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(&file, target).unwrap();
    }
}

#[test]
fn one_byte_flipped_anywhere_is_found() {
    let sealed = sealed();
    // The journals of the gate and of looks, and the derived tables, are part of the store; so are the lines
    // of a journal that the log has not sealed yet.
    let ask = || {
        let ask = json!({"kind": "read", "outcome": "ok"}).to_string();
        sealed
            .case
            .trail()
            .arg("gate")
            .write_stdin(ask)
            .output()
            .unwrap();
    };
    (0..3).for_each(|_| ask());
    sealed.case.output(&["seal", "checkpoint"]);
    ask();
    sealed.case.output(&["search", "invoice"]);
    sealed
        .case
        .output(&["report", "--output", &text(&sealed.case.path("r.md"))]);
    assert_eq!(sealed.damages(&[]), []);
    let kinds = files(&sealed.case.path("store"));
    let mut tried = 0;
    for (number, file) in kinds.iter().enumerate() {
        let bytes = std::fs::read(file).unwrap();
        // The settings are the user's own.
        if bytes.is_empty() || file.ends_with("trail.toml") {
            continue;
        }
        for step in 0..4usize {
            let at = (bytes.len() - 1) * step / 3;
            let mut changed = bytes.clone();
            changed[at] ^= 1 << ((number + step) % 7);
            std::fs::write(file, changed).unwrap();
            let found = sealed.damages(&[]);
            let name = text(file.strip_prefix(sealed.case.path("store")).unwrap());
            assert!(
                // A changed list of derived files is named with the file that it no longer fits.
                found
                    .iter()
                    .any(|(file, why)| file.contains(&name) || why.contains(&name)),
                "{name} byte {at} of {}: {found:?}",
                bytes.len()
            );
            tried += 1;
        }
        std::fs::write(file, bytes).unwrap();
    }
    assert!(tried >= 80, "{tried}");
    assert_eq!(sealed.damages(&[]), []);
}

#[test]
fn what_somebody_with_write_access_does_is_found_and_named() {
    let sealed = sealed();
    let pin = text(&sealed.case.path("pinned"));
    sealed.case.output(&["seal", "pin", &pin]);
    let (store, kept) = (sealed.case.path("store"), sealed.case.path("kept"));
    copy(&store, &kept);
    let batches = sealed.batches();
    let [first, second] = &batches[..] else {
        panic!("{batches:?}")
    };
    let tables = |batch: &str, table: &str| store.join(format!("{table}/batch={batch}"));
    let manifest = |batch: &str| store.join(format!("custody/{batch}.json"));
    let has = |found: &[(String, String)], file: &str, reason: &str| {
        let hit = found
            .iter()
            .any(|(at, why)| at.contains(file) && why.contains(reason));
        assert!(hit, "{file} {reason}: {found:?}");
    };
    let mut done = 0;
    let mut case = |what: &dyn Fn(), file: &str, reason: &str| {
        what();
        has(&sealed.damages(&["--pin", &pin]), file, reason);
        copy(&kept, &store);
        done += 1;
    };

    // A batch taken out with its manifest.
    let drop_batch = |batch: &str| {
        for table in ["events", "keys", "contents", "rejects"] {
            let _ = std::fs::remove_dir_all(tables(batch, table));
        }
        std::fs::remove_file(manifest(batch)).unwrap();
    };
    case(&|| drop_batch(first), first, "removed");
    case(&|| drop_batch(second), second, "removed");
    // Two batches that change places, their manifests made to fit.
    case(
        &|| {
            for table in ["events", "keys", "contents"] {
                let aside = store.join("aside");
                std::fs::rename(tables(first, table), &aside).unwrap();
                std::fs::rename(tables(second, table), tables(first, table)).unwrap();
                std::fs::rename(&aside, tables(second, table)).unwrap();
            }
            let (a, b) = (manifest(first), manifest(second));
            let texts = [&a, &b].map(|path| std::fs::read_to_string(path).unwrap());
            std::fs::write(&a, texts[1].replace(second, first)).unwrap();
            std::fs::write(&b, texts[0].replace(first, second)).unwrap();
        },
        first,
        "",
    );
    // A table replaced by a valid one, its digest in the manifest too: the record is named.
    case(
        &|| {
            let other = Case::new();
            let mut lines: Vec<String> = (0..300).map(chat).collect();
            lines[16] = lines[16].replace("invoice 5016", "invoice 9999");
            let path = other.write("a.jsonl", lines.join("\n"));
            other.ingest(&[], &[&path], 0);
            let theirs = std::fs::read_dir(other.path("store/contents"))
                .unwrap()
                .next()
                .unwrap();
            let theirs = theirs.unwrap().path().join("part-00000.parquet");
            let ours = tables(first, "contents").join("part-00000.parquet");
            std::fs::copy(theirs, &ours).unwrap();
            let bytes = std::fs::read(&ours).unwrap();
            let mut custody: Value =
                serde_json::from_str(&std::fs::read_to_string(manifest(first)).unwrap()).unwrap();
            for table in custody["tables"].as_array_mut().unwrap() {
                if table["path"].as_str().unwrap().starts_with("contents/") {
                    table["sha256"] = sha256(&bytes).into();
                    table["size"] = bytes.len().into();
                }
            }
            std::fs::write(manifest(first), format!("{custody:#}")).unwrap();
        },
        "log",
        "record 17 of ",
    );
    // The log cut, or put back to an older state.
    case(
        &|| std::fs::remove_file(store.join("log/checkpoint")).unwrap(),
        "log/checkpoint",
        "missing",
    );
    case(
        &|| std::fs::remove_dir_all(store.join("log/tile/1")).unwrap(),
        "log/tile/1",
        "",
    );
    case(
        &|| {
            let path = store.join("log/entries.jsonl");
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, text.lines().next().unwrap().to_owned() + "\n").unwrap();
        },
        "log/entries.jsonl",
        "names 301 leaves",
    );
    // Sealed anew with another key, or with none.
    let other = text(&sealed.case.path("other.key"));
    sealed
        .case
        .output(&["seal", "key", &other, "--name", "test/log"]);
    let reseal = |key: &str| {
        std::fs::remove_dir_all(store.join("log")).unwrap();
        let settings = std::fs::read_to_string(store.join("trail.toml")).unwrap();
        std::fs::remove_file(store.join("trail.toml")).unwrap();
        let mut command = sealed.case.trail();
        if !key.is_empty() {
            command.env("TRAIL_SEAL_KEY", key);
        }
        command.args(["seal", "checkpoint"]).assert().success();
        std::fs::write(store.join("trail.toml"), settings).unwrap();
    };
    case(
        &|| reseal(&other),
        "log/checkpoint",
        "none of the given keys",
    );
    case(&|| reseal(""), "log/checkpoint", "not signed by any");
    // The end of a store cut off and sealed anew with the right key: only the pin knows.
    let key = text(&sealed.case.path("trail.key"));
    case(
        &|| {
            drop_batch(second);
            reseal(&key);
        },
        "log/checkpoint",
        "its end was cut off",
    );
    // The past rewritten by the holder of the key: only the pin knows.
    case(
        &|| {
            let text = std::fs::read_to_string(manifest(first)).unwrap();
            std::fs::write(
                manifest(first),
                text.replace("\"operator\": \"", "\"operator\": \"not "),
            )
            .unwrap();
            reseal(&key);
        },
        "log",
        "the past was rewritten",
    );
    assert_eq!(done, 11);
    assert_eq!(sealed.damages(&["--pin", &pin]), []);
}

#[test]
fn journals_that_were_cut_or_changed_are_found() {
    let sealed = sealed();
    let ask = |actor: &str| {
        let ask = json!({"kind": "read", "outcome": "ok", "actor": actor}).to_string();
        sealed
            .case
            .trail()
            .arg("gate")
            .write_stdin(ask)
            .output()
            .unwrap();
    };
    ["one", "two", "three"].into_iter().for_each(ask);
    sealed.case.output(&["seal", "checkpoint"]);
    ask("four");
    assert_eq!(sealed.damages(&[]), []);
    let path = sealed.store("gate/decisions.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    // A line whose own digest was made anew to fit.
    let anew = |line: &str| {
        let rest = line.split(",\"line_sha256\"").next().unwrap();
        let own = sha256(format!("{rest}}}").as_bytes());
        format!("{rest},\"line_sha256\":\"{own}\"}}\n")
    };
    for (changed, why) in [
        (lines[..2].concat(), "has 2 lines, 3 were sealed"),
        (text.replace("\"two\"", "\"owt\""), "line 2 was changed"),
        (
            text.replace(lines[1], &anew(&lines[1].replace("two", "owt"))),
            "line 3 does not follow",
        ),
        (
            lines[..2].concat() + &anew(&lines[2].replace("three", "eerht")),
            "not as they were sealed",
        ),
        // Not sealed yet.
        (text.replace("\"four\"", "\"ruof\""), "line 4 was changed"),
        (text.trim_end().to_owned(), "has no end"),
    ] {
        std::fs::write(&path, changed).unwrap();
        let found = sealed.damages(&[]);
        assert!(
            found
                .iter()
                .any(|(file, reason)| file == "gate/decisions.jsonl" && reason.contains(why)),
            "{found:?}"
        );
    }
}

#[test]
fn a_kept_verdict_that_was_edited_is_found() {
    let sealed = sealed();
    let case = &sealed.case;
    let report = || case.output(&["report"]);
    let verify = || case.trail().arg("verify").output().unwrap();
    let first = report();
    let path = sealed.store("verdict/verdict.jsonl.zst");
    let list = sealed.store("verdict/_files.json");
    let kept = std::fs::read(&path).unwrap();
    assert_eq!(report(), first);
    assert_eq!(std::fs::read(&path).unwrap(), kept);
    assert_eq!(sealed.damages(&[]), []);
    // The first line is a frame of zstd by itself.
    let text = String::from_utf8(zstd::decode_all(&kept[..]).unwrap()).unwrap();
    let (head, findings) = text.split_once('\n').unwrap();
    let title = "\"policy\":\"baseline\"";
    let edited = head.replace(title, "\"policy\":\"baselime\"");
    assert_ne!(edited, head);
    let changed =
        [edited.as_str(), findings].map(|text| zstd::encode_all(text.as_bytes(), 1).unwrap());
    let changed = changed.concat();

    // Edited: found, named, and made anew by the next report.
    std::fs::write(&path, &changed).unwrap();
    let found = sealed.damages(&[]);
    assert_eq!(found[0].0, "verdict/verdict.jsonl.zst", "{found:?}");
    assert_eq!(report(), first);
    assert_eq!(sealed.damages(&[]), []);

    // With its list: a report believes it, and the next judgement does not.
    std::fs::write(&path, &changed).unwrap();
    let listed = std::fs::read_to_string(&list).unwrap();
    let size = |bytes: &[u8]| format!("\"size\": {}", bytes.len());
    let listed = listed.replace(&size(&kept), &size(&changed));
    std::fs::write(&list, listed.replace(&sha256(&kept), &sha256(&changed))).unwrap();
    assert_eq!(sealed.damages(&[]), []);
    assert!(report().contains("baselime"));
    let output = verify();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("verdict/verdict.jsonl.zst was not what"),
        "{said}"
    );
    assert_ne!(verify().status.code(), Some(2));
    assert_eq!(report(), first);

    // Another policy is another verdict; so is another store.
    let policy = case.write("policy.yml", "title: All calls\nid: own-1\nlevel: low\nlogsource: {product: trail}\ndetection:\n  call: {kind: inference}\n  condition: call\n");
    let other = case.output(&["report", "--policy", policy.to_str().unwrap()]);
    assert!(
        other.contains("own-1") && !first.contains("own-1"),
        "{other}"
    );
    assert_eq!(report(), first);
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    assert_eq!(report(), first);
}

#[test]
fn nothing_that_was_kept_is_told_of_a_store_that_was_cut_since() {
    let sealed = sealed();
    let case = &sealed.case;
    case.output(&["prepare"]);
    let questions: [&[&str]; 5] = [
        &["stats"],
        &["report"],
        &["report", "--executive"],
        &["report", "--framework", "sox"],
        &["compare", "--before", "..2026-03-03", "--after", "source=*"],
    ];
    let ask = |question: &[&str]| case.trail().args(question).output().unwrap();
    for question in questions {
        assert_ne!(ask(question).status.code(), Some(2), "{question:?}");
    }
    let events = std::fs::read_dir(sealed.store("events")).unwrap();
    let batch = events.map(|entry| entry.unwrap().path()).max().unwrap();
    let part = batch.join("part-00000.parquet");
    let whole = std::fs::read(&part).unwrap();
    std::fs::write(&part, &whole[..whole.len() - 100]).unwrap();
    for question in questions {
        let output = ask(question);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{question:?}: {said}");
        assert!(said.contains("part-00000.parquet"), "{question:?}: {said}");
    }
    std::fs::write(&part, whole).unwrap();
    for question in questions {
        assert_ne!(ask(question).status.code(), Some(2), "{question:?}");
    }

    // What a report does not read it names all the same.
    let name = batch.file_name().unwrap().to_str().unwrap();
    let keys = sealed.store(&format!("keys/{name}/part-00000.parquet"));
    let whole = std::fs::read(&keys).unwrap();
    std::fs::write(&keys, &whole[..whole.len() - 100]).unwrap();
    let said = |question: &[&str]| String::from_utf8(ask(question).stdout).unwrap();
    let size = format!("has {} bytes, not {}", whole.len() - 100, whole.len());
    assert!(said(&["report"]).contains(&size), "{}", said(&["report"]));
    let executive = said(&["report", "--executive"]);
    assert!(
        executive.contains("not as they were written: 1;"),
        "{executive}"
    );
}

#[test]
fn kept_figures_are_what_the_records_give() {
    let sealed = sealed();
    let case = &sealed.case;
    let figures = sealed.store("figures");
    let questions: [&[&str]; 5] = [
        &["stats", "--format", "json"],
        &["report"],
        &["report", "--executive"],
        &["report", "--framework", "sox"],
        &[
            "compare",
            "--before",
            "..2026-03-03",
            "--after",
            "source=*",
            "--all",
        ],
    ];
    let answers = || {
        questions.map(|question| {
            let output = case.trail().args(question).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        })
    };
    let first = answers();
    let names = || {
        let entries = std::fs::read_dir(&figures).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let all = [
        "counts.json",
        "hours.json",
        "stats.json",
        "tasks.arrow",
        "values.json",
    ];
    assert_eq!(names(), all);
    // From what is kept, and from what is made at once.
    assert_eq!(answers(), first);
    let bytes = || all.map(|name| std::fs::read(figures.join(name)).unwrap());
    let kept = bytes();
    std::fs::remove_dir_all(&figures).unwrap();
    assert_eq!(
        case.output(&["prepare"]),
        "ready: tasks, words, figures, verdict\n"
    );
    assert_eq!(bytes(), kept);
    assert_eq!(answers(), first);
    assert_eq!(sealed.damages(&["--derived"]), []);

    // One bit anywhere is found, and no answer is built on it.
    for (name, bytes) in all.iter().zip(&kept) {
        for at in [3, bytes.len() / 2, bytes.len() - 1] {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            std::fs::write(figures.join(name), changed).unwrap();
            let found = sealed.damages(&[]);
            assert_eq!(found[0].0, format!("figures/{name}"), "{at}: {found:?}");
            assert_eq!(answers(), first);
            std::fs::write(figures.join(name), bytes).unwrap();
        }
    }
    // Edited so that they fit their own line: made again, and compared.
    let text = String::from_utf8(kept[2].clone()).unwrap();
    let (head, counted) = text.split_once('\n').unwrap();
    let edited = counted.replacen("\"records\":", "\"records\":9", 1);
    assert_ne!(edited, counted);
    let head = head.replace(&sha256(counted.as_bytes()), &sha256(edited.as_bytes()));
    std::fs::write(figures.join("stats.json"), format!("{head}\n{edited}")).unwrap();
    assert_eq!(sealed.damages(&[]), []);
    let found = sealed.damages(&["--derived"]);
    assert_eq!(found[0].0, "figures/stats.json", "{found:?}");
    assert_eq!(sealed.damages(&["--derived"]), []);
    assert_eq!(bytes(), kept);
    // What is nobody's is named.
    std::fs::write(figures.join("other.json"), "{}").unwrap();
    assert_eq!(sealed.damages(&[])[0].0, "figures/other.json");
}

#[test]
fn derived_tables_that_were_edited_with_their_list_are_found() {
    let sealed = sealed();
    sealed.case.output(&["timeline", "--invoice", "5001"]);
    let path = sealed.store("links/links.parquet");
    let list = sealed.store("tasks/_files.json");
    let bytes = std::fs::read(&path).unwrap();
    let changed = [&bytes[..], b"x"].concat();
    std::fs::write(&path, &changed).unwrap();
    let text = std::fs::read_to_string(&list).unwrap();
    let text = text.replace(&sha256(&bytes), &sha256(&changed)).replace(
        &format!("\"size\": {}", bytes.len()),
        &format!("\"size\": {}", changed.len()),
    );
    std::fs::write(&list, text).unwrap();
    let found = sealed.damages(&["--derived"]);
    assert_eq!(found[0].0, "links/links.parquet", "{found:?}");
    assert_eq!(sealed.damages(&["--derived"]), []);
}

#[test]
fn a_proof_holds_elsewhere_and_breaks_when_changed() {
    let sealed = sealed();
    let proof = sealed.case.path("proof.json");
    sealed.case.output(&[
        "prove",
        "event",
        "a.jsonl:17",
        "--with-contents",
        "--output",
        &text(&proof),
    ]);
    let check = |path: &Path, key: &str| {
        let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_trail"));
        command.args(["prove", "--check", &text(path)]);
        if !key.is_empty() {
            command.args(["--key", key]);
        }
        let output = command.output().unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (code, said) = check(&proof, &sealed.public);
    assert_eq!(code, 0);
    assert!(
        said.contains("Signed by test/log")
            && said.contains("record 17 of")
            && said.contains("invoice 5016"),
        "{said}"
    );
    let (code, said) = check(&proof, "");
    assert!(code == 1 && said.contains("NOT CHECKED"), "{said}");
    let other = text(&sealed.case.path("other.key"));
    sealed
        .case
        .output(&["seal", "key", &other, "--name", "test/other"]);
    assert_eq!(check(&proof, &format!("{other}.pub")).0, 2);

    // A second implementation, of nothing but the description.
    let python = |path: &Path| {
        Command::new("python3")
            .arg(project("tests/tools/check_proof.py"))
            .args([&text(path), &sealed.public])
            .output()
    };
    let has_python = python(&proof).is_ok();
    if has_python {
        let output = python(&proof).unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success()
                && said.contains("signed by test/log")
                && said.contains("record 17 of"),
            "{said} {}",
            String::from_utf8_lossy(&output.stderr)
        );
    } else {
        eprintln!("skipped: no python3 for the second implementation");
    }

    // Any text in it that is changed breaks it.
    let whole = std::fs::read_to_string(&proof).unwrap();
    let value: Value = serde_json::from_str(&whole).unwrap();
    let record = &value["records"][0];
    let parts = [
        &record["leaf"]["leaf"],
        &record["leaf"]["inclusion"][0],
        &record["rows"][0],
        &record["content"]["bytes"],
        &record["content"]["salt"],
        value["batches"]
            .as_object()
            .unwrap()
            .values()
            .next()
            .map(|leaf| &leaf["leaf"])
            .unwrap(),
    ];
    for part in parts {
        let part = part.as_str().unwrap();
        let swapped = if part.starts_with('A') { "B" } else { "A" };
        let changed = whole.replacen(part, &format!("{swapped}{}", &part[1..]), 1);
        let path = sealed.case.write("changed.json", changed);
        assert_eq!(check(&path, &sealed.public).0, 2, "{part}");
        if has_python {
            assert!(!python(&path).unwrap().status.success(), "{part}");
        }
    }
}

/// Answers the request beside a pin as an authority would; gives the file of its certificate.
fn time_stamp(case: &Case, pin: &str) -> Option<String> {
    let folder = case.path("authority");
    std::fs::create_dir_all(&folder).unwrap();
    let settings = "[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nCN=Authority\n[ext]\nextendedKeyUsage=critical,timeStamping\n[tsa]\ndefault_tsa=t\n[t]\nserial=serial\nsigner_cert=tsa.pem\nsigner_key=tsa.key\nsigner_digest=sha256\ndefault_policy=1.2.3.4\ndigests=sha256\ness_cert_id_chain=no\n";
    std::fs::write(folder.join("tsa.cnf"), settings).unwrap();
    std::fs::write(folder.join("serial"), "01\n").unwrap();
    let openssl = |arguments: &[&str]| {
        let command = Command::new("openssl")
            .args(arguments)
            .current_dir(&folder)
            .output();
        command.is_ok_and(|output| output.status.success())
    };
    let (query, answer) = (format!("{pin}.tsq"), format!("{pin}.tsr"));
    let made = openssl(&[
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "tsa.key",
        "-out",
        "tsa.pem",
        "-days",
        "30",
        "-config",
        "tsa.cnf",
        "-extensions",
        "ext",
    ]) && openssl(&[
        "ts",
        "-reply",
        "-queryfile",
        &query,
        "-config",
        "tsa.cnf",
        "-out",
        &answer,
    ]);
    if !made {
        eprintln!("skipped: no openssl that plays a time-stamping authority");
        return None;
    }
    Some(text(&folder.join("tsa.pem")))
}

#[test]
fn growth_is_proven_and_a_witness_signs_what_it_has_checked() {
    let sealed = sealed();
    let pin = text(&sealed.case.path("pinned"));
    sealed.case.output(&["seal", "pin", &pin, "--tsa"]);
    let request = std::fs::read(format!("{pin}.tsq")).unwrap();
    assert_eq!((request.len(), &request[..2]), (59, &[0x30, 0x39][..]));
    // The answer of an authority, where there is an openssl that plays one.
    if let Some(authority) = time_stamp(&sealed.case, &pin) {
        let verified = |certificate: &str| {
            let arguments = [
                "verify",
                "--integrity",
                "--pin",
                &pin,
                "--tsa-cert",
                certificate,
            ];
            let output = sealed.case.trail().args(arguments).output().unwrap();
            (
                output.status.code(),
                String::from_utf8(output.stdout).unwrap(),
            )
        };
        let (code, said) = verified(&authority);
        assert!(
            code == Some(0) && said.contains("time stamp: ") && said.contains("was there at 20"),
            "{said}"
        );
        let (code, said) = verified(&text(&project("fixtures/timestamp/tsa.pem")));
        assert!(
            code == Some(2) && said.contains("none of the given authorities"),
            "{said}"
        );
        let (_, said) = (
            0,
            sealed
                .case
                .output(&["verify", "--integrity", "--pin", &pin]),
        );
        assert!(said.contains("whose authority was not given"), "{said}");
        std::fs::copy(
            project("fixtures/timestamp/checkpoint.tsr"),
            format!("{pin}.tsr"),
        )
        .unwrap();
        let (code, said) = verified(&authority);
        assert!(
            code == Some(2) && said.contains("over other bytes"),
            "{said}"
        );
        std::fs::remove_file(format!("{pin}.tsr")).unwrap();
    }
    sealed.ingest("c.jsonl", 600..700, false);
    let grown = text(&sealed.case.path("grown.json"));
    sealed
        .case
        .output(&["prove", "consistency", "--from", &pin, "--output", &grown]);
    let said = sealed
        .case
        .output(&["prove", "--check", &grown, "--key", &sealed.public]);
    assert!(
        said.contains("only grown since it had 523 leaves"),
        "{said}"
    );

    let witness = text(&sealed.case.path("witness.key"));
    sealed
        .case
        .output(&["seal", "key", &witness, "--name", "witness.example"]);
    sealed
        .case
        .output(&["seal", "witness", "--key", &witness, "--pin", &pin]);
    let found = sealed.case.json(&[
        "verify",
        "--integrity",
        "--format",
        "json",
        "--key",
        &sealed.public,
        "--key",
        &format!("{witness}.pub"),
        "--pin",
        &pin,
    ]);
    assert_eq!(found["signed_by"], json!(["test/log", "witness.example"]));
    assert_eq!((&found["pins"], &found["damages"]), (&json!(1), &json!([])));
    // A witness does not sign what is damaged.
    let batch = &sealed.batches()[0];
    let path = sealed.store(&format!("contents/batch={batch}/_salt"));
    std::fs::write(&path, [7; 32]).unwrap();
    let output = sealed
        .case
        .trail()
        .args(["seal", "witness", "--key", &witness])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn an_ingest_that_died_behind_its_manifest_is_sealed_later() {
    let sealed = sealed();
    let before = sealed.case.path("before");
    copy(&sealed.store("log"), &before);
    sealed.ingest("c.jsonl", 600..700, false);
    let whole = std::fs::read(sealed.store("log/tile/0/002.p/112")).ok();
    let root = std::fs::read_to_string(sealed.store("log/checkpoint")).unwrap();
    copy(&before, &sealed.store("log"));
    let found = sealed.damages(&[]);
    assert!(
        found
            .iter()
            .any(|(file, reason)| file.starts_with("custody/") && reason.contains("seals it")),
        "{found:?}"
    );
    sealed.case.output(&["seal", "checkpoint"]);
    assert_eq!(sealed.damages(&[]), []);
    // The leaves made from the tables are those that the ingest made from the dump.
    assert_eq!(
        std::fs::read_to_string(sealed.store("log/checkpoint")).unwrap(),
        root
    );
    assert_eq!(
        std::fs::read(sealed.store("log/tile/0/002.p/112")).ok(),
        whole
    );
}

fn sha256(bytes: &[u8]) -> String {
    trail::model::Digest::of(bytes).to_string()
}

#[test]
fn looks_at_contents_are_written_down_and_sealed() {
    let sealed = sealed();
    let case = &sealed.case;
    case.output(&["search", "invoice 5001", "--reason", "ticket 17"]);
    case.output(&["search", "--kind", "inference"]);
    case.output(&["export", "events", "--format", "jsonl"]);
    case.output(&["prove", "event", "a.jsonl:17"]);
    case.output(&["prove", "event", "a.jsonl:17", "--with-contents"]);
    let looks = case.json(&["access", "--format", "json"]);
    let told: Vec<(&str, &str)> = looks
        .as_array()
        .unwrap()
        .iter()
        .map(|look| {
            (
                look["trail_access"].as_str().unwrap(),
                look["reason"].as_str().unwrap(),
            )
        })
        .collect();
    // A question for kinds alone shows no text, a proof without contents none either.
    assert_eq!(
        told,
        [("search", "ticket 17"), ("export", ""), ("prove", "")]
    );
    assert_eq!(looks[0]["what"], "invoice 5001");
    case.output(&["seal", "checkpoint"]);
    assert_eq!(sealed.damages(&[]), []);
    let path = sealed.store("access/log.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.lines().next().unwrap().to_owned() + "\n").unwrap();
    let found = sealed.damages(&[]);
    assert!(
        found
            .iter()
            .any(|(file, reason)| file == "access/log.jsonl" && reason.contains("3 were sealed")),
        "{found:?}"
    );
}
