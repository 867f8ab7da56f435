//! A DingTalk group robot: checks token, signature, keywords, shape, size and rate; answers 200 with error codes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::http::{Mode, Reply, Request, Script, serve};
use super::server::{Log, Server};

/// What the robot's settings page says.
#[derive(Debug, Clone)]
pub struct Options {
    pub token: String,
    /// 加签; none: not demanded.
    pub secret: Option<String>,
    /// One of them must stand in the message; none: not demanded.
    pub keywords: Vec<String>,
    /// Messages in a window.
    pub rate: usize,
    pub window: Duration,
    /// For how long all is refused once the rate was exceeded.
    pub penalty: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            token: "dingtoken-7f3a".into(),
            secret: Some("SEC0123456789abcdef".into()),
            keywords: Vec::new(),
            rate: 20,
            window: Duration::from_secs(60),
            penalty: Duration::from_secs(600),
        }
    }
}

/// A message that was accepted.
#[derive(Debug, Clone)]
pub struct Message {
    /// `msgUuid`.
    pub key: String,
    /// `text` or `markdown`.
    pub msgtype: String,
    pub title: String,
    pub text: String,
    /// The `at` object.
    pub at: Value,
}

/// The robot.
pub struct Dingtalk {
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

#[derive(Default)]
struct Rate {
    sent: VecDeque<Instant>,
    refused_until: Option<Instant>,
}

impl Dingtalk {
    /// With the default settings.
    pub fn start() -> Self {
        Self::with(Options::default())
    }

    pub fn with(options: Options) -> Self {
        let (requests, codes, accepted) = (Log::default(), Log::default(), Log::default());
        let script = Script::default();
        let rate = Mutex::new(Rate::default());
        let answer = {
            let (requests, codes, accepted) = (Log::clone(&requests), Log::clone(&codes), Log::clone(&accepted));
            let (script, options) = (script.clone(), options.clone());
            Arc::new(move |request: Request| {
                requests.push(request.clone());
                let normal = || {
                    let (code, said) = match judge(&options, &rate, &request) {
                        Ok(message) => {
                            accepted.push(message);
                            (0, "ok".to_owned())
                        }
                        Err((code, said)) => (code, said.to_owned()),
                    };
                    codes.push(code);
                    said_so(code, &said)
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

    /// The webhook address, with its token.
    pub fn url(&self) -> String {
        format!("http://{}/robot/send?access_token={}", self.server.address(), self.options.token)
    }

    /// The signing secret.
    pub fn secret(&self) -> Option<&str> {
        self.options.secret.as_deref()
    }

    /// How many messages were accepted with each key. DingTalk shows those of one key once.
    pub fn by_key(&self) -> BTreeMap<String, usize> {
        let mut keys = BTreeMap::new();
        for message in self.accepted.all() {
            *keys.entry(message.key).or_default() += 1;
        }
        keys
    }
}

fn said_so(code: i64, said: &str) -> Reply {
    Reply::json(200, &json!({ "errcode": code, "errmsg": said }))
}

fn judge(options: &Options, rate: &Mutex<Rate>, request: &Request) -> Result<Message, (i64, &'static str)> {
    if (request.method.as_str(), request.path.as_str()) != ("POST", "/robot/send") {
        return Err((22, "不合法的请求路径"));
    }
    match request.parameter("access_token") {
        None | Some("") => return Err((88, "access_token is blank")),
        Some(token) if token != options.token => return Err((300_005, "token is not exist")),
        Some(_) => {}
    }
    if !request.header("content-type").is_some_and(|t| t.starts_with("application/json")) {
        return Err((43_004, "无效的HTTP HEADER Content-Type"));
    }
    let mut rate = rate.lock().unwrap();
    if rate.refused_until.is_some_and(|until| Instant::now() < until) {
        return Err((410_100, "发送速度太快而限流"));
    }
    if let Some(secret) = &options.secret {
        signed(request, secret)?;
    }
    let message = message(request)?;
    let all = format!("{} {}", message.title, message.text);
    if !options.keywords.is_empty() && !options.keywords.iter().any(|k| all.contains(k)) {
        return Err((310_000, "keywords not in content, more: [https://ding-doc.dingtalk.com/doc#/serverapi2/qf2nxq]"));
    }
    let now = Instant::now();
    rate.sent.retain(|at| now.duration_since(*at) < options.window);
    if rate.sent.len() >= options.rate {
        rate.refused_until = Some(now + options.penalty);
        return Err((130_101, "send too fast, exceed 20 times per minute"));
    }
    rate.sent.push_back(now);
    Ok(message)
}

fn signed(request: &Request, secret: &str) -> Result<(), (i64, &'static str)> {
    let timestamp = request.parameter("timestamp").unwrap_or_default();
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    if timestamp.parse::<i64>().is_ok_and(|t| (t - now).abs() > 3_600_000) || timestamp.parse::<i64>().is_err() {
        return Err((310_000, "invalid timestamp, more: [https://ding-doc.dingtalk.com/doc#/serverapi2/qf2nxq]"));
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{timestamp}\n{secret}").as_bytes());
    let expect = STANDARD.encode(mac.finalize().into_bytes());
    if request.parameter("sign") != Some(expect.as_str()) {
        return Err((310_000, "sign not match, more: [https://ding-doc.dingtalk.com/doc#/serverapi2/qf2nxq]"));
    }
    Ok(())
}

fn message(request: &Request) -> Result<Message, (i64, &'static str)> {
    if request.body.len() > 20_000 {
        return Err((460_101, "message too long, exceed 20000 bytes"));
    }
    let body = request.json();
    if !body.is_object() {
        return Err((40_035, "缺少参数 json"));
    }
    let msgtype = body["msgtype"].as_str().unwrap_or_default();
    let member = |name: &str| body[msgtype][name].as_str().unwrap_or_default().to_owned();
    let (title, text) = match msgtype {
        "text" => (String::new(), member("content")),
        "markdown" => (member("title"), member("text")),
        _ => return Err((400_105, "不支持的消息类型")),
    };
    if text.is_empty() || msgtype == "markdown" && title.is_empty() {
        return Err((40_035, "缺少参数 content"));
    }
    let at = body["at"].clone();
    let listed = |name: &str| at[name].as_array().is_some_and(|l| l.iter().all(Value::is_string));
    let whole = listed("atMobiles") && listed("atUserIds") && at["isAtAll"].is_boolean();
    if !at.is_null() && !whole {
        return Err((40_035, "不合法的参数 at"));
    }
    Ok(Message { key: body["msgUuid"].as_str().unwrap_or_default().into(), msgtype: msgtype.into(), title, text, at })
}
