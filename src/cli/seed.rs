//! Where a seed comes from: the flag, the environment, the sim, or a draw.

use std::fmt;
use std::str::FromStr;

use rand::RngExt;
use xxhash_rust::xxh3::xxh3_64;

use crate::grammar::{BadSeed, Seed};

/// The environment's word for the seed.
const VARIABLE: &str = "PULSELESS_SEED";

/// Which seeds a sweep plays: so many, or those of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SeedCount {
    /// So many, from wherever they begin.
    Many(u64),
    /// From the first, and before the other.
    Range(u64, u64),
}

/// More seeds than anybody plays: a slip of the finger.
const SEEDS_MAX: u64 = 1_000_000_000;

/// Why a text names no seeds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadSeedCount {
    #[error("{0}; write how many, such as 100, or which, such as 101..201, which ends before 201")]
    Bad(#[from] BadSeed),
    #[error("`{0}` has no seed in it: a range begins at its first seed and ends before the other, such as 101..201")]
    Empty(String),
    #[error("`{0}` is no number of seeds; play 1 to {SEEDS_MAX} of them")]
    Number(String),
}

impl FromStr for SeedCount {
    type Err = BadSeedCount;

    fn from_str(text: &str) -> Result<Self, BadSeedCount> {
        let number = |text: &str| text.parse().map(|Seed(number)| number);
        let (seeds, count) = match text.split_once("..") {
            None => {
                let count = number(text)?;
                (SeedCount::Many(count), count)
            }
            Some((first, end)) => {
                let (first, end): (u64, u64) = (number(first)?, number(end)?);
                let count = end.checked_sub(first).filter(|count| *count > 0);
                (SeedCount::Range(first, end), count.ok_or_else(|| BadSeedCount::Empty(text.to_owned()))?)
            }
        };
        match count {
            1..=SEEDS_MAX => Ok(seeds),
            _ => Err(BadSeedCount::Number(text.to_owned())),
        }
    }
}

/// Nights begin at one of so many seeds: short enough to be read aloud, and far more than two nights could share.
const NIGHTS: u64 = 1_000_000_000_000;

/// The first seed of the night of that name.
pub(crate) fn of_night(name: &str) -> u64 {
    xxh3_64(name.as_bytes()) % NIGHTS
}

/// Who chose the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chooser {
    Flag,
    Environment,
    Sim,
    Draw,
}

impl fmt::Display for Chooser {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Chooser::Flag => formatter.write_str("from --seed"),
            Chooser::Environment => write!(formatter, "from {VARIABLE}"),
            Chooser::Sim => formatter.write_str("from the sim"),
            Chooser::Draw => formatter.write_str("drawn; choose one with --seed"),
        }
    }
}

/// The seed and who chose it: the flag beats the environment, which beats the sim, which beats the draw.
pub(crate) fn choose(flag: Option<Seed>, sim: Option<u64>) -> Result<(u64, Chooser), String> {
    if let Some(Seed(seed)) = flag {
        return Ok((seed, Chooser::Flag));
    }
    match std::env::var(VARIABLE) {
        Ok(text) => {
            text.parse().map(|Seed(seed)| (seed, Chooser::Environment)).map_err(|bad| format!("{VARIABLE}: {bad}"))
        }
        Err(std::env::VarError::NotUnicode(_)) => Err(format!("{VARIABLE} is not text")),
        Err(std::env::VarError::NotPresent) => {
            Ok(sim.map_or_else(|| (draw(), Chooser::Draw), |seed| (seed, Chooser::Sim)))
        }
    }
}

/// A short seed: it is easier to read to a colleague.
#[expect(clippy::disallowed_methods, reason = "the one draw that no seed decides: that of the seed")]
fn draw() -> u64 {
    u64::from(rand::rng().random::<u32>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_number_or_a_range() {
        assert_eq!("100".parse(), Ok(SeedCount::Many(100)));
        assert_eq!("0x10".parse(), Ok(SeedCount::Many(16)));
        assert_eq!("101..0xC9".parse(), Ok(SeedCount::Range(101, 201)));
        for bad in ["0", "1000000001", "5..5", "7..5", "..5", "5..", "a", "1..=5", "-3"] {
            let error = bad.parse::<SeedCount>().expect_err("no seeds").to_string();
            assert!(error.contains("such as 101..201") || error.contains("play 1 to"), "{bad}: {error}");
        }
    }

    #[test]
    fn two_nights_do_not_play_the_same_seeds() {
        let [one, other] = ["2026-11-28", "2026-11-29"].map(of_night);
        assert!(one.abs_diff(other) > 1_000_000, "{one} {other}");
        assert_eq!(of_night("2026-11-28"), one);
    }
}
