//! The values that are evidence, and which of them each event has.

use std::path::Path;

use super::lists::Lists;
use super::*;
use crate::stitch::statements::notation;
use crate::stitch::texts::Texts;
use crate::store::KeyScan;

/// Kinds of keys whose values are evidence.
const EVIDENCE: [KeyKind; 9] = [
    KeyKind::Value,
    KeyKind::Invoice,
    KeyKind::Order,
    KeyKind::Customer,
    KeyKind::Case,
    KeyKind::Account,
    KeyKind::Document,
    KeyKind::Object,
    KeyKind::User,
];

/// Values of the events of one part, and the events that have each: by a number of this part.
#[derive(Default)]
struct OfPart {
    names: Texts,
    /// Event, and value.
    pairs: Vec<(u32, u32)>,
}

/// Reads the values of events, numbered as they come, and those of each event: of those whose place is true, if not of all.
/// A part with none of them is not opened.
pub(super) fn read(
    store: &Store,
    places: &Places,
    wanted: Option<&[bool]>,
) -> Result<(Texts, Lists), StoreError> {
    let files = places.files_with(store, "keys", wanted);
    let mut of_parts = side_by_side(&files, |(part, path)| {
        OfPart::read(places, part.batch, path, wanted)
    })?;
    let mut names = Texts::new();
    for of_part in &mut of_parts {
        let numbers: Vec<u32> = of_part
            .names
            .iter()
            .map(|name| names.number(name))
            .collect();
        of_part.names = Texts::default();
        let values = of_part.pairs.iter_mut().map(|pair| &mut pair.1);
        values.for_each(|value| *value = numbers[*value as usize]);
    }
    let pairs = || of_parts.iter().flat_map(|part| part.pairs.iter().copied());
    Ok((names, Lists::of(places.len(), pairs)))
}

impl OfPart {
    fn read(
        places: &Places,
        batch: usize,
        path: &Path,
        wanted: Option<&[bool]>,
    ) -> Result<Self, StoreError> {
        let mut of_part = Self {
            names: Texts::new(),
            pairs: Vec::new(),
        };
        let scan = KeyScan::open(path)?;
        for kind in EVIDENCE {
            // Values are in their order: what one is as evidence is worked out once.
            let mut last: Option<(String, Option<u32>)> = None;
            scan.each(kind.as_str(), &mut |value, row| {
                let Some(event) = places.number(batch, row) else {
                    return;
                };
                if wanted.is_some_and(|wanted| !wanted[event as usize]) {
                    return;
                }
                let number = match &last {
                    Some((known, number)) if known == value => *number,
                    _ => {
                        let number = notation(value).map(|of| of_part.names.number(&of));
                        last = Some((value.to_owned(), number));
                        number
                    }
                };
                of_part.pairs.extend(number.map(|number| (event, number)));
            })?;
        }
        Ok(of_part)
    }
}
