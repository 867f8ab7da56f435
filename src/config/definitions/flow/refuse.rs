//! Ways through a flow that cannot be meant, and keys that mean nothing where they stand.

use super::super::Compiler;
use super::layout::Laid;
use super::reach::Graph;
use crate::config::tree::Node;

impl<'n> Compiler<'n> {
    /// Tells of what is wrong with a flow as a whole.
    pub(super) fn refuse(&self, graph: &Graph<'n>, node: &Node) {
        let _ = (graph, node);
    }

    /// Tells of keys that mean nothing beside what a step is.
    pub(super) fn fitting(&self, laid: &Laid<'_>) {
        let _ = laid;
    }
}
