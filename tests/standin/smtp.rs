//! A mail server that keeps what it is given: a real exchange (EHLO, AUTH, MAIL, RCPT, DATA, RSET, NOOP, QUIT), no TLS.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::mime::Part;
use super::server::{Log, Server};

/// Bytes that one message may have, as EHLO says.
const SIZE: usize = 10 << 20;

/// A message that was received whole, up to its dot.
#[derive(Debug, Clone)]
pub struct Received {
    /// Of the envelope.
    pub from: String,
    /// Of the envelope.
    pub to: Vec<String>,
    /// As it came, dots unstuffed.
    pub raw: String,
    pub part: Part,
    /// It was answered 250; else the sender cannot know that it is here.
    pub acknowledged: bool,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.part.header(name).unwrap_or_default()
    }

    pub fn subject(&self) -> &str {
        self.header("subject")
    }

    pub fn text(&self) -> &str {
        self.part.find("text/plain").unwrap_or_default()
    }

    pub fn html(&self) -> Option<&str> {
        self.part.find("text/html")
    }

    /// The idempotency key.
    pub fn key(&self) -> &str {
        self.header("x-ifthen-key")
    }
}

/// Where a script takes hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Greeting,
    Auth,
    Sender,
    Recipient,
    Data,
    /// The message has come in, dot and all.
    Dot,
}

/// What happens there instead of the usual reply.
#[derive(Debug, Clone)]
pub enum Act {
    /// This line; what is refused (4yz, 5yz) at the dot is not kept.
    Reply(&'static str),
    /// The connection is closed.
    Drop,
    /// Nothing, ever.
    Hang,
    /// The usual reply, later.
    Slow(Duration),
}

struct Rule {
    stage: Stage,
    to: Option<String>,
    act: Act,
    left: usize,
}

#[derive(Clone)]
struct Desk {
    login: Option<(String, String)>,
    rules: Arc<Mutex<Vec<Rule>>>,
    received: Log<Received>,
    connections: Log<()>,
}

/// The server.
pub struct Smtp {
    pub server: Server,
    /// In order of arrival.
    pub received: Log<Received>,
    /// One for every connection made.
    pub connections: Log<()>,
    rules: Arc<Mutex<Vec<Rule>>>,
}

impl Smtp {
    /// Anyone may send.
    pub fn start() -> Self {
        Self::with(None)
    }

    /// Only this user may send, by AUTH PLAIN or LOGIN.
    pub fn with_login(user: &str, password: &str) -> Self {
        Self::with(Some((user.into(), password.into())))
    }

    fn with(login: Option<(String, String)>) -> Self {
        let desk = Desk { login, rules: Arc::default(), received: Log::default(), connections: Log::default() };
        let (received, connections, rules) = (desk.received.clone(), desk.connections.clone(), desk.rules.clone());
        let server = Server::start(move |stream| {
            let desk = desk.clone();
            async move {
                desk.connections.push(());
                // A peer that goes away is the peer's business.
                let _ = Session { stream: BufReader::new(stream), desk, from: None, to: Vec::new(), known: false }.run().await;
            }
        });
        Self { server, received, connections, rules }
    }

    /// The next `times` times that an exchange comes to this stage, this happens.
    pub fn next(&self, times: usize, stage: Stage, act: Act) {
        self.rules.lock().unwrap().push(Rule { stage, to: None, act, left: times });
    }

    /// The same for one recipient: at `Recipient`, `Data` or `Dot`.
    pub fn next_for(&self, to: &str, times: usize, stage: Stage, act: Act) {
        self.rules.lock().unwrap().push(Rule { stage, to: Some(to.into()), act, left: times });
    }

    /// From now on all is as usual again.
    pub fn relent(&self) {
        self.rules.lock().unwrap().clear();
    }

    /// How many messages came with each idempotency key, acknowledged or not.
    pub fn by_key(&self) -> BTreeMap<String, usize> {
        let mut keys = BTreeMap::new();
        for message in self.received.all() {
            *keys.entry(message.key().to_owned()).or_default() += 1;
        }
        keys
    }
}

struct Session {
    stream: BufReader<TcpStream>,
    desk: Desk,
    from: Option<String>,
    to: Vec<String>,
    known: bool,
}

/// The connection is over.
struct Over;

impl From<std::io::Error> for Over {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

impl Session {
    async fn run(mut self) -> Result<(), Over> {
        self.say_at(Stage::Greeting, "220 standin ESMTP").await?;
        loop {
            let line = self.line().await?;
            let verb = line.split(' ').next().unwrap_or_default().to_uppercase();
            match verb.as_str() {
                "EHLO" => {
                    let auth = if self.desk.login.is_some() { "250-AUTH PLAIN LOGIN\r\n" } else { "" };
                    self.say(&format!("250-standin\r\n250-8BITMIME\r\n{auth}250 SIZE {SIZE}")).await?;
                }
                "HELO" | "NOOP" => self.say("250 ok").await?,
                "RSET" => {
                    (self.from, self.to) = (None, Vec::new());
                    self.say("250 ok").await?;
                }
                "AUTH" => self.auth(&line).await?,
                "MAIL" if self.desk.login.is_some() && !self.known => self.say("530 5.7.0 authentication required").await?,
                "MAIL" => {
                    self.to.clear();
                    if self.say_at(Stage::Sender, "250 2.1.0 ok").await? {
                        self.from = Some(address(&line));
                    }
                }
                "RCPT" if self.from.is_none() => self.say("503 5.5.1 MAIL first").await?,
                "RCPT" => {
                    self.to.push(address(&line));
                    if !self.say_at(Stage::Recipient, "250 2.1.5 ok").await? {
                        self.to.pop();
                    }
                }
                "DATA" if self.to.is_empty() => self.say("503 5.5.1 RCPT first").await?,
                "DATA" => self.data().await?,
                "QUIT" => {
                    self.say("221 2.0.0 bye").await?;
                    return Ok(());
                }
                _ => self.say("500 5.5.2 what?").await?,
            }
        }
    }

    async fn auth(&mut self, line: &str) -> Result<(), Over> {
        let decode = |text: &str| String::from_utf8(STANDARD.decode(text.trim()).unwrap_or_default()).unwrap_or_default();
        let mut words = line.split(' ').skip(1);
        let mechanism = words.next().unwrap_or_default().to_uppercase();
        let given = if mechanism == "PLAIN" {
            let first = match words.next() {
                Some(initial) => initial.to_owned(),
                None => {
                    self.say("334 ").await?;
                    self.line().await?
                }
            };
            let text = decode(&first);
            let mut fields = text.split('\0').skip(1).map(str::to_owned);
            (fields.next().unwrap_or_default(), fields.next().unwrap_or_default())
        } else {
            self.say("334 VXNlcm5hbWU6").await?;
            let user = decode(&self.line().await?);
            self.say("334 UGFzc3dvcmQ6").await?;
            (user, decode(&self.line().await?))
        };
        self.known = self.desk.login.as_ref() == Some(&given);
        let usual = if self.known { "235 2.7.0 ok" } else { "535 5.7.8 authentication failed" };
        self.known &= self.say_at(Stage::Auth, usual).await?;
        Ok(())
    }

    async fn data(&mut self) -> Result<(), Over> {
        if !self.say_at(Stage::Data, "354 go ahead").await? {
            return Ok(());
        }
        let mut raw = String::new();
        loop {
            let line = self.line().await?;
            match line.strip_prefix('.') {
                Some("") => break,
                Some(unstuffed) => raw.push_str(unstuffed),
                None => raw.push_str(&line),
            }
            raw.push_str("\r\n");
        }
        let to = std::mem::take(&mut self.to);
        let mut received = Received {
            from: self.from.take().unwrap_or_default(),
            part: Part::read(&raw),
            to: to.clone(),
            raw,
            acknowledged: true,
        };
        if received.raw.len() > SIZE {
            return self.say("552 5.3.4 too large").await;
        }
        self.to = to;
        let act = self.act(Stage::Dot);
        self.to.clear();
        match act {
            Some(Act::Reply(line)) if line.starts_with(['4', '5']) => self.say(line).await,
            Some(Act::Reply(line)) => {
                self.desk.received.push(received);
                self.say(line).await
            }
            Some(Act::Drop) => {
                received.acknowledged = false;
                self.desk.received.push(received);
                Err(Over)
            }
            Some(Act::Hang) => {
                received.acknowledged = false;
                self.desk.received.push(received);
                std::future::pending().await
            }
            Some(Act::Slow(delay)) => {
                tokio::time::sleep(delay).await;
                self.desk.received.push(received);
                self.say("250 2.0.0 queued").await
            }
            None => {
                self.desk.received.push(received);
                self.say("250 2.0.0 queued").await
            }
        }
    }

    /// The usual reply, unless a script says otherwise; whether it was a good one.
    async fn say_at(&mut self, stage: Stage, usual: &str) -> Result<bool, Over> {
        let line = match self.act(stage) {
            None => usual,
            Some(Act::Reply(line)) => line,
            Some(Act::Drop) => return Err(Over),
            Some(Act::Hang) => std::future::pending().await,
            Some(Act::Slow(delay)) => {
                tokio::time::sleep(delay).await;
                usual
            }
        };
        self.say(line).await?;
        Ok(line.starts_with(['2', '3']))
    }

    fn act(&self, stage: Stage) -> Option<Act> {
        let mut rules = self.desk.rules.lock().unwrap();
        let rule = rules
            .iter_mut()
            .find(|r| r.stage == stage && r.left > 0 && r.to.as_ref().is_none_or(|to| self.to.iter().any(|t| t == to)))?;
        rule.left -= 1;
        Some(rule.act.clone())
    }

    async fn say(&mut self, text: &str) -> Result<(), Over> {
        Ok(self.stream.get_mut().write_all(format!("{text}\r\n").as_bytes()).await?)
    }

    /// A line without its end.
    async fn line(&mut self) -> Result<String, Over> {
        let mut bytes = Vec::new();
        if self.stream.read_until(b'\n', &mut bytes).await? == 0 {
            return Err(Over);
        }
        Ok(String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_owned())
    }
}

/// What stands between `<` and `>`.
fn address(line: &str) -> String {
    line.split('<').nth(1).and_then(|r| r.split('>').next()).unwrap_or_default().to_owned()
}
