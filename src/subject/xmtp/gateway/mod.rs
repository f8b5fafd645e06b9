//! The gateway: many leases on topics share one stream, and none of them knows of the others.
//!
//! Refuses to know who holds a lease and what is done with a message. It stands on the connection of
//! [`client`](crate::subject::xmtp::client), and keeps nothing durable: a lease's holder does, and says from where.
//!
//! The `ledger` of leases decides, without I/O, what is asked of the node and what each [`Lease`] gets; the `desk` puts
//! it into the lease's buffer; the task behind a [`Gateway`] dials, follows and backs off.

mod config;
mod desk;
mod lease;
mod ledger;
mod mutate_room;
mod quirk;
mod task;

#[cfg(test)]
mod tests;

pub use config::GatewayConfig;
pub use lease::{LEASE_BYTES_MAX, LEASE_EVENTS_MAX, LEASE_STALL_MAX, Lease, LeaseError};
pub use ledger::{LeaseEvent, LeaseId};
pub use quirk::GatewayQuirk;
pub use task::Gateway;
