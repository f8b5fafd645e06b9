//! A tail that stands still, behind a proxy that lies meanwhile, soon follows again and prints what it missed (C5, T11).

use std::process::Stdio;
use std::time::Duration;

use tokio::time::sleep;

use crate::process::{BINARY, Running, free_address};

/// What the node advertises: the watchdog's three intervals are longer than the probe's deadline.
const KEEPALIVE: &str = "2s";
/// The watchdog's alarm is two intervals ahead at most, and one that is late by another is late.
const STOPPED: Duration = Duration::from_secs(7);
/// The look at the clocks is 10 s ahead at most, and with an interval of 30 s an alarm is late after 5 s.
const STOPPED_LONG: Duration = Duration::from_millis(15_500);

fn start(folder: &tempfile::TempDir, name: &str, arguments: &[&str]) -> Running {
    Running::start(folder.path(), name, BINARY, arguments, Stdio::null())
}

#[tokio::test]
async fn a_stopped_tail_asks_when_it_goes_on_and_leaves_a_stream_that_does_not_answer() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let (node, proxy) = (free_address().await, free_address().await);
    let mut serving = start(&folder, "node", &["node", "--listen", &node, "--data", "data", "--keepalive", KEEPALIVE]);
    serving.says("node listens on").await;
    let silence = ["--silence-after", "5s", "--silence-for", "5s"];
    let relay = ["proxy", "--listen", &proxy, "--upstream", &node];
    let mut relaying = start(&folder, "proxy", &[&relay[..], &silence].concat());
    relaying.says("proxy listens on").await;
    let mut tail = start(&folder, "tail", &["tail", "--from", &proxy, "--topic", "news", "--inbox", "inbox"]);
    start(&folder, "publish-1", &["publish", "--to", &node, "--topic", "news", "one"]).exits(0).await;
    tail.says("#1 group:news one").await;
    relaying.says("proxy is silent").await;
    tail.signal("STOP");
    start(&folder, "publish-2", &["publish", "--to", &node, "--topic", "news", "two"]).exits(0).await;
    sleep(STOPPED).await;
    relaying.says("proxy passes new streams again").await;
    tail.signal("CONT");
    tail.says("connection 1: asking whether it outlived that").await;
    tail.says("connection 1: ended: no answer after a suspension").await;
    tail.says("#2 group:news two").await;
    assert_eq!(tail.out(), "#1 group:news one\n#2 group:news two\n");
    assert!(tail.err().contains("connection 1: stood still for ") && !tail.err().contains("dialing again in"));
}

#[tokio::test]
async fn a_stopped_tail_keeps_a_stream_that_answers() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let node = free_address().await;
    // No node reaps a stream so soon.
    let mut serving = start(&folder, "node", &["node", "--listen", &node, "--data", "data", "--keepalive", "30s"]);
    serving.says("node listens on").await;
    let mut tail = start(&folder, "tail", &["tail", "--from", &node, "--topic", "news", "--inbox", "inbox"]);
    start(&folder, "publish-1", &["publish", "--to", &node, "--topic", "news", "one"]).exits(0).await;
    tail.says("#1 group:news one").await;
    tail.signal("STOP");
    sleep(STOPPED_LONG).await;
    tail.signal("CONT");
    tail.says("connection 1: it did").await;
    start(&folder, "publish-2", &["publish", "--to", &node, "--topic", "news", "two"]).exits(0).await;
    tail.says("#2 group:news two").await;
    assert!(!tail.err().contains("ended"), "{}", tail.err());
}
