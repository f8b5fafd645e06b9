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
        /// Started names twice the interval that the node keeps (against S1).
        AdvertisesAnotherInterval = "advertises-another-interval",
        /// No Started is sent: a stream begins with what comes first (against S1).
        SkipsStarted = "skips-started",
        /// A Mutate that adds topics while a wave is in flight is taken and forgotten (against S9).
        ForgetsWave = "forgets-wave",
        /// What is over a bound is refused as if it broke a rule (against S8).
        MisnamesBounds = "misnames-bounds",
        /// Each message is stored a second time, under an id of its own.
        StoresTwice = "stores-twice",
        /// A live message is held back until the next one comes (against S2).
        HoldsBackLive = "holds-back-live",
        /// A stream whose client is gone is kept for ever (against S6).
        KeepsDeadStreams = "keeps-dead-streams",
        /// Only the first Mutate of a stream is asked about: what is denied at open is had in mid-stream (against S7).
        DeniesOnlyAtOpen = "denies-only-at-open",
        /// While a wave is replayed, live messages of other topics wait for its end (against S4).
        ReplayBlocksLive = "replay-blocks-live",
        /// A cursor of several originators begins at the place of the furthest: what others have in between is lost
        /// (against S2).
        StartsAtFurthestOriginator = "starts-at-furthest-originator",
        /// Each stream leaves a task behind that waits for ever (against S6).
        LeavesTasks = "leaves-tasks",
        /// A node that is asked to stop tells its streams nothing (against S9: they end without what was in flight).
        IgnoresStop = "ignores-stop",
        /// A group message that is read from the log has lost what authenticates its sender (against S4).
        ReplaysWithoutHmac = "replays-without-hmac",
        /// A write that finds no room, and leaves the log as it was, ends every stream (against S2).
        EndsStreamsWhenFull = "ends-streams-when-full",
        /// A Pong is waited for as long as an interval, however soon it is due (against S6).
        WaitsAnIntervalForPongs = "waits-an-interval-for-pongs",
        /// An older call brings everything that is stored, whatever its cursors (against S2).
        OlderCallsIgnoreCursors = "older-calls-ignore-cursors",
    }
}
