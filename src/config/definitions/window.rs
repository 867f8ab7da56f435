//! `let:`: windows and computed values, and the trigger `aged`.
//!
//! A text is always an expression, with or without `=` before it. Names are read in order: each may use those before it. What a
//! window counts is judged on the event that comes in, so that `where`, `of` and `by` know the fields of that event's record and
//! no names of `let:`.

use sha2::{Digest, Sha256};

use super::super::catalogue as t;
use super::super::digest::hex;
use super::super::locate::locate;
use super::super::names::{self, Known, RESERVED};
use super::super::problem::{At, Problem};
use super::super::scalar::nearest;
use super::super::tree::{Entry, Kind, Node};
use super::Compiler;
use super::entity::holds;
use crate::engine::binding::{Bound, Let};
use crate::engine::entity::FieldKind;
use crate::engine::expression::Expr;
use crate::engine::scope::Names as _;
use crate::engine::span::Span;
use crate::engine::trigger::Trigger;
use crate::engine::window::{Function, Keeps, Window};

impl Compiler<'_> {
    /// The windows of a rule or flow; to be read before its triggers, one of which may wait for them.
    pub(super) fn windows(&self, node: &Node) {
        let mut letting = Letting::default();
        for entry in node.get("let").map(Node::entries).unwrap_or_default() {
            if let Kind::Map(_) = &entry.value.kind {
                match self.window(&entry.value, awaits(node, &entry.key)) {
                    Some(is) => letting.windows.push(Let { name: entry.key.clone(), is }),
                    None => letting.broken.push(entry.key.clone()),
                }
            }
        }
        *self.letting.borrow_mut() = letting;
    }

    /// The names of a rule or flow, in their order; from here on to [`Compiler::forget_lets`] they may be used.
    pub(super) fn read_lets(&self, node: &Node, of: &[String]) -> Option<Vec<Let>> {
        let entries = node.get("let").map(Node::entries).unwrap_or_default();
        let windows = self.letting.borrow().windows.clone();
        let mut done: Vec<Option<Let>> = Vec::new();
        for (n, entry) in entries.iter().enumerate() {
            let named = self.let_named(entry, of, &entries[..n]);
            let is = match &entry.value.kind {
                Kind::Scalar(..) => self.computed(&entry.value, of, entries.get(n..).unwrap_or_default()).map(Bound::Value),
                _ => windows.iter().find(|w| w.name == entry.key).map(|w| w.is.clone()).filter(|is| self.by_here(entry, is, of)),
            };
            self.letting.borrow_mut().names.push(entry.key.clone());
            done.push(is.filter(|_| named).map(|is| Let { name: entry.key.clone(), is }));
        }
        done.into_iter().collect()
    }

    /// The names of the rule or flow that was read last mean nothing any more.
    pub(super) fn forget_lets(&self) {
        *self.letting.borrow_mut() = Letting::default();
    }

    /// Whether something may have this name: one that nothing else has.
    fn let_named(&self, entry: &Entry, of: &[String], before: &[Entry]) -> bool {
        let name = entry.key.as_str();
        let mut chars = name.chars();
        let good = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_') && chars.all(|c| c.is_alphanumeric() || c == '_');
        if !good || name.chars().count() > 100 {
            self.sink.say(entry.at, &t::LET_NAME, [name.into()]);
            return false;
        }
        if RESERVED.contains(&name) {
            self.sink.say(entry.at, &t::RESERVED_NAME, [name.into()]);
            return false;
        }
        let known = self.known(of, None);
        let hidden = if self.constants.contains_key(name) {
            Some(t::HIDES_CONSTANT.with([name.into()]))
        } else {
            let of = if known.of.is_empty() { self.entities.keys().map(String::as_str).collect() } else { known.of };
            let entity = of.into_iter().find(|e| self.entities.get(*e).is_some_and(|e| names::field(e, name).is_some()));
            entity.map(|e| t::HIDES_FIELD.with([name.into(), e.into()]))
        };
        if let Some(what) = hidden {
            self.sink.add(Problem::new(entry.at, what).help(t::LET_OTHER_NAME.with([])));
            return false;
        }
        before.iter().all(|e| e.key != name) // told by the tree already
    }

    /// A computed value; it may use what stands before it, `rest` begins with itself.
    fn computed(&self, node: &Node, of: &[String], rest: &[Entry]) -> Option<Expr> {
        let (skipped, source) = bare(node.text()?);
        let parsed = Expr::parse(source);
        if let Ok(expr) = &parsed {
            let early = expr.names().iter().filter_map(|n| Some((n, rest.iter().position(|e| e.key == n.path[0])?)));
            let early: Vec<_> = early.collect();
            for (name, place) in &early {
                let text = if *place == 0 { &t::LET_ITSELF } else { &t::LET_LATER };
                self.sink.say(
                    self.part(node, name.at.start + skipped, name.at.end + skipped),
                    text,
                    [name.path[0].as_str().into()],
                );
            }
            if !early.is_empty() {
                return None;
            }
        }
        self.expr(node, skipped, parsed, &self.known(of, None))
    }

    fn part(&self, node: &Node, from: usize, to: usize) -> At {
        self.texts.get(node.at.file).map_or(node.at, |text| locate(text, node, from, to))
    }

    fn window(&self, node: &Node, awaited: bool) -> Option<Bound> {
        let entry = node.entries().iter().find(|e| Function::ALL.iter().any(|(word, _)| *word == e.key))?;
        let function = Function::ALL.iter().find(|(word, _)| *word == entry.key).map(|(_, f)| *f)?;
        let pattern = entry.value.text()?;
        let event = self.event_known(&entry.value, pattern);
        let about = self.entities_of(&[Trigger::Event(pattern.to_owned())]);
        let names = self.known(&about, None);
        let filter = node.get("where").map(|n| self.condition(n, &names));
        let of = node.get("of").map(|n| self.expression(n, &names).filter(|e| self.fits_function(n, e, function, &names)));
        let by = node.get("by").map(|n| self.expression(n, &names));
        match (node.get("of"), function) {
            (Some(of), Function::Count) => self.sink.say(of.at, &t::COUNT_OF, []),
            (None, Function::Count) | (Some(_), _) => {}
            (None, _) => self.sink.say(entry.at, &t::MISSING_KEY, ["of".into(), format!("`{}`", function.word()).into()]),
        }
        let within = self.within(node.get("within")?);
        if function != Function::Count && of.is_none() || function == Function::Count && of.is_some() {
            return None;
        }
        event?;
        let mut window = Window {
            id: String::new(),
            event: pattern.to_owned(),
            filter: whole(filter)?,
            of: whole(of)?,
            keeps: function.keeps(),
            within: within?,
            by: whole(by)?,
            awaited,
        };
        window.id = self.window_id(&window);
        Some(Bound::Window(window.into(), function))
    }

    /// An expression, with or without `=` before it.
    fn expression(&self, node: &Node, names: &Known<'_>) -> Option<Expr> {
        let (skipped, source) = bare(node.text()?);
        self.expr(node, skipped, Expr::parse(source), names)
    }

    fn within(&self, node: &Node) -> Option<Span> {
        let text = node.text()?;
        let span = Span::parse(text)?; // told already
        if span.is_working() || span.is_zero() {
            let what = if span.is_zero() { &t::WINDOW_ZERO } else { &t::WINDOW_WORKING };
            self.sink.say(node.at, what, [text.into()]);
            return None;
        }
        Some(span)
    }

    /// Whether a function can make something of a field that is named as `of`; of what may hold anything nothing is said.
    fn fits_function(&self, node: &Node, of: &Expr, function: Function, names: &Known<'_>) -> bool {
        let [name] = of.names() else { return true };
        if name.at.len() != of.source().trim().chars().count() {
            return true;
        }
        let Some((field, kind)) = self.certain(&name.path, names) else { return true };
        let number = matches!(*kind, FieldKind::Number | FieldKind::Money | FieldKind::Percent | FieldKind::Any);
        let fits = match function.keeps() {
            Keeps::Numbers => number,
            Keeps::Ordered => number || *kind == FieldKind::Time,
            Keeps::Any | Keeps::Times => *kind != FieldKind::List,
        };
        if !fits {
            self.sink.say(node.at, &t::WINDOW_OF, [function.word().into(), field.into(), holds(&kind).into()]);
        }
        fits
    }

    /// Whether `by` means something where the rule is decided, too.
    fn by_here(&self, entry: &Entry, is: &Bound, of: &[String]) -> bool {
        let Bound::Window(window, _) = is else { return true };
        let (Some(by), Some(node)) = (&window.by, entry.value.get("by")) else { return true };
        let mut known = self.known(of, None);
        known.lets.clear();
        let faults = by.names().iter().filter(|n| !known.vague && known.problem(&n.path).is_some());
        let faults: Vec<String> = faults.map(|n| n.path.join(".")).collect();
        for name in &faults {
            self.sink.say(node.at, &t::WINDOW_BY, [name.as_str().into()]);
        }
        faults.is_empty()
    }

    /// Over what decides what is kept: another window has another id, alike ones have the same.
    fn window_id(&self, window: &Window) -> String {
        let source = |e: &Option<Expr>| e.as_ref().map(|e| e.source().to_owned());
        let names = [&window.filter, &window.of, &window.by].into_iter().flatten().flat_map(|e| e.names());
        let mut constants: Vec<String> =
            names.filter_map(|n| Some(format!("{}={:?}", n.path[0], self.constants.get(&n.path[0])?))).collect();
        constants.sort();
        constants.dedup();
        // Days and months are those of a zone.
        let zone = match window.within {
            Span::Plain { months: 0, days: 0, .. } => None,
            _ => self.around.zone.iana_name().map(str::to_owned),
        };
        let parts = (
            (&window.event, source(&window.filter), source(&window.of), window.keeps.word()),
            (window.within, source(&window.by), window.awaited, constants, zone),
        );
        hex(Sha256::digest(serde_json::to_string(&parts).unwrap_or_default().as_bytes()).as_slice())
    }

    /// `{ aged: views }`
    pub(super) fn aged(&self, node: &Node) -> Option<Trigger> {
        let what = node.get("aged")?;
        let name = what.text()?;
        let letting = self.letting.borrow();
        if let Some(window) = letting.window(|l| l.name == name) {
            return Some(Trigger::Aged { name: name.to_owned(), window: window.id.clone() });
        }
        if !letting.broken.iter().any(|n| n == name) {
            let near = nearest(name, letting.windows.iter().map(|l| l.name.as_str())).map(|n| t::DID_YOU_MEAN.with([n.into()]));
            self.sink.add(Problem::new(what.at, t::AGED_OF_WHAT.with([name.into()])).help(near));
        }
        None
    }

    /// Whether what a rule asks and does can be done when something ages out of a window that is not kept by records.
    pub(super) fn aged_of_nobody(&self, node: &Node, when: &[Trigger], condition: Option<&Expr>) -> bool {
        let letting = self.letting.borrow();
        let named = when.iter().find_map(|trigger| match trigger {
            Trigger::Aged { name, window } => {
                letting.window(|l| l.name == *name).filter(|w| w.id == *window && w.by.is_some()).map(|_| name)
            }
            _ => None,
        });
        let Some(name) = named else { return true };
        let mut needs: Vec<(At, String)> = Vec::new();
        let own = |first: &String| {
            matches!(first.as_str(), "event") || letting.names.contains(first) || self.constants.contains_key(first)
        };
        if let (Some(condition), Some(place)) = (condition, node.get("if")) {
            let fields = condition.names().iter().filter(|n| !own(&n.path[0]));
            needs.extend(fields.map(|n| (self.part(place, n.at.start, n.at.end), n.path.join("."))));
        }
        let actions = ["then", "else"].iter().filter_map(|k| node.get(k)).flat_map(Node::items).flat_map(Node::entries);
        let of_record = actions.filter(|e| ["set", "tag", "untag", "assign"].contains(&e.key.as_str()));
        needs.extend(of_record.map(|e| (e.at, e.key.clone())));
        for (at, what) in &needs {
            self.sink.say(*at, &t::AGED_OF_NOBODY, [what.as_str().into(), name.as_str().into()]);
        }
        needs.is_empty()
    }

    /// The events that a window of the rule or flow in question counts, if it is kept by their record.
    pub(super) fn window_events(&self, id: &str) -> Option<Trigger> {
        let letting = self.letting.borrow();
        let window = letting.window(|l| matches!(&l.is, Bound::Window(w, _) if w.id == id && w.by.is_none()))?;
        Some(Trigger::Event(window.event.clone()))
    }
}

/// The `let:` of the rule or flow that is compiled.
#[derive(Default)]
pub(super) struct Letting {
    windows: Vec<Let>,
    /// Windows that could not be read: told already.
    broken: Vec<String>,
    /// Names that may be used by now.
    pub(super) names: Vec<String>,
}

impl Letting {
    fn window(&self, which: impl Fn(&Let) -> bool) -> Option<&Window> {
        let found = self.windows.iter().find(|l| which(l))?;
        if let Bound::Window(window, _) = &found.is { Some(window) } else { None }
    }
}

/// An expression without the `=` before it, and how many characters that is in.
fn bare(text: &str) -> (usize, &str) {
    match text.trim_start().strip_prefix('=').filter(|rest| !rest.starts_with('=')) {
        Some(rest) => {
            let source = rest.trim_start();
            (text.chars().count() - source.chars().count(), source.trim_end())
        }
        None => (0, text),
    }
}

/// Whether a trigger of a rule or flow waits for something to age out of this window.
fn awaits(node: &Node, name: &str) -> bool {
    let when = node.get("when").map(Node::one_or_more).unwrap_or_default();
    when.iter().any(|w| w.text_at("aged") == Some(name))
}

/// What may be left out: `None` where it is there and wrong.
fn whole<T>(part: Option<Option<T>>) -> Option<Option<T>> {
    match part {
        Some(None) => None,
        Some(found) => Some(found),
        None => Some(None),
    }
}
