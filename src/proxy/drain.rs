//! How a proxy is asked to end: no new connections, GOAWAY on those there are, and then it waits for their streams.
//!
//! Refuses to know for how long: whoever asks says when its patience ends, and drops the proxy.

use std::future::pending;

use tokio::sync::watch;

/// Asks a proxy to drain. Dropping it asks nothing.
#[derive(Debug)]
pub struct DrainSwitch(watch::Sender<DrainStage>);

/// How far a drain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum DrainStage {
    /// It was not asked for.
    Ahead,
    Asked,
    /// What still runs is not waited for any more.
    OutOfTime,
}

/// What a proxy listens to.
#[derive(Clone, Debug, Default)]
pub struct Drain(Option<watch::Receiver<DrainStage>>);

impl DrainSwitch {
    /// A switch, and what it switches.
    #[must_use]
    pub fn new() -> (DrainSwitch, Drain) {
        let (sender, receiver) = watch::channel(DrainStage::Ahead);
        (DrainSwitch(sender), Drain(Some(receiver)))
    }

    /// Asks.
    pub fn throw(&self) {
        self.0.send_replace(DrainStage::Asked);
    }

    /// Asks for the end of all connections, whatever runs on them.
    pub fn end(&self) {
        self.0.send_replace(DrainStage::OutOfTime);
    }
}

impl Drain {
    /// Waits until it is asked for; for ever where nobody can ask.
    pub(crate) async fn asked(&mut self) {
        self.reached(DrainStage::Asked).await;
    }

    /// Waits until nothing that runs is waited for.
    pub(crate) async fn out_of_time(&mut self) {
        self.reached(DrainStage::OutOfTime).await;
    }

    async fn reached(&mut self, stage: DrainStage) {
        let Some(receiver) = &mut self.0 else { return pending().await };
        if receiver.wait_for(|reached| *reached >= stage).await.is_err() {
            pending().await
        }
    }
}
