//! `pulseless run`: seeds, story, verdicts, exit codes.

use crate::bench::{GOOD, Said, Scratch, bad, change, sims};

/// The number before the first `after` in a line.
#[track_caller]
fn number_before(line: &str, after: &str) -> u64 {
    let (before, _) = line.split_once(after).unwrap_or_else(|| panic!("no `{after}` in `{line}`"));
    let word = before.split_whitespace().last().unwrap_or_default();
    word.trim_start_matches('#').parse().unwrap_or_else(|_| panic!("no number before `{after}` in `{line}`"))
}

fn run_shipped(name: &str, more: &[&str]) -> Said {
    let sim = sims().join(name);
    let mut arguments = vec!["run", sim.to_str().expect("a path of text"), "--seed", "7"];
    arguments.extend(more);
    Scratch::new().pulseless(&arguments)
}

#[test]
fn the_seed_comes_first_and_the_last_line_reproduces_bit_for_bit() {
    let scratch = Scratch::new();
    scratch.write("it's mine.toml", GOOD);
    let drawn = scratch.pulseless(&["run", "it's mine.toml"]).exits(0).says(&["verdict  pass: the promise was kept"]);
    let first = drawn.first_line();
    let seed = first.strip_prefix("seed ").and_then(|rest| rest.strip_suffix(" (drawn; choose one with --seed)"));
    let seed = seed.unwrap_or_else(|| panic!("the first line is `{first}`"));
    assert!(drawn.again().ends_with(&format!("--seed {seed}")), "{drawn}");
    let again = scratch.shell(drawn.again()).exits(0);
    assert_eq!(again.line("digest "), drawn.line("digest "));
    assert_eq!(again.first_line(), format!("seed {seed} (from --seed)"));
}

#[test]
fn a_silent_proxy_makes_a_story() {
    let said = run_shipped("proxy-goes-silent.toml", &[]).exits(0);
    let silent = said.line("the proxy passes nothing for client-1, client-2, client-3");
    assert!(silent.ends_with("and goes on answering HTTP/2 PING: at either end only a watchdog can tell"), "{silent}");
    let speaks = said.line("the proxy speaks again");
    assert!(number_before(speaks, " HTTP/2 PINGs") > 0, "{speaks}");
    assert!(speaks.ends_with("never noticed"), "{speaks}");
    let window = said.line("messages were published into the dead window");
    assert!(number_before(window, " messages were published") > 0, "{window}");
    assert!(number_before(window, " of them stored by the node") > 0, "{window}");
    for client in ["client-1", "client-2", "client-3"] {
        let trip = said.line(&format!("{client}: watchdog trips after 1m 30"));
        assert!(trip.ends_with("of silence (C2)"), "{trip}");
        let resumes = said.line(&format!("{client}: resumes from group:topic-1 after #"));
        assert!(!resumes.contains("after #0,"), "a cursor is lost: {resumes}");
        assert!(number_before(said.line(&format!("{client}: 2")), " messages are replayed to it") > 0, "{said}");
    }
    let place = |part: &str| said.out.find(part).unwrap_or_else(|| panic!("no `{part}` in {said}"));
    let order = ["passes nothing", "watchdog trips", "speaks again", "resumes from", "are replayed", "the trial ends"];
    assert!(order.map(place).is_sorted(), "the story is out of order: {said}");
}

#[test]
fn who_is_turned_away_by_tls_is_told_once_with_the_reason() {
    let said = run_shipped("edge-without-h2.toml", &[]).exits(0);
    let said =
        said.says(&["the proxy offers http/1.1 in ALPN, and no h2, when client-1, client-2, client-3 begin TLS"]);
    let told = "is turned away: dial failed: dial proxy:5555: TLS with the server: no h2 in ALPN: it sent the alert \
                no_application_protocol";
    for client in ["client-1", "client-2", "client-3"] {
        let line = said.line(&format!("{client}: is turned away"));
        assert!(line.ends_with(told) || line.ends_with("in the same way"), "{line}");
    }
    assert!(said.line("loses its link").ends_with("TLS: it closed the connection without close_notify"), "{said}");
}

#[test]
fn without_a_watchdog_the_verdict_names_who_lost_what() {
    let said = run_shipped("proxy-goes-silent.toml", &["--set", "client.watchdog=off"]).exits(1);
    let liveness = said.line("liveness  fail");
    assert!(liveness.contains("(C2): client-1 heard nothing on attempt 1"), "{liveness}");
    let convergence = said.line("convergence  fail");
    assert!(convergence.contains("(T8): client-1 had not committed #"), "{convergence}");
    assert!(number_before(convergence, " of group:topic-1 ") > 0, "{convergence}");
    assert!(number_before(convergence, " of 828 owed messages are missing") > 0, "{convergence}");
    assert!(said.line("verdict ").starts_with("verdict  fail: liveness failed, at 3m 2"), "{said}");
    assert!(said.again().ends_with(" --seed 7 --set client.watchdog=off"), "{said}");
    let again = Scratch::new().shell(said.again()).exits(1);
    assert_eq!(again.line("digest "), said.line("digest "));
}

#[test]
fn every_setting_survives_the_shell() {
    let scratch = Scratch::new();
    let settings = ["--set", "title=It's \"$HOME\" again", "--set", "promise.sometimes=[\"client-restarted\"]"];
    let said = scratch.pulseless(&[&["run", "good.toml", "--seed", "7"], &settings[..]].concat()).exits(2);
    let again = scratch.shell(said.again()).exits(2);
    assert_eq!(again.out, said.out);
}

#[test]
fn verbose_prints_the_timeline_between_seed_and_verdict() {
    let scratch = Scratch::new();
    let brief = scratch.pulseless(&["run", "good.toml", "--seed", "7"]).exits(0);
    let verbose = scratch.pulseless(&["run", "good.toml", "--seed", "7", "--verbose"]).exits(0);
    let (seed, story) = brief.out.split_once('\n').expect("more than a line");
    let timeline = verbose.out.strip_prefix(seed).and_then(|rest| rest.strip_suffix(story));
    let timeline = timeline.unwrap_or_else(|| panic!("{verbose}\nis not around\n{brief}"));
    for part in ["the trial begins; it ends at 2m", "dials, attempt 1", "Mutate 1, adds", "(swallowed by the proxy)"] {
        assert!(timeline.contains(part), "no `{part}` in {timeline}");
        assert!(!story.contains(part), "`{part}` in {story}");
    }
}

#[test]
fn json_is_one_object_with_digest_and_conclusion() {
    let scratch = Scratch::new();
    for (sim, code, verdict) in [("good.toml", 0, "pass"), ("bad.toml", 1, "fail")] {
        let text = scratch.pulseless(&["run", sim, "--seed", "7"]).exits(code);
        let json = scratch.pulseless(&["run", sim, "--seed", "7", "--format", "json"]).exits(code).json();
        assert!(json.is_object(), "{json}");
        let digest = json["digest"].as_str().expect("a digest");
        assert!(text.line("digest ").contains(digest), "{digest} in {text}");
        assert_eq!(json["conclusion"]["verdict"], verdict);
        assert_eq!(json["seed"], 7);
    }
}

#[test]
fn the_environment_beats_the_sims_own_seed_which_beats_the_draw() {
    let scratch = Scratch::new();
    scratch.write("seeded.toml", format!("seed = 0x2a\n{GOOD}"));
    let own = scratch.pulseless(&["run", "seeded.toml"]).exits(0);
    assert_eq!(own.first_line(), "seed 42 (from the sim)");
    let environment = scratch.pulseless_with_seed("8", &["run", "seeded.toml"]).exits(0);
    assert_eq!(environment.first_line(), "seed 8 (from PULSELESS_SEED)");
}

#[test]
fn the_flag_beats_the_environment_which_beats_the_draw() {
    let scratch = Scratch::new();
    let environment = scratch.pulseless_with_seed("8", &["run", "good.toml"]).exits(0);
    assert_eq!(environment.first_line(), "seed 8 (from PULSELESS_SEED)");
    let flag = scratch.pulseless_with_seed("8", &["run", "good.toml", "--seed", "7"]).exits(0);
    assert_eq!(flag.first_line(), "seed 7 (from --seed)");
    assert_ne!(flag.line("digest "), environment.line("digest "));
}

#[test]
fn a_seed_is_the_same_in_decimal_and_hexadecimal() {
    let scratch = Scratch::new();
    let decimal = scratch.pulseless(&["run", "good.toml", "--seed", "42"]).exits(0);
    let hexadecimal = scratch.pulseless(&["run", "good.toml", "--seed", "0x2A"]).exits(0);
    assert_eq!(hexadecimal.out, decimal.out);
    let environment = scratch.pulseless_with_seed("0x2a", &["run", "good.toml"]).exits(0);
    assert_eq!(environment.line("digest "), decimal.line("digest "));
}

#[test]
fn a_malformed_seed_is_refused_with_the_form_of_a_good_one() {
    const FORM: &str = "in decimal (42) or hexadecimal (0x2a)";
    let scratch = Scratch::new();
    for seed in ["seven", "2a", "1.5", "0x", "18446744073709551616"] {
        let named = format!("`{seed}` is not a seed");
        scratch.pulseless(&["run", "good.toml", "--seed", seed]).exits(64).refuses(&["--seed", &named, FORM]);
        let environment = scratch.pulseless_with_seed(seed, &["run", "good.toml"]);
        environment.exits(64).refuses(&["PULSELESS_SEED", &named, FORM]);
    }
}

#[test]
fn a_planted_bug_that_is_caught_is_a_success() {
    let said = run_shipped("negative/watchdog-off.toml", &[]).exits(0);
    let said = said.says(&["promise  liveness fails, before any other checker"]);
    assert!(said.line("liveness  fail").contains("client-1"), "{said}");
    assert_eq!(said.line("verdict "), "verdict  pass: the promise was kept");
}

#[test]
fn a_promised_failure_without_a_bug_survives() {
    let scratch = Scratch::new();
    scratch.write("harmless.toml", change(GOOD, "verdict = \"pass\"", "verdict = \"fail\"\nchecker = \"liveness\""));
    let said = scratch.pulseless(&["run", "harmless.toml", "--seed", "7"]).exits(1);
    let verdict = said.line("verdict ");
    assert!(verdict.contains("nothing was caught: liveness was promised to fail"), "{verdict}");
}

#[test]
fn a_promise_of_the_wrong_checker_says_who_spoke_first() {
    let scratch = Scratch::new();
    let wrong = change(&bad(), "verdict = \"pass\"", "verdict = \"fail\"\nchecker = \"convergence\"");
    scratch.write("wrong.toml", wrong);
    let said = scratch.pulseless(&["run", "wrong.toml", "--seed", "7"]).exits(1);
    let verdict = said.line("verdict ");
    assert!(verdict.contains("convergence was promised to speak first, and liveness did, at "), "{verdict}");
    assert!(said.line("liveness  fail").contains("client-1 heard nothing"), "{said}");
}

#[test]
fn a_fault_that_never_fired_makes_the_trial_unknown() {
    let scratch = Scratch::new();
    scratch.write("idle.toml", change(GOOD, "on = \"client-*\"", "on = \"client-*\"\npath = \"/nothing/*\""));
    let said = scratch.pulseless(&["run", "idle.toml", "--seed", "7"]).exits(2);
    let expected = "verdict  unknown: fault 1 never fired (proxy-silence-upstream, at 15s): nothing was there to harm";
    assert_eq!(said.line("verdict "), expected);
    said.says(&["over, and it harmed nothing: the proxy passes nothing for"]);
}

#[test]
fn a_milestone_that_did_not_happen_makes_the_trial_unknown() {
    let scratch = Scratch::new();
    let text = format!("{GOOD}sometimes = [\"reconnect-by-watchdog\", \"client-restarted\"]\n");
    scratch.write("still.toml", text);
    let said = scratch.pulseless(&["run", "still.toml", "--seed", "7"]).exits(2);
    let verdict = said.line("verdict ");
    let expected = "verdict  unknown: `client-restarted` was promised to happen and did not: ";
    assert!(verdict.starts_with(expected), "{verdict}");
}

#[test]
fn a_broken_promise_outweighs_a_trial_that_shows_too_little() {
    let scratch = Scratch::new();
    scratch.write("both.toml", format!("{}sometimes = [\"client-restarted\"]\n", bad()));
    let said = scratch.pulseless(&["run", "both.toml", "--seed", "7"]).exits(1);
    assert!(said.line("verdict ").starts_with("verdict  fail: liveness failed"), "{said}");
}
