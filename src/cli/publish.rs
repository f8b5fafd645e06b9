//! `pulseless publish`: texts into a group's topic, by one request.

use std::sync::Arc;

use bytes::Bytes;

use crate::cli::Exit;
use crate::cli::arguments::PublishArguments;
use crate::cli::foreground::{Ended, run};
use crate::cli::output::{complain, print};
use crate::os::Os;
use crate::subject::xmtp::client::{PublishError, Publisher, PublisherConfig};
use crate::subject::xmtp::wire::{Draft, Envelope, MessageKind, Topic, application_message};

pub(crate) fn publish(arguments: &PublishArguments) -> Exit {
    let PublishArguments { to, topic, texts } = arguments;
    let topic = Topic::new(MessageKind::Group, topic.as_bytes());
    let drafts = texts.iter().map(|text| draft(&topic, text)).collect();
    let publishing = async {
        let mut publisher = Publisher::new(Arc::new(Os::default()), to.clone(), PublisherConfig::default());
        match publisher.publish(drafts).await {
            Ok(()) => {
                texts.iter().for_each(|text| print(&format!("stored in {topic}: {text}\n")));
                Exit::Pass
            }
            Err(error) => refuse(&error),
        }
    };
    match run(publishing) {
        Ended::Alone(exit) => exit,
        Ended::Interrupted => {
            complain(&format!("interrupted: whether anything is stored in {topic} is unknown"));
            Exit::Unknown
        }
    }
}

fn draft(topic: &Topic, text: &str) -> Draft {
    Draft {
        topic: topic.clone(),
        data: application_message(&topic.rest(), text.as_bytes()),
        envelope: Envelope::Group { sender_hmac: Bytes::new(), should_push: true, is_commit: false },
    }
}

fn refuse(error: &PublishError) -> Exit {
    complain(&format!("failed to {error}"));
    match error {
        PublishError::Node(_) => Exit::Usage,
        PublishError::Unsent(_) | PublishError::Refused { .. } => Exit::Fail,
        PublishError::Unknown { .. } => Exit::Unknown,
    }
}
