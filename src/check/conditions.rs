//! Conditions between two events of a task.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::record::Record;
use crate::model::{Amount, same_user};

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Equal,
    Unequal,
    AtLeast,
    AtMost,
    More,
    Less,
}

/// `what.actor != when.actor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    left: (Side, String),
    relation: Relation,
    right: (Side, String),
}

/// Which of the two events a field is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    What,
    Other,
}

impl Condition {
    /// Reads `what.FIELD OP when.FIELD`; the other side is called `when`, `after` or `with`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [left, operator, right] = words.as_slice() else {
            return Err(format!(
                "`{text}` is not of the form `what.field == when.field`"
            ));
        };
        let relation = match *operator {
            "==" => Relation::Equal,
            "!=" => Relation::Unequal,
            ">=" => Relation::AtLeast,
            "<=" => Relation::AtMost,
            ">" => Relation::More,
            "<" => Relation::Less,
            other => {
                return Err(format!(
                    "`{other}` is no comparison; use == != >= <= > or <"
                ));
            }
        };
        Ok(Self {
            left: side(left)?,
            relation,
            right: side(right)?,
        })
    }

    /// As it was written.
    pub(super) fn text(&self) -> String {
        let name = |(side, field): &(Side, String)| match side {
            Side::What => format!("what.{field}"),
            Side::Other => format!("other.{field}"),
        };
        let relation = match self.relation {
            Relation::Equal => "==",
            Relation::Unequal => "!=",
            Relation::AtLeast => ">=",
            Relation::AtMost => "<=",
            Relation::More => ">",
            Relation::Less => "<",
        };
        format!("{} {relation} {}", name(&self.left), name(&self.right))
    }

    /// Names of the fields it compares.
    pub(super) fn fields(&self) -> [&str; 2] {
        [&self.left.1, &self.right.1]
    }

    /// The two values that it compares, where they are logged.
    pub(super) fn values(&self, what: &dyn Record, other: &dyn Record) -> [Option<String>; 2] {
        [&self.left, &self.right].map(|(side, field)| {
            let record = match side {
                Side::What => what,
                Side::Other => other,
            };
            record.field(field).map(Cow::into_owned)
        })
    }

    /// Whether it holds; never for a value that is not logged.
    pub(super) fn holds(&self, what: &dyn Record, other: &dyn Record) -> bool {
        let [Some(left), Some(right)] = self.values(what, other) else {
            return false;
        };
        let is_user =
            |(_, field): &(Side, String)| matches!(field.as_str(), "actor" | "on_behalf_of");
        if is_user(&self.left) && is_user(&self.right) {
            let same = same_user(&left, &right);
            match self.relation {
                Relation::Equal => return same,
                Relation::Unequal => return !same,
                _ => {}
            }
        }
        let numbers = Amount::parse(&left).zip(Amount::parse(&right));
        let order = match numbers {
            Some((left, right)) => left.cmp(&right),
            None => left.to_lowercase().cmp(&right.to_lowercase()),
        };
        match self.relation {
            Relation::Equal => order == Ordering::Equal,
            Relation::Unequal => order != Ordering::Equal,
            Relation::AtLeast => order != Ordering::Less,
            Relation::AtMost => order != Ordering::Greater,
            Relation::More => order == Ordering::Greater,
            Relation::Less => order == Ordering::Less,
        }
    }
}

fn side(text: &str) -> Result<(Side, String), String> {
    match text.split_once('.') {
        Some(("what", field)) => Ok((Side::What, field.to_owned())),
        Some(("when" | "after" | "with", field)) => Ok((Side::Other, field.to_owned())),
        _ => Err(format!(
            "`{text}` begins with none of `what.`, `when.`, `after.` and `with.`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert!(Condition::parse("what.actor != when.actor").is_ok());
        assert!(Condition::parse("what.actor when.actor").is_err());
        assert!(Condition::parse("what.actor = when.actor").is_err());
        assert!(Condition::parse("actor == when.actor").is_err());
    }
}
