//! What it takes while nothing happens.

use std::path::Path;
use std::time::Duration;

use super::Scale;
use super::daemon::{self, Daemon};
use super::table;

/// Everything shipped, loaded: memory, start, size of the binary.
pub fn run(scale: Scale) {
    let dir = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["rules", "flows"] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
        for file in std::fs::read_dir(root.join(folder)).unwrap().map(Result::unwrap) {
            std::fs::copy(file.path(), dir.path().join(folder).join(file.file_name())).unwrap();
        }
    }
    let config = std::fs::read_to_string(root.join("config.example.yaml")).unwrap();
    std::fs::write(dir.path().join("config.yaml"), config.replace("127.0.0.1:8780", "127.0.0.1:0")).unwrap();
    let ours = Daemon::at(dir);
    std::thread::sleep(if scale.short { Duration::from_millis(500) } else { Duration::from_secs(5) });
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / 1024.0 / 1024.0);
    table::head(&["start to ready", "resident", "binary", "store"]);
    table::row(&[
        format!("{:.0?}", ours.ready),
        mib(daemon::resident(ours.pid())),
        mib(daemon::binary().metadata().unwrap().len()),
        mib(ours.stored()),
    ]);
}
