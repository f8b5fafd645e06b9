//! The dice: seeded random numbers, and the list of every die that a trial rolls.
//!
//! Refuses to know what is decided by a roll. Each die has a sequence of its own, so that one more roll of one never
//! changes what another decides.

use std::fmt;
use std::time::Duration;

use rand::{Rng, RngExt, SeedableRng, TryRng};
use rand_chacha::ChaCha8Rng;

/// A die: who rolls it, and for what. Its text is a part of the seed, so that a new wording would change every trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Die<'a> {
    /// How long a link takes.
    Link {
        /// From this host.
        from: &'a str,
        /// To this host.
        to: &'a str,
    },
    /// What a link loses by itself.
    Loss {
        /// From this host.
        from: &'a str,
        /// To this host.
        to: &'a str,
    },
    /// What a clause does to a link.
    LinkFault {
        /// The clause's number.
        clause: u32,
        /// From this host.
        from: &'a str,
        /// To this host.
        to: &'a str,
    },
    /// What a power failure leaves of a host's disks.
    Disk {
        /// The host.
        host: &'a str,
    },
    /// What a clause does to a host's disks.
    DiskFault {
        /// The clause's number.
        clause: u32,
        /// The host.
        host: &'a str,
    },
    /// What an actor asks for.
    Process {
        /// The host and, after a slash, its incarnation.
        process: &'a str,
        /// How often it has asked before.
        serial: u64,
    },
    /// What a trial's programs take for the system's entropy.
    Entropy,
    /// Whether a storm has faults of a family, and how many.
    StormFamily {
        /// The family.
        family: &'a str,
    },
    /// The particulars of a storm's clause.
    StormClause {
        /// Its family.
        family: &'a str,
        /// Its number in the family, from 1.
        index: u32,
    },
    /// Whether a lie of a proxy meets a connection.
    LieShare {
        /// The rule's number.
        rule: u32,
        /// The connection's.
        connection: u64,
    },
    /// What a lie of a proxy does to the bytes of a connection.
    LieBytes {
        /// The rule's number.
        rule: u32,
        /// The connection's.
        connection: u64,
    },
    /// What the real system gives, with a seed that nobody chose.
    System,
    /// A test's own.
    Test(&'a str),
}

impl fmt::Display for Die<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Die::Link { from, to } => write!(formatter, "link {from} -> {to}"),
            Die::Loss { from, to } => write!(formatter, "loss {from} -> {to}"),
            Die::LinkFault { clause, from, to } => write!(formatter, "fault {clause} {from} -> {to}"),
            Die::Disk { host } => write!(formatter, "disk {host}"),
            Die::DiskFault { clause, host } => write!(formatter, "fault {clause} {host}"),
            Die::Process { process, serial } => write!(formatter, "dice {process} {serial}"),
            Die::Entropy => formatter.write_str("entropy"),
            Die::StormFamily { family } => write!(formatter, "storm {family}"),
            Die::StormClause { family, index } => write!(formatter, "storm {family} {index}"),
            Die::LieShare { rule, connection } => write!(formatter, "lie {rule} on {connection}"),
            Die::LieBytes { rule, connection } => write!(formatter, "lie {rule} to {connection}"),
            Die::System => formatter.write_str("os"),
            Die::Test(name) => formatter.write_str(name),
        }
    }
}

/// Seeded random numbers whose sequence is the same on every platform and release.
#[derive(Clone, Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// That die of that seed: each has an independent sequence.
    #[must_use]
    pub fn named(seed: u64, die: &Die<'_>) -> Self {
        let hash = xxhash_rust::xxh3::xxh3_128_with_seed(die.to_string().as_bytes(), seed);
        let mut key = [0u8; 32];
        key[..16].copy_from_slice(&hash.to_le_bytes());
        key[16..24].copy_from_slice(&seed.to_le_bytes());
        Dice(ChaCha8Rng::from_seed(key))
    }

    /// A duration drawn uniformly from zero to `most`, both included.
    pub fn up_to(&mut self, most: Duration) -> Duration {
        let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.random_range(0..=nanos))
    }
}

impl TryRng for Dice {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(self.0.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(self.0.next_u64())
    }

    fn try_fill_bytes(&mut self, destination: &mut [u8]) -> Result<(), Self::Error> {
        self.0.fill_bytes(destination);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn dice_of_one_name_agree_and_of_two_names_differ() {
        let roll = |name| Dice::named(7, &Die::Test(name)).random::<u64>();
        assert_eq!(roll("a"), roll("a"));
        assert_ne!(roll("a"), roll("b"));
    }

    /// The hosts of a large cast, the names of families, and what looks most like a part of another label.
    fn names() -> Vec<String> {
        let roles = ["node", "proxy", "client", "publisher"];
        let hosts = roles.iter().flat_map(|role| (1..=12).map(move |n| format!("{role}-{n}")));
        let others =
            ["node", "proxy", "process", "network", "link", "loss", "disk", "fault", "dice", "storm", "node/1"];
        hosts.chain(others.map(String::from)).collect()
    }

    #[test]
    fn no_two_dice_of_a_trial_have_one_label() {
        let names = names();
        let mut dice = vec![Die::Entropy, Die::System];
        for from in names.iter().map(String::as_str) {
            dice.extend([Die::Disk { host: from }, Die::StormFamily { family: from }]);
            for number in 0..12 {
                dice.push(Die::LieShare { rule: number, connection: number.into() });
                dice.push(Die::LieBytes { rule: number, connection: number.into() });
                dice.push(Die::DiskFault { clause: number, host: from });
                dice.push(Die::Process { process: from, serial: number.into() });
                dice.push(Die::StormClause { family: from, index: number });
            }
            for to in names.iter().map(String::as_str) {
                dice.extend([Die::Link { from, to }, Die::Loss { from, to }]);
                dice.extend((0..12).map(|clause| Die::LinkFault { clause, from, to }));
            }
        }
        let mut labels = BTreeMap::new();
        for die in dice {
            if let Some(other) = labels.insert(die.to_string(), die) {
                assert_eq!(die, other, "one label for two dice: {die}");
            }
        }
        assert!(labels.len() > 40_000);
    }
}
