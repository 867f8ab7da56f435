//! Any HTTP service: records every request, answers what the test says, else 200 `{"ok":true}`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use super::http::{Reply, Request, serve};
use super::server::{Log, Server};

/// The service.
pub struct Web {
    pub server: Server,
    /// Every request, also those that are answered badly.
    pub requests: Log<Request>,
    script: Arc<Mutex<VecDeque<Reply>>>,
}

impl Web {
    pub fn start() -> Self {
        let requests = Log::<Request>::default();
        let script = Arc::<Mutex<VecDeque<Reply>>>::default();
        let (seen, replies) = (requests.clone(), script.clone());
        let answer = Arc::new(move |request: Request| {
            seen.push(request);
            let ok = || Reply::json(200, &serde_json::json!({ "ok": true }));
            replies.lock().unwrap().pop_front().unwrap_or_else(ok)
        });
        let server = Server::start(move |stream| serve(stream, answer.clone()));
        Self { server, requests, script }
    }

    /// `http://127.0.0.1:port` and the path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    /// The next `times` requests that have no script yet are answered so.
    pub fn next(&self, times: usize, reply: Reply) {
        self.script.lock().unwrap().extend(std::iter::repeat_n(reply, times));
    }

    /// How many requests came with each idempotency key.
    pub fn by_key(&self) -> BTreeMap<String, usize> {
        let mut keys = BTreeMap::new();
        for request in self.requests.all() {
            *keys.entry(request.key().unwrap_or_default().to_owned()).or_default() += 1;
        }
        keys
    }
}
