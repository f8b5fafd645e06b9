//! The client under test: a tonic subscriber that heals itself, and a publisher.
//!
//! Refuses to know whether it runs on real TCP or in a trial, and what any proxy on the way does. What it did
//! and saw, it tells an [`Observer`].
//!
//! A [`subscribe`]r dials ([`Dialer`], [`Link`]), opens a stream ([`Connection`]: the handle of an actor with
//! a [`Watchdog`] and [`Probes`]), keeps what is new ([`Ledger`]), hands it to its [`Application`], stores it
//! with its cursors ([`Inbox`]) and, when the stream ends, resumes from there after a [`Backoff`].

mod actor;
mod backoff;
mod channel;
mod config;
mod connection;
mod half_read;
mod inbox;
mod ledger;
mod notice;
mod outlet;
mod probe;
mod publisher;
mod quirk;
mod subscriber;
mod watchdog;

#[cfg(test)]
mod tests;

pub use actor::Ending;
pub use backoff::Backoff;
pub use channel::{BadNode, DialError, Dialer, Link};
pub use config::{BackoffConfig, ClientConfig, Http2Keepalive, WATCHDOG_INTERVALS};
pub use connection::{Closed, Connection, Event, Handle, Settings, TrySubmitError};
pub use inbox::{Entry, INBOX, Inbox, InboxError};
pub use ledger::{ADDS_MAX, Ledger, MutateIds, split};
pub use notice::{Cause, Frame, Notice, Observer};
pub use probe::{Ack, ProbeError, Probes};
pub use publisher::{PublishError, Publisher, PublisherConfig};
pub use quirk::{Quirk, UnknownQuirk};
pub use subscriber::{Application, ClientError, subscribe};
pub use watchdog::{Alarm, DEFAULT_INTERVAL, Watchdog};
