//! What gateways share: methods, statuses, trace headers, and objects named by a path.

use std::borrow::Cow;

use super::json::Pairs;
use super::names::{
    add_evidence, add_named, is_amount_name, kind_of_name, looks_like_id, opens_something,
};
use super::salesforce;
use crate::model::{Event, KeyKind, Kind, Outcome};

/// The kind of step an HTTP method asks for.
#[must_use]
pub(super) fn kind_of_method(method: &str) -> Kind {
    match method.to_ascii_uppercase().as_str() {
        "GET" | "HEAD" | "OPTIONS" => Kind::Read,
        "POST" | "PUT" | "PATCH" | "DELETE" | "MERGE" => Kind::Write,
        _ => Kind::Other,
    }
}

/// How a status code (RFC 9110, section 15) ended.
#[must_use]
pub(super) fn outcome_of_status(status: u16) -> Outcome {
    match status {
        100..=399 => Outcome::Ok,
        401 | 403 | 407 | 451 => Outcome::Denied,
        400..=599 => Outcome::Error,
        _ => Outcome::Unknown,
    }
}

/// Trace and span id of a `traceparent` (W3C Trace Context, section 3.2). All-zero ids are invalid.
#[must_use]
pub(super) fn traceparent(header: &str) -> Option<(&str, &str)> {
    let mut parts = header.trim().split('-');
    let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, length| {
        text.len() == length
            && text.bytes().all(|b| b.is_ascii_hexdigit())
            && text.bytes().any(|b| b != b'0')
    };
    (version.len() == 2 && hex(trace, 32) && hex(span, 16)).then_some((trace, span))
}

/// Sets trace and span and their key from a `traceparent` value.
pub(super) fn add_traceparent<'a>(event: &mut Event<'a>, header: &Cow<'a, str>) {
    let ids = match header {
        Cow::Borrowed(text) => traceparent(text).map(|(t, s)| (Cow::Borrowed(t), Cow::Borrowed(s))),
        Cow::Owned(text) => {
            traceparent(text).map(|(t, s)| (Cow::Owned(t.to_owned()), Cow::Owned(s.to_owned())))
        }
    };
    if let Some((trace, span)) = ids {
        let trace = match trace.bytes().any(|b| b.is_ascii_uppercase()) {
            true => Cow::Owned(trace.to_ascii_lowercase()),
            false => trace,
        };
        event.key(KeyKind::Trace, trace.clone());
        event.trace = Some(trace);
        event.span = Some(span);
    }
}

/// The trace id of another propagation than W3C's, in W3C's form: 32 hexadecimal digits.
///
/// Sources: B3 (single header and `X-B3-*`), Jaeger's `uber-trace-id`, AWS X-Ray
/// (`Root=1-<8 digits>-<24 digits>`), Google Cloud (`<32 digits>/<span>`), Datadog (the lower 64 bits as a
/// decimal number).
fn other_trace(headers: &Pairs<'_>) -> Option<String> {
    let first = |names: &[&str], end: char| {
        let value = headers.first(names)?;
        Some(
            value
                .split(end)
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned(),
        )
    };
    let hex = |text: String| {
        let fits = matches!(text.len(), 16 | 32)
            && text.bytes().all(|b| b.is_ascii_hexdigit())
            && text.bytes().any(|b| b != b'0');
        fits.then(|| format!("{:0>32}", text.to_ascii_lowercase()))
    };
    let x_ray = || {
        let header = headers.get("x-amzn-trace-id")?;
        let root = header
            .split(';')
            .find_map(|part| part.trim().strip_prefix("Root=1-"))?;
        hex(root.replace('-', ""))
    };
    let datadog = || {
        let number: u64 = headers.get("x-datadog-trace-id")?.trim().parse().ok()?;
        hex(format!("{number:016x}"))
    };
    first(&["b3"], '-')
        .and_then(hex)
        .or_else(|| first(&["x-b3-traceid"], '-').and_then(hex))
        .or_else(|| first(&["uber-trace-id"], ':').and_then(hex))
        .or_else(x_ray)
        .or_else(|| first(&["x-cloud-trace-context"], '/').and_then(hex))
        .or_else(datadog)
        .or_else(|| headers.get("x-trace-id").map(Cow::into_owned))
}

/// Keys out of request headers: trace, request, tool call and conversation ids, agent and customer.
pub(super) fn add_headers<'a>(event: &mut Event<'a>, headers: &Pairs<'a>) {
    if let Some(value) = headers.get("traceparent") {
        add_traceparent(event, &value);
    }
    if event.trace.is_none()
        && let Some(trace) = other_trace(headers)
    {
        event.key(KeyKind::Trace, trace.clone());
        event.trace = Some(Cow::Owned(trace));
    }
    for name in [
        "x-request-id",
        "x-correlation-id",
        "request-id",
        "x-amzn-requestid",
        "x-ms-request-id",
    ] {
        event.key_opt(KeyKind::Request, headers.get(name));
    }
    event.key_opt(
        KeyKind::ToolCall,
        headers.first(&["x-tool-call-id", "x-mcp-tool-call-id"]),
    );
    if let Some(conversation) = headers.first(&["x-conversation-id", "x-session-id"]) {
        event.key(KeyKind::Conversation, conversation.clone());
        event.conversation = Some(conversation);
    }
    if let Some(agent) = headers.first(&["x-agent-id", "x-agent-name"]) {
        event.agent = Some(agent);
    }
    event.key_opt(KeyKind::Customer, headers.get("x-customer-id"));
    if let Some(user) = headers.first(&["x-on-behalf-of", "x-user-id", "x-forwarded-user"]) {
        event.key(KeyKind::User, user.clone());
        event.actor.on_behalf_of = Some(user);
    }
}

/// Finds the object that a request path names and adds the keys in path and query.
///
/// Known shapes: `/invoices/4711`, OData `A_SupplierInvoice(SupplierInvoice='4711',FiscalYear='2026')`,
/// Salesforce `/sobjects/Case/500…`.
pub(super) fn add_uri<'a>(event: &mut Event<'a>, uri: &str) {
    let (path, query) = path_of(uri).split_once('?').unwrap_or((path_of(uri), ""));
    if path.ends_with("/$batch") && event.kind == Kind::Write {
        // OData puts several calls into the body of one.
        event.kind = Kind::Other;
        event.notes.push(Cow::Borrowed(
            "a batch: which calls it holds, this log does not say",
        ));
    }
    let mut previous: Option<String> = None;
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let segment = decode(segment);
        if let Some((entity, keys)) = odata(&segment) {
            add_odata(event, entity, keys);
            previous = None;
            continue;
        }
        // Ids, and names of several words: tools are often called like the routes they use.
        if looks_like_id(&segment) || segment.len() >= 8 && segment.contains(['-', '_']) {
            event.key(KeyKind::Value, segment.clone());
        }
        if let Some(name) = previous.take() {
            add_path_pair(event, &name, &segment);
        }
        previous = Some(segment);
    }
    for pair in query.split('&') {
        if let Some((name, value)) = pair.split_once('=')
            && !is_secret_name(name)
        {
            let value = decode(value);
            add_evidence(event, &value);
            add_named(event, &decode(name), Cow::Owned(value));
        }
    }
}

/// A URL from its path on (RFC 3986, section 3): gateways log the path alone, or the whole.
pub(super) fn path_of(url: &str) -> &str {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url;
    };
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    if scheme.is_empty() || !scheme.chars().all(is_scheme) {
        return url;
    }
    rest.find(['/', '?']).map_or("/", |at| &rest[at..])
}

/// Query parameters whose value opens something: it stays in the raw record, which is protected.
fn is_secret_name(name: &str) -> bool {
    // In a query these are of a log-in; elsewhere they may be anything.
    const IN_QUERIES: &[&str] = &["code", "key", "sid", "session", "jsessionid"];
    let is = |secret: &&str| secret.eq_ignore_ascii_case(name);
    IN_QUERIES.iter().any(is) || opens_something(name)
}

/// A URL without the values of parameters that open something.
pub(super) fn without_secrets(url: &str) -> Cow<'_, str> {
    let Some((path, query)) = url.split_once('?') else {
        return Cow::Borrowed(url);
    };
    let is_secret = |pair: &&str| {
        pair.split_once('=')
            .is_some_and(|(name, _)| is_secret_name(name))
    };
    if !query.split('&').any(|pair| is_secret(&pair)) {
        return Cow::Borrowed(url);
    }
    let shown = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if is_secret(&pair) => format!("{name}=REDACTED"),
        _ => pair.to_owned(),
    });
    Cow::Owned(format!("{path}?{}", shown.collect::<Vec<_>>().join("&")))
}

fn add_path_pair(event: &mut Event<'_>, name: &str, id: &str) {
    if !looks_like_id(id) || name.bytes().any(|b| b.is_ascii_digit()) && !name.contains("__") {
        return;
    }
    let is_version =
        id.starts_with('v') && id[1..].bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if is_version {
        return;
    }
    match salesforce::key_kind(name, id).or_else(|| kind_of_name(name)) {
        Some(kind) => event.key(kind, id.to_owned()),
        None => event.key(KeyKind::Object, format!("{name}/{id}")),
    }
    event.object.kind = Some(Cow::Owned(name.to_owned()));
    event.object.id = Some(Cow::Owned(id.to_owned()));
}

/// `Entity(Key='1',Other='2')` or `Entity('1')` as entity and the text between the brackets.
fn odata(segment: &str) -> Option<(&str, &str)> {
    let (entity, rest) = segment.split_once('(')?;
    let keys = rest.strip_suffix(')')?;
    (!entity.is_empty() && !keys.is_empty()).then_some((entity, keys))
}

fn add_odata(event: &mut Event<'_>, entity: &str, keys: &str) {
    let mut ids = Vec::new();
    for part in keys.split(',') {
        let (name, value) = part.split_once('=').unwrap_or((entity, part));
        let value = value.trim().trim_matches('\'');
        event.key(KeyKind::Value, value.to_owned());
        add_named(event, name, Cow::Owned(value.to_owned()));
        ids.push(value.to_owned());
    }
    event.object.kind = Some(Cow::Owned(entity.to_owned()));
    event.object.id = Some(Cow::Owned(ids.join("/")));
}

/// Percent-decoding (RFC 3986, section 2.1), `+` as a blank; bytes that are no UTF-8 are replaced.
pub(super) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = |b: u8| (b as char).to_digit(16);
        match (byte, tail) {
            (b'%', [hi, lo, after @ ..]) if hex(*hi).is_some() && hex(*lo).is_some() => {
                let value = hex(*hi).unwrap_or(0) * 16 + hex(*lo).unwrap_or(0);
                bytes.push(u8::try_from(value).unwrap_or(b'?'));
                rest = after;
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(byte),
        }
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Takes out of a JSON value what opens something. Its depth is what serde_json reads, 128 at most.
fn hide_secrets(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Array(items) => items.iter_mut().for_each(hide_secrets),
        serde_json::Value::Object(members) => {
            for (name, value) in members {
                match opens_something(name) {
                    true => *value = serde_json::Value::from("REDACTED"),
                    false => hide_secrets(value),
                }
            }
        }
        _ => {}
    }
}

/// Adds the changed fields of a JSON body (values after only: a request does not know the old ones).
pub(super) fn add_body<'a>(event: &mut Event<'a>, body: &str) {
    let Ok(serde_json::Value::Object(members)) = serde_json::from_str(body) else {
        return;
    };
    super::names::add_arguments(event, body);
    for (field, value) in members.into_iter().take(64) {
        let after = match value {
            // That it was changed is to be seen; to what is not.
            _ if opens_something(&field) => None,
            serde_json::Value::String(text) => Some(text),
            serde_json::Value::Null => Some(String::new()),
            mut other => {
                hide_secrets(&mut other);
                Some(other.to_string())
            }
        };
        if let Some(after) = after.as_deref().filter(|_| is_amount_name(&field)) {
            event.amount = event.amount.or_else(|| crate::model::Amount::parse(after));
        }
        event.changes.push(crate::model::Change {
            field: Cow::Owned(field),
            before: None,
            after: after.map(Cow::Owned),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(uri: &str) -> Vec<(KeyKind, String)> {
        let mut event = Event::new(Kind::Read);
        add_uri(&mut event, uri);
        event
            .keys
            .iter()
            .filter(|(kind, _)| *kind != KeyKind::Value)
            .map(|(kind, value)| (*kind, value.to_string()))
            .collect()
    }

    #[test]
    fn objects_of_paths() {
        assert_eq!(
            keys("/erp/invoices/4711"),
            [(KeyKind::Invoice, "4711".to_owned())]
        );
        assert_eq!(
            keys(
                "/sap/opu/odata/sap/API_X/A_SupplierInvoice(SupplierInvoice='0000004711',FiscalYear='2026')"
            ),
            [(KeyKind::Invoice, "0000004711".to_owned())]
        );
        assert_eq!(
            keys("/services/data/v60.0/sobjects/Case/5005j00000AbcdEAAR"),
            [(KeyKind::Case, "5005j00000AbcdEAAR".to_owned())]
        );
        assert_eq!(
            keys("/api/v1/search?order_id=SO-123&limit=100"),
            [(KeyKind::Order, "SO-123".to_owned())]
        );
        assert_eq!(
            keys("https://erp.example:8443/erp/invoices/4711?x=1"),
            [(KeyKind::Invoice, "4711".to_owned())]
        );
        assert_eq!(path_of("https://erp.example:8443"), "/");
        assert_eq!(path_of("/go?to=http://x/y"), "/go?to=http://x/y");
        assert_eq!(
            keys("/api/shipments/SHP-1"),
            [(KeyKind::Object, "shipments/SHP-1".to_owned())]
        );
    }

    #[test]
    fn trace_context() {
        let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(
            traceparent(header).unwrap().0,
            "4bf92f3577b34da6a3ce929d0e0e4736"
        );
        assert!(traceparent("00-00000000000000000000000000000000-00f067aa0ba902b7-01").is_none());
        assert!(traceparent("-").is_none());
    }

    #[test]
    fn a_body_does_not_show_what_opens_something() {
        let mut event = Event::new(Kind::Write);
        add_body(
            &mut event,
            r#"{"name":"bob smith","password":"Hunter2-4711","login":{"api_key":"Hunter2-4711"}}"#,
        );
        let keys: Vec<&str> = event.keys.iter().map(|(_, value)| &**value).collect();
        assert_eq!(keys, ["bob smith"]);
        let changes = event.changes.iter();
        let changes: Vec<_> = changes
            .map(|change| (&*change.field, change.after.as_deref()))
            .collect();
        assert!(changes.contains(&("password", None)), "{changes:?}");
        assert!(!format!("{changes:?}").contains("Hunter2"), "{changes:?}");
    }

    #[test]
    fn percent_decoding() {
        assert_eq!(decode("a%27b+c%C3%A4%zz"), "a'b cä%zz");
    }
}
