//! Stitches labelled data and prints the scores.
//!
//! ```text
//! cargo bench --bench stitching                       # ../shared/stitch-dev, harder renderings of it, and other systems
//! TRAIL_STITCH_DATA=DIR cargo bench --bench stitching # another folder of presets beside a score.py
//! ```
//!
//! Needs `python3` for `score.py`, which comes with the data, and the scripts beside this file that render it anew.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use trail::config::{Config, DateOrders, Zones};
use trail::ingest::{IngestRequest, Silent, ingest};
use trail::normalise::formats::Formats;
use trail::read::Limits;
use trail::store::Store;
use trail::tell::{export_causes, export_tasks};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Figures of score.py that are shown, in order.
const FIGURES: [&str; 8] = [
    "pair_precision",
    "pair_recall",
    "pair_f1",
    "exact_task_share",
    "causal_precision",
    "causal_recall",
    "causal_f1",
    "brier",
];

fn main() -> Outcome<()> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let data = std::env::var_os("TRAIL_STITCH_DATA")
        .map_or_else(|| project.join("../shared/stitch-dev"), PathBuf::from);
    if !data.join("score.py").is_file() {
        println!("no labelled data at {}: nothing measured", data.display());
        return Ok(());
    }
    let work = tempfile::tempdir()?;
    println!("| | {} | foreign | events | s |", FIGURES.join(" | "));
    println!("|{}", " --- |".repeat(FIGURES.len() + 4));
    for (preset, seed, density) in [("easy", "2", "0.1"), ("medium", "1", "0.24")] {
        let folder = data.join(preset);
        let harder = work.path().join(format!("harder-{preset}"));
        render("harder", &folder, &harder, &[seed, density])?;
        for (folder, name) in [
            (folder, preset.to_owned()),
            (harder, format!("{preset}, harder")),
        ] {
            measure(&data, &folder, &name, work.path())?;
            for systems in ["suites", "databases", "enterprise", "cloud"] {
                let other = work.path().join(format!("{name} {systems}"));
                render("other_systems", &folder, &other, &[systems])?;
                measure(&data, &other, &format!("{name}, {systems}"), work.path())?;
            }
            for (script, arguments, what) in [
                ("opaque", &[][..], "names without meaning"),
                ("unlogged", &["otel_genai.jsonl"][..], "without traces"),
            ] {
                let other = work.path().join(format!("{name} {script}"));
                render(script, &folder, &other, arguments)?;
                measure(&data, &other, &format!("{name}, {what}"), work.path())?;
            }
        }
    }
    Ok(())
}

/// Runs one of the scripts that render a preset anew.
fn render(script: &str, from: &Path, to: &Path, arguments: &[&str]) -> Outcome<()> {
    let script = format!("{}/benches/{script}.py", env!("CARGO_MANIFEST_DIR"));
    let mut python = Command::new("python3");
    let made = python
        .arg(&script)
        .args([from, to])
        .args(arguments)
        .output()?;
    match made.status.success() {
        true => Ok(()),
        false => Err(format!("{script}: {}", String::from_utf8_lossy(&made.stderr)).into()),
    }
}

fn measure(data: &Path, preset: &Path, name: &str, work: &Path) -> Outcome<()> {
    let request = IngestRequest {
        paths: vec![preset.join("logs")],
        store: work.join(name),
        source: None,
        format: None,
        formats: Formats::default(),
        lenient: false,
        dates: DateOrders::default(),
        keys: trail::config::KeyPatterns::default(),
        zones: Zones::new(
            &Config::default(),
            &["sap=Europe/Berlin".to_owned(), "oracle=UTC".to_owned()],
        )?,
        limits: Limits::default(),
        signer: None,
        roles: std::collections::BTreeMap::new(),
        identity: None,
        source_keys: Vec::new(),
        workers: std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
    };
    ingest(&request, &Silent)?;
    let store = Store::open(&request.store)?;
    let start = Instant::now();
    let index = trail::stitch::tasks(&store, &Config::default())?;
    let seconds = start.elapsed().as_secs_f64();
    let (tasks, causes) = (work.join("tasks.csv"), work.join("causes.csv"));
    export_tasks(&store, &index, &mut std::fs::File::create(&tasks)?)?;
    std::fs::write(&causes, export_causes(&store, &index)?)?;
    let scored = Command::new("python3")
        .arg(data.join("score.py"))
        .args([&tasks, &preset.join("truth.csv")])
        .args([&causes, &preset.join("truth_links.csv")])
        .output()?;
    let text = String::from_utf8_lossy(&scored.stdout);
    let figure = |wanted: &str| {
        text.lines()
            .filter_map(|line| line.split_once(char::is_whitespace))
            .find(|(name, _)| *name == wanted)
            .map_or_else(|| "?".to_owned(), |(_, value)| value.trim().to_owned())
    };
    let row: Vec<String> = FIGURES.iter().map(|wanted| figure(wanted)).collect();
    println!(
        "| {name} | {} | {} | {} | {seconds:.2} |",
        row.join(" | "),
        foreign(&text),
        index.events()
    );
    Ok(())
}

/// Foreign records that were put into a task, of all: from the last lines of score.py, one a file, which end with how many there
/// are and their share.
fn foreign(scored: &str) -> String {
    let (mut placed, mut all) = (0.0, 0.0);
    let of_files = scored
        .lines()
        .skip_while(|line| !line.starts_with("per file"));
    for line in of_files.skip(1) {
        let mut words = line.split_whitespace().rev();
        // A share is written with a point; where there are no foreign records, there is none.
        let share = words.next().filter(|share| share.contains('.'));
        let number = |word: Option<&str>| word?.parse::<f64>().ok();
        if let (Some(share), Some(records)) = (number(share), number(words.next())) {
            placed += share * records;
            all += records;
        }
    }
    format!("{placed:.0} of {all:.0}")
}
