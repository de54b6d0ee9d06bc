//! JSON Canonicalization Scheme (RFC 8785), without numbers that are no integers: their form is that of
//! ECMAScript, and a wrong guess would call a good signature bad.

use serde_json::Value;

/// The canonical form of a value; `None` if a number in it is no integer.
pub(super) fn canonical(value: &Value) -> Option<String> {
    let mut out = String::new();
    write(value, &mut out)?;
    Some(out)
}

fn write(value: &Value, out: &mut String) -> Option<()> {
    match value {
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (at, name) in names.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&serde_json::to_string(name).ok()?);
                out.push(':');
                write(&members[name], out)?;
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(item, out)?;
            }
            out.push(']');
        }
        Value::Number(number) if number.is_f64() => return None,
        other => out.push_str(&other.to_string()),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_by_utf_16_units() {
        let value = serde_json::json!({"\u{20ac}": 1, "\r": 2, "1": [true, null, "a\"\u{f}"], "\u{1f600}": 3, "\u{fb33}": 4});
        // Section 3.2.3 of the RFC: the surrogate pair of U+1F600 comes before U+FB33.
        assert_eq!(
            canonical(&value).unwrap(),
            "{\"\\r\":2,\"1\":[true,null,\"a\\\"\\u000f\"],\"\u{20ac}\":1,\"\u{1f600}\":3,\"\u{fb33}\":4}"
        );
        assert_eq!(canonical(&serde_json::json!([1.5])), None);
    }
}
