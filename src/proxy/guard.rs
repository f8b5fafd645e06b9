//! Watches a client's connection below HTTP/2 for what h2 bears or calls by another name: frames without an end, without use,
//! or of a wrong size.
//!
//! Refuses to know streams. It holds nothing back, but what comes with a breach.
//!
//! ```text
//! unheard --SETTINGS--> between frames <==last byte, first byte==> within a frame or a header block
//!    |                       |                                            |
//!    | late, another frame   | a flood, a wrong size                      | late
//!    '-----------------------'--------> breached <------------------------'
//! ```

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use h2::Reason;
use tokio::io::ReadBuf;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::env::{ByteStream, StreamTap};
use crate::http2::{ACK, END_HEADERS, FrameHeader, FrameKind, FrameScanner};
use crate::proxy::config::{FRAME_MAX, HANDSHAKE_MAX, IDLE_BYTES_MAX, IDLE_RATIO_MAX, PING_BURST};

/// Why the proxy ends a client's connection; fits after "the client".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GuardBreach {
    /// Half a preface (RFC 9113 section 3.4).
    #[error("sent no SETTINGS frame within {HANDSHAKE_MAX:?}")]
    Mute,
    /// The wrong preface.
    #[error("began with a {0:?} frame and not with SETTINGS")]
    NoSettings(FrameKind),
    /// Half a frame.
    #[error("sent no end of a frame or a header block within {FRAME_MAX:?}")]
    Unfinished,
    /// RFC 9113 section 4.2.
    #[error("sent a {0:?} frame of {1} bytes")]
    WrongSize(FrameKind, usize),
    /// PING, SETTINGS, PRIORITY, WINDOW_UPDATE and what else asks for work and carries nothing.
    #[error("floods: frames that carry nothing, at last a {0:?} frame")]
    Flood(FrameKind),
    /// More PINGs within a second than is usual.
    #[error("sent more PINGs in one burst than its profile allows")]
    Pings,
    /// Rapid reset (CVE-2023-44487).
    #[error("cancels faster than it asks: too many streams that had hardly begun")]
    Cancels,
}

impl GuardBreach {
    /// What the client is told.
    pub(crate) fn reason(self) -> Reason {
        match self {
            GuardBreach::Mute | GuardBreach::NoSettings(_) => Reason::PROTOCOL_ERROR,
            GuardBreach::WrongSize(..) => Reason::FRAME_SIZE_ERROR,
            GuardBreach::Unfinished | GuardBreach::Flood(_) | GuardBreach::Pings | GuardBreach::Cancels => {
                Reason::ENHANCE_YOUR_CALM
            }
        }
    }
}

/// What tap and watch share.
struct GuardState {
    is_unheard: bool,
    /// When what is not whole began.
    open_since: Option<Instant>,
    breach: Option<GuardBreach>,
    pings: PingBurst,
}

/// The PINGs of the client within one burst.
#[derive(Default)]
struct PingBurst {
    most: Option<u32>,
    began: Option<Instant>,
    count: u32,
    last: Option<Instant>,
}

impl PingBurst {
    /// One more; whether that is too many.
    fn is_flooded_by_one_more(&mut self) -> bool {
        let now = Instant::now();
        if self.began.is_none_or(|began| now.duration_since(began) > PING_BURST) {
            (self.began, self.count) = (Some(now), 0);
        }
        self.count = self.count.saturating_add(1);
        self.last = Some(now);
        self.most.is_some_and(|most| self.count > most)
    }
}

/// The tap on the connection.
pub(crate) struct Guard {
    state: Arc<Mutex<GuardState>>,
    received: FrameScanner,
    sent: FrameScanner,
    is_in_block: bool,
    load: FrameLoad,
}

/// Bytes of frames, both ways.
#[derive(Default)]
struct FrameLoad {
    total: usize,
    /// Of header blocks and data.
    carried: usize,
}

impl FrameLoad {
    fn add(&mut self, frame: &FrameHeader) {
        self.total += frame.frame_length();
        if matches!(frame.kind, FrameKind::Data | FrameKind::Headers | FrameKind::Continuation) {
            self.carried += frame.length;
        }
    }

    fn is_idle_talk(&self) -> bool {
        self.total / IDLE_RATIO_MAX > self.carried + IDLE_BYTES_MAX
    }
}

impl Guard {
    /// The guard of a connection that was just accepted, on which so many PINGs make no flood, and who hears of a breach.
    pub(crate) fn new(pings_in_burst: Option<u32>) -> (Self, GuardWatch) {
        let pings = PingBurst { most: pings_in_burst, ..PingBurst::default() };
        let state = GuardState { is_unheard: true, open_since: Some(Instant::now()), breach: None, pings };
        let state = Arc::new(Mutex::new(state));
        let watch = GuardWatch { state: state.clone(), sleep: None };
        let (received, sent) = (FrameScanner::of_client(), FrameScanner::of_server());
        (Guard { state, received, sent, is_in_block: false, load: FrameLoad::default() }, watch)
    }

    /// Takes note of what was read.
    fn hear(&mut self, bytes: &[u8]) -> Option<GuardBreach> {
        let Guard { state, received, is_in_block, load, .. } = self;
        let mut state = lock(state);
        let mut is_any_whole = false;
        received.pass(bytes, |frame| {
            if state.is_unheard && frame.kind != FrameKind::Settings {
                state.breach = Some(GuardBreach::NoSettings(frame.kind));
            }
            // An answer to ours is not the client's own.
            state.is_unheard &= frame.flags & ACK != 0;
            if matches!(frame.kind, FrameKind::Headers | FrameKind::Continuation) {
                *is_in_block = frame.flags & END_HEADERS == 0;
            }
            is_any_whole |= !*is_in_block;
            load.add(frame);
            state.breach = state.breach.or_else(|| has_wrong_size(frame)).or_else(|| {
                let is_flood = load.is_idle_talk();
                is_flood.then_some(GuardBreach::Flood(frame.kind))
            });
            let is_ping = frame.kind == FrameKind::Ping && frame.flags & ACK == 0;
            if is_ping && state.pings.is_flooded_by_one_more() {
                state.breach = state.breach.or(Some(GuardBreach::Pings));
            }
        });
        if !state.is_unheard && !*is_in_block && received.is_between_frames() {
            state.open_since = None;
        } else if is_any_whole || state.open_since.is_none() {
            state.open_since = Some(Instant::now());
        }
        state.breach
    }
}

impl<S: ByteStream> StreamTap<S> for Guard {
    fn poll_read(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if lock(&self.state).breach.is_some() {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(stream).poll_read(context, buffer))?;
        if self.hear(&buffer.filled()[before..]).is_some() {
            // h2 would give another reason. Whoever polls h2 asks the watch next, so nobody needs to be woken.
            buffer.set_filled(before);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn wrote(&mut self, bytes: &[u8]) {
        let Guard { sent, load, .. } = self;
        sent.pass(bytes, |frame| load.add(frame));
    }
}

/// RFC 9113 sections 6.3 to 6.9. Frames above SETTINGS_MAX_FRAME_SIZE h2 refuses by their header.
fn has_wrong_size(frame: &FrameHeader) -> Option<GuardBreach> {
    let is_right = match frame.kind {
        FrameKind::Priority => frame.length == 5,
        FrameKind::RstStream | FrameKind::WindowUpdate => frame.length == 4,
        FrameKind::Settings => frame.length.is_multiple_of(6) && (frame.flags & ACK == 0 || frame.length == 0),
        FrameKind::Ping => frame.length == 8,
        FrameKind::GoAway => frame.length >= 8,
        FrameKind::Data
        | FrameKind::Headers
        | FrameKind::PushPromise
        | FrameKind::Continuation
        | FrameKind::Extension(_) => true,
    };
    (!is_right).then_some(GuardBreach::WrongSize(frame.kind, frame.length))
}

/// Hears of a breach; polled by the task that polls the connection, after it.
pub(crate) struct GuardWatch {
    state: Arc<Mutex<GuardState>>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl GuardWatch {
    /// What the client has said by PING.
    pub(crate) fn pings(&self) -> PingRecord {
        PingRecord(self.state.clone())
    }

    /// Waits for a breach.
    pub(crate) async fn breach(&mut self) -> GuardBreach {
        poll_fn(|context| self.poll_breach(context)).await
    }

    fn poll_breach(&mut self, context: &mut Context<'_>) -> Poll<GuardBreach> {
        let (deadline, late) = {
            let state = lock(&self.state);
            if let Some(breach) = state.breach {
                return Poll::Ready(breach);
            }
            let Some(since) = state.open_since else { return Poll::Pending };
            let (patience, late): (Duration, GuardBreach) = if state.is_unheard {
                (HANDSHAKE_MAX, GuardBreach::Mute)
            } else {
                (FRAME_MAX, GuardBreach::Unfinished)
            };
            (since + patience, late)
        };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(context).map(|()| late)
    }
}

/// When the client has sent PINGs.
pub(crate) struct PingRecord(Arc<Mutex<GuardState>>);

impl PingRecord {
    /// When it sent the last one.
    pub(crate) fn last(&self) -> Option<Instant> {
        lock(&self.0).pings.last
    }
}

fn lock(state: &Mutex<GuardState>) -> MutexGuard<'_, GuardState> {
    state.lock().expect("no panic while it was held")
}
