//! Promises of the log, on a disk in memory. What becomes of it on a disk that fails is in `world/disk/torture.rs`.

use std::io;

use super::sector::SECTOR;
use super::*;
use crate::env::Storage;
use crate::env::fake_disk::FakeDisk;

type Records = Vec<Vec<u8>>;
type Shown = Vec<(RecordPlace, Vec<u8>)>;

/// A record of that length that is found nowhere else.
fn record(number: usize, len: usize) -> Vec<u8> {
    (0..len).map(|at| ((at + 1) * (number + 3) % 251 + 1) as u8).collect()
}

/// What is appended in three frames: of one sector, of several with a record that crosses them, and of one again.
fn frames() -> [Records; 3] {
    [vec![record(1, 9), Vec::new()], vec![record(2, 700), record(3, 2), record(4, 600)], vec![record(5, 40)]]
}

/// The log, and what it showed.
fn open(disk: &FakeDisk) -> io::Result<(AppendLog, Shown)> {
    let mut shown = Vec::new();
    let log = AppendLog::open::<io::Error>("log", disk.open(), |place, record| {
        shown.push((place, record.to_vec()));
        Ok(())
    })?;
    Ok((log, shown))
}

fn records(disk: &FakeDisk) -> io::Result<Records> {
    open(disk).map(|(_, shown)| shown.into_iter().map(|(_, record)| record).collect())
}

/// A disk with so many of the frames.
fn disk_with(frames: &[Records]) -> FakeDisk {
    let disk = FakeDisk::default();
    let (mut log, _) = open(&disk).expect("an empty disk");
    for frame in frames {
        log.append(frame).expect("a good disk");
    }
    disk
}

#[test]
fn what_was_appended_is_shown_in_order_and_read_by_its_place() {
    let disk = FakeDisk::default();
    let (mut log, _) = open(&disk).expect("an empty disk");
    let mut appended = Vec::new();
    for frame in frames().iter().cycle().take(40) {
        let places = log.append(frame).expect("a good disk");
        appended.extend(places.into_iter().zip(frame.clone()));
        for (place, record) in &appended {
            assert_eq!(log.read(*place).expect("stored"), *record);
        }
    }
    let (log, shown) = open(&disk).expect("a whole log");
    assert_eq!(shown, appended);
    for (place, record) in appended.iter().rev() {
        assert_eq!(log.read(*place).expect("stored"), *record);
    }
}

#[test]
fn an_append_costs_one_write_and_one_sync() {
    let disk = disk_with(&frames()[..1]);
    let (mut log, _) = open(&disk).expect("a whole log");
    let before = disk.syncs();
    disk.fail_after(2);
    log.append(&frames()[1]).expect("two acts are enough");
    assert_eq!(disk.syncs(), before + 1);
}

#[test]
fn a_wrong_bit_anywhere_is_an_error_that_names_the_store_and_the_sector() {
    let disk = disk_with(&frames());
    let whole = disk.bytes().clone();
    assert_eq!(whole.len(), 5 * SECTOR);
    for at in 0..whole.len() {
        disk.bytes().clone_from(&whole);
        let (log, shown) = open(&disk).expect("a whole log");
        disk.flip(at);
        let told = |error: io::Error| {
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            error.to_string()
        };
        let expected = format!("the store `log` is corrupt: its sector {} does not match its checksum", at / SECTOR);
        let at_opening = match at {
            0..4 => "the store `log` is of another format, or corrupt: it does not begin with PLS1",
            _ => expected.as_str(),
        };
        assert_eq!(told(records(&disk).expect_err("a wrong bit")), at_opening);
        // What rots under an open log is not served either.
        for (place, record) in shown {
            match log.read(place) {
                Ok(read) => assert_eq!(read, record),
                Err(error) => assert_eq!(told(error), expected),
            }
        }
    }
}

/// Every set of sectors of the last frame, and every length, also one that is not of whole sectors.
#[test]
fn a_last_frame_that_was_cut_short_is_as_if_it_had_never_been_and_the_next_takes_its_place() {
    let [first, second, third] = frames();
    let before = disk_with(std::slice::from_ref(&first)).bytes().clone();
    let after = disk_with(&[first.clone(), second.clone()]).bytes().clone();
    let sectors = (after.len() - before.len()) / SECTOR;
    let cuts = (0..1_u32 << sectors).flat_map(|written| (0..=sectors).map(move |len| (written, len)));
    for ((written, len), part) in cuts.flat_map(|cut| [(cut, 0), (cut, 77)]) {
        let disk = FakeDisk::default();
        let mut bytes = after.clone();
        for sector in (0..sectors).filter(|sector| written & 1 << sector == 0) {
            bytes[before.len() + sector * SECTOR..][..SECTOR].fill(0);
        }
        bytes.truncate(before.len() + len * SECTOR + part);
        disk.bytes().clone_from(&bytes);
        let is_whole = len == sectors && written + 1 == 1 << sectors;
        let kept = if is_whole { [first.clone(), second.clone()].concat() } else { first.clone() };
        assert_eq!(records(&disk).expect("cut short"), kept, "{written:b} of {len} sectors");
        open(&disk).expect("cut short").0.append(&third).expect("a good disk");
        assert_eq!(records(&disk).expect("whole"), [kept, third.clone()].concat(), "{written:b} of {len} sectors");
    }
}

/// The frame that was cut short has left sectors behind that the power brought back: they are whole, and fit nothing.
#[test]
fn sectors_of_two_tries_make_no_frame() {
    let [first, second, _] = frames();
    let other = vec![record(6, 700), record(7, 2), record(8, 600)];
    let tries = [second, other].map(|frame| disk_with(&[first.clone(), frame]).bytes().clone());
    let begin = disk_with(std::slice::from_ref(&first)).bytes().len();
    let sectors = (tries[0].len() - begin) / SECTOR;
    for mixed in 1..(1_usize << sectors) - 1 {
        let disk = FakeDisk::default();
        let mut bytes = tries[0].clone();
        for at in (0..sectors).filter(|sector| mixed & 1 << sector != 0).map(|sector| begin + sector * SECTOR) {
            bytes[at..at + SECTOR].copy_from_slice(&tries[1][at..at + SECTOR]);
        }
        disk.bytes().clone_from(&bytes);
        assert_eq!(records(&disk).expect("cut short"), first);
    }
}

#[test]
fn a_frame_that_is_missing_before_another_or_lies_elsewhere_is_an_error() {
    let disk = disk_with(&frames());
    let whole = disk.bytes().clone();
    for sector in 0..whole.len() / SECTOR - 1 {
        disk.bytes().clone_from(&whole);
        disk.bytes()[sector * SECTOR..][..SECTOR].fill(0);
        let error = records(&disk).expect_err("a hole").to_string();
        assert!(error.starts_with("the store `log` is corrupt: frame "), "sector {sector}: {error}");
        let lies_elsewhere = [&whole[SECTOR..], &whole[..SECTOR]].concat();
        disk.bytes().clone_from(&lies_elsewhere);
        assert!(records(&disk).is_err());
    }
}

#[test]
fn a_first_frame_of_which_a_part_of_a_sector_was_written_is_as_if_it_had_never_been() {
    let whole = disk_with(&frames()[..1]).bytes().clone();
    for len in [0, 1, 3, 4, 77, 511] {
        let disk = FakeDisk::default();
        disk.bytes().extend_from_slice(&whole[..len]);
        assert_eq!(records(&disk).expect("cut short"), Records::new(), "{len} bytes");
        assert_eq!(disk.bytes().len(), 0);
    }
}

#[test]
fn another_store_is_refused() {
    let disk = disk_with(&frames());
    let error = AppendLog::open::<io::Error>("inbox", disk.open(), |_, _| Ok(())).map(drop);
    let error = error.expect_err("it is the log").to_string();
    assert_eq!(error, "the store `inbox` is corrupt: its sector 0 is of another format, or another store's");
}

#[test]
fn what_is_no_log_is_refused_and_left_as_it_is() {
    let foreign = [b"a text".to_vec(), vec![b'x'; 3 * SECTOR], disk_with(&frames()).bytes()[7..].to_vec()];
    for foreign in foreign {
        let disk = FakeDisk::default();
        disk.bytes().clone_from(&foreign);
        assert_eq!(records(&disk).expect_err("foreign").kind(), io::ErrorKind::InvalidData);
        assert_eq!(*disk.bytes(), foreign);
    }
}

#[test]
fn a_log_that_has_failed_takes_nothing_more_and_what_it_took_survives_the_power_once_it_is_opened() {
    let [first, second, third] = frames();
    // The write fails, or the sync.
    for acts in [0, 1] {
        let disk = disk_with(std::slice::from_ref(&first));
        let (mut log, _) = open(&disk).expect("a whole log");
        disk.fail_after(acts);
        log.append(&second).expect_err("a dead disk");
        disk.heal();
        assert!(log.append(&second).expect_err("it has failed").to_string().contains("was not opened again"));
        let kept = records(&disk).expect("a good disk");
        disk.power_off();
        assert_eq!(records(&disk).expect("a good disk"), kept, "after {acts} acts");
        open(&disk).expect("a good disk").0.append(&third).expect("a good disk");
        assert_eq!(records(&disk).expect("whole"), [kept, third.clone()].concat());
    }
}

#[test]
fn a_full_disk_leaves_the_log_as_it_was_wherever_the_room_ends() {
    let [first, second, third] = frames();
    let (before, after) = (SECTOR as u64, 4 * SECTOR as u64);
    for room in before..after {
        let disk = disk_with(std::slice::from_ref(&first));
        let (mut log, _) = open(&disk).expect("a whole log");
        disk.fill_at(room);
        assert_eq!(log.append(&second).expect_err("full").kind(), io::ErrorKind::StorageFull);
        assert!(!log.has_failed());
        // The power takes nothing that was there, and brings nothing back.
        disk.power_off();
        assert_eq!(disk.bytes().len() as u64, before);
        disk.heal();
        log.append(&third).expect("there is room again");
        assert_eq!(records(&disk).expect("whole"), [first.clone(), third.clone()].concat());
    }
}

#[test]
fn a_frame_longer_than_is_read_at_once_is_whole() {
    let large: Records = (0..70).map(|number| record(number, 9_000 + number)).collect();
    let disk = disk_with(&[frames()[0].clone(), large.clone(), frames()[2].clone()]);
    assert!(disk.len().expect("in memory") > 2 * 512 * SECTOR as u64);
    assert_eq!(records(&disk).expect("whole"), [frames()[0].clone(), large, frames()[2].clone()].concat());
}
