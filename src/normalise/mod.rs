//! From records to events: one file a format behind one small trait.
//!
//! Adding a format is one file in `formats/` (code, or a mapping in TOML), one folder in
//! `fixtures/formats/` and one line in [`formats`].

pub mod chat;
mod detect;
mod flat;
pub mod formats;
mod http;
mod json;
pub mod mapping;
pub(crate) mod names;
mod personal;
mod salesforce;
mod sap;
mod sql;

pub use detect::{Detected, Detection, Sample, Verdict, detect};
pub use json::{Pairs, Text};
pub(crate) use names::add_arguments;
pub use personal::{
    Personal, find as find_personal, injection_signs, is_name_field, personal_kinds,
};
pub(crate) use sap::technical_header;

use jiff::tz::TimeZone;
use typed_arena::Arena;

use crate::model::Event;
use crate::model::time::{BadTime, DateOrder, Time, Zoneless};
use crate::read::{Header, Row};

/// What a time without a zone means in a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneRule {
    /// Its document says UTC, or every time carries an offset.
    Utc,
    /// Local time of the system: `--tz` or trail.toml decides, else UTC is assumed and said so.
    Local,
}

/// A format that records are read in.
pub trait Format: Sync {
    /// Name on the command line and in the tables.
    fn name(&self) -> &'static str;

    /// What people call it.
    fn title(&self) -> &'static str;

    /// The system family, which is the source's name unless one is given.
    fn family(&self) -> &'static str;

    /// The reader's name, which goes into event ids. Formats that can meet in one file share one.
    fn reader(&self) -> &'static str {
        self.name()
    }

    /// What a time without a zone means.
    fn zone_rule(&self) -> ZoneRule {
        ZoneRule::Utc
    }

    /// Whether it is lines of text, whatever delimiters stand in them.
    fn is_text(&self) -> bool {
        false
    }

    /// Whether an object with a list inside is one record (the history of one workflow), and not as many as the list
    /// has elements.
    fn is_whole(&self) -> bool {
        false
    }

    /// Whether a record may be no more than what a log collector keeps, so that a known format inside of it goes before.
    fn wraps(&self) -> bool {
        false
    }

    /// Whether each record has an id of the source's own: the same record twice in one dump is one then, and
    /// not something that happened twice.
    fn has_own_ids(&self) -> bool {
        false
    }

    /// Of text whose records span lines: the regular expression that a record's first line fits.
    fn record_start(&self) -> Option<&str> {
        None
    }

    /// Of such text: the regular expression of lines that belong to the record before them all the same.
    fn record_goes_on(&self) -> Option<&str> {
        None
    }

    /// How sure the format is that the sample is its own, and why; `None` if it is not.
    fn detect(&self, sample: &Sample<'_>) -> Option<Detection>;

    /// What has to be known of the other records around one: pieces of a streamed answer, say.
    fn gather(&self, _texts: &mut dyn Iterator<Item = &str>) -> Gathered {
        Gathered::default()
    }

    /// Turns one record into events.
    ///
    /// # Errors
    /// A record that is none of the format's; the rest of the dump is read on.
    fn map<'r>(&self, record: &Record<'r>, out: &mut Vec<Event<'r>>) -> Result<(), MapError>;
}

/// What the records of a chunk say together, by names that the format chooses.
pub type Gathered = std::collections::HashMap<String, String>;

/// One record, as a mapper sees it.
#[derive(Clone, Copy)]
pub struct Record<'r> {
    /// The record's text.
    pub text: &'r str,
    /// Its fields, if it is a row.
    pub row: Option<(&'r Header, &'r Row)>,
    /// Zone of times without one.
    pub zone: &'r TimeZone,
    /// Whether the day or the month comes first in dates with slashes, where it is known.
    pub dates: Option<DateOrder>,
    /// What the records around it say together.
    pub gathered: Option<&'r Gathered>,
    /// Keeps strings that had to be decoded.
    pub arena: &'r Arena<String>,
}

impl<'r> Record<'r> {
    /// A field of a row by its upper-case column name; empty fields are `None`.
    #[must_use]
    pub fn field(&self, upper_name: &str) -> Option<&'r str> {
        let (header, row) = self.row?;
        let value = row.get(header.position(upper_name)?)?.trim();
        (!value.is_empty()).then_some(value)
    }

    /// A field of a row exactly as it stands there, blanks included.
    #[must_use]
    pub fn raw_field(&self, upper_name: &str) -> Option<&'r str> {
        let (header, row) = self.row?;
        row.get(header.position(upper_name)?)
    }

    /// Parses the record as JSON.
    ///
    /// # Errors
    /// Where the text is not JSON of that shape, with the column.
    pub fn json<T: serde::Deserialize<'r>>(&self) -> Result<T, MapError> {
        serde_json::from_str(self.text).map_err(|error| MapError::Json(json_message(&error)))
    }

    /// Keeps a string as long as the record.
    #[must_use]
    pub fn keep(&self, text: String) -> &'r str {
        self.arena.alloc(text)
    }

    /// What was gathered under a name.
    #[must_use]
    pub fn gathered(&self, name: &str) -> Option<&'r str> {
        self.gathered?.get(name).map(String::as_str)
    }

    /// Reads a time that has no zone of its own as UTC, because the format says so.
    ///
    /// # Errors
    /// The text is no time that exists.
    pub fn utc(&self, text: &str) -> Result<Time, MapError> {
        Ok(Time::parse_in(text, Zoneless::Utc, self.dates)?)
    }

    /// Reads a time that has no zone of its own in the source's zone.
    ///
    /// # Errors
    /// The text is no time that exists.
    pub fn local(&self, text: &str) -> Result<Time, MapError> {
        Ok(Time::parse_in(text, Zoneless::In(self.zone), self.dates)?)
    }
}

/// serde_json's message, with the place as a byte of the record.
fn json_message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text).to_owned();
    if error.line() <= 1 {
        format!("{what} (byte {} of the record)", error.column())
    } else {
        format!(
            "{what} (line {}, column {} of the record)",
            error.line(),
            error.column()
        )
    }
}

/// Why a record gives no events.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// Not JSON, or not of the expected shape.
    #[error("not readable as JSON: {0}")]
    Json(String),
    /// A time that is none.
    #[error(transparent)]
    Time(#[from] BadTime),
    /// A row with too few or too many fields.
    #[error("the row has {found} fields, the header {expected}")]
    Fields {
        /// Fields of the row.
        found: usize,
        /// Columns of the header.
        expected: usize,
    },
    /// Some of the elements of a record could not be read; the events of the others stay.
    #[error(
        "element {first}; the rest of the record is kept ({unread} of its {all} elements are left out)"
    )]
    Elements {
        /// The first of them, and why.
        first: String,
        /// So many.
        unread: usize,
        /// Of so many.
        all: usize,
    },
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// The elements of a record while they are read: one that cannot be takes none of the others with it.
#[derive(Debug, Default)]
pub struct Elements {
    all: usize,
    unread: usize,
    first: Option<(usize, MapError)>,
}

impl Elements {
    /// Reads the next element.
    pub fn take<'r>(
        &mut self,
        out: &mut Vec<Event<'r>>,
        read: impl FnOnce(&mut Vec<Event<'r>>) -> Result<(), MapError>,
    ) {
        let before = out.len();
        if let Err(error) = read(out) {
            out.truncate(before);
            self.unread += 1;
            self.first.get_or_insert((self.all, error));
        }
        self.all += 1;
    }

    /// What is to be said of those that could not be read.
    ///
    /// # Errors
    /// Some could not be, or there were `none`. If nothing came out of the record, it is left out whole.
    pub fn done(self, none: &str, out: &[Event<'_>]) -> Result<(), MapError> {
        match self.first {
            None if self.all == 0 => Err(MapError::other(none)),
            None => Ok(()),
            Some((_, error)) if out.is_empty() => Err(error),
            Some((at, error)) => Err(MapError::Elements {
                first: format!("{at}: {error}"),
                unread: self.unread,
                all: self.all,
            }),
        }
    }
}

impl MapError {
    /// A reason in words.
    #[must_use]
    pub fn other(reason: impl Into<String>) -> Self {
        Self::Other(reason.into())
    }
}
