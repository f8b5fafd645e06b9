//! The limits of the admin API.
//!
//! Refuses to know how they are kept.

use std::time::Duration;

/// Toxiproxy's port.
pub const ADMIN_PORT: u16 = 8474;

/// Proxies at one time: each holds a port, of which a machine has some ten thousand, and nobody has so many services.
pub(crate) const PROXIES_MAX: usize = 256;

/// Toxics of one proxy: each is looked at for each stream, and two dozen kinds in both directions are fewer.
pub(crate) const TOXICS_MAX: usize = 64;

/// Bytes of a request's body: a thousand proxies of a populate fit, and no more than that is kept in memory.
pub(crate) const BODY_MAX: usize = 256 << 10;

/// Connections of clients of the API at one time: a test suite with a process for each core has fewer.
pub(crate) const CALLERS_MAX: usize = 64;

/// Bytes of a name: it stands in a path, and in each line of the metrics.
pub(crate) const NAME_MAX: usize = 128;

/// A toxic's times in milliseconds, and the longest of a sim's: a week.
pub(crate) const MILLIS_MAX: u32 = 168 * 3_600 * 1_000;

/// A connection, which is for one request, lasts no longer: else those that say nothing would keep all others out. Clients
/// on this machine send at once, and are answered as soon as the system has given a port.
pub(crate) const CALLER_LIFE_MAX: Duration = Duration::from_secs(60);

/// Pause after a failed accept, which is the system out of descriptors or memory: retrying at once would spin.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long connections that are cut off may take to end in order.
pub(crate) const GOODBYE_MAX: Duration = Duration::from_secs(1);

/// How long a proxy that is to end waits for its streams at most: far longer than a scheduler gives.
pub const DRAIN_MAX: Duration = Duration::from_secs(3_600);
