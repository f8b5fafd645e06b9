//! Profiles for people and machines: which there are, and what one does to a long-lived stream of gRPC.
//!
//! Refuses to know where they come from.

use std::fmt::Write;

use schemars::JsonSchema;
use serde::Serialize;

use crate::grammar::count;
use crate::lie::{PageBody, Reaction, ResetCode, ResetWith};
use crate::profile::config::Borrowed;
use crate::profile::{
    Backing, BeforeHeaders, ClientHalf, GoawayForm, GoawayMoment, LaterStreams, NodePool, OnConnection, Profile,
    ProxyLayer, RequestHold, ResponseHold, RetryCause,
};
use crate::report::paint::Paint;
use crate::report::wrap::hang;

/// Text takes every line.
const INFALLIBLE: &str = "a string takes all";
/// Where a statement goes on, and where its evidence stands.
const STATEMENT_COLUMN: usize = 4;

/// A profile of the list, for machines.
#[derive(Serialize, JsonSchema)]
struct ListedProfile<'p> {
    /// Its name.
    name: &'p str,
    /// What is to be known of it, in a line.
    title: &'p str,
    /// The real proxy.
    proxy: &'p str,
    /// The version of the real proxy.
    version: &'p str,
    /// What `open` and `ended` rest on: the weaker of both.
    evidence: Backing,
    /// How many values nobody has checked.
    unverified: usize,
    /// How long a node that stands still goes unnoticed by a client that may still send, or `never`: a duration.
    open: String,
    /// The same of a client that has ended its half of the stream.
    ended: String,
}

/// What `profile list` prints for machines.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ProfileList<'p>(Vec<ListedProfile<'p>>);

fn listed(profile: &Profile) -> ListedProfile<'_> {
    let (open, ended) = (profile.learning(ClientHalf::Open), profile.learning(ClientHalf::Ended));
    ListedProfile {
        name: profile.name(),
        title: profile.title(),
        proxy: profile.proxy(),
        version: profile.version(),
        evidence: open.backing.max(ended.backing),
        unverified: profile.count(Backing::Unverified),
        open: open.after.to_string(),
        ended: ended.after.to_string(),
    }
}

/// The profiles as a table: a row for each, and below it what is to be known of it.
#[must_use]
pub fn profiles(profiles: &[&Profile]) -> String {
    let mut text = String::from("profile        version  open    ended   evidence    unverified\n");
    for row in profiles.iter().copied().map(listed) {
        let ListedProfile { name, version, evidence, unverified, open, ended, title, .. } = row;
        let head = format!("{name:<14} {version:<8} {open:<7} {ended:<7} {evidence:<12}{unverified:>10}");
        writeln!(text, "{head}\n{}", hang("  ", title, 2)).expect(INFALLIBLE);
    }
    text.push('\n');
    text.push_str(&hang("", LEGEND, 0));
    text.push('\n');
    text
}

const LEGEND: &str = "open, ended: how long a node that stands still goes unnoticed by a client that may still send, and \
    by one that has ended its half of the stream. evidence: what these two times rest on. unverified: how many of all \
    values nobody has checked.";

/// The profiles for machines.
#[must_use]
pub fn profiles_json(profiles: &[&Profile]) -> String {
    let list = ProfileList(profiles.iter().copied().map(listed).collect());
    serde_json::to_string_pretty(&list).expect("plain data") + "\n"
}

/// One profile for machines.
#[must_use]
pub fn profile_json(profile: &Profile) -> String {
    serde_json::to_string_pretty(&profile.json()).expect("plain data") + "\n"
}

/// What was taken from a configuration, and what was not; and what of the former is not carried out.
#[must_use]
pub fn borrowed(borrowed: &Borrowed, base: &Profile, left_out: &[(&str, &str)]) -> String {
    let mut text = String::new();
    let what = format!("read as {}, on the profile {} ({})", borrowed.kind().word(), base.name(), base.version());
    writeln!(text, "{what}\ntook").expect(INFALLIBLE);
    for taken in borrowed.taken() {
        let line = format!("{} = {}", taken.key, taken.is);
        writeln!(text, "{}", hang("  ", &format!("{line}: {}", taken.source()), STATEMENT_COLUMN)).expect(INFALLIBLE);
    }
    if borrowed.taken().is_empty() {
        text.push_str("  nothing: it says nothing of long-lived streams\n");
    }
    let taken = |key: &str| borrowed.taken().iter().any(|taken| taken.key == key);
    for (key, what) in left_out.iter().filter(|(key, _)| taken(key)) {
        let told = format!("{key} is not carried out in all: {what}");
        writeln!(text, "{}", hang("  ", &told, STATEMENT_COLUMN)).expect(INFALLIBLE);
    }
    if !borrowed.ignored().is_empty() {
        text.push_str("ignored\n");
    }
    for line in borrowed.ignored() {
        let told = format!("{}: {}: {}", line.place, line.directive, line.why);
        writeln!(text, "{}", hang("  ", &told, STATEMENT_COLUMN)).expect(INFALLIBLE);
    }
    text
}

/// What a proxy does to a long-lived stream, in words, and what each statement rests on; at last what of it is not carried out.
#[must_use]
pub fn profile_explained(profile: &Profile, left_out: &[(&str, &str)], paint: Paint) -> String {
    let mut text = String::new();
    write_profile(&mut text, profile, paint).expect(INFALLIBLE);
    if !left_out.is_empty() {
        writeln!(text, "\n{}", paint.heading("What pulseless does not carry out of it")).expect(INFALLIBLE);
    }
    for (key, what) in left_out {
        writeln!(text, "{}", hang("  ", &format!("{key}: {what}"), STATEMENT_COLUMN)).expect(INFALLIBLE);
    }
    text
}

/// Statements under one heading, each with the keys that it rests on.
type Statements = Vec<(String, Vec<&'static str>)>;
/// What a heading has below it.
type StatementsOf = fn(&Profile) -> Statements;

fn write_profile(text: &mut String, profile: &Profile, paint: Paint) -> std::fmt::Result {
    writeln!(text, "{}", hang(&format!("{}: ", paint.heading(profile.name())), profile.title(), 2))?;
    let counts = Backing::WORDS.iter().map(|(word, backing)| (profile.count(*backing), word));
    let counts: Vec<String> =
        counts.filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    writeln!(
        text,
        "{}",
        hang("  ", &format!("{} {}; values: {}", profile.proxy(), profile.version(), counts.join(", ")), 2)
    )?;
    let parts: [(&str, StatementsOf); 6] = [
        ("When the node stands still", silence),
        ("Whatever passes", ages),
        ("When the node is gone, or ends the stream", node_ends),
        ("When the client goes, or reads nothing", client_ends),
        ("When the proxy is drained, or a connection is idle", connections),
        ("Limits", limits),
    ];
    for (heading, statements) in parts {
        let statements = statements(profile);
        if !statements.is_empty() {
            writeln!(text, "\n{}", paint.heading(heading))?;
        }
        for (statement, keys) in statements {
            writeln!(text, "{}", hang("  ", &statement, STATEMENT_COLUMN))?;
            for key in keys {
                let Some(ground) = profile.ground(key) else { continue };
                let told = format!("{key} [{}] {}", ground.backing, ground.source);
                writeln!(text, "{}", hang("    ", &told, STATEMENT_COLUMN + 2))?;
            }
        }
    }
    Ok(())
}

fn silence(profile: &Profile) -> Statements {
    let conduct = profile.conduct();
    if conduct.layer == ProxyLayer::Tcp {
        let tells =
            "It passes bytes: a PING of HTTP/2 asks the node itself, and keepalive finds a node that stands still.";
        return vec![(tells.to_owned(), vec!["layer"])];
    }
    let answers = "It answers PING itself: HTTP/2 keepalive of the client says nothing of the node.";
    let mut statements = vec![(answers.to_owned(), vec!["layer"])];
    for (half, who) in [
        (ClientHalf::Open, "a client that may still send (a bidirectional stream)"),
        (ClientHalf::Ended, "a client that has ended its half (a call that is answered with a stream)"),
    ] {
        let learning = profile.learning(half);
        let told = match (learning.after.after(), learning.by) {
            (Some(_), Some(key)) => {
                let sees = words_of(learning.sees, Headers::Behind);
                (format!("{who} is told after {}: {sees}.", learning.after), vec![key])
            }
            (_, _) => (
                format!("{who} is never told: only a heartbeat of the application's own finds out."),
                vec!["read-timeout", "idle-timeout"],
            ),
        };
        statements.push((capitalized(&told.0), told.1));
    }
    statements.push(match (conduct.ping_interval.after(), conduct.tcp_unacknowledged.after()) {
        (Some(_), _) => {
            let told =
                format!("It asks the node by PING, every {} and for {}.", conduct.ping_interval, conduct.ping_timeout);
            (told, vec!["ping-interval"])
        }
        (None, Some(_)) => {
            let told = "It never asks the node whether it lives; a host that has vanished is given up after";
            (format!("{told} {}.", conduct.tcp_unacknowledged), vec!["ping-interval", "tcp-unacknowledged"])
        }
        (None, None) => ("It never asks the node whether it lives.".to_owned(), vec!["ping-interval"]),
    });
    statements
}

fn ages(profile: &Profile) -> Statements {
    let conduct = profile.conduct();
    if conduct.layer == ProxyLayer::Tcp {
        return Statements::new();
    }
    let times = [
        (
            conduct.request_timeout,
            "request-timeout",
            "after the client has ended its half, a stream is cut",
            &conduct.request_timeout_after_headers,
        ),
        (
            conduct.request_age,
            "request-age",
            "after its start, a stream whose client has not ended its half is cut",
            &conduct.request_age_after_headers,
        ),
        (conduct.stream_age, "stream-age", "after its start, any stream is cut", &conduct.stream_age_after_headers),
    ];
    let cuts = times.into_iter().filter_map(|(time, key, what, reactions)| {
        time.after()?;
        Some((format!("{time} {what}: {}.", words_of(&reactions.0, Headers::Behind)), vec![key]))
    });
    let mut statements: Statements = cuts.collect();
    if conduct.body_timeout.after().is_some() {
        let what = "without a byte either way, while the client may still send, cut the stream";
        statements.push((
            format!(
                "{} {what}: {}.",
                conduct.body_timeout,
                words_of(&conduct.body_timeout_after_headers.0, Headers::Behind)
            ),
            vec!["body-timeout"],
        ));
    }
    match conduct.request_hold {
        RequestHold::Nothing => {}
        RequestHold::FirstMessage => {
            statements.push((
                "The node hears of a call with its first message, and not before.".to_owned(),
                vec!["request-hold"],
            ));
        }
        RequestHold::Whole => {
            statements.push((
                "The node hears of a call when the client has ended its half, and not before.".to_owned(),
                vec!["request-hold"],
            ));
        }
    }
    match conduct.response_hold {
        ResponseHold::Nothing => {}
        ResponseHold::Whole => {
            statements.push((
                "The client hears of a response when the node has ended it, and not before.".to_owned(),
                vec!["response-hold"],
            ));
        }
    }
    statements
}

fn node_ends(profile: &Profile) -> Statements {
    let conduct = profile.conduct();
    if conduct.layer == ProxyLayer::Tcp {
        return Statements::new();
    }
    let before = |BeforeHeaders(reactions): &BeforeHeaders| words_of(reactions, Headers::Ahead);
    let mut statements = vec![
        (
            format!("A node that dies: {}.", words_of(&conduct.node_lost_after_headers.0, Headers::Behind)),
            vec!["node-lost-after-headers"],
        ),
        (
            format!("A node that dies before its response headers: {}.", before(&conduct.node_lost_before_headers)),
            vec!["node-lost-before-headers"],
        ),
        (
            format!("A new call to a node that is down: {}.", before(&conduct.node_unreachable)),
            vec!["node-unreachable"],
        ),
        (
            format!("A reset by the node: {}.", words_of(&conduct.node_resets_after_headers.0, Headers::Behind)),
            vec!["node-resets-after-headers"],
        ),
        (
            format!("Trailers, which are the regular end: {}.", words_of(&conduct.node_trailers.0, Headers::Behind)),
            vec!["node-trailers"],
        ),
    ];
    if conduct.retries > 0 {
        let causes: Vec<&str> = conduct.retry_on.0.iter().map(|cause| told_cause(*cause)).collect();
        let again = count(u64::from(conduct.retries), "time");
        let twice = match conduct.retry_on.0.iter().all(|cause| *cause == RetryCause::ConnectFailure) {
            true => "",
            false => " The node may see it more than once.",
        };
        let told = format!("A request is sent up to {again} more, on {}.{twice}", causes.join(", "));
        statements.push((told, vec!["retries", "retry-on"]));
    }
    statements
}

/// A reason to try again, and whether it is carried out.
fn told_cause(cause: RetryCause) -> &'static str {
    if cause == RetryCause::Timeout { "timeout (which pulseless does not carry out)" } else { cause.word() }
}

fn client_ends(profile: &Profile) -> Statements {
    let conduct = profile.conduct();
    let mut statements = Statements::new();
    if conduct.layer == ProxyLayer::Http2 {
        let cancel = format!("A call that is canceled: the node sees {}.", frames_of(&conduct.node_sees_cancel.0));
        let gone = format!("A client that is gone: the node sees {}.", frames_of(&conduct.node_sees_client_gone.0));
        let deaf = "Of a client that reads nothing, the node notices nothing";
        let deaf = match conduct.absorbs.most() {
            Some(bytes) => format!("{deaf} before {bytes} are under way."),
            None => format!("{deaf}."),
        };
        statements.push((cancel, vec!["node-sees-cancel"]));
        statements.push((gone, vec!["node-sees-client-gone"]));
        statements.push((deaf, vec!["absorbs"]));
    }
    let pool = match conduct.node_connections {
        NodePool::Shared => "Streams of all clients share connections to the node.",
        NodePool::PerClient => "Each client has a connection to the node of its own.",
        NodePool::PerRequest => "Each call has a connection to the node of its own.",
    };
    statements.push((pool.to_owned(), vec!["node-connections"]));
    statements
}

fn connections(profile: &Profile) -> Statements {
    let conduct = profile.conduct();
    let mut statements = Statements::new();
    if conduct.connection_idle.after().is_some() {
        let pings =
            if conduct.ping_refreshes_connection { "a PING puts it off" } else { "and PINGs do not put it off" };
        let told = format!(
            "{} without a stream, {pings}: {}.",
            conduct.connection_idle,
            on_connection(&conduct.connection_idle_reaction)
        );
        statements.push((told, vec!["connection-idle", "ping-refreshes-connection"]));
    }
    if conduct.layer == ProxyLayer::Tcp {
        return statements;
    }
    if conduct.connection_age.after().is_some() {
        statements.push((
            format!("A connection of a client is drained at the age of {}.", conduct.connection_age),
            vec!["connection-age"],
        ));
    }
    if let Some(requests) = conduct.connection_requests.most() {
        statements.push((
            format!("A connection of a client is drained after {}.", count(u64::from(requests), "request")),
            vec!["connection-requests"],
        ));
    }
    let form = match conduct.drain_goaway {
        GoawayForm::Silent => "without a GOAWAY".to_owned(),
        GoawayForm::Open => "with one GOAWAY that leaves the last stream open".to_owned(),
        GoawayForm::Last => "with one GOAWAY that names the last stream".to_owned(),
        GoawayForm::Double => format!("with two GOAWAYs, {} apart", crate::grammar::spell(conduct.drain_goaway_gap)),
    };
    let moment = match conduct.drain_begins {
        GoawayMoment::AtOnce => "",
        GoawayMoment::NextRequest => ", and not before the next request",
        GoawayMoment::NextResponse => ", and not before the next response headers: a long stream alone sees none",
    };
    statements.push((format!("It drains {form}{moment}."), vec!["drain-goaway", "drain-begins"]));
    let later = match conduct.streams_after_goaway {
        LaterStreams::Served => "are served",
        LaterStreams::Ignored => "are never answered",
        LaterStreams::BreakConnection => "break the connection",
    };
    statements.push((format!("Streams that come after it {later}."), vec!["streams-after-goaway"]));
    let grace = match conduct.drain_grace.after() {
        Some(_) => format!("What runs is cut after {}.", conduct.drain_grace),
        None => "What runs may go on for ever, with what the old process knows.".to_owned(),
    };
    statements.push((grace, vec!["drain-grace"]));
    statements
}

fn limits(profile: &Profile) -> Statements {
    let conduct = profile.conduct();
    if conduct.layer == ProxyLayer::Tcp {
        return Statements::new();
    }
    let mut statements = Statements::new();
    if let Some(streams) = conduct.max_streams.most() {
        statements.push((
            format!("A connection of a client has up to {}.", count(u64::from(streams), "stream")),
            vec!["max-streams"],
        ));
    }
    if let Some(bytes) = conduct.request_headers.most() {
        let told = format!("Request headers over {bytes}: {}.", on_connection(&conduct.request_headers_reaction));
        statements.push((told, vec!["request-headers-reaction"]));
    }
    if let Some(bytes) = conduct.response_headers.most() {
        let told = format!(
            "Response headers over {bytes}: {}.",
            words_of(&conduct.response_headers_reaction.0, Headers::Ahead)
        );
        statements.push((told, vec!["response-headers-reaction"]));
    }
    for (most, what, key, reaction) in [
        (conduct.ping_flood, "PINGs", "ping-flood", &conduct.ping_flood_reaction),
        (conduct.reset_flood, "streams opened and reset", "reset-flood", &conduct.reset_flood_reaction),
    ] {
        if let Some(most) = most.most() {
            statements.push((format!("More than {most} {what} in a burst: {}.", on_connection(reaction)), vec![key]));
        }
    }
    statements
}

fn on_connection(OnConnection(reactions): &OnConnection) -> String {
    words_of(reactions, Headers::Ahead)
}

/// Whether the client has response headers by then: what a gRPC library makes of an end depends on it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Headers {
    Ahead,
    Behind,
}

/// What is done, in words, and what a gRPC library makes of it.
fn words_of(reactions: &[Reaction], headers: Headers) -> String {
    let status = reactions.iter().find_map(|reaction| grpc_status(reaction, headers));
    let status = status.map(|status| format!(" ({status})")).unwrap_or_default();
    format!("{}{status}", frames_of(reactions))
}

/// What is done, in words.
fn frames_of(reactions: &[Reaction]) -> String {
    reactions.iter().map(reaction_in_words).collect::<Vec<_>>().join(", then ")
}

fn reaction_in_words(reaction: &Reaction) -> String {
    match reaction {
        Reaction::Nothing => "nothing".to_owned(),
        Reaction::AwaitClientEnd => "nothing until the client has ended its half".to_owned(),
        Reaction::EndStream => "an end of the stream without trailers".to_owned(),
        Reaction::Trailers => "the trailers".to_owned(),
        Reaction::HtmlEndStream => "a page of HTML within the stream, and its end".to_owned(),
        Reaction::Reset { with, if_open } => {
            let code = match with {
                ResetWith::Code(code) => code.word(),
                ResetWith::Same => "the node's code",
            };
            let open = if *if_open { " unless the client has ended its half" } else { "" };
            format!("RST_STREAM({code}){open}")
        }
        Reaction::Status { status, body } => {
            let body = match body {
                PageBody::Html => " with a page of HTML",
                PageBody::Text => " with a line of text",
                PageBody::Empty => "",
                PageBody::EmptyData => " with an empty DATA frame",
            };
            format!("a response {status}{body}")
        }
        Reaction::GrpcStatus { code, message } if message.is_empty() => format!("grpc-status {code}"),
        Reaction::GrpcStatus { code, message } => format!("grpc-status {code} \"{message}\""),
        Reaction::Goaway(code) => format!("GOAWAY({})", code.word()),
        Reaction::Drain => "a drain, and FIN".to_owned(),
        Reaction::Close => "FIN".to_owned(),
        Reaction::TcpReset => "RST of TCP".to_owned(),
        Reaction::Forget => "nothing now, and RST of TCP for the next packet".to_owned(),
    }
}

/// What a gRPC library reports, by the mappings of grpc's PROTOCOL-HTTP2.md and http-grpc-status-mapping.md; and tonic 0.14
/// (`tests/edge/told.rs`), where that is something else.
fn grpc_status(reaction: &Reaction, headers: Headers) -> Option<String> {
    let told = match reaction {
        Reaction::Reset { with: ResetWith::Code(code), .. } => status_of_reset(*code, headers),
        Reaction::Status { status, body } => return Some(status_of_page(*status, *body)),
        Reaction::EndStream => {
            "UNKNOWN or INTERNAL, CANCELLED if a reset follows; tonic: UNKNOWN, and before 0.14.6 a clean end"
        }
        Reaction::HtmlEndStream => "INTERNAL",
        Reaction::Nothing
        | Reaction::AwaitClientEnd
        | Reaction::Trailers
        | Reaction::Reset { with: ResetWith::Same, .. }
        | Reaction::GrpcStatus { .. }
        | Reaction::Goaway(_)
        | Reaction::Drain
        | Reaction::Close
        | Reaction::TcpReset
        | Reaction::Forget => return None,
    };
    Some(told.into())
}

fn status_of_reset(code: ResetCode, headers: Headers) -> &'static str {
    match (code, headers) {
        (ResetCode::RefusedStream, _) => "UNAVAILABLE, and may be sent again unasked",
        (ResetCode::Cancel, _) => "CANCELLED",
        // hyper takes it for the end of the body.
        (ResetCode::NoError, Headers::Behind) => "INTERNAL; tonic: UNKNOWN",
        (ResetCode::EnhanceYourCalm, _) => "RESOURCE_EXHAUSTED",
        (ResetCode::InadequateSecurity, _) => "PERMISSION_DENIED",
        (ResetCode::StreamClosed | ResetCode::Http11Required, _) => "INTERNAL; tonic: UNKNOWN",
        (
            ResetCode::NoError
            | ResetCode::ProtocolError
            | ResetCode::InternalError
            | ResetCode::FlowControlError
            | ResetCode::SettingsTimeout
            | ResetCode::FrameSizeError
            | ResetCode::CompressionError
            | ResetCode::ConnectError,
            _,
        ) => "INTERNAL",
    }
}

fn status_of_page(status: u16, body: PageBody) -> String {
    let by_status = match status {
        400 => "INTERNAL",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "UNIMPLEMENTED",
        429 | 502..=504 => "UNAVAILABLE",
        _ => "UNKNOWN",
    };
    // It reads a page as a message, whatever its type is, and finds no message.
    let by_tonic = match body {
        PageBody::Html | PageBody::Text => "INTERNAL",
        PageBody::Empty | PageBody::EmptyData => by_status,
    };
    if by_tonic == by_status { by_status.into() } else { format!("{by_status}; tonic: {by_tonic}") }
}

/// A sentence begins with a capital letter.
fn capitalized(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
