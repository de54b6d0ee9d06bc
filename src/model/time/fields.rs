//! The fields of a time, read from its digits.

use super::*;

pub(super) fn precision_of(fraction_digits: usize) -> Precision {
    match fraction_digits {
        0 => Precision::Second,
        1..=3 => Precision::Milli,
        4..=6 => Precision::Micro,
        _ => Precision::Nano,
    }
}

/// Offset east of UTC in seconds, or none written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    None,
    Utc,
    Offset(i32),
}

pub(super) struct Fields {
    pub date: (i16, i8, i8),
    pub time: (i8, i8, i8),
    pub micros: i32,
    pub precision: Precision,
    pub zone: Zone,
}

/// Reads digits from the front of a text.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let hit = self.peek() == Some(byte);
        self.at += usize::from(hit);
        hit
    }

    pub(super) fn digits(&mut self, least: usize, most: usize) -> Option<i32> {
        let start = self.at;
        let mut value = 0;
        while self.at - start < most
            && let Some(digit @ b'0'..=b'9') = self.peek()
        {
            value = value * 10 + i32::from(digit - b'0');
            self.at += 1;
        }
        (self.at - start >= least).then_some(value)
    }

    pub(super) fn small(&mut self, least: usize) -> Option<i8> {
        i8::try_from(self.digits(least, 2)?).ok()
    }
}

impl Fields {
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor { bytes, at: 0 };
        let date = Self::read_date(&mut cursor)?;
        let mut fields = Self {
            date,
            time: (0, 0, 0),
            micros: 0,
            precision: Precision::Day,
            zone: Zone::None,
        };
        if cursor.peek().is_none() {
            return Some(fields);
        }
        if !(cursor.eat(b'T') || cursor.eat(b't')) {
            while cursor.eat(b' ') {}
        }
        let hour = cursor.small(1)?;
        let colon = cursor.eat(b':');
        let minute = cursor.small(2)?;
        fields.precision = Precision::Minute;
        let mut second = 0;
        if (colon && cursor.eat(b':'))
            || (!colon && cursor.peek().is_some_and(|b| b.is_ascii_digit()))
        {
            second = cursor.small(2)?;
            fields.precision = Precision::Second;
        }
        fields.time = (hour, minute, second);
        if cursor.eat(b'.') || cursor.eat(b',') {
            let start = cursor.at;
            while cursor.peek().is_some_and(|b| b.is_ascii_digit()) {
                cursor.at += 1;
            }
            let digits = &bytes[start..cursor.at];
            if digits.is_empty() || digits.len() > 12 {
                return None;
            }
            for i in 0..6 {
                let digit = digits.get(i).map_or(0, |b| b - b'0');
                fields.micros = fields.micros * 10 + i32::from(digit);
            }
            fields.precision = precision_of(digits.len());
        }
        let rest = bytes[cursor.at..].trim_ascii_start();
        if let [half @ (b'A' | b'P' | b'a' | b'p'), b'M' | b'm', ..] = rest {
            let afternoon = matches!(half, b'P' | b'p');
            fields.time.0 = match (hour, afternoon) {
                (12, afternoon) => 12 * i8::from(afternoon),
                (1..=11, afternoon) => hour + 12 * i8::from(afternoon),
                _ => return None,
            };
            cursor.at = bytes.len() - rest.len() + 2;
        }
        fields.zone = Self::read_zone(&mut cursor)?;
        (cursor.at == bytes.len()).then_some(fields)
    }

    pub(super) fn read_date(cursor: &mut Cursor<'_>) -> Option<(i16, i8, i8)> {
        // `31.12.2025`: German and SAP display form.
        if cursor.bytes.get(2) == Some(&b'.') || cursor.bytes.get(1) == Some(&b'.') {
            let day = cursor.small(1)?;
            cursor.eat(b'.');
            let month = cursor.small(1)?;
            cursor.eat(b'.').then_some(())?;
            let year = i16::try_from(cursor.digits(4, 4)?).ok()?;
            return Some((year, month, day));
        }
        let year = i16::try_from(cursor.digits(4, 4)?).ok()?;
        let separated = cursor.eat(b'-') || cursor.eat(b'/');
        let month = cursor.small(if separated { 1 } else { 2 })?;
        if separated && !(cursor.eat(b'-') || cursor.eat(b'/')) {
            return None;
        }
        let day = cursor.small(if separated { 1 } else { 2 })?;
        Some((year, month, day))
    }

    pub(super) fn read_zone(cursor: &mut Cursor<'_>) -> Option<Zone> {
        while cursor.eat(b' ') {}
        let rest = &cursor.bytes[cursor.at..];
        if rest.is_empty() {
            return Some(Zone::None);
        }
        if rest == b"Z" || rest == b"z" || rest == b"UTC" || rest == b"GMT" {
            cursor.at = cursor.bytes.len();
            return Some(Zone::Utc);
        }
        let sign = match rest[0] {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        cursor.at += 1;
        let hours = cursor.digits(2, 2)?;
        cursor.eat(b':');
        let minutes = if cursor.peek().is_some() {
            cursor.digits(2, 2)?
        } else {
            0
        };
        if hours > 18 || minutes > 59 {
            return None;
        }
        Some(Zone::Offset(sign * (hours * 3600 + minutes * 60)))
    }

    pub(super) fn to_time(&self, text: &str, zoneless: Zoneless<'_>) -> Result<Time, BadTime> {
        let (year, month, day) = self.date;
        // 24:00:00 is how some systems write midnight at the end of a day; a leap second is kept
        // at the last microsecond of its minute.
        let (hour, minute, second) = self.time;
        let second = second.min(if second == 60 { 59 } else { second });
        let (hour, next_day) = if hour == 24 && minute == 0 {
            (0, true)
        } else {
            (hour, false)
        };
        let mut date_time =
            DateTime::new(year, month, day, hour, minute, second, self.micros * 1000)
                .map_err(|error| bad(text, error.to_string()))?;
        if next_day {
            date_time = date_time
                .tomorrow()
                .map_err(|error| bad(text, error.to_string()))?;
        }
        let utc = |origin, shift: i32| {
            let timestamp = TimeZone::UTC
                .to_timestamp(date_time)
                .map_err(|error| bad(text, error.to_string()))?;
            let us = timestamp.as_microsecond() - i64::from(shift) * 1_000_000;
            Time::checked(us, origin, self.precision, text)
        };
        match (self.zone, zoneless) {
            (Zone::Utc, _) | (Zone::Offset(0), _) => utc(TimeOrigin::Utc, 0),
            (Zone::Offset(shift), _) => utc(TimeOrigin::Offset, shift),
            (Zone::None, Zoneless::Utc) => utc(TimeOrigin::DocumentedUtc, 0),
            (Zone::None, Zoneless::In(zone)) => Time::local(date_time, zone, self.precision, text),
        }
    }
}
