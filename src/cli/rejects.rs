//! `trail rejects`

use std::process::ExitCode;

use miette::{Result, miette};

use crate::store::{CustodyFile, read_rejects};
use crate::tell::safe::{cut, terminal};

/// List what no reader understood, with the reason
#[derive(clap::Args)]
#[command(after_long_help = "Examples:\n  trail rejects\n  trail rejects --limit 20")]
pub struct Args {
    /// At most that many
    #[arg(long, default_value_t = 1000)]
    limit: usize,
}

impl Args {
    pub(super) fn run(self, store: &super::Given) -> Result<ExitCode> {
        let store = super::open_store(store)?;
        let mut out = String::new();
        let mut count = 0;
        for (batch, custody) in store.batches().iter().enumerate() {
            for reject in read_rejects(&store, batch).map_err(|error| miette!("{error}"))? {
                count += 1;
                if count > self.limit {
                    continue;
                }
                let file = usize::try_from(reject.file)
                    .ok()
                    .and_then(|at| custody.files.get(at));
                let path = file.map(CustodyFile::display_path).unwrap_or_default();
                out.push_str(&format!(
                    "{}: record {}, byte {}, {} bytes: {}\n",
                    terminal(&path),
                    reject.ordinal,
                    reject.offset,
                    reject.length,
                    terminal(&reject.reason)
                ));
                let bytes = String::from_utf8_lossy(&reject.bytes);
                if !bytes.is_empty() {
                    let head: String = bytes.chars().take(200).collect();
                    out.push_str(&format!(
                        "    {}\n",
                        cut(&terminal(&head), super::columns().saturating_sub(4))
                    ));
                }
            }
        }
        if count > self.limit {
            out.push_str(&format!("{} more (--limit)\n", count - self.limit));
        }
        if count == 0 {
            out.push_str("nothing was left out\n");
        }
        super::print(&out, None)?;
        Ok(ExitCode::SUCCESS)
    }
}
