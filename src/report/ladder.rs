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
    harm: WindowHarm<'l>,
    ending: WindowEnding,
    windows: Vec<&'l LadderWindow>,
}

/// The ladder of a trial; nothing where no stream was dead.
pub(crate) fn write_ladder(text: &mut String, ladder: &Ladder, paint: Paint) -> std::fmt::Result {
    if ladder.windows.is_empty() {
        return Ok(());
    }
    let is_asked = |layer: &Layer| ladder.windows.iter().any(|window| window.knew[layer] != Knowledge::NotAsked);
    let (asked, idle): (Vec<Layer>, Vec<Layer>) = ladder.windows[0].knew.keys().partition(|layer| is_asked(layer));
    let rows = rows(ladder);
    let cells: Vec<Vec<String>> = rows.iter().map(|row| cells(row, &asked)).collect();
    // Who is cast by a name of its own is told by it.
    let is_of_strangers = asked.contains(&Layer::Program);
    let heads = asked.iter().map(|layer| layer.short_name()).chain(["missed"]);
    let heads: Vec<String> = heads.map(str::to_owned).collect();
    let widths: Vec<usize> = (0..heads.len())
        .map(|column| cells.iter().chain([&heads]).map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    writeln!(text, "\n{}", paint.heading("who knew when"))?;
    write_row(text, if is_of_strangers { "connections" } else { "streams" }, (&heads, ""), &widths)?;
    let mut told = None;
    for (row, cells) in rows.iter().zip(&cells) {
        if told != Some(row.harm) {
            let head = format!("{:>LABEL_WIDTH$}  ", Readable(row.windows[0].began));
            writeln!(text, "{}", hang(&head, &row.harm.to_string(), TEXT_COLUMN))?;
            told = Some(row.harm);
        }
        let who = if is_of_strangers { row.clients() } else { String::new() };
        write_row(text, &format!("{} {}", row.windows.len(), row.ending.words()), (cells, &who), &widths)?;
    }
    // Nobody asks after a suspension unless there was one, and few proxies have times of their own.
    let idle = idle
        .into_iter()
        .filter(|layer| !matches!(layer, Layer::Probe | Layer::Proxy))
        .map(Layer::name)
        .collect::<Vec<_>>();
    match idle.is_empty() {
        true => Ok(()),
        false => writeln!(text, "{}", hang(&format!("{:>LABEL_WIDTH$}  ", "not asked"), &idle.join(", "), TEXT_COLUMN)),
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
fn rows(ladder: &Ladder) -> Vec<LadderRow<'_>> {
    let mut harms: Vec<WindowHarm<'_>> = Vec::new();
    for harm in ladder.windows.iter().map(WindowHarm::of) {
        if !harms.contains(&harm) {
            harms.push(harm);
        }
    }
    let of_harm = |harm| {
        let mut rows: Vec<LadderRow<'_>> = Vec::new();
        for window in ladder.windows.iter().filter(|window| WindowHarm::of(window) == harm) {
            match rows.iter_mut().find(|row| row.ending == window.ending && are_alike(row.windows[0], window)) {
                Some(row) => row.windows.push(window),
                None => rows.push(LadderRow { harm, ending: window.ending, windows: vec![window] }),
            }
        }
        rows
    };
    harms.into_iter().flat_map(of_harm).collect()
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
    writeln!(text, "{}  dead streams: {}", paint.heading("who knew when"), windows.join(", "))?;
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
