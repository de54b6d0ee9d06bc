//! Which vendor's form the bodies of a call are in, and what reads them.

use super::*;

/// Which vendor form a body is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::normalise::formats) enum Dialect {
    Chat,
    Responses,
    Anthropic,
    Other(Vendor),
}

impl Dialect {
    pub(super) const ALL: [Self; 7] = [
        Self::Chat,
        Self::Responses,
        Self::Anthropic,
        Self::Other(Vendor::Gemini),
        Self::Other(Vendor::Ollama),
        Self::Other(Vendor::Cohere),
        Self::Other(Vendor::Bedrock),
    ];

    pub(in crate::normalise::formats) fn name(self) -> &'static str {
        match self {
            Self::Chat => "openai_chat",
            Self::Responses => "openai_responses",
            Self::Anthropic => "anthropic_messages",
            Self::Other(Vendor::Gemini) => "gemini",
            Self::Other(Vendor::Ollama) => "ollama",
            Self::Other(Vendor::Cohere) => "cohere",
            Self::Other(Vendor::Bedrock) => "bedrock_converse",
        }
    }

    pub(super) fn provider(self) -> &'static str {
        match self {
            Self::Chat | Self::Responses => "openai",
            Self::Anthropic => "anthropic",
            Self::Other(Vendor::Gemini) => "gcp.gemini",
            Self::Other(Vendor::Ollama) => "ollama",
            Self::Other(Vendor::Cohere) => "cohere",
            Self::Other(Vendor::Bedrock) => "aws.bedrock",
        }
    }

    pub(super) fn ask(self, body: &str) -> Result<Ask<'_>, MapError> {
        if !body.starts_with('{') {
            return Ok(Ask::default());
        }
        let ask = match self {
            Self::Chat => openai::ask(body),
            Self::Responses => responses::ask(body),
            Self::Anthropic => anthropic::ask(body),
            Self::Other(vendor) => vendors::ask(vendor, body),
        };
        ask.map_err(|error| MapError::Json(error.to_string()))
    }
}

/// What tells the vendor forms apart.
#[derive(Deserialize)]
pub(super) struct Shape<'a> {
    #[serde(borrow)]
    pub(super) object: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Text<'a>>,
    pub(super) messages: Option<&'a RawValue>,
    pub(super) system: Option<&'a RawValue>,
    pub(super) anthropic_version: Option<&'a RawValue>,
    pub(super) choices: Option<&'a RawValue>,
    pub(super) content: Option<&'a RawValue>,
    pub(super) input: Option<&'a RawValue>,
    pub(super) output: Option<&'a RawValue>,
    pub(super) prompt: Option<&'a RawValue>,
    pub(super) model: Option<&'a RawValue>,
    pub(super) message: Option<&'a RawValue>,
    pub(super) stop_reason: Option<&'a RawValue>,
}

pub(super) fn shape(json: &str) -> Option<Shape<'_>> {
    json.starts_with('{')
        .then(|| serde_json::from_str(json).ok())
        .flatten()
}

pub(super) fn dialect_of_response(text: &str) -> Option<Dialect> {
    if text.trim_start().starts_with(['d', 'e']) {
        return if text.contains("\"chat.completion.chunk\"") || text.contains("\"text_completion\"")
        {
            Some(Dialect::Chat)
        } else if text.contains("\"message_start\"") {
            Some(Dialect::Anthropic)
        } else if text.contains("\"response.created\"") {
            Some(Dialect::Responses)
        } else {
            vendors::of_response(text).map(Dialect::Other)
        };
    }
    let known =
        shape(text).and_then(
            |shape| match (shape.object.as_deref(), shape.kind.as_deref()) {
                (Some("response"), _) => Some(Dialect::Responses),
                (_, Some("message")) if shape.content.is_some() => Some(Dialect::Anthropic),
                _ if shape.choices.is_some() => Some(Dialect::Chat),
                _ => None,
            },
        );
    known.or_else(|| vendors::of_response(text).map(Dialect::Other))
}

pub(super) fn dialect_of_request(text: &str, url: &str) -> Option<Dialect> {
    if url.contains("/embeddings") || url.contains("/embed") {
        return None;
    }
    if let Some(vendor) = vendors::of_request(text, url) {
        return Some(Dialect::Other(vendor));
    }
    let shape = shape(text)?;
    if url.contains("/v1/messages") || shape.anthropic_version.is_some() && shape.messages.is_some()
    {
        return Some(Dialect::Anthropic);
    }
    if url.ends_with("/responses") {
        return Some(Dialect::Responses);
    }
    let chat_url = url.is_empty() || url.contains("/completions");
    if shape.messages.is_some()
        && (shape.system.is_some() || text.contains("\"input_schema\""))
        && url.is_empty()
    {
        return Some(Dialect::Anthropic);
    }
    if chat_url && shape.model.is_some() && (shape.messages.is_some() || shape.prompt.is_some()) {
        return Some(Dialect::Chat);
    }
    (url.is_empty() && shape.model.is_some() && shape.input.is_some()).then_some(Dialect::Responses)
}

pub(super) fn read_answer(dialect: Dialect, text: &str) -> (Answer<'_>, bool) {
    if text.trim().is_empty() {
        return (Answer::default(), false);
    }
    let read = match dialect {
        Dialect::Chat => openai::answer(text),
        Dialect::Responses => responses::answer(text),
        Dialect::Anthropic => anthropic::answer(text),
        Dialect::Other(vendor) => Ok(vendors::answer(vendor, text)),
    };
    match read {
        Ok(answer) => (answer, false),
        Err(_) => (Answer::default(), true),
    }
}

/// A vendor that speaks another one's form is known by its host.
pub(super) fn provider_of_url(url: &str) -> Option<&'static str> {
    const HOSTS: &[(&str, &str)] = &[
        (".openai.azure.com", "azure.ai.openai"),
        ("bedrock-runtime.", "aws.bedrock"),
        ("api.groq.com", "groq"),
        ("api.mistral.ai", "mistral_ai"),
        ("api.deepseek.com", "deepseek"),
        ("generativelanguage.googleapis.com", "gcp.gemini"),
        ("aiplatform.googleapis.com", "gcp.vertex_ai"),
        ("localhost", "self_hosted"),
        ("127.0.0.1", "self_hosted"),
    ];
    HOSTS
        .iter()
        .find(|(host, _)| url.contains(host))
        .map(|(_, provider)| *provider)
}
