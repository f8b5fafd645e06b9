//! The whole history, a line each record.

use std::fmt::Write;

use crate::grammar::Readable;
use crate::history::History;

/// Every record of a history: time, host, what; a run of beats says how often and until when.
#[must_use]
pub fn timeline(history: &History) -> String {
    let mut text = String::new();
    for record in history.records() {
        let run = match record.count {
            1 => String::new(),
            count => format!(" ({count} times until {})", Readable(record.until)),
        };
        let (at, host) = (Readable(record.at), &record.host);
        writeln!(text, "{at:>14}  {host:<12} {}{run}", record.event).expect("a string takes all");
    }
    text
}
