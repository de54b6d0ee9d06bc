//! Why events are in their tasks.

use super::super::column::Fixed;
use super::parts::Texts;
use crate::model::KeyKind;

/// Links of all events: an event's link names its value by number, because the events of one group share it.
#[derive(Debug, Default)]
pub(in crate::stitch) struct Links {
    of: Vec<LinkOf>,
    values: Texts,
}

/// The link of one event. What is asked for together lies together: events are linked in no order of theirs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::stitch) struct LinkOf {
    /// `u32::MAX` for none.
    pub cause: u32,
    /// Number of the value.
    pub value: u32,
    kind: u16,
    thousandths: u16,
}

impl LinkOf {
    /// No link.
    pub(in crate::stitch) const NOT_SET: Self = Self {
        cause: u32::MAX,
        value: 0,
        kind: 0,
        thousandths: 0,
    };

    /// A link to a cause: kind and number of the value, how sure between 0 and 1.
    pub(in crate::stitch) fn new(cause: u32, (kind, value): (KeyKind, u32), sure: f64) -> Self {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Between 0 and 1000.
        let thousandths = (sure.clamp(0.0, 1.0) * 1000.0) as u16;
        Self {
            cause,
            value,
            kind: kind as u16,
            thousandths,
        }
    }

    /// The same, where the events are numbered otherwise and there are other values before.
    pub(in crate::stitch) fn moved(self, number: impl Fn(u32) -> u32, values: u32) -> Self {
        match self.is_set() {
            true => Self {
                cause: number(self.cause),
                value: self.value + values,
                ..self
            },
            false => Self::NOT_SET,
        }
    }

    /// Whether evidence says so, and no id.
    pub(in crate::stitch) fn is_by_evidence(self) -> bool {
        self.is_set() && self.kind() == Some(KeyKind::Value)
    }

    pub(in crate::stitch) fn is_set(self) -> bool {
        self.cause != u32::MAX
    }

    pub(in crate::stitch) fn kind(self) -> Option<KeyKind> {
        KeyKind::ALL.get(usize::from(self.kind)).copied()
    }

    /// How sure, 0 to 1.
    pub(in crate::stitch) fn probability(self) -> f64 {
        f64::from(self.thousandths) / 1000.0
    }
}

impl Links {
    pub(in crate::stitch) fn none(events: usize) -> Self {
        Self {
            of: vec![LinkOf::NOT_SET; events],
            values: Texts::default(),
        }
    }

    pub(in crate::stitch) fn is_set(&self, event: u32) -> bool {
        self.of[event as usize].is_set()
    }

    /// The number of a new value.
    pub(in crate::stitch) fn add_value(&mut self, value: &[u8]) -> u32 {
        self.values.push(value)
    }

    /// Links an event to its cause. How sure that is, is between 0 and 1.
    pub(in crate::stitch) fn set(
        &mut self,
        event: u32,
        cause: u32,
        (kind, value): (KeyKind, u32),
        probability: f64,
    ) {
        self.of[event as usize] = LinkOf::new(cause, (kind, value), probability);
    }

    /// The link of each event, and the values.
    pub(in crate::stitch) fn into_parts(self) -> (Vec<LinkOf>, Texts) {
        (self.of, self.values)
    }
}

impl Fixed for LinkOf {
    const WIDTH: usize = 12;
    const NONE: Self = Self::NOT_SET;

    fn put(self, out: &mut Vec<u8>) {
        for number in [self.cause, self.value] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.kind, self.thousandths] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    fn get(bytes: &[u8]) -> Self {
        let Ok(bytes) = <[u8; Self::WIDTH]>::try_from(bytes) else {
            return Self::NONE;
        };
        let [a, b, c, d, e, f, g, h, i, j, k, l] = bytes;
        Self {
            cause: u32::from_le_bytes([a, b, c, d]),
            value: u32::from_le_bytes([e, f, g, h]),
            kind: u16::from_le_bytes([i, j]),
            thousandths: u16::from_le_bytes([k, l]),
        }
    }
}
