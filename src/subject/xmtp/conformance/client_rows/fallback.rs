//! A node that does not know Subscribe: the two older calls (C6).

use tonic::Status;

use crate::grammar::Readable;
use crate::subject::xmtp::conformance::client_rows::resume::judge_cursor;
use crate::subject::xmtp::conformance::client_suite::{
    ClientUnderTest, RETURN_MAX, deliver_older, first_mutate, outage,
};
use crate::subject::xmtp::conformance::finding::{Finding, Unmet, violation};
use crate::subject::xmtp::conformance::letter::RawTopic;
use crate::subject::xmtp::conformance::scripted_node::{ClientCall, OlderCall, OlderReplies};

fn unknown() -> Status {
    Status::unimplemented("this node does not know Subscribe")
}

/// C6: the status comes in the place of the headers.
pub(crate) async fn before_headers(client: &mut ClientUnderTest) -> Finding {
    let call = older_after_refusal(client).await?;
    Ok(told(&call))
}

/// C6: the status comes in trailers, when the stream seems to be open.
pub(crate) async fn after_headers(client: &mut ClientUnderTest) -> Finding {
    let mut stream = client.first_stream().await?.open();
    let asked = first_mutate(&mut stream).await?;
    stream.fail(unknown()).await;
    let call = next_older(client).await?;
    let topics: Vec<RawTopic> = asked.adds.iter().filter_map(|add| RawTopic::read(&add.topic)).collect();
    // One call for each kind: the first has a topic of what was asked for.
    match call.filters.iter().find(|(topic, _)| !topics.contains(topic)) {
        Some((topic, _)) => violation(format!("the older call asks for {topic}, which was not asked for before")),
        None => Ok(told(&call)),
    }
}

/// C6, C3: an older call that breaks is resumed, and Subscribe is not tried again at once.
pub(crate) async fn resumed(client: &mut ClientUnderTest) -> Finding {
    let call = older_after_refusal(client).await?;
    let (topic, last) = deliver_older(client, &call, 3).await?;
    match call.replies {
        OlderReplies::Group(replies) => drop(replies.send(Err(outage())).await),
        OlderReplies::Welcome(replies) => drop(replies.send(Err(outage())).await),
    }
    let call = next_older(client).await?;
    let asked = call.filters.iter().find(|(asked, _)| *asked == topic).map(|(_, cursor)| *cursor);
    judge_cursor(asked, &topic, last)
}

async fn older_after_refusal(client: &mut ClientUnderTest) -> Result<OlderCall, Unmet> {
    client.first_stream().await?.refuse(unknown());
    next_older(client).await
}

async fn next_older(client: &mut ClientUnderTest) -> Result<OlderCall, Unmet> {
    match client.next_call(RETURN_MAX).await {
        Some(ClientCall::Older(call)) => Ok(call),
        Some(ClientCall::Subscribe(_)) => violation("Subscribe is called again, which the node does not know"),
        None => violation(format!("no older call came within {}", Readable(RETURN_MAX))),
    }
}

fn told(call: &OlderCall) -> String {
    let topics: Vec<String> = call.filters.iter().map(|(topic, _)| topic.to_string()).collect();
    format!("fell back to the older call for {}", topics.join(", "))
}
