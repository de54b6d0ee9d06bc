//! Which format a dump is in: decided by its content, never by its name.

use serde_json::Value;

use super::Format;
use super::formats::Formats;
use crate::read::{Header, Layout};

/// The first records of a dump.
pub struct Sample<'a> {
    /// How the records lie in the dump.
    pub layout: &'a Layout,
    /// Their texts.
    pub texts: Vec<String>,
    /// Those that are JSON objects.
    pub values: Vec<Value>,
}

impl<'a> Sample<'a> {
    /// A sample of these records.
    #[must_use]
    pub fn new(layout: &'a Layout, texts: Vec<String>) -> Self {
        let values = texts
            .iter()
            .filter(|text| text.starts_with('{'))
            .filter_map(|text| serde_json::from_str(text).ok())
            .collect();
        Self {
            layout,
            texts,
            values,
        }
    }

    /// The header of delimited text.
    #[must_use]
    pub fn header(&self) -> Option<&'a Header> {
        match self.layout {
            Layout::Delimited { header, .. } | Layout::Directed { header } => Some(header),
            _ => None,
        }
    }

    /// Share (in percent) of the JSON records for which `test` holds; 0 without any.
    pub fn percent(&self, test: impl Fn(&Value) -> bool) -> u8 {
        if self.values.is_empty() {
            return 0;
        }
        let hits = self.values.iter().filter(|value| test(value)).count();
        u8::try_from(hits * 100 / self.values.len()).unwrap_or(100)
    }
}

/// How sure a format is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detection {
    /// 1 to 100.
    pub sure: u8,
    /// What it saw.
    pub why: String,
}

impl Detection {
    /// A detection, or none if `sure` is 0.
    #[must_use]
    pub fn of(sure: u8, why: impl Into<String>) -> Option<Self> {
        (sure > 0).then(|| Self {
            sure: sure.min(100),
            why: why.into(),
        })
    }
}

/// The outcome of detection.
pub enum Verdict {
    /// One format fits best.
    Found(&'static dyn Format, Detection),
    /// Two formats fit equally well.
    Tie(Vec<(&'static dyn Format, Detection)>),
    /// None fits.
    Unknown,
}

/// The outcome, and every answer, best first.
pub type Detected = (Verdict, Vec<(&'static dyn Format, Detection)>);

/// Least certainty with which a format is taken.
const LEAST: u8 = 50;

/// Asks all formats; also gives every answer, best first, for `--explain`.
#[must_use]
pub fn detect(formats: &Formats, sample: &Sample<'_>) -> Detected {
    let mut answers: Vec<(&'static dyn Format, Detection)> = formats
        .iter()
        .filter_map(|format| Some((format, format.detect(sample)?)))
        .collect();
    answers.sort_by(|a, b| {
        b.1.sure
            .cmp(&a.1.sure)
            .then_with(|| a.0.name().cmp(b.0.name()))
    });
    let verdict = match answers.as_slice() {
        [(_, best), ..] if best.sure < LEAST => Verdict::Unknown,
        [(a, best), (b, second), ..] if best.sure == second.sure && a.reader() != b.reader() => {
            Verdict::Tie(vec![(*a, best.clone()), (*b, second.clone())])
        }
        [(format, best), ..] => Verdict::Found(*format, best.clone()),
        [] => Verdict::Unknown,
    };
    (verdict, answers)
}
