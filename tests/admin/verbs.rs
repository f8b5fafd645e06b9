//! The verbs of `pulseless proxy`, against a proxy that runs, and the end of one with streams in it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{BINARY, Running, free_address};

/// A proxy with an API, in a folder of its own.
struct Stage {
    folder: TempDir,
    proxy: Running,
    admin: String,
}

impl Stage {
    async fn start(arguments: &[&str]) -> Stage {
        let folder = tempfile::tempdir().expect("a scratch folder");
        Stage::start_in(folder, arguments).await
    }

    async fn start_in(folder: TempDir, arguments: &[&str]) -> Stage {
        let arguments = [&["proxy", "--admin", "127.0.0.1:0"], arguments].concat();
        let mut proxy = Running::start(folder.path(), "proxy", BINARY, &arguments, Stdio::null());
        proxy.says("admin API listens on ").await;
        let told = proxy.out();
        let admin = told.lines().find_map(|line| line.strip_prefix("admin API listens on "));
        let admin = admin.expect("it was just said").to_owned();
        Stage { folder, proxy, admin }
    }

    fn verb(&self, arguments: &[&str]) -> Output {
        run(self.folder.path(), &[&["proxy"], arguments, &["--admin", &self.admin]].concat())
    }

    /// What a verb prints that does what it says.
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.verb(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).current_dir(folder).output().expect("it runs")
}

fn error(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// What a verb prints fits its schema, and does not without that key.
fn fits(stage: &Stage, what: &str, printed: &Value, key: &str) {
    let schema = run(stage.folder.path(), &["schema", what]).stdout;
    let schema = serde_json::from_slice(&schema).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<String> = validator.iter_errors(printed).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{what}: {errors:?}: {printed}");
    let mut wrong = printed.clone();
    *wrong.pointer_mut(key).unwrap_or_else(|| panic!("no {key} in {printed}")) = "wrong".into();
    assert!(!validator.is_valid(&wrong), "{what} in spite of {key}: {wrong}");
}

#[tokio::test]
async fn what_verbs_print_for_machines_fits_its_schema() {
    let stage = Stage::start(&[]).await;
    let json = |arguments: &[&str]| -> Value { serde_json::from_str(&stage.done(arguments)).expect("JSON") };
    let tls = ["--tls", "--upstream-tls", "--upstream-insecure", "--proxy-protocol", "--profile", "nginx"];
    stage.done(&[&["add", "safe", "--upstream", "127.0.0.1:9"], &tls[..]].concat());
    let lie =
        ["lie", "safe", "latency", "latency=100", "--stream", "upstream", "--toxicity", "0.5", "--format", "json"];
    fits(&stage, "lie", &json(&lie), "/toxicity");
    let listed = json(&["list", "--format", "json"]);
    for key in ["/safe/enabled", "/safe/toxics/0/stream", "/safe/tls/alpn", "/safe/upstream_tls/insecure"] {
        fits(&stage, "proxies", &listed, key);
    }
}

#[tokio::test]
async fn a_proxy_is_added_lies_and_tells_the_truth() {
    let stage = Stage::start(&[]).await;
    assert!(stage.done(&["list"]).contains("no proxies"));
    assert!(stage.done(&["add", "api", "--upstream", "127.0.0.1:9"]).starts_with("api listens on 127.0.0.1:"));
    let lie = ["lie", "api", "end-streams", "with=reset", "code=NO_ERROR", "when=60s", "--name", "aged"];
    assert!(stage.done(&lie).contains("in force: aged (end-streams, downstream)"));
    stage.done(&["lie", "api", "latency", "latency=100", "--stream", "upstream", "--toxicity", "0.5"]);
    let listed = stage.done(&["list"]);
    for part in ["api", "enabled", "code=NO_ERROR", "latency_upstream toxicity=0.5"] {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    let json: Value = serde_json::from_str(&stage.done(&["list", "--format", "json"])).expect("JSON");
    assert_eq!(json["api"]["toxics"][1]["attributes"]["latency"], 100);
    assert_eq!(stage.done(&["tell-truth", "api", "aged"]), "api: aged taken back\n");
    assert_eq!(stage.done(&["tell-truth"]), "api: latency_upstream taken back\n");
    assert_eq!(stage.done(&["tell-truth"]), "there was no lie to take back\n");
    assert_eq!(stage.done(&["inspect", "api"]), "0 connections, 0 streams\n");
}

#[tokio::test]
async fn a_wrong_verb_names_what_is_wrong_and_where_nobody_answers() {
    let stage = Stage::start(&[]).await;
    stage.done(&["add", "api", "--upstream", "127.0.0.1:9"]);
    for (verb, parts) in [
        (vec!["lie", "ap", "silence"], ["proxy not found", "the proxies are api"]),
        (vec!["lie", "api", "silense"], ["did you mean `silence`?", "refuses"]),
        (vec!["lie", "api", "latency", "latency=long"], ["`attributes.latency`", "whole number"]),
        (vec!["lie", "api", "latency", "latency"], ["KEY=VALUE", "`latency`"]),
        (vec!["tell-truth", "api", "aged"], ["toxic not found", "it has none"]),
    ] {
        let told = error(&stage.verb(&verb));
        assert!(parts.iter().all(|part| told.contains(part)), "{verb:?}: {told}");
    }
    stage.done(&["add", "bytes", "--upstream", "127.0.0.1:9", "--profile", "aws-nlb"]);
    let told = error(&stage.verb(&["lie", "bytes", "goaway"]));
    assert!(told.contains("`goaway` is a lie of HTTP/2") && told.contains("`bytes` passes bytes"), "{told}");
    stage.done(&["lie", "bytes", "latency", "latency=9"]);
    let nobody = free_address().await;
    let told = error(&run(stage.folder.path(), &["proxy", "list", "--admin", &nobody]));
    assert!(told.contains(&format!("no admin API answers at {nobody}")) && told.contains("--admin"), "{told}");
}

#[tokio::test]
async fn a_file_of_proxies_is_toxiproxys_and_a_wrong_one_is_refused_with_its_key() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let file = folder.path().join("proxies.json");
    let text = r#"[{"name": "a", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9", "enabled": true},
                   {"name": "b", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9", "enabled": false}]"#;
    std::fs::write(&file, text).expect("written");
    let mut stage = Stage::start_in(folder, &["--config", "proxies.json"]).await;
    let told = stage.proxy.out();
    assert!(told.contains("proxy a listens on 127.0.0.1:") && told.contains("proxy b is disabled"), "{told}");
    stage.proxy.signal("TERM");
    stage.proxy.exits(0).await;
    std::fs::write(&file, r#"[{"name": "a", "upstream": 7}]"#).expect("written");
    let told = error(&run(stage.folder.path(), &["proxy", "--config", "proxies.json"]));
    assert!(told.contains("proxies.json") && told.contains("upstream"), "{told}");
    let told = error(&run(stage.folder.path(), &["proxy", "--config", "nothing.json"]));
    assert!(told.contains("nothing.json"), "{told}");
}

#[tokio::test]
async fn inspect_shows_a_live_stream_and_sigterm_lets_go_of_it_when_the_grace_is_over() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let arguments = ["node", "--listen", "127.0.0.1:0", "--data", "data"];
    let mut node = Running::start(folder.path(), "node", BINARY, &arguments, Stdio::null());
    node.says("node listens on ").await;
    let told = node.out();
    let address = told.lines().find_map(|line| line.strip_prefix("node listens on ")).expect("it was just said");
    let mut stage = Stage::start(&["--upstream", address, "--listen", "127.0.0.1:0", "--grace", "1s"]).await;
    let told = stage.proxy.out();
    let listens = told.lines().find_map(|line| line.strip_prefix("proxy listens on ")).expect("it was said first");
    let tail = ["tail", "--from", listens, "--topic", "news", "--inbox", "inbox"];
    let _tail = Running::start(folder.path(), "tail", BINARY, &tail, Stdio::null());
    let deadline = tokio::time::Instant::now() + crate::process::PATIENCE;
    let mut shown = String::new();
    while !(shown.contains("/Subscribe") && shown.contains("answered")) {
        assert!(tokio::time::Instant::now() < deadline, "no stream: {shown}");
        shown = stage.done(&["inspect"]);
    }
    assert!(shown.contains("1/1") && shown.ends_with("1 connection, 1 stream\n"), "{shown}");
    let json: Value = serde_json::from_str(&stage.done(&["inspect", "proxy", "--format", "json"])).expect("JSON");
    fits(&stage, "inspect", &json, "/0/streams/0/idle_ms");
    let all: Value = serde_json::from_str(&stage.done(&["inspect", "--format", "json"])).expect("JSON");
    fits(&stage, "inspect", &all, "/proxy/0/streams/0/window_to_node/left");
    assert!(json[0]["streams"][0]["bytes_to_node"].as_u64().is_some_and(|bytes| bytes > 0), "{json}");
    stage.proxy.signal("TERM");
    stage.proxy.exits(0).await;
}
