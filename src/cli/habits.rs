//! How every command speaks: colour, paging, and what is said beside the answer.

use std::io::{IsTerminal, Write};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use indicatif::{ProgressBar, ProgressStyle};

/// Arguments of all commands.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub(super) struct Habits {
    /// When to colour
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN", hide_default_value = true, help_heading = "Output")]
    color: Colour,
    /// Say only what was asked for: no progress, no summary of what went well
    #[arg(long, short, global = true, help_heading = "Output")]
    pub(super) quiet: bool,
    /// Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)
    #[arg(long, global = true, help_heading = "Output")]
    no_pager: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Colour {
    /// Where a terminal shows it, and NO_COLOR is not set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

static HABITS: OnceLock<Habits> = OnceLock::new();

impl Habits {
    /// From now on these are the habits of this process.
    pub(super) fn set(self) {
        let _ = HABITS.set(self);
    }
}

fn habits() -> Habits {
    HABITS.get().copied().unwrap_or_default()
}

/// Whether an answer on standard output is coloured.
pub(super) fn coloured() -> bool {
    match habits().color {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => {
            std::io::stdout().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
                && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

/// Whether only what was asked for is said.
pub(super) fn is_quiet() -> bool {
    habits().quiet
}

/// A line of progress of that form, which is drawn only where somebody watches.
pub(super) fn bar(form: &str) -> ProgressBar {
    let bar = match is_watched() {
        true => ProgressBar::new(0),
        false => ProgressBar::hidden(),
    };
    bar.set_style(
        ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar
}

/// Whether a terminal watches long work.
pub(super) fn is_watched() -> bool {
    std::io::stderr().is_terminal() && !is_quiet()
}

/// Shows a text in a pager, if a person reads it and it may be longer than the screen. Says whether it
/// was shown.
pub(super) fn paged(text: &str) -> bool {
    /// Fewer lines fit on any screen.
    const FEW: usize = 24;
    if habits().no_pager || !std::io::stdout().is_terminal() || text.lines().count() < FEW {
        return false;
    }
    let named = ["TRAIL_PAGER", "PAGER"]
        .iter()
        .find_map(|name| std::env::var(name).ok());
    let pager = named.unwrap_or_else(|| "less".to_owned());
    let mut words = pager.split_whitespace();
    let Some(program) = words.next().filter(|program| *program != "cat") else {
        return false;
    };
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::piped());
    if std::env::var_os("LESS").is_none() {
        // Leave if it fits, show colours, and keep the screen.
        command.env("LESS", "FRX");
    }
    let Ok(mut child) = command.spawn() else {
        return false;
    };
    if let Some(mut to) = child.stdin.take() {
        // Who leaves the pager early has seen enough.
        let _ = to.write_all(text.as_bytes());
    }
    child.wait().is_ok()
}

/// Says something beside the answer, on the error output.
pub(super) fn hint(text: &str) {
    if !is_quiet() {
        eprintln!("{text}");
    }
}

/// The name that somebody may have meant, as the end of a message: `; did you mean …?`
pub(super) fn meant<'n>(typed: &str, names: impl IntoIterator<Item = &'n str>) -> String {
    let best = names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(typed, name), name))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((likeness, name)) if likeness > 0.8 => format!("; did you mean `{name}`?"),
        _ => String::new(),
    }
}
