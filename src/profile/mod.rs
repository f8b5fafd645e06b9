//! Real proxies as data: what each does to a long-lived stream, every value with its source and kind of evidence.
//!
//! Refuses to know how a proxy carries it out, and where a text comes from: it takes texts, and returns typed values.
//! One more proxy is one more file in `profiles/` and its row in `shipped.rs`.

mod conduct;
pub mod config;
mod learning;
mod lists;
mod reaction;
mod read;
mod shipped;
mod spoken;
mod words;
mod write;

#[cfg(test)]
mod tests;

pub use conduct::{Conduct, ConductKey};
pub use learning::{ClientHalf, Learning};
pub use lists::{AfterHeaders, BeforeHeaders, OnConnection, RetryCauses, TowardNode};
pub use read::{Backing, BadOverride, Ground, Profile};
pub use shipped::UnknownProfile;
pub use spoken::{Bytes, Ceiling, Spelled, Timeout};
pub use words::{GoawayForm, GoawayMoment, LaterStreams, NodePool, ProxyLayer, RequestHold, ResponseHold, RetryCause};
pub(crate) use write::ProfileJson;
