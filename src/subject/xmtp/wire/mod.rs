//! The wire: topics, messages and frames as our own types, and the only conversions to and from bytes.
//!
//! Refuses to know who talks to whom: nothing here holds a connection. What a peer sent is data until a
//! conversion has accepted it, and what a conversion refuses is a typed [`Malformed`], never a panic.

mod convert;
mod decentralized;
mod dialect;
mod draft;
mod frame;
#[cfg(test)]
mod fuzz;
mod group_header;
mod message;
mod older;
mod tap;
mod topic;

/// Messages and services generated from `proto/`; `tests/wire.rs` checks that they are fresh.
#[rustfmt::skip]
#[path = "generated/xmtp.mls.api.v1.rs"]
#[expect(
    missing_docs,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    reason = "generated code"
)]
pub mod proto;

/// The same of the first published draft, which uses stored messages of [`proto`].
#[rustfmt::skip]
#[path = "generated/xmtp.mls.api.draft.rs"]
#[expect(
    missing_docs,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
pub mod draft_proto;

/// The envelopes of the decentralized backend.
#[rustfmt::skip]
#[path = "generated/xmtp.xmtpv4.envelopes.rs"]
#[expect(missing_docs, reason = "generated code")]
pub mod envelopes_proto;

/// Its mutable subscription, which uses both [`proto`] and [`envelopes_proto`].
#[rustfmt::skip]
#[path = "generated/xmtp.xmtpv4.message_api.rs"]
#[expect(
    missing_docs,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
pub mod query_proto;

pub use crate::channel::{Cursor, MessageId};
pub use convert::Malformed;
pub(crate) use convert::{Page, Paging};
pub use decentralized::{VectorAdd, VectorCursor, VectorMutate, VectorRequest, read_vector_response};
pub(crate) use decentralized::{decode_vector_response, write_vector_request, write_vector_response};
pub use dialect::Dialect;
pub use draft::{DraftAdd, DraftRequest, DraftResponse};
pub use frame::{Add, DeliveryFrame, Mutate, MutateId, Nonce, Request, Response, Tag};
pub use group_header::application_message;
pub(crate) use group_header::{ContentType, GroupHeader};
pub use message::{Draft, Envelope, Message, OriginatorPlace};
pub(crate) use older::{decode_older_call, decode_older_message};
pub(crate) use tap::GrpcFrames;
pub use topic::{MessageKind, Originator, Topic};

/// The header in which a publisher of the decentralized backend says which originator is to number its messages. There it
/// stands in the payer's envelope; publishing is v1's here, which has no field for it.
pub(crate) const TARGET_HEADER: &str = "x-target-originator";
/// The HTTP/2 path of the mutable subscription, in v1.
pub(crate) const SUBSCRIBE_PATH: &str = "/xmtp.mls.api.v1.MlsApi/Subscribe";
