//! The command line: tests in the YAML a second, recorded events tried a second.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::Scale;
use super::daemon::{self, Daemon};
use super::load;
use super::table;

/// `ifthen test` and `ifthen backtest`, with their start, reading and compiling.
pub fn run(scale: Scale) {
    let count = if scale.short { 500 } else { 5_000 };
    let mut files = daemon::rules(100);
    for part in (0..count).collect::<Vec<_>>().chunks(500) {
        let mut tests = String::from("tests:\n");
        for n in part {
            let grade = if n % 100 > 50 { "A" } else { "B" };
            let given = format!("lead: [{{ id: L{n}, name: 刘洋, region: r{}, score: {} }}]", n % 100, n % 100);
            let expect = format!("[{{ set: {{ grade: {grade} }} }}, {{ log: 刘洋 {} }}]", n % 100);
            writeln!(tests, "  第{n}条:\n    given: {{ {given} }}\n    steps:\n      - {{ at: 2026-09-21 09:00, event: {{ name: lead.scored, record: lead/L{n} }}, expect: {expect} }}").unwrap();
        }
        files.push(tests);
    }
    let dir = daemon::folder(daemon::CONFIG, &files);
    let took = ifthen(dir.path(), &["test"], &format!("{count} passed, 0 failed"));
    table::head(&["", "", "a second"]);
    table::row(&["tests".into(), table::count(count as f64), table::count(count as f64 / took.as_secs_f64())]);

    let ours = Daemon::start(daemon::CONFIG, &daemon::rules(100));
    let told = load::put(ours.address, "/in/crm", 64, scale.time, None, daemon::body).count();
    let all = ours.metric("ifthen_events_total");
    let dir = ours.end();
    let took = ifthen(dir.path(), &["backtest"], "+0 −0").as_secs_f64();
    let row = |name: &str, count: f64| table::row(&[name.into(), table::count(count), table::count(count / took)]);
    row("recorded events that a source told, decided by both sides", told as f64);
    row("with those that they caused", all);
}

/// How long a command takes; what it must say.
fn ifthen(dir: &Path, command: &[&str], says: &str) -> Duration {
    let begun = Instant::now();
    let done = Command::new(daemon::binary()).arg("-c").arg(dir.join("config.yaml")).args(command).output().unwrap();
    let took = begun.elapsed();
    let text = String::from_utf8_lossy(&done.stdout);
    assert!(text.contains(says), "{text}\n{}", String::from_utf8_lossy(&done.stderr));
    took
}
