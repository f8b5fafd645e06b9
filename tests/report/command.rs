//! The command itself: where a report is written, what is refused, and the exit codes.

use std::fs;

use crate::bench::Scratch;

/// A short trial.
const SHORT: &str =
    "title = \"Short\"\nduration = \"1m\"\ncalm = \"20s\"\n[promise]\nverdict = \"pass\"\nwithin = \"20s\"\n";

fn short() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("short.toml", SHORT);
    scratch.case("short", "short.toml", &[]);
    scratch
}

#[test]
fn a_report_is_written_beside_its_case_or_where_it_is_wanted() {
    let scratch = short();
    assert_eq!(scratch.report("short", "html", &[]).text(), "short.html\n");
    assert_eq!(scratch.report("short", "html", &["--output", "else where.html"]).text(), "else where.html\n");
    let printed = scratch.report("short", "html", &["--output", "-"]);
    assert_eq!(printed.text(), scratch.read("short.html"));
    assert_eq!(printed.text(), scratch.read("else where.html"));
    let streamed = scratch.report("short", "html", &["--output", "/dev/stdout"]);
    assert!(streamed.text().starts_with("<!doctype html>"), "{streamed:?}");
    let left: Vec<_> =
        fs::read_dir(scratch.path("")).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
    assert_eq!(left.len(), 4, "a draft is left: {left:?}");
}

#[test]
fn a_case_that_does_not_come_again_is_reported_with_exit_3() {
    let scratch = short();
    let case = scratch.read("short.case.json");
    let digest = case.split("\"digest\": \"").nth(1).expect("a digest")[..32].to_owned();
    scratch.write("other.case.json", &case.replacen(&digest, &"0".repeat(32), 1));
    let said = scratch.pulseless(&["report", "other.case.json", "--to", "html"]);
    assert_eq!(said.code, 3, "{said:?}");
    let told = format!("not reproducible: the case has digest {}, by pulseless", "0".repeat(32));
    assert!(said.err.contains(&told) && said.err.contains(&digest), "{said:?}");
    assert!(scratch.read("other.html").contains(&told), "the page does not say so");
}

#[test]
fn an_edited_plan_is_reported_and_compared_with_nothing() {
    let scratch = Scratch::new();
    scratch.case("silent", "proxy-goes-silent.toml", &[]);
    let case = scratch.read("silent.case.json");
    // The plan stands before the sim's text, which stays as it is.
    scratch.write("edited.case.json", &case.replacen("for = \\\"10m\\\"", "for = \\\"9m\\\"", 1));
    assert_ne!(case, scratch.read("edited.case.json"), "nothing was edited");
    let said = scratch.report("edited", "html", &[]);
    assert_eq!(said.err, "");
    assert!(scratch.read("edited.html").contains("the plan in the case file was edited"), "the page does not say so");
}

#[test]
fn what_cannot_be_reported_is_refused() {
    let scratch = short();
    fs::create_dir(scratch.path("night")).expect("a folder");
    for (arguments, told) in [
        (&["report", "night", "--to", "pcapng"][..], "night is a folder, and that form is of one trial"),
        (&["report", "night", "--to", "html"], "failed to read night/summary.json"),
        (&["report", "none.case.json", "--to", "html"], "failed to read case file none.case.json"),
        (&["report", "short.toml", "--to", "html"], "short.toml is not a case file"),
        (&["report", "short.case.json", "--to", "pdf"], "invalid value 'pdf'"),
        (&["report", "short.case.json"], "--to"),
        (
            &["report", "short.case.json", "--to", "html", "--output", "none/x.html"],
            "failed to write the report none/x.html",
        ),
        (&["report", "short.case.json", "--to", "html", "--output", "night"], "failed to write the report night"),
    ] {
        let said = scratch.pulseless(arguments);
        let code = if told.starts_with("failed to write") { 74 } else { 64 };
        assert!(said.code == code && said.err.contains(told), "{arguments:?}: {said:?}");
    }
}
