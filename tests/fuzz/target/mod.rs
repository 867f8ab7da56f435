//! What is fuzzed: one function per target that takes any bytes and panics where something does not hold. The same functions run
//! on the stored corpus with the other tests and, without end, under a fuzzer (`fuzz/`).

mod condition;
mod cron;
mod definitions;
mod duration;
mod flow;
mod index;
mod signature;
mod template;
mod typed;
mod webhook;

use std::ops::Range;

use ifthen::engine::expression::Fault;

/// A target: its name, how often the usual tests run it on something changed, and what it does.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    #[allow(dead_code, reason = "for the usual tests")]
    pub(crate) runs: u64,
    pub(crate) run: fn(&[u8]),
}

macro_rules! targets {
    ($($name:ident $runs:literal;)*) => {
        /// All of them.
        pub(crate) const ALL: &[Target] =
            &[$(Target { name: stringify!($name), runs: $runs, run: $name::run }),*];
    };
}

targets! {
    condition 4_000;
    cron 1_500;
    definitions 300;
    duration 4_000;
    flow 40;
    index 1_500;
    signature 4_000;
    template 3_000;
    typed 4_000;
    webhook 3_000;
}

/// By its name.
#[allow(dead_code, reason = "for the fuzzer, which runs one")]
pub(crate) fn run(name: &str, data: &[u8]) {
    let target = ALL.iter().find(|t| t.name == name).unwrap_or_else(|| panic!("there is no target {name}"));
    (target.run)(data);
}

/// Text as an editor or a sender would hand it over: what is not UTF-8 is refused before anything here.
fn text(data: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(data)
}

/// Every fault says something and stands inside the text.
fn placed(source: &str, faults: &[Fault]) {
    assert!(!faults.is_empty(), "refused without a fault");
    let length = source.chars().count();
    for fault in faults {
        let Range { start, end } = fault.at;
        assert!(start <= end && end <= length, "{fault:?} is outside of a text of {length} characters");
    }
}
