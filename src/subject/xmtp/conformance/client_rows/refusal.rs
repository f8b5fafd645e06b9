//! A node that refuses: what it refuses is not asked for again in the same way (C4).

use std::collections::BTreeSet;

use tonic::Status;

use crate::subject::xmtp::conformance::client_suite::{Begun, ClientUnderTest};
use crate::subject::xmtp::conformance::finding::{Finding, Unmet, not_judged, violation};
use crate::subject::xmtp::conformance::letter::RawTopic;

/// So often the same may be refused: a client may hope that the node was short of room for a moment.
const SAME_MAX: u32 = 8;

/// RESOURCE_EXHAUSTED: the client asks for less at once, or gives up.
pub(crate) async fn no_room(client: &mut ClientUnderTest) -> Finding {
    let mut begun = client.begin().await?;
    let asked = names(&begun);
    if asked.len() < 2 {
        return not_judged("it asks for one topic, and cannot ask for less: launch it with two");
    }
    for refusals in 1..=SAME_MAX {
        begun.stream.fail(Status::resource_exhausted("a Mutate has too many adds")).await;
        begun = match client.begin_again().await {
            Ok(begun) => begun,
            Err(Unmet::NotJudged(_)) => return Ok(format!("gave up after {refusals} refusals")),
            Err(unmet) => return Err(unmet),
        };
        if names(&begun).len() < asked.len() {
            return Ok(format!("asked for {} topics, and after {refusals} refusals for fewer at once", asked.len()));
        }
    }
    violation(format!("it asked for the same {} topics {} times", asked.len(), SAME_MAX + 1))
}

fn names(begun: &Begun) -> BTreeSet<RawTopic> {
    begun.names().into_iter().collect()
}
