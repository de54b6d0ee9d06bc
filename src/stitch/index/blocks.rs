//! Finds the segments that events and tasks are in.

/// Bits of the numbers that lie in one block.
const BLOCK: u32 = 14;

/// Finds the segment of a number: where those of segments end, and the segment of the first number of each block.
#[derive(Debug)]
pub(super) struct Blocks {
    ends: Vec<usize>,
    segments: Vec<usize>,
}

impl Blocks {
    pub(super) fn new(ends: impl Iterator<Item = usize>) -> Self {
        let ends: Vec<usize> = ends.collect();
        let all = ends.last().copied().unwrap_or(0);
        let firsts = (0..all).step_by(1 << BLOCK);
        Self {
            segments: firsts
                .map(|first| ends.partition_point(|end| *end <= first))
                .collect(),
            ends,
        }
    }

    /// The segment of a number; how many there are, if it is of none.
    pub(super) fn find(&self, number: usize) -> usize {
        let block = self.segments.get(number >> BLOCK).copied();
        let mut segment = block.unwrap_or(self.ends.len());
        while self.ends.get(segment).is_some_and(|end| *end <= number) {
            segment += 1;
        }
        segment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_in_its_segment() {
        let block = 1 << BLOCK;
        let ends = [3, 3, block - 1, block, 4 * block + 7, 4 * block + 8];
        let blocks = Blocks::new(ends.into_iter());
        for number in (0..4 * block + 20).step_by(3).chain(block - 3..block + 3) {
            let known = ends.partition_point(|end| *end <= number);
            assert_eq!(blocks.find(number), known, "{number}");
        }
        assert_eq!(Blocks::new(std::iter::empty()).find(0), 0);
    }
}
