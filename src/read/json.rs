//! Where JSON values begin and end, byte by byte, without building them.

/// Walks a JSON value; strings and escapes are honoured, nothing is validated.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Walker {
    depth: u32,
    in_string: bool,
    escaped: bool,
}

impl Walker {
    /// Takes one byte; `true` when it closes the outermost object, array or string.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        if self.in_string {
            if self.escaped {
                self.escaped = false;
            } else if byte == b'\\' {
                self.escaped = true;
            } else if byte == b'"' {
                self.in_string = false;
                return self.depth == 0;
            }
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            _ => {}
        }
        false
    }
}

/// End (exclusive) of the object, array or string that begins at `start`, `None` if it is not
/// closed within `bytes`.
#[must_use]
pub fn value_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut walker = Walker::default();
    bytes[start..]
        .iter()
        .position(|byte| walker.take(*byte))
        .map(|at| start + at + 1)
}

/// Names under which exports put their list of records.
const LIST_NAMES: &[&str] = &[
    "value", "Records", "records", "data", "items", "events", "Events", "logs", "results",
    "entries",
];

/// In an object that begins at `start`: the name of a member on its first level that is a known
/// list of objects, and the offset just behind the list's `[`.
#[must_use]
pub fn find_list(bytes: &[u8], start: usize) -> Option<(&str, usize)> {
    let mut at = start + 1;
    loop {
        at = skip_blank(bytes, at)?;
        if bytes[at] == b',' {
            at = skip_blank(bytes, at + 1)?;
        }
        if bytes[at] != b'"' {
            return None;
        }
        let name_end = value_end(bytes, at)?;
        let name = std::str::from_utf8(&bytes[at + 1..name_end - 1]).ok()?;
        at = skip_blank(bytes, name_end)?;
        if bytes[at] != b':' {
            return None;
        }
        at = skip_blank(bytes, at + 1)?;
        match bytes[at] {
            b'[' if LIST_NAMES.contains(&name) => {
                let first = skip_blank(bytes, at + 1)?;
                if bytes[first] == b'{' {
                    return Some((name, at + 1));
                }
                at = value_end(bytes, at)?;
            }
            b'{' | b'[' | b'"' => at = value_end(bytes, at)?,
            _ => at += bytes[at..].iter().position(|b| matches!(b, b',' | b'}'))?,
        }
    }
}

fn skip_blank(bytes: &[u8], from: usize) -> Option<usize> {
    bytes
        .get(from..)?
        .iter()
        .position(|b| !b.is_ascii_whitespace())
        .map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends() {
        assert_eq!(value_end(br#"{"a":"}\"","b":[1]} x"#, 0), Some(19));
        assert_eq!(value_end(br#"{"a":"}"#, 0), None);
    }

    #[test]
    fn lists() {
        let text = br#"{"@odata.context":"x","n":1,"value": [ {"Id":1}]}"#;
        assert_eq!(find_list(text, 0), Some(("value", 38)));
        assert_eq!(find_list(br#"{"a":[1,2],"data":["x"]}"#, 0), None);
        assert_eq!(find_list(br#"{"nested":{"value":[{}]}}"#, 0), None);
    }
}
