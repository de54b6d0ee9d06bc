//! Traps of Microsoft, of the clouds' own audit logs, and of workflow and chat.

use serde_json::{Value, json};

use super::Taken;

fn unified(more: &Value) -> Value {
    let mut record = json!({"CreationTime": "2026-03-02T07:00:00", "Id": "c9d2-1", "Operation": "FileDownloaded", "RecordType": 6,
        "UserType": 0, "Workload": "SharePoint", "UserId": "anna@corp.example", "ObjectId": "https://corp.example/f/invoice-4711.pdf",
        "ResultStatus": "Succeeded"});
    for (name, value) in more.as_object().unwrap() {
        record[name] = value.clone();
    }
    record
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[test]
fn the_column_of_the_audit_data_counts_wherever_it_stands() {
    let data = quoted(&unified(&json!({})).to_string().replace('/', "\\/"));
    for (header, row) in [
        (
            "CreationDate,UserIds,Operations,AuditData",
            format!("\"12/31/2025 4:01:02 PM\",anna@corp.example,FileDownloaded,{data}"),
        ),
        (
            "ResultIndex,ResultCount,Identity,IsValid,ObjectState,AuditData,RecordType,CreationDate,UserIds,Operations",
            format!(
                "1,1,c9d2-1,True,Unchanged,{data},SharePointFileOperation,31.12.2025 16:01,anna@corp.example,FileDownloaded"
            ),
        ),
        (
            "_time,_raw,AuditData,RecordId",
            format!("2026-03-02T08:00:00.000+0100,x,{data},c9d2-1"),
        ),
    ] {
        let taken = Taken::text("export.csv", &[header, &row], &[]);
        // The time is that of the data, and it is UTC without saying so.
        taken.whole(1).has(
            0,
            json!({"format": "m365_unified_audit", "time": "2026-03-02T07:00:00Z", "actor": "anna@corp.example", "outcome": "ok"}),
        );
        assert!(
            taken.events[0]
                .to_string()
                .contains("https://corp.example/f/invoice-4711.pdf")
        );
    }
}

#[test]
fn values_of_modified_properties_are_json_in_json() {
    let properties = json!([{"Name": "Included Updated Properties", "OldValue": "", "NewValue": "x"},
        {"Name": "AccountEnabled", "OldValue": "[\r\n  true\r\n]", "NewValue": "[\r\n  false\r\n]"}]);
    let record = unified(
        &json!({"Operation": "Update user.", "Workload": "AzureActiveDirectory", "RecordType": 8, "ModifiedProperties": properties}),
    );
    let taken = Taken::lines("ual.jsonl", &[record], &[]);
    taken.whole(1).has(
        0,
        json!({"changes": [{"field": "AccountEnabled", "before": "true", "after": "false"}]}),
    );
}

#[test]
fn results_and_kinds_of_users_have_many_spellings() {
    for (status, outcome) in [
        ("True", "ok"),
        ("Succeeded", "ok"),
        ("Success", "ok"),
        ("PartiallySucceeded", "partial"),
        ("Failed", "error"),
        ("False", "error"),
    ] {
        let taken = Taken::lines(
            "ual.jsonl",
            &[unified(&json!({"ResultStatus": status}))],
            &[],
        );
        let found = taken.events[0]["outcome"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(
            found == outcome || (outcome == "partial" && !found.is_empty()),
            "{status}: {found}"
        );
    }
    for (user_type, user, human) in [
        (0, "anna@corp.example", true),
        (4, "NT AUTHORITY\\SYSTEM (w3wp)", false),
        (5, "a81f6b2c-0000-4000-8000-000000000001", false),
        (6, "ServicePrincipal_1", false),
    ] {
        let taken = Taken::lines(
            "ual.jsonl",
            &[unified(&json!({"UserType": user_type, "UserId": user}))],
            &[],
        );
        assert_eq!(
            taken.events[0]["actor_type"] == "human",
            human,
            "{user_type}: {:#}",
            taken.events[0]
        );
    }
}

#[test]
fn copilot_says_what_it_opened_and_whether_it_was_attacked() {
    let record = unified(
        &json!({"RecordType": 261, "Operation": "CopilotInteraction", "Workload": "Copilot", "ObjectId": "",
        "CopilotEventData": {"AppHost": "Teams", "ThreadId": "19:thread-1", "AccessedResources": [{"ID": "r1", "Name": "invoice-4711.pdf",
            "SiteUrl": "https://corp.example/f/invoice-4711.pdf", "Action": "Read", "XPIADetected": true, "SensitivityLabelId": "label-1"}],
            "Messages": [{"Id": "m1", "isPrompt": true, "JailbreakDetected": true}, {"Id": "m2", "isPrompt": false}]}}),
    );
    let taken = Taken::lines("ual.jsonl", &[record], &[]);
    let all = serde_json::to_string(&taken.events).unwrap();
    for fact in ["19:thread-1", "https://corp.example/f/invoice-4711.pdf"] {
        assert!(all.contains(fact), "{fact}: {all}");
    }
    let lower = all.to_lowercase();
    assert!(
        lower.contains("jailbreak") && (lower.contains("xpia") || lower.contains("injection")),
        "{all}"
    );
}

#[test]
fn dataverse_says_who_called_for_whom() {
    let changed = json!({"changedAttributes": [{"logicalName": "totalamount", "oldValue": "100", "newValue": "120"}]});
    let record = json!({"auditid": "a-1", "createdon": "2026-03-02T07:00:00Z", "_userid_value": "11111111-0000-4000-8000-000000000001", "userid": "11111111-0000-4000-8000-000000000001",
        "callinguserid": "22222222-0000-4000-8000-000000000002", "operation": 2, "action": 2, "objecttypecode": "invoice",
        "objectid": "33333333-0000-4000-8000-000000000003", "attributemask": "1,2", "changedata": changed.to_string()});
    let taken = Taken::lines("audit.jsonl", &[record], &[]);
    taken.whole(1).has(0, json!({"kind": "write", "changes": [{"field": "totalamount", "before": "100", "after": "120"}]}));
    let event = taken.events[0].to_string();
    assert!(
        event.contains("11111111-") && event.contains("22222222-"),
        "{event}"
    );
    assert_ne!(taken.events[0]["on_behalf_of"], Value::Null);
}

#[test]
fn diagnostic_records_may_follow_each_other_without_a_newline() {
    let record = |n: u32| {
        json!({"time": format!("2026-03-02T07:00:0{n}.1234567Z"), "category": "SignInLogs", "operationName": "Sign-in activity", "resultType": "0",
            "correlationId": format!("c-{n}"), "resourceId": "/TENANTS/X/PROVIDERS/MICROSOFT.AADIAM",
            "properties": {"id": format!("s-{n}"), "createdDateTime": format!("2026-03-02T07:00:0{n}.1234567Z"), "userPrincipalName": "anna@corp.example",
                "appDisplayName": "Agent", "appId": "app-1", "ipAddress": "198.51.100.7", "correlationId": format!("c-{n}"), "status": {"errorCode": 0}}})
    };
    let text = format!("{}{}", record(1), record(2));
    let taken = Taken::of(&[("insights.json", text.as_bytes())], &[]);
    taken.whole(2).has(
        0,
        json!({"format": "entra_signin", "time": "2026-03-02T07:00:01.123456Z", "outcome": "ok"}),
    );
    let taken = Taken::of(
        &[(
            "insights.json",
            json!({"records": [record(1), record(2)]})
                .to_string()
                .as_bytes(),
        )],
        &[],
    );
    taken.whole(2);
}

#[test]
fn ids_of_azure_resources_are_the_same_in_any_case() {
    let record = |n: u32, id: &str| {
        json!({"time": format!("2026-03-02T07:00:0{n}.1234567Z"), "resourceId": id, "operationName": "MICROSOFT.STORAGE/STORAGEACCOUNTS/LISTKEYS/ACTION",
            "category": "Administrative", "resultType": "Success", "correlationId": format!("c-{n}"), "callerIpAddress": "198.51.100.7",
            "identity": {"claims": {"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn": "anna@corp.example"}, "authorization": {"action": "x", "scope": id}}})
    };
    let taken = Taken::lines(
        "activity.jsonl",
        &[
            record(1, "/SUBSCRIPTIONS/S1/RESOURCEGROUPS/RG/PROVIDERS/X/STORE"),
            record(2, "/subscriptions/s1/resourceGroups/rg/providers/x/store"),
        ],
        &[],
    );
    taken.whole(2);
    let objects: Vec<String> = taken
        .events
        .iter()
        .map(|event| event["object"].to_string().to_lowercase())
        .collect();
    assert_eq!(objects[0], objects[1]);
    let keys: Vec<String> = taken
        .events
        .iter()
        .map(|event| event["keys"].to_string())
        .collect();
    let object_key = |keys: &str| {
        keys.split('"')
            .find(|key| key.to_lowercase().contains("/subscriptions/"))
            .map(str::to_owned)
    };
    assert_eq!(object_key(&keys[0]), object_key(&keys[1]), "{keys:?}");
}

fn trail_event(more: &Value) -> Value {
    let mut record = json!({"eventVersion": "1.08", "eventID": "e-1", "eventTime": "2026-03-02T07:00:00Z", "eventName": "PutObject",
        "eventSource": "s3.amazonaws.com", "awsRegion": "eu-central-1", "requestID": "R1", "sourceIPAddress": "AWS Internal", "readOnly": false,
        "userIdentity": {"type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/agent-role/anna@corp.example",
            "principalId": "AROA:anna@corp.example", "accountId": "111122223333",
            "sessionContext": {"sessionIssuer": {"type": "Role", "arn": "arn:aws:iam::111122223333:role/agent-role", "userName": "agent-role"}}}});
    for (name, value) in more.as_object().unwrap() {
        record[name] = value.clone();
    }
    record
}

#[test]
fn behind_a_role_stands_a_session() {
    let taken = Taken::lines("ct.jsonl", &[trail_event(&json!({}))], &[]);
    taken.whole(1).has(
        0,
        json!({"actor": "…", "on_behalf_of": "anna@corp.example", "kind": "write"}),
    );
    assert!(
        taken.events[0]["actor"]
            .as_str()
            .unwrap()
            .contains("agent-role"),
        "{:#}",
        taken.events[0]
    );
    // A host of the provider is no address.
    assert!(
        !taken.events[0]["keys"].to_string().contains("address:"),
        "{:#}",
        taken.events[0]
    );
    for code in [
        "AccessDenied",
        "Client.UnauthorizedOperation",
        "UnauthorizedOperation",
        "AccessDeniedException",
    ] {
        let taken = Taken::lines("ct.jsonl", &[trail_event(&json!({"errorCode": code}))], &[]);
        taken.has(0, json!({"outcome": "denied"}));
    }
    let taken = Taken::lines(
        "ct.jsonl",
        &[trail_event(&json!({"errorCode": "NoSuchBucket"}))],
        &[],
    );
    taken.has(0, json!({"outcome": "error"}));
}

#[test]
fn a_looked_up_event_is_the_string_inside() {
    let outer = json!({"EventId": "e-1", "EventName": "PutObject", "EventTime": "2026-03-02 18:00:00+11:00", "Username": "x",
        "Resources": [], "CloudTrailEvent": trail_event(&json!({})).to_string()});
    let taken = Taken::of(
        &[(
            "lookup.json",
            json!({"Events": [outer]}).to_string().as_bytes(),
        )],
        &[],
    );
    taken.whole(1).has(
        0,
        json!({"time": "2026-03-02T07:00:00Z", "on_behalf_of": "anna@corp.example"}),
    );
}

#[test]
fn an_invocation_in_the_audit_trail_is_a_model_call() {
    for name in ["InvokeModel", "Converse"] {
        let record = trail_event(
            &json!({"eventSource": "bedrock.amazonaws.com", "eventName": name, "requestParameters": {"modelId": "anthropic.claude-x"}}),
        );
        let taken = Taken::lines("ct.jsonl", &[record], &[]);
        taken.whole(1).has(
            0,
            json!({"kind": "inference", "model_requested": "anthropic.claude-x"}),
        );
    }
}

#[test]
fn a_long_operation_gives_two_entries_of_one_task() {
    let entry = |n: u32, first: bool| {
        json!({"insertId": format!("i-{n}"), "timestamp": format!("2026-03-02T07:00:0{n}.123456789Z"), "receiveTimestamp": "2026-03-02T07:00:09Z",
            "logName": "projects/p/logs/cloudaudit.googleapis.com%2Factivity", "resource": {"type": "gce_instance"}, "severity": "NOTICE",
            "operation": {"id": "operation-1", "producer": "compute.googleapis.com", "first": first, "last": !first},
            "trace": "projects/p/traces/4bf92f3577b34da6a3ce929d0e0e4736",
            "protoPayload": {"@type": "type.googleapis.com/google.cloud.audit.AuditLog", "serviceName": "compute.googleapis.com", "methodName": "v1.compute.instances.insert",
                "resourceName": "projects/p/zones/z/instances/i", "authenticationInfo": {"principalEmail": "agent@p.iam.gserviceaccount.com"},
                "authorizationInfo": [{"permission": "compute.instances.create", "granted": true}], "requestMetadata": {"callerIp": "198.51.100.7"}}})
    };
    let taken = Taken::lines("gcp.jsonl", &[entry(1, true), entry(2, false)], &[]);
    taken.whole(2).has(0, json!({"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "time": "2026-03-02T07:00:01.123456Z"}));
    assert_ne!(taken.events[0]["actor_type"], "human");
    let tasks = taken.case.json(&["timeline", "--format", "json"]);
    assert_eq!(tasks["tasks"].as_array().unwrap().len(), 1, "{tasks:#}");
    // A subscription wraps it, in Base64.
    let data = base64(&entry(1, true).to_string());
    let wrapped = json!({"message": {"data": data, "messageId": "1", "publishTime": "2026-03-02T07:00:03Z"}, "subscription": "projects/p/subscriptions/s"});
    let taken = Taken::lines("pubsub.jsonl", &[wrapped], &[]);
    taken.whole(1).has(
        0,
        json!({"format": "gcp_audit", "actor": "agent@p.iam.gserviceaccount.com"}),
    );
}

pub(super) fn base64(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk.iter().enumerate().fold(0u32, |bits, (at, byte)| {
            bits | u32::from(*byte) << (16 - 8 * at)
        });
        for at in 0..4 {
            let six = (bits >> (18 - 6 * at)) as usize & 63;
            out.push(if at <= chunk.len() {
                char::from(ALPHABET[six])
            } else {
                '='
            });
        }
    }
    out
}

#[test]
fn an_issue_is_approved_by_a_change_of_status() {
    let history = |id: &str, author: Value, items: Value| json!({"id": id, "author": author, "created": "2026-03-02T08:00:00.123+0100", "items": items});
    let person = json!({"accountId": "a1", "displayName": "Anna", "accountType": "atlassian"});
    let app = json!({"accountId": "a2", "displayName": "Agent", "accountType": "app"});
    let issue = json!({"key": "FIN-4711", "id": "1", "changelog": {"histories": [
        history("1", person, json!([{"field": "status", "fieldId": "status", "from": "1", "fromString": "Waiting for approval", "to": "2", "toString": "Approved"}])),
        history("2", app, json!([{"field": "assignee", "fieldId": "assignee", "from": null, "fromString": null, "to": "a1", "toString": "Anna"}]))]}});
    let taken = Taken::lines("issues.jsonl", &[issue], &[]);
    taken.whole(2).has(
        0,
        json!({"kind": "approval", "time": "2026-03-02T07:00:00.123Z", "actor_type": "human"}),
    );
    assert_ne!(
        taken.events[1]["actor_type"], "human",
        "{:#}",
        taken.events[1]
    );
}

#[test]
fn access_logs_of_atlassian_have_one_more_column_since_some_version() {
    let old = "[03/Oct/2026:09:00:01 +0000] anna http-nio-8080-exec-1 10.1.2.3 GET /rest/api/2/issue/FIN-4711 HTTP/1.1 200 1020ms 1234 https://jira.example/ \"Mozilla/5.0\"";
    let new = old.replacen("] anna", "] 198.51.100.7 anna", 1);
    for line in [old, &new] {
        let taken = Taken::text("access.log", &[line], &[]);
        taken.whole(1).has(
            0,
            json!({"format": "atlassian_access", "actor": "anna", "time": "2026-10-03T09:00:01Z"}),
        );
    }
}

#[test]
fn details_of_slack_have_three_forms() {
    let entry = |n: u32, details: Value| {
        json!({"id": format!("id-{n}"), "date_create": 1_772_434_800 + n, "action": "pref.changed", "actor": {"type": "user", "user": {"id": "U1", "name": "Anna", "email": "anna@corp.example"}},
            "entity": {"type": "workspace", "workspace": {"id": "T1", "name": "W", "domain": "w"}},
            "context": {"location": {"type": "workspace", "id": "T1"}, "ua": "x", "ip_address": "198.51.100.7", "session_id": 1}, "details": details})
    };
    let taken = Taken::lines(
        "slack.jsonl",
        &[
            entry(0, json!({})),
            entry(1, json!("text")),
            entry(2, json!({"new_value": "b", "previous_value": "a"})),
        ],
        &[],
    );
    taken
        .whole(3)
        .has(0, json!({"time": "2026-03-02T07:00:00Z"}))
        .has(2, json!({"changes": [{"before": "a", "after": "b"}]}));
}
