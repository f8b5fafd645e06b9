//! The file: packets in the order of time, the hosts' names, and what a reader must know, as comments on packets.
//!
//! Refuses to know how numbers run on within a conversation. The format is the IETF's draft-ietf-opsawg-pcapng.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use etherparse::{PacketBuilder, TcpOptionElement};
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::pcapng::blocks::name_resolution::{Ipv4Record, NameResolutionBlock, Record};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::pcapng::blocks::unknown::UnknownBlock;
use pcap_file::{DataLink, Endianness};

use crate::checker::Verdict;
use crate::fault::Harm;
use crate::grammar::Readable;
use crate::report::chart::{Chart, FaultWindow};
use crate::report::harmless::harmless;
use crate::report::head::ReportHead;
use crate::report::pcapng::PacketStretch;
use crate::report::pcapng::conversation::{Conversation, Ping, TcpPacket, WINDOW_SCALE};
use crate::trial::Outcome;
use crate::world::{Kept, WALL_CLOCK_START};

/// Linux's default for what it sends (ip-sysctl, ip_default_ttl).
const TIME_TO_LIVE: u8 = 64;
/// What a segment of Ethernet carries without options (RFC 9293 section 3.7.1).
const SEGMENT_SIZE: u16 = 1_460;
/// Times are in nanoseconds: ten to the power of minus this.
const NANOSECONDS: u8 = 9;
/// The type of a Decryption Secrets Block (section 4.7).
const DECRYPTION_SECRETS: u32 = 0x0a;
/// What a key log of TLS is called in it.
const TLS_KEY_LOG: u32 = 0x544c_534b;
/// Type and length of a block, and its length again.
const BLOCK_FRAME: u32 = 12;
/// A vector takes all bytes, and the one interface is declared.
const INFALLIBLE: &str = "a vector takes all";

/// The packets of a trial, of a stretch of it; none where nothing was sent there.
#[must_use]
pub fn pcapng(outcome: &Outcome, kept: &Kept, head: &ReportHead, stretch: &PacketStretch) -> Option<Vec<u8>> {
    let packets = packets(kept, stretch);
    if packets.iter().all(|packet| packet.is_opening) {
        return None;
    }
    let comments = Comments::of(outcome, kept, stretch, &packets);
    Some(write_file(outcome, kept, head, &packets, &comments).expect(INFALLIBLE))
}

fn packets(kept: &Kept, stretch: &PacketStretch) -> Vec<TcpPacket> {
    let wanted = stretch.connections(kept);
    let mut conversations: BTreeMap<u64, Conversation> = BTreeMap::new();
    let mut packets = Vec::new();
    for segment in kept.segments.iter().filter(|segment| wanted.contains(&segment.connection)) {
        if stretch.until.is_some_and(|until| segment.at > until) {
            break;
        }
        let id = segment.connection;
        let conversation = conversations.entry(id).or_insert_with(|| Conversation::new(id));
        packets.extend(conversation.hear(segment, segment.at < stretch.from));
    }
    packets
}

fn write_file(
    outcome: &Outcome,
    kept: &Kept,
    head: &ReportHead,
    packets: &[TcpPacket],
    comments: &Comments,
) -> Result<Vec<u8>, pcap_file::PcapError> {
    let section = SectionHeaderBlock {
        endianness: Endianness::Little,
        major_version: 1,
        minor_version: 0,
        section_length: -1,
        options: vec![
            SectionHeaderOption::Comment(about(outcome, kept, head).into()),
            SectionHeaderOption::UserApplication(concat!("pulseless ", env!("CARGO_PKG_VERSION")).into()),
        ],
    };
    let mut writer = PcapNgWriter::with_section_header(Vec::new(), section)?;
    let told = "each packet is where and when its sender sent it";
    writer.write_pcapng_block(InterfaceDescriptionBlock {
        linktype: DataLink::RAW,
        snaplen: 0,
        options: vec![
            InterfaceDescriptionOption::IfName("simulated".into()),
            InterfaceDescriptionOption::IfDescription(told.into()),
            InterfaceDescriptionOption::IfTsResol(NANOSECONDS),
        ],
    })?;
    let named = kept.hosts.iter().map(|(name, ip)| {
        let names = vec![Cow::Owned(harmless(name))];
        Record::Ipv4(Ipv4Record { ip_addr: v4(*ip).octets().to_vec().into(), names })
    });
    writer.write_pcapng_block(NameResolutionBlock { records: named.collect(), options: Vec::new() })?;
    if !kept.secrets.is_empty() {
        let secrets = decryption_secrets(&kept.secrets);
        let length = u32::try_from(secrets.len()).expect("secrets are short").saturating_add(BLOCK_FRAME);
        writer.write_pcapng_block(UnknownBlock::new(DECRYPTION_SECRETS, length, &secrets))?;
    }
    for (nth, packet) in packets.iter().enumerate() {
        let data = bytes(packet);
        writer.write_pcapng_block(EnhancedPacketBlock {
            interface_id: 0,
            timestamp: WALL_CLOCK_START + packet.at,
            original_len: u32::try_from(data.len()).expect("a segment is short"),
            data: data.into(),
            options: comments.on(nth).map(|text| EnhancedPacketOption::Comment(text.into())).collect(),
        })?;
    }
    Ok(writer.into_inner())
}

/// The body of a block with the secrets of TLS.
fn decryption_secrets(log: &str) -> Vec<u8> {
    let length = u32::try_from(log.len()).expect("secrets are short");
    let mut body = [TLS_KEY_LOG.to_le_bytes(), length.to_le_bytes()].concat();
    body.extend_from_slice(log.as_bytes());
    body.resize(body.len().next_multiple_of(4), 0);
    body
}

/// What the whole file is.
fn about(outcome: &Outcome, kept: &Kept, head: &ReportHead) -> String {
    let sim = &outcome.sim;
    let mut about = format!("{}, seed {}: {}\nverdict {}", sim.name, outcome.seed, sim.title, outcome.conclusion);
    about.push_str(&format!("\nagain: {}\ndigest {}", head.again, outcome.digest()));
    about.extend(head.caveat.iter().map(|caveat| format!("\n{caveat}")));
    about.extend(kept.full_at.map(|at| format!("\nnothing was captured after {}: it was too much", Readable(at))));
    // Line by line: a break of ours stays one.
    about.lines().map(harmless).collect::<Vec<_>>().join("\n")
}

fn bytes(packet: &TcpPacket) -> Vec<u8> {
    let ([from, to], flags) = ([packet.from, packet.to], &packet.flags);
    let mut builder = PacketBuilder::ipv4(v4(from.ip()).octets(), v4(to.ip()).octets(), TIME_TO_LIVE).tcp(
        from.port(),
        to.port(),
        packet.sequence,
        packet.window,
    );
    if let Some(number) = packet.acknowledgment {
        builder = builder.ack(number);
    }
    if flags.syn {
        let options = [TcpOptionElement::MaximumSegmentSize(SEGMENT_SIZE), TcpOptionElement::WindowScale(WINDOW_SCALE)];
        builder = builder.syn().options(&options).expect("two options fit");
    }
    if flags.finish {
        builder = builder.fin();
    }
    if flags.reset {
        builder = builder.rst();
    }
    if flags.push {
        builder = builder.psh();
    }
    let mut bytes = Vec::with_capacity(builder.size(packet.payload.len()));
    builder.write(&mut bytes, &packet.payload).expect(INFALLIBLE);
    bytes
}

fn v4(ip: IpAddr) -> Ipv4Addr {
    match ip {
        IpAddr::V4(ip) => ip,
        IpAddr::V6(_) => unreachable!("the world's hosts have addresses of IPv4"),
    }
}

/// What is said of packets, by their place.
struct Comments {
    pinned: BTreeMap<usize, Vec<String>>,
}

impl Comments {
    fn on(&self, nth: usize) -> impl Iterator<Item = String> + '_ {
        self.pinned.get(&nth).into_iter().flatten().map(|text| harmless(text))
    }

    fn of(outcome: &Outcome, kept: &Kept, stretch: &PacketStretch, packets: &[TcpPacket]) -> Self {
        let chart = Chart::of(outcome);
        let mut comments = Comments { pinned: BTreeMap::new() };
        comments.pin_faults(&chart, stretch, packets);
        comments.pin_verdicts(outcome, kept, stretch, packets);
        let silences: Vec<(&FaultWindow<'_>, Vec<IpAddr>)> =
            chart.windows.iter().filter_map(|window| Some((window, silenced(window, kept)?))).collect();
        for (nth, packet) in packets.iter().enumerate() {
            let said = packet_comments(packet, &silences);
            if !said.is_empty() {
                comments.pinned.entry(nth).or_default().extend(said);
            }
        }
        comments
    }

    /// The first packet from that time on bears it, or else the last one.
    fn pin(&mut self, at: Duration, packets: &[TcpPacket], ip: Option<IpAddr>, text: String) {
        let is_theirs = |packet: &TcpPacket| {
            !packet.is_opening && ip.is_none_or(|ip| packet.from.ip() == ip || packet.to.ip() == ip)
        };
        let after = packets.iter().position(|packet| packet.at >= at && is_theirs(packet));
        if let Some(nth) = after.or_else(|| packets.iter().rposition(is_theirs)) {
            self.pinned.entry(nth).or_default().push(text);
        }
    }

    fn pin_faults(&mut self, chart: &Chart<'_>, stretch: &PacketStretch, packets: &[TcpPacket]) {
        for FaultWindow { clause, until, felt, .. } in &chart.windows {
            let (number, fault) = (clause.number, &clause.fault);
            let begins_before_the_end = stretch.until.is_none_or(|end| clause.at <= end);
            if begins_before_the_end && *until >= stretch.from {
                let text = format!("fault {number} begins at {}: {fault}", Readable(clause.at));
                self.pin(clause.at.max(stretch.from), packets, None, text);
            }
            if stretch.covers(*until) {
                let note = if *felt { "" } else { "; it harmed nothing" };
                self.pin(*until, packets, None, format!("fault {number} ends at {}{note}: {fault}", Readable(*until)));
            }
        }
    }

    fn pin_verdicts(&mut self, outcome: &Outcome, kept: &Kept, stretch: &PacketStretch, packets: &[TcpPacket]) {
        for judgement in &outcome.judgements {
            let Verdict::Fail(evidence) = &judgement.verdict else { continue };
            if stretch.covers(evidence.at) {
                let host = kept.hosts.iter().find(|(name, _)| *name == evidence.host).map(|(_, ip)| *ip);
                let ip =
                    host.filter(|ip| packets.iter().any(|packet| packet.from.ip() == *ip || packet.to.ip() == *ip));
                let (checker, at) = (&judgement.checker, Readable(evidence.at));
                let text = format!("{checker} fails at {at} ({}): {}", evidence.requirement, evidence.what);
                self.pin(evidence.at, packets, ip, text);
            }
        }
    }
}

/// The addresses of those for whom a window keeps a proxy silent; none: it does something else.
fn silenced(window: &FaultWindow<'_>, kept: &Kept) -> Option<Vec<IpAddr>> {
    match window.clause.fault.harm() {
        Harm::Proxy { on, .. } => {
            let harmed = kept.hosts.iter().filter(|(name, _)| on.contains(name.as_str()));
            Some(harmed.map(|(_, ip)| *ip).collect())
        }
        Harm::Link { .. } | Harm::Kernel { .. } | Harm::Process { .. } | Harm::Clock { .. } | Harm::Disk { .. } => None,
    }
}

fn packet_comments(packet: &TcpPacket, silences: &[(&FaultWindow<'_>, Vec<IpAddr>)]) -> Vec<String> {
    let mut said = Vec::new();
    if packet.is_opening {
        said.push("before the stretch: of what was sent, only what decodes the rest is here".to_owned());
    }
    if packet.lost {
        said.push("lost: it, or a part of the burst that it belongs to, never arrives".to_owned());
    }
    if packet.again {
        said.push("sent again".to_owned());
    }
    for ping in &packet.pings {
        let within = silences.iter().filter(|(window, ips)| {
            let lasts = window.clause.at <= packet.at && packet.at <= window.until;
            lasts && [packet.from.ip(), packet.to.ip()].iter().any(|ip| ips.contains(ip))
        });
        let word = match ping {
            Ping::Asks => "an HTTP/2 PING",
            Ping::Answers => "an HTTP/2 PING is answered",
        };
        said.extend(
            within.map(|(window, _)| format!("{word} inside fault {}: {}", window.clause.number, window.clause.fault)),
        );
    }
    said
}
