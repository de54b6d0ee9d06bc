//! Times in which a source logged nothing, though it usually does.

use std::collections::BTreeMap;
use std::path::Path;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;

use crate::store::{Coded, Store, StoreError, scan_coded, side_by_side};

/// A time without events of a source.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Gap {
    /// Source.
    pub source: String,
    /// Last event before it, microseconds UTC.
    pub from: i64,
    /// First event behind it.
    pub to: i64,
    /// Time that 99 of 100 intervals between two events of the source stay below.
    pub usual: i64,
}

/// A source with fewer events has no rhythm that a gap could break.
const LEAST_EVENTS: usize = 50;
/// How many times longer than usual a gap is.
const TIMES_USUAL: i64 = 10;
/// A shorter time is no gap, however busy the source.
const SHORTEST: i64 = 10 * 60 * 1_000_000;

/// The gaps of all sources, the longest of each first.
///
/// # Errors
/// The store cannot be read.
pub fn gaps(store: &Store) -> Result<Vec<Gap>, StoreError> {
    let found = side_by_side(&store.all_parts("events"), |(_, path)| times_of(path))?;
    let mut times: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for (source, moments) in found.into_iter().flatten() {
        times.entry(source).or_default().extend(moments);
    }
    let mut all = Vec::new();
    for (source, mut times) in times {
        // Logs are in order but for their seams, which this sort makes use of.
        times.sort();
        all.extend(gaps_of(&source, &times));
    }
    Ok(all)
}

/// The times of a part file of events, by source.
fn times_of(path: &Path) -> Result<BTreeMap<String, Vec<i64>>, StoreError> {
    let mut times: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    scan_coded::<StoreError>(path, &["time", "source"], |table| {
        let moments = table.column(0).as_primitive::<TimestampMicrosecondType>();
        let sources = Coded::of(&table, 1);
        let mut of_code: Vec<Vec<i64>> = vec![Vec::new(); sources.values()];
        for row in 0..table.num_rows() {
            if let Some(source) = sources.code(row).filter(|_| moments.is_valid(row)) {
                of_code[source].push(moments.value(row));
            }
        }
        for (source, moments) in of_code.into_iter().enumerate() {
            if moments.is_empty() {
                continue;
            }
            match times.get_mut(sources.value(source)) {
                Some(known) => known.extend(moments),
                None => {
                    times.insert(sources.value(source).to_owned(), moments);
                }
            }
        }
        Ok(())
    })?;
    Ok(times)
}

fn gaps_of(source: &str, times: &[i64]) -> Vec<Gap> {
    if times.len() < LEAST_EVENTS {
        return Vec::new();
    }
    let mut intervals: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let at = (intervals.len() - 1) * 99 / 100;
    let usual = *intervals.select_nth_unstable(at).1;
    let least = usual.saturating_mul(TIMES_USUAL).max(SHORTEST);
    let mut found: Vec<Gap> = times
        .windows(2)
        .filter(|pair| pair[1] - pair[0] >= least)
        .map(|pair| Gap {
            source: source.to_owned(),
            from: pair[0],
            to: pair[1],
            usual,
        })
        .collect();
    found.sort_by_key(|gap| (gap.from - gap.to, gap.from));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_in_a_steady_log() {
        const MINUTE: i64 = 60_000_000;
        let mut times: Vec<i64> = (0..200).map(|n| n * MINUTE).collect();
        times.extend((0..200).map(|n| (260 + n) * MINUTE));
        let found = gaps_of("kong", &times);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].from, found[0].to), (199 * MINUTE, 260 * MINUTE));
        assert_eq!(found[0].usual, MINUTE);
        assert!(gaps_of("kong", &times[..40]).is_empty());
        // A log that is written once an hour has no gap after an hour.
        let hourly: Vec<i64> = (0..100).map(|n| n * 60 * MINUTE).collect();
        assert!(gaps_of("batch", &hourly).is_empty());
    }
}
