//! `trail tui`

use std::io::IsTerminal;
use std::process::ExitCode;

use miette::{IntoDiagnostic, Result, miette};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};

use crate::check::Policy;
use crate::model::{KeyKind, normalise_key};
use crate::store::find_key;
use crate::tell::{Browser, Key, Wish};

/// Browse tasks, their events, texts and links in the terminal
///
/// Keys: arrows or hjkl to move, t for the texts of an event (that is written down, `trail access`), l for
/// its links again, q to leave.
#[derive(clap::Args)]
#[command(after_long_help = "Examples:\n  trail tui\n  trail tui --key invoice=4711")]
pub struct Args {
    /// Only tasks with an event that has this key
    #[arg(long, value_name = "KIND=VALUE")]
    key: Option<String>,
}

impl Args {
    pub(super) fn run(self, given: &super::Given) -> Result<ExitCode> {
        let (store, index) = super::open(given)?;
        let policy = Policy::load_to_judge(None)?;
        let mut tasks: Vec<usize> = match &self.key {
            None => (0..index.len()).collect(),
            Some(key) => {
                let parsed = key
                    .split_once('=')
                    .and_then(|(kind, value)| Some((KeyKind::from_name(kind)?, value)))
                    .and_then(|(kind, value)| Some((kind, normalise_key(kind, value)?)));
                let (kind, value) = parsed.ok_or_else(|| {
                    miette!(
                        help = "write invoice=4711",
                        "`{key}` is not of the form KIND=VALUE"
                    )
                })?;
                let hits = find_key(&store, kind, &value).map_err(|error| miette!("{error}"))?;
                hits.iter()
                    .filter_map(|hit| index.task_at(hit.place))
                    .collect()
            }
        };
        tasks.sort_unstable();
        tasks.dedup();
        tasks.sort_by_cached_key(|task| {
            let times = index.members(*task).into_iter();
            let start = times.filter_map(|event| index.time(event)).min();
            start.unwrap_or(i64::MAX)
        });
        if tasks.is_empty() {
            super::print("no task matches\n", None)?;
            return Ok(ExitCode::from(1));
        }
        if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
            super::print(
                "this is for a terminal; `trail timeline` writes the same into a pipe\n",
                None,
            )?;
            return Ok(ExitCode::from(1));
        }
        let mut browser = Browser::new(&store, &index, &policy, tasks);
        let mut screen = ratatui::init();
        let done = (|| -> Result<()> {
            loop {
                browser.read().map_err(|error| miette!("{error}"))?;
                screen.draw(|frame| browser.draw(frame)).into_diagnostic()?;
                let Event::Key(pressed) = event::read().into_diagnostic()? else {
                    continue;
                };
                if pressed.kind != KeyEventKind::Press {
                    continue;
                }
                let Some(key) = meaning(pressed.code, pressed.modifiers) else {
                    continue;
                };
                match browser.press(key).map_err(|error| miette!("{error}"))? {
                    Wish::Nothing => {}
                    Wish::Quit => return Ok(()),
                    Wish::Texts(place) => {
                        let what = "texts of an event".to_owned();
                        super::access::record_look(&store, "tui", what, 1, &given.reason)?;
                        browser
                            .show_texts(place)
                            .map_err(|error| miette!("{error}"))?;
                    }
                }
            }
        })();
        ratatui::restore();
        done?;
        Ok(ExitCode::SUCCESS)
    }
}

fn meaning(code: KeyCode, modifiers: KeyModifiers) -> Option<Key> {
    Some(match code {
        KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => Key::Quit,
        KeyCode::Char('q') | KeyCode::Esc => Key::Quit,
        KeyCode::Up | KeyCode::Char('k') => Key::Up,
        KeyCode::Down | KeyCode::Char('j') => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown | KeyCode::Char(' ') => Key::PageDown,
        KeyCode::Right | KeyCode::Enter | KeyCode::Tab => Key::Next,
        KeyCode::Left | KeyCode::BackTab | KeyCode::Char('h') => Key::Back,
        KeyCode::Char('t') => Key::Texts,
        KeyCode::Char('l') => Key::Links,
        _ => return None,
    })
}
