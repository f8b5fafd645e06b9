//! How a proxy is asked to end: no new connections, GOAWAY on those there are, and then it waits for their streams.
//!
//! Refuses to know for how long: whoever asks drops the proxy when its patience ends.

use std::future::pending;

use tokio::sync::watch;

/// Asks a proxy to drain. Dropping it asks nothing.
#[derive(Debug)]
pub struct DrainSwitch(watch::Sender<bool>);

/// What a proxy listens to.
#[derive(Clone, Debug, Default)]
pub struct Drain(Option<watch::Receiver<bool>>);

impl DrainSwitch {
    /// A switch, and what it switches.
    #[must_use]
    pub fn new() -> (DrainSwitch, Drain) {
        let (sender, receiver) = watch::channel(false);
        (DrainSwitch(sender), Drain(Some(receiver)))
    }

    /// Asks.
    pub fn throw(&self) {
        self.0.send_replace(true);
    }
}

impl Drain {
    /// Waits until it is asked for; for ever where nobody can ask.
    pub(crate) async fn asked(&mut self) {
        let Some(receiver) = &mut self.0 else { return pending().await };
        if receiver.wait_for(|is_asked| *is_asked).await.is_err() {
            pending().await
        }
    }
}
