//! A window: from when a stream is dead until its client lets go of it.
//!
//! Refuses to know how a window is found.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cast::HostName;
use crate::ladder::Layer;
use crate::ladder::layer::Knowledge;
use crate::lie::Witness;

/// Every window of one trial, by the time at which it began, then by client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ladder {
    /// The windows.
    pub windows: Vec<LadderWindow>,
}

/// A client believes in a stream that carries nothing any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LadderWindow {
    /// Who believes.
    pub client: HostName,
    /// In the stream of which of its attempts, counted in each of its processes.
    pub attempt: u64,
    /// The clause of the plan that did it; none where no clause is known to.
    pub clause: Option<u32>,
    /// Who can tell, where a proxy does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<Witness>,
    /// The clause's kind of fault, such as `partition`; what happened where there is no clause.
    pub kind: String,
    /// What did it, in words.
    pub harm: String,
    /// When the stream was dead, since the trial's start.
    pub began: Duration,
    /// Until it ended.
    pub lasted: Duration,
    /// How it ended.
    pub ending: WindowEnding,
    /// What each layer knew.
    pub knew: BTreeMap<Layer, Knowledge>,
    /// So many PINGs of the client's HTTP/2 keepalive were answered meanwhile, which is why that never noticed.
    pub pings_answered: u64,
    /// So many messages that the client follows were stored meanwhile and had not come to it when the window ended.
    pub missed: u64,
    /// The first of them was stored so long after the window began. An application that gets nothing learns nothing
    /// from it; this is when it first lacked something.
    pub first_missed: Option<Duration>,
}

/// How a window ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WindowEnding {
    /// The client let go of the stream.
    LetGo,
    /// The trial was over, and the client still held it.
    Held,
    /// The harm was over, and the client heard from the stream again.
    Healed,
    /// The client's process died, it let go for another reason, or the trial was over when the harm had gone and nothing
    /// had come yet.
    CutShort,
}

impl WindowEnding {
    /// Every way.
    pub const ALL: [WindowEnding; 4] =
        [WindowEnding::LetGo, WindowEnding::Held, WindowEnding::Healed, WindowEnding::CutShort];

    /// In words, after a number of streams.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            WindowEnding::LetGo => "let go",
            WindowEnding::Held => "held",
            WindowEnding::Healed => "healed",
            WindowEnding::CutShort => "cut short",
        }
    }

    /// Whether a layer that had not noticed by then never did: the others had less than their time.
    #[must_use]
    pub fn is_full(self) -> bool {
        match self {
            WindowEnding::LetGo | WindowEnding::Held => true,
            WindowEnding::Healed | WindowEnding::CutShort => false,
        }
    }
}
