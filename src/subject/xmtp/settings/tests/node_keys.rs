//! What the reader promises about a node's own keys.

use super::{FULL, full, refused, render, secs, settings};
use crate::sim::read;
use crate::subject::xmtp::SUBJECTS;
use crate::subject::xmtp::node::{NodeLimits, RateLimit};
use crate::subject::xmtp::wire::Dialect;

const DENIES: &str = "denies = [\"welcome:*\"]";

#[test]
fn what_is_denied_is_a_pattern_or_several_over_the_topics_of_the_workload() {
    let denied = |denies: &str| {
        let sim = read("denying", &FULL.replacen(DENIES, denies, 1), SUBJECTS).expect("a good sim");
        settings(&sim).denied().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(settings(&full()).denied().len(), 1);
    assert_eq!(denied("denies = \"group:topic-2\""), ["group:topic-2"]);
    assert_eq!(denied("denies = [\"*:*-1\", \"group:topic-[23]\"]").len(), 4);
    assert_eq!(denied(""), [""; 0]);
}

#[test]
fn a_pattern_that_denies_nothing_is_a_mistake() {
    let topics = "the topics are group:topic-1 to group:topic-3, and welcome:welcome-1";
    refused(DENIES, "denies = \"group:x\"", &["`node.denies`: `group:x` matches no topic of the workload", topics]);
    refused(DENIES, "denies = [\"*\", \"group:[\"]", &["`node.denies.2`", "not a pattern"]);
    refused(DENIES, "denies = 7", &["`node.denies` is an integer", "\"group:topic-1\", or [\"welcome:*\"]"]);
    refused(DENIES, "denies = [\"\"]", &["`node.denies.1` is empty"]);
}

#[test]
fn a_limit_is_read_by_its_key_and_the_others_keep_their_defaults() {
    let limits = |lines: &str| {
        let sim =
            read("limited", &FULL.replacen("[client]", &format!("[node.limits]\n{lines}\n[client]"), 1), SUBJECTS);
        settings(&sim.expect("a good sim")).node.limits.clone()
    };
    let read = limits("adds = 7\nmutates-at-once = 3\npending-bytes = \"2MiB\"\nstall = \"5s\"");
    let usual = NodeLimits::default();
    let mutates = RateLimit { burst: 3, ..usual.mutates };
    assert_eq!(read, NodeLimits { adds: 7, mutates, pending_bytes: 2 << 20, stall: secs(5), ..usual });
}

#[test]
fn a_limit_that_is_nonsense_is_refused_by_its_key() {
    let set = |line: &str| format!("[node.limits]\n{line}\n[client]");
    for (line, parts) in [
        ("adds = 0", ["`node.limits.adds` is 0", "write a whole number from 1 to 1000000"]),
        ("waves = \"many\"", ["`node.limits.waves` is a string", "write a whole number from 1 to 1000000"]),
        ("pings-per-second = -4", ["`node.limits.pings-per-second` is -4", "out of range"]),
        ("message-bytes = \"25MiB\"", ["`node.limits.message-bytes` is 25MiB", "from 1B to 24MiB"]),
        ("frame-bytes = \"0B\"", ["`node.limits.frame-bytes` is 0B", "from 1B to 24MiB"]),
        ("stall = \"0s\"", ["`node.limits.stall` is 0s", "from 1ms to 1h"]),
        ("add = 4", ["unknown key `add` in `node.limits`", "did you mean `adds`"]),
    ] {
        refused("[client]", &set(line), &parts);
    }
}

#[test]
fn a_dialect_is_spoken_by_both_or_by_nobody() {
    let spoken = |node: &str, client: &str| {
        let text = FULL.replacen("[node]", &format!("[node]\ndialect = {node}"), 1);
        let text = text.replacen("[client]", &format!("[client]\ndialect = {client}"), 1);
        read("spoken", &text, SUBJECTS).map(|sim| (settings(&sim).node.dialects.clone(), settings(&sim).client.dialect))
    };
    assert_eq!(settings(&full()).node.dialects, [Dialect::V1]);
    let quiet = FULL.replacen("pong-deadline = \"10s\"\n", "", 1);
    let draft = quiet.replacen("[node]", "[node]\ndialect = \"draft\"", 1);
    let draft = draft.replacen("[client]", "[client]\ndialect = \"draft\"", 1);
    assert_eq!(settings(&read("draft", &draft, SUBJECTS).expect("a good sim")).node.dialects, [Dialect::Draft]);
    let both = vec![Dialect::V1, Dialect::Draft];
    assert_eq!(spoken("[\"draft\", \"v1\"]", "\"draft\"").expect("a good sim"), (both, Dialect::Draft));
    let strangers = |key: &str, word: &str| format!("{key}\ndialect = \"{word}\"");
    let advice = "node.dialect = [\"v1\", \"draft\"]";
    refused("[client]", &strangers("[client]", "draft"), &["the clients speak draft, and the nodes speak v1", advice]);
    let strange = quiet.replacen("[node]", &strangers("[node]", "draft"), 1);
    let told = render(&read("strange", &strange, SUBJECTS).expect_err("strangers"));
    assert!(told.contains("the clients speak v1, and the nodes speak draft") && told.contains(advice), "{told}");
    refused("[node]", &strangers("[node]", "v2"), &["`node.dialect`: there is no dialect `v2`", "v1"]);
    refused("[node]", "[node]\ndialect = []", &["`node.dialect` is empty", "older-calls"]);
}

#[test]
fn who_speaks_v1_alone_needs_a_node_that_does() {
    let silent = FULL.replacen("[node]", "[node]\ndialect = \"draft\"", 1);
    let silent = silent.replacen("[client]", "[client]\ndialect = \"draft\"", 1);
    let told = render(&read("silent", &silent, SUBJECTS).expect_err("nobody answers"));
    assert!(told.contains("`node.pong-deadline` is given, but no dialect of the node has a Pong"), "{told}");
    let text = "title = \"x\"\nduration = \"20m\"\n[cast]\ngateways = 1\nexaminers = 1\n[node]\ndialect = \"draft\"\n\
        [client]\ndialect = \"draft\"\n[promise]\nverdict = \"pass\"\n";
    let refusal = read("x", text, SUBJECTS).expect_err("nobody speaks v1");
    let told = render(&refusal);
    assert!(told.contains("gateways speak nothing but v1, and the nodes speak draft"), "{told}");
    assert!(told.contains("examiners speak nothing but v1"), "{told}");
}
