//! What the help and the tutorial tell to type does what they say.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::{Case, project};

/// The words of a command line as a shell cuts it: blanks, and quotes around words with blanks.
pub fn words_of(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for sign in line.chars() {
        match (sign, quote) {
            (sign, Some(open)) if sign == open => quote = None,
            ('"' | '\'', None) => quote = Some(sign),
            (' ', None) => words.push(String::new()),
            _ => words.iter_mut().last().unwrap().push(sign),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in walkdir::WalkDir::new(from).into_iter().map(Result::unwrap) {
        let below = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(&below).unwrap();
        } else {
            std::fs::copy(entry.path(), &below).unwrap();
        }
    }
}

/// A folder in which somebody works.
struct Desk {
    case: Case,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { case: Case::new() };
        copy(&project("fixtures/invoice-4711"), &desk.case.path("dumps"));
        desk
    }

    /// Runs a command line; `NAME=value` before it sets the environment.
    fn run(&self, line: &str, store: &Path, stdin: Option<&str>) -> Output {
        let mut words = words_of(line);
        let mut command = Command::new(env!("CARGO_BIN_EXE_trail"));
        command
            .current_dir(self.case.path(""))
            .env("TRAIL_STORE", store)
            .env("COLUMNS", "160")
            .env_remove("RUST_BACKTRACE");
        while let Some((name, value)) = words[0].split_once('=') {
            command.env(name, value);
            words.remove(0);
        }
        assert_eq!(words.remove(0), "trail", "{line}");
        command
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut to = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut to, stdin.unwrap_or_default().as_bytes()).unwrap();
        drop(to);
        child.wait_with_output().unwrap()
    }
}

/// Whether a line of output has the parts of an expected one in order; `…` stands for anything.
fn is_like(line: &str, expected: &str) -> bool {
    let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = squeeze(line);
    let mut rest = line.as_str();
    for part in expected
        .split('…')
        .map(squeeze)
        .filter(|part| !part.is_empty())
    {
        match rest.find(&part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[test]
fn the_tutorial_runs_as_it_is_written() {
    let desk = Desk::new();
    let store = desk.case.path("store");
    let text = std::fs::read_to_string(project("docs/tutorial.md")).unwrap();
    let mut blocks = 0;
    let mut commands = 0;
    for block in text.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        blocks += 1;
        let mut lines = block.lines().peekable();
        while let Some(line) = lines.next() {
            let command = line
                .strip_prefix("$ ")
                .expect("a block begins with a command");
            commands += 1;
            let output = desk.run(command, &store, None);
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let error = String::from_utf8_lossy(&output.stderr);
            assert_ne!(output.status.code(), Some(2), "{command}: {error}");
            let mut said = said.lines();
            while let Some(expected) = lines.next_if(|line| !line.starts_with("$ ")) {
                assert!(
                    said.any(|line| is_like(line, expected)),
                    "`{command}` does not say `{expected}` behind what stands before it"
                );
            }
        }
    }
    assert!(blocks > 5 && commands > 15, "{blocks} {commands}");
    // What legal gets can be opened and holds the page, the records and the proof.
    let bundle = std::fs::File::open(desk.case.path("invoice-4711.zip")).unwrap();
    let archive = zip::ZipArchive::new(bundle).unwrap();
    let names: BTreeSet<String> = archive
        .file_names()
        .map(|name| name.unwrap().into_owned())
        .collect();
    assert!(
        names.iter().any(|name| name.starts_with("records/")),
        "{names:?}"
    );
    for name in ["timeline.html", "proof.json", "report.md"] {
        assert!(names.contains(name), "{name} in {names:?}");
    }
}

/// Examples of a command and all below it.
fn examples(command: &clap::Command, found: &mut Vec<String>) {
    let help = command
        .get_after_long_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let lines = help
        .lines()
        .filter(|line| line.trim().starts_with("trail ") || line.contains(" trail "));
    let own: Vec<String> = lines.map(|line| line.trim().to_owned()).collect();
    assert!(
        own.len() >= 2,
        "{} has {} examples",
        command.get_name(),
        own.len()
    );
    found.extend(own);
    for sub in command.get_subcommands() {
        examples(sub, found);
    }
}

#[test]
fn every_example_of_the_help_runs() {
    let command = <trail::cli::Cli as clap::CommandFactory>::command();
    let mut all = Vec::new();
    for sub in command.get_subcommands() {
        examples(sub, &mut all);
    }
    let mut seen = BTreeSet::new();
    all.retain(|example| seen.insert(example.clone()));
    assert!(all.len() > 60, "{}", all.len());

    let desk = Desk::new();
    let case = &desk.case;
    let (store, protected, fresh) = (
        case.path("store"),
        case.path("protected"),
        case.path("fresh"),
    );
    let run = |line: &str, store: &Path| {
        let output = desk.run(line, store, None);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_ne!(output.status.code(), Some(2), "{line}: {error}");
        String::from_utf8(output.stdout).unwrap()
    };
    // The desk as it is when somebody has worked for a while.
    for name in ["cdhdr", "cdpos"] {
        std::fs::copy(
            case.path(&format!("dumps/sap_{name}.csv")),
            case.path(&format!("{name}.csv")),
        )
        .unwrap();
    }
    copy(&project("policies/baseline"), &case.path("rules"));
    copy(&project("policies/baseline"), &case.path("policies/2027"));
    case.write("rules/own.yml", "title: Mine\nid: my-rule\nlogsource: {product: trail}\ndetection:\n  selection: {kind: write}\n  condition: selection\n");
    case.write(
        "audit.csv",
        "when,who,what\n2026-03-02T07:00:00Z,anna,opened\n2026-03-02T07:01:00Z,anna,saved\n",
    );
    case.write("audit.jsonl", "{\"when\": \"2026-03-02T07:00:00Z\", \"who\": \"anna\"}\n{\"when\": \"2026-03-02T07:01:00Z\", \"who\": \"bert\"}\n");
    let draft = run("trail sources new --name pricing audit.csv", &store);
    case.write("pricing.toml", draft);
    run("trail ingest --tz sap=Europe/Berlin dumps/", &store);
    case.write("store/trail.toml", "[[retain]]\ndays = 36500\n");
    for name in ["2026-10.checkpoint", "last-month.checkpoint", "pinned"] {
        run(&format!("trail seal pin {name}"), &store);
    }
    run(
        "trail seal key trail.key --name audit.example.org/trail",
        &store,
    );
    let pub_key = |role: &str| {
        run(&format!("trail access key --output {role}.key"), &protected)
            .lines()
            .next()
            .unwrap()
            .to_owned()
    };
    let me = pub_key("me");
    let mine = std::fs::read(case.path("me.key")).unwrap();
    let roles = format!(
        "[roles.auditor]\nrecipients = [\"{me}\"]\nmay = [\"look-up\", \"contents\"]\n[roles.investigator]\n[roles.officer]\nrecipients = [\"{me}\"]\nmay = [\"look-up\", \"contents\", \"reveal\"]\n"
    );
    case.write("protected/trail.toml", &roles);
    run("trail access protect", &protected);
    let mail = case.write(
        "mail.jsonl",
        crate::chat(1).replace("invoice 5001", "write to anna.meier@example.org") + "\n",
    );
    let ingested = run(
        &format!(
            "trail ingest --identity me.key --format json {}",
            mail.display()
        ),
        &protected,
    );
    let batch = serde_json::from_str::<serde_json::Value>(&ingested).unwrap()["batch"]
        .as_str()
        .unwrap()
        .to_owned();
    let tasks = run("trail timeline --invoice 4711 --format json", &store);
    let tasks: serde_json::Value = serde_json::from_str(&tasks).unwrap();
    let task = tasks["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .max_by_key(|task| task["lines"].as_array().unwrap().len())
        .unwrap();
    let event = task["lines"][14]["events"][0].as_str().unwrap();
    let here = case.path("").display().to_string();
    let with_names = |line: &str| {
        let named = [
            ("b9d0c7", &task["id"].as_str().unwrap()[..10]),
            ("9c1d22", &task["id"].as_str().unwrap()[..10]),
            ("3f9ac2d41b", &event[..12]),
            ("8987a1da752d475a", &batch),
            ("/mnt/audit/", &here),
            ("/safe/", &here),
            ("/evidence/case-17", "fresh-too"),
            ("/var/lib/trail", "store"),
            ("~/trail.key", "me.key"),
            ("officer.key", "me.key"),
        ];
        named
            .iter()
            .fold(line.to_owned(), |line, (from, to)| line.replace(from, to))
    };
    case.write("fresh-too/trail.toml", &roles);
    let question = "{\"kind\": \"read\", \"actor\": \"agent\", \"actor_type\": \"agent\", \"action\": \"read\"}";
    let mut wrong = Vec::new();
    for example in &all {
        let line = with_names(example);
        let words: Vec<String> = words_of(&line)
            .into_iter()
            .skip_while(|word| word.contains('='))
            .collect();
        let place: PathBuf = match (words[1].as_str(), words.get(2).map(String::as_str)) {
            ("access", Some("protect")) => {
                case.write("fresh/trail.toml", &roles);
                let _ = std::fs::remove_dir_all(case.path("fresh/access"));
                fresh.clone()
            }
            ("access", Some("key")) => {
                // It never writes over a key.
                std::fs::remove_file(case.path("me.key")).unwrap();
                protected.clone()
            }
            ("access" | "erase", Some(_)) => protected.clone(),
            _ => store.clone(),
        };
        if words[1] == "seal" && words[2] == "key" {
            for end in ["", ".pub"] {
                let _ = std::fs::remove_file(format!("{}{end}", case.path(&words[3]).display()));
            }
        }
        let stdin = words.iter().any(|word| word == "gate").then_some(question);
        let line = if words[1] == "erase" {
            format!("{line} --identity me.key")
        } else {
            line
        };
        let output = desk.run(&line, &place, stdin);
        std::fs::write(case.path("me.key"), &mine).unwrap();
        if !matches!(output.status.code(), Some(0 | 1 | 3)) {
            wrong.push(format!(
                "{example}: {}",
                String::from_utf8_lossy(&output.stderr)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn mistyped_names_are_met_with_what_may_be_meant() {
    let case = Case::demo();
    for (arguments, meant) in [
        (
            &["search", "--kind", "aproval"][..],
            "did you mean `approval`?",
        ),
        (
            &["ingest", "--input-format", "openai_chats", "x"][..],
            "did you mean `openai_chat`?",
        ),
        (&["timelin"][..], "'timeline'"),
        (&["timeline", "--invoce", "1"][..], "'--invoice'"),
    ] {
        let output = case.trail().args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2));
        assert!(said.contains(meant), "{said}");
    }
}

#[test]
fn quiet_and_colour_are_habits_of_every_command() {
    let case = Case::new();
    let dump = case.write("a.jsonl", crate::chat(1) + "\n");
    let dump = dump.to_str().unwrap();
    assert_eq!(case.output(&["-q", "ingest", dump]), "");
    let plain = case.output(&["search", "5001"]);
    assert!(!plain.contains('\u{1b}'));
    let always = case.output(&["search", "5001", "--color", "always"]);
    assert!(always.contains('\u{1b}'));
    // Quiet or not, what was left out is said.
    let bad = case.write("b.jsonl", crate::chat(2) + "\n{\"created_at\": \n");
    let output = case
        .trail()
        .args(["-q", "ingest", bad.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 left out"));
}
