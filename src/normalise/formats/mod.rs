//! One file a format. No format knows another.

mod anthropic_messages;
mod claude_code;
mod envoy_json;
pub(super) mod exchange;
mod generic;
mod kong;
mod litellm;
mod m365_unified_audit;
mod openai_chat;
mod openai_responses;
mod other_vendors;
mod otlp;
mod otlp_json;
mod otlp_logs;
mod salesforce_approval;
mod salesforce_event_log;
mod salesforce_field_history;
mod sap_cdhdr;
mod sap_cdpos;
mod sap_security_audit;

use std::sync::LazyLock;

use super::Format;
use super::chat::vendors::Vendor;
use super::mapping::Mapping;

/// Formats that are code.
static CODED: &[&dyn Format] = &[
    &openai_chat::OpenAiChat,
    &openai_responses::OpenAiResponses,
    &anthropic_messages::AnthropicMessages,
    &other_vendors::OtherVendor(Vendor::Gemini),
    &other_vendors::OtherVendor(Vendor::Ollama),
    &other_vendors::OtherVendor(Vendor::Cohere),
    &other_vendors::OtherVendor(Vendor::Bedrock),
    &claude_code::ClaudeCode,
    &litellm::LiteLlm,
    &otlp_json::OtlpJson,
    &otlp_logs::OtlpLogs,
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

macro_rules! mappings {
    ($($name:literal),+ $(,)?) => {
        /// Formats that are mapping files, beside this one.
        const FILES: &[(&str, &str)] = &[$(($name, include_str!(concat!($name, ".toml")))),+];
    };
}

mappings!(
    "access_log",
    "acta_receipt",
    "aer1_receipt",
    "agent_audit_trail",
    "agentforce",
    "airflow",
    "anthropic_compliance",
    "apigee",
    "apisix",
    "atlassian_access",
    "aws_api_gateway",
    "aws_elb",
    "azure_activity",
    "azure_apim",
    "azure_openai",
    "bedrock_invocation",
    "chatgpt_compliance",
    "cloudtrail",
    "cloudtrail_digest",
    "copilot_studio",
    "dataverse_audit",
    "dsse_envelope",
    "entra_audit",
    "entra_signin",
    "envoy_text",
    "gcp_audit",
    "hana_audit",
    "haproxy",
    "helicone",
    "iis",
    "jira_audit",
    "jira_issue",
    "langfuse",
    "langgraph_checkpoint",
    "langsmith",
    "litellm_spend",
    "mcp_jsonrpc",
    "mlflow_trace",
    "mysql_audit",
    "n8n_execution",
    "nginx_json",
    "openai_agents",
    "openai_audit_log",
    "oracle_aud",
    "oracle_fusion_audit",
    "oracle_unified_audit",
    "portkey",
    "postgresql_csvlog",
    "postgresql_jsonlog",
    "postgresql_stderr",
    "salesforce_change_event",
    "salesforce_realtime_event",
    "salesforce_setup_audit",
    "sap_btp_audit",
    "sap_document",
    "sap_gateway_error",
    "sap_rfc_gateway",
    "sap_workflow",
    "servicenow_approval",
    "servicenow_audit",
    "servicenow_event",
    "slack_audit",
    "sqlserver_audit",
    "temporal_history",
    "traefik_json",
    "trail_gate",
    "tyk",
    "vertex_request_log",
    "vllm",
    "workday_activity",
);

/// What `--lenient` falls back to.
pub static GENERIC: &dyn Format = &generic::Generic;

/// The built-in mapping files.
pub static MAPPINGS: LazyLock<Vec<Mapping>> = LazyLock::new(|| {
    let read = |(name, text): &(&str, &str)| Mapping::built_in(name, text);
    FILES.iter().map(read).collect()
});

/// The formats of a run: the built-in ones and those of the user's mapping files.
#[derive(Clone)]
pub struct Formats(Vec<&'static dyn Format>);

impl Default for Formats {
    fn default() -> Self {
        let mapped = MAPPINGS
            .iter()
            .map(|mapping| mapping as &'static dyn Format);
        Self(CODED.iter().copied().chain(mapped).collect())
    }
}

impl Formats {
    /// Adds a mapping, which is asked before the built-in ones where both are as sure.
    ///
    /// # Errors
    /// A format of that name exists.
    pub fn add(&mut self, mapping: Mapping) -> Result<(), String> {
        // A format lives as long as the run: events hold its name.
        let format: &'static dyn Format = Box::leak(Box::new(mapping));
        if self.by_name(format.name()).is_some() {
            return Err(format!(
                "there is a format `{}` already; give the mapping another name",
                format.name()
            ));
        }
        self.0.insert(0, format);
        Ok(())
    }

    /// All of them, in the order in which `trail sources` lists them.
    pub fn iter(&self) -> impl Iterator<Item = &'static dyn Format> {
        self.0.iter().copied()
    }

    /// The format of that name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&'static dyn Format> {
        self.iter().find(|format| format.name() == name)
    }
}

macro_rules! heads {
    ($($file:literal),+ $(,)?) => {
        /// Source files of the formats that are code; their heads say what is mapped.
        const HEADS: &[(&str, &str)] = &[$(($file, include_str!(concat!($file, ".rs")))),+];
    };
}

heads!(
    "openai_chat",
    "openai_responses",
    "anthropic_messages",
    "other_vendors",
    "claude_code",
    "litellm",
    "otlp_json",
    "kong",
    "envoy_json",
    "salesforce_event_log",
    "salesforce_field_history",
    "salesforce_approval",
    "sap_cdhdr",
    "sap_cdpos",
    "sap_security_audit",
    "m365_unified_audit",
    "generic",
);

/// What is unwrapped, for the page of formats.
const WRAPPERS: &str = "Records of these formats are also found inside of what a log collector keeps, up to three \
wrappers deep: log events of CloudWatch (answers of the API, subscriptions, Firehose, Logs Insights, export to S3), \
events of EventBridge, lines of containers (Docker's `json-file`, CRI, `docker compose logs`), syslog (RFC 3164 and RFC \
5424), systemd's journal in JSON, Splunk (exports, HTTP Event Collector), documents of Elasticsearch, Loki, Google Cloud \
Logging. Evidence and hashes are of the whole wrapper as it lies in the dump; an event whose record has no time has that \
of its wrapper (`time_origin` `wrapper`). Lines that a container runtime has cut (at 16 KiB) are put together, unless another \
stream came between. `trail ingest --explain` says what was unwrapped.";

/// The page docs/formats.md: every format with what it follows, fills and leaves.
#[must_use]
pub fn page() -> String {
    let formats = Formats::default();
    let mut out = format!(
        "# Formats\n\nMade from the code by `cargo run --example generate`. {} formats; {} of them are mapping \
         files ([mapping.md](mapping.md)). A field that is neither named here nor in the format's file stays in \
         the raw record, which is kept whole.\n\n{WRAPPERS}\n\n| format | what it is | source | times without zone |\n\
         | --- | --- | --- | --- |\n",
        formats.iter().count(),
        MAPPINGS.len()
    );
    for format in formats.iter() {
        let zone = match format.zone_rule() {
            super::ZoneRule::Utc => "UTC",
            super::ZoneRule::Local => "`--tz`",
        };
        out.push_str(&format!(
            "| `{}` | {} | {} | {zone} |\n",
            format.name(),
            format.title(),
            format.family()
        ));
    }
    out.push_str("\n## In code\n");
    for (name, source) in HEADS {
        out.push_str(&format!("\n### `{name}`\n\n"));
        for line in source.lines().map_while(|line| line.strip_prefix("//!")) {
            out.push_str(line.strip_prefix(' ').unwrap_or(line));
            out.push('\n');
        }
    }
    out.push_str("\n## Mapping files\n");
    for mapping in MAPPINGS.iter() {
        out.push_str(&format!(
            "\n### `{}`\n\nFollows: {}.\n\n",
            mapping.name(),
            mapping.document()
        ));
        for (column, paths) in mapping.mapped() {
            let paths: Vec<String> = paths.iter().map(|path| format!("`{path}`")).collect();
            let from = if paths.is_empty() {
                "always the same".to_owned()
            } else {
                paths.join(", ").replace('|', "\\|")
            };
            out.push_str(&format!("- {column}: {from}\n"));
        }
        for (field, reason) in mapping.not_mapped() {
            out.push_str(&format!("- not mapped: `{field}`: {reason}\n"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mapping_file_is_usable() {
        for (name, text) in FILES {
            let mapping =
                Mapping::parse(name, text).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            assert_eq!(mapping.name(), *name);
            assert!(!mapping.document().is_empty(), "{name} names no document");
        }
    }

    #[test]
    fn names_are_unique() {
        let formats = Formats::default();
        for format in formats.iter() {
            let same = formats.iter().filter(|other| other.name() == format.name());
            assert_eq!(same.count(), 1, "{}", format.name());
        }
    }
}
