//! The joining by ids as SQL gives what the program's own code gives.

use std::fs::File;
use std::path::Path;

use polars::prelude::*;
use polars::sql::SQLContext;
use polars_io::SerReader;
use polars_io::parquet::read::ParquetReader;
use trail::config::Config;
use trail::model::Digest;
use trail::stitch::{IDS, current, strong_keys};
use trail::store::Store;

use crate::{Case, project};

/// Rounds in which the labels of any store here have come to rest.
const MOST_ROUNDS: usize = 50;

fn read(path: &Path, columns: &[&str]) -> DataFrame {
    let columns = columns.iter().map(|name| (*name).to_owned()).collect();
    let reader = ParquetReader::new(File::open(path).unwrap());
    let frame = reader.with_columns(Some(columns)).finish().unwrap();
    let ids = ["event_id", "task", "event", "cause", "effect"];
    let is_id = |column: &&Column| {
        ids.contains(&column.name().as_str()) && *column.dtype() == DataType::Binary
    };
    let hex: Vec<Expr> = frame
        .columns()
        .iter()
        .filter(is_id)
        .map(|column| col(column.name().clone()).binary().hex_encode())
        .collect();
    frame.lazy().with_columns(hex).collect().unwrap()
}

fn table(store: &Store, name: &str, columns: &[&str]) -> DataFrame {
    let mut all: Option<DataFrame> = None;
    for batch in store.batches() {
        for path in store.parts(name, batch) {
            let frame = read(&path, columns).lazy();
            let frame = frame.with_columns([lit(batch.batch.as_str()).alias("batch")]);
            let frame = frame.collect().unwrap();
            all = Some(match all {
                Some(mut all) => {
                    all.vstack_mut(&frame).unwrap();
                    all
                }
                None => frame,
            });
        }
    }
    all.unwrap()
}

/// A derived table, of all of its files.
fn derived(root: &Path, name: &str, columns: &[&str]) -> DataFrame {
    let entries = std::fs::read_dir(root.join(name)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.extension().is_some_and(|of| of == "parquet"));
    let frames = files.map(|path| read(&path, columns));
    frames
        .reduce(|mut all, more| {
            all.vstack_mut(&more).unwrap();
            all
        })
        .unwrap()
}

pub(crate) fn rows(frame: &DataFrame, columns: &[&str]) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = (0..frame.height())
        .map(|row| {
            let cell = |name: &&str| {
                let value = frame.column(name).unwrap().get(row).unwrap();
                value
                    .get_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            };
            columns.iter().map(cell).collect()
        })
        .collect();
    rows.sort();
    rows
}

/// The statements, and the tables of a store that they read.
pub(crate) struct Statements {
    pub(crate) context: SQLContext,
    pub(crate) store: Store,
    pub(crate) config: Config,
    ids: Vec<String>,
}

impl Statements {
    pub(crate) fn on(case: &Case) -> Self {
        let store = Store::open(&case.path("store")).unwrap();
        let config = Config::load(&store.layout().config()).unwrap();
        let context = SQLContext::new();
        let columns = [
            "event_id", "row", "time", "kind", "end_time", "format", "action", "file", "ordinal",
            "part",
        ];
        let events = table(&store, "events", &columns);
        let ids = rows(&events, &["event_id"]).into_iter().flatten().collect();
        context.register("events", events.lazy());
        let keys = table(&store, "keys", &["kind", "value", "row"]);
        context.register("keys", keys.lazy());
        let strong = strong_keys(&config);
        let strong = df!(
            "kind" => strong.iter().map(|key| key.kind.to_string()).collect::<Vec<_>>(),
            "least_bytes" => strong.iter().map(|key| number(key.least_bytes)).collect::<Vec<_>>(),
            "hub_limit" => strong.iter().map(|key| number(key.hub_limit)).collect::<Vec<_>>(),
        );
        context.register("strong", strong.unwrap().lazy());
        Self {
            context,
            store,
            config,
            ids,
        }
    }

    /// Runs one, whose result has its name from then on.
    pub(crate) fn run(&mut self, (name, statement): (&str, &str)) -> DataFrame {
        let found = self.context.execute(statement).and_then(LazyFrame::collect);
        let found = found.unwrap_or_else(|error| panic!("{name}: {error}"));
        self.context.register(name, found.clone().lazy());
        found
    }

    /// Joins events by ids, and by links: hubs, times and labels.
    pub(crate) fn join(&mut self, links: DataFrame) -> [Vec<Vec<String>>; 3] {
        self.context.register("links", links.lazy());
        let labels = df!("event" => &self.ids, "label" => &self.ids).unwrap();
        self.context.register("labels", labels.lazy());
        let (closure, before) = IDS.split_last().unwrap();
        let (mut hubs, mut times) = (Vec::new(), Vec::new());
        for statement in before {
            let found = self.run(*statement);
            match statement.0 {
                "hubs" => hubs = rows(&found, &["kind", "value", "reach", "events"]),
                "times" => times = rows(&found, &["event", "time"]),
                _ => {}
            }
        }
        let mut labels = Vec::new();
        for _ in 0..MOST_ROUNDS {
            let next = rows(&self.run(*closure), &["event", "label"]);
            if next == labels {
                return [hubs, times, labels];
            }
            labels = next;
        }
        panic!("labels have not come to rest");
    }

    pub(crate) fn links(&self) -> DataFrame {
        let root = &self.store.layout().root;
        derived(root, "links", &["cause", "effect", "rule"])
    }
}

pub(crate) fn number(number: usize) -> i64 {
    i64::try_from(number).unwrap()
}

/// Runs the statements on a store, and holds their hubs and tasks against those of the program.
fn holds(case: &Case) -> (usize, usize) {
    case.output(&["stitch"]);
    let mut statements = Statements::on(case);
    let [hubs, times, labels] = statements.join(statements.links());
    let index = current(&statements.store, &statements.config).unwrap();
    let root = &statements.store.layout().root;
    let mut own: Vec<Vec<String>> = index
        .hubs()
        .iter()
        .map(|hub| {
            let counts = [hub.reach.to_string(), hub.events.to_string()];
            [
                vec![hub.kind.to_string(), hub.value.clone()],
                counts.to_vec(),
            ]
            .concat()
        })
        .collect();
    own.sort();
    assert_eq!(hubs, own);
    // A task's id is the digest of its least event id.
    let mut by_sql: Vec<Vec<String>> = labels
        .iter()
        .map(|row| {
            let least: Digest = row[1].parse().unwrap();
            vec![Digest::of(&least.0).to_string(), row[0].clone()]
        })
        .collect();
    by_sql.sort();
    let tasks = derived(root, "tasks", &["task", "event", "time"]);
    assert_eq!(by_sql, rows(&tasks, &["task", "event"]));
    assert_eq!(times, rows(&tasks, &["event", "time"]));
    let joined = labels.iter().filter(|row| row[0] != row[1]).count();
    (joined, hubs.len())
}

#[test]
fn sql_joins_the_demo_case_as_the_program_does() {
    let case = Case::demo();
    let (joined, hubs) = holds(&case);
    assert!(joined > 1000 && hubs == 0, "{joined} {hubs}");
    // What reaches too much joins nothing in both.
    case.write("store/trail.toml", "[hubs]\ntrace = 0\ntransaction = 0\n");
    let (fewer, hubs) = holds(&case);
    assert!(fewer < joined && hubs > 10, "{fewer} of {joined}, {hubs}");
}

#[test]
fn sql_joins_keys_that_are_read_in_stretches_as_the_program_does() {
    // A cell of few events: of a kind, a few hundred keys are held at once, and each file is a batch whose keys begin elsewhere.
    let case = Case::new();
    let folder = project("fixtures/invoice-4711");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in &files {
        case.ingest(&["--tz", "sap=Europe/Berlin"], &[file], 0);
    }
    case.write("store/trail.toml", "[stitch]\ncell = 10\n");
    let (joined, _) = holds(&case);
    assert!(joined > 1000, "{joined}");
    case.write(
        "store/trail.toml",
        "[stitch]\ncell = 10\n[hubs]\ntrace = 0\ntransaction = 0\n",
    );
    let (fewer, hubs) = holds(&case);
    assert!(fewer < joined && hubs > 10, "{fewer} of {joined}, {hubs}");
}

#[test]
fn sql_joins_all_formats_and_what_evidence_joined() {
    let case = Case::new();
    case.ingest(&["--tz", "UTC"], &[&project("fixtures/formats")], 1);
    let (joined, _) = holds(&case);
    assert!(joined > 50, "{joined}");
    let case = Case::new();
    let (chat, headers, rows) = crate::stitch::logs(&case);
    // Two batches, so that keys and events of one place in each are told apart.
    case.ingest(&["--tz", "UTC"], &[&chat, &rows], 0);
    case.ingest(&["--tz", "UTC"], &[&headers], 0);
    let (joined, _) = holds(&case);
    assert!(joined >= 36, "{joined}");
}
