//! One store: its bytes as its kernel holds them, and what of them the power could still take.
//!
//! Refuses to know which faults there are: it is told when to forget, and what a cold page has become.
//!
//! The bytes are those of the page cache. For each change since the last sync the old bytes are kept, one after
//! the other in one buffer, so that a write costs a copy and a sync nothing.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

use rand::RngExt;

use crate::env::Dice;
use crate::fault::Unsynced;
use crate::world::process::Process;

/// What a kernel caches, and forgets, at once.
const PAGE: usize = 4096;
/// What a disk writes whole or not at all: the smallest sector in use.
const SECTOR: usize = 512;

#[derive(Debug, Default)]
pub(crate) struct Store {
    bytes: Vec<u8>,
    /// Changes since the last sync, oldest first.
    at_risk: Vec<DiskChange>,
    /// Their old bytes.
    old: Vec<u8>,
    /// DiskPages whose last sync failed, as the disk has them.
    forgotten: BTreeMap<usize, Vec<u8>>,
    /// The length that the disk knows, where a sync has failed.
    forgotten_len: Option<usize>,
    /// DiskPages that were ever written: the others are holes, and need space when they are.
    written: DiskPages,
    /// DiskPages that the present holder has in memory: they cannot rot.
    warm: DiskPages,
    /// The process that opened it last, and whether it has it still.
    holder: Option<(Process, DiskHold)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DiskHold {
    Open,
    Closed,
}

/// A change, and how much of `old` undoes it.
#[derive(Debug)]
enum DiskChange {
    Written { at: usize, len: usize },
    Resized { from: usize, cut: usize },
}

/// A change as it can be made again.
enum Redo {
    Write { at: usize, data: Vec<u8> },
    Resize { to: usize },
}

impl Store {
    /// A store that the disk has whole.
    pub(crate) fn holding(bytes: Vec<u8>) -> Self {
        let mut store = Store { bytes, ..Store::default() };
        let all = store.pages(0, store.bytes.len());
        store.written.insert(all);
        store
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Gives the store to a process, unless another that lives has it.
    pub(crate) fn hold(&mut self, process: &Process) -> bool {
        match &self.holder {
            Some((holder, DiskHold::Open)) if holder.is_alive() => return false,
            // One process at a time runs on a host: this is the same one, and its pages are warm.
            Some((holder, DiskHold::Closed)) if holder.is_alive() => {}
            Some(_) | None => self.warm = DiskPages::default(),
        }
        self.holder = Some((process.clone(), DiskHold::Open));
        true
    }

    pub(crate) fn release(&mut self) {
        if let Some((_, hold)) = &mut self.holder {
            *hold = DiskHold::Closed;
        }
    }

    pub(crate) fn read(&mut self, offset: u64, out: &mut [u8], mut rot: impl FnMut(&mut [u8])) -> io::Result<()> {
        let range = self.range(offset, out.len())?;
        for page in self.pages(range.start, range.end) {
            if self.warm.insert(page..page + 1) {
                let end = self.bytes.len().min((page + 1) * PAGE);
                rot(&mut self.bytes[page * PAGE..end]);
            }
        }
        out.copy_from_slice(&self.bytes[range]);
        Ok(())
    }

    /// Whether a write there makes the store longer, or fills a hole.
    pub(crate) fn needs_space(&self, offset: u64, len: usize) -> bool {
        self.within(offset, len)
            .is_none_or(|range| self.pages(range.start, range.end).any(|page| !self.written.contains(page)))
    }

    pub(crate) fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let range = self.range(offset, data.len())?;
        self.at_risk.push(DiskChange::Written { at: range.start, len: data.len() });
        self.old.extend_from_slice(&self.bytes[range.clone()]);
        let pages = self.pages(range.start, range.end);
        self.written.insert(pages.clone());
        self.warm.insert(pages);
        self.bytes[range].copy_from_slice(data);
        Ok(())
    }

    /// Makes room for a write that goes beyond the end.
    pub(crate) fn grow(&mut self, offset: u64, len: usize) -> io::Result<()> {
        let end = usize::try_from(offset).ok().and_then(|start| start.checked_add(len));
        let end = end.filter(|end| isize::try_from(*end).is_ok()).ok_or(io::ErrorKind::FileTooLarge)?;
        if end > self.bytes.len() {
            self.set_len(end);
        }
        Ok(())
    }

    pub(crate) fn set_len(&mut self, len: usize) {
        let from = self.bytes.len();
        let cut = from.saturating_sub(len);
        self.at_risk.push(DiskChange::Resized { from, cut });
        self.old.extend_from_slice(&self.bytes[from - cut..]);
        if self.bytes.is_empty() {
            // Zeros from the system: what a store never fills takes no memory, and a trial may have a thousand stores.
            self.bytes = vec![0; len];
        } else {
            self.bytes.resize(len, 0);
        }
        self.written.truncate(len.div_ceil(PAGE));
    }

    /// What was at risk is on the disk.
    pub(crate) fn sync(&mut self) {
        if !self.forgotten.is_empty() {
            let (len, at_risk) = (self.bytes.len(), &self.at_risk);
            let rewritten = at_risk.iter().filter_map(|change| change.written(len));
            let rewritten: Vec<Range<usize>> = rewritten.map(|range| self.pages(range.start, range.end)).collect();
            self.forgotten.retain(|page, _| !rewritten.iter().any(|pages| pages.contains(page)));
        }
        self.forgotten_len = None;
        self.at_risk.clear();
        self.old.clear();
    }

    /// What was at risk can be read until the power goes, and no later sync keeps it: Linux marks the pages clean
    /// when it reports the error (fsync(2); "Can Applications Recover from fsync Failures?", USENIX ATC 2020).
    pub(crate) fn forget(&mut self) {
        let now = self.bytes.clone();
        let len = now.len();
        let redo = self.undo();
        self.forgotten_len.get_or_insert(self.bytes.len());
        for change in redo {
            let Redo::Write { at, data } = change else { continue };
            for page in self.pages(at.min(len), (at + data.len()).min(len)) {
                let known = page * PAGE..((page + 1) * PAGE).min(self.bytes.len());
                self.forgotten.entry(page).or_insert_with(|| {
                    let mut old = self.bytes.get(known).map(<[u8]>::to_vec).unwrap_or_default();
                    old.resize(PAGE, 0);
                    old
                });
            }
        }
        self.bytes = now;
    }

    /// The power fails, and the page cache is gone.
    pub(crate) fn power_off(&mut self, unsynced: Unsynced, dice: &mut Dice) {
        let redo = self.undo();
        if let Some(len) = self.forgotten_len.take() {
            self.bytes.resize(len, 0);
        }
        for (page, old) in std::mem::take(&mut self.forgotten) {
            self.put(page * PAGE, &old);
        }
        match unsynced {
            Unsynced::Lost => {}
            Unsynced::Torn => self.keep_prefix(&redo, dice),
            Unsynced::Reordered => self.keep_any(&redo, dice),
        }
        self.holder = None;
        self.warm = DiskPages::default();
    }

    /// A prefix of the changes is on the disk, the last of them in part.
    fn keep_prefix(&mut self, redo: &[Redo], dice: &mut Dice) {
        let kept = dice.random_range(0..=redo.len());
        for (number, change) in redo[..kept].iter().enumerate() {
            match change {
                Redo::Resize { to } => self.bytes.resize(*to, 0),
                Redo::Write { at, data } if number + 1 == kept => {
                    let sectors = dice.random_range(0..=data.len().div_ceil(SECTOR));
                    self.put(*at, &data[..data.len().min(sectors * SECTOR)]);
                }
                Redo::Write { at, data } => self.put(*at, data),
            }
        }
    }

    /// Each sector of each change is on the disk, or not; the length is any that there was.
    fn keep_any(&mut self, redo: &[Redo], dice: &mut Dice) {
        let resized = redo.iter().filter_map(|change| match change {
            Redo::Resize { to } => Some(*to),
            Redo::Write { .. } => None,
        });
        let lens: Vec<usize> = std::iter::once(self.bytes.len()).chain(resized).collect();
        let len = lens[dice.random_range(0..lens.len())];
        // Bytes beyond the length of the end are put, too, so that the dice fall the same way whatever it is.
        self.bytes.resize(lens.into_iter().max().unwrap_or_default(), 0);
        for change in redo {
            let Redo::Write { at, data } = change else { continue };
            for (number, sector) in data.chunks(SECTOR).enumerate() {
                if dice.random_bool(0.5) {
                    self.put(at + number * SECTOR, sector);
                }
            }
        }
        self.bytes.resize(len, 0);
    }

    /// Takes back what is at risk, and tells how to make each change again.
    fn undo(&mut self) -> Vec<Redo> {
        let mut redo = Vec::with_capacity(self.at_risk.len());
        while let Some(change) = self.at_risk.pop() {
            match change {
                DiskChange::Written { at, len } => {
                    redo.push(Redo::Write { at, data: self.bytes[at..at + len].to_vec() });
                    let old = self.old.split_off(self.old.len() - len);
                    self.bytes[at..at + len].copy_from_slice(&old);
                }
                DiskChange::Resized { from, cut } => {
                    redo.push(Redo::Resize { to: self.bytes.len() });
                    self.bytes.resize(from - cut, 0);
                    self.bytes.append(&mut self.old.split_off(self.old.len() - cut));
                    self.bytes.resize(from, 0);
                }
            }
        }
        redo.reverse();
        redo
    }

    /// Puts bytes, as far as the store goes.
    fn put(&mut self, at: usize, data: &[u8]) {
        let end = self.bytes.len().min(at + data.len());
        if at < end {
            self.bytes[at..end].copy_from_slice(&data[..end - at]);
        }
    }

    fn range(&self, offset: u64, len: usize) -> io::Result<Range<usize>> {
        self.within(offset, len).ok_or_else(|| {
            let message = format!("{len} bytes at {offset} lie beyond the store's {} bytes", self.bytes.len());
            io::Error::new(io::ErrorKind::UnexpectedEof, message)
        })
    }

    /// So many bytes from there, unless the store ends before.
    fn within(&self, offset: u64, len: usize) -> Option<Range<usize>> {
        let start = usize::try_from(offset).ok()?;
        Some(start..start.checked_add(len)?).filter(|range| range.end <= self.bytes.len())
    }

    fn pages(&self, start: usize, end: usize) -> Range<usize> {
        start / PAGE..end.div_ceil(PAGE)
    }
}

impl DiskChange {
    /// What it wrote, as far as the store still goes.
    fn written(&self, size: usize) -> Option<Range<usize>> {
        match self {
            DiskChange::Written { at, len } if *at < size => Some(*at..size.min(at + len)),
            DiskChange::Written { .. } | DiskChange::Resized { .. } => None,
        }
    }
}

/// A set of pages, by number.
#[derive(Debug, Default)]
struct DiskPages(Vec<bool>);

impl DiskPages {
    /// Adds pages and tells whether any is new.
    fn insert(&mut self, pages: Range<usize>) -> bool {
        if self.0.len() < pages.end {
            self.0.resize(pages.end, false);
        }
        let mut is_new = false;
        for page in &mut self.0[pages] {
            is_new |= !std::mem::replace(page, true);
        }
        is_new
    }

    fn contains(&self, page: usize) -> bool {
        self.0.get(page).is_some_and(|inside| *inside)
    }

    fn truncate(&mut self, pages: usize) {
        self.0.truncate(pages);
    }
}
