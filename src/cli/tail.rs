//! `ifthen tail`: the action log, what there is and, with `-f`, what comes.
//!
//! Reads the store beside the daemon and never through it: the log can be read, and followed, whether a daemon runs or not.

use std::time::Duration;

use super::line::{Json, View};
use super::output::Out;
use super::place::Place;
use super::words::Words as _;
use super::{Context, Exit, eprintln, when};
use crate::engine::event;
use crate::engine::log::{Line, Outcome};
use crate::store::sqlite::Reader;
use crate::store::{Error, Filter, Read};

/// How often the store is asked for new lines: at once to a person, next to nothing to a disk.
const POLL: Duration = Duration::from_millis(150);
/// Lines of one read.
const PAGE: usize = 1_000;
/// Lines shown unless said.
const LINES: usize = 20;

/// Options of `tail`.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// Follow: go on showing lines as they come, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// How many lines of the past [default: 20; all with --since or --event]
    #[arg(short = 'n', long, value_name = "LINES")]
    lines: Option<usize>,
    /// Only what this rule did
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// Only what this flow did
    #[arg(long, value_name = "ID")]
    flow: Option<String>,
    /// Only about this record: lead/L20, or L20
    #[arg(long)]
    record: Option<String>,
    /// Only this action: email, assign, rule …
    #[arg(long)]
    action: Option<String>,
    /// Only this outcome: fired, done, retrying, failed, dead, suppressed or unknown
    #[arg(long, value_parser = outcome)]
    outcome: Option<Outcome>,
    /// Only what was decided on this event: e12
    #[arg(long, value_name = "EVENT", value_parser = event_id)]
    event: Option<u64>,
    /// Only since then: 2h, 30m, 09:00, 2026-11-21T09:00
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// One JSON object a line, with the keys seq, at, event, rule, flow, run, record, action, outcome, detail
    #[arg(long)]
    json: bool,
}

fn outcome(text: &str) -> Result<Outcome, String> {
    use super::words::Lang;
    let named = |o: &Outcome| o.word() == text || Lang::Zh.outcome(*o) == text;
    let words = || Outcome::ALL.map(Outcome::word).join(", ");
    Outcome::ALL.into_iter().find(named).ok_or_else(|| format!("one of {}", words()))
}

/// The number in an event's id.
pub(crate) fn event_id(text: &str) -> Result<u64, String> {
    event::seq(text).ok_or_else(|| "an event's id looks like e1042".into())
}

pub(crate) fn run(context: &Context, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    let place = context.place()?;
    let filter = filter(args, &place)?;
    let lines = args.lines.unwrap_or(if args.since.is_some() || args.event.is_some() { usize::MAX } else { LINES });
    let mut follow = Follow::new(&place, filter);
    let mut printer = Printer { view: View::new(place.speech.clone(), out.style), json: args.json };
    let first = match follow.first(lines) {
        Err(Error::Absent(_)) if args.follow => {
            let data = place.data.display();
            eprintln(
                &place.lang().pick(format!("waiting for the first event in {data} …"), format!("{data} 中还没有数据,等待中……")),
            );
            Vec::new()
        }
        other => other.map_err(|e| place.kind(e))?,
    };
    printer.print(&first, out)?;
    if !args.follow {
        return Ok(Exit::Done);
    }
    loop {
        out.pause(POLL)?;
        let lines = follow.next().map_err(|e| place.kind(e))?;
        printer.print(&lines, out)?;
    }
}

fn filter(args: &Args, place: &Place) -> anyhow::Result<Filter> {
    let now = jiff::Timestamp::now();
    Ok(Filter {
        rule: args.rule.clone(),
        flow: args.flow.clone(),
        record: args.record.clone(),
        action: args.action.clone(),
        outcome: args.outcome,
        since: args.since.as_ref().map(|t| when::since(t, now, &place.speech)).transpose()?,
        event: args.event,
    })
}

/// What the daemon said to a command, which is that event.
pub(crate) fn told(place: &Place, event: u64, json: bool, out: &mut Out) -> anyhow::Result<Exit> {
    let lines = place.reader()?.log(&Filter { event: Some(event), ..Filter::default() }, 0, PAGE)?;
    Printer { view: View::new(place.speech.clone(), out.style), json }.print(&lines, out)?;
    // A line that says what was asked for (`act`) and is suppressed: it was refused.
    let refused = |l: &Line| l.outcome == Outcome::Suppressed && l.detail.at(&["act"]).is_some();
    Ok(if lines.iter().any(|l| l.outcome == Outcome::Failed || refused(l)) { Exit::Failed } else { Exit::Done })
}

/// Writes lines in the form asked for.
pub(crate) struct Printer {
    pub(crate) view: View,
    pub(crate) json: bool,
}

impl Printer {
    pub(crate) fn print(&mut self, lines: &[Line], out: &mut Out) -> anyhow::Result<()> {
        if !self.json {
            self.view.fit(lines);
        }
        for line in lines {
            if self.json { out.json(&Json::from(line))? } else { out.line(self.view.human(line))? }
        }
        Ok(())
    }
}

/// Reads on in a store that may not be there yet, that a daemon is writing to, and that may be replaced by another.
struct Follow<'a> {
    place: &'a Place,
    filter: Filter,
    reader: Option<Open>,
    /// The last line that was read.
    after: u64,
}

struct Open {
    reader: Reader,
    /// Device and number of the file: a restored store is another one under the same name.
    file: Option<(u64, u64)>,
}

impl<'a> Follow<'a> {
    fn new(place: &'a Place, filter: Filter) -> Self {
        Self { place, filter, reader: None, after: 0 }
    }

    /// The last lines there are.
    fn first(&mut self, count: usize) -> Result<Vec<Line>, Error> {
        let filter = self.filter.clone();
        let reader = self.open()?;
        // What is committed in between is in the tail or comes after it.
        let last = reader.last()?.log;
        let lines = reader.log_tail(&filter, count)?;
        self.after = lines.last().map_or(last, |l| l.seq.max(last));
        Ok(lines)
    }

    /// What has come since.
    fn next(&mut self) -> Result<Vec<Line>, Error> {
        match self.read() {
            // Not there yet, being restored, or being brought up to date by a daemon that starts.
            Err(Error::Absent(_) | Error::Busy(_)) => {
                self.reader = None;
                Ok(Vec::new())
            }
            other => other,
        }
    }

    fn read(&mut self) -> Result<Vec<Line>, Error> {
        let now = identity(self.place);
        if self.reader.as_ref().is_some_and(|open| open.file != now) {
            self.reader = None;
        }
        let (filter, fresh) = (self.filter.clone(), self.reader.is_none());
        let mut after = self.after;
        let reader = self.open()?;
        let last = reader.last()?.log;
        if fresh {
            after = after.min(last); // a restored store may be behind what was shown of the former one
        }
        if last == after {
            self.after = after;
            return Ok(Vec::new());
        }
        let lines = reader.log(&filter, after, PAGE)?;
        let read = lines.last().map_or(0, |l| l.seq);
        // A full page may have more behind it; otherwise everything up to `last` has been looked at.
        self.after = if lines.len() == PAGE { read } else { read.max(last) };
        Ok(lines)
    }

    fn open(&mut self) -> Result<&Reader, Error> {
        let open = match self.reader.take() {
            Some(open) => open,
            None => {
                let file = identity(self.place);
                Open { reader: Reader::open(&self.place.store)?, file }
            }
        };
        Ok(&self.reader.insert(open).reader)
    }
}

fn identity(place: &Place) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(&place.store).ok().map(|m| (m.dev(), m.ino()))
}

#[cfg(test)]
mod tests {
    use super::super::phrase::Speech;
    use super::super::words::Lang;
    use super::*;
    use crate::store::sqlite::{Options, Sqlite};
    use crate::store::{Batch, Store};
    use jiff::tz::TimeZone;

    fn line(seq: u64, rule: &str) -> Line {
        Line {
            seq,
            at: "2026-09-21T06:03:22Z".parse().unwrap(),
            event: seq,
            rule: Some(rule.into()),
            flow: None,
            run: None,
            record: None,
            action: "rule".into(),
            outcome: Outcome::Fired,
            detail: crate::engine::value::Value::Map(Default::default()),
        }
    }

    fn commit(store: &mut Sqlite, lines: &[Line]) {
        store.commit(&Batch { log: lines.to_vec(), ..Batch::default() }).unwrap();
    }

    #[test]
    fn following_survives_what_happens_to_a_store() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ifthen.db");
        let speech = Speech { lang: Lang::En, zone: TimeZone::UTC };
        let place = Place { data: folder.path().into(), store: file.clone(), speech };
        let mut follow = Follow::new(&place, Filter { rule: Some("a".into()), ..Filter::default() });
        let seqs = |lines: Vec<Line>| lines.iter().map(|l| l.seq).collect::<Vec<_>>();
        assert!(matches!(follow.first(5), Err(Error::Absent(_))));
        assert!(follow.next().unwrap().is_empty());
        let mut store = Sqlite::open(&file, Options::default()).unwrap();
        commit(&mut store, &[line(1, "a"), line(2, "b")]);
        assert_eq!(seqs(follow.next().unwrap()), [1]);
        assert_eq!(follow.after, 2, "what did not pass is not looked at again");
        drop(store); // the daemon stops …
        assert!(follow.next().unwrap().is_empty());
        let mut store = Sqlite::open(&file, Options::default()).unwrap(); // … and starts again
        commit(&mut store, &[line(3, "a"), line(4, "a")]);
        assert_eq!(seqs(follow.next().unwrap()), [3, 4]);
        drop(store);
        std::fs::remove_file(&file).unwrap(); // another store in its place, behind the former one
        let mut store = Sqlite::open(&file, Options::default()).unwrap();
        commit(&mut store, &[line(1, "a")]);
        assert!(follow.next().unwrap().is_empty());
        commit(&mut store, &[line(2, "a")]);
        assert_eq!(seqs(follow.next().unwrap()), [2]);
    }

    #[test]
    fn the_first_lines_are_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place {
            data: folder.path().into(),
            store: folder.path().join("ifthen.db"),
            speech: Speech { lang: Lang::En, zone: TimeZone::UTC },
        };
        let mut store = Sqlite::open(&place.store, Options::default()).unwrap();
        commit(&mut store, &(1..=30).map(|n| line(n, "a")).collect::<Vec<_>>());
        let mut follow = Follow::new(&place, Filter::default());
        assert_eq!(follow.first(2).unwrap().iter().map(|l| l.seq).collect::<Vec<_>>(), [29, 30]);
        assert!(follow.next().unwrap().is_empty());
    }
}
