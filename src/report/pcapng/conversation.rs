//! One connection's packets: sequence numbers, acknowledgments and windows, from what its ends sent.
//!
//! Refuses to know files and comments. Bytes before the stretch are left out but for those that the rest needs, and the
//! numbers run on as if they had never been sent.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::http2::{ACK, FrameKind, FrameScanner};
use crate::report::pcapng::cutter::FrameCutter;
use crate::world::{Captured, CapturedSegment};

/// The payload of a full segment, as the links cut them (see docs/network.md).
const SEGMENT_MAX: usize = 1_448;
/// What an end takes unread, as docs/network.md has it.
const BUFFER: usize = 256 * 1024;
/// A window of a whole buffer takes a scale of three bits (RFC 7323).
pub(super) const WINDOW_SCALE: u8 = 3;

/// An HTTP/2 PING that a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ping {
    /// It asks.
    Asks,
    /// It answers.
    Answers,
}

/// The flags of a segment besides ACK.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    pub(super) syn: bool,
    pub(super) finish: bool,
    pub(super) reset: bool,
    pub(super) push: bool,
}

/// One TCP segment, as it left its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TcpPacket {
    pub(super) at: Duration,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) sequence: u32,
    pub(super) acknowledgment: Option<u32>,
    pub(super) flags: Flags,
    pub(super) window: u16,
    pub(super) payload: Bytes,
    /// It never arrives.
    pub(super) lost: bool,
    /// It was sent before.
    pub(super) again: bool,
    /// It lies before the stretch.
    pub(super) is_opening: bool,
    pub(super) pings: Vec<Ping>,
}

/// What one end has sent and heard.
struct Talker {
    initial: u32,
    /// Where each burst ended, in bytes since the handshake.
    ends: Vec<u64>,
    finished: bool,
    /// It has sent SYN.
    opened: bool,
    /// So many bursts of the peer, and bytes of them, have arrived.
    heard: u64,
    heard_bytes: u64,
    /// What it takes more.
    room: usize,
    scanner: FrameScanner,
    cutter: FrameCutter,
}

impl Talker {
    fn new(connection: u64, by_dialer: bool, nth: u32) -> Self {
        // Any number will do, as long as no two conversations share one; the low bits of a connection's number do.
        let low = u32::try_from(connection & 0xffff_ffff).expect("it was masked");
        let initial = (low << 1 | u32::from(by_dialer)).wrapping_add(nth).wrapping_mul(0x9e37_79b1);
        let scanner = if by_dialer { FrameScanner::of_client() } else { FrameScanner::of_server() };
        Talker {
            initial,
            ends: Vec::new(),
            finished: false,
            opened: false,
            heard: 0,
            heard_bytes: 0,
            room: BUFFER,
            scanner,
            cutter: FrameCutter::new(by_dialer),
        }
    }

    /// The bytes before a burst.
    fn before(&self, number: u64) -> u64 {
        let number = usize::try_from(number).expect("bursts are kept in memory").min(self.ends.len());
        number.checked_sub(1).map_or(0, |last| self.ends[last])
    }

    fn spoken(&self) -> u64 {
        self.ends.last().copied().unwrap_or_default()
    }

    /// The number of a byte since the handshake.
    fn number(&self, byte: u64) -> u32 {
        let byte = u32::try_from(byte & 0xffff_ffff).expect("it was masked");
        self.initial.wrapping_add(u32::from(self.opened)).wrapping_add(byte)
    }

    /// What the next byte that it sends has.
    fn next(&self) -> u32 {
        self.number(self.spoken()).wrapping_add(u32::from(self.finished))
    }

    fn window(&self) -> u16 {
        u16::try_from(self.room >> WINDOW_SCALE).unwrap_or(u16::MAX)
    }
}

/// See the module.
pub(super) struct Conversation {
    connection: u64,
    /// The one that accepted, and the one that connected.
    ends: [Talker; 2],
    /// So many processes have accepted it.
    renewed: u32,
}

impl Conversation {
    pub(super) fn new(connection: u64) -> Self {
        let ends = [false, true].map(|by_dialer| Talker::new(connection, by_dialer, 0));
        Conversation { connection, ends, renewed: 0 }
    }

    /// The packets of what an end sent; `is_opening`: it lies before the stretch.
    pub(super) fn hear(&mut self, segment: &CapturedSegment, is_opening: bool) -> Vec<TcpPacket> {
        let side = usize::from(segment.by_dialer);
        match &segment.what {
            Captured::Syn | Captured::SynAck => {
                let talker = &mut self.ends[side];
                talker.opened = false;
                let sequence = talker.initial;
                talker.opened = true;
                let flags = Flags { syn: true, ..Flags::default() };
                let mut packet = self.packet(segment, flags, sequence);
                packet.is_opening = is_opening;
                // The window of a SYN is never scaled (RFC 7323 section 2.2).
                packet.window = u16::MAX;
                if segment.what == Captured::Syn {
                    packet.acknowledgment = None;
                }
                vec![packet]
            }
            Captured::Burst { number, bytes, finish } => {
                let sent = self.send(side, *number, bytes, *finish, is_opening);
                let mut packets = sent.map_or_else(Vec::new, |sent| self.segments(segment, &sent, *finish));
                packets.iter_mut().for_each(|packet| packet.is_opening = is_opening);
                packets
            }
            Captured::Acknowledgment { expected } => {
                self.acknowledge(side, *expected);
                self.bare(segment, is_opening, Flags::default(), 0)
            }
            Captured::WindowUpdate { bytes } => {
                let talker = &mut self.ends[side];
                if !segment.lost {
                    talker.room = (talker.room + bytes).min(BUFFER);
                }
                self.bare(segment, is_opening, Flags::default(), 0)
            }
            // Linux asks with the number of a byte that is acknowledged already.
            Captured::Probe => self.bare(segment, is_opening, Flags::default(), 1),
            Captured::Reset => self.bare(segment, is_opening, Flags { reset: true, ..Flags::default() }, 0),
            Captured::Renewed => {
                self.renewed += 1;
                self.ends[side] = Talker::new(self.connection, segment.by_dialer, self.renewed);
                Vec::new()
            }
        }
    }

    /// A packet without payload; before a stretch nobody needs it.
    fn bare(&self, segment: &CapturedSegment, is_opening: bool, flags: Flags, back: u32) -> Vec<TcpPacket> {
        if is_opening {
            return Vec::new();
        }
        let sequence = self.ends[usize::from(segment.by_dialer)].next().wrapping_sub(back);
        vec![self.packet(segment, flags, sequence)]
    }

    fn packet(&self, segment: &CapturedSegment, flags: Flags, sequence: u32) -> TcpPacket {
        let side = usize::from(segment.by_dialer);
        let (talker, peer) = (&self.ends[side], &self.ends[1 - side]);
        let heard_end = peer.finished && talker.heard >= peer.ends.len() as u64 && talker.heard > 0;
        let acknowledgment = peer.number(talker.heard_bytes).wrapping_add(u32::from(heard_end));
        TcpPacket {
            at: segment.at,
            from: segment.from,
            to: segment.to,
            sequence,
            acknowledgment: Some(acknowledgment),
            flags,
            window: talker.window(),
            payload: Bytes::new(),
            lost: segment.lost,
            again: false,
            is_opening: false,
            pings: Vec::new(),
        }
    }

    /// What of a burst is to be seen; none: nothing of it.
    fn send(&mut self, side: usize, number: u64, bytes: &Bytes, finish: bool, is_opening: bool) -> Option<SpokenBurst> {
        let talker = &mut self.ends[side];
        if number < talker.ends.len() as u64 {
            let end = talker.before(number + 1);
            let room = end - talker.before(number);
            // Of one that was cut the bytes are not there to be sent again.
            let start = (room >= bytes.len() as u64).then(|| end - bytes.len() as u64)?;
            let sequence = talker.number(start);
            return Some(SpokenBurst { sequence, bytes: bytes.clone(), again: true, pings: Vec::new() });
        }
        let mut pings = Vec::new();
        talker.scanner.pass(bytes, |header| {
            if header.kind == FrameKind::Ping {
                pings.push(if header.flags & ACK == 0 { Ping::Asks } else { Ping::Answers });
            }
        });
        let bytes = if is_opening {
            pings.clear();
            talker.cutter.cut(bytes).into()
        } else {
            match talker.cutter.take_rest() {
                rest if rest.is_empty() => bytes.clone(),
                rest => [&rest, &bytes[..]].concat().into(),
            }
        };
        let start = talker.spoken();
        let sequence = talker.number(start);
        talker.ends.push(start + bytes.len() as u64);
        talker.finished |= finish;
        (!bytes.is_empty() || finish).then_some(SpokenBurst { sequence, bytes, again: false, pings })
    }

    /// The segments that a burst is cut into.
    fn segments(&self, segment: &CapturedSegment, sent: &SpokenBurst, finish: bool) -> Vec<TcpPacket> {
        let mut packets = Vec::new();
        let mut left = sent.bytes.clone();
        let mut sequence = sent.sequence;
        loop {
            let payload = left.split_to(left.len().min(SEGMENT_MAX));
            let is_last = left.is_empty();
            let flags = Flags { finish: finish && is_last, push: is_last && !payload.is_empty(), ..Flags::default() };
            let mut packet = self.packet(segment, flags, sequence);
            sequence = sequence.wrapping_add(u32::try_from(payload.len()).expect("a segment is short"));
            packet.payload = payload;
            packet.again = sent.again;
            packets.push(packet);
            if is_last {
                break;
            }
        }
        if let Some(last) = packets.last_mut() {
            last.pings.clone_from(&sent.pings);
        }
        packets
    }

    fn acknowledge(&mut self, side: usize, expected: u64) {
        let bytes = self.ends[1 - side].before(expected);
        let talker = &mut self.ends[side];
        let came = usize::try_from(bytes.saturating_sub(talker.heard_bytes)).unwrap_or(BUFFER);
        talker.room = talker.room.saturating_sub(came);
        (talker.heard, talker.heard_bytes) = (expected, bytes);
    }
}

/// A burst, as it is to be seen.
struct SpokenBurst {
    sequence: u32,
    bytes: Bytes,
    again: bool,
    pings: Vec<Ping>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(by_dialer: bool, what: Captured) -> CapturedSegment {
        let [client, node]: [SocketAddr; 2] =
            ["10.0.0.1:32768", "10.0.0.2:5556"].map(|address| address.parse().expect("an address"));
        let (from, to) = if by_dialer { (client, node) } else { (node, client) };
        CapturedSegment { at: Duration::ZERO, connection: 7, by_dialer, from, to, what, lost: false }
    }

    fn burst(number: u64, bytes: &[u8], finish: bool) -> Captured {
        Captured::Burst { number, bytes: Bytes::copy_from_slice(bytes), finish }
    }

    /// Sequence, acknowledgment and payload's length, the numbers since each end's first.
    fn numbers(said: &[(bool, Captured)]) -> Vec<(u32, Option<u32>, usize)> {
        let mut conversation = Conversation::new(7);
        let initial = [0, 1].map(|side| conversation.ends[side].initial);
        let mut seen = Vec::new();
        for (by_dialer, what) in said {
            let [own, peer] = [usize::from(*by_dialer), usize::from(!by_dialer)];
            for packet in conversation.hear(&segment(*by_dialer, what.clone()), false) {
                let acknowledged = packet.acknowledgment.map(|number| number.wrapping_sub(initial[peer]));
                seen.push((packet.sequence.wrapping_sub(initial[own]), acknowledged, packet.payload.len()));
            }
        }
        seen
    }

    #[test]
    fn numbers_run_on_from_the_handshake_to_the_last_byte() {
        let said = [
            (true, Captured::Syn),
            (false, Captured::SynAck),
            (true, burst(0, &[0; 2_000], false)),
            (false, Captured::Acknowledgment { expected: 1 }),
            (true, burst(1, &[0; 10], true)),
            (true, burst(0, &[0; 2_000], false)),
            (false, Captured::Acknowledgment { expected: 2 }),
            (false, burst(0, &[], true)),
        ];
        let expected = [
            (0, None, 0),
            (0, Some(1), 0),
            (1, Some(1), 1_448),
            (1_449, Some(1), 552),
            (1, Some(2_001), 0),
            (2_001, Some(1), 10),
            (1, Some(1), 1_448),
            (1_449, Some(1), 552),
            (1, Some(2_012), 0),
            (1, Some(2_012), 0),
        ];
        assert_eq!(numbers(&said), expected);
    }

    #[test]
    fn a_window_closes_by_what_arrives_and_opens_by_what_is_read() {
        let mut conversation = Conversation::new(7);
        let mut hear =
            |by_dialer, what| conversation.hear(&segment(by_dialer, what), false).pop().map(|last| last.window);
        hear(true, burst(0, &[0; 8_000], false));
        assert_eq!(hear(false, Captured::Acknowledgment { expected: 1 }), Some(32_768 - 1_000));
        assert_eq!(hear(false, Captured::WindowUpdate { bytes: 8_000 }), Some(32_768));
    }

    #[test]
    fn another_process_begins_another_conversation() {
        let mut conversation = Conversation::new(7);
        conversation.hear(&segment(false, Captured::SynAck), false);
        conversation.hear(&segment(false, burst(0, b"lost with its process", false)), false);
        let before = conversation.ends[0].initial;
        assert_eq!(conversation.hear(&segment(false, Captured::Renewed), false), []);
        let again = conversation.hear(&segment(false, Captured::SynAck), false);
        assert_ne!(again[0].sequence, before);
        assert_eq!(again[0].sequence, conversation.ends[0].initial);
    }

    #[test]
    fn before_a_stretch_only_what_decodes_the_rest_is_seen_and_no_byte_is_missing_in_it() {
        let mut conversation = Conversation::new(7);
        let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        let data = [0, 0, 4, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4];
        let opening = [&crate::http2::PREFACE[..], &settings, &data, &data[..5]].concat();
        let seen = conversation.hear(&segment(true, burst(0, &opening, false)), true);
        assert!(seen.len() == 1 && seen[0].is_opening, "{seen:?}");
        assert_eq!(seen[0].payload, [&crate::http2::PREFACE[..], &settings].concat());
        let rest = conversation.hear(&segment(true, burst(1, &data[5..], false)), false);
        assert_eq!(rest[0].payload, data[..]);
        assert_eq!(rest[0].sequence, seen[0].sequence.wrapping_add(33));
        assert_eq!(conversation.hear(&segment(true, burst(0, &opening, false)), false), []);
    }
}
