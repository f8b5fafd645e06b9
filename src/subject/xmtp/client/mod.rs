//! The client under test: a tonic subscriber that heals itself, and a publisher.
//!
//! Refuses to know whether it runs on real TCP or in a trial, and what any proxy on the way does. What it did
//! and saw, it tells a [`ClientObserver`].
//!
//! A [`subscribe`]r dials ([`Dialer`], [`ClientLink`]), opens a stream ([`ClientConnection`]: the handle of an actor with
//! a `watchdog` and `probe`s, which
//! asks after a `suspension`), keeps what is new (`ledger`), hands it to its [`Application`], stores it
//! with its cursors ([`Inbox`]) and, when the stream ends, resumes from there after a `backoff`.

mod actor;
mod backlogged_sender;
mod backoff;
mod binding;
mod catch_up;
mod channel;
mod config;
mod connection;
mod half_read;
mod heard_data;
mod inbox;
mod intake;
mod ledger;
mod narrowing;
mod notice;
mod older_calls;
mod older_queries;
mod probe;
mod publisher;
mod quirk;
mod stream;
mod subscriber;
mod suspension;
mod transport;
mod watchdog;
mod watchdog_stream;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use backoff::ClientBackoff;
pub use catch_up::{CATCH_UP_PATIENCE, CatchUpError, catch_up, catch_up_every};
pub use channel::{BadNode, ClientLink, DialError, Dialer};
pub(crate) use config::CONNECT_TIMEOUT;
pub use config::{BackoffConfig, ClientConfig, Http2Keepalive, Http2Windows, WATCHDOG_INTERVALS};
pub use connection::{ClientConnection, ClientHandle, Closed, TrySubmitError};
pub(crate) use inbox::INBOX;
pub use inbox::{Inbox, InboxEntry, InboxError};
pub(crate) use ledger::{ADDS_BYTES_MAX, ADDS_MAX, MutateIds, lowest_cursors};
pub(crate) use narrowing::Narrowing;
pub use notice::{Cause, ClientFrame, ClientNotice, ClientObserver};
pub use probe::ProbeError;
pub(crate) use publisher::requests;
pub use publisher::{PublishError, Publisher, PublisherConfig};
pub use quirk::ClientQuirk;
pub use stream::{ClientEnding, ClientEvent, ResumeProbe, StreamSettings};
pub use subscriber::{Application, ClientError, subscribe};
pub use suspension::PROBE_WITHIN;
pub use transport::{
    CallCounts, CountedTransport, Inbound, Opening, Outbound, SubscribeTransport, Transport, TransportError,
};
pub use watchdog_stream::{ResubscribeConfig, StreamStale, WatchdogStream, resubscribe};
