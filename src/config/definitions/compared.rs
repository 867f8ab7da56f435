//! Comparisons that can never come out otherwise: a field against a value of another type, a choice against none of its words.
//!
//! Speaks only where entity and field are known for certain; whatever may hold anything is left alone.

use std::borrow::Cow;

use rust_decimal::Decimal;

use super::super::catalogue as t;
use super::super::grammar::list;
use super::super::locate::locate;
use super::super::names::{self, Known};
use super::super::problem::{Problem, Said};
use super::super::scalar::nearest;
use super::super::tree::Node;
use super::Compiler;
use super::entity::holds;
use crate::engine::entity::{Entity, FieldKind, normalise};
use crate::engine::expression::{Compared, Expr};
use crate::engine::value::Value;

impl Compiler<'_> {
    /// Whether every comparison with a value that is written out can hold; tells of each that cannot.
    pub(super) fn comparisons(&self, node: &Node, skipped: usize, expr: &Expr, names: &Known<'_>) -> bool {
        let mut sensible = true;
        for compared in expr.compared() {
            let Some((field, kind)) = self.certain(&compared.path, names) else { continue };
            let Some((what, help)) = self.senseless(compared, field, &kind) else { continue };
            sensible = false;
            let (from, to) = (compared.at.start + skipped, compared.at.end + skipped);
            let at = self.texts.get(node.at.file).map_or(node.at, |text| locate(text, node, from, to));
            self.sink.add(Problem::new(at, what).help(help));
        }
        sensible
    }

    /// The field a name means and what it holds, if that is the same for every record in question.
    pub(super) fn certain<'b>(&'b self, path: &'b [String], names: &Known<'b>) -> Option<(&'b str, Cow<'b, FieldKind>)> {
        if names.vague || names.of.is_empty() || self.constants.contains_key(path.first()?) {
            return None;
        }
        let path = if path[0] == "old" { path.get(1..)? } else { path };
        let mut found: Option<Cow<'b, FieldKind>> = None;
        for entity in names.candidates() {
            let kind = self.field_kind(entity, path)?;
            if found.as_ref().is_some_and(|f| *f != kind) {
                return None;
            }
            found = Some(kind);
        }
        Some((path.last()?, found?))
    }

    fn field_kind<'b>(&'b self, entity: &'b Entity, path: &[String]) -> Option<Cow<'b, FieldKind>> {
        let (first, rest) = path.split_first()?;
        let kind = names::field(entity, first)?;
        match (kind.as_ref(), rest.is_empty()) {
            (_, true) => Some(kind),
            (FieldKind::Ref(other), false) if !self.vague.contains(other) => self.field_kind(self.entities.get(other)?, rest),
            _ => None,
        }
    }

    /// What is wrong with a comparison, if something is, and what would be right.
    fn senseless(&self, compared: &Compared, field: &str, kind: &FieldKind) -> Option<(Said, Option<Said>)> {
        let Compared { literal, ordered, .. } = compared;
        let write = |text: String| Some(t::WRITE_INSTEAD.with([text.into()]));
        let wrong = || t::FIELD_VALUE.with([field.into(), holds(kind).into(), shown(literal).into()]);
        let empty = literal.as_text().is_some_and(|t| t.trim().is_empty());
        match (kind, literal) {
            // What is empty is kept as nothing at all.
            (FieldKind::Choice(_) | FieldKind::Number | FieldKind::Money | FieldKind::Percent, Value::Text(_)) if empty => {
                Some((wrong(), Some(t::NULL_HELP.with([]))))
            }
            (FieldKind::Choice(of), Value::Text(word)) if !ordered && !of.contains(word) => {
                let words = || of.iter().map(String::as_str);
                let what = t::NOT_A_CHOICE.with([word.as_str().into(), field.into(), list(words()).into()]);
                Some((what, nearest(word, words()).map(|n| t::DID_YOU_MEAN.with([format!("'{n}'").into()]))))
            }
            // Numbers are never the same as text, and neither is before the other.
            (FieldKind::Choice(_) | FieldKind::Text | FieldKind::Phone(_) | FieldKind::Email, Value::Number(n)) => {
                let words = if let FieldKind::Choice(of) = kind { Some(of) } else { None };
                // As it is kept: a phone number with its country code.
                let kept = normalise(kind, literal.clone(), &self.around.zone).ok();
                let kept = kept.map_or_else(|| n.to_string(), |kept| kept.to_string());
                let fits = !ordered && words.is_none_or(|of| of.contains(&kept));
                Some((wrong(), if fits { write(format!("'{kept}'")) } else { None }))
            }
            (FieldKind::Number | FieldKind::Money | FieldKind::Percent, Value::Text(_)) => {
                let number = match normalise(kind, literal.clone(), &self.around.zone) {
                    Ok(Value::Number(n)) => Some(n),
                    _ => None,
                };
                Some((wrong(), number.and_then(|n: Decimal| write(n.to_string()))))
            }
            // Kept in one form: `13800138000` is never there, `+8613800138000` is.
            (FieldKind::Phone(_) | FieldKind::Email | FieldKind::Date, Value::Text(_)) if !empty => {
                match normalise(kind, literal.clone(), &self.around.zone) {
                    Ok(kept) if kept == *literal => None,
                    Ok(kept) => Some((wrong(), write(format!("'{kept}'")))),
                    Err(_) => Some((wrong(), None)),
                }
            }
            (FieldKind::Boolean, Value::Text(_) | Value::Number(_)) => {
                let kept = normalise(kind, literal.clone(), &self.around.zone).ok();
                Some((wrong(), kept.and_then(|kept| write(kept.to_string()))))
            }
            _ => None,
        }
    }
}

/// As it is written in a condition.
fn shown(literal: &Value) -> String {
    match literal {
        Value::Text(text) => format!("'{text}'"),
        other => other.to_string(),
    }
}
