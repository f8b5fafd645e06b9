//! A stream that a client holds, and the window that is open on it.
//!
//! Refuses to know other streams, and what a trial's clauses are.
//!
//! ```text
//!            dies                         the client lets go, or the trial is over
//!   carries ──────▶ dead for good ──────────────────────────────────────────────────▶ told
//!      │  ▲                                                                            ▲
//!      │  └──── heard, once nothing stops it any more: told as healed                  │
//!      └──────▶ stopped ───────────────────────────────────────────────────────────────┘
//!       stopped
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::cast::HostName;
use crate::channel::{Channel, MessageId};
use crate::env::Disconnection;
use crate::history::{EndCause, TapStream, Words};
use crate::ladder::grip::{Route, RouteSide};
use crate::ladder::layer::{Knowledge, Layer, Layers};
use crate::ladder::seen_end::SeenEnd;
use crate::ladder::window::{LadderWindow, WindowEnding};
use crate::lie::Witness;

/// How an error of the connection, and not a status of the server, is told by tonic, hyper and h2.
const OF_THE_CONNECTION: [&str; 3] = ["h2 protocol error", "http2 error", "transport error"];
/// What hyper says of a connection whose PING was not answered; of a stream on it, that a pipe is broken.
const PING_UNANSWERED: &str = "keep-alive timed out";
/// What the kernel says of a connection that keepalive, a user timeout or retransmissions gave up (ETIMEDOUT).
const TIMED_OUT: &str = "timed out";
/// What the kernel says of a connection that its peer has reset (ECONNRESET).
const RESET: &str = "reset";

/// What did harm.
#[derive(Clone, Debug)]
pub(crate) struct Culprit {
    pub(crate) clause: Option<u32>,
    pub(crate) witness: Option<Witness>,
    pub(crate) kind: String,
    pub(crate) words: String,
}

/// Why a window is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// A clause stops the stream; it may carry again.
    Stopped,
    /// A silence of the proxy began, and has swallowed nothing of it yet.
    Doomed,
    /// It is dead for good.
    Dead,
}

/// A window that is open.
pub(crate) struct Open {
    pub(crate) culprit: Culprit,
    pub(crate) side: RouteSide,
    pub(crate) began: Duration,
    pub(crate) state: State,
    /// The host whose power failed, if that did it: its kernel says nothing to anybody.
    pub(crate) powerless: Option<HostName>,
    /// The process died that the client is connected to, and its kernel said so.
    pub(crate) peer_has_closed: bool,
    /// Its server's process has died, and reaps nothing of it any more.
    pub(crate) server_is_gone: bool,
    knew: BTreeMap<Layer, Duration>,
    pub(crate) pings_answered: u64,
    /// What was stored and has not come, and when.
    pub(crate) lacking: BTreeMap<(Channel, MessageId), Duration>,
}

impl Open {
    pub(crate) fn new(culprit: Culprit, side: RouteSide, began: Duration, state: State) -> Self {
        let (knew, lacking) = (BTreeMap::new(), BTreeMap::new());
        Open {
            culprit,
            side,
            began,
            state,
            powerless: None,
            peer_has_closed: false,
            server_is_gone: false,
            knew,
            pings_answered: 0,
            lacking,
        }
    }

    /// A layer noticed; only its first time counts.
    pub(crate) fn notice(&mut self, layer: Layer, at: Duration) {
        self.knew.entry(layer).or_insert(at.saturating_sub(self.began));
    }

    /// Which layer of the client gave its connection up.
    fn who_ended_it(&self, words: &str, layers: &Layers) -> Layer {
        if words.contains(PING_UNANSWERED) {
            Layer::Http2Ping
        } else if words.contains(TIMED_OUT) {
            if layers.client_tcp { Layer::TcpKeepalive } else { Layer::Tcp }
        } else if layers.http2_ping && !self.peer_has_closed && !words.contains(RESET) {
            // Nobody at the other end has ended the connection, so the client did.
            Layer::Http2Ping
        } else {
            Layer::Tcp
        }
    }

    /// Its server has died behind the proxy, which lives and may have found another.
    pub(crate) fn may_be_replaced(&self) -> bool {
        self.server_is_gone && self.side == RouteSide::Far
    }

    pub(crate) fn knows(&self, layer: Layer) -> bool {
        self.knew.contains_key(&layer)
    }
}

/// Whether an attempt's end says that the client's own PING of HTTP/2 was not answered in time.
#[must_use]
pub fn gave_up_on_ping(words: &str) -> bool {
    words.contains(PING_UNANSWERED)
}

/// Whether the other end of the connection said that the stream is over.
fn was_told(cause: EndCause, words: &str) -> bool {
    let told = |seen| match seen {
        SeenEnd::Reset(_) | SeenEnd::Goaway(_) | SeenEnd::EndWithoutTrailers | SeenEnd::Http(_) => true,
        SeenEnd::Nothing
        | SeenEnd::NoConnection
        | SeenEnd::Status(_)
        | SeenEnd::CleanEnd
        | SeenEnd::ConnectionEnded
        | SeenEnd::PingUnanswered => false,
    };
    SeenEnd::of(cause, words).is_some_and(told)
}

/// Whether an attempt's end says that its connection failed.
pub(crate) fn is_of_the_connection(words: &str) -> bool {
    OF_THE_CONNECTION.iter().any(|part| words.contains(part))
}

/// A stream that a client holds.
pub(crate) struct Held {
    pub(crate) client: HostName,
    pub(crate) attempt: u64,
    pub(crate) route: Route,
    /// When the server welcomed it: from then on the client believes in it.
    pub(crate) welcomed: Option<Duration>,
    /// When the client heard from it last.
    pub(crate) heard: Duration,
    /// The tap's name for it.
    pub(crate) stream: Option<TapStream>,
    /// The server ended it, by a status that went on to the client.
    pub(crate) dismissed: bool,
    /// When the proxy ended it because a connection was gone.
    pub(crate) severed: Option<Duration>,
    pub(crate) probed: bool,
    /// When the client let go of it; its end is told after that.
    pub(crate) let_go: Option<Duration>,
    /// The clauses that stop it now.
    pub(crate) stopped_by: BTreeSet<u32>,
    /// It is a connection of a program that says nothing of its streams.
    pub(crate) is_connection: bool,
    pub(crate) open: Option<Open>,
}

impl Held {
    pub(crate) fn new(client: &HostName, attempt: u64, route: Route, at: Duration) -> Self {
        Held {
            client: client.clone(),
            attempt,
            route,
            welcomed: None,
            heard: at,
            stream: None,
            dismissed: false,
            severed: None,
            probed: false,
            let_go: None,
            stopped_by: BTreeSet::new(),
            is_connection: false,
            open: None,
        }
    }

    /// A connection of that number, which its program believes in from now on.
    pub(crate) fn connection(client: &HostName, number: u64, route: Route, at: Duration) -> Self {
        Held { welcomed: Some(at), is_connection: true, ..Held::new(client, number, route, at) }
    }

    /// The window, while the client has not let go.
    pub(crate) fn window(&mut self) -> Option<&mut Open> {
        self.open.as_mut().filter(|_| self.let_go.is_none())
    }

    /// Opens a window, unless one is open or the client does not believe in the stream; a worse state is taken over.
    pub(crate) fn begin(&mut self, culprit: Culprit, side: RouteSide, at: Duration, state: State) {
        if self.welcomed.is_none() || self.let_go.is_some() {
            return;
        }
        match &mut self.open {
            None => self.open = Some(Open::new(culprit, side, at, state)),
            // Nothing was lost by the silence so far.
            Some(open) if open.state == State::Doomed => *open = Open::new(culprit, side, at, state),
            Some(open) if state == State::Dead => open.state = State::Dead,
            Some(_) => {}
        }
    }

    /// The client heard from it; the window that this heals.
    pub(crate) fn hear(&mut self, at: Duration, until: Duration, layers: &Layers) -> Option<LadderWindow> {
        self.heard = self.heard.max(until);
        let stopped = self.open.as_ref().is_some_and(|open| open.state == State::Stopped);
        let healed = stopped && self.stopped_by.is_empty() && self.let_go.is_none();
        healed.then(|| self.close(at, WindowEnding::Healed, layers)).flatten()
    }

    /// How the end of the stream at `at` came to be known by the layers below the protocol.
    pub(crate) fn explain(&mut self, cause: EndCause, words: &Words, at: Duration, layers: &Layers) {
        let (dismissed, severed) = (self.dismissed, self.severed.is_some());
        let Some(open) = &mut self.open else { return };
        let words = words.to_string();
        match cause {
            EndCause::Watchdog => open.notice(Layer::Watchdog, at),
            EndCause::Stale => open.notice(Layer::Probe, at),
            EndCause::StreamFailed if !dismissed && !severed && layers.proxy_times && was_told(cause, &words) => {
                open.notice(Layer::Proxy, at);
            }
            EndCause::StreamFailed if !dismissed && !severed && is_of_the_connection(&words) => {
                open.notice(open.who_ended_it(&words, layers), at);
            }
            EndCause::StreamFailed
            | EndCause::StreamEnded
            | EndCause::DialFailed
            | EndCause::Refused
            | EndCause::StoreFailed
            | EndCause::BacklogFull
            | EndCause::Finished
            | EndCause::FallbackOver
            | EndCause::ConsumerBehind
            | EndCause::Rejected
            | EndCause::Exhausted => {}
        }
    }

    /// The same of a connection whose program does not say why it lets go.
    pub(crate) fn explain_connection(&mut self, how: Disconnection, at: Duration) {
        let layer = match how {
            Disconnection::Closed => Layer::Program,
            Disconnection::Finished | Disconnection::Reset | Disconnection::GivenUp => Layer::Tcp,
        };
        self.open.iter_mut().for_each(|open| open.notice(layer, at));
    }

    /// Closes the window, if one is open that did harm.
    pub(crate) fn close(&mut self, at: Duration, ending: WindowEnding, layers: &Layers) -> Option<LadderWindow> {
        let open = self.open.take().filter(|open| open.state != State::Doomed)?;
        let probed = self.probed;
        let asked = |layer| match layer {
            Layer::Tcp => true,
            Layer::TcpKeepalive => match open.side {
                RouteSide::Near => layers.client_tcp,
                RouteSide::Far => layers.proxy_tcp,
            },
            Layer::Proxy => layers.proxy_times,
            Layer::Http2Ping => layers.http2_ping,
            Layer::Heartbeat => layers.heartbeat,
            Layer::Probe => probed,
            Layer::Watchdog => layers.watchdog,
            Layer::Program => layers.program,
        };
        let lasted = at.saturating_sub(open.began);
        Some(LadderWindow {
            client: self.client.clone(),
            attempt: self.attempt,
            clause: open.culprit.clause,
            witness: open.culprit.witness,
            kind: open.culprit.kind,
            harm: open.culprit.words,
            began: open.began,
            lasted,
            ending,
            knew: Knowledge::of_all(layers.rungs(), asked, &open.knew),
            pings_answered: open.pings_answered,
            missed: open.lacking.len() as u64,
            first_missed: open.lacking.values().min().map(|at| at.saturating_sub(open.began)),
        })
    }
}
