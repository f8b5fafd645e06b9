//! `pulseless replay`: case files whole, cut, foreign and edited.

use crate::bench::{GOOD, Scratch, change, line_of};

/// Where the case of `bad.toml` is once a sweep has left it.
const CASE: &str = "reports/latest/bad-seed-7.case.json";

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
fn a_case_of_another_format_names_both_formats() {
    let scratch = with_case();
    // Another version's layout may have other keys.
    let newer = change(&scratch.read(CASE), "\"format\": 1,", "\"format\": 2, \"engine\": \"leap\",");
    scratch.write("newer.case.json", newer);
    let said = scratch.pulseless(&["replay", "newer.case.json"]).exits(64);
    said.refuses(&[
        "case file newer.case.json has format 2, and this pulseless reads format 1",
        "written by pulseless",
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
    said.refuses(&[
        "the sim in old.case.json is refused by this version",
        &line_of(GOOD, "watchdog"),
        "unknown key `guardian`",
    ]);
}

#[test]
fn a_missing_case_is_refused_by_name() {
    let scratch = Scratch::new();
    let said = scratch.pulseless(&["replay", "missing.case.json"]).exits(64);
    said.refuses(&["failed to read case file missing.case.json: No such file"]);
}
