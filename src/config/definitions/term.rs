//! Conditions, templates and terms, with faults brought back to their characters in the file.

use super::super::catalogue as t;
use super::super::fault;
use super::super::grammar::list;
use super::super::locate::locate;
use super::super::names::Known;
use super::super::problem::{Problem, Said};
use super::super::scalar;
use super::super::tree::{Kind, Node, Style};
use super::Compiler;
use crate::engine::definition::Term;
use crate::engine::expression::{Expr, Fault, FaultKind, Lookup, Name};
use crate::engine::template::Template;

impl Compiler<'_> {
    /// A condition: true or false.
    pub(super) fn condition(&self, node: &Node, names: &Known<'_>) -> Option<Expr> {
        let text = node.text()?;
        let start = text.trim_start();
        if start.starts_with('=') && !start.starts_with("==") {
            let from = text.chars().count() - start.chars().count();
            let at = self.texts.get(node.at.file).map_or(node.at, |file| locate(file, node, from, from + 1));
            self.sink.add(Problem::new(at, t::LEADING_EQUALS.with([])).help(t::LEADING_EQUALS_HELP.with([])));
            // What follows is checked all the same.
            let skipped = from + 1;
            let rest: String = text.chars().skip(skipped).collect();
            self.expr(node, skipped, Expr::parse_condition(&rest), names);
            return None;
        }
        self.expr(node, 0, Expr::parse_condition(text), names)
    }

    /// A template; what is inserted stands as it is.
    pub(super) fn template(&self, node: &Node, names: &Known<'_>) -> Option<Template> {
        self.placeholder(node);
        self.no_expression(node)?;
        self.checked(node, Template::parse(node.text()?), names)
    }

    /// A template whose inserted values are escaped.
    pub(super) fn html(&self, node: &Node, names: &Known<'_>) -> Option<Template> {
        self.placeholder(node);
        self.no_expression(node)?;
        self.checked(node, Template::parse_html(node.text()?), names)
    }

    /// Any value: expressions begin with `=`, templates hold braces, the rest is as it stands.
    pub(super) fn term(&self, node: &Node, names: &Known<'_>) -> Option<Term> {
        match &node.kind {
            Kind::Seq(items) => {
                let terms: Vec<_> = items.iter().map(|i| self.term(i, names)).collect();
                Some(Term::List(terms.into_iter().collect::<Option<_>>()?))
            }
            Kind::Map(entries) => {
                let terms: Vec<_> = entries.iter().map(|e| Some((e.key.clone(), self.term(&e.value, names)?))).collect();
                Some(Term::Map(terms.into_iter().collect::<Option<_>>()?))
            }
            Kind::Scalar(text, style) => {
                self.placeholder(node);
                if let Some(rest) = text.strip_prefix('=') {
                    let source = rest.trim_start();
                    let skipped = 1 + rest.chars().count() - source.chars().count();
                    return self.expr(node, skipped, Expr::parse(source.trim_end()), names).map(Term::Expr);
                }
                if is_template(text) || !Template::slips(text).is_empty() {
                    return self.checked(node, Template::parse(text), names).map(Term::Template);
                }
                Some(Term::Value(if *style == Style::Plain { scalar::core(text) } else { text.as_str().into() }))
            }
            Kind::Empty | Kind::Broken => None,
        }
    }

    pub(super) fn expr(&self, node: &Node, skipped: usize, parsed: Result<Expr, Vec<Fault>>, names: &Known<'_>) -> Option<Expr> {
        match parsed {
            Ok(expr) => {
                let senseless = self.comparisons(node, skipped, &expr, names);
                let mut faults = if names.vague { Vec::new() } else { expr.check(names) };
                // Told already, with the field's name.
                faults.retain(|f| !senseless.iter().any(|at| f.at.start <= at.start && at.end <= f.at.end));
                self.faults(node, skipped, &faults, names);
                let found = self.lookups(node, skipped, &expr);
                self.hidden(node, skipped, expr.names(), names);
                (faults.is_empty() && senseless.is_empty() && found).then_some(expr)
            }
            Err(faults) => {
                self.faults(node, skipped, &faults, names);
                None
            }
        }
    }

    fn checked(&self, node: &Node, parsed: Result<Template, Vec<Fault>>, names: &Known<'_>) -> Option<Template> {
        match parsed {
            Ok(template) => {
                let faults = if names.vague { Vec::new() } else { template.check(names) };
                self.faults(node, 0, &faults, names);
                self.hidden(node, 0, template.names(), names);
                faults.is_empty().then_some(template)
            }
            Err(faults) => {
                self.faults(node, 0, &faults, names);
                None
            }
        }
    }

    pub(super) fn faults(&self, node: &Node, skipped: usize, faults: &[Fault], names: &Known<'_>) {
        let Some(text) = self.texts.get(node.at.file) else { return };
        for fault in faults {
            let at = locate(text, node, fault.at.start + skipped, fault.at.end + skipped);
            let (what, help) = of_run(fault, names).unwrap_or_else(|| fault::words(&fault.kind, &names.of));
            let source = node.text().unwrap_or_default();
            let quote = unquoted(source, fault, skipped).map(|word| t::QUOTE_TEXT.with([word.into()]));
            self.sink.add(Problem::new(at, what).help(help).help(quote));
        }
    }

    /// Tells of names that could mean the run or a field of the record.
    fn hidden(&self, node: &Node, skipped: usize, found: &[Name], names: &Known<'_>) {
        let Some(text) = self.texts.get(node.at.file) else { return };
        for name in found {
            let Some((word, entity)) = names.hidden(&name.path) else { continue };
            let at = locate(text, node, name.at.start + skipped, name.at.end + skipped);
            let problem = Problem::new(at, t::flow::HIDDEN_FIELD.with([word.into(), entity.into()]));
            self.sink.add(problem.help(t::flow::HIDDEN_FIELD_HELP.with([])));
        }
    }

    /// `= n + 1` where only templates make something of it. `=====` and `=> x` are text.
    fn no_expression(&self, node: &Node) -> Option<()> {
        let Some(rest) = node.text()?.strip_prefix('=').filter(|r| !r.starts_with(['=', '>'])) else { return Some(()) };
        let rest = rest.trim();
        if is_template(rest) || Expr::parse(rest).is_err() {
            return Some(());
        }
        let help = t::WRITE_INSTEAD.with([format!("{{{{ {rest} }}}}").into()]);
        self.sink.add(Problem::new(node.at, t::STARTS_AS_EXPRESSION.with([])).help(help));
        None
    }

    /// Whether every table and column that is looked up in is there.
    fn lookups(&self, node: &Node, skipped: usize, expr: &Expr) -> bool {
        let mut right = true;
        for Lookup { table, column } in expr.lookups() {
            let at = |text: &str| {
                let place = expr.place_of(text);
                let text = self.texts.get(node.at.file);
                text.map_or(node.at, |text| locate(text, node, place.start + skipped, place.end + skipped))
            };
            let (Some(table), Some(column)) = (table, column) else {
                self.sink.say(at("lookup"), &t::LOOKUP_WRITTEN_OUT, []);
                right = false;
                continue;
            };
            let Some(found) = self.tables.get(&table) else {
                right = false;
                if !self.known_tables.contains(&table) {
                    self.missing(at(&table), &t::UNKNOWN_TABLE, &table, self.known_tables.iter().map(String::as_str));
                }
                continue;
            };
            if !found.columns.contains(&column) {
                right = false;
                let near = scalar::nearest(&column, found.columns.iter().map(String::as_str));
                let help = match near {
                    Some(near) => t::DID_YOU_MEAN.with([near.into()]),
                    None => t::KNOWN_KEYS.with([list(found.columns.iter().map(String::as_str)).into()]),
                };
                self.sink.add(Problem::new(at(&column), t::NO_COLUMN.with([table.into(), column.into()])).help(help));
            }
        }
        right
    }

    /// `${env:…}` in definitions would be sent as it stands.
    fn placeholder(&self, node: &Node) {
        let Some(text) = node.text() else { return };
        for sign in ["${env:", "${file:"] {
            if let (Some(byte), Some(file)) = (text.find(sign), self.texts.get(node.at.file)) {
                let from = text[..byte].chars().count();
                self.sink.say(locate(file, node, from, from + sign.len()), &t::SECRET_IN_DEFINITIONS, []);
            }
        }
    }
}

/// What is wrong with a name that only a run has.
fn of_run(fault: &Fault, names: &Known<'_>) -> Option<(Said, Option<Said>)> {
    let FaultKind::UnknownName { name, .. } = &fault.kind else { return None };
    let sight = names.steps?;
    let mut path = name.split('.');
    match (path.next()?, path.next()) {
        ("steps", Some(step)) if sight.others.contains(step) => Some((t::flow::EARLY.with([step.into()]), None)),
        ("vars", Some(variable)) => {
            let near = scalar::nearest(variable, sight.vars.iter().map(String::as_str));
            let near = near.map(|n| t::DID_YOU_MEAN.with([format!("vars.{n}").into()]));
            let help = near.unwrap_or_else(|| t::flow::VARIABLES_HELP.with([]));
            Some((t::flow::UNKNOWN_VARIABLE.with([variable.into()]), Some(help)))
        }
        // No field of the record was meant.
        ("steps" | "run" | "round" | "answer", _) => Some(fault::words(&fault.kind, &[])),
        _ => None,
    }
}

/// A word that is compared with, and may be a text whose quotes were forgotten.
fn unquoted<'a>(source: &str, fault: &'a Fault, skipped: usize) -> Option<&'a str> {
    let FaultKind::UnknownName { name, .. } = &fault.kind else { return None };
    let before: String = source.chars().take(fault.at.start + skipped).collect();
    let before = before.trim_end();
    let compared =
        before.ends_with("==") || before.ends_with("!=") || before.ends_with(['(', '[', ',']) && before.contains(" in ");
    (compared && !name.contains('.')).then_some(name)
}

/// Whether a text holds a template's braces.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}
