//! Traps of database logs.

use serde_json::json;

use super::Taken;

const UTC: &[&str] = &["--tz", "UTC"];

/// A line of csvlog with so many columns.
fn csvlog(columns: usize, message: &str) -> String {
    let mut fields = vec![
        "2026-03-02 07:00:00.269 UTC".to_owned(),
        "\"erp_app\"".to_owned(),
        "\"erp\"".to_owned(),
        "4711".to_owned(),
        "\"10.1.2.3:5432\"".to_owned(),
        "69a53a10.1267".to_owned(),
        "7".to_owned(),
        "\"UPDATE\"".to_owned(),
        "2026-03-02 06:59:00 UTC".to_owned(),
        "3/17".to_owned(),
        "900".to_owned(),
        "LOG".to_owned(),
        "00000".to_owned(),
        format!("\"{}\"", message.replace('"', "\"\"")),
    ];
    let tail: &[&str] = match columns {
        23 => &["\"agent-7\""],
        24 => &["\"agent-7\"", "\"client backend\""],
        25 => &["\"agent-7\"", "\"client backend\"", "-42"],
        _ => &["\"agent-7\"", "\"client backend\"", "", "-42"],
    };
    while fields.len() < columns - tail.len() {
        fields.push(String::new());
    }
    fields.extend(tail.iter().map(|field| (*field).to_owned()));
    assert_eq!(fields.len(), columns);
    fields.join(",")
}

#[test]
fn csvlog_of_every_version_is_read() {
    for columns in [23, 24, 25, 26] {
        let line = csvlog(
            columns,
            "statement: update invoices set status = 'B'\nwhere id = 4711",
        );
        let taken = Taken::text("pg.csv", &[&line], UTC);
        taken.whole(1).has(
            0,
            json!({"format": "postgresql_csvlog", "time": "2026-03-02T07:00:00.269Z"}),
        );
        let event = taken.events[0].to_string();
        assert!(
            event.contains("agent-7"),
            "{columns} columns: {:#}",
            taken.events[0]
        );
    }
}

#[test]
fn stray_lines_between_rows_are_left_out_by_name() {
    let taken = Taken::text(
        "pg.csv",
        &[
            &csvlog(26, "connection authorized"),
            "could not start the log collector",
            &csvlog(26, "disconnection").replace(",7,", ",8,"),
        ],
        UTC,
    );
    assert_eq!(taken.events.len(), 2);
    assert!(taken.rejects().contains("record 2"), "{}", taken.rejects());
}

#[test]
fn pgaudit_is_csv_inside_csv() {
    for (class, command, kind) in [("READ", "SELECT", "read"), ("WRITE", "UPDATE", "write")] {
        let audit = format!(
            "AUDIT: SESSION,1,1,{class},{command},TABLE,public.invoice,\"{command} \"\"x\"\", 'a,b' /*traceparent='00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'*/\",<not logged>"
        );
        let taken = Taken::text("pg.csv", &[&csvlog(26, &audit)], UTC);
        taken.whole(1).has(
            0,
            json!({"kind": kind, "object": "public.invoice", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}),
        );
    }
    for class in ["ROLE", "DDL"] {
        let audit = format!(
            "AUDIT: SESSION,1,1,{class},GRANT,TABLE,public.invoice,\"GRANT ALL ON invoice TO agent\",<not logged>"
        );
        let taken = Taken::text("pg.csv", &[&csvlog(26, &audit)], UTC);
        let kind = taken.events[0]["kind"].as_str().unwrap();
        assert!(kind.starts_with("config"), "{class} is {kind}");
    }
}

#[test]
fn an_error_and_its_statement_are_one_event() {
    let taken = Taken::text(
        "postgresql.log",
        &[
            "2026-03-02 07:00:00.100 UTC [4711] erp_app@erp ERROR:  duplicate key value violates unique constraint \"invoice_pkey\"",
            "2026-03-02 07:00:00.100 UTC [4711] erp_app@erp DETAIL:  Key (id)=(4711) already exists.",
            "2026-03-02 07:00:00.100 UTC [4711] erp_app@erp STATEMENT:  insert into invoice",
            "\tvalues (4711)",
            "2026-03-02 07:00:01.100 UTC [4712] erp_app@erp LOG:  statement: select 1",
        ],
        UTC,
    );
    taken.whole(2).has(0, json!({"outcome": "error"}));
    let first = taken.events[0].to_string();
    assert!(first.contains("duplicate key"), "{first}");
}

#[test]
fn prefixes_of_the_server_log_differ() {
    for line in [
        "2026-03-02 07:00:00 UTC [4711] LOG:  statement: update invoice set a = 1",
        "2026-03-02 07:00:00.000 UTC [4711] erp_app@erp LOG:  statement: update invoice set a = 1",
        "2026-03-02 07:00:00 UTC:10.1.2.3(5432):erp_app@erp:[4711]:LOG:  statement: update invoice set a = 1",
    ] {
        let taken = Taken::text("postgresql.log", &[line], UTC);
        taken.whole(1).has(
            0,
            json!({"format": "postgresql_stderr", "kind": "write", "time": "2026-03-02T07:00:00Z"}),
        );
    }
}

#[test]
fn json_logs_come_in_wrappers() {
    let wrapped = json!({"level": "info", "ts": "2026-03-02T07:00:00Z", "logger": "postgres", "msg": "record",
        "record": {"log_time": "2026-03-02 07:00:00.269 UTC", "user_name": "erp_app", "database_name": "erp", "process_id": "4711",
            "session_id": "69a53a10.1267", "session_line_num": "7", "error_severity": "LOG", "sql_state_code": "00000",
            "message": "statement: update invoice set a = 1", "application_name": "agent-7", "backend_type": "client backend", "query_id": "0"}});
    let taken = Taken::lines("pg.jsonl", &[wrapped], &[]);
    taken.whole(1).has(0, json!({"format": "postgresql_jsonlog", "kind": "write", "time": "2026-03-02T07:00:00.269Z"}));
}

fn mysql(id: u32, more: &serde_json::Value) -> serde_json::Value {
    let mut record = json!({"timestamp": "2026-03-02 07:00:00", "id": id, "class": "table_access", "event": "update", "connection_id": 16,
        "account": {"user": "erp_app", "host": "localhost"}, "login": {"user": "erp_app", "os": "", "ip": "10.1.2.3", "proxy": ""},
        "table_access_data": {"db": "erp", "table": "invoice", "query": "update invoice set a = 1 where id = 4711", "sql_command": "update"}});
    for (name, value) in more.as_object().unwrap() {
        record[name] = value.clone();
    }
    record
}

#[test]
fn an_array_that_is_still_written_to_is_read() {
    // The server closes it when it rotates the file.
    let text = format!("[\n{},\n{},\n", mysql(0, &json!({})), mysql(1, &json!({})));
    let taken = Taken::of(&[("audit.log", text.as_bytes())], &[]);
    assert_eq!(taken.events.len(), 2, "{:#}", taken.report);
    taken.has(0, json!({"format": "mysql_audit", "time": "2026-03-02T07:00:00Z", "kind": "write", "object": "erp.invoice"}));
}

#[test]
fn a_proxy_acts_and_percona_writes_an_account_in_full() {
    let proxied =
        json!({"login": {"user": "anna", "os": "", "ip": "10.1.2.3", "proxy": "svc_agent"}});
    let percona = json!({"account": {"user": "root[root] @ localhost []", "host": ""}});
    let taken = Taken::lines(
        "audit.jsonl",
        &[mysql(0, &proxied), mysql(1, &percona)],
        &[],
    );
    taken.whole(2);
    assert!(
        taken.events[0].to_string().contains("svc_agent"),
        "{:#}",
        taken.events[0]
    );
    assert_ne!(
        taken.events[0]["on_behalf_of"],
        json!(null),
        "{:#}",
        taken.events[0]
    );
    assert_eq!(taken.events[1]["actor"], "root", "{:#}", taken.events[1]);
}

const SQL_SERVER: &str = "event_time,sequence_number,action_id,succeeded,session_server_principal_name,server_principal_name,database_name,schema_name,object_name,statement,transaction_id,application_name,client_ip";

#[test]
fn sql_server_pads_its_actions_and_says_who_executes_as_whom() {
    let rows = [
        SQL_SERVER,
        "2026-03-02 07:00:00.1234567,1,UP  ,1,anna,erp_owner,erp,dbo,invoice,update invoice set a = 1,9,agent-7,10.1.2.3",
        "2026-03-02 07:00:01.1234567,1,LGIF,0,eva,eva,master,,,Login failed,0,,10.1.2.3",
        "2026-03-02 07:00:02.1234567,1,SL  ,1,anna,anna,erp,dbo,invoice,select 1,9,,10.1.2.3",
    ];
    let taken = Taken::text("audit.csv", &rows, &[]);
    taken
        .whole(3)
        .has(
            0,
            json!({"kind": "write", "time": "2026-03-02T07:00:00.123456Z", "object": "erp.dbo.invoice"}),
        )
        .has(2, json!({"kind": "read"}));
    let first = taken.events[0].to_string();
    assert!(
        first.contains("anna") && first.contains("erp_owner"),
        "{first}"
    );
    assert_ne!(taken.events[0]["on_behalf_of"], json!(null), "{first}");
    assert!(
        matches!(
            taken.events[1]["outcome"].as_str(),
            Some("denied" | "error")
        ),
        "{:#}",
        taken.events[1]
    );
}

#[test]
fn a_statement_that_goes_on_in_the_next_row_is_one_deed() {
    let long = "x".repeat(4000);
    let first = format!(
        "2026-03-02 07:00:00.1234567,1,UP  ,1,anna,anna,erp,dbo,invoice,update invoice set a = '{long}',9,agent-7,10.1.2.3"
    );
    let second = "2026-03-02 07:00:00.1234567,2,UP  ,1,anna,anna,erp,dbo,invoice,' where id = 4711,9,agent-7,10.1.2.3";
    let taken = Taken::text("audit.csv", &[SQL_SERVER, &first, second], &[]);
    // Two rows, one deed.
    taken.whole(2);
    let kinds: Vec<&str> = taken
        .events
        .iter()
        .map(|event| event["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["write", "other"]);
    taken.noted(1, "continues");
}

const UNIFIED: &str = "AUDIT_TYPE,SESSIONID,OS_USERNAME,USERHOST,DBUSERNAME,CLIENT_IDENTIFIER,ENTRY_ID,STATEMENT_ID,EVENT_TIMESTAMP,EVENT_TIMESTAMP_UTC,ACTION_NAME,RETURN_CODE,OBJECT_SCHEMA,OBJECT_NAME,SQL_TEXT,SQL_BINDS,DBID,INSTANCE_ID";

fn unified(entry: u32, time: &str, utc: &str, action: &str, code: u32) -> String {
    format!(
        "Standard,4711001,appsrv,host,ERP_APP,agent-7,{entry},1,{time},{utc},{action},{code},AP,AP_INVOICES_ALL,update ap_invoices_all set a = :1 where invoice = :2, #1(1):B #2(4):4711,1,1"
    )
}

#[test]
fn oracle_times_are_utc_where_it_says_so() {
    let both = unified(
        1,
        "31-DEC-25 11.59.59.123456 PM",
        "2025-12-31 22:59:59.123456",
        "UPDATE",
        0,
    );
    let local = unified(2, "31-DEC-25 11.59.59.123456 PM", "", "UPDATE", 0);
    let taken = Taken::text(
        "audit.csv",
        &[UNIFIED, &both, &local],
        &["--tz", "Asia/Tokyo"],
    );
    taken.whole(2);
    let times: Vec<&str> = taken
        .events
        .iter()
        .map(|event| event["time"].as_str().unwrap())
        .collect();
    assert!(times.contains(&"2025-12-31T22:59:59.123456Z"), "{times:?}");
    assert!(times.contains(&"2025-12-31T14:59:59.123456Z"), "{times:?}");
    taken.has(
        0,
        json!({"actor": "ERP_APP", "on_behalf_of": "agent-7", "kind": "write"}),
    );
}

#[test]
fn oracle_codes_say_why_and_binds_hold_the_number() {
    let rows: Vec<String> = [
        (0, "UPDATE"),
        (1031, "UPDATE"),
        (1017, "LOGON"),
        (942, "SELECT"),
    ]
    .iter()
    .enumerate()
    .map(|(at, (code, action))| unified(at as u32, "", "2025-12-31 22:59:59.123456", action, *code))
    .collect();
    let lines: Vec<&str> = std::iter::once(UNIFIED)
        .chain(rows.iter().map(String::as_str))
        .collect();
    let taken = Taken::text("audit.csv", &lines, UTC);
    taken.whole(4);
    let outcomes: Vec<&str> = taken
        .events
        .iter()
        .map(|event| event["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["ok", "denied", "denied", "error"]);
    let shown = taken.case.output(&["timeline", "--invoice", "4711"]);
    assert!(shown.contains("AP_INVOICES_ALL"), "{shown}");
}

#[test]
fn values_of_an_aud_file_span_lines_and_hold_quotes() {
    let statement = "update invoice\nset note = 'it''s \"fine\"'\nwhere id = 4711";
    let record = |length: usize| {
        format!(
            "Wed Oct  7 11:58:08 2020 -04:00\nLENGTH : '392'\nACTION :[{length}] '{statement}'\nDATABASE USER:[3] 'ERP'\nPRIVILEGE :[4] 'NONE'\nCLIENT USER:[6] 'oracle'\nCLIENT TERMINAL:[5] 'pts/0'\nSTATUS:[1] '0'\nDBID:[3] '123'\n\n"
        )
    };
    for length in [statement.len(), 26] {
        // A count that does not fit is what anonymising leaves behind.
        let taken = Taken::of(&[("ora_1.aud", record(length).as_bytes())], UTC);
        taken.whole(1).has(
            0,
            json!({"time": "2020-10-07T15:58:08Z", "actor": "ERP", "kind": "write"}),
        );
    }
    let line = "Wed Oct  7 11:58:08 2020 -04:00\nLENGTH : '160'\nSESSIONID:[5] \"12354\" ENTRYID:[1] \"1\" STATEMENT:[1] \"1\" USERID:[3] \"ERP\" ACTION:[1] \"6\" RETURNCODE:[1] \"0\" OBJ$CREATOR:[2] \"AP\" OBJ$NAME:[7] \"INVOICE\"\n\n";
    let taken = Taken::of(&[("ora_2.aud", line.as_bytes())], UTC);
    taken.whole(1).has(
        0,
        json!({"actor": "ERP", "kind": "write", "object": "INVOICE"}),
    );
}

#[test]
fn a_journal_of_servicenow_comes_with_display_values() {
    let pair = |value: &str, shown: &str| json!({"value": value, "display_value": shown});
    let id = "0123456789abcdef0123456789abcdef";
    let record = json!({"sys_id": pair(id, id), "tablename": pair("incident", "Incident"), "documentkey": pair(id, "INC1"),
        "fieldname": pair("state", "State"), "oldvalue": pair("1", "New"), "newvalue": pair("6", "Resolved"),
        "user": pair("agent.api", "Agent"), "sys_created_on": pair("2026-03-02 07:00:00", "02.03.2026 08:00:00"), "sys_created_by": pair("agent.api", "Agent")});
    let taken = Taken::lines("sys_audit.jsonl", &[record], &[]);
    taken.whole(1).has(
        0,
        json!({"actor": "agent.api", "time": "2026-03-02T07:00:00Z", "changes": [{"field": "state", "before": "1", "after": "6"}]}),
    );
    let deleted = json!({"sys_id": id, "tablename": "incident", "documentkey": id, "fieldname": "DELETED", "oldvalue": "", "newvalue": "",
        "user": "system", "sys_created_on": "2026-03-02 07:00:00"});
    let taken = Taken::lines("sys_audit.jsonl", &[deleted], &[]);
    taken
        .whole(1)
        .has(0, json!({"actor_type": "service", "actor": "system"}));
    assert!(
        taken.events[0]
            .to_string()
            .to_lowercase()
            .contains("delete"),
        "{:#}",
        taken.events[0]
    );
}
