//! The texts in which what is looked for may stand.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::Match;
use super::pattern::Pattern;
use crate::store::{
    Record, Store, StoreError, TextFooters, TextPlace, Wanted, side_by_side, texts_with,
};

/// Contexts of matches that are kept of one place: there is room for those that are shown of what is rare.
const CONTEXTS: usize = 64;
/// More bytes of texts than that are not read for the sake of single records among them.
const FEW_BYTES: u64 = 64 << 20;

/// A record of the store: its batch, and its place there.
pub(super) type Place = (usize, Record);

/// The texts in which what is looked for may stand.
pub(super) struct Texts<'s> {
    pub store: &'s Store,
    patterns: &'s [Pattern],
    batches: Vec<BatchTexts>,
    told: &'s Told<'s>,
    /// Bytes of all these texts, before they were compressed,
    bytes: u64,
    /// and of those that were read.
    read: AtomicU64,
}

/// Who is told how many bytes were read, of how many.
pub type Told<'t> = dyn Fn(u64, u64) + Sync + 't;

struct BatchTexts {
    footers: TextFooters,
    /// With the first and the last record of each, in the order of the first.
    places: Vec<(TextPlace, [Record; 2])>,
    /// The last record of all places up to each.
    last: Vec<Record>,
}

impl BatchTexts {
    fn may_hold(&self, [first, last]: [Record; 2]) -> bool {
        let before = self.places.partition_point(|(_, bounds)| bounds[0] <= last);
        before > 0 && self.last[before - 1] >= first
    }
}

impl<'s> Texts<'s> {
    pub(super) fn of(
        store: &'s Store,
        patterns: &'s [Pattern],
        told: &'s Told<'s>,
    ) -> Result<Self, StoreError> {
        // What is revealed stands in no text as it is stored.
        let mut wanted = Wanted::default();
        if !store.access().reveals() {
            for pattern in patterns {
                wanted.words.extend(&pattern.words);
                wanted.fragments.extend(pattern.fragments.iter().cloned());
                wanted.shapes.extend(pattern.shapes.iter().cloned());
            }
        }
        let of_batch = |custody| {
            let places = texts_with(store, custody, &wanted)?;
            let footers = TextFooters::of(store, &places)?;
            let bounds = |place: TextPlace| {
                let bounds = footers.records(&place)?;
                Ok((place, bounds))
            };
            let mut places: Vec<(TextPlace, [Record; 2])> = places
                .into_iter()
                .map(bounds)
                .collect::<Result<_, StoreError>>()?;
            places.sort_by_key(|(_, bounds)| *bounds);
            let last = places.iter().scan((i32::MIN, i64::MIN), |last, place| {
                *last = place.1[1].max(*last);
                Some(*last)
            });
            let last = last.collect();
            Ok(BatchTexts {
                footers,
                places,
                last,
            })
        };
        let batches = store.batches().iter().map(of_batch);
        let batches: Vec<BatchTexts> = batches.collect::<Result<_, StoreError>>()?;
        let bytes = |texts: &BatchTexts| -> u64 {
            let places = texts.places.iter();
            places.map(|(place, _)| texts.footers.bytes(place)).sum()
        };
        Ok(Self {
            bytes: batches.iter().map(bytes).sum(),
            store,
            patterns,
            batches,
            told,
            read: AtomicU64::new(0),
        })
    }

    /// Whether no text can have a match.
    pub(super) fn is_empty(&self, batch: usize) -> bool {
        self.batches[batch].places.is_empty()
    }

    /// Whether one of those records, the first of which and the last of which are given, may have a text with a match.
    pub(super) fn may_hold(&self, batch: usize, records: [Record; 2]) -> bool {
        self.batches[batch].may_hold(records)
    }

    /// Bytes of all these texts, before they were compressed.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn was_read(&self, batch: usize, place: &TextPlace) {
        let bytes = self.batches[batch].footers.bytes(place);
        let read = self.read.fetch_add(bytes, Ordering::Relaxed) + bytes;
        (self.told)(read.min(self.bytes), self.bytes);
    }

    /// Where the first pattern is found, if all are.
    fn find_in(&self, bytes: &[u8]) -> Option<Range<usize>> {
        let (first, others) = self.patterns.split_first()?;
        let range = first.find(bytes)?;
        let mut others = others.iter();
        others
            .all(|pattern| pattern.find(bytes).is_some())
            .then_some(range)
    }

    /// All texts with a match, in the order of their records; `None` if there are more than `most`.
    pub(super) fn find_all(&self, most: usize) -> Result<Option<Vec<(Place, Found)>>, StoreError> {
        let jobs: Vec<(usize, &TextPlace)> = (0..)
            .zip(&self.batches)
            .flat_map(|(batch, texts)| texts.places.iter().map(move |(place, _)| (batch, place)))
            .collect();
        let count = AtomicUsize::new(0);
        let found = side_by_side(&jobs, |(batch, place)| {
            let mut found: Vec<(Place, Found)> = Vec::new();
            if count.load(Ordering::Relaxed) > most {
                return Ok(found);
            }
            let footers = &self.batches[*batch].footers;
            footers.scan(self.store, place, |record, part, name, bytes| {
                if let Some(range) = self.find_in(bytes) {
                    let shown = (found.len() < CONTEXTS)
                        .then(|| Box::new(Match::of(part, name, bytes, range)));
                    let is_record = name == "raw";
                    let text = Found {
                        part,
                        is_record,
                        shown,
                    };
                    found.push(((*batch, record), text));
                }
            })?;
            count.fetch_add(found.len(), Ordering::Relaxed);
            self.was_read(*batch, place);
            Ok::<_, StoreError>(found)
        })?;
        if count.into_inner() > most {
            return Ok(None);
        }
        let mut found: Vec<(Place, Found)> = found.into_iter().flatten().collect();
        found.sort_by_key(|(record, _)| *record);
        Ok(Some(found))
    }

    /// What `take` makes of each text of those records (in order) in which all patterns are found: of its event of
    /// the record, its name, its bytes and where the first pattern is. In the order of the records.
    pub(super) fn find<T: Send>(
        &self,
        records: &[Place],
        take: impl Fn(i32, &str, &[u8], Range<usize>) -> T + Sync,
    ) -> Result<Vec<(Place, T)>, StoreError> {
        let mut jobs: Vec<(usize, &TextPlace, Vec<Record>)> = Vec::new();
        let mut bytes = 0;
        for of_batch in records.chunk_by(|a, b| a.0 == b.0) {
            let batch = of_batch[0].0;
            let records: Vec<Record> = of_batch.iter().map(|(_, record)| *record).collect();
            let texts = &self.batches[batch];
            for (place, [first, last]) in &texts.places {
                let from = records.partition_point(|record| record < first);
                let until = records.partition_point(|record| record <= last);
                if from < until {
                    bytes += texts.footers.bytes(place);
                    jobs.push((batch, place, records[from..until].to_vec()));
                }
            }
        }
        let found = side_by_side(&jobs, |(batch, place, records)| {
            let mut found = Vec::new();
            let visit = |record, part, name: &str, text: &[u8]| {
                if let Some(range) = self.find_in(text)
                    && records.binary_search(&record).is_ok()
                {
                    found.push(((*batch, record), take(part, name, text, range)));
                }
            };
            let footers = &self.batches[*batch].footers;
            match bytes > FEW_BYTES {
                true => footers.scan_records(self.store, place, records, visit)?,
                false => footers.scan(self.store, place, visit)?,
            }
            self.was_read(*batch, place);
            Ok::<_, StoreError>(found)
        })?;
        let mut found: Vec<(Place, T)> = found.into_iter().flatten().collect();
        found.sort_by_key(|(record, _)| *record);
        Ok(found)
    }
}

/// A text with a match.
pub(super) struct Found {
    /// Whose it is.
    pub part: i32,
    /// Whether it is the record itself.
    pub is_record: bool,
    /// What is shown of it.
    pub shown: Option<Box<Match>>,
}
