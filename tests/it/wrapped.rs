//! Records inside of what a log collector keeps are read as they would be alone.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::Case;

/// A line of a web server.
fn line(number: u32) -> String {
    format!(
        r#"10.0.0.5 - anna [02/Mar/2026:07:00:{number:02} +0000] "POST /invoices/{} HTTP/1.1" 200 15 "-" "curl/8""#,
        4711 + number
    )
}

/// A record in JSON that has no time of its own.
fn span(number: u32) -> Value {
    json!({"traceId": "5bf92f3577b34da6a3ce929d0e0e4736", "spanId": format!("00000000000000a{number}"),
        "name": format!("read invoice {}", 4711 + number), "startTimeUnixNano": "0", "attributes": []})
}

const NUMBERS: std::ops::Range<u32> = 1..4;
const KEPT: &str = "2026-03-02T07:00:50.5Z";

fn jsonl(record: impl Fn(u32) -> Value) -> String {
    NUMBERS.fold(String::new(), |mut all, number| {
        let _ = writeln!(all, "{}", record(number));
        all
    })
}

fn text(record: impl Fn(u32) -> String) -> String {
    NUMBERS.fold(String::new(), |mut all, number| {
        let _ = writeln!(all, "{}", record(number));
        all
    })
}

/// What the events of a dump say, in the order of the dump.
fn events(name: &str, dump: &str, rejects: i32) -> Vec<(String, String, String)> {
    let case = Case::new();
    let path = case.write(name, dump);
    let report = case.ingest(&[], &[&path], i32::from(rejects > 0));
    assert_eq!(report["files"][0]["rejects"], rejects, "{name}: {report}");
    let found = case.output(&[
        "sql",
        "--format",
        "jsonl",
        "select format, action, cast(time as varchar) as time from events order by action",
    ]);
    let rows = found
        .lines()
        .map(|row| serde_json::from_str::<Value>(row).unwrap());
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    rows.map(|row| {
        (
            text(&row, "format"),
            text(&row, "action"),
            text(&row, "time"),
        )
    })
    .collect()
}

#[test]
fn lines_are_read_in_every_wrapper() {
    let alone = events("alone.log", &text(line), 0);
    assert_eq!(alone.len(), 3);
    let cloudwatch =
        |number| json!({"id": "1", "timestamp": 1_772_434_850_500_i64, "message": line(number)});
    let list: Vec<Value> = NUMBERS.map(cloudwatch).collect();
    let column = |number| format!("\"{KEPT}\",\"{}\",a", line(number).replace('"', "\"\""));
    let wrapped = [
        ("docker", jsonl(|n| json!({"log": line(n) + "\n", "stream": "stdout", "time": KEPT}))),
        ("events", json!({"events": list, "searchedLogStreams": []}).to_string()),
        (
            "subscription",
            json!({"messageType": "DATA_MESSAGE", "logGroup": "g", "subscriptionFilters": ["f"], "logEvents": list})
                .to_string(),
        ),
        ("insights", format!("@timestamp,@message,@log\n{}", text(column))),
        ("cri", text(|n| format!("{KEPT} stdout F {}", line(n)))),
        ("rfc3164", text(|n| format!("<134>Mar  2 07:00:50 web1 nginx[12]: {}", line(n)))),
        ("rfc5424", text(|n| format!(r#"<134>1 {KEPT} web1 nginx 8 - [x@1 a="]\"" b="3"] {}"#, line(n)))),
        ("s3", text(|n| format!("{KEPT} {}", line(n)))),
        ("rsyslog", text(|n| format!("{KEPT} web1 nginx[12]: {}", line(n)))),
        ("logs tail", text(|n| format!("{KEPT} app/web/1 {}", line(n)))),
        ("kubectl", text(|n| format!("[pod/web-1/nginx] {}", line(n)))),
        ("compose", text(|n| format!("gateway-1  | {}", line(n)))),
        ("journal", jsonl(|n| json!({"__REALTIME_TIMESTAMP": "1772434850500000", "MESSAGE": line(n)}))),
        ("elastic", jsonl(|n| json!({"_index": "i", "_source": {"@timestamp": KEPT, "message": line(n)}}))),
        ("splunk", jsonl(|n| json!({"preview": false, "result": {"_raw": line(n), "_time": KEPT}}))),
        ("loki", jsonl(|n| json!({"labels": {"app": "web"}, "line": line(n), "timestamp": KEPT}))),
        (
            "loki api",
            json!({"status": "success", "data": {"resultType": "streams", "result": [{"stream": {"app": "web"},
                "values": NUMBERS.map(|n| json!(["1772434850500000000", line(n)])).collect::<Vec<_>>()}]}})
            .to_string(),
        ),
        (
            "Google Cloud Logging",
            jsonl(|n| json!({"insertId": n.to_string(), "logName": "projects/p/logs/web", "timestamp": KEPT,
                "textPayload": line(n)})),
        ),
        (
            "a container in CloudWatch",
            jsonl(|n| json!({"timestamp": 1_772_434_850_500_i64, "message": json!({"log": line(n)}).to_string()})),
        ),
    ];
    for (name, dump) in wrapped {
        assert_eq!(events(name, &dump, 0), alone, "{name}");
    }
}

#[test]
fn what_has_no_time_has_that_of_its_wrapper() {
    let wrapped = [
        jsonl(|n| json!({"timestamp": 1_772_434_850_500_i64, "message": span(n).to_string()})),
        jsonl(|n| json!({"time": KEPT, "event": span(n)})),
        text(|n| format!("{KEPT} stderr F {}", span(n))),
    ];
    for dump in wrapped {
        let found = events("spans", &dump, 0);
        assert_eq!(found.len(), 3);
        for (format, action, time) in found {
            assert_eq!(format, "otlp_json");
            assert!(action.starts_with("read invoice"), "{action}");
            assert!(time.starts_with("2026-03-02 07:00:50.5"), "{time}");
        }
    }
}

#[test]
fn other_lines_of_a_container_are_kept_as_rejects() {
    let mut dump = text(|n| format!("{KEPT} stdout F {}", line(n)));
    let _ = writeln!(dump, "{KEPT} stdout F starting\nno prefix at all");
    assert_eq!(events("mixed", &dump, 2).len(), 3);
}

#[test]
fn what_is_in_no_known_format_stays_unknown() {
    let case = Case::new();
    let dump = jsonl(|n| json!({"level": "info", "message": format!("paid invoice {}", 4711 + n)}));
    let path = case.write("app.jsonl", dump);
    let report = case.ingest(&[], &[&path], 1);
    let problem = report["files"][0]["problem"].as_str().unwrap();
    assert!(problem.starts_with("no format recognised"), "{problem}");
}

#[test]
fn parts_of_a_line_are_put_together() {
    let alone = events("alone.log", &text(line), 0);
    let cri = text(|n| {
        let line = line(n);
        let (first, rest) = line.split_at(30);
        let (second, third) = rest.split_at(20);
        format!("{KEPT} stdout P {first}\n{KEPT} stdout P {second}\n{KEPT} stdout F {third}")
    });
    assert_eq!(events("cri.log", &cri, 0), alone);
    let docker = text(|n| {
        let line = line(n) + "\n";
        let (first, second) = line.split_at(30);
        let part = |log: &str| {
            format!(
                r#"{{"log":{},"stream":"stdout","time":"{KEPT}"}}"#,
                json!(log)
            )
        };
        format!("{}\n{}", part(first), part(second))
    });
    assert_eq!(events("docker.log", &docker, 0), alone);
}

#[test]
fn a_part_without_its_end_takes_no_other_line_with_it() {
    let whole = line(1);
    let dump = format!(
        "{KEPT} stdout P {}\n{KEPT} stderr F {}\n{KEPT} stdout F {}\n{KEPT} stdout F {}\n{KEPT} stdout P {}",
        &whole[..20],
        line(2),
        &whole[20..],
        line(3),
        line(1),
    );
    // Both halves of the first are left out; the last line, without its end, is whole by chance.
    assert_eq!(events("torn.log", &dump, 2).len(), 3);
}

#[test]
fn a_reject_says_that_its_bytes_are_counted_in_what_was_unwrapped() {
    let case = Case::new();
    let mut dump = text(|n| format!("{KEPT} stdout F {}", span(n)));
    let _ = writeln!(dump, "{KEPT} stdout F {}", &span(4).to_string()[..40]);
    let path = case.write("cut.log", &dump);
    case.ingest(&[], &[&path], 1);
    let rejects = case.rejects();
    assert!(rejects.contains("byte 40 of the record"), "{rejects}");
    assert!(
        rejects.contains("counted in what was unwrapped"),
        "{rejects}"
    );
}
