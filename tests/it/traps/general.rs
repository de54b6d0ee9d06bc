//! Traps of every source: encodings, delimiters, dates, order, numbers as text, duplicates.

use serde_json::json;

use super::Taken;

const CDHDR: &str = "MANDANT;OBJECTCLAS;OBJECTID;CHANGENR;USERNAME;UDATE;UTIME;TCODE;CHANGE_IND";

fn cdhdr(number: u32, user: &str, date: &str, time: &str) -> String {
    format!("100;EINKBELEG;4500000001;{number:010};{user};{date};{time};ME22N;U")
}

#[test]
fn bytes_of_any_encoding_give_the_same_name() {
    let text = format!(
        "{CDHDR}\r\n{}\r\n",
        cdhdr(1, "MÜLLER", "20260302", "070000")
    );
    let utf16 = |big: bool| {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units
            .flat_map(|unit: u16| {
                if big {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            })
            .collect::<Vec<u8>>()
    };
    let windows: Vec<u8> = text
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect();
    let bom = [&[0xef, 0xbb, 0xbf], text.as_bytes()].concat();
    for (what, bytes) in [
        ("UTF-8", text.clone().into_bytes()),
        ("byte order mark", bom),
        ("UTF-16LE", utf16(false)),
        ("UTF-16BE", utf16(true)),
        ("Windows-1252", windows),
    ] {
        let taken = Taken::of(&[("cdhdr.csv", &bytes)], &["--tz", "UTC"]);
        taken.whole(1);
        assert_eq!(taken.events[0]["actor"], "MÜLLER", "{what}");
        let notes = taken.events[0]["notes"].to_string();
        assert_eq!(
            notes.contains("Windows-1252"),
            what == "Windows-1252",
            "{notes}"
        );
    }
}

#[test]
fn a_delimiter_is_counted_outside_quotes() {
    let taken = Taken::text(
        "changes.csv",
        &[
            "\"MANDANT\",\"OBJECTCLAS\",\"OBJECTID\",\"CHANGENR\",\"USERNAME\",\"UDATE\",\"UTIME\",\"TCODE\",\"CHANGE_IND\"",
            "\"100\",\"EINKBELEG\",\"4500000001\",\"0000000001\",\"A;B;C;D;E;F;G;H;I\",\"20260302\",\"070000\",\"ME22N\",\"U\"",
        ],
        &["--tz", "UTC"],
    );
    taken.whole(1).has(0, json!({"actor": "A;B;C;D;E;F;G;H;I"}));
}

#[test]
fn the_order_of_day_and_month_is_not_guessed() {
    let header = "MANDT,BUKRS,BELNR,GJAHR,BLART,BLDAT,BUDAT,CPUDT,CPUTM,USNAM,TCODE";
    let row = |number: u32, date: &str| {
        format!("100,DE00,{number:010},2019,RE,{date},{date},{date},9:25:11,ANNA,FB01")
    };
    let unclear = [header.to_owned(), row(1, "2/6/19"), row(2, "3/6/19")];
    let unclear: Vec<&str> = unclear.iter().map(String::as_str).collect();
    // Nothing says which is the day: left out by name, with what to do.
    let taken = Taken::text("bkpf.csv", &unclear, &["--tz", "UTC"]);
    assert_eq!(taken.events.len(), 0);
    assert!(
        taken.rejects().contains("--date-order"),
        "{}",
        taken.rejects()
    );
    for (order, time) in [
        ("mdy", "2019-02-06T09:25:11Z"),
        ("dmy", "2019-06-02T09:25:11Z"),
    ] {
        let taken = Taken::text(
            "bkpf.csv",
            &unclear,
            &["--tz", "UTC", "--date-order", order],
        );
        taken.whole(2).has(0, json!({"time": time}));
    }
    // One date of the file settles it, also for the rows before it.
    for (settled, time) in [
        ("12/31/2019", "2019-02-06T09:25:11Z"),
        ("31/12/2019", "2019-06-02T09:25:11Z"),
    ] {
        let rows = [header.to_owned(), row(1, "2/6/19"), row(2, settled)];
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let taken = Taken::text("bkpf.csv", &rows, &["--tz", "UTC"]);
        taken.whole(2).has(0, json!({"time": time}));
    }
    // Two that contradict each other settle nothing.
    let rows = [
        header.to_owned(),
        row(1, "12/31/2019"),
        row(2, "31/12/2019"),
        row(3, "2/6/19"),
    ];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let taken = Taken::text("bkpf.csv", &rows, &["--tz", "UTC"]);
    assert_eq!(taken.events.len(), 2);
    assert!(
        taken.rejects().contains("--date-order"),
        "{}",
        taken.rejects()
    );
}

#[test]
fn american_times_of_day_are_read() {
    let taken = Taken::text(
        "bkpf.csv",
        &[
            "MANDT,BUKRS,BELNR,GJAHR,BLART,CPUDT,CPUTM,USNAM,TCODE",
            "100,US00,0000004711,2025,RE,12/31/2025,4:01:02 PM,ANNA,FB01",
        ],
        &["--tz", "UTC"],
    );
    taken
        .whole(1)
        .has(0, json!({"time": "2025-12-31T16:01:02Z"}));
}

#[test]
fn initial_dates_are_none() {
    let row = cdhdr(1, "ANNA", "00000000", "000000");
    let taken = Taken::text("cdhdr.csv", &[CDHDR, &row], &["--tz", "UTC"]);
    // The record is not lost for it.
    taken
        .whole(1)
        .has(0, json!({"time": null, "actor": "ANNA"}));
}

#[test]
fn an_hour_that_occurs_twice_is_marked_and_keeps_its_order() {
    let rows = [
        CDHDR.to_owned(),
        cdhdr(1, "B", "20261025", "023000"),
        cdhdr(2, "A", "20261025", "021500"),
    ];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let taken = Taken::text("cdhdr.csv", &rows, &["--tz", "Europe/Berlin"]);
    taken.whole(2);
    for event in &taken.events {
        assert_eq!(event["time_origin"], "ambiguous", "{event:#}");
    }
}

#[test]
fn records_of_one_second_keep_the_order_of_the_file() {
    let rows: Vec<String> = std::iter::once(CDHDR.to_owned())
        .chain((1..=40).map(|n| cdhdr(n, &format!("U{}", 41 - n), "20260302", "070000")))
        .collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let taken = Taken::text("cdhdr.csv", &rows, &["--tz", "UTC"]);
    taken.whole(40);
    let timeline = taken
        .case
        .json(&["timeline", "--format", "json", "--order", "4500000001"]);
    let lines = timeline["tasks"].as_array().unwrap().iter();
    let actors: Vec<&str> = lines
        .flat_map(|task| task["lines"].as_array().unwrap())
        .map(|line| line["actor"].as_str().unwrap())
        .collect();
    let expected: Vec<String> = (1..=40).map(|n| format!("U{}", 41 - n)).collect();
    assert_eq!(actors, expected);
}

#[test]
fn numbers_that_a_spreadsheet_destroyed_are_a_finding() {
    let taken = Taken::text(
        "ekko.csv",
        &[
            "MANDT,EBELN,BSART,ERNAM,AEDAT,LIFNR,WAERS",
            "100,4.50001E+09,NB,ANNA,20260302,1.5E+09,EUR",
        ],
        &["--tz", "UTC"],
    );
    taken.whole(1).noted(0, "spreadsheet");
    // No key is made of what is left of it.
    assert!(
        !taken.events[0]["keys"].to_string().contains("E+"),
        "{:#}",
        taken.events[0]
    );
    let taken = Taken::text(
        "cdhdr.csv",
        &[
            CDHDR,
            "100;EINKBELEG;4,5E+09;1,5E+09;ANNA;20260302;070000;ME22N;U",
        ],
        &["--tz", "UTC"],
    );
    taken.whole(1).noted(0, "spreadsheet");
}

#[test]
fn a_header_between_the_rows_is_skipped_and_counted() {
    let rows = [
        CDHDR.to_owned(),
        cdhdr(1, "A", "20260302", "070000"),
        CDHDR.to_owned(),
        cdhdr(2, "B", "20260302", "070001"),
    ];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let taken = Taken::text("cdhdr.csv", &rows, &["--tz", "UTC"]);
    assert_eq!(taken.events.len(), 2);
    assert!(
        taken.rejects().contains("record 2") && taken.rejects().contains("repeated"),
        "{}",
        taken.rejects()
    );
}

#[test]
fn a_record_that_comes_twice_is_there_once_by_its_own_id() {
    let record = |region: &str| {
        json!({"eventVersion": "1.08", "eventID": "5b1c-1", "eventTime": "2026-03-02T07:00:00Z", "eventName": "PutObject",
            "eventSource": "s3.amazonaws.com", "awsRegion": region, "requestID": "R1", "sourceIPAddress": "198.51.100.1",
            "userIdentity": {"type": "IAMUser", "userName": "anna", "arn": "arn:aws:iam::1:user/anna"}})
    };
    // The same event in two files, with its members in another order in one.
    let first = record("eu-central-1").to_string();
    let taken = Taken::of(
        &[
            ("a.jsonl", (first.clone() + "\n" + &first + "\n").as_bytes()),
            (
                "b.json",
                json!({"Records": [record("eu-central-1")]})
                    .to_string()
                    .as_bytes(),
            ),
        ],
        &[],
    );
    assert_eq!(taken.events.len(), 1, "{:#?}", taken.events);
}
