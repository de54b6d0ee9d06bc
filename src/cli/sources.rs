//! `trail sources`

use std::process::ExitCode;

use clap::ValueEnum;
use miette::Result;

use crate::normalise::formats::Formats;
use crate::normalise::{Format, ZoneRule};

/// List the formats that can be read
#[derive(clap::Args)]
#[command(after_long_help = "Examples:\n  trail sources\n  trail sources --format json")]
pub struct Args {
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Table,
    Json,
}

fn zone(format: &dyn Format) -> &'static str {
    match format.zone_rule() {
        ZoneRule::Utc => "UTC or an offset",
        ZoneRule::Local => "local time: --tz",
    }
}

impl Args {
    pub(super) fn run(self) -> Result<ExitCode> {
        let text = match self.format {
            Form::Json => {
                let list: Vec<serde_json::Value> = Formats::default()
                    .iter()
                    .map(|format| {
                        serde_json::json!({
                            "format": format.name(), "title": format.title(),
                            "family": format.family(), "times": zone(format),
                        })
                    })
                    .collect();
                format!("{:#}\n", serde_json::Value::from(list))
            }
            Form::Table => {
                let mut out = format!(
                    "{:<26}{:<40}{:<14}times\n",
                    "format", "what it is", "source"
                );
                for format in Formats::default().iter() {
                    out.push_str(&format!(
                        "{:<26}{:<40}{:<14}{}\n",
                        format.name(),
                        format.title(),
                        format.family(),
                        zone(format)
                    ));
                }
                out
            }
        };
        super::print(&text, None)?;
        Ok(ExitCode::SUCCESS)
    }
}
