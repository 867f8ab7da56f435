//! The text of a file with its traps out of the way, and the way back from its columns to those of the file.

use super::text::Text;

/// Stands for a value that was told to be wrong: whatever reads it is silent about it. A private-use character.
pub(super) const BROKEN: &str = "\u{e000}";

/// A file's lines, some of them changed.
pub(super) struct Mended {
    lines: Vec<String>,
    /// By line: what was replaced, by columns of the original, in their order.
    edits: Vec<Vec<Edit>>,
    /// Characters of the file's own lines.
    widths: Vec<usize>,
}

#[derive(Clone)]
struct Edit {
    from: usize,
    to: usize,
    by: String,
}

impl Mended {
    pub(super) fn new(text: &Text) -> Self {
        Self {
            lines: text.lines.clone(),
            edits: vec![Vec::new(); text.lines.len()],
            widths: text.lines.iter().map(|l| l.chars().count()).collect(),
        }
    }

    /// Replaces characters of a line (from 0); what overlaps an earlier replacement gives way to it.
    pub(super) fn replace(&mut self, line: usize, from: usize, to: usize, by: &str) {
        let edits = &mut self.edits[line];
        // A value that is taken out swallows what was mended inside it.
        edits.retain(|e| !(from <= e.from && e.to <= to));
        if !edits.iter().any(|e| from < e.to && e.from < to) {
            let place = edits.partition_point(|e| e.from < from);
            edits.insert(place, Edit { from, to, by: by.to_owned() });
        }
    }

    /// Takes the rest of a line out.
    pub(super) fn blank(&mut self, line: usize, from: usize, to: usize) {
        self.replace(line, from, to, BROKEN);
    }

    /// Takes a whole line out.
    pub(super) fn empty(&mut self, line: usize) {
        self.lines[line].clear();
        self.edits[line].clear();
    }

    /// Puts a whole line in place of what was there; columns are not traced any more.
    pub(super) fn put(&mut self, line: usize, text: String) {
        self.lines[line] = text;
        self.edits[line].clear();
    }

    /// The line (from 0) as it stands now.
    pub(super) fn line(&self, line: usize) -> String {
        let chars: Vec<char> = self.lines[line].chars().collect();
        let edits = &self.edits[line];
        let mut out = String::new();
        let mut at = 0;
        for edit in edits {
            out.extend(&chars[at.min(chars.len())..edit.from.min(chars.len())]);
            out.push_str(&edit.by);
            at = edit.to;
        }
        out.extend(&chars[at.min(chars.len())..]);
        out
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The whole text.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        for line in 0..self.lines.len() {
            out.push_str(&self.line(line));
            out.push('\n');
        }
        out
    }

    /// The line and column in the file (from 0) of a place in the mended text; beyond the end it is the end.
    pub(super) fn place(&self, line: usize, col: usize) -> (usize, usize) {
        let last = self.edits.len().saturating_sub(1);
        let col = if line > last { usize::MAX / 4 } else { self.column(line, col) };
        let line = line.min(last);
        (line, col.min(self.widths.get(line).copied().unwrap_or(0)))
    }

    /// The column in the file of a column in the mended line (from 0).
    pub(super) fn column(&self, line: usize, col: usize) -> usize {
        let Some(edits) = self.edits.get(line) else { return col };
        let mut shift = 0isize;
        for edit in edits {
            let start = edit.from.saturating_add_signed(shift);
            let len = edit.by.chars().count();
            if col < start {
                break;
            }
            if col < start + len {
                return edit.from + (col - start).min((edit.to - edit.from).saturating_sub(1));
            }
            shift += len.cast_signed() - (edit.to - edit.from).cast_signed();
        }
        col.saturating_add_signed(-shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_lead_back() {
        let text = Text::new("a".into(), "　x：1，y: 2", false);
        let mut m = Mended::new(&text);
        m.replace(0, 0, 1, "  ");
        m.replace(0, 2, 3, ": ");
        m.replace(0, 4, 5, ", ");
        assert_eq!(m.line(0), "  x: 1, y: 2");
        for (mended, original) in [(0, 0), (2, 1), (3, 2), (5, 3), (6, 4), (8, 5), (11, 8)] {
            assert_eq!(m.column(0, mended), original, "{mended}");
        }
    }
}
