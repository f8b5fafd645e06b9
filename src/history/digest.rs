//! The fingerprint of a history: a rolling 128-bit hash with checkpoints.
//!
//! XXH3-128, not cryptographic: it detects that two plays of one seed differ, not that somebody forged one.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// A checkpoint stands after each so many events: close enough to find a first difference, far enough
/// apart to cost nothing.
pub(crate) const CHECKPOINT_EVERY: u64 = 1024;

/// 128 bits, printed as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(u128);

impl Digest {
    /// The digest of some bytes.
    #[must_use]
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Digest(xxh3_128(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

impl JsonSchema for Digest {
    fn schema_name() -> Cow<'static, str> {
        "Digest".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "128 bits, as 32 hexadecimal digits.",
            "type": "string",
            "pattern": "^[0-9a-f]{32}$",
        })
    }
}

/// Why a text is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest; a digest is 32 hexadecimal digits")]
pub struct DigestParseError(String);

impl FromStr for Digest {
    type Err = DigestParseError;

    fn from_str(text: &str) -> Result<Self, DigestParseError> {
        let bad = || DigestParseError(text.to_owned());
        if text.len() != 32 {
            return Err(bad());
        }
        u128::from_str_radix(text, 16).map(Digest).map_err(|_| bad())
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestParseError;

    fn try_from(text: String) -> Result<Self, DigestParseError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// The digest of the first so many events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Checkpoint {
    /// How many events it covers.
    pub events: u64,
    /// The time of the last of them.
    pub at: Duration,
    /// Their digest.
    pub digest: Digest,
}

/// Takes events one after the other.
pub(crate) struct Roll {
    hash: Box<Xxh3>,
    events: u64,
    checkpoints: Vec<Checkpoint>,
}

impl Roll {
    pub(crate) fn new() -> Self {
        Roll { hash: Box::new(Xxh3::new()), events: 0, checkpoints: Vec::new() }
    }

    /// Takes the canonical bytes of one event that happened at `at`.
    pub(crate) fn take(&mut self, at: Duration, canonical: &[u8]) {
        self.hash.update(&canonical.len().to_le_bytes());
        self.hash.update(canonical);
        self.events += 1;
        if self.events.is_multiple_of(CHECKPOINT_EVERY) {
            let checkpoint = Checkpoint { events: self.events, at, digest: self.digest() };
            self.checkpoints.push(checkpoint);
        }
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest(self.hash.digest128())
    }

    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    pub(crate) fn checkpoints(&self) -> &[Checkpoint] {
        &self.checkpoints
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_survives_its_text() {
        let mut roll = Roll::new();
        roll.take(Duration::ZERO, b"one");
        assert_eq!(roll.digest().to_string().parse(), Ok(roll.digest()));
        assert!("12".parse::<Digest>().is_err());
        assert!("zz".repeat(16).parse::<Digest>().is_err());
    }

    #[test]
    fn the_borders_between_events_count() {
        let digest = |parts: [&[u8]; 2]| {
            let mut roll = Roll::new();
            parts.iter().for_each(|part| roll.take(Duration::ZERO, part));
            roll.digest()
        };
        assert_ne!(digest([b"ab", b"c"]), digest([b"a", b"bc"]));
    }

    #[test]
    fn checkpoints_stand_at_equal_distances() {
        let mut roll = Roll::new();
        (0..2 * CHECKPOINT_EVERY + 1).for_each(|n| roll.take(Duration::from_nanos(n), &n.to_le_bytes()));
        let events: Vec<_> = roll.checkpoints().iter().map(|checkpoint| checkpoint.events).collect();
        assert_eq!(events, [CHECKPOINT_EVERY, 2 * CHECKPOINT_EVERY]);
    }
}
