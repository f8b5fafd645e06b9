//! A haproxy.cfg: of the first frontend that speaks HTTP/2, and the backend behind it, what holds there.
//!
//! Refuses to know its syntax.

use std::time::Duration;

use crate::profile::config::haproxy_lines::{HaproxyLine, HaproxySection, read_sections};
use crate::profile::config::taking::{BadConfig, ConfigPlace, Taking};
use crate::profile::config::units::{self, plain_number};
use crate::profile::spoken::{Spelled, Spoken, Timeout};

/// `defaults` may build on each other, and hardly ever do.
const DEFAULTS_MAX: usize = 16;

const NO_PART: &str = "it has no part in a long-lived stream";
const ELSEWHERE: &str = "this stream does not go there";

/// Reads a configuration.
pub(crate) fn read_haproxy(file: &str, text: &str, taking: &mut Taking) -> Result<(), BadConfig> {
    let sections = read_sections(file, text)?;
    let start = ConfigPlace { file: file.to_owned(), line: 1 };
    let Some(front) = front(&sections) else {
        let advice = "name a haproxy.cfg with a section `frontend NAME` or `listen NAME`";
        return Err(BadConfig::new(&start, "it has neither a frontend nor a listen; is the file cut off?", advice));
    };
    let back = back(&sections, front);
    let used = used(&sections, &[Some(front), back]);
    for (number, section) in sections.iter().enumerate() {
        if !used.contains(&number) && section.kind() != "global" {
            let why = if section.kind() == "defaults" { "no section of this stream builds on it" } else { ELSEWHERE };
            taking.ignore(&section.head.place, &section.head.told(), why);
        }
    }
    for global in sections.iter().filter(|section| section.kind() == "global") {
        global.lines.iter().try_for_each(|line| take_global(line, taking))?;
    }
    let mut times = HaproxyTimes::default();
    let is_tcp = lines_of(&sections, front).iter().rev().find_map(|line| match line.words()[..] {
        ["mode", mode] => Some((mode == "tcp", line.place.clone())),
        _ => None,
    });
    let mut seen: Vec<ConfigPlace> = Vec::new();
    for (number, side) in [(Some(front), HaproxySide::Client), (back, HaproxySide::Node)] {
        for line in number.map(|number| lines_of(&sections, number)).unwrap_or_default() {
            // `defaults` hold for both sides, and each takes its own.
            let is_first = !seen.contains(&line.place);
            seen.push(line.place.clone());
            take_line(line, side, is_first, &mut times, taking)?;
        }
    }
    match is_tcp {
        Some((true, place)) => times.take_of_tcp(&place, file, taking),
        Some((false, _)) | None => times.take_of_http(file, taking),
    }
    Ok(())
}

/// Which side of a stream a section is on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HaproxySide {
    Client,
    Node,
}

/// The frontend that the stream comes through: the first that speaks HTTP/2, else the first.
fn front(sections: &[HaproxySection]) -> Option<usize> {
    let fronts = || (0..sections.len()).filter(|number| ["frontend", "listen"].contains(&sections[*number].kind()));
    let speaks = |number: &usize| {
        let binds = sections[*number].lines.iter().filter(|line| line.words.first().is_some_and(|word| word == "bind"));
        binds.into_iter().any(|bind| bind.words.iter().any(|word| word.split(',').any(|word| word == "h2")))
    };
    fronts().find(speaks).or_else(|| fronts().next())
}

/// The backend that it goes to: the default, else the first that is named, else the listen itself, else the only one.
fn back(sections: &[HaproxySection], front: usize) -> Option<usize> {
    let named = |first: &str| {
        let lines = sections[front].lines.iter();
        let mut lines = lines.filter(|line| line.words.first().is_some_and(|word| word == first));
        lines.find_map(|line| line.words.get(1))
    };
    let find = |name: &String| {
        sections.iter().position(|other| ["backend", "listen"].contains(&other.kind()) && other.name() == name)
    };
    let by_name = named("default_backend").or_else(|| named("use_backend")).and_then(find);
    let itself = || (sections[front].kind() == "listen").then_some(front);
    by_name.or_else(itself).or_else(|| sections.iter().position(|other| other.kind() == "backend"))
}

/// The numbers of the sections that hold for these, themselves included.
fn used(sections: &[HaproxySection], numbers: &[Option<usize>]) -> Vec<usize> {
    numbers.iter().flatten().flat_map(|number| line_up(sections, *number)).collect()
}

/// A section, and those that it builds on, from itself outwards.
fn line_up(sections: &[HaproxySection], number: usize) -> Vec<usize> {
    let next = |number: &usize| sections.get(*number).and_then(|section| section.defaults);
    std::iter::successors(Some(number), next).take(DEFAULTS_MAX).collect()
}

/// What holds in a section, the outermost first.
fn lines_of(sections: &[HaproxySection], number: usize) -> Vec<&HaproxyLine> {
    line_up(sections, number).into_iter().rev().flat_map(|number| &sections[number].lines).collect()
}

/// The times of both sides, which mean one thing in mode http and another in mode tcp.
#[derive(Default)]
struct HaproxyTimes {
    connect: Option<(Timeout, HaproxyLine)>,
    client: Option<(Timeout, HaproxyLine)>,
    server: Option<(Timeout, HaproxyLine)>,
    keep_alive: Option<(Timeout, HaproxyLine)>,
    tunnel: Option<(Timeout, HaproxyLine)>,
}

type SaidTime = Option<(Timeout, HaproxyLine)>;

impl HaproxyTimes {
    fn take_of_http(self, file: &str, taking: &mut Taking) {
        take_time(taking, file, &self.connect, "connect", &["connect-timeout"]);
        take_time(taking, file, &self.server, "server", &["idle-timeout", "write-timeout"]);
        take_time(taking, file, &self.client, "client", &["body-timeout"]);
        let idle = self.keep_alive.or(self.client);
        take_time(taking, file, &idle, "client", &["connection-idle"]);
        if let Some((_, line)) = self.tunnel {
            taking.ignore(
                &line.place,
                &line.told(),
                "it holds for CONNECT and WebSocket, and not for a stream of gRPC",
            );
        }
    }

    /// In mode tcp HAProxy passes bytes, and its times are those of a connection.
    fn take_of_tcp(self, mode: &ConfigPlace, file: &str, taking: &mut Taking) {
        taking.take_word("layer", "tcp", mode, "mode tcp");
        taking.take("ping-refreshes-connection", Spelled::Flag(true), mode, "mode tcp");
        taking.take("connection-idle-reaction", Spelled::List(vec!["close".to_owned()]), mode, "mode tcp");
        taking.take_word("node-connections", "per-client", mode, "mode tcp");
        take_time(taking, file, &self.connect, "connect", &["connect-timeout"]);
        let shorter = |one: SaidTime, other: SaidTime| match (&one, &other) {
            (Some((Timeout::After(first), _)), Some((Timeout::After(second), _))) if second < first => other,
            (Some((Timeout::After(_), _)), _) => one,
            (Some((Timeout::Never, _)) | None, _) => other.or(one),
        };
        let idle = self.tunnel.or_else(|| shorter(self.client, self.server));
        take_time(taking, file, &idle, "client", &["connection-idle"]);
    }
}

/// Takes a time; one that is not said is infinite.
fn take_time(taking: &mut Taking, file: &str, said: &SaidTime, name: &str, keys: &[&'static str]) {
    for key in keys {
        match said {
            Some((timeout, line)) => taking.take_time(key, *timeout, &line.place, &line.told()),
            None => {
                let why = format!("no `timeout {name}`, for which HAProxy has no default");
                taking.take_unsaid(key, Timeout::Never.spelled(), file, &why);
            }
        }
    }
}

/// Takes a line of a frontend, a backend, or what they build on. What another side takes is no concern of this one.
fn take_line(
    line: &HaproxyLine,
    side: HaproxySide,
    is_first: bool,
    times: &mut HaproxyTimes,
    taking: &mut Taking,
) -> Result<(), BadConfig> {
    let (place, told, words) = (&line.place, line.told(), line.words());
    let said = |line: &HaproxyLine| Ok::<_, BadConfig>(Some((timeout(line, 2)?, line.clone())));
    match (&words[..], side) {
        (["timeout", "client", ..], HaproxySide::Client) => times.client = said(line)?,
        (["timeout", "http-keep-alive", ..], HaproxySide::Client) => times.keep_alive = said(line)?,
        (["timeout", "server", ..], HaproxySide::Node) => times.server = said(line)?,
        (["timeout", "connect", ..], HaproxySide::Node) => times.connect = said(line)?,
        (["timeout", "tunnel", ..], HaproxySide::Node) => times.tunnel = said(line)?,
        (["timeout", "client" | "http-keep-alive" | "server" | "connect" | "tunnel", ..], _) => {}
        (["retries", ..], HaproxySide::Node) => {
            taking.take("retries", Spelled::Number(number(line, 1)?), place, &told);
        }
        (["retry-on", causes @ ..], HaproxySide::Node) => take_retry_on(line, causes, taking)?,
        (["http-reuse", mode], HaproxySide::Node) => {
            let pool = if *mode == "never" { "per-request" } else { "shared" };
            taking.take_word("node-connections", pool, place, &told);
        }
        (["option", "srvtcpka"], HaproxySide::Node) if !taking.has("tcp-keepalive-after") => {
            // Linux's own number, tcp(7), unless srvtcpka-idle says another.
            taking.take_time("tcp-keepalive-after", Timeout::After(Duration::from_secs(7_200)), place, &told);
        }
        (["srvtcpka-idle", ..], HaproxySide::Node) => {
            taking.take_time("tcp-keepalive-after", seconds(line)?, place, &told)
        }
        (["srvtcpka-intvl", ..], HaproxySide::Node) => {
            taking.take_time("tcp-keepalive-interval", seconds(line)?, place, &told);
        }
        (["srvtcpka-cnt", ..], HaproxySide::Node) => {
            taking.take("tcp-keepalive-count", Spelled::Number(number(line, 1)?), place, &told);
        }
        (["server" | "default-server", options @ ..], HaproxySide::Node) => take_server(line, options, taking)?,
        (["mode", _] | ["option", "srvtcpka"] | ["default_backend" | "use_backend" | "bind", ..], _) => {}
        (["retries" | "retry-on" | "http-reuse" | "srvtcpka-idle" | "srvtcpka-intvl" | "srvtcpka-cnt", ..], _) => {}
        _ if is_first => taking.ignore(place, &told, why_ignored(&words)),
        _ => {}
    }
    Ok(())
}

fn why_ignored(words: &[&str]) -> &'static str {
    match words {
        ["timeout", "client-fin" | "server-fin", ..] => {
            "it begins once a side has ended, and a profile has no such time"
        }
        ["timeout", "http-request", ..] => "it ends with the request's headers",
        ["timeout", "queue" | "tarpit" | "check", ..] => "it is over before a stream has begun",
        ["option", "clitcpka"] | ["clitcpka-idle" | "clitcpka-intvl" | "clitcpka-cnt", ..] => {
            "it probes the client, and a profile has no such key"
        }
        ["option", "redispatch", ..] => "it is about choosing a server",
        ["option", "independent-streams"] => {
            "it would let a silent client be cut off while it is sent to, which a profile does not have"
        }
        [first, ..] if first.starts_with('.') => "conditions are not evaluated: the lines within are read",
        _ => NO_PART,
    }
}

fn take_retry_on(line: &HaproxyLine, causes: &[&str], taking: &mut Taking) -> Result<(), BadConfig> {
    if causes.is_empty() {
        return Err(wrong(line, "reasons such as conn-failure, or none"));
    }
    let mut taken: Vec<&str> = Vec::new();
    for cause in causes {
        match *cause {
            "none" => {}
            "conn-failure" => taken.push("connect-failure"),
            "empty-response" => taken.push("reset"),
            "response-timeout" => taken.push("timeout"),
            "all-retryable-errors" => taken.extend(["connect-failure", "reset", "timeout", "http-5xx"]),
            "500" | "501" | "502" | "503" | "504" => taken.push("http-5xx"),
            other => taking.ignore(&line.place, other, "a profile has no such reason to try again"),
        }
    }
    taken.dedup();
    if taken.is_empty() {
        taking.take("retries", Spelled::Number(0), &line.place, &line.told());
    }
    let taken = taken.into_iter().map(str::to_owned).collect();
    taking.take("retry-on", Spelled::List(taken), &line.place, &line.told());
    Ok(())
}

/// The options of a server that concern its connections.
fn take_server(line: &HaproxyLine, options: &[&str], taking: &mut Taking) -> Result<(), BadConfig> {
    for (at, option) in options.iter().enumerate() {
        match *option {
            "tcp-ut" => {
                let right = "a time such as tcp-ut 30s";
                let text = options.get(at + 1).copied().unwrap_or_default();
                let time = units::haproxy_time(text, 1).ok_or_else(|| wrong(line, right))?;
                taking.take_time("tcp-unacknowledged", unless_zero(time), &line.place, &format!("tcp-ut {text}"));
            }
            "idle-ping" => taking.ignore(&line.place, "idle-ping", "it asks connections without streams only"),
            "max-reuse" => taking.ignore(&line.place, "max-reuse", "a profile does not count a connection's streams"),
            _ => {}
        }
    }
    Ok(())
}

fn take_global(line: &HaproxyLine, taking: &mut Taking) -> Result<(), BadConfig> {
    let (place, told) = (&line.place, line.told());
    match line.words()[..] {
        ["hard-stop-after", ..] => taking.take_time("drain-grace", timeout(line, 1)?, place, &told),
        ["tune.h2.max-concurrent-streams" | "tune.h2.fe.max-concurrent-streams", ..] => {
            taking.take("max-streams", Spelled::Number(number(line, 1)?), place, &told);
        }
        ["tune.h2.be.max-concurrent-streams", ..] => {
            taking.take("node-connection-streams", Spelled::Number(number(line, 1)?), place, &told);
        }
        ["tune.h2.initial-window-size" | "tune.h2.fe.initial-window-size", ..] => {
            taking.take_size("stream-window", u64::from(number(line, 1)?), place, &told);
        }
        ["tune.bufsize", size, ..] => {
            let bytes = units::size(size).ok_or_else(|| wrong(line, "a size such as 16384"))?;
            taking.take_size("request-headers", bytes, place, &told);
            taking.take_size("response-headers", bytes, place, &told);
        }
        ["tune.h2.fe.glitches-threshold" | "tune.h2.be.glitches-threshold", ..] => {
            taking.ignore(place, &told, "it counts every oddity together, and a profile counts PINGs and resets");
        }
        ["grace", ..] => {
            taking.ignore(place, &told, "a profile has no time between the order to stop and the first GOAWAY")
        }
        _ => taking.ignore(place, &told, NO_PART),
    }
    Ok(())
}

/// The time of a word; 0 is none.
fn timeout(line: &HaproxyLine, at: usize) -> Result<Timeout, BadConfig> {
    let text = line.words.get(at).filter(|_| line.words.len() == at + 1).map(String::as_str).unwrap_or_default();
    let time = units::haproxy_time(text, 1).ok_or_else(|| wrong(line, "a time such as 50s or 50000"))?;
    Ok(unless_zero(time))
}

/// A time whose number alone is of seconds.
fn seconds(line: &HaproxyLine) -> Result<Timeout, BadConfig> {
    let text = line.words.get(1).map(String::as_str).unwrap_or_default();
    units::haproxy_time(text, 1_000).map(unless_zero).ok_or_else(|| wrong(line, "a time such as 30s"))
}

fn unless_zero(time: Duration) -> Timeout {
    if time.is_zero() { Timeout::Never } else { Timeout::After(time) }
}

fn number(line: &HaproxyLine, at: usize) -> Result<u32, BadConfig> {
    let number = line.words.get(at).and_then(|word| plain_number(word)).and_then(|number| u32::try_from(number).ok());
    number.filter(|number| *number < 1 << 31).ok_or_else(|| wrong(line, "a number from 0 to 2147483647"))
}

fn wrong(line: &HaproxyLine, right: &str) -> BadConfig {
    BadConfig::new(&line.place, format!("`{}` has a wrong value, or none", line.told()), format!("write {right}"))
}
