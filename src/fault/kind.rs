//! What every kind of fault says of itself.
//!
//! Refuses to know which kinds there are.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::cast::HostName;
use crate::fault::draw::Draw;
use crate::fault::{Between, Death, Family, Fault, Harm};

/// One kind of fault with its particulars. Its words are its `Display`.
pub trait Kind: fmt::Display {
    /// On whom it falls.
    fn target(&self) -> Target<'_>;

    /// What is done, and by whom.
    fn harm(&self) -> Harm;

    /// Its keys besides those that every fault has, as a sim file writes them.
    fn keys(&self) -> Vec<(&'static str, toml_edit::Value)>;

    /// Whose lateness it excuses.
    fn excuse(&self) -> Excuse;

    /// Why the turmoil engine cannot do it where it lasts so long; none where it can. There is no default.
    fn obstacle(&self, lasts: Duration) -> Option<&'static str>;

    /// What it takes hold of, so that no second fault can at the same time.
    fn hold(&self) -> Hold<'_> {
        Hold::Nothing
    }

    /// What happens besides its begin and its end, for a clause that lasts from `at` to `end`.
    fn steps(&self, _at: Duration, _end: Duration) -> Vec<(Duration, Step)> {
        Vec::new()
    }
}

/// On whom a fault falls.
#[derive(Clone, Copy, Debug)]
pub enum Target<'f> {
    /// On hosts.
    Hosts(&'f BTreeSet<HostName>),
    /// On links.
    Links(&'f Between),
}

/// Whose lateness a fault excuses; nothing else is ever excused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excuse {
    /// Nobody's.
    Nobody,
    /// Its hosts stand still, until so long after its end: they owe nothing meanwhile, and what is under way to or
    /// from them is late.
    Standstill {
        /// How long after the fault's end.
        after: Duration,
    },
    /// What is under way on its links is late, until so long after its end.
    Late {
        /// How long after the fault's end.
        after: Duration,
    },
}

/// What a fault takes hold of: of each, a host or a link has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold<'f> {
    /// Nothing that another cannot take as well.
    Nothing,
    /// A host's life: who is dead cannot be paused, who is paused not killed.
    Life {
        /// What the fault does to a host, such as `kills`.
        deed: &'static str,
        /// What the host is meanwhile, such as `dead`.
        state: &'static str,
    },
    /// A host's wall clock.
    Clock,
    /// What a host is told about that name.
    Name(&'f str),
    /// How long bytes take on a link.
    Latency,
    /// How many bytes pass on a link.
    Bandwidth,
    /// Everything on a link: nothing else can be felt there.
    Link,
}

/// One moment of a clause, in the order of the timeline: what ends at an instant ends before another begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// It ends.
    End,
    /// The disks of its hosts are backed up.
    BackUp,
    /// Its hosts start again.
    Up,
    /// Its hosts die.
    Down(Death),
    /// It begins.
    Begin,
}

/// How a storm draws a kind.
#[derive(Clone, Copy)]
pub(crate) struct Drawn {
    /// With whom.
    pub(crate) family: Family,
    /// How long it lasts at least, in milliseconds.
    pub(crate) lasts_min_ms: u64,
    /// How long it lasts at most, in milliseconds.
    pub(crate) lasts_max_ms: u64,
    /// Its particulars.
    pub(crate) fault: fn(&mut Draw<'_>) -> Fault,
}
