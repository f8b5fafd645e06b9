//! The turmoil engine: plays hosts on the `turmoil` crate, tick by tick, as a second opinion on what leap plays.
//!
//! Refuses to know what the crate cannot express: partitions one way, lost segments, power-off, hosts that stand still.
//! Whoever plays a plan asks first (`trial::inexpressible`); a fault that is begun all the same is never felt.
//!
//! A tick is one instant of the trial. Turmoil runs the hosts of a tick one after the other, each from the tick's
//! beginning to its end, and a message may reach a later host before the earlier one, by its own clock, sent it. So
//! observers read one time throughout a tick: its beginning. Times are late by less than a tick, never out of order,
//! and a span of whole ticks is exact.
//!
//! Latency is drawn by turmoil between the same bounds, in whole milliseconds, exponentially (its default): the shape of
//! a latency is not kept. A tick's end delays what arrives within it.

mod engine;
mod host;
mod socket;

pub use engine::Turmoil;
