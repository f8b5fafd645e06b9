//! Every row with its requirement, in the order in which they are told.
//!
//! T8 and T11 are about a client and have no row here. S3 is judged by T15 and T19, S10 by T14.

use crate::subject::xmtp::conformance::rows::{bounded, bounds, changes, liveness, opening, order, seam};
use crate::subject::xmtp::conformance::suite::{RowPace, SuiteRow};

use RowPace::{Quick, Slow};

/// A row: its number, its pace, its title, and the function that judges.
macro_rules! rows {
    ($($number:literal $pace:ident $title:literal => $judge:path,)+) => {
        /// Every row.
        pub(crate) const ROWS: &[SuiteRow] = &[
            $(SuiteRow { requirement: $number, title: $title, pace: $pace, judge: |node| Box::pin($judge(node)) },)+
        ];
    };
}

rows! {
    "T1" Quick "Started at once" => opening::started_at_once,
    "T2" Slow "an idle stream is pinged in each interval" => liveness::idle_pings,
    "T3" Slow "no Ping before the interval after traffic" => liveness::traffic_puts_pings_off,
    "T4" Slow "a silent client is closed" => liveness::silent_client,
    "T5" Quick "a client's Ping is answered" => liveness::client_pings,
    "T6" Quick "an add in mid-stream" => changes::add,
    "T7" Quick "a remove stops, acknowledged at once" => changes::remove,
    "T9" Quick "markers at the boundary of each wave" => order::markers,
    "T10" Quick "a bounded catch-up ends with OK" => bounded::catchup,
    "T12" Quick "remove, then add from 0" => changes::remove_and_add,
    "T13" Quick "several adds of one topic are one" => changes::duplicate_adds,
    "T14" Quick "an unknown version is refused" => opening::unknown_version,
    "T15" Quick "each frame is of one wave or live" => seam::tags,
    "T16" Quick "a replay is merged by id" => order::merged_replay,
    "T17" Quick "live ascends by id per kind" => order::live,
    "T18" Quick "the seam between a wave and live" => seam::no_gap,
    "T19" Quick "ids of waves" => seam::wave_ids,
    "S1" Quick "the interval is advertised" => opening::interval,
    "S2" Quick "a topic of no known kind is refused" => opening::unknown_kind,
    "S4" Quick "all that was acknowledged is delivered, once" => order::acknowledged,
    "S5" Quick "re-adds, at the floor and below it" => changes::re_adds,
    "S5" Quick "a topic removed in mid-wave leaves its wave" => seam::removed_in_mid_wave,
    "S6" Slow "an answered Ping keeps the stream" => liveness::answered_ping,
    "S7" Quick "a refused topic, at open and in mid-stream" => bounds::authorization,
    "S8" Quick "adds in one Mutate" => bounds::adds,
    "S8" Quick "topics of one stream" => bounds::topics,
    "S8" Quick "waves in flight" => bounds::waves,
    "S8" Quick "Mutates at once" => bounds::mutates,
    "S8" Quick "client Pings at once" => bounds::pings,
    "S8" Quick "a consumer that does not read" => bounds::slow_consumer,
    "S9" Quick "each Mutate is acknowledged, in order" => order::acknowledgments,
    "S11" Quick "history_only registers nothing, and what it contradicts is refused" => bounded::history_only,
    "S11" Slow "no Ping after the half-close" => bounded::half_closed,
}
