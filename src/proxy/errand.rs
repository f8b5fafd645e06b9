//! What somebody above HTTP/2 asks to be done to a connection: GOAWAY among its frames, or its end.
//!
//! Refuses to know who asks, and how it is done: the forger sends GOAWAY, and whoever drives the connection ends it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use crate::lie::{LastStream, Reaction};

/// A handle on one connection; a clone is the same one.
#[derive(Clone, Default)]
pub(crate) struct Errands(Arc<Mutex<ErrandList>>);

#[derive(Default)]
struct ErrandList {
    goaways: VecDeque<(LastStream, u32)>,
    end: Option<ErrandEnd>,
    waker: Option<Waker>,
}

/// How a connection is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrandEnd {
    /// FIN.
    Close,
    /// RST of TCP.
    Reset,
    /// Nothing, and RST of TCP for the next packet.
    Forget,
}

impl ErrandEnd {
    /// How a reaction ends a connection, if it does.
    pub(crate) fn of(reaction: &Reaction) -> Option<Self> {
        match reaction {
            Reaction::Close => Some(ErrandEnd::Close),
            Reaction::TcpReset => Some(ErrandEnd::Reset),
            Reaction::Forget => Some(ErrandEnd::Forget),
            Reaction::Nothing
            | Reaction::AwaitClientEnd
            | Reaction::EndStream
            | Reaction::Trailers
            | Reaction::HtmlEndStream
            | Reaction::Reset { .. }
            | Reaction::Status { .. }
            | Reaction::GrpcStatus { .. }
            | Reaction::Goaway(_)
            | Reaction::Drain => None,
        }
    }
}

impl Errands {
    /// Asks for a GOAWAY.
    pub(crate) fn say_goaway(&self, last: LastStream, code: u32) {
        let mut list = lock(&self.0);
        list.goaways.push_back((last, code));
        wake(&mut list);
    }

    /// Asks for the end.
    pub(crate) fn end(&self, end: ErrandEnd) {
        let mut list = lock(&self.0);
        list.end = list.end.or(Some(end));
        wake(&mut list);
    }

    /// The GOAWAYs that are to be sent now, with their last stream and code, and how the connection is to end, if it is; the task
    /// of `context` is woken for what is asked for later.
    pub(crate) fn look(&self, context: &Context<'_>) -> (VecDeque<(LastStream, u32)>, Option<ErrandEnd>) {
        let mut list = lock(&self.0);
        list.listen(context);
        (std::mem::take(&mut list.goaways), list.end)
    }

    /// Ready when the end is asked for.
    pub(crate) fn poll_end(&self, context: &Context<'_>) -> Poll<ErrandEnd> {
        let mut list = lock(&self.0);
        list.listen(context);
        list.end.map_or(Poll::Pending, Poll::Ready)
    }
}

impl ErrandList {
    fn listen(&mut self, context: &Context<'_>) {
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            self.waker = Some(context.waker().clone());
        }
    }
}

fn wake(list: &mut ErrandList) {
    if let Some(waker) = list.waker.take() {
        waker.wake();
    }
}

fn lock(list: &Mutex<ErrandList>) -> MutexGuard<'_, ErrandList> {
    list.lock().expect("no panic while it was held")
}
