//! One simulation: the processes that live one after another on one disk, their senders, and the time.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};

use ifthen::daemon::clock::Now;
use ifthen::daemon::cycle::{Circumstances, Cycle};
use ifthen::daemon::turn::{Accepted, Refusal, Submission, ended};
use ifthen::engine::call::{Call, CallId, Outcome, Status};
use ifthen::engine::event::{Body, Draft};
use ifthen::engine::state::{Entry, Key};
use ifthen::engine::value::Value;
use ifthen::source::map::{self, Told};
use ifthen::source::quarantine;
use ifthen::store::{Error, Read as _};
use jiff::SignedDuration;
use tokio::sync::oneshot;

use super::book::Book;
use super::definitions::{self, Version};
use super::disk::Disk;
use super::mistake::Mistake;
use super::outside::{Flight, Outside};
use super::process::{Message, Process, lived, round};

pub(super) type Counts = BTreeMap<String, u64>;

/// Something that a sender has to tell, until it was told that it is on disk.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) source: &'static str,
    pub(super) id: String,
    pub(super) data: Value,
    /// Under which number it is on disk, as we said.
    pub(super) acknowledged: Option<u64>,
    /// It will never be taken, as we said.
    pub(super) rejected: bool,
    /// How many are posted and not answered.
    pub(super) posted: usize,
    /// How often it was posted.
    pub(super) times: usize,
}

/// A submission that is not answered.
struct Posted {
    /// What is in it; nothing: it is a poll.
    deliveries: Vec<usize>,
    answer: oneshot::Receiver<Result<Vec<Accepted>, Refusal>>,
    /// The answer gets lost on its way.
    lost: bool,
}

/// Everything.
pub(super) struct World {
    pub(super) now: Now,
    pub(super) disk: Disk,
    pub(super) process: Option<Process>,
    pub(super) versions: Vec<Version>,
    /// What the files say.
    pub(super) files: usize,
    /// What windows count cannot be told so simply any more: they were others for a while, or the clock was set.
    pub(super) shifted: bool,
    pub(super) deliveries: Vec<Delivery>,
    /// Rows of the polled system: of which lead, and how much.
    pub(super) rows: Vec<(String, i64)>,
    posted: Vec<Posted>,
    pub(super) outside: Outside,
    pub(super) book: Book,
    pub(super) counts: Counts,
    pub(super) story: Vec<String>,
    /// The story is wanted: it takes longer than what it tells.
    telling: bool,
    /// The next answers that get lost.
    pub(super) lose: bool,
    /// Killed after the next turn.
    pub(super) kill_performing: bool,
}

impl World {
    pub(super) fn new(mistake: Option<Mistake>, telling: bool) -> Self {
        let wall = "2026-09-21T01:00:00Z".parse().unwrap();
        Self {
            now: Now { wall, boot: SignedDuration::from_hours(100) },
            disk: Disk::new(mistake.and_then(Mistake::flaw)),
            process: None,
            versions: definitions::with(mistake.and_then(Mistake::bug)),
            files: 0,
            shifted: false,
            deliveries: Vec::new(),
            rows: Vec::new(),
            posted: Vec::new(),
            outside: Outside::default(),
            book: Book::default(),
            counts: Counts::new(),
            story: Vec::new(),
            telling,
            lose: false,
            kill_performing: false,
        }
    }

    pub(super) fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    pub(super) fn tell(&mut self, what: impl FnOnce() -> String) {
        if self.telling {
            self.story.push(format!("{} {}", self.now.wall, what()));
        }
    }

    /// What a source tells, by its real mapping; what does not fit goes into quarantine.
    fn draft(&self, source: &'static str, delivery: Option<String>, data: &Value) -> Draft {
        let version = self.process.as_ref().map_or(self.files, |p| p.version);
        let map = &self.versions[version].settings.sources[source].map;
        let told = Told { delivery, data: data.clone(), ..Told::default() };
        match map::understand(source, map, &self.versions[version].definitions, told, self.now.wall) {
            Ok(draft) => draft,
            Err(unread) => {
                let (fault, told) = *unread;
                let delivery = told.delivery.clone();
                let draft = quarantine::draft(source, map, quarantine::unread(&told, fault), self.now.wall);
                Draft { delivery, ..draft }
            }
        }
    }

    /// Posts these as one submission; nothing happens while no process runs.
    pub(super) fn post(&mut self, deliveries: Vec<usize>) {
        if self.process.is_none() {
            return;
        }
        let drafts = deliveries.iter().map(|at| &self.deliveries[*at]).map(|d| self.draft(d.source, Some(d.id.clone()), &d.data));
        let drafts: Vec<Draft> = drafts.collect();
        for at in &deliveries {
            self.deliveries[*at].posted += 1;
            self.deliveries[*at].times += 1;
        }
        self.submit(drafts, deliveries);
    }

    /// Whether a poll is under way.
    pub(super) fn polls(&self) -> bool {
        self.posted.iter().any(|p| p.deliveries.is_empty())
    }

    /// Reads so many rows behind the committed cursor, and submits them with the new one.
    pub(super) fn poll(&mut self, most: usize) -> usize {
        let cursor = self.disk.with(|store| store.load(&Key::Cursor("stock".into()))).unwrap();
        let from = match cursor.as_deref() {
            Some(Entry::Cursor(cursor)) => cursor.to_string().parse().unwrap(),
            _ => 0,
        };
        let to = (from + most).min(self.rows.len());
        if self.process.is_none() || self.polls() || from == to {
            return 0;
        }
        let row = |at: usize| {
            let (lead, n) = &self.rows[at];
            let row = [("id", lead.as_str().into()), ("n", (*n).into()), ("row", i64::try_from(at).unwrap().into())];
            self.draft("stock", None, &Value::from(row))
        };
        let mut drafts: Vec<Draft> = (from..to).map(row).collect();
        let cursor = Value::from(i64::try_from(to).unwrap());
        let body = Body::Polled { source: "stock".into(), cursor, rows: (to - from) as u64 };
        drafts.push(Draft::own("ifthen.polled", self.now.wall, body));
        self.submit(drafts, Vec::new());
        to - from
    }

    fn submit(&mut self, drafts: Vec<Draft>, deliveries: Vec<usize>) {
        let Some(process) = &mut self.process else { return };
        let (reply, answer) = oneshot::channel();
        process.mailbox.push_back(Message::Submit(Submission { drafts, reply: Some(reply) }));
        let lost = !deliveries.is_empty() && std::mem::take(&mut self.lose);
        self.posted.push(Posted { deliveries, answer, lost });
    }

    /// Tells the process something of its own, or of a person's.
    pub(super) fn own(&mut self, draft: Draft) {
        if let Some(process) = &mut self.process {
            process.mailbox.push_back(Message::Submit(Submission::own(draft)));
        }
    }

    /// An attempt ended so.
    pub(super) fn ends(&mut self, flight: &Flight, outcome: Outcome) {
        let draft = ended(&flight.call, outcome.clone(), self.now.wall);
        if let Some(process) = &mut self.process {
            process.ended.push((flight.call.clone(), outcome));
        }
        self.own(draft);
    }

    /// The process ends; of what was on its way, what did not arrive never will.
    pub(super) fn die(&mut self, why: &str) -> Result<(), String> {
        self.tell(|| format!("the process ends: {why}"));
        self.process = None;
        self.answers()
    }

    /// Starts a process, if none runs.
    pub(super) fn start(&mut self) -> Result<(), String> {
        if self.process.is_some() {
            return Ok(());
        }
        let files = self.files;
        self.tell(|| format!("a process starts on version {files}"));
        self.disk.opened();
        self.disk.lock().now = self.now.wall;
        let (version, now, store) = (&self.versions[self.files], self.now, Box::new(self.disk.clone()));
        let opened = catch_unwind(AssertUnwindSafe(|| {
            Cycle::open(store, version.definitions.clone(), version.settings.limits.clock, now)
        }));
        match lived(opened)? {
            Some(Ok(cycle)) => {
                self.process = Some(Process {
                    cycle,
                    mailbox: VecDeque::new(),
                    flights: Vec::new(),
                    ended: Vec::new(),
                    version: self.files,
                });
                self.intact()
            }
            Some(Err(Error::Broken(_))) | None => {
                self.count("fault.killed starting");
                self.die("while it started")
            }
            Some(Err(error)) => Err(format!("it does not start: {error}")),
        }
    }

    /// One turn over at most so many messages, in a process.
    pub(super) fn turn(&mut self, most: usize) -> Result<(), String> {
        self.start()?;
        self.round(most, false)
    }

    /// One turn, if a process runs; `stopping`: nothing new is begun.
    pub(super) fn round(&mut self, most: usize, stopping: bool) -> Result<(), String> {
        self.disk.lock().now = self.now.wall;
        let now = self.now;
        let Some(process) = &mut self.process else { return Ok(()) };
        let settings = &self.versions[process.version].settings;
        let by = Circumstances { clock: settings.limits.clock, behind: false };
        let (versions, quarantine) = (&self.versions, settings.limits.quarantine);
        let round = catch_unwind(AssertUnwindSafe(|| round(process, versions, by, (quarantine, most, stopping), now)));
        let came = lived(round)?;
        self.look()?;
        let performed = std::mem::take(&mut self.kill_performing);
        match came {
            None => self.die("killed in a turn"),
            Some(Err(Error::Broken(why))) => self.die(&format!("the disk failed: {why}")),
            Some(Err(error)) => Err(format!("a turn failed: {error}")),
            Some(Ok(_)) if performed => {
                self.count("fault.killed performing");
                self.die("killed before it made the calls")
            }
            Some(Ok(started)) => {
                self.answers()?;
                started.into_iter().try_for_each(|call| self.take_off(call))
            }
        }
    }

    /// A call is handed out: its attempt must be on disk.
    fn take_off(&mut self, call: Call) -> Result<(), String> {
        let Some(process) = &mut self.process else { return Ok(()) };
        let stored = self.disk.with(|store| store.load(&Key::Call(call.id))).unwrap();
        let is = |entry: &Entry| matches!(entry, Entry::Call(c) if c.status == Status::Started && c.attempt == call.attempt);
        if !stored.as_deref().is_some_and(is) {
            return Err(format!("{} is handed out and its attempt is not on disk", call.id));
        }
        if process.flights.iter().any(|f| f.call.id == call.id) {
            return Err(format!("{} is handed out while it is on its way", call.id));
        }
        let key = call.idempotency_key("sim");
        process.flights.push(Flight { call, key, reached: false });
        Ok(())
    }

    /// Goes through what was committed since.
    fn look(&mut self) -> Result<(), String> {
        let platter = self.disk.lock();
        if let Some(garbled) = &platter.garbled {
            return Err(garbled.clone());
        }
        while let Some((batch, now)) = platter.committed.get(self.book.read) {
            for event in batch.events.iter().filter(|_| self.telling) {
                let record = event.record.as_ref().map(ToString::to_string).unwrap_or_default();
                self.story.push(format!("{now}     {} {} {record}", event.seq, event.name));
            }
            for line in batch.log.iter().filter(|_| self.telling) {
                self.story.push(format!("{now}         {} {} {}", line.action, line.outcome.word(), line.detail));
            }
            self.book.read(batch, *now, &self.versions)?;
        }
        Ok(())
    }

    /// What was answered so far; what is answered must be on disk.
    fn answers(&mut self) -> Result<(), String> {
        for mut posted in std::mem::take(&mut self.posted) {
            let answer = match posted.answer.try_recv() {
                Err(oneshot::error::TryRecvError::Empty) => {
                    self.posted.push(posted);
                    continue;
                }
                Err(oneshot::error::TryRecvError::Closed) => None,
                Ok(answer) => Some(answer),
            };
            for at in &posted.deliveries {
                self.deliveries[*at].posted -= 1;
            }
            match answer {
                None => self.count("answer.none"),
                Some(_) if posted.lost => self.count("answer.lost"),
                Some(Ok(accepted)) => self.accepted(&posted, &accepted)?,
                Some(Err(Refusal::Rejected(_))) => {
                    self.count("answer.rejected");
                    for at in &posted.deliveries {
                        let delivery = &mut self.deliveries[*at];
                        delivery.rejected = true;
                        let known = (delivery.source.to_owned(), delivery.id.clone());
                        if delivery.times == 1 && self.book.deliveries.contains_key(&known) {
                            return Err(format!("delivery {} was refused and is on disk", known.1));
                        }
                    }
                }
                Some(Err(_)) => self.count("answer.unavailable"),
            }
        }
        Ok(())
    }

    fn accepted(&mut self, posted: &Posted, accepted: &[Accepted]) -> Result<(), String> {
        for (at, accepted) in posted.deliveries.iter().zip(accepted) {
            self.count(if accepted.duplicate { "answer.duplicate" } else { "answer.accepted" });
            let delivery = &mut self.deliveries[*at];
            match delivery.acknowledged {
                Some(seq) if seq != accepted.seq => {
                    return Err(format!("delivery {} is event {seq} and again event {}", delivery.id, accepted.seq));
                }
                _ => delivery.acknowledged = Some(accepted.seq),
            }
            let (id, source) = (delivery.id.clone(), delivery.source);
            self.is_there(source, &id, accepted.seq)?;
        }
        Ok(())
    }

    fn is_there(&self, source: &str, id: &str, seq: u64) -> Result<(), String> {
        let stored = self.disk.with(|store| store.event(seq)).unwrap();
        match stored.filter(|s| s.event.delivery.as_deref() == Some(id) && s.event.origin == source) {
            Some(_) => Ok(()),
            None => Err(format!("delivery {id} was acknowledged as event {seq}, and that is not on disk")),
        }
    }

    /// Whether all that was acknowledged is still there.
    pub(super) fn intact(&self) -> Result<(), String> {
        let acknowledged = self.deliveries.iter().filter_map(|d| Some((d, d.acknowledged?)));
        acknowledged.map(|(d, seq)| self.is_there(d.source, &d.id, seq)).find(Result::is_err).unwrap_or(Ok(()))
    }

    /// The power fails: the disk may have less than the book.
    pub(super) fn power_cut(&mut self, keep: usize) -> Result<(), String> {
        self.disk.power_cut(keep);
        if self.disk.lock().committed.len() < self.book.read {
            self.book = Book::default();
            self.look()?;
        }
        self.die("the power failed")?;
        self.intact()
    }

    /// Every call on its way by the book is on its way with us, or its end is about to be told.
    pub(super) fn on_their_way(&self) -> Result<(), String> {
        let Some(process) = &self.process else { return Ok(()) };
        if !process.mailbox.is_empty() || !process.cycle.has_told() {
            return Ok(());
        }
        let flies = |id: CallId, attempt: u32| process.flights.iter().any(|f| f.call.id == id && f.call.attempt == attempt);
        match self.book.started().find(|(id, attempt)| !flies(*id, *attempt)) {
            Some((id, attempt)) => Err(format!("attempt {attempt} of {id} is begun, and nobody makes it")),
            None => Ok(()),
        }
    }
}
