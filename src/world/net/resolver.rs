//! The world's resolver: what it answers to a message of the DNS (RFC 1035).
//!
//! It knows what getaddrinfo(3) knows, and lies where the faults of names do. Refuses to know sockets, and how a question gets to it.

use std::borrow::Cow;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use simple_dns::rdata::{A, AAAA, OPT, PTR, RData};
use simple_dns::{CLASS, Label, Name, OPCODE, Packet, PacketFlag, QCLASS, QTYPE, RCODE, ResourceRecord, TYPE};
use simple_dns::{SimpleDnsError, header_buffer};

use crate::world::engine::HostId;
use crate::world::net::names::Names;

/// How long an answer may be kept: it is of this moment, and the next look-up must see the world as it is then (RFC 1035 section
/// 3.2.1: zero is for the transaction in progress alone).
const TTL: u32 = 0;
/// What an answer may be as long as where EDNS is spoken (DNS Flag Day 2020); none of ours is half as long.
const PACKET_SIZE: u16 = 1_232;

/// What the resolver says, and how late.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ResolverAnswer {
    pub(crate) bytes: Vec<u8>,
    pub(crate) takes: Duration,
    /// The name that was asked for, and that nobody has.
    pub(crate) unknown: Option<String>,
}

/// What is known of a name: its addresses, or the name of its host.
#[derive(Default)]
struct KnownName {
    v4: Option<Ipv4Addr>,
    v6: Option<Ipv6Addr>,
    host: Option<String>,
    takes: Duration,
}

/// What the resolver says to a message of a host. None: it says nothing, as to what is too short to be one, or is an answer itself.
pub(crate) fn answer(names: &mut Names, from: HostId, message: &[u8]) -> Option<ResolverAnswer> {
    if header_buffer::has_flags(message, PacketFlag::RESPONSE).ok()? {
        return None;
    }
    let asked = match Packet::parse(message) {
        Ok(asked) => asked,
        Err(error) => {
            // A type of record that nobody has heard of is a question all the same.
            let is_strange = matches!(error, SimpleDnsError::InvalidQType(_));
            let mut reply = Packet::new_reply(header_buffer::id(message).ok()?);
            *reply.rcode_mut() = if is_strange { RCODE::NotImplemented } else { RCODE::FormatError };
            return written(&reply, Duration::ZERO, None);
        }
    };
    let mut reply = reply_to(&asked);
    match look_up(names, from, &asked) {
        Ok(known) => {
            reply.answers = records(&asked, &known);
            written(&reply, known.takes, None)
        }
        Err(rcode) => {
            *reply.rcode_mut() = rcode;
            let unknown = asked.questions.first().filter(|_| rcode == RCODE::NameError);
            written(&reply, Duration::ZERO, unknown.map(|question| question.qname.to_string()))
        }
    }
}

fn written(reply: &Packet<'_>, takes: Duration, unknown: Option<String>) -> Option<ResolverAnswer> {
    Some(ResolverAnswer { bytes: reply.build_bytes_vec_compressed().ok()?, takes, unknown })
}

/// An answer without records, as the question asks for it.
fn reply_to<'m>(asked: &Packet<'m>) -> Packet<'m> {
    let mut reply = Packet::new_reply(asked.id());
    *reply.opcode_mut() = asked.opcode();
    reply.set_flags(PacketFlag::RECURSION_AVAILABLE);
    if asked.has_flags(PacketFlag::RECURSION_DESIRED) {
        reply.set_flags(PacketFlag::RECURSION_DESIRED);
    }
    // RFC 6891 section 6.1.1: whoever speaks EDNS is answered in it.
    *reply.opt_mut() = asked.opt().map(|_| OPT { opt_codes: Vec::new(), udp_packet_size: PACKET_SIZE, version: 0 });
    reply.questions.clone_from(&asked.questions);
    reply
}

/// What is known of the one name that is asked for, or why nothing is said of it.
fn look_up(names: &mut Names, from: HostId, asked: &Packet<'_>) -> Result<KnownName, RCODE> {
    if asked.opcode() != OPCODE::StandardQuery {
        return Err(RCODE::NotImplemented);
    }
    let [question] = &*asked.questions else { return Err(RCODE::FormatError) };
    if ![QCLASS::CLASS(CLASS::IN), QCLASS::ANY].contains(&question.qclass) {
        return Err(RCODE::Refused);
    }
    let labels: Vec<Cow<'_, str>> = question.qname.as_bytes().map(String::from_utf8_lossy).collect();
    if let Some(address) = reversed(&labels) {
        let host = names.name_at(address).ok_or(RCODE::NameError)?;
        return Ok(KnownName { host: Some(host.to_owned()), ..KnownName::default() });
    }
    let name = labels.join(".");
    if name.eq_ignore_ascii_case("localhost") {
        // RFC 6761 section 6.3.
        return Ok(KnownName { v4: Some(Ipv4Addr::LOCALHOST), v6: Some(Ipv6Addr::LOCALHOST), ..KnownName::default() });
    }
    if name.parse::<IpAddr>().is_ok() {
        // Where it leads is known, but it is no name.
        return Err(RCODE::NameError);
    }
    let name = names.spelled(&name).to_owned();
    let (destination, takes) = names.resolve(from, &name).map_err(|error| {
        // What getaddrinfo(3) says EAI_NONAME of, and EAI_FAIL of.
        if error.kind() == io::ErrorKind::NotFound { RCODE::NameError } else { RCODE::ServerFailure }
    })?;
    let mut known = KnownName { takes, ..KnownName::default() };
    for address in [destination.ip(), destination.ipv6()] {
        match address {
            IpAddr::V4(address) => known.v4 = Some(address),
            IpAddr::V6(address) => known.v6 = Some(address),
        }
    }
    Ok(known)
}

/// The address that a name of in-addr.arpa (RFC 1035 section 3.5) or ip6.arpa (RFC 3596 section 2.5) is of.
fn reversed(labels: &[Cow<'_, str>]) -> Option<IpAddr> {
    let [numbers @ .., zone, arpa] = labels else { return None };
    if !arpa.eq_ignore_ascii_case("arpa") {
        return None;
    }
    let numbers: Vec<&str> = numbers.iter().rev().map(AsRef::as_ref).collect();
    match zone.to_ascii_lowercase().as_str() {
        "in-addr" => numbers.join(".").parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "ip6" if numbers.iter().all(|digit| digit.len() == 1) => {
            let words: Vec<String> = numbers.chunks(4).map(<[&str]>::concat).collect();
            words.join(":").parse::<Ipv6Addr>().ok().map(IpAddr::V6)
        }
        _ => None,
    }
}

/// The records of the type that is asked for.
fn records<'m>(asked: &Packet<'m>, known: &KnownName) -> Vec<ResourceRecord<'m>> {
    let Some(question) = asked.questions.first() else { return Vec::new() };
    let wants = |kind: TYPE| question.qtype == QTYPE::ANY || question.qtype == QTYPE::TYPE(kind);
    let v4 = known.v4.filter(|_| wants(TYPE::A)).map(|address| RData::A(A { address: address.into() }));
    let v6 = known.v6.filter(|_| wants(TYPE::AAAA)).map(|address| RData::AAAA(AAAA { address: address.into() }));
    let host = known.host.as_deref().filter(|_| wants(TYPE::PTR)).map(|host| RData::PTR(PTR(name_of(host))));
    let found = [v4, v6, host].into_iter().flatten();
    found.map(|data| ResourceRecord::new(question.qname.clone(), CLASS::IN, TTL, data)).collect()
}

/// A host's name. A label is cut where it is too long for the DNS, which no look-up could have asked for.
fn name_of(host: &str) -> Name<'static> {
    const LABEL_MAX: usize = 63;
    let labels: Vec<Label<'static>> = host
        .split('.')
        .filter_map(|label| Label::new(label.as_bytes()[..label.len().min(LABEL_MAX)].to_vec()).ok())
        .collect();
    Name::new_with_labels(&labels)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use simple_dns::Question;

    use super::*;
    use crate::fault::Answer;

    fn world() -> (Names, HostId) {
        let mut names = Names::default();
        let asker = names.add("client-1");
        names.add("server");
        (names, asker)
    }

    fn question(name: &str, kind: QTYPE, class: QCLASS) -> Vec<u8> {
        let mut asked = Packet::new_query(77);
        asked.set_flags(PacketFlag::RECURSION_DESIRED);
        *asked.opt_mut() = Some(OPT { opt_codes: Vec::new(), udp_packet_size: 4_096, version: 0 });
        asked.questions.push(Question::new(Name::new(name).expect("a name"), kind, class, false));
        asked.build_bytes_vec().expect("a message")
    }

    /// What is answered to a question: its code, its records, and how late.
    fn ask(names: &mut Names, from: HostId, name: &str, kind: QTYPE) -> (RCODE, Vec<RData<'static>>, Duration) {
        let said = answer(names, from, &question(name, kind, CLASS::IN.into())).expect("an answer");
        let read = Packet::parse(&said.bytes).expect("a message");
        assert_eq!((read.id(), read.questions.len(), read.opt().is_some()), (77, 1, true));
        assert!(read.has_flags(PacketFlag::RESPONSE | PacketFlag::RECURSION_AVAILABLE | PacketFlag::RECURSION_DESIRED));
        assert!(read.answers.iter().all(|record| record.ttl == 0 && record.name == read.questions[0].qname));
        (read.rcode(), read.answers.iter().map(|record| record.rdata.clone().into_owned()).collect(), said.takes)
    }

    fn v4(text: &str) -> RData<'static> {
        RData::A(A { address: text.parse::<Ipv4Addr>().expect("an address").into() })
    }

    fn v6(text: &str) -> RData<'static> {
        RData::AAAA(AAAA { address: text.parse::<Ipv6Addr>().expect("an address").into() })
    }

    #[test]
    fn what_is_asked_is_answered_as_a_good_resolver_does() {
        let (mut names, asker) = world();
        let server = RData::PTR(PTR(Name::new("server").expect("a name")));
        let in_ip6 = format!("2.{}0.0.d.f.ip6.arpa", "0.".repeat(27));
        let (a, aaaa, ptr, mx) = (TYPE::A.into(), TYPE::AAAA.into(), TYPE::PTR.into(), TYPE::MX.into());
        for (name, kind, rcode, records) in [
            ("server", a, RCODE::NoError, vec![v4("10.0.0.2")]),
            ("SerVer", a, RCODE::NoError, vec![v4("10.0.0.2")]),
            ("server", aaaa, RCODE::NoError, vec![v6("fd00::2")]),
            ("server", mx, RCODE::NoError, vec![]),
            ("server", QTYPE::ANY, RCODE::NoError, vec![v4("10.0.0.2"), v6("fd00::2")]),
            ("localhost", a, RCODE::NoError, vec![v4("127.0.0.1")]),
            ("nobody", a, RCODE::NameError, vec![]),
            ("10.0.0.2", a, RCODE::NameError, vec![]),
            ("2.0.0.10.in-addr.arpa", ptr, RCODE::NoError, vec![server.clone()]),
            (&in_ip6, ptr, RCODE::NoError, vec![server]),
            ("2.0.0.10.in-addr.arpa", a, RCODE::NoError, vec![]),
            ("9.0.0.10.in-addr.arpa", ptr, RCODE::NameError, vec![]),
        ] {
            assert_eq!(ask(&mut names, asker, name, kind), (rcode, records, Duration::ZERO), "{name}");
        }
    }

    #[test]
    fn the_faults_of_names_are_told() {
        let (mut names, asker) = world();
        let late = Duration::from_secs(5);
        for (lie, v4_told, v6_told) in [
            (Answer::Fails, (RCODE::NameError, vec![], Duration::ZERO), (RCODE::NameError, vec![], Duration::ZERO)),
            (
                Answer::Dead,
                (RCODE::NoError, vec![v4("10.255.255.254")], Duration::ZERO),
                (RCODE::NoError, vec![], Duration::ZERO),
            ),
            (
                Answer::Moves { to: "client-1".into() },
                (RCODE::NoError, vec![v4("10.0.0.1")], Duration::ZERO),
                (RCODE::NoError, vec![v6("fd00::1")], Duration::ZERO),
            ),
            (
                Answer::Late { takes: late },
                (RCODE::NoError, vec![v4("10.0.0.2")], late),
                (RCODE::NoError, vec![v6("fd00::2")], late),
            ),
        ] {
            names.begin_lie(1, [asker].into(), "server", &lie);
            assert_eq!(ask(&mut names, asker, "server", TYPE::A.into()), v4_told);
            assert_eq!(ask(&mut names, asker, "server", TYPE::AAAA.into()), v6_told);
            assert_eq!(names.end_lie(1), Some(true), "nobody felt it");
        }
    }

    fn code(message: &[u8]) -> Option<RCODE> {
        let (mut names, asker) = world();
        let said = answer(&mut names, asker, message)?;
        Some(Packet::parse(&said.bytes).expect("a message").rcode())
    }

    #[test]
    fn what_is_no_question_is_told_so_or_not_answered() {
        let plain = question("server", TYPE::A.into(), CLASS::IN.into());
        assert_eq!(code(&plain), Some(RCODE::NoError));
        assert_eq!(code(&plain[..plain.len() - 13]), Some(RCODE::FormatError), "it is cut off");
        assert_eq!(code(&plain[..11]), None, "it has no header");
        let changed = |at: usize, to: u8| {
            let mut changed = plain.clone();
            changed[at] = to;
            code(&changed)
        };
        assert_eq!(changed(2, 0x80), None, "it is an answer");
        assert_eq!(changed(2, 0x10), Some(RCODE::NotImplemented), "it asks for the server's status");
        assert_eq!(changed(5, 0), Some(RCODE::FormatError), "it asks for nothing");
        assert_eq!(code(&question("server", TYPE::A.into(), CLASS::CH.into())), Some(RCODE::Refused));
        let at = plain.windows(4).position(|bytes| bytes == [0, 1, 0, 1]).expect("a type and a class");
        assert_eq!(changed(at, 0xfe), Some(RCODE::NotImplemented), "there is no such type");
    }

    #[test]
    fn the_longest_answer_fits_a_datagram_of_512_bytes() {
        let (mut names, asker) = world();
        let label = "x".repeat(63);
        let long = [&*label, &*label, &*label, &label[..61]].join(".");
        names.add(&long);
        let said = answer(&mut names, asker, &question(&long, QTYPE::ANY, CLASS::IN.into())).expect("an answer");
        assert_eq!(Packet::parse(&said.bytes).expect("a message").answers.len(), 2);
        let reverse = question("3.0.0.10.in-addr.arpa", TYPE::PTR.into(), CLASS::IN.into());
        let host = answer(&mut names, asker, &reverse).expect("an answer");
        assert!(said.bytes.len().max(host.bytes.len()) <= 512, "{} {}", said.bytes.len(), host.bytes.len());
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_answered_with_a_message_or_not_at_all(
            message in proptest::collection::vec(any::<u8>(), 0..200),
            header in any::<bool>(),
        ) {
            let mut message = message;
            if header && message.len() >= 12 {
                message[2..12].copy_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
            }
            let (mut names, asker) = world();
            if let Some(said) = answer(&mut names, asker, &message) {
                prop_assert!(Packet::parse(&said.bytes).is_ok());
            }
        }
    }
}
