//! Rule files: Sigma rules, and the same form with a `task:` part.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rsigma_eval::Engine;
use serde::Deserialize;
use serde_json::Value;

use super::conditions::Condition;
use super::exceptions::Exception;
use super::record::Given;
use crate::model::{Digest, Kind};

/// How grave a finding is (Sigma's levels).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For information.
    Informational,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

impl Level {
    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// Why a policy cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum PolicyError {
    /// A file cannot be read.
    #[error("cannot read {path}: {error}")]
    Io {
        /// Which file.
        path: String,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// A rule is not valid.
    #[error("{path}: {reason}")]
    #[diagnostic(help("a rule has title, id, level and either `detection` (Sigma) or `task`"))]
    Rule {
        /// Which file.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

#[derive(Deserialize)]
struct RuleFile {
    title: String,
    id: String,
    /// By which correlations may refer to it, beside its id.
    name: Option<String>,
    #[serde(default)]
    description: String,
    level: Option<Level>,
    #[serde(default)]
    tags: Vec<String>,
    /// Kinds of events without which the rule cannot be judged.
    #[serde(default)]
    needs: Vec<String>,
    #[serde(default)]
    logsource: LogSource,
    task: Option<TaskPart>,
    detection: Option<Value>,
    correlation: Option<CorrelationPart>,
    #[serde(default)]
    examples: ExamplesPart,
}

/// What a Sigma rule says of the logs that it is for.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct LogSource {
    /// Product, e.g. `aws`.
    pub product: Option<String>,
    /// Service, e.g. `cloudtrail`.
    pub service: Option<String>,
    /// Category.
    pub category: Option<String>,
}

impl LogSource {
    /// Formats whose records a public rule for that source is written for, by their own names; `None`
    /// for a rule over the normalised fields.
    fn formats(&self) -> Option<Vec<&str>> {
        let service = self.service.as_deref().unwrap_or_default();
        let formats = match self.product.as_deref()? {
            "trail" => return None,
            "aws" => vec!["cloudtrail"],
            "azure" => match service {
                "signinlogs" => vec!["entra_signin"],
                "auditlogs" => vec!["entra_audit"],
                "activitylogs" => vec!["azure_activity"],
                _ => vec!["entra_audit", "entra_signin", "azure_activity"],
            },
            "gcp" | "google_workspace" => vec!["gcp_audit"],
            "m365" => vec!["m365_unified_audit"],
            "okta" | "onelogin" | "github" | "windows" | "linux" | "macos" => Vec::new(),
            own => vec![own],
        };
        Some(formats)
    }

    /// `aws/cloudtrail`.
    fn name(&self) -> String {
        let parts = [&self.product, &self.service, &self.category];
        let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        parts.join("/")
    }
}

/// What of a correlation concerns the rules it builds on.
#[derive(Deserialize)]
struct CorrelationPart {
    #[serde(default)]
    rules: Vec<String>,
    /// Whether these rules give findings of their own too.
    #[serde(default)]
    generate: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExamplesPart {
    #[serde(default, rename = "match")]
    matching: Vec<Value>,
    #[serde(default)]
    no_match: Vec<Value>,
}

/// A task that a rule must find broken, or must not.
#[derive(Clone, Debug)]
pub struct Example {
    /// Whether the rule must match.
    pub matches: bool,
    /// The events, in order.
    pub events: Vec<Given>,
}

impl ExamplesPart {
    fn read(&self) -> Result<Vec<Example>, String> {
        let of = |list: &[Value], matches: bool| -> Result<Vec<Example>, String> {
            list.iter()
                .map(|example| {
                    // One event stands for a task of one.
                    let events = example
                        .as_array()
                        .cloned()
                        .unwrap_or_else(|| vec![example.clone()]);
                    let events = events.iter().map(Given::new).collect::<Result<_, _>>()?;
                    Ok(Example { matches, events })
                })
                .collect()
        };
        let mut all = of(&self.matching, true)?;
        all.extend(of(&self.no_match, false)?);
        Ok(all)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskPart {
    kind: Template,
    when: Option<serde_json::Value>,
    what: serde_json::Value,
    after: Option<serde_json::Value>,
    with: Option<serde_json::Value>,
    unless_before: Option<serde_json::Value>,
    unless_between: Option<serde_json::Value>,
    #[serde(default)]
    conditions: Vec<String>,
    /// `90s`, `30m`, `24h`, `2d`: how near the two events must be.
    within: Option<String>,
    /// For `at_most`: how many.
    times: Option<usize>,
    /// For `at_most`: counted by the value of that field.
    per: Option<String>,
}

/// Microseconds of `90s`, `30m`, `24h`, `2d`.
fn duration(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is no time; write 90s, 30m, 24h or 2d");
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit.trim() {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: i64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(seconds * 1_000_000).ok_or_else(wrong)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Template {
    Existence,
    Absence,
    AtMost,
    NotCoExistence,
    Precedence,
    Response,
    ChainPrecedence,
    ChainResponse,
}

/// Number of a selection.
pub(super) type Selection = u16;

pub(super) enum Logic {
    /// A Sigma rule over the normalised fields: that selection is its whole detection.
    Event(Selection),
    /// A Sigma rule over the records of some formats by their own names.
    Raw(RawRule),
    /// A Sigma correlation.
    Correlation,
    Task(TaskRule),
}

pub(super) struct RawRule {
    /// Its place in the raw engine.
    pub selection: Selection,
    pub formats: Vec<String>,
    /// The log source, as the rule names it.
    pub source: String,
}

pub(super) struct TaskRule {
    pub template: Template,
    pub when: Option<Selection>,
    pub what: Selection,
    pub after: Option<Selection>,
    pub with: Option<Selection>,
    pub unless_before: Option<Selection>,
    pub unless_between: Option<Selection>,
    pub conditions: Vec<Condition>,
    /// Microseconds.
    pub within: Option<i64>,
    pub times: usize,
    pub per: Option<String>,
}

/// One rule.
pub struct Rule {
    /// Title.
    pub title: String,
    /// Id.
    pub id: String,
    /// What it is for.
    pub description: String,
    /// Level.
    pub level: Level,
    /// Controls it serves.
    pub tags: Vec<String>,
    /// Its file.
    pub path: String,
    /// Tasks that it must find broken, and such that it must not.
    pub examples: Vec<Example>,
    pub(super) needs: Vec<Kind>,
    pub(super) logic: Logic,
}

impl Rule {
    /// What it looks at: `event`, `task`, `record` or `correlation`.
    #[must_use]
    pub fn scope(&self) -> &'static str {
        match self.logic {
            Logic::Event(_) => "event",
            Logic::Raw(_) => "record",
            Logic::Correlation => "correlation",
            Logic::Task(_) => "task",
        }
    }
}

/// Rules with a name, a version and a digest.
pub struct Policy {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// SHA-256 over all files.
    pub digest: Digest,
    /// The day from which on the version is in force, `YYYY-MM-DD`.
    pub valid_from: Option<String>,
    /// The rules, by id.
    pub rules: Vec<Rule>,
    /// Cases that somebody has allowed.
    pub exceptions: Vec<Exception>,
    pub(super) engine: Engine,
    pub(super) selections: Selection,
    /// Fields that selections ask for.
    pub(super) fields: BTreeSet<String>,
    /// Whether some selection looks for words anywhere.
    pub(super) keywords: bool,
    /// Public rules, by the format whose records they look at.
    pub(super) raw_engines: BTreeMap<String, Engine>,
    pub(super) raw_selections: Selection,
    /// Correlations and the Sigma rules they build on.
    pub(super) correlated: Option<rsigma_parser::SigmaCollection>,
    /// Rules that only serve correlations (Sigma: `generate` is not set).
    pub(super) silent: BTreeSet<String>,
    /// Rules that correlations build on, silent or not.
    pub(super) bases: BTreeSet<String>,
    ids_by_name: BTreeMap<String, String>,
    /// Values of Sigma's placeholders (`%name%` with the modifier `expand`).
    placeholders: BTreeMap<String, Vec<String>>,
}

/// The shipped baseline.
static BASELINE: include_dir::Dir<'_> =
    include_dir::include_dir!("$CARGO_MANIFEST_DIR/policies/baseline");

/// More selections would only make a policy slow; nobody reads that many rules.
const MOST_SELECTIONS: Selection = 10_000;

impl Policy {
    /// The shipped rules.
    ///
    /// # Errors
    /// Never for the files as shipped; a test holds that.
    pub fn baseline() -> Result<Self, PolicyError> {
        Self::from_files(shipped())
    }

    /// All `.yml` and `.yaml` files below a folder (or one file), with the `policy.toml` beside them.
    ///
    /// # Errors
    /// A file cannot be read, or a rule is not valid.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        Self::from_files(read_folder(path)?)
    }

    /// The rules of a folder, or the shipped ones, without their examples: these are most of the text,
    /// and nobody who waits for a decision needs them.
    ///
    /// # Errors
    /// As [`Policy::load`].
    pub fn load_to_judge(path: Option<&Path>) -> Result<Self, PolicyError> {
        let files = match path {
            Some(path) => read_folder(path)?,
            None => shipped(),
        };
        Self::compile(&files, without_examples)
    }

    /// The version of a policy that was in force on a day. Versions are folders below `path`, each with
    /// a `policy.toml` that says `valid_from = "YYYY-MM-DD"`; a folder that is one version itself is
    /// taken if it was in force.
    ///
    /// # Errors
    /// As [`Policy::load`], or no version was in force on that day.
    pub fn load_as_of(path: &Path, day: &str) -> Result<Self, PolicyError> {
        let mut versions: Vec<(String, std::path::PathBuf)> = Vec::new();
        for entry in walkdir::WalkDir::new(path).max_depth(2).sort_by_file_name() {
            let Ok(entry) = entry else { continue };
            if entry.file_name() != "policy.toml" {
                continue;
            }
            let shown = entry.path().display().to_string();
            let text = std::fs::read_to_string(entry.path()).map_err(|error| PolicyError::Io {
                path: shown.clone(),
                error,
            })?;
            let head = Head::read(&shown, &text)?;
            let from = head.valid_from.unwrap_or_default();
            let folder = entry.path().parent().unwrap_or(path).to_owned();
            versions.push((from, folder));
        }
        versions.sort();
        let known: Vec<&str> = versions.iter().map(|(from, _)| from.as_str()).collect();
        let in_force = versions.iter().rev().find(|(from, _)| from.as_str() <= day);
        match in_force {
            Some((_, folder)) => Self::load(folder),
            None => Err(PolicyError::Rule {
                path: path.display().to_string(),
                reason: format!(
                    "no version was in force on {day}; versions begin on: {}",
                    known.join(", ")
                ),
            }),
        }
    }

    fn from_files(files: Vec<(String, String)>) -> Result<Self, PolicyError> {
        Self::compile(&files, |text| Cow::Borrowed(text))
    }

    /// Compiles rules. `read` may leave out parts of a file; the digest is that of all files in whole.
    fn compile(
        files: &[(String, String)],
        read: impl Fn(&str) -> Cow<'_, str>,
    ) -> Result<Self, PolicyError> {
        let mut policy = Self {
            name: "unnamed".to_owned(),
            version: "0".to_owned(),
            digest: Digest([0; 32]),
            valid_from: None,
            rules: Vec::new(),
            exceptions: Vec::new(),
            engine: Engine::new(),
            selections: 0,
            fields: BTreeSet::new(),
            keywords: false,
            raw_engines: BTreeMap::new(),
            raw_selections: 0,
            correlated: None,
            silent: BTreeSet::new(),
            bases: BTreeSet::new(),
            ids_by_name: BTreeMap::new(),
            placeholders: BTreeMap::new(),
        };
        let mut identity = Vec::new();
        let mut base = String::new();
        for (path, text) in files {
            identity.extend_from_slice(text.as_bytes());
            identity.push(0);
            if path.ends_with("policy.toml") {
                let head = Head::read(path, text)?;
                (policy.name, policy.version) = (head.name, head.version);
                policy.valid_from = head.valid_from;
                policy.placeholders.extend(head.placeholders);
            }
        }
        for (path, text) in files
            .iter()
            .filter(|(path, _)| !path.ends_with("policy.toml"))
        {
            policy.add(path, &read(text), &mut base)?;
        }
        policy.name_bases_by_id();
        policy.compile_correlations(&base)?;
        policy.digest = Digest::of(&identity);
        policy.rules.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(policy)
    }

    /// Adds the documents of a file. `base` collects the texts of Sigma rules and correlations.
    fn add(&mut self, path: &str, text: &str, base: &mut String) -> Result<(), PolicyError> {
        let wrong = |reason: String| PolicyError::Rule {
            path: path.to_owned(),
            reason: with_line(reason, text),
        };
        for document in yaml_serde::Deserializer::from_str(text) {
            let mut value =
                Value::deserialize(document).map_err(|error| wrong(error.to_string()))?;
            self.expand(&mut value).map_err(wrong)?;
            if value.is_null() {
                continue;
            }
            if value.get("exception").is_some() {
                self.exceptions
                    .push(Exception::read(path, &value).map_err(wrong)?);
                continue;
            }
            if value.get("detection").is_some() || value.get("correlation").is_some() {
                // JSON is YAML.
                base.push_str(&format!("---\n{value}\n"));
            }
            self.add_rule(path, value).map_err(wrong)?;
        }
        Ok(())
    }

    /// Puts the values of placeholders in their places.
    fn expand(&self, value: &mut Value) -> Result<(), String> {
        let Value::Object(map) = value else {
            for inner in value.as_array_mut().into_iter().flatten() {
                self.expand(inner)?;
            }
            return Ok(());
        };
        let keys: Vec<String> = map
            .keys()
            .filter(|key| key.split('|').skip(1).any(|modifier| modifier == "expand"))
            .cloned()
            .collect();
        for key in keys {
            let given = map.remove(&key).unwrap_or_default();
            let given = given.as_array().cloned().unwrap_or_else(|| vec![given]);
            let mut values = Vec::new();
            for value in given {
                let name = value
                    .as_str()
                    .and_then(|text| text.strip_prefix('%')?.strip_suffix('%'));
                match name {
                    None => values.push(value),
                    Some(name) => {
                        let known = self.placeholders.get(name).ok_or_else(|| {
                            format!("the placeholder %{name}% has no values: add it to [placeholders] in policy.toml")
                        })?;
                        values.extend(known.iter().cloned().map(Value::from));
                    }
                }
            }
            let plain: Vec<&str> = key.split('|').filter(|part| *part != "expand").collect();
            map.insert(plain.join("|"), Value::Array(values));
        }
        for inner in map.values_mut() {
            self.expand(inner)?;
        }
        Ok(())
    }

    fn add_rule(&mut self, path: &str, value: Value) -> Result<(), String> {
        let file: RuleFile = serde_json::from_value(value).map_err(|error| error.to_string())?;
        if let Some(other) = self.rules.iter().find(|rule| rule.id == file.id) {
            return Err(format!("the id {} is used in {} too", file.id, other.path));
        }
        let needs = file
            .needs
            .iter()
            .map(|name| {
                Kind::from_name(name).ok_or_else(|| format!("`{name}` is no kind of event"))
            })
            .collect::<Result<_, _>>()?;
        let examples = file
            .examples
            .read()
            .map_err(|error| format!("an example: {error}"))?;
        let logic = match (file.task, file.detection) {
            (Some(task), None) => Logic::Task(self.task_rule(task)?),
            (None, None) if file.correlation.is_some() => Logic::Correlation,
            (None, Some(detection)) => match file.logsource.formats() {
                None => {
                    odd_values(&detection)?;
                    Logic::Event(self.detect(detection)?)
                }
                Some(formats) => Logic::Raw(RawRule {
                    selection: self.detect_raw(&detection, &formats)?,
                    formats: formats.into_iter().map(str::to_owned).collect(),
                    source: file.logsource.name(),
                }),
            },
            _ => return Err("a rule has one of `detection`, `correlation` and `task`".to_owned()),
        };
        if let Some(correlation) = file.correlation {
            if !correlation.generate {
                self.silent.extend(correlation.rules.iter().cloned());
            }
            self.bases.extend(correlation.rules);
        }
        if let Some(name) = file.name {
            self.ids_by_name.insert(name, file.id.clone());
        }
        self.rules.push(Rule {
            title: file.title,
            id: file.id,
            description: file.description,
            level: file.level.unwrap_or(Level::Medium),
            tags: file.tags,
            path: path.to_owned(),
            examples,
            needs,
            logic,
        });
        Ok(())
    }

    fn task_rule(&mut self, task: TaskPart) -> Result<TaskRule, String> {
        let mut one = |selection: Value| {
            odd_values(&selection)?;
            self.detect(serde_json::json!({ "selection": selection, "condition": "selection" }))
        };
        let mut optional = |selection: Option<Value>| selection.map(&mut one).transpose();
        let rule = TaskRule {
            template: task.kind,
            when: optional(task.when)?,
            after: optional(task.after)?,
            with: optional(task.with)?,
            unless_before: optional(task.unless_before)?,
            unless_between: optional(task.unless_between)?,
            what: one(task.what)?,
            conditions: task
                .conditions
                .iter()
                .map(|text| Condition::parse(text))
                .collect::<Result<_, _>>()?,
            within: task.within.as_deref().map(duration).transpose()?,
            times: task.times.unwrap_or(1),
            per: task.per,
        };
        match rule.template {
            Template::Absence | Template::AtMost => {}
            Template::NotCoExistence if rule.with.is_none() => {
                return Err("not_co_existence needs a `with`".to_owned());
            }
            Template::NotCoExistence => {}
            _ if rule.when.is_none() => {
                return Err("a rule of this kind needs a `when`".to_owned());
            }
            _ => {}
        }
        let counts = rule.template == Template::AtMost;
        if !counts && (task.times.is_some() || rule.per.is_some()) {
            return Err("`times` and `per` belong to at_most".to_owned());
        }
        for condition in &rule.conditions {
            for field in condition.fields() {
                known_field(field)?;
            }
        }
        Ok(rule)
    }

    /// Compiles a Sigma detection over the normalised fields under a number of its own.
    fn detect(&mut self, detection: Value) -> Result<Selection, String> {
        for field in fields_of(&detection, &mut self.keywords) {
            known_field(&field)?;
            self.fields.insert(field);
        }
        let number = self.selections;
        compile(&mut self.engine, number, &detection)?;
        self.selections += 1;
        Ok(number)
    }

    fn detect_raw(&mut self, detection: &Value, formats: &[&str]) -> Result<Selection, String> {
        let number = self.raw_selections;
        // Rules for logs that trail has no reader of are checked all the same.
        compile(&mut Engine::new(), number, detection)?;
        for format in formats {
            let engine = self.raw_engines.entry((*format).to_owned()).or_default();
            compile(engine, number, detection)?;
        }
        self.raw_selections += 1;
        Ok(number)
    }

    /// A correlation refers to a rule by id or by name, perhaps before the rule was read.
    fn name_bases_by_id(&mut self) {
        for set in [&mut self.silent, &mut self.bases] {
            let ids = std::mem::take(set).into_iter();
            *set = ids
                .map(|given| self.ids_by_name.get(&given).cloned().unwrap_or(given))
                .collect();
        }
    }

    fn compile_correlations(&mut self, base: &str) -> Result<(), PolicyError> {
        if !self
            .rules
            .iter()
            .any(|rule| matches!(rule.logic, Logic::Correlation))
        {
            return Ok(());
        }
        let wrong = |reason: String| PolicyError::Rule {
            path: self.name.clone(),
            reason,
        };
        let parsed =
            rsigma_parser::parse_sigma_yaml(base).map_err(|error| wrong(error.to_string()))?;
        if let Some(error) = parsed.errors.first() {
            return Err(wrong(error.clone()));
        }
        rsigma_eval::CorrelationEngine::new(rsigma_eval::CorrelationConfig::default())
            .add_collection(&parsed)
            .map_err(|error| wrong(error.to_string()))?;
        self.correlated = Some(parsed);
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    name: String,
    version: String,
    valid_from: Option<String>,
    #[serde(default)]
    placeholders: BTreeMap<String, Vec<String>>,
}

impl Head {
    fn read(path: &str, text: &str) -> Result<Self, PolicyError> {
        let wrong = |reason: String| PolicyError::Rule {
            path: path.to_owned(),
            reason,
        };
        let head: Self = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if let Some(day) = &head.valid_from
            && day.parse::<jiff::civil::Date>().is_err()
        {
            return Err(wrong(format!(
                "valid_from `{day}` is no day; write YYYY-MM-DD"
            )));
        }
        Ok(head)
    }
}

/// Adds the line of the word that a reason quotes, where it does not say one itself.
fn with_line(reason: String, text: &str) -> String {
    let quoted = reason.split('`').nth(1).filter(|word| !word.is_empty());
    let Some(word) = quoted.filter(|_| !reason.contains("line ")) else {
        return reason;
    };
    match text.lines().position(|line| line.contains(word)) {
        Some(at) => format!("{reason} (line {})", at + 1),
        None => reason,
    }
}

/// The shipped files, by name.
fn shipped() -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = BASELINE
        .files()
        .filter_map(|file| {
            let name = file.path().to_str()?.to_owned();
            Some((name, file.contents_utf8()?.to_owned()))
        })
        .collect();
    files.sort();
    files
}

/// A rule file without its `examples`: the lines from that key to the next one at the margin.
fn without_examples(text: &str) -> Cow<'_, str> {
    if !text.contains("\nexamples:") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut within = false;
    for line in text.split_inclusive('\n') {
        let starts_key = line.starts_with(|c: char| c.is_alphabetic() || c == '"' || c == '\'');
        if starts_key || line.starts_with("---") {
            within = line.starts_with("examples:");
        }
        if !within {
            out.push_str(line);
        }
    }
    Cow::Owned(out)
}

fn read_folder(path: &Path) -> Result<Vec<(String, String)>, PolicyError> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(path).sort_by_file_name() {
        let entry = entry.map_err(|error| {
            let error = error
                .into_io_error()
                .unwrap_or_else(|| std::io::Error::other("a loop of links"));
            PolicyError::Io {
                path: path.display().to_string(),
                error,
            }
        })?;
        let name = entry.path().display().to_string();
        let wanted =
            name.ends_with(".yml") || name.ends_with(".yaml") || name.ends_with("policy.toml");
        if entry.file_type().is_file() && wanted {
            let text = std::fs::read_to_string(entry.path()).map_err(|error| PolicyError::Io {
                path: name.clone(),
                error,
            })?;
            files.push((name, text));
        }
    }
    Ok(files)
}

fn compile(engine: &mut Engine, number: Selection, detection: &Value) -> Result<(), String> {
    if number >= MOST_SELECTIONS {
        return Err(format!(
            "a policy may have {MOST_SELECTIONS} selections at most"
        ));
    }
    let rule = serde_json::json!({
        "title": format!("selection {number}"),
        "id": number.to_string(),
        "logsource": { "product": "trail" },
        "detection": detection,
    });
    // JSON is YAML.
    let parsed =
        rsigma_parser::parse_sigma_yaml(&rule.to_string()).map_err(|error| error.to_string())?;
    if let Some(error) = parsed.errors.first() {
        return Err(error.clone());
    }
    // One by one: adding a collection makes the index of all rules anew.
    for rule in &parsed.rules {
        engine.add_rule(rule).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Names of the fields that a detection asks for; says whether it looks for words anywhere.
fn fields_of(detection: &Value, keywords: &mut bool) -> BTreeSet<String> {
    fn walk(value: &Value, fields: &mut BTreeSet<String>, keywords: &mut bool) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let mut parts = key.split('|');
                    fields.extend(parts.next().map(str::to_owned));
                    // The value of a field reference is a field.
                    if parts.any(|modifier| modifier == "fieldref") {
                        let names = value
                            .as_array()
                            .cloned()
                            .unwrap_or_else(|| vec![value.clone()]);
                        fields.extend(names.iter().filter_map(Value::as_str).map(str::to_owned));
                    }
                }
            }
            Value::Array(list) => {
                for value in list {
                    walk(value, fields, keywords);
                }
            }
            _ => *keywords = true,
        }
    }
    let mut fields = BTreeSet::new();
    for (name, selection) in detection.as_object().into_iter().flatten() {
        if name != "condition" && name != "timeframe" {
            walk(selection, &mut fields, keywords);
        }
    }
    fields
}

/// Fields beside the text columns.
const OTHER_FIELDS: [&str; 6] = [
    "amount",
    "tokens_in",
    "tokens_out",
    "time",
    "hour",
    "weekday",
];

/// A field is a column or an attribute; a name that is nearly a column's is a slip.
fn known_field(name: &str) -> Result<(), String> {
    let columns: Vec<&str> = crate::store::Col::ALL
        .iter()
        .map(|column| column.name())
        .chain(OTHER_FIELDS)
        .collect();
    if columns.contains(&name) {
        return Ok(());
    }
    let near = columns
        .iter()
        .filter(|column| column.len() > 3)
        .find(|column| strsim::damerau_levenshtein(column, name) <= 1);
    match near {
        Some(column) => Err(format!("unknown field `{name}`; did you mean `{column}`?")),
        None => Ok(()),
    }
}

/// Refuses values that a closed list does not have, and bounds that leave nothing.
fn odd_values(selection: &Value) -> Result<(), String> {
    use crate::model::{ActorType, Outcome};
    let Value::Object(map) = selection else {
        for inner in selection.as_array().into_iter().flatten() {
            odd_values(inner)?;
        }
        return Ok(());
    };
    let bound = |suffix: &str| {
        map.iter()
            .filter_map(|(key, value)| Some((key.strip_suffix(suffix)?, value.as_f64()?)))
            .collect::<Vec<_>>()
    };
    for (field, least) in [bound("|gte"), bound("|gt")].concat() {
        let most = [bound("|lte"), bound("|lt")].concat();
        if most
            .iter()
            .any(|(other, most)| *other == field && *most < least)
        {
            return Err(format!(
                "`{field}` can never be at least {least} and below that"
            ));
        }
    }
    for (key, value) in map {
        let names: Vec<&str> = match value {
            Value::String(text) => vec![text],
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
            inner @ Value::Object(_) => {
                odd_values(inner)?;
                continue;
            }
            _ => continue,
        };
        for name in names.into_iter().filter(|name| !name.contains(['*', '?'])) {
            let known = match key.as_str() {
                "kind" => Kind::from_name(name).is_some(),
                "actor_type" => ActorType::from_name(name).is_some(),
                "outcome" => Outcome::from_name(name).is_some(),
                _ => true,
            };
            if !known {
                return Err(format!(
                    "`{key}` is never `{name}`: the condition is never true"
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_baseline_compiles() {
        let policy = Policy::baseline().unwrap();
        assert!(policy.rules.len() >= 50);
        let without = policy.rules.iter().find(|rule| {
            let of = |matches| {
                rule.examples
                    .iter()
                    .any(|example| example.matches == matches)
            };
            rule.scope() != "correlation" && !(of(true) && of(false))
        });
        assert!(without.is_none(), "{} has no examples", without.unwrap().id);
        assert_eq!(
            (policy.name.as_str(), policy.version.as_str()),
            ("baseline", "1.1.0")
        );
    }

    #[test]
    fn the_baseline_is_the_whole_folder() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/baseline");
        let files = std::fs::read_dir(folder).unwrap().count();
        assert_eq!(files, BASELINE.files().count());
    }

    #[test]
    fn examples_can_be_left_out_and_nothing_else() {
        let text = "id: a\nexamples:\n  match:\n    - {kind: write}\n- odd\nlevel: low\n---\nexamples: {}\ntask: {}\n";
        assert_eq!(without_examples(text), "id: a\nlevel: low\n---\ntask: {}\n");
        let (whole, lean) = (
            Policy::baseline().unwrap(),
            Policy::load_to_judge(None).unwrap(),
        );
        assert_eq!(whole.digest, lean.digest);
        assert_eq!(whole.rules.len(), lean.rules.len());
        assert_eq!(whole.selections, lean.selections);
    }

    #[test]
    fn placeholders() {
        let load = |head: &str| {
            let rule = "title: a\nid: b\nlogsource: {product: trail}\ndetection:\n  s: {actor|expand: ['%admins%', other]}\n  condition: s\nexamples:\n  match: [{actor: eva}, {actor: other}]\n  no_match: [{actor: tom}]\n";
            let files = [("policy.toml", head), ("a.yml", rule)];
            let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
            Policy::from_files(files.to_vec())
        };
        let head = "name = 'x'\nversion = '1'\n";
        let policy = load(&format!("{head}[placeholders]\nadmins = ['eva', 'udo']\n")).unwrap();
        assert!(crate::check::test_examples(&policy).is_empty());
        assert!(load(head).err().unwrap().to_string().contains("%admins%"));
    }

    #[test]
    fn wrong_rules_are_named() {
        let load = |text: &str| {
            Policy::from_files(vec![("x.yml".to_owned(), text.to_owned())])
                .err()
                .map(|e| e.to_string())
        };
        assert!(
            load("title: a\nid: b\n")
                .unwrap()
                .contains("one of `detection`")
        );
        assert!(load("title: a\nid: b\ntask: {kind: sometimes, what: {kind: write}}\n").is_some());
        assert!(
            load("title: a\nid: b\nneeds: [aproval]\ntask: {kind: absence, what: {kind: write}}\n")
                .unwrap()
                .contains("aproval")
        );
    }
}
