//! `pulseless tail`: follows topics over real TCP and prints each message once.
//!
//! Refuses to know how the client heals itself: it tells what the client did.

use std::fmt::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::cli::Exit;
use crate::cli::arguments::TailArguments;
use crate::cli::foreground::{Ended, run};
use crate::cli::output::{complain, try_print};
use crate::cli::values::Patience;
use crate::env::{Address, Env, Surroundings};
use crate::grammar::Readable;
use crate::os::Os;
use crate::subject::xmtp::client::{
    self, CATCH_UP_PATIENCE, CatchUpError, ClientConfig, ClientError, ClientNotice, ClientObserver, INBOX,
};
use crate::subject::xmtp::wire::{Add, Cursor, MessageId, MessageKind, Topic, application_message};
use crate::subject::xmtp::workload::Consumer;

pub(crate) fn tail(arguments: &TailArguments) -> Exit {
    let TailArguments { from, topics, data, watchdog: Patience(watchdog), until_now } = arguments;
    let from_the_beginning =
        |name: &String| Add { topic: Topic::new(MessageKind::Group, name.as_bytes()), cursor: Cursor(0) };
    let adds = topics.iter().map(from_the_beginning).collect();
    let config = ClientConfig { watchdog: *watchdog, ..ClientConfig::new(from.clone(), adds) };
    let env = Arc::new(Os::default().with_folder(data));
    // Who cannot have a store now has made a mistake; a store that fails later is the client's to mend.
    if let Err(error) = env.disk(INBOX) {
        complain(&format!("failed to open the store {INBOX}: {error}"));
        return Exit::Usage;
    }
    let reader_gone = Arc::new(Notify::new());
    let teller = Arc::new(TailPrinter { from: from.clone(), folder: data.clone(), reader_gone: reader_gone.clone() });
    let following = async {
        tokio::select! {
            biased;
            // First, and it starves nobody: it is ready once. What nobody reads must not count as processed.
            () = reader_gone.notified() => Exit::Pass,
            exit = follow(env, config, teller, *until_now) => exit,
        }
    };
    match run(following) {
        Ended::Alone(exit) => exit,
        Ended::Interrupted => Exit::Pass,
    }
}

async fn follow(env: Env, config: ClientConfig, teller: Arc<TailPrinter>, until_now: bool) -> Exit {
    let printing = Consumer { time: Duration::ZERO };
    let (why, exit) = if until_now {
        match client::catch_up(env, config, printing, teller, CATCH_UP_PATIENCE).await {
            Ok(_) => return Exit::Pass,
            Err(error @ CatchUpError::Node(_)) => (error.to_string(), Exit::Usage),
            Err(error @ CatchUpError::Ended(_)) => (error.to_string(), Exit::Fail),
        }
    } else {
        match client::subscribe(env, config, printing, teller).await {
            Ok(never) => match never {},
            Err(error @ ClientError::Node(_)) => (error.to_string(), Exit::Usage),
            Err(error @ ClientError::Rejected { .. }) => (error.to_string(), Exit::Fail),
        }
    };
    complain(&format!("failed to {why}"));
    exit
}

/// Prints messages on standard output, and what happens to the connection on standard error.
struct TailPrinter {
    from: Address,
    folder: PathBuf,
    reader_gone: Arc<Notify>,
}

impl TailPrinter {
    fn print(&self, messages: &[(Topic, MessageId, Bytes)]) {
        let mut lines = String::new();
        for (topic, id, data) in messages {
            writeln!(lines, "{id} {topic} {}", Payload { topic, data }).expect("a string takes everything");
        }
        if try_print(&lines).is_err() {
            self.reader_gone.notify_one();
        }
    }
}

impl ClientObserver for TailPrinter {
    fn notice(&self, notice: ClientNotice) {
        match notice {
            ClientNotice::Committed { messages, .. } => self.print(&messages),
            // The store itself does not know where it is.
            ClientNotice::StoreFailed { why } => complain(&format!("{why} (in {})", self.folder.display())),
            ClientNotice::Started { attempt, .. } => {
                complain(&format!("connection {attempt}: following {}", self.from))
            }
            ClientNotice::WatchdogTripped { attempt, silent_for } => {
                complain(&format!("connection {attempt}: nothing heard for {}, giving it up", Readable(silent_for)));
            }
            ClientNotice::Ended { attempt, cause } => complain(&format!("connection {attempt}: ended: {cause}")),
            ClientNotice::BackingOff { delay, .. } => complain(&format!("dialing again in {}", Readable(delay))),
            ClientNotice::Dialing { .. }
            | ClientNotice::InboxOpened { .. }
            | ClientNotice::Opened { .. }
            | ClientNotice::Heard { .. }
            | ClientNotice::WatchdogPinged { .. }
            | ClientNotice::LetGo { .. } => {}
        }
    }
}

/// The payload of a group message, on one line: as text where it is text that pulseless published, else in
/// hexadecimal. What a peer wrote must not move the terminal's cursor, so control characters are escaped.
struct Payload<'a> {
    topic: &'a Topic,
    data: &'a Bytes,
}

impl fmt::Display for Payload<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = application_message(&self.topic.rest(), b"");
        let text = self.data.strip_prefix(header.as_ref()).and_then(|payload| std::str::from_utf8(payload).ok());
        let Some(text) = text else {
            formatter.write_str("0x")?;
            return self.data.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"));
        };
        text.chars().try_for_each(|c| {
            if c.is_control() { write!(formatter, "{}", c.escape_default()) } else { formatter.write_char(c) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(data: Bytes) -> String {
        Payload { topic: &Topic::new(MessageKind::Group, b"news"), data: &data }.to_string()
    }

    #[test]
    fn what_was_published_is_shown_on_one_line_and_cannot_move_the_cursor() {
        assert_eq!(shown(application_message(b"news", "héllo \"world\"".as_bytes())), "héllo \"world\"");
        assert_eq!(shown(application_message(b"news", b"a\nb\x1b[2J")), "a\\nb\\u{1b}[2J");
        assert_eq!(shown(application_message(b"news", b"")), "");
    }

    #[test]
    fn what_is_not_text_is_shown_in_hexadecimal() {
        assert!(shown(application_message(b"news", b"\xff")).starts_with("0x0001"));
        assert_eq!(shown(Bytes::from_static(b"\x00\x01\xfe")), "0x0001fe");
    }
}
