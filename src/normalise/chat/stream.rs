//! Server-sent events (WHATWG HTML, section 9.2): the data lines of a streamed answer.

/// The `data:` payloads of a stream, without the closing `[DONE]`.
pub fn sse_data(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .map(str::trim)
        .filter(|data| !data.is_empty() && *data != "[DONE]")
}
