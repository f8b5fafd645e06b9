//! Faults: what can go wrong, each kind in a file of its own, and the plans that are made of them.
//!
//! Refuses to know who carries a fault out beyond naming the carrier, and how a trial is played. A plan is text, the
//! `[[fault]]` tables of a sim, read and refused in one place whoever wrote it: a file, the seed, or a hand.

mod contradiction;
mod draw;
mod family;
mod harm;
mod hosts;
mod kind;
pub mod kinds;
mod lies;
mod links;
mod plan;
mod read;
mod scene;
mod storm;
mod stream_aim;
#[cfg(test)]
mod tests;
mod words;
mod write;

pub use crate::lie::Direction;
pub use family::{Family, Storm};
pub use harm::{
    Answer, Between, ClockHarm, Death, DiskHarm, Expired, Harm, KernelHarm, Landmark, LinkHarm, Moment, Point,
    ProcessHarm, ProxyHarm, Unsynced,
};
pub use kind::{At, Excuse, Hosts, Kind, Place, Step, Target};
pub(crate) use kinds::read_alpn;
pub use kinds::{Fault, KINDS, Row};
pub(crate) use lies::{LIES, LieWay, LieWord};
pub use plan::{Clause, Origin, Plan};
pub(crate) use read::{read_plan, read_plan_text};
pub(crate) use scene::PlanFrame;
pub(crate) use storm::{HEALING, StormCast, WINDOW_MIN, add_storm};
pub use stream_aim::StreamAim;
