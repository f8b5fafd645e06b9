//! Our own clients behind TLS.

use std::process::Stdio;

use crate::bench::{Authority, Stage, folder, refusal, run};
use crate::process::{BINARY, Running};

#[tokio::test]
async fn publish_and_tail_dial_a_proxy_by_tls_and_say_why_where_they_do_not() {
    let folder = folder(&[("other.pem", &Authority::new().pem())]);
    let arguments = ["node", "--listen", "127.0.0.1:0", "--data", "data"];
    let mut node = Running::start(folder.path(), "node", BINARY, &arguments, Stdio::null());
    node.says("node listens on ").await;
    let address = node.out().lines().find_map(|line| line.strip_prefix("node listens on ").map(str::to_owned));
    let address = address.expect("it was just said");
    let flags = ["--listen", "127.0.0.1:0", "--upstream", &address, "--tls", "--tls-write", "ca.pem"];
    let stage = Stage::start_in(folder, &flags, &[]).await;
    let (place, at) = (stage.folder.path(), format!("https://{}", stage.listens()));
    let publish = ["publish", "--to", &at, "--topic", "news", "hello"];
    let stored = run(place, &[&publish[..], &["--ca", "ca.pem"]].concat());
    assert_eq!(stored.status.code(), Some(0), "{stored:?}");
    let tail = ["tail", "--from", &at, "--ca", "ca.pem", "--topic", "news", "--inbox", "inbox", "--until-now"];
    let told = run(place, &tail);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    assert!(String::from_utf8_lossy(&told.stdout).contains("hello"), "{told:?}");
    let refused = run(place, &[&publish[..], &["--ca", "other.pem"]].concat());
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && why.contains("its certificate is of nobody who is trusted"), "{why}");
    // The proxy's alert is read, whether or not the connection has gone already.
    for _ in 0..8 {
        let clear = run(place, &["publish", "--to", &stage.listens(), "--topic", "news", "hello"]);
        let why = String::from_utf8_lossy(&clear.stderr).into_owned();
        assert!(!clear.status.success() && why.contains(&format!("it answers in TLS; write {at}")), "{why}");
    }
    for (arguments, parts) in [
        (
            &["publish", "--to", "127.0.0.1:1", "--ca", "ca.pem", "--topic", "a", "b"][..],
            ["--ca is about TLS", "https://"],
        ),
        (&["publish", "--to", &at, "--ca", "none.pem", "--topic", "a", "b"], ["--ca", "none.pem"]),
        (&["publish", "--to", "http://127.0.0.1:1", "--topic", "a", "b"], ["--to", "is a URI"]),
        (
            &["publish", "--to", "https://me:secret@127.0.0.1:1", "--topic", "a", "b"],
            ["--to", "a user or a password has no place"],
        ),
        (&["tail", "--from", "https://127.0.0.1", "--topic", "a", "--inbox", "b"], ["--from", "has no port"]),
    ] {
        let told = refusal(place, arguments);
        assert!(parts.iter().all(|part| told.contains(part)), "{arguments:?}: {told}");
        assert!(!told.contains("secret"), "{told}");
    }
}
