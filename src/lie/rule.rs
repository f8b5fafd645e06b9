//! A rule: one lie, on whom and from when on.
//!
//! Refuses to know how lies are told.

use crate::lie::{Aim, ByteHarm, ByteLie, ConnectionLie, Direction, StreamLie, Trigger};

impl Lie {
    /// Whether things are kept back from those who wait for them, and nobody is told.
    #[must_use]
    pub(crate) fn keeps_back(&self) -> bool {
        match self {
            Lie::Stream(
                StreamLie::Silence { .. }
                | StreamLie::Drop { .. }
                | StreamLie::Slow { .. }
                | StreamLie::Hold { .. }
                | StreamLie::HoldEnd { .. }
                | StreamLie::Withhold(_),
            )
            | Lie::Connection(ConnectionLie::Settings { .. } | ConnectionLie::WindowUpdatesWithheld(_))
            | Lie::Bytes(ByteLie {
                what: ByteHarm::Bandwidth { .. } | ByteHarm::BlackHole { .. } | ByteHarm::Mute,
                ..
            }) => true,
            Lie::Stream(
                StreamLie::End(_)
                | StreamLie::EndRequest
                | StreamLie::Status(_)
                | StreamLie::Repeat { .. }
                | StreamLie::Misroute { .. },
            )
            | Lie::Connection(
                ConnectionLie::GoAway { .. }
                | ConnectionLie::PingAnswers(_)
                | ConnectionLie::SettingsUnanswered
                | ConnectionLie::Alpn(_),
            )
            | Lie::Bytes(ByteLie {
                what:
                    ByteHarm::Latency { .. }
                    | ByteHarm::SlowClose { .. }
                    | ByteHarm::Reset { .. }
                    | ByteHarm::Slice { .. }
                    | ByteHarm::Limit { .. },
                ..
            }) => false,
        }
    }
}

/// One lie: on whom, from when on, and what.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The streams that it is about, or the connections.
    pub aim: Aim,
    /// From which moment of a stream's life on.
    pub when: Trigger,
    /// What is done.
    pub lie: Lie,
}

/// What is done, by where in the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lie {
    /// To a stream, above HTTP/2.
    Stream(StreamLie),
    /// To a connection, among its frames.
    Connection(ConnectionLie),
    /// To a connection, below its frames.
    Bytes(ByteLie),
}

impl Rule {
    /// Whether it names no streams among those of a connection, and no moment of their lives.
    #[must_use]
    pub(crate) fn is_about_all_of_a_connection(&self) -> bool {
        let Aim { peers: _, paths, header, every, streams, side: _, share: _ } = &self.aim;
        let names_all = paths.is_none() && header.is_none() && every.is_none() && streams.is_none();
        names_all && self.when == Trigger::Opened
    }

    /// Whether a proxy can tell it that passes bytes and knows no streams: see its
    /// [layer](crate::profile::ProxyLayer).
    #[must_use]
    pub(crate) fn is_of_bytes(&self) -> bool {
        match &self.lie {
            Lie::Bytes(_) => true,
            Lie::Stream(StreamLie::Silence { .. }) => self.is_about_all_of_a_connection(),
            Lie::Stream(_) | Lie::Connection(_) => false,
        }
    }

    /// The lie on every stream or connection, from its beginning.
    #[must_use]
    pub fn new(lie: impl Into<Lie>) -> Self {
        Rule { aim: Aim::default(), when: Trigger::Opened, lie: lie.into() }
    }

    /// Nothing passes on any stream, one way or both, and PING is answered.
    #[must_use]
    pub fn silence(direction: Option<Direction>) -> Self {
        Rule::new(StreamLie::Silence { direction })
    }

    /// The same lie on what that aim names.
    #[must_use]
    pub fn aimed(self, aim: Aim) -> Self {
        Rule { aim, ..self }
    }

    /// The same lie from that moment on.
    #[must_use]
    pub fn from(self, when: Trigger) -> Self {
        Rule { when, ..self }
    }
}

impl From<StreamLie> for Lie {
    fn from(lie: StreamLie) -> Self {
        Lie::Stream(lie)
    }
}

impl From<ConnectionLie> for Lie {
    fn from(lie: ConnectionLie) -> Self {
        Lie::Connection(lie)
    }
}
