//! Paths into a record: `actor.user.email`, `items[].id`, `message|object.id`.

use std::borrow::Cow;

use base64::Engine as _;
use serde_json::Value;

/// A place in a record, or several.
///
/// Steps are parted by dots; a dot inside a name is written `\.`. `[]` behind a name takes every
/// element of a list, `[2]` the third, `*` every member of an object, `(type)` the member that is named by
/// the text of the member `type`, `|` reads the text found so far as JSON, perhaps in Base64, and goes on
/// inside. A path that begins with `^` starts at the whole record, any
/// other at the element that `each` names. `.` is the element itself, `$key` its name or number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    text: String,
    from_root: bool,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Members,
    /// The member whose name stands in another one.
    Named(String),
    Element(usize),
    Elements,
    /// The text is JSON.
    Inside,
    /// Name or number of the element.
    Key,
}

/// Where a path is looked up.
#[derive(Clone, Copy)]
pub(super) struct Scope<'v> {
    pub root: &'v Value,
    pub element: &'v Value,
    /// Name or number of the element among its siblings.
    pub key: &'v str,
    /// Names of a table's columns are compared without case.
    pub any_case: bool,
}

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// An empty name, or brackets that hold no number.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (from_root, rest) = match text.strip_prefix('^') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut steps = Vec::new();
        for (at, inside) in rest.split('|').enumerate() {
            if at > 0 {
                steps.push(Step::Inside);
            }
            if inside.is_empty() || inside == "." {
                continue;
            }
            if inside == "$key" {
                steps.push(Step::Key);
                continue;
            }
            for name in split_names(inside) {
                parse_step(&name, &mut steps).map_err(|why| format!("path `{text}`: {why}"))?;
            }
        }
        Ok(Self {
            text: text.to_owned(),
            from_root,
            steps,
        })
    }

    /// The path as written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Calls `visit` with every value the path leads to, and its name or number.
    pub(super) fn each(&self, scope: Scope<'_>, visit: &mut dyn FnMut(Cow<'_, Value>, &str)) {
        let start = if self.from_root {
            scope.root
        } else {
            scope.element
        };
        // A column may have any name, with dots as well.
        if scope.any_case
            && let Some(value) = member(start, &self.text, true)
        {
            return visit(Cow::Borrowed(value), &self.text);
        }
        walk(&self.steps, start, scope.key, scope.any_case, visit);
    }

    /// Whether the path leads anywhere; a null that is there counts.
    pub(super) fn exists(&self, scope: Scope<'_>) -> bool {
        let mut found = false;
        self.each(scope, &mut |_, _| found = true);
        found
    }

    /// The first text that is not empty.
    pub(super) fn text_in(&self, scope: Scope<'_>) -> Option<String> {
        let mut found = None;
        self.each(scope, &mut |value, _| {
            if found.is_none() {
                found = text_of(&value);
            }
        });
        found
    }

    /// All texts that are not empty.
    pub(super) fn texts_in(&self, scope: Scope<'_>) -> Vec<String> {
        let mut found = Vec::new();
        self.each(scope, &mut |value, _| found.extend(text_of(&value)));
        found
    }
}

/// A value as text: strings as they are, numbers and booleans in JSON's notation, objects and lists
/// as JSON. Nothing for null, the empty text, and the `-` that logs write for nothing.
pub(super) fn text_of(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) => text.trim().to_owned(),
        Value::Array(list) if list.is_empty() => return None,
        Value::Object(members) if members.is_empty() => return None,
        other => other.to_string(),
    };
    (!text.is_empty() && text != "-").then_some(text)
}

fn split_names(text: &str) -> Vec<String> {
    let (mut names, mut name, mut escaped) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        match c {
            _ if escaped => {
                name.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '.' => names.push(std::mem::take(&mut name)),
            _ => name.push(c),
        }
    }
    names.push(name);
    names
}

fn parse_step(name: &str, steps: &mut Vec<Step>) -> Result<(), String> {
    let brackets = name.ends_with(']').then(|| name.find('[')).flatten();
    let (plain, mut rest) = match brackets {
        Some(at) => name.split_at(at),
        None => (name, ""),
    };
    match plain {
        "" if rest.is_empty() => return Err("a name is empty".to_owned()),
        "" => {}
        "*" => steps.push(Step::Members),
        _ if plain.starts_with('(') && plain.ends_with(')') => {
            steps.push(Step::Named(plain[1..plain.len() - 1].to_owned()));
        }
        _ => steps.push(Step::Member(plain.to_owned())),
    }
    while let Some(open) = rest.strip_prefix('[') {
        let Some((number, behind)) = open.split_once(']') else {
            return Err("a bracket is not closed".to_owned());
        };
        steps.push(if number.is_empty() {
            Step::Elements
        } else {
            let number = number
                .parse()
                .map_err(|_| format!("`{number}` is no number"))?;
            Step::Element(number)
        });
        rest = behind;
    }
    Ok(())
}

/// JSON in Base64 (RFC 4648, section 4), as message queues carry it.
fn in_base64(text: &str) -> Option<Value> {
    // An object or a list: `{` and `[` are the first bytes.
    if !text.starts_with(['e', 'W']) {
        return None;
    }
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text)
        .ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn member<'v>(value: &'v Value, name: &str, any_case: bool) -> Option<&'v Value> {
    let members = value.as_object()?;
    members.get(name).or_else(|| {
        any_case
            .then(|| {
                members
                    .iter()
                    .find(|(have, _)| have.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value)
            })
            .flatten()
    })
}

fn walk(
    steps: &[Step],
    value: &Value,
    key: &str,
    any_case: bool,
    visit: &mut dyn FnMut(Cow<'_, Value>, &str),
) {
    let Some((step, rest)) = steps.split_first() else {
        return visit(Cow::Borrowed(value), key);
    };
    match step {
        Step::Member(name) => {
            if let Some(value) = member(value, name, any_case) {
                walk(rest, value, name, any_case, visit);
            }
        }
        Step::Members => {
            for (name, value) in value.as_object().into_iter().flatten() {
                walk(rest, value, name, any_case, visit);
            }
        }
        Step::Named(by) => {
            let name = member(value, by, any_case).and_then(Value::as_str);
            if let Some(name) = name
                && let Some(value) = member(value, name, any_case)
            {
                walk(rest, value, name, any_case, visit);
            }
        }
        Step::Element(number) => {
            if let Some(value) = value.get(*number) {
                walk(rest, value, &number.to_string(), any_case, visit);
            }
        }
        Step::Elements => {
            for (number, value) in value.as_array().into_iter().flatten().enumerate() {
                walk(rest, value, &number.to_string(), any_case, visit);
            }
        }
        Step::Inside => match value {
            Value::String(text) => {
                let inner = serde_json::from_str::<Value>(text).ok();
                if let Some(inner) = inner.or_else(|| in_base64(text)) {
                    walk(rest, &inner, key, any_case, visit);
                }
            }
            // Some exports have decoded it already.
            other => walk(rest, other, key, any_case, visit),
        },
        Step::Key => visit(Cow::Owned(Value::String(key.to_owned())), key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(json: &str, path: &str) -> Vec<String> {
        let value: Value = serde_json::from_str(json).unwrap();
        Path::parse(path).unwrap().texts_in(Scope {
            root: &value,
            element: &value,
            key: "",
            any_case: false,
        })
    }

    #[test]
    fn paths() {
        let json = r#"{"a":{"b.c":1,"list":[{"x":"p"},{"x":null},{"x":"q"}]},"s":"{\"in\":[7,8]}","n":"-"}"#;
        assert_eq!(look(json, r"a.b\.c"), ["1"]);
        assert_eq!(look(json, "a.list[].x"), ["p", "q"]);
        assert_eq!(look(json, "a.list[2].x"), ["q"]);
        assert_eq!(look(json, "s|in[1]"), ["8"]);
        assert_eq!(look(json, "a.*[].$key"), Vec::<String>::new());
        assert_eq!(look(json, "n"), Vec::<String>::new());
        let named = r#"{"type":"key.made","key.made":{"id":"k1"},"b":"eyJpbiI6OX0="}"#;
        assert_eq!(look(named, "(type).id"), ["k1"]);
        assert_eq!(look(named, "b|in"), ["9"]);
        assert_eq!(look(json, "missing.x"), Vec::<String>::new());
        assert!(Path::parse("a..b").is_err());
        assert!(Path::parse("a[x]").is_err());
    }
}
