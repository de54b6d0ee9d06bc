//! Traps of model vendors, LLM gateways, traces and orchestrators.

use serde_json::{Value, json};

use super::Taken;
use super::business::base64;

fn kinds(taken: &Taken) -> Vec<&str> {
    let kinds = taken
        .events
        .iter()
        .map(|event| event["kind"].as_str().unwrap());
    kinds.collect()
}

fn chat(response: &Value) -> Value {
    json!({"created_at": "2026-03-02T07:00:00Z", "request": {"model": "m", "messages": [{"role": "user", "content": "pay invoice 4711"}]}, "response": response})
}

fn answer(message: &Value) -> Value {
    json!({"id": "chatcmpl-0000000001", "object": "chat.completion", "created": 1_772_434_800, "model": "m-2026-01-01",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": {"prompt_tokens": 11, "completion_tokens": 7}})
}

#[test]
fn epoch_numbers_have_the_unit_of_their_size() {
    for number in [
        "1772434800",
        "1772434800000",
        "1772434800000000",
        "1772434800000000000",
        "639080316000000000",
    ] {
        let row = format!("{{\"time\": {number}, \"message\": \"x\"}}");
        let taken = Taken::text("unknown.jsonl", &[&row], &["--lenient"]);
        assert_eq!(taken.events[0]["time"], "2026-03-02T07:00:00Z", "{number}");
    }
}

#[test]
fn a_body_that_was_cut_is_an_event_with_a_note() {
    let body = json!({"model": "gpt-x", "messages": [{"role": "user", "content": "pay invoice 4711"}, {"role": "user", "content": "x".repeat(400)}]}).to_string();
    let cut = &body[..200];
    let record = json!({"time": "2026-03-02T07:00:00Z", "category": "GatewayLogs", "operationName": "Microsoft.ApiManagement/GatewayLogs", "correlationId": "c-1",
        "resultType": "Succeeded", "durationMs": 12, "callerIpAddress": "10.1.2.3", "resourceId": "/SUBSCRIPTIONS/S/X",
        "properties": {"method": "POST", "url": "https://gw.example/openai/deployments/d/chat/completions", "responseCode": 200, "apiId": "a", "operationId": "ChatCompletions_Create", "requestBody": cut}});
    let taken = Taken::lines("gw.jsonl", &[record], &[]);
    taken.whole(1).noted(0, "cut");
}

#[test]
fn chunks_of_a_stream_are_one_answer_and_its_arguments_come_in_pieces() {
    let chunk = |delta: Value, finish: Value| {
        json!({"id": "chatcmpl-0000000009", "object": "chat.completion.chunk", "created": 1_772_434_800, "model": "m-1",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    let call = |index: u32, more: &Value| {
        let mut call = json!({"index": index});
        for (name, value) in more.as_object().unwrap() {
            call[name] = value.clone();
        }
        json!({"tool_calls": [call]})
    };
    let taken = Taken::lines(
        "chunks.jsonl",
        &[
            chunk(json!({"role": "assistant", "content": null}), Value::Null),
            chunk(
                call(
                    0,
                    &json!({"id": "call_0000000001", "type": "function", "function": {"name": "pay", "arguments": "{\"inv"}}),
                ),
                Value::Null,
            ),
            chunk(
                call(
                    1,
                    &json!({"id": "call_0000000002", "type": "function", "function": {"name": "mail", "arguments": "{\"to\":"}}),
                ),
                Value::Null,
            ),
            chunk(
                call(0, &json!({"function": {"arguments": "oice\":\"4711\"}"}})),
                Value::Null,
            ),
            chunk(
                call(1, &json!({"function": {"arguments": "\"anna\"}"}})),
                Value::Null,
            ),
            chunk(json!({}), json!("tool_calls")),
        ],
        &[],
    );
    let tools: Vec<&str> = taken
        .events
        .iter()
        .filter_map(|event| event["tool"].as_str())
        .collect();
    assert_eq!(tools, ["pay", "mail"], "{:#?}", taken.events);
    assert_eq!(
        kinds(&taken)
            .iter()
            .filter(|kind| **kind == "inference")
            .count(),
        1
    );
    let shown = taken.case.output(&["timeline", "--invoice", "4711"]);
    assert!(shown.contains("pay"), "{shown}");
}

#[test]
fn the_same_answer_in_two_logs_is_linked_and_not_merged() {
    let client = chat(&answer(&json!({"role": "assistant", "content": "ok"})));
    let gateway = json!({"id": "chatcmpl-0000000001", "litellm_call_id": "l-1", "call_type": "acompletion", "startTime": 1_772_434_800.25, "endTime": 1_772_434_801.5, "model": "m",
        "status": "success", "messages": [{"role": "user", "content": "pay invoice 4711"}], "response": answer(&json!({"role": "assistant", "content": "ok"})), "metadata": {}});
    let taken = Taken::of(
        &[
            ("client.jsonl", (client.to_string() + "\n").as_bytes()),
            ("gateway.jsonl", (gateway.to_string() + "\n").as_bytes()),
        ],
        &[],
    );
    assert_eq!(
        kinds(&taken)
            .iter()
            .filter(|kind| **kind == "inference")
            .count(),
        2
    );
    let tasks = taken.case.json(&["timeline", "--format", "json"]);
    assert_eq!(tasks["tasks"].as_array().unwrap().len(), 1, "{tasks:#}");
    // Floats of seconds keep their fraction.
    assert!(
        taken
            .events
            .iter()
            .any(|event| event["time"] == "2026-03-02T07:00:00.25Z"
                || event["time"] == "2026-03-02T07:00:00.250Z"),
        "{:#?}",
        taken.events
    );
}

#[test]
fn what_a_request_repeats_is_no_new_event() {
    let messages = |n: usize| {
        let mut all = vec![json!({"role": "user", "content": "pay invoice 4711"})];
        for at in 1..n {
            all.push(json!({"role": "assistant", "content": null, "tool_calls": [{"id": format!("call_{at:010}"), "type": "function", "function": {"name": "look_up", "arguments": "{}"}}]}));
            all.push(json!({"role": "tool", "tool_call_id": format!("call_{at:010}"), "content": "found"}));
        }
        all
    };
    let turn = |n: usize| {
        let message = json!({"role": "assistant", "content": null, "tool_calls": [{"id": format!("call_{n:010}"), "type": "function", "function": {"name": "look_up", "arguments": "{}"}}]});
        let mut response = answer(&message);
        response["id"] = json!(format!("chatcmpl-{n:010}"));
        json!({"created_at": format!("2026-03-02T07:00:0{n}Z"), "request": {"model": "m", "messages": messages(n)}, "response": response})
    };
    let taken = Taken::lines("chat.jsonl", &[turn(1), turn(2), turn(3), turn(4)], &[]);
    let kinds = kinds(&taken);
    let count = |kind: &str| kinds.iter().filter(|found| **found == kind).count();
    assert_eq!(count("inference"), 4);
    assert_eq!(
        count("request") + count("instruction") + count("prompt"),
        1,
        "{kinds:?}"
    );
    assert_eq!(count("tool_call"), 4, "{kinds:?}");
    assert_eq!(count("tool_result"), 3, "{kinds:?}");
}

#[test]
fn a_call_is_not_the_deed() {
    let message = json!({"role": "assistant", "content": "I have paid invoice 4711.", "tool_calls": [{"id": "call_0000000001", "type": "function", "function": {"name": "pay_invoice", "arguments": "{\"invoice\":\"4711\"}"}}]});
    let taken = Taken::lines("chat.jsonl", &[chat(&answer(&message))], &[]);
    assert!(!kinds(&taken).contains(&"write"), "{:?}", kinds(&taken));
    assert!(kinds(&taken).contains(&"tool_call"));
    let tasks = taken.case.output(&["timeline", "--invoice", "4711"]);
    assert!(
        tasks.contains("not logged:") && tasks.contains("write-back"),
        "{tasks}"
    );
}

#[test]
fn answers_of_a_batch_are_wrapped_once_more() {
    let record = json!({"id": "batch_req_1", "custom_id": "invoice-4711", "error": null,
        "response": {"status_code": 200, "request_id": "req_0000000001", "body": answer(&json!({"role": "assistant", "content": "ok"}))}});
    let taken = Taken::lines("batch.jsonl", &[record], &[]);
    assert!(kinds(&taken).contains(&"inference"), "{:#?}", taken.events);
    let all = serde_json::to_string(&taken.events).unwrap();
    assert!(
        all.contains("chatcmpl-0000000001") && all.contains("req_0000000001"),
        "{all}"
    );
}

#[test]
fn items_of_a_response_are_approvals_sources_and_calls() {
    let response = json!({"id": "resp_0000000001", "object": "response", "created_at": 1_772_434_800, "status": "completed", "model": "m-1", "previous_response_id": "resp_0000000000",
        "output": [
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "think"}]},
            {"type": "file_search_call", "id": "fs_1", "status": "completed", "queries": ["x"], "results": [{"file_id": "file-1", "filename": "policy.pdf", "score": 0.9}]},
            {"type": "mcp_approval_request", "id": "mcpr_1", "server_label": "erp", "name": "pay", "arguments": "{}"},
            {"type": "mcp_call", "id": "mcp_1", "server_label": "erp", "name": "pay", "arguments": "{\"invoice\":\"4711\"}", "output": "done", "error": null},
            {"type": "function_call", "id": "fc_1", "call_id": "call_0000000001", "name": "mail", "arguments": "{}"}],
        "usage": {"input_tokens": 5, "output_tokens": 6}});
    let request = json!({"model": "m", "input": [{"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": true}]});
    let taken = Taken::lines(
        "responses.jsonl",
        &[json!({"request": request, "response": response})],
        &[],
    );
    let kinds = kinds(&taken);
    assert!(kinds.contains(&"approval"), "{kinds:?}");
    let tools: Vec<&str> = taken
        .events
        .iter()
        .filter_map(|event| event["tool"].as_str())
        .collect();
    assert!(
        tools.contains(&"erp/pay") && tools.contains(&"mail"),
        "{tools:?}"
    );
    let all = serde_json::to_string(&taken.events).unwrap();
    assert!(
        all.contains("policy.pdf") || all.contains("file-1"),
        "{all}"
    );
    assert!(
        taken
            .events
            .iter()
            .any(|event| event["knowledge_source"] != Value::Null),
        "{all}"
    );
    assert!(all.contains("resp_0000000000"), "{all}");
}

#[test]
fn details_of_an_organisations_audit_stand_under_the_name_of_their_type() {
    let record = json!({"object": "list", "has_more": false, "data": [{"object": "organization.audit_log", "id": "audit_log-1", "type": "api_key.created", "effective_at": 1_772_434_800,
        "actor": {"type": "session", "session": {"user": {"id": "user-1", "email": "anna@corp.example"}, "ip_address": "198.51.100.7"}},
        "project": {"id": "proj_1", "name": "p"}, "api_key.created": {"id": "key_4711", "data": {"scopes": ["resource.operation"]}}}]});
    let taken = Taken::of(&[("audit.json", record.to_string().as_bytes())], &[]);
    taken.whole(1).has(0, json!({"actor": "anna@corp.example", "time": "2026-03-02T07:00:00Z", "action": "api_key.created"}));
    assert!(
        taken.events[0].to_string().contains("key_4711"),
        "{:#}",
        taken.events[0]
    );
    assert!(
        taken.events[0]["kind"]
            .as_str()
            .unwrap()
            .starts_with("config")
    );
}

fn transcript(kind: &str, uuid: &str, parent: Value, second: u32, more: &Value) -> Value {
    let mut line = json!({"type": kind, "uuid": uuid, "parentUuid": parent, "sessionId": "s-1", "timestamp": format!("2026-03-02T07:00:{second:02}.000Z"), "cwd": "/w", "version": "2.0", "isSidechain": false});
    for (name, value) in more.as_object().unwrap() {
        line[name] = value.clone();
    }
    line
}

#[test]
fn usage_of_an_answer_on_several_lines_counts_once() {
    let part = |uuid: &str, parent: &str, second: u32, block: Value, stop: Value| {
        transcript(
            "assistant",
            uuid,
            json!(parent),
            second,
            &json!({"requestId": "req_1", "message": {"id": "msg_0000000001", "type": "message", "role": "assistant", "model": "m-1",
            "content": [block], "stop_reason": stop, "usage": {"input_tokens": 100, "output_tokens": 40}}}),
        )
    };
    for stop in [json!("tool_use"), Value::Null] {
        let taken = Taken::lines(
            "session.jsonl",
            &[
                transcript(
                    "user",
                    "u1",
                    Value::Null,
                    0,
                    &json!({"permissionMode": "bypassPermissions", "message": {"role": "user", "content": "pay invoice 4711"}}),
                ),
                part(
                    "a1",
                    "u1",
                    1,
                    json!({"type": "text", "text": "ok"}),
                    Value::Null,
                ),
                part(
                    "a2",
                    "a1",
                    2,
                    json!({"type": "tool_use", "id": "toolu_0000000001", "name": "Bash", "input": {"command": "pay 4711"}}),
                    stop,
                ),
            ],
            &[],
        );
        let tokens: i64 = taken
            .events
            .iter()
            .filter_map(|event| event["tokens_in"].as_i64())
            .sum();
        assert_eq!(tokens, 100, "{:#?}", taken.events);
        assert!(
            serde_json::to_string(&taken.events)
                .unwrap()
                .contains("bypassPermissions")
        );
    }
}

#[test]
fn lines_that_are_not_a_persons_words_are_not_taken_for_them() {
    let words = |uuid: &str, second: u32, more: &Value| {
        let mut all = json!({"message": {"role": "user", "content": "words"}});
        for (name, value) in more.as_object().unwrap() {
            all[name] = value.clone();
        }
        transcript("user", uuid, Value::Null, second, &all)
    };
    let taken = Taken::lines(
        "session.jsonl",
        &[
            words("u1", 0, &json!({})),
            words("u2", 1, &json!({"isMeta": true})),
            words("u3", 2, &json!({"isCompactSummary": true})),
            transcript("queue-operation", "q1", Value::Null, 3, &json!({})),
            transcript("kind-of-tomorrow", "k1", Value::Null, 4, &json!({"x": 1})),
        ],
        &[],
    );
    assert_eq!(taken.events.len(), 5, "{}", taken.rejects());
    let human = taken
        .events
        .iter()
        .filter(|event| event["actor_type"] == "human" && event["kind"] != "other")
        .count();
    assert_eq!(human, 1, "{:#?}", taken.events);
    assert_eq!(kinds(&taken)[4], "other");
}

#[test]
fn bodies_of_bedrock_are_of_the_provider_and_streams_are_arrays() {
    let record = |output: Value, extra: &Value| {
        let mut record = json!({"schemaType": "ModelInvocationLog", "schemaVersion": "1.0", "timestamp": "2026-03-02T07:00:00Z", "accountId": "111122223333", "identity": {"arn": "arn:aws:sts::111122223333:assumed-role/agent/s"},
            "region": "eu-central-1", "requestId": "r-1", "operation": "InvokeModelWithResponseStream", "modelId": "anthropic.claude-x",
            "input": {"inputContentType": "application/json", "inputBodyJson": {"anthropic_version": "bedrock-2023-05-31", "messages": [{"role": "user", "content": "pay 4711"}]}, "inputTokenCount": 5},
            "output": {"outputContentType": "application/json", "outputBodyJson": output, "outputTokenCount": 6}});
        for (name, value) in extra.as_object().unwrap() {
            record[name] = value.clone();
        }
        record
    };
    let stream = json!([
        {"type": "message_start", "message": {"id": "msg_0000000001", "type": "message", "role": "assistant", "model": "claude-x", "content": [], "usage": {"input_tokens": 5}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "toolu_0000000001", "name": "pay", "input": {}}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{\"invoice\":"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "\"4711\"}"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 6}}]);
    let taken = Taken::lines("bedrock.jsonl", &[record(stream, &json!({}))], &[]);
    let tools: Vec<&str> = taken
        .events
        .iter()
        .filter_map(|event| event["tool"].as_str())
        .collect();
    assert_eq!(tools, ["pay"], "{:#?}", taken.events);
    assert!(
        taken
            .case
            .output(&["timeline", "--invoice", "4711"])
            .contains("pay")
    );
    let guarded = json!({"output": {"message": {"role": "assistant", "content": [{"text": "no"}]}}, "stopReason": "guardrail_intervened",
        "trace": {"guardrail": {"inputAssessment": {"gr-4711": {"topicPolicy": {"topics": [{"name": "x", "type": "DENY", "action": "BLOCKED"}]}}}}},
        "amazon-bedrock-guardrailAction": "INTERVENED", "amazon-bedrock-trace": {"guardrail": {"guardrailId": "gr-4711", "guardrailVersion": "3"}}});
    let taken = Taken::lines(
        "bedrock.jsonl",
        &[record(guarded, &json!({"operation": "Converse"}))],
        &[],
    );
    let all = serde_json::to_string(&taken.events).unwrap();
    assert!(
        taken
            .events
            .iter()
            .any(|event| event["policy_id"] == "gr-4711"),
        "{all}"
    );
}

#[test]
fn diagnostics_of_azure_have_ticks_and_durations_below_zero() {
    let record = |properties: Value| {
        json!({"time": "2026-03-02T07:00:00.0000000Z", "category": "RequestResponse", "operationName": "ChatCompletions_Create", "correlationId": "c-1", "durationMs": -1,
            "callerIpAddress": "10.1.2.***", "resultSignature": "200", "resourceId": "/SUBSCRIPTIONS/S/X", "properties": properties})
    };
    let inner = json!({"requestTime": 639_080_316_000_000_000_i64, "responseTime": 639_080_316_012_500_000_i64, "modelDeploymentName": "prod", "modelName": "gpt-x", "modelVersion": "2026-01-01", "objectId": "o-1"});
    for properties in [inner.clone(), json!(inner.to_string())] {
        let taken = Taken::lines("diag.jsonl", &[record(properties)], &[]);
        taken.whole(1).has(
            0,
            json!({"kind": "inference", "time": "2026-03-02T07:00:00Z", "model_requested": "prod", "model_served": "gpt-x…", "outcome": "ok"}),
        );
        // A part that is masked makes it no address to join by.
        assert!(
            !taken.events[0]["keys"].to_string().contains("***"),
            "{:#}",
            taken.events[0]
        );
        let (time, end) = (
            taken.events[0]["time"].as_str(),
            taken.events[0]["end_time"].as_str(),
        );
        assert!(end.is_none() || end >= time, "{:#}", taken.events[0]);
    }
}

#[test]
fn a_refused_prompt_is_a_decision_of_a_policy() {
    let body = json!({"error": {"code": "content_filter", "status": 400, "message": "The response was filtered", "innererror": {"code": "ResponsibleAIPolicyViolation",
        "content_filter_result": {"jailbreak": {"filtered": true, "detected": true}, "custom_blocklists": [{"filtered": true, "id": "blocklist-7"}]}}}});
    let record = json!({"time": "2026-03-02T07:00:00Z", "category": "GatewayLogs", "operationName": "Microsoft.ApiManagement/GatewayLogs", "correlationId": "c-1", "durationMs": 12, "callerIpAddress": "10.1.2.3", "resourceId": "/SUBSCRIPTIONS/S/X",
        "properties": {"method": "POST", "url": "https://gw.example/openai/deployments/d/chat/completions", "responseCode": 400, "apiId": "a", "operationId": "ChatCompletions_Create",
            "requestBody": json!({"model": "m", "messages": [{"role": "user", "content": "x"}]}).to_string(), "responseBody": body.to_string()}});
    let taken = Taken::lines("gw.jsonl", &[record], &[]);
    assert!(
        taken
            .events
            .iter()
            .any(|event| event["outcome"] == "denied"),
        "{:#?}",
        taken.events
    );
    let all = serde_json::to_string(&taken.events).unwrap();
    assert!(all.contains("content_filter"), "{all}");
}

#[test]
fn names_of_gemini_are_written_in_two_ways() {
    let snake = json!({"logging_time": "2026-03-02T07:00:00Z", "request_id": "1", "model": "publishers/google/models/gemini-x", "model_version": "1", "api_method": "GenerateContent",
        "full_request": {"contents": [{"role": "user", "parts": [{"text": "pay 4711"}]}], "generation_config": {"temperature": 0.1}},
        "full_response": {"candidates": [{"content": {"role": "model", "parts": [{"function_call": {"name": "pay", "args": {"invoice": "4711"}}}]}, "finish_reason": "STOP"}],
            "usage_metadata": {"prompt_token_count": 5, "candidates_token_count": 6}, "model_version": "gemini-x-001", "response_id": "abc"}});
    let text = snake.to_string();
    let mut camel = String::new();
    let mut up = false;
    for c in text.chars() {
        match c {
            '_' => up = true,
            c if up => {
                camel.extend(c.to_uppercase());
                up = false;
            }
            c => camel.push(c),
        }
    }
    // The columns of the table keep their names.
    for name in [
        "logging_time",
        "request_id",
        "model_version",
        "api_method",
        "full_request",
        "full_response",
    ] {
        let (first, last) = name.split_once('_').unwrap();
        let own = format!("\"{first}{}{}\":", last[..1].to_uppercase(), &last[1..]);
        camel = camel.replacen(&own, &format!("\"{name}\":"), 1);
    }
    for (what, line) in [("snake", text), ("camel", camel)] {
        let taken = Taken::text("vertex.jsonl", &[&line], &[]);
        let tools: Vec<&str> = taken
            .events
            .iter()
            .filter_map(|event| event["tool"].as_str())
            .collect();
        assert_eq!(tools, ["pay"], "{what}: {line}\n{:#?}", taken.events);
        let tokens: i64 = taken
            .events
            .iter()
            .filter_map(|event| event["tokens_in"].as_i64())
            .sum();
        assert_eq!(tokens, 5, "{what}");
    }
}

#[test]
fn a_spend_log_is_litellm_too() {
    let taken = Taken::text(
        "spend.csv",
        &[
            "request_id,call_type,api_key,spend,startTime,endTime,model,user,metadata,end_user,requester_ip_address",
            "chatcmpl-0000000001,acompletion,88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b,0.004,2026-03-02T07:00:00.250000,2026-03-02T07:00:01.500000,gpt-x,agent-7,{},anna,10.1.2.3",
        ],
        &[],
    );
    taken.whole(1).has(
        0,
        json!({"format": "litellm_spend", "kind": "inference", "time": "2026-03-02T07:00:00.25…", "model_requested": "gpt-x"}),
    );
    assert!(
        taken.events[0]["keys"]
            .to_string()
            .contains("chatcmpl-0000000001"),
        "{:#}",
        taken.events[0]
    );
}

fn span(attributes: &[(&str, Value)]) -> Value {
    let attributes: Vec<Value> = attributes
        .iter()
        .map(|(key, value)| json!({"key": key, "value": value}))
        .collect();
    json!({"traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "spanId": "00f067aa0ba902b7", "name": "chat m", "kind": 3,
        "startTimeUnixNano": "1772434800123456789", "endTimeUnixNano": "1772434801123456789", "attributes": attributes, "status": {}})
}

fn export(span: Value) -> Value {
    json!({"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "agent"}}]}, "scopeSpans": [{"scope": {"name": "s"}, "spans": [span]}]}]})
}

#[test]
fn attributes_of_traces_have_old_names_and_numbers_as_texts() {
    let text = |value: &str| json!({"stringValue": value});
    let newest = span(&[
        ("gen_ai.operation.name", text("chat")),
        ("gen_ai.provider.name", text("openai")),
        ("gen_ai.request.model", text("m")),
        ("gen_ai.usage.input_tokens", json!({"intValue": "11"})),
    ]);
    let oldest = span(&[
        ("gen_ai.system", text("openai")),
        ("gen_ai.request.model", text("m")),
        ("gen_ai.usage.prompt_tokens", json!({"intValue": "11"})),
    ]);
    for line in [export(newest.clone()), export(oldest), newest] {
        let taken = Taken::lines("traces.jsonl", &[line], &[]);
        taken.has(
            0,
            json!({"format": "otlp_json", "kind": "inference", "model_requested": "m", "provider": "openai", "tokens_in": 11, "time": "2026-03-02T07:00:00.123456Z", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}),
        );
    }
}

#[test]
fn other_conventions_number_their_messages() {
    let text = |value: &str| json!({"stringValue": value});
    let lmetry = span(&[
        ("traceloop.span.kind", text("llm")),
        ("gen_ai.system", text("openai")),
        ("gen_ai.request.model", text("m")),
        ("gen_ai.prompt.0.role", text("user")),
        ("gen_ai.prompt.0.content", text("pay invoice 4711")),
        ("traceloop.association.properties.session_id", text("s-1")),
    ]);
    let inference = span(&[
        ("openinference.span.kind", text("LLM")),
        ("llm.model_name", text("m")),
        ("llm.input_messages.0.message.role", text("user")),
        (
            "llm.input_messages.0.message.content",
            text("pay invoice 4711"),
        ),
        ("session.id", text("s-1")),
        ("llm.token_count.prompt", json!({"intValue": "11"})),
    ]);
    for line in [export(lmetry), export(inference)] {
        let taken = Taken::lines("traces.jsonl", &[line], &[]);
        assert!(kinds(&taken).contains(&"inference"), "{:#?}", taken.events);
        assert!(
            serde_json::to_string(&taken.events)
                .unwrap()
                .contains("s-1"),
            "{:#?}",
            taken.events
        );
        let found = taken
            .case
            .output(&["search", "pay invoice", "--reason", "test"]);
        assert!(found.contains("4711"), "{found}");
    }
    let retrieval = span(&[
        ("openinference.span.kind", text("RETRIEVER")),
        ("retrieval.documents.0.document.id", text("doc-4711")),
        (
            "retrieval.documents.0.document.score",
            json!({"doubleValue": 0.9}),
        ),
    ]);
    let taken = Taken::lines("traces.jsonl", &[export(retrieval)], &[]);
    assert!(
        taken.events.iter().any(|event| event["knowledge_source"]
            .as_str()
            .is_some_and(|source| source.contains("doc-4711"))),
        "{:#?}",
        taken.events
    );
}

#[test]
fn a_table_of_langfuse_has_json_in_its_columns() {
    let taken = Taken::text(
        "observations.csv",
        &[
            "id,traceId,parentObservationId,type,name,startTime,endTime,model,modelParameters,input,output,usage,level,statusMessage",
            "o-1,t-1,,GENERATION,chat,2026-03-02T07:00:00.123Z,2026-03-02T07:00:01.123Z,m,\"{\"\"temperature\"\":0.1}\",\"[{\"\"role\"\":\"\"user\"\",\"\"content\"\":\"\"pay invoice 4711\"\"}]\",\"{\"\"role\"\":\"\"assistant\"\",\"\"content\"\":\"\"ok\"\"}\",\"{\"\"input\"\":11,\"\"output\"\":7}\",ERROR,timeout",
        ],
        &[],
    );
    taken.has(0, json!({"format": "langfuse", "kind": "inference", "time": "2026-03-02T07:00:00.123Z", "outcome": "error", "tokens_in": 11}));
}

#[test]
fn times_of_langsmith_are_utc_without_saying_so() {
    let run = json!({"id": "r-1", "trace_id": "t-1", "parent_run_id": null, "dotted_order": "20260302T070000123456Zr-1", "run_type": "tool", "name": "pay", "start_time": "2026-03-02T07:00:00.123456", "end_time": "2026-03-02T07:00:01.123456",
        "inputs": {"invoice": "4711"}, "outputs": {"output": "done"}, "error": null, "session_id": "p-1"});
    let taken = Taken::lines("runs.jsonl", &[run], &["--tz", "Asia/Tokyo"]);
    taken.has(
        0,
        json!({"format": "langsmith", "tool": "pay", "time": "2026-03-02T07:00:00.123456Z"}),
    );
}

#[test]
fn a_triggered_guardrail_is_a_refusal() {
    let record = |triggered: bool| {
        json!({"object": "trace.span", "id": format!("span_{triggered}"), "trace_id": "trace_1", "parent_id": null, "started_at": "2026-03-02T07:00:00.123Z", "ended_at": "2026-03-02T07:00:01.123Z",
            "span_data": {"type": "guardrail", "name": "no payments", "triggered": triggered}, "error": null})
    };
    let taken = Taken::lines("spans.jsonl", &[record(true), record(false)], &[]);
    let outcomes: Vec<&Value> = taken.events.iter().map(|event| &event["outcome"]).collect();
    assert!(
        outcomes.contains(&&json!("denied")) && outcomes.iter().any(|one| *one != "denied"),
        "{:#?}",
        taken.events
    );
}

#[test]
fn types_of_temporal_events_have_two_spellings_and_payloads_are_base64() {
    let event = |id: &str, kind: &str, attributes: &str, value: Value| json!({"eventId": id, "eventTime": "2026-03-02T07:00:00.123456789Z", "eventType": kind, attributes: value});
    let input = json!({"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": base64("{\"invoice\":\"4711\"}")}]});
    for (scheduled, signalled) in [
        (
            "EVENT_TYPE_ACTIVITY_TASK_SCHEDULED",
            "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED",
        ),
        ("ActivityTaskScheduled", "WorkflowExecutionSignaled"),
    ] {
        let history = json!({"events": [
            event("5", scheduled, "activityTaskScheduledEventAttributes", json!({"activityId": "5", "activityType": {"name": "pay"}, "input": input})),
            event("6", signalled, "workflowExecutionSignaledEventAttributes", json!({"signalName": "approve", "identity": "anna@corp.example"}))]});
        let taken = Taken::of(&[("history.json", history.to_string().as_bytes())], &[]);
        assert!(kinds(&taken).contains(&"approval"), "{:#?}", taken.events);
        let shown = taken.case.output(&["timeline", "--invoice", "4711"]);
        assert!(shown.contains("pay"), "{shown}");
    }
}

#[test]
fn ids_of_a_connection_start_again_with_the_next() {
    let line = |session: &str, second: u32, invoice: &str| {
        json!({"timestamp": format!("2026-03-02T07:0{second}:00Z"), "direction": "client_to_server", "session_id": session,
            "message": {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "pay", "arguments": {"invoice": invoice}}}})
    };
    let taken = Taken::lines(
        "mcp.jsonl",
        &[line("s-1", 0, "4711"), line("s-2", 9, "4712")],
        &[],
    );
    taken.whole(2);
    let tasks = taken.case.json(&["timeline", "--format", "json"]);
    assert_eq!(tasks["tasks"].as_array().unwrap().len(), 2, "{tasks:#}");
}

#[test]
fn masked_and_unmasked_prompts_answer_what_reached_the_model() {
    let header = "gatewayRequestId__c,prompt__c,maskedPrompt__c,model__c,provider__c,userId__c,temperature__c,timestamp__c,feature__c,sessionId__c,promptTemplateDevName__c,promptTemplateVersionNo__c";
    let row = "gr-1,Write to anna@corp.example,Write to PERSON_0,gpt-x,OpenAI,0055j000000utlPAAQ,0.1,2026-03-02T07:00:00.000Z,agent,s-1,Answer_Customer,3";
    let taken = Taken::text("GenAIGatewayRequest__dlm.csv", &[header, row], &[]);
    taken.whole(1).has(
        0,
        json!({"format": "agentforce", "model_requested": "gpt-x"}),
    );
    let event = taken.events[0].to_string();
    assert!(event.contains("mask"), "{event}");
    assert!(event.contains("Answer_Customer"), "{event}");
}
