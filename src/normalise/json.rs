//! Lenient pieces for typed JSON: values that are sometimes strings and sometimes not.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A text, borrowed where it needs no unescaping. Numbers and booleans become their text, of a
/// list the first element counts, an object gives an empty text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text<'a>(pub Cow<'a, str>);

impl<'a> Text<'a> {
    /// The text, `None` if it is empty.
    #[must_use]
    pub fn some(self) -> Option<Cow<'a, str>> {
        (!self.0.is_empty()).then_some(self.0)
    }
}

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_string<E>(self, text: String) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text)))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(if value { "true" } else { "false" })))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(value.to_string())))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(value.to_string())))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(value.to_string())))
            }

            fn visit_unit<E>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }

            fn visit_none<E>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }

            fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Text<'de>, D::Error> {
                Text::deserialize(inner)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Text<'de>, A::Error> {
                let first = seq.next_element::<Text<'de>>()?.unwrap_or_default();
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(first)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text<'de>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Text::default())
            }
        }

        deserializer.deserialize_any(TextVisitor)
    }
}

/// An object of texts in its own order (headers, metadata); anything else is empty.
#[derive(Clone, Debug, Default)]
pub struct Pairs<'a>(pub Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Pairs<'a> {
    /// The value of a name, case aside; empty values and `-` are `None`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        self.0
            .iter()
            .find(|(have, _)| have.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.clone())
            .filter(|value| !value.is_empty() && value != "-")
    }

    /// The value of the first of these names.
    #[must_use]
    pub fn first(&self, names: &[&str]) -> Option<Cow<'a, str>> {
        names.iter().find_map(|name| self.get(name))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;

        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some((name, value)) = map.next_entry::<Text<'de>, Text<'de>>()? {
                    pairs.push((name.0, value.0));
                }
                Ok(Pairs(pairs))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Pairs<'de>, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Pairs::default())
            }

            fn visit_unit<E>(self) -> Result<Pairs<'de>, E> {
                Ok(Pairs::default())
            }

            fn visit_str<E>(self, _: &str) -> Result<Pairs<'de>, E> {
                Ok(Pairs::default())
            }

            fn visit_bool<E>(self, _: bool) -> Result<Pairs<'de>, E> {
                Ok(Pairs::default())
            }

            fn visit_i64<E>(self, _: i64) -> Result<Pairs<'de>, E> {
                Ok(Pairs::default())
            }

            fn visit_u64<E>(self, _: u64) -> Result<Pairs<'de>, E> {
                Ok(Pairs::default())
            }
        }

        deserializer.deserialize_any(PairsVisitor)
    }
}

/// A JSON text that was cut, closed where it was cut: a text goes as far as it went, a name without value
/// and a number that may be half of one are left out. `None` if nothing is there to close.
pub(super) fn close_cut(text: &str) -> Option<String> {
    let text = text.trim_end();
    let mut open: Vec<u8> = Vec::new();
    let (mut in_string, mut after_colon) = (false, false);
    // Where the escape that is being read begins, and how many bytes of it are to come.
    let mut escape: Option<(usize, u8)> = None;
    // Behind it stands nothing that is not whole.
    let mut safe = 0;
    for (at, byte) in text.bytes().enumerate() {
        if in_string {
            escape = match (escape, byte) {
                (Some((start, 1)), b'u') if start + 1 == at => Some((start, 4)),
                (Some((_, 1)), _) => None,
                (Some((start, more)), _) => Some((start, more - 1)),
                (None, b'\\') => Some((at, 1)),
                (None, b'"') => {
                    in_string = false;
                    if after_colon || open.last() == Some(&b'[') {
                        safe = at + 1;
                    }
                    None
                }
                (None, _) => None,
            };
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b':' => after_colon = true,
            b',' => {
                safe = at;
                after_colon = false;
            }
            b'{' | b'[' => {
                open.push(byte);
                safe = at + 1;
                after_colon = false;
            }
            b'}' | b']' => {
                open.pop()?;
                safe = at + 1;
                // Of what is around it, this was the value.
                after_colon = true;
            }
            _ => {}
        }
    }
    if open.is_empty() {
        return None;
    }
    let mut closed = if in_string && (after_colon || open.last() == Some(&b'[')) {
        // Half an escape is no part of the text.
        let end = escape.map_or(text.len(), |(start, _)| start);
        format!("{}\"", &text[..end])
    } else {
        text[..safe].to_owned()
    };
    while let Some(bracket) = open.pop() {
        closed.push(if bracket == b'{' { '}' } else { ']' });
    }
    serde_json::from_str::<serde::de::IgnoredAny>(&closed)
        .is_ok()
        .then_some(closed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Sample<'a> {
        #[serde(borrow)]
        a: Option<Text<'a>>,
        #[serde(borrow, default)]
        h: Pairs<'a>,
    }

    #[test]
    fn anything_is_a_text() {
        for (json, want) in [
            (r#"{"a":"x"}"#, Some("x")),
            (r#"{"a":12}"#, Some("12")),
            (r#"{"a":["p","q"]}"#, Some("p")),
            (r#"{"a":{"b":1}}"#, Some("")),
            (r#"{"a":null}"#, None),
            ("{}", None),
        ] {
            let sample: Sample<'_> = serde_json::from_str(json).unwrap();
            assert_eq!(sample.a.as_deref(), want, "{json}");
        }
    }

    #[test]
    fn what_was_cut_is_closed() {
        for (cut, closed) in [
            (
                r#"{"a":1,"b":[{"c":"te"#,
                Some(r#"{"a":1,"b":[{"c":"te"}]}"#),
            ),
            (r#"{"a":1,"b":12"#, Some(r#"{"a":1}"#)),
            (r#"{"a":"x","nam"#, Some(r#"{"a":"x"}"#)),
            (r#"{"a":"x","name":"#, Some(r#"{"a":"x"}"#)),
            (r#"{"a":"x\"#, Some(r#"{"a":"x"}"#)),
            (r#"{"a":"x\u00e"#, Some(r#"{"a":"x"}"#)),
            (r#"{"a":"x\\"#, Some(r#"{"a":"x\\"}"#)),
            (r#"{"a":{"b":1}"#, Some(r#"{"a":{"b":1}}"#)),
            (r#"["a","b"#, Some(r#"["a","b"]"#)),
            ("{", Some("{}")),
            (r#"{"a":1}"#, None),
            ("}", None),
            ("", None),
        ] {
            assert_eq!(close_cut(cut).as_deref(), closed, "{cut}");
        }
    }

    #[test]
    fn plain_texts_are_borrowed() {
        let sample: Sample<'_> = serde_json::from_str(r#"{"a":"x","h":{"K":["v"]}}"#).unwrap();
        assert!(matches!(sample.a.unwrap().0, Cow::Borrowed("x")));
        assert_eq!(sample.h.get("k").unwrap(), "v");
    }
}
