//! Log content is hostile: nothing of it reaches a terminal, a spreadsheet or a report raw.

/// A number of things, with the word for them: `1 event`, `2 batches`.
#[must_use]
pub fn count(number: u64, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ if one.ends_with("ch") => format!("{number} {one}es"),
        _ => format!("{number} {one}s"),
    }
}

/// The text with control characters, escape sequences and direction overrides made visible.
#[must_use]
pub fn terminal(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{feff}' => {
                out.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
            }
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// A cell of a CSV file (RFC 4180) that no spreadsheet takes for a formula.
#[must_use]
pub fn csv_cell(text: &str) -> String {
    let text = terminal(text);
    let formula = text.starts_with(['=', '+', '-', '@']);
    let text = if formula { format!("'{text}") } else { text };
    if text
        .bytes()
        .any(|byte| matches!(byte, b',' | b'"' | b'\n' | b';'))
    {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

/// Text in Markdown that stays text: no markup, no HTML, no table cells, no links.
#[must_use]
pub fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in terminal(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    // Bare addresses become links in many renderers.
    out.replace("://", ":&#8203;//")
}

/// Cuts a text to that many columns of a terminal, with an ellipsis.
#[must_use]
pub fn cut(text: &str, columns: usize) -> String {
    use unicode_width::UnicodeWidthChar;
    let mut width = 0;
    let mut out = String::new();
    for c in text.chars() {
        let w = c.width().unwrap_or(0);
        if width + w > columns {
            while width + 1 > columns {
                match out.pop() {
                    Some(last) => width -= last.width().unwrap_or(0),
                    None => return out,
                }
            }
            out.push('…');
            return out;
        }
        width += w;
        out.push(c);
    }
    out
}

/// As [`cut`], from the front: of a path the end says more.
#[must_use]
pub fn cut_front(text: &str, columns: usize) -> String {
    let turned: String = text.chars().rev().collect();
    cut(&turned, columns).chars().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_shown() {
        assert_eq!(terminal("a\u{1b}[31mb\u{202e}"), "a\\x1b[31mb\\u{202e}");
        assert_eq!(terminal("a\nb\0"), "a b\\x00");
    }

    #[test]
    fn counts_and_cuts() {
        assert_eq!(count(1, "batch"), "1 batch");
        assert_eq!(count(2, "batch"), "2 batches");
        assert_eq!(count(0, "event"), "0 events");
        assert_eq!(cut_front("dumps/sap_cdhdr.csv", 10), "…cdhdr.csv");
        assert_eq!(cut_front("a.csv", 10), "a.csv");
    }

    #[test]
    fn formulas_are_defused() {
        assert_eq!(csv_cell("=1+1"), "'=1+1");
        assert_eq!(csv_cell("a,\"b\""), "\"a,\"\"b\"\"\"");
    }

    #[test]
    fn markup_stays_text() {
        assert_eq!(markdown("<b>|x|</b>"), "&lt;b&gt;\\|x\\|&lt;/b&gt;");
        assert!(!markdown("https://evil").contains("://"));
    }

    #[test]
    fn cutting() {
        assert_eq!(cut("hello", 5), "hello");
        assert_eq!(cut("hello!", 5), "hell…");
        assert_eq!(cut("日本語", 4), "日…");
    }
}
