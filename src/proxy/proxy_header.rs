//! The PROXY protocol: a load balancer in front says whose connection it hands on, by a header before all else
//! (HAProxy's doc/proxy-protocol.txt, versions 1 and 2).
//!
//! Refuses to know what follows: not one byte beyond the header is read. The header itself is read by `ppp`.

use std::io;
use std::net::SocketAddr;

use ppp::{v1, v2};
use tokio::io::AsyncReadExt;

use crate::env::ByteStream;
use crate::proxy::config::PROXY_HEADER_MAX;

/// What a header of version 2 begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// What one of version 1 begins with.
const WORD: &[u8] = b"PROXY ";
/// Bytes of the longest header of version 1, as its specification counts them.
const LINE_MAX: usize = 107;
/// Bytes of version 2 after the signature: command, family, and the length of the rest.
const FIXED: usize = 4;

/// Why a connection has no header that can be believed; fits after "PROXY header:".
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadProxyHeader {
    #[error("there is none, the connection begins with {0}")]
    Absent(&'static str),
    #[error("the connection ended before it was whole ({0})")]
    Cut(io::ErrorKind),
    #[error("it has more than {0} bytes")]
    TooLong(usize),
    #[error("it is malformed: {0}")]
    Malformed(String),
}

/// Reads the header; the client's address, and none where the connection is the load balancer's own or of an unknown kind.
///
/// # Errors
/// There is none, or it is wrong.
pub(crate) async fn read_client(stream: &mut impl ByteStream) -> Result<Option<SocketAddr>, BadProxyHeader> {
    let mut start = [0; SIGNATURE.len()];
    stream.read_exact(&mut start).await.map_err(cut)?;
    match &start {
        SIGNATURE => read_binary(stream).await,
        _ if start.starts_with(WORD) => read_line(stream, &start).await,
        _ => Err(BadProxyHeader::Absent(guess(&start))),
    }
}

fn cut(error: io::Error) -> BadProxyHeader {
    BadProxyHeader::Cut(error.kind())
}

/// What a connection without a header begins with.
fn guess(start: &[u8]) -> &'static str {
    match start {
        [b'P', b'R', b'I', b' ', ..] => "HTTP/2's preface",
        [0x16, 0x03, ..] => "a TLS handshake",
        [b'A'..=b'Z', ..] => "what may be HTTP/1.1",
        _ => "other bytes",
    }
}

async fn read_line(stream: &mut impl ByteStream, start: &[u8]) -> Result<Option<SocketAddr>, BadProxyHeader> {
    let mut line = start.to_vec();
    // Byte by byte: what follows the line is not ours to read.
    while line.last() != Some(&b'\n') {
        if line.len() >= LINE_MAX {
            return Err(BadProxyHeader::TooLong(LINE_MAX));
        }
        line.push(stream.read_u8().await.map_err(cut)?);
    }
    let header = v1::Header::try_from(line.as_slice());
    let header = header.map_err(|error| BadProxyHeader::Malformed(error.to_string()))?;
    Ok(match header.addresses {
        v1::Addresses::Unknown => None,
        v1::Addresses::Tcp4(ends) => Some((ends.source_address, ends.source_port).into()),
        v1::Addresses::Tcp6(ends) => Some((ends.source_address, ends.source_port).into()),
    })
}

async fn read_binary(stream: &mut impl ByteStream) -> Result<Option<SocketAddr>, BadProxyHeader> {
    let mut fixed = [0; FIXED];
    stream.read_exact(&mut fixed).await.map_err(cut)?;
    let rest = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
    if SIGNATURE.len() + FIXED + rest > PROXY_HEADER_MAX {
        return Err(BadProxyHeader::TooLong(PROXY_HEADER_MAX));
    }
    let mut header = [SIGNATURE, &fixed[..], &vec![0; rest]].concat();
    stream.read_exact(&mut header[SIGNATURE.len() + FIXED..]).await.map_err(cut)?;
    // What it says beside addresses, its TLVs, is not for this proxy.
    let header = v2::Header::try_from(header.as_slice());
    let header = header.map_err(|error| BadProxyHeader::Malformed(error.to_string()))?;
    Ok(match (header.command, header.addresses) {
        (v2::Command::Proxy, v2::Addresses::IPv4(ends)) => Some((ends.source_address, ends.source_port).into()),
        (v2::Command::Proxy, v2::Addresses::IPv6(ends)) => Some((ends.source_address, ends.source_port).into()),
        (v2::Command::Proxy, v2::Addresses::Unspecified | v2::Addresses::Unix(_)) | (v2::Command::Local, _) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt;

    /// What a header says, and how many of the bytes after it were left.
    async fn read(bytes: &[u8]) -> (Result<Option<SocketAddr>, BadProxyHeader>, Vec<u8>) {
        let (mut near, mut far) = tokio::io::duplex(1 << 17);
        near.write_all(bytes).await.expect("room");
        drop(near);
        let read = read_client(&mut far).await;
        let mut rest = Vec::new();
        far.read_to_end(&mut rest).await.expect("read");
        (read, rest)
    }

    fn binary(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).expect("short").to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, body].concat()
    }

    const V4: &[u8] = &[192, 0, 2, 7, 10, 0, 0, 1, 0x9c, 0x40, 0x01, 0xbb];

    fn v6() -> Vec<u8> {
        let address: std::net::Ipv6Addr = "2001:db8::7".parse().expect("an address");
        [&address.octets()[..], &address.octets(), &[0x9c, 0x40, 0x01, 0xbb]].concat()
    }

    #[tokio::test]
    async fn both_versions_tell_the_client_and_leave_what_follows() {
        let told = |text: &str| Ok(Some(text.parse().expect("an address")));
        // A TLV of 3 bytes: kind, length, value.
        let with_more = [V4, &[0x04, 0, 3, 1, 2, 3]].concat();
        for (header, expected) in [
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 40000 443\r\n".to_vec(), told("192.0.2.7:40000")),
            (b"PROXY TCP6 2001:db8::7 ::1 40000 443\r\n".to_vec(), told("[2001:db8::7]:40000")),
            (b"PROXY UNKNOWN\r\n".to_vec(), Ok(None)),
            (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), Ok(None)),
            (binary(0x21, 0x11, V4), told("192.0.2.7:40000")),
            (binary(0x21, 0x11, &with_more), told("192.0.2.7:40000")),
            (binary(0x21, 0x21, &v6()), told("[2001:db8::7]:40000")),
            (binary(0x20, 0x00, &[]), Ok(None)),
            (binary(0x20, 0x11, V4), Ok(None)),
            (binary(0x21, 0x00, &[]), Ok(None)),
            (binary(0x21, 0x31, &[7; 216]), Ok(None)),
        ] {
            let (read, rest) = read(&[&header[..], b"PRI * HTTP/2.0"].concat()).await;
            assert_eq!((read, &rest[..]), (expected, &b"PRI * HTTP/2.0"[..]), "{header:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused_with_its_reason() {
        let huge = binary(0x21, 0x11, &vec![0; PROXY_HEADER_MAX]);
        let long = [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat();
        for (bytes, part) in [
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), "begins with HTTP/2's preface"),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00".to_vec(), "begins with a TLS handshake"),
            (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "begins with what may be HTTP/1.1"),
            (b"PROXY".to_vec(), "ended before it was whole"),
            (b"PROXY TCP4 192.0.2.7 10.0.0.1".to_vec(), "ended before it was whole"),
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 99999 443\r\n".to_vec(), "malformed"),
            (b"PROXY TCP4 192.0.2.300 10.0.0.1 1 443\r\n".to_vec(), "malformed"),
            (b"PROXY TCP5 192.0.2.3 10.0.0.1 1 443\r\n".to_vec(), "malformed"),
            (b"PROXY TCP4 192.0.2.3 10.0.0.1 1 443\n".to_vec(), "malformed"),
            (long, "more than 107 bytes"),
            (huge, "more than 4096 bytes"),
            (binary(0x31, 0x11, V4), "malformed"),
            (binary(0x22, 0x11, V4), "malformed"),
            (binary(0x21, 0x41, V4), "malformed"),
            (binary(0x21, 0x11, &V4[..8]), "malformed"),
            (binary(0x21, 0x11, V4)[..20].to_vec(), "ended before it was whole"),
        ] {
            let told = read(&bytes).await.0.expect_err("no header").to_string();
            assert!(told.contains(part), "{bytes:?}: {told}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), command: u8, family: u8, pick in 0..3) {
            let bytes = match pick {
                0 => bytes,
                1 => binary(command, family, &bytes),
                _ => [WORD, &bytes].concat(),
            };
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            let _ = runtime.block_on(read(&bytes));
        }
    }
}
