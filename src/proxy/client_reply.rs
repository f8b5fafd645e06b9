//! The half of a stream that the client reads: the node's answer, or what the proxy says in its place.
//!
//! Refuses to know why the proxy says something of its own.
//!
//! ```text
//! Awaited --response headers, the node's or the proxy's--> Begun --END_STREAM, or RST_STREAM--> over
//! ```

use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::{HeaderMap, Response};

use crate::lie::{Reaction, ResetWith};
use crate::proxy::gate::Piece;
use crate::proxy::head::{self, OwnResponse};
use crate::proxy::notice::ProxyFate;

/// The half that the client reads.
pub(crate) enum ClientReply {
    Awaited(SendResponse<Bytes>),
    Begun(SendStream<Bytes>),
}

/// What of a stream decides how the proxy says something of its own.
#[derive(Clone, Copy)]
pub(crate) struct ClientState<'s> {
    /// It speaks gRPC, which wants errors in trailers.
    pub(crate) is_grpc: bool,
    /// It has not ended its half.
    pub(crate) is_open: bool,
    /// The node's own error code, where there is one.
    pub(crate) cause: Option<Reason>,
    /// Why, for people.
    pub(crate) why: &'s str,
}

impl ClientReply {
    /// Hands on the node's response headers.
    pub(crate) fn begin(&mut self, response: Response<()>, is_whole: bool) -> ProxyFate {
        let ClientReply::Awaited(respond) = self else { return ProxyFate::Swallowed };
        match respond.send_response(response, is_whole) {
            Ok(sink) => {
                *self = ClientReply::Begun(sink);
                ProxyFate::Passed
            }
            Err(_) => {
                // The client is gone already, or HTTP/2 cannot express the head; the reset ends the second case too.
                respond.send_reset(Reason::INTERNAL_ERROR);
                ProxyFate::Swallowed
            }
        }
    }

    /// Ready when the client reset the stream, with that code, or its connection is gone.
    pub(crate) fn poll_left(&mut self, context: &mut Context<'_>) -> Poll<Option<Reason>> {
        match self {
            ClientReply::Awaited(respond) => respond.poll_reset(context).map(Result::ok),
            ClientReply::Begun(sink) => sink.poll_reset(context).map(Result::ok),
        }
    }

    /// Says one thing of the proxy's own; what an observer is to be told of it.
    ///
    /// # Errors
    /// The client is gone.
    pub(crate) fn react(&mut self, reaction: &Reaction, client: ClientState<'_>) -> Result<Vec<Piece>, h2::Error> {
        match reaction {
            Reaction::Reset { if_open: true, .. } if !client.is_open => Ok(Vec::new()),
            Reaction::Reset { with, .. } => {
                let code = match with {
                    ResetWith::Code(code) => code.number().into(),
                    ResetWith::Same => client.cause.unwrap_or(Reason::INTERNAL_ERROR),
                };
                match self {
                    ClientReply::Awaited(respond) => respond.send_reset(code),
                    ClientReply::Begun(sink) => sink.send_reset(code),
                }
                Ok(vec![Piece::Reset])
            }
            Reaction::EndStream => self.end(OwnResponse::bare()),
            Reaction::HtmlEndStream => self.end(OwnResponse::html(502)),
            Reaction::Status { status, body } => self.end(OwnResponse::page(*status, *body)),
            Reaction::GrpcStatus { code, message } if client.is_grpc => {
                let message = if message.is_empty() { client.why } else { message };
                self.end(OwnResponse::grpc(*code, message))
            }
            // Who does not speak gRPC has no use for its words.
            Reaction::GrpcStatus { code, .. } => self.end(OwnResponse::of_grpc_code(*code)),
            // Of the node's trailers there are none here; and what is done to a connection is not done by a stream.
            Reaction::Nothing
            | Reaction::AwaitClientEnd
            | Reaction::Trailers
            | Reaction::Goaway(_)
            | Reaction::Drain
            | Reaction::Close
            | Reaction::TcpReset
            | Reaction::Forget => Ok(Vec::new()),
        }
    }

    /// Ends the response: with headers of the proxy's own where there are none yet, whose page and trailers follow.
    fn end(&mut self, own: OwnResponse) -> Result<Vec<Piece>, h2::Error> {
        let OwnResponse { head, page, trailers } = own;
        let mut told = Vec::new();
        let sink = match self {
            ClientReply::Awaited(respond) if page.is_none() => {
                let head = head::with_trailers(head, trailers);
                respond.send_response(head, true)?;
                return Ok(vec![Piece::Headers, Piece::End(HeaderMap::new())]);
            }
            ClientReply::Awaited(respond) => {
                *self = ClientReply::Begun(respond.send_response(head, false)?);
                told.push(Piece::Headers);
                let ClientReply::Begun(sink) = self else { return Ok(told) };
                sink
            }
            ClientReply::Begun(sink) => sink,
        };
        match trailers {
            Some(trailers) => {
                sink.send_trailers(trailers.clone())?;
                told.push(Piece::End(trailers));
            }
            None => {
                // A page is nobody's payload, and no observer reads it.
                sink.send_data(page.unwrap_or_default(), true)?;
                told.push(Piece::End(HeaderMap::new()));
            }
        }
        Ok(told)
    }
}
