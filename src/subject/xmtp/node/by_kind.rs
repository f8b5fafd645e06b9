//! One value for each kind of message, because each kind counts its ids alone.
//!
//! Refuses to know what is counted.

use crate::subject::xmtp::wire::{Kind, MessageId};

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
    pub(crate) fn of(&self, kind: Kind) -> &T {
        match kind {
            Kind::Group => &self.group,
            Kind::Welcome => &self.welcome,
        }
    }

    /// The value of that kind, to change it.
    pub(crate) fn of_mut(&mut self, kind: Kind) -> &mut T {
        match kind {
            Kind::Group => &mut self.group,
            Kind::Welcome => &mut self.welcome,
        }
    }
}
