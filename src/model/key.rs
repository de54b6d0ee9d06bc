//! Typed identifiers and their normal form.

use std::borrow::Cow;

use super::event::named_enum;

named_enum! {
    /// What an identifier identifies.
    KeyKind {
        /// W3C trace id.
        Trace = "trace",
        /// Conversation, thread or long-lived chat.
        Conversation = "conversation",
        /// One run of a workflow or agent.
        WorkflowRun = "workflow_run",
        /// `call_…`, `toolu_…`.
        ToolCall = "tool_call",
        /// `chatcmpl-…`, `resp_…`, `msg_…`.
        Response = "response",
        /// A request id that is passed on (`x-request-id`, `req_…`).
        Request = "request",
        /// One transaction of a system (SAP change document, one commit, approval process).
        Transaction = "transaction",
        /// A span; unique only within its trace.
        Span = "span",
        /// Log-on session.
        Session = "session",
        /// Invoice number.
        Invoice = "invoice",
        /// Sales or purchase order number.
        Order = "order",
        /// Customer or vendor number.
        Customer = "customer",
        /// Case or ticket.
        Case = "case",
        /// Account.
        Account = "account",
        /// Any other document number.
        Document = "document",
        /// A person or technical user.
        User = "user",
        /// Any other business object (`Type/id`).
        Object = "object",
        /// Network address.
        Address = "address",
        /// Digest of a conversation up to an answer of the model, which the next request repeats.
        Prefix = "prefix",
        /// A value that was passed or stored: evidence, never an identity.
        Value = "value",
        /// Bytes of an answer, as a gateway counted them or a model was given them: evidence.
        Size = "size",
        /// What keeps the clock of a record's time, where an export has records of several (`service.name`).
        Clock = "clock",
    }
}

impl KeyKind {
    /// Equal value means same task, unless the value is a hub (design 4.1).
    #[must_use]
    pub fn is_strong(self) -> bool {
        matches!(
            self,
            Self::Trace
                | Self::Conversation
                | Self::WorkflowRun
                | Self::ToolCall
                | Self::Response
                | Self::Request
                | Self::Transaction
                | Self::Prefix
        )
    }
}

/// Values that fill a field without identifying anything.
fn is_filler(value: &str) -> bool {
    const FILLERS: &[&str] = &[
        "-",
        "null",
        "none",
        "n/a",
        "na",
        "nil",
        "undefined",
        "unknown",
        "test",
        "anonymous",
        "0",
        "not available",
        "(null)",
        "default",
    ];
    value
        .bytes()
        .all(|b| matches!(b, b'0' | b'-' | b' ' | b'*'))
        || FILLERS
            .iter()
            .any(|filler| value.eq_ignore_ascii_case(filler))
}

/// How pseudonyms of people begin in a protected store.
pub const PSEUDONYM: &str = "pii-";

/// Whether a value is a pseudonym, which is its own normal form.
#[must_use]
pub fn is_pseudonym(value: &str) -> bool {
    // `pii-`, a kind, `-`, 16 signs.
    value.starts_with(PSEUDONYM) && value.len() >= PSEUDONYM.len() + 18
}

/// The form in which two spellings of one identifier are equal; `None` if the value identifies
/// nothing.
#[must_use]
pub fn normalise_key(kind: KeyKind, value: &str) -> Option<Cow<'_, str>> {
    let value = value.trim();
    if value.is_empty() || value.len() > 512 || is_filler(value) {
        return None;
    }
    if is_pseudonym(value) {
        return Some(Cow::Borrowed(value));
    }
    Some(match kind {
        KeyKind::Trace
        | KeyKind::Span
        | KeyKind::Conversation
        | KeyKind::Request
        | KeyKind::WorkflowRun => hex_id(value),
        KeyKind::Response
        | KeyKind::ToolCall
        | KeyKind::Session
        | KeyKind::Transaction
        | KeyKind::Prefix
        | KeyKind::Clock => Cow::Borrowed(value),
        KeyKind::Size => {
            let digits = value.bytes().all(|byte| byte.is_ascii_digit());
            return (digits && value.len() <= 12)
                .then(|| Cow::Borrowed(value.trim_start_matches('0')));
        }
        KeyKind::Value => return evidence_value(value).map(Cow::Owned),
        KeyKind::Address => return address(value),
        KeyKind::User => {
            if value.bytes().any(|b| b.is_ascii_uppercase()) && salesforce_id18(value).is_none() {
                Cow::Owned(value.to_lowercase())
            } else {
                salesforce_id18(value).unwrap_or(Cow::Borrowed(value))
            }
        }
        KeyKind::Invoice
        | KeyKind::Order
        | KeyKind::Customer
        | KeyKind::Case
        | KeyKind::Account
        | KeyKind::Document => business_number(value),
        KeyKind::Object => match value.rsplit_once('/') {
            Some((kind, id)) => Cow::Owned(format!("{kind}/{}", business_number(id))),
            None => business_number(value),
        },
    })
}

/// A value as it is compared across systems: without case; of a document number in any notation
/// (`#W4923227`, `0004923227`, `SO-4923227`) the digits; of a number without trailing zeros.
/// `None` for what nearly every record has.
#[must_use]
pub fn evidence_value(value: &str) -> Option<String> {
    const LONGEST: usize = 96;
    let lower = value.trim().trim_start_matches('#').to_lowercase();
    let lower = lower.replace('_', "-");
    if matches!(lower.as_str(), "true" | "false" | "null" | "none") {
        return None;
    }
    let digits = lower
        .trim_start_matches(|c: char| c.is_ascii_alphabetic())
        .trim_start_matches('-');
    let letters = lower.len() - digits.len();
    if letters <= 5 && digits.len() >= 4 && digits.bytes().all(|b| b.is_ascii_digit()) {
        let core = digits.trim_start_matches('0');
        return (core.len() >= 3).then(|| core.to_owned());
    }
    if let Some((whole, fraction)) = lower.split_once('.')
        && !whole.is_empty()
        && whole
            .bytes()
            .chain(fraction.bytes())
            .all(|b| b.is_ascii_digit())
    {
        let fraction = fraction.trim_end_matches('0');
        let number = match fraction {
            "" => whole.to_owned(),
            _ => format!("{whole}.{fraction}"),
        };
        return (number.len() >= 3).then_some(number);
    }
    // The suffix of a Salesforce id may be missing.
    if let Some(id) = salesforce_id18(value.trim()) {
        return Some(id[..15].to_owned());
    }
    let mut words: Vec<&str> = lower.split_whitespace().collect();
    if words.is_empty() || lower.len() < 3 {
        return None;
    }
    let mut text = words.join(" ");
    while text.len() > LONGEST && words.len() > 1 {
        words.pop();
        text = words.join(" ");
    }
    (text.len() <= 4 * LONGEST).then_some(text)
}

/// The size of a request that writes, as evidence.
#[must_use]
pub fn body_size(bytes: &str) -> String {
    format!("request of {bytes} bytes")
}

/// Whether evidence is the size of a request ([`body_size`]).
#[must_use]
pub fn is_body_size(evidence: &str) -> bool {
    let bytes = evidence.strip_prefix("request of ");
    let bytes = bytes.and_then(|rest| rest.strip_suffix(" bytes"));
    bytes.is_some_and(|bytes| bytes.bytes().all(|byte| byte.is_ascii_digit()))
}

/// An address or the name of a host without its port, in lower case; `None` for what is none: a part that is
/// masked (`10.1.2.***`), or words in its place (`AWS Internal`).
fn address(value: &str) -> Option<Cow<'_, str>> {
    let host = match value.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        // One colon parts a port; more are of an IPv6 address.
        None if value.matches(':').count() == 1 => value.split(':').next().unwrap_or_default(),
        None => value,
    };
    let is_name = || !host.contains(['*', ' ', ':', '/']);
    if host.parse::<std::net::IpAddr>().is_err() && !is_name() {
        return None;
    }
    Some(if host.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    })
}

/// Lower case, UUIDs without dashes, and trace ids without the word that the OpenAI Agents SDK puts before them, so that a
/// trace id and what is made of it are equal.
fn hex_id(value: &str) -> Cow<'_, str> {
    let is_w3c = |id: &&str| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
    let value = value.strip_prefix("trace_").filter(is_w3c).unwrap_or(value);
    let bytes = value.as_bytes();
    let uuid = bytes.len() == 36
        && bytes.iter().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => *b == b'-',
            _ => b.is_ascii_hexdigit(),
        });
    if uuid {
        return Cow::Owned(value.replace('-', "").to_ascii_lowercase());
    }
    if bytes.iter().all(u8::is_ascii_hexdigit) && bytes.iter().any(u8::is_ascii_uppercase) {
        return Cow::Owned(value.to_ascii_lowercase());
    }
    Cow::Borrowed(value)
}

/// A document number in its normal form: `0000004711`, `INV-4711`, `#W4711` and `RG 4711` are
/// `4711`; a Salesforce id of 15 characters gets its suffix; anything else is kept in upper case.
///
/// A prefix of letters is cut only before at least three digits: `C1` and `D1` stay apart.
#[must_use]
pub fn business_number(value: &str) -> Cow<'_, str> {
    let value = value.trim();
    if let Some(id) = salesforce_id18(value) {
        return id;
    }
    let core = value.trim_start_matches('#');
    let letters = core.bytes().take_while(u8::is_ascii_alphabetic).count();
    let rest = core[letters..].trim_start_matches(['-', '_', ' ', '#', ':', '/']);
    let digits = rest.trim_start_matches('0');
    let numeric = !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit());
    if numeric && (letters == 0 || (letters <= 5 && rest.len() >= 3)) {
        return Cow::Borrowed(if digits.is_empty() { "0" } else { digits });
    }
    if core.bytes().any(|b| b.is_ascii_lowercase()) || core.len() != value.len() {
        return Cow::Owned(core.to_ascii_uppercase());
    }
    Cow::Borrowed(value)
}

/// The 18-character form of a Salesforce id, `None` if the text has not the shape of one.
///
/// Source: Salesforce object reference, "ID field type": three groups of five characters, one
/// suffix character a group, bit *j* set where character *j* is an upper-case letter. An
/// 18-character id with a wrong suffix is kept as it is (it may be masked or made up).
#[must_use]
pub fn salesforce_id18(value: &str) -> Option<Cow<'_, str>> {
    const SUFFIX: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    let bytes = value.as_bytes();
    let shape = matches!(bytes.len(), 15 | 18)
        && bytes.iter().all(u8::is_ascii_alphanumeric)
        && bytes.iter().any(u8::is_ascii_alphabetic)
        // Key prefixes are three characters: a digit or `a` (custom objects) first.
        && (bytes[0].is_ascii_digit() || bytes[0] == b'a')
        && bytes[..3].iter().any(u8::is_ascii_digit);
    if !shape {
        return None;
    }
    if bytes.len() == 18 {
        return Some(Cow::Borrowed(value));
    }
    let mut id = String::with_capacity(18);
    id.push_str(value);
    for group in bytes.chunks_exact(5) {
        let mut bits = 0usize;
        for (j, byte) in group.iter().enumerate() {
            bits |= usize::from(byte.is_ascii_uppercase()) << j;
        }
        id.push(SUFFIX[bits] as char);
    }
    Some(Cow::Owned(id))
}

/// Name and domain of a user, in lower case: of `anna@corp.example`, `CORP\anna`, `arn:…:user/anna`, and of
/// the name alone.
fn name_and_domain(user: &str) -> (String, Option<String>) {
    let user = user.trim().to_lowercase();
    if let Some((name, domain)) = user.split_once('@') {
        return (name.to_owned(), Some(domain.to_owned()));
    }
    if let Some((domain, name)) = user.split_once('\\') {
        return (name.to_owned(), Some(domain.to_owned()));
    }
    match user.rsplit_once(":user/") {
        Some((_, name)) => (name.to_owned(), None),
        None => (user, None),
    }
}

/// Whether two names are forms of one user's: with and without domain, as an e-mail address, as a log-on name
/// of Windows (`CORP\anna` is of `corp.example`), a Salesforce id with and without suffix. Two domains that
/// say nothing of each other are two users.
#[must_use]
pub fn same_user(left: &str, right: &str) -> bool {
    if let (Some(left), Some(right)) = (salesforce_id18(left.trim()), salesforce_id18(right.trim()))
    {
        return left == right;
    }
    let ((left, left_domain), (right, right_domain)) =
        (name_and_domain(left), name_and_domain(right));
    let domains_fit = match (left_domain, right_domain) {
        (Some(left), Some(right)) => {
            let first = |domain: &str| domain.split('.').next().map(str::to_owned);
            // A log-on domain is the first label of the one that the Internet knows.
            left == right
                || !(left.contains('.') && right.contains('.')) && first(&left) == first(&right)
        }
        _ => true,
    };
    !left.is_empty() && left == right && domains_fit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_request_is_evidence_that_is_known_again() {
        let evidence = evidence_value(&body_size("1296")).unwrap();
        assert_eq!(evidence, "request of 1296 bytes");
        assert!(is_body_size(&evidence));
        for other in ["1296", "request of many bytes", "request of 1296", ""] {
            assert!(!is_body_size(other), "{other}");
        }
    }

    #[test]
    fn spellings_of_one_invoice() {
        for text in [
            "4711",
            "0000004711",
            "INV-4711",
            "inv_4711",
            "#4711",
            "RG 4711",
            "INV4711",
        ] {
            assert_eq!(
                normalise_key(KeyKind::Invoice, text).unwrap(),
                "4711",
                "{text}"
            );
        }
        assert_eq!(
            normalise_key(KeyKind::Order, "#W4923227").unwrap(),
            "4923227"
        );
        assert_eq!(normalise_key(KeyKind::Customer, "C1").unwrap(), "C1");
        assert_eq!(
            normalise_key(KeyKind::Invoice, "INV-2026-4711").unwrap(),
            "INV-2026-4711"
        );
    }

    #[test]
    fn salesforce_suffix() {
        for (short, long) in [
            ("0055j000000utlP", "0055j000000utlPAAQ"),
            ("0050O000008bidx", "0050O000008bidxQAA"),
            ("00520000004aQga", "00520000004aQgaAAE"),
        ] {
            assert_eq!(salesforce_id18(short).unwrap(), long);
            assert_eq!(salesforce_id18(long).unwrap(), long);
        }
        assert!(salesforce_id18("hello").is_none());
    }

    #[test]
    fn addresses() {
        for (text, want) in [
            ("10.1.2.3", Some("10.1.2.3")),
            ("10.1.2.3:8080", Some("10.1.2.3")),
            ("2001:DB8::1", Some("2001:db8::1")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("10.1.2.***", None),
            ("AWS Internal", None),
            ("PC-ANNA", Some("pc-anna")),
        ] {
            let found = normalise_key(KeyKind::Address, text);
            assert_eq!(found.as_deref(), want, "{text}");
        }
    }

    #[test]
    fn forms_of_one_user() {
        for (left, right, same) in [
            ("anna@corp.example", "ANNA@corp.example", true),
            ("anna@corp.example", "CORP\\Anna", true),
            ("anna", "CORP\\anna", true),
            ("anna", "anna@corp.example", true),
            ("arn:aws:iam::1:user/anna", "anna", true),
            ("0055j000000utlP", "0055j000000utlPAAQ", true),
            ("0055j000000utlP", "0055j000000utlp", false),
            ("anna@corp.example", "anna@other.example", false),
            ("OTHER\\anna", "anna@corp.example", false),
            ("anna", "annabel", false),
            ("@x", "@y", false),
        ] {
            assert_eq!(same_user(left, right), same, "{left} and {right}");
            assert_eq!(same_user(right, left), same, "{right} and {left}");
        }
    }

    #[test]
    fn fillers_are_no_keys() {
        for text in ["-", "null", "00000000000000000000000000000000", " ", "test"] {
            assert!(normalise_key(KeyKind::Trace, text).is_none(), "{text}");
        }
    }

    #[test]
    fn traces_of_the_agents_sdk_are_those_of_w3c() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let of = |text: &str| normalise_key(KeyKind::Trace, text).map(Cow::into_owned);
        assert_eq!(of(&format!("trace_{id}")).as_deref(), Some(id));
        let short = "trace_aaaabbbbccccdddd";
        assert_eq!(of(short).as_deref(), Some(short));
        assert_eq!(of("trace_").as_deref(), Some("trace_"));
    }

    #[test]
    fn trace_and_uuid_are_equal() {
        let uuid = "4BF92F35-77B3-4DA6-A3CE-929D0E0E4736";
        assert_eq!(
            normalise_key(KeyKind::Trace, uuid).unwrap(),
            "4bf92f3577b34da6a3ce929d0e0e4736"
        );
    }
}
