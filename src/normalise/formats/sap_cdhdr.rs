//! SAP change document headers (table CDHDR).
//!
//! - Vendor document: SAP data dictionary, table CDHDR; BC "Change documents".
//! - Detection: columns OBJECTCLAS, CHANGENR and UDATE.
//! - Time: `UDATE` + `UTIME`, **local time of the application server, no offset**: `--tz`.
//! - Ids: client, class, object id and change number join header and positions (a transaction);
//!   document numbers cut out of OBJECTID by the class's widths.
//! - Not mapped: LANGU, VERSION, PLANCHNGNR.

use std::borrow::Cow;

use crate::model::{ActorType, Event, Kind, Outcome};
use crate::normalise::{Detection, Format, MapError, Record, Sample, ZoneRule, sap};

/// SAP CDHDR.
pub struct Cdhdr;

impl Format for Cdhdr {
    fn name(&self) -> &'static str {
        "sap_cdhdr"
    }

    fn title(&self) -> &'static str {
        "SAP change document headers (CDHDR)"
    }

    fn family(&self) -> &'static str {
        "sap"
    }

    fn zone_rule(&self) -> ZoneRule {
        ZoneRule::Local
    }

    fn detect(&self, sample: &Sample<'_>) -> Option<Detection> {
        let header = sample.header()?;
        let sure = header.has_all(&["OBJECTCLAS", "CHANGENR", "UDATE"]);
        Detection::of(
            if sure { 95 } else { 0 },
            "columns OBJECTCLAS, CHANGENR and UDATE",
        )
    }

    fn map<'r>(&self, record: &Record<'r>, out: &mut Vec<Event<'r>>) -> Result<(), MapError> {
        let mut event = Event::new(Kind::Write);
        let date = record
            .field("UDATE")
            .ok_or_else(|| MapError::other("no UDATE"))?;
        event.time = sap::time(record, date, record.field("UTIME"))?;
        let user = record.field("USERNAME");
        event.key_opt(crate::model::KeyKind::User, user);
        event.actor.id = user.map(Cow::Borrowed);
        event.actor.kind = Some(user.map_or(ActorType::Unknown, sap::actor_type));
        event.action = Some(Cow::Borrowed(sap::verb(
            record.field("CHANGE_IND").unwrap_or("U"),
        )));
        event.outcome = Some(Outcome::Ok);
        sap::take_change_document(&mut event, record);
        event.attr_opt("sap.transaction_code", record.field("TCODE"));
        event.attr_opt("sap.client", record.field("MANDANT"));
        out.push(event);
        Ok(())
    }
}
