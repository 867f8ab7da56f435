//! What is on the disk, what is only in memory, and what of the latter is left when the power goes. No I/O but where said.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// What a disk writes whole or not at all, in bytes.
const SECTOR: usize = 512;

/// The mark on files that only SQLite has written to.
const MARK: SystemTime = UNIX_EPOCH;

/// Small, seeded (splitmix64).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of so many.
    pub fn below(&mut self, n: u64) -> u64 {
        self.draw() % n
    }

    /// True once in so many times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// What can be asked of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Reading; it fails with an I/O error.
    Read,
    /// Writing; half of it is done, then an I/O error.
    Write,
    /// Writing for which there is no room: half of it is done, then the disk is full.
    Room,
    /// An fsync; what was written since the last one gets to the disk in part, is never tried again, and reads well.
    Sync,
}

/// Something that fails.
#[derive(Debug, Clone)]
pub struct Fault {
    /// What.
    pub what: What,
    /// In files whose names end so.
    pub file: &'static str,
    /// After it went well so often.
    pub after: u64,
    /// So often.
    pub times: u64,
}

/// What becomes of an operation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Go,
    Fail,
    /// There was no room.
    Full,
    /// The power goes at this very operation.
    Cut,
    /// There is no power any more.
    Off,
}

#[derive(Debug, Clone)]
enum Op {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

/// One file, whatever its name.
#[derive(Debug, Default)]
struct Inode {
    /// As the system numbers it: how a file is found again that was renamed.
    number: u64,
    /// What is on the disk for certain.
    durable: Vec<u8>,
    /// What was written since, in order.
    pending: Vec<Op>,
    /// Its name, as far as SQLite has told it.
    path: PathBuf,
    /// The real file, to leave our mark on it.
    real: Option<File>,
    /// The first fsync also makes its name durable, as SQLite's does for journals.
    fresh: bool,
}

/// The disk.
#[derive(Debug)]
pub(crate) struct Model {
    folder: PathBuf,
    random: Random,
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    cut_in: Option<u64>,
    pub(crate) off: bool,
    pub(crate) faults: Vec<Fault>,
    pub(crate) failed: u64,
    pub(crate) normal: bool,
}

impl Model {
    pub(crate) fn new(folder: &Path, seed: u64) -> Self {
        Self {
            folder: folder.to_owned(),
            random: Random::new(seed),
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            cut_in: None,
            off: false,
            faults: Vec::new(),
            failed: 0,
            normal: false,
        }
    }

    pub(crate) fn holds(&self, path: &Path) -> bool {
        path.starts_with(&self.folder)
    }

    pub(crate) fn cut_after(&mut self, operations: u64) {
        self.cut_in = Some(operations);
    }

    /// Asks for a read.
    pub(crate) fn read(&mut self, file: usize) -> Verdict {
        if self.off { Verdict::Off } else { self.faulty(file, &[What::Read]) }
    }

    /// Asks for anything that changes a file; counts it.
    pub(crate) fn ask(&mut self, file: usize, what: &[What]) -> Verdict {
        if self.off {
            return Verdict::Off;
        }
        self.look(file);
        if let Some(left) = &mut self.cut_in {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.cut_in = None;
                self.stop();
                return Verdict::Cut;
            }
        }
        self.faulty(file, what)
    }

    fn faulty(&mut self, file: usize, what: &[What]) -> Verdict {
        let name = self.names.iter().find(|(_, f)| **f == file).map(|(name, _)| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        for fault in &mut self.faults {
            if !what.contains(&fault.what) || !name.ends_with(fault.file) || fault.times == 0 {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
                continue;
            }
            fault.times -= 1;
            self.failed += 1;
            return if fault.what == What::Room { Verdict::Full } else { Verdict::Fail };
        }
        Verdict::Go
    }

    /// A file was opened; `was` is what it held if it was there before. Its number here.
    pub(crate) fn opened(&mut self, path: &Path, was: Option<Vec<u8>>, journal: bool) -> usize {
        let number = std::fs::metadata(path).map_or(0, |m| m.ino());
        if let Some(file) = self.names.get(path).copied()
            && self.inodes[file].number == number
        {
            self.look(file);
            return file;
        }
        let renamed = self.names.iter().find(|(old, f)| self.inodes[**f].number == number && !old.exists());
        if let Some((old, file)) = renamed.map(|(old, file)| (old.clone(), *file)) {
            // Whoever renames a file by other means than SQLite's is taken to have made sure of the folder.
            for names in [&mut self.names, &mut self.durable_names] {
                names.remove(&old);
                names.insert(path.to_owned(), file);
            }
            self.inodes[file].path = path.to_owned();
            return file;
        }
        let known = was.is_some();
        let (durable, fresh) = (was.unwrap_or_default(), journal && !known);
        let real = File::options().write(true).open(path).ok();
        self.inodes.push(Inode { number, durable, pending: Vec::new(), path: path.to_owned(), real, fresh });
        let file = self.inodes.len() - 1;
        self.mark(file);
        self.names.insert(path.to_owned(), file);
        if known {
            self.durable_names.insert(path.to_owned(), file);
        }
        file
    }

    pub(crate) fn knows(&self, path: &Path) -> bool {
        self.names.contains_key(path)
    }

    /// Puts our mark on the real file, that it is as SQLite has left it: a time at which nobody writes.
    pub(crate) fn mark(&self, file: usize) {
        let Inode { real, path, .. } = &self.inodes[file];
        if let Some(real) = real {
            real.set_modified(MARK).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        }
    }

    /// Looks whether somebody else has written to the real file since: by other means than SQLite's, and so with an fsync that is not
    /// seen here; what it holds is on the disk.
    fn look(&mut self, file: usize) {
        let Some(inode) = self.inodes.get_mut(file) else { return };
        let real = std::fs::metadata(&inode.path);
        if !self.off && real.is_ok_and(|m| m.ino() == inode.number && m.modified().is_ok_and(|at| at != MARK)) {
            inode.durable = std::fs::read(&inode.path).unwrap_or_else(|e| panic!("{}: {e}", inode.path.display()));
            inode.pending.clear();
            self.mark(file);
        }
    }

    pub(crate) fn written(&mut self, file: usize, at: usize, bytes: &[u8]) {
        self.inodes[file].pending.push(Op::Write(at, bytes.to_vec()));
    }

    pub(crate) fn truncated(&mut self, file: usize, size: usize) {
        self.inodes[file].pending.push(Op::Truncate(size));
    }

    pub(crate) fn removed(&mut self, path: &Path, synced: bool) {
        self.names.remove(path);
        if synced {
            self.durable_names = self.names.clone();
        }
    }

    /// All of a file is on the disk.
    pub(crate) fn synced(&mut self, file: usize) {
        let inode = &mut self.inodes[file];
        for op in std::mem::take(&mut inode.pending) {
            apply(&mut inode.durable, &op, |_| true);
        }
        if std::mem::take(&mut inode.fresh) {
            self.durable_names = self.names.clone();
        }
    }

    /// Some of a file is on the disk, and the system takes all of it for written.
    pub(crate) fn half_synced(&mut self, file: usize) {
        let image = self.image(file);
        let inode = &mut self.inodes[file];
        inode.durable = image;
        inode.pending.clear();
    }

    /// An fsync that the power interrupts may have come through.
    pub(crate) fn cut_while_syncing(&mut self, file: usize) {
        if self.random.one_in(2) {
            self.synced(file);
        }
    }

    /// What a file may be when the power comes back.
    fn image(&mut self, file: usize) -> Vec<u8> {
        let mut image = self.inodes[file].durable.clone();
        let pending = self.inodes[file].pending.clone();
        let random = &mut self.random;
        match random.below(4) {
            0 => {}
            1 => pending.iter().for_each(|op| apply(&mut image, op, |_| true)),
            2 => {
                let whole = random.below(pending.len() as u64 + 1) as usize;
                pending.iter().take(whole).for_each(|op| apply(&mut image, op, |_| true));
                pending.iter().skip(whole).take(1).for_each(|op| apply(&mut image, op, |_| random.one_in(2)));
            }
            _ => pending.iter().for_each(|op| apply(&mut image, op, |_| random.one_in(2))),
        }
        image
    }

    /// Nothing reaches the disk any more.
    pub(crate) fn stop(&mut self) {
        (0..self.inodes.len()).for_each(|file| self.look(file));
        self.off = true;
    }

    /// Only the process was gone: files are what was written.
    pub(crate) fn restart(&mut self) -> std::io::Result<()> {
        (self.off, self.cut_in) = (false, None);
        self.forget_shared()
    }

    /// The files are what got to the disk.
    pub(crate) fn power_on(&mut self) -> std::io::Result<()> {
        let names: Vec<PathBuf> = self.names.keys().chain(self.durable_names.keys()).cloned().collect();
        let mut left = BTreeMap::new();
        for path in names {
            let (now, then) = (self.names.get(&path).copied(), self.durable_names.get(&path).copied());
            let file = if now == then || self.random.one_in(2) { then } else { now };
            if let Some(file) = file {
                left.insert(path, self.image(file));
            } else if let Err(error) = std::fs::remove_file(&path)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                return Err(error);
            }
        }
        (self.inodes, self.names, self.durable_names) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        for (path, image) in left {
            std::fs::write(&path, &image)?;
            self.opened(&path, Some(image), false);
        }
        (self.off, self.cut_in) = (false, None);
        self.forget_shared()
    }

    /// The index of the log in shared memory is gone with the last process.
    fn forget_shared(&self) -> std::io::Result<()> {
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.to_string_lossy().ends_with("-shm") {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

/// Does to an image what was done to the file, or the sectors of it that got there.
fn apply(image: &mut Vec<u8>, op: &Op, mut got_there: impl FnMut(usize) -> bool) {
    match op {
        Op::Truncate(size) => {
            if got_there(*size) && *size < image.len() {
                image.truncate(*size);
            }
        }
        Op::Write(at, bytes) => {
            let mut from = *at;
            while from < at + bytes.len() {
                let to = ((from / SECTOR + 1) * SECTOR).min(at + bytes.len());
                if got_there(from) {
                    if image.len() < to {
                        image.resize(to, 0);
                    }
                    image[from..to].copy_from_slice(&bytes[from - at..to - at]);
                }
                from = to;
            }
        }
    }
}
