//! `pulseless publish`: texts into a group's topic by one request, or the lines of standard input by one for each.
//!
//! Refuses to try again: a second attempt could store a second copy.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader, stdin};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::cli::Exit;
use crate::cli::arguments::PublishArguments;
use crate::cli::foreground::{Ended, run, run_to_end};
use crate::cli::output::{complain, misused, print};
use crate::grammar::Rate;
use crate::os::Os;
use crate::report;
use crate::subject::xmtp::client::{PublishError, Publisher, PublisherConfig};
use crate::subject::xmtp::wire::{Draft, Envelope, MessageKind, Originator, Topic, application_message};

/// A longer line is refused before it fills the memory: a node of ours takes 24 MiB in one message, another may take
/// less.
const LINE_MAX: u64 = 16 << 20;

pub(crate) fn publish(arguments: &PublishArguments) -> Exit {
    let publisher = match arguments.to.ground(Os::default(), arguments.ca.as_deref()) {
        Ok(env) => Publisher::new(env, arguments.to.address.clone(), PublisherConfig::default()),
        Err(why) => return misused(&why),
    };
    if arguments.texts.is_empty() {
        run_to_end(|interrupted| publish_lines(arguments, publisher, interrupted)).unwrap_or_else(|exit| exit)
    } else {
        publish_texts(arguments, publisher)
    }
}

fn publish_texts(arguments: &PublishArguments, mut publisher: Publisher) -> Exit {
    let (topic, texts) = (target(arguments), &arguments.texts);
    let drafts = texts.iter().map(|text| draft(&topic, text.as_bytes())).collect();
    let publishing = async {
        match publisher.publish(drafts).await {
            Ok(()) => {
                texts.iter().for_each(|text| tell_stored(&topic, text.as_bytes()));
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

/// Publishes line by line, each when the one before it is stored. An interrupt waits for the line in flight, which has
/// a deadline of its own.
async fn publish_lines(arguments: &PublishArguments, mut publisher: Publisher, interrupted: Arc<Notify>) -> Exit {
    let topic = target(arguments);
    let gap = arguments.rate.map_or(Duration::ZERO, Rate::gap);
    let (mut reader, mut due) = (BufReader::new(stdin()), Instant::now());
    for number in 1_u64.. {
        let next = async {
            sleep_until(due).await;
            read_line(&mut reader).await
        };
        let line = tokio::select! {
            biased;
            // First, and it starves nobody: it is ready once.
            () = interrupted.notified() => return Exit::Pass,
            line = next => line,
        };
        let line = match line {
            Ok(Some(line)) => line,
            Ok(None) => return Exit::Pass,
            Err(error) => {
                complain(&format!("failed to read line {number} of standard input: {error}"));
                return Exit::Usage;
            }
        };
        due = Instant::now() + gap;
        if let Err(error) = publisher.publish(vec![draft(&topic, &line)]).await {
            complain(&format!("line {number} of standard input is not known to be stored, and ends it:"));
            return refuse(&error);
        }
        tell_stored(&topic, &line);
    }
    Exit::Pass
}

/// The next line without its end; none at the end of the input.
async fn read_line(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if reader.take(LINE_MAX + 1).read_until(b'\n', &mut line).await? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() as u64 > LINE_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it is longer than {LINE_MAX} bytes")));
    }
    Ok(Some(line))
}

/// The topic, or the part of it of the originator that is to number the messages.
fn target(arguments: &PublishArguments) -> Topic {
    let topic = Topic::new(MessageKind::Group, arguments.topic.as_bytes());
    arguments.originator.map_or(topic.clone(), |number| topic.part(Originator(number)))
}

fn draft(topic: &Topic, text: &[u8]) -> Draft {
    Draft {
        topic: topic.clone(),
        data: application_message(&topic.rest(), text),
        envelope: Envelope::Group { sender_hmac: Bytes::new(), should_push: true, is_commit: false },
    }
}

fn tell_stored(topic: &Topic, text: &[u8]) {
    print(&format!("stored in {topic}: {}\n", report::harmless(&String::from_utf8_lossy(text))));
}

fn refuse(error: &PublishError) -> Exit {
    complain(&format!("failed to {error}"));
    match error {
        PublishError::Node(_) => Exit::Usage,
        PublishError::Unsent(_) | PublishError::Refused { .. } => Exit::Fail,
        PublishError::Unknown { .. } => Exit::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_one_by_one_and_the_last_needs_no_end() {
        let mut input: &[u8] = b"one\n\ntwo\r\nthree";
        let mut lines = Vec::new();
        while let Some(line) = read_line(&mut input).await.expect("short lines") {
            lines.push(String::from_utf8(line).expect("text"));
        }
        assert_eq!(lines, ["one", "", "two\r", "three"]);
    }

    #[tokio::test]
    async fn a_line_without_end_is_refused() {
        let endless = vec![b'x'; usize::try_from(LINE_MAX).expect("it fits") + 2];
        let error = read_line(&mut endless.as_slice()).await.expect_err("too long");
        assert!(error.to_string().contains("longer than 16777216 bytes"), "{error}");
    }
}
