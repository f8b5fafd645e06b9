//! The habits of a proxy as its profile says: as much of a profile as this proxy carries out.
//!
//! Refuses to know which profiles there are. What is not carried out is listed in docs/profiles.md.

use std::time::Duration;

use crate::env::{TcpKeepalive, TcpOptions};
use crate::lie::{Direction, Ending, HeldUntil, Reaction, Rule, StreamLie, Trigger};
use crate::profile::{
    AfterHeaders, BeforeHeaders, Bytes, Ceiling, Conduct, OnConnection, RequestHold, ResponseHold, RetryCause, Timeout,
};
use crate::proxy::config::{HEADERS_LOOKED_AT_MAX, REPEATED_MAX, STREAMS_PER_CONNECTION_MAX, WINDOW_MAX};
use crate::proxy::forger::FrameHabits;
use crate::proxy::habits::{
    FloodLimit, HeaderLimit, IdleConnections, PingHabits, PoolHabits, ProxyHabits, RetireCall, RetireHabits,
};

/// A proxy without a limit of headers takes so many bytes here: nobody sends more by mistake.
const HEADERS_MAX: u32 = HEADERS_LOOKED_AT_MAX;

impl ProxyHabits {
    /// The habits that a profile tells of.
    #[must_use]
    pub fn of(conduct: &Conduct) -> Self {
        ProxyHabits {
            layer: conduct.layer,
            dial_timeout: conduct.connect_timeout.after(),
            tcp: tcp(conduct),
            unreachable: ending(&conduct.node_unreachable, &conduct.node_lost_after_headers),
            too_late: ending(&conduct.connect_timeout_before_headers, &conduct.node_lost_after_headers),
            lost: ending(&conduct.node_lost_before_headers, &conduct.node_lost_after_headers),
            resets: ending(&conduct.node_resets_before_headers, &conduct.node_resets_after_headers),
            refuses: conduct.node_refuses_after_headers.0.clone(),
            resets_without_error: conduct.node_resets_without_error.0.clone(),
            disowned: conduct.node_disowns_stream.0.clone(),
            lingers: !conduct.node_trailers.0.iter().any(|reaction| matches!(reaction, Reaction::Reset { .. })),
            awaits_client_end: awaits(&conduct.node_trailers) || awaits(&conduct.node_ends_without_trailers),
            cancelled: conduct.node_sees_cancel.0.clone(),
            client_gone: conduct.node_sees_client_gone.0.clone(),
            after_answer: conduct.node_sees_after_trailers.0.clone(),
            long_headers: conduct.node_sees_long_headers.0.clone(),
            retries: conduct.retries,
            retry_on: conduct.retry_on.0.iter().copied().filter(|cause| *cause != RetryCause::Timeout).collect(),
            retry_pause: conduct.retry_pause,
            pool: PoolHabits {
                kind: conduct.node_connections,
                connections: conduct.max_node_connections.most(),
                streams: conduct.node_connection_streams.most(),
            },
            node_window: conduct.absorbs.most().map_or(WINDOW_MAX, window),
            pings: conduct
                .ping_interval
                .after()
                .map(|interval| PingHabits { interval, timeout: conduct.ping_timeout.after() }),
            node_frames: FrameHabits {
                settings_patience: conduct.settings_ack_timeout.after(),
                keeps_disowned: conduct.node_disowns_stream.0 == [Reaction::Nothing],
                close_delay: Duration::ZERO,
                mutes_goaway: !conduct.node_sees_end.0.iter().any(|step| matches!(step, Reaction::Goaway(_))),
            },
            client_frames: FrameHabits {
                settings_patience: conduct.settings_ack_timeout.after(),
                close_delay: conduct.close_delay,
                ..FrameHabits::default()
            },
            streams: conduct.max_streams.most().unwrap_or(STREAMS_PER_CONNECTION_MAX),
            stream_window: window(conduct.stream_window),
            connection_window: window(conduct.connection_window),
            request_headers: HeaderLimit {
                bytes: headers(&conduct.request_headers),
                beyond: conduct.request_headers_reaction.0.clone(),
            },
            response_headers: HeaderLimit {
                bytes: headers(&conduct.response_headers),
                beyond: conduct.response_headers_reaction.0.clone(),
            },
            ping_flood: FloodLimit { most: conduct.ping_flood.most(), beyond: conduct.ping_flood_reaction.0.clone() },
            reset_flood: FloodLimit {
                most: conduct.reset_flood.most(),
                beyond: conduct.reset_flood_reaction.0.clone(),
            },
            idle_connections: conduct.connection_idle.after().map(|after| IdleConnections {
                after,
                ping_refreshes: conduct.ping_refreshes_connection,
                then: conduct.connection_idle_reaction.0.clone(),
            }),
            retiring: retiring(conduct),
            timer_slack: conduct.timer_slack,
            rules: times(conduct).chain(holds(conduct)).chain(held_ends(conduct)).collect(),
        }
    }
}

/// What of a profile this proxy does not carry out: a key, and what of it.
#[must_use]
pub fn left_out(conduct: &Conduct) -> Vec<(&'static str, &'static str)> {
    let is_plain_end = |step: &Reaction| {
        matches!(step, Reaction::AwaitClientEnd | Reaction::Trailers | Reaction::EndStream) || *step == Reaction::LET_GO
    };
    let ends = |end: &AfterHeaders| end.0.iter().all(is_plain_end);
    let is_of_connection = |step: &Reaction| !matches!(step, Reaction::Status { .. } | Reaction::Reset { .. });
    let of_connection = |list: &OnConnection| list.0.iter().all(is_of_connection);
    let headers = &conduct.request_headers_reaction.0;
    let are_mixed = headers.iter().any(|step| !is_of_connection(step)) && headers.iter().any(is_of_connection);
    let is_timeout_retried = conduct.retries > 0 && conduct.retry_on.0.contains(&RetryCause::Timeout);
    let facts = [
        (is_timeout_retried, "retry-on", "a time that runs out is no reason to try again"),
        (!ends(&conduct.node_trailers), "node-trailers", ONLY_ENDS),
        (!ends(&conduct.node_ends_without_trailers), "node-ends-without-trailers", ONLY_ENDS),
        (
            conduct.node_sees_client_gone.0 == [Reaction::Nothing],
            "node-sees-client-gone",
            "a node whose client is gone sees RST_STREAM(CANCEL)",
        ),
        (are_mixed, "request-headers-reaction", "only what is done to the connection"),
        (!of_connection(&conduct.connection_idle_reaction), "connection-idle-reaction", NO_STREAM),
        (!of_connection(&conduct.ping_flood_reaction), "ping-flood-reaction", NO_STREAM),
        (!of_connection(&conduct.reset_flood_reaction), "reset-flood-reaction", NO_STREAM),
    ];
    facts.into_iter().filter(|(is_so, ..)| *is_so).map(|(_, key, what)| (key, what)).collect()
}

const ONLY_ENDS: &str = "only that it waits for the client's end, the end itself, and `reset NO_ERROR if open`";
const NO_STREAM: &str = "only what is done to the connection: there is no stream to reset";

/// The TCP of connections to the node.
fn tcp(conduct: &Conduct) -> TcpOptions {
    let keepalive = conduct.tcp_keepalive_after.after().zip(conduct.tcp_keepalive_interval.after());
    let count = conduct.tcp_keepalive_count;
    TcpOptions {
        keepalive: keepalive.map(|(idle, interval)| TcpKeepalive { idle, interval, count }),
        user_timeout: conduct.tcp_unacknowledged.after(),
    }
}

fn retiring(conduct: &Conduct) -> RetireHabits {
    RetireHabits {
        at_drain: RetireCall { moment: conduct.drain_begins, grace: conduct.drain_grace.after() },
        at_age: RetireCall { moment: conduct.age_begins, grace: conduct.age_grace.after() },
        age: conduct.connection_age.after(),
        requests: conduct.connection_requests.most(),
        form: conduct.drain_goaway,
        gap: conduct.drain_goaway_gap,
        later: conduct.streams_after_goaway,
        close_delay: conduct.close_delay,
        accepts: conduct.drain_accepts,
    }
}

fn awaits(end: &AfterHeaders) -> bool {
    end.0.first() == Some(&Reaction::AwaitClientEnd)
}

/// The ends of responses that wait for the client's.
fn held_ends(conduct: &Conduct) -> impl Iterator<Item = Rule> {
    let (trailers, bare) = (awaits(&conduct.node_trailers), awaits(&conduct.node_ends_without_trailers));
    (trailers || bare).then(|| Rule::new(StreamLie::HoldEnd { trailers, bare })).into_iter()
}

fn ending(before: &BeforeHeaders, after: &AfterHeaders) -> Ending {
    Ending { before: before.0.clone(), after: after.0.clone() }
}

fn window(bytes: Bytes) -> u32 {
    u32::try_from(bytes.0).unwrap_or(WINDOW_MAX).min(WINDOW_MAX)
}

fn headers(limit: &Ceiling<Bytes>) -> u32 {
    limit.most().and_then(|bytes| u32::try_from(bytes.0).ok()).unwrap_or(HEADERS_MAX)
}

/// The moment that a time makes.
type MakeTrigger = fn(Duration) -> Trigger;

/// What ends streams by the clock. Where two run out together, the first of these counts.
fn times(conduct: &Conduct) -> impl Iterator<Item = Rule> {
    let read = if conduct.read_timeout_awaits_request { Trigger::AnswerIdle } else { Trigger::Idle };
    let of_read = ending(&conduct.read_timeout_before_headers, &conduct.read_timeout_after_headers);
    let times: [(Timeout, MakeTrigger, Ending); 7] = [
        (conduct.read_timeout, read, of_read.clone()),
        (
            conduct.body_timeout,
            Trigger::OpenQuiet,
            ending(&conduct.body_timeout_before_headers, &conduct.body_timeout_after_headers),
        ),
        (conduct.write_timeout, Trigger::Unwritten, of_read),
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
    fn what_is_left_out_of_a_profile_is_told() {
        let left = |name: &str| left_out(Profile::named(name).expect("a profile").conduct());
        for name in ["plain", "envoy", "nginx", "haproxy-2.6", "nghttpx", "apache", "pingora"] {
            assert_eq!(left(name), [], "{name}");
        }
        let keys: Vec<&str> = left("ingress-nginx").iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, ["retry-on"]);
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
