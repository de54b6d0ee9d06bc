//! What a SQL statement says of itself: what it does, to which table, for whom.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::http::add_traceparent;
use crate::model::{ContentPart, Event, Kind};

fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap_or_else(|error| unreachable!("constant pattern: {error}"))
}

static TABLE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)\b(?:from|into|update|join|table|truncate)\s+(?:only\s+|if\s+(?:not\s+)?exists\s+)?([\w$."`\[\]]+)"#,
    )
});

/// sqlcommenter's comment carries the W3C header.
static TRACEPARENT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"traceparent='([0-9a-fA-F]{2}-[0-9a-fA-F]{32}-[0-9a-fA-F]{16}-[0-9a-fA-F]{2})'")
});

/// What kind of step a statement is, by its first word (behind comments and `with`).
pub(super) fn kind_of_statement(statement: &str) -> Kind {
    let mut rest = statement.trim_start();
    while let Some(comment) = rest.strip_prefix("/*") {
        rest = comment
            .split_once("*/")
            .map_or("", |(_, rest)| rest)
            .trim_start();
    }
    let word = rest
        .split(|c: char| !c.is_ascii_alphabetic())
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    match word.as_str() {
        "select" | "show" | "explain" | "describe" | "fetch" | "values" => Kind::Read,
        // A common table expression can end in either.
        "with" => {
            let lower = rest.to_ascii_lowercase();
            let writes = ["insert ", "update ", "delete ", "merge "];
            if writes.iter().any(|word| lower.contains(word)) {
                Kind::Write
            } else {
                Kind::Read
            }
        }
        "insert" | "update" | "delete" | "merge" | "copy" | "truncate" | "replace" | "upsert" => {
            Kind::Write
        }
        "create" | "alter" | "drop" | "grant" | "revoke" | "set" | "comment" | "rename" => {
            Kind::Configuration
        }
        _ => Kind::Other,
    }
}

/// Sets kind, action, object and trace from a statement, and keeps it as content.
pub(super) fn add_statement(event: &mut Event<'_>, statement: &str) {
    event.kind = kind_of_statement(statement);
    if event.kind != Kind::Other {
        let word = statement
            .split(|c: char| !c.is_ascii_alphabetic())
            .find(|word| !word.is_empty());
        event.action = word.map(|word| Cow::Owned(word.to_ascii_uppercase()));
    }
    if event.object.id.is_none()
        && let Some(table) = TABLE.captures(statement).and_then(|found| found.get(1))
    {
        let name: String = table
            .as_str()
            .chars()
            .filter(|c| !matches!(c, '"' | '`' | '[' | ']'))
            .collect();
        event.object.kind = Some(Cow::Borrowed("table"));
        event.object.id = Some(Cow::Owned(name));
    }
    if let Some(header) = TRACEPARENT
        .captures(statement)
        .and_then(|found| found.get(1))
    {
        add_traceparent(event, &Cow::Owned(header.as_str().to_owned()));
    }
    event
        .contents
        .push((ContentPart::Arguments, Cow::Owned(statement.to_owned())));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements() {
        for (statement, kind, table) in [
            (
                "select * from public.invoice where id = 4711",
                Kind::Read,
                Some("public.invoice"),
            ),
            (
                "/* app */ UPDATE \"Invoice\" set x = 1",
                Kind::Write,
                Some("Invoice"),
            ),
            ("with a as (select 1) delete from t", Kind::Write, Some("t")),
            ("ALTER TABLE t add c int", Kind::Configuration, Some("t")),
            ("commit", Kind::Other, None),
        ] {
            let mut event = Event::new(Kind::Other);
            add_statement(&mut event, statement);
            assert_eq!(event.kind, kind, "{statement}");
            assert_eq!(event.object.id.as_deref(), table, "{statement}");
        }
    }

    #[test]
    fn the_comment_of_sqlcommenter() {
        let mut event = Event::new(Kind::Other);
        add_statement(
            &mut event,
            "select 1 /*traceparent='00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'*/",
        );
        assert_eq!(
            event.trace.as_deref(),
            Some("4bf92f3577b34da6a3ce929d0e0e4736")
        );
    }
}
