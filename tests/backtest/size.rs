//! A large history: the difference is right, and memory does not grow with it.

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use super::difference::{printed, record, same, same_counts, sum};
use super::history::{Folder, begin, told};
use super::real::{Fired, Real, Shared, definitions, fired, minus};

/// Told events of the large history.
const LARGE: u64 = 100_000;
/// And of the part of it that is tried beside it.
const SMALL: u64 = LARGE / 10;

/// Runs the command to its end; also the most memory it had, in KiB, as last seen.
fn measured(folder: &Folder, args: &[&str]) -> (Output, u64) {
    let (out, errors) = (folder.path("out"), folder.path("errors"));
    let file = |path| Stdio::from(std::fs::File::create(path).unwrap());
    let mut child = folder.command(args).stdout(file(&out)).stderr(file(&errors)).spawn().unwrap();
    let place = format!("/proc/{}/status", child.id());
    let mut most = 0;
    let status = loop {
        let text = std::fs::read_to_string(&place).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        if let Some(kib) = line.and_then(|l| l.trim().strip_suffix(" kB")) {
            most = kib.parse().unwrap();
        }
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    (Output { status, stdout: std::fs::read(out).unwrap(), stderr: std::fs::read(errors).unwrap() }, most)
}

/// What fires when it really is decided by these definitions.
fn really(folder: &Folder, count: u64) -> Fired {
    let store = Shared::default();
    let mut real = Real::new(&store, definitions(&folder.path("config.yaml")), begin());
    told(count).for_each(|draft| real.tell(draft));
    fired(&store, 0)
}

#[test]
fn a_hundred_thousand_events() {
    let folder = Folder::quiet(90, 92);
    let begun = Instant::now();
    let (old, new) = std::thread::scope(|scope| {
        let new = scope.spawn(|| really(&folder, LARGE));
        let old = fired(&record(&folder, LARGE), 0);
        (old, new.join().unwrap())
    });
    eprintln!("two real runs of {LARGE} events: {:?}", begun.elapsed());
    let expect = minus(&new, &old);

    let begun = Instant::now();
    let (out, large) = measured(&folder, &["--old", "old", "--json"]);
    eprintln!("backtest of {LARGE} events: {:?}, {large} KiB", begun.elapsed());
    assert_eq!(String::from_utf8_lossy(&out.stderr), "");
    let text = String::from_utf8(out.stdout).unwrap();
    same(&printed(&text), &expect);
    let sum = sum(&text);
    assert_eq!(sum["events"], LARGE);
    same_counts(&text, &old, &new);
    assert!(sum["firings"]["more"].as_u64() > Some(100) && sum["firings"]["fewer"].as_u64() > Some(1_000), "{sum}");

    let until = told(SMALL + 1).last().unwrap().received.to_string();
    let (out, small) = measured(&folder, &["--old", "old", "--json", "--until", &until]);
    eprintln!("of {SMALL}: {small} KiB; {:.2} times as much for {} times the events", large as f64 / small as f64, LARGE / SMALL);
    assert_eq!(super::difference::sum(&String::from_utf8(out.stdout).unwrap())["events"], SMALL);
    assert!(large * 10 <= small * 12, "{large} KiB for {LARGE} events, {small} KiB for {SMALL}");
}
