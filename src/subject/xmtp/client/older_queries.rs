//! The bounded catch-up where Subscribe is not served (C6): topic by topic, page by page, by the queries of older nodes.
//!
//! Refuses to know what comes later: a topic ends for it at the message that is its newest when it is asked for first.
//!
//! ```text
//!   for each topic:  asking for the newest --its id--> paging upwards --the page that reaches it--> done
//!                            +--no message, or none above the cursor--> done
//! ```

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Response, Status};

use crate::subject::xmtp::client::channel::request;
use crate::subject::xmtp::client::subscriber::Subscriber;
use crate::subject::xmtp::client::{Application, Cause};
use crate::subject::xmtp::wire::proto::mls_api_client::MlsApiClient;
use crate::subject::xmtp::wire::proto::{QueryGroupMessagesRequest, QueryWelcomeMessagesRequest};
use crate::subject::xmtp::wire::{Add, Cursor, Malformed, Message, MessageKind, Paging, Topic};

/// So many messages are asked for in one page; a node may give fewer. 100: the reference node's bound.
const PAGE_MESSAGES: u32 = 100;

impl<A: Application> Subscriber<A> {
    /// Takes what the node has now on each topic, and returns how many messages of it were new. Each answer is waited for
    /// for the `patience`.
    pub(crate) async fn query_all(&mut self, patience: Duration) -> Result<u64, Cause> {
        let adds = self.intake.resume().map_err(|error| self.blame_inbox(&error))?;
        let link = self.dialer.dial().await.map_err(|error| Cause::DialFailed(error.to_string()))?;
        let mut client = link.client();
        // No query can be made smaller.
        self.narrowing.ask_elsewhere(1);
        let mut taken = 0;
        for add in adds {
            taken += self.query_topic(&mut client, add, patience).await?;
        }
        self.narrowing.grant();
        Ok(taken)
    }

    async fn query_topic(
        &mut self,
        client: &mut MlsApiClient<Channel>,
        add: Add,
        patience: Duration,
    ) -> Result<u64, Cause> {
        let Add { topic, mut cursor } = add;
        let newest = Paging { descending: true, limit: 1, cursor: Cursor(0) };
        let newest = ask(client, &topic, newest, patience).await?.first().map(|message| message.id);
        let mut taken = 0;
        while newest.is_some_and(|newest| cursor.is_before(newest)) {
            let paging = Paging { descending: false, limit: PAGE_MESSAGES, cursor };
            let page = ask(client, &topic, paging, patience).await?;
            let reached = page.iter().map(|message| Cursor::from(message.id)).max();
            // A node that repeats itself, or says nothing, must not hold the call.
            let Some(reached) = reached.filter(|reached| *reached > cursor) else {
                return Err(Cause::StreamFailed(format!("the pages of {topic} end before its newest message")));
            };
            cursor = reached;
            taken += self.take_messages(page).await? as u64;
        }
        Ok(taken)
    }
}

/// One page. What is malformed in it is skipped with a warning, as on a stream.
async fn ask(
    client: &mut MlsApiClient<Channel>,
    topic: &Topic,
    paging: Paging,
    patience: Duration,
) -> Result<Vec<Message>, Cause> {
    let paging_info = Some(paging.into_proto());
    match topic.kind() {
        MessageKind::Group => {
            let body = QueryGroupMessagesRequest { group_id: topic.rest(), paging_info };
            let page = in_time(client.query_group_messages(request(body)), patience).await?;
            Ok(readable(page.messages, Message::from_group))
        }
        MessageKind::Welcome => {
            let body = QueryWelcomeMessagesRequest { installation_key: topic.rest(), paging_info };
            let page = in_time(client.query_welcome_messages(request(body)), patience).await?;
            Ok(readable(page.messages, Message::from_welcome))
        }
    }
}

async fn in_time<T>(answer: impl Future<Output = Result<Response<T>, Status>>, patience: Duration) -> Result<T, Cause> {
    let answer = timeout(patience, answer).await.map_err(|_| Cause::Stalled { after: patience })?;
    answer.map(Response::into_inner).map_err(|status| Cause::of_error(&status.into(), false))
}

fn readable<M>(messages: Vec<M>, from: fn(M) -> Result<Message, Malformed>) -> Vec<Message> {
    let read = messages.into_iter().filter_map(|message| match from(message) {
        Ok(message) => Some(message),
        Err(malformed) => {
            tracing::warn!(%malformed, "skipped a message");
            None
        }
    });
    read.collect()
}
