//! The fallback to the two older calls, one stream for groups and one for welcomes, where Subscribe is not served (C6).
//!
//! Refuses to know when Subscribe is tried again: it is told until when to follow.
//!
//! ```text
//!   making --both streams--> following --an error, idle for 300 s--> waiting --> making
//!                                |
//!                                +--a clean end, or the time is up--> ended
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
use crate::subject::xmtp::client::watchdog_stream::{
    Resubscribe, ResubscribeConfig, StreamStale, WatchdogStream, resubscribe,
};
use crate::subject::xmtp::client::{Application, Cause};
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
    /// Follows the older calls until that time, or until an attempt fails that no other is to follow at once.
    pub(crate) async fn follow_older(&mut self, until: Instant) -> ClientEnding {
        let begun = Instant::now();
        let followed = timeout_at(until, resubscribe(ResubscribeConfig::default(), self)).await;
        let cause = match followed {
            Ok(Err(cause)) => cause,
            Ok(Ok(())) | Err(_) => Cause::StreamEnded,
        };
        // Where the time was up between two attempts, the last one has told its end.
        if self.attempting {
            self.end(&cause);
        }
        ClientEnding { cause, uptime: begun.elapsed() }
    }

    async fn open_older(&mut self) -> Result<Messages, Cause> {
        self.begin();
        let adds = self.intake.resume().map_err(|error| self.blame_inbox(&error))?;
        let link = self.dialer.dial().await.map_err(|error| Cause::DialFailed(error.to_string()))?;
        // The headers may be as dead as the stream.
        let opening = timeout(ResubscribeConfig::default().idle, open(link, adds)).await;
        opening.map_err(|_| Cause::Watchdog)?.map_err(|status| Cause::of_error(&status.into(), false))
    }
}

impl<A: Application> Resubscribe for Subscriber<A> {
    type Item = Message;
    type Error = Cause;
    type Items = Messages;

    async fn make(&mut self) -> Result<Messages, Cause> {
        self.open_older().await
    }

    async fn take(&mut self, message: Message) -> Result<(), Cause> {
        self.take_messages([message]).await.map(drop)
    }

    fn failed(&mut self, error: Cause) -> Result<(), Cause> {
        if matches!(error, Cause::Rejected(_)) {
            return Err(error);
        }
        self.end(&error);
        Ok(())
    }

    fn draw(&mut self, most: Duration) -> Duration {
        self.dice.up_to(most)
    }
}

/// Opens a stream for each kind that there are topics of; both live as long as the connection does.
async fn open(link: ClientLink, adds: Vec<Add>) -> Result<Messages, Status> {
    let (groups, welcomes): (Vec<Add>, Vec<Add>) =
        adds.into_iter().partition(|add| add.topic.kind() == MessageKind::Group);
    let mut client = link.client();
    let mut both: Endings = Box::pin(tokio_stream::empty());
    if !groups.is_empty() {
        let filter = |add: Add| group::Filter { group_id: add.topic.rest(), id_cursor: add.cursor.0 };
        let body = SubscribeGroupMessagesRequest { filters: groups.into_iter().map(filter).collect() };
        let streaming = client.subscribe_group_messages(request(body)).await?.into_inner();
        both = Box::pin(both.merge(watched(streaming, Message::from_group)));
    }
    if !welcomes.is_empty() {
        let filter = |add: Add| welcome::Filter { installation_key: add.topic.rest(), id_cursor: add.cursor.0 };
        let body = SubscribeWelcomeMessagesRequest { filters: welcomes.into_iter().map(filter).collect() };
        let streaming = client.subscribe_welcome_messages(request(body)).await?.into_inner();
        both = Box::pin(both.merge(watched(streaming, Message::from_welcome)));
    }
    Ok(Box::pin(both.map_while(move |message| {
        let _open = &link;
        message
    })))
}

/// One kind's stream, and none at its end. It has a watchdog of its own: the other kind's messages say nothing of it.
fn watched<M: Send + 'static>(streaming: Streaming<M>, from: fn(M) -> Result<Message, Malformed>) -> Endings {
    let messages = streaming.filter_map(move |heard| read(heard, from));
    let watched = WatchdogStream::over(messages, ResubscribeConfig::default().idle);
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
