//! What ours is measured against: the least a server could do, each in a process of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde_json::Value;

/// A bare server in a process of its own.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Parses the JSON and answers.
    pub fn accept() -> Self {
        Self::start(&["accept"])
    }

    /// Parses the JSON, posts it on, answers when that was answered; keeps nothing.
    pub fn forward(to: SocketAddr) -> Self {
        Self::start(&["forward", &to.to_string()])
    }

    /// Counts what comes: `GET /count`.
    pub fn sink() -> Self {
        Self::start(&["sink"])
    }

    fn start(args: &[&str]) -> Self {
        let mut child =
            Command::new(std::env::current_exe().unwrap()).arg("serve").args(args).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, address: line.trim().parse().unwrap() }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What a sink has counted.
    pub fn counted(&self) -> u64 {
        super::daemon::get(self.address, "/count").parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill()); // it may have ended
        drop(self.child.wait());
    }
}

/// The process behind [`Server`].
pub fn serve(args: &[String]) {
    drop(rustls::crypto::ring::default_provider().install_default()); // reqwest asks for one, though nothing here is encrypted
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let app = match args[0].as_str() {
            "accept" => axum::Router::new().route("/in/crm", post(|Json(body): Json<Value>| async move { answer(&body) })),
            "forward" => {
                let to: Arc<str> = format!("http://{}/in/crm", args[1]).into();
                axum::Router::new().route("/in/crm", post(pass)).with_state((reqwest::Client::new(), to))
            }
            "sink" => {
                let count = Arc::new(AtomicU64::new(0));
                axum::Router::new()
                    .route(
                        "/in/crm",
                        post(|State(c): State<Arc<AtomicU64>>| async move { c.fetch_add(1, Ordering::Relaxed).to_string() }),
                    )
                    .route("/count", get(|State(c): State<Arc<AtomicU64>>| async move { c.load(Ordering::Relaxed).to_string() }))
                    .with_state(count)
            }
            other => panic!("no such server: {other}"),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        axum::serve(listener, app).await.unwrap();
    });
}

fn answer(body: &Value) -> (StatusCode, String) {
    assert!(body.is_object());
    (StatusCode::ACCEPTED, r#"{"accepted":[{"id":"e1"}]}"#.to_owned())
}

async fn pass(State((client, to)): State<(reqwest::Client, Arc<str>)>, Json(body): Json<Value>) -> StatusCode {
    let status = client.post(&*to).json(&body).send().await.unwrap().status();
    StatusCode::from_u16(status.as_u16()).unwrap()
}

/// How many single-row commits a second a bare SQLite writer makes with WAL and `synchronous=FULL`.
pub fn commits(time: Duration) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let conn = rusqlite::Connection::open(dir.path().join("bare.db")).unwrap();
    conn.pragma_update(None, "journal_mode", "WAL").unwrap();
    conn.pragma_update(None, "synchronous", "FULL").unwrap();
    conn.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)").unwrap();
    let mut insert = conn.prepare("INSERT INTO t (body) VALUES (?1)").unwrap();
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < time {
        insert.execute([&[7u8; 300][..]]).unwrap();
        count += 1;
    }
    f64::from(count) / begun.elapsed().as_secs_f64()
}
