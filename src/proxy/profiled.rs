//! The habits of a proxy as its profile says: as much of a profile as this proxy carries out.
//!
//! Refuses to know which profiles there are. What is not carried out is listed in docs/profiles.md.

use std::time::Duration;

use crate::lie::{
    ConnectionLie, Direction, Ending, HeldUntil, LastStream, Reaction, ResetWith, Rule, StreamLie, Trigger,
};
use crate::profile::{
    AfterHeaders, BeforeHeaders, Bytes, Ceiling, Conduct, GoawayForm, NodePool, RequestHold, ResponseHold, RetryCause,
    Timeout,
};
use crate::proxy::config::{REPEATED_MAX, RESPONSE_HEADERS_MAX, STREAMS_PER_CONNECTION_MAX};
use crate::proxy::habits::{IdleConnections, ProxyHabits};

/// A proxy without a limit of headers takes so many bytes here: nobody sends more by mistake.
const HEADERS_MAX: u32 = RESPONSE_HEADERS_MAX;
/// The largest window of HTTP/2 (RFC 9113 section 6.9.1).
const WINDOW_MAX: u64 = (1 << 31) - 1;

impl ProxyHabits {
    /// The habits that a profile tells of.
    #[must_use]
    pub fn of(conduct: &Conduct) -> Self {
        let retries_dials = conduct.retry_on.0.contains(&RetryCause::ConnectFailure);
        ProxyHabits {
            dial_timeout: conduct.connect_timeout.after(),
            unreachable: ending(&conduct.node_unreachable, &conduct.node_lost_after_headers),
            lost: ending(&conduct.node_lost_before_headers, &conduct.node_lost_after_headers),
            resets: ending(&conduct.node_resets_before_headers, &conduct.node_resets_after_headers),
            refuses: conduct.node_refuses_after_headers.0.clone(),
            resets_without_error: conduct.node_resets_without_error.0.clone(),
            lingers: !conduct.node_trailers.0.iter().any(|reaction| matches!(reaction, Reaction::Reset { .. })),
            cancel: conduct.node_sees_cancel.0.iter().find_map(code).unwrap_or(ProxyHabits::default().cancel),
            retries: if retries_dials { conduct.retries } else { 0 },
            retry_pause: conduct.retry_pause,
            dials_for_each: conduct.node_connections == NodePool::PerRequest,
            streams: at(conduct.max_streams).unwrap_or(STREAMS_PER_CONNECTION_MAX),
            stream_window: window(conduct.stream_window),
            connection_window: window(conduct.connection_window),
            request_headers: headers(&conduct.request_headers),
            response_headers: headers(&conduct.response_headers),
            idle_connections: idle_connections(conduct),
            rules: times(conduct).chain(holds(conduct)).chain(aging(conduct)).collect(),
        }
    }
}

fn ending(before: &BeforeHeaders, after: &AfterHeaders) -> Ending {
    Ending { before: before.0.clone(), after: after.0.clone() }
}

fn code(reaction: &Reaction) -> Option<crate::lie::ResetCode> {
    if let Reaction::Reset { with: ResetWith::Code(code), .. } = reaction { Some(*code) } else { None }
}

fn at<T: Copy>(ceiling: Ceiling<T>) -> Option<T> {
    match ceiling {
        Ceiling::At(limit) => Some(limit),
        Ceiling::Nowhere => None,
    }
}

fn window(bytes: Bytes) -> u32 {
    u32::try_from(bytes.0.min(WINDOW_MAX)).unwrap_or(u32::MAX >> 1)
}

fn headers(limit: &Ceiling<Bytes>) -> u32 {
    at(*limit).and_then(|bytes| u32::try_from(bytes.0).ok()).unwrap_or(HEADERS_MAX)
}

/// The moment that a time makes.
type MakeTrigger = fn(Duration) -> Trigger;

/// What ends streams by the clock. Where two run out together, the first of these counts.
fn times(conduct: &Conduct) -> impl Iterator<Item = Rule> {
    let times: [(Timeout, MakeTrigger, Ending); 6] = [
        (
            conduct.body_timeout,
            Trigger::OpenQuiet,
            ending(&conduct.body_timeout_before_headers, &conduct.body_timeout_after_headers),
        ),
        (
            conduct.read_timeout,
            Trigger::Idle,
            ending(&conduct.read_timeout_before_headers, &conduct.read_timeout_after_headers),
        ),
        (
            conduct.idle_timeout,
            Trigger::Quiet,
            ending(&conduct.idle_timeout_before_headers, &conduct.idle_timeout_after_headers),
        ),
        (
            conduct.request_timeout,
            Trigger::HalfClosed,
            ending(&conduct.request_timeout_before_headers, &conduct.request_timeout_after_headers),
        ),
        (
            conduct.stream_age,
            Trigger::Age,
            ending(&conduct.stream_age_before_headers, &conduct.stream_age_after_headers),
        ),
        (
            conduct.request_age,
            Trigger::OpenAge,
            ending(&conduct.request_age_before_headers, &conduct.request_age_after_headers),
        ),
    ];
    let rule = |(timeout, trigger, ending): (Timeout, MakeTrigger, Ending)| {
        Some(Rule::new(StreamLie::End(ending)).from(trigger(timeout.after()?)))
    };
    times.into_iter().filter_map(rule)
}

/// What waits in the proxy.
fn holds(conduct: &Conduct) -> impl Iterator<Item = Rule> {
    let hold = |direction, until| Rule::new(StreamLie::Hold { direction, until, room: REPEATED_MAX });
    let request = match conduct.request_hold {
        RequestHold::Nothing => None,
        RequestHold::FirstMessage => Some(hold(Direction::ToNode, HeldUntil::FirstData)),
        RequestHold::Whole => Some(hold(Direction::ToNode, HeldUntil::End)),
    };
    let response = match conduct.response_hold {
        ResponseHold::Nothing => None,
        ResponseHold::Whole => Some(hold(Direction::ToClient, HeldUntil::End)),
    };
    request.into_iter().chain(response)
}

/// What ends connections by their age.
fn aging(conduct: &Conduct) -> impl Iterator<Item = Rule> {
    let rule = conduct.connection_age.after().map(|age| {
        let (last, twice) = match conduct.drain_goaway {
            GoawayForm::Double => (LastStream::All, Some(conduct.drain_goaway_gap)),
            GoawayForm::Open | GoawayForm::Silent => (LastStream::All, None),
            GoawayForm::Last => (LastStream::Seen, None),
        };
        let closes_after = conduct.age_grace.after();
        Rule::new(ConnectionLie::GoAway { code: 0, last, twice, closes_after, every: None }).from(Trigger::Age(age))
    });
    rule.into_iter()
}

fn idle_connections(conduct: &Conduct) -> Option<IdleConnections> {
    // A client that sends PINGs keeps such a connection, and clients send them.
    let after = conduct.connection_idle.after().filter(|_| !conduct.ping_refreshes_connection)?;
    let goaway = conduct
        .connection_idle_reaction
        .0
        .iter()
        .find_map(|reaction| if let Reaction::Goaway(code) = reaction { Some(*code) } else { None });
    Some(IdleConnections { after, goaway })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;

    fn habits(name: &str) -> ProxyHabits {
        ProxyHabits::of(Profile::named(name).expect("a profile").conduct())
    }

    #[test]
    fn plain_has_the_habits_that_a_proxy_has_by_default() {
        assert_eq!(format!("{:#?}", habits("plain")), format!("{:#?}", ProxyHabits::default()));
    }

    #[test]
    fn each_profile_has_habits_and_no_two_of_the_measured_ones_are_alike() {
        for profile in Profile::all() {
            let habits = ProxyHabits::of(profile.conduct());
            assert!(habits.stream_window > 0 && habits.streams > 0, "{}", profile.name());
        }
        let measured = ["envoy", "nginx", "haproxy-2.6", "nghttpx", "apache", "pingora"];
        let told: std::collections::BTreeSet<String> =
            measured.iter().map(|name| format!("{:?}", habits(name))).collect();
        assert_eq!(told.len(), measured.len());
    }
}
