//! Makes dumps of any size and measures ingest, timeline and verify on them.
//!
//! ```text
//! cargo bench --bench pipeline                      # 200 MB in a temporary folder, all steps
//! TRAIL_BENCH_MB=2000 cargo bench --bench pipeline  # another size
//! TRAIL_BENCH_DIR=/tmp/dumps TRAIL_BENCH_MB=2000 cargo bench --bench pipeline -- generate
//! ```
//!
//! Method: the dumps are mixed (chat completions 70 %, gateway, spans, field history, change
//! documents), of realistic lengths, and the same for the same seed. Each step is run once after the
//! files were written, so the page cache is warm; compare readings of one run only.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use trail::check::{Policy, judge};
use trail::config::{Config, DateOrders, Zones};
use trail::ingest::{IngestRequest, Silent, ingest};
use trail::model::KeyKind;
use trail::read::Limits;
use trail::store::Store;
use trail::tell::{Selector, TimelineRequest, timeline};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn hex(&mut self, digits: usize) -> String {
        let mut text = String::new();
        while text.len() < digits {
            text.push_str(&format!("{:016x}", self.next()));
        }
        text.truncate(digits);
        text
    }

    fn words(&mut self, count: u64) -> String {
        const WORDS: [&str; 24] = [
            "please",
            "correct",
            "the",
            "amount",
            "of",
            "invoice",
            "and",
            "tell",
            "customer",
            "that",
            "order",
            "was",
            "changed",
            "by",
            "agreement",
            "with",
            "purchasing",
            "because",
            "delivery",
            "came",
            "late",
            "twice",
            "discount",
            "approved",
        ];
        let words: Vec<&str> = (0..count)
            .map(|_| WORDS[(self.next() % 24) as usize])
            .collect();
        words.join(" ")
    }
}

fn generate(folder: &Path, megabytes: u64, seed: u64) -> Outcome<u64> {
    std::fs::create_dir_all(folder)?;
    let mut random = Random(seed);
    let open = |name: &str| File::create(folder.join(name)).map(BufWriter::new);
    let mut chat = open("openai_chat.jsonl")?;
    let mut kong = open("kong.jsonl")?;
    let mut spans = open("otel_spans.jsonl")?;
    let mut history = open("sf_case_history.csv")?;
    let mut header = open("sap_cdhdr.csv")?;
    let mut positions = open("sap_cdpos.csv")?;
    writeln!(
        history,
        "ID,ISDELETED,CASEID,CREATEDBYID,CREATEDDATE,FIELD,DATATYPE,OLDVALUE,NEWVALUE"
    )?;
    writeln!(
        header,
        "MANDANT;OBJECTCLAS;OBJECTID;CHANGENR;USERNAME;UDATE;UTIME;TCODE;CHANGE_IND"
    )?;
    writeln!(
        positions,
        "MANDANT;OBJECTCLAS;OBJECTID;CHANGENR;TABNAME;TABKEY;FNAME;CHNGIND;VALUE_NEW;VALUE_OLD"
    )?;
    let start = 1_772_434_800_000u64;
    let (mut written, mut task) = (0u64, 0u64);
    while written < megabytes * 1_000_000 {
        let (trace, conversation) = (random.hex(32), random.hex(32));
        let invoice = 1000 + task;
        let mut ms = start + task * 900;
        let mut messages = format!(
            "{{\"role\":\"system\",\"content\":\"{}\"}}",
            random.words(60)
        );
        let ask = format!("invoice {invoice} {}", random.words(40));
        messages.push_str(&format!(",{{\"role\":\"user\",\"content\":\"{ask}\"}}"));
        for turn in 0..3 {
            ms += 2_000;
            let (response, call) = (random.hex(24), random.hex(24));
            let seconds = ms / 1000;
            let text = random.words(30);
            let calls = format!(
                "[{{\"id\":\"call_{call}\",\"type\":\"function\",\"function\":{{\"name\":\"change_invoice\",\"arguments\":\"{{\\\"invoice_id\\\": \\\"{invoice}\\\", \\\"amount\\\": \\\"{}.00\\\"}}\"}}}}]",
                100 + random.next() % 900
            );
            let line = format!(
                "{{\"timestamp\":{ms},\"request_id\":\"req_{}\",\"latency_ms\":900,\"request\":{{\"model\":\"gpt-4o\",\"temperature\":0,\"messages\":[{messages}],\"metadata\":{{\"trace_id\":\"{trace}\",\"conversation_id\":\"{conversation}\"}},\"user\":\"user{}\"}},\"response\":{{\"id\":\"chatcmpl-{response}\",\"object\":\"chat.completion\",\"created\":{seconds},\"model\":\"gpt-4o-2024-08-06\",\"choices\":[{{\"index\":0,\"message\":{{\"role\":\"assistant\",\"content\":\"{text}\",\"tool_calls\":{calls}}},\"finish_reason\":\"tool_calls\"}}],\"usage\":{{\"prompt_tokens\":420,\"completion_tokens\":80,\"total_tokens\":500}}}}}}\n",
                random.hex(24),
                task % 5000
            );
            chat.write_all(line.as_bytes())?;
            let gateway = format!(
                "{{\"started_at\":{},\"client_ip\":\"10.42.1.7\",\"request\":{{\"id\":\"{}\",\"method\":\"{}\",\"uri\":\"/erp/invoices/{invoice}\",\"size\":420,\"querystring\":{{}},\"headers\":{{\"traceparent\":\"00-{trace}-{}-01\",\"x-tool-call-id\":\"call_{call}\",\"user-agent\":\"python-httpx/0.27.0\"}}}},\"response\":{{\"status\":200,\"size\":512}},\"latencies\":{{\"request\":170,\"kong\":3,\"proxy\":167}},\"service\":{{\"name\":\"sap\"}},\"consumer\":{{\"username\":\"invoice-agent\"}}}}\n",
                ms + 1000,
                random.hex(32),
                if turn == 2 { "PATCH" } else { "GET" },
                random.hex(16)
            );
            kong.write_all(gateway.as_bytes())?;
            let span = format!(
                "{{\"resourceSpans\":[{{\"resource\":{{\"attributes\":[{{\"key\":\"service.name\",\"value\":{{\"stringValue\":\"tool-worker\"}}}}]}},\"scopeSpans\":[{{\"spans\":[{{\"traceId\":\"{trace}\",\"spanId\":\"{}\",\"name\":\"execute_tool change_invoice\",\"startTimeUnixNano\":\"{}000000\",\"endTimeUnixNano\":\"{}000000\",\"attributes\":[{{\"key\":\"gen_ai.operation.name\",\"value\":{{\"stringValue\":\"execute_tool\"}}}},{{\"key\":\"gen_ai.tool.call.id\",\"value\":{{\"stringValue\":\"call_{call}\"}}}}]}}]}}]}}]}}\n",
                random.hex(16),
                ms + 990,
                ms + 1180
            );
            spans.write_all(span.as_bytes())?;
            messages.push_str(&format!(
                ",{{\"role\":\"assistant\",\"content\":\"{text}\",\"tool_calls\":{calls}}},{{\"role\":\"tool\",\"tool_call_id\":\"call_{call}\",\"content\":\"{}\"}}",
                random.words(40)
            ));
            written += (line.len() + gateway.len() + span.len()) as u64;
        }
        let time = trail::model::time::format_utc((ms as i64 / 1000) * 1_000_000);
        writeln!(
            history,
            "017{task:012}AAA,false,500{:012}AAA,0055j000000utlPAAQ,{time},AgentTraceId__c,Text,,{trace}",
            task % 9000
        )?;
        let (date, clock) = (time[..10].replace('-', ""), time[11..19].replace(':', ""));
        writeln!(
            header,
            "100;BELEG;100DE00{invoice:010}2026;{task:010};AGENT_RFC;{date};{clock};;U"
        )?;
        writeln!(
            positions,
            "100;BELEG;100DE00{invoice:010}2026;{task:010};RBKP;1;RMWWR;U;{};{}",
            100 + task % 900,
            200 + task % 900
        )?;
        writeln!(
            positions,
            "100;BELEG;100DE00{invoice:010}2026;{task:010};RBKP;1;ZZTRACE;U;{trace};"
        )?;
        written += 450;
        task += 1;
    }
    for mut file in [chat, kong, spans, history, header, positions] {
        file.flush()?;
    }
    Ok(task)
}

/// Peak resident memory in MiB, as Linux says.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap_or_default();
    let kib: u64 = line
        .split_whitespace()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    format!("{} MiB", kib / 1024)
}

fn main() -> Outcome<()> {
    let megabytes: u64 = std::env::var("TRAIL_BENCH_MB")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(200);
    let temporary = tempfile::tempdir()?;
    let dumps = std::env::var_os("TRAIL_BENCH_DIR")
        .map_or_else(|| temporary.path().join("dumps"), Into::into);
    let tasks = generate(&dumps, megabytes, 4711)?;
    if std::env::args().any(|argument| argument == "generate") {
        println!("{megabytes} MB, {tasks} tasks in {}", dumps.display());
        return Ok(());
    }
    let path = temporary.path().join("store");
    let request = IngestRequest {
        paths: vec![dumps],
        store: path.clone(),
        source: None,
        format: None,
        formats: trail::normalise::formats::Formats::default(),
        lenient: false,
        dates: DateOrders::default(),
        keys: trail::config::KeyPatterns::default(),
        zones: Zones::new(&Config::default(), &[])?,
        limits: Limits::default(),
        signer: None,
        roles: std::collections::BTreeMap::new(),
        identity: None,
        source_keys: Vec::new(),
        workers: std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
    };
    let step = |name: &str, begun: Instant| {
        println!(
            "{name:<28} {:>9.3} s   peak {}",
            begun.elapsed().as_secs_f64(),
            peak_memory()
        );
    };
    let begun = Instant::now();
    let report = ingest(&request, &Silent)?;
    let seconds = begun.elapsed().as_secs_f64();
    step("ingest", begun);
    let events: u64 = report.files.iter().map(|file| file.events).sum();
    println!("  {:.0} MB/s, {events} events", megabytes as f64 / seconds);
    let store = Store::open(&path)?;
    let begun = Instant::now();
    let index = trail::stitch::tasks(&store, &Config::default())?;
    step("stitch", begun);
    let question = TimelineRequest {
        selectors: vec![Selector::Key(
            KeyKind::Invoice,
            (1000 + tasks / 2).to_string(),
        )],
        ..TimelineRequest::default()
    };
    let begun = Instant::now();
    let found = timeline(&store, &index, &Policy::baseline()?, &question)?;
    step("timeline, tasks in memory", begun);
    assert_eq!(found.tasks.len(), 1);
    let begun = Instant::now();
    let verdict = judge(&store, &index, &Policy::baseline()?)?;
    step("verify, baseline", begun);
    println!("  {} findings", verdict.findings.len());
    Ok(())
}
