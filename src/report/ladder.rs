//! Who knew when, as a table for a tired engineer: of one trial, and of many.
//!
//! Refuses to know how a ladder is found.

use std::collections::BTreeSet;
use std::fmt::{self, Write};
use std::time::Duration;

use crate::grammar::Readable;
use crate::ladder::{Delays, Knowledge, Ladder, LadderTally, LadderWindow, Layer, LayerTally, WindowEnding};
use crate::lie::Witness;
use crate::report::paint::Paint;
use crate::report::wrap::hang;

/// Text takes every line.
const INFALLIBLE: &str = "a string takes all";
/// Where the text of a line begins, as in a story.
const TEXT_COLUMN: usize = 14;
/// How wide what stands before the first column is.
const LABEL_WIDTH: usize = TEXT_COLUMN - 2;
/// So many clients of a row are named.
const CLIENTS_NAMED: usize = 3;
/// What a ladder is called.
pub(crate) const LADDER_TITLE: &str = "who knew when";
/// What stands before who was not asked.
pub(crate) const NOT_ASKED: &str = "not asked";
/// The head of the last column, and what it stands for.
const MISSED: [&str; 2] = ["missed", "messages that had not come when the window ended"];
/// Above that a tenth of a second tells nothing.
const COARSE: Duration = Duration::from_secs(100);

/// A clause, or what happened without one. The story tells it in words, at the same time.
#[derive(Clone, Copy, PartialEq, Eq)]
struct WindowHarm<'l> {
    clause: Option<u32>,
    witness: Option<Witness>,
    kind: &'l str,
    words: &'l str,
}

impl<'l> WindowHarm<'l> {
    fn of(window: &'l LadderWindow) -> Self {
        WindowHarm { clause: window.clause, witness: window.witness, kind: &window.kind, words: &window.harm }
    }
}

impl fmt::Display for WindowHarm<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.clause, self.witness) {
            (Some(clause), Some(witness)) => write!(formatter, "fault {clause}: {}: {witness}", self.kind),
            (Some(clause), None) => write!(formatter, "fault {clause}: {}", self.kind),
            (None, _) => formatter.write_str(self.words),
        }
    }
}

/// Windows that are alike: of one clause, with one ending, noticed by the same layers.
struct LadderRow<'l> {
    ending: WindowEnding,
    windows: Vec<&'l LadderWindow>,
}

/// The ladder of a trial in words.
pub(crate) struct LadderTable {
    /// What was dead.
    pub(crate) of: &'static str,
    /// Of each column its head, and what that stands for.
    pub(crate) heads: Vec<[&'static str; 2]>,
    pub(crate) parts: Vec<LadderPart>,
    /// Who was not asked, in no window at all.
    pub(crate) idle: Vec<&'static str>,
}

/// What one harm has done.
pub(crate) struct LadderPart {
    /// When its first window began.
    pub(crate) began: Duration,
    pub(crate) harm: String,
    pub(crate) lines: Vec<LadderLine>,
}

/// Windows that are alike.
pub(crate) struct LadderLine {
    /// How many, and how they ended.
    pub(crate) label: String,
    /// One for each column.
    pub(crate) cells: Vec<String>,
    /// Whose they are, where that is worth a name.
    pub(crate) who: String,
}

impl LadderTable {
    /// The table of a ladder; none where nothing was dead.
    pub(crate) fn of(ladder: &Ladder) -> Option<Self> {
        let first = ladder.windows.first()?;
        let is_asked = |layer: &Layer| ladder.windows.iter().any(|window| window.knew[layer] != Knowledge::NotAsked);
        let (asked, idle): (Vec<Layer>, Vec<Layer>) = first.knew.keys().partition(|layer| is_asked(layer));
        // Who is cast by a name of its own is told by it.
        let is_of_strangers = asked.contains(&Layer::Program);
        let line = |row: &LadderRow<'_>| LadderLine {
            label: format!("{} {}", row.windows.len(), row.ending.words()),
            cells: cells(row, &asked),
            who: if is_of_strangers { row.clients() } else { String::new() },
        };
        let part = |(harm, rows): (WindowHarm<'_>, Vec<LadderRow<'_>>)| LadderPart {
            began: rows[0].windows[0].began,
            harm: harm.to_string(),
            lines: rows.iter().map(line).collect(),
        };
        // Nobody asks after a suspension unless there was one, and few proxies have times of their own.
        let idle = idle.into_iter().filter(|layer| !matches!(layer, Layer::Probe | Layer::Proxy));
        Some(LadderTable {
            of: if is_of_strangers { "connections" } else { "streams" },
            heads: asked.iter().map(|layer| [layer.short_name(), layer.name()]).chain([MISSED]).collect(),
            parts: rows(ladder).into_iter().map(part).collect(),
            idle: idle.map(Layer::name).collect(),
        })
    }

    /// How wide each column is.
    fn widths(&self) -> Vec<usize> {
        let lines = || self.parts.iter().flat_map(|part| &part.lines);
        let width = |(column, [head, _]): (usize, &[&str; 2])| {
            let cells = lines().map(|line| line.cells[column].chars().count());
            cells.chain([head.len()]).max().unwrap_or(0)
        };
        self.heads.iter().enumerate().map(width).collect()
    }
}

/// The ladder of a trial; nothing where no stream was dead.
pub(crate) fn write_ladder(text: &mut String, ladder: &Ladder, paint: Paint) -> std::fmt::Result {
    let Some(table) = LadderTable::of(ladder) else { return Ok(()) };
    let widths = table.widths();
    writeln!(text, "\n{}", paint.heading(LADDER_TITLE))?;
    let heads: Vec<String> = table.heads.iter().map(|[head, _]| (*head).to_owned()).collect();
    write_row(text, table.of, (&heads, ""), &widths)?;
    for part in &table.parts {
        let head = format!("{:>LABEL_WIDTH$}  ", Readable(part.began));
        writeln!(text, "{}", hang(&head, &part.harm, TEXT_COLUMN))?;
        part.lines.iter().try_for_each(|line| write_row(text, &line.label, (&line.cells, &line.who), &widths))?;
    }
    match table.idle.is_empty() {
        true => Ok(()),
        false => {
            let head = format!("{NOT_ASKED:>LABEL_WIDTH$}  ");
            writeln!(text, "{}", hang(&head, &table.idle.join(", "), TEXT_COLUMN))
        }
    }
}

fn write_row(text: &mut String, label: &str, (cells, who): (&[String], &str), widths: &[usize]) -> std::fmt::Result {
    write!(text, "{label:>LABEL_WIDTH$}")?;
    for (cell, width) in cells.iter().zip(widths) {
        write!(text, "  {cell:>width$}")?;
    }
    if who.is_empty() { writeln!(text) } else { writeln!(text, "  {who}") }
}

impl LadderRow<'_> {
    /// Whose windows they are, the first few by name.
    fn clients(&self) -> String {
        let clients: BTreeSet<&str> = self.windows.iter().map(|window| &*window.client).collect();
        let mut told: Vec<&str> = clients.iter().copied().take(CLIENTS_NAMED).collect();
        if clients.len() > CLIENTS_NAMED {
            told.push("…");
        }
        told.join(", ")
    }
}

/// Windows that are alike in one row, in the order in which the first of each harm, then of each row, began.
fn rows(ladder: &Ladder) -> Vec<(WindowHarm<'_>, Vec<LadderRow<'_>>)> {
    let mut harms: Vec<(WindowHarm<'_>, Vec<LadderRow<'_>>)> = Vec::new();
    for window in &ladder.windows {
        let harm = WindowHarm::of(window);
        let of_harm = match harms.iter().position(|(known, _)| *known == harm) {
            Some(known) => known,
            None => {
                harms.push((harm, Vec::new()));
                harms.len() - 1
            }
        };
        let rows = &mut harms[of_harm].1;
        match rows.iter_mut().find(|row| row.ending == window.ending && are_alike(row.windows[0], window)) {
            Some(row) => row.windows.push(window),
            None => rows.push(LadderRow { ending: window.ending, windows: vec![window] }),
        }
    }
    harms
}

/// Whether the same layers noticed.
fn are_alike(one: &LadderWindow, other: &LadderWindow) -> bool {
    let kinds = |window: &LadderWindow| -> Vec<std::mem::Discriminant<Knowledge>> {
        window.knew.values().map(std::mem::discriminant).collect()
    };
    kinds(one) == kinds(other)
}

fn cells(row: &LadderRow<'_>, asked: &[Layer]) -> Vec<String> {
    let of_layer = |layer: &Layer| {
        let delay = |window: &&LadderWindow| match window.knew[layer] {
            Knowledge::After(delay) => Some(delay),
            Knowledge::Never | Knowledge::NotAsked => None,
        };
        let delays: Vec<Duration> = row.windows.iter().filter_map(delay).collect();
        match (delays.iter().min(), delays.iter().max()) {
            (Some(least), Some(most)) => range(*least, *most),
            _ if row.windows[0].knew[layer] == Knowledge::Never => "never".to_owned(),
            _ => "-".to_owned(),
        }
    };
    let missed = row.windows.iter().map(|window| window.missed);
    let missed = match (missed.clone().min(), missed.max()) {
        (Some(least), Some(most)) if least != most => format!("{least}-{most}"),
        (_, most) => most.unwrap_or(0).to_string(),
    };
    asked.iter().map(of_layer).chain([missed]).collect()
}

/// From the shortest delay to the longest, in one unit where both have it.
fn range(least: Duration, most: Duration) -> String {
    let (from, to) = (short(least), short(most));
    if from == to {
        return to;
    }
    let unit = |text: &str| text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').to_owned();
    match unit(&from) == unit(&to) {
        true => format!("{}-{to}", from.trim_end_matches(char::is_alphabetic)),
        false => format!("{from}-{to}"),
    }
}

/// A delay in three or four characters and a unit, rounded.
fn short(delay: Duration) -> String {
    if delay < Duration::from_secs(1) {
        return format!("{}ms", (delay.as_micros() + 500) / 1_000);
    }
    let decimals = usize::from(delay < COARSE);
    format!("{:.decimals$}s", delay.as_secs_f64())
}

/// The ladders of many trials, for people: for each layer in how many windows it was asked, how long it took, and how
/// often it never noticed.
#[must_use]
pub fn ladder_tally(tally: &LadderTally, paint: Paint) -> String {
    let mut text = String::new();
    write_tally(&mut text, tally, paint).expect(INFALLIBLE);
    text
}

/// The heads of [`tally_rows`].
pub(crate) fn tally_head() -> [&'static str; 5] {
    ["", "asked", "p50", "p99", "never"]
}

/// For each layer that was asked: its name, in how many windows it was asked, how long it took, and how often it never noticed.
pub(crate) fn tally_rows(tally: &LadderTally) -> Vec<[String; 5]> {
    let times =
        |delays: &Delays| [50, 99].map(|percent| delays.percentile(percent).map_or_else(|| "-".to_owned(), short));
    let of_layer = |(layer, seen): (&Layer, &LayerTally)| {
        let share = 100.0 * seen.never as f64 / seen.asked().max(1) as f64;
        let [half, most] = times(&seen.delays);
        [layer.name().to_owned(), seen.asked().to_string(), half, most, format!("{} ({share:.1} %)", seen.never)]
    };
    let [half, most] = times(&tally.let_go);
    let let_go = ["the client let go".to_owned(), tally.let_go.count().to_string(), half, most, String::new()];
    tally.layers.iter().map(of_layer).chain((tally.let_go.count() > 0).then_some(let_go)).collect()
}

pub(crate) fn write_tally(text: &mut String, tally: &LadderTally, paint: Paint) -> std::fmt::Result {
    if tally.count() == 0 {
        return writeln!(text, "no stream was dead while its client held it");
    }
    let windows: Vec<String> = WindowEnding::ALL
        .into_iter()
        .filter_map(|ending| Some(format!("{} {}", tally.windows.get(&ending)?, ending.words())))
        .collect();
    writeln!(text, "{}  dead streams: {}", paint.heading(LADDER_TITLE), windows.join(", "))?;
    let name_width = Layer::ALL.into_iter().map(|layer| layer.name().len()).max().unwrap_or(0);
    let mut row = |[name, asked, half, most, never]: [&str; 5]| {
        let line = format!("{name:name_width$}  {asked:>9}  {half:>8}  {most:>8}  {never}");
        writeln!(text, "{}", line.trim_end())
    };
    let rows = tally_rows(tally);
    if rows.is_empty() {
        return Ok(());
    }
    row(tally_head())?;
    rows.iter().try_for_each(|cells| row(cells.each_ref().map(String::as_str)))
}

#[cfg(test)]
mod tests;
