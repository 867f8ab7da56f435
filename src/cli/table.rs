//! A table for people: columns aligned in cells, the last one free.

use super::output::{Look, Out, clean, pad, width};

/// Rows of cells under a head.
#[derive(Debug, Default)]
pub(crate) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<(String, Look)>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(head: [&str; N]) -> Self {
        Self { head: head.map(str::to_owned).to_vec(), rows: Vec::new() }
    }

    /// With a head made at run time.
    pub(crate) fn of(head: Vec<String>) -> Self {
        Self { head, rows: Vec::new() }
    }

    /// Adds a row; what is in it need not be clean.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = (String, Look)>) {
        self.rows.push(cells.into_iter().map(|(text, look)| (clean(&text), look)).collect());
    }

    pub(crate) fn print(&self, out: &mut Out) -> std::io::Result<()> {
        let columns = self.head.len();
        let widest = |at: usize| {
            let cells = self.rows.iter().filter_map(|r| r.get(at)).map(|(text, _)| width(text));
            cells.chain([width(&self.head[at])]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(widest).collect();
        let style = out.style;
        let line = |cells: Vec<(&str, Look)>| {
            let cells = cells.into_iter().zip(&widths).map(|((text, look), cells)| pad(text, style.paint(look, text), *cells));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        if self.head.iter().any(|h| !h.is_empty()) {
            out.line(line(self.head.iter().map(|h| (h.as_str(), Look::Dim)).collect()))?;
        }
        for row in &self.rows {
            out.line(line(row.iter().map(|(text, look)| (text.as_str(), *look)).collect()))?;
        }
        Ok(())
    }
}
