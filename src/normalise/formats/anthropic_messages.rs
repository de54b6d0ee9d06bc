//! Anthropic Messages, as request and response pairs.
//!
//! - Vendor document: API reference, Messages.
//! - Detection: the bodies' own members (`object`, `type`, `choices`, `content`).
//! - Time: the wrapper's, else the HTTP `Date`, else the body's `created`; UTC.
//! - Ids: response id, tool-call ids, request id, trace and conversation of headers and metadata.
//! - Not mapped: log probabilities, audio, images (kept in the raw record).

use super::exchange::{self, Dialect, READER};
use crate::model::Event;
use crate::normalise::{Detection, Format, MapError, Record, Sample};

/// Anthropic Messages.
pub struct AnthropicMessages;

impl Format for AnthropicMessages {
    fn name(&self) -> &'static str {
        "anthropic_messages"
    }

    fn title(&self) -> &'static str {
        "Anthropic Messages"
    }

    fn family(&self) -> &'static str {
        "anthropic"
    }

    fn reader(&self) -> &'static str {
        READER
    }

    fn detect(&self, sample: &Sample<'_>) -> Option<Detection> {
        exchange::detect(sample, Dialect::Anthropic)
    }

    fn map<'r>(&self, record: &Record<'r>, out: &mut Vec<Event<'r>>) -> Result<(), MapError> {
        exchange::map(record, out)
    }
}
