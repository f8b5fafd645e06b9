//! How long a client behind a proxy hears nothing of a node that has fallen silent, until it hears why.
//!
//! Refuses to know how the node fell silent: its process stands still, and its kernel goes on acknowledging.

use std::time::Duration;

use crate::lie::Reaction;
use crate::profile::spoken::Timeout;
use crate::profile::words::ProxyLayer;
use crate::profile::{AfterHeaders, Backing, Profile};

/// Whether the client may still send on its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientHalf {
    /// It may, and sends nothing: a bidirectional stream.
    Open,
    /// It has ended its half: a call that is answered with a stream.
    Ended,
}

/// What ends a silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learning<'p> {
    /// After how long.
    pub after: Timeout,
    /// The key that says so; none where nothing ends it.
    pub by: Option<&'static str>,
    /// What the client sees then.
    pub sees: &'p [Reaction],
    /// What that rests on; where nothing ends the silence, the weakest of what says so.
    pub backing: Backing,
}

impl Profile {
    /// What ends the silence of a node that had sent its response headers, and stands still at the start of the stream.
    #[must_use]
    pub fn learning(&self, half: ClientHalf) -> Learning<'_> {
        let conduct = self.conduct();
        let never = |keys: &[&str]| {
            let backings = keys.iter().filter_map(|key| self.ground(key)).map(|ground| ground.backing);
            let backing = backings.max().unwrap_or(Backing::Unverified);
            Learning { after: Timeout::Never, by: None, sees: &[], backing }
        };
        if conduct.layer == ProxyLayer::Tcp {
            return never(&["layer"]);
        }
        let ping = conduct.ping_interval.after().zip(conduct.ping_timeout.after());
        let ping = ping.map_or(Timeout::Never, |(interval, timeout)| Timeout::After(interval.saturating_add(timeout)));
        let of_both: [(&'static str, Timeout, &AfterHeaders); 4] = [
            ("read-timeout", conduct.read_timeout, &conduct.read_timeout_after_headers),
            ("idle-timeout", conduct.idle_timeout, &conduct.idle_timeout_after_headers),
            ("stream-age", conduct.stream_age, &conduct.stream_age_after_headers),
            ("ping-timeout", ping, &conduct.node_lost_after_headers),
        ];
        let of_half: [(&'static str, Timeout, &AfterHeaders); 2] = match half {
            ClientHalf::Open => [
                ("body-timeout", conduct.body_timeout, &conduct.body_timeout_after_headers),
                ("request-age", conduct.request_age, &conduct.request_age_after_headers),
            ],
            ClientHalf::Ended => [
                ("request-timeout", conduct.request_timeout, &conduct.request_timeout_after_headers),
                ("request-timeout", Timeout::Never, &conduct.request_timeout_after_headers),
            ],
        };
        let shown = of_both.into_iter().chain(of_half).filter_map(|(key, timeout, AfterHeaders(reactions))| {
            Some((timeout.after()?, key, visible(reactions, half)?))
        });
        // Of two that run out together the first is taken.
        let first = shown.min_by_key(|(after, _, _): &(Duration, _, _)| *after);
        let Some((after, key, sees)) = first else {
            let of_half = if half == ClientHalf::Open { "body-timeout" } else { "request-timeout" };
            return never(&["read-timeout", "idle-timeout", "stream-age", "ping-interval", of_half]);
        };
        let backing = self.ground(key).map_or(Backing::Unverified, |ground| ground.backing);
        Learning { after: Timeout::After(after), by: Some(key), sees, backing }
    }
}

/// What of it reaches the client; none where nothing does.
fn visible(reactions: &[Reaction], half: ClientHalf) -> Option<&[Reaction]> {
    match (reactions, half) {
        ([Reaction::Nothing] | [], _) | ([Reaction::AwaitClientEnd, ..], ClientHalf::Open) => None,
        ([Reaction::AwaitClientEnd, rest @ ..], ClientHalf::Ended) => Some(rest),
        (all, _) => Some(all),
    }
}
