//! Conditions: parsed once at load, evaluated often.
//!
//! On the way: [`token`] reads the thin layer and keeps the characters, [`grammar`] checks order and caps, evalexpr makes a tree
//! of it, [`compile`] makes our own form of that, [`node`] evaluates it. evalexpr only parses; its evaluation is never used.

mod arithmetic;
mod compile;
mod demand;
mod explain;
mod fault;
mod grammar;
mod kinds;
mod library;
mod lookup;
mod nearest;
mod node;
mod part;
mod place;
mod stray;
mod token;
mod working;

use std::ops::Range;
use std::sync::Arc;

pub use demand::Demand;
pub use explain::{Clause, Held, Joint};
pub use fault::{Fault, FaultKind, Wanted};
pub use kinds::Kind;
pub use library::call::Steps;
pub use library::{Function, Group, groups, library};
pub use lookup::Lookup;
pub use nearest::nearest;
pub use part::Part;

use super::scope::{Names, Scope, Stop};
use super::value::Value;
use grammar::Dashed;
use node::Node;

/// A compiled expression; cheap to clone. Its stored form is its source text.
#[derive(Debug, Clone)]
pub struct Expr(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    source: String,
    root: Node,
    names: Vec<Name>,
    compared: Vec<Compared>,
    calendars: Vec<Name>,
    slips: Vec<Fault>,
    dashes: Vec<Dashed>,
    /// True or false is wanted of it.
    condition: bool,
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.0.source == other.0.source
    }
}

/// A dotted name and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Its parts.
    pub path: Vec<String>,
    /// Which characters of the source.
    pub at: Range<usize>,
}

/// A name that is compared with a value written out: `level == 'A'`, `level in ('A', 'B')` once for each.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// The name's parts.
    pub path: Vec<String>,
    /// By `<`, `<=`, `>` or `>=`; otherwise for being the same or not.
    pub ordered: bool,
    /// The value.
    pub literal: Value,
    /// Which characters of the source are the value.
    pub at: Range<usize>,
}

impl Expr {
    /// Parses; all faults that can be found at once.
    pub fn parse(source: &str) -> Result<Self, Vec<Fault>> {
        Self::parsed(source, false)
    }

    fn parsed(source: &str, condition: bool) -> Result<Self, Vec<Fault>> {
        let (tokens, mut faults) = token::tokens(source);
        let compiled = match grammar::normalise(&tokens) {
            _ if tokens.is_empty() => Err(Vec::new()),
            Ok(normalised) => compile::compile(&tokens, &normalised),
            Err(found) => Err(found),
        };
        match compiled {
            Ok(compile::Found { root, names, compared, calendars, slips }) if faults.is_empty() => {
                let dashes = grammar::dashes(&tokens);
                let source = source.to_owned();
                Ok(Self(Arc::new(Compiled { source, root, names, compared, calendars, slips, dashes, condition })))
            }
            other => {
                faults.extend(other.err().unwrap_or_default());
                faults.sort_by_key(|f| f.at.start);
                Err(faults)
            }
        }
    }

    /// As [`Expr::parse`], for where true or false is wanted: `if`, `while`, `where`.
    pub fn parse_condition(source: &str) -> Result<Self, Vec<Fault>> {
        let expr = Self::parsed(source, true)?;
        if expr.0.root.may_hold() {
            return Ok(expr);
        }
        Err(vec![Fault { at: 0..source.chars().count(), kind: FaultKind::NotACondition }])
    }

    /// Checks the names in it, and tells what cannot be meant. What was stored by an earlier version may hold such slips, so that
    /// they are no faults of parsing.
    pub fn check(&self, names: &dyn Names) -> Vec<Fault> {
        let known = |path: &[String]| names.problem(path).is_none();
        let mut faults = Vec::new();
        let mut dashed: Vec<&Range<usize>> = Vec::new();
        for name in &self.0.names {
            if dashed.iter().any(|at| at.start <= name.at.start && name.at.end <= at.end) {
                continue;
            }
            let Some(unknown) = names.problem(&name.path) else { continue };
            let around = self.0.dashes.iter().find(|d| d.at.start <= name.at.start && name.at.end <= d.at.end);
            if let Some((whole, write)) = around.and_then(|d| Some((d, dash_write(&d.path, &known)?))) {
                dashed.push(&whole.at);
                faults.retain(|f: &Fault| f.at.end <= whole.at.start);
                faults.push(Fault { at: whole.at.clone(), kind: FaultKind::DashedName { name: whole.path.join("."), write } });
                continue;
            }
            faults.push(unknown_name(name, unknown));
        }
        for Name { path, at } in &self.0.calendars {
            if let Some(unknown) = names.calendar(path.first().map(String::as_str)) {
                let kind = FaultKind::UnknownCalendar { name: path.concat(), nearest: unknown.nearest };
                faults.push(Fault { at: at.clone(), kind });
            }
        }
        faults.extend(self.0.slips.iter().cloned());
        let beside = |f: &Fault| !faults.iter().any(|other| f.at.start < other.at.end && other.at.start < f.at.end);
        let kinds: Vec<Fault> = kinds::check(self, names, self.0.condition).into_iter().filter(beside).collect();
        faults.extend(kinds);
        faults.sort_by_key(|f| f.at.start);
        faults
    }

    /// What it comes to, where that is certain; and each text written out that it may come to, with its characters.
    pub fn kind(&self, names: &dyn Names) -> (Kind, Vec<(String, Range<usize>)>) {
        kinds::of(self, names)
    }

    /// The dotted names in it, in the order in which they are compiled.
    pub fn names(&self) -> &[Name] {
        &self.0.names
    }

    /// The names that are compared with values written out, for checks of types.
    pub fn compared(&self) -> &[Compared] {
        &self.0.compared
    }

    /// The functions in it that depend on more than the record: on the time, on the event. As far as they stand in the source.
    pub fn clocks(&self) -> Vec<Name> {
        let source: Vec<char> = self.0.source.chars().collect();
        let mut found = Vec::new();
        self.0.root.clocks(&mut found);
        let name = |name: &str| {
            let word: Vec<char> = name.chars().collect();
            let starts = (0..source.len()).find(|n| {
                let rest = &source[*n..];
                let open = rest.iter().skip(word.len()).find(|c| !c.is_whitespace());
                rest.starts_with(&word) && open == Some(&'(') && (*n == 0 || !source[n - 1].is_alphanumeric())
            });
            let at = starts.map_or(0..source.len(), |from| from..from + word.len());
            Name { path: vec![format!("{name}()")], at }
        };
        found.into_iter().map(name).collect()
    }

    /// Its value.
    pub fn eval(&self, scope: &dyn Scope) -> Result<Value, Stop> {
        self.0.root.eval(scope).map(std::borrow::Cow::into_owned)
    }

    /// Its value, which must be true or false; a field that is missing counts as false.
    pub fn test(&self, scope: &dyn Scope) -> Result<bool, Stop> {
        self.0.root.test(scope)
    }

    /// What must be so, or it is false; `given` are names that stand for something else than a field.
    pub fn demands(&self, given: &dyn Fn(&str) -> bool) -> Vec<Demand<'_>> {
        let mut found = Vec::new();
        demand::collect(&self.0.root, given, &mut found);
        found
    }

    /// As written.
    pub fn source(&self) -> &str {
        &self.0.source
    }
}

/// The fault of a name that means nothing, at the part of it that is unknown.
pub(super) fn unknown_name(name: &Name, unknown: super::scope::Unknown) -> Fault {
    let path = &name.path;
    let whole = path.join(".");
    let function = library().find(|f| path.len() == 1 && f.name == path[0]);
    let nearest = match (unknown.nearest, function) {
        (_, Some(f)) => Some(f.signature.to_owned()),
        (Some(other), None) if other.contains('.') => Some(other),
        (Some(part), None) => {
            let parts = path.iter().enumerate().map(|(i, p)| if i == unknown.part { part.as_str() } else { p });
            Some(parts.collect::<Vec<_>>().join("."))
        }
        (None, None) => None,
    };
    // Only a plainly written name shows where its parts stand.
    let plain = name.at.len() == whole.chars().count();
    let before: usize = path.iter().take(unknown.part).map(|p| p.chars().count() + 1).sum();
    let at = match path.get(unknown.part) {
        Some(part) if plain => name.at.start + before..name.at.start + before + part.chars().count(),
        _ => name.at.clone(),
    };
    Fault { at, kind: FaultKind::UnknownName { name: whole, nearest } }
}

/// How a name with dashes is written, if there is such a name.
fn dash_write(path: &[String], known: &dyn Fn(&[String]) -> bool) -> Option<String> {
    let low: Vec<String> = path.iter().map(|p| p.replace('-', "_")).collect();
    let (first, rest) = path.split_first()?;
    if known(path) && !rest.is_empty() && !first.contains('-') {
        let parts = rest.iter().map(|p| if p.contains('-') { format!("['{p}']") } else { format!(".{p}") });
        return Some(first.clone() + &parts.collect::<String>());
    }
    // A bare name has no form with a dash: the field must be renamed.
    (known(&low) || known(path)).then(|| low.join("."))
}

super::serde_as_source!(Expr);

#[cfg(test)]
mod cost;
#[cfg(test)]
mod tests;
