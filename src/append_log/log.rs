//! The log: frames of records, appended, opened and read.
//!
//! Refuses to know what a record means.

use std::io;
use std::sync::{Mutex, PoisonError};

use bytes::{Buf, BufMut, Bytes};
use xxhash_rust::xxh3::xxh3_64;

use crate::append_log::sector::{ROOM, SECTOR, SectorKind, SectorReader, altered, corrupt, seal_all, unseal};
use crate::env::Disk;

/// How a frame's first sector begins: this format, and its version.
const MAGIC: &[u8; 4] = b"PLS1";
/// The magic, which store it is (its name's hash), the frame's number, how many bytes of records follow, and their checksum.
const HEAD: usize = 4 + 4 * 8;
/// Before each record is its length.
const LENGTH: usize = 4;
/// How many sectors are read at once for a record: 8 KiB, so that neighbors come along.
const WINDOW: u64 = 16;

/// Where a record lies: how many bytes of sectors, without their seals, are before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordPlace(pub(crate) u64);

/// An open log.
#[derive(Debug)]
pub struct AppendLog {
    store: String,
    disk: Disk,
    /// How many sectors the frames fill.
    sectors: u64,
    /// How many frames there are, and so the number of the next.
    frames: u64,
    /// What was appended may be there or not, until the log is opened again.
    failed: bool,
    window: Mutex<ReadWindow>,
}

/// The sectors that were read last, without their seals.
#[derive(Debug, Default)]
struct ReadWindow {
    first: u64,
    content: Vec<u8>,
    /// As they were read; its room is used again.
    sealed: Vec<u8>,
}

/// The head of a frame of this store.
#[derive(Clone, Copy)]
struct FrameHead {
    number: u64,
    len: u64,
    check: u64,
}

/// How the reading of a frame ended.
enum FrameFound {
    Whole(FrameHead, Bytes),
    CutShort,
}

impl AppendLog {
    /// Opens the log on that disk, or begins one, and shows each record to `each`, in the order in which they were appended.
    ///
    /// # Errors
    /// The disk fails, or holds something else, or is corrupt (`InvalidData`, which names the store and the sector); or `each` does.
    pub fn open<E: From<io::Error>>(
        store: &str,
        disk: Disk,
        mut each: impl FnMut(RecordPlace, Bytes) -> Result<(), E>,
    ) -> Result<Self, E> {
        let len = disk.len()?;
        check_beginning(store, &disk, len)?;
        let (mut sectors, mut frames, mut last) = (0, 0, None);
        let mut reader = SectorReader::new(store, &disk, len / SECTOR as u64);
        while sectors < reader.count {
            match read_frame(&mut reader, sectors, frames)? {
                FrameFound::Whole(head, records) => {
                    show(store, sectors, &records, &mut each)?;
                    let begin = sectors;
                    sectors += sectors_of(records.len());
                    frames += 1;
                    last = Some((begin, head, records));
                }
                FrameFound::CutShort => break,
            }
        }
        check_rest(&mut reader, sectors, frames)?;
        let mut log =
            AppendLog { store: store.to_owned(), disk, sectors, frames, failed: false, window: Mutex::default() };
        if len > 0 {
            log.settle(last, len)?;
        }
        Ok(log)
    }

    /// Cuts off what was cut short, and makes sure of the last frame.
    fn settle(&mut self, last: Option<(u64, FrameHead, Bytes)>, len: u64) -> io::Result<()> {
        let end = self.sectors * SECTOR as u64;
        if end < len {
            tracing::warn!(
                store = self.store,
                bytes = len - end,
                "the end of a store is not whole, and is cut off: nobody was told that it is stored, unless it was altered since"
            );
            self.disk.set_len(end)?;
        }
        if let Some((begin, head, records)) = last {
            // What was read and checked, and not what a disk would give a second time.
            let mut content = vec![0; HEAD];
            head.write(&self.store, &mut content);
            content.extend_from_slice(&records);
            self.disk.write(begin * SECTOR as u64, &seal_all(&content, begin))?;
        }
        self.disk.sync()
    }

    /// Stores the records, all or none, and tells where each lies. When it returns, they are durable.
    ///
    /// # Errors
    /// The disk fails. Where the log [has failed](AppendLog::has_failed), it must be opened again, and then it holds all of them, or
    /// none; otherwise it holds none, and can be used as before.
    pub fn append(&mut self, records: &[Vec<u8>]) -> io::Result<Vec<RecordPlace>> {
        self.store_frame(records, |disk| disk.sync())
    }

    /// As [`AppendLog::append`], and a loss of power takes them: what a planted bug does.
    pub(crate) fn append_unsynced(&mut self, records: &[Vec<u8>]) -> io::Result<Vec<RecordPlace>> {
        self.store_frame(records, |_| Ok(()))
    }

    fn store_frame(
        &mut self,
        records: &[Vec<u8>],
        sync: impl FnOnce(&Disk) -> io::Result<()>,
    ) -> io::Result<Vec<RecordPlace>> {
        if self.failed {
            return Err(io::Error::other(format!("the store `{}` has failed, and was not opened again", self.store)));
        }
        let (content, places) = self.lay_out(records)?;
        let sealed = seal_all(&content, self.sectors);
        let end = self.sectors * SECTOR as u64;
        self.failed = true;
        if let Err(error) = self.disk.write(end, &sealed) {
            // Any part of it may be there. Where that is cut off for good, the log is as it was.
            self.failed = self.disk.set_len(end).and_then(|()| self.disk.sync()).is_err();
            return Err(error);
        }
        sync(&self.disk)?;
        self.failed = false;
        self.sectors += (sealed.len() / SECTOR) as u64;
        self.frames += 1;
        Ok(places)
    }

    /// Whether nobody knows what it holds, until it is opened again.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// How many appends it holds.
    pub(crate) fn appends(&self) -> u64 {
        self.frames
    }

    /// Forgets everything; the log begins anew.
    ///
    /// # Errors
    /// The disk fails; the log must be opened again, and then it holds everything still, or nothing.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.failed = true;
        self.disk.set_len(0)?;
        self.disk.sync()?;
        self.failed = false;
        (self.sectors, self.frames) = (0, 0);
        self.window = Mutex::default();
        Ok(())
    }

    /// The content of the next frame, and where its records lie.
    fn lay_out(&self, records: &[Vec<u8>]) -> io::Result<(Vec<u8>, Vec<RecordPlace>)> {
        let len = HEAD + records.iter().map(|record| LENGTH + record.len()).sum::<usize>();
        let mut content = Vec::with_capacity(len);
        content.resize(HEAD, 0);
        let mut places = Vec::with_capacity(records.len());
        for record in records {
            places.push(RecordPlace(self.sectors * ROOM as u64 + content.len() as u64));
            content.put_u32_le(u32::try_from(record.len()).map_err(|_| io::ErrorKind::FileTooLarge)?);
            content.put_slice(record);
        }
        let (place, records) = content.split_at_mut(HEAD);
        let head = FrameHead { number: self.frames, len: records.len() as u64, check: xxh3_64(records) };
        head.write(&self.store, place);
        Ok((content, places))
    }

    /// The record at that place, which this log has told.
    ///
    /// # Errors
    /// The disk fails, or what it holds is not what was stored (`InvalidData`, which names the store and the sector).
    pub fn read(&self, place: RecordPlace) -> io::Result<Vec<u8>> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let mut length = [0; LENGTH];
        self.fill(&mut window, place.0, &mut length)?;
        let len = u32::from_le_bytes(length) as usize;
        let begin = place.0 + LENGTH as u64;
        if begin + len as u64 > self.sectors * ROOM as u64 {
            return Err(corrupt(&self.store, format_args!("a record at byte {} ends nowhere", place.0)));
        }
        let mut record = vec![0; len];
        self.fill(&mut window, begin, &mut record)?;
        Ok(record)
    }

    /// Fills `out` from that byte of the sectors' content on.
    fn fill(&self, window: &mut ReadWindow, mut from: u64, mut out: &mut [u8]) -> io::Result<()> {
        while !out.is_empty() {
            let held = window.first * ROOM as u64..window.first * ROOM as u64 + window.content.len() as u64;
            if !held.contains(&from) {
                self.load(window, from / ROOM as u64)?;
                continue;
            }
            let at = usize::try_from(from - held.start).map_err(|_| io::ErrorKind::FileTooLarge)?;
            let part = out.len().min(window.content.len() - at);
            out[..part].copy_from_slice(&window.content[at..at + part]);
            out = &mut out[part..];
            from += part as u64;
        }
        Ok(())
    }

    fn load(&self, window: &mut ReadWindow, first: u64) -> io::Result<()> {
        let count = WINDOW.min(self.sectors.saturating_sub(first));
        if count == 0 {
            return Err(corrupt(&self.store, format_args!("it ends before its sector {first}")));
        }
        let ReadWindow { first: held, content: read, sealed } = window;
        read.clear();
        *held = first;
        sealed.resize(usize::try_from(count).map_err(|_| io::ErrorKind::FileTooLarge)? * SECTOR, 0);
        self.disk.read(first * SECTOR as u64, sealed)?;
        for (sector, number) in sealed.chunks_exact(SECTOR).zip(first..) {
            match unseal(sector, number) {
                Some((SectorKind::First | SectorKind::Following, content)) => read.extend_from_slice(content),
                Some((SectorKind::Unwritten, _)) | None => {
                    read.clear();
                    return Err(altered(&self.store, number));
                }
            }
        }
        Ok(())
    }
}

/// How many sectors a frame of so many bytes of records fills.
fn sectors_of(records: usize) -> u64 {
    (HEAD + records).div_ceil(ROOM) as u64
}

impl FrameHead {
    /// None, where it is of another format, or of another store.
    fn read(store: &str, mut content: &[u8]) -> Option<Self> {
        let is_ours = content.split_off(..MAGIC.len())? == MAGIC && content.get_u64_le() == xxh3_64(store.as_bytes());
        is_ours.then(|| FrameHead {
            number: content.get_u64_le(),
            len: content.get_u64_le(),
            check: content.get_u64_le(),
        })
    }

    fn write(self, store: &str, mut place: &mut [u8]) {
        place.put_slice(MAGIC);
        place.put_u64_le(xxh3_64(store.as_bytes()));
        place.put_u64_le(self.number);
        place.put_u64_le(self.len);
        place.put_u64_le(self.check);
    }

    /// How many sectors its frame fills; none, where no store could be so long.
    fn sectors(self) -> Option<u64> {
        Some(self.len.checked_add(HEAD as u64)?.div_ceil(ROOM as u64))
    }
}

/// Refuses what does not begin as a log does, and leaves it as it is; zeros are a log whose first frame was never written.
fn check_beginning(store: &str, disk: &Disk, len: u64) -> io::Result<()> {
    let mut begins = vec![0; usize::try_from(len).map_or(MAGIC.len(), |len| len.min(MAGIC.len()))];
    disk.read(0, &mut begins)?;
    if MAGIC.starts_with(&begins) || begins.iter().all(|byte| *byte == 0) {
        return Ok(());
    }
    let what = format!("the store `{store}` is of another format, or corrupt: it does not begin with PLS1");
    Err(io::Error::new(io::ErrorKind::InvalidData, what))
}

/// The records of the frame of that number, which begins there.
fn read_frame(reader: &mut SectorReader<'_>, first: u64, number: u64) -> io::Result<FrameFound> {
    let (store, count) = (reader.store, reader.count);
    let (kind, content) = reader.sector(first)?;
    if kind != SectorKind::First {
        return Ok(FrameFound::CutShort);
    }
    let head = FrameHead::read(store, content).filter(|head| head.number == number);
    let Some(head) = head else { return Ok(FrameFound::CutShort) };
    let Some(end) = head.sectors().and_then(|sectors| first.checked_add(sectors)).filter(|end| *end <= count) else {
        return Ok(FrameFound::CutShort);
    };
    let mut records = Vec::with_capacity(usize::try_from((end - first) * ROOM as u64).unwrap_or_default());
    records.extend_from_slice(&content[HEAD..]);
    for sector in first + 1..end {
        let (kind, content) = reader.sector(sector)?;
        if kind != SectorKind::Following {
            return Ok(FrameFound::CutShort);
        }
        records.extend_from_slice(content);
    }
    records.truncate(usize::try_from(head.len).unwrap_or(usize::MAX));
    // Whole sectors of two frames: one was cut off, and what took its place was cut short, too.
    if xxh3_64(&records) != head.check {
        return Ok(FrameFound::CutShort);
    }
    Ok(FrameFound::Whole(head, records.into()))
}

/// Shows the records of a frame that begins at that sector.
fn show<E: From<io::Error>>(
    store: &str,
    first: u64,
    records: &Bytes,
    each: &mut impl FnMut(RecordPlace, Bytes) -> Result<(), E>,
) -> Result<(), E> {
    let begin = first * ROOM as u64 + HEAD as u64;
    let mut at = 0;
    while at < records.len() {
        let place = RecordPlace(begin + at as u64);
        let length = records.get(at..at + LENGTH).map(|mut length| length.get_u32_le() as usize);
        let end = length.map(|len| at + LENGTH + len).filter(|end| *end <= records.len());
        let Some(end) = end else {
            return Err(corrupt(store, format_args!("a record at byte {} ends nowhere", place.0)).into());
        };
        each(place, records.slice(at + LENGTH..end))?;
        at = end;
    }
    Ok(())
}

/// What lies behind the last whole frame can only be a part of the next one: nothing is begun before what precedes it is synced.
fn check_rest(reader: &mut SectorReader<'_>, end: u64, frames: u64) -> io::Result<()> {
    let store = reader.store;
    for number in end..reader.count {
        let (kind, content) = reader.sector(number)?;
        let head = match kind {
            SectorKind::First => FrameHead::read(store, content),
            SectorKind::Unwritten | SectorKind::Following => continue,
        };
        match head {
            Some(head) if number == end && head.number == frames => {}
            Some(head) => {
                let what = format_args!(
                    "frame {frames} should be at its sector {end}, and frame {} is at {number}",
                    head.number
                );
                return Err(corrupt(store, what));
            }
            None => {
                return Err(corrupt(
                    store,
                    format_args!("its sector {number} is of another format, or another store's"),
                ));
            }
        }
    }
    Ok(())
}
