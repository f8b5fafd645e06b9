//! The C symbols of sockets, streams and events: on a trial's thread they are answered by the machine whose turn it is.
//!
//! Definitions here take the place of libc's for the whole program, and obey the rules that `sandbox` explains. Whoever is not
//! in a trial, and whatever is not of one, falls through to libc at once: numbers of simulated files are higher than any of
//! the kernel's.

mod answers;
mod datagrams;
mod descriptors;
mod events;
mod names;
mod sockets;
mod streams;
mod threads;
mod unanswered;
