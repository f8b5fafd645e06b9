//! Files that every machine has and that say where names are asked for: on a trial's thread they are the world's.
//!
//! Each is opened as a file in memory, so that whatever can be asked of a file can be asked of it. Refuses to know who reads it.

use std::ffi::{CStr, c_char, c_int, c_long};
use std::fmt::Write as _;

use crate::world::clock::WALL_CLOCK_START;
use crate::world::net::RESOLVER_V4;
use crate::world::sandbox::libc_call::libc_call;
use crate::world::sandbox::state::on_trial;

/// The signature of memfd_create(2).
type MakeFile = unsafe extern "C" fn(*const c_char, libc::c_uint) -> c_int;
/// The signature of statx(2), by its number: glibc has no function of that name before 2.28.
type LookAtFile = unsafe extern "C" fn(c_long, c_int, *const c_char, c_int, libc::c_uint, *mut libc::statx) -> c_long;

/// What such a file says; none: the world has none of its own.
fn text(path: &CStr) -> Option<String> {
    let mut text = String::new();
    match path.to_bytes() {
        // Of one family, so that nobody has to try two: who wants IPv6 asks the other address.
        b"/etc/resolv.conf" => writeln!(text, "nameserver {RESOLVER_V4}").expect("a string grows"),
        b"/etc/hosts" => text.push_str("127.0.0.1 localhost\n::1 localhost\n"),
        b"/etc/nsswitch.conf" => text.push_str("hosts: files dns\n"),
        b"/etc/host.conf" => text.push_str("multi on\n"),
        _ => return None,
    }
    Some(text)
}

/// Opens the world's file of that name, as a descriptor of the kernel, or says why it cannot, as -1 with errno. None: the world
/// has none of its own, or the thread plays no trial.
///
/// # Safety
/// `path` is null or a C string.
pub(crate) unsafe fn open(path: *const c_char) -> Option<c_int> {
    if path.is_null() || !on_trial() {
        return None;
    }
    // SAFETY: the caller's promise.
    let path = unsafe { CStr::from_ptr(path) };
    let text = text(path)?;
    let file = libc_call!(c"memfd_create" as MakeFile, path.as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING);
    if file >= 0 {
        // Its times are those of the trial's start.
        // SAFETY: so many bytes are there, and two times.
        unsafe {
            let begun = libc::timespec { tv_sec: WALL_CLOCK_START.as_secs().cast_signed(), tv_nsec: 0 };
            libc::write(file, text.as_ptr().cast(), text.len());
            libc::lseek(file, 0, libc::SEEK_SET);
            libc::futimens(file, [begun; 2].as_ptr());
            libc::fcntl(file, libc::F_ADD_SEALS, libc::F_SEAL_WRITE | libc::F_SEAL_GROW | libc::F_SEAL_SHRINK);
        }
    }
    Some(file)
}

/// statx(2): what std looks at files by, also by their names.
#[unsafe(no_mangle)]
unsafe extern "C" fn statx(
    folder: c_int,
    path: *const c_char,
    flags: c_int,
    mask: libc::c_uint,
    found: *mut libc::statx,
) -> c_int {
    let look = |folder, path, flags| {
        let answer = libc_call!(c"syscall" as LookAtFile, libc::SYS_statx, folder, path, flags, mask, found);
        c_int::try_from(answer).expect("0 or -1")
    };
    // SAFETY: statx's caller hands over a C string.
    let Some(file) = (unsafe { open(path) }) else {
        return look(folder, path, flags);
    };
    if file < 0 {
        return file;
    }
    let answer = look(file, c"".as_ptr(), flags | libc::AT_EMPTY_PATH);
    // SAFETY: it was just opened, and nobody else has it.
    unsafe { libc::close(file) };
    answer
}

#[cfg(test)]
#[expect(clippy::disallowed_types, reason = "who was never told of a trial opens files so")]
mod tests {
    use std::fs;
    use std::io::{Read, Seek, SeekFrom, Write};
    use std::time::SystemTime;

    use super::*;
    use crate::world::on_trial_thread;
    use crate::world::sandbox::state::take_offence;

    const NAMES: [&str; 4] = ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf"];

    #[test]
    fn files_that_say_where_names_are_asked_for_are_the_worlds() {
        let read = || NAMES.map(|path| fs::read_to_string(path).expect("a file"));
        let in_trial = on_trial_thread(7, read).expect("no panic");
        let expected =
            ["nameserver 10.255.255.53\n", "127.0.0.1 localhost\n::1 localhost\n", "hosts: files dns\n", "multi on\n"];
        assert_eq!(in_trial, expected);
    }

    #[test]
    fn such_a_file_is_asked_like_any_other_and_cannot_be_written() {
        on_trial_thread(7, || {
            let mut file = fs::File::open("/etc/resolv.conf").expect("a file");
            let of_file = file.metadata().expect("its length");
            let by_name = fs::metadata("/etc/resolv.conf").expect("its length");
            let begun = SystemTime::UNIX_EPOCH + WALL_CLOCK_START;
            for found in [of_file, by_name] {
                assert_eq!((found.len(), found.modified().expect("a time"), found.is_file()), (25, begun, true));
            }
            assert_eq!(file.seek(SeekFrom::End(-3)).expect("a place"), 22);
            let mut rest = String::new();
            file.read_to_string(&mut rest).expect("text");
            assert_eq!(rest, "53\n");
            assert!(file.write(b"nameserver 9.9.9.9").is_err());
            assert_eq!(take_offence(), None);
        })
        .expect("no panic");
    }

    #[test]
    fn to_write_to_one_is_an_offence_and_other_threads_have_the_machines() {
        let note = on_trial_thread(7, || {
            let refused = fs::OpenOptions::new().write(true).open("/etc/hosts").is_err();
            (refused, take_offence().is_some())
        });
        assert_eq!(note.expect("no panic"), (true, true));
        // SAFETY: a C string; this thread plays no trial.
        assert_eq!(unsafe { open(c"/etc/hosts".as_ptr()) }, None);
    }
}
