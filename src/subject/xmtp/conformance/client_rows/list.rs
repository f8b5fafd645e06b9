//! Every row that judges a client, with its requirement, in the order in which they are told.
//!
//! C5 needs a client that is suspended, which no node can do to it.

use crate::subject::xmtp::conformance::client_rows::{fallback, liveness, refusal, resume};
use crate::subject::xmtp::conformance::client_suite::ClientRow;

/// A row: its number, its title, and the function that judges.
macro_rules! rows {
    ($($number:literal $title:literal => $judge:path,)+) => {
        /// Every row.
        pub(crate) const CLIENT_ROWS: &[ClientRow] = &[
            $(ClientRow { requirement: $number, title: $title, judge: |client| Box::pin($judge(client)) },)+
        ];
    };
}

rows! {
    "C1" "each Ping is answered, with its nonce" => liveness::pings_are_answered,
    "C1" "a Ping behind a replay is answered" => liveness::ping_behind_a_replay,
    "C2" "a silent stream is given up in time" => liveness::silence_is_given_up,
    "C2" "a stream of nothing but Pings is kept" => liveness::pings_keep_the_stream,
    "C2" "a stream of nothing but Pongs is kept" => liveness::pongs_keep_the_stream,
    "C3" "a broken stream is resumed behind its last message" => resume::broken_stream,
    "C3" "an interrupted wave is resumed from its progress" => resume::interrupted_wave,
    "C3" "a killed client resumes from what it had processed" => resume::killed_client,
    "C4" "a healthy stream is kept, and is the only one" => liveness::one_stream,
    "C4" "a half-closed stream is not watched" => liveness::half_closed_stream,
    "C4" "what a node has no room for is not asked for ever" => refusal::no_room,
    "C6" "UNIMPLEMENTED before the headers: the older calls" => fallback::before_headers,
    "C6" "UNIMPLEMENTED after the headers: the older calls" => fallback::after_headers,
    "C6" "the older calls are resumed, and remembered" => fallback::resumed,
}
