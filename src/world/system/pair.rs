//! Two sockets that are connected within one process (socketpair(2)), and the counter of eventfd(2).

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::world::system::error::Errno;
use crate::world::system::socket::CallAnswer;

/// What one direction holds at most before a writer must stop (Linux's net.core.wmem_default).
const PIPE_MAX: usize = 212_992;

/// One end.
pub(crate) struct PairEnd {
    shared: Arc<Mutex<PairState>>,
    side: usize,
}

#[derive(Debug, Default)]
struct PairState {
    /// What each end has written.
    pipes: [Pipe; 2],
    /// Who is told of each end that something has happened to it.
    watchers: [Option<Waker>; 2],
}

/// One direction: what one end has written and the other not read.
#[derive(Debug, Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    /// Nobody will write into it any more.
    is_ended: bool,
    /// Nobody will read from it any more.
    is_deserted: bool,
}

impl PairEnd {
    pub(crate) fn new_pair() -> [PairEnd; 2] {
        let shared = Arc::<Mutex<PairState>>::default();
        [0, 1].map(|side| PairEnd { shared: Arc::clone(&shared), side })
    }

    fn state(&self) -> MutexGuard<'_, PairState> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the other end that something has happened to it.
    fn stir_other(&self) {
        let watcher = self.state().watchers[1 - self.side].clone();
        if let Some(watcher) = watcher {
            watcher.wake();
        }
    }

    /// Reads what is there; none: nothing is, and more may come.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let (len, is_ended) = {
            let pipe = &mut self.state().pipes[1 - self.side];
            let len = buffer.len().min(pipe.bytes.len());
            for (place, byte) in buffer.iter_mut().zip(pipe.bytes.drain(..len)) {
                *place = byte;
            }
            (len, pipe.is_ended)
        };
        self.stir_other();
        (len > 0 || buffer.is_empty() || is_ended).then_some(len)
    }

    /// Takes what there is room for; nothing: the pipe is full.
    pub(crate) fn write(&mut self, parts: &[IoSlice<'_>]) -> CallAnswer<usize> {
        let written = {
            let pipe = &mut self.state().pipes[self.side];
            if pipe.is_ended || pipe.is_deserted {
                return Err(Errno(libc::EPIPE));
            }
            let before = pipe.bytes.len();
            for part in parts {
                let room = PIPE_MAX - pipe.bytes.len();
                pipe.bytes.extend(&part[..part.len().min(room)]);
            }
            pipe.bytes.len() - before
        };
        self.stir_other();
        Ok((written > 0 || parts.iter().all(|part| part.is_empty())).then_some(written))
    }

    pub(crate) fn finish(&mut self) {
        self.state().pipes[self.side].is_ended = true;
        self.stir_other();
    }

    /// What epoll(7) says of it; `watcher` is told of what changes from here on.
    pub(crate) fn look(&mut self, watcher: &Waker) -> u32 {
        let mut state = self.state();
        state.watchers[self.side] = Some(watcher.clone());
        let (sent, heard) = (&state.pipes[self.side], &state.pipes[1 - self.side]);
        let mut mask = 0;
        if !heard.bytes.is_empty() || heard.is_ended {
            mask |= libc::EPOLLIN;
        }
        if heard.is_ended {
            mask |= libc::EPOLLRDHUP;
        }
        if sent.bytes.len() < PIPE_MAX {
            mask |= libc::EPOLLOUT;
        }
        if sent.is_deserted || (heard.is_ended && sent.is_ended) {
            mask |= libc::EPOLLHUP;
        }
        mask.cast_unsigned()
    }
}

impl Drop for PairEnd {
    fn drop(&mut self) {
        let side = self.side;
        {
            let pipes = &mut self.state().pipes;
            pipes[side].is_ended = true;
            pipes[1 - side].is_deserted = true;
        }
        self.stir_other();
    }
}

/// eventfd(2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EventCounter {
    pub(crate) count: u64,
    pub(crate) is_semaphore: bool,
}

impl EventCounter {
    /// None: the count is zero.
    pub(crate) fn read(&mut self) -> Option<u64> {
        let read = if self.is_semaphore { self.count.min(1) } else { self.count };
        self.count -= read;
        (read > 0).then_some(read)
    }

    /// None: the count would overflow.
    pub(crate) fn add(&mut self, more: u64) -> Option<()> {
        let sum = self.count.checked_add(more).filter(|sum| *sum < u64::MAX)?;
        self.count = sum;
        Some(())
    }

    pub(crate) fn readiness(self) -> u32 {
        let readable = if self.count > 0 { libc::EPOLLIN } else { 0 };
        let writable = if self.count < u64::MAX - 1 { libc::EPOLLOUT } else { 0 };
        (readable | writable).cast_unsigned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(end: &mut PairEnd, bytes: &[u8]) -> CallAnswer<usize> {
        end.write(&[IoSlice::new(bytes)])
    }

    #[test]
    fn bytes_of_a_pair_arrive_in_order_and_end() {
        let [mut one, mut other] = PairEnd::new_pair();
        let mut buffer = [0; 4];
        assert_eq!(other.read(&mut buffer), None);
        assert_eq!(one.write(&[IoSlice::new(b"hel"), IoSlice::new(b"lo")]), Ok(Some(5)));
        assert_eq!((other.read(&mut buffer), &buffer), (Some(4), b"hell"));
        drop(one);
        assert_eq!((other.read(&mut buffer), buffer[0]), (Some(1), b'o'));
        assert_eq!(other.read(&mut buffer), Some(0));
        assert_eq!(write(&mut other, b"x"), Err(Errno(libc::EPIPE)));
    }

    #[test]
    fn a_full_pair_takes_no_more_until_it_is_read() {
        let [mut one, mut other] = PairEnd::new_pair();
        assert_eq!(write(&mut one, &vec![1; PIPE_MAX + 1]), Ok(Some(PIPE_MAX)));
        assert_eq!(write(&mut one, b"x"), Ok(None));
        assert_eq!(one.look(Waker::noop()) & libc::EPOLLOUT.cast_unsigned(), 0);
        assert_eq!(other.read(&mut [0; 10]), Some(10));
        assert_eq!(write(&mut one, &[2; 20]), Ok(Some(10)));
    }

    #[test]
    fn a_counter_is_read_whole_and_a_semaphore_one_by_one() {
        let mut counter = EventCounter { count: 0, is_semaphore: false };
        assert_eq!(counter.read(), None);
        assert_eq!((counter.add(2), counter.add(3), counter.read()), (Some(()), Some(()), Some(5)));
        assert_eq!(counter.add(u64::MAX), None);
        let mut semaphore = EventCounter { count: 2, is_semaphore: true };
        assert_eq!((semaphore.read(), semaphore.read(), semaphore.read()), (Some(1), Some(1), None));
    }
}
