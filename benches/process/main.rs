//! Figures that anyone can rerun: the daemon as a process beside a bare reference, in the same run, on the same machine; what counts
//! is the ratio. `cargo bench --bench process` runs all, with names only those; `--short` is for CI: small sizes, nothing judged.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a harness prints, ends where something is not as it must be, and is read by nobody else"
)]

mod accept;
mod daemon;
mod growth;
mod idle;
mod load;
mod machine;
mod reference;
mod rules;
mod steps;
mod table;
mod timers;
mod tools;

use std::time::Duration;

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Scale {
    /// How long one load lasts.
    pub time: Duration,
    /// Whether this is the short form.
    pub short: bool,
}

fn main() {
    let mut args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if args.first().is_some_and(|a| a == "serve") {
        return reference::serve(&args[1..]);
    }
    let short = args.iter().any(|a| a == "--short");
    args.retain(|a| a != "--short");
    let scale = Scale { time: if short { Duration::from_secs(2) } else { Duration::from_secs(8) }, short };
    type Bench = (&'static str, fn(Scale));
    let all: [Bench; 9] = [
        ("accept", accept::run),
        ("latency", accept::latency),
        ("forward", accept::forward),
        ("rules", rules::run),
        ("steps", steps::run),
        ("timers", timers::run),
        ("growth", growth::run),
        ("tools", tools::run),
        ("idle", idle::run),
    ];
    machine::describe();
    for name in &args {
        assert!(all.iter().any(|(n, _)| n == name), "no benchmark is called `{name}`: {:?}", all.map(|(n, _)| n));
    }
    for (name, run) in all {
        if args.is_empty() || args.iter().any(|a| a == name) {
            println!("\n## {name}\n");
            let before = machine::sync();
            run(scale);
            println!("\nfdatasync p50 before and after it: {before:?}, {:?}", machine::sync());
        }
    }
}
