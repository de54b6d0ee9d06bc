//! Why events are in their tasks.

use super::super::column::Fixed;
use super::parts::Texts;
use crate::model::KeyKind;

/// No reason.
pub(in crate::stitch) const NO_REASON: u32 = u32::MAX;

/// Why events are linked to a cause: the events that one value joins to one cause have one reason.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::stitch) struct Reason {
    /// The event that they are linked to.
    pub cause: u32,
    kind: u16,
    thousandths: u16,
}

impl Reason {
    /// A key of a kind, how sure between 0 and 1.
    pub(in crate::stitch) fn new(cause: u32, kind: KeyKind, sure: f64) -> Self {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Between 0 and 1000.
        let thousandths = (sure.clamp(0.0, 1.0) * 1000.0) as u16;
        Self {
            cause,
            kind: kind as u16,
            thousandths,
        }
    }

    /// Whether evidence says so, and no id.
    pub(in crate::stitch) fn is_evidence(self) -> bool {
        self.kind() == Some(KeyKind::Value)
    }

    pub(in crate::stitch) fn kind(self) -> Option<KeyKind> {
        KeyKind::ALL.get(usize::from(self.kind)).copied()
    }

    /// How sure, 0 to 1.
    pub(in crate::stitch) fn probability(self) -> f64 {
        f64::from(self.thousandths) / 1000.0
    }
}

/// Reasons, each with the value that links rest on, or what agrees.
#[derive(Debug, Default)]
pub(in crate::stitch) struct Reasons {
    pub(super) of: Vec<Reason>,
    pub(super) values: Texts,
}

impl Reasons {
    pub(in crate::stitch) fn len(&self) -> usize {
        self.of.len()
    }

    /// Adds a reason and gives its number.
    pub(in crate::stitch) fn push(&mut self, reason: Reason, value: &[u8]) -> u32 {
        self.of.push(reason);
        self.values.push(value)
    }

    /// Adds reasons, behind those that are there, and gives the number of the first one of them.
    pub(in crate::stitch) fn append(&mut self, mut more: Self) -> u32 {
        self.of.append(&mut more.of);
        self.values.append(more.values)
    }

    pub(in crate::stitch) fn get(&self, number: u32) -> Option<Reason> {
        self.of.get(number as usize).copied()
    }

    /// Numbers the causes otherwise.
    pub(in crate::stitch) fn renumber(&mut self, number: impl Fn(u32) -> u32) {
        for reason in &mut self.of {
            reason.cause = number(reason.cause);
        }
    }
}

/// Takes reasons that are in use, and numbers them anew in the order in which they are used first: what is not used goes, and how often
/// others were added to decides nothing.
pub(in crate::stitch) struct InUse<'r> {
    reasons: &'r Reasons,
    /// The new number of each, if it has one.
    numbers: Vec<u32>,
}

impl<'r> InUse<'r> {
    pub(in crate::stitch) fn of(reasons: &'r Reasons) -> Self {
        Self {
            reasons,
            numbers: vec![NO_REASON; reasons.len()],
        }
    }

    /// The reasons with those numbers, which are replaced.
    pub(in crate::stitch) fn take(&mut self, used: &mut [u32]) -> Reasons {
        let (mut taken, mut before) = (Reasons::default(), Vec::new());
        for number in used {
            let Some(reason) = self.reasons.get(*number) else {
                continue;
            };
            let new = &mut self.numbers[*number as usize];
            if *new == NO_REASON {
                *new = taken.push(reason, self.reasons.values.get(*number));
                before.push(*number);
            }
            *number = *new;
        }
        // For what is asked next.
        for number in before {
            self.numbers[number as usize] = NO_REASON;
        }
        taken
    }
}

/// Links of all events: the number of the reason of each.
#[derive(Debug, Default)]
pub(in crate::stitch) struct Links {
    of: Vec<u32>,
    reasons: Reasons,
}

impl Links {
    pub(in crate::stitch) fn none(events: usize) -> Self {
        Self {
            of: vec![NO_REASON; events],
            reasons: Reasons::default(),
        }
    }

    pub(in crate::stitch) fn is_set(&self, event: u32) -> bool {
        self.of[event as usize] != NO_REASON
    }

    /// The number of a new reason.
    pub(in crate::stitch) fn add(&mut self, reason: Reason, value: &[u8]) -> u32 {
        self.reasons.push(reason, value)
    }

    /// Links an event for a reason.
    pub(in crate::stitch) fn set(&mut self, event: u32, reason: u32) {
        self.of[event as usize] = reason;
    }

    /// The reason of each event, and the reasons.
    pub(in crate::stitch) fn into_parts(self) -> (Vec<u32>, Reasons) {
        (self.of, self.reasons)
    }
}

impl Fixed for Reason {
    const WIDTH: usize = 8;
    const NONE: Self = Self {
        cause: u32::MAX,
        kind: u16::MAX,
        thousandths: 0,
    };

    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.cause.to_le_bytes());
        for number in [self.kind, self.thousandths] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    fn get(bytes: &[u8]) -> Self {
        let Ok(bytes) = <[u8; Self::WIDTH]>::try_from(bytes) else {
            return Self::NONE;
        };
        let [a, b, c, d, e, f, g, h] = bytes;
        Self {
            cause: u32::from_le_bytes([a, b, c, d]),
            kind: u16::from_le_bytes([e, f]),
            thousandths: u16::from_le_bytes([g, h]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_numbered_by_their_use() {
        let mut reasons = Reasons::default();
        for (cause, value) in (0..).zip(["never", "late", "", "early"]) {
            reasons.push(Reason::new(cause, KeyKind::Trace, 1.0), value.as_bytes());
        }
        let mut in_use = InUse::of(&reasons);
        let mut used = [3, NO_REASON, 1, 3, 2, 1];
        let taken = in_use.take(&mut used);
        assert_eq!((used, taken.len()), ([0, NO_REASON, 1, 0, 2, 1], 3));
        let all: Vec<&[u8]> = (0..3).map(|number| taken.values.get(number)).collect();
        assert_eq!(all, [&b"early"[..], b"late", b""]);
        assert_eq!(taken.get(1).unwrap().cause, 1);
        // Once more, from the beginning.
        let mut used = [1, 3];
        let taken = in_use.take(&mut used);
        assert_eq!((used, taken.values.get(1)), ([0, 1], &b"early"[..]));
    }
}
