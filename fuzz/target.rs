//! Every binary is this file: the name tells which target it runs.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ifthen_fuzz::run(env!("CARGO_BIN_NAME"), data));
