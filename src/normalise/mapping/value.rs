//! Values made from a record, compiled.

use std::collections::BTreeMap;
use std::ops::Range;

use regex::Regex;

use super::language::{Expr, Form, Made, OneOrMore};
use super::path::{Path, Scope};

/// What is wrong with a mapping file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub reason: String,
    /// Bytes of the file.
    pub span: Option<Range<usize>>,
}

pub(super) fn path(text: &toml::Spanned<String>) -> Result<Path, Fault> {
    path_at(text.get_ref(), &text.span())
}

fn path_at(text: &str, span: &Range<usize>) -> Result<Path, Fault> {
    Path::parse(text).map_err(|reason| Fault {
        reason,
        span: Some(span.clone()),
    })
}

/// Paths of which the first that leads anywhere is taken.
#[derive(Clone, Debug)]
pub(super) struct Elements(Vec<Path>);

impl Elements {
    pub(super) fn compile(expr: &Expr) -> Result<Self, Fault> {
        let path_of = |form: &Form| match form {
            Form::Path(text) => path_at(text, &expr.span),
            _ => Err(Fault {
                reason: "`each` is a path or a list of paths".to_owned(),
                span: Some(expr.span.clone()),
            }),
        };
        let paths = match &expr.form {
            Form::First(list) => list.iter().map(path_of).collect::<Result<_, _>>()?,
            one => vec![path_of(one)?],
        };
        Ok(Self(paths))
    }

    /// Calls `visit` with every value of the first path that has one, and its name or number.
    pub(super) fn each(
        &self,
        scope: Scope<'_>,
        visit: &mut dyn FnMut(std::borrow::Cow<'_, serde_json::Value>, &str),
    ) {
        for path in &self.0 {
            let mut any = false;
            path.each(scope, &mut |value, key| {
                any = true;
                visit(value, key);
            });
            if any {
                return;
            }
        }
    }
}

pub(super) fn regex(text: &toml::Spanned<String>) -> Result<Regex, Fault> {
    regex_at(text.get_ref(), &text.span())
}

fn regex_at(text: &str, span: &Range<usize>) -> Result<Regex, Fault> {
    regex::RegexBuilder::new(text)
        .size_limit(8 << 20)
        .build()
        .map_err(|error| Fault {
            reason: format!("not a regular expression: {error}"),
            span: Some(span.clone()),
        })
}

/// A compiled expression.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Path(Path),
    First(Vec<Self>),
    Made(Box<Compiled>),
}

#[derive(Clone, Debug)]
pub(super) struct Compiled {
    source: Source,
    join: Option<String>,
    regex: Option<Regex>,
    replace: Vec<(String, String)>,
    map: Option<BTreeMap<String, String>>,
    matches: Vec<(Regex, String)>,
    default: Option<String>,
}

#[derive(Clone, Debug)]
enum Source {
    Nothing,
    Paths(Vec<Path>),
    Constant(String),
    Template(Vec<Piece>),
}

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Path(Path),
}

impl Value {
    pub(super) fn compile(expr: &Expr) -> Result<Self, Fault> {
        Self::of(&expr.form, &expr.span)
    }

    fn of(form: &Form, span: &Range<usize>) -> Result<Self, Fault> {
        Ok(match form {
            Form::Path(text) => Self::Path(path_at(text, span)?),
            Form::First(list) => {
                let list = list.iter().map(|form| Self::of(form, span));
                Self::First(list.collect::<Result<_, _>>()?)
            }
            Form::Made(made) => Self::Made(Box::new(Compiled::compile(made, span)?)),
        })
    }

    /// The value, `None` if there is none.
    pub(super) fn get(&self, scope: Scope<'_>) -> Option<String> {
        match self {
            Self::Path(path) => path.text_in(scope),
            Self::First(list) => list.iter().find_map(|value| value.get(scope)),
            Self::Made(made) => made.get(scope),
        }
    }

    /// All values: of a path with `[]` each of them.
    pub(super) fn all(&self, scope: Scope<'_>) -> Vec<String> {
        match self {
            Self::Path(path) => path.texts_in(scope),
            Self::First(list) => list
                .iter()
                .map(|value| value.all(scope))
                .find(|found| !found.is_empty())
                .unwrap_or_default(),
            Self::Made(made) => made.all(scope),
        }
    }

    /// Paths it reads.
    pub(super) fn paths<'v>(&'v self, out: &mut Vec<&'v str>) {
        match self {
            Self::Path(path) => out.push(path.text()),
            Self::First(list) => list.iter().for_each(|value| value.paths(out)),
            Self::Made(made) => match &made.source {
                Source::Paths(paths) => out.extend(paths.iter().map(Path::text)),
                Source::Template(pieces) => {
                    out.extend(pieces.iter().filter_map(|piece| match piece {
                        Piece::Path(path) => Some(path.text()),
                        Piece::Text(_) => None,
                    }))
                }
                Source::Nothing | Source::Constant(_) => {}
            },
        }
    }
}

impl Compiled {
    fn compile(made: &Made, span: &Range<usize>) -> Result<Self, Fault> {
        let source = match (&made.path, &made.constant, &made.template) {
            (Some(OneOrMore::One(one)), None, None) => Source::Paths(vec![path_at(one, span)?]),
            (Some(OneOrMore::More(more)), None, None) => {
                let paths = more.iter().map(|path| path_at(path, span));
                Source::Paths(paths.collect::<Result<_, _>>()?)
            }
            (None, Some(text), None) => Source::Constant(text.clone()),
            (None, None, Some(template)) => Source::Template(pieces(template, span)?),
            (None, None, None) if made.default.is_some() => Source::Nothing,
            _ => {
                return Err(Fault {
                    reason: "a value has exactly one of `path`, `const` and `template`".to_owned(),
                    span: Some(span.clone()),
                });
            }
        };
        Ok(Self {
            source,
            join: made.join.clone(),
            regex: made
                .regex
                .as_ref()
                .map(|regex| regex_at(regex, span))
                .transpose()?,
            replace: made.replace.clone().into_iter().collect(),
            map: made.map.clone(),
            matches: made
                .matches
                .iter()
                .map(|rule| Ok((regex_at(&rule.regex, span)?, rule.value.clone())))
                .collect::<Result<_, Fault>>()?,
            default: made.default.clone(),
        })
    }

    fn raw(&self, scope: Scope<'_>) -> Option<String> {
        match &self.source {
            Source::Nothing => None,
            Source::Constant(text) => Some(text.clone()),
            Source::Paths(paths) => match &self.join {
                Some(join) => {
                    let found: Vec<String> =
                        paths.iter().flat_map(|path| path.texts_in(scope)).collect();
                    (!found.is_empty()).then(|| found.join(join))
                }
                None => paths.iter().find_map(|path| path.text_in(scope)),
            },
            Source::Template(pieces) => {
                let mut out = String::new();
                let mut any = false;
                for piece in pieces {
                    match piece {
                        Piece::Text(text) => out.push_str(text),
                        Piece::Path(path) => {
                            if let Some(text) = path.text_in(scope) {
                                out.push_str(&text);
                                any = true;
                            }
                        }
                    }
                }
                any.then_some(out)
            }
        }
    }

    fn refine(&self, raw: &str) -> Option<String> {
        let cut = match &self.regex {
            Some(regex) => {
                let found = regex.captures(raw)?;
                found.get(1).or(found.get(0))?.as_str()
            }
            None => raw,
        };
        let mut changed = None;
        for (from, to) in &self.replace {
            let text = changed.as_deref().unwrap_or(cut);
            if text.contains(from.as_str()) {
                changed = Some(text.replace(from.as_str(), to));
            }
        }
        let cut = changed.as_deref().unwrap_or(cut);
        if self.map.is_none() && self.matches.is_empty() {
            return (!cut.is_empty()).then(|| cut.to_owned());
        }
        self.map
            .as_ref()
            .and_then(|map| map.get(cut).cloned())
            .or_else(|| {
                self.matches
                    .iter()
                    .find(|(regex, _)| regex.is_match(cut))
                    .map(|(_, value)| value.clone())
            })
    }

    fn get(&self, scope: Scope<'_>) -> Option<String> {
        self.raw(scope)
            .and_then(|raw| self.refine(&raw))
            .or_else(|| self.default.clone())
    }

    fn all(&self, scope: Scope<'_>) -> Vec<String> {
        let Source::Paths(paths) = &self.source else {
            return self.get(scope).into_iter().collect();
        };
        if self.join.is_some() {
            return self.get(scope).into_iter().collect();
        }
        let mut found: Vec<String> = Vec::new();
        for raw in paths.iter().flat_map(|path| path.texts_in(scope)) {
            // A pattern may occur more than once in a text: each is a value.
            match &self.regex {
                Some(regex)
                    if self.map.is_none() && self.matches.is_empty() && self.replace.is_empty() =>
                {
                    found.extend(regex.captures_iter(&raw).filter_map(|captures| {
                        let text = captures.get(1).or(captures.get(0))?.as_str();
                        (!text.is_empty()).then(|| text.to_owned())
                    }));
                }
                _ => found.extend(self.refine(&raw)),
            }
        }
        if found.is_empty() {
            found.extend(self.default.clone());
        }
        found
    }
}

fn pieces(template: &str, span: &Range<usize>) -> Result<Vec<Piece>, Fault> {
    let fault = |reason: String| Fault {
        reason,
        span: Some(span.clone()),
    };
    let mut rest = template;
    let mut out = Vec::new();
    while let Some((before, behind)) = rest.split_once('{') {
        if !before.is_empty() {
            out.push(Piece::Text(before.to_owned()));
        }
        let Some((inner, after)) = behind.split_once('}') else {
            return Err(fault("a brace is not closed".to_owned()));
        };
        out.push(Piece::Path(Path::parse(inner).map_err(fault)?));
        rest = after;
    }
    if !rest.is_empty() {
        out.push(Piece::Text(rest.to_owned()));
    }
    Ok(out)
}
