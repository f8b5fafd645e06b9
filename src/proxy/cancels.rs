//! How hastily a client cancels: what protects the others from a rapid reset (CVE-2023-44487).
//!
//! Refuses to know what is done about it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use crate::lie::Direction;
use crate::proxy::config::{CANCEL_PRICE, CANCELS_SHARED_MAX, EARLY_MAX};
use crate::proxy::notice::{ProxyFate, ProxyNotice, ProxyObserver};
use crate::proxy::retire::AnswerCount;

/// The early cancels of one client connection: each takes [`CANCEL_PRICE`] to be forgotten.
pub(crate) struct Cancels {
    forgotten_at: Mutex<Instant>,
    /// More are too many.
    most: Option<u32>,
}

impl Cancels {
    /// Of a client that was just accepted, of whom so many are borne.
    pub(crate) fn new(most: Option<u32>) -> Self {
        Cancels { forgotten_at: Mutex::new(Instant::now()), most }
    }

    /// Whether there are too many for a connection to the node that others share.
    pub(crate) fn are_hasty(&self) -> bool {
        self.are_above(CANCELS_SHARED_MAX)
    }

    /// Whether there are too many for any.
    pub(crate) fn are_too_many(&self) -> bool {
        self.most.is_some_and(|most| self.are_above(most))
    }

    fn are_above(&self, limit: u32) -> bool {
        *self.forgotten_at.lock().expect("no panic while it was held") > Instant::now() + CANCEL_PRICE * limit
    }

    fn count(&self) {
        let mut forgotten_at = self.forgotten_at.lock().expect("no panic while it was held");
        *forgotten_at = (*forgotten_at).max(Instant::now()) + CANCEL_PRICE;
    }
}

/// Hears what happens on one stream, and counts its answer, and whether its client cancels it early; all goes on to the next
/// observer.
pub(crate) struct CancelCounter {
    cancels: Arc<Cancels>,
    opened: Instant,
    is_answered: AtomicBool,
    answers: Arc<AnswerCount>,
    next: Arc<dyn ProxyObserver>,
}

impl CancelCounter {
    /// Of a stream that was just opened.
    pub(crate) fn new(cancels: Arc<Cancels>, answers: Arc<AnswerCount>, next: Arc<dyn ProxyObserver>) -> Self {
        CancelCounter { cancels, opened: Instant::now(), is_answered: AtomicBool::new(false), answers, next }
    }
}

impl ProxyObserver for CancelCounter {
    fn notice(&self, notice: ProxyNotice) {
        match &notice {
            ProxyNotice::Trailers { direction: Direction::ToClient, fate: ProxyFate::Passed, .. } => {
                self.is_answered.store(true, Ordering::Relaxed);
            }
            ProxyNotice::Headers { direction: Direction::ToClient, fate: ProxyFate::Passed, .. } => self.answers.add(),
            // A full answer resets the rest of a request as well, and the client has no part in it.
            ProxyNotice::Reset { direction: Direction::ToNode, .. } => {
                if !self.is_answered.load(Ordering::Relaxed) && self.opened.elapsed() < EARLY_MAX {
                    self.cancels.count();
                }
            }
            ProxyNotice::ConnectionOpened { .. }
            | ProxyNotice::ConnectionClosed { .. }
            | ProxyNotice::PingAnswered { .. }
            | ProxyNotice::StreamOpened { .. }
            | ProxyNotice::Headers { .. }
            | ProxyNotice::Data { .. }
            | ProxyNotice::Trailers { .. }
            | ProxyNotice::Reset { .. }
            | ProxyNotice::StreamClosed { .. }
            | ProxyNotice::NoHttp { .. } => {}
        }
        self.next.notice(notice);
    }
}
