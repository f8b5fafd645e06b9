//! The timeline of `run` and `replay`: numbers, filters, JSON lines; and lines that end at 80 columns.

use crate::bench::{Said, Scratch};

const RUN: [&str; 4] = ["run", "good.toml", "--seed", "7"];

fn run(more: &[&str]) -> Said {
    Scratch::new().pulseless(&[&RUN[..], more].concat())
}

/// The lines of the timeline, behind that of the seed: those whose first word is a number.
fn timeline(said: &Said) -> Vec<(usize, String)> {
    let number = |line: &str| line.split_whitespace().next()?.parse().ok();
    said.out.lines().skip(1).map_while(|line| Some((number(line)?, line.to_owned()))).collect()
}

#[test]
fn records_are_numbered_as_evidence_names_them() {
    let all = timeline(&run(&["--verbose"]).exits(0));
    let numbers: Vec<usize> = all.iter().map(|(number, _)| *number).collect();
    assert!(numbers.iter().copied().eq(0..numbers.len()), "{numbers:?}");
    let failed = Scratch::new().pulseless(&["run", "bad.toml", "--seed", "7", "--verbose"]).exits(1);
    let breach = failed.line("!! liveness fails here (C2), on client-1");
    let (_, last) = breach.split_once("(record ").expect("what was heard last is numbered");
    let (number, rest) = last.split_once("): ").expect("and told");
    let told = rest.split_once(". Proof: record").expect("and proved").0;
    let number: usize = number.parse().expect("a number");
    let records = timeline(&failed);
    assert!(
        records[number].1.contains("client-1") && records[number].1.contains(told),
        "{breach}: {:?}",
        records[number]
    );
}

#[test]
fn filters_narrow_the_timeline_together_and_imply_it() {
    let all = timeline(&run(&["--verbose"]).exits(0));
    let of_host = timeline(&run(&["--host", "client-*"]).exits(0));
    let expected: Vec<_> = all.iter().filter(|(_, line)| line.contains("  client-1 ")).cloned().collect();
    assert!(!expected.is_empty() && of_host == expected, "{} of {}", of_host.len(), expected.len());
    let topic = timeline(&run(&["--topic", "group:topic-1", "--host", "node"]).exits(0));
    assert!(topic.iter().any(|(_, line)| line.contains("stores group:topic-1 #1 ")), "{topic:?}");
    assert!(topic.iter().all(|(_, line)| line.contains("  node ") && line.contains("group:topic-1")), "{topic:?}");
    let around = timeline(&run(&["--around", "15.2s", "--width", "1s", "--host", "world"]).exits(0));
    assert_eq!(around.len(), 1, "{around:?}");
    assert!(around[0].1.contains("fault 1: the proxy passes nothing"), "{around:?}");
    let nothing = run(&["--around", "15s", "--width", "1ms", "--host", "node", "--topic", "group:topic-1"]).exits(0);
    nothing.says(&["timeline  no record is of all of these: look at more hosts or topics, or at a longer time"]);
}

#[test]
fn a_filter_that_can_match_nothing_is_refused_with_what_there_is() {
    let refused = |arguments: &[&str], parts: &[&str]| {
        let said = run(arguments).exits(64);
        parts.iter().for_each(|part| assert!(said.err.contains(part), "no `{part}` in {said}"));
    };
    refused(&["--host", "clint-1"], &["--host matches no host; there are client-1, node, proxy, publisher-1, world"]);
    refused(&["--topic", "topic-1"], &["--topic matches no topic; there are group:topic-1"]);
    refused(&["--around", "1h"], &["--around 1h is after the end: the trial ends at 2m"]);
    refused(&["--host", "client-["], &["`client-[` is no pattern", "`*` stands for any text"]);
    refused(&["--width", "1s"], &["--around"]);
    refused(&["--around", "3"], &["`3` is no time; write one such as 90s, 3m28s or, as a story prints it"]);
}

#[test]
fn json_lines_have_the_documented_keys_and_every_record() {
    let all = timeline(&run(&["--verbose"]).exits(0));
    let said = run(&["--format", "jsonl"]).exits(0);
    let lines: Vec<serde_json::Value> =
        said.out.lines().map(|line| serde_json::from_str(line).expect("an object on a line")).collect();
    assert_eq!(lines.len(), all.len());
    for (number, line) in lines.iter().enumerate() {
        let keys: Vec<&String> = line.as_object().expect("an object").keys().collect();
        assert_eq!(keys.len(), 7, "{line}");
        assert_eq!(line["number"], number, "{line}");
        assert!(line["at"].as_f64() <= line["until"].as_f64() && line["count"].as_u64() > Some(0), "{line}");
        assert!(all[number].1.contains(line["words"].as_str().expect("words")), "{line}");
    }
    let began = lines.iter().find(|line| line["event"] == "fault-began").expect("a fault");
    assert_eq!((&began["at"], &began["host"]), (&15.0.into(), &"world".into()));
    assert!(lines.iter().any(|line| line["event"] == "heard"), "a beat is called by what beats");
}

#[test]
fn a_replay_takes_the_filters_of_a_run_and_many_replays_take_none() {
    let scratch = Scratch::new();
    scratch.write("x.case.json", run(&["--format", "json"]).exits(0).out);
    let replayed = timeline(&scratch.pulseless(&["replay", "x.case.json", "--host", "node"]).exits(0));
    assert_eq!(replayed, timeline(&run(&["--host", "node"])));
    let lines = scratch.pulseless(&["replay", "x.case.json", "--format", "jsonl", "--host", "node"]).exits(0).out;
    assert_eq!(lines.lines().count(), replayed.len());
    for flag in ["--host=node", "--topic=group:*", "--around=1s", "--all"] {
        scratch.pulseless(&["replay", "x.case.json", "--times", "2", flag]).exits(64).refuses(&["cannot be used with"]);
    }
    let many = scratch.pulseless(&["replay", "x.case.json", "--times", "2", "--format", "jsonl"]).exits(64);
    assert!(many.err.contains("--format jsonl prints the timeline of one play"), "{many}");
}

#[test]
fn what_is_counted_is_named_when_all_is_asked_for() {
    let sim = crate::bench::sims().join("fleet.toml");
    let fleet = |more: &[&str]| {
        let sim = sim.to_str().expect("a path of text");
        Scratch::new().pulseless(&[&["run", sim, "--seed", "7"], more].concat()).exits(0)
    };
    let (brief, all) = (fleet(&[]), fleet(&["--all"]));
    let brief = brief.says(&["9 more clients are not told one by one (--all tells them)"]);
    assert!(!brief.unfolded.contains("client-12: subscribes from"), "{brief}");
    let all = all.says(&["client-12: subscribes from", "client-1: subscribes from"]);
    assert!(!all.unfolded.contains(" more clients"), "{all}");
    assert_eq!(brief.line("digest "), all.line("digest "));
}

#[test]
fn lines_end_at_80_columns_but_for_the_command_that_plays_it_again() {
    for (sim, code) in [("good.toml", 0), ("bad.toml", 1)] {
        let said = Scratch::new().pulseless(&["run", sim, "--seed", "7"]).exits(code);
        let wide = said.out.lines().filter(|line| line.chars().count() > 80 && !line.starts_with("again  "));
        assert_eq!(wide.collect::<Vec<_>>(), Vec::<&str>::new(), "{said}");
    }
}

#[test]
fn a_failing_trial_tells_nothing_twice() {
    let said = Scratch::new().pulseless(&["run", "bad.toml", "--seed", "7"]).exits(1);
    let sentences = said.unfolded.matches("heard nothing on attempt 1").count();
    assert_eq!(sentences, 1, "{said}");
    let breach = said.unfolded.find("!! liveness fails here").expect("the climax stands in the story");
    let (story, verdicts) = (said.unfolded.find("\nstory\n"), said.unfolded.find("\nverdicts\n"));
    assert!(story < Some(breach) && Some(breach) < verdicts, "{said}");
}
