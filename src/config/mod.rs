//! YAML in, [`Settings`](settings::Settings) and `Definitions` out, or every problem at once with file, line and column.
//!
//! Architecture invariant: nothing here acts; a folder that does not compile changes nothing.

pub mod settings;
