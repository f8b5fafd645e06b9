//! The gateway's tests: promises of ledger, desk and task by hand, and the ledger against a model over what chance brings.

mod desk;
mod interleavings;
mod ledger;
mod right_node;
mod simple_model;
mod task;
