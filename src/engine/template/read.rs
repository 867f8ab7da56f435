//! Reads a template once at load: which names it uses and where, and whether its filters, tests and calls exist. Gives every
//! name a flat variable of its own, so that minijinja never looks into a record itself.

use std::collections::HashMap;
use std::ops::Range;

use minijinja::Error;
use minijinja::machinery::ast::{self, BinOpKind, CallArg, CallType, Expr, Stmt};
use minijinja::machinery::{Span, parse};

use super::filter;
use crate::engine::expression::{Fault, FaultKind, Name, nearest};

/// What the variables are called that stand for names; the number is the name's place in the list.
const VARIABLE: &str = "ifthen_name_";

/// Of how many names and texts one value may be put together: what is joined under a name and joined again doubles each time.
const MAX_PARTS: usize = 1_000;

/// What was found.
pub(super) struct Read {
    /// The source with variables for names.
    pub(super) rewritten: String,
    /// By variable.
    pub(super) names: Vec<Name>,
}

/// The variable's place in the list of names.
pub(super) fn variable(name: &str) -> Option<usize> {
    name.strip_prefix(VARIABLE)?.parse().ok()
}

/// A message of minijinja's with the names as they were written.
pub(super) fn named(message: &str, names: &[Name]) -> String {
    let mut pieces = message.split(VARIABLE);
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.len() - piece.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let name = piece[..digits].parse::<usize>().ok().and_then(|n| names.get(n));
        text.push_str(&name.map(|n| n.path.join(".")).unwrap_or_default());
        text.push_str(&piece[digits..]);
    }
    text
}

/// Finds all names and faults of a template.
pub(super) fn read(source: &str) -> Result<Read, Vec<Fault>> {
    let tree = parse(source, "template", filter::syntax()).map_err(|e| vec![syntax(source, &e)])?;
    let starts = source.char_indices().map(|(at, _)| at).collect();
    let mut reader =
        Reader { source, starts, names: Vec::new(), edits: Vec::new(), faults: Vec::new(), locals: vec![HashMap::new()] };
    reader.statement(&tree);
    if !reader.faults.is_empty() {
        return Err(reader.faults);
    }
    let mut rewritten = String::with_capacity(source.len());
    let mut done = 0;
    reader.edits.sort_by_key(|(at, _)| at.start);
    for (at, text) in &reader.edits {
        rewritten.push_str(source.get(done..at.start).unwrap_or_default());
        rewritten.push_str(text);
        done = at.end;
    }
    rewritten.push_str(source.get(done..).unwrap_or_default());
    Ok(Read { rewritten, names: reader.names })
}

/// A syntax error at its place, or at its line.
pub(super) fn syntax(source: &str, error: &Error) -> Fault {
    let reason = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let line = || {
        let before: usize = source.split_inclusive('\n').take(error.line().unwrap_or(1) - 1).map(str::len).sum();
        let length = source[before..].find('\n').unwrap_or(source.len() - before);
        before..before + length
    };
    let bytes = error.range().unwrap_or_else(line);
    Fault { at: characters(source, bytes), kind: FaultKind::TemplateSyntax { reason } }
}

fn characters(source: &str, bytes: Range<usize>) -> Range<usize> {
    let count = |end: usize| source.char_indices().take_while(|(at, _)| *at < end).count();
    count(bytes.start)..count(bytes.end.max(bytes.start))
}

fn bytes(span: Span) -> Range<usize> {
    span.start_offset as usize..span.end_offset as usize
}

struct Reader<'a> {
    source: &'a str,
    /// The byte at which each character begins.
    starts: Vec<usize>,
    names: Vec<Name>,
    /// Bytes of the source and what stands there instead.
    edits: Vec<(Range<usize>, String)>,
    faults: Vec<Fault>,
    /// The template's own names, and of how many parts what they stand for is put together.
    locals: Vec<HashMap<String, usize>>,
}

/// A dotted name: where it begins and its parts.
struct Chain {
    start: u32,
    path: Vec<String>,
}

impl Reader<'_> {
    fn fault(&mut self, at: Range<usize>, kind: FaultKind) {
        let at = self.characters(at);
        self.faults.push(Fault { at, kind });
    }

    fn characters(&self, bytes: Range<usize>) -> Range<usize> {
        let count = |end: usize| self.starts.partition_point(|at| *at < end);
        count(bytes.start)..count(bytes.end.max(bytes.start))
    }

    fn refuse(&mut self, span: Span) {
        let at = bytes(span);
        let found: String = self.source.get(at.clone()).unwrap_or_default().chars().take(40).collect();
        self.fault(at, FaultKind::NotInTemplates { found });
    }

    fn is_local(&self, name: &str) -> bool {
        self.locals.iter().any(|l| l.contains_key(name))
    }

    /// Gives names to a value, or to parts of it.
    fn declare(&mut self, target: &Expr<'_>, parts: usize) {
        match target {
            Expr::Var(v) => {
                if let Some(locals) = self.locals.last_mut() {
                    locals.insert(v.id.to_owned(), parts);
                }
            }
            Expr::List(l) => l.items.iter().for_each(|i| self.declare(i, parts)),
            Expr::Tuple(t) => t.items.iter().for_each(|i| self.declare(i, parts)),
            other => self.refuse(other.span()),
        }
    }

    /// A whole expression; of how many parts its value is put together.
    fn value(&mut self, expr: &Expr<'_>) -> usize {
        self.expr(expr);
        let parts = self.parts(expr).max(1);
        if parts > MAX_PARTS {
            self.fault(bytes(expr.span()), FaultKind::TooManyParts { limit: MAX_PARTS });
            return 1; // told once
        }
        parts
    }

    /// What is written out is as long as it is and counts for nothing.
    fn parts(&self, expr: &Expr<'_>) -> usize {
        let all = |of: &[Expr<'_>]| of.iter().fold(0_usize, |sum, e| sum.saturating_add(self.parts(e)));
        match expr {
            Expr::Const(_) => 0,
            Expr::Var(v) => self.locals.iter().rev().find_map(|l| l.get(v.id)).copied().unwrap_or(1),
            Expr::BinOp(b) => self.parts(&b.left).saturating_add(self.parts(&b.right)),
            Expr::IfExpr(i) => self.parts(&i.true_expr).max(i.false_expr.as_ref().map_or(1, |e| self.parts(e))),
            Expr::Filter(f) => {
                let arguments = f.args.iter().map(|a| match a {
                    CallArg::Pos(e) | CallArg::Kwarg(_, e) | CallArg::PosSplat(e) | CallArg::KwargSplat(e) => self.parts(e),
                });
                arguments.fold(f.expr.as_ref().map_or(1, |e| self.parts(e)), usize::saturating_add)
            }
            Expr::List(l) => all(&l.items),
            Expr::Tuple(t) => all(&t.items),
            Expr::Map(m) => all(&m.keys).saturating_add(all(&m.values)),
            Expr::UnaryOp(u) => self.parts(&u.expr),
            Expr::GetAttr(g) => self.parts(&g.expr),
            Expr::GetItem(g) => self.parts(&g.expr),
            Expr::Slice(s) => self.parts(&s.expr),
            Expr::Compare(_) | Expr::Test(_) | Expr::Call(_) => 1,
        }
    }

    fn block(&mut self, statements: &[Stmt<'_>]) {
        statements.iter().for_each(|s| self.statement(s));
    }

    fn statement(&mut self, statement: &Stmt<'_>) {
        match statement {
            Stmt::Template(t) => self.block(&t.children),
            Stmt::EmitExpr(e) => drop(self.value(&e.expr)),
            Stmt::EmitRaw(_) => {}
            Stmt::IfCond(i) => {
                self.value(&i.expr);
                self.block(&i.true_body);
                self.block(&i.false_body);
            }
            Stmt::ForLoop(l) => {
                let parts = self.value(&l.iter);
                self.locals.push(HashMap::from([("loop".to_owned(), 1)]));
                self.declare(&l.target, parts);
                self.optional(l.filter_expr.as_ref());
                self.block(&l.body);
                self.locals.pop();
                self.block(&l.else_body);
                if l.recursive {
                    self.refuse(l.span());
                }
            }
            Stmt::WithBlock(w) => {
                self.locals.push(HashMap::new());
                for (target, value) in &w.assignments {
                    let parts = self.value(value);
                    self.declare(target, parts);
                }
                self.block(&w.body);
                self.locals.pop();
            }
            Stmt::Set(s) => {
                let parts = self.value(&s.expr);
                self.declare(&s.target, parts);
            }
            // Captured text is not counted against the cap, and escaping is not the text's to switch off.
            Stmt::SetBlock(s) => self.refuse(s.span()),
            Stmt::FilterBlock(f) => self.refuse(f.span()),
            Stmt::AutoEscape(a) => self.refuse(a.span()),
            Stmt::Do(d) => self.refuse(d.span()),
        }
    }

    fn optional(&mut self, expr: Option<&Expr<'_>>) {
        if let Some(expr) = expr {
            self.expr(expr);
        }
    }

    fn arguments(&mut self, arguments: &[CallArg<'_>]) {
        for argument in arguments {
            match argument {
                CallArg::Pos(e) | CallArg::Kwarg(_, e) => self.expr(e),
                CallArg::PosSplat(e) | CallArg::KwargSplat(e) => self.refuse(e.span()),
            }
        }
    }

    fn expr(&mut self, expr: &Expr<'_>) {
        match expr {
            Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_) if self.name(expr, None) => {}
            Expr::Var(_) | Expr::Const(_) => {}
            Expr::GetAttr(g) => self.expr(&g.expr),
            Expr::GetItem(g) => {
                self.expr(&g.expr);
                self.expr(&g.subscript_expr);
            }
            Expr::Slice(s) => {
                self.expr(&s.expr);
                [&s.start, &s.stop, &s.step].into_iter().for_each(|e| self.optional(e.as_ref()));
            }
            Expr::UnaryOp(u) => self.expr(&u.expr),
            Expr::BinOp(b) => self.binary(b),
            Expr::Compare(c) => {
                self.expr(&c.expr);
                c.ops.iter().for_each(|o| self.expr(&o.expr));
            }
            Expr::IfExpr(i) => {
                self.expr(&i.test_expr);
                self.expr(&i.true_expr);
                self.optional(i.false_expr.as_ref());
            }
            Expr::Filter(f) => {
                self.optional(f.expr.as_ref());
                self.arguments(&f.args);
                if !filter::FILTERS.contains(&f.name) {
                    let start = f.span().start_offset as usize;
                    let kind = FaultKind::UnknownFilter { name: f.name.into(), nearest: near(f.name, filter::FILTERS) };
                    self.fault(start..start + f.name.len(), kind);
                }
            }
            Expr::Test(t) => {
                self.expr(&t.expr);
                self.arguments(&t.args);
                if !filter::TESTS.contains(&t.name) {
                    let start = t.span().start_offset as usize;
                    let kind = FaultKind::UnknownTest { name: t.name.into(), nearest: near(t.name, filter::TESTS) };
                    self.fault(start..start + t.name.len(), kind);
                }
            }
            Expr::Call(c) => self.call(c),
            Expr::List(l) => l.items.iter().for_each(|i| self.expr(i)),
            Expr::Tuple(t) => t.items.iter().for_each(|i| self.expr(i)),
            Expr::Map(m) => m.keys.iter().chain(&m.values).for_each(|e| self.expr(e)),
        }
    }

    fn call(&mut self, call: &ast::Spanned<ast::Call<'_>>) {
        self.arguments(&call.args);
        match call.identify_call() {
            CallType::Function(name) if filter::FUNCTIONS.contains(&name) && call.args.is_empty() => {}
            CallType::Function(name) => {
                let at = bytes(call.expr.span());
                let nearest = near(name, filter::FUNCTIONS);
                self.fault(at, FaultKind::UnknownFunction { name: name.into(), nearest });
            }
            CallType::Method(of, _) | CallType::Object(of) => {
                let start = chain(of).map_or(call.span().start_offset, |c| c.start);
                self.refuse(Span { start_offset: start, ..call.span() });
            }
        }
    }

    fn binary(&mut self, binary: &ast::Spanned<ast::BinOp<'_>>) {
        for side in [&binary.left, &binary.right] {
            match binary.op {
                BinOpKind::Mul => self.factor(side, binary.span()),
                // `~` would print a decimal as a float
                BinOpKind::Concat if self.name(side, Some("string")) => {}
                _ => self.expr(side),
            }
        }
    }

    /// What stands beside `*`: nothing but numbers, since texts and lists that are repeated are counted neither as steps nor as
    /// memory: `'x' * 900000000`. What a name holds is known only later.
    fn factor(&mut self, side: &Expr<'_>, product: Span) {
        let Range { start, end } = bytes(side.span());
        match side {
            side if self.name(side, Some("number")) => {}
            Expr::Const(c) if c.value.as_str().is_none() => {}
            Expr::Const(_) | Expr::List(_) | Expr::Tuple(_) | Expr::Map(_) => {
                self.expr(side);
                self.refuse(product);
            }
            Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_) | Expr::Slice(_) | Expr::Filter(_) | Expr::Call(_) => {
                self.expr(side);
                self.edits.push((end..end, "|number".to_owned()));
            }
            // A filter would bind to the last part only.
            Expr::BinOp(_) | Expr::UnaryOp(_) | Expr::IfExpr(_) | Expr::Compare(_) | Expr::Test(_) => {
                self.edits.push((start..start, "(".to_owned()));
                self.expr(side);
                self.edits.push((end..end, ")|number".to_owned()));
            }
        }
    }

    /// Takes a dotted name that is not the template's own; `through` is a filter that its value goes through.
    fn name(&mut self, expr: &Expr<'_>, through: Option<&str>) -> bool {
        let Some(chain) = chain(expr).filter(|c| !self.is_local(&c.path[0])) else { return false };
        let at = chain.start as usize..expr.span().end_offset as usize;
        // `(owner).manager` is left to minijinja.
        if self.source.get(at.clone()).is_none_or(|t| t.contains(['(', ')'])) {
            return false;
        }
        let variable = format!("{VARIABLE}{}", self.names.len());
        let text = through.map_or_else(|| variable.clone(), |filter| format!("({variable}|{filter})"));
        self.names.push(Name { path: chain.path, at: self.characters(at.clone()) });
        self.edits.push((at, text));
        true
    }
}

fn near(name: &str, all: &[&'static str]) -> Option<String> {
    nearest(name, all.iter().copied()).map(str::to_owned)
}

/// `event.items[0]['unit-price']` as one name.
fn chain(expr: &Expr<'_>) -> Option<Chain> {
    match expr {
        Expr::Var(v) => Some(Chain { start: v.span().start_offset, path: vec![v.id.to_owned()] }),
        Expr::GetAttr(g) => {
            let mut chain = chain(&g.expr)?;
            chain.path.push(g.name.to_owned());
            Some(chain)
        }
        Expr::GetItem(g) => {
            let Expr::Const(part) = &g.subscript_expr else { return None };
            let part = part.value.as_str().map(str::to_owned).or_else(|| part.value.as_usize().map(|n| n.to_string()))?;
            let mut chain = chain(&g.expr)?;
            chain.path.push(part);
            Some(chain)
        }
        _ => None,
    }
}
