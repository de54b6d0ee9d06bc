//! A first mapping for a log that nobody has described: its fields are looked at, and guessed.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::time::{Time, Zoneless};
use crate::normalise::Sample;
use crate::read::{Layout, parse_row};

/// Columns and the names under which logs carry them, most telling first.
const GUESSES: &[(&str, &[&str])] = &[
    (
        "action",
        &[
            "action",
            "event",
            "operation",
            "eventname",
            "verb",
            "aktion",
            "type",
        ],
    ),
    (
        "actor",
        &[
            "username",
            "user",
            "userid",
            "actor",
            "principal",
            "email",
            "benutzer",
            "caller",
        ],
    ),
    (
        "on_behalf_of",
        &["onbehalfof", "imauftrag", "delegate", "impersonated"],
    ),
    (
        "object_type",
        &[
            "objecttype",
            "entitytype",
            "resourcetype",
            "table",
            "tablename",
        ],
    ),
    (
        "object",
        &[
            "objectid",
            "entityid",
            "resourceid",
            "recordid",
            "object",
            "resource",
            "target",
        ],
    ),
    ("error", &["error", "errormessage", "errorcode", "fehler"]),
    ("amount", &["amount", "total", "betrag", "value"]),
    ("currency", &["currency", "waehrung", "währung"]),
    ("model_requested", &["model", "modelname"]),
    ("agent", &["agent", "agentname", "bot"]),
    ("tool", &["tool", "toolname", "function"]),
    ("trace", &["traceid", "trace"]),
    ("conversation", &["conversationid", "threadid"]),
    ("policy_id", &["policy", "policyid", "guardrail"]),
    ("policy_version", &["policyversion"]),
];

const KEYS: &[(&str, &[&str])] = &[
    (
        "request",
        &["requestid", "correlationid", "xrequestid", "reqid"],
    ),
    ("session", &["sessionid", "session"]),
    ("tool_call", &["toolcallid", "callid"]),
    (
        "invoice",
        &[
            "invoice",
            "invoiceid",
            "invoicenumber",
            "rechnung",
            "rechnungsnummer",
        ],
    ),
    ("order", &["order", "orderid", "ordernumber", "bestellung"]),
    (
        "customer",
        &["customer", "customerid", "kunde", "vendor", "supplier"],
    ),
    (
        "case",
        &["case", "caseid", "ticket", "ticketid", "incident"],
    ),
    ("user", &["username", "user", "userid", "email", "benutzer"]),
    ("address", &["ip", "clientip", "remoteaddr", "sourceip"]),
];

const TIMES: &[&str] = &[
    "timestamp",
    "time",
    "ts",
    "eventtime",
    "datetime",
    "createdat",
    "created",
    "date",
    "zeitpunkt",
    "zeit",
    "when",
    "starttime",
];

/// What is known of a field.
#[derive(Default)]
struct Field {
    count: usize,
    example: String,
}

/// Drafts a mapping file from the first records of a log.
///
/// # Errors
/// The log is plain text: nothing tells its fields apart.
pub fn draft(name: &str, sample: &Sample<'_>) -> Result<String, String> {
    let (container, records) = match sample.layout {
        Layout::Delimited { header, .. } => {
            let rows = sample.texts.iter().filter_map(|text| {
                let row = parse_row(text, header.delimiter).ok()?;
                let cells = header.names.iter().enumerate().map(|(at, name)| {
                    (
                        name.clone(),
                        Value::String(row.get(at).unwrap_or_default().to_owned()),
                    )
                });
                Some(Value::Object(cells.collect()))
            });
            ("table", rows.collect::<Vec<Value>>())
        }
        _ => ("json", sample.values.clone()),
    };
    if records.is_empty() {
        return Err(
            "the file has neither JSON records nor columns; write `container = \"text\"` \
             and a regular expression in `lines` by hand"
                .to_owned(),
        );
    }
    let mut fields: BTreeMap<String, Field> = BTreeMap::new();
    for record in &records {
        collect(&mut fields, "", record, 0);
    }
    let mut out = format!(
        "# Drafted from {} records. Check every line: names alone do not say what a field means.\n\
         name = \"{name}\"\ntitle = \"{name}\"\nfamily = \"{name}\"\ndocument = \"\"\n\
         container = \"{container}\"\n\n[detect]\n",
        records.len()
    );
    let always: Vec<String> = fields
        .iter()
        .filter(|(_, field)| field.count == records.len())
        .map(|(path, _)| quote(path))
        .take(4)
        .collect();
    out.push_str(&format!("all = [{}]\nsure = 90\n\n", always.join(", ")));
    let time = find(&fields, TIMES).filter(|path| {
        fields.get(*path).is_some_and(|field| {
            Time::parse(&field.example, Zoneless::In(&jiff::tz::TimeZone::UTC)).is_ok()
        })
    });
    match time {
        Some(path) => {
            let written = fields.get(path).map_or("", |field| field.example.as_str());
            let zoned = Time::parse(written, Zoneless::Utc).is_ok()
                && (written.ends_with('Z')
                    || written.contains('+')
                    || written.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
            out.push_str(&format!(
                "[time]\nvalue = {}  # {}\n",
                quote(path),
                comment(written)
            ));
            if !zoned {
                out.push_str("zone = \"local\"  # no offset is written: --tz says which zone\n");
            }
        }
        None => {
            out.push_str("# No time was found: name its field here.\n# [time]\n# value = \"\"\n")
        }
    }
    out.push_str("\n[event]\nkind = { default = \"other\" }  # request, inference, tool_call, read, write, approval, …\n");
    for (column, names) in GUESSES {
        if let Some(path) = find(&fields, names) {
            let example = fields.get(path).map_or("", |field| field.example.as_str());
            out.push_str(&format!(
                "{column} = {}  # {}\n",
                quote(path),
                comment(example)
            ));
        }
    }
    for (kind, names) in KEYS {
        if let Some(path) = find(&fields, names) {
            out.push_str(&format!(
                "\n[[keys]]\nkind = \"{kind}\"\nvalue = {}\n",
                quote(path)
            ));
        }
    }
    let used = |path: &str| out.contains(&quote(path));
    let rest: Vec<&String> = fields.keys().filter(|path| !used(path)).collect();
    let mut attributes = String::new();
    for path in rest.iter().take(40) {
        let example = fields.get(*path).map_or("", |field| field.example.as_str());
        attributes.push_str(&format!(
            "{} = {}  # {}\n",
            quote(path.trim_end_matches("[]")),
            quote(path),
            comment(example)
        ));
    }
    if !attributes.is_empty() {
        out.push_str("\n[attributes]\n");
        out.push_str(&attributes);
    }
    Ok(out)
}

fn collect(fields: &mut BTreeMap<String, Field>, path: &str, value: &Value, depth: u8) {
    match value {
        Value::Object(members) if depth < 4 => {
            for (name, value) in members {
                let name = name.replace('\\', "\\\\").replace('.', "\\.");
                let path = match path {
                    "" => name,
                    _ => format!("{path}.{name}"),
                };
                collect(fields, &path, value, depth + 1);
            }
        }
        Value::Null => {}
        value => {
            let field = fields.entry(path.to_owned()).or_default();
            field.count += 1;
            if field.example.is_empty() {
                field.example = super::path::text_of(value).unwrap_or_default();
            }
        }
    }
}

/// The field that goes by one of these names; a shallow one before a deep one.
fn find<'f>(fields: &'f BTreeMap<String, Field>, names: &[&str]) -> Option<&'f str> {
    let plain = |path: &str| -> String {
        let last = path.rsplit('.').next().unwrap_or(path);
        last.chars()
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect()
    };
    names.iter().find_map(|name| {
        fields
            .keys()
            .filter(|path| plain(path) == *name)
            .min_by_key(|path| path.matches('.').count())
            .map(String::as_str)
    })
}

fn quote(path: &str) -> String {
    toml::Value::String(path.to_owned()).to_string()
}

/// An example for a comment: one line, no control characters, not long.
fn comment(example: &str) -> String {
    let plain: String = example
        .chars()
        .filter(|c| !c.is_control())
        .take(48)
        .collect();
    format!("e.g. {plain}")
}
