//! What a picture is made of: boxes, lines and labels at their places, in pixels; and how text is measured.
//!
//! Knows no flow and no file format.

use crate::cli::output::{clean, clip, width};
use crate::engine::definition::At;

/// Pixels of half a Chinese character, or of a Latin one.
const CELL: i32 = 7;
/// Height of a line of text.
pub(crate) const LINE: i32 = 18;

/// A picture.
#[derive(Debug, Default)]
pub(crate) struct Scene {
    pub(crate) size: (i32, i32),
    pub(crate) boxes: Vec<Boxed>,
    pub(crate) frames: Vec<Rect>,
    pub(crate) lines: Vec<Path>,
    pub(crate) labels: Vec<Label>,
}

/// A place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Rect {
    pub(crate) x: i32,
    pub(crate) y: i32,
    pub(crate) w: i32,
    pub(crate) h: i32,
}

#[cfg(test)]
impl Rect {
    /// Whether two places share a point.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.x < other.x + other.w && other.x < self.x + self.w && self.y < other.y + other.h && other.y < self.y + self.h
    }
}

/// A box with text.
#[derive(Debug)]
pub(crate) struct Boxed {
    /// The step; none: the beginning, the end, a head.
    pub(crate) at: Option<At>,
    pub(crate) shape: Shape,
    pub(crate) place: Rect,
    pub(crate) text: Vec<Text>,
    /// Everything there is to say, for whoever points at it.
    pub(crate) title: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Box,
    Diamond,
    /// The run is through.
    End,
    /// Leads elsewhere.
    Jump,
    /// Before the first step, or above an aside.
    Head,
}

/// A line of text in a box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) tone: Tone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Strong,
    Plain,
    Dim,
    /// Of a run: when, who.
    Live,
}

/// A line with corners.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) points: Vec<(i32, i32)>,
    pub(crate) kind: Kind,
    pub(crate) arrow: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The usual way.
    Flow,
    /// Late, failed, rejected.
    Side,
    /// To a step that stands elsewhere.
    Jump,
    /// Where branches begin and end together.
    Bar,
}

/// Text on a line, centred.
#[derive(Debug)]
pub(crate) struct Label {
    pub(crate) place: Rect,
    pub(crate) text: Vec<String>,
    pub(crate) kind: Kind,
}

/// Pixels that a text takes.
pub(crate) fn measure(text: &str) -> i32 {
    i32::try_from(width(text)).unwrap_or(i32::MAX / CELL) * CELL
}

/// A text in at most so many lines of so many cells; what does not fit ends in an ellipsis.
pub(crate) fn wrap(text: &str, cells: usize, lines: usize) -> Vec<String> {
    let text = clean(text.trim());
    let (mut all, mut line) = (Vec::new(), String::new());
    for word in words(&text) {
        if width(&line) + width(word.trim_end()) > cells && !line.is_empty() {
            all.push(std::mem::take(&mut line).trim_end().to_owned());
        }
        line.push_str(word);
    }
    all.push(line.trim_end().to_owned());
    if all.len() > lines {
        let rest = all.split_off(lines.saturating_sub(1)).join(" ");
        all.push(format!("{rest} "));
    }
    all.retain(|line| !line.is_empty());
    all.into_iter().map(|line| clip(&line, cells)).collect()
}

/// Where a line may be broken: behind blanks and every Chinese character.
fn words(text: &str) -> Vec<&str> {
    let (mut all, mut from) = (Vec::new(), 0);
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        if c == ' ' || width(&text[at..end]) == 2 {
            all.push(&text[from..end]);
            from = end;
        }
    }
    all.push(&text[from..]);
    all.retain(|word| !word.is_empty());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_by_cells() {
        assert_eq!(wrap("status == 'won' and amount > 10000", 20, 3), ["status == 'won' and", "amount > 10000"]);
        assert_eq!(wrap("请财务经理审批这份报价单并说明理由", 12, 2), ["请财务经理审", "批这份报价…"]);
        assert_eq!(wrap("", 12, 2), Vec::<String>::new());
    }
}
