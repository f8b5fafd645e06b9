//! What every kind of fault says of itself.
//!
//! Refuses to know which kinds there are.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use toml_edit::Value;

use crate::cast::HostName;
use crate::fault::draw::Draw;
use crate::fault::scene::Scene;
use crate::fault::{Between, Death, Family, Fault, Harm};
use crate::grammar::{Naming, Section};

/// One kind of fault with its particulars, apart from whom it falls on.
pub trait Kind: Clone + fmt::Debug + Eq + Sized {
    /// What it falls on: hosts, or links.
    type Place: Place;

    /// Everything about it.
    const ABOUT: About<Self>;

    /// What happens besides its begin and its end, for a clause that lasts from `at` to `end`.
    fn steps(&self, _at: Duration, _end: Duration) -> Vec<(Duration, Step)> {
        Vec::new()
    }

    /// The fault of this kind that falls there.
    #[must_use]
    fn on(self, place: Self::Place) -> Fault
    where
        Fault: From<At<Self>>,
    {
        At { place, kind: self }.into()
    }
}

/// The hosts that a fault falls on.
pub type Hosts = BTreeSet<HostName>;

/// A key and its value, as a sim file writes them.
pub(crate) type Key = (&'static str, Value);

/// Everything about a kind. There is no default: who adds one decides each of these.
pub struct About<K: Kind> {
    /// The keys of a good one besides those that every fault has, in a sim with a `node`, a `proxy` and a `client-1`.
    pub(crate) example: &'static str,
    /// On which hosts or links it may fall; without particulars where these have a problem of their own.
    pub(crate) falls_on: fn(Option<&K>) -> <K::Place as Place>::Reach,
    /// Reads its particulars.
    pub(crate) read: fn(&mut Section<'_>, &Scene<'_>) -> Option<K>,
    /// Its particulars, as a sim file writes them.
    pub(crate) keys: fn(&K) -> Vec<Key>,
    /// The fault in words, given the words for its place.
    pub(crate) told: fn(&K, &str) -> String,
    /// What is done, and by whom.
    pub(crate) harm: fn(&K, K::Place) -> Harm,
    /// Whose lateness it excuses.
    pub(crate) excuse: fn(&K) -> Excuse,
    /// What it takes hold of, so that no second fault can at the same time.
    pub(crate) hold: fn(&K) -> Hold<'_>,
    /// Why the turmoil engine cannot do it where it lasts so long; none where it can.
    pub(crate) obstacle: fn(&At<K>, Duration) -> Option<&'static str>,
    /// How a storm draws it; none where nothing converges after it, or another row draws it.
    pub(crate) drawn: Option<Drawn>,
}

/// What a fault falls on.
pub trait Place: Clone + fmt::Debug + Eq {
    /// Which of them a kind may fall on.
    type Reach;

    /// Reads the keys that name it.
    fn read(section: &mut Section<'_>, scene: &Scene<'_>, reach: &Self::Reach) -> Option<Self>;

    /// The keys that name it.
    fn keys(&self) -> Vec<Key>;

    /// In words.
    fn told(&self, naming: Naming) -> String;

    /// Either of the two.
    fn target(&self) -> Target<'_>;
}

/// A kind of fault, and on whom it falls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At<K: Kind> {
    /// On whom.
    pub place: K::Place,
    /// What.
    pub kind: K,
}

impl<K: Kind> At<K> {
    /// Reads its keys besides those that every fault has.
    pub(crate) fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Self> {
        let kind = (K::ABOUT.read)(section, scene);
        let place = K::Place::read(section, scene, &(K::ABOUT.falls_on)(kind.as_ref()));
        Some(At { place: place?, kind: kind? })
    }
}

/// What can be asked of any fault.
pub(crate) trait Placed {
    fn target(&self) -> Target<'_>;
    fn harm(&self) -> Harm;
    fn keys(&self) -> Vec<Key>;
    fn told(&self, naming: Naming) -> String;
    fn excuse(&self) -> Excuse;
    fn hold(&self) -> Hold<'_>;
    fn obstacle(&self, lasts: Duration) -> Option<&'static str>;
    fn steps(&self, at: Duration, end: Duration) -> Vec<(Duration, Step)>;
}

impl<K: Kind> Placed for At<K> {
    fn target(&self) -> Target<'_> {
        self.place.target()
    }

    fn harm(&self) -> Harm {
        (K::ABOUT.harm)(&self.kind, self.place.clone())
    }

    fn keys(&self) -> Vec<Key> {
        self.place.keys().into_iter().chain((K::ABOUT.keys)(&self.kind)).collect()
    }

    fn told(&self, naming: Naming) -> String {
        (K::ABOUT.told)(&self.kind, &self.place.told(naming))
    }

    fn excuse(&self) -> Excuse {
        (K::ABOUT.excuse)(&self.kind)
    }

    fn hold(&self) -> Hold<'_> {
        (K::ABOUT.hold)(&self.kind)
    }

    fn obstacle(&self, lasts: Duration) -> Option<&'static str> {
        (K::ABOUT.obstacle)(self, lasts)
    }

    fn steps(&self, at: Duration, end: Duration) -> Vec<(Duration, Step)> {
        self.kind.steps(at, end)
    }
}

/// On whom a fault falls.
#[derive(Clone, Copy, Debug)]
pub enum Target<'f> {
    /// On hosts.
    Hosts(&'f Hosts),
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
    /// How long it lasts at least and at most, in milliseconds.
    pub(crate) lasts_ms: (u64, u64),
    /// Its place and particulars.
    pub(crate) fault: fn(&mut Draw<'_>) -> Fault,
}
