//! A disk that an actor asked for: raw bytes underneath, a database on top whose every block is checked.
//!
//! Refuses to know what is stored, and whether the bytes lie in a file or in an invented world.

use std::io;

use redb::{Builder, Database, DatabaseError, StorageBackend, TransactionError, WriteTransaction};

use crate::env::seal::Sealed;

/// A store's bytes, in the shape that redb asks for.
#[derive(Debug)]
pub struct Disk(Box<dyn StorageBackend>);

impl Disk {
    /// Wraps a storage backend.
    pub fn new(backend: impl StorageBackend) -> Self {
        Disk(Box::new(backend))
    }

    /// Opens, or creates, the database on this disk. Each block of it carries a checksum: what the disk has
    /// altered is an error of the kind `InvalidData` that names the store and the block, and is never served.
    /// Transactions must come from [`begin_write`].
    ///
    /// # Errors
    /// The disk fails, holds something else, or is corrupt.
    pub fn database(self, store: &str, builder: &mut Builder) -> Result<Database, DatabaseError> {
        builder.create_with_backend(Sealed::open(store, self)?)
    }
}

/// Begins a transaction that commits in two phases: first its pages are synced, then the header that leads to
/// them. With a single sync the header could be there without its pages: redb would go back to the commit before,
/// and could not tell a commit that the power cut short from one that rotted later.
/// It also makes a failed sync harmless once the database is opened again: nothing leads to what the first sync has
/// forgotten, and all that the second one can forget is the header, which is written anew.
///
/// # Errors
/// The database has failed before.
pub fn begin_write(database: &Database) -> Result<WriteTransaction, TransactionError> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    Ok(transaction)
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }
}
