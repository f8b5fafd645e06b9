//! The client under test: a tonic subscriber that heals itself, and a publisher.
//!
//! Refuses to know whether it runs on real TCP or in a trial, and what any proxy on the way does. What it did
//! and saw, it tells an [`ClientObserver`].
//!
//! A [`subscribe`]r dials ([`Dialer`], [`ClientLink`]), opens a stream ([`ClientConnection`]: the handle of an actor with
//! a [`Watchdog`] and [`Probes`]), keeps what is new ([`ClientLedger`]), hands it to its [`Application`], stores it
//! with its cursors ([`Inbox`]) and, when the stream ends, resumes from there after a [`ClientBackoff`].

mod actor;
mod backlogged_sender;
mod backoff;
mod channel;
mod config;
mod connection;
mod half_read;
mod inbox;
mod ledger;
mod notice;
mod probe;
mod publisher;
mod quirk;
mod stream;
mod subscriber;
mod watchdog;

#[cfg(test)]
mod tests;

pub use backoff::ClientBackoff;
pub use channel::{BadNode, ClientLink, DialError, Dialer};
pub use config::{BackoffConfig, ClientConfig, Http2Keepalive, WATCHDOG_INTERVALS};
pub use connection::{ClientConnection, ClientHandle, Closed, TrySubmitError};
pub use inbox::{INBOX, Inbox, InboxEntry, InboxError};
pub use ledger::{ADDS_MAX, ClientLedger, MutateIds, split};
pub use notice::{Cause, ClientFrame, ClientNotice, ClientObserver};
pub use probe::{Ack, ProbeError, Probes};
pub use publisher::{PublishError, Publisher, PublisherConfig};
pub use quirk::ClientQuirk;
pub use stream::{ClientEnding, ClientEvent, StreamSettings};
pub use subscriber::{Application, ClientError, subscribe};
pub use watchdog::{Alarm, DEFAULT_INTERVAL, Watchdog};
