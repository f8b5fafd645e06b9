//! The bench of this subject: who judges its trials, and by which requirements.

use crate::checker::{
    BackoffCheck, Checker, Convergence, Delivery, Durability, Examination, Liveness, Processing, Publishing,
    Resumption, Upkeep,
};
use crate::subject::xmtp::checker::{Heartbeat, LatencyCheck, Leases, Refusals, Waves};
use crate::subject::xmtp::spec::{
    C1, C2, C3, C4, C5, C6, S2, S4, S6, S8, T1, T5, T6, T7, T8, T10, T11, T13, T14, T18, T19,
};

/// Ids ascend on a stream (S4), and a resumed one goes on from where it was (C3).
pub const DELIVERY: Delivery = Delivery { cites: &[T8, S2, S4, C3], start: S2, order: S4, resume: C3, stored: T8 };
/// A node keeps its ids (S4), a client what it has committed (C3).
pub const DURABILITY: Durability = Durability { cites: &[S4, C3], log: S4, inbox: C3 };
/// A client stores what its application has processed (C3).
pub const PROCESSING: Processing = Processing { cites: &[C3], processed: C3 };
/// A client gives dead streams up (C2) and answers Pings (C1).
pub const LIVENESS: Liveness = Liveness { cites: &[C1, C2, C6, S6], watchdog: C2, pong: C1, older: Some(C6) };
/// A client that was suspended asks before it trusts its stream (C5).
pub const RESUMPTION: Resumption = Resumption { cites: &[C5, T11], probe: C5 };
/// Everybody gets everything in the end.
pub const CONVERGENCE: Convergence = Convergence { cites: &[T8, C3], owed: T8 };
/// The gateway's paragraph has no number of its own; the debounce that C5 asks for is what it spells out.
pub const BACKOFF: BackoffCheck = BackoffCheck { cites: &[C5] };

/// What is told of a message is true (T8), and it has one id (S4).
pub const PUBLISHING: Publishing = Publishing { cites: &[T8, S4], truth: T8, once: S4 };
/// A client keeps its stream (C4), which a node serves (S2) until the client is gone (S6).
/// The two older calls are a stream each, and nobody pings there (C6).
pub const UPKEEP: Upkeep =
    Upkeep { cites: &[C4, S2, S6], keep: C4, serve: S2, release: S6, older_streams: 2, lawless: EXAMINER };
/// What no other judge looks at; a finding of any other requirement is the word of its own judge.
pub const EXAMINATION: Examination =
    Examination { cites: &[S8, T1, T5, T6, T7, T10, T13, T14, T18, T19], law: S8, role: EXAMINER };
/// The word of the role through whose hosts others share a stream.
pub const GATEWAY: &str = "gateway";
/// The word of the role whose hosts examine a node, and break its rules for that.
pub const EXAMINER: &str = "examiner";

/// Every judge, in the order in which they are told.
pub const ALL: &[&'static dyn Checker] = &[
    &DELIVERY,
    &DURABILITY,
    &PROCESSING,
    &LIVENESS,
    &RESUMPTION,
    &Heartbeat,
    &Waves,
    &CONVERGENCE,
    &BACKOFF,
    &PUBLISHING,
    &LatencyCheck,
    &UPKEEP,
    &Refusals,
    &Leases,
    &EXAMINATION,
];
