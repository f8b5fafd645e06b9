//! The sequence diagram of a trial.
//!
//! Refuses to know how Mermaid draws: it sees lines, and what they may be made of.

use crate::bench::Scratch;

/// What fits a bug report.
const LINES_MAX: usize = 60;

fn diagram(sim: &str, more: &[&str]) -> String {
    let scratch = Scratch::new();
    scratch.case("one", sim, more);
    scratch.report("one", "mermaid", &[]);
    scratch.read("one.mmd")
}

/// Whether a line is a statement of a sequence diagram whose hosts were introduced.
fn is_statement(line: &str, hosts: &[&str]) -> bool {
    let known = |host: &str| hosts.contains(&host);
    let Some((statement, words)) = line.trim_start().split_once(": ") else { return false };
    let plain = !words.contains([';', '<', '>', '{', '}']) || words.split('#').skip(1).all(|part| part.contains(';'));
    let over = statement.strip_prefix("Note over ").map(|over| over.split(',').all(known));
    let arrow = ["->>", "--x"].iter().find_map(|arrow| statement.split_once(arrow));
    plain && over.or(arrow.map(|(from, to)| known(from) && known(to))).unwrap_or(false)
}

#[test]
fn a_diagram_tells_what_happened_around_the_break_in_few_lines() {
    for (sim, more) in [
        ("proxy-goes-silent.toml", &["--set", "client.watchdog=off"][..]),
        ("proxy-goes-silent.toml", &[]),
        ("storm.toml", &[]),
    ] {
        let text = diagram(sim, more);
        let mut lines = text.lines().skip_while(|line| line.starts_with("%%"));
        assert_eq!(lines.next(), Some("sequenceDiagram"), "{text}");
        let (introduced, told): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with("    participant "));
        let hosts: Vec<&str> = introduced.iter().filter_map(|line| line.split_whitespace().nth(1)).collect();
        assert!(hosts.len() > 1 && text.lines().count() <= LINES_MAX, "{text}");
        for line in &told {
            assert!(is_statement(line, &hosts), "`{line}` in\n{text}");
        }
    }
}

#[test]
fn a_diagram_of_a_failure_has_the_fault_the_verdict_and_what_was_swallowed() {
    let text = diagram("proxy-goes-silent.toml", &["--set", "client.watchdog=off"]);
    for part in [
        "%% proxy-goes-silent, seed 7: pulseless replay one.case.json\n",
        ": 2m fault 1: the proxy passes nothing for client-1, client-2, client-3",
        " as client-1\n",
        "3m 28.77s liveness fails (C2): client-1 heard nothing on attempt 1",
        "--x",
    ] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
}
