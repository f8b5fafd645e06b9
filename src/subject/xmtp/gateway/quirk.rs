//! The bugs that can be planted in the gateway.
//!
//! Refuses to know how a bug is done: each lives in a line or two at its place, under its name here.

use crate::subject::xmtp::quirk::quirks;

quirks! {
    /// A bug that can be planted in the gateway.
    GatewayQuirk of "gateway" {
        /// A sibling that asks for older messages of a topic takes the others back with it: they get them twice
        /// (against S2).
        SiblingRewinds = "sibling-rewinds",
        /// A new connection forgets what each lease has: it gets everything from its first cursor again (against C3).
        FlapRedelivers = "flap-redelivers",
        /// A lease takes live messages of a topic before the wave that brings the older ones: those are lost (against
        /// S4).
        LiveBeforeWave = "live-before-wave",
        /// A lease that asks for older messages of a topic joins its siblings where they are, and nobody asks the node for
        /// what is older (against S5).
        ForgetsLowerReAdd = "forgets-lower-re-add",
        /// A topic stays on the stream when its last lease is gone (against C4).
        KeepsUnleasedTopics = "keeps-unleased-topics",
        /// When a topic is live, everybody is told who has it, whoever had asked (against S9).
        MarksEveryLease = "marks-every-lease",
        /// While the buffer of one lease is full, nobody gets anything (against S2).
        WaitsForFullLease = "waits-for-full-lease",
        /// A lease is told of each topic that it is live, and never that all are (against S9).
        NeverCaughtUp = "never-caught-up",
    }
}
