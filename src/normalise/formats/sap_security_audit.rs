//! SAP Security Audit Log, as exported from SM20 / RSAU_READ_LOG or by an extractor.
//!
//! - Vendor document: SAP help, "Security Audit Log"; message texts of transaction SE92.
//! - Detection: the extractor's names (SLGUSER, SAL_DATE; JSON in upper or camel case), the column
//!   labels of SM20 in English or German, or a table without header whose first columns are date,
//!   time, client and a message id.
//! - Time: date and time of the application server, no offset: `--tz`. `SLGDATTIM` likewise.
//! - Ids: user, terminal, transaction; there is no request id.
//! - Not mapped: the binary audit files of the server.

use std::borrow::Cow;

use crate::model::{ActorType, Event, KeyKind, Kind, Outcome};
use crate::normalise::flat::Flat;
use crate::normalise::{Detection, Format, MapError, Record, Sample, ZoneRule, sap};

/// SAP Security Audit Log.
pub struct SecurityAudit;

const DATE: &[&str] = &["SAL_DATE", "SLGDATE", "DATE", "DATUM"];
const TIME: &[&str] = &["SAL_TIME", "SLGTIME", "TIME", "UHRZEIT", "ZEIT"];
const USER: &[&str] = &["SLGUSER", "USER", "BENUTZER", "USER_NAME"];
const CLIENT: &[&str] = &["SLGMAND", "CLIENT", "CLIENT_ID", "CL.", "MANDANT", "MDT"];
const TERMINAL: &[&str] = &["SLGLTRM2", "TERMINAL", "TERMINAL NAME", "TERMINALNAME"];
const TCODE: &[&str] = &[
    "SLGTC",
    "TCODE",
    "TRANSACTION CODE",
    "TRANSAKTIONSCODE",
    "TRANSACTION",
];
const PROGRAM: &[&str] = &["SLGREPNA", "PROGRAM", "PROGRAMM"];
const MESSAGE: &[&str] = &[
    "AUDIT LOG MSG. TEXT",
    "MESSAGE TEXT",
    "MESSAGE",
    "TEXT",
    "MELDUNGSTEXT",
    "AUDIT-LOG-MELDUNGSTEXT",
    "SAL_DATA",
];
const EVENT_ID: &[&str] = &[
    "MESSAGEID",
    "MSGID",
    "EVENT",
    "EREIGNIS",
    "MESSAGE ID",
    "MELDUNGS-ID",
];

impl Format for SecurityAudit {
    fn name(&self) -> &'static str {
        "sap_security_audit"
    }

    fn title(&self) -> &'static str {
        "SAP Security Audit Log"
    }

    fn family(&self) -> &'static str {
        "sap"
    }

    fn zone_rule(&self) -> ZoneRule {
        ZoneRule::Local
    }

    fn detect(&self, sample: &Sample<'_>) -> Option<Detection> {
        let Some(header) = sample.header() else {
            let share = sample.percent(|value| {
                value.as_object().is_some_and(|object| {
                    let has = |name: &str| {
                        object
                            .keys()
                            .any(|key| key.replace('_', "").eq_ignore_ascii_case(name))
                    };
                    (has("slguser") || has("slgmand")) && (has("saldate") || has("slgdattim"))
                })
            });
            return Detection::of(
                if share > 0 { 55 + share * 2 / 5 } else { 0 },
                format!("{share} % of the records have SLGUSER and SAL_DATE"),
            );
        };
        let any = |names: &[&str]| names.iter().any(|name| header.position(name).is_some());
        if header.position("SLGUSER").is_some() || header.position("SLGDATTIM").is_some() {
            return Detection::of(95, "columns SLGUSER or SLGDATTIM");
        }
        if any(DATE) && any(TIME) && any(USER) && any(MESSAGE) && any(EVENT_ID) {
            return Detection::of(
                80,
                "columns date, time, user, event and message text of SM20",
            );
        }
        let has_id = |text: &String| {
            let fourth = text.split(header.delimiter as char).nth(3);
            fourth.is_some_and(|cell| is_message_id(cell.trim()))
        };
        // Bad rows are the reader's business: most rows decide.
        let rows = sample.texts.iter().filter(|text| has_id(text)).count();
        let headless = header.position("COLUMN_4").is_some()
            && rows > 0
            && rows * 10 >= sample.texts.len() * 6;
        Detection::of(
            if headless { 75 } else { 0 },
            "no header; date, time, client and an audit message id come first",
        )
    }

    fn map<'r>(&self, record: &Record<'r>, out: &mut Vec<Event<'r>>) -> Result<(), MapError> {
        let fields = Flat::of(record)?;
        let headless = record
            .row
            .is_some_and(|(header, _)| header.position("COLUMN_4").is_some());
        let get = |names: &[&str], column: &str| {
            if headless {
                fields.get(&[column])
            } else {
                fields.get(names)
            }
        };
        let id = match (fields.get(&["AREA"]), fields.get(&["SUBID"])) {
            (Some(area), Some(sub)) if !headless => Cow::Owned(format!("{area}{sub}")),
            _ => get(EVENT_ID, "COLUMN_4").unwrap_or_default(),
        };
        let message = get(MESSAGE, "COLUMN_8");
        let (kind, outcome, action) = meaning(&id);
        let mut event = Event::new(kind);
        event.time = match (get(DATE, "COLUMN_1"), fields.get(&["SLGDATTIM"])) {
            (Some(date), _) => sap::time(record, &date, get(TIME, "COLUMN_2").as_deref())?,
            (None, Some(both)) => Some(record.local(&both)?),
            (None, None) => return Err(MapError::other("neither a date nor SLGDATTIM")),
        };
        event.outcome = Some(outcome);
        event.action = Some(match action {
            "" => Cow::Owned(format!("audit message {id}")),
            action => Cow::Borrowed(action),
        });
        let user = get(USER, "COLUMN_5");
        event.actor.kind = Some(match (&*id, user.as_deref()) {
            ("AU5" | "AU6", _) => ActorType::Service,
            (_, Some(user)) => sap::actor_type(user),
            (_, None) => ActorType::Unknown,
        });
        event.key_opt(KeyKind::User, user.clone());
        event.actor.id = user;
        let terminal = get(TERMINAL, "COLUMN_6");
        event.key_opt(KeyKind::Address, terminal.clone());
        event.attr_opt("client.address", terminal);
        event.attr_opt("sap.client", get(CLIENT, "COLUMN_3"));
        event.attr_opt("sap.program", get(PROGRAM, "COLUMN_7"));
        event.attr_opt(
            "sap.transaction_code",
            if headless { None } else { get(TCODE, "") },
        );
        event.attr_opt("sap.system", fields.get(&["SID"]));
        event.attr_opt("sap.instance", fields.get(&["INSTANCE"]));
        event.attr("sap.message_id", id.clone());
        for name in ["PARAM1", "PARAM2", "PARAM3"] {
            if let Some(value) = fields.get(&[name]) {
                event.attr(Cow::Owned(format!("sap.{}", name.to_lowercase())), value);
            }
        }
        if id == "AUE" {
            event.notes.push(Cow::Borrowed(
                "what the audit log records was changed here: compare what stands before and behind",
            ));
        }
        take_object(&mut event, &id, &fields, message.as_deref());
        if outcome != Outcome::Ok {
            event.error = message.clone();
        }
        if let Some(message) = message {
            event.attr("message", message);
        }
        out.push(event);
        Ok(())
    }
}

/// Three capitals or digits, beginning with a letter (`AU1`, `CUI`, `DU9`).
fn is_message_id(text: &str) -> bool {
    text.len() == 3
        && text.as_bytes()[0].is_ascii_uppercase()
        && text
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// What the audited action was about: the first parameter, or what the text names.
fn take_object<'r>(event: &mut Event<'r>, id: &str, fields: &Flat<'r>, message: Option<&str>) {
    let kind = match id {
        "AU3" | "AU4" => "transaction",
        "AUK" | "AUL" => "function module",
        "AUW" | "AUX" => "report",
        "AU7" | "AU8" | "AU9" | "AUB" | "AUD" | "AUM" | "AUN" => "user",
        "AUY" => "file",
        "CUZ" | "DU9" => "table",
        "CUI" => "application",
        "CUV" => "web service",
        _ => return,
    };
    let parameter = if matches!(id, "AUK" | "AUL") {
        "PARAM3"
    } else {
        "PARAM1"
    };
    let object = fields.get(&[parameter]).or_else(|| {
        let words: Vec<&str> = message?.split_whitespace().collect();
        // "Successful RFC Call BAPI_X (Function Group = Y)", "Transaction FB02 started."
        let at = match id {
            "AUK" | "AUL" => words.iter().position(|word| *word == "Call")? + 1,
            _ => 1,
        };
        words
            .get(at)
            .map(|word| Cow::Owned(word.trim_end_matches(['.', ',']).to_owned()))
    });
    event.object.kind = Some(Cow::Borrowed(kind));
    event.object.id = object;
}

/// Kind, outcome and verb of the common messages.
fn meaning(id: &str) -> (Kind, Outcome, &'static str) {
    match id {
        "AU1" => (Kind::Login, Outcome::Ok, "logon"),
        "AU2" => (Kind::Login, Outcome::Denied, "logon failed"),
        "AUC" => (Kind::Login, Outcome::Ok, "logoff"),
        "AU5" => (Kind::Login, Outcome::Ok, "RFC logon"),
        "AU6" => (Kind::Login, Outcome::Denied, "RFC logon failed"),
        "AU3" => (Kind::Other, Outcome::Ok, "transaction started"),
        "AU4" => (Kind::Other, Outcome::Denied, "transaction start failed"),
        "AUK" => (Kind::Other, Outcome::Ok, "RFC call"),
        "AUL" => (Kind::Other, Outcome::Denied, "RFC call failed"),
        "CUV" => (Kind::Other, Outcome::Ok, "web service call"),
        "AUW" => (Kind::Other, Outcome::Ok, "report started"),
        "AUX" => (Kind::Other, Outcome::Denied, "report start failed"),
        "AU7" => (Kind::Configuration, Outcome::Ok, "user created"),
        "AU8" => (Kind::Configuration, Outcome::Ok, "user deleted"),
        "AU9" | "AUM" => (Kind::Configuration, Outcome::Ok, "user locked"),
        "AUN" => (Kind::Configuration, Outcome::Ok, "user unlocked"),
        "AUB" => (Kind::Configuration, Outcome::Ok, "authorisations changed"),
        "AUD" => (Kind::Configuration, Outcome::Ok, "user master changed"),
        "AUE" => (
            Kind::Configuration,
            Outcome::Ok,
            "audit configuration changed",
        ),
        "AUY" => (Kind::Read, Outcome::Ok, "download"),
        "CUZ" | "DU9" => (Kind::Read, Outcome::Ok, "table access"),
        "CUI" => (Kind::Other, Outcome::Ok, "application started"),
        "CU2" | "CU3" | "CU4" => (Kind::Login, Outcome::Denied, "OAuth token refused"),
        _ => (Kind::Other, Outcome::Unknown, ""),
    }
}
