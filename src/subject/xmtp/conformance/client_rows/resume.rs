//! From where a client resumes: after a broken stream, in mid-wave, and after its own death (C3).

use crate::subject::xmtp::conformance::client_suite::{Begun, ClientUnderTest, outage, settle};
use crate::subject::xmtp::conformance::finding::{Finding, Unmet, not_judged, violation};
use crate::subject::xmtp::conformance::letter::RawTopic;

/// C3: the live high-water mark, for every topic that it followed.
pub(crate) async fn broken_stream(client: &mut ClientUnderTest) -> Finding {
    let (before, topic, last) = follow(client).await?;
    let names = before.names();
    before.stream.fail(outage()).await;
    let after = client.begin_again().await?;
    let missing = names.iter().find(|topic| after.cursor(topic).is_none());
    if let Some(missing) = missing {
        return violation(format!("{missing} is not asked for again"));
    }
    resumed(&after, &topic, last)
}

/// C3: the progress of a wave that was not completed.
pub(crate) async fn interrupted_wave(client: &mut ClientUnderTest) -> Finding {
    let mut before = client.begin().await?;
    let topic = before.names().swap_remove(0);
    let last = client.deliver(&mut before.stream, &topic, before.mutate_id, 3).await;
    settle(&mut before.stream).await?;
    before.stream.fail(outage()).await;
    let after = client.begin_again().await?;
    resumed(&after, &topic, last)
}

/// C3: persisted as it is processed, not when the client ends in good order.
pub(crate) async fn killed_client(client: &mut ClientUnderTest) -> Finding {
    let (_before, topic, last) = follow(client).await?;
    if let Err(error) = client.relaunch() {
        return not_judged(format!("the client could not be launched again: {error}"));
    }
    let after = client.begin().await?;
    resumed(&after, &topic, last)
}

/// A stream with a wave and some live messages, processed, with its first topic and that topic's last id.
async fn follow(client: &mut ClientUnderTest) -> Result<(Begun, RawTopic, u64), Unmet> {
    let mut begun = client.begin().await?;
    let names = begun.names();
    let topic = names[0].clone();
    client.deliver(&mut begun.stream, &topic, begun.mutate_id, 3).await;
    begun.stream.complete(begun.mutate_id, &names).await;
    let last = client.deliver(&mut begun.stream, &topic, 0, 2).await;
    settle(&mut begun.stream).await?;
    Ok((begun, topic, last))
}

pub(crate) fn resumed(after: &Begun, topic: &RawTopic, last: u64) -> Finding {
    judge_cursor(after.cursor(topic), topic, last)
}

/// What a client asks for must follow what it has processed.
pub(crate) fn judge_cursor(asked: Option<u64>, topic: &RawTopic, last: u64) -> Finding {
    match asked {
        None => violation(format!("{topic} is not asked for again")),
        Some(cursor) if cursor < last => {
            violation(format!("{topic} is resumed above #{cursor}, though #{last} had been delivered and processed"))
        }
        Some(cursor) if cursor > last => {
            violation(format!("{topic} is resumed above #{cursor}, though #{last} was the last that was delivered"))
        }
        Some(_) => Ok(format!("{topic} is resumed above #{last}, the last that was delivered")),
    }
}
