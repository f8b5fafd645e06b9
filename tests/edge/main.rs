//! What lies between TCP and HTTP/2 of `pulseless proxy`, on real sockets: TLS on both sides, the PROXY protocol, IPv6, and
//! how a file or the admin API asks for them.

#[path = "../running/process.rs"]
mod process;

mod bench;
mod clients;
mod files;
mod headers;
mod ours;
mod places;
mod told;
mod upstreams;
mod windows;
