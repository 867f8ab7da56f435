//! What the figures were measured on.

use std::io::Write as _;
use std::time::{Duration, Instant};

/// Prints the machine and what its disk takes to sync.
pub fn describe() {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|l| l.strip_prefix("model name")).map_or("?", |l| l.trim_start_matches([' ', '\t', ':']));
    println!("{cores} cores, {model}; load {}", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    println!("fdatasync of 4 KiB appended: p50 {:?}", sync());
}

/// The median of 200 appends of 4 KiB, each synced.
pub fn sync() -> Duration {
    let mut file = tempfile::tempfile().unwrap();
    let mut took: Vec<Duration> = (0..200)
        .map(|_| {
            file.write_all(&[7; 4096]).unwrap();
            let begun = Instant::now();
            file.sync_data().unwrap();
            begun.elapsed()
        })
        .collect();
    took.sort_unstable();
    took[took.len() / 2]
}
