//! Amounts of money as exact decimals.

/// An amount in units of 1/10,000 of the currency's main unit (exact, never a float).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(pub i128);

impl Amount {
    /// Number of decimals an amount keeps.
    pub const SCALE: u32 = 4;

    /// Reads `1250`, `1250.00`, `1,250.00`, `1.250,00`, `-12.5` and SAP's trailing minus `100,00-`.
    ///
    /// Where one separator alone is followed by exactly three digits (`1.250`) it could be either;
    /// it is then read as a decimal point only if it is a dot, as machines write it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (text, negative) = match (text.strip_prefix('-'), text.strip_suffix('-')) {
            (Some(rest), None) | (None, Some(rest)) => (rest.trim(), true),
            (None, None) => (text, false),
            _ => return None,
        };
        if text.is_empty() || text.len() > 30 {
            return None;
        }
        let last_dot = text.rfind('.');
        let last_comma = text.rfind(',');
        let decimal_at = match (last_dot, last_comma) {
            (Some(dot), Some(comma)) => Some(dot.max(comma)),
            (Some(dot), None) if text.matches('.').count() == 1 => Some(dot),
            (None, Some(comma)) if text.matches(',').count() == 1 && text.len() - comma != 4 => {
                Some(comma)
            }
            _ => None,
        };
        let (whole, fraction) = match decimal_at {
            Some(at) => (&text[..at], &text[at + 1..]),
            None => (text, ""),
        };
        let mut value: i128 = 0;
        let mut digits = 0;
        for byte in whole.bytes() {
            match byte {
                b'0'..=b'9' => {
                    value = value * 10 + i128::from(byte - b'0');
                    digits += 1;
                }
                b'.' | b',' | b' ' | b'\'' => {}
                _ => return None,
            }
        }
        let mut scale = 0;
        for byte in fraction.bytes() {
            if !byte.is_ascii_digit() {
                return None;
            }
            if scale < Self::SCALE {
                value = value * 10 + i128::from(byte - b'0');
                scale += 1;
            }
            digits += 1;
        }
        if digits == 0 {
            return None;
        }
        value *= 10i128.pow(Self::SCALE - scale);
        Some(Self(if negative { -value } else { value }))
    }
}

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = 10i128.pow(Self::SCALE);
        let (whole, rest) = (self.0.abs() / unit, self.0.abs() % unit);
        let sign = if self.0 < 0 { "-" } else { "" };
        // Two decimals unless the amount really has more.
        if rest % 100 == 0 {
            write!(f, "{sign}{whole}.{:02}", rest / 100)
        } else {
            write!(f, "{sign}{whole}.{rest:04}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Amount;

    #[test]
    fn notations() {
        for (text, want) in [
            ("1250", "1250.00"),
            ("1250.5", "1250.50"),
            ("1,250.00", "1250.00"),
            ("1.250,00", "1250.00"),
            ("100,00-", "-100.00"),
            ("-3.1415", "-3.1415"),
            ("1,250", "1250.00"),
        ] {
            assert_eq!(Amount::parse(text).unwrap().to_string(), want, "{text}");
        }
        for text in ["", "-", "abc", "1e5", "--3"] {
            assert!(Amount::parse(text).is_none(), "{text}");
        }
    }
}
