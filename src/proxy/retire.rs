//! How one client's connection is told to go, because the proxy drains, or because the connection is old.
//!
//! Refuses to know frames: it asks for them, and whoever drives the connection closes it.
//!
//! ```text
//! serving --asked, old--> waiting --its moment--> told --the gap is over--> last --no stream, or the grace is over--> over
//!                                       |                                    ^
//!                                       '--one GOAWAY, or none --------------'
//! ```

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::lie::{LastStream, ResetCode};
use crate::profile::{GoawayForm, GoawayMoment, LaterStreams};
use crate::proxy::config::{GOAWAY_TURN, PACE_STEP};
use crate::proxy::errand::Errands;
use crate::proxy::habits::{RetireCall, RetireHabits};

/// The end of one connection's service.
pub(crate) struct Retirement {
    habits: RetireHabits,
    errands: Errands,
    answers: Arc<AnswerCount>,
    stage: RetireStage,
    opened: Instant,
    requests: u32,
    /// Streams may go on until then.
    ends: Option<Instant>,
}

#[derive(Clone, Copy)]
enum RetireStage {
    Serving,
    /// It is to be told, with the next request, or with the answer after so many.
    Waiting(GoawayMoment, u64),
    /// It was told that more may come, and is to be told the last stream then.
    Told(Instant),
    /// HTTP/2 is to tell it, or has.
    ByHttp {
        is_begun: bool,
    },
    /// Nothing more is told; nothing is closed before that.
    Last(Instant),
}

/// What is to be done to a connection now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetireStep {
    /// HTTP/2 retires it: GOAWAY, PING, and GOAWAY with the last stream.
    ByHttp,
    /// It is closed.
    Close,
}

/// What becomes of a stream that was just opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Served,
    Ignored,
    /// It costs the connection.
    Fatal,
}

/// The response headers that have passed on a connection.
#[derive(Default)]
pub(crate) struct AnswerCount {
    count: AtomicU64,
    changed: Notify,
}

impl AnswerCount {
    /// One more has.
    pub(crate) fn add(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    fn now(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Waits until there are more than so many.
    async fn above(&self, count: u64) {
        loop {
            // Before the look, so that no change is missed.
            let changed = self.changed.notified();
            if self.now() > count {
                return;
            }
            changed.await;
        }
    }
}

impl Retirement {
    /// Of a connection that was just accepted.
    pub(crate) fn new(habits: RetireHabits, errands: Errands) -> Self {
        let (answers, opened) = (Arc::default(), Instant::now());
        Retirement { habits, errands, answers, stage: RetireStage::Serving, opened, requests: 0, ends: None }
    }

    /// Where answers are to be counted.
    pub(crate) fn answers(&self) -> Arc<AnswerCount> {
        self.answers.clone()
    }

    /// The proxy drains.
    pub(crate) fn drain(&mut self) {
        self.begin(self.habits.at_drain);
    }

    /// The connection is idle, and goes as it would with its age.
    pub(crate) fn go_idle(&mut self) {
        self.begin(RetireCall { moment: GoawayMoment::AtOnce, grace: self.habits.at_age.grace });
    }

    /// Whether it is about to go.
    pub(crate) fn has_begun(&self) -> bool {
        !matches!(self.stage, RetireStage::Serving)
    }

    fn begin(&mut self, RetireCall { moment, grace }: RetireCall) {
        self.ends = self.ends.into_iter().chain(grace.and_then(|grace| Instant::now().checked_add(grace))).min();
        match (self.stage, moment) {
            (RetireStage::Serving, GoawayMoment::AtOnce) => self.tell(),
            (RetireStage::Serving, GoawayMoment::NextRequest | GoawayMoment::NextResponse) => {
                self.stage = RetireStage::Waiting(moment, self.answers.now());
            }
            (
                RetireStage::Waiting(..) | RetireStage::Told(_) | RetireStage::ByHttp { .. } | RetireStage::Last(_),
                _,
            ) => {}
        }
    }

    /// Says the first GOAWAY.
    fn tell(&mut self) {
        let no_error = ResetCode::NoError.number();
        match self.habits.form {
            GoawayForm::Double if self.habits.gap.is_zero() => {
                self.stage = RetireStage::ByHttp { is_begun: false };
                return;
            }
            GoawayForm::Double => {
                self.errands.say_goaway(LastStream::All, no_error);
                self.stage = RetireStage::Told(later(self.habits.gap));
                return;
            }
            GoawayForm::Open => self.errands.say_goaway(LastStream::All, no_error),
            GoawayForm::Last => self.errands.say_goaway(LastStream::Seen, no_error),
            GoawayForm::Silent => {}
        }
        self.stage = self.last();
    }

    fn last(&self) -> RetireStage {
        RetireStage::Last(later(self.habits.close_delay.max(GOAWAY_TURN)))
    }

    /// What becomes of a stream that was just opened.
    pub(crate) fn admit(&mut self) -> Admission {
        self.requests = self.requests.saturating_add(1);
        let admission = match self.stage {
            RetireStage::Last(_) if self.habits.form != GoawayForm::Silent => match self.habits.later {
                LaterStreams::Served => Admission::Served,
                LaterStreams::Ignored => Admission::Ignored,
                LaterStreams::BreakConnection => Admission::Fatal,
            },
            RetireStage::Last(_)
            | RetireStage::Serving
            | RetireStage::Waiting(..)
            | RetireStage::Told(_)
            | RetireStage::ByHttp { .. } => Admission::Served,
        };
        if self.habits.requests.is_some_and(|most| self.requests >= most) {
            self.begin(self.habits.at_age);
        }
        if let RetireStage::Waiting(GoawayMoment::NextRequest, _) = self.stage {
            self.tell();
        }
        admission
    }

    /// Waits for what is to be done next to a connection that has streams, or none.
    pub(crate) async fn next(&mut self, has_streams: bool) -> RetireStep {
        // Ends: each turn moves on to a later stage, or waits.
        loop {
            let ends = self.ends.filter(|_| self.has_begun());
            let moved = match self.stage {
                RetireStage::Serving => {
                    until(self.habits.age.and_then(|age| self.opened.checked_add(age))).await;
                    self.begin(self.habits.at_age);
                    continue;
                }
                RetireStage::ByHttp { is_begun: false } => {
                    self.stage = RetireStage::ByHttp { is_begun: true };
                    return RetireStep::ByHttp;
                }
                RetireStage::Waiting(GoawayMoment::NextResponse, count) => {
                    let answers = self.answers.clone();
                    or_at(ends, answers.above(count)).await
                }
                RetireStage::Told(at) => or_at(ends, sleep_until(at)).await,
                RetireStage::Last(at) if !has_streams => or_at(ends, sleep_until(at)).await,
                RetireStage::Waiting(..) | RetireStage::Last(_) | RetireStage::ByHttp { .. } => {
                    or_at(ends, pending()).await
                }
            };
            match (moved, self.stage) {
                (true, RetireStage::Waiting(..)) => self.tell(),
                (true, RetireStage::Told(_)) => {
                    self.errands.say_goaway(LastStream::Seen, ResetCode::NoError.number());
                    self.stage = self.last();
                }
                // Where HTTP/2 has more to write, it is asked again.
                (true, RetireStage::Last(_)) => {
                    self.stage = RetireStage::Last(later(PACE_STEP));
                    return RetireStep::Close;
                }
                (false, _) | (true, RetireStage::Serving | RetireStage::ByHttp { .. }) => return RetireStep::Close,
            }
        }
    }

    /// Whether its streams are out of time.
    pub(crate) fn is_out_of_time(&self) -> bool {
        self.has_begun() && self.ends.is_some_and(|ends| ends <= Instant::now())
    }
}

fn later(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or(now)
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

/// Waits for what is to come; whether it came before that time.
async fn or_at(time: Option<Instant>, awaited: impl Future<Output = ()>) -> bool {
    tokio::select! {
        biased;
        // First, and it starves nobody: it comes once.
        () = until(time) => false,
        () = awaited => true,
    }
}
