//! The dialects of Subscribe, and what each of them can say at all.
//!
//! Refuses to know frames: those are each dialect's own, and node and client translate them by themselves.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::subject::xmtp::wire::{Cursor, SUBSCRIBE_PATH};

/// One wire of the same control protocol. Publishing, queries and the two older calls are alike in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Dialect {
    /// The protocol as it stands.
    #[default]
    V1,
    /// Its first published draft: no versions, no tags, no Pong, and an answer to adds only.
    Draft,
    /// The decentralized backend's: cursors, order and floors are per originator.
    Decentralized,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Dialect; 3] = [Dialect::V1, Dialect::Draft, Dialect::Decentralized];

    /// Its name in a sim and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Dialect::V1 => "v1",
            Dialect::Draft => "draft",
            Dialect::Decentralized => "decentralized",
        }
    }

    /// The HTTP/2 path of its Subscribe.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Dialect::V1 => SUBSCRIBE_PATH,
            Dialect::Draft => "/xmtp.mls.api.draft.MlsApi/Subscribe",
            Dialect::Decentralized => "/xmtp.xmtpv4.message_api.QueryApi/Subscribe",
        }
    }

    /// The dialect of which that is the path.
    pub(crate) fn of_path(path: &str) -> Option<Self> {
        Dialect::ALL.into_iter().find(|dialect| dialect.path() == path)
    }

    /// The lowest cursor that can be asked from. In the draft 0 is the live edge, so that the first message of a kind is
    /// beyond its reach.
    #[must_use]
    pub fn beginning(self) -> Cursor {
        match self {
            Dialect::V1 | Dialect::Decentralized => Cursor(0),
            Dialect::Draft => Cursor(1),
        }
    }

    /// Whether a sign of life is answered, and so may be asked for: a Ping, by a Pong with its nonce.
    pub(crate) fn has_pongs(self) -> bool {
        self != Dialect::Draft
    }

    /// Whether a change that only removes topics is answered.
    pub(crate) fn answers_removes(self) -> bool {
        self != Dialect::Draft
    }

    /// Whether topics can be caught up without being followed (S11).
    pub(crate) fn has_bounded_catch_up(self) -> bool {
        self != Dialect::Draft
    }

    /// Whether the first frame always names the interval that the node keeps (S1).
    pub(crate) fn always_advertises(self) -> bool {
        self != Dialect::Draft
    }

    /// Whether the floor of a topic survives its remove, for as long as the stream lives (against S5).
    pub(crate) fn keeps_floors(self) -> bool {
        self == Dialect::Draft
    }

    /// Whether the two older calls and the queries, which are v1's, can stand in for its Subscribe (C6): their cursors must
    /// be its own.
    pub(crate) fn has_older_calls(self) -> bool {
        !self.counts_by_originator()
    }

    /// Whether one of those who speak these counts by originator.
    pub(crate) fn any_counts_by_originator(dialects: &[Dialect]) -> bool {
        dialects.iter().any(|dialect| dialect.counts_by_originator())
    }

    /// Whether messages are numbered by originators, so that nothing is known across two of them.
    pub(crate) fn counts_by_originator(self) -> bool {
        self == Dialect::Decentralized
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_its_dialect_and_no_other() {
        for dialect in Dialect::ALL {
            assert_eq!(Dialect::of_path(dialect.path()), Some(dialect));
        }
        assert_eq!(Dialect::of_path("/xmtp.mls.api.v1.MlsApi/SubscribeGroupMessages"), None);
    }
}
