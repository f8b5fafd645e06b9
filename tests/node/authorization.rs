//! The node asks its hook of each subscription by itself, at open and in mid-stream (S7).

use std::sync::{Arc, Mutex};

use pulseless::subject::xmtp::node::{
    Authorizer, Caller, DeniedTopics, NodeCloseReason, NodeConfig, NodeHooks, NodeQuirk, Permission,
};
use pulseless::subject::xmtp::wire::{Topic, proto};
use tonic::Code;
use tonic::metadata::MetadataMap;

use crate::bench::{Bench, KeptDisk, Wire, topic};

const DENIED: &str = "topic group:secret is denied to this caller";

pub async fn denying(quirk: Option<NodeQuirk>) -> Bench {
    let hook = DeniedTopics::matching(["group:secret", "welcome:*"]).expect("good patterns");
    asking(NodeConfig { quirk, ..NodeConfig::default() }, Arc::new(hook)).await
}

async fn asking(config: NodeConfig, authorizer: Arc<dyn Authorizer>) -> Bench {
    Bench::start_with(KeptDisk::default(), config, |hooks| NodeHooks { authorizer, ..hooks }).await
}

/// The status with which the stream ends, and nothing before it.
async fn refusal(wire: &mut Wire) -> (Code, String) {
    let status = wire.next().await.expect_err("a refusal, and no frame before it");
    (status.code(), status.message().to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_denied_topic_costs_the_stream_and_nothing_of_its_mutate_is_applied() {
    let bench = denying(None).await;
    bench.publish(&["a", "secret"]).await;
    let mut at_open = bench.subscribe().await;
    at_open.mutate(1, &[("a", 0), ("secret", 0)], &[]);
    assert_eq!(refusal(&mut at_open).await, (Code::PermissionDenied, DENIED.to_owned()));
    let mut in_mid_stream = bench.subscribe().await;
    in_mid_stream.mutate(1, &[("b", 0)], &[]);
    in_mid_stream.until_complete(1).await;
    in_mid_stream.mutate(2, &[("a", 0), ("secret", 0)], &["b"]);
    bench.publish(&["b"]).await;
    assert_eq!(refusal(&mut in_mid_stream).await, (Code::PermissionDenied, DENIED.to_owned()));
    assert_eq!(bench.closings().await, [DENIED, DENIED].map(|what| NodeCloseReason::Denied(what.to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_denied_may_be_removed_and_published_to_but_not_queried() {
    let bench = denying(None).await;
    bench.publish(&["secret"]).await;
    let mut wire = bench.subscribe().await;
    wire.mutate(1, &[("a", 0)], &["secret"]);
    assert_eq!(wire.until_complete(1).await, ["caught up: 1 topics", "complete 1"]);
    let query = proto::QueryGroupMessagesRequest { group_id: topic("secret").rest(), paging_info: None };
    let refused = bench.client.clone().query_group_messages(query).await.expect_err("denied");
    assert_eq!((refused.code(), refused.message()), (Code::PermissionDenied, DENIED));
    let query = proto::QueryWelcomeMessagesRequest { installation_key: topic("welcome").rest(), paging_info: None };
    let refused = bench.client.clone().query_welcome_messages(query).await.expect_err("denied");
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test(start_paused = true)]
async fn the_planted_bug_forgets_the_hook_in_mid_stream() {
    let bench = denying(Some(NodeQuirk::DeniesOnlyAtOpen)).await;
    let mut wire = bench.subscribe().await;
    wire.mutate(1, &[("secret", 0)], &[]);
    assert_eq!(refusal(&mut wire).await.0, Code::PermissionDenied);
    let mut wire = bench.subscribe().await;
    wire.mutate(1, &[("a", 0)], &[]);
    wire.until_complete(1).await;
    wire.mutate(2, &[("secret", 0)], &[]);
    assert_eq!(wire.until_complete(2).await, ["caught up: 1 topics", "complete 2"]);
}

/// Lets each caller have the topics of its team, until it locks everybody out.
#[derive(Default)]
struct Teams {
    locked: Mutex<bool>,
    asked: Mutex<Vec<String>>,
}

impl Authorizer for Teams {
    fn permit(&self, caller: &Caller, topic: &Topic) -> Permission {
        let team = caller.metadata.get("x-team").and_then(|team| team.to_str().ok());
        self.asked.lock().expect("not poisoned").push(format!("{topic} for {}", team.unwrap_or("nobody")));
        match team {
            Some(team) if topic.rest().starts_with(team.as_bytes()) && !*self.locked.lock().expect("not poisoned") => {
                Permission::Allowed
            }
            Some(_) | None => Permission::Denied,
        }
    }
}

fn team(name: &'static str) -> MetadataMap {
    let mut headers = MetadataMap::new();
    headers.insert("x-team", name.parse().expect("a header's value"));
    headers
}

#[tokio::test(start_paused = true)]
async fn the_hook_tells_callers_on_one_connection_apart_by_their_headers() {
    let teams = Arc::new(Teams::default());
    let bench = asking(NodeConfig::default(), teams.clone()).await;
    let (mut red, mut blue) = (bench.subscribe_as(team("red")).await, bench.subscribe_as(team("blue")).await);
    for wire in [&mut red, &mut blue] {
        wire.frame().await;
        wire.mutate(1, &[("red-1", 0)], &[]);
    }
    assert_eq!(red.until_complete(1).await, ["caught up: 1 topics", "complete 1"]);
    assert_eq!(refusal(&mut blue).await.0, Code::PermissionDenied);
    // A topic that is added again is asked for again, although the stream has it.
    *teams.locked.lock().expect("not poisoned") = true;
    red.mutate(2, &[("red-1", 0)], &[]);
    assert_eq!(refusal(&mut red).await.0, Code::PermissionDenied);
    let asked = teams.asked.lock().expect("not poisoned");
    let mut asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    asked.sort_unstable();
    assert_eq!(asked, ["group:red-1 for blue", "group:red-1 for red", "group:red-1 for red"]);
}

#[tokio::test(start_paused = true)]
async fn the_hook_is_not_asked_about_more_than_a_mutate_may_add() {
    let teams = Arc::new(Teams::default());
    let bench = asking(NodeConfig::default(), teams.clone()).await;
    let mut wire = bench.subscribe_as(team("red")).await;
    wire.frame().await;
    let names: Vec<String> = (0..=5_000).map(|number| format!("red-{number}")).collect();
    wire.mutate(1, &names.iter().map(|name| (name.as_str(), 0)).collect::<Vec<_>>(), &[]);
    assert_eq!(refusal(&mut wire).await.0, Code::ResourceExhausted);
    assert_eq!(teams.asked.lock().expect("not poisoned").len(), 0);
}
