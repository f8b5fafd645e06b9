//! The programs on real TCP, as processes of their own: what they print, how they end, and what a kill leaves.

mod bench;
mod killed;
#[path = "../running/process.rs"]
mod process;
mod publish;
mod suspended;
mod tail;
mod terminated;
