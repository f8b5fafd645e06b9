//! Who can tell that a lie is told, at best.
//!
//! Refuses to know who looks: a client without a watchdog cannot tell what only a watchdog can.

use std::fmt;

use crate::lie::{ByteHarm, ByteLie, ConnectionLie, Direction, Lie, PingAnswer, StreamLie, Withheld};

/// The first who can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Witness {
    /// Whoever it is told to: its stream or its connection ends, and it hears of that.
    Told,
    /// HTTP/2 keepalive, which takes a connection for dead that carries all else.
    Keepalive,
    /// The server, by the answers that do not come.
    Server,
    /// A watchdog over what arrives.
    Watchdog,
    /// Who counts messages.
    Counting,
    /// Nobody at either end of the stream.
    Nobody,
}

impl Witness {
    /// Every one.
    pub const ALL: [Witness; 6] =
        [Witness::Told, Witness::Keepalive, Witness::Server, Witness::Watchdog, Witness::Counting, Witness::Nobody];
}

impl fmt::Display for Witness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Witness::Told => "the other end hears of it at once",
            Witness::Keepalive => "only HTTP/2 keepalive can tell, and gives up a connection that carries all else",
            Witness::Server => "only the server can tell, by answers that do not come",
            Witness::Watchdog => "at either end only a watchdog can tell",
            Witness::Counting => "only who counts messages can tell",
            Witness::Nobody => "nobody can tell",
        })
    }
}

impl Lie {
    /// Who can tell, at best.
    #[must_use]
    pub fn witness(&self) -> Witness {
        match self {
            Lie::Stream(lie) => of_stream(lie),
            Lie::Connection(lie) => of_connection(lie),
            Lie::Bytes(ByteLie { what, .. }) => of_bytes(what),
        }
    }
}

fn of_stream(lie: &StreamLie) -> Witness {
    match lie {
        StreamLie::Silence { direction: Some(Direction::ToNode) }
        | StreamLie::Drop { direction: Direction::ToNode, .. }
        | StreamLie::Slow { direction: Some(Direction::ToNode), .. }
        // It keeps a stream that nobody reads any more, and asks whether it lives.
        | StreamLie::Withhold(Withheld::Cancel | Withheld::Credit(Direction::ToNode)) => Witness::Server,
        StreamLie::Silence { .. }
        | StreamLie::Slow { .. }
        | StreamLie::Hold { .. }
        | StreamLie::HoldEnd { .. }
        | StreamLie::Withhold(Withheld::End | Withheld::Reset | Withheld::Credit(Direction::ToClient)) => {
            Witness::Watchdog
        }
        // Towards the node alone: the node answers what it takes for the end of the request with the end of the stream.
        StreamLie::End(_) | StreamLie::EndRequest | StreamLie::Withhold(Withheld::Trailers) => Witness::Told,
        StreamLie::Drop { direction: Direction::ToClient, .. } => Witness::Counting,
        StreamLie::Status(_) | StreamLie::Repeat { .. } | StreamLie::Misroute { .. } => Witness::Nobody,
    }
}

fn of_connection(lie: &ConnectionLie) -> Witness {
    match lie {
        ConnectionLie::GoAway { .. } | ConnectionLie::Alpn(_) => Witness::Told,
        ConnectionLie::PingAnswers(PingAnswer::Missing | PingAnswer::Late(_) | PingAnswer::Wrong) => Witness::Keepalive,
        ConnectionLie::PingAnswers(PingAnswer::Doubled) | ConnectionLie::SettingsUnanswered => Witness::Nobody,
        // Who may not send says nothing of it.
        ConnectionLie::Settings { .. } | ConnectionLie::WindowUpdatesWithheld(_) => Witness::Watchdog,
    }
}

fn of_bytes(harm: &ByteHarm) -> Witness {
    match harm {
        ByteHarm::Reset { .. } | ByteHarm::Limit { .. } => Witness::Told,
        // The connection is as dead as the stream.
        ByteHarm::BlackHole { .. } => Witness::Keepalive,
        ByteHarm::Latency { .. } | ByteHarm::Bandwidth { .. } | ByteHarm::Mute => Witness::Watchdog,
        ByteHarm::SlowClose { .. } | ByteHarm::Slice { .. } => Witness::Nobody,
    }
}
