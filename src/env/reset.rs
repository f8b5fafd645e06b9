//! A switch on a connection: when it is closed, its end is a reset instead of the orderly one.
//!
//! Refuses to know how a reset is made: whoever made the connection looks at the switch when it closes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The switch; a clone is the same one.
#[derive(Clone, Debug, Default)]
pub struct ResetSwitch(Arc<AtomicBool>);

impl ResetSwitch {
    /// The connection is to end by RST.
    pub fn throw(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it is.
    #[must_use]
    pub fn is_thrown(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
