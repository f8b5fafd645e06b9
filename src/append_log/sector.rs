//! Sectors: 504 bytes, and a seal that says whether they are those that were written there.
//!
//! Refuses to know what fills them.

use std::io;

use xxhash_rust::xxh3::xxh3_64;

use crate::env::Disk;

/// What a disk writes whole or not at all: the smallest sector in use.
pub(super) const SECTOR: usize = 512;
const SEAL: usize = 8;
/// What a sector holds beside its seal.
pub(super) const ROOM: usize = SECTOR - SEAL;
/// How many sectors are read at once from beginning to end: 256 KiB.
const AHEAD: u64 = 512;

/// What a sector is, by its seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SectorKind {
    /// Zeros: never written.
    Unwritten,
    /// The first of a frame.
    First,
    /// Another of a frame.
    Following,
}

/// A seal is 64 bits of XXH3: a wrong bit is always seen, wild bytes pass once in 2^63. It holds for one place and one
/// kind, so that what lies elsewhere, or begins what it does not, is wrong, too.
fn seal(content: &[u8], number: u64, kind: SectorKind) -> u64 {
    xxh3_64(content) ^ mark(number, kind)
}

/// What a seal has of a place and a kind.
fn mark(number: u64, kind: SectorKind) -> u64 {
    /// An odd number (2^64 by the golden ratio) spreads consecutive ones over all bits.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    (number * 2 + u64::from(kind == SectorKind::First) + 1).wrapping_mul(SPREAD)
}

/// Seals `content` into the sectors from `first` on, the last one filled up with zeros.
pub(super) fn seal_all(content: &[u8], first: u64) -> Vec<u8> {
    let mut sectors = Vec::with_capacity(content.len().div_ceil(ROOM) * SECTOR);
    let mut kind = SectorKind::First;
    for (part, number) in content.chunks(ROOM).zip(first..) {
        let begin = sectors.len();
        sectors.extend_from_slice(part);
        sectors.resize(begin + ROOM, 0);
        let seal = seal(&sectors[begin..], number, kind);
        sectors.extend_from_slice(&seal.to_le_bytes());
        kind = SectorKind::Following;
    }
    sectors
}

/// What a sector is and holds; none, if it is not what was written there.
pub(super) fn unseal(sector: &[u8], number: u64) -> Option<(SectorKind, &[u8])> {
    let (content, sealed) = sector.split_at(ROOM);
    if sector == [0; SECTOR] {
        return Some((SectorKind::Unwritten, content));
    }
    let sealed = u64::from_le_bytes(sealed.try_into().ok()?);
    let marked = sealed ^ xxh3_64(content);
    let kind = [SectorKind::First, SectorKind::Following].into_iter().find(|kind| marked == mark(number, *kind))?;
    Some((kind, content))
}

/// An error that names the store.
pub(super) fn corrupt(store: &str, what: std::fmt::Arguments<'_>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the store `{store}` is corrupt: {what}"))
}

/// An error that names the store and the sector.
pub(super) fn altered(store: &str, number: u64) -> io::Error {
    corrupt(store, format_args!("its sector {number} does not match its checksum"))
}

/// Sectors one after the other, of which many are read at once.
pub(super) struct SectorReader<'d> {
    pub(super) store: &'d str,
    disk: &'d Disk,
    /// How many there are.
    pub(super) count: u64,
    first: u64,
    read: Vec<u8>,
}

impl<'d> SectorReader<'d> {
    pub(super) fn new(store: &'d str, disk: &'d Disk, count: u64) -> Self {
        SectorReader { store, disk, count, first: 0, read: Vec::new() }
    }

    /// The sector of that number, which there is.
    pub(super) fn sector(&mut self, number: u64) -> io::Result<(SectorKind, &[u8])> {
        let held = self.first..self.first + (self.read.len() / SECTOR) as u64;
        if !held.contains(&number) {
            let count = AHEAD.min(self.count - number);
            self.read.resize(usize::try_from(count).unwrap_or(usize::MAX) * SECTOR, 0);
            self.first = number;
            self.disk.read(number * SECTOR as u64, &mut self.read)?;
        }
        let at = usize::try_from(number - self.first).unwrap_or(usize::MAX) * SECTOR;
        unseal(&self.read[at..at + SECTOR], number).ok_or_else(|| altered(self.store, number))
    }
}
