//! The intake: of what arrives, what is new is processed by the application and then stored with its cursors (C3).
//!
//! Refuses to know how messages arrive: by a stream, by a bounded catch-up or by the older calls.
//!
//! ```text
//!   closed --open--> open --messages--> sifted --new ones--> processed --> stored --> open
//!     ^                                                                      |
//!     +------------------------------ failed --------------------------------+
//! ```
//! An inbox that has failed is closed and opened again: what is durable is known only then (C3).

use std::sync::Arc;

use crate::env::Env;
use crate::subject::xmtp::client::inbox::{Inbox, InboxError};
use crate::subject::xmtp::client::ledger::ClientLedger;
use crate::subject::xmtp::client::{Application, ClientNotice, ClientObserver, ClientQuirk};
use crate::subject::xmtp::wire::{Add, Message};

/// One subscriber's application, with the inbox before it.
pub(crate) struct Intake<A> {
    env: Env,
    topics: Vec<Add>,
    application: A,
    quirk: Option<ClientQuirk>,
    observer: Arc<dyn ClientObserver>,
    /// None until it is opened, and after it has failed.
    kept: Option<OpenInbox>,
}

/// What is durable, and what is known of it.
struct OpenInbox {
    inbox: Inbox,
    ledger: ClientLedger,
}

impl<A: Application> Intake<A> {
    /// Keeps what arrives on `topics` in the inbox of these surroundings, which is not opened yet.
    pub(crate) fn new(
        env: Env,
        topics: Vec<Add>,
        application: A,
        quirk: Option<ClientQuirk>,
        observer: Arc<dyn ClientObserver>,
    ) -> Self {
        Intake { env, topics, application, quirk, observer, kept: None }
    }

    /// Whether the inbox is open.
    pub(crate) fn is_open(&self) -> bool {
        self.kept.is_some()
    }

    /// To be called before each attempt: the topics, and from where to resume them. Opens the inbox where it is not open.
    ///
    /// # Errors
    /// The inbox cannot be opened.
    pub(crate) fn resume(&mut self) -> Result<Vec<Add>, InboxError> {
        if let Some(kept) = &mut self.kept {
            kept.ledger.reconnect();
            return Ok(kept.ledger.resume());
        }
        let opened = self.open()?;
        Ok(self.kept.insert(opened).ledger.resume())
    }

    fn open(&self) -> Result<OpenInbox, InboxError> {
        let inbox = Inbox::open(&self.env, self.quirk)?;
        let ledger = ClientLedger::new(&self.topics, inbox.cursors(), self.quirk);
        let cursors =
            inbox.held().iter().map(|(topic, cursor)| Add { topic: topic.clone(), cursor: *cursor }).collect();
        self.observer.notice(ClientNotice::InboxOpened { cursors });
        Ok(OpenInbox { inbox, ledger })
    }

    /// Takes what arrived in this attempt, and returns how much of it was new. C3: it is persisted as it is processed,
    /// before anything else is taken.
    ///
    /// # Errors
    /// The inbox failed, and is closed.
    ///
    /// # Panics
    /// If the inbox is not open.
    pub(crate) async fn take(
        &mut self,
        attempt: u64,
        messages: impl IntoIterator<Item = Message>,
    ) -> Result<usize, InboxError> {
        let OpenInbox { inbox, ledger } = self.kept.as_mut().expect("an attempt begins with an open inbox");
        let fresh: Vec<Message> = messages.into_iter().filter(|message| ledger.admit(message)).collect();
        if fresh.is_empty() {
            return Ok(0);
        }
        let skipped = usize::from(self.quirk == Some(ClientQuirk::StoresUnprocessed) && fresh.len() > 1);
        self.application.process(&fresh[..fresh.len() - skipped]).await;
        if let Err(error) = inbox.commit(&fresh) {
            self.kept = None;
            return Err(error);
        }
        let count = fresh.len();
        self.observer.notice(ClientNotice::Committed { attempt, messages: fresh });
        Ok(count)
    }
}
