//! What values say of calls and deeds as SQL is what the program's own code says.

use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::*;
use trail::stitch::{Candidate, EVIDENCE, Sighted, TaskIndex, current, dumps, notation, sights};
use trail::store::EventRef;

use crate::stitch_sql::{Statements, number, rows};
use crate::{Case, project};

impl Statements {
    /// Gives the tables that weighing reads besides: notations of values, numbers of dumps, and cells of time.
    fn give(&mut self, index: &TaskIndex) {
        let keys = self.run(("spelled", "SELECT DISTINCT value FROM keys"));
        let values = rows(&keys, &["value"]).into_iter().flatten();
        let (values, evidence): (Vec<String>, Vec<String>) = values
            .filter_map(|value| Some((value.clone(), notation(&value)?)))
            .unzip();
        let notations = df!("value" => values, "evidence" => evidence).unwrap();
        self.context.register("notations", notations.lazy());
        let numbers = dumps(&self.store);
        let (mut batches, mut files, mut of_files) = (Vec::new(), Vec::new(), Vec::new());
        for (batch, dumps) in self.store.batches().iter().zip(&numbers) {
            for (file, dump) in (0i32..).zip(dumps) {
                batches.push(batch.batch.clone());
                files.push(file);
                of_files.push(i64::from(*dump));
            }
        }
        let dumps = df!("batch" => batches, "file" => files, "dump" => of_files).unwrap();
        self.context.register("dumps", dumps.lazy());
        let sights = sights(index, &self.config);
        let column = |of: fn(&Sighted) -> i64| sights.iter().map(of).collect::<Vec<_>>();
        let sights = df!(
            "day" => column(|of| of.day),
            "cell" => column(|of| number(of.cell)),
            "own_from" => column(|of| of.own.0),
            "own_until" => column(|of| of.own.1),
            "seen_from" => column(|of| of.seen.0),
            "seen_until" => column(|of| of.seen.1),
        );
        let utc = DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC));
        let times = ["own_from", "own_until", "seen_from", "seen_until"];
        let mut typed = times.map(|name| col(name).cast(utc.clone())).to_vec();
        typed.push(col("day").cast(DataType::Int32).cast(DataType::Date));
        let sights = sights.unwrap().lazy().with_columns(typed);
        self.context.register("sights", sights);
    }

    /// Runs the statements of evidence on what ids alone join.
    fn weigh(&mut self, index: &TaskIndex) -> Said {
        let no_links = self.links().head(Some(0));
        self.join(no_links);
        self.give(index);
        let mut said = Said::default();
        for statement in EVIDENCE {
            said.add(statement.0, &self.run(statement));
        }
        said
    }
}

impl Statements {
    /// Id and kind of each event, by its number in the index.
    fn events(&mut self, index: &TaskIndex) -> Vec<(String, String)> {
        let found = self.run(("listed", "SELECT batch, row, event_id, kind FROM events"));
        let mut events = vec![(String::new(), String::new()); index.events()];
        let texts = |name| found.column(name).unwrap().str().unwrap();
        let of_row = found.column("row").unwrap().i64().unwrap();
        for at in 0..found.height() {
            let batch = texts("batch").get(at).unwrap();
            let mut batches = self.store.batches().iter();
            let place = EventRef {
                batch: batches.position(|of| of.batch == batch).unwrap(),
                row: of_row.get(at).unwrap(),
            };
            let number = index.number(place).unwrap();
            let text = |name| texts(name).get(at).unwrap().to_owned();
            events[number as usize] = (text("event_id"), text("kind"));
        }
        events
    }
}

/// Calls of a cell that pass a value, from beyond which on it makes no pairs.
const MOST_CALLS: i64 = 200;

/// A deed and a call, by their ids.
type Pair = (String, String);

/// What the statements say, in hundredths of bits.
#[derive(Default)]
struct Said {
    deed_of: BTreeMap<String, String>,
    /// Values that not more than so many calls of a cell pass, and those that more do.
    rare: BTreeSet<String>,
    frequent: BTreeSet<String>,
    /// What calls pass that deeds have.
    values: BTreeMap<Pair, BTreeMap<String, i64>>,
    contents: BTreeMap<Pair, i64>,
    /// Pairs whose call is in a task by ids.
    in_task: BTreeSet<Pair>,
    cells: usize,
}

impl Said {
    fn add(&mut self, name: &str, found: &DataFrame) {
        let texts = |name: &str| -> Vec<Option<String>> {
            let texts = found.column(name).unwrap().str().unwrap();
            let owned = |text: Option<&str>| text.map(str::to_owned);
            texts.iter().map(owned).collect()
        };
        let told = |name: &str| texts(name).into_iter().map(Option::unwrap);
        let counts = |name: &str| -> Vec<i64> {
            let column = found.column(name).unwrap().cast(&DataType::Int64).unwrap();
            column.i64().unwrap().iter().map(Option::unwrap).collect()
        };
        let bits = || -> Vec<i64> {
            let bits = found.column("bits").unwrap().f64().unwrap().iter();
            bits.map(|bits| hundredths(bits.unwrap())).collect()
        };
        let pairs = || told("deed").zip(told("call"));
        match name {
            "deeds" => self.deed_of = told("event").zip(told("deed")).collect(),
            "rarity" => {
                for (value, calls) in told("value").zip(counts("calls")) {
                    match calls <= MOST_CALLS {
                        true => self.rare.insert(value),
                        false => self.frequent.insert(value),
                    };
                }
            }
            "pairs" => {
                let cells: BTreeSet<i64> = counts("cell").into_iter().collect();
                self.cells = cells.len();
                let of_task = pairs().zip(texts("task"));
                let in_task = of_task.filter(|(_, task)| task.is_some());
                self.in_task = in_task.map(|(pair, _)| pair).collect();
            }
            "agreements" => {
                let agreed = told("value").zip(bits());
                for ((pair, is_passed), agreed) in pairs().zip(counts("is_passed")).zip(agreed) {
                    let values = self.values.entry(pair).or_default();
                    values.extend((is_passed == 1).then_some(agreed));
                }
            }
            "contents" => self.contents = pairs().zip(bits()).collect(),
            _ => {}
        }
    }

    /// Holds a pair that the program has told of.
    fn holds(&self, pair: &Pair, told: &Candidate, is_of_model: bool, held: &mut Held) {
        let values = told.values.iter();
        let own: BTreeMap<String, i64> = values
            .map(|(value, bits)| (value.clone(), hundredths(*bits)))
            .collect();
        let is_rare = |value: &String| self.rare.contains(value) && !self.frequent.contains(value);
        if own.keys().any(is_rare) {
            held.sharing += 1;
            assert_eq!(self.values.get(pair), Some(&own), "{pair:?}");
            // Of requests on their way the words of their route are weighed apart; what is placed in a task by evidence comes
            // to know its values then.
            if is_of_model && self.in_task.contains(pair) {
                held.of_models += 1;
                assert_eq!(
                    self.contents[pair],
                    hundredths(told.content),
                    "{pair:?} {told:?}"
                );
            }
        } else if !own.keys().any(|value| self.rare.contains(value)) {
            held.apart += 1;
            assert_eq!(self.values.get(pair), None, "{pair:?}");
        }
    }
}

/// How many pairs were held: those that share a value, of these those whose call is one of a model, and those that share none
/// which makes pairs.
#[derive(Debug, Default)]
struct Held {
    sharing: usize,
    of_models: usize,
    apart: usize,
    cells: usize,
}

fn hundredths(bits: f64) -> i64 {
    #[allow(clippy::cast_possible_truncation)] // A few thousand.
    let whole = (bits * 100.0).round() as i64;
    whole
}

/// Runs the statements of evidence on a store, and holds what they say of values against what the program says of the causes
/// that it has told.
fn holds(case: &Case) -> Held {
    case.output(&["stitch"]);
    let mut statements = Statements::on(case);
    let index = current(&statements.store, &statements.config).unwrap();
    let said = statements.weigh(&index);
    let mut held = Held {
        cells: said.cells,
        ..Held::default()
    };
    let events = statements.events(&index);
    for (number, (event, _)) in (0u32..).zip(&events) {
        let Some(weighing) = index.weighing(number) else {
            continue;
        };
        let deed = &said.deed_of[event];
        for told in std::iter::once(weighing.best).chain(weighing.runner_up) {
            let (call, kind) = &events[told.event as usize];
            let is_of_model = ["tool_call", "inference"].contains(&kind.as_str());
            said.holds(&(deed.clone(), call.clone()), &told, is_of_model, &mut held);
        }
    }
    held
}

/// Settings under which fewer ids join, so that more is weighed.
const FEW_IDS: &str = "[hubs]\ntrace = 0\nrequest = 0\ntool_call = 0\n";

#[test]
fn sql_says_of_the_values_of_the_demo_case_what_the_program_says() {
    let case = Case::demo();
    let all_ids = holds(&case);
    case.write("store/trail.toml", FEW_IDS);
    let held = holds(&case);
    assert!(held.sharing > all_ids.sharing, "{held:?} {all_ids:?}");
    assert!(held.of_models > 20 && held.apart > 20, "{held:?}");
    assert_eq!(held.cells, 1);
}

#[test]
fn sql_says_it_cell_by_cell_as_well() {
    let case = Case::demo();
    // With all ids changes inside of tasks bring calls from before a cell into it.
    for (ids, least) in [("", 0), (FEW_IDS, 50)] {
        let settings = format!("[stitch]\ncell = 500\n{ids}");
        case.write("store/trail.toml", settings);
        let held = holds(&case);
        assert!(held.sharing > least && held.cells > 3, "{held:?}");
    }
}

#[test]
fn sql_says_it_of_records_that_no_id_joins_and_of_all_formats() {
    let case = Case::new();
    let (chat, headers, rows) = crate::stitch::logs(&case);
    case.ingest(&["--tz", "UTC"], &[&chat, &headers, &rows], 0);
    let held = holds(&case);
    assert!(held.sharing > 5, "{held:?}");
    let case = Case::new();
    case.ingest(&["--tz", "UTC"], &[&project("fixtures/formats")], 1);
    let held = holds(&case);
    assert!(held.sharing > 5, "{held:?}");
}

#[test]
fn sql_says_it_of_the_labelled_logs() {
    let logs = project("../shared/stitch-dev");
    if !logs.is_dir() {
        eprintln!("left out: {} is not there", logs.display());
        return;
    }
    for preset in ["easy", "medium"] {
        let case = Case::new();
        case.ingest(&["--tz", "UTC"], &[&logs.join(preset).join("logs")], 0);
        for (settings, least) in [("", 10), (FEW_IDS, 100)] {
            case.write("store/trail.toml", settings);
            let held = holds(&case);
            println!("{preset}: {held:?}");
            assert!(held.sharing > least, "{held:?}");
        }
    }
}
