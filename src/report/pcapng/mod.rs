//! A trial's packets, as Wireshark opens them: HTTP/2 as it was on the simulated links, with names and comments.
//!
//! Refuses to know how packets come about: they were captured as they left their senders.

mod conversation;
mod cutter;
mod file;
mod stretch;

pub use file::pcapng;
pub use stretch::PacketStretch;
