//! A channel that never parks its sender: what the channel has no room for waits in a bounded backlog.
//!
//! Refuses to know what is sent, and what it means that the backlog is full: its owner decides that.
//!
//! ```text
//!   direct --no room--> backlogged --bound reached--> full
//!     ^                  |     ^                       |
//!     +---- all moved ---+     +-------- moved --------+
//!   any --receiver gone, or close--> closed (what is offered is dropped)
//! ```

use std::collections::VecDeque;

use tokio::sync::mpsc;

/// The backlog is at its bound: the item was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// One FIFO of two parts: the channel, and the backlog behind it.
#[derive(Debug)]
pub(crate) struct BackloggedSender<T> {
    channel: Option<mpsc::Sender<T>>,
    backlog: VecDeque<T>,
    bound: usize,
}

impl<T> BackloggedSender<T> {
    /// Sends into `channel`, with room for `bound` more behind it.
    #[must_use]
    pub(crate) fn new(channel: mpsc::Sender<T>, bound: usize) -> Self {
        BackloggedSender { channel: Some(channel), backlog: VecDeque::new(), bound }
    }

    /// Takes the item in order, now. Where nobody receives any more, the item is dropped.
    ///
    /// # Errors
    /// [`Full`].
    pub(crate) fn push(&mut self, item: T) -> Result<(), Full> {
        let Some(channel) = &self.channel else { return Ok(()) };
        let item = if self.backlog.is_empty() {
            match channel.try_send(item) {
                Ok(()) => return Ok(()),
                Err(mpsc::error::TrySendError::Full(item)) => item,
                Err(mpsc::error::TrySendError::Closed(_)) => {
                    self.close();
                    return Ok(());
                }
            }
        } else {
            item
        };
        if self.is_full() {
            return Err(Full);
        }
        self.backlog.push_back(item);
        Ok(())
    }

    /// Waits until the channel has room, and moves the oldest of the backlog there; where there is no backlog, until
    /// nobody receives any more. Cancel safe.
    pub(crate) async fn flush(&mut self) {
        let Some(channel) = &self.channel else { return };
        if self.backlog.is_empty() {
            channel.closed().await;
        } else if let (Ok(permit), Some(item)) = (channel.reserve().await, self.backlog.pop_front()) {
            permit.send(item);
            return;
        }
        self.close();
    }

    /// Whether anything waits behind the channel.
    #[must_use]
    pub(crate) fn is_backlogged(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Whether the next item may be refused.
    #[must_use]
    pub(crate) fn is_full(&self) -> bool {
        self.backlog.len() >= self.bound
    }

    /// Whether everything that was sent has been received, and so nothing waits here.
    #[must_use]
    pub(crate) fn is_drained(&self) -> bool {
        self.backlog.is_empty()
            && self.channel.as_ref().is_none_or(|channel| channel.capacity() == channel.max_capacity())
    }

    /// Whether nobody receives any more, or nothing more is to be sent.
    #[must_use]
    pub(crate) fn is_closed(&self) -> bool {
        self.channel.as_ref().is_none_or(mpsc::Sender::is_closed)
    }

    /// Ends the channel after what it holds; the backlog is dropped.
    pub(crate) fn close(&mut self) {
        self.channel = None;
        self.backlog.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn order_is_kept_across_channel_and_backlog() {
        let (sender, mut receiver) = mpsc::channel(2);
        let mut outlet = BackloggedSender::new(sender, 2);
        for item in 0..4 {
            assert_eq!(outlet.push(item), Ok(()));
        }
        assert_eq!((outlet.push(4), outlet.is_full()), (Err(Full), true));
        assert_eq!(receiver.recv().await, Some(0));
        assert_eq!(outlet.push(5), Err(Full), "the channel has room, and the backlog goes first");
        outlet.flush().await;
        assert_eq!((outlet.is_full(), outlet.is_backlogged()), (false, true));
        for item in [1, 2] {
            assert_eq!(receiver.recv().await, Some(item));
        }
        outlet.flush().await;
        assert_eq!((receiver.recv().await, outlet.is_backlogged(), outlet.is_drained()), (Some(3), false, true));
    }

    #[tokio::test]
    async fn a_closed_outlet_takes_and_drops_everything() {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut outlet = BackloggedSender::new(sender, 1);
        assert_eq!((outlet.push(1), outlet.push(2)), (Ok(()), Ok(())));
        outlet.close();
        assert_eq!((outlet.push(3), outlet.is_backlogged(), outlet.is_closed()), (Ok(()), false, true));
        assert_eq!((receiver.recv().await, receiver.recv().await), (Some(1), None));
    }

    #[tokio::test]
    async fn a_gone_receiver_closes_the_outlet_and_its_backlog() {
        let (sender, receiver) = mpsc::channel(1);
        let mut outlet = BackloggedSender::new(sender, 1);
        assert_eq!((outlet.push(1), outlet.push(2)), (Ok(()), Ok(())));
        drop(receiver);
        outlet.flush().await;
        assert_eq!((outlet.is_backlogged(), outlet.is_closed()), (false, true));
    }
}
