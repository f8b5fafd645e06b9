//! Which streams of a proxy a fault is about, and from which moment of a stream's life on: the keys that all such
//! faults have.
//!
//! Refuses to know what is done to them.

use std::fmt;
use std::time::Duration;

use crate::fault::kind::{Hosts, Key};
use crate::fault::scene::Scene;
use crate::fault::{Harm, ProxyHarm};
use crate::grammar::quantity::{duration, size};
use crate::grammar::{Entry, Problem, Section, count, pattern, spell, spell_size};
use crate::lie::{Lie, StreamLie, Trigger};

/// Longer than any trial.
const TIME_MAX: Duration = Duration::from_secs(168 * 3_600);
/// More streams than a connection ever has open.
const NTH_MAX: u32 = 1_000;
/// Messages after which something happens.
const MESSAGES_MAX: u32 = 1_000_000;

/// Which streams, and from when on; by default all, from their opening.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamAim {
    /// Streams whose path matches this pattern only; none is every path.
    pub path: Option<String>,
    /// Streams whose request has a header of that name with a value of that pattern only.
    pub header: Option<(String, String)>,
    /// Each stream of so many on its connection only.
    pub nth: Option<u32>,
    /// From which moment of a stream's life on.
    pub when: Trigger,
}

impl StreamAim {
    /// Reads `path`, `header`, `nth-stream` and `when`.
    pub(crate) fn read(section: &mut Section<'_>, _: &Scene<'_>) -> Option<Self> {
        let path = section.optional("path", None, |entry| read_path(entry).map(Some));
        let header = section.optional("header", None, |entry| read_header(entry).map(Some));
        let nth = section.optional("nth-stream", None, |entry| entry.number(1..=NTH_MAX).map(Some));
        let when = section.optional("when", Trigger::Opened, read_trigger);
        Some(StreamAim { path: path?.value, header: header?.value, nth: nth?.value, when: when?.value })
    }

    /// The keys, as a sim file writes them.
    pub(crate) fn keys(&self) -> Vec<Key> {
        let path = self.path.as_deref().map(|path| ("path", path.into()));
        let header = self.header.as_ref().map(|(name, value)| ("header", format!("{name}: {value}").into()));
        let nth = self.nth.map(|nth| ("nth-stream", i64::from(nth).into()));
        let when = (self.when != Trigger::Opened).then(|| ("when", write_trigger(self.when).into()));
        [path, header, nth, when].into_iter().flatten().collect()
    }

    /// That lie on these streams of those hosts.
    pub(crate) fn harm(&self, on: Hosts, lie: StreamLie) -> Harm {
        let StreamAim { path, header, nth, when } = self.clone();
        Harm::Proxy { on, harm: ProxyHarm { path, header, nth, when, lie: Lie::Stream(lie) } }
    }
}

/// As it goes after the words for the hosts.
impl fmt::Display for StreamAim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(formatter, " on {path}")?;
        }
        if let Some((name, value)) = &self.header {
            write!(formatter, " with the header {name}: {value}")?;
        }
        if let Some(nth) = self.nth {
            write!(formatter, " on each stream of {nth}")?;
        }
        match self.when {
            Trigger::Opened => Ok(()),
            Trigger::Age(age) => write!(formatter, " from the age of {} on", spell(age)),
            Trigger::Headers => formatter.write_str(" once the response headers have passed"),
            Trigger::Messages(messages) => write!(formatter, " after {}", count(u64::from(messages), "message")),
            Trigger::Bytes(bytes) => write!(formatter, " after {}", spell_size(bytes)),
            Trigger::Idle(time) | Trigger::AnswerIdle(time) => {
                write!(formatter, " after {} without a byte", spell(time))
            }
            Trigger::Unwritten(time) => write!(formatter, " after {} in which the node took nothing", spell(time)),
            Trigger::Quiet(time) | Trigger::OpenQuiet(time) => {
                write!(formatter, " after {} without a byte either way", spell(time))
            }
            Trigger::OpenAge(age) => write!(formatter, " from the age of {} on, while the request is open", spell(age)),
            Trigger::HalfClosed(time) => write!(formatter, " {} after the end of the request", spell(time)),
        }
    }
}

fn read_path(entry: &Entry<'_>) -> Result<String, Problem> {
    let text = entry.text("a pattern over paths, such as \"*/Subscribe\"")?;
    pattern(entry, text)?;
    Ok(text.into())
}

fn read_header(entry: &Entry<'_>) -> Result<(String, String), Problem> {
    const FORM: &str = "a header's name and a pattern over its value, such as \"te: trailers\"";
    let text = entry.text(FORM)?;
    let wrong =
        || entry.problem(format!("`{}` is `{text}`", entry.key())).label("no header").advice(format!("write {FORM}"));
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    // As HTTP/2 has it (RFC 9113 section 8.2.1).
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase());
    if !is_name || value.trim().is_empty() {
        return Err(wrong());
    }
    pattern(entry, value.trim())?;
    Ok((name.into(), value.trim().into()))
}

fn read_trigger(entry: &Entry<'_>) -> Result<Trigger, Problem> {
    const FORM: &str = "\"headers\", \"60s\" of age, \"3 messages\", \"64KiB\", \"idle 100s\", \"quiet 60s\", \"open 60s\" or \"half-closed 15s\"";
    let text = entry.text(FORM)?;
    trigger(text).ok_or_else(|| {
        let problem = entry.problem(format!("`{}`: `{text}` is no moment of a stream's life", entry.key()));
        problem.label("unknown moment").advice(format!("write {FORM}"))
    })
}

fn trigger(text: &str) -> Option<Trigger> {
    let some_time =
        |text: &str| duration(text).ok().filter(|time| (Duration::from_millis(1)..=TIME_MAX).contains(time));
    match text.split_once(' ') {
        None if text == "headers" => Some(Trigger::Headers),
        None => {
            let bytes = || size(text).ok().filter(|bytes| *bytes > 0).map(Trigger::Bytes);
            some_time(text).map(Trigger::Age).or_else(bytes)
        }
        Some(("idle", time)) => some_time(time).map(Trigger::Idle),
        Some(("answer-idle", time)) => some_time(time).map(Trigger::AnswerIdle),
        Some(("unwritten", time)) => some_time(time).map(Trigger::Unwritten),
        Some(("quiet", time)) => some_time(time).map(Trigger::Quiet),
        Some(("open-quiet", time)) => some_time(time).map(Trigger::OpenQuiet),
        Some(("open", time)) => some_time(time).map(Trigger::OpenAge),
        Some(("half-closed", time)) => some_time(time).map(Trigger::HalfClosed),
        Some((number, "message" | "messages")) => {
            let number = number.parse().ok().filter(|number| (1..=MESSAGES_MAX).contains(number))?;
            Some(Trigger::Messages(number))
        }
        Some(_) => None,
    }
}

fn write_trigger(trigger: Trigger) -> String {
    match trigger {
        Trigger::Opened => String::new(),
        Trigger::Age(age) => spell(age),
        Trigger::Headers => "headers".into(),
        Trigger::Messages(messages) => count(u64::from(messages), "message"),
        Trigger::Bytes(bytes) => spell_size(bytes),
        Trigger::Idle(time) => format!("idle {}", spell(time)),
        Trigger::AnswerIdle(time) => format!("answer-idle {}", spell(time)),
        Trigger::Unwritten(time) => format!("unwritten {}", spell(time)),
        Trigger::Quiet(time) => format!("quiet {}", spell(time)),
        Trigger::OpenQuiet(time) => format!("open-quiet {}", spell(time)),
        Trigger::OpenAge(age) => format!("open {}", spell(age)),
        Trigger::HalfClosed(time) => format!("half-closed {}", spell(time)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_it_is_read() {
        for text in [
            "headers",
            "1m",
            "1500ms",
            "1 message",
            "3 messages",
            "64KiB",
            "1B",
            "idle 100s",
            "answer-idle 1m",
            "unwritten 30s",
            "half-closed 15s",
        ] {
            let read = trigger(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(trigger(&write_trigger(read)), Some(read), "{text}");
        }
        for text in
            ["", "header", "0s", "0 messages", "idle", "idle 0s", "3 bytes", "-1s", "99999999999 messages", "0B"]
        {
            assert_eq!(trigger(text), None, "{text}");
        }
    }
}
