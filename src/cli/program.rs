//! What this program is: whose sims it plays.
//!
//! Said once, as the program begins, by whoever has the command line.

use std::sync::OnceLock;

use crate::subject::Subjects;

static PLAYED: OnceLock<Subjects> = OnceLock::new();

/// What the sims of this program may be of: ours, unless it brought its own.
pub(crate) fn subjects() -> Subjects {
    *PLAYED.get_or_init(ours)
}

/// The sims of this program are of these. Who says so first is heard.
pub(crate) fn play_only(subjects: Subjects) {
    PLAYED.get_or_init(|| subjects);
}

#[cfg(feature = "xmtp")]
fn ours() -> Subjects {
    crate::subject::xmtp::SUBJECTS
}

/// Without our own subject a program knows strangers, and none of them until it brings some.
#[cfg(not(feature = "xmtp"))]
fn ours() -> Subjects {
    crate::subject::stranger::Strangers::new().into_subjects()
}
