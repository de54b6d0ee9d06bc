//! A statement cut in its tokens, and what these say by where they stand.

use std::borrow::Cow;

use sqlparser::dialect::{Dialect, GenericDialect, MySqlDialect};
use sqlparser::tokenizer::{Token, Tokenizer};

use super::MOST;
use crate::normalise::names::opens_something;

/// The tokens of a statement but blanks and comments, as far as it can be cut: logs end statements early.
pub(super) fn tokens(statement: &str) -> Vec<Token> {
    let cut = |dialect: &dyn Dialect| {
        let mut found = Vec::new();
        let cut = Tokenizer::new(dialect, statement).tokenize_with_location_into_buf(&mut found);
        (found, cut.is_ok())
    };
    let (mut found, whole) = cut(&GenericDialect {});
    if !whole {
        // MySQL escapes with a backslash.
        let (other, whole) = cut(&MySqlDialect {});
        if whole {
            found = other;
        }
    }
    let tokens = found.into_iter().map(|found| found.token);
    tokens
        .filter(|token| !matches!(token, Token::Whitespace(_)))
        .collect()
}

/// The value of a literal.
pub(super) fn literal(token: &Token) -> Option<&str> {
    match token {
        Token::SingleQuotedString(text)
        | Token::NationalStringLiteral(text)
        | Token::EscapedStringLiteral(text)
        | Token::Number(text, _) => Some(text),
        Token::DollarQuotedString(text) => Some(&text.value),
        _ => None,
    }
}

/// Whether a statement has to do with what opens something: then only values of other columns are taken.
pub(super) fn names_secret(tokens: &[Token]) -> bool {
    tokens.iter().any(|token| match token {
        Token::Word(word) => {
            opens_something(&word.value) || word.value.eq_ignore_ascii_case("identified")
        }
        _ => false,
    })
}

/// The row that a statement changes: the first value that it inserts, or that a condition begins with
/// (`WHERE t.id = 4711`).
pub(super) fn row(tokens: &[Token]) -> Option<Cow<'_, str>> {
    let is = |token: &Token, name: &str| match token {
        Token::Word(word) => word.value.eq_ignore_ascii_case(name),
        _ => false,
    };
    let first = tokens.first()?;
    if is(first, "insert") || is(first, "replace") {
        let (_, value) = inserted(tokens).into_iter().next()?;
        return value.map(Cow::Owned);
    }
    let condition = tokens.iter().position(|token| is(token, "where"))?;
    let condition = &tokens[condition + 1..];
    let equals = condition.iter().position(|token| *token == Token::Eq)?;
    let is_column = |token: &Token| match token {
        Token::Word(word) => !opens_something(&word.value),
        token => *token == Token::Period,
    };
    let column = condition[..equals].iter().all(is_column);
    let value = condition.get(equals + 1).and_then(literal);
    value.filter(|_| column).map(Cow::Borrowed)
}

/// Columns and values of the first row of an `INSERT INTO t (a, b) VALUES (1, 2)`.
pub(super) fn inserted(tokens: &[Token]) -> Vec<(String, Option<String>)> {
    /// What stands between a bracket and the next that closes one, by its commas.
    fn list(tokens: &[Token]) -> Option<(Vec<&[Token]>, &[Token])> {
        let open = tokens.iter().position(|token| *token == Token::LParen)?;
        let inside = &tokens[open + 1..];
        let mut depth = 0usize;
        let close = inside.iter().position(|token| {
            match token {
                Token::LParen => depth += 1,
                Token::RParen if depth == 0 => return true,
                Token::RParen => depth -= 1,
                _ => {}
            }
            false
        })?;
        let cells = inside[..close].split(|token| *token == Token::Comma);
        Some((cells.collect(), &inside[close + 1..]))
    }
    let Some((columns, rest)) = list(tokens) else {
        return Vec::new();
    };
    let Some((values, _)) = list(rest) else {
        return Vec::new();
    };
    let pairs = columns.iter().zip(&values).take(MOST);
    pairs
        .filter_map(|(column, value)| match (column, value) {
            ([.., Token::Word(name)], [value]) if !opens_something(&name.value) => {
                Some((name.value.clone(), Some(literal(value)?.to_owned())))
            }
            _ => None,
        })
        .collect()
}
