//! Protected stores: who sees what, and what is left when something is destroyed.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::Case;

/// Values that must not come out, each in another place of the records.
const CANARIES: &[&str] = &[
    "zelda.canary@quarkmail.example",
    "Zelda.Canary@Quarkmail.example",
    "ZCANARY07",
    "Quarkmeister",
    "Wickelmann",
    "Spaltenfrau",
    "DE89370400440532013000",
    "4111 1111 1111 1111",
    "+49 30 7654321",
    "536-90-4399",
    "K-990071",
    "canary secret plan",
    "Zeldastreet 7",
    "198.51.100.77",
];

/// A protected store with canary values wherever records can hold them, and the keys of its roles.
struct Protected {
    case: Case,
}

impl Protected {
    fn new(settings: &str) -> Self {
        let case = Case::new();
        let key = |name: &str| {
            let path = case.path(&format!("{name}.key"));
            let output = case
                .trail()
                .args(["access", "key", "--output"])
                .arg(&path)
                .output()
                .unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            text.lines().next().unwrap().to_owned()
        };
        let (officer, auditor, investigator) =
            (key("officer"), key("auditor"), key("investigator"));
        case.write(
            "store/trail.toml",
            format!(
                r#"
{settings}
[roles.officer]
recipients = ["{officer}"]
may = ["look-up", "contents", "reveal"]
[roles.auditor]
recipients = ["{auditor}"]
may = ["look-up", "contents"]
[roles.investigator]
recipients = ["{investigator}"]
may = ["look-up"]
hide = ["amount", "changes"]
"#
            ),
        );
        case.output(&["access", "protect"]);
        let this = Self { case };
        let dumps = this.dumps();
        let key = this.key("investigator");
        this.case
            .ingest(&["--identity", &key, "--tz", "UTC"], &[dumps.as_path()], 1);
        this
    }

    fn key(&self, role: &str) -> String {
        self.case.path(&format!("{role}.key")).display().to_string()
    }

    fn dumps(&self) -> PathBuf {
        let chat = |n: u32, text: &str, user: &str| {
            json!({
                "created_at": format!("2026-03-02T07:00:{n:02}Z"),
                "user": user,
                "request": {"model": "m", "user": user, "messages": [{"role": "user", "content": text}]},
                "response": {"id": format!("chatcmpl-{n:010}"), "object": "chat.completion", "created": 1, "model": "m-1",
                    "choices": [{"index": 0, "message": {"role": "assistant", "content": null,
                        "tool_calls": [{"id": format!("call_{n:010}"), "type": "function", "function": {"name": "change_customer",
                            "arguments": json!({"customer_id": "K-990071", "last_name": "Quarkmeister", "iban": "DE89370400440532013000",
                                "street_address": "Zeldastreet 7", "invoice": "4711"}).to_string()}}]}, "finish_reason": "tool_calls"}]},
            })
            .to_string()
        };
        let lines = [
            chat(
                1,
                "canary secret plan: call +49 30 7654321 about invoice 4711",
                "zelda.canary@quarkmail.example",
            ),
            chat(
                2,
                "card 4111 1111 1111 1111, id 536-90-4399",
                "Zelda.Canary@Quarkmail.example",
            ),
            "{\"broken\": \"zelda.canary@quarkmail.example".to_owned(),
        ];
        let case = &self.case;
        case.write("dumps/chat.jsonl", lines.join("\n"));
        // A name that no event tells of, in JSON in JSON.
        let wrapped = chat(3, "invoice 4711", "zelda.canary@quarkmail.example").replacen(
            '{',
            r#"{"last_name": "Wickelmann", "#,
            1,
        );
        case.write(
            "dumps/docker.log",
            json!({"log": wrapped + "\n", "stream": "stdout", "time": "2026-03-02T07:00:03Z"})
                .to_string()
                + "\n",
        );
        // In a table quotes are doubled.
        let wrapped = chat(4, "invoice 4711", "zelda.canary@quarkmail.example")
            .replacen('{', r#"{"last_name": "Spaltenfrau", "#, 1)
            .replace('"', "\"\"");
        case.write(
            "dumps/insights.csv",
            format!("@timestamp,@message\n2026-03-02 07:00:04.000,\"{wrapped}\"\n"),
        );
        case.write(
            "dumps/sap_cdhdr.csv",
            "MANDANT;OBJECTCLAS;OBJECTID;CHANGENR;USERNAME;UDATE;UTIME;TCODE;CHANGE_IND\n\
             100;BELEG;100DE0000000047112026;0000012345;ZCANARY07;20260302;070005;FB02;U\n",
        );
        case.write(
            "dumps/sap_cdpos.csv",
            "MANDANT;OBJECTCLAS;OBJECTID;CHANGENR;TABNAME;TABKEY;FNAME;CHNGIND;VALUE_NEW;VALUE_OLD\n\
             100;BELEG;100DE0000000047112026;0000012345;LFA1;1000990071;NAME1;U;Quarkmeister;Meier\n",
        );
        case.write(
            "dumps/kong.jsonl",
            json!({
                "started_at": 1_772_434_806_000_i64, "client_ip": "198.51.100.77",
                "request": {"method": "PATCH", "uri": "/crm/customers/K-990071?mail=zelda.canary@quarkmail.example", "url": "http://gw/crm/customers/K-990071",
                    "size": 1, "headers": {"host": "gw"}, "querystring": {"mail": "zelda.canary@quarkmail.example"}},
                "response": {"status": 200, "size": 1, "headers": {}},
                "latencies": {"request": 1, "proxy": 1, "kong": 0},
                "service": {"name": "crm"}, "route": {"name": "crm"},
                "consumer": {"username": "ZCANARY07", "id": "c1"},
            })
            .to_string()
                + "\n",
        );
        case.path("dumps")
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.case.trail().args(arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }

    fn as_role(&self, role: &str, arguments: &[&str]) -> (Option<i32>, String) {
        let key = self.key(role);
        let mut all = vec!["--identity", &key];
        all.extend(arguments);
        self.run(&all)
    }

    fn integrity(&self, role: Option<&str>) -> Value {
        let arguments = ["verify", "--integrity", "--format", "json"];
        let (code, text) = match role {
            Some(role) => self.as_role(role, &arguments),
            None => self.run(&arguments),
        };
        assert_eq!(code, Some(0), "{text}");
        serde_json::from_str(&text).unwrap()
    }
}

fn spoken(text: &str, of: &str) {
    for canary in CANARIES {
        let plain = text.contains(canary);
        let compact = text.replace(' ', "").contains(&canary.replace(' ', ""));
        assert!(!plain && !compact, "{canary} in {of}:\n{text}");
    }
}

#[test]
fn no_command_shows_a_protected_value() {
    let protected = Protected::new("");
    let task = {
        let (_, text) = protected.run(&["timeline", "--invoice", "4711", "--format", "json"]);
        spoken(&text, "timeline --format json");
        let shown: Value = serde_json::from_str(&text).unwrap();
        let tasks = shown["tasks"].as_array().unwrap();
        let task = tasks
            .iter()
            .max_by_key(|task| task["lines"].as_array().unwrap().len());
        task.unwrap()["id"].as_str().unwrap().to_owned()
    };
    let (_, events) = protected.run(&["search", "--kind", "tool_call", "--format", "json"]);
    let event = serde_json::from_str::<Value>(&events).unwrap()["hits"][0]["event"]
        .as_str()
        .unwrap()
        .to_owned();
    let out = |name: &str| protected.case.path(name).display().to_string();
    let (bundle, gated) = (out("bundle.zip"), out("gate.json"));
    let commands: Vec<Vec<&str>> = vec![
        vec!["timeline", "--invoice", "4711"],
        vec!["timeline", "--invoice", "4711", "-v"],
        vec!["timeline", "--invoice", "4711", "--format", "csv"],
        vec!["timeline", "--invoice", "4711", "--format", "markdown"],
        vec!["timeline", "--invoice", "4711", "--format", "html"],
        vec!["timeline"],
        vec!["search", "plan"],
        vec!["search", "--regex", "canary"],
        vec!["search", "--kind", "write", "--by", "actor"],
        vec!["search", "--kind", "write", "--format", "csv"],
        vec!["verify"],
        vec!["verify", "--format", "json"],
        vec!["verify", "--format", "sarif"],
        vec!["verify", "--format", "junit"],
        vec!["verify", "--format", "markdown"],
        vec!["verify", "--format", "github"],
        vec!["verify", "--integrity"],
        vec!["report"],
        vec!["report", "--framework", "gdpr"],
        vec!["rejects"],
        vec!["stats"],
        vec!["stats", "--format", "json"],
        vec!["stitch"],
        vec!["explain", &event],
        vec![
            "compare",
            "--before",
            "2026-03-01..2026-03-02",
            "--after",
            "2026-03-02..2026-03-03",
        ],
        vec!["export", "events", "--format", "csv"],
        vec!["export", "events", "--format", "jsonl"],
        vec!["export", "events", "--format", "timesketch"],
        vec!["export", "events", "--format", "ocel"],
        vec!["export", "events", "--format", "otlp"],
        vec!["export", "tasks"],
        vec!["export", "causes"],
        vec!["bundle", "--task", &task, "--output", &bundle],
        vec!["prove", "event", &event],
        vec!["prove", "task", &task],
        vec!["prove", "event", &event, "--with-contents"],
        vec![
            "prove",
            "event",
            &event,
            "--with-contents",
            "--reveal",
            "all",
            "--reason",
            "x",
        ],
        vec!["timeline", "--reveal", "all", "--reason", "x"],
        vec!["access"],
        vec!["access", "whoami"],
        vec!["access", "data-key", "0"],
        vec!["seal", "status"],
        vec!["seal", "checkpoint"],
        vec!["retain"],
        vec!["erase", "--subject", "nobody@example.org", "--reason", "x"],
        vec!["rules", "list"],
    ];
    for arguments in &commands {
        let name = arguments.join(" ");
        let (_, nobody) = protected.run(arguments);
        spoken(&nobody, &name);
        let (_, lowest) = protected.as_role("investigator", arguments);
        spoken(&lowest, &name);
    }
    // Contents are read without the names in them.
    let searched = |regex: &str| {
        protected
            .as_role("auditor", &["search", "--regex", regex])
            .1
    };
    assert!(searched("last_name").contains("pii-name"));
    spoken(&searched("(Wickel|Spalten)\\w+"), "search in contents");
    // The gate is asked by somebody who may look up; what it keeps names nobody.
    let question = json!({"kind": "write", "actor": "ZCANARY07", "actor_type": "human", "action": "update",
        "object": "K-990071", "object_type": "Customer", "attributes": {"comment": "mail zelda.canary@quarkmail.example"}});
    let refused = protected
        .case
        .trail()
        .arg("gate")
        .write_stdin(question.to_string())
        .output()
        .unwrap();
    assert_ne!(refused.status.code(), Some(0));
    let asked = protected
        .case
        .trail()
        .args(["--identity", &protected.key("investigator"), "gate"])
        .write_stdin(question.to_string())
        .output()
        .unwrap();
    assert_ne!(
        asked.status.code(),
        Some(2),
        "{}",
        String::from_utf8_lossy(&asked.stderr)
    );
    std::fs::write(&gated, &asked.stdout).unwrap();
    // Neither does the store itself, in any file of it, nor the bundle.
    let entries = walkdir::WalkDir::new(protected.case.path("store")).into_iter();
    let files = entries
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file());
    let mut seen = 0;
    for entry in files {
        let bytes = std::fs::read(entry.path()).unwrap();
        spoken(
            &String::from_utf8_lossy(&bytes),
            &entry.path().display().to_string(),
        );
        seen += 1;
    }
    assert!(seen > 10);
    let archive = std::fs::File::open(&bundle).unwrap();
    let mut archive = zip::ZipArchive::new(archive).unwrap();
    for at in 0..archive.len() {
        let mut file = archive.by_index(at).unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
        let name = file.name().unwrap().into_owned();
        spoken(&String::from_utf8_lossy(&bytes), &name);
        assert!(!name.starts_with("records/"), "{name}");
    }
}

#[test]
fn a_role_sees_what_it_may() {
    let protected = Protected::new("");
    // The one who knows a value finds it; the one without a key does not.
    let person = ["timeline", "--user", "zelda.canary@quarkmail.example"];
    let (_, found) = protected.as_role("investigator", &person);
    assert!(found.contains("tool call: change_customer"), "{found}");
    let (_, nothing) = protected.run(&person);
    assert!(nothing.contains("matched 0 events"), "{nothing}");
    let customer = ["timeline", "--customer", "K-990071", "--format", "json"];
    let (_, both) = protected.as_role("auditor", &customer);
    assert!(
        both.contains("\"change_customer\"") && both.contains("kong"),
        "{both}"
    );
    // Hidden columns are hidden in every form.
    let (_, seen) = protected.as_role("auditor", &["timeline", "--invoice", "4711"]);
    assert!(seen.contains("LFA1-NAME1"), "{seen}");
    for form in ["table", "json", "csv", "html", "markdown"] {
        let (_, hidden) = protected.as_role(
            "investigator",
            &["timeline", "--invoice", "4711", "--format", form],
        );
        assert!(!hidden.contains("LFA1-NAME1"), "{form}: {hidden}");
    }
    let (_, judged) = protected.as_role("investigator", &["verify", "--format", "json"]);
    let judged: Value = serde_json::from_str(&judged).unwrap();
    assert_eq!(judged["rules_judged"], 0);
    // Texts need their right, values another one and a reason, and each look is written down.
    let search = ["search", "plan"];
    assert_eq!(protected.as_role("investigator", &search).0, Some(2));
    let (_, text) = protected.as_role("auditor", &search);
    assert!(
        text.contains("secret [plan]") && text.contains("pii-phone-"),
        "{text}"
    );
    let reveal = ["timeline", "--invoice", "4711", "--reveal", "email,person"];
    assert!(
        protected
            .as_role("officer", &reveal)
            .1
            .contains("needs a reason")
    );
    let with_reason = [reveal.as_slice(), &["--reason", "case 17"]].concat();
    let (_, open) = protected.as_role("officer", &with_reason);
    assert!(
        open.contains("zelda.canary@quarkmail.example") && open.contains("ZCANARY07"),
        "{open}"
    );
    assert!(
        !open.contains("Quarkmeister") && open.contains("pii-name-"),
        "{open}"
    );
    assert_eq!(protected.as_role("auditor", &with_reason).0, Some(2));
    let (_, looks) = protected.run(&["access", "--format", "json"]);
    assert!(
        looks.contains("email, person") && looks.contains("case 17"),
        "{looks}"
    );
    assert!(
        looks.contains("pii-text-") && !looks.contains("plan"),
        "{looks}"
    );
    // A key is no use in a role that is not its own, and a lower role takes rights away.
    let key = protected.key("auditor");
    let (code, refused) = protected.run(&["--identity", &key, "--as", "officer", "stats"]);
    assert_eq!(code, Some(2), "{refused}");
    let without = ["--as", "auditor", "search", "plan"];
    assert_eq!(protected.run(&without).0, Some(2));
    // What was logged comes back byte for byte.
    let (_, events) = protected.run(&["search", "--kind", "request", "--format", "json"]);
    let events: Value = serde_json::from_str(&events).unwrap();
    let event = events["hits"][0]["event"].as_str().unwrap();
    let proof = [
        "prove",
        "event",
        event,
        "--with-contents",
        "--reveal",
        "all",
        "--reason",
        "x",
    ];
    let (_, proof) = protected.as_role("officer", &proof);
    let path = protected.case.write("proof.json", &proof);
    let (_, shown) = protected.run(&["prove", "--check", &path.display().to_string()]);
    assert!(
        shown.contains("The proof holds") && shown.contains("canary secret plan"),
        "{shown}"
    );
}

#[test]
fn integrity_holds_for_those_who_cannot_read() {
    let protected = Protected::new("");
    assert_eq!(protected.integrity(Some("officer"))["withheld"], 0);
    let records = protected.integrity(None)["records"].clone();
    assert_eq!(protected.integrity(None)["withheld"], records);
    // A value that is taken out of the vault by hand is missed.
    let batch = std::fs::read_dir(protected.case.path("store/access/vault")).unwrap();
    let folder = batch.map(|entry| entry.unwrap().path()).next().unwrap();
    let vault = folder.join("0.parquet");
    let mut bytes = std::fs::read(&vault).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&vault, bytes).unwrap();
    let (code, text) = protected.as_role("officer", &["verify", "--integrity"]);
    assert_eq!(code, Some(2), "{text}");
    // Digests beside the records are held against the log too.
    let batch = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let digests = protected
        .case
        .path(&format!("store/contents/batch={batch}/_digests"));
    let mut bytes = std::fs::read(&digests).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&digests, bytes).unwrap();
    let (code, text) = protected.run(&["verify", "--integrity"]);
    assert_eq!(code, Some(2));
    assert!(
        text.contains("_digests") && text.contains("record 1 of"),
        "{text}"
    );
}

#[test]
fn an_erased_person_is_gone_and_every_proof_holds() {
    let protected = Protected::new("");
    let subject = [
        "erase",
        "--subject",
        "zelda.canary@quarkmail.example",
        "--reason",
        "request 5",
    ];
    assert_eq!(protected.as_role("auditor", &subject).0, Some(2));
    let dry = [subject.as_slice(), &["--dry-run"]].concat();
    assert!(
        protected
            .as_role("officer", &dry)
            .1
            .contains("would be destroyed")
    );
    let (code, text) = protected.as_role("officer", &subject);
    assert_eq!(code, Some(0), "{text}");
    // Both spellings, for everybody, and nobody else.
    let open = [
        "timeline",
        "--invoice",
        "4711",
        "--reveal",
        "all",
        "--reason",
        "x",
    ];
    let (_, text) = protected.as_role("officer", &open);
    assert!(!text.to_lowercase().contains("zelda.canary"), "{text}");
    assert!(
        text.contains("pii-email-") && text.contains("ZCANARY07"),
        "{text}"
    );
    let held = protected.integrity(Some("officer"));
    assert!(
        held["withheld"].as_u64().unwrap() >= 2 && held["damages"] == json!([]),
        "{held}"
    );
    assert_eq!(protected.integrity(None)["damages"], json!([]));
    protected.case.output(&["seal", "checkpoint"]);
    assert_eq!(protected.as_role("officer", &subject).0, Some(2));
    // Without the record of the act it would be a damage.
    std::fs::remove_file(protected.case.path("store/access/erasures.jsonl")).unwrap();
    let (code, text) = protected.as_role("officer", &["verify", "--integrity"]);
    assert_eq!(code, Some(2));
    assert!(
        text.contains("no act of erasure says so") && text.contains("erasures.jsonl"),
        "{text}"
    );
}

#[test]
fn damage_of_a_wrapped_key_is_found() {
    fn files_in(folder: PathBuf, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files_in(path, found);
            } else if path.extension().is_some_and(|end| end == "age") {
                found.push(path);
            }
        }
    }
    let protected = Protected::new("");
    let check = |names: &[&str]| {
        let mut keys = Vec::new();
        files_in(protected.case.path("store/access"), &mut keys);
        assert_eq!(keys.len(), 3, "{keys:?}");
        for path in &keys {
            let whole = std::fs::read(path).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(
                names.contains(&name) || path.parent().unwrap().ends_with("keys"),
                "{name}"
            );
            for damage in ["a bit", "all of it"] {
                if damage == "a bit" {
                    let mut bytes = whole.clone();
                    bytes[whole.len() / 2] ^= 4;
                    std::fs::write(path, bytes).unwrap();
                } else {
                    std::fs::remove_file(path).unwrap();
                }
                let (code, text) = protected.run(&["verify", "--integrity"]);
                assert_eq!(code, Some(2), "{damage} of {name}: {text}");
                assert!(text.contains(name), "{damage} of {name}: {text}");
            }
            if name == "look-up.age" {
                // A store whose key is gone takes no records in clear.
                let late = protected.case.write("late.jsonl", crate::chat(7));
                let (code, text) = protected.run(&["ingest", late.to_str().unwrap()]);
                assert!(
                    code == Some(2) && text.contains("needs the right"),
                    "{text}"
                );
            }
            std::fs::write(path, whole).unwrap();
        }
        assert_eq!(protected.integrity(None)["damages"], json!([]));
    };
    check(&["look-up.age", "0.age"]);
    let (code, text) = protected.as_role(
        "officer",
        &[
            "access",
            "rewrap",
            "--reason",
            "for zelda.canary@quarkmail.example",
        ],
    );
    assert_eq!(code, Some(0), "{text}");
    let journal = protected.case.path("store/access/erasures.jsonl");
    let acts = std::fs::read_to_string(journal).unwrap();
    assert!(
        acts.contains("rewrap") && acts.contains("for pii-email-"),
        "{acts}"
    );
    check(&["look-up.age", "0.age"]);
    let subject = ["erase", "--subject", "ZCANARY07", "--reason", "request 6"];
    let (code, text) = protected.as_role("officer", &subject);
    assert_eq!(code, Some(0), "{text}");
    check(&["look-up.age", "1.age"]);
}

#[test]
fn a_hold_beats_erasure_and_retention() {
    let hold = "[[hold]]\nreason = \"dispute 9\"\nkey = \"invoice=4711\"\n[[retain]]\ndays = 30\n";
    let protected = Protected::new(hold);
    let subject = [
        "erase",
        "--subject",
        "zelda.canary@quarkmail.example",
        "--reason",
        "x",
    ];
    let (code, text) = protected.as_role("officer", &subject);
    assert_eq!(code, Some(2));
    assert!(text.contains("dispute 9"), "{text}");
    let (_, text) = protected.as_role("officer", &["retain", "--dry-run", "--format", "json"]);
    let dry: Value = serde_json::from_str(&text).unwrap();
    assert!(dry["held"].as_u64().unwrap() > 0, "{dry}");
}

#[test]
fn texts_past_their_time_go_and_the_log_holds() {
    // Of a store in clear: retention needs no protection.
    let case = Case::demo();
    let toml = case.path("store/trail.toml");
    std::fs::write(&toml, "[[retain]]\nsource = \"kong\"\ndays = 30\n\n[[hold]]\nreason = \"old\"\nuntil = \"2020-01-01\"\n").unwrap();
    let dry = case.json(&["retain", "--dry-run", "--format", "json"]);
    assert_eq!(
        (dry["records"].as_u64(), dry["held"].as_u64()),
        (Some(512), Some(0))
    );
    assert_eq!(
        case.json(&["verify", "--integrity", "--format", "json"])["withheld"],
        0
    );
    let before = case.output(&["timeline", "--invoice", "4711", "--format", "json"]);
    let done = case.json(&["retain", "--format", "json"]);
    assert_eq!(done["records"], 512);
    let after = case.json(&["verify", "--integrity", "--format", "json"]);
    assert_eq!(
        (after["withheld"].as_u64(), &after["damages"]),
        (Some(512), &json!([]))
    );
    // Files that were written anew on purpose are no damage: what is made of them is kept.
    case.output(&["report"]);
    assert!(case.path("store/verdict/verdict.jsonl.zst").exists());
    assert_eq!(
        case.output(&["timeline", "--invoice", "4711", "--format", "json"]),
        before
    );
    let found = case
        .trail()
        .args(["search", "--regex", "started_at"])
        .output()
        .unwrap();
    assert_eq!(
        found.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&found.stdout)
    );
    let event = case.json(&[
        "search", "--source", "kong", "--limit", "1", "--format", "json",
    ]);
    let event = event["hits"][0]["event"].as_str().unwrap();
    let proof = case.output(&["prove", "event", event]);
    let proof = case.write("proof.json", proof);
    let checked = case
        .trail()
        .args(["prove", "--check"])
        .arg(&proof)
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&checked.stdout).contains("The proof holds"));
    assert_eq!(case.json(&["retain", "--format", "json"])["records"], 0);
    // A file that is put back as it was is not what the act left.
    case.output(&["seal", "checkpoint"]);
    std::fs::write(case.path("store/access/erasures.jsonl"), "").unwrap();
    let bad = case
        .trail()
        .args(["verify", "--integrity"])
        .output()
        .unwrap();
    assert_eq!(bad.status.code(), Some(2));
}

#[test]
fn other_tools_read_texts_with_the_key() {
    let protected = Protected::new("");
    let batch = std::fs::read_dir(protected.case.path("store/access/vault")).unwrap();
    let batch = batch
        .map(|entry| entry.unwrap().file_name())
        .next()
        .unwrap();
    let batch = batch.to_str().unwrap();
    let (code, key) = protected.as_role("auditor", &["access", "data-key", batch]);
    assert_eq!((code, key.trim().len()), (Some(0), 64), "{key}");
    let script = r"
import sys
try:
    import pyarrow.parquet as pq
    from pyarrow.parquet.encryption import create_decryption_properties
except ImportError:
    sys.exit(77)
key = create_decryption_properties(footer_key=bytes.fromhex(sys.argv[2]))
rows = pq.read_table(sys.argv[1], decryption_properties=key).to_pylist()
print(len(rows), any(b'secret plan' in row['value'] for row in rows))
try:
    pq.read_table(sys.argv[1])
    sys.exit('read without a key')
except OSError:
    pass
";
    let table = protected
        .case
        .path(&format!("store/contents/batch={batch}/part-00000.parquet"));
    let python = Command::new("python3")
        .args(["-c", script])
        .arg(&table)
        .arg(key.trim())
        .output();
    match python {
        Ok(output) if output.status.code() != Some(77) => {
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(
                output.status.success() && text.trim().ends_with("True"),
                "{text} {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        _ => eprintln!("skipped: no python3 with pyarrow that reads encrypted files"),
    }
}

#[test]
fn records_of_every_format_come_back_byte_for_byte() {
    let protected = Protected::new("");
    let mut dumps: Vec<PathBuf> = std::fs::read_dir(crate::project("fixtures/formats"))
        .unwrap()
        .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_none_or(|end| end != "snap"))
        .collect();
    dumps.sort();
    let output = protected
        .case
        .trail()
        .args([
            "--identity",
            &protected.key("investigator"),
            "ingest",
            "-q",
            "--tz",
            "Europe/Berlin",
        ])
        .args(&dumps)
        .output()
        .unwrap();
    assert_ne!(
        output.status.code(),
        Some(2),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // Every record is put together again from its pseudonyms, and hashes to the leaf that was sealed.
    let held = protected.integrity(Some("officer"));
    assert!(held["records"].as_u64().unwrap() > 200, "{held}");
    assert_eq!(
        (held["withheld"].as_u64(), &held["damages"]),
        (Some(0), &json!([]))
    );
    assert_eq!(protected.integrity(None)["damages"], json!([]));
}
