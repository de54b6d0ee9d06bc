//! Bodies of Google Gemini, Ollama, Cohere and AWS Bedrock, as request and response pairs.
//!
//! - Vendor documents: Gemini API and Vertex AI, `generateContent`; Ollama, API; Cohere, API v1 and
//!   v2; Amazon Bedrock, Converse and the model providers' inference parameters.
//! - Detection: the bodies' own members (`candidates`, `done`, `generations`, `output.message`, …).
//! - Time: the wrapper's, else the HTTP `Date`; UTC.
//! - Ids: response id, tool-call ids, request id, trace and conversation of headers.
//! - Not mapped: safety ratings that stopped nothing, embeddings, images (kept in the raw record).

use super::exchange::{self, Dialect, READER};
use crate::model::Event;
use crate::normalise::chat::vendors::Vendor;
use crate::normalise::{Detection, Format, MapError, Record, Sample};

/// One of these vendors.
pub struct OtherVendor(pub Vendor);

impl Format for OtherVendor {
    fn name(&self) -> &'static str {
        Dialect::Other(self.0).name()
    }

    fn title(&self) -> &'static str {
        match self.0 {
            Vendor::Gemini => "Google Gemini / Vertex AI generateContent",
            Vendor::Ollama => "Ollama chat and generate",
            Vendor::Cohere => "Cohere chat and generate",
            Vendor::Bedrock => "AWS Bedrock Converse, Nova, Titan, Llama",
        }
    }

    fn family(&self) -> &'static str {
        match self.0 {
            Vendor::Gemini => "google",
            Vendor::Ollama => "ollama",
            Vendor::Cohere => "cohere",
            Vendor::Bedrock => "aws",
        }
    }

    fn reader(&self) -> &'static str {
        READER
    }

    fn detect(&self, sample: &Sample<'_>) -> Option<Detection> {
        exchange::detect(sample, Dialect::Other(self.0))
    }

    fn map<'r>(&self, record: &Record<'r>, out: &mut Vec<Event<'r>>) -> Result<(), MapError> {
        exchange::map(record, out)
    }
}
