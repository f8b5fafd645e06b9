//! System calls of a process of the world: what libc's functions answer on a trial thread, in a host's turn.
//!
//! Sockets, epoll, eventfd and socket pairs are simulated below tokio and mio, so that code which was never told of a
//! trial runs in one. `symbols` takes the C calls and hands them to the `Machine` whose turn it is; everything behind it is
//! plain Rust. Refuses to know engines, and what of TCP a connection does: `net` does.

mod address;
mod datagram;
mod epoll;
mod error;
mod files;
mod machine;
mod options;
mod pair;
mod socket;
mod symbols;
mod threads;

pub(crate) use machine::{Machine, end_in_a_busy_loop, enter};
pub use machine::{keep_in_process, kept_in_process};
pub(crate) use socket::MachinePlace;
