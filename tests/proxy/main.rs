//! The proxy between raw HTTP/2 ends, over pipes in memory and on a paused clock.

mod bytes;
mod forged;
mod habits;
mod lies;
mod manners;
mod silence;
mod truth;
mod world;
