//! Promises of a database on a disk: whatever the disk does, it serves what was committed, or an error.

use std::sync::atomic::{AtomicU32, Ordering};

use rand::RngExt;
use redb::{Builder, Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition};

use super::*;
use crate::env::begin_write;

const TABLE: TableDefinition<u64, &[u8]> = TableDefinition::new("records");
/// Small, so that reads reach the disk.
const CACHE_BYTES: usize = 64 << 10;

type Records = Vec<(u64, Vec<u8>)>;

fn open(disk: Disk) -> Result<Database, redb::Error> {
    Ok(disk.database("log", Builder::new().set_cache_size(CACHE_BYTES))?)
}

/// Adds the records of one commit; some are longer than a page.
fn commit(database: &Database, round: u64) -> Result<(), redb::Error> {
    let transaction = begin_write(database)?;
    {
        let mut table = transaction.open_table(TABLE)?;
        for key in round * 7..(round + 1) * 7 {
            table.insert(key, value(key).as_slice())?;
        }
        table.remove(round * 7 / 2)?;
    }
    Ok(transaction.commit()?)
}

fn value(key: u64) -> Vec<u8> {
    let len = if key.is_multiple_of(13) { 9_000 } else { 300 };
    key.to_le_bytes().into_iter().cycle().take(len).collect()
}

/// What is there after so many commits.
fn expected(rounds: u64) -> Records {
    let removed: Vec<u64> = (0..rounds).map(|round| round * 7 / 2).collect();
    (0..rounds * 7).filter(|key| !removed.contains(key)).map(|key| (key, value(key))).collect()
}

fn read_all(database: &Database) -> Result<Records, redb::Error> {
    let table = match database.begin_read()?.open_table(TABLE) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Records::new()),
        Err(error) => return Err(error.into()),
    };
    let mut records = Records::new();
    for entry in table.iter()? {
        let (key, value) = entry?;
        records.push((key.value(), value.value().to_vec()));
    }
    Ok(records)
}

/// The bytes of a store after some commits; its process closed it, or was killed.
fn store_of(rounds: u64, closes: bool) -> Vec<u8> {
    let (mut disks, process) = (Disks::new(1, "node"), Process::begin());
    let database = open(disks.open("log", &process).expect("opened")).expect("an empty disk");
    (0..rounds).for_each(|round| commit(&database, round).expect("a good disk"));
    if !closes {
        process.die();
    }
    drop(database);
    let store = lock(&disks.stores["log"]);
    store.bytes().to_vec()
}

fn disks_with(bytes: Vec<u8>) -> Disks {
    let mut disks = Disks::new(1, "node");
    disks.stores.insert("log".to_owned(), Arc::new(Mutex::new(Store::holding(bytes))));
    disks
}

#[test]
fn a_wrong_bit_anywhere_is_an_error_or_nothing_and_never_other_data() {
    const ROUNDS: u64 = 12;
    let whole = expected(ROUNDS);
    let (mut errors, mut dice) = (0, Dice::named(1, &Die::Test("bits")));
    for closes in [true, false] {
        let bytes = store_of(ROUNDS, closes);
        let used: Vec<usize> = (0..bytes.len() / 512).filter(|n| bytes[n * 512..][..512] != [0; 512]).collect();
        assert!(used.len() > 200, "a store of {} sectors is too small to prove anything", used.len());
        let in_header = (4096..4096 + 512).map(|byte| (byte, 3));
        let sectors = used.iter().flat_map(|sector| [*sector; 2]);
        let anywhere: Vec<_> =
            sectors.map(|sector| (sector * 512 + dice.random_range(0..512), dice.random_range(0..8))).collect();
        for (byte, bit) in in_header.chain(anywhere) {
            let mut rotten = bytes.clone();
            rotten[byte] ^= 1 << bit;
            let disk = disks_with(rotten).open("log", &Process::begin()).expect("opened");
            match open(disk).and_then(|database| read_all(&database)) {
                Ok(records) => assert!(records == whole, "other data after bit {bit} of byte {byte} was flipped"),
                Err(error) => {
                    assert!(error.to_string().contains("the store `log` is corrupt"), "{error}");
                    errors += 1;
                }
            }
        }
    }
    assert!(errors > 800, "{errors} errors: most of these bits are in use");
}

#[test]
fn whatever_rots_when_it_is_read_is_an_error() {
    let bytes = store_of(12, false);
    for seed in 0..20 {
        let mut disks = Disks { seed, ..disks_with(bytes.clone()) };
        disks.begin(1, DiskHarm::BitRot { basis_points: 500 });
        let read = open(disks.open("log", &Process::begin()).expect("opened")).and_then(|database| read_all(&database));
        let felt = disks.end(1);
        assert_eq!(felt, read.is_err(), "seed {seed}: a page that rotted was not seen, or one that had not");
    }
}

/// A disk whose process dies before one of its acts.
#[derive(Debug)]
struct Tripwire {
    disk: Disk,
    process: Process,
    left: AtomicU32,
}

impl Tripwire {
    fn act(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 0 {
            self.process.die();
        }
    }
}

impl StorageBackend for Tripwire {
    fn len(&self) -> io::Result<u64> {
        self.disk.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.act();
        self.disk.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.act();
        self.disk.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.act();
        self.disk.write(offset, data)
    }
}

/// Opens and commits until the process dies at that act; how many commits it was told of.
fn work_until(disks: &mut Disks, rounds: std::ops::Range<u64>, left: u32) -> (u64, bool) {
    let process = Process::begin();
    let disk = disks.open("log", &process).expect("the last holder is dead");
    let disk = Disk::new(Tripwire { disk, process: process.clone(), left: left.into() });
    let Ok(database) = open(disk) else { return (rounds.start, false) };
    for round in rounds.clone() {
        if commit(&database, round).is_err() {
            return (round, false);
        }
    }
    process.die();
    (rounds.end, true)
}

#[test]
fn what_was_committed_is_there_wherever_and_however_the_power_fails() {
    const ROUNDS: u64 = 4;
    let (mut points, mut before_the_first) = (0, 0);
    let ways = [Unsynced::Lost, Unsynced::Torn, Unsynced::Reordered];
    for (unsynced, seed) in ways.into_iter().flat_map(|unsynced| (0..4).map(move |seed| (unsynced, seed))) {
        for left in 0.. {
            let mut disks = Disks::new(seed << 32 | u64::from(left), "node");
            let (told, finished) = work_until(&mut disks, 0..ROUNDS, left);
            disks.power_off(unsynced);
            // The power fails again while the next process repairs and goes on.
            let kept = check(&mut disks, told, unsynced, left);
            let (told_later, _) = work_until(&mut disks, kept..kept + 2, left % 23);
            disks.power_off(unsynced);
            check(&mut disks, told_later.max(kept), unsynced, left);
            points += 1;
            before_the_first += u32::from(told == 0);
            if finished {
                break;
            }
        }
    }
    assert!(points > 12 * 40 && before_the_first > 12 * 3, "{points} points, {before_the_first} of them early");
}

/// What is there is what so many commits left, or one more, which was under way; how many that is.
fn check(disks: &mut Disks, told: u64, unsynced: Unsynced, left: u32) -> u64 {
    let process = Process::begin();
    let opened = open(disks.open("log", &process).expect("the last holder is dead"));
    let read = opened.and_then(|database| {
        let read = read_all(&database);
        process.die();
        read
    });
    let records = read.unwrap_or_else(|error| panic!("{unsynced:?}, act {left}: {error}"));
    let kept = (told..=told + 1).find(|rounds| expected(*rounds) == records);
    kept.unwrap_or_else(|| panic!("{unsynced:?}, act {left}: {told} commits were told, not {} records", records.len()))
}

/// A disk one of whose syncs fails.
#[derive(Debug)]
struct Trap {
    disk: Disk,
    harms: Arc<Mutex<Harms>>,
    left: AtomicU32,
}

impl StorageBackend for Trap {
    fn len(&self) -> io::Result<u64> {
        self.disk.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let fails = self.left.fetch_sub(1, Ordering::Relaxed) == 0;
        if fails {
            lock(&self.harms).begin(1, DiskHarm::SyncFails { every: 1 }, Dice::named(1, &Die::Test("trap")));
        }
        let synced = self.disk.sync_data();
        if fails {
            lock(&self.harms).end(1);
        }
        synced
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.disk.close()
    }
}

#[test]
fn what_is_committed_after_a_sync_has_failed_survives_the_power() {
    for (unsynced, killed) in
        [Unsynced::Lost, Unsynced::Torn, Unsynced::Reordered].into_iter().flat_map(|one| [(one, false), (one, true)])
    {
        let mut failures = 0;
        for left in 0..20 {
            let mut disks = Disks::new(u64::from(left), "node");
            let mut process = Process::begin();
            let disk = disks.open("log", &process).expect("opened");
            let trap = Disk::new(Trap { disk, harms: disks.harms.clone(), left: left.into() });
            let failed = open(trap).and_then(|database| (0..6).try_for_each(|round| commit(&database, round)));
            failures += u32::from(failed.is_err());
            if killed {
                process.die();
                process = Process::begin();
            }
            let database = open(disks.open("log", &process).expect("closed")).expect("it works again");
            let records = read_all(&database).expect("readable");
            let kept = (0..=6).find(|rounds| expected(*rounds) == records).expect("some commits");
            (kept..kept + 2).for_each(|round| commit(&database, round).expect("it works again"));
            process.die();
            drop(database);
            disks.power_off(unsynced);
            check(&mut disks, kept + 2, unsynced, left);
        }
        assert!(failures > 10, "{failures} failed syncs");
    }
}
