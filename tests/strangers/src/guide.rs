//! tonic's default `Channel` and `Server`, with streams of one way and of both.

use std::pin::Pin;

use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::{BroadcastStream, ReceiverStream};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

use crate::Result;
use crate::orders::{self, EVERY};

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
                number = orders::after(number).await;
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

/// Serves there.
pub async fn serve(at: &str) -> Result {
    tokio::spawn(orders::take());
    let book = Book { chat: broadcast::channel(16).0 };
    Ok(tonic::transport::Server::builder().add_service(GuideServer::new(book)).serve(at.parse()?).await?)
}

/// Says something in the chat now and then, and waits until it is heard; begins again when the chat ends.
pub async fn chat(url: &str) -> Result {
    loop {
        if let Err(error) = chat_once(url).await {
            tracing::debug!(%error, "the chat ended");
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn chat_once(url: &str) -> Result {
    let (say, said) = mpsc::channel(16);
    let mut heard = GuideClient::connect(url.to_owned()).await?.chat(ReceiverStream::new(said)).await?.into_inner();
    for number in 1.. {
        say.send(Note { number, words: "said".to_owned() }).await?;
        heard.message().await?.ok_or("the chat is over")?;
        tokio::time::sleep(EVERY).await;
    }
    Ok(())
}
