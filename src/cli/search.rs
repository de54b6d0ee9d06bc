//! `trail search`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use miette::{IntoDiagnostic, Result, miette};

use crate::config::{Config, zone_of};
use crate::store::has_no_words;
use crate::tell::safe::terminal;
use crate::tell::{SearchRequest, SearchSteps, search, search_csv, search_text};

/// Find words, phrases or a regular expression in what was logged
///
/// All words must stand in one text, each as a whole word; `4711*`, `*4711` and `*4711*` look for parts of words.
/// Quote a phrase. Case does not count, nor do zeros before a number. Conditions on fields (columns and
/// attributes) hold beside them. The first search makes an index of words. Exit code: 0 something was found,
/// 1 nothing.
#[derive(clap::Args)]
#[command(
    after_long_help = "Examples:\n  trail search \"bank details\" --where actor_type=agent\n  trail search --regex 'DE\\d{20}' --by actor"
)]
pub struct Args {
    /// Words; a phrase in quotes
    #[arg(value_name = "WORDS")]
    words: Vec<String>,
    /// A regular expression
    #[arg(long, value_name = "REGEX")]
    regex: Option<String>,
    /// A field has this value, or begins so: `actor=a.meier*`; may be repeated
    #[arg(long = "where", value_name = "FIELD=VALUE")]
    fields: Vec<String>,
    /// Only events of this kind; may be repeated
    #[arg(long, value_name = "KIND")]
    kind: Vec<String>,
    /// Only events of this source; may be repeated
    #[arg(long, value_name = "NAME")]
    source: Vec<String>,
    /// From this time on
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Zone of --since and --until
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    tz: String,
    /// Count by this field instead
    #[arg(long, value_name = "FIELD")]
    by: Option<String>,
    /// At most that many events
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Count all events that fit: without it, counting may stop at 10,000 where words stand in very many texts
    #[arg(long)]
    exact: bool,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,
    /// Write to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What takes less time needs no progress.
const SOON: Duration = Duration::from_secs(1);

/// Bytes of texts of which an index takes longer than people wait without a word.
const LONG: u64 = 100 << 20;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Table,
    Json,
    Csv,
}

impl Args {
    fn request(&self) -> Result<SearchRequest> {
        let zone = zone_of(&self.tz)?;
        let fields = self
            .fields
            .iter()
            .map(|text| {
                let (name, value) = text
                    .split_once('=')
                    .ok_or_else(|| miette!("`{text}` is not of the form FIELD=VALUE"))?;
                Ok((name.trim().to_owned(), value.trim().to_owned()))
            })
            .collect::<Result<_>>()?;
        Ok(SearchRequest {
            words: self.words.clone(),
            regex: self.regex.clone(),
            fields,
            kinds: super::kinds(&self.kind)?,
            sources: self.source.clone(),
            since: super::moment(self.since.as_deref(), &zone)?,
            until: super::moment(self.until.as_deref(), &zone)?,
            limit: self.limit,
            by: self.by.clone(),
            exact: self.exact,
            steps: SearchSteps::default(),
        })
    }

    pub(super) fn run(self, given: &super::Given) -> Result<ExitCode> {
        let request = self.request()?;
        let store = super::open_store(given)?;
        let config = Config::load(&store.layout().config())?;
        let index = crate::stitch::current(&store, &config);
        self.announce(&store);
        let bar = super::habits::bar("{bytes} of {total_bytes} of texts read, {eta} left");
        let begun = Instant::now();
        let found = search(&store, index.as_ref(), &request, &|read, all| {
            if begun.elapsed() > SOON {
                bar.set_length(all);
                bar.set_position(read);
            }
        });
        bar.finish_and_clear();
        let found = found.map_err(|error| miette!("{error}"))?;
        if !self.words.is_empty() || self.regex.is_some() {
            let mut asked = self.words.clone();
            asked.extend(self.regex.iter().map(|regex| format!("/{regex}/")));
            super::access::record_words(&store, asked, found.events, &given.reason)?;
        }
        let by = self.by.as_deref();
        let text = match self.format {
            Form::Table => {
                let colour = self.output.is_none() && super::habits::coloured();
                search_text(&found, by, super::columns(), colour)
            }
            Form::Json => serde_json::to_string_pretty(&found).into_diagnostic()? + "\n",
            Form::Csv => search_csv(&found, by),
        };
        super::print(&text, self.output.as_deref())?;
        let whole: Vec<&String> = self
            .words
            .iter()
            .filter(|word| !word.contains('*'))
            .collect();
        if let (0, Some(word), Form::Table) = (found.events, whole.first(), self.format) {
            super::habits::hint(&format!(
                "words are whole ones: `trail search '*{}*'` looks inside of them too",
                terminal(word)
            ));
        }
        Ok(ExitCode::from(u8::from(found.events == 0)))
    }

    /// Says why a first search takes longer.
    fn announce(&self, store: &crate::store::Store) {
        if self.words.is_empty() && self.regex.is_none() {
            return;
        }
        let texts: u64 = store
            .batches()
            .iter()
            .filter(|batch| has_no_words(store, batch))
            .flat_map(|batch| &batch.tables)
            .filter(|table| table.path.starts_with("contents/"))
            .map(|table| table.size)
            .sum();
        if texts > LONG {
            super::habits::hint("the words of these texts are indexed now, once");
        }
    }
}
