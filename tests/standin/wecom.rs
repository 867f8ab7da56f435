//! A WeCom group robot: checks key, shape, size and rate; answers 200 with error codes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::{Mode, Reply, Request, Script, serve};
use super::server::{Log, Server};

/// What the robot is like.
#[derive(Debug, Clone)]
pub struct Options {
    pub key: String,
    /// Messages in a window.
    pub rate: usize,
    pub window: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { key: "693a91f6-7a0c-4bc4-97a0-0ec2sifa5aaa".into(), rate: 20, window: Duration::from_secs(60) }
    }
}

/// A message that was accepted.
#[derive(Debug, Clone)]
pub struct Message {
    /// The idempotency key, which WeCom itself does not know: the header of the request.
    pub key: String,
    /// `text` or `markdown`.
    pub msgtype: String,
    pub content: String,
    /// The object under `text` or `markdown`.
    pub inner: Value,
}

/// The robot.
pub struct Wecom {
    pub server: Server,
    options: Options,
    /// Every request.
    pub requests: Log<Request>,
    /// Every error code answered, 0 for accepted; misbehaviour is not among them.
    pub codes: Log<i64>,
    /// Accepted, again for every repetition.
    pub accepted: Log<Message>,
    pub script: Script,
}

impl Wecom {
    /// With the default settings.
    pub fn start() -> Self {
        Self::with(Options::default())
    }

    pub fn with(options: Options) -> Self {
        let (requests, codes, accepted) = (Log::default(), Log::default(), Log::default());
        let script = Script::default();
        let sent = Mutex::new(VecDeque::new());
        let answer = {
            let (requests, codes, accepted) = (Log::clone(&requests), Log::clone(&codes), Log::clone(&accepted));
            let (script, options) = (script.clone(), options.clone());
            Arc::new(move |request: Request| {
                requests.push(request.clone());
                let normal = || match judge(&options, &sent, &request) {
                    Ok(message) => {
                        accepted.push(message);
                        codes.push(0);
                        Reply::json(200, &json!({ "errcode": 0, "errmsg": "ok" }))
                    }
                    Err(Some((code, said))) => {
                        codes.push(code);
                        said_so(code, said)
                    }
                    Err(None) => Reply::status(404),
                };
                match script.take() {
                    None => normal(),
                    Some(Mode::Slow(delay)) => Reply::Late(delay, Box::new(normal())),
                    Some(Mode::Instead(reply)) => reply,
                    Some(Mode::Code(code, said)) => said_so(code, said),
                }
            })
        };
        let server = Server::start(move |stream| serve(stream, answer.clone()));
        Self { server, options, requests, codes, accepted, script }
    }

    /// The webhook address, with its key.
    pub fn url(&self) -> String {
        format!("http://{}/cgi-bin/webhook/send?key={}", self.server.address(), self.options.key)
    }

    /// How many messages were accepted with each key.
    pub fn by_key(&self) -> BTreeMap<String, usize> {
        let mut keys = BTreeMap::new();
        for message in self.accepted.all() {
            *keys.entry(message.key).or_default() += 1;
        }
        keys
    }
}

fn said_so(code: i64, said: &str) -> Reply {
    let more = format!(
        "{said}, hint: [1592021214_50_551f7a21b2e0e6d4], from ip: 127.0.0.1, more info at https://open.work.weixin.qq.com/devtool/query?e={code}"
    );
    Reply::json(200, &json!({ "errcode": code, "errmsg": more }))
}

/// `Err(None)`: an unknown path, which is answered 404 with an empty body.
fn judge(options: &Options, sent: &Mutex<VecDeque<Instant>>, request: &Request) -> Result<Message, Option<(i64, &'static str)>> {
    if (request.method.as_str(), request.path.as_str()) != ("POST", "/cgi-bin/webhook/send") {
        return Err(None);
    }
    if request.parameter("key") != Some(options.key.as_str()) {
        return Err(Some((93_000, "invalid webhook url")));
    }
    let body = request.json();
    let msgtype = body["msgtype"].as_str().unwrap_or_default();
    let limit = match msgtype {
        "text" => 2_048,
        "markdown" | "markdown_v2" => 4_096,
        _ => return Err(Some((40_008, "invalid message type"))),
    };
    let inner = body[msgtype].clone();
    let content = inner["content"].as_str().unwrap_or_default().to_owned();
    if content.is_empty() {
        return Err(Some((44_004, "empty content")));
    }
    if content.len() > limit {
        return Err(Some((40_058, "text.content exceed max length. invalid Request Parameter")));
    }
    for name in ["mentioned_list", "mentioned_mobile_list"] {
        if !inner[name].is_null() && !inner[name].as_array().is_some_and(|l| l.iter().all(Value::is_string)) {
            return Err(Some((40_058, "invalid parameter")));
        }
    }
    let mut sent = sent.lock().unwrap();
    let now = Instant::now();
    sent.retain(|at| now.duration_since(*at) < options.window);
    if sent.len() >= options.rate {
        return Err(Some((45_009, "api freq out of limit")));
    }
    sent.push_back(now);
    Ok(Message { key: request.key().unwrap_or_default().into(), msgtype: msgtype.into(), content, inner })
}
