//! `pulseless conform`: judges a node on real TCP by the rows of the conformance suite, and prints a table.
//!
//! Refuses to know what a row does: the suite does.

use std::sync::Arc;
use std::time::Duration;

use crate::cli::Exit;
use crate::cli::arguments::ConformArguments;
use crate::cli::foreground::{Ended, run};
use crate::cli::output::complain;
use crate::cli::row_table::tell;
use crate::grammar::{Readable, count};
use crate::os::Os;
use crate::subject::xmtp::conformance::{self, ConformSettings};

pub(crate) fn conform(arguments: &ConformArguments) -> Exit {
    let ConformArguments { node, only, interval, patience, bounds, refused_topic, format } = arguments;
    let settings = ConformSettings {
        interval: *interval,
        patience: *patience,
        bounds: bounds.clone(),
        refused_topic: refused_topic.as_ref().map(|topic| topic.bytes().to_vec()),
        ..ConformSettings::new(node.clone())
    };
    let judging = async {
        let begun = |rows, interval| complain(&announce(rows, interval));
        match conformance::conform(Arc::new(Os::default()), settings, only, begun).await {
            Ok(judged) => tell(&judged.node, &judged.rows, &judged, *format),
            Err(error) => {
                complain(&format!("failed to {error}"));
                Exit::Unknown
            }
        }
    };
    match run(judging) {
        Ended::Alone(exit) => exit,
        Ended::Interrupted => {
            complain("interrupted: nothing is known of the node");
            Exit::Unknown
        }
    }
}

fn announce(rows: usize, interval: Option<Duration>) -> String {
    let rows = count(rows as u64, "row");
    match interval {
        Some(interval) => format!(
            "judging by {rows}; those that wait for the node's interval take a few times {}",
            Readable(interval)
        ),
        None => format!("judging by {rows}; the node advertises no interval: see --interval"),
    }
}
