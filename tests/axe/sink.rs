//! The other side of the calls: does what it is asked, but says so only two times out of three.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::random::Random;
use super::standin::http::{Reply, Request, serve};
use super::standin::server::Server;

/// An HTTP service that fails a third of the time: an error, no answer ever, or a connection that is cut after it has received.
pub struct Sink {
    server: Server,
    arrived: Arc<Mutex<BTreeMap<String, Arrived>>>,
    well: Arc<AtomicBool>,
}

/// What came under one idempotency key.
#[derive(Debug, Default, Clone)]
pub struct Arrived {
    /// How often.
    pub times: usize,
    /// What each said: path and body.
    pub said: BTreeSet<String>,
}

impl Sink {
    pub fn start(random: Random) -> Self {
        let arrived = Arc::<Mutex<BTreeMap<String, Arrived>>>::default();
        let well = Arc::new(AtomicBool::new(false));
        let (seen, healthy, random) = (Arc::clone(&arrived), Arc::clone(&well), Mutex::new(random));
        let answer = Arc::new(move |request: Request| {
            let key = request.key().unwrap_or("none").to_owned();
            let mut seen = seen.lock().unwrap();
            let arrived = seen.entry(key).or_default();
            arrived.times += 1;
            arrived.said.insert(format!("{} {}", request.path, request.text()));
            let mut random = random.lock().unwrap();
            if healthy.load(Ordering::SeqCst) || !random.one_in(3) {
                return Reply::json(200, &json!({ "ok": true }));
            }
            match random.below(8) {
                0 => Reply::Hang,
                1..=2 => Reply::DropAfterHeaders,
                3..=4 => Reply::Drop,
                5 => Reply::status(429).header("retry-after", "1"),
                _ => Reply::status(500),
            }
        });
        Self { server: Server::start(move |stream| serve(stream, answer.clone())), arrived, well }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// From now on it answers every time.
    pub fn heal(&self) {
        self.well.store(true, Ordering::SeqCst);
    }

    /// By key.
    pub fn arrived(&self) -> BTreeMap<String, Arrived> {
        self.arrived.lock().unwrap().clone()
    }
}
