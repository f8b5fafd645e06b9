//! An interest list and its ready list, as epoll(7) has them.
//!
//! Refuses to know what is watched: it is asked what each file is ready for when its turn comes.

use std::collections::{BTreeMap, VecDeque};

use crate::world::system::error::Errno;
use crate::world::system::files::{FileId, Number};

/// What is always told (epoll_ctl(2)).
const ALWAYS: u32 = (libc::EPOLLERR | libc::EPOLLHUP).cast_unsigned();
const EDGE: u32 = libc::EPOLLET.cast_unsigned();
const ONCE: u32 = libc::EPOLLONESHOT.cast_unsigned();

/// One descriptor that is watched; two of one file are watched each.
type Watched = (FileId, Number);

#[derive(Clone, Copy, Debug)]
struct EpollInterest {
    events: u32,
    data: u64,
    /// It stands in the ready list.
    is_listed: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Epoll {
    interests: BTreeMap<Watched, EpollInterest>,
    ready: VecDeque<Watched>,
}

/// One event of epoll_wait(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) events: u32,
    pub(crate) data: u64,
}

impl Epoll {
    /// Watches a file from here on; whether it is ready is looked at by the next wait.
    pub(crate) fn add(&mut self, file: FileId, number: Number, events: u32, data: u64) -> Result<(), Errno> {
        let watched = (file, number);
        if self.interests.contains_key(&watched) {
            return Err(Errno(libc::EEXIST));
        }
        self.interests.insert(watched, EpollInterest { events, data, is_listed: false });
        self.list(watched);
        Ok(())
    }

    pub(crate) fn modify(&mut self, file: FileId, number: Number, events: u32, data: u64) -> Result<(), Errno> {
        let watched = (file, number);
        let interest = self.interests.get_mut(&watched).ok_or(Errno(libc::ENOENT))?;
        (interest.events, interest.data) = (events, data);
        self.list(watched);
        Ok(())
    }

    pub(crate) fn remove(&mut self, file: FileId, number: Number) -> Result<(), Errno> {
        self.interests.remove(&(file, number)).ok_or(Errno(libc::ENOENT))?;
        self.ready.retain(|listed| *listed != (file, number));
        Ok(())
    }

    /// A file was closed for good.
    pub(crate) fn forget(&mut self, file: FileId) {
        self.interests.retain(|(watched, _), _| *watched != file);
    }

    /// Something has happened to a file.
    pub(crate) fn wake(&mut self, file: FileId) {
        let watched: Vec<Watched> =
            self.interests.range((file, Number::MIN)..=(file, Number::MAX)).map(|(at, _)| *at).collect();
        watched.into_iter().for_each(|watched| self.list(watched));
    }

    fn list(&mut self, watched: Watched) {
        if let Some(interest) = self.interests.get_mut(&watched)
            && !std::mem::replace(&mut interest.is_listed, true)
        {
            self.ready.push_back(watched);
        }
    }

    /// Whether there may be anything to tell.
    pub(crate) fn has_listed(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Tells of at most so many files that are ready; `look` says for what each is, and watches it anew.
    pub(crate) fn take(&mut self, most: usize, mut look: impl FnMut(FileId) -> u32) -> Vec<Ready> {
        let mut told = Vec::new();
        let mut again = Vec::new();
        while told.len() < most
            && let Some(watched) = self.ready.pop_front()
        {
            let Some(interest) = self.interests.get_mut(&watched) else { continue };
            interest.is_listed = false;
            let events = look(watched.0) & (interest.events | ALWAYS);
            // Nothing is told of who was told once and not armed again.
            if events == 0 || interest.events & !(EDGE | ONCE) == 0 {
                continue;
            }
            told.push(Ready { events, data: interest.data });
            if interest.events & ONCE != 0 {
                interest.events &= EDGE | ONCE;
            } else if interest.events & EDGE == 0 {
                again.push(watched);
            }
        }
        // Who is watched by level stays listed, behind everybody else.
        again.into_iter().for_each(|watched| self.list(watched));
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: u32 = libc::EPOLLIN.cast_unsigned();
    const FILE: FileId = FileId(5);

    fn watching(events: u32) -> Epoll {
        let mut epoll = Epoll::default();
        epoll.add(FILE, 5, events, 9).expect("watched");
        epoll
    }

    fn takes(epoll: &mut Epoll, is_ready_for: u32) -> Vec<u64> {
        epoll.take(8, |_| is_ready_for).into_iter().map(|ready| ready.data).collect()
    }

    #[test]
    fn an_edge_is_told_once_and_a_level_as_long_as_it_is_there() {
        let (mut edge, mut level) = (watching(READ | EDGE), watching(READ));
        assert_eq!((takes(&mut edge, READ), takes(&mut level, READ)), (vec![9], vec![9]));
        assert_eq!((takes(&mut edge, READ), takes(&mut level, READ)), (vec![], vec![9]));
        assert_eq!((takes(&mut edge, 0), takes(&mut level, 0)), (vec![], vec![]));
        edge.wake(FILE);
        level.wake(FILE);
        assert_eq!((takes(&mut edge, READ), takes(&mut level, READ)), (vec![9], vec![9]));
    }

    #[test]
    fn what_nobody_asked_for_is_not_told_but_for_errors() {
        let mut epoll = watching(READ | EDGE);
        assert_eq!(takes(&mut epoll, libc::EPOLLOUT.cast_unsigned()), Vec::<u64>::new());
        epoll.wake(FILE);
        assert_eq!(takes(&mut epoll, libc::EPOLLERR.cast_unsigned()), vec![9]);
    }

    #[test]
    fn who_is_told_once_is_armed_again_by_modify() {
        let mut epoll = watching(READ | ONCE);
        assert_eq!(takes(&mut epoll, READ), vec![9]);
        epoll.wake(FILE);
        assert_eq!(takes(&mut epoll, READ), Vec::<u64>::new());
        epoll.modify(FILE, 5, READ | ONCE, 10).expect("watched");
        assert_eq!(takes(&mut epoll, READ), vec![10]);
    }

    #[test]
    fn a_file_is_watched_once_by_each_number_and_is_gone_when_it_is_closed() {
        let mut epoll = watching(READ);
        assert_eq!(epoll.add(FILE, 5, READ, 1), Err(Errno(libc::EEXIST)));
        epoll.remove(FILE, 5).expect("watched");
        epoll.add(FILE, 5, READ, 9).expect("watched anew");
        assert_eq!(takes(&mut epoll, READ), [9], "told once");
        epoll.add(FILE, 6, READ, 1).expect("by another number");
        epoll.forget(FILE);
        assert_eq!(epoll.modify(FILE, 6, READ, 1), Err(Errno(libc::ENOENT)));
        assert_eq!(epoll.remove(FILE, 6), Err(Errno(libc::ENOENT)));
        assert_eq!(takes(&mut epoll, READ), Vec::<u64>::new());
    }
}
