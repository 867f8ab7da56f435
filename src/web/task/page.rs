//! The page on which a person decides: what it shows to whom. Nothing of the record is shown before whoever is there has proved who
//! they are: links are forwarded, and programs that look at links open them.

use std::sync::LazyLock;

use jiff::Timestamp;
use minijinja::Environment;
use serde::Serialize;

use super::ahead::Ahead;
use super::case::Case;
use super::field::{self, Choice, Question, Row};
use super::past::{self, Line};
use super::stand::{self, Note, Stand};
use super::words::{Lang, Words};
use crate::engine::approval::proof;
use crate::engine::definition::{Definitions, Share, Signing, Step};
use crate::engine::value::Value;

/// The look of all pages.
pub(super) const STYLE: &str = include_str!("style.css");

static PAGES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut pages = Environment::new();
    // What cannot be read would be found by the first test that shows a page.
    drop(pages.add_template("page.html", include_str!("page.html")));
    pages
});

/// A page's values, under the names that `page.html` uses; what is absent is not shown.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    w: &'static Words,
    style: &'static str,
    title: String,
    notice: Option<Note>,
    case: Option<Head>,
    standing: Option<Note>,
    fields: Vec<Row>,
    papers: Vec<Paper>,
    past: Vec<Line>,
    next: Vec<String>,
    prove: Option<Prove>,
    answer: Option<Answer>,
    decide: Option<Decide>,
    people: Vec<Choice>,
    removable: Vec<Choice>,
    recall: bool,
    said: String,
    form: String,
    footer: String,
}

#[derive(Debug, Serialize)]
struct Head {
    kind: String,
    round: Option<String>,
    text: String,
    about: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Paper {
    name: String,
    link: String,
}

/// How to prove who one is.
#[derive(Debug, Serialize)]
struct Prove {
    why: String,
    /// A code was sent and counts.
    sent: bool,
    /// Another may be sent.
    can: bool,
}

#[derive(Debug, Serialize)]
struct Answer {
    title: String,
    fields: Vec<Question>,
}

#[derive(Debug, Serialize)]
struct Decide {
    returns: Vec<Choice>,
    rejected: String,
}

/// For whom a page is made.
pub(super) struct Shown<'a> {
    pub(super) case: &'a Case,
    pub(super) person: &'a str,
    /// Whoever is there has proved to be that person.
    pub(super) proved: bool,
    pub(super) definitions: &'a Definitions,
    pub(super) lang: Lang,
    pub(super) now: Timestamp,
    /// What its forms bring back.
    pub(super) form: String,
    /// What was posted and could not be done: it is shown again.
    pub(super) posted: &'a [(String, String)],
}

impl Page {
    /// One that says something, and nothing else.
    pub(super) fn plain(lang: Lang, look: &'static str, head: &str, text: &str) -> Self {
        let mut page = Self::empty(lang, head.to_owned());
        page.standing = Some(Note::new(look, head, text));
        page
    }

    fn empty(lang: Lang, title: String) -> Self {
        Self {
            w: lang.words(),
            style: STYLE,
            title,
            notice: None,
            case: None,
            standing: None,
            fields: Vec::new(),
            papers: Vec::new(),
            past: Vec::new(),
            next: Vec::new(),
            prove: None,
            answer: None,
            decide: None,
            people: Vec::new(),
            removable: Vec::new(),
            recall: false,
            said: String::new(),
            form: String::new(),
            footer: "ifthen".into(),
        }
    }

    /// The page of a task.
    pub(super) fn of(shown: &Shown<'_>, notice: Option<Note>) -> Self {
        let task = &shown.case.task;
        let stand = stand::stand(shown);
        let mut page = Self::empty(shown.lang, task.subject.clone());
        page.notice = notice;
        page.footer = format!("ifthen · {}", task.id);
        page.form.clone_from(&shown.form);
        page.case = Some(shown.head());
        page.standing = stand.note.clone();
        if shown.proved {
            shown.fill(&mut page, &stand);
        } else {
            page.prove = Some(shown.prove(&stand));
        }
        page
    }

    /// As HTML.
    pub(super) fn html(&self) -> String {
        let page = PAGES.get_template("page.html").and_then(|page| page.render(minijinja::value::Serde(self)));
        page.unwrap_or_else(|error| {
            tracing::error!(%error, "a page cannot be shown");
            "<!doctype html><meta charset=utf-8><p>页面无法显示 / this page cannot be shown".into()
        })
    }
}

impl Shown<'_> {
    fn ahead(&self) -> Option<(Ahead<'_>, &Step)> {
        let flow = self.case.flow.as_deref()?;
        let step = flow.steps.iter().find(|s| s.id == self.case.task.step)?;
        let record = self.case.record.as_deref();
        Some((Ahead { flow, record, definitions: self.definitions, lang: self.lang }, step))
    }

    fn head(&self) -> Head {
        let (lang, task, zone) = (self.lang, &self.case.task, &self.definitions.zone.0);
        let mut about = Vec::new();
        if let Some(who) = &task.initiator {
            about.push(Row::new(lang.pick("发起人", "Asked for by"), field::name(who, self.definitions)));
        }
        about.push(Row::new(lang.pick("发出时间", "Since"), field::time(task.opened, zone)));
        if let (Some(due), None) = (task.due, &task.ended) {
            about.push(Row::new(lang.pick("处理时限", "Due"), field::time(due, zone)));
        }
        if task.form.is_none() && task.seats.len() > 1 {
            about.push(Row::new(lang.pick("方式", "Decided by"), signing(&task.mode, lang)));
        }
        let flow = self.case.flow.as_ref().or_else(|| self.definitions.flows.get(&task.flow));
        let flow = flow.and_then(|f| f.title.clone()).unwrap_or_else(|| task.flow.clone());
        let step = self.ahead().map_or_else(|| task.step.clone(), |(ahead, step)| ahead.title(step));
        let text = if self.proved { task.text.clone() } else { String::new() };
        let round = (task.round > 1).then(|| lang.pick(format!("第 {} 轮", task.round), format!("round {}", task.round)));
        Head { kind: format!("{flow} · {step}"), round, text, about }
    }

    /// How somebody who has only a link proves who they are.
    fn prove(&self, stand: &Stand) -> Prove {
        let lang = self.lang;
        let person = self.definitions.people.get(self.person);
        let Some((_, address)) = person.and_then(|p| proof::own_channel(self.definitions, p)) else {
            return Prove { why: super::words::refusal(lang, "no channel of their own"), sent: false, can: false };
        };
        let (to, codes) = (masked(address), self.case.task.codes(self.person).cloned().unwrap_or_default());
        let (sent, next) = (codes.counts(self.now), codes.next());
        let time = |at: Timestamp| at.to_zoned(self.definitions.zone.0.clone()).strftime("%H:%M").to_string();
        let why = match (sent, codes.at, next) {
            (true, Some(at), _) => lang.pick(
                format!("验证码已于 {} 发送到 {to}，10 分钟内有效。", time(at)),
                format!("A code was sent to {to} at {}; it counts for 10 minutes.", time(at)),
            ),
            (_, _, None) => super::words::refusal(lang, "too many codes"),
            (_, _, Some(next)) if next > self.now => lang.pick(
                format!("请在 {} 之后重新获取验证码。", time(next)),
                format!("You can ask for another code after {}.", time(next)),
            ),
            _ if stand.turn => lang.pick(
                format!("只有{}本人可以处理。请先获取验证码，它会发送到 {to}。", field::name(self.person, self.definitions)),
                format!(
                    "Only {} can decide this. First get a code; it is sent to {to}.",
                    field::name(self.person, self.definitions)
                ),
            ),
            _ => lang.pick(
                format!("查看详情前，请先获取验证码，它会发送到 {to}。"),
                format!("To see it all, first get a code; it is sent to {to}."),
            ),
        };
        Prove { why, sent, can: next.is_some_and(|next| next <= self.now) }
    }

    /// What only the person sees.
    fn fill(&self, page: &mut Page, stand: &Stand) {
        let task = &self.case.task;
        page.fields = self.fields();
        let paper = |(name, link): &(String, String)| {
            let link = field::address(link)?.to_owned();
            Some(Paper { name: if name.is_empty() { link.clone() } else { name.clone() }, link })
        };
        page.papers = task.links.iter().filter_map(paper).collect();
        page.past = past::lines(self);
        let ahead = self.ahead().filter(|_| task.ended.is_none());
        page.next = ahead.as_ref().map(|(ahead, step)| ahead.after(step)).unwrap_or_default();
        page.said = self.given("comment").unwrap_or_default().to_owned();
        page.recall = stand.recall;
        let one = |who: &str| Choice { value: who.to_owned(), name: field::name(who, self.definitions).to_owned() };
        page.removable = task.removable(self.person).into_iter().map(one).collect();
        if !stand.turn {
            return;
        }
        let seated: Vec<&str> = task.seats.iter().map(|s| s.person.as_str()).collect();
        page.people = field::people(self.definitions, &seated);
        match &task.form {
            Some(form) => page.answer = Some(self.answer(form)),
            None => {
                let returns = task.returns.iter().map(|id| {
                    let title = ahead.as_ref().and_then(|(ahead, _)| {
                        let step = ahead.flow.steps.iter().find(|s| s.id == *id)?;
                        Some(ahead.title(step))
                    });
                    Choice { value: id.clone(), name: title.unwrap_or_else(|| id.clone()) }
                });
                let rejected = ahead.as_ref().map(|(ahead, step)| ahead.rejected(step)).unwrap_or_default();
                page.decide = Some(Decide { returns: returns.collect(), rejected });
            }
        }
    }

    fn fields(&self) -> Vec<Row> {
        let task = &self.case.task;
        let (Some(record), Some(at)) = (&self.case.record, &task.record) else { return Vec::new() };
        let entity = self.definitions.entities.get(&at.entity);
        let names: Vec<&String> = if task.show.is_empty() { record.fields.keys().collect() } else { task.show.iter().collect() };
        let row = |name: &&String| {
            let value = record.seen(name);
            let kind = entity.and_then(|e| e.fields.get(*name)).map(|f| &f.kind);
            (!value.is_empty()).then(|| field::row(name, kind, &value, self.definitions, self.lang))
        };
        names.iter().filter_map(row).collect()
    }

    fn answer(&self, form: &str) -> Answer {
        let Some(form) = self.definitions.forms.get(form) else {
            return Answer { title: form.to_owned(), fields: Vec::new() };
        };
        let question = |f: &crate::engine::definition::FormField| {
            let now = self.case.record.as_ref().map_or(Value::Null, |r| r.value(&f.name).clone());
            field::question(f, &now, self.given(&format!("f.{}", f.name)), self.definitions, self.lang)
        };
        Answer { title: form.title.clone(), fields: form.fields.iter().map(question).collect() }
    }

    fn given(&self, name: &str) -> Option<&str> {
        self.posted.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

fn signing(mode: &Signing, lang: Lang) -> String {
    match mode {
        Signing::Any => lang.pick("或签，一人处理即可", "the first decision counts").into(),
        Signing::Sequence => lang.pick("顺签，依次处理", "one after another").into(),
        Signing::All { need: None, .. } => lang.pick("会签，须全部同意", "all must approve").into(),
        Signing::All { need: Some(Share::Count(n)), .. } => {
            lang.pick(format!("会签，须 {n} 人同意"), format!("{n} must approve"))
        }
        Signing::All { need: Some(Share::Percent(n)), .. } => {
            lang.pick(format!("会签，须 {n}% 同意"), format!("{n}% must approve"))
        }
    }
}

/// A mail address as far as its owner recognises it: `z***@example.com`.
fn masked(address: &str) -> String {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    format!("{}***@{domain}", local.chars().take(1).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_escaped() {
        let html = Page::plain(Lang::Zh, "wait", "<script>alert(1)</script>", "\"'&<b>").html();
        assert!(html.contains("&lt;script&gt;") && !html.contains("<script") && !html.contains("<b>"), "{html}");
        assert!(html.contains("lang=\"zh-CN\""), "{html}");
    }

    #[test]
    fn an_address_is_shown_to_whom_it_belongs() {
        assert_eq!(masked("zhang@example.com"), "z***@example.com");
        assert_eq!(masked(""), "***@");
    }
}
