//! Enough of an HTTP/1.1 server to misbehave in every way a client must survive.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// What arrived.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Decoded.
    pub query: Vec<(String, String)>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// A parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The idempotency key.
    pub fn key(&self) -> Option<&str> {
        self.header("idempotency-key")
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A whole answer.
    Answer { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
    /// Nothing, ever; the connection stays open.
    Hang,
    /// Nothing; the connection is closed.
    Drop,
    /// Status 200 and headers that promise a body; then the connection is closed.
    DropAfterHeaders,
    /// Status 200 and a body without end, as fast as it is read.
    Endless,
    /// Status 200 and a body of one byte now and then, without end.
    Drip,
    /// The answer, later.
    Late(Duration, Box<Reply>),
    /// The answer, once the test lets it go.
    Once(watch::Receiver<bool>, Box<Reply>),
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self::text(status, "text/plain", "")
    }

    pub fn text(status: u16, kind: &str, body: &str) -> Self {
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        Self::Answer { status, headers, body: body.as_bytes().to_vec() }
    }

    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::text(status, "application/json", &body.to_string())
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

/// How a robot's platform misbehaves for one request.
#[derive(Debug, Clone)]
pub enum Mode {
    /// Answers as it should, later.
    Slow(Duration),
    /// This instead.
    Instead(Reply),
    /// HTTP 200 with this error code and text.
    Code(i64, &'static str),
}

impl Mode {
    /// An HTML page with status 200.
    pub fn html() -> Self {
        Self::Instead(Reply::text(200, "text/html", "<!doctype html><html><body>访问受限</body></html>"))
    }

    /// DingTalk's answer to an IP address that calls too often.
    pub fn ip_ban() -> Self {
        let body = r#"{"status":1111,"wait":5,"source":"x5","punish":"deny","uuid":"0a1b"}"#;
        Self::Instead(Reply::text(200, "application/json", body))
    }

    pub fn busy() -> Self {
        Self::Code(-1, "系统繁忙")
    }
}

/// What is to happen to the next requests, in order.
#[derive(Clone, Default)]
pub struct Script(Arc<Mutex<VecDeque<Mode>>>);

impl Script {
    /// The next `times` requests that have no script yet meet this.
    pub fn next(&self, times: usize, mode: Mode) {
        self.0.lock().unwrap().extend(std::iter::repeat_n(mode, times));
    }

    pub fn take(&self) -> Option<Mode> {
        self.0.lock().unwrap().pop_front()
    }
}

/// Serves one connection until it ends.
pub async fn serve(stream: TcpStream, answer: Arc<dyn Fn(Request) -> Reply + Send + Sync>) {
    // A peer that goes away is the peer's business.
    let _ = converse(stream, answer).await;
}

async fn converse(stream: TcpStream, answer: Arc<dyn Fn(Request) -> Reply + Send + Sync>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await? {
        let mut reply = answer(request);
        loop {
            reply = match reply {
                Reply::Late(delay, then) => {
                    tokio::time::sleep(delay).await;
                    *then
                }
                Reply::Once(mut open, then) => {
                    drop(open.wait_for(|open| *open).await); // nobody can let it go any more: the test is over
                    *then
                }
                _ => break,
            };
        }
        let out = stream.get_mut();
        match reply {
            Reply::Late(..) | Reply::Once(..) => unreachable!("unwrapped above"),
            Reply::Hang => std::future::pending::<()>().await,
            Reply::Drop => return Ok(()),
            Reply::DropAfterHeaders => {
                return out
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"a\"")
                    .await;
            }
            Reply::Endless => {
                out.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n").await?;
                loop {
                    out.write_all(&[b'x'; 16 << 10]).await?;
                }
            }
            Reply::Drip => {
                out.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n").await?;
                loop {
                    out.write_all(b"x").await?;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            Reply::Answer { status, headers, body } => {
                let mut head = format!("HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n", body.len());
                for (name, value) in headers {
                    head.push_str(&format!("{name}: {value}\r\n"));
                }
                out.write_all(format!("{head}\r\n").as_bytes()).await?;
                out.write_all(&body).await?;
            }
        }
    }
    Ok(())
}

async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_lowercase(), value.trim().to_owned())),
            None => break,
        }
    }
    let length = headers.iter().find(|(n, _)| n == "content-length").and_then(|(_, v)| v.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let url = url::Url::parse("http://standin").unwrap().join(&target).unwrap();
    let query = url.query_pairs().map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
    Ok(Some(Request { method, path: url.path().to_owned(), query, headers, body }))
}
