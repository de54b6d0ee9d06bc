//! Traps of gateways and proxies.

use serde_json::{Value, json};

use super::Taken;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn kong(headers: &Value) -> Value {
    json!({"started_at": 1_772_434_800_123_i64, "client_ip": "10.1.2.3",
        "request": {"id": "2f69a155", "method": "PATCH", "uri": "/erp/invoices/4711", "size": 1, "headers": headers},
        "response": {"status": 204, "size": 1}, "consumer": {"username": "invoice-agent"}, "service": {"name": "sap"},
        "latencies": {"request": 412, "kong": 3, "proxy": 409}})
}

#[test]
fn a_trace_has_many_headers() {
    let half = &TRACE[16..];
    for (header, value, trace) in [
        (
            "traceparent",
            format!("00-{TRACE}-00f067aa0ba902b7-01"),
            TRACE.to_owned(),
        ),
        (
            "traceparent",
            format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            TRACE.to_owned(),
        ),
        (
            "b3",
            format!("{TRACE}-00f067aa0ba902b7-1"),
            TRACE.to_owned(),
        ),
        (
            "b3",
            format!("{half}-00f067aa0ba902b7-1"),
            format!("0000000000000000{half}"),
        ),
        (
            "x-b3-traceid",
            half.to_owned(),
            format!("0000000000000000{half}"),
        ),
        (
            "uber-trace-id",
            format!("{TRACE}:00f067aa0ba902b7:0:1"),
            TRACE.to_owned(),
        ),
        (
            "x-amzn-trace-id",
            "Root=1-67891233-abcdef012345678912345678;Sampled=1".to_owned(),
            "67891233abcdef012345678912345678".to_owned(),
        ),
        (
            "x-cloud-trace-context",
            format!("{TRACE}/17;o=1"),
            TRACE.to_owned(),
        ),
        (
            "x-datadog-trace-id",
            "11803532876627986230".to_owned(),
            "0000000000000000a3ce929d0e0e4736".to_owned(),
        ),
    ] {
        let taken = Taken::lines("kong.jsonl", &[kong(&json!({header: value}))], &[]);
        taken.whole(1).has(
            0,
            json!({"trace_id": trace, "time": "2026-03-02T07:00:00.123Z"}),
        );
    }
    // All zeros are none.
    let none = json!({"traceparent": "00-00000000000000000000000000000000-0000000000000000-00"});
    let taken = Taken::lines("kong.jsonl", &[kong(&none)], &[]);
    taken.whole(1).has(0, json!({"trace_id": null}));
}

#[test]
fn a_batch_of_kong_is_an_array_and_a_credential_is_no_person() {
    let mut without = kong(&json!({}));
    without.as_object_mut().unwrap().remove("consumer");
    without["authenticated_entity"] = json!({"id": "3f0e-credential"});
    let taken = Taken::of(
        &[(
            "kong.json",
            json!([kong(&json!({})), without]).to_string().as_bytes(),
        )],
        &[],
    );
    taken.whole(2);
    for event in &taken.events {
        assert!(
            !event["actor"].to_string().contains("credential"),
            "{event:#}"
        );
    }
    // An answer of the gateway itself is not the system's.
    let mut own = kong(&json!({}));
    own["source"] = json!("kong");
    own["response"]["status"] = json!(429);
    let taken = Taken::lines("kong.jsonl", &[own], &[]);
    assert!(matches!(
        taken.events[0]["outcome"].as_str(),
        Some("denied" | "error")
    ));
}

#[test]
fn secrets_of_a_request_reach_no_table() {
    let mut record = kong(
        &json!({"authorization": "Bearer sk-SECRETSECRET1", "cookie": "sid=SECRETSECRET2", "x-api-key": "SECRETSECRET3"}),
    );
    record["request"]["uri"] = json!(
        "/erp/invoices/4711?token=SECRETSECRET4&code=SECRETSECRET5&sap-password=SECRETSECRET6&page=2"
    );
    let taken = Taken::lines("kong.jsonl", &[record], &[]);
    taken.whole(1);
    let tables = taken
        .case
        .json(&["sql", "--format", "json", "select * from events"])
        .to_string()
        + &taken
            .case
            .json(&["sql", "--format", "json", "select * from keys"])
            .to_string();
    assert!(!tables.contains("SECRETSECRET"), "{tables}");
    assert!(
        tables.contains("page=2") || !tables.contains("page"),
        "{tables}"
    );
}

#[test]
fn envoy_text_has_addresses_of_both_kinds_and_flags() {
    let line = |address: &str, code: u32, flags: &str| {
        format!(
            "[2026-03-02T07:00:00.955Z] \"PATCH /erp/invoices/4711 HTTP/1.1\" {code} {flags} via_upstream - \"-\" 10 20 5 4 \"-\" \"agent/1.0\" \"8d9e7d5a-0000-4000-8000-000000000001\" \"erp.svc\" \"{address}\" outbound|80||erp.svc - {address} - -"
        )
    };
    for address in ["10.1.2.3:80", "[2001:db8::1]:80"] {
        let taken = Taken::text("envoy.log", &[&line(address, 200, "-")], &[]);
        taken.whole(1).has(0, json!({"format": "envoy_text", "outcome": "ok", "keys": ["request:8d9e7d5a000040008000000000000001"]}));
    }
    let taken = Taken::text("envoy.log", &[&line("10.1.2.3:80", 403, "UAEX")], &[]);
    taken.whole(1).has(0, json!({"outcome": "denied"}));
}

#[test]
fn two_hops_of_one_request_are_linked_and_not_merged() {
    let line = |direction: &str, time: &str| {
        format!(
            "[2026-03-02T07:00:00.{time}Z] \"PATCH /erp/invoices/4711 HTTP/1.1\" 200 - via_upstream - \"-\" 10 20 5 4 \"-\" \"agent/1.0\" \"8d9e7d5a-0000-4000-8000-000000000001\" \"erp.svc\" \"10.1.2.3:80\" {direction}|80||erp.svc - 10.1.2.3:80 - -"
        )
    };
    let taken = Taken::text(
        "envoy.log",
        &[&line("outbound", "955"), &line("inbound", "957")],
        &[],
    );
    taken.whole(2);
    let tasks = taken.case.json(&["timeline", "--format", "json"]);
    assert_eq!(tasks["tasks"].as_array().unwrap().len(), 1, "{tasks:#}");
}

#[test]
fn lines_that_are_no_request_are_kept() {
    let taken = Taken::text(
        "access.log",
        &[
            "10.1.2.3 - - [31/Dec/2025:23:59:59 +0000] \"-\" 408 0 \"-\" \"-\"",
            "10.1.2.3 - - [31/Dec/2025:23:59:59 +0000] \"\\x16\\x03\\x01\\x02\" 400 157 \"-\" \"-\"",
            "10.1.2.3 - anna [31/Dec/2025:23:59:59 +0100] \"GET /a HTTP/1.1\" 200 1 \"-\" \"agent \\\"x\\\" 1\"",
            "10.1.2.3 - anna [31/Dec/2025:23:59:59 +0100] \"GET /a HTTP/1.1\" 200 1 \"-\" \"agent \\x22x\\x22 1\"",
        ],
        &[],
    );
    assert_eq!(taken.events.len(), 4, "{}", taken.rejects());
    assert!(
        taken
            .events
            .iter()
            .any(|event| event["time"] == "2025-12-31T22:59:59Z" && event["actor"] == "anna")
    );
}

#[test]
fn json_that_nginx_did_not_escape_is_repaired() {
    let good = json!({"time_iso8601": "2026-03-02T08:00:00+01:00", "msec": "1772434800.123", "remote_addr": "10.1.2.3", "remote_user": "anna",
        "request_method": "GET", "request_uri": "/a", "status": "200", "request_id": "0123456789abcdef0123456789abcdef", "http_user_agent": "UA"});
    let broken = good.to_string().replace("UA", "agent \\x22x\\x22");
    let taken = Taken::text("nginx.jsonl", &[&good.to_string(), &broken], &[]);
    taken.whole(2).has(1, json!({"format": "nginx_json", "actor": "anna", "keys": ["request:0123456789abcdef0123456789abcdef"]}));
}

#[test]
fn durations_of_traefik_are_nanoseconds_and_it_answers_itself_sometimes() {
    let record = |origin: u32, status: u32| {
        json!({"StartUTC": "2026-03-02T07:00:00.123456789Z", "StartLocal": "2026-03-02T08:00:00.123456789+01:00", "Duration": 250_000_000, "OriginDuration": 240_000_000,
            "OriginStatus": origin, "DownstreamStatus": status, "RequestMethod": "GET", "RequestPath": "/a", "RouterName": "r", "ServiceName": "s", "ClientHost": "10.1.2.3",
            "ClientUsername": "anna", "RequestCount": 4711, "request_X-Request-Id": "req-1"})
    };
    let taken = Taken::lines("traefik.jsonl", &[record(200, 200), record(0, 403)], &[]);
    taken.whole(2).has(0, json!({"time": "2026-03-02T07:00:00.123456Z", "end_time": "2026-03-02T07:00:00.373456Z", "outcome": "ok"}));
    taken.has(1, json!({"outcome": "denied"}));
    assert!(
        !taken.events[0]["keys"].to_string().contains("4711"),
        "{:#}",
        taken.events[0]
    );
}

#[test]
fn a_key_of_tyk_is_a_secret() {
    let taken = Taken::lines(
        "tyk.jsonl",
        &[
            json!({"timestamp": "2026-03-02T07:00:00Z", "method": "GET", "path": "/erp/invoices/4711", "response_code": 200, "api_key": "SECRETSECRET1",
            "api_id": "a1", "api_name": "erp", "org_id": "o1", "oauth_id": "", "alias": "agent-7", "request_time": 12, "ip_address": "10.1.2.3",
            "raw_request": "", "raw_response": "", "track_path": false, "user_agent": "x", "host": "gw", "content_length": 0, "trace_id": TRACE}),
        ],
        &[],
    );
    taken
        .whole(1)
        .has(0, json!({"actor": "agent-7", "trace_id": TRACE}));
    assert!(
        !serde_json::to_string(&taken.events)
            .unwrap()
            .contains("SECRETSECRET")
    );
}

#[test]
fn fields_of_iis_change_inside_a_file() {
    let taken = Taken::text(
        "u_ex260302.log",
        &[
            "#Software: Microsoft Internet Information Services 10.0",
            "#Version: 1.0",
            "#Date: 2026-03-02 07:00:00",
            "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken",
            "2026-03-02 07:00:00 10.0.0.1 GET /a - 443 CORP\\anna 10.1.2.3 Mozilla/5.0+(Windows) - 200 0 0 15",
            "#Software: Microsoft Internet Information Services 10.0",
            "#Date: 2026-03-02 07:00:05",
            "#Fields: time c-ip cs-username cs-method cs-uri-stem sc-status",
            "07:00:05 10.1.2.4 berta PATCH /erp/invoices/4711 403",
        ],
        &[],
    );
    taken
        .whole(2)
        .has(0, json!({"format": "iis", "time": "2026-03-02T07:00:00Z", "actor": "CORP\\anna", "kind": "read"}))
        // The date of such a row is that of the header.
        .has(1, json!({"time": "2026-03-02T07:00:05Z", "actor": "berta", "outcome": "denied"}));
    assert!(
        taken.events[0]
            .to_string()
            .contains("Mozilla/5.0 (Windows)"),
        "{:#}",
        taken.events[0]
    );
}

#[test]
fn access_logs_of_amazon_have_no_value_as_a_dash_and_their_own_trace() {
    let record = json!({"requestId": "r-1", "extendedRequestId": "x-1", "ip": "198.51.100.7", "caller": "-", "user": "-", "requestTime": "02/Mar/2026:07:00:00 +0000",
        "requestTimeEpoch": "1772434800123", "httpMethod": "PATCH", "resourcePath": "/invoices/{id}", "path": "/invoices/4711", "status": "204", "protocol": "HTTP/1.1",
        "responseLength": "0", "stage": "prod", "apiId": "a1", "xrayTraceId": "Root=1-67891233-abcdef012345678912345678"});
    let taken = Taken::lines("apigw.jsonl", &[record], &[]);
    taken.whole(1).has(
        0,
        json!({"format": "aws_api_gateway", "time": "2026-03-02T07:00:00.123Z", "actor": null, "trace_id": "67891233abcdef012345678912345678", "outcome": "ok"}),
    );
}

#[test]
fn an_own_log_format_of_apisix_replaces_the_usual_one() {
    let usual = json!({"route_id": "1", "start_time": 1_772_434_800_123_i64, "client_ip": "10.1.2.3", "server": {"version": "3.9", "hostname": "h"}, "upstream_latency": 4, "latency": 6.5,
        "request": {"method": "GET", "uri": "/a", "url": "http://gw/a", "headers": {"x-request-id": "req-1"}, "size": 1, "querystring": {}},
        "response": {"status": 200, "size": 1, "headers": {}}, "consumer": {"username": "agent-7"}, "service_id": "s", "upstream": "10.0.0.1:80"});
    let taken = Taken::lines("apisix.jsonl", &[usual], &[]);
    taken.whole(1).has(0, json!({"format": "apisix", "actor": "agent-7", "time": "2026-03-02T07:00:00.123Z", "keys": ["request:req-1"]}));
    let own = json!({"@timestamp": "2026-03-02T03:00:00-04:00", "client_ip": "10.1.2.3", "host": "gw", "route_id": "1"});
    let taken = Taken::lines("apisix.jsonl", &[own], &[]);
    taken.whole(1).has(
        0,
        json!({"format": "apisix", "time": "2026-03-02T07:00:00Z"}),
    );
}

#[test]
fn a_load_balancer_of_amazon_separates_by_blanks_with_quotes() {
    let line = "https 2026-03-02T07:00:00.356586Z app/erp/50dc6c495c0c9188 10.1.2.3:2817 10.0.0.1:80 0.086 0.048 0.037 200 200 0 57 \"PATCH https://erp.example:443/invoices/4711 HTTP/1.1\" \"agent/1.0\" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/erp/1 \"Root=1-67891233-abcdef012345678912345678\" \"erp.example\" \"arn:aws:acm:x\" 1 2026-03-02T07:00:00.300000Z \"forward\" \"-\" \"-\" \"10.0.0.1:80\" \"200\" \"-\" \"-\"";
    let taken = Taken::text("alb.log", &[line], &[]);
    taken.whole(1).has(
        0,
        json!({"time": "2026-03-02T07:00:00.300Z", "end_time": "2026-03-02T07:00:00.356586Z", "trace_id": "67891233abcdef012345678912345678", "kind": "write", "outcome": "ok"}),
    );
}
