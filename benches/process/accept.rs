//! Webhooks accepted, decided and on disk; and passed on.

use std::time::{Duration, Instant};

use super::Scale;
use super::daemon::{self, Daemon};
use super::load;
use super::reference::{self, Server};
use super::table;

const CONNECTIONS: [usize; 4] = [1, 16, 64, 256];

/// Accepted, with 1,000 rules of which two fire, beside a server that parses and answers.
pub fn run(scale: Scale) {
    let bare = Server::accept();
    let ours = Daemon::start(daemon::CONFIG, &daemon::rules(1_000));
    println!("bare SQLite, one row a commit: {}/s\n", table::count(reference::commits(scale.time / 4)));
    table::head(&[
        "connections",
        "bare /s",
        "ours /s",
        "ratio",
        "ours p50",
        "p99",
        "bare p99",
        "CPU ms/event",
        "bare",
        "events/commit",
    ]);
    for connections in CONNECTIONS {
        let cpu = daemon::cpu(bare.pid());
        let plain = load::put(bare.address, "/in/crm", connections, scale.time / 2, None, daemon::body);
        let least = (daemon::cpu(bare.pid()) - cpu).as_secs_f64() * 1e3 / plain.count() as f64;
        let (cpu, turns) = (daemon::cpu(ours.pid()), ours.metric("ifthen_turns_total"));
        let full = load::put(ours.address, "/in/crm", connections, scale.time, None, daemon::body);
        assert_eq!(full.refused, 0, "refused");
        let used = (daemon::cpu(ours.pid()) - cpu).as_secs_f64() * 1e3 / full.count() as f64;
        let each = full.count() as f64 / (ours.metric("ifthen_turns_total") - turns);
        table::row(&[
            connections.to_string(),
            table::count(plain.rate),
            table::count(full.rate),
            format!("{:.2}", full.rate / plain.rate),
            format!("{:.2?}", full.within(0.5)),
            format!("{:.2?}", full.within(0.99)),
            format!("{:.2?}", plain.within(0.99)),
            format!("{used:.3}"),
            format!("{least:.3}"),
            format!("{each:.1}"),
        ]);
    }
}

/// How long an answer takes at half of the rate that 16 connections reach.
pub fn latency(scale: Scale) {
    let bare = Server::accept();
    let ours = Daemon::start(daemon::CONFIG, &daemon::rules(1_000));
    let full = load::put(ours.address, "/in/crm", 16, scale.time / 2, None, daemon::body);
    let pace = full.rate / 2.0;
    table::head(&["", "asked /s", "answered /s", "p50", "p99", "p99.9", "commit p99"]);
    for (name, address) in [("bare", bare.address), ("ours", ours.address)] {
        let told = load::put(address, "/in/crm", 16, scale.time, Some(pace), daemon::body);
        let commit =
            if name == "ours" { format!("≤ {} ms", ours.quantile("ifthen_commit_seconds", 0.99) * 1e3) } else { String::new() };
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| format!("{:.2?}", told.within(share)));
        table::row(&[name.into(), table::count(pace), table::count(told.rate), p50, p99, p999, commit]);
    }
}

/// Webhook, rule, outgoing POST: delivered beside a server that passes on and keeps nothing.
pub fn forward(scale: Scale) {
    let sink = Server::sink();
    let bare = Server::forward(sink.address);
    let config = format!(
        "{}connections:\n  out:\n    http: {{ base: 'http://{}' }}\n    concurrency: 64\nallow_networks: [127.0.0.0/8]\n",
        daemon::CONFIG,
        sink.address
    );
    let mut rules = daemon::rules(2);
    rules[0] += "  out: { when: lead.scored, if: score >= 0, then: [{ http: { connection: out, post: /in/crm, json: { id: '{{ id }}', name: '{{ name }}' } } }] }\n";
    let ours = Daemon::start(&config, &rules);
    table::head(&["connections", "bare /s", "accepted /s", "delivered /s", "ratio", "CPU ms/event"]);
    for connections in CONNECTIONS {
        let plain = load::put(bare.address, "/in/crm", connections, scale.time / 2, None, daemon::body);
        let (before, cpu, begun) = (sink.counted(), daemon::cpu(ours.pid()), Instant::now());
        let full = load::put(ours.address, "/in/crm", connections, scale.time, None, daemon::body);
        let wanted = (full.count() - full.refused) as u64;
        while sink.counted() - before < wanted {
            assert!(begun.elapsed() < Duration::from_secs(300), "{} of {wanted} delivered", sink.counted() - before);
            std::thread::sleep(Duration::from_millis(20));
        }
        let rate = wanted as f64 / begun.elapsed().as_secs_f64();
        let used = (daemon::cpu(ours.pid()) - cpu).as_secs_f64() * 1e3 / wanted as f64;
        table::row(&[
            connections.to_string(),
            table::count(plain.rate),
            table::count(full.rate),
            table::count(rate),
            format!("{:.2}", rate / plain.rate),
            format!("{used:.3}"),
        ]);
    }
}
