//! What a proxy can be told to do wrong, as plain data: which streams, from when on, and what then.
//!
//! Refuses to know who tells it and who does it: a sim's faults are made of these words, and so are the rules of a proxy
//! on real TCP. None of them knows a protocol: they speak of HTTP/2, and of the five bytes before a gRPC message.

mod aim;
mod bytes;
mod connection;
mod reaction;
mod stream;

pub use aim::{Aim, ConnectionSide, HeaderMatch, LieShare, StreamKey, Trigger};
pub use bytes::{ByteHarm, ByteLie};
pub use connection::{ConnectionLie, LastStream, PingAnswer, WindowKind};
pub use reaction::{Ending, PageBody, Reaction, ResetCode, ResetWith};
pub(crate) use reaction::{IF_OPEN, SAME};
pub use stream::{Direction, HeldUntil, Kept, Pick, StreamLie};

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
                | StreamLie::Withhold(_),
            )
            | Lie::Connection(ConnectionLie::Settings { .. } | ConnectionLie::WindowUpdatesWithheld(_))
            | Lie::Bytes(ByteLie { what: ByteHarm::Bandwidth { .. } | ByteHarm::BlackHole { .. }, .. }) => true,
            Lie::Stream(
                StreamLie::End(_)
                | StreamLie::EndRequest
                | StreamLie::Status(_)
                | StreamLie::Repeat { .. }
                | StreamLie::Misroute { .. },
            )
            | Lie::Connection(
                ConnectionLie::GoAway { .. } | ConnectionLie::PingAnswers(_) | ConnectionLie::SettingsUnanswered,
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
    /// To a connection of a client, below its frames.
    Bytes(ByteLie),
}

impl Rule {
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
