//! One trial again: case files, replays, digests to compare with; and the sims and profiles on disk.
//!
//! Refuses to know how anything is printed: it tells progress as data and leaves files behind.

mod bounded;
mod case;
mod digests;
mod library;
mod profiles;
mod repeat;
mod replay;
mod seal;
mod trace;

pub use bounded::write_whole;
pub use case::{Case, CaseError};
pub use digests::{Deviation, Digests, DigestsError};
pub use library::{FoundSims, LibraryError, find_all_sims, find_sims, read_sim, read_sims};
pub use profiles::{ProfileError, borrow_profile, find_profile};
pub(crate) use repeat::PLAYS_AT_ONCE;
pub use repeat::{Played, repeat};
pub use replay::{Parting, Replay, ReplayError, Replayed};
pub use seal::Edit;
pub use trace::{Difference, Side, Stretch, Tallied, Trace, numbers_to_keep};
