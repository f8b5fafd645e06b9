//! How many of many things are named: a few, so that a line stays a line, or all.
//!
//! Refuses to know what is named.

use std::fmt::{Display, Formatter};

/// So many are named before the rest is counted.
const NAMED: usize = 4;

/// How many of many things are named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Naming {
    /// A few, and how many more there are.
    #[default]
    Few,
    /// All of them.
    All,
}

impl Naming {
    /// What a format string asks for: `{:#}` names all.
    #[must_use]
    pub fn of(formatter: &Formatter<'_>) -> Self {
        if formatter.alternate() { Naming::All } else { Naming::Few }
    }

    /// Something with many parts, which names them as [`Naming::of`] asks.
    #[must_use]
    pub fn tell(self, whole: &impl Display) -> String {
        match self {
            Naming::Few => format!("{whole}"),
            Naming::All => format!("{whole:#}"),
        }
    }

    /// So many things, one after the other.
    #[must_use]
    pub fn list(self, parts: impl Iterator<Item = String>, count: usize) -> String {
        let most = match self {
            Naming::Few => NAMED,
            Naming::All => usize::MAX,
        };
        let named = parts.take(most).collect::<Vec<_>>().join(", ");
        match count.saturating_sub(most) {
            0 => named,
            more => format!("{named} and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_four_are_counted_unless_all_are_asked_for() {
        let list = |naming: Naming, count: usize| naming.list((1..=count).map(|number| number.to_string()), count);
        assert_eq!(list(Naming::Few, 4), "1, 2, 3, 4");
        assert_eq!(list(Naming::Few, 6), "1, 2, 3, 4 and 2 more");
        assert_eq!(list(Naming::All, 6), "1, 2, 3, 4, 5, 6");
        assert_eq!(list(Naming::All, 0), "");
    }
}
