//! Approvals and forms: who is asked, who may do what, when it is decided. A flow begins a task and is told how it ended.

mod task;

pub use task::*;
