//! A disk that loses power, for tests of what SQLite keeps on it.
//!
//! Whatever SQLite writes below a folder passes through here on its way to the real files. They are what a running system reads
//! (the page cache); beside them it is kept what would be on the platter: what an fsync has confirmed, and all that was written
//! since, in order. When the power is cut, any part of the latter may have got there: none, all, everything up to some write, or
//! single sectors of it. Names of files count as written data, too. A process that is killed loses nothing; an fsync that fails
//! loses what it should have written, though it still reads well, as on Linux.
//!
//! The name of the module that SQLite calls is `powercut`; it is the default of the process once the first [`Disk`] is made, and
//! passes on whatever lies elsewhere. This crate is where the project's tests need `unsafe`, and the only place.

mod model;
mod vfs;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::Model;
pub use model::{Fault, Random, What};

/// The disk below one folder; passes everything on again when it is dropped.
#[derive(Debug)]
pub struct Disk(Arc<Mutex<Model>>);

impl Disk {
    /// All that SQLite keeps below this folder, from now on. What it does is decided by the seed.
    pub fn new(folder: &Path, seed: u64) -> Self {
        let model = Arc::new(Mutex::new(Model::new(folder, seed)));
        vfs::mount(&model);
        Self(model)
    }

    fn model(&self) -> MutexGuard<'_, Model> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever asks for `synchronous=FULL` gets `NORMAL`: to see that a test would notice.
    pub fn hear_normal(&self) {
        self.model().normal = true;
    }

    /// Cuts the power at the so manieth write, fsync, truncation or removal from now.
    pub fn cut_after(&self, operations: u64) {
        self.model().cut_after(operations);
    }

    /// Something will fail.
    pub fn fail(&self, fault: Fault) {
        self.model().faults.push(fault);
    }

    /// Nothing will fail any more.
    pub fn heal(&self) {
        self.model().faults.clear();
    }

    /// How often something has failed as told.
    pub fn failed(&self) -> u64 {
        self.model().failed
    }

    /// Whether it is without power, or its process is dead: nothing is done any more.
    pub fn is_off(&self) -> bool {
        self.model().off
    }

    /// From here on nothing reaches the disk: for what dies now.
    pub fn stop(&self) {
        self.model().stop();
    }

    /// After [`stop`](Self::stop), once everything is closed: the process is started again, the system went on.
    pub fn restart(&self) -> std::io::Result<()> {
        self.model().restart()
    }

    /// After [`stop`](Self::stop) or a cut, once everything is closed: the power is back, the files are what got to the disk.
    pub fn power_on(&self) -> std::io::Result<()> {
        self.model().power_on()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        vfs::unmount(&self.0);
    }
}
