//! The packets of a trial in real tshark, which decodes HTTP/2, gRPC and, with our .proto, the messages.
//!
//! Refuses to know how packets are made.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::{Said, Scratch, find};

/// Seconds since the Unix epoch at which a trial's wall clocks begin.
const BEGIN: f64 = 1_767_225_600.0;
/// What an HTTP/2 frame of that type is (RFC 9113 section 6).
const DATA: &str = "0";
const PING: &str = "6";

/// What our .proto imports of Google's.
const EMPTY: &str = "syntax = \"proto3\";\npackage google.protobuf;\nmessage Empty {}\n";
/// What stands before each gRPC message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// A capture, and who reads it.
struct Capture {
    tshark: PathBuf,
    file: PathBuf,
    /// What is spoken on the ports of proxies and nodes.
    spoken: &'static str,
    /// Where the capture is, and what our .proto imports.
    scratch: Scratch,
}

impl Capture {
    /// Of a sim with seed 7; none where there is no tshark.
    fn of(sim: &str, more: &[&str]) -> Option<Self> {
        let tshark = find("tshark")?;
        let scratch = Scratch::new();
        scratch.case("one", sim, &[]);
        let said = scratch.report("one", "pcapng", more);
        assert_eq!((said.text().as_str(), said.err.as_str()), ("one.pcapng\n", ""));
        fs::create_dir_all(scratch.path("include/google/protobuf")).expect("the scratch folder takes folders");
        scratch.write("include/google/protobuf/empty.proto", EMPTY);
        Some(Capture { tshark, file: scratch.path("one.pcapng"), spoken: "http2", scratch })
    }

    /// The same, of a trial whose proxies and nodes speak TLS: ALPN says what is in it.
    fn behind_tls(self) -> Self {
        Capture { spoken: "tls", ..self }
    }

    /// The fields of the packets that a filter lets through, a row each; a field with several values has them with `|`.
    fn rows(&self, filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
        let mut command = Command::new(&self.tshark);
        command.arg("-r").arg(&self.file).args(["-N", "n", "-Y", filter]);
        for folder in [Path::new(env!("CARGO_MANIFEST_DIR")).join("proto"), self.scratch.path("include")] {
            command.arg("-o").arg(format!("uat:protobuf_search_paths:\"{}\",\"TRUE\"", folder.display()));
        }
        // The ports that proxies and nodes listen on in a trial.
        for port in [5555, 5556] {
            command.args(["-d", &format!("tcp.port=={port},{}", self.spoken)]);
        }
        command.args(["-T", "fields", "-E", "aggregator=|"]);
        fields.iter().for_each(|field| _ = command.args(["-e", field]));
        let said = Said::of(command.output().expect("tshark runs"));
        assert_eq!(said.code, 0, "{filter}: {said:?}");
        said.text().lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
    }

    fn count(&self, filter: &str) -> usize {
        self.rows(filter, &["frame.number"]).len()
    }

    /// Nothing is malformed, no byte is missing, and nothing is acknowledged that was not sent.
    fn is_sound(&self) {
        for filter in [
            "_ws.malformed",
            "tcp.analysis.lost_segment",
            "tcp.analysis.ack_lost_segment",
            "tcp.checksum.status == \"Bad\"",
            "ip.checksum.status == \"Bad\"",
            "_ws.expert.severity == \"Error\"",
        ] {
            assert_eq!(self.rows(filter, &["frame.number", "_ws.col.info"]), Vec::<Vec<String>>::new(), "{filter}");
        }
    }

    /// Each byte of each DATA frame is in a message that is decoded as gRPC, for each connection and way; how many DATA
    /// frames there are.
    fn data_frames(&self, filter: &str) -> usize {
        let fields = ["tcp.stream", "ip.src_host", "http2.type", "http2.length", "grpc.message_length"];
        let (mut frames, mut bytes) = (0, BTreeMap::<[String; 2], [usize; 2]>::new());
        for row in self.rows(&format!("http2.type == {DATA} && {filter}"), &fields) {
            let [sent, decoded] = bytes.entry([row[0].clone(), row[1].clone()]).or_default();
            for (_, length) in row[2].split('|').zip(row[3].split('|')).filter(|(kind, _)| *kind == DATA) {
                frames += 1;
                *sent += length.parse::<usize>().expect("a length");
            }
            // A message of several DATA frames is told with the last of them.
            let messages = row[4].split('|').filter(|length| !length.is_empty());
            *decoded += messages.map(|length| PREFIX + length.parse::<usize>().expect("a length")).sum::<usize>();
        }
        for (leg, [sent, decoded]) in bytes {
            assert_eq!(
                sent, decoded,
                "bytes in DATA frames, and in decoded messages, of connection and sender {leg:?}"
            );
        }
        frames
    }
}

#[test]
fn tshark_decodes_every_data_frame_of_a_trial_as_grpc() {
    let Some(capture) = Capture::of("proxy-goes-silent.toml", &[]) else { return };
    capture.is_sound();
    // The first stream of client-1, on the leg from client to proxy and on that from proxy to node.
    for leg in ["ip.host == \"client-1\"", "ip.host == \"node\""] {
        let opened = capture
            .rows(&format!("http2.headers.path contains \"Subscribe\" && {leg}"), &["tcp.stream", "http2.streamid"]);
        let stream = opened[0][0].split('|').next().expect("a stream");
        let frames = capture.data_frames(&format!("tcp.stream == {stream}"));
        assert!(frames > 30, "{leg}: {frames} DATA frames on connection {stream}");
    }
    assert!(capture.data_frames("tcp") > 1_000);
    // Our .proto is read: the messages have names and fields of it.
    let messages = capture.rows("protobuf", &["protobuf.message.name"]);
    let names: BTreeSet<&str> = messages.iter().flat_map(|row| row[0].split('|')).collect();
    for name in ["xmtp.mls.api.v1.SubscribeRequest", "xmtp.mls.api.v1.SubscribeResponse"] {
        assert!(names.contains(name), "no {name} in {names:?}");
    }
}

#[test]
fn hosts_have_names_and_connections_begin_and_end() {
    let Some(capture) = Capture::of("proxy-goes-silent.toml", &[]) else { return };
    let hosts: BTreeSet<String> = capture.rows("tcp", &["ip.src_host"]).into_iter().flatten().collect();
    let expected = ["client-1", "client-2", "client-3", "node", "proxy", "publisher-1"].map(str::to_owned);
    assert_eq!(hosts, BTreeSet::from(expected));
    let (syns, answers) = (
        capture.count("tcp.flags.syn == 1 && tcp.flags.ack == 0"),
        capture.count("tcp.flags.syn == 1 && tcp.flags.ack == 1"),
    );
    assert!(syns > 8 && syns == answers, "{syns} and {answers}");
    assert!(capture.count("tcp.flags.fin == 1") > 0 || capture.count("tcp.flags.reset == 1") > 0);
    let times = capture.rows("frame", &["frame.time_epoch"]);
    let (first, last): (f64, f64) =
        (times[0][0].parse().expect("a time"), times[times.len() - 1][0].parse().expect("a time"));
    assert!(first >= BEGIN && last <= BEGIN + 17.0 * 60.0 && last > BEGIN + 16.0 * 60.0, "{first} to {last}");
}

#[test]
fn pings_inside_the_silence_are_marked_and_answered() {
    let Some(capture) = Capture::of("proxy-goes-silent.toml", &[]) else { return };
    let fields =
        ["frame.time_epoch", "http2.type", "http2.flags.ack.ping", "ip.src_host", "ip.dst_host", "frame.comment"];
    let rows = capture.rows("frame.comment contains \"inside fault 1\"", &fields);
    assert!(rows.iter().all(|row| row[1].split('|').any(|kind| kind == PING)), "{rows:?}");
    let asked = rows.iter().filter(|row| row[5].contains("an HTTP/2 PING inside")).count();
    let answered = rows.iter().filter(|row| row[5].contains("an HTTP/2 PING is answered inside")).count();
    // The story says how many the proxy answered.
    assert!(answered >= 160 && asked >= answered, "{asked} asked, {answered} answered");
    for row in &rows {
        let time: f64 = row[0].parse().expect("a time");
        assert!((BEGIN + 120.0..=BEGIN + 720.0).contains(&time), "{row:?}");
    }
    let said = |text: &str| capture.count(&format!("frame.comment contains \"{text}\""));
    assert_eq!((said("fault 1 begins at 2m"), said("fault 1 ends at 12m")), (1, 1));
}

#[test]
fn a_stretch_of_one_host_decodes_as_the_whole_does() {
    let Some(capture) = Capture::of("proxy-goes-silent.toml", &["--from", "1m", "--until", "4m", "--host", "client-1"])
    else {
        return;
    };
    capture.is_sound();
    let rows = capture.rows("frame", &["frame.time_epoch", "ip.src_host", "ip.dst_host", "frame.comment"]);
    for row in &rows {
        let time: f64 = row[0].parse().expect("a time");
        let is_opening = row[3].contains("before the stretch");
        assert!((time < BEGIN + 60.0) == is_opening && time <= BEGIN + 240.0, "{row:?}");
        assert!(row[1] == "client-1" || row[2] == "client-1", "{row:?}");
    }
    assert!(capture.data_frames("tcp") > 10);
    assert!(capture.count("frame.comment contains \"an HTTP/2 PING is answered inside fault 1\"") > 5);
}

/// The file has the secrets of the trial's TLS: nothing else is needed to read it, nor to read a part of it.
#[test]
fn tls_of_a_trial_is_decrypted() {
    let sim = "proxy-goes-silent-behind-tls.toml";
    for (more, least) in [(&[][..], 500), (&["--from", "1m", "--until", "4m", "--host", "client-1"], 10)] {
        let Some(capture) = Capture::of(sim, more) else { return };
        let capture = capture.behind_tls();
        assert_eq!(capture.count("_ws.malformed"), 0);
        for port in [5555, 5556] {
            let (frames, clear) = (format!("tcp.port == {port}"), format!("tcp.port == {port} && http2 && !tls"));
            assert!(more.contains(&"client-1") && port == 5556 || capture.data_frames(&frames) > least, "{port}");
            assert_eq!(capture.count(&clear), 0, "nothing of it is in the clear");
        }
    }
}

#[test]
fn a_storm_with_losses_deaths_and_partitions_is_sound() {
    let Some(capture) = Capture::of("storm.toml", &[]) else { return };
    assert_eq!(capture.count("_ws.malformed"), 0);
    assert_eq!(capture.count("tcp.analysis.ack_lost_segment"), 0);
    assert!(capture.data_frames("tcp") > 1_000);
}

#[test]
fn a_stretch_that_cannot_be_is_refused() {
    let scratch = Scratch::new();
    scratch.case("one", "proxy-goes-silent.toml", &[]);
    for (more, told) in [
        (&["--to", "pcapng", "--host", "client-9"][..], "there is no host client-9; the hosts are node, proxy"),
        (&["--to", "pcapng", "--from", "4m", "--until", "2m"], "--until 2m lies before --from 4m"),
        (&["--to", "pcapng", "--from", "1h"], "--from 1h lies behind the trial's end at 17m"),
        (&["--to", "pcapng", "--from", "16m59s999ms", "--until", "16m59s999ms"], "nothing was sent there"),
        (&["--to", "html", "--until", "2m"], "--until chooses packets: it goes with --to pcapng only"),
        (&["--to", "pcapng", "--from", "soon"], "invalid value 'soon'"),
    ] {
        let said = scratch.pulseless(&[&["report", "one.case.json"], more].concat());
        assert!(said.code == 64 && said.err.contains(told), "{more:?}: {said:?}");
    }
    let turmoil = scratch.read("one.case.json").replacen("\"seed\": 7,", "\"seed\": 7,\n  \"engine\": \"turmoil\",", 1);
    scratch.write("two.case.json", &turmoil);
    let said = scratch.pulseless(&["report", "two.case.json", "--to", "pcapng"]);
    assert!(
        said.code == 64 && said.err.contains("turmoil played this case, and packets are captured on leap only"),
        "{said:?}"
    );
}
