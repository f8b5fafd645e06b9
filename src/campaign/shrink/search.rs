//! Which parts of a list, and which number, still fail: delta debugging and bisection.
//!
//! Refuses to know what the parts are.

use std::ops::Range;

/// Zeller's and Hildebrandt's ddmin: takes away ever smaller parts, until none can be missed alone. `fails` is handed
/// candidates, likely ones first, and says which is the first that still fails, if any does.
///
/// # Errors
/// What `fails` says.
pub(crate) fn ddmin<T: Clone, E>(
    mut items: Vec<T>,
    mut fails: impl FnMut(&[Vec<T>]) -> Result<Option<usize>, E>,
) -> Result<Vec<T>, E> {
    let mut parts = 2.min(items.len());
    while parts >= 2 {
        let ranges = ranges(items.len(), parts);
        let mut candidates: Vec<Vec<T>> = Vec::new();
        // With two parts, what is left of one is the other.
        if parts > 2 {
            candidates.extend(ranges.iter().map(|range| items[range.clone()].to_vec()));
        }
        let rests = ranges.iter().map(|range| [&items[..range.start], &items[range.end..]].concat());
        let alone = candidates.len();
        candidates.extend(rests);
        match fails(&candidates)? {
            Some(index) => {
                parts = if index < alone { 2 } else { (parts - 1).max(2) };
                items.clone_from(&candidates[index]);
                parts = parts.min(items.len());
            }
            None if parts < items.len() => parts = (2 * parts).min(items.len()),
            None => break,
        }
    }
    Ok(items)
}

/// So many parts of a list, as even as can be.
fn ranges(length: usize, parts: usize) -> Vec<Range<usize>> {
    (0..parts).map(|part| part * length / parts..(part + 1) * length / parts).collect()
}

/// The lowest number of a range that still fails, as far as bisection finds it; the range's end is known to fail. None where no lower one does.
///
/// # Errors
/// What `fails` says.
pub(crate) fn lowest<E>(range: Range<u64>, mut fails: impl FnMut(u64) -> Result<bool, E>) -> Result<Option<u64>, E> {
    let Range { start, end } = range;
    if start >= end {
        return Ok(None);
    }
    if fails(start)? {
        return Ok(Some(start));
    }
    let (mut passes, mut failing) = (start, end);
    while failing - passes > 1 {
        let middle = passes + (failing - passes) / 2;
        if fails(middle)? { failing = middle } else { passes = middle }
    }
    Ok((failing < end).then_some(failing))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// What ddmin leaves of some numbers where those that are needed must be there, and how many it asked for.
    fn minimized(count: u32, needed: &[u32]) -> (Vec<u32>, usize) {
        let mut asked = 0;
        let Ok(left) = ddmin((0..count).collect(), |candidates| -> Result<_, Infallible> {
            let first = candidates.iter().position(|candidate| needed.iter().all(|one| candidate.contains(one)));
            asked += first.map_or(candidates.len(), |index| index + 1);
            Ok(first)
        });
        (left, asked)
    }

    #[test]
    fn what_is_needed_is_left_and_nothing_else() {
        for (count, needed) in
            [(1, &[0][..]), (2, &[1]), (8, &[3]), (16, &[0, 15]), (13, &[2, 3, 11]), (5, &[0, 1, 2, 3, 4])]
        {
            let (left, asked) = minimized(count, needed);
            assert_eq!(left, needed, "of {count}");
            assert!(asked <= (count * count + 3 * count) as usize, "{asked} questions about {count}");
        }
    }

    #[test]
    fn one_culprit_among_sixteen_costs_few_plays() {
        assert!((0..16).all(|culprit| minimized(16, &[culprit]).1 <= 10));
    }

    #[test]
    fn nothing_is_taken_away_where_nothing_can_be() {
        assert_eq!(minimized(0, &[]), (vec![], 0));
        assert_eq!(minimized(1, &[0]), (vec![0], 0));
    }

    #[test]
    fn the_lowest_number_that_fails_is_found_and_the_known_one_is_not_asked_for() {
        for (range, least, expected) in
            [(0..10, 0, Some(0)), (0..10, 7, Some(7)), (3..10, 1, Some(3)), (0..10, 10, None), (5..5, 0, None)]
        {
            let Ok(found) = lowest(range.clone(), |number| -> Result<_, Infallible> {
                assert!(range.contains(&number), "{number}");
                Ok(number >= least)
            });
            assert_eq!(found, expected, "{range:?} from {least} on");
        }
    }
}
