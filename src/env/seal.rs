//! Seals a store: every block of it has a checksum, and a block that does not match its own is an error.
//!
//! Refuses to know what redb keeps in the blocks, except that redb's header is at the start and that its first
//! bytes are its magic number, without which nothing was ever committed.
//!
//! redb (4.5) verifies its checksums when it repairs, not when it reads, and may panic on a page that is not what
//! it wrote. Here the disk is checked instead, whoever reads. On the disk each group of blocks follows a block of
//! their seals:
//!
//! ```text
//!   seals 0 | block 0 (header) | block 1 | … | block 503 | seals 504 | block 504 | …
//! ```
//!
//! What the power cuts short must not look corrupt. A disk writes a sector whole or not at all, so:
//! - the header and its seal share one sector;
//! - the seals of other blocks are written before the sync that keeps the blocks, in sectors with seals of their
//!   own. redb overwrites no block that a commit leads to, and reads no block of a commit that was never kept, so
//!   a block that was cut short and its seal may differ and nobody sees it.
//!
//! A seal is made so that zeros are the seal of zeros, because a store grows by zeros.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;
use xxhash_rust::xxh3::xxh3_64;

use crate::env::Disk;

/// redb's page size, and that of the page cache below.
const BLOCK: usize = 4096;
/// What a disk writes whole or not at all: the smallest sector in use.
const SECTOR: usize = 512;
/// A seal is 64 bits of XXH3: a wrong bit is always seen, wild bytes pass once in 2^64.
const SEAL: usize = 8;
/// The last seal of a sector is that of the sector itself.
const SEALS_OF_SECTOR: usize = SECTOR / SEAL - 1;
/// So many blocks follow their block of seals.
const GROUP: usize = (BLOCK / SECTOR) * SEALS_OF_SECTOR;
/// What the header may fill: its sector without its seal. redb's header has 320 bytes.
const HEADER: usize = SECTOR - SEAL;

/// A sealed store on a disk.
#[derive(Debug)]
pub(crate) struct Sealed {
    store: String,
    disk: Disk,
    seals: Mutex<Seals>,
}

#[derive(Debug)]
struct Seals {
    /// The header's sector as it was last written, seal included.
    header: [u8; SECTOR],
    /// The seal of each block; that of block 0 is in the header.
    of_block: Vec<u64>,
    /// Sectors of seals that are newer here than on the disk.
    unwritten: BTreeSet<usize>,
}

impl Sealed {
    /// Opens the store on that disk. One whose creation was cut short is empty.
    pub(crate) fn open(store: &str, disk: Disk) -> io::Result<Self> {
        let sealed = Sealed {
            store: store.to_owned(),
            disk,
            seals: Mutex::new(Seals { header: [0; SECTOR], of_block: Vec::new(), unwritten: BTreeSet::new() }),
        };
        sealed.load().inspect_err(|_| {
            // Nobody else will: redb never sees this disk.
            sealed.disk.close().ok();
        })?;
        Ok(sealed)
    }

    fn load(&self) -> io::Result<()> {
        let len = self.disk.len()?;
        if len == 0 {
            return Ok(());
        }
        if !len.is_multiple_of(BLOCK as u64) {
            return Err(self.corrupt(format_args!("its length of {len} bytes is not of whole blocks")));
        }
        let blocks = sealed_blocks(count(len / BLOCK as u64)?);
        // redb writes its magic number last, so without it nothing was ever kept.
        if blocks == 0 || !self.load_header()? {
            self.seals().header = [0; SECTOR];
            return self.disk.set_len(0);
        }
        let mut seals = self.seals();
        let mut block = [0; BLOCK];
        for first in (0..blocks).step_by(GROUP) {
            self.disk.read(position(first) - BLOCK as u64, &mut block)?;
            for sector in block.as_chunks::<SECTOR>().0 {
                self.check_sector(sector, format_args!("a sector of the seals from block {first} on"))?;
                let read = sector[..HEADER].chunks_exact(SEAL).map(|seal| u64::from_le_bytes(whole(seal)));
                seals.of_block.extend(read);
            }
        }
        seals.of_block.truncate(blocks);
        Ok(())
    }

    /// Loads the header, and tells whether there is one.
    fn load_header(&self) -> io::Result<bool> {
        let mut block = [0; BLOCK];
        self.disk.read(position(0), &mut block)?;
        let mut seals = self.seals();
        seals.header.copy_from_slice(&block[..SECTOR]);
        self.check_sector(&seals.header, format_args!("its header"))?;
        Ok(seals.header[0] != 0)
    }

    fn check_sector(&self, sector: &[u8; SECTOR], what: std::fmt::Arguments<'_>) -> io::Result<()> {
        let (content, seal) = sector.split_at(HEADER);
        if u64::from_le_bytes(whole(seal)) == seal_of(content) {
            return Ok(());
        }
        Err(self.corrupt(format_args!("{what} does not match its checksum")))
    }

    /// Reads whole blocks, none of them the header's.
    fn read_blocks(&self, first: usize, out: &mut [u8]) -> io::Result<()> {
        let blocks = self.known(first, out.len() / BLOCK)?;
        for run in runs(blocks) {
            let bytes = (run.start - first) * BLOCK..(run.end - first) * BLOCK;
            self.disk.read(position(run.start), &mut out[bytes])?;
        }
        let seals = self.seals();
        for (number, block) in (first..).zip(out.chunks_exact(BLOCK)) {
            if seals.of_block.get(number) != Some(&seal_of(block)) {
                return Err(self.corrupt(format_args!("its block {number} does not match its checksum")));
            }
        }
        Ok(())
    }

    /// Reads the block of the header, whose rest is zeros.
    fn read_header(&self) -> io::Result<[u8; BLOCK]> {
        self.known(0, 1)?;
        let mut block = [0; BLOCK];
        self.disk.read(position(0), &mut block)?;
        if block[..SECTOR] != self.seals().header || block[SECTOR..].iter().any(|byte| *byte != 0) {
            return Err(self.corrupt(format_args!("its header does not match its checksum")));
        }
        block[HEADER..SECTOR].fill(0);
        Ok(block)
    }

    fn write_blocks(&self, first: usize, data: &[u8]) -> io::Result<()> {
        let blocks = self.known(first, data.len() / BLOCK)?;
        let mut seals = self.seals();
        for run in runs(blocks) {
            let bytes = (run.start - first) * BLOCK..(run.end - first) * BLOCK;
            self.disk.write(position(run.start), &data[bytes])?;
        }
        for (number, block) in (first..).zip(data.chunks_exact(BLOCK)) {
            seals.of_block[number] = seal_of(block);
            seals.unwritten.insert(number / SEALS_OF_SECTOR);
        }
        Ok(())
    }

    /// Writes a part of the header, with its new seal in the same sector.
    fn write_header(&self, offset: usize, data: &[u8]) -> io::Result<()> {
        self.known(0, 1)?;
        let mut seals = self.seals();
        let end = offset + data.len();
        if end > HEADER {
            let what = format!("a header of {end} bytes does not fit into the {HEADER} bytes that are sealed");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        seals.header[offset..end].copy_from_slice(data);
        let seal = seal_of(&seals.header[..HEADER]);
        seals.header[HEADER..].copy_from_slice(&seal.to_le_bytes());
        self.disk.write(position(0), &seals.header)
    }

    /// The blocks from `first` on, if the store has them.
    fn known(&self, first: usize, number: usize) -> io::Result<Range<usize>> {
        let (end, has) = (first + number, self.seals().of_block.len());
        if end <= has {
            return Ok(first..end);
        }
        let what = format!("the store `{}` has {has} blocks, and not block {end}", self.store);
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, what))
    }

    fn corrupt(&self, what: std::fmt::Arguments<'_>) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, format!("the store `{}` is corrupt: {what}", self.store))
    }

    /// A panic under the lock leaves seals behind that fit no block: an error, never other data.
    fn seals(&self) -> MutexGuard<'_, Seals> {
        self.seals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StorageBackend for Sealed {
    fn len(&self) -> io::Result<u64> {
        Ok((self.seals().of_block.len() * BLOCK) as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (first, within) = place(offset)?;
        if first == 0 && within + out.len() <= BLOCK {
            out.copy_from_slice(&self.read_header()?[within..within + out.len()]);
            return Ok(());
        }
        if first > 0 && within == 0 && out.len().is_multiple_of(BLOCK) {
            return self.read_blocks(first, out);
        }
        Err(unaligned("read", offset, out.len()))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let (blocks, within) = place(len)?;
        if within > 0 {
            return Err(unaligned("grow to", len, 0));
        }
        let mut seals = self.seals();
        self.disk.set_len((raw_blocks(blocks) * BLOCK) as u64)?;
        // What is cut off and grows again is zeros, so the seals of the cut must not stay on the disk.
        if blocks < seals.of_block.len() {
            let end = blocks.div_ceil(GROUP) * (BLOCK / SECTOR);
            seals.unwritten.retain(|sector| *sector < end);
            seals.unwritten.extend(blocks / SEALS_OF_SECTOR..end);
        }
        seals.of_block.resize(blocks, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        {
            let mut seals = self.seals();
            for number in std::mem::take(&mut seals.unwritten) {
                self.disk.write(seals_position(number), &seals.sector(number))?;
            }
        }
        self.disk.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let (first, within) = place(offset)?;
        if first == 0 && within + data.len() <= BLOCK {
            return self.write_header(within, data);
        }
        if first > 0 && within == 0 && data.len().is_multiple_of(BLOCK) {
            return self.write_blocks(first, data);
        }
        Err(unaligned("write", offset, data.len()))
    }

    fn close(&self) -> io::Result<()> {
        self.disk.close()
    }
}

impl Seals {
    fn sector(&self, number: usize) -> [u8; SECTOR] {
        let mut sector = [0; SECTOR];
        let from = number * SEALS_OF_SECTOR;
        let seals = self.of_block.iter().skip(from).take(SEALS_OF_SECTOR);
        for (place, seal) in sector.chunks_exact_mut(SEAL).zip(seals) {
            place.copy_from_slice(&seal.to_le_bytes());
        }
        let own = seal_of(&sector[..HEADER]);
        sector[HEADER..].copy_from_slice(&own.to_le_bytes());
        sector
    }
}

/// Zero for zeros, as far as lengths in use go: those of a block and of a sector's content.
fn seal_of(bytes: &[u8]) -> u64 {
    const ZEROS_OF_BLOCK: u64 = xxhash_rust::const_xxh3::xxh3_64(&[0; BLOCK]);
    const ZEROS_OF_CONTENT: u64 = xxhash_rust::const_xxh3::xxh3_64(&[0; HEADER]);
    xxh3_64(bytes) ^ if bytes.len() == BLOCK { ZEROS_OF_BLOCK } else { ZEROS_OF_CONTENT }
}

/// The block at a place of the store, and the offset within it.
fn place(offset: u64) -> io::Result<(usize, usize)> {
    let offset = count(offset)?;
    Ok((offset / BLOCK, offset % BLOCK))
}

fn count(number: u64) -> io::Result<usize> {
    usize::try_from(number).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))
}

fn unaligned(act: &str, offset: u64, len: usize) -> io::Error {
    let what = format!("cannot {act} {len} bytes at {offset}: a sealed store is of whole blocks of {BLOCK} bytes");
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

/// Where a block lies on the disk.
fn position(block: usize) -> u64 {
    ((block + block / GROUP + 1) * BLOCK) as u64
}

/// Where a sector of seals lies on the disk.
fn seals_position(sector: usize) -> u64 {
    let sectors_of_group = BLOCK / SECTOR;
    let group = sector / sectors_of_group;
    (group * (GROUP + 1) * BLOCK + sector % sectors_of_group * SECTOR) as u64
}

/// How many blocks of the disk hold so many sealed ones.
fn raw_blocks(blocks: usize) -> usize {
    blocks + blocks.div_ceil(GROUP)
}

/// How many sealed blocks so many blocks of the disk hold.
fn sealed_blocks(raw: usize) -> usize {
    raw - raw.div_ceil(GROUP + 1)
}

/// The parts of a range of blocks that lie on the disk in one piece.
fn runs(blocks: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let mut start = blocks.start;
    std::iter::from_fn(move || {
        let end = blocks.end.min((start / GROUP + 1) * GROUP);
        let run = (start < end).then_some(start..end);
        start = end;
        run
    })
}

fn whole(seal: &[u8]) -> [u8; SEAL] {
    seal.try_into().expect("a seal's place has a seal's size")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::fake_disk::FakeDisk;

    const BLOCKS: usize = 2 * GROUP + 3;
    const MAGIC: &[u8] = b"redb";

    fn open(disk: &FakeDisk) -> io::Result<Sealed> {
        Sealed::open("log", disk.open())
    }

    /// A store of three groups with a header, and blocks around the seam of the first two.
    fn store() -> (FakeDisk, Sealed, Vec<u8>) {
        let disk = FakeDisk::default();
        let sealed = open(&disk).expect("an empty disk");
        sealed.set_len((BLOCKS * BLOCK) as u64).expect("room");
        let data: Vec<u8> = (0..4 * BLOCK).map(|n| (n % 251) as u8).collect();
        sealed.write(0, MAGIC).expect("the header");
        sealed.write(((GROUP - 2) * BLOCK) as u64, &data).expect("whole blocks");
        sealed.sync_data().expect("a good disk");
        (disk, sealed, data)
    }

    fn read(sealed: &Sealed, block: usize, blocks: usize) -> io::Result<Vec<u8>> {
        let mut out = vec![9; blocks * BLOCK];
        sealed.read((block * BLOCK) as u64, &mut out).map(|()| out)
    }

    #[test]
    fn a_store_is_the_same_after_it_is_opened_again_also_across_groups() {
        let (disk, before, data) = store();
        let after = open(&disk).expect("a whole store");
        for sealed in [before, after] {
            assert_eq!(sealed.len().expect("a length"), (BLOCKS * BLOCK) as u64);
            assert_eq!(read(&sealed, GROUP - 2, 4).expect("whole"), data);
            assert_eq!(read(&sealed, BLOCKS - 1, 1).expect("whole"), vec![0; BLOCK]);
            let mut header = [9; 6];
            sealed.read(0, &mut header).expect("whole");
            assert_eq!(&header, b"redb\0\0");
        }
    }

    #[test]
    fn a_wrong_bit_in_a_block_the_header_or_the_seals_is_named() {
        let wrong = |place: u64, what: &str| {
            let (disk, sealed, _) = store();
            disk.flip(usize::try_from(place).expect("a small disk"));
            let error = read(&sealed, GROUP - 2, 4).and_then(|_| open(&disk)).expect_err("a wrong bit");
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert!(error.to_string().starts_with(&format!("the store `log` is corrupt: {what}")), "{error}");
        };
        wrong(position(GROUP - 1) + 77, &format!("its block {} does not match", GROUP - 1));
        wrong(position(GROUP) + 77, &format!("its block {GROUP} does not match"));
        wrong(position(0) + 2, "its header does not match");
        wrong(position(0) + HEADER as u64, "its header does not match");
        wrong(position(GROUP) - 1, &format!("a sector of the seals from block {GROUP} on"));
    }

    #[test]
    fn a_store_whose_creation_was_cut_short_is_empty() {
        let disk = FakeDisk::default();
        open(&disk).expect("an empty disk").set_len((BLOCKS * BLOCK) as u64).expect("room");
        assert_eq!(open(&disk).and_then(|sealed| sealed.len()).expect("an empty store"), 0);
        assert_eq!(disk.len().expect("in memory"), 0);
    }

    #[test]
    fn what_is_cut_off_and_grows_again_is_zeros() {
        let (disk, sealed, _) = store();
        sealed.set_len(((GROUP - 1) * BLOCK) as u64).expect("shorter");
        sealed.set_len((BLOCKS * BLOCK) as u64).expect("longer");
        sealed.sync_data().expect("a good disk");
        let again = open(&disk).expect("a whole store");
        for sealed in [sealed, again] {
            assert_eq!(read(&sealed, GROUP - 1, 3).expect("whole"), vec![0; 3 * BLOCK]);
        }
    }

    #[test]
    fn what_is_no_sealed_store_is_refused_and_left_as_it_is() {
        for foreign in [&b"a text"[..], &[b'x'; 3 * BLOCK]] {
            let disk = FakeDisk::default();
            disk.set_len(foreign.len() as u64).expect("in memory");
            disk.write(0, foreign).expect("in memory");
            assert_eq!(open(&disk).expect_err("foreign").kind(), io::ErrorKind::InvalidData);
            assert_eq!(disk.len().expect("in memory"), foreign.len() as u64);
        }
    }

    #[test]
    fn parts_of_blocks_and_what_lies_beyond_the_end_are_refused() {
        let (_, sealed, _) = store();
        for (offset, len) in [(BLOCK + 1, BLOCK), (BLOCK, 7), (0, 2 * BLOCK), (BLOCKS * BLOCK, BLOCK)] {
            assert!(sealed.read(offset as u64, &mut vec![0; len]).is_err(), "read {len} at {offset}");
            assert!(sealed.write(offset as u64, &vec![0; len]).is_err(), "write {len} at {offset}");
        }
        assert!(sealed.write(0, &[1; HEADER + 1]).is_err(), "a header that reaches its own seal");
        assert!(sealed.set_len(77).is_err());
    }
}
