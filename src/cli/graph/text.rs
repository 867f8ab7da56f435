//! A flow as text: an outline for terminals, Mermaid and DOT for programs that draw themselves.
//!
//! The same blocks, words and marks as the picture; data is escaped for each form.

use std::fmt::Write as _;

use super::gist::{gist, terms};
use super::layout::why;
use super::live::Marks;
use super::outline::{Head, Item, Outline, To, is_made, jump};
use crate::cli::output::clean;
use crate::cli::words::{Lang, Words as _};
use crate::engine::definition::{At, Flow, StepKind};

/// An outline, indented.
pub(crate) fn text(flow: &Flow, outline: &Outline, marks: &Marks, lang: Lang) -> String {
    let mut out = String::new();
    lines(&mut out, flow, &outline.main, marks, lang, 0);
    for aside in &outline.asides {
        let head = match &aside.head {
            Head::Named(name) => name.clone(),
            Head::Late => lang.pick("not through in time", "超过总时限").into(),
            Head::Failed => lang.pick("has failed", "流程失败").into(),
            Head::Recalled => lang.pick("taken back", "撤回").into(),
            Head::Loose => lang.pick("not reached", "不可到达").into(),
        };
        let _ = writeln!(out, "\n[{}]", clean(&head));
        lines(&mut out, flow, &aside.items, marks, lang, 0);
    }
    out
}

fn lines(out: &mut String, flow: &Flow, items: &[Item], marks: &Marks, lang: Lang, depth: usize) {
    let indent = "  ".repeat(depth);
    for item in items {
        let step = &flow.steps[item.at];
        let mut parts = vec![gist(flow, step, lang)];
        parts.extend(terms(step, lang));
        parts.extend(marks.told(item.at).iter().cloned());
        if let Some((count, stuck)) = marks.count(item.at) {
            let still = if stuck { lang.pick(", some stand still", ",有停住的") } else { "" };
            parts.push(lang.pick(format!("● {count} here{still}"), format!("● {count} 个在此{still}")));
        }
        parts.retain(|p| !p.is_empty());
        let told = if parts.is_empty() { String::new() } else { format!("  {}", parts.join(" · ")) };
        // Ids are told here in any case: commands are given by them.
        let name = step.title.as_ref().map_or_else(|| step.id.clone(), |title| format!("{} ({title})", step.id));
        let _ = writeln!(out, "{}", clean(&format!("{indent}{name}{told}")));
        for part in &item.parts {
            let choose = matches!(step.kind, StepKind::Choose(_));
            let label = if part.label.is_empty() && choose { lang.pick("otherwise", "否则") } else { &part.label };
            if label.is_empty() {
                lines(out, flow, &part.items, marks, lang, depth + 1);
            } else {
                let _ = writeln!(out, "{}", clean(&format!("{indent}  ├ {label}")));
                lines(out, flow, &part.items, marks, lang, depth + 2);
            }
        }
        for side in &item.sides {
            let word = why(side.why, lang);
            match &side.to {
                To::Step(at) => {
                    let _ = writeln!(out, "{}", clean(&format!("{indent}  ┆ {word} → {}", flow.steps[*at].id)));
                }
                To::Block(items) => {
                    let _ = writeln!(out, "{indent}  ┆ {word}");
                    lines(out, flow, items, marks, lang, depth + 2);
                }
            }
        }
    }
}

/// How one step leads to another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Edge {
    from: At,
    /// None: the end.
    to: Option<At>,
    label: String,
    dashed: bool,
}

/// Every way from step to step.
fn edges(flow: &Flow, outline: &Outline, lang: Lang) -> Vec<Edge> {
    let mut all = Vec::new();
    walk(flow, &outline.main, None, lang, &mut all);
    for aside in &outline.asides {
        walk(flow, &aside.items, None, lang, &mut all);
    }
    all.dedup();
    all
}

/// Ways out of these steps; `then`: what follows the last.
fn walk(flow: &Flow, items: &[Item], then: Option<At>, lang: Lang, all: &mut Vec<Edge>) {
    for (n, item) in items.iter().enumerate() {
        let at = item.at;
        let next = items.get(n + 1).map(|i| i.at).or(then);
        let mut edge = |to, label: &str, dashed| all.push(Edge { from: at, to, label: label.to_owned(), dashed });
        match &flow.steps[at].kind {
            StepKind::End(_) | StepKind::Fail(_) => {}
            StepKind::GoTo(_) | StepKind::BackTo(_) => {
                if let Some(to) = jump(flow, at) {
                    edge(Some(to), "", false);
                }
            }
            StepKind::Choose(_) => {
                for part in &item.parts {
                    let label = if part.label.is_empty() { lang.pick("otherwise", "否则") } else { &part.label };
                    edge(part.items.first().map(|i| i.at).or(next), label, false);
                }
            }
            StepKind::Parallel(_) => {
                for part in &item.parts {
                    edge(part.items.first().map(|i| i.at).or(next), &part.label, false);
                }
            }
            StepKind::Each(_) | StepKind::Repeat(_) => {
                for part in &item.parts {
                    edge(part.items.first().map(|i| i.at), lang.pick("each time", "每次"), false);
                }
                edge(next, "", false);
            }
            StepKind::Call { .. } => edge(item.parts.first().and_then(|p| p.items.first()).map(|i| i.at).or(next), "", false),
            _ => edge(next, "", false),
        }
        for side in &item.sides {
            let to = match &side.to {
                To::Step(at) => Some(*at),
                To::Block(items) => items.first().map(|i| i.at),
            };
            edge(to, why(side.why, lang), true);
        }
        let around = matches!(flow.steps[at].kind, StepKind::Each(_) | StepKind::Repeat(_));
        for part in &item.parts {
            walk(flow, &part.items, if around { Some(at) } else { next }, lang, all);
        }
        for side in &item.sides {
            if let To::Block(items) = &side.to {
                walk(flow, items, next, lang, all);
            }
        }
    }
}

/// What stands in a box, its lines one by one.
fn label(flow: &Flow, at: At, marks: &Marks, lang: Lang) -> Vec<String> {
    let step = &flow.steps[at];
    let (gist, made) = (gist(flow, step, lang), step.title.is_none() && is_made(&step.id));
    let name = step.title.clone().unwrap_or_else(|| step.id.clone());
    let mut lines = if made && !gist.is_empty() { vec![gist] } else { vec![name, gist] };
    lines.extend(terms(step, lang));
    lines.extend(marks.told(at).iter().cloned());
    lines.extend(marks.count(at).map(|(n, _)| format!("● {n}")));
    lines.retain(|line| !line.is_empty());
    lines.iter().map(|line| clean(line)).collect()
}

/// Mermaid's flowchart.
pub(crate) fn mermaid(flow: &Flow, outline: &Outline, marks: &Marks, lang: Lang) -> String {
    // Its labels are HTML, and `"` and `#` end them.
    let quote = |text: &str| {
        let text = text.replace('#', "#35;").replace('&', "#amp;").replace('"', "#quot;");
        text.replace('<', "#lt;").replace('>', "#gt;").replace('`', "#96;")
    };
    let mut out = String::from("flowchart TD\n");
    for at in 0..flow.steps.len() {
        let text = label(flow, at, marks, lang).iter().map(|l| quote(l)).collect::<Vec<_>>().join("<br/>");
        let (open, close) = match flow.steps[at].kind {
            StepKind::Choose(_) => ("{\"", "\"}"),
            StepKind::End(_) | StepKind::Fail(_) => ("([\"", "\"])"),
            _ => ("[\"", "\"]"),
        };
        let _ = writeln!(out, "  s{at}{open}{text}{close}");
    }
    let mut ends = false;
    for edge in edges(flow, outline, lang) {
        let arrow = if edge.dashed { "-.->" } else { "-->" };
        let word = if edge.label.is_empty() { String::new() } else { format!("|\"{}\"|", quote(&clean(&edge.label))) };
        ends |= edge.to.is_none();
        let to = edge.to.map_or_else(|| "through".to_owned(), |to| format!("s{to}"));
        let _ = writeln!(out, "  s{} {arrow}{word} {to}", edge.from);
    }
    if ends {
        let _ = writeln!(out, "  through([\"{}\"])", lang.pick("end", "完"));
    }
    out
}

/// Graphviz.
pub(crate) fn dot(flow: &Flow, outline: &Outline, marks: &Marks, lang: Lang) -> String {
    let quote = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let mut out = format!("digraph \"{}\" {{\n  node [shape=box, style=rounded];\n", quote(&clean(&flow.id)));
    for at in 0..flow.steps.len() {
        let text = label(flow, at, marks, lang).iter().map(|l| quote(l)).collect::<Vec<_>>().join("\\n");
        let shape = match flow.steps[at].kind {
            StepKind::Choose(_) => ", shape=diamond, style=\"\"",
            StepKind::End(_) | StepKind::Fail(_) => ", shape=oval",
            _ => "",
        };
        let _ = writeln!(out, "  s{at} [label=\"{text}\"{shape}];");
    }
    let mut ends = false;
    for edge in edges(flow, outline, lang) {
        let style = if edge.dashed { ", style=dashed" } else { "" };
        ends |= edge.to.is_none();
        let to = edge.to.map_or_else(|| "through".to_owned(), |to| format!("s{to}"));
        let _ = writeln!(out, "  s{} -> {to} [label=\"{}\"{style}];", edge.from, quote(&clean(&edge.label)));
    }
    if ends {
        let _ = writeln!(out, "  through [label=\"{}\", shape=oval];", lang.pick("end", "完"));
    }
    out.push_str("}\n");
    out
}
