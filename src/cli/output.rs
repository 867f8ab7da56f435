//! Standard output: colours only where they are seen, nothing that a terminal would obey, widths in cells.
//!
//! Never prints data as it is: [`clean`] stands between every value and the terminal.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Where a command writes. An error of it is a reader who has gone, or a disk that is full.
pub(crate) struct Out {
    sink: Box<dyn Write>,
    /// How it may be written.
    pub(crate) style: Style,
}

impl Out {
    /// Standard output.
    pub(crate) fn stdout() -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        let terminal = io::stdout().is_terminal();
        let style = Style { colour: terminal && !set("NO_COLOR") && !dumb, terminal };
        Self { sink: Box::new(BufWriter::new(io::stdout())), style }
    }

    /// One line.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        self.sink.write_all(text.as_ref().trim_end_matches(' ').as_bytes())?;
        self.sink.write_all(b"\n")
    }

    /// Text as it stands, line breaks and all: of our own making only.
    pub(crate) fn text(&mut self, text: &str) -> io::Result<()> {
        self.sink.write_all(text.as_bytes())
    }

    /// JSON on one line. What is legal in JSON and yet a control character to terminals is escaped.
    pub(crate) fn json(&mut self, value: &impl serde::Serialize) -> anyhow::Result<()> {
        let text = serde_json::to_string(value)?;
        Ok(self.json_text(&text)?)
    }

    /// As [`Self::json`], of JSON that is text already.
    pub(crate) fn json_text(&mut self, text: &str) -> io::Result<()> {
        self.line(escape(text, |c| format!("\\u{:04x}", u32::from(c))))
    }

    /// Hands everything on, then pauses; an error when whoever read standard output has gone in the meantime.
    pub(crate) fn pause(&mut self, duration: Duration) -> io::Result<()> {
        self.flush()?;
        let stdout = io::stdout();
        // Asked for nothing, it still tells of an end: a follower of a quiet log would not find out by writing.
        let mut ends = [PollFd::new(&stdout, PollFlags::empty())];
        let most = Timespec::try_from(duration).map_err(io::Error::other)?;
        match rustix::event::poll(&mut ends, Some(&most)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => Ok(()),
            Ok(_) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Hands everything on.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// How output may be written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Style {
    /// With colours.
    pub(crate) colour: bool,
    /// A person is likely to look on.
    pub(crate) terminal: bool,
}

/// A look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Look {
    #[default]
    Plain,
    Dim,
    Bold,
    Red,
    Green,
    Yellow,
    Magenta,
    Cyan,
}

impl Style {
    /// The text in that look.
    pub(crate) fn paint(self, look: Look, text: &str) -> String {
        let code = match look {
            Look::Dim => "2",
            Look::Bold => "1",
            Look::Red => "1;31",
            Look::Green => "32",
            Look::Yellow => "33",
            Look::Magenta => "1;35",
            Look::Cyan => "36",
            Look::Plain => "",
        };
        if !self.colour || code.is_empty() || text.is_empty() {
            return text.to_owned();
        }
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Data as it may stand on a line: a line break is shown as `⏎`, every other control character, and what reverses the direction
/// of writing, as its code.
pub(crate) fn clean(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\n', "⏎").replace('\t', " ");
    escape(&text, |c| c.escape_unicode().to_string())
}

fn escape(text: &str, how: impl Fn(char) -> String) -> String {
    let hostile = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if !text.contains(hostile) {
        return text.to_owned();
    }
    text.chars().map(|c| if hostile(c) { how(c) } else { c.to_string() }).collect()
}

/// At most so many cells, with an ellipsis where something is left out; clean.
pub(crate) fn clip(text: &str, cells: usize) -> String {
    let text = clean(text.trim());
    if width(&text) <= cells {
        return text;
    }
    let mut left = cells.saturating_sub(1);
    let mut short = String::new();
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if wide > left {
            break;
        }
        left -= wide;
        short.push(c);
    }
    short.push('…');
    short
}

/// How many cells a terminal needs for it.
pub(crate) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Filled up with blanks to so many cells; `shown` is the text as it is to be written, with colours perhaps.
pub(crate) fn pad(text: &str, shown: String, cells: usize) -> String {
    let missing = cells.saturating_sub(width(text));
    shown + &" ".repeat(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_data_is_obeyed() {
        for (input, expect) in [
            ("刘洋", "刘洋"),
            ("a\x1b[31mb", "a\\u{1b}[31mb"),
            ("一\r\n二\n三", "一⏎二⏎三"),
            ("\u{9b}31m\u{7}", "\\u{9b}31m\\u{7}"),
            ("abc\u{202e}gpj", "abc\\u{202e}gpj"),
        ] {
            assert_eq!(clean(input), expect);
        }
    }

    #[test]
    fn widths_are_cells() {
        assert_eq!(clip("欢迎了解我们的产品", 9), "欢迎了解…");
        assert_eq!(clip("welcome", 7), "welcome");
        assert_eq!(pad("中文", "中文".into(), 6), "中文  ");
        assert_eq!(pad("长过格子", "长过格子".into(), 2), "长过格子");
    }
}
