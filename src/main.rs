//! Arguments → run → exit code.

use std::process::ExitCode;

/// Frees memory back early and is quick with the many small strings of a decision.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ifthen::cli::run()
}
