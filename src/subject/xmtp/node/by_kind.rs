//! One value for each kind of message, because each kind counts its ids alone.
//!
//! Refuses to know what is counted.

use crate::subject::xmtp::wire::{MessageId, MessageKind};

/// One `T` for each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ByKind<T> {
    group: T,
    welcome: T,
}

/// The last id of each kind; 0 where there is none.
pub(crate) type Heads = ByKind<MessageId>;

impl<T> ByKind<T> {
    /// The pair of both values.
    pub(crate) fn new(group: T, welcome: T) -> Self {
        ByKind { group, welcome }
    }

    /// The value of that kind.
    pub(crate) fn of(&self, kind: MessageKind) -> &T {
        match kind {
            MessageKind::Group => &self.group,
            MessageKind::Welcome => &self.welcome,
        }
    }

    /// The value of that kind, to change it.
    pub(crate) fn of_mut(&mut self, kind: MessageKind) -> &mut T {
        match kind {
            MessageKind::Group => &mut self.group,
            MessageKind::Welcome => &mut self.welcome,
        }
    }
}
