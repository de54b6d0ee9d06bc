//! The files of a policy: where they are read from, and what stands in them beside rules.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::rules::PolicyError;

/// The shipped baseline.
pub(super) static BASELINE: include_dir::Dir<'_> =
    include_dir::include_dir!("$CARGO_MANIFEST_DIR/policies/baseline");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    pub name: String,
    pub version: String,
    pub valid_from: Option<String>,
    #[serde(default)]
    pub placeholders: BTreeMap<String, Vec<String>>,
}

impl Head {
    pub(super) fn read(path: &str, text: &str) -> Result<Self, PolicyError> {
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
pub(super) fn with_line(reason: String, text: &str) -> String {
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
pub(super) fn shipped() -> Vec<(String, String)> {
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
pub(super) fn without_examples(text: &str) -> Cow<'_, str> {
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

pub(super) fn read_folder(path: &Path) -> Result<Vec<(String, String)>, PolicyError> {
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
