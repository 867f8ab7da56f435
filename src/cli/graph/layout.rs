//! Where everything of a flow goes: from the top down, branches side by side, ways out to the right of their step, asides beside
//! it all. Blocks never overlap, because each takes a place of its own; only jumps are led around them afterwards.
//!
//! Knows pixels and blocks; never colours or file formats.

use std::collections::HashMap;

use super::gist::{gist, terms};
use super::live::Marks;
use super::outline::{Aside, Beside, Head, Item, Outline, To, falls, framed, is_made, jump};
use super::route;
use super::scene::{Boxed, Kind, LINE, Label, Path, Rect, Scene, Shape, Text, Tone, measure, wrap};
use crate::cli::words::{Lang, Words as _};
use crate::engine::definition::{At, Flow, StepKind};

/// Cells of a line in a box.
const CELLS: usize = 28;
/// Inside a box, left and right.
const PAD: i32 = 14;
/// Between what follows each other.
const GAP: i32 = 34;
/// Between columns.
const BESIDE: i32 = 30;
/// From a step to the bar where its branches part, and from there to the next.
const DROP: i32 = 20;
/// Between the longest branch and where they come together.
const JOIN: i32 = 14;
/// Around the body of `each` and `repeat`.
const FRAME: i32 = 16;
/// Between a step and what stands beside it: two lanes, then the word why.
const LANES: i32 = 40;

/// What a block needs: to the left and to the right of the line that leads through it, and down.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    left: i32,
    right: i32,
    height: i32,
}

/// The picture of a flow.
pub(crate) fn layout(flow: &Flow, outline: &Outline, marks: &Marks, lang: Lang) -> Scene {
    let mut layout =
        Layout { flow, marks, lang, scene: Scene::default(), sizes: HashMap::new(), spots: HashMap::new(), jumps: Vec::new() };
    let main = layout.sequence_size(&outline.main);
    let begin = flow.when.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let begin = if begin.is_empty() { lang.pick("start", "开始").to_owned() } else { begin };
    let head = layout.head(&begin);
    let spine = main.left.max(head.0 / 2).max(60);
    let mut bottom = layout.put_head(&begin, spine, 0, &outline.main);
    if falls(flow, &outline.main) {
        layout.line(Kind::Flow, true, [(spine, bottom), (spine, bottom + GAP)]);
        let place = Rect { x: spine - 22, y: bottom + GAP, w: 44, h: 28 };
        let text = vec![Text { text: lang.pick("end", "完").to_owned(), tone: Tone::Strong }];
        layout.scene.boxes.push(Boxed { at: None, shape: Shape::End, place, text, title: String::new() });
        bottom += GAP + 28;
    }
    layout.asides(&outline.asides, spine + main.right.max(head.0 / 2) + 70, bottom);
    layout.ways();
    layout.finish()
}

struct Layout<'a> {
    flow: &'a Flow,
    marks: &'a Marks,
    lang: Lang,
    scene: Scene,
    /// Of items, by their step.
    sizes: HashMap<At, Size>,
    /// Where the boxes of steps are.
    spots: HashMap<At, Rect>,
    jumps: Vec<(At, At, Kind)>,
}

/// A branch at its place.
struct Column {
    size: Size,
    label: Vec<String>,
}

impl Column {
    fn head(&self) -> i32 {
        if self.label.is_empty() { DROP } else { DROP + i32::try_from(self.label.len()).unwrap_or(0) * LINE + 8 }
    }
}

impl Layout<'_> {
    fn line<const N: usize>(&mut self, kind: Kind, arrow: bool, points: [(i32, i32); N]) {
        self.scene.lines.push(Path { points: points.to_vec(), kind, arrow });
    }

    fn head(&self, text: &str) -> (i32, Vec<Text>) {
        let lines: Vec<Text> = wrap(text, 34, 2).into_iter().map(|text| Text { text, tone: Tone::Plain }).collect();
        (lines.iter().map(|l| measure(&l.text)).max().unwrap_or(0) + 2 * PAD, lines)
    }

    /// A head and the steps below it; where they end.
    fn put_head(&mut self, text: &str, x: i32, y: i32, items: &[Item]) -> i32 {
        let (w, lines) = self.head(text);
        let h = i32::try_from(lines.len()).unwrap_or(1) * LINE + 10;
        let place = Rect { x: x - w / 2, y, w, h };
        self.scene.boxes.push(Boxed { at: None, shape: Shape::Head, place, text: lines, title: text.to_owned() });
        if items.is_empty() {
            return y + h;
        }
        self.line(Kind::Flow, true, [(x, y + h), (x, y + h + GAP)]);
        self.sequence(items, x, y + h + GAP)
    }

    /// What stands beside it all, in columns about as high as the rest.
    fn asides(&mut self, asides: &[Aside], from: i32, height: i32) {
        let (mut x, mut y, mut widest) = (from, 0, 0);
        for aside in asides {
            let text = self.aside_head(&aside.head);
            let (size, head) = (self.sequence_size(&aside.items), self.head(&text).0);
            let (left, right) = (size.left.max(head / 2), size.right.max(head / 2));
            let needed = size.height + GAP + 2 * LINE + 10;
            if y > 0 && y + needed > height.max(560) {
                (x, y, widest) = (x + widest + 60, 0, 0);
            }
            let bottom = self.put_head(&text, x + left, y, &aside.items);
            y = bottom + 50;
            widest = widest.max(left + right);
        }
    }

    fn aside_head(&self, head: &Head) -> String {
        let lang = self.lang;
        match head {
            Head::Named(name) => name.clone(),
            Head::Late => {
                let within = self.flow.within.map(|span| span.to_string()).unwrap_or_default();
                lang.pick(format!("not through within {within}"), format!("{within} 内未完成"))
            }
            Head::Failed => lang.pick("has failed", "流程失败").into(),
            Head::Recalled => lang.pick("taken back", "撤回").into(),
            Head::Loose => lang.pick("not reached", "不可到达").into(),
        }
    }

    /// A step's own box: shape, text, width, height.
    fn own(&self, item: &Item) -> (Shape, Vec<Text>, i32, i32) {
        let (step, lang) = (&self.flow.steps[item.at], self.lang);
        let (name, gist) = (step.title.as_ref().unwrap_or(&step.id), gist(self.flow, step, lang));
        let mut text: Vec<Text> = Vec::new();
        let mut add = |more: &str, lines: usize, tone: Tone| {
            text.extend(wrap(more, CELLS, lines).into_iter().map(|text| Text { text, tone }));
        };
        // An id that nobody gave says nothing that the step does not say itself.
        if step.title.is_some() || gist.is_empty() || !is_made(&step.id) {
            add(name, 2, Tone::Strong);
        }
        add(&gist, 2, Tone::Plain);
        for term in terms(step, lang) {
            add(&term, 3, Tone::Dim);
        }
        for side in &item.sides {
            if let To::Step(at) = &side.to {
                add(&format!("{} → {}", why(side.why, lang), self.flow.steps[*at].id), 1, Tone::Dim);
            }
        }
        for line in self.marks.told(item.at) {
            add(line, 2, Tone::Live);
        }
        let shape = match &step.kind {
            StepKind::Choose(_) => Shape::Diamond,
            StepKind::End(_) | StepKind::Fail(_) => Shape::End,
            StepKind::GoTo(_) | StepKind::BackTo(_) => Shape::Jump,
            _ => Shape::Box,
        };
        let wide = text.iter().map(|l| measure(&l.text)).max().unwrap_or(0);
        let high = i32::try_from(text.len()).unwrap_or(1) * LINE;
        match shape {
            Shape::Diamond => (shape, text, wide + 72, high + 34),
            _ => (shape, text, (wide + 2 * PAD).max(76), high + 14),
        }
    }

    fn columns(&mut self, item: &Item) -> Vec<Column> {
        let otherwise =
            if let StepKind::Choose(_) = self.flow.steps[item.at].kind { self.lang.pick("otherwise", "否则") } else { "" };
        let columns = item.parts.iter().map(|part| {
            let label = wrap(if part.label.is_empty() { otherwise } else { &part.label }, 22, 3);
            let half = label.iter().map(|l| measure(l)).max().unwrap_or(0) / 2 + 6;
            let size = self.sequence_size(&part.items);
            Column { size: Size { left: size.left.max(half), right: size.right.max(half), ..size }, label }
        });
        columns.collect()
    }

    fn sequence_size(&mut self, items: &[Item]) -> Size {
        let mut all = Size { left: 14, right: 14, height: if items.is_empty() { 14 } else { -GAP } };
        for item in items {
            let size = self.size(item);
            all =
                Size { left: all.left.max(size.left), right: all.right.max(size.right), height: all.height + GAP + size.height };
        }
        all
    }

    /// A step with all that is inside it and beside it.
    fn size(&mut self, item: &Item) -> Size {
        if let Some(size) = self.sizes.get(&item.at) {
            return *size;
        }
        let mut size = self.core(item);
        let (wide, high) = self.beside(item);
        if wide > 0 {
            let why = item.sides.iter().map(|s| measure(why(s.why, self.lang))).max().unwrap_or(0);
            size = Size { right: size.right + LANES + why + 16 + wide, height: size.height.max(high), ..size };
        }
        self.sizes.insert(item.at, size);
        size
    }

    /// What stands beside a step, one below the other: width and height.
    fn beside(&mut self, item: &Item) -> (i32, i32) {
        let (mut wide, mut high) = (0, 0);
        for side in &item.sides {
            let To::Block(items) = &side.to else { continue };
            let size = self.sequence_size(items);
            wide = wide.max(size.left + size.right);
            high += size.height + 26;
        }
        (wide, high)
    }

    /// A step with what is inside it.
    fn core(&mut self, item: &Item) -> Size {
        let (_, _, w, h) = self.own(item);
        match &self.flow.steps[item.at].kind {
            StepKind::Choose(_) | StepKind::Parallel(_) => {
                let columns = self.columns(item);
                let below = columns.iter().map(|c| c.head() + c.size.height).max().unwrap_or(0);
                let wide = spread(&columns);
                let half = (w / 2).max(wide / 2);
                Size { left: half, right: wide - wide / 2 + (half - wide / 2), height: h + DROP + below + JOIN + DROP }
            }
            kind if framed(kind) => {
                let body = item.parts.first().map(|part| self.sequence_size(&part.items)).unwrap_or_default();
                let lane = FRAME + 20;
                Size {
                    left: body.left.max(w / 2) + lane,
                    right: body.right.max(w / 2) + FRAME,
                    height: FRAME + h + GAP + body.height + FRAME + 8,
                }
            }
            _ => Size { left: w - w / 2, right: w - w / 2, height: h },
        }
    }

    /// Steps one below the other; where they end.
    fn sequence(&mut self, items: &[Item], x: i32, y: i32) -> i32 {
        let mut y = y;
        for (n, item) in items.iter().enumerate() {
            let height = self.size(item).height;
            self.item(item, x, y);
            y += height;
            if n + 1 < items.len() {
                if falls(self.flow, std::slice::from_ref(item)) {
                    self.line(Kind::Flow, true, [(x, y), (x, y + GAP)]);
                }
                y += GAP;
            }
        }
        if items.is_empty() { y + 14 } else { y }
    }

    fn item(&mut self, item: &Item, x: i32, y: i32) {
        let (flow, at) = (self.flow, item.at);
        let (size, core) = (self.size(item), self.core(item));
        let (shape, text, w, h) = self.own(item);
        let top = if framed(&flow.steps[at].kind) { y + FRAME } else { y };
        let place = Rect { x: x - w / 2, y: top, w, h };
        let title = self.title(at);
        self.spots.insert(at, place);
        self.scene.boxes.push(Boxed { at: Some(at), shape, place, text, title });
        match &flow.steps[at].kind {
            StepKind::Choose(_) | StepKind::Parallel(_) => self.branches(item, x, top + h, y + core.height),
            kind if framed(kind) => self.body(item, x, y, place, core),
            _ => {}
        }
        if let Some(to) = jump(flow, at) {
            self.jumps.push((at, to, Kind::Jump));
        }
        self.sides(item, x, y, place, core.right, size.height);
        if size.height > core.height && falls(flow, std::slice::from_ref(item)) {
            self.line(Kind::Flow, false, [(x, y + core.height), (x, y + size.height)]);
        }
    }

    fn title(&self, at: At) -> String {
        let step = &self.flow.steps[at];
        let mut all = vec![step.id.clone()];
        all.extend(step.title.clone());
        all.push(gist(self.flow, step, self.lang));
        all.extend(terms(step, self.lang));
        all.extend(self.marks.told(at).iter().cloned());
        all.retain(|line| !line.is_empty());
        all.join("\n")
    }

    /// Branches side by side, parting and coming together.
    fn branches(&mut self, item: &Item, x: i32, from: i32, to: i32) {
        let columns = self.columns(item);
        let wide = spread(&columns);
        let bar = matches!(self.flow.steps[item.at].kind, StepKind::Parallel(_));
        let (part, join) = (from + DROP, to - DROP);
        self.line(Kind::Flow, false, [(x, from), (x, part)]);
        let mut left = x - wide / 2;
        let (mut joins, first) = (false, left);
        for (column, branch) in columns.iter().zip(&item.parts) {
            let at = left + column.size.left;
            let below = part + column.head();
            if !column.label.is_empty() {
                let h = i32::try_from(column.label.len()).unwrap_or(1) * LINE;
                let w = column.label.iter().map(|l| measure(l)).max().unwrap_or(0) + 8;
                let place = Rect { x: at - w / 2, y: part + 10, w, h };
                self.scene.labels.push(Label { place, text: column.label.clone(), kind: Kind::Flow });
            }
            let (corner, down) = ((at, part), (at, below));
            if bar {
                self.line(Kind::Flow, !branch.items.is_empty(), [corner, down])
            } else {
                self.line(Kind::Flow, !branch.items.is_empty(), [(x, part), corner, down]);
            }
            let end = self.sequence(&branch.items, at, below);
            if falls(self.flow, &branch.items) {
                joins = true;
                let end = if branch.items.is_empty() { below } else { end };
                let points = if bar { vec![(at, end), (at, join)] } else { vec![(at, end), (at, join), (x, join)] };
                self.scene.lines.push(Path { points, kind: Kind::Flow, arrow: false });
            }
            left += column.size.left + column.size.right + BESIDE;
        }
        if bar {
            let last = first + wide;
            self.line(Kind::Bar, false, [(first, part), (last, part)]);
            self.line(Kind::Bar, false, [(first, join), (last, join)]);
        }
        if joins || bar {
            self.line(Kind::Flow, false, [(x, join), (x, to)]);
        }
    }

    /// The body of `each` or `repeat`, framed; a loop leads back on its left.
    fn body(&mut self, item: &Item, x: i32, y: i32, place: Rect, core: Size) {
        let frame = Rect { x: x - core.left, y, w: core.left + core.right, h: core.height - 8 };
        self.scene.frames.push(frame);
        let Some(part) = item.parts.first() else { return };
        let first = place.y + place.h;
        self.line(Kind::Flow, true, [(x, first), (x, first + GAP)]);
        let end = self.sequence(&part.items, x, first + GAP);
        let again = matches!(self.flow.steps[item.at].kind, StepKind::Each(_) | StepKind::Repeat(_));
        let goes_on = falls(self.flow, &part.items);
        if goes_on && !again {
            self.line(Kind::Flow, false, [(x, end), (x, y + core.height)]);
        } else if goes_on {
            let (lane, below, middle) = (frame.x + 12, end + 6, place.y + place.h / 2);
            let points = [(x, end), (x, below), (lane, below), (lane, middle), (place.x, middle)];
            self.line(Kind::Flow, true, points);
        }
        if again {
            self.line(Kind::Flow, false, [(x, frame.y + frame.h), (x, y + core.height)]);
        }
    }

    /// What stands beside a step: led to by a lane on its right; back to the main line by another.
    fn sides(&mut self, item: &Item, x: i32, y: i32, place: Rect, right: i32, height: i32) {
        let (middle, lane, back) = (place.y + place.h / 2, x + right + 14, x + right + 26);
        let words = item.sides.iter().map(|s| measure(why(s.why, self.lang))).max().unwrap_or(0);
        let from = x + right + LANES + words + 16;
        let mut top = y;
        for side in &item.sides {
            let items = match &side.to {
                To::Step(at) => {
                    self.jumps.push((item.at, *at, Kind::Side));
                    continue;
                }
                To::Block(items) => items,
            };
            let size = self.sequence_size(items);
            let spine = from + size.left;
            let end = self.sequence(items, spine, top);
            let Some(first) = items.first().and_then(|i| self.spots.get(&i.at)).copied() else { continue };
            let entry = first.y + first.h / 2;
            self.line(Kind::Side, true, [(place.x + place.w, middle), (lane, middle), (lane, entry), (first.x, entry)]);
            let word = why(side.why, self.lang).to_owned();
            let w = measure(&word) + 6;
            let label = Rect { x: back + 8, y: entry - LINE / 2, w, h: LINE };
            self.scene.labels.push(Label { place: label, text: vec![word], kind: Kind::Side });
            if falls(self.flow, items) {
                let bottom = y + height - 6;
                self.line(Kind::Side, false, [(spine, end), (spine, end + 8), (back, end + 8), (back, bottom), (x, bottom)]);
            }
            top += size.height + 26;
        }
    }

    /// Jumps, led around everything else.
    fn ways(&mut self) {
        for (from, to, kind) in std::mem::take(&mut self.jumps) {
            let (Some(from), Some(to)) = (self.spots.get(&from), self.spots.get(&to)) else { continue };
            if let Some(points) = route::route(&self.scene, *from, *to) {
                self.scene.lines.push(Path { points, kind, arrow: true });
            }
        }
    }

    /// Moves everything to where it is seen, and says how large it is.
    fn finish(mut self) -> Scene {
        let scene = &mut self.scene;
        let rects =
            scene.boxes.iter().map(|b| b.place).chain(scene.frames.iter().copied()).chain(scene.labels.iter().map(|l| l.place));
        let corners = rects.flat_map(|r| [(r.x, r.y), (r.x + r.w, r.y + r.h)]);
        let all: Vec<(i32, i32)> = corners.chain(scene.lines.iter().flat_map(|l| l.points.iter().copied())).collect();
        let least = |of: fn(&(i32, i32)) -> i32| all.iter().map(of).min().unwrap_or(0);
        let most = |of: fn(&(i32, i32)) -> i32| all.iter().map(of).max().unwrap_or(0);
        let (x, y) = (least(|p| p.0), least(|p| p.1));
        scene.size = (most(|p| p.0) - x, most(|p| p.1) - y);
        let places = scene.boxes.iter_mut().map(|b| &mut b.place).chain(&mut scene.frames);
        for place in places.chain(scene.labels.iter_mut().map(|l| &mut l.place)) {
            (place.x, place.y) = (place.x - x, place.y - y);
        }
        scene.lines.iter_mut().flat_map(|l| &mut l.points).for_each(|p| *p = (p.0 - x, p.1 - y));
        self.scene
    }
}

/// How wide columns are together.
fn spread(columns: &[Column]) -> i32 {
    let gaps = BESIDE * i32::try_from(columns.len().saturating_sub(1)).unwrap_or(0);
    columns.iter().map(|c| c.size.left + c.size.right).sum::<i32>() + gaps
}

/// Why a step is left for what stands beside it.
pub(crate) fn why(beside: Beside, lang: Lang) -> &'static str {
    match beside {
        Beside::Late => lang.pick("late", "超时"),
        Beside::Error => lang.pick("on error", "出错"),
        Beside::Rejected => lang.pick("rejected", "驳回"),
    }
}
