//! OpenAI Chat Completions, as request and response pairs.
//!
//! - Vendor document: API reference, Chat.
//! - Detection: the bodies' own members (`object`, `type`, `choices`, `content`).
//! - Time: the wrapper's, else the HTTP `Date`, else the body's `created`; UTC.
//! - Ids: response id, tool-call ids, request id, trace and conversation of headers and metadata.
//! - Not mapped: log probabilities, audio, images (kept in the raw record).

use super::exchange::{self, Dialect, READER};
use crate::model::Event;
use crate::normalise::chat::openai;
use crate::normalise::{Detection, Format, Gathered, MapError, Record, Sample};

/// OpenAI Chat Completions.
pub struct OpenAiChat;

impl Format for OpenAiChat {
    fn name(&self) -> &'static str {
        "openai_chat"
    }

    fn title(&self) -> &'static str {
        "OpenAI Chat Completions"
    }

    fn family(&self) -> &'static str {
        "openai"
    }

    fn reader(&self) -> &'static str {
        READER
    }

    fn detect(&self, sample: &Sample<'_>) -> Option<Detection> {
        exchange::detect(sample, Dialect::Chat)
    }

    fn gather(&self, texts: &mut dyn Iterator<Item = &str>) -> Gathered {
        openai::gather_chunks(texts)
    }

    fn map<'r>(&self, record: &Record<'r>, out: &mut Vec<Event<'r>>) -> Result<(), MapError> {
        exchange::map(record, out)
    }
}
