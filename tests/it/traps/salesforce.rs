//! Traps of Salesforce exports.

use serde_json::{Value, json};

use super::Taken;

const ELF: &str = "\"EVENT_TYPE\",\"TIMESTAMP\",\"REQUEST_ID\",\"ORGANIZATION_ID\",\"USER_ID\"";

fn elf(more: &[(&str, &str)], event_type: &str) -> Taken {
    let mut header = ELF.to_owned();
    let mut row = format!(
        "\"{event_type}\",\"20260302070000.123\",\"4bf92f3577b34da6a3ce929d0e0e4736\",\"00D5j00000Abcde\",\"0055j000000utlP\""
    );
    for (name, value) in more {
        header.push_str(&format!(",\"{name}\""));
        row.push_str(&format!(",\"{}\"", value.replace('"', "\"\"")));
    }
    Taken::text("elf.csv", &[&header, &row], &[])
}

#[test]
fn ids_of_15_and_18_characters_are_one() {
    for (short, long) in [
        ("0055j000000utlP", "0055j000000utlPAAQ"),
        ("0053X00000BoLQR", "0053X00000BoLQRQA3"),
        ("0050O000008bidx", "0050O000008bidxQAA"),
        ("00520000004aQga", "00520000004aQgaAAE"),
        ("0053X000009rC26", "0053X000009rC26QAE"),
    ] {
        let taken = elf(&[("ENTITY_ID", short), ("USER_ID_DERIVED", long)], "Report");
        taken.whole(1).has(0, json!({"actor": long}));
        assert!(
            taken.events[0]["keys"].to_string().contains(long),
            "{:#}",
            taken.events[0]
        );
    }
}

#[test]
fn a_wrong_checksum_is_a_note_and_no_rejection() {
    let taken = elf(&[("USER_ID_DERIVED", "0055j000000utlPZZZ")], "Report");
    taken
        .whole(1)
        .has(0, json!({"actor": "0055j000000utlPZZZ"}));
    taken.noted(0, "do not fit");
}

#[test]
fn keys_in_lower_case_and_with_an_underscore_are_the_same() {
    let taken = Taken::of(
        &[(
            "elf.json",
            json!([{"event_type": "ApexCallout", "timestamp": "20260302070000.123", "request_id": "TID:589308000043d93339",
                "organization_id": "00D5j00000Abcde", "user_id": "0055j000000utlP", "type_": "REST", "method": "GET",
                "url": "https://erp.example/invoices/4711", "success": "1", "timestamp_derived": "2026-03-02T07:00:00.123Z"}])
            .to_string()
            .as_bytes(),
        )],
        &[],
    );
    taken.whole(1).has(
        0,
        json!({"format": "salesforce_event_log", "time": "2026-03-02T07:00:00.123Z", "object": "…", "outcome": "ok"}),
    );
    assert!(
        taken.events[0]
            .to_string()
            .contains("erp.example/invoices/4711")
    );
}

#[test]
fn the_derived_time_counts_and_a_difference_is_noted() {
    let taken = elf(
        &[("TIMESTAMP_DERIVED", "2026-03-02T07:00:00.151Z")],
        "Report",
    );
    taken
        .whole(1)
        .has(0, json!({"time": "2026-03-02T07:00:00.151Z"}));
    assert!(
        !taken.events[0]["notes"].to_string().contains("TIMESTAMP"),
        "{:#}",
        taken.events[0]
    );
    let taken = elf(
        &[("TIMESTAMP_DERIVED", "2026-03-02T07:00:09.151Z")],
        "Report",
    );
    taken
        .whole(1)
        .has(0, json!({"time": "2026-03-02T07:00:09.151Z"}))
        .noted(0, "TIMESTAMP");
}

#[test]
fn a_time_without_fraction_is_read() {
    let row = "\"Report\",\"20260302070000\",\"TID:1\",\"00D5j00000Abcde\",\"0055j000000utlP\"";
    let taken = Taken::text("elf.csv", &[ELF, row], &[]);
    taken
        .whole(1)
        .has(0, json!({"time": "2026-03-02T07:00:00Z"}));
}

#[test]
fn an_application_acts_for_its_user() {
    for (column, value) in [
        ("CLIENT_NAME", "agent-gateway"),
        ("CONNECTED_APP_ID", "0H45j000000TNbk"),
        ("USER_AGENT", "python-requests/2.31"),
    ] {
        let taken = elf(&[("METHOD", "PATCH"), (column, value)], "RestApi");
        taken.whole(1);
        let event = &taken.events[0];
        let app = event["actor_type"].as_str().unwrap();
        assert!(
            matches!(app, "application" | "app" | "service" | "agent"),
            "{column}: {event:#}"
        );
        assert!(
            event.to_string().contains("0055j000000utlPAAQ"),
            "{event:#}"
        );
    }
    // A number in the agent's place is a code.
    elf(&[("USER_AGENT", "9999"), ("METHOD", "GET")], "RestApi").whole(1);
}

#[test]
fn an_internal_address_gives_way_to_the_real_one() {
    let taken = elf(
        &[
            ("CLIENT_IP", "Salesforce.com IP"),
            ("SOURCE_IP", "198.51.100.7"),
        ],
        "Login",
    );
    taken
        .whole(1)
        .has(0, json!({"keys": ["address:198.51.100.7"]}));
    assert!(
        !taken.events[0]["keys"]
            .to_string()
            .to_lowercase()
            .contains("salesforce.com")
    );
}

#[test]
fn a_request_id_set_by_a_caller_is_a_trace() {
    elf(&[], "RestApi")
        .whole(1)
        .has(0, json!({"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}));
    let row = "\"Report\",\"20260302070000\",\"4lGJ1R0ZSWVXwFl1cJIRH-\",\"00D5j00000Abcde\",\"0055j000000utlP\"";
    let taken = Taken::text("elf.csv", &[ELF, row], &[]);
    taken.whole(1).has(
        0,
        json!({"trace_id": null, "keys": ["request:4lGJ1R0ZSWVXwFl1cJIRH-"]}),
    );
}

#[test]
fn outcomes_are_written_in_many_ways() {
    for (event_type, column, value, outcome) in [
        ("ApexCallout", "SUCCESS", "1", "ok"),
        ("ApexCallout", "SUCCESS", "0", "error"),
        ("Login", "LOGIN_STATUS", "LOGIN_NO_ERROR", "ok"),
        (
            "Login",
            "LOGIN_STATUS",
            "LOGIN_ERROR_INVALID_PASSWORD",
            "denied",
        ),
        ("RestApi", "STATUS_CODE", "204", "ok"),
        ("RestApi", "STATUS_CODE", "403", "denied"),
        ("API", "REQUEST_STATUS", "S", "ok"),
        ("API", "REQUEST_STATUS", "F", "error"),
    ] {
        let taken = elf(&[(column, value)], event_type);
        assert_eq!(
            taken.events[0]["outcome"], outcome,
            "{event_type} {column}={value}"
        );
    }
    // An empty one is none.
    assert_eq!(
        elf(&[("REQUEST_STATUS", "")], "Report").events[0]["outcome"],
        Value::Null
    );
}

#[test]
fn verbs_follow_from_type_and_method() {
    for (event_type, column, value, kind) in [
        ("RestApi", "METHOD", "GET", "read"),
        ("RestApi", "METHOD", "PATCH", "write"),
        ("RestApi", "METHOD", "POST", "write"),
        ("RestApi", "METHOD", "DELETE", "write"),
        ("API", "METHOD_NAME", "query", "read"),
        ("API", "METHOD_NAME", "update", "write"),
        ("BulkApi2", "OPERATION_TYPE", "query", "read"),
        ("ReportExport", "REPORT_ID", "00O5j000000abcd", "read"),
        ("ApexCallout", "METHOD", "POST", "message"),
    ] {
        let taken = elf(&[(column, value)], event_type);
        let found = taken.events[0]["kind"].as_str().unwrap();
        assert_eq!(found, kind, "{event_type} {value}");
    }
}

#[test]
fn the_record_of_a_rest_call_stands_in_its_path() {
    let uri = "/services/data/v60.0/sobjects/Opportunity/0065j00000AbcdEAAR";
    let taken = elf(
        &[
            ("METHOD", "PATCH"),
            ("URI", uri),
            ("ENTITY_NAME", "Opportunity"),
        ],
        "RestApi",
    );
    taken.whole(1).has(
        0,
        json!({"object_type": "Opportunity", "object": "0065j00000AbcdEAAR"}),
    );
}

#[test]
fn who_logged_in_as_somebody_else_is_the_one_who_acted() {
    let taken = elf(&[("DELEGATED_USER_ID", "0053X00000BoLQR")], "LoginAs");
    taken.whole(1).has(
        0,
        json!({"actor": "0053X00000BoLQRQA3", "on_behalf_of": "0055j000000utlPAAQ"}),
    );
}

#[test]
fn a_second_pair_of_quotes_is_no_part_of_a_url() {
    let taken = elf(
        &[
            ("URL", "\"https://erp.example/invoices/4711\""),
            ("METHOD", "POST"),
        ],
        "ApexCallout",
    );
    taken.whole(1);
    let event = taken.events[0].to_string();
    assert!(
        event.contains("\"https://erp.example/invoices/4711\""),
        "{:#}",
        taken.events[0]
    );
}

#[test]
fn a_setup_change_by_a_delegate_is_the_delegates() {
    let record = |delegate: Value, context: &str| {
        json!({"Id": "0Ym5j00000AbcdECAW", "Action": "changedOwdAccount", "Section": "Sharing Defaults",
            "Display": "Changed retention from 90 days to 180 days", "CreatedDate": "2026-03-02T07:00:00.000+0000",
            "CreatedById": "0055j000000utlPAAQ", "DelegateUser": delegate, "CreatedByContext": context})
    };
    let taken = Taken::lines("setup.jsonl", &[record(json!("eva@corp.example"), "")], &[]);
    taken.whole(1).has(
        0,
        json!({"actor": "eva@corp.example", "on_behalf_of": "0055j000000utlPAAQ", "kind": "configuration",
            "changes": [{"before": "90 days", "after": "180 days"}]}),
    );
    let taken = Taken::lines("setup.jsonl", &[record(Value::Null, "Einstein")], &[]);
    taken
        .whole(1)
        .has(0, json!({"actor": "0055j000000utlPAAQ"}));
    assert_ne!(taken.events[0]["actor_type"], "human");
}

#[test]
fn a_setup_export_of_the_browser_has_the_zone_of_its_reader() {
    let lines = [
        "Date,User,Source Namespace Prefix,Action,Section,Delegate User",
        "\"02.03.2026 08:00:00 CET\",\"anna@corp.example\",\"\",\"Changed profile Agent\",\"Manage Users\",\"\"",
    ];
    let taken = Taken::text("setup.csv", &lines, &["--tz", "UTC"]);
    taken.whole(1).has(
        0,
        json!({"time": "2026-03-02T07:00:00Z", "actor": "anna@corp.example"}),
    );
}

#[test]
fn rows_of_one_change_are_one_write() {
    let taken = Taken::text(
        "history.csv",
        &[
            "\"ID\",\"OPPORTUNITYID\",\"CREATEDBYID\",\"CREATEDDATE\",\"FIELD\",\"DATATYPE\",\"OLDVALUE\",\"NEWVALUE\"",
            "\"0175j0000AbcdE1AAU\",\"0065j00000AbcdEAAR\",\"0055j000000utlPAAQ\",\"2026-03-02T07:00:00.000Z\",\"Amount\",\"Currency\",\"1000.0\",\"1250.0\"",
            "\"0175j0000AbcdE2AAU\",\"0065j00000AbcdEAAR\",\"0055j000000utlPAAQ\",\"2026-03-02T07:00:00.000Z\",\"Account\",\"EntityId\",\"0015j000000aaaaAAA\",\"0015j000000bbbbAAA\"",
            "\"0175j0000AbcdE3AAU\",\"0065j00000AbcdEAAR\",\"0055j000000utlPAAQ\",\"2026-03-02T07:00:00.000Z\",\"Account\",\"Text\",\"Acme\",\"Globex\"",
            "\"0175j0000AbcdE4AAU\",\"0065j00000AbcdEAAR\",\"0055j000000utlPAAQ\",\"2026-03-02T07:00:00.000Z\",\"Description\",\"LongTextArea\",\"\",\"\"",
        ],
        &[],
    );
    let all = serde_json::to_string(&taken.events).unwrap();
    for value in ["1250.0", "Globex", "0015j000000bbbbAAA"] {
        assert!(all.contains(value), "{value}: {all}");
    }
    // A long text is changed, not emptied.
    assert!(all.contains("does not carry the values"), "{all}");
    // The rows of one save are one task.
    let timeline = taken.case.json(&["timeline", "--format", "json"]);
    assert_eq!(
        timeline["tasks"].as_array().unwrap().len(),
        1,
        "{timeline:#}"
    );
}

fn change_event(header: &Value) -> Value {
    let mut all = json!({"entityName": "Opportunity", "recordIds": ["0065j00000AbcdEAAR"], "changeType": "UPDATE",
        "changedFields": ["Amount"], "changeOrigin": "com/salesforce/api/rest/60.0;client=agent-gw",
        "transactionKey": "0002343d-9d90-e395-ed20-cf416ba652ad", "sequenceNumber": 1,
        "commitTimestamp": 1_772_434_800_000_i64, "commitUser": "0055j000000utlPAAQ"});
    for (name, value) in header.as_object().unwrap() {
        all[name] = value.clone();
    }
    json!({"schema": "x", "payload": {"ChangeEventHeader": all, "Amount": 1250.0}, "event": {"replayId": 7}})
}

#[test]
fn one_change_event_may_stand_for_many_records() {
    let ids =
        json!({"recordIds": ["0065j00000AbcdEAAR", "0065j00000AbcdFAAR", "0065j00000AbcdGAAR"]});
    let taken = Taken::lines("cdc.jsonl", &[change_event(&ids)], &[]);
    assert_eq!(taken.events.len(), 3);
    taken.has(1, json!({"object": "0065j00000AbcdFAAR", "time": "2026-03-02T07:00:00Z", "changes": [{"field": "Amount", "after": "1250.0"}]}));
}

#[test]
fn a_gap_says_that_detail_is_lost_and_a_bitmap_is_no_name() {
    let taken = Taken::lines(
        "cdc.jsonl",
        &[change_event(&json!({"changeType": "GAP_UPDATE"}))],
        &[],
    );
    taken.whole(1).noted(0, "lost");
    let taken = Taken::lines(
        "cdc.jsonl",
        &[change_event(&json!({"changedFields": ["0x400008"]}))],
        &[],
    );
    taken.whole(1);
    assert!(
        !taken.events[0]["changes"].to_string().contains("0x4"),
        "{:#}",
        taken.events[0]
    );
}

#[test]
fn an_approval_step_of_a_queue_is_nobodys() {
    let header = "ID,PROCESSINSTANCEID,STEPSTATUS,ACTORID,ORIGINALACTORID,COMMENTS,CREATEDDATE,TARGETOBJECTID";
    let row = |status: &str, actor: &str| {
        format!(
            "04h5j000000abcdAAA,04g5j000000abcdAAA,{status},{actor},0053X00000BoLQRQA3,ok,2026-03-02T07:00:00.000Z,0065j00000AbcdEAAR"
        )
    };
    for (status, kind) in [("Approved", "approval"), ("Rejected", "rejection")] {
        let taken = Taken::text(
            "steps.csv",
            &[header, &row(status, "0055j000000utlPAAQ")],
            &[],
        );
        taken.whole(1);
        let event = &taken.events[0];
        let outcome = event["outcome"].as_str().unwrap_or_default();
        assert!(
            event["kind"] == kind || (event["kind"] == "approval" && outcome == "denied"),
            "{event:#}"
        );
        // Reassigned: who was asked first is not who decided.
        assert_eq!(event["actor"], "0055j000000utlPAAQ");
        assert!(
            event.to_string().contains("0053X00000BoLQRQA3"),
            "{event:#}"
        );
    }
    let taken = Taken::text(
        "steps.csv",
        &[header, &row("Pending", "00G5j000000abcdAAA")],
        &[],
    );
    assert_ne!(
        taken.events[0]["actor_type"], "human",
        "{:#}",
        taken.events[0]
    );
}

#[test]
fn records_of_a_real_time_event_are_json_in_a_text() {
    let records = json!({"totalSize": 1, "records": [{"attributes": {"type": "Account"}, "Id": "0015j000000aaaaAAA"}]});
    let taken = Taken::lines(
        "events.jsonl",
        &[
            json!({"attributes": {"type": "ApiEventStream"}, "EventDate": "2026-03-02T07:00:00.000Z", "EventIdentifier": "e-1",
            "Username": "anna@corp.example", "UserId": "0055j000000utlPAAQ", "SessionKey": "s", "LoginKey": "l", "SourceIp": "198.51.100.7",
            "Query": "SELECT Id FROM Account", "QueriedEntities": "Account", "RowsProcessed": 1, "PolicyOutcome": "Block",
            "Records": records.to_string()}),
        ],
        &[],
    );
    taken.whole(1).has(0, json!({"outcome": "denied"}));
    assert!(
        taken.events[0]["keys"]
            .to_string()
            .contains("0015j000000aaaaAAA"),
        "{:#}",
        taken.events[0]
    );
}
