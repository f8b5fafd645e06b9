//! etcd-client, and a small etcd: puts and watches. What it has stored outlives it (see `orders`).

use std::sync::Arc;

use etcd_client::Client;
use etcd_client::proto::{self as pb, PbWatchRequestUnion as Asked};
use pulseless::stranger::produced;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::Result;
use crate::orders;

type Answer<T> = std::result::Result<Response<T>, Status>;

/// All that was ever put: the revision of the first is 2, as with etcd.
#[derive(Clone)]
struct Etcd(Arc<watch::Sender<Vec<pb::PbKeyValue>>>);

thread_local! {
    static STORED: Etcd = Etcd(Arc::new(watch::Sender::new(Vec::new())));
}

/// Serves there.
pub async fn serve(at: &str) -> Result {
    let etcd = STORED.with(Etcd::clone);
    let server = tonic::transport::Server::builder()
        .add_service(pb::PbKvServer::new(etcd.clone()))
        .add_service(pb::PbWatchServer::new(etcd));
    Ok(server.serve(at.parse()?).await?)
}

impl Etcd {
    fn revision(&self) -> i64 {
        1 + i64::try_from(self.0.borrow().len()).expect("fits")
    }

    fn header(&self) -> Option<pb::PbResponseHeader> {
        Some(pb::PbResponseHeader { revision: self.revision(), ..Default::default() })
    }

    /// What was put with these keys from this revision on.
    fn events(&self, key: &[u8], end: &[u8], from: i64) -> Vec<pb::PbEvent> {
        let wanted = |kv: &&pb::PbKeyValue| {
            kv.mod_revision >= from && if end.is_empty() { kv.key == key } else { *key <= *kv.key && *kv.key < *end }
        };
        let puts = self.0.borrow();
        puts.iter().filter(wanted).map(|kv| pb::PbEvent { kv: Some(kv.clone()), ..Default::default() }).collect()
    }
}

#[tonic::async_trait]
impl pb::PbKvService for Etcd {
    async fn put(&self, put: Request<pb::PbPutRequest>) -> Answer<pb::PbPutResponse> {
        let pb::PbPutRequest { key, value, .. } = put.into_inner();
        let order = std::str::from_utf8(&key).ok().and_then(|key| key.strip_prefix("orders/")?.parse().ok());
        let order = order.ok_or_else(|| Status::invalid_argument("orders alone"))?;
        self.0.send_modify(|puts| {
            let mod_revision = 2 + i64::try_from(puts.len()).expect("fits");
            puts.push(pb::PbKeyValue { key, value, mod_revision, version: 1, ..Default::default() });
        });
        produced("orders", order, order);
        Ok(Response::new(pb::PbPutResponse { header: self.header(), prev_kv: None }))
    }

    async fn range(&self, _: Request<pb::PbRangeRequest>) -> Answer<pb::PbRangeResponse> {
        Ok(Response::new(pb::PbRangeResponse { header: self.header(), ..Default::default() }))
    }

    type RangeStreamStream = tokio_stream::Empty<std::result::Result<pb::PbRangeStreamResponse, Status>>;
    async fn range_stream(&self, _: Request<pb::PbRangeRequest>) -> Answer<Self::RangeStreamStream> {
        Err(Status::unimplemented("puts and watches alone"))
    }

    async fn delete_range(&self, _: Request<pb::PbDeleteRequest>) -> Answer<pb::PbDeleteResponse> {
        Err(Status::unimplemented("puts and watches alone"))
    }

    async fn txn(&self, _: Request<pb::PbTxnRequest>) -> Answer<pb::PbTxnResponse> {
        Err(Status::unimplemented("puts and watches alone"))
    }

    async fn compact(&self, _: Request<pb::PbCompactionRequest>) -> Answer<pb::PbCompactionResponse> {
        Err(Status::unimplemented("puts and watches alone"))
    }
}

#[tonic::async_trait]
impl pb::PbWatchService for Etcd {
    type WatchStream = ReceiverStream<std::result::Result<pb::PbWatchResponse, Status>>;
    async fn watch(&self, asked: Request<Streaming<pb::PbWatchRequest>>) -> Answer<Self::WatchStream> {
        let (answers, told) = mpsc::channel(16);
        tokio::spawn(self.clone().answer(asked.into_inner(), answers));
        Ok(Response::new(ReceiverStream::new(told)))
    }
}

impl Etcd {
    /// One watcher for each stream.
    async fn answer(
        self,
        mut asked: Streaming<pb::PbWatchRequest>,
        answers: mpsc::Sender<std::result::Result<pb::PbWatchResponse, Status>>,
    ) {
        let mut stored = self.0.subscribe();
        let mut watched = None;
        loop {
            let mut answer = pb::PbWatchResponse::default();
            tokio::select! {
                biased;
                request = asked.message() => match request.ok().flatten().and_then(|request| request.request_union) {
                    Some(Asked::CreateRequest(create)) => {
                        let from = if create.start_revision == 0 { self.revision() + 1 } else { create.start_revision };
                        watched = Some((create.key, create.range_end, from));
                        stored.mark_changed();
                        answer.created = true;
                    }
                    Some(Asked::ProgressRequest(_)) => answer.watch_id = -1,
                    Some(Asked::CancelRequest(_)) => (watched, answer.canceled) = (None, true),
                    None => return,
                },
                Ok(()) = stored.changed() => {
                    stored.mark_unchanged();
                    let Some((key, end, from)) = &mut watched else { continue };
                    answer.events = self.events(key, end, *from);
                    *from = self.revision() + 1;
                    if answer.events.is_empty() {
                        continue;
                    }
                }
            }
            answer.header = self.header();
            if answers.send(Ok(answer)).await.is_err() {
                return;
            }
        }
    }
}

/// Puts each new order.
pub async fn put(url: &str) -> Result {
    let mut client = Client::connect([url], None).await?;
    loop {
        let order = orders::next().await;
        if let Err(error) = client.put(format!("orders/{order}"), "", None).await {
            tracing::debug!(%error, "the order is lost");
        }
    }
}
