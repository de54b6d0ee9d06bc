//! The mapping file as it is written (TOML); docs/mapping.md explains it with examples.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

/// A mapping file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub name: toml::Spanned<String>,
    pub title: String,
    pub family: String,
    /// The vendor document the mapping follows.
    #[serde(default)]
    pub document: String,
    #[serde(default)]
    pub container: Container,
    /// Text: one record; named groups become fields. The first pattern that fits is used.
    #[serde(default)]
    pub lines: Vec<toml::Spanned<String>>,
    /// Text: a record begins at a line that fits this, and goes on to the next such line.
    pub record_start: Option<toml::Spanned<String>>,
    /// Text: a line that fits this belongs to the record before it, though it fits `record_start`.
    pub record_goes_on: Option<toml::Spanned<String>>,
    /// JSON: an object with a list inside is one record, and not as many as the list has elements.
    #[serde(default)]
    pub whole: bool,
    /// The record may be no more than what a log collector keeps: a known format inside of it goes before.
    #[serde(default)]
    pub wraps: bool,
    /// JSON: the record proper, where an envelope stands around some of them.
    pub inside: Option<toml::Spanned<String>>,
    /// Text: lines that are no records.
    pub skip: Option<toml::Spanned<String>>,
    /// Several events a record: one for each value here, of the first path that gives one.
    pub each: Option<Expr>,
    /// Several events a record: the record itself (unless `each` gives what it is), and each value of all these paths.
    #[serde(default)]
    pub within: Vec<toml::Spanned<String>>,
    /// The source's own id of a record: the same record twice in one dump is one.
    pub unique: Option<toml::Spanned<String>>,
    #[serde(default)]
    pub detect: Detect,
    pub time: Option<Time>,
    #[serde(default)]
    pub event: BTreeMap<String, Expr>,
    pub http: Option<Http>,
    pub sql: Option<Sql>,
    pub call: Option<Call>,
    #[serde(default)]
    pub contents: BTreeMap<String, Expr>,
    #[serde(default)]
    pub changes: Vec<Changes>,
    #[serde(default)]
    pub keys: Vec<Key>,
    #[serde(default)]
    pub attributes: BTreeMap<String, Expr>,
    #[serde(default)]
    pub when: Vec<When>,
    /// Fields that are left to the raw record, with the reason.
    #[serde(default)]
    pub not_mapped: BTreeMap<String, String>,
}

/// How records lie in the file.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Container {
    /// Lines, lists or values.
    #[default]
    Json,
    /// Delimited text with a header, or JSON objects with the same names.
    Table,
    /// Lines of text.
    Text,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Detect {
    /// All of these are there.
    #[serde(default)]
    pub all: Vec<toml::Spanned<String>>,
    /// One of these is there.
    #[serde(default)]
    pub any: Vec<toml::Spanned<String>>,
    /// None of these is there.
    #[serde(default)]
    pub none: Vec<toml::Spanned<String>>,
    /// Regular expressions that values fit.
    #[serde(default)]
    pub matches: BTreeMap<String, toml::Spanned<String>>,
    /// How sure all that makes, in percent.
    pub sure: Option<u8>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Time {
    pub value: Expr,
    pub end: Option<Expr>,
    pub duration: Option<Expr>,
    #[serde(default)]
    pub unit: Unit,
    /// `strptime`-like pattern; without one the usual notations are read.
    pub format: Option<toml::Spanned<String>>,
    #[serde(default)]
    pub zone: Zone,
    /// A record without time is an event all the same.
    #[serde(default)]
    pub optional: bool,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Unit {
    Ns,
    Us,
    #[default]
    Ms,
    S,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Zone {
    #[default]
    Utc,
    Local,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Http {
    pub method: Option<Expr>,
    pub uri: Option<Expr>,
    pub status: Option<Expr>,
    /// An object of headers.
    pub headers: Option<toml::Spanned<String>>,
    pub traceparent: Option<Expr>,
    /// A request body that is a JSON object: its members are changed fields.
    pub body: Option<Expr>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sql {
    pub statement: Expr,
    /// What its parameters were.
    pub parameters: Option<Expr>,
    /// Connection and second: statements of both on the same row, or on rows of one long number, are one save.
    pub save: Option<Expr>,
}

/// A model call with the bodies of a vendor.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Call {
    pub request: Option<toml::Spanned<String>>,
    pub response: Option<toml::Spanned<String>>,
    pub url: Option<Expr>,
    pub status: Option<Expr>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Changes {
    pub each: Option<Expr>,
    pub field: Expr,
    pub before: Option<Expr>,
    pub after: Option<Expr>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    pub kind: toml::Spanned<String>,
    pub value: Expr,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct When {
    pub value: Expr,
    /// Regular expression; without one the value only has to be there.
    pub matches: Option<toml::Spanned<String>>,
    pub set: BTreeMap<String, Expr>,
}

/// How a value is made, and where that stands in the file.
#[derive(Clone, Debug)]
pub(super) struct Expr {
    pub span: Range<usize>,
    pub form: Form,
}

impl<'de> Deserialize<'de> for Expr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = toml::Spanned::<toml::Value>::deserialize(deserializer)?;
        let span = value.span();
        let form = Form::of(value.into_inner()).map_err(D::Error::custom)?;
        Ok(Self { span, form })
    }
}

#[derive(Clone, Debug)]
pub(super) enum Form {
    Path(String),
    /// The first that gives something.
    First(Vec<Self>),
    Made(Box<Made>),
}

impl Form {
    fn of(value: toml::Value) -> Result<Self, String> {
        match value {
            toml::Value::String(path) => Ok(Self::Path(path)),
            toml::Value::Array(list) => {
                let list = list.into_iter().map(Self::of);
                Ok(Self::First(list.collect::<Result<_, _>>()?))
            }
            toml::Value::Table(_) => match value.try_into() {
                Ok(made) => Ok(Self::Made(Box::new(made))),
                Err(error) => Err(error.to_string()),
            },
            other => Err(format!(
                "a value is a path, a list of values or a table, not {}",
                other.type_str()
            )),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Made {
    pub path: Option<OneOrMore>,
    #[serde(rename = "const")]
    pub constant: Option<String>,
    /// `{path}` stands for a value.
    pub template: Option<String>,
    /// All values of the path, joined by this.
    pub join: Option<String>,
    /// The first group, or the whole match.
    pub regex: Option<String>,
    /// Texts in it that another takes the place of.
    #[serde(default)]
    pub replace: BTreeMap<String, String>,
    /// Values and what they stand for.
    pub map: Option<BTreeMap<String, String>>,
    /// Regular expressions and what they stand for, in order.
    #[serde(rename = "match", default)]
    pub matches: Vec<Match>,
    /// Where nothing else gives a value.
    pub default: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Match {
    pub regex: String,
    pub value: String,
}
