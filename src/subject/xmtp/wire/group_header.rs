//! The public header of an MLS message: all that a node reads of a group message's data.
//!
//! RFC 9420 sections 2.1.2 (variable-length vectors) and 6 (MLSMessage). Refuses to know any cryptography.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::subject::xmtp::wire::Malformed;

const MLS_10: u16 = 1;
const PUBLIC_MESSAGE: u16 = 1;
const PRIVATE_MESSAGE: u16 = 2;
/// RFC 9420 section 2.1.2: a length takes at most 30 bits.
const LENGTH_MAX: usize = (1 << 30) - 1;

/// What a private message says of its content without revealing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentType {
    /// An application message.
    Application,
    /// A proposal.
    Proposal,
    /// A commit.
    Commit,
}

/// The readable part of a group message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupHeader {
    /// The group that the message belongs to.
    pub group_id: Bytes,
    /// Known for private messages only.
    pub content_type: Option<ContentType>,
}

impl GroupHeader {
    /// Reads the header of `data`.
    ///
    /// # Errors
    /// [`Malformed::GroupMessage`] where `data` is no MLS 1.0 message for a group.
    pub(crate) fn read(data: &Bytes) -> Result<Self, Malformed> {
        let mut rest = data.clone();
        let version = rest.try_get_u16().map_err(|_| Malformed::GroupMessage("it ends inside its version"))?;
        if version != MLS_10 {
            return Err(Malformed::GroupMessage("its version is not MLS 1.0"));
        }
        let format = rest.try_get_u16().map_err(|_| Malformed::GroupMessage("it ends inside its wire format"))?;
        if format != PUBLIC_MESSAGE && format != PRIVATE_MESSAGE {
            return Err(Malformed::GroupMessage("it is neither a public nor a private message"));
        }
        let length = read_length(&mut rest)?;
        if rest.remaining() < length {
            return Err(Malformed::GroupMessage("it ends inside its group id"));
        }
        let group_id = rest.split_to(length);
        let content_type = if format == PRIVATE_MESSAGE { Some(read_content_type(&mut rest)?) } else { None };
        Ok(GroupHeader { group_id, content_type })
    }
}

fn read_length(rest: &mut Bytes) -> Result<usize, Malformed> {
    let truncated = |_| Malformed::GroupMessage("it ends inside the length of its group id");
    let first = rest.try_get_u8().map_err(truncated)?;
    let (mut length, more) = (usize::from(first & 0x3f), first >> 6);
    let (more, smallest) = match more {
        0 => (0, 0),
        1 => (1, 1 << 6),
        2 => (3, 1 << 14),
        _ => return Err(Malformed::GroupMessage("the length of its group id is over 2^30-1")),
    };
    for _ in 0..more {
        length = (length << 8) | usize::from(rest.try_get_u8().map_err(truncated)?);
    }
    if length < smallest {
        return Err(Malformed::GroupMessage("the length of its group id is not in its shortest form"));
    }
    Ok(length)
}

fn read_content_type(rest: &mut Bytes) -> Result<ContentType, Malformed> {
    rest.try_get_u64().map_err(|_| Malformed::GroupMessage("it ends inside its epoch"))?;
    match rest.try_get_u8().map_err(|_| Malformed::GroupMessage("it ends before its content type"))? {
        1 => Ok(ContentType::Application),
        2 => Ok(ContentType::Proposal),
        3 => Ok(ContentType::Commit),
        _ => Err(Malformed::GroupMessage("its content type is none of application, proposal, commit")),
    }
}

/// A private application message for `group_id` with `payload` where the ciphertext would stand: what
/// pulseless publishes. The epoch is 0.
///
/// # Panics
/// If the group id is longer than MLS allows (2^30-1 bytes).
#[must_use]
pub fn application_message(group_id: &[u8], payload: &[u8]) -> Bytes {
    assert!(group_id.len() <= LENGTH_MAX, "a group id is at most 2^30-1 bytes");
    let mut data = BytesMut::with_capacity(group_id.len() + payload.len() + 17);
    data.put_u16(MLS_10);
    data.put_u16(PRIVATE_MESSAGE);
    let length = u32::try_from(group_id.len()).expect("checked above");
    match length {
        0..0x40 => data.put_u8(u8::try_from(length).expect("below 64")),
        0x40..0x4000 => data.put_u16(0x4000 | u16::try_from(length).expect("below 2^14")),
        _ => data.put_u32(0x8000_0000 | length),
    }
    data.put_slice(group_id);
    data.put_u64(0);
    data.put_u8(1);
    data.put_slice(payload);
    data.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_at_every_length_form() {
        for length in [0, 1, 63, 64, 16_383, 16_384] {
            let group_id = vec![7u8; length];
            let header = GroupHeader::read(&application_message(&group_id, b"hello")).expect("a message");
            assert_eq!(header.group_id.as_ref(), group_id.as_slice());
            assert_eq!(header.content_type, Some(ContentType::Application));
        }
    }

    #[test]
    fn every_truncation_is_refused() {
        let data = application_message(b"group", b"");
        for end in 0..data.len() {
            assert!(GroupHeader::read(&data.slice(..end)).is_err(), "accepted at {end} bytes");
        }
    }

    #[test]
    fn a_foreign_header_is_refused() {
        for bad in [[0u8, 2, 0, 1, 0].as_slice(), &[0, 1, 0, 3, 0], &[0, 1, 0, 1, 0xc0], &[0, 1, 0, 1, 0x40, 1, 1]] {
            assert!(GroupHeader::read(&Bytes::copy_from_slice(bad)).is_err(), "accepted {bad:?}");
        }
    }

    #[test]
    fn a_public_message_reveals_no_content_type() {
        let header = GroupHeader::read(&Bytes::from_static(&[0, 1, 0, 1, 1, 9])).expect("a message");
        assert_eq!(header, GroupHeader { group_id: Bytes::from_static(&[9]), content_type: None });
    }
}
