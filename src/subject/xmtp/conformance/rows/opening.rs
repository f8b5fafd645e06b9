//! How a stream begins (T1, S1), and what no version and no kind of topic allows (T14, S2).

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;
use tonic::Code;

use crate::grammar::Readable;
use crate::subject::xmtp::conformance::finding::{Finding, ended_early, not_judged, overdue, violation};
use crate::subject::xmtp::conformance::raw_peer::NodeUnderTest;
use crate::subject::xmtp::conformance::raw_stream::{Heard, change};
use crate::subject::xmtp::conformance::settings::AT_ONCE;
use crate::subject::xmtp::wire::proto::subscribe_request::v1::Request as Ask;
use crate::subject::xmtp::wire::proto::subscribe_response::v1::Response as Arm;

/// T1: headers and Started come before any request is sent.
pub(crate) async fn started_at_once(node: Arc<NodeUnderTest>) -> Finding {
    let peer = node.dial().await?;
    let began = Instant::now();
    let mut stream = peer.open_raw().await.map_err(|status| ended_early(&status, "headers"))?;
    let headers = began.elapsed();
    if headers > AT_ONCE {
        return violation(format!("headers came after {}", Readable(headers)));
    }
    match stream.next_until(began + AT_ONCE).await? {
        Heard::Frame(Arm::Started(started)) => Ok(format!(
            "headers after {}, Started after {} with {} ms and {} capabilities, before any request",
            Readable(headers),
            Readable(began.elapsed()),
            started.keepalive_interval_ms,
            started.capabilities.len()
        )),
        Heard::Frame(_) => violation("the first frame is not Started"),
        Heard::Ended(status) => Err(ended_early(&status, "Started")),
        Heard::Nothing => overdue("Started, before any request,", AT_ONCE),
    }
}

/// S1: a node that pings says how often.
pub(crate) async fn interval(node: Arc<NodeUnderTest>) -> Finding {
    let (mut stream, advertised) = node.dial().await?.open_started().await?;
    if let Some(interval) = advertised {
        return Ok(format!("Started advertises {}", Readable(interval)));
    }
    // Without an interval only a Ping shows that there is one.
    let Ok(interval) = node.interval(2) else {
        return not_judged("Started advertises no interval, which is right for a node that never pings");
    };
    let frames = stream.listen(interval * 2).await?;
    match frames.iter().find(|frame| matches!(frame, Arm::Ping(_))) {
        Some(_) => violation("Started advertises no interval, and the node pings"),
        None => Ok(format!("Started advertises no interval, and no Ping came in {}", Readable(interval * 2))),
    }
}

/// T14: each of these frames ends a stream of its own.
pub(crate) async fn unknown_version(node: Arc<NodeUnderTest>) -> Finding {
    let frames: [(&str, &'static [u8]); 3] = [
        ("no version", &[]),
        // Field 2, a message without fields: what a version 2 would look like.
        ("a version 2", &[0x12, 0x00]),
        ("an empty version 1", &[0x0a, 0x00]),
    ];
    let mut told = Vec::new();
    for (name, frame) in frames {
        let mut stream = node.dial().await?.open().await?;
        stream.send_raw(Bytes::from_static(frame)).await;
        told.push(stream.refused(Code::InvalidArgument, name).await?);
    }
    Ok(told.join("; "))
}

/// S2: topics are group or welcome topics, in adds as in removes.
pub(crate) async fn unknown_kind(node: Arc<NodeUnderTest>) -> Finding {
    let mut peer = node.dial().await?;
    let (good, mut told) = (peer.group(), Vec::new());
    let strange = Bytes::from_static(&[0x09, 0x01]);
    for (name, bad) in [("an add of kind 0x09", &strange), ("an add of an empty topic", &Bytes::new())] {
        let mut mutate = change(1, &[(&good, 0), (&good, 0)], &[]);
        if let Some(last) = mutate.adds.last_mut() {
            last.topic = bad.clone();
        }
        let mut stream = peer.open().await?;
        stream.send(Ask::Mutate(mutate)).await;
        told.push(stream.refused(Code::InvalidArgument, name).await?);
    }
    let mut mutate = change(1, &[(&good, 0)], &[]);
    mutate.removes.push(strange);
    let mut stream = peer.open().await?;
    stream.send(Ask::Mutate(mutate)).await;
    told.push(stream.refused(Code::InvalidArgument, "a remove of kind 0x09").await?);
    Ok(told.join("; "))
}
