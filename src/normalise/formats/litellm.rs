//! LiteLLM standard logging payload (one call a line).
//!
//! - Vendor document: LiteLLM, "Logging: StandardLoggingPayload".
//! - Detection: `call_type` beside `startTime`, or `litellm_call_id`.
//! - Time: `startTime`, `endTime`, seconds since 1970 with fraction, or ISO 8601 without zone (UTC).
//! - Ids: `id` (the response's), `litellm_call_id`, trace and session ids, key alias and team.
//! - Not mapped: cost breakdowns and cache keys (kept in the raw record).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::time::Time;
use crate::model::{Event, KeyKind, Kind, Outcome};
use crate::normalise::chat::{Answer, Call, emit, object_text, openai};
use crate::normalise::json::{Pairs, Text};
use crate::normalise::{Detection, Format, MapError, Record, Sample};

/// LiteLLM.
pub struct LiteLlm;

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    request_id: Option<Text<'a>>,
    #[serde(borrow)]
    litellm_call_id: Option<Text<'a>>,
    #[serde(borrow, alias = "litellm_trace_id")]
    trace_id: Option<Text<'a>>,
    #[serde(borrow)]
    session_id: Option<Text<'a>>,
    #[serde(borrow)]
    call_type: Option<Text<'a>>,
    #[serde(borrow, rename = "startTime")]
    start: Option<Text<'a>>,
    #[serde(borrow, rename = "endTime")]
    end: Option<Text<'a>>,
    #[serde(borrow)]
    custom_llm_provider: Option<Text<'a>>,
    #[serde(borrow)]
    model_group: Option<Text<'a>>,
    #[serde(borrow)]
    api_base: Option<Text<'a>>,
    response: Option<&'a RawValue>,
    response_cost: Option<f64>,
    prompt_tokens: Option<i64>,
    completion_tokens: Option<i64>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    #[serde(borrow)]
    error_str: Option<Text<'a>>,
    #[serde(borrow)]
    end_user: Option<Text<'a>>,
    #[serde(borrow, default)]
    metadata: Option<Pairs<'a>>,
    guardrail_information: Option<&'a RawValue>,
    #[serde(borrow)]
    cache_hit: Option<Text<'a>>,
    #[serde(borrow)]
    requester_ip_address: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Guardrail<'a> {
    #[serde(borrow)]
    guardrail_name: Option<Text<'a>>,
    #[serde(borrow)]
    guardrail_status: Option<Text<'a>>,
}

impl Format for LiteLlm {
    fn name(&self) -> &'static str {
        "litellm"
    }

    fn title(&self) -> &'static str {
        "LiteLLM logging payload"
    }

    fn family(&self) -> &'static str {
        "litellm"
    }

    fn detect(&self, sample: &Sample<'_>) -> Option<Detection> {
        let share = sample.percent(|value| {
            value.get("litellm_call_id").is_some()
                || (value.get("call_type").is_some() && value.get("startTime").is_some())
        });
        Detection::of(
            if share > 0 { 55 + share * 2 / 5 } else { 0 },
            format!("{share} % of the records have call_type and startTime, or litellm_call_id"),
        )
    }

    fn map<'r>(&self, record: &Record<'r>, out: &mut Vec<Event<'r>>) -> Result<(), MapError> {
        let payload: Payload<'r> = record.json()?;
        let text = |value: &Option<Text<'r>>| value.clone().and_then(Text::some);
        let start = text(&payload.start)
            .map(|start| record.utc(&start))
            .transpose()?;
        let end = text(&payload.end).map(|end| record.utc(&end)).transpose()?;
        let mut template = Event::new(Kind::Other);
        template.key_opt(KeyKind::Response, text(&payload.id));
        template.key_opt(KeyKind::Request, text(&payload.litellm_call_id));
        template.key_opt(KeyKind::Request, text(&payload.request_id));
        template.key_opt(KeyKind::Trace, text(&payload.trace_id));
        template.trace = text(&payload.trace_id);
        if let Some(session) = text(&payload.session_id) {
            template.key(KeyKind::Conversation, session.clone());
            template.conversation = Some(session);
        }
        template.key_opt(KeyKind::Address, text(&payload.requester_ip_address));
        for (name, value) in payload.metadata.iter().flat_map(|pairs| &pairs.0) {
            match &**name {
                "user_api_key_alias" => template.agent = Some(value.clone()),
                "user_api_key_user_id" => template.key(KeyKind::User, value.clone()),
                "user_api_key_hash" | "user_api_key_team_id" => {
                    template.attr(name.clone(), value.clone());
                }
                _ => {}
            }
        }
        template.attr_opt("model_group", text(&payload.model_group));
        template.attr_opt("server.address", text(&payload.api_base));
        template.attr_opt("cache_hit", text(&payload.cache_hit));
        template.attr_opt("call_type", text(&payload.call_type));
        if let Some(cost) = payload.response_cost {
            template.attr("cost_usd", cost.to_string());
        }
        let mut ask =
            openai::ask(record.text).map_err(|error| MapError::Json(error.to_string()))?;
        ask.user = text(&payload.end_user).or(ask.user);
        ask.metadata.clear();
        let mut answer = match payload.response.map(|raw| object_text(record, raw)) {
            Some(body) if body.starts_with('{') => openai::answer(body).unwrap_or_default(),
            _ => Answer::default(),
        };
        answer.id = text(&payload.id).or(answer.id);
        answer.tokens_in = answer.tokens_in.or(payload.prompt_tokens);
        answer.tokens_out = answer.tokens_out.or(payload.completion_tokens);
        if text(&payload.status).as_deref() == Some("failure") || payload.error_str.is_some() {
            answer.error = text(&payload.error_str)
                .map(Cow::into_owned)
                .filter(|e| !e.is_empty())
                .or(answer.error);
        }
        if answer.error.is_none() && answer.finish.is_none() {
            answer.finish = text(&payload.status);
        }
        let call = Call {
            format: self.name(),
            provider: text(&payload.custom_llm_provider).unwrap_or(Cow::Borrowed("litellm")),
            time: start,
            duration_us: start.zip(end).map(|(start, end)| end.us - start.us),
            status: None,
            template,
        };
        guardrails(&call.template, start, payload.guardrail_information, out);
        emit(&call, ask, answer, out);
        Ok(())
    }
}

fn guardrails<'r>(
    template: &Event<'r>,
    time: Option<Time>,
    information: Option<&'r RawValue>,
    out: &mut Vec<Event<'r>>,
) {
    let Some(raw) = information.filter(|raw| raw.get() != "null") else {
        return;
    };
    let list: Vec<Guardrail<'r>> = serde_json::from_str(raw.get())
        .or_else(|_| serde_json::from_str(raw.get()).map(|one| vec![one]))
        .unwrap_or_default();
    for guardrail in list {
        let mut event = template.clone();
        event.kind = Kind::PolicyDecision;
        event.time = time;
        event.action = Some(Cow::Borrowed("guardrail"));
        event.policy_id = guardrail.guardrail_name.and_then(Text::some);
        let status = guardrail
            .guardrail_status
            .and_then(Text::some)
            .unwrap_or_default();
        event.outcome = Some(match &*status {
            "success" | "passed" => Outcome::Ok,
            "blocked" | "guardrail_intervened" => Outcome::Denied,
            "failure" | "guardrail_failed_to_respond" => Outcome::Error,
            _ => Outcome::Unknown,
        });
        event.attr("guardrail_status", status);
        out.push(event);
    }
}
