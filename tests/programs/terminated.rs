//! SIGTERM and Ctrl-C end every program with exit code 0, and what is in flight is finished first.

use std::io::Write;
use std::process::Stdio;

use crate::bench::Stage;
use crate::process::free_address;

/// Everybody at once, so that each is in the midst of its work.
async fn end_all_by(signal: &str) {
    let mut stage = Stage::new().await;
    let address = free_address().await;
    let mut proxy = stage.start("proxy", &["proxy", "--listen", &address, "--upstream", &stage.node]);
    proxy.says("proxy listens on").await;
    let mut tail = stage.start("tail", &["tail", "--from", &address, "--topic", "news", "--inbox", "inbox"]);
    let arguments = ["publish", "--to", &stage.node, "--topic", "news"];
    let mut publish = stage.start_with("publish", &arguments, Stdio::piped());
    let mut input = publish.child.stdin.take().expect("a pipe");
    input.write_all(b"one\ntwo\n").expect("a pipe takes a few bytes");
    publish.says("stored in group:news: two").await;
    tail.says("#2 group:news two").await;
    // Its input is still open: it would wait for a third line for ever.
    for running in [&mut publish, &mut tail, &mut proxy, &mut stage.serving] {
        running.signal(signal);
        running.exits(0).await;
    }
    assert_eq!(tail.out(), "#1 group:news one\n#2 group:news two\n");
}

#[tokio::test]
async fn sigterm_drains_every_program() {
    end_all_by("TERM").await;
}

#[tokio::test]
async fn ctrl_c_drains_every_program() {
    end_all_by("INT").await;
}
