//! The bench of this subject: who judges its trials, and by which requirements.

use crate::checker::{BackoffCheck, Checker, Convergence, Delivery, Durability, Liveness};
use crate::subject::xmtp::checker::{Heartbeat, Waves};
use crate::subject::xmtp::spec::{C1, C2, C3, C5, S2, S4, S6, T8};

/// Ids ascend on a stream (S4), and a resumed one goes on from where it was (C3).
pub const DELIVERY: Delivery = Delivery { cites: &[T8, S2, S4, C3], start: S2, order: S4, resume: C3, stored: T8 };
/// A node keeps its ids (S4), a client what it has committed (C3).
pub const DURABILITY: Durability = Durability { cites: &[S4, C3], log: S4, inbox: C3 };
/// A client gives dead streams up (C2) and answers Pings (C1).
pub const LIVENESS: Liveness = Liveness { cites: &[C1, C2, S6], watchdog: C2, pong: C1 };
/// Everybody gets everything in the end.
pub const CONVERGENCE: Convergence = Convergence { cites: &[T8, C3], owed: T8 };
/// The gateway's paragraph has no number of its own; the debounce that C5 asks for is what it spells out.
pub const BACKOFF: BackoffCheck = BackoffCheck { cites: &[C5] };

/// Every judge, in the order in which they are told.
pub const ALL: &[&'static dyn Checker] =
    &[&DELIVERY, &DURABILITY, &LIVENESS, &Heartbeat, &Waves, &CONVERGENCE, &BACKOFF];
