//! The publisher: one attempt to append messages, and an honest word about what became of it.
//!
//! Refuses to know whether to try again: only the caller knows what a second copy would cost.
//!
//! ```text
//!   unconnected --dialed--> connected --stored, refused--> connected
//!        ^                      |
//!        +-- outcome unknown, or the connection has ended
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tonic::{Code, Request, Status};

use crate::env::{Address, Env};
use crate::grpc::{explain_after, printable};
use crate::subject::xmtp::client::Http2Keepalive;
use crate::subject::xmtp::client::channel::{BadNode, ClientLink, DialError, Dialer, request};
use crate::subject::xmtp::wire::proto::{SendGroupMessagesRequest, SendWelcomeMessagesRequest};
use crate::subject::xmtp::wire::{Draft, MessageKind, Originator, TARGET_HEADER};

/// How a publisher goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublisherConfig {
    /// How long one attempt may take, dialing included.
    pub deadline: Duration,
    /// Pings of HTTP/2 itself, while idle too.
    pub http2_keepalive: Option<Http2Keepalive>,
}

impl Default for PublisherConfig {
    /// 10 s: the connect timeout of libxmtp's endpoint, so that a dial that hangs ends with the attempt.
    fn default() -> Self {
        PublisherConfig { deadline: Duration::from_secs(10), http2_keepalive: Some(Http2Keepalive::default()) }
    }
}

/// Why messages are not known to be stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The address is none: nothing was sent.
    #[error(transparent)]
    Node(#[from] BadNode),
    /// There was no connection: nothing was sent.
    #[error("publish: {0}")]
    Unsent(#[from] DialError),
    /// The node refused: nothing was stored.
    #[error("publish to {node}: refused with {code:?}: {message}")]
    Refused {
        /// The node.
        node: Address,
        /// Its status code.
        code: Code,
        /// Its words.
        message: String,
    },
    /// It was sent and nobody knows more: everything, a part or nothing is stored.
    #[error("publish to {node}: the outcome is unknown: {why}")]
    Unknown {
        /// The node.
        node: Address,
        /// What happened.
        why: String,
    },
}

impl PublishError {
    /// Whether the messages may be stored all the same.
    #[must_use]
    pub fn may_be_stored(&self) -> bool {
        match self {
            PublishError::Node(_) | PublishError::Unsent(_) | PublishError::Refused { .. } => false,
            PublishError::Unknown { .. } => true,
        }
    }
}

/// Publishes to one node, over one connection at a time.
pub struct Publisher {
    env: Env,
    node: Address,
    config: PublisherConfig,
    link: Option<ClientLink>,
}

impl Publisher {
    /// Prepares to publish to `node`. Nothing is dialed yet.
    #[must_use]
    pub fn new(env: Env, node: Address, config: PublisherConfig) -> Self {
        Publisher { env, node, config, link: None }
    }

    /// Appends the messages, group messages before welcomes, by one request for each kind and each originator that they
    /// are for. One attempt: it is never sent twice.
    ///
    /// # Errors
    /// Each of [`PublishError`].
    pub async fn publish(&mut self, drafts: Vec<Draft>) -> Result<(), PublishError> {
        let deadline = Instant::now() + self.config.deadline;
        let link = self.connect().await?;
        let sent = timeout_at(deadline, send(&link, drafts)).await;
        let outcome = sent.unwrap_or_else(|_| Err(PublishFailure::Unknown("no answer within the deadline".into())));
        match outcome {
            Ok(()) => {
                self.link = Some(link);
                Ok(())
            }
            Err(PublishFailure::Refused { code, message }) => {
                self.link = Some(link);
                Err(PublishError::Refused { node: self.node.clone(), code, message })
            }
            // The next attempt gets a new connection: this one may be a black hole.
            Err(PublishFailure::Unknown(why)) => Err(PublishError::Unknown { node: self.node.clone(), why }),
        }
    }

    /// Takes the connection out: it comes back only with a clear outcome, also if the attempt is canceled.
    async fn connect(&mut self) -> Result<ClientLink, PublishError> {
        if let Some(link) = self.link.take().filter(|link| !link.is_closed()) {
            return Ok(link);
        }
        let PublisherConfig { deadline, http2_keepalive } = self.config;
        let dialer = Dialer::new(self.env.clone(), self.node.clone(), http2_keepalive, deadline)?;
        Ok(dialer.dial().await?)
    }
}

enum PublishFailure {
    Refused { code: Code, message: String },
    Unknown(String),
}

/// The drafts by the requests that carry them: each has messages of one kind, for one originator.
pub(crate) fn requests(drafts: Vec<Draft>) -> BTreeMap<(MessageKind, Option<Originator>), Vec<Draft>> {
    let mut requests: BTreeMap<_, Vec<Draft>> = BTreeMap::new();
    for draft in drafts {
        requests.entry((draft.topic.kind(), draft.topic.originator())).or_default().push(draft);
    }
    requests
}

async fn send(link: &ClientLink, drafts: Vec<Draft>) -> Result<(), PublishFailure> {
    let mut client = link.client();
    let mut stored = None;
    for ((kind, target), drafts) in requests(drafts) {
        let sent = match kind {
            MessageKind::Group => {
                let messages = drafts.into_iter().map(Draft::into_group_input).collect();
                client.send_group_messages(aimed(SendGroupMessagesRequest { messages }, target)).await
            }
            MessageKind::Welcome => {
                let messages = drafts.into_iter().map(Draft::into_welcome_input).collect();
                client.send_welcome_messages(aimed(SendWelcomeMessagesRequest { messages }, target)).await
            }
        };
        sent.map_err(|status| match (read_failure(&status), stored) {
            (PublishFailure::Refused { code, message }, Some(before)) => PublishFailure::Unknown(format!(
                "the {before} messages are stored, the {kind} messages refused with {code:?}: {message}"
            )),
            (failure, _) => failure,
        })?;
        stored = Some(kind);
    }
    Ok(())
}

/// A request to publish, for the originator that is to number its messages.
fn aimed<T>(body: T, target: Option<Originator>) -> Request<T> {
    let mut request = request(body);
    if let Some(Originator(number)) = target {
        request.metadata_mut().insert(TARGET_HEADER, number.into());
    }
    request
}

/// A refusal is a status that the other side sent and that says that nothing was done. What tonic made of a
/// broken connection says nothing of the kind (it has a source), nor do the codes that a proxy answers with
/// when it has lost its node. OUT_OF_RANGE is what tonic makes of an answer that it has no room for.
fn read_failure(status: &Status) -> PublishFailure {
    let source = std::error::Error::source(status);
    let (code, message) = (status.code(), printable(status.message()));
    match code {
        Code::InvalidArgument
        | Code::NotFound
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Unimplemented
        | Code::Unauthenticated
            if source.is_none() =>
        {
            PublishFailure::Refused { code, message }
        }
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => {
            let told = format!("{code:?}: {message}");
            PublishFailure::Unknown(match source {
                Some(source) => explain_after(told, source),
                None => told,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_code_that_the_transport_made_up_is_no_refusal() {
        let mut status = Status::resource_exhausted("enhance your calm");
        assert!(matches!(read_failure(&status), PublishFailure::Refused { .. }));
        status.set_source(Arc::new(std::io::Error::other("the stream was reset")));
        assert!(matches!(read_failure(&status), PublishFailure::Unknown(why) if why.contains("the stream was reset")));
        let unread = Status::out_of_range("decoded message length too large");
        assert!(matches!(read_failure(&unread), PublishFailure::Unknown(_)));
    }
}
