//! With which status a stream ends on the wire: one that the protocol names, and for which the node closed a stream.
//!
//! Refuses to know which of the tap's streams is which of a node's: nobody says, so that they are counted. A status that
//! a proxy makes up, as a clause of the plan has it, is nobody's.

use std::collections::BTreeMap;
use std::time::Duration;

use tonic::Code;

use crate::checker::Evidence;
use crate::fault::Fault;
use crate::fault::kinds::StreamEnding;
use crate::history::{CloseReason, Event, Record};
use crate::subject::xmtp::spec::{S8, S11};

/// Streams that nodes closed, by what that is to cost, and no tap has seen the end of.
#[derive(Default)]
pub(crate) struct Statuses {
    closed: BTreeMap<&'static str, u64>,
    seen: u64,
    /// The clauses by which a proxy makes statuses up, by their numbers.
    made_up: BTreeMap<u32, MadeUp>,
}

/// A status that a proxy makes up, and when it has stopped to.
struct MadeUp {
    by: Fault,
    status: u16,
    ended: Option<Duration>,
}

/// The status with which the fault ends streams.
fn made_up(fault: &Fault) -> Option<u16> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "these two make statuses up, and a new kind does not")]
    match fault {
        Fault::ProxyAltersStatus(alters) => Some(alters.kind.status),
        Fault::ProxyEndsStreams(ends) => match ends.kind.ending {
            StreamEnding::Status(status) => Some(status.into()),
            StreamEnding::Reset(_) | StreamEnding::EndStream | StreamEnding::Html(_) | StreamEnding::Request => None,
        },
        _ => None,
    }
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

    /// Whether a proxy may have made that status up.
    fn is_made_up(&self, record: &Record, status: u16) -> bool {
        self.made_up.values().any(|made_up| {
            let lasts = made_up.ended.is_none_or(|ended| record.at <= ended);
            lasts && made_up.status == status && made_up.by.falls_on(&record.host)
        })
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
            Event::FaultBegan(clause) => {
                if let Some(status) = made_up(&clause.fault) {
                    let made_up = MadeUp { by: clause.fault.clone(), status, ended: None };
                    self.made_up.insert(clause.number, made_up);
                }
                Ok(())
            }
            Event::FaultEnded { clause, .. } => {
                self.made_up.get_mut(clause).into_iter().for_each(|made_up| made_up.ended = Some(record.at));
                Ok(())
            }
            Event::TapClosed { stream, status: Some(status) } => {
                self.seen += 1;
                if self.is_made_up(record, *status) {
                    return Ok(());
                }
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
    use crate::checker::script::{CLIENT, NODE, STREAM, Script, host};
    use crate::fault::kinds::{ProxyAltersStatus, ProxyEndsStreams};
    use crate::fault::{Kind, StreamAim};
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
    fn a_status_that_a_proxy_makes_up_is_nobodys() {
        let lie = |status| ProxyAltersStatus { status, aim: StreamAim::default() }.on(host(CLIENT));
        let lying = || Script::new().fault_begins(1, lie(13)).at(1.0);
        ends(lying(), 13).acquitted_by(&Refusals);
        ends(lying().fault_ends(1), 13).acquitted_by(&Refusals);
        ends(lying(), 4).condemned_by(&Refusals);
        ends(lying().fault_ends(1).at(1.1), 13).condemned_by(&Refusals);
        let ending = StreamEnding::Status(2);
        let ends_with = ProxyEndsStreams { ending, aim: StreamAim::default() }.on(host("client-2"));
        ends(Script::new().fault_begins(1, ends_with), 2).condemned_by(&Refusals);
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
