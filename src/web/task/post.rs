//! What is posted from the page of a task: a code is asked for, given, or a decision is taken. Only here; a GET changes nothing.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use jiff::Timestamp;
use subtle::ConstantTimeEq as _;

use super::case::Case;
use super::page::{Page, Shown};
use super::stand::{self, Note};
use super::submit::{Refused, Told, Trouble, submit};
use super::words::{self, Lang};
use super::{Desk, Visit, address, field, respond, session};
use crate::engine::approval::{Act, Ask};
use crate::engine::value::Value;

/// Bytes of a form: comments and answers.
const MAX_BODY: usize = 256 << 10;
/// Characters of a comment.
const LONGEST: usize = 2_000;

/// Name and value, as they were posted.
type Pairs = Vec<(String, String)>;

/// `POST /t/<token>`
pub(super) async fn post(
    State(desk): State<Desk>,
    Path(token): Path<String>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let visit = match Visit::new(&desk, &token, &parts.headers, Timestamp::now()) {
        Ok(visit) => visit,
        Err(page) => return *page,
    };
    if !session::is_ours(&parts.headers, desk.handle.links().base()) {
        return visit.stale();
    }
    let pairs = match read(&parts.headers, body).await {
        Some(pairs) => pairs,
        None => return visit.stale(),
    };
    let text = |name: &str| pairs.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
    if !visit.session.sent(text("form"), &visit.link, desk.handle.key()) {
        return visit.stale();
    }
    let from = address(peer, &parts.headers);
    match text("what") {
        "code" => visit.send_code(&desk, from).await,
        "prove" => visit.prove(&desk, text("code"), from).await,
        _ => visit.act(&desk, &pairs, from).await,
    }
}

async fn read(headers: &HeaderMap, body: axum::body::Body) -> Option<Pairs> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    if !kind.trim().to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
        return None;
    }
    let read = axum::body::to_bytes(body, MAX_BODY);
    let bytes = tokio::time::timeout(super::super::control::BODY_TIMEOUT, read).await.ok()?.ok()?;
    Some(url::form_urlencoded::parse(&bytes).map(|(n, v)| (n.into_owned(), v.replace('\0', ""))).collect())
}

impl Visit {
    /// The page that was posted from is not ours, or of another time.
    fn stale(&self) -> Response {
        let lang = self.lang;
        let head = lang.pick("页面已失效", "This page is out of date");
        let text = lang.pick("请从消息中的链接重新打开。", "Open it again from the link in your message.");
        respond(StatusCode::FORBIDDEN, &Page::plain(lang, "wait", head, text), None)
    }

    /// The page as it is by now, with what is to be said about what was asked for.
    fn again(&self, status: StatusCode, case: &Case, note: Note, pairs: &[(String, String)]) -> Response {
        let page = Page::of(&self.shown(case, pairs), Some(note));
        respond(status, &page, None)
    }

    /// It is done: the browser asks for the page anew, so that nothing is posted twice.
    fn done(&self, cookie: Option<String>) -> Response {
        super::back(&self.link, cookie)
    }

    fn ask(&self, act: Act, address: String) -> Ask {
        let person = self.person.clone();
        Ask { task: self.task, person, act, comment: String::new(), links: Vec::new(), way: "link".into(), address }
    }

    async fn send_code(&self, desk: &Desk, from: String) -> Response {
        let case = match self.case(desk).await {
            Ok(case) => case,
            Err(page) => return *page,
        };
        // What would be refused is not even asked for: whoever holds a link must not fill the log with it.
        let codes = case.task.codes(&self.person).cloned().unwrap_or_default();
        if codes.next().is_none_or(|next| next > self.now) {
            let reason = if codes.next().is_none() { "too many codes" } else { "too soon" };
            return self.again(StatusCode::TOO_MANY_REQUESTS, &case, said(self.lang, reason, ""), &[]);
        }
        match submit(&desk.handle, self.ask(Act::SendCode, from), None).await {
            Ok(Told { refused: None, .. }) => self.done(None),
            Ok(Told { refused: Some(why), .. }) => {
                self.again(StatusCode::CONFLICT, &case, said(self.lang, &why.reason, &why.detail), &[])
            }
            Err(trouble) => self.trouble(&case, &trouble, &[]),
        }
    }

    /// One at a time: tries that come together must not each find that none was wrong before.
    async fn prove(&self, desk: &Desk, code: &str, from: String) -> Response {
        let _one = desk.proving.lock().await;
        let case = match self.case(desk).await {
            Ok(case) => case,
            Err(page) => return *page,
        };
        let codes = case.task.codes(&self.person).cloned().unwrap_or_default();
        if !codes.counts(self.now) {
            let head = self.lang.pick("验证码已失效，请重新获取", "That code counts no more: ask for another");
            return self.again(StatusCode::FORBIDDEN, &case, Note::new("bad", head, ""), &[]);
        }
        let key = desk.handle.key();
        let right = key.code(&self.task.to_string(), &self.person, codes.sent);
        let given = digits(code);
        let is_right = right.is_some_and(|right| right.as_bytes().ct_eq(given.as_bytes()).into());
        let act = if is_right { Act::RightCode } else { Act::WrongCode };
        let told = submit(&desk.handle, self.ask(act, from), None).await;
        match told {
            Err(trouble) => self.trouble(&case, &trouble, &[]),
            Ok(Told { refused: None, .. }) if is_right => {
                self.done(session::cookie(&self.person, key, desk.handle.links().base(), self.now))
            }
            Ok(_) => match self.case(desk).await {
                Ok(case) => self.again(StatusCode::FORBIDDEN, &case, said(self.lang, "wrong code", ""), &[]),
                Err(page) => *page,
            },
        }
    }

    /// A decision, or whatever else somebody does about the task.
    async fn act(&self, desk: &Desk, pairs: &[(String, String)], from: String) -> Response {
        let case = match self.case(desk).await {
            Ok(case) => case,
            Err(page) => return *page,
        };
        if !self.session.is(&self.person) {
            let head = self.lang.pick("请先验证身份", "First prove who you are");
            return self.again(StatusCode::FORBIDDEN, &case, Note::new("wait", head, ""), &[]);
        }
        let shown = self.shown(&case, pairs);
        let mut ask = match read_act(self, &shown, pairs) {
            Ok(act) => self.ask(act, from),
            Err(note) => return self.again(StatusCode::UNPROCESSABLE_ENTITY, &case, note, pairs),
        };
        if !stand::stand(&shown).allows(&ask.act) {
            return respond(StatusCode::CONFLICT, &Page::of(&shown, None), None);
        }
        let text = |name: &str| pairs.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.trim());
        ask.comment = text("comment").replace("\r\n", "\n");
        ask.links = field::address(text("link")).map(str::to_owned).into_iter().collect();
        // By this very link, or by what was proved with another one.
        let here = case.task.codes(&self.person).is_some_and(|codes| codes.used);
        ask.way = if here { "link" } else { "session" }.into();
        match submit(&desk.handle, ask, None).await {
            Ok(Told { refused: None, .. }) => self.done(None),
            Ok(Told { refused: Some(Refused { reason, detail }), .. }) => match self.case(desk).await {
                Ok(case) => self.again(StatusCode::CONFLICT, &case, said(self.lang, &reason, &detail), pairs),
                Err(page) => *page,
            },
            Err(trouble) => self.trouble(&case, &trouble, pairs),
        }
    }

    fn trouble(&self, case: &Case, trouble: &Trouble, pairs: &[(String, String)]) -> Response {
        let text = if let Trouble::Later(why) = trouble { why.as_str() } else { "" };
        let head = self.lang.pick("暂时无法处理，请稍后再试", "That cannot be done right now; try again soon");
        self.again(StatusCode::SERVICE_UNAVAILABLE, case, Note::new("bad", head, text), pairs)
    }
}

/// What is asked for; or what is missing.
fn read_act(visit: &Visit, shown: &Shown<'_>, pairs: &[(String, String)]) -> Result<Act, Note> {
    let lang = visit.lang;
    let text = |name: &str| pairs.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.trim());
    let wrong = |zh: &str, en: &str| Note::new("bad", lang.pick(zh, en), "");
    if text("comment").chars().count() > LONGEST {
        return Err(wrong("意见不能超过 2000 字", "A comment has 2,000 characters at most"));
    }
    if !text("link").is_empty() && field::address(text("link")).is_none() {
        return Err(wrong("链接须以 http:// 或 https:// 开头", "A link begins with http:// or https://"));
    }
    let who = || match text("who") {
        "" => Err(wrong("请选择人员", "Choose a person")),
        who => Ok(who.to_owned()),
    };
    Ok(match text("what") {
        "approve" => Act::Approve,
        "reject" if text("comment").is_empty() => return Err(wrong("驳回须填写意见", "A rejection needs a comment")),
        "reject" => {
            let to = Some(text("to")).filter(|to| !to.is_empty()).map(str::to_owned);
            Act::Reject { here: to.is_some() && text("here") == "1", to }
        }
        "transfer" => Act::Transfer(who()?),
        "delegate" => Act::Delegate(who()?),
        "before" => Act::Add { people: vec![who()?], before: true, mode: None },
        "after" => Act::Add { people: vec![who()?], before: false, mode: None },
        "remove" => Act::Remove(who()?),
        "recall" => Act::Recall,
        "answer" => {
            let form = shown.case.task.form.as_ref().and_then(|form| shown.definitions.forms.get(form));
            let Some(form) = form else {
                return Err(wrong("表单已不存在，请联系管理员", "The form is no longer there"));
            };
            let posted = |name: &str| pairs.iter().find(|(n, _)| n.strip_prefix("f.") == Some(name)).map(|(_, v)| v.clone());
            Act::Answer(Value::Map(field::answers(&form.fields, posted)))
        }
        _ => return Err(wrong("无法识别的操作", "That is not something that can be done here")),
    })
}

/// Why it was not done: in the page's language where it is known, otherwise as the engine says it.
fn said(lang: Lang, reason: &str, detail: &str) -> Note {
    Note::new("bad", words::refused(lang, reason, detail), "")
}

/// Digits as people type them: full width, with blanks.
fn digits(text: &str) -> String {
    let half = |c: char| match c {
        '０'..='９' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        c => c,
    };
    text.chars().filter(|c| !c.is_whitespace()).map(half).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_as_they_are_typed() {
        assert_eq!(digits(" １２３ 4 56 "), "123456");
        assert_eq!(digits("12a"), "12a");
    }
}
