//! Subjects: a protocol with its programs, its workload and its judges, put into the world.
//!
//! Refuses to know how a trial is played. What a subject brings is said here once: its keys of a sim file, its cast,
//! the roles that its hosts play, its judges and its words; ours, `xmtp`, comes by the same door as any guest's.

mod interface;
mod list;
mod proxy_keys;
mod proxy_role;
mod role;
pub mod stranger;
mod tcp_keys;
mod tls_keys;
#[cfg(feature = "tls")]
mod trial_tls;
#[cfg(feature = "xmtp")]
pub mod xmtp;

pub use interface::{Expectations, Explanation, Numbness, Reading, Setup, Subject, SubjectTeller};
pub use list::Subjects;
pub use proxy_role::{HostNames, ProxyPlace, ProxyRole, TapMaker, TapSeat};
pub use role::{Entrance, MakeProgram, PlainRole, Preparation, Restart, Role, Seat, StopRequest, TrialTimes, program};
#[cfg(feature = "tls")]
pub use trial_tls::TrialCa;
