//! An application that consumes: it takes its time for each batch.

use std::time::Duration;

use crate::subject::xmtp::client::Application;
use crate::subject::xmtp::wire::Message;

/// Takes `time` for each batch of messages.
#[derive(Clone, Copy, Debug)]
pub struct Consumer {
    /// How long it works on a batch.
    pub time: Duration,
}

impl Application for Consumer {
    async fn process(&mut self, _messages: &[Message]) {
        if !self.time.is_zero() {
            tokio::time::sleep(self.time).await;
        }
    }
}
