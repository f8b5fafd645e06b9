//! Keeps the log: opens it when it is needed, and puts it away when it has failed.
//!
//! Refuses to know what is done with the log. What an interrupted append has kept is known only when the log is opened anew.
//!
//! ```text
//!   closed --needed--> open --an error--> resting --rested, needed--> open
//!     |                 | ^                 ^
//!     |                 +-+ nothing stored  |
//!     +---------does not open---------------+
//! ```

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::env::Env;
use crate::subject::xmtp::node::log::Log;
use crate::subject::xmtp::node::{NodeNotice, NodeObserver, NodeQuirk, STORE, StoreError};

/// So long a log rests after a failure: to open it costs a look at every record, which must not
/// happen for each call of many clients; and a second is little beside what a disk needs to recover.
const REST: Duration = Duration::from_secs(1);

/// So many reasons are told, each once: a rotting disk has a new one for each block, and the first say it all.
const REASONS_MAX: usize = 64;

/// The log of one node.
pub(crate) struct ReopeningLog {
    env: Env,
    observer: Arc<dyn NodeObserver>,
    by_originator: bool,
    quirk: Option<NodeQuirk>,
    state: Mutex<LogState>,
}

#[derive(Default)]
struct LogState {
    log: Option<Log>,
    /// Until when it is not opened, and why.
    rest: Option<(Instant, String)>,
    /// What was told already.
    told: BTreeSet<String>,
}

impl ReopeningLog {
    /// One that has not opened the log yet, which is counted by originator, too, or by id alone.
    pub(crate) fn new(
        env: Env,
        observer: Arc<dyn NodeObserver>,
        by_originator: bool,
        quirk: Option<NodeQuirk>,
    ) -> Self {
        ReopeningLog { env, observer, by_originator, quirk, state: Mutex::default() }
    }

    /// Does something with the log. An error of it closes the log, unless it leaves the log as it was.
    ///
    /// # Errors
    /// The log does not open, has failed a moment ago, or fails now.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Log) -> Result<T, StoreError>) -> Result<T, StoreError> {
        // A panic under the lock leaves no log, and the next call opens it again.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((until, why)) = &state.rest
            && Instant::now() < *until
        {
            return Err(StoreError::Resting(why.clone()));
        }
        let log = match state.log.take() {
            Some(log) => Ok(log),
            None => self.open(),
        };
        let done = log.and_then(|mut log| {
            let done = act(&mut log);
            if matches!(done, Ok(_) | Err(StoreError::NotStored(_))) {
                state.log = Some(log);
                state.rest = None;
            }
            done
        });
        if let Err(error) = &done {
            let why = error.to_string();
            if state.log.is_none() {
                state.rest = Some((Instant::now() + REST, why.clone()));
            }
            if state.told.len() < REASONS_MAX && state.told.insert(why.clone()) {
                self.observer.notice(NodeNotice::StoreFailed { why: format!("failed to {why}") });
            }
        }
        done
    }

    fn open(&self) -> Result<Log, StoreError> {
        let log = Log::open(self.env.disk(STORE).map_err(StoreError::Disk)?, self.by_originator, self.quirk)?;
        self.observer.notice(NodeNotice::LogOpened { heads: log.sequences() });
        Ok(log)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use bytes::Bytes;
    use tokio::time::sleep;

    use super::*;
    use crate::env::fake_disk::FakeDisk;
    use crate::env::{Address, Asked, Dice, Die, Disk, Listener, Socket, Surroundings, TcpOptions};
    use crate::subject::xmtp::wire::{Draft, Envelope, MessageId, MessageKind, Topic};

    struct FailingHost(FakeDisk);

    impl Surroundings for FailingHost {
        fn dial_with(&self, _: &Address, _: TcpOptions) -> Asked<Socket> {
            Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
        }

        fn listen(&self, _: u16) -> Asked<Listener> {
            Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
        }

        fn dice(&self) -> Dice {
            Dice::named(1, &Die::Test("node"))
        }

        fn disk(&self, _: &str) -> io::Result<Disk> {
            Ok(self.0.open())
        }

        fn wall_clock(&self) -> Duration {
            Duration::ZERO
        }

        fn boot_clock(&self) -> Duration {
            Duration::ZERO
        }
    }

    #[derive(Default)]
    struct Notices(Mutex<Vec<NodeNotice>>);

    impl NodeObserver for Notices {
        fn notice(&self, notice: NodeNotice) {
            self.0.lock().expect("not poisoned").push(notice);
        }
    }

    /// The group heads at each opening, and the reasons of each failure.
    #[expect(clippy::wildcard_enum_match_arm, reason = "a test looks at what concerns it")]
    fn told(notices: &Notices) -> (Vec<u64>, Vec<String>) {
        let (mut heads, mut reasons) = (Vec::new(), Vec::new());
        for notice in notices.0.lock().expect("not poisoned").iter() {
            match notice {
                NodeNotice::LogOpened { heads: found } => heads.push(found[0].id.0),
                NodeNotice::StoreFailed { why } => reasons.push(why.clone()),
                other => panic!("a log does not tell {other:?}"),
            }
        }
        (heads, reasons)
    }

    fn bench(quirk: Option<NodeQuirk>) -> (FakeDisk, Arc<Notices>, ReopeningLog) {
        let (disk, notices) = (FakeDisk::default(), Arc::new(Notices::default()));
        let log = ReopeningLog::new(Arc::new(FailingHost(disk.clone())), notices.clone(), false, quirk);
        (disk, notices, log)
    }

    fn append(log: &ReopeningLog) -> Result<MessageId, StoreError> {
        let envelope = Envelope::Group { sender_hmac: Bytes::new(), should_push: true, is_commit: false };
        let draft = Draft { topic: Topic::new(MessageKind::Group, b"a"), data: Bytes::from_static(b"data"), envelope };
        log.with(|log| Ok(log.append(vec![draft], 5)?[0].id))
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_log_rests_and_opens_again_with_all_that_was_stored() {
        let (disk, notices, log) = bench(None);
        assert_eq!(append(&log).expect("a good disk"), MessageId(1));
        disk.fail_after(0);
        assert!(append(&log).expect_err("a bad disk").to_string().contains("the disk is dead"));
        disk.heal();
        assert!(matches!(append(&log), Err(StoreError::Resting(why)) if why.contains("the disk is dead")));
        sleep(REST).await;
        assert_eq!(append(&log).expect("a good disk again"), MessageId(2));
        let (heads, reasons) = told(&notices);
        assert_eq!((heads, reasons.len()), (vec![0, 1], 1), "{reasons:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_log_that_does_not_open_is_tried_again_and_told_once() {
        let (disk, notices, log) = bench(None);
        disk.bytes().extend_from_slice(b"foreign");
        for _ in 0..5 {
            append(&log).expect_err("a bad disk");
            sleep(REST).await;
        }
        disk.bytes().clear();
        append(&log).expect("a good disk");
        let (heads, reasons) = told(&notices);
        assert_eq!((heads, reasons.len()), (vec![0], 1), "{reasons:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_corrupt_log_stays_unavailable_and_names_the_store_and_the_sector() {
        let (disk, notices, log) = bench(None);
        append(&log).expect("a good disk");
        drop(log);
        assert_eq!(disk.scribble(b"data"), 1);
        let log = ReopeningLog::new(Arc::new(FailingHost(disk)), notices.clone(), false, None);
        for _ in 0..3 {
            append(&log).expect_err("corrupt");
            sleep(REST).await;
        }
        let (heads, reasons) = told(&notices);
        assert_eq!((heads, reasons.len()), (vec![0], 1), "{reasons:?}");
        assert!(reasons[0].contains("the store `node.journal` is corrupt: its sector 0 does not match"), "{reasons:?}");
    }

    /// What the next process finds, and the id that it gives to the next message.
    fn after_a_crash(quirk: NodeQuirk) -> (u64, MessageId) {
        let (disk, notices, log) = bench(Some(quirk));
        append(&log).expect("a good disk");
        append(&log).expect("a good disk");
        drop(log);
        disk.power_off();
        let log = ReopeningLog::new(Arc::new(FailingHost(disk)), notices.clone(), false, Some(quirk));
        let id = append(&log).expect("a good disk");
        (told(&notices).0[1], id)
    }

    #[tokio::test(start_paused = true)]
    async fn each_planted_bug_shows_after_a_crash() {
        assert_eq!(after_a_crash(NodeQuirk::MixedTags), (2, MessageId(3)), "no bug of the store");
        assert_eq!(after_a_crash(NodeQuirk::AcksUnsynced), (0, MessageId(1)), "what was acknowledged is gone");
        assert_eq!(after_a_crash(NodeQuirk::ReusesIds), (2, MessageId(2)), "the last id is given twice");
    }
}
