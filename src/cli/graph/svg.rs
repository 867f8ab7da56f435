//! A picture as SVG: readable without scripts, in light and dark, every text escaped.

use std::fmt::Write as _;

use super::live::Marks;
use super::scene::{Boxed, Kind, LINE, Path, Rect, Scene, Shape, Tone};
use crate::cli::output::clean;

/// Around the picture.
const EDGE: i32 = 28;

const STYLE: &str = "
svg{--paper:#fff;--ink:#1f2328;--dim:#6b7280;--line:#8b949e;--fill:#f6f8fa;--edge:#c5ccd3;--side:#b45309;--jump:#6d4fc4;--live:#0b62c4;
--done:#e3f6e8;--done-edge:#2da44e;--bad:#fdeaea;--bad-edge:#d1242f;--now:#dcebff;--now-edge:#0b62c4;--void:#eceef1;background:var(--paper)}
@media(prefers-color-scheme:dark){svg{--paper:#0d1117;--ink:#e6edf3;--dim:#9aa4af;--line:#6e7681;--fill:#161b22;--edge:#3d444d;--side:#e3a34c;
--jump:#b59bff;--live:#6cb0ff;--done:#12301c;--done-edge:#3fb950;--bad:#3a1619;--bad-edge:#f85149;--now:#122d4f;--now-edge:#58a6ff;--void:#21262d}}
text{font:13px system-ui,'PingFang SC','Microsoft YaHei','Noto Sans CJK SC',sans-serif;fill:var(--ink);text-anchor:middle}
.paper{fill:var(--paper)}
.strong{font-weight:600}.dim{fill:var(--dim);font-size:12px}.live{fill:var(--live);font-size:12px}
.name{font-size:17px;font-weight:600;text-anchor:start}.note{fill:var(--dim);text-anchor:start}
.box{fill:var(--fill);stroke:var(--edge);stroke-width:1.2}.head{fill:none;stroke:var(--line);stroke-dasharray:2 3}
.jump{stroke:var(--jump)}.end{stroke:var(--ink)}
.frame{fill:none;stroke:var(--edge);stroke-dasharray:5 4}
.way{fill:none;stroke:var(--line);stroke-width:1.4}.way.side{stroke:var(--side);stroke-dasharray:5 4}
.way.leap{stroke:var(--jump);stroke-width:1.5}.way.bar{stroke:var(--ink);stroke-width:4;stroke-linecap:round}
.word{fill:var(--dim);font-size:12px}.word.side{fill:var(--side)}
.done{fill:var(--done);stroke:var(--done-edge)}.bad{fill:var(--bad);stroke:var(--bad-edge)}
.void{fill:var(--void);stroke-dasharray:3 3}.now{fill:var(--now);stroke:var(--now-edge);stroke-width:2.4}
.badge{fill:var(--now-edge)}.badge.stuck{fill:var(--bad-edge)}.count{fill:#fff;font-size:12px;font-weight:600}
.tip{stroke:none;fill:var(--line)}.tip.side{fill:var(--side)}.tip.leap{fill:var(--jump)}
";

/// The whole file.
pub(crate) fn svg(scene: &Scene, marks: &Marks, title: &str, notes: &[String]) -> String {
    let top = EDGE + 26 + i32::try_from(notes.len()).unwrap_or(0) * LINE + 22;
    let text = notes.iter().map(|n| super::scene::measure(n)).chain([super::scene::measure(title) * 4 / 3]).max().unwrap_or(0);
    let (w, h) = (scene.size.0.max(text) + 2 * EDGE, scene.size.1 + top + EDGE);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" role=\"img\">\n<title>{}</title>\n<style>{STYLE}</style>\n",
        escape(title)
    );
    // To a text that is written, nothing can fail.
    let _ = writeln!(out, "<rect class=\"paper\" width=\"{w}\" height=\"{h}\"/>");
    let _ = writeln!(out, "<text class=\"name\" x=\"{EDGE}\" y=\"{}\">{}</text>", EDGE + 14, escape(title));
    for (n, note) in (0..).zip(notes) {
        let y = EDGE + 14 + 24 + n * LINE;
        let _ = writeln!(out, "<text class=\"note\" x=\"{EDGE}\" y=\"{y}\">{}</text>", escape(note));
    }
    let _ = writeln!(out, "<g transform=\"translate({EDGE} {top})\">");
    for Rect { x, y, w, h } in &scene.frames {
        let _ = writeln!(out, "<rect class=\"frame\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"10\"/>");
    }
    scene.lines.iter().for_each(|line| path(&mut out, line));
    for label in &scene.labels {
        let Rect { x, y, w, h } = label.place;
        let _ = writeln!(out, "<rect class=\"paper\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"/>");
        let class = if label.kind == Kind::Side { "word side" } else { "word" };
        for (n, text) in (0..).zip(&label.text) {
            let y = y + n * LINE + 13;
            let _ = writeln!(out, "<text class=\"{class}\" x=\"{}\" y=\"{y}\">{}</text>", x + w / 2, escape(text));
        }
    }
    scene.boxes.iter().for_each(|boxed| node(&mut out, boxed, marks));
    out.push_str("</g>\n</svg>\n");
    out
}

fn path(out: &mut String, line: &Path) {
    let class = match line.kind {
        Kind::Flow => "way",
        Kind::Side => "way side",
        Kind::Jump => "way leap",
        Kind::Bar => "way bar",
    };
    let mut points = line.points.clone();
    points.dedup();
    let [.., before, end] = points.as_slice() else { return };
    let (end, before) = (*end, *before);
    let (dx, dy) = ((end.0 - before.0).signum(), (end.1 - before.1).signum());
    if line.arrow
        && let Some(last) = points.last_mut()
    {
        *last = (end.0 - dx * 6, end.1 - dy * 6); // the tip is drawn of its own
    }
    let _ = writeln!(out, "<path class=\"{class}\" d=\"{}\"/>", rounded(&points));
    if line.arrow {
        let (left, right) =
            ((end.0 - dx * 8 - dy * 4, end.1 - dy * 8 - dx * 4), (end.0 - dx * 8 + dy * 4, end.1 - dy * 8 + dx * 4));
        let class = class.replace("way", "tip");
        let _ =
            writeln!(out, "<path class=\"{class}\" d=\"M{} {}L{} {}L{} {}Z\"/>", end.0, end.1, left.0, left.1, right.0, right.1);
    }
}

/// A line with round corners.
fn rounded(points: &[(i32, i32)]) -> String {
    let mut d = String::new();
    for (n, point) in points.iter().enumerate() {
        let around = n.checked_sub(1).and_then(|p| points.get(p)).zip(points.get(n + 1));
        let Some((before, after)) = around else {
            let _ = write!(d, "{}{} {}", if n == 0 { "M" } else { "L" }, point.0, point.1);
            continue;
        };
        let toward = |other: &(i32, i32)| {
            let (dx, dy) = (other.0 - point.0, other.1 - point.1);
            let near = 6.min(dx.abs().max(dy.abs()) / 2);
            (point.0 + dx.signum() * near, point.1 + dy.signum() * near)
        };
        let (a, b) = (toward(before), toward(after));
        let _ = write!(d, "L{} {}Q{} {} {} {}", a.0, a.1, point.0, point.1, b.0, b.1);
    }
    d
}

fn node(out: &mut String, boxed: &Boxed, marks: &Marks) {
    let Rect { x, y, w, h } = boxed.place;
    let shape = match boxed.shape {
        Shape::Box | Shape::Diamond => "",
        Shape::End => " end",
        Shape::Jump => " jump",
        Shape::Head => " head",
    };
    let look = boxed.at.map(|at| marks.look(at)).unwrap_or_default();
    let class = format!("box{shape}{look}");
    let _ = writeln!(
        out,
        "<g>{}",
        if boxed.title.is_empty() { String::new() } else { format!("<title>{}</title>", escape(&boxed.title)) }
    );
    let _ = match boxed.shape {
        Shape::Diamond => {
            let (cx, cy) = (x + w / 2, y + h / 2);
            writeln!(out, "<path class=\"{class}\" d=\"M{cx} {y}L{} {cy}L{cx} {}L{x} {cy}Z\"/>", x + w, y + h)
        }
        Shape::End | Shape::Head => {
            writeln!(out, "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"{}\"/>", h.min(32) / 2)
        }
        _ => writeln!(out, "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"6\"/>"),
    };
    let lines = i32::try_from(boxed.text.len()).unwrap_or(1);
    let top = y + (h - lines * LINE) / 2;
    for (n, line) in (0..).zip(&boxed.text) {
        let class = match line.tone {
            Tone::Strong => " class=\"strong\"",
            Tone::Plain => "",
            Tone::Dim => " class=\"dim\"",
            Tone::Live => " class=\"live\"",
        };
        let _ = writeln!(out, "<text{class} x=\"{}\" y=\"{}\">{}</text>", x + w / 2, top + n * LINE + 13, escape(&line.text));
    }
    if let Some((count, stuck)) = boxed.at.and_then(|at| marks.count(at)) {
        let text = count.to_string();
        let wide = super::scene::measure(&text) + 12;
        let class = if stuck { "badge stuck" } else { "badge" };
        let (bx, by) = (x + w - wide / 2, y - 10);
        let _ = writeln!(out, "<rect class=\"{class}\" x=\"{bx}\" y=\"{by}\" width=\"{wide}\" height=\"20\" rx=\"10\"/>");
        let _ = writeln!(out, "<text class=\"count\" x=\"{}\" y=\"{}\">{text}</text>", bx + wide / 2, by + 14);
    }
    out.push_str("</g>\n");
}

/// As it may stand in the text of an element or in an attribute.
pub(crate) fn escape(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(clean).collect();
    let text = lines.join("\n");
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
