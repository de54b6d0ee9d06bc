//! Times as logs write them, brought to microseconds UTC once.

mod fields;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use self::fields::{Fields, Zone, precision_of};
use super::event::named_enum;

named_enum! {
    /// How the time of an event came to be in UTC.
    TimeOrigin {
        /// The record writes UTC or an epoch number.
        Utc = "utc",
        /// The record writes an offset.
        Offset = "offset",
        /// The record writes no zone; the format's document says UTC.
        DocumentedUtc = "documented_utc",
        /// The record writes no zone; the zone was given by the user or defaults to UTC.
        AssumedZone = "assumed_zone",
        /// As `AssumedZone`, and the local time occurs twice (end of daylight saving); the first is
        /// taken.
        Ambiguous = "ambiguous",
        /// As `AssumedZone`, and the local time does not occur (start of daylight saving); it is
        /// shifted forward.
        Gap = "gap",
        /// Taken from the transport around the record (an HTTP `Date` header, a log prefix).
        Wrapper = "wrapper",
    }
}

named_enum! {
    /// Smallest unit that the record writes.
    Precision {
        /// Whole days.
        Day = "day",
        /// Whole minutes.
        Minute = "minute",
        /// Whole seconds.
        Second = "s",
        /// Milliseconds.
        Milli = "ms",
        /// Microseconds.
        Micro = "us",
        /// Nanoseconds; stored in microseconds, rounded down.
        Nano = "ns",
    }
}

/// A point in time with what is known of its making.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// Microseconds since 1970-01-01T00:00:00 UTC.
    pub us: i64,
    /// How it was brought to UTC.
    pub origin: TimeOrigin,
    /// Smallest unit written.
    pub precision: Precision,
}

/// Why a text is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a time that exists ({reason})")]
pub struct BadTime {
    /// The text, cut to 64 characters.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

fn bad(text: &str, reason: impl Into<String>) -> BadTime {
    BadTime {
        text: text.chars().take(64).collect(),
        reason: reason.into(),
    }
}

named_enum! {
    /// What `2/6/19` means.
    DateOrder {
        /// Day, month, year.
        DayFirst = "dmy",
        /// Month, day, year.
        MonthFirst = "mdy",
    }
}

impl DateOrder {
    /// The order of the dates among some fields: that in which all of them exist, if it is only one.
    /// A date that could be either settles nothing.
    #[must_use]
    pub fn of<'a>(fields: impl Iterator<Item = &'a str>) -> Dates {
        let mut dates = Dates::None;
        for (first, second, ..) in fields.filter_map(slashed) {
            let one = match (first > 12, second > 12) {
                (true, false) => Dates::In(Self::DayFirst),
                (false, true) => Dates::In(Self::MonthFirst),
                // The same either way.
                (false, false) if first == second => continue,
                _ => Dates::Unclear,
            };
            dates = match (dates, one) {
                (Dates::None | Dates::Unclear, one) => one,
                (dates, Dates::Unclear) => dates,
                (dates, one) if dates == one => dates,
                _ => return Dates::Contradicting,
            };
        }
        dates
    }
}

/// What the dates of a file with slashes say of their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dates {
    /// There is none.
    None,
    /// Each could be either.
    Unclear,
    /// One of them settles it.
    In(DateOrder),
    /// Two of them contradict each other.
    Contradicting,
}

/// First and second number and year of a date with slashes, and what stands behind it. Years of two digits
/// turn at 69 (as POSIX has it).
fn slashed(text: &str) -> Option<(i8, i8, i16, &str)> {
    let text = text.trim_start();
    let (first, rest) = text.split_once('/')?;
    let (second, rest) = rest.split_once('/')?;
    let length = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (year, rest) = rest.split_at(length);
    let is_number =
        |text: &str| matches!(text.len(), 1 | 2) && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(first)
        || !is_number(second)
        || !rest.is_empty() && !rest.starts_with([' ', ',', 'T'])
    {
        return None;
    }
    let year = match (length, year.parse::<i16>().ok()?) {
        (4, year) => year,
        (2, year @ 0..=68) => 2000 + year,
        (2, year) => 1900 + year,
        _ => return None,
    };
    Some((first.parse().ok()?, second.parse().ok()?, year, rest))
}

/// What a time without a zone means.
#[derive(Clone, Copy, Debug)]
pub enum Zoneless<'a> {
    /// UTC, because the format's document says so.
    Utc,
    /// Local time in that zone.
    In(&'a TimeZone),
}

/// 1970 in .NET ticks.
const TICKS_EPOCH: i64 = 621_355_968_000_000_000;

impl Time {
    /// A time from an epoch number; the unit follows from its size (format catalogue, section 0):
    /// below 10^11 s, below 10^14 ms, below 10^17 µs, else ns; 18 digits that begin with 63 or 64 are
    /// .NET ticks of 100 ns since the year 1 (as Azure writes them).
    ///
    /// # Errors
    /// A number outside the years 1 to 9999.
    pub fn from_epoch(number: i64) -> Result<Self, BadTime> {
        let (us, precision) = match number.unsigned_abs() {
            0..100_000_000_000 => (number.checked_mul(1_000_000), Precision::Second),
            100_000_000_000..100_000_000_000_000 => (number.checked_mul(1_000), Precision::Milli),
            100_000_000_000_000..100_000_000_000_000_000 => (Some(number), Precision::Micro),
            // As nanoseconds they would lie in 1990, before there was anything of this to log.
            630_000_000_000_000_000..650_000_000_000_000_000 if number > 0 => {
                (Some((number - TICKS_EPOCH) / 10), Precision::Micro)
            }
            _ => (Some(number.div_euclid(1_000)), Precision::Nano),
        };
        let us = us.ok_or_else(|| bad(&number.to_string(), "out of range"))?;
        Self::checked(us, TimeOrigin::Utc, precision, &number.to_string())
    }

    fn checked(
        us: i64,
        origin: TimeOrigin,
        precision: Precision,
        text: &str,
    ) -> Result<Self, BadTime> {
        // Years 1 to 9999.
        if (-62_135_596_800_000_000..253_402_300_800_000_000).contains(&us) {
            Ok(Self {
                us,
                origin,
                precision,
            })
        } else {
            Err(bad(text, "outside the years 1 to 9999"))
        }
    }

    /// Reads the notations of the format catalogue: ISO 8601 with `T` or a blank, with or without
    /// fraction, `Z`, `+01:00`, `+0100` or ` UTC`; `20251231235959.123`; `20251231` + `235959`
    /// joined by a blank or nothing; `31.12.2025 23:59:59`; `31/Dec/2025:23:59:59 +0100` (NCSA);
    /// `31-DEC-25 11.59.59.123456 PM` (Oracle); `Wed Oct  7 11:58:08 2020 -04:00`; RFC 7231 dates;
    /// epoch numbers; `12/31/2025 4:01:02 PM`, where only one order of day and month is a date
    /// ([`Time::parse_in`] takes an order). Behind the time, the
    /// abbreviations of European and American zones count as offsets; others are not unique and
    /// are taken for the zone of the source, where there is one.
    ///
    /// # Errors
    /// Text in none of these notations, or a date or time of day that cannot exist.
    pub fn parse(text: &str, zoneless: Zoneless<'_>) -> Result<Self, BadTime> {
        Self::parse_in(text, zoneless, None)
    }

    /// As [`Time::parse`], of a source whose dates with slashes have that order.
    ///
    /// # Errors
    /// As [`Time::parse`].
    pub fn parse_in(
        text: &str,
        zoneless: Zoneless<'_>,
        order: Option<DateOrder>,
    ) -> Result<Self, BadTime> {
        if let Some((first, second, year, rest)) = slashed(text) {
            let order = match order {
                Some(order) => order,
                None => match DateOrder::of(std::iter::once(text)) {
                    Dates::In(order) => order,
                    Dates::None => DateOrder::DayFirst,
                    _ => {
                        let reason =
                            "is the day or the month first? --date-order dmy or mdy says it";
                        return Err(bad(text, reason));
                    }
                },
            };
            let (day, month) = match order {
                DateOrder::DayFirst => (first, second),
                DateOrder::MonthFirst => (second, first),
            };
            let rest = rest.strip_prefix(',').unwrap_or(rest);
            let plain = format!("{year:04}-{month:02}-{day:02}{rest}");
            return Self::parse(&plain, zoneless).map_err(|error| bad(text, error.reason));
        }
        let trimmed = text.trim();
        let bytes = trimmed.as_bytes();
        if bytes.is_empty() {
            return Err(bad(text, "empty"));
        }
        if bytes.iter().all(u8::is_ascii_digit) && !matches!(bytes.len(), 8 | 14) {
            let number = trimmed.parse().map_err(|_| bad(text, "number too large"))?;
            return Self::from_epoch(number);
        }
        if let Some((whole, fraction)) = trimmed.split_once('.')
            && whole.len() == 10
            && whole
                .bytes()
                .chain(fraction.bytes())
                .all(|b| b.is_ascii_digit())
        {
            return Self::parse_float_epoch(whole, fraction, text);
        }
        if bytes[0].is_ascii_alphabetic() {
            return match asctime(trimmed) {
                Some(plain) => Self::parse(&plain, zoneless),
                None => parse_rfc7231(trimmed, text),
            };
        }
        let unknown = || bad(text, "unknown notation");
        let (rest, abbreviated) = split_abbreviation(trimmed);
        let parsed = match month_named(rest) {
            Some(plain) => Fields::read(plain.as_bytes()),
            None => Fields::read(rest.as_bytes()),
        };
        let mut parsed = parsed.ok_or_else(unknown)?;
        match (abbreviated, zoneless) {
            (Some(name), _) if zone_of_abbreviation(name).is_some() => {
                parsed.zone = zone_of_abbreviation(name).map_or(Zone::None, Zone::Offset);
            }
            (Some(_), Zoneless::Utc) => return Err(unknown()),
            _ => {}
        }
        parsed.to_time(text, zoneless)
    }

    fn parse_float_epoch(whole: &str, fraction: &str, text: &str) -> Result<Self, BadTime> {
        let seconds: i64 = whole.parse().map_err(|_| bad(text, "number too large"))?;
        let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
        let micros: i64 = digits.parse().map_err(|_| bad(text, "bad fraction"))?;
        let precision = precision_of(fraction.len());
        Self::checked(
            seconds * 1_000_000 + micros,
            TimeOrigin::Utc,
            precision,
            text,
        )
    }

    /// Local date and time of day in a zone.
    fn local(
        date_time: DateTime,
        zone: &TimeZone,
        precision: Precision,
        text: &str,
    ) -> Result<Self, BadTime> {
        let ambiguous = zone.to_ambiguous_timestamp(date_time);
        let origin = match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => TimeOrigin::AssumedZone,
            AmbiguousOffset::Fold { .. } => TimeOrigin::Ambiguous,
            AmbiguousOffset::Gap { .. } => TimeOrigin::Gap,
        };
        let timestamp = ambiguous
            .compatible()
            .map_err(|_| bad(text, "out of range"))?;
        Self::checked(timestamp.as_microsecond(), origin, precision, text)
    }
}

/// Parts a trailing zone abbreviation from a text; `UTC`, `GMT`, `Z`, `AM` and `PM` stay.
fn split_abbreviation(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(' ') {
        Some((rest, name))
            if (3..=5).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_uppercase())
                && name != "UTC"
                && name != "GMT" =>
        {
            (rest, Some(name))
        }
        _ => (text, None),
    }
}

/// Offset in seconds of the abbreviations that are well known and not ambiguous in practice.
fn zone_of_abbreviation(name: &str) -> Option<i32> {
    let hours = match name {
        "WET" => 0,
        "CET" | "BST" | "WEST" => 1,
        "CEST" | "EET" => 2,
        "EEST" => 3,
        "EST" | "CDT" => -5,
        "EDT" => -4,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        _ => return None,
    };
    Some(hours * 3600)
}

/// Rewrites `31/Dec/2025:23:59:59 …` and `31-DEC-25 11.59.59.1 PM` with numbers and 24 hours.
fn month_named(text: &str) -> Option<String> {
    let separator = ['/', '-'].into_iter().find(|c| text.contains(*c))?;
    let mut parts = text.splitn(3, separator);
    let (day, month, rest) = (parts.next()?, parts.next()?, parts.next()?);
    const MONTHS: &str = "janfebmaraprmayjunjulaugsepoctnovdec";
    let is_day = (1..=2).contains(&day.len()) && day.bytes().all(|b| b.is_ascii_digit());
    if !is_day || month.len() != 3 || !month.bytes().all(|b| b.is_ascii_alphabetic()) {
        return None;
    }
    let month = MONTHS.find(&month.to_ascii_lowercase())?;
    let month = (month % 3 == 0).then_some(month / 3 + 1)?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (year, time) = rest.split_at(end);
    let year = match year.len() {
        4 => year.to_owned(),
        // Two digits: the pivot that spreadsheets use.
        2 if year < "70" => format!("20{year}"),
        2 => format!("19{year}"),
        _ => return None,
    };
    let time = time.trim_start_matches([':', ' ']);
    if time.is_empty() {
        return Some(format!("{year}-{month:02}-{day:0>2}"));
    }
    let upper = time.to_ascii_uppercase();
    let half = ["AM", "PM"].into_iter().find(|half| upper.ends_with(half));
    let mut clock = time[..time.len() - half.map_or(0, str::len)]
        .trim()
        .to_owned();
    if !clock.contains(':') {
        clock = clock.replacen('.', ":", 2);
    }
    if let Some(half) = half {
        let (hour, behind) = clock.split_once(':')?;
        let hour: u8 = hour.parse().ok().filter(|hour| (1..=12).contains(hour))?;
        let hour = hour % 12 + if half == "PM" { 12 } else { 0 };
        clock = format!("{hour:02}:{behind}");
    }
    Some(format!("{year}-{month:02}-{day:0>2} {clock}"))
}

/// Rewrites `Wed Oct  7 11:58:08 2020 -04:00` (C's asctime, as Oracle and SAP write it).
fn asctime(text: &str) -> Option<String> {
    let mut words = text.split_ascii_whitespace();
    let (_weekday, month, day) = (words.next()?, words.next()?, words.next()?);
    let (clock, year, zone) = (words.next()?, words.next()?, words.next());
    let plausible = clock.contains(':') && year.len() == 4 && words.next().is_none();
    plausible.then(|| format!("{day}/{month}/{year} {clock}{}", zone.unwrap_or_default()))
}

/// `Tue, 12 Aug 2025 13:07:41 GMT` (RFC 7231, section 7.1.1.1).
fn parse_rfc7231(trimmed: &str, text: &str) -> Result<Time, BadTime> {
    let zoned = jiff::fmt::rfc2822::parse(trimmed).map_err(|error| bad(text, error.to_string()))?;
    let us = zoned.timestamp().as_microsecond();
    Time::checked(us, TimeOrigin::Wrapper, Precision::Second, text)
}

/// RFC 3339 in UTC with as many fraction digits as needed (none, 3 or 6).
#[must_use]
pub fn format_utc(us: i64) -> String {
    format_in(us, &TimeZone::UTC)
}

/// RFC 3339 in a zone: `Z` for UTC, an offset elsewhere.
#[must_use]
pub fn format_in(us: i64, zone: &TimeZone) -> String {
    let Ok(timestamp) = jiff::Timestamp::from_microsecond(us) else {
        return format!("{us} us");
    };
    let micros = us.rem_euclid(1_000_000);
    let offset = zone.to_offset(timestamp);
    let local = offset.to_datetime(timestamp);
    let mut out = local.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    if micros % 1000 != 0 {
        out.push_str(&format!(".{micros:06}"));
    } else if micros != 0 {
        out.push_str(&format!(".{:03}", micros / 1000));
    }
    if offset.is_zero() {
        out.push('Z');
    } else {
        let minutes = offset.seconds() / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        out.push_str(&format!(
            "{sign}{:02}:{:02}",
            minutes.abs() / 60,
            minutes.abs() % 60
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> String {
        format_utc(Time::parse(text, Zoneless::Utc).unwrap().us)
    }

    #[test]
    fn months_by_name_and_zones_by_abbreviation() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (text, want) in [
            ("10/Jun/2023:15:36:28 +0000", "2023-06-10T15:36:28Z"),
            ("31/Dec/2025:23:59:59.250 +0100", "2025-12-31T22:59:59.250Z"),
            (
                "31-DEC-25 11.59.59.123456 PM",
                "2025-12-31T22:59:59.123456Z",
            ),
            ("31-DEC-25 12.00.01 AM", "2025-12-30T23:00:01Z"),
            ("Wed Oct  7 11:58:08 2020 -04:00", "2020-10-07T15:58:08Z"),
            ("Wed Oct  7 11:58:08 2020", "2020-10-07T09:58:08Z"),
            ("2026-05-16 05:11:50.269 CEST", "2026-05-16T03:11:50.269Z"),
            ("2026-05-16 05:11:50 EST", "2026-05-16T10:11:50Z"),
            ("2026-05-16 05:11:50 XYZT", "2026-05-16T03:11:50Z"),
        ] {
            let time = Time::parse(text, Zoneless::In(&berlin)).unwrap();
            assert_eq!(format_utc(time.us), want, "{text}");
        }
        assert!(Time::parse("2026-05-16 05:11:50 XYZT", Zoneless::Utc).is_err());
        assert!(Time::parse("31/Foo/2025:23:59:59 +0100", Zoneless::Utc).is_err());
        assert!(Time::parse("31/Dec/2025:25:59:59 +0100", Zoneless::Utc).is_err());
    }

    #[test]
    fn notations() {
        for (text, want) in [
            ("2025-12-31T23:59:59.123Z", "2025-12-31T23:59:59.123Z"),
            ("2025-12-31T23:59:59.123+0000", "2025-12-31T23:59:59.123Z"),
            ("2025-12-31 23:59:59+11:00", "2025-12-31T12:59:59Z"),
            ("20251231235959.123", "2025-12-31T23:59:59.123Z"),
            ("20251231235959", "2025-12-31T23:59:59Z"),
            ("20251231 235959", "2025-12-31T23:59:59Z"),
            ("31.12.2025 23:59:59", "2025-12-31T23:59:59Z"),
            ("2022-05-07T12:55:53", "2022-05-07T12:55:53Z"),
            ("2026-05-16 05:11:50.269 UTC", "2026-05-16T05:11:50.269Z"),
            ("1726783839538", "2024-09-19T22:10:39.538Z"),
            ("1767225599.123456", "2025-12-31T23:59:59.123456Z"),
            ("Tue, 12 Aug 2025 13:07:41 GMT", "2025-08-12T13:07:41Z"),
            ("2025-12-31T24:00:00Z", "2026-01-01T00:00:00Z"),
            ("12/31/2025 4:01:02 PM", "2025-12-31T16:01:02Z"),
            ("12/31/2025, 12:01:02 AM", "2025-12-31T00:01:02Z"),
            ("31/12/69 9:05", "1969-12-31T09:05:00Z"),
            ("2/2/68", "2068-02-02T00:00:00Z"),
            ("639080316000000000", "2026-03-02T07:00:00Z"),
        ] {
            assert_eq!(utc(text), want, "{text}");
        }
    }

    #[test]
    fn the_order_of_a_date_is_said_or_settled() {
        let read = |order| {
            let time = Time::parse_in("2/6/19 9:25:11", Zoneless::Utc, order);
            time.map(|time| format_utc(time.us))
        };
        assert_eq!(
            read(Some(DateOrder::DayFirst)).unwrap(),
            "2019-06-02T09:25:11Z"
        );
        assert_eq!(
            read(Some(DateOrder::MonthFirst)).unwrap(),
            "2019-02-06T09:25:11Z"
        );
        assert!(read(None).unwrap_err().reason.contains("--date-order"));
        let of = |fields: &[&str]| DateOrder::of(fields.iter().copied());
        assert_eq!(of(&["x", "1/2", "2019-02-06"]), Dates::None);
        assert_eq!(of(&["2/6/19", "3/3/19"]), Dates::Unclear);
        assert_eq!(
            of(&["2/6/19", "12/31/19"]),
            Dates::In(DateOrder::MonthFirst)
        );
        assert_eq!(
            of(&["31/12/2019 1:00", "2/6/19"]),
            Dates::In(DateOrder::DayFirst)
        );
        assert_eq!(
            of(&["12/31/19", "31/12/19", "12/31/19"]),
            Dates::Contradicting
        );
    }

    #[test]
    fn impossible_times_are_errors() {
        for text in [
            "2026-02-30T10:00:00Z",
            "2026-01-01T25:00:00Z",
            "hello",
            "",
            "2026-13-01",
            "99999999999999999999",
        ] {
            assert!(Time::parse(text, Zoneless::Utc).is_err(), "{text}");
        }
    }

    #[test]
    fn daylight_saving_is_flagged() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let parse = |text| Time::parse(text, Zoneless::In(&berlin)).unwrap();
        assert_eq!(parse("2026-07-01 12:00:00").origin, TimeOrigin::AssumedZone);
        assert_eq!(
            format_utc(parse("2026-07-01 12:00:00").us),
            "2026-07-01T10:00:00Z"
        );
        assert_eq!(parse("2026-10-25 02:30:00").origin, TimeOrigin::Ambiguous);
        assert_eq!(parse("2026-03-29 02:30:00").origin, TimeOrigin::Gap);
    }

    #[test]
    fn shown_in_a_zone() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(
            format_in(1_767_225_599_123_000, &berlin),
            "2026-01-01T00:59:59.123+01:00"
        );
    }
}
