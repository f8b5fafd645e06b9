//! The fallback to the two older calls, one stream for groups and one for welcomes, where Subscribe is not served (C6).
//!
//! Refuses to know when Subscribe is tried again, and when to dial again: it is one attempt, told until when to follow.
//!
//! ```text
//!   dialing --both streams' headers--> following --an error, an end, idle for 300 s--> ended
//!                                          +------- the time is up ------------------> ended
//! ```
//! Nobody is pinged on these streams and they cannot be asked: only `WatchdogStream` finds a dead one.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};
use tokio_stream::{Stream, StreamExt};
use tonic::{Status, Streaming};

use crate::subject::xmtp::client::channel::{ClientLink, request};
use crate::subject::xmtp::client::stream::ClientEnding;
use crate::subject::xmtp::client::subscriber::Subscriber;
use crate::subject::xmtp::client::watchdog_stream::{ResubscribeConfig, StreamStale, WatchdogStream};
use crate::subject::xmtp::client::{Application, Cause, ClientNotice, ClientQuirk};
use crate::subject::xmtp::wire::proto::{
    SubscribeGroupMessagesRequest, SubscribeWelcomeMessagesRequest, subscribe_group_messages_request as group,
    subscribe_welcome_messages_request as welcome,
};
use crate::subject::xmtp::wire::{Add, Malformed, Message, MessageKind};

/// The messages of both kinds, as they come.
type Messages = Pin<Box<dyn Stream<Item = Result<Message, Cause>> + Send>>;

/// The same, and none where one of the two has ended: with that, both have.
type Endings = Pin<Box<dyn Stream<Item = Option<Result<Message, Cause>>> + Send>>;

impl From<StreamStale> for Cause {
    fn from(_: StreamStale) -> Self {
        Cause::Watchdog
    }
}

impl<A: Application> Subscriber<A> {
    /// Follows the older calls on one connection until they end, or until that time.
    pub(crate) async fn follow_older(&mut self, until: Instant) -> Result<ClientEnding, Cause> {
        let adds = self.intake.resume().map_err(|error| self.blame_inbox(&error))?;
        let link = self.dialer.dial().await.map_err(|error| Cause::DialFailed(error.to_string()))?;
        // No call can be split: the node holds all streams of its kind, or none.
        self.narrowing.ask_elsewhere(1);
        // The headers may be as dead as the stream.
        let opening = timeout(ResubscribeConfig::default().idle, open(link, adds, self.older_idle())).await;
        let opened = opening.map_err(|_| Cause::Watchdog)?;
        let messages = opened.map_err(|status| Cause::of_error(&status.into(), false))?;
        self.narrowing.grant();
        self.notice(ClientNotice::Started { attempt: self.settings.attempt, keepalive: None });
        let begun = Instant::now();
        let ended = timeout_at(until, self.take_all(messages)).await;
        Ok(ClientEnding { cause: ended.unwrap_or(Cause::FallbackOver), uptime: begun.elapsed() })
    }

    /// How long either call may be silent.
    fn older_idle(&self) -> Duration {
        match self.settings.quirk {
            Some(ClientQuirk::OlderCallsUnwatched) => Duration::MAX,
            _ => ResubscribeConfig::default().idle,
        }
    }

    async fn take_all(&mut self, mut messages: Messages) -> Cause {
        while let Some(message) = messages.next().await {
            let taken = match message {
                Ok(message) => self.take_messages([message]).await,
                Err(cause) => return cause,
            };
            if let Err(cause) = taken {
                return cause;
            }
        }
        Cause::StreamEnded
    }
}

/// Opens a stream for each kind that there are topics of; both live as long as the connection does.
async fn open(link: ClientLink, adds: Vec<Add>, idle: Duration) -> Result<Messages, Status> {
    let (groups, welcomes): (Vec<Add>, Vec<Add>) =
        adds.into_iter().partition(|add| add.topic.kind() == MessageKind::Group);
    let mut client = link.client();
    let mut both: Endings = Box::pin(tokio_stream::empty());
    if !groups.is_empty() {
        let filter = |add: Add| group::Filter { group_id: add.topic.rest(), id_cursor: add.cursor.0 };
        let body = SubscribeGroupMessagesRequest { filters: groups.into_iter().map(filter).collect() };
        let streaming = client.subscribe_group_messages(request(body)).await?.into_inner();
        both = Box::pin(both.merge(watched(streaming, Message::from_group, idle)));
    }
    if !welcomes.is_empty() {
        let filter = |add: Add| welcome::Filter { installation_key: add.topic.rest(), id_cursor: add.cursor.0 };
        let body = SubscribeWelcomeMessagesRequest { filters: welcomes.into_iter().map(filter).collect() };
        let streaming = client.subscribe_welcome_messages(request(body)).await?.into_inner();
        both = Box::pin(both.merge(watched(streaming, Message::from_welcome, idle)));
    }
    Ok(Box::pin(both.map_while(move |message| {
        let _open = &link;
        message
    })))
}

/// One kind's stream, and none at its end. It has a watchdog of its own: the other kind's messages say nothing of it.
fn watched<M: Send + 'static>(
    streaming: Streaming<M>,
    from: fn(M) -> Result<Message, Malformed>,
    idle: Duration,
) -> Endings {
    let messages = streaming.filter_map(move |heard| read(heard, from));
    let watched = WatchdogStream::over(messages, idle);
    Box::pin(watched.map(Some).chain(tokio_stream::once(None)))
}

/// What is malformed is skipped with a warning, as on a Subscribe stream.
fn read<M>(heard: Result<M, Status>, from: fn(M) -> Result<Message, Malformed>) -> Option<Result<Message, Cause>> {
    match heard.map(from) {
        Ok(Ok(message)) => Some(Ok(message)),
        Ok(Err(malformed)) => {
            tracing::warn!(%malformed, "skipped a message");
            None
        }
        Err(status) => Some(Err(Cause::of_error(&status.into(), true))),
    }
}
