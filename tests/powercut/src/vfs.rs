//! The module that SQLite calls: asks the model, passes on to the system's own ("unix").

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, MutexGuard, Once, OnceLock, PoisonError};

use rusqlite::ffi;

use crate::model::{Model, Verdict, What};

/// The disks there are.
static DISKS: Mutex<Vec<Arc<Mutex<Model>>>> = Mutex::new(Vec::new());
/// The system's module.
static SYSTEM: OnceLock<System> = OnceLock::new();

/// Lives as long as the process.
struct System(*mut ffi::sqlite3_vfs);
// SAFETY: SQLite's modules are registered for the whole process and called from any thread.
unsafe impl Send for System {}
// SAFETY: as above; nothing here writes to it.
unsafe impl Sync for System {}

fn system() -> *mut ffi::sqlite3_vfs {
    SYSTEM.get().map_or(null_mut(), |s| s.0)
}

pub(crate) fn mount(model: &Arc<Mutex<Model>>) {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(register);
    lock(&DISKS).push(Arc::clone(model));
}

pub(crate) fn unmount(model: &Arc<Mutex<Model>>) {
    lock(&DISKS).retain(|m| !Arc::ptr_eq(m, model));
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn disk_of(path: &Path) -> Option<Arc<Mutex<Model>>> {
    lock(&DISKS).iter().find(|m| lock(m).holds(path)).cloned()
}

fn register() {
    // SAFETY: initialising is allowed at any time, and finding a module by a static name afterwards.
    let system = unsafe {
        ffi::sqlite3_initialize();
        ffi::sqlite3_vfs_find(c"unix".as_ptr())
    };
    assert!(!system.is_null(), "SQLite has no module of the name `unix`");
    SYSTEM.get_or_init(|| System(system));
    // SAFETY: `system` points to a module that lives for ever; its fields are plain numbers and functions, which know nothing of the
    // module they are called through. SQLite keeps the copy, which therefore is never freed.
    unsafe {
        let mut own = *system;
        own.zName = c"powercut".as_ptr();
        own.pNext = null_mut();
        own.szOsFile += HEAD as c_int;
        own.xOpen = Some(open);
        own.xDelete = Some(delete);
        let done = ffi::sqlite3_vfs_register(Box::into_raw(Box::new(own)), 1);
        assert_eq!(done, ffi::SQLITE_OK, "SQLite does not take the module");
    }
}

/// What stands before the system's own in the memory that SQLite keeps for an open file.
#[repr(C, align(8))]
struct File {
    base: ffi::sqlite3_file,
    /// The disk and the file's number there; none for what is passed on.
    place: Option<(Arc<Mutex<Model>>, usize)>,
}

const HEAD: usize = size_of::<File>();

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2, // no memory maps: they would be written past us
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(take),
    xUnlock: Some(let_go),
    xCheckReservedLock: Some(is_reserved),
    xFileControl: Some(control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// The system's file behind ours.
///
/// # Safety
/// `file` was opened by [`open`].
unsafe fn behind(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: SQLite keeps `szOsFile` bytes for a file, of which the system's begin after the head.
    unsafe { file.byte_add(HEAD) }
}

/// Calls the system's method of that name.
macro_rules! pass {
    ($file:expr, $method:ident $(, $arg:expr)*) => {{
        // SAFETY: the file was opened by the system's module, which has set its methods; the arguments are SQLite's own.
        unsafe {
            let file = behind($file);
            match (*(*file).pMethods).$method {
                Some(method) => method(file $(, $arg)*),
                None => ffi::SQLITE_IOERR,
            }
        }
    }};
}

/// The disk of a file, if it lies on one.
fn place(file: *mut ffi::sqlite3_file) -> Option<(Arc<Mutex<Model>>, usize)> {
    // SAFETY: `open` has written a whole `File` there, which lives until `close`.
    unsafe { (*file.cast::<File>()).place.clone() }
}

/// # Safety
/// `name` is null or a string that ends with a zero.
unsafe fn path_of(name: *const c_char) -> Option<PathBuf> {
    // SAFETY: as said above.
    (!name.is_null()).then(|| PathBuf::from(OsStr::from_bytes(unsafe { CStr::from_ptr(name) }.to_bytes())))
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite hands over its own name, and memory of `szOsFile` bytes that is aligned to 8; without methods it will
    // not call `close`.
    let path = unsafe {
        (*file).pMethods = std::ptr::null();
        path_of(name)
    };
    let disk = path.as_deref().and_then(disk_of);
    let mut was = None;
    if let (Some(disk), Some(path)) = (&disk, &path) {
        let model = lock(disk);
        if model.off {
            return ffi::SQLITE_CANTOPEN;
        }
        if !model.knows(path) {
            was = std::fs::read(path).ok();
        }
    }
    let existed = path.as_deref().is_some_and(Path::exists);
    // SAFETY: the system's module gets its part of the memory and SQLite's own arguments.
    let done = unsafe {
        let Some(open) = (*system()).xOpen else { return ffi::SQLITE_CANTOPEN };
        open(system(), name, behind(file), flags, out)
    };
    // SAFETY: `behind` is the system's; it leaves its methods null where it did not open.
    if done != ffi::SQLITE_OK || unsafe { (*behind(file)).pMethods.is_null() } {
        return done;
    }
    let journal = flags & (ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL | ffi::SQLITE_OPEN_WAL) != 0;
    let place = disk.zip(path).map(|(disk, path)| {
        let number = lock(&disk).opened(&path, was.filter(|_| existed), journal);
        (disk, number)
    });
    // SAFETY: the memory is ours up to the system's part; nothing there needs to be dropped.
    unsafe { file.cast::<File>().write(File { base: ffi::sqlite3_file { pMethods: &raw const METHODS }, place }) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    let done = pass!(file, xClose);
    // SAFETY: written by `open`, and closed once.
    unsafe {
        (*file.cast::<File>()).place = None;
        (*file).pMethods = std::ptr::null();
    }
    done
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    // SAFETY: SQLite's own name.
    let path = unsafe { path_of(name) };
    let go = || {
        // SAFETY: the system's module and SQLite's own arguments.
        unsafe {
            match (*system()).xDelete {
                Some(delete) => delete(system(), name, sync),
                None => ffi::SQLITE_IOERR_DELETE,
            }
        }
    };
    let Some((disk, path)) = path.as_deref().and_then(|p| Some((disk_of(p)?, p))) else { return go() };
    let mut model = lock(&disk);
    match model.ask(usize::MAX, &[]) {
        Verdict::Go => {
            let done = go();
            if done == ffi::SQLITE_OK {
                model.removed(path, sync != 0);
            }
            done
        }
        Verdict::Cut => {
            model.removed(path, false);
            ffi::SQLITE_IOERR_DELETE
        }
        _ => ffi::SQLITE_IOERR_DELETE,
    }
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, to: *mut c_void, count: c_int, at: i64) -> c_int {
    if let Some((disk, number)) = place(file)
        && lock(&disk).read(number) != Verdict::Go
    {
        return ffi::SQLITE_IOERR_READ;
    }
    pass!(file, xRead, to, count, at)
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, count: c_int, at: i64) -> c_int {
    let Some((disk, number)) = place(file) else { return pass!(file, xWrite, from, count, at) };
    let mut model = lock(&disk);
    // SAFETY: SQLite hands over so many bytes.
    let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), count as usize) };
    let verdict = model.ask(number, &[What::Write, What::Room]);
    let count = if verdict == Verdict::Go { count } else { count / 2 };
    match verdict {
        Verdict::Off => ffi::SQLITE_IOERR_WRITE,
        Verdict::Cut => {
            model.written(number, at as usize, bytes);
            ffi::SQLITE_IOERR_WRITE
        }
        Verdict::Go | Verdict::Fail | Verdict::Full => {
            let done = pass!(file, xWrite, from, count, at);
            if done == ffi::SQLITE_OK {
                model.written(number, at as usize, &bytes[..count as usize]);
                model.mark(number);
            }
            match verdict {
                Verdict::Fail => ffi::SQLITE_IOERR_WRITE,
                Verdict::Full => ffi::SQLITE_FULL,
                _ => done,
            }
        }
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    let Some((disk, number)) = place(file) else { return pass!(file, xTruncate, size) };
    let mut model = lock(&disk);
    match model.ask(number, &[What::Write]) {
        Verdict::Go => {
            let done = pass!(file, xTruncate, size);
            if done == ffi::SQLITE_OK {
                model.truncated(number, size as usize);
                model.mark(number);
            }
            done
        }
        Verdict::Cut => {
            model.truncated(number, size as usize);
            ffi::SQLITE_IOERR_TRUNCATE
        }
        _ => ffi::SQLITE_IOERR_TRUNCATE,
    }
}

/// The model's word is what counts; the real files need no fsync.
unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    let Some((disk, number)) = place(file) else { return pass!(file, xSync, flags) };
    let mut model = lock(&disk);
    match model.ask(number, &[What::Sync]) {
        Verdict::Go => {
            model.synced(number);
            return ffi::SQLITE_OK;
        }
        Verdict::Cut => model.cut_while_syncing(number),
        Verdict::Fail | Verdict::Full => model.half_synced(number),
        Verdict::Off => {}
    }
    ffi::SQLITE_IOERR_FSYNC
}

unsafe extern "C" fn control(file: *mut ffi::sqlite3_file, op: c_int, arg: *mut c_void) -> c_int {
    let place = place(file);
    match op {
        // The system would make the file larger past us.
        ffi::SQLITE_FCNTL_SIZE_HINT if place.is_some() => return ffi::SQLITE_OK,
        ffi::SQLITE_FCNTL_PRAGMA if place.is_some_and(|(disk, _)| lock(&disk).normal) => {
            // SAFETY: for this operation `arg` is an array of four strings: the answer, the name, the value or null, null. SQLite reads
            // the value from the same memory afterwards, so that what is written into it (no longer than it was) is what it goes by.
            unsafe {
                let words = arg.cast::<*mut c_char>();
                let (name, value) = (*words.add(1), *words.add(2));
                if CStr::from_ptr(name).to_bytes().eq_ignore_ascii_case(b"synchronous")
                    && !value.is_null()
                    && CStr::from_ptr(value).to_bytes().eq_ignore_ascii_case(b"full")
                {
                    value.copy_from_nonoverlapping(c"1".as_ptr(), 2); // NORMAL
                }
            }
        }
        _ => {}
    }
    pass!(file, xFileControl, op, arg)
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    pass!(file, xFileSize, size)
}

unsafe extern "C" fn take(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    pass!(file, xLock, level)
}

unsafe extern "C" fn let_go(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    pass!(file, xUnlock, level)
}

unsafe extern "C" fn is_reserved(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    pass!(file, xCheckReservedLock, out)
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    pass!(file, xSectorSize)
}

/// What the system says but for whole groups of writes that happen at once, which no disk of ours can.
unsafe extern "C" fn characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    pass!(file, xDeviceCharacteristics) & ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    page: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    pass!(file, xShmMap, page, size, extend, out)
}

unsafe extern "C" fn shm_lock(file: *mut ffi::sqlite3_file, offset: c_int, n: c_int, flags: c_int) -> c_int {
    pass!(file, xShmLock, offset, n, flags)
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: as in `pass!`.
    unsafe {
        let file = behind(file);
        if let Some(barrier) = (*(*file).pMethods).xShmBarrier {
            barrier(file);
        }
    }
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, delete: c_int) -> c_int {
    pass!(file, xShmUnmap, delete)
}
