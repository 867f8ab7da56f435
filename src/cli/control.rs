//! Asking the running daemon to do something: its address and a token are in the data folder, for those who may read that.
//!
//! Never goes through a proxy, and never anywhere but to the address that the daemon itself wrote down.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;

use super::place::Place;
use super::words::Words as _;
use crate::engine::call::{CallId, Request};
use crate::engine::event;

/// A commit takes milliseconds; a full disk is answered at once.
const TIMEOUT: Duration = Duration::from_secs(15);

/// No daemon answers; exit code 4.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreachable(String);

/// What a person asks about a call.
#[derive(Debug)]
pub(crate) enum Ask<'a> {
    Retry,
    Discard,
    Edit(&'a Request),
}

impl Ask<'_> {
    fn word(&self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Discard => "discard",
            Self::Edit(_) => "edit",
        }
    }
}

/// The way to a daemon.
pub(crate) struct Control<'a> {
    place: &'a Place,
    address: SocketAddr,
    token: String,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl<'a> Control<'a> {
    /// Finds the daemon that serves the data folder; whether it runs is found out by asking.
    pub(crate) fn find(place: &'a Place) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(place.data.join("control")).map_err(|e| match e.kind() {
            std::io::ErrorKind::PermissionDenied => {
                let data = place.data.display();
                Unreachable(place.lang().pick(
                    format!("{data}/control may only be read by the user the daemon runs as: try `sudo -u` that user"),
                    format!("{data}/control 只有运行程序的用户可读:请用 `sudo -u` 切换到该用户"),
                ))
            }
            _ => stopped(place),
        })?;
        let mut lines = text.lines().map(str::trim);
        let address = lines.next().and_then(|a| a.parse::<SocketAddr>().ok()).ok_or_else(|| stopped(place))?;
        let token = lines.next().ok_or_else(|| stopped(place))?.to_owned();
        drop(rustls::crypto::ring::default_provider().install_default()); // twice is harmless
        let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { place, address: reachable(address), token, client, runtime })
    }

    /// Asks; the number of the event that the daemon made of it.
    pub(crate) fn ask(&self, id: CallId, ask: &Ask<'_>) -> anyhow::Result<u64> {
        let body = if let Ask::Edit(content) = ask { Some(serde_json::to_string(content)?) } else { None };
        self.post(&format!("calls/{id}/{}", ask.word()), body)
    }

    /// Hands events in again, all or none of them; the numbers of the new ones, in the same order.
    pub(crate) fn replay(&self, events: &[u64], as_new: bool) -> anyhow::Result<Vec<u64>> {
        let ids: Vec<String> = events.iter().map(|seq| event::id(*seq)).collect();
        let answer = self.exchange("events/replay", Some(json!({ "events": ids, "as_new": as_new }).to_string()))?;
        let list = answer.get("events").and_then(serde_json::Value::as_array);
        let seqs = list.map(|l| l.iter().filter_map(|id| id.as_str().and_then(event::seq)).collect::<Vec<u64>>());
        seqs.filter(|seqs| seqs.len() == events.len()).ok_or_else(|| self.stranger())
    }

    /// Posts to the control API, a body as JSON; the number of the event that the daemon made of it.
    pub(crate) fn post(&self, path: &str, body: Option<String>) -> anyhow::Result<u64> {
        let answer = self.exchange(path, body)?;
        let event = answer.get("event").and_then(serde_json::Value::as_str).and_then(event::seq);
        event.ok_or_else(|| self.stranger())
    }

    /// The same where there may be nothing left to do: then no event.
    pub(crate) fn act(&self, path: &str, body: String) -> anyhow::Result<Option<u64>> {
        let answer = self.exchange(path, Some(body))?;
        let text = |name| answer.get(name).and_then(serde_json::Value::as_str);
        match (text("outcome"), text("event").and_then(event::seq)) {
            (Some("already"), _) => Ok(None),
            (_, Some(event)) => Ok(Some(event)),
            _ => Err(self.stranger()),
        }
    }

    fn stranger(&self) -> anyhow::Error {
        Unreachable(format!("what answers at {} is no ifthen of this version", self.address)).into()
    }

    /// Posts to the control API; what is answered.
    pub(crate) fn exchange(&self, path: &str, body: Option<String>) -> anyhow::Result<serde_json::Value> {
        let url = format!("http://{}/api/{path}", self.address);
        let mut request = self.client.post(url).bearer_auth(&self.token);
        // The service's user is not who asks.
        let user = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
        if let Ok(user) = reqwest::header::HeaderValue::from_bytes(user.unwrap_or_default().as_bytes()) {
            request = request.header("X-Ifthen-User", user);
        }
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body);
        }
        let (status, text) = self
            .runtime
            .block_on(async {
                let answer = request.send().await?;
                let status = answer.status();
                Ok::<_, reqwest::Error>((status, answer.text().await?))
            })
            .map_err(|e| self.silent(&e))?;
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        if !status.is_success() {
            let detail = answer.get("detail").and_then(serde_json::Value::as_str).unwrap_or("no reason is given");
            if status == reqwest::StatusCode::UNAUTHORIZED {
                // Another daemon has the address by now.
                return Err(stopped(self.place).into());
            }
            let (lang, code) = (self.place.lang(), status.as_u16());
            let detail = lang.said(detail);
            anyhow::bail!(lang.pick(format!("the daemon refuses ({code}): {detail}"), format!("程序拒绝({code}):{detail}")));
        }
        Ok(answer)
    }

    fn silent(&self, error: &reqwest::Error) -> anyhow::Error {
        if error.is_timeout() {
            let address = self.address;
            return Unreachable(self.place.lang().pick(
                format!("the daemon at {address} does not answer; whether it has done it, `ifthen tail` tells"),
                format!("{address} 上的程序没有应答;是否已执行,请用 `ifthen tail` 查看"),
            ))
            .into();
        }
        stopped(self.place).into()
    }
}

fn stopped(place: &Place) -> Unreachable {
    let data = place.data.display();
    Unreachable(place.lang().pick(
        format!("no daemon is running on {data}: start it with `ifthen run`, then ask again"),
        format!("没有程序在使用 {data}:请先 `ifthen run` 启动,再重试"),
    ))
}

/// An address that serves on every interface, as one to connect to.
fn reachable(address: SocketAddr) -> SocketAddr {
    use std::net::{Ipv4Addr, Ipv6Addr};
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    address
}

#[cfg(test)]
mod tests {
    use super::super::phrase::Speech;
    use super::super::words::Lang;
    use super::*;
    use std::io::{Read, Write};

    fn place(folder: &std::path::Path) -> Place {
        let speech = Speech { lang: Lang::En, zone: jiff::tz::TimeZone::UTC };
        Place { data: folder.into(), store: folder.join("ifthen.db"), speech }
    }

    /// What a daemon that answers so is asked, and what comes of it.
    fn check(status: &str, body: &str) -> (String, Result<u64, String>) {
        let folder = tempfile::tempdir().unwrap();
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        std::fs::write(folder.path().join("control"), format!("{}\nabc\n", server.local_addr().unwrap())).unwrap();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        let serving = std::thread::spawn(move || {
            let (mut peer, _) = server.accept().unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                peer.read_exact(&mut byte).unwrap();
                asked.push(byte[0]);
            }
            peer.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(asked).unwrap().to_lowercase()
        });
        let place = place(folder.path());
        let control = Control::find(&place).unwrap();
        let got = control.ask(CallId { seq: 12, n: 1 }, &Ask::Retry).map_err(|e| e.to_string());
        (serving.join().unwrap(), got)
    }

    #[test]
    fn asks_with_the_token_and_takes_the_answer() {
        let (asked, got) = check("200 OK", r#"{"event":"e34"}"#);
        assert!(asked.starts_with("post /api/calls/c12-1/retry http/1.1"), "{asked}");
        assert!(asked.contains("authorization: bearer abc"), "{asked}");
        assert_eq!(got, Ok(34));
        let (_, got) = check("503 Service Unavailable", r#"{"detail":"the disk is full"}"#);
        assert_eq!(got, Err("the daemon refuses (503): the disk is full".into()));
    }

    #[test]
    fn a_daemon_that_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        let gone = |result: anyhow::Result<u64>| result.is_err_and(|e| e.is::<Unreachable>());
        assert!(gone(Control::find(&place).map(|_| 0)));
        // Left by one that was killed: nobody listens there any more.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        std::fs::write(place.data.join("control"), format!("{free}\nabc\n")).unwrap();
        assert!(gone(Control::find(&place).unwrap().ask(CallId { seq: 1, n: 1 }, &Ask::Discard)));
        assert_eq!(reachable("0.0.0.0:80".parse().unwrap()).to_string(), "127.0.0.1:80");
    }
}
