//! What belongs together without sharing an id.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde_json::json;

use crate::Case;

/// Twelve conversations that each change an order's address, the changes in SAP a second later by
/// a clock that is five seconds off, and one that a clerk made.
pub fn logs(case: &Case) -> (std::path::PathBuf, std::path::PathBuf, std::path::PathBuf) {
    let mut chat = String::new();
    let mut headers =
        "MANDANT;OBJECTCLAS;OBJECTID;CHANGENR;USERNAME;UDATE;UTIME;TCODE;CHANGE_IND\n".to_owned();
    let mut rows =
        "MANDANT;OBJECTCLAS;OBJECTID;CHANGENR;TABNAME;TABKEY;FNAME;CHNGIND;VALUE_NEW;VALUE_OLD\n"
            .to_owned();
    let mut change = |number: usize, order: usize, user: &str, seconds: usize, street: &str| {
        headers.push_str(&format!(
            "100;VERKBELEG;{order:010};{number:010};{user};20260302;{:02}{:02}{:02};;U\n",
            8 + seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        ));
        rows.push_str(&format!(
            "100;VERKBELEG;{order:010};{number:010};ADRC;100{order:010};STREET;U;{street};Old\n"
        ));
    };
    for n in 0..12 {
        let (order, seconds) = (4_500_100 + n * 7, n * 47);
        let street = format!("{} Birch Lane", 100 + n);
        let arguments = json!({"order_id": format!("#W{order}"), "street": street}).to_string();
        let record = json!({
            "created_at": format!("2026-03-02T08:{:02}:{:02}Z", seconds / 60, seconds % 60),
            "request": {"model": "m", "messages": [{"role": "user", "content": format!("I moved, number {n}")}]},
            "response": {"id": format!("chatcmpl-{n:010}"), "object": "chat.completion", "created": 1, "model": "m-1",
                "choices": [{"message": {"role": "assistant", "content": null, "tool_calls": [
                    {"id": format!("call_{n:010}"), "type": "function",
                     "function": {"name": "change_address", "arguments": arguments}}]},
                    "finish_reason": "tool_calls"}]},
        });
        chat.push_str(&format!("{record}\n"));
        change(n + 1, order, "AGENT_RFC", seconds + 6, &street);
    }
    change(90, 4_500_135, "CLERK", 700, "1 Elm Street");
    (
        case.write("chat.jsonl", chat),
        case.write("cdhdr.csv", headers),
        case.write("cdpos.csv", rows),
    )
}

fn tasks(case: &Case) -> Vec<(String, String, String)> {
    let text = case.output(&["export", "tasks"]);
    let row = |line: &str| {
        let mut cells = line.split(',').map(str::to_owned);
        let mut cell = || cells.next().unwrap();
        (
            cell().rsplit('/').next().unwrap().to_owned(),
            cell(),
            cell(),
        )
    };
    text.lines().skip(1).map(row).collect()
}

/// Which task a record of a file is in.
fn task_of(case: &Case) -> impl Fn(&str, usize) -> String {
    let tasks = tasks(case);
    move |file, record| {
        let wanted = record.to_string();
        let row = tasks.iter().find(|row| row.0 == file && row.1 == wanted);
        row.unwrap().2.clone()
    }
}

/// A request as a line of Kong's file log; `started` in milliseconds, `size` the bytes of the answer.
fn kong(started: u64, uri: &str, size: usize) -> String {
    let record = json!({"started_at": started, "client_ip": "10.0.0.1",
        "request": {"method": "GET", "uri": uri, "size": 300, "headers": {"host": "gw"}},
        "response": {"status": 200, "size": size, "headers": {}},
        "latencies": {"request": 20, "kong": 1, "proxy": 19}, "service": {"name": "s"}});
    format!("{record}\n")
}

#[test]
fn content_and_time_join_what_ids_do_not() {
    let case = Case::new();
    let (chat, headers, rows) = logs(&case);
    case.ingest(&["--tz", "UTC"], &[&chat, &headers, &rows], 0);
    let of = task_of(&case);
    for n in 1..=12 {
        assert_eq!(of("chat.jsonl", n), of("cdhdr.csv", n), "conversation {n}");
        assert_eq!(of("cdhdr.csv", n), of("cdpos.csv", n));
    }
    let distinct: HashSet<String> = (1..=12).map(|n| of("chat.jsonl", n)).collect();
    assert_eq!(distinct.len(), 12);
    // The clerk changed an order that an agent had changed before, and is in nobody's task.
    assert!(!distinct.contains(&of("cdhdr.csv", 13)));
    let causes = case.output(&["export", "causes"]);
    assert_eq!(causes.lines().count(), 1 + 24, "{causes}");
    // One row of each of the twelve changes; its other row has the change number in common.
    let report = case.output(&["report"]);
    assert!(report.contains("12 events by weighed evidence"), "{report}");
    let shown = case.output(&["timeline", "--order", "4500135", "-v"]);
    assert!(shown.contains("evidence, over 99 % sure"), "{shown}");
}

/// Pairs of conversations at the same second. Each asks for an order by its number, then searches for nothing
/// that its request would tell; how long the result was is all that tells the two searches apart.
/// Seconds after eight as `2026-03-02 08:01:05`.
fn clock(seconds: usize) -> String {
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    format!("2026-03-02 08:{minutes:02}:{seconds:02}")
}

#[test]
fn traces_and_audit_reports_of_other_systems_are_joined_as_well() {
    let case = Case::new();
    let mut traces = String::new();
    let mut report = "Date,User Name,Event Type,Business Object Type,Object Description,Attribute,Old Value,New Value,Product\n".to_owned();
    let mut gateway = String::new();
    let mut save = |seconds: usize, user: &str, order: usize, street: &str| {
        for attribute in ["", "AddressLine1"] {
            let after = if attribute.is_empty() { "" } else { street };
            report.push_str(&format!(
                "{},{user},Object Data Update,Sales Order,Sales Order {order},{attribute},,{after},Orders\n",
                clock(seconds)
            ));
        }
    };
    for n in 0..12 {
        let (order, seconds) = (4_500_100 + n * 7, n * 47);
        let street = format!("{} Birch Lane", 100 + n);
        let at = |later: usize| clock(seconds + later).replace(' ', "T") + "Z";
        let plan = json!({"id": format!("plan-{n}"), "traceId": format!("trace-{n:04}"), "parentObservationId": null,
            "type": "GENERATION", "name": "plan", "startTime": at(0), "endTime": at(1), "model": "m",
            "input": [{"role": "user", "content": format!("I moved, number {n}")}], "output": "ok"});
        let run = json!({"id": format!("run-{n}"), "traceId": format!("trace-{n:04}"), "parentObservationId": format!("plan-{n}"),
            "type": "TOOL", "name": "change_address", "startTime": at(1), "endTime": at(2),
            "input": {"order_id": format!("#W{order}"), "street": street}, "output": {"done": true}});
        traces.push_str(&format!("{plan}\n{run}\n"));
        let request = json!({"time": clock(seconds + 31).replace(' ', "T") + ".250Z", "category": "GatewayLogs",
            "correlationId": format!("c-{n:08}"), "callerIpAddress": "192.0.2.7",
            "properties": {"method": "PATCH", "url": format!("https://orders.example:8443/api/orders/{order}"),
                "responseCode": 204, "requestBody": json!({"street": street}).to_string()}});
        gateway.push_str(&format!("{request}\n"));
        save(seconds + 7, "AGENT", order, &street);
    }
    // A clerk changes an order that an agent has just changed.
    save(9, "CLERK", 4_500_107, "1 Elm Street");
    case.ingest(
        &["--tz", "oracle=UTC"],
        &[
            &case.write("langfuse.jsonl", traces),
            &case.write("fusion.csv", report),
            &case.write("apim.jsonl", gateway),
        ],
        0,
    );
    let task = task_of(&case);
    for n in 0..12 {
        let of = task("langfuse.jsonl", 2 * n + 1);
        for (file, record) in [
            ("langfuse.jsonl", 2 * n + 2),
            ("fusion.csv", 2 * n + 1),
            ("fusion.csv", 2 * n + 2),
            ("apim.jsonl", n + 1),
        ] {
            assert_eq!(task(file, record), of, "{file} {record}");
        }
    }
    assert_eq!(task("fusion.csv", 25), task("fusion.csv", 26));
    assert!((0..12).all(|n| task("langfuse.jsonl", 2 * n + 1) != task("fusion.csv", 25)));
}

#[test]
fn where_a_log_has_no_ends_a_deed_follows_the_answer_and_not_the_question() {
    // Answers take four to sixteen seconds, which the log does not say; each call is made twice, with the same arguments.
    let case = Case::new();
    let (mut log, mut report) = (String::new(), "Date,User Name,Event Type,Business Object Type,Object Description,Attribute,Old Value,New Value,Product\n".to_owned());
    for n in 0..12 {
        let order = 4_500_100 + n * 7;
        let mut seconds = n * 71;
        let mut messages = vec![json!({"role": "user", "content": format!("I moved, number {n}")})];
        for call in 0..3 {
            let used = json!({"type": "tool_use", "id": format!("toolu_{n:08}{call}"), "name": "change_address",
                "input": {"order_id": format!("#W{order}"), "street": format!("{} Birch Lane", 100 + n)}});
            let said = if call < 2 {
                used
            } else {
                json!({"type": "text", "text": "done"})
            };
            let answer = json!({"id": format!("msg_{n:08}{call}"), "type": "message", "role": "assistant", "model": "m", "content": [said]});
            let record = json!({"schemaType": "ModelInvocationLog", "schemaVersion": "1.0",
                "timestamp": clock(seconds).replace(' ', "T") + "Z", "requestId": format!("req-{n:08}{call}"),
                "operation": "InvokeModel", "modelId": "anthropic.m", "requestMetadata": {"conversation_id": format!("conversation-{n}")},
                "input": {"inputBodyJson": {"anthropic_version": "bedrock-2023-05-31", "messages": messages}},
                "output": {"outputBodyJson": answer}});
            log.push_str(&format!("{record}\n"));
            messages.push(json!({"role": "assistant", "content": [answer["content"][0]]}));
            messages.push(json!({"role": "user", "content": [{"type": "tool_result",
                "tool_use_id": format!("toolu_{n:08}{call}"), "content": "ok"}]}));
            if call < 2 {
                seconds += 4 + (n * 5 + call * 7) % 13;
                report.push_str(&format!(
                    "{},AGENT,Object Data Update,Sales Order,Sales Order {order},AddressLine1,,{} Birch Lane,Orders\n",
                    clock(seconds + 30),
                    100 + n
                ));
                seconds += 1;
            }
        }
    }
    case.ingest(
        &["--tz", "oracle=UTC"],
        &[
            &case.write("bedrock.jsonl", log),
            &case.write("fusion.csv", report),
        ],
        0,
    );
    let causes = case.output(&["export", "causes"]);
    for n in 0..12 {
        for call in 1..3 {
            let wanted = format!("bedrock.jsonl,{},", 3 * n + call);
            let effect = format!("fusion.csv,{},", 2 * n + call);
            let found = causes.lines().find(|line| line.contains(&effect));
            assert!(
                found.is_some_and(|line| line.contains(&wanted)),
                "{effect} {found:?}"
            );
        }
    }
}

#[test]
fn requests_that_repeat_their_conversation_are_joined_in_any_vendors_form() {
    // Two conversations of three requests each, side by side, with no id but those of the answers.
    let case = Case::new();
    let (mut gemini, mut responses, mut converse) = (String::new(), String::new(), String::new());
    for step in 0..3 {
        for of in 0..2 {
            let at = format!("2026-03-02T08:00:{:02}Z", step * 10 + of);
            let asks = |step: usize| json!({"order": format!("SO-{of}{step}00")});
            let contents: Vec<_> = std::iter::once(json!({"role": "user", "parts": [{"text": format!("start {of}")}]}))
                .chain((0..step).flat_map(|step| [
                    json!({"role": "model", "parts": [{"text": "let me see"}, {"functionCall": {"name": "look", "args": asks(step)}}]}),
                    json!({"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {"found": step}}}]}),
                ]))
                .collect();
            gemini.push_str(&format!("{}\n", json!({"url": "https://g/v1beta/models/gemini-2.5-pro:generateContent", "timestamp": at,
                "request": {"contents": contents},
                "response": {"responseId": format!("gemini-response-{of}{step}"), "candidates": [{"content": {"role": "model",
                    "parts": [{"text": "let me see"}, {"functionCall": {"name": "look", "args": asks(step)}}]}}]}})));
            let input: Vec<_> = std::iter::once(json!({"role": "user", "content": format!("start {of}")}))
                .chain((0..step).flat_map(|step| [
                    json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "let me see"}]}),
                    json!({"type": "function_call", "call_id": format!("call_{of}{step}"), "name": "look", "arguments": asks(step).to_string()}),
                    json!({"type": "function_call_output", "call_id": format!("call_{of}{step}"), "output": "found"}),
                ]))
                .collect();
            responses.push_str(&format!("{}\n", json!({"timestamp": at, "request": {"model": "m", "input": input},
                "response": {"id": format!("resp_0000000000{of}{step}"), "object": "response", "model": "m", "output": [
                    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "let me see"}]},
                    {"type": "function_call", "id": format!("fc_{of}{step}"), "call_id": format!("call_{of}{step}"), "name": "look", "arguments": asks(step).to_string()}]}})));
            let used = |step: usize| {
                json!({"role": "assistant", "content": [{"text": "let me see"},
                {"toolUse": {"toolUseId": format!("t{of}{step}"), "name": "look", "input": asks(step)}}]})
            };
            let messages: Vec<_> = std::iter::once(json!({"role": "user", "content": [{"text": format!("start {of}")}]}))
                .chain((0..step).flat_map(|step| [
                    used(step),
                    json!({"role": "user", "content": [{"toolResult": {"toolUseId": format!("t{of}{step}"), "content": [{"text": "found"}]}}]}),
                ]))
                .collect();
            converse.push_str(&format!("{}\n", json!({"schemaType": "ModelInvocationLog", "schemaVersion": "1.0", "timestamp": at,
                "requestId": format!("r-{of}{step}-000000"), "operation": "Converse", "modelId": "amazon.nova-pro-v1:0",
                "input": {"inputBodyJson": {"messages": messages}},
                "output": {"outputBodyJson": {"output": {"message": used(step)}, "stopReason": "tool_use"}}})));
        }
    }
    let files = [
        ("gemini.jsonl", gemini),
        ("responses.jsonl", responses),
        ("converse.jsonl", converse),
    ];
    let paths = files.map(|(name, text)| case.write(name, text));
    case.ingest(&[], &paths.each_ref().map(std::path::PathBuf::as_path), 0);
    let task = task_of(&case);
    for file in ["gemini.jsonl", "responses.jsonl", "converse.jsonl"] {
        for record in 3..=6 {
            assert_eq!(
                task(file, record),
                task(file, record - 2),
                "{file} {record}"
            );
        }
        assert_ne!(task(file, 1), task(file, 2), "{file}");
    }
}

#[test]
fn searches_at_one_time_are_told_apart_by_the_bytes_of_their_answers() {
    const WRAPPING: usize = 150;
    let case = Case::new();
    let (mut chat, mut gateway) = (String::new(), String::new());
    let at = |seconds: usize| format!("2026-03-02T08:{:02}:{:02}Z", seconds / 60, seconds % 60);
    let mut send = |seconds: usize, uri: &str, size: usize| {
        let started = 1_772_438_400_000 + (seconds as u64) * 1000;
        gateway.push_str(&kong(started, uri, size));
    };
    for n in 0..16 {
        let start = n / 2 * 97;
        let order = format!("W45{:05}", n * 1913 + 11);
        let found = "x".repeat(400 + n * 37);
        let tools = [
            ("get_order", json!({"order": order})),
            ("search", json!({})),
        ];
        let results = ["ok, it is there", found.as_str()];
        let mut messages = vec![json!({"role": "user", "content": format!("case {n}, please")})];
        for step in 0..3 {
            let call = tools.get(step).map(|(name, arguments)| {
                json!({"id": format!("call_{n:04}{step:06}"), "type": "function",
                    "function": {"name": name, "arguments": arguments.to_string()}})
            });
            let answer = json!({"role": "assistant", "content": if step == 2 { "done" } else { "" },
                "tool_calls": call.iter().collect::<Vec<_>>()});
            let record = json!({"created_at": at(start + step * 10),
                "request": {"model": "m", "messages": messages},
                "response": {"id": format!("chatcmpl-{n:04}{step:06}"), "object": "chat.completion", "created": 1,
                    "model": "m-1", "choices": [{"message": answer, "finish_reason": "stop"}]}});
            chat.push_str(&format!("{record}\n"));
            messages.push(answer);
            if let (Some(call), Some(result)) = (&call, results.get(step)) {
                messages
                    .push(json!({"role": "tool", "tool_call_id": call["id"], "content": result}));
            }
        }
        send(
            start + 2,
            &format!("/orders/{order}"),
            results[0].len() + WRAPPING,
        );
        send(start + 12, "/search", found.len() + WRAPPING);
    }
    let chat = case.write("chat.jsonl", chat);
    let gateway = case.write("kong.jsonl", gateway);
    case.ingest(&[], &[&chat, &gateway], 0);
    let of = task_of(&case);
    for n in 0..16 {
        let task = of("chat.jsonl", n * 3 + 1);
        assert_eq!(task, of("kong.jsonl", n * 2 + 1), "order of {n}");
        assert_eq!(task, of("kong.jsonl", n * 2 + 2), "search of {n}");
    }
}

#[test]
fn requests_on_their_way_are_told_apart_by_the_bytes_they_write() {
    let case = Case::new();
    let (mut chat, mut gateway) = (String::new(), String::new());
    let mut system =
        "EVENT_TYPE,TIMESTAMP_DERIVED,REQUEST_ID,URI,METHOD,STATUS_CODE,REQUEST_SIZE,RESPONSE_SIZE\n"
            .to_owned();
    // Four tasks at a time make a record each, at one address; the system writes its log as the requests are done.
    let place = |n: usize| n / 4 * 4 + (n % 4 + 1 + n / 4) % 4;
    for n in 0..24 {
        let call = format!("call_{n:012}");
        let at = |n: usize, later: usize| {
            let millis = n / 4 * 31_000 + n % 4 * 40 + later;
            format!(
                "2026-03-02T08:{:02}:{:02}.{:03}Z",
                millis / 60_000,
                millis / 1000 % 60,
                millis % 1000
            )
        };
        let record = json!({"created_at": at(n, 0),
            "request": {"model": "m", "messages": [{"role": "user", "content": format!("complaint {n}")}]},
            "response": {"id": format!("chatcmpl-{n:010}"), "object": "chat.completion", "created": 1, "model": "m-1",
                "choices": [{"message": {"role": "assistant", "content": "", "tool_calls": [{"id": call, "type": "function",
                    "function": {"name": "create_request", "arguments": "{}"}}]}, "finish_reason": "tool_calls"}]}});
        chat.push_str(&format!("{record}\n"));
        let size = 640 + n * 17;
        let record = json!({"start_time": at(n, 300), "method": "POST", "path": "/services/data/v60.0/sobjects/Request__c",
            "protocol": "HTTP/1.1", "response_code": 201, "bytes_received": size, "bytes_sent": 163, "duration": 20,
            "x_tool_call_id": call});
        gateway.push_str(&format!("{record}\n"));
        system.push_str(&format!(
            "RestApi,{},req{n:019},/services/data/v60.0/sobjects/Request__c,POST,201,{size},45\n",
            at(place(n), 400)
        ));
    }
    let chat = case.write("chat.jsonl", chat);
    let gateway = case.write("envoy.jsonl", gateway);
    let system = case.write("elf.csv", system);
    case.ingest(&[], &[&chat, &gateway, &system], 0);
    let of = task_of(&case);
    for n in 1..=24 {
        assert_eq!(of("chat.jsonl", n), of("envoy.jsonl", n), "gateway {n}");
        assert_eq!(of("chat.jsonl", n), of("elf.csv", n), "system {n}");
    }
    let shown = case.output(&["explain", "elf.csv:3"]);
    assert!(shown.contains("value request of 674 bytes"), "{shown}");
}

/// One span as a line of OTLP JSON; `start` in milliseconds.
fn span(
    service: &str,
    trace: usize,
    id: usize,
    start: u64,
    length: u64,
    attributes: &[(&str, &str)],
) -> String {
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let attributes: Vec<_> = attributes
        .iter()
        .map(|(key, value)| text(key, value))
        .collect();
    let span = json!({"traceId": format!("{trace:032x}"), "spanId": format!("{id:016x}"), "name": service,
        "kind": 1, "startTimeUnixNano": (start * 1_000_000).to_string(),
        "endTimeUnixNano": ((start + length) * 1_000_000).to_string(),
        "attributes": attributes, "status": {}});
    let export = json!({"resourceSpans": [{"resource": {"attributes": [text("service.name", service)]},
        "scopeSpans": [{"scope": {"name": "genai"}, "spans": [span]}]}]});
    format!("{export}\n")
}

/// Tools that ran without their arguments on record, a third of a second apart: the clock of the gateway, which the
/// runs with arguments show, tells whose request is whose.
#[test]
fn silent_runs_are_told_apart_by_an_exact_clock() {
    const BEHIND: u64 = 41_700;
    let case = Case::new();
    let (mut spans, mut gateway) = (String::new(), String::new());
    for n in 0..24usize {
        let is_silent = n % 4 > 1;
        let start = 1_772_438_400_000 + (n / 2) as u64 * 61_000 + (n % 2) as u64 * 330;
        let order = format!("W45{:05}", n * 1913 + 11);
        let arguments = json!({"order": order}).to_string();
        let mut attributes = vec![
            ("gen_ai.operation.name", "execute_tool"),
            ("gen_ai.tool.name", "get_order"),
        ];
        let uri = if is_silent {
            "/lookup".to_owned()
        } else {
            attributes.push(("gen_ai.tool.call.arguments", arguments.as_str()));
            format!("/orders/{order}")
        };
        let chat = [
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.request.model", "m"),
        ];
        spans.push_str(&span("agent", n + 1, 2 * n + 1, start - 900, 800, &chat));
        spans.push_str(&span("worker", n + 1, 2 * n + 2, start, 150, &attributes));
        let started = start + BEHIND + 20 + (n as u64 * 7) % 13;
        gateway.push_str(&kong(started, &uri, 512));
    }
    let spans = case.write("spans.jsonl", spans);
    let gateway = case.write("kong.jsonl", gateway);
    case.ingest(&[], &[&spans, &gateway], 0);
    let of = task_of(&case);
    for n in 0..24 {
        assert_eq!(
            of("spans.jsonl", 2 * n + 2),
            of("kong.jsonl", n + 1),
            "run {n}"
        );
    }
}

/// Runs of tools that nobody on record has asked for: agents whose models are not logged worked beside those that are, with the
/// same tools and as fast, on orders of their own.
#[test]
fn what_ran_without_having_been_asked_for_is_in_no_task() {
    let case = Case::new();
    let (mut chat, mut spans) = (String::new(), String::new());
    for n in 0..48usize {
        let millis = n / 2 * 13_000 + n % 2 * 500;
        let start = 1_772_438_400_000 + millis as u64;
        let is_logged = n % 2 == 0;
        let order = format!("W45{:05}", n * 1913 + 11);
        let arguments = json!({"order": order}).to_string();
        if is_logged {
            let at = format!(
                "2026-03-02T08:{:02}:{:02}.{:03}Z",
                millis / 60_000,
                millis / 1000 % 60,
                millis % 1000
            );
            let record = json!({"created_at": at,
                "request": {"model": "m", "messages": [{"role": "user", "content": format!("where is it, case {n}")}]},
                "response": {"id": format!("chatcmpl-{n:010}"), "object": "chat.completion", "created": 1, "model": "m-1",
                    "choices": [{"message": {"role": "assistant", "content": "", "tool_calls": [{"id": format!("call_{n:012}"),
                        "type": "function", "function": {"name": "get_order", "arguments": arguments}}]},
                        "finish_reason": "tool_calls"}]}});
            chat.push_str(&format!("{record}\n"));
        }
        let attributes = [
            ("gen_ai.operation.name", "execute_tool"),
            ("gen_ai.tool.name", "get_order"),
            ("gen_ai.tool.call.arguments", arguments.as_str()),
        ];
        // A run follows a logged answer by a tenth of a second, its own or not.
        let begun = start + 100 - if is_logged { 0 } else { 450 };
        spans.push_str(&span("worker", n + 1, n + 1, begun, 50, &attributes));
    }
    let chat = case.write("chat.jsonl", chat);
    let spans = case.write("spans.jsonl", spans);
    case.ingest(&[], &[&chat, &spans], 0);
    let of = task_of(&case);
    let logged: HashSet<String> = (1..=24).map(|n| of("chat.jsonl", n)).collect();
    for n in 0..48 {
        let task = of("spans.jsonl", n + 1);
        match n % 2 {
            0 => assert_eq!(task, of("chat.jsonl", n / 2 + 1), "run {n}"),
            _ => assert!(!logged.contains(&task), "run {n}"),
        }
    }
}

#[test]
fn the_order_of_ingest_does_not_matter() {
    let mut results = Vec::new();
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let case = Case::new();
        let (chat, headers, rows) = logs(&case);
        let files = [&chat, &headers, &rows];
        for at in order {
            case.ingest(&["--tz", "UTC"], &[files[at]], 0);
        }
        results.push((
            tasks(&case),
            case.output(&["export", "causes"]).lines().count(),
        ));
    }
    assert_eq!(results[0], results[1]);
    assert_eq!(results[0], results[2]);
}

#[test]
fn a_threshold_that_is_none_is_refused() {
    let case = Case::new();
    let (chat, ..) = logs(&case);
    case.ingest(&[], &[&chat], 0);
    case.write("store/trail.toml", "[stitch]\nthreshold = 1.5\n");
    case.trail().args(["timeline"]).assert().code(2);
}

type Record = (String, usize);

fn truth(path: &Path) -> HashMap<Record, String> {
    let text = std::fs::read_to_string(path).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        (
            (cells[0].to_owned(), cells[1].parse().unwrap()),
            cells[2].to_owned(),
        )
    };
    text.trim_start_matches('\u{feff}')
        .lines()
        .skip(1)
        .map(row)
        .collect()
}

/// Precision and recall over pairs of records, as the data's own scorer counts them.
fn pairs(truth: &HashMap<Record, String>, found: &HashMap<Record, String>) -> (f64, f64) {
    let (mut both, mut together, mut belong) = (0u32, 0u32, 0u32);
    let records: Vec<&Record> = truth.keys().collect();
    for (at, a) in records.iter().enumerate() {
        for b in &records[at + 1..] {
            let same_truth = truth[*a] == truth[*b];
            let same_found = found.contains_key(*a) && found.get(*a) == found.get(*b);
            let own = same_truth && !truth[*a].starts_with('T');
            belong += u32::from(same_truth && !own);
            together += u32::from(same_found && !own);
            both += u32::from(same_truth && same_found && !own);
        }
    }
    (
        f64::from(both) / f64::from(together),
        f64::from(both) / f64::from(belong),
    )
}

#[test]
fn labelled_logs_are_joined_as_they_should() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/stitch-dev");
    if !data.is_dir() {
        println!("no labelled logs at {}: nothing checked", data.display());
        return;
    }
    for (preset, least) in [("easy", 0.999), ("medium", 0.98)] {
        let case = Case::new();
        let logs = data.join(preset).join("logs");
        case.ingest(&["--tz", "sap=Europe/Berlin"], &[&logs], 0);
        let truth = truth(&data.join(preset).join("truth.csv"));
        let found = tasks(&case)
            .into_iter()
            .map(|(file, record, task)| ((file, record.parse().unwrap()), task))
            .collect();
        let (precision, recall) = pairs(&truth, &found);
        let f1 = 2.0 * precision * recall / (precision + recall);
        assert!(precision >= 0.995, "{preset}: precision {precision}");
        assert!(f1 >= least, "{preset}: F1 {f1}");
    }
}

#[test]
fn a_link_is_explained_with_its_weights_and_what_came_second() {
    let case = Case::new();
    let (chat, headers, rows) = logs(&case);
    case.ingest(&["--tz", "UTC"], &[&chat, &headers, &rows], 0);
    let text = case.output(&["explain", "cdhdr.csv:3", "--format", "json"]);
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    let weighed = found["steps"]
        .as_array()
        .unwrap()
        .iter()
        .find(|step| step["rule"] == "weighed")
        .expect("a step by evidence");
    let best = &weighed["weighed"]["best"];
    assert_eq!(weighed["weighed"]["taken"], true);
    assert!(
        best[0]["evidence"]
            .as_str()
            .unwrap()
            .contains("chat.jsonl, record 3")
    );
    let values = best[1]["values"].to_string();
    assert!(
        values.contains("102 birch lane") && values.contains("4500114"),
        "{values}"
    );
    let sum: f64 = ["content", "route", "object", "time", "actor", "prior"]
        .iter()
        .map(|part| best[1][part].as_f64().unwrap())
        .sum();
    assert!((sum - best[1]["bits"].as_f64().unwrap()).abs() < 0.05);
    let clerk = case.output(&["explain", "cdhdr.csv:13", "--format", "json"]);
    let clerk: serde_json::Value = serde_json::from_str(&clerk).unwrap();
    let weighed = &clerk["steps"][0]["weighed"];
    assert_eq!(weighed["taken"], false);
    assert!(
        weighed["runner_up"][1]["bits"].as_f64() < weighed["best"][1]["bits"].as_f64(),
        "{weighed}"
    );

    let narrow = case
        .trail()
        .env("COLUMNS", "80")
        .args(["explain", "cdhdr.csv:3"])
        .output();
    let narrow = String::from_utf8(narrow.unwrap().stdout).unwrap();
    assert!(
        narrow.contains("joined by the same transaction"),
        "{narrow}"
    );
    let wide = narrow.lines().find(|line| line.chars().count() > 80);
    assert_eq!(wide, None);

    let clerk = case.output(&["explain", "cdhdr.csv:13"]);
    assert!(clerk.contains("joined to nothing"), "{clerk}");
    let known = case
        .trail()
        .args(["explain", "cdhdr.csv:99"])
        .output()
        .unwrap();
    assert_eq!(known.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&known.stderr).contains("no event `cdhdr.csv:99`"));
}

#[test]
fn stitch_says_by_what_records_were_joined_and_what_was_left() {
    let case = Case::new();
    let (chat, headers, rows) = logs(&case);
    case.ingest(&["--tz", "UTC"], &[&chat, &headers, &rows], 0);
    let text = case.output(&["stitch", "--format", "json"]);
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(found["joined"]["value"], 12, "{text}");
    assert_eq!(found["unlinked_writes"], json!({"sap  CLERK": 2}));
    let clock = found["clocks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|clock| {
            clock["from"] == "openai_chat" && clock["to"] == "sap_cdpos" && clock["pairs"] == 12
        })
        .expect("a clock that twelve pairs show");
    assert!((clock["offset"].as_f64().unwrap() - 6.0).abs() < 0.5);
    let strict = case.output(&["stitch", "--threshold", "0.999999", "--format", "json"]);
    let strict: serde_json::Value = serde_json::from_str(&strict).unwrap();
    assert_ne!(strict["joined"]["value"], 12);
    let wrong = case
        .trail()
        .args(["stitch", "--threshold", "7"])
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2));
}
