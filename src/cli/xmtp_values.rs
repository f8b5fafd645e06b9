//! Values that the flags of our own subject take.
//!
//! Refuses to know which flag takes them.

use std::str::FromStr;
use std::time::Duration;

use crate::cli::values::duration;
use crate::env::{Address, BadAddress};
use crate::grammar::quantity::{self, spell_size};
use crate::grammar::spell;
use crate::subject::xmtp::client::BackoffConfig;
use crate::subject::xmtp::conformance::{self, Bound};
use crate::subject::xmtp::node::{DeniedTopics, Serves};
use crate::subject::xmtp::settings::{
    BACKOFF_RANGE, CONNECT_RANGE, CONNECTION_WINDOW_MIN, HTTP2_WINDOW_MAX, INTERVAL_MAX, WATCHDOG_RANGE,
    WINDOWS_EVERY_MIN,
};
use crate::subject::xmtp::wire::{Dialect, MessageKind, Topic};

/// Reads a keepalive interval, at most as long as in a sim: more is a slip of the unit. Below a millisecond, the wire's unit, a node would not ping at all.
pub(crate) fn keepalive(text: &str) -> Result<Duration, String> {
    let interval = duration(text)?;
    if interval.is_zero() || interval > INTERVAL_MAX {
        return Err(format!("`{text}` is no keepalive interval; write one from 1ms to {}", spell(INTERVAL_MAX)));
    }
    Ok(interval)
}

/// Reads how long it is from one window to the next, within the bounds of a sim.
pub(crate) fn window(text: &str) -> Result<Duration, String> {
    let window = duration(text)?;
    if window < WINDOWS_EVERY_MIN || window > INTERVAL_MAX {
        let range = format!("{} to {}", spell(WINDOWS_EVERY_MIN), spell(INTERVAL_MAX));
        return Err(format!("`{text}` is no time between two windows; write one from {range}"));
    }
    Ok(window)
}

/// Reads how long dialing may take, within the bounds of a sim.
pub(crate) fn connect_timeout(text: &str) -> Result<Duration, String> {
    let (timeout, range) = (duration(text)?, CONNECT_RANGE);
    let bad =
        || format!("`{text}` is no time to dial; write one from {} to {}", spell(*range.start()), spell(*range.end()));
    range.contains(&timeout).then_some(timeout).ok_or_else(bad)
}

/// Reads the first step between two attempts and the longest, within the bounds of a sim.
pub(crate) fn backoff(text: &str) -> Result<BackoffConfig, String> {
    let form = quantity::DURATION_RANGE_FORM;
    let (floor, ceiling) = quantity::duration_range(text).map_err(|bad| format!("{bad}; write {form}"))?;
    let range = BACKOFF_RANGE;
    if range.contains(&floor) && range.contains(&ceiling) {
        return Ok(BackoffConfig { floor, ceiling, ..BackoffConfig::default() });
    }
    let (least, most) = (spell(*range.start()), spell(*range.end()));
    Err(format!("`{text}` is no backoff; write two times from {least} to {most}, such as 100ms..30s"))
}

/// Reads how much may be sent ahead on a stream, within the bounds of a sim.
pub(crate) fn stream_window(text: &str) -> Result<u32, String> {
    http2_window(text, 1)
}

/// Reads how much may be sent ahead on a connection, within the bounds of a sim.
pub(crate) fn connection_window(text: &str) -> Result<u32, String> {
    http2_window(text, CONNECTION_WINDOW_MIN)
}

fn http2_window(text: &str, least: u32) -> Result<u32, String> {
    let bytes = quantity::size(text).map_err(|bad| format!("{bad}; write {}", quantity::SIZE_FORM))?;
    let window = u32::try_from(bytes).ok().filter(|window| (least..=HTTP2_WINDOW_MAX).contains(window));
    let (least, most) = (spell_size(least.into()), spell_size(HTTP2_WINDOW_MAX.into()));
    window.ok_or_else(|| format!("`{text}` is no window of HTTP/2; write one from {least} to {most}"))
}

/// Reads where a node is: `http://HOST:PORT`, or without its scheme.
pub(crate) fn node(text: &str) -> Result<Address, String> {
    if text.starts_with("https://") {
        return Err("it asks for TLS, which is not spoken; write http://HOST:PORT".into());
    }
    let address = text.strip_prefix("http://").unwrap_or(text);
    address.strip_suffix('/').unwrap_or(address).parse().map_err(|error: BadAddress| error.to_string())
}

/// Reads the number of a requirement that a node can be judged by.
pub(crate) fn judged_requirement(text: &str) -> Result<String, String> {
    let (number, known) = (text.trim().to_ascii_uppercase(), conformance::requirements());
    if known.contains(&number.as_str()) {
        return Ok(number);
    }
    Err(match number.as_str() {
        "T8" | "T11" => format!("`{number}` is about a client; no node can be judged by it"),
        _ => format!("no row judges `{number}`; write some of {}", known.join(",")),
    })
}

/// Reads the number of a requirement that a client can be judged by.
pub(crate) fn judged_requirement_of_a_client(text: &str) -> Result<String, String> {
    let (number, known) = (text.trim().to_ascii_uppercase(), conformance::client_requirements());
    if known.contains(&number.as_str()) {
        return Ok(number);
    }
    Err(format!("no row judges a client by `{number}`; write some of {}", known.join(",")))
}

/// Reads a bound of a node and its value, such as `adds=5000`.
pub(crate) fn bound(text: &str) -> Result<(Bound, usize), String> {
    let form = || {
        let names: Vec<&str> = Bound::ALL.iter().map(|bound| bound.name()).collect();
        format!("`{text}` is no bound; write NAME=N, where NAME is one of {} and N at least 1", names.join(", "))
    };
    let (name, number) = text.split_once('=').ok_or_else(form)?;
    let bound = Bound::ALL.iter().find(|bound| bound.name() == name).ok_or_else(form)?;
    let number = number.parse().ok().filter(|number| (1..=BOUND_MAX).contains(number)).ok_or_else(form)?;
    Ok((*bound, number))
}

/// A row goes over each bound: with more than this the row itself would need gigabytes.
const BOUND_MAX: usize = 1_000_000;

/// Reads a topic as it is printed: its kind, a colon and its name.
pub(crate) fn topic(text: &str) -> Result<Topic, String> {
    let mut named = MessageKind::ALL.into_iter().filter_map(|kind| {
        let name = text.strip_prefix(&format!("{kind}:")).filter(|name| !name.is_empty())?;
        Some(Topic::new(kind, name.as_bytes()))
    });
    named.next().ok_or_else(|| format!("`{text}` is no topic; write group:NAME or welcome:NAME"))
}

/// Reads which calls a node serves.
pub(crate) fn serves(text: &str) -> Result<Serves, String> {
    let named = Serves::ALL.into_iter().find(|serves| serves.name() == text);
    let names = || Serves::ALL.map(Serves::name).join(", ");
    named.ok_or_else(|| format!("`{text}` is no set of calls; write one of {}", names()))
}

/// Reads what is spoken on Subscribe.
pub(crate) fn dialect(text: &str) -> Result<Dialect, String> {
    let named = Dialect::ALL.into_iter().find(|dialect| dialect.name() == text);
    let names = || Dialect::ALL.map(Dialect::name).join(", ");
    named.ok_or_else(|| format!("`{text}` is no dialect; write one of {}", names()))
}

/// Reads a pattern over topics as they are printed.
pub(crate) fn pattern(text: &str) -> Result<String, String> {
    let bad = |error| format!("`{text}` is no pattern ({error}); write group:NAME, or welcome:* for all welcomes");
    DeniedTopics::matching([text]).map_err(|error| bad(error.kind().to_string()))?;
    // The name alone would deny nothing, and nobody would notice.
    let may_match = MessageKind::ALL.iter().any(|kind| text.starts_with(&format!("{kind}:")));
    if !may_match && !text.starts_with(['*', '?', '[', '{']) {
        return Err(bad(format!("no topic begins with `{}`", text.split(':').next().unwrap_or_default())));
    }
    Ok(text.to_owned())
}

/// Reads the name of a group. With the kind before it, as it is printed, it would name another group.
pub(crate) fn group(text: &str) -> Result<String, String> {
    match MessageKind::ALL.into_iter().find_map(|kind| Some((kind, text.strip_prefix(&format!("{kind}:"))?))) {
        Some((MessageKind::Group, name)) => {
            Err(format!("`{text}` is how a topic is printed; write its name alone: {name}"))
        }
        Some((MessageKind::Welcome, _)) => {
            Err(format!("`{text}` is a topic of welcomes, and this takes groups; write a group's name"))
        }
        None if text.is_empty() => Err("a group's name is not empty".to_owned()),
        None => Ok(text.to_owned()),
    }
}

/// After how many silent keepalive intervals a stream is dead (C2); `None` is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience(pub(crate) Option<u32>);

/// Why a text is no [`Patience`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a watchdog; write a number of silent keepalive intervals from 2 to 10, or off")]
pub(crate) struct BadPatience(String);

impl FromStr for Patience {
    type Err = BadPatience;

    fn from_str(text: &str) -> Result<Self, BadPatience> {
        if text == "off" {
            return Ok(Patience(None));
        }
        let intervals = text.parse().ok().filter(|intervals| WATCHDOG_RANGE.contains(intervals));
        intervals.map(|intervals| Patience(Some(intervals))).ok_or_else(|| BadPatience(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_over_topics_that_no_topic_matches_is_a_mistake() {
        for good in ["*", "group:news", "welcome:*", "*:news", "{group,welcome}:x", "?roup:*"] {
            assert_eq!(pattern(good), Ok(good.to_owned()));
        }
        for bad in ["news", "", "GROUP:news", "grp:x", "group:["] {
            assert!(pattern(bad).expect_err(bad).contains("write group:NAME, or welcome:*"), "{bad}");
        }
    }

    #[test]
    fn a_group_is_named_without_its_kind() {
        assert_eq!((group("news"), group("a:b")), (Ok("news".to_owned()), Ok("a:b".to_owned())));
        for (bad, right) in
            [("group:news", "write its name alone: news"), ("welcome:x", "takes groups"), ("", "not empty")]
        {
            assert!(group(bad).expect_err(bad).contains(right), "{bad}");
        }
    }

    #[test]
    fn a_keepalive_is_neither_nothing_nor_for_ever() {
        for (text, is_good) in [("0", false), ("1ms", true), ("1h", true), ("1h1ms", false)] {
            assert_eq!(keepalive(text).is_ok(), is_good, "{text}");
        }
    }

    #[test]
    fn a_node_is_named_with_or_without_its_scheme() {
        for good in ["http://host:1", "host:1", "http://host:1/"] {
            assert_eq!(node(good).map(|address| address.to_string()), Ok("host:1".to_owned()), "{good}");
        }
        assert!(node("https://host:1").expect_err("TLS").contains("http://HOST:PORT"));
        assert!(node("http://host").is_err());
    }

    #[test]
    fn a_requirement_is_one_that_a_node_is_judged_by() {
        assert_eq!(judged_requirement("s6"), Ok("S6".to_owned()));
        assert!(judged_requirement("T8").expect_err("a client's").contains("about a client"));
        assert!(judged_requirement("S99").expect_err("unknown").contains("T1,T2"));
    }

    #[test]
    fn a_requirement_of_a_client_is_one_that_it_is_judged_by() {
        assert_eq!(judged_requirement_of_a_client("c2"), Ok("C2".to_owned()));
        assert!(judged_requirement_of_a_client("C5").expect_err("no row").contains("C1,C2,C3,C4,C6"));
    }

    #[test]
    fn a_bound_has_a_name_and_a_number() {
        assert_eq!(bound("adds=40"), Ok((Bound::Adds, 40)));
        for bad in ["adds", "adds=0", "adds=x", "frames=4", "adds=1000001", ""] {
            assert!(bound(bad).expect_err(bad).contains("write NAME=N"), "{bad}");
        }
    }

    #[test]
    fn a_topic_is_named_as_it_is_printed() {
        assert_eq!(topic("group:news").map(|topic| topic.to_string()), Ok("group:news".to_owned()));
        assert_eq!(topic("welcome:key").map(|topic| topic.to_string()), Ok("welcome:key".to_owned()));
        for bad in ["news", "group:", ""] {
            assert!(topic(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_set_of_calls_is_one_that_a_node_can_serve() {
        assert_eq!(serves("older-calls"), Ok(Serves::OlderCalls));
        assert!(serves("all").expect_err("unknown").contains("everything, older-calls, older-calls-late"));
    }

    #[test]
    fn a_dialect_is_one_that_is_known() {
        assert_eq!(dialect("draft"), Ok(Dialect::Draft));
        assert!(dialect("v2").expect_err("unknown").contains("v1, draft"));
    }

    #[test]
    fn a_pattern_that_is_none_says_what_would_be_one() {
        assert_eq!(pattern("welcome:*"), Ok("welcome:*".to_owned()));
        assert!(pattern("group:[").expect_err("not closed").contains("write group:NAME"));
    }

    #[test]
    fn how_a_tail_dials_is_bounded_as_in_a_sim() {
        let backoff_of = |text| backoff(text).map(|config| (config.floor, config.ceiling));
        assert_eq!(backoff_of("1s..1m"), Ok((Duration::from_secs(1), Duration::from_secs(60))));
        for (bad, right) in [
            ("1s", "such as \"100ms..30s\""),
            ("1m..1s", "runs backwards"),
            ("0s..1s", "from 1ms to 1h"),
            ("1s..2h", "such as 100ms..30s"),
        ] {
            assert!(backoff(bad).expect_err(bad).contains(right), "{bad}");
        }
        assert_eq!((stream_window("1B"), connection_window("64KiB")), (Ok(1), Ok(65_536)));
        assert!(stream_window("0B").expect_err("none").contains("from 1B to 2147483647B"));
        assert!(connection_window("65534B").expect_err("too small").contains("from 65535B"));
        assert_eq!(connect_timeout("1ms"), Ok(Duration::from_millis(1)));
        assert!(connect_timeout("0s").expect_err("none").contains("from 1ms to 1h"));
    }

    #[test]
    fn a_watchdog_is_a_number_of_intervals_or_off() {
        assert_eq!(("3".parse(), "off".parse()), (Ok(Patience(Some(3))), Ok(Patience(None))));
        for bad in ["1", "11", "-3", "on", ""] {
            assert_eq!(bad.parse::<Patience>(), Err(BadPatience(bad.into())));
        }
    }
}
