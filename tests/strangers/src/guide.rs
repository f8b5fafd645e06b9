//! tonic's default `Channel` and `Server`, with streams of one way and of both.

use std::pin::Pin;

use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::{BroadcastStream, ReceiverStream};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

use crate::Result;
use crate::orders::{due, newest, seen};

#[allow(missing_docs)]
mod pb {
    tonic::include_proto!("guide");
}
pub use pb::guide_client::GuideClient;
use pb::guide_server::{Guide, GuideServer};
pub use pb::{After, Note};

struct Book {
    chat: broadcast::Sender<Note>,
}

type Notes = Pin<Box<dyn Stream<Item = std::result::Result<Note, Status>> + Send>>;

#[tonic::async_trait]
impl Guide for Book {
    type FollowStream = Notes;
    async fn follow(&self, after: Request<After>) -> std::result::Result<Response<Notes>, Status> {
        let (notes, told) = mpsc::channel(16);
        tokio::spawn(async move {
            let mut number = after.into_inner().number;
            loop {
                number = due(number + 1).await;
                if notes.send(Ok(Note { number, words: String::new() })).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(told))))
    }

    type ChatStream = Notes;
    async fn chat(&self, said: Request<Streaming<Note>>) -> std::result::Result<Response<Notes>, Status> {
        let (chat, mut said) = (self.chat.clone(), said.into_inner());
        let heard = BroadcastStream::new(chat.subscribe());
        tokio::spawn(async move {
            while let Ok(Some(note)) = said.message().await {
                let _ = chat.send(note);
            }
        });
        Ok(Response::new(Box::pin(heard.map(|note| note.map_err(|e| Status::data_loss(e.to_string()))))))
    }
}

pub async fn serve(at: &str) -> Result {
    let book = Book { chat: broadcast::channel(16).0 };
    Ok(tonic::transport::Server::builder().add_service(GuideServer::new(book)).serve(at.parse()?).await?)
}

/// Follows, and begins again where it was when the stream ends.
pub async fn follow(url: String) -> Result {
    let mut after = newest();
    loop {
        if let Err(error) = follow_once(&url, &mut after).await {
            seen(format_args!("error {error}"));
        }
        tokio::time::sleep(crate::orders::EVERY).await;
    }
}

async fn follow_once(url: &str, after: &mut u64) -> Result {
    let mut notes = GuideClient::connect(url.to_owned()).await?.follow(After { number: *after }).await?.into_inner();
    while let Some(note) = notes.message().await? {
        *after = note.number;
        seen(format_args!("order {after}"));
    }
    Ok(())
}

/// Says each new order in the chat and hears it.
pub async fn chat(url: String) -> Result {
    let (say, said) = mpsc::channel(16);
    let mut heard = GuideClient::connect(url).await?.chat(ReceiverStream::new(said)).await?.into_inner();
    loop {
        say.send(Note { number: due(newest() + 1).await, words: "said".to_owned() }).await?;
        let Some(note) = heard.message().await? else { return Ok(()) };
        seen(format_args!("heard {}", note.number));
    }
}
