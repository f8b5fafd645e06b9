//! What a tail prints, from where, and what it says after a crash.

use std::process::{Command, Stdio};

use crate::bench::Stage;

/// A line without the time that is in it.
fn timeless(line: &str) -> serde_json::Value {
    let mut object: serde_json::Value = serde_json::from_str(line).expect("one JSON object on a line");
    let created = object.as_object_mut().expect("an object").remove("created").expect("a time");
    assert!(created.as_str().expect("a text").ends_with('Z'), "{created}");
    object
}

/// Each line has the form that `pulseless schema` publishes.
fn assert_fit_their_schema(lines: &str) {
    let schema = Command::new(env!("CARGO_BIN_EXE_pulseless")).args(["schema", "message"]).output().expect("it runs");
    let schema = serde_json::from_slice(&schema.stdout).expect("a schema");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    for line in lines.lines() {
        let line = serde_json::from_str(line).expect("one JSON object on a line");
        validator.validate(&line).unwrap_or_else(|error| panic!("{error} in {line}"));
    }
}

#[tokio::test]
async fn each_message_is_a_json_object_whatever_its_topic() {
    let stage = Stage::new().await;
    stage.publish("news", &["hello", "a\nb"]).await;
    stage.publish("sport", &["one more"]).await;
    let (out, _) = stage.tail(&["--topic", "news", "--topic", "sport", "--inbox", "inbox", "--json"]).await;
    assert_fit_their_schema(&out);
    let lines: Vec<serde_json::Value> = out.lines().map(timeless).collect();
    let expected = [
        serde_json::json!({ "topic": "group:news", "id": 1, "text": "hello" }),
        serde_json::json!({ "topic": "group:news", "id": 2, "text": "a\nb" }),
        serde_json::json!({ "topic": "group:sport", "id": 3, "text": "one more" }),
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn a_cursor_is_where_a_tail_begins_and_an_inbox_that_is_further_on_beats_it() {
    let stage = Stage::new().await;
    stage.publish("news", &["one", "two", "three"]).await;
    let inbox = ["--topic", "news", "--inbox", "inbox", "--from-cursor"];
    let (out, _) = stage.tail(&[&inbox[..], &["2"]].concat()).await;
    assert_eq!(out, "#3 group:news three\n");
    stage.publish("news", &["four"]).await;
    let (out, _) = stage.tail(&[&inbox[..], &["0"]].concat()).await;
    assert_eq!(out, "#4 group:news four\n");
}

/// Runs a tail whose standard output nobody reads.
#[expect(clippy::disallowed_methods, reason = "a program of its own beside the node, on real TCP")]
async fn tail_into_nothing(stage: &Stage, arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pulseless"));
    command.args(["tail", "--from", &stage.node, "--topic", "news", "--inbox", "inbox"]).args(arguments);
    command.current_dir(stage.folder()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the binary runs");
    drop(child.stdout.take());
    let status = tokio::task::spawn_blocking(move || child.wait()).await.expect("no panic").expect("a child of ours");
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a program of its own, and the file that is always full"
)]
async fn a_message_that_cannot_be_printed_is_no_success() {
    let stage = Stage::new().await;
    stage.publish("news", &["one"]).await;
    let full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has it");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pulseless"));
    command.args(["tail", "--from", &stage.node, "--topic", "news", "--inbox", "inbox", "--until-now"]);
    command.current_dir(stage.folder()).stdin(Stdio::null()).stdout(full).stderr(Stdio::piped());
    let said = tokio::task::spawn_blocking(move || command.output().expect("it runs")).await.expect("no panic");
    let told = String::from_utf8_lossy(&said.stderr);
    assert!(told.contains("failed to write to standard output: No space left on device"), "{told}");
    assert_eq!(said.status.code(), Some(74), "{told}");
}

#[tokio::test]
async fn what_was_stored_and_not_printed_is_told_once_and_not_printed_later() {
    let stage = Stage::new().await;
    stage.publish("news", &["one", "two"]).await;
    tail_into_nothing(&stage, &[]).await;
    let (out, err) = stage.tail(&["--topic", "news", "--inbox", "inbox"]).await;
    let told =
        "may not have been printed: group:news above #0 up to #2 (--from-cursor 0 with another --inbox prints it)";
    assert!(out.is_empty() && err.contains(told), "{out}{err}");
    let (out, err) = stage.tail(&["--topic", "news", "--inbox", "inbox"]).await;
    assert!(out.is_empty() && !err.contains("may "), "{out}{err}");
}

#[tokio::test]
async fn at_least_once_prints_again_what_was_not_stored_and_tells_it() {
    let stage = Stage::new().await;
    stage.publish("news", &["one", "two"]).await;
    tail_into_nothing(&stage, &["--at-least-once"]).await;
    let arguments = ["--topic", "news", "--inbox", "inbox", "--at-least-once"];
    let (out, err) = stage.tail(&arguments).await;
    assert_eq!(out, "#1 group:news one\n#2 group:news two\n");
    assert!(err.contains("may be printed a second time: group:news above #0 up to #2"), "{err}");
    let (out, err) = stage.tail(&arguments).await;
    assert!(out.is_empty() && !err.contains("may "), "{out}{err}");
}
