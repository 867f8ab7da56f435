//! `ifthen backtest`: the definitions on disk on recorded history, beside those that decided it. Nothing is stored, nothing leaves.
//!
//! Exit codes of its own: 0 done, or nothing differs · 1 something differs, with `--exit-code` · 2 it could not be done.

mod tell;

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;

use super::output::{Out, clean};
use super::place::Place;
use super::words::Words as _;
use super::{Context, Exit, eprintln, is_closed_pipe, when};
use crate::check::backtest::{self, Backtest, Below, Difference, STRETCH, Start, Who};
use crate::config::{Lang, Snapshot};
use crate::engine::definition::Definitions;
use crate::engine::event;
use crate::engine::expression::nearest;
use crate::store::{Read as _, Stored, export};
use tell::{Tells, Told};

/// Events between two moves of the progress bar.
const STEP: u64 = 256;

/// Options of `backtest`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only events received since then: 2h, 30m, 09:00, 2026-11-21T09:00
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only events received before then; the clock runs until then [default: the last event]
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Events from a file of `ifthen events export` instead of the store
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
    /// The state to begin with: the store's as it was before the first event, or none [default: store; none with --from-file]
    #[arg(long, value_name = "STATE")]
    state: Option<State>,
    /// The configuration to compare with, or its folder, such as a checkout of what was before [default: the definitions that
    /// decided the last event]
    #[arg(long, value_name = "CONFIG")]
    old: Option<PathBuf>,
    /// The definitions to compare with, by the hash that `ifthen why` and the log tell
    #[arg(long, value_name = "HASH", conflicts_with = "old")]
    old_hash: Option<String>,
    /// Tell only of this rule or flow; can be repeated. All of them are decided
    #[arg(long, value_name = "ID")]
    rule: Vec<String>,
    /// Differing firings to list of each rule; 0: all
    #[arg(long, value_name = "FIRINGS", default_value_t = 20)]
    limit: usize,
    /// One JSON object a line: every differing firing, then every rule and flow, then the sum
    #[arg(long)]
    json: bool,
    /// Exit with 1 when something differs
    #[arg(long)]
    exit_code: bool,
}

/// What both sides begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum State {
    /// The store's, as it was before the first event
    Store,
    /// None
    Empty,
}

pub(crate) fn run(context: &Context, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    match attempt(context, args, out) {
        Ok(differs) => Ok(if differs && args.exit_code { Exit::Failed } else { Exit::Done }),
        Err(error) if is_closed_pipe(&error) => Err(error),
        Err(error) => {
            out.flush()?;
            eprintln(&format!("ifthen: {error:#}"));
            Ok(Exit::Trouble)
        }
    }
}

/// Whether something differs.
fn attempt(context: &Context, args: &Args, out: &mut Out) -> anyhow::Result<bool> {
    let (place, new) = defined(context)?;
    let at = |text: &Option<String>| text.as_ref().map(|t| when::since(t, Timestamp::now(), &place.speech)).transpose();
    let (since, until) = (at(&args.since)?, at(&args.until)?);
    let state = args.state.unwrap_or(if args.from_file.is_some() { State::Empty } else { State::Store });
    let mut events = Events::open(args, &place, since, until)?;
    let Some(first) = events.next().transpose()? else { bail!(none(place.lang())) };
    let old = Old { context, args, place: &place }.definitions(&new, &first)?;
    let old = old.as_ref().unwrap_or(&new);
    known(args, [old, &new], place.lang())?;
    let before = (state == State::Store).then(|| first.event.seq.saturating_sub(1));
    let below = |seq| anyhow::Ok(Below { store: Box::new(place.reader()?), seq });
    let start = Start {
        state: before.map(|seq| anyhow::Ok([below(seq)?, below(seq)?])).transpose()?,
        at: since.unwrap_or(first.event.received),
    };
    let told = Told { place: &place, old: &old.hash, new: &new.hash, from: start.at, state: before };
    let mut tells = Tells::new(told, args.json, args.limit, &args.rule, out);
    let mut test = Backtest::new(old, &new, start)?;
    let bar = events.bar.clone();
    let (read, stretches) = sync_channel(1);
    // Ends with the history, with an error, or when nobody takes it any more.
    let reader = std::thread::spawn(move || {
        let mut all = std::iter::once(Ok(first)).chain(events).peekable();
        while all.peek().is_some() {
            let mut stretch: Vec<Stored> = Vec::with_capacity(STRETCH);
            while stretch.len() < STRETCH
                && let Some(Ok(stored)) = all.next_if(Result::is_ok)
            {
                stretch.push(stored);
            }
            let wrong = if stretch.len() < STRETCH { all.next().and_then(Result::err) } else { None };
            if read.send((stretch, wrong)).is_err() {
                return;
            }
        }
    });
    for (stretch, wrong) in stretches {
        stretch.iter().for_each(|stored| tells.decided_by(&stored.definitions));
        test.take(&stretch, &mut |difference: Difference| tells.difference(difference))?;
        if let Some(wrong) = wrong {
            return Err(wrong.into());
        }
    }
    reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    test.end(until, &mut |difference: Difference| tells.difference(difference))?;
    bar.finish_and_clear();
    tells.end(&test)
}

fn none(lang: Lang) -> &'static str {
    lang.pick("no recorded events in this range", "该时间范围内没有记录的事件")
}

/// The old side.
struct Old<'a> {
    context: &'a Context,
    args: &'a Args,
    place: &'a Place,
}

impl Old<'_> {
    /// `None`: those that are tried.
    fn definitions(&self, new: &Definitions, first: &Stored) -> anyhow::Result<Option<Definitions>> {
        if let Some(path) = &self.args.old {
            let config = if path.is_dir() { path.join("config.yaml") } else { path.clone() };
            let context = Context { config, options: self.context.options.clone() };
            return Ok(Some(defined(&context)?.1));
        }
        let store = self.place.store.exists().then(|| self.place.reader()).transpose()?;
        let hash = match (&self.args.old_hash, &self.args.from_file, &store) {
            (Some(hash), ..) => hash.clone(),
            // What a file was decided by last is known only at its end.
            (None, Some(_), _) | (None, None, None) => first.definitions.clone(),
            (None, None, Some(store)) => {
                let last = store.event(store.last()?.event)?;
                let last = last.map_or_else(|| first.definitions.clone(), |last| last.definitions);
                // A daemon that reloads on change has put the new ones in force by now: then those before them.
                if last == new.hash { before(store, first, &last)?.unwrap_or(last) } else { last }
            }
        };
        if hash == new.hash {
            return Ok(None);
        }
        let kept = store.map(|store| store.definitions_of(&hash)).transpose()?.flatten();
        let lost = |why: String| {
            let hash = clean(&hash);
            anyhow::anyhow!(self.place.lang().pick(
                format!("the definitions {hash} are not kept here{why}: name them with --old CONFIG"),
                format!("这里没有保存定义 {hash}{why}:请用 --old 指定旧配置"),
            ))
        };
        let Some(text) = kept else { return Err(lost(String::new())) };
        let rebuilt = Snapshot::of_text(&text).and_then(|snapshot| snapshot.rebuild(&hash));
        Ok(Some(rebuilt.map_err(|why| lost(format!(" ({why})")))?.definitions))
    }
}

/// Changes of definitions that are looked through.
const MOST_RELOADS: usize = 10_000;

/// The last definitions, from the first event on, that are others than these.
fn before(store: &dyn crate::store::Read, first: &Stored, new: &str) -> anyhow::Result<Option<String>> {
    let (mut seq, mut hash) = (first.event.seq, first.definitions.clone());
    let mut found = None;
    for _ in 0..MOST_RELOADS {
        if hash != new {
            found = Some(hash.clone());
        }
        let Some(next) = store.decided_otherwise(seq, &hash)? else { break };
        (seq, hash) = (next.event.seq, next.definitions);
    }
    Ok(found)
}

/// Where things are, and the definitions there.
fn defined(context: &Context) -> anyhow::Result<(Place, Definitions)> {
    let config = clean(&context.config.display().to_string());
    let (place, definitions) = context.place_and_definitions()?;
    let definitions = definitions.with_context(|| {
        context.lang().pick(
            format!("{config} or its definitions have problems; `ifthen -c {config} check` tells them"),
            format!("{config} 或其定义有问题,请运行 `ifthen -c {config} check` 查看"),
        )
    })?;
    Ok((place, definitions))
}

/// That rules and flows that were asked for exist on one side at least.
fn known(args: &Args, sides: [&Definitions; 2], lang: Lang) -> anyhow::Result<()> {
    let ids = || {
        let of = |d: &'_ Definitions| d.rules.iter().map(|r| r.id.clone()).chain(d.flows.keys().cloned()).collect::<Vec<_>>();
        sides.into_iter().flat_map(of)
    };
    for id in &args.rule {
        let all: Vec<String> = ids().collect();
        if all.contains(id) {
            continue;
        }
        let hint = nearest(id, all.iter().map(String::as_str));
        let hint = hint.map(|other| lang.pick(format!("; did you mean {other}?"), format!(";是不是 {other}?")));
        let (id, hint) = (clean(id), hint.unwrap_or_default());
        bail!(
            lang.pick(
                format!("there is no rule or flow {id}, old or new{hint}"),
                format!("新旧定义中都没有规则或流程 {id}{hint}"),
            )
        );
    }
    Ok(())
}

/// Recorded events from a store or a file, and how far.
struct Events {
    all: Box<dyn Iterator<Item = Result<Stored, backtest::Error>> + Send>,
    bar: ProgressBar,
    /// In a store the numbers tell how far; in a file, bytes do.
    base: Option<u64>,
    taken: u64,
}

impl Events {
    fn open(args: &Args, place: &Place, since: Option<Timestamp>, until: Option<Timestamp>) -> anyhow::Result<Self> {
        // Shown where a person looks on at standard error; elsewhere it is silent by itself.
        let style = ProgressStyle::with_template("{wide_bar} {percent:>3}% {eta}")?;
        if let Some(path) = &args.from_file {
            let file = File::open(path).with_context(|| path.display().to_string())?;
            let bar = ProgressBar::new(file.metadata().map_or(0, |m| m.len())).with_style(style);
            let lines = export::read(BufReader::new(bar.wrap_read(file)));
            let name = clean(&path.display().to_string());
            let within = move |s: &Stored| {
                since.is_none_or(|since| s.event.received >= since) && until.is_none_or(|until| s.event.received < until)
            };
            let all = lines.map(move |line| line.map_err(|wrong| named(&name, wrong)));
            let all = all.filter(move |line| line.as_ref().map_or(true, &within));
            return Ok(Self { all: Box::new(all), bar, base: None, taken: 0 });
        }
        let Some(history) = backtest::recorded(Box::new(place.reader()?), since, until)? else { bail!(none(place.lang())) };
        let (first, last) = history.numbers();
        let bar = ProgressBar::new(last.saturating_sub(first) + 1).with_style(style);
        Ok(Self { all: Box::new(history), bar, base: Some(first), taken: 0 })
    }
}

impl Iterator for Events {
    type Item = Result<Stored, backtest::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.all.next()?;
        self.taken += 1;
        if let (Some(base), Ok(stored), true) = (self.base, &next, self.taken.is_multiple_of(STEP)) {
            self.bar.set_position(stored.event.seq.saturating_sub(base));
        }
        Some(next)
    }
}

/// Puts the file's name before what is wrong with a line of it.
fn named(name: &str, wrong: export::Wrong) -> backtest::Error {
    backtest::Error::Lines(match wrong {
        export::Wrong::Line(line, what) => export::Wrong::Line(line, format!("{what} ({name})")),
        other => other,
    })
}

/// Whether it is told of.
fn asked(rules: &[String], who: &Who) -> bool {
    rules.is_empty() || rules.contains(&who.id)
}

/// The public id of an event, or nothing.
fn event_id(seq: Option<u64>) -> String {
    seq.map(event::id).unwrap_or_default()
}
