//! `pulseless replay`: case files whole, cut, foreign and edited; one play and many.

use crate::bench::{GOOD, Scratch, bad, change, line_of};

/// Where the case of `bad.toml` is once a sweep has left it.
const CASE: &str = "reports/latest/bad-seed-7.case.json";

/// A case as a version without seals wrote it: what of it was edited nobody can tell.
fn unsealed(case: &str) -> String {
    let (head, sealed) = case.split_once("  \"sealed\": {").expect("a seal");
    let (_, rest) = sealed.split_once("},\n").expect("the seal ends");
    change(&format!("{head}{rest}"), "\"format\": 4,", "\"format\": 3,")
}

/// A scratch folder with a case file in it.
fn with_case() -> Scratch {
    let scratch = Scratch::new();
    scratch.pulseless(&["sweep", "bad.toml", "--from", "7", "--seeds", "1"]).exits(1);
    scratch
}

#[test]
fn a_case_is_reproduced_bit_for_bit() {
    let scratch = with_case();
    // The case file is all that it takes.
    std::fs::remove_file(scratch.path("bad.toml")).expect("the sim is there");
    let said = scratch.pulseless(&["replay", CASE]).exits(1);
    assert_eq!(said.first_line(), format!("seed 7 (from {CASE})"));
    let digest = scratch.read_json(CASE)["digest"].as_str().expect("a digest").to_owned();
    assert!(said.line("digest ").contains(&digest), "{said}");
    assert_eq!(said.line("before "), format!("before   {digest}: reproduced bit for bit"));
    assert_eq!(scratch.shell(said.again()).exits(1).out, said.out);
}

#[test]
fn a_cut_case_is_truncated_wherever_it_was_cut() {
    let scratch = with_case();
    let whole = scratch.read(CASE).into_bytes();
    let title = whole.windows(2).position(|bytes| bytes == "é".as_bytes()).expect("the title has an é");
    let steps = (0..whole.len() - 2).step_by(whole.len() / 16);
    // After the last brace comes a line feed, which nobody misses.
    for end in steps.chain([1, title + 1, whole.len() - 2]) {
        scratch.write("cut.case.json", &whole[..end]);
        let said = scratch.pulseless(&["replay", "cut.case.json"]).exits(64);
        said.refuses(&["case file cut.case.json is truncated: it ends at line ", "copy it again"]);
    }
}

#[test]
fn a_foreign_file_is_no_case() {
    let scratch = Scratch::new();
    let foreign: [(&str, &[u8]); 5] = [
        ("object.json", br#"{ "name": "left-pad", "version": "1.3.0" }"#),
        ("array.json", b"[1, 2, 3]"),
        ("number.json", b"7"),
        ("page.html", b"<html>404</html>"),
        ("garbage.bin", &[0xff, 0xfe, 0x00, 0x80]),
    ];
    for (name, content) in foreign {
        scratch.write(name, content);
        let said = scratch.pulseless(&["replay", name]).exits(64);
        said.refuses(&[&format!("{name} is not a case file: "), "`pulseless sweep` writes case files"]);
    }
    scratch.pulseless(&["replay", "good.toml"]).exits(64).refuses(&["good.toml is not a case file"]);
}

#[test]
fn a_case_whose_sim_has_a_path_for_a_name_leads_nowhere() {
    let scratch = with_case();
    for name in ["../../x", "", ".x", "a/b"] {
        let spoilt = change(&scratch.read(CASE), "\"sim\": \"bad\"", &format!("\"sim\": \"{name}\""));
        scratch.write("spoilt.case.json", spoilt);
        for command in ["replay", "shrink", "keep", "explain"] {
            let said = scratch.pulseless(&[command, "spoilt.case.json"]).exits(64);
            said.refuses(&["case file spoilt.case.json: `sim` is ", "write the name of a sim"]);
        }
    }
}

#[test]
fn a_case_of_another_format_names_both_formats() {
    let scratch = with_case();
    // Another version's layout may have other keys.
    let newer = change(&scratch.read(CASE), "\"format\": 4,", "\"format\": 5, \"shape\": \"round\",");
    scratch.write("newer.case.json", newer);
    let said = scratch.pulseless(&["replay", "newer.case.json"]).exits(64);
    said.refuses(&[
        "case file newer.case.json has format 5, and this pulseless reads formats 3 and 4",
        "replay it with the build that wrote it",
    ]);
}

#[test]
fn an_edited_digest_is_not_reproducible() {
    let scratch = with_case();
    let digest = scratch.read_json(CASE)["digest"].as_str().expect("a digest").to_owned();
    let other = "00000000000000000000000000000001";
    scratch.write("edited.case.json", change(&scratch.read(CASE), &digest, other));
    let said = scratch.pulseless(&["replay", "edited.case.json"]).exits(3);
    assert!(said.line("before ").starts_with(&format!("before   {other}: not reproducible")), "{said}");
    assert!(said.line("digest ").contains(&digest), "{said}");
    // All checkpoints agree: only what comes after the last of them can differ.
    assert!(said.line("parted ").contains("is the first to differ, before the end"), "{said}");
    scratch
        .shell(said.line("compare ").trim_start_matches("compare "))
        .exits(3)
        .says(&["16 plays, 16 of them with another digest"]);
    let json = scratch.pulseless(&["replay", "edited.case.json", "--format", "json"]).exits(3).json();
    assert_eq!(json["digest"], *digest);
    scratch.write("spoilt.case.json", change(&scratch.read(CASE), &digest, "xyz"));
    let said = scratch.pulseless(&["replay", "spoilt.case.json"]).exits(64);
    said.refuses(&["spoilt.case.json is not a case file", "`xyz` is not a digest", "line 6"]);
}

#[test]
fn a_case_whose_sim_is_refused_shows_the_line() {
    let scratch = with_case();
    scratch.write("old.case.json", change(&scratch.read(CASE), "\\nwatchdog = ", "\\nguardian = "));
    let said = scratch.pulseless(&["replay", "old.case.json"]).exits(64);
    said.refuses(&["the case in old.case.json is refused", &line_of(GOOD, "watchdog"), "unknown key `guardian`"]);
}

#[test]
fn a_missing_case_is_refused_by_name() {
    let scratch = Scratch::new();
    let said = scratch.pulseless(&["replay", "missing.case.json"]).exits(64);
    said.refuses(&["failed to read case file missing.case.json: No such file"]);
}

/// A scratch folder with the case of a sim that has many checkpoints, and that case's text.
fn with_busy_case() -> (Scratch, String) {
    let scratch = Scratch::new();
    let busy = change(&bad(), "rate = \"1/s\"", "rate = \"10/s\"");
    scratch.write("bad.toml", change(&busy, "at = \"15s\"", "at = \"30s\""));
    scratch.pulseless(&["sweep", "bad.toml", "--from", "7", "--seeds", "1"]).exits(1);
    let checkpoints = scratch.read_json(CASE)["checkpoints"].as_array().expect("checkpoints").len();
    assert!(checkpoints > 2, "{checkpoints} checkpoints show little");
    let case = scratch.read(CASE);
    (scratch, case)
}

#[test]
fn many_plays_in_many_processes_have_one_digest() {
    let scratch = with_case();
    let digest = scratch.read_json(CASE)["digest"].as_str().expect("a digest").to_owned();
    let said = scratch.pulseless(&["replay", CASE, "--times", "5", "--processes", "3"]).exits(0);
    assert_eq!(said.first_line(), format!("seed 7 (from {CASE})"));
    assert!(said.line("15 times").ends_with("the case's"), "{said}");
    assert!(said.line("15 times").contains(&digest), "{said}");
    assert_eq!(said.line("verdict "), "verdict  pass: 15 plays, each with the case's digest");
    assert_eq!(said.err, "", "progress is for a terminal");
    assert_eq!(scratch.shell(said.again()).exits(0).out, said.out);
    let json = scratch.pulseless(&["replay", CASE, "--processes", "2", "--format", "json"]).exits(0).json();
    assert_eq!((&json["times"], &json["processes"]), (&1.into(), &2.into()));
    assert_eq!((&json["reproduced"], &json["parting"]), (&true.into(), &serde_json::Value::Null));
    let digests = serde_json::json!([{
        "digest": digest, "events": json["digests"][0]["events"], "count": 2, "expected": true
    }]);
    assert_eq!(json["digests"], digests);
}

#[test]
fn another_seed_than_the_recorded_one_parts_from_it_and_the_record_does_not_come_back() {
    let (scratch, case) = with_busy_case();
    scratch.write("edited.case.json", change(&unsealed(&case), "\"seed\": 7,", "\"seed\": 8,"));
    let said = scratch.pulseless(&["replay", "edited.case.json", "--times", "2", "--processes", "2"]).exits(3);
    let said = said.says(&[
        "     4 times  ",
        "no checkpoint agrees; one of the events 1 to 1024 is the first to differ, not after ",
        "it did not come back: 4 plays more to see that stretch, each with ",
        "verdict  not reproducible: 4 plays, 4 of them with another digest",
    ]);
    assert!(said.line("never ").ends_with("the case's"), "{said}");
    assert_eq!(said.err, "");
    assert_eq!(said.again(), "pulseless replay edited.case.json --times 2 --processes 2");
}

#[test]
fn the_stretch_that_differs_is_found_in_the_middle_of_a_case() {
    let (scratch, case) = with_busy_case();
    // The fault begins a second earlier, at 29 s: up to there everything is the same.
    let edited = change(&unsealed(&case), "\\nat = \\\"30s\\\"", "\\nat = \\\"29s\\\"");
    // In the plan as well: a plan that is not the sim's own is played, and compared with nothing.
    let edited = change(&edited, "\"at = \\\"30s\\\"\"", "\"at = \\\"29s\\\"\"");
    scratch.write("edited.case.json", edited);
    let checkpoints = scratch.read_json(CASE)["checkpoints"].clone();
    let times = checkpoints.as_array().expect("checkpoints").iter().map(|checkpoint| &checkpoint["at"]["secs"]);
    let before = times.filter(|seconds| seconds.as_u64().expect("seconds") < 29).count() as u64;
    assert!(before > 0, "the fault begins after a checkpoint: {checkpoints}");
    let said = scratch.pulseless(&["replay", "edited.case.json", "--times", "1", "--format", "json"]).exits(3);
    let parting = &said.json()["parting"];
    assert_eq!(parting["stretch"]["agreed"], 1024 * before, "{said}");
    assert_eq!(parting["stretch"]["last"], 1024 * (before + 1), "{said}");
    assert_eq!(parting["difference"], serde_json::Value::Null, "the recorded play cannot be had again");
    let once = scratch.pulseless(&["replay", "edited.case.json"]).exits(3);
    let agreed = format!("the first {} events agree, until 1", 1024 * before);
    assert!(once.line("parted ").contains(&agreed), "{once}");
}

#[test]
fn a_cut_or_spoilt_checkpoint_is_refused() {
    let (scratch, case) = with_busy_case();
    let checkpoint = scratch.read_json(CASE)["checkpoints"][0]["digest"].as_str().expect("a digest").to_owned();
    scratch.write("spoilt.case.json", change(&case, &checkpoint, "xyz"));
    let replay = ["replay", "spoilt.case.json", "--times", "1"];
    let said = scratch.pulseless(&replay).exits(64);
    said.refuses(&["spoilt.case.json is not a case file", "`xyz` is not a digest", "line 1"]);
    let (head, _) = case.split_once(&checkpoint).expect("it is there");
    scratch.write("spoilt.case.json", head);
    scratch.pulseless(&replay).exits(64).refuses(&["case file spoilt.case.json is truncated: it ends at line "]);
    // Checkpoints that no play can have are a difference, and no panic.
    scratch.write("spoilt.case.json", case.replacen("\"events\": 1024,", "\"events\": 18446744073709551615,", 1));
    scratch.pulseless(&replay).exits(0);
}

#[test]
fn no_plays_and_absurdly_many_are_refused() {
    let scratch = with_case();
    for (flag, most) in [("--times", 10_000), ("--processes", 1_000)] {
        for bad in ["0", "-1", "1000000000000", "many", ""] {
            let said = scratch.pulseless(&["replay", CASE, &format!("{flag}={bad}")]).exits(64);
            said.refuses(&[&format!("'{bad}' for '{flag}")]);
        }
        let range = format!("0 is not in 1..={most}");
        scratch.pulseless(&["replay", CASE, flag, "0"]).exits(64).refuses(&[&range]);
        scratch.pulseless(&["replay", CASE, flag, "2", "--verbose"]).exits(64).refuses(&["cannot be used with"]);
        scratch.pulseless(&["replay", "good.toml", flag, "2"]).exits(64).refuses(&["good.toml is not a case file"]);
        scratch
            .pulseless(&["replay", "none.json", flag, "2"])
            .exits(64)
            .refuses(&["failed to read case file none.json"]);
    }
}

#[test]
fn an_edited_case_says_what_differs_and_is_compared_with_nothing() {
    let (scratch, case) = with_busy_case();
    let later = change(&case, "\"at = \\\"30s\\\"\"", "\"at = \\\"31s\\\"\"");
    let reseeded = change(&case, "  \"seed\": 7,\n  \"digest", "  \"seed\": 8,\n  \"digest");
    let mended = change(&case, "\\nwatchdog = \\\"off\\\"", "\\nwatchdog = 3");
    for (edited, code, changed) in [
        (&later, 1, "changed  clause 1 was changed from: at 30s for 13s, the proxy passes nothing "),
        (&unsealed(&later), 1, "changed  clause 1 was changed from: at 30s for 13s, the proxy passes nothing "),
        (&reseeded, 1, "changed  the seed was 7"),
        (&mended, 0, "changed  the sim's text is not the one that was played"),
    ] {
        scratch.write("edited.case.json", edited);
        let said = scratch.pulseless(&["replay", "edited.case.json"]).exits(code).says(&[changed]);
        assert!(!said.out.contains("before ") && !said.out.contains("parted "), "it was compared: {said}");
        assert_eq!(said.again(), "pulseless replay edited.case.json");
    }
    let often = scratch.pulseless(&["replay", "edited.case.json", "--times", "2"]).exits(0);
    often
        .says(&["not the trial that was recorded (the sim's text is not the one that was played): a first play takes"]);
}

/// A sim with two faults, of which the second alone is felt by the clients, and its failing case.
fn with_two_clauses() -> Scratch {
    let scratch = Scratch::new();
    let first =
        "[[fault]]\nat = \"10s\"\nfor = \"2s\"\nkind = \"slow-sync\"\non = \"node\"\ntakes = \"50ms\"\n\n[[fault]]";
    scratch.write("two.toml", change(&bad(), "[[fault]]", first));
    let case = scratch.pulseless(&["run", "two.toml", "--seed", "7", "--format", "json"]).exits(1).out;
    scratch.write("two.case.json", case);
    scratch
}

#[test]
fn the_fix_is_tried_on_the_failing_plan() {
    let scratch = with_two_clauses();
    let said = scratch.pulseless(&["replay", "two.case.json", "--set", "client.watchdog=3"]).exits(0);
    let said = said.says(&["changed  set client.watchdog=3\n", "the proxy passes nothing"]);
    assert_eq!(said.again(), "pulseless replay two.case.json --set client.watchdog=3");
    assert_eq!(scratch.shell(said.again()).exits(0).out, said.out);
    let refused = |flags: &[&str], parts: &[&str]| {
        scratch.pulseless(&[&["replay", "two.case.json"], flags].concat()).exits(64).refuses(parts);
    };
    refused(
        &["--set", "fault.1.for=5m"],
        &["a case's own plan is played, so --set cannot change `fault`", "--without"],
    );
    refused(&["--set", "client.watchdgo=3"], &["the case in two.case.json is refused", "setting `client.watchdgo=3`"]);
    refused(&["--set", "watchdog"], &["`watchdog` sets nothing"]);
}

#[test]
fn clauses_are_left_out_by_number() {
    let scratch = with_two_clauses();
    for (flags, code, changed) in [
        (["--without", "2"], 0, "changed  without clause 2: the proxy passes nothing"),
        (["--only", "1"], 0, "changed  without clause 2: the proxy passes nothing"),
        (["--without", "1"], 1, "changed  without clause 1: "),
        (["--only", "2"], 1, "changed  without clause 1: "),
        (["--without", "1,2"], 0, "changed  without clause 2: "),
    ] {
        let said = scratch.pulseless(&[&["replay", "two.case.json"], &flags[..]].concat()).exits(code).says(&[changed]);
        assert_eq!(scratch.shell(said.again()).exits(code).out, said.out);
    }
    let refused = |flags: &[&str], part: &str| {
        scratch.pulseless(&[&["replay", "two.case.json"], flags].concat()).exits(64).refuses(&[part]);
    };
    refused(&["--without", "3"], "two.case.json has no clause 3; its plan has 2 clauses: 1, 2");
    refused(&["--only", "1,0"], "two.case.json has no clause 0; ");
    refused(&["--only", "two"], "invalid value 'two' for '--only");
    refused(&["--only", "1", "--without", "2"], "cannot be used with");
}

#[test]
fn several_cases_and_folders_are_a_line_each_and_the_worst_is_the_exit() {
    let scratch = with_two_clauses();
    let passing = scratch.pulseless(&["run", "good.toml", "--seed", "7", "--format", "json"]).exits(0).out;
    scratch.write("cases/good.case.json", &passing);
    let said = scratch.pulseless(&["replay", "cases"]).exits(0);
    assert_eq!(said.out, "cases/good.case.json  pass\n");
    let two = scratch.read("two.case.json");
    scratch.write("cases/bad.case.json", &two);
    let said = scratch.pulseless(&["replay", "cases", "two.case.json"]).exits(1);
    let starts: Vec<&str> = said.out.lines().map(|line| line.split(':').next().unwrap_or_default()).collect();
    assert_eq!(starts, ["cases/bad.case.json  fail", "cases/good.case.json  pass", "two.case.json  fail"]);
    let mended = scratch.pulseless(&["replay", "cases", "--set", "client.watchdog=3"]).exits(0);
    mended.says(&["cases/bad.case.json  pass (set client.watchdog=3)\n"]);
    let digest = scratch.read_json("two.case.json")["digest"].as_str().expect("a digest").to_owned();
    scratch.write("cases/other.case.json", change(&two, &digest, &"0".repeat(32)));
    scratch
        .pulseless(&["replay", "cases"])
        .exits(3)
        .says(&["cases/other.case.json  fail (not reproducible: another digest)"]);
    let json = scratch.pulseless(&["replay", "cases", "--format", "json"]).exits(3).json();
    let verdicts: Vec<&str> =
        json.as_array().expect("lines").iter().filter_map(|line| line["verdict"].as_str()).collect();
    assert_eq!(verdicts, ["fail", "pass", "fail"]);
    scratch.write("cases/cut.case.json", "{");
    let said = scratch.pulseless(&["replay", "cases"]).exits(64).says(&["cases/good.case.json  pass\n"]);
    assert!(said.err.contains("case file cases/cut.case.json is truncated"), "{said}");
    scratch.make_folder("none");
    scratch.pulseless(&["replay", "none"]).exits(64).refuses(&["no case in none: a case file ends in .case.json"]);
    let said = scratch.pulseless(&["replay", "cases", "--times", "2"]).exits(64);
    said.refuses(&[
        "4 cases are meant, and --times, --processes and what tells of one trial, such as --verbose, are for one",
    ]);
}

#[test]
fn the_bare_verdict_is_what_a_bisection_asks_for() {
    let scratch = with_two_clauses();
    let verdict = |file: &str, flags: &[&str], code| {
        scratch.pulseless(&[&["replay", file, "--verdict-only"], flags].concat()).exits(code).out
    };
    assert_eq!(verdict("two.case.json", &["--set", "client.watchdog=3"], 0), "pass\n");
    let failing = verdict("two.case.json", &[], 1);
    assert!(failing.starts_with("fail: ") && failing.lines().count() == 1, "{failing}");
    let both = scratch.pulseless(&["replay", "two.case.json", "two.case.json", "--verdict-only"]).exits(1).out;
    assert!(both.lines().all(|line| line.starts_with("two.case.json  fail: ")) && both.lines().count() == 2, "{both}");
    // What an older build does not know, and what shows too little.
    scratch.write("newer.case.json", change(&scratch.read("two.case.json"), "\"format\": 4,", "\"format\": 9,"));
    scratch.write("unread.case.json", change(&scratch.read("two.case.json"), "\\nwatchdog = ", "\\nguardian = "));
    for file in ["newer.case.json", "unread.case.json", "none.case.json"] {
        let said = verdict(file, &[], 125);
        assert!(said.starts_with("cannot be judged: ") && said.lines().count() == 1, "{said}");
    }
    scratch
        .pulseless(&["replay", "two.case.json", "--verdict-only", "--verbose"])
        .exits(64)
        .refuses(&["cannot be used"]);
}
