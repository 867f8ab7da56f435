//! Events as lines of text, for other programs and other places: written from a store, read back by whoever judges history.
//!
//! One JSON object a line, in the order of everything: `{"event": …, "definitions": "a1b2c3d4e5f6"}`. `event` is the event as the
//! store keeps it (times inside its data are `{"$time": "…"}`, numbers keep every digit), `definitions` the hash of what decided
//! it. No head, no end: lines may be cut out, as long as their order stays. Members that are not known are passed over.
//!
//! Never decides, and reads nothing but the store and the lines it is handed.

use std::io::{self, BufRead, Read as _, Write};

use jiff::Timestamp;

use super::{Error, PAGE, Read, Stored};
use crate::engine::event::Event;
use crate::engine::trigger::glob;

/// Bytes of one line: more than any event that the store takes from outside.
const MAX_LINE: u64 = 64 << 20;

/// Which events; all that are said must hold.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Received at or after.
    pub since: Option<Timestamp>,
    /// Received before.
    pub until: Option<Timestamp>,
    /// Of this name; `*` stands for anything.
    pub name: Option<String>,
    /// About this record, as `lead/L20`, or just its id.
    pub record: Option<String>,
    /// Told by this source, or by whatever else [`Event::origin`] names.
    pub source: Option<String>,
}

impl Asked {
    /// Whether an event passes.
    pub fn passes(&self, event: &Event) -> bool {
        let record = |asked: &String| event.record.as_ref().is_some_and(|r| r.id == *asked || r.to_string() == *asked);
        self.since.is_none_or(|since| event.received >= since)
            && self.until.is_none_or(|until| event.received < until)
            && self.name.as_ref().is_none_or(|name| glob(name, &event.name))
            && self.record.as_ref().is_none_or(record)
            && self.source.as_ref().is_none_or(|source| event.origin == *source)
    }
}

/// What can go wrong with lines.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] Error),
    /// The lines cannot be read or written.
    #[error(transparent)]
    Lines(#[from] io::Error),
    /// A line, by its number from 1, is not one of these.
    #[error("line {0}: {1}")]
    Line(u64, String),
}

/// Writes the events that pass, in order; how many. `told` learns after every page the number of the last event looked at.
pub fn write(store: &dyn Read, asked: &Asked, out: &mut dyn Write, mut told: impl FnMut(u64)) -> Result<u64, Wrong> {
    let mut after = asked.since.map_or(Ok(0), |since| before(store, since))?;
    let mut count = 0;
    loop {
        let page = store.events(after, PAGE)?;
        let Some(last) = page.last() else { return Ok(count) };
        after = last.event.seq;
        // The clock may have been set in between, so that one later event is not yet the end.
        let past = asked.until.is_some_and(|until| page.iter().all(|stored| stored.event.received >= until));
        for stored in page.iter().filter(|stored| asked.passes(&stored.event)) {
            serde_json::to_writer(&mut *out, stored).map_err(io::Error::from)?;
            out.write_all(b"\n")?;
            count += 1;
        }
        told(after);
        if past {
            return Ok(count);
        }
    }
}

/// A number that all events received since then are beyond; those of a clock that was set back by less than a page of events, too.
fn before(store: &dyn Read, since: Timestamp) -> Result<u64, Error> {
    let (mut low, mut high) = (0, store.last()?.event);
    while low < high {
        let middle = low + (high - low) / 2;
        match store.events(middle, 1)?.first() {
            Some(stored) if stored.event.received < since => low = stored.event.seq,
            _ => high = middle,
        }
    }
    loop {
        let start = low.saturating_sub(PAGE as u64);
        let page = store.events(start, PAGE)?;
        let some = page.iter().any(|stored| stored.event.seq <= low && stored.event.received >= since);
        if start == 0 || !some {
            return Ok(start);
        }
        low = start;
    }
}

/// The events of such lines, in order; empty lines are passed over. After an error nothing more comes.
pub fn read<R: BufRead>(lines: R) -> Lines<R> {
    Lines { lines, line: 0, last: 0, ended: false }
}

/// See [`read`].
#[derive(Debug)]
pub struct Lines<R> {
    lines: R,
    line: u64,
    last: u64,
    ended: bool,
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<Stored, Wrong>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.one().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

impl<R: BufRead> Lines<R> {
    fn one(&mut self) -> Result<Option<Stored>, Wrong> {
        let mut text = Vec::new();
        loop {
            text.clear();
            self.line += 1;
            let wrong = |what: String| Wrong::Line(self.line, what);
            if self.lines.by_ref().take(MAX_LINE + 1).read_until(b'\n', &mut text)? == 0 {
                return Ok(None);
            }
            if text.len() as u64 > MAX_LINE {
                return Err(wrong(format!("longer than {MAX_LINE} bytes")));
            }
            if text.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let stored: Stored = serde_json::from_slice(&text).map_err(|e| wrong(format!("not an exported event: {e}")))?;
            let seq = stored.event.seq;
            if seq <= self.last {
                return Err(wrong(format!("event {seq} comes after event {}", self.last)));
            }
            self.last = seq;
            return Ok(Some(stored));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::Memory;
    use crate::store::suite::event;
    use crate::store::{Batch, Store as _};

    /// Events 1 to `count` but every seventh, a second each; number 40 was received when the clock stood a minute back.
    fn filled(count: u64) -> Memory {
        let mut store = Memory::default();
        let mut events: Vec<Event> = (1..=count).filter(|n| n % 7 != 0).map(|n| event(n, (n % 2 == 0).then_some("d"))).collect();
        for late in events.iter_mut().filter(|e| e.seq == 40) {
            late.received -= jiff::SignedDuration::from_mins(1);
        }
        store.commit(&Batch { definitions: "abc".into(), events, ..Batch::default() }).unwrap();
        store
    }

    fn written(store: &Memory, asked: &Asked) -> (u64, Vec<u8>) {
        let mut out = Vec::new();
        let count = write(store, asked, &mut out, |_| {}).unwrap();
        (count, out)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let store = filled(1_700);
        let (count, text) = written(&store, &Asked::default());
        let back: Vec<Stored> = read(text.as_slice()).map(Result::unwrap).collect();
        assert_eq!((count, back), (1_458, store.events(0, usize::MAX).unwrap()));
        let first = String::from_utf8(text).unwrap().lines().next().unwrap().to_owned();
        assert_eq!(
            first,
            r#"{"event":{"seq":1,"name":"lead.posted","at":"2026-09-21T14:13:21.123456789Z","received":"2026-09-21T14:13:21.123456789Z","origin":"crm","record":{"entity":"lead","id":"L20"},"body":{"happened":{"data":{"amount":1200,"at":{"$time":"2026-09-21T14:13:21.123456789Z"},"姓名":"张三"}}}},"definitions":"abc"}"#
        );
        // A member of tomorrow, an empty line: passed over.
        let later = first.replace(r#""definitions""#, r#""run":{"x":[1]},"definitions""#) + "\n\n";
        assert_eq!(read(later.as_bytes()).count(), 1);
    }

    #[test]
    fn a_range_and_filters() {
        let store = filled(1_700);
        let at = |seq: u64| Some(event(seq, None).received);
        let seqs =
            |asked: &Asked| -> Vec<u64> { read(written(&store, asked).1.as_slice()).map(|s| s.unwrap().event.seq).collect() };
        let every = |from: u64, to: u64| (from..to).filter(|n| n % 7 != 0).collect::<Vec<u64>>();
        assert_eq!(seqs(&Asked { since: at(1_500), ..Asked::default() }), every(1_500, 1_701));
        assert_eq!(seqs(&Asked { since: at(1), until: at(30), ..Asked::default() }), every(1, 30));
        assert_eq!(seqs(&Asked { since: at(38), until: at(45), ..Asked::default() }), [38, 39, 41, 43, 44]);
        assert_eq!(
            seqs(&Asked { name: Some("lead.*".into()), record: Some("lead/L20".into()), ..Asked::default() }).len(),
            1_458
        );
        for none in [
            Asked { name: Some("deal.*".into()), ..Asked::default() },
            Asked { record: Some("L21".into()), ..Asked::default() },
            Asked { source: Some("erp".into()), ..Asked::default() },
        ] {
            assert!(seqs(&none).is_empty(), "{none:?}");
        }
    }

    #[test]
    fn what_is_no_such_line_is_told_with_its_number() {
        let (_, text) = written(&filled(3), &Asked::default());
        let text = String::from_utf8(text).unwrap();
        let check = |text: &str, expect: &str| {
            let mut lines = read(text.as_bytes());
            let wrong = lines.by_ref().find_map(Result::err).map(|e| e.to_string()).unwrap_or_default();
            assert!(wrong.starts_with(expect), "{wrong}");
            assert!(lines.next().is_none());
        };
        check(&format!("{text}{text}"), "line 4: event 1 comes after event 3");
        check(&format!("{text}\n{{}}"), "line 5: not an exported event: missing field `event`");
        check(&text[..text.len() - 5], "line 3: not an exported event: EOF");
    }
}
