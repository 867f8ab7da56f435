//! The daemon as a process, with a folder of its own.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running daemon; killed when dropped.
pub struct Daemon {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// From its start until it served.
    pub ready: Duration,
    dir: tempfile::TempDir,
}

impl Daemon {
    /// Writes `config.yaml` (behind `listen` and `data`) and the files of `rules/`, and starts the daemon.
    pub fn start(config: &str, rules: &[String]) -> Self {
        Self::at(folder(config, rules))
    }

    /// Stops it by force and starts it again on what it left.
    pub fn again(mut self) -> Self {
        self.kill();
        let dir = std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap());
        Self::at(dir)
    }

    /// Its folder, with it not running any more.
    pub fn end(mut self) -> tempfile::TempDir {
        self.kill();
        std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap())
    }

    fn kill(&mut self) {
        drop(self.child.kill()); // it may have ended
        drop(self.child.wait());
    }

    /// Starts it in a folder that holds everything.
    pub fn at(dir: tempfile::TempDir) -> Self {
        let begun = Instant::now();
        let errors = std::fs::File::create(dir.path().join("stderr")).unwrap();
        let mut child = Command::new(binary())
            .arg("-c")
            .arg(dir.path().join("config.yaml"))
            .arg("run")
            .env_remove("IFTHEN_CONFIG")
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready = begun.elapsed();
        let Some(address) = line.trim().strip_prefix("ready http://") else {
            panic!("it did not start:\n{}", std::fs::read_to_string(dir.path().join("stderr")).unwrap_or_default());
        };
        Self { address: address.parse().unwrap(), child, ready, dir }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A counter of its `/metrics`, all labels together that it may have beyond those that are named.
    pub fn metric(&self, name: &str) -> f64 {
        let text = get(self.address, "/metrics");
        let of = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{', ',']));
        text.lines().filter(|l| of(l)).filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// What this share of the values of a histogram of its `/metrics` does not exceed, in seconds: the bound of a bucket.
    pub fn quantile(&self, name: &str, share: f64) -> f64 {
        let text = get(self.address, "/metrics");
        let prefix = format!("{name}_bucket{{le=\"");
        let buckets: Vec<(f64, f64)> = text
            .lines()
            .filter_map(|line| line.strip_prefix(&prefix)?.split_once("\"} "))
            .map(|(bound, count)| (bound.parse().unwrap_or(f64::INFINITY), count.parse().unwrap()))
            .collect();
        let all = buckets.last().map_or(0.0, |(_, count)| *count);
        buckets.iter().find(|(_, count)| *count >= all * share).map_or(0.0, |(bound, _)| *bound)
    }

    /// Bytes of its store with what belongs to it.
    pub fn stored(&self) -> u64 {
        let files = std::fs::read_dir(self.dir.path().join("data")).unwrap();
        files.filter_map(|f| f.ok()?.metadata().ok()).map(|m| m.len()).sum()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A folder with `config.yaml` (behind `listen` and `data`) and the files of `rules/`.
pub fn folder(config: &str, rules: &[String]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("rules")).unwrap();
    let config = format!("listen: 127.0.0.1:0\ndata: ./data\ndefinitions: [rules]\n{config}");
    std::fs::write(dir.path().join("config.yaml"), config).unwrap();
    for (n, text) in rules.iter().enumerate() {
        std::fs::write(dir.path().join(format!("rules/{n:03}.yaml")), text).unwrap();
    }
    dir
}

/// The binary that is measured: `IFTHEN_BIN`, or that of this build.
pub fn binary() -> PathBuf {
    std::env::var_os("IFTHEN_BIN").map_or_else(|| env!("CARGO_BIN_EXE_ifthen").into(), PathBuf::from)
}

/// The body that an address answers with.
pub fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
}

/// Processor time that a process has used.
pub fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10) // a tick is 10 ms wherever Linux runs
}

/// Resident memory of a process, in bytes.
pub fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// So many rules, of which each asks for another `region`: an event with `region: r7` fires rule 7 and the last two, which ask for little. A
/// thousand a file.
pub fn rules(count: usize) -> Vec<String> {
    let mut files = vec![format!("{ENTITY}rules:\n{}", LAST.join(""))];
    let rest: Vec<usize> = (LAST.len()..count).collect();
    for part in rest.chunks(1_000) {
        let mut text = String::from("rules:\n");
        for n in part {
            writeln!(
                text,
                "  r{n}: {{ when: lead.scored, if: \"region == 'r{n}' and score > 10 and not is_empty(name)\", then: [{{ log: \"{n}\" }}] }}"
            )
            .unwrap();
        }
        files.push(text);
    }
    files
}

/// What the loads here are about.
pub const ENTITY: &str = "entities:\n  lead:\n    key: id\n    fields: { id: text, name: text, region: text, score: number, grade: { type: text, from: ifthen } }\n";

const LAST: [&str; 2] = [
    "  grade: { when: lead.scored, if: score >= 0 and not is_empty(name) and not is_empty(region), then: [{ set: { grade: \"= if(score > 50, 'A', 'B')\" } }] }\n",
    "  note: { when: lead.scored, if: score < 1000 and not is_empty(name) and not is_empty(region), then: [{ log: '{{ name }} {{ score }}' }] }\n",
];

/// The source of the loads here.
pub const CONFIG: &str = "sources:\n  crm:\n    webhook: { rate: 1000000 }\n    event: lead.scored\n    delivery: { header: X-Delivery-Id }\n    record: { entity: lead, fields: { id: id, name: 姓名, region: 地区, score: 分数 } }\n";

/// The n-th body: every second one a new record, others one of the last thousand.
pub fn body(n: u64) -> String {
    let id = if n.is_multiple_of(2) { n } else { n.saturating_sub(1 + 2 * (super::load::scatter(n) % 500)) & !1 };
    format!(r#"{{"id":"L{id}","姓名":"王小明","地区":"nowhere","分数":{}}}"#, n % 100)
}
