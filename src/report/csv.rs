//! A night as CSV (RFC 4180): a line for each sim, and what its trials came to.

use std::fmt::Write;

use crate::campaign::NightReport;

/// The table of a night.
#[must_use]
pub fn csv(night: &NightReport) -> String {
    let mut text = "sim,pass,fail,unknown,broken,skipped,fewer_fail_than_percent,groups\r\n".to_owned();
    for (sim, tally) in &night.summary.sims {
        let bound = tally.bound_percent().map(|bound| format!("{bound:.4}")).unwrap_or_default();
        let groups = night.summary.groups.iter().filter(|group| group.sims.contains_key(sim));
        let groups: Vec<&str> = groups.map(|group| group.id.as_str()).collect();
        let line = write!(
            text,
            "{},{},{},{},{},{},{bound},{}\r\n",
            field(sim),
            tally.pass,
            tally.fail,
            tally.unknown,
            tally.broken,
            tally.skipped,
            groups.join(" ")
        );
        line.expect("a string takes all");
    }
    text
}

/// A field, quoted where it must be.
pub(crate) fn field(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
