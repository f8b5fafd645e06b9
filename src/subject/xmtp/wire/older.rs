//! The two older calls, one for groups and one for welcomes: their paths, what is asked for, and what comes (C6).
//!
//! Refuses to know who calls, and what is in between: messages come one by one, and nothing else does.

use bytes::Bytes;
use prost::Message as _;

use crate::subject::xmtp::wire::proto::{
    SubscribeGroupMessagesRequest, SubscribeWelcomeMessagesRequest, subscribe_group_messages_request as group,
    subscribe_welcome_messages_request as welcome,
};
use crate::subject::xmtp::wire::{Add, Cursor, Malformed, Message, MessageKind, Topic, proto};

impl MessageKind {
    /// The HTTP/2 path of the older call for messages of this kind.
    pub(crate) fn older_path(self) -> &'static str {
        match self {
            MessageKind::Group => "/xmtp.mls.api.v1.MlsApi/SubscribeGroupMessages",
            MessageKind::Welcome => "/xmtp.mls.api.v1.MlsApi/SubscribeWelcomeMessages",
        }
    }

    /// The kind whose older call has that path.
    pub(crate) fn of_older_path(path: &str) -> Option<Self> {
        MessageKind::ALL.into_iter().find(|kind| kind.older_path() == path)
    }
}

impl From<group::Filter> for Add {
    fn from(filter: group::Filter) -> Self {
        Add { topic: Topic::new(MessageKind::Group, &filter.group_id), cursor: Cursor(filter.id_cursor) }
    }
}

impl From<welcome::Filter> for Add {
    fn from(filter: welcome::Filter) -> Self {
        Add { topic: Topic::new(MessageKind::Welcome, &filter.installation_key), cursor: Cursor(filter.id_cursor) }
    }
}

/// What an older call asks for, of the bytes of its request.
///
/// # Errors
/// The bytes are no protobuf message.
pub(crate) fn decode_older_call(kind: MessageKind, bytes: Bytes) -> Result<Vec<Add>, Malformed> {
    Ok(match kind {
        MessageKind::Group => {
            SubscribeGroupMessagesRequest::decode(bytes)?.filters.into_iter().map(Add::from).collect()
        }
        MessageKind::Welcome => {
            SubscribeWelcomeMessagesRequest::decode(bytes)?.filters.into_iter().map(Add::from).collect()
        }
    })
}

/// What an older call brings, of the bytes of one message.
///
/// # Errors
/// The bytes are no protobuf message, or of no known version.
pub(crate) fn decode_older_message(kind: MessageKind, bytes: Bytes) -> Result<Message, Malformed> {
    match kind {
        MessageKind::Group => Message::from_group(proto::GroupMessage::decode(bytes)?),
        MessageKind::Welcome => Message::from_welcome(proto::WelcomeMessage::decode(bytes)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::xmtp::wire::Dialect;

    #[test]
    fn a_path_names_its_kind_and_no_dialect() {
        for kind in MessageKind::ALL {
            assert_eq!(MessageKind::of_older_path(kind.older_path()), Some(kind));
            assert_eq!(Dialect::of_path(kind.older_path()), None);
        }
        assert_eq!(MessageKind::of_older_path(Dialect::V1.path()), None);
    }

    #[test]
    fn what_is_asked_for_and_what_comes_are_read_of_either_kind() {
        let filter = group::Filter { group_id: Bytes::from_static(b"a"), id_cursor: 3 };
        let call = SubscribeGroupMessagesRequest { filters: vec![filter] }.encode_to_vec();
        let add = Add { topic: Topic::new(MessageKind::Group, b"a"), cursor: Cursor(3) };
        assert_eq!(decode_older_call(MessageKind::Group, call.into()), Ok(vec![add]));
        let filter = welcome::Filter { installation_key: Bytes::from_static(b"i"), id_cursor: 4 };
        let call = SubscribeWelcomeMessagesRequest { filters: vec![filter] }.encode_to_vec();
        let add = Add { topic: Topic::new(MessageKind::Welcome, b"i"), cursor: Cursor(4) };
        assert_eq!(decode_older_call(MessageKind::Welcome, call.into()), Ok(vec![add]));
        for kind in MessageKind::ALL {
            assert!(matches!(decode_older_call(kind, Bytes::from_static(b"\xff")), Err(Malformed::Protobuf(_))));
            assert!(matches!(decode_older_message(kind, Bytes::new()), Err(Malformed::Version { .. })));
        }
    }
}
