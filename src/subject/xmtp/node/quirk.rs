//! The bugs that can be planted in a node.
//!
//! Refuses to know how a bug is done: each lives in a line or two at its place, under its name here.

use crate::subject::xmtp::quirk::quirks;

quirks! {
    /// A bug that can be planted in a node.
    NodeQuirk of "node" {
        /// Fresh messages of a wave's topic are sent live before its CatchupComplete (against S4).
        LiveBeforeCatchup = "live-before-catchup",
        /// A live message rides in a wave's frame (against S3).
        MixedTags = "mixed-tags",
        /// Messages that arrive in mid-wave are lost (against S4).
        SkipsMidWave = "skips-mid-wave",
        /// A wave replays topic by topic instead of merged by id (against S4).
        UnsortedReplay = "unsorted-replay",
        /// Two CatchupComplete for the Mutate of a wave (against S9).
        CompletesTwice = "completes-twice",
        /// Every tenth SendGroupMessages is answered OK and stored nowhere.
        AcksUnstored = "acks-unstored",
        /// Messages are acknowledged and delivered when they are in memory, and are synced some time later.
        AcksUnsynced = "acks-unsynced",
        /// The last id given is written down after the messages and not synced: a crash takes it back, and the id is
        /// given again (against S4).
        ReusesIds = "reuses-ids",
        /// No idle stream is ever pinged (against S6).
        NeverPings = "never-pings",
        /// What is sent does not put a Ping off (against S6).
        PingsInSpiteOfTraffic = "pings-in-spite-of-traffic",
        /// No Pong is taken for the answer to a Ping: healthy streams are closed (against S6).
        PongUnheard = "pong-unheard",
        /// A topic that is removed goes on (against S5).
        KeepsRemovedTopics = "keeps-removed-topics",
        /// A topic that one Mutate removes and adds goes on from where it was (against S5).
        ResetIgnored = "reset-ignored",
        /// A topic that is removed in mid-wave is replayed to the end (against S5).
        StaysInWave = "stays-in-wave",
        /// What was to be caught up only goes on live (against S11).
        BoundedGoesLive = "bounded-goes-live",
    }
}
