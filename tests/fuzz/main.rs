//! The fuzz targets without a fuzzer: each runs on every file of its stored corpus, on what is too large to be stored, and on a few
//! thousand changed copies of those, the same ones every time. `fuzz/README.md` tells how the fuzzer runs them.
//!
//! `IFTHEN_INPUT=a-file` runs one input;
//! `IFTHEN_FUZZ=100000 IFTHEN_SEED=7 cargo test --test fuzz cron` runs longer and elsewhere; what fails is written to a file.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a failure here is the test failing")]

mod corpus;
mod feed;
mod mutate;
mod target;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use mutate::Mutator;
use target::{ALL, Target};

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

/// One target on one input. What fails is kept in a file: it may be no text, and long. What takes long is told.
#[allow(clippy::print_stderr, reason = "for whoever looks for the cause")]
fn run(target: &Target, what: &str, data: &[u8]) {
    let began = std::time::Instant::now();
    let done = catch_unwind(AssertUnwindSafe(|| (target.run)(data)));
    if let Err(panic) = done {
        let file = std::env::temp_dir().join(format!("ifthen-fuzz-{}", target.name));
        let kept = std::fs::write(&file, data).map_or_else(|e| e.to_string(), |()| file.display().to_string());
        eprintln!("{}: {what} of {} bytes fails; it is in {kept}", target.name, data.len());
        resume_unwind(panic);
    }
    if began.elapsed().as_secs() > 0 {
        eprintln!("{}: {what} of {} bytes took {:?}", target.name, data.len(), began.elapsed());
    }
}

fn check(name: &str) {
    let target = ALL.iter().find(|t| t.name == name).unwrap();
    if let Ok(file) = std::env::var("IFTHEN_INPUT") {
        return run(target, &file, &std::fs::read(&file).unwrap());
    }
    let stored = corpus::stored(name);
    assert!(!stored.is_empty(), "fuzz/corpus/{name} is empty");
    for (file, data) in &stored {
        run(target, file, data);
    }
    for (what, data) in corpus::large(name) {
        run(target, what, &data);
    }
    let words = corpus::words(name);
    let seeds: Vec<&[u8]> = stored.iter().map(|(_, data)| data.as_slice()).collect();
    let mut mutator = Mutator::new(&seeds, &words, number("IFTHEN_SEED", 1));
    for n in 0..number("IFTHEN_FUZZ", target.runs) {
        run(target, &format!("change {n}"), &mutator.next());
    }
}

macro_rules! each {
    ($($name:ident)*) => {
        $(#[test] fn $name() { check(stringify!($name)); })*

        /// Nothing is fuzzed that is not tested, and the other way round.
        #[test]
        fn every_target_is_run_everywhere() {
            let tested = [$(stringify!($name)),*];
            let all: Vec<&str> = ALL.iter().map(|t| t.name).collect();
            assert_eq!(tested[..], all[..]);
            assert_eq!(corpus::targets(), all, "the binaries in fuzz/Cargo.toml");
            assert_eq!(corpus::folders(), all, "the folders of fuzz/corpus");
        }
    };
}

each!(condition cron definitions duration flow index signature template typed webhook);

/// They stay small: what a fuzzer finds by itself is not stored.
#[test]
fn the_corpora_are_small() {
    for target in ALL {
        let stored = corpus::stored(target.name);
        let bytes: usize = stored.iter().map(|(_, data)| data.len()).sum();
        assert!(stored.len() <= 100 && bytes <= 128 << 10, "{}: {} files, {bytes} bytes", target.name, stored.len());
    }
}
