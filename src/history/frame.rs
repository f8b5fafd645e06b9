//! What a subject adds to a history, and words that stand beside what is typed.
//!
//! Refuses to know any subject.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::channel::Position;

/// A frame of a subject's protocol: typed for its own judges, words for everybody, bytes for the digest.
pub trait SubjectFrame: Any + fmt::Debug + fmt::Display + erased_serde::Serialize + Send + Sync {
    /// The channels that a client asks for with it, and from where.
    fn asks(&self) -> &[Position] {
        &[]
    }
}

/// A frame that a tap read.
#[derive(Clone)]
pub struct TappedFrame(Arc<dyn SubjectFrame>);

impl TappedFrame {
    /// That frame.
    pub fn new(frame: impl SubjectFrame) -> Self {
        TappedFrame(Arc::new(frame))
    }

    /// As [`SubjectFrame::asks`].
    #[must_use]
    pub fn asks(&self) -> &[Position] {
        self.0.asks()
    }

    /// The frame, if it is of that type.
    #[must_use]
    pub fn read<F: SubjectFrame>(&self) -> Option<&F> {
        (&*self.0 as &dyn Any).downcast_ref()
    }
}

impl Serialize for TappedFrame {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        erased_serde::serialize(&*self.0, serializer)
    }
}

impl PartialEq for TappedFrame {
    /// By every particular that is printed.
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

impl Eq for TappedFrame {}

impl fmt::Debug for TappedFrame {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for TappedFrame {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&*self.0, formatter)
    }
}

/// An error in words. They are for people: no digest has them, and none makes two events differ.
#[derive(Clone, Default, Eq)]
pub struct Words(String);

impl<T: Into<String>> From<T> for Words {
    fn from(words: T) -> Self {
        Words(words.into())
    }
}

impl PartialEq for Words {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Serialize for Words {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl fmt::Display for Words {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
