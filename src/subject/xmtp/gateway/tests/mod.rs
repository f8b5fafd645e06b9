//! The gateway's tests: promises of the ledger by hand, and against a model over what chance brings.

mod interleavings;
mod ledger;
mod right_node;
mod simple_model;
