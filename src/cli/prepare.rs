//! `trail prepare`

use std::path::PathBuf;
use std::process::ExitCode;

use miette::{Result, miette};

use crate::check::judge_once;
use crate::store::make_words;
use crate::tell::make_figures;

/// Make what questions would make when they are first asked, so that nobody has to wait for it
///
/// That is the tasks, the index of words, the figures of the whole store and the verdict. What is there
/// already is left as it is. Meant to run behind an ingest, at night or in CI.
#[derive(clap::Args)]
#[command(after_long_help = "Examples:\n  trail prepare\n  trail prepare --policy policies/")]
pub struct Args {
    /// Folder or file of rules of the verdict [default: the shipped baseline]
    #[arg(long, value_name = "PATH")]
    policy: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self, store: &super::Given) -> Result<ExitCode> {
        let policy = super::policy(self.policy.as_deref())?;
        let (store, index) = super::open(store)?;
        let wrong = |error: crate::store::StoreError| miette!("{error}");
        let mut made = vec!["tasks"];
        // What texts hold is known to those who may read them, and figures of a protected store depend on who
        // asks.
        if store.access().reads_contents() {
            make_words(&store).map_err(wrong)?;
            made.push("words");
        }
        if !store.access().is_protected() {
            make_figures(&store, &index).map_err(wrong)?;
            judge_once(&store, &index, &policy).map_err(wrong)?;
            made.extend(["figures", "verdict"]);
        }
        super::print(&format!("ready: {}\n", made.join(", ")), None)?;
        Ok(ExitCode::SUCCESS)
    }
}
