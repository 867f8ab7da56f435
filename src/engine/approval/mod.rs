//! Approvals and forms: who is asked, who may do what, when it is decided. A flow begins a task and is told how it ended.

mod marker;
pub mod proof;
mod task;
mod told;

pub use marker::Marker;
pub use task::*;
