//! A call of a model as a proxy or client logs it: request and response in a plain wrapper.
//!
//! Shared by the vendor forms, which can meet in one file. Wrappers seen: `{request,
//! response}`, `{body, response: {body}}` (OpenAI batch output), `{url, method, request, status,
//! response_headers, response}`, bare requests, bare responses, streamed chunks one a line. A call
//! to an endpoint that is none of them is kept as kind `other`.

mod dialect;

use std::borrow::Cow;

use memchr::memmem;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::model::time::{Time, TimeOrigin};
use crate::model::{ActorType, ContentPart, Event, KeyKind, Kind};
use crate::normalise::add_arguments;
use crate::normalise::chat::vendors::{self, Vendor};
use crate::normalise::chat::{Answer, Ask, Call, anthropic, emit, object_text, openai, responses};
use crate::normalise::http::{add_headers, outcome_of_status, without_secrets};
use crate::normalise::json::{Pairs, Text, close_cut};
use crate::normalise::{Detection, MapError, Record, Sample};

pub(super) use dialect::Dialect;
use dialect::{Shape, dialect_of_request, dialect_of_response, provider_of_url, read_answer};

/// Reader name of all of them, so that a record's id does not depend on its neighbours.
pub(super) const READER: &str = "ai_exchange";

#[derive(Deserialize)]
struct Wrapper<'a> {
    #[serde(borrow)]
    created_at: Option<Text<'a>>,
    #[serde(borrow)]
    timestamp: Option<Text<'a>>,
    #[serde(borrow)]
    time: Option<Text<'a>>,
    #[serde(borrow)]
    request_id: Option<Text<'a>>,
    #[serde(borrow)]
    custom_id: Option<Text<'a>>,
    #[serde(borrow)]
    url: Option<Text<'a>>,
    #[serde(borrow)]
    method: Option<Text<'a>>,
    status: Option<&'a RawValue>,
    status_code: Option<u16>,
    latency_ms: Option<f64>,
    duration_ms: Option<f64>,
    #[serde(borrow, default)]
    headers: Option<Pairs<'a>>,
    #[serde(borrow, default)]
    request_headers: Option<Pairs<'a>>,
    #[serde(borrow, default)]
    response_headers: Option<Pairs<'a>>,
    #[serde(borrow)]
    request: Option<&'a RawValue>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// Batch output puts the body one level deeper.
#[derive(Deserialize)]
struct Inner<'a> {
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    #[serde(borrow)]
    request_id: Option<Text<'a>>,
    status_code: Option<u16>,
}

/// How much of a sample is calls of that vendor form.
pub(super) fn detect(sample: &Sample<'_>, dialect: Dialect) -> Option<Detection> {
    let form_of = |value: &Value| {
        let text = |value: Option<&Value>| match value {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => String::new(),
        };
        let has_pair = value.get("request").is_some_and(Value::is_object)
            || value.get("body").is_some_and(Value::is_object);
        // A gateway's record has a request and a response as well, but they are no bodies.
        let has = |name: &str| value.get(name).is_some();
        if has("latencies") || has("resourceSpans") || has("call_type") || has("litellm_call_id") {
            return None;
        }
        let url = text(value.get("url"));
        if has_pair || value.get("response").is_some() {
            let response = value.get("response");
            let inner = response.and_then(|inner| inner.get("body")).or(response);
            let asked = text(value.get("request").or(value.get("body")));
            return dialect_of_response(&text(inner)).or_else(|| dialect_of_request(&asked, &url));
        }
        let whole = value.to_string();
        dialect_of_response(&whole).or_else(|| {
            let is_request = value.get("messages").is_some() || value.get("input").is_some();
            (is_request && value.get("call_type").is_none() && value.get("sessionId").is_none())
                .then(|| dialect_of_request(&whole, ""))
                .flatten()
        })
    };
    let share = sample.percent(|value| form_of(value) == Some(dialect));
    let any = sample.percent(|value| form_of(value).is_some());
    // The most frequent vendor form names the file; calls to other endpoints do not count against it.
    let best = Dialect::ALL
        .into_iter()
        .rev()
        .max_by_key(|other| sample.percent(|value| form_of(value) == Some(*other)));
    if share == 0 || best != Some(dialect) {
        return None;
    }
    Detection::of(
        // Gateways put the same bodies into wrappers of their own, and know them better.
        55 + any * 2 / 5,
        format!(
            "{share} % of the first records are {} bodies, {any} % any model call",
            dialect.name()
        ),
    )
}

/// Maps a record of any of the vendor forms.
pub(super) fn map<'r>(record: &Record<'r>, out: &mut Vec<Event<'r>>) -> Result<(), MapError> {
    let wrapper: Wrapper<'r> = record.json()?;
    let asked = wrapper.request.or(wrapper.body);
    if asked.is_none() && wrapper.response.is_none() {
        return map_bare(record, &wrapper, out);
    }
    let mut template = Event::new(Kind::Other);
    let url = wrapper.url.as_deref().unwrap_or_default().to_owned();
    let mut status = wrapper
        .status_code
        .or_else(|| wrapper.status?.get().parse().ok());
    let mut answered = wrapper.response;
    template.key_opt(
        KeyKind::Request,
        wrapper.request_id.clone().and_then(Text::some),
    );
    // Reading it for nothing costs more than looking for the name.
    let wrapped = answered.filter(|raw| memmem::find(raw.get().as_bytes(), b"\"body\"").is_some());
    if let Some(inner) = wrapped.and_then(|raw| serde_json::from_str::<Inner<'r>>(raw.get()).ok())
        && let Some(body) = inner.body
    {
        answered = Some(body);
        status = status.or(inner.status_code);
        template.key_opt(KeyKind::Request, inner.request_id.and_then(Text::some));
    }
    template.attr_opt("custom_id", wrapper.custom_id.clone().and_then(Text::some));
    template.attr_opt(
        "url.full",
        wrapper
            .url
            .as_deref()
            .map(|url| without_secrets(url).into_owned()),
    );
    let headers = [
        &wrapper.headers,
        &wrapper.request_headers,
        &wrapper.response_headers,
    ];
    for headers in headers.into_iter().flatten() {
        add_headers(&mut template, headers);
    }
    let asked_text = asked.map(|raw| object_text(record, raw));
    let asked_text = whole_body(record, asked_text.unwrap_or_default(), &mut template);
    let answered_text = answered.map(|raw| object_text(record, raw));
    let answered_text = whole_body(record, answered_text.unwrap_or_default(), &mut template);
    let time = wrapper_time(record, &wrapper)?;
    let duration = wrapper.latency_ms.or(wrapper.duration_ms);
    #[allow(clippy::cast_possible_truncation)] // Milliseconds of a call fit.
    let unread = exchange(
        Exchange {
            format: None,
            url,
            time,
            duration_us: duration.map(|ms| (ms * 1000.0) as i64),
            status,
            error: wrapper
                .error
                .filter(|raw| raw.get() != "null")
                .map(|error| crate::normalise::chat::text_of(error).into_owned()),
            asked: asked_text,
            answered: answered_text,
            template,
        },
        out,
    )?;
    if let Some(unread) = unread {
        other_call(unread, &wrapper, out);
    }
    Ok(())
}

/// A model call, cut out of whatever wrapper it came in.
pub(in crate::normalise) struct Exchange<'r> {
    /// The record's own format; without one, that of the bodies.
    pub format: Option<&'static str>,
    pub url: String,
    pub time: Option<Time>,
    pub duration_us: Option<i64>,
    pub status: Option<u16>,
    pub error: Option<String>,
    /// Request body, empty if it was not logged.
    pub asked: &'r str,
    /// Response body, empty if it was not logged.
    pub answered: &'r str,
    /// What all events of the call share.
    pub template: Event<'r>,
}

/// A body as it can be read: closed where it was cut, a list of streamed events as such a stream.
pub(in crate::normalise) fn whole_body<'r>(
    record: &Record<'r>,
    body: &'r str,
    event: &mut Event<'r>,
) -> &'r str {
    let body = body.trim();
    if body.starts_with('{') && !body.ends_with('}') {
        return match close_cut(body) {
            Some(closed) => {
                event.notes.push(Cow::Borrowed(
                    "a body is cut; what stands before the cut was read",
                ));
                record.keep(closed)
            }
            None => body,
        };
    }
    if body.starts_with('[')
        && body.contains("\"message_start\"")
        && let Ok(events) = serde_json::from_str::<Vec<&RawValue>>(body)
    {
        let lines = events
            .iter()
            .map(|event| format!("data: {}\n", event.get()));
        return record.keep(lines.collect());
    }
    body
}

/// Makes the events of a model call; gives it back if its bodies are in no form that is known.
pub(in crate::normalise) fn exchange<'r>(
    call: Exchange<'r>,
    out: &mut Vec<Event<'r>>,
) -> Result<Option<Exchange<'r>>, MapError> {
    let declared = openai::declared_answer(call.answered);
    let dialect = match declared {
        Some(_) => Some(Dialect::Chat),
        None => {
            dialect_of_response(call.answered).or_else(|| dialect_of_request(call.asked, &call.url))
        }
    };
    let Some(dialect) = dialect else {
        return Ok(Some(call));
    };
    let mut ask = dialect.ask(call.asked)?;
    if ask.model.is_none() {
        ask.model = vendors::model_of_url(&call.url).map(Cow::Owned);
    }
    if dialect == Dialect::Responses && ask.previous.is_none() {
        // The answer repeats it, for those who log answers only.
        ask.previous = responses::previous_of(call.answered);
    }
    let (mut answer, cut) = match declared {
        Some(answer) => (answer, false),
        None => read_answer(dialect, call.answered),
    };
    let mut template = call.template;
    if cut {
        template.notes.push(Cow::Borrowed(
            "the response body is cut or no JSON; only its start was read",
        ));
    }
    if let Some(error) = call.error {
        answer.error.get_or_insert(error);
    }
    // What the wrapper says of the model stands where the bodies are silent.
    ask.model = ask.model.or(template.model_requested.take());
    answer.model = answer.model.or(template.model_served.take());
    answer.tokens_in = answer.tokens_in.or(template.tokens_in.take());
    answer.tokens_out = answer.tokens_out.or(template.tokens_out.take());
    let provider = provider_of_url(&call.url).map(Cow::Borrowed);
    let call = Call {
        format: call.format.unwrap_or(dialect.name()),
        provider: provider
            .or(template.provider.take())
            .unwrap_or(Cow::Borrowed(dialect.provider())),
        time: call.time,
        duration_us: call.duration_us,
        status: call.status,
        template,
    };
    emit(&call, ask, answer, out);
    Ok(None)
}

fn wrapper_time(record: &Record<'_>, wrapper: &Wrapper<'_>) -> Result<Option<Time>, MapError> {
    for text in [&wrapper.created_at, &wrapper.timestamp, &wrapper.time]
        .into_iter()
        .flatten()
    {
        if !text.is_empty() {
            return record.utc(text).map(Some);
        }
    }
    let date = wrapper
        .response_headers
        .as_ref()
        .and_then(|headers| headers.get("date"));
    match date {
        Some(date) => Ok(Some(Time {
            origin: TimeOrigin::Wrapper,
            ..record.utc(&date)?
        })),
        None => Ok(None),
    }
}

/// A call to an endpoint that is no chat: kept, with what identifies it.
fn other_call<'r>(call: Exchange<'r>, wrapper: &Wrapper<'r>, out: &mut Vec<Event<'r>>) {
    let Exchange {
        url,
        time,
        status,
        asked,
        answered,
        template: mut event,
        ..
    } = call;
    event.time = time;
    event.actor.kind = Some(ActorType::Agent);
    if url.contains("/embed") {
        event.kind = Kind::Inference;
    }
    let path = url
        .split_once("://")
        .map_or(&*url, |(_, rest)| rest)
        .split('?')
        .next()
        .unwrap_or(&url);
    let method = wrapper.method.as_deref().unwrap_or("POST");
    event.action = Some(Cow::Owned(format!("{method} {path}")));
    event.provider = provider_of_url(&url).map(Cow::Borrowed);
    event.outcome = status.map(outcome_of_status);
    if let Some(status) = status {
        event.attr("http.response.status_code", status.to_string());
    }
    #[derive(Deserialize)]
    struct Ids<'a> {
        #[serde(borrow)]
        id: Option<Text<'a>>,
        #[serde(borrow)]
        model: Option<Text<'a>>,
    }
    if let Ok(ids) = serde_json::from_str::<Ids<'r>>(answered) {
        event.key_opt(KeyKind::Response, ids.id.and_then(Text::some));
        event.model_served = ids.model.and_then(Text::some);
    }
    if let Ok(ids) = serde_json::from_str::<Ids<'r>>(asked) {
        event.model_requested = ids.model.and_then(Text::some);
    }
    out.push(event);
}

/// A record that is itself a request, a response or a streamed chunk.
fn map_bare<'r>(
    record: &Record<'r>,
    wrapper: &Wrapper<'r>,
    out: &mut Vec<Event<'r>>,
) -> Result<(), MapError> {
    let shape: Shape<'r> = record.json()?;
    let json_error = |error: serde_json::Error| MapError::Json(error.to_string());
    if shape.object.as_deref() == Some("chat.completion.chunk") {
        let (first, answer) = openai::chunk(record.text).map_err(json_error)?;
        map_chunk(record, first, answer, out);
        return Ok(());
    }
    let (dialect, ask, answer) = match dialect_of_response(record.text) {
        Some(dialect) => {
            let (answer, _) = read_answer(dialect, record.text);
            (dialect, Ask::default(), answer)
        }
        None => match dialect_of_request(record.text, "") {
            Some(dialect) => (dialect, dialect.ask(record.text)?, Answer::default()),
            None if shape.message.is_some() && shape.stop_reason.is_some() => {
                return Err(MapError::other("a fragment of a model call"));
            }
            None => {
                return Err(MapError::other(
                    "neither a request nor a response of a model",
                ));
            }
        },
    };
    let _ = shape.output;
    // `created_at` of a bare Responses body is read with the answer, in its own unit.
    let time = match dialect {
        Dialect::Responses => None,
        _ => wrapper_time(record, wrapper)?,
    };
    let mut template = Event::new(Kind::Other);
    template.key_opt(
        KeyKind::Request,
        wrapper.request_id.clone().and_then(Text::some),
    );
    let call = Call {
        format: dialect.name(),
        provider: Cow::Borrowed(dialect.provider()),
        time,
        duration_us: None,
        status: None,
        template,
    };
    emit(&call, ask, answer, out);
    Ok(())
}

/// The last piece stands for the inference; the others are kept as they came.
fn map_chunk<'r>(record: &Record<'r>, first: bool, answer: Answer<'r>, out: &mut Vec<Event<'r>>) {
    let names = openai::calls_of_chunk(record.text);
    let closes = answer.finish.is_some();
    let mut event = Event::new(if closes { Kind::Inference } else { Kind::Other });
    event.format = Some(Dialect::Chat.name());
    event.time = answer
        .created
        .and_then(|created| Time::from_epoch(created).ok());
    event.action = Some(Cow::Borrowed(if closes {
        "chat"
    } else {
        "chat.completion.chunk"
    }));
    event.actor.kind = Some(ActorType::Agent);
    event.provider = Some(Cow::Borrowed("openai"));
    event.model_served = answer.model.clone();
    event.key_opt(KeyKind::Response, answer.id.clone());
    event.attr_opt("gen_ai.response.finish_reasons", answer.finish);
    if first {
        event.attr("chunk", "first");
    }
    (event.tokens_in, event.tokens_out) = (answer.tokens_in, answer.tokens_out);
    if !answer.text.is_empty() {
        event
            .contents
            .push((ContentPart::Output, Cow::Owned(answer.text)));
    }
    let template = event.clone();
    out.push(event);
    for (at, mut call) in answer.calls.into_iter().enumerate() {
        // Only the first piece of a streamed call names it; the rest are arguments.
        let mut event = template.clone();
        event.contents.clear();
        if call.id.is_some() || call.name.is_some() {
            event.kind = Kind::ToolCall;
            event.action = call.name.clone();
            event.tool = call.name;
            event.key_opt(KeyKind::ToolCall, call.id);
            let whole = names.get(at).and_then(|name| record.gathered(name));
            if let Some(whole) = whole.filter(|whole| call.arguments.len() < whole.len()) {
                call.arguments = Cow::Borrowed(whole);
                event
                    .notes
                    .push(Cow::Borrowed("arguments joined out of later chunks"));
            }
            add_arguments(&mut event, &call.arguments);
        } else {
            event.kind = Kind::Other;
            event.action = Some(Cow::Borrowed("chat.completion.chunk"));
        }
        if !call.arguments.is_empty() {
            event
                .contents
                .push((ContentPart::Arguments, call.arguments));
        }
        out.push(event);
    }
}
