//! A sim in words.

use std::fmt::Write;

use crate::checker::bench;
use crate::fault::{KINDS, Storm};
use crate::grammar::{KeyHelp, Naming, count, spell, spell_percent, spell_size};
use crate::report::wrap::hang;
use crate::sim::{LinkSettings, Promised, SimFile, tables};
use crate::subject::Subject;

/// What a sim does, what it promises and which requirements it cites.
#[must_use]
pub fn explain(sim: &SimFile) -> String {
    let mut text = String::new();
    write_sim(&mut text, sim).expect("a string takes all");
    text
}

fn write_sim(text: &mut String, sim: &SimFile) -> std::fmt::Result {
    writeln!(text, "{}: {}\n", sim.name, sim.title)?;
    let explanation = sim.setup.explain(sim.times());
    write_lines(text, "The cast", &explanation.cast)?;
    write_links(text, &sim.link)?;
    // A stranger's hosts do what they do.
    if !explanation.workload.is_empty() {
        write_lines(text, "\nThe workload", &explanation.workload)?;
    }
    writeln!(text, "\nWhat goes wrong")?;
    write_plan(text, sim)?;
    match &sim.storm {
        Some(storm) => write_storm(text, storm)?,
        None if sim.plan.clauses.is_empty() => writeln!(text, "  nothing")?,
        None => {}
    }
    write_promise(text, sim)?;
    writeln!(text, "\nRequirements")?;
    for requirement in &sim.cites {
        writeln!(text, "  {requirement}")?;
    }
    Ok(())
}

fn write_plan(text: &mut String, sim: &SimFile) -> std::fmt::Result {
    for clause in &sim.plan.clauses {
        let told = sim.setup.tell_fault(&clause.fault, Naming::Few);
        writeln!(text, "  at {} for {}: {told}", spell(clause.at), spell(clause.lasts))?;
        if let Some(witness) = clause.fault.witness() {
            writeln!(text, "    {witness}")?;
        }
    }
    Ok(())
}

fn write_storm(text: &mut String, storm: &Storm) -> std::fmt::Result {
    writeln!(
        text,
        "  from {} on a storm: the seed draws some of these families, and of each {} in the mean",
        spell(storm.begins),
        count(storm.intensity.into(), "fault")
    )?;
    for family in &storm.families {
        writeln!(text, "    {}: {}", family.name(), family.meaning())?;
    }
    Ok(())
}

fn write_links(text: &mut String, link: &LinkSettings) -> std::fmt::Result {
    write!(text, "  every link takes {} one way", link.latency)?;
    if let Some(bytes) = link.bandwidth_bytes_per_second {
        write!(text, ", lets {}/s pass", spell_size(bytes))?;
    }
    if let Some(loss) = link.loss_basis_points {
        write!(text, ", loses {} of segments", spell_percent(loss))?;
    }
    writeln!(text)
}

fn write_lines(text: &mut String, heading: &str, lines: &[String]) -> std::fmt::Result {
    writeln!(text, "{heading}")?;
    lines.iter().try_for_each(|line| writeln!(text, "  {line}"))
}

fn write_promise(text: &mut String, sim: &SimFile) -> std::fmt::Result {
    writeln!(text, "\nThe promise")?;
    match &sim.promise.verdict {
        Promised::Pass => {
            for checker in bench(sim.subject.checkers()) {
                writeln!(text, "  {}: {}", checker.name(), checker.promises())?;
            }
        }
        Promised::Fail { checker } => {
            writeln!(text, "  the checker `{checker}` fails, before any other checker")?;
        }
    }
    writeln!(
        text,
        "  the calm begins at {}; within {} everybody has everything; the trial ends at {}",
        spell(sim.calm_begins()),
        spell(sim.promise.within),
        spell(sim.duration)
    )?;
    for milestone in &sim.promise.sometimes {
        writeln!(text, "  it must happen ({}): {}", milestone.name, milestone.sentence)?;
    }
    Ok(())
}

/// Every key of a sim of that subject, as the tables of a Markdown page.
#[must_use]
pub fn keys(subject: &dyn Subject) -> String {
    let mut text = String::new();
    for table in tables(subject) {
        let heading = if table.name.is_empty() { "## The file".to_owned() } else { format!("## `[{}]`", table.name) };
        text += &format!("{heading}\n\n| key | takes | without it | meaning |\n|---|---|---|---|\n");
        for KeyHelp { name, takes, default, means } in table.keys {
            text += &format!("| `{name}` | {takes} | {default} | {means} |\n");
        }
        text.push('\n');
    }
    text
}

/// What a key means, takes and defaults to, without the marks of Markdown.
pub(crate) fn key_in_words(help: &KeyHelp) -> String {
    let KeyHelp { takes, default, means, .. } = help;
    let otherwise = if default.is_empty() { String::new() } else { format!("; without it: {default}") };
    unmarked(&format!("{means}. It takes {takes}{otherwise}."))
}

/// A text without backticks, and with the words of links alone.
fn unmarked(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    // Ends: each turn takes a link off the text.
    while let Some((before, words, after)) = link(rest) {
        plain += before;
        plain += words;
        rest = after;
    }
    (plain + rest).replace('`', "")
}

/// The first link of a text: what stands before it, its words, and what stands behind it.
fn link(text: &str) -> Option<(&str, &str, &str)> {
    let (head, tail) = text.split_once("](")?;
    let (before, words) = head.rsplit_once('[')?;
    let (_, after) = tail.split_once(')')?;
    Some((before, words, after))
}

/// Every key of a sim of that subject, for the terminal, and after them the faults.
#[must_use]
pub fn keys_in_words(subject: &dyn Subject) -> String {
    let mut text = String::new();
    for table in tables(subject) {
        text += &if table.name.is_empty() { "the file\n".to_owned() } else { format!("[{}]\n", table.name) };
        for help in table.keys {
            text += &format!("  {}\n", help.name);
            text += &(hang("      ", &key_in_words(help), 6) + "\n");
        }
        text.push('\n');
    }
    text += "[[fault]], beside at = \"2m\" and for = \"30s\"\n";
    for row in KINDS {
        text += &format!("  kind = \"{}\"\n", row.name);
        row.example.lines().for_each(|line| text += &format!("      {line}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::read;
    use crate::subject::xmtp::SUBJECTS;

    #[test]
    fn a_fleet_its_links_and_its_storm_are_told() {
        let text = "title = \"x\"\nduration = \"20m\"\n[cast]\nnodes = 2\nproxies = 3\npublishers = 2\n\
                    proxy = { tcp-user-timeout = \"9s\" }\n[link]\nbandwidth = \"10MiB/s\"\nloss = \"0.5%\"\n\
                    [workload]\ntopics = 2\n[storm]\nfamilies = [\"loss\"]\n[promise]\nverdict = \"pass\"\n";
        let told = explain(&read("x", text, SUBJECTS).expect("a good sim"));
        for line in [
            "reach 2 nodes through 3 proxies\n  each node pings",
            "every link takes 1ms..20ms one way, lets 10MiB/s pass, loses 0.5% of segments\n",
            "the proxies' TCP waits 9s for an acknowledgment",
            "from 30s on a storm: the seed draws some of these families, and of each 3 faults in the mean\n    loss: ",
        ] {
            assert!(told.contains(line), "no `{line}` in {told}");
        }
        assert!(!told.contains("nothing\n"), "a storm is something: {told}");
    }
}
