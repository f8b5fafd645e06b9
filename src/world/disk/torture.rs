//! Promises of a log on a disk: whatever the disk does, it serves what was appended, or an error.

use std::sync::atomic::{AtomicU32, Ordering};

use rand::RngExt;

use super::*;
use crate::append_log::AppendLog;

type Records = Vec<Vec<u8>>;

/// The log, and all that it holds.
fn open(disk: Disk) -> io::Result<(AppendLog, Records)> {
    let mut records = Records::new();
    let log = AppendLog::open::<io::Error>("log", disk, |_, record| {
        records.push(record.to_vec());
        Ok(())
    })?;
    Ok((log, records))
}

/// Appends the records of one round; some are longer than a page.
fn commit(log: &mut AppendLog, round: u64) -> io::Result<()> {
    let records: Records = (round * 7..(round + 1) * 7).map(value).collect();
    log.append(&records).map(drop)
}

fn value(key: u64) -> Vec<u8> {
    let len = if key.is_multiple_of(13) { 9_000 } else { 300 };
    (key + 1).to_le_bytes().into_iter().cycle().take(len).collect()
}

/// What is there after so many rounds.
fn expected(rounds: u64) -> Records {
    (0..rounds * 7).map(value).collect()
}

/// The bytes of a store after some rounds.
fn store_of(rounds: u64) -> Vec<u8> {
    let (mut disks, process) = (Disks::new(1, "node"), Process::begin());
    let (mut log, _) = open(disks.open("log", &process).expect("opened")).expect("an empty disk");
    (0..rounds).for_each(|round| commit(&mut log, round).expect("a good disk"));
    let store = lock(&disks.stores["log"]);
    store.bytes().to_vec()
}

fn disks_with(bytes: Vec<u8>) -> Disks {
    let mut disks = Disks::new(1, "node");
    disks.stores.insert("log".to_owned(), Arc::new(Mutex::new(Store::holding(bytes))));
    disks
}

#[test]
fn a_wrong_bit_anywhere_is_an_error() {
    let (bytes, mut dice) = (store_of(12), Dice::named(1, &Die::Test("bits")));
    let sectors = bytes.len() / 512;
    assert!(sectors > 100, "a store of {sectors} sectors is too small to prove anything");
    for sector in (0..sectors).flat_map(|sector| [sector; 4]) {
        let mut rotten = bytes.clone();
        rotten[sector * 512 + dice.random_range(0..512)] ^= 1 << dice.random_range(0..8);
        let disk = disks_with(rotten).open("log", &Process::begin()).expect("opened");
        let error = open(disk).map(drop).expect_err("a wrong bit").to_string();
        assert!(error.contains(&format!("the store `log` is corrupt: its sector {sector} ")), "{error}");
    }
}

#[test]
fn whatever_rots_when_it_is_read_is_an_error() {
    let (bytes, mut hit) = (store_of(12), 0);
    for seed in 0..20 {
        let mut disks = Disks { seed, ..disks_with(bytes.clone()) };
        disks.begin(1, DiskHarm::BitRot { basis_points: 500 });
        let read = open(disks.open("log", &Process::begin()).expect("opened"));
        let felt = disks.end(1);
        assert_eq!(felt, read.is_err(), "seed {seed}: a page that rotted was not seen, or one that had not");
        hit += u32::from(felt);
    }
    assert!(hit > 3 && hit < 20, "{hit} of 20 rotted");
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

impl Storage for Tripwire {
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

    fn sync(&self) -> io::Result<()> {
        self.act();
        self.disk.sync()
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
    let Ok((mut log, _)) = open(disk) else { return (rounds.start, false) };
    for round in rounds.clone() {
        if commit(&mut log, round).is_err() {
            return (round, false);
        }
    }
    process.die();
    (rounds.end, true)
}

#[test]
fn what_was_committed_is_there_wherever_and_however_the_power_fails() {
    const ROUNDS: u64 = 4;
    const SEEDS: u64 = 40;
    let (mut points, mut before_the_first) = (0_u64, 0_u64);
    let ways = [Unsynced::Lost, Unsynced::Torn, Unsynced::Reordered];
    for (unsynced, seed) in ways.into_iter().flat_map(|unsynced| (0..SEEDS).map(move |seed| (unsynced, seed))) {
        for left in 0.. {
            let mut disks = Disks::new(seed << 32 | u64::from(left), "node");
            let (told, finished) = work_until(&mut disks, 0..ROUNDS, left);
            disks.power_off(unsynced);
            // The power fails again while the next process repairs and goes on.
            let kept = check(&mut disks, told, unsynced, left);
            let (told_later, _) = work_until(&mut disks, kept..kept + 2, left % 7);
            disks.power_off(unsynced);
            check(&mut disks, told_later.max(kept), unsynced, left);
            points += 1;
            before_the_first += u64::from(told == 0);
            if finished {
                break;
            }
        }
    }
    assert!(
        points > 3 * SEEDS * 2 * ROUNDS && before_the_first > 3 * SEEDS,
        "{points} points, {before_the_first} of them early"
    );
}

/// What is there is what so many commits left, or one more, which was under way; how many that is.
fn check(disks: &mut Disks, told: u64, unsynced: Unsynced, left: u32) -> u64 {
    let process = Process::begin();
    let opened = open(disks.open("log", &process).expect("the last holder is dead"));
    process.die();
    let (_, records) = opened.unwrap_or_else(|error| panic!("{unsynced:?}, act {left}: {error}"));
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

impl Storage for Trap {
    fn len(&self) -> io::Result<u64> {
        self.disk.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        let fails = self.left.fetch_sub(1, Ordering::Relaxed) == 0;
        if fails {
            lock(&self.harms).begin(1, DiskHarm::SyncFails { every: 1 }, Dice::named(1, &Die::Test("trap")));
        }
        let synced = self.disk.sync();
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

/// Opens the store on a disk whose sync of that number fails.
fn open_trapped(disks: &mut Disks, process: &Process, left: u32) -> io::Result<(AppendLog, Records)> {
    let disk = disks.open("log", process).expect("nobody has it");
    open(Disk::new(Trap { disk, harms: disks.harms.clone(), left: left.into() }))
}

/// A sync fails, and in half of the cases that of the next opening, too; what is read then is there for good.
#[test]
fn what_is_read_after_a_sync_has_failed_and_what_is_committed_then_survives_the_power() {
    const ROUNDS: u32 = 6;
    let ways = [Unsynced::Lost, Unsynced::Torn, Unsynced::Reordered];
    let cases = ways.into_iter().flat_map(|one| [(one, false), (one, true)]);
    for ((unsynced, killed), fails_again) in cases.flat_map(|case| [(case, false), (case, true)]) {
        for (left, later) in (0..ROUNDS).flat_map(|left| [(left, 0), (left, 2)]) {
            let mut disks = Disks::new(u64::from(left), "node");
            let mut process = Process::begin();
            let opened = open_trapped(&mut disks, &process, left);
            let failed = opened.and_then(|(mut log, _)| (0..6).try_for_each(|round| commit(&mut log, round)));
            assert_eq!(failed.expect_err("a sync failed").raw_os_error(), Some(EIO));
            if killed {
                process.die();
                process = Process::begin();
            }
            if fails_again {
                open_trapped(&mut disks, &process, 0).map(drop).expect_err("a sync failed");
            }
            let (mut log, records) = open(disks.open("log", &process).expect("closed")).expect("it works again");
            let kept = u64::from(left) + 1;
            assert_eq!(records, expected(kept), "what failed to be synced can be read");
            (kept..kept + later).for_each(|round| commit(&mut log, round).expect("it works again"));
            process.die();
            drop(log);
            disks.power_off(unsynced);
            check(&mut disks, kept + later, unsynced, left);
        }
    }
}
