//! The bugs that can be planted in the client.
//!
//! Refuses to know how a bug is done: each lives in a line or two at its place, under its name here.

use crate::subject::xmtp::quirk::quirks;

quirks! {
    /// A bug that can be planted in the client.
    ClientQuirk of "client" {
        /// The inbox stores messages and never the cursors: a restart resumes from the configuration (against C3).
        CursorInMemoryOnly = "cursor-in-memory-only",
        /// A reconnect forgets the floors: it resumes from the configuration and takes everything again (against C3).
        FloorForgotten = "floor-forgotten",
        /// The watchdog waits for the application to take what has arrived: a slow one trips it (against C2).
        WatchdogCountsConsumer = "watchdog-counts-consumer",
        /// Pings of the node stay unanswered (against C1).
        PongWithheld = "pong-withheld",
        /// Each delay before a reconnect is the whole step: clients that fell together return together (against C5).
        BackoffWithoutJitter = "backoff-without-jitter",
        /// A reconnect does not ask for its last topic again, as if it still followed it (against C3).
        TopicLeftBehind = "topic-left-behind",
        /// The cursor of a resume is one past the floor: one message may be lost (against C3).
        ResumesAhead = "resumes-ahead",
        /// What was read of a frame when its connection broke is put before the next connection's bytes.
        KeepsHalfReadFrame = "keeps-half-read-frame",
        /// The inbox does not wait until what it stores is synced: a crash takes it back (against C3).
        CommitsUnsynced = "commits-unsynced",
        /// The inbox stores the cursors before the messages, in a transaction of their own: a crash in between loses the
        /// messages (against C3).
        CursorFirst = "cursor-first",
        /// Where its inbox does not open, the client tries again at once, for ever, and waits for nothing.
        SpinsWithoutInbox = "spins-without-inbox",
        /// Every delay before a reconnect is drawn from the first step, however many attempts have failed (against C5).
        BackoffWithoutDoubling = "backoff-without-doubling",
        /// When its first stream has ended, the client dials no more (against C3).
        StopsAfterEnding = "stops-after-ending",
        /// A stream is given up after a minute, however healthy (against C4).
        LeavesHealthyStreams = "leaves-healthy-streams",
        /// Each attempt opens a second stream beside the first (against C4).
        OpensTwice = "opens-twice",
        /// What has arrived is processed when the next thing arrives (against C3).
        ProcessesLate = "processes-late",
        /// Of several messages that arrive together all are stored, and the last is not processed (against C3).
        StoresUnprocessed = "stores-unprocessed",
        /// A client whose application is behind stops reading for as long as that takes, and answers no Ping (against C1).
        StandsStill = "stands-still",
        /// A client whose application is behind drops what it has no room for (against C3).
        DropsWithoutRoom = "drops-without-room",
        /// A client that is refused for want of room asks for the same again, for ever (against C4).
        ResendsRefused = "resends-refused",
        /// After a suspension the stream is trusted as it was before (against C5).
        NoProbeAtResume = "no-probe-at-resume",
        /// When nothing answered after a suspension, the client waits before it dials again (against C5).
        WaitsWhenStale = "waits-when-stale",
        /// A resume asks of every originator from where the furthest one is: what the others have in between is lost
        /// (against C3).
        OneCursorForOriginators = "one-cursor-for-originators",
        /// Each attempt dials twice, and leaves the second connection behind (against C4).
        LeavesConnections = "leaves-connections",
        /// The watchdog takes any byte on its connection's streams for a sign of life (against C2).
        WatchdogCountsBytes = "watchdog-counts-bytes",
        /// On the older calls nobody watches for silence (against C6).
        OlderCallsUnwatched = "older-calls-unwatched",
        /// A machine that flaps is asked about at each flap (against C5).
        ProbesAtEachFlap = "probes-at-each-flap",
        /// Each attempt asks from the configuration, and what comes again is dropped (against C3).
        AsksFromConfiguration = "asks-from-configuration",
    }
}
