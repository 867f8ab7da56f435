//! Senders who do what senders must: each message under an id of its own, again and again until it is acknowledged. And a manager
//! who approves whatever waits.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use super::harness::{Client, ids};
use super::random::Random;

/// After an answer that was none.
const PAUSE: Duration = Duration::from_millis(10);

/// What was acknowledged: by source and delivery id, the ticket and the event's number.
pub type Acknowledged = BTreeMap<(String, String), (String, u64)>;

/// What all of them share.
#[derive(Default)]
pub struct Shared {
    /// Where the daemon is, while it is somewhere.
    pub place: Mutex<Option<SocketAddr>>,
    pub acknowledged: Mutex<Acknowledged>,
    /// No new tickets: what is begun is finished.
    pub finish: AtomicBool,
    /// Nothing any more.
    pub end: AtomicBool,
    /// Exchanges that ended without an answer, and answers that said: not now.
    pub broken: AtomicU64,
    pub refused: AtomicU64,
    /// What was sent again after it had been acknowledged.
    pub repeated: AtomicU64,
    pub approved: AtomicU64,
    /// Of its last messages a sender repeats some; 0: of all.
    pub last: AtomicU64,
    /// How long a sender rests between two messages, in milliseconds.
    pub rest: AtomicU64,
}

/// A sender's connection, made anew when it breaks.
struct Line {
    shared: Arc<Shared>,
    client: Option<(SocketAddr, Client)>,
}

impl Line {
    fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), client: None }
    }

    /// One exchange with the daemon of the moment.
    fn exchange(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Option<(u16, Value)> {
        let place = *self.shared.place.lock().unwrap();
        let Some(place) = place else {
            std::thread::sleep(PAUSE);
            return None;
        };
        if self.client.as_ref().is_none_or(|(at, _)| *at != place) {
            self.client = Client::open(place).ok().map(|client| (place, client));
        }
        let (_, client) = self.client.as_mut()?;
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers);
        let Ok((status, text)) = client.send(method, path, &all, body.as_bytes()) else {
            self.client = None;
            self.shared.broken.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(PAUSE);
            return None;
        };
        if status == 503 {
            self.shared.refused.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(PAUSE);
        }
        Some((status, serde_json::from_str(&text).unwrap_or_default()))
    }
}

/// A sender of its own tickets.
struct Sender {
    line: Line,
    random: Random,
    name: String,
    tickets: Vec<String>,
    unpaid: VecDeque<String>,
    /// To be sent again although it was acknowledged.
    sent: Vec<(&'static str, String, String)>,
}

/// Starts so many senders.
pub fn senders(shared: &Arc<Shared>, count: usize, random: &mut Random) -> Vec<JoinHandle<()>> {
    let start = |n: usize| {
        let (line, random, name) = (Line::new(shared), random.split(), format!("客户{n}"));
        let mut sender = Sender { line, random, name, tickets: Vec::new(), unpaid: VecDeque::new(), sent: Vec::new() };
        std::thread::spawn(move || sender.run())
    };
    (0..count).map(start).collect()
}

impl Sender {
    fn run(&mut self) {
        let shared = Arc::clone(&self.line.shared);
        while !shared.finish.load(Ordering::SeqCst) {
            match self.random.below(10) {
                0..=2 => self.open(),
                3..=5 if !self.tickets.is_empty() => self.again(),
                6..=8 if !self.unpaid.is_empty() => self.pay(),
                9 if !self.sent.is_empty() => self.repeat(),
                _ => {}
            }
            std::thread::sleep(Duration::from_millis(shared.rest.load(Ordering::Relaxed)));
        }
        while !self.unpaid.is_empty() {
            self.pay();
        }
    }

    fn open(&mut self) {
        let ticket = format!("{}-{}", self.name, self.tickets.len());
        self.tickets.push(ticket.clone());
        self.unpaid.push_back(ticket.clone());
        self.tell("crm", ticket);
    }

    /// Says more about one of the latest.
    fn again(&mut self) {
        let latest = self.tickets.len().saturating_sub(20);
        let at = latest + self.random.below((self.tickets.len() - latest) as u64) as usize;
        self.tell("crm", self.tickets[at].clone());
    }

    fn pay(&mut self) {
        let ticket = self.unpaid.pop_front().unwrap();
        self.tell("pay", ticket);
    }

    /// Until it is acknowledged.
    fn tell(&mut self, source: &'static str, ticket: String) {
        let delivery = format!("{:016x}", self.random.draw());
        let shared = Arc::clone(&self.line.shared);
        loop {
            if let Some((seq, _)) = self.post(source, &delivery, &ticket) {
                let known = (source.to_owned(), delivery.clone());
                shared.acknowledged.lock().unwrap().insert(known, (ticket.clone(), seq));
                self.sent.push((source, delivery, ticket));
                return;
            }
            if shared.end.load(Ordering::SeqCst) {
                return;
            }
        }
    }

    /// What was acknowledged stays so, under the same number.
    fn repeat(&mut self) {
        let last = match self.line.shared.last.load(Ordering::Relaxed) {
            0 => self.sent.len(),
            last => self.sent.len().min(last as usize),
        };
        let at = self.sent.len() - 1 - self.random.below(last as u64) as usize;
        let (source, delivery, ticket) = self.sent[at].clone();
        if let Some((seq, new)) = self.post(source, &delivery, &ticket) {
            let shared = &self.line.shared;
            let before = shared.acknowledged.lock().unwrap()[&(source.to_owned(), delivery)].1;
            assert!(!new && seq == before, "acknowledged as e{before}, then as e{seq}, new: {new}");
            shared.repeated.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The event's number, and whether it is a new one; `None`: not acknowledged.
    fn post(&mut self, source: &str, delivery: &str, ticket: &str) -> Option<(u64, bool)> {
        let body = match source {
            "crm" => json!({ "delivery": delivery, "id": ticket, "标题": "机器坏了", "open": true }),
            _ => json!({ "delivery": delivery, "id": ticket }),
        };
        let (status, answer) = self.line.exchange("POST", &format!("/in/{source}"), &[], &body.to_string())?;
        match status {
            200 | 202 => Some((ids(&answer)[0], status == 202)),
            503 => None,
            _ => panic!("{status} {answer}"),
        }
    }
}

/// Approves whatever waits, with the token that is in the data folder at the moment.
pub fn manager(shared: &Arc<Shared>, control: PathBuf) -> JoinHandle<()> {
    let (shared, mut line) = (Arc::clone(shared), Line::new(shared));
    std::thread::spawn(move || {
        while !shared.end.load(Ordering::SeqCst) {
            std::thread::sleep(3 * PAUSE);
            let text = std::fs::read_to_string(&control).unwrap_or_default();
            let Some(token) = text.lines().nth(1) else { continue };
            let bearer = ("authorization", &*format!("Bearer {token}"));
            let Some((200, list)) = line.exchange("GET", "/api/tasks", &[bearer], "") else { continue };
            for task in list["tasks"].as_array().unwrap() {
                let id = task["id"].as_str().unwrap();
                let body = json!({ "person": "何经理", "comment": "同意" }).to_string();
                let path = format!("/api/tasks/{id}/approve");
                match line.exchange("POST", &path, &[bearer, ("idempotency-key", id)], &body) {
                    None | Some((503 | 401, _)) => break, // killed meanwhile, or another daemon than the token's
                    Some((200, _)) => drop(shared.approved.fetch_add(1, Ordering::Relaxed)),
                    Some(other) => panic!("{id}: {other:?}"),
                }
            }
        }
    })
}
