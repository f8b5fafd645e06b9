//! A seed, as people write it.

use std::str::FromStr;

/// A seed as a user writes it: decimal, or hexadecimal after 0x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

/// Why a text is no seed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a seed; a seed is a number from 0 to 18446744073709551615, in decimal (42) or hexadecimal (0x2a)"
)]
pub struct BadSeed(String);

impl FromStr for Seed {
    type Err = BadSeed;

    fn from_str(text: &str) -> Result<Self, BadSeed> {
        let parsed = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            // `from_str_radix` would take a sign.
            Some(digits) if digits.starts_with('+') => None,
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None if text.starts_with('+') => None,
            None => text.parse().ok(),
        };
        parsed.map(Seed).ok_or_else(|| BadSeed(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_decimal_or_hexadecimal() {
        assert_eq!("42".parse(), Ok(Seed(42)));
        assert_eq!("0x2A".parse(), Ok(Seed(42)));
        assert_eq!("18446744073709551615".parse(), Ok(Seed(u64::MAX)));
    }

    #[test]
    fn anything_else_is_refused_with_both_forms() {
        for bad in ["", "seven", "-1", "+1", "0x", "0x+1", "1.5", "18446744073709551616", "2a"] {
            let error = bad.parse::<Seed>().expect_err("no seed").to_string();
            assert!(error.contains("decimal (42) or hexadecimal (0x2a)"), "{error}");
        }
    }
}
