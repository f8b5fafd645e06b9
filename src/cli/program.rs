//! What this program is: whose sims it plays.
//!
//! Said once, as the program begins, by whoever has the command line.

use std::sync::OnceLock;

use crate::subject::Subjects;
use crate::subject::xmtp::SUBJECTS;

static PLAYED: OnceLock<Subjects> = OnceLock::new();

/// What the sims of this program may be of: ours, unless it brought its own.
pub(crate) fn subjects() -> Subjects {
    PLAYED.get().copied().unwrap_or(SUBJECTS)
}

/// The sims of this program are of these. Who says so first is heard.
pub(crate) fn play_only(subjects: Subjects) {
    PLAYED.get_or_init(|| subjects);
}
