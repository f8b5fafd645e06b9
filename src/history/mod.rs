//! What observers saw, in order: typed, hashable, and small enough to keep.
//!
//! Refuses to know who acted and who judges. Only observers append to a history; checkers and reports
//! read it. Its digest is the trial's fingerprint: same seed, same digest.

mod aside;
mod digest;
mod event;
mod frame;
mod record;
mod recorder;
mod words;

pub use crate::cast::HostName;
pub use aside::{Aside, AsideKind};
pub(crate) use digest::CHECKPOINT_EVERY;
pub use digest::{Checkpoint, Digest, DigestParseError};
pub use event::{
    BackoffSteps, Beat, Bounds, CloseReason, EndCause, Event, Examined, Fate, ProgramFailure, TapStream, Terms,
};
pub use frame::{SubjectFrame, TappedFrame, Words};
pub use record::{History, RawEvent, Record};
pub(crate) use recorder::key_of_batch;
pub use recorder::{Recorder, key_of};
pub(crate) use words::positions;
