//! Durable steps: a flow of ten calls, each of which waits for the answer to the one before, with both on disk.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::routing::post;
use serde_json::Value;

use super::Scale;
use super::daemon::{self, Daemon};
use super::load;
use super::table;

const STEPS: usize = 10;
/// Steps a second of Restate 1.7 on such a machine, at 1 and 64 clients (2026-11-21).
const RESTATE: [(usize, f64); 2] = [(1, 718.0), (64, 3_033.0)];

type Waiting = Arc<Mutex<HashMap<String, mpsc::Sender<()>>>>;

/// What the steps call: here, in this process.
fn performer(waiting: Waiting) -> SocketAddr {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let step = |State(waiting): State<Waiting>, Json(body): Json<Value>| async move {
                if body["step"] == "last"
                    && let Some(client) = waiting.lock().unwrap().remove(body["id"].as_str().unwrap())
                {
                    client.send(()).ok(); // its time may be over
                }
                Json(serde_json::json!({ "ok": true }))
            };
            let app = axum::Router::new().route("/step", post(step)).with_state(waiting);
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            axum::serve(listener, app).await.unwrap();
        });
    });
    told.recv().unwrap()
}

/// Clients that each start a run, and the next when its last step was called.
pub fn run(scale: Scale) {
    let waiting = Waiting::default();
    let config = format!(
        "{}connections:\n  out:\n    http: {{ base: 'http://{}' }}\n    concurrency: 64\nallow_networks: [127.0.0.0/8]\n",
        daemon::CONFIG,
        performer(Arc::clone(&waiting))
    );
    let mut flow = format!("{}flows:\n  ten:\n    record: lead\n    when: lead.scored\n    steps:\n", daemon::ENTITY);
    for n in 1..=STEPS {
        let name = if n == STEPS { "last".to_owned() } else { n.to_string() };
        writeln!(
            flow,
            "      - {{ id: s{n}, http: {{ connection: out, post: /step, json: {{ id: '{{{{ id }}}}', step: '{name}' }} }} }}"
        )
        .unwrap();
    }
    let ours = Daemon::start(&config, &[flow]);
    let number = AtomicU64::new(1);
    table::head(&["clients", "steps /s", "CPU ms/step", "Restate's steps /s", "ours / Restate's"]);
    for clients in [1, 16, 64] {
        let (begun, cpu) = (Instant::now(), daemon::cpu(ours.pid()));
        let done: usize = std::thread::scope(|scope| {
            let one = || {
                let (mut stream, mut done) = (load::Client::connect(ours.address), 0);
                while begun.elapsed() < scale.time {
                    let n = number.fetch_add(1, Ordering::Relaxed);
                    let (tell, told) = mpsc::channel();
                    waiting.lock().unwrap().insert(format!("S{n}"), tell);
                    let body = format!(r#"{{"id":"S{n}","姓名":"王小明","地区":"华东","分数":1}}"#);
                    assert_eq!(stream.post("/in/crm", n, &body), 202);
                    told.recv().unwrap();
                    done += STEPS;
                }
                done
            };
            let all: Vec<_> = (0..clients).map(|_| scope.spawn(one)).collect();
            all.into_iter().map(|client| client.join().unwrap()).sum()
        });
        let rate = done as f64 / begun.elapsed().as_secs_f64();
        let used = (daemon::cpu(ours.pid()) - cpu).as_secs_f64() * 1e3 / done as f64;
        let theirs = RESTATE.iter().find(|(at, _)| *at == clients).map(|(_, rate)| *rate);
        table::row(&[
            clients.to_string(),
            table::count(rate),
            format!("{used:.3}"),
            theirs.map(table::count).unwrap_or_default(),
            theirs.map(|theirs| format!("{:.2}", rate / theirs)).unwrap_or_default(),
        ]);
    }
}
