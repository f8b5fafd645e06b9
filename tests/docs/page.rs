//! A page of the documentation, and what of it a machine can read.
//!
//! Refuses to know what is true.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use crate::command::root;
use crate::unfolded::{in_one_line, unfolded};

/// Folders and files of the repository whose paths the pages name in code.
const OURS: [&str; 8] = ["src/", "tests/", "sims/", "docs/", "benches/", "proto/", "reports/findings/", ".ci/"];

/// One page.
pub(crate) struct Page {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// A call of pulseless in a page.
pub(crate) struct Call {
    pub(crate) command: String,
    pub(crate) flags: Vec<String>,
}

/// Every page of the repository's root and of `docs/`.
pub(crate) fn pages() -> Vec<Page> {
    let mut names = Vec::new();
    for folder in ["", "docs/"] {
        let entries =
            fs::read_dir(root().join(folder)).unwrap_or_else(|error| panic!("failed to list {folder}: {error}"));
        let files = entries.map(|entry| entry.expect("the folder stays").file_name().to_string_lossy().into_owned());
        names.extend(files.filter(|name| name.ends_with(".md")).map(|name| format!("{folder}{name}")));
    }
    names.sort();
    assert!(names.len() > 8, "the pages were not found: {names:?}");
    names.iter().map(|name| Page::read(name)).collect()
}

/// The commands that the help lists.
pub(crate) fn commands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    names.map(str::to_owned).collect()
}

/// What stands in backticks.
pub(crate) fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The heading above the keys of a table of a sim; the file as a whole has no name.
pub(crate) fn heading_of_table(table: &str) -> String {
    match table {
        "" => "## The file".to_owned(),
        "fault" => "## `[[fault]]`".to_owned(),
        table => format!("## `[{table}]`"),
    }
}

/// How GitHub names the place of a heading.
fn anchor(heading: &str) -> String {
    let letters = heading.trim_start_matches('#').trim().to_lowercase();
    let letters = letters.chars().filter(|letter| letter.is_alphanumeric() || [' ', '-', '_'].contains(letter));
    letters.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

/// What a comment above a block asks for: the command, and the parts of which a line must have one.
fn order(line: &str) -> Option<(&str, Vec<&str>)> {
    let order = line.strip_prefix("<!-- ")?.strip_suffix(" -->")?;
    if let Some(command) = order.strip_prefix("output of: pulseless ") {
        return Some((command, Vec::new()));
    }
    let (parts, command) = order.strip_prefix("lines with ")?.split_once(" in the output of: pulseless ")?;
    Some((command, parts.split('"').skip(1).step_by(2).collect()))
}

impl Page {
    pub(crate) fn read(name: &str) -> Self {
        let path = root().join(name);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("failed to read {name}: {error}"));
        Page { name: name.to_owned(), path, text }
    }

    /// The page with what `play` says in each block that asks for an output, and how many there are.
    pub(crate) fn with_outputs(&self, play: impl Fn(&str) -> String) -> (String, usize) {
        let (mut text, mut outputs, mut lines) = (String::new(), 0, self.text.lines());
        while let Some(line) = lines.next() {
            text += &format!("{line}\n");
            let Some((command, parts)) = order(line) else { continue };
            assert_eq!(lines.next(), Some("```text"), "{}: a block follows `{line}`", self.name);
            assert!(lines.any(|line| line == "```"), "{}: the block below `{line}` has no end", self.name);
            let said = play(command);
            let is_shown =
                |lines: &Vec<&str>| parts.is_empty() || parts.iter().any(|part| in_one_line(lines).contains(part));
            let shown = unfolded(&said).into_iter().filter(is_shown).flatten();
            let shown: String = shown.map(|line| format!("{line}\n")).collect();
            assert!(!shown.is_empty(), "{}: `pulseless {command}` prints nothing of {parts:?}", self.name);
            text += &format!("```text\n{shown}```\n");
            outputs += 1;
        }
        (text, outputs)
    }

    /// The page with these rows below the heads of its tables, each table by the heading above it.
    pub(crate) fn with_tables(&self, tables: &BTreeMap<String, Vec<Vec<String>>>) -> String {
        let (mut text, mut lines) = (String::new(), self.text.lines().peekable());
        let mut left: BTreeSet<&String> = tables.keys().collect();
        let mut rows = None;
        while let Some(line) = lines.next() {
            text += &format!("{line}\n");
            if let Some((heading, table)) = tables.get_key_value(line) {
                rows = Some(table);
                left.remove(heading);
            }
            if line.starts_with("|---")
                && let Some(rows) = rows.take()
            {
                text.extend(rows.iter().map(|cells| format!("| {} |\n", cells.join(" | ")).replace("|  |", "| |")));
                while lines.next_if(|line| line.starts_with('|')).is_some() {}
            }
        }
        assert!(left.is_empty(), "{}: no heading {left:?}", self.name);
        text
    }

    /// The lines, each with the language of the block that it is in; "" outside of blocks.
    fn lines(&self) -> Vec<(&str, &str)> {
        let mut language = None;
        let told = self.text.lines().filter_map(|line| match (line.strip_prefix("```"), language) {
            (Some(_), Some(_)) => {
                language = None;
                None
            }
            (Some(name), None) => {
                language = Some(name);
                None
            }
            (None, _) => Some((language.unwrap_or_default(), line)),
        });
        told.collect()
    }

    /// Every block of that language.
    pub(crate) fn blocks(&self, language: &str) -> Vec<String> {
        let begin = format!("\n```{language}\n");
        let blocks = self.text.split(&begin).skip(1);
        blocks.filter_map(|rest| Some(rest.split_once("\n```")?.0.to_owned())).collect()
    }

    /// The lines outside of blocks.
    fn sentences(&self) -> Vec<&str> {
        self.lines().into_iter().filter(|(language, _)| language.is_empty()).map(|(_, line)| line).collect()
    }

    /// Code in sentences. A span may go over the end of a line.
    fn spans(&self) -> Vec<String> {
        quoted(&self.sentences().join(" "))
    }

    /// Every call of pulseless, in shell blocks and in sentences.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let shell = self.lines().into_iter().filter(|(language, _)| *language == "sh").map(|(_, line)| line.to_owned());
        let code = shell.chain(self.spans()).filter_map(|code| {
            let code = code.split(" #").next().unwrap_or_default().to_owned();
            let ours = code.strip_prefix("pulseless ");
            let ours =
                ours.or_else(|| code.strip_prefix("cargo run ").and_then(|rest| Some(rest.split_once("-- ")?.1)));
            ours.map(str::to_owned)
        });
        // What follows a `--` is a call of its own.
        let each = code.flat_map(|line| line.split(" -- pulseless ").map(str::to_owned).collect::<Vec<_>>());
        let calls = each.filter_map(|line| {
            let mut words = line.split_whitespace();
            let command = words.next()?.to_owned();
            let is_name = command.starts_with(|first: char| first.is_ascii_lowercase());
            let flags = words.filter(|word| word.starts_with("--")).map(without_value).collect();
            is_name.then_some(Call { command, flags })
        });
        calls.collect()
    }

    /// Flags that stand in code of their own.
    pub(crate) fn lone_flags(&self) -> Vec<String> {
        let spans = self.spans().into_iter().filter(|span| span.starts_with("--"));
        spans.filter_map(|span| span.split_whitespace().next().map(without_value)).collect()
    }

    /// Every path of ours in code; what has a placeholder is no path.
    pub(crate) fn paths(&self) -> Vec<String> {
        let shell = self.lines().into_iter().filter(|(language, _)| *language == "sh");
        let code: Vec<String> = self.spans().into_iter().chain(shell.map(|(_, line)| line.to_owned())).collect();
        let is_path = |word: &String| {
            OURS.iter().any(|folder| word.starts_with(folder)) && !word.contains(['<', '*', '{', '…', '='])
        };
        let words = code.iter().flat_map(|code| code.split_whitespace()).map(str::to_owned);
        words.filter(is_path).collect()
    }

    /// Links within the repository that lead nowhere.
    pub(crate) fn dead_links(&self) -> Vec<String> {
        let text = self.sentences().join("\n");
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let dead = targets.filter(|target| !target.contains("://") && !self.leads(target));
        dead.map(str::to_owned).collect()
    }

    fn leads(&self, target: &str) -> bool {
        let (file, place) = target.split_once('#').unwrap_or((target, ""));
        let path = self.path.parent().expect("a page is in a folder").join(file);
        let text = if file.is_empty() { self.text.clone() } else { fs::read_to_string(&path).unwrap_or_default() };
        let mut headings = text.lines().filter(|line| line.starts_with('#'));
        path.exists() && (place.is_empty() || headings.any(|heading| anchor(heading) == place))
    }

    /// What follows each heading that begins so, up to the next heading.
    pub(crate) fn sections(&self, begin: &str) -> Vec<(String, String)> {
        let parts = self.text.split("\n#").skip(1).map(|part| format!("#{part}"));
        let sections = parts.filter_map(|part| {
            let (heading, body) = part.split_once('\n')?;
            Some((heading.strip_prefix(begin)?.to_owned(), body.to_owned()))
        });
        sections.collect()
    }

    /// The cells of every row of the table below a heading; the first two rows are its head.
    pub(crate) fn rows(&self, heading: &str) -> Vec<Vec<String>> {
        let sections = self.sections(heading);
        let body = sections.iter().find(|(rest, _)| rest.is_empty()).map(|(_, body)| body);
        let body = body.unwrap_or_else(|| panic!("{} has no heading `{heading}`", self.name));
        let rows = body.lines().filter(|line| line.starts_with('|'));
        rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
    }

    /// The code in the first cell of each row below a heading.
    pub(crate) fn first_cells(&self, heading: &str) -> BTreeSet<String> {
        self.rows(heading).iter().filter_map(|cells| quoted(&cells[0]).into_iter().next()).collect()
    }

    /// The row below a heading whose first cell is that word.
    pub(crate) fn row(&self, heading: &str, word: &str) -> String {
        let row = self.rows(heading).into_iter().find(|cells| cells[0] == format!("`{word}`"));
        row.unwrap_or_else(|| panic!("{} has no row `{word}` below `{heading}`", self.name)).join(" | ")
    }
}

/// The flag itself, of one that may be written with its value.
fn without_value(flag: &str) -> String {
    flag.split('=').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Has one mistake of each kind that a test of the pages looks for.
    const PAGE: &str = "# A page\n\nSee [one](missing.md), [two](README.md#no-such-place) and [three](#a-page).\n\
        `tests/missing.rs` and `tests/docs.rs`, `sims/<name>.toml`; `--bogus` and `pulseless run SIM\n--flag`.\n\
        ```sh\ncargo run --release -- sweep sims --seeds 3 # --not this\npulseless lst\n```\n\
        ## `[table]`\n\n| key | takes |\n|---|---|\n| `one` | a `word` |\n| `two` | |\n\
        <!-- lines with \"a\", \"b\" in the output of: pulseless list x -->\n```text\nold\n```\nThe end.\n";

    fn sample() -> Page {
        Page { name: "page.md".to_owned(), path: root().join("page.md"), text: PAGE.to_owned() }
    }

    #[test]
    fn links_paths_and_flags_are_found() {
        assert_eq!(sample().dead_links(), ["missing.md", "README.md#no-such-place"]);
        assert_eq!(sample().paths(), ["tests/missing.rs", "tests/docs.rs"]);
        assert_eq!(sample().lone_flags(), ["--bogus"]);
        let calls: Vec<String> =
            sample().calls().iter().map(|call| format!("{} {}", call.command, call.flags.join(" "))).collect();
        assert_eq!(calls, ["sweep --seeds", "lst ", "run --flag"]);
    }

    #[test]
    fn tables_and_outputs_are_found() {
        let page = sample();
        let rows = vec![vec!["`new`".to_owned(), String::new()]];
        let tables = BTreeMap::from([(heading_of_table("table"), rows)]);
        let real = PAGE.replace("| `one` | a `word` |\n| `two` | |\n", "| `new` | |\n");
        assert_eq!(page.with_tables(&tables), real);
        assert_eq!(page.first_cells("## `[table]`"), BTreeSet::from(["one".to_owned(), "two".to_owned()]));
        assert_eq!(page.row("## `[table]`", "one"), "`one` | a `word`");
        let (text, outputs) = page.with_outputs(|command| format!("{command}\nab\nc\nb\n"));
        assert_eq!((text, outputs), (PAGE.replace("\nold\n", "\nab\nb\n"), 1));
    }
}
