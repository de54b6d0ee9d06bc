//! Traps of SAP exports.

use serde_json::json;

use super::Taken;

const UTC: &[&str] = &["--tz", "UTC"];
const BERLIN: &[&str] = &["--tz", "sap=Europe/Berlin"];
const CDHDR: &str = "MANDANT;OBJECTCLAS;OBJECTID;CHANGENR;USERNAME;UDATE;UTIME;TCODE;CHANGE_IND";
const CDPOS: &str =
    "MANDANT;OBJECTCLAS;OBJECTID;CHANGENR;TABNAME;TABKEY;FNAME;CHNGIND;VALUE_NEW;VALUE_OLD";

fn header_of(class: &str, id: &str) -> String {
    format!("100;{class};{id};0000123456;AGENT_RFC;20260302;080000;FB02;U")
}

fn changes(class: &str, id: &str, position: &str) -> Taken {
    let header = format!("{CDHDR}\n{}\n", header_of(class, id));
    let positions = format!("{CDPOS}\n100;{class};{id};0000123456;{position}\n");
    Taken::of(
        &[
            ("cdhdr.csv", header.as_bytes()),
            ("cdpos.csv", positions.as_bytes()),
        ],
        BERLIN,
    )
}

#[test]
fn headers_may_be_labels_of_the_logon_language() {
    for (header, row) in [
        (
            "Change Document Object,Object Value,Document Number,User,Date,Time,Transaction Code,Change Indicator",
            "EINKBELEG,4500000001,123456,ANNA,03/31/2026,08:00:00,ME22N,U",
        ),
        (
            "Objektklasse;Objektwert;Belegnummer;Benutzer;Datum;Uhrzeit;Transaktionscode;Änderungskennzeichen",
            "EINKBELEG;4500000001;123456;ANNA;31.03.2026;08:00:00;ME22N;U",
        ),
    ] {
        let taken = Taken::text("export.csv", &[header, row], UTC);
        taken.whole(1).has(
            0,
            json!({"format": "sap_cdhdr", "actor": "ANNA", "time": "2026-03-31T08:00:00Z", "keys": ["order:4500000001"]}),
        );
    }
}

#[test]
fn an_unconverted_list_is_a_table_all_the_same() {
    let taken = Taken::text(
        "list.txt",
        &[
            "02.03.2026          Dynamic List Display                    1",
            "----------------------------------------------------------------------------------------------",
            "|   |MANDANT|OBJECTCLAS|OBJECTID  |CHANGENR  |USERNAME |UDATE     |UTIME   |TCODE|CHANGE_IND|",
            "----------------------------------------------------------------------------------------------",
            "|   |100    |EINKBELEG |4500000001|0000123456|ANNA     |02.03.2026|08:00:00|ME22N|U         |",
            "----------------------------------------------------------------------------------------------",
            "|   |MANDANT|OBJECTCLAS|OBJECTID  |CHANGENR  |USERNAME |UDATE     |UTIME   |TCODE|CHANGE_IND|",
            "----------------------------------------------------------------------------------------------",
            "|   |100    |EINKBELEG |4500000001|0000123457|BERTA    |02.03.2026|08:00:01|ME22N|U         |",
            "----------------------------------------------------------------------------------------------",
        ],
        UTC,
    );
    assert_eq!(
        taken.events.len(),
        2,
        "{:#?}\n{}",
        taken.report,
        taken.rejects()
    );
    taken
        .has(0, json!({"actor": "ANNA"}))
        .has(1, json!({"actor": "BERTA", "time": "2026-03-02T08:00:01Z"}));
}

#[test]
fn a_tab_export_quotes_nothing() {
    let header = CDHDR.replace(';', "\t");
    let row = header_of("EINKBELEG", "4500000001")
        .replace(';', "\t")
        .replace("AGENT_RFC", "\"ANNA");
    Taken::text("export.txt", &[&header, &row], UTC)
        .whole(1)
        .has(0, json!({"actor": "\"ANNA"}));
}

fn document(row: &[(&str, &str)]) -> Taken {
    let names: Vec<&str> = row.iter().map(|(name, _)| *name).collect();
    let values: Vec<&str> = row.iter().map(|(_, value)| *value).collect();
    Taken::text("bkpf.csv", &[&names.join(";"), &values.join(";")], UTC)
}

fn bkpf(more: &[(&'static str, &'static str)]) -> Taken {
    let mut row = vec![
        ("MANDT", "100"),
        ("BUKRS", "DE00"),
        ("BELNR", "0000004711"),
        ("GJAHR", "2025"),
        ("BLART", "RE"),
        ("BLDAT", "20251201"),
        ("BUDAT", "20251220"),
        ("CPUDT", "20251231"),
        ("CPUTM", "235959"),
        ("USNAM", "AGENT_RFC"),
        ("TCODE", "MIRO"),
    ];
    row.extend_from_slice(more);
    document(&row)
}

#[test]
fn amounts_of_either_notation_and_with_the_sign_behind() {
    for (written, amount) in [
        ("1.234,56", "1234.56"),
        ("1,234.56", "1234.56"),
        ("100,00-", "-100"),
        ("1.234.567,89-", "-1234567.89"),
    ] {
        let taken = document(&[
            ("MANDT", "100"),
            ("BUKRS", "DE00"),
            ("BELNR", "0000004711"),
            ("GJAHR", "2025"),
            ("CPUDT", "20251231"),
            ("CPUTM", "235959"),
            ("USNAM", "ANNA"),
            ("WRBTR", written),
            ("WAERS", "EUR"),
        ]);
        taken.whole(1).has(0, json!({"currency": "EUR"}));
        let found = taken.events[0]["amount"].to_string();
        let found: f64 = found.trim_matches('"').parse().unwrap();
        assert!(
            (found - amount.parse::<f64>().unwrap()).abs() < 1e-9,
            "{written} is {found}"
        );
    }
}

#[test]
fn a_currency_without_decimals_is_stored_shifted() {
    // SAP keeps amounts with two places: 10.00 of a JPY column are 1,000 yen.
    let taken = bkpf(&[("WRBTR", "10.00"), ("WAERS", "JPY")]);
    let found = taken.events[0]["amount"].to_string();
    let found: f64 = found.trim_matches('"').parse().unwrap();
    assert!((found - 1000.0).abs() < 1e-9, "{found}");
    taken.noted(0, "JPY");
}

#[test]
fn leading_zeros_do_not_count() {
    let taken = bkpf(&[]);
    for spelling in ["4711", "0000004711", "INV-4711"] {
        let found = taken.case.output(&["timeline", "--invoice", spelling]);
        assert!(found.contains("0000004711"), "{spelling}: {found}");
    }
}

#[test]
fn one_number_exists_once_a_company_and_year() {
    let header = "MANDT;BUKRS;BELNR;GJAHR;CPUDT;CPUTM;USNAM;TCODE";
    let taken = Taken::text(
        "bkpf.csv",
        &[
            header,
            "100;DE00;0000004711;2024;20241231;120000;ANNA;FB01",
            "100;DE00;0000004711;2025;20251231;120000;BERTA;FB01",
            "100;FR00;0000004711;2025;20251231;120001;CLAIRE;FB01",
        ],
        UTC,
    );
    taken.whole(3);
    let shown = taken.case.output(&["timeline", "--invoice", "4711"]);
    for one in [
        "DE00/0000004711/2024",
        "DE00/0000004711/2025",
        "FR00/0000004711/2025",
    ] {
        assert!(shown.contains(one), "{one}: {shown}");
    }
    // Different documents are different tasks.
    let all = taken
        .case
        .json(&["timeline", "--invoice", "4711", "--format", "json"]);
    assert_eq!(all["tasks"].as_array().unwrap().len(), 3, "{all:#}");
}

#[test]
fn local_times_need_a_zone_and_say_that_it_was_assumed() {
    let row = header_of("EINKBELEG", "4500000001");
    let taken = Taken::text("cdhdr.csv", &[CDHDR, &row], BERLIN);
    taken.whole(1).has(
        0,
        json!({"time": "2026-03-02T07:00:00Z", "time_origin": "assumed_zone"}),
    );
    // Without one it is read as UTC, and said.
    let taken = Taken::text("cdhdr.csv", &[CDHDR, &row], &[]);
    taken.has(
        0,
        json!({"time": "2026-03-02T08:00:00Z", "time_origin": "assumed_zone"}),
    );
    assert_eq!(taken.report["files"][0]["zone_origin"], "default");
}

#[test]
fn a_client_that_a_spreadsheet_shortened_joins_all_the_same() {
    let header =
        format!("{CDHDR}\n10;EINKBELEG;4500000001;0000123456;ANNA;20260302;080000;ME22N;U\n");
    let position = format!(
        "{CDPOS}\n010;EINKBELEG;4500000001;0000123456;EKPO;010450000000100010;NETPR;U;12.00;10.00\n"
    );
    let taken = Taken::of(
        &[
            ("cdhdr.csv", header.as_bytes()),
            ("cdpos.csv", position.as_bytes()),
        ],
        UTC,
    );
    let tasks: std::collections::BTreeSet<String> = taken
        .case
        .json(&["sql", "--format", "json", "select distinct task from tasks"])
        .as_array()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(tasks.len(), 1, "{:#?}", taken.events);
}

const SAL: &str = "SLGDATE\tSLGTIME\tSLGMAND\tAREA\tSUBID\tSLGUSER\tSLGTC\tSLGREPNA\tTEXT";

fn audit(message: &str, user: &str, text: &str) -> Taken {
    let (area, sub) = message.split_at(2);
    let row = format!("31.12.2025\t23:59:58\t100\t{area}\t{sub}\t{user}\t\tSAPMSSY1\t{text}");
    Taken::text("sal.txt", &[SAL, &row], UTC)
}

#[test]
fn messages_of_the_audit_log_say_what_was_done() {
    for (message, text, kind, outcome) in [
        ("AU1", "Logon successful (type=A, method=P)", "login", "ok"),
        ("AU2", "Logon failed (reason=1, type=A)", "login", "denied"),
        ("AU3", "Transaction FB02 started", "call", "ok"),
        ("AU4", "Start of transaction FB02 failed", "call", "denied"),
        (
            "AUK",
            "Successful RFC Call BAPI_INCOMINGINVOICE_CHANGE (Function Group = MRM_BAPI)",
            "call",
            "ok",
        ),
        (
            "AUL",
            "Failed RFC Call RFC_READ_TABLE (Function Group = SDTX)",
            "call",
            "denied",
        ),
        ("AU7", "User EVA created", "config", "ok"),
        (
            "AUY",
            "Download 4711 bytes to file c:\\x.xls",
            "export",
            "ok",
        ),
        ("AUE", "Audit configuration changed", "config", "ok"),
        ("CU2", "OAuth 2.0: token invalid", "any", "denied"),
    ] {
        let taken = audit(message, "ANNA", text);
        taken.whole(1).has(0, json!({"actor": "ANNA"}));
        let event = &taken.events[0];
        let found = event["kind"].as_str().unwrap();
        let fits = match kind {
            "call" => matches!(
                found,
                "execute" | "call" | "tool_call" | "api_call" | "gateway" | "request" | "other"
            ),
            "login" => matches!(found, "login" | "authentication" | "auth"),
            "config" => matches!(found, "config" | "configuration" | "write" | "identity"),
            "export" => matches!(found, "read" | "export"),
            _ => true,
        };
        assert!(fits, "{message} is {found}");
        let found = event["outcome"].as_str().unwrap_or("ok");
        assert!(
            found == outcome || (outcome == "denied" && found == "error"),
            "{message}: {found}"
        );
    }
    audit("AUE", "ANNA", "Audit configuration changed").noted(0, "audit log");
}

#[test]
fn the_object_of_a_user_change_is_not_its_actor() {
    let taken = audit("AU8", "ADMIN", "User EVA deleted");
    taken
        .whole(1)
        .has(0, json!({"actor": "ADMIN", "object": "EVA"}));
}

#[test]
fn a_header_without_positions_and_the_reverse_are_kept_and_noted() {
    let row = header_of("EINKBELEG", "4500000001");
    let taken = Taken::text("cdhdr.csv", &[CDHDR, &row], UTC);
    taken.whole(1);
    let position =
        "100;EINKBELEG;4500000001;0000123456;EKPO;100450000000100010;NETPR;U;12.00;10.00";
    let alone = Taken::text("cdpos.csv", &[CDPOS, position], UTC);
    alone.whole(1).has(
        0,
        json!({"changes": [{"field": "…", "before": "10.00", "after": "12.00"}]}),
    );
    let found = |taken: &Taken| taken.case.output(&["stats"]);
    assert!(
        found(&taken).contains("without positions"),
        "{}",
        found(&taken)
    );
    assert!(
        found(&alone).contains("without header"),
        "{}",
        found(&alone)
    );
}

#[test]
fn keys_of_rows_are_cut_at_widths_and_blanks_stay_inside() {
    // A company code of three characters leaves a blank in the middle.
    let taken = changes(
        "BELEG",
        "100DE1 00000047112025",
        "BSEG;100DE1 00000047112025001;ZLSPR;U; ;A",
    );
    let text = serde_json::to_string(&taken.events).unwrap();
    assert!(
        text.contains("\"document:4711\"") || text.contains("invoice:4711"),
        "{text}"
    );
    assert!(text.contains("\"before\":\"A\""), "{text}");
    for (table, key, part) in [
        ("EKPO", "100450000000100010", "4500000001"),
        ("RBKP", "10051000000012024", "5100000001"),
    ] {
        let taken = changes(
            "ZCUSTOM",
            "X1",
            &format!("{table};{key};NETPR;U;12.00;10.00"),
        );
        let text = serde_json::to_string(&taken.events).unwrap();
        assert!(text.contains(&format!(":{part}\"")), "{table}: {text}");
    }
}

#[test]
fn the_object_follows_from_its_class() {
    for (class, id, key) in [
        ("EINKBELEG", "4500000001", "order:4500000001"),
        ("VERKBELEG", "0000012345", "order:12345"),
        ("BELEG", "100DE0000000047112025", "invoice:4711"),
        ("INCOMINGINVOICE", "51056000012025", "invoice:5105600001"),
        ("KRED", "0000100042", "customer:100042"),
        ("DEBI", "0000100043", "customer:100043"),
    ] {
        let taken = Taken::text("cdhdr.csv", &[CDHDR, &header_of(class, id)], UTC);
        taken.whole(1).has(0, json!({"keys": [key]}));
    }
    let taken = Taken::text("cdhdr.csv", &[CDHDR, &header_of("EINKBEHR", "X 17")], UTC);
    taken
        .whole(1)
        .has(0, json!({"object_type": "EINKBEHR", "object": "X 17"}));
}

#[test]
fn values_stand_new_before_old_and_without_their_padding() {
    let taken = changes(
        "EINKBELEG",
        "4500000001",
        "EKPO;100450000000100010;NETPR;U;         12.00;         10.00",
    );
    let text = serde_json::to_string(&taken.events).unwrap();
    assert!(
        text.contains("\"before\":\"10.00\"") && text.contains("\"after\":\"12.00\""),
        "{text}"
    );
    let taken = changes(
        "EINKBELEG",
        "4500000001",
        "EKPO;100450000000100010;NETPR;U;V:12.00;V:10.00",
    );
    let text = serde_json::to_string(&taken.events).unwrap();
    assert!(
        text.contains("\"before\":\"10.00\"") && text.contains("\"after\":\"12.00\""),
        "{text}"
    );
}

#[test]
fn a_whole_row_that_is_deleted_is_one_change() {
    let taken = changes("EINKBELEG", "4500000001", "EKPO;100450000000100010;KEY;D;;");
    let text = serde_json::to_string(&taken.events).unwrap().to_lowercase();
    assert!(text.contains("delete"), "{text}");
}

#[test]
fn a_posting_has_the_time_of_its_entry() {
    bkpf(&[])
        .whole(1)
        .has(0, json!({"time": "2025-12-31T23:59:59Z"}));
}

#[test]
fn an_invoice_is_found_by_each_of_its_numbers() {
    let taken = bkpf(&[
        ("XBLNR", "RG-88123"),
        ("AWTYP", "RMRP"),
        ("AWKEY", "51056000012025"),
    ]);
    taken.whole(1);
    for number in ["4711", "RG-88123", "88123", "5105600001"] {
        let shown = taken.case.output(&["timeline", "--invoice", number]);
        assert!(shown.contains("0000004711"), "{number}: {shown}");
    }
}

#[test]
fn a_reversal_names_the_other_document() {
    bkpf(&[("STBLG", "0000004712"), ("STJAH", "2026")])
        .whole(1)
        .noted(0, "0000004712");
}

#[test]
fn secrets_that_the_icm_masked_are_no_damage() {
    let taken = Taken::text(
        "icm.log",
        &[
            "10.1.2.3 - - [31/Dec/2025:23:59:59 +0100] \"GET /sap/bc/ping?sap-client=100&sap-password=.... HTTP/1.1\" 200 12",
        ],
        &[],
    );
    taken
        .whole(1)
        .has(0, json!({"time": "2025-12-31T22:59:59Z", "outcome": "ok"}));
    assert_eq!(taken.events[0]["notes"], json!(null));
}

#[test]
fn an_odata_path_names_its_object_and_a_batch_hides_it() {
    let line = |uri: &str| {
        format!("10.1.2.3 - AGENT [31/Dec/2025:23:59:59 +0100] \"PATCH {uri} HTTP/1.1\" 204 0")
    };
    let uri = "/sap/opu/odata/sap/API_SUPPLIERINVOICE_PROCESS_SRV/A_SupplierInvoice(SupplierInvoice=%275105600001%27,FiscalYear=%272025%27)";
    let taken = Taken::text("icm.log", &[&line(uri)], &[]);
    taken
        .whole(1)
        .has(0, json!({"kind": "write", "keys": ["invoice:5105600001"]}));
    let taken = Taken::text(
        "icm.log",
        &[&line("/sap/opu/odata/sap/API_X_SRV/$batch").replace("PATCH", "POST")],
        &[],
    );
    taken.whole(1);
    assert_ne!(taken.events[0]["kind"], "write", "{:#}", taken.events[0]);
}

#[test]
fn a_passport_never_breaks_a_record() {
    let kong = |passport: &str| {
        json!({"started_at": 1_772_434_800_000_i64, "client_ip": "10.1.2.3",
            "request": {"method": "GET", "uri": "/x", "size": 1, "headers": {"sap-passport": passport}},
            "response": {"status": 200, "size": 1}, "latencies": {"request": 1}, "service": {"name": "s"}})
    };
    Taken::lines(
        "kong.jsonl",
        &[
            kong("2A54482A0300E6"),
            kong("zz"),
            kong(""),
            kong(&"2A".repeat(4000)),
        ],
        &[],
    )
    .whole(4);
}

#[test]
fn a_btp_message_is_json_in_a_text() {
    let message = json!({"object": {"type": "invoice", "id": {"key": "4711"}}, "attributes": [{"name": "status", "old": "A", "new": "B"}]});
    let record = |user: &str, uuid: &str| {
        json!({"message_uuid": uuid, "time": "2026-03-02T07:00:00.123Z", "tenant": "t1", "user": user,
            "category": "audit.data-modification", "message": message.to_string()})
    };
    let taken = Taken::lines(
        "btp.jsonl",
        &[
            record("a.meier@example.org", "1"),
            record("sb-agent!t123", "2"),
            record("sb-agent!t123", "2"),
        ],
        &[],
    );
    // The one that comes twice is there once.
    assert_eq!(taken.events.len(), 2);
    taken
        .has(
            0,
            json!({"kind": "write", "changes": [{"field": "status", "before": "A", "after": "B"}]}),
        )
        .has(1, json!({"actor": "sb-agent!t123"}));
    assert_ne!(taken.events[1]["actor_type"], "human");
}

#[test]
fn a_completed_work_item_is_no_approval() {
    let header = "WI_ID;WI_TYPE;WI_TEXT;WI_RH_TASK;WI_STAT;WI_CD;WI_CT;WI_AED;WI_AET;WI_AAGENT;WI_CRUSER;ACT_DEC";
    let row = |decision: &str, agent: &str| {
        format!(
            "000000012345;W;Release invoice 4711;TS20000001;COMPLETED;20260302;080000;20260302;081500;{agent};WF-BATCH;{decision}"
        )
    };
    let taken = Taken::text("items.csv", &[header, &row("", "ANNA")], UTC);
    taken.whole(1);
    assert_ne!(taken.events[0]["kind"], "approval", "{:#}", taken.events[0]);
    let taken = Taken::text("items.csv", &[header, &row("APPROVED", "ANNA")], UTC);
    taken.whole(1).has(
        0,
        json!({"kind": "approval", "actor": "ANNA", "time": "2026-03-02T08:15:00Z"}),
    );
    let taken = Taken::text("items.csv", &[header, &row("", "WF-BATCH")], UTC);
    assert_ne!(taken.events[0]["actor_type"], "human");
}

#[test]
fn behind_a_technical_database_user_stands_the_one_of_the_application() {
    let folder = crate::project("fixtures/formats/hana_audit/input.snap");
    let seen = std::fs::read_to_string(folder).unwrap();
    assert!(seen.contains("on_behalf_of="), "{seen}");
}
