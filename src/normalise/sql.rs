//! What a SQL statement says of itself: what it does, to which table, for whom.

mod statement;

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;
use sqlparser::tokenizer::Token;

use statement::{inserted, literal, names_secret, row, tokens};

use super::http::add_traceparent;
use super::names::{add_evidence, add_named, is_amount_name, opens_something};
use crate::model::{Amount, Change, ContentPart, Digest, Event, KeyKind, Kind};

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

/// Sets kind, action, object, trace and what is changed from a statement, takes the values that it names and those bound
/// to it, and keeps it as content. Statements that change the same row, or rows
/// of one number in several tables, are one change where `save` is the same.
pub(super) fn add_statement(
    event: &mut Event<'_>,
    statement: &str,
    parameters: Option<&str>,
    save: Option<String>,
) {
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
    let tokens = match statement.len() <= LONGEST {
        true => tokens(statement),
        false => Vec::new(),
    };
    // Users and roles are set up with what they log in with.
    if event.kind != Kind::Configuration {
        add_values(event, &tokens);
        if let Some(parameters) = parameters.filter(|_| !names_secret(&tokens)) {
            add_parameters(event, parameters);
        }
    }
    if event.kind == Kind::Write
        && let (Some(save), Some(row)) = (save, row(&tokens))
    {
        let table = event.object.id.as_deref().unwrap_or_default();
        // Rows that are named by a text, a person's name or address, are told apart and not told.
        let is_id = row.len() <= 64 && !row.contains([' ', '@']);
        let row = match is_id {
            true => row,
            false => Cow::Owned(Digest::of(row.as_bytes()).to_string()),
        };
        // What an order or a case has in several tables goes by its number; short numbers name rows of any table.
        event.key(
            KeyKind::Transaction,
            match row.len() < SHORT {
                true => format!("{save}/{table}/{row}"),
                false => format!("{save}/{row}"),
            },
        );
    }
    event
        .contents
        .push((ContentPart::Arguments, Cow::Owned(statement.to_owned())));
}

/// What names a row is a number of its table if it has fewer bytes than that.
const SHORT: usize = 6;
/// Longest statement whose values are looked for.
const LONGEST: usize = 64 << 10;
/// Most values that are taken of one.
const MOST: usize = 48;

/// What a statement sets, and the values it names, as keys and evidence.
fn add_values(event: &mut Event<'_>, tokens: &[Token]) {
    let guarded = names_secret(tokens);
    let word = |at: usize| match tokens.get(at) {
        Some(Token::Word(word)) => Some(word.value.as_str()),
        _ => None,
    };
    let is = |at: usize, name: &str| word(at).is_some_and(|word| word.eq_ignore_ascii_case(name));
    let find = |name: &str| (0..tokens.len()).find(|at| is(*at, name));
    let (set, condition) = (find("set"), find("where"));
    let updates = is(0, "update") || is(0, "merge") || is(0, "with");
    // What stands behind `SET` and before `WHERE` is set.
    let sets = |at: usize| {
        updates && set.is_some_and(|set| set < at) && condition.is_none_or(|end| at < end)
    };
    let mut changes: Vec<(String, Option<String>)> = Vec::new();
    for (at, value) in tokens
        .iter()
        .enumerate()
        .filter_map(|(at, token)| Some((at, literal(token)?)))
        .take(MOST)
    {
        // `column = 'value'`
        let column = at
            .checked_sub(2)
            .filter(|_| tokens[at - 1] == Token::Eq)
            .and_then(word);
        if guarded && column.is_none_or(opens_something) {
            // That it was changed is to be seen; to what is not.
            let field = column.filter(|_| sets(at));
            changes.extend(field.map(|field| (field.to_owned(), None)));
            continue;
        }
        if matches!(tokens[at], Token::Number(..)) {
            // Smaller numbers tell nothing.
            if value.len() >= 3 {
                event.key(KeyKind::Value, value.to_owned());
            }
        } else {
            add_evidence(event, value);
        }
        if let Some(name) = column {
            if sets(at) {
                changes.push((name.to_owned(), Some(value.to_owned())));
            }
            add_named(event, name, Cow::Owned(value.to_owned()));
        }
    }
    if is(0, "insert") || is(0, "replace") {
        changes.extend(inserted(tokens));
    }
    for (name, value) in changes {
        if let Some(value) = value.as_deref().filter(|_| is_amount_name(&name)) {
            event.amount = event.amount.or_else(|| Amount::parse(value));
        }
        event.changes.push(Change {
            field: Cow::Owned(name),
            before: None,
            after: value.map(Cow::Owned),
        });
    }
}

/// What the parameters of a statement were, as a log has them beside it: ` #1(4):4711` (Oracle's binds, with the length
/// of each), `$1 = '4711'` (PostgreSQL), or a list with commas (pgaudit).
fn add_parameters(event: &mut Event<'_>, text: &str) {
    if text.len() > LONGEST {
        return;
    }
    let mut values: Vec<String> = Vec::new();
    if text.trim_start().starts_with("#1(") {
        let mut rest = text;
        while let Some((head, behind)) = rest.split_once("):") {
            let length = head.rsplit('(').next().and_then(|len| len.parse().ok());
            let Some(value) = length.and_then(|length: usize| behind.get(..length)) else {
                break;
            };
            values.push(value.to_owned());
            rest = &behind[value.len()..];
        }
    } else if text.contains("$1") {
        values.extend(tokens(text).iter().filter_map(literal).map(str::to_owned));
    } else {
        values.extend(text.split(',').map(str::to_owned));
    }
    for value in values.iter().take(MOST) {
        add_evidence(event, value);
    }
}

#[cfg(test)]
mod tests {
    use proptest::strategy::Strategy;

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
            add_statement(&mut event, statement, None, None);
            assert_eq!(event.kind, kind, "{statement}");
            assert_eq!(event.object.id.as_deref(), table, "{statement}");
        }
    }

    fn values(event: &Event<'_>) -> Vec<String> {
        let keys = event.keys.iter();
        let values = keys.filter(|(kind, _)| *kind == KeyKind::Value);
        values.map(|(_, value)| value.to_string()).collect()
    }

    fn changes(event: &Event<'_>) -> Vec<(String, String)> {
        let after = |change: &Change<'_>| change.after.as_deref().unwrap_or_default().to_owned();
        let changes = event.changes.iter();
        changes
            .map(|change| (change.field.to_string(), after(change)))
            .collect()
    }

    #[test]
    fn what_a_statement_sets_and_names() {
        for (statement, wanted, set) in [
            (
                "UPDATE t SET street = 'O''Hara Lane 12', n=n+1 WHERE t.order_no = 4500100",
                vec!["O'Hara Lane 12", "4500100"],
                vec![("street", "O'Hara Lane 12")],
            ),
            (
                "insert into t (id, note, at) values (4711, 'paid twice', now())",
                vec!["4711", "paid twice"],
                vec![("id", "4711"), ("note", "paid twice")],
            ),
            (
                "select * from t where a = 'x/y-1' -- 'no'",
                vec!["x/y-1"],
                vec![],
            ),
            (
                r"update t set a = 'it\'s late' where b = 'bcd'",
                vec!["it's late", "bcd"],
                vec![("a", "it's late")],
            ),
            // Cut by the log.
            (
                "update t set a = 'first', b = 'sec",
                vec!["first"],
                vec![("a", "first")],
            ),
            ("update t set a = $1 where b = ?", vec![], vec![]),
            ("", vec![], vec![]),
        ] {
            let mut event = Event::new(Kind::Other);
            add_statement(&mut event, statement, None, None);
            assert_eq!(values(&event), wanted, "{statement}");
            let set: Vec<(String, String)> = set
                .into_iter()
                .map(|(a, b)| (a.to_owned(), b.to_owned()))
                .collect();
            assert_eq!(changes(&event), set, "{statement}");
        }
    }

    #[test]
    fn what_opens_something_is_not_taken() {
        for (statement, parameters, wanted) in [
            ("ALTER USER bob IDENTIFIED BY 'Hunter2-4711'", None, vec![]),
            ("ALTER ROLE bob WITH PASSWORD 'Hunter2-4711'", None, vec![]),
            (
                "update users set password = 'Hunter2-4711', city = 'Oslo' where id = 4711",
                None,
                vec!["Oslo", "4711"],
            ),
            (
                "select 1 from users where password_hash = crypt('Hunter2-4711', salt)",
                None,
                vec![],
            ),
            (
                "insert into t (api_token, name) values ('Hunter2-4711', 'bob smith')",
                None,
                vec![],
            ),
            (
                "update users set password = $1 where id = $2",
                Some("$1 = 'Hunter2-4711', $2 = '4711'"),
                vec![],
            ),
            (
                "update users set city = $1",
                Some("$1 = 'Oslo'"),
                vec!["Oslo"],
            ),
        ] {
            let mut event = Event::new(Kind::Other);
            add_statement(&mut event, statement, parameters, None);
            assert_eq!(values(&event), wanted, "{statement}");
            let shown = |change: &Change<'_>| change.after.as_deref() != Some("Hunter2-4711");
            assert!(event.changes.iter().all(shown), "{statement}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_statement_stops_it(
            parts in proptest::collection::vec(
                proptest::prop_oneof![
                    proptest::sample::select(vec![
                        "update ", "set ", "where ", "insert into t(", "values(", "'", "\"", "$a$", "$1", "(", ")", "/*", "*/",
                        "--", "#1(", "):", "=", "\\", "'x'", "q'[", "u&'", "0x", "1e", ".", "\u{e9}",
                    ]).prop_map(str::to_owned),
                    ".{0,4}",
                ],
                0..40,
            ),
        ) {
            let text = parts.concat();
            let mut event = Event::new(Kind::Other);
            add_statement(&mut event, &text, Some(&text), None);
        }
    }

    #[test]
    fn parameters_beside_a_statement() {
        for (text, wanted) in [
            (
                " #1(4):4711 #2(14):120 Birch Lane",
                vec!["4711", "120 Birch Lane"],
            ),
            (" #1(90):47", vec![]),
            (
                "parameters: $1 = '4711', $2 = NULL, $3 = 'a, b'",
                vec!["4711", "a, b"],
            ),
            ("4711,Birch Lane", vec!["4711", "Birch Lane"]),
        ] {
            let mut event = Event::new(Kind::Other);
            add_parameters(&mut event, text);
            assert_eq!(values(&event), wanted, "{text}");
        }
    }

    #[test]
    fn statements_on_one_row_are_one_save() {
        for (statement, wanted) in [
            (
                "insert into shop.t (id, note) values ('A-1', 'x')",
                Some("9/shop.t/A-1"),
            ),
            (
                "update shop.t set note = 'y' where t.id = 'A-1' and n = 2",
                Some("9/shop.t/A-1"),
            ),
            ("delete from shop.t where id = 4711", Some("9/shop.t/4711")),
            (
                "update shop.item set state = 2 where order_no = '4500114'",
                Some("9/4500114"),
            ),
            (
                "update shop.t set note = 'y' where name = 'Eve Miller'",
                Some("9/c1e857732bb2a3e00878dd7e648774971c8b6034c8d2b20261447cdb6aa49e94"),
            ),
            ("update shop.t set note = 'y' where length(id) = 3", None),
            ("update shop.t set note = 'y' where token = 'abc'", None),
            ("update shop.t set note = 'y'", None),
            ("select * from shop.t where id = 4711", None),
        ] {
            let mut event = Event::new(Kind::Other);
            add_statement(&mut event, statement, None, Some("9".to_owned()));
            let mut keys = event.keys.iter();
            let save = keys.find(|(kind, _)| *kind == KeyKind::Transaction);
            assert_eq!(save.map(|(_, value)| &**value), wanted, "{statement}");
        }
    }

    #[test]
    fn the_comment_of_sqlcommenter() {
        let mut event = Event::new(Kind::Other);
        add_statement(
            &mut event,
            "select 1 /*traceparent='00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'*/",
            None,
            None,
        );
        assert_eq!(
            event.trace.as_deref(),
            Some("4bf92f3577b34da6a3ce929d0e0e4736")
        );
    }
}
