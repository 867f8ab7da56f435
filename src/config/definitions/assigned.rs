//! Values that are worked out for a field: whether what an expression or template comes to is something the field can hold.
//!
//! Speaks only where that is certain, as [`super::compared`] does; what may hold anything is left alone.

use super::super::catalogue as t;
use super::super::fault::{kind_word, kinds_help};
use super::super::grammar::list;
use super::super::locate::locate;
use super::super::names::{Known, kind_of};
use super::super::problem::{At, Problem};
use super::super::scalar::nearest;
use super::super::tree::Node;
use super::Compiler;
use super::entity::holds;
use super::term::is_template;
use crate::engine::entity::{FieldKind, normalise};
use crate::engine::expression::{Expr, Kind};
use crate::engine::template::Template;

impl Compiler<'_> {
    /// Whether `= expression` or a template may come to what a field holds; tells of it where it never does.
    pub(super) fn comes_to_fit(&self, node: &Node, field: &str, kind: &FieldKind, names: &Known<'_>) -> bool {
        let Some(text) = node.text() else { return true };
        if names.vague {
            return true;
        }
        if let Some(rest) = text.strip_prefix('=') {
            let source = rest.trim_start();
            let skipped = 1 + rest.chars().count() - source.chars().count();
            return match Expr::parse(source.trim_end()) {
                Ok(expr) => self.expression_fits(node, skipped, &expr, field, kind, names),
                Err(_) => true, // told elsewhere
            };
        }
        !is_template(text) || self.template_fits(node, text, field, kind, names)
    }

    fn expression_fits(
        &self,
        node: &Node,
        skipped: usize,
        expr: &Expr,
        field: &str,
        kind: &FieldKind,
        names: &Known<'_>,
    ) -> bool {
        let (found, texts) = expr.kind(names);
        let whole = || self.characters(node, skipped, skipped + expr.source().chars().count());
        if !may_hold(kind, found) && texts.is_empty() {
            let what = t::ASSIGNED_KIND.with([field.into(), holds(kind).into(), kind_word(found).into()]);
            self.sink.add(Problem::new(whole(), what).help(assigned_help(kind_of(kind), found)));
            return false;
        }
        let mut fits = true;
        for (text, at) in texts {
            if normalise(kind, text.as_str().into(), &self.around.zone).is_ok() {
                continue;
            }
            fits = false;
            let at = self.characters(node, at.start + skipped, at.end + skipped);
            if let FieldKind::Choice(of) = kind {
                let words = || of.iter().map(String::as_str);
                let what = t::NOT_A_CHOICE.with([text.as_str().into(), field.into(), list(words()).into()]);
                let near = nearest(&text, words()).map(|n| t::DID_YOU_MEAN.with([format!("'{n}'").into()]));
                self.sink.add(Problem::new(at, what).help(near));
            } else {
                self.sink.say(at, &t::FIELD_VALUE, [field.into(), holds(kind).into(), text.into()]);
            }
        }
        fits
    }

    fn template_fits(&self, node: &Node, text: &str, field: &str, kind: &FieldKind, names: &Known<'_>) -> bool {
        // A name alone is what the name is; with a filter behind it, it is a text of some kind.
        let inner = text.trim().strip_prefix("{{").and_then(|t| t.strip_suffix("}}")).map(str::trim);
        let alone = inner.filter(|i| !i.is_empty() && i.chars().all(|c| c.is_alphanumeric() || "_.".contains(c)));
        let named =
            alone.and_then(|_| Template::parse(text).ok()).and_then(|t| t.names().first().map(|n| names_kind(names, &n.path)));
        if let Some(found) = named.filter(|found| !may_hold(kind, *found) && *found != Kind::Time) {
            let what = t::ASSIGNED_KIND.with([field.into(), holds(kind).into(), kind_word(found).into()]);
            self.sink.add(Problem::new(node.at, what));
            return false;
        }
        let numeric = matches!(kind, FieldKind::Number | FieldKind::Money | FieldKind::Percent);
        if numeric && outside(text).chars().any(char::is_alphabetic) {
            let what = t::TEMPLATE_IS_TEXT.with([field.into(), holds(kind).into()]);
            self.sink.add(Problem::new(node.at, what));
            return false;
        }
        true
    }

    fn characters(&self, node: &Node, from: usize, to: usize) -> At {
        self.texts.get(node.at.file).map_or(node.at, |text| locate(text, node, from, to))
    }
}

fn names_kind(names: &Known<'_>, path: &[String]) -> Kind {
    use crate::engine::scope::Names as _;
    names.kind(path)
}

/// What of a template stands outside of its braces.
fn outside(template: &str) -> String {
    let (mut text, mut rest) = (String::new(), template);
    while let Some(open) = rest.find('{').filter(|at| rest[at + 1..].starts_with(['{', '%', '#'])) {
        text.push_str(&rest[..open]);
        let Some(close) = rest[open..].find('}') else { return text };
        rest = rest[open + close..].trim_start_matches('}');
    }
    text.push_str(rest);
    text
}

/// Whether a field may keep a value of a kind.
fn may_hold(field: &FieldKind, found: Kind) -> bool {
    match field {
        FieldKind::Any => true,
        _ if found == Kind::Any => true,
        FieldKind::Text
        | FieldKind::Phone(_)
        | FieldKind::Email
        | FieldKind::Choice(_)
        | FieldKind::Person
        | FieldKind::Ref(_) => found.is_text() || found == Kind::Number,
        FieldKind::Number | FieldKind::Money | FieldKind::Percent => found == Kind::Number,
        // `是` and 1 are read as true.
        FieldKind::Boolean => matches!(found, Kind::Bool | Kind::Text | Kind::Number),
        FieldKind::Time | FieldKind::Date => matches!(found, Kind::Time | Kind::Date | Kind::Text | Kind::Number),
        FieldKind::List => found.is_text() || matches!(found, Kind::List | Kind::Number),
    }
}

/// How a value becomes what the field holds.
fn assigned_help(field: Kind, found: Kind) -> Option<super::super::problem::Said> {
    match field {
        Kind::Number if found.is_text() => kinds_help(field, found),
        _ if field.is_text() && found == Kind::Time => kinds_help(field, found),
        _ if field.is_text() && found == Kind::List => Some(t::WRITE_INSTEAD.with(["join(…)".into()])),
        _ if field.is_text() && found == Kind::Bool => Some(t::WRITE_INSTEAD.with(["text(…)".into()])),
        _ => None,
    }
}
