//! Business identifiers found by the names they go by: arguments of a tool call, query parameters,
//! path segments, words in a request.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::model::{Amount, Event, KeyKind};

/// Word stems and what a number under such a name identifies. The first that fits decides, so
/// `SupplierInvoice` is an invoice and `customer_order_id` an order.
const STEMS: &[(&str, KeyKind)] = &[
    ("invoice", KeyKind::Invoice),
    ("rechnung", KeyKind::Invoice),
    ("belnr", KeyKind::Invoice),
    ("order", KeyKind::Order),
    ("ebeln", KeyKind::Order),
    ("vbeln", KeyKind::Order),
    ("case", KeyKind::Case),
    ("ticket", KeyKind::Case),
    ("incident", KeyKind::Case),
    ("customer", KeyKind::Customer),
    ("kunnr", KeyKind::Customer),
    ("lifnr", KeyKind::Customer),
    ("vendor", KeyKind::Customer),
    ("supplier", KeyKind::Customer),
    ("contact", KeyKind::Customer),
    ("account", KeyKind::Account),
    ("document", KeyKind::Document),
    ("email", KeyKind::User),
    ("user", KeyKind::User),
];

/// Parts of a name that say that the value describes the thing and does not identify it.
const DESCRIPTIONS: &[&str] = &[
    "amount",
    "date",
    "status",
    "type",
    "total",
    "text",
    "name",
    "currency",
    "reason",
    "count",
    "limit",
    "note",
    "comment",
    "line",
    "item",
    "year",
    "description",
    "agent",
    "sort",
    "by",
];

/// What kind of key a value under that name is.
#[must_use]
pub(crate) fn kind_of_name(name: &str) -> Option<KeyKind> {
    let lower = name.to_ascii_lowercase();
    let (stem, kind) = STEMS.iter().find(|(stem, _)| lower.contains(stem))?;
    let rest = lower.replacen(stem, "", 1);
    let described = rest.split(|c: char| !c.is_ascii_alphabetic()).any(|word| {
        DESCRIPTIONS
            .iter()
            .any(|d| word == *d || (d.len() > 3 && word.ends_with(d)))
    });
    (!described).then_some(*kind)
}

/// Whether a value can be an identifier: short, no blanks inside, with a digit (or an address).
pub(super) fn looks_like_id(value: &str) -> bool {
    (3..=64).contains(&value.len())
        && !value.contains(char::is_whitespace)
        && (value.bytes().any(|b| b.is_ascii_digit()) || value.contains('@'))
}

/// Adds a key for a named value, if the name says what it is.
pub(super) fn add_named<'a>(event: &mut Event<'a>, name: &str, value: Cow<'a, str>) {
    let Some(kind) = kind_of_name(name) else {
        return;
    };
    let value = match value {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    };
    if kind == KeyKind::User && !value.contains('@') && !name.to_ascii_lowercase().contains("user")
    {
        return;
    }
    if looks_like_id(&value) {
        event.key(kind, value);
    }
}

/// Keys, amount and currency out of a tool call's arguments (a JSON object).
pub(crate) fn add_arguments(event: &mut Event<'_>, arguments: &str) {
    const MOST: usize = 64 << 10;
    if arguments.len() > MOST {
        return;
    }
    if let Ok(value) = serde_json::from_str::<Value>(arguments) {
        add_value(event, "", &value, 0);
    }
}

fn add_value(event: &mut Event<'_>, name: &str, value: &Value, depth: u8) {
    match value {
        Value::Object(members) if depth < 4 => {
            let members = members.iter().filter(|(name, _)| !opens_something(name));
            for (name, value) in members.take(64) {
                add_value(event, name, value, depth + 1);
            }
        }
        Value::Array(items) if depth < 4 => {
            for item in items.iter().take(16) {
                add_value(event, name, item, depth + 1);
            }
        }
        Value::String(text) => {
            add_evidence(event, text);
            if name.eq_ignore_ascii_case("currency") && text.len() == 3 {
                event
                    .currency
                    .get_or_insert_with(|| Cow::Owned(text.to_ascii_uppercase()));
            } else if is_amount_name(name) {
                event.amount = event.amount.or_else(|| Amount::parse(text));
            } else {
                add_named(event, name, Cow::Owned(text.clone()));
            }
        }
        Value::Number(number) => {
            event.key(KeyKind::Value, number.to_string());
            if is_amount_name(name) {
                event.amount = event.amount.or_else(|| Amount::parse(&number.to_string()));
            } else {
                add_named(event, name, Cow::Owned(number.to_string()));
            }
        }
        _ => {}
    }
}

static QUOTED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"["']+([^"'{}\[\]]{3,96})["']+\s*[,}\]\s]"#)
        .unwrap_or_else(|error| unreachable!("constant pattern: {error}"))
});

static ID_LIKE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"#?[A-Za-z0-9][A-Za-z0-9_.@-]*\d[A-Za-z0-9_@-]{2,60}")
        .unwrap_or_else(|error| unreachable!("constant pattern: {error}"))
});

/// A value that was passed or stored, as evidence of who did it: of JSON and queries in a text the
/// values inside.
pub(super) fn add_evidence(event: &mut Event<'_>, text: &str) {
    const MOST: usize = 24;
    let text = text.trim();
    let nested = text.starts_with(['{', '[']) || text.contains("='");
    if nested {
        let padded = format!("{text} ");
        for found in QUOTED.captures_iter(&padded).take(MOST) {
            event.key(KeyKind::Value, found[1].to_owned());
        }
    } else if (3..=512).contains(&text.len()) {
        event.key(KeyKind::Value, text.to_owned());
    }
}

/// The first `most` bytes of a text, as far as the word goes that its last digit is in: nothing behind it
/// is an identifier with a number, and patterns need not look there.
fn up_to_last_number(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = &text[..end];
    // Other scripts have digits of their own.
    if !text.is_ascii() {
        return text;
    }
    let Some(digit) = text.bytes().rposition(|byte| byte.is_ascii_digit()) else {
        return "";
    };
    let word = text.as_bytes()[digit..].iter();
    let rest = word.take_while(|byte| !byte.is_ascii_whitespace()).count();
    &text[..digit + rest]
}

/// What can be an identifier in a text that something gave back.
pub(crate) fn add_learned(event: &mut Event<'_>, text: &str) {
    const MOST: usize = 24;
    const LONGEST: usize = 8 << 10;
    for found in ID_LIKE
        .find_iter(up_to_last_number(text, LONGEST))
        .take(MOST)
    {
        event.key(KeyKind::Value, found.as_str().to_owned());
    }
}

/// What an event changed, and where, as evidence.
pub(crate) fn add_changed(event: &mut Event<'_>) {
    const MOST: usize = 24;
    let values: Vec<String> = event
        .changes
        .iter()
        .take(MOST)
        .filter_map(|change| change.after.as_deref().map(str::to_owned))
        .collect();
    for value in values {
        add_evidence(event, &value);
        // A text names what it is about: "cancel order SO-4711".
        if value.contains(char::is_whitespace) && value.bytes().any(|byte| byte.is_ascii_digit()) {
            add_learned(event, &value);
        }
    }
    if let Some(id) = event.object.id.as_deref().map(str::to_owned) {
        for part in id.split('/') {
            event.key(KeyKind::Value, part.to_owned());
        }
        // A description has the number among words: "Sales Order 4711".
        if id.contains(char::is_whitespace) {
            add_learned(event, &id);
        }
    }
}

/// Whether a value under that name opens something: it is no evidence, and stays in the raw record, which is protected.
pub(super) fn opens_something(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "token",
        "apikey",
        "api_key",
        "api-key",
        "secret",
        "pwd",
        "sig",
        "signature",
        "auth",
        "authorization",
        "assertion",
    ];
    const ENDS: &[&str] = &[
        "_token",
        "-token",
        "_secret",
        "-secret",
        "-signature",
        "-credential",
    ];
    const PARTS: &[&str] = &["password", "passwd"];
    let name = name.to_ascii_lowercase();
    NAMES.contains(&name.as_str())
        || ENDS.iter().any(|end| name.ends_with(end))
        || PARTS.iter().any(|part| name.contains(part))
}

/// Whether a field of that name holds an amount of money.
pub(super) fn is_amount_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower == "total"
        || lower.ends_with("amount")
        || lower == "wrbtr"
        || lower == "dmbtr"
        || lower == "rmwwr"
        || lower.ends_with("_total")
        || lower == "amount__c"
}

static MENTION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?ix) \b (?: (?P<word>invoice|order|customer|case|account|document|ticket) s?
            (?: \s+ (?:no\.?|number|nr\.?|id) )? \s* [:\#]? \s* (?P<number> [A-Z]{0,5} [-_]? \d{3,} [A-Z0-9-]* )
          | (?P<inv> INV [-_] \d{3,} ) ) \b",
    )
    .unwrap_or_else(|error| unreachable!("constant pattern: {error}"))
});

/// Keys that people write in a request: "please correct invoice 4711", "INV-4711".
pub(super) fn add_mentions<'a>(event: &mut Event<'a>, text: &str) {
    const MOST: usize = 16 << 10;
    let text = up_to_last_number(text, MOST);
    for found in MENTION.captures_iter(text).take(16) {
        if let Some(number) = found.name("inv") {
            event.key(KeyKind::Invoice, number.as_str().to_owned());
        } else if let (Some(word), Some(number)) = (found.name("word"), found.name("number"))
            && let Some(kind) = kind_of_name(word.as_str())
        {
            event.key(kind, number.as_str().to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Kind;

    #[test]
    fn names() {
        for (name, want) in [
            ("invoice_id", Some(KeyKind::Invoice)),
            ("SupplierInvoice", Some(KeyKind::Invoice)),
            ("invoice_amount", None),
            ("invoiceDate", None),
            ("orderNumber", Some(KeyKind::Order)),
            ("sort_by", None),
            ("order_by", None),
            ("colour", None),
        ] {
            assert_eq!(kind_of_name(name), want, "{name}");
        }
    }

    #[test]
    fn texts_end_with_their_last_number() {
        for (text, want) in [
            ("pay invoice INV-4711a, please", "pay invoice INV-4711a,"),
            ("no number", ""),
            ("order 12", "order 12"),
            ("\u{e4} 4711 \u{662} tail", "\u{e4} 4711 \u{662} tail"),
        ] {
            assert_eq!(up_to_last_number(text, 1000), want);
        }
        assert_eq!(up_to_last_number("ab 12 cd 34", 7), "ab 12");
    }

    #[test]
    fn arguments() {
        let mut event = Event::new(Kind::ToolCall);
        add_arguments(
            &mut event,
            r#"{"invoice_id":"INV-4711","amount":1250.5,"currency":"eur","lines":[{"order":"4500001"}]}"#,
        );
        assert_eq!(event.amount, Amount::parse("1250.50"));
        assert_eq!(event.currency.as_deref(), Some("EUR"));
        let kinds: Vec<_> = event
            .keys
            .iter()
            .map(|(kind, value)| (*kind, &**value))
            .collect();
        assert!(kinds.contains(&(KeyKind::Invoice, "INV-4711")));
        assert!(kinds.contains(&(KeyKind::Order, "4500001")));
    }

    #[test]
    fn mentions() {
        let mut event = Event::new(Kind::Request);
        add_mentions(
            &mut event,
            "Please correct invoice 4711 and INV-4712 of order no. SO-99123, in order to",
        );
        let values: Vec<_> = event.keys.iter().map(|(_, value)| &**value).collect();
        assert_eq!(values, ["4711", "INV-4712", "SO-99123"]);
    }
}
