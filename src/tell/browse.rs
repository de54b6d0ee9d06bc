//! A browser of the store for the terminal: tasks, the events of one, and what is known of an event.

use std::cell::Cell;
use std::collections::HashMap;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line as TextLine;
use ratatui::widgets::{Block, List, ListItem, ListState, Paragraph, Wrap};

use super::safe::{count, cut, terminal};
use super::task_block::{Line, TaskBlock};
use super::timeline::{Selector, TimelineRequest, timeline};
use crate::check::Policy;
use crate::model::time::format_utc;
use crate::stitch::TaskIndex;
use crate::store::{
    Col, EventRef, Store, StoreError, read_contents, read_event_columns, read_events,
};

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// To the one above.
    Up,
    /// To the one below.
    Down,
    /// Ten up.
    PageUp,
    /// Ten down.
    PageDown,
    /// To the next pane.
    Next,
    /// To the pane before.
    Back,
    /// Show the texts of the event.
    Texts,
    /// Show the links of the event.
    Links,
    /// Leave.
    Quit,
}

/// What is to be done before the next picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing.
    Nothing,
    /// Texts of the event are to be shown: this has to be written down first.
    Texts(EventRef),
    /// Leave.
    Quit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pane {
    Tasks,
    Events,
}

/// The browser.
pub struct Browser<'s> {
    store: &'s Store,
    index: &'s TaskIndex,
    policy: &'s Policy,
    /// Tasks that are listed.
    tasks: Vec<usize>,
    task: usize,
    /// The task that is open, read when it is reached.
    open: Option<(usize, TaskBlock)>,
    event: usize,
    pane: Pane,
    /// Texts of the event, once asked for.
    texts: Option<Vec<(String, String)>>,
    /// Rows of the texts above the picture.
    scroll: u16,
    message: String,
    /// Rows of the list of tasks in the last picture.
    rows: Cell<usize>,
    /// What tasks that were shown are about.
    about: HashMap<usize, String>,
}

/// Events of a task that are looked at for what it is about.
const LOOKED_AT: usize = 60;

impl<'s> Browser<'s> {
    /// Of those tasks, the earliest first.
    #[must_use]
    pub fn new(
        store: &'s Store,
        index: &'s TaskIndex,
        policy: &'s Policy,
        tasks: Vec<usize>,
    ) -> Self {
        Self {
            store,
            index,
            policy,
            tasks,
            task: 0,
            open: None,
            event: 0,
            pane: Pane::Tasks,
            texts: None,
            scroll: 0,
            message: String::new(),
            rows: Cell::new(40),
            about: HashMap::new(),
        }
    }

    /// Does what a key says.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn press(&mut self, key: Key) -> Result<Wish, StoreError> {
        self.message.clear();
        let step = |at: usize, by: isize, len: usize| {
            at.saturating_add_signed(by).min(len.saturating_sub(1))
        };
        let by: isize = match key {
            Key::Up => -1,
            Key::Down => 1,
            Key::PageUp => -10,
            Key::PageDown => 10,
            Key::Next => {
                self.pane = Pane::Events;
                return Ok(Wish::Nothing);
            }
            Key::Back => {
                self.pane = Pane::Tasks;
                return Ok(Wish::Nothing);
            }
            Key::Quit => return Ok(Wish::Quit),
            Key::Texts => {
                let place = self.place()?;
                return Ok(place.map_or(Wish::Nothing, Wish::Texts));
            }
            Key::Links => {
                self.texts = None;
                return Ok(Wish::Nothing);
            }
        };
        if self.texts.is_some() && by.abs() > 1 {
            self.scroll = self
                .scroll
                .saturating_add_signed(if by < 0 { -10 } else { 10 });
            return Ok(Wish::Nothing);
        }
        self.texts = None;
        match self.pane {
            Pane::Tasks => {
                self.task = step(self.task, by, self.tasks.len());
                self.event = 0;
            }
            Pane::Events => {
                let lines = self.open.as_ref().map_or(0, |(_, block)| block.lines.len());
                self.event = step(self.event, by, lines);
            }
        }
        Ok(Wish::Nothing)
    }

    /// Reads the texts of an event, after that was written down.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn show_texts(&mut self, place: EventRef) -> Result<(), StoreError> {
        let set = read_events(self.store, &[place])?;
        let event = set.get(0);
        match read_contents(self.store, place.batch, event.file(), event.ordinal()) {
            Ok(rows) => {
                let own = rows
                    .into_iter()
                    .filter(|row| row.part == event.part() || row.content == "raw");
                let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
                let mut texts: Vec<(String, String)> =
                    own.map(|row| (row.content, text(row.value))).collect();
                // The record as a whole stands behind what was taken out of it.
                texts.sort_by_key(|(kind, _)| kind == "raw");
                self.texts = Some(texts);
                self.scroll = 0;
            }
            Err(StoreError::Protected { reason }) => self.message = reason,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn place(&self) -> Result<Option<EventRef>, StoreError> {
        let (Some((task, _)), Some(line)) = (&self.open, self.line()) else {
            return Ok(None);
        };
        let places = self.index.places(*task);
        let set = read_event_columns(self.store, &places, Some(&[]))?;
        let id = line.events.first();
        let event = set.iter().find(|event| Some(&event.id().to_string()) == id);
        Ok(event.map(|event| event.place()))
    }

    fn line(&self) -> Option<&Line> {
        self.open.as_ref()?.1.lines.get(self.event)
    }

    /// Opens the task that is chosen, if it is not open yet.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn read(&mut self) -> Result<(), StoreError> {
        let Some(task) = self.tasks.get(self.task).copied() else {
            return Ok(());
        };
        self.read_about()?;
        if self.open.as_ref().is_some_and(|(open, _)| *open == task) {
            return Ok(());
        }
        let request = TimelineRequest {
            selectors: vec![Selector::Task(self.index.id(task).to_string())],
            ..TimelineRequest::default()
        };
        let found = timeline(self.store, self.index, self.policy, &request);
        let found = found.map_err(|error| StoreError::Damaged {
            path: self.store.layout().root.clone(),
            reason: error.to_string(),
        })?;
        self.open = found.tasks.into_iter().next().map(|block| (task, block));
        self.event = 0;
        Ok(())
    }

    /// Reads what the tasks in the picture are about.
    fn read_about(&mut self) -> Result<(), StoreError> {
        let rows = self.rows.get();
        let first = (self.task / rows) * rows;
        let shown = self.tasks.iter().skip(first).take(rows).copied();
        let unknown: Vec<usize> = shown
            .filter(|task| !self.about.contains_key(task))
            .collect();
        let mut places = Vec::new();
        let mut ends = Vec::new();
        for task in &unknown {
            let members = self.index.members(*task).into_iter().take(LOOKED_AT);
            places.extend(members.map(|event| self.index.place(event)));
            ends.push(places.len());
        }
        let columns = [
            "kind",
            "action",
            "object_type",
            "object",
            "tool",
            "on_behalf_of",
            "actor",
        ];
        let events = read_event_columns(self.store, &places, Some(&columns))?;
        let mut start = 0;
        for (task, end) in unknown.into_iter().zip(ends) {
            // What was done says most, then what was asked for.
            let best = (start..end).map(|at| events.get(at)).min_by_key(|event| {
                match event.text(Col::Kind).unwrap_or_default() {
                    "write" | "message" => 0,
                    "approval" | "rejection" => 1,
                    "tool_call" => 2,
                    "read" | "retrieval" => 3,
                    "request" => 4,
                    _ => 5,
                }
            });
            let said = best.map(|event| {
                let action = event.text(Col::Tool).or(event.text(Col::Action));
                let object = event.text(Col::Object).or(event.text(Col::ObjectType));
                let words = [object, action];
                words.into_iter().flatten().collect::<Vec<_>>().join(" · ")
            });
            self.about.insert(task, terminal(&said.unwrap_or_default()));
            start = end;
        }
        Ok(())
    }

    /// Draws.
    pub fn draw(&self, frame: &mut Frame<'_>) {
        let [body, foot] =
            Layout::vertical([Constraint::Min(3), Constraint::Length(1)]).areas(frame.area());
        let tasks_width = match body.width {
            0..100 => 32,
            100..140 => 44,
            _ => 60,
        };
        let [left, right] =
            Layout::horizontal([Constraint::Length(tasks_width), Constraint::Min(20)]).areas(body);
        let [above, below] =
            Layout::vertical([Constraint::Percentage(55), Constraint::Percentage(45)]).areas(right);
        self.draw_tasks(frame, left);
        self.draw_events(frame, above);
        self.draw_detail(frame, below);
        let keys = "↑↓ move  → events  ← tasks  t texts (PgDn more)  l links  q leave";
        let said = if self.message.is_empty() {
            keys.to_owned()
        } else {
            terminal(&self.message)
        };
        frame.render_widget(Paragraph::new(said), foot);
    }

    fn block(&self, pane: Pane, title: String) -> Block<'static> {
        let style = if self.pane == pane {
            Style::default().add_modifier(Modifier::BOLD)
        } else {
            Style::default()
        };
        Block::bordered().title(title).border_style(style)
    }

    fn draw_tasks(&self, frame: &mut Frame<'_>, area: Rect) {
        // Only what fits is made into rows: a store has millions of tasks.
        let rows = usize::from(area.height.saturating_sub(2)).max(1);
        self.rows.set(rows);
        let width = usize::from(area.width.saturating_sub(2));
        let first = (self.task / rows) * rows;
        let items = self.tasks.iter().skip(first).take(rows).map(|task| {
            let members = self.index.members(*task);
            let time = members.iter().find_map(|event| self.index.time(*event));
            let time = time.map_or_else(|| "no time".to_owned(), format_utc);
            let text = format!(
                "{} {:>4} {}",
                time.get(5..16).unwrap_or(&time).replace('T', " "),
                members.len(),
                self.about.get(task).map_or("", String::as_str)
            );
            ListItem::new(cut(&text, width))
        });
        let title = format!(" {} ", count(self.tasks.len() as u64, "task"));
        let list = List::new(items)
            .block(self.block(Pane::Tasks, title))
            .highlight_style(Style::default().add_modifier(Modifier::REVERSED));
        let mut state = ListState::default().with_selected(Some(self.task - first));
        frame.render_stateful_widget(list, area, &mut state);
    }

    fn draw_events(&self, frame: &mut Frame<'_>, area: Rect) {
        let Some((_, block)) = &self.open else {
            frame.render_widget(self.block(Pane::Events, " no task ".to_owned()), area);
            return;
        };
        let width = usize::from(area.width.saturating_sub(2));
        let items = block.lines.iter().map(|line| {
            let text = format!(
                "{} {:<10} {} {}",
                line.time
                    .as_deref()
                    .and_then(|time| time.get(11..19))
                    .unwrap_or("--:--:--"),
                cut(&terminal(&line.source), 10),
                mark(line),
                what(line)
            );
            ListItem::new(cut(&terminal(&text), width))
        });
        let mut title = format!(" {} ", block.id.get(..12).unwrap_or_default());
        if !block.findings.is_empty() {
            title.push_str(&format!("breaks {} ", block.findings.join(", ")));
        }
        let list = List::new(items)
            .block(self.block(Pane::Events, cut(&terminal(&title), width)))
            .highlight_style(Style::default().add_modifier(Modifier::REVERSED));
        let mut state = ListState::default().with_selected(Some(self.event));
        frame.render_stateful_widget(list, area, &mut state);
    }

    fn draw_detail(&self, frame: &mut Frame<'_>, area: Rect) {
        let mut rows: Vec<String> = Vec::new();
        let title = if self.texts.is_some() {
            " texts "
        } else {
            " event "
        };
        match (&self.texts, self.line()) {
            (Some(texts), _) => {
                for (kind, text) in texts {
                    rows.push(format!("{kind}: {}", terminal(text)));
                }
                if texts.is_empty() {
                    rows.push("no text was logged".to_owned());
                }
            }
            (None, Some(line)) => rows = detail(line),
            (None, None) => {}
        }
        let text: Vec<TextLine<'_>> = rows.into_iter().map(TextLine::from).collect();
        let shown = Paragraph::new(text)
            .block(Block::bordered().title(title))
            .wrap(Wrap { trim: false })
            .scroll((if self.texts.is_some() { self.scroll } else { 0 }, 0));
        frame.render_widget(shown, area);
    }
}

/// A sign for what an investigator looks for first; letters, for not every terminal has more.
fn mark(line: &Line) -> &'static str {
    match line.kind.as_str() {
        "approval" => "A",
        "rejection" => "R",
        "write" | "message" => "W",
        "exception" => "!",
        _ => " ",
    }
}

fn what(line: &Line) -> String {
    let deed = Some(line.deed()).filter(|deed| !deed.is_empty());
    let parts = [
        deed.as_deref(),
        line.object.as_deref(),
        line.amount.as_deref(),
    ];
    let said: Vec<&str> = parts.into_iter().flatten().collect();
    format!("{}: {}", line.kind.replace('_', " "), said.join(" · "))
}

fn detail(line: &Line) -> Vec<String> {
    let mut rows = vec![what(line)];
    let fields = [
        ("time", line.time.clone()),
        ("actor", line.actor.clone()),
        ("for", line.on_behalf_of.clone()),
        ("outcome", line.outcome.clone()),
        ("error", line.error.clone()),
        ("model", line.model.clone()),
        ("policy", line.policy.clone()),
        ("knowledge", line.knowledge.clone()),
        ("why here", Some(line.link.clone())),
        ("notes", line.notes.clone()),
    ];
    rows.extend(
        fields
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}: {}", value?))),
    );
    for change in &line.changes {
        rows.push(format!(
            "{}: {} → {}",
            change.field,
            change.before.as_deref().unwrap_or("–"),
            change.after.as_deref().unwrap_or("–")
        ));
    }
    rows.extend(line.evidence.iter().cloned());
    rows.iter().map(|row| terminal(row)).collect()
}
