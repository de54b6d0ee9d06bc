//! `trail sql`

use std::path::PathBuf;
use std::process::ExitCode;

use comfy_table::{ContentArrangement, Table, presets};
use miette::{Result, miette};

use crate::tell::safe::{cut, terminal};
use crate::tell::{SQL_TABLES, SqlAnswer, names_derived, sql, sql_reason};

/// Ask in SQL over the tables of the store (read only)
///
/// Tables are events, keys, tasks and links, and of a store that is not protected contents and rejects.
/// The dialect is that of Polars: joins, groups, windows, subqueries with IN; no recursion, no EXISTS.
#[derive(clap::Args)]
#[command(
    after_long_help = "Examples:\n  trail sql \"select kind, count(*) as events from events group by kind order by events desc\"\n  trail sql \"select time, actor, action, object from events where kind = 'approval' order by time limit 10\" --format csv"
)]
pub struct Args {
    /// The query; without one, the tables and their columns are listed
    query: Option<String>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,
    /// Most rows of a table for people
    #[arg(long, value_name = "N", default_value_t = 200)]
    limit: usize,
    /// Write to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    Table,
    Json,
    Jsonl,
    Csv,
}

/// Characters of a column, at least, for a table to be read.
const NARROWEST: usize = 6;

impl Args {
    pub(super) fn run(self, given: &super::Given) -> Result<ExitCode> {
        // Who asks for tasks, or which tables there are, needs them made; who asks for records does not wait for them.
        let store = match self.query.as_deref().is_none_or(names_derived) {
            true => super::open(given)?.0,
            false => super::open_store(given)?,
        };
        let Some(query) = &self.query else {
            return self.list(&store);
        };
        let answer = sql(&store, query).map_err(|error| {
            let tables: Vec<&str> = SQL_TABLES.iter().map(|(name, _)| *name).collect();
            miette!(
                help = format!(
                    "tables are {}; `trail sql` lists their columns",
                    tables.join(", ")
                ),
                "{}",
                terminal(&sql_reason(&error))
            )
        })?;
        if answer.reads_contents {
            super::access::record_look(&store, "sql", query.clone(), answer.rows(), &given.reason)?;
        }
        let objects = (0..answer.rows()).map(|row| answer.object(row));
        let text = match self.format {
            Form::Csv => answer.csv(),
            Form::Jsonl => objects.map(|row| format!("{row}\n")).collect(),
            Form::Json => format!("{:#}\n", serde_json::Value::Array(objects.collect())),
            Form::Table => self.table(&answer),
        };
        super::print(&text, self.output.as_deref())?;
        Ok(ExitCode::SUCCESS)
    }

    fn list(&self, store: &crate::store::Store) -> Result<ExitCode> {
        let mut out = String::new();
        for (name, what) in SQL_TABLES {
            let Ok(found) = sql(store, &format!("select * from {name} limit 0")) else {
                continue;
            };
            out.push_str(&format!(
                "{name}: {what}\n    {}\n",
                found.columns().join(", ")
            ));
        }
        super::print(&out, self.output.as_deref())?;
        Ok(ExitCode::SUCCESS)
    }

    /// Rows below each other, a line a column that has a value.
    fn records(&self, answer: &SqlAnswer) -> String {
        let width = super::columns();
        let names: Vec<String> = answer.columns().iter().map(|name| terminal(name)).collect();
        let longest = names.iter().map(|name| name.chars().count()).max();
        let longest = longest.unwrap_or(0).min(width / 2);
        let mut out = String::new();
        for row in 0..answer.rows().min(self.limit) {
            out.push_str(&format!("row {}\n", row + 1));
            let cells = names.iter().zip(answer.texts(row));
            for (name, cell) in cells.filter(|(_, cell)| !cell.is_empty()) {
                let line = format!(" {name:longest$}  {}", terminal(&cell));
                out.push_str(&format!("{}\n", cut(&line, width)));
            }
        }
        out
    }

    fn table(&self, answer: &SqlAnswer) -> String {
        // Too narrow columns would break each word into its letters.
        let is_wide = answer.columns().len() * NARROWEST > super::columns();
        let mut out = match is_wide {
            true => self.records(answer),
            false => self.grid(answer),
        };
        let rows = answer.rows();
        if rows > self.limit {
            out.push_str(&format!("{} more (--limit)\n", rows - self.limit));
        }
        out.push_str(&match rows {
            1 => "1 row\n".to_owned(),
            rows => format!("{rows} rows\n"),
        });
        out
    }

    fn grid(&self, answer: &SqlAnswer) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(u16::try_from(super::columns()).unwrap_or(160));
        table.set_header(answer.columns().iter().map(|name| terminal(name)));
        let rows = answer.rows();
        for row in 0..rows.min(self.limit) {
            let cells = answer.texts(row);
            table.add_row(cells.iter().map(|cell| cut(&terminal(cell), 200)));
        }
        table
            .lines()
            .map(|line| format!("{}\n", line.trim_end()))
            .collect()
    }
}
