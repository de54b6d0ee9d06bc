//! Kong gateway logs (file-log, http-log, tcp-log), with the AI plugins' part.
//!
//! - Vendor document: Kong developer site, "Logging: log format".
//! - Detection: `latencies`, `request`, `response` and `started_at`.
//! - Time: `started_at`, milliseconds since 1970; end from `latencies.request` in ms.
//! - Ids: `request.id`, `traceparent`, `x-request-id`, `x-tool-call-id`, objects in the URI.
//! - Not mapped: `tries`, route and service settings (kept in the raw record).

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::time::Time;
use crate::model::{ActorType, Event, KeyKind, Kind, Outcome};
use crate::normalise::chat::object_text;
use crate::normalise::http::{add_body, add_headers, add_uri, kind_of_method, outcome_of_status};
use crate::normalise::json::{Pairs, Text};
use crate::normalise::{Detection, Format, MapError, Record, Sample};

/// Kong.
pub struct Kong;

#[derive(Deserialize)]
struct Log<'a> {
    started_at: Option<i64>,
    #[serde(borrow)]
    client_ip: Option<Text<'a>>,
    #[serde(borrow)]
    request: Option<Request<'a>>,
    #[serde(borrow)]
    response: Option<Response<'a>>,
    #[serde(borrow)]
    service: Option<Named<'a>>,
    #[serde(borrow)]
    route: Option<Named<'a>>,
    #[serde(borrow)]
    consumer: Option<Consumer<'a>>,
    latencies: Option<Latencies>,
    #[serde(borrow)]
    source: Option<Text<'a>>,
    #[serde(borrow)]
    upstream_uri: Option<Text<'a>>,
    #[serde(borrow, default)]
    ai: Option<HashMap<Text2<'a>, Plugin<'a>>>,
}

/// A map key that may need unescaping.
type Text2<'a> = Cow<'a, str>;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    method: Option<Text<'a>>,
    #[serde(borrow)]
    uri: Option<Text<'a>>,
    #[serde(borrow)]
    size: Option<Text<'a>>,
    #[serde(borrow, default)]
    headers: Pairs<'a>,
    body: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Response<'a> {
    status: Option<u16>,
    #[serde(borrow)]
    size: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Consumer<'a> {
    #[serde(borrow)]
    username: Option<Text<'a>>,
    #[serde(borrow)]
    custom_id: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Latencies {
    request: Option<i64>,
}

#[derive(Deserialize)]
struct Plugin<'a> {
    #[serde(borrow)]
    meta: Option<Meta<'a>>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow)]
    request_model: Option<Text<'a>>,
    #[serde(borrow)]
    response_model: Option<Text<'a>>,
    #[serde(borrow)]
    provider_name: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: Option<i64>,
    completion_tokens: Option<i64>,
}

impl Format for Kong {
    fn name(&self) -> &'static str {
        "kong"
    }

    fn title(&self) -> &'static str {
        "Kong gateway"
    }

    fn family(&self) -> &'static str {
        "kong"
    }

    fn detect(&self, sample: &Sample<'_>) -> Option<Detection> {
        let share = sample.percent(|value| {
            ["latencies", "request", "response", "started_at"]
                .iter()
                .all(|name| value.get(*name).is_some())
        });
        Detection::of(
            if share > 0 { 55 + share * 2 / 5 } else { 0 },
            format!("{share} % of the records have latencies, request, response and started_at"),
        )
    }

    fn map<'r>(&self, record: &Record<'r>, out: &mut Vec<Event<'r>>) -> Result<(), MapError> {
        let log: Log<'r> = record.json()?;
        let request = log
            .request
            .ok_or_else(|| MapError::other("no `request` in the record"))?;
        let method = request.method.as_deref().unwrap_or_default().to_owned();
        let mut event = Event::new(kind_of_method(&method));
        if let Some(started) = log.started_at {
            let time = Time::from_epoch(started)?;
            event.time = Some(time);
            let took = log.latencies.and_then(|latencies| latencies.request);
            event.end_us = took.map(|ms| time.us + ms.max(0) * 1000);
        }
        let uri = request.uri.and_then(Text::some).unwrap_or_default();
        let path = uri.split('?').next().unwrap_or(&uri);
        event.action = Some(Cow::Owned(format!("{method} {path}")));
        add_headers(&mut event, &request.headers);
        event.key_opt(KeyKind::Request, request.id.and_then(Text::some));
        event.key_opt(KeyKind::Address, log.client_ip.clone().and_then(Text::some));
        event.attr_opt("client.address", log.client_ip.and_then(Text::some));
        event.attr_opt("user_agent.original", request.headers.get("user-agent"));
        add_uri(&mut event, &uri);
        if let Some(body) = request.body {
            add_body(&mut event, object_text(record, body));
        }
        if let Some(consumer) = log.consumer {
            let name = consumer
                .username
                .and_then(Text::some)
                .or(consumer.custom_id.and_then(Text::some));
            event.key_opt(KeyKind::User, name.clone());
            event.actor.id = name;
            // A consumer is an application's credential, never a person.
            event.actor.kind = Some(ActorType::Service);
        }
        event.outcome = log
            .response
            .as_ref()
            .and_then(|r| r.status)
            .map(outcome_of_status);
        if let Some(status) = log.response.as_ref().and_then(|response| response.status) {
            event.attr("http.response.status_code", status.to_string());
            if status >= 400 {
                event.error = Some(Cow::Owned(format!("HTTP {status}")));
            }
        }
        event.attr_opt("http.request.size", request.size.and_then(Text::some));
        event.attr_opt(
            "http.response.size",
            log.response.and_then(|r| r.size).and_then(Text::some),
        );
        event.attr_opt(
            "kong.service",
            log.service.and_then(|s| s.name).and_then(Text::some),
        );
        event.attr_opt(
            "kong.route",
            log.route.and_then(|r| r.name).and_then(Text::some),
        );
        event.attr_opt("kong.source", log.source.and_then(Text::some));
        event.attr_opt("kong.upstream_uri", log.upstream_uri.and_then(Text::some));
        if event.outcome == Some(Outcome::Error) || event.outcome == Some(Outcome::Denied) {
            event.attr("http.request.failed", "true");
        }
        for plugin in log.ai.into_iter().flat_map(HashMap::into_values) {
            event.kind = Kind::Inference;
            if let Some(meta) = plugin.meta {
                event.model_requested = meta.request_model.and_then(Text::some);
                event.model_served = meta.response_model.and_then(Text::some);
                event.provider = meta.provider_name.and_then(Text::some);
            }
            if let Some(usage) = plugin.usage {
                (event.tokens_in, event.tokens_out) =
                    (usage.prompt_tokens, usage.completion_tokens);
            }
        }
        out.push(event);
        Ok(())
    }
}
