//! Reads what a user names, which may be a pipe, and may have no end; and writes files whole or not at all.

use std::io::{self, Read, Write};
use std::path::Path;

/// The bytes of a file that has at most so many MiB.
///
/// # Errors
/// It cannot be read, or has more.
#[expect(clippy::disallowed_types, reason = "a file that a user names, outside of any trial")]
pub(crate) fn read_at_most(mebibytes: u64, path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take((mebibytes << 20) + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > mebibytes << 20 {
        let why = format!("it has more than {mebibytes} MiB");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

/// Writes a file by a rename, so that nobody ever reads half of it, not even after the power failed. A link stays one, and what is no
/// file, such as a pipe or a device, is written to as it is.
///
/// # Errors
/// It cannot be written; what was there before stays.
#[expect(clippy::disallowed_types, reason = "a file that a user names, outside of any trial")]
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if std::fs::metadata(&target).is_ok_and(|known| !known.is_file() && !known.is_dir()) {
        return std::fs::OpenOptions::new().write(true).open(&target)?.write_all(bytes);
    }
    let mut draft = target.as_os_str().to_owned();
    // One name: whoever is killed here leaves a draft that the next one takes over.
    draft.push(".draft");
    let draft = Path::new(&draft);
    let written =
        std::fs::File::create(draft).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_data()));
    written.and_then(|()| std::fs::rename(draft, &target)).inspect_err(|_| {
        if std::fs::remove_file(draft).is_err() {
            // It was never made.
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_an_end_is_refused_and_one_at_the_bound_is_read() {
        let error = read_at_most(1, Path::new("/dev/zero")).expect_err("it has no end");
        assert_eq!(error.to_string(), "it has more than 1 MiB");
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join("file");
        std::fs::write(&path, vec![7; 1 << 20]).expect("the folder takes files");
        assert_eq!(read_at_most(1, &path).expect("it fits").len(), 1 << 20);
    }

    #[test]
    fn a_file_is_replaced_whole_and_a_failure_leaves_no_draft() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join("x.html");
        write_whole(&path, b"one").expect("it is written");
        write_whole(&path, b"two").expect("it is replaced");
        assert_eq!(std::fs::read(&path).expect("it is there"), b"two");
        std::fs::create_dir(folder.path().join("taken")).expect("a folder");
        write_whole(&folder.path().join("taken"), b"three").expect_err("a folder is not replaced");
        let left = std::fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(left, 2);
    }

    #[test]
    fn a_link_stays_one_and_a_device_is_written_to() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, b"one").expect("it is written");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        write_whole(&link, b"two").expect("it is replaced");
        assert_eq!(std::fs::read(&file).expect("it is there"), b"two");
        assert!(std::fs::symlink_metadata(&link).expect("it is there").is_symlink());
        let device = Path::new("/dev/null");
        write_whole(device, b"three").expect("a device takes all");
        assert!(!std::fs::metadata(device).expect("it is there").is_file());
    }
}
