//! The ladder, who knew when: for each window in which a client holds a stream that is dead, what each layer noticed.
//!
//! Refuses to judge and to print. A ladder is a pure function of a history and of which layers were there to notice; what
//! the history cannot tell of a layer is not in it.

mod grip;
mod held;
mod layer;
mod seen_end;
mod tally;
#[cfg(test)]
mod tests;
mod watch;
mod window;

pub use held::gave_up_on_ping;
pub use layer::{Knowledge, Layer, Layers};
pub use seen_end::SeenEnd;
pub use tally::{Delays, LadderTally, LayerTally};
pub use window::{Ladder, LadderWindow, WindowEnding};
