//! What a proxy can be told to do wrong, as plain data: which streams, from when on, and what then.
//!
//! Refuses to know who tells it and who does it: a sim's faults are made of these words, and so are the rules of a proxy
//! on real TCP. None of them knows a protocol: they speak of HTTP/2, and of the five bytes before a gRPC message.

mod aim;
mod bytes;
mod connection;
mod reaction;
mod rule;
mod stream;
mod witness;

pub use aim::{Aim, ConnectionSide, HeaderMatch, LieShare, StreamKey, Trigger};
pub use bytes::{ByteHarm, ByteLie};
pub use connection::{ConnectionLie, LastStream, PingAnswer, WindowKind};
pub use reaction::{Ending, PageBody, Reaction, ResetCode, ResetWith};
pub(crate) use reaction::{IF_OPEN, SAME};
pub use rule::{Lie, Rule};
pub use stream::{Direction, HeldUntil, Pick, StreamLie, Withheld};
pub use witness::Witness;
