//! The subjects that a program knows, by name.

use std::fmt;

use crate::subject::Subject;

/// Some subjects; a sim that names none is of the first.
#[derive(Clone, Copy)]
pub struct Subjects(&'static [&'static dyn Subject]);

impl Subjects {
    /// These subjects, the first of them the default.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub const fn new(subjects: &'static [&'static dyn Subject]) -> Self {
        assert!(!subjects.is_empty(), "a sim is of some subject");
        Subjects(subjects)
    }

    /// The one that a sim is of unless it says.
    #[must_use]
    pub fn first(self) -> &'static dyn Subject {
        self.0[0]
    }

    /// The subject of that name.
    #[must_use]
    pub fn find(self, name: &str) -> Option<&'static dyn Subject> {
        self.0.iter().copied().find(|subject| subject.name() == name)
    }

    /// Their names.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        self.0.iter().map(|subject| subject.name()).collect()
    }
}

impl fmt::Debug for Subjects {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Subjects").field(&self.names()).finish()
    }
}
