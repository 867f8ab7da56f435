//! What is measured does not fill the memory of a daemon whose figures nobody asks for. A process of its own: its memory is looked at.
#![allow(clippy::unwrap_used, reason = "a failure here is the test failing")]

use ifthen::web;

/// Each is some 20 bytes until it is summed up.
const VALUES: usize = 2_000_000;
const BETWEEN: usize = 50_000;

/// Resident, in MiB.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    line.trim().split(' ').next().unwrap().parse::<usize>().unwrap() >> 10
}

#[test]
fn what_is_summed_up_takes_no_room() {
    web::install_metrics();
    let measure = |count: usize| {
        let histogram = metrics::histogram!("ifthen_request_seconds");
        (0..count).for_each(|n| histogram.record(n as f64));
    };
    measure(BETWEEN);
    web::sum_up_metrics();
    let before = memory();
    for _ in 0..VALUES / BETWEEN {
        measure(BETWEEN);
        web::sum_up_metrics();
    }
    let after = memory();
    assert!(after < before + 10, "{before} MiB, then {after}");
}
