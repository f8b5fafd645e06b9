//! Promises of the disks.

use super::*;

const BLOCK: usize = 4096;

struct DiskBench {
    disks: Disks,
    process: Process,
}

impl DiskBench {
    fn new() -> Self {
        DiskBench { disks: Disks::new(1, "node"), process: Process::begin() }
    }

    fn open(&mut self) -> Disk {
        self.disks.open("log", &self.process).expect("opened")
    }

    /// The process dies, something befalls the disks, and the next process opens the store.
    fn after(&mut self, befalls: impl FnOnce(&mut Disks)) -> Disk {
        self.process.die();
        befalls(&mut self.disks);
        self.process = Process::begin();
        self.open()
    }
}

fn read(disk: &Disk, offset: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![9; len];
    disk.read(offset, &mut bytes).expect("readable");
    bytes
}

/// A store of two synced pages of `a`.
fn synced(bench: &mut DiskBench) -> Disk {
    let disk = bench.open();
    disk.set_len(2 * BLOCK as u64).expect("alive");
    disk.write(0, &[b'a'; 2 * BLOCK]).expect("alive");
    disk.sync().expect("synced");
    disk
}

#[test]
fn a_store_outlives_the_process_that_wrote_it() {
    let mut bench = DiskBench::new();
    let disk = bench.open();
    disk.set_len(4).expect("alive");
    disk.write(1, b"ab").expect("alive");
    let next = bench.after(|_| ());
    assert!(disk.write(0, b"x").is_err(), "a dead process wrote");
    assert_eq!(read(&next, 0, 4), b"\0ab\0");
}

#[test]
fn a_store_has_one_holder_at_a_time() {
    let mut bench = DiskBench::new();
    let disk = bench.open();
    assert!(bench.disks.open("log", &bench.process).is_err());
    disk.close().expect("alive");
    assert!(bench.disks.open("log", &bench.process).is_ok());
}

#[test]
fn access_beyond_the_end_is_an_error() {
    let disk = DiskBench::new().open();
    assert!(disk.read(0, &mut [0]).is_err());
    assert!(disk.write(u64::MAX, b"x").is_err());
}

#[test]
fn unsynced_writes_and_lengths_are_lost_with_the_power_and_synced_ones_are_not() {
    let mut bench = DiskBench::new();
    let disk = synced(&mut bench);
    disk.write(10, b"bb").expect("alive");
    disk.write(11, b"cc").expect("alive");
    disk.set_len(BLOCK as u64).expect("alive");
    disk.set_len(3 * BLOCK as u64).expect("alive");
    disk.write(2 * BLOCK as u64, b"d").expect("alive");
    let disk = bench.after(|disks| disks.power_off(Unsynced::Lost));
    assert_eq!(read(&disk, 0, 2 * BLOCK), vec![b'a'; 2 * BLOCK]);
    assert_eq!(disk.len().expect("alive"), 2 * BLOCK as u64);
}

#[test]
fn a_killed_process_leaves_its_unsynced_writes_at_risk() {
    let mut bench = DiskBench::new();
    let disk = synced(&mut bench);
    disk.write(0, b"b").expect("alive");
    let disk = bench.after(|_| ());
    assert_eq!(read(&disk, 0, 1), b"b");
    let disk = bench.after(|disks| disks.power_off(Unsynced::Lost));
    assert_eq!(read(&disk, 0, 1), b"a");
}

#[test]
fn torn_keeps_a_prefix_of_the_writes_and_cuts_the_last_at_a_sector() {
    let (mut whole, mut cut) = (0, 0);
    for seed in 0..64 {
        let mut bench = DiskBench { disks: Disks::new(seed, "node"), process: Process::begin() };
        let disk = synced(&mut bench);
        disk.write(0, &[b'b'; BLOCK]).expect("alive");
        disk.write(BLOCK as u64, &[b'c'; BLOCK]).expect("alive");
        let disk = bench.after(|disks| disks.power_off(Unsynced::Torn));
        let bytes = read(&disk, 0, 2 * BLOCK);
        let (b, c) = (count(&bytes, b'b'), count(&bytes, b'c'));
        assert!(c == 0 || b == BLOCK, "the second write is kept and the first is not whole");
        assert!((b + c) % 512 == 0 && bytes.starts_with(&vec![b'b'; b]) && bytes[BLOCK..].starts_with(&vec![b'c'; c]));
        whole += u32::from(b + c == 2 * BLOCK);
        cut += u32::from((b + c) % BLOCK != 0);
    }
    assert!(whole > 0 && cut > 0, "{whole} whole, {cut} cut");
}

#[test]
fn reordered_keeps_any_sectors() {
    let mut later_only = 0;
    for seed in 0..16 {
        let mut bench = DiskBench { disks: Disks::new(seed, "node"), process: Process::begin() };
        let disk = synced(&mut bench);
        disk.write(0, &[b'b'; 512]).expect("alive");
        disk.write(BLOCK as u64, &[b'c'; 1024]).expect("alive");
        let disk = bench.after(|disks| disks.power_off(Unsynced::Reordered));
        let bytes = read(&disk, 0, 2 * BLOCK);
        assert!(bytes.chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])), "a torn sector");
        later_only += u32::from(count(&bytes, b'b') == 0 && count(&bytes, b'c') > 0);
    }
    assert!(later_only > 0, "no later write ever overtook an earlier one");
}

fn count(bytes: &[u8], wanted: u8) -> usize {
    bytes.iter().filter(|byte| **byte == wanted).count()
}

#[test]
fn what_a_failing_sync_should_have_kept_is_readable_until_the_power_goes_and_never_kept_later() {
    let mut bench = DiskBench::new();
    let disk = synced(&mut bench);
    bench.disks.begin(1, DiskHarm::SyncFails { every: 1 });
    disk.write(0, b"lost").expect("alive");
    disk.write(BLOCK as u64, b"lost").expect("alive");
    let error = disk.sync().expect_err("the fault");
    assert_eq!(error.raw_os_error(), Some(EIO));
    assert!(bench.disks.end(1), "felt");
    disk.write(BLOCK as u64 + 2, b"ok").expect("alive");
    disk.sync().expect("the fault is over");
    assert_eq!(read(&disk, 0, 4), b"lost");
    let disk = bench.after(|disks| disks.power_off(Unsynced::Lost));
    assert_eq!((read(&disk, 0, 4), read(&disk, BLOCK as u64, 4)), (b"aaaa".to_vec(), b"look".to_vec()));
}

#[test]
fn of_several_syncs_only_the_last_may_fail() {
    let mut bench = DiskBench::new();
    let disk = synced(&mut bench);
    bench.disks.begin(1, DiskHarm::SyncFails { every: 2 });
    let outcomes = [(); 4].map(|()| disk.sync().is_ok());
    assert_eq!(outcomes, [true, false, true, false]);
    assert!(bench.disks.end(1), "felt");
}

#[test]
fn a_full_disk_refuses_growth_and_holes_and_takes_what_overwrites() {
    let mut bench = DiskBench::new();
    let disk = bench.open();
    disk.set_len(2 * BLOCK as u64).expect("alive");
    disk.write(0, b"a").expect("alive");
    bench.disks.begin(1, DiskHarm::Full);
    disk.write(8, b"b").expect("no new page");
    assert!(!bench.disks.end(1), "nobody felt it");
    bench.disks.begin(2, DiskHarm::Full);
    for refused in [disk.set_len(3 * BLOCK as u64), disk.write(BLOCK as u64, b"c"), disk.write(9_000, b"d")] {
        assert_eq!(refused.expect_err("full").kind(), io::ErrorKind::StorageFull);
    }
    disk.set_len(BLOCK as u64).expect("shorter is possible");
    assert!(bench.disks.end(2));
}

#[test]
fn a_slow_sync_is_waited_for() {
    let mut bench = DiskBench::new();
    let disk = synced(&mut bench);
    bench.disks.begin(1, DiskHarm::SlowSync { takes: Duration::from_millis(5) });
    assert_eq!(bench.process.take_wait(), Duration::ZERO);
    disk.sync().expect("slow, and good");
    assert_eq!(bench.process.take_wait(), Duration::from_millis(5));
    assert!(bench.disks.end(1));
}

#[test]
fn rot_hits_one_bit_of_a_cold_page_once_and_for_good() {
    let mut bench = DiskBench::new();
    synced(&mut bench);
    let disk = bench.after(|disks| disks.begin(1, DiskHarm::BitRot { basis_points: 10_000 }));
    disk.write(0, &[b'a'; BLOCK]).expect("alive");
    let wrong = |bytes: Vec<u8>| bytes.iter().map(|byte| (byte ^ b'a').count_ones()).sum::<u32>();
    assert_eq!(wrong(read(&disk, 0, BLOCK)), 0, "what a process has just written is in memory");
    assert_eq!(wrong(read(&disk, BLOCK as u64, 16).into_iter().chain(read(&disk, 4112, 4080)).collect()), 1);
    assert!(bench.disks.end(1));
    let disk = bench.after(|_| ());
    assert_eq!(wrong(read(&disk, 0, 2 * BLOCK)), 1, "the wrong bit is on the medium");
}

#[test]
fn disks_can_be_lost_and_restored_to_any_time_of_which_there_is_a_copy() {
    let mut bench = DiskBench::new();
    let disk = synced(&mut bench);
    let then = Duration::from_secs(3);
    bench.disks.back_up(then);
    disk.write(0, b"later").expect("alive");
    disk.sync().expect("synced");
    let disk = bench.after(|disks| disks.restore(then));
    assert_eq!(read(&disk, 0, 5), b"aaaaa");
    assert!(bench.disks.copies.is_empty(), "a copy that was used takes no more memory");
    let disk = bench.after(Disks::lose);
    assert_eq!(disk.len().expect("alive"), 0);
}

#[test]
fn the_same_seed_breaks_a_disk_in_the_same_way() {
    let broken = |seed| {
        let mut bench = DiskBench { disks: Disks::new(seed, "node"), process: Process::begin() };
        let disk = synced(&mut bench);
        (0..8).for_each(|n| disk.write(n * 700, &[b'b'; 600]).expect("alive"));
        let disk = bench.after(|disks| disks.power_off(Unsynced::Reordered));
        read(&disk, 0, 2 * BLOCK)
    };
    assert_eq!(broken(4), broken(4));
    assert_ne!(broken(4), broken(5));
}
