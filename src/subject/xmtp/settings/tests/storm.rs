//! What the reader promises about storms.

use super::{SMALL, render, secs, set};
use crate::fault::{Family, Storm};
use crate::sim::read;
use crate::subject::xmtp::SUBJECTS;

fn storm(lines: &str) -> Storm {
    let text = format!("{SMALL}[storm]\n{lines}");
    read("x", &text, SUBJECTS).expect("a good sim").storm.expect("a storm")
}

fn wrong(lines: &str, parts: &[&str]) {
    let text = format!("{SMALL}[storm]\n{lines}");
    let text = render(&read("x", &text, SUBJECTS).expect_err(lines));
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
}

#[test]
fn a_storm_names_its_families() {
    let some = storm("families = [\"power\", \"loss\"]\nintensity = 7\nbegins = \"1m\"\n");
    assert_eq!(some, Storm { families: [Family::Loss, Family::Power].into(), intensity: 7, begins: secs(60) });
    let all = storm("families = \"all\"\n");
    assert_eq!(all, Storm { families: Family::ALL.into(), intensity: 3, begins: secs(30) });
    assert_eq!(read("x", SMALL, SUBJECTS).expect("a good sim").storm, None);
}

#[test]
fn a_storm_that_says_nothing_is_refused() {
    wrong("", &["required key `families` is missing in `storm`", "add `families = \"all\"`"]);
    wrong("families = []\n", &["line 6: `storm.families` names no family", "write \"all\", or some of partitions"]);
    wrong("families = \"some\"\n", &["`storm.families` is a string", "\"all\", or an array of families"]);
    wrong("families = [\"los\"]\n", &["`storm.families.1`: there is no family `los`", "did you mean `loss`?"]);
    wrong("families = \"all\"\nintensity = 0\n", &["`storm.intensity` is 0", "from 1 to 10"]);
    wrong("families = \"all\"\nintensity = 11\n", &["`storm.intensity` is 11"]);
    wrong("families = \"all\"\nbegins = \"0s\"\n", &["`storm.begins` is 0s"]);
    wrong("families = \"all\"\nstrength = 3\n", &["unknown key `strength` in `storm`"]);
}

#[test]
fn a_storm_has_room_before_the_calm() {
    let late = ["line 7: the storm begins at 14m1s, and the calm at 17m", "no room", "end 2m before the calm"];
    wrong("families = \"all\"\nbegins = \"14m1s\"\n", &late);
    assert_eq!(storm("families = \"all\"\nbegins = \"14m\"\n").begins, secs(840));
    let short = set(&format!("{SMALL}[storm]\nfamilies = \"all\"\n"), &["duration=6m"]).expect_err("no room");
    assert!(short.to_string().contains("the storm begins at 30s, and the calm at 3m"), "{short}");
}

#[test]
fn settings_reach_a_storm() {
    let text = format!("{SMALL}[storm]\nfamilies = \"all\"\n");
    let file = set(&text, &["storm.intensity=9", "storm.families=[\"names\"]"]).expect("a good sim");
    let storm = file.storm.expect("a storm");
    assert_eq!((storm.intensity, storm.families), (9, [Family::Names].into()));
}
