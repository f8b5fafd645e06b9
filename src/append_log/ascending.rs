//! Numbers that ascend, in little memory: a log of ten million messages has twenty million of them.
//!
//! Refuses to know what they number.
//!
//! Each block of 16 begins with a number; the others are steps from one to the next, as varints of one to ten bytes.

use prost::encoding::{decode_varint, encode_varint};

/// How many numbers a block has: to find one of them takes a look at half of them.
const BLOCK: usize = 16;

/// The numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ascending {
    len: usize,
    last: u64,
    blocks: Vec<AscendingBlock>,
    steps: Vec<u8>,
}

/// How a block begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AscendingBlock {
    first: u64,
    /// Where the steps to the others are.
    steps_at: usize,
}

impl Ascending {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The last and highest.
    pub(crate) fn last(&self) -> Option<u64> {
        (self.len > 0).then_some(self.last)
    }

    /// Adds one, if it is higher than all; tells whether it is.
    pub(crate) fn push(&mut self, number: u64) -> bool {
        if self.last().is_some_and(|last| number <= last) {
            return false;
        }
        if self.len.is_multiple_of(BLOCK) {
            self.blocks.push(AscendingBlock { first: number, steps_at: self.steps.len() });
        } else {
            encode_varint(number - self.last, &mut self.steps);
        }
        self.len += 1;
        self.last = number;
        true
    }

    /// Takes the last one away.
    pub(crate) fn pop(&mut self) {
        let Some(left) = self.len.checked_sub(1) else { return };
        if left.is_multiple_of(BLOCK) {
            self.blocks.pop();
        } else {
            // All bytes of a varint but its last have the highest bit.
            self.steps.pop();
            while self.steps.len() > self.blocks[left / BLOCK].steps_at
                && self.steps.last().is_some_and(|step| step & 0x80 != 0)
            {
                self.steps.pop();
            }
        }
        self.len = left;
        self.last = left.checked_sub(1).and_then(|index| self.get(index)).unwrap_or_default();
    }

    /// The one of that index.
    pub(crate) fn get(&self, index: usize) -> Option<u64> {
        (index < self.len).then(|| self.block(index / BLOCK).nth(index % BLOCK)).flatten()
    }

    /// How many are not higher than that.
    pub(crate) fn rank(&self, number: u64) -> usize {
        let Some(block) = self.block_of(number) else { return 0 };
        block * BLOCK + self.block(block).take_while(|known| *known <= number).count()
    }

    /// Those that are higher than that, ascending.
    pub(crate) fn above(&self, number: u64) -> impl Iterator<Item = u64> + '_ {
        let first = self.block_of(number).unwrap_or_default();
        (first..self.blocks.len()).flat_map(|block| self.block(block)).skip_while(move |known| *known <= number)
    }

    /// Those that are lower than that, descending.
    pub(crate) fn below(&self, number: u64) -> impl Iterator<Item = u64> + '_ {
        let end = self.block_of(number).map_or(0, |block| block + 1);
        let blocks = (0..end).rev().flat_map(|block| self.block(block).collect::<Vec<_>>().into_iter().rev());
        blocks.skip_while(move |known| *known >= number)
    }

    /// The last block that begins with no more than that.
    fn block_of(&self, number: u64) -> Option<usize> {
        self.blocks.partition_point(|block| block.first <= number).checked_sub(1)
    }

    fn block(&self, block: usize) -> impl Iterator<Item = u64> + '_ {
        let AscendingBlock { first, steps_at } = self.blocks[block];
        let mut steps = &self.steps[steps_at..];
        let count = BLOCK.min(self.len - block * BLOCK);
        let others = (1..count).scan(first, move |number, _| {
            *number += decode_varint(&mut steps).ok()?;
            Some(*number)
        });
        std::iter::once(first).chain(others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps of all lengths, over several blocks.
    fn numbers() -> Vec<u64> {
        let steps = (0..300_u64).map(|n| 1 + (n * n * n * n * n) % 1_000_003);
        steps
            .scan(0, |number, step| {
                *number += step;
                Some(*number)
            })
            .collect()
    }

    fn ascending(numbers: &[u64]) -> Ascending {
        let mut ascending = Ascending::default();
        assert!(numbers.iter().all(|number| ascending.push(*number)));
        ascending
    }

    #[test]
    fn every_number_is_found_by_index_and_by_its_neighbors() {
        let numbers = numbers();
        let ascending = ascending(&numbers);
        assert_eq!((ascending.len(), ascending.last()), (numbers.len(), numbers.last().copied()));
        assert_eq!(ascending.get(numbers.len()), None);
        for (index, number) in numbers.iter().enumerate() {
            assert_eq!(ascending.get(index), Some(*number));
            assert_eq!((ascending.rank(number - 1), ascending.rank(*number)), (index, index + 1));
            assert!(ascending.above(*number).eq(numbers[index + 1..].iter().copied()));
            assert!(ascending.below(*number).eq(numbers[..index].iter().rev().copied()));
        }
        assert!(ascending.above(0).eq(numbers.iter().copied()));
        assert!(ascending.below(u64::MAX).eq(numbers.iter().rev().copied()));
    }

    #[test]
    fn what_does_not_ascend_is_refused() {
        let mut ascending = ascending(&[3, 7]);
        assert!(!ascending.push(7) && !ascending.push(0));
        assert_eq!(ascending.len(), 2);
    }

    #[test]
    fn what_is_taken_away_was_never_there() {
        let numbers = numbers();
        let mut shrinking = ascending(&numbers);
        for len in (0..numbers.len()).rev() {
            shrinking.pop();
            assert_eq!(shrinking, ascending(&numbers[..len]));
        }
        shrinking.pop();
        assert_eq!(shrinking, Ascending::default());
    }

    #[test]
    fn the_highest_numbers_of_all_fit() {
        let ascending = ascending(&[0, 1, u64::MAX]);
        assert!(ascending.above(1).eq([u64::MAX]));
        assert!(ascending.below(u64::MAX).eq([1, 0]));
    }
}
