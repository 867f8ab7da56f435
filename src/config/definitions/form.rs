//! Forms: what an `ask` asks for.

use std::collections::BTreeMap;

use super::super::scalar;
use super::super::tree::{Entry, Node};
use super::{Compiler, Item};
use crate::engine::definition::{Form, FormField};
use crate::engine::entity::FieldKind;

impl Compiler<'_> {
    pub(super) fn read_forms(&mut self, items: &[Item<'_>]) {
        let forms: BTreeMap<String, Form> = items.iter().map(|i| (i.id.to_owned(), self.form(*i))).collect();
        self.forms = forms;
    }

    fn form(&self, item: Item<'_>) -> Form {
        let title = item.node.text_at("title").unwrap_or(item.id).to_owned();
        let fields = item.node.get("fields").map(Node::entries).unwrap_or_default();
        Form { title, fields: fields.iter().map(|e| self.form_field(e)).collect() }
    }

    fn form_field(&self, entry: &Entry) -> FormField {
        let node = &entry.value;
        FormField {
            name: entry.key.clone(),
            label: node.text_at("label").unwrap_or(&entry.key).to_owned(),
            // What could not be read was told.
            kind: self.kind_of_field(node).unwrap_or(FieldKind::Any),
            required: node.get("required").and_then(scalar::boolean).unwrap_or(false),
        }
    }
}
