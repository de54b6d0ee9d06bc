//! The words themselves, of stretches of the texts: where the middle of a word or a regular expression is
//! asked for, no hash of a whole word helps.

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Int32Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use memchr::memmem;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use regex_automata::hybrid::dfa::Cache;
use twox_hash::XxHash64;

use super::cut::{ByHash, each_word, push_folded};
use super::filters::{group_at, group_columns};
use super::{Group, Wanted, WordShape};
use crate::protect::DataKey;
use crate::store::encrypt::encrypted;
use crate::store::scan::{has_columns, open_texts};
use crate::store::{Store, StoreError};

/// Bytes of text of a stretch: about what a page of the texts holds, which is what a search then reads.
const STRETCH_BYTES: usize = 256 << 10;
/// What parts the words of a stretch.
pub(super) const END: u8 = b'\n';

/// Parts of words, of which a text with a match has at least one of each line, in the form that
/// [`super::fold`] gives.
pub type Fragments = Vec<Vec<Vec<u8>>>;

/// Rows of a row group of texts that follow each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stretch {
    pub rows: Range<usize>,
    /// Its distinct words, parted by [`END`].
    pub words: Vec<u8>,
}

/// Collects the words of the texts of a row group.
#[derive(Default)]
pub(super) struct Collector {
    /// The last stretch that each word was in.
    seen: ByHash<usize>,
    /// Words that begin with zeros, of this stretch: their hash does not tell them apart.
    zeros: ByHash<()>,
    stretches: Vec<Stretch>,
    current: Stretch,
    bytes: usize,
    buffer: Vec<u8>,
}

impl Collector {
    /// Adds the text of the next row.
    pub(super) fn add(&mut self, text: &[u8]) {
        let number = self.stretches.len();
        let Self {
            seen,
            zeros,
            current,
            buffer,
            ..
        } = self;
        each_word(text, buffer, |hash, word| {
            let is_new = seen.insert(hash, number) != Some(number);
            let is_new = match word {
                [] => false,
                [b'0', _, ..] => zeros.insert(XxHash64::oneshot(0, word), ()).is_none(),
                _ => is_new,
            };
            if is_new {
                push_folded(word, &mut current.words);
                current.words.push(END);
            }
        });
        self.current.rows.end += 1;
        self.bytes += text.len();
        if self.bytes >= STRETCH_BYTES {
            self.end_stretch();
        }
    }

    fn end_stretch(&mut self) {
        let end = self.current.rows.end;
        let next = Stretch {
            rows: end..end,
            words: Vec::new(),
        };
        self.stretches
            .push(std::mem::replace(&mut self.current, next));
        self.bytes = 0;
        self.zeros.clear();
    }

    /// The hashes of all words, and the stretches.
    pub(super) fn finish(mut self) -> (impl Iterator<Item = u64>, Vec<Stretch>) {
        if !self.current.rows.is_empty() {
            self.end_stretch();
        }
        (self.seen.into_keys(), self.stretches)
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("part", DataType::Int32, false),
        Field::new("size", DataType::Int64, false),
        Field::new("group", DataType::Int32, false),
        Field::new("first", DataType::Int32, false),
        Field::new("rows", DataType::Int32, false),
        Field::new("words", DataType::Binary, false),
    ]))
}

/// Writes stretches.
pub(super) struct StretchWriter(ArrowWriter<File>);

impl StretchWriter {
    pub(super) fn create(path: &Path, key: Option<DataKey>) -> Result<Self, StoreError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_statistics_enabled(EnabledStatistics::None)
            .set_dictionary_enabled(false)
            .set_data_page_size_limit(1 << 20)
            .set_write_batch_size(8)
            .build();
        let file = File::create(path).map_err(StoreError::io("creating", path))?;
        let writer = ArrowWriter::try_new(file, schema(), Some(encrypted(properties, key)?))
            .map_err(StoreError::parquet(path))?;
        Ok(Self(writer))
    }

    /// Adds those of some row groups, which are read together.
    pub(super) fn write(
        &mut self,
        groups: &[Group],
        of: &[Vec<Stretch>],
    ) -> Result<(), StoreError> {
        let rows = groups
            .iter()
            .zip(of)
            .flat_map(|(group, stretches)| stretches.iter().map(move |stretch| (group, stretch)));
        let number = |value: usize| i32::try_from(value).unwrap_or(i32::MAX);
        let mut columns = group_columns(rows.clone().map(|(group, _)| group)).to_vec();
        let firsts = rows.clone().map(|(_, stretch)| number(stretch.rows.start));
        columns.push(Arc::new(Int32Array::from_iter_values(firsts)));
        let counts = rows.clone().map(|(_, stretch)| number(stretch.rows.len()));
        columns.push(Arc::new(Int32Array::from_iter_values(counts)));
        let mut words = BinaryBuilder::new();
        for (_, stretch) in rows {
            words.append_value(&stretch.words);
        }
        columns.push(Arc::new(words.finish()));
        let at = StoreError::parquet("search");
        let table = RecordBatch::try_new(schema(), columns)?;
        self.0
            .write(&table)
            .and_then(|()| self.0.flush())
            .map_err(at)
    }

    pub(super) fn close(self) -> Result<(), StoreError> {
        self.0.close().map_err(StoreError::parquet("search"))?;
        Ok(())
    }
}

/// Pieces of a file that can be read side by side.
pub(super) fn pieces(store: &Store, path: &Path) -> Result<usize, StoreError> {
    Ok(open_texts(store, path, false)?
        .1
        .metadata()
        .num_row_groups())
}

/// Calls `visit` with each stretch of a piece of a file.
pub(super) fn read(
    store: &Store,
    path: &Path,
    piece: usize,
    mut visit: impl FnMut(Group, Range<usize>, &[u8]),
) -> Result<(), StoreError> {
    let (file, metadata) = open_texts(store, path, false)?;
    has_columns(path, &metadata, &schema())?;
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
        .with_row_groups(vec![piece])
        .with_batch_size(64)
        .build()
        .map_err(StoreError::parquet(path))?;
    for table in reader {
        let table = table?;
        let number = |column: usize, row: usize| {
            let column = table.column(column).as_primitive::<Int32Type>();
            usize::try_from(column.value(row)).unwrap_or(usize::MAX)
        };
        let words = table.column(5).as_binary::<i32>();
        for row in 0..table.num_rows() {
            let first = number(3, row);
            let rows = first..first.saturating_add(number(4, row));
            visit(group_at(&table, row), rows, words.value(row));
        }
    }
    Ok(())
}

/// Finds what is wanted among the words of a stretch.
pub(super) struct Finder<'w> {
    fragments: Vec<Vec<memmem::Finder<'w>>>,
    shapes: Vec<(&'w WordShape, Cache)>,
}

impl<'w> Finder<'w> {
    pub(super) fn new(wanted: &'w Wanted) -> Self {
        let finders = |line: &'w Vec<Vec<u8>>| line.iter().map(memmem::Finder::new).collect();
        Self {
            fragments: wanted.fragments.iter().map(finders).collect(),
            shapes: wanted
                .shapes
                .iter()
                .map(|shape| (shape, shape.cache()))
                .collect(),
        }
    }

    /// Whether a text of the stretch may have a match.
    pub(super) fn fits(&mut self, words: &[u8]) -> bool {
        let has = |finder: &memmem::Finder<'_>| finder.find(words).is_some();
        let mut lines = self.fragments.iter();
        lines.all(|line| line.iter().any(has))
            && self
                .shapes
                .iter_mut()
                .all(|(shape, cache)| shape.may_fit(cache, words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_has_every_word_of_its_texts() {
        let mut collector = Collector::default();
        let long = "x".repeat(STRETCH_BYTES);
        for text in ["Pay INV-0004711, 4711", "00471\\nagain", &long, "pay later"] {
            collector.add(text.as_bytes());
        }
        let (hashes, stretches) = collector.finish();
        assert_eq!(hashes.count(), 8);
        let rows: Vec<Range<usize>> = stretches.iter().map(|one| one.rows.clone()).collect();
        assert_eq!(rows, [0..3, 3..4]);
        let fits = |at: usize, fragments: &[&[&str]]| {
            let bytes = |line: &&[&str]| line.iter().map(|part| part.as_bytes().to_vec()).collect();
            let wanted = Wanted {
                fragments: fragments.iter().map(bytes).collect(),
                ..Wanted::default()
            };
            Finder::new(&wanted).fits(&stretches[at].words)
        };
        assert!(fits(0, &[&["pay"], &["0004"], &["gai"]]));
        assert!(fits(0, &[&["nothing", "471"]]));
        assert!(!fits(0, &[&["pay"], &["nothing"]]));
        // A fragment never goes from one word to the next.
        assert!(!fits(0, &[&["payinv"]]) && !fits(0, &[&["later"]]));
        assert!(fits(1, &[&["ate"], &["pay"]]) && !fits(1, &[&["inv"]]));
    }
}
