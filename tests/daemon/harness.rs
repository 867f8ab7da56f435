//! A daemon of its own for each test: a folder, a process, a client, a look into its store.
#![allow(dead_code, reason = "several binaries of tests share it, and each uses a part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ifthen::engine::log::{Line, Outcome};
use ifthen::store::sqlite::Reader;
use ifthen::store::{Filter, Read as _, Stored};
use serde_json::Value;
use tempfile::TempDir;

/// Far beyond what anything here takes: not a measure, only an end to a test that hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until something is there; on and on until `PATIENCE` ends the test.
pub fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "never came: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A folder with `config.yaml`, rules and flows.
pub struct Folder {
    dir: TempDir,
}

impl Folder {
    /// Writes the files; `config.yaml` gets `listen`, `data` and `lang` in front.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self { dir: TempDir::new().unwrap() };
        std::fs::create_dir_all(folder.path("rules")).unwrap();
        std::fs::create_dir_all(folder.path("flows")).unwrap();
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file as an editor does: whole, under its name at once.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text =
            if name == "config.yaml" { format!("lang: zh\nlisten: 127.0.0.1:0\ndata: ./data\n{text}") } else { text.to_owned() };
        let new = path.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, path).unwrap();
    }

    /// Starts the daemon and waits until it serves.
    pub fn start(&self) -> Daemon {
        self.try_start(&[]).unwrap_or_else(|said| panic!("it did not start:\n{said}"))
    }

    /// Starts the daemon; what it said instead of getting ready.
    pub fn try_start(&self, environment: &[(&str, &str)]) -> Result<Daemon, String> {
        self.begin(environment).ready().map_err(|(_, said)| said)
    }

    /// Starts the daemon and waits for nothing.
    pub fn begin(&self, environment: &[(&str, &str)]) -> Beginning {
        let errors = self.path("stderr");
        let stderr = std::fs::OpenOptions::new().create(true).append(true).open(&errors).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_ifthen"))
            .args(["-c", self.path("config.yaml").to_str().unwrap(), "run", "--log-level", "info"])
            .envs(environment.iter().copied())
            .env_remove("IFTHEN_CONFIG")
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        Beginning { child, store: self.path("data/ifthen.db"), errors }
    }

    /// Runs another command on the same configuration: its exit code and what it printed.
    pub fn cli(&self, args: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_ifthen"))
            .args(["-c", self.path("config.yaml").to_str().unwrap()])
            .args(args)
            .env("NO_COLOR", "1")
            .env_remove("IFTHEN_CONFIG")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap_or(-1), text)
    }
}

/// A daemon that is on its way up.
pub struct Beginning {
    child: Child,
    store: PathBuf,
    errors: PathBuf,
}

impl Beginning {
    /// Waits until it serves; its exit code and what it said instead.
    pub fn ready(mut self) -> Result<Daemon, (i32, String)> {
        let mut line = String::new();
        BufReader::new(self.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some((_, address)) = line.trim().strip_prefix("ready http").and_then(|rest| rest.split_once("://")) else {
            let code = self.child.wait().unwrap().code().unwrap_or(-1);
            return Err((code, std::fs::read_to_string(self.errors).unwrap_or_default()));
        };
        let Self { child, store, errors } = self;
        Ok(Daemon { child, address: address.parse().unwrap(), store, errors })
    }

    /// `kill -9`, wherever it is.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A running daemon; killed when dropped.
pub struct Daemon {
    child: Child,
    pub address: SocketAddr,
    pub store: PathBuf,
    errors: PathBuf,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.child.kill()); // it may have ended
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("--- the daemon's own messages ---\n{}", self.said());
        }
    }
}

impl Daemon {
    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// `kill -TERM`, and wait until it has ended; its exit code; -1: a signal ended it.
    pub fn stop(mut self) -> i32 {
        self.signal("TERM");
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// How it has ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Its own messages so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap_or_default()
    }

    pub fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// Posts JSON.
    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> (u16, Value) {
        self.client().post(path, headers, body).unwrap()
    }

    /// Posts JSON and expects it accepted anew; the event's number.
    pub fn accepted(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> u64 {
        let (status, answer) = self.post(path, headers, body);
        assert_eq!(status, 202, "{answer}");
        ids(&answer)[0]
    }

    pub fn get(&self, path: &str) -> (u16, String) {
        self.client().send("GET", path, &[], b"").unwrap()
    }

    pub fn reader(&self) -> Reader {
        Reader::open(&self.store).unwrap()
    }

    /// All log lines that pass.
    pub fn log(&self, filter: &Filter) -> Vec<Line> {
        self.reader().log(filter, 0, usize::MAX >> 1).unwrap()
    }

    /// Log lines of an action with an outcome.
    pub fn lines(&self, action: &str, outcome: Outcome) -> Vec<Line> {
        self.log(&Filter { action: Some(action.into()), outcome: Some(outcome), ..Filter::default() })
    }

    /// Waits for at least so many.
    pub fn wait_lines(&self, action: &str, outcome: Outcome, count: usize) -> Vec<Line> {
        wait(&format!("{count} × {action} {}", outcome.word()), || {
            Some(self.lines(action, outcome)).filter(|l| l.len() >= count)
        })
    }

    pub fn events(&self) -> Vec<Stored> {
        self.reader().events(0, usize::MAX >> 1).unwrap()
    }

    /// A record's field as text.
    pub fn field(&self, entity: &str, id: &str, field: &str) -> String {
        field_of(&self.reader(), entity, id, field)
    }
}

/// A record's field as text, empty where there is none.
pub fn field_of(reader: &Reader, entity: &str, id: &str, field: &str) -> String {
    let record = record_of(reader, entity, id);
    record.map(|r| r.value(field).to_string()).unwrap_or_default()
}

/// A record.
pub fn record_of(reader: &Reader, entity: &str, id: &str) -> Option<Arc<ifthen::engine::record::Record>> {
    use ifthen::engine::event::RecordRef;
    use ifthen::engine::state::{Entry, Key};
    let key = Key::Record(RecordRef { entity: entity.into(), id: id.into() });
    match reader.load(&key).unwrap().as_deref() {
        Some(Entry::Record(record)) => Some(Arc::clone(record)),
        _ => None,
    }
}

/// The event numbers of an answer.
pub fn ids(answer: &Value) -> Vec<u64> {
    let list = answer["accepted"].as_array().unwrap_or_else(|| panic!("{answer}"));
    list.iter().map(|a| a["id"].as_str().unwrap()[1..].parse().unwrap()).collect()
}

/// One connection, kept open.
pub struct Client {
    stream: BufReader<TcpStream>,
    host: &'static str,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self::open(address).unwrap()
    }

    /// Saying another host than `ifthen`.
    pub fn named(address: SocketAddr, host: &'static str) -> Self {
        Self { host, ..Self::new(address) }
    }

    pub fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream), host: "ifthen" })
    }

    pub fn post(&mut self, path: &str, headers: &[(&str, &str)], body: &Value) -> std::io::Result<(u16, Value)> {
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers);
        let (status, text) = self.send("POST", path, &all, body.to_string().as_bytes())?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// One exchange; an error means that no whole answer came.
    pub fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> std::io::Result<(u16, String)> {
        self.exchange(method, path, headers, body).map(|(status, _, text)| (status, text))
    }

    /// The same, with the answer's headers, their names in lower case.
    pub fn exchange(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<(u16, Vec<(String, String)>, String)> {
        use std::io::{Error, ErrorKind};
        let mut told = Vec::new();
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n", self.host, body.len());
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        let stream = self.stream.get_mut();
        stream.write_all(&[head.as_bytes(), body].concat())?;
        let broken = || Error::from(ErrorKind::UnexpectedEof);
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(broken)?;
        let mut length = 0;
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(broken());
            }
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            told.push((name.to_lowercase(), value.trim().to_owned()));
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().map_err(|_| broken())?;
            }
        }
        let mut text = vec![0; if method == "HEAD" { 0 } else { length }];
        self.stream.read_exact(&mut text)?;
        Ok((status, told, String::from_utf8_lossy(&text).into_owned()))
    }
}

/// Fails unless SQLite finds the file in order.
pub fn assert_intact(store: &Path) {
    let conn = rusqlite::Connection::open(store).unwrap();
    let verdict: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}
