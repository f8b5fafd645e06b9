//! Lines of standard input become messages, not faster than they may, and the first that is not stored ends it.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use tokio::time::Instant;

use crate::bench::Stage;
use crate::process::{Running, free_address};

/// Starts a publisher that reads this input.
fn publish(stage: &Stage, to: &str, arguments: &[&str], input: &[u8]) -> Running {
    let arguments = [&["publish", "--to", to, "--topic", "news"][..], arguments].concat();
    let mut running = stage.start_with("publish", &arguments, Stdio::piped());
    let mut pipe = running.child.stdin.take().expect("a pipe");
    pipe.write_all(input).expect("a pipe takes a few bytes");
    running
}

#[tokio::test]
async fn each_line_is_a_message_in_order_and_at_the_given_pace() {
    let stage = Stage::new().await;
    let began = Instant::now();
    publish(&stage, &stage.node, &["--rate", "20/s"], b"one\n\nthree\nfour\nfive\nsix").exits(0).await;
    // From the first to the sixth line there are five gaps.
    assert!(began.elapsed() >= Duration::from_millis(250), "{:?}", began.elapsed());
    let (out, _) = stage.tail(&["--topic", "news", "--inbox", "inbox"]).await;
    let texts = ["one", "", "three", "four", "five", "six"];
    let lines = (1..).zip(texts).map(|(id, text)| format!("#{id} group:news {text}\n"));
    assert_eq!(out, lines.collect::<String>());
}

#[tokio::test]
async fn the_first_line_that_is_not_stored_ends_it_and_is_named() {
    let stage = Stage::new().await;
    let mut running = publish(&stage, &free_address().await, &[], b"one\ntwo\n");
    running.exits(1).await;
    assert!(running.out().is_empty() && running.err().contains("line 1 of standard input"), "{}", running.err());
}
