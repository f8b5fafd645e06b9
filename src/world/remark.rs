//! What an engine noticed of a trial that is no event of it: for people who ask afterwards why it went as it did.
//!
//! Refuses to know what anybody makes of it. It is of no history, and so of no digest.

use std::net::IpAddr;
use std::time::Duration;

/// One thing that a host did in vain, however often, or that became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The host's name.
    pub host: String,
    /// When it was so for the first time.
    pub at: Duration,
    /// How often.
    pub count: u64,
    /// What.
    pub what: Remarked,
}

/// What a [`Remark`] is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remarked {
    /// It looked up a name, or dialed an address, that no host of the world has.
    Unknown {
        /// The name or the address.
        name: String,
    },
    /// It dialed a port of a host on which nobody ever listened where it came from.
    NobodyListens {
        /// The host that it reached.
        on: String,
        /// The port.
        port: u16,
        /// It was dialed by IPv6.
        by_v6: bool,
        /// At which addresses somebody of that host listened on that port: at others than it was dialed at.
        elsewhere: Vec<IpAddr>,
        /// The ports on which that host ever listened.
        ports: Vec<u16>,
    },
    /// Its program has ended, without an error.
    Ended,
}
