//! What the reader promises about a node's own keys.

use super::{FULL, full, refused, settings};
use crate::sim::read;
use crate::subject::xmtp::SUBJECTS;

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
