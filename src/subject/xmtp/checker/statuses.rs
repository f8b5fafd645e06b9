//! With which status a stream ends on the wire: one that the protocol names, and for which the node closed a stream.
//!
//! Refuses to know which of the tap's streams is which of a node's: nobody says, so that they are counted.

use std::collections::BTreeMap;

use tonic::Code;

use crate::checker::Evidence;
use crate::history::{CloseReason, Event, Record};
use crate::subject::xmtp::spec::{S8, S11};

/// Streams that nodes closed, by what that is to cost, and no tap has seen the end of.
#[derive(Default)]
pub(crate) struct Statuses {
    closed: BTreeMap<&'static str, u64>,
    seen: u64,
}

/// The reasons of one kind, and the statuses that they may cost (protocol, section 3).
fn reasons(status: Code) -> Option<&'static str> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the protocol names these, and no other")]
    match status {
        Code::Ok => Some("finished"),
        Code::InvalidArgument | Code::ResourceExhausted => Some("refused"),
        Code::PermissionDenied => Some("denied"),
        Code::DeadlineExceeded => Some("no Pong"),
        Code::Aborted => Some("too slow"),
        // A proxy without a node and a node that shuts down say so too, and close nothing.
        Code::Unavailable | Code::Unimplemented => Some(UNCOUNTED),
        _ => None,
    }
}

const UNCOUNTED: &str = "not there";

fn costs(reason: &CloseReason) -> Option<&'static str> {
    match reason {
        CloseReason::Finished => Some("finished"),
        CloseReason::Refused(_) => Some("refused"),
        CloseReason::Denied(_) => Some("denied"),
        CloseReason::Reaped => Some("no Pong"),
        CloseReason::TooSlow => Some("too slow"),
        CloseReason::Failed(_) | CloseReason::PeerGone => None,
    }
}

impl Statuses {
    /// How many ends with a status were seen.
    pub(crate) fn seen(&self) -> u64 {
        self.seen
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a judge looks at what concerns it, and a new event does not")]
    pub(crate) fn take(&mut self, index: usize, record: &Record) -> Result<(), Box<Evidence>> {
        match &record.event {
            Event::StreamClosed { reason, .. } => {
                if let Some(kind) = costs(reason) {
                    *self.closed.entry(kind).or_default() += 1;
                }
                Ok(())
            }
            Event::TapClosed { stream, status: Some(status) } => {
                self.seen += 1;
                let code = Code::from_i32((*status).into());
                let evidence = |requirement, what| Err(Box::new(Evidence::new(index, record, requirement, what)));
                let Some(kind) = reasons(code) else {
                    let what =
                        format!("{stream} of {} ended with {code:?}, which the protocol does not name", record.host);
                    return evidence(S8, what);
                };
                if kind == UNCOUNTED {
                    return Ok(());
                }
                let closed = self.closed.entry(kind).or_default();
                if *closed > 0 {
                    *closed -= 1;
                    return Ok(());
                }
                let what = format!(
                    "{stream} of {} ended with {code:?}, and no node had closed another stream for that ({kind})",
                    record.host
                );
                evidence(if code == Code::Ok { S11 } else { S8 }, what)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::script::{CLIENT, NODE, STREAM, Script};
    use crate::subject::xmtp::checker::Refusals;

    fn ends(script: Script, status: u16) -> Script {
        script.event(CLIENT, Event::TapClosed { stream: STREAM, status: Some(status) })
    }

    fn closed(reason: CloseReason) -> Script {
        Script::new().at(1.0).event(NODE, Event::StreamClosed { stream: 1, reason })
    }

    #[test]
    fn a_status_that_the_protocol_does_not_name_is_condemned() {
        let evidence = ends(closed(CloseReason::Failed("rot".into())), 13).condemned_by(&Refusals);
        assert_eq!(evidence.what, "stream 1.1.1 of client-1 ended with Internal, which the protocol does not name");
        ends(closed(CloseReason::Failed("rot".into())), 14).acquitted_by(&Refusals);
    }

    #[test]
    fn a_status_is_that_for_which_a_node_closed_a_stream() {
        for (reason, status) in [
            (CloseReason::Finished, 0),
            (CloseReason::Refused("no".into()), 3),
            (CloseReason::Refused("no".into()), 8),
            (CloseReason::Denied("no".into()), 7),
            (CloseReason::Reaped, 4),
            (CloseReason::TooSlow, 10),
        ] {
            ends(closed(reason.clone()), status).acquitted_by(&Refusals);
            let twice = ends(ends(closed(reason), status), status).condemned_by(&Refusals);
            assert!(twice.what.contains("no node had closed another stream for that"), "{}", twice.what);
        }
    }
}
