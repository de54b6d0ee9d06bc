//! The traps of real exports, one test each: what a reader gets wrong that has seen only the vendor's
//! document. What is asked of each is the fact an investigator would rely on.

mod business;
mod databases;
mod gateways;
mod general;
mod models;
mod salesforce;
mod sap;

use serde_json::{Value, json};

use crate::Case;

/// What came of some dumps.
struct Taken {
    case: Case,
    report: Value,
    /// In the order of the timeline's table: time, then file order. With their keys as `kind:value`.
    events: Vec<Value>,
}

impl Taken {
    /// Of dumps by name.
    fn of(dumps: &[(&str, &[u8])], arguments: &[&str]) -> Self {
        let case = Case::new();
        for (name, bytes) in dumps {
            case.write(&format!("dumps/{name}"), bytes);
        }
        let output = case
            .trail()
            .args(["ingest", "--format", "json"])
            .args(arguments)
            .arg(case.path("dumps"))
            .output()
            .unwrap();
        let report = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        let (mut events, mut keys) = (Vec::new(), Vec::new());
        if case.path("store").is_dir() {
            let sql = |query: &str| {
                let rows = case.json(&["sql", "--format", "json", query]);
                rows.as_array().unwrap().clone()
            };
            events = sql("select * from events order by time, file, ordinal, part");
            keys = sql("select batch, row, kind, value from keys order by kind, value");
        }
        for event in &mut events {
            let own = keys
                .iter()
                .filter(|key| key["batch"] == event["batch"] && key["row"] == event["row"]);
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let own: Vec<String> = own
                .map(|key| text(&key["kind"]) + ":" + &text(&key["value"]))
                .collect();
            event["keys"] = json!(own);
        }
        Self {
            case,
            report,
            events,
        }
    }

    /// Of one dump in lines.
    fn text(name: &str, lines: &[&str], arguments: &[&str]) -> Self {
        Self::of(&[(name, (lines.join("\n") + "\n").as_bytes())], arguments)
    }

    /// Of one dump of JSON lines.
    fn lines(name: &str, records: &[Value], arguments: &[&str]) -> Self {
        let lines: Vec<String> = records.iter().map(Value::to_string).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        Self::text(name, &lines, arguments)
    }

    /// The number of events, and that nothing was left out.
    fn whole(&self, events: usize) -> &Self {
        assert_eq!(self.events.len(), events, "{:#?}", self.events);
        assert_eq!(self.rejects(), "", "{}", self.rejects());
        self
    }

    /// The texts of what was left out.
    fn rejects(&self) -> String {
        let all = self.case.rejects();
        let lines = all.lines().filter(|line| line.contains(": record "));
        lines.map(|line| line.to_owned() + "\n").collect()
    }

    /// Columns of an event. A text that ends in `…` is the beginning; of lists each element is there.
    fn has(&self, at: usize, expected: Value) -> &Self {
        let event = &self.events[at];
        for (name, value) in expected.as_object().unwrap() {
            assert!(
                fits(&event[name], value),
                "{name} of event {at} is {}, not {value}:\n{event:#}",
                event[name]
            );
        }
        self
    }

    /// Where a note of an event has those words.
    fn noted(&self, at: usize, words: &str) -> &Self {
        let event = &self.events[at];
        let notes = event["notes"].to_string();
        assert!(notes.contains(words), "no note {words:?}:\n{event:#}");
        self
    }
}

fn fits(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::String(found), Value::String(expected)) => match expected.strip_suffix('…') {
            Some(beginning) => found.starts_with(beginning),
            None => found == expected,
        },
        (Value::Array(found), Value::Array(expected)) => expected
            .iter()
            .all(|one| found.iter().any(|other| fits(other, one))),
        (Value::Object(found), Value::Object(expected)) => expected
            .iter()
            .all(|(name, value)| fits(found.get(name).unwrap_or(&Value::Null), value)),
        _ => found == expected,
    }
}
