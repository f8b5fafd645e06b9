//! Keeps the log: opens it when it is needed, and puts it away when it has failed.
//!
//! Refuses to know what is done with the log. redb answers nothing more after an I/O error until it is opened anew
//! (redb 4.5, `StorageError::PreviousIo`), and what an interrupted commit has kept is known only then.
//!
//! ```text
//!   closed --needed--> open --an error--> resting --the pace has passed, needed--> open
//!     |                                     ^
//!     +---------does not open---------------+
//! ```

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::env::Env;
use crate::subject::xmtp::node::log::Log;
use crate::subject::xmtp::node::{Notice, Observer, Quirk, STORE, StoreError};
use crate::subject::xmtp::wire::Kind;

/// So long a log rests after a failure: to open it costs a look at every page (redb's repair), which must not
/// happen for each call of many clients; and a second is little beside what a disk needs to recover.
const REST: Duration = Duration::from_secs(1);

/// So many reasons are told, each once: a rotting disk has a new one for each block, and the first say it all.
const REASONS: usize = 64;

/// The log of one node.
pub(crate) struct Keeper {
    env: Env,
    observer: Arc<dyn Observer>,
    quirk: Option<Quirk>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    log: Option<Log>,
    /// Until when it is not opened, and why.
    rest: Option<(Instant, String)>,
    /// What was told already.
    told: BTreeSet<String>,
}

impl Keeper {
    /// A keeper that has not opened the log yet.
    pub(crate) fn new(env: Env, observer: Arc<dyn Observer>, quirk: Option<Quirk>) -> Self {
        Keeper { env, observer, quirk, state: Mutex::default() }
    }

    /// Does something with the log. An error of it closes the log.
    ///
    /// # Errors
    /// The log does not open, has failed a moment ago, or fails now.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&Log) -> Result<T, StoreError>) -> Result<T, StoreError> {
        // A panic under the lock leaves the log as it is; redb checks its own state.
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
        match log.and_then(|log| act(&log).map(|done| (log, done))) {
            Ok((log, done)) => {
                state.log = Some(log);
                state.rest = None;
                Ok(done)
            }
            Err(error) => {
                let why = error.to_string();
                state.rest = Some((Instant::now() + REST, why.clone()));
                if state.told.len() < REASONS && state.told.insert(why.clone()) {
                    self.observer.notice(Notice::StoreFailed { why: format!("failed to {why}") });
                }
                Err(error)
            }
        }
    }

    fn open(&self) -> Result<Log, StoreError> {
        let log = Log::open(self.env.disk(STORE).map_err(StoreError::Disk)?, self.quirk)?;
        let found = log.heads()?;
        let heads = [Kind::Group, Kind::Welcome].map(|kind| (kind, *found.of(kind)));
        self.observer.notice(Notice::LogOpened { heads: heads.into() });
        Ok(log)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicBool, Ordering};

    use bytes::Bytes;
    use redb::StorageBackend;
    use redb::backends::InMemoryBackend;
    use tokio::time::sleep;

    use super::*;
    use crate::env::{Address, Asked, Dice, Disk, Listener, Socket, Surroundings, TcpOptions};
    use crate::subject::xmtp::wire::{Draft, Envelope, MessageId, Topic};

    /// A disk that outlives its openers, may fail, and may have a wrong bit.
    #[derive(Clone, Debug, Default)]
    struct Platter {
        bytes: Arc<InMemoryBackend>,
        fails: Arc<AtomicBool>,
    }

    impl Platter {
        fn check(&self) -> io::Result<()> {
            if self.fails.load(Ordering::Relaxed) { Err(io::Error::other("out of order")) } else { Ok(()) }
        }

        /// Flips a bit of every page that is in use, but of the header.
        fn rot(&self) {
            let len = self.bytes.len().expect("in memory");
            for page in (8192..len).step_by(4096) {
                let mut byte = [0];
                self.bytes.read(page, &mut byte).expect("in memory");
                self.bytes.write(page, &[byte[0] ^ 4]).expect("in memory");
            }
        }
    }

    impl StorageBackend for Platter {
        fn len(&self) -> io::Result<u64> {
            self.bytes.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.bytes.read(offset, out)
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.check()?;
            self.bytes.set_len(len)
        }

        fn sync_data(&self) -> io::Result<()> {
            self.check()
        }

        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.check()?;
            self.bytes.write(offset, data)
        }
    }

    struct Host(Platter);

    impl Surroundings for Host {
        fn dial_with(&self, _: &Address, _: TcpOptions) -> Asked<Socket> {
            Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
        }

        fn listen(&self, _: u16) -> Asked<Listener> {
            Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
        }

        fn dice(&self) -> Dice {
            Dice::named(1, "node")
        }

        fn disk(&self, _: &str) -> io::Result<Disk> {
            Ok(Disk::new(self.0.clone()))
        }

        fn wall_clock(&self) -> Duration {
            Duration::ZERO
        }
    }

    #[derive(Default)]
    struct Notices(Mutex<Vec<Notice>>);

    impl Observer for Notices {
        fn notice(&self, notice: Notice) {
            self.0.lock().expect("not poisoned").push(notice);
        }
    }

    /// The group heads at each opening, and the reasons of each failure.
    fn told(notices: &Notices) -> (Vec<u64>, Vec<String>) {
        let (mut heads, mut reasons) = (Vec::new(), Vec::new());
        for notice in notices.0.lock().expect("not poisoned").iter() {
            match notice {
                Notice::LogOpened { heads: found } => heads.push(found[0].1.0),
                Notice::StoreFailed { why } => reasons.push(why.clone()),
                other => panic!("a keeper does not tell {other:?}"),
            }
        }
        (heads, reasons)
    }

    fn bench(quirk: Option<Quirk>) -> (Platter, Arc<Notices>, Keeper) {
        let (platter, notices) = (Platter::default(), Arc::new(Notices::default()));
        let keeper = Keeper::new(Arc::new(Host(platter.clone())), notices.clone(), quirk);
        (platter, notices, keeper)
    }

    fn append(keeper: &Keeper) -> Result<MessageId, StoreError> {
        let envelope = Envelope::Group { sender_hmac: Bytes::new(), should_push: true, is_commit: false };
        let draft = Draft { topic: Topic::new(Kind::Group, b"a"), data: Bytes::from_static(b"data"), envelope };
        keeper.with(|log| Ok(log.append(vec![draft], 5)?[0].id))
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_log_rests_and_opens_again_with_all_that_was_stored() {
        let (platter, notices, keeper) = bench(None);
        assert_eq!(append(&keeper).expect("a good disk"), MessageId(1));
        platter.fails.store(true, Ordering::Relaxed);
        assert!(append(&keeper).expect_err("a bad disk").to_string().contains("out of order"));
        platter.fails.store(false, Ordering::Relaxed);
        assert!(matches!(append(&keeper), Err(StoreError::Resting(why)) if why.contains("out of order")));
        sleep(REST).await;
        assert_eq!(append(&keeper).expect("a good disk again"), MessageId(2));
        let (heads, reasons) = told(&notices);
        assert_eq!((heads, reasons.len()), (vec![0, 1], 1), "{reasons:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_log_that_does_not_open_is_tried_again_and_told_once() {
        let (platter, notices, keeper) = bench(None);
        platter.fails.store(true, Ordering::Relaxed);
        for _ in 0..5 {
            append(&keeper).expect_err("a bad disk");
            sleep(REST).await;
        }
        platter.fails.store(false, Ordering::Relaxed);
        append(&keeper).expect("a good disk");
        let (heads, reasons) = told(&notices);
        assert_eq!((heads, reasons.len()), (vec![0], 1), "{reasons:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_corrupt_log_stays_unavailable_and_names_the_store_and_the_block() {
        let (platter, notices, keeper) = bench(None);
        append(&keeper).expect("a good disk");
        drop(keeper);
        platter.rot();
        let keeper = Keeper::new(Arc::new(Host(platter)), notices.clone(), None);
        for _ in 0..3 {
            append(&keeper).expect_err("corrupt");
            sleep(REST).await;
        }
        let (heads, reasons) = told(&notices);
        assert_eq!((heads, reasons.len()), (vec![0], 1), "{reasons:?}");
        assert!(reasons[0].contains("the store `node.redb` is corrupt: its block "), "{reasons:?}");
    }

    /// What the next process finds, and the id that it gives to the next message.
    fn after_a_crash(quirk: Quirk) -> (u64, MessageId) {
        let (platter, notices, keeper) = bench(Some(quirk));
        append(&keeper).expect("a good disk");
        append(&keeper).expect("a good disk");
        // A process that is killed says nothing more to its disk.
        platter.fails.store(true, Ordering::Relaxed);
        drop(keeper);
        platter.fails.store(false, Ordering::Relaxed);
        let keeper = Keeper::new(Arc::new(Host(platter)), notices.clone(), Some(quirk));
        let id = append(&keeper).expect("a good disk");
        (told(&notices).0[1], id)
    }

    #[tokio::test(start_paused = true)]
    async fn each_planted_bug_shows_after_a_crash() {
        assert_eq!(after_a_crash(Quirk::MixedTags), (2, MessageId(3)), "no bug of the store");
        assert_eq!(after_a_crash(Quirk::AcksUnsynced), (0, MessageId(1)), "what was acknowledged is gone");
        assert_eq!(after_a_crash(Quirk::ReusesIds), (2, MessageId(2)), "the last id is given twice");
    }
}
