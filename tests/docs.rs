//! What the pages say is so: outputs, flags, paths, links, sims, and the words and keys of a sim.
//!
//! Refuses to know how anything works: it asks the binary. `PULSELESS_BLESS=1 cargo test --test docs` writes the
//! outputs and the tables of keys anew, the outputs in the blocks below a line `<!-- output of: pulseless … -->` or
//! `<!-- lines with "…", "…" in the output of: pulseless … -->`.

#[path = "said/command.rs"]
mod command;
#[path = "docs/page.rs"]
mod page;
#[path = "said/unfolded.rs"]
mod unfolded;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use command::{compare, hold, pulseless, root};
use page::{Page, pages};
use pulseless::profile::{Backing, Conduct, Profile};
use pulseless::runner::{find_sims, read_sim};
use pulseless::sim::Promised;
use pulseless::subject::xmtp::SUBJECTS;
use pulseless::subject::xmtp::client::ClientQuirk;
use pulseless::subject::xmtp::gateway::GatewayQuirk;
use pulseless::subject::xmtp::node::NodeQuirk;

/// Longer is no overview any more.
const WORDS_OF_THE_OVERVIEW: usize = 1_500;
/// A good sim with a fault, whose words and keys are made wrong so that the refusal says the right ones.
const SIM: &str = "sims/clients-restart.toml";
/// Flags of cargo and rustc that the pages name by themselves.
const FOREIGN_FLAGS: [&str; 1] = ["--cfg"];

fn page(name: &str) -> Page {
    Page::read(name)
}

/// Fails with every breach at once.
fn assert_none(breaches: &[String]) {
    assert!(breaches.is_empty(), "{} breaches:\n{}", breaches.len(), breaches.join("\n"));
}

#[test]
fn every_output_is_what_its_command_prints() {
    let mut blocks = 0;
    let differences = pages().into_iter().filter_map(|page| {
        let (real, outputs) = page.with_outputs(|command| pulseless(root(), command).out);
        blocks += outputs;
        compare(&page.path, &page.text, &real)
    });
    hold("docs", &differences.collect::<Vec<_>>());
    assert!(blocks > 1, "the outputs were not found");
}

#[test]
fn every_flag_belongs_to_the_command_that_it_is_written_with() {
    let commands = page::commands(&pulseless(root(), "--help").out);
    let help = |name: &str| pulseless(root(), &format!("{name} --help")).out;
    // A command's own help, and those of its verbs.
    let whole = |name: &str| {
        let own = help(name);
        let verbs = page::commands(&own).into_iter().map(|verb| help(&format!("{name} {verb}")));
        verbs.fold(own.clone(), |helps, help| helps + &help)
    };
    let helps: Vec<(String, String)> = commands.into_iter().map(|name| (name.clone(), whole(&name))).collect();
    let knows = |help: &str, flag: &str| help.split([' ', ',', '\n', '[']).any(|word| word == flag);
    let mut breaches = Vec::new();
    for page in pages() {
        for call in page.calls() {
            let Some((_, help)) = helps.iter().find(|(name, _)| *name == call.command) else {
                breaches.push(format!("{}: there is no command `pulseless {}`", page.name, call.command));
                continue;
            };
            let unknown = call.flags.iter().filter(|flag| !knows(help, flag));
            breaches.extend(unknown.map(|flag| format!("{}: `pulseless {}` has no `{flag}`", page.name, call.command)));
        }
        let unknown = page
            .lone_flags()
            .into_iter()
            .filter(|flag| !FOREIGN_FLAGS.contains(&flag.as_str()) && !helps.iter().any(|(_, help)| knows(help, flag)));
        breaches.extend(unknown.map(|flag| format!("{}: no command has `{flag}`", page.name)));
    }
    assert_none(&breaches);
}

#[test]
fn every_path_and_every_link_leads_somewhere() {
    let mut breaches = Vec::new();
    for page in pages() {
        let missing = page.paths().into_iter().filter(|path| !root().join(path).exists());
        breaches.extend(missing.map(|path| format!("{}: there is no {path}", page.name)));
        breaches.extend(page.dead_links().into_iter().map(|link| format!("{}: {link} leads nowhere", page.name)));
    }
    assert_none(&breaches);
}

#[test]
fn every_sim_in_a_block_is_a_sim() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let mut sims = 0;
    for page in pages() {
        for text in page.blocks("toml").into_iter().filter(|text| text.starts_with("title = ")) {
            fs::write(scratch.path().join("sim.toml"), text).expect("the folder takes files");
            let said = pulseless(scratch.path(), "explain sim.toml");
            assert_eq!(said.code, 0, "{}: {}", page.name, said.err);
            sims += 1;
        }
    }
    assert!(sims > 1, "the sims were not found");
}

#[test]
fn the_overview_is_short() {
    let words = page("ARCHITECTURE.md").text.split_whitespace().count();
    assert!(words <= WORDS_OF_THE_OVERVIEW, "ARCHITECTURE.md has {words} words");
}

/// What a refusal of the sim says after one change.
fn refusal(setting: &str) -> String {
    let said = pulseless(root(), &format!("explain {SIM} --set '{setting}'"));
    assert_eq!(said.code, 64, "`{setting}` is not refused: {}", said.out);
    // A long line is broken at a space or behind a hyphen.
    said.err.lines().map(str::trim).fold(String::new(), |text, line| {
        let gap = if text.ends_with('-') { "" } else { " " };
        text + gap + line
    })
}

/// What a refusal lists after these words.
fn listed(refusal: &str, after: &str) -> BTreeSet<String> {
    let (_, list) = refusal.split_once(after).unwrap_or_else(|| panic!("no `{after}` in `{refusal}`"));
    let end = list.find(" Error:").unwrap_or(list.len());
    list[..end].split(", ").map(|word| word.trim().to_owned()).collect()
}

/// The keys of a table, as the reader knows them.
fn keys(table: &str) -> BTreeSet<String> {
    let setting = if table.is_empty() { "bogus=1".to_owned() } else { format!("{table}={{ bogus = 1 }}") };
    let told = if table.is_empty() { String::new() } else { format!(" in `{table}`") };
    listed(&refusal(&setting), &format!("the keys{told} are "))
}

/// The words that may stand somewhere, as the reader knows them.
fn words(setting: &str) -> BTreeSet<String> {
    listed(&refusal(setting), "write one of ")
}

fn kinds() -> BTreeSet<String> {
    words("fault.1.kind=bogus")
}

/// The keys of a fault of that kind, as the reader knows them.
fn keys_of_kind(kind: &str) -> BTreeSet<String> {
    listed(&refusal(&format!("fault.1={{ kind = \"{kind}\", bogus = 1 }}")), "the keys in `fault.1` are ")
}

/// A sentence as a cell of a table says it.
fn cell(sentence: &str) -> String {
    let (first, rest) = sentence.split_at(1);
    first.to_lowercase() + rest.trim_end_matches('.')
}

/// The tables of the page of sims as the code has them, each below its heading.
fn tables_of_the_code() -> BTreeMap<String, Vec<Vec<String>>> {
    let subject = SUBJECTS.first();
    let named = |name: &str, sentence: &str| vec![format!("`{name}`"), cell(sentence)];
    let mut tables = BTreeMap::new();
    for table in pulseless::sim::tables(subject) {
        let rows = table.keys.iter().map(|key| {
            let cells = [key.takes, key.default, key.means].map(str::to_owned);
            [format!("`{}`", key.name)].into_iter().chain(cells).collect()
        });
        tables.insert(page::heading_of_table(table.name), rows.collect());
    }
    let milestones = subject.milestones().iter().map(|milestone| named(milestone.name, milestone.sentence));
    tables.insert("## Milestones".to_owned(), milestones.collect());
    let quirks = NodeQuirk::ALL.iter().map(|quirk| named(quirk.name(), quirk.sentence()));
    tables.insert("## Quirks of a node".to_owned(), quirks.collect());
    let quirks = ClientQuirk::ALL.iter().map(|quirk| named(quirk.name(), quirk.sentence()));
    tables.insert("## Quirks of a client".to_owned(), quirks.collect());
    let quirks = GatewayQuirk::ALL.iter().map(|quirk| named(quirk.name(), quirk.sentence()));
    tables.insert("## Quirks of a gateway".to_owned(), quirks.collect());
    tables
}

#[test]
fn the_tables_of_the_page_of_sims_are_those_of_the_code() {
    let page = page("docs/sims.md");
    let difference = compare(&page.path, &page.text, &page.with_tables(&tables_of_the_code()));
    hold("docs", &difference.into_iter().collect::<Vec<_>>());
}

/// The keys of a profile are told once, in the code.
#[test]
fn the_tables_of_the_page_of_profiles_are_those_of_the_code() {
    let mut tables: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    for key in Conduct::KEYS {
        let row = vec![format!("`{}`", key.name), key.takes.to_owned(), cell(key.means.trim())];
        tables.entry(format!("### {}", key.group)).or_default().push(row);
    }
    let page = page("docs/profiles.md");
    let difference = compare(&page.path, &page.text, &page.with_tables(&tables));
    hold("docs", &difference.into_iter().collect::<Vec<_>>());
    let told: BTreeSet<String> = page.first_cells("## A file").into_iter().collect();
    let known: BTreeSet<String> = Backing::WORDS.iter().map(|(word, _)| (*word).to_owned()).collect();
    assert!(known.is_subset(&told), "a kind of evidence is not told: {told:?}");
}

#[test]
fn every_profile_in_a_block_is_a_profile() {
    let blocks = page("docs/profiles.md").blocks("toml");
    assert!(!blocks.is_empty(), "the profiles were not found");
    for text in blocks {
        Profile::read("page", &text).unwrap_or_else(|refusal| panic!("{refusal}: {text}"));
    }
}

/// What the code says of its keys is what its readers ask for.
#[test]
fn the_tables_of_the_code_have_every_key_that_the_reader_knows() {
    for table in pulseless::sim::tables(SUBJECTS.first()) {
        let told: BTreeSet<String> = table.keys.iter().map(|key| key.name.to_owned()).collect();
        let known = match table.name {
            // What only some kinds take is told with them.
            "fault" => kinds().iter().map(|kind| keys_of_kind(kind)).reduce(|all, keys| &all & &keys).expect("kinds"),
            name => keys(name),
        };
        assert_eq!(told, known, "the keys of `{}`", table.name);
    }
}

#[test]
fn the_page_of_faults_has_every_key_of_every_kind() {
    let common = page("docs/sims.md").first_cells("## `[[fault]]`");
    let sections = page("docs/faults.md").sections("### `");
    for kind in kinds() {
        let keys = keys_of_kind(&kind);
        let section = sections.iter().find(|(heading, _)| heading.trim_end_matches('`') == kind);
        let (_, text) = section.unwrap_or_else(|| panic!("{kind} has no section"));
        let (_, told) = text.split_once("- **Keys:** ").unwrap_or_else(|| panic!("{kind} has no line of keys"));
        let (told, _) = told.split_once("- **Felt as:** ").expect("then what is felt");
        let missing: Vec<&String> =
            keys.difference(&common).filter(|key| !told.contains(&format!("`{key}`"))).collect();
        assert!(missing.is_empty(), "{kind}: {missing:?} is not in {told}");
    }
}

#[test]
fn the_pages_have_every_checker_and_every_family() {
    assert_eq!(page("docs/checkers.md").first_cells("## The checkers"), words("promise.checker=bogus"));
    assert_eq!(page("docs/faults.md").first_cells("## Storms"), words("storm={ families = [\"bogus\"] }"));
}

#[test]
fn the_page_of_the_protocol_has_every_requirement_in_its_own_words() {
    let page = page("docs/protocol.md");
    let mut told = Vec::new();
    for heading in ["## Requirements of the node", "## Requirements of the client", "## Conformance tests"] {
        told.extend(page.rows(heading).into_iter().skip(2).map(|cells| format!("{}: {}", cells[0], cells[1])));
    }
    let numbers: Vec<String> =
        told.iter().filter_map(|line| line.split_once(':')).map(|(number, _)| format!("\"{number}\"")).collect();
    let said = pulseless(root(), &format!("explain {SIM} --set 'cites=[{}]'", numbers.join(", ")));
    let (_, requirements) = said.out.split_once("\nRequirements\n").expect("a part about requirements");
    assert_eq!(told, requirements.lines().map(str::trim).collect::<Vec<_>>());
    let all = refusal("cites=[\"bogus\"]");
    let counts = ["S", "C", "T"].map(|letter| told.iter().filter(|line| line.starts_with(letter)).count());
    let last = format!("S1 to S{}, C1 to C{}, T1 to T{}", counts[0], counts[1], counts[2]);
    assert!(all.contains(&last), "a requirement is missing: {last}, and {all}");
}

/// Each section's sims play that kind, and no kind is left out.
#[test]
fn every_fault_of_the_page_is_played_by_the_sims_that_it_names() {
    let page = page("docs/faults.md");
    let mut told = BTreeSet::new();
    for (heading, section) in page.sections("### `") {
        let kind = heading.trim_end_matches('`').to_owned();
        let line = section.lines().find_map(|line| line.strip_prefix("- **Sims:** "));
        let names = page::quoted(line.unwrap_or_else(|| panic!("no sim plays {kind}")));
        assert!(!names.is_empty(), "no sim plays {kind}");
        for name in names {
            let path = root().join("sims").join(format!("{name}.toml"));
            let sim = read_sim(SUBJECTS, &path, &[]).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
            let plays = sim.plan.clauses.iter().any(|clause| clause.fault.name() == kind);
            assert!(plays, "{name} does not play {kind}");
        }
        told.insert(kind);
    }
    assert_eq!(told, kinds(), "a kind of fault has no section, or a new one has come");
}

/// Each row's sims are those that promise a failure of that checker.
#[test]
fn every_checker_of_the_page_is_named_by_the_negative_sims_of_its_row() {
    let page = page("docs/checkers.md");
    let promised = find_sims(&root().join("sims/negative")).expect("it holds sims").into_iter().filter_map(|path| {
        let sim = read_sim(SUBJECTS, &path, &[]).unwrap_or_else(|refusal| panic!("{refusal}"));
        match sim.promise.verdict {
            Promised::Fail { checker } => Some((checker.to_owned(), sim.name)),
            Promised::Pass => None,
        }
    });
    let promised: BTreeSet<(String, String)> = promised.collect();
    let rows = page.rows("## The checkers").into_iter().skip(2);
    let told = rows.flat_map(|cells| {
        let checker = page::quoted(&cells[0]).join("");
        page::quoted(cells.last().expect("a row has cells")).into_iter().map(move |sim| (checker.clone(), sim))
    });
    assert_eq!(told.collect::<BTreeSet<_>>(), promised);
}
