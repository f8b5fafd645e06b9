//! `pulseless tail`: follows topics over real TCP and prints each message once.
//!
//! Refuses to know how the client heals itself: it tells what the client did.

mod line;
mod print_record;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::cli::Exit;
use crate::cli::arguments::TailArguments;
use crate::cli::dialing::DialTarget;
use crate::cli::foreground::{Ended, run};
use crate::cli::output::{complain, misused, try_print};
use crate::cli::xmtp_values::Patience;
use crate::env::Env;
use crate::grammar::Readable;
use crate::os::Os;
use crate::subject::xmtp::client::{
    self, Application, CATCH_UP_PATIENCE, CatchUpError, ClientConfig, ClientError, ClientNotice, ClientObserver,
    Http2Windows, INBOX, Inbox,
};
use crate::subject::xmtp::wire::{Add, Cursor, Dialect, Message, MessageKind, Topic};
pub(crate) use line::JsonLine;
use line::{LineForm, lines};
use print_record::{Doubt, DoubtKind, PrintRecord};

pub(crate) fn tail(arguments: &TailArguments) -> Exit {
    let TailArguments { from, topics, inbox, watchdog: Patience(watchdog), .. } = arguments;
    if arguments.dialect.counts_by_originator() && arguments.from_cursor > 0 {
        let cursor = arguments.from_cursor;
        complain(&format!(
            "failed to follow from cursor {cursor}: in {} each originator has ids of its own; leave --from-cursor out",
            arguments.dialect
        ));
        return Exit::Usage;
    }
    let add = |name: &String| Add {
        topic: Topic::new(MessageKind::Group, name.as_bytes()),
        cursor: Cursor(arguments.from_cursor),
    };
    let topics = topics.iter().map(add).collect();
    let config = ClientConfig {
        watchdog: *watchdog,
        dialect: arguments.dialect,
        connect_timeout: arguments.connect_timeout,
        backoff: arguments.backoff,
        http2_windows: Http2Windows { stream: arguments.stream_window, connection: arguments.connection_window },
        ..ClientConfig::new(from.address.clone(), topics)
    };
    let env = match from.ground(Os::default().with_folder(inbox), arguments.ca.as_deref()) {
        Ok(env) => env,
        Err(why) => return misused(&why),
    };
    // Who cannot have a store now has made a mistake; a store that fails later is the client's to mend.
    if let Err(error) = env.disk(INBOX) {
        complain(&format!("failed to open the store {INBOX}: {error}"));
        return Exit::Usage;
    }
    if let Some(topic) = foreign_topic(&env, arguments.dialect) {
        complain(&format!(
            "failed to use the inbox in {}: it holds {topic}, and {} counts otherwise; use another folder",
            inbox.display(),
            arguments.dialect
        ));
        return Exit::Usage;
    }
    let record = match PrintRecord::open(Arc::clone(&env)) {
        Ok(record) => record,
        Err(error) => {
            complain(&format!("failed to {error}"));
            return Exit::Usage;
        }
    };
    let printer = Arc::new(TailPrinter::new(arguments, record));
    let following = async {
        tokio::select! {
            biased;
            // First, and it starves nobody: it is ready once. What nobody reads must not count as processed.
            () = printer.stopped.notified() => printer.lock().exit,
            exit = follow(env, config, Arc::clone(&printer), arguments) => exit,
        }
    };
    match run(following) {
        Ended::Alone(exit) => exit,
        Ended::Interrupted => Exit::Pass,
    }
}

/// A topic of the inbox that was counted in another way than the dialect's; none also where the inbox does not open, which
/// the client finds out by itself.
fn foreign_topic(env: &Env, dialect: Dialect) -> Option<Topic> {
    let inbox = Inbox::open(env, None).ok()?;
    inbox.cursors().keys().find(|topic| topic.originator().is_some() != dialect.counts_by_originator()).cloned()
}

async fn follow(env: Env, config: ClientConfig, printer: Arc<TailPrinter>, arguments: &TailArguments) -> Exit {
    let (printing, printed) = (Printing(Arc::clone(&printer)), Arc::clone(&printer));
    let (why, exit) = if arguments.until_now {
        match client::catch_up(env, config, printing, printer, CATCH_UP_PATIENCE).await {
            // Pass, but where something could not be printed.
            Ok(_) => return printed.lock().exit,
            Err(error @ CatchUpError::Node(_)) => (error.to_string(), Exit::Usage),
            Err(error @ CatchUpError::Ended(_)) => (error.to_string(), Exit::Fail),
        }
    } else {
        let followed = match arguments.every {
            None => client::subscribe(env, config, printing, printer).await,
            Some(every) => client::catch_up_every(env, config, printing, printer, CATCH_UP_PATIENCE, every).await,
        };
        match followed {
            Ok(never) => match never {},
            Err(error @ ClientError::Node(_)) => (error.to_string(), Exit::Usage),
            Err(error @ (ClientError::Rejected { .. } | ClientError::NeverFits { .. })) => {
                (error.to_string(), Exit::Fail)
            }
        }
    };
    complain(&format!("failed to {why}"));
    exit
}

/// When a message is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PrintOrder {
    /// Once the inbox holds it: never twice, and a crash in between leaves it unprinted.
    AfterCommit,
    /// Before the inbox holds it: at least once, and a crash in between prints it a second time.
    BeforeCommit,
}

/// Prints messages on standard output, and what happens to the connection on standard error.
struct TailPrinter {
    from: DialTarget,
    folder: PathBuf,
    order: PrintOrder,
    form: LineForm,
    /// Nobody reads, or standard output failed.
    stopped: Notify,
    progress: Mutex<PrintProgress>,
}

struct PrintProgress {
    record: PrintRecord,
    /// What waits for its commit.
    uncommitted: Vec<Message>,
    /// How the tail ends when it is stopped.
    exit: Exit,
}

impl TailPrinter {
    fn new(arguments: &TailArguments, record: PrintRecord) -> Self {
        TailPrinter {
            from: arguments.from.clone(),
            folder: arguments.inbox.clone(),
            order: if arguments.at_least_once { PrintOrder::BeforeCommit } else { PrintOrder::AfterCommit },
            form: if arguments.json { LineForm::Json } else { LineForm::Text },
            stopped: Notify::new(),
            progress: Mutex::new(PrintProgress { record, uncommitted: Vec::new(), exit: Exit::Pass }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, PrintProgress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints, or stops the tail.
    fn print(&self, progress: &mut PrintProgress, messages: &[Message]) -> io::Result<()> {
        let printed = try_print(lines(self.form, messages).as_bytes());
        if let Err(error) = &printed {
            if error.kind() != io::ErrorKind::BrokenPipe {
                complain(&format!("failed to write to standard output: {error}"));
                progress.exit = Exit::Io;
            }
            self.stopped.notify_one();
        }
        printed
    }

    /// A record that fails is no reason to stop: what it would have told is told now.
    fn note(&self, progress: &mut PrintProgress, messages: &[Message]) {
        let printed = messages.iter().map(|message| (message.topic(), Cursor::from(message.id)));
        if let Err(error) = progress.record.note(printed) {
            let last = messages.last().map(|message| format!(" of what goes up to {}", message.id)).unwrap_or_default();
            let doubt = match self.order {
                PrintOrder::AfterCommit => "it may tell that it was not printed",
                PrintOrder::BeforeCommit => "it may be printed a second time, and not be told",
            };
            let folder = self.folder.display();
            complain(&format!("failed to {error} (in {folder}): after a crash,{last} {doubt}"));
        }
    }

    /// The application has these messages, and the inbox does not yet. Returns whether it may store them.
    fn process(&self, messages: &[Message]) -> bool {
        let mut progress = self.lock();
        match self.order {
            PrintOrder::AfterCommit => {
                progress.uncommitted = messages.to_vec();
                true
            }
            PrintOrder::BeforeCommit => {
                self.note(&mut progress, messages);
                self.print(&mut progress, messages).is_ok()
            }
        }
    }

    /// The inbox has what was processed last.
    fn committed(&self) {
        let mut progress = self.lock();
        let messages = std::mem::take(&mut progress.uncommitted);
        if self.order == PrintOrder::AfterCommit && self.print(&mut progress, &messages).is_ok() {
            self.note(&mut progress, &messages);
        }
    }

    /// Says what a crash, or a failure of the inbox, has left open. What is said of a message once is not said again.
    fn tell_doubts(&self, held: &[Add]) {
        let mut progress = self.lock();
        let doubts = progress.record.doubts(held);
        doubts.iter().for_each(|doubt| complain(&doubt.to_string()));
        let missing: Vec<&Doubt> = doubts.iter().filter(|doubt| doubt.kind == DoubtKind::Missing).collect();
        if missing.is_empty() {
            return;
        }
        if let Err(error) = progress.record.note(missing.iter().map(|doubt| (&doubt.topic, doubt.up_to))) {
            complain(&format!("failed to {error} (in {}): that may be said again", self.folder.display()));
        }
    }
}

/// The tail as the application of its subscriber.
struct Printing(Arc<TailPrinter>);

impl Application for Printing {
    async fn process(&mut self, messages: &[Message]) {
        if !self.0.process(messages) {
            // What nobody has read must not be stored as processed, and the tail ends.
            std::future::pending::<()>().await;
        }
    }
}

impl ClientObserver for TailPrinter {
    fn notice(&self, notice: ClientNotice) {
        match notice {
            ClientNotice::InboxOpened { cursors } => self.tell_doubts(&cursors),
            ClientNotice::Committed { .. } => self.committed(),
            // The store itself does not know where it is.
            ClientNotice::StoreFailed { why } => complain(&format!("{why} (in {})", self.folder.display())),
            ClientNotice::Started { attempt, .. } => {
                complain(&format!("connection {attempt}: following {}", self.from))
            }
            ClientNotice::WatchdogTripped { attempt, silent_for } => {
                complain(&format!("connection {attempt}: nothing heard for {}, giving it up", Readable(silent_for)));
            }
            ClientNotice::Suspended { attempt, lasted } => {
                complain(&format!("connection {attempt}: stood still for {}", Readable(lasted)));
            }
            ClientNotice::Probed { attempt } => {
                complain(&format!("connection {attempt}: asking whether it outlived that"));
            }
            ClientNotice::ProbeAnswered { attempt } => complain(&format!("connection {attempt}: it did")),
            ClientNotice::Ended { attempt, cause } => complain(&format!("connection {attempt}: ended: {cause}")),
            ClientNotice::BackingOff { delay, .. } => complain(&format!("dialing again in {}", Readable(delay))),
            ClientNotice::Dialing { attempt } => complain(&format!("connection {attempt}: dialing {}", self.from)),
            ClientNotice::Opened { .. }
            | ClientNotice::Heard { .. }
            | ClientNotice::WatchdogPinged { .. }
            | ClientNotice::LetGo { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::subject::xmtp::wire::{Draft, Envelope, MessageId, Originator};

    /// The surroundings of an inbox with one message.
    fn kept(topic: Topic) -> (tempfile::TempDir, Env) {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let env: Env = Arc::new(Os::default().with_folder(folder.path()));
        let envelope = Envelope::Group { sender_hmac: Bytes::new(), should_push: false, is_commit: false };
        let draft = Draft { topic, data: Bytes::from_static(b"hello"), envelope };
        let message = Message { id: MessageId(1), origin: None, created_ns: 0, draft };
        Inbox::open(&env, None).and_then(|mut inbox| inbox.commit(&[message])).expect("a fresh inbox");
        (folder, env)
    }

    #[test]
    fn an_inbox_that_was_counted_in_another_way_is_foreign() {
        let topic = Topic::new(MessageKind::Group, b"orders");
        for (held, own, other) in [
            (topic.clone(), Dialect::V1, Dialect::Decentralized),
            (topic.part(Originator(4)), Dialect::Decentralized, Dialect::V1),
        ] {
            let (_folder, env) = kept(held.clone());
            assert_eq!((foreign_topic(&env, own), foreign_topic(&env, other)), (None, Some(held)));
        }
    }
}
