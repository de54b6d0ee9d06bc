//! Records inside of what a log collector keeps: the message of a log event in CloudWatch, a line that a container
//! wrote, the document of an index, a line behind the head of syslog.
//!
//! Sources: CloudWatch Logs API (FilterLogEvents, GetLogEvents), subscriptions and export to S3; Docker's `json-file`
//! driver; Kubernetes' CRI logging format; RFC 3164 and RFC 5424; systemd's journal export in JSON; Google Cloud
//! Logging, `LogEntry`; Amazon EventBridge, event structure; Splunk, exports and the HTTP Event Collector; Elasticsearch,
//! documents of a search; Loki, responses of a query.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use regex::Regex;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::model::time::{Time, TimeOrigin, Zoneless};
use crate::normalise::formats::Formats;
use crate::normalise::{Detected, Sample, Verdict, detect};
use crate::read::{Header, Layout, Runtime, parse_row};

/// Members that hold a record, as text or as an object, or a list of some.
const MEMBERS: [&str; 18] = [
    // CloudWatch, Fluent Bit, Vector, Filebeat.
    "message",
    // CloudWatch, of a subscription and of a query.
    "logEvents",
    "events",
    "@message",
    // Docker, Fluent Bit.
    "log",
    // Loki.
    "line",
    "values",
    "data",
    // Splunk.
    "_raw",
    "result",
    "event",
    // Elasticsearch.
    "_source",
    "original",
    // Google Cloud Logging.
    "jsonPayload",
    "textPayload",
    // systemd.
    "MESSAGE",
    // Amazon EventBridge.
    "detail",
    // Amazon SNS and SQS.
    "Message",
];

/// Members and columns that say when it was kept.
const TIMES: [&str; 7] = [
    "timestamp",
    "@timestamp",
    "time",
    "_time",
    "Timestamp",
    "__REALTIME_TIMESTAMP",
    "ingestionTime",
];

/// Columns of tables that hold a record.
const COLUMNS: [&str; 5] = ["@MESSAGE", "MESSAGE", "_RAW", "LOG", "LINE"];

/// What stands before a record in its line; the first group is the time, where there is one.
const PREFIXES: [(&str, &str); 8] = [
    ("CRI", r"^(\S+) (?:stdout|stderr) [FP] "),
    (
        "syslog (RFC 5424)",
        r#"^<\d{1,3}>1 (\S+) \S+ \S+ \S+ \S+ (?:-|(?:\[(?:[^\]\\"]|"(?:[^"\\]|\\.)*")*\])+) ?\x{FEFF}?"#,
    ),
    (
        "syslog (RFC 3164)",
        r"^(?:<\d{1,3}>)?[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ [^\s:\[]+(?:\[\d+\])?: ",
    ),
    (
        "syslog",
        r"^(?:<\d{1,3}>)?(\d{4}-\d\d-\d\dT\S+) \S+ [^\s:\[]+(?:\[\d+\])?: ",
    ),
    ("a time", r"^(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*) "),
    (
        "a time and the name of a stream",
        r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*) \S+ ",
    ),
    ("the name of a service", r"^[\w.-]+\s+\| "),
    ("the name of a container", r"^\[\S+\] "),
];

/// Place of the CRI logging format in `PREFIXES`.
const CRI: usize = 0;

static PATTERNS: LazyLock<[Regex; PREFIXES.len()]> = LazyLock::new(|| {
    PREFIXES.map(|(name, pattern)| match Regex::new(pattern) {
        Ok(pattern) => pattern,
        Err(error) => unreachable!("constant pattern of {name}: {error}"),
    })
});

/// Wrappers in wrappers: a line in CloudWatch may be of a container.
const DEEPEST: usize = 3;

/// Where the record proper stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrapper {
    /// In a member of a JSON object.
    Member(&'static str),
    /// In a column of a table.
    Column(&'static str, Header),
    /// Behind the head of a line: place in `PREFIXES`.
    Prefix(usize),
    /// In the lines of a container runtime, which are the parts of one.
    Parts(Runtime),
}

/// A record that was wrapped.
pub(super) struct Inner<'t> {
    pub text: Cow<'t, str>,
    /// When it was kept.
    time: Option<Cow<'t, str>>,
}

impl Inner<'_> {
    /// The time at which it was kept.
    pub(super) fn kept_at(&self) -> Option<Time> {
        let text = self.time.as_deref()?.trim();
        let number = text.parse::<i64>();
        let time = match number {
            Ok(number) => Time::from_epoch(number),
            Err(_) => Time::parse(text, Zoneless::Utc),
        };
        Some(Time {
            origin: TimeOrigin::Wrapper,
            ..time.ok()?
        })
    }
}

impl Wrapper {
    /// In words, for custody and `--explain`.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Member(name) => format!("in `{name}`"),
            Self::Column(name, _) => format!("in column `{name}`"),
            Self::Prefix(at) => format!("behind {}", PREFIXES[*at].0),
            Self::Parts(runtime) => in_line(*runtime).describe(),
        }
    }

    fn open<'t>(&self, text: &'t str, out: &mut Vec<Inner<'t>>) {
        match self {
            Self::Parts(runtime) => open_parts(*runtime, text, out),
            Self::Member(name) => {
                let picked = pick(text, name);
                let time = picked.time.map(plain);
                if let Some(value) = picked.value {
                    add_value(value, time, true, out);
                }
            }
            Self::Column(name, header) => {
                let Ok(row) = parse_row(text, header.delimiter) else {
                    return;
                };
                let field = |name: &str| row.get(header.position(name)?).map(str::to_owned);
                let times = TIMES.iter();
                let mut time = times.filter_map(|name| field(&name.to_ascii_uppercase()));
                if let Some(inner) = field(name) {
                    out.push(Inner {
                        text: Cow::Owned(inner),
                        time: time.next().map(Cow::Owned),
                    });
                }
            }
            Self::Prefix(at) => {
                let Some(found) = PATTERNS.get(*at).and_then(|it| it.captures(text)) else {
                    return;
                };
                let end = found.get(0).map_or(0, |head| head.end());
                out.push(Inner {
                    text: Cow::Borrowed(&text[end..]),
                    time: found.get(1).map(|time| Cow::Borrowed(time.as_str())),
                });
            }
        }
    }
}

/// Where a part of a line stands.
fn in_line(runtime: Runtime) -> Wrapper {
    match runtime {
        Runtime::Cri => Wrapper::Prefix(CRI),
        Runtime::Docker => Wrapper::Member("log"),
    }
}

/// A line that a container runtime has cut: its parts are put together.
fn open_parts<'t>(runtime: Runtime, text: &'t str, out: &mut Vec<Inner<'t>>) {
    let wrapper = in_line(runtime);
    let mut parts = Vec::new();
    for line in text.lines() {
        wrapper.open(line, &mut parts);
    }
    let mut parts = parts.into_iter();
    if let Some(mut whole) = parts.next() {
        for part in parts {
            whole.text.to_mut().push_str(&part.text);
        }
        out.push(whole);
    }
}

/// The records in a text, `None` if there is none where they should be.
pub(super) fn open<'t>(wrappers: &[Wrapper], text: &'t str) -> Option<Vec<Inner<'t>>> {
    let (first, rest) = wrappers.split_first()?;
    let mut found = Vec::new();
    first.open(text, &mut found);
    for wrapper in rest {
        let mut next = Vec::new();
        for outer in found {
            let mut inner = Vec::new();
            wrapper.open(&outer.text, &mut inner);
            next.extend(inner.into_iter().map(|inner| Inner {
                text: Cow::Owned(inner.text.into_owned()),
                time: match inner.time {
                    Some(time) => Some(Cow::Owned(time.into_owned())),
                    None => outer.time.clone(),
                },
            }));
        }
        found = next;
    }
    found.retain(|inner| !inner.text.trim().is_empty());
    (!found.is_empty()).then_some(found)
}

/// Looks for records of a known format inside of these.
pub(super) fn look_inside(
    formats: &Formats,
    layout: &Layout,
    texts: &[String],
) -> Option<(Vec<Wrapper>, Detected)> {
    let mut wrappers = Vec::new();
    look(formats, layout, texts, &mut wrappers).map(|detected| (wrappers, detected))
}

fn look(
    formats: &Formats,
    layout: &Layout,
    texts: &[String],
    wrappers: &mut Vec<Wrapper>,
) -> Option<Detected> {
    let mut inside = Vec::new();
    for wrapper in candidates(layout, texts) {
        let found = texts.iter().map(|text| {
            let mut inner = Vec::new();
            wrapper.open(text, &mut inner);
            inner
        });
        let found: Vec<Vec<Inner<'_>>> = found.collect();
        let opened = found.iter().filter(|inner| !inner.is_empty()).count();
        // Containers write other lines as well.
        if opened * 2 <= texts.len() {
            continue;
        }
        let inner = found.into_iter().flatten();
        let inner: Vec<String> = inner.map(|inner| inner.text.into_owned()).collect();
        let objects = inner
            .iter()
            .filter(|text| text.trim_start().starts_with('{'));
        let layout = match objects.count() * 2 > inner.len() {
            true => Layout::JsonLines,
            false => Layout::Text,
        };
        let inner = inner.iter().map(|text| text.trim().to_owned()).collect();
        let sample = Sample::new(&layout, inner);
        let detected = detect(formats, &sample);
        let texts = sample.texts;
        wrappers.push(wrapper.clone());
        if matches!(detected.0, Verdict::Found(..)) {
            return Some(detected);
        }
        wrappers.pop();
        inside.push((wrapper, layout, texts));
    }
    if wrappers.len() + 1 == DEEPEST {
        return None;
    }
    for (wrapper, layout, texts) in inside {
        wrappers.push(wrapper);
        if let Some(detected) = look(formats, &layout, &texts, wrappers) {
            return Some(detected);
        }
        wrappers.pop();
    }
    None
}

fn candidates(layout: &Layout, texts: &[String]) -> Vec<Wrapper> {
    match layout {
        Layout::Delimited { header, .. } => {
            let columns = COLUMNS.iter();
            let columns = columns.filter(|name| header.position(name).is_some());
            columns
                .map(|name| Wrapper::Column(name, header.clone()))
                .collect()
        }
        Layout::Text => (0..PATTERNS.len()).map(Wrapper::Prefix).collect(),
        Layout::JsonLines | Layout::JsonValues | Layout::JsonList { .. } => {
            let has = |name: &&&str| texts.iter().any(|text| text.contains(**name));
            let members = MEMBERS.iter().filter(has);
            members.map(|name| Wrapper::Member(name)).collect()
        }
        Layout::Parts(runtime) => vec![Wrapper::Parts(*runtime)],
        Layout::Directed { .. } | Layout::Blocks { .. } | Layout::Empty => Vec::new(),
    }
}

/// Adds what a member holds: a text, an object, or a list of log events or of pairs of a time and a line.
fn add_value<'t>(
    value: &'t RawValue,
    time: Option<Cow<'t, str>>,
    may_be_list: bool,
    out: &mut Vec<Inner<'t>>,
) {
    match value.get().as_bytes().first() {
        Some(b'"') => out.push(Inner {
            text: plain(value),
            time,
        }),
        Some(b'{') if may_be_list => out.push(Inner {
            text: Cow::Borrowed(value.get()),
            time,
        }),
        Some(b'{') => {
            let picked = pick(value.get(), "message");
            out.push(Inner {
                text: match picked.value {
                    Some(message) => plain(message),
                    None => Cow::Borrowed(value.get()),
                },
                time: picked.time.map(plain).or(time),
            });
        }
        Some(b'[') if may_be_list => {
            let items: Vec<&'t RawValue> = serde_json::from_str(value.get()).unwrap_or_default();
            for item in items {
                match serde_json::from_str::<(&'t RawValue, &'t RawValue)>(item.get()) {
                    Ok((time, line)) => add_value(line, Some(plain(time)), false, out),
                    Err(_) => add_value(item, None, false, out),
                }
            }
        }
        _ => {}
    }
}

fn plain(value: &RawValue) -> Cow<'_, str> {
    match serde_json::from_str::<Cow<'_, str>>(value.get()) {
        Ok(text) => Cow::Owned(text.into_owned()),
        Err(_) => Cow::Borrowed(value.get()),
    }
}

#[derive(Default)]
struct Picked<'t> {
    value: Option<&'t RawValue>,
    time: Option<&'t RawValue>,
}

/// The member of a name, and when it was kept.
fn pick<'t>(text: &'t str, name: &str) -> Picked<'t> {
    struct Pick<'n>(&'n str);

    impl<'t> DeserializeSeed<'t> for Pick<'_> {
        type Value = Picked<'t>;

        fn deserialize<D: Deserializer<'t>>(self, from: D) -> Result<Picked<'t>, D::Error> {
            from.deserialize_map(self)
        }
    }

    impl<'t> Visitor<'t> for Pick<'_> {
        type Value = Picked<'t>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'t>>(self, mut members: A) -> Result<Picked<'t>, A::Error> {
            let mut picked = Picked::default();
            while let Some(name) = members.next_key::<Cow<'t, str>>()? {
                if name == self.0 {
                    picked.value = Some(members.next_value()?);
                } else if TIMES.contains(&&*name) {
                    picked.time = Some(members.next_value()?);
                } else {
                    members.next_value::<IgnoredAny>()?;
                }
            }
            Ok(picked)
        }
    }

    let mut from = serde_json::Deserializer::from_str(text);
    Pick(name).deserialize(&mut from).unwrap_or_default()
}
