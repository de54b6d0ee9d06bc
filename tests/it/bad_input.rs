//! Bad input never panics, never loses a good record, and never passes silently.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use crate::{Case, chat};

fn lines(numbers: std::ops::Range<u32>) -> String {
    numbers.map(|number| chat(number) + "\n").collect()
}

#[test]
fn empty_file() {
    let case = Case::new();
    let path = case.write("empty.jsonl", "");
    let report = case.ingest(&[], &[&path], 1);
    assert_eq!(report["files"][0]["problem"], "the file is empty");
}

#[test]
fn latin_1_is_read_and_noted() {
    let case = Case::new();
    let path = case.write("cdhdr.csv", b"MANDANT;OBJECTCLAS;OBJECTID;CHANGENR;USERNAME;UDATE;UTIME\n100;DEBI;0000000001;1;M\xdcLLER;20260302;080000\n");
    let report = case.ingest(&[], &[&path], 0);
    assert_eq!(report["files"][0]["events"], 1);
    let timeline = case.json(&["timeline", "--format", "json"]);
    let line = &timeline["tasks"][0]["lines"][0];
    assert_eq!(line["actor"], "MÜLLER");
    assert!(line["notes"].as_str().unwrap().contains("Windows-1252"));
}

#[test]
fn utf_16_is_read() {
    let case = Case::new();
    let mut bytes = vec![0xff, 0xfe];
    for unit in lines(0..3).encode_utf16() {
        bytes.extend(unit.to_le_bytes());
    }
    let path = case.write("utf16.jsonl", bytes);
    let report = case.ingest(&[], &[&path], 0);
    assert_eq!(
        (
            &report["files"][0]["records"],
            &report["files"][0]["encoding"]
        ),
        (&3.into(), &"utf-16le".into())
    );
}

#[test]
fn truncated_gzip_keeps_what_was_whole() {
    let case = Case::new();
    // Random ids keep the compressor from folding everything into the lost end.
    let text: String = (0..4000)
        .map(|n| {
            chat(n).replace(
                "ok",
                &format!("{:x}", u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            ) + "\n"
        })
        .collect();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    let bytes = encoder.finish().unwrap();
    let path = case.write("cut.jsonl.gz", &bytes[..bytes.len() / 2]);
    let report = case.ingest(&[], &[&path], 1);
    let file = &report["files"][0];
    assert!(file["events"].as_u64().unwrap() > 1000, "{file}");
    assert!(
        file["problem"].as_str().unwrap().contains("stopped early"),
        "{file}"
    );
}

#[test]
fn a_line_cut_in_half_costs_itself_only() {
    let case = Case::new();
    let half = &chat(1)[..80];
    let path = case.write("a.jsonl", format!("{}\n{half}\n{}\n", chat(0), chat(2)));
    let report = case.ingest(&[], &[&path], 1);
    assert_eq!(
        (
            &report["files"][0]["records"],
            &report["files"][0]["rejects"]
        ),
        (&3.into(), &1.into())
    );
    assert!(
        case.rejects().contains("record 2, byte"),
        "{}",
        case.rejects()
    );
}

#[test]
fn a_line_of_200_mb_is_named_and_skipped() {
    let case = Case::new();
    let path = case.path("big.jsonl");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    writeln!(file, "{}", chat(0)).unwrap();
    let block = vec![b'x'; 1 << 20];
    for _ in 0..200 {
        file.write_all(&block).unwrap();
    }
    write!(file, "\n{}\n", chat(1)).unwrap();
    file.into_inner().unwrap();
    let report = case.ingest(&[], &[&path], 1);
    assert_eq!(
        (
            &report["files"][0]["records"],
            &report["files"][0]["rejects"]
        ),
        (&3.into(), &1.into())
    );
    assert!(case.rejects().contains("record 2") && case.rejects().contains("--max-record"));
}

#[test]
fn nul_bytes() {
    let case = Case::new();
    let path = case.write("nul.jsonl", format!("{}\n\0\0\0\n{}\n", chat(0), chat(1)));
    let report = case.ingest(&[], &[&path], 1);
    assert_eq!(
        (
            &report["files"][0]["records"],
            &report["files"][0]["rejects"]
        ),
        (&3.into(), &1.into())
    );
    assert!(!case.rejects().contains('\0'));
}

const HISTORY: &str =
    "ID,ISDELETED,CASEID,CREATEDBYID,CREATEDDATE,FIELD,DATATYPE,OLDVALUE,NEWVALUE\n";

#[test]
fn rows_of_the_wrong_length_and_repeated_headers() {
    let case = Case::new();
    let good = |id: u32| {
        format!(
            "{id},false,5005j0000000001AAA,0055j000000utlPAAQ,2026-03-02T07:04:5{id}.000Z,Status,Text,New,Closed\n"
        )
    };
    let text = format!(
        "{HISTORY}{}1,2,3\n{}{}{HISTORY}{}",
        good(1),
        good(2),
        "1,2,3,4,5,6,7,8,9,10,11\n",
        good(3)
    );
    let path = case.write("h.csv", text);
    let report = case.ingest(&[], &[&path], 1);
    assert_eq!(
        (
            &report["files"][0]["events"],
            &report["files"][0]["rejects"]
        ),
        (&3.into(), &3.into())
    );
    let rejects = case.rejects();
    for part in [
        "the row has 3 fields, the header 9",
        "the row has 11 fields",
        "the header row, repeated",
    ] {
        assert!(rejects.contains(part), "{part} in {rejects}");
    }
}

#[test]
fn a_time_that_cannot_exist() {
    let case = Case::new();
    let row = |day: &str| {
        format!(
            "1,false,5005j0000000001AAA,0055j000000utlPAAQ,2026-02-{day}T07:04:54.000Z,Status,Text,New,Closed\n"
        )
    };
    let path = case.write("h.csv", format!("{HISTORY}{}{}", row("28"), row("30")));
    let report = case.ingest(&[], &[&path], 1);
    assert_eq!(
        (
            &report["files"][0]["events"],
            &report["files"][0]["rejects"]
        ),
        (&1.into(), &1.into())
    );
    assert!(case.rejects().contains("is not a time that exists"));
}

#[test]
fn unknown_formats_are_kept_and_named() {
    let case = Case::new();
    let path = case.write("notes.txt", "just some words\nand more\n");
    let report = case.ingest(&[], &[&path], 1);
    assert!(
        report["files"][0]["problem"]
            .as_str()
            .unwrap()
            .contains("no format recognised")
    );
    assert_eq!(report["files"][0]["sha256"].as_str().unwrap().len(), 64);
    assert!(case.rejects().contains("just some words"));
}

#[test]
fn a_folder_without_permission() {
    let case = Case::new();
    case.write("dumps/a.jsonl", lines(0..2));
    case.write("dumps/locked/b.jsonl", lines(2..4));
    let locked = case.path("dumps/locked");
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o000)).unwrap();
    let readable = std::fs::read_dir(&locked).is_ok();
    let dumps = case.path("dumps");
    // Root reads everything; for anybody else the folder is named and the rest is read.
    let report = case.ingest(&[], &[&dumps], i32::from(!readable));
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o755)).unwrap();
    if readable {
        assert_eq!(report["files"].as_array().unwrap().len(), 2);
    } else {
        assert!(report["unreadable"][0].as_str().unwrap().contains("locked"));
    }
    assert_eq!(report["files"][0]["records"], 2);
}

#[test]
fn a_missing_file_is_named() {
    let case = Case::new();
    let good = case.write("a.jsonl", lines(0..2));
    let missing = case.path("missing.jsonl");
    let report = case.ingest(&[], &[&good, &missing], 1);
    assert_eq!(report["files"][0]["records"], 2);
    assert!(
        report["unreadable"][0]
            .as_str()
            .unwrap()
            .contains("missing.jsonl")
    );
}

/// A file size limit of the process stands for a full disk: the write fails the same way.
#[test]
fn a_full_disk_leaves_the_store_as_it_was() {
    let case = Case::new();
    let first = case.write("first.jsonl", lines(0..20));
    case.ingest(&[], &[&first], 0);
    let before = case.output(&["timeline", "--format", "csv"]);
    let text: String = (0..3000u32)
        .map(|n| chat(n).replace("ok", &format!("{:x}", crate::store::noise(n))) + "\n")
        .collect();
    let big = case.write("big.jsonl", text);
    let script = format!(
        "trap '' XFSZ; ulimit -f 40; exec {} ingest {}",
        env!("CARGO_BIN_EXE_trail"),
        big.display()
    );
    let output = std::process::Command::new("bash")
        .args(["-c", &script])
        .env("TRAIL_STORE", case.path("store"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("nothing was added"), "{message}");
    assert_eq!(case.output(&["timeline", "--format", "csv"]), before);
    case.ingest(&[], &[&big], 0);
}

#[test]
fn a_decompression_bomb_is_stopped() {
    let case = Case::new();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let block = vec![b' '; 1 << 20];
    for _ in 0..200 {
        encoder.write_all(&block).unwrap();
    }
    let path = case.write("bomb.jsonl.gz", encoder.finish().unwrap());
    let good = case.write("good.jsonl", lines(0..2));
    let report = case.ingest(&[], &[&path, &good], 1);
    let problem = report["files"][0]["problem"].as_str().unwrap();
    assert!(problem.contains("bomb"), "{problem}");
    assert_eq!(report["files"][1]["records"], 2);
}

#[test]
fn paths_that_leave_an_archive_are_refused() {
    let case = Case::new();
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (name, numbers) in [("../../escape.jsonl", 0..1), ("inside.jsonl", 1..3)] {
        archive.start_file(name, options).unwrap();
        archive.write_all(lines(numbers).as_bytes()).unwrap();
    }
    let path = case.write("a.zip", archive.finish().unwrap().into_inner());
    let report = case.ingest(&[], &[&path], 1);
    assert!(
        report["files"][0]["problem"]
            .as_str()
            .unwrap()
            .contains("leaves the archive")
    );
    assert_eq!(report["files"][1]["records"], 2);
    assert!(!case.path("escape.jsonl").exists());
}

#[test]
fn escape_sequences_never_reach_the_terminal() {
    let case = Case::new();
    let row = "1,false,5005j0000000001AAA,\u{1b}]0;owned\u{7}\u{1b}[2J,2026-03-02T07:04:54.000Z,Status,Text,=cmd(),<script>|\n";
    let path = case.write("h.csv", format!("{HISTORY}{row}"));
    case.ingest(&[], &[&path], 0);
    for arguments in [
        &["timeline", "-v"][..],
        &["timeline", "--format", "csv"],
        &["timeline", "--format", "markdown"],
        &["timeline", "--format", "json"],
        &["report"],
        &["verify"],
    ] {
        let output = case.output(arguments);
        assert!(!output.contains(['\u{1b}', '\u{7}']), "{arguments:?}");
    }
    assert!(
        !case
            .output(&["timeline", "--format", "markdown"])
            .contains("<script>")
    );
}

#[test]
fn archives_of_all_kinds() {
    let case = Case::new();
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    let data = lines(0..2);
    let mut header = tar::Header::new_gnu();
    header.set_size(data.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    tar.append_data(&mut header, "logs/a.jsonl", data.as_bytes())
        .unwrap();
    let tgz = case.write("a.tgz", tar.into_inner().unwrap().finish().unwrap());
    let zst = case.write(
        "b.zst",
        zstd::encode_all(lines(2..4).as_bytes(), 1).unwrap(),
    );
    let report = case.ingest(&[], &[&tgz, &zst], 0);
    assert_eq!(report["files"][0]["member"], "logs/a.jsonl");
    for file in report["files"].as_array().unwrap() {
        assert_eq!(file["records"], 2, "{file}");
    }
}

#[test]
fn a_wrong_command_line_says_what_is_right() {
    let case = Case::new();
    let path = case.write("a.jsonl", lines(0..1));
    for (arguments, part) in [
        (
            vec!["ingest", "--tz", "Mars/Olympus", path.to_str().unwrap()],
            "no time zone",
        ),
        (
            vec!["ingest", "--input-format", "kongg", path.to_str().unwrap()],
            "no format",
        ),
        (vec!["timeline"], "no store at"),
    ] {
        let output = case
            .trail()
            .args(&arguments)
            .assert()
            .code(2)
            .get_output()
            .clone();
        assert!(
            String::from_utf8_lossy(&output.stderr).contains(part),
            "{arguments:?}"
        );
    }
}

/// SAP prints a list as it stands on the screen: rulers, padded columns, the header on every page.
#[test]
fn an_unconverted_list_is_a_table() {
    let case = Case::new();
    let page = |number: u32, order: u32| {
        format!(
            "------------------------------------------------------------------------------\n|   |MANDANT|OBJECTCLAS|OBJECTID    |CHANGENR  |USERNAME|UDATE   |UTIME |TCODE|\n------------------------------------------------------------------------------\n|   |100    |VERKBELEG |{order:010}  |{number:010}|MUELLER |20260302|08010{number}|VA02 |\n"
        )
    };
    let path = case.write("list.txt", page(1, 4711) + &page(2, 4712));
    let report = case.ingest(&["--tz", "sap=Europe/Berlin"], &[&path], 1);
    let file = &report["files"][0];
    assert_eq!(
        (&file["format"], &file["events"]),
        (&"sap_cdhdr".into(), &2.into()),
        "{report}"
    );
    let rejects = case.rejects();
    assert_eq!(rejects.matches(": record ").count(), 1, "{rejects}");
    assert!(rejects.contains("the header row, repeated"), "{rejects}");
    let timeline = case.json(&["timeline", "--order", "4711", "--format", "json"]);
    assert_eq!(
        timeline["tasks"][0]["lines"][0]["time"],
        "2026-03-02T07:01:01Z"
    );
}
