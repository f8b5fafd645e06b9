//! The history, a line each record: for people, and for machines as JSON lines.
//!
//! Refuses to know why somebody looks: it selects by host, topic and time.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::ops::RangeInclusive;
use std::time::Duration;

use globset::GlobSet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use crate::grammar::{Naming, Readable};
use crate::history::{Event, History, Record};
use crate::report::wrap::hang;

/// Where a long line goes on, as in a story.
const TEXT_COLUMN: usize = 14;
/// Text takes every line.
const INFALLIBLE: &str = "a string takes all";

/// Which records are looked at; none of a kind is every one.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// On hosts of any of such names.
    pub hosts: Vec<GlobSet>,
    /// Of topics of any of such names.
    pub topics: Vec<GlobSet>,
    /// At such times since the trial's start.
    pub times: Option<RangeInclusive<Duration>>,
}

/// Why a selection can match nothing of a history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// No host has such a name.
    #[error("--host matches no host; there are {0}")]
    Hosts(String),
    /// No topic has such a name.
    #[error("--topic matches no topic; there are {0}")]
    Topics(String),
    /// The trial is over by then.
    #[error("--around {} is after the end: the trial ends at {}", Readable(*.around), Readable(*.end))]
    Times {
        /// What was asked for.
        around: Duration,
        /// When the trial ends.
        end: Duration,
    },
}

/// A record of the timeline of a trial. These keys stay.
#[derive(Serialize, JsonSchema)]
pub(crate) struct TimelineLine<'h> {
    /// Its number, from 0, by which evidence names it.
    number: usize,
    /// When it happened, in seconds since the trial's start; the first time, where it happened more than once.
    at: f64,
    /// When it happened the last time.
    until: f64,
    /// How often it happened in a row.
    count: u64,
    /// On which host; `world` is none of them.
    host: &'h str,
    /// What kind of event it is. A later version may have more kinds.
    #[schemars(schema_with = "event_kinds")]
    event: &'static str,
    /// What happened, in words. They are for people, and may change with any version.
    words: String,
}

fn event_kinds(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": Event::kinds() })
}

impl Selection {
    /// The records of a history that match, each with its number, by which evidence names it.
    ///
    /// # Errors
    /// A pattern matches no host or no topic of the trial, or the trial is over by then.
    pub fn of<'h>(&self, history: &'h History) -> Result<Vec<(usize, &'h Record)>, SelectionError> {
        self.check_hosts(history)?;
        let topics = self.matching_topics(history)?;
        let end = history.records().last().map_or(Duration::ZERO, |record| record.until);
        if let Some(times) = self.times.as_ref().filter(|times| *times.start() > end) {
            let around = *times.start() + (*times.end() - *times.start()) / 2;
            return Err(SelectionError::Times { around, end });
        }
        let matches = |record: &Record| {
            (self.hosts.is_empty() || matches_any(&self.hosts, &record.host))
                && self.times.as_ref().is_none_or(|times| record.at <= *times.end() && record.until >= *times.start())
                && topics.as_ref().is_none_or(|topics| names_any(&record.event, topics))
        };
        Ok(history.records().iter().enumerate().filter(|(_, record)| matches(record)).collect())
    }

    fn check_hosts(&self, history: &History) -> Result<(), SelectionError> {
        let hosts: BTreeSet<&str> = history.records().iter().map(|record| &*record.host).collect();
        if self.hosts.is_empty() || hosts.iter().any(|host| matches_any(&self.hosts, host)) {
            return Ok(());
        }
        Err(SelectionError::Hosts(Naming::All.list(hosts.iter().map(|host| (*host).to_owned()), hosts.len())))
    }

    /// The topics that match; none where no pattern is given.
    fn matching_topics(&self, history: &History) -> Result<Option<BTreeSet<String>>, SelectionError> {
        if self.topics.is_empty() {
            return Ok(None);
        }
        let topics = topics(history);
        let matching: BTreeSet<String> =
            topics.iter().filter(|topic| matches_any(&self.topics, topic)).cloned().collect();
        if matching.is_empty() {
            return Err(SelectionError::Topics(Naming::All.list(topics.iter().cloned(), topics.len())));
        }
        Ok(Some(matching))
    }
}

fn matches_any(patterns: &[GlobSet], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.is_match(name))
}

/// Every topic that anybody follows or publishes to.
#[expect(clippy::wildcard_enum_match_arm, reason = "no other event brings a topic into a trial")]
fn topics(history: &History) -> BTreeSet<String> {
    let of = |record: &Record| -> Vec<String> {
        match &record.event {
            Event::Began(terms) => {
                terms.followers.iter().flat_map(|(_, from)| from).map(|at| at.channel.to_string()).collect()
            }
            Event::Produced { channel, .. } | Event::Stored { channel, .. } => vec![channel.to_string()],
            _ => Vec::new(),
        }
    };
    history.records().iter().flat_map(of).collect()
}

/// Whether the words of an event name any of these topics. Frames are a subject's: only their words are known here.
fn names_any(event: &Event, topics: &BTreeSet<String>) -> bool {
    format!("{event:#}").split([' ', ',', ';', '(', ')']).any(|word| topics.contains(word.trim_end_matches(':')))
}

/// The records for people: number, time, host, what; a run of beats says how often and until when.
///
/// # Errors
/// The selection can match nothing.
pub fn timeline(history: &History, selection: &Selection) -> Result<String, SelectionError> {
    let mut text = String::new();
    let selected = selection.of(history)?;
    if selected.is_empty() {
        let why = "no record is of all of these: look at more hosts or topics, or at a longer time (--width)";
        writeln!(text, "{}", hang("timeline  ", why, TEXT_COLUMN)).expect(INFALLIBLE);
    }
    for (number, record) in selected {
        let run = match record.count {
            1 => String::new(),
            count => format!(" ({count} times until {})", Readable(record.until)),
        };
        let (at, host) = (Readable(record.at), &record.host);
        writeln!(text, "{number:>6}  {at:>14}  {host:<12} {:#}{run}", record.event).expect(INFALLIBLE);
    }
    Ok(text)
}

/// The records for machines: an object of JSON on a line each.
///
/// # Errors
/// The selection can match nothing.
pub fn timeline_json(history: &History, selection: &Selection) -> Result<String, SelectionError> {
    let mut text = String::new();
    for (number, record) in selection.of(history)? {
        let line = TimelineLine {
            number,
            at: record.at.as_secs_f64(),
            until: record.until.as_secs_f64(),
            count: record.count,
            host: &record.host,
            event: record.event.kind(),
            words: format!("{:#}", record.event),
        };
        let line = serde_json::to_string(&line).expect("a record in words is plain data");
        writeln!(text, "{line}").expect(INFALLIBLE);
    }
    Ok(text)
}
