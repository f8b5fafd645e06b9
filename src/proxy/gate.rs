//! One stream's view of the control: which of its directions are silent, and the notices of what it lets through.
//!
//! Refuses to know how bytes get to it and where they go.
//!
//! ```text
//! each direction:   open <--rule added/removed--> ruled --something swallowed--> severed (for ever)
//! ```

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use tokio_stream::Stream;
use tokio_stream::wrappers::WatchStream;

use crate::proxy::control::{Control, Mark, Rules};
use crate::proxy::notice::{Direction, ProxyFate, ProxyNotice, ProxyObserver, StreamKey};

/// One thing that travels on a stream.
pub(crate) enum Piece {
    Headers,
    Data(Bytes),
    /// The orderly end, with its trailers; a bare one has none.
    End(HeaderMap),
    Reset,
}

/// Decides what passes on one stream, and tells the observer.
pub(crate) struct Gate {
    stream: StreamKey,
    peer: IpAddr,
    path: String,
    observer: Arc<dyn ProxyObserver>,
    changes: WatchStream<Rules>,
    to_node: GateSide,
    to_client: GateSide,
}

#[derive(Default)]
struct GateSide {
    /// Something was swallowed: a hole in a byte stream cannot be healed.
    is_severed: bool,
    /// Of the rules in force.
    marks: Vec<Mark>,
}

impl Gate {
    /// The gate of a new stream, which it announces.
    pub(crate) fn new(
        control: &Control,
        observer: Arc<dyn ProxyObserver>,
        stream: StreamKey,
        peer: IpAddr,
        path: &str,
    ) -> Self {
        let mut receiver = control.subscribe();
        let rules = receiver.borrow_and_update().clone();
        let changes = WatchStream::from_changes(receiver);
        let (to_node, to_client) = (GateSide::default(), GateSide::default());
        observer.notice(ProxyNotice::StreamOpened { stream, path: path.into() });
        let mut gate = Gate { stream, peer, path: path.into(), observer, changes, to_node, to_client };
        gate.apply(&rules);
        gate
    }

    /// Takes up the changes of the rules; the task of `context` is woken at the next.
    pub(crate) fn follow(&mut self, context: &mut Context<'_>) {
        // Ends: a watch holds one value, and each turn takes the newest.
        while let Poll::Ready(Some(rules)) = Pin::new(&mut self.changes).poll_next(context) {
            self.apply(&rules);
        }
    }

    /// Whether nothing passes that way: a rule says so, or something is missing already.
    pub(crate) fn is_silent(&self, direction: Direction) -> bool {
        let side = self.side(direction);
        side.is_severed || !side.marks.is_empty()
    }

    /// Whether a rule in force says that nothing passes that way.
    pub(crate) fn is_ruled(&self, direction: Direction) -> bool {
        !self.side(direction).marks.is_empty()
    }

    /// Tells that a piece was handed on.
    pub(crate) fn pass(&self, direction: Direction, piece: Piece) {
        self.notice(direction, piece, ProxyFate::Passed);
    }

    /// Tells that a piece goes no further. In silence this severs the direction and marks the rules as felt.
    pub(crate) fn swallow(&mut self, direction: Direction, piece: Piece) {
        if self.is_silent(direction) {
            let side = match direction {
                Direction::ToNode => &mut self.to_node,
                Direction::ToClient => &mut self.to_client,
            };
            side.is_severed = true;
            side.marks.iter().for_each(Mark::feel);
        }
        self.notice(direction, piece, ProxyFate::Swallowed);
    }

    /// Tells that the stream is over.
    pub(crate) fn close(self) {
        self.observer.notice(ProxyNotice::StreamClosed { stream: self.stream });
    }

    fn side(&self, direction: Direction) -> &GateSide {
        match direction {
            Direction::ToNode => &self.to_node,
            Direction::ToClient => &self.to_client,
        }
    }

    fn apply(&mut self, rules: &Rules) {
        self.to_node.marks = rules.covering(self.stream, self.peer, &self.path, Direction::ToNode);
        self.to_client.marks = rules.covering(self.stream, self.peer, &self.path, Direction::ToClient);
    }

    fn notice(&self, direction: Direction, piece: Piece, fate: ProxyFate) {
        let stream = self.stream;
        self.observer.notice(match piece {
            Piece::Headers => ProxyNotice::Headers { stream, direction, fate },
            Piece::Data(data) => ProxyNotice::Data { stream, direction, data, fate },
            Piece::End(trailers) => ProxyNotice::Trailers { stream, direction, trailers, fate },
            Piece::Reset => ProxyNotice::Reset { stream, direction, fate },
        });
    }
}
