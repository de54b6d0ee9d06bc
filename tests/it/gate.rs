//! The gate: one question, one answer in the caller's protocol, one line in the journal.

use serde_json::{Value, json};

use crate::Case;

/// Asks; gives the exit code and the answer.
fn ask(case: &Case, question: &Value) -> (i32, Value) {
    let output = case
        .trail()
        .arg("gate")
        .write_stdin(question.to_string())
        .output()
        .unwrap();
    let answer = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        panic!("{}", String::from_utf8_lossy(&output.stderr));
    });
    (output.status.code().unwrap(), answer)
}

fn journal(case: &Case) -> Vec<Value> {
    lines(case, "decisions")
}

fn lines(case: &Case, name: &str) -> Vec<Value> {
    std::fs::read_to_string(case.path(&format!("store/gate/{name}.jsonl")))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn an_ask_is_resolved_by_a_person() {
    let case = Case::demo();
    let call = json!({"type": "tool_use", "id": "toolu_gate0001", "name": "update_invoice",
        "input": {"invoice_id": "9001", "amount": "900.00"}});
    let (code, first) = ask(&case, &call);
    assert_eq!((code, &first["decision"]), (3, &json!("ask")));
    assert_eq!(first["rules"][0]["rule"], "trail-001");
    assert_eq!(first["message"]["tool_use_id"], "toolu_gate0001");
    assert_eq!(journal(&case)[0]["id"], first["id"]);

    let approval = json!({"approval": {"decision": first["id"], "by": "m.weber", "granted": true}});
    assert_eq!(ask(&case, &approval).0, 0);
    let (code, second) = ask(&case, &call);
    assert_eq!(
        (code, &second["decision"]),
        (0, &json!("allow")),
        "{second}"
    );
    // Another amount is another action.
    let mut other = call.clone();
    other["input"]["amount"] = json!("901.00");
    assert_eq!(ask(&case, &other).1["decision"], "ask");

    let refusal = json!({"approval": {"decision": first["id"], "by": "c.lead", "granted": false}});
    ask(&case, &refusal);
    let (code, third) = ask(&case, &call);
    assert_eq!((code, &third["decision"]), (1, &json!("deny")));
    assert!(third["reason"].as_str().unwrap().contains("c.lead refused"));
    assert_eq!(journal(&case).len(), 4);
    assert_eq!(lines(&case, "approvals").len(), 2);
    let unknown = json!({"approval": {"decision": "none", "by": "c.lead", "granted": true}});
    let output = case
        .trail()
        .arg("gate")
        .write_stdin(unknown.to_string())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn each_caller_is_answered_in_its_protocol() {
    let case = Case::demo();
    let arguments = json!({"invoice_id": "9001", "amount": "900.00"});
    let hook = json!({"hook_event_name": "PreToolUse", "session_id": "s-1", "tool_name": "mcp__erp__update_invoice", "tool_input": arguments});
    let (code, answer) = ask(&case, &hook);
    assert_eq!(
        (code, &answer["hookSpecificOutput"]["permissionDecision"]),
        (0, &json!("ask"))
    );
    let request = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "update_invoice", "arguments": arguments}});
    let (code, answer) = ask(&case, &request);
    assert_eq!(
        (code, &answer["id"], &answer["result"]["isError"]),
        (3, &json!(7), &json!(true))
    );
    let request = json!({"jsonrpc": "2.0", "id": 8, "method": "tools/call", "params": {"name": "get_invoice", "arguments": {"invoice_id": "9001"}}});
    assert_eq!(ask(&case, &request), (0, request));
    let call = json!({"id": "call_gate0001", "type": "function", "function": {"name": "update_invoice", "arguments": arguments.to_string()}});
    let (code, answer) = ask(&case, &call);
    assert_eq!((code, &answer["message"]["role"]), (3, &json!("tool")));
    let event = json!({"kind": "approval", "actor": "billing-agent", "actor_type": "agent", "object": "9001"});
    assert_eq!(ask(&case, &event).1["rules"][0]["rule"], "trail-014");
}

#[test]
fn the_task_so_far_counts() {
    let case = Case::demo();
    // A task in which somebody has refused already.
    let verdict = case.json(&["verify", "--format", "json"]);
    let refused = verdict["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["rule"] == "trail-012")
        .unwrap();
    let task = refused["task"].as_str().unwrap();
    let timeline = case.json(&["timeline", "--task", task, "-v", "--format", "json"]);
    let key = timeline["tasks"][0]["lines"]
        .as_array()
        .unwrap()
        .iter()
        .find_map(|line| line["link"].as_str()?.strip_prefix("trace="))
        .expect("a trace")
        .to_owned();
    let event = json!({"kind": "write", "outcome": "ok", "actor": "x", "actor_type": "agent", "trace_id": key});
    let (code, answer) = ask(&case, &event);
    assert_eq!((code, &answer["decision"]), (1, &json!("deny")), "{answer}");
    assert_eq!(answer["task"], task);
    assert_eq!(answer["rules"][0]["rule"], "trail-012");
    // The same deed elsewhere is another matter.
    let mut elsewhere = event;
    elsewhere["trace_id"] = json!("0123456789abcdef0123456789abcdef");
    assert_ne!(ask(&case, &elsewhere).1["decision"], "deny");
}

#[test]
fn without_a_store_it_fails_closed_or_as_configured() {
    let case = Case::new();
    let hook = json!({"hook_event_name": "PreToolUse", "session_id": "s", "tool_name": "Read", "tool_input": {}});
    let (code, answer) = ask(&case, &hook);
    assert_eq!(
        (code, &answer["hookSpecificOutput"]["permissionDecision"]),
        (0, &json!("deny"))
    );
    case.write("store/trail.toml", "[gate]\non_error = \"allow\"\n");
    let (code, answer) = ask(&case, &hook);
    assert_eq!(
        (code, &answer["hookSpecificOutput"]["permissionDecision"]),
        (0, &json!("allow"))
    );
    let output = case
        .trail()
        .arg("gate")
        .write_stdin("no json")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_journal_that_a_crash_cut_goes_on() {
    let case = Case::demo();
    let event = json!({"kind": "read", "outcome": "ok"});
    ask(&case, &event);
    let path = case.path("store/gate/decisions.jsonl");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("{\"trail_gate\": \"deci");
    std::fs::write(&path, text).unwrap();
    // The half line was never answered; it is kept as what it is, and all lines are whole.
    assert_eq!(ask(&case, &event).0, 0);
    assert_eq!(ask(&case, &event).0, 0);
    let kinds: Vec<Value> = journal(&case)
        .iter()
        .map(|entry| entry["trail_gate"].clone())
        .collect();
    assert_eq!(kinds, ["decision", "cut", "decision", "decision"]);
}
