//! An application that never rests: it changes its topics in mid-stream, asks for signs of life, half-closes, hangs up
//! and comes again.
//!
//! It keeps nothing, so nothing is owed to it: what it shows is how a node treats a stream that changes (S2 to S5, S9,
//! S11). Refuses to judge.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use crate::subject::xmtp::client::{
    ClientConnection, ClientLink, ClientNotice, ClientObserver, Dialer, StreamSettings, WATCHDOG_INTERVALS,
};
use crate::subject::xmtp::workload::repertoire::Repertoire;

/// How many events it takes at once.
const BATCH_EVENTS_MAX: usize = 256;
/// How long it waits for the sign of life that it asked for; it makes nothing of the answer.
const PROBE_PATIENCE: Duration = Duration::from_secs(5);
/// How long a stream that it has half-closed may go on, by which even a node that replays over a narrow link is done.
const END_PATIENCE: Duration = Duration::from_secs(120);

/// Shorter than the way there: a call is cancelled before anybody can have answered it.
const CALL_PATIENCE: Duration = Duration::from_millis(1);

/// Visits the node until `end`, and asks for something `every` so often on average; before each visit it cancels so many
/// calls.
pub(crate) async fn visit(dialer: Dialer, mut repertoire: Repertoire, every: Duration, cancels: u32, end: Instant) {
    let mut attempt = 0;
    while Instant::now() < end {
        attempt += 1;
        if cancels > 0 {
            cancel_calls(&dialer, cancels).await;
        }
        if let Ok(link) = dialer.dial().await {
            repertoire.begin_anew();
            Stay { connection: open(link, attempt, &mut repertoire), repertoire: &mut repertoire, every }
                .last(end)
                .await;
        }
        sleep(every).await;
    }
}

/// One call after the other on one connection, each cancelled at once; that may cost it the connection (CVE-2023-44487).
async fn cancel_calls(dialer: &Dialer, cancels: u32) {
    let Ok(link) = dialer.dial().await else { return };
    for _ in 0..cancels {
        if link.is_closed() {
            return;
        }
        let mut client = link.client();
        drop(timeout(CALL_PATIENCE, client.subscribe(tokio_stream::pending())).await);
    }
}

fn open(link: ClientLink, attempt: u64, repertoire: &mut Repertoire) -> ClientConnection {
    let settings = StreamSettings {
        attempt,
        watchdog: Some(WATCHDOG_INTERVALS),
        advertised: None,
        resume_probe: None,
        dialect: repertoire.dialect(),
        quirk: None,
        heard_data: None,
        observer: Arc::new(Unobserved),
    };
    ClientConnection::open(link, vec![repertoire.mutate()], settings)
}

/// Nobody watches it: the proxy's tap and the node tell of its streams.
struct Unobserved;

impl ClientObserver for Unobserved {
    fn notice(&self, _notice: ClientNotice) {}
}

/// One stream, from its opening to its end.
struct Stay<'v> {
    connection: ClientConnection,
    repertoire: &'v mut Repertoire,
    every: Duration,
}

impl Stay<'_> {
    async fn last(mut self, end: Instant) {
        while Instant::now() < end {
            let pause = self.every.mul_f64(f64::from(self.repertoire.roll(2_000)) / 1_000.0);
            if self.listen(Instant::now() + pause).await.is_break() || self.ask().await.is_break() {
                return;
            }
        }
        self.leave().await;
    }

    /// Takes what comes until then; breaks at the stream's end.
    async fn listen(&mut self, until: Instant) -> ControlFlow<()> {
        loop {
            tokio::select! {
                biased;
                events = self.connection.next_batch(BATCH_EVENTS_MAX) => {
                    if events.is_empty() {
                        return ControlFlow::Break(());
                    }
                    self.repertoire.hear(&events);
                }
                () = sleep_until(until) => return ControlFlow::Continue(()),
            }
        }
    }

    /// Breaks where the stream is over, by its own will or another's.
    async fn ask(&mut self) -> ControlFlow<()> {
        let mutates = match self.repertoire.roll(16) {
            0 => {
                self.leave().await;
                return ControlFlow::Break(());
            }
            1 => return ControlFlow::Break(()), // it hangs up
            2 | 3 => return self.probe().await,
            4 | 5 => self.repertoire.catch_up().into_iter().collect(),
            // One upon the other, before the first is answered.
            6 | 7 => (0..3).map(|_| self.repertoire.mutate()).collect(),
            _ => vec![self.repertoire.mutate()],
        };
        for mutate in mutates {
            if self.connection.mutate(mutate).await.is_err() {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// Asks for a sign of life, and listens meanwhile.
    async fn probe(&mut self) -> ControlFlow<()> {
        let handle = self.connection.handle();
        let until = Instant::now() + PROBE_PATIENCE;
        let probe = handle.probe_within(PROBE_PATIENCE);
        tokio::select! {
            biased;
            listened = self.listen(until) => listened,
            _ = probe => ControlFlow::Continue(()),
        }
    }

    /// Half-closes, and takes what is still to come (S11).
    async fn leave(&mut self) {
        if self.connection.finish().await.is_err() {
            return;
        }
        let until = Instant::now() + END_PATIENCE;
        while let Ok(events) = timeout_at(until, self.connection.next_batch(BATCH_EVENTS_MAX)).await
            && !events.is_empty()
        {
            self.repertoire.hear(&events);
        }
    }
}
