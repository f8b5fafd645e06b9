//! The trace of a trial, read with Perfetto's published messages.
//!
//! Refuses to know how a trace is read: `trace.py` does that.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::bench::{Said, Scratch, python};

/// Nanoseconds.
const SECOND: u64 = 1_000_000_000;

fn is_slice(slice: &Value, place: [&str; 2], from: u64, to: u64) -> bool {
    place.iter().enumerate().all(|(nth, part)| slice[nth] == **part) && slice[3] == from && slice[4] == to
}

#[test]
fn hosts_are_processes_streams_are_tracks_and_faults_are_slices() {
    let Some(python) = python() else { return };
    let scratch = Scratch::new();
    scratch.case("broken", "proxy-goes-silent.toml", &["--set", "client.watchdog=off"]);
    scratch.report("broken", "perfetto", &[]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report/trace.py");
    let mut read = Command::new(python);
    let said = Said::of(read.arg(script).arg(scratch.path("broken.perfetto-trace")).output().expect("Python runs"));
    assert_eq!(said.code, 0, "{said:?}");
    let trace: Value = serde_json::from_slice(&said.out).expect("JSON");
    let hosts = ["the world", "client-1", "client-2", "client-3", "publisher-1", "proxy", "node"];
    let mut processes: Vec<&str> =
        trace["processes"].as_array().expect("names").iter().filter_map(Value::as_str).collect();
    processes.sort_unstable();
    let mut expected = hosts;
    expected.sort_unstable();
    assert_eq!(processes, expected);
    let slices = trace["slices"].as_array().expect("slices");
    let silence = slices.iter().find(|slice| slice[1] == "fault 1: proxy-silence-upstream").expect("the silence");
    assert!(
        is_slice(silence, ["the world", "fault 1: proxy-silence-upstream"], 120 * SECOND, 720 * SECOND),
        "{silence}"
    );
    assert!(silence[2].as_str().expect("words").starts_with("the proxy passes nothing for client-1"), "{silence}");
    // The client believes in its stream until the end, long after the node gave it up.
    let held = slices.iter().find(|slice| slice[0] == "client-1" && slice[1] == "link").expect("a link");
    assert_eq!(held[4], 1_020 * SECOND, "{held}");
    let streams = slices.iter().filter(|slice| slice[1].as_str().is_some_and(|name| name.starts_with("stream ")));
    assert_eq!(streams.count(), 3);
    let instants = trace["instants"].as_array().expect("instants");
    assert!(instants.iter().any(|one| one[1] == "verdicts" && one[2] == "liveness fails (C2)"), "no verdict");
    assert!(instants.len() > 2_000, "{}", instants.len());
}
