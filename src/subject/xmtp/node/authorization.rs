//! Who may read what (S7): the hook that a user of the node brings, and how a call asks it.
//!
//! Refuses to know who the callers are, which is the hook's to say, and what a call does with a refusal.

use std::net::SocketAddr;
use std::sync::Arc;

use globset::{Glob, GlobSet, GlobSetBuilder};
use tonic::Request;
use tonic::metadata::MetadataMap;

use crate::subject::xmtp::node::NodeQuirk;
use crate::subject::xmtp::node::refusal::NodeRefusal;
use crate::subject::xmtp::wire::Topic;

/// Who asks: what the transport knows of the caller of one call.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// The headers of the call, such as `authorization`.
    pub metadata: MetadataMap,
    /// The other end of the connection, if the transport knows it: often a proxy.
    pub peer: Option<SocketAddr>,
}

/// What a hook answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// The caller may have the topic.
    Allowed,
    /// It may not: PERMISSION_DENIED, and nothing of what was asked for with it is applied.
    Denied,
}

/// Says of each subscription by itself whether its caller may have it, in mid-stream as at open (S7).
///
/// A stream asks on its own task and stands still meanwhile: the answer comes from what the hook holds, and not from
/// elsewhere. A topic that was allowed is asked for again where it is added again, and not in between.
///
/// A hook that lets each caller read the topics of its own team:
///
/// ```
/// use pulseless::subject::xmtp::node::{Authorizer, Caller, Permission};
/// use pulseless::subject::xmtp::wire::{MessageKind, Topic};
///
/// struct OwnTeam;
///
/// impl Authorizer for OwnTeam {
///     fn permit(&self, caller: &Caller, topic: &Topic) -> Permission {
///         let team = caller.metadata.get("x-team").and_then(|team| team.to_str().ok());
///         match team {
///             Some(team) if topic.rest().starts_with(team.as_bytes()) => Permission::Allowed,
///             _ => Permission::Denied,
///         }
///     }
/// }
///
/// let mut caller = Caller::default();
/// caller.metadata.insert("x-team", "red".parse().expect("a header's value"));
/// let topic = |name: &[u8]| Topic::new(MessageKind::Group, name);
/// assert_eq!(OwnTeam.permit(&caller, &topic(b"red-1")), Permission::Allowed);
/// assert_eq!(OwnTeam.permit(&caller, &topic(b"blue-1")), Permission::Denied);
/// assert_eq!(OwnTeam.permit(&Caller::default(), &topic(b"red-1")), Permission::Denied);
/// ```
///
/// [`serve_with`](crate::subject::xmtp::node::serve_with) takes it.
pub trait Authorizer: Send + Sync + 'static {
    /// Whether that caller may have that topic.
    fn permit(&self, caller: &Caller, topic: &Topic) -> Permission;
}

/// Everybody may have everything: what holds unless a node is told otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowAll;

impl Authorizer for AllowAll {
    fn permit(&self, _: &Caller, _: &Topic) -> Permission {
        Permission::Allowed
    }
}

/// Nobody may have the topics whose names, such as `group:alpha`, match one of some patterns.
#[derive(Clone, Debug)]
pub struct DeniedTopics(GlobSet);

impl DeniedTopics {
    /// These patterns, in which `*` stands for any text and `?` for one character.
    ///
    /// # Errors
    /// One of them is no pattern.
    pub fn matching<'p>(patterns: impl IntoIterator<Item = &'p str>) -> Result<Self, globset::Error> {
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            set.add(Glob::new(pattern)?);
        }
        Ok(DeniedTopics(set.build()?))
    }

    /// Whether that topic is one of them.
    #[must_use]
    pub fn denies(&self, topic: &Topic) -> bool {
        self.0.is_match(topic.to_string())
    }
}

impl Authorizer for DeniedTopics {
    fn permit(&self, _: &Caller, topic: &Topic) -> Permission {
        if self.denies(topic) { Permission::Denied } else { Permission::Allowed }
    }
}

/// Asks the hook on behalf of one call.
pub(crate) struct CallerGate {
    authorizer: Arc<dyn Authorizer>,
    caller: Caller,
    quirk: Option<NodeQuirk>,
    asked: bool,
}

impl CallerGate {
    /// The gate of that call.
    pub(crate) fn new<T>(authorizer: &Arc<dyn Authorizer>, quirk: Option<NodeQuirk>, call: &Request<T>) -> Self {
        let caller = Caller { metadata: call.metadata().clone(), peer: call.remote_addr() };
        CallerGate { authorizer: Arc::clone(authorizer), caller, quirk, asked: false }
    }

    /// Whether the caller may have every one of these topics.
    ///
    /// # Errors
    /// The first that it may not have.
    pub(crate) fn check<'t>(&mut self, topics: impl IntoIterator<Item = &'t Topic>) -> Result<(), NodeRefusal> {
        let asked_before = std::mem::replace(&mut self.asked, true);
        if asked_before && self.quirk == Some(NodeQuirk::DeniesOnlyAtOpen) {
            return Ok(());
        }
        let denied = |topic: &&Topic| self.authorizer.permit(&self.caller, topic) == Permission::Denied;
        match topics.into_iter().find(denied) {
            Some(topic) => Err(NodeRefusal::Denied(topic.clone())),
            None => Ok(()),
        }
    }
}
