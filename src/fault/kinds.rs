//! The table of faults: one row for each kind, and nothing about any of them.

use std::fmt;
use std::time::Duration;

use crate::cast::{Cast, HostName};
use crate::fault::Harm;
use crate::fault::kind::{At, Drawn, Excuse, Hold, Key, Kind, Placed, Step, Target};
use crate::fault::scene::Scene;
use crate::grammar::{Naming, Section};
use crate::lie::Witness;

// Named here, where the formatter sees them.
mod backlog_full;
mod bandwidth;
mod bit_rot;
mod clock_drift;
mod clock_step;
mod death;
mod disk_full;
mod disk_lost;
mod disk_restored;
mod idle_drop;
mod latency;
mod loss;
mod lying;
mod mtu_black_hole;
mod name;
mod name_dead;
mod name_fails;
mod name_moves;
mod name_slow;
mod partition;
mod pause;
mod power_off;
mod process_kill;
mod process_stop;
mod proxy_alpn;
mod proxy_ends;
mod proxy_goaway;
mod proxy_holds;
mod proxy_messages;
mod proxy_misroutes;
mod proxy_ping_answers;
mod proxy_repeats;
mod proxy_settings;
mod proxy_silence;
mod proxy_slows;
mod proxy_status;
mod proxy_windows;
mod proxy_withholds;
mod restart_loop;
mod slow_sync;
mod suspend;
mod syn_loss;
mod sync_fails;
mod ways;

pub(crate) use proxy_alpn::read_alpn;
pub use proxy_ends::StreamEnding;

/// Makes the type of any fault, and the table.
macro_rules! kinds {
    ($($name:literal => $module:ident::$kind:ident,)+) => {
        $(pub use $module::$kind;)+

        /// One fault: a kind with its particulars, and on whom it falls.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Fault {
            $(#[doc = concat!("`", $name, "`.")] $kind(At<$kind>),)+
        }

        $(impl From<At<$kind>> for Fault {
            fn from(fault: At<$kind>) -> Fault {
                Fault::$kind(fault)
            }
        })+

        impl Fault {
            /// The name that a sim file uses.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Fault::$kind(_) => $name,)+
                }
            }

            fn placed(&self) -> &dyn Placed {
                match self {
                    $(Fault::$kind(fault) => fault,)+
                }
            }
        }

        /// Every kind, in the order in which sims are told of them; a storm draws those of a family in this order.
        pub const KINDS: &[Row] = &[
            $(Row {
                name: $name,
                example: $kind::ABOUT.example,
                read: |section, scene| Some(At::<$kind>::read(section, scene)?.into()),
                drawn: $kind::ABOUT.drawn,
            },)+
        ];
    };
}

kinds! {
    "proxy-silence-upstream" => proxy_silence::ProxySilence,
    "proxy-drops-messages" => proxy_messages::ProxyDropsMessages,
    "proxy-ends-streams" => proxy_ends::ProxyEndsStreams,
    "proxy-slows-streams" => proxy_slows::ProxySlowsStreams,
    "proxy-buffers" => proxy_holds::ProxyBuffers,
    "proxy-withholds" => proxy_withholds::ProxyWithholds,
    "proxy-alters-status" => proxy_status::ProxyAltersStatus,
    "proxy-repeats-requests" => proxy_repeats::ProxyRepeatsRequests,
    "proxy-misroutes" => proxy_misroutes::ProxyMisroutes,
    "proxy-goaway" => proxy_goaway::ProxyGoAway,
    "proxy-ping-answers" => proxy_ping_answers::ProxyPingAnswers,
    "proxy-settings" => proxy_settings::ProxySettings,
    "proxy-withholds-windows" => proxy_windows::ProxyWithholdsWindows,
    "proxy-alpn" => proxy_alpn::ProxyAlpn,
    "process-kill" => process_kill::ProcessKill,
    "process-stop" => process_stop::ProcessStop,
    "restart-loop" => restart_loop::RestartLoop,
    "power-off" => power_off::PowerOff,
    "pause" => pause::Pause,
    "suspend" => suspend::Suspend,
    "clock-step" => clock_step::ClockStep,
    "clock-drift" => clock_drift::ClockDrift,
    "name-fails" => name_fails::NameFails,
    "name-moves" => name_moves::NameMoves,
    "name-dead" => name_dead::NameDead,
    "name-slow" => name_slow::NameSlow,
    "partition" => partition::Partition,
    "latency" => latency::SlowLink,
    "bandwidth" => bandwidth::NarrowLink,
    "loss" => loss::SegmentLoss,
    "mtu-black-hole" => mtu_black_hole::MtuBlackHole,
    "syn-loss" => syn_loss::SynLoss,
    "backlog-full" => backlog_full::BacklogFull,
    "idle-drop" => idle_drop::IdleDrop,
    "sync-fails" => sync_fails::SyncFails,
    "disk-full" => disk_full::DiskFull,
    "slow-sync" => slow_sync::SlowSync,
    "disk-lost" => disk_lost::DiskLost,
    "disk-restored" => disk_restored::DiskRestored,
    "bit-rot" => bit_rot::BitRot,
}

/// One kind in the table.
pub struct Row {
    /// The name that a sim file uses.
    pub name: &'static str,
    /// The keys of a good one besides those that every fault has, in a sim with a `node`, a `proxy` and a `client-1`.
    pub example: &'static str,
    /// Reads its keys besides those that every fault has.
    pub(crate) read: fn(&mut Section<'_>, &Scene<'_>) -> Option<Fault>,
    /// How a storm draws it; none where nothing converges after it, or another row draws it.
    pub(crate) drawn: Option<Drawn>,
}

impl Fault {
    /// On whom it falls.
    #[must_use]
    pub fn target(&self) -> Target<'_> {
        self.placed().target()
    }

    /// Who can tell that a proxy does it; none where no proxy does.
    #[must_use]
    pub fn witness(&self) -> Option<Witness> {
        match self.harm() {
            Harm::Proxy { harm, .. } => Some(harm.lie.witness()),
            Harm::Link { .. } | Harm::Kernel { .. } | Harm::Process { .. } | Harm::Clock { .. } | Harm::Disk { .. } => {
                None
            }
        }
    }

    /// What is done, and by whom.
    #[must_use]
    pub fn harm(&self) -> Harm {
        self.placed().harm()
    }

    /// Whose lateness it excuses.
    #[must_use]
    pub fn excuse(&self) -> Excuse {
        self.placed().excuse()
    }

    /// Why the turmoil engine cannot do it where it lasts so long; none where it can.
    #[must_use]
    pub fn obstacle(&self, lasts: Duration) -> Option<&'static str> {
        self.placed().obstacle(lasts)
    }

    /// What happens besides its begin and its end.
    #[must_use]
    pub fn steps(&self, at: Duration, end: Duration) -> Vec<(Duration, Step)> {
        self.placed().steps(at, end)
    }

    pub(crate) fn keys(&self) -> Vec<Key> {
        self.placed().keys()
    }

    pub(crate) fn hold(&self) -> Hold<'_> {
        self.placed().hold()
    }

    /// The hosts that it harms; links have none of their own.
    pub fn hosts(&self) -> impl Iterator<Item = &HostName> {
        let on = match self.target() {
            Target::Hosts(on) => Some(on),
            Target::Links(_) => None,
        };
        on.into_iter().flatten()
    }

    /// Whether a proxy keeps things back from those who wait for them, and tells nobody: no frame, no end of a stream
    /// need come while it lasts, nor after it for streams of its time.
    #[must_use]
    pub fn keeps_back(&self) -> bool {
        match self.harm() {
            Harm::Proxy { harm, .. } => harm.lie.keeps_back(),
            Harm::Link { .. } | Harm::Kernel { .. } | Harm::Process { .. } | Harm::Clock { .. } | Harm::Disk { .. } => {
                false
            }
        }
    }

    /// Whether streams of that host pass what it harms: the host itself, or one that carries the streams of others.
    #[must_use]
    pub fn meets(&self, host: &str, cast: &Cast) -> bool {
        self.hosts().any(|on| **on == *host || cast.carries_streams(on))
    }

    /// Whether it harms that host, or a link at one of whose ends the host stands.
    #[must_use]
    pub fn falls_on(&self, host: &str) -> bool {
        match self.target() {
            Target::Hosts(on) => on.contains(host),
            Target::Links(between) => between.from.contains(host) || between.to.contains(host),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.placed().told(Naming::of(formatter)))
    }
}
