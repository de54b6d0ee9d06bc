//! A conversation is known again without any id, by what each request repeats of it.

use super::Ask;
use crate::model::Digest;

/// Answers that a request is known to go on from, the last ones: requests between can be lost.
const MOST_CONTINUED: usize = 3;

/// A conversation so far: what one request sends, the next one repeats, so that its digest joins
/// them without any id. Messages count as they stand in the request, the answer by its text and
/// the marks of its calls, because it stands there in another form.
#[derive(Clone, Debug, Default)]
pub struct Prefix(Vec<u8>);

impl Prefix {
    /// Adds a message: its parts as they stand in the request. Gives its digest.
    fn message(&mut self, parts: &[&str]) -> Digest {
        // Each message is a digest of its own, so that they cannot run into each other.
        let digest = Digest::of_parts(parts);
        self.0.extend_from_slice(&digest.0[..16]);
        digest
    }

    /// The digest if the conversation goes on with that answer.
    #[must_use]
    pub fn with_answer<'c>(&self, text: &str, calls: impl Iterator<Item = &'c str>) -> String {
        let mut bytes = Vec::with_capacity(self.0.len() + text.len() + 64);
        bytes.extend_from_slice(&self.0);
        bytes.push(0);
        // Blanks do not count. Each byte is written, and the next one over it where it was a blank: that
        // needs no branch, of which a text has one in five wrong.
        let mut end = bytes.len();
        bytes.resize(end + text.len(), 0);
        for byte in text.bytes() {
            bytes[end] = byte;
            end += usize::from(!byte.is_ascii_whitespace());
        }
        bytes.truncate(end);
        for id in calls {
            bytes.push(0);
            bytes.extend_from_slice(id.as_bytes());
        }
        Digest::of(&bytes).short(32)
    }
}

/// A request's conversation while its messages are gone through, in their order.
#[derive(Debug)]
pub struct Conversation {
    so_far: Prefix,
    continues: Vec<String>,
    /// Answers still to come.
    left: usize,
    empty: bool,
}

impl Conversation {
    /// Of a request that repeats so many answers of the model.
    #[must_use]
    pub fn with_answers(answers: usize) -> Self {
        Self {
            so_far: Prefix::default(),
            continues: Vec::new(),
            left: answers,
            empty: true,
        }
    }

    /// An answer that the request repeats, before its messages are added: its text and the marks of its calls, which are
    /// asked for only of the last ones.
    pub fn answer(&mut self, said: impl FnOnce() -> (String, Vec<String>)) {
        self.left = self.left.saturating_sub(1);
        if self.left < MOST_CONTINUED {
            let (text, marks) = said();
            let marks = marks.iter().map(String::as_str);
            self.continues.push(self.so_far.with_answer(&text, marks));
        }
    }

    /// A message, by its parts as they stand in the request. Gives its digest.
    pub fn message(&mut self, parts: &[&str]) -> Digest {
        self.empty = false;
        self.so_far.message(parts)
    }

    /// Puts what it comes to where it belongs.
    pub fn done(self, ask: &mut Ask<'_>) {
        ask.continues = self.continues;
        ask.so_far = (!self.empty).then_some(self.so_far);
    }
}
