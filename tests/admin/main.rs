//! The admin API on real TCP, request by request, and the verbs that command it.

#[path = "../running/process.rs"]
mod process;

mod api;
mod verbs;
