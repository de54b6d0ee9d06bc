//! Formats that are described by a file instead of code.
//!
//! A mapping file names a format, says how to recognise it and which of its fields fill which
//! columns. About half of the built-in formats are such files; a user's own are read the same way.

mod apply;
mod compile;
mod draft;
mod language;
mod path;
mod value;

pub use draft::draft;

use std::path::Path as FilePath;
use std::sync::OnceLock;

use regex::Regex;
use serde_json::Value as Json;

use self::compile::{recognition, rules};
use self::language::{Container, File, Zone};
use self::path::{Path, Scope};
use self::value::{Elements, Fault, Value, path, regex};
use super::{Detection, Format, MapError, Record, Sample, ZoneRule};
use crate::model::{ActorType, Event, KeyKind, Kind, Outcome};

/// Columns that `[event]` can fill.
const FIELDS: &[&str] = &[
    "kind",
    "action",
    "actor",
    "actor_type",
    "on_behalf_of",
    "object_type",
    "object",
    "outcome",
    "error",
    "amount",
    "amount_stored",
    "currency",
    "provider",
    "model_requested",
    "model_served",
    "configuration",
    "tokens_in",
    "tokens_out",
    "policy_id",
    "policy_version",
    "knowledge_source",
    "agent",
    "conversation",
    "trace",
    "span",
    "parent_span",
    "tool",
    "note",
];

/// Parts that `[contents]` can fill.
const CONTENTS: &[&str] = &[
    "prompt",
    "instruction",
    "output",
    "reasoning",
    "arguments",
    "result",
];

/// Why a mapping file cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum MappingError {
    /// The file cannot be read.
    #[error("cannot read {path}: {error}")]
    Io {
        /// Which file.
        path: String,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{path} is no usable mapping: {reason}")]
    #[diagnostic(help(
        "docs/mapping.md describes the language; `trail sources new FILE` drafts one"
    ))]
    Bad {
        /// Which file.
        path: String,
        /// What is wrong.
        reason: String,
        /// The file.
        #[source_code]
        text: miette::NamedSource<String>,
        /// Where.
        #[label("here")]
        span: Option<miette::SourceSpan>,
    },
}

struct Conditions {
    all: Vec<Path>,
    any: Vec<Path>,
    none: Vec<Path>,
    matches: Vec<(Path, Regex)>,
    sure: u8,
}

struct Times {
    value: Value,
    end: Option<Value>,
    duration: Option<Value>,
    unit: language::Unit,
    format: Option<String>,
    zone: Zone,
    optional: bool,
}

struct Requests {
    method: Option<Value>,
    uri: Option<Value>,
    status: Option<Value>,
    headers: Option<Path>,
    traceparent: Option<Value>,
    body: Option<Value>,
}

struct Statements {
    statement: Value,
    parameters: Option<Value>,
    save: Option<Value>,
}

struct Bodies {
    request: Option<Path>,
    response: Option<Path>,
    url: Option<Value>,
    status: Option<Value>,
}

struct ChangeRows {
    each: Option<Elements>,
    field: Value,
    before: Option<Value>,
    after: Option<Value>,
}

struct Condition {
    value: Value,
    matches: Option<Regex>,
    set: Vec<(&'static str, Value)>,
}

/// How a record is told and cut, compiled.
struct Recognition {
    conditions: Conditions,
    lines: Vec<Regex>,
    record_start: Option<Regex>,
    record_goes_on: Option<Regex>,
    inside: Option<Path>,
    skip: Option<Regex>,
}

/// What becomes of a record, compiled.
struct Rules {
    each: Option<Elements>,
    within: Vec<Path>,
    time: Option<Times>,
    event: Vec<(&'static str, Value)>,
    http: Option<Requests>,
    sql: Option<Statements>,
    call: Option<Bodies>,
    contents: Vec<(&'static str, Value)>,
    changes: Vec<ChangeRows>,
    keys: Vec<(KeyKind, Value)>,
    attributes: Vec<(String, Value)>,
    when: Vec<Condition>,
}

/// A format made from a mapping file.
///
/// The built-in ones are compiled when they are first needed: a run needs few of them.
pub struct Mapping {
    name: &'static str,
    title: &'static str,
    family: &'static str,
    file: File,
    recognition: OnceLock<Recognition>,
    rules: OnceLock<Rules>,
}

impl Mapping {
    /// Reads a mapping file of the user's.
    ///
    /// # Errors
    /// The file cannot be read or says something that makes no sense.
    pub fn load(file: &FilePath) -> Result<Self, MappingError> {
        let path = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|error| MappingError::Io {
            path: path.clone(),
            error,
        })?;
        Self::parse(&path, &text)
    }

    /// Reads the text of a mapping file; `path` is for messages.
    ///
    /// # Errors
    /// It says something that makes no sense.
    pub fn parse(path: &str, text: &str) -> Result<Self, MappingError> {
        let bad = |fault: Fault| MappingError::Bad {
            path: path.to_owned(),
            reason: fault.reason,
            text: miette::NamedSource::new(path, text.to_owned()),
            span: fault.span.map(Into::into),
        };
        let mapping = Self::read_file(text).map_err(bad)?;
        let _ = mapping
            .recognition
            .set(recognition(&mapping.file).map_err(bad)?);
        let _ = mapping.rules.set(rules(&mapping.file).map_err(bad)?);
        Ok(mapping)
    }

    /// A mapping of our own, which a test has checked.
    pub(super) fn built_in(name: &str, text: &str) -> Self {
        Self::read_file(text).unwrap_or_else(|fault| broken(name, &fault))
    }

    fn read_file(text: &str) -> Result<Self, Fault> {
        let file: File = toml::from_str(text).map_err(|error| Fault {
            reason: error.message().to_owned(),
            span: error.span(),
        })?;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let name = file.name.get_ref();
        if name.is_empty() || !name.chars().all(plain) {
            return Err(fault(
                "a name consists of small letters, digits and `_`",
                &file.name,
            ));
        }
        let keep = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
        Ok(Self {
            name: keep(name),
            title: keep(&file.title),
            family: keep(&file.family),
            file,
            recognition: OnceLock::new(),
            rules: OnceLock::new(),
        })
    }

    fn recognition(&self) -> &Recognition {
        self.recognition.get_or_init(|| {
            recognition(&self.file).unwrap_or_else(|fault| broken(self.name, &fault))
        })
    }

    fn rules(&self) -> &Rules {
        self.rules
            .get_or_init(|| rules(&self.file).unwrap_or_else(|fault| broken(self.name, &fault)))
    }

    /// The vendor document it follows.
    #[must_use]
    pub fn document(&self) -> &str {
        &self.file.document
    }

    /// Fields that are left to the raw record, with the reason.
    pub fn not_mapped(&self) -> impl Iterator<Item = (&str, &str)> {
        self.file
            .not_mapped
            .iter()
            .map(|(field, reason)| (field.as_str(), reason.as_str()))
    }

    /// What the mapping fills and from where, for docs/formats.md.
    #[must_use]
    pub fn mapped(&self) -> Vec<(String, Vec<&str>)> {
        let rules = self.rules();
        let mut out = Vec::new();
        let mut add = |name: String, value| {
            let mut paths = Vec::new();
            Value::paths(value, &mut paths);
            out.push((name, paths));
        };
        if let Some(time) = &rules.time {
            add("time".to_owned(), &time.value);
        }
        for (name, value) in &rules.event {
            add((*name).to_owned(), value);
        }
        for (kind, value) in &rules.keys {
            add(format!("key {kind}"), value);
        }
        for rows in &rules.changes {
            add("changes".to_owned(), &rows.field);
        }
        for (name, value) in &rules.contents {
            add(format!("content {name}"), value);
        }
        out
    }

    /// Whether a record fits what the file says of its format.
    fn fits(&self, value: &Json) -> bool {
        let inner = self.record_inside(value);
        let value = inner.as_ref().unwrap_or(value);
        let scope = Scope {
            root: value,
            element: value,
            key: "",
            any_case: self.file.container == Container::Table,
        };
        let there = |path: &Path| path.exists(scope);
        self.recognition().conditions.all.iter().all(there)
            && (self.recognition().conditions.any.is_empty()
                || self.recognition().conditions.any.iter().any(there))
            && !self.recognition().conditions.none.iter().any(there)
            && self
                .recognition()
                .conditions
                .matches
                .iter()
                .all(|(path, regex)| path.texts_in(scope).iter().any(|text| regex.is_match(text)))
    }

    /// The record proper, if this one has an envelope.
    fn record_inside(&self, value: &Json) -> Option<Json> {
        let mut found = None;
        let scope = Scope {
            root: value,
            element: value,
            key: "",
            any_case: false,
        };
        self.recognition()
            .inside
            .as_ref()?
            .each(scope, &mut |inner, _| {
                found = match &*inner {
                    Json::String(text) => serde_json::from_str(text).ok(),
                    other => Some(other.clone()),
                };
            });
        found
    }

    /// The record as one value with named members.
    fn read(&self, record: &Record<'_>) -> Result<Json, MapError> {
        if let Some((header, row)) = record.row {
            let mut members = serde_json::Map::new();
            for (at, name) in header.names.iter().enumerate() {
                let Some(value) = row.get(at).filter(|value| !value.is_empty()) else {
                    continue;
                };
                // A name can stand twice: the first column of it has the plain name.
                let name = match members.contains_key(name) {
                    true => format!("{name}#{}", at + 1),
                    false => name.clone(),
                };
                members.insert(name, Json::String(value.to_owned()));
            }
            return Ok(Json::Object(members));
        }
        if self.file.container == Container::Text {
            return self.read_line(record.text);
        }
        let value: Json = record.json()?;
        Ok(self.record_inside(&value).unwrap_or(value))
    }

    fn read_line(&self, text: &str) -> Result<Json, MapError> {
        for pattern in &self.recognition().lines {
            let Some(found) = pattern.captures(text) else {
                continue;
            };
            let members = pattern.capture_names().flatten().filter_map(|name| {
                let value = found.name(name)?.as_str();
                Some((name.to_owned(), Json::String(value.to_owned())))
            });
            return Ok(Json::Object(members.collect()));
        }
        Err(MapError::other(format!(
            "the line has not the form of {}",
            self.title
        )))
    }

    fn skips(&self, text: &str) -> bool {
        self.recognition()
            .skip
            .as_ref()
            .is_some_and(|skip| skip.is_match(text))
    }
}

impl Format for Mapping {
    fn name(&self) -> &'static str {
        self.name
    }

    fn title(&self) -> &'static str {
        self.title
    }

    fn family(&self) -> &'static str {
        self.family
    }

    fn zone_rule(&self) -> ZoneRule {
        match &self.file.time {
            Some(time) if time.zone == Zone::Local => ZoneRule::Local,
            _ => ZoneRule::Utc,
        }
    }

    fn is_text(&self) -> bool {
        self.file.container == Container::Text
    }

    fn is_whole(&self) -> bool {
        self.file.whole
    }

    fn wraps(&self) -> bool {
        self.file.wraps
    }

    fn has_own_ids(&self) -> bool {
        self.file.unique.is_some()
    }

    fn record_start(&self) -> Option<&str> {
        self.recognition().record_start.as_ref().map(Regex::as_str)
    }

    fn record_goes_on(&self) -> Option<&str> {
        self.recognition()
            .record_goes_on
            .as_ref()
            .map(Regex::as_str)
    }

    fn detect(&self, sample: &Sample<'_>) -> Option<Detection> {
        let scale = |share: u8| {
            u8::try_from(u16::from(self.recognition().conditions.sure) * u16::from(share) / 100)
                .unwrap_or(100)
        };
        if self.file.container == Container::Text {
            if !matches!(sample.layout, crate::read::Layout::Text) {
                return None;
            }
            let lines: Vec<&String> = sample
                .texts
                .iter()
                .filter(|text| !self.skips(text))
                .filter(|text| {
                    let recognition = self.recognition();
                    let starts = recognition.record_start.as_ref();
                    let goes_on = recognition.record_goes_on.as_ref();
                    starts.is_none_or(|start| start.is_match(text))
                        && !goes_on.is_some_and(|goes_on| goes_on.is_match(text))
                })
                .collect();
            let hits = lines
                .iter()
                .filter(|text| {
                    self.recognition()
                        .lines
                        .iter()
                        .any(|line| line.is_match(text))
                })
                .count();
            let share = u8::try_from(hits * 100 / lines.len().max(1)).unwrap_or(0);
            return Detection::of(
                scale(share),
                format!("{share} % of the lines have its form"),
            );
        }
        if self.file.container == Container::Table
            && let Some(header) = sample.header()
        {
            let names = header.names.iter().map(|name| (name.clone(), Json::Null));
            let value = Json::Object(names.collect());
            // Values are looked at where the header alone does not decide.
            let fits = if self.recognition().conditions.matches.is_empty() {
                self.fits(&value)
            } else {
                sample.texts.iter().any(|text| {
                    crate::read::parse_row(text, header.delimiter).is_ok_and(|row| {
                        let cells = header.names.iter().enumerate().map(|(at, name)| {
                            let cell = row.get(at).unwrap_or_default().to_owned();
                            (name.clone(), Json::String(cell))
                        });
                        self.fits(&Json::Object(cells.collect()))
                    })
                })
            };
            return Detection::of(
                if fits {
                    self.recognition().conditions.sure
                } else {
                    0
                },
                "the header has its columns",
            );
        }
        let share = sample.percent(|value| self.fits(value));
        Detection::of(
            scale(share),
            format!("{share} % of the records have its fields"),
        )
    }

    fn map<'r>(&self, record: &Record<'r>, out: &mut Vec<Event<'r>>) -> Result<(), MapError> {
        if self.file.container == Container::Text && self.skips(record.text) {
            return Ok(());
        }
        let value = self.read(record)?;
        let any_case = self.file.container != Container::Json;
        apply::events((self.name, any_case), self.rules(), record, &value, out)
    }
}

fn fault(reason: impl Into<String>, text: &toml::Spanned<String>) -> Fault {
    Fault {
        reason: reason.into(),
        span: Some(text.span()),
    }
}

/// A mapping of our own that is wrong is a fault of this program, which a test finds.
fn broken(name: &str, fault: &Fault) -> ! {
    unreachable!("built-in mapping {name}: {}", fault.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
        name = "tool"
        title = "A tool's log"
        family = "tool"
        [detect]
        all = ["who", "did"]
        [event]
        kind = { path = "did", map = { change = "write" }, default = "other" }
        actor = "who"
    "#;

    fn reason(text: &str) -> String {
        match Mapping::parse("m.toml", text) {
            Err(MappingError::Bad { reason, .. }) => reason,
            Err(other) => other.to_string(),
            Ok(_) => "no error".to_owned(),
        }
    }

    #[test]
    fn faults_are_named() {
        assert_eq!(reason(SMALL), "no error");
        assert!(reason(&SMALL.replace("\"write\"", "\"wrote\"")).contains("`wrote` is no kind"));
        assert!(reason(&SMALL.replace("actor =", "actr =")).contains("no `actr`"));
        assert!(reason(&SMALL.replace("\"who\", ", "\"who..x\", ")).contains("a name is empty"));
        assert!(reason(&SMALL.replace("\"tool\"", "\"My Tool\"")).contains("small letters"));
        assert!(reason(&SMALL.replace("[detect]", "[detekt]")).contains("unknown field"));
        assert!(reason("name = 1").contains("invalid type"));
    }
}
