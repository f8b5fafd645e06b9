//! The keys of a host's TCP in a sim file, for every subject that has them: `tcp-keepalive` and `tcp-user-timeout`.

use std::time::Duration;

use crate::env::{TcpKeepalive, TcpOptions};
use crate::grammar::quantity::spell;
use crate::grammar::refusal::Problem;
use crate::grammar::section::{Entry, Section};

/// What Linux takes: `MAX_TCP_KEEPIDLE` and `MAX_TCP_KEEPINTVL`, in seconds, and `MAX_TCP_KEEPCNT` (tcp.h).
const TCP_PROBE_MAX: Duration = Duration::from_secs(32_767);
const TCP_PROBES_MAX: u32 = 127;
/// Linux's keepalive where it is switched on and nothing else is said (tcp(7)).
const TCP_KEEPALIVE: TcpKeepalive =
    TcpKeepalive { idle: Duration::from_secs(7_200), interval: Duration::from_secs(75), count: 9 };
/// Intervals of less than a second are noise against the latencies of a sim.
pub(crate) const INTERVAL_MIN: Duration = Duration::from_secs(1);
/// Nobody waits longer for a peer on purpose.
const TIMEOUT_MAX: Duration = Duration::from_secs(3_600);
/// The word for leaving something out.
pub(crate) const OFF: &str = "off";

/// Reads `tcp-keepalive` and `tcp-user-timeout`.
pub(crate) fn read_tcp(section: &mut Section<'_>) -> Option<TcpOptions> {
    let keepalive = read_tcp_keepalive(section);
    let user_timeout = section.optional("tcp-user-timeout", None, |entry| match entry.is(OFF) {
        true => Ok(None),
        false => entry.duration(INTERVAL_MIN..=TIMEOUT_MAX).map(Some),
    });
    Some(TcpOptions { keepalive: keepalive?, user_timeout: user_timeout?.value })
}

/// Reads `{ idle, interval, count }` or "off".
fn read_tcp_keepalive(section: &mut Section<'_>) -> Option<Option<TcpKeepalive>> {
    const FORM: &str = "{ idle = \"5s\", interval = \"2s\", count = 2 }, or \"off\"";
    let Some(entry) = section.entry("tcp-keepalive") else { return Some(None) };
    if entry.is(OFF) {
        return Some(None);
    }
    let mut keepalive = section.keep(entry.section().map_err(|problem| problem.advice(format!("write {FORM}"))))?;
    let idle = keepalive.optional("idle", TCP_KEEPALIVE.idle, read_whole_seconds);
    let interval = keepalive.optional("interval", TCP_KEEPALIVE.interval, read_whole_seconds);
    let count = keepalive.optional("count", TCP_KEEPALIVE.count, |entry| entry.number(1..=TCP_PROBES_MAX));
    keepalive.finish();
    Some(Some(TcpKeepalive { idle: idle?.value, interval: interval?.value, count: count?.value }))
}

fn read_whole_seconds(entry: &Entry<'_>) -> Result<Duration, Problem> {
    let time = entry.duration(INTERVAL_MIN..=TCP_PROBE_MAX)?;
    if time.subsec_nanos() == 0 {
        return Ok(time);
    }
    let problem = entry.problem(format!("`{}` is {}, and TCP counts it in seconds", entry.key(), spell(time)));
    Err(problem
        .label("not whole seconds")
        .advice(format!("write {} or a second more", spell(Duration::from_secs(time.as_secs())))))
}
