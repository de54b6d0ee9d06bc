//! One file a format. No format knows another.

mod anthropic_messages;
mod claude_code;
mod envoy_json;
mod exchange;
mod kong;
mod litellm;
mod m365_unified_audit;
mod openai_chat;
mod openai_responses;
mod otlp_json;
mod salesforce_approval;
mod salesforce_event_log;
mod salesforce_field_history;
mod sap_cdhdr;
mod sap_cdpos;
mod sap_security_audit;

use super::Format;

/// All formats, in the order in which `trail sources` lists them.
pub static ALL: &[&dyn Format] = &[
    &openai_chat::OpenAiChat,
    &openai_responses::OpenAiResponses,
    &anthropic_messages::AnthropicMessages,
    &claude_code::ClaudeCode,
    &litellm::LiteLlm,
    &otlp_json::OtlpJson,
    &kong::Kong,
    &envoy_json::EnvoyJson,
    &salesforce_event_log::EventLog,
    &salesforce_field_history::FieldHistory,
    &salesforce_approval::Approval,
    &sap_cdhdr::Cdhdr,
    &sap_cdpos::Cdpos,
    &sap_security_audit::SecurityAudit,
    &m365_unified_audit::UnifiedAudit,
];

/// The format of that name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static dyn Format> {
    ALL.iter().find(|format| format.name() == name).copied()
}
