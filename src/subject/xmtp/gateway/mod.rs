//! The gateway: many leases on topics share one stream, and none of them knows of the others.
//!
//! Refuses to know who holds a lease and what is done with a message. It stands on the connection of
//! [`client`](crate::subject::xmtp::client), and keeps nothing durable: a lease's holder does, and says from where.
//!
//! The `ledger` of leases decides, without I/O, what is asked of the node and what each lease gets.

mod ledger;
mod mutate_room;
mod quirk;

#[cfg(test)]
mod tests;

pub use ledger::{LeaseEvent, LeaseId};
pub use quirk::GatewayQuirk;
