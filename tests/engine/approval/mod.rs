//! Approvals and forms in real flows.

mod matrix;
mod quote;
mod script;

use ifthen::engine::approval::{Act, End, Seated, Task};
use ifthen::engine::definition::{Share, Signing};
